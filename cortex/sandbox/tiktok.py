"""TikTok's Events API as the sandbox shows it: status 200 whatever happens, whole requests refused, 48 hours of memory."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from cortex.clock import Clock
from cortex.sandbox.capi import texts
from cortex.sandbox.market import Market, Shop
from cortex.sandbox.quota import Quota
from cortex.sandbox.received import Delivery, Outcome, Received, Refusal
from cortex.sandbox.wire import Request, Response

PATH = "/open_api/v1.3/event/track/"
MOST_EVENTS = 50
MOST_BYTES = 1_000_000
LOOK_BACK = timedelta(days=28)
FUTURE = timedelta(minutes=1)
DEDUPLICATION = timedelta(hours=48)
PER_SECOND = 10

INVALID, NO_PERMISSION, BAD_TOKEN, BUSY, BROKEN = 40002, 40001, 40105, 40100, 50000

TOP = frozenset({"event_source", "event_source_id", "data", "test_event_code"})
EVENT = frozenset({"event", "event_time", "event_id", "user", "properties", "page", "limited_data_use"})
USER = frozenset({"email", "phone", "external_id", "ttclid", "ttp", "ip", "user_agent", "locale"})
HASHED = frozenset({"email", "phone", "external_id"})
PROPERTIES = frozenset({"contents", "content_type", "currency", "value", "order_id", "description", "query", "shop_id"})
CONTENT = frozenset({"content_id", "content_type", "content_name", "content_category", "price", "quantity", "brand"})
PAGE = frozenset({"url", "referrer"})

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NOTHING = hashlib.sha256(b"").hexdigest()
_CURRENCY = re.compile(r"[A-Z]{3}")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")


class Refused(Exception):
    """A code other than 0, and TikTok's words."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class TikTokStandIn:
    """Takes events for every shop's pixel. Limits count real time."""

    def __init__(self, market: Market, *, clock: Clock, received: Received, rate_scale: float = 1.0) -> None:
        self._market = market
        self._clock = clock
        self._received = received
        self._rate = Quota(PER_SECOND * rate_scale, 1)
        self._lock = threading.RLock()
        self._requests = 0
        self._seen: dict[tuple[str, str, str], datetime] = {}

    def handle(self, request: Request) -> Response:
        with self._lock:
            self._requests += 1
            request_id = f"20261120{self._requests:026d}"
        if request.path != PATH:
            if request.path + "/" == PATH:
                return Response(301, {"Location": PATH})
            return Response.of_json(404, {"code": 40002, "message": "No such path.", "request_id": request_id})
        try:
            self._take(request, request_id)
        except Refused as refusal:
            return _envelope(refusal.code, refusal.message, request_id)
        return _envelope(0, "OK", request_id)

    def fault(self, _request: Request, status: int) -> Response:
        """Throttling and trouble of its own come with status 200 too."""
        if status == 429:
            return _envelope(BUSY, "Too many requests. Please retry in some time.", "sandbox-fault")
        return _envelope(BROKEN, "Internal service error.", "sandbox-fault")

    def _take(self, request: Request, request_id: str) -> None:
        shop = self._caller(request)
        if self._rate.spend():
            raise Refused(BUSY, "Too many requests. Please retry in some time.")
        if request.method != "POST" or "json" not in request.headers.get("Content-Type", ""):
            raise Refused(INVALID, "Only JSON by POST is supported.")
        if len(request.body) > MOST_BYTES:
            raise Refused(INVALID, "The request is larger than 1 MB.")
        now = self._clock()
        try:
            body = msgspec.json.decode(request.body)
        except msgspec.DecodeError:
            raise Refused(INVALID, "The body is not valid JSON.") from None
        try:
            events = _events(body, shop, now)
        except Refused as refusal:
            self._note(body, refusal, now)
            raise
        with self._lock:
            self._received.add([self._delivery(event, body, request_id, now) for event in events])

    def _caller(self, request: Request) -> Shop:
        """By the Access-Token header alone: a Bearer header or a parameter is nobody."""
        token = request.headers.get("Access-Token", "")
        for shop in self._market.shops:
            if shop.tiktok is not None and token and shop.tiktok.token == token:
                return shop
        raise Refused(BAD_TOKEN, "Access token is incorrect or has been revoked.")

    def _note(self, body: Any, refusal: Refused, now: datetime) -> None:
        data = body.get("data") if isinstance(body, dict) else None
        source = str(body.get("event_source_id", "")) if isinstance(body, dict) else ""
        count = len(data) if isinstance(data, list) else 0
        self._received.refuse(Refusal("tiktok", source, count, str(refusal.code), refusal.message, now))

    def _delivery(self, event: dict[str, Any], body: dict[str, Any], request_id: str, now: datetime) -> Delivery:
        at = datetime.fromtimestamp(event["event_time"], UTC)
        key = body["event_source_id"], event["event"], event["event_id"]
        first = self._seen.get(key)
        outcome: Outcome = "counted"
        reason = ""
        if now - at > LOOK_BACK:
            outcome, reason = "failed", "older than 28 days"
        elif first is not None and now - first <= DEDUPLICATION:
            outcome = "duplicate"
        else:
            self._seen[key] = now
        properties = event["properties"]
        return Delivery(
            platform="tiktok",
            destination=body["event_source_id"],
            event_name=event["event"],
            event_id=event["event_id"],
            order_id=properties.get("order_id", ""),
            value=Decimal(str(properties["value"])) if "value" in properties else None,
            currency=properties.get("currency", ""),
            occurred_at=at,
            received_at=now,
            request_id=request_id,
            outcome=outcome,
            reason=reason,
            test="test_event_code" in body,
            identifiers=tuple(sorted(event["user"])),
            sent=msgspec.json.encode(event),
        )


def _envelope(code: int, message: str, request_id: str) -> Response:
    return Response.of_json(200, {"code": code, "message": message, "request_id": request_id, "data": {}})


def _events(body: Any, shop: Shop, now: datetime) -> list[dict[str, Any]]:
    """The events of a request; one that breaks a rule refuses them all."""
    _known("body", body, TOP)
    if body.get("event_source") not in {"web", "app", "offline", "crm"}:
        raise Refused(INVALID, "event_source: must be one of web, app, offline, crm.")
    if shop.tiktok is None or body.get("event_source_id") != shop.tiktok.code:
        raise Refused(NO_PERMISSION, "No permission to operate this event_source_id.")
    data = body.get("data")
    if not isinstance(data, list) or not 1 <= len(data) <= MOST_EVENTS:
        raise Refused(INVALID, f"data: must be a list of 1 to {MOST_EVENTS} events.")
    for position, event in enumerate(data):
        _event(f"data.{position}", event, now)
    return data


def _event(where: str, event: Any, now: datetime) -> None:
    _known(where, event, EVENT)
    name, number, at = event.get("event"), event.get("event_id"), event.get("event_time")
    if not isinstance(name, str) or not name:
        raise Refused(INVALID, f"{where}.event: is required.")
    if not isinstance(number, str) or not number:
        raise Refused(INVALID, f"{where}.event_id: is required, a text.")
    if not isinstance(at, int) or isinstance(at, bool) or not 1e9 <= at < 1e10:
        raise Refused(INVALID, f"{where}.event_time: must be a Unix timestamp in seconds.")
    if at > (now + FUTURE).timestamp():
        raise Refused(INVALID, f"{where}.event_time: lies in the future.")
    for text in texts(event):
        if _EMAIL.search(text):
            raise Refused(INVALID, f"{where}: holds an e-mail address in the clear.")
    _user(f"{where}.user", event.get("user"))
    if "page" in event:
        _known(f"{where}.page", event["page"], PAGE)
    _properties(f"{where}.properties", event.get("properties"))


def _user(where: str, user: Any) -> None:
    _known(where, user, USER)
    for key, value in user.items():
        values = value if isinstance(value, list) and key in HASHED else [value]
        if not values or not all(isinstance(each, str) and each for each in values):
            raise Refused(INVALID, f"{where}.{key}: must be a text that is not empty.")
        if key in HASHED and not all(_DIGEST.fullmatch(each) and each != _NOTHING for each in values):
            raise Refused(INVALID, f"{where}.{key}: must be a SHA-256 in lower-case hexadecimal, not of nothing.")
    if "ip" in user:
        try:
            ipaddress.ip_address(user["ip"])
        except ValueError:
            raise Refused(INVALID, f"{where}.ip: must be an IPv4 or IPv6 address without a port.") from None
    if not user.keys() & {"email", "phone", "external_id", "ttclid", "ttp"} and not {"ip", "user_agent"} <= user.keys():
        raise Refused(INVALID, f"{where}: holds nothing to match anybody by.")


def _properties(where: str, properties: Any) -> None:
    _known(where, properties, PROPERTIES)
    value = properties.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise Refused(INVALID, f"{where}.value: must be a number, not negative.")
    if not _CURRENCY.fullmatch(str(properties.get("currency", ""))):
        raise Refused(INVALID, f"{where}.currency: must be an ISO 4217 code.")
    for at, content in enumerate(properties.get("contents", [])):
        _known(f"{where}.contents.{at}", content, CONTENT)
        if not isinstance(content.get("content_id"), str) or not isinstance(content.get("quantity", 1), int):
            raise Refused(INVALID, f"{where}.contents.{at}: content_id must be a text and quantity a whole number.")


def _known(where: str, value: Any, known: frozenset[str]) -> None:
    if not isinstance(value, dict):
        raise Refused(INVALID, f"{where}: must be an object.")
    if unknown := sorted(value.keys() - known):
        raise Refused(INVALID, f"{where}: unknown field {unknown[0][:40]}.")
