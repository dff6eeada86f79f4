"""Meta's Graph API as the sandbox shows it: accounts, insights (at once or as reports) and the Conversions API."""

from __future__ import annotations

import hashlib
import math
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from cortex.clock import Clock, local_day
from cortex.sandbox import capi, insights, quality
from cortex.sandbox.graph import (
    GraphError,
    bad_parameter,
    cursor,
    digest,
    listed,
    next_page,
    parameters,
    position,
    selected,
    structure,
    trace_id,
    unknown_object,
    usage_headers,
)
from cortex.sandbox.market import Market, MetaAccount, Shop
from cortex.sandbox.quota import Quota
from cortex.sandbox.received import Delivery, Received, Refusal
from cortex.sandbox.wire import Request, Response

VERSIONS = range(23, 27)
"""Graph versions answered (v26 is the newest, of 2026-07-29)."""

DEDUPLICATION = timedelta(hours=48)
PAGE_ROWS = 1000
SYNC_ROWS = 20_000
JOB_ROWS = 400_000
GAP_AFTER = 50
REMEMBERED_ANSWERS = 16

STEPS = (("Job Not Started", 0), ("Job Started", 0), ("Job Running", 40), ("Job Running", 100), ("Job Completed", 100))
"""What successive polls of a report show. 100 % without Completed is not done. A faster platform skips some."""

WHY_IT_FAILED = {
    "error_code": 2,
    "error_subcode": 1504038,
    "error_message": "The report ran too long.",
    "error_user_title": "Report failed",
    "error_user_msg": "Ask for fewer days or fewer fields.",
}
"""Since v25 a failed report says why."""

RUN_FIELDS = frozenset(
    {
        "id",
        "account_id",
        "time_ref",
        "time_completed",
        "date_start",
        "date_stop",
        "async_status",
        "async_percent_completion",
        "is_running",
        *WHY_IT_FAILED,
    }
)

EVENT_PARAMETERS = frozenset(
    [
        "access_token",
        "appsecret_proof",
        "data",
        "test_event_code",
        "partner_agent",
        "namespace_id",
        "upload_id",
        "upload_tag",
        "upload_source",
        "trace",
        "platforms",
    ]
)


@dataclass
class _Job:
    account: MetaAccount
    query: insights.Query
    token: str
    fails: bool
    polls: int = 0
    reads: int = 0


class MetaStandIn:
    """Answers for every shop's Meta account and pixel. `clock` gives the present; limits count real time.

    page_rows, sync_rows: more rows in a page, or ad-days in a question, than these make a synchronous answer fail.
    job_rows: more ad-days than this make a report fail. gap_after: longer lists have an empty page in the middle.
    """

    def __init__(
        self,
        market: Market,
        *,
        clock: Clock,
        received: Received,
        rate_scale: float = 1.0,
        page_rows: int = PAGE_ROWS,
        sync_rows: int = SYNC_ROWS,
        job_rows: int = JOB_ROWS,
        gap_after: int = GAP_AFTER,
    ) -> None:
        self._market = market
        self._clock = clock
        self._received = received
        self._page_rows, self._sync_rows, self._job_rows, self._gap_after = page_rows, sync_rows, job_rows, gap_after
        self._steps = STEPS[-max(1, math.ceil(len(STEPS) / max(rate_scale, 1.0))) :]
        self.failing_reports = 0
        """How many of the next reports end as `Job Failed`."""
        self._lock = threading.RLock()
        self._requests = 0
        self._throttles = 0
        self._jobs: dict[str, _Job] = {}
        self._seen: dict[tuple[str, str, str], datetime] = {}
        self._first: dict[tuple[str, str, str], tuple[int, datetime, str]] = {}
        """Of each event that is kept: its own time, when it came first, and whose it is."""
        self._valued: dict[tuple[str, str], str] = {}
        """Customers of whom a predicted value was told, and by which event."""
        self._answers: OrderedDict[tuple[Any, ...], list[msgspec.Raw]] = OrderedDict()
        accounts = [shop.meta for shop in market.shops if shop.meta is not None]
        # Hourly budgets: Limited tier for an account (600 + 400 per active ad); the app's is shared by every tenant.
        self._budgets = {
            account.account_id: Quota((600 + 400 * len({day.ad_id for day in account.days})) * rate_scale, 3600)
            for account in accounts
        }
        self._app = Quota(100_000 * rate_scale, 3600)

    def handle(self, request: Request) -> Response:
        with self._lock:
            self._requests += 1
            trace = trace_id(self._requests)
        try:
            return self._answer(request, trace)
        except GraphError as refusal:
            return refusal.response(trace)

    def fault(self, _request: Request, status: int) -> Response:
        """Throttling (each third time of another kind) or a transient failure, in Meta's words."""
        if status != 429:
            return GraphError(2, "Service temporarily unavailable", status=status, transient=True).response(trace_id(0))
        with self._lock:
            self._throttles += 1
            turn = self._throttles % 3
        code, subcode, message = (
            (4, 1504022, "Application request limit reached"),
            (80000, 2446079, "There have been too many calls to this ad-account."),
            (17, 2446079, "User request limit reached"),
        )[turn]
        headers = usage_headers("0", 100, 100 if code == 4 else 12, minutes=1)
        return GraphError(code, f"(#{code}) {message}", subcode=subcode, transient=True, headers=headers).response(
            trace_id(0)
        )

    def _answer(self, request: Request, trace: str) -> Response:
        version, path = _version(request.path)
        values = parameters(request)
        token, shops = self._caller(request, values)
        node, _, edge = path.partition("/")
        if path == "dataset_quality" and request.method == "GET":
            return self._quality(shops, values)
        if request.method == "GET" and not edge:
            return self._node(node, token, shops, values)
        if edge == "insights" and request.method in ("GET", "POST"):
            return self._insights(request, version, node, token, shops, values)
        if edge == "events" and request.method == "POST":
            return self._events(node, shops, values, trace)
        raise GraphError(
            2500 if edge else 100,
            f"Unsupported {request.method.lower()} request.",
            kind="GraphMethodException",
        )

    def _caller(self, request: Request, values: dict[str, Any]) -> tuple[str, list[Shop]]:
        """The token, from the Authorization header or access_token, and the shops it opens."""
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() not in ("bearer", "oauth") or not token:
            token = str(values.get("access_token", ""))
        if not token:
            raise GraphError(
                104 if values.get("appsecret_proof") else 2500,
                "An active access token must be used to query information about the current user.",
            )
        shops = [shop for shop in self._market.shops if shop.meta is not None and shop.meta_token == token]
        if not shops:
            raise GraphError(190, "Invalid OAuth access token - Cannot parse access token", status=400)
        proof = values.get("appsecret_proof")
        if proof is not None and not re.fullmatch(r"[0-9a-f]{64}", str(proof)):
            raise GraphError(100, "Invalid appsecret_proof provided in the API argument", kind="GraphMethodException")
        return token, shops

    def _node(self, node: str, token: str, shops: list[Shop], values: dict[str, Any]) -> Response:
        if node == "me":
            person = {"id": str(int(hashlib.sha256(token.encode()).hexdigest()[:12], 16)), "name": "Cortex system user"}
            return Response.of_json(200, selected(person, values.get("fields", "name"), "User"))
        if node in self._jobs:
            run = self._poll(node, token)
            for name in listed(values.get("fields")):
                if name not in RUN_FIELDS:
                    raise bad_parameter(f"Tried accessing nonexisting field ({name}) on node type (AdReportRun)")
            return Response.of_json(200, run)
        for shop in shops:
            account = shop.meta
            if account is not None and node == account.pixel_id:
                return Response.of_json(200, selected(_pixel(shop, account), values.get("fields"), "AdsPixel"))
        account = self._account(node, shops)
        return Response.of_json(200, selected(_account_node(account), values.get("fields", "account_id"), "AdAccount"))

    def _account(self, node: str, shops: list[Shop]) -> MetaAccount:
        for shop in shops:
            if shop.meta is not None and shop.meta.account_id == node:
                return shop.meta
        if any(shop.meta is not None and shop.meta.account_id == node for shop in self._market.shops):
            raise GraphError(
                200, "(#200) Ad account owner has NOT granted ads_management or ads_read permission", status=403
            )
        raise unknown_object(node)

    # Insights

    def _insights(
        self, request: Request, version: str, node: str, token: str, shops: list[Shop], values: dict[str, Any]
    ) -> Response:
        job = self._jobs.get(node)
        if job is not None and request.method == "GET":
            account, query = self._finished(job, token), job.query
        else:
            account = self._account(node, shops)
            query = insights.parse(values, self._today(account))
        headers = self._spend(account)
        days = insights.scanned(account, query, self._today(account))
        if request.method == "POST":
            return self._start(account, query, token, len(days), headers)
        limit = _limit(values.get("limit"))
        if job is None and (len(days) > self._sync_rows or limit > self._page_rows < len(days)):
            raise GraphError(
                1, "Please reduce the amount of data you're asking for, then retry your request", status=500
            )
        key = (account.account_id, query, self._today(account))
        answer = self._remembered(key, lambda: insights.rows(account, query, days))
        page = self._page(answer, limit, values.get("after"), digest(key))
        if "next" in page.get("paging", {}):
            after = page["paging"]["cursors"]["after"]
            page["paging"]["next"] = next_page(
                request, version, node, {**values, "access_token": token, "after": after}
            )
        return Response.of_json(200, page, headers)

    def _page(self, answer: list[msgspec.Raw], limit: int, after: Any, question: str) -> dict[str, Any]:
        """One page. In long lists the second page is empty and has a next one, as Meta's sometimes are."""
        offset, gap_passed = position(after, question)
        gap = len(answer) > max(limit, self._gap_after) and offset == limit and not gap_passed
        data = [] if gap else answer[offset : offset + limit]
        if not answer:
            return {"data": []}
        following = offset if gap else offset + limit
        cursors = {"before": cursor(question, offset, gap_passed), "after": cursor(question, following, gap)}
        paging: dict[str, Any] = {"cursors": cursors}
        if following < len(answer):
            paging["next"] = ""
        return {"data": data, "paging": paging}

    def _remembered(self, key: tuple[Any, ...], build: Callable[[], list[dict[str, Any]]]) -> list[msgspec.Raw]:
        """Pages of one question come from one answer, kept as the JSON of its rows."""
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
                return self._answers[key]
        answer = [msgspec.Raw(msgspec.json.encode(row)) for row in build()]
        with self._lock:
            self._answers[key] = answer
            while len(self._answers) > REMEMBERED_ANSWERS:
                self._answers.popitem(last=False)
        return answer

    def _spend(self, account: MetaAccount) -> dict[str, str]:
        """Count one call against account and app. The headers say how full both are; full means refused."""
        budget = self._budgets[account.account_id]
        number = account.account_id.removeprefix("act_")
        waits = budget.spend(), self._app.spend()
        headers = usage_headers(number, budget.percent(), self._app.percent(), minutes=-int(-max(waits) // 60))
        if waits[1]:
            raise GraphError(4, "(#4) Application request limit reached", subcode=1504022, headers=headers)
        if waits[0]:
            raise GraphError(
                80000,
                "(#80000) There have been too many calls from this ad-account. Wait a bit and try again.",
                subcode=2446079,
                headers=headers,
            )
        return headers

    def _today(self, account: MetaAccount) -> date:
        return local_day(self._clock(), ZoneInfo(account.timezone))

    def _start(
        self, account: MetaAccount, query: insights.Query, token: str, size: int, headers: dict[str, str]
    ) -> Response:
        with self._lock:
            fails = size > self._job_rows
            if self.failing_reports > 0:
                self.failing_reports -= 1
                fails = True
            number = str(6_000_000_000_000 + len(self._jobs) + 1)
            self._jobs[number] = _Job(account, query, token, fails)
        return Response.of_json(200, {"report_run_id": number}, headers)

    def _own(self, job: _Job, number: str, token: str) -> None:
        if job.token != token:
            raise unknown_object(number)

    def _poll(self, number: str, token: str) -> dict[str, Any]:
        job = self._jobs[number]
        self._own(job, number, token)
        with self._lock:
            status, percent = self._steps[min(job.polls, len(self._steps) - 1)]
            job.polls += 1
        now = int(self._clock().timestamp())
        run: dict[str, Any] = {
            "id": number,
            "account_id": job.account.account_id.removeprefix("act_"),
            "time_ref": now,
            "date_start": job.query.since.isoformat(),
            "date_stop": job.query.until.isoformat(),
        }
        if job.fails and percent > 0:
            return run | {"async_status": "Job Failed", "async_percent_completion": percent} | WHY_IT_FAILED
        done = {"time_completed": now} if status == "Job Completed" else {}
        return run | done | {"async_status": status, "async_percent_completion": percent}

    def _finished(self, job: _Job, token: str) -> MetaAccount:
        """The account of a report that may be read. The first read after completion fails: the edge lags behind."""
        self._own(job, "report", token)
        with self._lock:
            ready = not job.fails and job.polls >= len(self._steps)
            if ready:
                job.reads += 1
        if not ready:
            raise GraphError(2601, "(#2601) Loading Async Report Failed")
        if job.reads == 1:
            raise GraphError(
                2637, "(#2637) The report is not available yet, try again later", subcode=1815107, transient=True
            )
        return job.account

    # Conversions

    def _events(self, pixel: str, shops: list[Shop], values: dict[str, Any], trace: str) -> Response:
        if not any(shop.meta is not None and shop.meta.pixel_id == pixel for shop in shops):
            raise unknown_object(pixel)
        events: list[Any] = []
        try:
            events = _events_of(values)
            _check(events, self._clock())
            with self._lock:
                self._check_values(pixel, events)
        except (capi.Invalid, GraphError) as refusal:
            error = _invalid(refusal) if isinstance(refusal, capi.Invalid) else refusal
            code = f"{error.code}/{error.subcode}" if error.subcode else str(error.code)
            self._received.refuse(Refusal("meta", pixel, len(events), code, error.message, self._clock()))
            raise error from None
        test = bool(values.get("test_event_code"))
        with self._lock:
            self._received.add([self._delivery(pixel, event, trace, test) for event in events])
        return Response.of_json(200, {"events_received": len(events), "messages": [], "fbtrace_id": trace})

    def _check_values(self, pixel: str, events: list[dict[str, Any]]) -> None:
        """AppendValue is about a conversion Meta has, sent at most 7 days ago, once per customer. A repeat of the same
        event is told apart by its id, as ever."""
        now = self._clock()
        told = dict(self._valued)
        for event in events:
            if event["event_name"] != capi.APPEND_VALUE:
                continue
            name, number = capi.original(event)
            first = self._first.get((pixel, name, number))
            if first is None or first[0] != event["original_event_data"]["event_time"]:
                raise capi.Invalid(
                    "original_event_data names no event of this dataset.", title="Unknown Original Event"
                )
            if now - first[1] > capi.VALUE_WITHIN:
                raise capi.Invalid("The original event was sent more than 7 days ago.", title="Original Event Too Old")
            buyer = pixel, first[2]
            if told.setdefault(buyer, event.get("event_id", "")) != event.get("event_id", ""):
                raise capi.Invalid("A predicted value was sent of this customer before.", title="Value Already Sent")
        self._valued = told

    def _quality(self, shops: list[Shop], values: dict[str, Any]) -> Response:
        """Web events of the last 48 hours, to whoever manages the dataset (Meta: Dataset Quality API)."""
        pixel = str(values.get("dataset_id", ""))
        account = next((shop.meta for shop in shops if shop.meta is not None and shop.meta.pixel_id == pixel), None)
        if account is None:
            raise unknown_object(pixel)
        if not account.may_manage:
            raise GraphError(200, "(#200) The user must be able to manage the dataset.", status=403)
        fields = str(values.get("fields", ""))
        if not fields.startswith("web{"):
            raise bad_parameter("fields must ask for web.")
        since = self._clock() - quality.WINDOW
        sent = [one for one in self._received.deliveries("meta", pixel) if one.received_at >= since and not one.test]
        return Response.of_json(200, {"web": quality.events(sent, fields)})

    def _delivery(self, pixel: str, event: dict[str, Any], trace: str, test: bool) -> Delivery:
        """Within 48 hours of the first, an event with the same name and id is the same event (Meta: deduplication)."""
        now = self._clock()
        name, number = event["event_name"], event.get("event_id", "")
        first = self._seen.get((pixel, name, number))
        duplicate = bool(number) and first is not None and now - first < DEDUPLICATION
        if number and not duplicate:
            self._seen[pixel, name, number] = now
        self._first.setdefault((pixel, name, number), (int(event["event_time"]), now, capi.customer(event)))
        if event.get("custom_data", {}).get("predicted_ltv") is not None and name != capi.APPEND_VALUE:
            self._valued.setdefault((pixel, capi.customer(event)), number)
        custom = event.get("custom_data", {})
        return Delivery(
            platform="meta",
            destination=pixel,
            event_name=name,
            event_id=number,
            order_id=str(custom.get("order_id", "")),
            value=capi.value_of(event),
            currency=str(custom.get("currency", "")).upper(),
            occurred_at=capi.occurred_at(event),
            received_at=now,
            request_id=trace,
            outcome="duplicate" if duplicate else "counted",
            test=test,
            identifiers=capi.match_keys(event),
            sent=msgspec.json.encode(event),
        )


def _version(path: str) -> tuple[str, str]:
    parts = re.fullmatch(r"/v(\d+)\.0/(.+?)/?", path)
    if parts is None:
        raise GraphError(2500, "Unknown path components", kind="GraphMethodException")
    if int(parts[1]) not in VERSIONS:
        raise GraphError(
            2635,
            f"(#2635) You are calling a version of the API that is not available. Use v{VERSIONS[-1]}.0.",
        )
    return f"v{parts[1]}.0", parts[2]


def _pixel(shop: Shop, account: MetaAccount) -> dict[str, Any]:
    return {
        "id": account.pixel_id,
        "name": f"{shop.name} pixel",
        "is_unavailable": False,
        "can_proxy": False,
        "data_use_setting": "ADVERTISING_AND_ANALYTICS",
        "creation_time": "2024-01-01T00:00:00+0000",
        "owner_ad_account": {"id": account.account_id, "account_id": account.account_id.removeprefix("act_")},
    }


def _account_node(account: MetaAccount) -> dict[str, Any]:
    return {
        "id": account.account_id,
        "account_id": account.account_id.removeprefix("act_"),
        "name": account.name,
        "currency": account.currency,
        "timezone_name": account.timezone,
        "account_status": 1,
        "disable_reason": 0,
    }


def _limit(value: Any) -> int:
    if value is None:
        return insights.DEFAULT_LIMIT
    if not str(value).isdecimal() or int(value) < 1:
        raise bad_parameter("limit must be a positive integer.")
    return int(value)


def _events_of(values: dict[str, Any]) -> list[Any]:
    """The events of a request: a JSON list, or, as the vendor's SDK posts it, a form field with a list of JSON texts."""
    for name in values.keys() - EVENT_PARAMETERS:
        raise bad_parameter(f"{name} is not a parameter of events.")
    events = structure(values.get("data"), "data")
    if not isinstance(events, list) or not events:
        raise bad_parameter("The parameter data is required: a list of events.")
    return [structure(event, "data") if isinstance(event, str) and event[:1] == "{" else event for event in events]


def _check(events: list[Any], now: datetime) -> None:
    """Raises capi.Invalid or GraphError for the first event that is not as it should be."""
    if len(events) > capi.LARGEST_BATCH:
        raise bad_parameter(f"data holds {len(events)} events; at most {capi.LARGEST_BATCH} are taken.")
    for event in events:
        capi.check(event, now)


def _invalid(refusal: capi.Invalid) -> GraphError:
    """Which event of the batch it was is not said."""
    return GraphError(
        100, "Invalid parameter", subcode=refusal.subcode, title=refusal.title, user_message=refusal.message
    )
