"""Rows on their way in: converted, one per key, in key order, then set down in a temporary table to be merged from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Column, Connection, MetaData, Table, text
from sqlalchemy.schema import CreateTable

from cortex.errors import DatabaseError
from cortex.warehouse import rows as kinds
from cortex.warehouse.rows import Given
from cortex.warehouse.values import Clipped, Form, converter


@dataclass(frozen=True)
class Bound:
    """Rows as tuples ready for a driver or a stream, one per key, in key order."""

    form: Form
    columns: list[str]
    rows: list[tuple[Any, ...]]
    clipped: Clipped


def bind(
    form: Form,
    table: Table,
    rows: Sequence[Given],
    key: Sequence[str],
    *,
    newer: str | None = None,
    strict: bool = False,
    whole: bool = True,
) -> Bound:
    """Rows as converted tuples, one per key, sorted by key: writers that meet take their locks in one order."""
    if not rows:
        return Bound(form, [], [], Clipped())
    columns = columns_of(table, rows[0], whole=whole)
    clipped = Clipped()
    try:
        given = list(map(list, zip(*kinds.tuples(rows, columns), strict=True)))
    except (KeyError, TypeError) as missing:
        raise ValueError(f"rows for {table.name} differ in their columns: {missing} is not in all") from None
    converted = [converter(table.c[name], form, clipped)(values) for name, values in zip(columns, given, strict=True)]
    tuples = list(zip(*converted, strict=True))
    keys = list(zip(*[converted[columns.index(name)] for name in key], strict=True)) if key else [()] * len(tuples)
    by_key = dict(zip(keys, tuples, strict=True))
    if len(by_key) < len(tuples):
        by_key = _one_each(table, keys, tuples, columns.index(newer) if newer else None, strict=strict)
    return Bound(form, columns, [by_key[at] for at in sorted(by_key)], clipped)


def _one_each(
    table: Table,
    keys: Sequence[tuple[Any, ...]],
    tuples: Sequence[tuple[Any, ...]],
    version: int | None,
    *,
    strict: bool,
) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Of rows with one key the newest, or the last where nothing tells versions apart."""
    by_key: dict[tuple[Any, ...], tuple[Any, ...]] = {}
    for at, row in zip(keys, tuples, strict=True):
        held = by_key.get(at)
        if held is not None and strict and held != row:
            raise DatabaseError("CTX-5014", f"Two different rows for {table.name} have the same key.")
        if held is None or version is None or row[version] >= held[version]:
            by_key[at] = row
    return by_key


def columns_of(table: Table, row: Given, *, whole: bool) -> list[str]:
    """Columns of a row in the table's order. Raises ValueError for names the table lacks, or values it cannot lack."""
    given = dict.fromkeys(kinds.names(row))
    unknown = [name for name in given if name not in table.c]
    if unknown:
        raise ValueError(f"{table.name} has no column {', '.join(unknown)}")
    lacking = [column.name for column in table.columns if not column.nullable and column.name not in given]
    if whole and lacking:
        raise ValueError(f"rows for {table.name} lack {', '.join(lacking)}")
    return [column.name for column in table.columns if column.name in given]


class Stage:
    """A temporary table for rows on their way into `table`, known by `key`. Only this connection sees it."""

    def __init__(self, connection: Connection, table: Table, key: Sequence[str]) -> None:
        self._connection = connection
        self._table = _temporary(table, tuple(key))

    def __enter__(self) -> Table:
        self._connection.execute(CreateTable(self._table))
        return self._table

    def __exit__(self, kind: object, *_: object) -> None:
        # After a failure the connection may be dead or the transaction unusable; the rollback follows anyway.
        if kind is None:
            word = "TEMPORARY " if self._connection.dialect.name == "mysql" else ""
            self._connection.execute(text(f"DROP {word}TABLE {self._table.name}"))


@cache
def _temporary(table: Table, key: tuple[str, ...]) -> Table:
    """The same object every time, so that SQLAlchemy compiles the statements about it once."""
    columns = [
        Column(column.name, column.type, primary_key=column.name in key, nullable=column.name not in key)
        for column in table.columns
    ]
    return Table(f"stage_{table.name}", MetaData(), *columns, prefixes=["TEMPORARY"])
