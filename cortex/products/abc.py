"""ABC: the few products that make most of the revenue."""

import polars as pl


def classify(sold: pl.DataFrame) -> pl.DataFrame:
    """A for the products that make the first 80 % of revenue, B for the next 15 %, C for the rest.

    sold: platform, product_id, revenue (minor units). A product belongs to the class in which its own share begins,
    so the best seller is always A. Ties by product_id. Products without revenue are C. Returns platform, product_id,
    abc_class.
    """
    ranked = sold.sort("revenue", "platform", "product_id", descending=[True, False, False])
    positive = pl.col("revenue").clip(lower_bound=0)
    before = (positive.cum_sum() - positive).cast(pl.Float64)
    share = before / positive.sum()
    letter = (
        pl.when((share < 0.80) & (pl.col("revenue") > 0))
        .then(pl.lit("A"))
        .when((share < 0.95) & (pl.col("revenue") > 0))
        .then(pl.lit("B"))
        .otherwise(pl.lit("C"))
    )
    return ranked.select("platform", "product_id", abc_class=letter)
