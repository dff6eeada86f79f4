"""Where a schema lives and how it is reached: SQLite files or a MySQL-family server, chosen by URL.

`""`, `sqlite` and `sqlite:///folder` keep one file per client; `mysql+pymysql://user:password@host:port` (or
`mysql://`, `mariadb://`; a path is ignored) keeps one database per client, `cortex_<code>`, and `cortex_control`.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from cortex import crash
from cortex.errors import DatabaseError
from cortex.secrets import private_folder
from cortex.warehouse.failures import mapped
from cortex.warehouse.packets import QuickConnection
from cortex.warehouse.streaming import StreamingConnection

CODE = re.compile(r"[a-z][a-z0-9_]{1,30}")
RESERVED = {"control"}
SQL_MODE = (
    "STRICT_TRANS_TABLES,ONLY_FULL_GROUP_BY,NO_ZERO_DATE,NO_ZERO_IN_DATE,"
    "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
)
SESSION = (
    # Literals in views and conditions compare byte for byte, as columns do and as SQLite does.
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    f"SET SESSION time_zone = '+00:00', sql_mode = '{SQL_MODE}', innodb_lock_wait_timeout = 10",
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
)
PRAGMAS = ("synchronous = FULL", "temp_store = MEMORY", "secure_delete = ON", "trusted_schema = OFF")
"""FULL: a claimed conversion must not come back unclaimed after a power cut. secure_delete: what is deleted (IP addresses,
digests) must not stay in free pages."""
COLLATION = "utf8mb4_unicode_ci"
OLDEST_SQLITE = (3, 35, 0)
BUSY_SECONDS = 5


@dataclass(frozen=True)
class Place:
    """One schema: a SQLite file or a database on a server. Prints without credentials."""

    dialect: str
    database: str
    """Path of the file, or name of the database."""
    server: URL | None = field(default=None, repr=False)
    user: str = ""
    """The client's own database user, when the schema is reached as that (`cortex.warehouse.accounts`)."""

    def __str__(self) -> str:
        if self.server is None:
            return f"the SQLite file {self.database}"
        return f"database {self.database} on {self.server.host or 'localhost'}:{self.server.port or 3306}"

    @property
    def file(self) -> Path:
        return Path(self.database)


def tenant_place(base_url: str, code: str, state: Path) -> Place:
    """Where a client's schema lives. Raises DatabaseError for a code that cannot name one."""
    if not CODE.fullmatch(code) or code in RESERVED:
        raise DatabaseError(
            "CTX-5017",
            f"Client code {code!r} cannot name a database.",
            fix="Use 2-31 lowercase letters, digits or _, beginning with a letter; `control` is Cortex's own.",
        )
    return _place(base_url, f"cortex_{code}", state / "tenants", f"{code}.db")


def control_place(base_url: str, state: Path) -> Place:
    """Where the control schema lives."""
    return _place(base_url, "cortex_control", state, "control.db")


def _place(base_url: str, database: str, folder: Path, file: str) -> Place:
    if base_url in {"", "sqlite"}:
        return Place("sqlite", str(folder / file))
    try:
        url = make_url(base_url)
    except ArgumentError:
        raise _bad_url() from None
    family = url.drivername.partition("+")[0]
    if family == "sqlite" and url.database:
        return Place("sqlite", str(Path(url.database).expanduser() / file))
    if family in {"mysql", "mariadb"}:
        return Place("mysql", database, url.set(drivername="mysql+pymysql", database=None))
    raise _bad_url()


def _bad_url() -> DatabaseError:
    return DatabaseError(
        "CTX-5001",
        "The database URL is not one Cortex can use.",
        fix="mysql+pymysql://user:password@host:3306, sqlite:///folder, or nothing for SQLite files in the workspace.",
    )


def connect(place: Place, *, read_only: bool = False, streams: bool = False) -> Engine:
    """An engine on an existing schema. Opens nothing yet. A SQLite file that is not there is refused, not created.

    streams: rows may be streamed over its connections (`cortex.warehouse.streaming`) where the server takes them.
    Connections speak UTC, utf8mb4, strict SQL and READ COMMITTED. A lost connection is an error, never a silent
    reconnect: what was staged or locked on it is gone.
    """
    if place.server is None:
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            raise DatabaseError("CTX-5018", f"SQLite {sqlite3.sqlite_version} is too old; 3.35 or newer is needed.")
        if not place.file.is_file():
            raise not_provisioned(place)
        return _sqlite(place, (*PRAGMAS, "query_only = ON") if read_only else PRAGMAS)
    url = place.server.set(database=place.database)
    engine = _mysql(url, (*SESSION, "SET SESSION TRANSACTION READ ONLY") if read_only else SESSION, streams=streams)
    if streams:
        _ask_whether_it_streams(engine)
    return engine


def not_provisioned(place: Place) -> DatabaseError:
    code = place.file.stem if place.server is None else place.database.removeprefix("cortex_")
    return DatabaseError(
        "CTX-5002", f"Client {code} is not provisioned: no schema in {place}.", fix=f"cortex onboard {code}"
    )


def _sqlite(place: Place, pragmas: Sequence[str]) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=place.database),
        hide_parameters=True,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        # The driver's own BEGIN would come late and deferred: a reader that turns writer fails at once when another
        # writes. Ours is said in _begin.
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _mysql(url: URL, session: Sequence[str] = SESSION, *, streams: bool = False) -> Engine:
    arguments = {"charset": "utf8mb4", "connect_timeout": 10, "read_timeout": 600, "write_timeout": 600}
    engine = create_engine(
        url, hide_parameters=True, isolation_level="READ COMMITTED", pool_recycle=1800, connect_args=arguments
    )

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: Any, _record: Any, positional: Any, named: dict[str, Any]) -> QuickConnection:
        return (
            StreamingConnection(*positional, **named, local_infile=True)
            if streams
            else QuickConnection(*positional, **named)
        )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            for statement in session:
                cursor.execute(statement)

    return engine


def _ask_whether_it_streams(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _ask(connection: StreamingConnection, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@GLOBAL.local_infile")
            connection.streams = cursor.fetchone() == (1,)


@contextmanager
def writing(engine: Engine, place: Place) -> Iterator[Connection]:
    """One transaction that writes: committed at the end, rolled back when anything is raised."""
    with mapped(str(place)), engine.connect() as connection:
        writer = connection.execution_options(writes=True)
        try:
            with writer.begin():
                yield writer
                crash.point("commit")
            crash.point("committed")
        except BaseException:
            # Temporary tables survive a rollback on MySQL: the connection goes with them.
            writer.invalidate()
            raise


@contextmanager
def reading(engine: Engine, place: Place) -> Iterator[Connection]:
    """One connection that reads, in a transaction that ends with the block."""
    with mapped(str(place)), engine.connect() as connection, connection.begin():
        yield connection


def create(place: Place) -> None:
    """Bring the empty schema into being: a file only its owner may read, or a utf8mb4 database. Again is no error."""
    if place.server is None:
        _create_file(place.file)
    else:
        _on_server(place, "CREATE DATABASE IF NOT EXISTS {} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")


def recode(place: Place) -> None:
    """Give an existing database the character set new tables should have."""
    _on_server(place, "ALTER DATABASE {} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")


def drop(place: Place) -> None:
    """Destroy the schema with everything in it. Again is no error."""
    if place.server is None:
        for suffix in ("", "-wal", "-shm"):
            Path(place.database + suffix).unlink(missing_ok=True)
    else:
        _on_server(place, "DROP DATABASE IF EXISTS {}")


def collation(place: Place) -> str | None:
    """Default collation of the schema, None when it does not exist. SQLite has but one."""
    if place.server is None:
        return COLLATION if place.file.is_file() else None
    with server(place) as connection:
        found = connection.execute(
            text("SELECT default_collation_name FROM information_schema.schemata WHERE schema_name = :name"),
            {"name": place.database},
        ).scalar()
        return None if found is None else str(found)


@contextmanager
def server(place: Place) -> Iterator[Connection]:
    """A connection to the server itself, in no schema. Raises DatabaseError as `mapped`."""
    assert place.server is not None
    engine = _mysql(place.server)
    try:
        with mapped(str(place)), engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def _on_server(place: Place, statement: str) -> None:
    with server(place) as connection:
        name = connection.dialect.identifier_preparer.quote_identifier(place.database)
        connection.execute(text(statement.format(name)))


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Choose WAL. While somebody else does so too, SQLite refuses at once instead of waiting."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
            return
        except sqlite3.OperationalError as failure:
            if failure.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)


def _create_file(file: Path) -> None:
    try:
        private_folder(file.parent)
        file.touch(mode=0o600, exist_ok=True)
        connection = sqlite3.connect(file, timeout=BUSY_SECONDS)
        try:
            _write_ahead(connection)
        finally:
            connection.close()
    except (OSError, sqlite3.Error) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise DatabaseError(
            "CTX-5001", f"The SQLite file {file} cannot be created ({why}).", fix="Check the folder's permissions."
        ) from None
