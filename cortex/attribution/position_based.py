"""Position based: 40 % to the first touch, 40 % to the last, the rest to those between."""

import numpy as np

from cortex.attribution import Journeys, Shares, normalised

FIRST, MIDDLE, LAST = 0.4, 0.2, 0.4


def model(journeys: Journeys, *, first: float = FIRST, middle: float = MIDDLE, last: float = LAST) -> Shares:
    """Shape (touches,): the middle's part is shared equally; two touches share by first and last, one gets all."""
    if not journeys.orders:
        return np.zeros(0)
    between = np.maximum(journeys.lengths - 2, 1)
    weights = np.repeat(middle / between, journeys.lengths)
    weights[journeys.offsets[:-1]] = first
    ends = journeys.offsets[1:] - 1
    weights[ends] = np.where(journeys.lengths == 1, 1.0, last)
    return normalised(journeys, weights)
