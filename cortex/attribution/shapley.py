"""Shapley value on conversion rates: what each channel adds to the chance to buy, averaged over every order of arrival.

For each set of channels T that led to orders, the coalitions are its subsets S, worth the conversion rate of journeys
that met exactly S (0 for sets nobody was seen with). Rates need journeys that ended without an order. A channel can
lower the rate inside a set: its negative value counts as 0 and the others are scaled down to the orders of the set,
because an order cannot be credited with less than nothing.
"""

from __future__ import annotations

from math import factorial

import numpy as np

from cortex.attribution import (
    Floats,
    Ints,
    Journeys,
    Paths,
    Shares,
    Totals,
    _sets,
    normalised,
    repeats,
    shapley_equal_split,
    tally,
)
from cortex.attribution._sets import Sets

LEARNS = True
AT_ONCE = 4_000_000
"""Pairs of sets compared together: bounds the memory."""
MOST_BITS = 16
"""Channels up to which every set there could be is held at once."""


def choice(paths: Paths) -> str:
    """Rates need journeys that ended in nothing; without any it is the equal split, and says so."""
    return "shapley" if paths.knows_nulls else "shapley_equal_split"


def model(journeys: Journeys) -> Shares:
    """Shape (touches,): the value of each channel in the order's set, shared equally by the channel's touches.

    Sums over the orders equal `totals`. Without journeys that ended in nothing, or for an order whose set the market
    never saw, it is the equal split (`shapley_equal_split`).
    """
    fair = shapley_equal_split.model(journeys)
    if not journeys.orders or not journeys.paths.knows_nulls:
        return fair
    market = _sets.sets(journeys.paths)
    worth = clipped(market)
    at = _places(journeys, market)
    order = journeys.order_of
    own = worth[at[order], journeys.channel] / repeats(journeys)
    known = (at >= 0) & (tally(order, own, journeys.orders) > 0)
    return normalised(journeys, np.where(known[order], own, fair))


def totals(paths: Paths) -> Totals:
    """Orders and money of each channel over all sets. Without journeys that ended in nothing: the equal split."""
    market = _sets.sets(paths)
    worth = clipped(market) if paths.knows_nulls else market.member
    whole = worth.sum(axis=1, keepdims=True)
    # A set without orders has no rate to divide by; money that was told of it all the same is split equally.
    equal = market.member / market.member.sum(axis=1, keepdims=True)
    shares = np.divide(worth, whole, out=equal, where=whole > 0)
    return Totals(market.conversions @ shares, market.value @ shares)


def clipped(market: Sets) -> Floats:
    """Values by set and channel, negative ones as 0; sets without orders are all 0. Shape (sets, channels)."""
    return np.maximum(values(market), 0.0)


def values(market: Sets) -> Floats:
    """Shapley values by set and channel, which sum to the conversion rate of the set. Shape (sets, channels).

    Only sets that led to orders are worth anything as coalitions, so the sum runs over those inside T and not over
    all 2^|T|: a coalition S adds w(|S|-1) of its rate to its members and takes w(|S|) of it from the rest of T, where
    w(s) = s! (|T|-s-1)! / |T|!.
    """
    seen = market.conversions + market.nulls
    rate = np.divide(market.conversions, seen, out=np.zeros(len(seen)), where=seen > 0)
    found = np.flatnonzero(rate)
    channels = market.member.shape[1]
    if channels <= MOST_BITS and len(found) ** 2 > channels << channels:
        return _all_values(market, rate)
    sizes = market.sizes
    result = np.zeros_like(market.member)
    step = max(1, AT_ONCE // max(len(found), 1))
    for first in range(0, len(found), step):
        some = found[first : first + step]
        result[some] = _some_values(market.member, sizes, rate, some, found)
    return result


def _all_values(market: Sets, rate: Floats) -> Floats:
    """The same for markets in which most sets were met: sums over subsets of every set at once, size by size.

    `under[s, T]` is the rate of all coalitions of s channels inside T, built channel by channel (the subset-sum, or
    zeta, transform). Those without c are those inside T less c; those with c are the rest.
    """
    channels = market.member.shape[1]
    every = np.arange(1 << channels)
    size = np.bitwise_count(every).astype(np.int64)
    number = market.member.astype(np.int64) @ (1 << np.arange(channels))
    under = np.zeros((channels + 1, 1 << channels))
    under[market.sizes, number] = rate
    for channel in range(channels):
        halves = under.reshape(channels + 1, -1, 2, 1 << channel)
        halves[:, :, 1] += halves[:, :, 0]
    both = [_weights(n, np.arange(channels + 1)) for n in range(channels + 1)]
    gain, loss = (np.array([pair[side] for pair in both]).T[:, size] for side in (0, 1))
    won = (gain * under).sum(axis=0)
    change = gain + loss
    values = np.zeros_like(market.member)
    for channel in range(channels):
        here = np.flatnonzero(market.member[:, channel] * (rate > 0))
        whole = number[here]
        less = whole ^ (1 << channel)
        values[here, channel] = won[whole] - (change[:, whole] * under[:, less]).sum(axis=0)
    return values


def _some_values(member: Floats, sizes: Ints, rate: Floats, some: Ints, found: Ints) -> Floats:
    whole, part = member[some], member[found]
    inside = (whole @ part.T) == sizes[found]
    largest = int(sizes[some].max())
    gain, loss = np.zeros((largest + 1, len(found))), np.zeros((largest + 1, len(found)))
    for n in range(1, largest + 1):
        gain[n], loss[n] = _weights(n, sizes[found])
    worth = inside * rate[found]
    own = (worth * gain[sizes[some]]) @ part
    others = worth * loss[sizes[some]]
    values: Floats = (own - (others.sum(axis=1, keepdims=True) - others @ part)) * whole
    return values


def _weights(n: int, sizes: Ints) -> tuple[Floats, Floats]:
    """For a set of n channels, what a coalition of each size gives its members and takes from the rest."""
    marginal = [factorial(s) * factorial(n - s - 1) / factorial(n) for s in range(n)]
    gain, loss = np.array([0.0, *marginal]), np.array([*marginal, 0.0])
    fits = sizes <= n
    place = np.where(fits, sizes, 0)
    return np.where(fits, gain[place], 0.0), np.where(fits, loss[place], 0.0)


def _places(journeys: Journeys, market: Sets) -> Ints:
    """The market's set of each order, -1 where it has none."""
    paths = journeys.paths
    theirs = _sets.masks(paths.offsets, paths.channel, paths.channels)
    ours = _sets.masks(journeys.offsets, journeys.channel, paths.channels)
    both, at = np.unique(np.concatenate([theirs, ours]), axis=0, return_inverse=True)
    at = at.ravel()
    place = np.full(len(both), -1, dtype=np.int64)
    place[at[: len(theirs)]] = market.of_path
    return place[at[len(theirs) :]]
