"""A market small enough to know by heart: two shops, a few ads, clicks and orders, on 20 November 2026."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from cortex.sandbox.market import (
    AdDay,
    GaEvents,
    GaItem,
    GaOrder,
    GaSessions,
    GoogleAccount,
    GoogleClick,
    Market,
    MetaAccount,
    Property,
    Shop,
    TikTokPixel,
)

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
TODAY = date(2026, 11, 20)
ZONE = "America/Sao_Paulo"
GCLID = "Cj0KCQiAsmall-market-click-0001"
OTHER_GCLID = "Cj0KCQiAsmall-market-click-0002"
SEARCH = "SEARCH"


class Hand:
    """A clock moved by hand."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        self.now += timedelta(**by)


def ad_day(day: date, ad: int, *, spend: str = "10.50", purchases: int = 2, channel: str = "", **other: Any) -> AdDay:
    """One ad-day; ads 1 and 2 belong to campaign 1, ads 3 and 4 to campaign 2."""
    group = (ad + 1) // 2
    values: dict[str, Any] = {
        "day": day,
        "campaign_id": f"10{group}",
        "campaign_name": f"Campaign {group}",
        "adset_id": f"20{group}",
        "adset_name": f"Set {group}",
        "ad_id": f"30{ad}",
        "ad_name": f"Ad {ad}",
        "impressions": 1000 + ad,
        "clicks": 20,
        "reach": 900,
        "spend": Decimal(spend),
        "purchases": Decimal(purchases),
        "purchase_value": Decimal("199.90") * purchases,
        "channel_type": channel,
    }
    return AdDay(**(values | other))


def performance_max(day: date) -> AdDay:
    return ad_day(
        day,
        9,
        spend="33.00",
        channel="PERFORMANCE_MAX",
        campaign_id="109",
        campaign_name="Máxima",
        adset_id="",
        adset_name="",
        ad_id="",
        ad_name="",
    )


def days_before(count: int, last: date = TODAY) -> list[date]:
    return [last - timedelta(days=back) for back in range(count)]


def shop(code: str, number: int, days: int = 10) -> Shop:
    """Shop `number`: accounts act_1…, customer 100000000…, property 50…, all with tokens of their own."""
    meta = MetaAccount(f"act_{number}00", f"{number}777777", f"{code} ads", "BRL", ZONE)
    meta.days = [ad_day(day, ad) for day in days_before(days) for ad in (1, 2, 3, 4)]
    google = GoogleAccount(f"{number}000000000", f"{number}555555", f"{code} google", "BRL", ZONE)
    google.days = [ad_day(day, ad, channel=SEARCH) for day in days_before(days) for ad in (1, 3)]
    google.days += [performance_max(day) for day in days_before(days)]
    gclid = GCLID if number == 1 else OTHER_GCLID
    google.clicks = [GoogleClick(gclid, TODAY - timedelta(days=1), "101", "201", "301")]
    ga4 = Property(f"50{number}", f"{code} site", "BRL", ZONE, f"G-SMALL{number}", f"ga4-secret-{number}")
    ga4.orders = [order(day, position) for position, day in enumerate(days_before(days))][::-1]
    ga4.sessions = [sessions(day, source) for day in days_before(days)[::-1] for source in ("google", "facebook")]
    ga4.events = [row for day in days_before(days)[::-1] for row in events(day)]
    ga4.items = [GaItem(day, "P1", "Vestido", "Vestidos", 40, 4, 2, 1) for day in days_before(days)[::-1]]
    return Shop(
        code,
        code.title(),
        f"{number}001",
        f"{code}.example",
        "BRL",
        ZONE,
        store_token=f"store-token-{number}",
        meta_token=f"meta-token-{number}",
        google_refresh_token=f"1//refresh-{number}",
        meta=meta,
        google=google,
        ga4=ga4,
        tiktok=TikTokPixel(f"CSMALLMARKET{number}", f"tiktok-token-{number}"),
    )


def order(day: date, number: int) -> GaOrder:
    return GaOrder(day, f"T{number}", "google", "cpc", "brand", "101", "Paid Search", "ad-a", Decimal("100.50"))


def sessions(day: date, source: str) -> GaSessions:
    return GaSessions(day, source, "cpc", "", "", "Paid Search", "/", 100, 60, 80, 30, Decimal("100.50"))


HAPPENED = {
    "session_start": (100, 100), "page_view": (250, 100), "view_item": (80, 50), "add_to_cart": (9, 8),
    "begin_checkout": (4, 4), "add_payment_info": (3, 3), "purchase": (1, 1),
}  # fmt: skip
"""By event, how often a day and in how many sessions, on mobiles; desktops have the beginning and the look alone."""


def events(day: date) -> list[GaEvents]:
    def row(device: str, name: str, counts: tuple[int, int]) -> GaEvents:
        return GaEvents(day, "google", "cpc", "brand", "101", "Paid Search", device, name, *counts)

    desktop = [row("desktop", name, HAPPENED[name]) for name in ("session_start", "view_item")]
    return [*(row("mobile", name, counts) for name, counts in HAPPENED.items()), *desktop]


def market(*, days: int = 10, build: Callable[[str, int, int], Shop] = shop) -> Market:
    return Market(NOW, [build("alfa", 1, days), build("beta", 2, days)])


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def purchase(order_id: str, *, age: timedelta = timedelta(hours=1), **changes: Any) -> dict[str, Any]:
    """A Conversions API event nobody can object to; `changes` replace top-level fields."""
    event = {
        "event_name": "Purchase",
        "event_time": int((NOW - age).timestamp()),
        "event_id": f"purchase-{order_id}",
        "action_source": "website",
        "event_source_url": "https://alfa.example/checkout",
        "user_data": {
            "em": [digest("ana@example.com")],
            "client_user_agent": "Mozilla/5.0",
            "client_ip_address": "203.0.113.9",
            "fbc": "fb.1.1763600000000.AbCdEf",
            "fbp": "fb.1.1763600000000.1234567890",
        },
        "custom_data": {"value": 199.9, "currency": "BRL", "order_id": order_id},
    }
    return event | changes


def conversion(order_id: str, *, age: timedelta = timedelta(hours=1), **changes: Any) -> dict[str, Any]:
    """A Data Manager event nobody can object to; a change to None removes the field."""
    event: dict[str, Any] = {
        "transactionId": order_id,
        "eventTimestamp": (NOW - age).isoformat(),
        "userData": {"userIdentifiers": [{"emailAddress": digest("ana@example.com")}]},
        "consent": {"adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_GRANTED"},
        "currency": "BRL",
        "conversionValue": 199.9,
        "eventSource": "WEB",
    }
    return {name: value for name, value in (event | changes).items() if value is not None}


def ingest(
    *events: dict[str, Any], customer: str = "1000000000", action: str = "1555555", **more: Any
) -> dict[str, Any]:
    destination = {
        "operatingAccount": {"accountType": "GOOGLE_ADS", "accountId": customer},
        "productDestinationId": action,
    }
    return {"destinations": [destination], "encoding": "HEX", "events": list(events)} | more
