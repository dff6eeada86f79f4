"""The stand-in of Google Ads' upload services, asked by the vendor's own clients and messages."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest
import requests

from cortex.sandbox import Running, serve
from tests.small_market import GCLID, NOW, OTHER_GCLID, Hand, market

CUSTOMER = "1000000000"
ACTION = "customers/1000000000/conversionActions/1555555"
EMAIL = hashlib.sha256(b"ana@example.com").hexdigest()
SERVICES = "google.ads.googleads.v26.services"


class Uploader:
    """The vendor's two upload clients over a channel without TLS."""

    def __init__(self, running: Running, shop: int = 1) -> None:
        import grpc
        from google.ads.googleads import interceptors

        form = {
            "grant_type": "refresh_token", "client_id": "id", "client_secret": "secret",
            "refresh_token": f"1//refresh-{shop}",
        }  # fmt: skip
        token = requests.post(f"{running.http_url}/token", data=form, timeout=10).json()["access_token"]
        self.metadata = [("authorization", f"Bearer {token}")]
        self.channel = grpc.insecure_channel(running.grpc_url.removeprefix("grpc://"))
        wrapped = grpc.intercept_channel(self.channel, interceptors.ExceptionInterceptor("v26", use_proto_plus=True))
        self.running = running
        self.uploads = self._client("conversion_upload_service", "ConversionUploadServiceClient", wrapped)
        self.changes = self._client(
            "conversion_adjustment_upload_service", "ConversionAdjustmentUploadServiceClient", wrapped
        )

    @staticmethod
    def _client(module: str, name: str, channel: Any) -> Any:
        kind = getattr(import_module(f"{SERVICES}.services.{module}"), name)
        return kind(transport=kind.get_transport_class("grpc")(channel=channel))

    def upload(self, *rows: dict[str, Any], customer: str = CUSTOMER, **more: Any) -> Any:
        types = import_module(f"{SERVICES}.types.conversion_upload_service")
        request = types.UploadClickConversionsRequest(
            **({"customer_id": customer, "conversions": list(rows), "partial_failure": True} | more)
        )
        return self.uploads.upload_click_conversions(request=request, metadata=self.metadata, timeout=20)

    def adjust(self, *rows: dict[str, Any], **more: Any) -> Any:
        types = import_module(f"{SERVICES}.types.conversion_adjustment_upload_service")
        request = types.UploadConversionAdjustmentsRequest(
            **({"customer_id": CUSTOMER, "conversion_adjustments": list(rows), "partial_failure": True} | more)
        )
        return self.changes.upload_conversion_adjustments(request=request, metadata=self.metadata, timeout=20)


@pytest.fixture
def google() -> Iterator[Uploader]:
    with serve(market(), rate_scale=1000) as sandbox:
        uploader = Uploader(sandbox)
        yield uploader
        uploader.channel.close()


def when(**before: float) -> str:
    return (NOW - timedelta(**before)).strftime("%Y-%m-%d %H:%M:%S+00:00")


def click(number: int = 1, **changed: Any) -> dict[str, Any]:
    facts = {
        "gclid": GCLID, "conversion_action": ACTION, "conversion_date_time": when(hours=2), "conversion_value": 199.9,
        "currency_code": "BRL", "order_id": str(number), "user_identifiers": [{"hashed_email": EMAIL}],
    }  # fmt: skip
    return {name: value for name, value in (facts | changed).items() if value is not None}


def change(number: int = 1, **changed: Any) -> dict[str, Any]:
    facts = {
        "adjustment_type": "RESTATEMENT", "conversion_action": ACTION, "adjustment_date_time": when(hours=1),
        "order_id": str(number), "restatement_value": {"adjusted_value": 50.0, "currency_code": "BRL"},
    }  # fmt: skip
    return {name: value for name, value in (facts | changed).items() if value is not None}


def reasons(answer: Any) -> dict[int, set[str]]:
    """Errors by row, read as the vendor's documentation reads them."""
    from google.ads.googleads.v26.errors.types.errors import GoogleAdsFailure

    found: dict[int, set[str]] = {}
    for detail in answer.partial_failure_error.details:
        for error in GoogleAdsFailure.deserialize(detail.value).errors:
            code = error.error_code
            family = type(code).pb(code).WhichOneof("error_code")
            found.setdefault(error.location.field_path_elements[0].index, set()).add(getattr(code, family).name)
    return found


def test_rows_are_judged_one_by_one_and_failed_ones_have_empty_results(google: Uploader) -> None:
    answer = google.upload(click(1), click(2, gclid="x"), click(3, currency_code="R$", conversion_value=-1.0))
    assert reasons(answer) == {1: {"UNPARSEABLE_GCLID"}, 2: {"UNSUPPORTED", "REQUIRED"}}
    assert answer.partial_failure_error.code == 3
    assert [bool(result.conversion_date_time) for result in answer.results] == [True, False, False]
    assert google.running.received.orders("google_ads") == {"1": Decimal("199.9")}


def test_an_order_counts_once_whichever_request_brings_it_again(google: Uploader) -> None:
    assert reasons(google.upload(click(1))) == {}
    assert reasons(google.upload(click(1))) == {0: {"ORDER_ID_ALREADY_IN_USE"}}
    assert reasons(google.upload(click(2), click(2))) == {0: {"DUPLICATE_ORDER_ID"}, 1: {"DUPLICATE_ORDER_ID"}}
    bare = click(order_id=None)
    assert reasons(google.upload(bare)) == {}
    assert reasons(google.upload(bare)) == {0: {"CLICK_CONVERSION_ALREADY_EXISTS"}}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"conversion_date_time": "2026-11-20 10:00:00"}, "INVALID_STRING_DATE_TIME_SECONDS_WITH_OFFSET"),
        ({"conversion_date_time": "2026-11-20T10:00:00+00:00"}, "INVALID_STRING_DATE_TIME_SECONDS_WITH_OFFSET"),
        ({"conversion_date_time": "2026-13-40 10:00:00+00:00"}, "INVALID_STRING_DATE_TIME_SECONDS_WITH_OFFSET"),
        ({"conversion_date_time": when(hours=-1)}, "LATER_THAN_MAXIMUM_DATE"),
        ({"conversion_date_time": when(days=64), "gclid": None}, "EXPIRED_EVENT"),
        ({"conversion_date_time": when(days=5)}, "CONVERSION_PRECEDES_EVENT"),
        ({"gclid": "Cj0KCQiAnobody-ever-clicked"}, "CLICK_NOT_FOUND"),
        ({"gclid": OTHER_GCLID}, "INVALID_CUSTOMER_FOR_CLICK"),
        ({"gclid": None, "gbraid": "0AAAAgbraid1", "wbraid": "0AAAAwbraid1", "user_identifiers": []}, "GBRAID_WBRAID_BOTH_SET"),
        ({"gbraid": "0AAAAgbraid1", "user_identifiers": []}, "VALUE_MUST_BE_UNSET"),
        ({"gclid": None, "user_identifiers": []}, "REQUIRED"),
        ({"gclid": None, "wbraid": "0AAAAwbraid1"}, "INVALID_VALUE"),
        ({"order_id": "ana@example.com"}, "ORDER_ID_CONTAINS_PII"),
        ({"order_id": "5511987654321"}, "ORDER_ID_CONTAINS_PII"),
        ({"user_identifiers": [{"hashed_email": "ana@example.com"}]}, "INVALID_USER_IDENTIFIER"),
        ({"user_identifiers": [{"hashed_email": EMAIL.upper()}]}, "INVALID_USER_IDENTIFIER"),
        ({"user_identifiers": [{"hashed_email": hashlib.sha256(b"").hexdigest()}]}, "INVALID_USER_IDENTIFIER"),
        ({"user_identifiers": [{"mobile_id": "x"}]}, "UNSUPPORTED_USER_IDENTIFIER"),
        ({"user_identifiers": [{"hashed_email": EMAIL}] * 6}, "INVALID_VALUE"),
        ({"conversion_action": "customers/1/conversionActions/999"}, "NO_CONVERSION_ACTION_FOUND"),
        ({"conversion_value": None}, "REQUIRED"),
    ],
)  # fmt: skip
def test_what_google_refuses_of_a_conversion(google: Uploader, changed: dict[str, Any], reason: str) -> None:
    assert reasons(google.upload(click(9, **changed))) == {0: {reason}}
    assert google.running.received.deliveries("google_ads") == []


def test_the_customer_inside_the_actions_name_does_not_matter(google: Uploader) -> None:
    assert reasons(google.upload(click(conversion_action="customers/7/conversionActions/1555555"))) == {}


def test_an_identifier_that_says_two_things_is_none() -> None:
    """No vendor's library can write a oneof twice, but a hand-made message can."""
    from cortex.sandbox.google_ads_messages import message
    from cortex.sandbox.google_ads_uploads import _identifier

    two = message("UserIdentifier")(hashed_email=EMAIL, hashed_phone_number=EMAIL)
    assert _identifier(two) is None
    assert _identifier(message("UserIdentifier")(hashed_email=EMAIL)) == ("hashed_email", EMAIL)


def test_refunds_follow_the_later_adjustment(google: Uploader) -> None:
    google.upload(click(1), click(2), click(3, gclid=None, wbraid="0AAAAwbraid1", user_identifiers=[]))
    answer = google.adjust(
        change(1), change(2, adjustment_type="RETRACTION", restatement_value=None), change(3), change(4)
    )
    assert reasons(answer) == {2: {"CONVERSION_NOT_FOUND"}, 3: {"CONVERSION_NOT_FOUND"}}
    assert google.running.received.orders("google_ads") == {"1": Decimal("50.0"), "3": Decimal("199.9")}
    assert reasons(google.adjust(change(1))) == {0: {"RESTATEMENT_ALREADY_EXISTS"}}
    assert reasons(google.adjust(change(1, adjustment_date_time=when(minutes=70)))) == {
        0: {"MORE_RECENT_RESTATEMENT_FOUND"}
    }
    assert reasons(google.adjust(change(2))) == {0: {"CONVERSION_ALREADY_RETRACTED"}}
    later = change(
        1, adjustment_date_time=when(minutes=5), restatement_value={"adjusted_value": 10.0, "currency_code": "BRL"}
    )
    assert reasons(google.adjust(later)) == {}
    assert google.running.received.orders("google_ads")["1"] == Decimal("10.0")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"adjustment_type": "ENHANCEMENT", "restatement_value": None}, "CONVERSION_ACTION_NOT_ELIGIBLE_FOR_ENHANCEMENT"),
        ({"adjustment_type": "RETRACTION"}, "VALUE_MUST_BE_UNSET"),
        ({"restatement_value": None}, "REQUIRED"),
        ({"adjustment_date_time": when(hours=3)}, "ADJUSTMENT_PRECEDES_CONVERSION"),
        ({"adjustment_date_time": "2026-11-20 10:00:00"}, "INVALID_STRING_DATE_TIME_SECONDS_WITH_OFFSET"),
        ({"gclid_date_time_pair": {"gclid": GCLID, "conversion_date_time": when(hours=2)}}, "GCLID_DATE_TIME_PAIR_AND_ORDER_ID_BOTH_SET"),
        ({"user_identifiers": [{"hashed_email": EMAIL}]}, "VALUE_MUST_BE_UNSET"),
        ({"conversion_action": "customers/1/conversionActions/999"}, "NO_CONVERSION_ACTION_FOUND"),
    ],
)  # fmt: skip
def test_what_google_refuses_of_an_adjustment(google: Uploader, changed: dict[str, Any], reason: str) -> None:
    google.upload(click(1))
    assert reason in reasons(google.adjust(change(1, **changed)))[0]
    assert google.running.received.orders("google_ads") == {"1": Decimal("199.9")}


def test_after_55_days_nothing_is_adjusted() -> None:
    hand = Hand()
    with serve(market(), clock=hand, rate_scale=1000) as sandbox:
        google = Uploader(sandbox)
        google.upload(click(1))
        hand.forward(days=56)
        late = change(1, adjustment_date_time=hand().strftime("%Y-%m-%d %H:%M:%S+00:00"))
        assert reasons(google.adjust(late)) == {0: {"CONVERSION_EXPIRED"}}
        google.channel.close()


def test_requests_are_refused_whole_for_their_form(google: Uploader) -> None:
    from google.ads.googleads.errors import GoogleAdsException

    for rows, more, reason in (
        ([click()], {"partial_failure": False}, "PARTIAL_FAILURE_MODE_REQUIRED"),
        ([], {}, "REQUIRED_FIELD_MISSING"),
        ([click(number) for number in range(2001)], {}, "TOO_MANY_CONVERSIONS_IN_REQUEST"),
    ):
        with pytest.raises(GoogleAdsException) as refused:
            google.upload(*rows, **more)
        assert reason in str(refused.value.failure)


def test_validating_stores_nothing(google: Uploader) -> None:
    assert reasons(google.upload(click(1), click(2, gclid="x"), validate_only=True)) == {1: {"UNPARSEABLE_GCLID"}}
    assert google.running.received.deliveries("google_ads") == []
    assert reasons(google.upload(click(1))) == {}


def test_accounts_that_never_uploaded_are_kept_out() -> None:
    from google.ads.googleads.errors import GoogleAdsException

    world = market()
    assert world.shops[0].google is not None
    world.shops[0].google.may_upload = False
    with serve(world) as sandbox:
        google = Uploader(sandbox)
        with pytest.raises(GoogleAdsException) as refused:
            google.upload(click())
        assert "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE" in str(refused.value.failure)
        google.channel.close()


def test_another_shops_account_is_closed(google: Uploader) -> None:
    from google.ads.googleads.errors import GoogleAdsException

    with pytest.raises(GoogleAdsException) as refused:
        google.upload(click(), customer="2000000000")
    assert "USER_PERMISSION_DENIED" in str(refused.value.failure)


def test_an_answer_may_be_lost_after_the_rows_were_kept(google: Uploader) -> None:
    from google.api_core.exceptions import ServiceUnavailable

    google.running.faults.once("/google.ads", "lost_after_commit")
    with pytest.raises(ServiceUnavailable):
        google.upload(click(1))
    assert google.running.received.orders("google_ads") == {"1": Decimal("199.9")}
    assert reasons(google.upload(click(1))) == {0: {"ORDER_ID_ALREADY_IN_USE"}}
