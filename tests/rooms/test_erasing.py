"""Erasing a person: nothing of them in any table under any hash, every total as it was, and no way back by reading again."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from cortex import identity
from cortex.destinations import google_ec, meta_capi
from cortex.errors import PolicyRefusal
from cortex.records import Clicks, Order, Person, Touch
from cortex.run import Run
from cortex.steps import erasing, keeping, value
from cortex.warehouse import fence, tables
from tests.rooms.test_currencies import sale
from tests.rooms.told_shop import Shop, shop
from tests.rooms.warehouse_rows import DAY, NOON, key, row

__all__ = ["shop"]
ANA = Person(
    store_id="77", email="Ana.Lima+shop@gmail.example", phone="(11) 98765-4321", document="529.982.247-25",
    first_name="Ana", last_name="Lima", postal_code="01310-100",
)  # fmt: skip
OTHER = "other@example.org"
BIA = Person(store_id="78", email="bia@example.org", phone="(21) 99999-1234", first_name="Bia")
CLICKED = Clicks(gclid="Cj0-ana-gclid", fbc="fb.1.1.ana", fbp="fb.1.1.anabrowser", fbclid="ana-fbclid")


def order(name: str, person: Person, days_ago: int = 0, **given: Any) -> Order:
    at = NOON - timedelta(days=days_ago)
    touch = Touch(
        origin="order", occurred_at=at, source="google", medium="cpc", clicks=CLICKED if person is ANA else Clicks(),
        landing_page="/conta/ana",
    )  # fmt: skip
    return structs.replace(
        sale(name, "BRL"),
        customer=person, created_at=at, updated_at=at, paid_at=at, touches=[touch],
        clicks=CLICKED if person is ANA else Clicks(), event_url="https://loja.example/obrigado/ana",
        postal_prefix="01310", payload=b'{"id": 1}', **given,
    )  # fmt: skip


def variants(run: Run) -> set[str]:
    """Everything Ana may be found by: pseudonyms, every platform's digests, plain hashes, click ids."""
    both = (ANA, replace_email(ANA, OTHER))
    found = {alias for one in both for _, alias in identity.aliases(run.vault.identity_key(), one, "olist")}
    for destination in (meta_capi.MetaCapi, google_ec.GoogleEc):
        for values in identity.identify(ANA, destination.identifiers).values():
            found |= set(values)
    for fact in (
        ANA.email,
        ANA.email.lower(),
        ANA.phone,
        ANA.document,
        "ana.lima@gmail.example",
        "analima@gmail.example",
        "5511987654321",
        "+5511987654321",
        "52998224725",
    ):
        found |= {fact, hashlib.sha256(fact.encode()).hexdigest(), hashlib.md5(fact.encode()).hexdigest()}
    return found | {CLICKED.gclid, CLICKED.fbc, CLICKED.fbp, CLICKED.fbclid}


def rows_with(shop: Shop, wanted: set[str]) -> dict[str, int]:
    """Rows of each table in which one of the values stands anywhere."""
    found = {}
    for name in tables.TENANT.tables:
        rows = shop.bench.warehouse.rows(f"SELECT * FROM {name}")
        count = sum(any(value in str(cell) for cell in one.values() for value in wanted) for one in rows)
        if count:
            found[name] = count
    return found


TOTALS = (
    "SELECT * FROM rpt_daily_performance ORDER BY day",
    "SELECT * FROM rpt_ltv_cohort ORDER BY cohort_month, month",
    "SELECT * FROM rpt_customer_segments ORDER BY rfm_segment, first_order_channel",
    "SELECT * FROM rpt_sales_analytics ORDER BY grain, period_start",
    "SELECT * FROM rpt_product_performance ORDER BY day, product_id",
    "SELECT * FROM agg_daily_sales ORDER BY day, channel",
)


def totals(shop: Shop) -> list[Any]:
    return [shop.bench.warehouse.rows(sql) for sql in TOTALS]


@pytest.fixture
def filled(shop: Shop) -> tuple[Shop, Run]:
    shop.platforms.sales = [order("1", ANA, 5), order("2", replace_email(ANA, OTHER), 1), order("3", BIA)]
    run = shop.read()
    value.customer_value(run)
    mail, at = identity.digest(ANA.email.lower()), first(shop)
    told = {"order_key": at, "action": "purchase"}
    shop.bench.put(
        fct_ad_clicks=[row(tables.fct_ad_clicks, platform="google", click_id=CLICKED.gclid, campaign_id="c")],
        conversion_identifiers=[
            row(
                tables.conversion_identifiers,
                order_key=at,
                destination="meta_capi",
                identifiers=f'{{"em": ["{mail}"]}}',
            )
        ],
        conversion_outbox=[
            row(tables.conversion_outbox, outbox_key=key("o1"), destination="meta_capi", state="planned", **told),
            row(tables.conversion_outbox, outbox_key=key("o2"), destination="google_ec", state="processed", **told),
        ],
    )
    return shop, run


def replace_email(person: Person, email: str) -> Person:
    return structs.replace(person, email=email)


def first(shop: Shop) -> str:
    return str(shop.bench.rows("SELECT order_key FROM fct_orders WHERE external_id = '1'")[0][0])


def forget(shop: Shop, run: Run, person: Person) -> dict[str, int]:
    found = erasing.find(shop.bench.warehouse, run.vault.identity_key(), person, "olist")
    return shop.bench.warehouse.atomically(lambda tx: erasing.erase(tx, run.vault.identity_key(), found, now=run.now()))


def test_nothing_of_the_person_is_left_and_every_total_is_as_it_was(filled: tuple[Shop, Run]) -> None:
    shop, run = filled
    assert set(rows_with(shop, variants(run))) >= {
        "fct_orders", "fct_order_aliases", "stg_touches", "fct_ad_clicks", "conversion_identifiers", "dim_customers",
    }  # fmt: skip
    before = totals(shop)
    others = shop.bench.warehouse.rows("SELECT * FROM fct_orders WHERE external_id = '3'")
    done = forget(shop, run, Person(email=ANA.email))
    assert rows_with(shop, variants(run)) == {}
    assert totals(shop) == before
    assert shop.bench.warehouse.rows("SELECT * FROM fct_orders WHERE external_id = '3'") == others
    assert done["fct_orders"] == 2, "the order with another e-mail and the same phone is hers too"
    assert done["raw_ecommerce_orders"] == 2
    states = shop.bench.rows("SELECT destination, state, reason FROM conversion_outbox ORDER BY destination")
    assert states == [("google_ec", "processed", ""), ("meta_capi", "gated", "erased")]


def test_reading_again_brings_nobody_back(filled: tuple[Shop, Run]) -> None:
    shop, run = filled
    before = totals(shop)
    forget(shop, run, Person(email=ANA.email))
    for _ in range(2):
        value.customer_value(shop.read())
        assert rows_with(shop, variants(run)) == {}
        assert totals(shop) == before


def test_an_order_older_than_everything_loaded_lands_without_the_person(filled: tuple[Shop, Run]) -> None:
    """A backfill that goes further back than any before meets orders nobody has seen yet."""
    shop, run = filled
    forget(shop, run, Person(email=ANA.email))
    shop.platforms.sales += [order("0", Person(phone=ANA.phone, first_name="Ana"), 300)]
    shop.read()
    shop.read()
    assert rows_with(shop, variants(run)) == {}
    [(paid, prefix)] = shop.bench.rows("SELECT paid, postal_prefix FROM fct_orders WHERE external_id = '0'")
    assert (paid, prefix) == (Decimal("95.00"), "")
    assert shop.bench.rows("SELECT COUNT(*) AS n FROM raw_ecommerce_orders") == [(1,)]


def test_who_buys_again_afterwards_is_a_buyer_like_any_other(filled: tuple[Shop, Run]) -> None:
    shop, run = filled
    forget(shop, run, Person(email=ANA.email))
    shop.bench.hand.now = NOON + timedelta(days=2)
    shop.platforms.sales += [order("9", ANA, -1)]
    shop.read()
    found = erasing.find(shop.bench.warehouse, run.vault.identity_key(), Person(email=ANA.email), "olist")
    assert [one["external_id"] for one in found.orders] == ["9"]


def test_ga4_does_not_bring_click_ids_back(filled: tuple[Shop, Run]) -> None:
    shop, run = filled
    forget(shop, run, Person(email=ANA.email))
    told = [Touch(origin="ga4", day=DAY, order_id=name, source="google", clicks=CLICKED) for name in ("1", "3")]
    shop.platforms.touches = lambda _window: iter(told)  # type: ignore[method-assign]
    shop.read()
    assert shop.bench.rows("SELECT order_ref, gclid FROM stg_touches WHERE origin = 'ga4' ORDER BY order_ref") == [
        ("1", ""), ("3", CLICKED.gclid),
    ]  # fmt: skip


def test_again_changes_nothing(filled: tuple[Shop, Run]) -> None:
    shop, run = filled
    forget(shop, run, ANA)

    def everything() -> dict[str, list[dict[str, object]]]:
        return {
            name: [
                row for row in shop.bench.warehouse.rows(f"SELECT * FROM {name}") if row.get("name") != fence.WRITTEN
            ]
            for name in tables.TENANT.tables
        }

    before = everything()
    assert sum(forget(shop, run, ANA).values()) == 0
    assert everything() == before


def test_a_shops_own_phone_erases_nobody(shop: Shop) -> None:
    phone = "(11) 3333-4444"
    shop.platforms.sales = [
        order(str(n), Person(store_id=str(n), email=f"p{n}@example.org", phone=phone)) for n in range(12)
    ]
    run = shop.read()
    with pytest.raises(PolicyRefusal) as caught:
        forget(shop, run, Person(phone=phone))
    assert (caught.value.code, caught.value.exit_code) == ("CTX-8022", 9)
    # By the e-mail only the one person goes, and the phone everybody shares is no mark of theirs.
    assert forget(shop, run, Person(email="p3@example.org"))["fct_orders"] == 1
    shop.read()
    assert shop.bench.rows("SELECT COUNT(*) AS n FROM erased_orders") == [(1,)]


def test_somebody_without_orders_leaves_a_mark_for_later(shop: Shop) -> None:
    run = shop.read()
    assert forget(shop, run, Person(email=ANA.email))["erased_people"] == 1
    shop.platforms.sales = [order("1", ANA, 5)]
    shop.read()
    assert rows_with(shop, variants(run)) == {}


def test_click_ids_nobody_bought_with_are_forgotten_after_thirteen_months(filled: tuple[Shop, Run]) -> None:
    shop, run = filled
    old = DAY - timedelta(days=400)
    shop.bench.put(
        fct_ad_clicks=[
            row(tables.fct_ad_clicks, platform="google", click_id=name, day=day)
            for name, day in [("old", old), (CLICKED.gclid, old), ("young", DAY)]
        ]
    )
    keeping.forget(run)
    assert shop.bench.rows("SELECT click_id FROM fct_ad_clicks ORDER BY click_id") == [(CLICKED.gclid,), ("young",)]
