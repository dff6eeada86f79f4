"""Reading ahead: the next records are fetched and parsed while those before them are written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from queue import Full, Queue
from typing import TypeVar

from cortex.steps.cycles import seldom_sought

T = TypeVar("T")
B = TypeVar("B")

GRACE = 5.0
"""Seconds given to the reader to hang up when nobody wants its records any more; then it is left to end by itself."""


@dataclass(frozen=True)
class _End:
    """After the last batch: what stopped the reader, if anything did."""

    failure: BaseException | None


@contextmanager
def read_ahead(
    records: Iterator[T], size: int, make: Callable[[list[T]], B], *, grace: float = GRACE
) -> Iterator[Iterator[B]]:
    """What `make` makes of the records in lists of `size`, by one thread of its own that is at most two lists ahead.

    That thread alone touches `records` and closes it, so a session of HTTP behind it is used by one thread only, and it
    alone calls `make`. What it raises is raised here, after the batches read before it. Leaving the block, however it
    is left, stops the reader.
    """
    waiting: Queue[B | _End] = Queue(maxsize=1)
    unwanted = threading.Event()

    def hand_over(batch: B | _End) -> None:
        while not unwanted.is_set():
            with suppress(Full):
                waiting.put(batch, timeout=0.1)
                return

    def read() -> None:
        failure: BaseException | None = None
        try:
            while not unwanted.is_set() and (batch := list(islice(records, size))):
                hand_over(make(batch))
                del batch  # it is the writer's now, and memory is counted in batches
        except BaseException as error:  # noqa: BLE001  # raised again in the thread that waits for it
            failure = error
        finally:
            getattr(records, "close", lambda: None)()
        hand_over(_End(failure))

    def batches() -> Iterator[B]:
        while not isinstance(batch := waiting.get(), _End):
            yield batch
        if batch.failure is not None:
            raise batch.failure

    reader = threading.Thread(target=read, name="read-ahead", daemon=True)
    reader.start()
    try:
        with seldom_sought():
            yield batches()
    finally:
        unwanted.set()
        reader.join(grace)
