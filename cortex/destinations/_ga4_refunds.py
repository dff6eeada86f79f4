"""A refund as GA4's Measurement Protocol takes it: fields, formats, and which refunds share a request."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from cortex.money import amount
from cortex.records import Conversion

MOST_EVENTS = 25
"""Of one request, and all of one browser."""
_CLIENT = re.compile(r"\d{1,10}\.\d{1,10}")
"""GA4's cookie: a random number and the Unix time of the first visit."""


class Parameters(Struct, frozen=True, omit_defaults=True, kw_only=True):
    currency: str
    transaction_id: str
    value: Decimal | UnsetType = UNSET


class Event(Struct, frozen=True, kw_only=True):
    name: str
    params: Parameters


class Hit(Struct, frozen=True, omit_defaults=True, kw_only=True):
    client_id: str
    consent: dict[str, str]
    events: list[Event]
    timestamp_micros: int | UnsetType = UNSET


_ENCODER = msgspec.json.Encoder(decimal_format="number", order="sorted")


def encode(group: Sequence[Conversion]) -> bytes:
    """The request of refunds that share a browser and a moment. Without a moment GA4 dates them when they arrive."""
    first = group[0]
    return _ENCODER.encode(
        Hit(
            client_id=first.clicks.ga_client_id,
            # Whoever did not agree never reaches this file: the gates of `cortex.conversions` come first.
            consent={"ad_personalization": "GRANTED", "ad_user_data": "GRANTED"},
            events=[_event(one) for one in group],
            timestamp_micros=micros(first.adjusted_at) if first.adjusted_at else UNSET,
        )
    )


def probe() -> bytes:
    """An invented refund for the validator, which stores nothing."""
    return _ENCODER.encode(
        Hit(
            client_id="1.1",
            consent={"ad_personalization": "GRANTED", "ad_user_data": "GRANTED"},
            events=[
                Event(name="refund", params=Parameters(currency="BRL", transaction_id="cortex-check", value=Decimal(1)))
            ],
        )
    )


def _event(one: Conversion) -> Event:
    back = given_back(one)
    return Event(
        name="refund",
        params=Parameters(
            currency=one.currency,
            transaction_id=one.order_id,
            value=UNSET if back is None else amount(back, one.currency),
        ),
    )


def given_back(one: Conversion) -> Decimal | None:
    """What goes back now: what GA4 was last told less what is left. None: all of it, which GA4 knows by itself."""
    if one.told is None:
        return None
    return one.told - one.value


def micros(at: datetime) -> int:
    """Sixteen digits of Unix microseconds (UTC): milliseconds are the classic mistake, and land in 1970."""
    whole = at.replace(microsecond=0)
    return int(whole.timestamp()) * 1_000_000 + at.microsecond


def known_browser(one: Conversion) -> bool:
    return _CLIENT.fullmatch(one.clicks.ga_client_id) is not None


def groups(fit: Sequence[Conversion]) -> Iterator[list[int]]:
    """Positions of the refunds of each request, in order: one browser, one moment, at most 25."""
    open_groups: dict[tuple[str, datetime | None], list[int]] = {}
    made: list[list[int]] = []
    for position, one in enumerate(fit):
        key = one.clicks.ga_client_id, one.adjusted_at
        group = open_groups.get(key)
        if group is None or len(group) == MOST_EVENTS:
            group = open_groups[key] = []
            made.append(group)
        group.append(position)
    yield from made
