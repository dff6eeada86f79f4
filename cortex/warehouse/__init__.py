"""One tenant's schema, and the control schema beside it. The only room that knows SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sqlalchemy import Engine

from cortex.errors import DatabaseError
from cortex.warehouse import accounts, fence, migrate, provision, read, tables, views
from cortex.warehouse import engine as engines
from cortex.warehouse.callers import KEY, ROLES, Answered, Caller, Callers, Entry
from cortex.warehouse.control import Control
from cortex.warehouse.diagnosis import describe_server
from cortex.warehouse.engine import Place
from cortex.warehouse.failures import Contended, Denied, NoSuchSchema
from cortex.warehouse.load import Loaded, Transaction, atomically

if TYPE_CHECKING:
    import polars as pl

T = TypeVar("T")


class Warehouse:
    """One client's schema, open. Safe to share between threads; every transaction has its own connection."""

    def __init__(
        self, engine: Engine, place: Place, code: str, batch: int = 1000, *, writer: Engine | None = None
    ) -> None:
        """writer: an engine of its own for writing, when only writers are to stream rows."""
        self._engine = engine
        self._writer = writer or engine
        self._place = place
        self._batch = batch
        self._epoch: int | None = None
        self.code = code
        self.dialect = place.dialect

    @classmethod
    def open(cls, base_url: str, code: str, state: Path, *, batch: int = 1000, read_only: bool = False) -> Self:
        """Open a provisioned schema. `base_url` as in `cortex.warehouse.engine`; `state` holds SQLite's files.

        batch: rows in one statement. read_only: as the client's `view` user where it has one; writing is refused
        either way. Raises DatabaseError: CTX-5001 unreachable, CTX-5002 not provisioned, CTX-5003
        migrations pending, CTX-5004 another client's schema, CTX-5005 newer than this Cortex, CTX-5006 edited since,
        CTX-5022 the client's own database user is turned away.
        """
        place = accounts.place(base_url, code, state, "view" if read_only else "load")
        engine = engines.connect(place, read_only=read_only)
        try:
            with engines.reading(engine, place) as connection:
                meta = provision.read_meta(connection)
                if "tenant" not in meta:
                    raise engines.not_provisioned(place)
                provision.check_owner(meta, place, code)
                missing = migrate.pending(connection, migrate.tenant_migrations())
        except NoSuchSchema:
            engine.dispose()
            raise engines.not_provisioned(place) from None
        except Denied:
            engine.dispose()
            if place.user:
                raise accounts.refused(place, code) from None
            raise
        except DatabaseError:
            engine.dispose()
            raise
        if missing:
            engine.dispose()
            raise DatabaseError(
                "CTX-5003",
                f"The schema of client {code} lacks {len(missing)} of this version's changes, from"
                f" {missing[0].version}_{missing[0].name} on.",
                fix=f"cortex onboard {code}",
            )
        streaming = place.server is not None and not read_only
        return cls(engine, place, code, batch, writer=engines.connect(place, streams=True) if streaming else None)

    def close(self) -> None:
        self._engine.dispose()
        self._writer.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Warehouse({self._place})"

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One transaction: everything in the block is written, or nothing of it.

        Raises DatabaseError; CTX-5008 (another writer was in the way) is the one that `atomically` tries again.
        """
        with engines.writing(self._writer, self._place) as connection:
            tx = Transaction(connection, self._batch)
            yield tx
            fence.check(tx, self.code, self._epoch)
            fence.mark(tx)

    def atomically(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in one transaction, the whole of it again (up to five times in all) when another writer interfered.

        `work` may therefore be called more than once: it must build on its arguments only.
        """
        code, epoch = self.code, self._epoch

        def guarded(tx: Transaction) -> T:
            found = work(tx)
            fence.check(tx, code, epoch)
            fence.mark(tx)
            return found

        return atomically(self._writer, self._place, guarded, self._batch)

    def fence(self, epoch: int) -> int | None:
        """From here on write only while the lease of this epoch is the client's newest, and let no older one write.

        Returns None, or the epoch found in the schema when it is as new or newer: then nothing was changed, and the
        caller must take a lease beyond it.
        """
        newest = atomically(self._writer, self._place, lambda tx: fence.raise_to(tx, epoch), self._batch)
        if newest is None:
            self._epoch = epoch
        return newest

    def rows(self, query: read.Query, **params: Any) -> list[dict[str, Any]]:
        """The result of a query (portable SQL with `:named` parameters, or a SQLAlchemy select) as typed dictionaries.

        Types are those `cortex.warehouse.read` documents, the same on every engine.
        """
        with engines.reading(self._engine, self._place) as connection:
            return read.rows(connection, query, params)

    def frame(self, query: read.Query, **params: Any) -> pl.DataFrame:
        """The result of a query as a Polars frame, typed like `rows`: money is Decimal(18, 2), instants are UTC."""
        with engines.reading(self._engine, self._place) as connection:
            return read.frame(connection, query, params)

    def frames(self, query: read.Query, size: int = 50_000, **params: Any) -> Iterator[pl.DataFrame]:
        """The same in pieces of at most `size` rows, at least one, for results too large to be held."""
        with engines.reading(self._engine, self._place) as connection:
            yield from read.frames(connection, query, params, size)

    def count_anew(self, *tables: str) -> None:
        """Have the server look at how big tables have become.

        After many rows at once MariaDB goes on planning for the empty table it knew for some ten seconds, and compares
        every row with every other; a new client is read, queued and sent within those. Elsewhere nothing is done.
        """
        if self.dialect == "sqlite":
            return
        with engines.writing(self._writer, self._place) as connection:
            for table in tables:
                connection.exec_driver_sql(f"ANALYZE LOCAL TABLE {table}").close()

    def version(self) -> str:
        """Which data this is: another text after every transaction that wrote. Cheap enough to ask before each query."""
        with engines.reading(self._engine, self._place) as connection:
            return fence.version(Transaction(connection))

    def cursor(self, stream: str) -> Mapping[str, Any] | None:
        """Up to where a stream has been read: a row of sync_state, or None."""
        with engines.reading(self._engine, self._place) as connection:
            return Transaction(connection).cursor(stream)


def relations() -> tuple[list[str], list[str]]:
    """Names of a client's tables, and of its report views."""
    return list(tables.TENANT.tables), [view.name for view in views.bundled_views()]


__all__ = [
    "KEY",
    "ROLES",
    "Answered",
    "Caller",
    "Callers",
    "Contended",
    "Control",
    "Entry",
    "Loaded",
    "Transaction",
    "Warehouse",
    "describe_server",
    "relations",
]
