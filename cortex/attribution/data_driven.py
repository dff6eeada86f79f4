"""The data-driven default: the model that came nearest to known truth for the kind of journeys a client has.

`scripts/bench truth` scores every model against worlds whose true effects are known; docs/en/attribution.md shows the
table. With journeys that ended in nothing it is `incremental`, by far; without them nothing comes near, and the
equal split is the one that claims least.
"""

from cortex.attribution import Journeys, Paths, Shares, Totals, incremental, shapley_equal_split, totals_of

LEARNS = True


def choice(paths: Paths) -> str:
    """Name of the model used for this market: shown wherever the numbers are."""
    return "incremental" if paths.knows_nulls else "shapley_equal_split"


def model(journeys: Journeys) -> Shares:
    """Shape (touches,): the shares of the chosen model."""
    return (
        incremental.model(journeys) if choice(journeys.paths) == "incremental" else shapley_equal_split.model(journeys)
    )


def totals(paths: Paths) -> Totals:
    """Orders and money of each channel by the chosen model."""
    chosen = incremental if choice(paths) == "incremental" else shapley_equal_split
    return totals_of(chosen, paths)
