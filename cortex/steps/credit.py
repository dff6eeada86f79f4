"""Credit: one journey per paid order, and its money shared out by every model of the tenant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from cortex import plugins
from cortex.clock import day_start
from cortex.run import Outcome, Run, Step
from cortex.warehouse import tables

if TYPE_CHECKING:
    import polars as pl

    from cortex.tenant import Tenant
    from cortex.warehouse import Transaction

SETTLING = timedelta(days=14)
"""GA4 and click ids may still change this long after an order: its credit is computed again."""
ORDERS = """
    SELECT order_key, external_id, number, created_at, paid_date, paid - refunded AS net, marketplace, is_new_customer
    FROM fct_orders WHERE is_paid = 1
"""


def orders(_tenant: Tenant) -> Iterator[Step]:
    """Orders the window may have changed."""
    yield Step("attribution", credit_changed, needs=("customers.people",))


def everything(_tenant: Tenant) -> Iterator[Step]:
    """Every paid order."""
    yield Step("attribution", credit_all, needs=("customers.people",))


def credit_all(run: Run) -> Outcome:
    """Journeys and credits of every paid order, computed anew."""
    return _credit(run, run.warehouse.frame(ORDERS))


def credit_changed(run: Run) -> Outcome:
    """Journeys and credits of orders paid or changed in the window or in the days before that still settle."""
    if any(hasattr(plugins.module("attribution", model), "LEARNS") for model in run.tenant.analytics.models):
        # What is learned from the market moves the credit of every order, old ones too.
        return credit_all(run)
    since = run.window.since - SETTLING
    changed = run.warehouse.frame(
        ORDERS + " AND (paid_date >= :since OR updated_at >= :instant)",
        since=since,
        instant=day_start(since, run.tenant.timezone).replace(tzinfo=None),
    )
    return _credit(run, changed)


def _credit(run: Run, paid: pl.DataFrame) -> Outcome:
    import polars as pl

    from cortex.attribution import _journeys as building
    from cortex.attribution import credit, data_driven
    from cortex.warehouse.read import from_cents, to_cents

    paid = to_cents(paid, "net").sort("order_key")
    points = building.touchpoints(
        paid,
        run.warehouse.frame("SELECT * FROM stg_touches"),
        run.warehouse.frame("SELECT platform, click_id, campaign_id, adset_id, ad_id FROM fct_ad_clicks"),
        run.warehouse.frame("SELECT * FROM dim_campaigns"),
        window_days=run.tenant.analytics.attribution_window_days,
    )
    keys, journeys = building.journeys(points)
    money = paid.filter(pl.col("order_key").is_in(keys)).sort("order_key")["net"].to_numpy()
    facts = paid.select("order_key", "is_new_customer", order_date="paid_date")
    named = points.select("order_key", "position", "channel", "platform", "campaign_id", "adset_id", "ad_id")
    # Every other room asks for the last click's channel, whatever models the client looks at.
    models = tuple(dict.fromkeys(("last_click", *run.tenant.analytics.models)))
    credited = []
    for model in models:
        shares = plugins.module("attribution", model).model(journeys)
        credited.append(
            named.with_columns(
                model=pl.lit(model),
                weight=pl.Series(shares, dtype=pl.Float64),
                attributed_revenue=pl.Series(credit(journeys, shares, money), dtype=pl.Int64),
            )
        )
    rows = pl.concat([*credited, _unattributed(paid, keys, models)], how="diagonal_relaxed")
    # A touch without credit is in fct_touchpoints already; here it would only multiply joins.
    rows = from_cents(rows.filter(pl.col("weight") > 0).join(facts, on="order_key"), "attributed_revenue")
    touch_rows = points.drop("hours_before").to_dicts()
    credit_rows = rows.to_dicts()
    every = paid["order_key"].to_list()

    def write(tx: Transaction) -> None:
        tx.rewrite(tables.fct_touchpoints, "order_key", every, touch_rows)
        tx.rewrite(tables.fct_attribution, "order_key", every, credit_rows)
        # An order that is no longer paid (voided, found to be a test) holds no credit.
        tx.run("DELETE FROM fct_attribution WHERE order_key IN (SELECT order_key FROM fct_orders WHERE is_paid = 0)")
        tx.run("DELETE FROM fct_touchpoints WHERE order_key IN (SELECT order_key FROM fct_orders WHERE is_paid = 0)")

    run.warehouse.atomically(write)
    share = 100.0 * len(keys) / len(every) if every else 0.0
    return Outcome(
        len(credit_rows),
        f"{len(every)} orders, {len(points)} touches, {share:.0f} % attributed",
        {
            "orders": len(every),
            "touches": len(points),
            "attributed_orders": len(keys),
            "models": list(models),
            "data_driven": data_driven.choice(journeys.paths),
        },
    )


def _unattributed(paid: pl.DataFrame, keys: list[str], models: tuple[str, ...]) -> pl.DataFrame:
    """One row per model for an order nobody told about: unattributed is a row, not a hole."""
    import polars as pl

    lonely = paid.filter(~pl.col("order_key").is_in(keys)).select(
        "order_key",
        position=pl.lit(0, dtype=pl.Int64),
        channel=pl.lit("unattributed"),
        platform=pl.lit(""),
        campaign_id=pl.lit(""),
        adset_id=pl.lit(""),
        ad_id=pl.lit(""),
        weight=pl.lit(1.0),
        attributed_revenue="net",
    )
    return lonely.join(pl.DataFrame({"model": list(models)}, schema={"model": pl.String}), how="cross")
