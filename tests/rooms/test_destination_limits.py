"""What destinations share with other clients' runs: its names, and that every call passes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cortex.ads.google import Google
from cortex.ads.tiktok import TikTok
from cortex.destinations import Destination
from cortex.destinations.ga4_mp import Ga4Mp
from cortex.destinations.google_ec import GoogleEc
from cortex.destinations.meta_capi import MetaCapi
from cortex.destinations.tiktok_events import TikTokEvents
from cortex.limits import Limit, Pace, Scope
from cortex.records import Clicks, Conversion
from cortex.sandbox import Running, serve
from cortex.secrets import Vault
from cortex.settings import Access
from tests.small_market import GCLID, NOW, market


class Counter:
    """A keeper and a pace that count the calls, or hold them back."""

    def __init__(self, wait: float = 0.0) -> None:
        self.held, self.wait, self.names = 0, wait, set[str]()

    def enter(self, shared: Sequence[Limit]) -> None:
        """There is room."""

    def pace(self, shared: Sequence[Limit]) -> Pace:
        self.names |= {limit.name for limit in shared}
        return self

    def hold(self) -> float:
        self.held += 1
        return self.wait

    def told(self, scope: Scope, seconds: float) -> None:
        """Nobody listens."""


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with serve(market(), rate_scale=1000) as sandbox:
        yield sandbox


def places(running: Running) -> dict[str, tuple[type[Destination], dict[str, Any]]]:
    http = {"api_url": running.http_url}
    google = {"conversion_action_id": "1555555", "customer_id": "1000000000"}
    return {
        "meta": (MetaCapi, {"pixel_id": "1777777"} | http),
        "tiktok": (TikTokEvents, {"pixel_id": "CSMALLMARKET1"} | http),
        "ga4": (Ga4Mp, {"measurement_id": "G-SMALL1"} | http),
        "data_manager": (GoogleEc, google | http),
        "google_ads": (GoogleEc, google | {"upload": "google_ads", "api_url": running.grpc_url}),
    }


def made(running: Running, kind: str, keeper: Counter) -> Destination:
    credential = (
        '{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"1//refresh-1",'
        f'"token_uri":"{running.http_url}/token"}}'
    )
    names = {
        "GOOGLE_CREDENTIALS": credential, "META_TOKEN": "meta-token-1", "TIKTOK_EVENTS_TOKEN": "tiktok-token-1",
        "GA4_API_SECRET": "ga4-secret-1",
    }  # fmt: skip
    vault = Vault("xyz", Path("absent"), {f"CORTEX_XYZ_{name}": value for name, value in names.items()})
    access = Access("xyz", vault, ZoneInfo("America/Sao_Paulo"), clock=lambda: NOW, sleep=lambda _: None)
    of, said = places(running)[kind]
    return of(of.Config(**said), replace(access, limits=keeper))


def told(kind: str) -> Conversion:
    facts: dict[str, Any] = {
        "key": "1", "event_id": "purchase-1", "order_id": "1", "occurred_at": NOW - timedelta(hours=1),
        "value": Decimal("10.00"), "currency": "BRL", "ip": "203.0.113.7", "user_agent": "Mozilla/5.0",
        "clicks": Clicks(gclid=GCLID, fbp="fb.1.1763600000000.1", ttclid="E.C.P.AbC-dEf_123", ga_client_id="12.34"),
    }  # fmt: skip
    if kind == "ga4":
        facts |= {"action": "restate", "told": Decimal("30.00"), "adjusted_at": NOW - timedelta(minutes=5)}
    if kind == "meta":
        facts["identifiers"] = {"em": ["a" * 64]}
    return Conversion(**facts)


KINDS = ("meta", "tiktok", "ga4", "data_manager", "google_ads")


@pytest.mark.parametrize("kind", KINDS)
def test_every_call_passes_what_is_shared(running: Running, kind: str) -> None:
    keeper = Counter()
    here = made(running, kind, keeper)
    [receipt] = here.send([told(kind)])
    assert receipt.state in {"accepted", "duplicate"}
    assert keeper.held >= 1
    assert keeper.names == {limit.name for limit in here.budgets()}
    assert all("@127.0.0.1" in name for name in keeper.names), "a stand-in's budget is none of the platform's"


@pytest.mark.parametrize("kind", KINDS)
def test_a_pause_longer_than_patience_is_a_retry_and_nothing_was_sent(running: Running, kind: str) -> None:
    before = len(running.received.deliveries())
    [receipt] = made(running, kind, Counter(wait=9999.0)).send([told(kind)])
    assert receipt.state == "retry"
    assert len(running.received.deliveries()) == before


@pytest.mark.parametrize("kind", KINDS)
def test_names_hold_no_secret_and_fit_their_column(running: Running, kind: str) -> None:
    for limit in made(running, kind, Counter()).budgets():
        assert len(limit.name) <= 96
        assert "token" not in limit.name
        assert "secret" not in limit.name


def test_the_same_budget_has_the_same_name_and_places_wherever_it_is_used(running: Running) -> None:
    def limits(adapter: Any) -> dict[str, int]:
        return {limit.name: limit.at_once for limit in adapter.shared()}

    keeper = Counter()
    access = made(running, "google_ads", keeper).access
    ads = Google(Google.Config(customer_id="1000000000"), access)
    assert limits(ads) == limits(made(running, "google_ads", keeper))
    tiktok = TikTok(TikTok.Config(advertiser_id="7000000000001"), access)
    both = limits(tiktok).keys() & limits(made(running, "tiktok", keeper)).keys()
    assert both == {"tiktok:app:agency"}
    assert all(limits(tiktok)[name] == limits(made(running, "tiktok", keeper))[name] for name in both)
