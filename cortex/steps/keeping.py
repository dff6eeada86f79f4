"""Keeping: what platforms said in their own words, what they changed afterwards, and for how long either stays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from cortex.clock import Window
from cortex.records import AdSpend, Sessions
from cortex.run import Outcome, Run, Step
from cortex.steps.landing import Row
from cortex.warehouse import tables

if TYPE_CHECKING:
    from cortex.tenant import Tenant
    from cortex.warehouse import Transaction

OBJECT = ("account_id", "day", "campaign_id", "adset_id", "ad_id")
FIGURES = ("native_spend", "conversions", "native_value")
"""In the account's own currency: a rate is no word of the platform."""
RAW_DAYS = 90
"""Days payloads are kept for a client without a `privacy` block."""

CLICKS_KEPT = timedelta(days=396)
"""Thirteen months: a click id is of use while its click may still become an order."""


def retention(_tenant: Tenant) -> Iterator[Step]:
    yield Step("retention", forget)


def raw_ads(read: Iterable[AdSpend], *, run_id: str, at: datetime) -> list[Row]:
    """Rows of raw_<platform>_ads."""
    return [{name: getattr(row, name) for name in OBJECT} | _payload(row.payload, run_id=run_id, at=at) for row in read]


def raw_ga4(read: Iterable[Sessions], *, run_id: str, at: datetime) -> list[Row]:
    """Rows of raw_ga4."""
    key = ("property_id", "day", "source", "medium", "campaign")
    return [{name: getattr(row, name) for name in key} | _payload(row.payload, run_id=run_id, at=at) for row in read]


def _payload(payload: bytes, *, run_id: str, at: datetime) -> Row:
    return {
        "payload": payload.decode(),
        "payload_sha256": hashlib.sha256(payload).hexdigest(),
        "fetched_at": at,
        "run_id": run_id,
    }


KNOWN = """
    SELECT account_id, day, campaign_id, adset_id, ad_id, native_currency, native_spend, conversions, native_value,
           is_provisional
    FROM fct_ad_spend WHERE platform = :platform AND day >= :since AND day < :until
"""
REVISED = """
    SELECT account_id, day, campaign_id, adset_id, ad_id, MAX(revision) AS revision
    FROM ad_daily_revision WHERE platform = :platform AND day >= :since AND day < :until
    GROUP BY account_id, day, campaign_id, adset_id, ad_id
"""


def revisions(
    tx: Transaction, platform: str, window: Window, rows: Sequence[Row], *, run_id: str, at: datetime
) -> list[Row]:
    """Rows of ad_daily_revision: how `rows` differ from what is stored of days the platform had finished counting.

    Also rows that appeared on such a day, or were withdrawn from it. To be called before the window is replaced.
    """
    bounds = {"platform": platform, "since": window.since, "until": window.until}
    stored = tx.rows(KNOWN, **bounds)
    finished = {(row["account_id"], row["day"]) for row in stored} - {
        (row["account_id"], row["day"]) for row in stored if row["is_provisional"]
    }
    if not finished:
        return []
    before = {_object(row): row for row in stored if (row["account_id"], row["day"]) in finished}
    since = {_object(row): row for row in rows if (row["account_id"], row["day"]) in finished}
    moved = [at for at in sorted(before.keys() | since.keys()) if _figures(before.get(at)) != _figures(since.get(at))]
    if not moved:
        return []
    counted = {_object(row): row["revision"] for row in tx.rows(REVISED, **bounds)}
    return [
        {
            "platform": platform,
            **dict(zip(OBJECT, one, strict=True)),
            "revision": counted.get(one, 0) + 1,
            "currency": (since.get(one) or before[one])["native_currency"],
            **dict(zip(("old_spend", "old_conversions", "old_value"), _figures(before.get(one)), strict=True)),
            **dict(zip(("new_spend", "new_conversions", "new_value"), _figures(since.get(one)), strict=True)),
            "revised_at": at,
            "run_id": run_id,
        }
        for one in moved
    ]


def _object(row: Row) -> tuple[str, date, str, str, str]:
    return (row["account_id"], row["day"], row["campaign_id"], row["adset_id"], row["ad_id"])


def _figures(row: Row | None) -> tuple[Any, ...]:
    """Spend, conversions and value as they are stored, so that a figure with more places is no change."""
    scales = [tables.fct_ad_spend.c[name].type.scale for name in FIGURES]  # type: ignore[attr-defined]
    return tuple(round(row[name] if row else 0, scale) for name, scale in zip(FIGURES, scales, strict=True))


def forget(run: Run) -> Outcome:
    """Delete payloads, check results and alerts that were over before the client's limit, and click ids nobody bought
    with. What is still wrong stays."""
    privacy = run.tenant.privacy
    days = privacy.retention.raw_days if privacy else RAW_DAYS
    before = run.now() - timedelta(days=days)
    aged = {table.name: "fetched_at" for table in tables.RAW}
    aged |= {tables.dq_results.name: "checked_at", tables.alerts.name: "resolved_at"}

    def write(tx: Transaction) -> dict[str, int]:
        deleted = {
            name: tx.run(f"DELETE FROM {name} WHERE {column} < :before", before=before)  # noqa: S608  # our own names
            for name, column in aged.items()
        }
        return deleted | {tables.fct_ad_clicks.name: _idle_clicks(tx, run.now().date() - CLICKS_KEPT)}

    deleted = {name: count for name, count in run.warehouse.atomically(write).items() if count}
    total = sum(deleted.values())
    return Outcome(total, f"{total} rows past their time deleted", {"deleted": deleted, "days": days})


def _idle_clicks(tx: Transaction, before: date) -> int:
    """Click ids of old clicks that led to no order. Those that did tie the order to its campaign, and stay with it."""
    told = {row["gclid"] for row in tx.rows("SELECT DISTINCT gclid FROM stg_touches WHERE gclid <> ''")}
    old = {row["click_id"] for row in tx.rows("SELECT click_id FROM fct_ad_clicks WHERE day < :before", before=before)}
    return tx.delete(tables.fct_ad_clicks, {"click_id": sorted(old - told)})
