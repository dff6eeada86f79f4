"""What comes out: rows and frames whose types are those of tables.py, the same on every engine.

Money is Decimal (frames: pl.Decimal) of its column's scale, instants are aware UTC datetimes, days are dates, counts are
ints. A result column gets its type by name: from the tables and views the query names, first one first, else from
whatever table or view has a column of that name. SQLite forgets types in views, unions and sums; names do not. A
name nothing knows comes as int or float: name sums after a column, or use `to_cents` and `money`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from types import NoneType
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Date, Integer, String, TextClause, bindparam, text
from sqlalchemy.sql.expression import Executable
from sqlalchemy.types import NullType, TypeEngine

from cortex.warehouse import tables, views
from cortex.warehouse.packets import all_plain
from cortex.warehouse.tables import Exact, Instant

if TYPE_CHECKING:
    import polars as pl

Query = str | Executable
AT_ONCE = 10_000
"""Rows of a driver's that are held at a time while a frame is made of them."""
_DAY, _TIME = "%Y-%m-%d", "%Y-%m-%d %H:%M:%S%.f"
_RELATION = re.compile(r"\b(?:from|join)\s+[`\"]?([a-z_]+)", re.IGNORECASE)


def statement(connection: Connection, query: Query, params: Mapping[str, Any]) -> Executable:
    """A query with its parameters bound: dates, instants (aware, or naive in UTC), Decimals and lists included."""
    if not isinstance(query, str):
        return query.params(params) if params else query  # type: ignore[attr-defined]
    clause: TextClause = text(query)
    lists = connection.dialect.name == "mysql"
    return clause.bindparams(*[_bind(name, value, lists=lists) for name, value in params.items()])


def _bind(name: str, value: Any, *, lists: bool) -> Any:
    """lists: whether the driver writes a list of texts by itself, which is quicker than a parameter for each."""
    if isinstance(value, list | tuple | set | frozenset):
        values = list(value)
        if lists and all_plain(values):
            return bindparam(name, tuple(values), type_=NullType())
        return bindparam(name, values, expanding=True, type_=_bind_type(values[0]) if values else None)
    if isinstance(value, datetime) and value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
    return bindparam(name, value, type_=_bind_type(value))


def _bind_type(value: Any) -> TypeEngine[Any] | None:
    if isinstance(value, datetime):
        return Instant()
    if isinstance(value, date):
        return Date()
    if isinstance(value, Decimal):
        return Exact(8)
    return None


def rows(connection: Connection, query: Query, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The result as dictionaries of typed Python values."""
    names, fetched, types = _fetch(connection, query, params)
    columns = [
        _column(types.get(name), column) for name, column in zip(names, zip(*fetched, strict=True), strict=False)
    ]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _column(kind: TypeEngine[Any] | None, values: tuple[Any, ...]) -> Sequence[Any]:
    """The values of one column as its type wants them; as they are where every one is so already."""
    found = set(map(type, values)) - {NoneType}
    if any(isinstance(kind, sort) and found <= {python} for sort, python in _AS_THEY_ARE):
        return values
    to = _python(kind)
    return [value if value is None else to(value) for value in values]


def frame(connection: Connection, query: Query, params: Mapping[str, Any]) -> pl.DataFrame:
    """The result as a Polars frame: Decimal(18, scale), Date, Datetime("us", "UTC"), Int64, Float64, String."""
    import polars as pl

    # Piece by piece: a driver's rows weigh twenty times a frame's.
    return pl.concat(frames(connection, query, params, AT_ONCE), how="vertical_relaxed")


def _frame(
    names: Sequence[str], fetched: Sequence[Sequence[Any]], types: Mapping[str, TypeEngine[Any]]
) -> pl.DataFrame:
    import polars as pl

    values: Sequence[Sequence[Any]] = list(zip(*fetched, strict=True)) if fetched else [()] * len(names)
    return pl.DataFrame([_series(name, column, types.get(name)) for name, column in zip(names, values, strict=True)])


def frames(connection: Connection, query: Query, params: Mapping[str, Any], size: int) -> Iterator[pl.DataFrame]:
    """The result in frames of at most `size` rows, at least one; no more than one of them is held in memory."""
    result = connection.execution_options(yield_per=size).execute(statement(connection, query, params))
    names = list(result.keys())
    types = _types(str(query), names)
    parts = result.partitions(size)
    first = next(parts, [])
    for fetched in itertools.chain([first], parts):
        yield _frame(names, fetched, types)


def _fetch(
    connection: Connection, query: Query, params: Mapping[str, Any]
) -> tuple[list[str], Sequence[Sequence[Any]], dict[str, TypeEngine[Any]]]:
    result = connection.execute(statement(connection, query, params))
    names = list(result.keys())
    return names, result.fetchall(), _types(str(query), names)


def _types(sql: str, names: Sequence[str]) -> dict[str, TypeEngine[Any]]:
    relations = _relations()
    mentioned = [relations[name] for name in _RELATION.findall(sql.lower()) if name in relations]
    found: dict[str, TypeEngine[Any]] = {}
    for name in names:
        kind = next((columns[name] for columns in mentioned if name in columns), None) or _anywhere().get(name)
        if kind is not None:
            found[name] = kind
    return found


@cache
def _relations() -> dict[str, dict[str, TypeEngine[Any]]]:
    """Column types by table or view."""
    of_tables = {
        table.name: {column.name: column.type for column in table.columns}
        for metadata in (tables.CONTROL, tables.TENANT)
        for table in metadata.sorted_tables
    }
    return of_tables | {view.name: view.types for view in views.bundled_views()}


@cache
def _anywhere() -> dict[str, TypeEngine[Any]]:
    """Column types by name alone, where every table and view that has the column agrees."""
    seen: dict[str, dict[str, TypeEngine[Any]]] = {}
    for columns in _relations().values():
        for name, kind in columns.items():
            seen.setdefault(name, {})[_family(kind)] = kind
    return {name: next(iter(kinds.values())) for name, kinds in seen.items() if len(kinds) == 1}


def _family(kind: TypeEngine[Any]) -> str:
    if isinstance(kind, Exact):
        return f"exact {kind.scale}"
    return next((str(base) for base in (Instant, Date, Integer, String) if isinstance(kind, base)), str(kind))


_AS_THEY_ARE: tuple[tuple[type[TypeEngine[Any]], type], ...] = ((String, str), (Integer, int), (Date, date))


def _python(kind: TypeEngine[Any] | None) -> Callable[[Any], Any]:
    if isinstance(kind, Exact):
        unit = Decimal(1).scaleb(-kind.scale)
        # + 0 turns the negative zero of a float sum into zero.
        return lambda value: (value if isinstance(value, Decimal) else Decimal(str(value))).quantize(unit) + 0
    if isinstance(kind, Instant):
        return _instant
    if isinstance(kind, Date):
        return lambda value: date.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(kind, Integer):
        return int
    if isinstance(kind, String):
        return str
    return _plain


def _instant(value: Any) -> datetime:
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value.as_tuple().exponent == 0 else float(value)
    return value


def _series(name: str, values: Sequence[Any], kind: TypeEngine[Any] | None) -> pl.Series:
    import polars as pl

    if isinstance(kind, Exact):
        return _decimals(name, values, kind.scale)
    if isinstance(kind, Instant):
        return _parsed(name, values, pl.Datetime("us")).dt.replace_time_zone("UTC")
    if isinstance(kind, Date):
        return _parsed(name, values, pl.Date())
    if isinstance(kind, Integer):
        return pl.Series(name, [value if value is None else int(value) for value in values], dtype=pl.Int64)
    if isinstance(kind, String):
        return pl.Series(name, values, dtype=pl.String)
    return _guessed(name, [_plain(value) for value in values])


def _decimals(name: str, values: Sequence[Any], scale: int) -> pl.Series:
    import polars as pl

    if any(isinstance(value, Decimal) for value in values):
        # Wide first: a mean has more digits than its column, and a list of Decimals is cut, not rounded.
        return pl.Series(name, values, dtype=pl.Decimal(38, 16), strict=False).cast(pl.Decimal(18, scale))
    return pl.Series(name, values, dtype=pl.Float64, strict=False).cast(pl.Decimal(18, scale))


def _parsed(name: str, values: Sequence[Any], dtype: Any) -> pl.Series:
    import polars as pl

    if any(isinstance(value, str) for value in values):
        words = pl.Series(name, values, dtype=pl.String)
        return words.str.to_date(_DAY) if dtype == pl.Date else words.str.to_datetime(_TIME, time_unit="us")
    if dtype == pl.Date:
        return pl.Series(name, values, dtype=dtype)
    naive = [value and value.replace(tzinfo=None) for value in values]
    return pl.Series(name, naive, dtype=dtype)


def _guessed(name: str, values: list[Any]) -> pl.Series:
    import polars as pl

    if any(isinstance(value, float) for value in values):
        return pl.Series(name, values, dtype=pl.Float64, strict=False)
    return pl.Series(name, values)


def to_cents(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """The same frame with money columns as Int64 cents: what the arithmetic rooms count in."""
    import polars as pl

    return frame.with_columns([(pl.col(name).cast(pl.Float64) * 100).round().cast(pl.Int64) for name in columns])


def from_cents(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """The same frame with Int64 cents as Decimal(18, 2) money. Exact below 10^13, as everything here."""
    import polars as pl

    return frame.with_columns([(pl.col(name).cast(pl.Float64) / 100).cast(pl.Decimal(18, 2)) for name in columns])


def money(frame: pl.DataFrame, *columns: str) -> pl.DataFrame:
    """The same frame with the named columns as Decimal(18, 2), whatever a driver made of a sum."""
    return from_cents(to_cents(frame, *columns), *columns)
