"""What the weekly run writes about buyers and products: the same on every engine, and what a slow reader of the orders finds."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from cortex import tenant as tenants
from cortex.cli.app import main
from cortex.clock import Window
from cortex.run import Run
from cortex.secrets import Vault
from cortex.steps import insight, performance, predict, sold, value
from cortex.warehouse import Transaction, Warehouse, tables
from cortex.workspace import Workspace
from tests.rooms.warehouse_rows import NOON, key, order, row, spend

LAST = date(2026, 10, 20)
FIRST = LAST - timedelta(days=420)
SPENT_SINCE = date(2026, 7, 1)
NEW = ("rpt_cohort_cells", "rpt_cohort_payback", "rpt_customer_value", "rpt_customer_models", "rpt_customer_predictions",
       "rpt_rfm_segments", "rpt_insight_figures", "rpt_purchase_patterns", "rpt_product_classes", "rpt_price_ranges",
       "rpt_categories", "rpt_customer_places", "rpt_customer_cities")  # fmt: skip
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


def run_of(warehouse: Warehouse, workspace: Workspace, last: date = LAST, **sections: Any) -> Run:
    file = sections | {
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
    left = {row["customer_key"]: row["margin"] for row in told(warehouse, "rpt_customer_predictions")}
    assert {buyer for buyer, margin in left.items() if margin is not None} == costed
    for buyer in costed:
        # Everything a refunded order cost comes back with it.
        assert left[buyer] == sum(one["paid"] - 30 for one in orders[buyer] if not one["refunded"])
    _cohort_margin(warehouse, rows, orders)
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
    for view in ("rpt_customer_places", "rpt_customer_cities"):
        assert sum(one["customers"] for one in told(warehouse, view)) == len(orders)
        assert told(warehouse, view, "customers < 5") == []
    assert "AC" not in {one["state"] for one in told(warehouse, "rpt_customer_places")}, "one buyer alone is told of"
    bars = {int(name[5:]): value for (area, name), value in figures.items() if area == "ltv_histogram"}
    worth = [sum(one["paid"] - one["refunded"] for one in theirs) for theirs in orders.values()]
    second = sorted(bars)[1]
    assert bars[0] == sum(value < second for value in worth)
    assert sum(bars.values()) == len(worth)
    assert sum(one["orders"] for one in told(warehouse, "rpt_purchase_patterns")) == len(rows["fct_orders"])


def _cohort_margin(warehouse: Warehouse, rows: Rows, orders: dict[str, list[dict[str, Any]]]) -> None:
    """Margin per customer of one week's cohort, whose costs are known, refunds in the week they were given."""
    cells = told(warehouse, "rpt_cohort_cells", "grain = 'week' AND ltv_margin IS NOT NULL")
    weeks = {cell["cohort"]: cell for cell in sorted(cells, key=lambda cell: cell["period"])}
    refunds = {one["order_key"]: one["refund_date"] for one in rows["fct_refunds"]}
    judged = 0
    for monday, cell in weeks.items():
        end = monday + timedelta(days=7 * cell["period"] + 6)
        mine = [theirs for theirs in orders.values() if monday <= theirs[0]["paid_date"] <= monday + timedelta(days=6)]
        bought = [one for theirs in mine for one in theirs if one["paid_date"] <= end]
        kept = [one for one in bought if refunds.get(one["order_key"], LAST) > end or not one["refunded"]]
        judged += any(one["refunded"] and refunds[one["order_key"]] <= end for one in bought)
        assert abs(cell["ltv_margin"] - sum(one["paid"] - 30 for one in kept) / len(mine)) <= Decimal("0.01")
    assert judged


def _uncosted(rows: Rows, orders: list[dict[str, Any]]) -> bool:
    keys = {one["order_key"] for one in orders}
    return any(line["order_key"] in keys and line["unit_cost"] is None for line in rows["fct_order_items"])


@pytest.fixture
def client(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> str:
    """A client in SQLite files, valued by the weekly steps."""
    from cortex.warehouse import provision

    monkeypatch.setenv("CORTEX_DATABASE_URL", "sqlite")
    provision.apply("sqlite", "loja", workspace.state)
    with Warehouse.open("sqlite", "loja", workspace.state) as warehouse:
        fill(warehouse, shop())
        run = run_of(warehouse, workspace)
        for step in STEPS:
            step(run)
    return "loja"


def analyze(capsys: pytest.CaptureFixture[str], workspace: Workspace, *words: str) -> tuple[int, str, str]:
    code = main(["analyze", *words, "--workspace", str(workspace.root), "--lang", "pt-BR"])
    said = capsys.readouterr()
    return code, said.out, said.err


COMMANDS = (
    ("ltv", "loja"), ("ltv", "loja", "--by", "channel"), ("ltv", "loja", "--by", "cohort"), ("ltv", "loja", "--by", "product"),
    ("ltv", "loja", "--validate"), ("rfm", "loja"), ("cohorts", "loja"), ("cohorts", "loja", "--metric", "ltv", "--channel", "meta"),
    ("cohorts", "loja", "--grain", "week"), ("churn", "loja"), ("repeat", "loja"), ("abc", "loja"), ("products", "loja"),
    ("ltv", "loja", "--by", "segment"), ("ltv", "loja", "--by", "tier"), ("places", "loja"), ("categories", "loja"), ("sellers", "loja"),
)  # fmt: skip


def test_every_command_prints_a_table_and_tells_a_machine(
    client: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    with Warehouse.open("sqlite", client, workspace.state) as warehouse:
        month = warehouse.rows("SELECT * FROM customer_value WHERE dimension = 'cohort'")[-1]
        running = month | {"entry": "2026-10-01", "label": "2026-10-01"}
        warehouse.atomically(lambda tx: tx.upsert(tables.customer_value, [running]))
    for words in COMMANDS:
        code, out, err = analyze(capsys, workspace, *words)
        assert code == 0, (words, err)
        assert out.strip(), words
        assert max(len(line) for line in out.splitlines()) <= 104, (words, max(out.splitlines(), key=len))
        code, out, _ = analyze(capsys, workspace, *words, "--json")
        assert code == 0
        data = json.loads(out)["data"]
        assert data["as_of"] == LAST.isoformat()
        assert any(bool(part) for name, part in data.items() if name != "as_of"), words


def test_json_says_what_the_views_say(client: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = analyze(capsys, workspace, "ltv", client, "--by", "cohort", "--json")
    whole = json.loads(out)
    assert [warning["code"] for warning in whole["warnings"]] == ["cost_unknown"]
    [august] = [group for group in whole["data"]["groups"] if group["entry"] == "2026-08-01"]
    assert (august["payback_month"], august["spend"], august["margin"]) == (0, "775.00", None)
    _, out, _ = analyze(capsys, workspace, "cohorts", client, "--json")
    cells = json.loads(out)["data"]["cells"]
    last = [cell for cell in cells if cell["cohort"] == "2026-09-01"]
    assert [(cell["retention"], cell["revenue"] is None) for cell in last] == [("1.000000", False), (None, True)]
    _, out, _ = analyze(capsys, workspace, "churn", client, "--json")
    told = json.loads(out)["data"]
    assert len(told["at_risk"]) <= 100
    assert told["at_risk"] == sorted(told["at_risk"], key=lambda row: (-Decimal(row["at_stake"]), row["customer_key"]))
    assert all(row["is_probably_gone"] and Decimal(row["p_alive"]) < Decimal("0.5") for row in told["at_risk"])
    _, out, _ = analyze(capsys, workspace, "rfm", client, "--json")
    segments = json.loads(out)["data"]["segments"]
    assert [row["name"] for row in segments][:2] == ["Campeões", "Fiéis"]
    assert sum(row["customers"] for row in segments) == 400
    _, out, _ = analyze(capsys, workspace, "ltv", client, "--validate", "--json")
    held = json.loads(out)["data"]["validation"]
    assert held["cut"] == (LAST - timedelta(days=90)).isoformat()
    assert sum(row["buyers"] for row in held["calibration"]) == held["buyers"]
    assert 0.5 < held["orders_ratio"] < 2


PRICES = {"p": "49.99", "q": "50.00", "r": "199.99", "s": "500.00"}


def test_sellers_categories_and_what_to_do_are_told(
    client: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    with Warehouse.open("sqlite", client, workspace.state) as warehouse:

        def sell(tx: Transaction) -> None:
            tx.run("UPDATE fct_order_items SET seller_id = CASE WHEN product_id = 'p' THEN 'one' ELSE 'two' END")
            for product, price in PRICES.items():
                tx.run("UPDATE fct_order_items SET unit_price = :price WHERE product_id = :id", price=price, id=product)
            tx.upsert(
                tables.dim_sellers,
                [row(tables.dim_sellers, platform="nuvemshop", seller_id="one", city="Santos", state="SP")],
            )
            keys = [one["order_key"] for one in tx.rows("SELECT order_key FROM fct_order_items WHERE product_id = 'p'")]
            scores = [
                row(tables.fct_reviews, order_key=name, review_id=str(at), score=4 + at % 2)
                for at, name in enumerate(keys)
            ]
            tx.upsert(tables.fct_reviews, scores)

        warehouse.atomically(sell)
        sold.product_classes(run_of(warehouse, workspace))
        lines = warehouse.rows(
            "SELECT i.seller_id, i.product_id, i.category, i.total, i.quantity, o.paid_date"
            " FROM fct_order_items i JOIN fct_orders o ON o.order_key = i.order_key WHERE o.paid_date > :since",
            since=LAST - timedelta(days=90),
        )
    _, out, _ = analyze(capsys, workspace, "sellers", client, "--json")
    data = json.loads(out)["data"]
    [first] = [seller for seller in data["sellers"] if seller["seller_id"] == "one"]
    mine = [line for line in lines if line["seller_id"] == "one"]
    assert Decimal(first["revenue"]) == sum(line["total"] for line in mine)
    assert float(first["item_price"]) == pytest.approx(float(sum(line["total"] for line in mine)) / len(mine))
    assert first["last_order"] == max(line["paid_date"] for line in mine).isoformat()
    assert (first["city"], first["state"], first["reviews"]) == ("Santos", "SP", len(mine))
    assert 4 < Decimal(first["rating"]) < 5
    assert float(data["concentration"]["share_of_20"]) == 1
    _, out, _ = analyze(capsys, workspace, "categories", client, "--json")
    parts = {one["category"]: one for one in json.loads(out)["data"]["categories"]}
    house = [line for line in lines if line["category"] == "casa"]
    assert Decimal(parts["casa"]["margin"]) == sum(line["total"] - 20 for line in house)
    assert parts["moda"]["margin"] is None, "product s has no known cost"
    code, out, _ = analyze(capsys, workspace, "churn", client)
    assert (code, "mbg_nbd: parte que se espera perdida" in out) == (0, True)
    assert any(line.startswith("Em risco: Escreva em nome da loja") for line in out.splitlines())
    _, out, _ = analyze(capsys, workspace, "products", client, "--json")
    shown = json.loads(out)["data"]
    ranges = {one["price_range"]: one["units"] for one in shown["prices"]}
    units = {name: sum(line["product_id"] == name for line in lines) for name in PRICES}
    assert ranges == dict(zip(("0-50", "50-100", "100-200", "500+"), units.values(), strict=True))
    best = shown["best"][0]
    assert float(best["units_per_day"]) == pytest.approx(best["units"] / 90, abs=1e-6)
    with Warehouse.open("sqlite", client, workspace.state) as warehouse:
        warehouse.atomically(lambda tx: tx.run("DELETE FROM dim_customers WHERE recency_days > 20"))
    _, out, _ = analyze(capsys, workspace, "rfm", client, "--json")
    [warning] = json.loads(out)["warnings"]
    assert warning["code"] == "few_customers"


def test_a_cost_the_catalogue_knows_and_a_fee_are_costs(client: str, workspace: Workspace) -> None:
    with Warehouse.open("sqlite", client, workspace.state) as warehouse:

        def tell(tx: Transaction) -> None:
            tx.run("UPDATE dim_products SET cost_price = 20.00 WHERE product_id = 's'")
            tx.run("UPDATE fct_order_items SET sale_fee = 1.50 WHERE product_id = 'p'")

        warehouse.atomically(tell)
        run = run_of(warehouse, workspace)
        predict.predict_customers(run)
        insight.customer_worth(run)
        insight.cohort_cells(run)
        orders = warehouse.rows(
            "SELECT o.paid, o.refunded, i.product_id FROM fct_orders o JOIN fct_order_items i ON i.order_key = o.order_key"
        )
        left = sum(
            one["paid"] - 30 - (Decimal("1.50") if one["product_id"] == "p" else 0)
            for one in orders
            if not one["refunded"]
        )
        [every] = told(warehouse, "rpt_customer_value", "dimension = 'all'")
        assert (every["margin"], every["uncosted_customers"]) == (left, 0)
        cells = told(warehouse, "rpt_cohort_cells", "grain = 'month' AND channel = '' AND ltv IS NOT NULL")
        assert all(cell["ltv_margin"] is not None for cell in cells)
        month = Window(LAST - timedelta(days=29), LAST + timedelta(days=1))
        found = performance.gather(warehouse, run.tenant, month, models=("last_click",), window_days=30)
        assert found.channels["margin"].null_count() == 0


@pytest.mark.parametrize("kind", ["svg", "html"])
def test_charts_are_drawings_without_script(
    kind: str, client: str, workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in COMMANDS:
        file = tmp_path / "charts" / f"{'-'.join(words)}.{kind}"
        code, _, err = analyze(capsys, workspace, *words, "--chart", str(file))
        assert code == 0, err
        text = file.read_text(encoding="utf-8")
        assert "<svg" in text
        assert "<script" not in text
        if kind == "svg":
            assert ET.fromstring(text).tag.endswith("svg")


def test_what_cannot_be_shown_is_refused_by_name(
    client: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, refusal in {
        ("rfm", client, "--chart", "x.png"): "CTX-7102",
        ("ltv", client, "--by", "moon"): "CTX-7103",
        ("cohorts", client, "--metric", "moon"): "CTX-7103",
        ("cohorts", client, "--channel", "moon"): "CTX-7103",
        ("products", client, "--by", "moon"): "CTX-7103",
    }.items():
        code, _, err = analyze(capsys, workspace, *words)
        assert (code, refusal in err) == (2, True), err
    with Warehouse.open("sqlite", client, workspace.state) as warehouse:
        warehouse.atomically(lambda tx: tx.replace(tables.customer_value, {}, []))
    code, _, err = analyze(capsys, workspace, "ltv", client)
    assert code == 5
    assert "CTX-7101" in err
    assert f"cortex run weekly {client}" in err


def test_the_channel_that_won_a_buyer_is_the_one_with_most_credit_by_the_first_model(
    warehouse: Warehouse, workspace: Workspace
) -> None:
    def credit(model: str, position: int, channel: str, weight: str) -> dict[str, Any]:
        return row(
            tables.fct_attribution, order_key=key("o"), model=model, position=position, channel=channel,
            order_date=FIRST, weight=Decimal(weight),
        )  # fmt: skip

    won = order("o", customer_key=key("b"), paid_date=FIRST, is_new_customer=1)
    credits_ = [
        credit("last_click", 4, "direct", "1"), credit("linear", 1, "meta", "0.25"), credit("linear", 2, "meta", "0.25"),
        credit("linear", 3, "email", "0.25"), credit("linear", 4, "direct", "0.25"),
    ]  # fmt: skip
    fill(warehouse, {"fct_orders": [won], "fct_attribution": credits_})
    found = {}
    for models in (["last_click", "linear"], ["linear"]):
        run = run_of(warehouse, workspace, analytics_config={"attribution": {"models": models}})
        value.customer_value(run)
        [buyer] = warehouse.rows("SELECT first_order_channel FROM dim_customers")
        found[models[0]] = buyer["first_order_channel"]
    assert found == {"last_click": "direct", "linear": "meta"}


def test_a_shop_too_small_for_models_gets_averages_and_is_told_so(warehouse: Warehouse, workspace: Workspace) -> None:
    fill(warehouse, shop(buyers=30))
    run = run_of(warehouse, workspace)
    for step in STEPS:
        step(run)
    assert [notice.code for notice in run.notices] == ["too_few_repeat_buyers"]
    models = told(warehouse, "rpt_customer_models")
    assert {(row["model"], row["role"], row["is_used"], row["reason"]) for row in models} == {
        ("average", "orders", 1, "too_few_repeat_buyers"), ("average", "value", 1, "too_few_repeat_buyers"),
    }  # fmt: skip
    assert len(told(warehouse, "rpt_customer_predictions")) == 30


PREDICTED = "SELECT * FROM customer_predictions ORDER BY customer_key"


@pytest.mark.parametrize("buyers", [400, 30])
def test_a_daily_run_asks_the_models_of_the_last_fit(warehouse: Warehouse, workspace: Workspace, buyers: int) -> None:
    fill(warehouse, shop(buyers))
    run = run_of(warehouse, workspace)
    assert predict.predict_again(run).summary == "no models yet: the weekly run fits them"
    for step in (value.customer_value, predict.predict_customers):
        step(run)
    fitted, models = warehouse.rows(PREDICTED), told(warehouse, "customer_models")
    parameters = told(warehouse, "customer_model_parameters")
    run.notices.clear()
    predict.predict_again(run)
    for before, now in zip(fitted, warehouse.rows(PREDICTED), strict=True):
        assert {**before, **{k: v for k, v in now.items() if isinstance(v, Decimal)}} == now
        for name in ("p_alive", "orders_365", "value_365", "clv", "order_value"):
            assert float(now[name]) == pytest.approx(float(before[name]), rel=1e-3, abs=0.011), name
    later = run_of(warehouse, workspace, LAST + timedelta(days=30))
    value.customer_value(later)
    predict.predict_again(later)
    found = warehouse.rows(PREDICTED)
    assert {row["as_of"] for row in found} == {LAST + timedelta(days=30)}
    assert sum(row["p_alive"] for row in found) < sum(row["p_alive"] for row in fitted), "a month of silence"
    assert (told(warehouse, "customer_models"), told(warehouse, "customer_model_parameters")) == (models, parameters)
    assert later.notices == []


def test_a_shop_without_a_sale_has_nothing_and_breaks_nothing(warehouse: Warehouse, workspace: Workspace) -> None:
    run = run_of(warehouse, workspace)
    for step in STEPS:
        step(run)
    assert told(warehouse, "rpt_customer_predictions") == []
    assert told(warehouse, "rpt_product_classes") == []
    assert {row["customers"] for row in told(warehouse, "rpt_rfm_segments")} == {0}


@pytest.mark.parametrize(("known", "compared"), [(0, 0), (27, 0), (28, 14), (107, 53), (180, 90), (400, 90)])
def test_growth_compares_days_that_are_known(
    monkeypatch: pytest.MonkeyPatch, warehouse: Warehouse, known: int, compared: int
) -> None:
    """A shop read for 107 days has no 90 days before its last 90."""
    first = LAST - timedelta(days=known - 1) if known else None
    monkeypatch.setattr(warehouse, "rows", lambda _query: [{"paid_date": first}])
    assert sold._compared(warehouse, LAST) == compared


def test_a_daily_run_does_without_scipy(workspace: Workspace) -> None:
    """What the nightly steps import; the weekly ones may."""
    script = """
import sys
from datetime import date
import polars as pl
from cortex.customers import people, rfm, value
from cortex.steps import insight, predict, sold, value as steps, refresh
people.merge(pl.DataFrame({"order_key": ["o"], "kind": ["email"], "alias": ["a"]}))
orders = pl.DataFrame({"order_key": ["o"], "customer_key": ["c"], "paid_date": [date(2026, 1, 1)], "net": [1]})
orders = orders.with_columns(channel=pl.lit(""), state=pl.lit(""), is_new_customer=pl.lit(1))
value.realised(orders, as_of=date(2026, 1, 2), window_days=365, churn_days=90)
print([name for name in sys.modules if name.startswith("scipy")])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
