"""Google's Data Manager as the sandbox shows it: all-or-nothing validation now, what became of the events later."""

from __future__ import annotations

import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from cortex.clock import Clock, local_day
from cortex.sandbox.click_index import ClickIndex
from cortex.sandbox.google_ads_diagnostics import CONNECTOR, Upload
from cortex.sandbox.google_rest import Refused, error_info, exhausted, faulty
from cortex.sandbox.ingestion import Destination, Event, Reader, Violation, by_reason
from cortex.sandbox.market import GoogleAccount, Market
from cortex.sandbox.oauth import DATA_MANAGER, Grant, OAuth
from cortex.sandbox.quota import Quota
from cortex.sandbox.received import Delivery, Outcome, Received, Refusal
from cortex.sandbox.wire import Request, Response

DOMAIN = "datamanager.googleapis.com"
PER_MINUTE = 300
PER_DAY = 100_000
PENDING_POLLS = 2
CLICK_WINDOW = timedelta(days=90)
IDENTIFIER_WINDOW = timedelta(days=63)
PREFIX = "PROCESSING_ERROR_REASON_"
FOREIGN_CLICK = "PROCESSING_ERROR_OPERATING_ACCOUNT_MISMATCH_FOR_AD_IDENTIFIER"


@dataclass(slots=True)
class _Conversion:
    """What an account holds for one transaction id."""

    value: Decimal | None
    currency: str
    updated_at: datetime | None


@dataclass
class _Batch:
    """An accepted request, per destination: how many events, and how many failed for which reason."""

    shops: tuple[str, ...]
    at: datetime
    destinations: list[tuple[Destination, int, Counter[str]]] = field(default_factory=list)
    polls: int = 0


class DataManagerStandIn:
    """Takes conversions for every shop's Google Ads account. Limits count real time.

    pending_polls: how many times a request's status is still PROCESSING; fewer on a faster platform (rate_scale).
    """

    def __init__(
        self,
        market: Market,
        oauth: OAuth,
        *,
        clock: Clock,
        received: Received,
        rate_scale: float = 1.0,
        pending_polls: int = PENDING_POLLS,
    ) -> None:
        self._market = market
        self._oauth = oauth
        self._clock = clock
        self._received = received
        self._pending_polls = int(pending_polls / max(rate_scale, 1.0))
        self._minute = Quota(PER_MINUTE * rate_scale, 60)
        self._day = Quota(PER_DAY * rate_scale, 86_400)
        self.told_as = CONNECTOR
        """Upload client Google Ads' diagnostics count these under. Google does not say which it is."""
        self._lock = threading.RLock()
        self._requests = 0
        self._batches: dict[str, _Batch] = {}
        self._ledger: dict[tuple[str, str], _Conversion] = {}
        self._clicks = {
            shop.google.customer_id: ClickIndex(shop.google.clicks) for shop in market.shops if shop.google is not None
        }

    def handle(self, request: Request) -> Response:
        with self._lock:
            self._requests += 1
            request_id = f"sandbox-request-{self._requests:06d}"
        try:
            return Response.of_json(200, self._answer(request, request_id))
        except Refused as refusal:
            return refusal.response()

    def fault(self, _request: Request, status: int) -> Response:
        return faulty(status)

    def _answer(self, request: Request, request_id: str) -> dict[str, Any]:
        grant = self._oauth.judge(request.headers.get("Authorization", ""), (DATA_MANAGER,))
        wait = max(self._minute.spend(), self._day.spend())
        if wait:
            raise exhausted("Quota exceeded for requests of this project.", wait)
        match request.method, request.path:
            case "POST", "/v1/events:ingest":
                return self._ingest(request, grant, request_id)
            case "GET", "/v1/requestStatus:retrieve":
                return self._status(request.param("requestId"), grant)
        raise Refused("NOT_FOUND", "The requested URL was not found.")

    def _ingest(self, request: Request, grant: Grant, request_id: str) -> dict[str, Any]:
        try:
            body = msgspec.json.decode(request.body or b"{}")
        except msgspec.DecodeError:
            raise Refused("INVALID_ARGUMENT", "Invalid JSON payload received.") from None
        now = self._clock()
        try:
            reader = Reader(body, now)
            destinations = reader.destinations()
            events = reader.events(frozenset(each.reference for each in destinations if each.reference))
            problems = reader.violations + self._reachable(destinations, grant)
            if problems:
                raise _refusal(problems, request_id)
        except Refused as refusal:
            self._refused(body, refusal, now)
            raise
        if not reader.validate_only:
            with self._lock:
                self._take(request_id, grant, destinations, events, now)
        return {"requestId": request_id}

    def _reachable(self, destinations: list[Destination], grant: Grant) -> list[Violation]:
        """Raises Refused for an account the caller may not use; returns what is wrong with the destinations' actions."""
        found = []
        for position, destination in enumerate(destinations):
            account = self._account(destination, grant)
            if account is None and re.fullmatch(r"\d{10}", destination.account_id):
                raise Refused(
                    "PERMISSION_DENIED",
                    "The caller does not have permission to the operating account.",
                    [error_info("PERMISSION_DENIED", DOMAIN)],
                )
            if account is not None and destination.action_id not in ("", account.conversion_action_id):
                found.append(
                    Violation(
                        f"destinations[{position}].product_destination_id",
                        "INVALID_CONVERSION_ACTION_ID",
                        "The account has no such conversion action.",
                    )
                )
        return found

    def _account(self, destination: Destination, grant: Grant) -> GoogleAccount | None:
        for shop in self._market.shops:
            if shop.google is not None and grant.reaches(shop) and shop.google.customer_id == destination.account_id:
                return shop.google
        return None

    def _refused(self, body: Any, refusal: Refused, now: datetime) -> None:
        events = body.get("events") if isinstance(body, dict) else None
        reasons = [violation["reason"] for detail in refusal.details for violation in detail.get("fieldViolations", ())]
        self._received.refuse(
            Refusal(
                "data_manager",
                _named_destination(body),
                len(events) if isinstance(events, list) else 0,
                reasons[0] if reasons else refusal.status,
                refusal.message,
                now,
            )
        )

    def _take(
        self, request_id: str, grant: Grant, destinations: list[Destination], events: list[Event], now: datetime
    ) -> None:
        batch = _Batch(grant.shops, now)
        for destination in destinations:
            account = self._account(destination, grant)
            mine = [each for each in events if not each.references or destination.reference in each.references]
            reasons: Counter[str] = Counter()
            seen: set[str] = set()
            deliveries = []
            for event in mine:
                outcome, reason = self._process(event, destination, account, seen, now)
                if reason:
                    reasons[reason] += 1
                deliveries.append(_delivery(event, destination, request_id, now, outcome, reason))
            self._received.add(deliveries)
            batch.destinations.append((destination, len(mine), reasons))
        self._batches[request_id] = batch

    def _process(
        self, event: Event, destination: Destination, account: GoogleAccount | None, seen: set[str], now: datetime
    ) -> tuple[Outcome, str]:
        """What the second phase makes of one event: the ledger changes, or a reason is counted."""
        reason = _consent_reason(event) or self._age_reason(event, now) or self._click_reason(event, account)
        if reason:
            return "failed", reason
        duplicate = PREFIX + "DUPLICATE_TRANSACTION_ID"
        number = event.transaction_id
        if number and number in seen:
            return "duplicate", duplicate
        seen.add(number)
        key = f"{destination.account_id}/{destination.action_id}", number
        held = self._ledger.get(key) if number else None
        fresh = _Conversion(event.value, event.currency, event.updated_at)
        if held is None:
            # An unknown transaction id makes a new conversion, also when the caller meant to restate one.
            if number:
                self._ledger[key] = fresh
            return "counted", ""
        if not _newer(event, held):
            return "duplicate", duplicate
        self._ledger[key] = fresh
        return "restated", ""

    def _age_reason(self, event: Event, now: datetime) -> str:
        window = CLICK_WINDOW if event.has_click else IDENTIFIER_WINDOW
        return PREFIX + "EVENT_TOO_OLD" if now - event.occurred_at > window else ""

    def _click_reason(self, event: Event, account: GoogleAccount | None) -> str:
        gclid = event.clicks.get("gclid")
        if gclid is None or account is None:
            return ""
        click = self._clicks[account.customer_id].find(gclid)
        if click is None:
            foreign = any(index.find(gclid) for index in self._clicks.values())
            return FOREIGN_CLICK if foreign else PREFIX + "CLICK_NOT_FOUND"
        if local_day(event.occurred_at, ZoneInfo(account.timezone)) < click.day:
            return PREFIX + "CONVERSION_PRECEDES_CLICK"
        return ""

    def uploads(self, account: GoogleAccount) -> list[Upload]:
        """What came of every request for an account, as its Google Ads diagnostics tell it."""
        with self._lock:
            return [
                self._upload(batch, destination, total, reasons)
                for batch in self._batches.values()
                for destination, total, reasons in batch.destinations
                if destination.account_id == account.customer_id
            ]

    def _upload(self, batch: _Batch, destination: Destination, total: int, reasons: Counter[str]) -> Upload:
        failed = sum(reasons.values())
        if batch.polls < self._pending_polls:
            return Upload(batch.at, self.told_as, destination.action_id, 0, 0, total)
        return Upload(batch.at, self.told_as, destination.action_id, total - failed, failed)

    def _status(self, request_id: str, grant: Grant) -> dict[str, Any]:
        with self._lock:
            batch = self._batches.get(request_id)
            if batch is None or not set(batch.shops) & set(grant.shops):
                raise Refused(
                    "INVALID_ARGUMENT",
                    "Status exists only for requests that succeeded and were not validate_only.",
                    [error_info("INVALID_REQUEST_ID", DOMAIN)],
                )
            batch.polls += 1
            pending = batch.polls <= self._pending_polls
        return {"requestStatusPerDestination": [_shown(each, pending) for each in batch.destinations]}


def _newer(event: Event, held: _Conversion) -> bool:
    """Whether an event with a known transaction id changes it: another value, or a later update; never an earlier one."""
    if event.updated_at is not None and held.updated_at is not None:
        return event.updated_at > held.updated_at
    return (event.value, event.currency) != (held.value, held.currency)


def _consent_reason(event: Event) -> str:
    if event.consent == "CONSENT_DENIED":
        return PREFIX + "DENIED_CONSENT"
    if event.has_user_data and not event.consent:
        return PREFIX + "NO_CONSENT"
    return ""


def _shown(entry: tuple[Destination, int, Counter[str]], pending: bool) -> dict[str, Any]:
    """A destination's status: counts by reason, never which event."""
    destination, total, reasons = entry
    status: dict[str, Any] = {
        "destination": destination.payload,
        "eventsIngestionStatus": {"recordCount": str(total)},
    }
    if pending:
        return status | {"requestStatus": "PROCESSING"}
    failed = sum(reasons.values())
    status["requestStatus"] = "SUCCESS" if not failed else "FAILED" if failed == total else "PARTIAL_SUCCESS"
    if failed:
        counts = [{"recordCount": str(count), "reason": reason} for reason, count in sorted(reasons.items())]
        status["errorInfo"] = {"errorCounts": counts}
    return status


def _delivery(
    event: Event, destination: Destination, request_id: str, now: datetime, outcome: Outcome, reason: str
) -> Delivery:
    return Delivery(
        platform="data_manager",
        destination=f"{destination.account_id}/{destination.action_id}",
        event_name=event.event_name,
        event_id=event.transaction_id,
        order_id=event.transaction_id,
        value=event.value,
        currency=event.currency,
        occurred_at=event.occurred_at,
        received_at=now,
        request_id=request_id,
        outcome=outcome,
        reason=reason,
        identifiers=event.identifiers,
        sent=msgspec.json.encode(event.payload),
    )


def _refusal(problems: list[Violation], request_id: str) -> Refused:
    reasons = ", ".join(f"{reason} ({count})" for reason, count in by_reason(problems))
    return Refused(
        "INVALID_ARGUMENT",
        f"There was a problem with the request: {reasons}",
        [
            error_info("INVALID_ARGUMENT", DOMAIN, requestId=request_id),
            {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": request_id},
            {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [
                    {"field": each.field, "description": each.description, "reason": each.reason} for each in problems
                ],
            },
        ],
    )


def _named_destination(body: Any) -> str:
    """The first destination of a request that may be anything, for the record."""
    try:
        first = body["destinations"][0]
        return f"{first['operatingAccount']['accountId']}/{first['productDestinationId']}"
    except (KeyError, IndexError, TypeError):
        return ""
