"""How a database gets its shape: numbered files of `sql/migrations/`, each applied once, for ever unchanged.

    0001_initial.sql            for every engine, in the syntax MySQL, MariaDB and SQLite share
    0004_faster.mysql.sql       for one engine only; the others note the number and do nothing

MySQL commits every DDL statement by itself, so an interrupted migration leaves a part of itself behind. Its number is
then noted without a checksum, and the next run goes through it again, passing over what is already there. Hence two
rules for authors: one change per statement, and statements that move data must be repeatable.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from cortex.errors import DatabaseError
from cortex.warehouse import engine as engines
from cortex.warehouse.engine import Place
from cortex.warehouse.failures import mapped, number, translate
from cortex.workspace import bundled

_FILE = re.compile(r"(\d{4})_(\w+?)(?:\.(mysql|sqlite))?\.sql")
_PIECE = re.compile(r"--[^\n]*|'(?:[^']|'')*'|\"[^\"]*\"|;|[^-'\";]+|.", re.DOTALL)
_MYSQL_ONLY = re.compile(
    r" COLLATE utf8mb4_bin\b|(?<=\bDATETIME)\(6\)|\bLONG(?=TEXT\b)| ENGINE=\w+| DEFAULT CHARSET=\w+"
)
"""What SQLite has no word for: its text is compared byte for byte anyway, its times are text, its text has no length."""
_DDL = re.compile(r"\s*(?:CREATE|ALTER|DROP|RENAME)\b", re.IGNORECASE)
_ALREADY = {1050, 1051, 1054, 1060, 1061, 1091, 1146}
"""MySQL: table, column or index already there, or already gone."""


@dataclass(frozen=True)
class Migration:
    version: str
    name: str
    sources: dict[str, str]
    """Text by dialect; `""` for every dialect."""

    def source(self, dialect: str) -> str:
        return self.sources.get("", self.sources.get(dialect, ""))

    def sha256(self, dialect: str) -> str:
        return hashlib.sha256(self.source(dialect).encode()).hexdigest()

    def statements(self, dialect: str) -> list[str]:
        source = self.source(dialect)
        return _split(_MYSQL_ONLY.sub("", source) if dialect == "sqlite" else source)


def tenant_migrations() -> list[Migration]:
    return read(bundled("sql") / "migrations")


def control_migrations() -> list[Migration]:
    return read(bundled("sql") / "migrations" / "control")


def read(folder: Path) -> list[Migration]:
    """The migrations of a folder in order. Raises DatabaseError CTX-5007 for a gap, a number used twice, a strange name."""
    sources: dict[str, dict[str, str]] = {}
    names: dict[str, str] = {}
    for file in sorted(folder.glob("*.sql")):
        found = _FILE.fullmatch(file.name)
        if not found:
            raise _misfiled(folder, f"{file.name} is not named NNNN_name.sql")
        version, name, dialect = found[1], found[2], found[3] or ""
        of_version = sources.setdefault(version, {})
        if (
            names.setdefault(version, name) != name
            or dialect in of_version
            or (of_version and "" in {dialect, *of_version})
        ):
            raise _misfiled(folder, f"number {version} is used twice")
        of_version[dialect] = file.read_text(encoding="utf-8")
    for expected, version in enumerate(sorted(sources), start=1):
        if int(version) != expected:
            raise _misfiled(folder, f"{expected:04d} is missing")
    return [Migration(version, names[version], sources[version]) for version in sorted(sources)]


def _misfiled(folder: Path, why: str) -> DatabaseError:
    return DatabaseError(
        "CTX-5007", f"The migrations in {folder.name}/ are out of order: {why}.", fix="Renumber the files."
    )


def pending(connection: Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """Migrations not applied yet, an interrupted one included. Reads only.

    Raises DatabaseError: CTX-5005 when the database is newer than this code, CTX-5006 when an applied file was edited.
    """
    applied = _applied(connection)
    known = {migration.version: migration for migration in migrations}
    newest = max(known, default="0000")
    if unknown := sorted(set(applied) - set(known)):
        raise DatabaseError(
            "CTX-5005",
            f"The schema is at version {unknown[-1]}, this Cortex knows versions up to {newest}.",
            fix="Upgrade Cortex on this machine: pip install --upgrade cortex-ecom",
        )
    dialect = connection.dialect.name
    for version, sha256 in applied.items():
        if sha256 and sha256 != known[version].sha256(dialect):
            raise DatabaseError(
                "CTX-5006",
                f"Migration {version}_{known[version].name} was edited after it was applied.",
                fix="Restore the file as it was and put the change into a new migration.",
            )
    return [migration for migration in migrations if not applied.get(migration.version)]


def _applied(connection: Connection) -> dict[str, str]:
    """Checksum by version; an empty one marks a migration that was begun and not finished."""
    if not inspect(connection).has_table("schema_migrations"):
        return {}
    found = connection.execute(text("SELECT version, sha256 FROM schema_migrations"))
    return {str(row.version): str(row.sha256) for row in found}


def apply(engine: Engine, place: Place, migrations: Sequence[Migration]) -> list[Migration]:
    """Bring a schema up to the last migration. Returns what was applied. Interrupted at any point, it can be run again."""
    with engines.reading(engine, place) as connection:
        missing = pending(connection, migrations)
    for migration in missing:
        if engine.dialect.name == "sqlite":
            with engines.writing(engine, place) as connection:
                _apply_one(connection, migration, place)
        else:
            with mapped(str(place)), engine.connect() as connection:
                # Every statement commits, as DDL does anyway: what is noted is never rolled back after what it notes.
                _apply_one(connection.execution_options(isolation_level="AUTOCOMMIT"), migration, place)
    return missing


def _apply_one(connection: Connection, migration: Migration, place: Place) -> None:
    dialect = connection.dialect.name
    again = migration.version in _applied(connection)
    begun = again or _begin(connection, migration)
    for position, statement in enumerate(migration.statements(dialect), start=1):
        try:
            connection.execute(text(statement.replace(":", r"\:")))
        except DBAPIError as error:
            if not (again and _DDL.match(statement) and number(error) in _ALREADY):
                raise _failed(migration, position, translate(error, str(place))) from None
        begun = begun or _begin(connection, migration)
    connection.execute(
        text("UPDATE schema_migrations SET sha256 = :sha256 WHERE version = :version"),
        {"version": migration.version, "sha256": migration.sha256(dialect)},
    )


def _begin(connection: Connection, migration: Migration) -> bool:
    """Note a migration as begun. False when the table to note it in is yet to come: 0001 makes it first."""
    if not inspect(connection).has_table("schema_migrations"):
        return False
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    connection.execute(
        text("INSERT INTO schema_migrations (version, name, sha256, applied_at) VALUES (:version, :name, '', :at)"),
        {"version": migration.version, "name": migration.name, "at": at},
    )
    return True


def _failed(migration: Migration, position: int, cause: DatabaseError) -> DatabaseError:
    return DatabaseError(
        "CTX-5015",
        f"Migration {migration.version}_{migration.name} failed at statement {position}: {cause.message}",
        fix=cause.fix or "Mend the cause and run the same command again: it goes on where it stopped.",
    )


def _split(source: str) -> list[str]:
    """Statements of a file, without comments."""
    statements = [""]
    for piece in _PIECE.findall(source):
        if piece == ";":
            statements.append("")
        elif not piece.startswith("--"):
            statements[-1] += piece
    return [statement.strip() for statement in statements if statement.strip()]
