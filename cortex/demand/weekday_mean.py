"""Weekday mean: every day as the average of its weekday over the last eight weeks."""

from __future__ import annotations

import numpy as np

from cortex.demand.origins import Floats, Task

WEEK, WEEKS = 7, 8


def candidates(task: Task) -> dict[str, Floats]:
    """Of fewer weeks where there are not so many."""
    ahead = np.arange(task.reach) % WEEK
    found = np.empty((len(task.origins), task.reach))
    for at, origin in enumerate(task.origins.tolist()):
        weeks = min(WEEKS, origin // WEEK)
        recent = task.values[origin - weeks * WEEK : origin].reshape(weeks, WEEK)
        found[at] = recent.mean(axis=0)[ahead]
    return {"weekday_mean": found}
