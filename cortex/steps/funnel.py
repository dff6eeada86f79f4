"""Funnel: how far visits came in the shop, and which products they looked at, from sources that tell of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date
from functools import cache, partial
from typing import TYPE_CHECKING

from cortex import plugins
from cortex.records import Reached, Viewed
from cortex.run import Outcome, Run, Step
from cortex.steps import windows
from cortex.traffic import Traffic
from cortex.warehouse import tables

if TYPE_CHECKING:
    from cortex.steps.landing import Row
    from cortex.tenant import Tenant
    from cortex.warehouse import Transaction


def stages(tenant: Tenant) -> Iterator[Step]:
    """One step per enabled source that tells of stages, with a cursor of its own: credit does not wait for it, and
    where a quota is spent it is the last to be read."""
    for kind in tenant.traffic:
        if hasattr(plugins.adapter("traffic", kind, Traffic), "funnel"):
            yield Step(f"funnel.{kind}", partial(read, kind=kind), reads=True)


def read(run: Run, kind: str) -> Outcome:
    """Stages by channel and device, and views by product, replaced by window."""
    source = run.adapter("traffic", kind, Traffic, run.tenant.traffic[kind])
    stream = f"funnel.{kind}"
    window = windows.reread(run, stream, source.restates, source.history)
    if window is None:
        return windows.forgotten(run, kind, stream, source.history)
    reached = stage_rows(source.funnel(window))  # type: ignore[attr-defined]
    views = view_rows(source.product_views(window), platform=run.tenant.ecommerce.kind)  # type: ignore[attr-defined]

    def write(tx: Transaction) -> None:
        told = {"origin": kind, "day": (window.since, window.until)}
        tx.replace(tables.fct_funnel, told, reached)
        tx.replace(tables.fct_product_views, told, views)
        windows.move_in(tx, run, stream, window)

    run.warehouse.atomically(write)
    counts = {
        stage: sum(row["sessions"] for row in reached if row["stage"] == stage) for stage in ("visit", "purchase")
    }
    products = len({row["item_id"] for row in views})
    return Outcome(
        len(reached) + len(views),
        f"{counts['visit']} visits, {counts['purchase']} of them bought, {products} products looked at",
        {"visits": counts["visit"], "purchases": counts["purchase"], "products": products, "window": str(window)},
    )


def stage_rows(told: Iterable[Reached]) -> list[Row]:
    """Rows of fct_funnel: sources named by their channel, and what is the same by channel and device added up."""
    from cortex.attribution._channels import channel_of

    channel = cache(lambda source, medium, group: channel_of(source=source, medium=medium, group=group))
    counts: defaultdict[tuple[str, str, date, str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for row in told:
        name = channel(row.source, row.medium, row.channel_group)
        count = counts[row.origin, row.property_id, row.day, name, row.device, row.stage]
        count[0] += row.sessions
        count[1] += row.events
    columns = ("origin", "property_id", "day", "channel", "device", "stage")
    return [
        {**dict(zip(columns, at, strict=True)), "sessions": sessions, "events": events}
        for at, (sessions, events) in sorted(counts.items())
    ]


def view_rows(told: Iterable[Viewed], *, platform: str) -> list[Row]:
    """Rows of fct_product_views. Ids that differ in the blanks around them are one, as they are to a database."""
    counts: defaultdict[tuple[str, str, date, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for row in told:
        count = counts[row.origin, row.property_id, row.day, row.item_id.strip()[:128]]
        for at, units in enumerate((row.viewed, row.added, row.purchased)):
            count[at] += units
    return [
        {"origin": origin, "property_id": number, "day": day, "item_id": item, "platform": platform,
         "viewed": viewed, "added": added, "purchased": purchased}
        for (origin, number, day, item), (viewed, added, purchased) in sorted(counts.items())
    ]  # fmt: skip
