"""Four tiers of buyers by value, with the cut-offs between them."""

from __future__ import annotations

import polars as pl

TIERS = ("Bronze", "Silver", "Gold", "Platinum")


def tiers(customers: pl.DataFrame, *, by: str = "clv") -> tuple[pl.DataFrame, list[float]]:
    """Quartiles of `by`: equal values share a tier, a quarter of the buyers at most is below each next one's floor.

    customers: customer_key and the column `by`. Returns customer_key, tier; and the least value of each tier above the
    lowest that has buyers.
    """
    worse = customers[by].rank("min").cast(pl.Int64) - 1
    place = worse * len(TIERS) // max(len(customers), 1)
    told = customers.select("customer_key", tier=place.replace_strict(dict(enumerate(TIERS)), return_dtype=pl.String))
    floors = pl.DataFrame({"place": place, "value": customers[by]}).group_by("place").agg(pl.col("value").min())
    return told, [float(value) for value in floors.filter(pl.col("place") > 0).sort("place")["value"]]
