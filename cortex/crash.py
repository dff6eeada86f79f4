"""Dying on purpose: the points between two effects at which tests end the process, to see that the next run mends all.

CORTEX_CRASH_AT=7 ends the process at the seventh point it passes, as kill -9 would: nothing is flushed, closed or
rolled back. CORTEX_CRASH_AT=asleep:5 instead stops it at the fifth step it begins, until somebody wakes it (SIGCONT), as a
laptop that is closed does. CORTEX_CRASH_AT=path appends the name of every point passed to that file. Unset, a point costs one
call of an empty function.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

DIED = 137
"""The exit code a shell gives a process that was killed (128 + SIGKILL)."""

ASLEEP = "asleep:"


def _pass(_name: str) -> None:
    """Nobody asked for a death."""


def armed(wish: str) -> Callable[[str], None]:
    """What a point does: nothing, die when its turn has come, or write its name down."""
    if not wish:
        return _pass
    passed = 0

    def die(_name: str) -> None:
        nonlocal passed
        passed += 1
        if passed == int(wish):
            os._exit(DIED)

    def tell(name: str) -> None:
        with open(wish, "a", encoding="utf-8") as file:  # noqa: PTH123  # a plain path, on a path nobody runs
            file.write(f"{name}\n")

    def fall_asleep(name: str) -> None:
        nonlocal passed
        passed += name == "step"
        if name == "step" and passed == int(wish.removeprefix(ASLEEP)):
            os.kill(os.getpid(), signal.SIGSTOP)

    if wish.startswith(ASLEEP):
        return fall_asleep
    return die if wish.isdigit() else tell


_act = armed(os.environ.get("CORTEX_CRASH_AT", ""))


def arm(wish: str) -> None:
    """As if CORTEX_CRASH_AT had said so from the start: for a process that was warm before it was told."""
    global _act  # noqa: PLW0603  # one process dies once
    _act = armed(wish)


def point(name: str) -> None:
    """Between two effects: `name` says which."""
    _act(name)
