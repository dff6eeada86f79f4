"""Rows of a MySQL-family server taken apart in one loop: PyMySQL makes an object of every row and asks it for each value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pymysql import converters
from pymysql.connections import Connection, MySQLResult
from pymysql.constants import CR
from pymysql.err import InternalError, OperationalError
from pymysql.protocol import MysqlPacket

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


class QuickConnection(Connection):  # type: ignore[misc]
    """A PyMySQL connection that gives the same results for less work."""

    _next_seq_id: int

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
        """As PyMySQL's own; letters and digits, which digests are made of, have nothing to escape."""
        if type(obj) is str and obj.isascii() and obj.isalnum():
            return f"'{obj}'"
        return super().escape(obj, mapping)

    def payload(self) -> bytes:
        """The next packet's content. Raises as PyMySQL does when the connection ends, or is out of step."""
        head = self._read_bytes(4)
        size = int.from_bytes(head[:3], "little")
        if head[3] != self._next_seq_id:
            self._force_close()
            if head[3] == 0:  # a server that shuts down
                raise OperationalError(CR.CR_SERVER_LOST, "Lost connection to MySQL server during query")
            raise InternalError(f"Packet sequence number wrong - got {head[3]} expected {self._next_seq_id}")
        self._next_seq_id = (self._next_seq_id + 1) % 256
        content: bytes = self._read_bytes(size)
        return content if size < WHOLE else content + self.payload()


class QuickResult(MySQLResult):  # type: ignore[misc]
    """A result whose rows are taken apart quickly: all at once, or, unbuffered, as many together as AT_ONCE says."""

    connection: Any
    """None once everything is read, as in PyMySQL: the two refer to each other."""
    unbuffered_active: bool
    _ahead: Iterator[tuple[Any, ...]] = iter(())
    """Rows that were read and not asked for yet."""

    def _read_rowdata_packet(self) -> None:
        converts = self._converts()
        rows: list[tuple[Any, ...]] = []
        while self.connection is not None:
            rows += self._some(converts)
        self.affected_rows = len(rows)
        self.rows = tuple(rows)

    def _read_rowdata_packet_unbuffered(self) -> tuple[Any, ...] | None:
        row = next(self._ahead, None)
        if row is None and self.unbuffered_active:
            self._ahead = self._some(self._converts())
            row = next(self._ahead, None)
        if row is not None:
            self.affected_rows = 1
            self.rows = (row,)
        return row

    def _finish_unbuffered_query(self) -> None:
        self._ahead = iter(())
        super()._finish_unbuffered_query()

    def _converts(self) -> list[Convert]:
        return [_convert(encoding, converter) for encoding, converter in self.converters]

    def _some(self, converts: Sequence[Convert]) -> Iterator[tuple[Any, ...]]:
        """The next rows; after the last one the result lets go of its connection. Raises what the server says instead."""
        connection = self.connection
        raw: list[list[bytes | None]] = []
        while len(raw) < AT_ONCE:
            row = connection.payload()
            if row[0] >= END and (row[0] == ERROR or len(row) < SHORTER_THAN_A_ROW):
                self.connection, self.unbuffered_active = None, False
                last = MysqlPacket(row, connection.encoding)
                if last.is_error_packet():
                    last.raise_for_error()
                self._check_packet_is_eof(last)
                break
            raw.append(values(row, len(converts)))
        return _python(raw, converts)


def values(row: bytes, count: int) -> list[bytes | None]:
    """What a row of so many columns holds: each value stands behind its length."""
    found: list[bytes | None] = []
    at = 0
    for _ in range(count):
        size = row[at]
        at += 1
        if size >= NULL:
            if size == NULL:
                found.append(None)
                continue
            width = WIDTHS[size]
            size = int.from_bytes(row[at : at + width], "little")
            at += width
        end = at + size
        found.append(row[at:end])
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
