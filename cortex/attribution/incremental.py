"""Incremental effect: by how much the chance to buy drops when a channel is taken away, journeys otherwise as they were.

Every journey is one observation: it ended in an order or not. Its chance is modelled as

    base + patience * (touches - 1) + sum over its channels of effect * (1, or 1 + repeat where it came more than once)

with no negative effect. The base is what shoppers would do anyway: direct visits are the sign of it, not a cause, so
they carry no effect of their own. Patience keeps apart that people who want to buy come back more often; without
direct visits nothing could tell it from the effects, and it is left out. Observational: it holds where the channels a
shopper meets do not depend on how keen they are, given the number of visits.

The effects are expected values, not the likeliest: those of a market are taken to be drawn from one gamma
distribution, whose spread and mean the journeys decide (every pair of SHAPES and MEANS, and every repeat of REPEATS,
weighed by its evidence). Where journeys are few, an effect that could be chance is drawn towards the others'; where
they are many, they speak for themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortex.attribution import (
    CELLS,
    Bools,
    Floats,
    Journeys,
    Paths,
    Shares,
    Totals,
    _posterior,
    _sets,
    by_channel,
    linear,
    shapley_equal_split,
    tally,
    totals_of,
)

LEARNS = True
Bytes = NDArray[np.uint8]
LONGEST = 20
"""Touches beyond this count as this many: a few endless journeys must not bend the line."""
SHAPES = np.array([0.5, 1.0, 2.0, 4.0, 8.0, 32.0])
"""Of the distribution of effects: from a few strong ones among many weak ones to all alike."""
MEANS = np.geomspace(0.03, 1.5, 8)
"""Mean of the effects in parts of the market's rate of orders."""
REPEATS = (0.0, 0.5, 1.0)
"""What coming again adds to a channel's effect: nothing, half of it, as much again."""
ROUNDS = 20
SMALLEST = 1e-4
"""Chances are kept this far from 0 and 1, where the likelihood has no finite slope."""


@dataclass(frozen=True)
class Effects:
    """What was found. lift: shape (channels,), chance added on average to a journey that meets the channel.

    lost: shape (channels,), orders of the market that would not have been without the channel; at most those it met.
    repeat: what coming again adds to an effect, in parts of it.
    """

    base: float
    patience: float
    repeat: float
    lift: Floats
    lost: Floats


def choice(paths: Paths) -> str:
    """An effect needs journeys that ended in nothing; without any it is the equal split, and says so."""
    return "incremental" if paths.knows_nulls else "shapley_equal_split"


def model(journeys: Journeys) -> Shares:
    """Shape (touches,): each order shared over its distinct channels by their effect.

    An order of channels without effect is shared equally, and without journeys that ended in nothing every order is
    (`shapley_equal_split`). An order has to be credited to somebody, so the sums over orders give channels without
    effect the orders they were alone in; `totals` does not.
    """
    if not journeys.orders or not journeys.paths.knows_nulls:
        return shapley_equal_split.model(journeys)
    return by_channel(journeys, fit(journeys.paths).lift)


def totals(paths: Paths) -> Totals:
    """Orders and money shared by the orders each channel caused; `removal_effect` is their part of all orders.

    Money follows the orders a channel was part of: its effect times their mean value.
    """
    if not paths.knows_nulls:
        return totals_of(shapley_equal_split, paths)
    found = fit(paths)
    if not found.lost.any():
        return totals_of(linear, paths)
    orders, money = float(paths.conversions.sum()), float(paths.value.sum())
    market = _sets.sets(paths)
    bought, worth = market.conversions @ market.member, market.value @ market.member
    earned = found.lost * np.divide(worth, bought, out=np.zeros_like(worth), where=bought > 0)
    value = earned / earned.sum() * money if earned.sum() else np.zeros_like(earned)
    return Totals(found.lost / found.lost.sum() * orders, value, found.lost / orders)


@dataclass(frozen=True)
class Cells:
    """Journeys that look alike to the model, counted. once, more: shape (cells, channels), channels met and met again.

    touches, bought, seen: shape (cells,).
    """

    once: Bools
    more: Bools
    touches: Floats
    bought: Floats
    seen: Floats


def fit(paths: Paths) -> Effects:
    """Expected base, patience, repeat and effects, from the distinct (channel set, repeated set, touches) of the market."""
    cells = _cells(paths)
    told = ~paths.is_direct
    lost, lift = np.zeros(paths.channels), np.zeros(paths.channels)
    if not cells.bought.any() or not told.any():
        return Effects(float(cells.bought.sum() / cells.seen.sum()), 0.0, 0.0, lift, lost)
    known = np.array([1.0, 1.0]) if paths.is_direct.any() else np.array([1.0])
    found, weight = zip(*(_expected(cells, told, known, repeat) for repeat in REPEATS), strict=True)
    weights = np.exp(np.concatenate(weight) - np.max(weight))
    weights /= weights.sum()
    expected = weights @ np.concatenate(found)
    repeat = float(weights.reshape(len(REPEATS), -1).sum(axis=1) @ REPEATS)
    met, bought = cells.seen @ cells.once, cells.bought @ cells.once
    # Each prior's effects times the doses of that prior's repeat: orders, before they are averaged.
    doses = np.repeat(
        [met[told] + again * (cells.seen @ cells.more)[told] for again in REPEATS], len(SHAPES) * len(MEANS), axis=0
    )
    lost[told] = weights @ (np.concatenate(found)[:, len(known) :] * doses)
    lift = np.divide(lost, met, out=lift, where=met > 0)
    # Where the line fits badly it may promise more than there was: no channel loses orders it was no part of.
    patience = float(expected[1]) if len(known) > 1 else 0.0
    return Effects(float(expected[0]), patience, repeat, lift, np.minimum(lost, bought))


def _expected(cells: Cells, told: Bools, known: Floats, repeat: float) -> tuple[Floats, Floats]:
    """Expected coefficients under every prior, shape (priors, columns), and the logarithm of each one's evidence.

    known: prior means, in parts of the market's rate, of the coefficients that are not effects: base and patience.
    """
    dose = cells.once[:, told] + repeat * cells.more[:, told]
    sides = np.column_stack([np.ones(len(dose)), cells.touches - 1.0])
    columns = np.hstack([sides[:, : len(known)], dose])
    rate = float(cells.bought.sum() / cells.seen.sum())
    first = np.concatenate([known, np.full(dose.shape[1], 0.3)])[None]
    chance = np.full(len(dose), rate)
    found = np.zeros((1, columns.shape[1]))
    for _ in range(ROUNDS):
        precision, linear, log = _likelihood(columns * rate, chance, cells, found[0])
        before, found = found, _posterior.means(precision, linear, np.ones_like(first), first)[0]
        chance = columns @ found[0] * rate
        if np.abs(found - before).max() < 1e-6:
            break
    precision, linear, log = _likelihood(columns * rate, chance, cells, found[0])
    shapes, means = (part.ravel() for part in np.meshgrid(SHAPES, MEANS))
    shape, mean = np.ones((len(shapes), columns.shape[1])), np.tile(first, (len(shapes), 1))
    shape[:, len(known) :], mean[:, len(known) :] = shapes[:, None], means[:, None]
    expected, evidence = _posterior.means(precision, linear, shape, mean)
    return expected * rate, evidence + log


def _likelihood(columns: Floats, chance: Floats, cells: Cells, at: Floats) -> tuple[Floats, Floats, float]:
    """The binomial likelihood around a point as a bell: precision, linear term and logarithm of its height at zero."""
    inner = np.clip(chance, SMALLEST, 1 - SMALLEST)
    weight = cells.seen / (inner * (1 - inner))
    rate = np.divide(cells.bought, cells.seen, out=np.zeros_like(cells.seen), where=cells.seen > 0)
    precision = columns.T @ (columns * weight[:, None])
    linear = columns.T @ (weight * rate)
    height = float((cells.bought * np.log(inner) + (cells.seen - cells.bought) * np.log1p(-inner)).sum())
    return precision, linear, height - float(linear @ at) + 0.5 * float(at @ precision @ at)


def _cells(paths: Paths) -> Cells:
    """The cells of a market, in an order that does not depend on that of the paths."""
    market = _sets.sets(paths)
    more, which = np.unique(_repeated(paths), axis=0, return_inverse=True)
    length = np.minimum(paths.lengths, LONGEST)
    key = (market.of_path * len(more) + which.ravel()) * (LONGEST + 1) + length
    found, at = np.unique(key, return_inverse=True)
    bought = tally(at, paths.conversions, len(found))
    touches, pair = found % (LONGEST + 1), found // (LONGEST + 1)
    words = np.unpackbits(more, axis=1, count=paths.channels)[pair % len(more)]
    return Cells(
        market.member[pair // len(more)] > 0,
        words > 0,
        touches.astype(np.float64),
        bought,
        bought + tally(at, paths.nulls, len(found)),
    )


def _repeated(paths: Paths) -> Bytes:
    """Channels each path met more than once, as bits: shape (paths, bytes), some paths at a time."""
    width = paths.channels
    step = max(1, CELLS // (8 * max(1, width)))
    found = np.zeros((paths.count, -(-width // 8)), dtype=np.uint8)
    for first in range(0, paths.count, step):
        last = min(first + step, paths.count)
        part = slice(paths.offsets[first], paths.offsets[last])
        path = np.repeat(np.arange(last - first), paths.lengths[first:last])
        counts = np.bincount(path * width + paths.channel[part], minlength=(last - first) * width)
        found[first:last] = np.packbits(counts.reshape(-1, width) > 1, axis=1)
    return found
