"""How a buyer came to the shop: landing URLs, and the attributes the tracking kit writes into an order.

Of a query string only UTM tags and click ids are taken, in their original case; the rest never travels, because a
query may hold anything. The kit's attributes are `ctx_<click id>`, `ctx_ga_client_id`, `ctx_first`, `ctx_last` and
`ctx_consent`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl, unquote_plus, urlsplit

from msgspec.structs import replace

from cortex.records import Clicks, Consent, Touch
from cortex.secrets import REDACTOR

CLICK_IDS = ("gclid", "gbraid", "wbraid", "fbclid", "ttclid", "msclkid")
TAGS = {
    "utm_source": "source",
    "utm_medium": "medium",
    "utm_campaign": "campaign",
    "utm_content": "content",
    "utm_term": "term",
    "utm_id": "campaign_id",
}
_KIT_TAGS = {name: name for name in ("source", "medium", "campaign", "content", "term")}
_PARAMETERS = frozenset(TAGS) | frozenset(CLICK_IDS)
_COOKIES = frozenset({*(f"ctx_{name}" for name in CLICK_IDS), "ctx_fbc", "ctx_fbp", "ctx_ttp", "ctx_ga_client_id"})
_BREAKS = dict.fromkeys(map(ord, "\t\r\n"))
"""No part of a URL (WHATWG, "URL parsing")."""
NO_CLICKS = Clicks()
NOT_ASKED = Consent()
SAME_VISIT = timedelta(minutes=30)
"""GA4's session timeout: two sources that tell of the same visit agree within it."""
CLOCK_SKEW = timedelta(hours=1)
"""A browser's clock may be this much ahead of the shop's before its word is not taken."""


class Landing(NamedTuple):
    """What is kept of a landing URL. `site` is scheme and host with a closing slash, empty for a relative URL."""

    site: str = ""
    path: str = ""
    tags: dict[str, str] = {}  # noqa: RUF012 - never written to
    clicks: Clicks = NO_CLICKS


def landing(url: str) -> Landing:
    """A landing URL taken apart; what is no URL gives an empty Landing."""
    page, _, query = url.strip().partition("#")[0].partition("?")
    # Pages repeat, queries with their click ids do not; a page that names somebody is not remembered.
    place = (_read_place if "@" in page else _place)(page)
    if place is None:
        return Landing()
    if "=" not in query:
        return Landing(*place)
    found = _parameters(query if query.isprintable() else query.translate(_BREAKS))
    tags = {TAGS[name]: _unpersonal(value) for name, value in found.items() if name in TAGS}
    return Landing(*place, tags, _clicks(found))


def _read_place(page: str) -> tuple[str, str] | None:
    """Site and path of a URL without its query; None for what is no URL."""
    try:
        parts = urlsplit(page)
        host = parts.hostname or ""
    except ValueError:
        return None
    site = f"{parts.scheme}://{host}/" if host and parts.scheme in {"http", "https"} else ""
    return site, _unpersonal(parts.path)


_place = lru_cache(maxsize=4096)(_read_place)


def _parameters(query: str) -> dict[str, str]:
    """The tags and click ids of a query string; of one given twice the last. Only these are decoded."""
    found = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        name = unquote_plus(name, errors="replace") if "%" in name else name
        if value and name in _PARAMETERS:
            found[name] = _decoded(value) if "%" in value or "+" in value else value
    return found


def _decoded(value: str) -> str:
    # Names of campaigns repeat; what may be an address is not remembered.
    return (unquote_plus if "%40" in value or "@" in value else _unquoted)(value, errors="replace")


_unquoted = lru_cache(maxsize=1024)(unquote_plus)


def tagged(arrived: Landing, tags: Mapping[str, str]) -> Landing:
    """The landing with what the shop itself read from the link, which wins over the URL."""
    return arrived._replace(tags={**arrived.tags, **{name: _unpersonal(value) for name, value in tags.items()}})


def visit(arrived: Landing, day: date, at: datetime | None) -> Touch:
    """The visit the shop itself remembers, from its landing page. `at` is None where only the day is known."""
    return Touch(
        origin="order",
        occurred_at=at,
        day=None if at else day,
        clicks=arrived.clicks,
        landing_page=arrived.path,
        **arrived.tags,
    )


def kit_touches(attributes: Mapping[str, str], placed: datetime, day: date) -> list[Touch]:
    """First and last touch as the tracking kit wrote them, in time order; one when they are the same visit.

    A touch whose clock cannot be true keeps the order's `day` (the client's own) and no instant.
    """
    found: list[Touch] = []
    for name in ("ctx_first", "ctx_last"):
        text = attributes.get(name, "")
        if not text:
            continue
        said = dict(parse_qsl(text, errors="replace"))
        at = milliseconds(said.get("t", ""))
        if at is not None and at > placed + CLOCK_SKEW:
            at = None
        tags = {field: _unpersonal(said[name]) for name, field in _KIT_TAGS.items() if name in said}
        path = _unpersonal(said.get("lp", "").split("?", 1)[0])
        touch = Touch(
            origin="kit",
            occurred_at=at,
            day=None if at else day,
            clicks=_clicks(said),
            landing_page=path,
            **tags,
        )
        if touch not in found:
            found.append(touch)
    return found


def merged(told: Touch | None, kit: Sequence[Touch]) -> list[Touch]:
    """Touches of an order in time order, each visit once: the shop's word, completed by the kit's where it has none."""
    if told is None or not kit:
        return list(kit) if told is None else [told]
    same = next((touch for touch in reversed(kit) if _same_visit(told, touch)), None)
    if same is None:
        return [*kit, told]
    at = told.occurred_at or same.occurred_at
    missing = {tag: getattr(same, tag) for tag in _KIT_TAGS if not getattr(told, tag)}
    complete = replace(told, occurred_at=at, day=None if at else told.day, **missing)
    return [complete if touch is same else touch for touch in kit]


def order_clicks(arrived: Landing, attributes: Mapping[str, str], touches: Sequence[Touch], placed: datetime) -> Clicks:
    """Click ids of an order: what the kit's cookies held at the checkout, else those of the landing page.

    Meta's `fbc` is built as `fb.1.<ms>.<fbclid>` only when the browser's own is unknown, with the time the click id
    was first seen (Meta, "fbp and fbc parameters").
    """
    page = arrived.clicks
    if not page.fbclid and _COOKIES.isdisjoint(attributes):
        return page
    ids = {name: attributes.get(f"ctx_{name}", "") or getattr(page, name) for name in CLICK_IDS}
    fbc, fbp = attributes.get("ctx_fbc", ""), attributes.get("ctx_fbp", "")
    if ids["fbclid"] and not fbc:
        seen = (touch.occurred_at for touch in touches if touch.clicks.fbclid == ids["fbclid"])
        first = min((at for at in seen if at is not None), default=placed)
        fbc = f"fb.1.{int(first.timestamp() * 1000)}.{ids['fbclid']}"
    ttp, ga = attributes.get("ctx_ttp", "")[:64], attributes.get("ctx_ga_client_id", "")[:32]
    return Clicks(fbc=fbc, fbp=fbp, ttp=ttp, ga_client_id=ga, **ids)


def consent(text: str) -> Consent:
    """The buyer's choice as the kit recorded it: `granted;v=<policy version>;t=<epoch ms>`. Anything else is unknown.

    >>> consent("granted;v=2026-01;t=1772366400000").state
    'granted'
    """
    if not text:
        return NOT_ASKED
    state, *rest = text.split(";")
    said = dict(part.split("=", 1) for part in rest if "=" in part)
    known: dict[str, Literal["granted", "denied"]] = {"granted": "granted", "denied": "denied"}
    if state not in known:
        return Consent()
    return Consent(
        state=known[state], source="ctx_consent", version=said.get("v", ""), at=milliseconds(said.get("t", ""))
    )


def attributes(extra: Any) -> dict[str, str]:
    """The kit's own entries of an order's free attributes; PHP writes an empty mapping as `[]`."""
    if not isinstance(extra, Mapping):
        return {}
    return {
        name: value.strip()
        for name, value in extra.items()
        if name.startswith("ctx_") and isinstance(value, str) and value.strip()
    }


def milliseconds(text: str) -> datetime | None:
    """An instant from epoch milliseconds, or None when it is none between 2015 and 2100."""
    if not text.isascii() or not text.isdigit() or not 1_420_070_400_000 <= int(text) < 4_102_444_800_000:
        return None
    return datetime.fromtimestamp(int(text) / 1000, UTC)


def _clicks(said: Mapping[str, str]) -> Clicks:
    ids = {name: said[name] for name in CLICK_IDS if said.get(name)}
    return Clicks(**ids) if ids else NO_CLICKS


def _unpersonal(text: str) -> str:
    """E-mail tools put the reader's address into links; it must not travel in a tag or a path."""
    return REDACTOR.clean(text) if "@" in text else text


def _same_visit(told: Touch, kit: Touch) -> bool:
    """Whether both tell of one visit: the same click, else the same tags, at the same time. A visit the shop knows no
    tags of is the kit's when both clocks say so: the kit alone sees the referrer."""
    if told.clicks != kit.clicks:
        return False
    timed = told.occurred_at is not None and kit.occurred_at is not None
    if told.clicks == NO_CLICKS:
        tags = (told.source, told.medium, told.campaign)
        if tags != (kit.source, kit.medium, kit.campaign) and (any(tags) or not timed):
            return False
    if told.occurred_at is None or kit.occurred_at is None:
        return True
    return abs(told.occurred_at - kit.occurred_at) <= SAME_VISIT
