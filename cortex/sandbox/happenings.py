"""What may happen to a placed order, in Nuvemshop's words, and the history that comes of it.

Partial refunds are not written: the documented `payment_status` has no word for them (authorized, pending, paid,
abandoned, refunded, voided) and the order carries no refund list. What the platform does show of them is an edited
order, whose lines and total are smaller afterwards: see `trimmed`.
"""

from __future__ import annotations

from collections.abc import Iterable

from cortex.sandbox.checkout import Sale, wire_line
from cortex.sandbox.notation import money, stamp
from cortex.sandbox.orders import Event


def paid(at: int, total: str, payments: int = 1) -> Event:
    return at, {
        "payment_status": "paid",
        "paid_at": stamp(at),
        "total_paid": total,
        "payment_count": payments,
        "next_action": "waiting_packing",
    }


def authorized(at: int) -> Event:
    """The card company said yes, the money is not taken yet."""
    return at, {"payment_status": "authorized"}


def abandoned(at: int) -> Event:
    """Nobody paid and nobody cancelled."""
    return at, {"payment_status": "abandoned", "next_action": "noop"}


def cancelled(at: int, reason: str, payment_status: str) -> Event:
    """Reasons: customer, fraud, inventory, other. Unpaid money is `voided`, paid money `refunded`."""
    return at, {
        "status": "cancelled",
        "cancelled_at": stamp(at),
        "cancel_reason": reason,
        "payment_status": payment_status,
        "next_action": "noop",
    }


def refunded(at: int) -> Event:
    """All money given back, the order otherwise left as it was."""
    return at, {"payment_status": "refunded", "next_action": "noop"}


def packed(at: int) -> Event:
    return at, {"shipping_status": "unfulfilled", "next_action": "waiting_shipment"}


def shipped(at: int, sale: Sale) -> Event:
    number = (sale.at * 7919 + sale.customer_id) % 10**9
    code = f"BR{number:09d}BR"
    return at, {
        "shipping_status": "fulfilled",
        "shipped_at": stamp(at),
        "shipping_tracking_number": code,
        "next_action": "close",
        "fulfillments": [
            {
                "id": f"F{number}",
                "number": "1",
                "status": "DISPATCHED",
                "assigned_location": {"location_id": "L1", "name": "Centro de distribuição"},
                "shipping": {"type": "ship", "carrier": {"name": "Correios"}, "option": {"name": "PAC"}},
                "tracking_info": {"code": code},
            }
        ],
    }


def closed(at: int) -> Event:
    return at, {"status": "closed", "closed_at": stamp(at), "next_action": "noop"}


def noted(at: int, text: str) -> Event:
    """The owner writes something on the order: nothing but `updated_at` moves."""
    return at, {"owner_note": text}


def trimmed(at: int, sale: Sale, domain: str) -> Event:
    """The owner takes the last line out of an unpaid order; subtotal and total shrink with it."""
    kept = sale.lines[:-1]
    smaller = sum(line.price * line.quantity for line in kept)
    discount = sale.discount * smaller // sale.subtotal
    return at, {
        "products": [wire_line(line, sale.number + i, domain) for i, line in enumerate(kept)],
        "subtotal": money(smaller),
        "discount": money(discount),
        "discount_coupon": money(sale.coupon_discount * smaller // sale.subtotal) if sale.coupon else None,
        "discount_gateway": money(discount - sale.coupon_discount * smaller // sale.subtotal),
        "total": money(smaller - discount + sale.shipping),
    }


def history(events: Iterable[Event]) -> list[Event]:
    """Events in the order of time, each of which moves `updated_at`; those at the same second as they were given."""
    return [(at, {**fields, "updated_at": stamp(at)}) for at, fields in sorted(events, key=lambda event: event[0])]
