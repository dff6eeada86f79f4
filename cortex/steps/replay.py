"""Replay: a person's word about conversions that ended badly: send them again, or take the platform's side as heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from cortex import conversions as rules
from cortex.run import Run
from cortex.steps import ledger
from cortex.steps.ledger import Row
from cortex.warehouse import tables

STATES = ("rejected", "dead", "unknown")
"""What a person may decide about; the ledger decides the rest by itself."""
ENDED = """
    SELECT b.*, i.identifiers AS sealed FROM conversion_outbox b
    LEFT JOIN fct_orders o ON o.order_key = b.order_key
    LEFT JOIN conversion_identifiers i ON i.order_key = b.order_key AND i.destination = b.destination
    WHERE b.state IN :states AND (o.order_date >= :since OR o.order_date IS NULL)
    ORDER BY b.destination, b.occurred_at, b.outbox_key
"""


@dataclass(frozen=True)
class Wanted:
    """Which rows: any of `states`, and where given the destination, the reason (error class or code), the order."""

    states: tuple[str, ...] = STATES
    destination: str = ""
    reason: str = ""
    order: str = ""
    since: date = date(2000, 1, 1)

    def covers(self, row: Row) -> bool:
        said = {row["reason"], row["reason"].partition(":")[0], row["error_class"], row["error_code"]}
        return (
            (not self.destination or row["destination"] == self.destination)
            and (not self.order or row["order_ref"] == self.order)
            and (not self.reason or self.reason in said)
        )


@dataclass
class Found:
    """What a replay would do: rows to send again, rows too old for it, rows without identifiers (made at the next pull)."""

    rows: list[Row] = field(default_factory=list)
    late: list[Row] = field(default_factory=list)
    bare: int = 0
    doubtful: int = 0
    """Unknown ones the platform would count again: its deduplication has ended."""


def candidates(run: Run, wanted: Wanted) -> Found:
    """Rows that ended badly and may be sent again now. Settled otherwise, or told already, they are not among them."""
    found = Found()
    now = run.now()
    for row in run.warehouse.rows(ENDED, states=list(wanted.states), since=wanted.since):
        if not wanted.covers(row) or row["destination"] not in run.tenant.destinations:
            continue
        window = ledger.destination_of(run, row["destination"]).window
        allowed = rules.WITHIN if row["action"] in {"restate", "retract"} else max(window.click, window.identifiers)
        if now - row["occurred_at"] > allowed:
            found.late.append(row)
            continue
        found.rows.append(row)
        found.bare += not row["sealed"]
        found.doubtful += row["state"] == "unknown" and _counts_twice(run, row)
    return found


def _counts_twice(run: Run, row: Row) -> bool:
    dedup = ledger.destination_of(run, row["destination"]).dedup
    return not rules.repeatable(row["sent_at"] or row["occurred_at"], run.now(), dedup)


def decide(run: Run, rows: Sequence[Row], word: Literal["again", "delivered"]) -> int:
    """Write a person's word down. again: planned as if never sent; delivered: the platform has it, no more is sent.

    Only unknown rows can be called delivered. Returns how many rows moved; one that moved on meanwhile is left.
    """
    now = run.now()
    moved: dict[str, Any] = {
        "next_attempt_at": now,
        "attempts": 0,
        "claim_id": "",
        "reason": "replayed",
        "run_id": run.run_id,
    }
    moved |= {"state": "planned", "settled_at": None, "sent_at": None}
    if word == "delivered":
        rows = [row for row in rows if row["state"] == "unknown"]
        moved = {
            "state": "accepted",
            "settled_at": now,
            "next_attempt_at": None,
            "reason": "confirmed",
            "run_id": run.run_id,
        }
    by_state: dict[str, list[str]] = {}
    for row in rows:
        if moved["state"] not in rules.TRANSITIONS[row["state"]]:
            raise ValueError(f"nobody's word leads from {row['state']} to {moved['state']}")
        by_state.setdefault(row["state"], []).append(row["outbox_key"])
    return run.warehouse.atomically(
        lambda tx: sum(
            tx.update(tables.conversion_outbox, {"outbox_key": keys, "state": state}, moved)
            for state, keys in by_state.items()
        )
    )
