"""What the weekly run writes about buyers and products: the same on every engine, and what a slow reader of the orders finds."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cortex import tenant as tenants
from cortex.clock import Window
from cortex.run import Run
from cortex.secrets import Vault
from cortex.steps import insight, predict, sold, value
from cortex.warehouse import Transaction, Warehouse, tables
from cortex.workspace import Workspace
from tests.rooms.warehouse_rows import NOON, key, order, row, spend

LAST = date(2026, 10, 20)
FIRST = LAST - timedelta(days=420)
SPENT_SINCE = date(2026, 7, 1)
NEW = ("rpt_cohort_cells", "rpt_cohort_payback", "rpt_customer_value", "rpt_customer_models", "rpt_customer_predictions",
       "rpt_rfm_segments", "rpt_insight_figures", "rpt_purchase_patterns", "rpt_product_classes", "rpt_price_ranges",
       "rpt_categories", "rpt_customer_places")  # fmt: skip
STEPS = (value.customer_value, value.rfm, predict.predict_customers, value.abc, sold.product_classes,
         insight.cohort_cells, insight.customer_worth)  # fmt: skip
Rows = dict[str, list[dict[str, Any]]]


def shop(buyers: int = 400, seed: int = 3) -> Rows:
    """A shop of two channels whose buyers come back or stay away; a tenth of its goods have no known cost."""
    rng = random.Random(seed)
    rows: Rows = defaultdict(list)
    for buyer in range(buyers):
        day, channel, nth = FIRST + timedelta(days=rng.randrange(400)), rng.choice(["meta", "organic"]), 0
        leaves = rng.betavariate(0.8, 2)
        pace, basket = rng.gammavariate(1.2, 35), rng.gammavariate(6, 25)
        while day <= LAST:
            _sale(rows, rng, f"b{buyer:04}", f"{buyer}-{nth}", day, channel, basket)
            nth += 1
            if rng.random() < leaves:
                break
            day += timedelta(days=max(0, round(rng.expovariate(1 / max(pace, 2)))))
    day = SPENT_SINCE
    while day <= LAST:
        rows["fct_ad_spend"].append(spend(day, "25.00", platform="meta"))
        day += timedelta(days=1)
    return rows


def _sale(rows: Rows, rng: random.Random, buyer: str, name: str, day: date, channel: str, basket: float) -> None:
    paid = Decimal(str(round(rng.gammavariate(6, basket / 6), 2))) + 1
    back = paid if rng.random() < 0.03 else Decimal(0)
    at = datetime(day.year, day.month, day.day, rng.randrange(3, 24), 30, tzinfo=UTC)
    rows["fct_orders"].append(
        order(
            name, customer_key=key(buyer), paid=paid, refunded=back, paid_date=day, paid_at=at, created_at=at,
            state=rng.choice(["SP", "SP", "SP", "RJ"]) if buyer != "b0000" else "AC", shipping=Decimal("10.00"),
        )
    )  # fmt: skip
    if back:
        rows["fct_refunds"].append(
            row(
                tables.fct_refunds, order_key=key(name), refund_id="1", refund_date=day + timedelta(days=5), amount=back
            )
        )
    product = rng.choice("pppqrs")
    rows["fct_order_items"].append(
        row(
            tables.fct_order_items, order_key=key(name), line=1, product_id=product, platform="nuvemshop", quantity=1,
            name=f"Product {product}", category="casa" if product in "pq" else "moda", unit_price=paid, total=paid,
            unit_cost=None if product == "s" else Decimal("20.00"),
        )
    )  # fmt: skip
    rows["fct_attribution"].append(
        row(
            tables.fct_attribution, order_key=key(name), model="last_click", position=1, channel=channel, order_date=day
        )
    )


def fill(warehouse: Warehouse, rows: Rows) -> None:
    def write(tx: Transaction) -> None:
        for table, of_table in rows.items():
            tx.upsert(table, of_table)

    warehouse.atomically(write)


def run_of(warehouse: Warehouse, workspace: Workspace, last: date = LAST) -> Run:
    file = {
        "client": {"name": "Loja", "code": warehouse.code, "timezone": "America/Sao_Paulo"},
        "ecommerce": {"platform": "olist", "path": "x"},
    }
    (workspace.tenants / f"{warehouse.code}.yaml").write_text(json.dumps(file), encoding="utf-8")
    tenant = tenants.load(workspace, warehouse.code)
    window = Window(last - timedelta(days=6), last + timedelta(days=1))
    return Run(tenant, window, workspace, warehouse, Vault(tenant.code, workspace.root, {}), lambda: NOON, "r1")


@pytest.fixture
def valued(both_engines: list[Warehouse], workspace: Workspace) -> tuple[list[Warehouse], Rows]:
    rows = shop()
    for warehouse in both_engines:
        fill(warehouse, rows)
        run = run_of(warehouse, workspace)
        for step in STEPS:
            step(run)
        assert run.notices == []
    return both_engines, rows


def told(warehouse: Warehouse, view: str, where: str = "1 = 1") -> list[dict[str, Any]]:
    return warehouse.rows(f"SELECT * FROM {view} WHERE {where}")


def test_what_the_weekly_run_writes(valued: tuple[list[Warehouse], Rows], workspace: Workspace) -> None:
    warehouses, rows = valued
    first = warehouses[0]
    dumps = [
        {view: sorted(told(warehouse, view), key=lambda one: [str(cell) for cell in one.values()]) for view in NEW}
        for warehouse in warehouses
    ]
    for view in NEW:
        assert dumps[0][view], view
        assert all(dump[view] == dumps[0][view] for dump in dumps), view
    _by_hand(first, rows)
    # Again, on a day later on which one buyer's orders are found to be a test: the same rows, without that buyer.
    first.atomically(lambda tx: tx.run("UPDATE fct_orders SET is_paid = 0 WHERE customer_key = :who", who=key("b0001")))
    run = run_of(first, workspace)
    for step in STEPS * 2:
        step(run)
    assert not told(first, "rpt_customer_predictions", f"customer_key = '{key('b0001')}'")
    assert len(told(first, "rpt_customer_predictions")) == len(dumps[0]["rpt_customer_predictions"]) - 1


def _by_hand(warehouse: Warehouse, rows: Rows) -> None:
    """Cohorts, payback, worth and repeat buyers as a slow reader of the rows counts them."""
    orders: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in sorted(rows["fct_orders"], key=lambda one: (one["paid_date"], one["paid_at"], one["order_key"])):
        orders[one["customer_key"]].append(one)
    channel_of = {one["order_key"]: one["channel"] for one in rows["fct_attribution"]}
    born = {buyer: theirs[0]["paid_date"].replace(day=1) for buyer, theirs in orders.items()}
    month = date(2026, 8, 1)
    mine = {
        buyer for buyer, start in born.items() if start == month and channel_of[orders[buyer][0]["order_key"]] == "meta"
    }
    cells = {
        cell["period"]: cell
        for cell in told(
            warehouse, "rpt_cohort_cells", "grain = 'month' AND channel = 'meta' AND cohort = '2026-08-01'"
        )
    }
    assert sorted(cells) == [0, 1, 2]
    assert (cells[2]["customers"], cells[2]["active"], cells[2]["ltv"]) == (len(mine), None, None)
    september = [one for buyer in mine for one in orders[buyer] if one["paid_date"].month == 9]
    assert cells[1]["active"] == len({one["customer_key"] for one in september})
    whose = {one["order_key"]: one["customer_key"] for one in rows["fct_orders"]}
    back = [
        one["amount"]
        for one in rows["fct_refunds"]
        if whose[one["order_key"]] in mine and one["refund_date"].month == 9
    ]
    assert cells[1]["revenue"] == sum(one["paid"] for one in september) - sum(back)
    [paid] = told(warehouse, "rpt_cohort_payback", "channel = 'meta' AND cohort = '2026-08-01'")
    assert paid["spend"] == Decimal("775.00")
    assert paid["cac"] == (Decimal(775) / len(mine)).quantize(Decimal("0.01"))
    assert paid["payback_month"] == min((at for at in (0, 1) if cells[at]["ltv"] >= paid["cac"]), default=None)
    [early] = told(warehouse, "rpt_cohort_payback", "channel = 'meta' AND cohort = '2026-05-01'")
    assert early["spend"] is early["cac"] is early["ltv_to_cac"] is None
    [every] = told(warehouse, "rpt_customer_value", "dimension = 'all'")
    net = sum(one["paid"] - one["refunded"] for one in rows["fct_orders"])
    assert (every["customers"], every["revenue"], every["margin"]) == (len(orders), net, None)
    ripe = [theirs for theirs in orders.values() if theirs[0]["paid_date"] <= LAST - timedelta(days=364)]
    within = sum(
        one["paid"] - one["refunded"]
        for theirs in ripe for one in theirs if (one["paid_date"] - theirs[0]["paid_date"]).days < 365
    )  # fmt: skip
    assert (every["window_customers"], every["ltv_window"]) == (
        len(ripe), (within / len(ripe)).quantize(Decimal("0.01")),
    )  # fmt: skip
    won = [theirs for theirs in orders.values() if theirs[0]["paid_date"] >= SPENT_SINCE]
    assert every["cac"] == (every["spend"] / len(won)).quantize(Decimal("0.01"))
    # Buyers whose every order has a known cost have a margin; one order of product s hides that of a group.
    costed = {buyer for buyer, theirs in orders.items() if not _uncosted(rows, theirs)}
    assert 0 < len(costed) < len(orders)
    for dimension in ("channel", "cohort", "product", "segment", "tier"):
        parts = told(warehouse, "rpt_customer_value", f"dimension = '{dimension}'")
        assert sum(part["customers"] for part in parts) == len(orders), dimension
        assert sum(part["revenue"] for part in parts) == net, dimension
    figures = {(one["area"], one["figure"]): one["value"] for one in told(warehouse, "rpt_insight_figures")}
    assert figures["repeat", "repeat_customers"] == sum(len(theirs) > 1 for theirs in orders.values())
    assert figures["churn", "churned_by_rule"] == sum(
        (LAST - theirs[-1]["paid_date"]).days > 90 for theirs in orders.values()
    )
    assert sum(one["customers"] for one in told(warehouse, "rpt_rfm_segments")) == len(orders)
    assert [one["state"] for one in told(warehouse, "rpt_customer_places", "customers < 5")] in ([], ["other"])
    assert sum(one["orders"] for one in told(warehouse, "rpt_purchase_patterns")) == len(rows["fct_orders"])


def _uncosted(rows: Rows, orders: list[dict[str, Any]]) -> bool:
    keys = {one["order_key"] for one in orders}
    return any(line["order_key"] in keys and line["unit_cost"] is None for line in rows["fct_order_items"])
