"""analyze channels: a client's channels divided by the visits' source or medium, by device, or by how buyers paid."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import typer

from cortex.cli.period import shown
from cortex.cli.shell import Answer, Shell, brl, number
from cortex.cli.stored import among
from cortex.errors import UsageError

DIMENSIONS = ("payment_method", "device", "source", "medium")
PARTS = """
    SELECT channel, part, SUM(orders) AS orders, SUM(new_customers) AS new_customers,
           SUM(attributed_revenue) AS attributed_revenue
    FROM rpt_channel_parts
    WHERE model = :model AND dimension = :dimension AND day >= :since AND day < :until
    GROUP BY channel, part ORDER BY attributed_revenue DESC, channel, part
"""


def register(app: typer.Typer) -> None:
    tree = next(group.typer_instance for group in app.registered_groups if group.name == "analyze")
    assert tree is not None
    tree.command("channels")(channels)


def channels(
    context: typer.Context,
    client: Annotated[str, typer.Argument(metavar="CLIENT")],
    by: Annotated[str, typer.Option("--by", help="payment_method, device, source or medium.")] = "payment_method",
    model: Annotated[str, typer.Option("--model", help="One of the client file's. The first of them.")] = "",
    days: Annotated[int, typer.Option("--days", help="Days, ending with the last one loaded.")] = 30,
    since: Annotated[str, typer.Option("--from", metavar="YYYY-MM-DD", help="First day.")] = "",
    last: Annotated[str, typer.Option("--to", metavar="YYYY-MM-DD", help="Last day.")] = "",
) -> Answer:
    """Channels by source, medium, device or payment method."""
    from cortex import tenant as tenants
    from cortex.reports.words import word

    shell: Shell = context.obj
    tenant = tenants.load(shell.workspace, client)
    among("--by", by, DIMENSIONS)
    known = ("last_click", *tenant.analytics.models)
    chosen = model or tenant.analytics.models[0]
    if chosen not in known:
        raise UsageError(
            "CTX-7001",
            f"No run has credited orders by {chosen!r}.",
            fix=f"One of {', '.join(dict.fromkeys(known))}, or add it to analytics_config.attribution.models.",
        )
    with shell.warehouse(tenant.code) as warehouse:
        period = shown(warehouse, days, since, last)
        asked = {"model": chosen, "dimension": by, "since": period.since, "until": period.until}
        rows = [_shared(dict(row)) for row in warehouse.rows(PARTS, **asked)]
    whole = sum((row["attributed_revenue"] for row in rows), Decimal(0))
    lang = shell.lang or tenant.lang
    shell.say(f"{tenant.code} · {period.since} to {period.last} · {chosen} · {by}")
    figures = [word(f"attr_{name}", lang) for name in ("revenue", "share", "orders", "new_customers")]
    table = []

    def named(part: str) -> str:
        return (word(part, lang) if by == "device" else part) or "—"

    for row in rows:
        row["share"] = row["attributed_revenue"] / whole if whole else None
        share = "—" if row["share"] is None else f"{number(100 * row['share'], lang, 1)} %"
        revenue = brl(row["attributed_revenue"], tenant.currency, lang)
        counts = [number(row[name], lang, 1) for name in ("orders", "new_customers")]
        table.append([word(row["channel"], lang), named(row["part"]), revenue, share, *counts])
    shell.table([word("channel", lang), by.replace("_", " "), *figures], table, right=figures)
    data = {"since": period.since, "last": period.last, "model": chosen, "dimension": by, "parts": rows}
    return Answer(client=tenant.code, data=data)


def _shared(row: dict[str, Any]) -> dict[str, Any]:
    return {name: Decimal(0) if value is None else value for name, value in row.items()}
