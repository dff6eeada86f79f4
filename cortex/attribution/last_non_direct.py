"""Last non-direct click: all credit to the last visit that marketing brought; direct visits only where there are no others."""

import numpy as np

from cortex.attribution import Journeys, Shares, only


def model(journeys: Journeys) -> Shares:
    """Shape (touches,): 1 for the last touch that is not direct; for the last touch where all are."""
    if not journeys.orders:
        return np.zeros(0)
    told = np.where(journeys.is_direct, -1, np.arange(journeys.touches))
    last = np.maximum.reduceat(told, journeys.offsets[:-1])
    return only(journeys, np.where(last < 0, journeys.offsets[1:] - 1, last))
