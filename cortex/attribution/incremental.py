"""Incremental effect: by how much the chance to buy drops when a channel is taken away, journeys otherwise as they were.

Every journey is one observation: it ended in an order or not. Its chance is modelled as

    base + patience * (touches - 1) + sum over its channels of effect

with no negative effect, fitted by maximum likelihood. The base is what shoppers would do anyway: direct visits are
the sign of it, not a cause, so they carry no effect of their own. Patience keeps apart that people who want to buy
come back more often; without direct visits nothing could tell it from the effects, and it is left out. Observational:
it holds where the channels a shopper meets do not depend on how keen they are, given the number of visits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cortex.attribution import (
    Floats,
    Journeys,
    Paths,
    Shares,
    Totals,
    _sets,
    by_channel,
    linear,
    shapley_equal_split,
    tally,
    totals_of,
)

LEARNS = True
LONGEST = 20
"""Touches beyond this count as this many: a few endless journeys must not bend the line."""
ROUNDS = 50
SMALLEST = 1e-6
"""Chances are kept this far from 0 and 1, where the likelihood has no finite slope."""


@dataclass(frozen=True)
class Effects:
    """What was fitted. lift: shape (channels,), added chance of a journey that meets the channel.

    lost: shape (channels,), orders of the market that would not have been without the channel; at most those it met.
    """

    base: float
    patience: float
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


def fit(paths: Paths) -> Effects:
    """Base, patience and lift by maximum likelihood on the distinct (channel set, touches) of the market."""
    market = _sets.sets(paths)
    length = np.minimum(paths.lengths, LONGEST)
    cells, at = np.unique(market.of_path * (LONGEST + 1) + length, return_inverse=True)
    bought = tally(at, paths.conversions, len(cells))
    seen = bought + tally(at, paths.nulls, len(cells))
    member = market.member[cells // (LONGEST + 1)]
    told = ~paths.is_direct
    again = (cells % (LONGEST + 1) - 1.0) * bool(paths.is_direct.any())
    columns = np.column_stack([np.ones(len(cells)), again, member[:, told]])
    found = _least_squares(columns, bought, seen)
    lift = np.zeros(paths.channels)
    # What is left of rounding is no effect: an order of such a channel alone would go by its sign.
    lift[told] = np.where(found[2:] > SMALLEST**2, found[2:], 0.0)
    # Where the line fits badly it may promise more than there was: no channel loses orders it was no part of.
    return Effects(float(found[0]), float(found[1]), lift, np.minimum(lift * (seen @ member), bought @ member))


def _least_squares(columns: Floats, bought: Floats, seen: Floats) -> Floats:
    """Non-negative coefficients of the chance to buy: reweighted least squares, which climbs the binomial likelihood."""
    from scipy.optimize import nnls

    rate = np.divide(bought, seen, out=np.zeros(len(seen)), where=seen > 0)
    chance = np.full(len(seen), float(bought.sum() / seen.sum()))
    found = np.zeros(columns.shape[1])
    for _ in range(ROUNDS):
        inner = np.clip(chance, SMALLEST, 1 - SMALLEST)
        root = np.sqrt(seen / (inner * (1 - inner)))
        # The normal equations' triangle has the same solution and as few rows as there are coefficients.
        whole = np.asarray(np.linalg.qr(np.column_stack([columns, rate]) * root[:, None], mode="r"))
        before, found = found, nnls(whole[:, :-1], whole[:, -1])[0]
        chance = columns @ found
        if np.abs(found - before).max() < 1e-10:
            break
    return found
