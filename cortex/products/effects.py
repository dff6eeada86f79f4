"""Effects: what price changes did to sales, whether products sell as their like do, and how fast stock turns."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

KEY = ("platform", "product_id")
BESIDE = 28
"""Days looked at on either side of a price change; less where another change or the present is nearer."""
LEAST = 7
"""Days either side must have to be compared."""
PEERS = 3
"""Products like it a product needs to be held against them; else it is held against the whole shop."""
PRICES = (5_000, 10_000, 20_000, 50_000)
"""Minor units at which the next price range begins, as in rpt_price_ranges: a price of exactly 50.00 is in 50-100."""
ENOUGH = 8
"""Products below which a correlation says nothing."""


def against_peers(shown: pl.DataFrame) -> pl.DataFrame:
    """How often who saw a product bought it, and how often those who saw its like did.

    shown: platform, product_id, category, price_range, bought, seen (the product's views, or visits to the shop; null
    or 0 where nobody counts them, and then nobody knows). Its like: the other products of its category and price range
    that were seen. Returns platform, product_id, conversion, expected_conversion; null where unknown.
    """
    known = pl.col("seen") > 0
    counted = shown.with_columns(
        bought=pl.when(known).then(pl.col("bought")).otherwise(0),
        seen=pl.when(known).then(pl.col("seen")).otherwise(0),
        one=known.fill_null(value=False).cast(pl.Int64),
    )
    kind = ["category", "price_range"]
    own = {name: pl.col(name) for name in ("bought", "seen", "one")}
    like = {name: column.sum().over(kind) - column for name, column in own.items()}
    others = {name: column.sum() - column for name, column in own.items()}
    expected = (
        pl.when((like["one"] >= PEERS) & (like["seen"] > 0))
        .then(like["bought"] / like["seen"])
        .when((others["one"] >= PEERS) & (others["seen"] > 0))
        .then(others["bought"] / others["seen"])
    )
    conversion = pl.when(pl.col("seen") > 0).then(pl.col("bought") / pl.col("seen"))
    return counted.select(*KEY, conversion=conversion, expected_conversion=pl.when(pl.col("seen") > 0).then(expected))


def price_changes(prices: pl.DataFrame, daily: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """The last price change of each product that has days enough on both sides, and what sold before and after.

    prices: platform, product_id, day, price: a row for each day a price changed. daily: platform, product_id, day,
    units. lift: units a day after / before, over the same ratio of everything else the shop sold, less 1: what the
    season did to all products is not put down to the price. elasticity: ln(lift + 1) / ln(price after / before), so -1
    keeps revenue as it was. Returns platform, product_id, changed_on, price_before, price_after, days_before,
    days_after, units_before, units_after, lift, elasticity; products without such a change are left out.
    """
    ordered = prices.sort(*KEY, "day").with_columns(
        price_before=pl.col("price").shift(1).over(KEY),
        begun=pl.col("day").shift(1).over(KEY),
        ends=pl.col("day").shift(-1).over(KEY).fill_null(as_of + timedelta(days=1)),
    )
    beside = pl.duration(days=BESIDE)
    changes = (
        ordered.filter(pl.col("price_before").is_not_null() & (pl.col("price") != pl.col("price_before")))
        .with_columns(
            since=pl.max_horizontal("begun", pl.col("day") - beside),
            until=pl.min_horizontal("ends", pl.col("day") + beside),
        )
        .with_columns(
            days_before=(pl.col("day") - pl.col("since")).dt.total_days(),
            days_after=(pl.col("until") - pl.col("day")).dt.total_days(),
        )
        .filter((pl.col("days_before") >= LEAST) & (pl.col("days_after") >= LEAST))
        .group_by(KEY, maintain_order=True)
        .last()
        .rename({"day": "changed_on", "price": "price_after"})
    )
    told = changes.join(_sold_around(changes, daily), on=list(KEY), how="left").with_columns(
        pl.col("mine_before", "mine_after", "all_before", "all_after").fill_null(0)
    )
    mine = _ratio("mine_after", "days_after") / _ratio("mine_before", "days_before")
    rest_after, rest_before = (pl.col(f"all_{side}") - pl.col(f"mine_{side}") for side in ("after", "before"))
    rest = (rest_after / pl.col("days_after")) / (rest_before / pl.col("days_before"))
    comparable = (pl.col("mine_before") > 0) & (rest_after > 0) & (rest_before > 0)
    lift = pl.when(comparable).then(mine / rest - 1)
    moved = (pl.col("price_after") / pl.col("price_before")).log()
    return told.select(
        *KEY, "changed_on", "price_before", "price_after", "days_before", "days_after",
        units_before="mine_before", units_after="mine_after", lift=lift,
        elasticity=pl.when(lift > -1).then((lift + 1).log() / moved),
    ).sort(*KEY)  # fmt: skip


def _ratio(units: str, days: str) -> pl.Expr:
    return pl.col(units) / pl.col(days)


def _sold_around(changes: pl.DataFrame, daily: pl.DataFrame) -> pl.DataFrame:
    """Units of the product and of the whole shop in the days before and after each change."""
    around = changes.select(*KEY, "changed_on", "since", "until")
    shop = daily.group_by("day").agg(units=pl.col("units").sum())
    mine = around.join(daily, on=list(KEY), how="left").select(*KEY, "changed_on", "since", "until", "day", "units")
    whole = around.join(shop, how="cross").select(*KEY, "changed_on", "since", "until", "day", "units")

    def sums(frame: pl.DataFrame, name: str) -> pl.DataFrame:
        before = (pl.col("day") >= pl.col("since")) & (pl.col("day") < pl.col("changed_on"))
        after = (pl.col("day") >= pl.col("changed_on")) & (pl.col("day") < pl.col("until"))
        return frame.group_by(KEY).agg(
            pl.col("units").filter(before).sum().alias(f"{name}_before"),
            pl.col("units").filter(after).sum().alias(f"{name}_after"),
        )

    return sums(mine, "mine").join(sums(whole, "all"), on=list(KEY))


def turnover(stock: pl.DataFrame, days: int) -> pl.DataFrame:
    """How often a year the stock is sold once over, and for how many days it lasts at this pace.

    stock: platform, product_id, units (sold in `days` days), mean_stock, available. Returns platform, product_id,
    turnover (null without stock), cover_days (null where nothing sells).
    """
    pace = pl.col("units") / days
    return stock.select(
        *KEY,
        turnover=pl.when(pl.col("mean_stock") > 0).then(pace * 365 / pl.col("mean_stock")),
        cover_days=pl.when(pl.col("units") > 0).then(pl.col("available").clip(lower_bound=0) / pace),
    )


def correlations(products: pl.DataFrame, of: str, *by: str) -> dict[str, float | None]:
    """Spearman's rank correlation of one column with each of some others, over the products that have both; None where
    they are too few or all alike."""
    return {name: _correlation(products.select(of, name).drop_nulls(), of, name) for name in by}


def _correlation(pairs: pl.DataFrame, one: str, other: str) -> float | None:
    if pairs.height < ENOUGH or pairs[one].n_unique() == 1 or pairs[other].n_unique() == 1:
        return None
    return float(pairs.select(pl.corr(one, other, method="spearman")).item())
