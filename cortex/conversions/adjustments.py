"""Adjustments: when money goes back, the platform's value follows, but only for a conversion it is proven to have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

from cortex.conversions.outcomes import DELIVERED, utc

WITHIN = timedelta(days=54)
"""Google takes adjustments up to 54-55 days after the conversion; the shorter reading is used."""

Row = Mapping[str, Any]

NOT_TOLD = {
    "not_supported": "the platform takes no refunds: what it was told stays",
    "adjustment_window": "the sale is older than the platform corrects",
    "superseded": "overtaken before it was sent: another adjustment says what is true now, or none is needed",
}
"""Why a ledger row of an adjustment was never sent, beside the gates' own reasons."""


class Adjustment(Struct, frozen=True, kw_only=True):
    """The next thing to tell: the order's value as a whole, not the difference. told: what it was told last."""

    action: Literal["restate", "retract"]
    revision: int
    value: Decimal
    told: Decimal = Decimal(0)


class Nothing(Struct, frozen=True, kw_only=True):
    """Why nothing is told now: unchanged, not_delivered, in_flight, refused, not_supported, adjustment_window.

    would_be: of the last two, what would be told if it could be.
    """

    reason: str
    would_be: Adjustment | None = None


def adjustment(ledger: Sequence[Row], net: Decimal, *, restates: bool, now: datetime) -> Adjustment | Nothing:
    """What to tell a destination about an order whose value may have changed since it was told.

    ledger: all rows of `conversion_outbox` for this order and destination. net: its value now, on the basis it was
    told on; below zero counts as zero. restates: the destination's. A restatement of a conversion the platform does
    not have would create one (Data Manager), so the purchase must be delivered and settled; one adjustment is in
    flight at a time, and each carries the whole value, so that order and repetition of refunds do not matter. What
    was planned and never taken is decided anew in its own row.
    """
    net = max(net, Decimal(0))
    purchase = next((row for row in ledger if row["action"] == "purchase"), None)
    if purchase is None or not _proven(purchase):
        return Nothing(reason="not_delivered")
    tried = [row for row in ledger if not is_open(row)]
    if any(row["settled_at"] is None for row in tried):
        return Nothing(reason="in_flight")
    latest = max((row for row in tried if _proven(row)), key=_revision)
    value = Decimal(str(latest["value"]))
    if value == net:
        return Nothing(reason="unchanged")
    last = max(tried, key=_revision)
    if last["state"] in {"rejected", "dead", "expired"} and Decimal(str(last["value"])) == net:
        return Nothing(reason="refused")  # the platform's answer to the same news would be the same
    found = _next(ledger, net, value, after=_revision(last))
    if not restates:
        return Nothing(reason="not_supported", would_be=found)
    if now - utc(purchase["occurred_at"]) > WITHIN:
        return Nothing(reason="adjustment_window", would_be=found)
    return found


def _next(ledger: Sequence[Row], net: Decimal, told: Decimal, *, after: int) -> Adjustment:
    """In the row of the same action that was never sent, if one comes after what was, else under a new revision."""
    action: Literal["restate", "retract"] = "restate" if net else "retract"
    waiting = [_revision(row) for row in ledger if is_open(row) and row["action"] == action and _revision(row) > after]
    revision = max(waiting) if waiting else 1 + max(map(_revision, ledger))
    return Adjustment(action=action, revision=revision, value=net, told=told)


def is_open(row: Row) -> bool:
    """Whether the row is an adjustment the platform took nothing of, and may still be decided anew."""
    return row["action"] != "purchase" and row["state"] in {"planned", "gated"}


def overtaken(ledger: Sequence[Row], found: Adjustment | Nothing) -> list[Row]:
    """Rows never sent that say what is true no longer."""
    if isinstance(found, Nothing) and found.reason in {"in_flight", "not_delivered"}:
        return []
    kept = found if isinstance(found, Adjustment) else found.would_be
    at = (kept.action, kept.revision) if kept else None
    return [
        row
        for row in ledger
        if is_open(row) and row["reason"] != "superseded" and (row["action"], int(row["revision"])) != at
    ]


def _proven(row: Row) -> bool:
    return row["state"] in DELIVERED and row["settled_at"] is not None


def _revision(row: Row) -> int:
    return int(row["revision"])
