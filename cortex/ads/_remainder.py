"""What a campaign or an account spent beyond its ads: money that has no ad, so that a day's rows sum to the account."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal

from msgspec.structs import replace

from cortex.clock import Window
from cortex.money import quantum
from cortex.records import AdSpend

MILLIONTH = Decimal("0.000001")


def remainders(
    wholes: Iterable[AdSpend], parts: Iterable[AdSpend], key: Callable[[AdSpend], object]
) -> Iterator[AdSpend]:
    """One row at level `campaign` for each whole that is more (or less) than its parts, holding the difference.

    `key` says which parts belong to which whole. Reach is not additive and stays 0. Differences of claimed
    conversions no larger than what rounding each part leaves behind do not make a row by themselves.
    """
    inside: dict[object, list[AdSpend]] = defaultdict(list)
    for part in parts:
        inside[key(part)].append(part)
    for whole in wholes:
        mine = inside[key(whole)]
        left = replace(
            whole,
            level="campaign",
            reach=0,
            impressions=whole.impressions - sum(part.impressions for part in mine),
            clicks=whole.clicks - sum(part.clicks for part in mine),
            spend=whole.spend - sum((part.spend for part in mine), Decimal(0)),
            conversions=whole.conversions - sum((part.conversions for part in mine), Decimal(0)),
            conversion_value=whole.conversion_value - sum((part.conversion_value for part in mine), Decimal(0)),
        )
        if _matters(left, len(mine) + 1):
            yield left


def beyond(totals: list[AdSpend], ads: list[AdSpend], campaigns: Callable[[], list[AdSpend]]) -> list[AdSpend]:
    """What an account spent beyond its ads: by campaign as far as campaigns tell, the rest in a row without one.

    totals: the account's own row per day. campaigns: asked only when a day does not add up.
    """
    if next(remainders(totals, ads, _day), None) is None:
        return []
    found = list(remainders(campaigns(), ads, lambda row: (row.day, row.campaign_id)))
    return [*found, *remainders(totals, [*ads, *found], _day)]


def _day(row: AdSpend) -> object:
    return row.day


def _matters(left: AdSpend, rounded: int) -> bool:
    return bool(
        left.spend
        or left.impressions
        or left.clicks
        or abs(left.conversions) > rounded * MILLIONTH
        or abs(left.conversion_value) > rounded * quantum(left.currency) / 2
    )


def unowned(piece: Window, found: Sequence[AdSpend]) -> dict[str, str]:
    """Facts of a notice about money without ads."""
    spent = sum((row.spend for row in found), Decimal(0))
    return {
        "first": piece.since.isoformat(),
        "last": piece.last.isoformat(),
        "native": str(spent),
        "currency": found[0].currency,
    }
