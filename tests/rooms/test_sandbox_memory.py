"""How the sandbox keeps a large world small: packed orders that read like a list, tables kept in columns, and the sum of it."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cortex.sandbox.columns import Column, Rows, Texts
from cortex.sandbox.market import GoogleClick, Shop, within
from cortex.sandbox.orders import Orders
from cortex.sandbox.world import ShopPlan, build

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


class Line(NamedTuple):
    text: str
    word: str
    number: int


@pytest.fixture(scope="module")
def shop() -> Shop:
    return build(now=NOW, days=30, shops=[ShopPlan("x", orders=300)]).shops[0]


@given(st.lists(st.dictionaries(st.text(min_size=1, max_size=8), JSON, max_size=6), max_size=6))
def test_packed_orders_read_like_the_list_they_were_made_of(bodies: list[dict[str, Any]]) -> None:
    orders = [{**body, "id": number} for number, body in enumerate(bodies)]
    packed = Orders(orders)
    assert list(packed) == orders
    assert [list(order) for order in packed] == [list(order) for order in orders]
    assert packed[:] == orders
    assert packed[1:4:2] == orders[1:4:2]
    assert len(packed) == len(orders)
    if orders:
        assert packed[-1] == orders[-1]
        assert orders[0] in packed
    with pytest.raises(IndexError):
        packed[len(orders)]


def test_an_order_that_was_read_is_a_copy() -> None:
    orders = Orders([{"id": 7, "total": "1.00"}])
    orders[0]["total"] = "2.00"
    assert orders[0]["total"] == "1.00"
    orders.replace(0, {"id": 8, "total": "2.00"}, [(100, {"total": "3.00"}), (200, {"total": "4.00"})])
    assert [orders.at(0, moment)["total"] for moment in (99, 100, 200)] == ["2.00", "3.00", "4.00"]
    assert orders[0]["total"] == "4.00"
    assert orders.position("8") == 0
    for unknown in (7, "x"):
        with pytest.raises(KeyError):
            orders.position(unknown)


@given(
    st.lists(st.tuples(st.text(max_size=6), st.sampled_from("abc"), st.integers(0, 2**40)), max_size=30),
    st.slices(30),
)
def test_a_table_in_columns_reads_like_a_list_of_its_rows(lines: list[tuple[str, str, int]], part: slice) -> None:
    rows = [Line(*line) for line in lines]
    table = Rows(
        Line,
        Texts([row.text for row in rows]),
        Column([ord(row.word) for row in rows], chr),
        Column([row.number for row in rows]),
    )
    assert list(table) == rows
    assert table[part] == rows[part]
    assert [table[i] for i in range(-len(rows), len(rows))] == rows + rows
    assert all(type(row.number) is int for row in table)
    with pytest.raises(IndexError):
        table[len(rows)]


def test_columns_of_a_table_are_equally_long() -> None:
    with pytest.raises(ValueError, match="equally long"):
        Rows(Line, Texts(["a"]), Column([1, 2]), Column([1]))


@given(st.lists(st.integers(0, 9), max_size=20).map(sorted), st.integers(-1, 10), st.integers(-1, 10))
def test_days_are_found_in_a_table_that_has_the_oldest_first(days: list[int], since: int, until: int) -> None:
    first = date(2026, 1, 1)
    clicks = [GoogleClick(str(n), first + timedelta(days=day), "1", "2", "3") for n, day in enumerate(days)]
    asked = first + timedelta(days=since), first + timedelta(days=until)
    assert within(clicks, *asked) == [click for click in clicks if asked[0] <= click.day <= asked[1]]


def test_tables_of_a_world_have_the_oldest_day_first(shop: Shop) -> None:
    assert shop.google is not None
    assert shop.ga4 is not None
    for table in (shop.google.clicks, shop.ga4.orders, shop.ga4.sessions):
        days = [row.day for row in table]
        assert days == sorted(days)
        assert len(set(days)) > 25


def test_packed_orders_take_a_fraction_of_their_json(shop: Shop) -> None:
    plain = sum(len(msgspec.json.encode(order)) for order in shop.orders)
    packed = sum(len(body) for body in shop.orders._packed)
    assert packed < plain / 4


BUILD = """
import resource
from datetime import UTC, datetime
from cortex.sandbox import world
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
market = world.build(now=datetime(2026, 11, 20, 15, tzinfo=UTC), shops=world.demo_shops(4_000))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss counts something else elsewhere")
def test_a_world_of_four_thousand_orders_costs_less_than_sixty_megabytes() -> None:
    told = subprocess.run([sys.executable, "-c", BUILD], capture_output=True, text=True, check=True)
    assert float(told.stdout) < 60
