"""google_ec with `upload: google_ads`: rows judged one by one, each error's class, preflight, refunds by order id."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cortex.destinations import _ads_reasons, _ads_rows, _ads_upload
from cortex.destinations._ads_upload import AdsUpload
from cortex.destinations.google_ec import GoogleEc
from cortex.errors import CortexError, CredentialError, PlatformError, Throttled, Transient
from cortex.google_ads import CallRefused, Fault
from cortex.identity import identify
from cortex.records import Clicks, Conversion, Person, Receipt
from cortex.sandbox import Running, serve
from cortex.secrets import Vault
from cortex.settings import Access
from tests.small_market import GCLID, NOW, Hand, market

DIGEST = "a" * 64


def access(url: str, shop: int = 1, clock: Any = lambda: NOW) -> Access:
    secret = {
        "type": "authorized_user", "client_id": "x.apps.example", "client_secret": "recorded-client-secret",
        "refresh_token": f"1//refresh-{shop}", "token_uri": f"{url}/token",
    }  # fmt: skip
    vault = Vault("xyz", Path("absent"), {"CORTEX_XYZ_GOOGLE_CREDENTIALS": json.dumps(secret)})
    return Access("xyz", vault, ZoneInfo("America/Sao_Paulo"), clock=clock, sleep=lambda _: None)


def google(running: Running, shop: int = 1, clock: Any = lambda: NOW, **config: Any) -> GoogleEc:
    facts = {
        "conversion_action_id": f"{shop}555555", "customer_id": f"{shop}000000000", "upload": "google_ads",
        "api_url": running.grpc_url,
    }  # fmt: skip
    return GoogleEc(GoogleEc.Config(**(facts | config)), access(running.http_url, shop, clock))


def sale(number: int = 1, **changed: Any) -> Conversion:
    facts: dict[str, Any] = {
        "key": str(number), "event_id": f"purchase-{number}", "order_id": str(number),
        "occurred_at": NOW - timedelta(hours=2), "value": Decimal("199.90"), "currency": "BRL",
        "identifiers": {"email_address": [DIGEST], "phone_number": ["b" * 64]}, "clicks": Clicks(gclid=GCLID),
        "customer_type": "new",
    }  # fmt: skip
    return Conversion(**(facts | changed))


def refund(number: int = 1, value: str = "50", **changed: Any) -> Conversion:
    worth = Decimal(value)
    return sale(number, **({"action": "restate" if worth else "retract", "value": worth} | changed))


@pytest.fixture
def running() -> Iterator[Running]:
    with serve(market(), rate_scale=1000) as sandbox:
        yield sandbox


def offline(**config: Any) -> GoogleEc:
    facts = {"conversion_action_id": "7654321", "customer_id": "123-456-7890", "upload": "google_ads"}
    return GoogleEc(GoogleEc.Config(**(facts | config)), access("http://127.0.0.1:9"))


# What is said


def test_a_request_says_what_the_reference_asks_and_needs_no_credential_to_be_read() -> None:
    said = [json.loads(line) for line in offline().body([sale(), refund(2), refund(3, "0")]).splitlines()]
    assert said == [
        {
            "conversions": [
                {
                    "consent": {"ad_user_data": "GRANTED"},
                    "conversion_action": "customers/1234567890/conversionActions/7654321",
                    "conversion_date_time": "2026-11-20 13:00:00+00:00",
                    "conversion_value": 199.90,
                    "currency_code": "BRL",
                    "customer_type": "NEW",
                    "gclid": GCLID,
                    "order_id": "1",
                    "user_identifiers": [{"hashed_email": DIGEST}, {"hashed_phone_number": "b" * 64}],
                }
            ],
            "customer_id": "1234567890",
            "partial_failure": True,
        },
        {
            "conversion_adjustments": [
                {
                    "adjustment_date_time": "2026-11-20 15:00:00+00:00",
                    "adjustment_type": "RESTATEMENT",
                    "conversion_action": "customers/1234567890/conversionActions/7654321",
                    "order_id": "2",
                    "restatement_value": {"adjusted_value": 50.00, "currency_code": "BRL"},
                },
                {
                    "adjustment_date_time": "2026-11-20 15:00:00+00:00",
                    "adjustment_type": "RETRACTION",
                    "conversion_action": "customers/1234567890/conversionActions/7654321",
                    "order_id": "3",
                },
            ],
            "customer_id": "1234567890",
            "partial_failure": True,
        },
    ]


@pytest.mark.parametrize(
    ("clicks", "sent", "identifiers"),
    [
        (Clicks(gclid=GCLID, gbraid="0AAAAgbraid1", wbraid="0AAAAwbraid1"), {"gclid": GCLID}, 2),
        (Clicks(gbraid="0AAAAgbraid1", wbraid="0AAAAwbraid1"), {"wbraid": "0AAAAwbraid1"}, 0),
        (Clicks(gbraid="0AAAAgbraid1"), {"gbraid": "0AAAAgbraid1"}, 0),
        (Clicks(), {}, 2),
        (Clicks(gclid="test"), {}, 2),
    ],
)
def test_one_click_id_and_no_identifiers_beside_a_braid(clicks: Clicks, sent: dict[str, str], identifiers: int) -> None:
    row = json.loads(offline().body([sale(clicks=clicks)]))["conversions"][0]
    assert {name: row[name] for name in ("gclid", "gbraid", "wbraid") if name in row} == sent
    assert len(row.get("user_identifiers", [])) == identifiers


def test_five_identifiers_each_alone_in_its_object() -> None:
    many = {"email_address": [f"{number:064x}" for number in range(1, 4)], "phone_number": [DIGEST, "b" * 64, "c" * 64]}
    row = json.loads(offline().body([sale(identifiers=many)]))["conversions"][0]
    assert [len(each) for each in row["user_identifiers"]] == [1] * 5


def test_the_packed_message_is_the_bytes_a_dry_run_shows(running: Running) -> None:
    here = google(running)
    here.send([sale(9)])
    running.received.clear()
    rows = [sale(1), sale(2, clicks=Clicks(), customer_type="returning"), refund(9)]
    shown = [json.loads(line) for line in here.body(rows).splitlines()]
    here.send(rows)
    sent = [delivery.payload for delivery in running.received.deliveries("google_ads")]
    assert sent == [*shown[0]["conversions"], *shown[1]["conversion_adjustments"]]


@pytest.mark.parametrize(
    ("changed", "state", "error_class"),
    [
        ({"occurred_at": NOW - timedelta(days=91)}, "rejected", "expired"),
        ({"occurred_at": NOW - timedelta(days=64), "clicks": Clicks()}, "rejected", "expired"),
        ({"occurred_at": NOW + timedelta(minutes=5)}, "retry", "transient"),
        ({"order_id": "ana@example.com"}, "rejected", "data"),
        ({"order_id": "529.982.247-25"}, "rejected", "data"),
        ({"value": Decimal(0)}, "rejected", "data"),
        ({"currency": "R$"}, "rejected", "data"),
        ({"identifiers": {"email_address": ["ana@example.com"]}}, "rejected", "data"),
        ({"identifiers": {}, "clicks": Clicks()}, "rejected", "data"),
        ({"action": "restate", "occurred_at": NOW - timedelta(days=55)}, "rejected", "expired"),
        ({"action": "restate", "value": Decimal(0)}, "rejected", "data"),
        ({"action": "retract", "value": Decimal(0), "clicks": Clicks(wbraid="0AAAAwbraid1")}, "rejected", "data"),
    ],
)
def test_what_google_would_refuse_is_found_here(
    running: Running, changed: dict[str, Any], state: str, error_class: str
) -> None:
    here = google(running)
    receipts = here.send([sale(1), sale(2, **changed)])
    assert receipts[0].state == "accepted"
    assert (receipts[1].state, receipts[1].error_class) == (state, error_class)
    assert "ana@" not in repr(receipts)
    assert [delivery.order_id for delivery in running.received.deliveries("google_ads")] == ["1"]


def test_an_adjustment_needs_no_identity_for_it_goes_by_its_order(running: Running) -> None:
    here = google(running)
    assert here.missing(refund(1, identifiers={}, clicks=Clicks())) == ""
    assert here.missing(sale(1, identifiers={}, clicks=Clicks()))
    here.send([sale(1)])
    assert here.send([refund(1, identifiers={}, clicks=Clicks())])[0].state == "accepted"
    assert running.received.orders("google_ads") == {"1": Decimal("50.0")}


# Errors: each has its class

MODULES = {
    "conversion_upload_error": ("ConversionUploadErrorEnum", _ads_reasons.UPLOAD),
    "conversion_adjustment_upload_error": ("ConversionAdjustmentUploadErrorEnum", _ads_reasons.ADJUSTMENT),
}
OUTCOMES = {
    "delivered": ("duplicate", ""), "doubled": ("retry", "transient"), "later": ("retry", "transient"),
    "missed": ("rejected", "data"), "expired": ("rejected", "expired"), "data": ("rejected", "data"),
    "config": ("retry", "config"),
}  # fmt: skip
CASES = [
    (family, name, kind) for family, (_, table) in MODULES.items() for kind, names in table.items() for name in names
]


@pytest.mark.parametrize("family", MODULES)
def test_every_member_of_the_vendors_enumeration_has_one_class(family: str) -> None:
    enum, table = MODULES[family]
    found = getattr(import_module(f"google.ads.googleads.v26.errors.types.{family}"), enum)
    members = {member.name for member in getattr(found, enum.removesuffix("Enum"))} - {"UNSPECIFIED", "UNKNOWN"}
    named = [name for names in table.values() for name in names]
    assert sorted(named) == sorted(members)


class Answering:
    """An AdsService whose calls answer what a test says."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[Any] = []

    def call(self, _service: str, _method: str, request: Any, _timeout: float) -> Any:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def rows(self, _customer: str, _query: str) -> list[Any]:
        return [SimpleNamespace(customer=self.customer)]

    customer: Any = None


def answered(service: Answering) -> AdsUpload:
    return AdsUpload(lambda: service, "1234567890", "7654321")  # type: ignore[arg-type, return-value]


def partly(kind: str, *faults: Fault, size: int = 1) -> Any:
    """The answer of an upload in which some rows failed, as Google packs it."""
    errors = import_module("google.ads.googleads.v26.errors.types.errors")
    name = "conversion_upload_service" if kind == "purchase" else "conversion_adjustment_upload_service"
    types = import_module(f"google.ads.googleads.v26.services.types.{name}")
    answer = (
        types.UploadClickConversionsResponse() if kind == "purchase" else types.UploadConversionAdjustmentsResponse()
    )
    answer = type(answer).pb(answer)
    failure = errors.GoogleAdsFailure.pb(errors.GoogleAdsFailure())
    for fault in faults:
        error = failure.errors.add(message=fault.words)
        enum = error.error_code.DESCRIPTOR.fields_by_name[fault.family].enum_type.values_by_name
        setattr(error.error_code, fault.family, enum[fault.name].number)
        if fault.row is not None:
            error.location.field_path_elements.add(field_name="conversions", index=fault.row)
            error.location.field_path_elements.add(field_name="order_id")
    if faults:
        answer.partial_failure_error.code = 3
        answer.partial_failure_error.details.add().Pack(failure)
    failed = {fault.row for fault in faults}
    for row in range(size):
        answer.results.add(**({} if row in failed else {"conversion_action": "x"}))
    return answer


@pytest.mark.parametrize(("family", "name", "kind"), CASES)
def test_each_error_has_its_class(family: str, name: str, kind: str) -> None:
    action = "purchase" if family == "conversion_upload_error" else "restate"
    rows = [sale(number, action=action) for number in range(3)]
    answer = partly(action, Fault(family, name, "said", 1), size=3)
    receipts = answered(Answering(answer)).send(rows, NOW + timedelta(days=3))
    assert [receipt.state for receipt in receipts] == ["accepted", OUTCOMES[kind][0], "accepted"]
    assert receipts[1].error_class == OUTCOMES[kind][1]
    assert receipts[1].error_code == name[:64]
    assert receipts[1].retry_after == (6 * 3600 if kind == "later" else 0)


def test_an_adjustment_that_overtook_its_conversion_is_looked_for_again_a_day_later() -> None:
    def asked(waited: timedelta) -> Receipt:
        lost = Fault("conversion_adjustment_upload_error", "CONVERSION_NOT_FOUND", "said", 0)
        return answered(Answering(partly("restate", lost))).send([refund(1, adjusted_at=NOW - waited)], NOW)[0]

    assert (asked(timedelta(hours=1)).state, asked(timedelta(hours=1)).retry_after) == ("retry", 86400)
    assert (asked(timedelta(hours=25)).state, asked(timedelta(hours=25)).error_class) == ("rejected", "data")


@given(
    names=st.lists(
        st.sampled_from([name for family, name, _ in CASES if family == "conversion_upload_error"]),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=60, deadline=None)
def test_of_several_errors_on_a_row_the_worst_decides(names: list[str]) -> None:
    faults = [Fault("conversion_upload_error", name, "said", 0) for name in names]
    receipt = answered(Answering(partly("purchase", *faults))).send([sale()], NOW)[0]
    kinds = [_ads_reasons.classify(fault) for fault in faults]
    assert (receipt.state, receipt.error_class) == OUTCOMES[max(kinds, key=_ads_reasons.WORST.index)]


def test_errors_belong_to_their_index_whatever_their_order() -> None:
    faults = [
        Fault("conversion_upload_error", "EXPIRED_EVENT", "said", 7),
        Fault("conversion_upload_error", "UNPARSEABLE_GCLID", "said", 2),
    ]
    receipts = answered(Answering(partly("purchase", *faults, size=9))).send([sale(number) for number in range(9)], NOW)
    assert [at for at, receipt in enumerate(receipts) if receipt.state != "accepted"] == [2, 7]
    assert [receipts[at].error_class for at in (2, 7)] == ["data", "expired"]


def test_a_row_without_result_and_without_error_is_unknown() -> None:
    answer = partly("purchase", size=3)
    answer.results[1].Clear()
    receipts = answered(Answering(answer)).send([sale(number) for number in range(3)], NOW)
    assert [receipt.state for receipt in receipts] == ["accepted", "unknown", "accepted"]


def test_an_error_nobody_knows_yet_blames_a_row_only_when_it_is_about_one() -> None:
    assert _ads_reasons.classify(Fault("conversion_upload_error", "NEW_IN_V31", "x", 3)) == "data"
    assert _ads_reasons.classify(Fault("conversion_upload_error", "NEW_IN_V31", "x")) == "config"
    assert _ads_reasons.classify(Fault("field_error", "REQUIRED", "x", 3)) == "data"
    for family in _ads_reasons.FAMILIES:
        assert _ads_reasons.classify(Fault(family, "ANY", "x")) == _ads_reasons.FAMILIES[family]


@pytest.mark.parametrize(
    ("failure", "state", "error_class"),
    [
        (Transient("CTX-4204", "failed", sent=True), "unknown", "ambiguous"),
        (Transient("CTX-4032", "no token"), "retry", "transient"),
        (Throttled("CTX-4203", "slow", retry_after=30), "retry", "throttle"),
        (CallRefused(PlatformError("CTX-4208", "x"), []), "retry", "config"),
        (CallRefused(PlatformError("CTX-4208", "x"), [Fault("request_error", "INVALID_CUSTOMER_ID", "x")]), "retry", "config"),
        (CallRefused(PlatformError("CTX-4208", "x"), [Fault("database_error", "CONCURRENT_MODIFICATION", "x")]), "retry", "transient"),
    ],
)  # fmt: skip
def test_calls_that_fail_whole_blame_no_row(failure: CortexError, state: str, error_class: str) -> None:
    receipts = answered(Answering(failure)).send([sale(1), sale(2)], NOW)
    assert {(receipt.state, receipt.error_class) for receipt in receipts} == {(state, error_class)}


def test_a_request_refused_for_named_rows_is_sent_again_without_them() -> None:
    refused = CallRefused(PlatformError("CTX-4208", "x"), [Fault("field_error", "REQUIRED", "said", 1)])
    service = Answering(refused, partly("purchase", size=2))
    receipts = answered(service).send([sale(number) for number in range(3)], NOW)
    assert [receipt.state for receipt in receipts] == ["accepted", "rejected", "accepted"]
    assert [row.order_id for row in service.requests[1].conversions] == ["0", "2"]


def test_a_dead_credential_stops_at_once_and_keeps_what_was_settled() -> None:
    dead = CredentialError("CTX-4201", "dead")
    with pytest.raises(CredentialError):
        answered(Answering(dead)).send([sale(1), refund(2)], NOW)
    receipts = answered(Answering(partly("purchase"), dead)).send([sale(1), refund(2)], NOW)
    assert [(receipt.state, receipt.error_class) for receipt in receipts] == [("accepted", ""), ("retry", "auth")]


def test_an_order_twice_in_a_batch_is_sent_once() -> None:
    service = Answering(partly("purchase"))
    receipts = answered(service).send([sale(1), sale(1, key="other")], NOW)
    assert [receipt.state for receipt in receipts] == ["accepted", "retry"]
    assert len(service.requests[0].conversions) == 1


# Preflight


def test_check_proves_account_action_and_allowlist_without_storing_anything(running: Running) -> None:
    account = google(running).check()
    assert (account.id, account.name) == ("1000000000", "conversion action 1555555")
    assert "leads are off" not in account.note
    assert running.received.deliveries("google_ads") == []


@pytest.mark.parametrize(
    ("changed", "code", "fix"),
    [
        ({"may_upload": False}, "CTX-4360", "upload: data_manager"),
        ({"conversion_customer": "9998887777"}, "CTX-4362", "customer_id: 9998887777"),
        ({"data_terms": False}, "CTX-4363", "accept"),
    ],
)
def test_check_says_plainly_what_keeps_an_account_out(changed: dict[str, Any], code: str, fix: str) -> None:
    world = market()
    for name, value in changed.items():
        setattr(world.shops[0].google, name, value)
    with serve(world, rate_scale=1000) as sandbox:
        with pytest.raises(PlatformError) as refused:
            google(sandbox).check()
        assert refused.value.code == code
        assert fix in refused.value.fix
        if code == "CTX-4360":
            receipts = google(sandbox).send([sale(1), sale(2)])
            assert {(receipt.state, receipt.error_class, receipt.error_code) for receipt in receipts} == {
                ("retry", "config", "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE")
            }


def test_check_names_a_wrong_action_and_leads_that_are_off(running: Running) -> None:
    with pytest.raises(PlatformError, match="NO_CONVERSION_ACTION_FOUND"):
        google(running, conversion_action_id="999999").check()
    world = market()
    assert world.shops[0].google is not None
    world.shops[0].google.leads = False
    with serve(world, rate_scale=1000) as sandbox:
        assert "leads are off" in google(sandbox).check().note


@pytest.mark.parametrize("version", [23, 24, 25, 26])
def test_the_settings_query_is_right_for_each_version(running: Running, version: int) -> None:
    from cortex.sandbox import gaql, google_ads_rows

    google_ads_rows.check(gaql.parse(_ads_upload.preflight_query(f"v{version}")), version)
    with pytest.raises(gaql.QueryRefused):
        google_ads_rows.check(gaql.parse(_ads_upload.preflight_query(f"v{23 if version == 26 else 26}")), version)


def test_a_wrong_client_file_is_refused() -> None:
    for wrong in (
        {"upload": "google_ads", "api_url": "http://127.0.0.1:9"},
        {"upload": "data_manager", "api_url": "grpc://127.0.0.1:9"},
        {"upload": "sheets"},
    ):
        with pytest.raises(ValidationError):
            GoogleEc.Config(**({"conversion_action_id": "1234", "customer_id": "1234567890"} | wrong))


# Against the stand-in


def test_each_order_counts_once_and_refunds_follow(running: Running) -> None:
    person = Person(email="Cliente.VIP@gmail.com", phone="(11) 98765-4321", first_name="Ana", country="Brasil")
    here = google(running)
    known = identify(person, here.identifiers, "BR")
    rows = [sale(1, identifiers=known), sale(2, identifiers=known, clicks=Clicks()), sale(3, identifiers=known)]
    running.faults.once("/google.ads", "lost_after_commit")
    assert {receipt.state for receipt in here.send(rows)} == {"unknown"}
    assert {receipt.state for receipt in here.send(rows)} == {"duplicate"}
    receipts = here.send([refund(1, "120"), refund(2, "0"), refund(9, "10", adjusted_at=NOW - timedelta(days=2))])
    assert [receipt.state for receipt in receipts] == ["accepted", "accepted", "rejected"]
    assert running.received.orders("google_ads") == {"1": Decimal("120.0"), "3": Decimal("199.9")}


def test_restatements_follow_one_another_also_when_both_refunds_happened_in_one_moment(running: Running) -> None:
    hand = Hand()
    here = google(running, clock=hand)
    here.send([sale(1)])
    at = NOW - timedelta(minutes=30)
    assert [here.send([refund(1, "150", adjusted_at=at)])[0].state for _ in range(2)] == ["accepted", "duplicate"]
    hand.forward(seconds=2)
    assert here.send([refund(1, "20", adjusted_at=at)])[0].state == "accepted"
    assert running.received.orders("google_ads") == {"1": Decimal("20.0")}
    hand.forward(seconds=2)
    assert here.send([refund(1, "0", adjusted_at=at)])[0].state == "accepted"
    assert here.send([refund(1, "0", adjusted_at=at)])[0].state == "duplicate"
    assert running.received.orders("google_ads") == {}


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["", "lost_after_commit", "429", "500", "503", "reset_mid"]),
        st.sampled_from(["buy", "150", "20", "0", "again"]),
    ),
    min_size=1,
    max_size=8,
)


@given(schedule=STEPS)
@settings(max_examples=40, deadline=None)
def test_whatever_fails_on_the_way_google_ends_with_what_was_kept(
    uploads: Callable[[], tuple[Running, Hand]], schedule: list[tuple[str, str]]
) -> None:
    """A ledger of one order: an adjustment is told only of what is delivered, one at a time, until it is settled."""
    global _ORDER  # noqa: PLW0603
    _ORDER += 1
    sandbox, hand = uploads()
    here = google(sandbox, clock=hand)
    bought, left = False, Decimal("199.9")
    for fault, what in [*schedule, ("", "again")]:
        if fault:
            sandbox.faults.once("/google.ads", fault)
        hand.forward(seconds=5)
        if what in {"buy", "again"}:
            row = sale(_ORDER, occurred_at=NOW - timedelta(hours=2))
        elif bought and left:
            row = refund(_ORDER, what)
        else:
            continue
        receipt = here.send([row])[0]
        while receipt.state in {"retry", "unknown"}:
            hand.forward(seconds=5)
            receipt = here.send([row])[0]
        assert receipt.state in {"accepted", "duplicate"}
        bought = True
        left = row.value if row.action != "purchase" else left
    sandbox.faults.clear()
    assert sandbox.received.orders("google_ads").get(str(_ORDER)) == (left or None)


_ORDER = 1000


@pytest.fixture(scope="module")
def uploads() -> Iterator[Callable[[], tuple[Running, Hand]]]:
    hand = Hand()
    with serve(market(), clock=hand, rate_scale=1000) as sandbox:
        yield lambda: (sandbox, hand)  # a market is too large to be shown by hypothesis


def test_a_rehearsal_validates_and_stores_nothing(running: Running) -> None:
    receipts = google(running).rehearse([sale(1), sale(2, clicks=Clicks(gclid="Cj0KCQiAnobody-ever-clicked"))])
    assert [receipt.state for receipt in receipts] == ["accepted", "rejected"]
    assert running.received.deliveries("google_ads") == []


def test_two_clients_with_the_same_order_use_their_own_account_and_channel(running: Running) -> None:
    one, other = google(running, 1), google(running, 2)
    one.send([sale(1, clicks=Clicks())])
    other.send([sale(1, clicks=Clicks(), value=Decimal(10))])
    assert running.received.orders("google_ads", "1000000000/1555555") == {"1": Decimal("199.9")}
    assert running.received.orders("google_ads", "2000000000/2555555") == {"1": Decimal("10.0")}
    wrong = GoogleEc(other.config, access(running.http_url, 1))
    with pytest.raises(CredentialError) as refused:
        wrong.send([sale(5, clicks=Clicks())])
    assert "CTX-4202" in str(refused.value)


def test_a_refund_of_what_google_never_had_creates_nothing(running: Running) -> None:
    receipts = google(running).send([refund(1, "50", adjusted_at=NOW - timedelta(days=2)), refund(2, "0")])
    assert [receipt.state for receipt in receipts] == ["rejected", "retry"]
    assert running.received.deliveries("google_ads") == []


def test_the_message_is_parsed_from_what_is_shown() -> None:
    _, _, message = _ads_upload.CALLS[True]
    request = message()
    json_format.Parse(_ads_rows.purchases([sale()], "1234567890", "7"), request)
    assert request.conversions[0].conversion_value == 199.9
    assert request.conversions[0].user_identifiers[0].WhichOneof("identifier") == "hashed_email"
    assert datetime(2026, 11, 20, 15, tzinfo=UTC) == NOW
