"""dq, reconcile: whether the numbers can be trusted, and how far the platforms disagree with the shop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli.period import shown
from cortex.cli.shell import Answer, Shell, brl, number
from cortex.errors import DatabaseError, QualityGate, UsageError

if TYPE_CHECKING:
    from cortex.tenant import Tenant

SIGNS = {"ok": "✓", "unknown": "?", "failed": "✗"}
SUMMED = (
    "placed_orders", "placed_value", "store_orders", "store_revenue", "ga4_orders", "ga4_revenue", "meta_conversions",
    "meta_value", "google_conversions", "google_value", "tiktok_conversions", "tiktok_value",
)  # fmt: skip

COLUMNS = (
    ("placed", "placed_orders", "count"), ("in GA4", "ga4_orders", "count"), ("coverage", "ga4_coverage", "share"),
    ("paid", "store_revenue", "money"), ("GA4", "ga4_revenue", "money"), ("GA4 - paid", "ga4_gap", "money"),
    ("Meta claims", "meta_value", "money"), ("Google claims", "google_value", "money"),
    ("TikTok claims", "tiktok_value", "money"), ("claimed / paid", "platform_claims", "share"),
)  # fmt: skip
"""Title, name and kind of what is shown of a day."""

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
    whole = {name: sum((row[name] or 0 for row in rows), Decimal(0)) for name in SUMMED}
    off = _off(tenant, whole)
    found = [_without(_gaps(row), off) for row in rows]
    total = _without(_gaps(whole), off)
    lang = shell.lang or tenant.lang
    told = {
        "count": lambda value: number(value, lang),
        "money": lambda value: brl(value, tenant.currency, lang),
        "share": lambda value: _percent(value, lang),
    }
    columns = [column for column in COLUMNS if not column[1].startswith(tuple(f"{source}_" for source in off))]

    def cells(name: str, row: dict[str, Any]) -> list[str]:
        return [name, *(told[kind](row[key]) for _, key, kind in columns)]

    titles = ["day", *(title for title, _, _ in columns)]
    shell.table(
        titles, [*[cells(str(row["day"]), row) for row in found], cells("total", total)], right=tuple(titles[1:])
    )
    if off:
        shell.say(f"Off for this client: {', '.join(off)}.")
    return Answer(
        client=tenant.code,
        data={
            "since": window.since,
            "last": window.last,
            "currency": tenant.currency,
            "off": off,
            "days": found,
            "total": total,
        },
    )


def _off(tenant: Tenant, whole: Mapping[str, Any]) -> list[str]:
    """Sources the client has not and that told nothing in these days: they are unknown, not 0."""
    used = {*tenant.ads, *("ga4" for kind in tenant.traffic if kind.startswith("ga4"))}
    return [
        source for source in ("ga4", "meta", "google", "tiktok")
        if source not in used and not any(whole[name] for name in SUMMED if name.startswith(f"{source}_"))
    ]  # fmt: skip


def _without(row: dict[str, Any], off: Sequence[str]) -> dict[str, Any]:
    gone = tuple(f"{source}_" for source in off)
    return {name: None if gone and name.startswith(gone) else value for name, value in row.items()}


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
