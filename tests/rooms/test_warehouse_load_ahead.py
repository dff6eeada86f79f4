"""Reading ahead: the same records in the same order, failures where they belong, one thread at the source, nothing kept."""

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from cortex.errors import Transient
from cortex.steps.ahead import read_ahead


def numbers(count: int, seen: list[int], threads: set[str] | None = None) -> Iterator[int]:
    for number in range(count):
        seen.append(number)
        if threads is not None:
            threads.add(threading.current_thread().name)
        yield number


def fail_after_one_batch(source: Iterator[int], failure: type[BaseException], grace: float) -> None:
    with read_ahead(source, 1, list, grace=grace) as batches:
        next(batches)
        raise failure


@pytest.mark.parametrize(("count", "sizes"), [(0, []), (1, [1]), (6, [3, 3]), (7, [3, 3, 1])])
def test_everything_comes_once_and_in_order(count: int, sizes: list[int]):
    with read_ahead(numbers(count, []), 3, list) as batches:
        read = list(batches)
    assert [len(batch) for batch in read] == sizes
    assert [number for batch in read for number in batch] == list(range(count))


def test_one_thread_reads_and_it_is_not_the_writers():
    threads: set[str] = set()
    with read_ahead(numbers(50, [], threads), 5, list) as batches:
        for _ in batches:
            pass
    assert threads == {"read-ahead"}
    assert "read-ahead" not in {thread.name for thread in threading.enumerate()}


def test_what_is_made_of_a_batch_is_made_by_the_reader():
    def make(batch: list[int]) -> tuple[int, str]:
        return sum(batch), threading.current_thread().name

    with read_ahead(numbers(5, []), 2, make) as batches:
        assert list(batches) == [(1, "read-ahead"), (5, "read-ahead"), (4, "read-ahead")]


def test_what_making_raises_is_raised_after_what_was_made():
    made: list[int] = []

    def write() -> None:
        with read_ahead(numbers(6, []), 2, lambda batch: 12 // (4 - batch[0])) as batches:
            made.extend(batches)

    with pytest.raises(ZeroDivisionError):
        write()
    assert made == [3, 6]


def test_the_next_batches_are_read_while_one_is_written_but_not_many():
    seen: list[int] = []
    with read_ahead(numbers(1000, seen), 10, list) as batches:
        next(batches)
        deadline = time.monotonic() + 5
        while len(seen) < 30 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        assert len(seen) == 30, "the one in hand, the one waiting, and the one that waits for its place"


def test_what_the_source_raises_is_raised_after_what_it_gave():
    def breaking() -> Iterator[int]:
        yield from range(7)
        raise Transient("CTX-4011", "the shop is down")

    read: list[int] = []

    def write() -> None:
        with read_ahead(breaking(), 3, list) as batches:
            for batch in batches:
                read.extend(batch)

    with pytest.raises(Transient, match="the shop is down"):
        write()
    assert read == [0, 1, 2, 3, 4, 5], "a batch that was cut short is not written: its records come with the next run"


@pytest.mark.parametrize("blow", [KeyboardInterrupt, ValueError, SystemExit])
def test_leaving_stops_the_reader_and_closes_the_source(blow: type[BaseException]):
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            number = 0
            while True:
                yield (number := number + 1)
        finally:
            closed.set()

    with pytest.raises(blow):
        fail_after_one_batch(endless(), blow, grace=5.0)
    assert closed.is_set()
    assert "read-ahead" not in {thread.name for thread in threading.enumerate()}


def test_an_interrupt_does_not_wait_for_a_source_that_hangs():
    release = threading.Event()

    def hanging() -> Iterator[int]:
        yield 1
        release.wait(30)

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        fail_after_one_batch(hanging(), KeyboardInterrupt, grace=0.1)
    assert time.monotonic() - started < 3
    release.set()


@pytest.mark.parametrize("fails", [False, True])
def test_the_search_for_cycles_is_as_it_was_afterwards(fails: bool) -> None:
    before = gc.get_threshold()
    with suppress(RuntimeError), read_ahead(iter(range(5)), 2, list) as batches:
        assert gc.get_threshold() != before
        if fails:
            raise RuntimeError
        list(batches)
    assert gc.get_threshold() == before
