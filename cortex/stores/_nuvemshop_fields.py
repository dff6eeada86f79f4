"""The fields Nuvemshop documents for an order, ours or not: what is not among them came since and is worth a word.

Source: the order resource of the 2025-03 API and samples of its answers, which hold more than its table.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_ORDER = frozenset({
    "id", "number", "created_at", "updated_at", "note", "extra", "token", "store_id", "status", "payment_status",
    "shipping_status", "contact_email", "contact_name", "contact_phone", "contact_identification", "billing_name",
    "billing_phone", "billing_address", "billing_number", "billing_floor", "billing_locality", "billing_zipcode",
    "billing_city", "billing_province", "billing_country", "billing_customer_type", "billing_business_name",
    "billing_business_activity", "billing_trade_name", "billing_state_registration", "billing_fiscal_regime",
    "billing_invoice_use", "billing_document_type", "subtotal", "discount", "discount_coupon", "discount_gateway",
    "total", "total_usd", "total_paid", "payment_count", "currency", "language", "weight", "shipping_cost_owner",
    "shipping_cost_customer", "shipping", "shipping_option", "shipping_option_code", "shipping_option_reference",
    "shipping_pickup_details", "shipping_store_branch_name", "shipping_store_branch_extra", "shipping_min_days",
    "shipping_max_days", "shipping_tracking_number", "shipping_tracking_url", "shipping_pickup_type",
    "shipping_carrier_name", "shipping_suboption", "shipping_address", "coupon", "promotional_discount", "gateway",
    "gateway_id", "gateway_name", "gateway_link", "payment_details", "storefront", "order_origin", "app_id",
    "attributes", "custom_fields", "owner_note", "next_action", "completed_at", "paid_at", "shipped_at",
    "cancelled_at", "closed_at", "read_at", "cancel_reason", "landing_url", "customer_visit", "client_details",
    "customer", "products", "fulfillments", "free_shipping_config", "has_shippable_products",
    "same_billing_and_shipping_address",
})  # fmt: skip
_LINE = frozenset({
    "id", "name", "weight", "product_id", "variant_id", "variant_values", "name_without_variants", "sku", "barcode",
    "price", "compare_at_price", "cost", "quantity", "free_shipping", "width", "height", "depth", "promotions",
    "properties", "image",
})  # fmt: skip
_CUSTOMER = frozenset({
    "id", "name", "phone", "created_at", "updated_at", "email", "identification", "note", "default_address",
    "addresses", "extra", "total_spent", "total_spent_currency", "last_order_id", "active", "first_interaction",
    "customer_type", "document_type", "business_name", "accepts_marketing", "accepts_marketing_updated_at",
})  # fmt: skip
_ADDRESS = frozenset({
    "id", "name", "phone", "address", "number", "floor", "locality", "city", "province", "zipcode", "country",
    "customs", "default", "between_streets", "reference", "created_at", "updated_at",
})  # fmt: skip
_PROMOTION = frozenset({
    "id", "created_at", "store_id", "order_id", "total_discount_amount", "contents", "promotions_applied",
})  # fmt: skip
DOCUMENTED: dict[str, frozenset[str]] = {
    "": _ORDER,
    "products": _LINE,
    "customer": _CUSTOMER,
    "shipping_address": _ADDRESS,
    "client_details": frozenset({"browser_ip", "user_agent"}),
    "customer_visit": frozenset({"created_at", "landing_page", "utm_parameters"}),
    "payment_details": frozenset({"method", "credit_card_company", "installments"}),
    "promotional_discount": _PROMOTION,
}
"""By the part of the order they belong to. `extra` is the shop's own, and `customer.billing_*` has no list."""


def unknown(orders: Iterable[Any]) -> dict[str, int]:
    """Fields of these orders, as JSON, that no documentation names, with the number of orders that have them."""
    found: dict[str, int] = {}
    for order in orders:
        if isinstance(order, dict):
            for name in set(_strangers(order)):
                found[name] = found.get(name, 0) + 1
    return found


def _strangers(order: dict[str, Any]) -> Iterable[str]:
    for part, known in DOCUMENTED.items():
        for holder in _holders(order, part):
            if not known.issuperset(holder):
                yield from (
                    f"{part}.{name}" if part else name
                    for name in holder
                    if name not in known and not (part == "customer" and name.startswith("billing_"))
                )


def _holders(order: dict[str, Any], part: str) -> list[dict[str, Any]]:
    """The mappings a part is made of; what has another shape than documented is quarantined, and not looked into."""
    told = order.get(part) if part else order
    if part == "products":
        return [line for line in told if isinstance(line, dict)] if isinstance(told, list) else []
    return [told] if isinstance(told, dict) else []
