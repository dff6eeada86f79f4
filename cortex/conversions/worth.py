"""Worth: what a sale is said to be worth to a platform, and when a prediction may be told at all. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

from msgspec import Struct

from cortex.money import amount

Asked = Literal["revenue", "margin", "predicted_ltv"]

NO_COST = "revenue_no_cost"
"""Basis of a value that should have been a margin: a line of the order has no cost."""
FEWEST_VALUES, LEAST_SPREAD, FEWEST_WEEKLY = 5, 3, 100
"""Meta, guides/predicted-lifetime-value (2026-07-09): distinct positive values, highest to lowest, events a week."""


class Worth(Struct, frozen=True, kw_only=True):
    """A value in the order's currency, what it is (revenue, margin, revenue_no_cost), and the buyer's prediction."""

    value: Decimal
    basis: str = "revenue"
    predicted: Decimal | None = None


def net_value(order: Mapping[str, Any]) -> Decimal:
    """Paid less given back so far, never below zero, in the order's currency."""
    currency = order["currency"]
    left = amount(order["paid"], currency) - amount(order["refunded"], currency)
    return max(left, amount(0, currency))


def worth(
    order: Mapping[str, Any], asked: str, *, cost: Decimal | None = None, predicted: Decimal | None = None
) -> Worth:
    """What the order is worth on the basis asked for.

    cost: of all its lines together; None when one of them has none, and revenue is told instead, under the name
    `revenue_no_cost`. A margin is paid less freight, tax and cost, in the proportion that was not given back, never
    below zero. predicted: what the buyer is expected to bring in the year after; told, with this order's own value,
    beside the revenue of a buyer's first order only (Meta: once per customer).
    """
    net = net_value(order)
    if asked == "margin":
        return (
            Worth(value=net, basis=NO_COST) if cost is None else Worth(value=_margin(order, net, cost), basis="margin")
        )
    if asked == "predicted_ltv" and predicted is not None and order.get("is_new_customer"):
        return Worth(value=net, predicted=net + amount(predicted, order["currency"]))
    return Worth(value=net)


def _margin(order: Mapping[str, Any], net: Decimal, cost: Decimal) -> Decimal:
    currency = order["currency"]
    paid = amount(order["paid"], currency)
    if not paid:
        return net
    whole = paid - amount(order["shipping"], currency) - amount(order["tax"], currency) - cost
    return max(amount(whole * net / paid, currency), amount(0, currency))


def prediction_refusal(values: Sequence[Decimal], weekly: int) -> str:
    """Why predicted values may not be told, or an empty string.

    values: those that would be told, of first orders of the last four weeks. weekly: purchases of the last seven days.
    """
    told = {value for value in values if value > 0}
    if weekly < FEWEST_WEEKLY:
        return f"{weekly} purchases in a week, Meta asks for {FEWEST_WEEKLY}"
    if len(told) < FEWEST_VALUES:
        return f"{len(told)} different predicted values above zero, Meta asks for {FEWEST_VALUES}"
    if max(told) < LEAST_SPREAD * min(told):
        return f"the highest predicted value is less than {LEAST_SPREAD} times the lowest"
    return ""


def bucket(value: Decimal | None, floors: Sequence[Decimal]) -> Literal["low", "medium", "high", ""]:
    """The third of the buyers a value falls into. floors: the least values of the middle and the upper third."""
    if value is None or len(floors) != 2:
        return ""
    return "high" if value >= floors[1] else "medium" if value >= floors[0] else "low"
