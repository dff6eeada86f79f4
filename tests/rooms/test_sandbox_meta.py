"""The Meta stand-in, asked by the vendor's own SDK and by plain HTTP: it refuses what Meta refuses, and counts as Meta counts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests

from cortex.sandbox import Running, serve
from cortex.sandbox.market import Market
from cortex.sandbox.meta import MetaStandIn
from cortex.sandbox.received import Received
from cortex.sandbox.wire import Request, standing
from tests.small_market import NOW, TODAY, Hand, digest, market, purchase

WEEK = {"since": str(TODAY - timedelta(days=6)), "until": str(TODAY)}
FIELDS = "ad_id,spend,impressions,actions,action_values"
AUTH = {"Authorization": "Bearer meta-token-1"}


@pytest.fixture(scope="module")
def hand() -> Hand:
    return Hand()


@pytest.fixture(scope="module")
def running(hand: Hand) -> Iterator[Running]:
    with serve(market(days=30), clock=hand, google=False) as sandbox:
        yield sandbox


@pytest.fixture(autouse=True)
def fresh(running: Running, hand: Hand) -> None:
    hand.now = NOW
    running.received.clear()


def sdk(running: Running, token: str = "meta-token-1", secret: str | None = None) -> Any:
    from facebook_business.api import FacebookAdsApi
    from facebook_business.session import FacebookSession

    session = FacebookSession(app_secret=secret, access_token=token, timeout=(5, 30))
    session.GRAPH = running.http_url
    return FacebookAdsApi(session, api_version="v26.0")


def every_row(running: Running, node: str = "act_100", **params: Any) -> list[dict[str, Any]]:
    """A pager that trusts `next` alone, over the vendor's transport."""
    from facebook_business.api import FacebookAdsApi

    api: FacebookAdsApi = sdk(running)
    rows: list[dict[str, Any]] = []
    while True:
        body = api.call("GET", (node, "insights"), params=dict(params)).json()
        rows += body["data"]
        if "next" not in body.get("paging", {}):
            return rows
        params["after"] = body["paging"]["cursors"]["after"]


def get(running: Running, path: str, version: str = "v26.0", **params: Any) -> requests.Response:
    values = {name: json.dumps(value) if isinstance(value, dict | list) else value for name, value in params.items()}
    return requests.get(f"{running.http_url}/{version}/{path}", params=values, headers=AUTH, timeout=10)


def error(response: requests.Response) -> tuple[int, int, int]:
    body = response.json()["error"]
    assert body["fbtrace_id"]
    return response.status_code, body["code"], body.get("error_subcode", 0)


def send(running: Running, *events: Any, pixel: str = "1777777", **more: Any) -> requests.Response:
    body = {"data": list(events)} | more
    return requests.post(f"{running.http_url}/v26.0/{pixel}/events", json=body, headers=AUTH, timeout=10)


# Who may see what


def test_the_sdk_reads_account_and_pixel(running: Running) -> None:
    from facebook_business.adobjects.adaccount import AdAccount
    from facebook_business.adobjects.adspixel import AdsPixel

    api = sdk(running, secret="s" * 32)
    account = AdAccount("act_100", api=api).api_get(fields=["name", "currency", "timezone_name"])
    assert (account["name"], account["currency"], account["timezone_name"]) == ("alfa ads", "BRL", "America/Sao_Paulo")
    assert AdsPixel("1777777", api=api).api_get(fields=["name"])["name"] == "Alfa pixel"
    assert set(get(running, "me").json()) == {"id", "name"}


@pytest.mark.parametrize("way", ["header", "query", "form"])
def test_a_token_is_taken_from_header_query_or_form(running: Running, way: str) -> None:
    url = f"{running.http_url}/v26.0/act_100/insights"
    values = {"time_range": json.dumps(WEEK)}
    if way == "header":
        answer = requests.get(url, params=values, headers=AUTH, timeout=10)
    elif way == "query":
        answer = requests.get(url, params=values | {"access_token": "meta-token-1"}, timeout=10)
    else:
        answer = requests.post(url, data=values | {"access_token": "meta-token-1"}, timeout=10)
    assert answer.status_code == 200


def test_a_wrong_token_is_190_and_another_shops_account_is_not_told_apart_from_permission(running: Running) -> None:
    bad = requests.get(f"{running.http_url}/v26.0/me", headers={"Authorization": "Bearer x"}, timeout=10)
    assert error(bad) == (400, 190, 0)
    assert bad.json()["error"]["type"] == "OAuthException"
    assert error(get(running, "act_200")) == (403, 200, 0)
    assert error(get(running, "act_999")) == (400, 100, 33)
    assert error(get(running, "2777777")) == (400, 100, 33)


@pytest.mark.parametrize(("proof", "status"), [("0" * 64, 200), ("0" * 63, 400), ("secret", 400)])
def test_a_proof_of_the_app_secret_must_look_like_one(running: Running, proof: str, status: int) -> None:
    assert get(running, "me", appsecret_proof=proof).status_code == status


@pytest.mark.parametrize(("version", "status"), [("v22.0", 400), ("v23.0", 200), ("v26.0", 200), ("v27.0", 400)])
def test_versions_outside_the_window_are_gone(running: Running, version: str, status: int) -> None:
    answer = get(running, "me", version)
    assert answer.status_code == status
    assert status == 200 or answer.json()["error"]["code"] == 2635


# Insights


def test_numbers_are_texts_and_the_same_purchase_has_several_names(running: Running) -> None:
    day = {"since": str(TODAY), "until": str(TODAY)}
    rows = every_row(running, level="ad", time_increment=1, fields=FIELDS, time_range=day)
    row = next(row for row in rows if row["ad_id"] == "301")
    assert (row["spend"], row["impressions"]) == ("10.50", "1001")
    purchases = {each["action_type"]: each["value"] for each in row["actions"] if "purchase" in each["action_type"]}
    assert set(purchases) >= {"purchase", "omni_purchase", "offsite_conversion.fb_pixel_purchase"}
    assert set(purchases.values()) == {"2"}
    values = [each["value"] for each in row["action_values"] if each["action_type"] == "omni_purchase"]
    assert values == ["399.80"]


@pytest.mark.parametrize("limit", [1, 7, 25, 100, 500])
def test_following_next_gives_every_row_once_whatever_the_page_size(running: Running, limit: int) -> None:
    rows = every_row(running, level="ad", time_increment=1, fields=FIELDS, time_range=WEEK, limit=limit)
    keys = [(row["date_start"], row["ad_id"]) for row in rows]
    assert len(keys) == len(set(keys)) == 7 * 4
    assert sum(Decimal(row["spend"]) for row in rows) == Decimal("10.50") * 28


def test_a_long_list_has_an_empty_page_in_its_middle_that_the_sdks_cursor_falls_for(running: Running) -> None:
    from facebook_business.adobjects.adaccount import AdAccount

    asked = {
        "level": "ad",
        "time_increment": 1,
        "time_range": {"since": str(TODAY - timedelta(days=29)), "until": str(TODAY)},
    }
    sizes, after = [], None
    while True:
        page = get(
            running, "act_100/insights", fields="spend", limit=50, **asked, **({"after": after} if after else {})
        ).json()
        sizes.append(len(page["data"]))
        if "next" not in page["paging"]:
            break
        after = page["paging"]["cursors"]["after"]
    assert sizes == [50, 0, 50, 20]
    cursor = AdAccount("act_100", api=sdk(running)).get_insights(fields=["spend"], params=asked | {"limit": 50})
    assert len(list(cursor)) < 120


def test_the_default_page_has_25_rows_and_next_carries_the_token(running: Running) -> None:
    page = get(running, "act_100/insights", level="ad", time_increment=1, time_range=WEEK).json()
    assert len(page["data"]) == 25
    assert "access_token=meta-token-1" in page["paging"]["next"]
    rest = requests.get(page["paging"]["next"], timeout=10).json()
    assert len(rest["data"]) == 3
    assert "next" not in rest["paging"]


def test_levels_add_up_and_hide_what_lies_below_them(running: Running) -> None:
    totals = {}
    for level in ("account", "campaign", "adset", "ad"):
        rows = every_row(running, level=level, fields="spend,ad_id,campaign_id", time_range=WEEK)
        totals[level] = (len(rows), sum(Decimal(row["spend"]) for row in rows))
        assert all(("ad_id" in row) == (level == "ad") for row in rows)
    assert [count for count, _ in totals.values()] == [1, 2, 2, 4]
    assert len({total for _, total in totals.values()}) == 1


def test_reach_does_not_add_up_over_days(running: Running) -> None:
    daily = every_row(running, fields="reach", level="ad", time_increment=1, time_range=WEEK)
    whole = every_row(running, fields="reach", level="account", time_range=WEEK)
    assert int(whole[0]["reach"]) < sum(int(row["reach"]) for row in daily)


def test_windows_are_siblings_of_value_and_an_absent_one_is_zero(running: Running) -> None:
    rows = every_row(
        running,
        level="account",
        fields="action_values,attribution_setting",
        time_range=WEEK,
        action_attribution_windows=["1d_click", "7d_click", "1d_view", "1d_ev"],
    )
    value = rows[0]["action_values"][0]
    assert Decimal(value["1d_click"]) < Decimal(value["7d_click"]) < Decimal(value["value"])
    assert rows[0]["attribution_setting"] == "7d_click_1d_view"
    few = every_row(
        running, level="ad", time_increment=1, fields="actions", time_range=WEEK, action_attribution_windows=["1d_ev"]
    )
    assert "1d_ev" not in few[0]["actions"][1]


@pytest.mark.parametrize("window", ["7d_view", "28d_view", "90d_click"])
def test_windows_that_ended_are_refused_though_the_sdk_still_names_them(running: Running, window: str) -> None:
    assert error(get(running, "act_100/insights", action_attribution_windows=[window]))[:2] == (400, 100)


@pytest.mark.parametrize(
    "params",
    [
        {"fields": "spend,profit"},
        {"level": "creative"},
        {"time_range": {"since": "2026-11-20", "until": "2026-11-01"}},
        {"time_range": {"since": "20/11/2026", "until": "20/11/2026"}},
        {"time_range": {"since": "2023-10-19", "until": "2026-11-01"}},
        {"time_increment": 91},
        {"breakdowns": ["dma"]},
        {"action_breakdowns": ["action_destination"]},
        {"limit": 0},
        {"after": "bm9uc2Vuc2U"},
        {"colour": "blue"},
    ],
)
def test_what_meta_would_not_understand_is_error_100(running: Running, params: dict[str, Any]) -> None:
    assert error(get(running, "act_100/insights", **params))[:2] == (400, 100)


def test_thirty_seven_months_are_the_end_of_history(running: Running) -> None:
    first = {"since": "2023-10-20", "until": "2026-11-20"}
    assert get(running, "act_100/insights", time_range=first).status_code == 200
    assert error(get(running, "act_100/insights", time_range=first | {"since": "2023-10-19"})) == (400, 100, 3018)


def test_a_cursor_of_another_question_is_refused(running: Running) -> None:
    page = get(running, "act_100/insights", level="ad", time_increment=1, time_range=WEEK).json()
    after = page["paging"]["cursors"]["after"]
    assert error(get(running, "act_100/insights", level="campaign", time_range=WEEK, after=after))[:2] == (400, 100)


def test_nothing_after_now_is_shown(running: Running, hand: Hand) -> None:
    hand.now = NOW - timedelta(days=3)
    rows = every_row(running, level="account", time_increment=1, time_range=WEEK)
    assert max(row["date_start"] for row in rows) == str(TODAY - timedelta(days=3))


def test_too_much_at_once_is_http_500_that_smaller_questions_cure(running: Running) -> None:
    stand_in = alone(market(), sync_rows=20, page_rows=10)
    wide = ask(stand_in, "act_100/insights", level="ad", time_increment=1, time_range=WEEK)
    assert (wide.status, wide.json()["error"]["code"]) == (500, 1)
    assert "reduce the amount of data" in wide.json()["error"]["message"]
    day = {"since": str(TODAY), "until": str(TODAY)}
    assert ask(stand_in, "act_100/insights", level="ad", time_range=day).status == 200
    four = {"since": str(TODAY - timedelta(days=3)), "until": str(TODAY)}
    assert ask(stand_in, "act_100/insights", level="ad", time_range=four, limit=500).status == 500


def alone(world: Market, **options: Any) -> MetaStandIn:
    return MetaStandIn(world, clock=standing(NOW), received=Received(), **options)


def ask(stand_in: MetaStandIn, path: str, **params: Any) -> Any:
    query = [(k, json.dumps(v) if isinstance(v, dict) else str(v)) for k, v in params.items()]
    request = Request("GET", f"/v26.0/{path}", [*query, ("access_token", "meta-token-1")])
    return stand_in.handle(request)


# Reports


def poll(api: Any, run: str) -> list[tuple[str, int]]:
    seen = []
    for _ in range(20):
        body = api.call("GET", (run,)).json()
        seen.append((body["async_status"], body["async_percent_completion"]))
        if body["async_status"] in ("Job Completed", "Job Failed"):
            return seen
    raise AssertionError(seen)


def test_a_report_is_done_only_when_completed_and_its_first_read_still_fails(running: Running) -> None:
    from facebook_business.exceptions import FacebookRequestError

    api = sdk(running)
    params = {"level": "ad", "time_increment": 1, "fields": "ad_id,spend", "time_range": WEEK}
    run = api.call("POST", ("act_100", "insights"), params=params).json()["report_run_id"]
    with pytest.raises(FacebookRequestError) as early:
        api.call("GET", (run, "insights"))
    assert not early.value.api_transient_error()
    seen = poll(api, run)
    assert seen[0] == ("Job Not Started", 0)
    assert ("Job Running", 100) in seen
    assert seen[-1] == ("Job Completed", 100)
    with pytest.raises(FacebookRequestError) as first:
        api.call("GET", (run, "insights"))
    assert (first.value.api_error_subcode(), first.value.api_transient_error()) == (1815107, True)
    assert len(every_row(running, run, limit=10)) == 28


def test_a_fast_sandbox_has_its_report_ready_at_the_first_look() -> None:
    stand_in = alone(market(), rate_scale=5)
    body = json.dumps({"time_range": WEEK, "access_token": "meta-token-1"}).encode()
    kind = {"Content-Type": "application/json"}
    run = stand_in.handle(Request.of("POST", "/v26.0/act_100/insights", kind, body)).json()["report_run_id"]
    assert ask(stand_in, run).json()["async_status"] == "Job Completed"


def test_the_sdks_own_asynchronous_call_works(running: Running) -> None:
    from facebook_business.adobjects.adaccount import AdAccount

    api = sdk(running)
    job = AdAccount("act_100", api=api).get_insights_async(
        fields=["spend"], params={"level": "campaign", "time_range": dict(WEEK)}
    )
    poll(api, job["report_run_id"])
    assert job.api_get()["async_status"] == "Job Completed"


def test_a_failed_report_says_why_and_is_not_readable_by_another_token(running: Running) -> None:
    api = sdk(running)
    running.meta.failing_reports = 1
    run = api.call("POST", ("act_100", "insights"), params={"time_range": WEEK}).json()["report_run_id"]
    assert poll(api, run)[-1][0] == "Job Failed"
    assert {"error_code", "error_subcode", "error_message"} <= api.call("GET", (run,)).json().keys()
    other = requests.get(f"{running.http_url}/v26.0/{run}", params={"access_token": "meta-token-2"}, timeout=10)
    assert error(other) == (400, 100, 33)


# Limits


def test_headers_tell_how_full_the_budget_is_and_full_is_80000() -> None:
    stand_in = alone(market(), rate_scale=0.005)  # 11 calls an hour
    statuses = []
    for _ in range(13):
        answer = ask(stand_in, "act_100/insights", time_range=WEEK)
        statuses.append(answer.status)
    assert statuses == [200] * 11 + [400] * 2
    use = json.loads(answer.headers["X-Business-Use-Case-Usage"])["100"][0]
    assert (use["type"], use["call_count"]) == ("ads_insights", 100)
    assert 55 <= use["estimated_time_to_regain_access"] <= 60
    assert answer.json()["error"]["code"] == 80000
    throttle = json.loads(answer.headers["X-FB-Ads-Insights-Throttle"])
    assert throttle["acc_id_util_pct"] == 100
    assert ask(stand_in, "act_100").status == 200


# Conversions


def test_the_sdks_event_request_is_taken_in_its_double_encoding(running: Running) -> None:
    from facebook_business.adobjects.adspixel import AdsPixel

    answer = AdsPixel("1777777", api=sdk(running)).create_event(params={"data": [json.dumps(purchase("A1"))]})
    assert answer["events_received"] == 1
    assert running.received.orders("meta") == {"A1": Decimal("199.9")}


def test_json_is_taken_and_answered_as_meta_answers(running: Running) -> None:
    answer = send(running, purchase("A1"), purchase("A2"), partner_agent="cortex").json()
    assert set(answer) == {"events_received", "messages", "fbtrace_id"}
    assert (answer["events_received"], answer["messages"]) == (2, [])
    delivery = running.received.deliveries("meta")[0]
    assert (delivery.order_id, delivery.value, delivery.currency) == ("A1", Decimal("199.9"), "BRL")
    assert delivery.identifiers == ("client_ip_address", "client_user_agent", "em", "fbc", "fbp")


def broken(**user: Any) -> dict[str, Any]:
    event = purchase("X")
    return event | {"user_data": event["user_data"] | user}


def custom(**changes: Any) -> dict[str, Any]:
    event = purchase("X")
    return event | {"custom_data": {k: v for k, v in (event["custom_data"] | changes).items() if v is not None}}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in purchase("X").items() if name not in names}


REFUSED: dict[str, tuple[Any, int]] = {
    "older than seven days": (purchase("X", age=timedelta(days=7, seconds=1)), 2804003),
    "milliseconds instead of seconds": (purchase("X", event_time=int(NOW.timestamp() * 1000)), 0),
    "in the future": (purchase("X", age=timedelta(seconds=-61)), 0),
    "no name": (without("event_name"), 0),
    "no time": (without("event_time"), 0),
    "no user": (without("user_data"), 0),
    "no action source": (without("action_source"), 0),
    "unknown action source": (purchase("X", action_source="web"), 0),
    "website without address": (without("event_source_url"), 0),
    "website without user agent": (purchase("X", user_data={"em": [digest("a@example.com")]}), 0),
    "no value": (custom(value=None), 2804009),
    "value as words": (custom(value="R$ 10"), 2804009),
    "negative value": (custom(value=-1), 2804009),
    "no currency": (custom(currency=None), 2804009),
    "currency as a sign": (custom(currency="R$"), 2804009),
    "only a city": (purchase("X", user_data={"ct": [digest("x")], "client_user_agent": "M"}), 2804050),
    "only a first name and gender": (
        purchase("X", action_source="other", user_data={"fn": [digest("x")], "ge": [digest("f")]}),
        2804050,
    ),
    "phone in the clear": (broken(ph=["5511987654321"]), 2804016),
    "upper-case hash": (broken(em=[digest("a").upper()]), 2804016),
    "md5": (broken(em=["d41d8cd98f00b204e9800998ecf8427e"]), 2804016),
    "hash of nothing": (broken(em=[digest("")]), 0),
    "empty list": (broken(em=[]), 0),
    "unknown key": (broken(email=[digest("a")]), 0),
    "unknown event key": (purchase("X", eventId="1"), 0),
    "address with a port": (broken(client_ip_address="203.0.113.9:443"), 0),
    "fbc without its parts": (broken(fbc="AbCdEf"), 0),
    "fbc in seconds": (broken(fbc="fb.1.1763600000.AbCdEf"), 0),
    "fbp invented": (broken(fbp="1234"), 0),
    "e-mail in the address bar": (purchase("X", event_source_url="https://alfa.example/?e=ana%40example.com"), 2804016),
    "e-mail as external id": (broken(external_id="ana@example.com"), 2804016),
    "no object": ("purchase", 0),
}


@pytest.mark.parametrize("case", REFUSED)
def test_one_bad_event_refuses_the_whole_batch(running: Running, case: str) -> None:
    event, subcode = REFUSED[case]
    answer = send(running, purchase("GOOD"), event)
    assert answer.status_code == 400, answer.text
    assert error(answer)[1:] == (100, subcode)
    assert "ana@example.com" not in answer.text
    assert running.received.deliveries("meta") == []
    assert [refusal.events for refusal in running.received.refusals("meta")] == [2]


ACCEPTED: dict[str, Any] = {
    "seven days old": purchase("X", age=timedelta(days=7)),
    "a minute ahead": purchase("X", age=timedelta(seconds=-60)),
    "62 days in a shop": purchase("X", age=timedelta(days=62), action_source="physical_store"),
    "the parameter builder's suffixes": broken(
        em=[digest("a") + ".AbCd1234"], fbc="fb.1.1763600000000.AbCdEf.Bg", fbp="fb.1.1763600000000.123.AbCdEfGh"
    ),
    "ipv6": broken(client_ip_address="2001:db8::1"),
    "one text instead of a list": broken(em=digest("a")),
    "free custom data": custom(coupon="SUMMER", net_revenue=10.5),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_what_the_rules_allow_is_taken(running: Running, case: str) -> None:
    assert send(running, ACCEPTED[case]).status_code == 200


def test_a_thousand_events_are_taken_and_one_more_is_not(running: Running) -> None:
    batch = [purchase(str(number)) for number in range(1001)]
    assert send(running, *batch[:1000]).json()["events_received"] == 1000
    assert send(running, *batch).status_code == 400
    assert send(running).status_code == 400


def test_the_first_of_two_counts_within_48_hours_and_both_count_after(running: Running, hand: Hand) -> None:
    for _ in range(2):
        send(running, purchase("D1"))
    hand.forward(hours=47, minutes=59)
    send(running, purchase("D1"))
    assert [delivery.outcome for delivery in running.received.deliveries("meta")] == [
        "counted",
        "duplicate",
        "duplicate",
    ]
    assert running.received.orders("meta") == {"D1": Decimal("199.9")}
    hand.forward(minutes=1)
    send(running, purchase("D1"))
    assert running.received.orders("meta") == {"D1": Decimal("399.8")}


def test_another_name_another_pixel_and_no_id_are_never_duplicates(running: Running) -> None:
    send(running, purchase("E1"), purchase("E1", event_name="AddToCart"))
    requests.post(
        f"{running.http_url}/v26.0/2777777/events?access_token=meta-token-2",
        json={"data": [purchase("E1")]},
        timeout=10,
    )
    send(running, without("event_id"), without("event_id"))
    assert {delivery.outcome for delivery in running.received.deliveries("meta")} == {"counted"}
    assert len(running.received.counted("meta", "1777777")) == 4


def test_test_events_are_counted_like_real_ones(running: Running) -> None:
    send(running, purchase("T1"), test_event_code="TEST123")
    assert running.received.deliveries("meta")[0].test
    assert running.received.orders("meta") == {"T1": Decimal("199.9")}


def test_another_shops_pixel_takes_nothing(running: Running) -> None:
    assert error(send(running, purchase("F1"), pixel="2777777")) == (400, 100, 33)
    assert running.received.deliveries("meta") == []


def test_two_shops_with_one_token_are_both_reached() -> None:
    world = market()
    world.shops[1].meta_token = "meta-token-1"
    stand_in = alone(world)
    assert [ask(stand_in, account).status for account in ("act_100", "act_200")] == [200, 200]
