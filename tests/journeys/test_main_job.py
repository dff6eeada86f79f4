"""The main job, end to end through the command line: from client files to a report that agrees with the shop to the cent."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from cortex.warehouse import engine as engines
from tests.conftest import ENGINES, mysql_url
from tests.journeys import agency as agencies
from tests.journeys import truth
from tests.journeys.agency import DAYS, NOW, Agency, Said

MODELS = ("first_click", "last_click", "linear")
BROWSED = True


def files(root: Path) -> dict[str, str]:
    """Every file below a folder by its content. SQLite's shared-memory index is no content."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.name.endswith("-shm")
    }


def exists(agency: Agency, code: str) -> bool:
    return engines.collation(engines.tenant_place(agency.database, code, agency.state)) is not None


def days(said: Said) -> tuple[str, str]:
    return said.data["since"], said.data["last"]


# Onboarding


def test_a_dry_run_says_what_onboarding_would_make_and_makes_nothing(agency: Agency) -> None:
    before = files(agency.root)
    said = agency.ok("onboard", agency.first, "--dry-run")
    assert re.search(r"\+ create database .*" + agency.first, said.out)
    assert "+ apply migration 0001_initial" in said.out
    assert re.search(r"\d+ changes pending, 0 to destroy", said.out)
    assert files(agency.root) == before
    assert not exists(agency, agency.first)
    assert not agency.state.exists()


def test_onboarding_again_says_there_is_nothing_to_do_and_does_nothing(agency: Agency) -> None:
    first = agency.ok("onboard", agency.first)
    assert f"{agency.first}: ready." in first.out
    before, rows = files(agency.root), agency.dump(agency.first)
    again = agency.ok("onboard", agency.first, as_json=True)
    assert again.data["changed"] is False
    assert again.data["changes"] == []
    assert "nothing to change" in agency.ok("onboard", agency.first).out
    assert files(agency.root) == before
    assert agency.dump(agency.first) == rows
    assert agency.ok("onboard", agency.first, "--dry-run").out.endswith("nothing to change\n")


def test_onboarding_asks_every_platform_and_sends_no_event(agency: Agency) -> None:
    said = agency.ok("onboard", agency.first, as_json=True)
    platforms = ("ecommerce.nuvemshop", "ads.meta", "ads.google", "analytics.ga4")
    destinations = ("offline_conversions.meta_capi", "offline_conversions.google_ec")
    answers = {check["platform"]: check["ok"] for check in said.data["credentials"]}
    assert answers == dict.fromkeys((*platforms, *destinations), True)
    assert agency.running.received.deliveries() == []
    assert agency.codes[1] not in "".join(call.path for call in agency.running.received.calls())


# Figures


def test_every_total_agrees_with_the_shop_to_the_cent(done: Agency) -> None:
    for code in done.codes:
        sales = truth.read_by_backfill(done.shop(code), NOW, DAYS)
        gross, refunds = truth.gross(sales), truth.refunds(sales)
        assert len(sales) > 50
        assert refunds > 0
        assert done.one(code, "SELECT COUNT(*) AS orders FROM fct_orders") == len(sales)
        assert done.one(code, "SELECT SUM(paid) AS paid FROM fct_orders WHERE is_paid = 1") == gross
        assert done.one(code, "SELECT SUM(amount) AS amount FROM fct_refunds") == refunds
        assert done.one(code, "SELECT SUM(refunded) AS refunded FROM fct_orders") == refunds
        assert done.one(code, "SELECT SUM(gross_revenue) AS gross_revenue FROM agg_daily_sales") == gross
        assert done.one(code, "SELECT SUM(refunds) AS refunds FROM agg_daily_sales") == refunds
        assert done.one(code, "SELECT SUM(gross_revenue) AS gross_revenue FROM rpt_daily_performance") == gross
        assert done.one(code, "SELECT SUM(net_revenue) AS net_revenue FROM rpt_daily_performance") == gross - refunds
        shared = done.rows(
            code, "SELECT model, SUM(attributed_revenue) AS attributed_revenue FROM fct_attribution GROUP BY model"
        )
        assert {row["model"]: row["attributed_revenue"] for row in shared} == dict.fromkeys(MODELS, gross - refunds)


def test_every_order_is_the_shops_own_word_for_word(done: Agency) -> None:
    code = done.first
    stored = {row["external_id"]: row for row in done.rows(code, "SELECT * FROM fct_orders")}
    for sale in truth.read_by_backfill(done.shop(code), NOW, DAYS):
        row = stored.pop(sale.id)
        assert (row["is_paid"], row["paid"], row["refunded"]) == (int(sale.counts), sale.paid, sale.refunded)
        assert row["total"] == Decimal(sale.wire["total"])
        assert row["created_at"] == sale.created
        assert row["order_date"] == sale.created.astimezone(truth.ZONE).date()
        assert row["paid_date"] == (sale.paid_day if sale.counts else None)
        assert row["status"] == sale.wire["status"]
        assert row["consent_state"] == sale.consent
        assert row["subtotal"] - row["discount"] + row["shipping"] + row["tax"] == row["total"]
    assert stored == {}


def test_every_day_has_its_own_sales(done: Agency) -> None:
    code = done.second
    expected: dict[object, list[Decimal]] = {}
    for sale in truth.read_by_backfill(done.shop(code), NOW, DAYS):
        if sale.counts:
            expected.setdefault(sale.paid_day, [Decimal(0), Decimal(0)])[0] += sale.paid
        if sale.returned:
            expected.setdefault(sale.refund_day, [Decimal(0), Decimal(0)])[1] += sale.refunded
    stored = done.rows(
        code,
        "SELECT day, SUM(gross_revenue) AS gross_revenue, SUM(refunds) AS refunds FROM agg_daily_sales GROUP BY day",
    )
    assert {row["day"]: [row["gross_revenue"], row["refunds"]] for row in stored} == expected


def test_credits_of_each_order_sum_to_its_value(done: Agency) -> None:
    for code in done.codes:
        wrong = done.rows(
            code,
            "SELECT o.order_key, a.model FROM fct_orders o JOIN fct_attribution a ON a.order_key = o.order_key"
            " WHERE o.is_paid = 1 GROUP BY o.order_key, a.model, o.paid, o.refunded"
            " HAVING ABS(SUM(a.attributed_revenue) - (o.paid - o.refunded)) > 0.001 OR ABS(SUM(a.weight) - 1) > 0.0000001",
        )
        assert wrong == []
        every = "SELECT COUNT(DISTINCT order_key) AS orders FROM fct_attribution WHERE model = :model"
        paid = done.one(code, "SELECT COUNT(*) AS orders FROM fct_orders WHERE is_paid = 1")
        assert [done.one(code, every, model=model) for model in MODELS] == [paid] * len(MODELS)


def test_spend_is_what_the_ad_accounts_say(done: Agency) -> None:
    since = truth.today(NOW) - timedelta(days=DAYS)
    for code in done.codes:
        shop = done.shop(code)
        assert shop.meta is not None
        assert shop.google is not None
        for platform, account in (("meta", shop.meta), ("google", shop.google)):
            said = sum((day.spend for day in account.days if since <= day.day < truth.today(NOW)), Decimal(0))
            stored = done.one(
                code, "SELECT SUM(spend) AS spend FROM fct_ad_spend WHERE platform = :platform", platform=platform
            )
            assert stored == said > 0


def test_sessions_are_what_ga4_says(done: Agency) -> None:
    since = truth.today(NOW) - timedelta(days=DAYS)
    shop = done.shop(done.first)
    if shop.ga4 is None:
        pytest.skip("the GA4 adapter is not there yet")
    said = sum(row.sessions for row in shop.ga4.sessions if since <= row.day < truth.today(NOW))
    assert done.one(done.first, "SELECT SUM(sessions) AS sessions FROM fct_sessions") == said > 0


STAGES = {
    "session_start": "visit", "view_item": "view", "add_to_cart": "cart", "begin_checkout": "checkout",
    "add_payment_info": "payment", "purchase": "purchase",
}  # fmt: skip


def test_stages_and_products_are_what_ga4_says(done: Agency) -> None:
    since, today = truth.today(NOW) - timedelta(days=DAYS), truth.today(NOW)
    ga4 = done.shop(done.first).ga4
    assert ga4 is not None
    said: Counter[tuple[object, str, str]] = Counter()
    for row in ga4.events:
        if since <= row.day < today and row.name in STAGES:
            said[row.day, row.device, STAGES[row.name]] += row.sessions
    stored = done.rows(
        done.first, "SELECT day, device, stage, SUM(sessions) AS sessions FROM fct_funnel GROUP BY day, device, stage"
    )
    assert {(row["day"], row["device"], row["stage"]): row["sessions"] for row in stored} == said
    looked = {
        (item.day, item.item_id): (item.viewed, item.added, item.purchased)
        for item in ga4.items
        if since <= item.day < today and (item.viewed or item.added or item.purchased)
    }
    views = done.rows(done.first, "SELECT * FROM fct_product_views")
    assert {(row["day"], row["item_id"]): (row["viewed"], row["added"], row["purchased"]) for row in views} == looked
    # Every product of the tags is one of the shop's.
    assert done.one(done.first, "SELECT MIN(is_known) AS known FROM rpt_product_conversion") == 1


def test_every_order_of_a_browser_has_its_device(done: Agency) -> None:
    told = done.rows(
        done.first, "SELECT o.device, g.device AS seen FROM fct_orders o JOIN stg_touches g ON g.order_ref = o.external_id"
        " WHERE g.origin = 'ga4'"
    )  # fmt: skip
    assert {(row["device"], row["seen"]) for row in told} == {("mobile", "mobile"), ("desktop", "desktop")}


@pytest.mark.parametrize("by", ["", "channel", "device"])
def test_the_funnel_is_shown_with_its_bars_and_both_counts_of_what_was_bought(done: Agency, by: str) -> None:
    words = ("analyze", "funnel", done.first, "--days", str(DAYS), *(("--by", by) if by else ()))
    said = done.ok(*words)
    assert max(map(len, said.out.splitlines())) <= 80
    assert "█" in said.out
    assert "funil aberto" in said.out
    data = done.ok(*words, as_json=True).data
    [funnel] = data["funnels"]
    stages = {level["stage"]: level for level in funnel["stages"]}
    assert list(stages) == list(STAGES.values())
    counts = {name: level["sessions"] for name, level in stages.items()}
    assert counts["visit"] == done.one(done.first, "SELECT SUM(sessions) AS sessions FROM fct_sessions")
    assert Decimal(stages["cart"]["of_before"]) == Decimal(counts["cart"]) / counts["view"]
    assert Decimal(stages["purchase"]["of_visits"]) == Decimal(counts["purchase"]) / counts["visit"]
    assert funnel["purchases"] < data["placed_orders"]
    assert Decimal(funnel["coverage"]) == Decimal(funnel["purchases"]) / data["placed_orders"]
    for name in STAGES.values() if by else ():
        parts = [level["sessions"] for part in funnel["parts"] for level in part["stages"] if level["stage"] == name]
        assert sum(parts) == counts[name]


def test_without_a_source_the_funnel_says_what_is_missing(done: Agency) -> None:
    said = done.cortex("analyze", "funnel", done.first, "--since", "2020-01-01", "--until", "2020-01-09")
    assert said.code == 5
    assert "CTX-8221" in said.err
    assert "--only funnel" in said.err
    assert done.cortex("analyze", "funnel", done.first, "--by", "moon").code == 2


def test_products_show_how_many_looks_were_followed_by_a_sale(done: Agency) -> None:
    data = done.ok("analyze", "products", done.first, as_json=True).data
    assert data["views_from"] == "ga4"
    best = data["best"][0]
    assert 0 < Decimal(best["conversion_rate"]) == Decimal(best["purchases_seen"]) / best["views"] < 1
    said = done.ok("analyze", "products", done.first)
    assert "segundo o GA4" in said.out


def test_the_report_shows_the_same_figures(done: Agency) -> None:
    for code in done.codes:
        said = done.ok("report", code, "--days", str(DAYS), as_json=True)
        last = truth.today(NOW) - timedelta(days=1)
        assert days(said) == (str(last - timedelta(days=DAYS - 1)), str(last))
        sales = truth.read_by_backfill(done.shop(code), NOW, DAYS)
        inside = [sale for sale in sales if sale.counts and last - timedelta(days=DAYS) < sale.paid_day <= last]
        gone = [sale for sale in sales if sale.returned and last - timedelta(days=DAYS) < sale.refund_day <= last]
        figures = said.data["figures"]
        assert Decimal(figures["revenue"]["value"]) == truth.gross(inside) - truth.refunds(gone)
        assert Decimal(figures["orders"]["value"]) == len(inside)
        spend = done.one(code, "SELECT SUM(spend) AS spend FROM fct_ad_spend")
        assert Decimal(figures["spend"]["value"]) == spend
        assert Decimal(figures["mer"]["value"]) == pytest.approx(truth.gross(inside) / spend)
        page = Path(said.data["path"]).read_text(encoding="utf-8")
        assert all(f'data-stage="{stage}"' in page for stage in STAGES.values())


def test_status_says_the_same_as_the_report(done: Agency) -> None:
    (row,) = done.ok("status", done.first, as_json=True).data
    report = done.ok("report", done.first, "--days", "30", as_json=True).data
    assert row["data_until"] == report["last"] == str(truth.today(NOW) - timedelta(days=1))
    assert row["orders"] == int(Decimal(report["figures"]["orders"]["value"]))
    assert Decimal(row["revenue"]) == Decimal(report["figures"]["revenue"]["value"])
    assert row["last_run"] == "weekly ok"
    assert row["note"] == ""
    assert row["accuracy"] == 1.0


# Repetition


def test_a_second_daily_run_changes_nothing_and_sends_nothing(agency: Agency) -> None:
    code = agency.first
    agency.main_job(code)
    before, told = agency.dump(code), agency.running.received.deliveries()
    said = agency.ok("run", "daily", code, as_json=True)
    steps = {step["name"]: step for step in said.data["steps"]}
    assert steps["store.orders"]["facts"]["new"] == steps["store.orders"]["facts"]["updated"] == 0
    assert steps["conversions.meta_capi"]["facts"]["accepted"] == 0
    assert steps["conversions.google_ec"]["facts"]["accepted"] == 0
    assert agency.dump(code) == before
    assert agency.running.received.deliveries() == told
    agency.ok("run", "weekly", code)
    agency.ok("backfill", code, "--days", str(DAYS))
    agency.ok("run", "conversions", code)
    assert agency.dump(code) == before
    assert agency.running.received.deliveries() == told


def test_the_same_job_gives_the_same_rows_on_every_engine(found: object, tmp_path: Path) -> None:
    if ENGINES == ["sqlite"]:
        pytest.skip("CORTEX_TEST_ENGINES leaves the server out")
    market = agencies.market()
    codes = [shop.code for shop in market.shops]
    dumps = []
    for at, database in enumerate(("", mysql_url())):
        same = agencies.market(codes=codes)
        with closing(agencies.found(tmp_path / str(at), same, database=database)) as agency:
            agency.main_job()
            dumps.append({code: agency.dump(code) for code in codes})
            dumps[-1]["views"] = {
                view: sorted(agency.rows(codes[0], f"SELECT * FROM {view}"), key=repr)
                for view in (
                    "rpt_daily_performance",
                    "rpt_channel_performance",
                    "rpt_ltv_cohort",
                    "rpt_transactions",
                    "rpt_funnel",
                    "rpt_product_conversion",
                )
            }
    assert dumps[0] == dumps[1]


# Handing over, looking back


def test_the_tracking_kit_is_the_same_every_time(done: Agency, tmp_path: Path) -> None:
    one, two = tmp_path / "one.zip", tmp_path / "two.zip"
    said = done.ok("tracking", "export", done.first, "--out", str(one), as_json=True)
    done.ok("tracking", "export", done.first, "--out", str(two))
    assert one.read_bytes() == two.read_bytes()
    assert said.data["lint_errors"] == 0
    assert "container.json" in said.data["files"]
    usual = done.root / "dist" / f"{done.first}-tracking.zip"
    assert usual.read_bytes() == one.read_bytes()


def test_doctor_finds_nothing_wrong(done: Agency) -> None:
    said = done.ok("doctor", done.first, as_json=True)
    # How a scratch server is set up is its owner's business: tests/rooms/test_diagnosis.py looks at that.
    ours = [check for check in said.data if not check["check"].startswith("database ")]
    assert {check["state"] for check in ours} == {"ok"}
    assert done.ok("doctor", as_json=True).code == 0


def test_the_ledger_tells_what_was_done(done: Agency) -> None:
    runs = done.ok("runs", "list", done.first, as_json=True).data
    assert [run["pipeline"] for run in runs] == ["weekly", "daily", "backfill"]
    assert {run["status"] for run in runs} == {"ok"}
    steps = done.ok("runs", "show", runs[1]["run_id"], as_json=True).data
    assert [step["step"] for step in steps][:2] == ["store.orders", "store.products"]
    assert {step["status"] for step in steps} == {"ok"}
    assert json.loads(json.dumps(steps)) == steps
    shown = done.ok("runs", "list", done.first).out
    yesterday = truth.today(NOW) - timedelta(days=1)
    assert f"{yesterday - timedelta(days=DAYS - 1)} → {yesterday}" in shown
    assert str(truth.today(NOW)) + "  ok" not in shown


def test_tenants_are_listed_and_shown(done: Agency) -> None:
    assert [row["client"] for row in done.ok("tenants", "list", as_json=True).data] == sorted(done.codes)
    assert "America/Sao_Paulo" in done.ok("tenants", "show", done.first).out
    assert done.ok("db", "status", as_json=True).data[0]["pending"] == 0
    assert done.ok("db", "migrate", "--all", "--dry-run").out.count("nothing to change") == len(done.codes)
    assert done.ok("health").out == "ok\n"
