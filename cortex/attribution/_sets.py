"""Which channels a path met, whatever the order and however often: sets as bits of one or more 62-bit words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cortex.attribution import Floats, Ints, Paths, tally

WORD = 62


@dataclass(frozen=True)
class Sets:
    """The distinct channel sets of a market. member: shape (sets, channels), 1.0 where the set holds the channel.

    of_path: shape (paths,). conversions, value, nulls: shape (sets,), summed over the paths of each set.
    """

    member: Floats
    of_path: Ints
    conversions: Floats
    value: Floats
    nulls: Floats

    @property
    def sizes(self) -> Ints:
        return np.asarray(self.member.sum(axis=1), dtype=np.int64)


def sets(paths: Paths) -> Sets:
    """Group the paths of a market by their channel set."""
    words = masks(paths.offsets, paths.channel, paths.channels)
    if words.shape[1] == 1:
        found, at = _distinct(words[:, 0], paths.channels)
        found = found[:, None]
    else:
        found, at = np.unique(words, axis=0, return_inverse=True)
        at = at.ravel()
    bits = np.arange(paths.channels)
    member = (found[:, bits // WORD] >> (bits % WORD)) & 1

    def summed(of_path: Floats) -> Floats:
        return tally(at, of_path, len(found))

    return Sets(member.astype(np.float64), at, summed(paths.conversions), summed(paths.value), summed(paths.nulls))


def _distinct(words: Ints, channels: int) -> tuple[Ints, Ints]:
    if channels > 20:
        return np.unique(words, return_inverse=True)
    # Few enough to look each up in a table instead of sorting them all.
    met = np.zeros(1 << channels, dtype=np.bool_)
    met[words] = True
    found = np.flatnonzero(met)
    number = np.zeros(1 << channels, dtype=np.int64)
    number[found] = np.arange(len(found))
    return found, number[words]


def masks(offsets: Ints, channel: Ints, channels: int) -> Ints:
    """Shape (paths, words): bit c of word w is set where the path met channel w * WORD + c."""
    words = max(1, -(-channels // WORD))
    if len(offsets) == 1:
        return np.zeros((0, words), dtype=np.int64)
    bit = np.left_shift(np.int64(1), channel % WORD)
    parts = [np.bitwise_or.reduceat(np.where(channel // WORD == w, bit, 0), offsets[:-1]) for w in range(words)]
    return np.stack(parts, axis=1)
