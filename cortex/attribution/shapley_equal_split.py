"""Shapley value where only orders are known: each order shared equally by the distinct channels it met.

Zhao, Mahboobi, Bagheri (2018), "Shapley value methods for attribution modeling in online advertising": with the worth
of a coalition the orders of paths inside it, the Shapley value is this equal split. Near linear by construction.
"""

import numpy as np

from cortex.attribution import Journeys, Paths, Shares, Totals, _sets, by_channel


def model(journeys: Journeys) -> Shares:
    """Shape (touches,): 1 / distinct channels, shared equally by the touches of a channel."""
    return by_channel(journeys, np.ones(journeys.channels))


def totals(paths: Paths) -> Totals:
    """The same summed over the market, set by set."""
    market = _sets.sets(paths)
    shares = market.member / np.maximum(market.sizes, 1)[:, None]
    return Totals(market.conversions @ shares, market.value @ shares)
