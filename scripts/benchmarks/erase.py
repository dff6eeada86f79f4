"""Forgetting one person in a shop of a million orders: seconds to find everything of theirs and to erase it, on MariaDB."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import BigInteger, Column, Connection, Date, Integer, MetaData, SmallInteger, Table, text

from cortex import identity
from cortex.records import Person
from cortex.steps import erasing
from cortex.warehouse import Warehouse, provision, tables
from cortex.warehouse import engine as engines
from cortex.warehouse.tables import Exact, Instant

ROOT = Path(__file__).resolve().parents[2]
CODE, KEY, NOW = f"erase{os.getpid()}", b"k" * 40, datetime(2026, 11, 20, tzinfo=UTC)
GOAL = 5.0
EACH = 3
"""Orders of one buyer."""
NUMBERS = Table("numbers", MetaData(), Column("i", BigInteger, primary_key=True, autoincrement=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=10)
    asked = parser.parse_args()
    if not os.environ.get("CORTEX_TEST_MYSQL_URL"):
        os.environ |= {"CORTEX_TEST_DURABLE": "1", "CORTEX_PYTHON": sys.executable}
        os.execv(ROOT / "scripts" / "database", ["database", sys.executable, *sys.argv])
    url = os.environ["CORTEX_TEST_MYSQL_URL"]
    with tempfile.TemporaryDirectory() as folder:
        provision.apply(url, CODE, Path(folder))
        try:
            with Warehouse.open(url, CODE, Path(folder)) as warehouse:
                with warehouse._engine.connect() as connection:
                    fill(connection, asked.orders, asked.people)
                seconds = [forget(warehouse, person) for person in range(asked.people)]
        finally:
            engines.drop(engines.tenant_place(url, CODE, Path(folder)))
    print(
        f"{asked.orders:,} orders, {asked.people} people of {EACH} orders: median {statistics.median(seconds):.3f} s,"
        f" longest {max(seconds):.3f} s (promised: at most {GOAL:g} s each)"
    )


def email(person: int) -> str:
    return f"pessoa{person}@example.com"


def forget(warehouse: Warehouse, person: int) -> float:
    started = time.monotonic()
    found = erasing.find(warehouse, KEY, Person(email=email(person)), "nuvemshop")
    warehouse.atomically(lambda tx: erasing.erase(tx, KEY, found, now=NOW))
    seconds = time.monotonic() - started
    assert len(found.orders) == EACH, f"{len(found.orders)} orders instead of {EACH}"
    assert not erasing.find(warehouse, KEY, Person(email=email(person)), "nuvemshop").orders, "and then is not"
    return seconds


def fill(connection: Connection, orders: int, people: int) -> None:
    """A shop made by the server itself, every buyer with three orders, the first of them known by e-mail."""
    NUMBERS.create(connection)
    connection.execute(text("INSERT INTO numbers VALUES (0)"))
    held = 1
    while held < orders:
        connection.execute(text(f"INSERT INTO numbers SELECT i + {held} FROM numbers WHERE i + {held} < {orders}"))
        held = min(2 * held, orders)
    order, buyer = "SHA2(CONCAT('order', i), 256)", f"SHA2(CONCAT('buyer', i DIV {EACH}), 256)"
    of = {"order_key": order, "platform": "'nuvemshop'"}
    insert(
        connection,
        tables.fct_orders,
        {**of, "external_id": "CAST(i AS CHAR)", "number": "CAST(i AS CHAR)", "customer_key": buyer},
    )
    insert(connection, tables.fct_order_items, {**of, "line": "1"})
    insert(connection, tables.fct_payments, {**of, "sequence": "1"})
    insert(connection, tables.fct_order_aliases, {**of, "kind": "'email'", "alias": buyer})
    insert(connection, tables.raw_ecommerce_orders, {**of, "external_id": "CAST(i AS CHAR)", "payload": "'{}'"})
    insert(connection, tables.stg_touches, {"touch_key": order, "order_ref": "CAST(i AS CHAR)"})
    insert(connection, tables.conversion_outbox, {**of, "outbox_key": order, "state": "'planned'"})
    insert(connection, tables.dim_customers, {"customer_key": f"SHA2(CONCAT('buyer', i DIV {EACH}), 256)"}, EACH)
    for person in range(people):
        ((_, alias),) = identity.aliases(KEY, Person(email=email(person)), "nuvemshop")
        connection.execute(
            text(f"UPDATE fct_order_aliases SET alias = :alias WHERE alias = SHA2('buyer{person}', 256)"),
            {"alias": alias},
        )
    connection.commit()


def insert(connection: Connection, table: Table, values: dict[str, str], step: int = 1) -> None:
    """A row for every number that `step` divides; columns without a value are empty, zero, or this day."""
    names = ", ".join(column.name for column in table.columns)
    made = ", ".join(values.get(column.name, plain(column)) for column in table.columns)
    connection.execute(text(f"INSERT INTO {table.name} ({names}) SELECT {made} FROM numbers WHERE i % {step} = 0"))
    connection.commit()


def plain(column: Column[object]) -> str:
    if column.nullable:
        return "NULL"
    if isinstance(column.type, Date | Instant):
        return "'2026-11-01'"
    return "0" if isinstance(column.type, Integer | SmallInteger | BigInteger | Exact) else "''"


if __name__ == "__main__":
    main()
