"""BigQuery as the sandbox shows it: the datasets of GA4's export, and jobs for the questions it can answer.

It runs no SQL. A query is known by its table, its parameters and the columns it reads and gives; another one is refused.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from cortex.clock import Clock
from cortex.sandbox import bigquery_funnel, bigquery_rows
from cortex.sandbox.bigquery_rows import Export, Row
from cortex.sandbox.google_rest import Refused
from cortex.sandbox.market import Market, Property
from cortex.sandbox.oauth import BIGQUERY, CLOUD_PLATFORM, OAuth
from cortex.sandbox.quota import Quota
from cortex.sandbox.wire import Request, Response

PROJECT = "cortex-sandbox"
"""The Cloud project every property of the market is exported to."""
LOCATION = "US"
MOST_ROWS = 5_000
"""Rows of a page, however many are asked for: BigQuery cuts pages at 10 MB."""
MOST_TABLES = 50
PER_SECOND = 100
"""Requests of one user to one method."""

FIELDS = {
    "collected_traffic_source": {
        "manual_campaign_id", "manual_campaign_name", "manual_source", "manual_medium", "manual_term", "manual_content",
        "gclid", "dclid", "srsltid",
    },
    "session_traffic_source_last_click": {"manual_campaign", "google_ads_campaign", "cross_channel_campaign"},
    "ecommerce": {"transaction_id", "purchase_revenue", "purchase_revenue_in_usd", "refund_value", "total_item_quantity"},
    "device": {"category", "mobile_brand_name", "operating_system", "language", "web_info"},
}  # fmt: skip
"""Fields of the export's records that a query may name."""
READS = (
    "event_date",
    "event_timestamp",
    "event_name",
    "event_params",
    "user_pseudo_id",
    "_TABLE_SUFFIX",
    "ga_session_id",
)


@dataclass(frozen=True)
class Question:
    """One that can be answered: its parameters and their types, the words its text must have, the columns of its rows."""

    parameters: Mapping[str, str]
    words: tuple[str, ...]
    schema: Sequence[tuple[str, str]]
    answer: Callable[[Export, Mapping[str, Any]], Iterator[Row]]

    def is_asked(self, text: str, parameters: Collection[str]) -> bool:
        gives = set(re.findall(r"\bAS (\w+)", text))
        words = (*READS, *self.words)
        return (
            set(parameters) == self.parameters.keys()
            and all(word in text for word in words)
            and {name for name, _ in self.schema} <= gives
        )


DAYS_READ = {"since": "STRING", "until": "STRING", "first": "STRING", "last": "STRING", "intraday": "ARRAY"}
QUESTIONS = (
    Question(
        {**DAYS_READ, "settled": "STRING", "lookback_days": "INT64", "quiet_days": "INT64"},
        ("'touch'", "'path'", "'hidden'", "'unnamed'"),
        bigquery_rows.SCHEMA,
        bigquery_rows.answer,
    ),
    Question(
        DAYS_READ,
        ("'stage'", "'item'", "'hidden'", "'unnamed'", *(f"'{name}'" for name in bigquery_funnel.STAGE_OF), "items"),
        bigquery_funnel.SCHEMA,
        bigquery_funnel.answer,
    ),
)
TYPES = {name: kind for question in QUESTIONS for name, kind in question.parameters.items()}
WORDS = """
ALL AND ANY ARRAY AS ASC AT BETWEEN BY CASE CAST COLLATE CONTAINS CREATE CROSS CUBE CURRENT DEFAULT DEFINE DESC
DISTINCT ELSE END ENUM ESCAPE EXCEPT EXCLUDE EXISTS EXTRACT FALSE FETCH FOLLOWING FOR FROM FULL GROUP GROUPING
GROUPS HASH HAVING IF IGNORE IN INNER INTERSECT INTERVAL INTO IS JOIN LATERAL LEFT LIKE LIMIT LOOKUP MERGE
NATURAL NEW NO NOT NULL NULLS OF ON OR ORDER OUTER OVER PARTITION PRECEDING PROTO QUALIFY RANGE RECURSIVE
RESPECT RIGHT ROLLUP ROWS SELECT SET SOME STRUCT TABLESAMPLE THEN TO TREAT TRUE UNBOUNDED UNION UNNEST USING
WHEN WHERE WINDOW WITH WITHIN
"""
RESERVED = frozenset(WORDS.split())
"""Words of GoogleSQL that name nothing unless they stand between backticks (lexical structure, reserved keywords)."""
REASONS = {
    "INVALID_ARGUMENT": "invalid", "UNAUTHENTICATED": "authError", "PERMISSION_DENIED": "accessDenied",
    "NOT_FOUND": "notFound", "INTERNAL": "internalError", "UNAVAILABLE": "backendError",
}  # fmt: skip


@dataclass
class Job:
    project: str
    rows: list[Row]
    size: int
    most: int | None
    schema: Sequence[tuple[str, str]]
    polls: int
    """Times it is still running when it is asked for."""


class BigQueryStandIn:
    """Answers for every shop's export. The quota counts real time."""

    def __init__(self, market: Market, oauth: OAuth, *, clock: Clock, rate_scale: float = 1.0) -> None:
        self._market = market
        self._oauth = oauth
        self._clock = clock
        self._polls = 1 if rate_scale < 5 else 0
        self._quota = Quota(PER_SECOND * rate_scale, 1)
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self.billed = 0
        """Bytes of all queries that ran."""
        self.heavier = 1
        """How many times the bytes of its world a query reads: what a test makes of a large shop."""
        self.missing: set[str] = set()
        """Days (YYYYMMDD) that were never exported: what a test takes away."""

    def handle(self, request: Request) -> Response:
        try:
            if self._quota.spend():
                raise _Refused(
                    "PERMISSION_DENIED",
                    "Exceeded rate limits: too many api requests per user per method.",
                    "rateLimitExceeded",
                )
            return Response.of_json(200, self._answer(request))
        except Refused as refusal:
            return refused(refusal)

    def fault(self, _request: Request, status: int) -> Response:
        if status == 429:
            return refused(_Refused("RESOURCE_EXHAUSTED", "Exceeded rate limits.", "rateLimitExceeded"))
        return refused(
            Refused(
                "INTERNAL" if status == 500 else "UNAVAILABLE",
                "Error encountered during execution. Retrying may solve the problem.",
            )
        )

    def _answer(self, request: Request) -> dict[str, Any]:
        grant = self._oauth.judge(request.headers.get("Authorization", ""), (BIGQUERY, CLOUD_PLATFORM))
        parts = re.fullmatch(
            r"/bigquery/v2/projects/([^/]+)/(datasets|jobs|queries)(?:/([^/]+))?(/tables)?", request.path
        )
        if parts is None:
            raise Refused("NOT_FOUND", "The requested URL was not found.")
        project, what, name, tables = parts.groups()
        if project != PROJECT:
            raise Refused(
                "PERMISSION_DENIED",
                f"Access Denied: Project {project}: User does not have bigquery.jobs.create permission in project {project}.",
            )
        match request.method, what, bool(name), bool(tables):
            case "GET", "datasets", True, False:
                self._property(grant, name)
                return {
                    "kind": "bigquery#dataset",
                    "datasetReference": {"projectId": project, "datasetId": name},
                    "location": LOCATION,
                }
            case "GET", "datasets", True, True:
                return self._list(self._export(self._property(grant, name)), name, request)
            case "POST", "jobs", False, False:
                return self._insert(grant, _body(request))
            case "GET", "jobs", True, False:
                job = self._job(name, request)
                return _shown(name, job, "RUNNING" if job.polls > 0 else "DONE")
            case "GET", "queries", True, False:
                return self._results(name, self._job(name, request), request)
        raise Refused("NOT_FOUND", f"The stand-in has no {request.method} of {what}.")

    def _property(self, grant: Any, dataset: str) -> Property:
        for shop in self._market.shops:
            if shop.ga4 is not None and dataset == f"analytics_{shop.ga4.property_id}":
                if not grant.reaches(shop):
                    raise Refused(
                        "PERMISSION_DENIED",
                        f"Access Denied: Dataset {PROJECT}:{dataset}: permission denied (or it may not exist).",
                    )
                if shop.ga4.trail is not None:
                    return shop.ga4
        raise Refused("NOT_FOUND", f"Not found: Dataset {PROJECT}:{dataset}")

    def _export(self, prop: Property) -> Export:
        assert prop.trail is not None
        return Export(prop.trail, ZoneInfo(prop.timezone), self._clock(), frozenset(self.missing))

    def _list(self, export: Export, dataset: str, request: Request) -> dict[str, Any]:
        daily, streamed = export.tables()
        names = (
            [f"events_{day}" for day in daily]
            + [f"events_intraday_{day}" for day in streamed]
            + ["pseudonymous_users_" + day for day in daily[-1:]]
        )
        names = sorted(names)
        first, most = _at(request), min(int(request.param("maxResults", str(MOST_TABLES))), MOST_TABLES)
        shown = names[first : first + most]
        reference = {"projectId": PROJECT, "datasetId": dataset}
        found: dict[str, Any] = {"kind": "bigquery#tableList", "totalItems": len(names)}
        if shown:
            found["tables"] = [
                {
                    "kind": "bigquery#table",
                    "id": f"{PROJECT}:{dataset}.{name}",
                    "tableReference": {**reference, "tableId": name},
                    "type": "TABLE",
                }
                for name in shown
            ]
        return found | ({"nextPageToken": str(first + most)} if first + most < len(names) else {})

    def _insert(self, grant: Any, body: Any) -> dict[str, Any]:
        config = body.get("configuration") if isinstance(body, dict) else None
        config = config if isinstance(config, dict) else {}
        query = config.get("query")
        if not isinstance(query, dict):
            raise Refused("INVALID_ARGUMENT", "Required parameter is missing: query")
        reference = body.get("jobReference") or {}
        dataset, asked, told = question(query)
        prop = self._property(grant, dataset)
        if reference.get("location", LOCATION).upper() != LOCATION:
            raise Refused(
                "NOT_FOUND", f"Not found: Dataset {PROJECT}:{dataset} was not found in location {reference['location']}"
            )
        export = self._export(prop)
        if not export.tables()[0]:
            raise Refused("NOT_FOUND", f"Not found: {PROJECT}:{dataset}.events_* does not match any table.")
        size = export.size(told) * self.heavier
        if config.get("dryRun"):
            dry = Job(PROJECT, [], size, None, asked.schema, 0)
            return _shown("", dry, "DONE", dry=True)
        number = str(reference.get("jobId") or "")
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,1024}", number):
            raise Refused("INVALID_ARGUMENT", f"Invalid job ID {number!r}.")
        most = query.get("maximumBytesBilled")
        job = Job(PROJECT, [], size, None if most is None else int(most), asked.schema, self._polls)
        if job.most is None or size <= job.most:
            job.rows = list(asked.answer(export, told))
        with self._lock:
            if number in self._jobs:
                raise _Refused("ALREADY_EXISTS", f"Already Exists: Job {PROJECT}:{LOCATION}.{number}", "duplicate")
            self._jobs[number] = job
            self.billed += size if job.most is None or size <= job.most else 0
        return _shown(number, job, "RUNNING")

    def _job(self, number: str, request: Request) -> Job:
        with self._lock:
            job = self._jobs.get(number)
        if job is None or request.param("location", LOCATION).upper() != LOCATION:
            raise Refused("NOT_FOUND", f"Not found: Job {PROJECT}:{number}")
        return job

    def _results(self, number: str, job: Job, request: Request) -> dict[str, Any]:
        found: dict[str, Any] = {"kind": "bigquery#getQueryResultsResponse", "jobReference": _reference(number)}
        if job.polls > 0:
            job.polls -= 1
            return found | {"jobComplete": False}
        if job.most is not None and job.size > job.most:
            raise _Refused(
                "INVALID_ARGUMENT",
                f"Query exceeded limit for bytes billed: {job.most}. {job.size} or higher required.",
                "bytesBilledLimitExceeded",
            )
        first = _at(request) or int(request.param("startIndex", "0"))
        most = min(int(request.param("maxResults", str(MOST_ROWS))), MOST_ROWS)
        page = job.rows[first : first + most]
        found |= {
            "jobComplete": True,
            "schema": {"fields": [{"name": name, "type": kind, "mode": "NULLABLE"} for name, kind in job.schema]},
            "totalRows": str(len(job.rows)),
            "totalBytesProcessed": str(job.size),
            "cacheHit": False,
        }
        if page:
            found["rows"] = [{"f": [{"v": str(row[name])} for name, _ in job.schema]} for row in page]
        return found | ({"pageToken": str(first + most)} if first + most < len(job.rows) and most else {})


class _Refused(Refused):
    """A refusal whose reason is not the usual one of its status."""

    def __init__(self, status: str, message: str, reason: str) -> None:
        super().__init__(status, message)
        self.reason = reason


def question(query: Mapping[str, Any]) -> tuple[str, Question, dict[str, Any]]:
    """The dataset, which question that can be answered, and its parameters. Raises Refused for every other."""
    text = query.get("query")
    if not isinstance(text, str) or not text.strip():
        raise Refused("INVALID_ARGUMENT", "Required parameter is missing: query")
    if query.get("useLegacySql") is not False:
        raise Refused("INVALID_ARGUMENT", "Legacy SQL does not know backticks: set useLegacySql to false.")
    for alias in re.findall(r"\bAS ([A-Za-z]\w*)\b(?!\s*\()", text):
        if alias.upper() in RESERVED - {"STRUCT", "SELECT"}:  # SELECT AS STRUCT makes rows, it names none
            raise Refused("INVALID_ARGUMENT", f"Syntax error: Unexpected keyword {alias.upper()}")
    told = _parameters(query)
    asked = set(re.findall(r"@(\w+)", text))
    if lacking := sorted(asked - told.keys()):
        raise Refused("INVALID_ARGUMENT", f"Query parameter '{lacking[0]}' not found")
    tables = set(re.findall(r"`([^`]+)`", text))
    known = re.fullmatch(rf"{re.escape(PROJECT)}\.(analytics_\d+)\.events_\*", next(iter(tables), ""))
    if len(tables) != 1 or known is None:
        raise Refused("NOT_FOUND", f"Not found: Table {', '.join(sorted(tables)) or '(none)'} was not found.")
    for record, names in FIELDS.items():
        for name in re.findall(rf"\b{record}\.(\w+)", text):
            if name not in names:
                raise Refused("INVALID_ARGUMENT", f"Field name {name} does not exist in STRUCT at {record}.")
    for known_question in QUESTIONS:
        if known_question.is_asked(text, asked):
            return known[1], known_question, told
    raise Refused(
        "INVALID_ARGUMENT",
        "The stand-in runs no SQL; it knows the questions of the export's visits and paths, and of its stages and items.",
    )


def _parameters(query: Mapping[str, Any]) -> dict[str, Any]:
    if query.get("queryParameters") and str(query.get("parameterMode", "")).upper() not in ("", "NAMED"):
        raise Refused("INVALID_ARGUMENT", "Parameters are named here.")
    told: dict[str, Any] = {}
    for each in query.get("queryParameters") or []:
        name, kind = each.get("name"), (each.get("parameterType") or {}).get("type")
        if TYPES.get(name) != kind:
            raise Refused("INVALID_ARGUMENT", f"Invalid value type for parameter {name}: {kind}.")
        value = each.get("parameterValue") or {}
        if kind == "ARRAY":
            told[name] = [str(item["value"]) for item in value.get("arrayValues") or []]
            continue
        text = str(value.get("value", ""))
        if not re.fullmatch(r"\d{8}" if kind == "STRING" else r"\d{1,5}", text):
            raise Refused("INVALID_ARGUMENT", f"Invalid value for parameter {name}: {text!r}.")
        told[name] = int(text) if kind == "INT64" else text
    return told


def refused(refusal: Refused) -> Response:
    """BigQuery's error: the reason is in `errors`, not in `details`."""
    status = {"ALREADY_EXISTS": 409}.get(refusal.status)
    code = status or refusal.response().status
    reason = refusal.reason if isinstance(refusal, _Refused) else REASONS.get(refusal.status, "invalid")
    error = {
        "code": code,
        "message": refusal.message,
        "errors": [{"message": refusal.message, "domain": "global", "reason": reason}],
        "status": refusal.status,
    }
    headers = {"WWW-Authenticate": "Bearer"} if refusal.status == "UNAUTHENTICATED" else {}
    return Response.of_json(code, {"error": error}, headers)


def _shown(number: str, job: Job, state: str, *, dry: bool = False) -> dict[str, Any]:
    statistics: dict[str, Any] = {
        "totalBytesProcessed": str(job.size),
        "query": {"totalBytesProcessed": str(job.size), "statementType": "SELECT"},
    }
    return {
        "kind": "bigquery#job",
        "jobReference": _reference(number) if number else {"projectId": PROJECT, "location": LOCATION},
        "configuration": {"jobType": "QUERY", "query": {}, **({"dryRun": True} if dry else {})},
        "status": {"state": state},
        "statistics": statistics,
    }


def _reference(number: str) -> dict[str, str]:
    return {"projectId": PROJECT, "jobId": number, "location": LOCATION}


def _at(request: Request) -> int:
    token = request.param("pageToken", "0")
    if not token.isdecimal():
        raise Refused("INVALID_ARGUMENT", "Invalid page token.")
    return int(token)


def _body(request: Request) -> Any:
    try:
        return msgspec.json.decode(request.body or b"{}")
    except msgspec.DecodeError:
        raise Refused("INVALID_ARGUMENT", "Invalid JSON payload received.") from None
