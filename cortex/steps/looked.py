"""Looked: how often products were looked at over a period and how many of those looks were followed by a sale."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cortex.clock import Window
    from cortex.warehouse import Warehouse

LOOKS = """
    SELECT origin, platform, product_id, SUM(views) AS views, SUM(carts) AS carts, SUM(purchases) AS purchases
    FROM rpt_product_conversion WHERE day >= :since AND day < :until
    GROUP BY origin, platform, product_id
"""


@dataclass(frozen=True)
class Look:
    """Units, as one source counts them."""

    views: int
    carts: int
    purchases: int

    @property
    def conversion(self) -> Decimal | None:
        """None, not 0, where no view is known."""
        return Decimal(self.purchases) / self.views if self.views else None


@dataclass(frozen=True)
class Looks:
    """What one source tells of a period; `source` is empty where none tells anything."""

    source: str = ""
    products: dict[tuple[str, str], Look] = field(default_factory=dict)
    """By platform and product id."""

    def of(self, platform: str, product_id: str) -> Look | None:
        return self.products.get((platform, product_id))


def at(warehouse: Warehouse, window: Window) -> Looks:
    """Of the source that saw most: the counts of two are never added, they saw the same shoppers."""
    by_source: defaultdict[str, dict[tuple[str, str], Look]] = defaultdict(dict)
    for row in warehouse.rows(LOOKS, since=window.since, until=window.until):
        look = Look(int(row["views"]), int(row["carts"]), int(row["purchases"]))
        by_source[row["origin"]][row["platform"], row["product_id"]] = look
    if not by_source:
        return Looks()
    source = max(sorted(by_source), key=lambda name: sum(look.views for look in by_source[name].values()))
    return Looks(source, by_source[source])
