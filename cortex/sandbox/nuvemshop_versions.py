"""Every state a shop's orders have ever had, in arrays: questions are answered without looking at the orders."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np
import numpy.typing as npt

from cortex.sandbox.notation import epoch
from cortex.sandbox.nuvemshop_query import SHOWN_BY_ANY, Query
from cortex.sandbox.orders import Orders

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
STATES = ("status", "payment_status", "shipping_status")
# What a word of the filter means in the field, where these differ.
SAME = {"shipped": "fulfilled", "unshipped": "unfulfilled"}


class Buyer(msgspec.Struct):
    id: int
    created_at: str


class Placed(msgspec.Struct):
    """What of an order as it was placed is looked for."""

    id: int
    created_at: str
    updated_at: str
    total: str
    storefront: str
    status: str
    payment_status: str
    shipping_status: str
    customer: Buyer


class Turn(msgspec.Struct):
    """What of an event is looked for; an event leaves most fields as they were."""

    total: str | None = None
    status: str | None = None
    payment_status: str | None = None
    shipping_status: str | None = None


@dataclass
class Versions:
    """Every state every order has ever had, order by order as the shop keeps them; those of order i are
    starts[i]..starts[i + 1]. Words are numbers of `vocabulary`."""

    newest: Ints
    """The orders, newest first."""
    starts: Ints
    at: Ints
    words: dict[str, npt.NDArray[np.int8]]
    total: Ints
    ids: Ints
    created: Ints
    storefront: Ints
    customer: Ints
    customer_since: Ints
    vocabulary: dict[str, int]


def versions_of(orders: Orders) -> Versions:
    """Read every order once."""
    vocabulary: dict[str, int] = {}

    def numbered(word: str) -> int:
        return vocabulary.setdefault(SAME.get(word, word), len(vocabulary))

    starts, at, total = array("q", [0]), array("q"), array("q")
    words = {name: array("b") for name in STATES}
    ids, created, storefront, customer, since = (array("q") for _ in range(5))
    for position in range(len(orders)):
        placed, events = orders.read(position, tuple[Placed, list[tuple[int, Turn]]])
        ids.append(placed.id)
        created.append(epoch(placed.created_at))
        storefront.append(numbered(placed.storefront))
        customer.append(placed.customer.id)
        since.append(epoch(placed.customer.created_at))
        # An order that never changed exists from its creation, though it may say it was updated later.
        at.append(created[-1] if events else epoch(placed.updated_at))
        at.extend(when for when, _ in events)
        total.extend(round(float(text) * 100) for text in _states(placed.total, [turn.total for _, turn in events]))
        for name, numbers in words.items():
            said = _states(getattr(placed, name), [getattr(turn, name) for _, turn in events])
            numbers.extend(numbered(word) for word in said)
        starts.append(len(at))
    return Versions(
        newest=np.lexsort((ids, created))[::-1],
        starts=_ints(starts),
        at=_ints(at),
        words={name: np.array(numbers, dtype=np.int8) for name, numbers in words.items()},
        total=_ints(total),
        ids=_ints(ids),
        created=_ints(created),
        storefront=_ints(storefront),
        customer=_ints(customer),
        customer_since=_ints(since),
        vocabulary=vocabulary,
    )


def _states(first: str, later: Iterable[str | None]) -> Iterator[str]:
    """A field at its creation and after each event; an event without a word about it leaves it as it was."""
    yield first
    for said in later:
        first = first if said is None else said
        yield first


def _ints(numbers: array[int]) -> Ints:
    return np.array(numbers, dtype=np.int64)


def fits(query: Query, versions: Versions, version: Ints) -> Bools:
    """Which orders, each in the given version, the query asks for as far as arrays can tell."""
    mask = np.ones(len(version), dtype=np.bool_)
    total = versions.total[version]
    bounds = query.times | query.numbers
    for name, values in (("created_at", versions.created), ("updated_at", versions.at[version]), ("total", total)):
        mask &= values >= bounds.get(f"{name}_min", -np.inf)
        mask &= values <= bounds.get(f"{name}_max", np.inf)
    mask &= versions.ids > query.numbers.get("since_id", -1)
    for name in STATES:
        word = query.words.get(name, "any")
        if word != "any":
            mask &= versions.words[name][version] == versions.vocabulary.get(word, -1)
        elif name == "payment_status":
            shown = [versions.vocabulary.get(each, -1) for each in SHOWN_BY_ANY]
            mask &= np.isin(versions.words[name][version], shown)
    channel = query.words.get("channels", "any")
    if channel != "any":
        mask &= versions.storefront == versions.vocabulary.get(channel, -1)
    return mask
