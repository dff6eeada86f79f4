"""The checks of loaded data: silent over a sound client, and each sees the one thing that was broken for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cortex import tenant as tenants
from cortex.clock import Window
from cortex.errors import QualityGate
from cortex.run import Run
from cortex.secrets import Vault
from cortex.steps import quality, refresh
from cortex.warehouse import Transaction, Warehouse, tables
from cortex.workspace import Workspace
from tests.rooms.warehouse_rows import DAY, NOON, key, order, row, spend

WEEK = Window(DAY - timedelta(6), DAY + timedelta(1))
ORDERS = 12
"""A day: enough for a usual number."""

Break = Callable[[Transaction], object]


def run_of(warehouse: Warehouse, workspace: Workspace, run_id: str = "r1", **sections: Any) -> Run:
    file = {
        "client": {"name": "Loja", "code": warehouse.code, "timezone": "America/Sao_Paulo"},
        "ecommerce": {"platform": "olist", "path": "x"},
        **sections,
    }
    (workspace.tenants / f"{warehouse.code}.yaml").write_text(json.dumps(file), encoding="utf-8")
    tenant = tenants.load(workspace, warehouse.code)
    return Run(tenant, WEEK, workspace, warehouse, Vault(tenant.code, workspace.root, {}), lambda: NOON, run_id)


@pytest.fixture
def sound(warehouse: Warehouse, workspace: Workspace) -> Warehouse:
    """Thirty days of orders with everything that belongs to them."""
    days = [DAY - timedelta(offset) for offset in range(30)]
    names = [f"{day}-{n}" for day in days for n in range(ORDERS)]
    day_of = {f"{day}-{n}": day for day in days for n in range(ORDERS)}
    about = {"number": "", "subtotal": Decimal("100.00"), "platform": "olist"}
    rows: dict[str, list[dict[str, Any]]] = {
        "fct_orders": [
            order(name, order_date=day_of[name], paid_date=day_of[name], **(about | {"number": name})) for name in names
        ],
        "fct_order_items": [
            row(tables.fct_order_items, order_key=key(name), line=1, product_id="p", total=Decimal("100.00"))
            for name in names
        ],
        "fct_payments": [
            row(tables.fct_payments, order_key=key(name), sequence=1, method="pix", amount=Decimal("100.00"), paid_at=NOON)
            for name in names
        ],
        "fct_attribution": [
            row(
                tables.fct_attribution, order_key=key(name), model=model, position=at, order_date=day_of[name], channel="meta",
                weight=Decimal("0.5"), attributed_revenue=Decimal("50.00"),
            )
            for name in names for model in ("last_click", "linear") for at in (1, 2)
        ],
        "fct_ad_spend": [spend(day, "10.00", currency="BRL", campaign_id="c1") for day in days],
        "dim_campaigns": [row(tables.dim_campaigns, platform="meta", campaign_id="c1")],
    }  # fmt: skip

    def fill(tx: Transaction) -> None:
        for table, of_table in rows.items():
            tx.upsert(table, of_table)

    warehouse.atomically(fill)
    run = run_of(warehouse, workspace)
    # One row per order and model in last_click, or sums over channels would count an order twice.
    warehouse.atomically(lambda tx: tx.run("DELETE FROM fct_attribution WHERE model = 'last_click' AND position = 2"))
    warehouse.atomically(
        lambda tx: tx.run("UPDATE fct_attribution SET attributed_revenue = 100 WHERE model = 'last_click'")
    )
    refresh.refresh_all(run)
    return warehouse


def failures(warehouse: Warehouse, run_id: str = "r1") -> set[tuple[str, str]]:
    rows = warehouse.rows(
        "SELECT rule, part FROM rpt_data_quality WHERE run_id = :run_id AND status = 'failed'", run_id=run_id
    )
    return {(row["rule"], row["part"]) for row in rows}


def test_a_sound_client_passes_everything(sound: Warehouse, workspace: Workspace) -> None:
    run = run_of(sound, workspace)
    outcome = quality.check(run)
    assert failures(sound) == set()
    assert outcome.facts["failed"] == 0
    assert run.notices == []
    found = {row["rule"] for row in sound.rows("SELECT rule FROM dq_results")}
    # Files have no stream to be late and no count of their own.
    assert found == {rule.name for rule in quality.RULES} - {"freshness", "announced"}
    assert quality.check(run).rows == outcome.rows


def put(table: str, **given: Any) -> Break:
    return lambda tx: tx.upsert(table, [row(tables.TENANT.tables[table], **given)])


def sql(text: str) -> Break:
    return lambda tx: tx.run(text)


def aside(stream: str, count: int) -> list[dict[str, Any]]:
    return [row(tables.quarantine, stream=stream, record_key=str(n), reason="x", run_id="r1") for n in range(count)]


ONE = key(f"{DAY}-1")
BREAKS: list[tuple[str, str, Break]] = [
    ("volume", "fct_orders", sql(f"UPDATE fct_orders SET is_test = 1 WHERE order_date = '{DAY}' AND number <> '{DAY}-1'")),
    ("quarantine", "store.orders", lambda tx: tx.upsert("quarantine", aside("store.orders", 5))),
    ("quarantine", "store.products", lambda tx: tx.upsert("quarantine", aside("store.products", 1))),
    ("nulls", "fct_orders.paid_date", sql("UPDATE fct_orders SET paid_date = NULL WHERE number = '2026-03-10-1'")),
    ("nulls", "fct_orders.currency", sql("UPDATE fct_orders SET currency = '' WHERE number = '2026-03-10-1'")),
    ("nulls", "fct_orders.customer_key", sql("UPDATE fct_orders SET customer_key = '' WHERE number = '2026-03-10-1'")),
    ("products", "fct_order_items.product_id", sql("UPDATE fct_order_items SET product_id = ''")),
    ("duplicates", "fct_orders.number", sql("UPDATE fct_orders SET number = '2026-03-10-1' WHERE number = '2026-03-10-2'")),
    ("duplicates", "fct_payments", put("fct_payments", order_key=ONE, sequence=2, method="pix", amount=Decimal("100.00"), paid_at=NOON)),
    ("childless", "fct_order_items", lambda tx: tx.delete("fct_order_items", {"order_key": ONE})),
    ("sums told", "lines = subtotal", sql(f"UPDATE fct_order_items SET total = 99.98 WHERE order_key = '{ONE}'")),
    ("sums told", "payments = paid", sql(f"UPDATE fct_payments SET amount = 100.02 WHERE order_key = '{ONE}'")),
    ("sums", "agg_daily_sales = fct_orders", sql(f"UPDATE agg_daily_sales SET gross_revenue = gross_revenue + 0.01 WHERE day = '{DAY}'")),
    ("sums", "sales_analytics = fct_orders", sql("DELETE FROM sales_analytics WHERE grain = 'day'")),
    ("sums", "credits = orders", sql(f"UPDATE fct_attribution SET attributed_revenue = 50.01 WHERE order_key = '{ONE}' AND position = 2")),
    ("sums", "fct_attribution", lambda tx: tx.delete("fct_attribution", {"order_key": ONE})),
    ("currency", "fct_ad_spend.currency", sql(f"UPDATE fct_ad_spend SET currency = 'USD' WHERE day = '{DAY}'")),
    ("currency", "fct_ad_spend", sql(f"UPDATE fct_ad_spend SET native_currency = 'USD', exchange_rate = NULL WHERE day = '{DAY}'")),
    ("currency", "fct_orders", sql(f"UPDATE fct_orders SET native_currency = 'USD', exchange_rate = NULL WHERE order_date = '{DAY}'")),
    ("orphans", "fct_ad_spend", lambda tx: tx.delete("dim_campaigns", {})),
    *[
        ("orphans", child, put(child, order_key=key("nobody"), **({"position": 9, "model": "x"} if child == "fct_attribution" else {})))
        for child in quality.CHILDREN
    ],
]  # fmt: skip


@pytest.mark.parametrize(("rule", "part", "broken"), BREAKS, ids=[f"{rule} {part}" for rule, part, _ in BREAKS])
def test_each_check_sees_what_it_is_for(
    sound: Warehouse, workspace: Workspace, rule: str, part: str, broken: Break
) -> None:
    sound.atomically(broken)
    run = run_of(sound, workspace)
    quality.check(run)
    assert (rule, part) in failures(sound)
    assert any(notice.code == "CTX-2103" and notice.message.startswith(f"{rule} {part}") for notice in run.notices)


def test_orders_told_the_same_again_were_read_too(sound: Warehouse, workspace: Workspace) -> None:
    """One record set aside beside hundreds that were not written, because they are known, is no hundred percent."""
    sound.atomically(lambda tx: tx.run("UPDATE fct_orders SET run_id = 'an earlier one'"))
    sound.atomically(lambda tx: tx.upsert("quarantine", aside("store.orders", 1)))
    quality.check(run_of(sound, workspace))
    assert failures(sound) == set()


def test_a_stream_that_was_not_read_is_not_fresh(sound: Warehouse, workspace: Workspace) -> None:
    meta = {"ads": {"meta": {"account_id": "act_1"}}}
    quality.check(run_of(sound, workspace, **meta))
    assert failures(sound) == {("freshness", "ads.meta")}

    def read(until: date) -> None:
        sound.atomically(put("sync_state", stream="ads.meta", complete_until=until))

    read(DAY)
    quality.check(run_of(sound, workspace, "r2", **meta))
    assert failures(sound, "r2") == set()
    read(DAY - timedelta(2))
    quality.check(run_of(sound, workspace, "r3", **meta))
    assert failures(sound, "r3") == {("freshness", "ads.meta")}


def test_few_orders_tell_nothing_of_a_quiet_day(warehouse: Warehouse, workspace: Workspace) -> None:
    quality.check(run_of(warehouse, workspace))
    [told] = warehouse.rows("SELECT status, measured FROM rpt_data_quality WHERE rule = 'volume'")
    assert told == {"status": "unknown", "measured": None}
    assert failures(warehouse) == set()


@pytest.mark.parametrize(
    ("fail_on", "broken", "stops"),
    [
        ("never", "error", False), ("error", "error", True), ("error", "warning", False), ("warning", "warning", True),
        ("warning", "error", True),
    ],
)  # fmt: skip
def test_the_client_says_which_failures_stop_a_run(
    sound: Warehouse, workspace: Workspace, fail_on: str, broken: str, stops: bool
) -> None:
    sound.atomically(
        {"error": sql("DELETE FROM sales_analytics"), "warning": sql("UPDATE fct_order_items SET product_id = ''")}[
            broken
        ]
    )
    run = run_of(sound, workspace, quality={"fail_on": fail_on})
    if not stops:
        quality.check(run)
        return
    with pytest.raises(QualityGate) as caught:
        quality.check(run)
    assert (caught.value.code, caught.value.exit_code) == ("CTX-2103", 8)
    assert failures(sound) != set(), "what failed is kept although the step fails"
