"""Forecasts as the weekly run stores them and the commands tell them: the same on every engine, and again the same."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cortex import tenant as tenants
from cortex.cli.app import main
from cortex.clock import Window
from cortex.errors import QualityGate
from cortex.run import Run
from cortex.secrets import Vault
from cortex.steps import forecasting, refresh
from cortex.warehouse import Transaction, Warehouse, provision, tables
from cortex.workspace import Workspace
from tests.rooms.warehouse_rows import everything, key, order, row

LAST = date(2026, 11, 19)
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
DAYS = 150
VIEWS = ("rpt_forecast", "rpt_forecast_models")
Rows = dict[str, list[dict[str, Any]]]


def shop(days: int = DAYS, *, last: date = LAST, refunds: bool = False) -> Rows:
    """Orders of two channels, and of a third that began three weeks ago; one order is refunded days later."""
    rng = np.random.default_rng(12)
    rows: Rows = defaultdict(list)
    for at in range(days):
        day = last - timedelta(days=days - 1 - at)
        for channel, mean in (("meta", 6.0), ("organic", 0.3), ("email", 1.0 if days - at <= 21 else 0.0)):
            for nth in range(int(rng.poisson(mean * (0.6 if day.weekday() >= 5 else 1.1)))):
                name = f"{channel}-{day}-{nth}"
                back = refunds and rng.random() < 0.1
                rows["fct_orders"].append(
                    order(name, paid=Decimal(int(rng.gamma(4, 3000)) + 100) / 100, paid_date=day, order_date=day)
                )
                rows["fct_attribution"].append(
                    row(tables.fct_attribution, order_key=key(name), model="last_click", position=1, channel=channel)
                )
                if back:
                    rows["fct_refunds"].append(
                        row(
                            tables.fct_refunds, order_key=key(name), refund_id="1",
                            refund_date=day + timedelta(days=3), amount=rows["fct_orders"][-1]["paid"],
                        )
                    )  # fmt: skip
    return rows


def fill(warehouse: Warehouse, rows: Rows, *, whole_until: date | None = LAST + timedelta(days=1)) -> None:
    def write(tx: Transaction) -> None:
        for table, of_table in rows.items():
            tx.upsert(table, of_table)
        if whole_until:
            read = row(tables.sync_state, stream="store.orders", complete_until=whole_until)
            tx.upsert(tables.sync_state, [read])

    warehouse.atomically(write)


def run_of(warehouse: Warehouse, workspace: Workspace, *, last: date = LAST, now: datetime = NOW) -> Run:
    file = {
        "client": {"name": "Loja", "code": warehouse.code, "timezone": "America/Sao_Paulo"},
        "ecommerce": {"platform": "olist", "path": "x"},
    }
    (workspace.tenants / f"{warehouse.code}.yaml").write_text(json.dumps(file), encoding="utf-8")
    tenant = tenants.load(workspace, warehouse.code)
    window = Window(last - timedelta(days=6), last + timedelta(days=1))
    run = Run(tenant, window, workspace, warehouse, Vault(tenant.code, workspace.root, {}), lambda: now, "r1")
    refresh.refresh_all(run)
    return run


def told(warehouse: Warehouse, view: str, where: str = "1 = 1") -> list[dict[str, Any]]:
    return warehouse.rows(f"SELECT * FROM {view} WHERE {where} ORDER BY 1, 2, 3")


def test_every_engine_stores_the_same_forecasts(both_engines: list[Warehouse], workspace: Workspace) -> None:
    found = []
    for warehouse in both_engines:
        fill(warehouse, shop(refunds=True))
        run = run_of(warehouse, workspace)
        outcome = forecasting.forecast_sales(run)
        assert run.notices == []
        assert outcome.facts["left_out"] == {"email": 39}
        found.append({view: told(warehouse, view) for view in VIEWS})
    assert all(each == found[0] for each in found)
    series = {(one["series"], one["channel"]) for one in found[0]["rpt_forecast"]}
    assert series == {(name, channel) for name in ("revenue", "orders") for channel in ("all", "meta", "organic")}
    assert len(found[0]["rpt_forecast"]) == 6 * forecasting.HORIZON
    models = found[0]["rpt_forecast_models"]
    assert {one["is_intermittent"] for one in models if one["channel"] == "organic"} == {1}
    assert sum(one["is_used"] for one in models) == 6
    for one in models:
        assert one["naive_mase"] >= one["mase"] or not one["is_used"] or one["is_intermittent"]
        assert (one["coverage_80"] is not None) == bool(one["is_used"])
    [whole] = [one for one in models if one["is_used"] and (one["series"], one["channel"]) == ("orders", "all")]
    first = next(one for one in found[0]["rpt_forecast"] if (one["series"], one["channel"]) == ("orders", "all"))
    assert (first["day"], first["horizon"], first["as_of"]) == (LAST + timedelta(days=1), 1, LAST)
    assert (first["model"], first["mase"], first["run_id"]) == (whole["model"], whole["mase"], "r1")
    assert first["trained_at"] == NOW
    assert whole["history_since"] == LAST - timedelta(days=DAYS - 1)


def test_again_is_the_same_and_what_has_come_stays_beside_what_was_expected(
    warehouse: Warehouse, workspace: Workspace
) -> None:
    rows = shop(DAYS + 7, last=LAST + timedelta(days=7), refunds=True)
    early = rows | {
        "fct_orders": [one for one in rows["fct_orders"] if one["paid_date"] <= LAST],
        "fct_refunds": [one for one in rows["fct_refunds"] if one["refund_date"] <= LAST],
    }
    fill(warehouse, early)
    run = run_of(warehouse, workspace)
    forecasting.forecast_sales(run)
    before = told(warehouse, "forecasts")
    forecasting.forecast_sales(run)
    assert told(warehouse, "forecasts") == before
    assert {one["actual"] for one in told(warehouse, "rpt_forecast")} == {None}
    later = LAST + timedelta(days=7)
    fill(warehouse, rows, whole_until=later + timedelta(days=1))
    forecasting.forecast_sales(run_of(warehouse, workspace, last=later, now=NOW + timedelta(days=7)))
    kept = [one for one in told(warehouse, "forecasts") if one["day"] <= later]
    assert kept == [one for one in before if one["day"] <= later]
    assert {one["as_of"] for one in told(warehouse, "forecasts") if one["day"] > later} == {later}
    came: dict[date, int] = defaultdict(int)
    for one in rows["fct_orders"]:
        came[one["paid_date"]] += 1
    beside = told(warehouse, "rpt_forecast", "series = 'orders' AND channel = 'all' AND actual IS NOT NULL")
    assert [one["day"] for one in beside] == [LAST + timedelta(days=at) for at in range(1, 8)]
    assert [one["actual"] for one in beside] == [came[one["day"]] for one in beside]
    channel_of = {one["order_key"]: one["channel"] for one in rows["fct_attribution"]}
    for channel in ("all", "meta"):
        net: dict[date, Decimal] = defaultdict(Decimal)
        for table, on, amount, sign in (
            ("fct_orders", "paid_date", "paid", 1),
            ("fct_refunds", "refund_date", "amount", -1),
        ):
            for one in rows[table]:
                if channel in {"all", channel_of[one["order_key"]]}:
                    net[one[on]] += sign * one[amount]
        beside = told(warehouse, "rpt_forecast", f"series = 'revenue' AND channel = '{channel}' AND actual IS NOT NULL")
        assert [one["actual"] for one in beside] == [net[one["day"]] for one in beside]
        sold, _ = forecasting._sold(warehouse, later)
        learnt = forecasting._history(sold, "revenue", channel, later)
        days = [learnt.since + timedelta(days=at) for at in range(len(learnt.values))]
        assert learnt.values.tolist() == pytest.approx([float(net[day]) for day in days])
    quiet = told(warehouse, "rpt_forecast", "series = 'revenue' AND channel = 'organic' AND actual = 0")
    assert quiet  # a whole day without a sale is a zero, not unknown


def test_a_day_that_is_not_over_or_not_read_whole_counts_for_nothing(
    warehouse: Warehouse, workspace: Workspace
) -> None:
    today = LAST + timedelta(days=1)
    rows = shop(DAYS + 1, last=today)
    fill(warehouse, rows, whole_until=None)
    assert forecasting.train(run_of(warehouse, workspace, last=today)).facts["as_of"] == LAST
    whole = told(warehouse, "forecasts")
    fill(warehouse, {"fct_orders": [order(f"more-{nth}", paid_date=today) for nth in range(500)]}, whole_until=None)
    forecasting.train(run_of(warehouse, workspace, last=today))
    assert told(warehouse, "forecasts") == whole
    # A file may hold orders of today, and say that it is whole up to its end.
    fill(warehouse, {}, whole_until=today + timedelta(days=1))
    forecasting.train(run_of(warehouse, workspace, last=today))
    assert told(warehouse, "forecasts") == whole
    fill(warehouse, {}, whole_until=LAST - timedelta(days=2))
    assert forecasting.train(run_of(warehouse, workspace)).facts["as_of"] == LAST - timedelta(days=3)


def test_too_little_history_is_a_notice_of_the_run_and_a_refusal_of_the_command(
    warehouse: Warehouse, workspace: Workspace
) -> None:
    fill(warehouse, shop(47))
    run = run_of(warehouse, workspace)
    outcome = forecasting.forecast_sales(run)
    assert outcome.rows == 0
    [notice] = run.notices
    assert (notice.code, notice.stream, notice.facts) == ("CTX-7111", "demand.forecasts", {"days": "13"})
    assert "13 more days" in notice.message
    assert everything(warehouse, tables.forecasts) == []
    with pytest.raises(QualityGate, match="13 more days") as refused:
        forecasting.train(run)
    assert refused.value.exit_code == 8


def test_a_shop_that_sells_nothing_is_told_so_too(warehouse: Warehouse, workspace: Workspace) -> None:
    run = run_of(warehouse, workspace)
    forecasting.forecast_sales(run)
    assert [notice.facts for notice in run.notices] == [{"days": "60"}]


def test_one_channel_is_the_whole_shop(warehouse: Warehouse, workspace: Workspace) -> None:
    rows = shop()
    rows["fct_attribution"] = [one | {"channel": "meta"} for one in rows["fct_attribution"]]
    fill(warehouse, rows)
    forecasting.forecast_sales(run_of(warehouse, workspace))
    assert {one["channel"] for one in told(warehouse, "forecasts")} == {"all"}


# the commands


@pytest.fixture
def client(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> str:
    """A client in SQLite files with 150 days of orders; nothing has been forecast."""
    monkeypatch.delenv("CORTEX_DATABASE_URL", raising=False)
    monkeypatch.setenv("CORTEX_NOW", NOW.isoformat())
    provision.apply("sqlite", "loja", workspace.state)
    with Warehouse.open("sqlite", "loja", workspace.state) as warehouse:
        fill(warehouse, shop(refunds=True))
        run_of(warehouse, workspace)
    return "loja"


def cortex(workspace: Workspace, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main([*words, "--workspace", str(workspace.root)])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_three_commands(client: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = cortex(workspace, capsys, "forecast", "show", client)
    assert (code, "CTX-7112" in err, f"cortex forecast train {client}" in err) == (5, True, True)
    code, out, err = cortex(workspace, capsys, "forecast", "train", client, "--lang", "pt-BR")
    assert code == 0, err
    assert "Receita líquida" in out
    assert "email: 39 more days" in err
    for lang, words in (
        ("pt-BR", ("Próx. dias", "Toda a loja", "sex.", "Black Friday")),
        ("en", ("Next days", "Whole shop", "Fri", "Black Friday")),
        ("es", ("Próx. días", "Toda la tienda", "vie", "Black Friday")),
    ):
        told = ""
        for command in (("show", client), ("show", client, "--series", "orders"), ("accuracy", client)):
            code, out, err = cortex(workspace, capsys, "forecast", *command, "--lang", lang)
            assert code == 0, err
            assert max(len(line) for line in out.splitlines()) <= 80
            told += out + err
        assert [word for word in words if word not in told] == []


def test_the_envelope_holds_what_the_table_rounds(
    client: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = cortex(workspace, capsys, "forecast", "train", client, "--horizon", "30", "--json")
    trained = json.loads(out)
    assert (trained["ok"], trained["command"], trained["client"]) == (True, "forecast train", client)
    assert trained["data"]["horizon"] == 30
    assert [one["code"] for one in trained["warnings"]] == ["CTX-7111"]
    _, out, _ = cortex(workspace, capsys, "forecast", "show", client, "--json")
    shown = json.loads(out)
    assert shown["run_id"] == trained["run_id"]
    data = shown["data"]
    assert (data["currency"], data["horizon"], len(data["days"])) == ("BRL", 30, 30)
    assert [one["days"] for one in data["totals"]] == [7, 30]
    summed = sum(Decimal(one["predicted"]) for one in data["days"])
    assert abs(summed - Decimal(data["totals"][-1]["total"])) <= Decimal("0.15")
    assert data["totals"][-1]["total"] == trained["data"]["series"]["all.revenue"]["total"]
    low, high = (Decimal(data["totals"][-1][f"total_{end}_80"]) for end in ("lower", "upper"))
    assert low < summed < high
    _, out, _ = cortex(workspace, capsys, "forecast", "accuracy", client, "--json")
    models = json.loads(out)["data"]["models"]
    assert models == trained["data"]["models"]
    used = [one for one in models if one["is_used"]]
    assert len(used) == 6
    assert all(Decimal(one["gain"]) >= 0 for one in used if not one["is_intermittent"])


def test_learning_up_to_an_earlier_day_shows_how_the_days_since_turned_out(
    client: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = cortex(workspace, capsys, "forecast", "train", client, "--date", "2026-10-30")
    assert code == 0, err
    code, out, _ = cortex(workspace, capsys, "forecast", "accuracy", client, "--lang", "en")
    assert (code, "Come since" in out) == (0, True)
    _, out, _ = cortex(workspace, capsys, "forecast", "accuracy", client, "--json")
    since = {one["series"]: one for one in json.loads(out)["data"]["since_trained"]}
    assert {(name, one["since"], one["days"]) for name, one in since.items()} == {
        ("orders", "2026-10-31", 20),
        ("revenue", "2026-10-31", 20),
    }
    assert 0 < Decimal(since["orders"]["wape"]) < 1
    assert 0.5 < Decimal(since["orders"]["coverage_80"]) <= 1


def test_a_black_friday_the_model_has_never_seen_is_said(
    client: str, workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    cortex(workspace, capsys, "forecast", "train", client)
    _, out, err = cortex(workspace, capsys, "forecast", "show", client, "--lang", "pt-BR")
    assert "Black Friday (2026-11-27) está à frente" in err
    _, out, _ = cortex(workspace, capsys, "forecast", "show", client, "--json")
    assert [one["code"] for one in json.loads(out)["warnings"]] == ["black_friday_unknown"]
    # Without one ahead there is nothing to say.
    cortex(workspace, capsys, "forecast", "train", client, "--date", "2026-11-12", "--horizon", "7")
    _, out, _ = cortex(workspace, capsys, "forecast", "show", client, "--json")
    assert [one["code"] for one in json.loads(out)["warnings"]] == []


def test_a_chart_of_what_was_sold_and_what_is_expected(
    client: str, workspace: Workspace, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cortex(workspace, capsys, "forecast", "train", client)
    for name in ("ahead.svg", "ahead.html"):
        file = tmp_path / name
        code, _, err = cortex(workspace, capsys, "forecast", "show", client, "--channel", "meta", "--chart", str(file))
        assert code == 0, err
        drawing = file.read_text(encoding="utf-8")
        assert len(re.findall(r"<path[^>]*aria-roledescription=\"(?:area|line) mark", drawing)) == 4
        assert "<script" not in drawing


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        (("train", "loja", "--horizon", "6"), "CTX-7113", 2),
        (("train", "loja", "--horizon", "181"), "CTX-7113", 2),
        (("train", "loja", "--date", "2026-07-01"), "CTX-7111", 8),
        (("train", "loja", "--date", "2026-11-20"), "CTX-1007", 2),
        (("train", "lojja"), "CTX-1001", 2),
        (("show", "loja", "--series", "profit"), "CTX-7103", 2),
        (("show", "loja", "--channel", "email"), "CTX-7103", 2),
        (("show", "loja", "--chart", "ahead.png"), "CTX-7102", 2),
    ],
)
def test_what_cannot_be_forecast_or_shown_is_named(
    client: str,
    workspace: Workspace,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    code: str,
    exit_code: int,
) -> None:
    assert cortex(workspace, capsys, "forecast", "train", client)[0] == 0
    ended, _, err = cortex(workspace, capsys, "forecast", *words)
    assert (ended, code in err) == (exit_code, True), err


def test_a_young_client_is_told_how_many_days_are_missing(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CORTEX_DATABASE_URL", raising=False)
    monkeypatch.setenv("CORTEX_NOW", NOW.isoformat())
    provision.apply("sqlite", "nova", workspace.state)
    with Warehouse.open("sqlite", "nova", workspace.state) as warehouse:
        fill(warehouse, shop(47))
        run_of(warehouse, workspace)
    for command in ("train", "show", "accuracy"):
        code, out, err = cortex(workspace, capsys, "forecast", command, "nova")
        assert (code, out) == (8, "")
        assert "CTX-7111" in err
        assert "needs 13 more days" in err
