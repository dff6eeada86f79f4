"""The GA4 stand-in, asked by the vendor's own client over REST and by plain HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests

from cortex.sandbox import Running, ga4_reports, serve
from cortex.sandbox.ga4 import Ga4StandIn
from cortex.sandbox.ga4_reports import Flags
from cortex.sandbox.oauth import OAuth
from cortex.sandbox.wire import Request, standing
from tests.small_market import NOW, TODAY, market, sessions

ORDERS = ["date", "transactionId", "sessionSource", "sessionCampaignName"]
ANALYTICS = "https://www.googleapis.com/auth/analytics.readonly"


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with serve(market(), google=False, rate_scale=1000) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def unflagged(running: Running) -> None:
    running.ga4.flags["501"] = Flags()


def bearer(running: Running, **form: str) -> str:
    asked = {"grant_type": "refresh_token", "client_id": "i", "client_secret": "s", "refresh_token": "1//refresh-1"}
    answer = requests.post(f"{running.http_url}/token", data=asked | form, timeout=10).json()
    return str(answer["access_token"])


def sdk(running: Running) -> Any:
    from google.analytics.data_v1beta import BetaAnalyticsDataClient
    from google.oauth2.credentials import Credentials

    credentials = Credentials(
        None,
        refresh_token="1//refresh-1",
        token_uri=f"{running.http_url}/token",
        client_id="id",
        client_secret="secret",
        scopes=[ANALYTICS],
    )
    return BetaAnalyticsDataClient(
        credentials=credentials, transport="rest", client_options={"api_endpoint": running.http_url}
    )


def question(dimensions: list[str], metrics: list[str], days: int = 10, **more: Any) -> dict[str, Any]:
    return {
        "property": "properties/501",
        "dimensions": [{"name": name} for name in dimensions],
        "metrics": [{"name": name} for name in metrics],
        "date_ranges": [{"start_date": str(TODAY - timedelta(days=days - 1)), "end_date": str(TODAY)}],
    } | more


def post(running: Running, body: dict[str, Any], prop: str = "501", action: str = "runReport") -> requests.Response:
    headers = {"Authorization": f"Bearer {bearer(running)}"}
    url = f"{running.http_url}/v1beta/properties/{prop}:{action}"
    return requests.post(url, json=body, headers=headers, timeout=10)


def wire(dimensions: list[str], metrics: list[str], **more: Any) -> dict[str, Any]:
    return {
        "dimensions": [{"name": name} for name in dimensions],
        "metrics": [{"name": name} for name in metrics],
        "dateRanges": [{"startDate": "9daysAgo", "endDate": "today"}],
    } | more


def chosen(name: str, *values: str, **more: Any) -> dict[str, Any]:
    return {"filter": {"fieldName": name, "inListFilter": {"values": list(values), **more}}}


def figures(running: Running, body: dict[str, Any]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Metric values by dimension values."""
    return {
        tuple(cell["value"] for cell in row.get("dimensionValues", [])): tuple(
            cell["value"] for cell in row["metricValues"]
        )
        for row in post(running, body).json().get("rows", [])
    }


def status(answer: requests.Response) -> tuple[int, str]:
    error = answer.json()["error"]
    assert error["code"] == answer.status_code
    return answer.status_code, error["status"]


def test_the_vendors_client_pages_through_a_report_sorted_by_its_dimensions(running: Running) -> None:
    client = sdk(running)
    order_by = [{"dimension": {"dimension_name": name}} for name in ORDERS]
    seen: list[str] = []
    for offset in (0, 4, 8):
        asked = question(ORDERS, ["purchaseRevenue", "ecommercePurchases"], limit=4, offset=offset, order_bys=order_by)
        report = client.run_report(request=asked)
        assert report.row_count == 10
        seen += [row.dimension_values[1].value for row in report.rows]
    assert seen == [f"T{number}" for number in range(9, -1, -1)]
    first = report.rows[0]
    assert [value.value for value in first.dimension_values] == ["20261119", "T1", "google", "brand"]
    assert [value.value for value in first.metric_values] == ["100.5", "1"]
    assert [header.type_.name for header in report.metric_headers] == ["TYPE_CURRENCY", "TYPE_INTEGER"]
    assert (report.metadata.currency_code, report.metadata.time_zone) == ("BRL", "America/Sao_Paulo")
    assert report.kind == "analyticsData#runReport"


def test_without_a_full_order_pages_are_no_snapshot(running: Running) -> None:
    asked = wire(ORDERS, ["purchaseRevenue"])
    orders = {
        tuple(row["dimensionValues"][1]["value"] for row in post(running, asked).json()["rows"]) for _ in range(3)
    }
    assert len(orders) > 1
    assert {frozenset(each) for each in orders} == {frozenset(f"T{number}" for number in range(10))}


def test_sessions_are_added_up_over_what_is_not_asked(running: Running) -> None:
    rows = post(running, wire(["sessionSource"], ["sessions", "totalUsers", "purchaseRevenue"])).json()["rows"]
    found = {row["dimensionValues"][0]["value"]: [value["value"] for value in row["metricValues"]] for row in rows}
    assert found == {"google": ["1000", "800", "1005"], "facebook": ["1000", "800", "1005"]}
    named = post(running, wire(["sessionCampaignName"], ["sessions"])).json()["rows"]
    assert named[0]["dimensionValues"][0]["value"] == "(not set)"


def test_what_is_empty_is_left_out_of_the_answer(running: Running) -> None:
    body = wire(ORDERS, ["purchaseRevenue"]) | {"dateRanges": [{"startDate": "2020-01-01", "endDate": "2020-01-02"}]}
    answer = post(running, body).json()
    assert "rows" not in answer
    assert "rowCount" not in answer
    report = sdk(running).run_report(
        request=question(
            ORDERS, ["purchaseRevenue"], date_ranges=[{"start_date": "2020-01-01", "end_date": "2020-01-02"}]
        )
    )
    assert (report.row_count, len(report.rows)) == (0, 0)


def test_two_ranges_add_a_dimension_that_tells_them_apart(running: Running) -> None:
    ranges = [{"startDate": "today", "endDate": "today"}, {"startDate": "yesterday", "endDate": "yesterday"}]
    answer = post(running, wire(["date"], ["sessions"]) | {"dateRanges": ranges}).json()
    assert [header["name"] for header in answer["dimensionHeaders"]] == ["date", "dateRange"]
    keys = {tuple(value["value"] for value in row["dimensionValues"]) for row in answer["rows"]}
    assert keys == {("20261120", "date_range_0"), ("20261119", "date_range_1")}


def test_a_batch_of_five_is_answered_in_order_and_six_are_not(running: Running) -> None:
    client = sdk(running)
    names = ["sessions", "newUsers", "engagedSessions", "totalUsers", "purchaseRevenue"]
    requests_ = [question(["date"], [name]) for name in names]
    answer = client.batch_run_reports(request={"property": "properties/501", "requests": requests_})
    assert [report.metric_headers[0].name for report in answer.reports] == names
    one = wire(["date"], ["sessions"])
    assert status(post(running, {"requests": [one] * 6}, action="batchRunReports")) == (400, "INVALID_ARGUMENT")


def test_enums_are_numbers_for_those_who_ask_for_them_and_names_for_others() -> None:
    oauth = OAuth(market())
    stand_in = Ga4StandIn(market(), oauth, clock=standing(NOW))
    kinds = {}
    for target in ("", "?$alt=json;enum-encoding=int"):
        headers = alone(stand_in, oauth, target).json()["metricHeaders"]
        kinds[target] = [header["type"] for header in headers]
    assert list(kinds.values()) == [["TYPE_INTEGER", "TYPE_CURRENCY"], [1, 9]]


def test_metadata_names_what_may_be_asked(running: Running) -> None:
    metadata = sdk(running).get_metadata(name="properties/501/metadata")
    assert {"transactionId", "landingPage"} <= {each.api_name for each in metadata.dimensions}
    revenue = next(each for each in metadata.metrics if each.api_name == "purchaseRevenue")
    assert revenue.type_.name == "TYPE_CURRENCY"


@pytest.mark.parametrize(
    "body",
    [
        wire(["ga:date"], ["sessions"]),
        wire(["date"], ["revenue"]),
        wire([], []),
        wire(["date", "date"], ["sessions"]),
        wire(["transactionId"], ["sessions"]),
        wire(["landingPage", "transactionId"], ["purchaseRevenue"]),
        wire(["date"], ["sessions"], limit=250_001),
        wire(["date"], ["sessions"], limit=-1),
        wire(["date"], ["sessions"], offset="-5"),
        wire(["date"], ["sessions"], limit="many"),
        wire(["date"], ["sessions"], dateRanges=[]),
        wire(["date"], ["sessions"], dateRanges=[{"startDate": "2026-11-20", "endDate": "2026-11-01"}]),
        wire(["date"], ["sessions"], dateRanges=[{"startDate": "20261120", "endDate": "soon"}]),
        wire(["date"], ["sessions"], dateRanges=[{"startDate": "today", "endDate": "today"}] * 5),
        wire(["date"], ["sessions"], orderBys=[{"metric": {"metricName": "newUsers"}}]),
        wire(["date"], ["sessions"], property="properties/502"),
        wire(["date"], ["sessions"], dimensionFilter={}),
        wire(["date"], ["sessions"], dimensionFilter=chosen("landing", "x")),
        wire(["date"], ["sessions"], dimensionFilter={"filter": {"fieldName": "sessionSource"}}),
        wire(["date"], ["sessions"], dimensionFilter={"filter": {"fieldName": "date", "inListFilter": {"values": []}}}),
        wire(
            ["date"], ["sessions"], dimensionFilter={"filter": {"fieldName": "date", "inListFilter": {"value": ["a"]}}}
        ),
        wire(["date"], ["sessions"], dimensionFilter={"andGroup": {"expressions": []}}),
        wire(["date"], ["sessions"], dimensionFilter={**chosen("date", "a"), "orGroup": {"expressions": []}}),
        wire(["date"], ["sessions"], dimensionFilter={"filter": {"fieldName": "date", "numericFilter": {}}}),
        wire(["eventName", "transactionId"], ["eventCount"]),
        wire(["eventName", "itemId"], ["eventCount"]),
        wire(["itemId", "sessionSource"], ["itemsViewed"]),
        wire(["itemId"], ["itemsViewed", "sessions"]),
        wire(["itemId"], ["itemViews"]),
        wire(["eventName"], ["eventCount", "engagedSessions"]),
        wire(["landingPage", "deviceCategory"], ["sessions"]),
        wire(["date"], ["sessions"], dimensionFilter=chosen("eventName", "view_item", "purchase")),
        wire(["date"], ["sessions"], metricFilter=chosen("eventName", "view_item")),
        wire(["date"], ["sessions"], currencyCode="USD"),
        wire(["date"], ["sessions"], segments=[]),
    ],
)
def test_what_ga4_would_not_understand_is_an_invalid_argument(running: Running, body: dict[str, Any]) -> None:
    assert status(post(running, body)) == (400, "INVALID_ARGUMENT")


def test_nine_dimensions_and_ten_metrics_are_the_most(running: Running) -> None:
    most = ga4_reports.parse(wire(list(ga4_reports.ORDER_DIMENSIONS)[:9], ["purchaseRevenue"]), "501", TODAY)
    assert len(most.dimensions) == 9
    ten = list(ga4_reports.ORDER_DIMENSIONS | ga4_reports.SESSION_DIMENSIONS)
    assert len(ten) >= 10
    answer = post(running, wire(ten[:10], ["purchaseRevenue"]))
    assert status(answer) == (400, "INVALID_ARGUMENT")
    assert "limited to 9 dimensions" in answer.json()["error"]["message"]


def test_another_shops_property_is_forbidden_and_no_token_is_unauthenticated(running: Running) -> None:
    body = wire(["date"], ["sessions"])
    assert status(post(running, body, prop="502")) == (403, "PERMISSION_DENIED")
    assert status(post(running, body, prop="999")) == (403, "PERMISSION_DENIED")
    assert status(post(running, body, prop="G-ABC123")) == (400, "INVALID_ARGUMENT")
    url = f"{running.http_url}/v1beta/properties/501:runReport"
    assert status(requests.post(url, json=body, timeout=10)) == (401, "UNAUTHENTICATED")
    narrow = bearer(running, scope="https://www.googleapis.com/auth/adwords")
    refused = requests.post(url, json=body, headers={"Authorization": f"Bearer {narrow}"}, timeout=10)
    assert status(refused) == (403, "PERMISSION_DENIED")


def test_the_vendors_exceptions_are_the_parents_over_rest(running: Running) -> None:
    from google.api_core.exceptions import Forbidden, ServiceUnavailable, TooManyRequests

    client = sdk(running)
    with pytest.raises(Forbidden):
        client.run_report(request=question(["date"], ["sessions"], property="properties/502"))
    for kind, expected in (("429", TooManyRequests), ("503", ServiceUnavailable)):
        running.faults.once("/v1beta/", kind)
        with pytest.raises(expected):
            client.run_report(request=question(["date"], ["sessions"]), retry=None)


def test_an_expired_token_is_renewed_by_the_vendors_credentials(running: Running) -> None:
    client = sdk(running)
    client.run_report(request=question(["date"], ["sessions"]))
    running.oauth.expire()
    assert client.run_report(request=question(["date"], ["sessions"])).row_count == 10


# Events, devices, products


def test_events_are_counted_with_the_sessions_they_happened_in(running: Running) -> None:
    body = wire(["deviceCategory", "eventName"], ["eventCount", "sessions"])
    found = figures(running, body | {"dimensionFilter": chosen("eventName", "view_item", "purchase")})
    assert found == {
        ("mobile", "view_item"): ("800", "500"), ("mobile", "purchase"): ("10", "10"), ("desktop", "view_item"): ("800", "500"),
    }  # fmt: skip
    assert len(figures(running, body)) == 9


def test_a_session_counts_once_where_events_are_not_told_apart(running: Running) -> None:
    assert figures(running, wire(["deviceCategory"], ["sessions"])) == {("mobile",): ("1000",), ("desktop",): ("1000",)}
    one = wire(["deviceCategory"], ["sessions"], dimensionFilter=chosen("eventName", "purchase"))
    assert figures(running, one) == {("mobile",): ("10",)}


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        (chosen("eventName", "PURCHASE"), {"purchase"}),
        (chosen("eventName", "PURCHASE", caseSensitive=True), set()),
        ({"filter": {"fieldName": "eventName", "stringFilter": {"value": "add_", "matchType": "BEGINS_WITH"}}},
         {"add_to_cart", "add_payment_info"}),
        ({"filter": {"fieldName": "eventName", "stringFilter": {"value": "view", "matchType": 4}}}, {"page_view", "view_item"}),
        ({"orGroup": {"expressions": [chosen("eventName", "purchase"), chosen("eventName", "view_item")]}},
         {"purchase", "view_item"}),
        ({"andGroup": {"expressions": [chosen("deviceCategory", "desktop"),
                                       {"notExpression": chosen("eventName", "view_item")}]}}, {"session_start"}),
    ],
)  # fmt: skip
def test_filters_choose_rows_of_any_dimension(running: Running, filters: dict[str, Any], names: set[str]) -> None:
    found = figures(running, wire(["eventName"], ["eventCount"], dimensionFilter=filters))
    assert {name for (name,) in found} == names


def test_the_vendors_client_filters_and_asks_for_products(running: Running) -> None:
    from google.analytics.data_v1beta.types import Filter, FilterExpression

    listed = FilterExpression(
        filter=Filter(field_name="itemId", in_list_filter=Filter.InListFilter(values=["p1"], case_sensitive=False))
    )
    metrics = ["itemsViewed", "itemsAddedToCart", "itemsCheckedOut", "itemsPurchased"]
    report = sdk(running).run_report(request=question(["itemId", "itemName"], metrics, dimension_filter=listed))
    assert [[cell.value for cell in row.dimension_values] for row in report.rows] == [["P1", "Vestido"]]
    assert [cell.value for cell in report.rows[0].metric_values] == ["400", "40", "20", "10"]


# What weakens a report


def test_flags_reach_the_metadata(running: Running) -> None:
    running.ga4.flags["501"] = Flags(subject_to_thresholding=True, sampled_share=0.25)
    report = sdk(running).run_report(request=question(["date"], ["sessions"]))
    assert report.metadata.subject_to_thresholding
    assert report.metadata.sampling_metadatas[0].samples_read_count == 250_000
    assert not report.metadata.data_loss_from_other_row


def test_the_other_row_keeps_the_total(running: Running) -> None:
    running.ga4.flags["501"] = Flags(rows_before_other=3)
    report = sdk(running).run_report(request=question(["date", "transactionId"], ["purchaseRevenue"]))
    assert report.metadata.data_loss_from_other_row
    names = [row.dimension_values[1].value for row in report.rows]
    assert names.count("(other)") == 7
    assert sum(Decimal(row.metric_values[0].value) for row in report.rows) == Decimal("1005")


def test_a_role_without_revenue_sees_zeros_and_a_restriction(running: Running) -> None:
    running.ga4.flags["501"] = Flags(revenue_hidden=True)
    asked = question(["date"], ["purchaseRevenue", "sessions"])
    report = sdk(running).run_report(request=asked)
    assert {row.metric_values[0].value for row in report.rows} == {"0"}
    restrictions = report.metadata.schema_restriction_response.active_metric_restrictions
    assert [each.metric_name for each in restrictions] == ["purchaseRevenue"]
    assert restrictions[0].restricted_metric_types[0].name == "REVENUE_DATA"


def test_the_quota_is_shown_when_asked_and_runs_out(running: Running) -> None:
    report = sdk(running).run_report(request=question(["date"], ["sessions"], return_property_quota=True))
    assert report.property_quota.tokens_per_project_per_hour.consumed == 1
    assert report.property_quota.tokens_per_day.remaining > 0
    oauth = OAuth(market())
    stand_in = Ga4StandIn(market(), oauth, clock=standing(NOW), rate_scale=5 / 14_000)
    answers = [alone(stand_in, oauth) for _ in range(6)]
    assert [each.status for each in answers] == [200] * 5 + [429]
    assert answers[-1].json()["error"]["status"] == "RESOURCE_EXHAUSTED"


def alone(stand_in: Ga4StandIn, oauth: OAuth, target: str = "", **more: Any) -> Any:
    import json

    form = b"grant_type=refresh_token&client_id=i&client_secret=s&refresh_token=1//refresh-1"
    token = oauth.handle(
        Request.of("POST", "/token", {"Content-Type": "application/x-www-form-urlencoded"}, form)
    ).json()
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    body = json.dumps(wire(["date"], ["sessions", "purchaseRevenue"], **more)).encode()
    return stand_in.handle(Request.of("POST", f"/v1beta/properties/501:runReport{target}", headers, body))


def test_days_are_the_propertys_and_nothing_after_now_is_shown() -> None:
    world = market()
    prop = world.shops[0].ga4
    assert prop is not None
    prop.sessions.append(sessions(TODAY + timedelta(days=1), "google"))
    late = NOW.replace(hour=2) + timedelta(days=1)  # 23:00 of the 20th in São Paulo
    oauth = OAuth(world)
    stand_in = Ga4StandIn(world, oauth, clock=standing(late))
    ahead = [{"startDate": "2026-11-01", "endDate": "2026-12-31"}]
    rows = alone(stand_in, oauth, dateRanges=ahead).json()["rows"]
    assert max(row["dimensionValues"][0]["value"] for row in rows) == "20261120"
