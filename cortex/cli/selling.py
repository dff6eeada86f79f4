"""analyze abc, products, categories, sellers: what is sold and by whom, as tables, JSON and charts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli.narrow import narrow
from cortex.cli.shell import Answer, Shell, number
from cortex.cli.stored import LABELS, Chart, Client, Row, Stored, Top, among, stored

if TYPE_CHECKING:
    from cortex.products.ranking import By
    from cortex.steps.looked import Looks

SELLERS = 20
SHOWN = 10
"""Rows of prices, categories and sellers beside products on the terminal; `--json` has all of them."""
SUMS = "SUM(orders) AS orders, SUM(units) AS units, SUM(revenue) AS revenue"


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
        heads = [held.word(name) for name in ("products", "revenue", "share")]
        shell.table(
            [held.word("class"), *heads],
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


def _show_products(shell: Shell, held: Stored, rows: Sequence[Row], of: str, head: str, *more: str) -> None:
    """more: figures beside units and revenue."""
    heads = [held.word(name) for name in ("units", "revenue", *more)]
    table = [
        [
            row["name"][:32] or row["product_id"],
            held.word(row[of]) if row[of] else "—",
            number(row["units"], held.lang),
            held.money(row["revenue"]),
            *(_figure(held, name, row[name]) for name in more),
        ]
        for row in rows
    ]
    titles = [held.word("product"), head if head == "BCG" else held.word(head), *heads]
    narrow(shell, titles, table, [-1, 0, 0, -1, *range(1, len(more) + 1)], right=heads, lang=held.lang)


def _figure(held: Stored, name: str, value: Any) -> str:
    if name == "views":
        return number(value, held.lang)
    return held.share(value) if name == "conversion_rate" else held.money(value)


def products(
    context: typer.Context,
    client: Client,
    by: Annotated[str, typer.Option("--by", help="units, revenue or margin.")] = "revenue",
    top: Top = 20,
    chart: Chart = None,
) -> Answer:
    """Best and worst products of the last 90 days. Growth and share, conversion, units a day, prices, categories."""
    from cortex.clock import Window
    from cortex.steps import looked

    shell: Shell = context.obj
    among("--by", by, ("units", "revenue", "margin"))
    with stored(shell, client, chart) as held:
        listed = held.rows("SELECT * FROM rpt_product_classes ORDER BY platform, product_id")
        since = _since(held)
        looks = looked.at(held.warehouse, Window(since, held.as_of + timedelta(days=1)))
        listed = [_with_looks(row, looks) for row in listed]
        more = (
            *(("conversion_rate",) if looks.source else ()),
            "margin",
            "units_per_day",
            *(("views",) if looks.source else ()),
        )
        best, worst = (_ranked(listed, by, top, worst=last) for last in (False, True))
        parts = {
            "prices": _prices(held, since),
            "categories": _categories(held, since),
            "sellers": _sellers(held, since),
        }
        for title, rows in (("best", best), ("worst", worst)):
            span = {"count": len(rows), "by": held.word(by), "since": since, "last": held.as_of}
            shell.show(held.word(title, **span))
            _show_products(shell, held, rows, "bcg_class", "BCG", *more)
            shell.show()
        _say_source(shell, held, looks.source)
        thresholds = held.figures("bcg")
        if thresholds:
            told = {name: held.share(thresholds[name]) for name in ("growth", "share") if name in thresholds}
            known = "growth" in told
            shell.show(
                held.word("thresholds", **told, days=int(thresholds["days"])) if known else held.word("too_young")
            )
            shell.show()
        columns = {"prices": "price_range", "categories": f"category_{LABELS[held.lang]}", "sellers": "seller_id"}
        for name, rows in parts.items():
            _show_part(shell, held, name, columns[name], rows[:SHOWN])
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
            "thresholds": thresholds,
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


def categories(context: typer.Context, client: Client, top: Top = 10, chart: Chart = None) -> Answer:
    """Categories of the last 90 days by revenue. Margin only where every cost is known; the chart is a treemap."""
    shell: Shell = context.obj
    with stored(shell, client, chart) as held:
        since = _since(held)
        rows = _categories(held, since)
        name = f"category_{LABELS[held.lang]}"
        heads = [held.word(one) for one in ("orders", "units", "revenue", "share", "margin", "margin_share")]
        table = [
            [
                row[name][:24] or "—",
                number(row["orders"], held.lang),
                number(row["units"], held.lang),
                held.money(row["revenue"]),
                held.share(row["share"]),
                held.money(row["margin"]),
                held.share(row["margin_share"]),
            ]
            for row in rows[:top]
        ]
        shell.say(f"{since} – {held.as_of}")
        ranks = [-1, 2, 1, -1, 0, 0, 0]
        narrow(shell, [held.word("categories"), *heads], table, ranks, right=heads, lang=held.lang)
        if chart:
            from cortex.reports import treemap

            parts = [(row[name] or "—", float(row["revenue"])) for row in rows]
            held.draw(chart, treemap.drawing(parts), held.word("categories"))
        return Answer(client=client, data={"as_of": held.as_of, "since": since, "categories": rows})


def sellers(context: typer.Context, client: Client, top: Top = SELLERS, chart: Chart = None) -> Answer:
    """Sellers of a marketplace in the last 90 days by revenue. Where they are, price, last order, rating."""
    shell: Shell = context.obj
    with stored(shell, client, chart) as held:
        since = _since(held)
        rows = _sellers(held, since)
        told = held.figures("sellers")
        shell.say(f"{since} – {held.as_of}")
        heads = [held.word(one) for one in ("revenue", "units", "item_price", "order_value", "last_order", "rating")]
        table = [
            [
                row["seller_id"][:12],
                " ".join(part for part in (row["city"][:14], row["state"]) if part) or "—",
                held.money(row["revenue"]),
                number(row["units"], held.lang),
                held.money(row["item_price"]),
                held.money(row["order_value"]),
                str(row["last_order"]),
                number(row["rating"], held.lang, 1),
            ]
            for row in rows[:top]
        ]
        if rows:
            titles = [held.word("sellers"), held.word("place"), *heads]
            narrow(shell, titles, table, [-1, 1, -1, 0, 2, 3, 0, 0], right=heads, lang=held.lang)
            first = {
                "count": number(told["count"], held.lang),
                "top": SELLERS,
                "share": held.share(told[f"share_of_{SELLERS}"]),
            }
            shell.show()
            shell.show(held.word("concentration", **first))
        else:
            shell.show(held.word("no_sellers"))
        if chart:
            from cortex.reports import insights

            spec = insights.bars([(row["seller_id"][:12], float(row["revenue"])) for row in rows[:top]])
            held.draw(chart, spec, held.word("sellers"))
        data = {"as_of": held.as_of, "since": since, "sellers": rows, "concentration": told}
        return Answer(client=client, data=data)


def _since(held: Stored) -> date:
    from cortex.steps.sold import DAYS

    return held.as_of - timedelta(days=DAYS - 1)


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


def _prices(held: Stored, since: date) -> list[Row]:
    return _period(held, "rpt_price_ranges", "price_range, sort_order", SUMS, "sort_order", since)


def _categories(held: Stored, since: date) -> list[Row]:
    """Margin is empty where it is on any day: there a line has no known cost."""
    margin = f"{SUMS}, SUM(margin) AS margin, COUNT(*) - COUNT(margin) AS uncosted"
    names = f"category, category_{LABELS[held.lang]}"
    rows = _period(held, "rpt_categories", names, margin, "revenue DESC, category", since)
    whole = sum((row["revenue"] for row in rows), Decimal(0))
    for row in rows:
        row["margin"] = None if row.pop("uncosted") else row["margin"]
        row["share"] = row["revenue"] / whole if whole else None
        row["margin_share"] = row["margin"] / row["revenue"] if row["margin"] is not None and row["revenue"] else None
    return rows


def _sellers(held: Stored, since: date) -> list[Row]:
    sums = f"{SUMS}, MAX(day) AS day, SUM(reviews) AS reviews, SUM(scores) AS scores"
    rows = _period(held, "rpt_sellers", "platform, seller_id, city, state", sums, "revenue DESC, seller_id", since)
    for row in rows:
        row["last_order"], scores = row.pop("day"), row.pop("scores")
        row["item_price"] = row["revenue"] / row["units"] if row["units"] else None
        row["order_value"] = row["revenue"] / row["orders"] if row["orders"] else None
        row["rating"] = Decimal(scores) / row["reviews"] if row["reviews"] else None
    return rows


def _period(held: Stored, view: str, names: str, sums: str, order: str, since: date) -> list[Row]:
    """A daily view added up over the period."""
    return held.rows(
        f"SELECT {names}, {sums} FROM {view}"  # noqa: S608
        f" WHERE day >= :since AND day <= :last GROUP BY {names} ORDER BY {order}",
        since=since,
        last=held.as_of,
    )


def _show_part(shell: Shell, held: Stored, name: str, column: str, rows: Sequence[Row]) -> None:
    if not rows:
        return
    heads = [held.word(one) for one in ("orders", "units", "revenue")]
    table = [
        [
            row[column][:48] or "—",
            number(row["orders"], held.lang),
            number(row["units"], held.lang),
            held.money(row["revenue"]),
        ]
        for row in rows
    ]
    shell.table([held.word(name), *heads], table, right=heads)
    shell.show()
