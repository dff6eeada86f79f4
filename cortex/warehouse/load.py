"""The verbs that write: each leaves the same rows however often it is repeated, and all of one transaction or nothing.

Rows are staged in a temporary table in batches and merged by statements both engines know. Nothing here asks what is
stored before deciding what to write, except the verbs that say so.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Engine, Table, delete, exists, insert, or_, select, text, update
from sqlalchemy.exc import IntegrityError

from cortex import crash
from cortex.errors import DatabaseError
from cortex.warehouse import conditions, read, streaming, tables
from cortex.warehouse import engine as engines
from cortex.warehouse import rows as kinds
from cortex.warehouse.engine import Place
from cortex.warehouse.failures import Contended
from cortex.warehouse.rows import Given, Row
from cortex.warehouse.staging import Bound, Stage, bind
from cortex.warehouse.streaming import StreamingConnection
from cortex.warehouse.values import Clipped, Form

if TYPE_CHECKING:
    import polars as pl
    from sqlalchemy.sql.elements import ColumnElement
    from sqlalchemy.sql.selectable import Select

Keys = str | Sequence[str]
T = TypeVar("T")
ATTEMPTS = 5
WORTH_STREAMING = 50
"""Rows below which one INSERT is as fast as a stream."""
STREAMED = 10_000
"""Rows in one stream: its text is held in memory."""


@dataclass(frozen=True)
class Loaded:
    """What a load did: rows new, rows changed, rows that were so already (or were newer here), texts cut to fit, and
    texts freed of what no text holds (NUL, half a character)."""

    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    clipped: int = 0
    mended: int = 0

    def __add__(self, other: Loaded) -> Loaded:
        return Loaded(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.clipped + other.clipped,
            self.mended + other.mended,
        )


class Transaction:
    """One transaction on one client's schema. Got from `Warehouse.transaction()` or `Warehouse.atomically()`."""

    def __init__(self, connection: Connection, batch: int = 1000) -> None:
        self._connection = connection
        self._dialect = connection.dialect.name
        self._batch = batch
        driver = connection.connection.dbapi_connection
        self.texts = Clipped()
        """What happened to texts in all of this transaction."""
        self._stream = driver if isinstance(driver, StreamingConnection) and driver.streams else None

    def upsert(
        self,
        table: Table | str,
        rows: Sequence[Given],
        *,
        newer: str | None = None,
        keep: Sequence[str] = (),
        quiet: Sequence[str] = (),
        unknown: bool = False,
    ) -> Loaded:
        """Insert rows whose primary key is new, update those whose content changed.

        newer: column that tells versions apart. The highest of a batch counts, and a stored row with a higher one
        stays as it is. keep: columns written with a new row only. quiet: columns whose difference alone is no change
        (when a row was fetched). Of rows with the same key and no telling column the last counts. unknown: the caller
        found none of the keys stored, so a stream goes straight into the table. That is about speed alone: rows that
        turn out to be there are merged as ever.
        """
        table = _table(table)
        key = [column.name for column in table.primary_key]
        if not rows:
            return Loaded()
        bound = self._bind(self._form(rows), table, rows, key, newer=newer)
        if unknown and bound.form == "stream" and self._all_new(table, bound):
            return Loaded(len(bound.rows), clipped=bound.clipped.count, mended=bound.clipped.mended)
        settable = [name for name in bound.columns if name not in key and name not in keep]
        telling = [name for name in settable if name not in quiet]
        inserted = updated = 0
        with Stage(self._connection, table, key) as stage:
            for size in self._staged(stage, bound):
                fresh = self._insert_from(table, stage, key, bound.columns)
                inserted += fresh
                if telling and fresh < size:
                    guard = table.c[newer] <= stage.c[newer] if newer else None
                    updated += self._update_from(table, stage, key, settable, telling, guard)
        return Loaded(
            inserted, updated, len(bound.rows) - inserted - updated, bound.clipped.count, bound.clipped.mended
        )

    def insert_missing(self, table: Table | str, rows: Sequence[Given], *, unknown: bool = False) -> int:
        """Insert rows whose primary key is new; leave the others as they are. Returns the number inserted.

        unknown: as in `upsert`.
        """
        table = _table(table)
        if not rows:
            return 0
        key = [column.name for column in table.primary_key]
        bound = self._bind(self._form(rows), table, rows, key)
        if unknown and bound.form == "stream" and self._all_new(table, bound):
            return len(bound.rows)
        inserted = 0
        with Stage(self._connection, table, key) as stage:
            for _ in self._staged(stage, bound):
                inserted += self._insert_from(table, stage, key, bound.columns)
        return inserted

    def assign(
        self, table: Table | str, key: Keys, rows: Sequence[Given], *, only: Mapping[str, Any] | None = None
    ) -> int:
        """Set the given columns of existing rows, found by key; rows that do not exist are passed over.

        only: a condition stored rows must meet (as in `delete`). Returns the number of rows that changed.
        """
        table = _table(table)
        names = _names(key)
        bound = self._bind(self._form(rows), table, rows, names, whole=False)
        settable = [name for name in bound.columns if name not in names]
        guard = self._where(table, only or {})
        changed = 0
        with Stage(self._connection, table, names) as stage:
            for _ in self._staged(stage, bound):
                changed += self._update_from(table, stage, names, settable, settable, guard)
        return changed

    def replace(self, table: Table | str, where: Mapping[str, Any], rows: Sequence[Given]) -> int:
        """Delete what `where` covers and insert `rows`, which must lie inside it. Returns the number inserted.

        where: column to value, to a half-open `(since, until)` or Window, or to a list of values. Two rows with one
        key are an error unless they are the same row: neither dropping nor adding them would be true.
        """
        table = _table(table)
        key = [column.name for column in table.primary_key]
        for name, wanted in where.items():
            if not all(conditions.inside(value, wanted) for value in kinds.values(rows, name)):
                raise DatabaseError(
                    "CTX-5014", f"A row for {table.name} lies outside the {name} that is being replaced."
                )
        bound = self._bind(self._form(rows), table, rows, key, strict=True)
        self.delete(table, where)
        self._insert(table, bound)
        return len(bound.rows)

    def rewrite(
        self,
        table: Table | str,
        parent: str,
        keys: Sequence[str],
        rows: Sequence[Given],
        *,
        stored: Collection[str] | None = None,
    ) -> int:
        """Delete the children of the given parents and insert `rows`, which must be theirs. Returns the number inserted.

        stored: which of the parents may have children already; the others are not looked for.
        """
        table = _table(table)
        known = set(keys)
        if not known.issuperset(kinds.values(rows, parent)):
            raise DatabaseError("CTX-5014", f"A row for {table.name} belongs to none of the rewritten {parent}.")
        bound = self._bind(self._form(rows), table, rows, [column.name for column in table.primary_key], strict=True)
        self.delete(table, {parent: sorted(known if stored is None else known.intersection(stored))})
        self._insert(table, bound)
        return len(bound.rows)

    def append(self, table: Table | str, frame: pl.DataFrame) -> int:
        """Insert a frame's rows, whose keys must be new and best come in order. Returns the number inserted.

        The frame: columns of the table, whole, typed as `Warehouse.frame` gives them. A stream is written from the
        frame itself where no value needs a second look; else the rows go the way all rows go, and to the same values.
        """
        table = _table(table)
        key = [column.name for column in table.primary_key]
        for chunk in frame.iter_slices(STREAMED):
            content = streaming.written(chunk, table) if self._stream is not None else None
            if content is None:
                self._insert(table, self._bind(self._form_of(chunk.height), table, chunk.to_dicts(), key, strict=True))
            else:
                self._pour(table, chunk.columns, content, chunk.height)
        return frame.height

    def delete(self, table: Table | str, where: Mapping[str, Any]) -> int:
        """Delete rows: column to value (None is unknown), half-open `(since, until)` or Window, or list. Number deleted."""
        table = _table(table)
        return sum(
            self._connection.execute(delete(table).where(self._where(table, part))).rowcount
            for part in conditions.parts(where)
        )

    def keep_only(self, table: Table | str, key: str, keys: Iterable[Any]) -> int:
        """Delete every row whose `key` is not among `keys`. Returns the number deleted."""
        table = _table(table)
        rows = [{key: value} for value in keys]
        bound = self._bind(self._form(rows), table, rows, [key], whole=False)
        with Stage(self._connection, table, [key]) as stage:
            for chunk in self._chunks(bound):
                self._write(stage, bound, chunk)
            kept = exists().where(stage.c[key] == table.c[key])
            return self._connection.execute(delete(table).where(~kept)).rowcount

    def update(self, table: Table | str, where: Mapping[str, Any], values: Row) -> int:
        """Set columns of the rows `where` covers (as in `delete`). Returns the number of rows covered.

        The condition is tested when the row is written, so a state may be moved on by one of several rivals only.
        """
        table = _table(table)
        bound = self._bind(self._plain, table, [values], [], whole=False)
        named = dict(zip(bound.columns, bound.rows[0], strict=True))
        return sum(
            self._connection.execute(
                update(table)
                .where(self._where(table, part))
                .values(
                    {name: text(f":new_{name}").bindparams(**{f"new_{name}": value}) for name, value in named.items()}
                )
            ).rowcount
            for part in conditions.parts(where)
        )

    def lookup(self, table: Table | str, key: str, keys: Iterable[Any], columns: Sequence[str]) -> dict[Any, Row]:
        """The given columns of rows by their key; keys without a row are left out."""
        table = _table(table)
        wanted = [table.c[name] for name in dict.fromkeys([key, *columns])]
        found: dict[Any, Row] = {}
        for part in conditions.parts({key: list(keys)}):
            result = self._connection.execute(select(*wanted).where(self._where(table, part)))
            found |= {row[key]: dict(row) for row in result.mappings()}
        return found

    def run(self, sql: str, **params: Any) -> int:
        """One statement of portable SQL with `:named` parameters. Returns the number of rows it touched."""
        return self._connection.execute(read.statement(self._connection, sql, params)).rowcount

    def rows(self, query: str | Select[Any], **params: Any) -> list[dict[str, Any]]:
        """As `Warehouse.rows`, seeing this transaction's own writes."""
        return read.rows(self._connection, query, params)

    def locked(self, sql: str, **params: Any) -> list[dict[str, Any]]:
        """As `rows`; what they are made of nobody else changes until this transaction ends.

        SQLite has one writer at a time, and needs no telling.
        """
        return self.rows(sql if self._dialect == "sqlite" else f"{sql} FOR UPDATE", **params)

    def frame(self, query: str | Select[Any], **params: Any) -> pl.DataFrame:
        """As `Warehouse.frame`, seeing this transaction's own writes."""
        return read.frame(self._connection, query, params)

    def cursor(self, stream: str) -> Row | None:
        """Up to where a stream has been read: a row of sync_state, or None."""
        found = self.rows(select(tables.sync_state).where(tables.sync_state.c.stream == stream))
        return found[0] if found else None

    def move_cursor(
        self,
        stream: str,
        *,
        complete_until: date | None,
        source_updated_at: datetime | None,
        run_id: str,
        at: datetime,
    ) -> None:
        """Move a stream's cursor, in the transaction that holds its rows. It never goes back; None leaves a part as it is."""
        known = self.cursor(stream)
        moved = {
            "complete_until": complete_until,
            "source_updated_at": source_updated_at,
            "run_id": run_id,
            "moved_at": at,
        }
        if known:
            later = {name: _later(known[name], moved[name]) for name in ("complete_until", "source_updated_at")}
            self.update(tables.sync_state, {"stream": stream}, moved | later)
        else:
            self.upsert(tables.sync_state, [{"stream": stream} | moved])
        crash.point("cursor")

    def _where(self, table: Table, wanted: Mapping[str, Any]) -> ColumnElement[bool]:
        return conditions.where(table, wanted, lists=self._dialect == "mysql")

    @property
    def _plain(self) -> Form:
        return "sqlite" if self._dialect == "sqlite" else "mysql"

    def _form(self, rows: Sequence[Given]) -> Form:
        return self._form_of(len(rows))

    def _form_of(self, count: int) -> Form:
        return "stream" if self._stream is not None and count >= WORTH_STREAMING else self._plain

    def _bind(self, form: Form, table: Table, rows: Sequence[Given], key: Sequence[str], **how: Any) -> Bound:
        bound = bind(form, table, rows, key, **how)
        self.texts.count += bound.clipped.count
        self.texts.mended += bound.clipped.mended
        return bound

    def _chunks(self, bound: Bound) -> Iterator[list[tuple[Any, ...]]]:
        size = STREAMED if bound.form == "stream" else self._batch
        return (bound.rows[start : start + size] for start in range(0, len(bound.rows), size))

    def _staged(self, stage: Table, bound: Bound) -> Iterator[int]:
        """Put rows into a new stage, a chunk at a time in the place of the one before; the size of each."""
        for at, chunk in enumerate(self._chunks(bound)):
            if at:
                # DELETE, because TRUNCATE of a temporary table commits the open transaction on MySQL.
                self._connection.execute(delete(stage))
            self._write(stage, bound, chunk)
            crash.point("staged")
            yield len(chunk)

    def _insert(self, table: Table, bound: Bound) -> None:
        try:
            for chunk in self._chunks(bound):
                self._write(table, bound, chunk)
        except IntegrityError:
            raise _stored_already(table) from None

    def _write(self, table: Table, bound: Bound, rows: list[tuple[Any, ...]]) -> None:
        if bound.form == "stream":
            self._send(table, bound.columns, rows)
        else:
            self._insert_tuples(table, bound.columns, rows)

    def _all_new(self, table: Table, bound: Bound) -> bool:
        """Stream rows into a table, or none of them where it holds one already."""
        self._connection.exec_driver_sql("SAVEPOINT straight")
        try:
            for chunk in self._chunks(bound):
                self._send(table, bound.columns, chunk)
        except StoredAlready:
            self._connection.exec_driver_sql("ROLLBACK TO SAVEPOINT straight")
            return False
        crash.point("merged")
        return True

    def _send(self, table: Table, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
        """Stream rows into a table."""
        self._pour(table, columns, streaming.encode(rows), len(rows))

    def _pour(self, table: Table, columns: Sequence[str], content: bytes, count: int) -> None:
        """Stream text into a table. A load from a client skips what it cannot insert and bends what does not fit, with
        a warning where an INSERT would fail: here any warning is a failure."""
        assert self._stream is not None
        quote = self._connection.dialect.identifier_preparer.quote
        into = streaming.statement(quote(table.name), [quote(name) for name in columns])
        with self._stream.offering(content):
            written = self._connection.exec_driver_sql(into).rowcount
        if written == count and not self._stream.warned:
            return
        codes = {int(code) for _, code, _ in self._connection.exec_driver_sql("SHOW WARNINGS")}
        if 1062 in codes or not codes:
            raise _stored_already(table)
        raise DatabaseError("CTX-5013", f"A value does not fit its column in {table.name} (error {min(codes)}).")

    def _insert_tuples(self, table: Table, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
        """Both drivers make bulk work of executemany: SQLite in C, PyMySQL as multi-row statements below the packet limit."""
        quote = self._connection.dialect.identifier_preparer.quote
        mark = "?" if self._dialect == "sqlite" else "%s"
        names = ", ".join(quote(name) for name in columns)
        marks = ", ".join([mark] * len(columns))
        # Names come from tables.py, values are bound.
        self._connection.exec_driver_sql(f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})", rows)  # noqa: S608

    def _update_from(
        self,
        table: Table,
        stage: Table,
        key: Sequence[str],
        settable: Sequence[str],
        telling: Sequence[str],
        guard: ColumnElement[bool] | None,
    ) -> int:
        statement = (
            update(table)
            .where(*[table.c[name] == stage.c[name] for name in key])
            .where(or_(*[table.c[name].is_distinct_from(stage.c[name]) for name in telling]))
            .values({table.c[name]: stage.c[name] for name in settable})
        )
        if guard is not None:
            statement = statement.where(guard)
        changed = self._connection.execute(statement).rowcount
        crash.point("merged")
        return changed

    def _insert_from(self, table: Table, stage: Table, key: Sequence[str], columns: list[str]) -> int:
        known = exists().where(*[table.c[name] == stage.c[name] for name in key]).correlate(stage)
        fresh = select(*[stage.c[name] for name in columns]).where(~known)
        inserted = self._connection.execute(insert(table).from_select(columns, fresh)).rowcount
        crash.point("merged")
        return inserted


def atomically(engine: Engine, place: Place, work: Callable[[Transaction], T], batch: int = 1000) -> T:
    """`work` in one transaction; the whole of it again, up to five times in all, when another writer interfered."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with engines.writing(engine, place) as connection:
                return work(Transaction(connection, batch))
        except Contended:
            if attempt == ATTEMPTS:
                raise
            time.sleep(random.uniform(0.02, 0.1) * 2**attempt)
    raise AssertionError


def _table(table: Table | str) -> Table:
    if isinstance(table, Table):
        return table
    try:
        return tables.TENANT.tables[table]
    except KeyError:
        raise ValueError(f"there is no table {table}") from None


class StoredAlready(DatabaseError):
    """A row that was to be inserted has a key that is taken."""


def _stored_already(table: Table) -> StoredAlready:
    return StoredAlready("CTX-5014", f"A row for {table.name} is stored already, outside what is being replaced.")


def _names(key: Keys) -> list[str]:
    return [key] if isinstance(key, str) else list(key)


def _later(known: Any, new: Any) -> Any:
    return known if new is None or (known is not None and known > new) else new
