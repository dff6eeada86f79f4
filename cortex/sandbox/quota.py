"""Platforms' rate limits: so much in so many seconds, over a sliding window."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable


class Quota:
    """At most `limit` units in any `seconds`. Counts real time, also where the sandbox's calendar stands still."""

    def __init__(self, limit: float, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self.seconds = seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._spent: deque[tuple[float, float]] = deque()
        self._sum = 0.0

    def spend(self, units: float = 1.0) -> float:
        """Take `units`: 0.0 when they were there, else the seconds until they will be (and nothing is taken)."""
        with self._lock:
            now = self._forget()
            if self._sum + units <= self.limit:
                self._spent.append((now, units))
                self._sum += units
                return 0.0
            excess = self._sum + units - self.limit
            for at, taken in self._spent:
                excess -= taken
                if excess <= 0:
                    return max(0.001, at + self.seconds - now)
            return self.seconds

    def used(self) -> float:
        with self._lock:
            self._forget()
            return self._sum

    def percent(self) -> int:
        return min(100, int(100 * self.used() / self.limit))

    def _forget(self) -> float:
        now = self._monotonic()
        while self._spent and self._spent[0][0] <= now - self.seconds:
            self._sum -= self._spent.popleft()[1]
        return now
