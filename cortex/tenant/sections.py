"""The blocks of a client file that belong to Cortex itself; platform blocks are declared by their adapters."""

from __future__ import annotations

import difflib
import re
import unicodedata
import zoneinfo
from collections.abc import Iterator
from datetime import time
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from cortex import plugins
from cortex.conversions.policy import Privacy
from cortex.handoff.spec import SHAPES
from cortex.notify.email import Addresses, EmailSection
from cortex.notify.slack import SlackSection
from cortex.settings import Section
from cortex.tenant.codes import CODE

_SLACK = re.compile(r"#[^\s#@<>,]{1,80}|[CG][A-Z0-9]{8,20}")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")

_NO_ZONES = {"localtime", "posixrules", "Factory"}
"""Names that some machines offer and others do not."""


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must be one line without control characters")
    return text


def _zone(name: str) -> str:
    """A zone of the IANA database. `right/` zones count leap seconds and would shift every day."""
    if _ZONE.fullmatch(name) and not name.startswith(("right/", "posix/")) and name not in _NO_ZONES:
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            pass
        else:
            return name
    near = _nearest_zone(name)
    raise ValueError("is not an IANA time zone" + (f". Did you mean {near}?" if near else " such as America/Sao_Paulo"))


def _nearest_zone(name: str) -> str:
    """The zone meant by a misspelling, a bare city (with or without accents) or Brazil's usual abbreviations."""
    plain = unicodedata.normalize("NFKD", name[:80]).encode("ascii", "ignore").decode().lower().replace(" ", "_")
    if plain in {"brt", "brst", "brasilia", "gmt-3", "utc-3", "utc-03:00", "gmt-03:00", "-03:00", "brazil", "brasil"}:
        return "America/Sao_Paulo"
    zones = {zone.lower(): zone for zone in sorted(zoneinfo.available_timezones() - _NO_ZONES)}
    cities = {zone.rpartition("/")[2]: full for zone, full in zones.items()}
    for known in (zones, cities):
        near = difflib.get_close_matches(plain, known, n=1, cutoff=0.75)
        if near:
            return known[near[0]]
    return ""


def _currency(code: str) -> str:
    """A code of ISO 4217."""
    from babel.core import get_global

    known = get_global("all_currencies")
    if code not in known:
        near = code.upper() if code.upper() in known else {"R$": "BRL", "REAL": "BRL"}.get(code.upper(), "")
        raise ValueError("is not a currency of ISO 4217" + (f". Did you mean {near}?" if near else " such as BRL"))
    return code


def _channel(name: str) -> str:
    if not _SLACK.fullmatch(name):
        raise ValueError('must be a channel such as "#cortex-xyz" (in quotes: # starts a comment)')
    return name


def _model(name: str) -> str:
    known = plugins.kinds("attribution")
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(f"is not an attribution model.{hint} Available: {', '.join(known)}")
    return name


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError("names the same thing twice")
    return names


Line = Annotated[str, AfterValidator(_one_line)]
Percent = Annotated[float, Field(ge=0, le=100)]


class Client(Section):
    """Who the client is."""

    name: Line = Field(min_length=1, max_length=120, description="Name as people read it.")
    code: str = Field(
        description="Same as the file name; becomes the schema cortex_<code>.",
        json_schema_extra={"pattern": f"^{CODE}$"},
    )
    timezone: Annotated[str, AfterValidator(_zone)] = Field(description="IANA zone in which the client's days begin.")
    currency: Annotated[str, AfterValidator(_currency)] = Field(
        default="BRL", description="ISO 4217 currency of reports."
    )
    lang: Literal["pt-BR", "en", "es"] = Field(default="pt-BR", description="Language of reports and alerts.")
    active: bool = Field(default=True, description="false: left out of every run that names no client.")


class Etl(Section):
    """How much is read again, and in what pieces."""

    lookback_days: int = Field(
        default=7, ge=0, le=90, description="Days before today that every daily run reads again."
    )
    batch_size: int = Field(default=1000, ge=1, le=10_000, description="Orders written in one transaction.")


class Attribution(Section):
    """How orders are credited to the visits before them."""

    models: Annotated[tuple[Annotated[str, AfterValidator(_model)], ...], AfterValidator(_once)] = Field(
        default=("last_click", "first_click", "linear"), min_length=1, description="Models computed for every order."
    )
    window_days: int = Field(
        default=30, ge=1, le=365, description="Days before an order in which a visit can earn credit."
    )


class Analytics(Section):
    """Definitions behind the customer figures."""

    ltv_window_days: int = Field(
        default=365, ge=30, le=3650, description="Days after the first order that LTV sums up."
    )
    churn_threshold_days: int = Field(
        default=90, ge=1, le=3650, description="Days without an order that count as churned."
    )
    rfm_quantiles: int = Field(default=5, ge=2, le=10, description="Score classes; the eleven named segments need 5.")
    attribution: Attribution = Field(default=Attribution(), description="Models and window.")

    @property
    def models(self) -> tuple[str, ...]:
        return self.attribution.models

    @property
    def attribution_window_days(self) -> int:
        return self.attribution.window_days


class Thresholds(Section):
    """How far a figure may move before people are told, in percent of its baseline."""

    cac_increase_pct: float = Field(
        default=20, gt=0, le=1000, description="Rise of CAC, last 7 days against the 28 before, worth an alert."
    )
    roas_decrease_pct: float = Field(
        default=15, gt=0, le=100, description="Fall of ROAS, last 7 days against the 28 before, worth an alert."
    )
    delivery_pct: Percent = Field(
        default=95, description="Share of the last days' sales a destination must have, or have left out by rule."
    )


class Alerts(Section):
    """Who is told, and when."""

    slack_channel: Annotated[str, AfterValidator(_channel)] | None = Field(
        None, description="Slack channel, in quotes."
    )
    email_recipients: Addresses = Field(default=(), max_length=50, description="Addresses that receive alerts.")
    thresholds: Thresholds = Field(default=Thresholds(), description="When an alert is raised.")


class Notifications(Section):
    """How people are told how runs ended; whom the alerts are for, `alerts` says."""

    slack: SlackSection | None = Field(default=None, description="Slack; also used when alerts.slack_channel is there.")
    email: EmailSection | None = Field(
        default=None, description="E-mail; also used when alerts.email_recipients are there."
    )
    reminder_hours: int = Field(
        default=24, ge=1, le=720, description="Hours after which what still holds is told again."
    )


class Quality(Section):
    """When loaded data is not good enough to be published."""

    max_quarantined_pct: Percent = Field(
        default=1.0, description="Share of untrusted records above which a step fails."
    )
    fail_on: Literal["never", "error", "warning"] = Field(
        default="never", description="Which failed checks of the loaded data fail the run; `cortex dq` shows them."
    )


WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
"""As cron counts them, from 0."""
NEVER = "never"
PAST_THE_HOUR = time(0, 7)
"""On the hour everybody's clocks ask the platforms at once."""
_HOUR = r"([01]\d|2[0-3]):[0-5]\d"


def _hour(text: str) -> str:
    if text != NEVER and not re.fullmatch(_HOUR, text):
        raise ValueError('must be a time such as "05:00" (in quotes), or "never"')
    return text


def _weekly(text: str) -> str:
    if text != NEVER and not re.fullmatch(rf"({'|'.join(WEEKDAYS)}) {_HOUR}", text):
        raise ValueError(f'must be a day ({", ".join(WEEKDAYS)}) and a time such as "sun 03:00", or "never"')
    return text


Minutes = Literal[0, 15, 20, 30, 60, 120, 180, 240, 360, 480, 720]
"""What a clock can repeat evenly over a day; 0 is not at all."""


class Schedule(Section):
    """When runs begin by themselves, in the client's zone; `cortex schedule print` writes it for a clock."""

    daily: Annotated[str, AfterValidator(_hour)] = Field(
        default="05:00",
        description="Time of the daily run; ad platforms count a day to its end until three in the morning.",
    )
    weekly: Annotated[str, AfterValidator(_weekly)] = Field(
        default="sun 03:00", description="Weekday and time of the weekly run."
    )
    today_minutes: Minutes = Field(
        default=0,
        description="Minutes between two reads of today's orders and spend (`cortex run hourly`); 0: only daily.",
    )
    catalogue_minutes: Minutes = Field(
        default=0, description="Minutes between two reads of products, prices and stock; 0: only daily."
    )

    def due(self) -> Iterator[tuple[str, time, int | None, int]]:
        """(daily weekly today catalogue, time, weekday from Sunday 0 or None, minutes between two or 0) of what is wanted."""
        for kind, when in (("daily", self.daily), ("weekly", self.weekly)):
            if when != NEVER:
                day, _, clock = when.rpartition(" ")
                yield kind, time.fromisoformat(clock), WEEKDAYS.index(day) if day else None, 0
        for kind, every in (("today", self.today_minutes), ("catalogue", self.catalogue_minutes)):
            if every:
                yield kind, PAST_THE_HOUR, None, every


def _shaped(name: str) -> AfterValidator:
    """The shape the tracking kit wants a value in, so that one place says it."""
    shape, meaning = SHAPES[name]

    def check(value: str) -> str:
        if not re.fullmatch(shape, value):
            raise ValueError(f"must be {meaning}")
        return value

    return AfterValidator(check)


class Tracking(Section):
    """What the shop's pages need to know: ids that only the browser uses, and where its server container lives."""

    domain: Annotated[str, _shaped("domain")] | None = Field(
        None, description="The shop's domain without https:// and www: cookies are shared below it."
    )
    ga4_measurement_id: Annotated[str, _shaped("ga4_measurement_id")] | None = Field(
        None, description="GA4 › Data streams: G-…, not the property number."
    )
    google_tag_id: Annotated[str, _shaped("google_ads_conversion_id")] | None = Field(
        None, description="Google Ads › purchase action › Tag setup: AW-…"
    )
    google_conversion_label: Annotated[str, _shaped("google_ads_conversion_label")] | None = Field(
        None, description="Label of the purchase conversion, on the same page as AW-…"
    )
    tiktok_pixel_id: Annotated[str, _shaped("tiktok_pixel_id")] | None = Field(
        None, description="TikTok Events Manager: code of the pixel."
    )
    server_url: Annotated[str, _shaped("server_url")] | None = Field(
        None, description="Address of the tagging server; with it the kit brings a server container."
    )


Target = Annotated[float, Field(ge=0, le=1_000_000_000)]


class Kpis(Section):
    """What the client is measured by, agreed at the start: a KPI is chosen by giving it a monthly target."""

    revenue: Target | None = Field(None, description="Paid revenue of a month, in the client's currency.")
    orders: Target | None = Field(None, description="Paid orders of a month.")
    average_order_value: Target | None = Field(None, description="Revenue by order, in the client's currency.")
    new_customers: Target | None = Field(None, description="Buyers won in a month.")
    roas: Target | None = Field(None, description="Revenue by unit of ad spend.")
    cac: Target | None = Field(None, description="Ad spend by new customer, in the client's currency.")
    ltv_cac: Target | None = Field(None, description="LTV by CAC.")
    repeat_rate_pct: Percent | None = Field(None, description="Share of buyers who come back, in percent.")

    @property
    def chosen(self) -> dict[str, float]:
        """The KPIs with a target, by name."""
        return {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}


def _searchable(word: str) -> str:
    try:
        _expression(word)
    except re.error as wrong:
        raise ValueError(f"is no regular expression: {wrong}") from None
    return word


Word = Annotated[Line, Field(min_length=2, max_length=60), AfterValidator(_searchable)]
Words = Annotated[tuple[Word, ...], AfterValidator(_once)]


class FunnelStages(Section):
    """Which campaigns work at which stage, by words of their names. The first stage with a word in the name counts."""

    TOFU: Words = Field(
        default=(), description="Words of campaigns that make the shop known; /between slashes/ a regular expression."
    )
    MOFU: Words = Field(default=(), description="Words of campaigns that win interest, likewise.")
    BOFU: Words = Field(default=(), description="Words of campaigns that close the sale (remarketing), likewise.")

    unknown: ClassVar[str] = "unknown"

    def stage(self, campaign_name: str) -> str:
        """TOFU, MOFU, BOFU or unknown. Case and accents do not matter.

        >>> FunnelStages(TOFU=("prospecção",), BOFU=("/^rmkt|remarketing$/",)).stage("[PROSPECCAO] Verão")
        'TOFU'
        """
        name = _bare(campaign_name)
        for stage in ("TOFU", "MOFU", "BOFU"):
            if any(re.search(_expression(word), name) for word in getattr(self, stage)):
                return stage
        return self.unknown


def _expression(word: str) -> re.Pattern[str]:
    """What is looked for in a bare name: the word itself, or the expression between its slashes."""
    if len(word) > 2 and word[0] == word[-1] == "/":
        return re.compile(_bare_letters(word[1:-1]), re.IGNORECASE)
    return re.compile(re.escape(_bare(word)))


def _bare(text: str) -> str:
    return _bare_letters(text.casefold())


def _bare_letters(text: str) -> str:
    r"""Without accents; the case stays, because `\S` is not `\s`."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(character for character in decomposed if not unicodedata.combining(character))


SECTIONS: dict[str, type[Section]] = {
    "client": Client,
    "etl": Etl,
    "analytics_config": Analytics,
    "alerts": Alerts,
    "notifications": Notifications,
    "privacy": Privacy,
    "quality": Quality,
    "funnel_stages": FunnelStages,
    "tracking": Tracking,
    "kpis": Kpis,
    "schedule": Schedule,
}
"""Blocks of Cortex's own. The other blocks of a client file are platforms'."""


def homes() -> dict[str, str]:
    """Key -> the one place it belongs to, for keys written in the wrong block."""
    found: dict[str, str] = {}
    twice: set[str] = set()

    def visit(model: type[Section], path: str) -> None:
        for name, known in model.model_fields.items():
            if name in found:
                twice.add(name)
            found[name] = f"{path}.{name}"
            inner = known.annotation
            if isinstance(inner, type) and issubclass(inner, Section):
                visit(inner, f"{path}.{name}")

    for name, model in SECTIONS.items():
        visit(model, name)
    return {name: home for name, home in found.items() if name not in twice}
