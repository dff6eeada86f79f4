"""The GA4 Data API as the sandbox shows it: runReport, batchRunReports and the metadata of a property."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from cortex.clock import Clock, local_day
from cortex.sandbox.google_rest import Fields, Refused, exhausted, faulty
from cortex.sandbox.market import GaOrder, GaSessions, Market, Property
from cortex.sandbox.oauth import ANALYTICS, ANALYTICS_READONLY, OAuth
from cortex.sandbox.quota import Quota
from cortex.sandbox.wire import Request, Response

MOST_DIMENSIONS = 9
MOST_METRICS = 10
MOST_RANGES = 4
MOST_REPORTS = 5
DEFAULT_ROWS = 10_000
MOST_ROWS = 250_000
NOT_SET = "(not set)"
OTHER = "(other)"

BUDGETS = {
    "tokensPerDay": (200_000, 86_400),
    "tokensPerHour": (40_000, 3_600),
    "tokensPerProjectPerHour": (14_000, 3_600),
}
"""Tokens of a standard property, per seconds."""
CONCURRENT = 10

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


class Ga4StandIn:
    """Answers for every shop's property. Limits count real time."""

    def __init__(self, market: Market, oauth: OAuth, *, clock: Clock, rate_scale: float = 1.0) -> None:
        self._market = market
        self._oauth = oauth
        self._clock = clock
        self._lock = threading.Lock()
        self._requests = 0
        self._busy: dict[str, int] = {}
        self.flags = {shop.ga4.property_id: Flags() for shop in market.shops if shop.ga4 is not None}
        self._budgets = {
            number: {name: Quota(limit * rate_scale, seconds) for name, (limit, seconds) in BUDGETS.items()}
            for number in self.flags
        }

    def handle(self, request: Request) -> Response:
        try:
            return Response.of_json(200, self._answer(request))
        except Refused as refusal:
            return refusal.response()

    def fault(self, _request: Request, status: int) -> Response:
        return faulty(status)

    def _answer(self, request: Request) -> dict[str, Any]:
        parts = re.fullmatch(r"/v1beta/properties/([^/:]+)(?:/(metadata)|:(\w+))", request.path)
        if parts is None:
            raise Refused("NOT_FOUND", "The requested URL was not found.")
        number, action = parts[1], parts[2] or parts[3]
        prop = self._property(request, number)
        if (request.method, action) == ("GET", "metadata"):
            return _metadata(prop)
        if request.method != "POST" or action not in ("runReport", "batchRunReports"):
            raise Refused("NOT_FOUND", f"Method {action} does not exist here.")
        enums = "enum-encoding=int" in request.param("$alt")
        return self._one_at_a_time(prop, lambda: self._reports(prop, action, _body(request), enums))

    def _property(self, request: Request, number: str) -> Property:
        grant = self._oauth.judge(request.headers.get("Authorization", ""), (ANALYTICS_READONLY, ANALYTICS))
        if not number.isdecimal():
            raise Refused("INVALID_ARGUMENT", "A property id is digits only; a measurement id (G-…) is not one.")
        for shop in self._market.shops:
            if shop.ga4 is not None and shop.ga4.property_id == number and grant.reaches(shop):
                return shop.ga4
        raise Refused("PERMISSION_DENIED", "User does not have sufficient permissions for this property.")

    def _one_at_a_time(self, prop: Property, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """At most CONCURRENT requests of a property at once."""
        number = prop.property_id
        with self._lock:
            if self._busy.get(number, 0) >= CONCURRENT:
                raise exhausted("Exhausted concurrent requests quota.", 1)
            self._busy[number] = self._busy.get(number, 0) + 1
        try:
            return work()
        finally:
            with self._lock:
                self._busy[number] -= 1

    def _reports(self, prop: Property, action: str, body: Any, enums: bool) -> dict[str, Any]:
        if action == "runReport":
            return self._run(prop, body, enums) | {"kind": "analyticsData#runReport"}
        asked = Fields(body, "batch_run_reports_request", frozenset({"property", "requests"})).objects("requests")
        if not 1 <= len(asked) <= MOST_REPORTS:
            raise Refused("INVALID_ARGUMENT", f"A batch holds 1 to {MOST_REPORTS} reports.")
        reports = [self._run(prop, each, enums) | {"kind": "analyticsData#runReport"} for each in asked]
        return {"reports": reports, "kind": "analyticsData#batchRunReports"}

    def _run(self, prop: Property, body: Any, enums: bool) -> dict[str, Any]:
        today = local_day(self._clock(), ZoneInfo(prop.timezone))
        report = parse(body, prop.property_id, today)
        if report.currency not in ("", prop.currency):
            raise Refused("INVALID_ARGUMENT", "The stand-in converts no currencies: ask for the property's own.")
        quota = self._charge(prop.property_id, report)
        flags = self.flags[prop.property_id]
        with self._lock:
            self._requests += 1
            turn = self._requests
        rows, gathered = _rows(prop, report, today, flags)
        other = {"dataLossFromOtherRow": True} if gathered else {}
        _sort(rows, report, turn)
        page = rows[report.offset : report.offset + report.limit]
        headers = list(report.dimensions) + (["dateRange"] if len(report.ranges) > 1 else [])
        answer: dict[str, Any] = {
            "dimensionHeaders": [{"name": name} for name in headers],
            "metricHeaders": [{"name": name, "type": _type(name)[enums]} for name in report.metrics],
            "metadata": _flags_of(prop, flags, report, enums) | other | ({} if rows else {"emptyReason": "NO_DATA"}),
        }
        # proto3 JSON leaves out what is empty: no rows, no `rows` and no `rowCount`.
        if page:
            answer["rows"] = [_json_row(key, values, report) for key, values in page]
        if rows:
            answer["rowCount"] = len(rows)
        if report.quota:
            answer["propertyQuota"] = quota
        return answer

    def _charge(self, number: str, report: Report) -> dict[str, dict[str, int]]:
        """Take the report's tokens; more days and more dimensions cost more. Raises Refused when a budget is empty."""
        days = sum((until - since).days + 1 for since, until in report.ranges)
        cost = 1 + len(report.dimensions) // 3 + days // 30
        shown = {}
        for name, budget in self._budgets[number].items():
            wait = budget.spend(cost)
            if wait:
                raise exhausted(f"Exhausted property tokens ({name}). These quota tokens will return later.", wait)
            shown[name] = {"consumed": cost, "remaining": int(budget.limit - budget.used())}
        shown["concurrentRequests"] = {"consumed": 1, "remaining": CONCURRENT - self._busy.get(number, 1)}
        shown["serverErrorsPerProjectPerHour"] = {"remaining": 10}
        shown["potentiallyThresholdedRequestsPerHour"] = {"remaining": 120}
        return shown


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


def _rows(prop: Property, report: Report, today: date, flags: Flags) -> tuple[Rows, bool]:
    """Every row of the report, unsorted, and whether some went to `(other)`."""
    source = _source(report)
    dimensions = ORDER_DIMENSIONS if source == "orders" else SESSION_DIMENSIONS
    measures: Mapping[str, Callable[[Any], Decimal]] = ORDER_METRICS if source == "orders" else SESSION_METRICS
    items: Sequence[Item] = prop.orders if source == "orders" else prop.sessions
    totals: dict[tuple[str, ...], list[Decimal]] = {}
    for position, (since, until) in enumerate(report.ranges):
        suffix = (f"date_range_{position}",) if len(report.ranges) > 1 else ()
        for item in items:
            if since <= item.day <= min(until, today):
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


def _sort(rows: Rows, report: Report, turn: int) -> None:
    """As asked; ties, and everything where nothing was asked, come in another order with every request.

    GA4 promises no order and its pages are no snapshot, so a client that pages must sort by every dimension.
    """
    rows.sort(key=lambda row: hashlib.md5(f"{turn}{row[0]}".encode(), usedforsecurity=False).digest())
    for name, is_metric, descending in reversed(report.order):
        names = report.metrics if is_metric else report.dimensions
        column = names.index(name)
        rows.sort(key=lambda row, at=column, part=int(is_metric): row[part][at], reverse=descending)  # type: ignore[misc]


def _json_row(key: tuple[str, ...], values: Sequence[Decimal], report: Report) -> dict[str, Any]:
    row: dict[str, Any] = {}
    if key:
        row["dimensionValues"] = [{"value": text} for text in key]
    if values:
        row["metricValues"] = [
            {"value": _shown(value, name)} for value, name in zip(values, report.metrics, strict=True)
        ]
    return row


def _shown(value: Decimal, name: str) -> str:
    """Counts as integers; money as GA4 writes it, without trailing zeros."""
    return f"{value.normalize():f}" if name in MONEY else str(int(value))


def _type(name: str) -> tuple[str, int]:
    return CURRENCY if name in MONEY else INTEGER


def _flags_of(prop: Property, flags: Flags, report: Report, enums: bool) -> dict[str, Any]:
    metadata: dict[str, Any] = {"currencyCode": prop.currency, "timeZone": prop.timezone}
    if flags.subject_to_thresholding:
        metadata["subjectToThresholding"] = True
    if flags.sampled_share:
        read = int(1_000_000 * flags.sampled_share)
        sample = {"samplesReadCount": str(read), "samplingSpaceSize": "1000000"}
        metadata["samplingMetadatas"] = [sample for _ in report.ranges]
    hidden = [name for name in report.metrics if name in MONEY] if flags.revenue_hidden else []
    restrictions = [{"metricName": name, "restrictedMetricTypes": [REVENUE[enums]]} for name in hidden]
    metadata["schemaRestrictionResponse"] = {"activeMetricRestrictions": restrictions} if hidden else {}
    return metadata


def _metadata(prop: Property) -> dict[str, Any]:
    return {
        "name": f"properties/{prop.property_id}/metadata",
        "dimensions": [
            {"apiName": name, "uiName": name, "category": "Traffic source"}
            for name in sorted(ORDER_DIMENSIONS.keys() | SESSION_DIMENSIONS.keys())
        ],
        "metrics": [
            {"apiName": name, "uiName": name, "type": _type(name)[0], "category": "Ecommerce"}
            for name in sorted(ORDER_METRICS.keys() | SESSION_METRICS.keys())
        ],
    }


def _body(request: Request) -> Any:
    try:
        return msgspec.json.decode(request.body or b"{}")
    except msgspec.DecodeError:
        raise Refused("INVALID_ARGUMENT", "Invalid JSON payload received.") from None
