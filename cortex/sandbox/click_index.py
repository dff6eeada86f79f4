"""Google's clicks by their id, for the stand-ins that are told of conversions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cortex.sandbox.market import GoogleClick


class ClickIndex:
    """Finds a click by its id. Hashes in order, since a dict of a year's clicks would outweigh the rest of the market."""

    def __init__(self, clicks: Sequence[GoogleClick]) -> None:
        self._clicks = clicks

    def find(self, gclid: str) -> GoogleClick | None:
        hashes, positions = self._index
        first, last = np.searchsorted(hashes, hash(gclid), "left"), np.searchsorted(hashes, hash(gclid), "right")
        found = (self._clicks[position] for position in positions[first:last].tolist())
        return next((click for click in found if click.gclid == gclid), None)

    @cached_property
    def _index(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32]]:
        hashes = np.fromiter((hash(click.gclid) for click in self._clicks), np.int64, len(self._clicks))
        order = np.argsort(hashes)
        return hashes[order], order.astype(np.uint32)
