"""Other currencies: converted by stated rates, to the cent and back; without a rate counted nowhere, and never silently."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cortex.clock import Window
from cortex.errors import ConfigError
from cortex.money import convert
from cortex.records import AdSpend, Line, Order, Payment, Refund, Sessions
from cortex.steps import currencies, quality, reporting
from cortex.warehouse import tables
from tests.rooms.told_shop import Shop, shop
from tests.rooms.warehouse_rows import DAY, NOON

AMOUNTS = st.decimals("-1e9", "1e9", places=2)
RATES = st.decimals("0.0001", "10000", places=6)
__all__ = ["shop"]
HEADER = "day,from,to,rate,source\n"
USD = HEADER + "2026-03-09,USD,BRL,5.4321,Central bank\n2026-03-10,USD,BRL,5.5,Central bank\n2026-03-10,USD,MXN,18,x\n"


@given(st.lists(AMOUNTS, max_size=20), RATES)
def test_parts_sum_to_their_converted_sum(amounts: list[Decimal], rate: Decimal) -> None:
    parts = convert(amounts, rate, "BRL")
    assert sum(parts) == sum(convert([sum(amounts, Decimal(0))], rate, "BRL"))
    for part, amount in zip(parts, amounts, strict=True):
        assert abs(part - amount * rate) <= Decimal("0.01")


@given(AMOUNTS.filter(lambda amount: amount > 0), RATES)
def test_all_the_money_back_is_all_of_it(paid: Decimal, rate: Decimal) -> None:
    halves = [(paid / 2).quantize(Decimal("0.01")), paid - (paid / 2).quantize(Decimal("0.01"))]
    assert sum(convert(halves, rate, "BRL")) == convert([paid], rate, "BRL")[0]


def test_pesos_have_no_cents() -> None:
    assert convert([Decimal("10.00")], Decimal("171.35"), "CLP") == [Decimal("1714")]


def test_a_rate_holds_over_a_weekend_and_not_for_ever(tmp_path: Path) -> None:
    (tmp_path / "rates.csv").write_text(USD, encoding="utf-8")
    rates = currencies.read(tmp_path / "rates.csv", "BRL")
    assert rates.on("USD", date(2026, 3, 8)) is None, "a rate says nothing of the days before it"
    assert rates.on("USD", date(2026, 3, 9)) == (Decimal("5.4321"), date(2026, 3, 9), "Central bank")
    assert rates.on("USD", date(2026, 3, 17)) == (Decimal("5.5"), date(2026, 3, 10), "Central bank")
    assert rates.on("USD", date(2026, 3, 18)) is None
    assert rates.on("EUR", DAY) is None
    assert currencies.read(tmp_path / "none.csv", "BRL").on("USD", DAY) is None


def test_a_spreadsheet_in_portuguese_is_read(tmp_path: Path) -> None:
    (tmp_path / "rates.csv").write_bytes(
        "\ufeffday;from;to;rate;source\r\n2026-03-10;USD;BRL;5,4321;Banco\r\n".encode()
    )
    rate = currencies.read(tmp_path / "rates.csv", "BRL").on("USD", DAY)
    assert rate is not None
    assert (rate.factor, rate.source) == (Decimal("5.4321"), "Banco")


@pytest.mark.parametrize(
    "line",
    [
        "2026-03-10,USD,BRL,0,x", "2026-03-10,USD,BRL,-5,x", "2026-03-10,USD,BRL,NaN,x", "2026-03-10,USD,BRL,1e400,x",
        "2026-03-10,USD,BRL,five,x", "2026-03-10,USD,BRL,5.4,", "2026-03-10,USD,BRL,5.4", "10/03/2026,USD,BRL,5.4,x",
        "2026-03-10,usd,BRL,5.4,x", "2026-03-10,USD,R$,5.4,x", "2026-03-10,USD,BRL,5.4,x,more", "2026-02-30,USD,BRL,5.4,x",
        "2026-03-09,USD,BRL,5.5,another",
    ],
)  # fmt: skip
def test_a_line_that_is_no_rate_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "rates.csv").write_text(HEADER + "2026-03-09,USD,BRL,5.4,x\n" + line + "\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        currencies.read(tmp_path / "rates.csv", "BRL")
    assert caught.value.code == "CTX-5061"
    assert [problem.line for problem in caught.value.problems] == [3]


@pytest.mark.parametrize("content", [b"", b"day,from\n", b"\xff\xfe", HEADER.upper().replace("RATE", "PRICE").encode()])
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "rates.csv").write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        currencies.read(tmp_path / "rates.csv", "BRL")
    assert caught.value.code == "CTX-5061"


def sale(name: str, currency: str, **given: Any) -> Order:
    """Paid on DAY: two lines of 33.33 and 66.67 less 10.00, 5.00 of freight, by two payments."""
    whole: dict[str, Any] = {
        "platform": "olist", "external_id": name, "number": name, "status": "open", "payment_status": "paid",
        "created_at": NOON - timedelta(hours=1), "updated_at": NOON, "paid_at": NOON, "currency": currency,
        "subtotal": Decimal("100.00"), "discount": Decimal("10.00"), "shipping": Decimal("5.00"),
        "total": Decimal("95.00"), "paid": Decimal("95.00"),
        "lines": [
            Line(line=1, product_id="p", unit_price=Decimal("33.33"), total=Decimal("33.33"), unit_cost=Decimal("20.00")),
            Line(line=2, product_id="q", unit_price=Decimal("66.67"), total=Decimal("66.67")),
        ],
        "payments": [
            Payment(sequence=1, method="credit_card", amount=Decimal("47.51"), status="paid", paid_at=NOON),
            Payment(sequence=2, method="pix", amount=Decimal("47.49"), status="paid", paid_at=NOON),
        ],
    }  # fmt: skip
    return Order(**(whole | given))


def cost(currency: str, amount: str, campaign: str = "c") -> AdSpend:
    return AdSpend(
        platform="meta", account_id="act_1", level="campaign", day=DAY, campaign_id=campaign, currency=currency,
        spend=Decimal(amount), conversion_value=Decimal(amount) * 3,
    )  # fmt: skip


def test_dollars_count_as_reais_by_the_rate_of_their_day(shop: Shop) -> None:
    shop.platforms.sales = [sale("real", "BRL"), sale("dollar", "USD")]
    shop.platforms.ads = [cost("USD", "10.01"), cost("BRL", "4.00", "d")]
    shop.platforms.visits = [
        Sessions(property_id="1", day=DAY, source="x", medium="y", campaign="", revenue=Decimal("2.00"), currency="USD")
    ]
    run = shop.read(USD)
    rows = shop.bench.rows
    assert rows("SELECT gross_revenue, spend, shipping FROM rpt_daily_performance") == [
        (Decimal("95.00") + Decimal("522.50"), Decimal("59.06"), Decimal("32.50"))  # 10.01 x 5.5 = 55.055, half to even
    ]
    assert rows("SELECT revenue FROM rpt_traffic") == [(Decimal("11.00"),)]
    [dollar] = rows(
        "SELECT currency, native_currency, native_total, native_paid, exchange_rate, rate_day, rate_source, total, paid"
        " FROM rpt_transactions WHERE external_id = 'dollar'"
    )
    assert dollar == (
        "BRL", "USD", Decimal("95.00"), Decimal("95.00"), Decimal("5.5"), DAY, "Central bank", Decimal("522.50"),
        Decimal("522.50"),
    )  # fmt: skip
    [real] = rows(
        "SELECT native_currency, native_total, exchange_rate, rate_day FROM rpt_transactions WHERE number = 'real'"
    )
    assert real == ("BRL", Decimal("95.00"), Decimal(1), None)
    # Lines and payments sum to their order to the cent, as they did in dollars.
    assert rows(
        "SELECT SUM(i.total) AS total, o.subtotal FROM fct_order_items i JOIN fct_orders o ON o.order_key = i.order_key"
        " WHERE o.number = 'dollar' GROUP BY o.subtotal"
    ) == [(Decimal("550.00"), Decimal("550.00"))]
    assert rows("SELECT SUM(p.amount) AS amount FROM fct_payments p") == [(Decimal("617.50"),)]
    assert rows(
        "SELECT room, native_currency, native_amount, amount, missing FROM rpt_currencies ORDER BY room"
    ) == [
        ("ads", "USD", Decimal("10.01"), Decimal("55.06"), 0),
        ("store", "USD", Decimal("95.00"), Decimal("522.50"), 0),
        ("traffic", "USD", Decimal("2.00"), Decimal("11.00"), 0),
    ]  # fmt: skip
    assert run.notices == []


def test_without_a_rate_money_counts_nowhere_and_says_so_and_with_one_it_is_read_again(shop: Shop) -> None:
    shop.platforms.sales = [
        sale("real", "BRL"),
        sale("dollar", "USD"),
        sale("peso", "MXN", payment_status="pending", paid_at=None),
    ]
    shop.platforms.ads = [cost("USD", "10.00"), cost("BRL", "4.00", "d")]
    run = shop.read()
    rows = shop.bench.rows
    assert rows("SELECT gross_revenue, orders, spend FROM rpt_daily_performance") == [
        (Decimal("95.00"), 1, Decimal("4.00"))
    ]
    assert rows("SELECT SUM(total) AS total FROM rpt_orders_by_status") == [(Decimal("95.00"),)]
    assert rows("SELECT SUM(placed_value) AS placed_value FROM rpt_reconciliation") == [(Decimal("95.00"),)]
    told = sorted((notice.stream, notice.code, notice.count, notice.value) for notice in run.notices)
    assert told == [
        ("ads.meta", "CTX-5062", 1, Decimal("10.00")),
        ("store.orders", "CTX-5062", 1, Decimal("95.00")),
        ("store.orders", "CTX-5062", 1, Decimal("95.00")),
    ]
    assert rows("SELECT native_currency, missing, missing_amount FROM rpt_currencies WHERE room = 'store' ORDER BY native_currency") == [
        ("MXN", 1, Decimal("95.00")), ("USD", 1, Decimal("95.00")),
    ]  # fmt: skip
    failed = [(found.part, found.measured) for found in quality._currencies(run) if found.status == "failed"]
    assert failed == [("fct_orders", 2), ("fct_ad_spend", 1)]
    figures = reporting.gather(shop.bench.warehouse, run.tenant, Window.ending(DAY, 1), now=NOON, lang="en").figures
    assert {figure.key: figure.value for figure in figures}["revenue"] == Decimal("95.00")

    run = shop.read(USD + "2026-03-10,MXN,BRL,0.31,Central bank\n")
    assert run.notices == []
    assert rows("SELECT gross_revenue, orders, spend FROM rpt_daily_performance") == [
        (Decimal("617.50"), 2, Decimal("59.00"))
    ]
    assert not [found for found in quality._currencies(run) if found.status == "failed"]


def test_a_refund_goes_back_at_the_rate_the_order_came_in_by(shop: Shop) -> None:
    later = datetime(2026, 3, 20, 12, tzinfo=UTC)
    back = [
        Refund(refund_id="2", created_at=later, amount=Decimal("63.34")),
        Refund(refund_id="1", created_at=later - timedelta(days=1), amount=Decimal("31.66")),
    ]
    shop.platforms.sales = [sale("dollar", "USD")]
    shop.read(USD)
    shop.platforms.sales = [sale("dollar", "USD", refunds=back, payment_status="refunded", updated_at=later)]
    shop.read(USD + "2026-03-20,USD,BRL,9.99,Central bank\n")
    assert shop.bench.rows(
        "SELECT SUM(net_revenue) AS net_revenue, SUM(refunds) AS refunds FROM rpt_daily_performance"
    ) == [(Decimal("0.00"), Decimal("522.50"))]
    assert shop.bench.rows("SELECT SUM(amount) AS amount FROM fct_refunds") == [(Decimal("522.50"),)]


def test_a_mended_rate_moves_the_refunds_too(shop: Shop) -> None:
    back = [Refund(refund_id="1", created_at=NOON, amount=Decimal("95.00"))]
    shop.platforms.sales = [sale("dollar", "USD", refunds=back, payment_status="refunded")]
    for rates in (USD, USD.replace("5.5,", "5.6,")):
        shop.read(rates)
        assert shop.bench.rows("SELECT SUM(net_revenue) AS net_revenue FROM rpt_daily_performance") == [
            (Decimal("0.00"),)
        ]


def test_what_a_platform_restates_is_its_own_money_not_a_rate(shop: Shop) -> None:
    shop.bench.hand.now = NOON + timedelta(days=3)
    shop.platforms.ads = [cost("USD", "10.00")]
    shop.read(USD)
    shop.read(USD.replace("5.5,", "5.6,"))
    assert shop.bench.rows("SELECT * FROM ad_daily_revision") == []
    shop.platforms.ads = [cost("USD", "11.00")]
    shop.read()
    assert shop.bench.rows("SELECT currency, spend_change FROM rpt_ad_revisions") == [("USD", Decimal("1.00"))]
    assert shop.bench.rows("SELECT spend, native_spend FROM fct_ad_spend") == [(Decimal("61.60"), Decimal("11.00"))]


def test_every_money_column_of_a_foreign_order_is_converted(shop: Shop) -> None:
    """A column that is forgotten would add dollars to reais."""
    shop.platforms.sales = [
        sale(
            "dollar",
            "USD",
            tax=Decimal("1.00"),
            shipping_cost=Decimal("4.20"),
            refunds=[Refund(refund_id="1", created_at=NOON, amount=Decimal("1.00"))],
        )
    ]
    shop.read(HEADER + "2026-03-10,USD,BRL,10,x\n")
    told = {
        "fct_orders": {
            "subtotal": 1000, "discount": 100, "shipping": 50, "shipping_cost": 42, "tax": 10, "total": 950, "paid": 950, "refunded": 10,
        },
        "fct_refunds": {"amount": 10},
    }  # fmt: skip
    for table, columns in told.items():
        [found] = shop.bench.warehouse.rows(f"SELECT * FROM {table}")
        money = {
            c.name
            for c in tables.TENANT.tables[table].columns
            if isinstance(c.type, tables.Exact) and c.type.scale == 2
        }
        assert {name: found[name] for name in money if not name.startswith("native_")} == columns
    items = shop.bench.rows("SELECT unit_price, total, unit_cost FROM fct_order_items ORDER BY line")
    assert items == [
        (Decimal("333.30"), Decimal("333.30"), Decimal("200.00")),
        (Decimal("666.70"), Decimal("666.70"), None),
    ]
