"""Quality: what is checked of loaded data at the end of a run, kept in dq_results and printed by `cortex dq`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from cortex import plugins
from cortex.clock import day_start, local_day
from cortex.errors import CortexError, QualityGate
from cortex.records import Notice
from cortex.run import Outcome, Run, Step
from cortex.stores import Store
from cortex.warehouse import tables

if TYPE_CHECKING:
    from cortex.tenant import Tenant

Severity = Literal["error", "warning"]
BEHIND_DAYS = 1
"""Days a stream may lie behind today: yesterday is read tonight."""
USUAL_DAYS = 28
USUAL_ORDERS = 10
"""Orders a day below which a quiet day says nothing."""
LARGEST_DROP = Decimal("0.7")
"""Share by which the last day may fall below the mean of the days before."""
ANNOUNCED = Decimal("0.005")
"""Share by which the store's own count may differ from what is loaded."""
UNKNOWN_PRODUCTS = Decimal("0.05")


@dataclass(frozen=True)
class Finding:
    """One thing checked. measured is compared with allowed; None where nothing could be measured."""

    part: str
    measured: Decimal | None
    allowed: Decimal
    message: str

    @property
    def status(self) -> str:
        if self.measured is None:
            return "unknown"
        return "ok" if self.measured <= self.allowed else "failed"


@dataclass(frozen=True)
class Rule:
    """A kind of check. severity: error, the numbers are wrong; warning, somebody should look."""

    name: str
    severity: Severity
    about: str
    find: Callable[[Run], Iterator[Finding]]


def checks(_tenant: Tenant) -> Iterator[Step]:
    yield Step("quality", check)


def check(run: Run) -> Outcome:
    """Check everything, keep the results, and say what failed. Raises QualityGate when `quality.fail_on` says so."""
    found = [(rule, finding) for rule in RULES for finding in rule.find(run)]
    rows = [
        {
            "run_id": run.run_id,
            "rule": rule.name,
            "part": finding.part,
            "severity": rule.severity,
            "status": finding.status,
            "measured": finding.measured,
            "allowed": finding.allowed,
            "message": finding.message[:255],
            "checked_at": run.now(),
        }
        for rule, finding in found
    ]
    run.warehouse.atomically(lambda tx: tx.replace(tables.dq_results, {"run_id": run.run_id}, rows))
    failed = [(rule, finding) for rule, finding in found if finding.status == "failed"]
    run.notices += [
        Notice(
            code="CTX-2103",
            stream="quality",
            message=f"{rule.name} {finding.part}: {finding.message}",
            facts={
                "rule": rule.name,
                "part": finding.part,
                "measured": f"{finding.measured:f}",
                "allowed": f"{finding.allowed:f}",
            },
        )
        for rule, finding in failed
    ]
    worst = {rule.severity for rule, _ in failed}
    if run.tenant.quality.fail_on in worst or (run.tenant.quality.fail_on == "warning" and worst):
        raise QualityGate(
            "CTX-2103",
            f"{len(failed)} of {len(found)} checks of client {run.tenant.code} failed.",
            fix=f"cortex dq {run.tenant.code}",
        )
    errors = sum(rule.severity == "error" for rule, _ in failed)
    return Outcome(
        len(found),
        f"{len(found)} checks, {len(failed)} failed",
        {"checks": len(found), "failed": len(failed), "errors": errors},
    )


def _count(run: Run, sql: str, **params: Any) -> Decimal:
    (row,) = run.warehouse.rows(sql, **params)
    (value,) = row.values()
    return Decimal(value or 0)


def _days(run: Run) -> Mapping[str, Any]:
    return {"since": run.window.since, "until": run.window.until}


def _freshness(run: Run) -> Iterator[Finding]:
    """Streams of platforms that can be asked: files end where they end. A funnel nobody ever asked for is none."""
    today = local_day(run.now(), run.tenant.timezone)
    shop = plugins.adapter("stores", run.tenant.ecommerce.kind, Store)
    streams = ["store.orders"] if shop.secrets else []
    streams += [f"ads.{kind}" for kind in run.tenant.ads] + [f"traffic.{kind}" for kind in run.tenant.traffic]
    read = {
        row["stream"]: row["complete_until"]
        for row in run.warehouse.rows("SELECT stream, complete_until FROM sync_state")
    }
    streams += [stream for kind in run.tenant.traffic if (stream := f"funnel.{kind}") in read]
    for stream in streams:
        until = read.get(stream)
        behind = (today - until).days if until else 9999
        said = f"whole until {until - timedelta(days=1)}" if until else "never read to its end"
        yield Finding(stream, Decimal(behind), Decimal(BEHIND_DAYS), said)


def _volume(run: Run) -> Iterator[Finding]:
    last, first = run.window.last, run.window.last - timedelta(days=USUAL_DAYS)
    sql = "SELECT COUNT(*) AS n FROM fct_orders WHERE is_test = 0 AND order_date >= :since AND order_date < :until"
    usual = _count(run, sql, since=first, until=last) / USUAL_DAYS
    placed = _count(run, sql, since=last, until=run.window.until)
    if usual < USUAL_ORDERS:
        said = f"{placed} orders on {last}; too few on other days to say what is usual"
        yield Finding("fct_orders", None, LARGEST_DROP, said)
        return
    said = f"{placed} orders on {last}, {usual:.0f} a day in the {USUAL_DAYS} days before"
    yield Finding("fct_orders", max(Decimal(0), 1 - placed / usual), LARGEST_DROP, said)


NULLS = {
    "fct_orders.paid_date": "SELECT COUNT(*) AS n FROM fct_orders WHERE is_paid = 1 AND paid_date IS NULL",
    "fct_orders.currency": (
        "SELECT COUNT(*) AS n FROM fct_orders WHERE currency = '' AND order_date >= :since AND order_date < :until"
    ),
    "fct_orders.customer_key": (
        "SELECT COUNT(*) AS n FROM fct_orders WHERE customer_key = '' AND order_date >= :since AND order_date < :until"
    ),
}


def _nulls(run: Run) -> Iterator[Finding]:
    for part, sql in NULLS.items():
        missing = _count(run, sql, **(_days(run) if ":since" in sql else {}))
        yield Finding(part, missing, Decimal(0), f"{missing} rows without it")


def _products(run: Run) -> Iterator[Finding]:
    (row,) = run.warehouse.rows(
        "SELECT COUNT(*) AS n, SUM(CASE WHEN i.product_id = '' THEN 1 ELSE 0 END) AS unknown FROM fct_order_items i"
        " JOIN fct_orders o ON o.order_key = i.order_key WHERE o.order_date >= :since AND o.order_date < :until",
        **_days(run),
    )
    share = Decimal(row["unknown"] or 0) / row["n"] if row["n"] else None
    said = f"{row['unknown'] or 0} of {row['n']} lines name no product"
    yield Finding("fct_order_items.product_id", share, UNKNOWN_PRODUCTS, said)


def _duplicates(run: Run) -> Iterator[Finding]:
    twice = _count(
        run,
        "SELECT COUNT(*) AS n FROM (SELECT platform, number FROM fct_orders"
        " WHERE order_date >= :since AND order_date < :until GROUP BY platform, number HAVING COUNT(*) > 1) x",
        **_days(run),
    )
    yield Finding("fct_orders.number", twice, Decimal(0), f"{twice} numbers are shown on more than one order")
    both = _count(
        run,
        "SELECT COUNT(*) AS n FROM (SELECT order_key, method, amount, paid_at FROM fct_payments WHERE order_key IN"
        " (SELECT order_key FROM fct_orders WHERE is_paid = 1 AND order_date >= :since AND order_date < :until)"
        " AND paid_at IS NOT NULL AND amount > 0 GROUP BY order_key, method, amount, paid_at HAVING COUNT(*) > 1) x",
        **_days(run),
    )
    yield Finding("fct_payments", both, Decimal(0), f"{both} payments look like another of their order")


CHILDREN = (
    "fct_order_items",
    "fct_payments",
    "fct_refunds",
    "fct_order_status",
    "fct_order_aliases",
    "fct_touchpoints",
    "fct_attribution",
    "fct_reviews",
)


def _orphans(run: Run) -> Iterator[Finding]:
    for child in CHILDREN:
        lost = _count(
            run,
            f"SELECT COUNT(*) AS n FROM {child} c LEFT JOIN fct_orders o ON o.order_key = c.order_key"  # noqa: S608
            " WHERE o.order_key IS NULL",
        )
        yield Finding(child, lost, Decimal(0), f"{lost} rows belong to no order")
    lost = _count(
        run,
        "SELECT COUNT(*) AS n FROM fct_ad_spend s LEFT JOIN dim_campaigns c ON c.platform = s.platform AND"
        " c.campaign_id = s.campaign_id AND c.adset_id = s.adset_id AND c.ad_id = s.ad_id"
        " WHERE c.platform IS NULL AND s.day >= :since AND s.day < :until",
        **_days(run),
    )
    yield Finding("fct_ad_spend", lost, Decimal(0), f"{lost} rows belong to no campaign")


def _childless(run: Run) -> Iterator[Finding]:
    empty = _count(
        run,
        "SELECT COUNT(*) AS n FROM fct_orders o LEFT JOIN fct_order_items i ON i.order_key = o.order_key AND i.line = 1"
        " WHERE i.order_key IS NULL AND o.is_paid = 1 AND o.order_date >= :since AND o.order_date < :until",
        **_days(run),
    )
    yield Finding("fct_order_items", empty, Decimal(0), f"{empty} paid orders have no lines")


LINES = """
    SELECT COUNT(*) AS n FROM (
        SELECT o.order_key FROM fct_orders o JOIN fct_order_items i ON i.order_key = o.order_key
        WHERE o.order_date >= :since AND o.order_date < :until
        GROUP BY o.order_key, o.subtotal HAVING ABS(SUM(i.total) - o.subtotal) > 0.01
    ) x
"""
PAYMENTS = """
    SELECT COUNT(*) AS n FROM (
        SELECT o.order_key FROM fct_orders o JOIN fct_payments p ON p.order_key = o.order_key
        WHERE o.is_paid = 1 AND o.order_date >= :since AND o.order_date < :until
        GROUP BY o.order_key, o.paid HAVING ABS(SUM(p.amount) - o.paid) > 0.01
    ) x
"""


def _sums_told(run: Run) -> Iterator[Finding]:
    """Sums the platform itself tells twice: a cent may be its rounding."""
    off = _count(run, LINES, **_days(run))
    yield Finding("lines = subtotal", off, Decimal(0), f"{off} orders whose lines are not their subtotal")
    off = _count(run, PAYMENTS, **_days(run))
    yield Finding("payments = paid", off, Decimal(0), f"{off} paid orders whose payments are not what was paid")


CREDITS = """
    SELECT COUNT(*) AS n FROM (
        SELECT a.order_key, a.model FROM fct_attribution a JOIN fct_orders o ON o.order_key = a.order_key
        WHERE o.is_paid = 1 AND o.paid_date >= :since AND o.paid_date < :until
        GROUP BY a.order_key, a.model, o.paid, o.refunded
        HAVING ABS(SUM(a.attributed_revenue) - (o.paid - o.refunded)) > 0.004
    ) x
"""
UNCREDITED = """
    SELECT COUNT(*) AS n FROM fct_orders o
    WHERE o.is_paid = 1 AND o.paid_date >= :since AND o.paid_date < :until
    AND NOT EXISTS (SELECT 1 FROM fct_attribution a WHERE a.order_key = o.order_key)
"""


def _sums_ours(run: Run) -> Iterator[Finding]:
    """Sums of our own, to the cent."""
    facts = _count(
        run,
        "SELECT SUM(paid) AS paid FROM fct_orders WHERE is_paid = 1 AND paid_date >= :since AND paid_date < :until",
        **_days(run),
    )
    summed = _count(
        run,
        "SELECT SUM(gross_revenue) AS gross_revenue FROM agg_daily_sales WHERE day >= :since AND day < :until",
        **_days(run),
    )
    gap = abs(round(facts - summed, 2))
    yield Finding("agg_daily_sales = fct_orders", gap, Decimal(0), f"{summed:.2f} in sums, {facts:.2f} in orders")
    periods = _count(
        run,
        "SELECT SUM(gross_revenue) AS gross_revenue FROM sales_analytics"
        " WHERE grain = 'day' AND period_start >= :since AND period_start < :until",
        **_days(run),
    )
    gap = abs(round(facts - periods, 2))
    yield Finding("sales_analytics = fct_orders", gap, Decimal(0), f"{periods:.2f} in sums, {facts:.2f} in orders")
    off = _count(run, CREDITS, **_days(run))
    yield Finding("credits = orders", off, Decimal(0), f"{off} orders whose credits are not their value")
    off = _count(run, UNCREDITED, **_days(run))
    yield Finding("fct_attribution", off, Decimal(0), f"{off} paid orders have no credit, not even unattributed")


MONEY = (("fct_orders", "order_date"), ("fct_ad_spend", "day"), ("fct_sessions", "day"))


def _currencies(run: Run) -> Iterator[Finding]:
    for part, column in MONEY:
        found = run.warehouse.rows(
            f"SELECT native_currency, COUNT(*) AS n FROM {part} WHERE {column} >= :since AND {column} < :until"  # noqa: S608
            " AND exchange_rate IS NULL AND native_currency <> :own GROUP BY native_currency ORDER BY native_currency",
            own=run.tenant.currency,
            **_days(run),
        )
        count = sum(row["n"] for row in found)
        which = ", ".join(row["native_currency"] for row in found) or "another currency"
        yield Finding(part, Decimal(count), Decimal(0), f"{count} rows in {which} have no rate: no report counts them")
        mixed = _count(
            run,
            f"SELECT COUNT(*) AS n FROM {part} WHERE {column} >= :since AND {column} < :until AND currency <> :own",  # noqa: S608
            own=run.tenant.currency,
            **_days(run),
        )
        said = f"{mixed} rows are stored in another currency than {run.tenant.currency}: read those days again"
        yield Finding(f"{part}.currency", mixed, Decimal(0), said)


READ = {
    "store.orders": "SELECT COUNT(*) AS n FROM fct_orders WHERE updated_at >= :instant",
    "store.products": "SELECT COUNT(*) AS n FROM channel_products WHERE is_active = 1",
    "store.reviews": "SELECT COUNT(*) AS n FROM fct_reviews",
    "store.sellers": "SELECT COUNT(*) AS n FROM dim_sellers",
    "ads": "SELECT COUNT(*) AS n FROM fct_ad_spend WHERE platform = :kind AND day >= :since",
}
"""By stream: how many records a run that reads it can have found good. An order told the same again is read, not written."""


def _quarantined(run: Run) -> Iterator[Finding]:
    allowed = Decimal(str(run.tenant.quality.max_quarantined_pct))
    bad = {
        row["stream"]: row["n"]
        for row in run.warehouse.rows(
            "SELECT stream, COUNT(DISTINCT record_key) AS n FROM quarantine WHERE run_id = :run_id GROUP BY stream",
            run_id=run.run_id,
        )
    }
    for stream in sorted({"store.orders", *bad}):
        count = Decimal(bad.get(stream, 0))
        good = _good(run, stream) if count else Decimal(0)
        share = 100 * count / (count + good) if count else Decimal(0)
        yield Finding(stream, share, allowed, f"{count} records of this run could not be trusted")


def _good(run: Run, stream: str) -> Decimal:
    room, _, kind = stream.partition(".")
    sql = READ[stream if stream in READ else room]
    instant = day_start(run.window.since, run.tenant.timezone).replace(tzinfo=None)
    given = {"instant": instant, "since": run.window.since, "kind": kind}
    return _count(run, sql, **{name: value for name, value in given.items() if f":{name}" in sql})


def _announced(run: Run) -> Iterator[Finding]:
    """The store's own count of orders placed in the window, where it can be asked, against those loaded.

    A store may leave out states it hides from lists; so either count of ours may agree with its own.
    """
    shop = plugins.adapter("stores", run.tenant.ecommerce.kind, Store)
    if not hasattr(shop, "announced"):
        return
    store = run.adapter("stores", run.tenant.ecommerce.kind, Store, run.tenant.ecommerce.config)
    try:
        told = Decimal(store.announced(run.window))  # type: ignore[attr-defined]  # offered by what defines it
    except CortexError as failure:
        yield Finding("store.orders", None, ANNOUNCED, f"the store could not be asked: {failure.code}")
        return
    sql = "SELECT COUNT(*) AS n FROM fct_orders WHERE order_date >= :since AND order_date < :until"
    every = _count(run, sql, **_days(run))
    shown = _count(
        run, sql + " AND payment_status NOT IN :hidden", hidden=["refunded", "voided", "abandoned"], **_days(run)
    )
    gap = min(abs(told - every), abs(told - shown)) / max(told, Decimal(1))
    said = f"the store counts {told} orders placed in {run.window}, {every} are loaded"
    yield Finding("store.orders", gap, ANNOUNCED, said)


RULES = (
    Rule("freshness", "error", "Every stream is whole up to yesterday.", _freshness),
    Rule("volume", "warning", "The last day has about as many orders as days usually have.", _volume),
    Rule("announced", "error", "What is loaded is what the store counts, within 0.5 %.", _announced),
    Rule("quarantine", "warning", "No more records were set aside than the client allows.", _quarantined),
    Rule("nulls", "error", "What must be known is known.", _nulls),
    Rule("products", "warning", "Lines of orders name their product.", _products),
    Rule("duplicates", "warning", "Nothing looks as if it had been told twice.", _duplicates),
    Rule("orphans", "error", "Every row belongs to something that is there.", _orphans),
    Rule("childless", "warning", "Paid orders have lines.", _childless),
    Rule("sums told", "warning", "What the platform tells twice agrees.", _sums_told),
    Rule("sums", "error", "Our own sums and credits agree with the orders, to the cent.", _sums_ours),
    Rule("currency", "error", "All money is in the client's currency, and what was not has a rate.", _currencies),
)
