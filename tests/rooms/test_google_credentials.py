"""Google's credentials: what is taken, what is refused, and that nothing of them leaves but to the token endpoint."""

from __future__ import annotations

import base64
import json
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cortex import google
from cortex.errors import CortexError, CredentialError, Transient
from cortex.secrets import REDACTOR, Secret
from tests.faulty import CLOSE, FaultyServer
from tests.replay import Replay

USER = {
    "type": "authorized_user",
    "client_id": "client.example",
    "client_secret": "client-secret-canary",
    "refresh_token": "1//refresh-token-canary",
}
TOKEN = {"request": {"path": "/token"}, "response": {"json": {"access_token": "ya29.first", "expires_in": 3599}}}


@pytest.fixture
def endpoint() -> Iterator[Replay]:
    with Replay([TOKEN]) as server:
        yield server


@pytest.fixture(scope="module")
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def held(**said: Any) -> Secret:
    return Secret(json.dumps(said), "CORTEX_XYZ_GOOGLE_CREDENTIALS in .env")


def test_a_refresh_token_becomes_a_bearer_token_once(endpoint: Replay) -> None:
    found = google.credentials(held(**USER, token_uri=f"{endpoint.url}/token"), [google.ADWORDS])
    assert endpoint.requests == []
    assert [google.bearer(found), google.bearer(found)] == ["ya29.first"] * 2
    [request] = endpoint.requests
    body = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    assert body["grant_type"] == "refresh_token"
    assert body["refresh_token"] == USER["refresh_token"]
    assert body["scope"] == google.ADWORDS


def test_a_service_account_signs_for_its_scopes(endpoint: Replay, private_key: str) -> None:
    said = held(
        type="service_account",
        client_email="robot@project.example",
        private_key=private_key,
        token_uri=f"{endpoint.url}/token",
    )
    assert google.bearer(google.credentials(said, [google.ANALYTICS])) == "ya29.first"
    assertion = parse_qs(endpoint.requests[0].body.decode())["assertion"][0]
    claims = json.loads(base64.urlsafe_b64decode(assertion.split(".")[1] + "=="))
    assert (claims["iss"], claims["scope"]) == ("robot@project.example", google.ANALYTICS)


def test_a_token_that_died_early_is_renewed_when_asked(endpoint: Replay) -> None:
    found = google.credentials(held(**USER, token_uri=f"{endpoint.url}/token"), [google.ADWORDS])
    google.bearer(found)
    google.bearer(found, renew=True)
    assert len(endpoint.requests) == 2


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("not json", "not a JSON object"),
        ("[]", "not a JSON object"),
        ("{}", "neither service_account nor authorized_user"),
        ('{"installed": {"client_id": "x"}}', "neither service_account nor authorized_user"),
        (json.dumps({**USER, "refresh_token": ""}), "refresh_token is missing"),
        (json.dumps({**USER, "token_uri": "http://collector.example/token"}), "unencrypted"),
        (json.dumps({**USER, "token_uri": "ftp://127.0.0.1/token"}), "unencrypted"),
        (
            json.dumps({"type": "service_account", "client_email": "robot@project.example", "private_key": "nonsense"}),
            "private_key cannot be read",
        ),
    ],
)
def test_what_is_no_credential_is_refused_without_quoting_it(said: str, why: str) -> None:
    with pytest.raises(CredentialError) as caught:
        google.credentials(Secret(said, "CORTEX_GOOGLE_CREDENTIALS in environment"), [google.ADWORDS])
    assert caught.value.code == "CTX-4030"
    assert why in caught.value.message
    assert "CORTEX_GOOGLE_CREDENTIALS in environment" in caught.value.message
    told = "".join(traceback.format_exception(caught.value))
    assert not [value for value in (USER["refresh_token"], USER["client_secret"], "nonsense") if value in told]


@pytest.mark.parametrize(
    ("error", "words", "advice"),
    [
        ("invalid_grant", "Token has been expired or revoked.", "7 days while the consent screen is in Testing"),
        ("invalid_client", "The OAuth client was not found.", "client_id and client_secret"),
        ("invalid_scope", "Some requested scopes were invalid.", "every scope"),
    ],
)
def test_a_refusal_is_told_with_what_mends_it(error: str, words: str, advice: str) -> None:
    answer = {"status": 400, "json": {"error": error, "error_description": words + " " + USER["refresh_token"]}}
    with Replay([{"request": {"path": "/token"}, "response": answer}]) as server:
        found = google.credentials(held(**USER, token_uri=f"{server.url}/token"), [google.ADWORDS])
        with pytest.raises(CredentialError) as caught:
            google.bearer(found)
        assert len(server.requests) == 1
    assert caught.value.code == "CTX-4031"
    assert words in caught.value.message
    assert advice in caught.value.fix
    assert USER["refresh_token"] not in "".join(traceback.format_exception(caught.value))


def test_a_broken_token_endpoint_is_transient() -> None:
    with FaultyServer(lambda *_: [CLOSE]) as server:
        found = google.credentials(held(**USER, token_uri=f"{server.url}/token"), [google.ADWORDS])
        with pytest.raises(Transient) as caught:
            google.bearer(found)
    assert caught.value.code == "CTX-4032"


def test_no_redirect_carries_the_refresh_token_elsewhere() -> None:
    with Replay([{"request": {"path": "/other"}, "response": {"json": {"access_token": "stolen"}}}]) as other:
        moved = {"status": 307, "headers": {"Location": f"{other.url}/other"}, "json": {}}
        with Replay([{"request": {"path": "/token"}, "response": moved}]) as server:
            found = google.credentials(held(**USER, token_uri=f"{server.url}/token"), [google.ADWORDS])
            with pytest.raises(CortexError):
                google.bearer(found)
        assert other.requests == []


def test_a_netrc_file_does_not_speak_for_a_tenant(
    endpoint: Replay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    found = google.credentials(held(**USER, token_uri=f"{endpoint.url}/token"), [google.ADWORDS])
    google.bearer(found)
    assert "authorization" not in endpoint.requests[0].headers


def test_what_was_read_and_minted_is_masked_from_now_on(endpoint: Replay) -> None:
    found = google.credentials(held(**USER, token_uri=f"{endpoint.url}/token"), [google.ADWORDS])
    google.bearer(found)
    told = REDACTOR.clean(f"{USER['client_secret']} {USER['refresh_token']} ya29.first")
    assert not [value for value in (USER["client_secret"], USER["refresh_token"], "ya29.first") if value in told]
