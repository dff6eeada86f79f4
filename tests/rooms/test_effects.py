"""What price, discount, rating and stock do to the sales of a product, on figures that can be checked by hand."""

from __future__ import annotations

import math
from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest

from cortex.clock import Window
from cortex.products import effects
from cortex.steps import effects as step
from cortex.warehouse import tables
from tests.rooms.test_model import Bench, bench
from tests.rooms.warehouse_rows import DAY, key, order, row

__all__ = ["bench"]
CHANGE = date(2026, 2, 10)
AS_OF = date(2026, 3, 10)


def prices(*told: tuple[str, date, int]) -> pl.DataFrame:
    schema = {"platform": pl.String, "product_id": pl.String, "day": pl.Date, "price": pl.Int64}
    return pl.DataFrame([("s", *one) for one in told], schema=schema, orient="row")


def daily(since: date, until: date, **units: tuple[int, int]) -> pl.DataFrame:
    """Units a day of each product before and since the change."""
    days = [since + timedelta(n) for n in range((until - since).days)]
    rows = [("s", name, day, pace[day >= CHANGE]) for name, pace in units.items() for day in days]
    schema = {"platform": pl.String, "product_id": pl.String, "day": pl.Date, "units": pl.Int64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def test_a_price_change_is_judged_against_the_rest_of_the_shop() -> None:
    """10 % off; its sales triple while everything else doubles: half as much again is the price's doing."""
    sold = daily(CHANGE - timedelta(60), AS_OF + timedelta(1), a=(2, 6), b=(10, 20))
    [found] = effects.price_changes(
        prices(("a", CHANGE - timedelta(60), 10_000), ("a", CHANGE, 9_000), ("b", CHANGE - timedelta(60), 500)),
        sold,
        AS_OF,
    ).to_dicts()
    assert (found["changed_on"], found["price_before"], found["price_after"]) == (CHANGE, 10_000, 9_000)
    assert (found["days_before"], found["days_after"]) == (28, 28)
    assert (found["units_before"], found["units_after"]) == (56, 168)
    assert found["lift"] == pytest.approx(0.5)
    assert found["elasticity"] == pytest.approx(math.log(1.5) / math.log(0.9))


def test_only_the_days_at_one_price_are_compared_and_a_week_is_the_least() -> None:
    sold = daily(CHANGE - timedelta(60), AS_OF + timedelta(1), a=(1, 1), b=(1, 1))
    near = prices(
        ("a", CHANGE - timedelta(60), 100), ("a", CHANGE - timedelta(9), 110), ("a", CHANGE, 90), ("a", AS_OF, 95),
        ("b", AS_OF - timedelta(6), 100), ("b", AS_OF - timedelta(3), 200),
    )  # fmt: skip
    [found] = effects.price_changes(near, sold, AS_OF).to_dicts()
    assert (found["product_id"], found["changed_on"], found["price_before"]) == ("a", CHANGE, 110)
    assert (found["days_before"], found["days_after"]) == (9, 28)


def test_what_did_not_sell_before_has_no_lift_and_what_stopped_has_no_elasticity() -> None:
    known = prices(*[(name, CHANGE - timedelta(60), 100) for name in "ab"], ("a", CHANGE, 90), ("b", CHANGE, 110))
    sold = daily(CHANGE - timedelta(60), AS_OF + timedelta(1), a=(0, 3), b=(3, 0), c=(5, 5))
    first, second = effects.price_changes(known, sold, AS_OF).to_dicts()
    assert (first["lift"], first["elasticity"]) == (None, None)
    assert (second["lift"], second["elasticity"]) == (-1.0, None)


def goods(*orders: int, category: str = "mugs", seen: int | None = 1000, first: int = 0) -> pl.DataFrame:
    rows = [("s", str(first + at), category, 0, count, seen) for at, count in enumerate(orders)]
    schema = {"platform": pl.String, "product_id": pl.String, "category": pl.String, "price_range": pl.Int64}
    return pl.DataFrame(rows, schema=schema | {"bought": pl.Int64, "seen": pl.Int64}, orient="row")


def test_a_product_is_held_against_the_others_of_its_kind() -> None:
    told = effects.against_peers(goods(10, 20, 30, 40))
    assert told["conversion"].to_list() == [0.01, 0.02, 0.03, 0.04]
    assert told["expected_conversion"].to_list() == pytest.approx([0.03, 80 / 3000, 70 / 3000, 0.02])
    viewed = pl.concat(
        [goods(10, seen=100), goods(20, seen=400, first=1), goods(5, seen=50, first=2), goods(1, seen=50, first=3)]
    )
    assert effects.against_peers(viewed)["expected_conversion"][0] == pytest.approx(26 / 500), (
        "who is seen more weighs more"
    )


def test_with_few_of_its_kind_it_is_held_against_the_shop_and_without_visits_nobody_knows() -> None:
    shop = pl.concat([goods(10, 20), goods(30, 40, category="lamps", first=2)])
    assert effects.against_peers(shop)["expected_conversion"][0] == pytest.approx(0.03)
    assert effects.against_peers(goods(10, 20))["expected_conversion"].to_list() == [None, None]
    for nothing in (0, None):
        unknown = effects.against_peers(goods(10, 20, 30, 40, seen=nothing))
        assert unknown["conversion"].null_count() == unknown["expected_conversion"].null_count() == 4
    one = effects.against_peers(pl.concat([goods(10, 20, 30, 40), goods(5, seen=None, first=4)]))
    assert one.row(4)[2:] == (None, None)
    assert one["expected_conversion"][0] == pytest.approx(0.03), "what nobody saw is no peer"


def test_stock_turns_as_often_as_it_is_sold_in_a_year() -> None:
    stock = pl.DataFrame(
        {
            "platform": ["s"] * 4, "product_id": list("abcd"), "units": [90, 0, 9, 9], "mean_stock": [36.5, 5.0, None, 0.0],
            "available": [30, 5, None, -2],
        }
    )  # fmt: skip
    told = effects.turnover(stock, 90)
    assert told["turnover"].to_list() == [10.0, 0.0, None, None]
    assert told["cover_days"].to_list() == [30.0, None, None, 0.0]


def test_a_correlation_needs_enough_that_differ() -> None:
    table = pl.DataFrame({"of": list(range(9)), "same": [1] * 9, "down": [float(9 - n) ** 3 for n in range(9)]})
    assert effects.correlations(table, "of", "down", "same") == {"down": pytest.approx(-1.0), "same": None}
    assert effects.correlations(table.head(7), "of", "down") == {"down": None}


def test_the_weekly_step_stores_them_and_the_view_reads_them(bench: Bench) -> None:
    first = DAY - timedelta(59)
    cheap, dear = Decimal("40.00"), Decimal("50.00")
    names = [(f"{at}-{n}", first + timedelta(at)) for at in range(60) for n in range(1 if at < 30 else 3)]
    others = [(f"o{at}", first + timedelta(at)) for at in range(60)]
    bench.put(
        fct_orders=[order(name, paid_date=day) for name, day in names + others],
        fct_order_items=[
            row(
                tables.fct_order_items, order_key=key(name), line=1, platform="olist", product_id=product, quantity=1,
                unit_price=price, full_unit_price=dear, total=price,
            )
            for of, product in ((names, "a"), (others, "b"))
            for name, day in of
            for price in [cheap if product == "a" and day >= first + timedelta(30) else dear]
        ],
        dim_products=[row(tables.dim_products, platform="olist", product_id="a", name="Caneca", category="Casa")],
        price_history=[
            row(tables.price_history, platform="olist", product_id="a", day=first + timedelta(at), price=price)
            for at, price in ((0, dear), (30, cheap))
        ],
        fct_inventory=[
            row(tables.fct_inventory, platform="olist", product_id="a", day=DAY - timedelta(n), stock=20 + n, available=18)
            for n in range(3)
        ],
        fct_sessions=[row(tables.fct_sessions, property_id="1", day=DAY, source="s", sessions=2400)],
        fct_reviews=[row(tables.fct_reviews, order_key=key("0-0"), review_id="r", platform="olist", score=4)],
    )  # fmt: skip
    for _ in range(2):
        outcome = step.product_effects(bench.run(Window(DAY, DAY + timedelta(1))))
    assert outcome.summary == "2 products, 1 with a price change to judge"
    [found] = [one for one in bench.warehouse.rows("SELECT * FROM rpt_product_effects") if one["product_id"] == "a"]
    assert (found["name"], found["category"], found["orders"], found["units"]) == ("Caneca", "Casa", 120, 120)
    assert (found["reduced_share"], found["conversion"], found["rating"]) == (
        Decimal("0.75"),
        Decimal("0.05"),
        Decimal(4),
    )
    assert (found["changed_on"], found["price_before"], found["price_after"]) == (first + timedelta(30), dear, cheap)
    assert (found["units_before"], found["units_after"], found["lift"]) == (28, 84, Decimal(2))
    assert (found["mean_stock"], found["stock_days"], found["available"]) == (Decimal(21), 3, 18)
    assert (found["turnover"], found["cover_days"]) == (Decimal("23.175"), Decimal("13.5"))
    assert found["conversion_basis"] == "visits"
    about = {"origin": "ga4", "day": DAY, "platform": "olist"}
    bench.put(
        fct_product_views=[row(tables.fct_product_views, item_id="a", viewed=400, purchased=30, **about)],
    )
    step.product_effects(bench.run(Window(DAY, DAY + timedelta(1))))
    seen = "SELECT product_id, conversion_basis, conversion FROM rpt_product_effects ORDER BY product_id"
    assert bench.rows(seen) == [("a", "views", Decimal("0.075")), ("b", "views", None)]
    figures = bench.rows("SELECT figure, value FROM rpt_insight_figures WHERE area = 'effects' ORDER BY figure")
    assert figures == [(f"conversion_by_{name}", None) for name in sorted(step.BY)]
