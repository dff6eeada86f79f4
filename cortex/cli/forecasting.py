"""forecast train, show, accuracy: what will be sold, by which model, and how far that has been off."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli.shell import Answer, Shell, as_day, number
from cortex.cli.stored import Chart, Client, Row, Stored, among
from cortex.errors import DatabaseError, UsageError

if TYPE_CHECKING:
    from cortex.warehouse import Warehouse

SERIES = ("revenue", "orders")
MARKS = (7, 30, 60, 90, 180)
"""Days ahead whose totals are shown, and the last one there is."""
LOOKED_BACK = 90
"""Days of sales drawn before the forecast."""
SUMMED = """
    SELECT series, COUNT(actual) AS days, MIN(day) AS day, SUM(actual) AS actual, SUM(predicted) AS predicted,
           SUM(ABS(actual - predicted)) AS total, COUNT(lower_80) AS banded,
           COUNT(CASE WHEN actual >= lower_80 AND actual <= upper_80 THEN 1 END) AS inside
    FROM rpt_forecast WHERE channel = 'all' AND actual IS NOT NULL GROUP BY series ORDER BY series DESC
"""
"""What was forecast of days that have come since, each as it was forecast last before it came."""

Series = Annotated[str, typer.Option("--series", help="revenue or orders.")]


def register(app: typer.Typer) -> None:
    tree = typer.Typer(help="Forecasts: train, show, accuracy.", no_args_is_help=True, rich_markup_mode=None)
    for command in (train, show, accuracy):
        tree.command(command.__name__)(command)
    app.add_typer(tree, name="forecast")


def train(
    context: typer.Context,
    client: Client,
    horizon: Annotated[int, typer.Option("--horizon", help="Days ahead, 7 to 180.")] = 90,
    day: Annotated[
        str, typer.Option("--date", metavar="YYYY-MM-DD", help="Last day to learn from; yesterday when left out.")
    ] = "",
) -> Answer:
    """Forecast revenue and orders anew. Chooses the model of each series by its errors in the past."""
    from cortex import logs
    from cortex import tenant as tenants
    from cortex.cli.progress import Progress
    from cortex.clock import system_clock
    from cortex.run import Recipe, Step
    from cortex.runner import engine, plan
    from cortex.steps import forecasting

    shell: Shell = context.obj
    if not forecasting.SHORTEST <= horizon <= forecasting.FARTHEST:
        raise UsageError(
            "CTX-7113",
            f"--horizon {horizon} is out of range.",
            fix=f"Use {forecasting.SHORTEST} to {forecasting.FARTHEST} days.",
        )
    logs.configure(fmt=shell.log_format, verbose=shell.verbose, quiet=shell.quiet)
    tenant = tenants.load(shell.workspace, client)
    step = Step(forecasting.STREAM, lambda run: forecasting.train(run, horizon))
    recipe = Recipe("forecast", "Forecasts anew.", (lambda _tenant: [step],), reread="none", lookback=False)
    window = plan.window_for(tenant, recipe, system_clock()(), day=as_day(day), days=1)
    steps = plan.steps(tenant, recipe, window)
    with Progress(shell, [planned.name for planned in steps]) as progress:
        result = engine.execute(
            tenant, recipe, window, steps, workspace=shell.workspace, database=shell.database,
            clock=system_clock(), listen=progress.hear,
        )  # fmt: skip
    error = next((failed.error for failed in result.failed), None)
    if error is not None:
        shell.complain(error)
        return Answer(client=tenant.code, run_id=result.run_id, error=error)
    with _opened(shell, client) as held:
        models = _models(held)
        _show_models(shell, held, [row for row in models if row["is_used"]])
        data = result.steps[0].outcome.facts | {"models": models}
    warnings = _left_out(shell, data["left_out"])
    return Answer(
        client=tenant.code,
        run_id=result.run_id,
        data=data,
        warnings=warnings,
        next=[f"cortex forecast show {tenant.code}", f"cortex forecast accuracy {tenant.code}"],
    )


def _left_out(shell: Shell, left_out: dict[str, int]) -> list[dict[str, str]]:
    told = [
        f"{channel}: {days} more days of sales are needed for a forecast of its own."
        for channel, days in left_out.items()
    ]
    for message in told:
        shell.say(f" ! {message}")
    return [{"code": "CTX-7111", "message": message} for message in told]


def show(
    context: typer.Context,
    client: Client,
    series: Series = "revenue",
    channel: Annotated[str, typer.Option("--channel", help="all, or a channel.")] = "all",
    days: Annotated[int, typer.Option("--days", min=1, help="Days listed one by one.")] = 14,
    chart: Chart = None,
) -> Answer:
    """What is expected: sums of the next weeks, then day by day. Bands are where 8 of 10 and 19 of 20 days fall."""
    from cortex.reports import insights

    shell: Shell = context.obj
    among("--series", series, SERIES)
    if chart:
        insights.check(chart)
    with _opened(shell, client) as held:
        rows = held.rows(
            "SELECT * FROM rpt_forecast WHERE series = :series AND channel = :channel AND day > :as_of ORDER BY day",
            series=series,
            channel=channel,
            as_of=held.as_of,
        )
        if not rows:
            found = held.rows("SELECT DISTINCT channel FROM rpt_forecast WHERE day > :as_of", as_of=held.as_of)
            known = ", ".join(sorted(row["channel"] for row in found))
            raise UsageError("CTX-7103", f"There is no forecast for channel {channel!r}.", fix=f"--channel: {known}")
        totals = [row for row in rows if row["horizon"] in MARKS or row is rows[-1]]
        _headline(shell, held, rows[0])
        _show_totals(shell, held, totals)
        shell.show()
        _show_days(shell, held, rows[:days])
        if chart:
            past = _past(held.warehouse, series, channel, held.as_of)
            held.draw(chart, insights.ahead(past, rows), f"{_word(held, series)}, {_channel(held, channel)}")
        warnings = _unheard_of(shell, held, rows)
        data = {
            "as_of": held.as_of,
            "series": series,
            "channel": channel,
            "currency": held.tenant.currency if series == "revenue" else None,
            "horizon": rows[-1]["horizon"],
            "model": rows[0]["model"],
            "run_id": rows[0]["run_id"],
            "totals": [_total(row) for row in totals],
            "days": rows,
        }
        return Answer(client=held.tenant.code, run_id=rows[0]["run_id"], data=data, warnings=warnings)


def accuracy(context: typer.Context, client: Client) -> Answer:
    """How far forecasts are off, beside the same weekday last week. In the backtest, and of days that have come since."""
    shell: Shell = context.obj
    with _opened(shell, client) as held:
        models = _models(held)
        since = held.rows(SUMMED)
        _show_models(shell, held, [row for row in models if row["is_used"]])
        _show_since(shell, held, since)
        data = {
            "as_of": held.as_of,
            "judged_days_ahead": 30,
            "models": models,
            "since_trained": [_since(row) for row in since],
        }
        return Answer(client=held.tenant.code, run_id=models[0]["run_id"], data=data)


@contextmanager
def _opened(shell: Shell, client: str) -> Iterator[Stored]:
    """The client's stored forecasts, as of the last day they learnt from.

    Raises QualityGate CTX-7111 while there are too few days to make any, DatabaseError CTX-7112 when nobody has yet.
    """
    from cortex import tenant as tenants
    from cortex.steps import forecasting, reporting

    tenant = tenants.load(shell.workspace, client)
    with shell.warehouse(tenant.code) as warehouse:
        as_of = warehouse.rows("SELECT MAX(as_of) AS as_of FROM rpt_forecast_models")[0]["as_of"]
        if as_of is None:
            days = forecasting.missing(warehouse, reporting.last_day(warehouse))
            if days:
                raise forecasting.too_short(tenant.code, days)
            raise DatabaseError(
                "CTX-7112",
                f"Nothing has been forecast for {tenant.code} yet.",
                fix=f"cortex forecast train {tenant.code}",
            )
        yield Stored(tenant, warehouse, as_of, shell.lang or tenant.lang)


def _models(held: Stored) -> list[Row]:
    """All that were tried; the whole shop first, then channels; in each the used one first."""
    rows = held.rows("SELECT * FROM rpt_forecast_models")
    measure = {0: "mase", 1: "rmsse"}
    rows.sort(
        key=lambda row: (
            row["channel"] != "all", row["channel"], SERIES.index(row["series"]), -row["is_used"],
            row[measure[row["is_intermittent"]]], row["model"],
        )
    )  # fmt: skip
    return rows


def _past(warehouse: Warehouse, series: str, channel: str, last: date) -> list[Row]:
    """day, value of the days before the forecast; a day without sales is zero."""
    value = "SUM(orders)" if series == "orders" else "SUM(gross_revenue) - SUM(refunds)"
    since = last - timedelta(days=LOOKED_BACK - 1)
    found = warehouse.rows(
        f"SELECT day, {value} AS gross_revenue FROM agg_daily_sales WHERE day >= :since AND day <= :last"  # noqa: S608
        " AND (:channel = 'all' OR channel = :channel) GROUP BY day",
        since=since,
        last=last,
        channel=channel,
    )
    sold = {row["day"]: row["gross_revenue"] for row in found}
    days = (since + timedelta(days=at) for at in range(LOOKED_BACK))
    return [{"day": day, "value": float(sold.get(day, 0))} for day in days]


def _unheard_of(shell: Shell, held: Stored, rows: Sequence[Row]) -> list[dict[str, str]]:
    """A Black Friday to come that the model knows nothing of: it has seen none, or forecast better without."""
    fridays = [row["day"] for row in rows if row["is_black_friday"]]
    if not fridays:
        return []
    seen = held.rows(
        "SELECT COUNT(*) AS days FROM dim_dates d JOIN forecast_models m ON d.day >= m.history_since AND d.day <= m.as_of"
        " WHERE d.is_black_friday = 1 AND m.is_used = 1 AND m.series = :series AND m.channel = :channel",
        series=rows[0]["series"],
        channel=rows[0]["channel"],
    )[0]["days"]
    if seen and rows[0]["model"].endswith("_calendar"):
        return []
    message = _word(held, "fc_black_friday").format(day=fridays[0])
    shell.say(f" ! {message}")
    return [{"code": "black_friday_unknown", "message": message}]


def _headline(shell: Shell, held: Stored, row: Row) -> None:
    told = f"{held.tenant.code} · {_word(held, row['series'])} · {_channel(held, row['channel'])}"
    model = f"{_model(held, row['model'])}, MASE {number(row['mase'], held.lang, 2)}"
    shell.say(f"{told} · {_word(held, 'fc_until')} {held.as_of} · {model}")


def _show_totals(shell: Shell, held: Stored, totals: Sequence[Row]) -> None:
    heads = [_unit(held, totals[0]["series"]), "80 %", "95 %"]
    cells = [
        [
            number(row["horizon"], held.lang),
            number(row["total"], held.lang),
            *(_band(held, row[f"total_lower_{level}"], row[f"total_upper_{level}"], 0) for level in (80, 95)),
        ]
        for row in totals
    ]
    days = _word(held, "fc_next")
    shell.table([days, *heads], cells, right=[days, *heads])


def _show_days(shell: Shell, held: Stored, rows: Sequence[Row]) -> None:
    from babel.dates import format_date

    digits = 0 if rows[0]["series"] == "revenue" else 1
    heads = [_unit(held, rows[0]["series"]), "80 %"]
    cells = [
        [
            f"{row['day']} {format_date(row['day'], 'EEE', locale=held.lang.replace('-', '_'))}",
            number(row["predicted"], held.lang, digits),
            _band(held, row["lower_80"], row["upper_80"], digits),
            "Black Friday" if row["is_black_friday"] else _word(held, "fc_holiday") if row["is_holiday"] else "",
        ]
        for row in rows
    ]
    shell.table([_word(held, "fc_day"), *heads, ""], cells, right=heads)


def _show_models(shell: Shell, held: Stored, used: Sequence[Row]) -> None:
    heads = ["WAPE", _word(held, "fc_naive"), "MASE", "80 %", "95 %"]
    for series in SERIES:
        cells = [
            [
                _channel(held, row["channel"])[:15],
                _model(held, row["model"]),
                *(held.share(row[name]) for name in ("wape", "naive_wape")),
                number(row["mase"], held.lang, 2),
                *(held.share(row[name]) for name in ("coverage_80", "coverage_95")),
            ]
            for row in used
            if row["series"] == series
        ]
        shell.show(_word(held, series))
        shell.table([_word(held, "channel"), _word(held, "fc_model"), *heads], cells, right=heads)
        shell.show()


def _show_since(shell: Shell, held: Stored, since: Sequence[Row]) -> None:
    if not since:
        shell.say(_word(held, "fc_none_came"))
        return
    heads = [_word(held, "fc_days"), "WAPE", "80 %"]
    cells = [
        [
            _word(held, row["series"]),
            str(row["day"]),
            number(row["days"], held.lang),
            held.share(_share(row["total"], row["actual"])),
            held.share(_share(row["inside"], row["banded"])),
        ]
        for row in since
    ]
    shell.table([_word(held, "fc_came"), _word(held, "fc_since"), *heads], cells, right=heads)


def _since(row: Row) -> Row:
    return {
        "series": row["series"],
        "since": row["day"],
        "days": row["days"],
        "actual": row["actual"],
        "predicted": row["predicted"],
        "wape": _share(row["total"], row["actual"]),
        "coverage_80": _share(row["inside"], row["banded"]),
    }


def _total(row: Row) -> Row:
    names = ("total", *(f"total_{end}_{level}" for level in (80, 95) for end in ("lower", "upper")))
    return {"days": row["horizon"], "until": row["day"]} | {name: row[name] for name in names}


def _band(held: Stored, lower: Decimal | None, upper: Decimal | None, digits: int) -> str:
    if lower is None or upper is None:
        return "—"
    return f"{number(lower, held.lang, digits)} – {number(upper, held.lang, digits)}"


def _share(part: Any, whole: Any) -> Decimal | None:
    return round(Decimal(part) / Decimal(whole), 6) if whole else None


def _unit(held: Stored, series: str) -> str:
    return f"{_word(held, 'attr_revenue')} ({held.tenant.currency})" if series == "revenue" else _word(held, series)


def _word(held: Stored, key: str) -> str:
    from cortex.reports.words import word

    return word(key, held.lang)


def _channel(held: Stored, channel: str) -> str:
    return _word(held, "fc_all" if channel == "all" else channel)


def _model(held: Stored, model: str) -> str:
    """A model's name in few letters, with what it takes the series for and whether it knows of holidays."""
    plain = model.removesuffix("_calendar")
    dates = f" {_word(held, 'fc_dates')}" if plain != model else ""
    return _word(held, f"fc_{plain}") + dates
