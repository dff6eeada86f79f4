"""Origins: the days on which a forecast is pretended to be made, and what every model is told there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LEARNT = 28
"""Days before the first origin."""
APART = 7
"""Days between two origins, so that each has the weekdays at the same distances."""
MOST = 52


@dataclass(frozen=True)
class Task:
    """values: (days,), one a day. origins: (origins,), days known at each, the last one all of them.

    events: kind of each day, of the `reach` days after the last too (`cortex.demand.events`). What a model answers is
    (origins, reach): at each origin, from nothing but the days before it, the days after it.
    """

    values: Floats
    events: Ints
    origins: Ints
    reach: int


def task(values: Floats, events: Ints, reach: int) -> Task:
    """Weekly origins, newest last, up to 52 of them and the end of what is known."""
    count = len(values)
    origins = np.arange(count, LEARNT - 1, -APART)[: MOST + 1][::-1]
    return Task(values, events, np.ascontiguousarray(origins), reach)


def actual(asked: Task) -> Floats:
    """(origins, reach): what came; NaN for what has not come yet."""
    padded = np.concatenate([asked.values, np.full(asked.reach, np.nan)])
    found: Floats = padded[asked.origins[:, None] + np.arange(asked.reach)]
    return found


def scale(asked: Task) -> Floats:
    """(origins,): by how much a day usually differs from the same weekday a week before, over the last eight weeks.

    The unit in which errors are told (the scaled error of Hyndman and Koehler, 2006, doi:10.1016/j.ijforecast.2006.03.001,
    over recent weeks instead of all of them: a growing shop's old errors are small). Of a series that never changes: 1.
    """
    moved = np.abs(asked.values[APART:] - asked.values[:-APART])
    found = np.array([_usual(moved[: origin - APART]) for origin in asked.origins])
    return np.where(found > 0, found, _usual(moved) or 1.0)


def _usual(moved: Floats) -> float:
    recent = float(moved[-8 * APART :].mean())
    return recent or float(moved.mean())
