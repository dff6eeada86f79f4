"""The days a forecast may learn from: whole ones, without holes, since the shop last stood still."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FEWEST = 60
"""Days below which nothing is forecast: four weeks to learn from and four origins to be judged at."""
LONGEST = 3 * 366
"""Days looked back: what was further ago says little, and three Black Fridays are among them."""
STANDSTILL = 28
"""Days in a row without any sale after which history begins anew: the shop, or the reading of it, had stopped."""


@dataclass(frozen=True)
class History:
    """values: one number for each day from `since` on; what no sale is known of is zero."""

    since: date
    values: Floats

    @property
    def last(self) -> date:
        return self.since + timedelta(days=len(self.values) - 1)

    @property
    def missing(self) -> int:
        """Days still to come before a forecast can be made and judged; 0 when there are enough."""
        return max(0, FEWEST - len(self.values))


def complete(sales: pl.DataFrame, *, last: date) -> History:
    """sales: day (Date, local, once each), value (Float64). last: the last day that is whole; later rows are left out."""
    first = last - timedelta(days=LONGEST - 1)
    known = sales.filter((pl.col("day") >= first) & (pl.col("day") <= last) & (pl.col("value") != 0)).sort("day")
    nothing = History(last + timedelta(days=1), np.zeros(0))
    if known.is_empty():
        return nothing
    at = known.select((pl.col("day") - pl.lit(first)).dt.total_days())["day"].to_numpy().astype(np.int64)
    ends = np.append(at, LONGEST)
    stops = np.flatnonzero(np.diff(ends) > STANDSTILL)
    begin = int(stops[-1]) + 1 if len(stops) else 0
    if begin == len(at):
        return nothing
    values = np.zeros(LONGEST)
    values[at] = known["value"].to_numpy()
    return History(first + timedelta(days=int(at[begin])), values[at[begin] :])
