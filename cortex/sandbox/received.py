"""What arrived at each platform, kept so that a test or a person can ask "what did Meta get, and how often?"."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

Outcome = Literal["counted", "duplicate", "restated", "retracted", "failed"]
"""counted: a new conversion. duplicate: ignored, they had it. restated: changed the value of one they had. retracted: took
one back, value and count. failed: taken, then dropped."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event as one destination took it."""

    platform: str
    destination: str
    """Meta: the pixel. Google: `customer/conversion action`."""
    event_name: str
    event_id: str
    """Meta: event_id. Google: transaction id."""
    order_id: str
    value: Decimal | None
    currency: str
    occurred_at: datetime
    received_at: datetime
    request_id: str
    outcome: Outcome
    reason: str = ""
    test: bool = False
    identifiers: tuple[str, ...] = ()
    """Names of the match keys, not their values."""
    sent: bytes = field(default=b"{}", repr=False)

    @property
    def payload(self) -> dict[str, Any]:
        """The event as it was sent (hashes, never clear identities)."""
        return msgspec.json.decode(self.sent, type=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Refusal:
    """A whole request turned down: nothing in it was taken."""

    platform: str
    destination: str
    events: int
    code: str
    message: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Call:
    """One request, however it ended. `status` is the HTTP status (gRPC: its code's number); 0 when the answer was destroyed."""

    platform: str
    method: str
    path: str
    status: int
    fault: str = ""


class Received:
    """The memory of the sandbox; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._deliveries: list[Delivery] = []
        self._refusals: list[Refusal] = []
        self._calls: list[Call] = []

    def add(self, deliveries: Iterable[Delivery]) -> None:
        with self._lock:
            self._deliveries.extend(deliveries)

    def refuse(self, refusal: Refusal) -> None:
        with self._lock:
            self._refusals.append(refusal)

    def called(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)

    def clear(self) -> None:
        """Forget what arrived. The platforms' own deduplication and ledgers stay as they are."""
        with self._lock:
            self._deliveries.clear()
            self._refusals.clear()
            self._calls.clear()

    def deliveries(self, platform: str = "", destination: str = "") -> list[Delivery]:
        """Every delivery, duplicates included, in the order of arrival."""
        with self._lock:
            return [
                delivery
                for delivery in self._deliveries
                if platform in ("", delivery.platform) and destination in ("", delivery.destination)
            ]

    def counted(self, platform: str = "", destination: str = "") -> list[Delivery]:
        """What the platform counts: duplicates gone, restatements applied, retracted and failed events gone."""
        kept: list[Delivery | None] = []
        latest: dict[tuple[str, str, str, str], int] = {}
        for delivery in self.deliveries(platform, destination):
            key = (delivery.platform, delivery.destination, delivery.event_name, delivery.event_id)
            if delivery.outcome == "counted":
                latest[key] = len(kept)
                kept.append(delivery)
            elif delivery.outcome == "retracted" and key in latest:
                kept[latest.pop(key)] = None
            elif delivery.outcome == "restated" and key in latest:
                original = kept[latest[key]]
                if original is not None:
                    kept[latest[key]] = replace(original, value=delivery.value, currency=delivery.currency)
        return [delivery for delivery in kept if delivery is not None]

    def orders(self, platform: str, destination: str = "") -> dict[str, Decimal]:
        """Value per order id as the platform counts it: an order counted twice shows twice its value."""
        totals: dict[str, Decimal] = {}
        for delivery in self.counted(platform, destination):
            totals[delivery.order_id] = totals.get(delivery.order_id, Decimal(0)) + (delivery.value or Decimal(0))
        return totals

    def refusals(self, platform: str = "") -> list[Refusal]:
        with self._lock:
            return [refusal for refusal in self._refusals if platform in ("", refusal.platform)]

    def calls(self, platform: str = "") -> list[Call]:
        with self._lock:
            return [call for call in self._calls if platform in ("", call.platform)]

    def summary(self) -> dict[str, Any]:
        """The whole of it as JSON values: counts per platform, and every event with how often it came."""
        platforms = sorted({call.platform for call in self.calls()} | {each.platform for each in self.deliveries()})
        return {"platforms": {platform: self._summary_of(platform) for platform in platforms}}

    def _summary_of(self, platform: str) -> dict[str, Any]:
        calls = self.calls(platform)
        gross = self.deliveries(platform)
        counted = self.counted(platform)
        refusals = self.refusals(platform)
        times = Counter(_identity(delivery) for delivery in gross)
        count = Counter(_identity(delivery) for delivery in counted)
        last = {_identity(delivery): delivery for delivery in gross}
        values = {_identity(delivery): delivery for delivery in counted}
        return {
            "requests": len(calls),
            "statuses": dict(sorted(Counter(str(call.status) for call in calls).items())),
            "faults": dict(sorted(Counter(call.fault for call in calls if call.fault).items())),
            "deliveries": len(gross),
            "counted": len(counted),
            "outcomes": dict(sorted(Counter(delivery.outcome for delivery in gross).items())),
            "test_events": sum(delivery.test for delivery in gross),
            "refused_requests": len(refusals),
            "refused_events": sum(refusal.events for refusal in refusals),
            "value": _by_currency(counted),
            "events": [
                {
                    "destination": key[0],
                    "event_name": key[1],
                    "event_id": key[2],
                    "order_id": last[key].order_id,
                    "delivered": times[key],
                    "counted": count[key],
                    "value": str(values[key].value) if key in values else None,
                    "currency": last[key].currency,
                    "occurred_at": last[key].occurred_at.isoformat(),
                    "last_outcome": last[key].outcome,
                    "reason": last[key].reason,
                    "identifiers": list(last[key].identifiers),
                }
                for key in times
            ],
            "refusals": [
                {"destination": r.destination, "events": r.events, "code": r.code, "message": r.message}
                for r in refusals
            ],
        }


def _identity(delivery: Delivery) -> tuple[str, str, str]:
    return delivery.destination, delivery.event_name, delivery.event_id


def _by_currency(deliveries: Iterable[Delivery]) -> dict[str, str]:
    totals: dict[str, Decimal] = {}
    for delivery in deliveries:
        if delivery.value is not None:
            totals[delivery.currency] = totals.get(delivery.currency, Decimal(0)) + delivery.value
    return {currency: str(total) for currency, total in sorted(totals.items())}
