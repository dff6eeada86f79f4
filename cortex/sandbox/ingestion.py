"""What Data Manager checks before it takes a request: any reason found refuses every event in it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from cortex.sandbox.capi import texts
from cortex.sandbox.google_rest import Fields

MOST_EVENTS = 2000
MOST_DESTINATIONS = 10
MOST_IDENTIFIERS = 10
FUTURE = timedelta(minutes=1)

ENCODINGS = ("ENCODING_UNSPECIFIED", "HEX", "BASE64")
CONSENTS = ("CONSENT_STATUS_UNSPECIFIED", "CONSENT_GRANTED", "CONSENT_DENIED")
SOURCES = ("EVENT_SOURCE_UNSPECIFIED", "WEB", "APP", "IN_STORE", "PHONE", "OTHER", "MESSAGE")
ACCOUNT_TYPES = (
    "ACCOUNT_TYPE_UNSPECIFIED",
    "GOOGLE_ADS",
    "DISPLAY_VIDEO_PARTNER",
    "DISPLAY_VIDEO_ADVERTISER",
    "DATA_PARTNER",
    "GOOGLE_ANALYTICS_PROPERTY",
)
CUSTOMER_TYPES = ("CUSTOMER_TYPE_UNSPECIFIED", "NEW", "RETURNING", "REENGAGED")
VALUE_BUCKETS = ("CUSTOMER_VALUE_BUCKET_UNSPECIFIED", "LOW", "MEDIUM", "HIGH")

REQUEST = frozenset({"destinations", "events", "consent", "validateOnly", "encoding", "encryptionInfo"})
DESTINATION = frozenset({"reference", "loginAccount", "linkedAccount", "operatingAccount", "productDestinationId"})
ACCOUNT = frozenset({"product", "accountId", "accountType"})
EVENT = frozenset(
    {
        "destinationReferences",
        "transactionId",
        "eventTimestamp",
        "lastUpdatedTimestamp",
        "userData",
        "consent",
        "adIdentifiers",
        "currency",
        "conversionValue",
        "conversionCount",
        "eventSource",
        "eventDeviceInfo",
        "cartData",
        "customVariables",
        "experimentalFields",
        "userProperties",
        "eventName",
        "clientId",
        "userId",
        "additionalEventParameters",
        "thirdPartyUserData",
        "eventLocation",
        "appInstanceId",
    }
)
ADDRESS = frozenset({"givenName", "familyName", "regionCode", "postalCode"})
CLICK_IDS = ("gclid", "gbraid", "wbraid", "dclid")
AD_IDENTIFIERS = frozenset(
    {
        *CLICK_IDS,
        "sessionAttributes",
        "landingPageDeviceInfo",
        "mobileDeviceId",
        "impressionId",
        "matchId",
        "encryptedUserIds",
    }
)
DEVICE = frozenset({"userAgent", "ipAddress", "category", "languageCode"})
CART = frozenset({"merchantId", "merchantFeedLabel", "merchantFeedLanguageCode", "transactionDiscount", "items"})
ITEM = frozenset({"merchantProductId", "quantity", "unitPrice", "itemId", "additionalItemParameters"})
USER_PROPERTIES = frozenset({"customerType", "customerValueBucket", "additionalUserProperties"})

_HEX = re.compile(r"[0-9a-fA-F]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_NOTHING = hashlib.sha256(b"").digest()


@dataclass(frozen=True)
class Violation:
    """One thing wrong. `reason` is a name of the API's ErrorReason enum."""

    field: str
    reason: str
    description: str


@dataclass(frozen=True)
class Event:
    """A valid event, as far as its processing needs it."""

    references: tuple[str, ...]
    transaction_id: str
    occurred_at: datetime
    updated_at: datetime | None
    clicks: dict[str, str]
    has_user_data: bool
    identifiers: tuple[str, ...]
    consent: str
    value: Decimal | None
    currency: str
    event_name: str
    payload: dict[str, Any]

    @property
    def has_click(self) -> bool:
        return bool(self.clicks)


@dataclass(frozen=True)
class Destination:
    reference: str
    account_id: str
    login_id: str
    action_id: str
    payload: dict[str, Any]


class Reader:
    """Reads a request, and collects every violation on the way. Unknown names raise google_rest.Refused at once."""

    def __init__(self, body: Any, now: datetime) -> None:
        self._fields = Fields(body, "ingest_events_request", REQUEST)
        self._now = now
        self.violations: list[Violation] = []
        self.validate_only = self._fields.truth("validateOnly")
        self._encoding = self._fields.enum("encoding", ENCODINGS)
        self._consent = _consent(self._fields, "ingest_events_request")
        if "encryptionInfo" in self._fields:
            self._wrong("encryption_info", "INVALID_ARGUMENT", "The stand-in decrypts nothing.")

    def destinations(self) -> list[Destination]:
        asked = self._fields.objects("destinations")
        if not asked:
            self._wrong("destinations", "REQUIRED_FIELD_MISSING", "At least one destination is required.")
        if len(asked) > MOST_DESTINATIONS:
            self._wrong("destinations", "TOO_MANY_DESTINATIONS", f"At most {MOST_DESTINATIONS} destinations.")
            return []
        found = [self._destination(each, f"destinations[{position}]") for position, each in enumerate(asked)]
        references = [each.reference for each in found]
        if len(found) > 1 and len(set(references)) < len(references):
            self._wrong("destinations", "DUPLICATE_DESTINATION_REFERENCE", "References must be unique.")
        return found

    def events(self, references: frozenset[str]) -> list[Event]:
        asked = self._fields.objects("events")
        if not asked:
            self._wrong("events", "REQUIRED_FIELD_MISSING", "At least one event is required.")
        if len(asked) > MOST_EVENTS:
            self._wrong("events", "TOO_MANY_EVENTS", f"At most {MOST_EVENTS} events are taken in one request.")
            return []
        read = (self._event(each, f"events.events[{n}]", references) for n, each in enumerate(asked))
        return [event for event in read if event is not None]

    def _wrong(self, where: str, reason: str, description: str) -> None:
        self.violations.append(Violation(where, reason, description))

    def _destination(self, value: Any, where: str) -> Destination:
        fields = Fields(value, where, DESTINATION)
        account = self._account(fields, "operatingAccount", f"{where}.operating_account")
        if not account:
            self._wrong(f"{where}.operating_account", "REQUIRED_FIELD_MISSING", "The operating account is required.")
        login = self._account(fields, "loginAccount", f"{where}.login_account")
        action = fields.text("productDestinationId")
        if not action:
            self._wrong(f"{where}.product_destination_id", "REQUIRED_FIELD_MISSING", "The destination id is required.")
        return Destination(fields.text("reference"), account, login, action, value)

    def _account(self, fields: Fields, name: str, where: str) -> str:
        if name not in fields:
            return ""
        account = Fields(fields.get(name), where, ACCOUNT)
        kind = account.enum("accountType", ACCOUNT_TYPES) or account.enum("product", ACCOUNT_TYPES[:-1])
        if kind != "GOOGLE_ADS":
            self._wrong(where, "INVALID_DESTINATION", "Only GOOGLE_ADS accounts are served here.")
        number = account.text("accountId")
        if not re.fullmatch(r"\d{10}", number):
            self._wrong(f"{where}.account_id", "INVALID_NUMBER_FORMAT", "The account id is ten digits without dashes.")
        return number

    def _event(self, value: Any, where: str, references: frozenset[str]) -> Event | None:
        before = len(self.violations)
        fields = Fields(value, where, EVENT)
        occurred = self._time(fields, "eventTimestamp", f"{where}.event_timestamp")
        if occurred is None and not self._said(f"{where}.event_timestamp"):
            self._wrong(f"{where}.event_timestamp", "REQUIRED_FIELD_MISSING", "The event's time is required.")
        updated = self._time(fields, "lastUpdatedTimestamp", f"{where}.last_updated_timestamp")
        clicks = self._clicks(fields, where)
        identifiers = self._user_data(fields, where)
        if not clicks and not identifiers:
            self._wrong(where, "NO_IDENTIFIERS_PROVIDED", "There is neither a user nor an ad identifier.")
        source = fields.enum("eventSource", SOURCES)
        if not source:
            self._wrong(f"{where}.event_source", "REQUIRED_FIELD_MISSING", "The event's source is required.")
        transaction = fields.text("transactionId")
        if source == "WEB" and not transaction:
            self._wrong(f"{where}.transaction_id", "REQUIRED_FIELD_MISSING", "WEB events need a transaction id.")
        amount, currency = self._value(fields, where)
        self._extras(fields, where)
        wanted = tuple(str(each) for each in fields.objects("destinationReferences"))
        if set(wanted) - references:
            self._wrong(f"{where}.destination_references", "INVALID_ARGUMENT", "No destination has this reference.")
        if any("@" in text and _EMAIL.search(text) for text in texts(value)):
            self._wrong(where, "INVALID_FORMAT", "The event holds an e-mail address in the clear.")
        if len(self.violations) > before or occurred is None:
            return None
        return Event(
            wanted,
            transaction,
            occurred,
            updated,
            clicks,
            "userData" in fields,
            (*sorted(clicks), *identifiers),
            _consent(fields, where) or self._consent,
            amount,
            currency,
            fields.text("eventName") or "purchase",
            value,
        )

    def _said(self, where: str) -> bool:
        return bool(self.violations) and self.violations[-1].field == where

    def _time(self, fields: Fields, name: str, where: str) -> datetime | None:
        text = fields.text(name)
        if not text:
            return None
        try:
            at = _instant(text)
        except (ValueError, OverflowError):
            self._wrong(where, "EVENT_TIME_INVALID", "Times are RFC 3339 with an offset.")
            return None
        if at > self._now + FUTURE:
            self._wrong(where, "EVENT_TIME_INVALID", "The time is in the future.")
            return None
        return at

    def _clicks(self, fields: Fields, where: str) -> dict[str, str]:
        if "adIdentifiers" not in fields:
            return {}
        ids = Fields(fields.get("adIdentifiers"), f"{where}.ad_identifiers", AD_IDENTIFIERS)
        clicks = {name: ids.text(name) for name in CLICK_IDS if ids.text(name)}
        for name, text in clicks.items():
            if not re.fullmatch(r"[A-Za-z0-9_-]{10,512}", text):
                self._wrong(f"{where}.ad_identifiers.{name}", "INVALID_FORMAT", f"This is no {name}.")
        if len(clicks.keys() & {"gclid", "gbraid", "wbraid"}) > 1:
            self._wrong(f"{where}.ad_identifiers", "INVALID_ARGUMENT", "Only one of gclid, gbraid, wbraid.")
        return clicks

    def _user_data(self, fields: Fields, where: str) -> tuple[str, ...]:
        if "userData" not in fields:
            return ()
        where = f"{where}.user_data.user_identifiers"
        user = Fields(fields.get("userData"), where, frozenset({"userIdentifiers"}))
        identifiers = user.objects("userIdentifiers")
        if len(identifiers) > MOST_IDENTIFIERS:
            self._wrong(where, "TOO_MANY_USER_IDENTIFIERS", f"At most {MOST_IDENTIFIERS} identifiers an event.")
        if not self._encoding:
            self._wrong("encoding", "REQUIRED_FIELD_MISSING", "User data needs the encoding of its hashes.")
        found = [self._identifier(each, f"{where}[{n}]") for n, each in enumerate(identifiers)]
        return tuple(found)

    def _identifier(self, value: Any, where: str) -> str:
        fields = Fields(value, where, frozenset({"emailAddress", "phoneNumber", "address"}))
        given = [name for name in ("emailAddress", "phoneNumber", "address") if name in fields]
        if len(given) != 1:
            self._wrong(where, "INVALID_ARGUMENT", "An identifier holds exactly one of its kinds.")
            return ""
        if given[0] == "address":
            self._address(Fields(fields.get("address"), f"{where}.address", ADDRESS), f"{where}.address")
        else:
            field = "email_address" if given[0] == "emailAddress" else "phone_number"
            self._hash(fields.text(given[0]), f"{where}.{field}")
        return given[0]

    def _address(self, fields: Fields, where: str) -> None:
        for name, field in (("givenName", "given_name"), ("familyName", "family_name")):
            self._hash(fields.text(name), f"{where}.{field}")
        if not re.fullmatch(r"[A-Z]{2}", fields.text("regionCode")):
            self._wrong(f"{where}.region_code", "INVALID_REGION_CODE", "Two capital letters are required.")
        if not fields.text("postalCode").strip():
            self._wrong(f"{where}.postal_code", "INVALID_POSTAL_CODE", "The postal code is required.")

    def _hash(self, text: str, where: str) -> None:
        if self._encoding == "BASE64":
            try:
                digest = base64.b64decode(text, validate=True)
            except (binascii.Error, ValueError):
                self._wrong(where, "INVALID_BASE64_ENCODING", "The value is not base64.")
                return
        elif re.fullmatch(r"(?:[0-9a-fA-F]{2})+", text):
            digest = bytes.fromhex(text)
        else:
            self._wrong(where, "INVALID_HEX_ENCODING", "The value is not hexadecimal.")
            return
        if len(digest) != 32 or digest == _NOTHING:
            self._wrong(where, "INVALID_SHA256_FORMAT", "The value is not the SHA-256 hash of anything.")

    def _value(self, fields: Fields, where: str) -> tuple[Decimal | None, str]:
        currency = fields.text("currency")
        if currency and not re.fullmatch(r"[A-Z]{3}", currency):
            self._wrong(f"{where}.currency", "INVALID_CURRENCY_CODE", "The currency is three capital letters.")
        value = fields.get("conversionValue")
        if value is None:
            return None, currency
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            self._wrong(f"{where}.conversion_value", "INVALID_NUMBER_FORMAT", "The value is a number, not negative.")
            return None, currency
        if not currency:
            self._wrong(f"{where}.currency", "REQUIRED_FIELD_MISSING", "A value needs its currency.")
        return Decimal(str(value)), currency

    def _extras(self, fields: Fields, where: str) -> None:
        if "eventDeviceInfo" in fields:
            Fields(fields.get("eventDeviceInfo"), f"{where}.event_device_info", DEVICE)
        if "userProperties" in fields:
            user = Fields(fields.get("userProperties"), f"{where}.user_properties", USER_PROPERTIES)
            user.enum("customerType", CUSTOMER_TYPES)
            user.enum("customerValueBucket", VALUE_BUCKETS)
        if "cartData" not in fields:
            return
        cart = Fields(fields.get("cartData"), f"{where}.cart_data", CART)
        for position, each in enumerate(cart.objects("items")):
            item = Fields(each, f"{where}.cart_data.items[{position}]", ITEM)
            price = item.get("unitPrice")
            if item.integer("quantity") < 1 or isinstance(price, str) or (price is not None and price < 0):
                self._wrong(item.where, "INVALID_NUMBER_FORMAT", "Items have a positive quantity and a price.")


def _instant(text: str) -> datetime:
    """RFC 3339 with an offset; nanoseconds are cut to microseconds. Raises ValueError."""
    if not _TIME.fullmatch(text):
        raise ValueError("not RFC 3339")
    return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).astimezone(UTC)


def _consent(fields: Fields, where: str) -> str:
    """What was said about ad_user_data, the one consent that decides; empty when nothing was."""
    if "consent" not in fields:
        return ""
    consent = Fields(fields.get("consent"), f"{where}.consent", frozenset({"adUserData", "adPersonalization"}))
    consent.enum("adPersonalization", CONSENTS)
    return consent.enum("adUserData", CONSENTS)


def by_reason(violations: list[Violation]) -> Iterator[tuple[str, int]]:
    """How often each reason occurs, in the order of first sight."""
    counts: dict[str, int] = {}
    for violation in violations:
        counts[violation.reason] = counts.get(violation.reason, 0) + 1
    yield from counts.items()
