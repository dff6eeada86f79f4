"""What every buyer will do next: orders, money and the chance to come back, with a fallback where no model can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cortex.customers import frequency as counting
from cortex.customers import grouping, spend
from cortex.customers.summary import summary

Floats = NDArray[np.float64]
HORIZONS = (30, 90, 180, 365)
MONTH = 365 / 12
FEWEST = 50
"""Repeat buyers below which four parameters say more about luck than about buyers."""
CORRELATED = 0.30
"""Correlation of how often and how much beyond which Gamma-Gamma's premise is broken."""
UNIT = 7.0
"""Days of a unit of time: weeks, as the published examples."""


@dataclass(frozen=True)
class Note:
    """Why the figures are not those of the model one would expect: said wherever they are shown."""

    code: str
    message: str


@dataclass(frozen=True)
class Fitted:
    """Models fitted before, to be asked of buyers as they are now. counting: the one to use first; none: averages."""

    counting: dict[str, counting.Fit]
    spending: spend.Fit | None


@dataclass(frozen=True)
class Forecast:
    """buyers: one row each, see below. model: bg_nbd, mbg_nbd or average. value_model: gamma_gamma or average.

    Columns of buyers: customer_key, frequency (repeat days), recency_days (since the last), age_days (since the
    first), p_alive, order_value, orders_<days> and value_<days> by horizon, clv; money in the unit of the purchases.
    counting, spending: what was fitted, also where it is not used.
    """

    buyers: pl.DataFrame
    model: str
    value_model: str
    counting: dict[str, counting.Fit]
    spending: spend.Fit | None
    correlation: float
    notes: list[Note] = field(default_factory=list)


def forecast(
    purchases: pl.DataFrame,
    *,
    until: date,
    kind: counting.Kind = "bg_nbd",
    horizons: Sequence[int] = HORIZONS,
    churn_days: int = 90,
    monthly_discount: float = 0.01,
    months: int = 12,
) -> Forecast:
    """Predictions for every buyer who bought up to `until`.

    purchases: customer_key, day (Date), value (Float64). kind: the model of orders used if it can be fitted. p_alive
    is MBG/NBD's wherever that can be: under BG/NBD every buyer of one purchase is certainly alive. clv: money expected
    in the next `months` months, discounted monthly. Fallbacks: the other model, then the market's average rate for
    buyers whose last purchase is at most `churn_days` old; for values the market's average.
    """
    return of_summary(
        summary(purchases, until=until, unit_days=UNIT),
        kind=kind,
        horizons=horizons,
        churn_days=churn_days,
        monthly_discount=monthly_discount,
        months=months,
    )


def of_summary(
    table: pl.DataFrame,
    *,
    kind: counting.Kind = "bg_nbd",
    horizons: Sequence[int] = HORIZONS,
    churn_days: int = 90,
    monthly_discount: float = 0.01,
    months: int = 12,
    fitted: Fitted | None = None,
) -> Forecast:
    """As `forecast`, from one row for each buyer (`summary`, times in weeks): all that the models need to know.

    fitted: models to use as they are, instead of fitting any.
    """
    buyers = grouping.grouped(table["frequency"].to_numpy(), table["recency"].to_numpy(), table["age"].to_numpy())
    notes: list[Note] = []
    fits = _fits(table, buyers, kind, notes) if fitted is None else fitted.counting
    chosen = next((fit for fit in fits.values() if fit.converged), None)
    if chosen and fitted is None and chosen.kind != kind:
        notes.append(Note("other_model", f"{kind} did not converge; the figures are those of {chosen.kind}."))
    ends = np.array([*horizons, *(k * MONTH for k in range(1, months + 1))]) / UNIT
    # A figure for each horizon, and the last one for the present value of the months.
    mix = np.eye(len(ends), len(horizons) + 1)
    mix[len(horizons) :, -1] = counting.discounting(months, monthly_discount)
    if chosen:
        leaving = fits["mbg_nbd"] if "mbg_nbd" in fits and fits["mbg_nbd"].converged else chosen
        chance = counting.alive(leaving, buyers)
        ahead = counting.combined(chosen, buyers, ends, mix)
    else:
        if fits:
            notes.append(Note("no_convergence", "No model of repeat purchases could be fitted: averages are used."))
        chance, ahead = _average(buyers, ends, churn_days / UNIT)
        ahead = ahead @ mix
    worth, spending, correlated = _order_values(table, notes, fitted)
    chance, ahead = chance[buyers.group_of], ahead[buyers.group_of]
    told = table.select(
        "customer_key",
        "frequency",
        recency_days=((pl.col("age") - pl.col("recency")) * UNIT).round().cast(pl.Int64),
        age_days=(pl.col("age") * UNIT).round().cast(pl.Int64),
        p_alive=pl.Series(chance),
        order_value=pl.Series(worth),
        **{f"orders_{days}": pl.Series(ahead[:, at]) for at, days in enumerate(horizons)},
        **{f"value_{days}": pl.Series(ahead[:, at] * worth) for at, days in enumerate(horizons)},
        clv=pl.Series(ahead[:, -1] * worth),
    )
    return Forecast(
        told,
        chosen.kind if chosen else "average",
        "gamma_gamma" if spending and spending.converged and abs(correlated) <= CORRELATED else "average",
        fits,
        spending,
        correlated,
        notes,
    )


def _fits(
    table: pl.DataFrame, buyers: grouping.Statistics, kind: counting.Kind, notes: list[Note]
) -> dict[str, counting.Fit]:
    """Both models, the wanted one first; none where too few buyers came back."""
    repeated = table.filter(pl.col("frequency") > 0).height
    if repeated < FEWEST:
        notes.append(
            Note("too_few_repeat_buyers", f"{repeated} buyers came back, fewer than {FEWEST}: averages are used.")
        )
        return {}
    kinds: tuple[counting.Kind, ...] = ("mbg_nbd", "bg_nbd") if kind == "mbg_nbd" else ("bg_nbd", "mbg_nbd")
    return {name: counting.fit(buyers, name) for name in kinds}


def _average(buyers: grouping.Statistics, ends: Floats, churn: float) -> tuple[Floats, Floats]:
    """Everybody at the market's rate of repeat purchases, until a purchase is too long ago."""
    lived = float(buyers.weight @ buyers.age)
    rate = float(buyers.weight @ buyers.frequency) / lived if lived else 0.0
    chance = (buyers.age - buyers.recency <= churn).astype(np.float64)
    return chance, chance[:, None] * rate * ends


def _order_values(
    table: pl.DataFrame, notes: list[Note], model: Fitted | None
) -> tuple[Floats, spend.Fit | None, float]:
    """The mean value of each buyer's next orders. Purchases that were refunded to nothing tell nothing of it."""
    often, mean = table["frequency"].to_numpy().astype(np.float64), table["monetary"].to_numpy()
    known = (often > 0) & (mean > 0)
    average = float(np.average(mean[known], weights=often[known])) if known.any() else 0.0
    flat = np.full(len(table), average)
    if model is not None:
        return flat if model.spending is None else _of(model.spending, often, mean, known), model.spending, 0.0
    if known.sum() < FEWEST:
        return flat, None, 0.0
    correlated = spend.correlation(often, mean)
    fitted = spend.fit(often[known], mean[known])
    if abs(correlated) > CORRELATED:
        notes.append(
            Note(
                "value_depends_on_frequency",
                f"How much buyers spend goes with how often they buy (correlation {correlated:.2f}), which Gamma-Gamma"
                " excludes: the average order is used.",
            )
        )
        return flat, fitted, correlated
    if not fitted.converged:
        notes.append(Note("no_convergence_of_value", "Gamma-Gamma could not be fitted: the average order is used."))
        return flat, fitted, correlated
    return _of(fitted, often, mean, known), fitted, correlated


def _of(model: spend.Fit, often: Floats, mean: Floats, known: NDArray[np.bool_]) -> Floats:
    return spend.expected_value(model, np.where(known, often, 0.0), np.where(known, mean, 0.0))


@dataclass(frozen=True)
class Validation:
    """A forecast held against what happened. auc: chance that a buyer who came back was ranked above one who did not.

    gini: how much of the hold-out's money came from those ranked first by predicted value, 0 for a random order;
    gini_best is that of the true order. calibration: by frequency (7 stands for 7 and more) buyers, mean orders predicted and actual.
    """

    cut: date
    until: date
    model: str
    value_model: str
    buyers: int
    predicted_orders: float
    actual_orders: int
    predicted_value: float
    actual_value: float
    auc: float | None
    gini: float
    gini_best: float
    calibration: pl.DataFrame
    notes: list[Note]


def validate(purchases: pl.DataFrame, *, cut: date, until: date, kind: counting.Kind = "bg_nbd") -> Validation:
    """Fit on what was bought up to `cut`, predict the days after it up to `until`, and compare buyer by buyer."""
    days = (until - cut).days
    told = forecast(purchases, until=cut, kind=kind, horizons=(days,), months=1)
    later = purchases.filter((pl.col("day") > cut) & (pl.col("day") <= until))
    happened = later.group_by("customer_key").agg(orders=pl.col("day").n_unique(), value=pl.col("value").sum())
    both = told.buyers.join(happened, on="customer_key", how="left").with_columns(
        pl.col("orders").fill_null(0), pl.col("value").fill_null(0.0)
    )
    orders, value = both[f"orders_{days}"], both[f"value_{days}"]
    table = (
        both.group_by(pl.col("frequency").clip(upper_bound=7))
        .agg(buyers=pl.len(), predicted=pl.col(f"orders_{days}").mean(), actual=pl.col("orders").mean())
        .sort("frequency")
    )
    return Validation(
        cut,
        until,
        told.model,
        told.value_model,
        both.height,
        float(orders.sum()),
        int(both["orders"].sum()),
        float(value.sum()),
        float(both["value"].sum()),
        _auc(orders.to_numpy(), both["orders"].to_numpy() > 0),
        _gini(value.to_numpy(), both["value"].to_numpy()),
        _gini(both["value"].to_numpy(), both["value"].to_numpy()),
        table,
        told.notes,
    )


def _auc(score: Floats, came: NDArray[np.bool_]) -> float | None:
    yes, no = int(came.sum()), int((~came).sum())
    if not yes or not no:
        return None
    return float((pl.Series(score).rank("average").to_numpy()[came].sum() - yes * (yes + 1) / 2) / (yes * no))


def _gini(score: Floats, value: Floats) -> float:
    """Gini coefficient of value in the order of score."""
    total, count = float(value.sum()), len(value)
    if total <= 0:
        return 0.0
    held = np.cumsum(value[np.argsort(-score, kind="stable")]) / total
    return float(2 * held.mean() - (count + 1) / count)
