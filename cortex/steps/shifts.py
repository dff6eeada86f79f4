"""Shifts: whether customers have become dearer, or advertising returns less, than in the weeks before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from cortex import plugins
from cortex.run import Run
from cortex.stores import Store

RECENT_DAYS = 7
"""The last whole days: each weekday once."""
BASELINE_DAYS = 28
"""The days before those: each weekday four times."""
KNOWN_DAYS = 28
"""Days of orders there must be before the baseline: with fewer, buyers of old look new in it, and cheap."""
FEWEST = 20
"""What the baseline must have brought, and the last days' spend should have at the baseline's rate, to be compared."""

MEASURED = """
    SELECT SUM(spend) AS spend, SUM(won) AS won, SUM(revenue) AS revenue, SUM(orders) AS orders
    FROM (
        SELECT s.spend AS spend, 0 AS won, 0.00 AS revenue, 0.00 AS orders FROM fct_ad_spend s
        WHERE s.day >= :since AND s.day < :until
        UNION ALL
        SELECT 0.00, o.is_new_customer, 0.00, 0.00 FROM fct_orders o
        WHERE o.is_paid = 1 AND o.paid_date >= :since AND o.paid_date < :until
        UNION ALL
        SELECT 0.00, 0, a.attributed_revenue, a.weight FROM fct_attribution a
        JOIN (SELECT DISTINCT platform FROM fct_ad_spend) b ON b.platform = a.channel
        WHERE a.model = 'last_click' AND a.order_date >= :since AND a.order_date < :until
    ) t
"""
"""The sums rpt_daily_performance makes CAC and ROAS of."""
ENDS = """
    SELECT (SELECT MIN(day) FROM fct_ad_spend) AS first_spend,
           (SELECT MIN(paid_date) FROM fct_orders WHERE is_paid = 1) AS first_sale,
           (SELECT MAX(paid_date) FROM fct_orders WHERE is_paid = 1) AS last_sale
"""


@dataclass(frozen=True)
class Measured:
    """A period's sums. won: new customers. revenue, orders: what last click credits to channels whose spend is read."""

    spend: Decimal
    won: Decimal
    revenue: Decimal
    orders: Decimal

    @property
    def cac(self) -> Decimal | None:
        return self.spend / self.won if self.won else None

    @property
    def roas(self) -> Decimal | None:
        return self.revenue / self.spend if self.spend else None


@dataclass(frozen=True)
class Shift:
    """A figure beyond its threshold. change: percent of the baseline, None where nothing was won at all.

    last: the newest day of the RECENT_DAYS; recent, before: those days, and the BASELINE_DAYS before them.
    """

    metric: str
    change: Decimal | None
    limit: Decimal
    last: date
    recent: Measured
    before: Measured


def shifts(run: Run) -> Iterator[Shift]:
    """CAC that rose by more than `alerts.thresholds.cac_increase_pct`, ROAS that fell by more than `roas_decrease_pct`.

    Nothing where too little is known to compare: a day not read whole, too few days, or too few sales (FEWEST).
    """
    until = _whole_until(run)
    if until is None:
        return
    begin = until - timedelta(days=RECENT_DAYS)
    first = begin - timedelta(days=BASELINE_DAYS)
    ends = _ends(run)
    spent, sold = ends["first_spend"], ends["first_sale"]
    if spent is None or sold is None or max(spent, sold) > first:
        return
    recent, before = _measured(run, begin, until), _measured(run, first, begin)
    if not before.spend:
        return
    limits, more = run.tenant.alerts.thresholds, recent.spend / before.spend
    if sold <= first - timedelta(days=KNOWN_DAYS) and _enough(before.won, more):
        rise = None if recent.cac is None else _percent(recent.cac * before.won / before.spend - 1)
        limit = Decimal(str(limits.cac_increase_pct))
        if rise is None or rise > limit:
            yield Shift("cac", rise, limit, until - timedelta(days=1), recent, before)
    if _enough(before.orders, more) and before.revenue > 0:
        fall = _percent(1 - (recent.roas or Decimal(0)) * before.spend / before.revenue)
        limit = Decimal(str(limits.roas_decrease_pct))
        if fall > limit:
            yield Shift("roas", fall, limit, until - timedelta(days=1), recent, before)


def _percent(share: Decimal) -> Decimal:
    """Exact where the figures are: a rise of 30 % is not more than 30 for the last digit of a division."""
    return round(100 * share, 9)


def _enough(brought: Decimal, more: Decimal) -> bool:
    """more: recent spend per unit of the baseline's. A week that should have brought many and brought none counts."""
    return min(brought, brought * more) >= FEWEST


def _whole_until(run: Run) -> date | None:
    """First day that orders or some ad account's spend were not read whole of; None when something was never read."""
    streams = ["store.orders", *(f"ads.{kind}" for kind in run.tenant.ads)]
    read = [cursor["complete_until"] for name in streams if (cursor := run.warehouse.cursor(name))]
    ends: list[date] = [day for day in read if day is not None]
    if len(streams) == 1 or len(ends) < len(streams):
        return None
    if not plugins.adapter("stores", run.tenant.ecommerce.kind, Store).secrets:
        last = _ends(run)["last_sale"]  # a file ends where it ends, however new the day it was read on
        if last is None:
            return None
        ends.append(last + timedelta(days=1))
    return min(ends)


def _ends(run: Run) -> dict[str, date | None]:
    (row,) = run.warehouse.rows(ENDS)
    return {name: date.fromisoformat(str(day)[:10]) if day is not None else None for name, day in row.items()}


def _measured(run: Run, since: date, until: date) -> Measured:
    (row,) = run.warehouse.rows(MEASURED, since=since, until=until)
    return Measured(**{name: Decimal(str(value or 0)) for name, value in row.items()})
