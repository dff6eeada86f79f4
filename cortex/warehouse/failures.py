"""What the driver says when it refuses, as a DatabaseError a person can act on: never the statement, a value or a password."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from cortex.errors import DatabaseError
from cortex.warehouse.streaming import REFUSED


class Contended(DatabaseError):
    """Another transaction was in the way. The whole transaction may be tried again."""

    retryable = True


class ConnectionLost(DatabaseError):
    """The server went away. What was not committed is gone, what was is kept: the same work may be done again later."""

    retryable = True


class Denied(DatabaseError):
    """The server knows this user not, or does not let it do that."""


class NoSuchSchema(DatabaseError):
    """The database or one of its tables is not there."""


CONTENDED = {1020, 1062, 1205, 1213, 1614, 4031}
"""Snapshot conflict (MariaDB), a row that a rival inserted first, lock wait, deadlock, XA deadlock, idle disconnect."""
UNREACHABLE = {2001, 2002, 2003, 2005, 1040, 1203, 1226}
LOST = {2006, 2013, 2014, 2055, 1053, 1927}
DENIED = {1044, 1045, 1142, 1143, 1227, 1698, 3118}
FULL = {1021, 1114, 1290, 1836, 3}
MISSING = {1049, 1146}
TOO_LARGE = {1264, 1406, 1366, 1292, 1153}

_SQLITE_CONTENDED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_SQLITE_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}
_SQLITE_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def number(error: DBAPIError) -> int:
    """The driver's own error number: MySQL's, or SQLite's primary result code. 0 when it gives none."""
    original = error.orig
    if isinstance(original, sqlite3.Error):
        return int(getattr(original, "sqlite_errorcode", 0)) & 0xFF
    arguments = getattr(original, "args", ())
    return arguments[0] if arguments and isinstance(arguments[0], int) else 0


def translate(error: SQLAlchemyError, place: str) -> DatabaseError:
    """The DatabaseError for a driver's exception. `place` names the database, without credentials."""
    if isinstance(error, PoolTimeout):
        return Contended("CTX-5008", f"All connections to {place} are in use.", fix="Run fewer jobs at once.")
    if not isinstance(error, DBAPIError):
        return DatabaseError("CTX-5020", f"{place}: the statement could not be built ({type(error).__name__}).")
    code = number(error)
    if isinstance(error.orig, sqlite3.Error):
        return _from_sqlite(error.orig, code, place)
    return _from_mysql(code, place)


def _from_sqlite(original: sqlite3.Error, code: int, place: str) -> DatabaseError:
    if code in _SQLITE_CONTENDED:
        return _contended(place)
    if code == sqlite3.SQLITE_CANTOPEN:
        return _unreachable(place, "the file cannot be opened")
    if code in _SQLITE_FULL:
        return _full(place, f"SQLite error {code}")
    if code in _SQLITE_BROKEN:
        return DatabaseError(
            "CTX-5021", f"{place} is damaged or no SQLite file.", fix="Restore it from a backup, or onboard again."
        )
    if isinstance(original, sqlite3.OperationalError) and str(original).startswith("no such table"):
        return NoSuchSchema("CTX-5002", f"{place} lacks a table it should have.", fix="cortex onboard CLIENT")
    return _refused(place, f"SQLite error {code}")


def _from_mysql(code: int, place: str) -> DatabaseError:
    if code in CONTENDED:
        return _contended(place)
    if code in UNREACHABLE:
        return _unreachable(place, f"error {code}")
    if code in LOST:
        return ConnectionLost(
            "CTX-5009",
            f"The connection to {place} was lost (error {code}).",
            fix="Run the same command again: what was written is kept, what was not is written then.",
        )
    if code in DENIED:
        return Denied(
            "CTX-5012",
            f"{place} does not allow this database user to do that (error {code}).",
            fix="Check user, password and grants.",
        )
    if code in FULL:
        return _full(place, f"error {code}")
    if code in MISSING:
        return NoSuchSchema(
            "CTX-5002", f"{place} is not there or lacks a table (error {code}).", fix="cortex onboard CLIENT"
        )
    if code == REFUSED:
        return DatabaseError(
            "CTX-5023",
            f"{place} asked for a file of this machine, which no server of ours does. Nothing was sent.",
            fix="Check who answers at that address, and use TLS (?ssl_ca=…) beyond this machine.",
        )
    if code in TOO_LARGE:
        return DatabaseError("CTX-5013", f"{place}: a value does not fit its column (error {code}).")
    return _refused(place, f"error {code}")


def _contended(place: str) -> Contended:
    return Contended(
        "CTX-5008",
        f"Another process was writing to {place} at the same time.",
        fix="Run the command again when the other run has ended.",
    )


def _unreachable(place: str, why: str) -> DatabaseError:
    return DatabaseError(
        "CTX-5001",
        f"Cannot reach {place} ({why}). Nothing was changed.",
        fix="Check that the server runs and that the database URL names it.",
    )


def _full(place: str, why: str) -> DatabaseError:
    return DatabaseError(
        "CTX-5021",
        f"{place} cannot be written: the disk is full or it is read-only ({why}).",
        fix="Make room or make it writable, then run again: no batch was left half written.",
    )


def _refused(place: str, why: str) -> DatabaseError:
    return DatabaseError("CTX-5020", f"{place} refused a statement ({why}).", fix="cortex doctor CLIENT")


@contextmanager
def mapped(place: str) -> Iterator[None]:
    """Turn what the driver raises inside into DatabaseError; its own text, which may hold values, is dropped."""
    try:
        yield
    except SQLAlchemyError as error:
        if isinstance(error, StatementError) and isinstance(error.orig, ValueError | TypeError):
            raise error.orig from None  # a caller's mistake, told in our own words by the column types
        raise translate(error, place) from None
