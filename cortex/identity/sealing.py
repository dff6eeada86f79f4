"""From a buyer in the clear to what may be kept: keyed pseudonyms for us, plain digests for a destination."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from functools import lru_cache
from hashlib import sha256

from cortex.identity._places import country_iso
from cortex.identity.normalise import RULES, SHORTEST_DIGEST, document_digits, email_google, phone_digits, prehashed
from cortex.records import IdentifierField, IdentifierRules, Person


def digest(reading: str) -> str:
    """SHA-256 in lower-case hex, as every platform takes it; a reading that is one already stays as it is.

    >>> digest("test@example.com")
    '973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b'
    """
    if len(reading) >= SHORTEST_DIGEST and (already := prehashed(reading)):
        return already
    return sha256(reading.encode()).hexdigest()


def pseudonym(key: bytes, kind: str, value: str) -> str:
    """HMAC-SHA-256 in hex of `kind:value` under the tenant's key; `value` is normalised already.

    Unlike a plain hash nobody can find the person in it by hashing a list of addresses, and two tenants never share
    one. Losing the key forgets everybody.
    """
    keyed = _keyed(key).copy()
    keyed.update(f"{kind}:{value}".encode())
    return keyed.hexdigest()


@lru_cache(maxsize=8)
def _keyed(key: bytes) -> hmac.HMAC:
    """To be copied: taking the key in is half of the work."""
    return hmac.new(key, digestmod="sha256")


def aliases(key: bytes, person: Person, platform: str, country: str = "BR") -> list[tuple[str, str]]:
    """(kind, pseudonym) of everything one buyer may be recognised by: store, email, phone, document.

    store: the shop's customer id within its platform. email: by mailbox, so that Gmail's dots and +suffix make no
    second person. document: CPF or CNPJ with right check digits. Empty when the order names nobody.
    """
    at = country_iso(person.country) or country
    known = (
        ("store", f"{platform}:{person.store_id}" if person.store_id else ""),
        ("email", _first(email_google(person.email, at))),
        ("phone", _first(phone_digits(person.phone, at)) if person.phone else ""),
        ("document", document_digits(person.document) if person.document else ""),
    )
    return [(kind, pseudonym(key, kind, value)) for kind, value in known if value]


def tombstone(key: bytes, alias: str) -> str:
    """What is kept of an erased person, to know their older orders by when they are read again, and by nothing else.

    alias: one of `aliases`. Under a key derived from the tenant's, so that it is none of the person's pseudonyms.
    """
    return hmac.digest(hmac.digest(key, b"erased people", "sha256"), alias.encode(), "sha256").hex()


def identify(person: Person, rules: IdentifierRules, country: str = "BR") -> dict[str, list[str]]:
    """A buyer as one destination wants people written: its keys with digests (or plain values where its rules say so).

    country: ISO 3166 code read into what the buyer typed without one; their own country wins. Keys without a usable
    fact are absent. Lists have one entry unless the destination takes several readings.
    """
    at = country_iso(person.country) or country
    found: dict[str, list[str]] = {}
    for key, fact, write in _compiled(rules):
        value = getattr(person, fact)
        if value and (written := write(value, at)):
            found[key] = list(written)
    return found


def is_internal(person: Person, entries: Iterable[str]) -> bool:
    """Whether the buyer is the shop's or the agency's own: an address listed whole, or `@domain`."""
    mailbox = _first(email_google(person.email, ""))
    if not mailbox:
        return False
    return any(
        mailbox.endswith(entry.strip().lower())
        if entry.strip().startswith("@")
        else mailbox == _first(email_google(entry, ""))
        for entry in entries
    )


def _first(readings: tuple[str, ...]) -> str:
    return readings[0] if readings else ""


Write = Callable[[str, str], tuple[str, ...]]
"""A value and a country to what a destination is told of it."""

PLACES = frozenset({"city", "state", "country"})
"""Cities, states and countries are few and nobody's in particular: their digests are worth remembering. Names, e-mails
and phones are forgotten with the order."""


def _writer(field: IdentifierField) -> Write:
    """A field's rule, with what becomes of its readings: hashed or not, all of them or the best."""
    rule = RULES[field.rule]

    def best(value: str, country: str) -> tuple[str, ...]:
        return rule(value, country)[:1]

    def best_hashed(value: str, country: str) -> tuple[str, ...]:
        readings = rule(value, country)
        return (digest(readings[0]),) if readings else ()

    def all_hashed(value: str, country: str) -> tuple[str, ...]:
        return tuple(map(digest, rule(value, country)))

    write: Write = (
        (all_hashed if field.variants else best_hashed) if field.hashed else (rule if field.variants else best)
    )
    return lru_cache(maxsize=8192)(write) if field.fact in PLACES else write


@lru_cache(maxsize=64)
def _compiled(rules: IdentifierRules) -> tuple[tuple[str, str, Write], ...]:
    """Rules with their functions looked up once. Raises KeyError for a rule this room does not know."""
    return tuple((field.key, field.fact, _writer(field)) for field in rules.fields)
