"""The Google Ads stand-in, asked over gRPC by the vendor's own client with its own interceptors and exceptions."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from cortex.sandbox import Running, serve
from cortex.sandbox.gaql import QueryRefused, parse
from cortex.sandbox.google_ads import VERSIONS
from cortex.sandbox.google_ads_messages import message
from tests.small_market import GCLID, TODAY, market

CUSTOMER = "1000000000"
WEEK = f"segments.date BETWEEN '{TODAY - timedelta(days=6)}' AND '{TODAY}'"
PREFIX = "/google.ads"


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with serve(market(), rate_scale=1000) as sandbox:
        yield sandbox


def bearer(running: Running, shop: int = 1, scope: str = "") -> str:
    form = {
        "grant_type": "refresh_token",
        "client_id": "id",
        "client_secret": "secret",
        "refresh_token": f"1//refresh-{shop}",
    } | ({"scope": scope} if scope else {})
    token = requests.post(f"{running.http_url}/token", data=form, timeout=10).json()["access_token"]
    return f"Bearer {token}"


class Service:
    """GoogleAdsService over a channel without TLS, wrapped in the vendor's interceptors."""

    def __init__(self, running: Running, authorization: str, *, login: str | None = None, version: str = "v26") -> None:
        import grpc
        from google.ads.googleads import interceptors
        from google.ads.googleads.client import GoogleAdsClient

        class Bearer(interceptors.Interceptor, grpc.UnaryStreamClientInterceptor):
            def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
                metadata = [*(details.metadata or []), ("authorization", authorization)]
                return continuation(
                    self.get_client_call_details_instance(
                        details.method, details.timeout, metadata, details.credentials
                    ),
                    request,
                )

        class Local(GoogleAdsClient):
            def get_service(self, name: str, version: str = version, *_: Any, **__: Any) -> Any:
                from importlib import import_module

                module = import_module(f"google.ads.googleads.{version}.services.services.google_ads_service")
                kind = module.GoogleAdsServiceClient
                channel = grpc.insecure_channel(running.grpc_url.removeprefix("grpc://"))
                wrapped = grpc.intercept_channel(
                    channel,
                    interceptors.MetadataInterceptor(self.developer_token, self.login_customer_id),
                    interceptors.ExceptionInterceptor(version, use_proto_plus=True),
                    Bearer(version),
                )
                self.channel = channel
                return kind(transport=kind.get_transport_class("grpc")(channel=wrapped))

        from google.auth.credentials import AnonymousCredentials

        self.client = Local(AnonymousCredentials(), None, login_customer_id=login, use_proto_plus=True)
        self.service = self.client.get_service("GoogleAdsService")

    def rows(self, query: str, customer: str = CUSTOMER, **options: Any) -> list[Any]:
        stream = self.service.search_stream(customer_id=customer, query=query, timeout=20, **options)
        return [row for batch in stream for row in batch.results]

    def failure(self, query: str, customer: str = CUSTOMER) -> Any:
        from google.ads.googleads.errors import GoogleAdsException

        with pytest.raises(GoogleAdsException) as refused:
            self.rows(query, customer)
        return refused.value


@pytest.fixture(scope="module")
def service(running: Running) -> Iterator[Service]:
    made = Service(running, bearer(running))
    yield made
    made.client.channel.close()


def only_error(failure: Any) -> Any:
    assert len(failure.failure.errors) == 1
    assert failure.request_id.startswith("sandbox-")
    return failure.failure.errors[0]


# Rows


def test_ads_come_typed_with_their_resource_names(service: Service) -> None:
    rows = service.rows(
        "SELECT customer.currency_code, customer.time_zone, campaign.id, campaign.advertising_channel_type, ad_group.id,"
        " ad_group_ad.ad.id, segments.date, metrics.impressions, metrics.cost_micros, metrics.conversions,"
        f" metrics.conversions_value FROM ad_group_ad WHERE segments.date = '{TODAY}' ORDER BY ad_group_ad.ad.id DESC"
    )
    assert [row.ad_group_ad.ad.id for row in rows] == [303, 301]
    row = rows[1]
    assert (row.customer.currency_code, row.customer.time_zone) == ("BRL", "America/Sao_Paulo")
    assert row.campaign.advertising_channel_type.name == "SEARCH"
    assert row.campaign.resource_name == f"customers/{CUSTOMER}/campaigns/101"
    assert (row.segments.date, row.metrics.impressions, row.metrics.cost_micros) == (str(TODAY), 1001, 10_500_000)
    assert (row.metrics.conversions, row.metrics.conversions_value) == (2.0, 399.8)


def test_performance_max_has_no_ads_so_only_campaigns_hold_all_the_money(service: Service) -> None:
    spent = {}
    for resource, key in (("campaign", "campaign.id"), ("ad_group_ad", "ad_group_ad.ad.id")):
        rows = service.rows(f"SELECT {key}, segments.date, metrics.cost_micros FROM {resource} WHERE {WEEK}")
        spent[resource] = sum(row.metrics.cost_micros for row in rows) / Decimal(1_000_000)
    assert spent == {"campaign": Decimal("10.50") * 14 + 33 * 7, "ad_group_ad": Decimal("10.50") * 14}
    whole = service.rows(f"SELECT metrics.cost_micros FROM customer WHERE {WEEK}")
    assert whole[0].metrics.cost_micros == spent["campaign"] * 1_000_000


def test_rows_without_any_figure_vanish_once_days_and_metrics_are_asked_together(running: Running) -> None:
    from dataclasses import replace

    account = running.market.shops[1].google
    assert account is not None
    silent = replace(
        account.days[0], impressions=0, clicks=0, spend=Decimal(0), purchases=Decimal(0), purchase_value=Decimal(0)
    )
    account.days[0], before = silent, account.days[0]
    try:
        asked = Service(running, bearer(running, 2))
        where = f"FROM ad_group_ad WHERE segments.date = '{TODAY}'"
        assert len(asked.rows(f"SELECT ad_group_ad.ad.id, segments.date, metrics.clicks {where}", "2000000000")) == 1
        assert len(asked.rows(f"SELECT ad_group_ad.ad.id, segments.date {where}", "2000000000")) == 2
        asked.client.channel.close()
    finally:
        account.days[0] = before


def test_names_are_todays_also_beside_old_figures(running: Running, service: Service) -> None:
    from dataclasses import replace

    account = running.market.shops[0].google
    assert account is not None
    kept = account.days[:]
    account.days[:] = [
        replace(d, campaign_name="Renamed") if d.day == TODAY and d.campaign_id == "101" else d for d in kept
    ]
    try:
        rows = service.rows(f"SELECT campaign.name, metrics.clicks FROM campaign WHERE {WEEK} AND campaign.id = 101")
        assert [row.campaign.name for row in rows] == ["Renamed"]
    finally:
        account.days[:] = kept


def test_conditions_order_and_limit(service: Service) -> None:
    query = (
        f"SELECT campaign.id, campaign.name, metrics.cost_micros FROM campaign WHERE {WEEK} AND campaign.id IN (101, 109)"
        " AND metrics.cost_micros > 100 AND campaign.name != 'Campaign 1' ORDER BY metrics.cost_micros DESC LIMIT 1"
    )
    assert [row.campaign.id for row in service.rows(query)] == [109]
    assert service.rows(f"SELECT campaign.id FROM campaign WHERE {WEEK} AND campaign.status = 'REMOVED'") == []


def test_an_account_without_figures_still_tells_who_it_is(service: Service) -> None:
    rows = service.rows("SELECT customer.id, customer.descriptive_name FROM customer")
    assert [(row.customer.id, row.customer.descriptive_name) for row in rows] == [(int(CUSTOMER), "alfa google")]
    old = service.rows("SELECT metrics.clicks FROM customer WHERE segments.date = '2026-01-01'")
    assert [row.metrics.clicks for row in old] == [0]


def test_a_batch_holds_ten_thousand_rows_and_the_last_says_what_it_cost() -> None:
    from tests.small_market import ad_day

    world = market()
    account = world.shops[0].google
    assert account is not None
    account.days = [ad_day(TODAY, number) for number in range(10_001)]
    with serve(world) as sandbox:
        asked = Service(sandbox, bearer(sandbox))
        query = f"SELECT ad_group_ad.ad.id, metrics.clicks FROM ad_group_ad WHERE segments.date = '{TODAY}'"
        batches = list(asked.service.search_stream(customer_id=CUSTOMER, query=query, timeout=30))
        asked.client.channel.close()
    assert [len(batch.results) for batch in batches] == [10_000, 1]
    assert [batch.query_resource_consumption > 0 for batch in batches] == [False, True]
    assert list(batches[0].field_mask.paths) == ["ad_group_ad.ad.id", "metrics.clicks"]


@pytest.mark.parametrize("version", ["v23", "v24", "v25"])
def test_older_versions_answer_too(running: Running, version: str) -> None:
    asked = Service(running, bearer(running), version=version)
    assert len(asked.rows("SELECT campaign.id FROM campaign")) == 3
    asked.client.channel.close()


def differences(ours: Any, theirs: Any) -> Iterator[str]:
    """Where a message of the stand-in, or one inside it, is not what the vendor's package has under the same name."""
    for field in ours.fields:
        name = f"{ours.name}.{field.name}"
        published = theirs.fields_by_name.get(field.name)
        if published is None:
            yield f"{name} does not exist"
            continue
        for trait in ("number", "type", "is_repeated"):
            if getattr(field, trait) != getattr(published, trait):
                yield f"{name} has another {trait}"
        if field.message_type is None and field.has_presence != (  # messages have it everywhere
            published.has_presence and published.containing_oneof in (None, *optional(published))
        ):
            yield f"{name} has another presence"
        if field.message_type is not None:
            yield from differences(field.message_type, published.message_type)
        if field.enum_type is not None:
            members = {member.name: member.number for member in published.enum_type.values}
            wrong = [m.name for m in field.enum_type.values if members.get(m.name) != m.number]
            yield from (f"{name} has another {member}" for member in wrong)


def optional(field: Any) -> list[Any]:
    """The group of one that `optional` makes; members of real groups are one of several errors, never zero."""
    group = field.containing_oneof
    return [group] if group is not None and group.name == f"_{field.name}" else []


@pytest.mark.parametrize("version", VERSIONS)
def test_every_message_is_the_vendors_own(version: int) -> None:
    from importlib import import_module

    root = f"google.ads.googleads.v{version}"
    service = import_module(f"{root}.services.types.google_ads_service")
    errors = import_module(f"{root}.errors.types.errors")
    uploads = import_module(f"{root}.services.types.conversion_upload_service")
    adjusts = import_module(f"{root}.services.types.conversion_adjustment_upload_service")
    for module, name in (
        (uploads, "UploadClickConversionsRequest"),
        (uploads, "UploadClickConversionsResponse"),
        (adjusts, "UploadConversionAdjustmentsRequest"),
        (adjusts, "UploadConversionAdjustmentsResponse"),
        (service, "SearchGoogleAdsStreamRequest"),
        (service, "SearchGoogleAdsStreamResponse"),
        (errors, "GoogleAdsFailure"),
    ):
        kind = getattr(module, name)
        found = list(differences(message(name).DESCRIPTOR, kind.pb(kind()).DESCRIPTOR))
        replaced = "enhanced_conversions_for_leads_enabled" if version >= 26 else "effective_enablement_setting"
        other = [f"ConversionTrackingSetting.{replaced} does not exist"]
        assert found == (other if name == "SearchGoogleAdsStreamResponse" else [])


# Clicks


def test_click_view_gives_one_day_at_a_time(service: Service) -> None:
    query = "SELECT click_view.gclid, click_view.ad_group_ad, campaign.id, segments.date FROM click_view WHERE segments.date = '{}'"
    rows = service.rows(query.format(TODAY - timedelta(days=1)))
    assert [row.click_view.gclid for row in rows] == [GCLID]
    assert rows[0].click_view.ad_group_ad == f"customers/{CUSTOMER}/adGroupAds/201~301"
    assert service.rows(query.format(TODAY)) == []


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("", "EXPECTED_FILTERS_ON_DATE_RANGE"),
        (f" WHERE {WEEK}", "DATE_RANGE_TOO_WIDE"),
        (f" WHERE segments.date >= '{TODAY}'", "EXPECTED_FILTERS_ON_DATE_RANGE"),
    ],
)
def test_click_view_refuses_any_other_range(service: Service, where: str, reason: str) -> None:
    found = only_error(service.failure(f"SELECT click_view.gclid FROM click_view{where}"))
    assert found.error_code.query_error.name == reason


def test_click_view_ends_after_ninety_days(service: Service) -> None:
    query = "SELECT click_view.gclid FROM click_view WHERE segments.date = '{}'"
    assert service.rows(query.format(TODAY - timedelta(days=90))) == []
    found = only_error(service.failure(query.format(TODAY - timedelta(days=91))))
    assert found.error_code.date_range_error.name == "INVALID_DATE"


# Refusals


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("campaign.id FROM campaign", "EXPECTED_SELECT"),
        ("SELECT campaign.id", "EXPECTED_FROM"),
        ("SELECT campaign.profit FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT campaign.id FROM campaigns", "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE"),
        ("SELECT campaign.id, ad_group.id FROM campaign", "PROHIBITED_FIELD_IN_SELECT_CLAUSE"),
        ("SELECT campaign.id FROM campaign ORDER BY campaign.name", "PROHIBITED_FIELD_IN_ORDER_BY_CLAUSE"),
        ("SELECT campaign.id, segments.date FROM campaign", "EXPECTED_FILTERS_ON_DATE_RANGE"),
        (
            "SELECT campaign.id FROM campaign WHERE segments.date DURING LAST_7_DAYS",
            "INVALID_VALUE_WITH_DURING_OPERATOR",
        ),
        ("SELECT campaign.id FROM campaign WHERE segments.date = '20/11/2026'", "INVALID_DATE_FORMAT"),
        ("SELECT campaign.id FROM campaign WHERE campaign.name = 'Bra", "STRING_NOT_TERMINATED"),
        ("SELECT campaign.id FROM campaign WHERE campaign.id = abc", "BAD_NUMBER"),
        ("SELECT campaign.id FROM campaign LIMIT 0", "LIMIT_VALUE_TOO_LOW"),
        ("SELECT campaign.id FROM campaign; DROP TABLE x", "BAD_SYMBOL"),
        ("SELECT customer.id FROM campaign", "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE"),
        (
            "SELECT click_view.gclid, metrics.conversions FROM click_view WHERE segments.date = '2026-11-20'",
            "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
        ),
        (
            "SELECT customer.conversion_tracking_setting.enhanced_conversions_for_leads_enabled FROM customer",
            "UNRECOGNIZED_FIELD",
        ),
    ],
)
def test_a_query_google_would_not_take_is_a_query_error(service: Service, query: str, reason: str) -> None:
    failure = service.failure(query)
    assert failure.error.code().name == "INVALID_ARGUMENT"
    assert only_error(failure).error_code.query_error.name == reason


@given(st.text(max_size=80))
def test_the_parser_reads_or_refuses_whatever_it_is_given(text: str) -> None:
    with contextlib.suppress(QueryRefused):
        assert parse(text).select


def test_another_shops_customer_is_denied_also_by_way_of_its_own_id(running: Running, service: Service) -> None:
    query = "SELECT customer.id FROM customer"
    for asked, customer in (
        (service, "2000000000"),
        (service, "7777777777"),
        (Service(running, bearer(running), login="2000000000"), CUSTOMER),
    ):
        failure = asked.failure(query, customer)
        assert failure.error.code().name == "PERMISSION_DENIED"
        assert only_error(failure).error_code.authorization_error.name == "USER_PERMISSION_DENIED"


def test_a_customer_id_with_dashes_is_malformed(service: Service) -> None:
    found = only_error(service.failure("SELECT customer.id FROM customer", "100-000-0000"))
    assert found.error_code.request_error.name == "INVALID_CUSTOMER_ID"


def test_a_malformed_login_header_is_refused(running: Running) -> None:
    import grpc

    stub = grpc.insecure_channel(running.grpc_url.removeprefix("grpc://"))
    call = stub.unary_stream("/google.ads.googleads.v26.services.GoogleAdsService/SearchStream")
    from google.ads.googleads.v26.services.types.google_ads_service import SearchGoogleAdsStreamRequest as Asked

    body = Asked.serialize(Asked(customer_id=CUSTOMER, query="SELECT customer.id FROM customer"))
    metadata = (("authorization", bearer(running)), ("login-customer-id", "100-000-0000"))
    with pytest.raises(grpc.RpcError) as refused:
        list(call(body, metadata=metadata, timeout=10))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    stub.close()


@pytest.mark.parametrize("authorization", ["", "Bearer ya29.made-up", "Basic abc"])
def test_only_tokens_of_our_own_endpoint_are_taken(running: Running, authorization: str) -> None:
    asked = Service(running, authorization)
    failure = asked.failure("SELECT customer.id FROM customer")
    assert failure.error.code().name == "UNAUTHENTICATED"
    assert only_error(failure).error_code.authentication_error.name == "OAUTH_TOKEN_INVALID"
    asked.client.channel.close()


def test_a_token_for_analytics_does_not_open_ads(running: Running) -> None:
    asked = Service(running, bearer(running, scope="https://www.googleapis.com/auth/analytics.readonly"))
    assert asked.failure("SELECT customer.id FROM customer").error.code().name == "PERMISSION_DENIED"
    asked.client.channel.close()


# Managers


def test_a_manager_lists_what_the_token_reaches_and_has_no_metrics(running: Running) -> None:
    asked = Service(running, bearer(running), login="9999999999")
    rows = asked.rows("SELECT customer_client.id, customer_client.level FROM customer_client", "9999999999")
    levels = [(row.customer_client.id, row.customer_client.level) for row in rows]
    assert levels == [(9_999_999_999, 0), (int(CUSTOMER), 1)]
    itself = asked.rows("SELECT customer.id, customer.manager FROM customer LIMIT 1", "9999999999")
    assert [(row.customer.id, row.customer.manager) for row in itself] == [(9_999_999_999, True)]
    failure = asked.failure(f"SELECT metrics.clicks FROM customer WHERE {WEEK}", "9999999999")
    assert only_error(failure).error_code.query_error.name == "REQUESTED_METRICS_FOR_MANAGER"
    own = asked.rows("SELECT customer_client.level FROM customer_client")
    assert [row.customer_client.level for row in own] == [0]
    asked.client.channel.close()


# Failing


def test_exhaustion_hides_its_delay_in_the_trailing_metadata(running: Running, service: Service) -> None:
    from google.ads.googleads.v26.errors.types.errors import GoogleAdsFailure
    from google.api_core.exceptions import ResourceExhausted

    running.faults.once(PREFIX, "429")
    with pytest.raises(ResourceExhausted) as exhausted:
        service.rows("SELECT customer.id FROM customer")
    trailing = dict(exhausted.value.response.trailing_metadata())
    failure = GoogleAdsFailure.deserialize(trailing["google.ads.googleads.v26.errors.googleadsfailure-bin"])
    details = failure.errors[0].details.quota_error_details
    assert (details.retry_delay, details.rate_scope.name) == (timedelta(seconds=30), "ACCOUNT")


def test_unavailable_twice_then_well_is_cured_by_the_clients_own_retry(running: Running, service: Service) -> None:
    from google.api_core import retry
    from google.api_core.exceptions import ServiceUnavailable

    policy = retry.Retry(predicate=retry.if_exception_type(ServiceUnavailable), initial=0.01, maximum=0.01, timeout=10)
    running.faults.once(PREFIX, "503", times=2)
    running.received.clear()
    assert len(service.rows("SELECT campaign.id FROM campaign", retry=policy)) == 3
    assert [call.status for call in running.received.calls("google_ads")] == [14, 14, 0]


def test_a_stream_may_break_after_its_first_batch(running: Running, service: Service) -> None:
    from google.api_core.exceptions import ServiceUnavailable

    running.faults.once(PREFIX, "reset_mid")
    stream = iter(
        service.service.search_stream(customer_id=CUSTOMER, query="SELECT campaign.id FROM campaign", timeout=10)
    )
    assert len(next(stream).results) == 3
    with pytest.raises(ServiceUnavailable):
        next(stream)


def test_internal_errors_are_not_google_ads_exceptions(running: Running, service: Service) -> None:
    from google.api_core.exceptions import InternalServerError

    running.faults.once(PREFIX, "500")
    with pytest.raises(InternalServerError):
        service.rows("SELECT customer.id FROM customer")


def test_the_project_runs_out_of_operations() -> None:
    from google.api_core.exceptions import ResourceExhausted

    with serve(market(), rate_scale=2 / 15_000) as sandbox:
        asked = Service(sandbox, bearer(sandbox))
        for _ in range(2):
            asked.rows("SELECT customer.id FROM customer")
        with pytest.raises(ResourceExhausted):
            asked.rows("SELECT customer.id FROM customer")
        asked.client.channel.close()
