"""The fast road into MySQL: rows as text, streamed from memory with LOAD DATA LOCAL INFILE. Nothing touches a disk.

In this protocol the *server* names the file and the client sends it, so a hostile server may ask for any file of this
machine in answer to any statement (MySQL manual, "Security Considerations for LOAD DATA LOCAL"). The connection here
cannot open files at all: it sends the bytes it was handed for the statement it is executing, or nothing and hangs up.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pymysql.connections import LoadLocalPacketWrapper
from pymysql.err import OperationalError
from sqlalchemy import Date, Integer, String, Table, Text

from cortex.warehouse.packets import QuickConnection, QuickResult
from cortex.warehouse.tables import Exact, Instant

if TYPE_CHECKING:
    import polars as pl

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


def written(frame: pl.DataFrame, table: Table) -> bytes | None:
    """The same of a frame with columns of `table`, without a Python object for each value.

    None where a value needs a second look, which `staging.bind` gives it: a text that is too long, ends in a space or
    holds what means something in a stream, or a column of a type that is not the table's.
    """
    import polars as pl

    columns, looks = [], []
    for name in frame.columns:
        kind, held = table.c[name].type, frame.schema[name]
        if not _FITS[_family(kind)](held):
            return None
        if held == pl.String:
            length = getattr(kind, "length", None) or 0
            word = pl.col(name)
            looks.append(
                (word.str.contains(r"[\\\t\n\x00]") | word.str.ends_with(" ") | (word.str.len_chars() > length)).any()
            )
        if not table.c[name].nullable:
            looks.append(pl.col(name).is_null().any())
        columns.append(_as_text(name, kind))
    if frame.select(odd=pl.any_horizontal(looks))["odd"].item():
        return None
    text = io.BytesIO()
    frame.select(columns).write_csv(
        text, include_header=False, separator="\t", quote_style="never", null_value=NULL, line_terminator="\n"
    )
    return text.getvalue()


def _family(kind: Any) -> str:
    return next((name for name, sort in _SORTS if isinstance(kind, sort)), "")


def _as_text(name: str, kind: Any) -> pl.Expr:
    import polars as pl

    if isinstance(kind, Instant):
        return pl.col(name).dt.strftime("%Y-%m-%d %H:%M:%S%.6f")
    if isinstance(kind, Exact):
        return pl.col(name).cast(pl.String)
    return pl.col(name)


_SORTS: tuple[tuple[str, type], ...] = (
    ("exact", Exact),
    ("instant", Instant),
    ("day", Date),
    ("number", Integer),
    ("document", Text),
    ("text", String),
)
_FITS: dict[str, Callable[[Any], bool]] = {
    "exact": lambda held: str(held).startswith("Decimal"),
    "instant": lambda held: str(held) == "Datetime(time_unit='us', time_zone='UTC')",
    "day": lambda held: str(held) == "Date",
    "number": lambda held: str(held) in {"Int64", "Int32", "Int16"},
    "text": lambda held: str(held) == "String",
    "document": lambda _: False,
    "": lambda _: False,
}


def statement(table: str, columns: Sequence[str]) -> str:
    """The load into `table`; both already quoted."""
    names = ", ".join(columns)
    return (
        f"LOAD DATA LOCAL INFILE '{OFFER}' INTO TABLE {table} CHARACTER SET utf8mb4"
        rf" FIELDS TERMINATED BY '\t' ENCLOSED BY '' ESCAPED BY '\\' LINES TERMINATED BY '\n' ({names})"
    )
