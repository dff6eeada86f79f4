"""report: one page a person would rather look at."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer

from cortex.cli.shell import Answer, Shell
from cortex.errors import UsageError


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
    from cortex.clock import Window, system_clock
    from cortex.reports import page
    from cortex.runner.plan import LONGEST
    from cortex.steps import reporting
    from cortex.warehouse import Warehouse

    shell: Shell = context.obj
    shell.command = "report"
    tenant = tenants.load(shell.workspace, client)
    with Warehouse.open(shell.database, tenant.code, shell.workspace.state, read_only=True) as warehouse:
        end = _day(last) or reporting.last_day(warehouse)
        if not 1 <= days <= LONGEST:
            raise UsageError("CTX-1008", f"--days {days} is out of range.", fix=f"Use 1 to {LONGEST}.")
        begin = _day(since) or end - timedelta(days=days - 1)
        if begin > end:
            raise UsageError("CTX-1027", f"The period {begin} to {end} is empty.")
        facts = reporting.gather(
            warehouse,
            tenant,
            Window(begin, end + timedelta(days=1)),
            now=system_clock()(),
            lang=shell.lang or tenant.lang,
        )
    path = out or shell.workspace.dist / f"{tenant.code}-report.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page.render(facts), encoding="utf-8")
    shell.show(str(path))
    return Answer(
        client=client,
        data={
            "path": path,
            "since": begin,
            "last": end,
            "figures": {
                figure.key: {"value": figure.value, "before": figure.before, "change": figure.change}
                for figure in facts.figures
            },
        },
    )


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError("CTX-1018", f"{text!r} is not a day.", fix="Write it as 2026-11-19.") from None
