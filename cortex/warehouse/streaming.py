"""The fast road into MySQL: rows as text, streamed from memory with LOAD DATA LOCAL INFILE. Nothing touches a disk.

In this protocol the *server* names the file and the client sends it, so a hostile server may ask for any file of this
machine in answer to any statement (MySQL manual, "Security Considerations for LOAD DATA LOCAL"). The connection here
cannot open files at all: it sends the bytes it was handed for the statement it is executing, or nothing and hangs up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pymysql.connections import LoadLocalPacketWrapper
from pymysql.err import OperationalError

from cortex.warehouse.packets import QuickConnection, QuickResult

OFFER = "cortex-rows"
"""The file name in our statements: there is no such file."""
REFUSED = 2068
"""CR_LOAD_DATA_LOCAL_INFILE_REJECTED, the client library's own number for it."""
PIECE = 1 << 18
"""Bytes in one packet: below every server's max_allowed_packet."""

AT_ONCE = 100
"""Rows joined into one text."""
NULL = "\\N"
"""An absent value in a stream."""


class StreamingConnection(QuickConnection):
    """A connection that may answer a LOAD DATA LOCAL of ours, and cannot read a file."""

    streams = False
    """Whether the server takes LOAD DATA LOCAL. Asked when the connection is made."""
    warned = 0
    """Warnings of the last load: what a load cannot store truly it bends, and says so here only."""
    _offered: bytes | None = None

    @contextmanager
    def offering(self, content: bytes) -> Iterator[None]:
        """The next LOAD DATA LOCAL INFILE 'cortex-rows' inside the block reads `content`."""
        self._offered = content
        try:
            yield
        finally:
            self._offered = None

    def _new_result(self) -> _Result:
        """A result that serves memory in the place of one that opens files."""
        return _Result(self)


class _Result(QuickResult):
    def _read_load_local_packet(self, first_packet: Any) -> None:
        connection: StreamingConnection = self.connection
        content, connection._offered = connection._offered, None
        asked = LoadLocalPacketWrapper(first_packet).filename
        if content is None or asked != OFFER.encode():
            connection._force_close()
            raise OperationalError(REFUSED, "the server asked for a file that was not offered")
        view = memoryview(content)
        for start in range(0, len(view), PIECE):
            connection.write_packet(bytes(view[start : start + PIECE]))
        connection.write_packet(b"")
        self._read_ok_packet(connection._read_packet())
        connection.warned = self.warning_count or 0


def needs_escape(words: str) -> bool:
    """Whether a text holds anything that means something else in a stream."""
    return "\\" in words or "\t" in words or "\n" in words


def escape(words: str) -> str:
    """A text as a value in a stream: what ends values and rows is written with a backslash."""
    return words.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")


def encode(rows: Sequence[Sequence[str]]) -> bytes:
    """Rows of values, each as it stands in a stream, as LOAD DATA reads them: tabs between, a newline after.

    Some rows at a time: one character beyond the Basic Multilingual Plane makes a text four bytes wide to its end.
    """
    parts = (rows[start : start + AT_ONCE] for start in range(0, len(rows), AT_ONCE))
    return b"".join([("\n".join(["\t".join(row) for row in part]) + "\n").encode() for part in parts])


def statement(table: str, columns: Sequence[str]) -> str:
    """The load into `table`; both already quoted."""
    names = ", ".join(columns)
    return (
        f"LOAD DATA LOCAL INFILE '{OFFER}' INTO TABLE {table} CHARACTER SET utf8mb4"
        rf" FIELDS TERMINATED BY '\t' ENCLOSED BY '' ESCAPED BY '\\' LINES TERMINATED BY '\n' ({names})"
    )
