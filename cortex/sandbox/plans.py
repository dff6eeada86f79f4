"""Which shops to invent, with the accounts and tokens that belong to each."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from zlib import crc32
from zoneinfo import ZoneInfo

import numpy as np

from cortex.sandbox.catalog import Sector
from cortex.sandbox.market import GoogleAccount, MetaAccount, Property, Shop, TikTokPixel

ZONE_NAME = "America/Sao_Paulo"
ZONE = ZoneInfo(ZONE_NAME)


@dataclass(frozen=True)
class ShopPlan:
    """A shop to invent. Ids left empty follow from the code; `orders` are those of the window, about."""

    code: str
    name: str = ""
    orders: int = 1000
    sector: Sector = "fashion"
    average_order: int = 23000
    """Cents, before freight and discounts."""
    products: int = 160
    multiply: bool = False
    """Whether channels multiply each other's effect instead of adding to it."""
    strength: tuple[float, ...] = ()
    """Each channel's effect in parts of its usual one, in the order of `shoppers.CHANNELS`; empty: all as usual."""
    store_id: str = ""
    domain: str = ""
    meta_account_id: str = ""
    pixel_id: str = ""
    google_customer_id: str = ""
    conversion_action_id: str = ""
    property_id: str = ""

    def digits(self, what: str, count: int) -> str:
        """An id of `count` digits that belongs to this shop alone."""
        number = int.from_bytes(hashlib.sha256(f"{self.code}:{what}".encode()).digest()[:8])
        return str(10 ** (count - 1) + number % (9 * 10 ** (count - 1)))


def demo_shops(total_orders: int = 10_000) -> list[ShopPlan]:
    """Two shops that differ: fashion that lives on Meta, and home goods that live on Google."""
    fashion = round(total_orders * 0.65)
    return [
        ShopPlan("aurora", "Aurora Moda", orders=fashion, sector="fashion", average_order=22000, products=180),
        ShopPlan(
            "bravo", "Bravo Casa", orders=total_orders - fashion, sector="home", average_order=27000, products=120
        ),
    ]


def stream(seed: int, code: str, purpose: str) -> np.random.Generator:
    """A generator of its own for each purpose, so that a change in one place does not move the others."""
    return np.random.default_rng(np.random.SeedSequence([seed, crc32(code.encode()), crc32(purpose.encode())]))


def open_shop(plan: ShopPlan, seed: int) -> Shop:
    """The shop and its accounts, still empty. Tokens look like the platforms' and open nothing anywhere."""

    def secret(what: str, length: int = 40) -> str:
        return hashlib.sha256(f"{seed}:{plan.code}:{what}".encode()).hexdigest()[:length]

    name = plan.name or plan.code.capitalize()
    return Shop(
        code=plan.code,
        name=name,
        store_id=plan.store_id or plan.digits("store", 7),
        domain=plan.domain or f"www.{plan.code}.example",
        currency="BRL",
        timezone=ZONE_NAME,
        store_token=secret("store"),
        meta_token=f"EAAsandbox{secret('meta', 60)}",
        google_refresh_token=f"1//0sandbox{secret('google')}",
        meta=MetaAccount(
            plan.meta_account_id or f"act_{plan.digits('meta', 15)}",
            plan.pixel_id or plan.digits("pixel", 15),
            name,
            "BRL",
            ZONE_NAME,
        ),
        google=GoogleAccount(
            plan.google_customer_id.replace("-", "") or plan.digits("google", 10),
            plan.conversion_action_id or plan.digits("action", 9),
            name,
            "BRL",
            ZONE_NAME,
        ),
        ga4=Property(
            plan.property_id or plan.digits("property", 9),
            name,
            "BRL",
            ZONE_NAME,
            measurement_id=f"G-{plan.digits('stream', 10)}",
            api_secret=secret("ga4"),
        ),
        tiktok=TikTokPixel(f"C{plan.digits('tiktok', 19)}", secret("tiktok", 40)),
    )
