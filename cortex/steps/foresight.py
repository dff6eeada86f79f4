"""Foresight: what first-time buyers are predicted to bring, for the one platform that may be told, if it may be told."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from cortex import conversions as rules
from cortex.destinations import Destination
from cortex.run import Run

PURCHASES = """
    SELECT customer_key, paid_date AS day, SUM(paid - refunded) AS value FROM fct_orders
    WHERE is_paid = 1 AND paid_date IS NOT NULL GROUP BY customer_key, paid_date
"""
RECENT = """
    SELECT customer_key, is_new_customer, paid_at, paid, refunded, currency FROM fct_orders
    WHERE is_paid = 1 AND marketplace = '' AND paid_at >= :since
"""
AHEAD = 365
"""Days a predicted value reaches."""


def predictions(run: Run, destination: Destination) -> tuple[Mapping[str, Decimal], str]:
    """Value of the coming year by buyer, and why it may not be told (then there is none).

    Meta's conditions are looked at for what would be told: the first order and the year after it together.
    """
    if not destination.predicts:
        return {}, "only Meta takes them; Google is told the buyer's third instead (customerValueBucket)"
    now = run.now()
    recent = run.warehouse.rows(RECENT, since=now - timedelta(days=28))
    first = {row["customer_key"]: rules.net_value(row) for row in recent if row["is_new_customer"]}
    weekly = sum(row["paid_at"] >= now - timedelta(days=7) for row in recent)
    found = _forecast(run, set(first))
    refusal = rules.prediction_refusal([first[buyer] + value for buyer, value in found.items()], weekly)
    return ({}, refusal) if refusal else (found, "")


def _forecast(run: Run, wanted: set[str]) -> dict[str, Decimal]:
    import polars as pl

    from cortex.customers import prediction
    from cortex.warehouse.read import to_cents

    frame = to_cents(run.warehouse.frame(PURCHASES), "value").with_columns(pl.col("value").cast(pl.Float64) / 100)
    if frame.is_empty() or not wanted:
        return {}
    told = prediction.forecast(frame, until=frame["day"].max(), horizons=(AHEAD,))  # type: ignore[arg-type]
    buyers = told.buyers.filter(pl.col("customer_key").is_in(sorted(wanted)))
    values = zip(buyers["customer_key"], buyers[f"value_{AHEAD}"], strict=True)
    return {buyer: Decimal(str(round(value, 2))) for buyer, value in values}
