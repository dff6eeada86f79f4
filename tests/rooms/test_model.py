"""The star beyond orders: catalogue, prices, stock, places, reviews, payloads, restatements, periods; all of it read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cortex import tenant as tenants
from cortex.clock import Window
from cortex.errors import QualityGate
from cortex.records import AdSpend, Sessions
from cortex.run import Run
from cortex.secrets import Vault
from cortex.steps import catalogue, currencies, keeping, pull, refresh, sold, value
from cortex.steps.pull import _spend_row
from cortex.warehouse import Warehouse, tables
from cortex.workspace import Workspace
from tests.rooms.warehouse_rows import DAY, NOON, key, order, row, spend

ROOT = Path(__file__).resolve().parents[2]
SMALL = ROOT / "tests" / "recorded" / "stores" / "olist"
EXCHANGED = currencies.Exchanged(currencies.Rates("BRL"))
WEEK = Window(DAY - timedelta(6), DAY + timedelta(1))


@dataclass
class Hand:
    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Bench:
    """A client of the Olist files on one engine, and a clock that can be moved."""

    warehouse: Warehouse
    workspace: Workspace
    folder: Path
    hand: Hand = field(default_factory=Hand)
    count: int = 0

    def run(self, window: Window = WEEK, **sections: Any) -> Run:
        self.count += 1
        file = {
            "client": {"name": "Loja", "code": self.warehouse.code, "timezone": "America/Sao_Paulo"},
            "ecommerce": {"platform": "olist", "path": str(self.folder)},
            **sections,
        }
        (self.workspace.tenants / f"{self.warehouse.code}.yaml").write_text(json.dumps(file), encoding="utf-8")
        tenant = tenants.load(self.workspace, self.warehouse.code)
        vault = Vault(tenant.code, self.workspace.root, {"CORTEX_IDENTITY_KEY": "a key for tests only"})
        run_id = f"{self.count:022}"
        return Run(tenant, window, self.workspace, self.warehouse, vault, self.hand, run_id)

    def rows(self, sql: str, **params: Any) -> list[tuple[Any, ...]]:
        return [tuple(one.values()) for one in self.warehouse.rows(sql, **params)]

    def put(self, **rows: list[dict[str, Any]]) -> None:
        self.warehouse.atomically(lambda tx: [tx.upsert(table, of_table) for table, of_table in rows.items()])


@pytest.fixture
def bench(warehouse: Warehouse, workspace: Workspace, tmp_path: Path) -> Bench:
    folder = tmp_path / "olist"
    folder.mkdir()
    for file in SMALL.glob("*.csv"):
        (folder / file.name).write_bytes(file.read_bytes())
    return Bench(warehouse, workspace, folder)


# Every table is fed and read.


def test_every_table_is_read_by_a_report_a_step_or_a_command() -> None:
    code = [file for file in (ROOT / "cortex").rglob("*.py") if file.name not in {"tables.py", "dictionary.py"}]
    text = "\n".join(file.read_text(encoding="utf-8") for file in [*code, *(ROOT / "sql" / "views").glob("*.sql")])
    read = set(re.findall(r"\b(?:FROM|JOIN|from|join)\s+([a-z_0-9]+)", text))
    read |= set(re.findall(r"(?:lookup|select)\(\s*(?:tables\.)?([a-z_0-9]+)", text))
    read |= {"fct_order_items"} & set(re.findall(r"\bfct_order_items\b", text))
    assert set(tables.TENANT.tables) - read == set()


def test_every_table_is_written_by_something() -> None:
    text = "\n".join(
        file.read_text(encoding="utf-8") for file in (ROOT / "cortex").rglob("*.py") if file.name != "tables.py"
    )
    unwritten = {
        name for name in tables.TENANT.tables
        if not re.search(rf"\btables\.{name}\b|\b{name}\b|RAW_ADS", text)
    }  # fmt: skip
    assert unwritten == set()


def test_the_dictionary_says_where_every_table_comes_from_and_how_long_it_stays() -> None:
    bookkeeping = {"cortex_meta", "schema_migrations", "sync_state", "quarantine", "data_notices"}
    for name, table in tables.TENANT.tables.items():
        assert name in bookkeeping or table.info["source"], name
        assert table.info["retention"], name


# The catalogue.


@dataclass
class Listing:
    """A product as a test changes it from day to day."""

    product_id: str
    price: str
    full: str = ""
    stock: int | None = 5

    def record(self) -> Any:
        from cortex.records import Product

        return Product(
            platform="olist",
            product_id=self.product_id,
            name=f"Caneca {self.product_id}",
            price=Decimal(self.price),
            compare_at_price=Decimal(self.full or self.price),
            stock=self.stock,
        )


def read(bench: Bench, *listed: Listing) -> None:
    run = bench.run()
    today = bench.hand.now.date()
    items = [one.record() for one in listed]
    bench.warehouse.atomically(lambda tx: catalogue._write_products(tx, items, run, today))
    bench.warehouse.atomically(lambda tx: catalogue._unlist(tx, run, {one.product_id for one in listed}))


def test_a_price_is_written_down_when_it_changes_and_stock_every_day(bench: Bench) -> None:
    read(bench, Listing("a", "10.00"), Listing("b", "7.00", stock=None))
    read(bench, Listing("a", "10.00", stock=4), Listing("b", "7.00", stock=None))
    bench.hand.now += timedelta(days=1)
    read(bench, Listing("a", "10.00", stock=3), Listing("b", "7.00", stock=None))
    bench.hand.now += timedelta(days=1)
    read(bench, Listing("a", "8.00", "10.00", stock=2), Listing("b", "7.00", stock=None))
    one, two, three = (DAY + timedelta(offset) for offset in range(3))
    assert bench.rows("SELECT product_id, day, price, full_price FROM price_history ORDER BY product_id, day") == [
        ("a", one, Decimal("10.00"), Decimal("10.00")),
        ("a", three, Decimal("8.00"), Decimal("10.00")),
        ("b", one, Decimal("7.00"), Decimal("7.00")),
    ]
    assert bench.rows("SELECT product_id, day, stock FROM fct_inventory ORDER BY day") == [
        ("a", one, 4), ("a", two, 3), ("a", three, 2),
    ]  # fmt: skip
    assert bench.rows(
        "SELECT external_id, is_active, price, discount, price_since, prices, stock, stock_day FROM rpt_catalogue ORDER BY 1"
    ) == [
        ("a", 1, Decimal("8.00"), Decimal("0.2"), three, 2, 2, three),
        ("b", 1, Decimal("7.00"), Decimal("0"), one, 1, None, None),
    ]


def test_a_price_that_comes_back_is_a_change_too(bench: Bench) -> None:
    for price in ("10.00", "8.00", "10.00"):
        read(bench, Listing("a", price))
        bench.hand.now += timedelta(days=1)
    assert [price for (price,) in bench.rows("SELECT price FROM price_history ORDER BY day")] == [
        Decimal("10.00"), Decimal("8.00"), Decimal("10.00"),
    ]  # fmt: skip


def test_what_is_no_longer_listed_says_so_and_may_come_back(bench: Bench) -> None:
    read(bench, Listing("a", "1.00"), Listing("b", "1.00"))
    read(bench, Listing("b", "1.00"))
    assert bench.rows("SELECT external_id, is_active FROM channel_products ORDER BY 1") == [("a", 0), ("b", 1)]
    read(bench, Listing("a", "1.00"), Listing("b", "1.00"))
    assert bench.rows("SELECT external_id, is_active FROM channel_products ORDER BY 1") == [("a", 1), ("b", 1)]


def test_stock_prices_and_products_keep_what_shops_tell(bench: Bench) -> None:
    from cortex.records import Product

    run, today = bench.run(), bench.hand.now.date()
    told = {"platform": "olist", "name": "Caneca", "currency": "BRL"}
    items = [
        Product(
            **told, product_id="a", category="Casa", category_level_2="Mesa", category_level_3="Canecas", brand="M",
            size="P", color="Azul", gender="unissex", condition="novo", supplier_country="PT",
            weight_kg=Decimal("0.350"), launched=date(2024, 5, 2), price=Decimal(8), compare_at_price=Decimal(10),
            cost=Decimal(2), competitor_rank=2, price_position="low", stock=12, reserved=3, reorder_point=8, warehouse="SP",
        ),
        Product(**told, product_id="b", price=Decimal(7), stock=10),
        Product(**told, product_id="c", price=Decimal(7)),
    ]  # fmt: skip
    bench.warehouse.atomically(lambda tx: catalogue._write_products(tx, items, run, today))
    assert bench.rows(
        "SELECT product_id, warehouse, stock, reserved, available, reorder_point, fetched_at FROM fct_inventory ORDER BY 1"
    ) == [("a", "SP", 12, 3, 9, 8, run.now()), ("b", "", 10, 0, 10, 10, run.now())]
    assert bench.rows("SELECT product_id, discount, competitor_rank, price_position FROM price_history ORDER BY 1") == [
        ("a", Decimal("0.2"), 2, "low"), ("b", None, None, ""), ("c", None, None, ""),
    ]  # fmt: skip
    assert bench.rows(
        "SELECT external_id, category, category_2, category_3, brand, size, color, gender, product_condition, supplier_country,"
        " weight_kg, launch_date, margin, available, reserved, reorder_point, is_low_stock FROM rpt_catalogue ORDER BY 1"
    ) == [
        ("a", "Casa", "Mesa", "Canecas", "M", "P", "Azul", "unissex", "novo", "PT", Decimal("0.350"), date(2024, 5, 2),
         Decimal("0.75"), 9, 3, 8, 0),
        ("b", "", "", "", "", "", "", "", "", "", None, None, None, 10, 0, 10, 1),
        ("c", "", "", "", "", "", "", "", "", "", None, None, None, None, None, None, 0),
    ]  # fmt: skip


# Sellers, places, reviews.


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8")


def test_sellers_places_and_scores_of_the_files(bench: Bench) -> None:
    write(bench.folder, "olist_sellers_dataset.csv",
          "seller_id,seller_zip_code_prefix,seller_city,seller_state\ns1,01310,sao paulo,SP\n")  # fmt: skip
    write(bench.folder, "olist_geolocation_dataset.csv",
          "geolocation_zip_code_prefix,geolocation_lat,geolocation_lng,geolocation_city,geolocation_state\n"
          "1310,-23.5,-46.6,sao paulo,SP\n1310,-23.5,-46.6,sao paulo,SP\n1310,-23.5,-46.6,são paulo,SP\n")  # fmt: skip
    write(bench.folder, "olist_order_reviews_dataset.csv",
          "review_id,order_id,review_score,review_comment_title,review_comment_message,review_creation_date,review_answer_timestamp\n"
          'r1,a1000000000000000000000000000001,5,canary title,"canary, words\nover lines",2018-03-07 00:00:00,2018-03-08 10:00:00\n'
          "r1,a1000000000000000000000000000002,5,,,2018-03-07 00:00:00,\n"
          "r2,a1000000000000000000000000000001,six,,,2018-03-07 00:00:00,\n")  # fmt: skip
    run = bench.run(quality={"max_quarantined_pct": 50})
    steps = {step.name: step.work(run) for step in pull.catalogue(run.tenant)}
    assert {name: outcome.rows for name, outcome in steps.items()} == {
        "store.sellers": 1, "store.places": 1, "store.reviews": 2,
    }  # fmt: skip
    assert steps["store.reviews"].summary == "2 reviews · 1 quarantined"
    with pytest.raises(QualityGate, match="1 of 3 reviews could not be trusted"):
        catalogue.reviews(bench.run())
    assert bench.rows("SELECT seller_id, city, state FROM dim_sellers") == [("s1", "sao paulo", "SP")]
    assert bench.rows("SELECT postal_prefix, city, state, source FROM dim_geolocation") == [
        ("01310", "sao paulo", "SP", "store")
    ]
    assert bench.rows("SELECT score, reviews, orders, answered FROM rpt_reviews") == [(5, 1, 2, 1)]
    assert bench.rows("SELECT stream, record_key, reason FROM quarantine") == [
        ("store.reviews", "r2", "review_score is not 1 to 5")
    ]
    stored = repr(bench.warehouse.rows("SELECT * FROM fct_reviews"))
    assert "canary" not in stored


def test_files_that_are_not_there_offer_nothing(bench: Bench) -> None:
    run = bench.run()
    assert [step.work(run).rows for step in pull.catalogue(run.tenant)] == [0, 0, 0]


def test_a_postcode_nobody_named_lies_where_most_orders_say(bench: Bench) -> None:
    bench.put(
        dim_geolocation=[
            row(
                tables.dim_geolocation, country="BR", postal_prefix="20040", city="rio de janeiro", state="RJ", source="store"
            )
        ],
        fct_orders=[
            order(n, city=city, state="SP", postal_prefix=prefix, country="BR")
            for n, (prefix, city) in enumerate([("01310", "Osasco"), ("01310", "São Paulo"), ("01310", "São Paulo"), ("20040", "Niterói")])
        ],
        fct_order_aliases=[row(tables.fct_order_aliases, order_key=key(n), kind="store", alias=key(n)) for n in range(4)],
    )  # fmt: skip
    for _ in range(2):
        value.merge_people(bench.run())
    assert bench.rows("SELECT postal_prefix, city, source FROM dim_geolocation ORDER BY 1") == [
        ("01310", "São Paulo", "orders"), ("20040", "rio de janeiro", "store"),
    ]  # fmt: skip
    assert bench.rows("SELECT city, state_name, region, orders FROM rpt_places ORDER BY 1") == [
        ("São Paulo", "São Paulo", "Sudeste", 3), ("rio de janeiro", "Rio de Janeiro", "Sudeste", 1),
    ]  # fmt: skip


# Payloads and restatements.


def ad(ad_id: str, amount: str, day: date = DAY, **given: Any) -> AdSpend:
    about: dict[str, Any] = {"conversions": Decimal(1), "conversion_value": Decimal("50.00")}
    return AdSpend(
        platform="meta", account_id="act_1", level="ad", day=day, campaign_id="c1", ad_id=ad_id, timezone="America/Sao_Paulo",
        spend=Decimal(amount), payload=json.dumps({"ad_id": ad_id, "spend": amount}).encode(), **(about | given),
    )  # fmt: skip


def told(bench: Bench, *ads: AdSpend) -> int:
    """What `pull.spend` does with the answer of a platform; how many restatements were written down."""
    run = bench.run()
    rows = [_spend_row(one, run.now(), run, EXCHANGED) for one in ads]
    window = Window(DAY, DAY + timedelta(days=3))

    def write_all(tx: Any) -> int:
        found = keeping.revisions(tx, "meta", window, rows, run_id=run.run_id, at=run.now())
        tx.upsert(tables.ad_daily_revision, found)
        raw = keeping.raw_ads(ads, run_id=run.run_id, at=run.now())
        tx.upsert(tables.raw_meta_ads, raw, quiet=("fetched_at", "run_id"))
        tx.replace(tables.fct_ad_spend, {"platform": "meta", "day": (window.since, window.until)}, rows)
        return len(found)

    return bench.warehouse.atomically(write_all)


def test_only_what_a_platform_changes_of_finished_days_is_a_revision(bench: Bench) -> None:
    # Noon: the day is still being counted, whatever changes is no restatement.
    assert told(bench, ad("a", "10.00")) == 0
    assert told(bench, ad("a", "12.00"), ad("b", "1.00")) == 0
    bench.hand.now += timedelta(days=2)
    assert told(bench, ad("a", "20.00"), ad("b", "1.00")) == 0
    assert told(bench, ad("a", "20.00"), ad("b", "1.00")) == 0
    bench.hand.now += timedelta(days=1)
    assert told(bench, ad("a", "19.50"), ad("c", "3.00", conversion_value=Decimal("10.00"))) == 3
    assert told(bench, ad("a", "19.50"), ad("c", "3.00", conversion_value=Decimal("10.00"))) == 0
    assert (
        told(bench, ad("a", "19.40", conversions=Decimal(2)), ad("c", "3.00", conversion_value=Decimal("10.00"))) == 1
    )
    assert bench.rows(
        "SELECT ad_id, revision, old_spend, new_spend, old_conversions, new_conversions, old_value, new_value"
        " FROM ad_daily_revision ORDER BY ad_id, revision"
    ) == [
        ("a", 1, Decimal("20.00"), Decimal("19.50"), 1, 1, Decimal("50.00"), Decimal("50.00")),
        ("a", 2, Decimal("19.50"), Decimal("19.40"), 1, 2, Decimal("50.00"), Decimal("50.00")),
        ("b", 1, Decimal("1.00"), Decimal("0.00"), 1, 0, Decimal("50.00"), Decimal("0.00")),
        ("c", 1, Decimal("0.00"), Decimal("3.00"), 0, 1, Decimal("0.00"), Decimal("10.00")),
    ]
    assert bench.rows("SELECT day, revisions, spend_change, value_change FROM rpt_ad_revisions") == [
        (DAY, 4, Decimal("1.40"), Decimal("-40.00"))
    ]


def test_a_figure_with_more_places_than_are_kept_is_no_restatement(bench: Bench) -> None:
    bench.hand.now += timedelta(days=2)
    told(bench, ad("a", "10.005", conversions=Decimal("0.3333333")))
    assert told(bench, ad("a", "10.005", conversions=Decimal("0.3333333"))) == 0


def test_payloads_are_kept_as_told_and_forgotten_in_time(bench: Bench) -> None:
    told(bench, ad("a", "10.00"), ad("b", "1.00"))
    bench.warehouse.atomically(
        lambda tx: tx.upsert(
            tables.raw_ga4,
            keeping.raw_ga4(
                [Sessions(property_id="1", day=DAY, source="s", medium="m", campaign="c", payload=b'[{"sessions":"3"}]')],
                run_id="r", at=bench.hand.now,
            ),
        )
    )  # fmt: skip
    first = bench.hand.now
    bench.hand.now += timedelta(days=20)
    told(bench, ad("a", "11.00"), ad("b", "1.00"))
    kept = bench.rows("SELECT ad_id, payload, fetched_at FROM raw_meta_ads ORDER BY ad_id")
    assert kept == [
        ("a", '{"ad_id": "a", "spend": "11.00"}', bench.hand.now), ("b", '{"ad_id": "b", "spend": "1.00"}', first),
    ]  # fmt: skip
    assert bench.rows("SELECT source, payloads FROM rpt_raw_payloads WHERE payloads > 0 ORDER BY 1") == [
        ("raw_ga4", 1), ("raw_meta_ads", 2),
    ]  # fmt: skip
    bench.hand.now = first + timedelta(days=30)
    keep = {"privacy": {"retention": {"raw_days": 30}}}
    assert keeping.forget(bench.run(**keep)).rows == 0
    bench.hand.now += timedelta(seconds=1)
    outcome = keeping.forget(bench.run(**keep))
    assert outcome.facts["deleted"] == {"raw_ga4": 1, "raw_meta_ads": 1}
    assert [ad_id for ad_id, *_ in bench.rows("SELECT ad_id FROM raw_meta_ads")] == ["a"]
    assert bench.rows("SELECT COUNT(*) AS n FROM fct_ad_spend") == [(2,)]


# Periods and cohorts.


def test_sales_by_day_week_and_month(bench: Bench) -> None:
    january, february = date(2026, 1, 31), date(2026, 2, 1)
    bench.put(
        fct_orders=[
            order(1, customer_key=key("a"), paid_date=january, is_new_customer=1, items=2),
            order(2, customer_key=key("a"), paid_date=february, paid=Decimal("50.00")),
            order(3, customer_key=key("b"), paid_date=february, paid=Decimal("30.00"), is_new_customer=1),
            order(4, is_paid=0, paid_date=february),
        ],
        fct_refunds=[
            row(tables.fct_refunds, order_key=key(2), refund_id=i, refund_date=february, amount=Decimal("5.00")) for i in "12"
        ],
        fct_ad_spend=[spend(february, "40.00")],
        fct_sessions=[row(tables.fct_sessions, property_id="1", day=february, source="s", sessions=50)],
    )  # fmt: skip
    refresh.refresh_all(bench.run())
    told = bench.rows(
        "SELECT grain, period_start, orders, buyers, gross_revenue, refunds, aov, frequency, conversion_rate, return_rate,"
        " cac, growth, frequency_growth FROM rpt_sales_analytics ORDER BY grain, period_start"
    )
    hundred, eighty, ten = Decimal("100.00"), Decimal("80.00"), Decimal("10.00")
    first = (1, 1, hundred, Decimal("0.00"), Decimal(100), Decimal(1), None, Decimal(0), Decimal(0), None, None)
    second = (
        2, 2, eighty, ten, Decimal(40), Decimal(1), Decimal("0.04"), Decimal("0.5"), Decimal(40), Decimal("-0.2"), Decimal(0),
    )  # fmt: skip
    week = (
        3,
        2,
        Decimal("180.00"),
        ten,
        Decimal(60),
        Decimal("1.5"),
        Decimal("0.06"),
        Decimal("0.333333"),
        Decimal(20),
        None,
        None,
    )
    assert told == [
        ("day", january, *first), ("day", february, *second),
        ("month", date(2026, 1, 1), *first), ("month", february, *second),
        ("week", date(2026, 1, 26), *week),
    ]  # fmt: skip


def test_a_window_rebuilds_the_whole_weeks_and_months_it_touches(bench: Bench) -> None:
    monday, month = date(2026, 3, 9), date(2026, 3, 1)
    bench.put(fct_orders=[order(n, paid_date=month + timedelta(n)) for n in range(12)])
    refresh.refresh_all(bench.run())
    whole = bench.rows("SELECT * FROM sales_analytics ORDER BY grain, period_start")
    for _ in range(2):
        refresh.refresh_window(bench.run(Window(date(2026, 3, 24), date(2026, 3, 25))))
        assert bench.rows("SELECT * FROM sales_analytics ORDER BY grain, period_start") == whole
    assert ("week", monday) in [(grain, start) for grain, start, *_ in whole]


def test_cohorts_are_what_the_view_says(bench: Bench) -> None:
    bench.put(
        fct_orders=[
            order(1, customer_key=key("a"), paid_date=date(2026, 1, 5)),
            order(2, customer_key=key("a"), paid_date=date(2026, 2, 5), paid=Decimal("50.00")),
            order(3, customer_key=key("b"), paid_date=date(2026, 1, 9), paid=Decimal("30.01")),
            order(4, customer_key=key("c"), paid_date=date(2026, 2, 9)),
        ],
        fct_ad_spend=[spend(date(2026, 1, 2), "90.00")],
    )
    for _ in range(2):
        refresh.refresh_cohorts(bench.run())
    assert bench.rows(
        "SELECT cohort_month, months, customers, repeat_customers, total_orders, revenue, ltv, spend, repeat_rate, cac"
        " FROM rpt_customer_cohorts ORDER BY 1"
    ) == [
        (date(2026, 1, 1), 1, 2, 1, 3, Decimal("180.01"), Decimal("90.00"), Decimal("90.00"), Decimal("0.5"), Decimal(45)),
        (date(2026, 2, 1), 0, 1, 0, 1, Decimal("100.00"), Decimal("100.00"), Decimal("0.00"), Decimal(0), None),
    ]  # fmt: skip


def test_names_of_categories_pass_through_where_none_is_known(bench: Bench) -> None:
    bench.put(
        fct_orders=[order(1)],
        fct_order_items=[
            row(tables.fct_order_items, order_key=key(1), line=n, platform="olist", product_id=str(n), category=category)
            for n, category in enumerate(["beleza_saude", "Canecas"], 1)
        ],
    )  # fmt: skip
    assert bench.rows("SELECT category, category_pt, category_en, category_es FROM rpt_product_performance ORDER BY product_id") == [
        ("beleza_saude", "Beleza e saúde", "Beauty and health", "Belleza y salud"), ("Canecas", "Canecas", "Canecas", "Canecas"),
    ]  # fmt: skip


def test_matching_of_campaigns_and_sellers(bench: Bench) -> None:
    bench.put(
        fct_orders=[order(1, order_date=DAY)],
        fct_touchpoints=[
            row(tables.fct_touchpoints, order_key=key(1), position=n, channel=channel, campaign_id=campaign)
            for n, (channel, campaign) in enumerate([("meta", "c1"), ("meta", ""), ("meta", "c2"), ("email", "")], 1)
        ],
        fct_order_items=[
            row(tables.fct_order_items, order_key=key(1), line=n, platform="olist", seller_id=seller, quantity=1, total=Decimal("5.00"))
            for n, seller in enumerate(["s1", "s1", "s2", ""], 1)
        ],
        dim_sellers=[row(tables.dim_sellers, platform="olist", seller_id="s1", city="x", state="SP")],
        fct_order_status=[row(tables.fct_order_status, order_key=key(1), status="open", payment_status="paid")],
    )  # fmt: skip
    assert bench.rows("SELECT channel, touches, matched, match_rate FROM rpt_campaign_matching") == [
        ("meta", 3, 2, Decimal("0.666667"))
    ]
    assert bench.rows("SELECT seller_id, state, orders, revenue FROM rpt_sellers ORDER BY 1") == [
        ("s1", "SP", 1, Decimal("10.00")), ("s2", "", 1, Decimal("5.00")),
    ]  # fmt: skip
    assert bench.rows("SELECT external_id, payment_status FROM rpt_order_history") == [("1", "paid")]


def test_sellers_have_their_share_and_competitors_the_one_they_were_told(bench: Bench) -> None:
    bench.put(
        fct_orders=[order(1, paid_date=DAY), order(2, paid_date=DAY - timedelta(200))],
        fct_order_items=[
            row(tables.fct_order_items, order_key=key(n), line=line, platform="olist", seller_id=seller, quantity=1, total=Decimal(total))
            for n, line, seller, total in [(1, 1, "s1", "75.00"), (1, 2, "s2", "25.00"), (2, 1, "s3", "900.00")]
        ],
        dim_sellers=[
            row(tables.dim_sellers, platform="olist", seller_id="s1", nickname="LOJA", reputation="gold"),
            row(tables.dim_sellers, platform="olist", seller_id="s3"),
            row(tables.dim_sellers, platform="olist", seller_id="c", is_competitor=1, market_share=Decimal("0.4")),
        ],
    )  # fmt: skip
    for _ in range(2):
        sold.product_classes(bench.run())
    assert bench.rows(
        "SELECT seller_id, nickname, reputation, is_competitor, market_share, orders, revenue, last_sold"
        " FROM rpt_seller_ranking ORDER BY 1"
    ) == [
        ("c", "", "", 1, Decimal("0.4"), 0, Decimal("0.00"), None),
        ("s1", "LOJA", "gold", 0, Decimal("0.75"), 1, Decimal("75.00"), DAY),
        ("s2", "", "", 0, Decimal("0.25"), 1, Decimal("25.00"), DAY),
        ("s3", "", "", 0, None, 1, Decimal("900.00"), DAY - timedelta(200)),
    ]  # fmt: skip
    # The catalogue tells no share: reading it again leaves what was counted.
    write(bench.folder, "olist_sellers_dataset.csv",
          "seller_id,seller_zip_code_prefix,seller_city,seller_state\ns1,01310,sao paulo,SP\n")  # fmt: skip
    catalogue.sellers(bench.run())
    assert bench.rows("SELECT city, market_share FROM dim_sellers WHERE seller_id = 's1'") == [
        ("sao paulo", Decimal("0.75"))
    ]


def test_a_buyers_category_is_the_one_they_spent_most_on(bench: Bench) -> None:
    bench.put(
        fct_orders=[order(n, customer_key=key(buyer)) for n, buyer in enumerate("aab")] + [order(9, customer_key=key("a"), is_paid=0)],
        fct_order_items=[
            row(tables.fct_order_items, order_key=key(n), line=line, platform="olist", product_id=product, category=category,
                total=Decimal(total))
            for n, line, product, category, total in [
                (0, 1, "p", "Casa", "30.00"), (0, 2, "q", "Moda", "20.00"), (1, 1, "q", "Moda", "15.00"),
                (2, 1, "r", "", "99.00"), (9, 1, "p", "Casa", "500.00"),
            ]
        ],
        dim_products=[row(tables.dim_products, platform="olist", product_id="p", category="Casa e mesa")],
        customer_predictions=[
            row(tables.customer_predictions, customer_key=key(buyer), p_alive=Decimal("0.3")) for buyer in "ab"
        ],
    )  # fmt: skip
    run = bench.run()
    value.customer_value(run)
    asked = "SELECT preferred_category, churn_probability FROM rpt_customer_predictions ORDER BY customer_key"
    assert bench.rows(asked) == [("", Decimal("0.7")), ("", Decimal("0.7"))]
    value.rfm(run)
    value.customer_value(run)
    assert bench.rows(asked) == [("Moda", Decimal("0.7")), ("", Decimal("0.7"))]


def test_products_by_day_and_channel_are_the_lines_of_paid_orders(bench: Bench) -> None:
    bench.put(
        fct_orders=[order(1, paid_date=DAY), order(2, paid_date=DAY), order(3, is_paid=0, paid_date=None)],
        fct_order_items=[
            row(
                tables.fct_order_items, order_key=key(n), line=line, platform="olist", product_id=product, quantity=2,
                total=Decimal("20.00"), discount=Decimal("1.00"), unit_cost=cost and Decimal(cost),
            )
            for n, line, product, cost in [(1, 1, "p", "3.00"), (1, 2, "p", "4.00"), (2, 1, "p", None), (3, 1, "p", "1.00")]
        ],
        fct_attribution=[
            row(tables.fct_attribution, order_key=key(1), model=model, position=at, order_date=DAY, channel=channel)
            for model, at, channel in [("last_click", 2, "meta"), ("linear", 1, "google"), ("linear", 2, "meta")]
        ],
    )  # fmt: skip
    assert bench.rows(
        "SELECT channel, product_id, orders, units, revenue, discounts, cost FROM rpt_daily_sales_summary ORDER BY 1"
    ) == [
        ("meta", "p", 1, 4, Decimal("40.00"), Decimal("2.00"), Decimal("14.00")),
        ("unattributed", "p", 1, 2, Decimal("20.00"), Decimal("1.00"), None),
    ]  # fmt: skip


def test_the_report_and_the_daily_view_say_the_same_roas(bench):
    """A paid channel nobody connected has revenue and no spend; it may flatter neither of the two."""
    from cortex.steps import reporting

    days = [DAY - timedelta(3), DAY]
    shares = {"meta": "60.00", "google": "30.00", "tiktok": "500.00", "organic": "7.00"}
    bench.put(
        fct_orders=[order(day, paid_date=day, paid=Decimal("597.00")) for day in days],
        fct_attribution=[
            row(
                tables.fct_attribution, order_key=key(day), model=model, position=at, order_date=day, channel=channel,
                weight=Decimal("0.25"), attributed_revenue=Decimal(revenue) * times,
            )
            for day in days
            for model, times in (("last_click", 1), ("linear", 3))
            for at, (channel, revenue) in enumerate(shares.items(), 1)
        ],
        # Google spends on one of the days only: what it brought on the other still was paid for.
        fct_ad_spend=[spend(days[0], "20.00"), spend(days[1], "10.00"), spend(days[0], "6.00", platform="google")],
    )  # fmt: skip
    run = bench.run(analytics_config={"attribution": {"models": ["linear", "last_click"]}})
    report = reporting.gather(bench.warehouse, run.tenant, WEEK, now=NOON, lang="pt-BR")
    [figure] = [figure for figure in report.figures if figure.key == "roas"]
    [(earned, cost)] = bench.rows(
        "SELECT SUM(paid_revenue) AS paid_revenue, SUM(spend) AS spend FROM rpt_daily_performance"
    )
    assert (earned, cost) == (Decimal("180.00"), Decimal("36.00"))
    assert figure.value == earned / cost == 5
    assert bench.rows("SELECT roas FROM rpt_daily_performance ORDER BY day") == [
        (Decimal("3.461538"),),
        (Decimal("9.000000"),),
    ]
    assert [round(value, 6) for value in figure.series if value] == [3.461538, 9.0]


def test_notices_of_what_is_mended_are_not_shown_any_more(bench):
    """In the client's language; a failed check counts as long as the last run saw it, a missing rate as long as it misses."""
    from cortex.steps import reporting

    def notice(run_id, code, facts, minutes):
        about = {"stream": "quality" if code == "CTX-2103" else "store.orders", "code": code, "run_id": run_id}
        return row(
            tables.data_notices, message=f"{code} {run_id}", facts=json.dumps(facts), row_count=3,
            noticed_at=NOON + timedelta(minutes=minutes), **about,
        )  # fmt: skip

    failed = {"rule": "volume", "part": "fct_orders", "measured": "0.9", "allowed": "0.7"}
    rates = {"native": "95.00", "currency": "USD", "first": "2026-03-09", "last": "2026-03-10"}
    bench.put(
        data_notices=[
            notice("1", "CTX-2103", failed | {"part": "old"}, 1), notice("2", "CTX-2103", failed, 2),
            notice("1", "CTX-5062", rates, 1), notice("2", "CTX-5062", rates, 2),
        ],
        dq_results=[row(tables.dq_results, run_id=name, rule="volume", part="x") for name in ("1", "2")],
        fct_orders=[
            order(1, native_currency="USD", exchange_rate=None, native_total=Decimal("95.00"), is_paid=0), order(2),
        ],
    )  # fmt: skip
    tenant = bench.run().tenant

    def shown():
        return reporting.gather(bench.warehouse, tenant, WEEK, now=NOON, lang=tenant.lang).notices

    check = (
        'Qualidade dos dados: A verificação "volume de pedidos" falhou em fct_orders: encontrado 0,9, permitido 0,7.'
    )
    missing = (
        "Loja: 3 registros no valor de 95,00 USD, de 9 de mar. de 2026 a 10 de mar. de 2026, não têm cotação em rates.csv:"
        " nenhum relatório os soma."
    )
    assert sorted(shown()) == [missing, check]
    bench.put(fct_orders=[order(1, native_currency="USD", exchange_rate=Decimal("5.5"), native_total=Decimal("95.00"))])
    assert shown() == [check]
