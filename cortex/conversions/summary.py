"""What became of the conversions of a window: counts and value by fate, and how much of what was due arrived."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from msgspec import Struct

from cortex.conversions.outcomes import DELIVERED


class Fate(Struct, frozen=True, kw_only=True):
    """So many conversions of a destination ended like this, worth so much."""

    destination: str
    state: str
    reason: str
    currency: str
    count: int
    value: Decimal


def fates(rows: Iterable[Mapping[str, Any]]) -> list[Fate]:
    """Ledger rows (destination, state, reason, currency, value) counted, in the order destination, state, reason."""
    counts: defaultdict[tuple[str, str, str, str], int] = defaultdict(int)
    values: defaultdict[tuple[str, str, str, str], Decimal] = defaultdict(Decimal)
    for row in rows:
        at = (row["destination"], row["state"], row["reason"], row["currency"])
        counts[at] += 1
        values[at] += Decimal(str(row["value"]))
    return [
        Fate(destination=at[0], state=at[1], reason=at[2], currency=at[3], count=counts[at], value=values[at])
        for at in sorted(counts)
    ]


UNJUDGED = frozenset({"planned", "claimed", "sent"})
"""Nothing can be said of these yet."""


def accuracy(rows: Iterable[Mapping[str, Any]]) -> float | None:
    """Percent of purchases that are delivered or were left out by a rule; None when there is nothing to judge.

    By rule: gated, or expired before the first attempt (a backfill reaches further back than platforms take). What
    expired after it could have been sent is a failure, as are rejected, unknown and dead. Planned, claimed and
    sent rows are not judged yet. Rows: action, state, attempts, and `n` where one stands for several that are alike.
    """
    good = judged = 0
    for row in rows:
        if row["action"] != "purchase" or row["state"] in UNJUDGED:
            continue
        count = row.get("n", 1)
        judged += count
        by_rule = row["state"] == "gated" or (row["state"] == "expired" and not row["attempts"])
        good += count if by_rule or row["state"] in DELIVERED else 0
    return 100.0 * good / judged if judged else None
