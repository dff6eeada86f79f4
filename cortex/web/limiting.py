"""How often one caller may ask: so many at once, then so many a second. Counted in this process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

CALLERS = 10_000
"""Callers remembered; beyond this the one heard of longest ago is forgotten."""


@dataclass(frozen=True)
class Rate:
    per_second: float
    at_once: int


PER_KEY = Rate(per_second=10, at_once=60)
PER_ADDRESS = Rate(per_second=20, at_once=120)
"""Wider than a key's: an office shares one address. It also counts those who try keys."""


class Limiter:
    """The generic cell rate algorithm: one instant a caller, that at which all counted so far is used up."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._spent: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, caller: str) -> float:
        """Count a question. Seconds until the next is free when this one is too many (then it is not counted), else 0."""
        with self._lock:
            now = self._clock()
            after = max(self._spent.get(caller, now), now) + 1 / self._rate.per_second
            over = after - now - self._rate.at_once / self._rate.per_second
            if over > 1e-9:
                return over
            self._spent[caller] = after
            self._spent.move_to_end(caller)
            while len(self._spent) > CALLERS:
                self._spent.popitem(last=False)
            return 0.0
