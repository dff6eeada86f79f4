"""Linear: the same credit to every touch, repeats counted."""

import numpy as np

from cortex.attribution import Journeys, Shares, normalised


def model(journeys: Journeys) -> Shares:
    """Shape (touches,): 1/n for an order of n touches."""
    return normalised(journeys, np.ones(journeys.touches))
