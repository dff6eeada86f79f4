"""Cycles: Python's search for them, made rare while rows pass by the thousand."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

BUSY = (5_000, 20, 10)
"""Thresholds of the search for cycles while batches pass. Rows come and go by the thousand with no cycle among them, and
a search at every 700th, as usual, is a tenth to a fifth of the work. Much rarer, and what the driver leaves behind piles
up."""


@contextmanager
def seldom_sought() -> Iterator[None]:
    """Inside the block, or the function it decorates, cycles are looked for seldom."""
    usual = gc.get_threshold()
    gc.set_threshold(*BUSY)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
