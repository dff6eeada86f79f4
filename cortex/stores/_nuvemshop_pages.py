"""Reading Nuvemshop's lists whole: windows small enough for the cap, pages that hold still, totals that agree.

A list is always sorted by creation, newest first, whatever it is filtered by (api-docs issue 22), and no query may
find more than 10,000 records (changelog 2025-11-06). So a span of time is cut until it fits, and its pages are read
from the last to the second: a record that changes meanwhile leaves the span, what stood after it moves up, and moves
onto a page that is still to be read. Nothing that stays can be missed. The last minutes, into which records may still
come because two clocks never agree, are a span of their own that must hold still.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Generic, TypeVar

from msgspec import Struct

from cortex.errors import BadRecord, PlatformError, Transient
from cortex.http import Client, Reply
from cortex.stores._nuvemshop_wire import Page, Refusal, text

PER_PAGE = 200
CAP = 10_000
SPAN = 5_000
"""Records read as one span: far enough from the cap, and few enough to be held until their total is confirmed."""
FILL = 4_500
"""Records aimed at when a span is cut by what is expected in it."""
TELLING = 1_000
"""Records from which a span tells how many to expect in the next."""
SECOND = timedelta(seconds=1)
SKEW = timedelta(minutes=15)
"""How far this machine's clock may be ahead of the platform's."""
MOST_CUTS = 64
MOST_RESTARTS = 40
"""Cuts because a list would not hold still. Each halves a span; a span of one page cannot move at all."""

T = TypeVar("T", bound=Struct)
Span = tuple[datetime, datetime]


class TooMany(PlatformError):
    """The platform refused a query because it finds more than its cap."""


class _Crowded(Exception):
    """A span with too many records, to be cut in parts; in 0 where the platform did not say how many there are."""

    def __init__(self, parts: int = 0) -> None:
        self.parts = parts


class _Moved(Exception):
    """The list changed in a way that may have hidden a record."""


@dataclass
class _Seen(Generic[T]):
    total: int
    records: list[T | BadRecord]


@dataclass
class Listing(Generic[T]):
    """One list of a shop, filtered by `since_field` and `until_field`."""

    client: Client
    path: str
    page: Page[T]
    since_field: str
    until_field: str
    now: datetime
    confirm_empty: Callable[[], object]
    """Called when the platform answers 404 without saying that the list is empty; raises when the shop is not there."""

    def between(self, since: datetime, until: datetime, **filters: str) -> Iterator[T | BadRecord]:
        """Every record of the span, newest part first. Records at the joint of two parts come twice.

        Raises the platform's named error, or Transient CTX-4409 when the list never holds still.
        """
        waiting = self._settled_and_not((since.replace(microsecond=0), until.replace(microsecond=0)))
        restarts, density = 0, 0.0
        while waiting:
            span = waiting.pop()
            length = (span[1] - span[0]).total_seconds()
            try:
                records = self._read(span, filters)
                if len(records) >= TELLING:
                    density = len(records) / length
                yield from records
                del records
            except _Crowded as crowd:
                waiting += _cut(span, crowd.parts or _guess(density * length))
            except _Moved:
                restarts += 1
                if restarts > MOST_RESTARTS:
                    raise Transient(
                        "CTX-4409", f"Nuvemshop's list {self.path} kept changing while it was read."
                    ) from None
                waiting += _cut(span, 2)

    def _settled_and_not(self, span: Span) -> list[Span]:
        edge = (self.now - SKEW).replace(microsecond=0)
        return [(span[0], edge), (edge, span[1])] if span[0] < edge < span[1] else [span]

    def _read(self, span: Span, filters: Mapping[str, str]) -> list[T | BadRecord]:
        first = self._fetch(span, filters, 1)
        divisible = span[1] - span[0] > SECOND
        settled = span[1] <= self.now - SKEW
        if first.total > (SPAN if divisible else CAP):
            if not divisible:
                raise TooMany("CTX-4410", f"More than {CAP} records of {self.path} changed in one second.")
            raise _Crowded(first.total // SPAN + 1)
        found = {_key(record, 1, i): record for i, record in enumerate(first.records)}
        total = first.total
        for number in range(math.ceil(first.total / PER_PAGE), 1, -1):
            seen = self._fetch(span, filters, number)
            if seen.total > total or (seen.total < total and not settled):
                raise _Moved
            total = seen.total
            found |= {_key(record, number, i): record for i, record in enumerate(seen.records)}
        if total < first.total:
            again = self._fetch(span, filters, 1)
            total = again.total
            found |= {_key(record, 1, i): record for i, record in enumerate(again.records)}
        if not total <= len(found) <= first.total:
            raise _Moved
        return list(found.values())

    def _fetch(self, span: Span, filters: Mapping[str, str], number: int) -> _Seen[T]:
        params: dict[str, str | int] = {
            **filters,
            # The documentation says "after" and "before": a second of overlap costs nothing, a joint left out would.
            self.since_field: _stamp(span[0] - SECOND),
            self.until_field: _stamp(span[1]),
            "fields": self.page.fields,
            "per_page": PER_PAGE,
            "page": number,
        }
        try:
            reply = self.client.get(
                self.path,
                params,
                decode=self.page,
                accept=(200, 404),
                check=lambda reply: _right(reply, number),
            )
        except TooMany:
            if span[1] - span[0] <= SECOND:
                raise
            raise _Crowded from None
        if isinstance(reply.value, Refusal):
            return _Seen(self._after_the_end(reply.value, number), [])
        return _Seen(_total(reply.headers), reply.value)

    def _after_the_end(self, refusal: Refusal, number: int) -> int:
        """Nuvemshop says 404 for an empty list and past the last page: how many records that leaves, at most."""
        said = f"{refusal.message} {refusal.description}"
        last = re.search(r"Last page is (\d+)", said)
        if last is None and number == 1:
            self.confirm_empty()
        return int(last[1]) * PER_PAGE if last else (number - 1) * PER_PAGE


def _right(reply: Reply[list[T | BadRecord] | Refusal], number: int) -> None:
    """A page is as long as its own total says, or it is read again."""
    if reply.status == 404:
        if not isinstance(reply.value, Refusal):
            raise _unfit("a 404 with a list in it")
        return
    if isinstance(reply.value, Refusal):
        raise _unfit("no list")
    expected = max(0, min(PER_PAGE, _total(reply.headers) - (number - 1) * PER_PAGE))
    if len(reply.value) != expected:
        raise _unfit(f"{len(reply.value)} records where {expected} were due")


def _total(headers: Mapping[str, str]) -> int:
    said = headers.get("X-Total-Count", "")
    if not said.isdigit():
        raise _unfit("a list without X-Total-Count")
    return int(said)


def _unfit(what: str) -> Transient:
    return Transient("CTX-4408", f"Nuvemshop sent {what}.")


def _key(record: Struct | BadRecord, number: int, position: int) -> str:
    """What tells records apart: the id, or the place of one that has none."""
    identity = record.key if isinstance(record, BadRecord) else text(getattr(record, "id", None))
    return identity or f"{number}/{position}"


def _cut(span: Span, parts: int) -> list[Span]:
    """The span in parts of whole seconds, oldest first, each ending where the next begins."""
    since, until = span
    seconds = int((until - since) / SECOND)
    parts = max(1, min(parts, MOST_CUTS, seconds))
    edges = [since + SECOND * (seconds * i // parts) for i in range(parts)] + [until]
    return list(pairwise(edges))


def _guess(expected: float) -> int:
    """Parts to cut a span in that holds more than the cap, by how many the span before it makes us expect."""
    return min(max(math.ceil(expected / FILL), 3), 16) if expected else 8


def _stamp(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds")
