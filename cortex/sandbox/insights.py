"""Meta's insights: what may be asked, and the rows that answer it. All numbers are texts, as Meta writes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from cortex.sandbox.graph import GraphError, bad_parameter, listed, structure
from cortex.sandbox.market import AdDay, MetaAccount
from cortex.sandbox.months import months_before

LEVELS = ("account", "campaign", "adset", "ad")
HISTORY_MONTHS = 37
DEFAULT_LIMIT = 25
SETTING = "7d_click_1d_view"

WINDOWS: dict[str, Decimal] = {
    "1d_click": Decimal("0.6"),
    "7d_click": Decimal("0.8"),
    "28d_click": Decimal("0.9"),
    "1d_view": Decimal("0.2"),
    "1d_ev": Decimal("0.05"),
}
"""Windows Meta still returns (7d_view and 28d_view ended on 2026-01-12), with the share of conversions each shows."""

PURCHASE_TYPES = (
    "purchase",
    "omni_purchase",
    "offsite_conversion.fb_pixel_purchase",
    "onsite_web_purchase",
    "web_in_store_purchase",
)
"""The same purchases under nested names: adding them up counts each several times."""

PARAMETERS = frozenset(
    [
        "access_token",
        "appsecret_proof",
        "level",
        "time_range",
        "date_preset",
        "time_increment",
        "fields",
        "limit",
        "after",
        "before",
        "filtering",
        "action_attribution_windows",
        "action_breakdowns",
        "breakdowns",
        "action_report_time",
        "use_account_attribution_setting",
        "use_unified_attribution_setting",
    ]
)
PRESETS: dict[str, Callable[[date], tuple[date, date]]] = {
    "today": lambda today: (today, today),
    "yesterday": lambda today: (today - timedelta(days=1), today - timedelta(days=1)),
    "last_7d": lambda today: (today - timedelta(days=7), today - timedelta(days=1)),
    "last_30d": lambda today: (today - timedelta(days=30), today - timedelta(days=1)),
    "last_90d": lambda today: (today - timedelta(days=90), today - timedelta(days=1)),
    "maximum": lambda today: (oldest_day(today), today),
}


@dataclass(frozen=True)
class Query:
    """A validated question. Days are inclusive, in the account's zone. increment: days per row, 0 one row, -1 months."""

    level: str
    since: date
    until: date
    increment: int
    fields: tuple[str, ...]
    windows: tuple[str, ...]
    only: tuple[tuple[str, frozenset[str]], ...] = ()


@dataclass
class Group:
    """The ad-days behind one row."""

    account: MetaAccount
    level: str
    start: date
    stop: date
    windows: tuple[str, ...]
    latest: AdDay
    days: list[AdDay] = field(default_factory=list)

    def total(self, name: str) -> Decimal:
        return sum((Decimal(getattr(day, name)) for day in self.days), Decimal(0))

    def reach(self) -> int:
        """People reached on several days or by several ads are one person, so reach does not add up."""
        total = int(self.total("reach"))
        return total if len(self.days) == 1 else max(total * 4 // 5, *(day.reach for day in self.days))

    def actions(self, name: str, places: int) -> list[dict[str, str]]:
        purchases = self.total(name)
        if not purchases:
            return []
        entry = {"value": _number(purchases, places)}
        for window in self.windows:
            share = SHARE_OF_DEFAULT if window == "default" else WINDOWS[window]
            part = (purchases * share).quantize(Decimal(1).scaleb(-places))
            if part:  # an absent window means zero
                entry[window] = _number(part, places)
        return [{"action_type": kind, **entry} for kind in PURCHASE_TYPES]

    def ratio(self, above: str, below: str, times: int = 1) -> str | None:
        divisor = self.total(below)
        return _number(self.total(above) * times / divisor, 6) if divisor else None


SHARE_OF_DEFAULT = Decimal(1)


def _number(value: Decimal | int, places: int = 0) -> str:
    return f"{value:.{places}f}"


def _clicks(group: Group) -> list[dict[str, str]]:
    links = int(group.total("clicks")) * 9 // 10
    return [{"action_type": "link_click", "value": str(links)}] if links else []


def _entity(level: str, attribute: str) -> Callable[[Group], str | None]:
    """A field of an object, present only at its own level and below."""

    def read(group: Group) -> str | None:
        if LEVELS.index(group.level) < LEVELS.index(level):
            return None
        return str(getattr(group.latest, attribute)) or None

    return read


FIELDS: dict[str, Callable[[Group], Any]] = {
    "account_id": lambda g: g.account.account_id.removeprefix("act_"),
    "account_name": lambda g: g.account.name,
    "account_currency": lambda g: g.account.currency,
    **{f"{level}_{part}": _entity(level, f"{level}_{part}") for level in LEVELS[1:] for part in ("id", "name")},
    "date_start": lambda g: g.start.isoformat(),
    "date_stop": lambda g: g.stop.isoformat(),
    "impressions": lambda g: _number(g.total("impressions")),
    "clicks": lambda g: _number(g.total("clicks")),
    "inline_link_clicks": lambda g: str(int(g.total("clicks")) * 9 // 10),
    "outbound_clicks": lambda g: [{**entry, "action_type": "outbound_click"} for entry in _clicks(g)],
    "reach": lambda g: str(g.reach()),
    "frequency": lambda g: _number(g.total("impressions") / g.reach(), 6) if g.reach() else None,
    "spend": lambda g: _number(g.total("spend"), 2),
    "cpc": lambda g: g.ratio("spend", "clicks"),
    "cpm": lambda g: g.ratio("spend", "impressions", 1000),
    "ctr": lambda g: g.ratio("clicks", "impressions", 100),
    "actions": lambda g: [*_clicks(g), *g.actions("purchases", 0)],
    "action_values": lambda g: g.actions("purchase_value", 2),
    "purchase_roas": lambda g: (
        [{"action_type": "omni_purchase", "value": g.ratio("purchase_value", "spend")}]
        if g.total("spend") and g.total("purchase_value")
        else []
    ),
    "conversions": lambda _: [],
    "conversion_values": lambda _: [],
    "attribution_setting": lambda _: SETTING,
    "objective": lambda _: "OUTCOME_SALES",
    "optimization_goal": lambda _: "OFFSITE_CONVERSIONS",
    "created_time": lambda g: min(day.day for day in g.days).isoformat(),
    "updated_time": lambda g: max(day.day for day in g.days).isoformat(),
}
DEFAULT_FIELDS = ("account_id", "date_start", "date_stop", "impressions", "spend")


def oldest_day(today: date) -> date:
    """The first day Meta still keeps: 37 months back."""
    return months_before(today, HISTORY_MONTHS)


def parse(values: dict[str, Any], today: date) -> Query:
    """The question in Graph parameters. Raises GraphError as Meta words it. `today` is the account's day."""
    for name in values.keys() - PARAMETERS:
        raise bad_parameter(f"{name} is not a parameter of insights.")
    level = values.get("level", "account")
    if level not in LEVELS:
        raise bad_parameter(f"level must be one of the following values: {', '.join(LEVELS)}")
    since, until = _range(values, today)
    fields = tuple(listed(values.get("fields"))) or DEFAULT_FIELDS
    for name in fields:
        if name not in FIELDS:
            raise bad_parameter(f"{name} is not valid for fields param.")
    if listed(values.get("breakdowns")):
        raise bad_parameter("The breakdowns asked for cannot be combined with these fields.", subcode=1504041)
    if set(listed(values.get("action_breakdowns"))) - {"action_type"}:
        raise bad_parameter("action_breakdowns other than action_type are not served here.")
    windows = tuple(dict.fromkeys(listed(values.get("action_attribution_windows"))))
    for window in windows:
        if window != "default" and window not in WINDOWS:
            raise bad_parameter(f"action_attribution_windows: {window} is not supported.")
    increment = _increment(values.get("time_increment", "all_days"))
    return Query(str(level), since, until, increment, fields, windows, _only(values.get("filtering")))


def _range(values: dict[str, Any], today: date) -> tuple[date, date]:
    if "time_range" not in values:
        preset = str(values.get("date_preset", "last_30d"))
        if preset not in PRESETS:
            raise bad_parameter(f"date_preset {preset} is not served here; there are {', '.join(PRESETS)}.")
        return PRESETS[preset](today)
    asked = structure(values["time_range"], "time_range")
    try:
        since, until = date.fromisoformat(asked["since"]), date.fromisoformat(asked["until"])
    except (KeyError, TypeError, ValueError):
        raise bad_parameter("time_range must hold since and until as YYYY-MM-DD.") from None
    if since > until:
        raise bad_parameter("time_range: since must not be after until.")
    if since < oldest_day(today):
        raise GraphError(
            100,
            f"(#3018) The start date of the time range cannot be beyond {HISTORY_MONTHS} months from the current date",
            subcode=3018,
        )
    return since, until


def _increment(value: Any) -> int:
    if value == "all_days":
        return 0
    if value == "monthly":
        return -1
    if str(value).isdecimal() and 1 <= int(value) <= 90:
        return int(value)
    raise bad_parameter("time_increment must be 1 to 90, monthly or all_days.")


def _only(filtering: Any) -> tuple[tuple[str, frozenset[str]], ...]:
    """Filters on ids; a filter on effective_status lets everything pass that includes what is active or archived."""
    kept = []
    for clause in structure(filtering or [], "filtering"):
        name, operator, value = (clause.get(key) for key in ("field", "operator", "value"))
        chosen = frozenset(str(item) for item in (value if isinstance(value, list) else [value]))
        if name in ("campaign.id", "adset.id", "ad.id") and operator in ("IN", "EQUAL"):
            kept.append((name.replace(".", "_"), chosen))
        elif str(name).endswith(".effective_status") and operator == "IN":
            if not chosen & {"ACTIVE", "ARCHIVED", "PAUSED"}:
                kept.append(("ad_id", frozenset[str]()))
        else:
            raise bad_parameter(f"filtering on {name} with {operator} is not served here.")
    return tuple(kept)


def scanned(account: MetaAccount, query: Query, today: date) -> list[AdDay]:
    """The ad-days the question covers. How many there are decides whether Meta answers it at once."""
    last = min(query.until, today)
    return [
        day
        for day in account.days
        if query.since <= day.day <= last and all(getattr(day, name) in chosen for name, chosen in query.only)
    ]


def rows(account: MetaAccount, query: Query, days: Iterable[AdDay]) -> list[dict[str, Any]]:
    """The answer, by date, then by id. Objects without delivery in a period have no row."""
    groups: dict[tuple[date, str], Group] = {}
    for day in sorted(days, key=lambda each: each.day):
        if not (day.impressions or day.clicks or day.spend or day.purchases):
            continue
        start, stop = _period(query, day.day)
        entity = "" if query.level == "account" else str(getattr(day, f"{query.level}_id"))
        group = groups.get((start, entity))
        if group is None:
            group = groups[start, entity] = Group(account, query.level, start, stop, query.windows, day)
        group.latest = day
        group.days.append(day)
    wanted = dict.fromkeys([*query.fields, "date_start", "date_stop"])
    return [_row(groups[key], wanted) for key in sorted(groups)]


def _row(group: Group, wanted: Iterable[str]) -> dict[str, Any]:
    values = ((name, FIELDS[name](group)) for name in wanted)
    return {name: value for name, value in values if value not in (None, [])}


def _period(query: Query, day: date) -> tuple[date, date]:
    if query.increment == 0:
        return query.since, query.until
    if query.increment == -1:
        following = (day.replace(day=28) + timedelta(days=4)).replace(day=1)
        return max(query.since, day.replace(day=1)), min(query.until, following - timedelta(days=1))
    start = query.since + timedelta(days=(day - query.since).days // query.increment * query.increment)
    return start, min(query.until, start + timedelta(days=query.increment - 1))
