"""GA4's Measurement Protocol: refunds as differences, 72 hours, and receipts that promise no more than a 204 does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cortex.conversions import after
from cortex.destinations import _ga4_refunds
from cortex.destinations.ga4_mp import COLLECT, VALIDATE, Ga4Mp
from cortex.records import Clicks, Conversion
from cortex.sandbox import Running, serve
from cortex.secrets import REDACTOR, Vault
from cortex.settings import Access
from tests.replay import Replay
from tests.small_market import NOW, market

CLIENT = "1234567890.1763600000"


def destination(url: str | None = None, shop: int = 1, **config: Any) -> Ga4Mp:
    vault = Vault("xyz", Path("absent"), {"CORTEX_XYZ_GA4_API_SECRET": f"ga4-secret-{shop}"})
    access = Access("xyz", vault, ZoneInfo("America/Sao_Paulo"), clock=lambda: NOW)
    return Ga4Mp(Ga4Mp.Config(**({"measurement_id": f"G-SMALL{shop}", "api_url": url} | config)), access)


def refund(number: int = 1, **changed: Any) -> Conversion:
    facts: dict[str, Any] = {
        "key": str(number), "event_id": f"purchase-{number}", "order_id": str(number), "action": "restate",
        "occurred_at": NOW - timedelta(days=10), "adjusted_at": NOW - timedelta(hours=1), "told": Decimal("199.90"),
        "value": Decimal("150.00"), "currency": "BRL", "clicks": Clicks(ga_client_id=CLIENT),
    }  # fmt: skip
    return Conversion(**(facts | changed))


def test_a_refund_says_what_goes_back_and_when() -> None:
    assert json.loads(destination().body([refund()])) == {
        "client_id": CLIENT,
        "consent": {"ad_personalization": "GRANTED", "ad_user_data": "GRANTED"},
        "events": [{"name": "refund", "params": {"currency": "BRL", "transaction_id": "1", "value": 49.90}}],
        "timestamp_micros": 1795183200000000,
    }


def test_a_full_refund_without_a_known_value_is_the_transaction_alone() -> None:
    said = json.loads(destination().body([refund(action="retract", value=Decimal(0), told=None, adjusted_at=None)]))
    assert said["events"][0]["params"] == {"currency": "BRL", "transaction_id": "1"}
    assert "timestamp_micros" not in said


@given(st.datetimes(min_value=NOW.replace(tzinfo=None) - timedelta(days=400), max_value=NOW.replace(tzinfo=None)))
def test_microseconds_have_sixteen_digits_and_lose_nothing(at: Any) -> None:
    from datetime import UTC, datetime

    micros = _ga4_refunds.micros(at.replace(tzinfo=UTC))
    assert len(str(micros)) == 16
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros) == at.replace(tzinfo=UTC)


def test_refunds_share_a_request_only_with_their_browser_and_moment() -> None:
    other = Clicks(ga_client_id="99.1763600000")
    rows = [refund(1), refund(2, clicks=other), refund(3), refund(4, adjusted_at=NOW)]
    said = [json.loads(line) for line in destination().body(rows).splitlines()]
    assert [[one["params"]["transaction_id"] for one in hit["events"]] for hit in said] == [["1", "3"], ["2"], ["4"]]


@pytest.mark.parametrize(
    ("changed", "state", "error_class", "error_code"),
    [
        ({"action": "purchase"}, "duplicate", "", "told_by_the_tags"),
        ({"action": "purchase", "clicks": Clicks()}, "rejected", "data", "thin_identity"),
        ({"clicks": Clicks(ga_client_id="ana@example.com")}, "rejected", "data", "thin_identity"),
        ({"clicks": Clicks(ga_client_id="GA1.1.123.456")}, "rejected", "data", "thin_identity"),
        ({"adjusted_at": NOW - timedelta(hours=72, seconds=1)}, "rejected", "expired", "too_old"),
        ({"adjusted_at": NOW + timedelta(minutes=5)}, "retry", "transient", "in_the_future"),
        ({"told": None}, "rejected", "data", "no_difference"),
        ({"told": Decimal("150.00")}, "rejected", "data", "no_refund"),
        ({"told": Decimal(100)}, "rejected", "data", "no_refund"),
        ({"currency": "R$"}, "rejected", "data", "no_transaction_id"),
        ({"occurred_at": NOW - timedelta(days=91)}, "rejected", "expired", "too_old"),
    ],
)
def test_what_ga4_would_drop_without_a_word_is_found_here(
    changed: dict[str, Any], state: str, error_class: str, error_code: str
) -> None:
    receipt = destination("http://127.0.0.1:9").send([refund(**changed)])[0]
    assert (receipt.state, receipt.error_class, receipt.error_code) == (state, error_class, error_code)
    assert "ana@" not in repr(receipt)


def test_72_hours_to_the_second_are_taken() -> None:
    assert destination().unfit(refund(adjusted_at=NOW - timedelta(hours=72)), NOW) is None


def test_the_secret_is_masked_wherever_an_address_might_be_written() -> None:
    address = "https://www.google-analytics.com/mp/collect?api_secret=ga4-secret-1&measurement_id=G-SMALL1"
    destination().access.secret(Ga4Mp.secrets[0])
    assert "ga4-secret-1" not in REDACTOR.clean(address)


def test_a_validator_that_fails_means_nothing_was_sent() -> None:
    for answer in ({"status": 503, "json": {}}, {"text": "<html>"}, {"json": []}):
        with Replay([{"request": {"path": VALIDATE}, "response": answer}]) as server:
            receipt = destination(server.url).send([refund()])[0]
            assert [request.path for request in server.requests] == [VALIDATE]
        assert (receipt.state, receipt.error_class) == ("retry", "transient")


def test_a_lost_refund_is_held_for_a_person_never_sent_again() -> None:
    valid = {"request": {"path": VALIDATE}, "response": {"json": {"validationMessages": []}}}
    lost = {"request": {"path": COLLECT}, "response": {"status": 500, "json": {}}}
    with Replay([valid, lost]) as server:
        receipt = destination(server.url).send([refund()])[0]
    assert receipt.state == "unknown"
    held = after(receipt, attempts=1, now=NOW, was="planned", sent_at=NOW, dedup=Ga4Mp.dedup)
    assert (held.state, held.next_attempt_at, held.settled) == ("unknown", None, False)


@pytest.mark.parametrize("wrong", [{"measurement_id": "123456"}, {"measurement_id": "UA-1-1"}, {"secret": "x"}])
def test_a_wrong_client_file_is_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Ga4Mp.Config(**({"measurement_id": "G-ABCD1234"} | wrong))


# The stand-in, which counts only what is right and says 204 to the rest


@pytest.fixture
def running() -> Iterator[Running]:
    with serve(market(), google=False) as sandbox:
        yield sandbox


def test_the_stand_in_counts_refunds_and_the_receipt_promises_nothing(running: Running) -> None:
    here = destination(running.http_url)
    receipts = here.send([refund(1), refund(2, action="purchase"), refund(3, action="retract", value=Decimal(0))])
    assert [receipt.state for receipt in receipts] == ["accepted", "duplicate", "accepted"]
    assert "unproven" in receipts[0].message
    assert running.received.orders("ga4_mp", "G-SMALL1") == {"1": Decimal("49.9"), "3": Decimal("199.9")}
    assert running.received.refusals("ga4_mp") == []


def test_refund_after_refund_adds_up_to_what_was_given_back(running: Running) -> None:
    here = destination(running.http_url)
    told = Decimal("199.90")
    for left in ("150.00", "20.00", "0"):
        value = Decimal(left)
        here.send([refund(1, told=told, value=value, action="restate" if value else "retract")])
        told = value
    assert running.received.orders("ga4_mp") == {"1": Decimal("199.90")}


def test_a_wrong_secret_is_answered_204_and_counted_by_nobody(running: Running) -> None:
    config = destination(running.http_url).config
    wrong = Ga4Mp(config, destination(shop=9).access)
    assert wrong.send([refund()])[0].state == "accepted", "which is why the receipt calls it unproven"
    assert running.received.deliveries("ga4_mp") == []
    assert running.received.refusals("ga4_mp")[0].code == "UNKNOWN_STREAM"
    assert "unproven" in wrong.check().note


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"client_id": ""}, "VALUE_REQUIRED"),
        ({"timestamp_micros": 1795183200000}, "VALUE_INVALID"),
        ({"timestamp_micros": int((NOW - timedelta(hours=73)).timestamp() * 1e6)}, "VALUE_OUT_OF_BOUNDS"),
        ({"events": []}, "EXCEEDED_MAX_ENTITIES"),
        ({"events": [{"name": "refund", "params": {"currency": "BRL", "transaction_id": "1"}}] * 26}, "EXCEEDED_MAX_ENTITIES"),
        ({"events": [{"name": "refund", "params": {"currency": "BRL"}}]}, "VALUE_REQUIRED"),
        ({"events": [{"name": "refund", "params": {"currency": "BRL", "transaction_id": "1", "value": -1}}]}, "VALUE_INVALID"),
        ({"events": [{"name": "refund", "params": {"currency": "BRL", "transaction_id": "ana@example.com"}}]}, "VALUE_INVALID"),
        ({"email": "x"}, "VALUE_INVALID"),
    ],
)  # fmt: skip
def test_the_validator_finds_what_the_collector_drops(running: Running, changed: dict[str, Any], code: str) -> None:
    said = json.loads(destination().body([refund()])) | changed
    who = {"measurement_id": "G-SMALL1", "api_secret": "ga4-secret-1"}
    found = requests.post(running.http_url + VALIDATE, params=who, json=said, timeout=10).json()
    assert code in [one["validationCode"] for one in found["validationMessages"]]
    assert requests.post(running.http_url + COLLECT, params=who, json=said, timeout=10).status_code == 204
    assert running.received.deliveries("ga4_mp") == []


def test_the_validator_stores_nothing_and_takes_any_secret(running: Running) -> None:
    assert destination(running.http_url, shop=9).check().id == "G-SMALL9"
    assert running.received.deliveries("ga4_mp") == []
