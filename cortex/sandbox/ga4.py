"""The GA4 Data API as the sandbox shows it: runReport, batchRunReports and the metadata of a property."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from cortex.clock import Clock, local_day
from cortex.sandbox import ga4_reports
from cortex.sandbox.ga4_reports import (
    CURRENCY,
    DIMENSIONS,
    INTEGER,
    METRICS,
    MONEY,
    REVENUE,
    Flags,
    Report,
)
from cortex.sandbox.google_rest import Fields, Refused, exhausted, faulty
from cortex.sandbox.market import Market, Property
from cortex.sandbox.oauth import ANALYTICS, ANALYTICS_READONLY, OAuth
from cortex.sandbox.quota import Quota
from cortex.sandbox.wire import Request, Response

MOST_REPORTS = 5

BUDGETS = {
    "tokensPerDay": (200_000, 86_400),
    "tokensPerHour": (40_000, 3_600),
    "tokensPerProjectPerHour": (14_000, 3_600),
}
"""Tokens of a standard property, per seconds."""
CONCURRENT = 10


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
        report = ga4_reports.parse(body, prop.property_id, today)
        if report.currency not in ("", prop.currency):
            raise Refused("INVALID_ARGUMENT", "The stand-in converts no currencies: ask for the property's own.")
        quota = self._charge(prop.property_id, report)
        flags = self.flags[prop.property_id]
        with self._lock:
            self._requests += 1
            turn = self._requests
        rows, gathered = ga4_reports.rows(prop, report, today, flags)
        other = {"dataLossFromOtherRow": True} if gathered else {}
        ga4_reports.sort(rows, report, turn)
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
        "dimensions": [{"apiName": name, "uiName": name, "category": "Traffic source"} for name in sorted(DIMENSIONS)],
        "metrics": [
            {"apiName": name, "uiName": name, "type": _type(name)[0], "category": "Ecommerce"}
            for name in sorted(METRICS)
        ],
    }


def _body(request: Request) -> Any:
    try:
        return msgspec.json.decode(request.body or b"{}")
    except msgspec.DecodeError:
        raise Refused("INVALID_ARGUMENT", "Invalid JSON payload received.") from None
