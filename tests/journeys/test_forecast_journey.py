"""Forecasts as an analyst meets them: made by the weekly run, held against the week that came, too early for a young client."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from tests.journeys import agency as agencies
from tests.journeys.agency import Agency
from tests.journeys.conftest import Founder

DAYS = 120


def test_a_shop_is_forecast_and_the_days_that_came_are_held_against_it(found: Founder, engine_url: str) -> None:
    agency = found(market=agencies.market(days=DAYS, orders=2400), database=engine_url)
    code = agency.first
    agency.ok("onboard", code)
    agency.ok("backfill", code, "--days", str(DAYS))
    weekly = agency.ok("run", "weekly", code, as_json=True)
    [step] = [step for step in weekly.data["steps"] if step["name"] == "demand.forecasts"]
    assert step["status"] == "ok"
    shown = agency.ok("forecast", "show", code, as_json=True)
    assert shown.envelope["run_id"] == weekly.envelope["run_id"]
    assert [one["days"] for one in shown.data["totals"]] == [7, 30, 60, 90]
    first = shown.data["days"][0]
    assert date.fromisoformat(first["day"]) == agencies.NOW.date()  # yesterday was the last whole day
    models = agency.ok("forecast", "accuracy", code, as_json=True).data["models"]
    used = {(one["series"], one["channel"]): one for one in models if one["is_used"]}
    assert {("revenue", "all"), ("orders", "all"), ("orders", "meta")} <= set(used)
    assert Decimal(used["orders", "all"]["mase"]) < Decimal(used["orders", "all"]["naive_mase"])

    # What the last month would have said of the weeks since: trained again as of then, held against what came.
    agency.ok("forecast", "train", code, "--date", str((agencies.NOW - timedelta(days=31)).date()))
    [orders] = [
        one
        for one in agency.ok("forecast", "accuracy", code, as_json=True).data["since_trained"]
        if one["series"] == "orders"
    ]
    with agency.warehouse(code) as warehouse:
        came = warehouse.rows("SELECT SUM(orders) AS orders FROM agg_daily_sales WHERE day >= :day AND day <= :last",
                              day=date.fromisoformat(orders["since"]), last=(agencies.NOW - timedelta(days=1)).date())  # fmt: skip
    assert orders["days"] == 30
    assert Decimal(orders["actual"]) == came[0]["orders"]
    assert Decimal(orders["wape"]) < Decimal("0.6")
    # A run again at its own time takes the future back.
    agency.ok("forecast", "train", code)
    again = agency.ok("forecast", "show", code, as_json=True).data
    assert [one["predicted"] for one in again["days"]] == [one["predicted"] for one in shown.data["days"]]
    assert [one["lower_95"] for one in again["days"]] == [one["lower_95"] for one in shown.data["days"]]


def test_a_young_client_runs_well_and_is_told_how_many_days_are_missing(small: Agency) -> None:
    code = small.first
    small.onboarded(code)
    small.ok("backfill", code, "--days", "30")
    weekly = small.ok("run", "weekly", code, as_json=True)
    told = [one for one in weekly.envelope["warnings"] if one["code"] == "CTX-7111"]
    assert len(told) == 1
    refused = small.cortex("forecast", "show", code)
    assert refused.code == 8
    assert "needs 30 more days" in refused.err or "needs 31 more days" in refused.err
    report = small.root / "dist"
    assert small.ok("report", code, "--days", "30").code == 0
    pages = "".join(page.read_text(encoding="utf-8") for page in report.rglob("*.html"))
    assert "dias de vendas para que haja previsão" in pages
