"""The report views: figures worked out by hand, and the same rows from every engine over random data."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cortex.warehouse import Transaction, Warehouse, tables, views
from tests.rooms.warehouse_rows import DAY, NOON, key, order, row, spend

ONE, TWO, THREE = DAY, DAY + timedelta(1), DAY + timedelta(2)


def touch(name: object, position: int, channel: str, **given: Any) -> dict[str, Any]:
    return row(tables.fct_touchpoints, order_key=key(name), position=position, channel=channel, **given)


def credit(name: object, model: str, channel: str, revenue: str, weight: str = "1", **given: Any) -> dict[str, Any]:
    return row(
        tables.fct_attribution, order_key=key(name), model=model, channel=channel, weight=Decimal(weight),
        attributed_revenue=Decimal(revenue), **({"position": 1, "order_date": ONE} | given),
    )  # fmt: skip


def refund(name: object, day: date, amount: str, refund_id: str = "1") -> dict[str, Any]:
    return row(tables.fct_refunds, order_key=key(name), refund_id=refund_id, refund_date=day, amount=Decimal(amount))


def load(warehouse: Warehouse, **rows: list[dict[str, Any]]) -> None:
    def fill(tx: Transaction) -> None:
        for table, of_table in rows.items():
            tx.upsert(table, of_table)

    warehouse.atomically(fill)


def told(warehouse: Warehouse, view: str, *columns: str, order: str = "1, 2, 3") -> list[tuple[Any, ...]]:
    return [tuple(one.values()) for one in warehouse.rows(f"SELECT {', '.join(columns)} FROM {view} ORDER BY {order}")]


def money(*amounts: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(amount) for amount in amounts)


def test_daily_performance(warehouse: Warehouse):
    load(
        warehouse,
        fct_orders=[
            order(
                1,
                paid=Decimal("100.00"),
                is_new_customer=1,
                items=2,
                discount=Decimal("5.00"),
                shipping=Decimal("9.90"),
            ),
            order(2, paid=Decimal("50.00")),
            # Placed on the first day, paid on the second: a boleto counts when it is paid.
            order(3, paid=Decimal("30.00"), order_date=ONE, paid_date=TWO),
            order(4, is_paid=0, paid_date=None, paid_at=None, payment_status="pending"),
            order(5, is_paid=0, is_test=1),
        ],
        fct_refunds=[refund(1, THREE, "20.00"), refund(5, THREE, "7.00")],
        fct_ad_spend=[spend(ONE, "40.00", clicks=8, impressions=100), spend(ONE, "20.00", platform="google")],
        # The last click decides, and only channels whose account is read count: nobody reads a TikTok account here.
        fct_attribution=[
            credit(1, "last_click", "google", "80.00"),
            credit(1, "linear", "meta", "40.00"),
            credit(2, "last_click", "direct", "50.00"),
            credit(3, "last_click", "tiktok", "30.00", order_date=TWO),
        ],
    )
    assert told(
        warehouse, "rpt_daily_performance", "day", "gross_revenue", "refunds", "net_revenue", "orders", "new_customers",
        "items", "discounts", "shipping", "paid_revenue", "impressions", "clicks", "spend",
    ) == [
        (ONE, *money("150.00", "0.00", "150.00"), 2, 1, 3, *money("5.00", "9.90", "80.00"), 100, 8, Decimal("60.00")),
        (TWO, *money("30.00", "0.00", "30.00"), 1, 0, 1, *money("0", "0", "0"), 0, 0, Decimal("0.00")),
        (THREE, *money("0.00", "20.00", "-20.00"), 0, 0, 0, *money("0", "0", "0"), 0, 0, Decimal("0.00")),
    ]  # fmt: skip
    assert told(warehouse, "rpt_daily_performance", "day", "aov", "roas", "mer", "cac", "week_start", "month_start") == [
        (ONE, *money("75.000000", "1.333333", "2.500000", "60.000000"), date(2026, 3, 9), date(2026, 3, 1)),
        (TWO, Decimal("30.000000"), None, None, None, date(2026, 3, 9), date(2026, 3, 1)),
        (THREE, None, None, None, None, date(2026, 3, 9), date(2026, 3, 1)),
    ]  # fmt: skip


def test_days_outside_the_calendar_are_not_lost(warehouse: Warehouse):
    load(warehouse, fct_orders=[order(1, paid_date=date(2001, 5, 5))])
    assert told(warehouse, "rpt_daily_performance", "day", "orders", "week_start") == [(date(2001, 5, 5), 1, None)]


def test_channel_parts(warehouse: Warehouse):
    load(
        warehouse,
        fct_orders=[order(1, payment_method="pix", device="mobile"), order(2, payment_method="credit_card")],
        fct_touchpoints=[
            touch(1, 1, "meta", source="ig", medium="paid_social"), touch(1, 2, "meta", source="fb", medium="paid_social"),
        ],
        fct_attribution=[
            credit(1, "linear", "meta", "60.00", "0.5", is_new_customer=1),
            credit(1, "linear", "meta", "40.00", "0.5", is_new_customer=1, position=2),
            credit(2, "linear", "unattributed", "30.00", position=0),
        ],
    )  # fmt: skip
    columns = ("dimension", "channel", "part", "attributed_revenue", "orders", "new_customers")
    one, half, none = (Decimal(text) for text in ("1", "0.5", "0"))
    assert told(warehouse, "rpt_channel_parts", *columns) == [
        ("device", "meta", "mobile", Decimal("100.00"), one, one),
        ("device", "unattributed", "", Decimal("30.00"), one, none),
        ("medium", "meta", "paid_social", Decimal("100.00"), one, one),
        ("medium", "unattributed", "", Decimal("30.00"), one, none),
        ("payment_method", "meta", "pix", Decimal("100.00"), one, one),
        ("payment_method", "unattributed", "credit_card", Decimal("30.00"), one, none),
        ("source", "meta", "fb", Decimal("40.00"), half, half),
        ("source", "meta", "ig", Decimal("60.00"), half, half),
        ("source", "unattributed", "", Decimal("30.00"), one, none),
    ]


def test_channel_performance(warehouse: Warehouse):
    load(
        warehouse,
        fct_attribution=[
            credit(1, "linear", "meta", "33.34", "0.33333334", position=1, is_new_customer=1),
            credit(1, "linear", "google", "66.66", "0.66666666", position=2, is_new_customer=1),
            credit(2, "linear", "unattributed", "10.00", position=0),
            credit(1, "last_click", "google", "100.00", is_new_customer=1),
        ],
        fct_ad_spend=[spend(ONE, "50.00", clicks=5), spend(TWO, "8.00", platform="tiktok")],
    )
    assert told(
        warehouse, "rpt_channel_performance", "model", "day", "channel", "attributed_revenue", "orders", "new_customers",
        "spend", "roas", "cac",
    ) == [
        ("last_click", ONE, "google", Decimal("100.00"), 1, 1, Decimal("0.00"), None, Decimal("0.000000")),
        ("last_click", ONE, "meta", Decimal("0.00"), 0, 0, Decimal("50.00"), Decimal("0.000000"), None),
        ("last_click", TWO, "tiktok", Decimal("0.00"), 0, 0, Decimal("8.00"), Decimal("0.000000"), None),
        ("linear", ONE, "google", Decimal("66.66"), Decimal("0.66666666"), Decimal("0.66666666"), Decimal("0.00"), None,
         Decimal("0.000000")),
        ("linear", ONE, "meta", Decimal("33.34"), Decimal("0.33333334"), Decimal("0.33333334"), Decimal("50.00"),
         Decimal("0.666800"), Decimal("149.999997")),
        ("linear", ONE, "unattributed", Decimal("10.00"), 1, 0, Decimal("0.00"), None, None),
        ("linear", TWO, "tiktok", Decimal("0.00"), 0, 0, Decimal("8.00"), Decimal("0.000000"), None),
    ]  # fmt: skip
    named = warehouse.rows("SELECT DISTINCT channel, name_pt, is_paid FROM rpt_channel_performance ORDER BY channel")
    assert [tuple(one.values()) for one in named][-1] == ("unattributed", "Não atribuído", 0)


def test_channel_totals_are_table_totals(warehouse: Warehouse):
    load(
        warehouse,
        fct_attribution=[credit(i, "linear", c, f"{i}.{i:02d}") for i, c in enumerate(["meta", "sms", "new_channel"])],
        fct_ad_spend=[spend(ONE, "3.33", campaign_id=str(i), platform=p) for i, p in enumerate(["meta", "pinterest"])],
    )
    [total] = warehouse.rows(
        "SELECT SUM(attributed_revenue) AS attributed_revenue, SUM(spend) AS spend FROM rpt_channel_performance"
    )
    assert total == {"attributed_revenue": Decimal("3.03"), "spend": Decimal("6.66")}


def test_campaign_performance(warehouse: Warehouse):
    about = {"platform": "meta", "campaign_id": "c1"}
    load(
        warehouse,
        dim_campaigns=[
            row(tables.dim_campaigns, **about, ad_id=ad, campaign_name="Verão", funnel_stage="TOFU")
            for ad in ("a1", "a2")
        ],
        fct_ad_spend=[
            spend(ONE, "30.00", ad_id="a1", clicks=3, conversions=Decimal("2.5"), conversion_value=Decimal("90.00")),
            spend(ONE, "10.00", ad_id="a2", clicks=1, conversions=Decimal("1"), conversion_value=Decimal("10.00")),
        ],
        fct_attribution=[
            credit(1, "linear", "meta", "80.00", "1", **about, is_new_customer=1),
            credit(2, "linear", "meta", "7.00", "0.5", platform="meta"),
            credit(3, "linear", "organic", "99.00"),
        ],
    )
    assert told(
        warehouse, "rpt_campaign_performance", "campaign_id", "campaign_name", "funnel_stage", "clicks", "spend",
        "platform_conversions", "platform_value", "orders", "attributed_revenue", "cpc", "roas", "platform_roas", "cac",
    ) == [
        ("", None, None, 0, Decimal("0.00"), 0, Decimal("0.00"), Decimal("0.5"), Decimal("7.00"), None, None, None, None),
        ("c1", "Verão", "TOFU", 4, Decimal("40.00"), Decimal("3.5"), Decimal("100.00"), 1, Decimal("80.00"),
         Decimal("10"), Decimal("2"), Decimal("2.5"), Decimal("40")),
    ]  # fmt: skip


def buyer(name: str, *orders: tuple[str, date, str]) -> list[dict[str, Any]]:
    return [order(o, customer_key=key(name), paid=Decimal(paid), paid_date=day) for o, day, paid in orders]


def test_ltv_cohorts(warehouse: Warehouse):
    january, february, march = date(2026, 1, 15), date(2026, 2, 15), date(2026, 3, 5)
    load(
        warehouse,
        fct_orders=[
            *buyer("ana", ("a1", january, "100.00"), ("a2", january + timedelta(5), "50.00"), ("a3", march, "10.00")),
            *buyer("bia", ("b1", january, "200.00"), ("b2", february, "40.00")),
            *buyer("caio", ("c1", february, "80.00")),
        ],
        fct_refunds=[refund("b1", february, "20.00")],
        fct_ad_spend=[spend(january, "360.00"), spend(march, "9.00")],
    )
    columns = ("cohort_month", "month", "is_complete", "customers", "active_customers", "orders", "revenue",
               "cumulative_revenue", "repeat_customers", "retention", "repeat_rate",
               "cumulative_revenue_per_customer", "cac", "paid_back")  # fmt: skip
    jan, feb = date(2026, 1, 1), date(2026, 2, 1)
    assert told(warehouse, "rpt_ltv_cohort", *columns) == [
        (jan, 0, 1, 2, 2, 3, *money("350.00", "350.00"), 1, *money("1", "0.5", "175", "180"), 0),
        (jan, 1, 1, 2, 1, 1, *money("20.00", "370.00"), 2, *money("0.5", "1", "185", "180"), 1),
        (jan, 2, 0, 2, 1, 1, *money("10.00", "380.00"), 2, *money("0.5", "1", "190", "180"), 1),
        (feb, 0, 1, 1, 1, 1, *money("80.00", "80.00"), 0, *money("1", "0", "80"), None, None),
        (feb, 1, 0, 1, 0, 0, *money("0.00", "80.00"), 0, *money("0", "0", "80"), None, None),
    ]  # fmt: skip
    total = warehouse.rows("SELECT SUM(revenue) AS revenue, SUM(orders) AS orders FROM rpt_ltv_cohort")[0]
    assert total == {"revenue": Decimal("460.00"), "orders": 6}


def test_conversion_delivery(warehouse: Warehouse):
    def outbox(name: object, order_name: object, **given: Any) -> dict[str, Any]:
        said = {"destination": "meta_capi", "action": "purchase", "currency": "BRL", "value": Decimal("10.00")}
        return row(tables.conversion_outbox, outbox_key=key(name), order_key=key(order_name), **(said | given))

    load(
        warehouse,
        fct_orders=[order(1), order(2, paid_date=None, order_date=TWO)],
        conversion_outbox=[
            outbox("a", 1, state="processed", attempts=1), outbox("b", 1, state="processed", revision=1, attempts=2),
            outbox("c", 2, state="gated", reason="consent_denied"), outbox("d", "gone", state="planned"),
        ],
    )  # fmt: skip
    assert told(
        warehouse, "rpt_conversion_delivery", "day", "state", "reason", "conversions", "value", "attempts", order="2"
    ) == [
        (TWO, "gated", "consent_denied", 1, Decimal("10.00"), 0),
        (None, "planned", "", 1, Decimal("10.00"), 0),
        (ONE, "processed", "", 2, Decimal("20.00"), 3),
    ]  # fmt: skip


def test_orders_by_status_and_payments(warehouse: Warehouse):
    def payment(name: object, sequence: int, method: str, amount: str, **given: Any) -> dict[str, Any]:
        about = {"installments": 1, "status": "paid"} | given
        return row(
            tables.fct_payments, order_key=key(name), sequence=sequence, method=method, amount=Decimal(amount), **about
        )

    load(
        warehouse,
        fct_orders=[
            order(1), order(2, status="cancelled", payment_status="refunded", refunded=Decimal("100.00")),
            order(3), order(4, is_test=1),
        ],
        fct_payments=[
            payment(1, 1, "pix", "60.00"), payment(1, 2, "pix", "40.00"), payment(2, 1, "credit_card", "100.00", installments=6),
            payment(3, 1, "boleto", "100.00", status="pending"), payment(4, 1, "pix", "1.00"),
        ],
    )  # fmt: skip
    assert told(warehouse, "rpt_orders_by_status", "status", "payment_status", "is_test", "orders", "paid", "refunded") == [
        ("cancelled", "refunded", 0, 1, *money("100.00", "100.00")), ("open", "paid", 0, 2, *money("200.00", "0.00")),
        ("open", "paid", 1, 1, *money("100.00", "0.00")),
    ]  # fmt: skip
    assert told(warehouse, "rpt_payments", "method", "installments", "status", "payments", "orders", "amount") == [
        ("boleto", 1, "pending", 1, 1, Decimal("100.00")), ("credit_card", 6, "paid", 1, 1, Decimal("100.00")),
        ("pix", 1, "paid", 2, 1, Decimal("100.00")),
    ]  # fmt: skip


def test_reconciliation(warehouse: Warehouse):
    def seen(name: object, ref: str, origin: str = "ga4") -> dict[str, Any]:
        return row(tables.stg_touches, touch_key=key(name), origin=origin, order_ref=ref, day=ONE)

    load(
        warehouse,
        fct_orders=[order(1), order(2, paid_date=TWO), order(3, is_paid=0, paid_date=None), order(4, is_paid=0, is_test=1)],
        stg_touches=[seen("a", "1"), seen("b", "1"), seen("c", "2"), seen("d", ""), seen("e", "3", origin="order")],
        fct_sessions=[row(tables.fct_sessions, day=ONE, source="google", revenue=Decimal("150.00"))],
        fct_ad_spend=[
            spend(ONE, "1", conversions=Decimal("1.5"), conversion_value=Decimal("120.00")),
            spend(ONE, "1", platform="google", conversions=Decimal("1"), conversion_value=Decimal("80.00")),
            spend(TWO, "1", platform="tiktok", conversions=Decimal("3"), conversion_value=Decimal("30.00")),
        ],
    )  # fmt: skip
    assert told(
        warehouse, "rpt_reconciliation", "day", "placed_orders", "placed_value", "store_orders", "store_revenue", "ga4_orders",
        "ga4_revenue", "meta_conversions", "meta_value", "google_value", "tiktok_conversions", "ga4_coverage", "platform_claims",
    ) == [
        (ONE, 3, Decimal("300.00"), 1, Decimal("100.00"), 2, Decimal("150.00"), Decimal("1.5"), *money("120.00", "80.00"),
         0, Decimal("0.666667"), Decimal("2")),
        (TWO, 0, Decimal("0.00"), 1, Decimal("100.00"), 0, Decimal("0.00"), 0, *money("0", "0"), 3, None, Decimal("0.3")),
    ]  # fmt: skip


def test_data_freshness_and_notices(warehouse: Warehouse):
    load(
        warehouse,
        sync_state=[row(tables.sync_state, stream="ads.meta", complete_until=ONE, source_updated_at=NOON)],
        quarantine=[
            row(tables.quarantine, stream="store.orders", record_key=k, reason=r) for k, r in [("1", "a"), ("1", "b"), ("2", "a")]
        ],
        data_notices=[row(tables.data_notices, stream="ads.meta", code="cap", message="m", amount=Decimal("5.00"), facts="{}")],
    )  # fmt: skip
    assert told(
        warehouse, "rpt_data_freshness", "stream", "complete_until", "source_updated_at", "quarantined", "last_quarantined",
        "notices", "last_notice",
    ) == [
        ("ads.meta", ONE, NOON, 0, None, 1, NOON), ("store.orders", None, None, 2, NOON, 0, None),
    ]  # fmt: skip
    assert told(warehouse, "rpt_notices", "noticed_at", "stream", "amount") == [(NOON, "ads.meta", Decimal("5.00"))]


def test_transactions(warehouse: Warehouse):
    load(
        warehouse,
        fct_orders=[order(1, paid=Decimal("90.00"), refunded=Decimal("30.00"), state="SP"), order(2)],
        fct_touchpoints=[touch(1, 1, "meta"), touch(1, 2, "email", source="news", medium="email", campaign="Março")],
    )
    assert told(warehouse, "rpt_transactions", "external_id", "net", "touches", "channel", "source", "campaign", "paid_at") == [
        ("1", Decimal("60.00"), 2, "email", "news", "Março", NOON), ("2", Decimal("100.00"), 0, "unattributed", "", "", NOON),
    ]  # fmt: skip


def test_products_segments_and_traffic(warehouse: Warehouse):
    def item(name: object, line: int, product: str, cost: str | None) -> dict[str, Any]:
        return row(
            tables.fct_order_items, order_key=key(name), line=line, platform="nuvemshop", product_id=product, name="Sold as",
            quantity=2, total=Decimal("20.00"), unit_cost=cost and Decimal(cost),
        )  # fmt: skip

    load(
        warehouse,
        fct_orders=[order(1), order(2), order(3, is_paid=0)],
        fct_order_items=[item(1, 1, "p", "3.00"), item(1, 2, "p", "4.00"), item(2, 1, "q", None), item(3, 1, "q", "1.00")],
        dim_products=[row(tables.dim_products, platform="nuvemshop", product_id="p", name="Camiseta", abc_class="A")],
        dim_customers=[
            row(tables.dim_customers, customer_key=key(i), rfm_segment=s, total_orders=i, total_revenue=Decimal(10 * i))
            for i, s in enumerate(["Champions", "Champions", None])
        ],
        fct_sessions=[
            row(tables.fct_sessions, property_id=p, day=ONE, source="s", sessions=3, engaged_sessions=1) for p in ("1", "2")
        ],
    )  # fmt: skip
    assert told(warehouse, "rpt_product_performance", "product_id", "name", "abc_class", "orders", "units", "revenue", "cost") == [
        ("p", "Camiseta", "A", 1, 4, *money("40.00", "14.00")), ("q", "Sold as", "", 1, 2, Decimal("20.00"), None),
    ]  # fmt: skip
    assert told(warehouse, "rpt_customer_segments", "rfm_segment", "customers", "total_revenue", "orders_per_customer") == [
        ("", 1, Decimal("20.00"), Decimal("2")), ("Champions", 2, Decimal("10.00"), Decimal("0.5")),
    ]  # fmt: skip
    assert told(warehouse, "rpt_traffic", "day", "sessions", "engagement_rate") == [(ONE, 6, Decimal("0.333333"))]


def reached(stage: str, sessions: int, day: date = ONE, **given: Any) -> dict[str, Any]:
    about = {"origin": "ga4", "channel": "meta", "device": "mobile", "events": sessions + 1}
    return row(tables.fct_funnel, stage=stage, sessions=sessions, day=day, **(about | given))


def test_funnel_has_no_figure_where_nothing_was_measured(warehouse: Warehouse):
    load(
        warehouse,
        fct_funnel=[
            *[reached("visit", 100, day) for day in (ONE, TWO, THREE)],
            reached("visit", 8, TWO, device="desktop"),
            reached("view", 40), reached("view", 50, THREE),
            reached("purchase", 2, TWO),
            reached("visit", 9, origin="ga4_bigquery"), reached("view", 0, origin="ga4_bigquery"),
        ],
    )  # fmt: skip
    columns = (
        "origin",
        "day",
        "device",
        "visits",
        "views",
        "view_events",
        "carts",
        "purchases",
        "view_rate",
        "overall_rate",
    )
    assert told(warehouse, "rpt_funnel", *columns) == [
        ("ga4", ONE, "mobile", 100, 40, 41, None, None, Decimal("0.4"), None),
        # Views are measured before and after: none is a zero. Purchases of another day are not.
        ("ga4", TWO, "desktop", 8, 0, 0, None, 0, Decimal(0), Decimal(0)),
        ("ga4", TWO, "mobile", 100, 0, 0, None, 2, Decimal(0), Decimal("0.02")),
        ("ga4", THREE, "mobile", 100, 50, 51, None, None, Decimal("0.5"), None),
        ("ga4_bigquery", ONE, "mobile", 9, 0, 1, None, None, Decimal(0), None),
    ]


def test_product_conversion_is_empty_not_zero_while_no_view_is_known(warehouse: Warehouse):
    def looked(item: str, viewed: int, added: int, purchased: int, **given: Any) -> dict[str, Any]:
        about = {"origin": "ga4", "day": ONE, "platform": "nuvemshop"}
        return row(
            tables.fct_product_views, item_id=item, viewed=viewed, added=added, purchased=purchased, **(about | given)
        )

    def product(product_id: str, sku: str, name: str) -> dict[str, Any]:
        return row(tables.dim_products, platform="nuvemshop", product_id=product_id, sku=sku, name=name)

    load(
        warehouse,
        dim_products=[product("p", "S-1", "Camiseta"), product("q", "S-2", "Calça"), product("r", "S-2", "Bermuda")],
        fct_product_views=[
            looked("p", 30, 6, 3), looked("S-1", 10, 0, 1), looked("S-2", 7, 0, 0), looked("q", 0, 0, 2),
            looked("p", 5, 1, 1, origin="ga4_bigquery"), looked("p", 4, 1, 0, platform="vtex", property_id="2"),
        ],
    )  # fmt: skip
    columns = ("origin", "platform", "product_id", "name", "is_known", "views", "carts", "purchases", "conversion_rate")
    assert told(warehouse, "rpt_product_conversion", *columns) == [
        # An SKU two products have is neither's.
        ("ga4", "nuvemshop", "S-2", "", 0, 7, 0, 0, Decimal(0)),
        ("ga4", "nuvemshop", "p", "Camiseta", 1, 40, 6, 4, Decimal("0.1")),
        ("ga4", "nuvemshop", "q", "Calça", 1, 0, 0, 2, None),
        ("ga4", "vtex", "p", "", 0, 4, 1, 0, Decimal(0)),
        ("ga4_bigquery", "nuvemshop", "p", "Camiseta", 1, 5, 1, 1, Decimal("0.2")),
    ]


# Every engine, side by side.

CENTS = st.integers(0, 10**7).map(lambda cents: Decimal(cents) / 100)
RATES = st.integers(0, 10**6).map(lambda units: Decimal(units) / 10**6)
CHANNELS = st.sampled_from(["meta", "google", "organic", "direct", "não existe", "Meta", "unattributed"])
ANY_DAY = st.integers(0, 400).map(lambda offset: date(2025, 6, 1) + timedelta(offset))


@st.composite
def worlds(draw: Any) -> dict[str, list[dict[str, Any]]]:
    """A few orders with everything around them, whole or not."""
    names = list(range(draw(st.integers(0, 7))))
    weights = st.integers(0, 10**8).map(lambda units: Decimal(units) / 10**8)
    return {
        "fct_orders": [
            order(
                n, customer_key=key(draw(st.integers(0, 3))), paid=draw(CENTS), total=draw(CENTS), refunded=draw(CENTS),
                is_paid=draw(st.integers(0, 1)), paid_date=draw(st.none() | ANY_DAY), order_date=draw(ANY_DAY),
                is_new_customer=draw(st.integers(0, 1)), items=draw(st.integers(0, 9)),
            )
            for n in names
        ],
        "fct_refunds": [refund(draw(st.integers(0, 7)), draw(ANY_DAY), str(draw(CENTS)), str(i)) for i in range(3)],
        "fct_touchpoints": [touch(n, p, draw(CHANNELS)) for n in names for p in range(1, draw(st.integers(1, 3)))],
        "fct_attribution": [
            credit(
                n, m, draw(CHANNELS), str(draw(CENTS)), str(draw(weights)), order_date=draw(ANY_DAY),
                platform=draw(st.sampled_from(["", "meta"])), campaign_id=draw(st.sampled_from(["", "c1"])),
                is_new_customer=draw(st.integers(0, 1)),
            )
            for n in names for m in ("linear", "markov")
        ],
        "fct_ad_spend": [
            spend(
                draw(ANY_DAY), str(draw(CENTS)), campaign_id=f"c{i}", clicks=draw(st.integers(0, 999)),
                platform=draw(st.sampled_from(["meta", "google", "tiktok"])), conversions=draw(weights), conversion_value=draw(CENTS),
            )
            for i in range(draw(st.integers(0, 4)))
        ],
        "fct_sessions": [
            row(tables.fct_sessions, day=draw(ANY_DAY), source=str(i), sessions=draw(st.integers(0, 97)),
                engaged_sessions=draw(st.integers(0, 97)), revenue=draw(CENTS))
            for i in range(3)
        ],
        "fct_funnel": [
            reached(
                stage, draw(st.integers(0, 97)), draw(ANY_DAY), channel=f"c{i}", device=draw(st.sampled_from(["", "mobile"])),
                origin=draw(st.sampled_from(["ga4", "ga4_bigquery"])),
            )
            for i in range(2) for stage in ("visit", "view", "cart", "purchase")
        ],
        "fct_product_views": [
            row(tables.fct_product_views, origin="ga4", day=draw(ANY_DAY), item_id=item, viewed=draw(st.integers(0, 97)),
                added=draw(st.integers(0, 97)), purchased=draw(st.integers(0, 97)))
            for item in ("p", "q", "S-1")
        ],
        "dim_products": [
            row(tables.dim_products, product_id=name, sku=draw(st.sampled_from(["", "S-1"])), name=name) for name in ("p", "q")
        ],
        "dim_customers": [
            row(tables.dim_customers, customer_key=key(i), rfm_segment=draw(st.sampled_from([None, "A", "B"])),
                total_orders=draw(st.integers(1, 9)), total_revenue=draw(CENTS))
            for i in range(5)
        ],
        "fct_order_items": [
            row(tables.fct_order_items, order_key=key(n), line=1, product_id=draw(st.sampled_from("pq")), quantity=2,
                total=draw(CENTS), unit_cost=draw(st.none() | CENTS), seller_id=draw(st.sampled_from(["", "s", "t"])))
            for n in names
        ],
        "dim_sellers": [
            row(tables.dim_sellers, seller_id=name, is_competitor=int(name == "c"), market_share=draw(st.none() | RATES))
            for name in ("c", "s")
        ],
        "product_effects": [
            row(tables.product_effects, product_id=name, conversion=draw(st.none() | RATES),
                expected_conversion=draw(st.none() | RATES), turnover=draw(st.none() | CENTS))
            for name in "pq"
        ],
        "sales_analytics": [
            row(tables.sales_analytics, grain="month", period_start=day, orders=draw(st.integers(0, 97)),
                buyers=draw(st.integers(0, 97)), gross_revenue=draw(CENTS))
            for day in (date(2026, 1, 1), date(2026, 2, 1))
        ],
        "fct_payments": [row(tables.fct_payments, order_key=key(n), sequence=1, method="pix", amount=draw(CENTS)) for n in names],
        "conversion_outbox": [
            row(tables.conversion_outbox, outbox_key=key(n), order_key=key(n), state="planned", value=draw(CENTS)) for n in names
        ],
    }  # fmt: skip


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(world=worlds())
def test_every_view_gives_the_same_rows_on_every_engine(
    both_engines: list[Warehouse], world: dict[str, list[dict[str, Any]]]
):
    def fill(tx: Transaction) -> None:
        for table, rows in world.items():
            tx.delete(table, {})
            tx.upsert(table, rows)

    for warehouse in both_engines:
        warehouse.atomically(fill)
    for view in views.bundled_views():
        sql = f"SELECT * FROM {view.name} ORDER BY {view.grain}"
        first, *others = [warehouse.rows(sql) for warehouse in both_engines]
        for other in others:
            assert other == first, view.name
        frames = [warehouse.frame(sql) for warehouse in both_engines]
        assert all(frame.schema == frames[0].schema and frame.equals(frames[0]) for frame in frames), view.name


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(amount=st.integers(0, 10**9), by=st.integers(1, 10**6) | st.sampled_from([64, 128, 640, 1280, 3200, 12800]))
def test_rates_are_rounded_alike(both_engines: list[Warehouse], amount: int, by: int):
    """Halves of the last place included: 1/128 is 0.0078125."""
    paid, cost = Decimal(amount) / 100, Decimal(by) / 100
    rates = []
    for warehouse in both_engines:
        load(warehouse, fct_orders=[order(1, paid=paid)], fct_ad_spend=[spend(ONE, str(cost))])
        rates.append(warehouse.rows("SELECT mer FROM rpt_daily_performance")[0]["mer"])
    exact = (Decimal(amount) / Decimal(by)).quantize(Decimal("0.000001"), "ROUND_HALF_UP")
    assert rates == [exact] * len(rates)
