"""db: bring schemas up to date and say what state they are in."""

from __future__ import annotations

from typing import Annotated

import typer

from cortex.cli.shell import Answer, Shell
from cortex.errors import UsageError

Client = Annotated[str, typer.Argument(metavar="CLIENT")]
Everyone = Annotated[bool, typer.Option("--all", help="Every client.")]


def register(app: typer.Typer) -> None:
    db = typer.Typer(help="Schemas: migrate, status.", no_args_is_help=True)
    db.command("migrate")(migrate)
    db.command("status")(status)
    app.add_typer(db, name="db")


def migrate(
    context: typer.Context,
    client: Client = "",
    everyone: Everyone = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Show what would change.")] = False,
) -> Answer:
    """Apply pending migrations, views and seeds."""
    from cortex.warehouse import provision

    shell: Shell = context.obj
    done = {}
    for code in _codes(shell, client, everyone):
        work = provision.plan if dry_run else provision.apply
        changes = work(shell.database, code, shell.workspace.state)
        done[code] = [{"verb": change.verb, "what": change.what} for change in changes]
        for change in changes:
            shell.show(f"{code}  {change.verb} {change.what}")
        if not changes:
            shell.show(f"{code}  nothing to change")
    return Answer(data=done, client=client)


def status(context: typer.Context, client: Client = "", everyone: Everyone = False) -> Answer:
    """How many changes each schema still needs."""
    from cortex.warehouse import provision

    shell: Shell = context.obj
    rows = []
    for code in _codes(shell, client, everyone or not client):
        pending = provision.plan(shell.database, code, shell.workspace.state)
        rows.append({"client": code, "pending": len(pending), "first": str(pending[0]) if pending else ""})
    shell.table(
        ["client", "pending", "first"],
        [[row["client"], row["pending"], row["first"]] for row in rows],
        right=("pending",),
    )
    return Answer(data=rows, client=client)


def _codes(shell: Shell, client: str, everyone: bool) -> list[str]:
    from cortex import tenant

    if client:
        return [tenant.load(shell.workspace, client).code]
    if everyone:
        return [found.code for found in tenant.load_all(shell.workspace, active_only=False)]
    raise UsageError("CTX-1017", "No client was named.", fix="Name one, or --all.")
