"""Asking for a run: what every front door checks before one is planned, begun or left for a worker."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cortex.clock import Window
from cortex.errors import UsageError
from cortex.run import Recipe
from cortex.runner import plan, recipes
from cortex.runner.plan import Planned
from cortex.warehouse import Warehouse
from cortex.workspace import Workspace

if TYPE_CHECKING:
    from cortex.tenant import Tenant


def recipe(workspace: Workspace, pipeline: str) -> Recipe:
    """The recipe of a plain run. Raises UsageError for one there is not, and for the backfill, which is asked for otherwise."""
    found = recipes.load(workspace, pipeline)
    if pipeline == "backfill":
        raise UsageError("CTX-1013", "A backfill has a command of its own.", fix="cortex backfill --days 90")
    return found


def planned(
    tenant: Tenant,
    wanted: Recipe,
    now: datetime,
    *,
    day: date | None = None,
    days: int | None = None,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
) -> tuple[Window, list[Planned]]:
    """Which local days and which steps are meant. Raises UsageError as `plan.window_for` and `plan.steps` do."""
    window = plan.window_for(tenant, wanted, now, day=day, days=days)
    return window, plan.steps(tenant, wanted, window, only=tuple(only), skip=tuple(skip))


def provisioned(database: str, code: str, state: Path) -> None:
    """Raises DatabaseError for a client whose schema no run could write to: now, not when a worker comes to it."""
    Warehouse.open(database, code, state).close()
