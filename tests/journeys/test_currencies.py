"""A client that reports in another currency than its shop sells in: nothing is added up wrongly, and rates make it whole."""

from __future__ import annotations

from decimal import Decimal

from tests.journeys.agency import DAYS, Agency
from tests.journeys.test_canaries import contents

RATE = Decimal("3.1415")


def test_a_shop_in_reais_and_a_client_in_pesos(small: Agency) -> None:
    code = small.first
    small.edit(code, r"currency: .*", "currency: MXN")
    small.onboarded(code)
    told = small.ok("backfill", code, "--days", str(DAYS), as_json=True)
    codes = {(notice["stream"], notice["code"]) for notice in told.data["notices"]}
    assert {("store.orders", "CTX-5062"), ("ads.meta", "CTX-5062"), ("traffic.ga4", "CTX-5062")} <= codes
    assert small.one(code, "SELECT SUM(gross_revenue) AS gross_revenue FROM rpt_daily_performance") in {
        None,
        Decimal("0.00"),
    }
    assert small.one(code, "SELECT COUNT(*) AS n FROM conversion_outbox") == 0, (
        "what is worth nobody knows what is not told"
    )
    assert small.cortex("dq", code).code == 8
    doctor = small.cortex("doctor", code)
    assert "tells money in BRL, the client reports in MXN, and rates.csv has no rate" in doctor.out
    page = small.root / "report.html"
    small.ok("report", code, "--out", str(page))
    assert "não têm cotação em rates.csv" in page.read_text(encoding="utf-8")

    since = small.one(code, "SELECT MIN(order_date) AS order_date FROM fct_orders")
    days = [since.fromordinal(since.toordinal() + n) for n in range(-40, DAYS + 5)]
    rates = "".join(f"{day},BRL,MXN,{RATE},Banxico\n" for day in days if day.weekday() < 5)
    (small.root / "rates.csv").write_text("day,from,to,rate,source\n" + rates, encoding="utf-8")
    again = small.ok("backfill", code, "--days", str(DAYS), as_json=True)
    assert not [notice for notice in again.data["notices"] if notice["code"] == "CTX-5062"]
    small.ok("run", "daily", code)
    assert small.cortex("dq", code).code == 0
    native = small.one(code, "SELECT SUM(native_paid) AS native_paid FROM rpt_transactions WHERE is_paid = 1")
    count = small.one(code, "SELECT COUNT(*) AS n FROM fct_orders WHERE is_paid = 1")
    paid = small.one(code, "SELECT SUM(gross_revenue) AS gross_revenue FROM rpt_daily_performance")
    assert count > 50
    assert abs(paid - native * RATE) <= Decimal("0.005") * count, "each order is rounded once"
    assert small.rows(code, "SELECT DISTINCT currency FROM conversion_outbox") == [{"currency": "MXN"}]
    spend, own = small.rows(code, "SELECT SUM(spend) AS spend, SUM(native_spend) AS native_spend FROM fct_ad_spend")[
        0
    ].values()
    assert abs(spend - own * RATE) < 10
    assert small.one(code, "SELECT SUM(missing) AS missing FROM rpt_currencies") == 0
    assert "MX$" in small.ok("status", code).out
    assert any(name == "rates.csv" for name, _ in contents(small.root))


def test_a_broken_file_of_rates_stops_what_needs_it_and_names_the_line(small: Agency) -> None:
    code = small.first
    small.onboarded(code)
    (small.root / "rates.csv").write_text("day,from,to,rate,source\n2026-11-19,USD,BRL,five,x\n", encoding="utf-8")
    said = small.cortex("run", "daily", code, as_json=True)
    assert (said.code, said.envelope["error"]["code"]) == (3, "CTX-5061")
    assert said.envelope["error"]["problems"][0]["line"] == 2
    doctor = small.cortex("doctor", code)
    assert (doctor.code, "rates.csv has 1 lines that are no rates" in doctor.out) == (3, True)
