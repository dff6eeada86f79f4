"""`docs/data_dictionary.md`: every table, view and column, written from tables.py and the view headers.

`python -m cortex.warehouse.dictionary` prints it; `--write` writes the file, `--check` tells whether it is up to date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from sqlalchemy import CHAR, Column, Date, MetaData, SmallInteger, String, Table, Text
from sqlalchemy.types import BigInteger

from cortex.warehouse import tables, views
from cortex.warehouse.tables import Exact, Instant

FILE = Path(__file__).parents[2] / "docs" / "data_dictionary.md"
INTRODUCTION = """# Data dictionary

Written by `python -m cortex.warehouse.dictionary --write` from `cortex/warehouse/tables.py` and `sql/views/`; do not edit.

* Instants are UTC. Columns named `day` or ending in `_date` are local days: the client's for orders, the ad account's
  for spend, the property's for GA4.
* Money is decimal, in the currency the row names, else in the client's; `native_` money is in the currency of who told
  it. In reports a *rate* has six places and is empty where there is nothing to divide by, a *weight* has eight and is a
  sum of shares, a *factor* has ten and is an exchange rate, a *flag* is 0 or 1.
* Text that is unknown is empty, never null; text is compared byte for byte.
* **Personal data.** No column holds a name, an e-mail, a phone, a document or an address in the clear. *pseudonym*: an
  HMAC under the client's own key. *online identifier*: a click or browser id. *quasi-identifier*: says little alone.
  *order reference*: leads to a person in the shop's own books only. *redacted*: what a platform said, personal fields
  taken out. *digests, IP, user agent*: what a conversion needs to be matched, deleted when its delivery is settled.
  *tombstone*: by which an erased person's older orders are known. *none*: nothing of anybody.
* **Source** is who told it; *cortex* is bookkeeping. **Kept** is for how long; *contract* is until the client leaves,
  *workspace* as long as the agency keeps its workspace.
"""

CLASSES = (
    "none", "pseudonym", "online identifier", "quasi-identifier", "order reference", "redacted", "tombstone",
    "digests, IP, user agent",
)  # fmt: skip
"""What the introduction explains."""


def text() -> str:
    """The whole file."""
    parts = [
        INTRODUCTION,
        "## Reports\n\nWhat pages, files and commands read. Views: always as fresh as the tables below.\n",
        *[_view(view) for view in views.bundled_views()],
        "## Tables of a client\n\nDatabase `cortex_<code>`, or the file `<code>.db`.\n",
        *_tables(tables.TENANT),
        "## Tables of the control schema\n\nDatabase `cortex_control`, or the file `control.db`. Holds no client data.\n",
        *_tables(tables.CONTROL),
    ]
    return "\n".join(parts)


def _view(view: views.View) -> str:
    lines = [
        f"### {view.name}\n",
        f"{view.title}. One row per {view.grain}. Computed from {', '.join(sources(view))}.\n",
        _row("column", "type", "meaning"),
        _rule(3),
    ]
    return "\n".join([*lines, *[_row(f"`{c.name}`", c.kind, c.meaning) for c in view.columns], ""])


def sources(view: views.View) -> list[str]:
    """The tables a view reads."""
    named = re.findall(r"\b(?:FROM|JOIN)\s+([a-z_0-9]+)", view.select)
    return sorted({name for name in named if name in tables.TENANT.tables})


def _tables(metadata: MetaData) -> Iterator[str]:
    for table in metadata.tables.values():
        yield _table(table)


def _table(table: Table) -> str:
    lines = [f"### {table.name}\n", f"{table.info['meaning']}\n"]
    lines += [_row("column", "type", "key", "meaning", "source", "personal data", "kept"), _rule(7)]
    lines += [
        _row(
            f"`{column.name}`",
            kind(column),
            "key" if column.primary_key else "",
            str(column.info["meaning"]),
            source(column),
            personal(column),
            retention(column),
        )
        for column in table.columns
    ]
    return "\n".join([*lines, ""])


def source(column: Column[object]) -> str:
    """Who tells it: the column's own word, else its table's."""
    return str(column.info.get("source") or column.table.info.get("source") or "cortex")


def personal(column: Column[object]) -> str:
    """Its personal-data class: a key of CLASSES."""
    return str(column.info.get("personal") or "none")


def retention(column: Column[object]) -> str:
    """For how long a value stays."""
    return str(column.info.get("retention") or column.table.info["retention"])


def kind(column: Column[object]) -> str:
    """A column's type in a reader's words; `?` when it may be unknown."""
    words = {Date: "date", SmallInteger: "smallint", BigInteger: "bigint", Text: "document"}
    of = column.type
    if isinstance(of, Exact):
        word = "money" if of.scale == 2 else f"decimal, {of.scale} places"
    elif isinstance(of, Instant):
        word = "instant"
    elif isinstance(of, CHAR):
        word = "digest"
    elif named := next((word for base, word in words.items() if isinstance(of, base)), ""):
        word = named
    else:
        word = f"text {of.length}" if isinstance(of, String) else "integer"
    return word + (" ?" if column.nullable else "")


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _rule(columns: int) -> str:
    return "|" + "---|" * columns


def main(arguments: Iterable[str]) -> int:
    """Exit code: 1 when `--check` finds the file out of date."""
    wanted = text()
    if "--check" in arguments:
        if FILE.is_file() and FILE.read_text(encoding="utf-8") == wanted:
            return 0
        sys.stderr.write(f"{FILE.name} is out of date: python -m cortex.warehouse.dictionary --write\n")
        return 1
    if "--write" in arguments:
        FILE.write_text(wanted, encoding="utf-8")
    else:
        sys.stdout.write(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
