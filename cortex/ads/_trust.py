"""Rows of a report that cannot be what they say: set aside with a reason, while the others are read.

What the account spent is told a second time by its own totals, so the money of a row set aside is not lost: it becomes
part of what was spent beyond the ads (`_remainder`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import msgspec

from cortex.errors import BadRecord
from cortex.records import AdSpend

T = TypeVar("T")
Aside = Callable[[BadRecord], None]
_ID = re.compile(r'"(?:date_start|stat_time_day|campaign_id|adgroup_id|adset_id|ad_id)"\s*:\s*"([\w: -]{1,40})"')


def shaped(raw: Sequence[msgspec.Raw], kind: type[T], stream: str, aside: Aside) -> list[T]:
    """The rows that have the shape of `kind`. aside: told of each other one, by the ids that can be read of it."""
    decoder = msgspec.json.Decoder(kind)
    rows = []
    for one in raw:
        try:
            rows.append(decoder.decode(one))
        except msgspec.ValidationError as failure:
            ids = " ".join(_ID.findall(bytes(one).decode("utf-8", "replace")))
            aside(BadRecord(stream, ids[:128], f"has another shape than documented: {failure}"[:255]))
    return rows


def recorded(
    rows: Iterable[T], record: Callable[[T], AdSpend], named: Callable[[T], str], stream: str, aside: Aside
) -> Iterator[AdSpend]:
    """The records of rows whose figures are figures. named: what to call a row that is set aside."""
    for row in rows:
        try:
            yield record(row)
        except BadRecord as failure:
            aside(BadRecord(stream, named(row)[:128], failure.reason))
        except (ValueError, ArithmeticError):
            aside(BadRecord(stream, named(row)[:128], "a count is not a number"))
