"""Projection: the model that would have been nearest in the past, what it expects, and how far that was off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cortex.demand import bands, croston, events, holt_winters, mean, origins, seasonal_naive, weekday_mean
from cortex.demand.history import History

Floats = NDArray[np.float64]
JUDGED = 30
"""Days ahead by which models are chosen."""
BASELINE = "seasonal_naive"
SPARSE = 1.32
"""Days from one sale to the next from which demand is intermittent (Syntetos, Boylan and Croston 2005,
doi:10.1057/palgrave.jors.2601841)."""
RECENT = 365
MEANINGLESS = 1e9
"""Ratios beyond it are told as unknown: they divide by next to nothing, and columns end at 10^12."""


@dataclass(frozen=True)
class Projection:
    """days: day, horizon, predicted, lower_80, upper_80, lower_95, upper_95 and the same of total, the sum up to the day.

    Limits are null where the past has too few errors to tell them. scores: a row for each model, the used one first.
    coverage: by level, days within limits made before they came, and such days. intermittent: days without sales are usual.
    """

    model: str
    intermittent: bool
    history: History
    days: pl.DataFrame
    scores: pl.DataFrame
    coverage: Mapping[int, tuple[int, int]]
    origins: int


def project(history: History, calendar: pl.DataFrame, *, horizon: int) -> Projection:
    """`horizon` days after the last of `history`, which must not be `missing` any.

    calendar: day, is_holiday, is_black_friday, as far as it is known. No day is below zero where none has been.
    """
    values, since = history.values, history.since
    reach = max(horizon, JUDGED)
    asked = origins.task(values, events.kinds(calendar, since, len(values) + reach), reach)
    intermittent = is_intermittent(values)
    paths = _paths(asked, intermittent=intermittent)
    if values.min() >= 0:
        paths = {name: np.maximum(path, 0.0) for name, path in paths.items()}
    came, unit = origins.actual(asked), origins.scale(asked)[:, None]
    off = {name: (came - path) for name, path in paths.items()}
    scores = [_score(name, paths[name][:-1], off[name][:-1], came[:-1], unit[:-1]) for name in paths]
    measure = "rmsse" if intermittent else "mase"
    used = min(scores, key=lambda row: row[measure])
    scores.sort(key=lambda row: (row is not used, row[measure]))
    model = str(used["model"])
    errors = off[model][:-1] / unit[:-1]
    coverage = {level: bands.held(errors[:, :JUDGED], asked.origins[:-1], level) for level in bands.LEVELS}
    path = paths[model][-1]
    days = _frame(history.last, path, errors, float(unit[-1, 0]), floored=bool(values.min() >= 0))
    return Projection(
        model, intermittent, history, days.head(horizon), pl.DataFrame(scores), coverage, len(asked.origins) - 1
    )


def is_intermittent(values: Floats) -> bool:
    """Whether days without sales are so usual in the last year that sales are told apart from the time between them."""
    recent = values[-RECENT:]
    sold = int((recent != 0).sum())
    return sold == 0 or len(recent) / sold >= SPARSE


def _paths(asked: origins.Task, *, intermittent: bool) -> dict[str, Floats]:
    """What every model says at every origin. Simpler models first: of equals the first is used."""
    rooms = [seasonal_naive, mean, croston] if intermittent else [seasonal_naive, mean, weekday_mean, holt_winters]
    return {name: path for room in rooms for name, path in room.candidates(asked).items()}


def _score(name: str, path: Floats, off: Floats, came: Floats, unit: Floats) -> dict[str, Any]:
    """Errors of a model over the judged days of all origins that have come. Ratios are null where they divide by nothing.

    mase: size of errors in the unit of their origin. rmsse: root of their mean square in it. wape: sum of sizes by sum of
    sales. bias: what was expected by what came, less 1. mape: null as soon as one day sold nothing. r2: against the mean.
    """
    path, off, came = path[:, :JUDGED], off[:, :JUDGED], came[:, :JUDGED]
    known = ~np.isnan(came)
    size, sold = np.abs(off[known]), came[known]
    scaled = (off / unit)[known]
    spread = float(((sold - sold.mean()) ** 2).sum())
    whole = float(np.abs(sold).sum())
    return {
        "model": name,
        "mase": min(float(np.abs(scaled).mean()), MEANINGLESS),
        "rmsse": min(float(np.sqrt((scaled**2).mean())), MEANINGLESS),
        "wape": _ratio(float(size.sum()), whole),
        "bias": _ratio(float((path[known] - sold).sum()), max(float(sold.sum()), 0.0)),
        "mae": float(size.mean()),
        "rmse": float(np.sqrt((size**2).mean())),
        "mape": _ratio(float((size / np.abs(sold)).mean()), 1.0) if (sold != 0).all() else None,
        "r2": _ratio(spread - float((size**2).sum()), spread),
        "days": int(known.sum()),
    }


def _ratio(part: float, whole: float) -> float | None:
    found = part / whole if whole else None
    return found if found is not None and abs(found) <= MEANINGLESS else None


def _frame(last: date, path: Floats, errors: Floats, unit: float, *, floored: bool) -> pl.DataFrame:
    columns: dict[str, Any] = {
        "day": [last + timedelta(days=ahead + 1) for ahead in range(len(path))],
        "horizon": np.arange(1, len(path) + 1),
    }
    for name, told, limits in (("predicted", path, bands.by_day), ("total", np.cumsum(path), bands.of_sums)):
        columns[name] = told
        for level in bands.LEVELS:
            lower, upper = (told[:, None] + unit * limits(errors, level)).T
            stem = "" if name == "predicted" else "total_"
            columns[f"{stem}lower_{level}"] = np.maximum(lower, 0.0) if floored else lower
            columns[f"{stem}upper_{level}"] = np.maximum(upper, 0.0) if floored else upper
    return pl.DataFrame(columns).fill_nan(None)
