"""What reports ask of thirty days reads thirty days: no fact table of 100,000 orders is read from end to end."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from cortex.warehouse import Warehouse, tables, views
from cortex.warehouse import engine as engines
from tests.rooms.warehouse_rows import key, order, row, spend

ORDERS, DAYS = 100_000, 1000
FIRST = date(2024, 1, 1)
FACTS = {
    "fct_orders", "fct_order_items", "fct_payments", "fct_refunds", "fct_attribution", "fct_ad_spend", "fct_sessions",
    "fct_reviews", "fct_touchpoints", "ad_daily_revision",
}  # fmt: skip
UNIONS = {
    "rpt_daily_performance", "rpt_channel_performance", "rpt_campaign_performance", "rpt_reconciliation",
    "rpt_currencies",
}  # fmt: skip
"""Sums over a union of facts. SQLite pushes no condition through both, so there they read all; small clients live on it."""
BY_DAY = ("day", "order_date")
BY_ORDER = {"rpt_conversion_delivery"}
"""Its day is the order's, paid or else placed: no index has both."""


@pytest.mark.slow
def test_no_report_of_thirty_days_reads_a_whole_fact_table(warehouse: Warehouse) -> None:
    days = [FIRST + timedelta(n) for n in range(DAYS)]
    names = [(f"{n}", days[n % DAYS]) for n in range(ORDERS)]
    for start in range(0, ORDERS, 10_000):
        part = names[start : start + 10_000]

        def fill(tx, part=part):
            tx.upsert("fct_orders", [order(n, order_date=day, paid_date=day) for n, day in part])
            tx.upsert(
                "fct_order_items",
                [row(tables.fct_order_items, order_key=key(n), line=1, seller_id="s") for n, _ in part],
            )
            tx.upsert("fct_payments", [row(tables.fct_payments, order_key=key(n), sequence=1) for n, _ in part])
            tx.upsert(
                "fct_attribution",
                [
                    row(tables.fct_attribution, order_key=key(n), model="linear", position=1, order_date=day)
                    for n, day in part
                ],
            )
            tx.upsert(
                "fct_touchpoints",
                [row(tables.fct_touchpoints, order_key=key(n), position=1, channel="meta") for n, _ in part],
            )

        warehouse.atomically(fill)

    def rest(tx):
        tx.upsert("fct_ad_spend", [spend(day, "1.00", ad_id=str(ad)) for day in days for ad in range(20)])
        tx.upsert("fct_sessions", [row(tables.fct_sessions, day=day, source=str(n)) for day in days for n in range(20)])
        tx.upsert(
            "fct_reviews",
            [
                row(tables.fct_reviews, order_key=key(n), review_id=n, review_date=day, score=5)
                for n, day in names[:20_000]
            ],
        )
        tx.upsert(
            "fct_refunds",
            [
                row(tables.fct_refunds, order_key=key(n), refund_id="1", refund_date=day, amount=Decimal(1))
                for n, day in names[:5_000]
            ],
        )
        tx.upsert(
            "ad_daily_revision",
            [row(tables.ad_daily_revision, day=day, ad_id=str(ad), revision=1) for day in days for ad in range(5)],
        )

    warehouse.atomically(rest)
    whole = {}
    with engines.reading(warehouse._engine, warehouse._place) as connection:
        for name in sorted(FACTS) if warehouse.dialect == "mysql" else ():
            connection.execute(text(f"ANALYZE TABLE {name}"))
        for view in views.bundled_views():
            named = [name for name in BY_DAY if name in view.types]
            if not named:
                continue
            found = _read_whole(connection, warehouse.dialect, view, named[0])
            if found:
                whole[view.name] = found
    allowed = BY_ORDER | (UNIONS if warehouse.dialect == "sqlite" else set())
    assert {name: found for name, found in whole.items() if name not in allowed} == {}


def _read_whole(connection, dialect: str, view: views.View, day: str) -> set[str]:
    """Fact tables the plan reads from end to end for thirty days of a view."""
    since = FIRST + timedelta(500)
    asked = f"SELECT * FROM {view.name} WHERE {day} >= '{since}' AND {day} < '{since + timedelta(30)}'"
    names = dict(re.findall(r"(?:FROM|JOIN)\s+([a-z_0-9]+)\s+([a-z]+)\b", view.select))
    facts = {alias: table for table, alias in names.items() if table in FACTS}
    facts |= {table: table for table in FACTS}
    if dialect == "sqlite":
        steps = [plan[3] for plan in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}")]
        scanned = [step.split()[1] for step in steps if step.startswith("SCAN") and "INDEX" not in step]
    else:
        scanned = [
            plan["table"] for plan in connection.exec_driver_sql(f"EXPLAIN {asked}").mappings() if plan["type"] == "ALL"
        ]
    return {facts[alias] for alias in scanned if alias in facts}
