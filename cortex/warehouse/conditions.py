"""Which rows a write covers: column to value, to a half-open range, or to a list, in SQL and in Python alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Table, and_, bindparam, true
from sqlalchemy.types import NullType

from cortex.clock import Window
from cortex.warehouse.packets import all_plain

if TYPE_CHECKING:
    from sqlalchemy.sql.elements import ColumnElement

LONGEST_LIST = 1000
"""Values in one IN list: far below what either engine takes, long enough to make the trip worth it."""


def where(table: Table, wanted: Mapping[str, Any], *, lists: bool = False) -> ColumnElement[bool]:
    """Rows whose columns are as wanted: a value, None, `(since, until)` or a Window (half-open), or a list.

    lists: whether the driver writes a list of texts by itself, which is quicker than a parameter for each.
    """
    return and_(true(), *[condition(table.c[name], value, lists=lists) for name, value in wanted.items()])


def condition(column: Column[Any], wanted: Any, *, lists: bool = False) -> ColumnElement[bool]:
    if wanted is None:
        return column.is_(None)
    if isinstance(wanted, Window):
        wanted = (wanted.since, wanted.until)
    if isinstance(wanted, tuple):
        since, until = wanted
        return and_(column >= since, column < until)
    if isinstance(wanted, list | set | frozenset):
        values = list(wanted)
        if lists and all_plain(values):
            return column.op("IN", is_comparison=True)(bindparam(None, tuple(values), type_=NullType()))
        return column.in_(values)
    equal: ColumnElement[bool] = column == wanted
    return equal


def inside(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, Window):
        return value in wanted
    if isinstance(wanted, tuple):
        return bool(wanted[0] <= value < wanted[1])
    if isinstance(wanted, list | set | frozenset):
        return value in wanted
    return bool(value == wanted)


def parts(where: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The condition in pieces whose longest list is short enough for one statement. An empty list covers nothing."""
    lists = {name: list(wanted) for name, wanted in where.items() if isinstance(wanted, list | set | frozenset)}
    if not lists:
        yield where
        return
    name, values = max(lists.items(), key=lambda item: len(item[1]))
    for start in range(0, len(values), LONGEST_LIST):
        yield {**where, name: values[start : start + LONGEST_LIST]}
