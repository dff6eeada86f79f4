"""Days that are not like others of their weekday: national holidays, Black Friday, the days around it."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

ORDINARY, HOLIDAY, AROUND_BLACK_FRIDAY, BLACK_FRIDAY = 0, 1, 2, 3
KINDS = 4
BEFORE, AFTER = 4, 3
"""From the Monday before Black Friday to the Monday after it: the offers begin early and end late."""


def kinds(calendar: pl.DataFrame, since: date, days: int) -> NDArray[np.int64]:
    """The kind of each of so many days from `since` on; a day the calendar does not know is ordinary.

    calendar: day, is_holiday, is_black_friday, as dim_dates has them. Black Friday goes before a holiday.
    """
    found = np.full(days, ORDINARY)
    holidays = calendar.filter(pl.col("is_holiday") == 1)["day"].to_list()
    fridays = calendar.filter(pl.col("is_black_friday") == 1)["day"].to_list()
    around = [friday + timedelta(days=by) for friday in fridays for by in range(-BEFORE, AFTER + 1)]
    for kind, dates in ((HOLIDAY, holidays), (AROUND_BLACK_FRIDAY, around), (BLACK_FRIDAY, fridays)):
        for day in dates:
            at = (day - since).days
            if 0 <= at < days:
                found[at] = kind
    return found
