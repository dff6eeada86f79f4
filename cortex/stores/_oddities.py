"""What was unusual in a shop's orders, told once: words nobody knows, and sums that do not add up."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from cortex.records import Notice
from cortex.stores._values import STREAM

SUMS = {
    "lines": "whose lines do not add up to the subtotal",
    "total": "whose total is not subtotal - discount + shipping",
}


class Oddities:
    """Collected while orders stream by; `notices()` tells each kind once, with how many orders and how much money."""

    def __init__(self, platform: str) -> None:
        self._platform = platform
        self._words: set[tuple[str, str]] = set()
        self._orders: Counter[str] = Counter()
        self._value: dict[str, Decimal] = {}

    def word(self, field: str, said: str) -> None:
        """A status or method that is not in the platform's documentation. Words only: anything longer could be
        somebody's text, and is not repeated."""
        plain = said if len(said) <= 32 and said.replace("_", "").replace("-", "").isalpha() else "(not a word)"
        self._words.add((field, plain))

    def sums(self, what: str, gap: Decimal) -> None:
        """Two figures of one order that should agree and differ by `gap`. what: a key of SUMS."""
        self._orders[what] += 1
        self._value[what] = self._value.get(what, Decimal(0)) + abs(gap)

    def notices(self) -> list[Notice]:
        unknown = [
            Notice(
                code="unknown_word",
                stream=STREAM,
                message=f"{self._platform}'s {field} {said} is not known.",
                facts={"platform": self._platform, "field": field, "said": said},
            )
            for field, said in sorted(self._words)
        ]
        differ = [
            Notice(
                code="sums_differ",
                stream=STREAM,
                message=f"Orders {SUMS[what]}.",
                count=count,
                value=self._value[what],
                facts={"kind": what},
            )
            for what, count in sorted(self._orders.items())
        ]
        return unknown + differ
