"""The invented market: Brazilian shops whose shoppers, orders, advertising and its true effect all follow from one seed."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from cortex.clock import day_start, local_day
from cortex.sandbox.arrivals import Arrivals, click_ids
from cortex.sandbox.browsing import Bought, Browsing, Seen, Shelf, browse, ga_events
from cortex.sandbox.campaigns import Ad, google_ads, label_visits, labels_for, meta_ads
from cortex.sandbox.catalog import Good, stock_shelves, wire_products
from cortex.sandbox.market import Market, PathCount, Shop
from cortex.sandbox.plans import ZONE, ShopPlan, demo_shops, open_shop, stream
from cortex.sandbox.reporting import (
    Days,
    ad_days,
    cents,
    ga_orders,
    ga_sessions,
    google_claims,
    google_clicks,
    meta_claims,
)
from cortex.sandbox.sales import (
    Booking,
    Storefront,
    fill_baskets,
    other_sales,
    price_for,
    register,
    storefront_orders,
)
from cortex.sandbox.shoppers import CHANNELS, META, MOST_VISITS, Traffic, simulate
from cortex.sandbox.trail import trail

Ints = npt.NDArray[np.int64]

PRELUDE = timedelta(days=30)
"""Simulated before the window, so that its first orders have a past and old orders can be paid or refunded inside."""
SEEN_BY_GA = 0.80
"""Share of storefront orders GA4 hears of."""


def build(*, seed: int = 1, now: datetime, days: int = 90, shops: Sequence[ShopPlan]) -> Market:
    """A market as it is at `now` (aware), with `days` whole local days behind it and the day that has begun.

    The same arguments give the same market, byte for byte, in every process. Orders placed before the window are in
    it only when money moved on them inside it. What is certain to happen later, such as a boleto that will be paid,
    is already in the history of the orders.
    """
    if now.tzinfo is None:
        raise ValueError("a market needs an aware instant")
    now = now.astimezone(UTC).replace(microsecond=0)
    start = day_start(local_day(now, ZONE) - timedelta(days=days), ZONE)
    with uncollected():
        return Market(now, [_shop(plan, index, seed, start, now) for index, plan in enumerate(shops)])


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the garbage collector: everything made is kept, and walking it again and again takes a third of the time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _shop(plan: ShopPlan, index: int, seed: int, start: datetime, now: datetime) -> Shop:
    shop = open_shop(plan, seed)
    since = start - PRELUDE
    traffic = simulate(
        stream(seed, plan.code, "shoppers"),
        sector=plan.sector,
        since=since,
        start=start,
        until=now,
        orders=storefront_orders(plan),
        zone=ZONE,
        multiply=plan.multiply,
        strength=plan.strength,
    )
    occasions = np.flatnonzero(traffic.bought)
    opened = int((since - timedelta(days=200)).timestamp())
    goods = stock_shelves(
        stream(seed, plan.code, "catalogue"), plan.sector, plan.products, 2_000_000 + index * 500_000, opened
    )
    baskets = fill_baskets(stream(seed, plan.code, "baskets"), len(occasions), goods)
    price_for(goods, baskets, plan.average_order)
    shop.products = wire_products(goods, shop.domain)
    ads = meta_ads(120_000_000_000 + index * 10**7) + google_ads(20_000_000_000 + index * 10**6, shop.name)
    sources = ("fb", "ig") if index % 2 else ("facebook", "instagram")
    arrivals = arrive(stream(seed, plan.code, "arrivals"), shop, traffic, ads, goods, sources, since)
    storefront = Storefront(plan, seed, arrivals, occasions, baskets, goods, shop.domain, start)
    others = other_sales(plan, seed, goods, start, now, shop.domain)
    bookings = register(shop, storefront, others, seed, 1_400_000_000 + index * 50_000_000, now)
    totals = np.zeros(len(traffic.at), dtype=np.int64)
    totals[list(bookings)] = [booking.charged for booking in bookings.values()]
    order_ids = {occasion: booking.order_id for occasion, booking in bookings.items()}
    bought = Bought(np.repeat(occasions, np.diff(baskets.offsets)), baskets.product, baskets.quantity)
    inside = browse_shop(stream(seed, plan.code, "browsing"), traffic, bought, goods)
    report(stream(seed, plan.code, "reports"), shop, arrivals, ads, totals, order_ids, start, now, inside)
    shop.truth, shop.paths = _truth(traffic, bookings, start)
    return shop


def arrive(
    rng: np.random.Generator,
    shop: Shop,
    traffic: Traffic,
    ads: list[Ad],
    goods: list[Good],
    sources: tuple[str, str],
    since: datetime,
) -> Arrivals:
    """Where every visit came from and landed; fills the click rows of the shop's Google account from `since` on."""
    labels = labels_for(ads, sources=sources)
    visit_label = label_visits(rng, traffic, labels)
    best = [f"/produtos/{good.product_id}/" for good in goods[:6]]
    paths = ["/", "/novidades/", "/promocoes/", *best]
    shares = [0.3, 0.12, 0.1, *[0.48 / len(best)] * len(best)]
    visit_path = rng.choice(len(paths), len(visit_label), p=shares).astype(np.int16)
    arrivals = Arrivals(traffic, labels, visit_label, visit_path, paths, {})
    days = Days.between(since, datetime.fromtimestamp(float(traffic.at.max()), UTC), ZONE)
    clicked, gclids, braided = google_clicks(rng, traffic, arrivals.ads(), ads, days)
    if shop.google:
        shop.google.clicks = clicked
    arrivals.clicks = click_ids(rng, traffic, gclids, braided)
    return arrivals


def browse_shop(
    rng: np.random.Generator, traffic: Traffic, bought: Bought, goods: list[Good]
) -> tuple[Browsing, Shelf]:
    """What visitors did in the shop, and with which products."""
    browsing = browse(rng, traffic, bought)
    return browsing, Shelf(rng, traffic, browsing, bought, goods)


def report(
    rng: np.random.Generator,
    shop: Shop,
    arrivals: Arrivals,
    ads: list[Ad],
    totals: Ints,
    order_ids: dict[int, int],
    start: datetime,
    now: datetime,
    inside: tuple[Browsing, Shelf],
) -> None:
    """Fill the advertising accounts and the GA4 property of a shop, from the day of `start` on.

    `totals` are cents by occasion; `inside` is what visitors did in the shop. GA4 hears of some of the orders only, and
    of none that had no visit.
    """
    traffic = arrivals.traffic
    days = Days.between(start, now, ZONE)
    visit_ad = arrivals.ads()
    meta = [i for i, ad in enumerate(ads) if ad.channel == META]
    google = [i for i, ad in enumerate(ads) if ad.channel != META]
    if shop.meta:
        claims = meta_claims(rng, traffic, visit_ad, totals, days, ads)
        shop.meta.days = ad_days(rng, traffic, visit_ad, ads, meta, claims, days)
    if shop.google:
        claims = google_claims(traffic, visit_ad, totals, days, ads)
        shop.google.days = ad_days(rng, traffic, visit_ad, ads, google, claims, days)
    if shop.ga4:
        heard = dict(zip(order_ids, (rng.random(len(order_ids)) < SEEN_BY_GA).tolist(), strict=True))
        seen = {occasion: order_id for occasion, order_id in order_ids.items() if heard[occasion]}
        browsing, shelf = inside
        shop.ga4.orders, credited = ga_orders(
            traffic, arrivals.visit_label, arrivals.labels, seen, totals, days, browsing.device
        )
        shop.ga4.sessions, visits, day = ga_sessions(rng, arrivals, list(seen), credited, totals, days)
        shop.ga4.trail = trail(
            rng, arrivals, order_ids, days, share=SEEN_BY_GA, heard=list(seen), browsing=browsing, shelf=shelf
        )
        buyers = np.array(list(seen), dtype=np.int64)
        known = Seen(visits, day, credited, buyers[days.of(traffic.at[buyers]) >= 0])
        shop.ga4.events = ga_events(arrivals, browsing, known, days)
        ordered = np.zeros(len(traffic.at), dtype=np.bool_)
        ordered[known.buyers] = True
        shop.ga4.items = shelf.items(visits, day, known.told_of(traffic), ordered, days)


def _truth(
    traffic: Traffic, bookings: dict[int, Booking], start: datetime
) -> tuple[dict[str, dict[str, Decimal]], list[PathCount]]:
    """What each channel caused among the orders of the window that are paid and kept, and all journeys.

    `orders` and `value` are the orders lost, and their totals, when the same shoppers with the same luck never meet
    the channel; `touched_orders` are those with a visit from it.
    """
    kept = np.zeros(len(traffic.at), dtype=np.bool_)
    value = np.zeros(len(traffic.at), dtype=np.int64)
    for occasion, booking in bookings.items():
        if booking.kept is not None:
            kept[occasion] = traffic.at[occasion] >= start.timestamp()
            value[occasion] = booking.kept
    truth = {}
    for c, channel in enumerate(CHANNELS):
        lost = kept & traffic.lost_without[:, c]
        truth[channel] = {
            "orders": Decimal(int(lost.sum())),
            "value": cents(int(value[lost].sum())),
            "touched_orders": Decimal(int((kept & traffic.touched[:, c]).sum())),
        }
    return truth, _paths(traffic, kept, value, traffic.at >= start.timestamp())


def _paths(
    traffic: Traffic, kept: npt.NDArray[np.bool_], value: Ints, inside: npt.NDArray[np.bool_]
) -> list[PathCount]:
    """Journeys grouped by their channels in order. A path is a number with one digit for each visit."""
    base = len(CHANNELS) + 1
    position = np.arange(len(traffic.visit_at)) - traffic.first_visit[traffic.visit_occasion]
    digits = (traffic.visit_channel.astype(np.int64) + 1) * base ** (MOST_VISITS - 1 - position)
    code = np.bincount(traffic.visit_occasion, weights=digits, minlength=len(traffic.at)).astype(np.int64)
    found, inverse, shoppers = np.unique(code[inside], return_inverse=True, return_counts=True)
    orders = np.bincount(inverse, weights=kept[inside], minlength=len(found))
    worth = np.bincount(inverse, weights=np.where(kept, value, 0)[inside], minlength=len(found))
    paths = []
    for number, count, bought, money in zip(
        found.tolist(), shoppers.tolist(), orders.tolist(), worth.tolist(), strict=True
    ):
        steps = [number // base**k % base for k in range(MOST_VISITS - 1, -1, -1)]
        channels = tuple(CHANNELS[step - 1] for step in steps if step)
        paths.append(PathCount(channels, count, int(bought), cents(money)))
    return paths


__all__ = ["Market", "ShopPlan", "build", "demo_shops"]
