"""Meta Ads: what each ad cost on each day, and the purchases Meta claims for it (Graph API insights)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Struct, field
from pydantic import field_validator

from cortex.ads import AdPlatform
from cortex.ads._graph import LIMITS, Graph, TooMuch
from cortex.ads._remainder import beyond, unowned
from cortex.ads._trust import recorded, shaped
from cortex.clock import Window, local_day
from cortex.errors import PlatformError, Transient
from cortex.http import Shifted, persist
from cortex.limits import Limit, app_of
from cortex.money import amount
from cortex.records import Account, AdSpend, History, Notice, Restatement
from cortex.settings import PlatformSection, SecretName

TOKEN = SecretName("META_TOKEN", "Meta system user token with ads_read")
APP_SECRET = SecretName("META_APP_SECRET", "secret of the Meta app, where the app demands proof of it")

CLICK_WINDOWS = ("1d_click", "7d_click", "28d_click")
WINDOWS = (*CLICK_WINDOWS, "1d_view", "1d_ev")
"""What Meta still returns: 7d_view and 28d_view ended on 2026-01-12, though the SDK's own list has them."""

DEFAULT_PURCHASE = "omni_purchase"

Level = Literal["ad", "campaign", "account"]
IDENTITY: dict[Level, tuple[str, ...]] = {
    "account": (),
    "campaign": ("campaign_id", "campaign_name"),
    "ad": ("campaign_id", "campaign_name", "adset_id", "adset_name", "ad_id", "ad_name"),
}
MEASURES = ("account_id", "account_currency", "impressions", "reach", "clicks", "spend", "actions", "action_values")

STREAM = "ads.meta"
PIECE_DAYS = 7
SYNC_DAYS = 28
"""Longer windows are read through reports that Meta prepares: big accounts time out while one waits."""
PAGE, SMALLEST_PAGE = 500, 100
REPORTS_AT_ONCE = 8
APP_AT_ONCE = 8
"""Runs at a time through one app: its hourly budget (app_id_util_pct) is all clients' together."""
REPORT_PAUSES = (2.0, 3.0, 5.0, 8.0, 13.0, 20.0) + (30.0,) * 118
"""Seconds between looks at a report: an hour in all."""
REPORT_FIELDS = "async_status,async_percent_completion,error_code,error_subcode,error_message"

STATES = {
    2: "the account is disabled",
    3: "the account has an unpaid bill",
    7: "the account is under review",
    8: "the account has a pending payment",
    9: "the account has an unpaid bill (in grace period)",
    100: "the account is being closed",
    101: "the account is closed",
}
"""account_status as the Ad Account page of the Marketing API lists it."""


class MetaSection(PlatformSection):
    """`ads.meta` of a tenant file."""

    account_id: str
    purchase_action_type: str = DEFAULT_PURCHASE
    """Which of Meta's nested purchase kinds counts; adding them up would count an order several times."""
    attribution_windows: tuple[str, ...] = ()
    """Count claimed purchases in these windows; left out, in each ad set's own setting, as the Ads Manager shows."""

    @field_validator("account_id", mode="before")
    @classmethod
    def _with_prefix(cls, told: object) -> str:
        text = str(told).strip()
        if text.isdecimal():
            raise ValueError(f"must start with act_: did you mean act_{text}?")
        if not text.removeprefix("act_").isdecimal() or not text.startswith("act_"):
            raise ValueError("must start with act_ and end with the account's number, such as act_123456789")
        return text

    @field_validator("attribution_windows")
    @classmethod
    def _still_returned(cls, windows: tuple[str, ...]) -> tuple[str, ...]:
        if set(windows) - set(WINDOWS) or len(set(windows)) < len(windows):
            raise ValueError(f"must be some of {', '.join(WINDOWS)}, each once (Meta dropped 7d_view and 28d_view)")
        if len(set(windows) & set(CLICK_WINDOWS)) > 1:
            raise ValueError("may name one click window: a longer one includes the shorter ones")
        return windows


class Row(Struct, frozen=True):
    """One row of insights. Numbers are texts; absent means zero."""

    date_start: date
    account_id: str
    account_currency: str | None = ""
    campaign_id: str = ""
    campaign_name: str | None = ""
    adset_id: str = ""
    adset_name: str | None = ""
    ad_id: str = ""
    ad_name: str | None = ""
    impressions: str | int | None = 0
    reach: str | int | None = 0
    clicks: str | int | None = 0
    spend: str | int | float | None = 0
    actions: list[dict[str, Any]] | None = None
    action_values: list[dict[str, Any]] | None = None


class Cursors(Struct, frozen=True):
    after: str = ""


class Paging(Struct, frozen=True):
    cursors: Cursors = field(default_factory=Cursors)
    next: str = ""


class Page(Struct, frozen=True):
    data: list[msgspec.Raw] | None = None
    paging: Paging = field(default_factory=Paging)


class Started(Struct, frozen=True):
    report_run_id: str


class Report(Struct, frozen=True):
    async_status: str = ""
    async_percent_completion: int = 0
    error_code: int = 0
    error_subcode: int = 0
    error_message: str = ""


class AccountNode(Struct, frozen=True):
    id: str
    currency: str
    timezone_name: str
    name: str = ""
    account_status: int = 1


class Meta(AdPlatform):
    """One ad account. Spend is in the account's currency and on the account's own days."""

    Config = MetaSection
    config: MetaSection
    secrets = (TOKEN,)
    docs = "platforms/meta.md"
    history = History(days=1123)
    """37 months, which are never fewer days than these."""
    restates = Restatement(daily=7, weekly=28)
    """Most claims arrive in three days, the last ones with the 28-day click window."""

    _page = PAGE

    def shared(self) -> tuple[Limit, ...]:
        secret = self.access.vault.find(*APP_SECRET.names)
        return (
            Limit(f"meta:account:{self.config.account_id}", "account", at_once=1),
            Limit(f"meta:app:{app_of(secret.reveal() if secret else None)}", "app", at_once=APP_AT_ONCE),
        )

    """Rows asked for at once; smaller for this account after Meta found it too much."""

    @cached_property
    def _graph(self) -> Graph:
        return Graph(
            self.access.secret(TOKEN),
            self.access.vault.find(*APP_SECRET.names),
            self.config.api_url,
            self.access.sleep,
            pace=self.pace,
        )

    @cached_property
    def _account(self) -> AccountNode:
        params = {"fields": "id,name,currency,timezone_name,account_status"}
        return self._graph.ask("GET", (self.config.account_id,), params, AccountNode)

    def check(self) -> Account:
        found = self._account
        return Account(
            id=found.id,
            name=found.name,
            currency=found.currency,
            timezone=found.timezone_name,
            note=STATES.get(found.account_status, ""),
        )

    def spend(self, window: Window) -> Iterator[AdSpend]:
        """Ad-days, and what the account spent beyond them: Meta lists no deleted ads, and rounds each row.

        Raises CredentialError, Throttled, Transient or PlatformError.
        """
        reachable = self._reachable(window)
        if reachable is None:
            return
        for piece, rows in self._ad_rows(reachable):
            ads = self._recorded(rows, "ad")
            yield from ads
            yield from self._beyond(piece, ads)

    def _reachable(self, window: Window) -> Window | None:
        """The window without the days Meta has forgotten; a notice says how many those are."""
        assert self.history.days is not None
        first = local_day(self.access.clock(), ZoneInfo(self._account.timezone_name)) - timedelta(self.history.days)
        lost = min(max(0, (first - window.since).days), window.days)
        if lost:
            self.access.notice(
                Notice(
                    code="history",
                    stream=STREAM,
                    message=f"{lost} days before {first} were not read: Meta keeps 37 months.",
                    count=lost,
                    facts={"first": first.isoformat()},
                )
            )
        return Window(max(first, window.since), window.until) if lost < window.days else None

    def _ad_rows(self, window: Window) -> Iterator[tuple[Window, list[Row]]]:
        pieces = list(window.chunks(PIECE_DAYS))
        if window.days <= SYNC_DAYS:
            for piece in pieces:
                yield piece, self._rows(piece, "ad")
            return
        for first in range(0, len(pieces), REPORTS_AT_ONCE):
            started = [(piece, self._start(piece)) for piece in pieces[first : first + REPORTS_AT_ONCE]]
            for piece, number in started:
                yield piece, self._reported(piece, number)

    def _rows(self, piece: Window, level: Level) -> list[Row]:
        """The rows of a piece, asked for in smaller and smaller pieces where Meta wants that, at last as a report."""
        self._graph.breathe()
        try:
            return self._listed(piece, (self.config.account_id, "insights"), self._question(piece, level))
        except TooMuch:
            if piece.days == 1:
                return self._reported(piece, self._start(piece, level), level)
        return [row for half in _halves(piece) for row in self._rows(half, level)]

    def _question(self, piece: Window, level: Level) -> dict[str, Any]:
        question: dict[str, Any] = {
            "level": level,
            "time_range": {"since": piece.since.isoformat(), "until": piece.last.isoformat()},
            "time_increment": 1,
            "fields": ",".join((*IDENTITY[level], *MEASURES)),
            "action_breakdowns": ["action_type"],
        }
        if self.config.attribution_windows:
            question["action_attribution_windows"] = list(self.config.attribution_windows)
        return question

    def _listed(self, piece: Window, path: tuple[str, ...], question: Mapping[str, Any]) -> list[Row]:
        """Every page of a list, read again from the start when a page cannot be right, in smaller pages when asked."""
        while True:
            try:
                return persist(
                    lambda: self._pages(piece, path, question),
                    LIMITS,
                    attempts=3,
                    only=Shifted,
                    sleep=self.access.sleep,
                )
            except TooMuch:
                if self._page <= SMALLEST_PAGE:
                    raise
                self._page = max(SMALLEST_PAGE, self._page // 2)

    def _pages(self, piece: Window, path: tuple[str, ...], question: Mapping[str, Any]) -> list[Row]:
        """Follows cursors while there is a next page. A page may be empty in the middle (the SDK's cursor stops there)."""
        rows: list[Row] = []
        followed: set[str] = set()
        after: dict[str, str] = {}
        while True:
            page = self._graph.ask("GET", path, {**question, "limit": self._page, **after}, Page)
            if page.data is None:
                raise Shifted("CTX-4109", "Meta's answer holds no list of rows.")
            rows += shaped(page.data, Row, STREAM, self.access.quarantine)
            if not page.paging.next:
                self._trust(piece, rows)
                return rows
            after = {"after": page.paging.cursors.after}
            if after["after"] in followed:
                raise Shifted("CTX-4109", "Meta's pages go in a circle.")
            followed.add(after["after"])

    def _trust(self, piece: Window, rows: Iterable[Row]) -> None:
        seen: set[tuple[date, str, str]] = set()
        for row in rows:
            key = (row.date_start, row.campaign_id, row.ad_id)
            if key in seen:
                raise Shifted("CTX-4109", f"Meta told {row.date_start} of the same ad twice: its pages shifted.")
            seen.add(key)
            if row.date_start not in piece or f"act_{row.account_id}" != self.config.account_id:
                raise PlatformError("CTX-4110", "Meta answered for another account or other days than asked.")

    def _start(self, piece: Window, level: Level = "ad") -> str:
        self._graph.breathe()
        path = (self.config.account_id, "insights")
        return self._graph.ask("POST", path, self._question(piece, level), Started).report_run_id

    def _reported(self, piece: Window, number: str, level: Level = "ad") -> list[Row]:
        """The rows of a report once it is done; a failed one is asked for again in halves."""
        report = self._finished(number)
        if report.async_status == "Job Completed":
            return self._listed(piece, (number, "insights"), {})
        if piece.days > 1:
            return [row for half in _halves(piece) for row in self._reported(half, self._start(half, level), level)]
        why = f"{report.error_code}/{report.error_subcode} {report.error_message}".strip()[:160]
        raise Transient("CTX-4111", f"Meta could not prepare the report of {piece.since} ({why}).")

    def _finished(self, number: str) -> Report:
        """Done is `Job Completed` and 100 %: Meta shows either without the other."""
        for pause in REPORT_PAUSES:
            report = self._graph.ask("GET", (number,), {"fields": REPORT_FIELDS}, Report)
            if report.async_status in {"Job Failed", "Job Skipped"}:
                return report
            if report.async_status == "Job Completed" and report.async_percent_completion >= 100:
                return report
            self.access.sleep(pause)
        raise Transient("CTX-4111", "Meta did not finish a report within an hour.")

    def _beyond(self, piece: Window, ads: list[AdSpend]) -> list[AdSpend]:
        found = beyond(
            self._recorded(self._rows(piece, "account"), "campaign"),
            ads,
            lambda: self._recorded(self._rows(piece, "campaign"), "campaign"),
        )
        if found:
            self.access.notice(
                Notice(
                    code="spend-without-ad",
                    stream="ads.meta",
                    message=f"Between {piece.since} and {piece.last} Meta lists spend without its ads (deleted ones).",
                    count=len(found),
                    value=sum((row.spend for row in found), Decimal(0)),
                    facts=unowned(piece, found),
                )
            )
        return found

    def _recorded(self, rows: Iterable[Row], level: Literal["ad", "campaign"]) -> list[AdSpend]:
        return list(recorded(rows, lambda row: self._record(row, level), _named, STREAM, self.access.quarantine))

    def _record(self, row: Row, level: Literal["ad", "campaign"]) -> AdSpend:
        currency = row.account_currency or self._account.currency
        return AdSpend(
            platform="meta",
            account_id=self.config.account_id,
            level=level,
            day=row.date_start,
            campaign_id=row.campaign_id,
            campaign_name=row.campaign_name or "",
            adset_id=row.adset_id,
            adset_name=row.adset_name or "",
            ad_id=row.ad_id,
            ad_name=row.ad_name or "",
            currency=currency,
            timezone=self._account.timezone_name,
            impressions=int(row.impressions or 0),
            reach=int(row.reach or 0),
            clicks=int(row.clicks or 0),
            spend=amount(row.spend, currency),
            conversions=self._purchases(row.actions),
            conversion_value=amount(self._purchases(row.action_values), currency),
            payload=msgspec.json.encode(row),
        )

    def _purchases(self, actions: list[dict[str, Any]] | None) -> Decimal:
        """The one kind of purchase that counts, in the windows that count. Kinds nest, so they are never added up."""
        wanted = self.config.purchase_action_type
        told = {str(action.get("action_type")): action for action in actions or ()}
        action = told.get(wanted) or (told.get("purchase") if wanted == DEFAULT_PURCHASE else None) or {}
        return sum(
            (Decimal(str(action.get(name) or 0)) for name in self.config.attribution_windows or ("value",)), Decimal(0)
        )


def _named(row: Row) -> str:
    return f"{row.date_start} {row.campaign_id} {row.ad_id}".strip()


def _halves(piece: Window) -> tuple[Window, Window]:
    """The newer half first, as windows are read."""
    middle = piece.since + timedelta(days=piece.days // 2)
    return Window(middle, piece.until), Window(piece.since, middle)
