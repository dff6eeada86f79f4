"""Best and worst products, and who sold them."""

from __future__ import annotations

from typing import Literal

import polars as pl

By = Literal["units", "revenue", "margin"]


def ranked(sold: pl.DataFrame, *, by: By = "revenue", top: int = 20, worst: bool = False) -> pl.DataFrame:
    """The first products by one figure, or the last. sold: platform, product_id, units, revenue, margin.

    Products whose margin is unknown (null) are in no ranking by margin. Ties by platform and product_id.
    """
    known = sold.filter(pl.col(by).is_not_null())
    return known.sort(by, "platform", "product_id", descending=[not worst, False, False]).head(top)


def sellers(lines: pl.DataFrame, *, top: int = 20) -> tuple[pl.DataFrame, float | None]:
    """Sellers of a marketplace by revenue, and the share of revenue of the first `top`; null share without any.

    lines: seller_id, order_key, quantity, total (minor units), paid_date. Lines without a seller are the shop's own
    and left out. Returns seller_id, revenue, units, orders, item_price (revenue / units), order_value, last_order.
    """
    theirs = lines.filter(pl.col("seller_id") != "")
    told = theirs.group_by("seller_id").agg(
        revenue=pl.col("total").sum(),
        units=pl.col("quantity").sum(),
        orders=pl.col("order_key").n_unique().cast(pl.Int64),
        last_order=pl.col("paid_date").max(),
    )
    told = told.with_columns(
        item_price=pl.when(pl.col("units") > 0).then(pl.col("revenue") / pl.col("units")),
        order_value=pl.col("revenue") / pl.col("orders"),
    ).sort("revenue", "seller_id", descending=[True, False])
    first, whole = told.head(top), float(told["revenue"].sum())
    return first, float(first["revenue"].sum()) / whole if whole > 0 else None
