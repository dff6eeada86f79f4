"""Google Analytics 4: the visit it credits each order to, sessions by source, and how far visits came (Data API)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

import msgspec
from pydantic import field_validator

from cortex.clock import Window, local_day
from cortex.errors import PlatformError
from cortex.google import CREDENTIALS
from cortex.http import Shifted, persist
from cortex.limits import Limit
from cortex.money import amount
from cortex.records import Account, History, Notice, Reached, Restatement, Sessions, Stage, Touch, Viewed
from cortex.settings import PlatformSection
from cortex.traffic import Traffic
from cortex.traffic._data_api import LIMITS, MOST_REPORTS, DataApi, Layout

ORDERS = Layout(
    "orders",
    (
        "date",
        "transactionId",
        "sessionSource",
        "sessionMedium",
        "sessionCampaignName",
        "sessionCampaignId",
        "sessionDefaultChannelGroup",
        "sessionManualAdContent",
        "deviceCategory",
    ),
    ("purchaseRevenue", "ecommercePurchases"),
)
SESSIONS = Layout(
    "sessions",
    ("date", "sessionSource", "sessionMedium", "sessionCampaignName", "sessionDefaultChannelGroup"),
    ("sessions", "engagedSessions", "totalUsers", "newUsers", "purchaseRevenue"),
)
STAGE_OF: dict[str, Stage] = {
    "session_start": "visit",
    "view_item": "view",
    "add_to_cart": "cart",
    "begin_checkout": "checkout",
    "add_payment_info": "payment",
    "purchase": "purchase",
}
"""By name of the event, as GA4 recommends them to shops."""
FUNNEL = Layout(
    "funnel",
    ("date", "deviceCategory", "sessionSource", "sessionMedium", "sessionDefaultChannelGroup", "eventName"),
    ("eventCount", "sessions"),
    tuple(STAGE_OF),
)
ITEMS = Layout("items", ("date", "itemId"), ("itemsViewed", "itemsAddedToCart", "itemsPurchased"))
CHECK = Layout("check", ("date",), ("sessions",))

AT_ONCE = 4
"""Runs at a time on one property, which answers ten requests at once to everybody who asks."""

OTHER = "(other)"
NO_ITEM = {"", "(not set)", OTHER}
NO_ORDER = {"", "(not set)", "(data not available)", "(other)"}
NOT_SET = "(not set)"

Row = tuple[tuple[str, ...], tuple[str, ...]]
"""Dimension values and metric values, as GA4 writes them."""


class Ga4Section(PlatformSection):
    """`analytics.ga4` of a tenant file."""

    property_id: str

    @field_validator("property_id", mode="before")
    @classmethod
    def _number(cls, told: object) -> str:
        text = str(told).strip()
        if text.upper().startswith(("G-", "GT-", "UA-", "AW-")):
            raise ValueError(
                "is a measurement id; the property id is the number under Admin, Property details, top right"
            )
        if not text.isdecimal():
            raise ValueError("must be the property's number (Admin, Property details, top right), such as 123456789")
        return text

    @field_validator("api_url")
    @classmethod
    def _speaks_http(cls, url: str | None) -> str | None:
        if url and url.startswith("grpc:"):
            raise ValueError("must be https:// (or http:// on loopback)")
        return url


@dataclass
class Quality:
    """What GA4 said about its own answers, over the days of one report."""

    layout: Layout
    days: dict[str, set[date]] = field(default_factory=lambda: defaultdict(set))
    hidden: set[str] = field(default_factory=set)
    sample: float = 1.0
    truncated: set[str] = field(default_factory=set)

    def hear(self, day: date, said: Any) -> None:
        """Take in ResponseMetaData (plain protobuf)."""
        restricted = said.schema_restriction_response.active_metric_restrictions
        self.hidden |= {restriction.metric_name for restriction in restricted}
        self.truncated |= {
            reason.data_truncation_message or "no reason given" for reason in said.data_truncation_reasons
        }
        for sampling in said.sampling_metadatas:
            if sampling.sampling_space_size:
                self.sample = min(self.sample, sampling.samples_read_count / sampling.sampling_space_size)
        for flag, raised in (
            ("thresholding", said.subject_to_thresholding),
            ("other-row", said.data_loss_from_other_row),
            ("sampling", len(said.sampling_metadatas)),
            ("restricted", len(restricted)),
            ("truncation", len(said.data_truncation_reasons)),
        ):
            if raised:
                self.days[flag].add(day)

    def notices(self) -> Iterator[Notice]:
        words = {
            "thresholding": "GA4 held back rows of few people",
            "other-row": "GA4 folded rows beyond its limit into (other)",
            "sampling": f"GA4 counted a sample, {100 * self.sample:.0f} % of events at the least,",
            "restricted": f"GA4 hides {', '.join(sorted(self.hidden))} from this credential: read as zero",
            "truncation": f"GA4 cut attribution data short ({'; '.join(sorted(self.truncated))[:100]})",
        }
        for flag, days in sorted(self.days.items()):
            yield Notice(
                code=f"ga4-{flag}",
                stream="traffic.ga4",
                message=f"{words[flag]} on {len(days)} days from {min(days)} ({self.layout.name}).",
                count=len(days),
                facts={
                    "first": min(days).isoformat(),
                    "share": f"{100 * self.sample:.0f}",
                    "hidden": ", ".join(sorted(self.hidden)),
                    "reasons": "; ".join(sorted(self.truncated))[:100],
                },
            )


@dataclass
class Day:
    """The whole of one report for one day."""

    day: date
    rows: list[Row]
    currency: str


class Ga4(Traffic):
    """One property. Days and money are the property's own."""

    Config = Ga4Section
    config: Ga4Section
    secrets = (CREDENTIALS,)
    docs = "platforms/ga4.md"
    history = History()
    restates = Restatement(daily=4, weekly=14)
    """GA4 processes for up to 48 hours, and its attribution moves for about 12 days."""

    def shared(self) -> tuple[Limit, ...]:
        return (Limit(f"ga4:property:{self.config.property_id}", "account", at_once=AT_ONCE),)

    @cached_property
    def _api(self) -> DataApi:
        return DataApi(
            self.access.secret(CREDENTIALS),
            self.config.property_id,
            self.config.api_url,
            self.access.sleep,
            self.pace,
        )

    def check(self) -> Account:
        today = local_day(self.access.clock(), self.access.timezone)
        said = self._api.reports(CHECK, [today], rows=1)[0].metadata
        return Account(id=self.config.property_id, currency=said.currency_code, timezone=said.time_zone)

    def touches(self, window: Window) -> Iterator[Touch]:
        """The session GA4 credits each order of the window to (its last one that was not direct).

        Purchases that came without a transaction id are counted in a notice: nobody can say which order they are.
        Raises CredentialError, Throttled, Transient or PlatformError.
        """
        lost, value = 0, Decimal(0)
        for found in self._days(window, ORDERS):
            for dimensions, (revenue, bought) in found.rows:
                _, order_id, source, medium, campaign, campaign_id, group, content, device = dimensions
                purchases = int(bought)
                if not purchases:  # a refund, told by whatever visit the refund was made in
                    continue
                if order_id in NO_ORDER:
                    lost, value = lost + purchases, value + amount(revenue, found.currency)
                    continue
                yield Touch(
                    origin="ga4",
                    day=found.day,
                    order_id=order_id,
                    source=_set(source),
                    medium=_set(medium),
                    campaign=_set(campaign),
                    campaign_id=_set(campaign_id),
                    channel_group=_set(group),
                    content=_set(content),
                    device=_set(device),
                )
        if lost:
            self.access.notice(
                Notice(
                    code="ga4-no-transaction-id",
                    stream="traffic.ga4",
                    message=f"GA4 saw {lost} purchases without a transaction id in {window}: they match no order.",
                    count=lost,
                    value=value,
                    facts={"first": window.since.isoformat(), "last": window.last.isoformat()},
                )
            )

    def sessions(self, window: Window) -> Iterator[Sessions]:
        """Sessions per day, source, medium and campaign, with the channel group that holds most of them."""
        for found in self._days(window, SESSIONS):
            yield from _folded(self.config.property_id, found)

    def funnel(self, window: Window) -> Iterator[Reached]:
        """Events of each stage, and the sessions they happened in: an open funnel, each stage counted for itself.

        A session that began its payment with a full cart counts there, whatever it did before. GA4 counts a session
        that two events of one name happened in once; over devices and sources it may be counted again.
        Raises CredentialError, Throttled, Transient or PlatformError.
        """
        lost = 0
        for found in self._days(window, FUNNEL):
            for (_, device, source, medium, group, name), (events, sessions) in found.rows:
                if name == OTHER:
                    lost += int(events)
                    continue
                if name not in STAGE_OF:
                    raise PlatformError("CTX-4307", "GA4 answered with other events than asked.")
                yield Reached(
                    origin="ga4",
                    property_id=self.config.property_id,
                    day=found.day,
                    device=_set(device),
                    source=_set(source),
                    medium=_set(medium),
                    channel_group=_set(group),
                    stage=STAGE_OF[name],
                    sessions=int(sessions),
                    events=int(events),
                )
        if lost:
            self._tell_lost(
                "ga4-no-stage",
                f"GA4 folded {lost} events into (other) in {window}: they are in no stage.",
                lost,
                window,
            )

    def product_views(self, window: Window) -> Iterator[Viewed]:
        """Units looked at, put into carts and bought, by the item id of the shop's tags. Items without one go to a notice."""
        lost = 0
        for found in self._days(window, ITEMS):
            for (_, item_id), (viewed, added, purchased) in found.rows:
                if item_id in NO_ITEM:
                    lost += int(viewed)
                    continue
                yield Viewed(
                    origin="ga4",
                    property_id=self.config.property_id,
                    day=found.day,
                    item_id=item_id,
                    viewed=int(viewed),
                    added=int(added),
                    purchased=int(purchased),
                )
        if lost:
            said = f"GA4 saw {lost} product views without an item id in {window}: they belong to no product."
            self._tell_lost("ga4-no-item-id", said, lost, window)

    def _tell_lost(self, code: str, message: str, count: int, window: Window) -> None:
        facts = {"first": window.since.isoformat(), "last": window.last.isoformat()}
        self.access.notice(Notice(code=code, stream="traffic.ga4", message=message, count=count, facts=facts))

    def _days(self, window: Window, layout: Layout) -> Iterator[Day]:
        """Each day's whole report, the newest five days first; what GA4 says of their quality goes to `access.notice` at the end."""
        quality = Quality(layout)
        for piece in window.chunks(MOST_REPORTS):
            days = list(piece.each_day())
            for day, first in zip(days, self._api.reports(layout, days), strict=True):
                quality.hear(day, first.metadata)
                yield Day(day, self._whole(layout, day, first), first.metadata.currency_code)
        for notice in quality.notices():
            self.access.notice(notice)

    def _whole(self, layout: Layout, day: date, first: Any) -> list[Row]:
        """Every page of a day. When the total moves or a row comes twice, the day is read again from its start."""
        begun = [first]
        return persist(
            lambda: self._pages(layout, day, begun.pop() if begun else None),
            LIMITS,
            only=Shifted,
            sleep=self.access.sleep,
        )

    def _pages(self, layout: Layout, day: date, page: Any) -> list[Row]:
        rows: list[Row] = []
        total = None
        while total is None or len(rows) < total:
            if page is None:
                page = self._api.reports(layout, [day], offset=len(rows))[0]
            if total not in {None, page.row_count} or (page.row_count and not page.rows):
                raise Shifted("CTX-4305", f"GA4's report of {day} changed while it was read.")
            total = page.row_count
            rows += [
                (
                    tuple(cell.value for cell in row.dimension_values),
                    tuple(cell.value for cell in row.metric_values),
                )
                for row in page.rows
            ]
            page = None
        if len({dimensions for dimensions, _ in rows}) != len(rows):
            raise Shifted("CTX-4305", f"GA4 told a row of {day} twice: its pages shifted.")
        if any(dimensions[0] != f"{day:%Y%m%d}" for dimensions, _ in rows):
            raise PlatformError("CTX-4307", "GA4 answered for other days than asked.")
        return rows


def _set(text: str) -> str:
    return "" if text == NOT_SET else text


def _folded(property_id: str, found: Day) -> Iterator[Sessions]:
    """Rows that differ in their channel group only become one: the table's key has no group.

    Their users are added up, which counts a person who came through two groups of one campaign twice.
    """
    groups: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in found.rows:
        _, source, medium, campaign, _ = row[0]
        groups[source.rstrip(), medium.rstrip(), campaign.rstrip()].append(row)
    for (source, medium, campaign), rows in groups.items():
        largest = max(rows, key=lambda row: (int(row[1][0]), row[0]))
        counts = [sum(int(row[1][column]) for row in rows) for column in range(4)]
        yield Sessions(
            property_id=property_id,
            day=found.day,
            source=source,
            medium=medium,
            campaign=campaign,
            channel_group=largest[0][4],
            sessions=counts[0],
            engaged_sessions=counts[1],
            users=counts[2],
            new_users=counts[3],
            revenue=_sum(amount(row[1][4], found.currency) for row in rows),
            currency=found.currency,
            payload=msgspec.json.encode([_named(row) for row in rows]),
        )


def _named(row: Row) -> dict[str, str]:
    return dict(zip((*SESSIONS.dimensions, *SESSIONS.metrics), (*row[0], *row[1]), strict=True))


def _sum(values: Iterable[Decimal]) -> Decimal:
    return sum(values, Decimal(0))
