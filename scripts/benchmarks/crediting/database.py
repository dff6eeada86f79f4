"""Credit of a client's orders in MariaDB by the step that runs every day: orders a second, memory, and whose time it took."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Column, Date

from cortex import tenant as tenants
from cortex.clock import Window
from cortex.run import Run
from cortex.secrets import Vault
from cortex.steps import credit
from cortex.warehouse import Warehouse, provision, tables
from cortex.warehouse import engine as engines
from cortex.workspace import Workspace

MODELS = ("last_click", "linear", "data_driven")
FILE = """\
client: {{ name: "Bench", code: "{code}", timezone: "America/Sao_Paulo" }}
ecommerce: {{ platform: nuvemshop, store_id: "1234567" }}
analytics_config: {{ attribution: {{ models: [{models}] }} }}
"""
FIRST = datetime(2026, 1, 5, 12, tzinfo=UTC)
SECONDS = 300 * 86_400
BATCH = 10_000
SOURCES = (
    ("facebook", "paid"),
    ("google", "cpc"),
    ("google", "organic"),
    ("newsletter", "email"),
    ("", ""),
    ("ig", "bio"),
)


def main() -> None:
    database = os.environ["CORTEX_TEST_MYSQL_URL"]
    if len(sys.argv) > 2:
        once(database, sys.argv[2], Path(sys.argv[3]))
        return
    orders, code = int(sys.argv[1]), f"bench{os.getpid()}"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "tenants").mkdir()
        (root / "tenants" / f"{code}.yaml").write_text(FILE.format(code=code, models=", ".join(MODELS)))
        provision.apply(database, code, Workspace(root).state)
        try:
            with Warehouse.open(database, code, Workspace(root).state) as warehouse:
                touches = fill(warehouse, orders)
            print(f"{orders:,} orders, {touches:,} touches, models {', '.join(MODELS)}, window 30 days", flush=True)
            # A process of its own: what filling took is not its memory.
            for name in ("first run", "again"):
                done = subprocess.run(
                    [sys.executable, __file__, "-", code, str(root)], capture_output=True, text=True, check=True
                )
                told = json.loads(done.stdout.rpartition("RESULT")[2])
                print(
                    f"{name:10} {told['wall']:6.1f} s  {orders / told['wall']:8,.0f} orders/s  {told['rows']:,} credits"
                    f"  {100 * told['cpu'] / told['wall']:.0f} % of the time outside the database  {told['peak']:.0f} MB"
                )
        finally:
            engines.drop(engines.tenant_place(database, code, Workspace(root).state))


def once(database: str, code: str, root: Path) -> None:
    workspace = Workspace(root)
    until = (FIRST + timedelta(days=301)).date()
    with Warehouse.open(database, code, workspace.state) as warehouse:
        run = Run(
            tenants.load(workspace, code), Window(until - timedelta(days=1), until), workspace, warehouse,
            Vault(code, root, {}), lambda: FIRST + timedelta(days=301), f"{time.time_ns():x}",
        )  # fmt: skip
        used, started = time.process_time(), time.monotonic()
        outcome = credit.credit_all(run)
        wall, cpu = time.monotonic() - started, time.process_time() - used
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
    print("RESULT" + json.dumps({"wall": wall, "cpu": cpu, "rows": outcome.rows, "peak": peak}))


def fill(warehouse: Warehouse, orders: int) -> int:
    """Paid orders and the visits before them, 3.3 each on average, by a fixed seed. Number of visits."""
    rng = np.random.default_rng(7)
    visits = np.minimum(rng.geometric(0.30, orders), 20)
    placed = np.sort(rng.integers(0, SECONDS, orders))
    buyer = rng.integers(0, max(1, orders * 2 // 3), orders)
    for first in range(0, orders, BATCH):
        some = range(first, min(first + BATCH, orders))
        order_rows = [_order(n, int(placed[n]), int(buyer[n])) for n in some]
        touch_rows = [row for n in some for row in _touches(n, int(placed[n]), rng.integers(0, 2**31, int(visits[n])))]

        def write(tx, order_rows=order_rows, touch_rows=touch_rows):  # type: ignore[no-untyped-def]
            tx.upsert(tables.fct_orders, order_rows)
            tx.upsert(tables.stg_touches, touch_rows)

        warehouse.atomically(write)
    return int(visits.sum())


def _key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _order(n: int, second: int, buyer: int) -> dict[str, object]:
    at = FIRST + timedelta(seconds=second)
    told: dict[str, object] = {
        "order_key": _key(f"o{n}"), "platform": "nuvemshop", "external_id": str(n), "number": str(n),
        "customer_key": _key(f"b{buyer}"), "status": "closed", "payment_status": "paid", "is_paid": 1, "created_at": at,
        "updated_at": at, "paid_at": at, "order_date": at.date(), "paid_date": at.date(), "currency": "BRL",
        "paid": Decimal(5000 + n % 40_000) / 100,
    }  # fmt: skip
    return ORDER | told


def _touches(n: int, second: int, draws: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Iterator[dict[str, object]]:
    for place, draw in enumerate(draws.tolist()):
        source, medium = SOURCES[draw % len(SOURCES)]
        at = FIRST + timedelta(seconds=second - place * (3600 + draw % 200_000))
        told: dict[str, object] = {
            "touch_key": _key(f"t{n}.{place}"), "origin": "order" if place == 0 else "kit", "order_ref": str(n),
            "day": at.date(), "occurred_at": at, "source": source, "medium": medium,
            "campaign": f"campaign {draw % 17}" if source else "",
        }  # fmt: skip
        yield TOUCH | told


def _blank(column: Column[Any]) -> Any:
    if column.nullable:
        return None
    if isinstance(column.type, tables.Instant):
        return FIRST
    return Decimal(0) if isinstance(column.type, tables.Exact) else column.type.python_type()


ORDER, TOUCH = (
    {column.name: _blank(column) for column in table.columns if not isinstance(column.type, Date)}
    for table in (tables.fct_orders, tables.stg_touches)
)


if __name__ == "__main__":
    main()
