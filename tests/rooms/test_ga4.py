"""GA4 through the real client: whole days or a named error, and every doubt GA4 has is passed on."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from cortex.clock import Window
from cortex.errors import CortexError, CredentialError, PlatformError, Throttled, Transient
from cortex.records import Notice
from cortex.sandbox import Running, serve
from cortex.secrets import Vault
from cortex.settings import Access
from cortex.traffic._data_api import Layout
from cortex.traffic.ga4 import FUNNEL, ITEMS, ORDERS, SESSIONS, Ga4, Ga4Section
from tests.replay import Replay, Response
from tests.small_market import NOW, TODAY, ZONE, market

PROPERTY = "501"
BATCH = f"/v1beta/properties/{PROPERTY}:batchRunReports"
REFRESH = "1//refresh-1"
ONE_DAY = Window.ending(TODAY, 1)
TOKEN = {"request": {"path": "/token"}, "response": {"json": {"access_token": "ya29.good", "expires_in": 3599}}}


class Told:
    """What an adapter said and how long it waited."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.waits: list[float] = []

    def ga4(self, url: str, **credential: str) -> Ga4:
        said = {
            "type": "authorized_user",
            "client_id": "client.example",
            "client_secret": "client-secret-canary",
            "refresh_token": REFRESH,
            "token_uri": f"{url}/token",
            **credential,
        }
        vault = Vault("alfa", Path("absent"), {"CORTEX_ALFA_GOOGLE_CREDENTIALS": json.dumps(said)})
        zone = ZoneInfo(ZONE)
        access = Access("alfa", vault, zone, lambda: NOW, self.notices.append, sleep=self.waits.append)
        return Ga4(Ga4Section(property_id=PROPERTY, api_url=url), access)


@pytest.fixture
def told() -> Told:
    return Told()


def report(layout: Layout, *rows: list[str], total: int | None = None, **more: Any) -> dict[str, Any]:
    """A RunReportResponse. `more` replaces or adds top-level fields; metadata is merged."""
    size = len(layout.dimensions)
    metadata = {"currencyCode": "BRL", "timeZone": ZONE, **more.pop("metadata", {})}
    return {
        "dimensionHeaders": [{"name": name} for name in layout.dimensions],
        "metricHeaders": [{"name": name} for name in layout.metrics],
        "rows": [
            {
                "dimensionValues": [{"value": cell} for cell in row[:size]],
                "metricValues": [{"value": cell} for cell in row[size:]],
            }
            for row in rows
        ],
        "rowCount": len(rows) if total is None else total,
        "metadata": metadata,
        **more,
    }


def batch(*reports: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"request": {"method": "POST", "path": BATCH, **more}, "response": {"json": {"reports": list(reports)}}}


def served(*exchanges: dict[str, Any], first: list[Response] | None = None) -> Replay:
    return Replay([TOKEN, *exchanges], first=first or [])


def session(
    source: str, count: str = "1", *, day: date = TODAY, group: str = "Direct", revenue: str = "0"
) -> list[str]:
    return [f"{day:%Y%m%d}", source, "cpc", "verao", group, count, count, count, count, revenue]


def order(number: str, *, revenue: str = "10.00", bought: str = "1", source: str = "google") -> list[str]:
    return [f"{TODAY:%Y%m%d}", number, source, "cpc", "verao", "11", "Paid Search", "ad-a", "mobile", revenue, bought]


# The tenant's file


@pytest.mark.parametrize("wrong", ["G-ABC123DEF4", "g-abc", "UA-1234-5", "GT-ABC", "AW-123456"])
def test_a_measurement_id_is_refused_with_the_place_of_the_right_one(wrong: str) -> None:
    with pytest.raises(ValidationError, match="Admin, Property details"):
        Ga4Section.model_validate({"property_id": wrong})


@pytest.mark.parametrize("wrong", ["properties/123", "12a", "", "-5"])
def test_what_is_no_number_is_refused(wrong: str) -> None:
    with pytest.raises(ValidationError, match="such as 123456789"):
        Ga4Section.model_validate({"property_id": wrong})


def test_a_number_written_without_quotes_is_taken() -> None:
    assert Ga4Section.model_validate({"property_id": 123456789}).property_id == "123456789"


def test_the_data_api_is_spoken_to_over_http() -> None:
    with pytest.raises(ValidationError, match="https"):
        Ga4Section.model_validate({"property_id": "1", "api_url": "grpc://127.0.0.1:1"})


# Whole days


def test_pages_are_read_until_the_total_is_there(told: Told) -> None:
    rows = [session(f"s{number}") for number in range(7)]
    pages = [batch(report(SESSIONS, *rows[at : at + 3], total=7), contains=[f'"offset": "{at}"']) for at in (3, 6)]
    with served(*pages, batch(report(SESSIONS, *rows[:3], total=7))) as server:
        assert [found.source for found in told.ga4(server.url).sessions(ONE_DAY)] == [f"s{n}" for n in range(7)]
        bodies = [json.loads(one.body) for one in server.requests if one.path == BATCH]
    for body in bodies:
        [asked] = body["requests"]
        assert [one["dimension"]["dimensionName"] for one in asked["orderBys"]] == list(SESSIONS.dimensions)
        assert asked["returnPropertyQuota"] is True


@pytest.mark.parametrize(
    "later",
    [
        batch(report(SESSIONS, session("b"), total=3), contains=['"offset": "1"']),
        batch(report(SESSIONS, session("a"), total=2), contains=['"offset": "1"']),
        batch(report(SESSIONS, total=2), contains=['"offset": "1"']),
    ],
    ids=["the total moved", "a row twice", "rows hidden"],
)
def test_a_day_that_moves_is_read_again_from_its_start(later: dict[str, Any], told: Told) -> None:
    with served(later, batch(report(SESSIONS, session("a"), total=2))) as server:
        with pytest.raises(Transient) as caught:
            list(told.ga4(server.url).sessions(ONE_DAY))
        asked = [json.loads(one.body)["requests"][0].get("offset", "0") for one in server.requests if one.path == BATCH]
    assert caught.value.code == "CTX-4305"
    assert asked == ["0", "1"] * 3


def test_a_day_that_settles_on_the_second_reading_is_whole(told: Told) -> None:
    moved: Response = {"json": {"reports": [report(SESSIONS, session("a"), session("a"), total=2)]}}
    with served(batch(report(SESSIONS, session("a"), session("b")))) as server:
        ga4 = told.ga4(server.url)
        server.first.append(TOKEN["response"])
        server.first.append(moved)
        assert [found.source for found in ga4.sessions(ONE_DAY)] == ["a", "b"]
    assert len(told.waits) == 1


def test_five_days_go_into_one_request_newest_first(told: Told) -> None:
    week = Window.ending(TODAY, 7)

    class Server(Replay):
        def answer(self, request: Any) -> Response:
            response = super().answer(request)
            if request.path != BATCH:
                return response
            days = re.findall(r'"startDate": "([\d-]+)"', request.body.decode())
            rows = [report(SESSIONS, session("a", day=date.fromisoformat(day))) for day in days]
            return {"json": {"reports": rows}}

    with Server([TOKEN, batch()]) as server:
        found = [row.day for row in told.ga4(server.url).sessions(week)]
        assert len([one for one in server.requests if one.path == BATCH]) == 2
    assert sorted(found) == list(week.each_day())


@pytest.mark.parametrize(
    "answer",
    [
        report(ORDERS, order("1")),
        report(SESSIONS, session("a", day=TODAY - timedelta(days=1))),
    ],
    ids=["other columns", "another day"],
)
def test_an_answer_to_another_question_is_refused(answer: dict[str, Any], told: Told) -> None:
    with served(batch(answer)) as server, pytest.raises(PlatformError) as caught:
        list(told.ga4(server.url).sessions(ONE_DAY))
    assert caught.value.code == "CTX-4307"


def test_fewer_reports_than_asked_are_no_answer(told: Told) -> None:
    with served(batch()) as server, pytest.raises(Transient):
        list(told.ga4(server.url).sessions(ONE_DAY))


# Orders and sessions


def test_purchases_without_a_number_are_counted_and_refunds_are_no_touch(told: Told) -> None:
    rows = [
        order("1001"),
        order("(not set)", revenue="50.00", bought="2"),
        order("(data not available)", revenue="7.5"),
        order("(other)", revenue="1"),
        order("", revenue="1"),
        order("1001", revenue="0", bought="0", source="newsletter"),
    ]
    with served(batch(report(ORDERS, *rows))) as server:
        [touch] = told.ga4(server.url).touches(ONE_DAY)
    assert (touch.order_id, touch.source, touch.campaign_id, touch.content) == ("1001", "google", "11", "ad-a")
    assert touch.occurred_at is None
    [notice] = told.notices
    assert (notice.code, notice.count, notice.value) == ("ga4-no-transaction-id", 5, Decimal("59.50"))


def test_rows_that_differ_by_channel_group_only_become_one(told: Told) -> None:
    rows = [
        session("google", "3", group="Cross-network", revenue="10.10"),
        session("google", "5", group="Paid Search", revenue="0.9000000001"),
        session("google ", "1", group="Paid Other"),
    ]
    with served(batch(report(SESSIONS, *rows))) as server:
        [found] = told.ga4(server.url).sessions(ONE_DAY)
    assert (found.sessions, found.users, found.revenue) == (9, 9, Decimal("11.00"))
    assert (found.source, found.channel_group) == ("google", "Paid Search")


def test_every_doubt_of_ga4_is_passed_on_with_its_days(told: Told) -> None:
    doubts = {
        "subjectToThresholding": True,
        "dataLossFromOtherRow": True,
        "samplingMetadatas": [{"samplesReadCount": "250", "samplingSpaceSize": "1000"}],
        "schemaRestrictionResponse": {"activeMetricRestrictions": [{"metricName": "purchaseRevenue"}]},
        "dataTruncationReasons": [{"dataTruncationMessage": "older than its models"}],
    }
    with served(batch(report(SESSIONS, session("a"), metadata=doubts))) as server:
        list(told.ga4(server.url).sessions(ONE_DAY))
    said = {notice.code: notice.message for notice in told.notices}
    assert said.keys() == {"ga4-thresholding", "ga4-other-row", "ga4-sampling", "ga4-restricted", "ga4-truncation"}
    assert "25 % of events" in said["ga4-sampling"]
    assert "purchaseRevenue" in said["ga4-restricted"]
    assert "zero" in said["ga4-restricted"]
    assert "older than its models" in said["ga4-truncation"]
    assert {notice.count for notice in told.notices} == {1}
    assert all(len(notice.message) <= 255 and str(TODAY) in notice.message for notice in told.notices)


# The way to a sale


def reached(name: str, events: str = "3", sessions: str = "2", *, device: str = "mobile") -> list[str]:
    return [f"{TODAY:%Y%m%d}", device, "google", "cpc", "Paid Search", name, events, sessions]


def test_only_the_events_of_the_way_are_asked_for(told: Told) -> None:
    with served(
        batch(report(FUNNEL, reached("view_item"), reached("purchase", "1", "1", device="(not set)")))
    ) as server:
        rows = list(told.ga4(server.url).funnel(ONE_DAY))
        [asked] = json.loads(next(one.body for one in server.requests if one.path == BATCH))["requests"]
    listed = asked["dimensionFilter"]["filter"]
    assert (listed["fieldName"], listed["inListFilter"]["values"]) == ("eventName", list(FUNNEL.events))
    found = [(row.stage, row.device, row.sessions, row.events) for row in rows]
    assert found == [("view", "mobile", 2, 3), ("purchase", "", 1, 1)]
    assert (rows[0].source, rows[0].channel_group, rows[0].property_id) == ("google", "Paid Search", PROPERTY)


def test_events_folded_into_other_are_counted_not_dropped_silently(told: Told) -> None:
    with served(batch(report(FUNNEL, reached("view_item"), reached("(other)", "7", "5")))) as server:
        assert len(list(told.ga4(server.url).funnel(ONE_DAY))) == 1
    [notice] = told.notices
    assert (notice.code, notice.count) == ("ga4-no-stage", 7)


def test_an_event_nobody_asked_for_is_refused(told: Told) -> None:
    with served(batch(report(FUNNEL, reached("page_view")))) as server, pytest.raises(PlatformError) as caught:
        list(told.ga4(server.url).funnel(ONE_DAY))
    assert caught.value.code == "CTX-4307"


def test_views_without_an_item_id_go_to_a_notice(told: Told) -> None:
    day = f"{TODAY:%Y%m%d}"
    rows = [[day, "501", "9", "2", "1"], [day, "(not set)", "4", "0", "0"], [day, "(other)", "2", "0", "0"]]
    with served(batch(report(ITEMS, *rows))) as server:
        [found] = told.ga4(server.url).product_views(ONE_DAY)
    assert (found.item_id, found.viewed, found.added, found.purchased) == ("501", 9, 2, 1)
    [notice] = told.notices
    assert (notice.code, notice.count) == ("ga4-no-item-id", 6)


# Quota and errors


@pytest.mark.parametrize(
    ("budget", "left", "wait"),
    [("tokensPerProjectPerHour", 2_000, 3_600), ("tokensPerHour", 100, 3_600), ("tokensPerDay", 29_999, 21_600)],
)
def test_the_last_of_a_budget_is_left_to_others(budget: str, left: int, wait: float, told: Told) -> None:
    """What was answered is used; the next request is not made."""
    spent = report(SESSIONS, session("a"), propertyQuota={budget: {"consumed": 10, "remaining": left}})
    with served(batch(spent)) as server:
        ga4 = told.ga4(server.url)
        assert len(list(ga4.sessions(ONE_DAY))) == 1
        with pytest.raises(Throttled) as caught:
            list(ga4.sessions(ONE_DAY))
        assert len([one for one in server.requests if one.path == BATCH]) == 1
    assert (caught.value.code, caught.value.retry_after) == ("CTX-4303", wait)
    assert told.waits == []


def refusal(status: int, message: str = "Words of Google", *details: dict[str, Any]) -> Response:
    said = {"code": status, "message": message, "status": "X", "details": list(details)}
    return {"status": status, "json": {"error": said}}


DISABLED = {
    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
    "reason": "SERVICE_DISABLED",
    "domain": "googleapis.com",
    "metadata": {},
}


@pytest.mark.parametrize(
    ("answer", "kind", "code", "asked"),
    [
        (refusal(401), CredentialError, "CTX-4301", 2),
        (refusal(403), CredentialError, "CTX-4302", 1),
        (refusal(403, "off", DISABLED), CredentialError, "CTX-4302", 1),
        (refusal(400, "Field x is not a valid dimension."), PlatformError, "CTX-4306", 1),
        (refusal(404), PlatformError, "CTX-4306", 1),
        (refusal(429, "Exhausted concurrent requests quota."), Throttled, "CTX-4303", 3),
        (refusal(429, "Exhausted property tokens per hour."), Throttled, "CTX-4303", 1),
        (refusal(500), Transient, "CTX-4304", 3),
        (refusal(503), Transient, "CTX-4304", 3),
        ({"status": 502, "text": "<html>Bad Gateway</html>"}, Transient, "CTX-4304", 3),
        ({"status": 503, "json": {"error": "Unavailable"}}, Transient, "CTX-4019", 3),
        ({"status": 200, "text": "<html>hello</html>"}, Transient, "CTX-4019", 3),
        ({"status": 200, "text": '{"reports": ['}, Transient, "CTX-4019", 3),
        ({"status": 302, "headers": {"Location": "{base}/other"}, "json": {}}, Transient, "CTX-4015", 3),
    ],
)
def test_an_error_is_named_and_never_asked_more_than_three_times(
    answer: Response, kind: type[CortexError], code: str, asked: int, told: Told
) -> None:
    with Replay([TOKEN, {"request": {"path": BATCH}, "response": answer}]) as server:
        with pytest.raises(CortexError) as caught:
            told.ga4(server.url).check()
        assert len([one for one in server.requests if one.path == BATCH]) == asked
        assert not [one for one in server.requests if one.path == "/other"]
    assert (type(caught.value), caught.value.code) == (kind, code)
    assert server.url not in caught.value.message
    assert REFRESH not in "".join(traceback.format_exception(caught.value))


def test_a_switched_off_api_says_where_to_switch_it_on(told: Told) -> None:
    off = {"request": {"path": BATCH}, "response": refusal(403, "off", DISABLED)}
    with Replay([TOKEN, off]) as server, pytest.raises(CredentialError) as caught:
        told.ga4(server.url).check()
    assert "APIs and services" in caught.value.fix


def test_an_hourly_budget_is_waited_for_by_the_ledger(told: Told) -> None:
    answer = refusal(429, "Exhausted property tokens per hour.")
    with (
        Replay([TOKEN, {"request": {"path": BATCH}, "response": answer}]) as server,
        pytest.raises(Throttled) as caught,
    ):
        told.ga4(server.url).check()
    assert caught.value.retry_after == 3600
    assert told.waits == []


# The sandbox


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Running]:
    with serve(market(days=20), clock=lambda: NOW, google=False) as running:
        yield running


def test_the_sandbox_market_is_read_to_the_cent(sandbox: Running, told: Told) -> None:
    ga4 = told.ga4(sandbox.http_url)
    assert (ga4.check().currency, ga4.check().timezone) == ("BRL", ZONE)
    window = Window.ending(TODAY, 12)
    assert {touch.order_id for touch in ga4.touches(window)} == {f"T{number}" for number in range(12)}
    rows = list(ga4.sessions(window))
    assert sum(row.sessions for row in rows) == 12 * 2 * 100
    assert sum(row.revenue for row in rows) == 24 * Decimal("100.50")


def test_the_sandbox_tells_of_stages_devices_and_products(sandbox: Running, told: Told) -> None:
    ga4, window = told.ga4(sandbox.http_url), Window.ending(TODAY, 3)
    stages = {(row.device, row.stage): (row.events, row.sessions) for row in ga4.funnel(window) if row.day == TODAY}
    assert stages == {
        ("mobile", "visit"): (100, 100), ("mobile", "view"): (80, 50), ("mobile", "cart"): (9, 8),
        ("mobile", "checkout"): (4, 4), ("mobile", "payment"): (3, 3), ("mobile", "purchase"): (1, 1),
        ("desktop", "visit"): (100, 100), ("desktop", "view"): (80, 50),
    }  # fmt: skip
    assert [(row.item_id, row.viewed, row.purchased) for row in ga4.product_views(window)] == [("P1", 40, 1)] * 3


def test_other_rows_of_the_sandbox_are_told(sandbox: Running, told: Told) -> None:
    sandbox.ga4.flags[PROPERTY].rows_before_other = 4
    try:
        kept = sum(row.events for row in told.ga4(sandbox.http_url).funnel(ONE_DAY))
    finally:
        sandbox.ga4.flags[PROPERTY].rows_before_other = None
    said = {notice.code: notice for notice in told.notices}
    assert said.keys() == {"ga4-other-row", "ga4-no-stage"}
    assert kept + said["ga4-no-stage"].count == 100 + 80 + 9 + 4 + 3 + 1 + 100 + 80


@pytest.mark.parametrize("fault", ["429", "500", "502", "503", "badjson", "html", "empty_page", "reset", "truncate"])
def test_faults_of_the_sandbox_change_nothing(sandbox: Running, fault: str, told: Told) -> None:
    ga4, window = told.ga4(sandbox.http_url), Window.ending(TODAY, 3)
    calm = list(ga4.sessions(window))
    sandbox.faults.once("/v1beta", fault)
    assert list(ga4.sessions(window)) == calm


def test_doubts_of_the_sandbox_arrive(sandbox: Running, told: Told) -> None:
    flags = sandbox.ga4.flags[PROPERTY]
    before = (flags.subject_to_thresholding, flags.sampled_share, flags.revenue_hidden)
    flags.subject_to_thresholding, flags.sampled_share, flags.revenue_hidden = True, 0.5, True
    try:
        list(told.ga4(sandbox.http_url).sessions(ONE_DAY))
    finally:
        flags.subject_to_thresholding, flags.sampled_share, flags.revenue_hidden = before
    assert {notice.code for notice in told.notices} == {"ga4-thresholding", "ga4-sampling", "ga4-restricted"}


def test_a_run_that_outlives_its_token_goes_on(sandbox: Running, told: Told) -> None:
    ga4 = told.ga4(sandbox.http_url)
    calm = list(ga4.sessions(ONE_DAY))
    sandbox.oauth.expire()
    assert list(ga4.sessions(ONE_DAY)) == calm


def test_a_service_account_is_exchanged_for_a_token_not_signed_with(sandbox: Running, told: Told) -> None:
    """The client would sign its own tokens for a service account; a proxy or the sandbox could not judge those."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    ga4 = told.ga4(
        sandbox.http_url, type="service_account", client_email="alfa@project.example", private_key=key.decode()
    )
    assert ga4.check().id == PROPERTY
