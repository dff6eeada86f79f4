"""Meta Ads: its errors by name, its pages and reports to the last row, and each purchase counted once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cortex.ads._graph import Graph, Usage, meaning
from cortex.ads._remainder import beyond
from cortex.ads.meta import Meta, MetaSection
from cortex.clock import Window
from cortex.errors import BadRecord, CortexError, CredentialError, PlatformError, Throttled, Transient
from cortex.http import Limits
from cortex.records import AdSpend, Notice
from cortex.sandbox.faults import Faults
from cortex.sandbox.meta import MetaStandIn
from cortex.sandbox.received import Received
from cortex.sandbox.server import Front, HttpServer
from cortex.secrets import Secret, Vault
from cortex.settings import Access
from tests.faulty import FaultyServer, dripping, reply
from tests.replay import Replay, always
from tests.small_market import NOW, TODAY, ZONE, ad_day, days_before, market

TOKEN = "meta-token-1"
ACCOUNT = {
    "request": {"path": "/v26.0/act_100"},
    "response": {"json": {"id": "act_100", "name": "alfa", "currency": "BRL", "timezone_name": ZONE}},
}


class Told:
    """What an adapter said and how long it waited."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.waits: list[float] = []
        self.aside: list[BadRecord] = []

    def meta(self, url: str, **config: Any) -> Meta:
        section = MetaSection.model_validate({"account_id": "act_100", "api_url": url, **config})
        vault = Vault("alfa", Path("absent"), {"CORTEX_ALFA_META_TOKEN": TOKEN})
        zone = ZoneInfo(ZONE)
        access = Access(
            "alfa", vault, zone, lambda: NOW, self.notices.append, quarantine=self.aside.append, sleep=self.waits.append
        )
        return Meta(section, access)


@pytest.fixture
def told() -> Told:
    return Told()


@contextmanager
def sandboxed(days: int = 40, **limits: int) -> Iterator[tuple[str, MetaStandIn, Received]]:
    received, faults = Received(), Faults()
    stand_in = MetaStandIn(market(days=days), clock=lambda: NOW, received=received, **limits)
    server = HttpServer("127.0.0.1", 0, Front([(re.compile("/"), "meta", stand_in)], {}, received, faults))
    try:
        yield f"http://127.0.0.1:{server.port}", stand_in, received
    finally:
        server.close()


def last(days: int) -> Window:
    return Window.ending(TODAY, days)


def error(code: int, subcode: int = 0, message: str = "Words of Meta", **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "error_subcode": subcode, "message": message, "type": "OAuthException", **more}}


def row(ad: str = "301", day: date = TODAY, **more: Any) -> dict[str, Any]:
    return {"date_start": str(day), "account_id": "100", "ad_id": ad, "campaign_id": "101", "spend": "1.00", **more}


def page(*rows: Mapping[str, Any], after: str = "") -> dict[str, Any]:
    paging = {"cursors": {"after": after}, "next": "https://graph.example/more"} if after else {}
    return {"json": {"data": list(rows), "paging": paging}}


def at(level: str, response: Mapping[str, Any], **query: str) -> dict[str, Any]:
    return {"request": {"path": "/v26.0/act_100/insights", "query": {"level": level, **query}}, "response": response}


# The tenant's file


@pytest.mark.parametrize(
    ("account", "hint"),
    [
        ("123456789", "did you mean act_123456789?"),
        (123456789, "did you mean act_123456789?"),
        ("act-123", "must start with act_"),
        ("act_12a", "act_123456789"),
        ("123act_4", "must start with act_"),
        ("", "must start with act_"),
    ],
)
def test_an_account_without_its_prefix_is_refused_with_a_hint(account: object, hint: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(hint)):
        MetaSection.model_validate({"account_id": account})


def test_an_account_is_taken_as_the_ads_manager_writes_it() -> None:
    section = MetaSection.model_validate({"account_id": " act_123456789 ", "enabled": True})
    assert (section.account_id, section.purchase_action_type, section.attribution_windows) == (
        "act_123456789",
        "omni_purchase",
        (),
    )


@pytest.mark.parametrize("windows", [["7d_view"], ["28d_view"], ["dda"], ["7d_click", "1d_click"], ["1d_view"] * 2])
def test_windows_meta_dropped_or_that_overlap_are_refused(windows: list[str]) -> None:
    with pytest.raises(ValidationError):
        MetaSection.model_validate({"account_id": "act_1", "attribution_windows": windows})


# Errors (facts 1.6: one line of Meta's table each)


@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (error(1, message="An unknown error occurred", is_transient=True), Transient, "CTX-4105"),
        (error(2, message="Service temporarily unavailable"), Transient, "CTX-4105"),
        (error(1504043, 1504043), Transient, "CTX-4105"),
        (error(-2, 2490547), Transient, "CTX-4105"),
        (error(2637, 0), Transient, "CTX-4105"),
        (error(100, 1815107, is_transient=True), Transient, "CTX-4105"),
        (error(99999, is_transient=True), Transient, "CTX-4105"),
        (error(2, 1504041), PlatformError, "CTX-4108"),
        (error(2, 1504042), PlatformError, "CTX-4108"),
        *((error(code, sub), Throttled, "CTX-4103") for code, sub in [(4, 1504022), (4, 1504039), (17, 2446079)]),
        *((error(code), Throttled, "CTX-4103") for code in (32, 341, 613, 80000, 80003, 80006, 80008, 80009, 80014)),
        *((error(190, sub), CredentialError, "CTX-4101") for sub in (0, 458, 459, 460, 463, 467)),
        *((error(code), CredentialError, "CTX-4102") for code in (10, 200, 273, 294, 299)),
        (error(100), PlatformError, "CTX-4108"),
        (error(100, 33), PlatformError, "CTX-4106"),
        (error(2635), PlatformError, "CTX-4107"),
        (error(80007), PlatformError, "CTX-4108"),
    ],
    ids=lambda value: f"{value['error']['code']}-{value['error']['error_subcode']}" if isinstance(value, dict) else "",
)
def test_an_error_of_the_graph_api_is_named(answer: Any, kind: type[CortexError], code: str, told: Told) -> None:
    with Replay(always(status=400, json=answer)) as server:
        with pytest.raises(CortexError) as caught:
            told.meta(server.url).check()
        asked = len(server.requests)
    assert (type(caught.value), caught.value.code) == (kind, code)
    assert asked == (1 if not caught.value.retryable else len(told.waits) + 1)
    assert caught.value.retryable == (asked > 1)


@pytest.mark.parametrize("code", [(1, 0), (100, 1504018), (2, 1504038), (960, 0)])
def test_too_much_data_is_told_apart_from_a_passing_error(code: tuple[int, int]) -> None:
    words = "Please reduce the amount of data you're asking for, then retry your request"
    assert meaning(*code, words, transient=True, status=500) == "too_much"


def test_a_dead_token_says_why_and_quotes_nothing(told: Told) -> None:
    secret = "EAABsbCS1iHgBO-canary-token"
    dead = Replay(always(status=400, json=error(190, 463, f"Malformed access token {secret}")))
    with dead as server, pytest.raises(CredentialError) as caught:
        told.meta(server.url).check()
    assert "it has expired" in caught.value.message
    assert secret not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 502, "text": "<html><body>502 Bad Gateway</body></html>"},
        {"status": 502, "text": "<html>an error, no success</html>", "headers": {"Content-Type": "text/html"}},
        {"status": 200, "text": "<html>We are making things better.</html>"},
        {"status": 200, "text": "<!doctype html><p>error</p>"},
        {"status": 503, "text": "Service Unavailable"},
        {"status": 500, "text": ""},
        {"status": 200, "text": '{"data": ['},
        {"status": 500, "json": {}},
        {"status": 503, "json": {"message": "upstream connect error"}},
        {"status": 400, "json": {"error": {"code": 1, "message": "x", "error_data": "not json"}}},
    ],
)
def test_what_is_no_answer_is_transient_whatever_the_sdk_makes_of_it(answer: dict[str, Any], told: Told) -> None:
    with Replay(always(**answer)) as server, pytest.raises(Transient):
        told.meta(server.url).check()
    assert len(told.waits) == 4


def test_a_web_page_is_called_one(told: Told) -> None:
    with Replay(always(status=200, text="<html>hello</html>")) as server, pytest.raises(Transient) as caught:
        told.meta(server.url).check()
    assert caught.value.code == "CTX-4019"


def test_one_bad_answer_in_between_changes_nothing(told: Told) -> None:
    with sandboxed() as (url, _, _):
        calm = list(told.meta(url).spend(last(3)))
    recorded = [ACCOUNT, at("ad", page(row())), at("account", page(row(ad="")))]
    with Replay(recorded, first=[{"status": 502, "text": "<html>error</html>"}] * 2) as server:
        assert [found.spend for found in told.meta(server.url).spend(last(1))] == [Decimal("1.00")]
    assert len(calm) == 12


def test_an_answer_that_drips_ends_in_time() -> None:
    body = json.dumps({"id": "act_1", "currency": "BRL", "timezone_name": ZONE}).encode()
    limits = Limits(connect=1.0, read=0.3, total=0.4, attempts=1)
    with FaultyServer(lambda *_: dripping(reply(200, body))) as server:
        graph = Graph(Secret(TOKEN, "test"), None, server.url, lambda _: None, limits)
        with pytest.raises(Transient):
            graph.ask("GET", ("act_1",), {}, dict)


def test_no_redirect_and_no_netrc_speaks_for_a_tenant(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    with Replay([ACCOUNT]) as other:
        moved = {"status": 302, "headers": {"Location": f"{other.url}/v26.0/act_100"}, "json": {}}
        with Replay(always(**moved)) as server:
            with pytest.raises(CortexError):
                told.meta(server.url).check()
            assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {TOKEN}"}
        assert other.requests == []


# Pages


def test_an_empty_page_in_the_middle_ends_nothing(told: Told) -> None:
    """The SDK's own cursor stops there: three rows instead of four."""
    recorded = [
        ACCOUNT,
        at("ad", page(row("3"), row("4")), after="c"),
        at("ad", page(after="c"), after="b"),
        at("ad", page(row("1"), row("2"), after="b")),
        at("account", page(row("", spend="4.00"))),
    ]
    with Replay(recorded) as server:
        assert [found.ad_id for found in told.meta(server.url).spend(last(1))] == ["1", "2", "3", "4"]
        assert all("access_token" not in request.query for request in server.requests)


@pytest.mark.parametrize(
    "pages",
    [
        [at("ad", page(row("1"), after="b"), after="b"), at("ad", page(row("1"), after="b"))],
        [at("ad", page(row("1")), after="b"), at("ad", page(row("1"), after="b"))],
        [at("ad", {"json": {"paging": {}}})],
    ],
    ids=["a circle", "a row twice", "no rows list"],
)
def test_pages_that_do_not_fit_are_read_again_and_then_told(pages: list[Any], told: Told) -> None:
    with Replay([ACCOUNT, *pages]) as server, pytest.raises(Transient) as caught:
        list(told.meta(server.url).spend(last(1)))
    assert caught.value.code == "CTX-4109"
    assert len(told.waits) == 2


@pytest.mark.parametrize("strange", [row(day=TODAY - timedelta(days=9)), row(account_id="999")])
def test_rows_of_other_days_or_accounts_are_refused(strange: dict[str, Any], told: Told) -> None:
    with Replay([ACCOUNT, at("ad", page(strange))]) as server, pytest.raises(PlatformError) as caught:
        list(told.meta(server.url).spend(last(1)))
    assert caught.value.code == "CTX-4110"


def test_at_most_seven_days_are_asked_for_at_once(told: Told) -> None:
    with sandboxed() as (url, _, received):
        rows = list(told.meta(url).spend(last(28)))
        assert len({found.day for found in rows}) == 28
        assert len(rows) == 28 * 4
        assert not [call for call in received.calls() if call.method == "POST"]
    with Replay([ACCOUNT, at("*", page())]) as server, pytest.raises(CortexError):
        list(told.meta(server.url).spend(last(28)))
    asked = [json.loads(one.query["time_range"]) for one in server.requests if "time_range" in one.query]
    assert all(date.fromisoformat(one["until"]) - date.fromisoformat(one["since"]) < timedelta(days=7) for one in asked)


@pytest.mark.parametrize(("sync_rows", "page_rows"), [(10, 1000), (3, 1000), (20_000, 100)])
def test_too_much_at_once_is_asked_for_in_smaller_pieces(sync_rows: int, page_rows: int, told: Told) -> None:
    """Smaller pages first, then fewer days, and a day that is still too much as a report."""
    with sandboxed() as (url, _, _):
        whole = list(told.meta(url).spend(last(7)))
    with sandboxed(sync_rows=sync_rows, page_rows=page_rows) as (url, _, received):
        pieces = list(told.meta(url).spend(last(7)))
        reports = [call for call in received.calls() if call.method == "POST"]
    assert sorted(map(repr, pieces)) == sorted(map(repr, whole))
    assert bool(reports) == (sync_rows == 3)


# Reports


def test_a_long_window_is_read_through_reports_to_the_last_row(told: Told) -> None:
    """The stand-in answers 1815107 right after `Completed`, and shows 100 % before it is done."""
    with sandboxed(days=40) as (url, _, received):
        rows = list(told.meta(url).spend(last(40)))
        starts = [call for call in received.calls() if call.method == "POST"]
    assert len(rows) == len({(found.day, found.ad_id) for found in rows}) == 160
    assert len(starts) == 6
    assert sum(found.spend for found in rows) == 160 * Decimal("10.50")


def test_a_report_is_read_only_when_it_is_both_completed_and_whole(told: Told) -> None:
    looks = [("Job Running", 100), ("Job Completed", 60), ("Job Completed", 100)]

    class Server(Replay):
        def answer(self, request: Any) -> Any:
            self.requests.append(request)
            if request.path.endswith("/act_100"):
                return ACCOUNT["response"]
            if request.method == "POST":
                return {"json": {"report_run_id": "77"}}
            if request.path.endswith("/77"):
                status, percent = looks.pop(0)
                return {"json": {"async_status": status, "async_percent_completion": percent}}
            return page()

    with Server([]) as server:
        meta = told.meta(server.url)
        assert meta._reported(last(7), "77") == []
    assert looks == []


def test_a_failed_report_is_asked_for_again_in_halves(told: Told) -> None:
    with sandboxed(days=40) as (url, stand_in, received):
        stand_in.failing_reports = 3
        assert len(list(told.meta(url).spend(last(40)))) == 160
        assert len([call for call in received.calls() if call.method == "POST"]) == 6 + 3 * 2


def test_a_day_whose_report_fails_says_why(told: Told) -> None:
    with sandboxed(days=40) as (url, stand_in, _):
        stand_in.failing_reports = 1000
        with pytest.raises(Transient) as caught:
            list(told.meta(url).spend(last(40)))
    assert caught.value.code == "CTX-4111"
    assert "2/1504038 The report ran too long." in caught.value.message


def test_a_report_that_never_ends_is_left_after_an_hour(told: Told) -> None:
    running = {"request": {"path": "/v26.0/77"}, "response": {"json": {"async_status": "Job Running"}}}
    started = {
        "request": {"method": "POST", "path": "/v26.0/act_100/insights"},
        "response": {"json": {"report_run_id": "77"}},
    }
    with Replay([ACCOUNT, started, running]) as server, pytest.raises(Transient) as caught:
        list(told.meta(server.url).spend(last(30)))
    assert caught.value.code == "CTX-4111"
    assert 3500 <= sum(told.waits) <= 3700


# Money and purchases


def spend_of(told: Told, ads: list[dict[str, Any]], totals: list[dict[str, Any]], **config: Any) -> list[AdSpend]:
    with Replay([ACCOUNT, at("ad", page(*ads)), at("account", page(*totals)), at("campaign", page())]) as server:
        return list(told.meta(server.url, **config).spend(last(1)))


ACTIONS = {
    "actions": [
        {"action_type": "link_click", "value": "40"},
        {"action_type": "purchase", "value": "3", "7d_click": "2"},
        {"action_type": "omni_purchase", "value": "4", "7d_click": "2", "1d_view": "1"},
        {"action_type": "offsite_conversion.fb_pixel_purchase", "value": "3"},
    ],
    "action_values": [
        {"action_type": "omni_purchase", "value": "400.10", "7d_click": "200.05", "1d_view": "100"},
        {"action_type": "purchase", "value": "300"},
    ],
}


@pytest.mark.parametrize(
    ("config", "count", "value"),
    [
        ({}, "4", "400.10"),
        ({"purchase_action_type": "purchase"}, "3", "300.00"),
        ({"purchase_action_type": "onsite_web_purchase"}, "0", "0.00"),
        ({"attribution_windows": ["7d_click"]}, "2", "200.05"),
        ({"attribution_windows": ["7d_click", "1d_view"]}, "3", "300.05"),
        ({"attribution_windows": ["28d_click"]}, "0", "0.00"),
    ],
)
def test_nested_kinds_of_purchase_are_never_added_up(
    config: dict[str, Any], count: str, value: str, told: Told
) -> None:
    [found] = spend_of(told, [row(**ACTIONS)], [row("", **ACTIONS)], **config)
    assert (found.conversions, found.conversion_value) == (Decimal(count), Decimal(value))


def test_an_account_without_omni_purchases_falls_back_to_purchases(told: Told) -> None:
    plain = {name: [one for one in entries if one["action_type"] == "purchase"] for name, entries in ACTIONS.items()}
    [found] = spend_of(told, [row(**plain)], [row("", **plain)])
    assert (found.conversions, found.conversion_value) == (Decimal(3), Decimal("300.00"))


def test_windows_are_asked_for_only_when_the_tenant_wants_them(told: Told) -> None:
    for config, asked in (({}, None), ({"attribution_windows": ["7d_click"]}, '["7d_click"]')):
        with Replay([ACCOUNT, at("*", page())]) as server, pytest.raises(CortexError):
            list(told.meta(server.url, **config).spend(last(1)))
        [query] = [one.query for one in server.requests if one.query.get("level") == "ad"][:1]
        assert query.get("action_attribution_windows") == asked


def test_money_of_deleted_ads_stays_in_the_day_and_is_told(told: Told) -> None:
    campaign = row("", spend="5.00", impressions="70", campaign_name="Verão")
    recorded = [
        ACCOUNT,
        at("ad", page(row("1", spend="3.00", impressions="50"))),
        at("campaign", page(campaign)),
        at("account", page({**row("", spend="6.25", impressions="80"), "campaign_id": ""})),
    ]
    with Replay(recorded) as server:
        ad, of_campaign, of_account = told.meta(server.url).spend(last(1))
    assert (ad.level, ad.spend) == ("ad", Decimal("3.00"))
    assert (of_campaign.level, of_campaign.campaign_id, of_campaign.spend) == ("campaign", "101", Decimal("2.00"))
    assert (of_account.level, of_account.campaign_id, of_account.spend) == ("campaign", "", Decimal("1.25"))
    assert (of_campaign.impressions, of_account.impressions) == (20, 10)
    [notice] = told.notices
    assert (notice.code, notice.count, notice.value) == ("spend-without-ad", 2, Decimal("3.25"))


SPENDS = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 10**6)), max_size=8)


@given(ads=SPENDS, hidden=SPENDS, unknown=st.integers(0, 500))
def test_ads_and_what_is_beyond_them_sum_to_the_account(
    ads: list[tuple[int, int]], hidden: list[tuple[int, int]], unknown: int
) -> None:
    def record(campaign: int, cents: int, ad: str = "") -> AdSpend:
        level = "ad" if ad else "campaign"
        spent = Decimal(cents).scaleb(-2)
        return AdSpend(
            platform="meta", account_id="act_1", level=level, day=TODAY, campaign_id=str(campaign or ""), ad_id=ad, spend=spent
        )  # fmt: skip

    rows = [record(campaign, cents, str(number)) for number, (campaign, cents) in enumerate(ads, 1)]
    by_campaign = {
        campaign: sum(cents for one, cents in [*ads, *hidden] if one == campaign)
        for campaign in {one for one, _ in [*ads, *hidden]}
    }
    total = record(0, sum(by_campaign.values()) + unknown)
    found = beyond([total], rows, lambda: [record(campaign, cents) for campaign, cents in by_campaign.items()])
    assert sum((each.spend for each in [*rows, *found]), Decimal(0)) == total.spend
    assert len({each.campaign_id for each in found}) == len(found)
    assert all(each.spend > 0 for each in found)


# History and throttling


def test_days_meta_has_forgotten_are_not_asked_for_and_are_told(told: Told) -> None:
    with sandboxed() as (url, _, received):
        meta = told.meta(url)
        assert meta.history.days is not None
        edge = TODAY - timedelta(days=meta.history.days)
        assert list(meta.spend(Window(edge - timedelta(days=5), edge + timedelta(days=2)))) == []
        assert len([call for call in received.calls() if call.path.endswith("insights")]) == 2
        asked = len(received.calls())
        assert list(meta.spend(Window(edge - timedelta(days=9), edge - timedelta(days=2)))) == []
        assert len(received.calls()) == asked
    assert [(notice.code, notice.count) for notice in told.notices] == [("history", 5), ("history", 7)]


def test_a_budget_that_is_nearly_spent_slows_the_next_question_down(told: Told) -> None:
    full = {"X-FB-Ads-Insights-Throttle": '{"app_id_util_pct": 80, "acc_id_util_pct": 1}'}
    recorded = [ACCOUNT, *(at(level, {**page(), "headers": full}) for level in ("ad", "account"))]
    with Replay(recorded) as server:
        list(told.meta(server.url).spend(last(1)))
    assert told.waits == [60.0]


def test_a_long_wait_is_handed_back_instead_of_slept(told: Told) -> None:
    usage = {"100": [{"type": "ads_insights", "call_count": 95, "estimated_time_to_regain_access": 12}]}
    headers = {"X-Business-Use-Case-Usage": json.dumps(usage)}
    with Replay([ACCOUNT, at("ad", {**page(), "headers": headers})]) as server, pytest.raises(Throttled) as caught:
        list(told.meta(server.url).spend(last(1)))
    assert caught.value.retry_after == 720.0
    assert told.waits == []


@pytest.mark.parametrize(
    ("headers", "app", "account", "regain"),
    [
        ({}, 0, 0, 0),
        ({"x-app-usage": '{"call_count": 76, "total_cputime": 5}'}, 76, 0, 0),
        ({"X-Ad-Account-Usage": '{"acc_id_util_pct": 91.5}'}, 0, 91.5, 0),
        ({"X-Business-Use-Case-Usage": '{"1": [{"type": "ads_management", "call_count": 99}]}'}, 0, 0, 0),
        ({"X-App-Usage": "not json"}, 0, 0, 0),
        ({"X-App-Usage": "[]", "X-Business-Use-Case-Usage": '{"1": 5}'}, 0, 0, 0),
    ],
)
def test_usage_headers_are_read_whatever_their_state(
    headers: dict[str, str], app: float, account: float, regain: float
) -> None:
    usage = Usage()
    usage.read(headers)
    assert (usage.app, usage.account, usage.regain) == (app, account, regain)


def test_the_recorded_small_market_is_read_to_the_cent(told: Told) -> None:
    with sandboxed() as (url, _, _):
        rows = list(told.meta(url).spend(last(10)))
    wanted = {(day, f"30{ad}"): ad_day(day, ad).spend for day in days_before(10) for ad in (1, 2, 3, 4)}
    assert {(found.day, found.ad_id): found.spend for found in rows} == wanted
    assert not told.notices


def test_numbers_are_read_as_texts_and_what_is_null_is_nothing(told: Told) -> None:
    nothing = row("2", spend=None, actions=None, campaign_name=None)
    with Replay(
        [ACCOUNT, at("ad", page(row(spend="12.50", impressions="9"), nothing)), at("account", page())]
    ) as server:
        first, second = told.meta(server.url).spend(last(1))
    assert (first.spend, first.impressions) == (Decimal("12.50"), 9)
    assert (second.spend, second.conversions, second.campaign_name) == (0, 0, "")
    assert told.aside == []


def test_a_row_that_cannot_be_is_set_aside_and_its_money_stays_in_the_day(told: Told) -> None:
    """F17: what the account tells as its total holds it, so that the day's spend is still whole."""
    rows = [
        row("1", spend="3.00"), row("2", spend="abc"), row("3", impressions="many"), {**row("4"), "campaign_id": 5},
        row("5", actions=[{"action_type": "omni_purchase", "value": "x"}]), row("6", gift="of Meta"),
    ]  # fmt: skip
    recorded = [
        ACCOUNT,
        at("ad", page(*rows)),
        at("campaign", page({**row("", spend="20.00"), "campaign_name": "Verão"})),
        at("account", page({**row("", spend="20.00"), "campaign_id": ""})),
    ]
    with Replay(recorded) as server:
        found = list(told.meta(server.url).spend(last(1)))
    assert [(one.ad_id, one.level, one.spend) for one in found] == [
        ("1", "ad", Decimal("3.00")), ("6", "ad", Decimal("1.00")), ("", "campaign", Decimal("16.00")),
    ]  # fmt: skip
    assert {(one.stream, one.key, one.reason.partition(" - ")[0]) for one in told.aside} == {
        ("ads.meta", f"{TODAY} 101 2", "an amount is not a number"),
        ("ads.meta", f"{TODAY} 101 3", "a count is not a number"),
        ("ads.meta", f"{TODAY} 4", "has another shape than documented: Expected `str`, got `int`"),
        ("ads.meta", f"{TODAY} 101 5", "a count is not a number"),
    }
