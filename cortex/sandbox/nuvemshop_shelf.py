"""One shop's orders, products and customers as they are at an instant, found fast: the stand-in's memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from cortex.sandbox.market import Shop
from cortex.sandbox.nuvemshop_query import SHOWN_BY_ANY, Query

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
STATES = ("status", "payment_status", "shipping_status")
# What a word of the filter means in the field, where these differ.
SAME = {"shipped": "fulfilled", "unshipped": "unfulfilled"}


@dataclass
class Versions:
    """Every state every order has ever had, newest order first; the versions of order i are starts[i]..starts[i + 1]."""

    orders: list[dict[str, Any]]
    starts: Ints
    at: Ints
    fields: list[dict[str, Any]]
    words: dict[str, npt.NDArray[np.str_]]
    total: Ints
    ids: Ints
    created: Ints
    storefront: npt.NDArray[np.str_]


@dataclass
class Now:
    """The shop at one instant: which orders exist, which version of each counts, and who the customers are."""

    at: int
    revision: int
    visible: Bools
    version: Ints
    customers: list[dict[str, Any]] | None = None


class Shelf:
    """A shop's resources. `search` gives positions, `fetch` the resources themselves, newest first."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._lock = threading.Lock()
        self._revision = shop.revision
        self._versions = _versions(shop)
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
        if resource == "orders":
            state, versions = self._at(now)
            found = np.flatnonzero((versions.ids == wanted) & state.visible)
            return self.fetch("orders", found.tolist(), now)[0] if len(found) else None
        listed = self._products if resource == "products" else self._customers(now)
        return next((item for item in listed if item["id"] == wanted), None)

    def search(self, resource: str, query: Query, now: int) -> Sequence[int]:
        """Positions of what the query asks for, newest first."""
        if resource == "orders":
            return self._orders(query, now)
        listed = self._products if resource == "products" else self._customers(now)
        hits = [i for i, item in enumerate(listed) if _listed(item, query, now)]
        if resource == "products" and query.words.get("sort_by") == "created-at-ascending":
            hits.reverse()
        return hits

    def fetch(self, resource: str, positions: Sequence[int], now: int) -> list[dict[str, Any]]:
        """The resources at those positions."""
        if resource != "orders":
            listed = self._products if resource == "products" else self._customers(now)
            return [listed[i] for i in positions]
        state, versions = self._at(now)
        version = state.version
        shown = [{**versions.orders[i], **versions.fields[int(version[i])]} for i in positions]
        if "read_customers" not in self._shop.scopes:
            for order in shown:
                order.pop("customer", None)
        return shown

    def _at(self, now: int) -> tuple[Now, Versions]:
        with self._lock:
            if self._revision != self._shop.revision:
                self._revision = self._shop.revision
                self._versions = _versions(self._shop)
            state = self._now
            if state is None or state.at != now or state.revision != self._revision:
                state = self._now = _look(self._versions, now, self._revision)
            return state, self._versions

    def _orders(self, query: Query, now: int) -> Sequence[int]:
        state, versions = self._at(now)
        mask = state.visible & _fits(query, versions, state.version)
        found = np.flatnonzero(mask).tolist()
        if query.customers is not None:
            found = [i for i in found if versions.orders[i]["customer"]["id"] in query.customers]
        if "app_id" in query.numbers:
            found = [i for i in found if versions.orders[i].get("app_id") == query.numbers["app_id"]]
        if query.text:
            found = [i for i in found if _mentions(versions.orders[i], query.text)]
        return found

    def _customers(self, now: int) -> list[dict[str, Any]]:
        """Customers as their newest order shows them, newest customer first."""
        state, versions = self._at(now)
        if state.customers is None:
            newest: dict[int, dict[str, Any]] = {}
            for i in np.flatnonzero(state.visible).tolist():
                customer = versions.orders[i]["customer"]
                newest.setdefault(customer["id"], customer)
            state.customers = sorted(newest.values(), key=lambda item: (item["created_at"], item["id"]), reverse=True)
        return state.customers


def _epoch(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _versions(shop: Shop) -> Versions:
    created = {str(order["id"]): _epoch(order["created_at"]) for order in shop.orders}
    orders = sorted(shop.orders, key=lambda order: (created[str(order["id"])], order["id"]), reverse=True)
    starts, at, position = [0], list[int](), list[int]()
    fields: list[dict[str, Any]] = []
    for i, order in enumerate(orders):
        history = shop.changes.get(str(order["id"]))
        if history:
            at += [int(change.at.timestamp()) for change in history]
            fields += [change.fields for change in history]
        else:
            at.append(_epoch(order["updated_at"]))
            fields.append({})
        position += [i] * (len(at) - len(position))
        starts.append(len(at))
    words = {
        name: np.array(
            [_word(orders[i], change, name) for i, change in zip(position, fields, strict=True)], dtype=np.str_
        )
        for name in STATES
    }
    totals = [change.get("total", orders[i]["total"]) for i, change in zip(position, fields, strict=True)]
    return Versions(
        orders=orders,
        starts=np.array(starts, dtype=np.int64),
        at=np.array(at, dtype=np.int64),
        fields=fields,
        words=words,
        total=np.array([round(float(total) * 100) for total in totals], dtype=np.int64),
        ids=np.array([order["id"] for order in orders], dtype=np.int64),
        created=np.array([created[str(order["id"])] for order in orders], dtype=np.int64),
        storefront=np.array([order["storefront"] for order in orders], dtype=np.str_),
    )


def _word(order: dict[str, Any], change: dict[str, Any], name: str) -> str:
    word = str(change.get(name, order[name]))
    return SAME.get(word, word)


def _look(versions: Versions, now: int, revision: int) -> Now:
    if not len(versions.ids):
        empty = np.zeros(0, dtype=np.int64)
        return Now(now, revision, empty.astype(np.bool_), empty)
    past = np.add.reduceat((versions.at <= now).astype(np.int64), versions.starts[:-1])
    # An order that never changed exists from its creation, though its only version may be dated later.
    visible = (versions.created <= now) & ((past > 0) | (np.diff(versions.starts) == 1))
    return Now(now, revision, visible, versions.starts[:-1] + np.maximum(past, 1) - 1)


def _fits(query: Query, versions: Versions, version: Ints) -> Bools:
    """Which orders, each in the given version, the query asks for as far as arrays can tell."""
    mask = np.ones(len(version), dtype=np.bool_)
    total = versions.total[version]
    bounds = query.times | query.numbers
    for name, values in (("created_at", versions.created), ("updated_at", versions.at[version]), ("total", total)):
        mask &= values >= bounds.get(f"{name}_min", -np.inf)
        mask &= values <= bounds.get(f"{name}_max", np.inf)
    mask &= versions.ids > query.numbers.get("since_id", -1)
    for name in STATES:
        word = query.words.get(name, "any")
        if word != "any":
            mask &= versions.words[name][version] == word
        elif name == "payment_status":
            mask &= np.isin(versions.words[name][version], SHOWN_BY_ANY)
    channel = query.words.get("channels", "any")
    if channel != "any":
        mask &= versions.storefront == channel
    return mask


def _mentions(order: dict[str, Any], text: str) -> bool:
    inside = (order["contact_name"], order["contact_email"])
    return text == str(order["number"]) or any(text in str(value).lower() for value in inside)


def _listed(item: dict[str, Any], query: Query, now: int) -> bool:
    """Whether a product or a customer is what the query asks for."""
    created, updated = _epoch(item["created_at"]), _epoch(item["updated_at"])
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
