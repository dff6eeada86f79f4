"""A conversion as Meta's server event: fields, formats and what Meta calls too little (Conversions API parameters)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from itertools import chain
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from cortex.destinations._browser import ip_address, page
from cortex.destinations._digests import all_digests
from cortex.destinations._ready import filled
from cortex.money import amount
from cortex.records import Conversion

# The fifth segment, of 2 or 8 characters, is what Meta's Parameter Builder appends.
_FBC = re.compile(r"fb\.\d\.(\d{13})\.[A-Za-z0-9_-]{1,500}(?:\.(?:[A-Za-z0-9_-]{2}|[A-Za-z0-9_-]{8}))?")
_FBP = re.compile(r"fb\.\d\.\d{13}\.\d{1,24}(?:\.(?:[A-Za-z0-9_-]{2}|[A-Za-z0-9_-]{8}))?")
_DIGEST = re.compile(r"[0-9a-f]{64}(?:\.[0-9A-Za-z]{8})?")

TOO_THIN = (
    frozenset({"ct", "country", "st", "zp", "ge", "client_user_agent"}),
    frozenset({"db", "client_user_agent"}),
    frozenset({"fn", "ge"}),
    frozenset({"ln", "ge"}),
)
"""An event with nothing but these keys, or some of them, is refused with the whole batch (2804050)."""
WEAK = frozenset[str]().union(*TOO_THIN)

PURCHASE, APPEND_VALUE = "Purchase", "AppendValue"
SEGMENTS = {"new": "new_customer_to_business", "returning": "existing_customer_to_business"}


class Content(Struct, frozen=True, gc=False):
    id: str
    item_price: Decimal
    quantity: int


class CustomData(Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    contents: list[Content] | UnsetType = UNSET
    content_type: str | UnsetType = UNSET
    currency: str
    net_revenue: Decimal | UnsetType = UNSET
    num_items: int | UnsetType = UNSET
    order_id: str
    predicted_ltv: Decimal | UnsetType = UNSET
    value: Decimal


class Predicted(Struct, frozen=True, kw_only=True, gc=False):
    """Of an AppendValue: no value of its own, which would count as a second sale."""

    currency: str
    order_id: str
    predicted_ltv: Decimal


class Original(Struct, frozen=True, kw_only=True, gc=False):
    """The event a later one is about."""

    event_id: str
    event_name: str
    event_time: int
    order_id: str


class Event(Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    action_source: str
    custom_data: CustomData | Predicted
    customer_segmentation: str | UnsetType = UNSET
    event_id: str
    event_name: str
    event_source_url: str | UnsetType = UNSET
    event_time: int
    original_event_data: Original | UnsetType = UNSET
    user_data: dict[str, Any]


class Envelope(Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    data: list[Event]
    test_event_code: str | UnsetType = UNSET


_ENCODER = msgspec.json.Encoder(decimal_format="number", order="sorted")
"""Sorted keys and decimals as written: the same conversions give the same bytes in every process."""


def encode(events: Iterable[Event], test_event_code: str | None) -> bytes:
    return filled(_ENCODER.encode(Envelope(data=[], test_event_code=test_event_code or UNSET)), events, _ENCODER)


def event(conversion: Conversion, action_source: str) -> Event:
    """The server event of a purchase. Money is in the order's currency, time in Unix seconds (UTC)."""
    user = user_data(conversion)
    url = page(conversion.event_url)
    if action_source == "website" and not ("client_user_agent" in user and url):
        # `website` requires both. An event without them is a true purchase all the same: it goes as `other`.
        action_source = "other"
    currency = conversion.currency
    if conversion.action == "value":
        return _value(conversion, action_source, user, url)
    contents = [Content(item.product_id, amount(item.unit_price, currency), item.quantity) for item in conversion.items]
    return Event(
        action_source=action_source,
        custom_data=CustomData(
            contents=contents or UNSET,
            content_type="product" if contents else UNSET,
            currency=currency,
            net_revenue=_money(conversion.net_revenue, currency),
            num_items=sum([content.quantity for content in contents]) if contents else UNSET,
            order_id=conversion.order_id,
            predicted_ltv=_money(conversion.predicted_ltv, currency),
            value=amount(conversion.value, currency),
        ),
        customer_segmentation=SEGMENTS.get(conversion.customer_type, UNSET),
        event_id=conversion.event_id,
        event_name=PURCHASE,
        event_source_url=url or UNSET,
        event_time=int(conversion.occurred_at.timestamp()),
        user_data=user,
    )


def _value(conversion: Conversion, action_source: str, user: dict[str, Any], url: str) -> Event:
    """The value predicted for the buyer of a purchase Meta has (guides/predicted-lifetime-value)."""
    predicted = conversion.value if conversion.predicted_ltv is None else conversion.predicted_ltv
    return Event(
        action_source=action_source,
        custom_data=Predicted(
            currency=conversion.currency,
            order_id=conversion.order_id,
            predicted_ltv=amount(predicted, conversion.currency),
        ),
        event_id=conversion.event_id,
        event_name=APPEND_VALUE,
        event_source_url=url or UNSET,
        event_time=int((conversion.adjusted_at or conversion.occurred_at).timestamp()),
        original_event_data=Original(
            event_id=conversion.original_id,
            event_name=PURCHASE,
            event_time=int(conversion.occurred_at.timestamp()),
            order_id=conversion.order_id,
        ),
        user_data=user,
    )


def _money(value: Decimal | None, currency: str) -> Decimal | UnsetType:
    return UNSET if value is None else amount(value, currency)


def user_data(conversion: Conversion) -> dict[str, Any]:
    """Match keys: digests as lists; click and browser ids, IP and user agent plain and untouched."""
    found: dict[str, Any] = conversion.identifiers.copy()
    if [] in found.values():
        found = {key: digests for key, digests in found.items() if digests}
    if address := ip_address(conversion.ip):
        found["client_ip_address"] = address
    if agent := conversion.user_agent.strip():
        found["client_user_agent"] = agent
    if click := fbc(conversion):
        found["fbc"] = click
    if _FBP.fullmatch(conversion.clicks.fbp):
        found["fbp"] = conversion.clicks.fbp
    return found


def fbc(conversion: Conversion) -> str:
    """The click id as the browser stored it, else built from a bare fbclid (index 1: built on a server).

    Its time is when the click id was first seen; all we know of a bare one is the order's time. Case matters. One
    that is malformed, or later than the order, is left out: it matches nobody and would cost the event.
    """
    value, bare = conversion.clicks.fbc, conversion.clicks.fbclid
    if not (value or bare):
        return ""
    ordered = int(conversion.occurred_at.timestamp() * 1000)
    value = value or f"fb.1.{ordered}.{bare}"
    parts = _FBC.fullmatch(value)
    return value if parts and int(parts[1]) <= ordered else ""


def thin(conversion: Conversion) -> str:
    """Why Meta could not match the event, or an empty string."""
    for key, values in conversion.identifiers.items():
        if values and key not in WEAK:
            return ""
    keys = frozenset(user_data(conversion))
    if any(keys <= combination for combination in TOO_THIN):
        had = ", ".join(sorted(keys)) or "nothing"
        return f"only {had}"
    return ""


def clear_identity(conversion: Conversion) -> bool:
    """Whether something that should be a digest is none: the last door before the network."""
    values = list(chain.from_iterable(conversion.identifiers.values()))
    return not (all_digests(values) or all(map(_DIGEST.fullmatch, values)))
