"""Outbox: keys, rows and transitions of the ledger that sends each conversion once. Pure: the steps do the SQL."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec import Struct, field

from cortex.conversions.gates import Decision, Sale
from cortex.money import amount
from cortex.records import Clicks, Conversion, Item, Receipt, SendWindow

Action = Literal["purchase", "restate", "retract"]

TRANSITIONS: dict[str, frozenset[str]] = {
    "planned": frozenset({"claimed", "gated", "expired"}),
    "gated": frozenset({"planned", "expired"}),
    "claimed": frozenset(
        {"planned", "accepted", "processed", "duplicate", "rejected", "expired", "unknown", "dead"},
    ),
    "accepted": frozenset({"planned", "processed", "duplicate", "rejected", "expired", "unknown", "dead"}),
    "unknown": frozenset({"claimed", "accepted", "processed", "planned"}),
    "processed": frozenset(),
    "duplicate": frozenset(),
    "expired": frozenset(),
    "rejected": frozenset({"planned"}),
    "dead": frozenset({"planned"}),
}
"""From each state, the states that may follow. Only a person's `replay` leads out of rejected and dead; `unknown` to
`accepted`, `processed` or `planned` other than through a claim is a person's word too."""

DELIVERED = frozenset({"accepted", "processed", "duplicate"})
"""The platform has it."""
FINAL = frozenset({"processed", "duplicate", "expired", "rejected", "dead"})

BACK_OFF = tuple(
    timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 360, 720, 1440)
)  # reaches two days: Meta's window for repeats
MAX_ATTEMPTS = 10
NOT_THE_ROWS_FAULT = frozenset({"throttle", "config", "auth"})
"""Classes that never kill a row by counting attempts: they end when somebody mends them, or with the window."""
POLL_AFTER = timedelta(minutes=15)
"""Between two questions about an asynchronous request."""
DEDUP_MARGIN = timedelta(hours=1)
"""Kept between the last repeat of an unknown delivery and the end of the platform's deduplication."""
CLAIM_LASTS = timedelta(minutes=30)
"""Longer than any batch takes: a claim older than this belongs to a process that died."""


class Sealed(Struct, frozen=True, kw_only=True):
    """What `conversion_identifiers.identifiers` holds about one buyer for one destination. No clear identity."""

    identifiers: dict[str, list[str]] = field(default_factory=dict)
    ip: str = ""
    user_agent: str = ""
    internal: bool = False
    """The buyer belongs to the shop or the agency; told here because the clear address is not kept."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What becomes of a ledger row.

    next_attempt_at: when it is due again (sent, or asked about while `accepted`); None and not settled means held
    for a person. settled: its fate is known, so that the buyer's identifiers can be deleted.
    """

    state: str
    next_attempt_at: datetime | None = None
    settled: bool = False


_ENCODER = msgspec.json.Encoder(order="deterministic")
_SEALED = msgspec.json.Decoder(Sealed)


def sealed_text(sealed: Sealed) -> str:
    """The JSON kept in `conversion_identifiers`; the same buyer gives the same text."""
    return _ENCODER.encode(sealed).decode()


def read_sealed(text: str) -> Sealed:
    """The other way; empty text (the identifiers were deleted) is an empty Sealed."""
    return _SEALED.decode(text) if text else Sealed()


def expires_at(occurred_at: datetime, window: SendWindow) -> datetime:
    """When the identifiers of a conversion are deleted at the latest: the platform takes it no longer."""
    return occurred_at + max(window.click, window.identifiers)


def outbox_key(tenant: str, order_key: str, destination: str, action: Action, revision: int) -> str:
    """SHA-256 in hex over what makes a conversion one: the same purchase has one row for ever.

    The first restatement of an order and its first retraction differ by action, the second restatement by revision.
    """
    said = "\x1f".join((tenant, order_key, destination, action, str(revision)))
    return hashlib.sha256(said.encode()).hexdigest()


def event_id(external_id: str) -> str:
    """The id browser and server share for a purchase: the browser knows the shop's order id and nothing else of ours."""
    return f"purchase-{external_id}"


def net_value(order: Mapping[str, Any]) -> Decimal:
    """Paid less given back so far, never below zero, in the order's currency."""
    currency = order["currency"]
    left = amount(order["paid"], currency) - amount(order["refunded"], currency)
    return max(left, amount(0, currency))


def conversion(
    order: Mapping[str, Any],
    *,
    tenant: str,
    destination: str,
    sealed: Sealed | None = None,
    items: Iterable[Mapping[str, Any]] = (),
    action: Action = "purchase",
    revision: int = 0,
) -> Conversion:
    """The conversion a stored order is, for one destination.

    order: a row of fct_orders; items: its rows of fct_order_items. Its time is when the order was placed: that is
    what the buyer did, and when the browser's IP, user agent and page were true; a boleto paid later does not move it.
    """
    sealed = sealed or Sealed()
    currency = order["currency"]
    return Conversion(
        key=outbox_key(tenant, order["order_key"], destination, action, revision),
        event_id=event_id(order["external_id"]),
        action=action,
        order_id=order["external_id"],
        occurred_at=_utc(order["created_at"]),
        value=net_value(order),
        currency=currency,
        identifiers=sealed.identifiers,
        clicks=Clicks(**{name: order.get(name) or "" for name in Clicks.__struct_fields__}),
        ip=sealed.ip,
        user_agent=sealed.user_agent,
        event_url=order.get("event_url") or "",
        items=[
            Item(
                product_id=line["product_id"],
                quantity=line["quantity"],
                unit_price=amount(line["unit_price"], currency),
            )
            for line in sorted(items, key=lambda line: int(line["line"]))
        ],
        customer_type="new" if order.get("is_new_customer") else "returning",
    )


def sale(order: Mapping[str, Any], made: Conversion, sealed: Sealed | None = None) -> Sale:
    """What the gates look at: the stored order's facts beside the conversion made of it."""
    return Sale(
        conversion=made,
        is_paid=bool(order["is_paid"]),
        is_cancelled=order["status"] == "cancelled",
        is_test=bool(order["is_test"]),
        is_internal=bool(sealed and sealed.internal),
        marketplace=order.get("marketplace") or "",
        consent_state=order.get("consent_state") or "unknown",
        consent_version=order.get("consent_version") or "",
    )


def entry(
    made: Conversion,
    decision: Decision,
    *,
    order_key: str,
    destination: str,
    revision: int,
    now: datetime,
    run_id: str,
) -> dict[str, Any]:
    """A new row of `conversion_outbox`. Holds no identifier: those live beside it, and not for ever."""
    return {
        "outbox_key": made.key,
        "order_key": order_key,
        "destination": destination,
        "action": made.action,
        "revision": revision,
        "event_id": made.event_id,
        "order_ref": made.order_id,
        "occurred_at": made.occurred_at,
        "value": made.value,
        "currency": made.currency,
        "state": decision.state,
        "reason": decision.stored,
        "attempts": 0,
        "claim_id": "",
        "claimed_at": None,
        "next_attempt_at": now if decision.state == "planned" else None,
        "sent_at": None,
        "settled_at": now if decision.state in FINAL else None,
        "request_id": "",
        "payload_sha256": "",
        "error_class": "",
        "error_code": "",
        "error_message": "",
        "created_at": now,
        "run_id": run_id,
    }


def told(receipt: Receipt) -> dict[str, str]:
    """The platform's words as the ledger's columns keep them."""
    return {
        "request_id": receipt.request_id[:128],
        "error_class": receipt.error_class[:16],
        "error_code": receipt.error_code[:64],
        "error_message": receipt.message[:255],
    }


def after(
    receipt: Receipt,
    *,
    attempts: int,
    now: datetime,
    was: str,
    sent_at: datetime | None,
    dedup: timedelta | None,
) -> Outcome:
    """What becomes of a claimed (or `accepted` and polled) row when the platform has spoken, or has not.

    attempts: claims so far, this one included. was: the row's state before the claim. sent_at: the first call whose
    answer is not known (the row keeps it through repeats). dedup: the destination's. An unknown delivery is repeated
    with the same event id only inside the platform's own deduplication, else it stays unknown and is held.
    """
    doubtful = was == "unknown"
    if receipt.state == "duplicate":
        return Outcome(state="duplicate", settled=True)
    if receipt.state == "accepted":
        return _taken(receipt, polled=was == "accepted", now=now)
    if receipt.state == "rejected":
        if receipt.error_class == "expired":
            # An earlier call nobody answered may have been taken in time.
            return Outcome(state="unknown") if doubtful else Outcome(state="expired", settled=True)
        return Outcome(state="rejected", settled=True)
    due = now + max(BACK_OFF[min(attempts, len(BACK_OFF)) - 1], timedelta(seconds=receipt.retry_after))
    if receipt.state == "unknown" or doubtful:
        return _unknown(attempts, due, sent_at or now, dedup)
    if attempts >= MAX_ATTEMPTS and receipt.error_class not in NOT_THE_ROWS_FAULT:
        return Outcome(state="dead", settled=True)
    return Outcome(state="planned", next_attempt_at=due)


def _taken(receipt: Receipt, *, polled: bool, now: datetime) -> Outcome:
    if receipt.processing:
        return Outcome(state="accepted", next_attempt_at=now + POLL_AFTER)
    return Outcome(state="processed" if polled else "accepted", settled=True)


def _unknown(attempts: int, due: datetime, first: datetime, dedup: timedelta | None) -> Outcome:
    again = repeatable(first, due, dedup) and attempts < MAX_ATTEMPTS
    return Outcome(state="unknown", next_attempt_at=due if again else None)


def repeatable(first: datetime, at: datetime, dedup: timedelta | None) -> bool:
    """Whether a delivery nobody answered may be repeated `at` that moment: while the platform would notice."""
    return dedup is None or at <= first + dedup - DEDUP_MARGIN


def abandoned(claimed_at: datetime | None, now: datetime) -> bool:
    """Whether a claim's holder is gone: the row is then unknown (`after(LOST, …)`), not planned."""
    return claimed_at is None or now - _utc(claimed_at) > CLAIM_LASTS


LOST = Receipt(
    state="unknown",
    error_class="ambiguous",
    error_code="claim_lost",
    message="The process that sent it ended before an answer was written down.",
)
"""Stands for the answer of a call nobody survived to hear."""


def _utc(instant: datetime) -> datetime:
    """Frames lose the zone; the warehouse keeps UTC."""
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
