"""TikTok's Events API: what an event says, what each code means, and once only against a stricter TikTok."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cortex.destinations import _tiktok_events
from cortex.destinations.tiktok_events import LARGEST, PATH, TikTokEvents
from cortex.errors import CredentialError, PlatformError
from cortex.identity import identify
from cortex.records import Clicks, Conversion, Item, Person
from cortex.sandbox import Running, serve
from cortex.secrets import Vault
from cortex.settings import Access
from tests.replay import Replay, always
from tests.small_market import NOW, Hand, market

DIGEST = "a" * 64
PIXEL, TOKEN = "CSMALLMARKET1", "tiktok-token-1"


def destination(url: str | None = None, *, shop: int = 1, clock: Any = lambda: NOW, **config: Any) -> TikTokEvents:
    vault = Vault("xyz", Path("absent"), {"CORTEX_XYZ_TIKTOK_EVENTS_TOKEN": f"tiktok-token-{shop}"})
    access = Access("xyz", vault, ZoneInfo("America/Sao_Paulo"), clock=clock)
    return TikTokEvents(TikTokEvents.Config(**({"pixel_id": f"CSMALLMARKET{shop}", "api_url": url} | config)), access)


def sale(number: int = 1, **changed: Any) -> Conversion:
    facts: dict[str, Any] = {
        "key": str(number), "event_id": f"purchase-{number}", "order_id": str(number),
        "occurred_at": NOW - timedelta(hours=1), "value": Decimal("199.90"), "currency": "BRL",
        "identifiers": {"email": [DIGEST], "phone": ["b" * 64]}, "clicks": Clicks(ttclid="E.C.P.AbC-dEf_123"),
        "ip": "203.0.113.7:443", "user_agent": "Mozilla/5.0", "event_url": "https://loja.example/obrigado?order=1",
        "items": [Item(product_id="55", quantity=2, unit_price=Decimal("99.95"))],
    }  # fmt: skip
    return Conversion(**(facts | changed))


def event(one: Conversion) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(destination().body([one]))["data"][0]
    return found


def test_a_request_says_what_the_page_asks() -> None:
    assert json.loads(destination(test_event_code="TEST1").body([sale()])) == {
        "data": [
            {
                "event": "Purchase",
                "event_id": "purchase-1",
                "event_time": int(datetime(2026, 11, 20, 14, tzinfo=UTC).timestamp()),
                "page": {"url": "https://loja.example/obrigado"},
                "properties": {
                    "content_type": "product",
                    "contents": [{"content_id": "55", "price": 99.95, "quantity": 2}],
                    "currency": "BRL",
                    "order_id": "1",
                    "value": 199.90,
                },
                "user": {
                    "email": DIGEST,
                    "ip": "203.0.113.7",
                    "phone": "b" * 64,
                    "ttclid": "E.C.P.AbC-dEf_123",
                    "user_agent": "Mozilla/5.0",
                },
            }
        ],
        "event_source": "web",
        "event_source_id": PIXEL,
        "test_event_code": "TEST1",
    }


def test_the_phone_is_hashed_with_its_plus_sign_and_the_email_with_its_dots() -> None:
    person = Person(email="Ana.Souza+x@gmail.com", phone="(11) 98765-4321", store_id="77")
    known = identify(person, TikTokEvents.identifiers, "BR")
    assert known == {
        "email": [hashlib.sha256(b"ana.souza+x@gmail.com").hexdigest()],
        "phone": [hashlib.sha256(b"+5511987654321").hexdigest()],
        "external_id": [hashlib.sha256(b"77").hexdigest()],
    }


def test_a_click_id_keeps_its_case_and_a_strange_one_is_left_out() -> None:
    assert event(sale(clicks=Clicks(ttclid="E.C.P.aBcDeF")))["user"]["ttclid"] == "E.C.P.aBcDeF"
    assert "ttclid" not in event(sale(clicks=Clicks(ttclid="<script>")))["user"]


@pytest.mark.parametrize(
    ("changed", "state", "error_class"),
    [
        ({"action": "restate"}, "rejected", "data"),
        ({"occurred_at": NOW - timedelta(days=28, seconds=1)}, "rejected", "expired"),
        ({"occurred_at": NOW + timedelta(minutes=5)}, "retry", "transient"),
        ({"value": Decimal(0)}, "rejected", "data"),
        ({"currency": "R$"}, "rejected", "data"),
        ({"event_id": ""}, "rejected", "data"),
        ({"identifiers": {"email": ["ana@example.com"]}}, "rejected", "data"),
        ({"identifiers": {"em": [DIGEST]}}, "rejected", "data"),
        ({"identifiers": {}, "clicks": Clicks(), "ip": ""}, "rejected", "data"),
        ({"items": [Item(product_id="x" * 2000, quantity=1, unit_price=Decimal(1))] * 600}, "rejected", "data"),
    ],
)
def test_what_tiktok_would_refuse_never_costs_a_request(changed: dict[str, Any], state: str, error_class: str) -> None:
    taken = always(json={"code": 0, "message": "OK", "request_id": "r"})
    with Replay(taken) as server:
        receipts = destination(server.url).send([sale(1), sale(2, **changed)])
        assert receipts[0].state == "accepted"
        assert (receipts[1].state, receipts[1].error_class) == (state, error_class)
        assert len(json.loads(server.requests[0].body)["data"]) == 1


def test_28_days_to_the_second_are_taken() -> None:
    assert destination().unfit(sale(occurred_at=NOW - timedelta(days=28)), NOW) is None


def test_more_than_a_megabyte_goes_in_several_requests() -> None:
    big = [Item(product_id="x" * 200, quantity=1, unit_price=Decimal(1))] * 400
    rows = [sale(number, items=big) for number in range(25)]
    with Replay(always(json={"code": 0, "message": "OK", "request_id": "r"})) as server:
        here = destination(server.url)
        receipts = here.send(rows)
        assert {receipt.state for receipt in receipts} == {"accepted"}
        assert len(server.requests) > 1
        assert all(len(request.body) <= LARGEST for request in server.requests)
        sent = [one["event_id"] for request in server.requests for one in json.loads(request.body)["data"]]
        assert sent == [row.event_id for row in rows]
        assert here.body(rows) == b"\n".join(request.body for request in server.requests)


def test_after_a_part_without_an_answer_the_rest_is_not_tried() -> None:
    big = [Item(product_id="x" * 200, quantity=1, unit_price=Decimal(1))] * 400
    with Replay(always(json={"code": 50000, "message": "x", "request_id": "r"})) as server:
        receipts = destination(server.url).send([sale(number, items=big) for number in range(25)])
        assert len(server.requests) == 1
    assert {receipt.state for receipt in receipts} == {"unknown", "retry"}
    assert receipts[-1].error_code == "not_tried"


# Codes

CLASSES = {
    "data": [40002],
    "config": [40001, 40003, 40999],
    "auth": [40102, 40103, 40104, 40105, 40107],
    "throttle": [40016, 40100, 40133],
    "ambiguous": [20001, 50000, 50002, 51010, 60001],
}


@pytest.mark.parametrize(("kind", "code"), [(kind, code) for kind, codes in CLASSES.items() for code in codes])
def test_each_code_has_its_class(kind: str, code: int) -> None:
    with Replay(always(json={"code": code, "message": "said", "request_id": "r1"})) as server:
        if kind == "auth":
            with pytest.raises(CredentialError) as refused:
                destination(server.url).send([sale()])
            assert TOKEN not in str(refused.value)
            return
        receipt = destination(server.url).send([sale()])[0]
    states = {"data": "retry", "config": "retry", "throttle": "retry", "ambiguous": "unknown"}
    assert (receipt.state, receipt.error_class) == (states[kind], kind)


def test_every_code_of_the_table_is_tested() -> None:
    for kind, codes in _tiktok_events.CODES.items():
        assert set(codes) <= set(CLASSES[kind])


def test_a_wrong_pixel_is_no_rows_fault_whatever_its_code() -> None:
    for words in ("event_source_id: Pixel does not exist", "Invalid parameter"):
        with Replay(always(json={"code": 40002, "message": words, "request_id": "r"})) as server:
            receipts = destination(server.url).send([sale(number) for number in range(5)])
        assert {(receipt.state, receipt.error_class) for receipt in receipts} == {("retry", "config")}, words


def test_a_lone_row_is_not_condemned_for_words_that_may_mean_the_setup() -> None:
    for words, kind in (("event_source_id: Pixel does not exist", "config"), ("data.0: wrong", "data")):
        with Replay(always(json={"code": 40002, "message": words, "request_id": "r"})) as server:
            receipt = destination(server.url).send([sale()])[0]
        assert (receipt.state, receipt.error_class) == ("retry", kind)


def test_a_row_refused_in_company_is_to_blame(running: Running) -> None:
    here = destination(running.http_url)
    rows = [sale(1), sale(2, identifiers={"email": [hashlib.sha256(b"").hexdigest()]}), sale(3)]
    receipts = here.send(rows)
    assert [receipt.state for receipt in receipts] == ["accepted", "rejected", "accepted"]
    assert receipts[1].error_class == "data"


def test_rows_refused_in_different_words_are_each_to_blame(running: Running) -> None:
    empty = hashlib.sha256(b"").hexdigest()
    rows = [sale(1, identifiers={"email": [empty]}), sale(2, identifiers={"phone": [empty]})]
    receipts = destination(running.http_url).send(rows)
    assert {(receipt.state, receipt.error_class) for receipt in receipts} == {("rejected", "data")}


def test_the_browsers_own_id_goes_along() -> None:
    assert event(sale(clicks=Clicks(ttp="2Xj-AbC_dEf123.tt.1")))["user"]["ttp"] == "2Xj-AbC_dEf123.tt.1"
    assert "ttp" not in event(sale(clicks=Clicks(ttp="<script>")))["user"]
    alone = sale(identifiers={}, clicks=Clicks(ttp="2Xj-AbC_dEf123.tt.1"), ip="", user_agent="")
    assert destination().missing(alone) == ""


def test_tiktoks_words_are_cleaned_before_they_are_kept() -> None:
    said = {"code": 40002, "message": "data.0.user.email: ana@example.com is no hash", "request_id": "r"}
    with Replay(always(json=said)) as server:
        assert "ana@" not in repr(destination(server.url).send([sale()]))


@pytest.mark.parametrize(
    "answer",
    [
        {"text": "<html>"},
        {"text": "{"},
        {"json": []},
        {"status": 500, "json": {}},
        {"status": 301, "headers": {"Location": "/x"}, "text": ""},
    ],
)
def test_whatever_leaves_tiktoks_decision_open_is_unknown(answer: dict[str, Any]) -> None:
    with Replay(always(**answer)) as server:
        receipt = destination(server.url).send([sale()])[0]
    assert (receipt.state, receipt.error_class) == ("unknown", "ambiguous")


@pytest.mark.parametrize(
    "config", [{"pixel_id": "123"}, {"pixel_id": "cabcdefgh"}, {"test_event_code": "a b"}, {"pixels": "x"}]
)
def test_a_wrong_client_file_is_refused(config: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        TikTokEvents.Config(**({"pixel_id": PIXEL} | config))


# The stand-in, which is stricter than this client


@pytest.fixture
def running() -> Iterator[Running]:
    with serve(market(), google=False, rate_scale=1000) as sandbox:
        yield sandbox


def posted(running: Running, *events: Any, token: str = TOKEN, **body: Any) -> dict[str, Any]:
    said = {"event_source": "web", "event_source_id": PIXEL, "data": list(events)} | body
    answer = requests.post(running.http_url + PATH, json=said, headers={"Access-Token": token}, timeout=10)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def plain(**changed: Any) -> dict[str, Any]:
    return event(sale()) | changed


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"event_time": int(NOW.timestamp() * 1000)}, "in seconds"),
        ({"event_time": int(NOW.timestamp()) + 600}, "future"),
        ({"event_id": ""}, "event_id"),
        ({"user": {"phone": "+5511987654321"}}, "SHA-256"),
        ({"user": {"email": hashlib.sha256(b"").hexdigest()}}, "not of nothing"),
        ({"user": {"email": DIGEST.upper()}}, "SHA-256"),
        ({"user": {"email": DIGEST, "ip": "203.0.113.7:80"}}, "port"),
        ({"user": {"user_agent": "x"}}, "nothing to match"),
        ({"properties": {"value": "199.90", "currency": "BRL"}}, "number"),
        ({"properties": {"value": 1, "currency": "brl"}}, "ISO 4217"),
        ({"properties": {"value": 1, "currency": "BRL", "description": "de ana@example.com"}}, "in the clear"),
        ({"pixel_code": "x"}, "unknown field"),
    ],
)
def test_the_stand_in_refuses_a_whole_request(running: Running, changed: dict[str, Any], words: str) -> None:
    said = posted(running, plain(event_id="other"), plain(**changed))
    assert said["code"] == 40002
    assert words in said["message"]
    assert running.received.deliveries("tiktok") == []
    assert running.received.refusals("tiktok")[0].events == 2


def test_the_stand_in_knows_its_pixels_and_tokens(running: Running) -> None:
    assert posted(running, plain(), token="tiktok-token-9")["code"] == 40105
    assert posted(running, plain(), token="tiktok-token-2")["code"] == 40001
    assert posted(running, *[plain(event_id=str(number)) for number in range(51)])["code"] == 40002
    assert posted(running)["code"] == 40002
    bearer = requests.post(running.http_url + PATH, json={}, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10)
    assert bearer.json()["code"] == 40105
    moved = requests.post(running.http_url + PATH.rstrip("/"), json={}, allow_redirects=False, timeout=10)
    assert moved.status_code == 301


def test_the_stand_in_keeps_the_first_of_two_for_48_hours() -> None:
    hand = Hand()
    with serve(market(), google=False, clock=hand) as sandbox:
        here = destination(sandbox.http_url, clock=hand)
        here.send([sale()])
        hand.forward(hours=47)
        here.send([sale()])
        assert len(sandbox.received.counted("tiktok")) == 1
        hand.forward(hours=2)
        here.send([sale()])
        assert len(sandbox.received.counted("tiktok")) == 2, "after 48 hours the ledger alone stands against a second"


def test_the_stand_in_counts_each_order_once_through_lost_answers(running: Running) -> None:
    people = [
        Person(store_id="1", email="Ana.Souza@example.com", phone="(11) 98765-4321"),
        Person(email="jo\u0061\u0303o@example.com", phone="21 8765-4321"),
        Person(store_id="3"),
    ]
    here = destination(running.http_url)
    rows = [sale(n, identifiers=identify(who, here.identifiers, "BR")) for n, who in enumerate(people)]
    rows += [sale(10, identifiers={}, clicks=Clicks()), sale(11, user_agent="", event_url="", items=[])]
    assert here.check().id == PIXEL
    assert running.received.deliveries("tiktok") == []
    running.faults.once(PATH, "lost_after_commit")
    assert {receipt.state for receipt in here.send(rows)} == {"unknown"}
    assert {receipt.state for receipt in here.send(rows)} == {"accepted"}
    assert running.received.orders("tiktok", PIXEL) == dict.fromkeys([row.order_id for row in rows], Decimal("199.9"))
    assert running.received.refusals("tiktok")[1:] == []


BROKEN = ("lost_after_commit", "429", "500", "502", "reset", "reset_mid", "truncate", "html", "badjson")


@given(
    faults=st.lists(st.sampled_from(BROKEN), max_size=6),
    again=st.booleans(),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_whatever_fails_on_the_way_each_order_counts_once(faults: list[str], again: bool) -> None:
    with serve(market(), google=False, rate_scale=1000) as sandbox:
        here = destination(sandbox.http_url)
        for fault in faults:
            sandbox.faults.once(PATH, fault)
        waiting = [sale(number) for number in range(4)]
        for _ in range(len(faults) + 1):
            receipts = here.send(waiting)
            waiting = [
                row for row, receipt in zip(waiting, receipts, strict=True) if receipt.state in {"retry", "unknown"}
            ]
        assert waiting == []
        if again:
            here.send([sale(number) for number in range(4)])
        assert sandbox.received.orders("tiktok") == {str(number): Decimal("199.9") for number in range(4)}


def test_a_row_a_fast_clock_lets_pass_is_found_and_the_rest_arrives_once(running: Running) -> None:
    here = destination(running.http_url, clock=lambda: NOW + timedelta(minutes=5))
    rows = [sale(number) for number in range(20)]
    rows[13] = sale(13, occurred_at=NOW + timedelta(minutes=4))
    receipts = here.send(rows)
    assert [at for at, receipt in enumerate(receipts) if receipt.state != "accepted"] == [13]
    assert len(running.received.counted("tiktok")) == 19


def test_check_names_a_dead_token_and_a_foreign_pixel(running: Running) -> None:
    with pytest.raises(CredentialError, match="CTX-4350"):
        destination(running.http_url, shop=9).check()
    with pytest.raises(PlatformError, match="CTX-4352"):
        destination(running.http_url, pixel_id="CSMALLMARKET2").check()
    running.faults.once(PATH, "429")
    assert destination(running.http_url).send([sale()])[0].error_class == "throttle"
