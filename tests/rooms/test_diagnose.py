"""What platforms say of what they were sent: read from the stand-ins, kept, and compared with the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest

from cortex.destinations.google_ec import GoogleEc
from cortex.destinations.meta_capi import MetaCapi
from cortex.errors import CredentialError, PlatformError, Transient
from cortex.records import Clicks, Conversion, Diagnosis, Receipt
from cortex.sandbox import Running, serve
from cortex.sandbox.google_ads_diagnostics import CLIENTS
from cortex.secrets import Vault
from cortex.settings import Access
from cortex.steps import auditing, diagnose
from cortex.warehouse import Warehouse
from tests.rooms.test_conversion_steps import NOW as LEDGER_NOW
from tests.rooms.test_conversion_steps import Here, Place, run_of, sale, sold, went
from tests.small_market import GCLID, NOW, TODAY, Hand, market

ACTION, CUSTOMER, PIXEL = "1555555", "1000000000", "1777777"
DIGEST = "a" * 64


@pytest.fixture
def running() -> Iterator[Running]:
    with serve(market(), rate_scale=1000) as sandbox:
        yield sandbox


def access(running: Running, clock: Any = lambda: NOW) -> Access:
    credential = (
        '{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"1//refresh-1",'
        f'"token_uri":"{running.http_url}/token"}}'
    )
    environment = {"CORTEX_XYZ_GOOGLE_CREDENTIALS": credential, "CORTEX_XYZ_META_TOKEN": "meta-token-1"}
    vault = Vault("xyz", Path("absent"), environment)
    return Access("xyz", vault, ZoneInfo("America/Sao_Paulo"), clock=clock, sleep=lambda _: None)


def google(running: Running, upload: str = "data_manager", clock: Any = lambda: NOW, **more: Any) -> GoogleEc:
    url = running.grpc_url if upload == "google_ads" else running.http_url
    facts = {
        "conversion_action_id": ACTION, "customer_id": CUSTOMER, "upload": upload, "api_url": url,
        "ads_api_url": running.grpc_url,
    }  # fmt: skip
    return GoogleEc(GoogleEc.Config(**(facts | more)), access(running, clock))


def purchase(number: int, **changed: Any) -> Conversion:
    facts: dict[str, Any] = {
        "key": str(number), "event_id": f"purchase-{number}", "order_id": str(number),
        "occurred_at": NOW - timedelta(hours=1), "value": Decimal("199.90"), "currency": "BRL",
        "identifiers": {"email_address": [DIGEST]}, "clicks": Clicks(gclid=GCLID),
    }  # fmt: skip
    return Conversion(**(facts | changed))


@pytest.mark.parametrize("told_as", CLIENTS)
def test_what_the_data_manager_took_is_told_under_whatever_client(running: Running, told_as: str) -> None:
    running.data_manager.told_as = told_as
    here = google(running)
    assert here.diagnosis() == []
    here.send([purchase(1), purchase(2), purchase(3, clicks=Clicks(gclid="Cj0KCQ_nobody_knows_this_click_x"))])
    assert here.diagnosis() == [
        Diagnosis(part=told_as, day=TODAY, succeeded=2, failed=1, pending=0, status="NEEDS_ATTENTION")
    ]


def test_what_is_still_processed_is_pending() -> None:
    with serve(market()) as sandbox:
        here = google(sandbox)
        [receipt] = here.send([purchase(1)])
        assert [(one.succeeded, one.pending) for one in here.diagnosis()] == [(0, 1)]
        for _ in range(3):
            here.settle(receipt.request_id)
        assert [(one.succeeded, one.pending) for one in here.diagnosis()] == [(1, 0)]


def test_uploads_of_the_ads_api_come_with_their_errors_day_by_day() -> None:
    hand = Hand()
    with serve(market(), rate_scale=1000, clock=hand) as sandbox:
        here = google(sandbox, "google_ads", clock=hand)
        assert [one.state for one in here.send([purchase(1), purchase(2)])] == ["accepted", "accepted"]
        hand.forward(days=1)
        assert here.send([purchase(1)])[0].state == "duplicate"
        told = {one.day: one for one in here.diagnosis()}
    assert [(told[day].succeeded, told[day].failed) for day in sorted(told)] == [(2, 0), (0, 1)]
    assert {one.part for one in told.values()} == {"GOOGLE_ADS_API"}
    assert told[TODAY].said == "ORDER_ID_ALREADY_IN_USE 33.3%"


def test_another_action_of_the_account_is_not_ours(running: Running) -> None:
    google(running).send([purchase(1)])
    assert google(running, conversion_action_id="1555556").diagnosis() == []


def test_a_stand_in_without_an_ads_api_is_not_asked(running: Running) -> None:
    assert google(running, ads_api_url=None).diagnosis() == []


def test_a_credential_without_the_scope_is_told_apart(running: Running) -> None:
    here = google(running)
    here.send([purchase(1)])
    running.market.shops[0].google.customer_id = "9000000000"  # type: ignore[union-attr]
    with pytest.raises((CredentialError, PlatformError)):
        here.diagnosis()


def meta(running: Running) -> MetaCapi:
    return MetaCapi(MetaCapi.Config(pixel_id=PIXEL, api_url=running.http_url), access(running))


def test_meta_tells_its_match_quality_of_website_events(running: Running) -> None:
    here = meta(running)
    assert here.diagnosis() == []
    visited = {"user_agent": "Mozilla/5.0", "event_url": "https://loja.example/obrigado"}
    here.send([purchase(1, identifiers={"em": [DIGEST]}, **visited), purchase(2, identifiers={"em": [DIGEST]})])
    [told] = here.diagnosis()
    assert (told.part, told.day, told.succeeded) == ("Purchase", TODAY, None)
    assert told.score is not None
    assert 0 < told.score <= 10
    assert "email 100%" in told.said


def test_meta_refuses_it_to_who_may_only_send(running: Running) -> None:
    running.market.shops[0].meta.may_manage = False  # type: ignore[union-attr]
    here = meta(running)
    assert here.send([purchase(1, identifiers={"em": [DIGEST]})])[0].state == "accepted"
    with pytest.raises(PlatformError, match="refused the request"):
        here.diagnosis()


# Kept and compared


class Teller(Place):
    """A platform that tells what it was told to."""

    diagnoses: ClassVar[bool] = True

    def __init__(self, *told: Diagnosis | Exception) -> None:
        super().__init__()
        self.said = told

    def diagnosis(self) -> list[Diagnosis]:
        for one in self.said:
            if isinstance(one, Exception):
                raise one
        return [one for one in self.said if isinstance(one, Diagnosis)]


def counted(good: int, *, pending: int = 0, part: str = "GOOGLE_ADS_API", day: date | None = None) -> Diagnosis:
    on = day or LEDGER_NOW.date()
    return Diagnosis(part=part, day=on, succeeded=good, failed=1, pending=pending, status="GOOD", said="X 2%")


def told(warehouse: Warehouse, *said: Diagnosis | Exception, sales: int = 3) -> Here:
    """A run that sent `sales` purchases yesterday and asks today what became of them."""
    sold(warehouse, *[sale(number) for number in range(sales)])
    places: dict[str, Place] = {"google_ec": Teller(*said)}
    went(run_of(warehouse, places))
    tonight = run_of(warehouse, places, LEDGER_NOW + timedelta(days=1))
    diagnose.read(tonight, "google_ec")
    return tonight


@pytest.mark.parametrize(
    "said",
    [
        [counted(3)],
        [counted(1, pending=2)],
        [counted(1), counted(2, part="ADS_DATA_CONNECTOR")],  # both ways of one action
        [counted(3), counted(40, part="GOOGLE_ADS_WEB_CLIENT")],  # somebody uploads by hand as well
        [counted(3), counted(9, day=LEDGER_NOW.date() + timedelta(days=1))],  # today is not over
    ],
)
def test_what_can_be_the_ledgers_count_is_no_news(warehouse: Warehouse, said: list[Diagnosis]) -> None:
    run = told(warehouse, *said)
    assert run.notices == []
    assert auditing.standing(run, "google_ec").platform.agrees is True


@pytest.mark.parametrize("said", [[counted(2)], [counted(0, pending=2)], [counted(5)]])
def test_a_count_beyond_what_is_pending_is_a_notice(warehouse: Warehouse, said: list[Diagnosis]) -> None:
    run = told(warehouse, *said)
    [notice] = run.notices
    assert notice.code == "CTX-6112"
    assert notice.facts["ours"] == "3"
    assert notice.facts["good"] == str(said[0].succeeded)
    standing = auditing.standing(run, "google_ec")
    assert standing.platform.agrees is False
    assert standing.platform.counted is not None
    assert standing.platform.counted.parts[0]["failed"] == 1


def test_a_duplicate_may_be_counted_or_not(warehouse: Warehouse) -> None:
    sold(warehouse, sale(1), sale(2), sale(3))
    for good in (2, 3):
        teller = Teller(counted(good))
        teller.answers = [Receipt(state="accepted"), Receipt(state="duplicate")]
        went(run_of(warehouse, {"google_ec": teller}))
        tonight = run_of(warehouse, {"google_ec": teller}, LEDGER_NOW + timedelta(days=1))
        diagnose.read(tonight, "google_ec")
        assert tonight.notices == []


def test_what_is_read_again_replaces_what_was_read(warehouse: Warehouse) -> None:
    told(warehouse, counted(1))
    told(warehouse, counted(3))
    rows = warehouse.rows("SELECT part, succeeded, failed FROM conversion_diagnostics")
    assert rows == [{"part": "GOOGLE_ADS_API", "succeeded": 3, "failed": 1}]


@pytest.mark.parametrize("refused", [CredentialError("CTX-4202", "no"), PlatformError("CTX-4152", "no")])
def test_who_may_not_ask_leaves_a_notice_and_fails_nothing(warehouse: Warehouse, refused: Exception) -> None:
    run = told(warehouse, refused)
    assert [(one.code, one.facts["why"]) for one in run.notices] == [("CTX-6113", refused.code)]  # type: ignore[attr-defined]


def test_a_platform_out_of_order_is_asked_another_night(warehouse: Warehouse) -> None:
    assert told(warehouse, Transient("CTX-4204", "broken")).notices == []


def test_the_latest_match_quality_is_shown(warehouse: Warehouse) -> None:
    first = Diagnosis(part="Purchase", day=LEDGER_NOW.date(), score=Decimal("6.10"), said="email 90%")
    run = told(warehouse, first)
    standing = auditing.standing(run, "google_ec")
    assert standing.platform.counted is None
    assert [(row["part"], row["score"]) for row in standing.platform.scores] == [("Purchase", Decimal("6.10"))]


def test_only_platforms_that_tell_are_asked() -> None:
    class Client:
        destinations: ClassVar[dict[str, Any]] = dict.fromkeys(("meta_capi", "google_ec", "tiktok_events", "file"))

    names = [step.name for step in diagnose.conversions(Client())]  # type: ignore[arg-type]
    assert names == ["conversions.diagnostics.meta_capi", "conversions.diagnostics.google_ec"]
