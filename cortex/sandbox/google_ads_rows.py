"""What a GAQL query answers from a Google Ads account: which fields go with which resource, and the rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from cortex.sandbox.gaql import Condition, Query, QueryRefused
from cortex.sandbox.market import AdDay, GoogleAccount, GoogleClick, within
from cortex.sandbox.months import months_before

DATE = "segments.date"
CLICK_HISTORY = timedelta(days=90)
DAILY_HISTORY_MONTHS = 37
"""Since 2026-06-01 day rows older than this are gone: asking gives no rows, and no error."""

NEW_IN_V26 = "customer.conversion_tracking_setting.effective_enablement_setting"
GONE_IN_V26 = "customer.conversion_tracking_setting.enhanced_conversions_for_leads_enabled"


@dataclass(frozen=True)
class Place:
    """Where an attribute is read: an account, and one of its ad-days or clicks (the newest, for names)."""

    account: GoogleAccount
    item: Any = None
    manager: bool = False

    @property
    def customer(self) -> str:
        return f"customers/{self.account.customer_id}"


Read = Callable[[Place], Any]

CUSTOMER: dict[str, Read] = {
    "customer.resource_name": lambda p: p.customer,
    "customer.id": lambda p: int(p.account.customer_id),
    "customer.descriptive_name": lambda p: p.account.name,
    "customer.currency_code": lambda p: p.account.currency,
    "customer.time_zone": lambda p: p.account.timezone,
    "customer.manager": lambda p: p.manager,
    "customer.test_account": lambda _: False,
    "customer.auto_tagging_enabled": lambda _: True,
    "customer.status": lambda _: "ENABLED",
    "customer.conversion_tracking_setting.accepted_customer_data_terms": lambda p: p.account.data_terms,
    "customer.conversion_tracking_setting.google_ads_conversion_customer": lambda p: (
        f"customers/{p.account.conversion_customer or p.account.customer_id}"
    ),
    GONE_IN_V26: lambda p: p.account.leads,
    NEW_IN_V26: lambda p: "ON" if p.account.leads else "OFF",
}
CAMPAIGN: dict[str, Read] = {
    "campaign.resource_name": lambda p: f"{p.customer}/campaigns/{p.item.campaign_id}",
    "campaign.id": lambda p: int(p.item.campaign_id),
    "campaign.name": lambda p: p.item.campaign_name,
    "campaign.status": lambda _: "ENABLED",
    "campaign.advertising_channel_type": lambda p: p.item.channel_type or "SEARCH",
}
AD_GROUP: dict[str, Read] = {
    "ad_group.resource_name": lambda p: f"{p.customer}/adGroups/{p.item.adset_id}",
    "ad_group.id": lambda p: int(p.item.adset_id),
    "ad_group.name": lambda p: p.item.adset_name,
    "ad_group.status": lambda _: "ENABLED",
}
AD: dict[str, Read] = {
    "ad_group_ad.resource_name": lambda p: f"{p.customer}/adGroupAds/{p.item.adset_id}~{p.item.ad_id}",
    "ad_group_ad.ad.id": lambda p: int(p.item.ad_id),
    "ad_group_ad.ad.name": lambda p: p.item.ad_name,
    "ad_group_ad.status": lambda _: "ENABLED",
}
CLICK: dict[str, Read] = {
    "click_view.resource_name": lambda p: f"{p.customer}/clickViews/{p.item.day}~{p.item.gclid}",
    "click_view.gclid": lambda p: p.item.gclid,
    "click_view.ad_group_ad": lambda p: (
        f"{p.customer}/adGroupAds/{p.item.adset_id}~{p.item.ad_id}" if p.item.ad_id else ""
    ),
    "campaign.resource_name": CAMPAIGN["campaign.resource_name"],
    "campaign.id": CAMPAIGN["campaign.id"],
    "ad_group.resource_name": lambda p: f"{p.customer}/adGroups/{p.item.adset_id}" if p.item.adset_id else "",
    "ad_group.id": lambda p: int(p.item.adset_id or 0),
}
CLIENT: dict[str, Read] = {
    "customer_client.resource_name": lambda p: f"{p.item}/customerClients/{p.account.customer_id}",
    "customer_client.client_customer": lambda p: p.customer,
    "customer_client.id": lambda p: int(p.account.customer_id),
    "customer_client.descriptive_name": lambda p: p.account.name,
    "customer_client.currency_code": lambda p: p.account.currency,
    "customer_client.time_zone": lambda p: p.account.timezone,
    "customer_client.level": lambda p: int(p.item != p.customer),
    "customer_client.manager": lambda p: p.manager,
    "customer_client.hidden": lambda _: False,
    "customer_client.test_account": lambda _: False,
    "customer_client.status": lambda _: "ENABLED",
}
SEGMENTS: dict[str, Read] = {DATE: lambda p: p.item.day.isoformat()}

RESOURCES: dict[str, dict[str, Read]] = {
    "customer": CUSTOMER | SEGMENTS,
    "campaign": CUSTOMER | CAMPAIGN | SEGMENTS,
    "ad_group_ad": CUSTOMER | CAMPAIGN | AD_GROUP | AD | SEGMENTS,
    "click_view": CUSTOMER | CLICK | SEGMENTS,
    "customer_client": CLIENT,
}


def _sum(items: Sequence[AdDay], name: str) -> Decimal:
    return sum((Decimal(getattr(item, name)) for item in items), Decimal(0))


def _ratio(above: Decimal, below: Decimal) -> float:
    return float(above / below) if below else 0.0


METRICS: dict[str, Callable[[Sequence[AdDay]], Any]] = {
    "metrics.impressions": lambda days: int(_sum(days, "impressions")),
    "metrics.clicks": lambda days: int(_sum(days, "clicks")),
    "metrics.interactions": lambda days: int(_sum(days, "clicks")),
    "metrics.cost_micros": lambda days: int(_sum(days, "spend") * 1_000_000),
    "metrics.conversions": lambda days: float(_sum(days, "purchases")),
    "metrics.conversions_value": lambda days: float(_sum(days, "purchase_value")),
    # All conversions include those that are no goal of the campaign.
    "metrics.all_conversions": lambda days: float(_sum(days, "purchases") * Decimal("1.25")),
    "metrics.all_conversions_value": lambda days: float(_sum(days, "purchase_value") * Decimal("1.25")),
    "metrics.conversions_by_conversion_date": lambda days: float(_sum(days, "purchases")),
    "metrics.conversions_value_by_conversion_date": lambda days: float(_sum(days, "purchase_value")),
    "metrics.ctr": lambda days: _ratio(_sum(days, "clicks"), _sum(days, "impressions")),
    "metrics.average_cpc": lambda days: _ratio(_sum(days, "spend") * 1_000_000, _sum(days, "clicks")),
}


def check(query: Query, version: int) -> None:
    """Raise QueryRefused for a field or condition Google Ads would not take."""
    if query.resource not in RESOURCES:
        raise QueryRefused("BAD_RESOURCE_TYPE_IN_FROM_CLAUSE", f"'{query.resource}' is not a valid resource here.")
    known = RESOURCES[query.resource]
    named = [*query.select, *(c.field for c in query.where), *(name for name, _ in query.order)]
    for name in named:
        if name in METRICS:
            if query.resource == "customer_client" or (query.resource == "click_view" and name != "metrics.clicks"):
                raise QueryRefused(
                    "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE", f"{name} does not go with {query.resource}."
                )
        elif name not in known or name == (GONE_IN_V26 if version >= 26 else NEW_IN_V26):
            if name not in known and any(name in fields for fields in RESOURCES.values()):
                raise QueryRefused("PROHIBITED_FIELD_IN_SELECT_CLAUSE", f"{name} cannot be used with {query.resource}.")
            raise QueryRefused("UNRECOGNIZED_FIELD", f"Unrecognized field in the query: '{name}'.")
    for name, _ in query.order:
        if name not in query.select:
            raise QueryRefused("PROHIBITED_FIELD_IN_ORDER_BY_CLAUSE", f"{name} is sorted by but not selected.")
    if not any(name.partition(".")[0] in (query.resource, "metrics", "segments") for name in query.select):
        raise QueryRefused("EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE", f"No field of {query.resource} is selected.")


def days_of(query: Query, today: date) -> tuple[date, date] | None:
    """First and last day the query asks for, inclusive; None when it names none. Raises QueryRefused."""
    since, until, named = date.min, date.max, False
    for condition in query.where:
        if condition.field != DATE:
            continue
        named = True
        low, high = _range(condition)
        since, until = max(since, low), min(until, high)
    if not named:
        if DATE in query.select or query.resource == "click_view":
            raise QueryRefused("EXPECTED_FILTERS_ON_DATE_RANGE", "segments.date needs a finite range of days.")
        return None
    if since == date.min or until == date.max:
        raise QueryRefused("EXPECTED_FILTERS_ON_DATE_RANGE", "The range of segments.date is open at one end.")
    if since > until:
        raise QueryRefused("START_DATE_AFTER_END_DATE", "The range ends before it starts.", "date_range_error")
    if query.resource == "click_view":
        _one_recent_day(since, until, today)
    return since, until


def _one_recent_day(since: date, until: date, today: date) -> None:
    if since != until:
        raise QueryRefused("DATE_RANGE_TOO_WIDE", "click_view takes exactly one day.")
    if since < today - CLICK_HISTORY:
        raise QueryRefused("INVALID_DATE", "click_view reaches back 90 days.", "date_range_error")


def _range(condition: Condition) -> tuple[date, date]:
    try:
        days = [date.fromisoformat(value) for value in condition.values]
    except ValueError:
        raise QueryRefused("INVALID_DATE_FORMAT", "A day must be written as YYYY-MM-DD.") from None
    one = timedelta(days=1)
    match condition.operator:
        case "=":
            return days[0], days[0]
        case "BETWEEN":
            return days[0], days[1]
        case ">=":
            return days[0], date.max
        case ">":
            return days[0] + one, date.max
        case "<=":
            return date.min, days[0]
        case "<":
            return date.min, days[0] - one
    raise QueryRefused("OPERATOR_FIELD_MISMATCH", f"{condition.operator} does not go with segments.date.")


def rows(account: GoogleAccount, query: Query, today: date) -> list[dict[str, Any]]:
    """The answer as values by field path; every selected resource brings its resource name along."""
    days = days_of(query, today)
    plain = _with_names([name for name in query.select if name not in METRICS], query.resource)
    read = RESOURCES[query.resource]
    groups: dict[tuple[Any, ...], list[Any]] = {}
    if query.resource == "customer" and DATE not in query.select:
        groups[tuple(read[name](Place(account)) for name in plain)] = []
    for place in _places(account, query, days, today):
        if all(holds(c, read[c.field](place)) for c in query.where if c.field in read and c.field != DATE):
            groups.setdefault(tuple(read[name](place) for name in plain), []).append(place.item)
    metrics = [name for name in query.select if name in METRICS]
    found = []
    for key, items in groups.items():
        values = {name: _metric(name, items) for name in metrics}
        if metrics and DATE in query.select and not any(values.values()):
            continue
        if all(holds(c, _metric(c.field, items)) for c in query.where if c.field in METRICS):
            found.append(dict(zip(plain, key, strict=True)) | values)
    for name, descending in reversed(query.order):
        found.sort(key=lambda row, by=name: row[by], reverse=descending)  # type: ignore[misc]
    return found[: query.limit]


def manager_rows(account: GoogleAccount, query: Query) -> list[dict[str, Any]]:
    """What a manager account says about itself; figures it has none."""
    named = [*query.select, *(condition.field for condition in query.where)]
    if query.resource != "customer" or any(name in METRICS or name in SEGMENTS for name in named):
        raise QueryRefused("REQUESTED_METRICS_FOR_MANAGER", "Metrics cannot be requested for a manager account.")
    place = Place(account, manager=True)
    if not all(holds(c, CUSTOMER[c.field](place)) for c in query.where):
        return []
    return [{name: CUSTOMER[name](place) for name in _with_names(list(query.select), query.resource)}]


def client_rows(account: GoogleAccount, children: Iterable[GoogleAccount], query: Query) -> list[dict[str, Any]]:
    """customer_client as seen from `account`: itself at level 0, and its children at level 1 when it is a manager."""
    plain = _with_names(list(query.select), query.resource)
    below = list(children)
    seen_from = f"customers/{account.customer_id}"
    places = [Place(account, seen_from, manager=bool(below)), *(Place(child, seen_from) for child in below)]
    kept = [place for place in places if all(holds(c, CLIENT[c.field](place)) for c in query.where)]
    return [{name: CLIENT[name](place) for name in plain} for place in kept][: query.limit]


def _metric(name: str, items: Sequence[Any]) -> Any:
    if items and isinstance(items[0], GoogleClick):
        return len(items)
    return METRICS[name](items)


def _with_names(plain: list[str], resource: str) -> list[str]:
    parents = dict.fromkeys([resource, *(name.partition(".")[0] for name in plain)])
    names = [f"{parent}.resource_name" for parent in parents if parent != "segments"]
    return list(dict.fromkeys([*names, *plain]))


def _places(account: GoogleAccount, query: Query, days: tuple[date, date] | None, today: date) -> Iterator[Place]:
    since, until = days or (date.min, date.max)
    since, until = max(since, months_before(today, DAILY_HISTORY_MONTHS)), min(until, today)
    if query.resource == "click_view":
        yield from (Place(account, click) for click in within(account.clicks, since, until))
        return
    for item in _under_present_names(account.days):
        # Performance Max and its like spend without ads, so they have no rows below the campaign.
        if since <= item.day <= until and (item.ad_id or query.resource != "ad_group_ad"):
            yield Place(account, item)


def _under_present_names(days: Sequence[AdDay]) -> Iterator[AdDay]:
    """Google Ads shows attributes as they are today, also beside the figures of old days."""
    newest: dict[tuple[str, str], AdDay] = {}
    for day in sorted(days, key=lambda each: each.day):
        for level in ("campaign", "adset", "ad"):
            newest[level, getattr(day, f"{level}_id")] = day
    for day in days:
        campaign = newest["campaign", day.campaign_id]
        names = {
            "campaign_name": campaign.campaign_name,
            "channel_type": campaign.channel_type,
            "adset_name": newest["adset", day.adset_id].adset_name,
            "ad_name": newest["ad", day.ad_id].ad_name,
        }
        changed: dict[str, Any] = {name: value for name, value in names.items() if getattr(day, name) != value}
        yield replace(day, **changed) if changed else day


def holds(condition: Condition, value: Any) -> bool:
    """Whether a value meets a condition; numbers compare as numbers, the rest as text."""
    wanted: list[Any] = list(condition.values)
    if isinstance(value, bool):
        value = str(value).upper()
        wanted = [item.upper() for item in wanted]
    elif isinstance(value, int | float):
        try:
            wanted = [float(item) for item in wanted]
        except ValueError:
            raise QueryRefused("BAD_NUMBER", f"{condition.field} is compared with what is no number.") from None
    match condition.operator:
        case "=":
            return bool(value == wanted[0])
        case "!=":
            return bool(value != wanted[0])
        case "IN":
            return value in wanted
        case "NOT IN":
            return value not in wanted
        case "BETWEEN":
            return bool(wanted[0] <= value <= wanted[1])
        case "<" | "<=":
            return bool(value < wanted[0] or (value == wanted[0] and condition.operator == "<="))
    return bool(value > wanted[0] or (value == wanted[0] and condition.operator == ">="))
