"""Whether the numbers can be trusted, as `cortex dq` and `cortex reconcile` tell it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from tests.journeys.agency import Agency


def test_a_client_that_did_its_main_job_passes_every_check(done: Agency) -> None:
    for code in done.codes:
        said = done.ok("dq", code, "--severity", "warning", "--every", as_json=True)
        by_rule = {(check["rule"], check["part"]): check for check in said.data["checks"]}
        assert [check for check in by_rule.values() if check["status"] == "failed"] == []
        assert by_rule["announced", "store.orders"]["status"] == "ok"
        assert by_rule["freshness", "store.orders"]["status"] == "ok"
        assert all(check["about"] for check in by_rule.values())


def test_dq_ends_with_exit_code_8_when_sums_do_not_agree(small: Agency) -> None:
    code = small.first
    small.onboarded(code)
    nothing = small.cortex("dq", code)
    assert (nothing.code, "CTX-5091" in nothing.err) == (5, True)
    small.ok("run", "daily", code)
    with small.warehouse(code) as warehouse:
        warehouse.atomically(lambda tx: tx.run("UPDATE dq_results SET status = 'failed' WHERE rule = 'products'"))
    assert small.cortex("dq", code).code == 0
    warned = small.cortex("dq", code, "--severity", "warning")
    assert (warned.code, "CTX-2103" in warned.err, "products" in warned.out) == (8, True, True)
    with small.warehouse(code) as warehouse:
        warehouse.atomically(lambda tx: tx.run("UPDATE dq_results SET status = 'failed' WHERE rule = 'sums'"))
    failed = small.cortex("dq", code, as_json=True)
    assert (failed.code, failed.envelope["error"]["code"], failed.envelope["ok"]) == (8, "CTX-2103", False)
    assert small.cortex("dq", code, "--severity", "none").code == 0
    assert small.cortex("dq", code, "--severity", "some").code == 2


def test_reconcile_puts_the_sources_side_by_side(done: Agency) -> None:
    for code in done.codes:
        told = done.ok("reconcile", code, "--days", "30", as_json=True).data
        total = told["total"]
        span = {"since": told["since"], "last": told["last"]}
        between = "day >= :since AND day <= :last"
        spent = done.rows(
            code, f"SELECT platform, SUM(conversion_value) AS conversion_value FROM fct_ad_spend WHERE {between} GROUP BY platform", **span
        )  # fmt: skip
        claims = {row["platform"]: row["conversion_value"] for row in spent}
        revenue = done.one(
            code, "SELECT SUM(paid) AS paid FROM fct_orders WHERE is_paid = 1 AND paid_date >= :since AND paid_date <= :last", **span
        )  # fmt: skip
        seen = done.one(code, f"SELECT SUM(revenue) AS revenue FROM fct_sessions WHERE {between}", **span)
        assert Decimal(total["store_revenue"]) == revenue
        assert Decimal(total["ga4_revenue"]) == seen
        assert Decimal(total["ga4_gap"]) == seen - revenue
        assert Decimal(total["meta_value"]) == claims["meta"]
        assert Decimal(total["google_value"]) == claims["google"]
        assert Decimal(total["platform_claims"]) == round(sum(claims.values()) / revenue, 6)
        assert 0 < Decimal(total["ga4_coverage"]) <= 1
        assert sum(Decimal(day["store_revenue"]) for day in told["days"]) == revenue
        assert told["off"] == ["tiktok"]
        assert {day["tiktok_value"] for day in told["days"]} == {None} == {total["tiktok_value"]}, "unknown is not 0"
    shown = done.ok("reconcile", done.first, "--days", "7").out.splitlines()
    assert len(shown) == 2 + 7 + 1
    assert "TikTok" not in shown[0]
    assert shown[-1].startswith("total")


def test_what_platforms_said_is_kept_and_forgotten_by_the_weekly_run(done: Agency) -> None:
    for code in done.codes:
        kept = {
            row["source"]: row["payloads"] for row in done.rows(code, "SELECT source, payloads FROM rpt_raw_payloads")
        }
        assert kept["raw_meta_ads"] == done.one(code, "SELECT COUNT(*) AS n FROM fct_ad_spend WHERE platform = 'meta'")
        assert kept["raw_google_ads"] == done.one(
            code, "SELECT COUNT(*) AS n FROM fct_ad_spend WHERE platform = 'google'"
        )
        assert kept["raw_ga4"] == done.one(code, "SELECT COUNT(*) AS n FROM fct_sessions")
        assert kept["raw_ecommerce_orders"] == done.one(code, "SELECT COUNT(*) AS n FROM fct_orders")


def test_periods_and_cohorts_hold_the_same_money(done: Agency) -> None:
    for code in done.codes:
        gross = done.one(code, "SELECT SUM(paid) AS paid FROM fct_orders WHERE is_paid = 1")
        net = gross - done.one(code, "SELECT SUM(amount) AS amount FROM fct_refunds r")
        for grain in ("day", "week", "month"):
            assert done.one(
                code, "SELECT SUM(gross_revenue) AS gross_revenue FROM rpt_sales_analytics WHERE grain = :grain", grain=grain
            ) == gross  # fmt: skip
        assert done.one(code, "SELECT SUM(revenue) AS revenue FROM rpt_customer_cohorts") == net
        assert done.one(code, "SELECT COUNT(*) AS n FROM channel_products WHERE is_active = 1") > 0
        assert done.one(code, "SELECT COUNT(DISTINCT product_id) AS n FROM price_history") == done.one(
            code, "SELECT COUNT(*) AS n FROM channel_products"
        )


def test_sales_are_shown_by_day_week_and_month_and_hold_the_same_money(done: Agency) -> None:
    code = done.first
    told = {
        by: done.ok("analyze", "sales", code, "--by", by, "--periods", "1000", as_json=True).data
        for by in ("day", "week", "month")
    }
    gross = {by: sum(Decimal(row["gross_revenue"]) for row in data["periods"]) for by, data in told.items()}
    assert gross["day"] > 0
    # What was sold today is in this week already, and in no day that has ended.
    today = done.one(
        code, "SELECT SUM(gross_revenue) AS gross_revenue FROM agg_daily_sales WHERE day > :last", last=told["day"]["last_day"]
    )  # fmt: skip
    assert gross["week"] == gross["month"] == gross["day"] + (today or 0)
    *whole, newest = told["month"]["periods"]
    assert [row["is_whole"] for row in whole] == [1] * len(whole)
    assert (newest["is_whole"], newest["growth"]) == (0, None), "November has not ended"
    shown = done.ok("analyze", "sales", code, "--by", "week", "--lang", "pt-BR")
    assert "…" in shown.out
    refused = done.cortex("analyze", "sales", code, "--by", "year; DROP TABLE fct_orders")
    assert (refused.code, "CTX-7103" in refused.err) == (2, True)


def test_a_second_whole_job_restates_nothing(found: Callable[..., Agency]) -> None:
    agency = found()
    agency.main_job(agency.first)
    before = agency.dump(agency.first)
    agency.ok("run", "weekly", agency.first)
    after = agency.dump(agency.first)
    assert after["ad_daily_revision"] == before["ad_daily_revision"] == []
    assert after["price_history"] == before["price_history"]
