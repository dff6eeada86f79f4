"""analyze: attribution and customer value, of a client's warehouse or of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli.shell import Answer, Shell, number

if TYPE_CHECKING:
    from cortex.attribution import Totals

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
    app.add_typer(tree, name="analyze")


def paths(
    context: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE.csv", help="path;total_conversions;total_conversion_value;total_null")
    ],
) -> Answer:
    """Attribution of a path table, without a client: every model side by side."""
    from cortex import plugins
    from cortex.attribution import _table, data_driven, totals_of

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
    lang = shell.lang or "en"
    rows: list[list[Any]] = [
        [name, *[number(float(totals.conversions[at]), lang, 2) for totals in found.values()]]
        for at, name in enumerate(names)
    ]
    shell.table(["channel", *found], rows, right=list(found))
