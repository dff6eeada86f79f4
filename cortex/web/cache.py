"""Answers kept for a while: by client, version of its data, question and parameters. Bounded, and only in this process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

T = TypeVar("T")
SECONDS = 300.0
"""An answer is true for as long as its version is the newest; older than this it is made anew all the same."""
ENTRIES = 1024
"""Beyond this the one asked for longest ago goes."""


class Cache:
    """Safe to share between threads. entries: 0 keeps nothing."""

    def __init__(
        self, seconds: float = SECONDS, entries: int = ENTRIES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._entries, self._clock = seconds, entries, clock
        self._kept: OrderedDict[Hashable, tuple[float, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is kept under the key, else what `make` returns. Whoever calls puts client and version into the key."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None and self._clock() < found[0]:
                self._kept.move_to_end(key)
                return cast("T", found[1])
        made = make()  # unlocked: one slow question must not hold up the others
        with self._lock:
            self._kept[key] = (self._clock() + self._seconds, made)
            self._kept.move_to_end(key)
            while len(self._kept) > self._entries:
                self._kept.popitem(last=False)
        return made
