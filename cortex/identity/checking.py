"""What a platform would receive for a value, and why not: the answer behind `cortex identity check`."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from cortex.identity._text import clean
from cortex.identity.normalise import RULES, prehashed
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

    destination: meta, google, tiktok, snap, pinterest or the name of a destination file. country: ISO 3166, default
    BR. Answers {"normalised", "sha256", "candidates", "reason"}: the best reading (None when nothing is usable), its
    digest (None where the platform wants it plain), every reading anyone may have hashed, best first, and a sentence
    where something is to be said. Touches nothing and keeps nothing.
    """
    return [_check(line) for line in lines]


def _check(line: Mapping[str, str]) -> dict[str, Any]:
    name = line.get("destination", "")
    platform = KINDS.get(name, name)
    if platform not in PLATFORMS:
        return _nothing(f"Unknown destination {name!r}; known: {', '.join(PLATFORMS)}.")
    fields = {field.key: field for field in PLATFORMS[platform].fields}
    field = fields.get(line.get("field", ""))
    if field is None:
        near = difflib.get_close_matches(line.get("field", ""), fields, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        return _nothing(f"{platform} has no field {line.get('field', '')!r}; it takes {', '.join(fields)}.{hint}")
    return _read(platform, field, line.get("value") or "", line.get("country") or "BR")


def _read(platform: str, field: IdentifierField, value: str, country: str) -> dict[str, Any]:
    readings = RULES[field.rule](value, country.upper())
    if not readings:
        if not clean(value):
            return _nothing("Empty: nothing is sent, and nothing is hashed.")
        return _nothing(f"Not usable: {field.key} needs {WANTED[field.rule]}.")
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


def _nothing(reason: str) -> dict[str, Any]:
    return {"normalised": None, "sha256": None, "candidates": [], "reason": reason}
