"""What a shop's own orders say, worked out from the platform's JSON alone: what every figure of ours is held against."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from cortex.sandbox.market import Shop

ZONE = ZoneInfo("America/Sao_Paulo")
ZERO = Decimal(0)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=ZONE).astimezone(UTC)


@dataclass(frozen=True)
class Sale:
    """One order of the shop, in words of its own."""

    wire: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.wire["id"])

    @property
    def created(self) -> datetime:
        return instant(self.wire["created_at"])

    @property
    def updated(self) -> datetime:
        return instant(self.wire["updated_at"])

    @property
    def returned(self) -> bool:
        return self.wire["payment_status"] == "refunded" or (
            self.wire["payment_status"] == "voided" and bool(self.wire["paid_at"])
        )

    @property
    def counts(self) -> bool:
        """Money arrived, and where the order was cancelled it is known to have gone back."""
        if self.returned:
            return True
        return self.wire["payment_status"] == "paid" and self.wire["status"] != "cancelled"

    @property
    def paid(self) -> Decimal:
        if not self.counts:
            return ZERO
        return Decimal(self.wire["total_paid"]) or Decimal(self.wire["total"])

    @property
    def refunded(self) -> Decimal:
        return self.paid if self.returned else ZERO

    @property
    def net(self) -> Decimal:
        return self.paid - self.refunded

    @property
    def paid_day(self) -> date:
        return instant(self.wire["paid_at"] or self.wire["created_at"]).astimezone(ZONE).date()

    @property
    def refund_day(self) -> date:
        """The day of the cancellation, else of the last change: the shop tells no other."""
        return instant(self.wire["cancelled_at"] or self.wire["updated_at"]).astimezone(ZONE).date()

    @property
    def consent(self) -> str:
        said = self.wire["extra"].get("ctx_consent", "") if isinstance(self.wire["extra"], dict) else ""
        return said.partition(";")[0] or "unknown"

    def owed(self, now: datetime) -> bool:
        """Whether a destination should be told of it, its window left aside."""
        return (
            self.counts
            and self.net > 0
            and self.wire["status"] != "cancelled"
            and self.wire["storefront"] != "meli"
            and self.consent == "granted"
            and self.created <= now
        )

    def has(self, *clicks: str) -> bool:
        """Whether the order knows one of these click ids: in what the kit wrote, or in the link of the visit."""
        extra = self.wire["extra"] if isinstance(self.wire["extra"], dict) else {}
        link = self.wire.get("landing_url") or ""
        return any(extra.get(f"ctx_{name}") or f"{name}=" in link for name in clicks)


def sales(shop: Shop, now: datetime, *, since: date | None = None) -> list[Sale]:
    """The orders as they stand at `now`; with `since` only those that changed on that day or later."""
    every = [Sale(wire) for wire in shop.orders_at(now)]
    return [sale for sale in every if since is None or sale.updated >= midnight(since)]


def today(now: datetime) -> date:
    return now.astimezone(ZONE).date()


def read_by_backfill(shop: Shop, now: datetime, days: int) -> list[Sale]:
    """The orders a backfill of so many days brings, as they stand now."""
    return sales(shop, now, since=today(now) - timedelta(days=days))


def gross(found: Iterable[Sale]) -> Decimal:
    return sum((sale.paid for sale in found), ZERO)


def refunds(found: Iterable[Sale]) -> Decimal:
    return sum((sale.refunded for sale in found), ZERO)


def due(
    found: Iterable[Sale], now: datetime, *, click: timedelta, identifiers: timedelta, ids: tuple[str, ...]
) -> dict[str, Decimal]:
    """Order id -> value of what a destination with these windows should have been told."""
    return {
        sale.id: sale.net
        for sale in found
        if sale.owed(now) and now - sale.created <= (click if sale.has(*ids) else identifiers)
    }


META = {"click": timedelta(days=7), "identifiers": timedelta(days=7), "ids": ("fbclid", "fbc")}
GOOGLE = {"click": timedelta(days=90), "identifiers": timedelta(days=63), "ids": ("gclid", "gbraid", "wbraid")}
