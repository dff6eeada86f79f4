"""What each channel or campaign earned by a model, beside what it cost and what its platform claims for itself."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

SPENT = ("spend", "claimed_orders", "claimed_revenue")


def performance(credited: pl.DataFrame, spend: pl.DataFrame, costs: pl.DataFrame, *, by: Sequence[str]) -> pl.DataFrame:
    """One row per model and key, the largest revenue first within a model.

    by: "channel", or "channel" and "campaign_id". credited: order_key, model, channel, campaign_id, weight,
    attributed_revenue (cents), is_new_customer. spend: channel, campaign_id, spend (cents), claimed_orders,
    claimed_revenue (cents); the same for every model. costs: order_key, cost_share: what goods, freight and tax took of
    each cent that was paid and kept, null where a line has no cost.

    Returns model, the keys, orders and new_customers (weights), revenue, new_revenue, spend, claimed_orders,
    claimed_revenue, margin (cents, null where a credited order's cost is unknown), cost_known (share of revenue whose
    cost is known), share (of the model's revenue), and the ratios, null where they would divide by nothing: roas =
    revenue / spend, roas_new = new_revenue / spend, cac = spend / new_customers, cpa = spend / orders, poas = margin /
    spend, claimed_roas = claimed_revenue / spend. Keys that neither earned nor cost anything are left out.
    """
    earned = _earned(credited.join(costs, on="order_key", how="left"), by)
    cost = spend.group_by(by).agg(pl.col(SPENT).sum())
    # Every model faces the same spend, that of channels it gave nothing too.
    faced = credited.select("model").unique().join(cost, how="cross")
    whole = earned.join(faced, on=["model", *by], how="full", coalesce=True)
    filled = whole.with_columns(
        pl.col("orders", "new_customers", "claimed_orders").fill_null(0.0),
        pl.col("revenue", "new_revenue", "spend", "claimed_revenue").fill_null(0),
        # No order, no goods.
        margin=pl.when(pl.col("orders").is_null()).then(0).otherwise("margin"),
    )
    return rated(filled).sort("model", "revenue", *by, descending=[False, True, *(False for _ in by)])


def rated(rows: pl.DataFrame) -> pl.DataFrame:
    """With the ratios of `performance`."""

    def ratio(part: str, whole: str) -> pl.Expr:
        return pl.when(pl.col(whole) > 0).then(pl.col(part) / pl.col(whole))

    def of_spend(part: str) -> pl.Expr:
        return ratio(part, "spend")

    def cost_of(count: str) -> pl.Expr:
        return pl.when(pl.col("spend") > 0).then(ratio("spend", count))

    return rows.with_columns(
        roas=of_spend("revenue"),
        roas_new=of_spend("new_revenue"),
        claimed_roas=of_spend("claimed_revenue"),
        poas=of_spend("margin"),
        cac=cost_of("new_customers"),
        cpa=cost_of("orders"),
        share=pl.col("revenue") / pl.col("revenue").sum().over("model"),
    )


def _earned(credited: pl.DataFrame, by: Sequence[str]) -> pl.DataFrame:
    new = pl.col("is_new_customer") == 1
    money = pl.col("attributed_revenue")
    known = pl.col("cost_share").is_not_null()
    kept = money * (1.0 - pl.col("cost_share"))
    return credited.group_by("model", *by).agg(
        orders=pl.col("weight").sum(),
        new_customers=pl.col("weight").filter(new).sum(),
        revenue=money.sum(),
        new_revenue=money.filter(new).sum(),
        margin=pl.when(known.all()).then(kept.sum().round().cast(pl.Int64)),
        cost_known=money.filter(known).sum() / money.sum(),
    )
