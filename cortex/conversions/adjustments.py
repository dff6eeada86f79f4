"""Adjustments: when money goes back, the platform's value follows, but only for a conversion it is proven to have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

from cortex.conversions.outbox import DELIVERED

WITHIN = timedelta(days=54)
"""Google takes adjustments up to 54-55 days after the conversion; the shorter reading is used."""


class Adjustment(Struct, frozen=True, kw_only=True):
    """The next thing to tell: the order's value as a whole, not the difference."""

    action: Literal["restate", "retract"]
    revision: int
    value: Decimal


class Nothing(Struct, frozen=True, kw_only=True):
    """Why nothing is told now: unchanged, not_delivered, in_flight, refused, not_supported, adjustment_window."""

    reason: str


def adjustment(
    ledger: Sequence[Mapping[str, Any]], net: Decimal, *, restates: bool, now: datetime
) -> Adjustment | Nothing:
    """What to tell a destination about an order whose net value (paid less refunded) may have changed.

    ledger: all rows of `conversion_outbox` for this order and destination. net: as it is now; below zero counts as
    zero. restates: the destination's. A restatement of a conversion the platform does not have would create one
    (Data Manager), so the purchase must be delivered and settled; one adjustment is in flight at a time, and each
    carries the whole net value, so that order and repetition of refunds do not matter.
    """
    net = max(net, Decimal(0))
    purchase = next((row for row in ledger if row["action"] == "purchase"), None)
    if purchase is None or not _proven(purchase):
        return Nothing(reason="not_delivered")
    told = [row for row in ledger if _proven(row)]
    if any(row["settled_at"] is None for row in ledger):
        return Nothing(reason="in_flight")
    latest = max(told, key=lambda row: int(row["revision"]))
    if Decimal(str(latest["value"])) == net:
        return Nothing(reason="unchanged")
    last = max(ledger, key=lambda row: int(row["revision"]))
    if not _proven(last) and Decimal(str(last["value"])) == net:
        return Nothing(reason="refused")  # the platform's answer to the same news would be the same
    if not restates:
        return Nothing(reason="not_supported")
    occurred_at = purchase["occurred_at"]
    if now - (occurred_at if occurred_at.tzinfo else occurred_at.replace(tzinfo=UTC)) > WITHIN:
        return Nothing(reason="adjustment_window")
    revision = 1 + max(int(row["revision"]) for row in ledger)
    return Adjustment(action="restate" if net else "retract", revision=revision, value=net)


def _proven(row: Mapping[str, Any]) -> bool:
    return row["state"] in DELIVERED and row["settled_at"] is not None
