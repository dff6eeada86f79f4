"""Best and worst products."""

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
