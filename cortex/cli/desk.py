"""Desk: one client opened for a look at its conversions, as all commands about them begin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli.shell import Shell, brl
from cortex.errors import UsageError
from cortex.reports.ledger_words import SENTENCES, said

if TYPE_CHECKING:
    from cortex.run import Run
    from cortex.tenant import Tenant

Client = Annotated[str, typer.Argument(metavar="CLIENT")]
To = Annotated[str, typer.Option("--destination", metavar="NAME", help="This one only: meta_capi, google_ec …")]


REASON = 36
"""Characters of a reason in a table, so that it fits 80 columns."""


@dataclass
class Desk:
    """A client to look at: its file, its schema, and a run that is none (nothing of it is written to the ledger)."""

    shell: Shell
    tenant: Tenant
    run: Run

    @property
    def lang(self) -> str:
        return self.shell.lang or self.tenant.lang

    def money(self, amount: Decimal | None, currency: str = "") -> str:
        return brl(amount, currency or self.tenant.currency, self.lang)

    def why(self, reason: str, width: int = REASON, *, state: str = "") -> str:
        """A reason of the ledger in the reader's language, short enough for a table; whole and as a code in `--json`.

        state: what stands beside it, and need not be said twice.
        """
        from cortex.reports.words import WORDS, word

        key, _, detail = reason.partition(": ")
        if key == "window":
            which, _, length = detail.partition(" ")
            key, detail = "expired", f"{said(which, self.lang)}, {length}" if which in SENTENCES else detail
        words = said(key, self.lang) if key == "marketplace" else word(key, self.lang) if key in WORDS else key or "—"
        if detail:
            words = detail if key == state else f"{words}: {detail}"
        return words if len(words) <= width else words[: width - 1] + "…"

    def word(self, key: str) -> str:
        """A state of the ledger, or a channel, in the reader's language."""
        from cortex.reports.words import word

        return word(key, self.lang)

    def action(self, action: str) -> str:
        return self.said("value_told" if action == "value" else action)

    def said(self, key: str, **facts: object) -> str:
        """A sentence of `cortex.reports.ledger_words` in the reader's language."""
        return said(key, self.lang, **facts)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[str] = ()) -> None:
        """As the shell's, with headings in the reader's language."""
        self.shell.table(
            [self.said(name) if name else "" for name in columns], rows, right=[self.said(name) for name in right]
        )

    def at(self, instant: datetime | None) -> str:
        """An instant by the client's own clock."""
        return f"{instant.astimezone(self.tenant.timezone):%Y-%m-%d %H:%M}" if instant else "—"

    def kinds(self, asked: str) -> list[str]:
        """The destinations asked for. Raises UsageError for one the client file does not enable."""
        known = list(self.tenant.destinations)
        if asked and asked not in known:
            listed = ", ".join(known) or "none is enabled"
            raise UsageError(
                "CTX-1092", f"{self.tenant.code} sends nothing to {asked!r}.", fix=f"Destinations: {listed}."
            )
        if not known:
            raise UsageError(
                "CTX-1092",
                f"Client {self.tenant.code} enables no destination.",
                fix=f"Add offline_conversions to tenants/{self.tenant.code}.yaml.",
            )
        return [asked] if asked else known


@contextmanager
def opened(context: typer.Context, client: str, command: str, *, writes: bool = False) -> Iterator[Desk]:
    """The desk for `cortex conversions <command>`. writes: whether the schema is opened for writing."""
    from cortex import tenant as tenants

    shell: Shell = context.obj
    shell.command = f"conversions {command}"
    tenant = tenants.load(shell.workspace, client)
    with shell.warehouse(tenant.code, writes=writes) as warehouse:
        yield Desk(shell, tenant, run_of(shell, tenant, warehouse))


def run_of(shell: Shell, tenant: Tenant, warehouse: Any) -> Run:
    """A run of today that no ledger knows."""
    from cortex.clock import Window, local_day, system_clock
    from cortex.run import Run
    from cortex.secrets import Vault

    clock = system_clock()
    today = Window.ending(local_day(clock(), tenant.timezone), 1)
    vault = Vault(tenant.code, shell.workspace.root)
    return Run(tenant, today, shell.workspace, warehouse, vault, clock, "by-hand", "none")
