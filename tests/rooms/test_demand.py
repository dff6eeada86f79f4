"""Models of demand held to slow ones that read like their definitions, bands to what they promise, and no look ahead."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from cortex.demand import (
    bands,
    croston,
    events,
    history,
    holt_winters,
    mean,
    origins,
    projection,
    seasonal_naive,
    weekday_mean,
)
from cortex.demand.history import History
from cortex.warehouse import seed

MONDAY = date(2024, 1, 1)
MODELS = (seasonal_naive, mean, weekday_mean, croston, holt_winters)
CALENDAR = pl.DataFrame(
    [{name: row[name] for name in ("day", "is_holiday", "is_black_friday")} for row in seed.calendar()]
)
NO_EVENTS = CALENDAR.clear()
WEEKLY = np.array([1.2, 1.1, 1.0, 1.0, 0.9, 0.6, 0.7])


def asked(values: Sequence[float], reach: int = 30, calendar: pl.DataFrame = NO_EVENTS) -> origins.Task:
    told = np.array(values, dtype=np.float64)
    return origins.task(told, events.kinds(calendar, MONDAY, len(told) + reach), reach)


def noisy(days: int, seed: int, level: float = 100.0, noise: float = 0.15) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.round(level * WEEKLY[np.arange(days) % 7] * np.exp(rng.normal(0, noise, days)), 2)


def project(values: Sequence[float], horizon: int = 30, calendar: pl.DataFrame = NO_EVENTS) -> projection.Projection:
    return projection.project(History(MONDAY, np.array(values, dtype=np.float64)), calendar, horizon=horizon)


def sales(values: Sequence[float], since: date = MONDAY) -> pl.DataFrame:
    days = [since + timedelta(days=at) for at in range(len(values))]
    return pl.DataFrame({"day": days, "value": [float(value) for value in values]})


# history


def test_history_has_no_holes_and_ends_with_the_last_whole_day() -> None:
    told = history.complete(sales([5, 0, 0, 7, 9]), last=MONDAY + timedelta(days=3))
    assert (told.since, told.last, told.values.tolist()) == (MONDAY, MONDAY + timedelta(days=3), [5, 0, 0, 7])
    rows = sales([5, 0, 0, 7]).filter(pl.col("value") > 0)
    assert history.complete(rows, last=told.last).values.tolist() == [5, 0, 0, 7]
    # A quiet end is known to be quiet.
    assert history.complete(rows, last=MONDAY + timedelta(days=5)).values.tolist() == [5, 0, 0, 7, 0, 0]


@pytest.mark.parametrize(("quiet", "since"), [(27, 0), (28, 38)])
def test_four_weeks_without_a_sale_begin_a_new_history(quiet: int, since: int) -> None:
    values = [3.0] * 10 + [0.0] * quiet + [4.0] * 70
    told = history.complete(sales(values), last=MONDAY + timedelta(days=len(values) - 1))
    assert (told.since - MONDAY).days == since
    assert told.missing == 0


def test_what_has_stopped_selling_has_no_history() -> None:
    assert history.complete(sales([3.0] * 90), last=MONDAY + timedelta(days=89 + 28)).missing == history.FEWEST
    assert history.complete(sales([3.0] * 90), last=MONDAY + timedelta(days=89 + 27)).missing == 0
    assert history.complete(sales([0.0] * 90), last=MONDAY + timedelta(days=89)).missing == history.FEWEST
    assert history.complete(sales([1.0] * 59), last=MONDAY + timedelta(days=58)).missing == 1


def test_three_years_are_enough() -> None:
    told = history.complete(sales([1.0] * 2000), last=MONDAY + timedelta(days=1999))
    assert len(told.values) == history.LONGEST


# events


def test_black_friday_goes_before_its_week_and_its_week_before_a_holiday() -> None:
    since = date(2025, 11, 1)
    told = events.kinds(CALENDAR, since, 60)
    at = {kind: [since + timedelta(days=int(day)) for day in np.flatnonzero(told == kind)] for kind in (1, 2, 3)}
    assert at[events.BLACK_FRIDAY] == [date(2025, 11, 28)]
    assert at[events.AROUND_BLACK_FRIDAY] == [
        *(date(2025, 11, day) for day in (24, 25, 26, 27, 29, 30)),
        date(2025, 12, 1),
    ]
    assert at[events.HOLIDAY] == [date(2025, 11, day) for day in (2, 15, 20)] + [date(2025, 12, 25)]


# models


@settings(max_examples=50)
@given(week=st.lists(st.floats(0, 1e6), min_size=7, max_size=7), weeks=st.integers(9, 30))
def test_seasonal_naive_is_exact_where_weeks_repeat(week: list[float], weeks: int) -> None:
    told = asked(week * weeks)
    [path] = seasonal_naive.candidates(told).values()
    came = origins.actual(told)
    assert np.array_equal(np.where(np.isnan(came), path, came), path)
    assert path[-1].tolist() == (week * 5)[:30]


def slow_mean(known: Sequence[float], reach: int) -> list[float]:
    recent = known[-56:]
    return [math.fsum(recent) / len(recent)] * reach


def slow_weekday_mean(known: Sequence[float], reach: int) -> list[float]:
    told = []
    for ahead in range(reach):
        same = [known[at] for at in range(len(known) - 7 + ahead % 7, -1, -7)][: min(8, len(known) // 7)]
        told.append(math.fsum(same) / len(same))
    return told


def slow_croston(known: Sequence[float], reach: int) -> list[float]:
    """Sizes and gaps as lists, smoothed afterwards."""
    at = [day for day, value in enumerate(known) if value]
    sizes = [known[day] for day in at]
    gaps = [after - before for before, after in zip([-1, *at], at, strict=False)]

    def smooth(told: Sequence[float]) -> float:
        level = told[0]
        for value in told[1:]:
            level = 0.1 * value + 0.9 * level
        return level

    return [0.95 * smooth(sizes) / smooth(gaps) if at else 0.0] * reach


@pytest.mark.parametrize(
    ("model", "slow"), [(mean, slow_mean), (weekday_mean, slow_weekday_mean), (croston, slow_croston)]
)
def test_simple_models_are_what_they_say(model: Any, slow: Callable[[Sequence[float], int], list[float]]) -> None:
    rng = np.random.default_rng(4)
    for values in (noisy(101, 1), rng.poisson(0.3, 130) * rng.gamma(3, 20, 130), np.zeros(70)):
        told = asked(values.tolist())
        [path] = model.candidates(told).values()
        for at, origin in enumerate(told.origins):
            assert path[at] == pytest.approx(slow(values[:origin].tolist(), 30), abs=1e-9)


def test_croston_by_hand() -> None:
    """Sales of 4, 4 and 8 after 5, 5 and 10 days: size 4.4, interval 5.5, 0.8 a day less a twentieth."""
    values = [0.0] * 4 + [4.0] + [0.0] * 4 + [4.0] + [0.0] * 9 + [8.0] + [0.0] * 40
    assert croston.candidates(asked(values))["croston"][-1, 0] == pytest.approx(0.95 * 0.8)


def slow_holt_winters(
    z: Sequence[float | None], kinds: Sequence[int], parameters: Sequence[float], *, uses: bool, reach: int
) -> tuple[list[float], float, int]:
    """One series, one set of parameters: what it expects of the days after `z`, squared errors and their number."""
    alpha, beta, gamma, phi = parameters
    weeks = [list(z[at : at + 7]) for at in range(0, 28, 7)]
    means = [math.fsum(v for v in week if v is not None) / sum(v is not None for v in week) for week in weeks]
    season = []
    for day in range(7):
        apart = [week[day] - at for week, at in zip(weeks, means, strict=True) if week[day] is not None]  # type: ignore[operator]
        season.append(math.fsum(apart) / len(apart))
    season = [value - math.fsum(season) / 7 for value in season]
    trend = (means[3] - means[0]) / 21 if beta else 0.0
    level = means[0] - 4 * trend
    effect, count = dict.fromkeys(range(4), 0.0), dict.fromkeys(range(4), 0)
    squares, seen = 0.0, 0
    for day, value in enumerate(z):
        trend *= phi
        level += trend
        if value is None:
            continue
        off = value - level - season[day % 7]
        if kinds[day] and uses:
            kind = kinds[day]
            # The mean of all such days' errors and one zero.
            effect[kind] = (effect[kind] * (count[kind] + 1) + off) / (count[kind] + 2)
            count[kind] += 1
            continue
        level += alpha * off
        trend += beta * off
        season[day % 7] += gamma * (1 - alpha) * off
        if day >= 14:
            squares, seen = squares + off * off, seen + 1
    path = []
    for ahead in range(reach):
        trend *= phi
        level += trend
        day = len(z) + ahead
        path.append(level + season[day % 7] + (effect[kinds[day]] if uses and kinds[day] else 0.0))
    return path, squares, seen


def transformed(values: Sequence[float], kind: str) -> list[float | None]:
    if kind == "log":
        return [math.log(value) if value > 0 else None for value in values]
    return [math.sqrt(value) if kind == "root" else value for value in values]


def back(kind: str, path: Sequence[float], variance: float) -> list[float]:
    if kind == "log":
        return [math.exp(value + variance / 2) for value in path]
    return [math.copysign(value * value, value) + variance for value in path] if kind == "root" else list(path)


def test_holt_winters_is_what_it_says() -> None:
    """Every variant at the first, a middle and the last origin, searched by hand through the whole grid."""
    values = noisy(150, 7) * np.linspace(1, 2, 150)
    values[40] = 0.0
    since = date(2025, 8, 4)
    kinds = events.kinds(CALENDAR, since, 180)
    assert {1, 2, 3} <= set(kinds[:150])
    told = origins.task(values, kinds, 30)
    found = holt_winters.candidates(told)
    assert len(found) == 6
    for kind, name in holt_winters.NAMES.items():
        for uses in (False, True):
            for at in (0, 7, len(told.origins) - 1):
                origin = int(told.origins[at])
                z = transformed(values[:origin].tolist(), kind)
                tried = [slow_holt_winters(z, kinds.tolist(), one, uses=uses, reach=30) for one in holt_winters.GRID]
                path, squares, seen = min(tried, key=lambda one: one[1])
                expected = back(kind, path, squares / seen)
                assert found[name + ("_calendar" if uses else "")][at] == pytest.approx(expected, rel=1e-9)


def least_squares(z: list[float | None], kinds: list[int], start: Sequence[float]) -> float:
    """What a search finds beyond the grid, from `start`."""

    def squares(at: Sequence[float]) -> float:
        inside = np.clip(at, [0.001, 0, 0, 0.8], [0.9, 0.2, 0.9, 0.98]).tolist()
        return slow_holt_winters(z, kinds, inside, uses=False, reach=1)[1]

    return float(minimize(squares, start, method="Nelder-Mead", options={"maxfev": 400}).fun)


def test_the_grid_is_nearly_as_good_as_a_search() -> None:
    kinds = [0] * 400
    for number in range(4):
        walk = np.exp(np.cumsum(np.random.default_rng(number).normal(0, 0.02, 300)))
        z = transformed((noisy(300, number) * walk).tolist(), "as_is")
        grid = {one: slow_holt_winters(z, kinds, one, uses=False, reach=1)[1] for one in holt_winters.GRID}
        best = min(grid, key=lambda one: grid[one])
        assert grid[best] <= least_squares(z, kinds, best) * 1.02


def test_holt_winters_smooths_as_published() -> None:
    """Simple exponential smoothing of Saudi Arabia's oil (Hyndman and Athanasopoulos, Forecasting, section 8.1)."""
    oil = [445.36, 453.20, 454.41, 422.38, 456.04, 440.39, 425.19, 486.21, 500.43,
           521.28, 508.95, 488.89, 509.87, 456.72, 473.82, 525.95, 549.83, 542.34]  # fmt: skip
    one, zero = np.ones(1), np.zeros(1)
    lanes = holt_winters.Lanes(
        np.array(oil)[:, None], np.zeros(1, dtype=np.int64), zero, 0.8339 * one, zero, zero, zero
    )
    state = holt_winters.State(
        446.5868 * one, np.zeros(1), np.zeros((7, 1)), np.zeros((4, 1)), np.zeros((4, 1)), np.zeros(1), np.zeros(1)
    )
    for day in range(len(oil)):
        holt_winters._step(lanes, state, day, 0)
    assert state.level[0] == pytest.approx(542.68, abs=0.01)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), days=st.integers(70, 260), share=st.sampled_from([1.0, 0.9, 0.3]))
def test_nothing_is_learnt_from_days_that_have_not_come(seed: int, days: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    values = noisy(days, seed) * (rng.random(days) < share)
    told = origins.task(values, events.kinds(CALENDAR, date(2025, 9, 1), days + 30), 30)
    at = int(rng.integers(len(told.origins)))
    origin = int(told.origins[at])
    later = values.copy()
    later[origin:] = np.where(rng.random(days - origin) < share, rng.gamma(2, 500, days - origin) + 1, 0.0)
    other = origins.Task(later, told.events, told.origins, told.reach)
    for model in MODELS:
        before, after = model.candidates(told), model.candidates(other)
        for name in before.keys() & after.keys():
            assert np.array_equal(before[name][at], after[name][at]), name
    assert len(holt_winters.candidates(told)) >= 4


# bands


def test_limits_by_hand() -> None:
    ten = np.arange(-4.0, 6.0)
    # 11 x 0.9 = 9.9: the tenth of ten on either side.
    assert bands.limits(ten, 80) == (-4.0, 5.0)
    assert bands.limits(ten[:8], 80) == (-4.0, 4.0)  # 9 x 0.9 = 8.1 is beyond eight, 9 x 0.8 = 7.2 the eighth by size
    assert bands.limits(ten[:3], 80) is None
    assert bands.limits(np.append(np.arange(1.0, 19.0), np.nan), 95) is None
    assert bands.limits(np.arange(1.0, 20.0), 95) == (-19.0, 19.0)
    assert bands.limits(np.arange(1.0, 40.0), 95) == (1.0, 39.0)


@pytest.mark.parametrize("level", bands.LEVELS)
@pytest.mark.parametrize("count", [20, 50, 200])
def test_limits_hold_as_often_as_they_say(level: int, count: int) -> None:
    """Skewed errors nobody has told the distribution of."""
    rng = np.random.default_rng(count)
    errors = rng.gamma(1.5, 1.0, (2000, count + 1)) - 1
    found = np.array([bands.limits(row[:-1], level) for row in errors])
    held = ((errors[:, -1] >= found[:, 0]) & (errors[:, -1] <= found[:, 1])).mean()
    assert level / 100 - 0.02 <= held <= level / 100 + 2 / (count + 1) + 0.02


def test_bands_end_where_the_past_is_too_short() -> None:
    told = project(noisy(90, 3), 90).days
    known = {name: told[name].is_not_null().sum() for name in told.columns[2:]}
    assert known["predicted"] == known["total"] == 90
    assert 0 < known["lower_95"] < known["lower_80"] < 90
    assert 0 == known["total_lower_95"] < known["total_lower_80"] < 90
    for name in told.columns[2:]:
        assert told[name][: known[name]].is_not_null().all()


def test_coverage_is_counted_from_what_was_known() -> None:
    rng = np.random.default_rng(8)
    values = noisy(200, 5).tolist()
    told = asked(values)
    errors = rng.normal(size=(len(told.origins) - 1, 30))
    errors[np.isnan(origins.actual(told)[:-1])] = np.nan
    within = days = 0
    for at, origin in enumerate(told.origins[:-1]):
        for week in range(0, 30, 7):
            known = [
                error
                for before, then in enumerate(told.origins[:at])
                if then + week + 7 <= origin
                for error in errors[before, week : week + 7]
            ]
            limits = bands.limits(np.array(known), 80)
            mine = [error for error in errors[at, week : week + 7] if not math.isnan(error)]
            if limits is None or not mine:
                break
            days += len(mine)
            within += sum(limits[0] <= error <= limits[1] for error in mine)
    assert days > 300
    assert bands.held(errors, told.origins[:-1], 80) == (within, days)


def test_bands_hold_on_days_nobody_has_seen() -> None:
    held: dict[int, list[bool]] = {80: [], 95: []}
    for number in range(24):
        values = noisy(330, number, noise=0.25)
        told = project(values[:300]).days
        for level in held:
            low, high = told[f"lower_{level}"].to_numpy(), told[f"upper_{level}"].to_numpy()
            held[level] += ((values[300:] >= low) & (values[300:] <= high)).tolist()
    assert 0.75 <= np.mean(held[80]) <= 0.87
    assert 0.92 <= np.mean(held[95]) <= 0.99


# the choice


def test_the_model_with_the_least_scaled_error_is_used_and_the_others_are_told() -> None:
    values = noisy(200, 2)
    told = project(values)
    task = asked(values.tolist())
    came = origins.actual(task)
    paths = {name: path for model in MODELS if model is not croston for name, path in model.candidates(task).items()}
    scores: dict[str, dict[str, float]] = {}
    for name, path in paths.items():
        scaled, off, sold = [], [], []
        for at, origin in enumerate(task.origins[:-1]):
            unit = np.mean([abs(values[day] - values[day - 7]) for day in range(max(7, origin - 56), origin)])
            for ahead in range(30):
                if not math.isnan(came[at, ahead]):
                    off.append(abs(came[at, ahead] - path[at, ahead]))
                    scaled.append(off[-1] / unit)
                    sold.append(came[at, ahead])
        scores[name] = {
            "mase": math.fsum(scaled) / len(scaled),
            "rmsse": math.sqrt(math.fsum(one**2 for one in scaled) / len(scaled)),
            "wape": math.fsum(off) / math.fsum(sold),
            "mae": math.fsum(off) / len(off),
            "rmse": math.sqrt(math.fsum(one**2 for one in off) / len(off)),
            "mape": math.fsum(one / of for one, of in zip(off, sold, strict=True)) / len(off),
            "days": len(off),
        }
    assert told.model == min(scores, key=lambda name: scores[name]["mase"])
    for row in told.scores.iter_rows(named=True):
        assert {name: row[name] for name in scores[row["model"]]} == pytest.approx(scores[row["model"]])
    assert told.scores["model"][0] == told.model
    assert len(told.scores) == len(scores)


def test_the_example_of_the_docs() -> None:
    """docs/en/forecasts.md works it out by hand."""
    told = project(([8.0] * 7 + [12.0] * 7) * 4 + [8.0] * 7)
    scores = dict(zip(told.scores["model"], told.scores["mase"], strict=True))
    assert (told.model, told.origins, told.scores["days"][0]) == ("mean", 5, 100)
    assert (scores["seasonal_naive"], scores["mean"]) == (pytest.approx(0.58), pytest.approx(0.5))
    assert (told.days["predicted"][0], told.days["total"][6]) == (10, 70)
    assert told.days["upper_80"][0] == pytest.approx(12.4)


def test_a_growing_shop_is_not_forecast_by_its_mean() -> None:
    grown = noisy(400, 6, noise=0.05) * np.exp(0.006 * np.arange(400))
    told = project(grown[:370], calendar=CALENDAR)
    assert told.model.startswith("holt_winters")
    assert np.abs(told.days["predicted"].to_numpy() / grown[370:] - 1).mean() < 0.1


@pytest.mark.parametrize("to", [10.0, 25.0])
def test_wild_growth_leads_nowhere_beyond_ten_times_the_largest_day(to: float) -> None:
    values = np.append(np.ones(30), np.round(np.exp(np.linspace(0, to, 90)), 2))
    told = project(values, 180, CALENDAR)
    for name in told.days.columns[2:]:
        assert told.days[name].drop_nulls().is_finite().all()
    assert told.days["predicted"].max() <= 10 * values.max()


def test_black_friday_is_expected_where_the_past_has_shown_it() -> None:
    since = date(2023, 1, 2)
    values = noisy(1050, 9, noise=0.08)  # to mid-November 2025
    kinds = events.kinds(CALENDAR, since, 1050)
    values = values * np.array([1.0, 1.0, 1.5, 3.0])[kinds]
    told = projection.project(History(since, values), CALENDAR, horizon=30)
    assert told.model.endswith("_calendar")
    by_day = dict(zip(told.days["day"], told.days["predicted"], strict=True))
    friday = date(2025, 11, 28)
    assert by_day[friday] > 1.8 * by_day[friday - timedelta(days=7)]
    plain = projection.project(History(since, values), NO_EVENTS, horizon=30)
    assert plain.scores["mase"][0] > told.scores["mase"][0]


def test_holidays_nobody_notices_change_nothing() -> None:
    since = date(2023, 1, 2)
    rng = np.random.default_rng(1)
    values = np.round(100 * WEEKLY[np.arange(700) % 7] + rng.normal(0, 4, 700), 2)
    told = projection.project(History(since, values), CALENDAR, horizon=30)
    scores = dict(zip(told.scores["model"], told.scores["mase"], strict=True))
    best = min(scores, key=lambda name: scores[name])
    assert told.model == best
    assert scores["holt_winters_calendar"] == pytest.approx(scores["holt_winters"], rel=0.03)


def test_sales_now_and_then_are_forecast_as_such() -> None:
    rng = np.random.default_rng(3)
    values = rng.poisson(0.25, 300) * 50.0
    told = project(values, calendar=CALENDAR)
    assert told.intermittent
    assert set(told.scores["model"]) == {"seasonal_naive", "mean", "croston"}
    assert told.model in {"mean", "croston"}  # a median would be zero
    assert told.days["total"][-1] == pytest.approx(30 * 0.25 * 50, rel=0.5)


def test_of_rare_sales_the_squared_error_decides_or_the_best_forecast_would_be_none() -> None:
    values = np.random.default_rng(3).poisson(0.06, 220) * 100.0
    values[::25] = 100.0
    values[[0, -10]] = 100.0
    told = project(values)
    assert told.scores.sort("mase")["model"][0] == "seasonal_naive"
    assert told.scores.sort("rmsse")["model"][0] == told.model == "mean"


@pytest.mark.parametrize("value", [1.0, 250.0])
def test_a_series_that_never_changes_is_forecast_as_it_is(value: float) -> None:
    told = project([value] * 90)
    assert told.model == "seasonal_naive"
    assert told.days["predicted"].to_list() == [value] * 30
    assert told.days["lower_80"][0] == told.days["upper_80"][0] == value
    assert told.scores["r2"].null_count() == len(told.scores)
    assert told.scores["mase"][0] == 0


def test_a_spike_before_a_flat_line_gives_no_figure_a_column_cannot_hold() -> None:
    values = np.ones(200)
    values[90] = 1e12
    values[-1] = 1.01
    told = project(values).scores
    for name in told.columns[1:]:
        assert told[name].drop_nulls().abs().max() < 1e12 or name in {"mae", "rmse"}, name


def test_ratios_that_divide_by_nothing_are_empty() -> None:
    values = noisy(120, 1)
    values[100] = 0
    assert project(values).scores["mape"].null_count() == len(project(values).scores)
    refunds = project([-6.0, 5.0] * 50)
    assert refunds.scores["bias"].null_count() == len(refunds.scores)
    assert refunds.days["predicted"].min() < 0


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), days=st.integers(60, 200), scale=st.sampled_from([0.2, 3.0, 5000.0]))
def test_nothing_is_below_zero_where_nothing_has_been_and_bands_enclose(seed: int, days: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.poisson(scale, days) * (rng.random(days) < rng.random()) + 0.0
    values[0] = 1.0
    values[-20] = 1.0
    told = project(values, 60, CALENDAR).days
    assert (told["day"] == [MONDAY + timedelta(days=days + at) for at in range(60)]).all()
    for stem, middle in (("", "predicted"), ("total_", "total")):
        assert told[middle].is_finite().all()
        assert (told[middle] >= 0).all()
        for level in (80, 95):
            assert (told[f"{stem}lower_{level}"].drop_nulls() >= 0).all()
            assert (told[f"{stem}upper_{level}"] >= told[f"{stem}lower_{level}"]).all()
        assert (told[f"{stem}lower_95"] <= told[f"{stem}lower_80"]).all()
        assert (told[f"{stem}upper_95"] >= told[f"{stem}upper_80"]).all()
    assert told["total"].to_list() == pytest.approx(np.cumsum(told["predicted"].to_numpy()).tolist())


def test_the_same_days_give_the_same_forecast() -> None:
    values = noisy(150, 11)
    first, second = project(values), project(values)
    assert first.days.equals(second.days)
    assert first.scores.equals(second.scores)


def test_real_orders_are_forecast_better_than_by_the_week_before(shared: Path) -> None:
    """Olist's orders by day, cut every six weeks; the thirty days after each cut were never seen."""
    folder = shared / "olist_sample"
    orders = pl.read_csv(folder / "olist_orders_dataset.csv", try_parse_dates=True).drop_nulls("order_approved_at")
    by_day = orders.group_by(day=pl.col("order_approved_at").dt.date()).agg(value=pl.len().cast(pl.Float64))
    came = dict(zip(by_day["day"], by_day["value"], strict=True))
    off, naive_off, inside = [], [], []
    for cut in (date(2017, 7, 1) + timedelta(days=42 * at) for at in range(9)):
        told = projection.project(history.complete(by_day, last=cut), CALENDAR, horizon=30).days
        for ahead, row in enumerate(told.iter_rows(named=True)):
            actual = came.get(row["day"], 0.0)
            off.append(abs(actual - row["predicted"]))
            naive_off.append(abs(actual - came.get(cut - timedelta(days=6 - ahead % 7), 0.0)))
            inside.append(row["lower_95"] <= actual <= row["upper_95"])
    assert len(off) == 270
    assert sum(off) < 0.9 * sum(naive_off)
    assert np.mean(inside) > 0.85
