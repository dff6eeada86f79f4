"""Report views: one portable SELECT per file of `sql/views/`, with a header that says what it is.

    -- title: Daily performance
    -- grain: day
    -- columns:
    --   day            date   Local day.
    --   gross_revenue  money  Paid by buyers on that day.

The header's types are what `cortex.warehouse.read` gives the columns back as: date instant text count flag money rate
measure weight factor.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Connection, Date, SmallInteger, String, inspect, text
from sqlalchemy.types import TypeEngine

from cortex.warehouse.tables import Exact, Instant
from cortex.workspace import bundled

KINDS: dict[str, TypeEngine[Any]] = {
    "date": Date(),
    "instant": Instant(),
    "text": String(),
    "count": BigInteger(),
    "flag": SmallInteger(),
    "money": Exact(2),
    "rate": Exact(6),
    "measure": Exact(3),
    "weight": Exact(8),
    "factor": Exact(10),
}
_FIELD = re.compile(r"--\s+(title|grain):\s*(.+)")
_COLUMN = re.compile(r"--\s{3}(\w+)\s+(\w+)\s+(.+)")
_MORE = re.compile(r"--\s{4,}(\S.*)")


@dataclass(frozen=True)
class ViewColumn:
    name: str
    kind: str
    meaning: str


@dataclass(frozen=True)
class View:
    name: str
    title: str
    grain: str
    columns: tuple[ViewColumn, ...]
    select: str
    sha256: str

    @property
    def types(self) -> dict[str, TypeEngine[Any]]:
        return {column.name: KINDS[column.kind] for column in self.columns}


def parse(file: Path) -> View:
    """A view file. Raises ValueError for a header that lacks a title, a grain, or a known type for a column."""
    source = file.read_text(encoding="utf-8")
    header = [line for line in source.splitlines() if line.startswith("--")]
    fields: dict[str, str] = {}
    columns: list[ViewColumn] = []
    for line in header:
        if found := _FIELD.match(line):
            fields[found[1]] = found[2].strip()
        elif found := _COLUMN.match(line):
            columns.append(ViewColumn(found[1], found[2], found[3].strip()))
        elif (found := _MORE.match(line)) and columns:
            last = columns.pop()
            columns.append(ViewColumn(last.name, last.kind, f"{last.meaning} {found[1].strip()}"))
    strange = sorted({column.kind for column in columns} - set(KINDS))
    if not columns or set(fields) != {"title", "grain"} or strange:
        raise ValueError(f"{file.name} needs a title, a grain and typed columns; unknown types: {strange}")
    select = "\n".join(line for line in source.splitlines() if not line.startswith("--")).strip().rstrip(";")
    digest = hashlib.sha256(source.encode()).hexdigest()
    return View(file.stem, fields["title"], fields["grain"], tuple(columns), select, digest)


@cache
def bundled_views() -> tuple[View, ...]:
    """Every view that comes with Cortex, by name."""
    return tuple(parse(file) for file in sorted((bundled("sql") / "views").glob("rpt_*.sql")))


def existing(connection: Connection) -> set[str]:
    """Names of the report views in a schema."""
    return {name for name in inspect(connection).get_view_names() if name.startswith("rpt_")}


def create(connection: Connection, view: View) -> None:
    """Make or replace a view."""
    if connection.dialect.name == "mysql":
        # INVOKER: a read-only user sees what that user may see, and the view outlives the user who made it.
        connection.execute(text(f"CREATE OR REPLACE SQL SECURITY INVOKER VIEW {view.name} AS {_literal(view.select)}"))
        return
    drop(connection, view.name)
    connection.execute(text(f"CREATE VIEW {view.name} AS {_literal(view.select)}"))


def drop(connection: Connection, name: str) -> None:
    connection.execute(text(f"DROP VIEW IF EXISTS {name}"))


def _literal(select: str) -> str:
    """SQL whose colons are no parameters."""
    return select.replace(":", r"\:")
