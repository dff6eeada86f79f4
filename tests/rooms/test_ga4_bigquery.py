"""GA4's export as the adapter reads it from the stand-in: what it asks, what it costs, and what it says when it cannot."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from pydantic import ValidationError

from cortex.cli.demonstration import credentials
from cortex.clock import Window
from cortex.errors import ConfigError, CortexError
from cortex.records import Notice, Walked, WalkedStep
from cortex.sandbox import Running, serve
from cortex.sandbox.bigquery import PROJECT
from cortex.sandbox.browsing import EVENTS
from cortex.sandbox.trail import HIDDEN
from cortex.secrets import Vault
from cortex.settings import Access
from cortex.steps import walked
from cortex.traffic.ga4_bigquery import Ga4BigQuery
from cortex.warehouse import Warehouse, tables
from tests.journeys import agency

WINDOW = Window(date(2026, 11, 1), date(2026, 11, 20))


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with serve(agency.market(), google=False, rate_scale=1000) as sandbox:
        yield sandbox


@pytest.fixture
def notices() -> list[Notice]:
    return []


def adapter(running: Running, notices: list[Notice] | None = None, **config: Any) -> Ga4BigQuery:
    shop = running.market.shops[0]
    assert shop.ga4 is not None
    line = next(line for line in credentials(shop, running.http_url).splitlines() if "GOOGLE_CREDENTIALS" in line)
    name, _, value = line.partition("=")
    access = Access(
        tenant=shop.code,
        vault=Vault(shop.code, Path("absent"), {name: value.strip("'")}),
        timezone=ZoneInfo("America/Sao_Paulo"),
        clock=lambda: running.market.now,
        notice=(notices if notices is not None else []).append,
        sleep=lambda _seconds: None,
    )
    asked = {"project": PROJECT, "property_id": shop.ga4.property_id, "api_url": running.http_url, **config}
    return Ga4BigQuery(Ga4BigQuery.Config.model_validate(asked), access)


def test_a_window_is_paid_for_once(running: Running) -> None:
    source, before = adapter(running), running.bigquery.billed
    list(source.touches(WINDOW))
    once = running.bigquery.billed - before
    list(source.journeys(WINDOW))
    assert running.bigquery.billed - before == once > 0


def test_what_would_cost_too_much_is_not_run(running: Running) -> None:
    before = running.bigquery.billed
    running.bigquery.heavier = 100
    try:
        for ask in (lambda source: source.check(), lambda source: list(source.touches(WINDOW))):
            with pytest.raises(CortexError) as caught:
                ask(adapter(running, max_gb_per_query=1))
            assert caught.value.code == "CTX-4505"
        assert running.bigquery.billed == before
        assert list(adapter(running, max_gb_per_query=1_000).touches(WINDOW))
    finally:
        running.bigquery.heavier = 1


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ({"property_id": "1"}, "CTX-4504"),
        ({"location": "EU"}, "CTX-4504"),
        ({"project": "somebody-else"}, "CTX-4502"),
    ],
)
def test_a_wrong_address_is_named(running: Running, config: dict[str, str], code: str) -> None:
    for ask in (lambda source: source.check(), lambda source: list(source.touches(WINDOW))):
        with pytest.raises(CortexError) as caught:
            ask(adapter(running, **config))
        assert caught.value.code == code
        assert caught.value.fix


def test_days_without_a_table_and_days_that_stream_are_told(running: Running, notices: list[Notice]) -> None:
    running.bigquery.missing.add("20261105")
    try:
        list(adapter(running, notices).touches(Window(date(2026, 11, 1), date(2026, 11, 21))))
    finally:
        running.bigquery.missing.clear()
    told = {notice.code: notice for notice in notices}
    assert {"ga4bq-missing", "ga4bq-streamed", "ga4bq-no-consent"} <= told.keys()
    assert told["ga4bq-missing"].facts["first"] == "2026-11-05"
    assert told["ga4bq-streamed"].facts["first"] == "2026-11-20"
    assert int(told["ga4bq-no-consent"].facts["purchases"]) > 0


def test_pieces_of_a_window_make_the_whole(running: Running) -> None:
    whole = adapter(running)
    days = [(adapter(running), Window(day, day + timedelta(days=1))) for day in WINDOW.each_day()]
    for name in ("touches", "journeys", "funnel", "product_views"):
        pieces = [row for source, day in days for row in getattr(source, name)(day)]
        assert sorted(map(repr, pieces)) == sorted(map(repr, getattr(whole, name)(WINDOW)))


def test_both_questions_about_the_way_are_paid_for_once(running: Running) -> None:
    source, before = adapter(running), running.bigquery.billed
    list(source.funnel(WINDOW))
    once = running.bigquery.billed - before
    list(source.product_views(WINDOW))
    assert running.bigquery.billed - before == once > 0


def test_stages_are_those_of_the_visitors_who_consented(running: Running, notices: list[Notice]) -> None:
    prop = running.market.shops[0].ga4
    assert prop is not None
    trail = prop.trail
    assert trail is not None
    zone = ZoneInfo(prop.timezone)
    inside = [
        visit
        for visit, at in enumerate(trail.at.tolist())
        if datetime.fromtimestamp(at, zone).date() in WINDOW and trail.visitor[visit] != HIDDEN
    ]
    counts: dict[str, list[int]] = {}
    for row in adapter(running, notices).funnel(WINDOW):
        count = counts.setdefault(row.stage, [0, 0])
        count[0] += row.sessions
        count[1] += row.events
    events = trail.events
    views, carts, checkouts, payments = (events[name][inside] for name in EVENTS)
    bought = np.array([visit in trail.orders for visit in inside])
    through = (views > 0) & (carts > 0) & (checkouts > 0)
    assert counts["visit"] == [len(inside)] * 2
    assert counts["view"] == [(views > 0).sum(), views.sum()]
    assert counts["cart"] == [((views > 0) & (carts > 0)).sum(), carts.sum()]
    assert counts["checkout"] == [through.sum(), checkouts.sum()]
    assert counts["payment"] == [(through & (payments > 0)).sum(), payments.sum()]
    assert counts["purchase"] == [(through & bought).sum(), bought.sum()]
    assert counts["purchase"][0] < counts["purchase"][1]
    assert "ga4bq-funnel-no-consent" in {notice.code for notice in notices}


def test_a_direct_visit_belongs_to_the_last_click_before_it(running: Running) -> None:
    """As in GA4's own reports: few sessions are left to direct, and none of a visitor who came by something else before."""
    rows = [row for row in adapter(running).funnel(WINDOW) if row.stage == "visit"]
    direct = sum(row.sessions for row in rows if row.channel_group == "Direct")
    prop = running.market.shops[0].ga4
    assert prop is not None
    as_collected = sum(row.sessions for row in prop.sessions if row.day in WINDOW and row.source == "(direct)")
    assert 0 < direct < 0.8 * as_collected


def test_without_the_extra_the_command_that_installs_it_is_named(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cortex.traffic._bigquery.find_spec", lambda _name: None)
    with pytest.raises(ConfigError) as caught:
        adapter(running).check()
    assert caught.value.code == "CTX-4509"
    assert caught.value.fix == "pip install 'cortex-ecom[bigquery]'"


def test_a_file_cannot_name_what_is_no_project_or_property() -> None:
    for wrong in ({"project": "X"}, {"property_id": "G-ABC"}, {"lookback_days": 0}, {"max_gb_per_query": 0}):
        with pytest.raises(ValidationError):
            Ga4BigQuery.Config.model_validate({"project": "agency-1", "property_id": "123", **wrong})


def test_paths_that_are_the_same_by_channel_are_counted_together() -> None:
    day, other = date(2026, 11, 1), date(2026, 11, 2)
    facebook = WalkedStep("facebook", "paid_social", "Paid Social", "fbclid")
    instagram = WalkedStep("instagram", "paid_social", "Paid Social", "")
    braided = WalkedStep("", "", "", "gbraid")
    direct = WalkedStep("", "", "", "")
    told = [
        Walked("ga4_bigquery", day, (facebook, direct), 5, 1),
        Walked("ga4_bigquery", day, (instagram, direct), 3, 1),
        Walked("ga4_bigquery", other, (braided,), 2, 0),
        Walked("ga4_bigquery", other, (direct,) * 30, 1, 0),
    ]
    found = {(row["day"], row["path"]): (row["journeys"], row["orders"]) for row in walked.rows(told)}
    assert found == {
        (day, "meta > direct"): (8, 2),
        (other, "google"): (2, 0),
        (other, " > ".join(["direct"] * walked.MOST_VISITS)): (1, 0),
    }
    assert max(len(path) for _, path in found) <= 400


def test_a_market_is_counted_over_its_days_and_replaced_by_window(warehouse: Warehouse) -> None:
    def told(day: int, journeys: int) -> dict[str, Any]:
        return {
            "origin": "ga4_bigquery",
            "day": date(2026, 11, day),
            "path": "meta > direct",
            "journeys": journeys,
            "orders": 1,
        }

    def write(first: int, until: int, *rows: dict[str, Any]) -> None:
        window = {"origin": "ga4_bigquery", "day": (date(2026, 11, first), date(2026, 11, until))}
        warehouse.atomically(lambda tx: tx.replace(tables.agg_paths, window, list(rows)))

    assert walked.market(warehouse).is_empty()
    write(1, 3, told(1, 5), told(2, 7))
    write(2, 3, told(2, 3))
    assert walked.market(warehouse).rows() == [("meta > direct", 8.0, 2.0)]


def test_importing_the_adapter_imports_no_client() -> None:
    import subprocess

    script = "import sys, cortex.traffic.ga4_bigquery\nprint(any(m.startswith('google.') for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
