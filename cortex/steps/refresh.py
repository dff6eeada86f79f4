"""Refresh: sums per day, rebuilt for the days that were touched."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING

from cortex.run import Outcome, Run, Step
from cortex.steps.credit import SETTLING
from cortex.warehouse import tables

if TYPE_CHECKING:
    from cortex.tenant import Tenant

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
    run.warehouse.atomically(lambda tx: tx.replace(tables.agg_daily_sales, {"day": (since, until)}, rows))
    days = len({row["day"] for row in rows})
    return Outcome(len(rows), f"{days} days", {"days": days})
