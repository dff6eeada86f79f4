"""Markov chain that remembers the last three touches: credit by what the market would lose without each channel."""

from cortex.attribution import Journeys, Paths, Shares, Totals, _markov, by_channel

LEARNS = True


def model(journeys: Journeys) -> Shares:
    """Shape (touches,): each order shared over its distinct channels by their removal effects in the market.

    A chain gives credit to channels, not to orders; an order can only credit channels it met. So the sums over
    orders differ from `totals` wherever a channel stands alone in more orders than the chain would give it.
    """
    if not journeys.orders:
        return by_channel(journeys, journeys.hours_before)
    return by_channel(journeys, _markov.effects(journeys.paths, 3)[0])


def totals(paths: Paths) -> Totals:
    """The chain's own credit of each channel, and its removal effect."""
    return _markov.totals(paths, 3)
