"""The chain of touches: from start through the last k touches to an order or to nothing, and what each channel's removal costs.

Anderl, Becker, von Wangenheim, Schumann (2016), "Mapping the customer journey". States are the last k touches, fewer
at the beginning of a path; a touch that repeats the one before stays a touch of its own. Removing a channel turns
every step into one of its states into a step to nothing. Probabilities come from the linear system, never from draws.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cortex.attribution import Bools, Floats, Ints, Numbers, Paths, Totals, tally

DENSE = 300
"""States up to which the system is solved as a full matrix."""
AT_ONCE = 1 << 16
"""Paths whose steps are counted together: bounds the memory, and stays in the cache."""


@dataclass(frozen=True)
class Chain:
    """An absorbing chain. source, target, probability: its steps between states, one row each, with no double rows.

    begin: shape (states,), probability of the first state. converts: shape (states,), probability of an order right
    after a state. worth: shape (states,), mean money of the orders after a state. last: shape (states,), the channel
    of a state's last touch.
    """

    source: Ints
    target: Ints
    probability: Floats
    begin: Floats
    converts: Floats
    worth: Floats
    last: Ints


def chain(paths: Paths, order: int) -> Chain:
    """The chain of the given order (1 or more) that paths, converting or not, walked."""
    state, last = _states(paths, order)
    count = len(last)
    weight = paths.conversions + paths.nulls
    if count <= DENSE:
        walked, begun, ended = _walked(state, paths, weight, count)
        found = np.flatnonzero(walked)
        steps = walked[found]
    else:
        begun = tally(state[paths.offsets[:-1]], weight, count)
        ended = tally(state[paths.offsets[1:] - 1], weight, count)
        inner = np.ones(len(state), dtype=np.bool_)
        inner[paths.offsets[1:] - 1] = False
        here = np.flatnonzero(inner)
        found, at = np.unique(state[here].astype(np.int64) * count + state[here + 1], return_inverse=True)
        steps = tally(at, weight[paths.path_of[here]], len(found))
    source = found // count
    # Whoever came through a state went on from it or ended there.
    through = tally(source, steps, count) + ended
    bought = paths.worth
    final = state[paths.offsets[bought + 1] - 1]
    orders = tally(final, paths.conversions[bought], count)
    money = tally(final, paths.value[bought], count)
    begin = _ratio(begun, np.full(count, weight.sum()))
    return Chain(
        source,
        found % count,
        _ratio(steps, through[source]),
        begin,
        _ratio(orders, through),
        _ratio(money, orders),
        last,
    )


def _walked(state: Numbers, paths: Paths, weight: Floats, count: int) -> tuple[Floats, Floats, Floats]:
    """Weight of the steps from each state to each (flat: cell source * count + target), of the first and the last states.

    Every path is counted once, in pieces that fit the processor's cache: over all neighbours, less those that belong to
    two paths, which is cheaper than choosing between three million of them. What a path weighs beyond once is added
    after: the same journeys told together are short ones, and the many that are told alone need no weights.
    """
    wide = np.min_scalar_type(count * count)
    whole, begun, ended = np.zeros(count * count), np.zeros(count), np.zeros(count)
    for first in range(0, paths.count, AT_ONCE):
        ends = paths.offsets[first : first + AT_ONCE + 1]
        ends = ends - ends[0]
        part = state[paths.offsets[first] :][: ends[-1]].astype(wide, copy=False)
        entered, left = part[ends[:-1]], part[ends[1:] - 1]
        cells = part[:-1] * wide.type(count) + part[1:]
        seams = np.bincount(left[:-1] * wide.type(count) + entered[1:], minlength=count * count)
        whole += np.bincount(cells, minlength=count * count) - seams
        # Every seam is the end of one path and the beginning of the next.
        ended += seams.reshape(count, count).sum(axis=1)
        begun += seams.reshape(count, count).sum(axis=0)
        ended[left[-1]] += 1.0
        begun[entered[0]] += 1.0
    other = np.flatnonzero(weight != 1.0)
    for first in range(0, len(other), AT_ONCE):
        some = other[first : first + AT_ONCE]
        beyond = weight[some] - 1.0
        starts, steps = paths.offsets[some], paths.offsets[some + 1] - paths.offsets[some] - 1
        begun += tally(state[starts], beyond, count)
        ended += tally(state[starts + steps], beyond, count)
        source = np.arange(steps.sum()) + np.repeat(starts - np.cumsum(steps) + steps, steps)
        cells = state[source].astype(wide, copy=False) * wide.type(count) + state[source + 1]
        whole += tally(cells, np.repeat(beyond, steps), count * count)
    return whole, begun, ended


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)


def _states(paths: Paths, order: int) -> tuple[Numbers, Ints]:
    """Of each touch its state, numbered from zero, and of each state its last channel."""
    if order == 1:
        return paths.channel, np.arange(paths.channels)
    width = paths.channels + 1
    if width**order >= 2**62:
        return _states_of_many(paths, order)
    code = paths.channel.astype(np.int64) + 1
    place = np.arange(len(code)) - paths.offsets[:-1][paths.path_of]
    word = code.copy()
    for back in range(1, order):
        before = np.zeros_like(code)
        before[back:] = code[:-back]
        word += np.where(place >= back, before, 0) * width**back
    if width**order <= 4_000_000:
        met = np.zeros(width**order, dtype=np.bool_)
        met[word] = True
        found = np.flatnonzero(met)
        number = np.zeros(width**order, dtype=np.int64)
        number[found] = np.arange(len(found))
        return number[word], found % width - 1
    found, at = np.unique(word, return_inverse=True)
    return at, found % width - 1


def _states_of_many(paths: Paths, order: int) -> tuple[Ints, Ints]:
    """The same for so many channels that a state is no longer one number: built up touch by touch."""
    channel = paths.channel.astype(np.int64)
    last = np.arange(paths.channels)
    place = np.arange(len(channel)) - paths.offsets[:-1][paths.path_of]
    longer = channel
    for _ in range(order - 1):
        before = np.zeros_like(longer)
        before[1:] = longer[:-1] + 1
        pair = np.where(place > 0, before, 0) * paths.channels + channel
        found, longer = np.unique(pair, return_inverse=True)
        last = found % paths.channels
    return longer, last


def removal(walk: Chain, channels: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Probability of an order and money expected per journey, and both without each channel.

    Returns (chance,), (chance without each channel,), (money,), (money without each channel,); shapes () and
    (channels,). A channel nobody met costs nothing.
    """
    gains = np.stack([walk.converts, walk.converts * walk.worth], axis=1)
    whole = walk.begin @ _absorbed(walk, np.ones(len(walk.last), dtype=np.bool_), gains)
    without = np.tile(whole, (channels, 1))
    for channel in np.unique(walk.last):
        kept = walk.last != channel
        without[channel] = walk.begin[kept] @ _absorbed(walk, kept, gains)
    return whole[0], without[:, 0], whole[1], without[:, 1]


def _absorbed(walk: Chain, kept: Bools, gains: Floats) -> Floats:
    """What is gained in the end from each kept state, when steps to the others lead to nothing: (I - Q)^-1 gains."""
    number = np.cumsum(kept) - 1
    size = int(kept.sum())
    if not size:
        return np.zeros((0, gains.shape[1]))
    inside = kept[walk.source] & kept[walk.target]
    source, target = number[walk.source[inside]], number[walk.target[inside]]
    if size <= DENSE:
        system = np.eye(size)
        system[source, target] -= walk.probability[inside]
        return np.asarray(np.linalg.solve(system, gains[kept]), dtype=np.float64)
    from scipy.sparse import csc_matrix, identity
    from scipy.sparse.linalg import splu

    steps = csc_matrix((walk.probability[inside], (source, target)), shape=(size, size))
    solved: Floats = splu(csc_matrix(identity(size, format="csc") - steps)).solve(np.ascontiguousarray(gains[kept]))
    return solved


def effects(paths: Paths, order: int) -> tuple[Floats, Floats]:
    """Removal effects on orders and on money, shape (channels,) each: 1 - without / with. Zeros where nobody bought."""
    chance, without, money, poorer = removal(chain(paths, order), paths.channels)

    def lost(whole: Floats, rest: Floats) -> Floats:
        return np.clip(1.0 - rest / whole, 0.0, 1.0) if whole > 0 else np.zeros_like(rest)

    return lost(chance, without), lost(money, poorer)


def totals(paths: Paths, order: int) -> Totals:
    """Orders and money by removal effect: effect / sum of effects of what the market had."""
    on_orders, on_money = effects(paths, order)

    def shared(effect: Floats, whole: float) -> Floats:
        return effect / effect.sum() * whole if effect.sum() > 0 else np.zeros_like(effect)

    return Totals(
        shared(on_orders, float(paths.conversions.sum())), shared(on_money, float(paths.value.sum())), on_orders
    )
