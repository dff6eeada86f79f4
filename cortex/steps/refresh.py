"""Refresh: sums per day, week and month, rebuilt for the days that were touched; cohorts and places, from orders."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING

from cortex.run import Outcome, Run, Step
from cortex.steps.credit import SETTLING
from cortex.warehouse import tables

if TYPE_CHECKING:
    from cortex.tenant import Tenant
    from cortex.warehouse import Transaction

FIRST, LAST = date(1970, 1, 1), date(2100, 1, 1)
SALES = """
    SELECT day, channel, SUM(orders) AS orders, SUM(new_customers) AS new_customers, SUM(items) AS items,
           SUM(gross_revenue) AS gross_revenue, SUM(refunds) AS refunds, SUM(discounts) AS discounts,
           SUM(shipping) AS shipping
    FROM (
        SELECT o.paid_date AS day, COALESCE(a.channel, 'unattributed') AS channel, 1 AS orders,
               o.is_new_customer AS new_customers, o.items AS items, o.paid AS gross_revenue, 0 AS refunds,
               o.discount AS discounts, o.shipping AS shipping
        FROM fct_orders o
        LEFT JOIN fct_attribution a ON a.order_key = o.order_key AND a.model = 'last_click'
        WHERE o.is_paid = 1 AND o.paid_date >= :since AND o.paid_date < :until
        UNION ALL
        SELECT r.refund_date, COALESCE(a.channel, 'unattributed'), 0, 0, 0, 0, r.amount, 0, 0
        FROM fct_refunds r
        JOIN fct_orders o ON o.order_key = r.order_key AND o.is_paid = 1
        LEFT JOIN fct_attribution a ON a.order_key = r.order_key AND a.model = 'last_click'
        WHERE r.refund_date >= :since AND r.refund_date < :until
    ) days
    GROUP BY day, channel
"""

GRAINS = {"day": "t.day", "week": "d.week_start", "month": "d.month_start"}
PERIODS = """
    SELECT {start} AS period_start, SUM(t.orders) AS orders, COUNT(DISTINCT t.customer_key) AS buyers,
           SUM(t.new_customers) AS new_customers, SUM(t.items) AS items, SUM(t.gross_revenue) AS gross_revenue,
           SUM(t.refunds) AS refunds, COUNT(DISTINCT t.refunded_key) AS refunded_orders, SUM(t.spend) AS spend,
           SUM(t.sessions) AS sessions
    FROM (
        SELECT o.paid_date AS day, 1 AS orders, o.customer_key AS customer_key, o.is_new_customer AS new_customers,
               o.items AS items, o.paid AS gross_revenue, 0.00 AS refunds, NULL AS refunded_key, 0.00 AS spend,
               0 AS sessions
        FROM fct_orders o WHERE o.is_paid = 1 AND o.paid_date >= :since AND o.paid_date < :until
        UNION ALL
        SELECT r.refund_date, 0, NULL, 0, 0, 0.00, r.amount, r.order_key, 0.00, 0
        FROM fct_refunds r JOIN fct_orders o ON o.order_key = r.order_key AND o.is_paid = 1
        WHERE r.refund_date >= :since AND r.refund_date < :until
        UNION ALL
        SELECT s.day, 0, NULL, 0, 0, 0.00, 0.00, NULL, s.spend, 0
        FROM fct_ad_spend s WHERE s.day >= :since AND s.day < :until
        UNION ALL
        SELECT g.day, 0, NULL, 0, 0, 0.00, 0.00, NULL, 0.00, g.sessions
        FROM fct_sessions g WHERE g.day >= :since AND g.day < :until
    ) t
    JOIN dim_dates d ON d.day = t.day
    GROUP BY {start}
"""
"""Days outside the calendar (2015-2035) have no week, and stay out: agg_daily_sales has them."""


def sales(_tenant: Tenant) -> Iterator[Step]:
    """The days the window and its settling time may have changed."""
    yield Step("aggregates", refresh_window, needs=("attribution",))


def everything(_tenant: Tenant) -> Iterator[Step]:
    """Every day."""
    yield Step("aggregates", refresh_all, needs=("attribution",))


def refresh_window(run: Run) -> Outcome:
    """agg_daily_sales from the settling days on. An order that changed may be older: its day is rebuilt too."""
    touched = run.warehouse.rows(
        "SELECT MIN(paid_date) AS since FROM fct_orders WHERE run_id = :run_id AND paid_date IS NOT NULL",
        run_id=run.run_id,
    )[0]["since"]
    since = run.window.since - SETTLING
    return _rebuild(run, min(since, date.fromisoformat(str(touched))) if touched else since, LAST)


def refresh_all(run: Run) -> Outcome:
    return _rebuild(run, FIRST, LAST)


def _rebuild(run: Run, since: date, until: date) -> Outcome:
    from cortex.warehouse.read import money

    rows = money(
        run.warehouse.frame(SALES, since=since, until=until), "gross_revenue", "refunds", "discounts", "shipping"
    ).to_dicts()
    # A week or a month is touched when one of its days is.
    monday, first = since - timedelta(days=since.weekday()), since.replace(day=1)
    starts = {"day": since, "week": monday, "month": first}
    periods = [row for grain, start in starts.items() for row in _periods(run, grain, start, until)]

    def write(tx: Transaction) -> None:
        tx.replace(tables.agg_daily_sales, {"day": (since, until)}, rows)
        for grain, start in starts.items():
            mine = [row for row in periods if row["grain"] == grain]
            tx.replace(tables.sales_analytics, {"grain": grain, "period_start": (start, until)}, mine)

    run.warehouse.atomically(write)
    days = len({row["day"] for row in rows})
    return Outcome(len(rows), f"{days} days", {"days": days})


def _periods(run: Run, grain: str, since: date, until: date) -> list[dict[str, object]]:
    from cortex.warehouse.read import money

    frame = run.warehouse.frame(PERIODS.format(start=GRAINS[grain]), since=since, until=until)
    return [{"grain": grain} | row for row in money(frame, "gross_revenue", "refunds", "spend").to_dicts()]


def cohorts(_tenant: Tenant) -> Iterator[Step]:
    yield Step("customers.cohorts", refresh_cohorts)


def refresh_cohorts(run: Run) -> Outcome:
    """customer_cohorts, whole, from rpt_ltv_cohort: the newest month of each cohort holds its sums."""
    from decimal import Decimal

    cells = run.warehouse.rows(
        "SELECT cohort_month, month, customers, repeat_customers, orders, cumulative_revenue, spend FROM rpt_ltv_cohort"
        " ORDER BY cohort_month, month"
    )
    found: dict[date, dict[str, object]] = {}
    orders: dict[date, int] = {}
    for cell in cells:
        at = cell["cohort_month"]
        orders[at] = orders.get(at, 0) + cell["orders"]
        found[at] = {
            "cohort_month": at,
            "customers": cell["customers"],
            "repeat_customers": cell["repeat_customers"],
            "total_orders": orders[at],
            "revenue": cell["cumulative_revenue"],
            "ltv": Decimal(cell["cumulative_revenue"]) / cell["customers"],
            "spend": cell["spend"],
            "months": cell["month"],
            "as_of": run.window.last,
        }
    run.warehouse.atomically(lambda tx: tx.replace(tables.customer_cohorts, {}, list(found.values())))
    return Outcome(len(found), f"{len(found)} cohorts")
