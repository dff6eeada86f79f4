"""A batch made ready once: the bytes whose digest is written down before the call are the bytes that are posted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from cortex.records import Conversion, Receipt

Encode = Callable[[Iterable[Conversion]], bytes]


def filled(around: bytes, events: Iterable[Any], encoder: msgspec.json.Encoder) -> bytes:
    """The JSON `around` with events in its one empty list, each written while what it is made of is still at hand."""
    before, brackets, after = around.partition(b"[]")
    body = bytearray(before + brackets[:1])
    for event in events:
        encoder.encode_into(event, body, -1)
        body += b","
    if body[-1:] == b",":
        del body[-1:]
    body += brackets[1:] + after
    return bytes(body)


class Ready(Struct, frozen=True):
    """What of a batch is posted, as which bytes, and the receipts of what is left out."""

    batch: list[Conversion]
    unfit: list[Receipt | None]
    """One for each of the batch; None for what is posted."""
    fit: list[Conversion]
    body: bytes

    def body_of(self, group: Sequence[Conversion], encode: Encode) -> bytes:
        """The bytes of all of it, or of some of it that are tried on their own."""
        return self.body if len(group) == len(self.fit) else encode(group)


class Readying:
    """Makes batches ready, each row judged and written at one go: what it is made of is fetched from memory but once.

    What was shown last is kept until the same batch is taken: it is judged and written once.
    """

    def __init__(self, unfit: Callable[[Conversion, datetime], Receipt | None], encode: Encode) -> None:
        self._unfit = unfit
        self._encode = encode
        self._shown: Ready | None = None

    def show(self, batch: Sequence[Conversion], now: datetime) -> bytes:
        """The bytes `take` of the same batch will hold."""
        self._shown = self._make(batch, now)
        return self._shown.body

    def take(self, batch: Sequence[Conversion], now: datetime) -> Ready:
        shown, self._shown = self._shown, None
        return shown if shown is not None and shown.batch == list(batch) else self._make(batch, now)

    def _make(self, batch: Sequence[Conversion], now: datetime) -> Ready:
        unfit: list[Receipt | None] = []
        fit: list[Conversion] = []

        def judged() -> Iterator[Conversion]:
            for one in batch:
                unfit.append(why := self._unfit(one, now))
                if why is None:
                    fit.append(one)
                    yield one

        body = self._encode(judged())
        return Ready(list(batch), unfit, fit, body)
