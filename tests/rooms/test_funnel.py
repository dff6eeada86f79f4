"""The way to a sale: rows from what sources tell, stages nobody measured, the device of an order, and the bars."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from cortex.cli.stages import bar
from cortex.clock import Window
from cortex.records import Reached, Viewed
from cortex.reports import funnel as way
from cortex.sandbox.arrivals import ANDROID, DESKTOP, IOS
from cortex.steps import credit, funnel, looked
from cortex.steps.landing import device_of
from cortex.warehouse import Warehouse, tables
from tests.rooms.warehouse_rows import order, row

DAY = date(2026, 3, 10)
NEXT = date(2026, 3, 11)


def reached(source: str, sessions: int, **given: Any) -> Reached:
    about = {"origin": "ga4", "property_id": "1", "day": DAY, "device": "mobile", "medium": "cpc", "stage": "view"}
    return Reached(source=source, sessions=sessions, events=2 * sessions, **(about | given))


def test_sources_of_one_channel_are_added_up() -> None:
    rows = funnel.stage_rows(
        [
            reached("facebook", 3),
            reached("instagram", 4),
            reached("google", 5),
            reached("facebook", 1, device="desktop"),
        ]
    )
    found = {(one["channel"], one["device"]): (one["sessions"], one["events"]) for one in rows}
    assert found == {("meta", "mobile"): (7, 14), ("meta", "desktop"): (1, 2), ("google", "mobile"): (5, 10)}


def test_items_that_differ_in_blanks_or_beyond_the_column_are_one() -> None:
    def viewed(item: str) -> Viewed:
        return Viewed(origin="ga4", property_id="1", day=DAY, item_id=item, viewed=2, added=1, purchased=0)

    rows = funnel.view_rows([viewed("501"), viewed("501 "), viewed("x" * 200), viewed("x" * 129)], platform="nuvemshop")
    assert [(one["item_id"][:3], one["viewed"], one["platform"]) for one in rows] == [
        ("501", 4, "nuvemshop"), ("xxx", 4, "nuvemshop"),
    ]  # fmt: skip


def day(visits: int, on: date = DAY, **counts: int | None) -> dict[str, Any]:
    """A row of rpt_funnel."""
    found: dict[str, Any] = {"day": on, "channel": "meta", "device": "mobile", "visits": visits}
    for stage, column in list(way.COLUMNS.items())[1:]:
        found[column] = found[f"{stage}_events"] = counts.get(column)
    return found


def test_shares_are_of_the_days_both_stages_are_measured_on() -> None:
    levels = {
        level.stage: level
        for level in way.levels([day(100, views=50, purchases=2), day(300, NEXT, views=90, checkouts=9, purchases=3)])
    }
    assert (levels["visit"].sessions, levels["view"].sessions) == (400, 140)
    assert levels["view"].of_before == Decimal(140) / 400
    # Carts were never measured: checkouts are compared with views, on the one day that has both.
    assert levels["cart"].sessions is levels["cart"].of_before is levels["cart"].of_visits is None
    assert (levels["checkout"].before, levels["checkout"].of_before) == ("view", Decimal(9) / 90)
    assert levels["checkout"].of_visits == Decimal(9) / 300
    assert levels["purchase"].of_before == Decimal(3) / 9
    assert [levels[stage].unmeasured_days for stage in ("view", "cart", "checkout")] == [0, 2, 1]
    said = way.unmeasured(list(levels.values()), 2, "pt-BR")
    assert [line.partition(":")[0] for line in said] == ["Carrinho", "Checkout", "Pagamento"]
    assert "1 de 2 dias" in said[1]


def test_a_zero_is_a_figure_and_nothing_is_none() -> None:
    levels = way.levels([day(0, views=0)])
    assert (levels[1].sessions, levels[1].of_visits) == (0, None)
    assert (levels[2].sessions, levels[2].events) == (None, None)
    assert way.compared(levels[-1], 12, "en") == "GA4 counts — purchases; the shop, 12 orders placed (—)."
    assert way.coverage(levels[-1], 0) is None


@pytest.mark.parametrize(
    ("share", "drawn"),
    [(None, ""), (Decimal(0), ""), (Decimal(1), "████"), (Decimal("0.5"), "██"), (Decimal("0.28"), "█▏"),
     (Decimal("0.0001"), "▏"), (Decimal(3), "████")],
)  # fmt: skip
def test_a_bar_is_as_long_as_its_share(share: Decimal | None, drawn: str) -> None:
    assert bar(share, 4) == drawn


def test_the_device_is_what_the_browser_says_of_itself() -> None:
    assert {device_of(agent) for agent in (*ANDROID, *IOS)} == {"mobile"}
    assert {device_of(agent) for agent in DESKTOP} == {"desktop"}
    assert device_of("Mozilla/5.0 (iPad; CPU OS 18_6 like Mac OS X) Mobile/15E148 Safari/604.1") == "tablet"
    assert device_of("Mozilla/5.0 (Linux; Android 14; SM-X200) Chrome/142.0.0.0 Safari/537.36") == "tablet"
    assert device_of("") == device_of("python-requests/2.32") == ""


def test_ga4_tells_the_device_where_the_order_does_not(warehouse: Warehouse) -> None:
    def touch(at: str, ref: str, device: str, origin: str = "ga4") -> dict[str, Any]:
        return row(
            tables.stg_touches, touch_key=at.ljust(64, "-"), origin=origin, order_ref=ref, day=DAY, device=device
        )

    known = [
        order("a"), order("b", device="desktop"), order("c", number="100"), order("d", number="200"),
        order("e", number="200"), order("f", device=""),
    ]  # fmt: skip
    touches = [
        touch("1", "a", "mobile"), touch("2", "b", "mobile"), touch("3", "100", "tablet"), touch("4", "200", "mobile"),
        touch("5", "f", "", origin="kit"),
    ]  # fmt: skip

    warehouse.atomically(lambda tx: (tx.upsert(tables.fct_orders, known), tx.upsert(tables.stg_touches, touches)))
    rows = credit.devices(warehouse)
    warehouse.atomically(lambda tx: tx.assign(tables.fct_orders, "order_key", rows, only={"device": ""}))
    told = warehouse.rows("SELECT external_id, device FROM fct_orders ORDER BY external_id")
    assert {one["external_id"]: one["device"] for one in told} == {
        "a": "mobile", "b": "desktop", "c": "tablet", "d": "", "e": "", "f": "",
    }  # fmt: skip


def test_looks_are_of_the_source_that_saw_most_and_never_of_both(warehouse: Warehouse) -> None:
    def views(origin: str, item: str, viewed: int, purchased: int, on: date = DAY) -> dict[str, Any]:
        about = {"property_id": "1", "platform": "nuvemshop", "day": on}
        return row(tables.fct_product_views, origin=origin, item_id=item, viewed=viewed, purchased=purchased, **about)

    assert looked.at(warehouse, Window(DAY, NEXT)).source == ""
    rows = [
        views("ga4", "p", 10, 1), views("ga4", "q", 0, 3), views("ga4_bigquery", "p", 9, 5), views("ga4", "p", 90, 9, NEXT),
    ]  # fmt: skip
    warehouse.atomically(lambda tx: tx.upsert(tables.fct_product_views, rows))
    looks = looked.at(warehouse, Window(DAY, NEXT))
    assert looks.source == "ga4"
    p, q = (looks.of("nuvemshop", product) for product in "pq")
    assert p is not None
    assert q is not None
    assert (p.views, p.conversion) == (10, Decimal("0.1"))
    assert (q.views, q.purchases, q.conversion) == (0, 3, None)
    assert looks.of("nuvemshop", "never looked at") is None
