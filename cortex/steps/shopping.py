"""The shopping of a rehearsal: one order, four visitors with different minds about consent, and what their pages showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from cortex.handoff.browser import Page

if TYPE_CHECKING:
    from cortex.handoff.elements import Json

GCLID = "Cj0KCQiA-Rehearsal_AbC-123"
FBCLID = "IwAR0-Rehearsal_xYz"
EMAIL = "buyer@shop.example"
ORDER_ID = "1046788032"
ITEMS = (("98231", 2, Decimal("94.95")), ("98232", 1, Decimal("33.33")))
TOTAL = Decimal("225.73")
"""Items 223.23, shipping 12.50, discount 10.00: a sum that is not the sum of the items."""
CHOICES = ("ad_storage", "analytics_storage", "ad_user_data", "ad_personalization")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. state `off`: the container leaves it out, or its tag is paused."""

    name: str
    state: Literal["ok", "failed", "off"]
    said: str

    @property
    def ok(self) -> bool:
        return self.state != "failed"


def check(name: str, good: bool, said: str) -> Check:
    """A Check that is ok or failed."""
    return Check(name, "ok" if good else "failed", said)


def visits(currency: str) -> dict[str, list[Page]]:
    """The same shopping, by visitors who choose nothing, refuse, agree, and agree and take it back at the checkout."""
    return {
        "undecided": _shopping(currency),
        "refused": _shopping(currency, landing="0000"),
        "granted": _shopping(currency, landing="1111"),
        "withdrawn": _shopping(currency, landing="1111", checkout="0000"),
    }


def _shopping(currency: str, landing: str = "", checkout: str = "") -> list[Page]:
    arrived = f"/?utm_source=rehearsal&utm_medium=cpc&utm_campaign=kit&gclid={GCLID}&fbclid={FBCLID}&email={EMAIL}"
    one = _basket(currency, ITEMS[:1])
    listed = {"currency": currency, "items": [{"item_id": ITEMS[0][0], "item_name": "Item 98231", "index": 0}]}
    cart = _basket(currency, ITEMS)
    purchase = cart | {"transaction_id": ORDER_ID, "value": float(TOTAL), "shipping": 12.5, "coupon": "VOLTA10"}
    bought = [*_told("purchase", purchase)]
    bought[-1] = bought[-1] | {"user_data": {"email": EMAIL, "phone_number": "+5511987654321"}, "new_customer": True}
    return [
        Page(arrived, _chosen(landing)),
        Page("/colecao/", _told("view_item_list", listed)),
        Page("/produto/", [*_told("view_item", one), *_told("add_to_cart", one), *_told("add_to_cart", one)]),
        Page("/carrinho/", _told("view_cart", cart)),
        Page(
            "/checkout/",
            [
                *_told("begin_checkout", cart),
                *_told("add_shipping_info", cart | {"shipping_tier": "PAC"}),
                *_chosen(checkout),
                *_told("add_payment_info", cart | {"payment_type": "pix"}),
            ],
        ),
        Page("/obrigado/", bought),
        Page("/obrigado/", bought),
    ]


def _basket(currency: str, items: Sequence[tuple[str, int, Decimal]]) -> dict[str, Any]:
    lines = [
        {"item_id": product, "item_name": f"Item {product}", "price": float(price), "quantity": quantity}
        for product, quantity, price in items
    ]
    value = sum((price * quantity for _, quantity, price in items), Decimal(0))
    return {"currency": currency, "value": float(value), "items": lines}


def _told(event: str, ecommerce: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"ecommerce": None}, {"event": event, "ecommerce": dict(ecommerce)}]


def _chosen(bits: str) -> list[dict[str, Any]]:
    states = {name: "granted" if bit == "1" else "denied" for name, bit in zip(CHOICES, bits, strict=False)}
    return [{"event": "ctx_consent_update", "ctx_consent": states}] if bits else []


# What the pages showed


def fired(pages: Sequence[Json], *kinds: str) -> list[Json]:
    """Tags of these types that fired, in order."""
    return [each for page in pages for each in page["trace"] if each["state"] == "fired" and each["type"] in kinds]


def tracked(pages: Sequence[Json], key: str) -> list[tuple[str, Json, str]]:
    """(event, parameters, event id) of every standard event a pixel was told, PageView left out."""
    found = []
    for call in (call for page in pages for call in page[key] if call and call[0] == "track" and len(call) > 1):
        options = call[3] if len(call) > 3 and isinstance(call[3], dict) else {}
        found.append(
            (
                str(call[1]),
                call[2] if len(call) > 2 else {},
                str(options.get("eventID") or options.get("event_id") or ""),
            )
        )
    return [each for each in found if each[0] != "PageView"]
