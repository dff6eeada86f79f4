"""tenants: which clients there are."""

from __future__ import annotations

from typing import Annotated

import typer

from cortex.cli.shell import Answer, Shell
from cortex.errors import ConfigError


def register(app: typer.Typer) -> None:
    tenants = typer.Typer(help="Client files: list, show.", no_args_is_help=True)
    tenants.command("list")(list_)
    tenants.command("show")(show)
    app.add_typer(tenants, name="tenants")


def list_(context: typer.Context) -> Answer:
    """Every client file, and whether it is valid."""
    from cortex import tenant

    shell: Shell = context.obj
    rows = []
    for code in shell.workspace.tenant_codes():
        try:
            found = tenant.load(shell.workspace, code)
        except ConfigError as error:
            rows.append(
                {
                    "client": code,
                    "name": "",
                    "platform": "",
                    "active": False,
                    "valid": False,
                    "problems": len(error.problems),
                }
            )
            continue
        rows.append(
            {
                "client": code,
                "name": found.name,
                "platform": found.ecommerce.kind,
                "active": found.active,
                "valid": True,
                "problems": 0,
            }
        )
    shell.table(
        ["client", "name", "store", "state"],
        [
            [
                row["client"],
                row["name"],
                row["platform"],
                "active" if row["active"] else "off" if row["valid"] else f"{row['problems']} problems",
            ]
            for row in rows
        ],
    )
    return Answer(data=rows)


def show(context: typer.Context, client: Annotated[str, typer.Argument(metavar="CLIENT")]) -> Answer:
    """Every setting of a client and where it comes from."""
    from cortex import tenant

    shell: Shell = context.obj
    settings = tenant.describe(tenant.load(shell.workspace, client))
    shell.table(["setting", "value", "from"], settings)
    return Answer(
        data=[{"key": key, "value": value, "source": source} for key, value, source in settings], client=client
    )
