"""What a value becomes on its way into a column, the same on every engine.

Text loses NULs, lone surrogates and trailing spaces (MySQL compares without them) and is clipped to its column, which
is counted; money is rounded half to even; instants become UTC. What cannot be stored truly is refused, not bent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from sqlalchemy import BigInteger, Column, Date, Integer, SmallInteger, String, Text

from cortex.errors import DatabaseError
from cortex.money import LARGEST
from cortex.warehouse.tables import Exact, Instant

Converter = Callable[[Any], Any]


@dataclass
class Clipped:
    """How many values were too long for their column and were cut."""

    count: int = 0


def unfit(column: Column[Any], why: str) -> DatabaseError:
    return DatabaseError(
        "CTX-5013",
        f"A value for {column.table.name}.{column.name} {why}.",
        fix="The record it came from should have been quarantined: please report this.",
    )


def converter(column: Column[Any], dialect: str, clipped: Clipped) -> Converter:
    """The function that makes a Python value bindable for a column, None included.

    Raises DatabaseError CTX-5013, naming the column and never the value, for what the column cannot hold.
    """
    convert = _by_type(column, dialect, clipped)
    if column.nullable:
        return lambda value: None if value is None else convert(value)

    def required(value: Any) -> Any:
        if value is None:
            raise unfit(column, "is missing")
        return convert(value)

    return required


def _by_type(column: Column[Any], dialect: str, clipped: Clipped) -> Converter:
    kind = column.type
    if isinstance(kind, Exact):
        return _exact(column, kind.scale, dialect)
    if isinstance(kind, Instant):
        return _instant(column, dialect)
    if isinstance(kind, Date):
        return _date(column, dialect)
    if isinstance(kind, Integer):
        return _integer(column)
    if isinstance(kind, Text):
        return _document
    if isinstance(kind, String):
        return _text(column, kind.length or 0, clipped)
    raise TypeError(f"{column.table.name}.{column.name} has a type the loader does not know")


def clean(value: Any) -> str:
    """Text as every engine keeps it."""
    words = value if type(value) is str else str(value)
    if not words.isascii():
        # A lone surrogate is no character: UTF-8 cannot carry it.
        words = words.encode("utf-8", "replace").decode("utf-8") if not _encodable(words) else words
    return words.replace("\x00", "") if "\x00" in words else words


def _encodable(words: str) -> bool:
    try:
        words.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _document(value: Any) -> str:
    return clean(value)


def _text(column: Column[Any], length: int, clipped: Clipped) -> Converter:
    key = column.primary_key

    def convert(value: Any) -> str:
        words = clean(value).rstrip(" ")
        if len(words) <= length:
            return words
        if key:
            raise unfit(column, f"is longer than {length} characters, and keys are never cut")
        clipped.count += 1
        return words[:length].rstrip(" ")

    return convert


def _exact(column: Column[Any], scale: int, dialect: str) -> Converter:
    unit = Decimal(1).scaleb(-scale)
    largest = min(LARGEST, Decimal(10) ** (18 - scale) - 1)
    lossy = dialect == "sqlite"

    def convert(value: Any) -> Any:
        try:
            number = value if isinstance(value, Decimal) else Decimal(str(value))
            if not -largest <= number <= largest:
                raise unfit(column, "is too large to be true")
            rounded = number.quantize(unit, ROUND_HALF_EVEN)
        except InvalidOperation:
            raise unfit(column, "is no finite number") from None
        return float(rounded) if lossy else rounded

    return convert


_BITS = {SmallInteger: 15, BigInteger: 63}


def _integer(column: Column[Any]) -> Converter:
    limit = 1 << next((bits for kind, bits in _BITS.items() if isinstance(column.type, kind)), 31)

    def convert(value: Any) -> int:
        number = int(value)
        if number != value or not -limit <= number < limit:
            raise unfit(column, "is no whole number of its column's size")
        return number

    return convert


def _date(column: Column[Any], dialect: str) -> Converter:
    def convert(value: Any) -> Any:
        if not isinstance(value, date) or isinstance(value, datetime):
            raise unfit(column, "is no date")
        return value.isoformat() if dialect == "sqlite" else value

    return convert


def _instant(column: Column[Any], dialect: str) -> Converter:
    def convert(value: Any) -> Any:
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise unfit(column, "is no instant with a zone")
        naive = value.astimezone(UTC).replace(tzinfo=None)
        return naive.isoformat(sep=" ", timespec="microseconds") if dialect == "sqlite" else naive

    return convert
