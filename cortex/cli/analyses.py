"""analyze: attribution and customer value, of a client's warehouse or of a file."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli import pricing, trading, valuing
from cortex.cli.shell import Answer, Shell, as_day, number
from cortex.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from cortex.attribution import Totals
    from cortex.customers.prediction import Forecast, Note, Validation

PATH_MODELS = (
    "last_click",
    "first_click",
    "linear",
    "position_based",
    "markov_1",
    "markov_2",
    "markov_3",
    "shapley",
    "shapley_equal_split",
)
"""Models a path table can be judged by: it has no times and no visitors. `incremental` joins where it has nulls."""


def register(app: typer.Typer) -> None:
    tree = typer.Typer(help="Attribution and customer value.", no_args_is_help=True, rich_markup_mode=None)
    tree.command("paths")(paths)
    tree.command("transactions")(transactions)
    valuing.register(tree)
    pricing.register(tree)
    trading.register(tree)
    app.add_typer(tree, name="analyze")


def paths(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="path;total_conversions;total_conversion_value;total_null")
    ],
) -> Answer:
    """Attribute a path table, without a client. Every model side by side."""
    from cortex import plugins
    from cortex.attribution import _table, data_driven, method, totals_of

    shell: Shell = context.obj
    names, market = _table.read(file)
    kinds = PATH_MODELS + (("incremental",) if market.knows_nulls else ())
    found = {kind: totals_of(plugins.module("attribution", kind), market) for kind in kinds}
    warnings = []
    if not market.knows_nulls:
        told = (
            "No path ended without a conversion (total_null): shapley is the equal split, markov compares with nothing."
        )
        warnings.append({"code": "no_null_paths", "message": told})
        shell.say(told)
    _side_by_side(shell, names, found)
    return Answer(
        data={
            "paths": market.count,
            "conversions": float(market.conversions.sum()),
            "value": float(market.value.sum()),
            "nulls": float(market.nulls.sum()),
            "data_driven": data_driven.choice(market),
            "methods": {kind: method(kind, plugins.module("attribution", kind), market) for kind in found},
            "models": {kind: _by_channel(names, totals) for kind, totals in found.items()},
        },
        warnings=warnings,
    )


def _by_channel(names: list[str], totals: Totals) -> dict[str, dict[str, float]]:
    table: dict[str, dict[str, float]] = {}
    for at, name in enumerate(names):
        table[name] = {"conversions": float(totals.conversions[at]), "value": float(totals.value[at])}
        if totals.removal_effect is not None:
            table[name]["removal_effect"] = float(totals.removal_effect[at])
    return table


def _side_by_side(shell: Shell, names: list[str], found: dict[str, Totals]) -> None:
    """Conversions of each channel by each model; where the terminal is narrow, as many models as it holds."""
    from cortex.cli.narrow import narrow
    from cortex.reports.analysis_words import said

    lang = shell.lang or "en"
    rows = [
        [name, *[number(float(totals.conversions[at]), lang, 2) for totals in found.values()]]
        for at, name in enumerate(names)
    ]
    titles = [said("channel", lang), *found]
    narrow(shell, titles, rows, [-1, *(0 for _ in found)], right=list(found), lang=lang)


def transactions(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="customer,date,value")],
    until: Annotated[
        str, typer.Option("--until", metavar="YYYY-MM-DD", help="Last day observed; the file's last.")
    ] = "",
    horizon: Annotated[list[int] | None, typer.Option("--horizon", help="Days ahead; may be repeated.")] = None,
    top: Annotated[int, typer.Option("--top", help="Buyers listed, most valuable first; 0 for all.")] = 20,
    validate: Annotated[bool, typer.Option("--validate", help="Also hide the last quarter and predict it.")] = False,
) -> Answer:
    """Value the customers of a file, without a client. Parameters, their errors, predictions."""
    from cortex.customers import _transactions, prediction

    shell: Shell = context.obj
    purchases, notes = _transactions.settled(_transactions.read(file))
    horizons = tuple(horizon or prediction.HORIZONS)
    if min(horizons) < 1 or len(set(horizons)) != len(horizons):
        raise UsageError("CTX-1041", "--horizon needs different numbers of days of 1 or more.", fix="--horizon 90")
    return _valued(
        shell, purchases, _last(purchases, until), horizons=horizons, top=top, validate=validate, notes=notes
    )


def _last(purchases: pl.DataFrame, until: str) -> date:
    """The last day observed: as asked for, else that of the last purchase."""
    days = purchases["day"]
    last = as_day(until) or days.max()
    if not isinstance(last, date) or not (days <= last).any():
        raise UsageError("CTX-1041", f"There are no purchases up to {until or 'today'}.", fix="Use a later day.")
    return last


def _valued(
    shell: Shell,
    purchases: pl.DataFrame,
    until: date,
    *,
    horizons: tuple[int, ...],
    top: int,
    validate: bool,
    notes: Sequence[Note],
) -> Answer:
    from cortex.customers import prediction

    told = prediction.forecast(purchases, until=until, horizons=horizons)
    held = None
    if validate:
        quarter = timedelta(days=90)
        if not (purchases["day"] <= until - quarter).any():
            raise UsageError("CTX-1041", "There is no purchase before the last quarter.", fix="Leave out --validate.")
        held = prediction.validate(purchases, cut=until - quarter, until=until)
    for note in (*notes, *told.notes):
        shell.say(note.message)
    _show_value(shell, told, horizons, held)
    data = _forecast_facts(told, until, horizons, top)
    if held:
        data["validation"] = validation_facts(held)
    warnings = [{"code": note.code, "message": note.message} for note in (*notes, *told.notes)]
    return Answer(data=data, warnings=warnings)


def _forecast_facts(told: Forecast, until: date, horizons: tuple[int, ...], top: int) -> dict[str, Any]:
    import math

    buyers = told.buyers.sort("clv", "customer_key", descending=[True, False])
    spending = told.spending
    # Parameters are told per week: the unit of the published examples.
    facts: dict[str, Any] = {
        "until": until,
        "unit": "week",
        "buyers": buyers.height,
        "repeat_buyers": int((buyers["frequency"] > 0).sum()),
        "model": told.model,
        "value_model": told.value_model,
        "correlation": told.correlation,
        "predictions": {
            str(days): {"orders": buyers[f"orders_{days}"].sum(), "value": buyers[f"value_{days}"].sum()}
            for days in horizons
        },
        "clv_12_months": buyers["clv"].sum(),
        "expected_alive": buyers["p_alive"].sum(),
        "customers": (buyers.head(top) if top else buyers).to_dicts(),
    }
    fitted: dict[str, Any] = dict(told.counting)
    if spending is not None:
        fitted["gamma_gamma"] = spending
    for name, fit in fitted.items():
        facts[name] = {
            "parameters": {key: value if math.isfinite(value) else None for key, value in fit.parameters.items()},
            "standard_errors": fit.error,
            "log_likelihood": fit.log_likelihood if math.isfinite(fit.log_likelihood) else None,
            "converged": fit.converged,
        }
    return facts


def validation_facts(held: Validation) -> dict[str, Any]:
    from dataclasses import asdict

    facts = {key: value for key, value in vars(held).items() if key not in {"calibration", "notes"}}
    return facts | {
        "orders_ratio": held.predicted_orders / held.actual_orders if held.actual_orders else None,
        "value_ratio": held.predicted_value / held.actual_value if held.actual_value else None,
        "calibration": held.calibration.to_dicts(),
        "notes": [asdict(note) for note in held.notes],
    }


def _show_value(shell: Shell, told: Forecast, horizons: tuple[int, ...], held: Validation | None) -> None:
    from cortex.reports.analysis_words import said

    lang = shell.lang or "en"
    fitted: dict[str, Any] = dict(told.counting) | ({"gamma_gamma": told.spending} if told.spending else {})
    rows = [
        [model, name, number(value, lang, 3), number(fit.error[name], lang, 3) if fit.error else "—"]
        for model, fit in fitted.items()
        for name, value in fit.parameters.items()
    ]
    heads = [said(name, lang) for name in ("model", "parameter", "value", "error")]
    shell.table(heads, rows, right=heads[2:])
    shell.show()
    heads = [said(name, lang) for name in ("days_ahead", "orders", "value")]
    shell.table(
        heads,
        [
            [
                days,
                number(told.buyers[f"orders_{days}"].sum(), lang, 1),
                number(told.buyers[f"value_{days}"].sum(), lang, 2),
            ]
            for days in horizons
        ],
        right=heads,
    )
    if held:
        shell.show()
        show_validation(shell, held, lang)


def show_validation(shell: Shell, held: Validation, lang: str) -> None:
    """What was predicted of the hidden days, what came, and both by number of earlier repeat orders."""
    from cortex.reports.analysis_words import said

    told = {
        "cut": held.cut,
        "until": held.until,
        "orders": number(held.predicted_orders, lang),
        "came": number(held.actual_orders, lang),
        "value": number(held.predicted_value, lang, 2),
        "paid": number(held.actual_value, lang, 2),
    }
    shell.show(said("validation", lang, **told))
    heads = [said(name, lang) for name in ("repeat_orders", "buyers", "predicted", "actual")]
    shell.table(
        heads,
        [
            [row["frequency"], row["buyers"], number(row["predicted"], lang, 3), number(row["actual"], lang, 3)]
            for row in held.calibration.iter_rows(named=True)
        ],
        right=heads,
    )
