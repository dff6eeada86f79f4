"""What the invented shops sell: products with log-normal prices, variants, categories and, mostly, a cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from cortex.sandbox.notation import money, stamp
from cortex.sandbox.people import plain

Sector = Literal["fashion", "home"]

# Category, then the things in it.
GOODS: dict[Sector, tuple[tuple[str, str], ...]] = {
    "fashion": (
        ("Vestidos", "Vestido midi|Vestido longo|Vestido tubinho|Vestido chemise"),
        ("Blusas", "Blusa de linho|Camiseta básica|Regata canelada|Body de manga"),
        ("Calças", "Calça pantalona|Calça alfaiataria|Jeans reto|Legging modeladora"),
        ("Calçados", "Sandália de tiras|Tênis casual|Sapatilha|Bota de cano curto"),
        ("Acessórios", "Bolsa tiracolo|Cinto trançado|Lenço estampado|Óculos de sol"),
        ("Praia", "Biquíni cortininha|Maiô recortado|Saída de praia|Chapéu de palha"),
        ("Masculino", "Camisa social|Bermuda de sarja|Polo piquet|Jaqueta corta-vento"),
        ("Infantil", "Macacão|Conjunto moletom|Pijama|Vestido infantil"),
    ),
    "home": (
        ("Cozinha", "Jogo de panelas|Faqueiro|Frigideira antiaderente|Conjunto de potes"),
        ("Cama", "Jogo de lençol|Edredom|Travesseiro|Manta"),
        ("Banho", "Toalha de banho|Roupão|Tapete de banheiro|Kit lavabo"),
        ("Decoração", "Vaso de cerâmica|Quadro decorativo|Almofada|Espelho redondo"),
        ("Iluminação", "Luminária de mesa|Pendente|Abajur|Fita de LED"),
        ("Organização", "Cesto organizador|Caixa com tampa|Cabideiro|Sapateira"),
        ("Jardim", "Vaso autoirrigável|Mangueira|Kit jardinagem|Rede de descanso"),
        ("Mesa posta", "Aparelho de jantar|Jogo americano|Taças de cristal|Travessa"),
    ),
}
LOOKS = (
    "Areia",
    "Preto",
    "Off-white",
    "Verde-oliva",
    "Terracota",
    "Azul-marinho",
    "Rosé",
    "Grafite",
    "Natural",
    "Vinho",
)
BRANDS = ("Ateliê Norte", "Casa do Sul", "Boa Trama", "Linha Própria")
SIZES: dict[Sector, tuple[str, ...]] = {"fashion": ("PP", "P", "M", "G", "GG"), "home": ("Único",)}


@dataclass(slots=True)
class Good:
    """A product with its prices in cents; `cost` is None where the owner never filled it in."""

    product_id: int
    variants: list[int]
    sizes: list[str]
    sku: str
    name: str
    category: str
    price: int
    full_price: int
    cost: int | None
    weight_grams: int
    stock: int
    created: int
    """Epoch seconds."""
    thing: str = ""
    """What it is, without its look: the category below `category`, where there is one."""
    look: str = ""
    brand: str = ""


def stock_shelves(rng: np.random.Generator, sector: Sector, count: int, first_id: int, opened: int) -> list[Good]:
    """`count` products, the ids counting up from `first_id`; prices still unscaled around 100.00."""
    categories = GOODS[sector]
    prices = np.maximum(1990, np.round(10000 * rng.lognormal(0.0, 0.55, count) / 100) * 100 - 10).astype(int)
    margins = rng.uniform(0.32, 0.68, count)
    marked_down = rng.random(count) < 0.25
    has_cost = rng.random(count) < 0.92
    looks = rng.integers(0, len(LOOKS), count)
    goods = []
    for i in range(count):
        category, things = categories[i % len(categories)]
        thing = things.split("|")[i // len(categories) % 4]
        sizes = list(SIZES[sector])
        product_id = first_id + 7 * i
        price = int(prices[i])
        look = LOOKS[(int(looks[i]) + i // 32) % len(LOOKS)]
        goods.append(
            Good(
                product_id=product_id,
                variants=[product_id * 10 + k for k in range(len(sizes))],
                sizes=sizes,
                sku=f"{plain(category)[:3].upper()}-{i + 1:04d}",
                name=f"{thing} {look}",
                thing=thing,
                look=look,
                brand=BRANDS[i % len(BRANDS)],
                category=category,
                price=price,
                full_price=int(price * 1.3 // 100 * 100 + 90) if marked_down[i] else price,
                cost=int(price * (1 - margins[i])) if has_cost[i] else None,
                weight_grams=int(200 + price // 20),
                stock=int(rng.integers(0, 180)),
                created=opened + i * 3600,
            )
        )
    return goods


def rescale(goods: list[Good], factor: float) -> None:
    """Move every price by one factor, keeping the shop's .90 endings."""
    for good in goods:
        marked_down = good.full_price > good.price
        share = None if good.cost is None else good.cost / good.price
        good.price = max(990, round(good.price * factor / 100) * 100 - 10)
        good.full_price = int(good.price * 1.3 // 100 * 100 + 90) if marked_down else good.price
        good.cost = None if share is None else round(good.price * share)


def wire_products(goods: list[Good], domain: str) -> list[dict[str, Any]]:
    """The catalogue as `GET /products` gives it: names by language, variants inline, money as text."""
    categories = {name: 9000 + i for i, name in enumerate(dict.fromkeys(good.category for good in goods))}
    below = {name: 9500 + i for i, name in enumerate(dict.fromkeys(good.thing for good in goods))}
    return [_wire_product(good, categories[good.category], below[good.thing], domain) for good in goods]


def _wire_product(good: Good, category_id: int, thing_id: int, domain: str) -> dict[str, Any]:
    handle = f"{plain(good.name)}-{good.product_id}"
    created = stamp(good.created)
    variants = [
        {
            "id": variant_id,
            "product_id": good.product_id,
            "position": position + 1,
            "price": money(good.full_price),
            "compare_at_price": money(good.full_price),
            "promotional_price": money(good.price) if good.full_price > good.price else None,
            "cost": None if good.cost is None else money(good.cost),
            "stock_management": True,
            "stock": good.stock // len(good.variants),
            "sku": f"{good.sku}-{size}" if len(good.variants) > 1 else good.sku,
            "barcode": None,
            "weight": f"{good.weight_grams / 1000:.3f}",
            "values": [{"pt": value} for value in (size, good.look) if value],
            "created_at": created,
            "updated_at": created,
        }
        for position, (variant_id, size) in enumerate(zip(good.variants, good.sizes, strict=True))
    ]
    return {
        "id": good.product_id,
        "name": {"pt": good.name},
        "description": {"pt": f"<p>{good.name}</p>"},
        "handle": {"pt": handle},
        "attributes": [{"pt": name} for name in ("Tamanho", "Cor") if name == "Tamanho" or good.look],
        "published": True,
        "free_shipping": False,
        "requires_shipping": True,
        "canonical_url": f"https://{domain}/produtos/{handle}/",
        "brand": good.brand or None,
        "tags": "",
        "created_at": created,
        "updated_at": created,
        "variants": variants,
        "images": [],
        "categories": [
            {"id": at, "name": {"pt": name}, "handle": {"pt": plain(name)}, "parent": above}
            for at, name, above in ((category_id, good.category, None), (thing_id, good.thing, category_id))
            if name
        ],
    }
