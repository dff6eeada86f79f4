"""The three tables every contender but Cortex and the floor fills: orders, their lines, customers, from Nuvemshop's JSON.

The least an agency would want of them: instants in UTC, the local day, the landing page taken apart, and the buyer as
two SHA-256 instead of an e-mail and an id. Imports nothing but the standard library: dlt lives in an environment of
its own.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/Sao_Paulo")
Row = dict[str, Any]


def rows(told: Row) -> tuple[Row, list[Row], Row]:
    """An order of 33 columns, its lines of 10, its buyer of 7."""
    order_id, buyer, address = str(told["id"]), told["customer"], told["shipping_address"]
    created, page = utc(told["created_at"]), urlsplit(told["landing_url"] or "")
    said = dict(parse_qsl(page.query))
    order = {
        "id": order_id, "number": str(told["number"]), "status": told["status"],
        "payment_status": told["payment_status"], "shipping_status": told["shipping_status"],
        "currency": told["currency"], "subtotal": Decimal(told["subtotal"]), "discount": Decimal(told["discount"]),
        "shipping": Decimal(told["shipping_cost_customer"]), "total": Decimal(told["total"]),
        "total_paid": Decimal(told["total_paid"]), "coupon": told["coupon"][0]["code"] if told["coupon"] else "",
        "gateway": told["gateway"], "method": told["payment_details"]["method"],
        "installments": int(told["payment_details"]["installments"]), "created_at": created,
        "updated_at": utc(told["updated_at"]), "paid_at": told["paid_at"] and utc(told["paid_at"]),
        "cancelled_at": told["cancelled_at"] and utc(told["cancelled_at"]),
        "local_day": created.astimezone(ZONE).date(), "customer_id": str(buyer["id"]),
        "email_sha256": sha256(told["contact_email"]), "customer_sha256": sha256(str(buyer["id"])),
        "city": address["city"], "state": address["province"], "postal_prefix": address["zipcode"][:5],
        "country": address["country"], "landing_path": page.path, "utm_source": said.get("utm_source", ""),
        "utm_medium": said.get("utm_medium", ""), "utm_campaign": said.get("utm_campaign", ""),
        "gclid": said.get("gclid", ""), "fbclid": said.get("fbclid", ""),
    }  # fmt: skip
    items = [
        {
            "order_id": order_id, "line": line, "product_id": str(item["product_id"]),
            "variant_id": str(item["variant_id"]), "sku": item["sku"], "name": item["name"],
            "price": Decimal(item["price"]), "compare_at_price": Decimal(item["compare_at_price"]),
            "quantity": int(item["quantity"]), "total": Decimal(item["price"]) * int(item["quantity"]),
        }
        for line, item in enumerate(told["products"], 1)
    ]  # fmt: skip
    customer = {
        "id": str(buyer["id"]), "email_sha256": order["email_sha256"], "city": address["city"],
        "state": address["province"], "country": address["country"], "last_order": order_id, "seen_at": created,
    }  # fmt: skip
    return order, items, customer


def utc(words: str) -> datetime:
    return datetime.fromisoformat(words).astimezone(UTC)


def sha256(words: str) -> str:
    return hashlib.sha256(words.strip().lower().encode()).hexdigest()
