"""Value: who the buyers are, which order won them, and what they are worth."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from cortex.run import Outcome, Run, Step
from cortex.warehouse import tables

if TYPE_CHECKING:
    import polars as pl

    from cortex.tenant import Tenant
    from cortex.warehouse import Transaction, Warehouse

PART = 20_000
"""Rows handed to the database at once: as dictionaries they are many times their size."""
PAID_ORDERS = """
    SELECT o.order_key, o.customer_key, o.paid_date, o.is_new_customer, o.paid - o.refunded AS net, o.state,
           COALESCE(a.channel, 'unattributed') AS channel
    FROM fct_orders o
    LEFT JOIN fct_attribution a ON a.order_key = o.order_key AND a.model = 'last_click'
    WHERE o.is_paid = 1 AND o.customer_key >= :low AND o.customer_key < :high
"""
WON = """
    SELECT o.customer_key, a.channel, SUM(a.weight) AS weight, MAX(a.position) AS position
    FROM fct_orders o
    JOIN fct_attribution a ON a.order_key = o.order_key AND a.model = :model
    WHERE o.is_paid = 1 AND o.is_new_customer = 1 AND o.customer_key >= :low AND o.customer_key < :high
    GROUP BY o.customer_key, a.channel
"""
"""Credit of the orders that won their buyers, by the client's first model."""
SCORED = """
    SELECT customer_key, recency_days, total_orders, total_revenue FROM dim_customers
    WHERE customer_key >= :low AND customer_key < :high
"""
BOUGHT = """
    SELECT o.customer_key, COALESCE(p.category, i.category) AS category, SUM(i.total) AS total
    FROM fct_order_items i
    JOIN fct_orders o ON o.order_key = i.order_key AND o.is_paid = 1
    LEFT JOIN dim_products p ON p.platform = i.platform AND p.product_id = i.product_id
    WHERE o.customer_key >= :low AND o.customer_key < :high
    GROUP BY o.customer_key, COALESCE(p.category, i.category)
"""
BOUNDS = ("", *"123456789abcdef", "~")
"""Keys of buyers are hexadecimal digests: sixteen parts of about the same size."""
MANY = 100_000


def in_parts(frame: pl.DataFrame) -> Iterator[list[dict[str, object]]]:
    """The rows of a frame, some thousands at a time."""
    return (part.to_dicts() for part in frame.iter_slices(PART))


def of_all_buyers(warehouse: Warehouse, sql: str, **given: object) -> pl.DataFrame:
    """The frame of a query whose buyers lie between `:low` and `:high`: of a large shop read part by part.

    A row of Python values, which is what a driver hands out, is many times its size in a frame.
    """
    import polars as pl

    orders = warehouse.rows("SELECT COUNT(*) AS paid_orders FROM fct_orders WHERE is_paid = 1")[0]["paid_orders"]
    bounds = BOUNDS if orders > MANY else (BOUNDS[0], BOUNDS[-1])
    parts = [warehouse.frame(sql, low=low, high=high, **given) for low, high in pairwise(bounds)]
    # A column nobody has a value for is of no type at all in its part.
    return pl.concat([part for part in parts if part.height] or parts[:1], how="vertical_relaxed")


def people(_tenant: Tenant) -> Iterator[Step]:
    yield Step("customers.people", merge_people)


def customers(_tenant: Tenant) -> Iterator[Step]:
    yield Step("customers.value", customer_value)


def segments(_tenant: Tenant) -> Iterator[Step]:
    yield Step("customers.rfm", rfm)


def products(_tenant: Tenant) -> Iterator[Step]:
    yield Step("products.abc", abc)


def merge_people(run: Run) -> Outcome:
    """Give every order its buyer after duplicates are merged, and mark the orders that won their buyer."""
    import polars as pl

    from cortex.customers import people as merging
    from cortex.customers import value

    aliases = run.warehouse.frame("SELECT order_key, kind, alias FROM fct_order_aliases")
    known = run.warehouse.frame("SELECT order_key, customer_key, is_new_customer, is_paid, paid_at FROM fct_orders")
    merged = known.drop("customer_key").join(merging.merge(aliases), on="order_key", how="inner")
    first = value.first_orders(merged.filter(pl.col("is_paid") == 1)).with_columns(won=pl.lit(1))
    told = merged.join(first, on="order_key", how="left").with_columns(won=pl.col("won").fill_null(0))
    stored = known.select("order_key", held="customer_key")
    moved = told.join(stored, on="order_key").filter(
        (pl.col("customer_key") != pl.col("held")) | (pl.col("is_new_customer") != pl.col("won"))
    )
    rows = moved.select("order_key", "customer_key", is_new_customer="won").to_dicts()

    def write(tx: Transaction) -> None:
        tx.assign(tables.fct_orders, "order_key", rows)
        tx.insert_missing(tables.dim_geolocation, _towns(tx))

    run.warehouse.atomically(write)
    buyers = merged["customer_key"].n_unique()
    return Outcome(len(rows), f"{buyers} buyers", {"buyers": buyers, "orders": len(merged)})


TOWNS = """
    SELECT o.country, o.postal_prefix, o.city, o.state, COUNT(*) AS orders
    FROM fct_orders o
    LEFT JOIN dim_geolocation g ON g.country = o.country AND g.postal_prefix = o.postal_prefix
    WHERE o.postal_prefix <> '' AND o.city <> '' AND g.postal_prefix IS NULL
    GROUP BY o.country, o.postal_prefix, o.city, o.state
    ORDER BY o.country, o.postal_prefix, orders DESC, o.city, o.state
"""


def _towns(tx: Transaction) -> list[dict[str, object]]:
    """Towns of postcodes nobody has named yet: the one most orders write."""
    found: dict[tuple[str, str], dict[str, object]] = {}
    for row in tx.rows(TOWNS):
        del row["orders"]
        found.setdefault((row["country"], row["postal_prefix"]), row | {"source": "orders"})
    return list(found.values())


def customer_value(run: Run) -> Outcome:
    """Realised value of every buyer, as of the last day of the window."""
    from cortex.customers import value
    from cortex.warehouse.read import from_cents, to_cents

    as_of = run.window.last
    orders = to_cents(of_all_buyers(run.warehouse, PAID_ORDERS), "net")
    frame = value.realised(
        orders,
        as_of=as_of,
        window_days=run.tenant.analytics.ltv_window_days,
        churn_days=run.tenant.analytics.churn_threshold_days,
    )
    won = value.won_by(of_all_buyers(run.warehouse, WON, model=run.tenant.analytics.models[0]))
    frame = value.named(frame, won)
    frame = from_cents(frame, "total_revenue", "avg_order_value", "ltv_to_date", "ltv_window")
    scores = ("rfm_recency", "rfm_frequency", "rfm_monetary", "rfm_segment", "preferred_category")
    empty = dict.fromkeys(scores)

    def write(tx: Transaction) -> None:
        for rows in in_parts(frame):
            tx.upsert(tables.dim_customers, [empty | row for row in rows], keep=scores)
        tx.run(STRANGERS, as_of=as_of)

    run.warehouse.atomically(write)
    return Outcome(frame.height, f"{frame.height} customers", _figures(orders, as_of))


STRANGERS = """
    DELETE FROM dim_customers WHERE NOT EXISTS (
        SELECT 1 FROM fct_orders o
        WHERE o.customer_key = dim_customers.customer_key AND o.is_paid = 1 AND o.paid_date <= :as_of
    )
"""
"""Whoever was merged into another buyer, or whose orders turned out not to be paid."""


def _figures(orders: pl.DataFrame, as_of: date) -> dict[str, object]:
    import polars as pl

    seen = orders.filter(pl.col("paid_date") <= as_of)
    buyers = seen.group_by("customer_key").len()
    repeat = buyers.filter(pl.col("len") > 1).height
    return {"customers": buyers.height, "repeat": repeat, "as_of": as_of.isoformat()}


def rfm(run: Run) -> Outcome:
    """Scores and segment of every customer, from the values of this run, and the category they spent most on."""
    from cortex.customers import rfm as scoring
    from cortex.warehouse.read import to_cents

    frame = to_cents(
        of_all_buyers(run.warehouse, SCORED),
        "total_revenue",
    )
    told = scoring.scores(frame, quantiles=run.tenant.analytics.rfm_quantiles)
    told = told.join(_preferred(run.warehouse), on="customer_key", how="left")

    def write(tx: Transaction) -> None:
        for rows in in_parts(told):
            tx.assign(tables.dim_customers, "customer_key", rows)

    run.warehouse.atomically(write)
    return Outcome(told.height, f"{told['rfm_segment'].n_unique()} segments")


def _preferred(warehouse: Warehouse) -> pl.DataFrame:
    """The category each buyer spent most on; of several the first by name. Lines without a category tell nothing."""
    import polars as pl

    from cortex.warehouse.read import to_cents

    spent = to_cents(of_all_buyers(warehouse, BOUGHT), "total")
    named = spent.with_columns(pl.col("customer_key", "category").cast(pl.String)).filter(pl.col("category") != "")
    first = named.sort("customer_key", "total", "category", descending=[False, True, False])
    return (
        first.group_by("customer_key", maintain_order=True)
        .first()
        .select("customer_key", preferred_category="category")
    )


def abc(run: Run) -> Outcome:
    """ABC class of every product by cumulated revenue: A up to 80 %, B the next 15 %, C the last 5 %."""
    from cortex.products import abc as classes
    from cortex.warehouse.read import to_cents

    run.warehouse.atomically(partial(_add_unlisted, at=run.now()))
    sold = to_cents(
        run.warehouse.frame(
            "SELECT i.platform, i.product_id, SUM(i.total) AS revenue FROM fct_order_items i"
            " JOIN fct_orders o ON o.order_key = i.order_key AND o.is_paid = 1 GROUP BY i.platform, i.product_id"
        ),
        "revenue",
    )
    rows = classes.classify(sold).to_dicts()
    run.warehouse.atomically(lambda tx: tx.assign(tables.dim_products, ("platform", "product_id"), rows))
    return Outcome(len(rows), f"{sum(row['abc_class'] == 'A' for row in rows)} products make 80 % of revenue")


UNLISTED = """
    SELECT i.platform, i.product_id, MAX(i.sku) AS sku, MAX(i.name) AS name, MAX(i.category) AS category
    FROM fct_order_items i
    LEFT JOIN dim_products p ON p.platform = i.platform AND p.product_id = i.product_id
    WHERE p.product_id IS NULL GROUP BY i.platform, i.product_id
"""


def _add_unlisted(tx: Transaction, at: datetime) -> int:
    """Products that were sold but are in no catalogue: deleted ones, or shops that offer none."""
    unknown = {column.name: None if column.nullable else "" for column in tables.dim_products.columns}
    rows = [unknown | {"updated_at": at} | row for row in tx.rows(UNLISTED)]
    return tx.insert_missing(tables.dim_products, rows)


sp_update_customer_metrics = customer_value
"""The name schemas of the first generation called it by: a procedure that was called every night and never written."""
