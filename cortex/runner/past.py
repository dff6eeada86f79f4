"""Past: what the ledger says of a run, and what can be seen of it now."""

from __future__ import annotations

from typing import Any

from cortex.runner.lease import is_dead
from cortex.warehouse import Control


def alive(control: Control, row: dict[str, Any]) -> dict[str, Any]:
    """A run still called running whose client nobody holds for it has died; the next run of the client notes that."""
    if row["status"] not in {"running", "cancelling"}:
        return row
    holder = control.holder(f"tenant:{row['tenant']}")
    held = holder is not None and holder["owner"] == row["run_id"] and not is_dead(holder["host"])
    return row if held else row | {"status": "died"}
