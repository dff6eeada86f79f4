"""Tables wider than the terminal: the columns that matter least are left out, and it is said."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from cortex.cli.shell import Shell


def narrow(
    shell: Shell,
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    ranks: Sequence[int],
    *,
    right: Sequence[str],
    lang: str,
) -> None:
    """A table of the columns that fit (`fitting`). right: titles of numbers. lang: of what is said of the others."""
    kept = fitting(titles, rows, ranks, width(shell))
    shell.table([titles[at] for at in kept], [[row[at] for at in kept] for row in rows], right=right)
    if len(kept) < len(titles):
        from cortex.reports.analysis_words import said

        shell.say(said("attr_hidden", lang, count=len(titles) - len(kept)))


def fitting(titles: Sequence[str], cells: Sequence[Sequence[str]], ranks: Sequence[int], room: int | None) -> list[int]:
    """Which columns to show in so many characters: those of the highest rank go first, of equal ones the last.

    room None: all. Columns of rank -1 stay.
    """
    widths = [max([len(title), *(len(row[at]) for row in cells)]) for at, title in enumerate(titles)]
    kept = list(range(len(titles)))
    while room is not None and sum(widths[at] + 2 for at in kept) - 2 > room:
        loser = max(kept, key=lambda at: (ranks[at], at))
        if ranks[loser] < 0:
            break
        kept.remove(loser)
    return kept


def width(shell: Shell) -> int | None:
    """Of the terminal; None where nobody looks at one: a file has room for everything."""
    return shutil.get_terminal_size((80, 24)).columns if shell.out.isatty() else None
