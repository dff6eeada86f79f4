"""Croston's method for sales that come now and then: how much at a time, and how long between."""

from __future__ import annotations

import numpy as np

from cortex.demand.origins import Floats, Task

SMOOTHING = 0.1
"""Croston's own advice is 0.1 to 0.3; with few sales the steadier end."""


def candidates(task: Task) -> dict[str, Floats]:
    """Flat: mean size of a sale over mean interval, each smoothed when there is one.

    With the correction of Syntetos and Boylan (2005, doi:10.1016/j.ijforecast.2004.10.001), without which the ratio is
    too high. None before a sale: zero.
    """
    levels = np.zeros(len(task.values) + 1)
    size, interval, waited = 0.0, 0.0, 0
    for at, value in enumerate(task.values.tolist(), start=1):
        waited += 1
        if value != 0:
            if interval:
                size += SMOOTHING * (value - size)
                interval += SMOOTHING * (waited - interval)
            else:
                size, interval = value, float(waited)
            waited = 0
        levels[at] = (1 - SMOOTHING / 2) * size / interval if interval else 0.0
    return {"croston": np.repeat(levels[task.origins][:, None], task.reach, axis=1)}
