"""What the stand-in's export answers to the question about the way to a sale: sessions by stage, products in events.

The question, by its parameters: tables with suffixes `first` to `last` or in `intraday` are read; rows are dated `since`
to `until`, both included. A visit of the world is one session, and what happened on it happened in the usual order.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from cortex.sandbox.bigquery_rows import DAY, DIRECT, Export, Row, filled
from cortex.sandbox.market import DEVICES
from cortex.sandbox.trail import HIDDEN, Trail

SCHEMA = (
    ("kind", "STRING"), ("day", "STRING"), ("device", "STRING"), ("source", "STRING"), ("medium", "STRING"),
    ("channel_group", "STRING"), ("stage", "STRING"), ("sessions", "INTEGER"), ("events", "INTEGER"),
    ("item_id", "STRING"), ("viewed", "INTEGER"), ("added", "INTEGER"), ("purchased", "INTEGER"),
)  # fmt: skip
STAGE_OF = {
    "view_item": "view",
    "add_to_cart": "cart",
    "begin_checkout": "checkout",
    "add_payment_info": "payment",
    "purchase": "purchase",
}
CLOSING = ("view", "cart", "checkout")
"""Stages that must come before the next; the form for the payment may be left out."""

LAST_CLICK = 90 * DAY

Counts = dict[str, int]


def answer(export: Export, told: Mapping[str, Any]) -> Iterator[Row]:
    """Every row, in no order anybody promised."""
    trail = export.trail
    visible = export.visible(told)
    happened = [(visit, day, _happened(trail, visit)) for visit, day in visible]
    measured: defaultdict[str, set[str]] = defaultdict(set)
    for _, day, counts in happened:
        measured[day] |= {stage for stage, count in counts.items() if count}
    sessions, events = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    hidden = Counter[str]()
    credited = _credited(trail)
    for visit, day, counts in happened:
        if not told["since"] <= day <= told["until"]:
            continue
        if trail.visitor[visit] == HIDDEN:
            hidden[day] += 1 + sum(counts.values())
            continue
        source, medium, _, _, group, _ = trail.keys[trail.came[credited[visit]]]
        cell = (day, DEVICES[int(trail.device[visit])], source, medium, group)
        sessions[*cell, "visit"] += 1
        events[*cell, "visit"] += 1
        for stage, count in counts.items():
            if count:
                events[*cell, stage] += count
                sessions[*cell, stage] += _came_through(stage, counts, measured[day])
    for key, count in events.items():
        day, device, source, medium, group, stage = key
        yield filled(SCHEMA, {
            "kind": "stage", "day": day, "device": device, "source": source, "medium": medium, "channel_group": group,
            "stage": stage, "sessions": sessions[key], "events": count,
        })  # fmt: skip
    for day, count in hidden.items():
        yield filled(SCHEMA, {"kind": "hidden", "day": day, "events": count})
    yield from _items(trail, {day for _, day in visible if told["since"] <= day <= told["until"]})


def _credited(trail: Trail) -> npt.NDArray[np.int64]:
    """By visit, the one whose source GA4 names as its last click: the visitor's last that was not direct, of 90 days."""
    places = np.arange(len(trail.at))
    direct = np.array([key[0] == DIRECT for key in trail.keys])[trail.came]
    last = np.maximum.accumulate(np.where(direct, -1, places)) if len(places) else places
    known = direct & (last >= 0) & (trail.visitor != HIDDEN)
    known &= (trail.visitor[last] == trail.visitor) & (trail.at - trail.at[last] <= LAST_CLICK)
    return np.where(known, last, places)


def _happened(trail: Trail, visit: int) -> Counts:
    counts = {stage: int(trail.events[name][visit]) for name, stage in STAGE_OF.items() if name in trail.events}
    return counts | {"purchase": int(visit in trail.orders)}


def _came_through(stage: str, counts: Counts, measured: set[str]) -> bool:
    """Whether what comes before a stage happened too, as far as anything of the day tells of it."""
    before = CLOSING[: CLOSING.index(stage)] if stage in CLOSING else CLOSING
    return all(counts.get(earlier) for earlier in before if earlier in measured)


def _items(trail: Trail, days: set[str]) -> Iterator[Row]:
    for item in trail.items:
        day = f"{item.day:%Y%m%d}"
        if day in days and (item.viewed or item.added or item.purchased):
            yield filled(SCHEMA, {
                "kind": "item", "day": day, "item_id": item.item_id, "viewed": item.viewed, "added": item.added,
                "purchased": item.purchased,
            })  # fmt: skip
