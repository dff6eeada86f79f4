"""analyze ltv, rfm, cohorts, churn: what the weekly run found about customers, as tables, JSON and charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli import buying, selling
from cortex.cli.narrow import narrow
from cortex.cli.shell import Answer, Shell, number
from cortex.cli.stored import LABELS, Chart, Client, Row, Stored, Top, among, stored
from cortex.errors import UsageError
from cortex.reports.words import word

if TYPE_CHECKING:
    from cortex.customers.prediction import Validation

DIMENSIONS = ("all", "channel", "cohort", "product", "segment", "tier")
METRICS = ("retention", "revenue", "ltv", "ltv_margin")
COLUMNS = 12
"""Periods of a cohort table that fit a terminal."""
QUARTER = timedelta(days=90)
RANKS = {"value_365": 4, "ltv_window": 3, "clv": 2, "ltv_margin": 1}
"""How soon a column is given up where the terminal is narrow: the highest first."""
WORTH = ("ltv", "ltv_window", "ltv_margin", "value_365", "clv", "cac")
FEW = 125
"""Customers below which there is not one for each of the 125 cells the segments are made of."""


def register(tree: typer.Typer) -> None:
    """Add the commands to `analyze`."""
    for command in (ltv, rfm, cohorts, churn, buying.repeat, buying.places,
                    selling.abc, selling.products, selling.categories, selling.sellers):  # fmt: skip
        tree.command(command.__name__)(command)


def ltv(
    context: typer.Context,
    client: Client,
    by: Annotated[str, typer.Option("--by", help="channel, cohort, product, segment or tier.")] = "all",
    top: Top = 20,
    validate: Annotated[
        bool, typer.Option("--validate", help="Hide the last quarter, predict it, show what came.")
    ] = False,
    chart: Chart = None,
) -> Answer:
    """What customers are worth, realised and expected. Shows the models that say so."""
    shell: Shell = context.obj
    among("--by", by, DIMENSIONS)
    with stored(shell, client, chart) as held:
        groups = held.rows("SELECT * FROM rpt_customer_value WHERE dimension = :by ORDER BY entry", by=by)
        if by in {"channel", "product"}:
            groups.sort(key=lambda row: (-row["revenue"], row["entry"]))
        if by == "cohort":
            groups = _with_payback(held, groups)
        models = held.rows("SELECT * FROM rpt_customer_models ORDER BY role, model, parameter")
        spread, histogram = held.figures("ltv"), _histogram(held)
        found = _hidden_quarter(held) if validate else None
        _show_worth(shell, held, by, groups[-top:] if by == "cohort" else groups[:top])
        if by == "all":
            _show_spread(shell, held, spread, histogram)
            _show_models(shell, held, models)
        if found:
            _show_validation(shell, held, found)
        if chart:
            _draw_worth(held, chart, by, groups[:top], histogram, found)
        data: Row = {
            "as_of": held.as_of,
            "by": by,
            "currency": held.tenant.currency,
            "groups": groups,
            "percentiles": spread,
            "histogram": histogram,
            "models": models,
        }
        if found:
            from cortex.cli.analyses import validation_facts

            data["validation"] = validation_facts(found)
    warnings = [
        {"code": row["reason"], "message": f"{row['model']} is used: {row['reason'].replace('_', ' ')}."}
        for row in models
        if row["is_used"] and row["reason"]
    ]
    uncosted = sum(row["uncosted_customers"] for row in groups)
    if uncosted:
        told = f"Margin is empty where buyers ({uncosted} of them) have an order whose cost of goods is not known."
        warnings.append({"code": "cost_unknown", "message": told})
        shell.say(held.word("cost_unknown", count=number(uncosted, held.lang)))
    return Answer(client=client, data=data, warnings=warnings)


def _histogram(held: Stored) -> list[Row]:
    """Buyers by what they have paid to date: from each bound up to the next."""
    found = held.figures("ltv_histogram")
    bars = [{"from": int(name.removeprefix("from_")), "customers": int(count)} for name, count in found.items()]
    return sorted(bars, key=lambda bar: bar["from"])


def _with_payback(held: Stored, groups: list[Row]) -> list[Row]:
    """Monthly cohorts with what they cost: spend of their own month, and the month it was paid back in."""
    paid = {str(row["cohort"]): row for row in held.rows("SELECT * FROM rpt_cohort_payback WHERE channel = ''")}
    names = ("spend", "cac", "ltv_to_cac", "payback_month", "margin_payback_month")
    # A cohort whose own month has not ended is not judged yet.
    return [group | {name: paid.get(group["entry"], {}).get(name) for name in names} for group in groups]


def _show_worth(shell: Shell, held: Stored, by: str, groups: Sequence[Row]) -> None:
    money = ("ltv", "ltv_margin", "clv", "cac") if by == "cohort" else WORTH
    counts = ("payback_month", "margin_payback_month") if by == "cohort" else ()
    names = ("customers", *money, "ltv_to_cac", *counts)
    heads = [held.word(name, days=held.tenant.analytics.ltv_window_days) for name in names]
    rows = [
        [
            _entry(held, by, row)[:24],
            number(row["customers"], held.lang),
            *(held.money(row[name]) for name in money),
            number(row["ltv_to_cac"], held.lang, 2),
            *(number(row[name], held.lang) for name in counts),
        ]
        for row in groups
    ]
    # The figures of the years ahead go first, then those of the first days and of what it cost.
    ranks = [-1, *(RANKS.get(name, 0) for name in names)]
    narrow(shell, [held.word(by), *heads], rows, ranks, right=heads, lang=held.lang)


def _entry(held: Stored, by: str, row: Row) -> str:
    """A group by its name in the reader's language."""
    label = str(row["label"])
    if by == "cohort":
        return label[:7]
    return {"channel": word(label, held.lang), "segment": held.segment(label)}.get(by) or (
        label if by == "product" else held.word(label)
    )


def _show_spread(shell: Shell, held: Stored, spread: Mapping[str, Any], histogram: Sequence[Row]) -> None:
    names = sorted(spread, key=lambda name: int(name[1:]))
    shell.show()
    shell.table([held.word("ltv_to_date"), *names], [["", *(held.money(spread[name]) for name in names)]], right=names)
    whole = sum(bar["customers"] for bar in histogram)
    if whole:
        heads = [held.word(name) for name in ("ltv_from", "customers", "share")]
        shell.show()
        shell.table(
            heads,
            [
                [
                    number(bar["from"], held.lang),
                    number(bar["customers"], held.lang),
                    held.share(bar["customers"] / whole),
                ]
                for bar in histogram
            ],
            right=heads,
        )


def _show_models(shell: Shell, held: Stored, models: Sequence[Row]) -> None:
    shell.show()
    rows = [
        [
            held.word(row["role"]),
            held.word(row["model"]) if row["model"] == "average" else row["model"],
            row["parameter"],
            number(row["value"], held.lang, 3),
            number(row["error"], held.lang, 3),
            held.word("used" if row["is_used"] else row["reason"] or "spare"),
        ]
        for row in models
    ]
    heads = [held.word(name) for name in ("predicts", "model", "parameter", "value", "error")]
    shell.table([*heads, ""], rows, right=heads[3:])


def _hidden_quarter(held: Stored) -> Validation:
    """Purchases up to the last quarter, and how well they tell what came in it."""
    import polars as pl

    from cortex.customers import prediction

    days = held.warehouse.frame(
        "SELECT customer_key, paid_date, SUM(paid - refunded) AS paid FROM fct_orders"
        " WHERE is_paid = 1 AND paid_date <= :as_of GROUP BY customer_key, paid_date",
        as_of=held.as_of,
    )
    purchases = days.select(
        pl.col("customer_key").cast(pl.String),
        day=pl.col("paid_date").cast(pl.Date),
        value=pl.col("paid").cast(pl.Float64),
    )
    cut = held.as_of - QUARTER
    if not (purchases["day"] <= cut).any():
        raise UsageError("CTX-1041", "There is no purchase before the last quarter.", fix="Leave out --validate.")
    return prediction.validate(purchases, cut=cut, until=held.as_of)


def _show_validation(shell: Shell, held: Stored, found: Validation) -> None:
    from cortex.cli.analyses import show_validation

    shell.show()
    show_validation(shell, found, held.lang)


def _draw_worth(
    held: Stored, chart: Path, by: str, groups: Sequence[Row], histogram: Sequence[Row], found: Validation | None
) -> None:
    from cortex.reports import insights

    if found:
        spec = insights.calibration(found.calibration.to_dicts())
    elif by == "all":
        spec = insights.bars([(f"≥ {number(bar['from'], held.lang)}", bar["customers"]) for bar in histogram])
    else:
        spec = insights.bars([(_entry(held, by, row), float(row["ltv"])) for row in groups])
    held.draw(chart, spec, f"LTV · {by}")


def rfm(context: typer.Context, client: Client, chart: Chart = None) -> Answer:
    """The eleven segments by recency, frequency and money. Who is in them, what they are worth, what to do."""
    from cortex.steps import showing

    shell: Shell = context.obj
    with stored(shell, client, chart) as held:
        segments = showing.segments(held.warehouse)
        end = LABELS[held.lang]
        whole = sum(row["customers"] for row in segments)
        for row in segments:
            row["name"], row["action"] = row[f"name_{end}"], row[f"action_{end}"]
            row["share"] = Decimal(row["customers"]) / whole if whole else None
        warnings = _few(held, whole)
        for warning in warnings:
            shell.say(warning["message"])
        heads = [held.word(name) for name in ("customers", "share", "revenue", "expected_alive", "value_365")]
        rows = [
            [
                row["name"],
                held.word(row["behaviour"]),
                number(row["customers"], held.lang),
                held.share(row["share"]),
                held.money(row["revenue"]),
                number(row["expected_alive"], held.lang),
                held.money(row["value_365"]),
            ]
            for row in segments
        ]
        titles = [held.word("segment"), held.word("behaviour"), *heads]
        narrow(shell, titles, rows, [-1, 3, -1, 1, 0, 2, 0], right=heads, lang=held.lang)
        shell.show()
        for row in segments:
            if row["customers"]:
                shell.show(f"{row['name']}: {row['action']}")
        if chart:
            from cortex.reports import insights

            spec = insights.bars([(row["name"], row["customers"]) for row in segments])
            held.draw(chart, spec, "RFM")
        tiers = held.rows("SELECT * FROM rpt_customer_value WHERE dimension = 'tier' ORDER BY clv")
        return Answer(
            client=client,
            data={"as_of": held.as_of, "segments": segments, "tiers": tiers, "tier_floors": held.figures("tiers")},
            warnings=warnings,
        )


def _few(held: Stored, customers: int) -> list[dict[str, str]]:
    """What to think of segments of so many: nothing, below five to a fifth of them; less than one would, below FEW."""
    if not customers:
        return [{"code": "no_segments", "message": held.word("no_segments")}]
    if customers >= FEW:
        return []
    told = held.word("few_customers", count=customers, fifth=number(customers / 5, held.lang, 1))
    return [{"code": "few_customers", "message": told}]


def cohorts(
    context: typer.Context,
    client: Client,
    metric: Annotated[str, typer.Option("--metric", help="retention, revenue, ltv or ltv_margin.")] = "retention",
    grain: Annotated[str, typer.Option("--grain", help="month or week.")] = "month",
    channel: Annotated[str, typer.Option("--channel", help="Only buyers this channel won; by month.")] = "",
    top: Annotated[int, typer.Option("--top", min=1, help="Cohorts shown, newest last.")] = 13,
    chart: Chart = None,
) -> Answer:
    """Buyers by the period of their first order. What they did since; a period that has not ended is empty."""
    from cortex.steps import showing

    shell: Shell = context.obj
    among("--metric", metric, METRICS)
    among("--grain", grain, ("week", "month"))
    with stored(shell, client, chart) as held:
        cells = showing.cohort_cells(held.warehouse, grain, channel)
        if channel and not cells:
            known = [
                row["channel"] for row in held.rows("SELECT DISTINCT channel FROM rpt_cohort_cells ORDER BY channel")
            ]
            told = ", ".join(name for name in known if name)
            raise UsageError("CTX-7103", f"No monthly cohort was won by {channel}.", fix=f"--channel: {told}")
        begun = sorted({cell["cohort"] for cell in cells})[-top:]
        shown = [cell for cell in cells if cell["cohort"] in begun]
        _show_cohorts(shell, held, shown, metric)
        payback = held.rows(
            "SELECT * FROM rpt_cohort_payback WHERE channel = :channel ORDER BY cohort", channel=channel
        )
        if grain == "month":
            _show_payback(shell, held, payback[-top:])
        if chart:
            from cortex.reports import insights

            spec = insights.matrix(
                [(str(cell["cohort"]), cell["period"], _float(cell[metric])) for cell in shown],
                percent=metric == "retention",
            )
            held.draw(chart, spec, metric)
        return Answer(
            client=client,
            data={
                "as_of": held.as_of,
                "grain": grain,
                "channel": channel or None,
                "cells": cells,
                "payback": payback if grain == "month" else [],
            },
        )


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _show_cohorts(shell: Shell, held: Stored, cells: Sequence[Row], metric: str) -> None:
    periods = range(min(COLUMNS, max((cell["period"] for cell in cells), default=-1) + 1))
    rows: dict[date, list[str]] = {}
    for cell in cells:
        begun = str(cell["cohort"])[: 7 if cell["grain"] == "month" else 10]
        line = rows.setdefault(cell["cohort"], [begun, number(cell["customers"], held.lang)])
        if cell["period"] < COLUMNS:
            value = cell[metric]
            if metric == "retention":
                text = "" if value is None else f"{number(100 * float(value), held.lang)} %"
            else:
                text = "" if value is None else number(value, held.lang)
            line.append(text)
    wide = 2 + len(periods)
    heads = [str(period) for period in periods]
    buyers = held.word("buyers")
    shell.table(
        [held.word("cohort"), buyers, *heads],
        [line + [""] * (wide - len(line)) for line in rows.values()],
        right=[buyers, *heads],
    )


def _show_payback(shell: Shell, held: Stored, payback: Sequence[Row]) -> None:
    """What each cohort cost and when it had paid that back; nothing where no spend is known of any."""
    costed = [row for row in payback if row["cac"] is not None]
    if not costed:
        return
    money, counts = ("spend", "cac", "ltv"), ("payback_month", "margin_payback_month")
    heads = [held.word(name) for name in ("customers", *money, "ltv_to_cac", *counts)]
    rows = [
        [
            str(row["cohort"])[:7],
            number(row["customers"], held.lang),
            *(held.money(row[name]) for name in money),
            number(row["ltv_to_cac"], held.lang, 2),
            *(number(row[name], held.lang) for name in counts),
        ]
        for row in costed
    ]
    shell.show()
    shell.table([held.word("cohort"), *heads], rows, right=heads)


def churn(context: typer.Context, client: Client, top: Top = 20, chart: Chart = None) -> Answer:
    """Who has left, by rule and by probability. Lists the buyers whose return would be worth most."""
    shell: Shell = context.obj
    with stored(shell, client, chart) as held:
        told = held.figures("churn")
        risk = held.rows(
            "SELECT * FROM rpt_customer_predictions WHERE at_stake > 0 ORDER BY at_stake DESC, customer_key LIMIT 100"
        )
        days = number(told["threshold_days"], held.lang)
        model = held.alive_by()
        by = held.word(model) if model == "average" else model
        heads = [held.word(name) for name in ("buyers", "rate")]
        shell.table(
            [held.word("churn"), *heads],
            [
                [held.word("by_rule", days=days), number(told["churned_by_rule"], held.lang), held.share(told["rate_by_rule"])],
                [held.word("probably_gone", model=by), number(told["probably_gone"], held.lang), ""],
                [held.word("expected_gone", model=by), "", held.share(told["rate_by_probability"])],
            ],
            right=heads,
        )  # fmt: skip
        end = LABELS[held.lang]
        heads = [held.word(name) for name in ("orders", "recency_days", "p_alive", "at_stake")]
        shell.show()
        shell.table(
            [held.word("buyer"), held.word("segment"), *heads],
            [
                [
                    row["customer_key"][:12],
                    held.segment(row["rfm_segment"] or ""),
                    number(row["total_orders"], held.lang),
                    number(row["recency_days"], held.lang),
                    held.share(row["p_alive"]),
                    held.money(row["at_stake"]),
                ]
                for row in risk[:top]
            ],
            right=heads,
        )
        shell.show()
        for name, action in dict.fromkeys((row["rfm_segment"], row[f"action_{end}"]) for row in risk[:top]):
            if action:
                shell.show(f"{held.segment(name)}: {action}")
        if chart:
            from cortex.reports import insights

            spec = insights.bars([(row["customer_key"][:12], float(row["at_stake"])) for row in risk[:top]])
            held.draw(chart, spec, "churn")
        return Answer(client=client, data={"as_of": held.as_of, "churn": told | {"model": model}, "at_risk": risk})
