"""analyze funnel: how far a client's visits came, from the first page to the sale, as a table with bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli.period import shown
from cortex.cli.shell import Answer, Shell, number
from cortex.cli.stored import among
from cortex.errors import DatabaseError

if TYPE_CHECKING:
    from cortex.clock import Window
    from cortex.reports.funnel import Level
    from cortex.warehouse import Warehouse

PARTS = ("channel", "device")
WIDE = 18
"""Characters of the longest bar."""
EIGHTHS = " ▏▎▍▌▋▊▉"
ROWS = "SELECT * FROM rpt_funnel WHERE day >= :since AND day < :until ORDER BY origin, day, channel, device"


def register(app: typer.Typer) -> None:
    tree = next(group.typer_instance for group in app.registered_groups if group.name == "analyze")
    assert tree is not None
    tree.command("funnel")(funnel)


def funnel(
    context: typer.Context,
    client: Annotated[str, typer.Argument(metavar="CLIENT")],
    by: Annotated[str, typer.Option("--by", help="channel or device: rates of each, side by side.")] = "",
    days: Annotated[int, typer.Option("--days", help="Days, ending with the last one loaded.")] = 30,
    since: Annotated[str, typer.Option("--from", "--since", metavar="YYYY-MM-DD", help="First day.")] = "",
    last: Annotated[str, typer.Option("--to", "--until", metavar="YYYY-MM-DD", help="Last day.")] = "",
) -> Answer:
    """From a visit to a sale: what share got to each stage. As GA4 saw them."""
    from cortex import tenant as tenants
    from cortex.reports import funnel as way
    from cortex.steps.reporting import placed_orders

    shell: Shell = context.obj
    tenant = tenants.load(shell.workspace, client)
    if by:
        among("--by", by, PARTS)
    with shell.warehouse(tenant.code) as warehouse:
        period = shown(warehouse, days, since, last)
        rows = [dict(row) for row in warehouse.rows(ROWS, since=period.since, until=period.until)]
        placed = placed_orders(warehouse, period)
        if not rows:
            raise _nothing(warehouse, period)
    lang = shell.lang or tenant.lang
    shell.say(f"{tenant.code} · {period.since} to {period.last}" + (f" · {by}" if by else ""))
    told = []
    for origin, mine in way.by(rows, "origin").items():
        whole = way.levels(mine)
        parts = {name: way.levels(part) for name, part in way.by(mine, by).items()} if by else {}
        shell.show(_word(f"fn_{origin}", lang))
        if by:
            _side_by_side(shell, by, parts, lang)
        else:
            _table(shell, whole, lang)
        notes = way.unmeasured(whole, len({row["day"] for row in mine}), lang)
        for line in (*notes, way.compared(whole[-1], placed, lang)):
            shell.show(line)
        shell.show()
        told.append(
            {
                "origin": origin,
                "stages": [asdict(level) for level in whole],
                "parts": [{by: name, "stages": [asdict(level) for level in part]} for name, part in parts.items()],
                "purchases": whole[-1].events,
                "coverage": way.coverage(whole[-1], placed),
            }
        )
    data = {"since": period.since, "last": period.last, "by": by, "placed_orders": placed, "funnels": told}
    return Answer(client=tenant.code, data=data)


def _nothing(warehouse: Warehouse, period: Window) -> DatabaseError:
    if warehouse.rows("SELECT COUNT(*) AS n FROM fct_funnel")[0]["n"]:
        return DatabaseError(
            "CTX-8221",
            f"No source told of visits of {warehouse.code} from {period.since} to {period.last}.",
            fix=f"cortex backfill {warehouse.code} --days 90 --only funnel",
        )
    return DatabaseError(
        "CTX-8221",
        f"No source has told yet how far the visits of {warehouse.code} came.",
        fix=f"Write analytics.ga4 into the client file, then cortex run daily {warehouse.code} --only funnel",
    )


def _table(shell: Shell, levels: Sequence[Level], lang: str) -> None:
    figures = [_word(f"fn_{name}", lang) for name in ("sessions", "of_visits", "of_before", "events")]
    rows = [
        [
            _word(f"fn_{level.stage}", lang),
            number(level.sessions, lang),
            _percent(level.of_visits, lang),
            _percent(level.of_before, lang),
            number(level.events, lang),
            bar(level.of_visits),
        ]
        for level in levels
    ]
    shell.table([_word("fn_stage", lang), *figures, ""], rows, right=figures)


def _side_by_side(shell: Shell, by: str, parts: dict[str, list[Level]], lang: str) -> None:
    """A line for each channel or device: visits, the share that each stage kept, and the whole way."""
    stages = ("view", "cart", "checkout", "purchase")
    heads = [_word("fn_visits", lang), *(_word(f"fn_{stage}", lang) for stage in stages), _word("fn_sold", lang)]
    best = max((level.of_visits or Decimal(0) for part in parts.values() for level in part[-1:]), default=Decimal(0))
    rows = []
    for name, part in parts.items():
        at = {level.stage: level for level in part}
        rate = at["purchase"].of_visits
        rows.append(
            [
                _word(name, lang)[:18] if name else "—",
                number(at["visit"].sessions, lang),
                *(_percent(at[stage].of_before, lang) for stage in stages),
                _percent(rate, lang),
                bar(rate / best if rate is not None and best else None, 8),
            ]
        )
    shell.table([_word(f"fn_{by}", lang), *heads, ""], rows, right=heads)


def bar(share: Decimal | None, wide: int = WIDE) -> str:
    """A share of the longest bar, to the eighth of a character; what is not nothing shows."""
    if not share:
        return ""
    eighths = max(1, round(float(min(share, Decimal(1))) * wide * 8))
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def _percent(share: Decimal | None, lang: str) -> str:
    return "—" if share is None else f"{number(100 * share, lang, 1)} %"


def _word(key: str, lang: str) -> str:
    from cortex.reports.words import word

    said: Any = word(key, lang)
    return str(said)
