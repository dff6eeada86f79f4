"""Reading the query of a Nuvemshop request: which parameters exist, what they may be, and what becomes of the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

STATUSES = ("any", "open", "closed", "cancelled")
PAYMENTS = ("any", "pending", "authorized", "paid", "abandoned", "refunded", "voided")
SHOWN_BY_ANY = ("pending", "authorized", "paid")
"""What the order page says `payment_status=any`, the default, means: the others must be asked for by name."""
SHIPPINGS = ("any", "unpacked", "unfulfilled", "fulfilled")
CHANNELS = ("any", "form", "store", "api", "meli")
SORTS = ("user", "created-at-ascending", "created-at-descending", "best-selling", "alpha-ascending", "name-ascending",
         "alpha-descending", "name-descending", "price-ascending", "price-descending")  # fmt: skip

TIMES = ("created_at_min", "created_at_max", "updated_at_min", "updated_at_max")
LISTED = {"page", "per_page", "fields", "since_id", "q", *TIMES}
ALLOWED: dict[str, set[str]] = {
    "orders": LISTED | {"status", "payment_status", "shipping_status", "channels", "total_min", "total_max",
                        "customer_ids", "app_id", "aggregates"},
    "products": LISTED | {"handle", "category_id", "published", "free_shipping", "min_stock", "max_stock", "sort_by", "language"},
    "customers": LISTED,
    "checkouts": LISTED,
    "store": {"fields"},
    "one": {"fields", "aggregates"},
}  # fmt: skip
WORDS = {"status": STATUSES, "payment_status": PAYMENTS, "shipping_status": SHIPPINGS, "channels": CHANNELS,
         "published": ("true", "false"), "free_shipping": ("true", "false"), "sort_by": SORTS}  # fmt: skip
MOST_PER_PAGE = 200
INSTANT = re.compile(r"^(\d{4}-\d{2}-\d{2})(?:T(\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(Z|[+-]\d{2}:?\d{2})?)?$")


class Refused(Exception):
    """A parameter the platform would not take: 422 with its name."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} {why}")
        self.field, self.why = name, why


@dataclass
class Query:
    """A query that has been understood. Instants in epoch seconds, money in cents."""

    page: int = 1
    per_page: int = 30
    fields: tuple[str, ...] = ()
    words: dict[str, str] = field(default_factory=dict)
    times: dict[str, float] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    customers: frozenset[int] | None = None
    text: str = ""
    handle: str = ""

    def cut(self, item: dict[str, Any]) -> dict[str, Any]:
        """The item with only the fields asked for."""
        return {name: item[name] for name in self.fields if name in item} if self.fields else item


def read_query(pairs: list[tuple[str, str]], resource: str) -> Query:
    """Understand a query or raise Refused. Of a repeated parameter the last value counts, as in PHP."""
    allowed, query = ALLOWED[resource], Query()
    for name, value in dict(pairs).items():
        if name not in allowed:
            raise Refused(name, "is not a parameter of this resource")
        _read_one(query, name, value)
    return query


def _read_one(query: Query, name: str, value: str) -> None:
    if name == "page":
        query.page = _whole(name, value, 1, 10**6)
    elif name == "per_page":
        query.per_page = _whole(name, value, 1, MOST_PER_PAGE)
    elif name in TIMES:
        query.times[name] = instant(name, value)
    elif name == "fields":
        query.fields = tuple(part.strip() for part in value.split(",") if part.strip())
    elif name in WORDS:
        if value not in WORDS[name]:
            raise Refused(name, f"is not one of {', '.join(WORDS[name])}")
        query.words[name] = value
    elif name in {"total_min", "total_max"}:
        query.numbers[name] = _cents(name, value)
    elif name == "customer_ids":
        query.customers = frozenset(_whole(name, part, 0, 10**15) for part in value.split(","))
    elif name == "q":
        query.text = value.strip().lower()
    elif name == "handle":
        query.handle = value
    elif name not in {"language", "aggregates"}:
        query.numbers[name] = _whole(name, value, 0, 10**15)


def _whole(name: str, value: str, least: int, most: int) -> int:
    if not re.fullmatch(r"\d{1,16}", value):
        raise Refused(name, "is not a whole number")
    number = int(value)
    if not least <= number <= most:
        raise Refused(name, f"must be between {least} and {most}")
    return number


def _cents(name: str, value: str) -> int:
    try:
        return int(Decimal(value) * 100)
    except (InvalidOperation, ValueError, OverflowError):
        raise Refused(name, "is not a number") from None


def instant(name: str, value: str) -> float:
    """An ISO 8601 instant in epoch seconds.

    Without an offset it is taken as UTC, so that a client that sends its wall time gets the wrong day. A plus sign
    that was not escaped arrives as a blank and is refused. A bare date is its first moment.
    """
    match = INSTANT.match(value)
    if match is None:
        raise Refused(name, "is not an ISO 8601 date")
    day, clock, offset = match.groups()
    try:
        if clock is None:
            return datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC).timestamp()
        return datetime.fromisoformat(f"{day}T{clock}{(offset or 'Z').replace('Z', '+00:00')}").timestamp()
    except (ValueError, OverflowError):
        raise Refused(name, "is not an ISO 8601 date") from None
