"""The floor under every loader: files that are ready, LOAD DATA into a temporary table, one merge, a commit a batch.

The files hold what Cortex writes for these orders, in all its tables and in the order the shop tells them. Making them
is not timed: nothing is fetched, parsed, hashed or converted here.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from meter import Meter
from sqlalchemy import make_url

from cortex.clock import Window
from cortex.secrets import Vault
from cortex.settings import Access
from cortex.steps import landing
from cortex.stores.nuvemshop import Nuvemshop
from cortex.warehouse import engine as engines
from cortex.warehouse import provision, streaming, tables
from cortex.warehouse.staging import bind

PARTS = {
    "orders": tables.fct_orders, "items": tables.fct_order_items, "payments": tables.fct_payments,
    "aliases": tables.fct_order_aliases, "statuses": tables.fct_order_status, "touches": tables.stg_touches,
    "raw": tables.raw_ecommerce_orders,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shop")
    parser.add_argument("database")
    parser.add_argument("since", type=datetime.fromisoformat)
    parser.add_argument("days", type=int)
    parser.add_argument("--batch", type=int, default=1000)
    asked = parser.parse_args()
    code = f"floor{time.time_ns():x}"
    with tempfile.TemporaryDirectory() as folder:
        batches, orders = write_files(asked, Path(folder))
        provision.apply(asked.database, code, Path(folder))
        place = engines.tenant_place(asked.database, code, Path(folder))
        url = make_url(asked.database)
        connection = streaming.StreamingConnection(
            host=url.host, port=url.port, user=url.username, password=url.password, database=place.database,
            charset="utf8mb4", local_infile=True,
        )  # fmt: skip
        try:
            meter = Meter(asked.database)
            meter.start()
            load(connection, batches)
            meter.stop(orders)
        finally:
            engines.drop(place)


def write_files(asked: argparse.Namespace, folder: Path) -> tuple[list[list[tuple[str, list[str], Path]]], int]:
    """For each batch its files: table, columns, path; and the number of orders in all."""
    vault = Vault("floor", folder, {"CORTEX_NUVEMSHOP_TOKEN": "of-nobody"})
    zone, now = ZoneInfo("America/Sao_Paulo"), asked.since + timedelta(days=asked.days + 1)
    access = Access(tenant="floor", vault=vault, timezone=zone, clock=lambda: now)
    store = Nuvemshop(Nuvemshop.Config(store_id="1234567", api_url=asked.shop), access)
    since = asked.since.astimezone(UTC).date()
    told = store.orders(Window(since, since + timedelta(days=asked.days)))
    batches, count = [], 0
    while batch := list(islice(told, asked.batch)):
        landed = landing.land(batch, key=b"k" * 40, zone=zone, run_id="floor", now=now)
        count += len(landed.orders)
        files = []
        for part, table in PARTS.items():
            bound = bind("stream", table, getattr(landed, part), [column.name for column in table.primary_key])
            if bound.rows:
                files.append((table.name, bound.columns, folder / f"{len(batches)}-{part}"))
                files[-1][2].write_bytes(streaming.encode(bound.rows))
        batches.append(files)
    return batches, count


def load(connection: streaming.StreamingConnection, batches: list[list[tuple[str, list[str], Path]]]) -> None:
    with connection.cursor() as cursor:
        for table in PARTS.values():
            # As Cortex makes its own: the same columns, the primary key and no other.
            cursor.execute(f"CREATE TEMPORARY TABLE stage_{table.name} LIKE {table.name}")
            for index in table.indexes:
                cursor.execute(f"DROP INDEX {index.name} ON stage_{table.name}")
        for files in batches:
            for name, columns, path in files:
                cursor.execute(f"DELETE FROM stage_{name}")
                with connection.offering(path.read_bytes()):
                    cursor.execute(streaming.statement(f"stage_{name}", columns))
                listed = ", ".join(columns)
                settled = ", ".join(f"{name}.{column} = stage_{name}.{column}" for column in columns)
                cursor.execute(
                    f"INSERT INTO {name} ({listed}) SELECT {listed} FROM stage_{name} ON DUPLICATE KEY UPDATE {settled}"
                )
            connection.commit()


if __name__ == "__main__":
    main()
