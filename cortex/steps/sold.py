"""Sold: which products grow, which are large, and how much hangs on a marketplace's first sellers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from cortex.run import Outcome, Run, Step
from cortex.steps.costs import LINES, UNIT
from cortex.warehouse import tables

if TYPE_CHECKING:
    from cortex.tenant import Tenant
    from cortex.warehouse import Transaction

Row = dict[str, Any]

DAYS = 90
"""Days of a period, and of the one it is compared with."""
TOP_SELLERS = 20
PERIODS = f"""
    SELECT i.platform, i.product_id,
           SUM(CASE WHEN o.paid_date > :middle THEN i.quantity ELSE 0 END) AS units,
           SUM(CASE WHEN o.paid_date > :middle THEN i.total ELSE 0.00 END) AS revenue,
           SUM(CASE WHEN o.paid_date > :middle THEN i.quantity * {UNIT} ELSE 0.00 END) AS cost,
           SUM(CASE WHEN o.paid_date > :middle AND {UNIT} IS NULL THEN 1 ELSE 0 END) AS uncosted,
           SUM(CASE WHEN o.paid_date > :middle THEN 0.00 ELSE i.total END) AS revenue_before
    FROM ({LINES})
    JOIN fct_orders o ON o.order_key = i.order_key AND o.is_paid = 1
    WHERE o.paid_date > :first AND o.paid_date <= :as_of
    GROUP BY i.platform, i.product_id
"""  # noqa: S608
SELLERS = """
    SELECT i.platform, i.seller_id, SUM(i.total) AS revenue
    FROM fct_order_items i JOIN fct_orders o ON o.order_key = i.order_key AND o.is_paid = 1
    WHERE i.seller_id <> '' AND o.paid_date > :middle AND o.paid_date <= :as_of
    GROUP BY i.platform, i.seller_id ORDER BY revenue DESC, i.seller_id
"""
KNOWN_SELLERS = "SELECT * FROM dim_sellers"


def classes(_tenant: Tenant) -> Iterator[Step]:
    yield Step("products.classes", product_classes)


def product_classes(run: Run) -> Outcome:
    """product_classes, whole, with the thresholds between the classes and the concentration of sellers."""
    import polars as pl

    from cortex.products import bcg
    from cortex.warehouse.read import from_cents, to_cents

    as_of = run.window.last
    middle = as_of - timedelta(days=DAYS)
    sold = run.warehouse.frame(PERIODS, as_of=as_of, middle=middle, first=middle - timedelta(days=DAYS))
    sold = to_cents(sold, "revenue", "cost", "revenue_before").with_columns(
        pl.col("units", "uncosted").cast(pl.Int64), pl.col("platform", "product_id").cast(pl.String)
    )
    named, thresholds = bcg.classify(sold.rename({"revenue_before": "before"}))
    whole = sold.join(named.rename({"class": "bcg_class"}), on=["platform", "product_id"]).with_columns(
        margin=pl.when(pl.col("uncosted") == 0).then(pl.col("revenue") - pl.col("cost")), as_of=pl.lit(as_of)
    )
    rows = from_cents(whole, "revenue", "margin", "revenue_before").drop("cost", "uncosted").to_dicts()
    figures = {("bcg", name): value for name, value in thresholds.items()} if rows else {}
    sellers = run.warehouse.rows(SELLERS, as_of=as_of, middle=middle)
    figures |= {("sellers", name): value for name, value in _concentration(sellers).items()}

    def write(tx: Transaction) -> None:
        tx.replace(tables.product_classes, {}, rows)
        tx.upsert(tables.dim_sellers, _shares(tx.rows(KNOWN_SELLERS), sellers))
        told = [{"area": of, "figure": name, "value": value, "as_of": as_of} for (of, name), value in figures.items()]
        tx.replace(tables.insight_figures, {"area": ["bcg", "sellers"]}, told)

    run.warehouse.atomically(write)
    return Outcome(len(rows), f"{len(rows)} products")


def _shares(known: Sequence[Row], sold: Sequence[Row]) -> list[Row]:
    """Rows of dim_sellers with the share of each in what was sold, and with sellers no catalogue named. A competitor's
    stays as it was told: their sales are not here."""
    whole = sum(row["revenue"] for row in sold)
    shares = {(row["platform"], row["seller_id"]): row["revenue"] / whole for row in sold if whole > 0}
    rows = [
        row | {"market_share": shares.pop((row["platform"], row["seller_id"]), None)}
        for row in known
        if not row["is_competitor"]
    ]
    blank = {"nickname": "", "city": "", "state": "", "reputation": "", "is_competitor": 0}
    return rows + [
        {"platform": platform, "seller_id": seller, "market_share": share, **blank}
        for (platform, seller), share in shares.items()
    ]


def _concentration(sold: Sequence[Row]) -> dict[str, Any]:
    """How many sold in the period, and the first twenty's share of it; nothing where the shop is no marketplace."""
    revenue = [row["revenue"] for row in sold]
    whole = sum(revenue)
    if not revenue or whole <= 0:
        return {}
    return {"count": len(revenue), f"share_of_{TOP_SELLERS}": sum(revenue[:TOP_SELLERS]) / whole}
