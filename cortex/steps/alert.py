"""Alert: what is wrong after a run, kept as one row per condition until a run finds that it no longer holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from cortex.run import Run
from cortex.steps import symptoms
from cortex.steps.symptoms import Condition, Ended
from cortex.warehouse import tables

if TYPE_CHECKING:
    from cortex.warehouse import Transaction

Row = dict[str, Any]
CLOCKS_DRIFT = timedelta(hours=1)
"""By so much the next night's run may begin earlier than the last one's."""


@dataclass(frozen=True)
class Changes:
    """What a run found. due: open alerts people have not been told of, or not for long; over: those that are no more."""

    due: list[Row]
    over: list[Row]


def settle(run: Run, ended: Ended, reminder: timedelta) -> Changes:
    """Write down what is wrong now, and what is over. Alerts of what this run did not look at stay as they are.

    reminder: after how long what still holds is due again.
    """
    found = {condition.dedup_key: condition for condition in symptoms.found(run, ended)}
    looked_at = set(symptoms.looked_at(run, ended))
    now = run.now()
    return run.warehouse.atomically(lambda tx: _write(tx, run, found, looked_at, now, reminder))


def told(run: Run, alerts: Iterable[Row]) -> None:
    """Note that people were told of these just now."""
    rows = [
        {"alert_id": row["alert_id"], "notified_at": run.now(), "notified_severity": row["severity"]} for row in alerts
    ]
    if rows:
        run.warehouse.atomically(lambda tx: tx.assign(tables.alerts, "alert_id", rows))


def alert_id(dedup_key: str) -> str:
    return hashlib.sha256(dedup_key.encode()).hexdigest()


KNOWN = "SELECT * FROM alerts WHERE resolved_at IS NULL OR alert_id IN :ids"


def _write(
    tx: Transaction, run: Run, found: Mapping[str, Condition], looked_at: set[str], now: datetime, reminder: timedelta
) -> Changes:
    known = {row["dedup_key"]: row for row in tx.rows(KNOWN, ids=[alert_id(key) for key in found] or [""])}
    fresh, lasting = [], []
    for key, condition in found.items():
        before = known.get(key)
        if before is None or before["resolved_at"] is not None:
            fresh.append(_first(condition, run, now))
        else:
            lasting.append((before, _again(before, condition, run, now)))
    over = [
        row for key, row in known.items()
        if row["resolved_at"] is None and key not in found and (key in looked_at or symptoms.gone(run.tenant, row))
    ]  # fmt: skip
    tx.upsert(tables.alerts, fresh)
    tx.assign(tables.alerts, "alert_id", [after for _, after in lasting])
    ended = [{"alert_id": row["alert_id"], "resolved_at": now, "run_id": run.run_id} for row in over]
    tx.assign(tables.alerts, "alert_id", ended)
    still = [before | after for before, after in lasting]
    return Changes(
        due=[row for row in (*fresh, *still) if _is_due(row, now, reminder)],
        over=[row for row in over if row["notified_at"] is not None and row["dismissed_at"] is None],
    )


def _first(condition: Condition, run: Run, now: datetime) -> Row:
    """A row for what begins, or begins again."""
    return {
        "alert_id": alert_id(condition.dedup_key),
        "dedup_key": condition.dedup_key,
        "kind": condition.kind,
        "subject": condition.subject,
        "first_seen_at": now,
        "times": 1,
        "resolved_at": None,
        "read_at": None,
        "dismissed_at": None,
        "notified_at": None,
        "notified_severity": "",
        **_said(condition, run, now),
    }


def _again(before: Row, condition: Condition, run: Run, now: datetime) -> Row:
    """What changes of an alert that lasts. One run that is resumed met it once; what gets worse is put aside no more."""
    worse = _rank(condition.severity) < _rank(before["severity"])
    return {
        "alert_id": before["alert_id"],
        "times": before["times"] + (before["run_id"] != run.run_id),
        "dismissed_at": None if worse else before["dismissed_at"],
        **_said(condition, run, now),
    }


def _said(condition: Condition, run: Run, now: datetime) -> Row:
    return {
        "severity": condition.severity,
        "code": condition.code,
        "title": condition.title[:160],
        "message": condition.message[:500],
        "facts": json.dumps(condition.facts, ensure_ascii=False),
        "action": condition.action[:255],
        "last_seen_at": now,
        "run_id": run.run_id,
    }


def _rank(severity: str) -> int:
    return ("critical", "warning", "info").index(severity)


def _is_due(row: Row, now: datetime, reminder: timedelta) -> bool:
    if row["dismissed_at"] is not None:
        return False
    at = row["notified_at"]
    return at is None or row["severity"] != row["notified_severity"] or now - at >= reminder - CLOCKS_DRIFT
