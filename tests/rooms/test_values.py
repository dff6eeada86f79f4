"""Predicted values of purchases that were delivered before: once per buyer, within seven days, when Meta's conditions hold."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cortex.destinations.meta_capi import MetaCapi
from cortex.records import Clicks, Conversion
from cortex.sandbox import Running, serve
from cortex.secrets import Vault
from cortex.settings import Access
from cortex.steps import adjust, auditing, preview, queue, send, values
from cortex.warehouse import Warehouse
from tests.rooms.test_conversion_steps import DAY, NOW, Here, Place, Seer, run_of, sale, sold
from tests.rooms.warehouse_rows import key
from tests.small_market import NOW as MARKET_NOW
from tests.small_market import Hand, market

PIXEL = "1777777"


def went(run: Here) -> Here:
    queue.queue(run)
    adjust.adjust(run)
    values.plan(run)
    for kind in run.places:
        send.deliver(run, kind)
    return run


def buyers(count: int, at: Any = NOW - DAY) -> list[dict[str, Any]]:
    return [
        sale(n, customer_key=key(f"b{n}"), is_new_customer=1, paid=Decimal(10 * (n + 1)), paid_date=at.date(), paid_at=at,
             created_at=at)
        for n in range(count)
    ]  # fmt: skip


def told(place: Place) -> dict[str, list[Conversion]]:
    found: dict[str, list[Conversion]] = {"purchase": [], "value": []}
    for call in place.calls:
        for one in call:
            found[one.action].append(one)
    return found


@pytest.fixture
def place() -> Seer:
    made = Seer(value="predicted_ltv")
    type(made).batch = 500
    return made


def test_what_was_told_before_it_could_be_predicted_is_told_once_it_can(warehouse: Warehouse, place: Seer) -> None:
    sold(warehouse, *buyers(40))
    went(run_of(warehouse, {"meta_capi": place}))
    assert (len(told(place)["purchase"]), told(place)["value"]) == (40, [])
    sold(warehouse, *buyers(120))
    later = run_of(warehouse, {"meta_capi": place}, NOW + timedelta(hours=2))
    shown = preview.preview(later, "meta_capi")
    assert shown.actions == {"purchase": 80, "value": 40}
    assert shown.value == sum(Decimal(10 * (n + 1)) for n in range(40, 120))
    went(later)
    found = told(place)
    assert len(found["purchase"]) == 120
    assert {one.order_id for one in found["value"]} == {str(n) for n in range(40)}
    assert {one.order_id for one in found["purchase"] if one.predicted_ltv} == {str(n) for n in range(40, 120)}
    one = next(one for one in found["value"] if one.order_id == "7")
    assert (one.event_id, one.original_id) == ("value-7", "purchase-7")
    assert one.predicted_ltv == one.value >= Decimal(80)
    assert one.occurred_at == NOW - DAY
    assert one.adjusted_at == NOW + timedelta(hours=2)
    for hours in (3, 30):
        went(run_of(warehouse, {"meta_capi": place}, NOW + timedelta(hours=hours)))
    assert len(told(place)["value"]) == 40, "once per buyer"
    story = auditing.story(later, "7")
    assert story is not None
    assert story.counts == {"meta_capi": Decimal(80)}, "what is predicted is counted as no sale"


def test_seven_days_after_the_purchase_was_told_it_is_too_late(warehouse: Warehouse, place: Seer) -> None:
    sold(warehouse, *buyers(40))
    went(run_of(warehouse, {"meta_capi": place}))
    late = NOW + 7 * DAY
    sold(
        warehouse,
        *[one | {"order_key": key(f"x{n}"), "external_id": f"x{n}"} for n, one in enumerate(buyers(120, late - DAY))],
    )
    went(run_of(warehouse, {"meta_capi": place}, late))
    assert told(place)["value"] == []


@pytest.mark.parametrize(
    "changed", [{"status": "cancelled"}, {"is_new_customer": 0}, {"refunded": Decimal(80)}, {"consent_state": "denied"}]
)
def test_a_sale_that_is_none_any_more_promises_nothing(
    warehouse: Warehouse, place: Seer, changed: dict[str, Any]
) -> None:
    sold(warehouse, *buyers(40))
    went(run_of(warehouse, {"meta_capi": place}))
    rows = buyers(120)
    rows[7] |= changed
    sold(warehouse, *rows)
    went(run_of(warehouse, {"meta_capi": place}, NOW + timedelta(hours=2)))
    assert "7" not in {one.order_id for one in told(place)["value"]}
    assert len(told(place)["value"]) == 39


def test_what_waits_stays_the_same_to_the_byte(warehouse: Warehouse, place: Seer) -> None:
    sold(warehouse, *buyers(40))
    went(run_of(warehouse, {"meta_capi": place}))
    sold(warehouse, *buyers(120))
    first = run_of(warehouse, {"meta_capi": place}, NOW + timedelta(hours=2))
    queue.queue(first)
    values.plan(first)
    values.plan(run_of(warehouse, {"meta_capi": place}, NOW + timedelta(hours=9)))
    at = warehouse.rows("SELECT DISTINCT occurred_at FROM conversion_outbox WHERE action = 'value'")
    assert at == [{"occurred_at": NOW + timedelta(hours=2)}]


@pytest.mark.parametrize("said", [{}, {"value": "margin"}])
def test_who_did_not_ask_for_it_tells_none(warehouse: Warehouse, said: dict[str, str]) -> None:
    place = Seer(**said)
    sold(warehouse, *buyers(120))
    went(run_of(warehouse, {"meta_capi": place}))
    went(run_of(warehouse, {"meta_capi": place}, NOW + timedelta(hours=2)))
    assert told(place)["value"] == []


# Meta's event, and the stand-in that refuses any other


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def running(hand: Hand) -> Iterator[Running]:
    with serve(market(), google=False, rate_scale=1000, clock=hand) as sandbox:
        yield sandbox


def meta(running: Running, hand: Hand) -> MetaCapi:
    vault = Vault("xyz", Path("absent"), {"CORTEX_XYZ_META_TOKEN": "meta-token-1"})
    access = Access("xyz", vault, ZoneInfo("America/Sao_Paulo"), clock=hand)
    return MetaCapi(MetaCapi.Config(pixel_id=PIXEL, api_url=running.http_url), access)


def event(action: str = "purchase", number: int = 1, **changed: Any) -> Conversion:
    facts: dict[str, Any] = {
        "key": f"{action}{number}", "event_id": f"{action}-{number}", "order_id": str(number), "action": action,
        "occurred_at": MARKET_NOW - timedelta(hours=1), "value": Decimal("199.90"), "currency": "BRL",
        "identifiers": {"em": [f"{number:x}" * 64]}, "clicks": Clicks(fbp="fb.1.1763600000000.1234567890"),
    }  # fmt: skip
    if action == "value":
        facts |= {"original_id": f"purchase-{number}", "adjusted_at": MARKET_NOW, "predicted_ltv": Decimal("612.40")}
    return Conversion(**(facts | changed))


def test_the_event_says_what_the_guide_asks(running: Running, hand: Hand) -> None:
    body = json.loads(meta(running, hand).body([event("value")]))["data"][0]
    assert body["event_name"] == "AppendValue"
    assert body["event_id"] == "value-1"
    assert body["event_time"] == int(MARKET_NOW.timestamp())
    assert body["action_source"] == "other"
    assert body["custom_data"] == {"currency": "BRL", "order_id": "1", "predicted_ltv": 612.4}
    assert body["original_event_data"] == {
        "event_id": "purchase-1",
        "event_name": "Purchase",
        "event_time": int((MARKET_NOW - timedelta(hours=1)).timestamp()),
        "order_id": "1",
    }
    assert body["user_data"]["em"] == ["1" * 64]


def test_a_value_adds_no_sale_and_a_repeat_is_one(running: Running, hand: Hand) -> None:
    here = meta(running, hand)
    for batch in ([event()], [event("value")], [event("value")]):
        assert [one.state for one in here.send(batch)] == ["accepted"]
    assert running.received.orders("meta", PIXEL) == {"1": Decimal("199.9")}
    assert [one.event_name for one in running.received.counted("meta")] == ["Purchase", "AppendValue"]


@pytest.mark.parametrize(
    "before",
    [
        [],  # nothing to append to
        [event(), event("value", event_id="value-other")],  # told once already
        [event(predicted_ltv=Decimal(500))],  # told with the purchase
        [event(occurred_at=MARKET_NOW - timedelta(hours=2))],  # another time than the original's
    ],
)
def test_the_stand_in_takes_a_value_once_of_a_purchase_it_has(
    running: Running, hand: Hand, before: list[Conversion]
) -> None:
    here = meta(running, hand)
    for one in before:
        assert [receipt.state for receipt in here.send([one])] == ["accepted"]
    assert [receipt.state for receipt in here.send([event("value")])] == ["rejected"]


def test_too_late_is_found_before_meta_and_by_meta(running: Running, hand: Hand) -> None:
    here = meta(running, hand)
    here.send([event()])
    hand.forward(days=7)
    [receipt] = here.send([event("value", adjusted_at=hand())])
    assert (receipt.state, receipt.error_class) == ("rejected", "expired")
    younger = event("value", adjusted_at=hand(), occurred_at=MARKET_NOW + timedelta(days=6))
    assert here.send([younger])[0].state == "rejected"
