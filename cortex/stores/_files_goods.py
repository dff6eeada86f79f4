"""Products as the lines of a file of orders tell of them: what the newest order with one says counts."""

from __future__ import annotations

from cortex.records import Product
from cortex.stores._columns import Row, day, measure, money, text
from cortex.stores._values import units

GOODS = (
    "category_level_2", "category_level_3", "brand", "size", "color", "gender", "condition", "supplier_country",
    "weight_kg", "launch_date", "stock", "reserved", "reorder_point", "warehouse", "competitor_rank", "price_position",
)  # fmt: skip
"""Columns of a line that are about the product, not about its sale."""


def product(row: Row, currency: str) -> Product:
    """Raises BadRecord."""
    price = money(row, "unit_price", currency)
    cost, stock, reorder, rank = (
        text(row, name) for name in ("unit_cost", "stock", "reorder_point", "competitor_rank")
    )
    return Product(
        platform="files",
        product_id=text(row, "product_id") or text(row, "sku"),
        sku=text(row, "sku"),
        name=text(row, "product") or text(row, "product_id") or text(row, "sku"),
        category=text(row, "category"),
        category_level_2=text(row, "category_level_2"),
        category_level_3=text(row, "category_level_3"),
        brand=text(row, "brand"),
        size=text(row, "size"),
        color=text(row, "color"),
        gender=text(row, "gender")[:32],
        condition=text(row, "condition")[:32],
        supplier_country=text(row, "supplier_country").upper()[:2],
        weight_kg=measure(row, "weight_kg"),
        launched=day(row, "launch_date"),
        price=price,
        compare_at_price=money(row, "full_unit_price", currency) or price,
        competitor_rank=units(rank) if rank else None,
        price_position=text(row, "price_position")[:16],
        cost=money(row, "unit_cost", currency) if cost else None,
        stock=units(stock) if stock else None,
        reserved=units(text(row, "reserved")),
        reorder_point=units(reorder) if reorder else None,
        warehouse=text(row, "warehouse")[:64],
        currency=currency,
    )
