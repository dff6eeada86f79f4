"""What was unusual in a shop's orders, told once: words and fields nobody knows, and sums that do not add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
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
        self._words: Counter[tuple[str, str]] = Counter()
        self._fields: Counter[str] = Counter()
        self._orders: Counter[str] = Counter()
        self._value: dict[str, Decimal] = {}

    def word(self, field: str, said: str) -> None:
        """A status or method that is not in the platform's documentation. Words only: anything longer could be
        somebody's text, and is not repeated."""
        plain = said if len(said) <= 32 and said.replace("_", "").replace("-", "").isalpha() else "(not a word)"
        self._words[field, plain] += 1

    def fields(self, found: Mapping[str, int]) -> None:
        """Fields that are not in the platform's documentation, with the number of orders that have them."""
        for name, count in found.items():
            plain = name.replace("_", "").replace(".", "")
            self._fields[name if len(name) <= 64 and plain.isalnum() else "(not a name)"] += count

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
                count=count,
                facts={"platform": self._platform, "field": field, "said": said},
            )
            for (field, said), count in sorted(self._words.items())
        ]
        new = [
            Notice(
                code="unknown_field",
                stream=STREAM,
                message=f"{self._platform} tells a field {name}, which is not known and not read.",
                count=count,
                facts={"platform": self._platform, "field": name},
            )
            for name, count in sorted(self._fields.items())
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
        return unknown + new + differ
