"""Walked: journeys by path, from the visits a source tells of to channels, and from the warehouse to a market."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

from cortex.records import Walked, WalkedStep

if TYPE_CHECKING:
    import polars as pl

    from cortex.steps.landing import Row
    from cortex.warehouse import Warehouse

MOST_VISITS = 20
"""Visits of a path that are kept, the last ones: what comes before says little, and a key has to end."""
JOIN = " > "
PATHS = "SELECT path, SUM(journeys) AS journeys, SUM(orders) AS orders FROM agg_paths GROUP BY path"


def rows(told: Iterable[Walked]) -> list[Row]:
    """Rows of agg_paths: visits named by their channel, and paths that are the same by channel counted together."""
    from cortex.attribution._channels import channel_of

    @cache
    def channel(step: WalkedStep) -> str:
        clicks = {"braid" if step.click in {"gbraid", "wbraid"} else step.click: "x"} if step.click else {}
        return channel_of(source=step.source, medium=step.medium, group=step.channel_group, **clicks)

    counts: defaultdict[tuple[str, object, str], list[int]] = defaultdict(lambda: [0, 0])
    for journey in told:
        path = JOIN.join(channel(step) for step in journey.steps[-MOST_VISITS:])
        count = counts[journey.origin, journey.day, path]
        count[0] += journey.journeys
        count[1] += journey.orders
    return [
        {"origin": origin, "day": day, "path": path, "journeys": journeys, "orders": orders}
        for (origin, day, path), (journeys, orders) in sorted(counts.items())
    ]


def market(warehouse: Warehouse) -> pl.DataFrame:
    """Every journey known, whatever its day: path, journeys, orders."""
    import polars as pl

    found = warehouse.frame(PATHS)
    return found.with_columns(pl.col("journeys", "orders").cast(pl.Float64))
