"""Sellers of a marketplace as a file of their own tells of them: those whose sales are ours, and competitors."""

from __future__ import annotations

from decimal import Decimal

from cortex.records import Seller
from cortex.stores._columns import Row, flag, measure, text
from cortex.stores._values import bad

SELLER = ("seller_id", "nickname", "city", "state", "reputation", "is_competitor", "market_share")
NEEDED = ("seller_id",)


def seller(row: Row) -> Seller:
    """market_share is written as percent: 12,5 is an eighth. Raises BadRecord."""
    if not text(row, "seller_id"):
        raise bad("seller_id is missing")
    share = measure(row, "market_share")
    if share is not None and share > 100:
        raise bad("market_share is more than 100 %")
    return Seller(
        platform="files",
        seller_id=text(row, "seller_id")[:64],
        nickname=text(row, "nickname"),
        city=text(row, "city"),
        state=text(row, "state").upper()[:8],
        reputation=text(row, "reputation")[:32],
        competitor=flag(row, "is_competitor"),
        market_share=None if share is None else share / Decimal(100),
    )
