"""What clients share of a platform: places at work, pauses asked for, and calls a second, counted for all machines.

Instants are `Control.now()`'s. Each function works inside one transaction of the control schema.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cortex.warehouse.tables import limit_calls, limit_slots

if TYPE_CHECKING:
    from cortex.warehouse.load import Transaction

EVER = datetime(1970, 1, 1, tzinfo=UTC)
"""An instant that is over."""


class Full(Exception):
    """No place is free. Raised inside the transaction, so that those taken already are given back with it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def enter(
    tx: Transaction,
    places: Mapping[str, int],
    *,
    owner: str,
    host: str,
    now: datetime,
    until: datetime,
    is_dead: Callable[[str], bool],
) -> None:
    """One place in each of the named budgets, or in none. Raises Full.

    places: name -> how many there are. is_dead: whether the process a host names is known to have ended.
    """
    for name, count in sorted(places.items()):  # everybody in the same order: no two wait for each other
        _one_place(tx, name, count, {"owner": owner, "host": host, "expires_at": until}, now, is_dead)


def _one_place(
    tx: Transaction, name: str, count: int, mine: Mapping[str, object], now: datetime, is_dead: Callable[[str], bool]
) -> None:
    known = {row["slot"]: row for row in tx.rows("SELECT * FROM limit_slots WHERE name = :name", name=name)}
    missing = [slot for slot in range(count) if slot not in known]
    if missing:
        free = {"name": name, "owner": "", "host": "", "expires_at": EVER}
        tx.insert_missing(limit_slots, [free | {"slot": slot} for slot in missing])
    if any(row["owner"] == mine["owner"] for row in known.values()):
        return
    takeable = missing + [
        slot
        for slot, row in known.items()
        if slot < count and (not row["owner"] or row["expires_at"] <= now or is_dead(row["host"]))
    ]
    random.shuffle(takeable)  # rivals that look at the same moment try different ones
    for slot in takeable:
        was = known.get(slot, {"owner": "", "expires_at": EVER})
        seen = {"name": name, "slot": slot, "owner": was["owner"], "expires_at": was["expires_at"]}
        if tx.update(limit_slots, seen, mine):
            return
    raise Full(name)


def prolong(tx: Transaction, owner: str, until: datetime) -> None:
    """The run lives: so do its places."""
    tx.update(limit_slots, {"owner": owner}, {"expires_at": until})


def leave(tx: Transaction, owner: str) -> None:
    """Give back every place of a run."""
    tx.update(limit_slots, {"owner": owner}, {"owner": ""})


def pause(tx: Transaction, names: Sequence[str], until: datetime) -> None:
    """Nobody calls before `until`; a longer pause asked for before stays."""
    for name in sorted(names):
        tx.insert_missing(limit_calls, [{"name": name, "paused_until": EVER, "spent_until": EVER}])
        tx.run(
            "UPDATE limit_calls SET paused_until = :until WHERE name = :name AND paused_until < :until",
            name=name,
            until=until,
        )


def paused(tx: Transaction, names: Sequence[str], now: datetime) -> float:
    """Seconds until the longest pause of these is over, 0 when there is none."""
    found = tx.rows("SELECT paused_until FROM limit_calls WHERE name IN :names", names=list(names))
    waits: list[float] = [(row["paused_until"] - now).total_seconds() for row in found]
    return max(0.0, *waits) if waits else 0.0


def spend(tx: Transaction, name: str, per_second: float, burst: float, now: datetime) -> float:
    """Count one call. Seconds to hold it back so that all callers together keep to the rate after `burst` at once.

    The generic cell rate algorithm: one instant is stored, that at which everything counted so far is used up.
    """
    query = "SELECT spent_until FROM limit_calls WHERE name = :name"
    if not tx.rows(query, name=name):
        tx.insert_missing(limit_calls, [{"name": name, "paused_until": EVER, "spent_until": EVER}])
    # Compare and set: of two who read the same instant one writes, the other reads again.
    while True:
        before: datetime = tx.rows(query, name=name)[0]["spent_until"]
        after = max(before, now) + timedelta(seconds=1 / per_second)
        if tx.update(limit_calls, {"name": name, "spent_until": before}, {"spent_until": after}):
            return max(0.0, (after - now).total_seconds() - burst / per_second)
