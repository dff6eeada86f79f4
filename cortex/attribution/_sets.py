"""Which channels a path met, whatever the order and however often: sets as bits of one or more 62-bit words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cortex.attribution import Floats, Ints, Numbers, Paths, tally

WORD = 62
FEW = 20
"""Channels up to which there is room for a counter of every set."""
AT_ONCE = 1 << 15
"""Paths looked at together, so that what is between stays in the processor's cache."""


@dataclass(frozen=True)
class Sets:
    """The distinct channel sets of a market. member: shape (sets, channels), 1.0 where the set holds the channel.

    conversions, value, nulls: shape (sets,), summed over the paths of each set.
    """

    member: Floats
    conversions: Floats
    value: Floats
    nulls: Floats
    number: Ints
    """By path: an index into `place`."""
    place: Ints
    """The set of each number that a path has."""

    @cached_property
    def of_path(self) -> Ints:
        """Shape (paths,): the set of each path."""
        return self.place[self.number]

    @property
    def sizes(self) -> Ints:
        return np.asarray(self.member.sum(axis=1), dtype=np.int64)


def sets(paths: Paths) -> Sets:
    """Group the paths of a market by their channel set."""
    words = masks(paths.offsets, paths.channel, paths.channels)
    if paths.channels <= FEW:
        # Few enough sets to count in a table of all there could be, instead of sorting the paths by theirs.
        number, count = words.ravel().astype(np.int64), 1 << paths.channels
        met = np.zeros(count, dtype=np.bool_)
        met[number] = True
        found = np.flatnonzero(met)
        place = np.zeros(count, dtype=np.int64)
        place[found] = np.arange(len(found))
        distinct = found[:, None]
    else:
        distinct, number = np.unique(words, axis=0, return_inverse=True)
        number, count = number.ravel(), len(distinct)
        found = place = np.arange(count)
    bits = np.arange(paths.channels)
    member = (distinct[:, bits // WORD].astype(np.int64) >> (bits % WORD)) & 1
    bought = paths.worth
    orders = tally(number[bought], paths.conversions[bought], count)[found]
    return Sets(
        member.astype(np.float64),
        orders,
        orders if paths.counts_only else tally(number[bought], paths.value[bought], count)[found],
        tally(number, paths.nulls, count)[found],
        number,
        place,
    )


def masks(offsets: Ints, channel: Numbers, channels: int) -> Numbers:
    """Shape (paths, words): bit c of word w is set where the path met channel w * WORD + c."""
    words = max(1, -(-channels // WORD))
    if len(offsets) == 1:
        return np.zeros((0, words), dtype=np.int64)
    every = np.arange(channels)
    bits = np.where(every // WORD == np.arange(words)[:, None], np.left_shift(np.int64(1), every % WORD), 0)
    # The narrowest numbers that have a bit for each channel: what is read is what takes the time.
    bits = bits.astype(np.min_scalar_type(bits.max(initial=1)))
    found = np.empty((len(offsets) - 1, words), dtype=bits.dtype)
    # Where one word holds every channel its bit is a shift, which is quicker than looking it up; a sign would widen it.
    shifts = words == 1 and channel.dtype.kind == "u"
    for first in range(0, len(found), AT_ONCE):
        ends = offsets[first : first + AT_ONCE + 1]
        met = channel[ends[0] : ends[-1]]
        for word in range(words):
            bit = np.left_shift(bits.dtype.type(1), met) if shifts else np.take(bits[word], met)
            found[first : first + AT_ONCE, word] = np.bitwise_or.reduceat(bit, ends[:-1] - ends[0])
    return found
