"""Erasing: a person who asks to be forgotten is, in every table, while what they bought goes on counting."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from msgspec import structs

from cortex import identity
from cortex.errors import PolicyRefusal
from cortex.records import Clicks, Order, Person, Touch
from cortex.warehouse import tables

if TYPE_CHECKING:
    from cortex.warehouse import Transaction, Warehouse

CROWD = 10
"""More buyers than this behind one e-mail or phone: it is a shop's placeholder, and erasing by it would erase strangers."""
CLICK_IDS = ("gclid", "gbraid", "wbraid", "fbclid", "ttclid", "msclkid")
BLANK_ORDER = dict.fromkeys(
    ("gclid", "gbraid", "wbraid", "fbc", "fbp", "ttclid", "ttp", "ga_client_id", "event_url", "postal_prefix"), ""
)
Row = dict[str, Any]


@dataclass(frozen=True)
class Erased:
    """Whom orders that are read again must land without."""

    key: bytes
    people: Mapping[str, datetime]
    """Tombstone -> orders placed until then are meant."""
    orders: dict[str, str]
    """Order key -> the random buyer it counts under."""

    def buyer(self, order_key: str, order: Order, aliases: Sequence[str]) -> str:
        """The random buyer of an order of an erased person; empty for everybody else's."""
        if order_key not in self.orders:
            marks = (self.people.get(identity.tombstone(self.key, alias)) for alias in aliases)
            if any(until and order.created_at <= until for until in marks):
                self.orders[order_key] = _nobody()
        return self.orders.get(order_key, "")


def known(warehouse: Warehouse, key: bytes) -> Erased | None:
    """None while nobody was erased, which costs one look."""
    people = warehouse.rows("SELECT tombstone, placed_until FROM erased_people")
    if not people:
        return None
    orders = warehouse.rows("SELECT order_key, customer_key FROM erased_orders")
    return Erased(
        key,
        {row["tombstone"]: row["placed_until"] for row in people},
        {row["order_key"]: row["customer_key"] for row in orders},
    )


REFS = "SELECT o.external_id, o.number FROM erased_orders e JOIN fct_orders o ON o.order_key = e.order_key"


def order_refs(warehouse: Warehouse) -> set[str]:
    """How platforms name the orders of erased people."""
    rows = warehouse.rows(REFS)
    return {row["external_id"] for row in rows} | {row["number"] for row in rows}


def without_buyer(order: Order) -> Order:
    """The order as it may be kept: what was bought, where the visit came from, nobody who bought it."""
    return structs.replace(
        order,
        customer=Person(),
        clicks=Clicks(),
        touches=[without_ids(touch) for touch in order.touches],
        event_url="",
        postal_prefix="",
        payload=b"{}",
    )


def without_ids(touch: Touch) -> Touch:
    return structs.replace(touch, clicks=Clicks(), landing_page="")


@dataclass(frozen=True)
class Found:
    """What is held of a person, before anything is done."""

    aliases: Sequence[str]
    """Pseudonyms of this person and nobody else, those that were asked for first."""
    orders: Sequence[Row] = field(default_factory=list)
    """Columns of ORDERS."""

    @property
    def keys(self) -> list[str]:
        return [row["order_key"] for row in self.orders]


ORDERS = """
    SELECT order_key, platform, external_id, number, customer_key, created_at, gclid FROM fct_orders
    WHERE customer_key IN :buyers ORDER BY created_at, order_key
"""


def find(warehouse: Warehouse, key: bytes, person: Person, platform: str) -> Found:
    """The orders of a person in the clear: those that name them, and those their buyer was merged with.

    Raises PolicyRefusal CTX-8022 when more than ten buyers share what was given.
    """
    asked = [alias for _, alias in identity.aliases(key, person, platform)]
    if not asked:
        return Found([])
    buyers = warehouse.rows(
        "SELECT DISTINCT o.customer_key FROM fct_order_aliases a JOIN fct_orders o ON o.order_key = a.order_key"
        " WHERE a.alias IN :asked",
        asked=asked,
    )
    if len(buyers) > CROWD:
        raise PolicyRefusal(
            "CTX-8022",
            f"{len(buyers)} different buyers of client {warehouse.code} share what was given: it is a placeholder.",
            fix="Give another e-mail, phone or document of the person.",
        )
    if not buyers:
        return Found(asked)
    keys = [row["customer_key"] for row in buyers]
    orders = warehouse.rows(ORDERS, buyers=keys)
    own = warehouse.rows(
        "SELECT a.alias, MAX(CASE WHEN o.customer_key IN :buyers THEN 0 ELSE 1 END) AS others"
        " FROM fct_order_aliases m JOIN fct_order_aliases a ON a.alias = m.alias"
        " JOIN fct_orders o ON o.order_key = a.order_key WHERE m.order_key IN :orders GROUP BY a.alias",
        buyers=keys,
        orders=[row["order_key"] for row in orders],
    )
    theirs = [row["alias"] for row in own if not row["others"]]
    return Found(list(dict.fromkeys([*asked, *theirs])), orders)


def erase(tx: Transaction, key: bytes, found: Found, *, now: datetime) -> dict[str, int]:
    """Do it, in one transaction; rows touched by table. Again it changes nothing that is still there.

    Orders keep their money, days, lines and campaigns. Their buyers become random, one for each buyer there was, so that
    customers, cohorts and repeat rates stay what they were.
    """
    orders = found.keys
    anew = {buyer: _nobody() for buyer in dict.fromkeys(row["customer_key"] for row in found.orders)}
    told = {row["order_key"]: anew[row["customer_key"]] for row in found.orders}
    refs = sorted({row["external_id"] for row in found.orders} | {row["number"] for row in found.orders})
    done = {
        "fct_orders": tx.assign(
            tables.fct_orders,
            "order_key",
            # Without the digest of its content, so that it is written anew when it is read again.
            [{"order_key": at, "customer_key": buyer, "content": None, **BLANK_ORDER} for at, buyer in told.items()],
        ),
        "fct_order_aliases": tx.rewrite(
            tables.fct_order_aliases,
            "order_key",
            orders,
            [{"order_key": at, "kind": "erased", "alias": buyer} for at, buyer in told.items()],
        ),
        "raw_ecommerce_orders": _raw(tx, found),
        "stg_touches": _touches(tx, refs),
        "fct_ad_clicks": tx.delete(
            tables.fct_ad_clicks,
            {"platform": "google", "click_id": sorted({row["gclid"] for row in found.orders} - {""})},
        ),
        "conversion_identifiers": tx.delete(tables.conversion_identifiers, {"order_key": orders}),
        "conversion_outbox": tx.update(
            tables.conversion_outbox,
            {"order_key": orders, "state": "planned"},
            {"state": "gated", "reason": "erased", "next_attempt_at": None},
        ),
        "dim_customers": _customers(tx, anew),
        "erased_orders": tx.insert_missing(
            tables.erased_orders,
            [{"order_key": at, "customer_key": buyer, "erased_at": now} for at, buyer in told.items()],
        ),
    }
    marks = [{"tombstone": identity.tombstone(key, alias), "placed_until": now} for alias in found.aliases]
    done["erased_people"] = tx.upsert(tables.erased_people, marks).inserted
    return done


def _nobody() -> str:
    return secrets.token_hex(32)


def _raw(tx: Transaction, found: Found) -> int:
    platforms = {row["platform"] for row in found.orders}
    return sum(
        tx.delete(
            tables.raw_ecommerce_orders,
            {
                "platform": platform,
                "external_id": [row["external_id"] for row in found.orders if row["platform"] == platform],
            },
        )
        for platform in sorted(platforms)
    )


def _touches(tx: Transaction, refs: Sequence[str]) -> int:
    """Visits stay without their click ids, under a key that is not made of them."""
    if not refs:
        return 0
    rows = tx.rows("SELECT * FROM stg_touches WHERE order_ref IN :refs", refs=list(refs))
    tx.delete(tables.stg_touches, {"order_ref": list(refs)})
    blank = dict.fromkeys((*CLICK_IDS, "landing_page"), "")
    tx.upsert(tables.stg_touches, [row | blank | {"touch_key": _nobody()} for row in rows])
    return len(rows)


def _customers(tx: Transaction, anew: Mapping[str, str]) -> int:
    if not anew:
        return 0
    rows = tx.rows("SELECT * FROM dim_customers WHERE customer_key IN :buyers", buyers=list(anew))
    tx.delete(tables.dim_customers, {"customer_key": list(anew)})
    tx.upsert(tables.dim_customers, [row | {"customer_key": anew[row["customer_key"]]} for row in rows])
    return len(rows)
