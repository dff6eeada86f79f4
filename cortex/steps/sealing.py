"""Sealing: while an order streams through, the digests each destination will need, if it may be told at all."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from cortex import conversions, identity
from cortex.destinations import Destination
from cortex.records import Order
from cortex.run import Run
from cortex.steps import landing, ledger

SETTLED = """
    SELECT order_key, value_basis, predicted_value FROM conversion_outbox
    WHERE destination = :destination AND action = 'purchase' AND order_key IN :keys
      AND (settled_at IS NOT NULL OR state IN ('processed', 'duplicate', 'expired', 'rejected', 'dead'))
"""


def seal(run: Run, orders: Sequence[Order]) -> list[dict[str, Any]]:
    """Rows of conversion_identifiers for the orders of a batch that may still be told to a destination.

    Nobody's identity is hashed who did not consent, whose order is not paid, or whose conversion is settled already
    (unless money went back since and the platform can be told): what is not needed is not made.
    """
    privacy = run.tenant.privacy
    if privacy is None:
        return []
    tellable = {
        landing.order_key(order.platform, order.external_id): order
        for order in orders
        if landing.is_paid(order)
        and (privacy.marketplace_orders or not order.marketplace)
        and not conversions.consent_reason(order.consent.state, order.consent.version, privacy.consent)
    }
    rows: list[dict[str, Any]] = []
    for kind, config in run.tenant.destinations.items():
        destination = run.adapter("destinations", kind, Destination, config)
        rows += _for(run, kind, destination, tellable)
    return rows


def _settled(run: Run, kind: str, destination: Destination, due: dict[str, Order]) -> set[str]:
    """Orders nothing more will be told of: their purchase is settled, and no refund is to follow that can be told."""
    rows = {row["order_key"]: row for row in run.warehouse.rows(SETTLED, destination=kind, keys=sorted(due))}
    if ledger.says(destination).value == "predicted_ltv" and destination.predicts:
        # The buyer's value may still be told of it, as long as the platform takes it.
        return {key for key, row in rows.items() if row["predicted_value"] is not None}
    if not destination.restates:
        return set(rows)
    youngest = run.now() - conversions.WITHIN
    told = ledger.told_before(run.warehouse, kind, sorted(rows))

    def may_follow(key: str) -> bool:
        order = due[key]
        changed = told.get(key) != max(order.paid - order.refunded, Decimal(0)) or rows[key]["value_basis"] == "margin"
        return key in told and changed and order.created_at >= youngest

    return {key for key in rows if not may_follow(key)}


def _for(run: Run, kind: str, destination: Destination, tellable: dict[str, Order]) -> list[dict[str, Any]]:
    assert run.tenant.privacy is not None
    oldest = run.now() - max(destination.window.click, destination.window.identifiers)
    due = {key: order for key, order in tellable.items() if order.created_at >= oldest}
    if not due:
        return []
    settled = _settled(run, kind, destination, due)
    country, internal = run.tenant.privacy.country, run.tenant.privacy.internal_emails
    return [
        {
            "order_key": key,
            "destination": kind,
            "identifiers": conversions.sealed_text(
                conversions.Sealed(
                    identifiers=identity.identify(order.customer, destination.identifiers, country),
                    ip=order.customer.ip,
                    user_agent=order.customer.user_agent,
                    internal=identity.is_internal(order.customer, internal),
                )
            ),
            "expires_at": conversions.expires_at(order.created_at, destination.window),
        }
        for key, order in due.items()
        if key not in settled
    ]
