"""A conversion as a Data Manager event: fields, oneofs and what may not be said (events:ingest reference)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from cortex.destinations._digests import all_digests
from cortex.destinations._ready import filled
from cortex.money import amount
from cortex.records import Clicks, Conversion

MOST_IDENTIFIERS = 10
"""Of one event."""
CUSTOMER_TYPES = {"new": "NEW", "returning": "RETURNING"}
HASHED = ("email_address", "phone_number", "given_name", "family_name")
_CLICK = re.compile(r"[A-Za-z0-9_-]{10,512}")
_PLAIN = (
    ("region_code", re.compile(r"[A-Z]{2}")),
    ("postal_code", re.compile(r"[0-9A-Za-z][0-9A-Za-z -]{1,15}")),
)
_KEYS = {*HASHED, *(key for key, _ in _PLAIN)}


class Account(Struct, frozen=True, rename="camel", kw_only=True):
    account_id: str
    account_type: str


class Target(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True, gc=False):
    login_account: Account | UnsetType = UNSET
    operating_account: Account
    product_destination_id: str


class Event(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True, gc=False):
    ad_identifiers: dict[str, str] | UnsetType = UNSET
    conversion_value: Decimal
    currency: str
    event_source: str
    event_timestamp: str
    transaction_id: str
    user_data: dict[str, Any] | UnsetType = UNSET
    user_properties: dict[str, str] | UnsetType = UNSET


class Ingest(Struct, frozen=True, rename="camel", omit_defaults=True, kw_only=True, gc=False):
    consent: dict[str, str]
    destinations: list[Target]
    encoding: str
    events: list[Event]
    validate_only: bool | UnsetType = UNSET


_ENCODER = msgspec.json.Encoder(decimal_format="number", order="sorted")
"""Sorted keys and decimals as written: the same conversions give the same bytes in every process."""


def target(conversion_action: str, operating: str, login: str | None) -> Target:
    """The conversion action, in the Google Ads account that owns it."""
    return Target(
        login_account=Account(account_id=login, account_type="GOOGLE_ADS") if login else UNSET,
        operating_account=Account(account_id=operating, account_type="GOOGLE_ADS"),
        product_destination_id=conversion_action,
    )


def encode(events: Iterable[Event], to: Target, *, validate_only: bool = False) -> bytes:
    around = Ingest(
        # Whoever did not agree never reaches this file: the gates of `cortex.conversions` come first.
        consent={"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"},
        destinations=[to],
        encoding="HEX",
        events=[],
        validate_only=validate_only or UNSET,
    )
    return filled(_ENCODER.encode(around), events, _ENCODER)


def event(conversion: Conversion) -> Event:
    """An event of a purchase or of its new value; money in the order's currency, time in UTC to the second.

    An adjustment is the same event under the same transaction id with the value the order has now; a full refund is
    the value 0 (Data Manager documents no retraction).
    """
    click = click_id(conversion.clicks)
    users = user_identifiers(conversion)
    properties = {}
    if customer := CUSTOMER_TYPES.get(conversion.customer_type):
        properties["customerType"] = customer
    if conversion.value_bucket:
        properties["customerValueBucket"] = conversion.value_bucket.upper()
    return Event(
        ad_identifiers=click or UNSET,
        conversion_value=amount(conversion.value, conversion.currency),
        currency=conversion.currency,
        event_source="WEB",
        event_timestamp=conversion.occurred_at.astimezone(UTC).isoformat(timespec="seconds")[: -len("+00:00")] + "Z",
        transaction_id=conversion.order_id,
        user_data={"userIdentifiers": users} if users else UNSET,
        user_properties=properties or UNSET,
    )


def click_id(clicks: Clicks) -> dict[str, str]:
    """One click id, the most exact there is: gclid, then wbraid (web clicks), then gbraid (clicks tied to apps).

    What is no click id (a tester's gclid=test) is left out: it would cost the event, which may match otherwise.
    """
    for name in ("gclid", "wbraid", "gbraid"):
        value: str = getattr(clicks, name)
        if _CLICK.fullmatch(value):
            return {name: value}
    return {}


def user_identifiers(conversion: Conversion) -> list[dict[str, Any]]:
    """E-mail, phones and address, each an object of its own: Google keeps one kind per object and drops the rest.

    An address needs all of its four parts.
    """
    known = conversion.identifiers
    found: list[dict[str, Any]] = [{"emailAddress": value} for value in known.get("email_address", ())]
    found += [{"phoneNumber": value} for value in known.get("phone_number", ())]
    parts = [known.get(key) for key in ("given_name", "family_name", "region_code", "postal_code")]
    if all(parts):
        given, family, region, postal = (part[0] for part in parts if part)
        found.append(
            {"address": {"familyName": family, "givenName": given, "postalCode": postal, "regionCode": region}}
        )
    return found[:MOST_IDENTIFIERS]


def clear_identity(conversion: Conversion) -> bool:
    """Whether something that should be a digest is none, or a plain part is not what it says: the last door."""
    known = conversion.identifiers
    if not all_digests([value for key in HASHED for value in known.get(key, ())]):
        return True
    for key, pattern in _PLAIN:
        if not all(map(pattern.fullmatch, known.get(key, ()))):
            return True
    return not known.keys() <= _KEYS
