"""Rows of a MySQL-family server taken apart in one loop: PyMySQL makes an object of every row and asks it for each value."""

from __future__ import annotations

import ssl
import string
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

from pymysql import converters
from pymysql.connections import Connection, MySQLResult
from pymysql.constants import CR
from pymysql.err import InternalError, OperationalError

Convert = Callable[[Sequence[bytes]], list[Any]]
"""Values of a column as they were sent, none of them NULL, as Python's."""

NULL = 0xFB
WIDTHS = {0xFC: 2, 0xFD: 3, 0xFE: 8}
"""Bytes a length takes, by the byte before them; below NULL that byte is the length."""
END, ERROR = 0xFE, 0xFF
"""First byte of what is no row. A row may begin with END too: its first value is then longer than any end of rows."""
SHORTER_THAN_A_ROW = 9
WHOLE = 0xFFFFFF
"""Bytes of a packet that goes on in the next one."""
AT_ONCE = 1000
"""Rows converted together."""
PLAIN = (string.ascii_letters + string.digits).encode()
"""What texts are made of that have nothing to escape."""
HEAD = 4
"""Bytes before a packet's content: its length in three, its number."""
PIECE = 1 << 16
"""Bytes taken at a time."""


class QuickConnection(Connection):  # type: ignore[misc]
    """A PyMySQL connection that gives the same results for less work."""

    _next_seq_id: int
    _rfile: Any
    _rest = b""
    """What has arrived and was not asked for yet."""
    _open = True
    """Whether anything was said to the server since the last transaction ended."""

    def _execute_command(self, command: int, sql: str | bytes) -> None:
        self._open = True
        super()._execute_command(command, sql)

    def commit(self) -> None:
        super().commit()
        self._open = False

    def rollback(self) -> None:
        """As PyMySQL's own. A pool rolls back what comes home, which after a commit would be one more way there for nothing."""
        if self._open:
            super().rollback()
            self._open = False

    def _create_ssl_ctx(self, sslp: Any) -> ssl.SSLContext:
        """As PyMySQL's own. Without a word on certificates none is looked at, and the authorities of this machine, which
        take longer to read than a connection to make, need not be known."""
        context: ssl.SSLContext = super()._create_ssl_ctx(sslp) if sslp else unverified()
        return context

    def _read_query_result(self, unbuffered: bool = False) -> int:
        """As PyMySQL's own, with a result of ours."""
        self._result = None
        result = self._new_result()
        if unbuffered:
            result.init_unbuffered_query()
        else:
            result.read()
        self._result = result
        if result.server_status is not None:
            self.server_status = result.server_status
        rows: int = result.affected_rows
        return rows

    def _new_result(self) -> MySQLResult:
        return QuickResult(self)

    def escape(self, obj: Any, mapping: Any = None) -> Any:
        """As PyMySQL's own; letters and digits, which digests are made of, have nothing to escape, many in a list neither."""
        if type(obj) is str and obj.isascii() and obj.isalnum():
            return f"'{obj}'"
        if type(obj) is tuple and all_plain(obj):
            return "('" + "','".join(obj) + "')"
        return super().escape(obj, mapping)

    def sent_rows(self, count: int) -> Iterator[list[list[bytes | None]]]:
        """What rows of so many columns hold, AT_ONCE rows at a time; then what ends them is the next packet to be read.

        Takes what has arrived, many rows in one piece. Raises as PyMySQL does when the connection ends, or is out of step.
        """
        rows: list[list[bytes | None]] = []
        held, at = self._rest, 0
        self._rest = b""
        while True:
            if len(held) < at + HEAD:
                held, at = self._arrived(held[at:], HEAD), 0
            start = at + HEAD
            end = start + int.from_bytes(held[at : at + 3], "little")
            if end - start == WHOLE:
                self._rest = held[at:]
                row = self._long_row()
                held, at, self._rest = self._rest, 0, b""
                rows.append(values(row, 0, count))
                continue
            if len(held) < end:
                held = self._arrived(held[at:], end - at)
                at, start, end = 0, HEAD, end - at
            if (first := held[start]) >= END and (first != END or end - start < SHORTER_THAN_A_ROW):
                self._rest = held[at:]
                yield rows
                return
            self._in_step(held[at + 3])
            rows.append(values(held, start, count))
            at = end
            if len(rows) == AT_ONCE:
                self._rest = held[at:]  # whoever wants no more rows leaves the rest to the next who reads
                yield rows
                rows, held, at, self._rest = [], self._rest, 0, b""

    def _in_step(self, number: int) -> None:
        if number != self._next_seq_id:
            self._force_close()
            if number == 0:  # a server that shuts down
                raise OperationalError(CR.CR_SERVER_LOST, "Lost connection to MySQL server during query")
            raise InternalError(f"Packet sequence number wrong - got {number} expected {self._next_seq_id}")
        self._next_seq_id = (number + 1) % 256

    def _long_row(self) -> bytes:
        """The content of a row in more than one packet."""
        parts = []
        size = WHOLE
        while size == WHOLE:
            head = self._read_bytes(HEAD)
            self._in_step(head[3])
            size = int.from_bytes(head[:3], "little")
            parts.append(self._read_bytes(size))
        return b"".join(parts)

    def _arrived(self, rest: bytes, least: int) -> bytes:
        """`rest` and what comes after it: as much as has arrived, and so many bytes altogether at the least."""
        try:
            held: bytes = rest + self._rfile.read1(PIECE)
        except OSError as failure:
            self._force_close()
            raise OperationalError(
                CR.CR_SERVER_LOST, f"Lost connection to MySQL server during query ({failure})"
            ) from failure
        if len(held) < least:
            held += self._read_bytes(least - len(held))
        return held

    def _read_bytes(self, num_bytes: int) -> bytes:
        """As PyMySQL's own, with what was taken too early first."""
        taken, self._rest = self._rest[:num_bytes], self._rest[num_bytes:]
        if len(taken) == num_bytes:
            return taken
        more: bytes = super()._read_bytes(num_bytes - len(taken))
        return taken + more


@cache
def unverified() -> ssl.SSLContext:
    """TLS with whoever answers: what PyMySQL speaks, where the server can, when the URL names no authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class QuickResult(MySQLResult):  # type: ignore[misc]
    """A result whose rows are taken apart quickly: all at once, or, unbuffered, AT_ONCE together."""

    connection: Any
    """None once everything is read, as in PyMySQL: the two refer to each other."""
    unbuffered_active: bool
    _sent: Iterator[list[list[bytes | None]]] | None = None
    """What is still to come of an unbuffered result."""
    _ahead: Iterator[tuple[Any, ...]] = iter(())
    """Rows that were read and not asked for yet."""

    def _read_rowdata_packet(self) -> None:
        converts = self._converts()
        rows: list[tuple[Any, ...]] = []
        for raw in self.connection.sent_rows(len(converts)):
            rows += _python(raw, converts)
        self._read_end()
        self.affected_rows = len(rows)
        self.rows = tuple(rows)

    def _read_rowdata_packet_unbuffered(self) -> tuple[Any, ...] | None:
        row = next(self._ahead, None)
        while row is None and self.unbuffered_active:
            if self._sent is None:
                self._sent = self.connection.sent_rows(len(self.converters))
            raw = next(self._sent, None)
            if raw is None:
                self._read_end()
                return None
            self._ahead = _python(raw, self._converts())
            row = next(self._ahead, None)
        if row is not None:
            self.affected_rows = 1
            self.rows = (row,)
        return row

    def _finish_unbuffered_query(self) -> None:
        self._ahead, self._sent = iter(()), None
        super()._finish_unbuffered_query()

    def _converts(self) -> list[Convert]:
        return [_convert(encoding, converter) for encoding, converter in self.converters]

    def _read_end(self) -> None:
        """What comes after the rows; the result lets go of its connection. Raises what the server says instead."""
        connection, self.connection, self.unbuffered_active = self.connection, None, False
        self._check_packet_is_eof(connection._read_packet())


def all_plain(found: Sequence[Any]) -> bool:
    """Whether the values are texts of letters and digits, each of at least one."""
    if set(map(type, found)) != {str} or "" in found:
        return False
    joined = "".join(found)
    return joined.isascii() and not joined.encode().translate(None, PLAIN)  # twenty times quicker than `isalnum`


def values(row: bytes, at: int, count: int) -> list[bytes | None]:
    """What a row of so many columns holds that begins there: each value stands behind its length."""
    found: list[bytes | None] = []
    add = found.append
    for _ in range(count):
        size = row[at]
        at += 1
        if size < NULL:
            end = at + size
        elif size == NULL:
            add(None)
            continue
        else:
            width = WIDTHS[size]
            end = at + width + int.from_bytes(row[at : at + width], "little")
            at += width
        add(row[at:end])
        at = end
    return found


def _python(raw: Sequence[Sequence[bytes | None]], converts: Sequence[Convert]) -> Iterator[tuple[Any, ...]]:
    """Rows of Python values, converted column by column."""
    columns = []
    for convert, sent in zip(converts, zip(*raw, strict=True), strict=False):
        if None in sent:
            known = iter(convert([value for value in sent if value is not None]))
            columns.append([None if value is None else next(known) for value in sent])
        else:
            columns.append(convert(sent))
    return zip(*columns, strict=True)


def _convert(encoding: str | None, converter: Callable[[Any], Any] | None) -> Convert:
    """The quick way to what PyMySQL's encoding and converter of a column make of its values."""
    if converter in _QUICK and encoding == "ascii":
        return _QUICK[converter]
    if converter is None and encoding in {"ascii", "utf8"}:
        return _texts
    if converter is None and encoding is None:
        return list
    return lambda sent: [(converter or str)(value if encoding is None else value.decode(encoding)) for value in sent]


def _texts(sent: Sequence[bytes]) -> list[Any]:
    return list(map(bytes.decode, sent))


def _decimals(sent: Sequence[bytes]) -> list[Any]:
    return list(map(Decimal, map(bytes.decode, sent)))


def _instants(sent: Sequence[bytes]) -> list[Any]:
    try:
        return list(map(datetime.fromisoformat, map(bytes.decode, sent)))
    except ValueError:  # 0000-00-00 is text to PyMySQL
        return list(map(converters.convert_datetime, sent))


def _days(sent: Sequence[bytes]) -> list[Any]:
    try:
        return list(map(date.fromisoformat, map(bytes.decode, sent)))
    except ValueError:
        return list(map(converters.convert_date, sent))


_QUICK: dict[Any, Convert] = {
    int: lambda sent: list(map(int, sent)),
    float: lambda sent: list(map(float, sent)),
    Decimal: _decimals,
    converters.convert_datetime: _instants,
    converters.convert_date: _days,
}
