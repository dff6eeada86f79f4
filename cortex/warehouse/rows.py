"""Rows as they are handed to the verbs: mappings, or records of a type made from their table where they come by the thousand."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any

from msgspec import Struct, defstruct
from msgspec.structs import astuple
from sqlalchemy import Table

Row = Mapping[str, Any]
Given = Row | Struct


def record(table: Table) -> type[Any]:
    """A type for whole rows of a table: every column by its name, none left out, or TypeError.

    A record takes a quarter of a dictionary's memory and is nothing the search for cycles has to look at. Encoded, it
    is its values without their names.
    """
    # Interned as the names in a call are, so that they are compared by looking at where they lie.
    columns = [sys.intern(str(column.name)) for column in table.columns]
    return defstruct(table.name, columns, kw_only=True, array_like=True, gc=False)


def names(row: Given) -> Iterable[str]:
    """The columns a row has."""
    return row.__struct_fields__ if isinstance(row, Struct) else row


def values(rows: Sequence[Given], name: str) -> list[Any]:
    """One column of rows that are all of one kind."""
    if not rows:
        return []
    one: Callable[[Any], Any] = attrgetter(name) if isinstance(rows[0], Struct) else itemgetter(name)
    return list(map(one, rows))


def tuples(rows: Sequence[Given], columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """The rows, of one kind, as tuples of these columns. Raises KeyError, or TypeError, where one differs from the first."""
    pick: Any
    if isinstance(rows[0], Struct):
        if tuple(columns) != rows[0].__struct_fields__ or len(set(map(type, rows))) > 1:
            raise TypeError("records are whole rows of one table")
        pick = astuple
    elif len(columns) > 1:
        pick = itemgetter(*columns)
    else:
        pick = lambda row: (row[columns[0]],)  # noqa: E731  # itemgetter of one name gives no tuple
    return list(map(pick, rows))
