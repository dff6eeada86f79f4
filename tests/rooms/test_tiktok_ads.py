"""TikTok Ads: a code inside every 200, pages that must fit, and days that are local already."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from cortex.ads.tiktok import TikTok, TikTokSection
from cortex.clock import Window
from cortex.errors import BadRecord, CortexError, CredentialError, PlatformError, Throttled, Transient
from cortex.records import Notice
from cortex.secrets import Vault
from cortex.settings import Access
from tests.replay import Replay, always
from tests.small_market import NOW, TODAY

ADVERTISER = "7100000000000000001"
INFO, REPORT = "/open_api/v1.3/advertiser/info/", "/open_api/v1.3/report/integrated/get/"


class Told:
    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.waits: list[float] = []
        self.aside: list[BadRecord] = []

    def tiktok(self, url: str) -> TikTok:
        vault = Vault("alfa", Path("absent"), {"CORTEX_ALFA_TIKTOK_TOKEN": "tiktok-token-canary"})
        zone = ZoneInfo("America/Los_Angeles")
        access = Access(
            "alfa", vault, zone, lambda: NOW, self.notices.append, quarantine=self.aside.append, sleep=self.waits.append
        )
        return TikTok(TikTokSection(advertiser_id=ADVERTISER, api_url=url), access)


@pytest.fixture
def told() -> Told:
    return Told()


def ok(data: Any) -> dict[str, Any]:
    return {"json": {"code": 0, "message": "OK", "request_id": "R1", "data": data}}


def info(**more: Any) -> dict[str, Any]:
    said = {"advertiser_id": ADVERTISER, "name": "Alfa", "currency": "USD", "timezone": "Etc/GMT+8", **more}
    return {"request": {"path": INFO}, "response": ok({"list": [said]})}


def row(ad: str = "1", day: str = f"{TODAY}", **metrics: str) -> dict[str, Any]:
    told = {"campaign_id": "11", "adgroup_id": "21", "spend": "1.00", "impressions": "5", **metrics}
    return {"dimensions": {"ad_id": ad, "stat_time_day": f"{day} 00:00:00"}, "metrics": told}


def page(*rows: dict[str, Any], total: int | None = None, pages: int = 1) -> dict[str, Any]:
    number = {"page": 1, "page_size": 1000, "total_number": len(rows) if total is None else total, "total_page": pages}
    return ok({"list": list(rows), "page_info": number})


def at(level: str, response: dict[str, Any], **query: str) -> dict[str, Any]:
    return {"request": {"path": REPORT, "query": {"data_level": level, **query}}, "response": response}


def total(spend: str, impressions: str) -> dict[str, Any]:
    day = {"advertiser_id": ADVERTISER, "stat_time_day": f"{TODAY} 00:00:00"}
    return {"dimensions": day, "metrics": {"spend": spend, "impressions": impressions}}


ONE_DAY = Window.ending(TODAY, 1)


@pytest.mark.parametrize("said", [{"enabled": False}, {"enabled": False, "advertiser_id": ""}])
def test_a_disabled_block_needs_no_advertiser(said: dict[str, Any]) -> None:
    assert TikTokSection.model_validate(said).advertiser_id == ""


@pytest.mark.parametrize(
    "said", [{}, {"enabled": True}, {"advertiser_id": "abc"}, {"enabled": False, "advertiser_id": "x"}]
)
def test_an_enabled_one_needs_the_advertisers_number(said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="aadvid"):
        TikTokSection.model_validate(said)


def test_a_number_written_without_quotes_is_taken() -> None:
    assert TikTokSection.model_validate({"advertiser_id": 7100000000000000001}).advertiser_id == ADVERTISER


@pytest.mark.parametrize(
    ("code", "kind", "named"),
    [
        *((code, CredentialError, "CTX-4801") for code in (40102, 40103, 40104, 40105, 40107)),
        (40001, CredentialError, "CTX-4802"),
        *((code, Throttled, "CTX-4803") for code in (40016, 40100, 40133)),
        *((code, Transient, "CTX-4805") for code in (20001, 50000, 50002, 51305)),
        (40002, PlatformError, "CTX-4808"),
        (40053, PlatformError, "CTX-4808"),
    ],
)
def test_the_code_inside_a_200_says_what_happened(code: int, kind: type[CortexError], named: str, told: Told) -> None:
    answer = {"code": code, "message": "Words of TikTok for tiktok-token-canary", "request_id": "R7", "data": {}}
    with Replay(always(status=200, json=answer)) as server:
        with pytest.raises(CortexError) as caught:
            told.tiktok(server.url).check()
        asked = len(server.requests)
    assert (type(caught.value), caught.value.code) == (kind, named)
    assert "R7" in caught.value.message
    assert "tiktok-token-canary" not in str(caught.value)
    assert asked == (5 if caught.value.retryable else 1)


def test_the_token_is_in_its_own_header(told: Told) -> None:
    with Replay([info()]) as server:
        told.tiktok(server.url).check()
        assert server.requests[0].headers["access-token"] == "tiktok-token-canary"
        assert "authorization" not in server.requests[0].headers


def test_the_account_goes_by_the_zone_people_read(told: Told) -> None:
    for said, zone in (
        ({"display_timezone": "America/Sao_Paulo"}, "America/Sao_Paulo"),
        ({"display_timezone": "Brasília"}, "Etc/GMT+8"),
        ({"timezone": "nonsense"}, ""),
    ):
        with Replay([info(**said)]) as server:
            assert told.tiktok(server.url).check().timezone == zone


def test_an_advertiser_the_token_does_not_show_is_told(told: Told) -> None:
    nobody = {"request": {"path": INFO}, "response": ok({"list": []})}
    with Replay([nobody]) as server, pytest.raises(PlatformError) as caught:
        told.tiktok(server.url).check()
    assert caught.value.code == "CTX-4804"


def test_a_local_day_stays_the_day_it_says_west_of_greenwich(told: Told) -> None:
    recorded = [info(), at("AUCTION_AD", page(row())), at("AUCTION_ADVERTISER", page(total("1.00", "5")))]
    with Replay(recorded) as server:
        [found] = told.tiktok(server.url).spend(ONE_DAY)
    assert found.day == TODAY


def test_thirty_days_at_once_are_the_most(told: Told) -> None:
    with Replay([info(), {"request": {"path": REPORT}, "response": page()}]) as server:
        assert list(told.tiktok(server.url).spend(Window.ending(TODAY, 95))) == []
    spans = {
        date.fromisoformat(one.query["end_date"]) - date.fromisoformat(one.query["start_date"])
        for one in server.requests
        if one.path == REPORT
    }
    assert max(spans) == timedelta(days=29)
    assert all(one.query["page_size"] == "1000" for one in server.requests if one.path == REPORT)
    assert json.loads(next(one.query["dimensions"] for one in server.requests if one.path == REPORT)) == [
        "ad_id",
        "stat_time_day",
    ]


@pytest.mark.parametrize(
    "pages",
    [
        [at("AUCTION_AD", page(row("1"), total=2, pages=2))],
        [
            at("AUCTION_AD", page(row("2"), total=3, pages=2), page="2"),
            at("AUCTION_AD", page(row("1"), total=2, pages=2)),
        ],
        [at("AUCTION_AD", page(row("1"), total=2))],
    ],
    ids=["the page before once more", "the total moved", "a row is missing"],
)
def test_pages_that_do_not_fit_are_read_again_and_then_told(pages: list[Any], told: Told) -> None:
    with Replay([info(), *pages]) as server, pytest.raises(Transient) as caught:
        list(told.tiktok(server.url).spend(ONE_DAY))
    assert caught.value.code == "CTX-4806"
    assert len([wait for wait in told.waits if wait]) == 2


def test_other_days_than_asked_are_refused(told: Told) -> None:
    strange = at("AUCTION_AD", page(row(day="2026-01-01")))
    with Replay([info(), strange]) as server, pytest.raises(PlatformError) as caught:
        list(told.tiktok(server.url).spend(ONE_DAY))
    assert caught.value.code == "CTX-4807"


def test_money_beyond_the_listed_ads_stays_in_the_day(told: Told) -> None:
    campaign = {"dimensions": {"campaign_id": "11", "stat_time_day": f"{TODAY} 00:00:00"}, "metrics": {"spend": "3.00"}}
    recorded = [
        info(),
        at("AUCTION_AD", page(row(spend="1.25"), row("2", spend="0.00", impressions="0"))),
        at("AUCTION_ADVERTISER", page(total("3.50", "5"))),
        at("AUCTION_CAMPAIGN", page(campaign)),
    ]
    with Replay(recorded) as server:
        rows = list(told.tiktok(server.url).spend(ONE_DAY))
    assert sum(found.spend for found in rows) == Decimal("3.50")
    assert [(found.level, found.campaign_id, found.spend) for found in rows] == [
        ("ad", "11", Decimal("1.25")),
        ("campaign", "11", Decimal("1.75")),
        ("campaign", "", Decimal("0.50")),
    ]
    assert [(notice.code, notice.value) for notice in told.notices] == [("spend-without-ad", Decimal("2.25"))]


def test_a_row_that_cannot_be_is_set_aside_and_its_money_stays_in_the_day(told: Told) -> None:
    rows: list[Any] = [
        row("1", spend="1.25"), row("2", spend="abc"), row("3", clicks="1e"), {**row("4"), "dimensions": {"ad_id": "4"}},
        row("5", day="20261"), row("6", spend=2, campaign_name=None),  # type: ignore[arg-type]
    ]  # fmt: skip
    recorded = [
        info(),
        at("AUCTION_AD", page(*rows)),
        at("AUCTION_ADVERTISER", page(total("9.00", "10"))),
        at("AUCTION_CAMPAIGN", page()),
    ]
    with Replay(recorded) as server:
        found = list(told.tiktok(server.url).spend(ONE_DAY))
    assert [(one.ad_id, one.spend) for one in found] == [
        ("1", Decimal("1.25")),
        ("6", Decimal(2)),
        ("", Decimal("5.75")),
    ]
    assert {one.key for one in told.aside} == {"4 11 21", "5 20261 00:00:00 11 21", f"{TODAY}  2", f"{TODAY}  3"}
    assert {one.stream for one in told.aside} == {"ads.tiktok"}


def test_purchases_and_their_value_are_read(told: Told) -> None:
    bought = row(complete_payment="3", total_complete_payment_rate="299.97", clicks="7", reach="4")
    both = total("1.00", "5")
    both["metrics"] |= {"complete_payment": "3", "total_complete_payment_rate": "299.97", "clicks": "7"}
    with Replay([info(), at("AUCTION_AD", page(bought)), at("AUCTION_ADVERTISER", page(both))]) as server:
        [found] = told.tiktok(server.url).spend(ONE_DAY)
    assert (found.conversions, found.conversion_value) == (Decimal(3), Decimal("299.97"))
    assert (found.clicks, found.reach, found.currency) == (7, 4, "USD")
