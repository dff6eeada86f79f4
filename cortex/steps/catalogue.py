"""What a shop offers beside its orders: products with their listings, prices and stock, sellers, places, reviews."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from cortex.clock import local_day
from cortex.records import Place, Product, Review, Seller
from cortex.run import Outcome, Run
from cortex.steps import landing, quarantine
from cortex.stores import Store
from cortex.warehouse import tables

if TYPE_CHECKING:
    from datetime import date

    from cortex.warehouse import Transaction

T = TypeVar("T")
REORDER_POINT = 10
"""Available units at which more should be ordered, where the shop keeps no figure of its own."""


def products(run: Run) -> Outcome:
    """The catalogue as it stands. What it no longer lists is marked so, unless some of it could not be read."""
    seen: set[str] = set()
    today = local_day(run.now(), run.tenant.timezone)
    listed: Iterator[Product] = _shop(run).products()  # type: ignore[attr-defined]  # offered by what defines it
    for batch in _batches(listed, run.tenant.etl.batch_size):
        newest = {item.product_id: item for item in batch}
        run.warehouse.atomically(partial(_write_products, items=list(newest.values()), run=run, today=today))
        seen |= set(newest)
    whole = not run.quarantined
    bad = quarantine.judge(run, len(seen), "products")
    gone = run.warehouse.atomically(partial(_unlist, run=run, seen=seen)) if whole else 0
    said = f", {gone} no longer listed" if gone else ""
    return Outcome(len(seen), f"{len(seen)} products{said}{_aside(bad)}", {"products": len(seen), "quarantined": bad})


def _write_products(tx: Transaction, items: Sequence[Product], run: Run, today: date) -> None:
    tx.upsert(
        tables.dim_products, [_product_row(item, run) for item in items], keep=("abc_class",), quiet=("updated_at",)
    )
    tx.upsert(tables.channel_products, [_listing_row(item) for item in items])
    known = _last_prices(tx, items, today)
    changed = [item for item in items if known.get(item.product_id) != (item.price, item.compare_at_price)]
    tx.upsert(tables.price_history, [_price_row(item, today) for item in changed])
    stocked = [_stock_row(item, today, run) for item in items if item.stock is not None]
    tx.upsert(tables.fct_inventory, stocked, quiet=("fetched_at",))


LAST_PRICES = """
    SELECT p.product_id, p.price, p.full_price FROM price_history p
    WHERE p.platform = :platform AND p.product_id IN :products AND p.day = (
        SELECT MAX(later.day) FROM price_history later
        WHERE later.platform = p.platform AND later.product_id = p.product_id AND later.day <= :today
    )
"""


def _last_prices(tx: Transaction, items: Sequence[Product], today: date) -> dict[str, tuple[object, object]]:
    """Price and full price of each product as they were last seen."""
    rows = tx.rows(LAST_PRICES, platform=items[0].platform, products=[item.product_id for item in items], today=today)
    return {row["product_id"]: (row["price"], row["full_price"]) for row in rows}


def _unlist(tx: Transaction, run: Run, seen: set[str]) -> int:
    listed = tx.rows(
        "SELECT external_id FROM channel_products WHERE channel = :channel AND is_active = 1",
        channel=run.tenant.ecommerce.kind,
    )
    gone = sorted({row["external_id"] for row in listed} - seen)
    return tx.update(
        tables.channel_products, {"channel": run.tenant.ecommerce.kind, "external_id": gone}, {"is_active": 0}
    )


def _product_row(item: Product, run: Run) -> landing.Row:
    return {
        "platform": item.platform,
        "product_id": item.product_id,
        "sku": item.sku,
        "name": item.name,
        "category": item.category,
        "category_level_2": item.category_level_2,
        "category_level_3": item.category_level_3,
        "brand": item.brand,
        "size": item.size,
        "color": item.color,
        "gender": item.gender,
        "product_condition": item.condition,
        "supplier_country": item.supplier_country,
        "weight_kg": item.weight_kg,
        "launch_date": item.launched,
        "current_price": item.price,
        "original_price": item.compare_at_price or item.price,
        "cost_price": item.cost,
        "stock": item.stock,
        "abc_class": None,
        "updated_at": item.updated_at or run.now(),
    }


def _listing_row(item: Product) -> landing.Row:
    return {
        "channel": item.platform,
        "external_id": item.product_id,
        "product_id": item.product_id,
        "title": item.name,
        "price": item.price,
        "currency": item.currency,
        "is_active": 1,
    }


def _price_row(item: Product, today: date) -> landing.Row:
    return {
        "platform": item.platform,
        "product_id": item.product_id,
        "day": today,
        "price": item.price,
        "full_price": item.compare_at_price,
        "discount": 1 - item.price / item.compare_at_price if item.compare_at_price else None,
        "competitor_rank": item.competitor_rank,
        "price_position": item.price_position,
        "currency": item.currency,
    }


def _stock_row(item: Product, today: date, run: Run) -> landing.Row:
    stock = item.stock or 0
    return {
        "platform": item.platform,
        "product_id": item.product_id,
        "warehouse": item.warehouse,
        "day": today,
        "stock": stock,
        "reserved": item.reserved,
        "available": stock - item.reserved,
        "reorder_point": REORDER_POINT if item.reorder_point is None else item.reorder_point,
        "fetched_at": run.now(),
    }


def sellers(run: Run) -> Outcome:
    """Who sells on the marketplace. A share nobody told is the weekly run's to count, and stays."""
    listed: Iterator[Seller] = _shop(run).sellers()  # type: ignore[attr-defined]
    rows = [_seller_row(one) for one in listed]
    told = [row for row in rows if row["market_share"] is not None]
    counted = [row for row in rows if row["market_share"] is None]

    def write(tx: Transaction) -> None:
        tx.upsert(tables.dim_sellers, told)
        tx.upsert(tables.dim_sellers, counted, keep=("market_share",))

    run.warehouse.atomically(write)
    return _told(run, len(rows), "sellers")


def _seller_row(one: Seller) -> landing.Row:
    return {
        "platform": one.platform,
        "seller_id": one.seller_id,
        "nickname": one.nickname,
        "city": one.city,
        "state": one.state,
        "reputation": one.reputation,
        "is_competitor": int(one.competitor),
        "market_share": one.market_share,
    }


def places(run: Run) -> Outcome:
    """Towns of postcodes as the platform tells them."""
    listed: Iterator[Place] = _shop(run).places()  # type: ignore[attr-defined]
    rows = [
        {
            "country": one.country,
            "postal_prefix": one.postal_prefix,
            "city": one.city,
            "state": one.state,
            "source": "store",
        }
        for one in listed
    ]
    return _stored(run, tables.dim_geolocation.name, rows, "places")


def reviews(run: Run) -> Outcome:
    """Scores of orders."""
    listed: Iterator[Review] = _shop(run).reviews()  # type: ignore[attr-defined]
    rows = [
        {
            "order_key": landing.order_key(one.platform, one.order_id),
            "review_id": one.review_id,
            "platform": one.platform,
            "score": one.score,
            "created_at": one.created_at,
            "review_date": local_day(one.created_at, run.tenant.timezone),
            "answered_at": one.answered_at,
        }
        for one in listed
    ]
    return _stored(run, tables.fct_reviews.name, rows, "reviews")


WORK: dict[str, Callable[[Run], Outcome]] = {
    "products": products,
    "sellers": sellers,
    "places": places,
    "reviews": reviews,
}
"""By the method a store defines when its platform offers it."""


def _shop(run: Run) -> Store:
    return run.adapter("stores", run.tenant.ecommerce.kind, Store, run.tenant.ecommerce.config)


def _stored(run: Run, table: str, rows: Sequence[landing.Row], what: str) -> Outcome:
    run.warehouse.atomically(lambda tx: tx.upsert(table, rows))
    return _told(run, len(rows), what)


def _told(run: Run, good: int, what: str) -> Outcome:
    bad = quarantine.judge(run, good, what)
    return Outcome(good, f"{good} {what}{_aside(bad)}", {what: good, "quarantined": bad})


def _aside(bad: int) -> str:
    return f" · {bad} quarantined" if bad else ""


def _batches(stream: Iterable[T], size: int) -> Iterator[list[T]]:
    records = iter(stream)
    while batch := list(islice(records, size)):
        yield batch
