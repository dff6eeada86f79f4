"""What visitors did in the shop: what they looked at, put into the cart, and how far they went with paying.

Drawn from a stream of its own: whoever bought did so whatever is drawn here, and nothing else of the world moves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cortex.sandbox.arrivals import Arrivals
from cortex.sandbox.catalog import Good
from cortex.sandbox.columns import Column, Rows
from cortex.sandbox.market import DEVICES, GaEvents, GaItem
from cortex.sandbox.reporting import Days
from cortex.sandbox.shoppers import Traffic

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.uint8]

EVENTS = ("view_item", "add_to_cart", "begin_checkout", "add_payment_info")
"""By name as GA4 recommends them; the purchase itself is the order's."""
DESKTOP = 2
"""In `Traffic.device`."""
MOST_VIEWS = 12

LOOK, CART, CHECKOUT, PAY = (0.56, 0.62), (0.13, 0.17), (0.36, 0.44), 0.55
"""Chances of a visit without an order to go one stage further: on what is held in a hand, and at a desk."""
STRAIGHT, BUY_NOW, WALLET = 0.06, 0.07, 0.06
"""Shares of orders: the cart was filled on an earlier visit; a button skipped the cart; a wallet skipped the payment's form."""


@dataclass(frozen=True)
class Bought:
    """Lines of the baskets, those of one occasion together: occasion, index of the product, units."""

    occasion: Ints
    product: Ints
    quantity: Ints

    def place(self) -> Ints:
        """Of each line in its basket, from 0."""
        starts = np.flatnonzero(np.diff(self.occasion, prepend=-1))
        return np.arange(len(self.occasion)) - np.repeat(starts, np.diff(starts, append=len(self.occasion)))


@dataclass(frozen=True)
class Browsing:
    """By occasion the device (index of DEVICES); by visit how many events of each name."""

    device: npt.NDArray[np.int8]
    events: dict[str, Counts]


def browse(rng: np.random.Generator, traffic: Traffic, bought: Bought) -> Browsing:
    """What happened on every visit. The last visit of an occasion with an order led to the till."""
    visits = len(traffic.visit_at)
    device = (traffic.device == DESKTOP).astype(np.int8)
    desk = device[traffic.visit_occasion].astype(np.int64)

    def chance(shares: tuple[float, float]) -> Bools:
        found: Bools = rng.random(visits, dtype=np.float32) < np.array(shares)[desk]
        return found

    looked, carted, checked, paid = (chance(shares) for shares in (LOOK, CART, CHECKOUT, (PAY, PAY)))
    views = np.where(looked, np.minimum(rng.geometric(0.45, visits), MOST_VIEWS), 0)
    carts = np.where(looked & carted, np.minimum(1 + (rng.random(visits, dtype=np.float32) < 0.18), views), 0)
    checkouts = (carts > 0) & checked
    payments = checkouts & paid
    occasions, lines = np.unique(bought.occasion, return_counts=True)
    last = (traffic.first_visit + traffic.visits - 1)[occasions]
    straight, quick, wallet = (rng.random(len(last)) < share for share in (STRAIGHT, BUY_NOW, WALLET))
    views[last] = np.where(straight, 0, np.maximum(views[last], lines))
    carts[last] = np.where(straight | quick, 0, lines)
    checkouts[last], payments[last] = True, ~wallet
    counts = (views, carts, checkouts, payments)
    return Browsing(device, dict(zip(EVENTS, (count.astype(np.uint8) for count in counts), strict=True)))


class Shelf:
    """Which products the events were about: many, so it is kept no longer than reports are made of it."""

    def __init__(
        self, rng: np.random.Generator, traffic: Traffic, browsing: Browsing, bought: Bought, goods: list[Good]
    ) -> None:
        views = browsing.events["view_item"].astype(np.int64)
        carts, checkouts = browsing.events["add_to_cart"], browsing.events["begin_checkout"]
        # What sells is looked at, and some things are looked at more than they sell.
        sold = np.bincount(bought.product, weights=bought.quantity, minlength=len(goods)) + 1.0
        weights = np.cumsum(sold * rng.lognormal(0.0, 0.5, len(goods)))
        visit = np.repeat(np.arange(len(views)), views)
        first = np.cumsum(views) - views
        product = np.searchsorted(weights, rng.random(len(visit)) * weights[-1], side="right").clip(max=len(goods) - 1)
        last = (traffic.first_visit + traffic.visits - 1)[bought.occasion]
        place = bought.place()
        looked = views[last] > place
        product[(first[last] + place)[looked]] = bought.product[looked]
        till = np.zeros(len(views), dtype=np.bool_)
        till[last] = True
        put = ((np.arange(len(visit)) - first[visit]) < carts[visit]) & ~till[visit]
        went = put & (checkouts[visit] > 0)
        cart = carts[last] > 0
        ones = np.ones(len(visit), dtype=np.int64)
        self._named = tuple(zip(*((str(good.product_id), good.name, good.category) for good in goods), strict=True))
        self._bought = bought
        self._last = last
        # Visit, product and units of what happened, by metric.
        self._happened = {
            "viewed": (visit, product, ones),
            "added": _joined((visit, product, ones), put, (last, bought.product, bought.quantity), cart),
            "checked_out": _joined(
                (visit, product, ones), went, (last, bought.product, bought.quantity), np.ones_like(cart)
            ),
        }

    def items(self, seen: Bools, day: Ints, shown_at: Ints, ordered: Bools, days: Days) -> Rows[GaItem]:
        """A row for each day (oldest first) and product.

        seen, day: by visit. shown_at: by visit, the visit its events are told of. ordered: by occasion, whether the
        order is known.
        """
        known = ordered[self._bought.occasion]
        happened = self._happened | {
            "purchased": tuple(part[known] for part in (self._last, self._bought.product, self._bought.quantity)),
        }
        size, count = len(self._named[0]), days.count
        totals = []
        for visit, product, units in happened.values():
            at = shown_at[visit]
            kept = seen[at]
            cells = day[at[kept]] * size + product[kept]
            totals.append(np.bincount(cells, weights=units[kept], minlength=count * size).astype(np.int64))
        cells = np.flatnonzero(np.any(totals, axis=0))
        d, good = np.divmod(cells, size)
        return Rows(
            GaItem,
            Column(d, days.dates.__getitem__),
            *(Column(good, named.__getitem__) for named in self._named),
            *(Column(total[cells]) for total in totals),
        )


Happened = tuple[Ints, Ints, Ints]
"""Visit, product and units."""


def _joined(looked: Happened, which: Bools, bought: Happened, those: Bools) -> Happened:
    one, two, three = (
        np.concatenate([mine[which], theirs[those]]) for mine, theirs in zip(looked, bought, strict=True)
    )
    return one, two, three


@dataclass(frozen=True)
class Seen:
    """What GA4 counts of the visits: which, on which day, and of which visit's events each tells.

    GA4 credits an order to the last visit that was not direct: that one counts as the visit that bought, and the two
    change places.
    """

    visits: Bools
    day: Ints
    credited: Ints
    """By occasion: the visit its order is credited to."""
    buyers: Ints
    """Occasions whose order is known."""

    def told_of(self, traffic: Traffic) -> Ints:
        """By visit: the visit its events are told of."""
        places = np.arange(len(self.visits))
        last = (traffic.first_visit + traffic.visits - 1)[self.buyers]
        credited = self.credited[self.buyers]
        places[last], places[credited] = credited, last
        return places


def _by_cell(cells: Ints, size: int, weights: list[npt.NDArray[Any]]) -> Ints:
    """Sums by cell, a column for each of the weights."""
    sums: Ints = np.array([np.bincount(cells, weights=each, minlength=size) for each in weights]).T.astype(np.int64)
    return sums


def ga_events(arrivals: Arrivals, browsing: Browsing, seen: Seen, days: Days) -> Rows[GaEvents]:
    """A row for each day (oldest first), source, device and event name, of what happened at all."""
    traffic = arrivals.traffic
    keys = list(dict.fromkeys(label.ga_key()[:5] for label in arrivals.labels))
    key_of = np.array([keys.index(label.ga_key()[:5]) for label in arrivals.labels])
    kept = np.flatnonzero(seen.visits)
    size = days.count * len(keys) * len(DEVICES)
    cells = (seen.day[kept] * len(keys) + key_of[arrivals.visit_label[kept]]) * len(DEVICES)
    cells += browsing.device[traffic.visit_occasion[kept]]
    told_of = seen.told_of(traffic)[kept]
    counts = {name: count[told_of].astype(np.int64) for name, count in browsing.events.items()}
    bought = np.zeros(len(seen.visits), dtype=np.int64)
    bought[seen.credited[seen.buyers]] = 1
    ones = np.ones(len(kept), dtype=np.int64)
    counts |= {"purchase": bought[kept], "session_start": ones, "page_view": ones + counts["view_item"]}
    names = sorted(counts)
    events = _by_cell(cells, size, [counts[name] for name in names])
    sessions = _by_cell(cells, size, [counts[name] > 0 for name in names])
    found, name = np.nonzero(sessions)
    rest, device = np.divmod(found, len(DEVICES))
    d, key = np.divmod(rest, len(keys))
    return Rows(
        GaEvents,
        Column(d, days.dates.__getitem__),
        *(Column(key, said.__getitem__) for said in zip(*keys, strict=True)),
        Column(device, DEVICES.__getitem__),
        Column(name, names.__getitem__),
        Column(events[found, name]),
        Column(sessions[found, name]),
    )
