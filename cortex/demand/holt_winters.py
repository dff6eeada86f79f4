"""Holt-Winters: a level, a damped trend and a weekday pattern, each renewed by what the last day was off by.

The error-correction form of Hyndman, Koehler, Ord and Snyder (2008), ETS(A,Ad,A). The variants run side by side: as the
series is, by its square root or its logarithm, each without and with effects of holidays and Black Friday. Parameters are
those of a fixed grid with the least squared one-day errors (the most likely ones if errors are normal). One pass over the
days does for all variants, parameters and origins: the sums of squares up to an origin are on the way to the next one.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from cortex.demand.events import KINDS
from cortex.demand.origins import Task

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
WEEK, BEGINNING, WARM = 7, 28, 14
"""Days of a pattern; days the first state is from; days whose errors say more of that state than of parameters."""
RARE = 0.05
"""Share of days without a sale up to which the logarithm takes them for days nothing is known of."""
HIGHEST = 10.0
"""Times the largest day so far that a day may be: in logarithms the trend of a few wild weeks leads anywhere."""
GRID = tuple(
    (level, trend, pattern, damping)
    for level, pattern in product((0.02, 0.05, 0.1, 0.2, 0.35, 0.5), (0.0, 0.02, 0.05, 0.1, 0.2))
    for trend, damping in ((0.0, 0.9), *product((0.005, 0.02, 0.1), (0.9, 0.97)))
    if trend <= level
)
"""How fast level, trend and weekday pattern follow, and what a day leaves of the trend."""
NAMES = {"as_is": "holt_winters", "root": "holt_winters_sqrt", "log": "holt_winters_log"}


@dataclass(frozen=True)
class Lanes:
    """Series filtered side by side. z: (days, series), NaN where nothing is known. The rest: (lanes,).

    of: which series a lane reads. uses: 1.0 where it knows of events. level, trend, pattern, damping: see GRID.
    """

    z: Floats
    of: Ints
    uses: Floats
    level: Floats
    trend: Floats
    pattern: Floats
    damping: Floats

    def only(self, at: Ints) -> Lanes:
        return Lanes(
            self.z, self.of[at], self.uses[at], self.level[at], self.trend[at], self.pattern[at], self.damping[at]
        )


@dataclass
class State:
    """Where the lanes stand after a day: (lanes,), weekday (7, lanes), effect and count by kind of event.

    squares: the sum of squared one-day errors after the warm-up. days: how many they are.
    """

    level: Floats
    trend: Floats
    weekday: Floats
    effect: Floats
    count: Floats
    squares: Floats
    days: Floats


def candidates(task: Task) -> dict[str, Floats]:
    """The path of every variant at every origin. The logarithm only where days without a sale are rare."""
    variants = [
        (kind, z, uses)
        for kind, z in _transformed(task.values).items()
        for uses in ((0.0, 1.0) if task.events.any() else (0.0,))
    ]
    lanes = _lanes(variants)
    best = _best(lanes, task, len(variants))
    ahead, variance = _paths(lanes, task, best)
    highest = HIGHEST * np.maximum.accumulate(np.abs(task.values))[task.origins - 1, None]
    found = {}
    for at, (kind, _, uses) in enumerate(variants):
        name = NAMES[kind] + ("_calendar" if uses else "")
        with np.errstate(over="ignore"):
            found[name] = np.clip(_back(kind, ahead[at], variance[at][:, None]), -highest, highest)
    return found


def _transformed(values: Floats) -> dict[str, Floats]:
    found = {"as_is": values, "root": np.sign(values) * np.sqrt(np.abs(values))}
    positive = values > 0
    if positive.mean() >= 1 - RARE:
        found["log"] = np.log(values, out=np.full(len(values), np.nan), where=positive)
    return found


def _back(kind: str, z: Floats, variance: Floats) -> Floats:
    """The mean of what has mean z and that variance on the transformed scale, not the median: days are added up."""
    if kind == "root":
        return np.sign(z) * z**2 + variance
    return np.exp(z + variance / 2) if kind == "log" else z


def _lanes(variants: list[tuple[str, Floats, float]]) -> Lanes:
    """Every variant with every parameter of the grid, variant by variant."""
    level, trend, pattern, damping = (np.tile(column, len(variants)) for column in np.array(GRID).T)
    each = np.repeat(np.arange(len(variants)), len(GRID))
    uses = np.array([uses for _, _, uses in variants])[each]
    return Lanes(
        np.stack([z for _, z, _ in variants], axis=1), each, uses, level, trend, pattern * (1 - level), damping
    )


def _first(lanes: Lanes) -> State:
    """From the first four weeks: means of weeks for level and trend, of weekdays around them for the pattern."""
    weeks = lanes.z[:BEGINNING].reshape(-1, WEEK, lanes.z.shape[1])
    with np.errstate(invalid="ignore"):
        known = ~np.isnan(weeks)
        means = _mean(weeks, known, 1)
        flat = np.nan_to_num(np.where(np.isnan(means), np.nanmean(lanes.z[:BEGINNING], axis=0), means))
        apart = weeks - flat[:, None]
        weekday = _mean(apart, known, 0)
    weekday = np.nan_to_num(weekday)
    weekday -= weekday.mean(axis=0)
    trend = (flat[-1] - flat[0]) / (BEGINNING - WEEK)
    zero = np.zeros(len(lanes.of))
    moving = np.where(lanes.trend > 0, trend[lanes.of], 0.0)
    return State(
        flat[0][lanes.of] - moving * (WEEK + 1) / 2, moving, weekday[:, lanes.of].copy(),
        np.zeros((KINDS, len(zero))), np.zeros((KINDS, len(zero))), zero.copy(), zero.copy(),
    )  # fmt: skip


def _mean(values: Floats, known: NDArray[np.bool_], axis: int) -> Floats:
    count = known.sum(axis=axis)
    sums = np.where(known, values, 0.0).sum(axis=axis)
    found: Floats = np.divide(sums, count, out=np.full(sums.shape, np.nan), where=count > 0)
    return found


def _step(lanes: Lanes, state: State, day: int, kind: int) -> None:
    """One day. On a day of an event lanes that know of it learn its effect alone: the mean of what such days were off
    by, as if one of them had been off by nothing."""
    z = lanes.z[day][lanes.of]
    seen = ~np.isnan(z)
    state.trend *= lanes.damping
    state.level += state.trend
    weekday = state.weekday[day % WEEK]
    off = np.where(seen, z - state.level - weekday, 0.0)
    plain = off
    if kind:
        special = lanes.uses * seen
        state.count[kind] += special
        state.effect[kind] += special * (off - state.effect[kind]) / (state.count[kind] + 1)
        plain = off * (1 - lanes.uses)
        seen = seen & (lanes.uses == 0)
    state.level += lanes.level * plain
    state.trend += lanes.trend * plain
    weekday += lanes.pattern * plain
    if day >= WARM:
        state.squares += plain**2
        state.days += seen


def _best(lanes: Lanes, task: Task, variants: int) -> Ints:
    """(variants, origins): the lane whose one-day errors up to the origin are the least."""
    state, found = _first(lanes), []
    marks = set(task.origins.tolist())
    for day in range(len(task.values)):
        _step(lanes, state, day, int(task.events[day]))
        if day + 1 in marks:
            found.append(state.squares.reshape(variants, -1).argmin(axis=1))
    return np.stack(found, axis=1) + np.arange(variants)[:, None] * len(GRID)


def _paths(lanes: Lanes, task: Task, best: Ints) -> tuple[Floats, Floats]:
    """(variants, origins, reach) on the transformed scale, and (variants, origins) the variance of a day's error."""
    chosen, back = np.unique(best, return_inverse=True)
    back = back.reshape(best.shape)
    mine = lanes.only(chosen)
    state = _first(mine)
    paths, variance = np.empty((*best.shape, task.reach)), np.empty(best.shape)
    at = {origin: place for place, origin in enumerate(task.origins.tolist())}
    for day in range(len(task.values)):
        _step(mine, state, day, int(task.events[day]))
        place = at.get(day + 1)
        if place is not None:
            rows = back[:, place]
            paths[:, place] = _ahead(mine, state, rows, day + 1, task)
            variance[:, place] = state.squares[rows] / np.maximum(state.days[rows], 1.0)
    return paths, variance


def _ahead(lanes: Lanes, state: State, rows: Ints, origin: int, task: Task) -> Floats:
    days = origin + np.arange(task.reach)
    kept = np.cumsum(lanes.damping[rows, None] ** np.arange(1, task.reach + 1), axis=1)
    events = task.events[days]
    effect = state.effect[events][:, rows].T * lanes.uses[rows, None] * (events > 0)
    return state.level[rows, None] + kept * state.trend[rows, None] + state.weekday[days % WEEK][:, rows].T + effect
