"""Time as the product means it: instants in UTC, days in the client's own zone, windows half-open."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from cortex.errors import UsageError

Clock = Callable[[], datetime]
"""Gives the present instant, aware, in UTC. Tests and training pass one that stands still."""


def system_clock() -> Clock:
    """The machine's clock, or the instant in CORTEX_NOW (ISO 8601 with offset) when that is set.

    CORTEX_NOW lets training, demos over old orders and tests live on another day; every command says so.
    """
    pretended = os.environ.get("CORTEX_NOW")
    if not pretended:
        return lambda: datetime.now(UTC)
    fixed = _instant(pretended)
    return lambda: fixed


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except ValueError:
        pass
    raise UsageError("CTX-1004", f"CORTEX_NOW={text} is not an ISO 8601 instant with an offset.")


def local_day(instant: datetime, zone: ZoneInfo) -> date:
    """The client's calendar day of an aware instant."""
    return instant.astimezone(zone).date()


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """The first instant whose local date is `day` or later, in UTC.

    Where midnight does not exist (Brazil's DST until 2019, Chile's still) that is the end of the gap. A day that a
    zone left out altogether (Apia, 2011-12-30) starts and ends where the next begins. So days partition the time line.
    """
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    # fold=0 picks the earlier of two midnights; an hour repeated before midnight belongs to the day before.
    instant = midnight.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return instant
    before = midnight.replace(fold=1).astimezone(UTC)  # in a gap, the two readings lie on both sides of it
    while instant - before > timedelta(seconds=1):
        middle = before + (instant - before) // 2
        if local_day(middle, zone) < day:
            before = middle
        else:
            instant = middle
    return instant.replace(microsecond=0)


@dataclass(frozen=True, order=True)
class Window:
    """Half-open tenant-local days: `since <= day < until`."""

    since: date
    until: date

    def __post_init__(self) -> None:
        if self.since >= self.until:
            raise ValueError(f"window {self.since}..{self.until} is empty")

    def __str__(self) -> str:
        return f"{self.since} → {self.last}"

    def __contains__(self, day: date) -> bool:
        return self.since <= day < self.until

    @property
    def last(self) -> date:
        """The last day inside."""
        return self.until - timedelta(days=1)

    @property
    def days(self) -> int:
        return (self.until - self.since).days

    def each_day(self) -> Iterator[date]:
        return (self.since + timedelta(days=i) for i in range(self.days))

    def chunks(self, days: int) -> Iterator[Window]:
        """Pieces of at most `days`, newest first."""
        until = self.until
        while until > self.since:
            since = max(self.since, until - timedelta(days=days))
            yield Window(since, until)
            until = since

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """The same window as UTC instants, half-open."""
        return day_start(self.since, zone), day_start(self.until, zone)

    @classmethod
    def ending(cls, last: date, days: int) -> Window:
        """The `days` days that end with `last`."""
        return cls(last - timedelta(days=days - 1), last + timedelta(days=1))
