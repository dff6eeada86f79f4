"""The sandbox as a whole: one port, paths that lead to platforms, the token endpoint, the record, and a clean end."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from cortex.errors import UsageError
from cortex.sandbox import Running, serve
from cortex.sandbox.oauth import GRANTABLE
from cortex.sandbox.quota import Quota
from tests.small_market import conversion, ingest, market, purchase


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with serve(market(), google=False, rate_scale=1000) as sandbox:
        yield sandbox


def address(running: Running) -> tuple[str, int]:
    parts = urlsplit(running.http_url)
    return str(parts.hostname), int(parts.port or 0)


# Coming and going


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.10", "example.com", "::", "2001:db8::1", ""])
def test_only_this_machine_is_served(host: str) -> None:
    with pytest.raises(UsageError) as refused:
        serve(market(), host=host, google=False)
    assert (refused.value.code, refused.value.exit_code) == ("CTX-1071", 2)


def test_without_google_it_starts_at_once_and_imports_no_grpc() -> None:
    code = """
import sys, time
from tests.small_market import market
from cortex.sandbox import serve
begun = time.monotonic()
with serve(market(), google=False) as running:
    took = time.monotonic() - begun
    import urllib.request
    assert urllib.request.urlopen(running.http_url + "/sandbox/health", timeout=5).status == 200
heavy = sorted({name.partition(".")[0] for name in sys.modules} & {"grpc", "google", "facebook_business", "polars"})
print(took < 1.0, heavy)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == "True []", done.stdout + done.stderr


def test_google_ads_gets_a_port_of_its_own() -> None:
    begun = time.monotonic()
    with serve(market()) as running:
        assert time.monotonic() - begun < 3
        assert running.grpc_url.startswith("grpc://127.0.0.1:")
        port = int(running.grpc_url.rpartition(":")[2])
        with pytest.raises(OSError, match=str(port)):
            serve(market(), grpc_port=port)


def test_a_taken_port_is_an_error_and_a_closed_one_is_free_again() -> None:
    first = serve(market(), google=False)
    host, port = address(first)
    with pytest.raises(OSError, match="in use"):
        serve(market(), port=port, google=False)
    assert requests.get(f"{first.http_url}/sandbox/health", timeout=5).ok
    first.close()
    first.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, port), timeout=1)
    serve(market(), port=port, google=False).close()


def test_closing_does_not_wait_for_idle_or_hanging_connections() -> None:
    running = serve(market(), google=False)
    idle = socket.create_connection(address(running))
    running.faults.once("/v26.0/", "hang")
    hanging = http.client.HTTPConnection(*address(running), timeout=10)
    hanging.request("GET", "/v26.0/me", headers={"Authorization": "Bearer meta-token-1"})
    while running.faults.waiting:
        time.sleep(0.01)
    begun = time.monotonic()
    running.close()
    assert time.monotonic() - begun < 2
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        hanging.getresponse()
    hanging.close()
    idle.close()
    assert not [each for each in threading.enumerate() if each.name == "cortex-sandbox"]


# Paths


def test_paths_lead_to_their_platforms(running: Running) -> None:
    found = {}
    for path in (
        "/v26.0/me",
        "/v1beta/properties/501/metadata",
        "/v1/requestStatus:retrieve",
        "/token",
        "/2025-03/1001/orders",
        "/v1/1001/orders",
    ):
        running.received.clear()
        requests.get(running.http_url + path, timeout=5)
        found[path] = [call.platform for call in running.received.calls()]
    assert found == {
        "/v26.0/me": ["meta"],
        "/v1beta/properties/501/metadata": ["ga4"],
        "/v1/requestStatus:retrieve": ["data_manager"],
        "/token": ["oauth"],
        "/2025-03/1001/orders": ["nuvemshop"],
        "/v1/1001/orders": ["nuvemshop"],
    }


@pytest.mark.parametrize(
    "path", ["/", "/favicon.ico", "/v26/me", "/v1/events:ingest/x", "/sandbox/", "/sandbox/received/x"]
)
def test_an_unknown_path_is_404_in_json(running: Running, path: str) -> None:
    answer = requests.get(running.http_url + path, timeout=5)
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


def test_health_tells_what_is_served(running: Running) -> None:
    health = requests.get(f"{running.http_url}/sandbox/health", timeout=5).json()
    assert health == {"status": "ok", "now": "2026-11-20T15:00:00+00:00", "shops": ["alfa", "beta"]}


# HTTP


def test_large_answers_are_compressed_for_those_who_take_it(running: Running) -> None:
    connection = http.client.HTTPConnection(*address(running), timeout=5)
    bodies = []
    for accepted in ("gzip", "identity"):
        query = "level=ad&time_increment=1&access_token=meta-token-1&limit=20"
        connection.request("GET", f"/v26.0/act_100/insights?{query}", headers={"Accept-Encoding": accepted})
        answer = connection.getresponse()
        assert answer.getheader("Content-Encoding", "identity") == accepted
        bodies.append(answer.read())
        assert len(bodies[-1]) == int(answer.getheader("Content-Length", "0"))
    connection.close()
    assert gzip.decompress(bodies[0]) == bodies[1]
    assert len(bodies[0]) < len(bodies[1]) / 4


def test_a_connection_serves_many_requests(running: Running) -> None:
    connection = http.client.HTTPConnection(*address(running), timeout=5)
    connection.connect()
    local = connection.sock.getsockname()
    for _ in range(50):
        connection.request("GET", "/sandbox/health")
        connection.getresponse().read()
        assert connection.sock is not None
        assert connection.sock.getsockname() == local
    connection.close()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /token HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411),
        (b"POST /token HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST /token HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"GET\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
    ],
)
def test_malformed_requests_are_turned_down_and_the_server_lives_on(running: Running, head: bytes, status: int) -> None:
    with socket.create_connection(address(running), timeout=5) as raw:
        raw.sendall(head)
        answer = raw.recv(65536)
    assert f" {status} ".encode() in answer.partition(b"\r\n")[0] or f"code: {status}".encode() in answer
    assert requests.get(f"{running.http_url}/sandbox/health", timeout=5).ok


def test_a_caller_that_hangs_up_mid_request_is_forgotten(running: Running) -> None:
    running.received.clear()
    with socket.create_connection(address(running), timeout=5) as raw:
        raw.sendall(b"POST /v26.0/1777777/events HTTP/1.1\r\nContent-Length: 100\r\n\r\n{")
    assert requests.get(f"{running.http_url}/sandbox/health", timeout=5).ok
    assert running.received.calls() == []


def test_many_callers_at_once_are_all_answered(running: Running) -> None:
    answers: list[int] = []
    url = f"{running.http_url}/v26.0/me?access_token=meta-token-1"

    def call() -> None:
        answers.extend(requests.get(url, timeout=10).status_code for _ in range(10))

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 160


# Tokens


def token(running: Running, **form: str) -> requests.Response:
    asked = {"grant_type": "refresh_token", "client_id": "i", "client_secret": "s", "refresh_token": "1//refresh-1"}
    return requests.post(f"{running.http_url}/token", data=asked | form, timeout=5)


def test_a_refresh_token_gives_a_bearer_for_an_hour(running: Running) -> None:
    answer = token(running).json()
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 3599
    assert answer["scope"].split() == list(GRANTABLE)
    assert token(running).json()["access_token"] != answer["access_token"]


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"refresh_token": "1//stolen"}, 400, "invalid_grant"),
        ({"refresh_token": ""}, 400, "invalid_grant"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"scope": "https://www.googleapis.com/auth/drive"}, 400, "invalid_scope"),
    ],
)
def test_a_wrong_grant_is_named_as_the_standard_names_it(
    running: Running, form: dict[str, str], status: int, error: str
) -> None:
    answer = token(running, **form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_a_token_request_must_be_a_form(running: Running) -> None:
    answer = requests.post(f"{running.http_url}/token", json={"grant_type": "refresh_token"}, timeout=5)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.fixture(scope="module")
def private_key() -> str:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def service_account(running: Running, private_key: str, name: str) -> Any:
    from google.oauth2.service_account import Credentials

    info = {
        "type": "service_account",
        "client_email": f"{name}@project.example.com",
        "private_key": private_key,
        "private_key_id": "1",
        "token_uri": f"{running.http_url}/token",
    }
    return Credentials.from_service_account_info(info, scopes=["https://www.googleapis.com/auth/datamanager"])


@pytest.mark.parametrize(("name", "statuses"), [("alfa", [200, 403]), ("agency", [200, 200])])
def test_a_service_account_reaches_the_shops_its_name_says(
    running: Running, private_key: str, name: str, statuses: list[int]
) -> None:
    from google.auth.transport.requests import AuthorizedSession

    session = AuthorizedSession(service_account(running, private_key, name))
    found = []
    for customer, action in (("1000000000", "1555555"), ("2000000000", "2555555")):
        body = ingest(conversion(f"S-{name}"), customer=customer, action=action)
        found.append(session.post(f"{running.http_url}/v1/events:ingest", json=body, timeout=5).status_code)
    session.close()
    assert found == statuses


def test_an_unknown_service_account_gets_nothing(running: Running, private_key: str) -> None:
    from google.auth.exceptions import RefreshError
    from google.auth.transport.requests import Request

    with pytest.raises(RefreshError, match="invalid_grant"):
        service_account(running, private_key, "nobody").refresh(Request())


@pytest.mark.parametrize("assertion", ["", "a.b", "a.b.c", "e30.e30.x", "e30.e30."])
def test_an_assertion_must_be_a_signed_jwt(running: Running, assertion: str) -> None:
    kind = "urn:ietf:params:oauth:grant-type:jwt-bearer"
    answer = token(running, grant_type=kind, assertion=assertion)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


# The record


def test_the_record_tells_what_each_platform_got_and_how_often(running: Running) -> None:
    running.received.clear()
    meta = {"Authorization": "Bearer meta-token-1"}
    for _ in range(2):
        requests.post(
            f"{running.http_url}/v26.0/1777777/events", json={"data": [purchase("Z1")]}, headers=meta, timeout=5
        )
    refused = {"data": [purchase("Z2", event_name="")]}
    requests.post(f"{running.http_url}/v26.0/1777777/events", json=refused, headers=meta, timeout=5)
    google = {"Authorization": f"Bearer {token(running).json()['access_token']}"}
    body = ingest(conversion("Z1"), conversion("Z9", consent={"adUserData": "CONSENT_DENIED"}))
    requests.post(f"{running.http_url}/v1/events:ingest", json=body, headers=google, timeout=5)
    answer = requests.get(f"{running.http_url}/sandbox/received", timeout=5)
    platforms = answer.json()["platforms"]
    assert (platforms["meta"]["requests"], platforms["meta"]["statuses"]) == (3, {"200": 2, "400": 1})
    assert (platforms["meta"]["deliveries"], platforms["meta"]["counted"]) == (2, 1)
    assert (platforms["meta"]["refused_requests"], platforms["meta"]["refused_events"]) == (1, 1)
    assert platforms["meta"]["value"] == {"BRL": "199.9"}
    event = platforms["meta"]["events"][0]
    assert (event["event_id"], event["delivered"], event["counted"], event["value"]) == ("purchase-Z1", 2, 1, "199.9")
    google_events = {each["event_id"]: each for each in platforms["data_manager"]["events"]}
    assert google_events["Z9"]["reason"].endswith("DENIED_CONSENT")
    assert google_events["Z9"]["value"] is None
    # Names of match keys, never their values.
    assert event["identifiers"] == ["client_ip_address", "client_user_agent", "em", "fbc", "fbp"]
    for secret in (purchase("Z1")["user_data"]["em"][0], "203.0.113.9", "meta-token-1"):
        assert secret not in answer.text


def test_a_quota_slides() -> None:
    now = [0.0]
    quota = Quota(3, 60, lambda: now[0])
    assert [quota.spend() for _ in range(3)] == [0, 0, 0]
    assert quota.spend() == 60
    assert quota.percent() == 100
    now[0] = 59.0
    assert quota.spend() == 1
    now[0] = 60.5
    assert quota.spend() == 0
    assert json.dumps(quota.used()) == "1.0"
