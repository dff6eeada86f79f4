"""What a world hands to the stand-in platforms: each platform's own facts, already in its own words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class AdDay:
    """One ad on one day of the account's zone. Google: adset = ad group; campaigns without ads have empty ids."""

    day: date
    campaign_id: str
    campaign_name: str
    adset_id: str
    adset_name: str
    ad_id: str
    ad_name: str
    impressions: int
    clicks: int
    reach: int
    spend: Decimal
    purchases: Decimal
    purchase_value: Decimal
    channel_type: str = ""
    """Google: SEARCH, PERFORMANCE_MAX …"""


@dataclass(frozen=True)
class GoogleClick:
    gclid: str
    day: date
    campaign_id: str
    adset_id: str
    ad_id: str


@dataclass(frozen=True)
class GaOrder:
    """Row of GA4's report by transaction id."""

    day: date
    transaction_id: str
    source: str
    medium: str
    campaign: str
    campaign_id: str
    channel_group: str
    content: str
    revenue: Decimal


@dataclass(frozen=True)
class GaSessions:
    day: date
    source: str
    medium: str
    campaign: str
    campaign_id: str
    channel_group: str
    landing_page: str
    sessions: int
    engaged_sessions: int
    users: int
    new_users: int
    revenue: Decimal


@dataclass
class MetaAccount:
    account_id: str
    """With `act_`."""
    pixel_id: str
    name: str
    currency: str
    timezone: str
    days: list[AdDay] = field(default_factory=list)


@dataclass
class GoogleAccount:
    customer_id: str
    """Ten digits."""
    conversion_action_id: str
    name: str
    currency: str
    timezone: str
    days: list[AdDay] = field(default_factory=list)
    clicks: list[GoogleClick] = field(default_factory=list)


@dataclass
class Property:
    property_id: str
    name: str
    currency: str
    timezone: str
    orders: list[GaOrder] = field(default_factory=list)
    sessions: list[GaSessions] = field(default_factory=list)


@dataclass
class Shop:
    """One client: a Nuvemshop store and the accounts that advertise for it. Tokens are what the stand-ins accept."""

    code: str
    name: str
    store_id: str
    domain: str
    currency: str
    timezone: str
    store_token: str
    meta_token: str
    google_refresh_token: str
    orders: list[dict[str, Any]] = field(default_factory=list)
    """Nuvemshop's wire shape, complete, personal data included, any order."""
    products: list[dict[str, Any]] = field(default_factory=list)
    meta: MetaAccount | None = None
    google: GoogleAccount | None = None
    ga4: Property | None = None
    truth: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    """By channel: orders and value that would not have happened without it, and those it was present in."""


@dataclass
class Market:
    """Every shop of the world, seen at one instant. Stand-ins show nothing dated after `now`."""

    now: datetime
    shops: list[Shop] = field(default_factory=list)
