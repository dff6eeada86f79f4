"""A conversion as TikTok's event, and what TikTok's codes mean (Events API v1.3, Business API return codes)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from cortex.destinations._browser import ip_address, page
from cortex.errors import CortexError, CredentialError, PlatformError, Throttled, Transient
from cortex.money import amount
from cortex.records import Conversion
from cortex.secrets import REDACTOR

NAME = "Purchase"
"""As the tracking kit's pixel calls it: TikTok keeps one of two events only where name and id are the same."""
HASHED = ("email", "phone", "external_id")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TTP = re.compile(r"[A-Za-z0-9._-]{10,64}")
_TTCLID = re.compile(r"[A-Za-z0-9._~-]{10,600}")

CODES: dict[str, tuple[int, ...]] = {
    "auth": (40102, 40103, 40104, 40105, 40107),
    "config": (40001,),
    "data": (40002,),
    "throttle": (40016, 40100, 40133),
}
"""Classes of `code`; 0 is success and 50000 to 59999 TikTok's own trouble. Nothing else is told apart by HTTP's status,
which is 200 whatever happened."""
_CLASS = {code: kind for kind, codes in CODES.items() for code in codes}
_ABOUT_THE_SOURCE = re.compile(r"event_source_id|pixel", re.IGNORECASE)


class Content(Struct, frozen=True):
    content_id: str
    price: Decimal
    quantity: int


class Properties(Struct, frozen=True, omit_defaults=True, kw_only=True):
    content_type: str | UnsetType = UNSET
    contents: list[Content] | UnsetType = UNSET
    currency: str
    order_id: str
    value: Decimal


class Event(Struct, frozen=True, omit_defaults=True, kw_only=True):
    event: str
    event_id: str
    event_time: int
    page: dict[str, str] | UnsetType = UNSET
    properties: Properties
    user: dict[str, str]


class Track(Struct, frozen=True, omit_defaults=True, kw_only=True):
    data: list[Event]
    event_source: str
    event_source_id: str
    test_event_code: str | UnsetType = UNSET


class Envelope(Struct, frozen=True):
    """What every answer is wrapped in."""

    code: int
    message: str = ""
    request_id: str = ""


class RowsRefused(PlatformError):
    """TikTok refuses a request for what is in it."""

    def __init__(self, said: Envelope) -> None:
        super().__init__("CTX-4351", f"TikTok refused the events: {words(said)}")
        self.said = said


class SetupRefused(PlatformError):
    """TikTok refuses what the client file or the token's rights say, not an event."""

    def __init__(self, said: Envelope) -> None:
        super().__init__(
            "CTX-4352",
            f"TikTok refused the request, not an event: {words(said)} ({said.code}).",
            fix="Check offline_conversions.tiktok_events.pixel_id, and that the token was generated for that pixel.",
        )
        self.said = said


_ENCODER = msgspec.json.Encoder(decimal_format="number", order="sorted")
_ENVELOPE = msgspec.json.Decoder(Envelope)


def encode(events: list[Event], pixel_id: str, test_event_code: str | None) -> bytes:
    return _ENCODER.encode(
        Track(data=events, event_source="web", event_source_id=pixel_id, test_event_code=test_event_code or UNSET)
    )


def event(conversion: Conversion) -> Event:
    """The event of a purchase. Money is in the order's currency, time in Unix seconds (UTC)."""
    currency = conversion.currency
    contents = [Content(item.product_id, amount(item.unit_price, currency), item.quantity) for item in conversion.items]
    url = page(conversion.event_url)
    return Event(
        event=NAME,
        event_id=conversion.event_id,
        event_time=int(conversion.occurred_at.timestamp()),
        page={"url": url} if url else UNSET,
        properties=Properties(
            content_type="product" if contents else UNSET,
            contents=contents or UNSET,
            currency=currency,
            order_id=conversion.order_id,
            value=amount(conversion.value, currency),
        ),
        user=user(conversion),
    )


def user(conversion: Conversion) -> dict[str, str]:
    """Match keys. TikTok takes one value each, so the best reading goes; the click id keeps its case."""
    found = {key: values[0] for key, values in conversion.identifiers.items() if values}
    plain = (
        ("ip", ip_address(conversion.ip)),
        ("ttclid", conversion.clicks.ttclid if _TTCLID.fullmatch(conversion.clicks.ttclid) else ""),
        ("ttp", conversion.clicks.ttp if _TTP.fullmatch(conversion.clicks.ttp) else ""),
        ("user_agent", conversion.user_agent.strip()),
    )
    found.update((key, value) for key, value in plain if value)
    return found


def matchable(conversion: Conversion) -> bool:
    """Whether TikTok could know the buyer: a click id, the browser's id, an identifier, or address and browser together."""
    keys = user(conversion).keys()
    return bool(keys & {"ttclid", "ttp", *HASHED}) or {"ip", "user_agent"} <= keys


def clear_identity(conversion: Conversion) -> bool:
    """Whether something that should be a digest is none: the last door before the network."""
    known = conversion.identifiers
    if set(known) - set(HASHED):
        return True
    return not all(_DIGEST.fullmatch(value) for values in known.values() for value in values)


def split(events: Sequence[Event], most_bytes: int) -> list[int]:
    """Sizes of the requests a batch needs so that none has more than `most_bytes`; each holds at least one event."""
    sizes: list[int] = []
    room = 0
    for one in events:
        needed = length(one)
        if not sizes or needed > room:
            sizes.append(0)
            room = most_bytes
        sizes[-1] += 1
        room -= needed
    return sizes


def length(one: Event) -> int:
    """Bytes of an event in a request, with its comma."""
    return len(_ENCODER.encode(one)) + 1


def decode(body: bytes) -> Envelope:
    """The envelope of a success. Raises the named error of any other: TikTok says 200 to everything."""
    said = _ENVELOPE.decode(body)
    if said.code == 0:
        return said
    raise judge(said)


def judge(said: Envelope) -> CortexError:
    kind = _CLASS.get(said.code, "")
    if kind == "data":
        return SetupRefused(said) if _ABOUT_THE_SOURCE.search(said.message) else RowsRefused(said)
    if kind == "auth":
        return CredentialError(
            "CTX-4350",
            f"TikTok refused the Events API token ({said.code}).",
            fix="Generate a new token in Events Manager, set TIKTOK_EVENTS_TOKEN and run `cortex doctor`.",
        )
    if kind == "throttle":
        return Throttled("CTX-4353", f"TikTok asks to slow down ({said.code}).")
    if kind == "config" or 40000 <= said.code < 50000:
        return SetupRefused(said)
    # 20001 says "in part" and 5xxxx "something failed here": either may have been counted.
    return Transient("CTX-4354", f"TikTok did not say what became of the events ({said.code}).", sent=True)


def words(said: Envelope) -> str:
    """TikTok's own words, cleaned of anything that looks like a credential or a person."""
    return REDACTOR.clean(" ".join(said.message.split()))[:160] or "no reason given"
