"""What a shop's API writes as money, units and instants, read exactly or refused with a reason that tells no value."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

from cortex import money
from cortex.errors import BadRecord

STREAM = "store.orders"
MOST_UNITS = 1_000_000
"""More of one thing in one order is a mistake of whoever typed it."""


def bad(reason: str) -> BadRecord:
    """For a caller that knows which record it is: it puts the key in."""
    return BadRecord(STREAM, "", reason)


def amount(value: str | float | None, field: str, currency: str) -> Decimal:
    """Money in the currency's minor unit; absent is zero. Raises BadRecord for no number, NaN, or a negative one."""
    try:
        return _amount(value, currency)
    except BadRecord as failure:
        raise bad(f"{field}{failure.reason}") from None


@lru_cache(maxsize=16384)
def _amount(value: str | float | None, currency: str) -> Decimal:
    """Prices repeat, and so do whole orders of one thing: what was read and judged before is not again."""
    try:
        read = money.amount(value, currency)
    except BadRecord as failure:
        raise bad(f": {failure.reason}") from None
    if read < 0:
        raise bad(" is negative")
    return read


@lru_cache(maxsize=1024)
def units(value: str | float | None) -> int:
    """How many pieces: text or number, whole, 0 to a million. Raises BadRecord."""
    try:
        count = float(value or 0)
    except ValueError:
        raise bad("quantity is not a number") from None
    if not count.is_integer() or not 0 <= count <= MOST_UNITS:
        raise bad("quantity is not a number of units")
    return int(count)


def instant(value: str | None, field: str) -> datetime | None:
    """An instant with its offset (`2022-02-23T12:25:18+0000`), in UTC; None when empty. Raises BadRecord."""
    if not value:
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        raise bad(f"{field} is not an instant") from None
    if read.tzinfo is None:
        raise bad(f"{field} has no offset")
    if not 2000 <= read.year < 2100:
        raise bad(f"{field} is not of our time")
    return read.astimezone(UTC)


def needed(value: str | None, field: str) -> datetime:
    """An instant that must be there. Raises BadRecord."""
    read = instant(value, field)
    if read is None:
        raise bad(f"{field} is missing")
    return read
