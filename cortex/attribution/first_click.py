"""First click: all credit to the touch that opened the journey."""

from cortex.attribution import Journeys, Shares, only


def model(journeys: Journeys) -> Shares:
    """Shape (touches,): 1 for the first touch of each order."""
    return only(journeys, journeys.offsets[:-1])
