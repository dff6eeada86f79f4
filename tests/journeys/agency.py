"""A small agency to try the whole product on: a workspace, client files, and the platforms it speaks to on loopback."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import select

from cortex import plugins
from cortex.cli.app import main
from cortex.cli.demonstration import write_clients
from cortex.sandbox import Faults, Running, serve, world
from cortex.sandbox.market import Market, Property, Shop
from cortex.warehouse import Warehouse, accounts, tables
from cortex.warehouse import engine as engines
from tests.small_market import Hand

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
"""Noon in São Paulo on a Friday, a week before Black Friday."""
DAYS = 30
KEY = "a key for tests only, the same in every agency, so that pseudonyms compare"

RUN_OWN = {"run_id", "claim_id", "request_id"}
"""Columns that name a run: different in every run, whatever it did."""
WALL = {"fetched_at", "pulled_at", "moved_at", "noticed_at", "first_seen", "last_seen"}
"""Columns that say when we looked, not what we saw."""
BOOKKEEPING = {"cortex_meta", "schema_migrations", "data_notices", "dq_results", "alerts"}

Row = dict[str, Any]
Dump = dict[str, list[Row]]


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def envelope(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found

    @property
    def data(self) -> Any:
        return self.envelope["data"]

    @property
    def text(self) -> str:
        return self.out + self.err


@dataclass
class Agency:
    """One workspace and its platforms. `cortex(...)` runs a command line in this process, `process(...)` in another.

    database: base URL as CORTEX_DATABASE_URL; empty for SQLite files in the workspace.
    """

    root: Path
    running: Running
    hand: Hand
    environment: dict[str, str]
    database: str = ""
    said: list[Said] = field(default_factory=list)
    """Everything any command answered, in order."""
    children: list[subprocess.Popen[str]] = field(default_factory=list)
    more: list[str] = field(default_factory=list)
    """Clients a test made besides those of the market: they are dropped with the others."""

    @property
    def market(self) -> Market:
        return self.running.market

    @property
    def codes(self) -> list[str]:
        return [shop.code for shop in self.market.shops]

    @property
    def first(self) -> str:
        return self.codes[0]

    @property
    def second(self) -> str:
        return self.codes[1]

    @property
    def state(self) -> Path:
        return self.root / ".cortex"

    def shop(self, code: str) -> Shop:
        return next(shop for shop in self.market.shops if shop.code == code)

    def at(self, now: datetime) -> None:
        """It is this instant now, for the platforms and for Cortex."""
        self.hand.now = now
        self.environment["CORTEX_NOW"] = now.isoformat()

    def forward(self, **by: float) -> None:
        self.at(self.hand.now + timedelta(**by))

    def cortex(self, *words: str, as_json: bool = False) -> Said:
        """Run a command line in this process, with this agency's environment."""
        arguments = [*words, "--workspace", str(self.root), *(["--json"] if as_json else [])]
        out, err = io.StringIO(), io.StringIO()
        with environment(self.environment), redirect_stdout(out), redirect_stderr(err):
            code = main(arguments)
        said = Said(code, out.getvalue(), err.getvalue())
        self.said.append(said)
        return said

    def ok(self, *words: str, as_json: bool = False) -> Said:
        """The same for a command that must succeed."""
        said = self.cortex(*words, as_json=as_json)
        assert said.code == 0, f"cortex {' '.join(words)} ended {said.code}:\n{said.err}\n{said.out}"
        return said

    def process(self, *words: str) -> subprocess.Popen[str]:
        """The same in a process of its own, which may be killed; what is left of it ends with the agency."""
        child = subprocess.Popen(
            [sys.executable, "-m", "cortex", *words, "--workspace", str(self.root)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=clean_environment() | self.environment,
        )
        self.children.append(child)
        return child

    def onboarded(self, *codes: str) -> Agency:
        for code in codes or self.codes:
            self.ok("onboard", code)
        return self

    def main_job(self, *codes: str) -> Agency:
        """Onboard, backfill, one daily and one weekly run."""
        self.onboarded(*codes)
        # In this process: the pool of processes has tests of its own, and each of them imports every SDK anew.
        self.ok("backfill", *codes, "--days", str(DAYS), "--jobs", "1")
        for code in codes or self.codes:
            self.ok("run", "daily", code)
            self.ok("run", "weekly", code)
        return self

    @contextmanager
    def warehouse(self, code: str) -> Iterator[Warehouse]:
        with Warehouse.open(self.database, code, self.state) as opened:
            yield opened

    def rows(self, code: str, sql: str, **params: Any) -> list[Row]:
        with self.warehouse(code) as opened:
            return opened.rows(sql, **params)

    def one(self, code: str, sql: str, **params: Any) -> Any:
        """The single value a query gives."""
        (row,) = self.rows(code, sql, **params)
        (value,) = row.values()
        return value

    def dump(self, code: str, *, without: Sequence[str] = (), columns: Sequence[str] = ()) -> Dump:
        """Every row of every table of a client, sorted. Left out: what names a run, and when we looked.

        without: more tables to leave out. columns: more columns to leave out.
        """
        hidden = RUN_OWN | WALL | set(columns)
        found = {}
        with self.warehouse(code) as opened:
            for table in tables.TENANT.sorted_tables:
                if table.name in BOOKKEEPING or table.name in without:
                    continue
                shown = [column for column in table.columns if column.name not in hidden]
                found[table.name] = sorted(opened.rows(select(*shown)), key=repr)
        return found

    def edit(self, code: str, pattern: str, text: str) -> None:
        """Change a client's file by a regular expression that must match."""
        path = self.root / "tenants" / f"{code}.yaml"
        before = path.read_text(encoding="utf-8")
        after, count = re.subn(pattern, text, before)
        assert count, f"{pattern!r} is not in {path.name}"
        path.write_text(after, encoding="utf-8")

    def secret(self, code: str, name: str, value: str) -> None:
        """Set one credential of a client in `.env`."""
        path = self.root / ".env"
        variable = f"CORTEX_{code.upper()}_{name}"
        kept = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith(f"{variable}=")]
        path.write_text("\n".join([*kept, f"{variable}={value}", ""]), encoding="utf-8")

    def settled(self, code: str, destination: str) -> dict[str, Any]:
        """Order id -> value of every conversion the ledger says the destination has."""
        rows = self.rows(
            code,
            "SELECT order_ref, value FROM conversion_outbox WHERE destination = :destination AND action = 'purchase'"
            " AND state IN ('accepted', 'processed', 'duplicate')",
            destination=destination,
        )
        return {row["order_ref"]: row["value"] for row in rows}

    def counted(self, code: str, platform: str) -> dict[str, Any]:
        """Order id -> value as the platform itself counts it for this client's pixel or conversion action."""
        shop = self.shop(code)
        assert shop.meta is not None
        assert shop.google is not None
        place = (
            shop.meta.pixel_id
            if platform == "meta"
            else f"{shop.google.customer_id}/{shop.google.conversion_action_id}"
        )
        return self.running.received.orders(platform, place)

    def once_each(self, code: str, platform: str) -> None:
        """Assert that the platform counts no conversion of this client twice."""
        shop = self.shop(code)
        counted = [
            delivery.event_id
            for delivery in self.running.received.counted(platform)
            if delivery.destination.startswith((shop.meta.pixel_id if shop.meta else "", shop.google.customer_id if shop.google else ""))
        ]  # fmt: skip
        assert len(counted) == len(set(counted))

    def close(self) -> None:
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.communicate()
        self.running.close()
        for code in self.codes:
            accounts.drop(self.database, code, self.state)
            engines.drop(engines.tenant_place(self.database, code, self.state))


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """The process's environment with these values and no other CORTEX_ variable."""
    before = dict(os.environ)
    try:
        for name in [name for name in os.environ if name.startswith("CORTEX_")]:
            del os.environ[name]
        os.environ.update(values)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("CORTEX_")}


@cache
def built(seed: int, now: datetime, days: int, orders: int) -> Market:
    """A world many tests look at and none changes."""
    return world.build(seed=seed, now=now, days=days, shops=world.demo_shops(orders))


def market(
    *,
    seed: int = 1,
    now: datetime = NOW,
    days: int = DAYS,
    orders: int = 300,
    codes: Sequence[str] = (),
    own: bool = False,
    browsed: bool = False,
) -> Market:
    """Two shops under codes nobody else uses: parallel tests share one MySQL server.

    own: a world of the test's own, which it may amend. browsed: GA4 tells all that was done in the shops; else what
    one source's visitors did, with five products: whole days of it are thousands of rows, and few tests look at them.
    """
    base = (
        world.build(seed=seed, now=now, days=days, shops=world.demo_shops(orders))
        if own
        else built(seed, now, days, orders)
    )
    shops = []
    for at, shop in enumerate(base.shops):
        code = codes[at] if codes else unique(shop.code)
        told = shop.ga4 if "ga4" in plugins.kinds("traffic") else None
        shops.append(replace(shop, code=code, ga4=told if browsed or told is None else _hardly_browsed(told)))
    return Market(base.now, shops)


def _hardly_browsed(told: Property) -> Property:
    some = sorted({item.item_id for item in told.items})[:5]
    return replace(
        told,
        events=[row for row in told.events if row.source == "google" and row.medium == "organic"],
        items=[item for item in told.items if item.item_id in some],
    )


def unique(stem: str) -> str:
    return f"{stem}_{uuid.uuid4().hex[:10]}"


def found(
    root: Path, wanted: Market, *, database: str = "", now: datetime | None = None, faults: Faults | None = None
) -> Agency:
    """An agency for the shops of a market, its platforms serving. Whoever calls it closes it."""
    hand = Hand(now or wanted.now)
    running = serve(wanted, clock=hand, rate_scale=1000, faults=faults)
    root.mkdir(parents=True, exist_ok=True)
    write_clients(root, wanted, running)
    values = {"CORTEX_NOW": hand.now.isoformat(), "PYTHONHASHSEED": "0"}
    if database and database != "sqlite":
        values["CORTEX_DATABASE_URL"] = database
    for shop in wanted.shops:
        values[f"CORTEX_{shop.code.upper()}_IDENTITY_KEY"] = KEY
    return Agency(root, running, hand, values, values.get("CORTEX_DATABASE_URL", ""))
