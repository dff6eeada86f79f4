"""Showing: what every front door shows of a client, one query a subject, read from the rpt_ views."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from cortex.clock import Window
from cortex.steps import reporting

if TYPE_CHECKING:
    from cortex.tenant import Tenant
    from cortex.warehouse import Warehouse

Rows = list[dict[str, Any]]
CHANNELS = """
    SELECT channel, MIN(name_pt) AS name_pt, MIN(name_en) AS name_en, MIN(name_es) AS name_es, MIN(is_paid) AS is_paid,
           SUM(attributed_revenue) AS attributed_revenue, SUM(orders) AS orders, SUM(new_customers) AS new_customers,
           SUM(impressions) AS impressions, SUM(clicks) AS clicks, SUM(spend) AS spend,
           1.0 * SUM(attributed_revenue) / NULLIF(SUM(spend), 0) AS roas,
           1.0 * SUM(spend) / NULLIF(SUM(new_customers), 0) AS cac
    FROM rpt_channel_performance WHERE model = :model AND day >= :since AND day < :until
    GROUP BY channel ORDER BY MIN(sort_order), channel
"""
BY_STATUS = """
    SELECT status, payment_status, is_test, SUM(orders) AS orders, SUM(total) AS total, SUM(paid) AS paid,
           SUM(refunded) AS refunded
    FROM rpt_orders_by_status WHERE day >= :since AND day < :until
    GROUP BY status, payment_status, is_test ORDER BY status, payment_status, is_test
"""
ENDS = """
    SELECT (SELECT MIN(order_date) FROM fct_orders) AS first_order, (SELECT MAX(order_date) FROM fct_orders) AS last_order,
           (SELECT MAX(paid_date) FROM fct_orders) AS last_payment,
           (SELECT MIN(day) FROM fct_ad_spend) AS first_spend, (SELECT MAX(day) FROM fct_ad_spend) AS last_spend
"""
"""Found in indexes: rpt_daily_performance would add up all days to say which is the first."""
CELLS = "SELECT * FROM rpt_cohort_cells WHERE grain = :grain AND channel = :channel ORDER BY cohort, period"


def extent(warehouse: Warehouse) -> Window:
    """The local days there is anything to show of. Raises DatabaseError CTX-5064 when nothing has been loaded.

    Today is one of them once the hourly run has read it; `reporting.last_day` is the last that is whole.
    """
    last = reporting.last_day(warehouse)
    ends = [_day(value) for value in warehouse.rows(ENDS)[0].values() if value is not None]
    return Window(min([last, *ends]), max([last, *ends]) + timedelta(days=1))


def daily(warehouse: Warehouse, window: Window) -> Rows:
    """A row for each day of the window (tenant-local days) on which anything happened."""
    return _between(warehouse, reporting.DAILY, window)


def channels(warehouse: Warehouse, window: Window, model: str) -> Rows:
    """What a model credits each channel with in the window, and what it cost."""
    return _between(warehouse, CHANNELS, window, model=model)


def orders_by_status(warehouse: Warehouse, window: Window) -> Rows:
    """Orders placed in the window by what has become of them."""
    return _between(warehouse, BY_STATUS, window)


def deliveries(warehouse: Warehouse, window: Window) -> Rows:
    """What has become of the sales of the window at each destination."""
    return _between(warehouse, reporting.DELIVERIES, window)


def products(warehouse: Warehouse, window: Window, top: int) -> Rows:
    """The products that sold for most in the window."""
    return _between(warehouse, reporting.PRODUCTS, window, top=top)


def segments(warehouse: Warehouse) -> Rows:
    """The eleven RFM segments as the last weekly run found them, best first."""
    return warehouse.rows("SELECT * FROM rpt_rfm_segments ORDER BY sort_order")


def cohort_cells(warehouse: Warehouse, grain: str, channel: str = "") -> Rows:
    """What buyers did since the month or week of their first order; a period that has not ended is empty.

    channel: only buyers it won (by month); empty for all.
    """
    return warehouse.rows(CELLS, grain=grain, channel=channel)


def freshness(warehouse: Warehouse) -> Rows:
    """Up to where each stream has been read, and what is missing of it."""
    return warehouse.rows("SELECT * FROM rpt_data_freshness ORDER BY stream")


def alerts(warehouse: Warehouse, tenant: Tenant, lang: str) -> Rows:
    """What is wrong now, the worst first, with title and message also in the reader's language."""
    found = warehouse.rows("SELECT * FROM rpt_open_alerts ORDER BY urgency, last_seen_at DESC, alert_id")
    return [row | told(row, tenant, lang) for row in found]


def told(alert: Mapping[str, Any], tenant: Tenant, lang: str) -> dict[str, Any]:
    """The facts of an alert as the mapping they are, and its words in the reader's language."""
    from cortex.reports import alerts as words

    return {
        "facts": json.loads(alert["facts"]),
        "title_told": words.title(alert, lang, tenant.currency),
        "message_told": words.message(alert, lang, tenant.currency),
    }


def _between(warehouse: Warehouse, sql: str, window: Window, **given: Any) -> Rows:
    return warehouse.rows(sql, since=window.since, until=window.until, **given)


def _day(value: date | str) -> date:
    """SQLite gives the day of a MIN or MAX as text."""
    return date.fromisoformat(value) if isinstance(value, str) else value
