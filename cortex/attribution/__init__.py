"""Attribution: which touch earned an order. Models are pure functions from journeys to shares, one file each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Numbers = NDArray[np.integer[Any]]
"""Small integers of any width: a byte for each touch is read eight times as fast as a word."""
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
AT_ONCE = 1 << 14
"""Paths that rules look at together."""
Shares = Floats
"""One share per touch; the shares of a journey sum to 1."""


@dataclass(frozen=True)
class Paths:
    """What a market's shoppers did: each row a path of channels, how often it ended in an order and how often not.

    offsets: shape (paths + 1,), the touches of path i are [offsets[i], offsets[i+1]), in time order, at least one.
    channel: shape (touches,), integers 0..channels-1 of any width. conversions, value, nulls: shape (paths,), orders
    at the end of the path, their money, and journeys that ended without one. is_direct: shape (channels,), channels
    that are no marketing. The same path may fill any number of rows: a row of its own for each journey, or one for all.
    """

    offsets: Ints
    channel: Numbers
    conversions: Floats
    value: Floats
    nulls: Floats
    is_direct: Bools

    @property
    def channels(self) -> int:
        return len(self.is_direct)

    @property
    def count(self) -> int:
        return len(self.offsets) - 1

    @cached_property
    def lengths(self) -> Ints:
        """Touches per path."""
        return np.diff(self.offsets)

    @cached_property
    def path_of(self) -> Ints:
        """For each touch the index of its path."""
        return np.repeat(np.arange(self.count), self.lengths)

    @property
    def knows_nulls(self) -> bool:
        """Whether journeys that ended without an order are among them; without any, nothing can be compared."""
        return bool(self.nulls.any())

    @property
    def counts_only(self) -> bool:
        """Whether money was told as the orders themselves: then what is true of one is true of the other."""
        return self.value is self.conversions

    @cached_property
    def worth(self) -> Ints:
        """Indices of the paths that orders or money hang on: a rule need not look at the others."""
        return np.flatnonzero(self.conversions if self.counts_only else (self.conversions != 0) | (self.value != 0))

    @cached_property
    def sold(self) -> list[Sold]:
        """The paths of `worth` as orders, in pieces that stay in the processor's cache."""
        return [self._sold(self.worth[first : first + AT_ONCE]) for first in range(0, len(self.worth), AT_ONCE)]

    def _sold(self, some: Ints) -> Sold:
        starts, lengths = self.offsets[some], self.offsets[some + 1] - self.offsets[some]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        channel = self.channel[np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)]
        never = np.broadcast_to(np.float64(0.0), len(channel))
        journeys = Journeys(offsets, channel, self.is_direct[channel], never)
        order = journeys.order_of
        orders = self.conversions[some][order]
        return Sold(journeys, orders, orders if self.counts_only else self.value[some][order])


@dataclass(frozen=True)
class Journeys:
    """Orders and the touches before them, as flat arrays: no loops, no path strings.

    offsets: shape (orders + 1,), the touches of order i are [offsets[i], offsets[i+1]), in time order; every order
    here has at least one. channel: shape (touches,), small integers. is_direct: shape (touches,).
    hours_before: shape (touches,), hours from the touch to the order, 0 where the time is unknown.
    market: every journey of the market, these orders' and the ones that led nowhere, by the same channel numbers;
    None where a source tells of orders only. Models that learn from the market learn from the orders then.
    """

    offsets: Ints
    channel: Numbers
    is_direct: Bools
    hours_before: Floats
    market: Paths | None = None

    @property
    def orders(self) -> int:
        return len(self.offsets) - 1

    @property
    def touches(self) -> int:
        return len(self.channel)

    @property
    def channels(self) -> int:
        """Channel numbers are below this."""
        return int(self.channel.max()) + 1 if self.touches else 0

    @cached_property
    def lengths(self) -> Ints:
        """Touches per order."""
        return np.diff(self.offsets)

    @cached_property
    def order_of(self) -> Ints:
        """For each touch the index of its order."""
        return np.repeat(np.arange(self.orders), self.lengths)

    @cached_property
    def paths(self) -> Paths:
        """The market; without one, these orders, each a path of its own and worth 1."""
        if self.market is not None:
            return self.market
        once = np.ones(self.orders)
        direct = np.zeros(self.channels, dtype=np.bool_)
        direct[self.channel[self.is_direct]] = True
        return Paths(self.offsets, self.channel, once, once, np.zeros(self.orders), direct)


@dataclass(frozen=True)
class Sold:
    """Paths that led to orders, as orders. Paths have no times: every touch is at the moment of the order.

    conversions, value: shape (touches,), those of the path a touch belongs to.
    """

    journeys: Journeys
    conversions: Floats
    value: Floats


Model = Callable[[Journeys], Shares]


@dataclass(frozen=True)
class Totals:
    """What a model gives each channel of a market: shape (channels,) each.

    conversions and value sum to those of the market. removal_effect: share of conversions that would be lost without
    the channel, for models that estimate it.
    """

    conversions: Floats
    value: Floats
    removal_effect: Floats | None = None


def tally(number: Numbers, weight: Floats, count: int) -> Floats:
    """Weights summed by number. number, weight: the same shape; numbers 0..count-1. Shape (count,)."""
    return np.asarray(np.bincount(number, weights=weight, minlength=count), dtype=np.float64)


def only(journeys: Journeys, touch: Ints) -> Shares:
    """All credit of each order to one of its touches (index into the touches)."""
    shares = np.zeros(journeys.touches)
    shares[touch] = 1.0
    return shares


def credit(journeys: Journeys, shares: Shares, cents: Ints) -> Ints:
    """Money per touch in minor units; the credits of an order sum to its value exactly (largest remainder).

    cents: shape (orders,), may be negative (a refund larger than the payment). Ties go to the earlier touch.
    """
    order = journeys.order_of
    sign = np.where(cents < 0, -1, 1)
    exact = np.abs(cents)[order] * shares
    floors = np.floor(exact + 1e-9).astype(np.int64)
    left = np.abs(cents) - np.bincount(order, weights=floors, minlength=journeys.orders).astype(np.int64)
    remainder = exact - floors
    # Stable sort: within an order by remainder, largest first, earlier touch first.
    ranked = np.lexsort((np.arange(journeys.touches), -np.round(remainder, 9), order))
    rank = np.empty(journeys.touches, dtype=np.int64)
    rank[ranked] = np.arange(journeys.touches) - journeys.offsets[order[ranked]]
    return (floors + (rank < left[order])) * sign[order]


def normalised(journeys: Journeys, weights: Floats) -> Shares:
    """Weights scaled so that those of each order sum to 1."""
    order = journeys.order_of
    return weights / tally(order, weights, journeys.orders)[order]


def by_channel(journeys: Journeys, weight: Floats) -> Shares:
    """Shares by the weight of each channel: once for each distinct channel of an order, its touches share it equally.

    weight: shape (channels,), not negative. An order none of whose channels weighs anything goes to them equally.
    """
    order, again = journeys.order_of, repeats(journeys)
    heavy = weight[journeys.channel] / again
    heavy_orders = tally(order, heavy, journeys.orders) > 0
    return normalised(journeys, np.where(heavy_orders[order], heavy, 1.0 / again))


CELLS = 16_000_000
"""Counters of (order, channel) held at once: bounds the memory of `repeats`."""


def repeats(journeys: Journeys) -> Ints:
    """Shape (touches,): how many touches of the same order come from the same channel, itself included."""
    width = max(1, journeys.channels)
    step = max(1, CELLS // width)
    found = np.empty(journeys.touches, dtype=np.int64)
    for first in range(0, journeys.orders, step):
        last = min(first + step, journeys.orders)
        part = slice(journeys.offsets[first], journeys.offsets[last])
        cell = (journeys.order_of[part] - first) * width + journeys.channel[part]
        found[part] = np.bincount(cell)[cell]
    return found


def method(kind: str, module: Any, paths: Paths) -> str:
    """The model that really shares out the orders of a market: a module whose `choice` depends on it says which."""
    return str(module.choice(paths)) if hasattr(module, "choice") else kind


def totals_of(module: Any, paths: Paths) -> Totals:
    """What a model gives each channel of a market: its own `totals` where it has one, else the sum over orders.

    Paths have no times: time decay sees every touch at the moment of the order.
    """
    if hasattr(module, "totals"):
        found: Totals = module.totals(paths)
        return found
    conversions, value = np.zeros(paths.channels), np.zeros(paths.channels)
    for part in paths.sold:
        # Who learns needs the market; the pieces do not hold it, or neither would ever be let go.
        learns = hasattr(module, "LEARNS")
        shares = module.model(replace(part.journeys, market=paths) if learns else part.journeys)
        channel = part.journeys.channel
        conversions += tally(channel, shares * part.conversions, paths.channels)
        if not paths.counts_only:
            value += tally(channel, shares * part.value, paths.channels)
    return Totals(conversions, conversions.copy() if paths.counts_only else value)
