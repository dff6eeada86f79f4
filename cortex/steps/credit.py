"""Credit: one journey per paid order, and its money shared out by every model of the tenant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from cortex import plugins
from cortex.clock import day_start
from cortex.run import Outcome, Run, Step
from cortex.steps import walked
from cortex.warehouse import tables

if TYPE_CHECKING:
    import polars as pl

    from cortex.attribution import Journeys
    from cortex.tenant import Tenant
    from cortex.warehouse import Transaction, Warehouse

SETTLING = timedelta(days=14)
"""GA4 and click ids may still change this long after an order: its credit is computed again."""
AT_ONCE = 5_000
"""Orders whose rows are made and written together: bounds the memory."""
TOUCHES_AT_ONCE = 50_000
"""Touches whose words are spelt out and written together."""
PAID = """
    SELECT order_key, external_id, number, customer_key, created_at, paid_date, paid - refunded AS net, marketplace,
           is_new_customer
    FROM fct_orders WHERE is_paid = 1
"""
KNOWN = "SELECT order_key, external_id, number, customer_key, created_at FROM fct_orders"
TOUCHES = """
    SELECT touch_key, origin, order_ref, occurred_at, source, medium, campaign, content, channel_group, campaign_id,
           gclid, gbraid, wbraid, fbclid, ttclid, msclkid
    FROM stg_touches ORDER BY touch_key
"""
FORGOTTEN = """
    SELECT t.order_key, t.position, t.occurred_at, t.channel, t.source, t.medium, t.campaign, t.platform, t.campaign_id,
           t.adset_id, t.ad_id, t.origin, t.is_direct, o.created_at
    FROM fct_touchpoints t
    JOIN erased_orders e ON e.order_key = t.order_key
    JOIN fct_orders o ON o.order_key = t.order_key
"""
"""Journeys of erased buyers as they were: what tied one order's visits to the next is gone, the totals stay."""
DEVICES = "SELECT order_ref, device FROM stg_touches WHERE device <> '' AND order_ref <> ''"
UNKNOWN = "SELECT order_key, external_id, number FROM fct_orders WHERE device = ''"
SHARED = "SELECT number FROM fct_orders GROUP BY number HAVING COUNT(*) > 1"
CLICKS = "SELECT platform, click_id, campaign_id, adset_id, ad_id FROM fct_ad_clicks"
CAMPAIGNS = "SELECT platform, campaign_id, adset_id, ad_id, campaign_name FROM dim_campaigns"


def orders(_tenant: Tenant) -> Iterator[Step]:
    """Orders the window may have changed."""
    yield Step("attribution", credit_changed, needs=("customers.people",))


def everything(_tenant: Tenant) -> Iterator[Step]:
    """Every paid order."""
    yield Step("attribution", credit_all, needs=("customers.people",))


def credit_all(run: Run) -> Outcome:
    """Journeys and credits of every paid order, computed anew."""
    return _credit(run, paid_orders(run.warehouse), every=True)


def credit_changed(run: Run) -> Outcome:
    """Journeys and credits of orders paid or changed in the window or in the days before that still settle."""
    if any(hasattr(plugins.module("attribution", model), "LEARNS") for model in run.tenant.analytics.models):
        # What is learned from the market moves the credit of every order, old ones too.
        return credit_all(run)
    if _otherwise(run):
        return credit_all(run)
    since = run.window.since - SETTLING
    changed = paid_orders(
        run.warehouse,
        " AND (paid_date >= :since OR updated_at >= :instant)",
        since=since,
        instant=day_start(since, run.tenant.timezone).replace(tzinfo=None),
    )
    return _credit(run, changed, every=False)


OLDEST = "SELECT window_days FROM fct_attribution WHERE model = :model ORDER BY order_date, order_key LIMIT 1"


def _otherwise(run: Run) -> bool:
    """Whether the client file asks for another window than orders were credited by, or for a model they never were.

    The oldest order tells: only crediting everything reaches it.
    """
    wanted = run.tenant.analytics.attribution_window_days
    told = (run.warehouse.rows(OLDEST, model=model) for model in run.tenant.analytics.models)
    return any(not oldest or oldest[0]["window_days"] != wanted for oldest in told)


@dataclass(frozen=True)
class Judged:
    """Paid orders, their journeys, and who decides.

    paid: as `paid_orders` gives them. points: as `touchpoints` gives them, by order_key and position.
    keys: the orders that have a journey, in the order of `journeys`.
    """

    paid: pl.DataFrame
    points: pl.DataFrame
    keys: pl.Series
    journeys: Journeys
    window_days: int
    """Days before an order in which a visit can earn credit."""

    def credits(self, models: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Credit of every order by every model, some orders at a time.

        Columns of fct_attribution, attributed_revenue in cents. The parts of an order and model sum to its net value,
        and to a weight of 1; an order nobody told about is one row of channel `unattributed`. Touches without credit
        are left out: they are in fct_touchpoints.
        """
        import polars as pl

        from cortex.attribution import _compact as compact
        from cortex.attribution import credit

        told = self.paid.filter(pl.col("order_key").is_in(self.keys)).sort("order_key")
        money = told["net"].to_numpy()
        shares = {model: plugins.module("attribution", model).model(self.journeys) for model in models}
        cents = {model: credit(self.journeys, weights, money) for model, weights in shares.items()}
        named = self.points.select("order_key", "position", "channel", "platform", "campaign_id", "adset_id", "ad_id")
        facts = self.paid.select("order_key", "is_new_customer", order_date="paid_date")
        for first in range(0, len(self.keys), AT_ONCE):
            ends = self.journeys.offsets[[first, min(first + AT_ONCE, len(self.keys))]].tolist()
            here = slice(*ends)
            part = named[here].join(facts, on="order_key", how="left", maintain_order="left")
            given = [
                part.with_columns(
                    model=pl.lit(model),
                    method=pl.lit(self.method(model)),
                    weight=pl.Series(shares[model][here], dtype=pl.Float64),
                    attributed_revenue=pl.Series(cents[model][here], dtype=pl.Int64),
                    window_days=pl.lit(self.window_days, dtype=pl.Int64),
                )
                for model in models
            ]
            # In the order of the table's key: a database appends faster than it squeezes in.
            yield compact.spelt(pl.concat(given).filter(pl.col("weight") > 0).sort("order_key", "model", "position"))
        lonely = self.paid.filter(~pl.col("order_key").is_in(self.keys))
        for model in models:
            for some in lonely.iter_slices(AT_ONCE):
                yield _unattributed(some, model, self.method(model), self.window_days)

    def method(self, model: str) -> str:
        """The model that shares the orders out: itself, or what stands in for it with journeys like these."""
        from cortex import attribution

        return attribution.method(model, plugins.module("attribution", model), self.journeys.paths)


def judge(warehouse: Warehouse, paid: pl.DataFrame, *, window_days: int) -> Judged:
    """The journeys of paid orders (as `paid_orders` gives them), from everything any source told."""
    import polars as pl

    from cortex.attribution import _compact as compact
    from cortex.attribution import _journeys as building

    kept = _forgotten(warehouse, paid, window_days)
    touches = compact.touches(warehouse.frames(TOUCHES, AT_ONCE))
    points = building.touchpoints(
        paid.join(kept, on="order_key", how="anti"),
        touches,
        compact.clicks(warehouse.frames(CLICKS, AT_ONCE), touches),
        warehouse.frame(CAMPAIGNS),
        window_days=window_days,
        known=compact.orders(warehouse.frames(KNOWN, AT_ONCE)),
    )
    if not kept.is_empty():
        told = compact.points(kept.select(points.columns))
        points = pl.concat([points, told], how="vertical_relaxed").sort("order_key", "position")
    keys, journeys = building.journeys(points, walked.market(warehouse))
    return Judged(paid, points, keys, journeys, window_days)


def _forgotten(warehouse: Warehouse, paid: pl.DataFrame, window_days: int) -> pl.DataFrame:
    """The stored touches of erased buyers' orders, as `touchpoints` gives them."""
    import polars as pl

    hours = (pl.col("created_at") - pl.col("occurred_at")).dt.total_seconds() / 3600.0
    return (
        warehouse.frame(FORGOTTEN)
        .join(paid.select("order_key"), on="order_key", how="semi")
        .with_columns(hours_before=hours.clip(lower_bound=0.0))
        .filter(pl.col("hours_before") <= window_days * 24.0)
        .with_columns(position=pl.int_range(1, pl.len() + 1).over("order_key", order_by="position"))
    )


def paid_orders(warehouse: Warehouse, condition: str = "", **params: object) -> pl.DataFrame:
    """Every order money arrived for, or those of a condition: columns of PAID as `compact.orders` gives them, net in
    cents, by order_key."""
    from cortex.attribution import _compact as compact
    from cortex.warehouse.read import to_cents

    pieces = warehouse.frames(PAID + condition, AT_ONCE, **params)
    return compact.orders(to_cents(piece, "net") for piece in pieces).sort("order_key")


def _credit(run: Run, paid: pl.DataFrame, *, every: bool) -> Outcome:
    from cortex.attribution import _compact as compact

    judged = judge(run.warehouse, paid, window_days=run.tenant.analytics.attribution_window_days)
    # Every other room asks for the last click's channel, whatever models the client looks at.
    models = tuple(dict.fromkeys(("last_click", *run.tenant.analytics.models)))
    orders = judged.paid["order_key"]
    told = devices(run.warehouse)

    def write(tx: Transaction) -> int:
        tx.assign(tables.fct_orders, "order_key", told, only={"device": ""})
        if every:
            tx.run("DELETE FROM fct_touchpoints")
            tx.run("DELETE FROM fct_attribution")
        else:
            keys = orders.to_list()
            tx.delete(tables.fct_touchpoints, {"order_key": keys})
            tx.delete(tables.fct_attribution, {"order_key": keys})
            # An order that is no longer paid (voided, found to be a test) holds no credit.
            tx.run(
                "DELETE FROM fct_touchpoints WHERE order_key IN (SELECT order_key FROM fct_orders WHERE is_paid = 0)"
            )
            tx.run(
                "DELETE FROM fct_attribution WHERE order_key IN (SELECT order_key FROM fct_orders WHERE is_paid = 0)"
            )
        for part in judged.points.drop("hours_before").iter_slices(TOUCHES_AT_ONCE):
            tx.append(tables.fct_touchpoints, compact.spelt(part))
        return sum(tx.append(tables.fct_attribution, _exact(part)) for part in judged.credits(models))

    written = run.warehouse.atomically(write)
    share = 100.0 * len(judged.keys) / len(orders) if len(orders) else 0.0
    chosen = judged.method("data_driven")
    by = f", data_driven is {chosen}" if "data_driven" in models else ""
    market = judged.journeys.market
    walked_in = int(market.conversions.sum() + market.nulls.sum()) if market is not None else 0
    return Outcome(
        written,
        f"{len(orders)} orders, {len(judged.points)} touches, {share:.0f} % attributed{by}",
        {
            "orders": len(orders),
            "touches": len(judged.points),
            "attributed_orders": len(judged.keys),
            "models": list(models),
            "data_driven": chosen,
            "market_journeys": walked_in,
        },
    )


def devices(warehouse: Warehouse) -> list[dict[str, object]]:
    """Devices of orders whose own browser nobody knows, as a source ties them to the order's id or number."""
    import polars as pl

    told = warehouse.frame(DEVICES).unique("order_ref", keep="last", maintain_order=True)
    if told.is_empty():
        return []
    unknown = warehouse.frame(UNKNOWN)
    by_id = unknown.join(told, left_on="external_id", right_on="order_ref")
    rest = unknown.join(by_id, on="order_key", how="anti").join(warehouse.frame(SHARED), on="number", how="anti")
    by_number = rest.join(told, left_on="number", right_on="order_ref")
    return pl.concat([by_id.select("order_key", "device"), by_number.select("order_key", "device")]).to_dicts()


def _exact(part: pl.DataFrame) -> pl.DataFrame:
    """Rows of fct_attribution: money and weights as decimals, exact to the last place."""
    import polars as pl

    from cortex.warehouse.read import from_cents

    weight = pl.col("weight").round(8).cast(pl.Decimal(18, 8))
    return from_cents(part, "attributed_revenue").with_columns(weight)


def _unattributed(lonely: pl.DataFrame, model: str, method: str, window_days: int) -> pl.DataFrame:
    """An order nobody told about: unattributed is a row, not a hole."""
    import polars as pl

    return lonely.select(
        "order_key",
        "is_new_customer",
        order_date="paid_date",
        model=pl.lit(model),
        method=pl.lit(method),
        position=pl.lit(0, dtype=pl.Int64),
        channel=pl.lit("unattributed"),
        platform=pl.lit(""),
        campaign_id=pl.lit(""),
        adset_id=pl.lit(""),
        ad_id=pl.lit(""),
        weight=pl.lit(1.0),
        attributed_revenue="net",
        window_days=pl.lit(window_days, dtype=pl.Int64),
    )
