"""Credentials that were written into a client file: found by name, by shape and by randomness, never repeated.

A client file is committed, mailed and shown on screens; credentials belong in the environment or `.env`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

SHORTEST = 10
"""No credential worth the name is shorter."""

# Lookbehinds keep the search linear in lines of any length.
# (shape, what it is, the credential it usually stands for)
_SHAPES: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern), what, name)
    for pattern, what, name in (
        (r"EAA[A-Za-z0-9]{16,}", "a Meta access token", "META_TOKEN"),
        (r"shp(?:at|ca|pa|ss)_[A-Za-z0-9]{16,}", "a Shopify token", "SHOPIFY_TOKEN"),
        (r"ya29\.[A-Za-z0-9._-]{10,}", "a Google access token", "GOOGLE_CREDENTIALS"),
        (r"\b1//[A-Za-z0-9_-]{20,}", "a Google refresh token", "GOOGLE_CREDENTIALS"),
        (r"GOCSPX-[A-Za-z0-9_-]{10,}", "a Google client secret", "GOOGLE_CREDENTIALS"),
        (r"AIza[A-Za-z0-9_-]{30,}", "a Google API key", "GOOGLE_CREDENTIALS"),
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----", "a private key", "GOOGLE_CREDENTIALS"),
        (r"(?:APP_USR|TG)-[0-9a-f-]{20,}", "a Mercado Livre token", "MERCADOLIVRE_TOKEN"),
        (r"xox[abeoprs]-[A-Za-z0-9-]{10,}", "a Slack token", "SLACK_TOKEN"),
        (r"hooks\.slack\.com/services/[A-Za-z0-9/_-]+", "a Slack webhook", "SLACK_WEBHOOK"),
        (r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}", "an SMTP service key", "SMTP_PASSWORD"),
        (r"\bA(?:KIA|SIA)[A-Z0-9]{16}\b", "a cloud access key", ""),
        (r"\bgh[pousr]_[A-Za-z0-9]{20,}", "a code host token", ""),
        (r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{10,}", "a payment key", ""),
        (r"(?<![\w.-])eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}", "a signed token (JWT)", ""),
        (r"(?i)\bbearer\s+[A-Za-z0-9._~+/=-]{8,}", "a bearer token", ""),
        (
            r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@\"']*:[^\s/@\"']+@",
            "an address with a password in it",
            "DATABASE_URL",
        ),
        (
            r"(?i)[?&](?:access_token|token|api_key|key|secret|password)=[^&\s\"']{6,}",
            "an address with a token in it",
            "",
        ),
    )
)

_NAMES = re.compile(
    r"(?i)token|secret|password|senha|api_?key|private_?key|credentia|credencia|"
    r"(?:^|[_.-])(?:key|chave|pwd|passwd|segredo|auth|authorization|bearer)(?:$|[_.-])"
)
_WORD = re.compile(r"[A-Za-z0-9+=_-]{32,}")
_WHOLE = re.compile(r"[A-Za-z0-9+/=_-]{32,}")


def shapes(line: str) -> Iterator[tuple[int, str, str, str]]:
    """Credentials recognisable by their form: (column from 0, the text, what it is, the credential's name)."""
    if len(line) < SHORTEST:
        return
    for pattern, what, name in _SHAPES:
        for match in pattern.finditer(line):
            yield match.start(), match[0], what, name


def named(key: str) -> bool:
    """Whether a key asks for a credential: access_token, client_secret, senha, api_key …"""
    return _NAMES.search(key) is not None


def random(text: str) -> str:
    """The first stretch of 32 or more characters that looks drawn at random, or nothing.

    Words, slugs, paths and long numbers are not random; hexadecimal keys, base64 and base36 are.
    """
    whole = text.strip()
    if _WHOLE.fullmatch(whole) and not whole.startswith("/") and _drawn(whole):
        return whole
    return next((match[0] for match in _WORD.finditer(text) if _drawn(match[0])), "")


def _drawn(text: str) -> bool:
    digits = sum(character.isdigit() for character in text)
    letters = sum(character.isalpha() for character in text)
    if digits < 4 or letters < 4:
        return False
    one_case = text == text.lower() or text == text.upper()
    if one_case and not text.isalnum():
        return False  # slugs and UUIDs: words or ids, dashes between
    return _entropy(text) >= (2.8 if re.fullmatch("[0-9a-fA-F]+", text) else 3.6)


def _entropy(text: str) -> float:
    """Shannon entropy in bits a character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())
