"""analyze attribution: who earned a client's revenue, by any model and window, beside what it cost and what is claimed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli.narrow import narrow
from cortex.cli.period import shown
from cortex.cli.shell import Answer, Shell, brl, number
from cortex.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from cortex.clock import Window
    from cortex.steps.performance import Performance
    from cortex.tenant import Tenant

WINDOWS = (1, 7, 14, 28, 90)
"""The windows people compare; any other number of days works too."""
LONGEST = 365
MONEY = ("revenue", "new_revenue", "spend", "claimed_revenue", "margin", "cac", "cpa")
COLUMNS = (
    ("revenue", 0), ("share", 4), ("orders", 3), ("new_customers", 1), ("spend", 0), ("roas", 0), ("cac", 1),
    ("claimed_revenue", 2), ("claimed_roas", 3), ("roas_new", 4), ("cpa", 5), ("poas", 3),
)  # fmt: skip
"""Columns of the table, and how soon each is given up where the terminal is narrow: the highest number first."""


def register(app: typer.Typer) -> None:
    tree = next(group.typer_instance for group in app.registered_groups if group.name == "analyze")
    assert tree is not None
    tree.command("attribution")(attribution)


def attribution(
    context: typer.Context,
    client: Annotated[str, typer.Argument(metavar="CLIENT")],
    model: Annotated[
        list[str] | None, typer.Option("--model", help="Model; may be repeated. The first of the client file.")
    ] = None,
    window: Annotated[
        int | None,
        typer.Option("--window", help="Days before an order in which a visit earns credit: 1, 7, 14, 28, 90 …"),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Models side by side; all of them when none is named.")
    ] = False,
    campaigns: Annotated[bool, typer.Option("--campaigns", help="By campaign instead of by channel.")] = False,
    days: Annotated[int, typer.Option("--days", help="Days, ending with the last one loaded.")] = 30,
    since: Annotated[str, typer.Option("--from", metavar="YYYY-MM-DD", help="First day.")] = "",
    last: Annotated[str, typer.Option("--to", metavar="YYYY-MM-DD", help="Last day.")] = "",
    chart: Annotated[Path | None, typer.Option("--chart", metavar="FILE.html|.svg", help="Also draw it.")] = None,
) -> Answer:
    """Who earned the revenue, by channel or campaign. ROAS and CAC on all and on new customers, MER, POAS."""
    from cortex import tenant as tenants
    from cortex.reports import insights
    from cortex.steps import performance

    shell: Shell = context.obj
    tenant = tenants.load(shell.workspace, client)
    models = _models(tenant, model, compare=compare)
    reach = tenant.analytics.attribution_window_days if window is None else window
    if not 1 <= reach <= LONGEST:
        raise UsageError("CTX-7002", f"--window {reach} is out of range.", fix=f"Use 1 to {LONGEST} days.")
    if chart is not None:
        insights.check(chart)
    with shell.warehouse(tenant.code) as warehouse:
        period = shown(warehouse, days, since, last)
        found = performance.gather(warehouse, tenant, period, models=models, window_days=reach)
    lang = shell.lang or tenant.lang
    _headline(shell, tenant, found, period, reach, models, lang)
    rows = found.campaigns if campaigns else found.channels
    warnings = _warnings(found, models, lang)
    if len(models) > 1:
        _side_by_side(shell, tenant, rows, models, lang, campaigns=campaigns)
    else:
        _table(shell, tenant, rows, lang, campaigns=campaigns)
    _footer(shell, tenant, found, lang)
    if campaigns:
        _matching(shell, found, lang)
    for warning in warnings:
        shell.say(f"! {warning['message']}")
    if chart is not None:
        _draw(shell, tenant, chart, found, models, lang)
    return Answer(client=tenant.code, data=_facts(found, period, reach, models, chart), warnings=warnings)


def _models(tenant: Tenant, asked: Sequence[str] | None, *, compare: bool) -> tuple[str, ...]:
    from cortex import plugins

    known = plugins.kinds("attribution")
    for name in asked or ():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise UsageError(
                "CTX-7001", f"There is no attribution model {name!r}.{hint}", fix=f"One of {', '.join(known)}."
            )
    if asked:
        return tuple(dict.fromkeys(asked))
    return tuple(known) if compare else tenant.analytics.models[:1]


def _headline(
    shell: Shell, tenant: Tenant, found: Performance, period: Window, reach: int, models: Sequence[str], lang: str
) -> None:
    from cortex.reports.analysis_words import said

    told = [name if found.methods.get(name, name) == name else f"{name} = {found.methods[name]}" for name in models]
    origin = said("attr_stored" if found.stored else "attr_now", lang)
    window = said("attr_window", lang, days=reach)
    shell.say(f"{tenant.code} · {period.since} – {period.last} · {', '.join(told)} · {window} · {origin}")


def _warnings(found: Performance, models: Sequence[str], lang: str) -> list[dict[str, str]]:
    from cortex.reports.analysis_words import said

    told = []
    split = [name for name in models if name != "shapley_equal_split" == found.methods.get(name)]
    if split:
        told.append(("no_null_journeys", said("attr_no_nulls", lang, models=", ".join(split))))
    lacking = found.channels.filter(found.channels["margin"].is_null() & (found.channels["spend"] > 0))
    if lacking.height:
        known = min(lacking["cost_known"].fill_null(0.0).to_list())
        told.append(("cost_missing", said("attr_no_cost", lang, share=number(100 * known, lang))))
    return [{"code": code, "message": message} for code, message in told]


def _cell(row: dict[str, Any], name: str, tenant: Tenant, lang: str) -> str:
    value = row[name]
    if value is None or (value == 0 and name in {"spend", "claimed_revenue"}):
        return "—"
    if name in MONEY:
        return brl(Decimal(round(value)) / 100, tenant.currency, lang)
    if name == "share":
        return f"{number(100 * value, lang, 1)} %"
    return number(value, lang, 1 if name in {"orders", "new_customers"} else 2)


def _name(row: dict[str, Any], lang: str, *, campaigns: bool) -> list[str]:
    from cortex.reports.words import word

    channel = word(row["channel"], lang)
    if not campaigns:
        return [channel]
    return [channel, row.get("campaign") or row["campaign_id"] or word("no_campaign", lang)]


def _table(shell: Shell, tenant: Tenant, rows: pl.DataFrame, lang: str, *, campaigns: bool) -> None:
    from cortex.reports.words import word

    heads = [word("channel", lang), *([word("campaign", lang)] if campaigns else [])]
    cells = [
        [*_name(row, lang, campaigns=campaigns), *[_cell(row, name, tenant, lang) for name, _ in COLUMNS]]
        for row in rows.iter_rows(named=True)
    ]
    titles = [*heads, *[word(f"attr_{name}", lang) for name, _ in COLUMNS]]
    ranks = [*[-1 for _ in heads], *[rank for _, rank in COLUMNS]]
    narrow(shell, titles, cells, ranks, right=titles[len(heads) :], lang=lang)


def _side_by_side(
    shell: Shell, tenant: Tenant, rows: pl.DataFrame, models: Sequence[str], lang: str, *, campaigns: bool
) -> None:
    """Revenue of each channel by each model, and what the platform claims."""
    from cortex.reports.words import word

    heads = [word("channel", lang), *([word("campaign", lang)] if campaigns else [])]
    keys = ["channel", *(["campaign_id"] if campaigns else [])]
    table: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows.iter_rows(named=True):
        table.setdefault(tuple(row[key] for key in keys), {})[row["model"]] = row
    order = sorted(table, key=lambda key: (-max(row["revenue"] for row in table[key].values()), key))
    cells = []
    for key in order:
        any_row = next(iter(table[key].values()))
        revenue = [table[key][model]["revenue"] if model in table[key] else 0 for model in models]
        claimed = any_row["claimed_revenue"]
        cells.append(
            [
                *_name(any_row, lang, campaigns=campaigns),
                *[brl(Decimal(value) / 100, tenant.currency, lang) for value in revenue],
                brl(Decimal(claimed) / 100, tenant.currency, lang) if claimed else "—",
            ]
        )
    titles = [*heads, *[word(model, lang) for model in models], word("attr_claimed_revenue", lang)]
    ranks = [*[-1 for _ in heads], *range(len(models)), 1]
    narrow(shell, titles, cells, ranks, right=titles[len(heads) :], lang=lang)


def _footer(shell: Shell, tenant: Tenant, found: Performance, lang: str) -> None:
    def money(value: Decimal | None) -> str:
        return brl(value, tenant.currency, lang)

    from cortex.reports.words import word

    shell.show()
    shell.show(
        f"{word('revenue', lang)} {money(found.net)} · {word('orders', lang)} {number(found.orders, lang)}"
        f" · {word('new_customers', lang)} {number(found.new_customers, lang)} · {word('spend', lang)} {money(found.spend)}"
        f" · MER {number(found.mer, lang, 2)} · CAC {money(found.cac)}"
    )


def _matching(shell: Shell, found: Performance, lang: str) -> None:
    """How many visits of each paid channel could be tied to a campaign."""
    from cortex.reports.analysis_words import said
    from cortex.reports.words import word

    rates = [
        f"{word(row['channel'], lang)} {number(100 * Decimal(row['matched']) / row['touches'], lang, 1)} %"
        for row in found.matching
    ]
    if rates:
        shell.show(said("attr_matched", lang, rates=" · ".join(rates)))


def _draw(shell: Shell, tenant: Tenant, file: Path, found: Performance, models: Sequence[str], lang: str) -> None:
    from cortex.reports import charts, insights

    revenue: dict[str, dict[str, float]] = {}
    for row in found.channels.iter_rows(named=True):
        revenue.setdefault(row["channel"], {})[row["model"]] = row["revenue"] / 100
    order = sorted(revenue, key=lambda channel: (-max(revenue[channel].values()), channel))
    drawing = charts.by_model({channel: revenue[channel] for channel in order}, models, lang)
    insights.write(file, drawing, title=f"{tenant.name} · {', '.join(models)}", lang=lang)
    shell.say(str(file))


def _facts(found: Performance, period: Window, reach: int, models: Sequence[str], chart: Path | None) -> dict[str, Any]:
    def plain(rows: pl.DataFrame, model: str) -> list[dict[str, Any]]:
        return [_priced(row) for row in rows.iter_rows(named=True) if row["model"] == model]

    return {
        "since": period.since,
        "last": period.last,
        "window_days": reach,
        "stored": found.stored,
        "totals": {
            "orders": found.orders,
            "new_customers": found.new_customers,
            "gross_revenue": found.gross,
            "net_revenue": found.net,
            "spend": found.spend,
            "mer": found.mer,
            "cac": found.cac,
        },
        "matching": [
            row | {"match_rate": round(Decimal(row["matched"]) / row["touches"], 6)} for row in found.matching
        ],
        "models": {
            model: {
                "method": found.methods.get(model, model),
                "channels": plain(found.channels, model),
                "campaigns": plain(found.campaigns, model),
            }
            for model in models
        },
        "chart": chart,
    }


def _priced(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its money as decimals of the currency, to the cent."""
    told = {name: value for name, value in row.items() if name != "model"}
    for name in MONEY:
        if told[name] is not None:
            told[name] = Decimal(round(told[name])) / 100
    return told
