"""What the stand-in's export answers to the question about visits: those of orders, journeys by path, what is not tied.

The question, by its parameters: tables with suffixes `first` to `last` or in `intraday` are read; rows are dated `since`
to `until`, both included; a visit counts up to `lookback_days` before the last; a journey ends with a purchase or when
`quiet_days` pass without a visit, and is told up to the day `settled`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from cortex.sandbox.market import DEVICES
from cortex.sandbox.trail import HIDDEN, UNTIL_BOUGHT, Trail

SCHEMA = (
    ("kind", "STRING"), ("day", "STRING"), ("order_id", "STRING"), ("moment", "INTEGER"), ("source", "STRING"),
    ("medium", "STRING"), ("campaign", "STRING"), ("campaign_id", "STRING"), ("content", "STRING"),
    ("channel_group", "STRING"), ("gclid", "STRING"), ("gbraid", "STRING"), ("wbraid", "STRING"), ("fbclid", "STRING"),
    ("ttclid", "STRING"), ("msclkid", "STRING"), ("page", "STRING"), ("path", "STRING"), ("journeys", "INTEGER"),
    ("orders", "INTEGER"), ("device", "STRING"),
)  # fmt: skip
CLICKS = ("gclid", "gbraid", "wbraid", "ttclid", "msclkid", "fbclid")
DAY = 86_400
EVENTS = 3
"""Events of a visit: its start, a page, and one more."""
DIRECT = "(direct)"

Row = dict[str, Any]


@dataclass(frozen=True)
class Export:
    """Tables of one property at one instant: which day is in which kind of table."""

    trail: Trail
    zone: ZoneInfo
    now: datetime
    missing: frozenset[str] = frozenset()
    """Days that were never exported."""

    def days(self) -> list[str]:
        """YYYYMMDD from the first visit to today."""
        if not len(self.trail.at):
            return []
        first = datetime.fromtimestamp(int(self.trail.at.min()), self.zone).date()
        today = self.now.astimezone(self.zone).date()
        return [f"{first + timedelta(days=i):%Y%m%d}" for i in range((today - first).days + 1)]

    def tables(self) -> tuple[list[str], list[str]]:
        """Days with a daily table, and days that only stream yet: today, and yesterday until nine in the morning."""
        local = self.now.astimezone(self.zone)
        streaming = 1 if local.hour >= 9 else 2
        found = self.days()
        daily = [day for day in found[:-streaming] if day not in self.missing]
        return daily, found[-streaming:]

    def visible(self, told: Mapping[str, Any]) -> list[tuple[int, str]]:
        """Visits in the tables the question reads, with their day."""
        daily, streamed = self.tables()
        tables = {day for day in daily if told["first"] <= day <= told["last"]}
        tables |= {day for day in streamed if f"intraday_{day}" in told["intraday"]}
        present = int(self.now.timestamp())
        every = self.trail.at
        index = np.flatnonzero(every <= present).tolist()
        dated = {}
        found = []
        for visit in index:
            hour = int(every[visit]) // 3600
            if hour not in dated:
                dated[hour] = f"{datetime.fromtimestamp(hour * 3600, self.zone):%Y%m%d}"
            if dated[hour] in tables:
                found.append((visit, dated[hour]))
        return found

    def size(self, told: Mapping[str, Any]) -> int:
        """Bytes the question reads: about 900 for an event, and 10 MB for each table at the least."""
        daily, _ = self.tables()
        tables = sum(told["first"] <= day <= told["last"] for day in daily) + len(told["intraday"])
        return max(len(self.visible(told)) * EVENTS * 900, int(tables) * 10 * (1 << 20))


def answer(export: Export, told: Mapping[str, Any]) -> Iterator[Row]:
    """Every row, in no order anybody promised."""
    visible = export.visible(told)
    trail = export.trail
    yield from _hidden(trail, visible, told)
    followed = [(visit, day) for visit, day in visible if trail.visitor[visit] != HIDDEN]
    paths: Counter[tuple[str, str, bool]] = Counter()
    for journey in _journeys(trail, followed, told["quiet_days"]):
        last, day = journey[-1]
        if told["since"] <= day <= min(told["until"], told["settled"]):
            since = trail.at[last] - told["lookback_days"] * DAY
            steps = [_step(trail, visit) for visit, _ in journey if trail.at[visit] > since]
            paths[day, msgspec.json.encode(steps).decode(), last in trail.orders] += 1
    merged: dict[tuple[str, str], list[int]] = {}
    for (day, path, bought), count in paths.items():
        row = merged.setdefault((day, path), [0, 0])
        row[0] += count
        row[1] += count * bought
    for (day, path), (journeys, orders) in merged.items():
        yield _row(kind="path", day=day, path=path, journeys=journeys, orders=orders)
    yield from _touches(trail, followed, told)


def _hidden(trail: Trail, visible: list[tuple[int, str]], told: Mapping[str, Any]) -> Iterator[Row]:
    events, bought = Counter[str](), Counter[str]()
    for visit, day in visible:
        if trail.visitor[visit] == HIDDEN and told["since"] <= day <= told["until"]:
            events[day] += EVENTS + (visit in trail.orders)
            bought[day] += visit in trail.orders
    for day, count in events.items():
        yield _row(kind="hidden", day=day, journeys=count, orders=bought[day])


def _journeys(trail: Trail, followed: list[tuple[int, str]], quiet: int) -> Iterator[list[tuple[int, str]]]:
    if not followed:
        return
    journey = [followed[0]]
    for (before, _), (visit, day) in pairwise(followed):
        same = trail.visitor[before] == trail.visitor[visit]
        if not same or before in trail.orders or trail.at[visit] - trail.at[before] > quiet * DAY:
            yield journey
            journey = []
        journey.append((visit, day))
    yield journey


def _touches(trail: Trail, followed: list[tuple[int, str]], told: Mapping[str, Any]) -> Iterator[Row]:
    for place, (buying, day) in enumerate(followed):
        if buying not in trail.orders or not told["since"] <= day <= told["until"]:
            continue
        bought = int(trail.at[buying]) + UNTIL_BOUGHT
        for back in range(place, -1, -1):
            visit = followed[back][0]
            if trail.visitor[visit] != trail.visitor[buying] or trail.at[visit] <= bought - told["lookback_days"] * DAY:
                break
            source, medium, campaign, campaign_id, group, content = _came(trail, visit)
            yield _row(
                kind="touch", day=day, order_id=trail.orders[buying], moment=int(trail.at[visit]) * 1_000_000, source=source,
                medium=medium, campaign=campaign, campaign_id=campaign_id, channel_group=group, content=content, page="/",
                device=DEVICES[int(trail.device[buying])],
                **{name: trail.clicks.get(visit, {}).get(name, "") for name in CLICKS},
            )  # fmt: skip


def _came(trail: Trail, visit: int) -> tuple[str, ...]:
    """How a visit came, as collected with it: a direct one collects nothing, whatever GA4 credits it to."""
    key = trail.keys[trail.came[visit]]
    return ("",) * 6 if key[0] == DIRECT else tuple("" if text == "(not set)" else text for text in key)


def _step(trail: Trail, visit: int) -> dict[str, str]:
    source, medium, _, _, group, _ = _came(trail, visit)
    carried = trail.clicks.get(visit, {})
    click = next((name for name in CLICKS if carried.get(name)), "")
    return {"source": source, "medium": medium, "channel_group": group, "click": click}


def _row(**said: Any) -> Row:
    return filled(SCHEMA, said)


def filled(schema: Sequence[tuple[str, str]], said: Mapping[str, Any]) -> Row:
    """A row of a schema; what is not said is 0 or empty."""
    return {name: said.get(name, 0 if kind == "INTEGER" else "") for name, kind in schema}
