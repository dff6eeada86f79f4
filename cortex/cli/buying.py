"""analyze repeat, places: when buyers come back, at what hours and in which months they buy, and where they live."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import typer

from cortex.cli.shell import Answer, Shell, number
from cortex.cli.stored import Chart, Client, Row, Stored, Top, stored

BAND = 4
"""Hours of a column on the terminal; `--json` and the chart have each."""
MONTHS = 13


def repeat(context: typer.Context, client: Client, chart: Chart = None) -> Answer:
    """How many buyers came back, how soon, and when people buy. The chart is weekday by hour."""
    shell: Shell = context.obj
    with stored(shell, client, chart) as held:
        told = held.figures("repeat")
        counts = [number(told[name], held.lang) for name in ("customers", "repeat_customers")]
        days = [number(told[name], held.lang, 1) for name in ("days_p25", "days_median", "days_p75")]
        heads = [held.word(one) for one in ("buyers", "came_back", "rate", "days_p25", "days_median", "days_p75")]
        shell.table(heads, [[*counts, held.share(told["repeat_rate"]), *days]], right=heads)
        patterns = held.rows("SELECT * FROM rpt_purchase_patterns ORDER BY weekday, hour")
        months = held.rows(
            "SELECT period_start, orders, gross_revenue, aov, frequency FROM rpt_sales_analytics"
            " WHERE grain = 'month' ORDER BY period_start"
        )
        _show_hours(shell, held, patterns)
        _show_months(shell, held, months[-MONTHS:])
        if chart:
            from cortex.reports import insights

            names = held.word("days_of_week").split()
            spec = insights.matrix(
                [(names[row["weekday"] - 1], row["hour"], float(row["orders"])) for row in patterns], percent=False
            )
            held.draw(chart, spec, held.word("weekday"))
        return Answer(client=client, data={"as_of": held.as_of, "repeat": told, "patterns": patterns, "months": months})


def _show_hours(shell: Shell, held: Stored, patterns: Sequence[Row]) -> None:
    """Orders by weekday and four hours at a time."""
    if not patterns:
        return
    names = held.word("days_of_week").split()
    heads = [f"{at}-{at + BAND - 1}h" for at in range(0, 24, BAND)]
    rows = []
    for weekday, cells in groupby(patterns, key=lambda row: row["weekday"]):
        placed = [0] * len(heads)
        for cell in cells:
            placed[cell["hour"] // BAND] += cell["orders"]
        rows.append([names[weekday - 1], *(number(count, held.lang) for count in placed)])
    shell.show()
    shell.table([held.word("weekday"), *heads], rows, right=heads)


def _show_months(shell: Shell, held: Stored, months: Sequence[Row]) -> None:
    if not months:
        return
    heads = [held.word(one) for one in ("orders", "revenue", "order_value")]
    rows = [
        [
            str(row["period_start"])[:7],
            number(row["orders"], held.lang),
            held.money(row["gross_revenue"]),
            held.money(row["aov"]),
        ]
        for row in months
    ]
    shell.show()
    shell.table([held.word("month"), *heads], rows, right=heads)


def places(context: typer.Context, client: Client, top: Top = 20, chart: Chart = None) -> Answer:
    """Where customers live, by state and town. Groups of fewer than five are merged into others."""
    shell: Shell = context.obj
    with stored(shell, client, chart) as held:
        order = "ORDER BY CASE WHEN state = 'other' THEN 1 ELSE 0 END, customers DESC, state"
        states = held.rows(f"SELECT * FROM rpt_customer_places {order}")  # noqa: S608
        cities = held.rows(f"SELECT * FROM rpt_customer_cities {order}, city")  # noqa: S608
        heads = [held.word(one) for one in ("customers", "orders", "revenue")]

        def line(row: Row, *names: str) -> list[str]:
            counts = [number(row[name], held.lang) for name in ("customers", "total_orders")]
            said = [held.word("other") if row[name] == "other" else row[name] for name in names]
            return [*said, *counts, held.money(row["revenue"])]

        shell.table([held.word("state"), *heads], [line(row, "state") for row in states[:top]], right=heads)
        shell.show()
        columns = [held.word("place"), held.word("state"), *heads]
        shell.table(columns, [line(row, "city", "state") for row in cities[:top]], right=heads)
        if chart:
            from cortex.reports import insights

            held.draw(
                chart, insights.bars([(row["state"], row["customers"]) for row in states]), held.word("customers")
            )
        return Answer(client=client, data={"as_of": held.as_of, "states": states, "cities": cities})
