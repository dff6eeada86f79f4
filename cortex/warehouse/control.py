"""The control schema: every run and step of every client, and the leases that say who may write where now."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import Engine

from cortex.errors import DatabaseError
from cortex.warehouse import engine as engines
from cortex.warehouse import migrate
from cortex.warehouse.engine import Place
from cortex.warehouse.failures import Contended
from cortex.warehouse.load import Transaction, atomically
from cortex.warehouse.tables import leases, run_steps, runs

T = TypeVar("T")
_BEFORE_START: dict[str, Any] = {
    "attempt": 0,
    "started_at": None,
    "ended_at": None,
    "row_count": 0,
    "summary": "",
    "facts": "{}",
    "error_code": "",
    "error_message": "",
}


class Control:
    """The control schema, open. Instants are the machine's own, whatever day CORTEX_NOW pretends."""

    def __init__(self, engine: Engine, place: Place) -> None:
        self._engine = engine
        self._place = place

    @classmethod
    def open(cls, base_url: str, state: Path) -> Self:
        """Open it, making or migrating it first where that is needed. Raises DatabaseError as `Warehouse.open` does."""
        place = engines.control_place(base_url, state)
        for attempt in range(1, 6):
            try:
                return cls(_migrated(place), place)
            except DatabaseError as error:
                # Two processes that start together both find it missing; the slower one waits for the faster.
                if attempt == 5 or error.code not in {"CTX-5008", "CTX-5015"}:
                    raise
                time.sleep(0.2 * attempt)
        raise AssertionError

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start_run(
        self,
        *,
        run_id: str,
        tenant: str,
        pipeline: str,
        since: date,
        until: date,
        started_at: datetime,
        config_sha256: str,
        version: str,
        host: str,
    ) -> None:
        """Note a run as running. A run continued under its old id keeps its start."""
        row = {
            "run_id": run_id,
            "tenant": tenant,
            "pipeline": pipeline,
            "since": since,
            "until": until,
            "status": "running",
            "started_at": started_at,
            "ended_at": None,
            "exit_code": 0,
            "config_sha256": config_sha256,
            "version": version,
            "host": host,
        }
        self._write(lambda tx: tx.upsert(runs, [row], keep=("started_at",)))

    def finish_run(self, run_id: str, *, status: str, ended_at: datetime, exit_code: int) -> None:
        values = {"status": status, "ended_at": ended_at, "exit_code": exit_code}
        self._write(lambda tx: tx.update(runs, {"run_id": run_id}, values))

    def step_started(self, run_id: str, step: str, *, position: int, at: datetime) -> int:
        """Note a step as running. Returns which attempt this is, from 1."""
        return atomically(self._engine, self._place, lambda tx: _start(tx, run_id, step, position, at))

    def step_finished(
        self,
        run_id: str,
        step: str,
        *,
        position: int,
        status: str,
        at: datetime,
        row_count: int = 0,
        summary: str = "",
        facts: Mapping[str, Any] | None = None,
        error_code: str = "",
        error_message: str = "",
    ) -> None:
        """Note how a step ended; one that was skipped need not have been started. `facts` must be JSON-like."""
        ended = {
            "run_id": run_id,
            "step": step,
            "position": position,
            "status": status,
            "ended_at": at,
            "row_count": row_count,
            "summary": summary,
            "facts": json.dumps(facts or {}, default=_jsonable, ensure_ascii=False),
            "error_code": error_code,
            "error_message": error_message,
        }
        self._write(lambda tx: tx.upsert(run_steps, [_BEFORE_START | ended], keep=("attempt", "started_at")))

    def runs(self, tenant: str | None, limit: int = 20) -> list[dict[str, Any]]:
        """The newest runs of one client, or of all."""
        where = "WHERE tenant = :tenant" if tenant else ""
        params: dict[str, Any] = {"tenant": tenant} if tenant else {}
        sql = f"SELECT * FROM runs {where} ORDER BY started_at DESC, run_id DESC LIMIT :limit"  # noqa: S608  # no values
        return self._read(sql, limit=limit, **params)

    def steps(self, run_id: str) -> list[dict[str, Any]]:
        """The steps of a run in the order of its recipe; `facts` as the dictionary it was."""
        found = self._read("SELECT * FROM run_steps WHERE run_id = :run_id ORDER BY position, step", run_id=run_id)
        return [row | {"facts": json.loads(row["facts"])} for row in found]

    def acquire(self, name: str, *, owner: str, host: str, ttl: timedelta, now: datetime) -> int | None:
        """Take a lease that is free or has run out. Returns its epoch, which grows with every owner, or None."""
        taken = {"owner": owner, "host": host, "acquired_at": now, "expires_at": now + ttl}
        try:
            return atomically(self._engine, self._place, lambda tx: _acquire(tx, name, taken, now))
        except Contended:
            return None

    def renew(self, name: str, *, owner: str, epoch: int, ttl: timedelta, now: datetime) -> bool:
        """Hold a lease longer. False when it is another's by now."""
        mine = {"name": name, "owner": owner, "epoch": epoch}
        return self._write(lambda tx: tx.update(leases, mine, {"expires_at": now + ttl})) == 1

    def release(self, name: str, *, owner: str, epoch: int) -> bool:
        """Give a lease back. False when it was another's already."""
        mine = {"name": name, "owner": owner, "epoch": epoch}
        # The row stays: its epoch must go on counting.
        return self._write(lambda tx: tx.update(leases, mine, {"owner": ""})) == 1

    def holder(self, name: str) -> dict[str, Any] | None:
        """Who holds a lease: owner, host, acquired_at, expires_at, epoch. None when it was given back or never taken."""
        found = self._read("SELECT * FROM leases WHERE name = :name AND owner <> ''", name=name)
        return found[0] if found else None

    def _write(self, work: Callable[[Transaction], T]) -> T:
        return atomically(self._engine, self._place, work)

    def _read(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        with engines.reading(self._engine, self._place) as connection:
            return Transaction(connection).rows(sql, **params)


def _migrated(place: Place) -> Engine:
    if engines.collation(place) is None:
        engines.create(place)
    engine = engines.connect(place)
    try:
        migrate.apply(engine, place, migrate.control_migrations())
    except BaseException:
        engine.dispose()
        raise
    return engine


def _start(tx: Transaction, run_id: str, step: str, position: int, at: datetime) -> int:
    known = tx.rows("SELECT attempt FROM run_steps WHERE run_id = :run_id AND step = :step", run_id=run_id, step=step)
    attempt = (known[0]["attempt"] if known else 0) + 1
    begun = {"run_id": run_id, "step": step, "position": position, "status": "running", "attempt": attempt}
    tx.upsert(run_steps, [{**_BEFORE_START, **begun, "started_at": at}])
    return attempt


def _acquire(tx: Transaction, name: str, taken: Mapping[str, Any], now: datetime) -> int | None:
    tx.insert_missing(leases, [{**taken, "name": name, "owner": "", "epoch": 0}])
    got = tx.run(
        "UPDATE leases SET owner = :owner, host = :host, acquired_at = :acquired_at, expires_at = :expires_at,"
        " epoch = epoch + 1 WHERE name = :name AND (owner = '' OR expires_at <= :now)",
        name=name,
        now=now,
        **taken,
    )
    if not got:
        return None
    return int(tx.rows("SELECT epoch FROM leases WHERE name = :name", name=name)[0]["epoch"])


def _jsonable(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"a step's facts hold a {type(value).__name__}")
