"""Attribution as an analyst meets it: by any model and window, compared, drawn, and explained down to one order."""

from __future__ import annotations

import re
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pytest

from cortex import plugins
from tests.journeys.agency import Agency

MODELS = plugins.kinds("attribution")


def credited(agency: Agency, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = agency.ok("analyze", "attribution", agency.first, *words, as_json=True).data
    return found


def revenue(data: dict[str, Any], model: str) -> dict[str, Decimal]:
    return {row["channel"]: Decimal(row["revenue"]) for row in data["models"][model]["channels"]}


def test_every_model_and_window_shares_out_the_same_revenue_to_the_cent(done: Agency) -> None:
    for window in ("1", "7", "14", "28", "90"):
        data = credited(done, "--compare", "--window", window)
        assert set(data["models"]) == set(MODELS)
        assert data["stored"] is False
        net = Decimal(data["totals"]["net_revenue"])
        assert net > 0
        assert {model: sum(revenue(data, model).values()) for model in MODELS} == dict.fromkeys(MODELS, net)


def test_a_shorter_window_knows_less(done: Agency) -> None:
    short, long = (credited(done, "--model", "first_click", "--window", days) for days in ("1", "28"))
    assert revenue(short, "first_click") != revenue(long, "first_click")


def test_what_is_computed_now_is_what_the_last_run_stored(done: Agency) -> None:
    models = ("first_click", "last_click", "linear")
    words = [word for model in models for word in ("--model", model)]
    stored, computed = credited(done, *words), credited(done, *words, "--model", "markov_1")
    assert (stored["stored"], computed["stored"]) == (True, False)
    for model in models:
        assert revenue(stored, model) == revenue(computed, model)
    row = {name: stored["models"]["linear"]["channels"][0][name] for name in ("spend", "orders", "new_customers")}
    assert row["orders"] == pytest.approx(computed["models"]["linear"]["channels"][0]["orders"], abs=1e-4)


def test_the_command_agrees_with_the_views_and_campaigns_with_their_channel(done: Agency) -> None:
    data = credited(done, "--model", "linear")
    with done.warehouse(done.first) as warehouse:
        views = warehouse.rows(
            "SELECT channel, SUM(attributed_revenue) AS attributed_revenue, SUM(spend) AS spend"
            " FROM rpt_channel_performance WHERE model = 'linear' AND day >= :since AND day <= :last GROUP BY channel",
            since=_date(data["since"]),
            last=_date(data["last"]),
        )
    channels = {row["channel"]: row for row in data["models"]["linear"]["channels"]}
    assert {row["channel"]: row["attributed_revenue"] for row in views} == revenue(data, "linear")
    assert {row["channel"]: row["spend"] for row in views} == {
        channel: Decimal(row["spend"]) for channel, row in channels.items()
    }
    parts: dict[str, Decimal] = defaultdict(Decimal)
    for row in data["models"]["linear"]["campaigns"]:
        parts[row["channel"]] += Decimal(row["revenue"])
    assert dict(parts) == {channel: Decimal(channels[channel]["revenue"]) for channel in parts}
    assert set(parts) >= {"meta", "google"}


def test_channels_divided_hold_what_the_channels_hold(done: Agency) -> None:
    whole = revenue(credited(done, "--model", "linear"), "linear")
    parts: dict[str, set[str]] = {}
    for by in ("payment_method", "device", "source", "medium"):
        data = done.ok("analyze", "channels", done.first, "--by", by, "--model", "linear", as_json=True).data
        sums: dict[str, Decimal] = defaultdict(Decimal)
        for row in data["parts"]:
            sums[row["channel"]] += Decimal(row["attributed_revenue"])
        assert {channel: money for channel, money in sums.items() if money} == {c: m for c, m in whole.items() if m}
        assert sum(Decimal(row["share"]) for row in data["parts"]) == pytest.approx(1)
        parts[by] = {row["part"] for row in data["parts"]}
    assert "cpc" in parts["medium"]
    assert parts["device"] - {""} == {"mobile", "desktop"}
    told = done.ok("analyze", "channels", done.first)
    assert "pix" in told.out
    assert done.cortex("analyze", "channels", done.first, "--by", "moon").code == 2
    assert done.cortex("analyze", "channels", done.first, "--model", "markov_3").code == 2


def test_without_journeys_that_led_nowhere_models_that_need_them_say_what_they_are(done: Agency) -> None:
    data = credited(done, "--model", "data_driven", "--model", "shapley", "--model", "linear")
    assert {model: told["method"] for model, told in data["models"].items()} == {
        "data_driven": "shapley_equal_split",
        "shapley": "shapley_equal_split",
        "linear": "linear",
    }
    said = done.ok("analyze", "attribution", done.first, "--model", "data_driven")
    assert "data_driven = shapley_equal_split" in said.err
    assert "é a divisão em partes iguais" in said.err


def test_a_chart_is_a_file_without_script_or_network(done: Agency) -> None:
    for name in ("chart.svg", "chart.html"):
        file = done.root / "dist" / name
        done.ok("analyze", "attribution", done.first, "--compare", "--chart", str(file))
        text = file.read_text(encoding="utf-8")
        assert "<svg" in text
        assert "<script" not in text
        assert not re.search(r'(src|href)="https?:', text)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--model", "last_clik"), "CTX-7001"),
        (("--window", "0"), "CTX-7002"),
        (("--window", "366"), "CTX-7002"),
        (("--chart", "chart.png"), "CTX-7102"),
        (("--to", "yesterday"), "CTX-1018"),
    ],
)
def test_what_cannot_be_asked_is_named(done: Agency, words: tuple[str, ...], code: str) -> None:
    said = done.cortex("analyze", "attribution", done.first, *words)
    assert said.code == 2
    assert code in said.err
    assert code != "CTX-7001" or "Did you mean last_click?" in said.err


def test_how_many_paid_visits_could_be_tied_to_a_campaign_is_told(done: Agency) -> None:
    data = credited(done)
    with done.warehouse(done.first) as warehouse:
        rows = warehouse.rows(
            "SELECT t.channel, COUNT(*) AS touches, SUM(CASE WHEN t.campaign_id = '' THEN 0 ELSE 1 END) AS matched"
            " FROM fct_touchpoints t JOIN fct_orders o ON o.order_key = t.order_key"
            " JOIN dim_channels c ON c.channel = t.channel AND c.is_paid = 1"
            " WHERE o.order_date >= :since AND o.order_date <= :last GROUP BY t.channel",
            since=data["since"],
            last=data["last"],
        )
    assert {row["channel"]: (row["touches"], int(row["matched"])) for row in data["matching"]} == {
        row["channel"]: (row["touches"], int(row["matched"])) for row in rows
    }
    shown = done.ok("analyze", "attribution", done.first, "--campaigns").out
    assert re.search(r"Visitas ligadas a uma campanha: .*Meta \d+,\d %", shown)


def test_an_order_is_explained_down_to_its_touches_credits_and_conversions(done: Agency) -> None:
    with done.warehouse(done.first) as warehouse:
        rows = warehouse.rows(
            "SELECT o.external_id, o.number, o.paid - o.refunded AS paid, COUNT(*) AS position FROM fct_orders o"
            " JOIN fct_touchpoints t ON t.order_key = o.order_key WHERE o.is_paid = 1"
            " GROUP BY o.external_id, o.number, o.paid, o.refunded ORDER BY position DESC, o.external_id"
        )
    told = rows[0]
    assert told["position"] > 1
    data = done.ok("explain", "order", done.first, told["number"], as_json=True).data
    assert data["order"]["external_id"] == told["external_id"]
    assert [touch["position"] for touch in data["touches"]] == list(range(1, told["position"] + 1))
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in data["credits"]:
        sums[row["model"]] += Decimal(row["attributed_revenue"])
    assert sums == dict.fromkeys(("first_click", "last_click", "linear"), told["paid"])
    assert {row["destination"] for row in data["conversions"]} == {"meta_capi", "google_ec"}
    shown = done.ok("explain", "order", done.first, told["external_id"], "--lang", "en").out
    assert "told by" in shown
    assert "meta_capi" in shown
    missing = done.cortex("explain", "order", done.first, "no-such-order")
    assert (missing.code, "CTX-7010" in missing.err) == (5, True)


def test_definitions_and_formulas_are_explained(done: Agency) -> None:
    config = done.ok("explain", "config", done.first, as_json=True).data
    told = {row["key"]: row["value"] for row in config}
    assert {name: str(told[f"analytics_config.{name}"]) for name in ("ltv_window_days", "churn_threshold_days", "rfm_quantiles")} == {
        "ltv_window_days": "365",
        "churn_threshold_days": "90",
        "rfm_quantiles": "5",
    }  # fmt: skip
    assert "spend / new customers" in done.ok("explain", "metric", "CAC").out
    assert "There is no such client" in done.ok("explain", "CTX-1001").out
    assert done.cortex("explain", "metric", "roass").code == 2
    assert done.cortex("explain", "order", done.first).code == 2
    assert done.cortex("explain", "CTX-1001", "more").code == 2


def _date(text: str) -> Any:
    from datetime import date

    return date.fromisoformat(text)
