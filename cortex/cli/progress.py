"""Progress: live lines with a spinner on a terminal, one plain line per step elsewhere."""

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
        self.width = max((len(name) for name in names), default=0)
        self._status: Any = None

    def __enter__(self) -> Progress:
        if self.shell.terminal:
            from rich.console import Console

            self._status = Console(stderr=True).status("starting")
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def hear(self, name: str, news: StepResult | int) -> None:
        if isinstance(news, int):
            if self._status is not None:
                self._status.update(f"{name} · {news} rows")
            return
        said = news.outcome.summary or (f"{news.error.code} {news.error.message}" if news.error else news.status)
        self.shell.say(f" {SIGNS[news.status]} {name.ljust(self.width)}  {said}  {news.seconds:.1f} s")
