"""Journeys that led to no order, as GA4's export tells them: what the models that learn make of them, and without them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from cortex.sandbox.bigquery import PROJECT
from cortex.sandbox.market import Market
from tests.journeys import agency as agencies
from tests.journeys.agency import DAYS, Agency

OURS = {"google_search": "google", "google_pmax": "google"}
"""Channels of the world that are one channel of a client's."""
MODELS = ("last_click", "data_driven", "shapley", "markov_2")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agency]:
    """One shop of some size, its export to BigQuery linked but not yet in the client file."""
    market = agencies.market(orders=4_000)
    with closing(agencies.found(tmp_path_factory.mktemp("export"), Market(market.now, market.shops[:1]))) as ready:
        ready.onboarded()
        ready.ok("backfill", "--days", str(DAYS), "--jobs", "1")
        yield ready


@pytest.fixture(scope="module")
def before(shop: Agency) -> dict[str, Any]:
    """What is said while no source tells of journeys without an order."""
    return credited(shop)


@pytest.fixture(scope="module")
def after(shop: Agency, before: dict[str, Any]) -> dict[str, Any]:
    """The same with the export read."""
    linked(shop)
    shop.ok("backfill", "--days", str(DAYS), "--jobs", "1")
    return credited(shop)


def linked(shop: Agency) -> None:
    found = shop.shop(shop.first).ga4
    assert found is not None
    block = f'  ga4_bigquery:\n    project: "{PROJECT}"\n    property_id: "{found.property_id}"\n    api_url: "{shop.running.http_url}"\n'
    shop.edit(shop.first, r"(?m)^analytics:\n", "analytics:\n" + block)


def credited(shop: Agency) -> dict[str, Any]:
    words = [word for model in MODELS for word in ("--model", model)]
    found: dict[str, Any] = shop.ok("analyze", "attribution", shop.first, *words, as_json=True).data
    return found


def error(shop: Agency, data: dict[str, Any], model: str) -> float:
    """Distance of the model's shares of orders from those of the orders each channel caused: 0 is perfect, 2 all wrong."""
    caused: dict[str, float] = {}
    for channel, told in shop.shop(shop.first).truth.items():
        name = OURS.get(channel, channel)
        caused[name] = caused.get(name, 0.0) + float(told["orders"])
    # What no visit tells of, and marketplaces, are outside the world's channels.
    given = {
        row["channel"]: float(row["orders"]) for row in data["models"][model]["channels"] if row["channel"] in caused
    }
    return sum(abs(given.get(name, 0.0) / sum(given.values()) - caused[name] / sum(caused.values())) for name in caused)


def test_without_them_the_default_is_the_equal_split_and_says_so(shop: Agency, before: dict[str, Any]) -> None:
    assert before["models"]["data_driven"]["method"] == "shapley_equal_split"
    assert before["models"]["shapley"]["method"] == "shapley_equal_split"


def test_with_them_it_is_incremental_and_nearer_to_what_the_channels_caused(
    shop: Agency, before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert after["models"]["data_driven"]["method"] == "incremental"
    assert after["models"]["shapley"]["method"] == "shapley"
    errors = {model: error(shop, after, model) for model in MODELS}
    assert errors["data_driven"] < errors["last_click"]
    assert errors["data_driven"] < error(shop, before, "data_driven")
    said = shop.ok("analyze", "attribution", shop.first, "--model", "data_driven")
    assert "data_driven = incremental" in said.err
    assert "equal split" not in said.err


def test_every_model_still_shares_out_the_same_money(after: dict[str, Any], before: dict[str, Any]) -> None:
    for data in (before, after):
        net = Decimal(data["totals"]["net_revenue"])
        for model in MODELS:
            assert sum(Decimal(row["revenue"]) for row in data["models"][model]["channels"]) == net
    assert before["totals"]["net_revenue"] == after["totals"]["net_revenue"]


def test_paths_are_counts_and_nobody_is_told_apart(shop: Agency, after: dict[str, Any]) -> None:
    rows = shop.rows(shop.first, "SELECT * FROM agg_paths")
    assert {name for row in rows for name in row} == {"origin", "day", "path", "journeys", "orders"}
    journeys, orders = sum(row["journeys"] for row in rows), sum(row["orders"] for row in rows)
    assert 0 < orders < journeys
    assert all(0 <= row["orders"] <= row["journeys"] for row in rows)
    # A journey is over after seven quiet days, and neither it nor an order of its day is told before.
    assert (shop.hand.now.date() - max(row["day"] for row in rows)).days >= 8


def test_reading_again_changes_nothing_and_leaves_what_ga4_told(shop: Agency, after: dict[str, Any]) -> None:
    first = shop.dump(shop.first)
    assert first["fct_sessions"]
    shop.ok("backfill", "--days", str(DAYS), "--jobs", "1")
    second = shop.dump(shop.first)
    for name in ("agg_paths", "stg_touches", "fct_sessions", "fct_attribution", "fct_touchpoints"):
        assert first[name] == second[name], name


def test_an_order_has_every_visit_the_export_saw(shop: Agency, after: dict[str, Any]) -> None:
    told = shop.one(shop.first, "SELECT COUNT(*) AS n FROM fct_touchpoints WHERE origin = 'ga4_bigquery'")
    assert told > shop.one(shop.first, "SELECT COUNT(*) AS n FROM fct_touchpoints WHERE origin = 'ga4'")
    # No visit twice: two touches of an order within the same minute would be two sources' word for one.
    rows = shop.rows(
        shop.first, "SELECT order_key, occurred_at, origin FROM fct_touchpoints ORDER BY order_key, position"
    )
    twice = [
        (one, other)
        for one, other in pairwise(rows)
        if one["order_key"] == other["order_key"]
        and "ga4_bigquery" in (one["origin"], other["origin"])
        and one["origin"] != other["origin"]
        and (_at(other) - _at(one)).total_seconds() < 60
    ]
    assert not twice, twice[:5]


def test_the_closed_funnel_is_the_smaller_and_both_are_shown(shop: Agency, after: dict[str, Any]) -> None:
    data = shop.ok("analyze", "funnel", shop.first, "--days", str(DAYS), as_json=True).data
    told = {funnel["origin"]: {level["stage"]: level for level in funnel["stages"]} for funnel in data["funnels"]}
    assert told.keys() == {"ga4", "ga4_bigquery"}
    closed, opened = told["ga4_bigquery"], told["ga4"]
    assert closed["purchase"]["sessions"] < closed["purchase"]["events"] <= data["placed_orders"]
    assert opened["purchase"]["sessions"] == opened["purchase"]["events"]
    order = [closed[stage]["sessions"] for stage in ("visit", "view", "cart", "checkout", "payment")]
    assert order == sorted(order, reverse=True)
    said = shop.ok("analyze", "funnel", shop.first, "--lang", "en").out
    assert said.index("open funnel") != said.index("closed funnel")


def test_doctor_and_the_run_say_what_the_export_gave(shop: Agency, after: dict[str, Any]) -> None:
    said = shop.ok("doctor", shop.first).text
    assert "a daily run reads about" in said
    shop.edit(
        shop.first, r"(?m)^analytics:\n", 'analytics_config:\n  attribution: {models: ["data_driven"]}\nanalytics:\n'
    )
    told = shop.ok("run", "daily", shop.first).text
    assert "of them with an order" in told
    assert "data_driven is incremental" in told


def _at(row: dict[str, Any]) -> Any:
    from datetime import datetime

    told = row["occurred_at"]
    return datetime.fromisoformat(told) if isinstance(told, str) else told
