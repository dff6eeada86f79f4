"""explain order, config, metric: where a number comes from, down to the order, the definition and the formula."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cortex.cli.shell import Answer, Shell, brl, number
from cortex.errors import DatabaseError, UsageError

if TYPE_CHECKING:
    from datetime import datetime

    from cortex.tenant import Tenant
    from cortex.warehouse import Warehouse

SUBJECTS = {"order": "CLIENT ORDER", "config": "CLIENT", "metric": "NAME"}
ORDER = """
    SELECT order_key, platform, external_id, number, status, payment_status, is_paid, created_at, paid_at, order_date,
           paid_date, currency, total, paid, refunded, payment_method, marketplace, is_new_customer, customer_key,
           consent_state
    FROM fct_orders WHERE external_id = :told OR number = :told OR order_key = :told ORDER BY external_id
"""
TOUCHES = """
    SELECT position, occurred_at, channel, source, medium, campaign, platform, campaign_id, adset_id, ad_id, origin,
           is_direct
    FROM fct_touchpoints WHERE order_key = :key ORDER BY position
"""
CREDITS = """
    SELECT model, method, position, channel, platform, campaign_id, weight, attributed_revenue
    FROM fct_attribution WHERE order_key = :key ORDER BY model, position
"""
CONVERSIONS = """
    SELECT destination, action, revision, state, reason, value, currency, event_id, sent_at, settled_at, attempts
    FROM conversion_outbox WHERE order_key = :key ORDER BY destination, created_at, revision
"""
METRICS = {
    "revenue": (
        "paid - refunded",
        "Of paid orders, on the day they were paid; refunds on their own day. fct_orders, fct_refunds.",
    ),
    "aov": ("gross revenue / paid orders", "Gross: before refunds. rpt_daily_performance."),
    "roas": (
        "attributed revenue / spend",
        "Revenue a model credits to a channel, paid less refunded, on the day of payment. rpt_channel_performance.",
    ),
    "roas_new": ("attributed revenue of new customers / spend", "Only orders that are their buyer's first paid one."),
    "cac": (
        "spend / new customers",
        "New: whose first paid order lies in the period. By channel: its spend / its credited share of those orders.",
    ),
    "cpa": ("spend / orders", "The channel's spend / its credited share of all orders, new customers or not."),
    "mer": ("gross revenue / spend", "All marketing together, whoever gets the credit. rpt_daily_performance."),
    "poas": (
        "margin / spend",
        "margin: attributed revenue less what its orders cost (explain metric margin). Empty where a line has no cost.",
    ),
    "margin": (
        "(paid - freight - tax - cost of goods - marketplace fees) x (paid - refunded) / paid",
        "Of each order, the same for POAS, LTV and conversions. Cost: the line's, else the catalogue's; empty without. No payment fees.",
    ),
    "ltv": (
        "(paid - refunded) of all orders / customers",
        "To date; ltv_window counts the first analytics.ltv_window_days of those whose days have passed. rpt_customer_value.",
    ),
    "clv": (
        "sum over 12 months of orders expected x value expected / 1.01 ^ month",
        "By BG/NBD or MBG/NBD and Gamma-Gamma, else averages. rpt_customer_predictions, rpt_customer_models.",
    ),
    "ltv_to_cac": (
        "ltv / cac",
        "Of a cohort: up to its last whole month, by the spend of its own. rpt_cohort_payback.",
    ),
    "payback": (
        "first month in which cumulated revenue per customer >= cac",
        "0 is the cohort's own month; margin_payback_month is the same of margin. rpt_cohort_payback.",
    ),
    "repeat_rate": ("buyers with a second paid order / buyers", "Two orders of one day are two. rpt_insight_figures."),
    "churn": (
        "buyers without an order for analytics.churn_threshold_days / buyers",
        "By probability: 1 - mean chance to be there, by MBG/NBD. rpt_insight_figures, rpt_customer_predictions.",
    ),
    "wape": (
        "sum of |sales - forecast| / sum of sales",
        "Over the 30 days after up to 52 past weeks, each forecast from the days before it. rpt_forecast_models.",
    ),
    "mase": (
        "mean of |sales - forecast| / usual change",
        "Usual change: of a day from its weekday a week before, mean of the last eight weeks. rpt_forecast_models.",
    ),
    "conversion_rate": (
        "units bought / units looked at",
        "Of a product, both as GA4 counts them; empty where no view is known. rpt_product_conversion.",
    ),
    "overall_rate": (
        "sessions with a purchase / sessions",
        "Of visits, as GA4 counts them; empty on days no purchase was measured. rpt_funnel.",
    ),
    "claimed_roas": ("value the platform claims / spend", "By the platform's own window and model. fct_ad_spend."),
    "delivery": (
        "sales that arrived or were left out by rule / all whose fate is known",
        "Purchases of the last seven days, by destination: what is still queued is not counted. conversion_outbox.",
    ),
}
"""By name: the formula, and what is in it."""


def trace(shell: Shell, subject: str, words: Sequence[str]) -> Answer:
    """Explain an order, a client's definitions or a metric. Raises UsageError where words are missing."""
    if len(words) != len(SUBJECTS[subject].split()):
        usage = f"cortex explain {subject} {SUBJECTS[subject]}"
        raise UsageError("CTX-1002", f"explain {subject} needs {SUBJECTS[subject]}.", fix=usage)
    if subject == "metric":
        return _metric(shell, words[0])
    from cortex import tenant as tenants

    tenant = tenants.load(shell.workspace, words[0])
    return _config(shell, tenant) if subject == "config" else _order(shell, tenant, words[1])


def _metric(shell: Shell, name: str) -> Answer:
    key = name.lower().replace("-", "_")
    if key not in METRICS:
        near = difflib.get_close_matches(key, METRICS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError("CTX-7012", f"There is no metric {name!r}.{hint}", fix=f"One of {', '.join(METRICS)}.")
    formula, about = METRICS[key]
    shell.show(f"{key} = {formula}")
    shell.show(about)
    watched = _watched(key)
    if watched:
        shell.show(f"Alert: {watched}")
    return Answer(data={"metric": key, "formula": formula, "about": about, "alert": watched})


def _watched(metric: str) -> str | None:
    """When people are told of a figure: threshold, baseline and the least there must be to compare."""
    from cortex.steps import shifts, symptoms

    if metric == "delivery":
        return (
            f"below alerts.thresholds.delivery_pct, of at least {symptoms.FEWEST_SALES} sales in"
            f" {symptoms.JUDGED_DAYS} days. After every run that sends."
        )
    if metric not in {"cac", "roas"}:
        return None
    brought, beyond = ("new customers", "above") if metric == "cac" else ("orders by last click", "below")
    threshold = "cac_increase_pct" if metric == "cac" else "roas_decrease_pct"
    past = f" and {shifts.KNOWN_DAYS} days of orders before it" if metric == "cac" else ""
    return (
        f"more than alerts.thresholds.{threshold} percent {beyond} the baseline. Compared: the last"
        f" {shifts.RECENT_DAYS} whole days, all ad accounts together. Baseline: the same formula over the"
        f" {shifts.BASELINE_DAYS} days before them. Minimum: {shifts.FEWEST} {brought} in the baseline{past}, and"
        f" {shifts.FEWEST} that the last days' spend should have brought at its rate. After every run that credits."
    )


def _config(shell: Shell, tenant: Tenant) -> Answer:
    """The definitions behind a client's figures, each with its value and the line it comes from."""
    from cortex import tenant as tenants

    settings = tenants.describe(tenant)
    shell.table(["setting", "value", "from"], settings)
    data = [{"key": key, "value": value, "source": source} for key, value, source in settings]
    return Answer(client=tenant.code, data=data)


def _order(shell: Shell, tenant: Tenant, told: str) -> Answer:
    """One order: what it is, the visits before it, what each model gives them, what was sent of it."""

    with shell.warehouse(tenant.code) as warehouse:
        order = _found(warehouse, tenant, told)
        key = order["order_key"]
        touches = warehouse.rows(TOUCHES, key=key)
        shares = warehouse.rows(CREDITS, key=key)
        conversions = warehouse.rows(CONVERSIONS, key=key)
    order["net"] = order["paid"] - order["refunded"]
    lang = shell.lang or tenant.lang
    _show_order(shell, order, tenant, lang)
    _show_journey(shell, order, touches, shares, tenant, lang)
    _show_conversions(shell, conversions, tenant, lang)
    return Answer(
        client=tenant.code,
        data={"order": order, "touches": touches, "credits": shares, "conversions": conversions},
    )


def _found(warehouse: Warehouse, tenant: Tenant, told: str) -> dict[str, Any]:
    rows = warehouse.rows(ORDER, told=told.removeprefix("#"))
    if not rows:
        raise DatabaseError(
            "CTX-7010",
            f"Client {tenant.code} has no order {told!r}.",
            fix="Use the shop's order id, or the number the buyer sees.",
        )
    exact = [row for row in rows if row["external_id"] == told] or rows
    if len(exact) > 1:
        ids = ", ".join(row["external_id"] for row in exact[:5])
        raise UsageError("CTX-7011", f"{len(exact)} orders are called {told!r}.", fix=f"Use one of their ids: {ids}.")
    return exact[0]


def _show_order(shell: Shell, order: dict[str, Any], tenant: Tenant, lang: str) -> None:
    from cortex.reports.analysis_words import said

    placed = said("ex_placed", lang, at=_at(order["created_at"], tenant))
    paid = said("ex_paid", lang, at=_at(order["paid_at"], tenant)) if order["paid_at"] else said("ex_unpaid", lang)
    shell.show(said("ex_order", lang, number=order["number"], id=order["external_id"], platform=order["platform"]))
    shell.show(f"{placed}, {paid} · {order['status']}, {order['payment_status']} · {order['payment_method']}")
    money = {name: brl(order[name], order["currency"], lang) for name in ("paid", "refunded", "net")}
    shell.show(said("ex_money", lang, **money))
    who = "ex_nobody" if not order["is_paid"] else "ex_new" if order["is_new_customer"] else "ex_known"
    consent = said("ex_consent", lang, state=said(order["consent_state"], lang))
    shell.show(f"{said(who, lang)} · {consent}")


def _at(instant: datetime, tenant: Tenant) -> str:
    return f"{instant.astimezone(tenant.timezone):%Y-%m-%d %H:%M}"


def _show_journey(
    shell: Shell,
    order: dict[str, Any],
    touches: list[dict[str, Any]],
    credits: list[dict[str, Any]],
    tenant: Tenant,
    lang: str,
) -> None:
    """A row for each visit, with its credit by every model; where the terminal is narrow, what matters least is left out."""
    from cortex.cli.narrow import narrow
    from cortex.reports.analysis_words import said

    models = sorted({row["model"] for row in credits})
    methods = {row["model"]: row["method"] for row in credits}
    given = {(row["model"], row["position"]): row for row in credits}
    rows = [
        _visit(touch, [given.get((name, touch["position"])) for name in models], order, tenant, lang)
        for touch in touches or ([UNKNOWN] if credits else [])
    ]
    shell.show()
    if not rows:
        shell.show(said("ex_no_credits", lang))
        return
    named = [name if methods[name] == name else f"{name} = {methods[name]}" for name in models]
    titles = [
        "",
        *(said(name, lang) for name in ("ex_when", "channel", "ex_source", "ex_campaign", "ex_origin")),
        *named,
    ]
    ranks = [-1, 0, -1, 3, 2, 4, *[1 for _ in named]]
    narrow(shell, titles, rows, ranks, right=named, lang=lang)


UNKNOWN: dict[str, Any] = {"position": 0, "occurred_at": None, "channel": "unattributed"} | dict.fromkeys(
    ("origin", "campaign", "campaign_id", "source", "medium"), ""
)
"""The visit nobody saw, whose row holds the credit of an order without any."""


def _visit(
    touch: dict[str, Any], shares: Sequence[dict[str, Any] | None], order: dict[str, Any], tenant: Tenant, lang: str
) -> list[str]:
    from cortex.reports.words import word

    def credit(row: dict[str, Any] | None) -> str:
        if row is None:
            return "—"
        return f"{brl(row['attributed_revenue'], order['currency'], lang)} ({number(100 * row['weight'], lang)} %)"

    return [
        str(touch["position"] or "—"),
        _at(touch["occurred_at"], tenant) if touch["occurred_at"] else "—",
        word(touch["channel"], lang),
        " / ".join(part for part in (touch["source"], touch["medium"]) if part) or "—",
        touch["campaign_id"] or touch["campaign"] or "—",
        touch["origin"] or "—",
        *(credit(row) for row in shares),
    ]


def _show_conversions(shell: Shell, conversions: list[dict[str, Any]], tenant: Tenant, lang: str) -> None:
    from cortex.reports.analysis_words import said

    shell.show()
    if not conversions:
        shell.show(said("ex_none_queued", lang))
        return
    value = said("ex_value", lang)
    names = ("ex_destination", "ex_action", "ex_state", "ex_reason", "ex_value", "ex_sent", "ex_event")
    shell.table(
        [said(name, lang) for name in names],
        [
            [
                row["destination"],
                row["action"],
                said(row["state"], lang),
                said(row["reason"], lang) if row["reason"] else "—",
                brl(row["value"], row["currency"], lang),
                _at(row["sent_at"], tenant) if row["sent_at"] else "—",
                row["event_id"],
            ]
            for row in conversions
        ],
        right=[value],
    )
