"""report: one page a person would rather look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cortex.cli.period import shown
from cortex.cli.shell import Answer, Shell


def register(app: typer.Typer) -> None:
    app.command("report")(report)


def report(
    context: typer.Context,
    client: Annotated[str, typer.Argument(metavar="CLIENT")],
    days: Annotated[int, typer.Option("--days", help="Days, ending with the last one loaded.")] = 30,
    since: Annotated[str, typer.Option("--from", metavar="YYYY-MM-DD", help="First day.")] = "",
    last: Annotated[str, typer.Option("--to", metavar="YYYY-MM-DD", help="Last day.")] = "",
    out: Annotated[Path | None, typer.Option("--out", help="Where to write it.")] = None,
) -> Answer:
    """Write the report of a client as one HTML file."""
    from cortex import tenant as tenants
    from cortex.clock import system_clock
    from cortex.reports import page
    from cortex.steps import reporting

    shell: Shell = context.obj
    shell.command = "report"
    tenant = tenants.load(shell.workspace, client)
    with shell.warehouse(tenant.code) as warehouse:
        window = shown(warehouse, days, since, last)
        facts = reporting.gather(warehouse, tenant, window, now=system_clock()(), lang=shell.lang or tenant.lang)
    path = out or shell.workspace.dist / f"{tenant.code}-report.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page.render(facts), encoding="utf-8")
    shell.show(str(path))
    return Answer(
        client=client,
        data={
            "path": path,
            "since": window.since,
            "last": window.last,
            "figures": {
                figure.key: {"value": figure.value, "before": figure.before, "change": figure.change}
                for figure in facts.figures
            },
        },
    )
