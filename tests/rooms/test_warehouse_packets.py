"""Rows read quickly are the rows PyMySQL reads: every kind of value, length and end."""

from __future__ import annotations

from collections.abc import Iterator

import pymysql
import pytest
from pymysql.connections import Connection
from sqlalchemy import make_url

from cortex.warehouse import packets
from cortex.warehouse.packets import QuickConnection

DIGITS = "(" + " UNION ALL ".join(f"SELECT {n} AS n" for n in range(10)) + ")"
THOUSANDS = (
    f"(SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n AS seq FROM {DIGITS} a, {DIGITS} b, {DIGITS} c, {DIGITS} d)"
)


@pytest.fixture
def connections(mysql_server: str) -> Iterator[tuple[Connection, QuickConnection]]:
    """Theirs and ours, on the scratch server: without one the test fails, as the rest of the matrix does."""
    url = make_url(mysql_server)
    there = {
        "host": url.host, "port": url.port or 3306, "user": url.username, "password": url.password or "",
        "charset": "utf8mb4",
    }  # fmt: skip
    theirs, ours = Connection(**there), QuickConnection(**there)
    with theirs, ours:
        yield theirs, ours


def told(connection: Connection, sql: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall(), cursor.rowcount, cursor.description


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1, -5, 18446744073709551615, 1.50, CAST('0.10' AS DECIMAL(18,8)), 2.5e0, NULL, ''",
        "SELECT DATE '2026-02-28', TIMESTAMP '2026-02-28 23:59:59.000001', TIMESTAMP '2026-02-28 23:59:59', TIME '-12:30:01.5'",
        "SELECT CAST('0000-00-00' AS DATE), CAST('0000-00-00 00:00:00' AS DATETIME), CAST('2026-01-01' AS DATE)",
        "SELECT 'ação 🎈', CAST('ação' AS BINARY), X'00FF', BINARY 'x'",
        "SELECT REPEAT('x', 249), REPEAT('x', 250), REPEAT('x', 251), REPEAT('x', 252), REPEAT('ç', 40000), 7",
        "SELECT REPEAT('x', 70000), NULL, REPEAT('y', 300), REPEAT('z', 255)",
        f"SELECT seq, IF(seq % 3 = 0, NULL, seq), IF(seq % 2 = 0, NULL, CAST(seq AS CHAR)) FROM {THOUSANDS} s WHERE seq < 2500",
        f"SELECT seq, IF(seq = 999, NULL, DATE '2026-01-01') FROM {THOUSANDS} s WHERE seq < 1000 ORDER BY seq",
        "SELECT 1 FROM DUAL WHERE 1 = 0",
        "SELECT TRUE, BIT_COUNT(5), b'101', YEAR(NOW()) > 2000, JSON_OBJECT('a', 1)",
        "SHOW VARIABLES LIKE 'version%'",
    ],
)
def test_every_kind_of_value_is_as_pymysql_reads_it(connections: tuple[Connection, QuickConnection], sql: str):
    theirs, ours = connections
    for connection in connections:
        told(connection, "SET SESSION sql_mode = ''")
    assert told(ours, sql) == told(theirs, sql)


def test_a_value_of_more_than_one_packet(
    connections: tuple[Connection, QuickConnection], monkeypatch: pytest.MonkeyPatch
):
    _, ours = connections
    size = packets.WHOLE + 5
    (row,), count, _ = told(ours, f"SELECT REPEAT('x', {size}), 'end'")  # type: ignore[misc]
    if row[0] is None:
        (row,), count, _ = told(ours, "SELECT REPEAT('x', 1000000), 'end'")  # type: ignore[misc]  # a server that allows less
    assert (set(row[0]), row[1], count) == ({"x"}, "end", 1)


def test_an_error_among_the_rows_is_raised_and_the_connection_goes_on(connections: tuple[Connection, QuickConnection]):
    sql = f"SELECT seq, (SELECT n FROM {DIGITS} d WHERE n < IF(s.seq = 5000, 2, 1)) FROM {THOUSANDS} s"
    for connection in connections:
        with pytest.raises(pymysql.err.OperationalError) as failure:
            told(connection, sql)
        assert failure.value.args[0] == 1242
        assert told(connection, "SELECT 5")[0] == ((5,),)  # type: ignore[index]


def test_rows_one_by_one(connections: tuple[Connection, QuickConnection]):
    theirs, ours = connections
    found = []
    for connection in (theirs, ours):
        with pymysql.cursors.SSCursor(connection) as cursor:
            cursor.execute(f"SELECT n, 'x' FROM {DIGITS} d")
            found.append(list(cursor.fetchall_unbuffered()))
    assert found[0] == found[1] != []


def test_rows_asked_for_by_the_piece_and_left_half_read(connections: tuple[Connection, QuickConnection]):
    sql = f"SELECT seq, IF(seq % 7 = 0, NULL, CAST(seq AS CHAR)) FROM {THOUSANDS} s WHERE seq < 2500 ORDER BY seq"
    pieces = []
    for connection in connections:
        with pymysql.cursors.SSCursor(connection) as cursor:
            cursor.execute(sql)
            pieces.append([list(cursor.fetchmany(size)) for size in (1, 999, 1001, 700, 5)])
        with pymysql.cursors.SSCursor(connection) as cursor:
            cursor.execute(sql)
            assert cursor.fetchone() == (0, None)
        assert told(connection, "SELECT 5")[0] == ((5,),)  # type: ignore[index]
    assert pieces[0] == pieces[1]
    assert [len(piece) for piece in pieces[1]] == [1, 999, 1001, 499, 0]


def test_an_error_among_rows_asked_for_one_by_one(connections: tuple[Connection, QuickConnection]):
    _, ours = connections
    with pymysql.cursors.SSCursor(ours) as cursor:
        cursor.execute(f"SELECT seq, (SELECT n FROM {DIGITS} d WHERE n < IF(s.seq = 5000, 2, 1)) FROM {THOUSANDS} s")
        with pytest.raises(pymysql.err.OperationalError) as failure:
            cursor.fetchall()
    assert failure.value.args[0] == 1242
    assert told(ours, "SELECT 5")[0] == ((5,),)  # type: ignore[index]


@pytest.mark.parametrize("words", ["0a9F", "", "it's", "a\\b", "ç", "²", "1 2", "%s", "a\n"])
def test_texts_are_quoted_as_pymysql_quotes_them(words: str):
    ours, theirs = QuickConnection(defer_connect=True), Connection(defer_connect=True)
    ours.server_status = theirs.server_status = 0
    assert ours.escape(words) == theirs.escape(words)
