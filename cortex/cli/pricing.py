"""analyze effects: what price changes did, whether products sell as their like do, and how fast stock turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import typer

from cortex.cli.shell import Answer, Shell, number
from cortex.cli.stored import Client, Row, Stored, Top, stored


def register(tree: typer.Typer) -> None:
    """Add the command to `analyze`."""
    tree.command("effects")(effects)


def effects(context: typer.Context, client: Client, top: Top = 20) -> Answer:
    """What moves sales. Price changes, conversion beside products alike, how fast stock turns."""
    shell: Shell = context.obj
    with stored(shell, client) as held:
        listed = held.rows("SELECT * FROM rpt_product_effects ORDER BY units DESC, platform, product_id")
        related = held.figures("effects")
        changed = sorted((row for row in listed if row["lift"] is not None), key=lambda row: -abs(row["lift"]))
        _show_changes(shell, held, changed[:top])
        _show_pace(shell, held, listed[:top])
        _show_relations(shell, held, related)
        warnings = []
        if listed and all(row["conversion"] is None for row in listed):
            told = "Conversion is empty: no source counts views or visits (analytics.ga4)."
            warnings.append({"code": "visits_unknown", "message": told})
            shell.say(told)
        data = {"as_of": held.as_of, "products": listed, "price_changes": changed, "correlations": related}
        return Answer(client=client, data=data, warnings=warnings)


def _show_relations(shell: Shell, held: Stored, related: Mapping[str, Any]) -> None:
    rows = [
        [name.removeprefix("conversion_by_").replace("_", " "), number(value, held.lang, 2)]
        for name, value in sorted(related.items())
        if value is not None
    ]
    if rows:
        shell.table(["conversion goes with", "rank correlation"], rows, right=["rank correlation"])


def _show_changes(shell: Shell, held: Stored, rows: Sequence[Row]) -> None:
    if not rows:
        shell.show("No price change has a week or more of sales on both sides yet.\n")
        return
    heads = ["changed", "before", "after", "units", "lift", "elasticity"]
    table = [
        [
            row["name"][:32],
            str(row["changed_on"]),
            held.money(row["price_before"]),
            held.money(row["price_after"]),
            f"{row['units_before']} → {row['units_after']}",
            held.share(row["lift"]),
            number(row["elasticity"], held.lang, 2),
        ]
        for row in rows
    ]
    shell.table(["price changes", *heads], table, right=heads[1:])
    shell.show()


def _show_pace(shell: Shell, held: Stored, rows: Sequence[Row]) -> None:
    heads = ["units", "conversion", "expected", "reduced", "turns/year", "lasts, days"]
    table = [
        [
            row["name"][:32],
            number(row["units"], held.lang),
            *("—" if row[name] is None else f"{number(100 * float(row[name]), held.lang, 2)} %"
              for name in ("conversion", "expected_conversion")),
            held.share(row["reduced_share"]),
            number(row["turnover"], held.lang, 1),
            number(row["cover_days"], held.lang, 0),
        ]
        for row in rows
    ]  # fmt: skip
    shell.table(["product", *heads], table, right=heads)
    shell.show()
