"""dq, reconcile: whether the numbers can be trusted, and how far the platforms disagree with the shop."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any

import typer

from cortex.cli.period import shown
from cortex.cli.shell import Answer, Shell, brl, number
from cortex.errors import DatabaseError, QualityGate, UsageError

SIGNS = {"ok": "✓", "unknown": "?", "failed": "✗"}
SUMMED = (
    "placed_orders", "placed_value", "store_orders", "store_revenue", "ga4_orders", "ga4_revenue", "meta_conversions",
    "meta_value", "google_conversions", "google_value", "tiktok_conversions", "tiktok_value",
)  # fmt: skip

Client = Annotated[str, typer.Argument(metavar="CLIENT")]


def register(app: typer.Typer) -> None:
    app.command("dq")(dq)
    app.command("reconcile")(reconcile)


def dq(
    context: typer.Context,
    client: Client,
    severity: Annotated[
        str, typer.Option("--severity", help="Which failures end with exit code 8: error, warning or none.")
    ] = "error",
    every: Annotated[bool, typer.Option("--every", help="Also show what passed.")] = False,
) -> Answer:
    """Show what the last run's checks of the data found. Exit code 8 when one of them failed."""
    from cortex import tenant as tenants
    from cortex.steps.quality import RULES

    shell: Shell = context.obj
    shell.command = "dq"
    if severity not in {"error", "warning", "none"}:
        raise UsageError("CTX-1091", f"--severity {severity!r} is not error, warning or none.")
    tenant = tenants.load(shell.workspace, client)
    with shell.warehouse(tenant.code, writes=True) as warehouse:
        rows = warehouse.rows(
            "SELECT run_id, checked_at, rule, part, severity, status, measured, allowed, message FROM rpt_data_quality"
            " WHERE run_id = (SELECT MAX(run_id) FROM dq_results) ORDER BY rule, part"
        )
    if not rows:
        raise DatabaseError(
            "CTX-5091", f"No data of client {tenant.code} has been checked yet.", fix=f"cortex run daily {tenant.code}"
        )
    order = {rule.name: place for place, rule in enumerate(RULES)}
    rows.sort(key=lambda row: order.get(row["rule"], len(order)))
    shown = [row for row in rows if every or row["status"] != "ok"]
    shell.say(f"{tenant.code}: checked {rows[0]['checked_at']:%Y-%m-%d %H:%M} UTC in run {rows[0]['run_id']}")
    if shown:
        cells = [[SIGNS[row["status"]], row["rule"], row["severity"], row["part"], row["message"]] for row in shown]
        shell.table(["", "check", "severity", "of", "found"], cells)
    failed = [row for row in rows if row["status"] == "failed"]
    shell.show(f"{len(rows)} checks, {len(failed)} failed")
    counts = severity == "warning" or (severity == "error" and any(row["severity"] == "error" for row in failed))
    error = None
    if failed and counts:
        error = QualityGate(
            "CTX-2103",
            f"{len(failed)} of {len(rows)} checks of client {tenant.code} failed.",
            fix=f"cortex doctor {tenant.code}",
        )
        shell.complain(error)
    about = {rule.name: rule.about for rule in RULES}
    return Answer(
        client=tenant.code,
        run_id=rows[0]["run_id"],
        error=error,
        data={"checks": [row | {"about": about.get(row["rule"], "")} for row in rows], "failed": len(failed)},
    )


def reconcile(
    context: typer.Context,
    client: Client,
    days: Annotated[int, typer.Option("--days", help="Days, ending with the last one loaded.")] = 30,
    last: Annotated[str, typer.Option("--to", metavar="YYYY-MM-DD", help="Last day.")] = "",
) -> Answer:
    """Put the shop, GA4 and the ad platforms side by side. Day by day: gaps, coverage, and what is claimed twice."""
    from cortex import tenant as tenants

    shell: Shell = context.obj
    shell.command = "reconcile"
    tenant = tenants.load(shell.workspace, client)
    with shell.warehouse(tenant.code) as warehouse:
        window = shown(warehouse, days, "", last)
        rows = warehouse.rows(
            "SELECT * FROM rpt_reconciliation WHERE day >= :since AND day < :until ORDER BY day",
            since=window.since,
            until=window.until,
        )
    found = [_gaps(row) for row in rows]
    total = _gaps({name: sum((row[name] or 0 for row in rows), Decimal(0)) for name in SUMMED})
    lang = shell.lang or tenant.lang

    def cells(name: str, row: dict[str, Any]) -> list[str]:
        return [
            name,
            number(row["placed_orders"], lang),
            number(row["ga4_orders"], lang),
            _percent(row["ga4_coverage"], lang),
            *[
                brl(row[column], tenant.currency, lang)
                for column in ("store_revenue", "ga4_revenue", "ga4_gap", "meta_value", "google_value", "tiktok_value")
            ],
            _percent(row["platform_claims"], lang),
        ]

    columns = [
        "day", "placed", "in GA4", "coverage", "paid", "GA4", "GA4 - paid", "Meta claims", "Google claims", "TikTok claims",
        "claimed / paid",
    ]  # fmt: skip
    shell.table(
        columns, [*[cells(str(row["day"]), row) for row in found], cells("total", total)], right=tuple(columns[1:])
    )
    return Answer(
        client=tenant.code,
        data={"since": window.since, "last": window.last, "currency": tenant.currency, "days": found, "total": total},
    )


def _gaps(row: dict[str, Any]) -> dict[str, Any]:
    """The row with what GA4 lacks (negative) or has too much, what each platform claims beyond it, and shares.

    Shares of nothing are unknown, not 0.
    """
    claims = row["meta_value"] + row["google_value"] + row["tiktok_value"]
    return row | {
        "ga4_gap": row["ga4_revenue"] - row["store_revenue"],
        "claims_gap": claims - row["store_revenue"],
        "ga4_coverage": _share(row["ga4_orders"], row["placed_orders"]),
        "platform_claims": _share(claims, row["store_revenue"]),
    }


def _share(part: Decimal, whole: Decimal) -> Decimal | None:
    return round(Decimal(part) / whole, 6) if whole else None


def _percent(share: Decimal | None, lang: str) -> str:
    return "—" if share is None else f"{number(100 * share, lang, 1)} %"
