"""Price ranges: how much is sold at which price."""

from __future__ import annotations

import polars as pl

RANGES = ("0-50", "50-100", "100-200", "200-500", "500+")
BOUNDS = (5_000, 10_000, 20_000, 50_000)
"""Minor units at which the next range begins: a price of exactly 50.00 is in 50-100."""


def ranges(lines: pl.DataFrame) -> pl.DataFrame:
    """Every range, sold in or not. lines: unit_price, quantity, total (minor units). Returns range, units, revenue."""
    place = pl.sum_horizontal([(pl.col("unit_price") >= bound).cast(pl.Int64) for bound in BOUNDS])
    sold = (
        lines.with_columns(place=place)
        .group_by("place")
        .agg(units=pl.col("quantity").sum().cast(pl.Int64), revenue=pl.col("total").sum().cast(pl.Int64))
    )
    every = pl.DataFrame({"place": range(len(RANGES)), "range": RANGES}, schema={"place": pl.Int64, "range": pl.String})
    return (
        every.join(sold, on="place", how="left").sort("place").select("range", pl.col("units", "revenue").fill_null(0))
    )
