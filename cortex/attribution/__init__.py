"""Attribution: which touch earned an order. Models are pure functions from journeys to shares, one file each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Shares = Floats
"""One share per touch; the shares of a journey sum to 1."""


@dataclass(frozen=True)
class Journeys:
    """Orders and the touches before them, as flat arrays: no loops, no path strings.

    offsets: shape (orders + 1,), the touches of order i are [offsets[i], offsets[i+1]), in time order; every order
    here has at least one. channel: shape (touches,), small integers. is_direct: shape (touches,).
    hours_before: shape (touches,), hours from the touch to the order, 0 where the time is unknown.
    """

    offsets: Ints
    channel: Ints
    is_direct: NDArray[np.bool_]
    hours_before: Floats

    @property
    def orders(self) -> int:
        return len(self.offsets) - 1

    @property
    def touches(self) -> int:
        return len(self.channel)

    @property
    def lengths(self) -> Ints:
        """Touches per order."""
        return np.diff(self.offsets)

    @property
    def order_of(self) -> Ints:
        """For each touch the index of its order."""
        return np.repeat(np.arange(self.orders), self.lengths)


Model = Callable[[Journeys], Shares]


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
    total: Any = np.bincount(order, weights=weights, minlength=journeys.orders)
    return np.asarray(weights / total[order], dtype=np.float64)
