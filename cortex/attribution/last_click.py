"""Last click: all credit to the touch right before the order, direct visits included."""

from cortex.attribution import Journeys, Shares, only


def model(journeys: Journeys) -> Shares:
    """Shape (touches,): 1 for the last touch of each order."""
    return only(journeys, journeys.offsets[1:] - 1)
