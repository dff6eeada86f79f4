"""import: orders from files (the Olist data set, CSV, JSON), as often as you like, always the same rows."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from cortex.cli.shell import Answer, Shell, brl, number
from cortex.errors import UsageError

ZONE = "America/Sao_Paulo"
"""Where the files' wall times are true."""
TEMPLATE = """# Made by `cortex import`.
client:
  name: "{name}"
  code: "{code}"
  timezone: "{zone}"

ecommerce:
  platform: "{kind}"
  path: {path}
"""


def register(app: typer.Typer) -> None:
    commands = typer.Typer(help="Orders from files: csv, json, olist.", no_args_is_help=True)
    commands.callback()(_group)
    commands.command("csv")(from_csv)
    commands.command("json")(from_json)
    commands.command("olist")(olist)
    app.add_typer(commands, name="import")


def _group() -> None:
    """Orders from files."""


def olist(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with the olist_*_dataset.csv files.")],
    client: Annotated[
        str, typer.Option("--client", help="Client to load them into; made when there is none.")
    ] = "olist",
) -> Answer:
    """Load the Olist dataset's orders into a client. Importing again changes nothing."""
    return _load(context.obj, "import olist", "olist", "Olist", folder, client)


Orders = Annotated[Path, typer.Argument(metavar="FILE", help="Columns: docs/en/platforms/files.md.")]
Into = Annotated[str, typer.Option("--client", help="Client to load them into; made when there is none.")]


def from_csv(context: typer.Context, file: Orders, client: Into) -> Answer:
    """Load orders from a CSV file, one row per order line. Importing again changes nothing."""
    return _load(context.obj, "import csv", "files", client, file, client)


def from_json(context: typer.Context, file: Orders, client: Into) -> Answer:
    """Load orders from a JSON file: a list, or one object a line. Importing again changes nothing."""
    return _load(context.obj, "import json", "files", client, file, client)


def _load(shell: Shell, command: str, kind: str, name: str, folder: Path, client: str) -> Answer:
    """The orders of a file or folder, and everything computed from orders."""
    import json

    from cortex import logs, plugins
    from cortex import tenant as tenants
    from cortex.cli.progress import Progress
    from cortex.clock import system_clock
    from cortex.run import Recipe
    from cortex.runner import engine, plan
    from cortex.secrets import Vault
    from cortex.settings import Access
    from cortex.steps import credit, effects, forecasting, insight, predict, pull, refresh, sold, value
    from cortex.stores import Store
    from cortex.tenant import codes
    from cortex.warehouse import provision

    shell.command = command
    logs.configure(fmt=shell.log_format, verbose=shell.verbose, quiet=shell.quiet)
    workspace = shell.workspace
    codes.check(client)
    vault = Vault(client, workspace.root)
    adapter = plugins.adapter("stores", kind, Store)
    wanted = folder.resolve()
    file = workspace.tenants / f"{client}.yaml"
    zone = tenants.load(workspace, client).timezone if file.exists() else ZoneInfo(ZONE)
    # Files know their own days; and nothing is made of a folder that does not hold them.
    window = adapter(adapter.Config(path=wanted), Access(client, vault, zone)).span()  # type: ignore[attr-defined,call-arg]
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            TEMPLATE.format(name=name, code=client, kind=kind, zone=ZONE, path=json.dumps(str(wanted))),
            encoding="utf-8",
        )
        shell.say(f"made {file}")
    tenant = tenants.load(workspace, client)
    if tenant.ecommerce.kind != kind:
        raise UsageError(
            "CTX-1026",
            f"Client {client} is a {tenant.ecommerce.kind} shop.",
            fix="Import into another client: --client CODE",
        )
    stored = (workspace.root / tenant.ecommerce.config.path.expanduser()).resolve()  # type: ignore[attr-defined]
    if stored != wanted:
        raise UsageError(
            "CTX-1029",
            f"Client {client} takes its orders from {stored}, not from {wanted}.",
            fix=f"Import into another client with --client CODE, or change ecommerce.path in tenants/{client}.yaml.",
        )
    vault.identity_key(create=True)
    provision.apply(shell.database, client, workspace.state)
    recipe = Recipe(
        "import",
        "Orders from files.",
        (
            pull.store,
            pull.catalogue,
            value.people,
            credit.everything,
            value.customers,
            value.segments,
            predict.customers,
            value.products,
            sold.classes,
            effects.effects,
            refresh.everything,
            refresh.cohorts,
            insight.cohorts,
            insight.worth,
            forecasting.sales,
        ),
        reread="none",
        lookback=False,
    )
    steps = plan.steps(tenant, recipe, window)
    with Progress(shell, [planned.name for planned in steps]) as progress:
        result = engine.execute(
            tenant,
            recipe,
            window,
            steps,
            workspace=workspace,
            database=shell.database,
            clock=system_clock(),
            listen=progress.hear,
        )
    totals = _totals(shell, client)
    shell.table(
        ["", "rows", "sum"],
        [[name, number(rows), brl(total, tenant.currency)] for name, rows, total in totals],
        right=("rows", "sum"),
    )
    error = next((step.error for step in result.failed), None)
    if error is not None:
        shell.complain(error)
    return Answer(
        client=client,
        run_id=result.run_id,
        error=error,
        data={"totals": [{"what": name, "rows": rows, "sum": total} for name, rows, total in totals]},
        next=[f"cortex report {client} --from {window.since} --to {window.last}"],
    )


def _totals(shell: Shell, client: str) -> list[tuple[str, int, Decimal]]:

    wanted = {
        "orders": "SELECT COUNT(*) AS n, SUM(total) AS total FROM fct_orders",
        "paid orders": "SELECT COUNT(*) AS n, SUM(paid) AS total FROM fct_orders WHERE is_paid = 1",
        "items": "SELECT COUNT(*) AS n, SUM(total) AS total FROM fct_order_items",
        "freight": "SELECT COUNT(*) AS n, SUM(shipping) AS total FROM fct_orders",
        "payments": "SELECT COUNT(*) AS n, SUM(amount) AS total FROM fct_payments",
        "people": "SELECT COUNT(DISTINCT customer_key) AS n, 0 AS total FROM fct_orders",
        "sellers": "SELECT COUNT(*) AS n, 0 AS total FROM dim_sellers",
        "reviews": "SELECT COUNT(*) AS n, 0 AS total FROM fct_reviews",
    }
    with shell.warehouse(client, writes=True) as warehouse:
        rows = {name: warehouse.rows(sql)[0] for name, sql in wanted.items()}
    return [(name, row["n"], row["total"] or Decimal(0)) for name, row in rows.items()]
