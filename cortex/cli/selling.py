"""analyze abc, products: what is sold, as the weekly run classed it, as tables, JSON and charts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

import typer

from cortex.cli.shell import Answer, Shell, number
from cortex.cli.stored import LABELS, Chart, Client, Row, Stored, Top, among, stored

if TYPE_CHECKING:
    from cortex.products.ranking import By
    from cortex.steps.looked import Looks

SELLERS = 20
SHOWN = 10
"""Rows of prices, categories and sellers on the terminal; `--json` has all of them."""


def abc(context: typer.Context, client: Client, top: Top = 20, chart: Chart = None) -> Answer:
    """Products by cumulated revenue. A makes 80 %, B the next 15 %, C the rest."""
    shell: Shell = context.obj
    with stored(shell, client, chart) as held:
        listed = held.rows(
            "SELECT platform, product_id, MAX(name) AS name, MAX(abc_class) AS abc_class, SUM(units) AS units,"
            " SUM(revenue) AS revenue FROM rpt_product_performance GROUP BY platform, product_id"
            " ORDER BY revenue DESC, platform, product_id"
        )
        classes = [_class(listed, letter) for letter in "ABC"]
        heads = ["products", "revenue", "share"]
        shell.table(
            ["class", *heads],
            [
                [row["abc_class"], row["products"], held.money(row["revenue"]), held.share(row["share"])]
                for row in classes
            ],
            right=heads,
        )
        shell.show()
        _show_products(shell, held, listed[:top], "abc_class", "class")
        if chart:
            from cortex.reports import insights

            spec = insights.bars([(row["name"], float(row["revenue"])) for row in listed[:top]])
            held.draw(chart, spec, "ABC")
        return Answer(client=client, data={"as_of": held.as_of, "classes": classes, "products": listed})


def _class(listed: Sequence[Row], letter: str) -> Row:
    mine = [row for row in listed if row["abc_class"] == letter]
    revenue, whole = (sum((row["revenue"] for row in rows), Decimal(0)) for rows in (mine, listed))
    share = revenue / whole if whole else None
    return {"abc_class": letter, "products": len(mine), "revenue": revenue, "share": share}


def _show_products(shell: Shell, held: Stored, rows: Sequence[Row], of: str, head: str, *, looks: bool = False) -> None:
    table = [
        [
            row["name"][: 28 if looks else 48] or row["product_id"],
            row[of].replace("_", " "),
            number(row["units"], held.lang),
            held.money(row["revenue"]),
            *([number(row["views"], held.lang), held.share(row["conversion_rate"])] if looks else []),
        ]
        for row in rows
    ]
    figures = ["units", "revenue", *(["views", "conv."] if looks else [])]
    shell.table(["product", head, *figures], table, right=figures)


def products(
    context: typer.Context,
    client: Client,
    by: Annotated[str, typer.Option("--by", help="units, revenue or margin.")] = "revenue",
    top: Top = 20,
    chart: Chart = None,
) -> Answer:
    """Best and worst products of the last 90 days. Growth and share, conversion, prices, categories, sellers."""
    from cortex.clock import Window
    from cortex.steps import looked
    from cortex.steps.sold import DAYS

    shell: Shell = context.obj
    among("--by", by, ("units", "revenue", "margin"))
    with stored(shell, client, chart) as held:
        listed = held.rows("SELECT * FROM rpt_product_classes ORDER BY platform, product_id")
        since = held.as_of - timedelta(days=DAYS - 1)
        looks = looked.at(held.warehouse, Window(since, held.as_of + timedelta(days=1)))
        listed = [_with_looks(row, looks) for row in listed]
        best, worst = (_ranked(listed, by, top, worst=last) for last in (False, True))
        end = f"category_{LABELS[held.lang]}"
        parts = {
            "prices": _period(held, "rpt_price_ranges", "price_range, sort_order", "sort_order", since),
            "categories": _period(held, "rpt_categories", f"category, {end}", "revenue DESC, category", since),
            "sellers": _period(held, "rpt_sellers", "seller_id, city, state", "revenue DESC, seller_id", since)[
                :SELLERS
            ],
        }
        for title, rows in (("Best", best), ("Worst", worst)):
            shell.show(f"{title} {len(rows)} by {by}, {since} to {held.as_of}")
            _show_products(shell, held, rows, "bcg_class", "BCG", looks=bool(looks.source))
            shell.show()
        _say_source(shell, held, looks.source)
        for name, column in (("prices", "price_range"), ("categories", end), ("sellers", "seller_id")):
            _show_part(shell, held, name, column, parts[name][:SHOWN])
        if chart:
            from cortex.reports import insights

            points = [_point(row) for row in listed if row["growth"] is not None]
            title = f"{held.tenant.name} · BCG · {held.as_of}"
            insights.write(chart, insights.classes(points), title=title, lang=held.lang)
        data = {
            "as_of": held.as_of,
            "since": since,
            "best": best,
            "worst": worst,
            "products": listed,
            "views_from": looks.source,
            "thresholds": held.figures("bcg"),
            "concentration": held.figures("sellers"),
            **parts,
        }
        return Answer(client=client, data=data)


def _with_looks(row: Row, looks: Looks) -> Row:
    """The row with what the source of views tells of its product: nothing, not 0, where it tells nothing."""
    look = looks.of(row["platform"], row["product_id"])
    told = {"views": look.views, "carts": look.carts, "purchases_seen": look.purchases} if look else {}
    unknown: Row = dict.fromkeys(("views", "carts", "purchases_seen"))
    return {**row, **unknown, **told, "conversion_rate": look.conversion if look else None}


def _say_source(shell: Shell, held: Stored, source: str) -> None:
    from cortex.reports.words import word

    if source:
        said = word("conversion_note", held.lang).format(source=word(f"source_{source}", held.lang))
    else:
        said = word("conversion_unknown", held.lang)
    shell.show(said)
    shell.show()


def _ranked(listed: Sequence[Row], by: str, top: int, *, worst: bool) -> list[Row]:
    """Products sold in the period, by one figure. The same order as `cortex.products.ranking` has it."""
    import polars as pl

    from cortex.products import ranking

    if not listed:
        return []
    field: By = by  # type: ignore[assignment]
    table = pl.DataFrame([{"at": at} | {name: row[name] for name in ("platform", "product_id", by)}
                          for at, row in enumerate(listed) if row["units"] > 0],
                         schema_overrides={by: pl.Float64}, infer_schema_length=None)  # fmt: skip
    if table.is_empty():
        return []
    return [listed[at] for at in ranking.ranked(table, by=field, top=top, worst=worst)["at"]]


def _point(row: Row) -> Row:
    share, growth = float(row["share"]), float(row["growth"])
    return {"name": row["name"], "share": share, "growth": growth, "bcg_class": row["bcg_class"]}


def _period(held: Stored, view: str, names: str, order: str, since: date) -> list[Row]:
    """A daily view added up over the period."""
    return held.rows(
        f"SELECT {names}, SUM(orders) AS orders, SUM(units) AS units, SUM(revenue) AS revenue FROM {view}"  # noqa: S608
        f" WHERE day >= :since AND day <= :last GROUP BY {names} ORDER BY {order}",
        since=since,
        last=held.as_of,
    )


def _show_part(shell: Shell, held: Stored, name: str, column: str, rows: Sequence[Row]) -> None:
    if not rows:
        return
    heads = ["orders", "units", "revenue"]
    table = [
        [
            row[column][:48] or "—",
            number(row["orders"], held.lang),
            number(row["units"], held.lang),
            held.money(row["revenue"]),
        ]
        for row in rows
    ]
    shell.table([name, *heads], table, right=heads)
    shell.show()
