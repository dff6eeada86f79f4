"""Reporting: the figures of a report, read from the rpt_ views alone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cortex.clock import Window
from cortex.errors import DatabaseError
from cortex.reports import Channel, Cohort, Day, Delivery, Figure, Funnel, Product, Report, notices
from cortex.reports import funnel as way
from cortex.reports.words import word
from cortex.steps import looked

if TYPE_CHECKING:
    from cortex.tenant import Tenant
    from cortex.warehouse import Warehouse

Row = Mapping[str, Any]
ZERO = Decimal(0)
MONTHS = 13
"""Cohort columns shown: the first month and the twelve after it."""
TOP = 10
"""Products shown."""
ARRIVED = ("accepted", "processed", "duplicate")

DAILY = "SELECT * FROM rpt_daily_performance WHERE day >= :since AND day < :until ORDER BY day"
CHANNELS = """
    SELECT model, channel, MIN(sort_order) AS sort_order, SUM(attributed_revenue) AS attributed_revenue,
           SUM(orders) AS orders, SUM(new_customers) AS new_customers, SUM(spend) AS spend
    FROM rpt_channel_performance WHERE day >= :since AND day < :until GROUP BY model, channel
"""
CLAIMS = """
    SELECT platform, SUM(platform_value) AS platform_value, SUM(spend) AS spend FROM rpt_campaign_performance
    WHERE day >= :since AND day < :until AND model = :model GROUP BY platform
"""
DELIVERIES = """
    SELECT destination, state, reason, SUM(conversions) AS conversions, SUM(value) AS value FROM rpt_conversion_delivery
    WHERE day >= :since AND day < :until AND action = 'purchase'
    GROUP BY destination, state, reason ORDER BY destination, state, reason
"""
PRODUCTS = """
    SELECT platform, product_id, MIN(name) AS name, SUM(units) AS units, SUM(revenue) AS revenue FROM rpt_product_performance
    WHERE day >= :since AND day < :until GROUP BY platform, product_id ORDER BY revenue DESC, name LIMIT :top
"""

FUNNEL = "SELECT * FROM rpt_funnel WHERE day >= :since AND day < :until"
PLACED = "SELECT SUM(placed_orders) AS orders FROM rpt_reconciliation WHERE day >= :since AND day < :until"


def placed_orders(warehouse: Warehouse, window: Window) -> int:
    """Orders placed in the shop, paid or not."""
    return int(_between(warehouse, PLACED, window)[0]["orders"] or 0)


def last_day(warehouse: Warehouse) -> date:
    """The last day whose orders are whole. Raises DatabaseError when nothing has been loaded."""
    read = warehouse.rows(
        "SELECT MIN(complete_until) AS complete_until FROM rpt_data_freshness WHERE stream = 'store.orders'"
    )
    if read and read[0]["complete_until"]:
        until: date = read[0]["complete_until"]
        return until - timedelta(days=1)
    newest = warehouse.rows("SELECT MAX(day) AS day FROM rpt_daily_performance")[0]["day"]
    if newest is None:
        raise DatabaseError(
            "CTX-5064", f"Client {warehouse.code} has no data yet.", fix=f"cortex backfill {warehouse.code} --days 90"
        )
    day: date = newest
    return day


def gather(warehouse: Warehouse, tenant: Tenant, window: Window, *, now: datetime, lang: str) -> Report:
    """Everything the report shows of a window (tenant-local days) beside the window of the same length before it."""
    before = before_of(window)
    days, past = _with_past(warehouse, window)
    model = tenant.analytics.models[0]
    claims = _between(warehouse, CLAIMS, window, model=model)
    looks = looked.at(warehouse, window)
    return Report(
        client=tenant.name,
        currency=tenant.currency,
        lang=lang,
        since=window.since,
        last=window.last,
        before_since=before.since,
        before_last=before.last,
        made_at=now,
        data_until=last_day(warehouse),
        timezone=tenant.timezone.key,
        figures=_figures(window, days, past),
        days=_days(window, days, past) if days else (),
        channels=_channels(_between(warehouse, CHANNELS, window), claims, model),
        models=tenant.analytics.models,
        cohorts=_cohorts(warehouse),
        deliveries=_deliveries(_between(warehouse, DELIVERIES, window)),
        products=[_product(row, looks) for row in _between(warehouse, PRODUCTS, window, top=TOP)],
        views_from=looks.source,
        funnel=_funnel(warehouse, window, lang),
        notices=[*_methods(warehouse, window, lang), *_notices(warehouse, lang, tenant.currency)],
        pretended=bool(os.environ.get("CORTEX_NOW")),
    )


def before_of(window: Window) -> Window:
    """The days of the same number that end where the window begins."""
    return Window(window.since - timedelta(days=window.days), window.since)


def figures(warehouse: Warehouse, window: Window) -> list[Figure]:
    """The key figures of a window (tenant-local days), each with that of the window before."""
    return _figures(window, *_with_past(warehouse, window))


def headline(warehouse: Warehouse) -> dict[str, Any]:
    """The figures the demo ends with, over everything loaded."""
    got = warehouse.rows(
        "SELECT SUM(orders) AS orders, SUM(net_revenue) AS net_revenue, SUM(gross_revenue) AS gross_revenue,"
        " SUM(spend) AS spend FROM rpt_daily_performance"
    )[0]
    customers = warehouse.rows("SELECT SUM(customers) AS customers FROM rpt_customer_segments")[0]["customers"] or 0
    delivered = warehouse.rows(
        "SELECT destination, SUM(conversions) AS conversions FROM rpt_conversion_delivery"
        " WHERE state IN :states AND action = 'purchase' GROUP BY destination",
        states=list(ARRIVED),
    )
    spend, gross = got["spend"] or ZERO, got["gross_revenue"] or ZERO
    return {
        "orders": got["orders"] or 0,
        "revenue": got["net_revenue"] or ZERO,
        "customers": customers,
        "spend": spend,
        "mer": gross / spend if spend else None,
        "delivered": {row["destination"]: row["conversions"] for row in delivered},
    }


def _between(warehouse: Warehouse, sql: str, window: Window, **given: Any) -> list[dict[str, Any]]:
    return warehouse.rows(sql, since=window.since, until=window.until, **given)


def _with_past(warehouse: Warehouse, window: Window) -> tuple[dict[date, Row], dict[date, Row]]:
    """Rows by day of a window and of the one before, from one question: the view looks at all of a client's orders."""
    both = _between(warehouse, DAILY, Window(before_of(window).since, window.until))
    days: dict[date, Row] = {row["day"]: row for row in both if row["day"] in window}
    return days, {row["day"]: row for row in both if row["day"] not in window}


def _figures(window: Window, days: Mapping[date, Row], past: Mapping[date, Row]) -> list[Figure]:
    now, then = _Sums(days), _Sums(past)
    each = [days.get(day) for day in window.each_day()]

    def series(column: str) -> list[float]:
        return [float(row[column] or 0) if row else 0.0 for row in each]

    def figure(
        key: str, of: Callable[[_Sums], Decimal | None], kind: Any, better: Any, line: str, why: str = "no_orders"
    ) -> Figure:
        return Figure(key, of(now), of(then), kind, better, series(line), why)

    return [
        figure("revenue", lambda sums: sums["net_revenue"], "money", "up", "net_revenue"),
        figure("orders", lambda sums: sums["orders"], "count", "up", "orders"),
        figure("aov", lambda sums: sums.ratio("gross_revenue", "orders"), "money", "up", "aov"),
        figure("new_customers", lambda sums: sums["new_customers"], "count", "up", "new_customers"),
        figure("spend", lambda sums: sums["spend"], "money", "neither", "spend"),
        figure("roas", lambda sums: sums.ratio("paid_revenue", "spend"), "ratio", "up", "roas", "no_spend"),
        figure(
            "cac",
            lambda sums: sums.ratio("spend", "new_customers") if sums["spend"] else None,
            "money",
            "down",
            "cac",
            "no_spend",
        ),
        figure("mer", lambda sums: sums.ratio("gross_revenue", "spend"), "ratio", "up", "mer", "no_spend"),
    ]


class _Sums:
    """Sums of a period's days; rates are ratios of sums, never means of daily rates."""

    def __init__(self, days: Mapping[date, Row]) -> None:
        self._days = list(days.values())

    def __getitem__(self, column: str) -> Decimal:
        return sum((Decimal(row[column] or 0) for row in self._days), ZERO)

    def ratio(self, over: str, under: str) -> Decimal | None:
        return self[over] / self[under] if self[under] else None


def _days(window: Window, days: Mapping[date, Row], past: Mapping[date, Row]) -> list[Day]:
    shift = timedelta(days=window.days)
    known = bool(past)
    rows = []
    for day in window.each_day():
        row, before = days.get(day), past.get(day - shift)
        rows.append(
            Day(
                day,
                row["net_revenue"] if row else ZERO,
                (before["net_revenue"] if before else ZERO) if known else None,
                row["orders"] if row else 0,
                row["spend"] if row else None,
            )
        )
    return rows


def _channels(rows: Sequence[Row], claims: Sequence[Row], first: str) -> list[Channel]:
    """Channels by what the tenant's first model credits them with, largest first; unattributed last."""
    claimed = {row["platform"]: row["platform_value"] for row in claims if row["spend"] or row["platform_value"]}
    by_channel: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_channel.setdefault(row["channel"], {})[row["model"]] = row
    found = [
        Channel(
            channel=channel,
            revenue={model: row["attributed_revenue"] for model, row in models.items()},
            orders=Decimal(str(models[first]["orders"])) if first in models else ZERO,
            new_customers=Decimal(str(models[first]["new_customers"])) if first in models else ZERO,
            spend=next((row["spend"] for row in models.values() if row["spend"]), None),
            claimed=claimed.get(channel),
        )
        for channel, models in by_channel.items()
    ]
    return sorted(found, key=lambda row: (row.channel == "unattributed", -row.revenue.get(first, ZERO), row.channel))


def _cohorts(warehouse: Warehouse) -> list[Cohort]:
    """The last cohorts; a month that has not ended is None, not a number that will change."""
    rows = warehouse.rows("SELECT * FROM rpt_ltv_cohort ORDER BY cohort_month, month")
    by_month: dict[date, list[Row]] = {}
    for row in rows:
        by_month.setdefault(row["cohort_month"], []).append(row)
    recent = sorted(by_month)[-MONTHS:]
    oldest = max((sum(row["is_complete"] for row in by_month[month]) for month in recent), default=0)
    columns = min(max(oldest, 1), MONTHS)
    return [
        Cohort(
            month=month,
            customers=by_month[month][0]["customers"],
            repeat=Decimal(str(by_month[month][-1]["repeat_rate"] or 0)),
            ltv=[
                Decimal(str(row["cumulative_revenue_per_customer"])) if row["is_complete"] else None
                for row in by_month[month][:columns]
            ],
        )
        for month in recent
    ]


def _product(row: Row, looks: looked.Looks) -> Product:
    look = looks.of(row["platform"], row["product_id"])
    return Product(row["name"], row["units"], row["revenue"], look.conversion if look else None)


def _funnel(warehouse: Warehouse, window: Window, lang: str) -> Funnel | None:
    """The closed funnel where a source tells it, else the open one; the shop's own orders beside GA4's purchases."""
    by_origin = way.by(_between(warehouse, FUNNEL, window), "origin")
    if not by_origin:
        return None
    origin = "ga4_bigquery" if "ga4_bigquery" in by_origin else next(iter(by_origin))
    rows = by_origin[origin]
    levels = way.levels(rows)
    placed = placed_orders(warehouse, window)
    return Funnel(
        origin=origin,
        levels=levels,
        devices=[(name, way.levels(part)[-1].of_visits) for name, part in way.by(rows, "device").items()],
        notes=[
            *way.unmeasured(levels, len({row["day"] for row in rows}), lang),
            way.compared(levels[-1], placed, lang),
        ],
    )


METHODS = """
    SELECT DISTINCT model, method FROM fct_attribution
    WHERE order_date >= :since AND order_date < :until AND method <> model ORDER BY model, method
"""


def _methods(warehouse: Warehouse, window: Window, lang: str) -> list[str]:
    """Models that another stood in for: what data_driven chose, or one that needs journeys nobody told of."""
    return [
        word("method_note", lang).format(model=word(row["model"], lang), method=word(row["method"], lang))
        for row in _between(warehouse, METHODS, window)
    ]


NOTICES = """
    SELECT stream, code, message, facts, row_count, amount FROM rpt_notices
    WHERE code <> 'CTX-2103' OR run_id = (SELECT MAX(run_id) FROM dq_results)
    ORDER BY noticed_at DESC, stream, code, message LIMIT 200
"""
"""A check that failed once and passes now is no news."""
WITHOUT_RATE = "SELECT COUNT(*) AS n FROM rpt_currencies WHERE missing > 0"
SHOWN = 8


def _notices(warehouse: Warehouse, lang: str, currency: str) -> list[str]:
    """The newest, each once, in the report's language."""
    rows = warehouse.rows(NOTICES)
    if any(row["code"] == "CTX-5062" for row in rows) and not warehouse.rows(WITHOUT_RATE)[0]["n"]:
        rows = [row for row in rows if row["code"] != "CTX-5062"]  # the rates have come since
    lines = (
        notices.sentence(
            row["stream"], row["code"], row["message"], json.loads(row["facts"] or "{}"),
            count=row["row_count"], value=row["amount"], lang=lang, currency=currency,
        )
        for row in rows
    )  # fmt: skip
    return list(dict.fromkeys(lines))[:SHOWN]


def _deliveries(rows: Sequence[Row]) -> list[Delivery]:
    """By destination, state and reason; `window: click 90 d` is the same reason as any other window here."""
    sums: dict[tuple[str, str, str], tuple[int, Decimal]] = {}
    for row in rows:
        at = (row["destination"], row["state"], row["reason"].partition(":")[0])
        count, value = sums.get(at, (0, ZERO))
        sums[at] = (count + row["conversions"], value + row["value"])
    return [Delivery(*at, count, value) for at, (count, value) in sums.items()]
