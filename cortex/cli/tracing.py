"""explain order, config, metric: where a number comes from, down to the order, the definition and the formula."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cortex.cli.shell import Answer, Shell, brl, number
from cortex.errors import DatabaseError, UsageError

if TYPE_CHECKING:
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
        "margin: attributed revenue less what its goods cost, without freight or fees. Empty where a line has no cost.",
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
    return Answer(data={"metric": key, "formula": formula, "about": about})


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
    placed = order["created_at"].astimezone(tenant.timezone)
    paid = f", paid {order['paid_at'].astimezone(tenant.timezone):%Y-%m-%d %H:%M}" if order["paid_at"] else ", not paid"
    shell.show(f"Order {order['number']} (id {order['external_id']} of {order['platform']})")
    shell.show(
        f"Placed {placed:%Y-%m-%d %H:%M}{paid} · {order['status']}, {order['payment_status']} · {order['payment_method']}"
    )
    money = [brl(order[name], order["currency"], lang) for name in ("paid", "refunded", "net")]
    shell.show(f"Paid {money[0]} less refunded {money[1]} = {money[2]}, what the models share out")
    who = "a new customer" if order["is_new_customer"] else "a customer who had bought before"
    shell.show(f"By {who if order['is_paid'] else 'nobody yet'} · consent {order['consent_state']}")


def _show_journey(
    shell: Shell,
    order: dict[str, Any],
    touches: list[dict[str, Any]],
    credits: list[dict[str, Any]],
    tenant: Tenant,
    lang: str,
) -> None:
    models = sorted({row["model"] for row in credits})
    methods = {row["model"]: row["method"] for row in credits}
    given = {(row["model"], row["position"]): row for row in credits}
    titles = [name if methods[name] == name else f"{name} = {methods[name]}" for name in models]
    unknown = {
        "position": 0,
        "occurred_at": None,
        "channel": "unattributed",
        "origin": "",
        "campaign": "",
        "campaign_id": "",
        "source": "",
        "medium": "",
    }
    rows = []
    for touch in touches or ([unknown] if credits else []):
        at = touch["occurred_at"]
        cells = [given.get((name, touch["position"])) for name in models]
        rows.append(
            [
                touch["position"] or "—",
                f"{at.astimezone(tenant.timezone):%Y-%m-%d %H:%M}" if at else "—",
                touch["channel"],
                " / ".join(part for part in (touch["source"], touch["medium"]) if part) or "—",
                touch["campaign_id"] or touch["campaign"] or "—",
                touch["origin"] or "—",
                *[
                    f"{brl(cell['attributed_revenue'], order['currency'], lang)} ({number(100 * cell['weight'], lang)} %)"
                    if cell
                    else "—"
                    for cell in cells
                ],
            ]
        )
    shell.show()
    if not rows:
        shell.show("No credits: the order is not paid, or no run has credited it yet.")
        return
    shell.table(["", "when", "channel", "source / medium", "campaign", "told by", *titles], rows, right=titles)


def _show_conversions(shell: Shell, conversions: list[dict[str, Any]], tenant: Tenant, lang: str) -> None:
    shell.show()
    if not conversions:
        shell.show("No conversion of it was queued.")
        return
    shell.table(
        ["destination", "action", "state", "reason", "value", "sent", "event id"],
        [
            [
                row["destination"],
                row["action"],
                row["state"],
                row["reason"] or "—",
                brl(row["value"], row["currency"], lang),
                f"{row['sent_at'].astimezone(tenant.timezone):%Y-%m-%d %H:%M}" if row["sent_at"] else "—",
                row["event_id"],
            ]
            for row in conversions
        ],
        right=["value"],
    )
