"""One shop's orders, products and customers as they are at an instant, found fast: the stand-in's memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from cortex.sandbox.market import Shop
from cortex.sandbox.notation import epoch
from cortex.sandbox.nuvemshop_query import Query
from cortex.sandbox.nuvemshop_versions import Bools, Ints, Versions, fits, versions_of
from cortex.sandbox.orders import Order


class WithCustomer(msgspec.Struct):
    customer: dict[str, Any]


@dataclass
class Now:
    """The shop at one instant: which orders exist, which version of each counts, and the newest order of each customer."""

    at: int
    revision: int
    visible: Bools
    version: Ints
    customers: list[int] | None = None


class Shelf:
    """A shop's resources. `search` gives positions, `fetch` the resources themselves, newest first."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._lock = threading.Lock()
        self._revision = shop.revision
        self._versions = versions_of(shop.orders)
        self._now: Now | None = None
        self._products = sorted(shop.products, key=lambda item: (item["created_at"], item["id"]), reverse=True)

    def store(self) -> dict[str, Any]:
        """The store resource."""
        shop = self._shop
        return {
            "id": int(shop.store_id),
            "name": {"pt": shop.name},
            "description": {"pt": ""},
            "type": None,
            "email": f"contato@{shop.domain.removeprefix('www.')}",
            "contact_email": f"contato@{shop.domain.removeprefix('www.')}",
            "country": "BR",
            "main_currency": shop.currency,
            "main_language": "pt",
            "admin_language": "pt",
            "languages": {"pt": {"currency": shop.currency, "active": True}},
            "domains": [shop.domain],
            "original_domain": f"{shop.code}.lojavirtual.example",
            "url_with_protocol": f"https://{shop.domain}",
            "plan_name": "Impulso",
            "business_id": None,
            "business_name": shop.name,
            "business_address": None,
            "address": None,
            "phone": None,
            "logo": None,
            "current_theme": "amazonas",
            "customer_accounts": "optional",
            "created_at": "2016-01-04T12:00:00+0000",
        }

    def one(self, resource: str, wanted: int, now: int) -> dict[str, Any] | None:
        """The resource of that id if it exists already."""
        if resource == "products":
            return next((item for item in self._products if item["id"] == wanted), None)
        state, versions = self._at(now)
        if resource == "orders":
            found = np.flatnonzero((versions.ids == wanted) & state.visible).tolist()
        else:
            found = [i for i in self._customers(now) if versions.customer[i] == wanted]
        return self.fetch(resource, found[:1], now)[0] if found else None

    def search(self, resource: str, query: Query, now: int) -> Sequence[int]:
        """Positions of what the query asks for, newest first."""
        if resource == "orders":
            return self._orders(query, now)
        if resource == "customers":
            return [i for i in self._customers(now) if _listed(self._customer(i), query, now)]
        hits = [i for i, item in enumerate(self._products) if _listed(item, query, now)]
        if query.words.get("sort_by") == "created-at-ascending":
            hits.reverse()
        return hits

    def fetch(self, resource: str, positions: Sequence[int], now: int) -> list[dict[str, Any]]:
        """The resources at those positions."""
        if resource == "products":
            return [self._products[i] for i in positions]
        if resource == "customers":
            return [self._customer(i) for i in positions]
        shown = [self._order(i, now) for i in positions]
        if "read_customers" not in self._shop.scopes:
            for order in shown:
                order.pop("customer", None)
        return shown

    def _order(self, position: int, now: int) -> Order:
        return self._shop.orders.at(position, now)

    def _customer(self, position: int) -> dict[str, Any]:
        placed, _ = self._shop.orders.read(position, tuple[WithCustomer, msgspec.Raw])
        return placed.customer

    def _at(self, now: int) -> tuple[Now, Versions]:
        with self._lock:
            if self._revision != self._shop.revision:
                self._revision = self._shop.revision
                self._versions = versions_of(self._shop.orders)
            state = self._now
            if state is None or state.at != now or state.revision != self._revision:
                state = self._now = _look(self._versions, now, self._revision)
            return state, self._versions

    def _orders(self, query: Query, now: int) -> Sequence[int]:
        state, versions = self._at(now)
        mask = state.visible & fits(query, versions, state.version)
        found: list[int] = versions.newest[mask[versions.newest]].tolist()
        if query.customers is not None:
            found = [i for i in found if versions.customer[i] in query.customers]
        if "app_id" in query.numbers:
            found = [i for i in found if self._order(i, now).get("app_id") == query.numbers["app_id"]]
        if query.text:
            found = [i for i in found if _mentions(self._order(i, now), query.text)]
        return found

    def _customers(self, now: int) -> list[int]:
        """The newest order of each customer, newest customer first."""
        state, versions = self._at(now)
        if state.customers is None:
            existing = versions.newest[state.visible[versions.newest]]
            newest = existing[np.unique(versions.customer[existing], return_index=True)[1]]
            by_age = np.lexsort((versions.customer[newest], versions.customer_since[newest]))
            state.customers = newest[by_age[::-1]].tolist()
        return state.customers


def _look(versions: Versions, now: int, revision: int) -> Now:
    if not len(versions.ids):
        empty = np.zeros(0, dtype=np.int64)
        return Now(now, revision, empty.astype(np.bool_), empty)
    past = np.add.reduceat((versions.at <= now).astype(np.int64), versions.starts[:-1])
    return Now(now, revision, versions.created <= now, versions.starts[:-1] + np.maximum(past, 1) - 1)


def _mentions(order: dict[str, Any], text: str) -> bool:
    inside = (order["contact_name"], order["contact_email"])
    return text == str(order["number"]) or any(text in str(value).lower() for value in inside)


def _listed(item: dict[str, Any], query: Query, now: int) -> bool:
    """Whether a product or a customer is what the query asks for."""
    created, updated = epoch(item["created_at"]), epoch(item["updated_at"])
    times, numbers = query.times, query.numbers
    if created > now or item["id"] <= numbers.get("since_id", -1):
        return False
    if not times.get("created_at_min", created) <= created <= times.get("created_at_max", created):
        return False
    if not times.get("updated_at_min", updated) <= updated <= times.get("updated_at_max", updated):
        return False
    if query.text and query.text not in _spoken(item):
        return False
    return "variants" not in item or _product_listed(item, query)


def _product_listed(item: dict[str, Any], query: Query) -> bool:
    stock = sum(variant["stock"] or 0 for variant in item["variants"])
    numbers, words = query.numbers, query.words
    return (
        (not query.handle or query.handle in item["handle"].values())
        and ("category_id" not in numbers or any(c["id"] == numbers["category_id"] for c in item["categories"]))
        and all(str(item[name]).lower() == words[name] for name in ("published", "free_shipping") if name in words)
        and numbers.get("min_stock", stock) <= stock <= numbers.get("max_stock", stock)
    )


def _spoken(item: dict[str, Any]) -> str:
    if "variants" not in item:
        return f"{item['name']} {item['email']} {item['identification']}".lower()
    skus = " ".join(variant["sku"] or "" for variant in item["variants"])
    return f"{' '.join(item['name'].values())} {skus}".lower()
