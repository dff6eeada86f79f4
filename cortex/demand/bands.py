"""Bands: how far days have been from their forecasts at each distance, and how often that held on days not yet seen.

Split conformal prediction (Vovk, Gammerman and Shafer 2005; Lei et al. 2018, doi:10.1080/01621459.2017.1307116): the limits
are quantiles of past errors, one place further out than the share itself, so that a new error of the same kind is within
as often as is said. Errors of neighbouring days and origins resemble each other, so the share is an aim; what was
achieved is counted.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEVELS = (80, 95)
WEEK = 7


def limits(errors: Floats, level: int) -> tuple[float, float] | None:
    """Lower and upper limit of the next error. Both tails apart where there are enough errors, else their size alone.

    None where there are too few for that share: 4 for 80 %, 19 for 95 %.
    """
    known = np.sort(errors[~np.isnan(errors)])
    count = len(known)
    outside = 1 - level / 100
    place = math.ceil(round((count + 1) * (1 - outside / 2), 9))
    if place <= count:
        return float(known[count - place]), float(known[place - 1])
    place = math.ceil(round((count + 1) * (1 - outside), 9))
    if place <= count:
        far = float(np.sort(np.abs(known))[place - 1])
        return -far, far
    return None


def by_day(errors: Floats, level: int) -> Floats:
    """(reach, 2): limits at each distance, from the errors of its week ahead. NaN from the week on that has too few.

    errors: (origins, reach) in units of each origin's scale, NaN where the day has not come.
    """
    found = np.full((errors.shape[1], 2), np.nan)
    for since in range(0, errors.shape[1], WEEK):
        told = limits(errors[:, since : since + WEEK].ravel(), level)
        if told is None:
            break
        found[since : since + WEEK] = told
    return found


def of_sums(errors: Floats, level: int) -> Floats:
    """(reach, 2): limits of the sum of the first so many days, from such sums at the origins."""
    found = np.full((errors.shape[1], 2), np.nan)
    for at, sums in enumerate(np.cumsum(errors, axis=1).T):
        told = limits(sums, level)
        if told is None:
            break
        found[at] = told
    return found


def held(errors: Floats, origins: NDArray[np.int64], level: int) -> tuple[int, int]:
    """How many days fell within limits made only of what was known at their origin, and how many days there were."""
    within = days = 0
    for at, origin in enumerate(origins.tolist()):
        for since in range(0, errors.shape[1], WEEK):
            # Of earlier origins those whose whole week had come.
            earlier = errors[origins + since + WEEK <= origin, since : since + WEEK]
            told = limits(earlier.ravel(), level)
            mine = errors[at, since : since + WEEK]
            mine = mine[~np.isnan(mine)]
            if told is None or not len(mine):
                break
            within += int(((mine >= told[0]) & (mine <= told[1])).sum())
            days += len(mine)
    return within, days
