"""What a platform would receive for a value, and why not: the answer behind `cortex identity check`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cortex.identity._text import clean
from cortex.identity.normalise import EMPTY_SHA256, RULES, prehashed
from cortex.identity.rules import KINDS, PLATFORMS
from cortex.identity.sealing import digest
from cortex.records import IdentifierField

WANTED = {
    "email_plain": "one @ between a mailbox and a domain with a dot",
    "email_google": "one @ between a mailbox and a domain with a dot; Gmail's dots do not count",
    "phone_digits": "a whole number with its area code, and the country code where it is not the buyer's country",
    "phone_e164": "a whole number with its area code, and the country code where it is not the buyer's country",
    "name_plain": "letters, and no @",
    "name_given": "letters, and no @",
    "name_family": "letters, and no @",
    "city_plain": "letters",
    "state_code": "letters",
    "postcode_meta": "three characters or more with a digit, not all the same",
    "postcode_plain": "three characters or more with a digit, not all the same, in the clear",
    "country_code": "an ISO 3166 code or the name of a country",
    "region_code": "an ISO 3166 code or the name of a country, in the clear",
    "gender_letter": "f or m, or a word for it",
    "birth_date": "a whole date after 1900-01-01",
    "id_plain": "an id",
}
"""What each rule needs, in words."""


def _sample_email(value: str) -> str:
    local, _, domain = value.strip().lower().rpartition("@")
    return local.replace(".", "").replace("+", "") + "@" + domain


_SAMPLES: dict[tuple[str, str], Callable[[str], str]] = {
    ("google", "email"): _sample_email,
    ("google", "phone"): lambda value: value.strip().lower(),
}
"""What the sample scripts shipped with google-ads make of a value, against Google's own written rule: dots removed for
every domain, spaces kept in phones. Listed as candidates so that such a hash can be recognised; never sent."""


def check(lines: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
    """For each {"destination", "field", "value", "country"} what the destination would be told.

    destination: meta, google, tiktok, snap, pinterest or the name of a destination file. field: the platform's own
    name (`ph`) or ours (`phone`). country: ISO 3166, default
    BR. Answers {"normalised", "sha256", "candidates", "reason"}: the best reading (None when nothing is usable), its
    digest (None where the platform wants it plain), every reading anyone may have hashed, best first, and a sentence
    where something is to be said. Touches nothing and keeps nothing.
    """
    return [_check(line) for line in lines]


def _check(line: Mapping[str, str]) -> dict[str, Any]:
    name = line.get("destination", "")
    platform = KINDS.get(name, name)
    if platform not in PLATFORMS:
        return nothing(f"Unknown destination{_quoted(name)}; known: {', '.join(PLATFORMS)}.")
    fields = {field.key: field for field in PLATFORMS[platform].fields}
    named = line.get("field", "")
    field = fields.get(named) or next((each for each in fields.values() if each.fact == named), None)
    if field is None:
        near = difflib.get_close_matches(named, fields, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        return nothing(f"{platform} has no such field{_quoted(named)}; it takes {', '.join(fields)}.{hint}")
    return _read(platform, field, line.get("value") or "", line.get("country") or "BR")


def _read(platform: str, field: IdentifierField, value: str, country: str) -> dict[str, Any]:
    readings = RULES[field.rule](value, country.upper())
    if not readings:
        if not clean(value):
            return nothing("Empty: nothing is sent, and nothing is hashed.")
        if why := _useless_digest(clean(value).lower()):
            return nothing(why)
        return nothing(f"Not usable: {field.key} needs {WANTED[field.rule]}.")
    reason = "Taken as a SHA-256 already: not hashed again." if field.hashed and prehashed(readings[0]) else ""
    sample = _SAMPLES.get((platform, field.key))
    candidates = list(dict.fromkeys([*readings, *([sample(value)] if sample and not reason else [])]))
    return {
        "normalised": readings[0],
        "sha256": digest(readings[0]) if field.hashed else None,
        "candidates": [
            {"normalised": reading, "sha256": digest(reading) if field.hashed else None} for reading in candidates
        ],
        "reason": reason or ("" if field.hashed else "Sent in the clear: this platform wants it so."),
    }


def _useless_digest(text: str) -> str:
    """Why a value that is a digest already is not sent, or an empty string."""
    if text.partition(".")[0] == EMPTY_SHA256:
        return "This is the SHA-256 of an empty text: whoever hashed it hashed a missing value. Nothing is sent."
    if re.fullmatch(r"[0-9a-f]{32}|[0-9a-f]{40}", text):
        return "This looks like an MD5 or a SHA-1: platforms match SHA-256 alone. Nothing is sent."
    if prehashed(text):
        return "A SHA-256 where this platform wants the value in the clear. Nothing is sent."
    return ""


def _quoted(name: str) -> str:
    """A name as it was given, when it is one: somebody may have put a value in its place."""
    return f" {name!r}" if re.fullmatch(r"[A-Za-z_]{1,40}", name) else ""


def nothing(reason: str) -> dict[str, Any]:
    """The answer for what cannot be used, and why."""
    return {"normalised": None, "sha256": None, "candidates": [], "reason": reason}
