"""GA4's Measurement Protocol as the sandbox shows it: 204 to anything; what it counts shows only in what was received."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from cortex.clock import Clock
from cortex.sandbox.capi import texts
from cortex.sandbox.market import Market, Property
from cortex.sandbox.received import Delivery, Received, Refusal
from cortex.sandbox.wire import Request, Response

COLLECT, VALIDATE = "/mp/collect", "/debug/mp/collect"
MOST_EVENTS = 25
MOST_BYTES = 130_000
BACKDATED = timedelta(hours=72)

TOP = frozenset({"client_id", "user_id", "timestamp_micros", "user_properties", "consent", "events", "user_data"})
REFUND = frozenset({"currency", "transaction_id", "value", "items", "affiliation", "coupon", "shipping", "tax"})
_CLIENT = re.compile(r"\d{1,10}\.\d{1,10}")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")

Finding = tuple[str, str, str]
"""fieldPath, validationCode, description."""


class MeasurementStandIn:
    """Counts hits of every shop's web stream. Nobody is ever told that a hit was not counted."""

    def __init__(self, market: Market, *, clock: Clock, received: Received) -> None:
        self._market = market
        self._clock = clock
        self._received = received
        self._lock = threading.Lock()
        self._hits = 0

    def handle(self, request: Request) -> Response:
        if request.method != "POST":
            return Response(405)
        findings = list(_findings(request.body, self._clock()))
        if request.path == VALIDATE:
            # The validator looks at the form alone: it takes any secret, and stores nothing.
            said = [{"fieldPath": path, "validationCode": code, "description": words} for path, code, words in findings]
            return Response.of_json(200, {"validationMessages": said})
        self._collect(request, findings)
        return Response(204)

    def _collect(self, request: Request, findings: list[Finding]) -> None:
        stream = self._stream(request)
        now = self._clock()
        with self._lock:
            self._hits += 1
            hit = f"sandbox-hit-{self._hits}"
        measurement = request.param("measurement_id")
        if stream is None or findings:
            why = findings[0] if findings else ("api_secret", "UNKNOWN_STREAM", "No stream has this id and secret.")
            self._received.refuse(Refusal("ga4_mp", measurement, 1, why[1], why[2], now))
            return
        body = msgspec.json.decode(request.body)
        at = datetime.fromtimestamp(body["timestamp_micros"] / 1e6, UTC) if "timestamp_micros" in body else now
        self._received.add(
            [_delivery(event, measurement, at, now, f"{hit}-{n}") for n, event in enumerate(body["events"])]
        )

    def _stream(self, request: Request) -> Property | None:
        """By the two parameters of the address alone."""
        for shop in self._market.shops:
            if shop.ga4 is not None and shop.ga4.measurement_id and shop.ga4.api_secret:
                known = shop.ga4.measurement_id, shop.ga4.api_secret
                if (request.param("measurement_id"), request.param("api_secret")) == known:
                    return shop.ga4
        return None


def _delivery(event: dict[str, Any], measurement: str, at: datetime, now: datetime, hit: str) -> Delivery:
    """Each hit counts: a refund told twice is two refunds."""
    parameters = event["params"]
    value = parameters.get("value")
    return Delivery(
        platform="ga4_mp",
        destination=measurement,
        event_name=event["name"],
        event_id=hit,
        order_id=parameters.get("transaction_id", ""),
        value=None if value is None else Decimal(str(value)),
        currency=parameters.get("currency", ""),
        occurred_at=at,
        received_at=now,
        request_id=hit,
        outcome="counted",
        sent=msgspec.json.encode(event),
    )


def _findings(content: bytes, now: datetime) -> Iterator[Finding]:
    if len(content) > MOST_BYTES:
        yield "", "EXCEEDED_MAX_ENTITIES", "The payload is larger than 130 kB."
        return
    try:
        body = msgspec.json.decode(content)
    except msgspec.DecodeError:
        yield "", "VALUE_INVALID", "The payload is not JSON."
        return
    if not isinstance(body, dict):
        yield "", "VALUE_INVALID", "The payload must be an object."
        return
    for key in sorted(body.keys() - TOP):
        yield key, "VALUE_INVALID", f"Cannot find field: {key[:40]} in message."
    if not _CLIENT.fullmatch(str(body.get("client_id", ""))):
        yield "client_id", "VALUE_REQUIRED", "Measurement requires a client_id: two numbers with a dot."
    yield from _moment(body, now)
    if any(_EMAIL.search(text) for text in texts(body)):
        yield "events", "VALUE_INVALID", "Personal information must not be sent."
    events = body.get("events")
    if not isinstance(events, list) or not 1 <= len(events) <= MOST_EVENTS:
        yield "events", "EXCEEDED_MAX_ENTITIES", f"A hit holds 1 to {MOST_EVENTS} events."
        return
    for at, event in enumerate(events):
        yield from _event(f"events[{at}]", event)


def _moment(body: dict[str, Any], now: datetime) -> Iterator[Finding]:
    if "timestamp_micros" not in body:
        return
    micros = body["timestamp_micros"]
    if not isinstance(micros, int) or isinstance(micros, bool) or len(str(micros)) != 16:
        yield "timestamp_micros", "VALUE_INVALID", "Must be Unix time in microseconds: 16 digits."
        return
    age = now.timestamp() - micros / 1e6
    if age > BACKDATED.total_seconds():
        yield "timestamp_micros", "VALUE_OUT_OF_BOUNDS", "Events can be backdated by 72 hours."
    elif age < -60:
        yield "timestamp_micros", "VALUE_OUT_OF_BOUNDS", "The event lies in the future."


def _event(where: str, event: Any) -> Iterator[Finding]:
    parameters = event.get("params") if isinstance(event, dict) else None
    if not isinstance(parameters, dict) or not _NAME.fullmatch(str(event.get("name", ""))):
        yield where, "NAME_INVALID", "An event has a name and params."
        return
    if event["name"] not in {"refund", "purchase"}:
        return
    for key in sorted(parameters.keys() - REFUND):
        yield f"{where}.params.{key}", "NAME_INVALID", "Not a parameter of a refund."
    if not isinstance(parameters.get("transaction_id"), str) or not parameters["transaction_id"]:
        yield f"{where}.params.transaction_id", "VALUE_REQUIRED", "transaction_id is required."
    if not _CURRENCY.fullmatch(str(parameters.get("currency", ""))):
        yield f"{where}.params.currency", "VALUE_REQUIRED", "currency must be an ISO 4217 code."
    value = parameters.get("value")
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value <= 0):
        yield f"{where}.params.value", "VALUE_INVALID", "value must be a number above zero."
