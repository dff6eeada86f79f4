"""Sold: which products grow, which are large, and how much hangs on a marketplace's first sellers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from cortex.run import Outcome, Run, Step
from cortex.steps.costs import LINES, UNIT
from cortex.warehouse import tables

if TYPE_CHECKING:
    from cortex.tenant import Tenant
    from cortex.warehouse import Transaction, Warehouse

Row = dict[str, Any]

DAYS = 90
"""Days of a period, and at most of the two that growth compares."""
FEWEST_DAYS = 14
"""Days each of those two must have: half of what is known, where that is less than twice DAYS."""
TOP_SELLERS = 20
PERIODS = f"""
    SELECT i.platform, i.product_id,
           SUM(CASE WHEN o.paid_date > :middle THEN i.quantity ELSE 0 END) AS units,
           SUM(CASE WHEN o.paid_date > :middle THEN i.total ELSE 0.00 END) AS revenue,
           SUM(CASE WHEN o.paid_date > :middle THEN i.quantity * {UNIT} ELSE 0.00 END) AS cost,
           SUM(CASE WHEN o.paid_date > :middle AND {UNIT} IS NULL THEN 1 ELSE 0 END) AS uncosted,
           SUM(CASE WHEN o.paid_date > :lately THEN i.total ELSE 0.00 END) AS revenue_recent,
           SUM(CASE WHEN o.paid_date > :earlier AND o.paid_date <= :lately THEN i.total ELSE 0.00 END) AS revenue_before
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
FIRST_SALE = "SELECT MIN(paid_date) AS paid_date FROM fct_orders WHERE is_paid = 1"
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
    span = _compared(run.warehouse, as_of)
    lately, earlier = (as_of - timedelta(days=times * span) for times in (1, 2))
    sold = run.warehouse.frame(
        PERIODS, as_of=as_of, middle=middle, lately=lately, earlier=earlier, first=min(middle, earlier)
    )
    compared = ("revenue_recent", "revenue_before")
    sold = to_cents(sold, "revenue", "cost", *compared).with_columns(
        pl.col("units", "uncosted").cast(pl.Int64), pl.col("platform", "product_id").cast(pl.String),
        *(pl.when(pl.lit(span > 0)).then(pl.col(name)).alias(name) for name in compared), compared_days=pl.lit(span),
    )  # fmt: skip
    named, thresholds = bcg.classify(sold.rename(dict(zip(compared, ("recent", "before"), strict=True))))
    whole = sold.join(named.rename({"class": "bcg_class"}), on=["platform", "product_id"]).with_columns(
        margin=pl.when(pl.col("uncosted") == 0).then(pl.col("revenue") - pl.col("cost")), as_of=pl.lit(as_of)
    )
    rows = from_cents(whole, "revenue", "margin", *compared).drop("cost", "uncosted").to_dicts()
    figures = {("bcg", name): value for name, value in (thresholds | {"days": span}).items()} if rows else {}
    sellers = run.warehouse.rows(SELLERS, as_of=as_of, middle=middle)
    figures |= {("sellers", name): value for name, value in _concentration(sellers).items()}

    def write(tx: Transaction) -> None:
        tx.replace(tables.product_classes, {}, rows)
        tx.upsert(tables.dim_sellers, _shares(tx.rows(KNOWN_SELLERS), sellers))
        told = [{"area": of, "figure": name, "value": value, "as_of": as_of} for (of, name), value in figures.items()]
        tx.replace(tables.insight_figures, {"area": ["bcg", "sellers"]}, told)

    run.warehouse.atomically(write)
    return Outcome(len(rows), f"{len(rows)} products")


def _compared(warehouse: Warehouse, as_of: date) -> int:
    """Days of the two periods growth compares: DAYS, or half of what is known of the shop; 0 where that is too little.

    A shop whose first order is younger than both periods together would seem to have grown from next to nothing.
    """
    first: date | None = warehouse.rows(FIRST_SALE)[0]["paid_date"]
    half = 0 if first is None else ((as_of - first).days + 1) // 2
    return min(DAYS, half) if half >= FEWEST_DAYS else 0


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
