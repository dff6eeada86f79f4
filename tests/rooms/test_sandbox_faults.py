"""Injected faults: each looks on the wire like the real thing, strikes when it should, and leaves a trace in the record."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import quote, urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from cortex.sandbox import Faults, Running, serve
from cortex.sandbox.faults import KINDS, spoil
from cortex.sandbox.wire import Response
from tests.small_market import TODAY, conversion, ingest, market, purchase

META = {"Authorization": "Bearer meta-token-1"}
DAY = json.dumps({"since": str(TODAY), "until": str(TODAY)}, separators=(",", ":"))
LIST = f"/v26.0/act_100/insights?level=ad&time_increment=1&limit=10&time_range={quote(DAY)}"


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with serve(market(), google=False, rate_scale=1000) as sandbox:
        sandbox.faults.hang_seconds = 5
        sandbox.faults.slow_seconds = 0.01
        yield sandbox


def fetch(running: Running, path: str = LIST, timeout: float = 5) -> requests.Response:
    return requests.get(running.http_url + path, headers=META, timeout=timeout)


def faulty(running: Running, kind: str, path: str = LIST, **options: float) -> requests.Response:
    running.received.clear()
    running.faults.once("/v", kind)
    return fetch(running, path, **options)


# When


def test_the_same_seed_gives_the_same_fate_to_the_same_request() -> None:
    mix = dict.fromkeys(KINDS, 0.05)
    one, two, other = Faults(7, mix), Faults(7, mix), Faults(8, mix)
    fates = [[faults.draw(f"/{n}") for n in range(500)] for faults in (one, two, other)]
    assert fates[0] == fates[1] != fates[2]


def test_a_mix_strikes_as_often_as_it_says() -> None:
    faults = Faults(1, {"429": 0.1, "500": 0.02})
    found = Counter(faults.draw("/") for _ in range(20_000))
    assert found["429"] == pytest.approx(2000, rel=0.1)
    assert found["500"] == pytest.approx(400, rel=0.2)
    assert found[""] == 20_000 - found["429"] - found["500"]


def test_only_the_named_prefixes_are_hit_and_others_do_not_move_the_dice() -> None:
    mixed, pure = (Faults(3, {"reset": 0.5}, prefixes=["/v26.0/"]) for _ in range(2))
    hits = []
    for n in range(100):
        assert mixed.draw("/token") == ""
        hits.append(mixed.draw(f"/v26.0/{n}"))
    assert hits == [pure.draw("/v26.0/x") for _ in range(100)]


def test_scripted_faults_come_first_in_their_order_and_only_to_their_path() -> None:
    faults = Faults()
    faults.once("/a", "500", times=2)
    faults.once("/a", "hang")
    assert [faults.draw(path) for path in ("/b", "/a", "/a/x", "/a", "/a")] == ["", "500", "500", "hang", ""]


@pytest.mark.parametrize("mix", [{"404": 0.1}, {"429": 0.7, "500": 0.4}, {"429": -0.1}])
def test_a_mix_that_cannot_be_is_refused(mix: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="fault"):
        Faults(0, mix)


# What


def test_throttling_is_worded_as_each_platform_words_it(running: Running) -> None:
    codes = {faulty(running, "429").json()["error"]["code"] for _ in range(3)}
    assert codes == {4, 17, 80000}
    answer = faulty(running, "429")
    assert (answer.status_code, answer.json()["error"]["is_transient"]) == (400, True)
    assert "estimated_time_to_regain_access" in answer.headers["X-Business-Use-Case-Usage"]
    google = faulty(running, "429", "/v1beta/properties/501/metadata")
    assert (google.status_code, google.json()["error"]["status"]) == (429, "RESOURCE_EXHAUSTED")


def test_plain_throttling_asks_for_patience_in_four_ways() -> None:
    faults = Faults(retry_after=3)
    headers = [faults.answer(429).headers for _ in range(4)]
    assert headers[0]["Retry-After"] == "3"
    assert parsedate_to_datetime(headers[1]["Retry-After"]).tzinfo is not None
    assert headers[2]["X-Rate-Limit-Reset"] == "3000"
    assert not {"Retry-After", "X-Rate-Limit-Reset"} & headers[3].keys()


@pytest.mark.parametrize("status", [500, 502, 503])
def test_server_errors_come_as_json_and_gateways_as_web_pages(running: Running, status: int) -> None:
    answer = faulty(running, str(status))
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html" if status == 502 else "application/json")


def raw(running: Running) -> socket.socket:
    parts = urlsplit(running.http_url)
    connection = socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=5)
    connection.sendall(f"GET {LIST} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer meta-token-1\r\n\r\n".encode())
    return connection


def everything(connection: socket.socket) -> bytes:
    parts = b""
    while part := connection.recv(65536):
        parts += part
    return parts


def test_reset_is_a_reset_before_any_byte(running: Running) -> None:
    running.faults.once("/v", "reset")
    with raw(running) as connection, pytest.raises(ConnectionResetError):
        connection.recv(1)


def test_reset_mid_sends_half_and_resets(running: Running) -> None:
    running.faults.once("/v", "reset_mid")
    connection = http.client.HTTPConnection(*_address(running), timeout=5)
    connection.request("GET", LIST, headers=META)
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        connection.getresponse().read()
    connection.close()


def _address(running: Running) -> tuple[str, int]:
    parts = urlsplit(running.http_url)
    return str(parts.hostname), int(parts.port or 0)


def test_truncate_announces_more_than_it_sends_and_ends_in_good_order(running: Running) -> None:
    running.faults.once("/v", "truncate")
    with raw(running) as connection:
        head, _, body = everything(connection).partition(b"\r\n\r\n")
    announced = int(dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])[b"Content-Length"])
    assert len(body) == announced // 2


def test_bad_json_has_the_right_length(running: Running) -> None:
    good = fetch(running)
    answer = faulty(running, "badjson")
    assert (answer.status_code, len(answer.content)) == (200, len(good.content))
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


def test_html_with_200(running: Running) -> None:
    answer = faulty(running, "html")
    assert (answer.status_code, answer.content[:1]) == (200, b"<")


def test_hang_answers_nothing(running: Running) -> None:
    begun = time.monotonic()
    with pytest.raises(requests.exceptions.ReadTimeout):
        faulty(running, "hang", timeout=0.3)
    assert time.monotonic() - begun < 1


def test_slow_keeps_every_read_timeout_happy(running: Running) -> None:
    begun = time.monotonic()
    answer = faulty(running, "slow", "/v26.0/me", timeout=0.2)
    assert answer.json()["name"]
    assert time.monotonic() - begun > 0.4


def test_a_page_comes_twice(running: Running) -> None:
    path = "/v26.0/act_100/insights?level=ad&time_increment=1&limit=10"
    first = fetch(running, path).json()
    after = first["paging"]["cursors"]["after"]
    running.faults.once("/v", "dup_page")
    assert fetch(running, f"{path}&after={after}").json() == first
    assert fetch(running, f"{path}&after={after}").json()["data"] != first["data"]


def test_a_page_of_another_caller_never_comes(running: Running) -> None:
    fetch(running, "/v26.0/me?fields=name")
    running.faults.once("/v", "dup_page")
    mine = fetch(running, "/v26.0/me?fields=name").json()
    other = {"Authorization": "Bearer meta-token-2"}
    running.faults.once("/v", "dup_page")
    answer = requests.get(f"{running.http_url}/v26.0/me?fields=name", headers=other, timeout=5).json()
    assert answer["id"] != mine["id"]


def test_nor_does_a_page_of_another_question(running: Running) -> None:
    fetch(running)
    running.faults.once("/v", "dup_page")
    campaigns = fetch(running, "/v26.0/act_100/insights?level=campaign&fields=campaign_id").json()
    assert all("campaign_id" in row for row in campaigns["data"])


def test_rows_vanish_only_where_a_total_betrays_it() -> None:
    def page(body: bytes) -> Response:
        return Response(200, {"X-Total-Count": "30"}, body)

    emptied = spoil("empty_page", page(b'[{"id":1}]'), None)
    assert emptied is not None
    assert (emptied.body, emptied.headers["X-Total-Count"]) == (b"[]", "30")
    report = spoil("empty_page", page(b'{"rows":[{}],"rowCount":1}'), None)
    assert report is not None
    assert report.json() == {"rowCount": 1}
    assert spoil("empty_page", page(b'{"data":[{"id":1}],"paging":{}}'), None) is None


# What is done is done


@pytest.mark.parametrize(
    ("kind", "counted"), [("lost_after_commit", 1), ("reset_mid", 1), ("reset", 0), ("500", 0), ("429", 0)]
)
def test_some_faults_strike_after_the_event_was_taken(running: Running, kind: str, counted: int) -> None:
    running.received.clear()
    running.faults.once("/v26.0/1777777/events", kind)
    body = {"data": [purchase(f"L-{kind}")]}
    try:
        answer = requests.post(f"{running.http_url}/v26.0/1777777/events", json=body, headers=META, timeout=5)
        assert answer.status_code >= 400
    except requests.exceptions.RequestException:
        assert kind in ("lost_after_commit", "reset_mid", "reset")
    assert len(running.received.counted("meta")) == counted
    assert [call.fault for call in running.received.calls("meta")] == [kind]
    again = requests.post(f"{running.http_url}/v26.0/1777777/events", json=body, headers=META, timeout=5)
    assert again.status_code == 200
    assert len(running.received.counted("meta")) == 1


def test_faults_hit_data_manager_and_the_token_endpoint_too(running: Running) -> None:
    running.faults.once("/token", "503")
    form = {"grant_type": "refresh_token", "client_id": "i", "client_secret": "s", "refresh_token": "1//refresh-1"}
    assert requests.post(f"{running.http_url}/token", data=form, timeout=5).status_code == 503
    token = requests.post(f"{running.http_url}/token", data=form, timeout=5).json()["access_token"]
    running.received.clear()
    running.faults.once("/v1/", "lost_after_commit")
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.post(
            f"{running.http_url}/v1/events:ingest",
            json=ingest(conversion("L1")),
            headers={"Authorization": f"Bearer {token}"},
            timeout=5,
        )
    assert list(running.received.orders("data_manager")) == ["L1"]


def test_the_sandboxs_own_pages_are_never_hit(running: Running) -> None:
    running.faults.once("/sandbox", "500")
    assert fetch(running, "/sandbox/health").status_code == 200
    assert running.faults.waiting == 1
    running.faults.clear()
    assert running.faults.waiting == 0


def test_a_mixture_is_survived_by_the_server_and_counted_in_the_record() -> None:
    mix = {kind: 0.06 for kind in KINDS if kind not in ("hang", "slow")}
    with serve(market(), google=False, rate_scale=1000, faults=Faults(42, mix)) as sandbox:
        good = 0
        for _ in range(200):
            with contextlib.suppress(requests.exceptions.RequestException):
                good += fetch(sandbox).json().keys() == {"data", "paging"}
        calls = sandbox.received.calls("meta")
    assert len(calls) == 200
    struck = Counter(call.fault for call in calls)
    assert set(mix) - {"dup_page", "empty_page"} <= struck.keys()
    assert good >= struck[""]


@given(st.binary(max_size=300), st.sampled_from(["badjson", "html", "dup_page", "empty_page"]))
def test_spoiling_never_fails_whatever_the_answer(body: bytes, kind: str) -> None:
    response = Response(200, {}, body)
    spoilt = spoil(kind, response, Response(200, {}, b"[1]"))
    assert spoilt is None or spoilt.body != body or kind == "badjson"
