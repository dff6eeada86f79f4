"""What Google Ads tells of offline conversions it was sent: counts by day, by upload client and by conversion action."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cortex.clock import local_day
from cortex.sandbox.gaql import Query, QueryRefused
from cortex.sandbox.market import GoogleAccount

CLIENTS = ("GOOGLE_ADS_API", "GOOGLE_ADS_WEB_CLIENT", "ADS_DATA_CONNECTOR")
ADS_API, CONNECTOR = CLIENTS[0], CLIENTS[2]
TOLD_FOR = timedelta(days=90)

BY_CLIENT, BY_ACTION = "offline_conversion_upload_client_summary", "offline_conversion_upload_conversion_action_summary"
COMMON = (
    "resource_name", "client", "status", "total_event_count", "successful_event_count", "pending_event_count",
    "last_upload_date_time", "daily_summaries", "job_summaries", "alerts",
)  # fmt: skip
FIELDS = {
    BY_CLIENT: frozenset({*COMMON, "success_rate", "pending_rate"}),
    BY_ACTION: frozenset({*COMMON, "conversion_action_id", "conversion_action_name"}),
}
REPEATED = frozenset({"daily_summaries", "job_summaries", "alerts"})


@dataclass(frozen=True)
class Upload:
    """One request and what became of its events. errors: (family, member of its enum) -> events."""

    at: datetime
    client: str
    action_id: str
    succeeded: int
    failed: int
    pending: int = 0
    job_id: int = 0
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)


def check(query: Query) -> None:
    """Raise QueryRefused for a field or condition Google Ads would not take of these resources."""
    for name in [*query.select, *(each.field for each in query.where), *(by for by, _ in query.order)]:
        parent, _, attribute = name.partition(".")
        if parent == "metrics":
            raise QueryRefused(
                "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE", f"{name} does not go with {query.resource}."
            )
        if parent not in (query.resource, "customer") or (
            attribute not in (FIELDS[query.resource] if parent == query.resource else {"id", "resource_name"})
        ):
            raise QueryRefused("UNRECOGNIZED_FIELD", f"Unrecognized field in the query: '{name}'.")
    for name in [*(each.field for each in query.where), *(by for by, _ in query.order)]:
        if name.partition(".")[2] in REPEATED:
            raise QueryRefused("PROHIBITED_FIELD_IN_WHERE_CLAUSE", f"{name} cannot be filtered or sorted by.")


def rows(
    account: GoogleAccount,
    query: Query,
    uploads: Iterable[Upload],
    now: datetime,
    holds: Callable[[Any, Any], bool],
) -> list[dict[str, Any]]:
    """The answer as values by field path: a row for each client (and action) that sent anything in 90 days."""
    groups: dict[tuple[str, str], list[Upload]] = defaultdict(list)
    for upload in uploads:
        if now - upload.at <= TOLD_FOR:
            groups[upload.client, upload.action_id if query.resource == BY_ACTION else ""].append(upload)
    found = []
    for (client, action), sent in sorted(groups.items()):
        row = _row(account, query.resource, client, action, sent)
        if all(holds(each, row[each.field]) for each in query.where):
            found.append(
                {name: row[name] for name in dict.fromkeys([f"{query.resource}.resource_name", *query.select])}
            )
    return found[: query.limit]


def _row(account: GoogleAccount, resource: str, client: str, action: str, sent: Sequence[Upload]) -> dict[str, Any]:
    zone = ZoneInfo(account.timezone)
    good, bad, waiting = (sum(getattr(each, name) for each in sent) for name in ("succeeded", "failed", "pending"))
    total = good + bad + waiting
    customer = f"customers/{account.customer_id}"
    values: dict[str, Any] = {
        "client": client,
        "status": "EXCELLENT" if not bad else "GOOD" if bad <= total * 0.1 else "NEEDS_ATTENTION",
        "total_event_count": total,
        "successful_event_count": good,
        "pending_event_count": waiting,
        "last_upload_date_time": f"{max(each.at for each in sent).astimezone(zone):%Y-%m-%d %H:%M:%S}",
        "daily_summaries": list(_summaries(sent, lambda each: ("upload_date", local_day(each.at, zone).isoformat()))),
        "job_summaries": list(_summaries([each for each in sent if each.job_id], lambda each: ("job_id", each.job_id))),
        "alerts": list(_alerts(sent, total)),
    }
    if resource == BY_CLIENT:
        values["resource_name"] = f"{customer}/offlineConversionUploadClientSummaries/{client}"
        values |= {"success_rate": good / total if total else 0.0, "pending_rate": waiting / total if total else 0.0}
    else:
        values["resource_name"] = f"{customer}/offlineConversionUploadConversionActionSummaries/{action}~{client}"
        values |= {"conversion_action_id": int(action), "conversion_action_name": f"Action {action}"}
    named = {f"{resource}.{name}": value for name, value in values.items()}
    return named | {"customer.id": int(account.customer_id), "customer.resource_name": customer}


def _summaries(sent: Iterable[Upload], by: Callable[[Upload], tuple[str, Any]]) -> Iterator[dict[str, Any]]:
    sums: dict[tuple[str, Any], list[int]] = defaultdict(lambda: [0, 0, 0])
    for each in sent:
        counts = sums[by(each)]
        for at, count in enumerate((each.succeeded, each.failed, each.pending)):
            counts[at] += count
    for (name, value), (good, bad, waiting) in sorted(sums.items()):
        yield {name: value, "successful_count": good, "failed_count": bad, "pending_count": waiting}


def _alerts(sent: Iterable[Upload], total: int) -> Iterator[dict[str, Any]]:
    """The share of events each error hit, as far as the resource has a place for the error."""
    errors: Counter[tuple[str, str]] = Counter()
    for each in sent:
        errors.update(each.errors)
    for (family, reason), count in errors.most_common():
        if family in {"conversion_upload_error", "conversion_adjustment_upload_error", "date_error", "field_error"}:
            yield {f"error.{family}": reason, "error_percentage": count / total}
