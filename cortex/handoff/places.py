"""Where each store platform keeps what the kit saves with an order, and where its API gives it back, in words for people."""

from __future__ import annotations

ATTRIBUTES = (
    "ctx_gclid", "ctx_gbraid", "ctx_wbraid", "ctx_fbclid", "ctx_ttclid", "ctx_msclkid", "ctx_fbc", "ctx_fbp", "ctx_ttp",
    "ctx_ga_client_id", "ctx_first", "ctx_last", "ctx_consent",
)  # fmt: skip
"""What the scripts save with an order."""

NAMES = {"nuvemshop": "Nuvemshop", "shopify": "Shopify", "tray": "Tray", "vtex": "VTEX", "woocommerce": "WooCommerce"}
"""Platforms as people write them."""

PLACES: dict[str, tuple[str, str]] = {
    "nuvemshop": (
        "O script grava em `extra` pelo formulário do carrinho; a API devolve em `extra` do pedido.",
        "The script saves them in `extra` through the cart's form; the API gives them back in the order's `extra`.",
    ),
    "shopify": (
        (
            "O script grava nos atributos do carrinho (`/cart/update.js`); a API devolve em `note_attributes` (REST) e"
            " `customAttributes` (GraphQL)."
        ),
        (
            "The script saves them as cart attributes (`/cart/update.js`); the API gives them back in `note_attributes` (REST)"
            " and `customAttributes` (GraphQL)."
        ),
    ),
    "vtex": (
        (
            "O script grava no orderForm (`customData`, app `cortex`, que precisa ser registrado); a API devolve em"
            " `customData.customApps`. As UTM também estão em `marketingData`."
        ),
        (
            "The script saves them in the orderForm (`customData`, app `cortex`, which has to be registered); the API gives them"
            " back in `customData.customApps`. UTM are in `marketingData` too."
        ),
    ),
    "woocommerce": (
        "O plugin grava nos metadados do pedido; a API devolve em `meta_data`, ao lado de `_wc_order_attribution_*`.",
        "The plugin saves them as order meta; the API gives them back in `meta_data`, beside `_wc_order_attribution_*`.",
    ),
    "tray": (
        (
            "O pedido da Tray **não tem lugar** para atributos: nada é gravado. A visita de um pedido chega pelo GA4, pelo id do"
            " pedido, e o pedido chega sem consentimento: com `privacy.consent.mode: opt_in` nenhuma conversão sai pelo servidor."
        ),
        (
            "An order of Tray has **no place** for attributes: nothing is saved. The visit of an order comes from GA4, by the order"
            " id, and the order comes without a consent: under `privacy.consent.mode: opt_in` no conversion leaves from the server."
        ),
    ),
    "": (
        "Grave-os com o pedido onde a plataforma permitir (atributos, metadados, campos extras).",
        "Save them with the order wherever the platform lets you (attributes, metadata, extra fields).",
    ),
}
"""By platform: Portuguese, English. The empty name stands for platforms without a script."""
