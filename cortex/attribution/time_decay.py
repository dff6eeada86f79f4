"""Time decay: a touch is worth half as much for every half-life it lies further back."""

import numpy as np

from cortex.attribution import Journeys, Shares, normalised

HALF_LIFE = 168.0
"""Hours: seven days, the field's usual choice."""


def model(journeys: Journeys, *, half_life: float = HALF_LIFE) -> Shares:
    """Shape (touches,): 2^(-hours before the order / half_life), scaled to sum to 1 for each order."""
    if not journeys.orders:
        return np.zeros(0)
    # Counted from the order's nearest touch: the shares are the same, and old journeys do not vanish into zero.
    nearest = np.minimum.reduceat(journeys.hours_before, journeys.offsets[:-1])
    hours = journeys.hours_before - nearest[journeys.order_of]
    return normalised(journeys, np.exp2(-hours / half_life))
