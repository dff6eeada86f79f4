"""How commands speak: one envelope for machines, tables and short lines for people, the same exit codes for both."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from cortex.errors import CortexError, UsageError
from cortex.secrets import REDACTOR

if TYPE_CHECKING:
    from cortex.warehouse import Control, Warehouse
    from cortex.workspace import Workspace


@dataclass
class Answer:
    """What a command found. `data` is the machine's half; what people read was printed while it worked."""

    data: Any = None
    client: str = ""
    run_id: str = ""
    warnings: list[dict[str, str]] = field(default_factory=list)
    next: list[str] = field(default_factory=list)
    exit_code: int = 0
    error: CortexError | None = None
    shown_once: dict[str, str] = field(default_factory=dict)
    """Secrets this answer is there to hand over: joined to `data` after everything else was masked."""


@dataclass
class Shell:
    """The options every command understands, and the two streams."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False
    no_input: bool = False
    lang: str = ""
    log_format: str = "console"
    folder: Path | None = None
    command: str = ""
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)

    @property
    def workspace(self) -> Workspace:
        from cortex.workspace import Workspace

        return Workspace.find(self.folder)

    @property
    def database(self) -> str:
        """Base URL of the databases; empty means embedded SQLite files."""
        from cortex.secrets import database_url

        return database_url(self.workspace.root)

    def warehouse(self, code: str, *, writes: bool = False) -> Warehouse:
        """A client's schema, to read unless it says otherwise. Raises DatabaseError."""
        from cortex.warehouse import Warehouse

        return Warehouse.open(self.database, code, self.workspace.state, read_only=not writes)

    def control(self) -> Control:
        """The control schema. Raises DatabaseError."""
        from cortex.warehouse import Control

        return Control.open(self.database, self.workspace.state)

    @property
    def terminal(self) -> bool:
        """Whether a person watches: progress and colour are for them alone."""
        dumb = os.environ.get("TERM") == "dumb" or bool(os.environ.get("NO_COLOR")) or self.no_color
        return self.err.isatty() and not (dumb or self.json or self.quiet or self.log_format == "json")

    def say(self, line: str = "") -> None:
        """A line of talk on stderr: headings, progress, hints. Not among JSON lines: whoever reads those is no person."""
        if not (self.quiet or self.json or self.log_format == "json"):
            print(REDACTOR.clean(line), file=self.err, flush=True)

    def show(self, line: str = "") -> None:
        """A line of the answer on stdout."""
        if not self.json:
            print(line, file=self.out, flush=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
        """A plain aligned table on stdout; the columns named in `right` hold numbers."""
        if self.json:
            return
        cells = [[str(cell) for cell in row] for row in rows]
        widths = [
            max(len(name), *(len(row[i]) for row in cells)) if cells else len(name) for i, name in enumerate(columns)
        ]

        def line(values: Sequence[str]) -> str:
            parts = [
                value.rjust(width) if name in right else value.ljust(width)
                for name, value, width in zip(columns, values, widths, strict=True)
            ]
            return "  ".join(parts).rstrip()

        self.show(line(columns))
        self.show(line(["─" * width for width in widths]))
        for row in cells:
            self.show(line(row))

    def finish(self, answer: Answer) -> int:
        """Print the envelope when asked for one; the exit code either way."""
        if self.json:
            error = answer.error
            envelope = {
                "schema": "cortex/v1",
                "ok": answer.exit_code in {0, 10} and error is None,
                "command": self.command,
                "client": answer.client or None,
                "run_id": answer.run_id or None,
                "data": answer.data,
                "warnings": answer.warnings,
                "error": error_facts(error) if error else None,
                "next": answer.next,
            }
            masked = REDACTOR.clean_any(plain(envelope))
            if answer.shown_once:
                masked["data"] |= answer.shown_once
            text = json.dumps(masked, ensure_ascii=False, separators=(",", ":"))
            print(text, file=self.out, flush=True)
        elif answer.next and not self.quiet:
            self.say(f"Next: {' · '.join(answer.next)}")
        return answer.error.exit_code if answer.error else answer.exit_code

    def complain(self, error: CortexError) -> None:
        """An error as people read it: code and sentence, every problem, the fix, where to read more."""
        if self.json:
            return

        def write(line: str) -> None:
            print(REDACTOR.clean(line), file=self.err, flush=True)

        if self.log_format == "json":
            write(
                json.dumps({"level": "error", "event": error.message, **plain(error_facts(error))}, ensure_ascii=False)
            )
            return
        write(f"{error.code} {error.message}")
        for problem in getattr(error, "problems", ()):
            write(f"  {problem}")
        if error.fix:
            write(f"  Fix: {error.fix}")
        write(f"  More: cortex explain {error.code}")


def error_facts(error: CortexError) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "code": error.code,
        "exit": error.exit_code,
        "retryable": error.retryable,
        "message": error.message,
        "fix": error.fix,
        "docs": error.docs,
    }
    problems = getattr(error, "problems", None)
    if problems:
        facts["problems"] = [problem.as_dict() for problem in problems]
    return facts


def plain(value: Any) -> Any:
    """JSON's own types: money as decimal strings, days and instants as ISO 8601."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    return value


def as_day(text: str) -> date | None:
    """A day of an option; None for one that was left out. Raises UsageError CTX-1018."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise UsageError("CTX-1018", f"{text!r} is not a day.", fix="Write it as 2026-11-19.") from None


def brl(amount: Decimal | None, currency: str = "BRL", lang: str = "pt-BR") -> str:
    """Money as people of that language write it: R$ 1.234,50."""
    from babel.numbers import format_currency

    return "—" if amount is None else format_currency(amount, currency, locale=lang.replace("-", "_"))


def number(value: float | Decimal | None, lang: str = "pt-BR", digits: int = 0) -> str:
    from babel.numbers import format_decimal

    pattern = "#,##0" + ("." + "0" * digits if digits else "")
    return "—" if value is None else format_decimal(value, format=pattern, locale=lang.replace("-", "_"))
