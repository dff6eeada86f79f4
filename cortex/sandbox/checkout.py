"""A sale as Nuvemshop's order resource shows it the moment it is placed.

Shape: the order resource of the 2025-03 API. Fields whose samples disagree between text and number are written
both ways, by order number, because a client must read both.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from cortex.sandbox.notation import money, php_stamp, stamp
from cortex.sandbox.people import Identity


@dataclass(slots=True)
class Visit:
    """One visit to the shop: when (epoch seconds), what its link said and which click id it carried."""

    at: int
    source: str = ""
    medium: str = ""
    campaign: str = ""
    content: str = ""
    term: str = ""
    path: str = "/"
    clicks: dict[str, str] = field(default_factory=dict)
    tagged: bool = True
    """Whether the link said source and medium; links that rely on auto-tagging carry the click id alone."""

    def query(self) -> str:
        tags = {
            "utm_source": self.source,
            "utm_medium": self.medium,
            "utm_campaign": self.campaign,
            "utm_content": self.content,
            "utm_term": self.term,
        }
        spoken = {name: value for name, value in tags.items() if value} if self.tagged else {}
        return urlencode({**spoken, **self.clicks})

    def utm_parameters(self) -> dict[str, str | None] | None:
        if not self.tagged or not self.source:
            return None
        return {
            "utm_campaign": self.campaign or None,
            "utm_content": self.content or None,
            "utm_medium": self.medium or None,
            "utm_source": self.source or None,
            "utm_term": self.term or None,
        }


@dataclass(slots=True)
class Sold:
    """One line of an order; prices in cents per unit."""

    item_id: int
    product_id: int
    variant_id: int
    name: str
    size: str
    sku: str | None
    price: int
    full_price: int
    cost: int | None
    quantity: int
    weight_grams: int = 300
    properties: list[dict[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Sale:
    """Everything a checkout knew when the order was placed. Money in cents, instants in epoch seconds."""

    order_id: int
    number: int
    at: int
    customer_id: int
    customer_since: int
    buyer: Identity
    email: str
    lines: list[Sold]
    shipping: int
    method: str
    installments: int = 1
    card: str | None = None
    coupon: str = ""
    coupon_discount: int = 0
    gateway_discount: int = 0
    spent_before: int = 0
    storefront: str = "store"
    visit: Visit | None = None
    extra: dict[str, str] = field(default_factory=dict)
    ip: str = ""
    user_agent: str = ""
    token: str = ""
    note: str | None = None
    total: int | None = None
    """What was charged, where it is not items less discounts plus shipping."""
    payments: int = 1

    @property
    def subtotal(self) -> int:
        return sum(line.price * line.quantity for line in self.lines)

    @property
    def discount(self) -> int:
        return self.coupon_discount + self.gateway_discount

    @property
    def charged(self) -> int:
        return self.subtotal - self.discount + self.shipping if self.total is None else self.total


GATEWAYS = {
    "pix": ("nuvem-pago", "Nuvem Pago"),
    "credit_card": ("nuvem-pago", "Nuvem Pago"),
    "debit_card": ("mercadopago", "Mercado Pago"),
    "boleto": ("pagarme", "Pagar.me"),
    "voucher": ("offline", "Vale-compra"),
}


def either(number: int, value: int) -> int | str:
    """A number as text or as a number, as the platform's answers vary."""
    return str(value) if number % 3 == 0 else value


def wire_order(sale: Sale, store_id: str, domain: str, currency: str = "BRL") -> dict[str, Any]:
    """The order as it is the moment it is placed: open, unpaid, unpacked."""
    number, buyer = sale.number, sale.buyer
    address = _address(sale)
    gateway, gateway_name = GATEWAYS.get(sale.method, ("offline", "Personalizado"))
    created = stamp(sale.at)
    total = sale.charged
    order: dict[str, Any] = {
        "id": sale.order_id,
        "token": sale.token,
        "store_id": either(number, int(store_id)),
        "number": either(number + 1, number),
        "contact_email": sale.email,
        "contact_name": buyer.name,
        "contact_phone": buyer.phone,
        "contact_identification": buyer.document,
        "billing_name": buyer.name,
        "billing_phone": buyer.phone,
        "billing_address": buyer.street,
        "billing_number": buyer.number,
        "billing_floor": None,
        "billing_locality": buyer.district,
        "billing_zipcode": buyer.cep,
        "billing_city": buyer.city,
        "billing_province": buyer.state.name,
        "billing_country": "BR",
        "billing_customer_type": None,
        "billing_business_name": None,
        "billing_document_type": "cpf",
        "shipping_cost_owner": money(sale.shipping or 1990),
        "shipping_cost_customer": money(sale.shipping),
        "coupon": _coupons(sale),
        "promotional_discount": {
            "id": None,
            "store_id": int(store_id),
            "order_id": str(sale.order_id),
            "created_at": created,
            "total_discount_amount": "0.00",
            "contents": [],
            "promotions_applied": [],
        },
        "subtotal": money(sale.subtotal),
        "discount": money(sale.discount),
        "discount_coupon": money(sale.coupon_discount) if sale.coupon else None,
        "discount_gateway": money(sale.gateway_discount),
        "total": money(total),
        "total_usd": money(total * 18 // 100),
        "total_paid": "0.00",
        "payment_count": 0,
        "currency": currency,
        "language": "pt",
        "gateway": gateway,
        "gateway_id": None if sale.storefront == "form" else sale.token[:16],
        "gateway_name": gateway_name,
        "gateway_link": None,
        "payment_details": {
            "method": sale.method,
            "credit_card_company": sale.card,
            "installments": either(number, sale.installments),
        },
        "shipping": "correios",
        "shipping_option": "PAC" if number % 4 else "SEDEX",
        "shipping_option_code": "ship-1",
        "shipping_option_reference": None,
        "shipping_pickup_details": None,
        "shipping_tracking_number": None,
        "shipping_tracking_url": None,
        "shipping_min_days": 2 + buyer.state.distance,
        "shipping_max_days": 5 + 2 * buyer.state.distance,
        "shipping_store_branch_name": None,
        "shipping_pickup_type": "ship",
        "shipping_carrier_name": "Correios",
        "shipping_address": {
            **address,
            "customs": None,
            "default": False,
            "created_at": created,
            "updated_at": created,
        },
        "shipping_status": "unpacked",
        "weight": f"{sum(line.weight_grams * line.quantity for line in sale.lines) / 1000:.3f}",
        "storefront": sale.storefront,
        "order_origin": None,
        "note": sale.note,
        "owner_note": None,
        "next_action": "waiting_ipn",
        "status": "open",
        "payment_status": "pending",
        "created_at": created,
        "updated_at": created,
        "completed_at": php_stamp(sale.at),
        "paid_at": None,
        "shipped_at": None,
        "cancelled_at": None,
        "closed_at": None,
        "read_at": None,
        "cancel_reason": None,
        "extra": sale.extra,
        "attributes": [],
        "has_shippable_products": True,
        "same_billing_and_shipping_address": True,
        "customer": _customer(sale, address),
        "products": [wire_line(line, number + i, domain) for i, line in enumerate(sale.lines)],
        "fulfillments": [],
        **_arrival(sale, domain),
    }
    if number % 5 == 0 and sale.note is None:
        del order["note"]  # Some answers leave empty fields out instead of sending null.
    if sale.storefront == "api":
        order["app_id"] = 4242
    return order


def _arrival(sale: Sale, domain: str) -> dict[str, Any]:
    """How the buyer came. Orders that were not placed in the storefront have none."""
    client = {"browser_ip": sale.ip or None, "user_agent": sale.user_agent or None}
    if sale.visit is None:
        return {"landing_url": None, "client_details": client}
    query = sale.visit.query()
    landing = f"https://{domain}{sale.visit.path}" + (f"?{query}" if query else "")
    return {
        "landing_url": landing,
        "client_details": client,
        "customer_visit": {
            "created_at": stamp(sale.visit.at),
            "landing_page": landing,
            "utm_parameters": sale.visit.utm_parameters(),
        },
    }


def _address(sale: Sale) -> dict[str, Any]:
    buyer = sale.buyer
    return {
        "id": sale.customer_id * 10 + 1,
        "name": buyer.name,
        "phone": buyer.phone,
        "address": buyer.street,
        "number": buyer.number,
        "floor": None,
        "locality": buyer.district,
        "city": buyer.city,
        "province": buyer.state.name,
        "zipcode": buyer.cep,
        "country": "BR",
    }


def _customer(sale: Sale, address: dict[str, Any]) -> dict[str, Any]:
    since, placed = stamp(sale.customer_since), stamp(sale.at)
    home = {**address, "default": True, "created_at": since, "updated_at": since}
    return {
        "id": sale.customer_id,
        "name": sale.buyer.name,
        "email": sale.email,
        "identification": sale.buyer.document,
        "phone": sale.buyer.phone,
        "note": None,
        "default_address": home,
        "addresses": [home],
        "billing_name": sale.buyer.name,
        "billing_address": sale.buyer.street,
        "billing_zipcode": sale.buyer.cep,
        "billing_city": sale.buyer.city,
        "billing_province": sale.buyer.state.name,
        "billing_country": "BR",
        "total_spent": money(sale.spent_before + sale.charged),
        "total_spent_currency": "BRL",
        "last_order_id": sale.order_id,
        "active": False,
        "first_interaction": since,
        "customer_type": None,
        "document_type": "cpf",
        "accepts_marketing": sale.customer_id % 3 != 0,
        "accepts_marketing_updated_at": since,
        "created_at": since,
        "updated_at": placed,
    }


def _coupons(sale: Sale) -> list[dict[str, Any]]:
    if not sale.coupon:
        return []
    percent = round(100 * sale.coupon_discount / sale.subtotal) if sale.subtotal else 0
    return [{"id": 77, "code": sale.coupon, "type": "percentage", "value": f"{percent}.00", "valid": True, "used": 1}]


def wire_line(line: Sold, jitter: int, domain: str) -> dict[str, Any]:
    product: dict[str, Any] = {
        "id": line.item_id,
        "product_id": line.product_id,
        "variant_id": either(jitter, line.variant_id),
        "variant_values": [line.size] if line.size else [],
        "name": f"{line.name} ({line.size})" if line.size else line.name,
        "name_without_variants": line.name,
        "sku": line.sku,
        "barcode": None,
        "price": money(line.price),
        "compare_at_price": money(line.full_price),
        "quantity": either(jitter, line.quantity),
        "free_shipping": False,
        "weight": f"{line.weight_grams / 1000:.3f}",
        "width": "0.00",
        "height": "0.00",
        "depth": "0.00",
        "promotions": None,
        "properties": line.properties,
        "image": {"id": line.product_id + 5, "src": f"https://{domain}/imagens/{line.product_id}.webp", "position": 1},
    }
    if line.cost is not None:
        product["cost"] = money(line.cost)
    elif jitter % 2:
        product["cost"] = None
    return product
