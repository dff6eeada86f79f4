"""GA4's BigQuery export: every visit before an order, and the journeys that led to none, as counts of paths."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from itertools import chain
from typing import Any

import msgspec
from pydantic import Field, field_validator

from cortex.clock import Window, local_day
from cortex.errors import PlatformError
from cortex.google import CREDENTIALS
from cortex.limits import Limit
from cortex.records import Account, Clicks, History, Notice, Reached, Restatement, Touch, Viewed, Walked, WalkedStep
from cortex.settings import PlatformSection
from cortex.traffic import Traffic
from cortex.traffic import _export_funnel as way
from cortex.traffic._bigquery import BigQuery
from cortex.traffic._export import COLUMNS, MOST_DAYS, QUERY, QUIET_DAYS

DAILY = re.compile(r"events_(\d{8})")
INTRADAY = re.compile(r"events_intraday_(\d{8})")
GIGABYTE = 1 << 30
NOT_SET = ("(not set)", "(direct)", "(none)")
Answer = list[dict[str, Any]]


class Ga4BigQuerySection(PlatformSection):
    """`analytics.ga4_bigquery` of a tenant file."""

    project: str = Field(pattern=r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$")
    """Cloud project that holds the export and pays for the queries."""
    property_id: str
    """Number of the property: its dataset is analytics_<number>."""
    location: str = Field("US", pattern=r"^[A-Za-z][A-Za-z0-9-]{1,40}$")
    """Where the dataset is, as chosen when GA4 was linked."""
    lookback_days: int = Field(30, ge=1, le=90)
    """Days before an order in which visits are looked for; no fewer than attribution.window_days."""
    max_gb_per_query: int = Field(20, ge=1, le=10_000)
    """BigQuery refuses a query that would bill more GiB than this."""

    @field_validator("property_id", mode="before")
    @classmethod
    def _number(cls, told: object) -> str:
        text = str(told).strip().removeprefix("analytics_")
        if not text.isdecimal():
            raise ValueError("must be the property's number, as in the name of its dataset analytics_123456789")
        return text


@dataclass(frozen=True)
class Tables:
    """Days the export has a table for."""

    daily: frozenset[date]
    intraday: frozenset[date]

    def streamed(self, window: Window) -> list[date]:
        """Days that only the streaming export knows yet."""
        return sorted(day for day in self.intraday - self.daily if day in window)

    def missing(self, window: Window) -> list[date]:
        """Days inside what was exported that have no table of either kind."""
        known = self.daily | self.intraday
        if not known:
            return list(window.each_day())
        return [day for day in window.each_day() if min(known) <= day <= max(known) and day not in known]


@dataclass
class Told:
    """The answer about one window."""

    window: Window
    touches: list[Touch] = field(default_factory=list)
    walked: list[Walked] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


@dataclass
class Way:
    """The answer about the way to a sale in one window."""

    window: Window
    reached: list[Reached] = field(default_factory=list)
    viewed: list[Viewed] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


class Ga4BigQuery(Traffic):
    """One property's export. Days are the property's own; it tells no sessions: `ga4` does, by GA4's own count."""

    Config = Ga4BigQuerySection
    config: Ga4BigQuerySection
    secrets = (CREDENTIALS,)
    docs = "platforms/ga4-bigquery.md"
    history = History()
    restates = Restatement(daily=QUIET_DAYS + 4, weekly=QUIET_DAYS + 7)
    """Late hits are merged for 72 hours, and a journey without an order is over only after QUIET_DAYS."""

    def shared(self) -> tuple[Limit, ...]:
        return (Limit(f"bigquery:{self.config.project}", "account", at_once=4),)

    @property
    def _dataset(self) -> str:
        return f"{self.config.project}.analytics_{self.config.property_id}"

    @cached_property
    def _api(self) -> BigQuery:
        return BigQuery(
            self.access.secret(CREDENTIALS),
            self.config.project,
            self.config.location,
            self.config.api_url,
            self.access.sleep,
            self.pace,
        )

    def check(self) -> Account:
        """The dataset's place, its newest table, and what a daily run would read. Raises PlatformError when that is too much."""
        place = self._api.location(self._dataset)
        if place.upper() != self.config.location.upper():
            raise PlatformError(
                "CTX-4504",
                f"The dataset is in {place}, not in {self.config.location}.",
                fix=f'Write location: "{place}" under analytics.ga4_bigquery.',
            )
        found = self._tables()
        today = local_day(self.access.clock(), self.access.timezone)
        window = Window(today - timedelta(days=self.restates.daily), today)
        sizes = (
            self._api.estimate(self._query, self._parameters(window, found)),
            self._api.estimate(self._way_query, _days_read(window, found)),
        )
        if max(sizes) > self.config.max_gb_per_query * GIGABYTE:
            raise PlatformError(
                "CTX-4505",
                f"A query of a daily run would read {max(sizes) / GIGABYTE:.1f} GiB; the client file allows"
                f" {self.config.max_gb_per_query}.",
                fix="Raise analytics.ga4_bigquery.max_gb_per_query, or lower lookback_days.",
            )
        newest = max(found.daily).isoformat() if found.daily else "none"
        note = f"newest daily table {newest}; a daily run reads about {sum(sizes) / (1 << 20):.0f} MiB"
        return Account(id=self.config.property_id, note=note)

    def touches(self, window: Window) -> Iterator[Touch]:
        """Every visit known before each order of the window, that of the purchase included; `day` is the order's.

        Orders are those GA4 saw a purchase of with a transaction id; an id told twice counts where it was told first.
        Raises CredentialError, Throttled, Transient or PlatformError.
        """
        told = self._told(window)
        for notice in told.notices:
            self.access.notice(notice)
        yield from told.touches

    def journeys(self, window: Window) -> Iterator[Walked]:
        """How many journeys ended on each day of the window after the same visits, and how many of them in an order.

        A journey is what one browser did until it bought, or until it stayed away for QUIET_DAYS; days for which
        nobody can know that yet are left out, orders and all. No visitor is told apart in it.
        """
        yield from self._told(window).walked

    def funnel(self, window: Window) -> Iterator[Reached]:
        """Sessions by how far they came: a closed funnel, each stage after the one before it, by the day they began on.

        The form for the payment may be skipped, and a stage no event of the day tells of closes the way for nobody.
        `events` counts what happened in any order; an order told twice is one. Visitors without consent go to a notice.
        Raises CredentialError, Throttled, Transient or PlatformError.
        """
        told = self._way(window)
        for notice in told.notices:
            self.access.notice(notice)
        yield from told.reached

    def product_views(self, window: Window) -> Iterator[Viewed]:
        """Units looked at, put into carts and bought, by the item id of the shop's tags, whoever consented or not."""
        yield from self._way(window).viewed

    def _way(self, window: Window) -> Way:
        """As `_told`: one answer for both."""
        known: Way | None = getattr(self, "_last_way", None)
        if known is None or known.window != window:
            known = self._last_way = self._read_way(window)
        return known

    def _read_way(self, window: Window) -> Way:
        found, told = self._tables(), Way(window)
        query = self._way_query
        by_kind = self._by_kind(
            window, (self._ask(query, way.COLUMNS, _days_read(piece, found)) for piece in window.chunks(MOST_DAYS))
        )
        told.reached = [self._reached(row) for row in by_kind["stage"]]
        told.viewed = [self._viewed(row) for row in by_kind["item"]]
        told.notices = [*_gaps(found, window, of=" (funnel)"), *_unseen(by_kind, window)]
        return told

    def _reached(self, row: dict[str, Any]) -> Reached:
        return Reached(
            origin="ga4_bigquery",
            property_id=self.config.property_id,
            day=_day(row["day"]),
            device=row["device"],
            source=_set(row["source"]),
            medium=_set(row["medium"]),
            channel_group=_set(row["channel_group"]),
            stage=row["stage"],
            sessions=row["sessions"],
            events=row["events"],
        )

    def _viewed(self, row: dict[str, Any]) -> Viewed:
        counts = {name: row[name] for name in ("item_id", "viewed", "added", "purchased")}
        return Viewed(origin="ga4_bigquery", property_id=self.config.property_id, day=_day(row["day"]), **counts)

    def _ask(self, query: str, columns: Sequence[str], parameters: Mapping[str, str | int | Sequence[str]]) -> Answer:
        rows = self._api.rows(query, parameters, most_bytes=self.config.max_gb_per_query * GIGABYTE)
        if any(set(row) != set(columns) for row in rows):
            raise PlatformError("CTX-4507", "BigQuery answered with other columns than asked.")
        return rows

    def _by_kind(self, window: Window, answers: Iterable[Answer]) -> dict[str, Answer]:
        by_kind: dict[str, Answer] = defaultdict(list)
        for row in chain.from_iterable(answers):
            if _day(row["day"]) not in window:
                raise PlatformError("CTX-4507", "BigQuery answered for other days than asked.")
            by_kind[row["kind"]].append(row)
        return by_kind

    def _told(self, window: Window) -> Told:
        """Both questions have one answer: a query that is paid for is asked once."""
        known: Told | None = getattr(self, "_last", None)
        if known is None or known.window != window:
            known = self._last = self._read(window)
        return known

    def _read(self, window: Window) -> Told:
        found, told = self._tables(), Told(window)
        by_kind = self._by_kind(
            window,
            (self._ask(self._query, COLUMNS, self._parameters(piece, found)) for piece in window.chunks(MOST_DAYS)),
        )
        told.touches = [_touch(row) for row in by_kind["touch"]]
        told.walked = [_walked(row) for row in by_kind["path"]]
        told.notices = [*_gaps(found, window), *_lost(by_kind, window)]
        return told

    @property
    def _query(self) -> str:
        return QUERY.format(events=f"{self._dataset}.events_*")

    @property
    def _way_query(self) -> str:
        return way.QUERY.format(events=f"{self._dataset}.events_*")

    def _tables(self) -> Tables:
        names = self._api.tables(self._dataset)
        return Tables(_days(names, DAILY), _days(names, INTRADAY))

    def _parameters(self, window: Window, found: Tables) -> dict[str, str | int | Sequence[str]]:
        """Every value of the question. A day that streams is not over: the journeys settle up to the newest daily table."""
        read = Window(
            window.since - timedelta(days=self.config.lookback_days),
            window.until + timedelta(days=QUIET_DAYS),
        )
        newest = max(found.daily, default=window.since)
        return {
            "since": f"{window.since:%Y%m%d}",
            "until": f"{window.last:%Y%m%d}",
            "settled": f"{newest - timedelta(days=QUIET_DAYS):%Y%m%d}",
            "first": f"{read.since:%Y%m%d}",
            "last": f"{read.last:%Y%m%d}",
            "intraday": [f"intraday_{day:%Y%m%d}" for day in found.streamed(read)],
            "lookback_days": self.config.lookback_days,
            "quiet_days": QUIET_DAYS,
        }


def _days_read(window: Window, found: Tables) -> dict[str, str | int | Sequence[str]]:
    """Values of the question about the way to a sale. A session may begin the day before and end the day after."""
    read = Window(window.since - timedelta(days=1), window.until + timedelta(days=1))
    return {
        "since": f"{window.since:%Y%m%d}",
        "until": f"{window.last:%Y%m%d}",
        "first": f"{read.since:%Y%m%d}",
        "last": f"{read.last:%Y%m%d}",
        "intraday": [f"intraday_{day:%Y%m%d}" for day in found.streamed(read)],
    }


def _days(names: Iterable[str], kind: re.Pattern[str]) -> frozenset[date]:
    return frozenset(_day(match[1]) for name in names if (match := kind.fullmatch(name)))


def _day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()


def _touch(row: dict[str, Any]) -> Touch:
    return Touch(
        origin="ga4_bigquery",
        occurred_at=datetime.fromtimestamp(row["moment"] / 1e6, UTC),
        day=_day(row["day"]),
        order_id=row["order_id"],
        source=_set(row["source"]),
        medium=_set(row["medium"]),
        campaign=_set(row["campaign"]),
        campaign_id=_set(row["campaign_id"]),
        content=_set(row["content"]),
        channel_group=_set(row["channel_group"]),
        clicks=Clicks(**{name: row[name] for name in ("gclid", "gbraid", "wbraid", "fbclid", "ttclid", "msclkid")}),
        landing_page=row["page"],
        device=row["device"],
    )


def _walked(row: dict[str, Any]) -> Walked:
    try:
        steps = msgspec.json.decode(row["path"], type=list[WalkedStep])
    except msgspec.MsgspecError:
        raise PlatformError("CTX-4507", "BigQuery answered with a path that cannot be read.") from None
    cleaned = tuple(
        WalkedStep(_set(step.source), _set(step.medium), _set(step.channel_group), step.click) for step in steps
    )
    return Walked("ga4_bigquery", _day(row["day"]), cleaned, row["journeys"], row["orders"])


def _set(text: str) -> str:
    return "" if text in NOT_SET else text


def _gaps(found: Tables, window: Window, *, of: str = "") -> Iterator[Notice]:
    for code, days, said in (
        ("ga4bq-streamed", found.streamed(window), "only the streaming export, which is not complete, has"),
        ("ga4bq-missing", found.missing(window), "no table of the export has"),
    ):
        if days:
            yield _notice(code, f"{len(days)} days from {days[0]}: {said} them{of}.", len(days), days)


def _lost(by_kind: dict[str, Answer], window: Window) -> Iterator[Notice]:
    hidden, unnamed = Counter[str](), 0
    for row in by_kind["hidden"]:
        hidden["events"] += row["journeys"]
        hidden["orders"] += row["orders"]
    unnamed = sum(row["orders"] for row in by_kind["unnamed"])
    ends = [window.since, window.last]
    if hidden["events"]:
        said = f"{hidden['events']} events ({hidden['orders']} purchases) of visitors without consent in {window}: they make no journey."
        yield _notice("ga4bq-no-consent", said, hidden["events"], ends, purchases=str(hidden["orders"]))
    if unnamed:
        said = f"{unnamed} purchases without a transaction id in {window}: they match no order."
        yield _notice("ga4bq-no-transaction-id", said, unnamed, ends)


def _unseen(by_kind: dict[str, Answer], window: Window) -> Iterator[Notice]:
    hidden = sum(row["events"] for row in by_kind["hidden"])
    unnamed = sum(row["viewed"] for row in by_kind["unnamed"])
    ends = [window.since, window.last]
    if hidden:
        said = f"{hidden} events of visitors without consent in {window}: they are in no stage of the funnel."
        yield _notice("ga4bq-funnel-no-consent", said, hidden, ends)
    if unnamed:
        said = f"{unnamed} product views without an item id in {window}: they belong to no product."
        yield _notice("ga4bq-no-item-id", said, unnamed, ends)


def _notice(code: str, message: str, count: int, days: Sequence[date], **facts: str) -> Notice:
    ends = {"first": days[0].isoformat(), "last": days[-1].isoformat()}
    return Notice(code=code, stream="traffic.ga4_bigquery", message=message, count=count, facts={**ends, **facts})
