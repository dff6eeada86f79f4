"""Google Ads over real gRPC: every stream whole or a named error, and each day sums to the account."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from cortex.ads.google import Google, GoogleSection
from cortex.clock import Window
from cortex.errors import CortexError, CredentialError, PlatformError, Throttled, Transient
from cortex.records import Notice
from cortex.sandbox import Running, serve
from cortex.secrets import Vault
from cortex.settings import Access
from tests.google_ads_replay import Failure, GoogleAdsReplay
from tests.replay import Replay
from tests.small_market import GCLID, NOW, TODAY, ZONE, market

CUSTOMER = "1234567890"
REFRESH = "1//refresh-canary"
DAY = date(2026, 11, 12)
ONE_DAY = Window(DAY, DAY + timedelta(days=1))


def held(base: str) -> str:
    said = {
        "type": "authorized_user",
        "client_id": "client.example",
        "client_secret": "client-secret-canary",
        "refresh_token": REFRESH,
        "token_uri": f"{base}/token",
    }
    return json.dumps(said)


def customer() -> dict[str, Any]:
    return {"id": CUSTOMER, "descriptiveName": "Alfa", "currencyCode": "BRL", "timeZone": ZONE, "manager": False}


def row(campaign: str, micros: int, *, ad: str = "", day: date = DAY, **metrics: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "customer": customer(),
        "campaign": {"id": campaign, "name": f"Campanha {campaign}"},
        "segments": {"date": str(day)},
        "metrics": {"costMicros": str(micros), **metrics},
    }
    return found | ({"adGroup": {"id": "5"}, "adGroupAd": {"ad": {"id": ad}}} if ad else {})


class Stage:
    """A Google Ads server with one account, and what the adapter said and how long it waited."""

    def __init__(self, http: Replay, ads: GoogleAdsReplay) -> None:
        self.http, self.ads = http, ads
        self.notices: list[Notice] = []
        self.waits: list[float] = []

    def google(self, *, secrets: Mapping[str, str] | None = None, **config: Any) -> Google:
        section = GoogleSection.model_validate({"customer_id": CUSTOMER, "api_url": self.ads.url, **config})
        found = {"CORTEX_ALFA_GOOGLE_CREDENTIALS": held(self.http.url), **(secrets or {})}
        zone = ZoneInfo(ZONE)
        vault = Vault("alfa", Path("absent"), found)
        return Google(section, Access("alfa", vault, zone, lambda: NOW, self.notices.append, sleep=self.waits.append))


@contextmanager
def served(
    ads: list[dict[str, Any]],
    campaigns: list[dict[str, Any]],
    *first: Failure,
    clicks: list[dict[str, Any]] | None = None,
) -> Iterator[Stage]:
    rows = {"customer": customer(), "ad_group_ad": ads, "campaign": campaigns, "click_view": clicks or []}
    token = {"request": {"path": "/token"}, "response": {"json": {"access_token": "ya29.good", "expires_in": 3599}}}
    recording = {CUSTOMER: {"token": "ya29.good", **rows}}
    with Replay([token]) as http, GoogleAdsReplay(recording, first=first) as server:
        yield Stage(http, server)


# The tenant's file


@pytest.mark.parametrize("told", ["123-456-7890", "1234567890", 1234567890, "123 456 7890"])
def test_dashes_are_taken_out_of_the_customer_id(told: object) -> None:
    section = GoogleSection.model_validate({"customer_id": told, "login_customer_id": told})
    assert (section.customer_id, section.login_customer_id) == (CUSTOMER, CUSTOMER)


@pytest.mark.parametrize("told", ["123-456-789", "AW-123456789", "", "123456789012", None])
def test_what_is_no_customer_id_is_refused(told: object) -> None:
    with pytest.raises(ValidationError, match="ten digits"):
        GoogleSection.model_validate({"customer_id": told})


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "grpc://ads.example:443", "http://ads.example"])
def test_google_ads_speaks_grpc_and_only_loopback_in_the_clear(url: str) -> None:
    with pytest.raises(ValidationError):
        GoogleSection.model_validate({"customer_id": CUSTOMER, "api_url": url})


# Money


def test_performance_max_is_one_row_of_its_campaign() -> None:
    with served([row("1", 5_000_000, ad="9")], [row("1", 5_000_000), row("2", 7_500_000, clicks="3")]) as stage:
        by_ad, alone = stage.google().spend(ONE_DAY)
    assert (by_ad.level, by_ad.campaign_id, by_ad.ad_id, by_ad.spend) == ("ad", "1", "9", Decimal("5.00"))
    assert (alone.level, alone.campaign_id, alone.adset_id, alone.ad_id) == ("campaign", "2", "", "")
    assert (alone.spend, alone.clicks, alone.campaign_name) == (Decimal("7.50"), 3, "Campanha 2")


def test_a_campaign_that_cost_more_than_its_ads_has_a_row_for_the_difference() -> None:
    ads = [row("1", 1_000_000, ad="8", impressions="10"), row("1", 2_500_000, ad="9", impressions="20")]
    with served(ads, [row("1", 4_000_000, impressions="35")]) as stage:
        found = list(stage.google().spend(ONE_DAY))
    assert [(each.level, each.spend, each.impressions) for each in found] == [
        ("ad", Decimal("1.00"), 10),
        ("ad", Decimal("2.50"), 20),
        ("campaign", Decimal("0.50"), 5),
    ]


def test_what_rounding_leaves_of_conversions_makes_no_row() -> None:
    thirds = [row("1", 1_000_000, ad=str(ad), conversions=1 / 3, conversionsValue=33.333333) for ad in (7, 8, 9)]
    whole = row("1", 3_000_000, conversions=1.0, conversionsValue=100.0)
    with served(thirds, [whole]) as stage:
        assert {each.level for each in stage.google().spend(ONE_DAY)} == {"ad"}


@pytest.mark.parametrize(
    ("micros", "money"),
    [(0, "0.00"), (10_000, "0.01"), (12_340_000, "12.34"), (1_234_567, "1.234567"), (9_007_199_254_740_993, "9007199254.740993")],
)  # fmt: skip
def test_millionths_become_money_without_a_float(micros: int, money: str) -> None:
    with served([row("1", micros, ad="9", impressions="1")], [row("1", micros, impressions="1")]) as stage:
        [found] = stage.google().spend(ONE_DAY)
    assert str(found.spend) == money


def test_rows_of_other_days_are_refused() -> None:
    strange = row("1", 1, ad="9", day=DAY)
    with served([strange], []) as stage:
        stage.ads.recording[CUSTOMER]["ad_group_ad"][0]["customer"] = {**customer(), "id": "999"}
        with pytest.raises(PlatformError) as caught:
            list(stage.google().spend(ONE_DAY))
    assert caught.value.code == "CTX-4209"


def test_days_google_has_forgotten_are_not_asked_for_and_are_told() -> None:
    with served([], []) as stage:
        google = stage.google()
        assert google.history.days is not None
        edge = TODAY - timedelta(days=google.history.days)
        assert list(google.spend(Window(edge - timedelta(days=5), edge + timedelta(days=2)))) == []
        asked = [query for _, query, _ in stage.ads.queries if "campaign" in query]
        assert all(f"'{edge}'" in query for query in asked)
        assert len(asked) == 2
        assert list(google.spend(Window(edge - timedelta(days=9), edge - timedelta(days=2)))) == []
        assert len(stage.ads.queries) == 3
    assert [(notice.code, notice.count) for notice in stage.notices] == [("history", 5), ("history", 7)]


# Clicks


def click(day: date, gclid: str = "Cj0-AbC", ad: str = "customers/1/adGroupAds/22~333") -> dict[str, Any]:
    return {
        "campaign": {"id": "1"},
        "adGroup": {"id": "22"},
        "segments": {"date": str(day)},
        "clickView": {"gclid": gclid, "adGroupAd": ad},
    }


def test_clicks_are_asked_for_day_by_day_and_no_older_than_ninety_days() -> None:
    edge = TODAY - timedelta(days=90)
    days = [edge - timedelta(days=1), edge, TODAY]
    with served([], [], clicks=[click(day, f"gclid-{day}") for day in days]) as stage:
        google = stage.google()
        found = list(google.clicks(Window(edge - timedelta(days=3), edge + timedelta(days=2))))
        assert [each.click_id for each in found] == [f"gclid-{edge}"]
        asked = [query for _, query, _ in stage.ads.queries if "click_view" in query]
        assert [f"= '{day}'" in query for day, query in zip((edge + timedelta(days=1), edge), asked, strict=True)]
        assert [each.day for each in google.clicks(Window(TODAY, TODAY + timedelta(days=3)))] == [TODAY]
    [notice] = stage.notices
    assert (notice.code, notice.count, notice.stream) == ("clicks-expired", 3, "ads.google")


def test_a_click_names_its_ad_where_google_does_and_is_left_out_without_a_gclid() -> None:
    clicks = [click(DAY), click(DAY, "Cj0-PMax", ad=""), click(DAY, gclid="")]
    with served([], [], clicks=clicks) as stage:
        found = list(stage.google().clicks(ONE_DAY))
    assert [(each.click_id, each.adset_id, each.ad_id) for each in found] == [
        ("Cj0-AbC", "22", "333"),
        ("Cj0-PMax", "22", ""),
    ]


# The wire


def test_the_headers_say_who_asks_through_whom() -> None:
    with served([], []) as stage:
        stage.google().check()
        token = {"CORTEX_ALFA_GOOGLE_DEVELOPER_TOKEN": "developer-1"}
        stage.google(login_customer_id="999-888-7777", secrets=token).check()
    plain, through = (metadata for _, _, metadata in stage.ads.queries)
    assert not {"login-customer-id", "developer-token"} & plain.keys()
    assert (through["login-customer-id"], through["developer-token"]) == ("9998887777", "developer-1")
    assert through["authorization"] == "Bearer ya29.good"
    assert f"customer_id={CUSTOMER}" in through["x-goog-request-params"]


def test_a_stream_that_breaks_in_the_middle_starts_again_without_doubling() -> None:
    ads = [row("1", 1_000_000, ad=str(ad)) for ad in range(1, 6)]
    broken: list[Failure] = [{"status": "UNAVAILABLE", "after": 3}, {"status": "INTERNAL", "after": 1}]
    with served(ads, [row("1", 5_000_000)]) as stage:
        google = stage.google()
        google.check()
        stage.ads.first += broken
        found = list(google.spend(ONE_DAY))
    assert [each.ad_id for each in found] == ["1", "2", "3", "4", "5"]
    assert len(stage.waits) == 2


@pytest.mark.parametrize(
    ("failure", "kind", "code"),
    [
        (("UNAUTHENTICATED", "authentication_error", "OAUTH_TOKEN_INVALID"), CredentialError, "CTX-4201"),
        (("UNAUTHENTICATED", "authentication_error", "NOT_ADS_USER"), CredentialError, "CTX-4201"),
        (("PERMISSION_DENIED", "authorization_error", "USER_PERMISSION_DENIED"), CredentialError, "CTX-4202"),
        (("PERMISSION_DENIED", "authorization_error", "DEVELOPER_TOKEN_PROHIBITED"), CredentialError, "CTX-4202"),
        (("UNAUTHENTICATED", "authentication_error", "CUSTOMER_NOT_FOUND"), PlatformError, "CTX-4206"),
        (("PERMISSION_DENIED", "authorization_error", "CUSTOMER_NOT_ENABLED"), PlatformError, "CTX-4206"),
        (("INVALID_ARGUMENT", "header_error", "INVALID_LOGIN_CUSTOMER_ID"), PlatformError, "CTX-4206"),
        (("INVALID_ARGUMENT", "query_error", "REQUESTED_METRICS_FOR_MANAGER"), PlatformError, "CTX-4205"),
        (("INVALID_ARGUMENT", "request_error", "UNSUPPORTED_VERSION"), PlatformError, "CTX-4207"),
        (("INVALID_ARGUMENT", "query_error", "UNRECOGNIZED_FIELD"), PlatformError, "CTX-4208"),
        (("RESOURCE_EXHAUSTED", "quota_error", "RESOURCE_TEMPORARILY_EXHAUSTED"), Throttled, "CTX-4203"),
        (("INTERNAL", "internal_error", "INTERNAL_ERROR"), Transient, "CTX-4204"),
        (("INVALID_ARGUMENT", "internal_error", "TRANSIENT_ERROR"), Transient, "CTX-4204"),
        (("UNAUTHENTICATED", "", ""), CredentialError, "CTX-4201"),
        (("PERMISSION_DENIED", "", ""), CredentialError, "CTX-4202"),
        (("INVALID_ARGUMENT", "", ""), PlatformError, "CTX-4208"),
        (("UNAVAILABLE", "", ""), Transient, "CTX-4204"),
        (("DEADLINE_EXCEEDED", "", ""), Transient, "CTX-4204"),
        (("UNKNOWN", "", ""), Transient, "CTX-4204"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_an_error_is_named(failure: tuple[str, str, str], kind: type[CortexError], code: str) -> None:
    status, family, reason = failure
    told: Failure = {"status": status, **({"family": family, "reason": reason} if family else {})}
    with served([], [], *[told] * 9) as stage, pytest.raises(CortexError) as caught:
        stage.google().check()
    assert (type(caught.value), caught.value.code) == (kind, code)
    assert caught.value.fix or caught.value.retryable or code in {"CTX-4206", "CTX-4208"}
    # A bearer token that died early is renewed once; nothing else final is asked twice.
    assert len(stage.ads.queries) == (4 if caught.value.retryable else 2 if code == "CTX-4201" else 1)
    assert REFRESH not in "".join(traceback.format_exception(caught.value))


def test_the_wait_google_asks_for_is_decoded_and_long_ones_are_handed_back() -> None:
    def spent(seconds: int) -> Failure:
        return {
            "status": "RESOURCE_EXHAUSTED",
            "family": "quota_error",
            "reason": "RESOURCE_EXHAUSTED",
            "seconds": seconds,
        }

    with served([], [], spent(40), spent(50)) as stage:
        stage.google().check()
        assert [round(wait) for wait in stage.waits] == [40, 50]
    with served([], [], spent(7200)) as stage, pytest.raises(Throttled) as caught:
        stage.google().check()
    assert caught.value.retry_after == 7200
    assert stage.waits == []


def test_a_bearer_token_that_died_early_is_renewed_once() -> None:
    dead: Failure = {"status": "UNAUTHENTICATED", "family": "authentication_error", "reason": "OAUTH_TOKEN_EXPIRED"}
    with served([], [], dead) as stage:
        assert stage.google().check().name == "Alfa"
        assert len(stage.http.requests) == 2


# The sandbox, and the road with TLS


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Running]:
    with serve(market(days=20), clock=lambda: NOW) as running:
        yield running


def sandboxed(running: Running, waits: list[float] | None = None) -> Google:
    said = held(running.http_url).replace(REFRESH, "1//refresh-1")
    section = GoogleSection.model_validate({"customer_id": "100-000-0000", "api_url": running.grpc_url})
    vault = Vault("alfa", Path("absent"), {"CORTEX_ALFA_GOOGLE_CREDENTIALS": said})
    sleep = (waits if waits is not None else []).append
    return Google(section, Access("alfa", vault, ZoneInfo(ZONE), lambda: NOW, sleep=sleep))


def test_the_sandbox_market_is_read_to_the_cent(sandbox: Running) -> None:
    google = sandboxed(sandbox)
    week = Window.ending(TODAY, 7)
    rows = list(google.spend(week))
    assert sum(found.spend for found in rows) == 7 * (2 * Decimal("10.50") + Decimal("33.00"))
    assert {found.level for found in rows if found.campaign_id == "109"} == {"campaign"}
    assert [found.click_id for found in google.clicks(week)] == [GCLID]


@pytest.mark.parametrize("fault", ["429", "500", "503", "reset", "reset_mid", "truncate"])
def test_faults_of_the_sandbox_change_nothing(sandbox: Running, fault: str) -> None:
    waits: list[float] = []
    google, day = sandboxed(sandbox, waits), Window.ending(TODAY, 1)
    calm = list(google.spend(day))
    sandbox.faults.once("/google.ads", fault)
    assert list(google.spend(day)) == calm
    assert len(waits) == 1


def test_a_run_that_outlives_its_token_goes_on(sandbox: Running) -> None:
    google, day = sandboxed(sandbox), Window.ending(TODAY, 1)
    calm = list(google.spend(day))
    sandbox.oauth.expire()
    assert list(google.spend(day)) == calm


TLS_SCRIPT = """
import sys
from pathlib import Path
from zoneinfo import ZoneInfo
from cortex.ads.google import Google, GoogleSection
from cortex.errors import Transient
from cortex.secrets import Vault
from cortex.settings import Access

url, said = sys.argv[1:]
vault = Vault("alfa", Path("absent"), {"CORTEX_ALFA_GOOGLE_CREDENTIALS": said})
access = Access("alfa", vault, ZoneInfo("UTC"), sleep=lambda seconds: None)
try:
    print(Google(GoogleSection(customer_id="1234567890", api_url=url), access).check().name)
except Transient as failure:
    print(failure.code)
"""


def test_beyond_loopback_the_clients_own_tls_channel_is_used(tmp_path: Path) -> None:
    """In processes of their own, because gRPC reads its roots once. A certificate nobody vouches for is refused."""
    key, certificate = _self_signed()
    roots = tmp_path / "roots.pem"
    roots.write_bytes(certificate)
    trusting = {**os.environ, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": str(roots)}
    with served([], []) as stage, GoogleAdsReplay(stage.ads.recording, tls=(key, certificate)) as server:
        for environment, answer in ((trusting, "Alfa"), (dict(os.environ), "CTX-4204")):
            arguments = [sys.executable, "-c", TLS_SCRIPT, server.url, held(stage.http.url)]
            done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, env=environment, check=True)
            assert done.stdout.strip() == answer
        assert [metadata["authorization"] for _, _, metadata in server.queries] == ["Bearer ya29.good"]


def _self_signed() -> tuple[bytes, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private, certificate.public_bytes(serialization.Encoding.PEM)
