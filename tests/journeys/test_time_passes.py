"""Days go by: what is paid, cancelled and refunded late arrives, and it does not matter how the days were read."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cortex.sandbox.market import Shop
from tests.journeys import agency as agencies
from tests.journeys import truth
from tests.journeys.agency import NOW, Agency, Dump
from tests.journeys.conftest import Founder

START = NOW - timedelta(days=9)
ORDERS = ("fct_orders", "fct_order_items", "fct_payments", "fct_order_aliases", "fct_ad_spend", "fct_sessions")
"""Tables that say how things are, whichever way we came to know."""
COMPUTED = ("agg_daily_sales", "dim_customers", "fct_attribution", "fct_touchpoints")


def facts(agency: Agency, code: str, names: Iterable[str] = ORDERS) -> Dump:
    dump = agency.dump(code, columns=["is_provisional"])
    return {name: dump[name] for name in names}


def grown_up(found: Founder, code: str, database: str) -> Agency:
    """An agency that begins at the end: it reads at once what the other one saw day by day."""
    late = found(market=agencies.market(days=40, codes=[code, f"{code}x"]), database=database)
    late.ok("onboard", code)
    late.ok("backfill", code, "--days", "39")
    return late


@pytest.mark.parametrize("strides", [[1] * 9, [9], [3, 1, 5]], ids=["every day", "after nine days", "now and then"])
def test_days_read_in_any_rhythm_give_the_orders_of_one_late_reading(found: Founder, strides: list[int]) -> None:
    early = found(market=agencies.market(days=40), now=START)
    code = early.first
    early.ok("onboard", code)
    early.ok("backfill", code, "--days", "30")
    early.ok("run", "daily", code)
    before = early.one(code, "SELECT COUNT(*) AS n FROM fct_orders")
    for days in strides:
        early.forward(days=days)
        early.ok("run", "daily", code)
    assert early.hand.now == NOW
    late = grown_up(found, code, "")
    assert late.one(code, "SELECT COUNT(*) AS n FROM fct_orders") > before
    assert facts(early, code) == facts(late, code)
    early.ok("run", "weekly", code)
    late.ok("run", "weekly", code)
    assert facts(early, code, ("fct_attribution", "fct_touchpoints")) == facts(
        late, code, ("fct_attribution", "fct_touchpoints")
    )
    gross = "SELECT day, channel, orders, new_customers, items, gross_revenue FROM agg_daily_sales WHERE orders > 0 ORDER BY day, channel"
    assert early.rows(code, gross) == late.rows(code, gross)
    # A shop tells no date of a refund: who saw it happen knows it better than who came later. The sum is the same.
    refunds = "SELECT SUM(refunds) AS refunds FROM agg_daily_sales"
    assert early.one(code, refunds) == late.one(code, refunds) > 0


def test_on_a_server_too(found: Founder, engine_url: str) -> None:
    early = found(market=agencies.market(days=40), now=START, database=engine_url)
    code = early.first
    early.ok("onboard", code)
    early.ok("backfill", code, "--days", "30")
    early.ok("run", "daily", code)
    early.forward(days=9)
    early.ok("run", "daily", code)
    stored = {row["external_id"]: row for row in early.rows(code, "SELECT * FROM fct_orders")}
    for sale in truth.sales(early.shop(code), NOW, since=truth.today(START) - timedelta(days=30)):
        row = stored.pop(sale.id)
        assert (row["paid"], row["refunded"], row["status"]) == (sale.paid, sale.refunded, sale.wire["status"])
    assert stored == {}


def test_eight_nights_in_a_row_store_each_line_once(found: Founder) -> None:
    """Seven days of lookback read every order eight times (B01)."""
    agency = found(market=agencies.market(days=40), now=START)
    code = agency.first
    agency.onboarded(code)
    for _ in range(8):
        agency.ok("run", "daily", code)
        agency.forward(days=1)
    now = agency.hand.now - timedelta(days=1)
    first_read = truth.today(START) - timedelta(days=8)
    sales = truth.sales(agency.shop(code), now, since=first_read)
    assert agency.one(code, "SELECT COUNT(*) AS n FROM fct_orders") == len(sales)
    lines = sum(len(sale.wire["products"]) for sale in sales)
    assert agency.one(code, "SELECT COUNT(*) AS n FROM fct_order_items") == lines
    assert agency.one(code, "SELECT SUM(paid) AS paid FROM fct_orders") == truth.gross(sales)
    each = sum(
        (Decimal(line["price"]) * int(line["quantity"]) for sale in sales for line in sale.wire["products"]), Decimal(0)
    )
    assert agency.one(code, "SELECT SUM(total) AS total FROM fct_order_items") == each


def test_what_was_told_day_by_day_is_what_was_owed_on_each_day(found: Founder) -> None:
    agency = found(market=agencies.market(days=40), now=START)
    code = agency.first
    agency.onboarded(code)
    agency.ok("backfill", code, "--days", "30")
    told: dict[str, dict[str, Decimal]] = {"meta": {}, "data_manager": {}}
    since = truth.today(START) - timedelta(days=30)
    for _ in range(10):
        agency.ok("run", "daily", code)
        now = agency.hand.now
        for platform, rules in (("meta", truth.META), ("data_manager", truth.GOOGLE)):
            owed = truth.due(truth.sales(agency.shop(code), now, since=since), now, **rules)
            told[platform] |= {order: value for order, value in owed.items() if order not in told[platform]}
            if platform == "data_manager":  # what went back since is told too
                net = {sale.id: sale.net for sale in truth.sales(agency.shop(code), now, since=since)}
                told[platform] = {order: net[order] for order in told[platform]}
            assert agency.counted(code, platform) == told[platform]
            agency.once_each(code, platform)
        agency.forward(days=1)
    assert len(told["meta"]) > 40


PAID = {"payment_status": "paid", "next_action": "waiting_packing"}


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def forgotten(shop: Shop) -> truth.Sale:
    """An order placed three weeks ago or more that nobody has paid."""
    return next(
        sale
        for sale in truth.sales(shop, NOW)
        if not sale.counts
        and sale.wire["payment_status"] in {"abandoned", "pending"}
        and NOW - sale.created > timedelta(days=20)
    )


def test_a_payment_after_twenty_days_appears(found: Founder, engine_url: str) -> None:
    """Orders are read by change, not by creation (B06)."""
    agency = found(market=agencies.market(days=40, own=True), database=engine_url)
    code = agency.first
    agency.onboarded(code)
    agency.ok("backfill", code, "--days", "39")
    agency.ok("run", "daily", code)
    sale = forgotten(agency.shop(code))
    paid = agency.one(code, "SELECT SUM(paid) AS paid FROM fct_orders")
    at = NOW + timedelta(hours=3)
    agency.shop(code).amend(sale.id, at, {**PAID, "paid_at": stamp(at), "total_paid": sale.wire["total"]})
    agency.forward(days=1)
    agency.ok("run", "daily", code)
    (row,) = agency.rows(code, "SELECT * FROM fct_orders WHERE external_id = :id", id=sale.id)
    assert (row["is_paid"], row["paid"], row["paid_date"]) == (1, Decimal(sale.wire["total"]), truth.today(at))
    assert row["order_date"] == sale.created.astimezone(truth.ZONE).date()
    assert agency.one(code, "SELECT SUM(paid) AS paid FROM fct_orders") > paid
    assert agency.one(
        code, "SELECT SUM(gross_revenue) AS gross_revenue FROM agg_daily_sales"
    ) == agency.one(code, "SELECT SUM(paid) AS paid FROM fct_orders WHERE is_paid = 1")  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"payment_status": "refunded"},
        {"payment_status": "refunded", "status": "cancelled", "cancel_reason": "customer"},
        {"payment_status": "voided", "status": "cancelled", "cancel_reason": "fraud"},
    ],
    ids=["refunded", "cancelled and refunded", "voided"],
)
def test_money_that_goes_back_after_three_weeks_is_taken_off(found: Founder, change: dict[str, Any]) -> None:
    agency = found(market=agencies.market(days=40, own=True))
    code = agency.first
    agency.onboarded(code)
    agency.ok("backfill", code, "--days", "39")
    agency.ok("run", "daily", code)
    sale = next(
        sale
        for sale in truth.sales(agency.shop(code), NOW)
        if sale.counts and sale.net > 0 and timedelta(days=20) < NOW - sale.created < timedelta(days=30)
    )
    gross = "SELECT SUM(gross_revenue) AS gross_revenue FROM agg_daily_sales"
    net = "SELECT SUM(gross_revenue) - SUM(refunds) AS net_revenue FROM agg_daily_sales"
    credited = "SELECT SUM(attributed_revenue) AS attributed_revenue FROM fct_attribution WHERE model = 'linear'"
    before = [agency.one(code, sql) for sql in (gross, net, credited)]
    at = NOW + timedelta(hours=5)
    more = {"cancelled_at": stamp(at)} if change.get("status") == "cancelled" else {}
    agency.shop(code).amend(sale.id, at, {**change, **more})
    agency.forward(days=1)
    agency.ok("run", "daily", code)
    assert agency.one(code, "SELECT refunded FROM fct_orders WHERE external_id = :id", id=sale.id) == sale.paid
    grown = truth.gross(truth.sales(agency.shop(code), agency.hand.now, since=truth.today(NOW) - timedelta(days=39)))
    lost = truth.refunds(truth.sales(agency.shop(code), agency.hand.now, since=truth.today(NOW) - timedelta(days=39)))
    after = [agency.one(code, sql) for sql in (gross, net, credited)]
    assert after == [grown, grown - lost, grown - lost]
    assert after[1] < before[1] + grown - before[0]
    (day,) = agency.rows(
        code,
        "SELECT r.refund_date FROM fct_refunds r JOIN fct_orders o ON o.order_key = r.order_key WHERE o.external_id = :id",
        id=sale.id,
    )
    assert day["refund_date"] == truth.today(at)


def test_half_past_eleven_at_night_is_that_day(found: Founder, engine_url: str) -> None:
    """A sale at 23:30 in São Paulo is the next day in UTC (B07)."""
    market = agencies.market(own=True)
    shop = market.shops[0]
    pattern = next(
        sale for sale in truth.sales(shop, NOW) if sale.counts and sale.net > 0 and sale.consent == "granted"
    )
    late = datetime(2026, 11, 17, 23, 30, tzinfo=truth.ZONE)
    early = late + timedelta(hours=1)
    for number, at in ((990001, late), (990002, early)):
        order = {**pattern.wire, "id": number, "number": number, "token": str(number), "status": "open"}
        order |= {name: stamp(at) for name in ("created_at", "updated_at", "paid_at")}
        shop.orders.add(order)
    agency = found(market=market, database=engine_url)
    agency.onboarded(shop.code)
    mine = "SELECT order_date, paid_date FROM fct_orders WHERE external_id LIKE '99000%' ORDER BY external_id"
    agency.ok("run", "daily", shop.code, "--date", "2026-11-17", "--days", "1", "--only", "store.orders")
    assert [tuple(map(str, row.values())) for row in agency.rows(shop.code, mine)] == [("2026-11-17",) * 2]
    agency.ok("run", "daily", shop.code)
    days = [tuple(map(str, row.values())) for row in agency.rows(shop.code, mine)]
    assert days == [("2026-11-17",) * 2, ("2026-11-18",) * 2]


def test_the_hourly_run_reads_today_and_calls_it_not_whole(found: Founder, engine_url: str) -> None:
    agency = found(database=engine_url)
    code = agency.first
    agency.onboarded(code)
    agency.ok("run", "daily", code)
    agency.forward(hours=4)
    said = agency.ok("run", "hourly", code, as_json=True)
    assert said.data["since"] == str(truth.today(NOW))
    sales = truth.sales(agency.shop(code), agency.hand.now, since=truth.today(NOW) - timedelta(days=8))
    assert agency.one(code, "SELECT COUNT(*) AS n FROM fct_orders") == len(sales)
    today = [sale for sale in sales if sale.counts and sale.paid_day == truth.today(NOW)]
    assert agency.one(
        code,
        "SELECT SUM(gross_revenue) AS gross_revenue FROM rpt_daily_performance WHERE day = :day",
        day=truth.today(NOW),
    ) == truth.gross(today)
    cursors = {
        row["stream"]: row["complete_until"]
        for row in agency.rows(code, "SELECT stream, complete_until FROM sync_state")
    }
    assert set(cursors.values()) == {truth.today(NOW)}
    report = agency.ok("report", code, as_json=True).data
    assert report["last"] == str(truth.today(NOW) - timedelta(days=1))
    again = agency.ok("run", "hourly", code, as_json=True)
    assert [step["facts"].get("new", 0) for step in again.data["steps"] if step["name"] == "store.orders"] == [0]
