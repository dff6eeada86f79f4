"""Effects of price, discount, rating and stock on what is sold, product by product, as the weekly run last found them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from cortex.run import Outcome, Run, Step
from cortex.steps.sold import DAYS
from cortex.warehouse import tables

if TYPE_CHECKING:
    import polars as pl

    from cortex.tenant import Tenant
    from cortex.warehouse import Transaction, Warehouse

HISTORY = 2 * DAYS
"""Days of prices and sales behind a price change's effect."""
SOLD = """
    SELECT i.platform, i.product_id, COALESCE(MAX(p.category), MAX(i.category)) AS category,
           COUNT(DISTINCT i.order_key) AS orders, SUM(i.quantity) AS units, SUM(i.total) AS revenue,
           SUM(CASE WHEN i.unit_price < i.full_unit_price OR i.discount > 0 THEN i.quantity ELSE 0 END) AS reduced
    FROM fct_order_items i
    JOIN fct_orders o ON o.order_key = i.order_key AND o.is_paid = 1
    LEFT JOIN dim_products p ON p.platform = i.platform AND p.product_id = i.product_id
    WHERE o.paid_date > :since AND o.paid_date <= :as_of
    GROUP BY i.platform, i.product_id
"""
DAILY = """
    SELECT i.platform, i.product_id, o.paid_date, SUM(i.quantity) AS units
    FROM fct_order_items i JOIN fct_orders o ON o.order_key = i.order_key AND o.is_paid = 1
    WHERE o.paid_date > :since AND o.paid_date <= :as_of
    GROUP BY i.platform, i.product_id, o.paid_date
"""
STOCK = """
    SELECT t.platform, t.product_id, COUNT(*) AS stock_days, SUM(t.stock) AS stock,
           SUM(CASE WHEN t.day = l.last_day THEN t.available ELSE 0 END) AS available
    FROM (
        SELECT platform, product_id, day, SUM(stock) AS stock, SUM(available) AS available
        FROM fct_inventory WHERE day > :since GROUP BY platform, product_id, day
    ) t
    JOIN (
        SELECT platform, product_id, MAX(day) AS last_day FROM fct_inventory
        WHERE day > :since GROUP BY platform, product_id
    ) l ON l.platform = t.platform AND l.product_id = t.product_id
    GROUP BY t.platform, t.product_id
"""
"""Up to this moment: a shop tells its stock of today, while the days judged end with yesterday."""
RATINGS = """
    SELECT t.platform, t.product_id, SUM(t.score) AS score, COUNT(*) AS reviews
    FROM (
        SELECT DISTINCT v.order_key, v.review_id, v.score, i.platform, i.product_id
        FROM fct_reviews v JOIN fct_order_items i ON i.order_key = v.order_key
    ) t
    GROUP BY t.platform, t.product_id
"""
VISITS = "SELECT SUM(sessions) AS sessions FROM fct_sessions WHERE day > :since AND day <= :as_of"
VIEWED = """
    SELECT platform, product_id, SUM(views) AS views, SUM(purchases) AS purchases FROM rpt_product_conversion
    WHERE day > :since AND day <= :as_of AND is_known = 1 GROUP BY platform, product_id
"""
"""Of two sources that tell of the same day both are added, to views and purchases alike."""
PRICES = "SELECT platform, product_id, day, price FROM price_history WHERE day > :since AND day <= :as_of"
BY = ("unit_price", "reduced_share", "rating", "cover_days")
"""What conversion is correlated with."""


def effects(_tenant: Tenant) -> Iterator[Step]:
    yield Step("products.effects", product_effects)


def product_effects(run: Run) -> Outcome:
    """product_effects, whole: products sold in the last 90 days; and what conversion goes along with over all of them."""
    import polars as pl

    from cortex.products import effects as counting
    from cortex.warehouse.read import from_cents

    as_of = run.window.last
    found = _figures(run.warehouse, {"as_of": as_of, "since": as_of - timedelta(days=DAYS)})
    moved = _price_changes(run.warehouse, {"as_of": as_of, "since": as_of - timedelta(days=HISTORY)})
    whole = found.join(moved, on=list(counting.KEY), how="left").with_columns(as_of=pl.lit(as_of))
    related = counting.correlations(whole, "conversion", *BY)
    columns = [column.name for column in tables.product_effects.columns]
    rows = from_cents(whole, "price_before", "price_after").select(columns).to_dicts()
    told = [
        {"area": "effects", "figure": f"conversion_by_{name}", "value": value, "as_of": as_of}
        for name, value in related.items()
    ]

    def write(tx: Transaction) -> None:
        tx.replace(tables.product_effects, {}, rows)
        tx.replace(tables.insight_figures, {"area": "effects"}, told)

    run.warehouse.atomically(write)
    changed = int(whole["changed_on"].is_not_null().sum())
    return Outcome(len(rows), f"{len(rows)} products, {changed} with a price change to judge")


def _figures(warehouse: Warehouse, days: dict[str, object]) -> pl.DataFrame:
    """Everything but price changes, of each product sold in the days."""
    import polars as pl

    from cortex.products import effects as counting
    from cortex.warehouse.read import to_cents

    key = list(counting.KEY)
    sold = to_cents(_whole(warehouse.frame(SOLD, **days), "orders", "units", "reduced"), "revenue").with_columns(
        unit_price=pl.when(pl.col("units") > 0).then(pl.col("revenue") / pl.col("units")),
        reduced_share=pl.when(pl.col("units") > 0).then(pl.col("reduced") / pl.col("units")),
    )
    sold = sold.with_columns(
        price_range=pl.sum_horizontal([(pl.col("unit_price") >= bound).cast(pl.Int64) for bound in counting.PRICES])
    )
    stock = _whole(warehouse.frame(STOCK, since=days["since"]), "stock_days", "stock", "available").with_columns(
        mean_stock=pl.col("stock") / pl.col("stock_days")
    )
    rated = _whole(warehouse.frame(RATINGS), "score", "reviews").select(
        *key, rating=pl.col("score") / pl.col("reviews")
    )
    seen, basis = _seen(warehouse, sold, days)
    kept = sold.join(stock.drop("stock"), on=key, how="left")
    return (
        kept.join(counting.against_peers(seen), on=key, how="left")
        .with_columns(conversion_basis=pl.lit(basis))
        .join(counting.turnover(kept, DAYS), on=key, how="left")
        .join(rated, on=key, how="left")
    )


def _seen(warehouse: Warehouse, sold: pl.DataFrame, days: dict[str, object]) -> tuple[pl.DataFrame, str]:
    """`sold` with what was bought and seen of each product, and what seen is: its views where a source counts them,
    else visits to the shop, else nothing."""
    import polars as pl

    viewed = _whole(warehouse.frame(VIEWED, **days), "views", "purchases")
    if viewed["views"].sum() > 0:
        told = viewed.select("platform", "product_id", seen="views", bought="purchases")
        return sold.join(told, on=["platform", "product_id"], how="left"), "views"
    visits = int(warehouse.rows(VISITS, **days)[0]["sessions"] or 0)
    return sold.with_columns(seen=pl.lit(visits), bought="orders"), "visits" if visits else ""


def _price_changes(warehouse: Warehouse, days: dict[str, object]) -> pl.DataFrame:
    """Prices in cents."""
    import polars as pl

    from cortex.products import effects as counting
    from cortex.warehouse.read import to_cents

    prices = to_cents(_whole(warehouse.frame(PRICES, **days)), "price").with_columns(pl.col("day").cast(pl.Date))
    daily = _whole(warehouse.frame(DAILY, **days), "units").rename({"paid_date": "day"})
    last = days["as_of"]
    return counting.price_changes(prices, daily.with_columns(pl.col("day").cast(pl.Date)), last)  # type: ignore[arg-type]


def _whole(frame: pl.DataFrame, *counts: str) -> pl.DataFrame:
    """With counts as integers: a database sums them into decimals, and an empty answer has no types."""
    import polars as pl

    named = frame.with_columns(pl.col("platform", "product_id").cast(pl.String))
    return named.with_columns(pl.col(counts).cast(pl.Int64)) if counts else named
