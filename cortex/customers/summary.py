"""Recency and frequency of every buyer: all that the buy-till-you-die models need to know."""

from __future__ import annotations

from datetime import date

import polars as pl


def summary(purchases: pl.DataFrame, *, until: date, unit_days: float = 7.0) -> pl.DataFrame:
    """One row per buyer, sorted by customer_key.

    purchases: customer_key, day (Date), value (Float64, any currency unit), any number of rows a day; later days than
    `until` are ignored. Days of one buyer count once: two orders on a day are one purchase.
    Returns customer_key, frequency (repeat purchase days), recency (last minus first), age (`until` minus first),
    monetary (mean value of the repeat days, 0 without any); recency and age in units of `unit_days`.
    """
    days = purchases.filter(pl.col("day") <= until).group_by("customer_key", "day").agg(value=pl.col("value").sum())
    first = pl.col("day").min()
    repeat = pl.col("value").filter(pl.col("day") > first)
    return (
        days.group_by("customer_key")
        .agg(
            frequency=pl.len().cast(pl.Int64) - 1,
            recency=(pl.col("day").max() - first).dt.total_days() / unit_days,
            age=(pl.lit(until) - first).dt.total_days() / unit_days,
            monetary=repeat.mean().fill_null(0.0),
        )
        .sort("customer_key")
    )
