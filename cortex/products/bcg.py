"""BCG: products by how fast they grow and how much of the shop they are."""

from __future__ import annotations

import polars as pl


def classify(sold: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, float]]:
    """Star, cash_cow, question_mark or dog for each product, and the two thresholds.

    sold: platform, product_id, revenue, and recent, before (minor units; the latter two of periods of equal length, null
    where not enough is known to compare). share: of the revenue. growth: recent / before - 1, null for what did not sell
    before and counted as growing. Thresholds: the mean share (1 / products), and the growth of the shop as a whole, left
    out where it is not known; then no product has a class. Returns platform, product_id, share, growth, class.
    """
    earned, lately, earlier = (float(sold[name].sum()) for name in ("revenue", "recent", "before"))
    usual_share = 1 / max(sold.height, 1)
    known = sold["before"].null_count() == 0
    usual_growth = lately / earlier - 1 if earlier > 0 else 0.0
    told = sold.with_columns(
        share=pl.col("revenue") / earned if earned > 0 else pl.lit(0.0),
        growth=pl.when(pl.col("before") > 0).then(pl.col("recent") / pl.col("before") - 1),
    )
    large = pl.col("share") > usual_share
    grows = (pl.col("growth") > usual_growth).fill_null(value=True)
    named = (
        pl.when(pl.lit(not known))
        .then(pl.lit(""))
        .when(large & grows)
        .then(pl.lit("star"))
        .when(large)
        .then(pl.lit("cash_cow"))
        .when(grows)
        .then(pl.lit("question_mark"))
        .otherwise(pl.lit("dog"))
    )
    frame = told.select("platform", "product_id", "share", "growth", **{"class": named}).sort("platform", "product_id")
    return frame, {"share": usual_share} | ({"growth": usual_growth} if known else {})
