"""What `cortex doctor` finds on a database server: what is too old, open, missing or set otherwise than Cortex needs."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from cortex.settings import LOOPBACK
from cortex.warehouse import engine as engines

Finding = tuple[str, str, str, str]
"""(ok or warning, what, finding, fix)"""

OLDEST = {"MariaDB": (10, 11), "MySQL": (8, 0)}
LEAST_PACKET = 16 << 20


def describe_server(base_url: str, state: Path) -> Iterator[Finding]:
    """What `cortex doctor` says of the database. Changes nothing.

    Raises DatabaseError CTX-5001 when the server cannot be reached.
    """
    place = engines.control_place(base_url, state)
    if place.server is None:
        yield "ok", "database", f"SQLite {sqlite3.sqlite_version}, files in {place.file.parent}", ""
        return
    with engines.server(place) as connection:
        yield from _version(connection, f"{place.server.host}:{place.server.port or 3306}")
        verified = not {"ssl_ca", "ssl_capath"}.isdisjoint(place.server.query)
        yield from _encryption(connection, place.server.host or "localhost", verified=verified)
        yield from _settings(connection)
        yield from _session(connection)
        yield from _strangers(connection)
        yield from _test_schema(connection)


def _version(connection: Connection, where: str) -> Iterator[Finding]:
    said = _one(connection, "VERSION()")
    family = "MariaDB" if "mariadb" in said.lower() else "MySQL"
    if supported(said):
        yield "ok", "database", f"{said} on {where}", ""
        return
    least = ".".join(map(str, OLDEST[family]))
    yield (
        "warning",
        "database",
        f"{said} on {where}",
        f"Cortex needs MySQL 8.0 or MariaDB 10.11: use {family} {least}+.",
    )


def supported(version: str) -> bool:
    """Whether a server is new enough.

    >>> [
    ...     supported(said)
    ...     for said in ("10.11.19-MariaDB-log", "10.6.4-MariaDB", "8.0.36", "5.7.44", "9.1.0", "12.0.2-MariaDB")
    ... ]
    [True, False, True, False, True, True]
    """
    family = "MariaDB" if "mariadb" in version.lower() else "MySQL"
    # Some proxies put an invented 5.5.5- before MariaDB's own version.
    bare = version.removeprefix("5.5.5-") if family == "MariaDB" else version
    return tuple(int(part) for part in re.findall(r"\d+", bare)[:2]) >= OLDEST[family]


def _encryption(connection: Connection, host: str, *, verified: bool) -> Iterator[Finding]:
    """Drivers encrypt when the server offers it, but only a named certificate tells that it is our server."""
    if host in LOOPBACK:
        return
    fix = "Add ?ssl_ca=/path/ca.pem to the database URL; then `cortex onboard CLIENT` once more."
    if not connection.execute(text("SHOW SESSION STATUS LIKE 'Ssl_cipher'")).one()[1]:
        yield (
            "warning",
            "database TLS",
            f"the connection to {host} is not encrypted: passwords and orders can be read",
            fix,
        )
    elif not verified:
        yield "warning", "database TLS", f"nothing proves that who answers at {host} is your server", fix


def _settings(connection: Connection) -> Iterator[Finding]:
    packet = int(_one(connection, "@@max_allowed_packet"))
    if packet < LEAST_PACKET:
        fix = "Set max_allowed_packet = 16M or more on the server."
        yield "warning", "database packets", f"at most {packet >> 20} MB in one statement", fix
    if not int(_one(connection, "@@GLOBAL.local_infile")):
        found = "local_infile is off: orders go in by INSERT, the same rows at several times the effort"
        yield (
            "warning",
            "database loading",
            found,
            "SET GLOBAL local_infile = ON, and local_infile = 1 in its settings.",
        )
    charset = _one(connection, "@@character_set_server")
    if charset != "utf8mb4":
        found = f"new databases are {charset} by default ({_one(connection, '@@collation_server')}); Cortex makes its own utf8mb4"
        fix = "Set character_set_server = utf8mb4 before anybody makes a cortex_ database by hand."
        yield "warning", "database text", found, fix
    if "STRICT_TRANS_TABLES" not in _one(connection, "@@GLOBAL.sql_mode"):
        found = (
            "sql_mode is not strict: other programs' too long values are cut without a word (Cortex's own are refused)"
        )
        yield "warning", "database strictness", found, "Add STRICT_TRANS_TABLES to sql_mode on the server."


def _session(connection: Connection) -> Iterator[Finding]:
    """What Cortex sets on every connection must still be so: some proxies reset it."""
    mode = set(_one(connection, "@@SESSION.sql_mode").split(","))
    wanted = set(engines.SQL_MODE.split(","))
    zone, charset = _one(connection, "@@SESSION.time_zone"), _one(connection, "@@character_set_connection")
    if not wanted <= mode or zone != "+00:00" or charset != "utf8mb4":
        found = "sql_mode, time_zone or character set are not what this connection asked for"
        yield "warning", "database session", found, "Let the proxy in between pass SET statements through."


def _strangers(connection: Connection) -> Iterator[Finding]:
    hosts = _hidden(connection, "SELECT host FROM mysql.user WHERE user = '' ORDER BY host")
    if hosts:
        shown = ", ".join(f"''@'{host}'" for host in hosts)
        found = f"anonymous users ({shown}): anybody gets in, and they stand before a client's own user from that host"
        yield "warning", "database users", found, " ".join(f"DROP USER ''@'{host}';" for host in hosts)


def _test_schema(connection: Connection) -> Iterator[Finding]:
    granted = _hidden(
        connection, r"SELECT DISTINCT db FROM mysql.db WHERE user IN ('', 'PUBLIC') AND db IN ('test', 'test\\_%')"
    )
    if granted:
        fix = "DELETE FROM mysql.db WHERE user IN ('', 'PUBLIC') AND db LIKE 'test%'; FLUSH PRIVILEGES;"
        if "PUBLIC" in _hidden(connection, "SELECT DISTINCT user FROM mysql.db WHERE user = 'PUBLIC'"):
            fix = " ".join(f"REVOKE ALL PRIVILEGES ON `{db}`.* FROM PUBLIC;" for db in granted)
        found = f"every user, each client's too, may do anything in {' and '.join(granted)}: data can be carried there"
        yield "warning", "database test", found, fix
    if connection.execute(text("SELECT 1 FROM information_schema.schemata WHERE schema_name = 'test'")).first():
        yield (
            "warning",
            "database test",
            "there is a schema test, which installations leave open",
            "DROP DATABASE test;",
        )


def _one(connection: Connection, expression: str) -> str:
    return str(connection.execute(text(f"SELECT {expression}")).scalar_one())


def _hidden(connection: Connection, query: str) -> list[str]:
    """A column of the server's own tables; nothing where this user may not look."""
    try:
        return [str(value) for value in connection.execute(text(query)).scalars()]
    except DBAPIError:
        return []
