"""Forecasting: revenue and orders of the coming days, of the whole shop and of each channel, beside their backtest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from itertools import product
from typing import TYPE_CHECKING, Any

from cortex.clock import local_day
from cortex.errors import QualityGate
from cortex.records import Notice
from cortex.run import Outcome, Run, Step
from cortex.warehouse import tables

if TYPE_CHECKING:
    import polars as pl

    from cortex.demand.history import History
    from cortex.demand.projection import Projection
    from cortex.tenant import Tenant
    from cortex.warehouse import Transaction, Warehouse

Row = dict[str, Any]
STREAM = "demand.forecasts"
HORIZON = 90
SHORTEST, FARTHEST = 7, 180
FAR = date(2100, 1, 1)
WHOLE = "all"
SERIES = ("revenue", "orders")
SALES = """
    SELECT day, channel, orders, gross_revenue, refunds FROM agg_daily_sales WHERE day >= :since AND day <= :last
"""
CALENDAR = "SELECT day, is_holiday, is_black_friday FROM dim_dates WHERE is_holiday = 1 OR is_black_friday = 1"


def sales(_tenant: Tenant) -> Iterator[Step]:
    """Part of a recipe: a client with too little history is told so and its run goes on."""
    yield Step(STREAM, forecast_sales, needs=("aggregates",))


def forecast_sales(run: Run) -> Outcome:
    """As `train`, with a notice instead of a failure while there are too few days."""
    try:
        return train(run)
    except QualityGate as early:
        needed = str(missing(run.warehouse, last_day(run)))
        run.notices.append(Notice(code=early.code, stream=STREAM, message=early.message, facts={"days": needed}))
        return Outcome(0, early.message)


def train(run: Run, horizon: int = HORIZON) -> Outcome:
    """forecasts of the days after the last whole one, and forecast_models, whole.

    What was forecast of days that have come stays, to be held against them. Raises QualityGate CTX-7111 while the shop
    has fewer days than a forecast and its backtest need.
    """
    from cortex.demand import projection

    last = last_day(run)
    sold, calendar = _sold(run.warehouse, last)
    if days := _missing(sold, last):
        raise too_short(run.tenant.code, days)
    found: dict[tuple[str, str], Projection] = {}
    left_out: dict[str, int] = {}
    for channel, series in product((WHOLE, *_channels(sold)), SERIES):
        known = _history(sold, series, channel, last)
        if known.missing:
            left_out[channel] = max(known.missing, left_out.get(channel, 0))
        else:
            found[series, channel] = projection.project(known, calendar, horizon=horizon)
    about = {"as_of": last, "run_id": run.run_id, "trained_at": run.now()}
    ahead = [about | row for key, told in found.items() for row in _ahead(key, told)]
    models = [about | row for key, told in found.items() for row in _models(key, told)]

    def write(tx: Transaction) -> None:
        tx.replace(tables.forecasts, {"day": (last + timedelta(days=1), FAR)}, ahead)
        tx.replace(tables.forecast_models, {}, models)

    run.warehouse.atomically(write)
    facts = {f"{channel}.{series}": _told(told) for (series, channel), told in found.items()}
    told = {"as_of": last, "horizon": horizon, "series": facts, "left_out": left_out}
    return Outcome(len(ahead), _summary(found, left_out), told)


def last_day(run: Run) -> date:
    """The last day to learn from: not after the window, over in the client's zone, and read whole."""
    known = run.warehouse.cursor("store.orders")
    yesterday = local_day(run.now(), run.tenant.timezone) - timedelta(days=1)
    whole = known["complete_until"] - timedelta(days=1) if known and known["complete_until"] else yesterday
    return min(run.window.last, yesterday, whole)


def missing(warehouse: Warehouse, last: date) -> int:
    """Days still needed before the whole shop can be forecast; 0 when there are enough."""
    sold, _ = _sold(warehouse, last)
    return _missing(sold, last)


def too_short(code: str, days: int) -> QualityGate:
    from cortex.demand.history import FEWEST

    return QualityGate(
        "CTX-7111",
        f"A forecast for {code} needs {days} more days of sales: {FEWEST} in all, without four weeks of silence.",
        fix=f"cortex backfill {code} --days 400",
    )


def _sold(warehouse: Warehouse, last: date) -> tuple[pl.DataFrame, pl.DataFrame]:
    """day, channel, orders, revenue (whole currency, Float64) of the days looked back at; and the calendar's special days."""
    import polars as pl

    from cortex.demand.history import LONGEST

    sold = warehouse.frame(SALES, since=last - timedelta(days=LONGEST), last=last)
    calendar = warehouse.frame(CALENDAR)
    return sold.select(
        pl.col("day").cast(pl.Date),
        pl.col("channel").cast(pl.String),
        pl.col("orders").cast(pl.Float64),
        revenue=(pl.col("gross_revenue").cast(pl.Float64) - pl.col("refunds").cast(pl.Float64)).round(2),
    ), calendar.with_columns(pl.col("day").cast(pl.Date))


def _channels(sold: pl.DataFrame) -> list[str]:
    """Of one channel alone the forecast is the whole shop's."""
    found = sorted(set(sold["channel"]))
    return found if len(found) > 1 else []


def _missing(sold: pl.DataFrame, last: date) -> int:
    return max(_history(sold, series, WHOLE, last).missing for series in SERIES)


def _history(sold: pl.DataFrame, series: str, channel: str, last: date) -> History:
    import polars as pl

    from cortex.demand import history

    mine = sold if channel == WHOLE else sold.filter(pl.col("channel") == channel)
    return history.complete(mine.group_by("day").agg(value=pl.col(series).sum().round(2)), last=last)


def _ahead(key: tuple[str, str], told: Projection) -> Iterator[Row]:
    used = told.scores.row(0, named=True)
    about = {"series": key[0], "channel": key[1], "model": told.model, "mase": used["mase"], "wape": used["wape"]}
    for row in told.days.iter_rows(named=True):
        yield about | row


def _models(key: tuple[str, str], told: Projection) -> Iterator[Row]:
    shares = {level: within / days if days else None for level, (within, days) in told.coverage.items()}
    for row in told.scores.iter_rows(named=True):
        used = row["model"] == told.model
        yield row | {
            "series": key[0],
            "channel": key[1],
            "is_used": int(used),
            "is_intermittent": int(told.intermittent),
            "origins": told.origins,
            "coverage_80": shares[80] if used else None,
            "coverage_95": shares[95] if used else None,
            "covered_days": told.coverage[80][1] if used else 0,
            "history_since": told.history.since,
        }


def _summary(found: Mapping[tuple[str, str], Projection], left_out: Mapping[str, int]) -> str:
    said = f"{len(found)} series; revenue by {found['revenue', WHOLE].model}"
    return said + (f"; too few days of {', '.join(left_out)}" if left_out else "")


def _told(told: Projection) -> Row:
    from cortex.demand import projection

    used = told.scores.row(0, named=True)
    naive = told.scores.filter(told.scores["model"] == projection.BASELINE).row(0, named=True)
    return {
        "model": told.model,
        "mase": round(used["mase"], 4),
        "naive_mase": round(naive["mase"], 4),
        "days": len(told.history.values),
        "total": Decimal(str(round(told.days["total"][-1], 2))),
    }
