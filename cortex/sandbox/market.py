"""What a world hands to the stand-in platforms: each platform's own facts, already in its own words."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime
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


@dataclass(frozen=True)
class Change:
    """What an order became at one instant: every field that ever changes, with the value it has from then on."""

    at: datetime
    fields: dict[str, Any]


@dataclass(frozen=True)
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
    orders: list[dict[str, Any]] = field(default_factory=list)
    """Nuvemshop's wire shape, complete, personal data included, any order; each as its last change leaves it."""
    changes: dict[str, list[Change]] = field(default_factory=dict)
    """By order id, oldest first. The first one is the order's creation; an order without any never changed."""
    scopes: tuple[str, ...] = ("read_products", "read_orders", "read_customers")
    """What the store token may read."""
    products: list[dict[str, Any]] = field(default_factory=list)
    meta: MetaAccount | None = None
    google: GoogleAccount | None = None
    ga4: Property | None = None
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
        order = next((order for order in self.orders if str(order["id"]) == str(order_id)), None)
        if order is None:
            raise KeyError(f"no order {order_id}")
        history = self.changes.setdefault(str(order_id), [])
        stamped = {**fields, "updated_at": at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")}
        if not history:
            created = datetime.fromisoformat(order["created_at"])
            history.append(Change(created, {name: order.get(name) for name in stamped}))
        before = [change for change in history if change.at <= at]
        if not before:
            raise ValueError(f"order {order_id} does not exist yet at {at}")
        known = before[-1].fields
        added = {name: order.get(name) for name in stamped if name not in known}
        history[:] = [Change(change.at, {**added, **change.fields}) for change in history]
        later = [Change(change.at, {**change.fields, **fields}) for change in history[len(before) :]]
        history[len(before) :] = [Change(at, {**added, **known, **stamped}), *later]
        order.update(history[-1].fields)
        self.revision += 1

    def orders_at(self, moment: datetime) -> list[dict[str, Any]]:
        """The orders that exist at an aware instant, each as it is then."""
        seen = []
        for order in self.orders:
            history = self.changes.get(str(order["id"]))
            if not history:
                if datetime.fromisoformat(order["created_at"]) <= moment:
                    seen.append(order)
                continue
            past = [change for change in history if change.at <= moment]
            if past:
                seen.append({**order, **past[-1].fields})
        return seen


@dataclass
class Market:
    """Every shop of the world, seen at one instant. Stand-ins show nothing dated after `now`."""

    now: datetime
    shops: list[Shop] = field(default_factory=list)
