"""From shoppers who bought to orders of the shop: baskets, buyers, payments, and the orders that came without a visit."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

from cortex.sandbox.arrivals import AGENTS, Arrivals, browser_ip, kit_attributes
from cortex.sandbox.catalog import Good, rescale
from cortex.sandbox.checkout import Sale, Sold, wire_order
from cortex.sandbox.fates import DRAWS as FATE_DRAWS
from cortex.sandbox.fates import fate
from cortex.sandbox.happenings import cancelled, history, paid
from cortex.sandbox.market import Shop
from cortex.sandbox.notation import money
from cortex.sandbox.orders import Event, Order, as_of
from cortex.sandbox.people import DRAWS as PERSON_DRAWS
from cortex.sandbox.people import Identity, invent
from cortex.sandbox.plans import ShopPlan, stream

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MARKETPLACE, DRAFT = 0.025, 0.015
"""Shares of orders imported from Mercado Livre and written by the staff."""
TESTS_PER_ORDER = 1 / 2500
KIT = 0.85
"""Share of storefront orders the tracking kit wrote on."""
GUEST = 0.18
"""Share of checkouts that make a new customer, whatever the e-mail."""
FREIGHT = (1590, 1990, 2490, 3190, 3990)
"""Cents, by how far the buyer lives."""
FREE_FREIGHT = 29900
METHODS = ("pix", "credit_card", "boleto", "debit_card")
METHOD_SHARES = (0.43, 0.46, 0.09, 0.02)
COUPONS = {10: "BEMVINDA10", 15: "VOLTA15", 5: "CLUBE5"}
CARDS = ("visa", "mastercard", "elo", "amex", "hipercard")


@dataclass
class Baskets:
    """What was bought on each order: lines of order i are offsets[i]..offsets[i + 1]; money in cents."""

    offsets: Ints
    product: Ints
    size: Ints
    quantity: Ints
    percent: Ints
    """Of the coupon, 0 without."""
    method: Ints
    fate: Floats
    luck: Floats
    """Six uniform numbers by order, for whatever else varies."""


@dataclass
class Placed:
    """A sale on its way into the shop; `occasion` is -1 for orders without visits."""

    sale: Sale
    events: list[Event]
    occasion: int = -1


def storefront_orders(plan: ShopPlan) -> int:
    """How many of a plan's orders come from visits to the shop."""
    return round(plan.orders * (1 - MARKETPLACE - DRAFT)) - test_orders(plan)


def test_orders(plan: ShopPlan) -> int:
    return max(1, round(plan.orders * TESTS_PER_ORDER))


def fill_baskets(rng: np.random.Generator, orders: int, goods: list[Good]) -> Baskets:
    """Baskets for so many orders."""
    lines = 1 + np.minimum(rng.poisson(0.75, orders), 5)
    count = int(lines.sum())
    # A few products sell a lot (Zipf); shuffled, so that they are spread over the categories.
    weights = np.cumsum(rng.permutation(1 / np.arange(1, len(goods) + 1) ** 0.8))
    product = np.searchsorted(weights, rng.random(count) * weights[-1], side="right").clip(max=len(goods) - 1)
    return Baskets(
        offsets=np.concatenate([[0], np.cumsum(lines)]).astype(np.int64),
        product=product.astype(np.int64),
        size=rng.integers(0, 1_000_000, count),
        quantity=rng.choice([1, 2, 3], count, p=[0.86, 0.11, 0.03]),
        percent=np.where(rng.random(orders) < 0.14, np.array([10, 15, 5])[rng.integers(0, 3, orders)], 0),
        method=rng.choice(len(METHODS), orders, p=METHOD_SHARES),
        fate=rng.random((orders, FATE_DRAWS)),
        luck=rng.random((orders, 6)),
    )


def price_for(goods: list[Good], baskets: Baskets, average: int) -> None:
    """Move the prices of `goods` so that these baskets are worth `average` cents on average."""
    orders = len(baskets.method)
    if orders:
        prices = np.array([good.price for good in goods])
        rescale(goods, average / float((prices[baskets.product] * baskets.quantity).sum() / orders))


class Storefront:
    """The orders of shoppers who bought, oldest first; of those before `start` the ones on which money moved since.

    They are made one by one while somebody looks at them: all together they would weigh more than the rest of the world.
    """

    def __init__(
        self,
        plan: ShopPlan,
        seed: int,
        arrivals: Arrivals,
        occasions: Ints,
        baskets: Baskets,
        goods: list[Good],
        domain: str,
        start: datetime,
    ) -> None:
        self._plan, self._seed = plan, seed
        self._arrivals, self._occasions = arrivals, occasions.tolist()
        self._baskets, self._goods, self._domain = baskets, goods, domain
        persons, self._person_of = np.unique(arrivals.traffic.person[occasions], return_inverse=True)
        draws = stream(seed, plan.code, "people").integers(0, 2**63, (len(persons), PERSON_DRAWS), dtype=np.uint64)
        self._customers = (30_000_000 + persons).tolist()
        self._people = invent(draws, [f"{person:x}" for person in persons.tolist()])
        self._kept = [i for i in range(len(self._occasions)) if self._belongs(i, start.timestamp())]

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Placed]:
        rng = stream(self._seed, self._plan.code, "checkouts")
        kit = rng.random(len(self._occasions)) < KIT
        for i in self._kept:
            placed = self._placed(i)
            visits, luck = self._arrivals.of(placed.occasion), self._baskets.luck[i]
            sale = placed.sale
            if luck[3] < 0.97:  # some browsers hide where they come from
                sale.visit = visits[-1]
            agents = AGENTS[int(self._arrivals.traffic.device[placed.occasion])]
            sale.user_agent = agents[int(luck[4] * len(agents))]
            sale.ip = browser_ip(int(luck[4] * 2**40))
            if kit[i]:
                sale.extra = kit_attributes(rng, visits, sale.at)
            yield placed

    def _belongs(self, i: int, since: float) -> bool:
        if self._arrivals.traffic.at[self._occasions[i]] >= since:
            return True
        return any(at >= since and "payment_status" in fields for at, fields in self._placed(i).events)

    def _placed(self, i: int) -> Placed:
        occasion, person = self._occasions[i], int(self._person_of[i])
        sale = _sale(self._baskets, i, int(self._arrivals.traffic.at[occasion]), self._people[person], self._goods)
        sale.customer_id = self._customers[person]
        return Placed(sale, fate(sale, self._baskets.fate[i].tolist(), self._domain), occasion)


def _sale(baskets: Baskets, i: int, at: int, buyer: Identity, goods: list[Good]) -> Sale:
    """The i-th basket at the till. Order and customer get their numbers later."""
    lines = _lines(baskets, i, goods)
    subtotal = sum(line.price * line.quantity for line in lines)
    percent = int(baskets.percent[i])
    coupon = subtotal * percent // 100
    method = METHODS[int(baskets.method[i])]
    luck = baskets.luck[i]
    free = subtotal >= FREE_FREIGHT and luck[0] < 0.85
    card = method in {"credit_card", "debit_card"}
    return Sale(
        order_id=0,
        number=0,
        at=at,
        customer_id=0,
        customer_since=at,
        buyer=buyer,
        email=_typed(buyer.email, float(luck[1])),
        lines=lines,
        shipping=0 if free else FREIGHT[buyer.state.distance] + int(luck[0] * 9) * 100,
        method=method,
        installments=_installments(subtotal, float(luck[2])) if method == "credit_card" else 1,
        card=CARDS[int(luck[2] * 997) % len(CARDS)] if card else None,
        coupon=COUPONS[percent] if percent else "",
        coupon_discount=coupon,
        gateway_discount=(subtotal - coupon) * 5 // 100 if method == "pix" else 0,
        note="Deixar na portaria." if luck[5] < 0.04 else None,
    )


def _lines(baskets: Baskets, i: int, goods: list[Good]) -> list[Sold]:
    lines: dict[int, Sold] = {}
    for k in range(int(baskets.offsets[i]), int(baskets.offsets[i + 1])):
        good = goods[int(baskets.product[k])]
        size = int(baskets.size[k]) % len(good.sizes)
        variant = good.variants[size]
        if variant in lines:  # the cart adds up the same variant
            lines[variant].quantity += int(baskets.quantity[k])
            continue
        lines[variant] = Sold(
            item_id=0,
            product_id=good.product_id,
            variant_id=variant,
            name=good.name,
            size=good.sizes[size] if len(good.sizes) > 1 else "",
            sku=f"{good.sku}-{good.sizes[size]}" if len(good.sizes) > 1 else good.sku,
            price=good.price,
            full_price=good.full_price,
            cost=good.cost,
            quantity=int(baskets.quantity[k]),
            weight_grams=good.weight_grams,
        )
    return list(lines.values())


def _installments(subtotal: int, draw: float) -> int:
    """Up to twelve, none below R$ 30; many pay at once."""
    most = max(1, min(12, subtotal // 3000))
    return 1 if draw < 0.35 else 1 + int(draw * 997) % most


def _typed(email: str, draw: float) -> str:
    """The same address as people type it on another day."""
    if draw < 0.03:
        return email.upper()
    if draw < 0.05:
        return email[0].upper() + email[1:]
    if draw < 0.065:
        return f" {email}" if draw < 0.057 else f"{email} "
    return email


def other_sales(
    plan: ShopPlan, seed: int, goods: list[Good], start: datetime, now: datetime, domain: str
) -> list[Placed]:
    """Orders nobody visited the shop for, oldest first: from a marketplace, written by the staff, and tries of the owner.

    Nuvemshop has no mark for test orders: the owner buys for one real under the shop's own name and cancels.
    """
    rng = stream(seed, plan.code, "other orders")
    counts = {"meli": round(plan.orders * MARKETPLACE), "form": round(plan.orders * DRAFT), "test": test_orders(plan)}
    total = sum(counts.values())
    baskets = fill_baskets(rng, total, goods)
    at = np.sort(rng.integers(int(start.timestamp()), int(now.timestamp()), total))
    kinds = rng.permutation(np.repeat(list(counts), list(counts.values()))).tolist()
    draws = rng.integers(0, 2**63, (total, PERSON_DRAWS), dtype=np.uint64)
    people = invent(draws, [f"o{i:x}" for i in range(total)])
    placed = []
    for i, kind in enumerate(kinds):
        sale = _sale(baskets, i, int(at[i]), people[i], goods)
        sale.customer_id = 90_000_000 + i
        sale.storefront = "store" if kind == "test" else str(kind)
        if kind == "test":
            placed.append(_trial(sale, plan))
            continue
        if kind == "meli":
            # Marketplaces hide the buyer: a relay address, and the money arrives at once.
            sale.email = f"{hashlib.sha256(sale.email.encode()).hexdigest()[:20]}@mail.meli.example"
            sale.method = "credit_card"
        placed.append(Placed(sale, fate(sale, baskets.fate[i].tolist(), domain)))
    return placed


def _trial(sale: Sale, plan: ShopPlan) -> Placed:
    owner = replace(sale.buyer, first="Pedido", last="Teste", email=f"teste@{plan.code}.example")
    line = replace(sale.lines[0], price=100, full_price=100, cost=None, quantity=1)
    sale = replace(
        sale, buyer=owner, email=owner.email, lines=[line], shipping=0, coupon="", coupon_discount=0,
        gateway_discount=0, method="pix", installments=1, card=None, note="teste de pedido",
    )  # fmt: skip
    events = [paid(sale.at + 40, money(sale.charged)), cancelled(sale.at + 900, "other", "refunded")]
    return Placed(sale, events)


@dataclass(frozen=True, slots=True)
class Booking:
    """What became of an order: its id, what was charged and what of it was paid and kept (None: it was not), in cents."""

    order_id: int
    charged: int
    kept: int | None


def register(
    shop: Shop, storefront: Storefront, others: list[Placed], seed: int, first_id: int, now: datetime
) -> dict[int, Booking]:
    """Number the sales by time and put them into the shop; returns what became of each occasion's up to `now`."""
    rng = stream(seed, shop.code, "register")
    count = len(storefront) + len(others)
    guests = (rng.random(count) < GUEST).tolist()
    tokens = rng.bytes(20 * count).hex()
    spent: dict[int, int] = {}
    born: dict[int, int] = {}
    bookings: dict[int, Booking] = {}
    for i, item in enumerate(heapq.merge(others, storefront, key=lambda item: (item.sale.at, item.occasion))):
        sale = item.sale
        sale.order_id, sale.number = first_id + 13 * i, 100 + i
        sale.token = tokens[40 * i : 40 * i + 40]
        if guests[i]:
            sale.customer_id = 60_000_000 + i
        sale.customer_since = born.setdefault(sale.customer_id, sale.at)
        sale.spent_before = spent.get(sale.customer_id, 0)
        spent[sale.customer_id] = sale.spent_before + sale.charged
        for k, line in enumerate(sale.lines):
            line.item_id = sale.order_id * 10 + k
        order, events = wire_order(sale, shop.store_id, shop.domain, shop.currency), history(item.events)
        shop.orders.add(order, events)
        if item.occasion >= 0:
            bookings[item.occasion] = Booking(sale.order_id, sale.charged, _kept(as_of(order, events, now.timestamp())))
    return bookings


def _kept(order: Order) -> int | None:
    paid_for = order["payment_status"] == "paid" and order["status"] != "cancelled"
    return round(float(order["total"]) * 100) if paid_for else None
