"""What may be asked of a GA4 property, and the rows that answer it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from cortex.sandbox import ga4_filters
from cortex.sandbox.ga4_filters import Filter
from cortex.sandbox.google_rest import Fields, Refused
from cortex.sandbox.market import GaEvents, GaItem, GaOrder, GaSessions, Property, within

MOST_DIMENSIONS = 9
MOST_METRICS = 10
MOST_RANGES = 4
DEFAULT_ROWS = 10_000
MOST_ROWS = 250_000
NOT_SET = "(not set)"
OTHER = "(other)"

Item = GaOrder | GaSessions | GaEvents | GaItem
Read = Callable[[Any], str]

_TRAFFIC: dict[str, Read] = {
    "date": lambda item: item.day.strftime("%Y%m%d"),
    "sessionSource": lambda item: item.source,
    "sessionMedium": lambda item: item.medium,
    "sessionSourceMedium": lambda item: f"{item.source or NOT_SET} / {item.medium or NOT_SET}",
    "sessionCampaignName": lambda item: item.campaign,
    "sessionCampaignId": lambda item: item.campaign_id,
    "sessionDefaultChannelGroup": lambda item: item.channel_group,
}
ORDER_DIMENSIONS: dict[str, Read] = {
    **_TRAFFIC,
    "transactionId": lambda item: item.transaction_id,
    "sessionManualAdContent": lambda item: item.content,
    "deviceCategory": lambda item: item.device,
}
SESSION_DIMENSIONS: dict[str, Read] = {**_TRAFFIC, "landingPage": lambda item: item.landing_page}
EVENT_DIMENSIONS: dict[str, Read] = {
    **_TRAFFIC,
    "deviceCategory": lambda item: item.device,
    "eventName": lambda item: item.name,
}
ITEM_DIMENSIONS: dict[str, Read] = {
    "date": _TRAFFIC["date"],
    "itemId": lambda item: item.item_id,
    "itemName": lambda item: item.name,
    "itemCategory": lambda item: item.category,
}

ORDER_METRICS: dict[str, Callable[[Any], Decimal]] = {
    "purchaseRevenue": lambda item: item.revenue,
    "totalRevenue": lambda item: item.revenue,
    "ecommercePurchases": lambda _: Decimal(1),
    "transactions": lambda _: Decimal(1),
    "refundAmount": lambda _: Decimal(0),
}
SESSION_METRICS: dict[str, Callable[[Any], Decimal]] = {
    "sessions": lambda item: Decimal(item.sessions),
    "engagedSessions": lambda item: Decimal(item.engaged_sessions),
    "totalUsers": lambda item: Decimal(item.users),
    "activeUsers": lambda item: Decimal(item.users),
    "newUsers": lambda item: Decimal(item.new_users),
    "purchaseRevenue": lambda item: item.revenue,
    "totalRevenue": lambda item: item.revenue,
}
EVENT_METRICS: dict[str, Callable[[Any], Decimal]] = {
    "eventCount": lambda item: Decimal(item.events),
    "sessions": lambda item: Decimal(item.sessions),
}
ITEM_METRICS: dict[str, Callable[[Any], Decimal]] = {
    "itemsViewed": lambda item: Decimal(item.viewed),
    "itemsAddedToCart": lambda item: Decimal(item.added),
    "itemsCheckedOut": lambda item: Decimal(item.checked_out),
    "itemsPurchased": lambda item: Decimal(item.purchased),
}
MONEY = frozenset({"purchaseRevenue", "totalRevenue", "refundAmount"})

SESSION_BEGAN = "session_start"


@dataclass(frozen=True)
class Source:
    """Dimensions and metrics that go together, and the table of a property that answers them."""

    dimensions: Mapping[str, Read]
    metrics: Mapping[str, Callable[[Any], Decimal]]
    items: Callable[[Property], Sequence[Item]]


SOURCES = (
    Source(SESSION_DIMENSIONS, SESSION_METRICS, lambda prop: prop.sessions),
    Source(ORDER_DIMENSIONS, ORDER_METRICS, lambda prop: prop.orders),
    Source(EVENT_DIMENSIONS, EVENT_METRICS, lambda prop: prop.events),
    Source(ITEM_DIMENSIONS, ITEM_METRICS, lambda prop: prop.items),
)
DIMENSIONS = frozenset(name for source in SOURCES for name in source.dimensions)
METRICS = frozenset(name for source in SOURCES for name in source.metrics)

INTEGER, CURRENCY, REVENUE = ("TYPE_INTEGER", 1), ("TYPE_CURRENCY", 9), ("REVENUE_DATA", 2)
"""Enum members by name and by number: a client that asks for `enum-encoding=int` gets numbers."""

REPORT_FIELDS = frozenset(
    {
        "property",
        "dimensions",
        "metrics",
        "dateRanges",
        "dimensionFilter",
        "offset",
        "limit",
        "orderBys",
        "currencyCode",
        "keepEmptyRows",
        "returnPropertyQuota",
    }
)


@dataclass
class Flags:
    """What weakens a property's reports, set by whoever wants to see a client notice it."""

    subject_to_thresholding: bool = False
    sampled_share: float = 0.0
    """Above 0 every report says it was sampled at this share."""
    rows_before_other: int | None = None
    """Rows beyond this many are gathered under `(other)`."""
    revenue_hidden: bool = False
    """The role sees no revenue: zeros, and a schema restriction that says so."""


@dataclass(frozen=True)
class Report:
    """A validated question."""

    dimensions: tuple[str, ...]
    metrics: tuple[str, ...]
    ranges: tuple[tuple[date, date], ...]
    offset: int
    limit: int
    order: tuple[tuple[str, bool, bool], ...]
    """Name, whether a metric, whether descending."""
    keep_empty: bool
    quota: bool
    currency: str
    chosen: Filter = ga4_filters.EVERYTHING


def parse(body: Any, property_id: str, today: date) -> Report:
    """The question in the wire's JSON. Raises Refused as GA4 words it. `today` is the property's day."""
    fields = Fields(body, "run_report_request", REPORT_FIELDS)
    named = fields.text("property")
    if named and named != f"properties/{property_id}":
        raise Refused("INVALID_ARGUMENT", "The property of the report is not the property of the request.")
    dimensions = _names(fields, "dimensions", DIMENSIONS, MOST_DIMENSIONS)
    metrics = _names(fields, "metrics", METRICS, MOST_METRICS)
    if not dimensions and not metrics:
        raise Refused("INVALID_ARGUMENT", "A report needs at least one dimension or metric.")
    limit = fields.integer("limit", DEFAULT_ROWS) or DEFAULT_ROWS
    offset = fields.integer("offset")
    if not 0 < limit <= MOST_ROWS or offset < 0:
        raise Refused("INVALID_ARGUMENT", f"limit is 1 to {MOST_ROWS}, and offset is not negative.")
    return Report(
        dimensions,
        metrics,
        _ranges(fields.objects("dateRanges"), today),
        offset,
        limit,
        _order(fields.objects("orderBys"), dimensions, metrics),
        fields.truth("keepEmptyRows"),
        fields.truth("returnPropertyQuota"),
        fields.text("currencyCode"),
        ga4_filters.parse(fields.get("dimensionFilter"), DIMENSIONS),
    )


def _names(fields: Fields, what: str, known: frozenset[str] | set[str], most: int) -> tuple[str, ...]:
    names = tuple(Fields(each, what, frozenset({"name"})).text("name") for each in fields.objects(what))
    for name in names:
        if name not in known:
            raise Refused(
                "INVALID_ARGUMENT",
                f"Field {name} is not a valid {what[:-1]}. For a list of valid dimensions and metrics, see the "
                "property's metadata.",
            )
    if len(set(names)) != len(names):
        raise Refused("INVALID_ARGUMENT", f"The same name is asked for twice in {what}.")
    if len(names) > most:
        raise Refused("INVALID_ARGUMENT", f"Requests are limited to {most} {what}. This request is for {len(names)}.")
    return names


def _ranges(asked: Sequence[Any], today: date) -> tuple[tuple[date, date], ...]:
    if not 1 <= len(asked) <= MOST_RANGES:
        raise Refused("INVALID_ARGUMENT", f"Requests are limited to {MOST_RANGES} dateRanges and need at least one.")
    found = []
    for each in asked:
        fields = Fields(each, "date_ranges", frozenset({"startDate", "endDate", "name"}))
        since, until = _day(fields.text("startDate"), today), _day(fields.text("endDate"), today)
        if since > until:
            raise Refused("INVALID_ARGUMENT", f"The start date {since} is after the end date {until}.")
        found.append((since, until))
    return tuple(found)


def _day(text: str, today: date) -> date:
    """YYYY-MM-DD, today, yesterday or NdaysAgo, in the property's zone."""
    ago = re.fullmatch(r"(\d+)daysAgo", text)
    try:
        if ago:
            return today - timedelta(days=int(ago[1]))
        words = {"today": today, "yesterday": today - timedelta(days=1)}
        return words[text] if text in words else date.fromisoformat(text)
    except (ValueError, OverflowError):
        raise Refused("INVALID_ARGUMENT", f"Invalid date: {text}") from None


def _order(
    asked: Sequence[Any], dimensions: Sequence[str], metrics: Sequence[str]
) -> tuple[tuple[str, bool, bool], ...]:
    found = []
    for each in asked:
        fields = Fields(each, "order_bys", frozenset({"dimension", "metric", "desc"}))
        if "metric" in fields:
            name = Fields(fields.get("metric"), "metric", frozenset({"metricName"})).text("metricName")
        else:
            name = Fields(fields.get("dimension"), "dimension", frozenset({"dimensionName", "orderType"})).text(
                "dimensionName"
            )
        if name not in (metrics if "metric" in fields else dimensions):
            raise Refused("INVALID_ARGUMENT", f"The report is sorted by {name}, which it does not ask for.")
        found.append((name, "metric" in fields, fields.truth("desc")))
    return tuple(found)


Rows = list[tuple[tuple[str, ...], list[Decimal]]]


def rows(prop: Property, report: Report, today: date, flags: Flags) -> tuple[Rows, bool]:
    """Every row of the report, unsorted, and whether some went to `(other)`."""
    source = _source(report)
    dimensions, measures = source.dimensions, source.metrics
    items = source.items(prop)
    totals: dict[tuple[str, ...], list[Decimal]] = {}
    for position, (since, until) in enumerate(report.ranges):
        suffix = (f"date_range_{position}",) if len(report.ranges) > 1 else ()
        for item in within(items, since, min(until, today)):
            if not report.chosen.passes(partial(_value, dimensions, item)):
                continue
            key = (*(dimensions[name](item) or NOT_SET for name in report.dimensions), *suffix)
            row = totals.setdefault(key, [Decimal(0)] * len(report.metrics))
            for column, name in enumerate(report.metrics):
                if not (flags.revenue_hidden and name in MONEY):
                    row[column] += measures[name](item)
    if not report.keep_empty and report.metrics:
        totals = {key: values for key, values in totals.items() if any(values)}
    most = flags.rows_before_other
    if most is None or len(totals) <= most:
        return list(totals.items()), False
    return _gathered(totals, report, most), True


def _value(dimensions: Mapping[str, Read], item: Item, name: str) -> str:
    return dimensions[name](item) or NOT_SET


def _source(report: Report) -> Source:
    """The table whose names these are. Raises Refused for names that do not go together."""
    asked = {*report.dimensions, *report.chosen.names}
    for source in SOURCES:
        if asked <= source.dimensions.keys() and set(report.metrics) <= source.metrics.keys():
            return _told_apart(source, report)
    raise Refused("INVALID_ARGUMENT", "Please remove some dimensions or metrics to make the request compatible.")


def _told_apart(source: Source, report: Report) -> Source:
    """A session with several events counts once: where events are not told apart, it is counted by its beginning."""
    if "sessions" not in source.metrics or "eventName" not in source.dimensions or "eventName" in report.dimensions:
        return source
    if "eventName" in report.chosen.names and (report.chosen.only is None or len(report.chosen.only) != 1):
        raise Refused("INVALID_ARGUMENT", "The stand-in counts no sessions over several events: ask for eventName too.")
    if "eventName" in report.chosen.names:
        return source
    began = {"sessions": lambda item: Decimal(item.sessions if item.name == SESSION_BEGAN else 0)}
    return replace(source, metrics={**source.metrics, **began})


def _gathered(totals: dict[tuple[str, ...], list[Decimal]], report: Report, most: int) -> Rows:
    """The largest rows as they are, the rest added up under `(other)` per day."""
    ranked = sorted(totals.items(), key=lambda row: (*(-value for value in row[1]), row[0]))
    kept = dict(ranked[:most])
    for key, values in ranked[most:]:
        name = tuple(
            text if position >= len(report.dimensions) or report.dimensions[position] == "date" else OTHER
            for position, text in enumerate(key)
        )
        row = kept.setdefault(name, [Decimal(0)] * len(values))
        kept[name] = [left + right for left, right in zip(row, values, strict=True)]
    return list(kept.items())


def sort(found: Rows, report: Report, turn: int) -> None:
    """As asked; ties, and everything where nothing was asked, come in another order with every request.

    GA4 promises no order and its pages are no snapshot, so a client that pages must sort by every dimension.
    """
    found.sort(key=lambda row: hashlib.md5(f"{turn}{row[0]}".encode(), usedforsecurity=False).digest())
    for name, is_metric, descending in reversed(report.order):
        names = report.metrics if is_metric else report.dimensions
        column = names.index(name)
        found.sort(key=lambda row, at=column, part=int(is_metric): row[part][at], reverse=descending)  # type: ignore[misc]
