"""How fast a shop may be read: as fast as Nuvemshop's bucket leaks, and hardly a request more than its pages (F5)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cortex.http import Bucket, Reply
from cortex.sandbox.nuvemshop import Bucket as PlatformBucket
from cortex.stores import _nuvemshop_wire as wire
from cortex.stores._nuvemshop_pages import CAP, PER_PAGE, SECOND, Listing, TooMany
from cortex.stores.nuvemshop import SPARE, _follow

SINCE = datetime(2026, 1, 5, 3, tzinfo=UTC)
UNTIL = SINCE + timedelta(days=300)
SIZE, LEAK = 40.0, 2.0


class Shop:
    """Orders at the given instants behind the platform's own bucket, on a clock that moves when somebody waits."""

    def __init__(self, placed: list[datetime]) -> None:
        self.placed = placed
        self.now = 0.0
        self.asked = self.refused = 0
        self.bucket = Bucket(per_second=LEAK, burst=SIZE - SPARE)
        self._platform = PlatformBucket(SIZE, LEAK, lambda: self.now)

    def get(
        self, _path: str, params: Mapping[str, Any], *, check: Callable[[Reply[Any]], None], **_: Any
    ) -> Reply[Any]:
        self.now += self.bucket.wait(self.now)
        while not self._request():
            self.refused += 1
            self.now += 1 / LEAK
        first = bisect_left(self.placed, datetime.fromisoformat(params["updated_at_min"]))
        end = bisect_right(self.placed, datetime.fromisoformat(params["updated_at_max"]))
        if end - first > CAP:
            raise TooMany("CTX-4410", "Too many.")
        newest = end - (int(params["page"]) - 1) * PER_PAGE
        orders = [wire.Order(id=i) for i in range(newest - 1, max(first, newest - PER_PAGE) - 1, -1)]
        reply: Reply[Any] = Reply(200, {"X-Total-Count": str(end - first)}, b"", orders)
        check(reply)
        return reply

    def _request(self) -> bool:
        self.asked += 1
        fits, headers = self._platform.pour()
        _follow(self.bucket, headers)
        return fits


def read(placed: list[datetime]) -> tuple[Shop, list[int]]:
    shop = Shop(placed)
    page = wire.Page(wire.Order, "store.orders")
    now = UNTIL + timedelta(days=1)
    listing = Listing(shop, "/orders", page, "updated_at_min", "updated_at_max", now, lambda: None)  # type: ignore[arg-type]
    return shop, [one.id for one in listing.between(SINCE, UNTIL) if isinstance(one.id, int)]  # type: ignore[union-attr]


def evenly(count: int) -> list[datetime]:
    return [(SINCE + i * (UNTIL - SINCE) / count).replace(microsecond=0) for i in range(count)]


def in_november(count: int) -> list[datetime]:
    """Half of all in one week."""
    week = SINCE + timedelta(days=290)
    rush = [(week + i * timedelta(days=7) / (count // 2)).replace(microsecond=0) for i in range(count // 2)]
    return sorted(rush + evenly(count - count // 2))


@pytest.mark.parametrize(
    ("count", "spread", "most"),
    [(100_000, evenly, 1.05), (200_000, evenly, 1.05), (200_000, in_november, 1.05), (100_000, in_november, 1.07)],
)
def test_a_big_shop_is_read_at_the_platforms_pace(
    count: int, spread: Callable[[int], list[datetime]], most: float
) -> None:
    """Against the time its pages alone would take."""
    shop, seen = read(spread(count))
    assert set(seen) == set(range(count))
    floor = (count / PER_PAGE - SIZE) / LEAK
    assert shop.refused <= 0.02 * shop.asked
    assert shop.now <= most * floor


def test_a_rush_after_a_quiet_time_is_found_although_nobody_expected_it() -> None:
    quiet = [SINCE + timedelta(hours=i) for i in range(2_000)]
    rush = [UNTIL - timedelta(days=40) + SECOND * (i // 4) for i in range(30_000)]
    shop, seen = read(sorted(quiet + rush))
    assert set(seen) == set(range(32_000))
    assert shop.asked < 1.4 * 32_000 / PER_PAGE
