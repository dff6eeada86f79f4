"""Desk: one client opened for a look at its conversions, as all commands about them begin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli.shell import Shell, brl
from cortex.errors import UsageError

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

    def why(self, reason: str) -> str:
        """A reason of the ledger in the reader's language, short enough for a table; whole and as a code in `--json`."""
        from cortex.reports.words import word

        key, _, detail = reason.partition(": ")
        key = "expired" if key == "window" else key  # the shorter words for it
        said = (word(key, self.lang) if key else "—") + (f": {detail}" if detail else "")
        return said if len(said) <= REASON else said[: REASON - 1] + "…"

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
