"""Nuvemshop's JSON as typed structs: the fields Cortex uses, and how to read a page in which one record is broken.

Ids, quantities and instalments come as text or number, and PHP writes an empty object as `[]`: both are taken.
Source: the order and product resources of the 2025-03 API.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from cortex.errors import BadRecord

Number = str | int | None
Amount = str | int | float | None
Words = str | dict[str, Any] | None
"""Text, or text by language."""


class Coupon(Struct, omit_defaults=True, gc=False):
    code: str | None = None


class Promotion(Struct, omit_defaults=True, gc=False):
    total_discount_amount: Amount = None


class PaymentDetails(Struct, omit_defaults=True, gc=False):
    method: str | None = None
    credit_card_company: str | None = None
    installments: Number = None


class Utm(Struct, gc=False):
    utm_source: str | None = None
    utm_medium: str | None = None
    utm_campaign: str | None = None
    utm_content: str | None = None
    utm_term: str | None = None


class Visit(Struct, gc=False):
    created_at: str | None = None
    landing_page: str | None = None
    utm_parameters: Utm | list[Any] | None = None


class ClientDetails(Struct, gc=False):
    browser_ip: str | None = None
    user_agent: str | None = None


class Customer(Struct, gc=False):
    id: Number = None
    name: str | None = None
    email: str | None = None
    phone: Number = None
    identification: Number = None


class Address(Struct, gc=False):
    name: str | None = None
    phone: Number = None
    city: str | None = None
    province: str | None = None
    zipcode: Number = None
    country: str | None = None


class Item(Struct, omit_defaults=True, gc=False):
    id: Number = None
    product_id: Number = None
    variant_id: Number = None
    name: Words = None
    sku: Number = None
    price: Amount = None
    compare_at_price: Amount = None
    cost: Amount = None
    quantity: str | int | float | None = None


class Order(Struct, gc=False):
    id: Number = None
    number: Number = None
    status: str | None = None
    payment_status: str | None = None
    shipping_status: str | None = None
    next_action: str | None = None
    currency: str | None = None
    subtotal: Amount = None
    discount: Amount = None
    discount_coupon: Amount = None
    discount_gateway: Amount = None
    promotional_discount: Promotion | list[Any] | None = None
    shipping_cost_customer: Amount = None
    shipping_cost_owner: Amount = None
    shipping_option: str | None = None
    shipping_carrier_name: str | None = None
    shipping_pickup_type: str | None = None
    total: Amount = None
    total_paid: Amount = None
    coupon: list[Coupon | str] | Coupon | str | None = None
    gateway: str | None = None
    gateway_name: str | None = None
    payment_details: PaymentDetails | list[Any] | None = None
    storefront: str | None = None
    cancel_reason: str | None = None
    created_at: str | None = None
    updated_at: str | None = None
    paid_at: str | None = None
    cancelled_at: str | None = None
    shipped_at: str | None = None
    closed_at: str | None = None
    products: list[Item] | None = None
    contact_email: str | None = None
    contact_name: str | None = None
    contact_phone: Number = None
    contact_identification: Number = None
    customer: Customer | list[Any] | None = None
    shipping_address: Address | list[Any] | None = None
    billing_phone: Number = None
    billing_city: str | None = None
    billing_province: str | None = None
    billing_zipcode: Number = None
    billing_country: str | None = None
    client_details: ClientDetails | list[Any] | None = None
    customer_visit: Visit | list[Any] | None = None
    landing_url: str | None = None
    extra: dict[str, Any] | list[Any] | None = None


class Category(Struct, gc=False):
    id: Number = None
    name: Words = None
    parent: Number = None


class Variant(Struct, gc=False):
    id: Number = None
    sku: Number = None
    price: Amount = None
    promotional_price: Amount = None
    cost: Amount = None
    stock: Number = None
    weight: Amount = None
    values: list[Words] | None = None


class Product(Struct, gc=False):
    id: Number = None
    name: Words = None
    brand: str | None = None
    categories: list[Category] | None = None
    variants: list[Variant] | None = None
    attributes: list[Words] | None = None
    created_at: str | None = None
    updated_at: str | None = None


class Shop(Struct, gc=False):
    id: Number = None
    name: Words = None
    main_currency: str | None = None
    country: str | None = None


class Refusal(Struct, gc=False):
    """An error body."""

    code: Number = None
    message: str | None = None
    description: str | None = None


T = TypeVar("T", bound=Struct)
_PARTS: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])


SAMPLED = 50
"""One page in so many is looked at for fields that are new."""


class Page(Generic[T]):
    """Reads a page of `kind`: its records, a BadRecord in the place of each that has another shape, or a Refusal."""

    def __init__(self, kind: type[T], stream: str, sample: Callable[[list[Any]], None] | None = None) -> None:
        """sample: shown the records of the first page and of each fiftieth after it as plain JSON, to look for what the
        structs do not name. Looking at all of them would cost as much as reading them does."""
        self._sample = sample
        self._pages = 0
        self.fields = ",".join(field.encode_name for field in msgspec.structs.fields(kind))
        self._stream = stream
        self._whole: msgspec.json.Decoder[list[T]] = msgspec.json.Decoder(list[kind])  # type: ignore[valid-type]
        self._one: msgspec.json.Decoder[T] = msgspec.json.Decoder(kind)

    def __call__(self, body: bytes) -> list[T | BadRecord] | Refusal:
        """Raises msgspec.DecodeError for what is no JSON."""
        if body[:1] == b"{":
            return msgspec.json.decode(body, type=Refusal)
        try:
            records = list[T | BadRecord](self._whole.decode(body))
        except msgspec.ValidationError:
            records = [self._alone(part) for part in _PARTS.decode(body)]
        except msgspec.DecodeError:
            body = _without_surrogates(body)
            records = [self._alone(part) for part in _PARTS.decode(body)]
        if self._sample is not None and self._pages % SAMPLED == 0:
            self._sample(msgspec.json.decode(body))
        self._pages += 1
        return records

    def _alone(self, part: msgspec.Raw) -> T | BadRecord:
        try:
            return self._one.decode(part)
        except msgspec.ValidationError as failure:
            return BadRecord(self._stream, _identity(part), f"has another shape than documented: {failure}")


def text(value: Number) -> str:
    """An id or other short word as text; absent is empty."""
    return "" if value is None else str(value).strip()


def spoken(words: Words) -> str:
    """Text, or the first of its languages that is filled in: Portuguese, Spanish, English, any."""
    if isinstance(words, dict):
        found = (words.get(language) for language in ("pt", "es", "en", *words))
        return next((word.strip() for word in found if isinstance(word, str) and word.strip()), "")
    return (words or "").strip()


def _identity(part: msgspec.Raw) -> str:
    try:
        return text(msgspec.json.decode(part, type=Customer).id)
    except msgspec.ValidationError:
        return ""


def _without_surrogates(body: bytes) -> bytes:
    """The same JSON with lone surrogates, which are no characters, replaced by `?`: one broken emoji in a note must
    not make a shop unreadable. Raises msgspec.DecodeError when that is not what was wrong."""
    try:
        tolerant = json.loads(body)
    except ValueError:
        raise msgspec.DecodeError("not JSON") from None
    return json.dumps(tolerant, ensure_ascii=False, allow_nan=True).encode("utf-8", "replace")
