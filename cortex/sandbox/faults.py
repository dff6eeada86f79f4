"""Things that go wrong between two machines, on request: seeded and countable, or one at a time by name."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import msgspec

from cortex.sandbox.wire import Response

STATUSES = ("429", "500", "502", "503")
"""Answers of a platform that did not do what was asked. Each platform words its own, where it has words."""

SPOILT = ("badjson", "html", "dup_page", "empty_page")
"""Answers with status 200 that are not what was asked for: cut JSON of the right length, a web page, the page before
once more, no rows where there are some."""

TRANSPORT = ("reset", "reset_mid", "truncate", "hang", "slow", "lost_after_commit")
"""reset: connection reset, nothing done. reset_mid: reset halfway through the answer. truncate: closed halfway through
it. hang: no answer until the caller gives up. slow: one byte every `slow_seconds`. lost_after_commit: done, then reset."""

KINDS = (*STATUSES, *SPOILT, *TRANSPORT)


class Faults:
    """Decides, request by request, what goes wrong.

    mix: probability of each kind, together at most 1. prefixes: only paths that start with one of them are hit.
    The n-th request has the same fate in every run with the same seed. `once` puts a fault in front of the queue.
    """

    def __init__(
        self,
        seed: int = 0,
        mix: Mapping[str, float] | None = None,
        *,
        prefixes: Sequence[str] = ("/",),
        hang_seconds: float = 30.0,
        slow_seconds: float = 0.05,
        retry_after: int = 1,
    ) -> None:
        self.seed = seed
        self.mix = dict(mix or {})
        self.prefixes = tuple(prefixes)
        self.hang_seconds = hang_seconds
        self.slow_seconds = slow_seconds
        self.retry_after = retry_after
        for kind in self.mix:
            _known(kind)
        if min(self.mix.values(), default=0.0) < 0 or sum(self.mix.values()) > 1 + 1e-9:
            raise ValueError("the probabilities of a fault mix are not negative and sum to at most 1")
        self._lock = threading.Lock()
        self._requests = 0
        self._throttled = 0
        self._queue: list[tuple[str, str]] = []

    def once(self, prefix: str, kind: str, times: int = 1) -> None:
        """The next `times` requests whose path starts with `prefix` meet `kind`."""
        _known(kind)
        with self._lock:
            self._queue.extend([(prefix, kind)] * times)

    @property
    def waiting(self) -> int:
        """How many faults asked for by `once` have not struck yet."""
        with self._lock:
            return len(self._queue)

    def clear(self) -> None:
        """No more faults: neither those asked for by `once` nor the mix."""
        with self._lock:
            self._queue.clear()
            self.mix.clear()

    def draw(self, path: str) -> str:
        """The fault of this request, or an empty string. Each call is one request."""
        with self._lock:
            for position, (prefix, kind) in enumerate(self._queue):
                if path.startswith(prefix):
                    del self._queue[position]
                    return kind
            if not self.mix or not path.startswith(self.prefixes):
                return ""
            self._requests += 1
            dice = random.Random(f"{self.seed}:{self._requests}").random()
        for kind, probability in self.mix.items():
            dice -= probability
            if dice < 0:
                return kind
        return ""

    def answer(self, status: int) -> Response:
        """A plain answer for a platform without words of its own. 429 asks for patience in four ways, in turn."""
        if status == 429:
            with self._lock:
                self._throttled += 1
                turn = self._throttled
            return Response.of_json(429, {"error": "Too Many Requests"}, self._patience(turn))
        if status == 502:
            return Response(502, {"Content-Type": "text/html"}, b"<html><body><h1>502 Bad Gateway</h1></body></html>")
        return Response.of_json(status, {"error": "Internal Server Error" if status == 500 else "Unavailable"})

    def _patience(self, turn: int) -> dict[str, str]:
        until = datetime.now(UTC) + timedelta(seconds=self.retry_after)
        ways: tuple[dict[str, str], ...] = (
            {"Retry-After": str(self.retry_after)},
            {"Retry-After": format_datetime(until, usegmt=True)},
            {"X-Rate-Limit-Reset": str(self.retry_after * 1000)},
            {},
        )
        return ways[(turn - 1) % len(ways)]


def _known(kind: str) -> None:
    if kind not in KINDS:
        raise ValueError(f"no fault is called {kind!r}; there are {', '.join(KINDS)}")


def spoil(kind: str, response: Response, previous: Response | None) -> Response | None:
    """The answer as a fault of `SPOILT` leaves it; None where the fault cannot happen to it.

    previous: the last good answer to the same path, for `dup_page`.
    """
    if response.status != 200:
        return None
    if kind == "html":
        return Response(200, {"Content-Type": "text/html"}, b"<html><body>We are making things better.</body></html>")
    if kind == "badjson":
        half = response.body[: len(response.body) // 2]
        return Response(200, response.headers, half.ljust(len(response.body))) if len(response.body) > 1 else None
    if kind == "dup_page":
        return previous if previous is not None and previous.body != response.body else None
    return _emptied(response)


def _emptied(response: Response) -> Response | None:
    try:
        content: Any = msgspec.json.decode(response.body)
    except msgspec.DecodeError:
        return None
    if isinstance(content, list) and content:
        return Response(200, response.headers, b"[]")
    # Only where a total stays behind to betray the loss; a page that hides rows without a trace no client can catch.
    if isinstance(content, dict) and content.get("rows") and content.get("rowCount"):
        content.pop("rows")
        return Response(200, response.headers, msgspec.json.encode(content))
    return None
