"""Cortex's loader on what dlt and the ORM load: the same JSON, the same function that makes rows, the same three tables.

Read ahead by `cortex.steps.ahead` and merged by the verbs of `cortex.warehouse`, as everything Cortex loads; its adapter,
its model and its digests are left out. So this line compares loaders, and the line of the whole step compares jobs.
"""

from __future__ import annotations

import argparse
import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import requests
from meter import Meter
from sqlalchemy import Column, Date, Integer, MetaData, Table
from three_tables import Row, rows

from cortex.steps.ahead import read_ahead
from cortex.warehouse import Transaction, Warehouse, provision
from cortex.warehouse import engine as engines
from cortex.warehouse.tables import Exact, Instant, key, text

THREE = MetaData()
CODE = f"three{os.getpid()}"
PAGE, BATCH = 200, 1000


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shop")
    parser.add_argument("database")
    parser.add_argument("orders", type=int)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        provision.apply(asked.database, CODE, Path(folder))
        try:
            with Warehouse.open(asked.database, CODE, Path(folder)) as warehouse:
                THREE.create_all(warehouse._engine)
                meter = Meter(asked.database)
                meter.start()
                meter.stop(load(warehouse, asked.shop, asked.orders))
        finally:
            engines.drop(engines.tenant_place(asked.database, CODE, Path(folder)))


def load(warehouse: Warehouse, shop: str, wanted: int) -> int:
    done = 0
    with read_ahead(itertools.islice(told(shop), wanted), BATCH, lambda batch: list(map(rows, batch))) as batches:
        for batch in batches:
            warehouse.atomically(lambda tx, batch=batch: write(tx, batch))
            done += len(batch)
    return done


def told(shop: str) -> Iterator[Row]:
    http = requests.Session()
    for page in itertools.count(1):
        answer = http.get(f"{shop}/2025-03/1/orders", {"everything": "1", "per_page": PAGE, "page": page}, timeout=60)
        if answer.status_code == 404:
            return
        answer.raise_for_status()
        yield from msgspec.json.decode(answer.content)


def write(tx: Transaction, batch: list[tuple[Row, list[Row], Row]]) -> None:
    """Merged by primary key, whatever is stored; lines are replaced with their order, as a merge of dlt replaces them."""
    orders = [order for order, _, _ in batch]
    tx.upsert(ORDERS, orders, newer="updated_at")
    tx.rewrite(ITEMS, "order_id", [order["id"] for order in orders], [item for _, items, _ in batch for item in items])
    tx.upsert(CUSTOMERS, [customer for _, _, customer in batch], newer="seen_at")


if __name__ == "__main__":
    main()
