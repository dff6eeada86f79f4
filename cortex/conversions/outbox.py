"""Outbox: keys and rows of the ledger that sends each conversion once. Pure: the steps do the SQL."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from operator import itemgetter
from typing import Any, Literal

import msgspec
from msgspec import Struct, field
from msgspec.structs import astuple

from cortex.conversions.gates import Decision, Sale
from cortex.conversions.outcomes import FINAL, utc
from cortex.conversions.worth import Worth, net_value
from cortex.money import amount
from cortex.records import Clicks, Conversion, Item, SendWindow

Action = Literal["purchase", "restate", "retract", "value"]


class Sealed(Struct, frozen=True, kw_only=True):
    """What `conversion_identifiers.identifiers` holds about one buyer for one destination. No clear identity."""

    identifiers: dict[str, list[str]] = field(default_factory=dict)
    ip: str = ""
    user_agent: str = ""
    internal: bool = False
    """The buyer belongs to the shop or the agency; told here because the clear address is not kept."""


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


def value_id(external_id: str) -> str:
    """The id of the event that tells the buyer's predicted value after the purchase."""
    return f"value-{external_id}"


def conversion(
    order: Mapping[str, Any],
    *,
    tenant: str,
    destination: str,
    sealed: Sealed | None = None,
    items: Iterable[Mapping[str, Any]] = (),
    action: Action = "purchase",
    revision: int = 0,
    worth: Worth | None = None,
    value_bucket: Literal["low", "medium", "high", ""] = "",
    told: Decimal | None = None,
    adjusted_at: datetime | None = None,
) -> Conversion:
    """The conversion a stored order is, for one destination.

    order: a row of fct_orders; items: its rows of fct_order_items; worth: what it is said to be worth, its net value
    when left out. Its time is when the order was placed: that is
    what the buyer did, and when the browser's IP, user agent and page were true; a boleto paid later does not move it.
    """
    sealed = sealed or Sealed()
    worth = worth or Worth(value=net_value(order))
    currency = order["currency"]
    return Conversion(
        key=outbox_key(tenant, order["order_key"], destination, action, revision),
        event_id=(value_id if action == "value" else event_id)(order["external_id"]),
        action=action,
        original_id=event_id(order["external_id"]) if action == "value" else "",
        order_id=order["external_id"],
        occurred_at=utc(order["created_at"]),
        value=worth.value,
        currency=currency,
        identifiers=sealed.identifiers,
        clicks=_clicks(order),
        ip=sealed.ip,
        user_agent=sealed.user_agent,
        event_url=order.get("event_url") or "",
        items=[
            Item(
                product_id=line["product_id"],
                quantity=line["quantity"],
                unit_price=amount(line["unit_price"], currency),
            )
            for line in sorted(items, key=itemgetter("line"))
        ],
        customer_type="new" if order.get("is_new_customer") else "returning",
        value_bucket=value_bucket,
        net_revenue=worth.value if worth.basis == "margin" else None,
        predicted_ltv=worth.predicted,
        told=told,
        adjusted_at=adjusted_at,
    )


def _clicks(order: Mapping[str, Any]) -> Clicks:
    told = order.get
    return Clicks(
        gclid=told("gclid") or "",
        gbraid=told("gbraid") or "",
        wbraid=told("wbraid") or "",
        fbc=told("fbc") or "",
        fbp=told("fbp") or "",
        fbclid=told("fbclid") or "",
        ttclid=told("ttclid") or "",
        ttp=told("ttp") or "",
        msclkid=told("msclkid") or "",
        ga_client_id=told("ga_client_id") or "",
    )


def match_keys(made: Conversion) -> str:
    """Names of what the buyer can be matched by, never the values: what the audit counts once digests are deleted."""
    found = [key for key, values in made.identifiers.items() if values]
    found += [name for name, value in zip(Clicks.__struct_fields__, astuple(made.clicks), strict=True) if value]
    if made.ip:
        found.append("ip")
    if made.user_agent:
        found.append("user_agent")
    return ",".join(sorted(found))[:255]


def sale(order: Mapping[str, Any], made: Conversion, sealed: Sealed | None = None, basis: str = "revenue") -> Sale:
    """What the gates look at: the stored order's facts beside the conversion made of it. basis: of its value."""
    return Sale(
        conversion=made,
        is_paid=bool(order["is_paid"]),
        is_cancelled=order["status"] == "cancelled",
        is_test=bool(order["is_test"]),
        is_internal=bool(sealed and sealed.internal),
        marketplace=order.get("marketplace") or "",
        consent_state=order.get("consent_state") or "unknown",
        consent_version=order.get("consent_version") or "",
        basis=basis,
    )


def due_at(made: Conversion, window: SendWindow, hold: timedelta, now: datetime) -> datetime:
    """When a planned purchase may be sent: at once, or when it was held back long enough for early refunds.

    A hold that reaches beyond the platform's shorter window ends half a day before it does.
    """
    if not hold:
        return now
    shortest = min(window.click, window.identifiers) - timedelta(hours=12)
    return max(now, made.occurred_at + min(hold, shortest))


def entry(
    made: Conversion,
    decision: Decision,
    *,
    order: Mapping[str, Any],
    destination: str,
    revision: int,
    now: datetime,
    run_id: str,
    worth: Worth | None = None,
    due: datetime | None = None,
    settled: bool = False,
) -> dict[str, Any]:
    """A new row of `conversion_outbox`. Holds no identifier: those live beside it, and not for ever.

    due: when a planned row may be sent; at once when left out. settled: nothing more will become of it as it stands,
    although its state is not final.
    """
    planned = decision.state == "planned"
    return {
        "outbox_key": made.key,
        "order_key": order["order_key"],
        "destination": destination,
        "action": made.action,
        "revision": revision,
        "event_id": made.event_id,
        "order_ref": made.order_id,
        "occurred_at": made.occurred_at,
        "value": made.value,
        "value_basis": worth.basis if worth else "revenue",
        "predicted_value": worth.predicted if worth else None,
        "currency": made.currency,
        "state": decision.state,
        "reason": decision.stored,
        "match_keys": match_keys(made),
        "consent_state": order.get("consent_state") or "unknown",
        "consent_source": order.get("consent_source") or "",
        "consent_version": order.get("consent_version") or "",
        "consent_at": order.get("consent_at"),
        "attempts": 0,
        "claim_id": "",
        "claimed_at": None,
        "next_attempt_at": (due or now) if planned else None,
        "sent_at": None,
        "settled_at": now if settled or decision.state in FINAL else None,
        "request_id": "",
        "payload_sha256": "",
        "error_class": "",
        "error_code": "",
        "error_message": "",
        "created_at": now,
        "run_id": run_id,
    }
