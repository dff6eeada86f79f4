"""Insight: cohorts and what they paid back, what buyers are worth by where they came from, and what is sold.

The database adds up; what comes out are some thousands of sums, never orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cortex.run import Outcome, Run, Step
from cortex.steps.predict import COSTS
from cortex.warehouse import tables

if TYPE_CHECKING:
    import polars as pl

    from cortex.customers.cohorts import Grain
    from cortex.tenant import Tenant
    from cortex.warehouse import Transaction, Warehouse

Row = dict[str, Any]
GRAINS: tuple[Grain, ...] = ("month", "week")
ORDER_CELLS = f"""
    SELECT f.{{start}} AS cohort, d.{{start}}, c.first_order_channel, COUNT(DISTINCT o.customer_key) AS active,
           COUNT(*) AS paid_orders, SUM(o.paid) AS revenue, SUM(o.paid - o.shipping - o.tax - l.cost) AS margin,
           COUNT(*) - COUNT(l.cost) AS uncosted
    FROM fct_orders o
    JOIN dim_customers c ON c.customer_key = o.customer_key
    JOIN dim_dates f ON f.day = c.first_order_date
    JOIN dim_dates d ON d.day = o.paid_date
    LEFT JOIN ({COSTS}) l ON l.order_key = o.order_key
    WHERE o.is_paid = 1 AND o.paid_date <= :as_of
    GROUP BY f.{{start}}, d.{{start}}, c.first_order_channel
"""  # noqa: S608
REFUND_CELLS = f"""
    SELECT f.{{start}} AS cohort, d.{{start}}, c.first_order_channel, 0 AS active, 0 AS paid_orders,
           SUM(0.00 - r.amount) AS revenue,
           SUM(CASE WHEN o.paid > 0 THEN -1.0 * r.amount * (o.paid - o.shipping - o.tax - l.cost) / o.paid
                    ELSE 0.00 - r.amount END) AS margin, 0 AS uncosted
    FROM fct_refunds r
    JOIN fct_orders o ON o.order_key = r.order_key AND o.is_paid = 1 AND o.paid_date <= :as_of
    JOIN dim_customers c ON c.customer_key = o.customer_key
    JOIN dim_dates f ON f.day = c.first_order_date
    JOIN dim_dates d ON d.day = r.refund_date
    LEFT JOIN ({COSTS}) l ON l.order_key = o.order_key
    WHERE r.refund_date <= :as_of
    GROUP BY f.{{start}}, d.{{start}}, c.first_order_channel
"""  # noqa: S608
"""A refund takes back its part of the order's margin: what was given back is not earned, and the goods came back."""
SIZES = """
    SELECT f.{start} AS cohort, c.first_order_channel, COUNT(*) AS customers
    FROM dim_customers c JOIN dim_dates f ON f.day = c.first_order_date
    GROUP BY f.{start}, c.first_order_channel
"""
SPENT = """
    SELECT d.month_start, s.platform, SUM(s.spend) AS spend
    FROM fct_ad_spend s JOIN dim_dates d ON d.day = s.day
    WHERE s.day <= :as_of GROUP BY d.month_start, s.platform
"""


def cohorts(_tenant: Tenant) -> Iterator[Step]:
    yield Step("customers.retention", cohort_cells)


def cohort_cells(run: Run) -> Outcome:
    """cohort_cells and cohort_payback, whole: by month for all buyers and by channel, by week for all buyers."""
    import polars as pl

    as_of = run.window.last
    spent = _spent(run.warehouse, as_of)
    cells: list[Row] = []
    payback: list[Row] = []
    for grain in GRAINS:
        happened, sizes = _happened(run.warehouse, grain, as_of)
        channels = ["", *sorted(sizes["first_order_channel"].unique())] if grain == "month" else [""]
        for channel in channels:
            mine = pl.lit(value=True) if not channel else pl.col("first_order_channel") == channel
            found = _cells(happened.filter(mine), sizes.filter(mine), as_of, grain)
            about = {"channel": channel, "as_of": as_of}
            cells += [about | {"grain": grain} | row for row in _in_money(found, "revenue", "ltv", "ltv_margin")]
            if grain == "month":
                payback += [about | row for row in _payback(found, spent, channel)]

    def write(tx: Transaction) -> None:
        tx.replace(tables.cohort_cells, {}, cells)
        tx.replace(tables.cohort_payback, {}, payback)

    run.warehouse.atomically(write)
    return Outcome(len(cells), f"{len(cells)} cells", {"cells": len(cells), "cohorts": len(payback)})


def _happened(warehouse: Warehouse, grain: Grain, as_of: date) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What each cohort did in each period, by channel, in cents; and how large each is."""
    import polars as pl

    from cortex.warehouse.read import to_cents

    start = f"{grain}_start"
    parts = [warehouse.frame(sql.format(start=start), as_of=as_of) for sql in (ORDER_CELLS, REFUND_CELLS)]
    whole = pl.concat(
        [
            to_cents(part, "revenue", "margin").with_columns(
                pl.col("cohort", start).cast(pl.Date), pl.col("active", "paid_orders", "uncosted").cast(pl.Int64)
            )
            for part in parts
        ],
        how="vertical_relaxed",
    )
    sizes = warehouse.frame(SIZES.format(start=start)).with_columns(
        pl.col("cohort").cast(pl.Date), pl.col("customers").cast(pl.Int64)
    )
    return whole.rename({start: "start", "paid_orders": "orders"}), sizes


def _cells(happened: pl.DataFrame, sizes: pl.DataFrame, as_of: date, grain: Grain) -> pl.DataFrame:
    import polars as pl

    from cortex.customers import cohorts as counting

    whole = sizes.group_by("cohort").agg(pl.col("customers").sum())
    return counting.complete(happened.drop("first_order_channel"), whole, until=as_of, grain=grain)


def _spent(warehouse: Warehouse, as_of: date) -> pl.DataFrame:
    import polars as pl

    from cortex.warehouse.read import to_cents

    frame = to_cents(warehouse.frame(SPENT, as_of=as_of), "spend")
    return frame.select(
        pl.col("month_start").cast(pl.Date).alias("cohort"), pl.col("platform").cast(pl.String), "spend"
    )


def _payback(cells: pl.DataFrame, spent: pl.DataFrame, channel: str) -> list[Row]:
    """Rows of cohort_payback of one channel. A cohort whose own month has not ended has no LTV yet."""
    import polars as pl

    from cortex.customers import cohorts as counting

    mine = spent.filter(pl.col("platform") == channel) if channel else spent
    by_month = mine.group_by("cohort").agg(pl.col("spend").sum())
    found = counting.payback(cells, by_month).join(by_month, on="cohort", how="left")
    named = {"payback_period": "payback_month", "margin_payback_period": "margin_payback_month"}
    return _in_money(found.rename(named), "spend", "cac", "ltv", "ltv_margin")


def _in_money(frame: pl.DataFrame, *columns: str) -> list[Row]:
    """Rows with the named columns of cents (whole, or means of them) as money."""
    import polars as pl

    return frame.with_columns([pl.col(name).cast(pl.Float64) / 100 for name in columns]).to_dicts()


def worth(_tenant: Tenant) -> Iterator[Step]:
    yield Step("customers.worth", customer_worth)


WORTH = """
    SELECT {entry}, COUNT(*) AS customers, SUM(CASE WHEN c.total_orders > 1 THEN 1 ELSE 0 END) AS repeat_customers,
           SUM(c.total_orders) AS total_orders, SUM(c.total_revenue) AS total_revenue,
           SUM(CASE WHEN c.first_order_date <= :ripe THEN 1 ELSE 0 END) AS window_customers,
           SUM(CASE WHEN c.first_order_date <= :ripe THEN c.ltv_window ELSE 0.00 END) AS ltv_window,
           SUM(p.margin) AS margin, COUNT(*) - COUNT(p.margin) AS uncosted,
           COUNT(p.customer_key) AS predicted, SUM(p.value_365) AS value_365, SUM(p.clv) AS clv
    FROM dim_customers c
    LEFT JOIN customer_predictions p ON p.customer_key = c.customer_key
    {join}
    GROUP BY {group}
"""
FIRST_PRODUCT = """
    JOIN (
        SELECT order_key, platform, product_id, name,
               ROW_NUMBER() OVER (PARTITION BY order_key ORDER BY total DESC, line) AS nth
        FROM fct_order_items
    ) i ON i.order_key = c.first_order_key AND i.nth = 1
"""
"""The dearest line of the first order."""
DIMENSIONS: dict[str, tuple[str, str, str]] = {
    # dimension: entry, group, join
    "all": ("'all' AS channel", "channel", ""),
    "channel": ("c.first_order_channel AS channel", "c.first_order_channel", ""),
    "cohort": ("f.month_start", "f.month_start", "JOIN dim_dates f ON f.day = c.first_order_date"),
    "product": ("i.platform, i.product_id, MAX(i.name) AS name", "i.platform, i.product_id", FIRST_PRODUCT),
    "segment": ("COALESCE(c.rfm_segment, '') AS rfm_segment", "COALESCE(c.rfm_segment, '')", ""),
    "tier": ("p.clv_tier", "p.clv_tier", ""),
}


def customer_worth(run: Run) -> Outcome:
    """customer_value and the single figures about buyers, and when they buy."""
    as_of = run.window.last
    rows = [row for dimension in DIMENSIONS for row in _worth(run, dimension, as_of)]
    figures = _figures(run, as_of)
    patterns = _patterns(run.warehouse, as_of, run)

    def write(tx: Transaction) -> None:
        tx.replace(tables.customer_value, {}, rows)
        areas = ["churn", "ltv", "ltv_histogram", "repeat"]
        tx.replace(tables.insight_figures, {"area": areas}, figures)
        tx.replace(tables.purchase_patterns, {}, patterns)

    run.warehouse.atomically(write)
    facts = {row["figure"]: row["value"] for row in figures if row["area"] != "ltv_histogram"}
    return Outcome(len(rows), f"{len(rows)} groups of buyers", facts)


def _worth(run: Run, dimension: str, as_of: date) -> list[Row]:
    entry, group, join = DIMENSIONS[dimension]
    ripe = as_of - timedelta(days=run.tenant.analytics.ltv_window_days - 1)
    sql = WORTH.format(entry=entry, group=group, join=join)
    cost = _acquisition(run.warehouse, as_of) if dimension in {"all", "channel"} else {}
    found = run.warehouse.rows(sql, ripe=ripe)
    return [_worth_row(dimension, row, cost, as_of) for row in found if row[_entry(dimension)[0]] is not None]


def _worth_row(dimension: str, found: Row, cost: dict[str, tuple[Decimal, Decimal]], as_of: date) -> Row:
    names = [str(found[name]) for name in _entry(dimension)]
    customers = found["customers"]
    spend, cac = cost.get(names[0], (None, None))
    margin = None if found["uncosted"] or found["margin"] is None else _money(found["margin"])
    ltv = _each(found["total_revenue"], customers)
    return {
        "dimension": dimension,
        "entry": "/".join(names),
        "label": found.get("name") or "/".join(names),
        "customers": customers,
        "repeat_customers": found["repeat_customers"],
        "orders": found["total_orders"],
        "revenue": _money(found["total_revenue"]),
        "ltv": ltv,
        "window_customers": found["window_customers"],
        "ltv_window": _each(found["ltv_window"], found["window_customers"]),
        "margin": margin,
        "ltv_margin": _each(margin, customers),
        "uncosted_customers": found["uncosted"],
        "value_365": _each(found["value_365"], found["predicted"]),
        "clv": _each(found["clv"], found["predicted"]),
        "spend": spend,
        "cac": cac,
        "ltv_to_cac": ltv / cac if ltv is not None and cac else None,
        "as_of": as_of,
    }


def _entry(dimension: str) -> tuple[str, ...]:
    return {
        "cohort": ("month_start",), "product": ("platform", "product_id"), "segment": ("rfm_segment",),
        "tier": ("clv_tier",),
    }.get(dimension, ("channel",))  # fmt: skip


def _money(value: Any) -> Decimal:
    return Decimal(str(value))


def _each(total: Any, count: int) -> Decimal | None:
    return _money(total) / count if count and total is not None else None


def _acquisition(warehouse: Warehouse, as_of: date) -> dict[str, tuple[Decimal, Decimal]]:
    """Spend, and spend per buyer won since its first day, of each channel and of all. Orders may reach further back."""
    spent = warehouse.rows(
        "SELECT platform, MIN(day) AS day, SUM(spend) AS spend FROM fct_ad_spend WHERE day <= :as_of AND spend > 0"
        " GROUP BY platform",
        as_of=as_of,
    )
    if not spent:
        return {}
    whole = {"platform": "all", "day": min(row["day"] for row in spent), "spend": sum(row["spend"] for row in spent)}
    found = {}
    for row in [*spent, whole]:
        won = warehouse.rows(
            "SELECT COUNT(*) AS customers FROM dim_customers WHERE first_order_date >= :since"
            " AND (:channel = 'all' OR first_order_channel = :channel)",
            since=row["day"],
            channel=row["platform"],
        )[0]["customers"]
        if won:
            found[row["platform"]] = (row["spend"], row["spend"] / won)
    return found


SECONDS = """
    SELECT MIN(CASE WHEN nth = 1 THEN paid_date END) AS first_order_date,
           MIN(CASE WHEN nth = 2 THEN paid_date END) AS last_order_date
    FROM (
        SELECT customer_key, paid_date,
               ROW_NUMBER() OVER (PARTITION BY customer_key ORDER BY paid_date, paid_at, order_key) AS nth
        FROM fct_orders WHERE is_paid = 1 AND paid_date <= :as_of
    ) ordered
    WHERE nth <= 2 GROUP BY customer_key HAVING COUNT(*) = 2
"""
STANDING = """
    SELECT c.recency_days, c.ltv_to_date, p.p_alive
    FROM dim_customers c JOIN customer_predictions p ON p.customer_key = c.customer_key
"""


def _figures(run: Run, as_of: date) -> list[Row]:
    import polars as pl

    from cortex.customers import churn, spread
    from cortex.customers import cohorts as counting

    standing = run.warehouse.frame(STANDING).with_columns(pl.col("ltv_to_date", "p_alive").cast(pl.Float64))
    seconds = run.warehouse.frame(SECONDS, as_of=as_of).rename(
        {"first_order_date": "first", "last_order_date": "second"}
    )
    areas: dict[str, dict[str, Any]] = {
        "churn": churn.churn(standing, days=run.tenant.analytics.churn_threshold_days),
        "repeat": counting.returned(
            seconds.with_columns(pl.col("first", "second").cast(pl.Date)), buyers=standing.height
        ),
        "ltv": spread.percentiles(standing["ltv_to_date"]),
        "ltv_histogram": {f"from_{bound}": count for bound, count in spread.histogram(standing["ltv_to_date"]).items()},
    }
    return [
        {"area": area, "figure": name, "value": value, "as_of": as_of}
        for area, named in areas.items()
        for name, value in named.items()
    ]


HOURS = """
    SELECT SUBSTR(created_at, 1, 13) AS written, COUNT(*) AS paid_orders, SUM(paid) AS revenue
    FROM fct_orders WHERE is_paid = 1 AND paid_date <= :as_of GROUP BY SUBSTR(created_at, 1, 13)
"""
"""By the UTC hour: every zone of Brazil is whole hours away; others are told to the hour before."""


def _patterns(warehouse: Warehouse, as_of: date, run: Run) -> list[Row]:
    import polars as pl

    from cortex.warehouse.read import to_cents

    hours = to_cents(warehouse.frame(HOURS, as_of=as_of), "revenue")
    if hours.is_empty():
        return []
    local = (
        (pl.col("written").cast(pl.String) + ":00").str.to_datetime("%Y-%m-%d %H:%M").dt.replace_time_zone("UTC")
        .dt.convert_time_zone(run.tenant.timezone.key)
    )  # fmt: skip
    told = hours.with_columns(weekday=local.dt.weekday().cast(pl.Int64), hour=local.dt.hour().cast(pl.Int64))
    summed = told.group_by("weekday", "hour").agg(
        orders=pl.col("paid_orders").cast(pl.Int64).sum(), revenue=pl.col("revenue").sum()
    )
    return _in_money(summed.sort("weekday", "hour"), "revenue")
