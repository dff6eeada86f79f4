"""A shop's orders and what happens to them, packed small: an order is unpacked when somebody looks at it."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar, overload

import msgspec

from cortex.sandbox.notation import epoch

Order = dict[str, Any]
Event = tuple[int, dict[str, Any]]
"""When (epoch seconds) and which fields of the order have another value from then on."""
Kind = TypeVar("Kind")

LEVEL = 3
"""Of zlib: the least that finds the long matches between two orders."""


class Orders(Sequence[Order]):
    """Orders in Nuvemshop's wire shape, complete, personal data included, each with the events after it was placed.

    Reads like a list of orders as their last event leaves them, but every element is a copy: an order is changed with
    `replace`. Ten thousand orders take some ten megabytes, where their dicts would take two hundred.
    """

    def __init__(self, orders: Iterable[Order] = ()) -> None:
        self._ids = array("q")
        self._packed: list[bytes] = []
        self._sample = b""
        self._packer = zlib.compressobj(LEVEL, wbits=-zlib.MAX_WBITS)
        for order in orders:
            self.add(order)

    def add(self, order: Order, events: Sequence[Event] = ()) -> None:
        """Append an order as it was placed; `events` oldest first, each with all the fields it sets."""
        self._ids.append(int(order["id"]))
        self._packed.append(self._pack(order, events))

    def replace(self, position: int, order: Order, events: Sequence[Event]) -> None:
        """Put another order, with its events, where one is."""
        self._ids[position] = int(order["id"])
        self._packed[position] = self._pack(order, events)

    def position(self, order_id: int | str) -> int:
        """Where the order of that id is. Raises KeyError for an unknown one."""
        try:
            return self._ids.index(int(order_id))
        except ValueError:
            raise KeyError(f"no order {order_id}") from None

    def read(self, position: int, kind: type[Kind]) -> Kind:
        """An order as placed and its events, as a msgspec type of that pair: what the type leaves out costs nothing."""
        return msgspec.json.decode(self._unpack(position), type=kind)

    def story(self, position: int) -> tuple[Order, list[Event]]:
        """An order as it was placed, and its events, oldest first."""
        return self.read(position, tuple[Order, list[Event]])

    def at(self, position: int, moment: float) -> Order:
        """An order as it is at an instant (epoch seconds) after it was placed."""
        order, events = self.story(position)
        return as_of(order, events, moment)

    def existing(self, moment: float) -> Iterator[Order]:
        """The orders placed up to an instant (epoch seconds), each as it is then."""
        for position in range(len(self)):
            order, events = self.story(position)
            if epoch(order["created_at"]) <= moment:
                yield as_of(order, events, moment)

    def __len__(self) -> int:
        return len(self._packed)

    @overload
    def __getitem__(self, index: int) -> Order: ...
    @overload
    def __getitem__(self, index: slice) -> list[Order]: ...
    def __getitem__(self, index: int | slice) -> Order | list[Order]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return self.at(range(len(self))[index], float("inf"))

    def __iter__(self) -> Iterator[Order]:
        return (self[i] for i in range(len(self)))

    def _pack(self, order: Order, events: Sequence[Event]) -> bytes:
        plain = msgspec.json.encode((order, events))
        if not self._sample:
            # Orders are alike: each is packed as its difference from the first.
            self._sample = plain
            self._packer = zlib.compressobj(LEVEL, wbits=-zlib.MAX_WBITS, zdict=plain)
        packer = self._packer.copy()
        return packer.compress(plain) + packer.flush()

    def _unpack(self, position: int) -> bytes:
        return zlib.decompressobj(-zlib.MAX_WBITS, self._sample).decompress(self._packed[position])


def as_of(order: Order, events: Iterable[Event], moment: float) -> Order:
    """Let the events up to an instant (epoch seconds) happen to an order, which is changed and returned."""
    for at, fields in events:
        if at <= moment:
            order.update(fields)
    return order
