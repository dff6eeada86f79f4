"""Rows of a MySQL-family server taken apart in one loop: PyMySQL makes an object of every row and asks it for each value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from pymysql import converters
from pymysql.connections import Connection, MySQLResult
from pymysql.constants import CR
from pymysql.err import InternalError, OperationalError
from pymysql.protocol import MysqlPacket

Convert = Callable[[bytes], Any]
"""A value as it was sent, which is not NULL, as Python's."""

NULL = 0xFB
WIDTHS = {0xFC: 2, 0xFD: 3, 0xFE: 8}
"""Bytes a length takes, by the byte before them; below NULL that byte is the length."""
END, ERROR = 0xFE, 0xFF
"""First byte of what is no row. A row may begin with END too: its first value is then longer than any end of rows."""
SHORTER_THAN_A_ROW = 9
WHOLE = 0xFFFFFF
"""Bytes of a packet that goes on in the next one."""


class QuickConnection(Connection):  # type: ignore[misc]
    """A PyMySQL connection that gives the same results for less work."""

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

    def literal(self, obj: Any) -> Any:
        """As PyMySQL's own; letters and digits, which digests are made of, have nothing to escape."""
        if type(obj) is str and obj.isascii() and obj.isalnum():
            return f"'{obj}'"
        return super().literal(obj)

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
    """A result whose rows are read at once and quickly; rows asked for one by one are PyMySQL's business."""

    def _read_rowdata_packet(self) -> None:
        connection = self.connection
        converts = [_convert(encoding, converter) for encoding, converter in self.converters]
        rows = []
        while (row := connection.payload())[0] < END or (row[0] == END and len(row) >= SHORTER_THAN_A_ROW):
            rows.append(values(row, converts))
        last = MysqlPacket(row, connection.encoding)
        self.connection = None  # as in PyMySQL: the two refer to each other
        if last.is_error_packet():
            last.raise_for_error()
        self._check_packet_is_eof(last)
        self.affected_rows = len(rows)
        self.rows = tuple(rows)


def values(row: bytes, converts: Sequence[Convert]) -> tuple[Any, ...]:
    """What a row holds: each value stands behind its length."""
    found = []
    at = 0
    for convert in converts:
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
        found.append(convert(row[at:end]))
        at = end
    return tuple(found)


def _convert(encoding: str | None, converter: Callable[[Any], Any] | None) -> Convert:
    """The quick way to what PyMySQL's encoding and converter of a column make of a value."""
    if converter in _QUICK and encoding == "ascii":
        return _QUICK[converter]
    if converter is None and encoding in {"ascii", "utf8"}:
        return bytes.decode
    if converter is None and encoding is None:
        return bytes
    return lambda value: (converter or str)(value if encoding is None else value.decode(encoding))


def _decimal(value: bytes) -> Decimal:
    return Decimal(value.decode())


def _instant(value: bytes) -> Any:
    words = value.decode()
    try:
        return datetime.fromisoformat(words)
    except ValueError:  # 0000-00-00 is text to PyMySQL
        return converters.convert_datetime(words)


def _day(value: bytes) -> Any:
    words = value.decode()
    try:
        return date.fromisoformat(words)
    except ValueError:
        return converters.convert_date(words)


_QUICK: dict[Any, Convert] = {
    int: int,
    float: float,
    Decimal: _decimal,
    converters.convert_datetime: _instant,
    converters.convert_date: _day,
}
