"""Plan: which days, which steps, in which order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from cortex.clock import Window, local_day
from cortex.errors import UsageError
from cortex.run import Recipe, Step

if TYPE_CHECKING:
    from cortex.tenant import Tenant

LONGEST = 1460
"""Days: four years, more than any platform keeps."""


@dataclass(frozen=True)
class Planned:
    """A step with the window it works on. `name` is unique in the run: a chunk carries its first day."""

    name: str
    step: Step
    window: Window


def window_for(
    tenant: Tenant, recipe: Recipe, now: datetime, *, day: date | None = None, days: int | None = None
) -> Window:
    """The tenant-local days of a run.

    `day` is the last day (yesterday when not given; today for the hourly recipe, which reads the day so far).
    `days` counts back from it; without it the tenant's lookback applies: the day and the `lookback_days` before it.
    Raises UsageError for a day that has not ended or a span no platform could answer.
    """
    today = local_day(now, tenant.timezone)
    last = day or (today if recipe.name == "hourly" else today - timedelta(days=1))
    if last > today or (last == today and recipe.name not in {"hourly", "conversions"}):
        raise UsageError(
            "CTX-1007", f"Data of {tenant.code} ends yesterday ({today - timedelta(days=1)}) in {tenant.timezone.key}."
        )
    if days is not None and not 1 <= days <= LONGEST:
        raise UsageError("CTX-1008", f"--days {days} is out of range.", fix=f"Use 1 to {LONGEST}.")
    span = days if days is not None else (tenant.etl.lookback_days + 1 if recipe.lookback else 1)
    return Window.ending(last, span)


def steps(
    tenant: Tenant, recipe: Recipe, window: Window, *, only: tuple[str, ...] = (), skip: tuple[str, ...] = ()
) -> list[Planned]:
    """The steps of a run in order: chunked ones newest first, then the others over the whole window.

    `only` and `skip` take step names or their first word (`ads`, `ads.meta`). Raises UsageError for a name that
    matches nothing.
    """
    planned = list(_planned(tenant, recipe, window))
    names = {plan.step.name for plan in planned}
    for word in (*only, *skip):
        if not any(_matches(name, word) for name in names):
            raise UsageError(
                "CTX-1009", f"No step of {recipe.name} is called {word!r}.", fix=f"Steps: {', '.join(sorted(names))}."
            )
    return [
        plan
        for plan in planned
        if (not only or any(_matches(plan.step.name, word) for word in only))
        and not any(_matches(plan.step.name, word) for word in skip)
    ]


def _planned(tenant: Tenant, recipe: Recipe, window: Window) -> Iterator[Planned]:
    for chunk in window.chunks(recipe.chunk_days) if recipe.chunks else ():
        for verb in recipe.chunks:
            for step in verb(tenant):
                yield Planned(f"{step.name}@{chunk.since}", step, chunk)
    for verb in recipe.steps:
        for step in verb(tenant):
            yield Planned(step.name, step, window)


def _matches(name: str, word: str) -> bool:
    return name == word or name.startswith(f"{word}.")
