"""The public Olist sample as a Nuvemshop shop: real orders, prices, dates and places, with invented people and visits.

What is real: every order, item, price, freight, payment, instant (wall time of São Paulo, with the daylight saving of
2016-2018), city, state and postal prefix, and who bought again (`customer_unique_id`). What is invented: names,
e-mails, phones, visits, click ids, consent, and all that the advertising accounts and GA4 report; what caused an
order is unknown, so such a shop has no truth.

Where Nuvemshop and Olist differ:

* One order has one gateway there, several payments here. `payment_details` is the largest payment, `payment_count`
  the number of them, and `extra.olist_payments` holds the split as JSON text.
* `total` is what was charged, the sum of the payments. It is above items plus freight where a card charged interest,
  and below in a few orders, where `discount` holds the difference. 775 orders have no item rows: their `products` are
  empty and their `subtotal` is 0.00.
* delivered: closed and paid. shipped, invoiced, processing, approved: open and paid. created: open and pending.
  canceled: cancelled (customer); `refunded` where the payment had been approved, else `voided`. unavailable: all of
  them had been paid, so they are cancelled (inventory) and `refunded`, since goods that do not exist cannot be sent.
  Neither cancellations nor refunds are dated in the source: they are put days after the last known instant.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np

from cortex.errors import UsageError
from cortex.sandbox.arrivals import AGENTS, Arrivals, browser_ip, kit_attributes
from cortex.sandbox.browsing import Bought
from cortex.sandbox.campaigns import google_ads, meta_ads
from cortex.sandbox.catalog import Good, wire_products
from cortex.sandbox.checkout import Sale, Sold, wire_order
from cortex.sandbox.happenings import cancelled, closed, history, packed, paid, shipped
from cortex.sandbox.market import Market, Shop
from cortex.sandbox.notation import money
from cortex.sandbox.orders import Event
from cortex.sandbox.people import DRAWS, Identity, invent
from cortex.sandbox.places import BY_UF
from cortex.sandbox.plans import ZONE, ShopPlan, open_shop, stream
from cortex.sandbox.sales import KIT
from cortex.sandbox.shoppers import Traffic, wander
from cortex.sandbox.world import arrive, browse_shop, report, uncollected

DAY = 86400
LOOKERS = 14
"""Occasions that led nowhere, for each order."""
METHODS = {"credit_card": "credit_card", "boleto": "boleto", "voucher": "voucher", "debit_card": "debit_card"}

Row = dict[str, str]


@dataclass
class Tables:
    """The sample, joined by order: orders oldest first."""

    orders: list[Row]
    items: dict[str, list[Row]]
    payments: dict[str, list[Row]]
    customers: dict[str, Row]
    products: dict[str, Row]


def olist_market(folder: Path, *, now: datetime, seed: int = 1, code: str = "olist") -> Market:
    """A market of one shop, made of the CSV files in `folder`, as it is at `now` (aware).

    The same arguments give the same market. Raises UsageError when a file is missing.
    """
    with uncollected():
        return Market(now.astimezone(UTC), [_shop(_read(folder), seed, code)])


def _shop(tables: Tables, seed: int, code: str) -> Shop:
    shop = open_shop(ShopPlan(code, "Olist (pedidos de 2016 a 2018)"), seed)
    placed = [instant(order["order_purchase_timestamp"]) for order in tables.orders]
    traffic, occasions = _traffic(np.random.default_rng(seed), placed)
    goods = _goods(tables)
    shop.products = wire_products(list(goods.values()), shop.domain)
    ads = meta_ads(130_000_000_000) + google_ads(21_000_000_000, "Olist")
    since = datetime.fromtimestamp(placed[0], UTC) - timedelta(days=30)
    arrivals = arrive(
        stream(seed, code, "arrivals"), shop, traffic, ads, list(goods.values()), ("facebook", "instagram"), since
    )
    sales = _sales(tables, goods, arrivals, occasions, stream(seed, code, "checkouts"))
    order_ids = {}
    totals = np.zeros(len(traffic.at), dtype=np.int64)
    for order, occasion, sale in zip(tables.orders, occasions, sales, strict=True):
        wire = wire_order(sale, shop.store_id, shop.domain, shop.currency)
        shop.orders.add(wire, history(_events(order, sale)))
        order_ids[occasion] = sale.order_id
        totals[occasion] = sale.charged
    until = datetime.fromtimestamp(placed[-1], UTC)
    bought = _bought(list(goods.values()), occasions, sales)
    inside = browse_shop(stream(seed, code, "browsing"), traffic, bought, list(goods.values()))
    report(stream(seed, code, "reports"), shop, arrivals, ads, totals, order_ids, since, until, inside)
    return shop


def instant(wall: str) -> int:
    """Epoch seconds of a wall time of São Paulo, such as `2018-02-17 23:30:00`."""
    return int(datetime.fromisoformat(wall).replace(tzinfo=ZONE).timestamp())


def _cents(text: str) -> int:
    return int(Decimal(text) * 100)


def _read(folder: Path) -> Tables:
    def table(name: str) -> list[Row]:
        path = folder / f"olist_{name}_dataset.csv"
        if not path.is_file():
            raise UsageError(
                "CTX-1081",
                f"{folder.name} is not a folder of Olist files: it has no {path.name}.",
                fix="Give the folder with the CSV files as Olist published them.",
            )
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    def by_order(rows: Iterable[Row], position: str) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: int(row[position])):
            found[row["order_id"]].append(row)
        return found

    orders = sorted(table("orders"), key=lambda row: (row["order_purchase_timestamp"], row["order_id"]))
    return Tables(
        orders=orders,
        items=by_order(table("order_items"), "order_item_id"),
        payments=by_order(table("order_payments"), "payment_sequential"),
        customers={row["customer_id"]: row for row in table("customers")},
        products={row["product_id"]: row for row in table("products")},
    )


def _traffic(rng: np.random.Generator, placed: list[int]) -> tuple[Traffic, list[int]]:
    """Invented visits around the real orders, and the occasion of each order."""
    bought = np.array(placed, dtype=np.float64)
    looked = np.floor(rng.choice(bought, len(bought) * LOOKERS) + rng.uniform(-1.5, 1.5, len(bought) * LOOKERS) * DAY)
    at = np.concatenate([bought, looked])
    by_time = np.argsort(at, kind="stable")
    traffic = wander(rng, np.zeros(len(at), dtype=np.int64), at[by_time], sector="home")
    place = np.empty(len(at), dtype=np.int64)
    place[by_time] = np.arange(len(at))
    occasions = place[: len(bought)]
    traffic.bought[occasions] = True
    traffic.seen_only[:] = rng.random(len(at)) < 0.12
    return traffic, occasions.tolist()


def _goods(tables: Tables) -> dict[str, Good]:
    """The products that were sold, at the last price they were sold for. The source knows neither names nor costs."""
    price: dict[str, int] = {}
    first: dict[str, int] = {}
    for order in tables.orders:
        for item in tables.items[order["order_id"]]:
            price[item["product_id"]] = _cents(item["price"])
            first.setdefault(item["product_id"], instant(order["order_purchase_timestamp"]) - 10 * DAY)
    goods = {}
    for i, product_id in enumerate(sorted(price)):
        row = tables.products.get(product_id, {})
        category = (row.get("product_category_name") or "sem_categoria").replace("_", " ").capitalize()
        number = 5_000_000 + i
        goods[product_id] = Good(
            product_id=number,
            variants=[number * 10],
            sizes=["Único"],
            sku=product_id,
            name=f"{category} {product_id[:6]}",
            category=category,
            price=price[product_id],
            full_price=price[product_id],
            cost=None,
            weight_grams=int(row.get("product_weight_g") or 300),
            stock=0,
            created=first[product_id],
        )
    return goods


def _people(tables: Tables) -> dict[str, Identity]:
    """An invented person for each real one, always the same one."""
    first: dict[str, Row] = {}
    for order in tables.orders:
        row = tables.customers[order["customer_id"]]
        first.setdefault(row["customer_unique_id"], row)
    bits = b"".join(hashlib.shake_256(unique.encode()).digest(8 * DRAWS) for unique in first)
    draws = np.frombuffer(bits, dtype=">u8").astype(np.uint64).reshape(-1, DRAWS)
    people = invent(draws, [unique[:12] for unique in first], [_home(row) for row in first.values()])
    return dict(zip(first, people, strict=True))


def _home(row: Row) -> tuple[str, str, str]:
    return row["customer_state"], row["customer_city"].title(), row["customer_zip_code_prefix"].zfill(5)


def _sales(
    tables: Tables, goods: dict[str, Good], arrivals: Arrivals, occasions: list[int], rng: np.random.Generator
) -> list[Sale]:
    people = _people(tables)
    number_of = {unique: 40_000_000 + i for i, unique in enumerate(people)}
    kit = (rng.random(len(occasions)) < KIT).tolist()
    since: dict[int, int] = {}
    spent: dict[int, int] = defaultdict(int)
    sales = []
    for i, (order, occasion) in enumerate(zip(tables.orders, occasions, strict=True)):
        row = tables.customers[order["customer_id"]]
        uf, city, prefix = _home(row)
        buyer = people[row["customer_unique_id"]]
        buyer = replace(buyer, state=BY_UF[uf], city=city, cep=prefix + buyer.cep[5:])
        sale = _sale(order, i, buyer, tables, goods)
        sale.customer_id = number_of[row["customer_unique_id"]]
        sale.customer_since = since.setdefault(sale.customer_id, sale.at)
        sale.spent_before = spent[sale.customer_id]
        spent[sale.customer_id] += sale.charged
        visits = arrivals.of(occasion)
        sale.visit = visits[-1]
        agents = AGENTS[int(arrivals.traffic.device[occasion])]
        sale.user_agent, sale.ip = agents[i % len(agents)], browser_ip(i * 2654435761)
        if kit[i]:
            sale.extra = {**kit_attributes(rng, visits, sale.at), **sale.extra}
        sales.append(sale)
    return sales


def _sale(order: Row, i: int, buyer: Identity, tables: Tables, goods: dict[str, Good]) -> Sale:
    """One order at the till; its token is Olist's order id."""
    order_id = 800_000_000 + 7 * i
    items, payments = tables.items[order["order_id"]], tables.payments[order["order_id"]]
    lines = [_line(order_id * 100 + k, item, goods[item["product_id"]]) for k, item in enumerate(items)]
    freight = sum(_cents(item["freight_value"]) for item in items)
    charged = sum(_cents(payment["payment_value"]) for payment in payments)
    largest = max(payments, key=lambda payment: (_cents(payment["payment_value"]), -int(payment["payment_sequential"])))
    method = METHODS.get(largest["payment_type"], "other")
    split = [
        {
            "sequence": int(payment["payment_sequential"]),
            "type": payment["payment_type"],
            "installments": int(payment["payment_installments"]),
            "value": money(_cents(payment["payment_value"])),
        }
        for payment in payments
    ]
    asked = sum(line.price for line in lines) + freight
    return Sale(
        order_id=order_id,
        number=100 + i,
        at=instant(order["order_purchase_timestamp"]),
        customer_id=0,
        customer_since=0,
        buyer=buyer,
        email=buyer.email,
        lines=lines,
        shipping=freight,
        method=method,
        installments=max(1, int(largest["payment_installments"])),
        card="visa" if method in {"credit_card", "debit_card"} else None,
        gateway_discount=max(0, asked - charged),
        extra={"olist_payments": json.dumps(split, separators=(",", ":"))},
        token=order["order_id"],
        total=charged,
        payments=len(payments),
    )


def _line(item_id: int, item: Row, good: Good) -> Sold:
    """One item row; the seller of the marketplace, for which Nuvemshop has no field, goes into the properties."""
    return Sold(
        item_id=item_id,
        product_id=good.product_id,
        variant_id=good.variants[0],
        name=good.name,
        size="",
        sku=good.sku,
        price=_cents(item["price"]),
        full_price=_cents(item["price"]),
        cost=None,
        quantity=1,
        weight_grams=good.weight_grams,
        properties=[{"name": "seller_id", "value": item["seller_id"]}],
    )


def _bought(goods: list[Good], occasions: list[int], sales: list[Sale]) -> Bought:
    """A line for each product of an order, as a cart shows it."""
    index = {good.product_id: i for i, good in enumerate(goods)}
    lines = [
        (occasion, index[product_id], units)
        for occasion, sale in zip(occasions, sales, strict=True)
        for product_id, units in sorted(Counter(line.product_id for line in sale.lines).items())
    ]
    occasion, product, quantity = np.array(lines, dtype=np.int64).reshape(-1, 3).T
    return Bought(occasion, product, quantity)


def _events(order: Row, sale: Sale) -> list[Event]:
    status = order["order_status"]
    known = {
        name: instant(order[column])
        for name, column in (
            ("approved", "order_approved_at"),
            ("carrier", "order_delivered_carrier_date"),
            ("delivered", "order_delivered_customer_date"),
        )
        if order[column]
    }
    last = max(sale.at, *known.values(), sale.at)
    # Days that follow from the order's own id: the source does not date them.
    later = last + (1 + int(order["order_id"][:4], 16) % 5) * DAY
    events: list[Event] = []
    if "approved" in known:
        events.append(paid(known["approved"], money(sale.charged), sale.payments))
    if "carrier" in known:
        events.append(shipped(known["carrier"], sale))
    elif status == "invoiced":
        events.append(packed(last + DAY))
    if status in {"canceled", "unavailable"}:
        reason = "customer" if status == "canceled" else "inventory"
        events.append(cancelled(later, reason, "refunded" if "approved" in known else "voided"))
    elif status == "delivered":
        estimated = instant(order["order_estimated_delivery_date"])
        events.append(closed(known.get("delivered", max(last, estimated))))
    return events


__all__ = ["Market", "Shop", "instant", "olist_market"]
