"""The one map of events: what happens in the shop, and what GA4, Meta and TikTok call it.

The browser's tags, `event_mapping.csv` and the schemas are made from it; the server sends the `purchase` row with the same
event id. Names: GA4 recommended e-commerce events, Meta standard events, TikTok standard events (supported-standard-events).
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """One row of the map. An empty name: the platform has no such event and gets none.

    store: what happened, in Cortex's words. ga4 is also the name in the data layer. google_ads: a conversion tag fires.
    server: Cortex sends it too, from the shop's orders. key: the ecommerce fields it cannot do without.
    """

    store: str
    ga4: str
    meta: str = ""
    tiktok: str = ""
    google_ads: bool = False
    server: bool = False
    key: tuple[str, ...] = ("currency", "value", "items")
    pt: str = ""
    en: str = ""

    @property
    def event_id(self) -> str:
        """The pattern of the id that browser and server share, for people."""
        return "purchase-<order id>" if self.ga4 == "purchase" else f"{self.ga4}-<page load id>.<event number>"


EVENTS: tuple[Event, ...] = (
    Event(
        "product_list_viewed", "view_item_list", key=("items",), pt="Lista de produtos vista", en="Product list viewed"
    ),
    Event("product_viewed", "view_item", "ViewContent", "ViewContent", pt="Produto visto", en="Product viewed"),
    Event("product_added", "add_to_cart", "AddToCart", "AddToCart", pt="Produto no carrinho", en="Product added"),
    Event("cart_viewed", "view_cart", pt="Carrinho visto", en="Cart viewed"),
    Event(
        "checkout_started",
        "begin_checkout",
        "InitiateCheckout",
        "InitiateCheckout",
        pt="Checkout iniciado",
        en="Checkout started",
    ),
    Event("shipping_chosen", "add_shipping_info", pt="Entrega escolhida", en="Delivery chosen"),
    Event(
        "payment_chosen",
        "add_payment_info",
        "AddPaymentInfo",
        "AddPaymentInfo",
        pt="Pagamento escolhido",
        en="Payment chosen",
    ),
    Event(
        "order_placed",
        "purchase",
        "Purchase",
        "Purchase",
        google_ads=True,
        server=True,
        key=("transaction_id", "currency", "value", "items"),
        pt="Pedido feito",
        en="Order placed",
    ),
    Event(
        "order_refunded",
        "refund",
        key=("transaction_id", "currency", "value"),
        pt="Pedido devolvido",
        en="Order refunded",
    ),
)
BY_GA4: dict[str, Event] = {event.ga4: event for event in EVENTS}


def purchase_event_id(order_id: str) -> str:
    """The id under which Meta and TikTok see an order, from the pixel and from the server alike.

    >>> purchase_event_id("1046788032")
    'purchase-1046788032'
    """
    return f"purchase-{order_id}"


def mapping_csv() -> str:
    """`event_mapping.csv`: one line per event, comma separated, Unix line ends."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(_COLUMNS)
    for event in EVENTS:
        table.writerow(
            (
                event.store,
                event.pt,
                event.en,
                event.ga4,
                event.meta,
                event.tiktok,
                "conversion" if event.google_ads else "",
                "browser + server" if event.server else "browser",
                event.event_id if event.meta or event.tiktok else "",
                "<order id>" if event.google_ads else "",
                " ".join(event.key),
            )
        )
    return text.getvalue()


_COLUMNS = (
    "store_event",
    "o_que_acontece",
    "what_happens",
    "datalayer_and_ga4",
    "meta",
    "tiktok",
    "google_ads",
    "sent_by",
    "event_id",
    "google_transaction_id",
    "required",
)
