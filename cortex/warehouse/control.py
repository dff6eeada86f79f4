"""The control schema: every run and step of every client, and the leases that say who may write where now."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import Engine

from cortex.errors import DatabaseError
from cortex.warehouse import engine as engines
from cortex.warehouse import limits, migrate
from cortex.warehouse.callers import Callers
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


_AGAIN = ("running", "failed", "skipped", "interrupted")
"""Steps of an earlier attempt that are to be done in this one."""


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

    @property
    def callers(self) -> Callers:
        """The keys of the API and what was done with them."""
        return Callers(self._write, self._read)

    def check(self) -> None:
        """Raises DatabaseError when the schema does not answer, or is no longer the one this version knows."""
        with engines.reading(self._engine, self._place) as connection:
            if missing := migrate.pending(connection, migrate.control_migrations()):
                raise DatabaseError("CTX-5003", f"The control schema lacks {len(missing)} of this version's changes.")

    def now(self) -> datetime:
        """The instant leases are measured by: the server's, so that machines whose clocks differ or jump agree."""
        if self._place.server is None:
            return datetime.now(UTC)
        with engines.reading(self._engine, self._place) as connection:
            return self._now(Transaction(connection))

    def _now(self, tx: Transaction) -> datetime:
        """The same inside a transaction."""
        if self._place.server is None:
            return datetime.now(UTC)
        found: datetime = tx.rows("SELECT UTC_TIMESTAMP(6) AS at")[0]["at"]
        return found.replace(tzinfo=UTC)

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
        steps: Sequence[str] = (),
        queued: bool = False,
        taken: bool = False,
        beside: Callable[[Transaction], None] | None = None,
    ) -> None:
        """Write a run and its plan down before anything of it happens: its steps are `ready`, those done stay `ok`.

        A run continued under its old id keeps its start. queued: leave it
        for a worker. taken: it was in the queue, and `take` has made it running. beside: what else is written with it,
        or with neither; what it raises is raised.
        """
        row = {
            "run_id": run_id,
            "tenant": tenant,
            "pipeline": pipeline,
            "since": since,
            "until": until,
            "status": "queued" if queued else "running",
            "queued_at": started_at if queued else None,
            "started_at": started_at,
            "ended_at": None,
            "exit_code": 0,
            "config_sha256": config_sha256,
            "version": version,
            "host": host,
        }
        ready = [
            _BEFORE_START | {"run_id": run_id, "step": step, "position": at, "status": "ready"}
            for at, step in enumerate(steps)
        ]

        def write(tx: Transaction) -> None:
            if beside is not None:
                beside(tx)
            keep = ["started_at", *([] if queued else ["queued_at"]), *(["status"] if taken else [])]
            tx.upsert(runs, [row], keep=keep)
            if ready:
                tx.insert_missing(run_steps, ready)
                tx.update(run_steps, {"run_id": run_id, "status": list(_AGAIN)}, {"status": "ready"})

        self._write(write)

    def finish_run(self, run_id: str, *, status: str, ended_at: datetime, exit_code: int) -> None:
        """Note how a run ended; a step it was in the middle of is `interrupted`. `queued` gives it to another worker."""
        values = {"status": status, "ended_at": None if status == "queued" else ended_at, "exit_code": exit_code}

        def write(tx: Transaction) -> None:
            tx.update(runs, {"run_id": run_id}, values)
            tx.update(
                run_steps, {"run_id": run_id, "status": "running"}, {"status": "interrupted", "ended_at": ended_at}
            )

        self._write(write)

    def take(self, run_id: str, *, at: datetime, host: str) -> bool:
        """Begin a run of the queue, or go on with one whose worker died. False when it was cancelled or is over."""

        def write(tx: Transaction) -> bool:
            fresh = tx.update(
                runs, {"run_id": run_id, "status": "queued"}, {"status": "running", "started_at": at, "host": host}
            )
            found = tx.rows("SELECT status FROM runs WHERE run_id = :run_id", run_id=run_id)
            return bool(fresh) or bool(found and found[0]["status"] == "running")

        return self._write(write)

    def cancel(self, run_id: str, *, at: datetime) -> str | None:
        """Ask for the end of a run. A queued one is cancelled at once, a running one before its next step.

        Returns the status it had, None when there is no such run. A run that is over stays as it is.
        """

        def write(tx: Transaction) -> str | None:
            found = tx.rows("SELECT status FROM runs WHERE run_id = :run_id", run_id=run_id)
            if not found:
                return None
            tx.update(
                runs, {"run_id": run_id, "status": "queued"}, {"status": "cancelled", "ended_at": at, "exit_code": 130}
            )
            tx.update(runs, {"run_id": run_id, "status": "running"}, {"status": "cancelling"})
            return str(found[0]["status"])

        return self._write(write)

    def run(self, run_id: str) -> dict[str, Any] | None:
        """One run, or None."""
        found = self._read("SELECT * FROM runs WHERE run_id = :run_id", run_id=run_id)
        return found[0] if found else None

    def queue(self) -> list[dict[str, Any]]:
        """Runs left for workers and not over, the one that waits longest first: queued, and running ones, whose worker
        may have died. `held` says whether the client's lease is held by anyone."""
        now = self.now()
        held = {
            row["name"]
            for row in self._read("SELECT name FROM leases WHERE owner <> '' AND expires_at > :now", now=now)
        }
        found = self._read(
            "SELECT * FROM runs WHERE queued_at IS NOT NULL AND status IN ('queued', 'running', 'cancelling')"
            " ORDER BY queued_at, run_id"
        )
        return [row | {"held": f"tenant:{row['tenant']}" in held} for row in found]

    def step_started(self, run_id: str, step: str, *, position: int, at: datetime) -> int:
        """Note a step as running. Returns which attempt this is, from 1; 0, and notes nothing, when the run is being
        cancelled."""
        return self._write(lambda tx: _start(tx, run_id, step, position, at))

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
        leaving: bool = False,
    ) -> None:
        """Note how a step ended, and give back the places it had; one that was skipped need not have been started.
        `facts` must be JSON-like."""
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

        def write(tx: Transaction) -> None:
            if not tx.update(run_steps, {"run_id": run_id, "step": step}, ended):
                tx.insert_missing(run_steps, [_BEFORE_START | ended])
            if leaving:
                limits.leave(tx, run_id)

        self._write(write)

    def step_tried(self, run_id: str, step: str, *, error_code: str, error_message: str, leaving: bool = False) -> None:
        """Note why a step that is going to be tried again failed, and give back the places it had. It stays running."""
        said = {"error_code": error_code, "error_message": error_message[:500]}

        def write(tx: Transaction) -> None:
            tx.update(run_steps, {"run_id": run_id, "step": step}, said)
            if leaving:
                limits.leave(tx, run_id)

        self._write(write)

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
        """Hold a lease longer, and the places its run has taken. False when it is another's by now. `now` as `Control.now()` says it."""
        mine = {"name": name, "owner": owner, "epoch": epoch}

        def write(tx: Transaction) -> int:
            limits.prolong(tx, owner, now + ttl)
            return tx.update(leases, mine, {"expires_at": now + ttl})

        return self._write(write) == 1

    def raise_epoch(self, name: str, *, owner: str, epoch: int, to: int) -> bool:
        """Count a lease's epoch up, for a control schema younger than its clients'. False when it is another's by now."""
        mine = {"name": name, "owner": owner, "epoch": epoch}
        return self._write(lambda tx: tx.update(leases, mine, {"epoch": to})) == 1

    def release(self, name: str, *, owner: str, epoch: int) -> bool:
        """Give a lease back. False when it was another's already."""
        mine = {"name": name, "owner": owner, "epoch": epoch}

        def write(tx: Transaction) -> int:
            limits.leave(tx, owner)
            return tx.update(leases, mine, {"owner": ""})  # the row stays: its epoch must go on counting

        return self._write(write) == 1

    def holder(self, name: str) -> dict[str, Any] | None:
        """Who holds a lease: owner, host, acquired_at, expires_at, epoch. None when it was given back or never taken."""
        found = self._read("SELECT * FROM leases WHERE name = :name AND owner <> ''", name=name)
        return found[0] if found else None

    def enter(
        self, places: Mapping[str, int], *, owner: str, host: str, ttl: timedelta, is_dead: Callable[[str], bool]
    ) -> str:
        """Take a place in each of the named budgets (name -> how many places there are), or none of them.

        They are the run's until `leave`, its lease's end, or `ttl` after its last renewal. Returns the name of a
        budget that is full, empty when the places are taken.
        """

        def write(tx: Transaction) -> None:
            now = self._now(tx)
            limits.enter(tx, places, owner=owner, host=host, now=now, until=now + ttl, is_dead=is_dead)

        try:
            self._write(write)
        except limits.Full as full:
            return full.name
        return ""

    def leave(self, owner: str) -> None:
        """Give back the places of a run."""
        self._write(lambda tx: limits.leave(tx, owner))

    def pause(self, names: Sequence[str], seconds: float) -> None:
        """A platform asked for this pause: nobody calls on these budgets before it is over."""
        self._write(lambda tx: limits.pause(tx, names, self._now(tx) + timedelta(seconds=seconds)))

    def paused(self, names: Sequence[str]) -> float:
        """Seconds until calls on these budgets may go on."""
        with engines.reading(self._engine, self._place) as connection:
            tx = Transaction(connection)
            return limits.paused(tx, names, self._now(tx))

    def spend(self, name: str, per_second: float, burst: float) -> float:
        """Count a call; seconds to hold it back so that all callers of this budget keep to its rate."""
        return self._write(lambda tx: limits.spend(tx, name, per_second, burst, self._now(tx)))

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
    known = tx.rows(
        "SELECT s.attempt, r.status AS run_status FROM run_steps s LEFT JOIN runs r ON r.run_id = s.run_id"
        " WHERE s.run_id = :run_id AND s.step = :step",
        run_id=run_id,
        step=step,
    )
    if known and known[0]["run_status"] == "cancelling":
        return 0
    attempt = int(known[0]["attempt"] if known else 0) + 1
    begun = {"run_id": run_id, "step": step, "position": position, "status": "running", "attempt": attempt}
    row = {**_BEFORE_START, **begun, "started_at": at}
    if known:
        tx.update(run_steps, {"run_id": run_id, "step": step}, row)
    else:
        tx.insert_missing(run_steps, [row])
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
