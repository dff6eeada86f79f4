"""`sql/schema.sql`: the whole shape in one file, written from tables.py. `python -m cortex.warehouse.schema [--check]`."""

from __future__ import annotations

import sys
from pathlib import Path

from sqlalchemy import MetaData
from sqlalchemy.dialects import mysql
from sqlalchemy.schema import CreateIndex, CreateTable

from cortex.warehouse import tables, views
from cortex.workspace import bundled

HEADER = """-- {title}
-- Written from cortex/warehouse/tables.py and sql/views/ by `python -m cortex.warehouse.schema`; do not edit.
-- It says what the schema is. What makes one is sql/migrations/, replayed by `cortex onboard`.
"""


def ddl(metadata: MetaData) -> str:
    """Every table and index, `schema_migrations` first, in MySQL-family syntax."""
    dialect = mysql.dialect()
    parts = []
    for table in sorted(metadata.tables.values(), key=lambda table: (table.name != "schema_migrations", 0)):
        lines = str(CreateTable(table, if_not_exists=True).compile(dialect=dialect)).strip().splitlines()
        body = "\n".join(line.rstrip().replace("\t", "  ") for line in lines if line.strip())
        parts.append(f"{body};")
        indexes = sorted(table.indexes, key=lambda index: str(index.name))
        parts += [f"{CreateIndex(index).compile(dialect=dialect)};" for index in indexes]
        parts.append("")
    return "\n".join(parts)


def tenant_schema() -> str:
    """Text of sql/schema.sql: a client's tables, then the report views."""
    reports = "\n\n".join(f"CREATE VIEW {view.name} AS\n{view.select};" for view in views.bundled_views())
    return f"{HEADER.format(title='Schema of one client: database cortex_<code>.')}\n{ddl(tables.TENANT)}\n{reports}\n"


def control_schema() -> str:
    """Text of sql/schema_control.sql."""
    return f"{HEADER.format(title='Schema of the control database: cortex_control.')}\n{ddl(tables.CONTROL)}"


def files() -> dict[Path, str]:
    folder = bundled("sql")
    return {folder / "schema.sql": tenant_schema(), folder / "schema_control.sql": control_schema()}


def main(arguments: list[str]) -> int:
    """Write the files; with `--check` only tell which differ from what would be written, as an exit code of 1."""
    stale = [file for file, wanted in files().items() if not file.is_file() or file.read_text("utf-8") != wanted]
    for file in stale:
        if "--check" in arguments:
            sys.stderr.write(f"{file.name} is out of date: python -m cortex.warehouse.schema\n")
        else:
            file.write_text(files()[file], encoding="utf-8")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
