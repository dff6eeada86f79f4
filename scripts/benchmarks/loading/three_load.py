"""Cortex's loader on what dlt and the ORM load: the same JSON, the same function that makes rows, the same three tables.

Read ahead by `cortex.steps.ahead` and merged by the verbs of `cortex.warehouse`, as everything Cortex loads; its adapter,
its model and its digests are left out. So this line compares loaders, and the line of the whole step compares jobs. The
schema is made by a process of its own, as `cortex onboard` makes it long before a load: what that took is no part of
this one's peak.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from meter import Meter
from msgspec.structs import asdict
from sqlalchemy import Column, Date, Integer, MetaData, Table
from three_tables import ZONE, rows, sha256

from cortex.clock import local_day
from cortex.http import Client
from cortex.steps.ahead import read_ahead
from cortex.stores import _nuvemshop_wire as wire
from cortex.stores import _visits as visits
from cortex.stores._values import amount, instant, needed, units
from cortex.warehouse import Transaction, Warehouse, provision
from cortex.warehouse import engine as engines
from cortex.warehouse.rows import record
from cortex.warehouse.tables import Exact, Instant, key, text

THREE = MetaData()
CODE = f"three{os.getpid()}"
PAGE, BATCH = 200, 500


def _table(name: str, keys: list[str], /, **columns: Any) -> Table:
    told = [Column(column, kind, nullable=column in {"paid_at", "cancelled_at"}) for column, kind in columns.items()]
    return Table(name, THREE, *[key(one, Integer() if one == "line" else text(64), "") for one in keys], *told)


WORDS = text(255)
ORDERS = _table(
    "three_orders", ["id"],
    **dict.fromkeys(["number", "status", "payment_status", "shipping_status", "currency"], WORDS),
    **dict.fromkeys(["subtotal", "discount", "shipping", "total", "total_paid"], Exact()),
    **dict.fromkeys(["coupon", "gateway", "method"], WORDS), installments=Integer(),
    **dict.fromkeys(["created_at", "updated_at", "paid_at", "cancelled_at"], Instant()), local_day=Date(),
    **dict.fromkeys(
        [
            "customer_id", "email_sha256", "customer_sha256", "city", "state", "postal_prefix", "country",
            "landing_path", "utm_source", "utm_medium", "utm_campaign", "gclid", "fbclid",
        ],
        WORDS,
    ),
)  # fmt: skip
ITEMS = _table(
    "three_items", ["order_id", "line"], **dict.fromkeys(["product_id", "variant_id", "sku", "name"], WORDS),
    **dict.fromkeys(["price", "compare_at_price"], Exact()), quantity=Integer(), total=Exact(),
)  # fmt: skip
CUSTOMERS = _table(
    "three_customers", ["id"], **dict.fromkeys(["email_sha256", "city", "state", "country", "last_order"], WORDS),
    seen_at=Instant(),
)  # fmt: skip


OrderRow, ItemRow, CustomerRow = record(ORDERS), record(ITEMS), record(CUSTOMERS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shop")
    parser.add_argument("database")
    parser.add_argument("orders", type=int)
    parser.add_argument("--passes", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            before = multiprocessing.get_context("spawn").Process(
                target=prepare, args=(asked.shop, asked.database, CODE, Path(folder))
            )
            before.start()
            before.join()
            if before.exitcode:
                raise SystemExit("the schema could not be made, or the rows differ")
            with Warehouse.open(asked.database, CODE, Path(folder)) as warehouse:
                meter = Meter(asked.database)
                for _ in range(asked.passes):
                    meter.start()
                    meter.stop(load(warehouse, asked.shop, asked.orders))
        finally:
            engines.drop(engines.tenant_place(asked.database, CODE, Path(folder)))


def prepare(shop: str, database: str, code: str, folder: Path) -> None:
    """The schema with the three tables in it, and the certainty that all contenders load the same rows."""
    agree(shop)
    provision.apply(database, code, folder)
    with Warehouse.open(database, code, folder) as warehouse:
        THREE.create_all(warehouse._engine)


def agree(shop: str) -> None:
    """That the rows made here are those the other contenders make, for the shop's first page."""
    with client(shop) as http:
        plain = http.get("/orders", query(1), decode=msgspec.json.decode).value
    for one, theirs in zip(itertools.islice(told(shop), PAGE), map(rows, plain), strict=True):
        order, items, customer = made(one)
        if (asdict(order), list(map(asdict, items)), asdict(customer)) != theirs:
            raise SystemExit(f"order {one.id}: not the rows the other contenders make")


def load(warehouse: Warehouse, shop: str, wanted: int) -> int:
    done = 0
    with read_ahead(itertools.islice(told(shop), wanted), BATCH, lambda batch: list(map(made, batch))) as batches:
        for batch in batches:
            warehouse.atomically(lambda tx, batch=batch: write(tx, batch))
            done += len(batch)
    return done


def client(shop: str) -> Client:
    return Client("the shop", f"{shop}/2025-03/1", {})


def query(page: int) -> dict[str, str | int]:
    return {"everything": "1", "per_page": PAGE, "page": page}


def told(shop: str) -> Iterator[wire.Order]:
    read = wire.Page(wire.Order, "store.orders")
    with client(shop) as http:
        for page in itertools.count(1):
            answer = http.get("/orders", query(page), decode=read, accept=(200, 404))
            if answer.status == 404:
                return
            yield from answer.value


def made(told: wire.Order) -> tuple[Any, list[Any], Any]:
    """The same rows as `three_tables.rows`, from the structs and by the functions of Cortex's Nuvemshop adapter."""
    order_id, buyer, address, details = str(told.id), told.customer, told.shipping_address, told.payment_details
    currency, created, page = (
        told.currency,
        needed(told.created_at, "created_at"),
        visits.landing(told.landing_url or ""),
    )
    buyer_id, email, tags = str(buyer.id), sha256(told.contact_email), page.tags
    order = OrderRow(
        id=order_id, number=str(told.number), status=told.status, payment_status=told.payment_status,
        shipping_status=told.shipping_status, currency=currency, subtotal=amount(told.subtotal, "subtotal", currency),
        discount=amount(told.discount, "discount", currency),
        shipping=amount(told.shipping_cost_customer, "shipping", currency), total=amount(told.total, "total", currency),
        total_paid=amount(told.total_paid, "total_paid", currency), coupon=told.coupon[0].code if told.coupon else "",
        gateway=told.gateway, method=details.method, installments=int(details.installments), created_at=created,
        updated_at=needed(told.updated_at, "updated_at"), paid_at=instant(told.paid_at, "paid_at"),
        cancelled_at=instant(told.cancelled_at, "cancelled_at"), local_day=local_day(created, ZONE),
        customer_id=buyer_id, email_sha256=email, customer_sha256=sha256(buyer_id), city=address.city,
        state=address.province, postal_prefix=address.zipcode[:5], country=address.country, landing_path=page.path,
        utm_source=tags.get("source", ""), utm_medium=tags.get("medium", ""), utm_campaign=tags.get("campaign", ""),
        gclid=page.clicks.gclid, fbclid=page.clicks.fbclid,
    )  # fmt: skip
    items = [item(order_id, line, one, currency) for line, one in enumerate(told.products, 1)]
    customer = CustomerRow(
        id=buyer_id, email_sha256=email, city=address.city, state=address.province, country=address.country,
        last_order=order_id, seen_at=created,
    )  # fmt: skip
    return order, items, customer


def item(order_id: str, line: int, one: wire.Item, currency: str) -> Any:
    price, quantity = amount(one.price, "price", currency), units(one.quantity)
    return ItemRow(
        order_id=order_id, line=line, product_id=str(one.product_id), variant_id=str(one.variant_id), sku=one.sku,
        name=one.name, price=price, compare_at_price=amount(one.compare_at_price, "compare_at_price", currency),
        quantity=quantity, total=price * quantity,
    )  # fmt: skip


def write(tx: Transaction, batch: list[tuple[Any, list[Any], Any]]) -> None:
    """Merged by primary key, as Cortex merges orders: those a look finds stored are compared and replaced with their
    lines, the others go straight in."""
    orders = [order for order, _, _ in batch]
    keys = [order.id for order in orders]
    known = tx.lookup(ORDERS, "id", keys, ["updated_at"])
    loaded = tx.upsert(ORDERS, orders, newer="updated_at", unknown=not known)
    items = [item for _, items, _ in batch for item in items]
    tx.rewrite(ITEMS, "order_id", keys, items, stored=known if loaded.inserted == len(keys) - len(known) else keys)
    tx.upsert(CUSTOMERS, [customer for _, _, customer in batch], newer="seen_at")


if __name__ == "__main__":
    main()
