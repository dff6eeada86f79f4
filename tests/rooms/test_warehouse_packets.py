"""Rows read quickly are the rows PyMySQL reads: every kind of value, length and end."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pymysql
import pytest
from pymysql.connections import Connection
from pymysql.constants import CLIENT
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
        "read_timeout": 20,  # who waits for what is lost fails, and does not hang
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


def test_results_of_one_call_are_not_mixed(mysql_server: str):
    """What of the next result arrived with the rows of this one is kept for it."""
    url = make_url(mysql_server)
    there = {"host": url.host, "port": url.port or 3306, "user": url.username, "password": url.password or ""}
    found = []
    for kind in (Connection, QuickConnection):
        with kind(**there, client_flag=CLIENT.MULTI_STATEMENTS) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1, 'a'; SELECT 2 FROM DUAL WHERE 1 = 0; SELECT 3; DO 1; SELECT 4")
            rows = [cursor.fetchall()]
            while cursor.nextset():
                rows.append(cursor.fetchall())
            found.append(rows)
    assert found[0] == found[1]
    assert found[1][2] == ((3,),)


def packet(number: int, content: bytes) -> bytes:
    return len(content).to_bytes(3, "little") + bytes([number]) + content


ROWS = packet(4, b"\x01a") + packet(5, b"\xfb") + packet(6, b"\x03abc")


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (ROWS[:-1], 2013),
        (ROWS[:-6], 2013),
        (ROWS, 2013),
        (ROWS + packet(9, b"\x01a"), "Packet sequence number wrong - got 9 expected 7"),
        (ROWS + packet(0, b"\x01a"), 2013),
    ],
)
def test_rows_that_end_early_or_out_of_step_are_an_error(sent: bytes, code: object):
    ours = QuickConnection(defer_connect=True)
    ours._rfile, ours._next_seq_id = io.BufferedReader(io.BytesIO(sent)), 4  # type: ignore[arg-type]
    with pytest.raises((pymysql.err.OperationalError, pymysql.err.InternalError)) as failure:
        list(ours.sent_rows(1))
    assert failure.value.args[0] == code


def test_rows_are_read_up_to_what_ends_them():
    ours = QuickConnection(defer_connect=True)
    end, after = packet(7, b"\xfe\x00\x00\x02\x00"), b"more"
    ours._rfile, ours._next_seq_id = io.BufferedReader(io.BytesIO(ROWS + end + after)), 4  # type: ignore[arg-type]
    assert list(ours.sent_rows(1)) == [[[b"a"], [None], [b"abc"]]]
    assert ours._read_bytes(len(end) + 2) == end + b"mo"
    assert ours._read_bytes(2) == b"re"


@pytest.mark.parametrize("words", [("ab", "C9"), ("it's", "x"), ("", "x"), ("ç", "x"), ("x", 1), ("a b",), (1.5, None)])
def test_lists_are_quoted_as_pymysql_quotes_them(words: tuple[object, ...]):
    ours, theirs = QuickConnection(defer_connect=True), Connection(defer_connect=True)
    ours.server_status = theirs.server_status = 0
    assert ours.escape(words) == theirs.escape(words)


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


def test_what_is_committed_is_not_rolled_back_once_more_and_all_else_is(
    connections: tuple[Connection, QuickConnection],
) -> None:
    _, ours = connections

    def rolled_back() -> int:
        with ours.cursor() as cursor:
            cursor.execute("SHOW SESSION STATUS LIKE 'Com_rollback'")
            return int(cursor.fetchone()[1])

    before = rolled_back()
    ours.commit()
    ours.rollback()  # nothing was said since
    assert rolled_back() == before
    ours.rollback()  # the question was said
    assert rolled_back() == before + 1
