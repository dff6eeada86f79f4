"""An order as the warehouse's rows. The buyer leaves here as keyed pseudonyms; nothing clear goes further."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from cortex import identity
from cortex.clock import local_day
from cortex.records import Order, Payment, Touch
from cortex.steps.currencies import Exchanged
from cortex.steps.erasing import Erased, without_buyer
from cortex.warehouse import tables
from cortex.warehouse.rows import record

Row = dict[str, Any]
OrderRow = record(tables.fct_orders)
ItemRow = record(tables.fct_order_items)
PaymentRow = record(tables.fct_payments)
RefundRow = record(tables.fct_refunds)
StatusRow = record(tables.fct_order_status)
AliasRow = record(tables.fct_order_aliases)
TouchRow = record(tables.stg_touches)
RawRow = record(tables.raw_ecommerce_orders)
ErasedRow = record(tables.erased_orders)
OWN = Decimal(1)
"""Rate of the client's own currency."""
COMPUTERS = ("Windows NT", "Macintosh", "X11", "CrOS")
PAID = {"paid", "partially_refunded", "refunded"}


def order_key(platform: str, external_id: str) -> str:
    """Key of an order: two platforms may use the same id."""
    return hashlib.sha256(f"{platform}\x1f{external_id}".encode()).hexdigest()


def is_paid(order: Order) -> bool:
    """Whether money arrived. A cancelled order counts only once its money is known to have gone back (a refund row)."""
    if order.test or order.payment_status not in PAID:
        return False
    return order.status != "cancelled" or order.payment_status != "paid"


@dataclass
class Landed:
    """Rows of a batch of orders, by table."""

    orders: list[Any] = field(default_factory=list)
    items: list[Any] = field(default_factory=list)
    payments: list[Any] = field(default_factory=list)
    refunds: list[Any] = field(default_factory=list)
    statuses: list[Any] = field(default_factory=list)
    aliases: list[Any] = field(default_factory=list)
    touches: list[Any] = field(default_factory=list)
    raw: list[Any] = field(default_factory=list)
    erased: list[Any] = field(default_factory=list)

    @property
    def keys(self) -> list[str]:
        return [row.order_key for row in self.orders]

    def only(self, chosen: set[str]) -> Landed:
        """The rows of some of these orders, by their keys."""
        if len(chosen) == len(self.orders):
            return self
        orders = _of(self.orders, chosen)
        refs = {row.external_id for row in orders}
        at = {(row.platform, row.external_id) for row in orders}
        return Landed(
            orders=orders,
            items=_of(self.items, chosen),
            payments=_of(self.payments, chosen),
            refunds=_of(self.refunds, chosen),
            statuses=_of(self.statuses, chosen),
            aliases=_of(self.aliases, chosen),
            touches=[row for row in self.touches if row.order_ref in refs],
            raw=[row for row in self.raw if (row.platform, row.external_id) in at],
            erased=_of(self.erased, chosen),
        )


def _of(rows: list[Any], chosen: set[str]) -> list[Any]:
    return [row for row in rows if row.order_key in chosen]


def land(
    orders: Sequence[Order],
    *,
    key: bytes,
    zone: ZoneInfo,
    run_id: str,
    now: datetime,
    exchanged: Exchanged | None = None,
    erased: Erased | None = None,
) -> Landed:
    """Rows of a batch; of an order told twice the newest word counts (the later one, where both are as new).

    exchanged: turns orders in another currency into the client's; without it money stays as it was told. erased: people
    who asked to be forgotten, whose orders land without them.
    """
    newest: dict[str, Order] = {}
    for order in orders:
        at = order_key(order.platform, order.external_id)
        if at not in newest or order.updated_at >= newest[at].updated_at:
            newest[at] = order
    landed = Landed()
    for at, order in newest.items():
        own, native = exchanged.order(order, zone) if exchanged else (order, {})
        _land_one(landed, at, own, native, key, zone, run_id, now, erased)
    return landed


def _land_one(
    landed: Landed,
    at: str,
    order: Order,
    native: Row,
    key: bytes,
    zone: ZoneInfo,
    run_id: str,
    now: datetime,
    erased: Erased | None,
) -> None:
    known = identity.aliases(key, order.customer, order.platform)
    buyer = erased.buyer(at, order, [alias for _, alias in known]) if erased else ""
    if buyer:
        order, known = without_buyer(order), [("erased", buyer)]
        landed.erased.append(ErasedRow(order_key=at, customer_key=buyer, erased_at=now))
    # Where nobody is known the order is its own buyer, so that every order has exactly one.
    known = known or [("order", identity.pseudonym(key, "order", at))]
    aliases = [AliasRow(order_key=at, kind=kind, alias=alias) for kind, alias in known]
    # The smallest alias is what merging gives a buyer seen once, so most orders never change hands afterwards.
    row = _order_row(order, at, min([alias for _, alias in known]), zone)
    for name, value in native.items():
        setattr(row, name, value)
    items = _item_rows(order, at)
    payments = [
        PaymentRow(
            order_key=at,
            sequence=payment.sequence,
            method=payment.method,
            installments=payment.installments,
            amount=payment.amount,
            status=payment.status,
            paid_at=payment.paid_at,
            fee=payment.fee,
        )
        for payment in order.payments
    ]
    refunds = [
        RefundRow(
            order_key=at,
            refund_id=refund.refund_id,
            created_at=refund.created_at,
            refund_date=local_day(refund.created_at, zone),
            amount=refund.amount,
            reason=refund.reason,
        )
        for refund in order.refunds
    ]
    touches = [touch_row(touch, zone, order_ref=order.external_id) for touch in order.touches]
    told = hashlib.sha256(order.payload).hexdigest()
    row.content = _content(row, aliases, items, payments, refunds, touches, told)
    row.run_id = run_id
    landed.orders.append(row)
    landed.aliases += aliases
    landed.items += items
    landed.payments += payments
    landed.refunds += refunds
    landed.touches += touches
    landed.statuses.append(
        StatusRow(
            order_key=at,
            updated_at=order.updated_at,
            status=order.status,
            payment_status=order.payment_status,
            fulfilment_status=order.fulfilment_status,
        )
    )
    if buyer:
        return
    landed.raw.append(
        RawRow(
            platform=order.platform,
            external_id=order.external_id,
            payload=order.payload.decode(),
            payload_sha256=told,
            fetched_at=now,
            run_id=run_id,
        )
    )


_ENCODE = msgspec.msgpack.Encoder().encode


def _content(*rows: object) -> str | None:
    """What tells an order with all its rows from the same order told otherwise. None where text is none: such an order
    is never taken for one that is stored."""
    try:
        return hashlib.blake2b(_ENCODE(rows), digest_size=16).hexdigest()
    except UnicodeEncodeError:
        return None


_NO_PAYMENT = Payment(sequence=1, method="other")
_NO_TOUCH = Touch(origin="order")


def _last_touch(touches: list[Touch]) -> Touch:
    """The last the shop itself remembers, else the last of any."""
    for touch in reversed(touches):
        if touch.origin == "order":
            return touch
    return touches[-1] if touches else _NO_TOUCH


def _largest(payments: list[Payment]) -> Payment:
    if len(payments) == 1:
        return payments[0]
    return max(payments, key=lambda payment: payment.amount, default=_NO_PAYMENT)


def device_of(user_agent: str) -> str:
    """The device of a browser by what it says of itself, in GA4's words; empty for what is no browser.

    A tablet that asks for the desktop's pages, as an iPad does, says that it is a computer.

    >>> device_of("Mozilla/5.0 (Linux; Android 14; SM-A546E) Chrome/142.0.0.0 Mobile Safari/537.36")
    'mobile'
    """
    if "iPad" in user_agent or "Tablet" in user_agent or ("Android" in user_agent and "Mobile" not in user_agent):
        return "tablet"
    if "Mobile" in user_agent or "iPhone" in user_agent:
        return "mobile"
    return "desktop" if any(system in user_agent for system in COMPUTERS) else ""


def _order_row(order: Order, at: str, customer: str, zone: ZoneInfo) -> Any:
    """A row of fct_orders, as yet of no run."""
    paid = is_paid(order)
    paid_at = (order.paid_at or order.created_at) if paid else None
    order_date = local_day(order.created_at, zone)
    largest, last = _largest(order.payments), _last_touch(order.touches)
    clicks, consent = order.clicks, order.consent
    return OrderRow(
        order_key=at,
        platform=order.platform,
        external_id=order.external_id,
        number=order.number or order.external_id,
        customer_key=customer,
        status=order.status,
        payment_status=order.payment_status,
        status_detail=order.status_detail,
        fulfilment_status=order.fulfilment_status,
        is_paid=int(paid),
        created_at=order.created_at,
        updated_at=order.updated_at,
        paid_at=paid_at,
        shipped_at=order.shipped_at,
        delivered_at=order.delivered_at,
        delivery_days=(local_day(order.delivered_at, zone) - order_date).days if order.delivered_at else None,
        closed_at=order.closed_at,
        cancelled_at=order.cancelled_at,
        cancel_reason=order.cancel_reason,
        order_date=order_date,
        paid_date=(order_date if paid_at == order.created_at else local_day(paid_at, zone)) if paid_at else None,
        currency=order.currency,
        native_currency=order.currency,
        native_total=None,
        native_paid=None,
        exchange_rate=OWN,
        rate_day=None,
        rate_source="",
        subtotal=order.subtotal,
        discount=order.discount,
        shipping=order.shipping,
        shipping_cost=order.shipping_cost,
        shipping_mode=order.shipping_mode,
        tax=order.tax,
        total=order.total,
        paid=order.paid if paid else 0 * order.paid,
        refunded=order.refunded,
        payment_method=largest.method,
        installments=largest.installments,
        coupon=order.coupon,
        items=sum([line.quantity for line in order.lines]),
        city=order.city,
        state=order.state,
        postal_prefix=order.postal_prefix,
        country=order.country,
        marketplace=order.marketplace,
        device=device_of(order.customer.user_agent),
        is_test=int(order.test),
        utm_source=last.source,
        utm_medium=last.medium,
        utm_campaign=last.campaign,
        utm_content=last.content,
        utm_term=last.term,
        gclid=clicks.gclid,
        gbraid=clicks.gbraid,
        wbraid=clicks.wbraid,
        fbc=clicks.fbc,
        fbp=clicks.fbp,
        ttclid=clicks.ttclid,
        ttp=clicks.ttp,
        ga_client_id=clicks.ga_client_id,
        event_url=order.event_url,
        consent_state=consent.state,
        consent_source=consent.source,
        consent_version=consent.version,
        consent_at=consent.at,
        is_new_customer=0,
        run_id="",
        content=None,
    )


def _item_rows(order: Order, at: str) -> list[Any]:
    return [
        ItemRow(
            order_key=at,
            line=line.line,
            platform=order.platform,
            product_id=line.product_id,
            variant_id=line.variant_id,
            sku=line.sku,
            name=line.name,
            category=line.category,
            seller_id=line.seller_id,
            quantity=line.quantity,
            unit_price=line.unit_price,
            full_unit_price=line.full_unit_price,
            discount=line.discount,
            total=line.total,
            unit_cost=line.unit_cost,
            sale_fee=line.sale_fee,
            manufacturing_days=line.manufacturing_days,
        )
        for line in order.lines
    ]


def touch_row(touch: Touch, zone: ZoneInfo, *, order_ref: str) -> Any:
    """A row of stg_touches. The key is the touch itself: told twice, it is one row."""
    day = touch.day or (local_day(touch.occurred_at, zone) if touch.occurred_at else None)
    if day is None:
        raise ValueError("a touch has an instant or a day")
    said = (
        touch.origin, order_ref, touch.occurred_at.isoformat() if touch.occurred_at else day.isoformat(),
        touch.source, touch.medium, touch.campaign, touch.content, touch.clicks.gclid, touch.clicks.fbclid,
    )  # fmt: skip
    return TouchRow(
        touch_key=hashlib.sha256("\x1f".join(said).encode()).hexdigest(),
        origin=touch.origin,
        order_ref=order_ref,
        day=day,
        occurred_at=touch.occurred_at,
        source=touch.source,
        medium=touch.medium,
        campaign=touch.campaign,
        content=touch.content,
        term=touch.term,
        channel_group=touch.channel_group,
        campaign_id=touch.campaign_id,
        gclid=touch.clicks.gclid,
        gbraid=touch.clicks.gbraid,
        wbraid=touch.clicks.wbraid,
        fbclid=touch.clicks.fbclid,
        ttclid=touch.clicks.ttclid,
        msclkid=touch.clicks.msclkid,
        landing_page=touch.landing_page,
        device=touch.device,
    )
