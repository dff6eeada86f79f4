"""Buyers by the period of their first order: who came back, what they paid, what they are worth so far."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Literal

import polars as pl

Grain = Literal["month", "week"]


def cohorts(
    orders: pl.DataFrame, *, until: date, grain: Grain = "month", refunds: pl.DataFrame | None = None
) -> pl.DataFrame:
    """One row for each cohort and each period since, up to the period of `until`.

    orders: customer_key, paid_date (Date), net (Int64 minor units); paid orders, later ones than `until` are ignored.
    refunds: customer_key, refund_date, amount, where net is before refunds: they count in the period of their own day.
    Returns what `complete` does.
    """
    seen = orders.filter(pl.col("paid_date") <= until).with_columns(start=_start("paid_date", grain))
    born = seen.group_by("customer_key").agg(cohort=pl.col("start").min())
    cells = (
        seen.join(born, on="customer_key")
        .group_by("cohort", "start")
        .agg(
            active=pl.col("customer_key").n_unique().cast(pl.Int64),
            orders=pl.len().cast(pl.Int64),
            revenue=pl.col("net").sum(),
        )
    )
    if refunds is not None:
        back = refunds.filter(pl.col("refund_date") <= until).with_columns(start=_start("refund_date", grain))
        given = back.join(born, on="customer_key").group_by("cohort", "start").agg(revenue=-pl.col("amount").sum())
        cells = pl.concat([cells, given], how="diagonal")
    sizes = born.group_by("cohort").agg(customers=pl.len().cast(pl.Int64))
    return complete(cells, sizes, until=until, grain=grain)


def complete(cells: pl.DataFrame, sizes: pl.DataFrame, *, until: date, grain: Grain = "month") -> pl.DataFrame:
    """Every period of every cohort, from the ones in which something happened.

    cells: cohort, start (first days of their periods), active, orders, revenue (minor units; refunds as negative rows
    of their own period), and optionally margin and uncosted; rows of one cell are added up. sizes: cohort, customers. Weeks begin on
    Monday. Returns cohort, period (0 is the cohort's own), customers, active, orders, revenue, retention, ltv
    (cumulated revenue per customer, minor units), and with margin ltv_margin, null from the first period on in which
    an order's cost is not known (uncosted). A period that has not ended by `until`
    is null in all but the first three: it is not known yet, which is not zero.
    """
    sums = [name for name in ("active", "orders", "revenue", "margin", "uncosted") if name in cells.columns]
    added = cells.with_columns(period=_apart("cohort", "start", grain)).group_by("cohort", "period")
    summed = added.agg(pl.col(sums).sum())
    last = sizes.with_columns(end=pl.lit(until)).with_columns(end=_start("end", grain))
    grid = last.with_columns(period=pl.int_ranges(0, _apart("cohort", "end", grain) + 1)).explode("period").drop("end")
    whole = grid.join(summed, on=["cohort", "period"], how="left").with_columns(pl.col(sums).fill_null(0))
    per_customer = {"ltv": "revenue"} | ({"ltv_margin": "margin"} if "margin" in sums else {})
    told = whole.sort("cohort", "period").with_columns(
        retention=pl.col("active") / pl.col("customers"),
        **{name: pl.col(of).cum_sum().over("cohort") / pl.col("customers") for name, of in per_customer.items()},
    )
    if "uncosted" in sums:
        known = pl.col("uncosted").cum_sum().over("cohort") == 0
        told = told.with_columns(ltv_margin=pl.when(known).then("ltv_margin"))
    step = f"1{'mo' if grain == 'month' else 'w'}"
    open_ = pl.lit(until + timedelta(days=1)) < pl.lit(until).pipe(_floor, grain).dt.offset_by(step)
    newest = pl.col("period") == pl.col("period").max().over("cohort")
    figures = ("active", "orders", "revenue", "retention", *per_customer)
    return told.with_columns(
        pl.when(open_ & newest).then(None).otherwise(pl.col(name)).alias(name) for name in figures
    ).select("cohort", "period", "customers", *figures)


def _start(column: str, grain: Grain) -> pl.Expr:
    return _floor(pl.col(column), grain)


def _floor(day: pl.Expr, grain: Grain) -> pl.Expr:
    return day.dt.truncate("1mo" if grain == "month" else "1w")


def _apart(first: str, second: str, grain: Grain) -> pl.Expr:
    """Periods between two starts."""
    if grain == "week":
        return (pl.col(second) - pl.col(first)).dt.total_days() // 7
    one, two = pl.col(first), pl.col(second)
    return (two.dt.year() - one.dt.year()).cast(pl.Int64) * 12 + two.dt.month().cast(pl.Int64) - one.dt.month()


def repeat(orders: pl.DataFrame, *, until: date) -> dict[str, float | int | None]:
    """Buyers, those with a second order, their share, and days from first to second order (median and quartiles).

    orders: customer_key, paid_date. Two orders on one day are two orders, 0 days apart.
    """
    seen = orders.filter(pl.col("paid_date") <= until).sort("customer_key", "paid_date")
    of_buyer = seen.group_by("customer_key", maintain_order=True).agg(
        first=pl.col("paid_date").first(), second=pl.col("paid_date").slice(1, 1).first()
    )
    return returned(of_buyer.drop_nulls("second"), buyers=of_buyer.height)


def returned(seconds: pl.DataFrame, *, buyers: int) -> dict[str, float | int | None]:
    """As `repeat`, from the days of the first and second order (first, second) of those who have both."""
    gaps = (seconds["second"] - seconds["first"]).dt.total_days()
    return {
        "customers": buyers,
        "repeat_customers": len(gaps),
        "repeat_rate": len(gaps) / buyers if buyers else None,
        **{
            name: gaps.cast(pl.Float64).quantile(share, "linear") if len(gaps) else None
            for name, share in (("days_p25", 0.25), ("days_median", 0.5), ("days_p75", 0.75))
        },
    }


def payback(cells: pl.DataFrame, spend: pl.DataFrame) -> pl.DataFrame:
    """What a cohort cost to win, and when it had paid that back.

    cells: output of `cohorts`. spend: cohort, spend (Int64 minor units) of the cohort's own period. Returns cohort,
    customers, cac (minor units), ltv (of the last complete period), ltv_to_cac, payback_period (first period in which
    ltv reached cac, null if not yet), and with ltv_margin in the cells the same of margin: ltv_margin,
    margin_payback_period. Null cac and what follows from it where nothing is known to have been spent.
    """
    known = cells.filter(pl.col("ltv").is_not_null()).join(spend, on="cohort", how="left")
    costed = known.with_columns(cac=pl.when(pl.col("spend") > 0).then(pl.col("spend") / pl.col("customers"))).sort(
        "cohort", "period"
    )
    of_margin = {}
    if "ltv_margin" in cells.columns:
        reached = pl.col("period").filter(pl.col("ltv_margin") >= pl.col("cac"))
        of_margin = {"ltv_margin": pl.col("ltv_margin").last(), "margin_payback_period": reached.min()}
    return costed.group_by("cohort", maintain_order=True).agg(
        pl.col("customers").first(),
        pl.col("cac").first(),
        pl.col("ltv").last(),
        ltv_to_cac=pl.col("ltv").last() / pl.col("cac").first(),
        payback_period=pl.col("period").filter(pl.col("ltv") >= pl.col("cac")).min(),
        **of_margin,
    )
