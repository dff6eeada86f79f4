"""Predict: what every buyer is expected to do, by which models, and who has left."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import date
from typing import TYPE_CHECKING, Any

from cortex.records import Notice
from cortex.run import Outcome, Run, Step
from cortex.steps.costs import LINES, TAKEN, UNIT
from cortex.steps.value import in_parts, of_all_buyers
from cortex.warehouse import tables

if TYPE_CHECKING:
    import polars as pl

    from cortex.customers.prediction import Fitted, Forecast
    from cortex.tenant import Tenant
    from cortex.warehouse import Transaction

Row = dict[str, Any]
STREAM = "customers.predictions"
ORDER_DAYS = """
    SELECT o.customer_key, c.first_order_date, c.last_order_date, COUNT(DISTINCT o.paid_date) AS order_days,
           SUM(CASE WHEN o.paid_date > c.first_order_date THEN o.paid - o.refunded ELSE 0.00 END) AS later
    FROM dim_customers c
    JOIN fct_orders o ON o.customer_key = c.customer_key AND o.is_paid = 1 AND o.paid_date <= :as_of
    WHERE o.customer_key >= :low AND o.customer_key < :high
    GROUP BY o.customer_key, c.first_order_date, c.last_order_date
    ORDER BY o.customer_key
"""
"""One row for each buyer: the database groups orders, the models never see one."""
COSTS = f"""
    SELECT i.order_key AS order_key, CASE WHEN COUNT({UNIT}) = COUNT(*) THEN SUM({TAKEN}) END AS cost
    FROM {LINES} GROUP BY i.order_key
"""  # noqa: S608
"""What the lines of each order took; unknown while that of any of its lines is."""
MARGINS = f"""
    SELECT customer_key, SUM(uncosted) AS uncosted,
           SUM((paid - shipping - tax - cost) * CASE WHEN paid > 0 THEN 1.0 * (paid - refunded) / paid ELSE 1.0 END) AS margin
    FROM (
        SELECT o.customer_key, o.order_key, o.paid, o.refunded, o.shipping, o.tax,
               SUM({TAKEN}) AS cost, COUNT(*) - COUNT({UNIT}) AS uncosted
        FROM fct_orders o LEFT JOIN ({LINES}) ON i.order_key = o.order_key
        WHERE o.is_paid = 1 AND o.paid_date <= :as_of AND o.customer_key >= :low AND o.customer_key < :high
        GROUP BY o.customer_key, o.order_key, o.paid, o.refunded, o.shipping, o.tax
    ) orders
    GROUP BY customer_key
"""  # noqa: S608
"""What each buyer left the shop, in the proportion that was not given back, and how many lines have no known cost."""


def customers(_tenant: Tenant) -> Iterator[Step]:
    yield Step(STREAM, predict_customers)


def renewed(_tenant: Tenant) -> Iterator[Step]:
    """The same buyers a day later, by the models of the last weekly run."""
    yield Step(STREAM, predict_again, needs=("customers.value",))


def predict_customers(run: Run) -> Outcome:
    """Orders and money ahead of every buyer, the chance that each is still one, and the models that say so."""
    from cortex.customers import prediction

    as_of = run.window.last
    days = of_all_buyers(run.warehouse, ORDER_DAYS, as_of=as_of)
    told = prediction.of_summary(summary(days, as_of), churn_days=run.tenant.analytics.churn_threshold_days)
    run.notices += [Notice(code=note.code, stream=STREAM, message=note.message) for note in told.notes]
    models, parameters = _models(told, as_of)

    def fitted(tx: Transaction) -> None:
        tx.replace(tables.customer_models, {}, models)
        tx.replace(tables.customer_model_parameters, {}, parameters)

    return _write(run, told, as_of, fitted)


def predict_again(run: Run) -> Outcome:
    """The same by the models that were fitted last, which stay as they are: cheap enough for every night.

    Nothing where none was fitted yet, and for shops of more than CHEAP buyers, which the weekly run rewrites.
    """
    from cortex.customers import prediction

    models = run.warehouse.rows(USED)
    if not models:
        return Outcome(0, "no models yet: the weekly run fits them")
    buyers = run.warehouse.rows("SELECT COUNT(*) AS buyers FROM dim_customers")[0]["buyers"]
    if buyers > CHEAP:
        return Outcome(0, f"{buyers} buyers: left to the weekly run")
    as_of = run.window.last
    days = of_all_buyers(run.warehouse, ORDER_DAYS, as_of=as_of)
    told = prediction.of_summary(
        summary(days, as_of),
        churn_days=run.tenant.analytics.churn_threshold_days,
        fitted=_fitted_before(models, run.warehouse.rows(PARAMETERS)),
    )
    return _write(run, told, as_of, lambda _: None)


USED = "SELECT model, role, is_used, is_converged FROM customer_models ORDER BY is_used DESC, model"
PARAMETERS = "SELECT model, parameter, value FROM customer_model_parameters"
CHEAP = 100_000
"""Buyers whose predictions are rewritten every night."""


def _fitted_before(models: list[Row], parameters: list[Row]) -> Fitted:
    """The models of the last fit, the one that was used first; averages, which have no parameters, are none."""
    from cortex.customers import frequency, prediction, spend

    told: dict[str, dict[str, Any]] = {}
    for row in parameters:
        told.setdefault(row["model"], {})[row["parameter"]] = float(row["value"])
    lost: dict[str, Any] = {"error": None, "log_likelihood": math.nan}
    counting = {
        row["model"]: frequency.Fit(
            kind=row["model"], **told[row["model"]], **lost, converged=bool(row["is_converged"])
        )
        for row in models
        if row["role"] == "orders" and set(frequency.NAMES) <= told.get(row["model"], {}).keys()
    }
    used = {row["model"] for row in models if row["is_used"]}
    if not used & counting.keys():
        counting = {}
    spending = None
    if "gamma_gamma" in used & told.keys():
        spending = spend.Fit(**told["gamma_gamma"], **lost, converged=True)
    return prediction.Fitted(counting, spending)


def _write(run: Run, told: Forecast, as_of: date, besides: Callable[[Transaction], None]) -> Outcome:
    """Predictions of every buyer and the floors of tiers, in one transaction with what is written besides."""
    import polars as pl

    from cortex.customers import churn, tiers

    tier_of, floors = tiers.tiers(told.buyers)
    lost = churn.at_risk(told.buyers, top=told.buyers.height).select("customer_key", "at_stake")
    gone = pl.col("p_alive") < churn.AT_RISK
    frame = (
        told.buyers.join(tier_of.rename({"tier": "clv_tier"}), on="customer_key")
        .join(lost, on="customer_key", how="left")
        .join(_margins(of_all_buyers(run.warehouse, MARGINS, as_of=as_of)), on="customer_key", how="left")
        .with_columns(pl.col("at_stake").fill_null(0.0), is_probably_gone=gone.cast(pl.Int64), as_of=pl.lit(as_of))
        .rename({"frequency": "repeat_days"})
        .drop("recency_days", "age_days")
    )
    figures = [
        {"area": "tiers", "figure": f"floor_{name}", "value": floor, "as_of": as_of}
        for name, floor in zip(_named(told.buyers, tier_of), floors, strict=True)
    ]

    def write(tx: Transaction) -> None:
        tx.replace(tables.customer_predictions, {}, [])
        for rows in in_parts(frame):
            tx.insert_missing(tables.customer_predictions, rows)
        besides(tx)
        tx.replace(tables.insight_figures, {"area": "tiers"}, figures)

    run.warehouse.atomically(write)
    return Outcome(frame.height, f"{told.model}, {told.value_model}", _facts(told))


def summary(days: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """What the models need to know of each buyer, from ORDER_DAYS, as `cortex.customers.summary.summary` tells it; times in weeks."""
    import polars as pl

    from cortex.customers.prediction import UNIT

    repeat = pl.col("order_days").cast(pl.Int64) - 1
    first = pl.col("first_order_date").cast(pl.Date)
    later = pl.col("later").cast(pl.Float64)
    return days.select(
        pl.col("customer_key").cast(pl.String),
        frequency=repeat,
        recency=(pl.col("last_order_date").cast(pl.Date) - first).dt.total_days() / UNIT,
        age=(pl.lit(as_of) - first).dt.total_days() / UNIT,
        monetary=pl.when(repeat > 0).then(later / repeat).otherwise(0.0),
    ).sort("customer_key")


def _margins(left: pl.DataFrame) -> pl.DataFrame:
    """customer_key, margin: what each buyer left the shop; null while the cost of any line is unknown."""
    import polars as pl

    known = pl.when(pl.col("uncosted") == 0).then(pl.col("margin").cast(pl.Float64))
    return left.select("customer_key", margin=known.round(2))


def _named(buyers: pl.DataFrame, tier_of: pl.DataFrame) -> list[str]:
    """Tiers above the lowest that has buyers: those `tiers` gives floors of."""
    from cortex.customers.tiers import TIERS

    held = set(tier_of["tier"]) if buyers.height else set()
    return [name.lower() for name in TIERS[1:] if name in held]


def _models(told: Forecast, as_of: date) -> tuple[list[Row], list[Row]]:
    """Rows of customer_models and customer_model_parameters."""
    buyers = {"buyers": told.buyers.height, "repeat_buyers": int((told.buyers["frequency"] > 0).sum()), "as_of": as_of}
    fits: dict[str, Any] = dict(told.counting) | ({"gamma_gamma": told.spending} if told.spending else {})
    models = [buyers | _fitted(told, name, fit) for name, fit in fits.items()]
    for role, model in (("orders", told.model), ("value", told.value_model)):
        if model == "average":
            usual = {"is_used": 1, "is_converged": 1, "log_likelihood": None, "correlation": None}
            models.append(buyers | usual | {"model": model, "role": role, "reason": _why(told, role)})
    parameters = [
        {"model": name, "parameter": key, "value": value, "error": (fit.error or {}).get(key)}
        for name, fit in fits.items()
        for key, value in fit.parameters.items()
        if math.isfinite(value)
    ]
    return models, parameters


def _fitted(told: Forecast, name: str, fit: Any) -> Row:
    """What customer_models says of a fitted model. A spare one that could have been used has no reason not to be."""
    role = "value" if name == "gamma_gamma" else "orders"
    used = name == (told.value_model if role == "value" else told.model)
    return {
        "model": name,
        "role": role,
        "is_used": int(used),
        "is_converged": int(fit.converged),
        "reason": "" if used or (role == "orders" and fit.converged) else _why(told, role),
        "log_likelihood": fit.log_likelihood if math.isfinite(fit.log_likelihood) else None,
        "correlation": told.correlation if role == "value" else None,
    }


def _why(told: Forecast, role: str) -> str:
    """Code of what stood in the way of the model one would expect."""
    codes = {note.code for note in told.notes}
    if role == "value":
        found = codes & {"value_depends_on_frequency", "no_convergence_of_value"}
    else:
        found = {"no_convergence"} if told.counting else set()
    return next(iter(found), "too_few_repeat_buyers")


def _facts(told: Forecast) -> Row:
    buyers = told.buyers
    return {
        "model": told.model,
        "value_model": told.value_model,
        "buyers": buyers.height,
        "expected_alive": round(float(buyers["p_alive"].sum()), 2),
        "value_365": round(float(buyers["value_365"].sum()), 2),
        "notes": [note.code for note in told.notes],
    }
