"""Performance: what the warehouse holds of a period's credits, spend and costs, for any model and any window."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cortex.steps import credit
from cortex.steps.costs import LINES, TAKEN, UNIT

if TYPE_CHECKING:
    import polars as pl

    from cortex.clock import Window
    from cortex.tenant import Tenant
    from cortex.warehouse import Warehouse

STORED = """
    SELECT order_key, model, method, channel, platform, campaign_id, weight, attributed_revenue, is_new_customer
    FROM fct_attribution WHERE order_date >= :since AND order_date < :until AND model IN :models
"""
SPEND = """
    SELECT s.platform AS channel, s.campaign_id AS campaign_id, SUM(s.spend) AS spend,
           SUM(s.conversions) AS claimed_orders, SUM(s.conversion_value) AS claimed_revenue
    FROM fct_ad_spend s WHERE s.day >= :since AND s.day < :until GROUP BY s.platform, s.campaign_id
"""
COSTS = f"""
    SELECT o.order_key AS order_key, MAX(o.paid) AS paid, MAX(o.shipping) + MAX(o.tax) AS charged,
           SUM({TAKEN}) AS goods, SUM(CASE WHEN {UNIT} IS NULL THEN 1 ELSE 0 END) AS unknown
    FROM fct_orders o JOIN ({LINES}) ON i.order_key = o.order_key
    WHERE o.is_paid = 1 AND o.paid_date >= :since AND o.paid_date < :until GROUP BY o.order_key
"""  # noqa: S608
TOTALS = """
    SELECT COUNT(*) AS orders, SUM(paid) AS gross, SUM(paid - refunded) AS net, SUM(is_new_customer) AS new_customers
    FROM fct_orders WHERE is_paid = 1 AND paid_date >= :since AND paid_date < :until
"""
MATCHED = """
    SELECT channel, SUM(touches) AS touches, SUM(matched) AS matched FROM rpt_campaign_matching
    WHERE day >= :since AND day < :until GROUP BY channel ORDER BY touches DESC, channel
"""
NAMES = "SELECT platform AS channel, campaign_id, MAX(campaign_name) AS campaign FROM dim_campaigns GROUP BY platform, campaign_id"


@dataclass(frozen=True)
class Performance:
    """A period by channel and by campaign, as `cortex.attribution._performance` has it; money in cents.

    campaigns: only what was tied to an ad platform; an empty campaign_id holds what could not be tied to a campaign.
    matching: channel, touches, matched of paid channels: visits before the period's orders, and those that could be tied
    to a campaign. methods: model by model the one that shared the orders out. stored: whether the credits are those of
    the last run.
    """

    channels: pl.DataFrame
    campaigns: pl.DataFrame
    matching: list[dict[str, Any]]
    methods: dict[str, str]
    stored: bool
    orders: int
    new_customers: int
    gross: Decimal
    net: Decimal
    spend: Decimal

    @property
    def mer(self) -> Decimal | None:
        """What all marketing returned, whoever gets the credit: gross revenue / spend."""
        return round(self.gross / self.spend, 6) if self.spend else None

    @property
    def cac(self) -> Decimal | None:
        """Blended: all spend / all new customers."""
        return round(self.spend / self.new_customers, 2) if self.spend and self.new_customers else None


def gather(
    warehouse: Warehouse, tenant: Tenant, window: Window, *, models: Sequence[str], window_days: int
) -> Performance:
    """The period's performance by each model, credited over so many days before an order.

    Orders belong to the day they were paid, spend to the account's own day. Credits are those the last run wrote where
    it used this window and these models, else they are computed here and now from the same touches.
    """
    import polars as pl

    from cortex.attribution import _performance as arithmetic
    from cortex.warehouse.read import to_cents

    days = {"since": window.since, "until": window.until}
    stored = window_days == tenant.analytics.attribution_window_days and set(models) <= {
        "last_click",
        *tenant.analytics.models,
    }
    credited = _stored(warehouse, models, days) if stored else None
    if credited is None or credited.is_empty():
        stored = False
        credited = _computed(warehouse, window, models, window_days)
    spend = to_cents(warehouse.frame(SPEND, **days), "spend", "claimed_revenue").with_columns(
        pl.col("claimed_orders").cast(pl.Float64)
    )
    costs = _costs(warehouse.frame(COSTS, **days))
    tied = credited.filter(pl.col("platform") != "").with_columns(channel="platform")
    by_campaign = arithmetic.performance(tied, spend, costs, by=("channel", "campaign_id"))
    total = warehouse.rows(TOTALS, **days)[0]
    return Performance(
        channels=arithmetic.performance(credited, spend, costs, by=("channel",)),
        campaigns=by_campaign.join(warehouse.frame(NAMES), on=["channel", "campaign_id"], how="left"),
        matching=[dict(row) for row in warehouse.rows(MATCHED, **days)],
        methods=dict(credited.select("model", "method").unique().sort("model").iter_rows()),
        stored=stored,
        orders=total["orders"],
        new_customers=int(total["new_customers"] or 0),
        gross=_cents(total["gross"]),
        net=_cents(total["net"]),
        spend=Decimal(int(spend["spend"].sum())) / 100,
    )


def _cents(total: object) -> Decimal:
    """A sum of money as it was added up: one engine adds decimals, the other floats."""
    return round(Decimal(str(total or 0)), 2)


def _stored(warehouse: Warehouse, models: Sequence[str], days: Mapping[str, object]) -> pl.DataFrame:
    import polars as pl

    from cortex.warehouse.read import to_cents

    found = warehouse.frame(STORED, models=list(models), **days)
    return to_cents(found, "attributed_revenue").with_columns(pl.col("weight").cast(pl.Float64))


def _computed(warehouse: Warehouse, window: Window, models: Sequence[str], window_days: int) -> pl.DataFrame:
    """Credits of the period's orders; every order is judged, because some models learn from all of them."""
    import polars as pl

    judged = credit.judge(warehouse, credit.paid_orders(warehouse), window_days=window_days)
    inside = pl.col("order_date").is_between(window.since, window.until, closed="left")
    columns = (
        "order_key", "model", "method", "channel", "platform", "campaign_id", "weight", "attributed_revenue",
        "is_new_customer",
    )  # fmt: skip
    parts = [part.filter(inside).select(columns) for part in judged.credits(models)]
    return (
        pl.concat(parts, how="vertical_relaxed")
        if parts
        else _stored(warehouse, [], {"since": window.since, "until": window.until})
    )


def _costs(told: pl.DataFrame) -> pl.DataFrame:
    """What goods, freight and tax of each order took per cent paid: a refund takes its part of them back with it."""
    import polars as pl

    paid = pl.col("paid").cast(pl.Float64)
    spent = pl.col("goods").cast(pl.Float64) + pl.col("charged").cast(pl.Float64)
    share = pl.when((pl.col("unknown") == 0) & (paid > 0)).then(spent / paid)
    return told.select(pl.col("order_key").cast(pl.String), cost_share=share)
