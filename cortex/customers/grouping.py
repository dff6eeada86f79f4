"""Buyers told once: equal (frequency, recency, age) are one row with a weight, all a buy-till-you-die model has to see."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PARTS = 7.0
"""Times in weeks are whole days: their numbers are found by counting, without a sort."""
COUNTED = 10_000_000


@dataclass(frozen=True)
class Statistics:
    """Groups of equal buyers, ordered by frequency, then age, then recency.

    counts, ages, recencies: the distinct values. count_at, age_at, recency_at: shape (groups,), where a group's is
    among them. weight: buyers of the group. group_of: shape (buyers,).
    """

    counts: Floats
    ages: Floats
    recencies: Floats
    count_at: Ints
    age_at: Ints
    recency_at: Ints
    weight: Floats
    group_of: Ints

    @cached_property
    def frequency(self) -> Floats:
        """Shape (groups,)."""
        return self.counts[self.count_at]

    @cached_property
    def age(self) -> Floats:
        """Shape (groups,)."""
        return self.ages[self.age_at]

    @cached_property
    def recency(self) -> Floats:
        """Shape (groups,)."""
        return self.recencies[self.recency_at]

    @cached_property
    def pairs(self) -> tuple[Ints, Ints]:
        """First group of each distinct (frequency, age), and each group's place among them."""
        new = _changes(self.count_at) | _changes(self.age_at)
        return np.flatnonzero(new), np.cumsum(new) - 1

    def sample(self, size: int) -> Statistics:
        """About `size` buyers, evenly over the order of the groups: each group as often as it has buyers."""
        step = max(float(self.weight.sum()) / size, 1.0)
        taken = np.floor(np.cumsum(self.weight) / step + 0.5)
        weight = np.diff(taken, prepend=0.0)
        kept = weight > 0
        ats = (self.count_at[kept], self.age_at[kept], self.recency_at[kept])
        return Statistics(
            self.counts, self.ages, self.recencies, *ats, weight[kept], group_of=np.zeros(0, dtype=np.int64)
        )


def grouped(frequency: NDArray[Any], recency: Floats, age: Floats) -> Statistics:
    """Equal buyers told once. All shape (buyers,), 0 <= recency <= age; recency 0 where frequency is 0."""
    counts, count_at = _distinct(frequency)
    ages, age_at = _distinct(age)
    recencies, recency_at = _distinct(recency)
    place = (count_at * len(ages) + age_at) * len(recencies) + recency_at
    ranked = np.argsort(place)
    walked = place[ranked]
    new = _changes(walked)
    group_of = np.empty(len(place), dtype=np.int64)
    group_of[ranked] = np.cumsum(new) - 1
    pair, recency_at = np.divmod(walked[new], len(recencies))
    count_at, age_at = np.divmod(pair, len(ages))
    weight = np.diff(np.append(np.flatnonzero(new), len(place))).astype(np.float64)
    return Statistics(counts, ages, recencies, count_at, age_at, recency_at, weight, group_of)


def _changes(walked: NDArray[Any]) -> NDArray[np.bool_]:
    new = np.ones(len(walked), dtype=np.bool_)
    np.not_equal(walked[1:], walked[:-1], out=new[1:])
    return new


def _distinct(values: NDArray[Any]) -> tuple[Floats, Ints]:
    """Distinct values in ascending order, and where each is among them."""
    told = np.asarray(values, dtype=np.float64)
    whole = np.rint(told * PARTS)
    if not len(told) or not 0 <= whole.min() <= whole.max() < COUNTED or (whole / PARTS != told).any():
        found, at = np.unique(told, return_inverse=True)
        return found, at
    numbers = whole.astype(np.int64)
    present = np.bincount(numbers) > 0
    return np.flatnonzero(present) / PARTS, (np.cumsum(present) - 1)[numbers]
