"""Realised customer value: what each buyer has paid, less what went back, to date and within the LTV window."""

from __future__ import annotations

from datetime import date

import polars as pl


def realised(orders: pl.DataFrame, *, as_of: date, window_days: int, churn_days: int) -> pl.DataFrame:
    """One row per buyer from paid orders.

    orders: order_key, customer_key, paid_date (Date), is_new_customer (1 for the order that won its buyer, the first of
    its day), net (Int64 minor units: paid less refunded), channel, state; paid orders only, one row each. as_of: last
    day the figures are true for; later orders are ignored.
    Returns customer_key, first_order_date, last_order_date, first_order_key, first_order_channel, total_orders,
    total_revenue, avg_order_value, recency_days, ltv_to_date, ltv_window, is_churned, state, as_of; money in minor
    units. `ltv_window` counts orders paid less than `window_days` after the first (first day included).
    """
    seen = orders.filter(pl.col("paid_date") <= as_of).sort(
        "customer_key", "paid_date", "is_new_customer", "order_key", descending=[False, False, True, False]
    )
    first = pl.col("paid_date").first()
    inside = (pl.col("paid_date") - first).dt.total_days() < window_days
    frame = seen.group_by("customer_key", maintain_order=True).agg(
        first_order_date=first,
        last_order_date=pl.col("paid_date").last(),
        first_order_key=pl.col("order_key").first(),
        first_order_channel=pl.col("channel").first(),
        total_orders=pl.len().cast(pl.Int64),
        total_revenue=pl.col("net").sum(),
        ltv_window=pl.col("net").filter(inside).sum(),
        state=pl.col("state").last(),
    )
    recency = (pl.lit(as_of) - pl.col("last_order_date")).dt.total_days()
    return frame.with_columns(
        avg_order_value=_half_even(pl.col("total_revenue"), pl.col("total_orders")),
        recency_days=recency,
        ltv_to_date=pl.col("total_revenue"),
        is_churned=(recency > churn_days).cast(pl.Int64),
        as_of=pl.lit(as_of),
    )


def won_by(credited: pl.DataFrame) -> pl.DataFrame:
    """customer_key, channel: which channel has most credit for the order that won each buyer.

    credited: customer_key, channel, weight (its share of the order), position (its last touch, 1 = first). Of channels
    with as much credit the one nearest to the order, then the first by name.
    """
    ranked = credited.with_columns(pl.col("weight").cast(pl.Float64).round(8)).sort(
        "customer_key", "weight", "position", "channel", descending=[False, True, True, False]
    )
    return ranked.unique("customer_key", keep="first", maintain_order=True).select("customer_key", "channel")


def named(buyers: pl.DataFrame, won: pl.DataFrame) -> pl.DataFrame:
    """Buyers as `realised` has them, with the channel of `won_by` where it is known."""
    found = buyers.join(won, on="customer_key", how="left", maintain_order="left")
    return found.with_columns(first_order_channel=pl.coalesce("channel", "first_order_channel")).drop("channel")


def _half_even(total: pl.Expr, count: pl.Expr) -> pl.Expr:
    """Integer division of minor units, halves to even: the same cents on every engine."""
    quotient, rest = total // count, total % count
    up = (2 * rest > count) | ((2 * rest == count) & (quotient % 2 == 1))
    return quotient + up.cast(pl.Int64)


def first_orders(orders: pl.DataFrame) -> pl.DataFrame:
    """order_key of each buyer's first paid order (ties by order_key).

    orders: order_key, customer_key, paid_at (instant); paid orders only.
    """
    return (
        orders.sort("customer_key", "paid_at", "order_key")
        .unique("customer_key", keep="first", maintain_order=True)
        .select("order_key")
    )
