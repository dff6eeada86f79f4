"""Who has left: by the rule of days without an order, and by the chance that a buyer is still there."""

from __future__ import annotations

import polars as pl

AT_RISK = 0.5
"""Chance to be there below which a buyer is counted as lost by probability."""


def churn(buyers: pl.DataFrame, *, days: int) -> dict[str, float | int | None]:
    """Buyers lost by each measure. buyers: recency_days, p_alive. Rates are null without buyers."""
    count = buyers.height
    by_rule = buyers.filter(pl.col("recency_days") > days).height
    unlikely = buyers.filter(pl.col("p_alive") < AT_RISK).height
    return {
        "customers": count,
        "threshold_days": days,
        "churned_by_rule": by_rule,
        "rate_by_rule": by_rule / count if count else None,
        "probably_gone": unlikely,
        "rate_by_probability": 1 - float(buyers["p_alive"].sum()) / count if count else None,
    }


def at_risk(buyers: pl.DataFrame, *, top: int = 100) -> pl.DataFrame:
    """Repeat buyers who probably left, those who used to be worth most first: the money there is to win back.

    buyers: customer_key, frequency, recency_days, p_alive, order_value. Returns them with at_stake: the value of the
    orders they placed beyond the first, times the chance that they are gone. Ties by customer_key.
    """
    lost = buyers.filter((pl.col("frequency") > 0) & (pl.col("p_alive") < AT_RISK))
    told = lost.with_columns(at_stake=pl.col("frequency") * pl.col("order_value") * (1 - pl.col("p_alive")))
    return told.sort("at_stake", "customer_key", descending=[True, False]).head(top)
