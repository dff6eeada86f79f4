"""Figures over the API: those of the views to the cent, of the days asked for, and never older than the last load."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cortex.cli.app import main
from cortex.clock import Window
from cortex.steps import reporting
from cortex.warehouse import Warehouse, tables
from cortex.web import figures
from cortex.web.limiting import Limiter, Rate
from cortex.web.shapes import Credited, Page, State
from tests.conftest import ENGINES, mysql_url
from tests.rooms.api_site import Site, site
from tests.rooms.warehouse_rows import DAY, days, key, order, row, spend

FIRST, LAST = DAY, DAY + timedelta(days=19)
PAGES = {
    "kpis": figures.Figure, "daily": figures.Day, "channels": figures.Channel, "orders/by-status": figures.Status,
    "products/top": figures.Product, "conversions/delivery": figures.Delivery,
}  # fmt: skip
STATES = {
    "customers/rfm": figures.Segment, "customers/cohorts": figures.Cell, "alerts": figures.Told,
    "freshness": figures.Stream,
}  # fmt: skip


def fill(warehouse: Warehouse, factor: int) -> None:
    """Twenty days, each with two orders, one of a known buyer, and spend."""
    orders = [
        order(
            f"{at}-{which}", order_date=day, paid_date=day, customer_key=key(f"c{at % 7}" if which else f"n{at}"),
            is_new_customer=1 - which, paid=Decimal(factor * (100 + at)) + Decimal("0.37"),
        )
        for at, day in enumerate(days(20))
        for which in range(2)
    ]  # fmt: skip
    lines = [
        row(
            tables.fct_order_items, order_key=each["order_key"], line=1, platform="nuvemshop", product_id=str(at % 3),
            name=f"Produto {at % 3}", quantity=1, total=each["paid"],
        )
        for at, each in enumerate(orders)
    ]  # fmt: skip
    credits_ = [
        row(
            tables.fct_attribution, order_key=each["order_key"], model="last_click", position=1, method="last_click",
            channel="meta" if at % 2 else "email", order_date=each["paid_date"], weight=Decimal(1),
            attributed_revenue=each["paid"], is_new_customer=each["is_new_customer"],
        )
        for at, each in enumerate(orders)
    ]  # fmt: skip
    read = {"stream": "store.orders", "complete_until": LAST + timedelta(days=1)}

    def write(tx: Any) -> None:
        tx.upsert(tables.fct_orders, orders)
        tx.upsert(tables.fct_order_items, lines)
        tx.upsert(tables.fct_attribution, credits_)
        tx.upsert(tables.fct_ad_spend, [spend(day, "20.00") for day in days(20)])
        tx.upsert(tables.sync_state, [row(tables.sync_state, **read)])
        tx.upsert(
            tables.alerts, [row(tables.alerts, alert_id=key("a"), kind="quality", severity="warning", facts="{}")]
        )

    warehouse.atomically(write)


@pytest.fixture(scope="module", params=ENGINES)
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    database = "" if request.param == "sqlite" else mysql_url()
    generous = {"keys": Limiter(Rate(10_000, 10_000)), "addresses": Limiter(Rate(10_000, 10_000))}
    with site(tmp_path_factory.mktemp("shop"), database, **generous) as found:
        for factor, code in enumerate((found.first, found.second), start=1):
            with found.warehouse(code) as warehouse:
                fill(warehouse, factor)
        yield found


def total(found: Site, column: str, since: date, last: date) -> Decimal:
    with found.warehouse() as warehouse:
        rows = warehouse.rows(
            "SELECT * FROM rpt_daily_performance WHERE day >= :since AND day <= :last", since=since, last=last
        )
    return sum((Decimal(each[column]) for each in rows), Decimal(0))


def figure(answer: Any, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in answer.json()["data"] if each["key"] == name)
    return found


def test_every_address_answers_as_its_documentation_says(shop: Site) -> None:
    for path, kind in PAGES.items():
        answer = shop.get(path)
        assert answer.status_code == 200, answer.text
        told = answer.json()
        shape = Credited if path == "channels" else Page
        shape[kind].model_validate(told)  # type: ignore[index]
        assert (told["client"], told["currency"]) == (shop.first, "BRL")
        assert told["period"] == {"from": str(FIRST), "to": str(LAST)}
        if path != "conversions/delivery":
            assert told["data"], path
    for path, kind in STATES.items():
        answer = shop.get(path)
        assert answer.status_code == 200, answer.text
        State[kind].model_validate_json(answer.content)  # type: ignore[valid-type]


def test_figures_are_those_of_the_view_to_the_cent(shop: Site) -> None:
    since, last = FIRST + timedelta(days=10), FIRST + timedelta(days=14)
    answer = shop.get("kpis", **{"from": since, "to": last})
    assert Decimal(figure(answer, "revenue")["value"]) == total(shop, "net_revenue", since, last)
    assert Decimal(figure(answer, "orders")["value"]) == 10
    assert Decimal(figure(answer, "spend")["value"]) == 100
    before = total(shop, "net_revenue", since - timedelta(days=5), since - timedelta(days=1))
    assert Decimal(figure(answer, "revenue")["before"]) == before
    alone = shop.get("kpis", **{"from": since, "to": last, "compare": "none"})
    assert figure(alone, "revenue") == figure(answer, "revenue") | {"before": None, "change": None}
    # Five days before the first are not loaded: nothing is compared with days nobody read.
    assert figure(shop.get("kpis", days=20), "revenue")["before"] is None


def test_rows_add_up_to_the_figures(shop: Site) -> None:
    revenue = Decimal(figure(shop.get("kpis"), "revenue")["value"])
    daily = shop.get("daily").json()["data"]
    assert [each["day"] for each in daily] == [str(day) for day in days(20)]
    assert sum(Decimal(each["net_revenue"]) for each in daily) == revenue
    channels = shop.get("channels", model="last_click").json()
    assert channels["model"] == "last_click"
    credited = {each["channel"]: each for each in channels["data"]}
    assert sum(Decimal(each["attributed_revenue"]) for each in credited.values()) == revenue
    assert Decimal(credited["meta"]["spend"]) == 400
    roas = Decimal(credited["meta"]["attributed_revenue"]) / 400
    assert Decimal(credited["meta"]["roas"]) == pytest.approx(roas, abs=Decimal("0.000001"))
    (status,) = shop.get("orders/by-status").json()["data"]
    assert (status["orders"], Decimal(status["paid"])) == (40, total(shop, "gross_revenue", FIRST, LAST))
    products = shop.get("products/top", limit=2).json()["data"]
    assert [len(products), products[0]["revenue"] >= products[1]["revenue"]] == [2, True]


def test_both_front_doors_show_the_same(shop: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORTEX_DATABASE_URL", shop.house.database)
    root = str(shop.house.workspace.root)

    def cortex(*words: str) -> Any:
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(io.StringIO()):
            assert main([*words, "--json", "--workspace", root]) == 0
        return json.loads(out.getvalue())["data"]

    (ours,) = shop.get("alerts").json()["data"]
    (theirs,) = cortex("alerts", "list", shop.first)
    assert {name: ours[name] for name in ("alert_id", "severity", "title_told", "message_told", "facts")} == {
        name: theirs[name] for name in ("alert_id", "severity", "title_told", "message_told", "facts")
    }
    window = Window(FIRST + timedelta(days=10), FIRST + timedelta(days=15))
    with shop.warehouse() as warehouse:
        report = {each.key: each.value for each in reporting.figures(warehouse, window)}
    asked = {"from": window.since, "to": window.last}
    served = {each["key"]: each["value"] for each in shop.get("kpis", **asked).json()["data"]}
    assert served["revenue"] == str(report["revenue"])
    assert served["orders"] == str(report["orders"])
    for name, value in report.items():
        assert Decimal(served[name]) == pytest.approx(value, abs=Decimal("0.005")), name


@pytest.mark.parametrize(
    "query",
    [
        {"from": FIRST - timedelta(days=1)}, {"to": LAST + timedelta(days=1)}, {"from": LAST, "to": FIRST}, {"days": 0},
        {"days": 1461}, {"days": 3, "from": LAST}, {"to": "0001-01-01"}, {"to": "9999-12-31"}, {"to": FIRST - timedelta(days=9)},
    ],
)  # fmt: skip
def test_days_there_is_nothing_of_are_refused_with_those_there_are(shop: Site, query: dict[str, Any]) -> None:
    for path in PAGES:
        answer = shop.get(path, **query)
        assert (answer.status_code, answer.json()["code"]) == (422, "CTX-8208"), path
        assert answer.json()["allowed"] == {"from": str(FIRST), "to": str(LAST)}


def test_more_days_than_there_are_begin_with_the_first(shop: Site) -> None:
    assert shop.get("daily", days=90).json()["period"] == {"from": str(FIRST), "to": str(LAST)}
    assert shop.get("daily", days=3).json()["period"] == {"from": str(LAST - timedelta(days=2)), "to": str(LAST)}
    assert shop.get("daily", to=FIRST).json()["period"] == {"from": str(FIRST), "to": str(FIRST)}


def test_a_load_makes_the_next_answer_new_and_only_that_clients(shop: Site) -> None:
    def entries(code: str) -> set[Any]:
        return {each for each in shop.house.cache._kept if each[0] == code}

    before = shop.get("kpis").json()
    theirs = shop.get(f"/api/v1/clients/{shop.second}/kpis").content
    mine, others = entries(shop.first), entries(shop.second)
    assert mine
    assert others
    assert shop.get("kpis").json() == before
    assert (entries(shop.first), entries(shop.second)) == (mine, others), "asked again, nothing is made again"
    with shop.warehouse() as warehouse:
        warehouse.atomically(
            lambda tx: tx.upsert(tables.fct_orders, [order("late", paid_date=LAST, paid=Decimal("5.05"))])
        )
    after = shop.get("kpis")
    gained = Decimal(figure(after, "revenue")["value"]) - Decimal(before["data"][0]["value"])
    assert gained == Decimal("5.05")
    assert entries(shop.first) > mine
    assert shop.get(f"/api/v1/clients/{shop.second}/kpis").content == theirs
    assert entries(shop.second) == others
    with shop.warehouse() as warehouse:  # the suite's other tests count forty orders
        warehouse.atomically(lambda tx: tx.delete(tables.fct_orders, {"order_key": key("late")}))
    assert shop.get("kpis").json() == before


def test_two_clients_never_share_an_answer(shop: Site) -> None:
    """The same question, at the same time, at the same version of nothing: the client is part of what is kept."""
    first = shop.get("daily").json()
    second = shop.get(f"/api/v1/clients/{shop.second}/daily").json()
    assert (first["client"], second["client"]) == (shop.first, shop.second)
    assert first["period"] == second["period"]
    assert first["data"] != second["data"]
    codes = {each[0] for each in shop.house.cache._kept}
    assert codes == {shop.first, shop.second}


def test_a_changed_client_file_makes_the_next_answer_new(shop: Site) -> None:
    file = shop.house.workspace.tenants / f"{shop.first}.yaml"
    text = file.read_text(encoding="utf-8")
    assert shop.get("kpis").json()["currency"] == "BRL"
    try:
        file.write_text(text.replace("America/Sao_Paulo}", "America/Sao_Paulo, currency: EUR}"), encoding="utf-8")
        assert shop.get("kpis").json()["currency"] == "EUR"
    finally:
        file.write_text(text, encoding="utf-8")
    assert shop.get("kpis").json()["currency"] == "BRL"


def test_a_model_nobody_credits_by_is_refused(shop: Site) -> None:
    answer = shop.get("channels", model="magic")
    assert (answer.status_code, answer.json()["code"]) == (422, "CTX-7001")
    assert "last_click" in answer.json()["fix"]


def test_every_write_is_a_new_version_and_no_reading_is(warehouse: Warehouse) -> None:
    seen = [warehouse.version()]
    warehouse.rows("SELECT COUNT(*) AS n FROM fct_orders")
    assert warehouse.version() == seen[0]
    for name in ("a", "b"):
        warehouse.atomically(lambda tx, name=name: tx.upsert(tables.fct_orders, [order(name)]))
        seen.append(warehouse.version())
    with warehouse.transaction() as tx:
        tx.delete(tables.fct_orders, {"order_key": key("a")})
    seen.append(warehouse.version())
    assert len(set(seen)) == 4
    with pytest.raises(ValueError, match="undone"), warehouse.transaction():
        raise ValueError("undone")
    assert warehouse.version() == seen[-1]


def test_no_path_of_the_workspace_is_in_an_answer(shop: Site, tmp_path: Path) -> None:
    for path in (*PAGES, *STATES):
        assert str(shop.house.workspace.root) not in shop.get(path).text
