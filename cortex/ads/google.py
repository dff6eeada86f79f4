"""Google Ads: what each ad and each campaign without ads cost on each day, and which ad a gclid belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from pydantic import field_validator

from cortex import google
from cortex.ads import AdPlatform
from cortex.ads._remainder import MILLIONTH, remainders
from cortex.clock import Window, local_day
from cortex.errors import PlatformError
from cortex.google import CREDENTIALS
from cortex.google_ads import AdsService
from cortex.limits import Limit
from cortex.money import amount, quantum
from cortex.records import Account, AdClick, AdSpend, History, Notice, Restatement
from cortex.settings import PlatformSection, SecretName

DEVELOPER_TOKEN = SecretName("GOOGLE_DEVELOPER_TOKEN", "Google Ads developer token (optional since September 2026)")

PROJECT_AT_ONCE, CUSTOMER_AT_ONCE = 10, 2
"""Runs at a time through one Cloud project and on one account: operations are counted per project."""

PIECE_DAYS = 30
CLICK_DAYS = 90
"""click_view answers for one day at a time, and for the last 90 only."""

ACCOUNT = """
SELECT customer.id, customer.descriptive_name, customer.currency_code, customer.time_zone, customer.manager
FROM customer LIMIT 1"""

MEASURES = """segments.date, metrics.impressions, metrics.clicks, metrics.cost_micros, metrics.conversions,
  metrics.conversions_value"""

ADS = f"""
SELECT customer.id, customer.currency_code, customer.time_zone, campaign.id, campaign.name, ad_group.id, ad_group.name,
  ad_group_ad.ad.id, ad_group_ad.ad.name, {MEASURES}
FROM ad_group_ad WHERE segments.date BETWEEN '{{since}}' AND '{{last}}'"""  # noqa: S608  # dates of our own

CAMPAIGNS = f"""
SELECT customer.id, customer.currency_code, customer.time_zone, campaign.id, campaign.name, {MEASURES}
FROM campaign WHERE segments.date BETWEEN '{{since}}' AND '{{last}}'"""  # noqa: S608
"""Neither filters on status: removed campaigns would lose their past."""

CLICKS = """
SELECT click_view.gclid, click_view.ad_group_ad, campaign.id, ad_group.id, segments.date
FROM click_view WHERE segments.date = '{day}'"""


def _digits(told: object) -> str:
    text = str(told).replace("-", "").replace(" ", "")
    if len(text) != 10 or not text.isdecimal():
        raise ValueError("must be the ten digits at the top of the Google Ads interface, such as 123-456-7890")
    return text


class GoogleSection(PlatformSection):
    """`ads.google` of a tenant file. Dashes in the numbers are taken out."""

    customer_id: str
    login_customer_id: str | None = None
    """The manager account through which access flows, where it does."""

    @field_validator("customer_id", mode="before")
    @classmethod
    def _ten_digits(cls, told: object) -> str:
        return _digits(told)

    @field_validator("login_customer_id", mode="before")
    @classmethod
    def _ten_digits_or_none(cls, told: object) -> str | None:
        return None if told is None else _digits(told)

    @field_validator("api_url")
    @classmethod
    def _speaks_grpc(cls, url: str | None) -> str | None:
        if url and url.startswith("http:"):
            raise ValueError("must be grpc:// on loopback or https://: Google Ads speaks gRPC")
        return url


class Google(AdPlatform):
    """One customer account. Spend is in the account's currency and on the account's own days."""

    Config = GoogleSection
    config: GoogleSection
    secrets = (CREDENTIALS,)
    docs = "platforms/google-ads.md"
    history = History(days=1123)
    """37 months of daily rows (since 2026-06-01), which are never fewer days than these."""
    restates = Restatement(daily=14, weekly=30)
    """Cost settles in days; conversions are dated by their click, and come for up to 90 days after it."""

    def shared(self) -> tuple[Limit, ...]:
        project = google.project(self.access.vault.find(*CREDENTIALS.names))
        return (
            Limit(f"google_ads:customer:{self.config.customer_id}", "account", at_once=CUSTOMER_AT_ONCE),
            Limit(f"google_ads:project:{project}", "app", at_once=PROJECT_AT_ONCE),
        )

    @cached_property
    def _service(self) -> AdsService:
        return AdsService(
            self.access.secret(CREDENTIALS),
            self.access.vault.find(*DEVELOPER_TOKEN.names),
            self.config.login_customer_id,
            self.config.api_url,
            self.access.sleep,
            self.pace,
        )

    @cached_property
    def _customer(self) -> Any:
        rows = self._service.rows(self.config.customer_id, ACCOUNT)
        if len(rows) != 1:
            raise PlatformError("CTX-4209", "Google Ads did not describe the account.")
        return rows[0].customer

    def check(self) -> Account:
        found = self._customer
        return Account(
            id=str(found.id),
            name=found.descriptive_name,
            currency=found.currency_code,
            timezone=found.time_zone,
            note="a manager account: it has no spend of its own" if found.manager else "",
        )

    def spend(self, window: Window) -> Iterator[AdSpend]:
        """Ad-days, and per campaign-day what the campaign cost beyond its ads: Performance Max and Smart campaigns
        have none. Raises CredentialError, Throttled, Transient or PlatformError.
        """
        reachable = self._reachable(window)
        for piece in reachable.chunks(PIECE_DAYS) if reachable else ():
            ads = [self._record(row, "ad", piece) for row in self._rows(ADS, piece)]
            campaigns = [self._record(row, "campaign", piece) for row in self._rows(CAMPAIGNS, piece)]
            yield from ads
            yield from remainders(campaigns, ads, lambda row: (row.day, row.campaign_id))

    def clicks(self, window: Window) -> Iterator[AdClick]:
        """Each gclid of the window and its ad, a query for each day. Days older than 90 are skipped with a notice.

        Clicks with gbraid or wbraid (most of iOS) are not told by Google: they resolve through the tags of the URL.
        """
        today = self._today()
        first = today - timedelta(days=CLICK_DAYS)
        days = [day for day in window.each_day() if day <= today]
        lost = sum(day < first for day in days)
        if lost:
            self._notice(
                "clicks-expired", f"Clicks of {lost} days before {first} were not read: Google keeps 90.", lost, first
            )
        for day in reversed(days[lost:]):
            for row in self._service.rows(self.config.customer_id, CLICKS.format(day=day)):
                if row.click_view.gclid:
                    yield _click(row)

    def _reachable(self, window: Window) -> Window | None:
        assert self.history.days is not None
        first = self._today() - timedelta(days=self.history.days)
        lost = min(max(0, (first - window.since).days), window.days)
        if lost:
            self._notice("history", f"{lost} days before {first} were not read: Google keeps 37 months.", lost, first)
        return Window(max(first, window.since), window.until) if lost < window.days else None

    def _today(self) -> date:
        return local_day(self.access.clock(), ZoneInfo(self._customer.time_zone))

    def _notice(self, code: str, message: str, count: int, first: date) -> None:
        facts = {"first": first.isoformat()}
        self.access.notice(Notice(code=code, stream="ads.google", message=message, count=count, facts=facts))

    def _rows(self, query: str, piece: Window) -> list[Any]:
        return self._service.rows(self.config.customer_id, query.format(since=piece.since, last=piece.last))

    def _record(self, row: Any, level: Literal["ad", "campaign"], piece: Window) -> AdSpend:
        customer, metrics, day = row.customer, row.metrics, date.fromisoformat(row.segments.date)
        if str(customer.id) != self.config.customer_id or day not in piece:
            raise PlatformError("CTX-4209", "Google Ads answered for another account or other days than asked.")
        by_ad = level == "ad"
        return AdSpend(
            platform="google",
            account_id=str(customer.id),
            level=level,
            day=day,
            campaign_id=str(row.campaign.id),
            campaign_name=row.campaign.name,
            adset_id=str(row.ad_group.id) if by_ad else "",
            adset_name=row.ad_group.name if by_ad else "",
            ad_id=str(row.ad_group_ad.ad.id) if by_ad else "",
            ad_name=row.ad_group_ad.ad.name if by_ad else "",
            currency=customer.currency_code,
            timezone=customer.time_zone,
            impressions=metrics.impressions,
            clicks=metrics.clicks,
            spend=_cost(metrics.cost_micros, customer.currency_code),
            conversions=Decimal(repr(metrics.conversions)).quantize(MILLIONTH),
            conversion_value=amount(metrics.conversions_value, customer.currency_code),
            payload=_payload(row, by_ad=by_ad),
        )


def _payload(row: Any, *, by_ad: bool) -> bytes:
    """What was selected, by Google's names. Written out: protobuf's own JSON takes ten times as long."""
    told = {
        "segments.date": row.segments.date,
        "customer.id": row.customer.id,
        "campaign.id": row.campaign.id,
        "campaign.name": row.campaign.name,
        "metrics.impressions": row.metrics.impressions,
        "metrics.clicks": row.metrics.clicks,
        "metrics.cost_micros": row.metrics.cost_micros,
        "metrics.conversions": row.metrics.conversions,
        "metrics.conversions_value": row.metrics.conversions_value,
    }
    if by_ad:
        told |= {
            "ad_group.id": row.ad_group.id,
            "ad_group.name": row.ad_group.name,
            "ad_group_ad.ad.id": row.ad_group_ad.ad.id,
            "ad_group_ad.ad.name": row.ad_group_ad.ad.name,
        }
    return msgspec.json.encode(told)


def _cost(micros: int, currency: str) -> Decimal:
    """Millionths of the currency, exactly: in its minor unit where that is exact, else with six places."""
    value = Decimal(micros).scaleb(-6)
    rounded = value.quantize(quantum(currency))
    return rounded if rounded == value else value


def _click(row: Any) -> AdClick:
    """The ad is the last part of a resource name: customers/1/adGroupAds/22~333."""
    return AdClick(
        platform="google",
        click_id=row.click_view.gclid,
        day=date.fromisoformat(row.segments.date),
        campaign_id=str(row.campaign.id),
        adset_id=str(row.ad_group.id) if row.ad_group.id else "",
        ad_id=row.click_view.ad_group_ad.rpartition("~")[2] if "~" in row.click_view.ad_group_ad else "",
    )
