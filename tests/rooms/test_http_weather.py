"""Bad weather in 200 seeds: a list of pages is read exactly or ends with a named error, and no request outlives its deadline.

A seed is a run of a hundred requests or so of which every eighth goes wrong, in one of fourteen ways. `scripts/test`
sails through twenty of them, `scripts/test --long` through all; `scripts/bench weather` shows what other clients make of
the same seeds.
"""

from __future__ import annotations

import functools
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cortex.errors import CortexError, Transient
from cortex.http import Client, Limits, Reply
from cortex.stores import nuvemshop as stores
from tests.faulty import CLOSE, RESET, FaultyServer, Step, dripping, reply
from tests.rooms.test_nuvemshop import MARCH, nuvemshop, spread
from tests.shop import Shop

LIMITS = Limits(connect=2.0, read=0.25, total=0.5, attempts=8)
MOST_OVER = 1.0
"""Seconds a request may outlive its deadline (F6)."""
SHORT, LONG = range(20), range(200)
PAGES, SIZE = 60, 50
ORDERS = 1_000

WEATHER: dict[str, tuple[float, Callable[[bytes, bytes], Iterable[Step]]]] = {
    # What the server does with the right answer, and with the answer before it; how often.
    "429": (0.02, lambda _right, _last: [reply(429, b"{}", Retry_After="0")]),
    "500": (0.02, lambda _right, _last: [reply(500, b"oops")]),
    "502": (0.01, lambda _right, _last: [reply(502, b"<html>", Content_Type="text/html")]),
    "503": (0.01, lambda _right, _last: [reply(503, b"")]),
    "reset": (0.02, lambda _right, _last: [RESET]),
    "reset mid": (0.01, lambda right, _last: [right[: len(right) // 2], RESET]),
    "truncated": (0.01, lambda right, _last: [right[: len(right) * 3 // 4], CLOSE]),
    "cut JSON": (0.01, lambda right, _last: [_with_body(right, lambda body: body[:-9])]),
    "web page": (0.01, lambda right, _last: [_with_body(right, lambda _body: b"<html>busy</html>")]),
    "empty page": (0.01, lambda right, _last: [_with_body(right, lambda _body: b"[]")]),
    "page twice": (0.01, lambda _right, last: [last]),
    "hang": (0.003, lambda _right, _last: [9.0]),
    "dripping body": (0.002, lambda right, _last: [_head(right), *dripping(_body(right)[:400])]),
    "dripping head": (0.002, lambda right, _last: dripping(right[:400])),
}


def _head(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def _body(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def _with_body(answer: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """The same answer with another body, whose length is announced truly: only looking inside tells."""
    headers = dict(line.split(": ", 1) for line in _head(answer).decode().split("\r\n")[1:] if line)
    kept = {"X_Total_Count": headers["X-Total-Count"]} if "X-Total-Count" in headers else {}
    return reply(200, change(_body(answer)), **kept)


class Storm:
    """Spoils answers by a seed; counts what it did."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._last = b""
        self.struck: Counter[str] = Counter()

    def __call__(self, right: bytes) -> Iterable[Step]:
        names = [*WEATHER, "none"]
        chances = [chance for chance, _ in WEATHER.values()]
        [name] = self._dice.choices(names, [*chances, 1 - sum(chances)])
        last, self._last = self._last or right, right
        if name == "none" or not right.startswith(b"HTTP/1.1 200"):
            return [right]
        self.struck[name] += 1
        return WEATHER[name][1](right, last)


class Timed(Client):
    """A client that remembers how long its longest request took."""

    longest = 0.0

    def _once(self, *args: Any) -> Any:
        started = time.monotonic()
        try:
            return super()._once(*args)
        finally:
            Timed.longest = max(Timed.longest, time.monotonic() - started)


def pages(storm: Storm) -> str:
    """Read numbered pages as any list of a platform is read; how it ended."""
    told = [reply(200, json.dumps([page * SIZE + i for i in range(SIZE)]).encode()) for page in range(PAGES)]
    seen: list[int] = []

    def right(answer: Reply[list[int]]) -> None:
        if len(answer.value) != SIZE or (seen and answer.value[0] <= seen[-1]):
            raise Transient("CTX-4011", "The page cannot be right.")

    with (
        FaultyServer(lambda _path, query: storm(told[int(query["page"])])) as server,
        Timed("Shop", server.url, limits=LIMITS, sleep=lambda _seconds: None) as client,
    ):
        try:
            for page in range(PAGES):
                seen += client.get("/orders", {"page": page}, check=right).value
        except CortexError as failure:
            assert seen == list(range(len(seen))), "what came before the error is whole"
            return failure.code
    assert seen == list(range(PAGES * SIZE)), "silently wrong"
    return "exact"


def shop(storm: Storm, orders: list[dict[str, Any]]) -> str:
    """Read a shop of Nuvemshop through the adapter a run uses; how it ended."""
    told: list[Any] = []
    answers = Shop(orders, fault=lambda path, _query, right: None if path.endswith("/store") else list(storm(right)))
    with FaultyServer(answers) as server:
        try:
            seen = [int(one.external_id) for one in nuvemshop(server.url, told).orders(MARCH)]
        except CortexError as failure:
            return failure.code
    assert sorted(set(seen)) == list(range(1, len(orders) + 1)), "silently wrong"
    assert not told, "no order was taken for a broken one"
    return "exact"


def sail(seeds: range, monkeypatch: pytest.MonkeyPatch) -> tuple[Counter[str], Counter[str]]:
    """Every seed, a few at a time because they wait more than they work: how they ended, and what struck."""
    monkeypatch.setattr(stores, "Client", functools.partial(Timed, limits=LIMITS))
    Timed.longest = 0.0
    orders = spread(ORDERS)
    storms = [(Storm(seed), Storm(-1 - seed)) for seed in seeds]

    def one(pair: tuple[Storm, Storm]) -> list[str]:
        return [pages(pair[0]), shop(pair[1], orders)]

    with ThreadPoolExecutor(4) as pool:
        ends = Counter(end for pair in pool.map(one, storms) for end in pair)
    return ends, sum((storm.struck for pair in storms for storm in pair), Counter[str]())


def _exact_or_named(seeds: range, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    ends, struck = sail(seeds, monkeypatch)
    assert sum(ends.values()) == 2 * len(seeds)
    assert all(end == "exact" or end.startswith("CTX-4") for end in ends), ends
    assert ends["exact"] >= 0.98 * 2 * len(seeds), ends
    assert Timed.longest < LIMITS.total + MOST_OVER
    assert sum(struck.values()) > 4 * len(seeds), "fair weather: this proves nothing"
    return struck


def test_twenty_seeds_are_exact_or_a_named_error(monkeypatch: pytest.MonkeyPatch) -> None:
    _exact_or_named(SHORT, monkeypatch)


@pytest.mark.slow
def test_two_hundred_seeds_are_exact_or_a_named_error(monkeypatch: pytest.MonkeyPatch) -> None:
    struck = _exact_or_named(LONG, monkeypatch)
    assert set(struck) == set(WEATHER), "every fault struck"
