"""The data dictionary in two languages: every table, view and column, written from tables.py and the view headers.

`python -m cortex.warehouse.dictionary` prints it; `--write` writes the files, `--check` tells whether they are up to date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml
from sqlalchemy import CHAR, Column, Date, SmallInteger, String, Table, Text
from sqlalchemy.types import BigInteger

from cortex.warehouse import tables, views
from cortex.warehouse.tables import Exact, Instant

INTRODUCTION = """# Data dictionary

Written by `python -m cortex.warehouse.dictionary --write` from `cortex/warehouse/tables.py` and `sql/views/`; do not edit.

* Instants are UTC. Columns named `day` or ending in `_date` are local days: the client's for orders, the ad account's
  for spend, the property's for GA4.
* Money is decimal, in the currency the row names, else in the client's; `native_` money is in the currency of who told
  it. In reports a *rate* has six places and is empty where there is nothing to divide by, a *weight* has eight and is a
  sum of shares, a *factor* has ten and is an exchange rate, a *measure* has three, in the unit it is named by, a *flag* is 0 or 1.
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


@dataclass(frozen=True)
class Language:
    """How one language says it: the introduction, the words of the tables, the sentences. Missing ones stay English."""

    introduction: str = INTRODUCTION
    words: Mapping[str, str] = field(default_factory=dict)
    sentences: Mapping[str, str] = field(default_factory=dict)

    def word(self, english: str) -> str:
        return self.words.get(english, english)

    def type(self, english: str) -> str:
        """A type with its length and its question mark."""
        bare = english.removesuffix(" ?")
        name, _, length = bare.rpartition(" ") if bare.startswith("text ") else (bare, "", "")
        return f"{self.word(name)} {length}".rstrip() + (" ?" if english.endswith(" ?") else "")

    def say(self, english: str) -> str:
        return self.sentences.get(english, english)


ENGLISH = Language()


@cache
def portuguese() -> Language:
    """From the file beside this one."""
    return Language(**yaml.safe_load(Path(__file__).with_suffix(".pt-BR.yaml").read_text(encoding="utf-8")))


def files() -> dict[Path, Callable[[], str]]:
    """Where each language's page stands, and what makes it."""
    docs = Path(__file__).parents[2] / "docs"
    return {
        docs / "data_dictionary.md": text,
        docs / "pt-BR" / "dicionario_de_dados.md": lambda: text(portuguese()),
    }


def text(lang: Language = ENGLISH) -> str:
    """The whole page."""
    parts = [
        lang.introduction,
        *_chapter(lang, "Reports", "What pages, files and commands read. Views: always as fresh as the tables below."),
        *[_view(view, lang) for view in views.bundled_views()],
        *_chapter(lang, "Tables of a client", "Database `cortex_<code>`, or the file `<code>.db`."),
        *[_table(table, lang) for table in tables.TENANT.tables.values()],
        *_chapter(
            lang,
            "Tables of the control schema",
            "Database `cortex_control`, or the file `control.db`. Holds no client data.",
        ),
        *[_table(table, lang) for table in tables.CONTROL.tables.values()],
    ]
    return "\n".join(parts)


def _chapter(lang: Language, title: str, about: str) -> list[str]:
    return [f"## {lang.word(title)}\n\n{lang.word(about)}\n"]


def _view(view: views.View, lang: Language) -> str:
    about = lang.word("{title}. One row per {grain}. Computed from {sources}.")
    lines = [
        f"### {view.name}\n",
        about.format(title=lang.say(view.title), grain=view.grain, sources=", ".join(sources(view))) + "\n",
        _row(*map(lang.word, ("column", "type", "meaning"))),
        _rule(3),
    ]
    return "\n".join([*lines, *[_row(f"`{c.name}`", lang.type(c.kind), lang.say(c.meaning)) for c in view.columns], ""])


def sources(view: views.View) -> list[str]:
    """The tables a view reads."""
    named = re.findall(r"\b(?:FROM|JOIN)\s+([a-z_0-9]+)", view.select)
    return sorted({name for name in named if name in tables.TENANT.tables})


def _table(table: Table, lang: Language) -> str:
    lines = [f"### {table.name}\n", f"{lang.say(str(table.info['meaning']))}\n"]
    heads = ("column", "type", "key", "meaning", "source", "personal data", "kept")
    lines += [_row(*map(lang.word, heads)), _rule(len(heads))]
    lines += [
        _row(
            f"`{column.name}`",
            lang.type(kind(column)),
            lang.word("key") if column.primary_key else "",
            lang.say(str(column.info["meaning"])),
            lang.word(source(column)),
            lang.word(personal(column)),
            lang.word(retention(column)),
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
    """Exit code: 1 when `--check` finds a file out of date."""
    if "--check" not in arguments and "--write" not in arguments:
        sys.stdout.write(text())
        return 0
    stale = [
        (file, wanted)
        for file, wanted in ((file, make()) for file, make in files().items())
        if not file.is_file() or file.read_text(encoding="utf-8") != wanted
    ]
    for file, wanted in stale:
        if "--check" in arguments:
            sys.stderr.write(f"{file.name} is out of date: python -m cortex.warehouse.dictionary --write\n")
        else:
            file.write_text(wanted, encoding="utf-8")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
