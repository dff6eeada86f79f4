"""What Meta's Conversions API asks of one event. One event that fails refuses its whole batch."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_plus

LARGEST_BATCH = 1000
WINDOW = timedelta(days=7)
STORE_WINDOW = timedelta(days=62)
FUTURE = timedelta(minutes=1)

TOO_OLD = 2804003
NO_VALUE = 2804009
NOT_HASHED = 2804016
TOO_THIN = 2804050

EVENT_FIELDS = frozenset(
    [
        "event_name",
        "event_time",
        "event_id",
        "event_source_url",
        "action_source",
        "user_data",
        "custom_data",
        "opt_out",
        "referrer_url",
        "customer_segmentation",
        "original_event_data",
        "attribution_data",
        "app_data",
        "data_processing_options",
        "data_processing_options_country",
        "data_processing_options_state",
        "advanced_measurement_table",
        "messaging_channel",
    ]
)
HASHED = frozenset(["em", "ph", "fn", "ln", "ct", "st", "zp", "country", "ge", "db"])
PLAIN = frozenset(
    [
        "external_id",
        "client_ip_address",
        "client_user_agent",
        "fbc",
        "fbp",
        "subscription_id",
        "fb_login_id",
        "lead_id",
        "anon_id",
        "madid",
        "page_id",
        "page_scoped_user_id",
        "ctwa_clid",
        "ig_account_id",
        "ig_sid",
    ]
)
ACTION_SOURCES = frozenset(
    [
        "email",
        "website",
        "app",
        "phone_call",
        "chat",
        "physical_store",
        "system_generated",
        "business_messaging",
        "other",
    ]
)
THIN = tuple(
    frozenset(keys.split())
    for keys in ("ct country st zp ge client_user_agent", "db client_user_agent", "fn ge", "ln ge")
)
"""Customer information of which no subset identifies anybody (Meta: customer information parameters)."""

_HASH = re.compile(r"[0-9a-f]{64}(?:\.[A-Za-z0-9_-]{8})?")
"""SHA-256 in lower-case hex, with the parameter builder's suffix where that library made it."""
_NOTHING = hashlib.sha256(b"").hexdigest()
_FBC = re.compile(r"fb\.[0-9]\.(\d{13})\.[A-Za-z0-9_-]+(?:\.(?:[A-Za-z0-9_-]{2}|[A-Za-z0-9_-]{8}))?")
_FBP = re.compile(r"fb\.[0-9]\.\d{13}\.\d+(?:\.(?:[A-Za-z0-9_-]{2}|[A-Za-z0-9_-]{8}))?")
_EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+")
_CURRENCY = re.compile(r"[A-Za-z]{3}")


APPEND_VALUE = "AppendValue"
ORIGINAL = frozenset({"event_name", "event_time", "order_id", "event_id"})
VALUE_WITHIN = timedelta(days=7)
"""After the conversion event was sent (Meta: predicted lifetime value)."""


class Invalid(Exception):
    """Why an event is refused, in the words of Graph's error: subcode (0: none), title and message."""

    def __init__(self, message: str, *, title: str = "Invalid parameter", subcode: int = 0) -> None:
        super().__init__(message)
        self.message, self.title, self.subcode = message, title, subcode


def check(event: Any, now: datetime) -> None:
    """Raise Invalid for the first rule the event breaks."""
    if not isinstance(event, dict):
        raise Invalid("Each element of data must be a JSON object.")
    _unknown("event", event, EVENT_FIELDS)
    name = event.get("event_name")
    if not isinstance(name, str) or not name or len(name) > 50:
        raise Invalid("event_name is required: a text of 1 to 50 characters.")
    if event.get("action_source") not in ACTION_SOURCES:
        raise Invalid("action_source is required and must be one of the documented values.")
    _no_clear_email(event)
    _time(event, now)
    user = event.get("user_data")
    if not isinstance(user, dict) or not user:
        raise Invalid("user_data is required and must hold customer information.")
    _user(user, now)
    if event["action_source"] == "website":
        _website(event, user)
    if not isinstance(event.get("event_id", ""), str):
        raise Invalid("event_id must be a text.")
    custom = event.get("custom_data", {})
    if not isinstance(custom, dict):
        raise Invalid("custom_data must be a JSON object.")
    if name == "Purchase":
        _purchase(custom)
    if name == APPEND_VALUE:
        _append_value(event, custom)


def original(event: dict[str, Any]) -> tuple[str, str]:
    """Name and id of the event an AppendValue is about."""
    told = event["original_event_data"]
    return told["event_name"], told["event_id"]


def customer(event: dict[str, Any]) -> str:
    """The buyer of an event, by the strongest key it carries: predicted values are told once of each."""
    for key in ("external_id", "em", "ph", "fbc", "fbp"):
        value = event["user_data"].get(key)
        if value:
            return f"{key}:{value[0] if isinstance(value, list) else value}"
    return ""


def occurred_at(event: dict[str, Any]) -> datetime:
    return datetime.fromtimestamp(int(event["event_time"]), UTC)


def value_of(event: dict[str, Any]) -> Decimal | None:
    value = event.get("custom_data", {}).get("value")
    return None if value is None else Decimal(str(value))


def match_keys(event: dict[str, Any]) -> tuple[str, ...]:
    """Names of the customer information the event carries."""
    return tuple(sorted(key for key, value in event["user_data"].items() if value not in (None, "", [])))


def _unknown(where: str, value: dict[str, Any], known: frozenset[str]) -> None:
    for key in value.keys() - known:
        raise Invalid(f'Unexpected key "{key}" on param "{where}".')


def _time(event: dict[str, Any], now: datetime) -> None:
    try:
        at = occurred_at(event)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        raise Invalid("event_time is required: a Unix timestamp in seconds.") from None
    window = STORE_WINDOW if event["action_source"] == "physical_store" else WINDOW
    if now - at > window:
        raise Invalid(
            f"The timestamp for this event is too far in the past. Events may be at most {window.days} days old.",
            title="Event Timestamp Too Old",
            subcode=TOO_OLD,
        )
    if at - now > FUTURE:
        raise Invalid("The timestamp for this event is in the future.", title="Event Timestamp In The Future")


def _user(user: dict[str, Any], now: datetime) -> None:
    _unknown("user_data", user, HASHED | PLAIN)
    for key, value in user.items():
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(item, str) and item for item in values):
            raise Invalid(f"user_data.{key} must be a text or a list of texts, none of them empty.")
        if key in HASHED and not all(_HASH.fullmatch(item) for item in values):
            raise Invalid(
                f"The {key} parameter isn't hashed: SHA-256 in lower-case hexadecimal is required.",
                title="User Parameter Not Hashed",
                subcode=NOT_HASHED,
            )
        if any(item.startswith(_NOTHING) for item in values):
            raise Invalid(f"user_data.{key} is the hash of an empty text.")
    _plain(user, now)
    present = frozenset(user)
    if any(present <= thin for thin in THIN):
        raise Invalid(
            "This event was sent without sufficient customer information parameters to be matched.",
            title="Insufficient Customer Information",
            subcode=TOO_THIN,
        )


def _plain(user: dict[str, Any], now: datetime) -> None:
    address = user.get("client_ip_address")
    if address is not None:
        try:
            ipaddress.ip_address(address)
        except ValueError:
            raise Invalid("client_ip_address must be an IPv4 or IPv6 address without a port.") from None
    if "fbp" in user and not _FBP.fullmatch(str(user["fbp"])):
        raise Invalid("fbp does not have the form fb.index.milliseconds.random.")
    if "fbc" in user:
        parts = _FBC.fullmatch(str(user["fbc"]))
        if parts is None or int(parts[1]) > (now + FUTURE).timestamp() * 1000:
            raise Invalid("fbc does not have the form fb.index.milliseconds.fbclid with a time in the past.")


def _website(event: dict[str, Any], user: dict[str, Any]) -> None:
    address = event.get("event_source_url")
    if not isinstance(address, str) or not re.match(r"https?://[^/\s]+", address):
        raise Invalid("event_source_url is required for website events.")
    if "client_user_agent" not in user:
        raise Invalid("client_user_agent is required for website events.")


def _purchase(custom: dict[str, Any]) -> None:
    value = custom.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float | str) or not _is_amount(str(value)):
        raise Invalid(
            "The purchase event needs a value that is a number, not negative.",
            title="Missing Value For Purchase Event",
            subcode=NO_VALUE,
        )
    if not _CURRENCY.fullmatch(str(custom.get("currency", ""))):
        raise Invalid(
            "The purchase event needs an ISO 4217 currency code.",
            title="Missing Currency For Purchase Event",
            subcode=NO_VALUE,
        )


def _append_value(event: dict[str, Any], custom: dict[str, Any]) -> None:
    told = event.get("original_event_data")
    if not isinstance(told, dict) or told.keys() - ORIGINAL:
        raise Invalid("AppendValue needs original_event_data: event_name, event_time, order_id, event_id.")
    for key in ("event_name", "event_id"):
        if not isinstance(told.get(key), str) or not told[key]:
            raise Invalid(f"original_event_data.{key} is required: a text.")
    if not isinstance(told.get("event_time"), int) or isinstance(told["event_time"], bool):
        raise Invalid("original_event_data.event_time is required: a Unix timestamp in seconds.")
    value = custom.get("predicted_ltv")
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise Invalid("custom_data.predicted_ltv must be a number above zero.")
    if "value" in custom:
        raise Invalid("An AppendValue carries predicted_ltv; a value would be that of another sale.")
    if not _CURRENCY.fullmatch(str(custom.get("currency", ""))):
        raise Invalid("The event needs an ISO 4217 currency code.")


def _is_amount(text: str) -> bool:
    return re.fullmatch(r"\d+(?:\.\d+)?", text) is not None


def _no_clear_email(event: Any) -> None:
    for text in texts(event):
        if "@" in text or "%40" in text:
            found = _EMAIL.search(unquote_plus(text))
            if found is not None:
                raise Invalid(
                    "The event holds an e-mail address in the clear.",
                    title="Personal Information Not Hashed",
                    subcode=NOT_HASHED,
                )


def texts(value: Any) -> Iterator[str]:
    """Every text inside a JSON value, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
