"""What may be asked of a GA4 property, and the rows that answer it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from cortex.sandbox.google_rest import Fields, Refused
from cortex.sandbox.market import GaOrder, GaSessions, Property, within

MOST_DIMENSIONS = 9
MOST_METRICS = 10
MOST_RANGES = 4
DEFAULT_ROWS = 10_000
MOST_ROWS = 250_000
NOT_SET = "(not set)"
OTHER = "(other)"

Item = GaOrder | GaSessions
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
}
SESSION_DIMENSIONS: dict[str, Read] = {**_TRAFFIC, "landingPage": lambda item: item.landing_page}

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
MONEY = frozenset({"purchaseRevenue", "totalRevenue", "refundAmount"})

INTEGER, CURRENCY, REVENUE = ("TYPE_INTEGER", 1), ("TYPE_CURRENCY", 9), ("REVENUE_DATA", 2)
"""Enum members by name and by number: a client that asks for `enum-encoding=int` gets numbers."""

REPORT_FIELDS = frozenset(
    {
        "property",
        "dimensions",
        "metrics",
        "dateRanges",
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


def parse(body: Any, property_id: str, today: date) -> Report:
    """The question in the wire's JSON. Raises Refused as GA4 words it. `today` is the property's day."""
    fields = Fields(body, "run_report_request", REPORT_FIELDS)
    named = fields.text("property")
    if named and named != f"properties/{property_id}":
        raise Refused("INVALID_ARGUMENT", "The property of the report is not the property of the request.")
    dimensions = _names(fields, "dimensions", ORDER_DIMENSIONS.keys() | SESSION_DIMENSIONS.keys(), MOST_DIMENSIONS)
    metrics = _names(fields, "metrics", ORDER_METRICS.keys() | SESSION_METRICS.keys(), MOST_METRICS)
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
    dimensions = ORDER_DIMENSIONS if source == "orders" else SESSION_DIMENSIONS
    measures: Mapping[str, Callable[[Any], Decimal]] = ORDER_METRICS if source == "orders" else SESSION_METRICS
    items: Sequence[Item] = prop.orders if source == "orders" else prop.sessions
    totals: dict[tuple[str, ...], list[Decimal]] = {}
    for position, (since, until) in enumerate(report.ranges):
        suffix = (f"date_range_{position}",) if len(report.ranges) > 1 else ()
        for item in within(items, since, min(until, today)):
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


def _source(report: Report) -> str:
    """Which of a property's tables the names belong to together. Raises Refused for names that do not go together."""
    for source, dimensions, metrics in (
        ("sessions", SESSION_DIMENSIONS, SESSION_METRICS),
        ("orders", ORDER_DIMENSIONS, ORDER_METRICS),
    ):
        if set(report.dimensions) <= dimensions.keys() and set(report.metrics) <= metrics.keys():
            return source
    raise Refused("INVALID_ARGUMENT", "Please remove some dimensions or metrics to make the request compatible.")


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
