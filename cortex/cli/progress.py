"""Progress: a spinner on a terminal, one plain line per step elsewhere, one line per piece of a backfill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cortex.cli.shell import Shell
    from cortex.runner.engine import StepResult

SIGNS = {"ok": "✓", "done": "✓", "failed": "✗", "skipped": "-"}


class Progress:
    """Hears the engine. rich is imported only when a person watches."""

    def __init__(self, shell: Shell, names: Sequence[str]) -> None:
        self.shell = shell
        self.width = max((len(name.partition("@")[0]) for name in names), default=0)
        self._status: Any = None
        self._piece = ""
        self._parts: list[StepResult] = []

    def __enter__(self) -> Progress:
        if self.shell.terminal:
            from rich.console import Console

            self._status = Console(stderr=True).status("starting")
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._tell_piece()
        if self._status is not None:
            self._status.stop()

    def hear(self, name: str, news: StepResult | int) -> None:
        if isinstance(news, int):
            if self._status is not None:
                self._status.update(f"{name} · {news} rows")
            return
        _, _, piece = name.partition("@")
        if piece != self._piece:
            self._tell_piece()
            self._piece = piece
        if piece:
            self._parts.append(news)
            return
        said = news.outcome.summary or (f"{news.error.code} {news.error.message}" if news.error else news.status)
        self._say(f" {SIGNS[news.status]} {name.ljust(self.width)}  {said}  {news.seconds:.1f} s")

    def _say(self, line: str) -> None:
        """A line of talk. While the spinner turns it is taken away first, or its rest would stand before the line."""
        if self._status is not None:
            self._status.stop()
        self.shell.say(line)
        if self._status is not None:
            self._status.start()

    def _tell_piece(self) -> None:
        """One line for the steps of a piece; those that failed say so themselves."""
        if not self._parts:
            return
        good = [part for part in self._parts if part.status in {"ok", "done"}]
        sign = "✓" if len(good) == len(self._parts) else "✗"
        said = " · ".join(_short(part) for part in self._parts)
        seconds = sum(part.seconds for part in self._parts)
        self._say(f" {sign} {self._piece}  {said}  {seconds:.1f} s")
        self._parts.clear()


def _short(part: StepResult) -> str:
    name = part.name.partition("@")[0]
    if part.status == "done":
        return f"{name} done before"
    if part.status != "ok":
        return f"{name} {part.status}"
    return f"{name} {part.outcome.rows}"
