"""How value is spread over buyers: percentiles, and how many there are from each amount on."""

from __future__ import annotations

import math

import polars as pl

PERCENTILES = (10, 25, 50, 75, 90)
BARS = 10


def percentiles(values: pl.Series) -> dict[str, float | None]:
    """p10, p25, p50, p75, p90 by linear interpolation. values: Float64; null of an empty one."""
    return {f"p{at}": values.quantile(at / 100, "linear") for at in PERCENTILES}


def histogram(values: pl.Series) -> dict[int, int]:
    """How many values there are from each bound on, up to the next one: BARS bars of equal, round width.

    The first bar holds everything below the second bound, the last one everything above its own: nine tenths of the
    values lie before it. Empty for no values.
    """
    if values.is_empty():
        return {}
    width = _round(float(values.quantile(0.9, "linear") or 0.0) / (BARS - 1))
    place = (values / width).floor().clip(0, BARS - 1).cast(pl.Int64)
    counts = dict(place.value_counts().iter_rows())
    return {at * width: int(counts.get(at, 0)) for at in range(BARS)}


def _round(width: float) -> int:
    """The next 1, 2 or 5 with zeros behind it, 1 at the least."""
    if width <= 1:
        return 1
    unit = 10 ** math.floor(math.log10(width))
    return int(next(step * unit for step in (1, 2, 5, 10) if step * unit >= width))
