"""db: bring schemas up to date, say what state they are in, who may enter them, and take what is in them along."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cortex.cli.shell import Answer, Shell
from cortex.errors import UsageError

Client = Annotated[str, typer.Argument(metavar="CLIENT")]
Everyone = Annotated[bool, typer.Option("--all", help="Every client.")]


def register(app: typer.Typer) -> None:
    db = typer.Typer(help="Schemas: migrate, status, users, export.", no_args_is_help=True)
    db.command("migrate")(migrate)
    db.command("status")(status)
    db.command("users")(users)
    db.command("export")(export)
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
    """The database users of a client. Prints what an administrator runs where Cortex may not make them."""
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


def export(
    context: typer.Context,
    client: Annotated[str, typer.Argument(metavar="CLIENT")],
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME", help="Only this table or report (fct_orders …).")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder to write into.")] = None,
) -> Answer:
    """Write tables or reports of a client as Parquet files. Other tools read them."""
    from cortex import tenant as tenants
    from cortex.warehouse import relations

    shell: Shell = context.obj
    code = tenants.load(shell.workspace, client).code
    tables, reports = relations()
    strange = [name for name in only or () if name not in {*tables, *reports}]
    if strange:
        raise UsageError(
            "CTX-5065", f"There is no table or report {strange[0]}.", fix="docs/data_dictionary.md lists them."
        )
    folder = out or shell.workspace.dist / f"{code}-parquet"
    folder.mkdir(parents=True, exist_ok=True)
    counts = {}
    with shell.warehouse(code) as warehouse:
        for name in only or tables:
            counts[name] = 0
            for old in folder.glob(f"{name}-[0-9]*.parquet"):
                old.unlink()
            for at, part in enumerate(warehouse.frames(f"SELECT * FROM {name}"), start=1):  # noqa: S608  # of the dictionary
                part.write_parquet(folder / f"{name}-{at:04}.parquet")
                counts[name] += part.height
    shell.table(["table", "rows"], [[name, count] for name, count in counts.items()], right=("rows",))
    shell.show(str(folder))
    return Answer(client=code, data={"path": folder, "rows": counts})


def _codes(shell: Shell, client: str, everyone: bool) -> list[str]:
    from cortex import tenant

    if client:
        return [tenant.load(shell.workspace, client).code]
    if everyone:
        return [found.code for found in tenant.load_all(shell.workspace, active_only=False)]
    raise UsageError("CTX-1017", "No client was named.", fix="Name one, or --all.")
