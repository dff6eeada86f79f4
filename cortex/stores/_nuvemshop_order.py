"""From Nuvemshop's order to ours: statuses, money, refunds, touches, buyer, and what of the JSON may be kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from itertools import combinations
from typing import TypeVar, cast
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct

from cortex.clock import local_day
from cortex.errors import BadRecord
from cortex.records import (
    Line,
    Order,
    OrderStatus,
    Payment,
    PaymentMethod,
    PaymentStatus,
    Person,
    Refund,
    Touch,
)
from cortex.secrets import REDACTOR
from cortex.stores import _nuvemshop_wire as wire
from cortex.stores import _people as people
from cortex.stores import _visits as visits
from cortex.stores._nuvemshop_wire import spoken, text
from cortex.stores._oddities import Oddities
from cortex.stores._values import STREAM, amount, bad, instant, needed, units

V = TypeVar("V", bound=str)
STATUSES: dict[str, OrderStatus] = {"open": "open", "closed": "closed", "cancelled": "cancelled"}
PAYMENT_STATUSES: dict[str, PaymentStatus] = {
    "pending": "pending",
    "authorized": "authorized",
    "paid": "paid",
    "refunded": "refunded",
    "voided": "voided",
    "abandoned": "abandoned",
}
METHODS: dict[str, PaymentMethod] = {
    "pix": "pix",
    "boleto": "boleto",
    "ticket": "boleto",
    "credit_card": "credit_card",
    "debit_card": "debit_card",
    "voucher": "voucher",
    "gift_card": "voucher",
    "wallet": "wallet",
    "account_money": "wallet",
    "paypal": "wallet",
    "wire_transfer": "transfer",
    "bank_transfer": "transfer",
    "bank_debit": "transfer",
    "transfer": "transfer",
    "cash": "cash",
    "custom": "other",
    "offline": "other",
    "other": "other",
    "": "other",
}
MARKETPLACES = {"meli": "mercadolivre"}
MOST_INSTALMENTS = 120


class Kept(Struct, omit_defaults=True, gc=False):
    """What of an order may rest on a disk: nothing that names, reaches or describes a person. Fields not listed here,
    those the platform adds tomorrow included, are not kept."""

    id: wire.Number
    number: wire.Number = None
    status: str | None = None
    payment_status: str | None = None
    shipping_status: str | None = None
    currency: str | None = None
    subtotal: wire.Amount = None
    discount: wire.Amount = None
    discount_coupon: wire.Amount = None
    discount_gateway: wire.Amount = None
    promotional_discount: object = None
    shipping_cost_customer: wire.Amount = None
    shipping_cost_owner: wire.Amount = None
    shipping_option: str | None = None
    total: wire.Amount = None
    total_paid: wire.Amount = None
    coupon: object = None
    gateway: str | None = None
    gateway_name: str | None = None
    payment_details: object = None
    storefront: str | None = None
    cancel_reason: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    paid_at: str | None = None
    cancelled_at: str | None = None
    shipped_at: str | None = None
    closed_at: str | None = None
    next_action: str | None = None
    products: list[wire.Item] | None = None


_SUSPECT = re.compile(r"@|%40|\d[\d .()/-]{6,}\d")
_ENCODE = msgspec.json.Encoder()


def order(told: wire.Order, zone: ZoneInfo, oddities: Oddities) -> Order:
    """One order in our words. `zone` is the client's own, for days without a time of day.

    Raises BadRecord, which names the field and never its value, when the record cannot be trusted.
    """
    external_id = text(told.id)
    if not external_id:
        raise BadRecord(STREAM, "", "has no id")
    try:
        return _order(told, external_id, zone, oddities)
    except BadRecord as bad:
        raise BadRecord(STREAM, external_id, bad.reason) from None


def _order(told: wire.Order, external_id: str, zone: ZoneInfo, oddities: Oddities) -> Order:
    created, updated = needed(told.created_at, "created_at"), needed(told.updated_at, "updated_at")
    paid_at, cancelled_at = instant(told.paid_at, "paid_at"), instant(told.cancelled_at, "cancelled_at")
    currency = told.currency or ""
    if len(currency) != 3 or not (currency.isascii() and currency.isalpha() and currency.isupper()):
        raise bad("currency is not an ISO 4217 code")

    payment_status = _payment_status(told.payment_status or "", paid_at, oddities)
    received = payment_status in {"paid", "refunded"}
    if received and paid_at is None:
        paid_at = created  # money without a date: the order's own is the only one that stands still
    total = amount(told.total, "total", currency)
    paid = (amount(told.total_paid, "total_paid", currency) or total) if received else 0 * total
    lines = [_line(item, number, currency) for number, item in enumerate(told.products or (), 1)]
    subtotal = amount(told.subtotal, "subtotal", currency)
    shipping = amount(told.shipping_cost_customer, "shipping_cost_customer", currency)
    discount = _discount(told, subtotal + shipping - total, currency, oddities)
    if lines and (gap := subtotal - sum([line.total for line in lines])):
        oddities.sums("lines", gap)
    day = local_day(created, zone)
    attributes = visits.attributes(told.extra)
    arrived, touches = _arrival(told, attributes, created, day)
    address = told.shipping_address if isinstance(told.shipping_address, wire.Address) else _billing(told)
    country = (address.country or "").strip().upper() or ("BR" if address.zipcode and currency == "BRL" else "")
    state = people.state_code(address.province or "", country)
    return Order(
        platform="nuvemshop",
        external_id=external_id,
        number=text(told.number),
        status=_known(STATUSES, "status", told.status or "", "open", oddities),
        payment_status=payment_status,
        status_detail=_masked(told.next_action or ""),
        fulfilment_status=_masked(told.shipping_status or ""),
        created_at=created,
        updated_at=updated,
        paid_at=paid_at if received else None,
        shipped_at=instant(told.shipped_at, "shipped_at"),
        closed_at=instant(told.closed_at, "closed_at"),
        cancelled_at=cancelled_at,
        cancel_reason=_masked(told.cancel_reason or ""),
        currency=currency,
        subtotal=subtotal,
        discount=discount,
        shipping=shipping,
        shipping_cost=_cost(told, currency),
        shipping_mode=_mode(told),
        total=total,
        paid=paid,
        coupon=_coupon(told.coupon),
        lines=lines,
        payments=[_payment(told, paid if received else total, payment_status, paid_at if received else None, oddities)],
        refunds=_refunds(told, external_id, payment_status, paid, paid_at, cancelled_at, updated),
        customer=_person(told, address, country, state),
        city=(address.city or "").strip(),
        state=state,
        postal_prefix=people.postal_prefix(text(address.zipcode), country),
        country=country if len(country) == 2 else "",
        touches=touches,
        clicks=visits.order_clicks(arrived, attributes, touches, created),
        event_url=arrived.site,
        consent=visits.consent(attributes.get("ctx_consent", "")),
        marketplace=MARKETPLACES.get(told.storefront or "", ""),
        payload=_ENCODE.encode(_kept(told)),
    )


def _cost(told: wire.Order, currency: str) -> Decimal | None:
    """What the shop pays for sending it; a shop that does not keep it leaves it out."""
    said = told.shipping_cost_owner
    return None if said is None or said == "" else amount(said, "shipping_cost_owner", currency)


def _mode(told: wire.Order) -> str:
    said = told.shipping_option or told.shipping_carrier_name or told.shipping_pickup_type or ""
    return _masked(said.strip())


def _kept(told: wire.Order) -> Kept:
    """What may rest. Words are listed, but people type into fields that should hold words."""
    promotion, details, coupons = told.promotional_discount, told.payment_details, told.coupon
    return Kept(
        id=told.id,
        number=told.number,
        status=_word(told.status),
        payment_status=_word(told.payment_status),
        shipping_status=_word(told.shipping_status),
        currency=told.currency,
        subtotal=told.subtotal,
        discount=told.discount,
        discount_coupon=told.discount_coupon,
        discount_gateway=told.discount_gateway,
        # A list is PHP's empty mapping; a full one is of nobody's documentation.
        promotional_discount=None if isinstance(promotion, list) else promotion,
        shipping_cost_customer=told.shipping_cost_customer,
        shipping_cost_owner=told.shipping_cost_owner,
        shipping_option=_word(told.shipping_option),
        total=told.total,
        total_paid=told.total_paid,
        coupon=_codes(coupons if isinstance(coupons, list) else [coupons]),
        gateway=_word(told.gateway),
        gateway_name=_word(told.gateway_name),
        payment_details=None if isinstance(details, list) else details,
        storefront=_word(told.storefront),
        cancel_reason=_word(told.cancel_reason),
        created_at=told.created_at,
        updated_at=told.updated_at,
        paid_at=told.paid_at,
        cancelled_at=told.cancelled_at,
        shipped_at=told.shipped_at,
        closed_at=told.closed_at,
        next_action=_word(told.next_action),
        products=told.products,
    )


def _codes(coupons: Sequence[wire.Coupon | str | None]) -> list[str]:
    return [_masked((one.code if isinstance(one, wire.Coupon) else one) or "") for one in coupons if one]


def _word(text: str | None) -> str | None:
    return _masked(text) if text else text


def _masked(text: str) -> str:
    """A short text without addresses, documents or telephones in it."""
    if text.isalpha() or text.replace("_", "").isalpha():  # as nearly all are: looking at letters is cheaper
        return text
    return REDACTOR.clean(text) if _SUSPECT.search(text) else text


def _payment_status(said: str, paid_at: datetime | None, oddities: Oddities) -> PaymentStatus:
    """Money that came and was voided afterwards is a refund: without it the day of the sale would stay too high."""
    status = _known(PAYMENT_STATUSES, "payment_status", said, "unknown", oddities)
    return "refunded" if status == "voided" and paid_at is not None else status


def _refunds(
    told: wire.Order,
    external_id: str,
    status: PaymentStatus,
    paid: Decimal,
    paid_at: datetime | None,
    cancelled_at: datetime | None,
    updated: datetime,
) -> list[Refund]:
    """All money back, in one row with an id that stays the same.

    The order tells no refund date. A cancelled order's is the cancellation; else it is the change that was seen first,
    which the warehouse keeps when the order changes again. Partial refunds are not told by the order at all.
    """
    if status != "refunded" or not paid:
        return []
    after_payment = cancelled_at is not None and (paid_at is None or cancelled_at >= paid_at)
    at = cast("datetime", cancelled_at) if after_payment else updated
    reason = _masked(told.cancel_reason or told.payment_status or "")
    return [Refund(refund_id=f"{external_id}-refund", created_at=at, amount=paid, reason=reason)]


def _discount(told: wire.Order, needed: Decimal, currency: str, oddities: Oddities) -> Decimal:
    """The discount that makes the platform's own total true: `discount` alone, or with or from its parts, because
    orders differ in what `discount` already holds. Where none fits, `discount` as told, and a notice."""
    stated = amount(told.discount, "discount", currency)
    if stated == needed:
        return stated
    promotion = told.promotional_discount
    promoted = promotion.total_discount_amount if isinstance(promotion, wire.Promotion) else None
    parts = [
        stated,
        amount(promoted, "promotional_discount", currency),
        amount(told.discount_coupon, "discount_coupon", currency),
        amount(told.discount_gateway, "discount_gateway", currency),
    ]
    known = {sum(some, Decimal(0)) for size in (1, 2, 3, 4) for some in combinations(parts, size)}
    if needed in known:
        return needed
    oddities.sums("total", needed - stated)
    return stated


def _line(item: wire.Item, number: int, currency: str) -> Line:
    """One line. Promotional prices are in `price`; discounts of the order are not shared over lines here."""
    quantity = units(item.quantity)
    price = amount(item.price, "price", currency)
    return Line(
        line=number,
        product_id=text(item.product_id),
        variant_id=text(item.variant_id),
        sku=text(item.sku),
        name=spoken(item.name),
        quantity=quantity,
        unit_price=price,
        full_unit_price=max(price, amount(item.compare_at_price, "compare_at_price", currency)),
        total=quantity * price,
        unit_cost=None if item.cost is None or item.cost == "" else amount(item.cost, "cost", currency),
    )


def _payment(
    told: wire.Order, value: Decimal, status: PaymentStatus, paid_at: datetime | None, oddities: Oddities
) -> Payment:
    details = told.payment_details if isinstance(told.payment_details, wire.PaymentDetails) else wire.PaymentDetails()
    said = (details.method or "").strip().lower()
    instalments = text(details.installments)
    count = int(instalments) if instalments.isascii() and instalments.isdigit() and len(instalments) < 4 else 1
    return Payment(
        sequence=1,
        method=_known(METHODS, "payment method", said, "other", oddities),
        installments=count if 1 <= count <= MOST_INSTALMENTS else 1,
        amount=value,
        status=status,
        paid_at=paid_at,
    )


def _arrival(
    told: wire.Order, attributes: dict[str, str], created: datetime, day: date
) -> tuple[visits.Landing, list[Touch]]:
    """The landing page of the last visit, and every touch the order knows of, in time order."""
    remembered = told.customer_visit if isinstance(told.customer_visit, wire.Visit) else wire.Visit()
    url = remembered.landing_page or told.landing_url or ""
    arrived = visits.landing(url) if url else visits.Landing()
    utm = remembered.utm_parameters
    if isinstance(utm, wire.Utm):
        tags = {field: getattr(utm, name) for name, field in visits.TAGS.items() if getattr(utm, name, None)}
        arrived = visits.tagged(arrived, tags)
    kit = visits.kit_touches(attributes, created, day) if attributes else []
    if not url and not arrived.tags:
        return arrived, kit
    at = instant(remembered.created_at, "customer_visit.created_at")
    if at is not None and at > created + visits.CLOCK_SKEW:
        at = None
    return arrived, visits.merged(visits.visit(arrived, day, at), kit)


def _person(told: wire.Order, address: wire.Address, country: str, state: str) -> Person:
    account = told.customer if isinstance(told.customer, wire.Customer) else wire.Customer()
    client = told.client_details if isinstance(told.client_details, wire.ClientDetails) else wire.ClientDetails()
    given, family = people.full_name(told.contact_name or account.name or address.name or "")
    return Person(
        store_id=text(account.id),
        email=(told.contact_email or account.email or "").strip(),
        phone=text(told.contact_phone) or text(account.phone) or text(address.phone) or text(told.billing_phone),
        first_name=given,
        last_name=family,
        document=text(told.contact_identification) or text(account.identification),
        city=(address.city or "").strip(),
        state=state or (address.province or "").strip(),
        postal_code=text(address.zipcode),
        country=country,
        ip=(client.browser_ip or "").strip(),
        user_agent=(client.user_agent or "").strip(),
    )


def _billing(told: wire.Order) -> wire.Address:
    """Where the buyer lives when nothing is shipped."""
    return wire.Address(
        city=told.billing_city,
        province=told.billing_province,
        zipcode=told.billing_zipcode,
        country=told.billing_country,
    )


def _coupon(coupons: list[wire.Coupon | str] | wire.Coupon | str | None) -> str:
    """Code of the first coupon: the platform allows one, and writes it as a list."""
    first = (coupons[0] if coupons else None) if isinstance(coupons, list) else coupons
    return _masked(((first.code if isinstance(first, wire.Coupon) else first) or "").strip())


def _known(words: dict[str, V], field: str, said: str, otherwise: V, oddities: Oddities) -> V:
    found = words.get(said)
    if found is None:
        oddities.word(field, said)
        return otherwise
    return found
