"""TikTok Ads: what each ad cost on each day, and the purchases TikTok claims for it (Business API v1.3 reports)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Struct, field
from pydantic import Field, ValidationInfo, field_validator

from cortex.ads import AdPlatform
from cortex.ads._remainder import beyond, unowned
from cortex.ads._trust import recorded, shaped
from cortex.clock import Window
from cortex.errors import CortexError, CredentialError, PlatformError, Throttled, Transient
from cortex.http import Client, Limits, Shifted, persist
from cortex.limits import AGENCY, Limit, Scope
from cortex.money import amount
from cortex.records import Account, AdSpend, History, Notice, Restatement
from cortex.secrets import REDACTOR
from cortex.settings import PlatformSection, SecretName

T = TypeVar("T")

TOKEN = SecretName("TIKTOK_TOKEN", "TikTok for Business access token with the reporting scope")

BASE = "https://business-api.tiktok.com"
REPORT = "/open_api/v1.3/report/integrated/get/"
INFO = "/open_api/v1.3/advertiser/info/"
"""The slash at the end matters: without it TikTok redirects."""

STREAM = "ads.tiktok"
PIECE_DAYS = 30
PAGE = 1000
LIMITS = Limits(attempts=5, first_pause=1.0, patience=180.0)

Level = Literal["ad", "campaign", "account"]
LEVELS: dict[Level, tuple[str, str, tuple[str, ...]]] = {
    "ad": ("AUCTION_AD", "ad_id", ("campaign_id", "campaign_name", "adgroup_id", "adgroup_name", "ad_name")),
    "campaign": ("AUCTION_CAMPAIGN", "campaign_id", ("campaign_name",)),
    "account": ("AUCTION_ADVERTISER", "advertiser_id", ()),
}
"""data_level, the id among the dimensions, and the attributes TikTok wants asked for as metrics."""
MEASURES = ("spend", "impressions", "clicks", "reach", "complete_payment", "total_complete_payment_rate")
"""The last one is the purchases' total value, whatever its name says."""

DEAD = {40102, 40103, 40104, 40105, 40107}
BUSY: dict[int, Scope] = {40016: "app", 40100: "app", 40133: "account"}
"""Too many calls a second, and by whom: the app or one advertiser."""
APP_AT_ONCE = 5
CALLS_PER_SECOND, CALLS_AT_ONCE = 5.0, 10.0
"""Of the app, whoever calls through it: TikTok's own limit depends on the app's tier, the lowest being 10 a second."""


class TikTokSection(PlatformSection):
    """`ads.tiktok` of a tenant file. Disabled, it needs nothing else."""

    advertiser_id: str = Field(default="", validate_default=True)

    @field_validator("advertiser_id", mode="before")
    @classmethod
    def _digits_when_enabled(cls, told: object, info: ValidationInfo) -> str:
        text = str(told).strip()
        if (text or info.data.get("enabled")) and not text.isdecimal():
            raise ValueError("must be the advertiser's number (the aadvid= in the address of TikTok Ads Manager)")
        return text


class Envelope(Struct, frozen=True):
    """What every answer is wrapped in. HTTP says 200 whatever happened; `code` says what did."""

    code: int
    message: str = ""
    request_id: str = ""
    data: msgspec.Raw = msgspec.Raw(b"{}")


class Dimensions(Struct, frozen=True):
    stat_time_day: Annotated[str, msgspec.Meta(pattern=r"^20\d\d-[01]\d-[0-3]\d")]
    ad_id: str = ""
    campaign_id: str = ""


Figure = str | int | float | None
"""Documented as text."""


class Metrics(Struct, frozen=True):
    spend: Figure = "0"
    impressions: Figure = "0"
    clicks: Figure = "0"
    reach: Figure = "0"
    complete_payment: Figure = "0"
    total_complete_payment_rate: Figure = "0"
    campaign_id: str | None = ""
    campaign_name: str | None = ""
    adgroup_id: str | None = ""
    adgroup_name: str | None = ""
    ad_name: str | None = ""


class Row(Struct, frozen=True):
    dimensions: Dimensions
    metrics: Metrics


class PageInfo(Struct, frozen=True):
    page: int
    total_number: int
    total_page: int


class Page(Struct, frozen=True):
    page_info: PageInfo
    rows: list[msgspec.Raw] = field(name="list")


class Advertiser(Struct, frozen=True):
    advertiser_id: str
    currency: str
    name: str = ""
    timezone: str = ""
    display_timezone: str = ""


class Advertisers(Struct, frozen=True):
    found: list[Advertiser] = field(name="list")


class TikTok(AdPlatform):
    """One advertiser. Spend is in the advertiser's currency and on the advertiser's own days."""

    Config = TikTokSection
    config: TikTokSection
    secrets = (TOKEN,)
    docs = "platforms/tiktok.md"
    history = History()
    restates = Restatement(daily=7, weekly=28)

    def shared(self) -> tuple[Limit, ...]:
        return (
            Limit(f"tiktok:advertiser:{self.config.advertiser_id}", "account", at_once=1),
            Limit(f"tiktok:app:{AGENCY}", "app", at_once=APP_AT_ONCE, per_second=CALLS_PER_SECOND, burst=CALLS_AT_ONCE),
        )

    @cached_property
    def _client(self) -> Client:
        return Client(
            "TikTok",
            self.config.api_url or BASE,
            headers={"Access-Token": self.access.secret(TOKEN).reveal()},
            limits=LIMITS,
            pace=self.pace,
            sleep=self.access.sleep,
        )

    @cached_property
    def _advertiser(self) -> Advertiser:
        params = {
            "advertiser_ids": _listed(self.config.advertiser_id),
            "fields": _listed("advertiser_id", "name", "currency", "timezone", "display_timezone"),
        }
        answer = self._client.get(INFO, params, decode=_opened(Advertisers)).value
        for one in answer.found:
            if one.advertiser_id == self.config.advertiser_id:
                return one
        raise PlatformError(
            "CTX-4804",
            "TikTok does not show this advertiser to the token.",
            fix="Compare advertiser_id with the address of TikTok Ads Manager (aadvid=…) and authorise the app for it.",
        )

    def check(self) -> Account:
        found = self._advertiser
        return Account(id=found.advertiser_id, name=found.name, currency=found.currency, timezone=_zone(found))

    def spend(self, window: Window) -> Iterator[AdSpend]:
        """Ad-days, and what the advertiser spent on a day beyond the ads TikTok lists.

        Raises CredentialError, Throttled, Transient or PlatformError.
        """
        for piece in window.chunks(PIECE_DAYS):
            ads = self._records(piece, "ad")
            yield from ads
            found = beyond(
                self._records(piece, "account"),
                ads,
                lambda piece=piece: self._records(piece, "campaign"),  # type: ignore[misc]
            )
            yield from found
            if found:
                self.access.notice(
                    Notice(
                        code="spend-without-ad",
                        stream=STREAM,
                        message=f"Between {piece.since} and {piece.last} TikTok lists spend without its ads.",
                        count=len(found),
                        value=sum((row.spend for row in found), Decimal(0)),
                        facts=unowned(piece, found),
                    )
                )

    def _records(self, piece: Window, level: Level) -> list[AdSpend]:
        """The piece at one level, without rows that measure nothing, read again when its pages shifted."""
        rows = persist(lambda: self._pages(piece, level), LIMITS, attempts=3, only=Shifted, sleep=self.access.sleep)
        records = list(recorded(rows, lambda row: self._record(row, level), _named, STREAM, self.access.quarantine))
        return [row for row in records if row.spend or row.impressions or row.clicks or row.conversions]

    def _pages(self, piece: Window, level: Level) -> list[Row]:
        """Every row. TikTok's pages are no snapshot: the total must stay and no row may come twice."""
        data_level, identity, attributes = LEVELS[level]
        params: dict[str, str | int] = {
            "advertiser_id": self.config.advertiser_id,
            "service_type": "AUCTION",
            "report_type": "BASIC",
            "data_level": data_level,
            "dimensions": _listed(identity, "stat_time_day"),
            "metrics": _listed(*attributes, *MEASURES),
            "start_date": piece.since.isoformat(),
            "end_date": piece.last.isoformat(),
            "page_size": PAGE,
        }
        rows: dict[tuple[str, str, str], Row] = {}
        read, unfit, number, totals = 0, 0, 1, set[int]()
        while True:
            page = self._client.get(REPORT, {**params, "page": number}, decode=_opened(Page)).value
            totals.add(page.page_info.total_number)
            told = shaped(page.rows, Row, STREAM, self.access.quarantine)
            unfit += len(page.rows) - len(told)
            read += len(told)
            rows |= {
                (row.dimensions.stat_time_day, row.dimensions.campaign_id, row.dimensions.ad_id): row for row in told
            }
            if number >= page.page_info.total_page:
                break
            number += 1
        if totals != {len(rows) + unfit} or read != len(rows):
            raise Shifted("CTX-4806", "TikTok's pages shifted while they were read.")
        if any(_day(row) not in piece for row in rows.values()):
            raise PlatformError("CTX-4807", "TikTok answered for other days than asked.")
        return list(rows.values())

    def _record(self, row: Row, level: Level) -> AdSpend:
        told, currency = row.metrics, self._advertiser.currency
        return AdSpend(
            platform="tiktok",
            account_id=self.config.advertiser_id,
            level="ad" if level == "ad" else "campaign",
            day=_day(row),
            campaign_id=row.dimensions.campaign_id or told.campaign_id or "",
            campaign_name=told.campaign_name or "",
            adset_id=told.adgroup_id or "",
            adset_name=told.adgroup_name or "",
            ad_id=row.dimensions.ad_id,
            ad_name=told.ad_name or "",
            currency=currency,
            timezone=_zone(self._advertiser),
            impressions=int(told.impressions or 0),
            reach=int(told.reach or 0),
            clicks=int(told.clicks or 0),
            spend=amount(told.spend, currency),
            conversions=Decimal(str(told.complete_payment or 0)),
            conversion_value=amount(told.total_complete_payment_rate, currency),
            payload=msgspec.json.encode(row),
        )


def _named(row: Row) -> str:
    return f"{row.dimensions.stat_time_day[:10]} {row.dimensions.campaign_id} {row.dimensions.ad_id}".strip()


def _listed(*names: str) -> str:
    """List parameters travel as JSON texts."""
    return msgspec.json.encode(names).decode()


def _day(row: Row) -> date:
    """`2026-11-10 00:00:00` is the advertiser's day already: converting it would shift it west of Greenwich."""
    return date.fromisoformat(row.dimensions.stat_time_day[:10])


def _zone(found: Advertiser) -> str:
    """The IANA name. `timezone` may say Etc/GMT+3 where `display_timezone` says America/Sao_Paulo."""
    for name in (found.display_timezone, found.timezone):
        try:
            return ZoneInfo(name).key
        except (ZoneInfoNotFoundError, ValueError):
            continue
    return ""


def _opened(kind: type[T]) -> Callable[[bytes], T]:
    def decode(body: bytes) -> T:
        answer = msgspec.json.decode(body, type=Envelope)
        if answer.code:
            raise named(answer)
        return msgspec.json.decode(answer.data, type=kind)

    return decode


def named(answer: Envelope) -> CortexError:
    """The error behind a code (TikTok's list of return codes)."""
    where = f"{answer.code}, request {answer.request_id}" if answer.request_id else str(answer.code)
    if answer.code in DEAD:
        return CredentialError(
            "CTX-4801",
            f"TikTok refused the token ({where}).",
            fix="Authorise the app again in TikTok for Business and store the new token as TIKTOK_TOKEN.",
        )
    if answer.code == 40001:
        return CredentialError(
            "CTX-4802",
            f"The TikTok token may not read this advertiser's reports ({where}).",
            fix="Give the app the Reporting permission and authorise it for this advertiser.",
        )
    if answer.code in BUSY:
        return Throttled("CTX-4803", f"TikTok asks to slow down ({where}).", retry_after=1.0, scope=BUSY[answer.code])
    if answer.code == 20001 or answer.code // 10_000 == 5:
        return Transient("CTX-4805", f"TikTok answered in part or failed for a moment ({where}).")
    words = REDACTOR.clean(" ".join(answer.message.split()))[:160]
    return PlatformError("CTX-4808", f"TikTok refused the request ({where}): {words}")
