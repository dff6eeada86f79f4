"""Key figures over the API of a shop with 100,000 orders: answers kept beside answers made anew, on SQLite and MariaDB."""

from __future__ import annotations

import argparse
import http.client
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from sqlalchemy import Table

from cortex.warehouse import Control, Warehouse, provision, tables
from cortex.warehouse import engine as engines
from cortex.warehouse.tables import Exact, Instant
from cortex.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
CODE = f"serving{os.getpid()}"
LAST, DAYS = date(2026, 11, 19), 365
FILE = f"""\
client: {{name: Loja, code: {CODE}, timezone: America/Sao_Paulo}}
ecommerce: {{platform: nuvemshop, store_id: "1"}}
"""
ROUNDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each round")
    asked = parser.parse_args()
    if not os.environ.get("CORTEX_TEST_MYSQL_URL"):
        os.environ |= {"CORTEX_TEST_DURABLE": "1", "CORTEX_PYTHON": sys.executable}
        os.execv(ROOT / "scripts" / "database", ["database", sys.executable, *sys.argv])
    print(f"{asked.orders:,} orders of {DAYS} days; requests/s of one caller, median of {ROUNDS} rounds side by side")
    for name, url in (("SQLite", ""), ("MariaDB", os.environ["CORTEX_TEST_MYSQL_URL"])):
        with tempfile.TemporaryDirectory() as folder:
            measure(name, url, Path(folder), asked.orders, asked.seconds)


def measure(name: str, url: str, root: Path, orders: int, seconds: float) -> None:
    workspace = Workspace(root)
    workspace.tenants.mkdir()
    (workspace.tenants / f"{CODE}.yaml").write_text(FILE)
    try:
        provision.apply(url, CODE, workspace.state)
        with Warehouse.open(url, CODE, workspace.state) as warehouse:
            fill(warehouse, orders)
            warehouse.count_anew("fct_orders", "fct_ad_spend")
        with Control.open(url, workspace.state) as control:
            key = control.callers.create("bench", role="viewer", client=CODE, actor="bench", at=datetime.now(UTC))
        with serving(url, root, entries=1024) as kept, serving(url, root, entries=0) as anew:
            for days in (30, DAYS):
                path = f"/api/v1/clients/{CODE}/kpis?days={days}"
                assert ask(kept, path, key) == ask(anew, path, key)
                rounds = [(rate(kept, path, key, seconds), rate(anew, path, key, seconds)) for _ in range(ROUNDS)]
                fast, slow = (statistics.median(each) for each in zip(*rounds, strict=True))
                ratio = statistics.median(one / other for one, other in rounds)
                print(f"{name:8} kpis of {days:>3} days: kept {fast:7.0f}, anew {slow:6.1f}: {ratio:.0f} times as many")
    finally:
        engines.drop(engines.tenant_place(url, CODE, workspace.state))


def rate(server: http.client.HTTPConnection, path: str, key: str, seconds: float) -> float:
    count, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        ask(server, path, key)
        count += 1
    return count / (time.perf_counter() - begun)


def ask(server: http.client.HTTPConnection, path: str, key: str) -> bytes:
    server.request("GET", path, headers={"Authorization": f"Bearer {key}"})
    answer = server.getresponse()
    body = answer.read()
    if answer.status != 200:
        sys.exit(f"{answer.status} {body.decode()}")
    return body


@contextmanager
def serving(url: str, root: Path, *, entries: int) -> Iterator[http.client.HTTPConnection]:
    """A server of its own process, and a connection to it."""
    here, there = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=serve, args=(url, root, entries, there))
    process.start()
    server = http.client.HTTPConnection("127.0.0.1", here.recv(), timeout=120)
    try:
        yield server
    finally:
        server.close()
        process.terminate()
        process.join(20)


def serve(url: str, root: Path, entries: int, told: Connection) -> None:
    import uvicorn

    from cortex import logs
    from cortex.web import server
    from cortex.web.app import build
    from cortex.web.cache import Cache
    from cortex.web.house import House
    from cortex.web.limiting import Limiter, Rate

    logs.configure(quiet=True)
    endless = Rate(per_second=1e6, at_once=1_000_000)
    house = House(Workspace(root), url, Cache(entries=entries), Limiter(endless), Limiter(endless))
    app = build(house)
    listening = server.bind("127.0.0.1", 0, exposed=False)
    told.send(listening.getsockname()[1])
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_keep_alive=600)).run(
        sockets=[listening]
    )


def fill(warehouse: Warehouse, orders: int) -> None:
    """Orders spread over the days, a third of them of known buyers, spend of five campaigns a day, credits by last click."""
    chance = random.Random(7)
    days = [LAST - timedelta(days=at) for at in range(DAYS)]
    for begin in range(0, orders, 5000):
        made = [order(chance, number, chance.choice(days)) for number in range(begin, min(begin + 5000, orders))]
        credited = [credit(each, number) for number, each in enumerate(made)]

        def write(tx: Any, made: list[Any] = made, credited: list[Any] = credited) -> None:
            tx.upsert(tables.fct_orders, made)
            tx.upsert(tables.fct_attribution, credited)

        warehouse.atomically(write)
    spend = [
        blank(tables.fct_ad_spend, platform="meta", account_id="act_1", day=day, campaign_id=f"c{at}", level="campaign",
              spend=Decimal("31.70"), native_spend=Decimal("31.70"), currency="BRL", native_currency="BRL")
        for day in days
        for at in range(5)
    ]  # fmt: skip
    warehouse.atomically(lambda tx: tx.upsert(tables.fct_ad_spend, spend))
    read = blank(tables.sync_state, stream="store.orders", complete_until=LAST + timedelta(days=1))
    warehouse.atomically(lambda tx: tx.upsert(tables.sync_state, [read]))


def order(chance: random.Random, number: int, day: date) -> dict[str, Any]:
    known = number % 3 == 0
    buyer = chance.randrange(20_000) if known else 1_000_000 + number
    paid = Decimal(chance.randrange(2_000, 60_000)) / 100
    return blank(
        tables.fct_orders, order_key=f"{number:064}", external_id=str(number), platform="nuvemshop", customer_key=f"{buyer:064}",
        status="open", payment_status="paid", is_paid=1, order_date=day, paid_date=day, is_new_customer=1 - known, items=1,
        currency="BRL", native_currency="BRL", exchange_rate=Decimal(1), total=paid, paid=paid,
    )  # fmt: skip


def credit(each: dict[str, Any], number: int) -> dict[str, Any]:
    return blank(
        tables.fct_attribution, order_key=each["order_key"], model="last_click", method="last_click", position=1,
        channel=("meta", "email", "direct")[number % 3], platform="meta" if number % 3 == 0 else "",
        order_date=each["paid_date"], weight=Decimal(1), attributed_revenue=each["paid"],
        is_new_customer=each["is_new_customer"],
    )  # fmt: skip


def blank(table: Table, **given: Any) -> dict[str, Any]:
    """A whole row: what is not given is empty, zero or unknown."""
    row: dict[str, Any] = {}
    for column in table.columns:
        if column.nullable:
            row[column.name] = None
        elif isinstance(column.type, Instant):
            row[column.name] = datetime(2026, 11, 20, tzinfo=UTC)
        elif isinstance(column.type, Exact):
            row[column.name] = Decimal(0)
        else:
            row[column.name] = LAST if column.type.python_type is date else column.type.python_type()
    return row | given


if __name__ == "__main__":
    main()
