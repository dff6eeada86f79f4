"""analyze sales: orders, revenue and what they cost, by day, week or month, beside the period before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any

import typer

from cortex.cli.shell import Answer, Shell, number
from cortex.cli.stored import Chart, Client, Row, among

GRAINS = ("day", "week", "month")


def register(tree: typer.Typer) -> None:
    """Add the command to `analyze`."""
    tree.command("sales")(sales)


def sales(
    context: typer.Context,
    client: Client,
    by: Annotated[str, typer.Option("--by", help="day, week or month.")] = "month",
    periods: Annotated[int, typer.Option("--periods", min=1, max=1000, help="Periods shown, the newest last.")] = 12,
    chart: Chart = None,
) -> Answer:
    """Orders, revenue, conversion, returns, CAC and growth. By day, week or month."""
    from cortex import tenant as tenants
    from cortex.reports import insights
    from cortex.steps import reporting

    shell: Shell = context.obj
    among("--by", by, GRAINS)
    if chart:
        insights.check(chart)
    tenant = tenants.load(shell.workspace, client)
    lang = shell.lang or tenant.lang
    with shell.warehouse(tenant.code) as warehouse:
        last = reporting.last_day(warehouse)
        found = warehouse.rows(
            "SELECT * FROM rpt_sales_analytics WHERE grain = :by AND period_start <= :last"
            " ORDER BY period_start DESC LIMIT :periods",
            by=by,
            last=last,
            periods=periods,
        )
    rows = [dict(row) | {"is_whole": int(_end(row["period_start"], by) <= last)} for row in reversed(found)]
    for row in rows:
        if not row["spend"]:
            row["cac"] = None  # nobody was bought: that is not for nothing
        if not row["is_whole"]:
            # What has not ended is not held against what has.
            row["growth"] = row["frequency_growth"] = None
    _show(shell, by, rows, lang)
    if chart:
        spec = insights.bars([(str(row["period_start"]), float(row["gross_revenue"])) for row in rows])
        insights.write(chart, spec, title=f"{tenant.name} · {last}", lang=lang)
    return Answer(client=tenant.code, data={"by": by, "last_day": last, "currency": tenant.currency, "periods": rows})


def _end(start: date, by: str) -> date:
    """The last day of a period."""
    if by == "month":
        return (start + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return start + timedelta(days=6 if by == "week" else 0)


def _show(shell: Shell, by: str, rows: Sequence[Row], lang: str) -> None:
    def share(value: Decimal | None) -> str:
        return "—" if value is None else f"{number(100 * value, lang, 1)} %"

    heads = ["orders", "revenue", "growth", "AOV", "per buyer", "conversion", "returned", "CAC"]
    table: list[list[Any]] = [
        [
            f"{row['period_start']}{'' if row['is_whole'] else ' …'}",
            number(row["orders"], lang),
            number(row["gross_revenue"], lang, 2),
            share(row["growth"]),
            number(row["aov"], lang, 2),
            number(row["frequency"], lang, 2),
            share(row["conversion_rate"]),
            share(row["return_rate"]),
            number(row["cac"], lang, 2),
        ]
        for row in rows
    ]
    shell.table([by, *heads], table, right=heads)
    if any(not row["is_whole"] for row in rows):
        shell.show("… has not ended: it is not held against the period before.")
