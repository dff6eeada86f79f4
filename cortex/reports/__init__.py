"""Reports: figures in, one self-contained page out. Knows neither tenants nor databases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from cortex.reports.funnel import Level

Kind = Literal["money", "count", "ratio"]
Better = Literal["up", "down", "neither"]


@dataclass(frozen=True)
class Figure:
    """A key figure with that of the period before. None means it cannot be known; `why_not` says why."""

    key: str
    value: Decimal | None
    before: Decimal | None
    kind: Kind
    better: Better
    series: Sequence[float] = ()
    why_not: str = ""

    @property
    def change(self) -> Decimal | None:
        """Relative change, None when there is nothing to compare with."""
        if self.value is None or not self.before:
            return None
        return (self.value - self.before) / abs(self.before)


@dataclass(frozen=True)
class Day:
    day: date
    revenue: Decimal
    before: Decimal | None
    """Revenue of the same position in the period before."""
    orders: int
    spend: Decimal | None


@dataclass(frozen=True)
class Channel:
    """One channel: what each model credits it with, and what it cost."""

    channel: str
    revenue: Mapping[str, Decimal]
    orders: Decimal
    new_customers: Decimal
    spend: Decimal | None
    claimed: Decimal | None
    """Revenue the platform claims for itself."""


@dataclass(frozen=True)
class Cohort:
    """Customers by month of their first paid order; revenue per customer, cumulated. None: the month is not over."""

    month: date
    customers: int
    repeat: Decimal
    """Share with more than one order so far."""
    ltv: Sequence[Decimal | None]


@dataclass(frozen=True)
class Delivery:
    destination: str
    state: str
    reason: str
    count: int
    value: Decimal


@dataclass(frozen=True)
class Product:
    name: str
    units: int
    revenue: Decimal
    conversion: Decimal | None = None
    """Units bought of those looked at; None where no source tells of views."""


@dataclass(frozen=True)
class Funnel:
    """How far the period's visits came, as one source counts them."""

    origin: str
    levels: Sequence[Level]
    devices: Sequence[tuple[str, Decimal | None]]
    """Share of each device's visits that led to a purchase, most visits first."""
    notes: Sequence[str]


@dataclass(frozen=True)
class Report:
    client: str
    currency: str
    lang: str
    since: date
    last: date
    before_since: date
    before_last: date
    made_at: datetime
    data_until: date | None
    timezone: str
    figures: Sequence[Figure]
    days: Sequence[Day]
    channels: Sequence[Channel]
    models: Sequence[str]
    cohorts: Sequence[Cohort]
    deliveries: Sequence[Delivery]
    products: Sequence[Product] = ()
    views_from: str = ""
    """Which source counts the views of products; empty where none does."""
    funnel: Funnel | None = None
    notices: Sequence[str] = field(default_factory=tuple)
    pretended: bool = False
    """Made under CORTEX_NOW."""
