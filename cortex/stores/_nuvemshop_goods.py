"""A product of Nuvemshop as a Product: one for all its variants."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from zoneinfo import ZoneInfo

from cortex.clock import local_day
from cortex.records import Product
from cortex.stores import _nuvemshop_wire as wire
from cortex.stores._nuvemshop_wire import spoken, text
from cortex.stores._values import amount, instant

NAMED = {
    "size": ("tamanho", "talle", "talla", "size"),
    "color": ("cor", "color", "colour"),
    "gender": ("gênero", "genero", "género", "gender"),
    "condition": ("condição", "condicao", "condición", "condicion", "condition"),
}
"""What shops call the properties their variants differ in: the names are theirs to choose."""

GRAM = Decimal("0.001")


def product(told: wire.Product, currency: str, zone: ZoneInfo) -> Product:
    """Lowest price, units of all variants, cost and weight of the first. Raises BadRecord for amounts that are none."""
    variants = told.variants or [wire.Variant()]
    prices = [(_price(variant, currency), amount(variant.price, "price", currency)) for variant in variants]
    price, full = min(prices)
    units = [int(stock) for variant in variants if (stock := text(variant.stock)).isdigit()]
    first = variants[0]
    levels = [*_levels(told.categories or []), "", "", ""]
    created = instant(told.created_at, "created_at")
    return Product(
        platform="nuvemshop",
        product_id=text(told.id),
        variant_id=text(first.id) if len(variants) == 1 else "",
        sku=text(first.sku),
        name=spoken(told.name),
        category=levels[0],
        category_level_2=levels[1],
        category_level_3=levels[2],
        brand=(told.brand or "").strip(),
        size=_values(told, NAMED["size"]),
        color=_values(told, NAMED["color"]),
        gender=_values(told, NAMED["gender"]),
        condition=_values(told, NAMED["condition"]),
        weight_kg=_weight(first),
        launched=local_day(created, zone) if created else None,
        price=price,
        compare_at_price=max(price, full),
        cost=None if first.cost in {None, ""} else amount(first.cost, "cost", currency),
        stock=sum(units) if len(units) == len(variants) else None,
        currency=currency,
        updated_at=instant(told.updated_at, "updated_at"),
    )


def _price(variant: wire.Variant, currency: str) -> Decimal:
    """What a variant costs today: the promotional price where there is one."""
    promotional = amount(variant.promotional_price, "promotional_price", currency)
    return promotional or amount(variant.price, "price", currency)


def _weight(variant: wire.Variant) -> Decimal | None:
    """Kilograms; a shop that weighs nothing writes 0 or leaves it out."""
    try:
        weight = Decimal(str(variant.weight or 0)).quantize(GRAM)
    except InvalidOperation:
        return None
    return weight if weight > 0 else None


def _levels(categories: Sequence[wire.Category]) -> list[str]:
    """Names from the top down to the deepest category the product is in; of equally deep ones the first listed."""
    known = {text(one.id): one for one in categories if text(one.id)}
    found: list[str] = []
    for one in categories:
        chain, seen, at = [spoken(one.name)], {text(one.id)}, text(one.parent)
        while at in known and at not in seen:
            seen.add(at)
            chain.insert(0, spoken(known[at].name))
            at = text(known[at].parent)
        if len(chain) > len(found):
            found = chain
    return found


def _values(told: wire.Product, names: Sequence[str]) -> str:
    """Values of the property of one of these names over all variants, in the shop's order and each once."""
    at = next((at for at, name in enumerate(told.attributes or []) if spoken(name).casefold() in names), None)
    if at is None:
        return ""
    values = [spoken(one.values[at]) for one in told.variants or [] if one.values and at < len(one.values)]
    return ", ".join(dict.fromkeys(value for value in values if value))
