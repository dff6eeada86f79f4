"""db: bring schemas up to date, say what state they are in, and who may enter them."""

from __future__ import annotations

from typing import Annotated

import typer

from cortex.cli.shell import Answer, Shell
from cortex.errors import UsageError

Client = Annotated[str, typer.Argument(metavar="CLIENT")]
Everyone = Annotated[bool, typer.Option("--all", help="Every client.")]


def register(app: typer.Typer) -> None:
    db = typer.Typer(help="Schemas: migrate, status, users.", no_args_is_help=True)
    db.command("migrate")(migrate)
    db.command("status")(status)
    db.command("users")(users)
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


def users(context: typer.Context, client: Client = "", everyone: Everyone = False) -> Answer:
    """The database users of a client, and what an administrator runs where Cortex may not make them."""
    from cortex.warehouse import accounts

    shell: Shell = context.obj
    rows, told = [], {}
    for code in _codes(shell, client, everyone or not client):
        asked = (shell.database, code, shell.workspace.state)
        found = accounts.examine(*asked)
        rows += [
            {
                "client": code,
                "user": user.name,
                "may": user.role,
                "state": user.state,
                "from": user.host,
                "note": user.told,
            }
            for user in found
        ]
        if any(user.state != "ready" for user in found) and not accounts.plan(*asked):
            told[code] = accounts.statements(*asked)
    if not rows:
        shell.show("SQLite has no users: its files are readable by their owner alone.")
        return Answer(data={"users": [], "statements": {}}, client=client)
    columns = ["client", "user", "may", "state", "from", "note"]
    shell.table(columns, [[row[column] or "—" for column in columns] for row in rows])
    for code, statements in told.items():
        shell.show()
        shell.show(
            f"{code}: the configured user may not make users. An administrator can run, with passwords they choose:"
        )
        for statement in statements:
            shell.show(f"  {statement}")
        shell.show(
            f"and Cortex is told the passwords as {' and '.join(accounts.variables(code))} (environment or .env)."
        )
    wrong = sorted({row["client"] for row in rows if row["state"] != "ready"} - set(told))
    return Answer(
        data={"users": rows, "statements": told}, client=client, next=[f"cortex onboard {code}" for code in wrong]
    )


def _codes(shell: Shell, client: str, everyone: bool) -> list[str]:
    from cortex import tenant

    if client:
        return [tenant.load(shell.workspace, client).code]
    if everyone:
        return [found.code for found in tenant.load_all(shell.workspace, active_only=False)]
    raise UsageError("CTX-1017", "No client was named.", fix="Name one, or --all.")
