"""What a value becomes on its way into a column, the same on every engine.

Text loses NULs, lone surrogates and trailing spaces (MySQL compares without them) and is clipped to its column, which
is counted; money is rounded half to even; instants become UTC. What cannot be stored truly is refused, not bent.

Values are converted column by column: one look at a whole column tells that nothing in it needs a second one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import lru_cache
from operator import attrgetter
from types import NoneType
from typing import Any, Literal

from sqlalchemy import BigInteger, Column, Date, Integer, SmallInteger, String, Text

from cortex.errors import DatabaseError
from cortex.money import LARGEST
from cortex.warehouse.streaming import NULL, escape, needs_escape
from cortex.warehouse.tables import Exact, Instant

Form = Literal["sqlite", "mysql", "stream"]
"""For whom values are meant: a driver, or a stream of text."""
Convert = Callable[[Any], Any]
"""One value that is not None."""
ConvertAll = Callable[[list[Any]], list[Any]]
"""A column, None and all."""


@dataclass
class Clipped:
    """How many values were too long for their column and were cut, and how many held what no text holds."""

    count: int = 0
    mended: int = 0


def unfit(column: Column[Any], why: str) -> DatabaseError:
    return DatabaseError(
        "CTX-5013",
        f"A value for {column.table.name}.{column.name} {why}.",
        fix="The record it came from should have been quarantined: please report this.",
    )


def converter(column: Column[Any], form: Form, clipped: Clipped) -> ConvertAll:
    """The function that makes a column of Python values bindable, None included.

    Raises DatabaseError CTX-5013, naming the column and never the value, for what the column cannot hold.
    """
    one, many = _by_type(column, form, clipped)
    absent = NULL if form == "stream" else None

    def present(values: list[Any], kinds: set[type]) -> list[Any]:
        if len(kinds) == 1 and len(values) > 1 and values.count(values[0]) == len(values):
            # As so many columns are: empty, zero, one currency, one run.
            cut, mended = clipped.count, clipped.mended
            only = one(values[0])
            clipped.count += (clipped.count - cut) * (len(values) - 1)
            clipped.mended += (clipped.mended - mended) * (len(values) - 1)
            return [only] * len(values)
        swift = many(values, kinds)
        return [one(value) for value in values] if swift is None else swift

    def convert(values: list[Any]) -> list[Any]:
        kinds = set(map(type, values))
        if NoneType not in kinds:
            return present(values, kinds)
        if not column.nullable:
            raise unfit(column, "is missing")
        found = [value for value in values if value is not None]
        done = iter(present(found, kinds - {NoneType}) if found else [])
        return [absent if value is None else next(done) for value in values]

    return convert


Swift = Callable[[list[Any], set[type]], list[Any] | None]
"""A whole column without None, given the types in it; None when its values must be looked at one by one."""


def _by_type(column: Column[Any], form: Form, clipped: Clipped) -> tuple[Convert, Swift]:
    kind = column.type
    if isinstance(kind, Exact):
        return _exact(column, kind.scale, form)
    if isinstance(kind, Instant):
        return _instant(column, form)
    if isinstance(kind, Date):
        return _date(column, form)
    if isinstance(kind, Integer):
        return _integer(column, form)
    if isinstance(kind, Text):
        return _text(column, None, clipped, form)
    if isinstance(kind, String):
        return _text(column, kind.length or 0, clipped, form)
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


def _text(column: Column[Any], length: int | None, clipped: Clipped, form: Form) -> tuple[Convert, Swift]:
    """length: of the longest value in characters, None for a document, whose spaces at the end are its own."""
    key = column.primary_key
    written = escape if form == "stream" else str

    def one(value: Any) -> str:
        words = clean(value)
        if words != value and type(value) is str:
            clipped.mended += 1
        if length is None:
            return written(words)
        words = words.rstrip(" ")
        if len(words) > length:
            if key:
                raise unfit(column, f"is longer than {length} characters, and keys are never cut")
            clipped.count += 1
            words = words[:length].rstrip(" ")
        return written(words)

    def many(values: list[Any], kinds: set[type]) -> list[Any] | None:
        if kinds != {str}:
            return None
        different = set(values)
        joined = "\x00".join(different)
        if joined.count("\x00") >= len(different) or not (joined.isascii() or _encodable(joined)):
            return None
        if length is not None and (max(map(len, different)) > length or " \x00" in joined or joined.endswith(" ")):
            return None
        return list(map(escape, values)) if form == "stream" and needs_escape(joined) else values

    return one, many


def _exact(column: Column[Any], scale: int, form: Form) -> tuple[Convert, Swift]:
    unit = Decimal(1).scaleb(-scale)
    largest = min(LARGEST, Decimal(10) ** (18 - scale) - 1)
    written: Convert = {"sqlite": float, "mysql": lambda number: number, "stream": "{:f}".format}[form]
    if form == "stream" and scale <= 6:
        written = str  # writes no exponent down to six places, and is faster

    # Written with all its places an amount needs no rounding, and one this short is not too large.
    plain = rf"-?\d{{1,{len(f'{largest:f}') - 1}}}\.\d{{{scale}}}"
    all_plain = re.compile(rf"{plain}(?:\n{plain})*").fullmatch

    def one(value: Any) -> Any:
        try:
            number = value if isinstance(value, Decimal) else Decimal(str(value))
            if not -largest <= number <= largest:
                raise unfit(column, "is too large to be true")
            return written(number.quantize(unit, ROUND_HALF_EVEN))
        except InvalidOperation:
            raise unfit(column, "is no finite number") from None

    def many(values: list[Any], kinds: set[type]) -> list[Any] | None:
        if kinds != {Decimal}:
            return None
        if form == "stream" and scale <= 6:
            texts = list(map(str, values))
            return texts if all_plain("\n".join(texts)) else None
        try:
            if not (-largest <= min(values) and max(values) <= largest):
                return None
            return [written(value.quantize(unit, ROUND_HALF_EVEN)) for value in values]
        except InvalidOperation:
            return None

    return one, many


_BITS = {SmallInteger: 15, BigInteger: 63}


def _integer(column: Column[Any], form: Form) -> tuple[Convert, Swift]:
    limit = 1 << next((bits for kind, bits in _BITS.items() if isinstance(column.type, kind)), 31)

    def one(value: Any) -> int | str:
        number = int(value)
        if number != value or not -limit <= number < limit:
            raise unfit(column, "is no whole number of its column's size")
        return str(number) if form == "stream" else number

    def many(values: list[Any], kinds: set[type]) -> list[Any] | None:
        if kinds != {int} or not (-limit <= min(values) and max(values) < limit):
            return None
        return list(map(str, values)) if form == "stream" else values

    return one, many


def _date(column: Column[Any], form: Form) -> tuple[Convert, Swift]:
    def one(value: Any) -> Any:
        if not isinstance(value, date) or isinstance(value, datetime):
            raise unfit(column, "is no date")
        return value if form == "mysql" else value.isoformat()

    def many(values: list[Any], kinds: set[type]) -> list[Any] | None:
        if kinds != {date}:
            return None
        return values if form == "mysql" else list(map(date.isoformat, values))

    return one, many


_ZONE = attrgetter("tzinfo")


@lru_cache(maxsize=8192)
def _streamed(instant: datetime) -> str:
    """An instant in UTC for a stream; a server fills in microseconds that are not written. Those of one order stand in
    several tables."""
    return instant.isoformat(" ")[: -len("+00:00")]


def _instant(column: Column[Any], form: Form) -> tuple[Convert, Swift]:
    def one(value: Any) -> Any:
        if not isinstance(value, datetime) or value.tzinfo is None:
            raise unfit(column, "is no instant with a zone")
        naive = value.astimezone(UTC).replace(tzinfo=None)
        return naive if form == "mysql" else naive.isoformat(sep=" ", timespec="microseconds")

    def many(values: list[Any], kinds: set[type]) -> list[Any] | None:
        if kinds != {datetime} or set(map(_ZONE, values)) != {UTC}:
            return None
        if form == "mysql":
            return [value.replace(tzinfo=None) for value in values]
        if form == "stream":
            return list(map(_streamed, values))
        return [value.isoformat(" ", "microseconds")[:-6] for value in values]

    return one, many
