"""The Data Manager stand-in: a request is taken whole or not at all, and only later, in counts, is it told what became of it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from cortex.sandbox import Running, serve
from cortex.sandbox.data_manager import DataManagerStandIn
from cortex.sandbox.oauth import OAuth
from cortex.sandbox.received import Received
from cortex.sandbox.wire import Request, standing
from tests.small_market import GCLID, NOW, OTHER_GCLID, Hand, conversion, digest, ingest, market

REASON = "PROCESSING_ERROR_REASON_"
UNKNOWN_GCLID = "Cj0KCQiAnobody-clicked-this"


@pytest.fixture(scope="module")
def hand() -> Hand:
    return Hand()


@pytest.fixture
def running(hand: Hand) -> Iterator[Running]:
    hand.now = NOW
    with serve(market(), clock=hand, google=False) as sandbox:
        yield sandbox


def headers(running: Running, shop: int = 1, **form: str) -> dict[str, str]:
    asked = {
        "grant_type": "refresh_token",
        "client_id": "i",
        "client_secret": "s",
        "refresh_token": f"1//refresh-{shop}",
    } | form
    token = requests.post(f"{running.http_url}/token", data=asked, timeout=10).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


def send(running: Running, body: Any, shop: int = 1) -> requests.Response:
    return requests.post(f"{running.http_url}/v1/events:ingest", json=body, headers=headers(running, shop), timeout=10)


def accepted(running: Running, body: Any) -> str:
    answer = send(running, body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["requestId"])


def status(running: Running, request_id: str, *, polls: int = 3) -> list[dict[str, Any]]:
    for _ in range(polls):
        answer = requests.get(
            f"{running.http_url}/v1/requestStatus:retrieve",
            params={"requestId": request_id},
            headers=headers(running),
            timeout=10,
        )
        assert answer.status_code == 200, answer.text
    return list(answer.json()["requestStatusPerDestination"])


def reasons(running: Running, *events: dict[str, Any], **more: Any) -> dict[str, int]:
    found = status(running, accepted(running, ingest(*events, **more)))[0]
    counts = found.get("errorInfo", {}).get("errorCounts", [])
    return {each["reason"].removeprefix(REASON): int(each["recordCount"]) for each in counts}


def violations(answer: requests.Response) -> list[tuple[str, str]]:
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    found = next(each for each in error["details"] if each["@type"].endswith("BadRequest"))
    return [(each["field"], each["reason"]) for each in found["fieldViolations"]]


# Phase one


def test_a_good_request_is_taken_and_processed_later(running: Running) -> None:
    request_id = accepted(running, ingest(conversion("A1"), conversion("A2")))
    assert [status(running, request_id, polls=1)[0]["requestStatus"] for _ in range(3)] == [
        "PROCESSING",
        "PROCESSING",
        "SUCCESS",
    ]
    done = status(running, request_id)[0]
    assert done["eventsIngestionStatus"] == {"recordCount": "2"}
    assert done["destination"]["productDestinationId"] == "1555555"
    assert "errorInfo" not in done
    assert running.received.orders("data_manager") == {"A1": Decimal("199.9"), "A2": Decimal("199.9")}
    assert running.received.deliveries()[0].destination == "1000000000/1555555"


def user(*identifiers: dict[str, Any]) -> dict[str, Any]:
    return conversion("X", userData={"userIdentifiers": list(identifiers)})


def address(**changes: str) -> dict[str, Any]:
    good = {"givenName": digest("ana"), "familyName": digest("silva"), "regionCode": "BR", "postalCode": "01310-100"}
    return user({"address": good | changes})


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "hash too short": (user({"emailAddress": digest("a")[:62]}), "INVALID_SHA256_FORMAT"),
    "hash of nothing": (user({"emailAddress": digest("")}), "INVALID_SHA256_FORMAT"),
    "not hexadecimal": (user({"phoneNumber": "+5511987654321"}), "INVALID_HEX_ENCODING"),
    "no identifier": (conversion("X", userData=None), "NO_IDENTIFIERS_PROVIDED"),
    "an empty identifier list": (conversion("X", userData={"userIdentifiers": []}), "NO_IDENTIFIERS_PROVIDED"),
    "eleven identifiers": (user(*[{"emailAddress": digest(str(n))} for n in range(11)]), "TOO_MANY_USER_IDENTIFIERS"),
    "two kinds in one": (user({"emailAddress": digest("a"), "phoneNumber": digest("b")}), "INVALID_ARGUMENT"),
    "name in the clear": (address(givenName="Ana"), "INVALID_HEX_ENCODING"),
    "country by name": (address(regionCode="Brasil"), "INVALID_REGION_CODE"),
    "no postal code": (address(postalCode=""), "INVALID_POSTAL_CODE"),
    "no time": (conversion("X", eventTimestamp=None), "REQUIRED_FIELD_MISSING"),
    "no offset": (conversion("X", eventTimestamp="2026-11-20T10:00:00"), "EVENT_TIME_INVALID"),
    "in the future": (conversion("X", age=timedelta(minutes=-2)), "EVENT_TIME_INVALID"),
    "a day that is none": (conversion("X", eventTimestamp="2026-02-30T10:00:00Z"), "EVENT_TIME_INVALID"),
    "no currency": (conversion("X", currency=None), "REQUIRED_FIELD_MISSING"),
    "currency in lower case": (conversion("X", currency="brl"), "INVALID_CURRENCY_CODE"),
    "value as text": (conversion("X", conversionValue="199.90"), "INVALID_NUMBER_FORMAT"),
    "negative value": (conversion("X", conversionValue=-1), "INVALID_NUMBER_FORMAT"),
    "no source": (conversion("X", eventSource=None), "REQUIRED_FIELD_MISSING"),
    "no transaction id": (conversion("X", transactionId=None), "REQUIRED_FIELD_MISSING"),
    "e-mail as transaction id": (conversion("ana@example.com"), "INVALID_FORMAT"),
    "two click ids": (conversion("X", adIdentifiers={"gclid": GCLID, "gbraid": GCLID}), "INVALID_ARGUMENT"),
    "a click id with spaces": (conversion("X", adIdentifiers={"gclid": "a b c d e f g h"}), "INVALID_FORMAT"),
    "nowhere to go": (conversion("X", destinationReferences=["elsewhere"]), "INVALID_ARGUMENT"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_one_bad_field_refuses_every_event(running: Running, case: str) -> None:
    event, reason = REFUSED[case]
    answer = send(running, ingest(conversion("GOOD"), event))
    found = violations(answer)
    assert reason in [name for _, name in found]
    assert not any(field.startswith("events.events[0]") for field, _ in found)
    assert "ana@example.com" not in answer.text
    assert running.received.deliveries() == []
    assert [refusal.events for refusal in running.received.refusals("data_manager")] == [2]


def test_every_violation_is_listed_with_its_field(running: Running) -> None:
    bad = user({"emailAddress": "abc"}) | {"currency": "R$"}
    found = violations(send(running, ingest(conversion("GOOD"), bad)))
    assert found == [
        ("events.events[1].user_data.user_identifiers[0].email_address", "INVALID_HEX_ENCODING"),
        ("events.events[1].currency", "INVALID_CURRENCY_CODE"),
    ]


def test_an_unknown_name_is_refused_at_once(running: Running) -> None:
    answer = send(running, ingest(conversion("X", orderId="1")))
    assert answer.status_code == 400
    assert 'Unknown name "orderId"' in answer.json()["error"]["message"]
    assert "ana" not in answer.text


def test_hashes_may_be_base64_when_the_request_says_so(running: Running) -> None:
    encoded = base64.b64encode(bytes.fromhex(digest("ana@example.com"))).decode()
    body = ingest(user({"emailAddress": encoded}), encoding="BASE64")
    assert send(running, body).status_code == 200
    assert ("events.events[0].user_data.user_identifiers[0].email_address", "INVALID_HEX_ENCODING") in violations(
        send(running, body | {"encoding": "HEX"})
    )
    assert ("encoding", "REQUIRED_FIELD_MISSING") in violations(send(running, body | {"encoding": None}))


def test_proto_names_and_enum_numbers_are_taken_as_googles_servers_take_them(running: Running) -> None:
    event = {
        "transaction_id": "N1",
        "event_timestamp": (NOW - timedelta(hours=1)).isoformat(),
        "user_data": {"user_identifiers": [{"email_address": digest("a")}]},
        "consent": {"ad_user_data": 1},
        "currency": "BRL",
        "conversion_value": 10,
        "event_source": 1,
        "user_properties": {"customer_type": 1},
        "cart_data": {"items": [{"merchant_product_id": "p", "quantity": "2", "unit_price": 5.0}]},
    }
    accepted(running, ingest(event, encoding=1))
    assert running.received.orders("data_manager") == {"N1": Decimal(10)}


def test_two_thousand_events_are_taken_and_one_more_is_not(running: Running) -> None:
    batch = [conversion(str(number)) for number in range(2001)]
    accepted(running, ingest(*batch[:2000]))
    assert violations(send(running, ingest(*batch))) == [("events", "TOO_MANY_EVENTS")]
    assert violations(send(running, ingest())) == [("events", "REQUIRED_FIELD_MISSING")]


def test_destinations_are_judged_too(running: Running) -> None:
    assert violations(send(running, ingest(conversion("X"), action="999"))) == [
        ("destinations[0].product_destination_id", "INVALID_CONVERSION_ACTION_ID")
    ]
    eleven = ingest(conversion("X")) | {"destinations": ingest(conversion("X"))["destinations"] * 11}
    assert ("destinations", "TOO_MANY_DESTINATIONS") in violations(send(running, eleven))
    dashes = violations(send(running, ingest(conversion("X"), customer="100-000-0000", action="")))
    assert ("destinations[0].operating_account.account_id", "INVALID_NUMBER_FORMAT") in dashes


def test_another_shops_account_and_a_wrong_scope_are_denied(running: Running) -> None:
    foreign = send(running, ingest(conversion("X"), customer="2000000000", action="2555555"))
    assert (foreign.status_code, foreign.json()["error"]["status"]) == (403, "PERMISSION_DENIED")
    url = f"{running.http_url}/v1/events:ingest"
    narrow = headers(running, scope="https://www.googleapis.com/auth/adwords")
    refused = requests.post(url, json=ingest(conversion("X")), headers=narrow, timeout=10)
    assert refused.status_code == 403
    assert refused.json()["error"]["details"][0]["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
    assert requests.post(url, json=ingest(conversion("X")), timeout=10).status_code == 401
    assert running.received.deliveries() == []


def test_validate_only_checks_and_keeps_nothing(running: Running) -> None:
    request_id = accepted(running, ingest(conversion("V1"), validateOnly=True))
    assert running.received.deliveries() == []
    asked = requests.get(
        f"{running.http_url}/v1/requestStatus:retrieve?requestId={request_id}", headers=headers(running), timeout=10
    )
    assert asked.status_code == 400
    assert asked.json()["error"]["details"][0]["reason"] == "INVALID_REQUEST_ID"
    assert violations(send(running, ingest(conversion("X", currency="R$"), validateOnly=True)))


def test_a_status_is_its_senders_only(running: Running) -> None:
    request_id = accepted(running, ingest(conversion("A1")))
    url = f"{running.http_url}/v1/requestStatus:retrieve?requestId={request_id}"
    assert requests.get(url, headers=headers(running, 2), timeout=10).status_code == 400


# Phase two


def test_failures_are_counts_by_reason_and_never_say_which_event(running: Running) -> None:
    events = [
        conversion("OK"),
        conversion("OLD", age=timedelta(days=63, seconds=1)),
        conversion("OLDER", age=timedelta(days=70)),
        conversion("DENIED", consent={"adUserData": "CONSENT_DENIED"}),
        conversion("SILENT", consent=None),
        conversion("MISS", adIdentifiers={"gclid": UNKNOWN_GCLID}),
    ]
    done = status(running, accepted(running, ingest(*events)))[0]
    assert done["requestStatus"] == "PARTIAL_SUCCESS"
    assert done["errorInfo"]["errorCounts"] == [
        {"recordCount": "1", "reason": REASON + "CLICK_NOT_FOUND"},
        {"recordCount": "1", "reason": REASON + "DENIED_CONSENT"},
        {"recordCount": "2", "reason": REASON + "EVENT_TOO_OLD"},
        {"recordCount": "1", "reason": REASON + "NO_CONSENT"},
    ]
    assert "OLD" not in str({key: value for key, value in done.items() if key != "errorInfo"})
    assert running.received.orders("data_manager") == {"OK": Decimal("199.9")}


def test_all_failed_is_failed(running: Running) -> None:
    done = status(running, accepted(running, ingest(conversion("X", consent={"adUserData": "CONSENT_DENIED"}))))[0]
    assert done["requestStatus"] == "FAILED"


def test_a_click_reaches_back_90_days_and_identifiers_63(running: Running) -> None:
    click = {"adIdentifiers": {"gbraid": "0AAAAAo-small-market"}}
    assert reasons(running, conversion("C1", age=timedelta(days=90), **click)) == {}
    assert reasons(running, conversion("C2", age=timedelta(days=90, seconds=1), **click)) == {"EVENT_TOO_OLD": 1}
    assert reasons(running, conversion("C3", age=timedelta(days=63))) == {}


def test_a_click_must_exist_be_ours_and_come_first(running: Running) -> None:
    assert reasons(running, conversion("G1", adIdentifiers={"gclid": GCLID}, userData=None, consent=None)) == {}
    foreign = reasons(running, conversion("G2", adIdentifiers={"gclid": OTHER_GCLID}))
    assert foreign == {"PROCESSING_ERROR_OPERATING_ACCOUNT_MISMATCH_FOR_AD_IDENTIFIER": 1}
    early = conversion("G3", adIdentifiers={"gclid": GCLID}, age=timedelta(days=2))
    assert reasons(running, early) == {"CONVERSION_PRECEDES_CLICK": 1}


def test_request_consent_counts_where_the_event_is_silent(running: Running) -> None:
    silent = conversion("R1", consent=None)
    assert reasons(running, silent, consent={"adUserData": "CONSENT_GRANTED"}) == {}
    denied = reasons(running, conversion("R2", consent=None), consent={"adUserData": "CONSENT_DENIED"})
    assert denied == {"DENIED_CONSENT": 1}


def test_the_same_transaction_again_is_a_duplicate_and_another_value_restates_it(running: Running, hand: Hand) -> None:
    accepted(running, ingest(conversion("D1")))
    assert reasons(running, conversion("D1")) == {"DUPLICATE_TRANSACTION_ID": 1}
    assert reasons(running, conversion("D1", conversionValue=50.0)) == {}
    assert running.received.orders("data_manager") == {"D1": Decimal("50.0")}
    assert [d.outcome for d in running.received.deliveries()] == ["counted", "duplicate", "restated"]
    assert len(running.received.counted("data_manager")) == 1


def test_a_late_older_update_does_not_undo_a_newer_one(running: Running) -> None:
    def update(minutes: int, value: float) -> dict[str, Any]:
        at = (NOW - timedelta(minutes=minutes)).isoformat()
        return conversion("U1", conversionValue=value, lastUpdatedTimestamp=at)

    accepted(running, ingest(update(30, 100.0)))
    accepted(running, ingest(update(10, 40.0)))
    assert reasons(running, update(20, 70.0)) == {"DUPLICATE_TRANSACTION_ID": 1}
    assert running.received.orders("data_manager") == {"U1": Decimal("40.0")}


def test_restating_what_was_never_sent_creates_a_conversion(running: Running) -> None:
    refund = conversion("NEVER", conversionValue=0, lastUpdatedTimestamp=NOW.isoformat())
    assert reasons(running, refund) == {}
    assert [each.outcome for each in running.received.counted("data_manager")] == ["counted"]


def test_twice_in_one_request_is_a_duplicate(running: Running) -> None:
    assert reasons(running, conversion("S1"), conversion("S1", conversionValue=1)) == {"DUPLICATE_TRANSACTION_ID": 1}


def test_events_go_to_the_destinations_they_name(running: Running) -> None:
    body = ingest(conversion("X1", destinationReferences=["a"]), conversion("X2"))
    first = body["destinations"][0]
    body["destinations"] = [first | {"reference": "a"}, first | {"reference": "b"}]
    counts = [each["eventsIngestionStatus"]["recordCount"] for each in status(running, accepted(running, body))]
    assert counts == ["2", "1"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=12))
def test_however_often_it_is_sent_an_order_is_one_conversion_with_its_last_value(sent: list[tuple[int, int]]) -> None:
    received = Received()
    oauth = OAuth(market())
    stand_in = DataManagerStandIn(market(), oauth, clock=standing(NOW), received=received, rate_scale=1000)
    token = grant(oauth)
    last: dict[str, Decimal] = {}
    for number, value in sent:
        body = ingest(conversion(f"H{number}", conversionValue=value))
        assert post(stand_in, token, body).status == 200
        last[f"H{number}"] = Decimal(value)
    assert received.orders("data_manager") == last
    assert len(received.counted("data_manager")) == len(last)
    assert len(received.deliveries("data_manager")) == len(sent)


# Limits


def test_a_fast_sandbox_has_processed_at_the_first_look() -> None:
    oauth = OAuth(market())
    stand_in = DataManagerStandIn(market(), oauth, clock=standing(NOW), received=Received(), rate_scale=5)
    token = grant(oauth)
    number = post(stand_in, token, ingest(conversion("F1"))).json()["requestId"]
    asked = Request.of("GET", f"/v1/requestStatus:retrieve?requestId={number}", {"Authorization": f"Bearer {token}"})
    assert stand_in.handle(asked).json()["requestStatusPerDestination"][0]["requestStatus"] == "SUCCESS"


def grant(oauth: OAuth) -> str:
    form = b"grant_type=refresh_token&client_id=i&client_secret=s&refresh_token=1//refresh-1"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    return str(oauth.handle(Request.of("POST", "/token", kind, form)).json()["access_token"])


def post(stand_in: DataManagerStandIn, token: str, body: dict[str, Any]) -> Any:
    import json

    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return stand_in.handle(Request.of("POST", "/v1/events:ingest", headers, json.dumps(body).encode()))


def test_three_hundred_requests_a_minute_are_the_most() -> None:
    oauth = OAuth(market())
    received = Received()
    stand_in = DataManagerStandIn(market(), oauth, clock=standing(NOW), received=received)
    token = grant(oauth)
    answers = [post(stand_in, token, ingest(conversion(str(number)))) for number in range(301)]
    assert [each.status for each in answers] == [200] * 300 + [429]
    error = answers[-1].json()["error"]
    assert error["status"] == "RESOURCE_EXHAUSTED"
    assert any(each["@type"].endswith("RetryInfo") for each in error["details"])
    assert len(received.deliveries()) == 300
