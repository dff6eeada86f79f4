"""What a world hands to the stand-in platforms: each platform's own facts, already in its own words."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from cortex.sandbox.notation import epoch, stamp
from cortex.sandbox.orders import Order, Orders

if TYPE_CHECKING:
    from cortex.sandbox.trail import Trail

DEVICES = ("mobile", "desktop")
"""Categories of GA4 that the world's visitors have."""


@dataclass(frozen=True, slots=True)
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


class GoogleClick(msgspec.Struct, frozen=True, gc=False):
    gclid: str
    day: date
    campaign_id: str
    adset_id: str
    ad_id: str


class GaOrder(msgspec.Struct, frozen=True, gc=False):
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
    device: str = ""


class GaSessions(msgspec.Struct, frozen=True, gc=False):
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


class GaEvents(msgspec.Struct, frozen=True, gc=False):
    """Events of one name, and the sessions they happened in."""

    day: date
    source: str
    medium: str
    campaign: str
    campaign_id: str
    channel_group: str
    device: str
    name: str
    events: int
    sessions: int


class GaItem(msgspec.Struct, frozen=True, gc=False):
    """Units of one product in the e-commerce events of a day."""

    day: date
    item_id: str
    name: str
    category: str
    viewed: int
    added: int
    checked_out: int
    purchased: int


class Dated(Protocol):
    @property
    def day(self) -> date: ...


DatedRow = TypeVar("DatedRow", bound=Dated)


def within(rows: Sequence[DatedRow], since: date, until: date) -> Sequence[DatedRow]:
    """The rows of the days `since` to `until`, both included, of a table that has its oldest day first."""
    first = bisect_left(rows, since, key=lambda row: row.day)
    return rows[first : bisect_right(rows, until, first, key=lambda row: row.day)]


@dataclass
class MetaAccount:
    account_id: str
    """With `act_`."""
    pixel_id: str
    name: str
    currency: str
    timezone: str
    days: list[AdDay] = field(default_factory=list)
    may_manage: bool = True
    """The token's system user may manage the dataset, not only send to it."""


@dataclass
class GoogleAccount:
    customer_id: str
    """Ten digits."""
    conversion_action_id: str
    name: str
    currency: str
    timezone: str
    days: list[AdDay] = field(default_factory=list)
    clicks: Sequence[GoogleClick] = ()
    """Oldest day first."""
    may_upload: bool = True
    """Uploaded conversions through the Ads API between December 2025 and May 2026, and so may go on."""
    data_terms: bool = True
    """Accepted the customer data terms."""
    leads: bool = True
    """Switched enhanced conversions for leads on."""
    conversion_customer: str = ""
    """The account that owns the conversion actions, where it is another one (a manager)."""


@dataclass
class TikTokPixel:
    code: str
    token: str
    """Of the Events API, generated for this pixel."""


@dataclass
class Property:
    property_id: str
    name: str
    currency: str
    timezone: str
    measurement_id: str = ""
    """Of its web stream; with `api_secret` what Measurement Protocol counts hits by."""
    api_secret: str = ""
    orders: Sequence[GaOrder] = ()
    """Oldest day first, as are the others."""
    sessions: Sequence[GaSessions] = ()
    events: Sequence[GaEvents] = ()
    items: Sequence[GaItem] = ()
    trail: Trail | None = None
    """What its export to BigQuery has; None where it is not linked."""


@dataclass(frozen=True, slots=True)
class PathCount:
    """Shoppers who came through the same channels in the same order, bought or not."""

    channels: tuple[str, ...]
    shoppers: int
    orders: int
    value: Decimal


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
    orders: Orders = field(default_factory=Orders)
    """With what happens to them; in any order."""
    scopes: tuple[str, ...] = ("read_products", "read_orders", "read_customers")
    """What the store token may read."""
    products: list[dict[str, Any]] = field(default_factory=list)
    meta: MetaAccount | None = None
    google: GoogleAccount | None = None
    ga4: Property | None = None
    tiktok: TikTokPixel | None = None
    truth: dict[str, dict[str, Decimal]] = field(default_factory=dict)
    """By channel: orders and value that would not have happened without it, and those it was present in."""
    paths: list[PathCount] = field(default_factory=list)
    """Every journey of the window, the ones that led nowhere too."""
    revision: int = 0
    """Grows with every amendment, so that a stand-in knows when to look again."""

    def amend(self, order_id: int | str, at: datetime, fields: dict[str, Any]) -> None:
        """Let something happen to an order at an instant, such as a refund: what the shop's owner would do.

        `updated_at` follows by itself. Raises KeyError for an unknown order, ValueError for one not yet placed.
        """
        position = self.orders.position(order_id)
        order, events = self.orders.story(position)
        when = int(at.timestamp())
        if when < epoch(order["created_at"]):
            raise ValueError(f"order {order_id} does not exist yet at {at}")
        before = [event for event in events if event[0] <= when]
        # What was going to happen still does, but leaves the amended fields alone.
        later = [
            (then, {**said, **{name: fields[name] for name in said.keys() & fields}})
            for then, said in events[len(before) :]
        ]
        self.orders.replace(position, order, [*before, (when, {**fields, "updated_at": stamp(when)}), *later])
        self.revision += 1

    def orders_at(self, moment: datetime) -> list[Order]:
        """The orders that exist at an aware instant, each as it is then."""
        return list(self.orders.existing(moment.timestamp()))


@dataclass
class Market:
    """Every shop of the world, seen at one instant. Stand-ins show nothing dated after `now`."""

    now: datetime
    shops: list[Shop] = field(default_factory=list)
