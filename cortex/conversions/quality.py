"""Quality: how well a platform could match the buyers it was told of, from names of match keys alone. An estimate."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

WEIGHTS = {
    "em": 3.0, "email_address": 3.0, "email": 3.0,
    "fbc": 3.0, "gclid": 3.0, "gbraid": 3.0, "wbraid": 3.0, "ttclid": 3.0,
    "ph": 1.5, "phone_number": 1.5, "phone": 1.5,
    "external_id": 1.0, "fbp": 1.0, "ttp": 1.0, "ip": 1.0,
    "country": 0.5, "region_code": 0.5, "user_agent": 0.5,
    "fn": 0.4, "ln": 0.4, "given_name": 0.4, "family_name": 0.4,
    "ct": 0.3, "st": 0.3, "zp": 0.3, "postal_code": 0.3,
}  # fmt: skip
"""Points of a match key: e-mail and click ids weigh most, as in Meta's list of priorities (High, Medium, Low)."""
CLICKS = frozenset({"fbc", "gclid", "gbraid", "wbraid", "ttclid"})
BEST = 10.0
FRESH = timedelta(hours=1)
"""Meta asks for an event within an hour."""
STALE = timedelta(days=1)
CLICK_LASTS = timedelta(days=90)
"""A click older than this when the sale was made brought nobody: platforms look back no further."""
THIN = 3.0
"""Points below which an event leans on one weak key."""

EMPTY = hashlib.sha256(b"").hexdigest()
NOBODY = {
    hashlib.sha256(word.encode()).hexdigest(): word or "an empty text"
    for word in ("", "null", "none", "undefined", "nan", "n/a", "test", "test@test.com", "0", "unknown", " ")
}
"""Digests that name nobody, and what they are digests of."""
_DIGEST = re.compile(r"[0-9a-f]{64}(?:\.[A-Za-z0-9_-]{8})?")


def score(keys: Iterable[str]) -> float:
    """0 to 10: points of the keys an event carries, click ids of one platform counted once, at most ten.

    An estimate of ours to compare clients and weeks by. The platform's own figure (Meta's EMQ) also knows how many of
    the keys it found among its users, which nobody outside can.
    """
    found = set(keys)
    points = sum(WEIGHTS.get(key, 0.0) for key in found - CLICKS) + (3.0 if found & CLICKS else 0.0)
    return min(points, BEST)


def estimate(combinations: Mapping[tuple[str, ...], int]) -> float | None:
    """Mean score of events, by the keys they carry; None of no event."""
    total = sum(combinations.values())
    return sum(score(keys) * count for keys, count in combinations.items()) / total if total else None


def coverage(combinations: Mapping[tuple[str, ...], int]) -> dict[str, float]:
    """Share of events that carry each key, 0 to 1, the most common first."""
    total = sum(combinations.values())
    counts: dict[str, int] = {}
    for keys, count in combinations.items():
        for key in keys:
            counts[key] = counts.get(key, 0) + count
    return {key: count / total for key, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))}


def clicked_at(fbc: str) -> datetime | None:
    """When Meta's click id was first seen, as it says itself; None where it does not. Google's ids tell no time.

    >>> clicked_at("fb.1.1763600000000.AbC")
    datetime.datetime(2025, 11, 20, 0, 53, 20, tzinfo=datetime.timezone.utc)
    """
    parts = fbc.split(".")
    told = len(parts) > 3 and parts[2].isdecimal() and len(parts[2]) == 13
    return datetime.fromtimestamp(int(parts[2]) / 1000, UTC) if told else None


def fault(digest: str) -> str:
    """What is wrong with a value that should be a SHA-256 of somebody, or an empty string.

    >>> fault("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    'the digest of an empty text'
    """
    if not _DIGEST.fullmatch(digest):
        return "no SHA-256 in lower-case hex"
    word = NOBODY.get(digest[:64])
    return "" if word is None else f"the digest of {word if word == NOBODY[EMPTY] else repr(word)}"
