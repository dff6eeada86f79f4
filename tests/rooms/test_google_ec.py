"""Google's Data Manager: what an event says, what each reason means, and restated values against a stricter Google."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from pydantic import ValidationError

from cortex.destinations import _google_reasons
from cortex.destinations.google_ec import PROBE_EMAIL, GoogleEc
from cortex.errors import ConfigError, CredentialError, PlatformError, Throttled, Transient
from cortex.identity import identify
from cortex.records import Clicks, Conversion, Person, Receipt
from cortex.secrets import Vault
from cortex.settings import Access
from tests.faulty import RESET, FaultyServer
from tests.replay import Replay

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
DIGEST = "a" * 64
GCLID = "Cj0KCQiA-recorded_AbC"
TOKEN = {"request": {"path": "/token"}, "response": {"json": {"access_token": "ya29.recorded", "expires_in": 3599}}}


def replay(*answers: dict[str, Any], path: str = "/v1/events:ingest") -> Replay:
    """A Google that gives a token and then the answers in turn, the last one for ever."""
    recorded = [TOKEN, {"request": {"path": path}, "response": answers[-1]}]
    return _Turns(recorded, answers[:-1], path)


class _Turns(Replay):
    def __init__(self, exchanges: Any, turns: Any, path: str) -> None:
        super().__init__(exchanges)
        self.turns, self.path = list(turns), path

    def answer(self, request: Any) -> Any:
        if request.path == self.path and self.turns:
            self.requests.append(request)
            return self.turns.pop(0)
        return super().answer(request)

    @property
    def asked(self) -> list[Any]:
        return [request for request in self.requests if request.path == self.path]


def access(token_url: str, now: datetime = NOW, **person: str) -> Access:
    secret = {
        "type": "authorized_user",
        "client_id": "xyz.apps.example",
        "client_secret": "recorded-client-secret",
        "refresh_token": "recorded-refresh-token",
        "token_uri": f"{token_url}/token",
    } | person
    vault = Vault("xyz", Path("absent"), {"CORTEX_XYZ_GOOGLE_CREDENTIALS": json.dumps(secret)})
    return Access("xyz", vault, ZoneInfo("America/Sao_Paulo"), clock=lambda: now)


def destination(url: str = "http://127.0.0.1:9", **config: Any) -> GoogleEc:
    facts = {"conversion_action_id": "7654321", "customer_id": "123-456-7890", "api_url": url}
    return GoogleEc(GoogleEc.Config(**(facts | config)), access(url))


def sale(number: int = 1, **changed: Any) -> Conversion:
    facts: dict[str, Any] = {
        "key": str(number),
        "event_id": f"purchase-{number}",
        "order_id": str(number),
        "occurred_at": NOW - timedelta(hours=1),
        "value": Decimal("199.90"),
        "currency": "BRL",
        "identifiers": {"email_address": [DIGEST], "phone_number": ["b" * 64, "c" * 64]},
        "clicks": Clicks(gclid=GCLID),
        "customer_type": "new",
    }
    return Conversion(**(facts | changed))


def event(one: Conversion) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(destination().body([one]))["events"][0]
    return found


def refused(*violations: tuple[str, str], reason: str = "INVALID_ARGUMENT", status: int = 400) -> dict[str, Any]:
    details: list[dict[str, Any]] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]
    if violations:
        fields = [{"field": field, "description": "said", "reason": why} for field, why in violations]
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": fields})
    details.append({"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "t-1"})
    error = {"code": status, "message": "There was a problem with the request.", "status": reason, "details": details}
    return {"status": status, "json": {"error": error}}


TAKEN = {"json": {"requestId": "request-1"}}


# The event


def test_a_request_says_what_the_reference_asks() -> None:
    assert json.loads(destination(login_customer_id="999-888-7777").body([sale()])) == {
        "consent": {"adPersonalization": "CONSENT_GRANTED", "adUserData": "CONSENT_GRANTED"},
        "destinations": [
            {
                "loginAccount": {"accountId": "9998887777", "accountType": "GOOGLE_ADS"},
                "operatingAccount": {"accountId": "1234567890", "accountType": "GOOGLE_ADS"},
                "productDestinationId": "7654321",
            }
        ],
        "encoding": "HEX",
        "events": [
            {
                "adIdentifiers": {"gclid": GCLID},
                "conversionValue": 199.9,
                "currency": "BRL",
                "eventSource": "WEB",
                "eventTimestamp": "2026-11-20T14:00:00Z",
                "transactionId": "1",
                "userData": {
                    "userIdentifiers": [
                        {"emailAddress": DIGEST},
                        {"phoneNumber": "b" * 64},
                        {"phoneNumber": "c" * 64},
                    ]
                },
                "userProperties": {"customerType": "NEW"},
            }
        ],
    }


def test_every_identifier_is_an_object_of_its_own() -> None:
    person = Person(
        email="Cliente.VIP@gmail.com", phone="(21) 8765-4321", first_name="Ana", last_name="de Souza", postal_code="20040-002",
        country="Brasil",
    )  # fmt: skip
    one = sale(identifiers=identify(person, GoogleEc.identifiers, "BR"))
    found = event(one)["userData"]["userIdentifiers"]
    assert [list(each) for each in found] == [["emailAddress"], ["phoneNumber"], ["phoneNumber"], ["address"]]
    address = found[3]["address"]
    assert (address["regionCode"], address["postalCode"]) == ("BR", "20040-002")
    assert {len(address[name]) for name in ("givenName", "familyName")} == {64}


@pytest.mark.parametrize("absent", ["given_name", "family_name", "region_code", "postal_code"])
def test_an_address_is_whole_or_not_at_all(absent: str) -> None:
    whole = {"given_name": [DIGEST], "family_name": [DIGEST], "region_code": ["BR"], "postal_code": ["20040-002"]}
    assert "address" in event(sale(identifiers=whole))["userData"]["userIdentifiers"][0]
    del whole[absent]
    assert "userData" not in event(sale(identifiers=whole))


def test_no_more_than_ten_identifiers() -> None:
    many = {"email_address": [DIGEST], "phone_number": [f"{number:064x}" for number in range(12)]}
    assert len(event(sale(identifiers=many))["userData"]["userIdentifiers"]) == 10


@pytest.mark.parametrize(
    ("clicks", "sent"),
    [
        (Clicks(gclid=GCLID, wbraid="0AAA-wbraid-1", gbraid="0AAA-gbraid-1"), {"gclid": GCLID}),
        (Clicks(wbraid="0AAA-wbraid-1", gbraid="0AAA-gbraid-1"), {"wbraid": "0AAA-wbraid-1"}),
        (Clicks(gbraid="0AAA-gbraid-1"), {"gbraid": "0AAA-gbraid-1"}),
        (Clicks(gclid="test", wbraid="0AAA-wbraid-1"), {"wbraid": "0AAA-wbraid-1"}),
        (Clicks(gclid="has space in it"), None),
        (Clicks(), None),
    ],
)
def test_one_click_id_the_most_exact_one(clicks: Clicks, sent: dict[str, str] | None) -> None:
    assert event(sale(clicks=clicks)).get("adIdentifiers") == sent


def test_a_full_refund_is_the_value_zero_of_the_same_transaction() -> None:
    found = event(sale(action="retract", value=Decimal(0)))
    assert (found["transactionId"], found["conversionValue"], found["currency"]) == ("1", 0, "BRL")


def test_times_are_utc_whatever_they_were() -> None:
    local = datetime(2026, 11, 20, 11, 0, tzinfo=ZoneInfo("America/Sao_Paulo"))
    assert event(sale(occurred_at=local))["eventTimestamp"] == "2026-11-20T14:00:00Z"


# Found before sending


@pytest.mark.parametrize(
    ("changed", "state", "error_class", "error_code"),
    [
        ({"occurred_at": NOW - timedelta(days=90, seconds=1)}, "rejected", "expired", "too_old"),
        ({"occurred_at": NOW - timedelta(days=63, seconds=1), "clicks": Clicks()}, "rejected", "expired", "too_old"),
        ({"occurred_at": NOW + timedelta(seconds=61)}, "retry", "transient", "in_the_future"),
        ({"value": Decimal(0)}, "rejected", "data", "no_value"),
        ({"value": Decimal(-1), "action": "restate"}, "rejected", "data", "no_value"),
        ({"currency": "R$"}, "rejected", "data", "no_currency"),
        ({"order_id": ""}, "rejected", "data", "no_transaction_id"),
        ({"identifiers": {"email_address": ["ana@example.com"]}}, "rejected", "data", "not_a_digest"),
        ({"identifiers": {"region_code": ["Brasil"]}}, "rejected", "data", "not_a_digest"),
        ({"identifiers": {"postal_code": ["ana@example.com"]}}, "rejected", "data", "not_a_digest"),
        ({"identifiers": {"em": [DIGEST]}}, "rejected", "data", "not_a_digest"),
        ({"identifiers": {}, "clicks": Clicks()}, "rejected", "data", "thin_identity"),
    ],
)
def test_what_google_would_refuse_never_costs_a_request(
    changed: dict[str, Any], state: str, error_class: str, error_code: str
) -> None:
    with replay(TAKEN) as server:
        receipts = destination(server.url).send([sale(1, **changed), sale(2)])
        assert (receipts[0].state, receipts[0].error_class, receipts[0].error_code) == (state, error_class, error_code)
        assert receipts[1].state == "accepted"
        assert len(json.loads(server.asked[0].body)["events"]) == 1


def test_windows_are_taken_to_the_second() -> None:
    clicked = sale(occurred_at=NOW - timedelta(days=90))
    known = sale(occurred_at=NOW - timedelta(days=63), clicks=Clicks())
    assert len(json.loads(destination().body([clicked, known]))["events"]) == 2


def test_an_adjustment_has_a_window_of_its_own_which_the_queue_keeps() -> None:
    late = sale(occurred_at=NOW - timedelta(days=80), clicks=Clicks(), action="restate")
    assert len(json.loads(destination().body([late]))["events"]) == 1


# Answers


def test_a_receipt_says_google_is_still_at_it() -> None:
    with replay(TAKEN) as server:
        assert destination(server.url).send([sale()]) == [
            Receipt(state="accepted", request_id="request-1", processing=True)
        ]
        request = server.asked[0]
        assert (request.method, request.query, request.headers["authorization"]) == ("POST", {}, "Bearer ya29.recorded")


def test_one_token_serves_many_batches() -> None:
    with replay(TAKEN) as server:
        here = destination(server.url)
        for number in range(3):
            here.send([sale(number)])
        assert [request.path for request in server.requests].count("/token") == 1


@pytest.mark.parametrize(
    "form", ["events[{row}].user_data.user_identifiers[0].email_address", "events.events[{row}].currency"]
)
def test_rows_google_names_are_left_out_and_the_rest_is_sent_once(form: str) -> None:
    with replay(
        refused((form.format(row=1), "INVALID_SHA256_FORMAT"), (form.format(row=3), "INVALID_CURRENCY_CODE")), TAKEN
    ) as server:
        receipts = destination(server.url).send([sale(number) for number in range(5)])
        assert [receipt.state for receipt in receipts] == ["accepted", "rejected", "accepted", "rejected", "accepted"]
        assert [receipt.error_code for receipt in receipts if receipt.state == "rejected"] == [
            "INVALID_SHA256_FORMAT", "INVALID_CURRENCY_CODE",
        ]  # fmt: skip
        assert receipts[1].request_id == "t-1"
        assert [len(json.loads(request.body)["events"]) for request in server.asked] == [5, 3]


def test_an_event_too_old_for_google_is_expired() -> None:
    with replay(refused(("events[0].event_timestamp", "EVENT_TIME_INVALID")), TAKEN) as server:
        receipts = destination(server.url).send([sale(1), sale(2)])
        assert [(receipt.state, receipt.error_class) for receipt in receipts] == [
            ("rejected", "expired"),
            ("accepted", ""),
        ]


def test_when_every_row_is_named_nothing_is_left_to_send() -> None:
    with replay(refused(("events[0].currency", "INVALID_CURRENCY_CODE"))) as server:
        receipts = destination(server.url).send([sale()])
        assert [receipt.state for receipt in receipts] == ["rejected"]
        assert len(server.asked) == 1


def test_a_row_that_is_not_in_the_request_is_no_row() -> None:
    with replay(refused(("events[7].currency", "INVALID_CURRENCY_CODE")), TAKEN) as server:
        receipts = destination(server.url).send([sale(1), sale(2)])
        assert "accepted" in {receipt.state for receipt in receipts}


@pytest.mark.parametrize(
    "answer",
    [
        {"json": {}},
        {"json": []},
        {"text": "<html>", "headers": {"Content-Type": "text/html"}},
        {"text": '{"requestI'},
        {"status": 500, "json": {"error": {"code": 500, "status": "INTERNAL"}}},
        {"status": 503, "json": {"error": {"code": 503, "status": "UNAVAILABLE"}}},
    ],
)
def test_whatever_leaves_googles_decision_open_is_unknown(answer: dict[str, Any]) -> None:
    with replay(answer) as server:
        receipts = destination(server.url).send([sale(1), sale(2)])
        assert {(receipt.state, receipt.error_class) for receipt in receipts} == {("unknown", "ambiguous")}
        assert len(server.asked) == 1


def test_a_cut_connection_is_unknown() -> None:
    with replay(TAKEN) as tokens, FaultyServer(lambda _path, _query: [RESET]) as server:
        config = destination(server.url).config
        receipts = GoogleEc(config, access(tokens.url)).send([sale()])
        assert (receipts[0].state, receipts[0].error_class) == ("unknown", "ambiguous")


def test_a_token_server_that_is_down_means_nothing_was_sent() -> None:
    with replay(TAKEN) as server:
        receipts = GoogleEc(destination(server.url).config, access("http://127.0.0.1:9")).send([sale(1), sale(2)])
        assert {(receipt.state, receipt.error_class) for receipt in receipts} == {("retry", "transient")}
        assert server.asked == []


def test_a_revoked_authorisation_is_a_credential_error_without_a_secret_in_it() -> None:
    with replay(TAKEN) as server:
        said = {"status": 400, "json": {"error": "invalid_grant", "error_description": "Token has been revoked."}}
        server.exchanges[0] = {"request": {"path": "/token"}, "response": said}
        with pytest.raises(CredentialError) as failure:
            destination(server.url).send([sale()])
        assert "recorded-refresh-token" not in str(failure.value) + failure.value.fix
        assert server.asked == []


# Reasons


@pytest.mark.parametrize(
    ("kind", "reason"), [(kind, reason) for kind, reasons in _google_reasons.AT_ONCE.items() for reason in reasons]
)
def test_each_reason_of_a_refusal_has_its_class(kind: str, reason: str) -> None:
    body = json.dumps(refused(reason=reason)["json"]).encode()
    judged = _google_reasons.judge(400, {}, body)
    expected: dict[str, type[Exception]] = {"auth": CredentialError, "throttle": Throttled, "transient": Transient}
    assert type(judged) is expected.get(kind, _google_reasons.RequestRefused)
    if isinstance(judged, _google_reasons.RequestRefused):
        assert judged.kind == kind
    named = json.dumps(refused(("events[0].x", reason))["json"]).encode()
    said = _google_reasons.read(named)
    assert (said.violations[0].row, said.violations[0].reason) == (0, reason)
    assert _google_reasons.class_at_once(reason, about_a_row=True) == kind


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"", CredentialError),
        (403, json.dumps(refused(reason="ACCESS_TOKEN_SCOPE_INSUFFICIENT")["json"]).encode(), CredentialError),
        (403, json.dumps(refused(reason="PERMISSION_DENIED")["json"]).encode(), _google_reasons.RequestRefused),
        (404, b"<html>", _google_reasons.RequestRefused),
        (429, b"", Throttled),
        (500, b"", Transient),
        (400, b'{"error": "surprise"}', _google_reasons.RequestRefused),
        (400, b'{"error": {"details": [1, {"fieldViolations": [{"field": 3}]}]}}', _google_reasons.RequestRefused),
    ],
)
def test_answers_are_judged_whatever_they_are(status: int, body: bytes, kind: type[Exception]) -> None:
    assert type(_google_reasons.judge(status, {}, body)) is kind


def test_a_reason_nobody_knows_yet_blames_a_row_only_when_it_is_about_one() -> None:
    assert _google_reasons.class_at_once("BRAND_NEW", about_a_row=True) == "data"
    assert _google_reasons.class_at_once("BRAND_NEW", about_a_row=False) == "config"
    assert _google_reasons.class_later("PROCESSING_ERROR_REASON_BRAND_NEW") == "data"


# What became of it


def status(state: str, total: int = 10, **counts: int) -> dict[str, Any]:
    found: dict[str, Any] = {"requestStatus": state, "eventsIngestionStatus": {"recordCount": str(total)}}
    if counts:
        found["errorInfo"] = {
            "errorCounts": [
                {"recordCount": str(count), "reason": f"PROCESSING_ERROR_REASON_{reason}"}
                for reason, count in counts.items()
            ]
        }
    return {"json": {"requestStatusPerDestination": [found]}}


@pytest.mark.parametrize(
    ("answer", "state", "processing", "error_class", "error_code"),
    [
        (status("SUCCESS"), "accepted", False, "", ""),
        (status("PROCESSING"), "accepted", True, "", ""),
        (status("REQUEST_STATUS_UNKNOWN"), "accepted", True, "", ""),
        ({"json": {}}, "accepted", True, "", ""),
        (status("FAILED", DUPLICATE_TRANSACTION_ID=10), "duplicate", False, "", "DUPLICATE_TRANSACTION_ID"),
        (status("FAILED", DUPLICATE_GCLID=1, DUPLICATE_TRANSACTION_ID=9), "duplicate", False, "", "DUPLICATE_TRANSACTION_ID"),
        (status("FAILED", EVENT_TOO_OLD=10), "rejected", False, "expired", "EVENT_TOO_OLD"),
        (status("FAILED", NO_CONSENT=10), "rejected", False, "consent", "NO_CONSENT"),
        (status("FAILED", CLICK_NOT_FOUND=10), "rejected", False, "data", "CLICK_NOT_FOUND"),
        (status("FAILED", INTERNAL_ERROR=10), "retry", False, "transient", "INTERNAL_ERROR"),
        (status("FAILED", CLICK_NOT_FOUND=9, TOO_RECENT_CLICK=1), "retry", False, "transient", "TOO_RECENT_CLICK"),
        (
            status("FAILED", DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED=10),
            "retry", False, "config", "DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED",
        ),
        (status("FAILED", DUPLICATE_GCLID=9, CLICK_NOT_FOUND=1), "accepted", False, "data", "CLICK_NOT_FOUND"),
        (status("FAILURE"), "rejected", False, "data", "FAILURE"),
        (status("PARTIAL_SUCCESS", CLICK_NOT_FOUND=2), "accepted", False, "data", "CLICK_NOT_FOUND"),
        (status("PARTIAL_SUCCESS", DUPLICATE_TRANSACTION_ID=2), "accepted", False, "", "DUPLICATE_TRANSACTION_ID"),
        (status("PARTIAL_SUCCESS", DENIED_CONSENT=3, INVALID_GCLID=1), "accepted", False, "consent", "DENIED_CONSENT"),
        (status("PARTIAL_SUCCESS", INTERNAL_ERROR=1), "retry", False, "transient", "INTERNAL_ERROR"),
    ],
)  # fmt: skip
def test_what_became_of_a_request(
    answer: dict[str, Any], state: str, processing: bool, error_class: str, error_code: str
) -> None:
    with replay(answer, path="/v1/requestStatus:retrieve") as server:
        settled = destination(server.url).settle("request-1")
        assert server.asked[0].query == {"requestId": "request-1"}
    assert len(settled) == 1
    name, receipt = settled[0]
    assert name == "*"
    assert (receipt.state, receipt.processing, receipt.error_class, receipt.error_code, receipt.request_id) == (
        state, processing, error_class, error_code, "request-1",
    )  # fmt: skip


def test_counts_are_told_in_words() -> None:
    with replay(
        status("PARTIAL_SUCCESS", 100, CLICK_NOT_FOUND=2, NO_CONSENT=1), path="/v1/requestStatus:retrieve"
    ) as server:
        _, receipt = destination(server.url).settle("request-1")[0]
    assert receipt.message == "Not used, of 100 events: CLICK_NOT_FOUND 2, NO_CONSENT 1."


@pytest.mark.parametrize(
    ("kind", "reason"), [(kind, reason) for kind, reasons in _google_reasons.LATER.items() for reason in reasons]
)
def test_each_reason_of_processing_has_its_class(kind: str, reason: str) -> None:
    for name in (reason, f"PROCESSING_ERROR_{reason}", f"PROCESSING_ERROR_REASON_{reason}"):
        assert _google_reasons.class_later(name) == kind


def test_a_request_google_no_longer_knows_is_unknown() -> None:
    with replay(refused(reason="REQUEST_TOO_OLD"), path="/v1/requestStatus:retrieve") as server:
        assert destination(server.url).settle("request-1")[0][1].state == "unknown"


# The client file


@pytest.mark.parametrize(
    "config",
    [{}, {"conversion_action_id": "customers/1/conversionActions/2"}, {"conversion_action_id": "1", "customer_id": "12"},
     {"conversion_action_id": "7654321", "customer_id": "abc-def-ghij"}, {"conversion_action_id": "7654321", "typo": "1"}],
)  # fmt: skip
def test_a_wrong_client_file_is_refused(config: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        GoogleEc.Config(**config)


def test_accounts_come_from_the_ads_block_when_left_out() -> None:
    assert GoogleEc.Config.inherits == {
        "customer_id": "ads.google.customer_id",
        "login_customer_id": "ads.google.login_customer_id",
        "ads_api_url": "ads.google.api_url",
    }
    with pytest.raises(ConfigError, match="no Google Ads account") as missing:
        destination(customer_id=None).body([sale()])
    assert missing.value.code == "CTX-4255"


def test_check_has_an_invented_event_validated_and_names_a_wrong_action() -> None:
    with replay({"json": {}}) as server:
        assert destination(server.url).check().id == "1234567890"
        probe = json.loads(server.asked[0].body)
        assert probe["validateOnly"] is True
        assert probe["events"][0]["userData"]["userIdentifiers"] == [{"emailAddress": PROBE_EMAIL}]
    wrong = refused(("destinations[0].product_destination_id", "INVALID_CONVERSION_ACTION_ID"))
    with replay(wrong) as server, pytest.raises(PlatformError) as failure:
        destination(server.url).check()
    assert failure.value.code == "CTX-4252"


def test_a_rehearsal_validates_and_promises_nothing() -> None:
    with replay(refused(("events[1].currency", "INVALID_CURRENCY_CODE")), {"json": {}}) as server:
        receipts = destination(server.url).rehearse([sale(1), sale(2)])
        assert [receipt.state for receipt in receipts] == ["accepted", "rejected"]
        assert not receipts[0].processing
        assert all(json.loads(request.body)["validateOnly"] for request in server.asked)


# Against the stand-in, which is stricter than this client


def google_of(sandbox: Any, number: int = 1, now: datetime = NOW) -> GoogleEc:
    config = GoogleEc.Config(
        conversion_action_id=f"{number}555555", customer_id=f"{number}000000000", api_url=sandbox.http_url
    )
    return GoogleEc(config, access(sandbox.http_url, now, refresh_token=f"1//refresh-{number}"))


def test_the_stand_in_counts_each_order_once_and_follows_refunds() -> None:
    from cortex.sandbox import serve
    from tests.small_market import GCLID as KNOWN
    from tests.small_market import market

    person = Person(
        email="Cliente.VIP@gmail.com", phone="(11) 98765-4321", first_name="Ana", last_name="D'Ávila", postal_code="01310-100",
        country="Brasil",
    )  # fmt: skip
    with serve(market(), google=False) as sandbox:
        here = google_of(sandbox)
        assert here.check().id == "1000000000"
        known = identify(person, here.identifiers, "BR")
        rows = [
            sale(1, identifiers=known, clicks=Clicks(gclid=KNOWN)),
            sale(2, identifiers=known, clicks=Clicks()),
            sale(3, identifiers={}, clicks=Clicks(wbraid="0AAA-wbraid-1")),
        ]
        sandbox.faults.once("/v1/events:ingest", "lost_after_commit")
        assert {receipt.state for receipt in here.send(rows)} == {"unknown"}
        receipts = here.send(rows)
        assert {(receipt.state, receipt.processing) for receipt in receipts} == {("accepted", True)}
        states = [here.settle(receipts[0].request_id)[0][1] for _ in range(3)]
        assert [(state.state, state.processing) for state in states] == [
            ("accepted", True), ("accepted", True), ("duplicate", False),
        ]  # fmt: skip
        restated = msgspec.structs.replace(rows[0], action="restate", value=Decimal("50.00"))
        here.send([restated, msgspec.structs.replace(rows[1], action="retract", value=Decimal(0))])
        assert sandbox.received.orders("data_manager") == {
            "1": Decimal("50.00"), "2": Decimal(0), "3": Decimal("199.9"),
        }  # fmt: skip
        assert sandbox.received.refusals() == []


def test_the_stand_in_names_the_row_a_slow_clock_lets_pass() -> None:
    from cortex.sandbox import serve
    from tests.small_market import market

    with serve(market(), google=False) as sandbox:
        here = google_of(sandbox, now=NOW + timedelta(minutes=5))
        rows = [sale(number) for number in range(6)]
        rows[4] = sale(4, occurred_at=NOW + timedelta(minutes=4))
        receipts = here.send(rows)
        assert [number for number, receipt in enumerate(receipts) if receipt.state != "accepted"] == [4]
        assert receipts[4].error_class in {"expired", "data"}


def test_another_clients_account_is_no_rows_fault() -> None:
    from cortex.sandbox import serve
    from tests.small_market import market

    with serve(market(), google=False) as sandbox:
        config = google_of(sandbox, 2).config
        wrong = GoogleEc(config, access(sandbox.http_url, refresh_token="1//refresh-1"))
        receipts = wrong.send([sale(1), sale(2)])
        assert {(receipt.state, receipt.error_class) for receipt in receipts} == {("retry", "config")}
        assert sandbox.received.deliveries("data_manager") == []
