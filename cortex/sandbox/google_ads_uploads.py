"""Google Ads' upload services: each row judged by itself, conversions kept by order id, adjustments of what was kept."""

from __future__ import annotations

import hashlib
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
from cortex.sandbox.google_ads_diagnostics import ADS_API, Upload
from cortex.sandbox.google_ads_messages import assign, message
from cortex.sandbox.market import GoogleAccount, Market
from cortex.sandbox.received import Delivery, Outcome, Received

LARGEST = 2000
CLICK_WINDOW = timedelta(days=90)
IDENTIFIER_WINDOW = timedelta(days=63)
ADJUSTMENT_WINDOW = timedelta(days=55)
MOST_IDENTIFIERS = 5
FUTURE = timedelta(minutes=1)

UPLOAD, ADJUST = "conversion_upload_error", "conversion_adjustment_upload_error"

_TIME = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)([+-]\d\d:\d\d)")
_ACTION = re.compile(r"customers/\d{1,10}/conversionActions/(\d+)")
_CLICK_ID = re.compile(r"[A-Za-z0-9_-]{10,512}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NOTHING = hashlib.sha256(b"").hexdigest()
_PERSONAL = re.compile(r"@|\+?\d{12,13}$|\d{3}\.\d{3}\.\d{3}-\d\d")
_CURRENCY = re.compile(r"[A-Z]{3}")


class RowRefused(Exception):
    """Why one row is not taken: family and member of ErrorCode, and the field at fault."""

    def __init__(self, family: str, reason: str, field_name: str = "", words: str = "") -> None:
        super().__init__(reason)
        self.family, self.reason, self.field = family, reason, field_name
        self.words = words or reason.replace("_", " ").capitalize() + "."


class RequestRefused(Exception):
    """Why nothing of a request is looked at."""

    def __init__(self, family: str, reason: str, words: str, status: str = "INVALID_ARGUMENT") -> None:
        super().__init__(words)
        self.status, self.family, self.reason, self.message = status, family, reason, words


@dataclass
class Kept:
    """A conversion the account holds."""

    at: datetime
    value: Decimal
    currency: str
    by_wbraid: bool
    adjusted_at: datetime | None = None
    retracted: bool = False


@dataclass
class _Fate:
    """What one row comes to: errors, or a change to be made."""

    errors: list[RowRefused] = field(default_factory=list)
    outcome: Outcome = "counted"
    key: tuple[str, str] = ("", "")
    kept: Kept | None = None
    delivery: dict[str, Any] = field(default_factory=dict)


class Uploads:
    """The ledger behind both services."""

    def __init__(self, market: Market, *, clock: Clock, received: Received) -> None:
        self._clock = clock
        self._received = received
        self._lock = threading.RLock()
        self._held: dict[tuple[str, str], Kept] = {}
        self._jobs = 0
        self._told: dict[str, list[Upload]] = {}
        """By account, what came of each request: for its diagnostics."""
        self._clicks = {
            shop.google.customer_id: ClickIndex(shop.google.clicks) for shop in market.shops if shop.google is not None
        }

    def click_conversions(self, request: Any, account: GoogleAccount, version: int, request_id: str) -> Any:
        """UploadClickConversionsResponse. Raises RequestRefused."""
        rows = request.conversions
        self._admit(request, rows, account, (UPLOAD, "TOO_MANY_CONVERSIONS_IN_REQUEST"))
        orders = Counter(row.order_id for row in rows if row.order_id)
        with self._lock:
            fates = [self._conversion(row, account, orders) for row in rows]
            answer = message("UploadClickConversionsResponse")()
            for row, fate in zip(rows, fates, strict=True):
                result = answer.results.add() if not request.validate_only else None
                if result is not None and not fate.errors:
                    for name in ("gclid", "gbraid", "wbraid", "conversion_action", "conversion_date_time"):
                        if getattr(row, name):
                            setattr(result, name, getattr(row, name))
                    result.user_identifiers.extend(row.user_identifiers)
            return self._finish(answer, request, fates, "conversions", account, version, request_id)

    def adjustments(self, request: Any, account: GoogleAccount, version: int, request_id: str) -> Any:
        """UploadConversionAdjustmentsResponse. Raises RequestRefused."""
        rows = request.conversion_adjustments
        self._admit(request, rows, account, (ADJUST, "TOO_MANY_ADJUSTMENTS_IN_REQUEST"))
        orders = Counter(row.order_id for row in rows if row.order_id)
        with self._lock:
            fates = [self._adjustment(row, account, orders) for row in rows]
            answer = message("UploadConversionAdjustmentsResponse")()
            for row, fate in zip(rows, fates, strict=True):
                result = answer.results.add() if not request.validate_only else None
                if result is not None and not fate.errors:
                    for name in ("order_id", "conversion_action", "adjustment_date_time", "adjustment_type"):
                        setattr(result, name, getattr(row, name))
            return self._finish(answer, request, fates, "conversion_adjustments", account, version, request_id)

    def _admit(self, request: Any, rows: Any, account: GoogleAccount, too_many: tuple[str, str]) -> None:
        if not account.may_upload:
            raise RequestRefused(
                "not_allowlisted_error",
                "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE",
                "Customer is not allowlisted for accessing this feature.",
                "PERMISSION_DENIED",
            )
        if not request.partial_failure:
            raise RequestRefused(
                "partial_failure_error", "PARTIAL_FAILURE_MODE_REQUIRED", "The partial_failure field must be true."
            )
        if not rows:
            raise RequestRefused("request_error", "REQUIRED_FIELD_MISSING", "The request holds no rows.")
        if len(rows) > LARGEST:
            raise RequestRefused(*too_many, f"A request takes {LARGEST} rows at most.")

    def _finish(
        self,
        answer: Any,
        request: Any,
        fates: list[_Fate],
        list_name: str,
        account: GoogleAccount,
        version: int,
        request_id: str,
    ) -> Any:
        self._jobs += 1
        answer.job_id = request.job_id or self._jobs
        _tell_failures(answer, fates, list_name, version, request_id)
        if not request.validate_only:
            now = self._clock()
            deliveries = []
            for fate in fates:
                if fate.kept is not None and not fate.errors:
                    self._held[fate.key] = fate.kept
                    deliveries.append(
                        Delivery(
                            platform="google_ads",
                            destination=f"{account.customer_id}/{account.conversion_action_id}",
                            event_name="",
                            received_at=now,
                            request_id=request_id,
                            outcome=fate.outcome,
                            **fate.delivery,
                        )
                    )
            self._received.add(deliveries)
            self._tell(fates, account, now, answer.job_id)
        return answer

    def _tell(self, fates: list[_Fate], account: GoogleAccount, now: datetime, job_id: int) -> None:
        failed = [fate for fate in fates if fate.errors]
        errors = Counter((each.family, each.reason) for fate in failed for each in fate.errors)
        upload = Upload(
            now, ADS_API, account.conversion_action_id, len(fates) - len(failed), len(failed), 0, job_id, errors
        )
        self._told.setdefault(account.customer_id, []).append(upload)

    def uploads(self, account: GoogleAccount) -> list[Upload]:
        with self._lock:
            return list(self._told.get(account.customer_id, ()))

    def _conversion(self, row: Any, account: GoogleAccount, orders: Counter[str]) -> _Fate:
        """Every error of a row is told, not the first alone."""
        fate = _Fate()
        at = self._time(row.conversion_date_time, "conversion_date_time", fate)
        self._action(row.conversion_action, account, UPLOAD, fate)
        self._braids(row, fate)
        self._identifiers(row, account, fate)
        if at is not None:
            self._click(row, at, account, fate)
        if not row.HasField("conversion_value") or not 0 <= row.conversion_value < 1e9:
            fate.errors.append(RowRefused("field_error", "REQUIRED", "conversion_value"))
        if not _CURRENCY.fullmatch(row.currency_code):
            fate.errors.append(RowRefused("currency_code_error", "UNSUPPORTED", "currency_code"))
        number = row.order_id or f"{row.gclid or row.gbraid or row.wbraid}@{row.conversion_date_time}"
        if row.order_id and _PERSONAL.search(row.order_id):
            fate.errors.append(RowRefused(UPLOAD, "ORDER_ID_CONTAINS_PII", "order_id"))
        if orders[row.order_id] > 1:
            fate.errors.append(RowRefused(UPLOAD, "DUPLICATE_ORDER_ID", "order_id"))
        fate.key = account.conversion_action_id, number
        if fate.key in self._held:
            reason = "ORDER_ID_ALREADY_IN_USE" if row.order_id else "CLICK_CONVERSION_ALREADY_EXISTS"
            fate.errors.append(RowRefused(UPLOAD, reason, "order_id" if row.order_id else "gclid"))
        if at is not None:
            value = Decimal(str(row.conversion_value))
            fate.kept = Kept(at, value, row.currency_code, by_wbraid=bool(row.wbraid))
            names = sorted({told[0] for each in row.user_identifiers if (told := _identifier(each))})
            clicks = [name for name in ("gclid", "gbraid", "wbraid") if getattr(row, name)]
            fate.delivery = {
                "event_id": number, "order_id": row.order_id, "value": value, "currency": row.currency_code,
                "occurred_at": at, "identifiers": (*clicks, *names), "sent": _shown(row),
            }  # fmt: skip
        return fate

    def _adjustment(self, row: Any, account: GoogleAccount, orders: Counter[str]) -> _Fate:
        fate = _Fate()
        at = self._time(row.adjustment_date_time, "adjustment_date_time", fate)
        self._action(row.conversion_action, account, ADJUST, fate)
        kinds = message("ConversionAdjustment").DESCRIPTOR.fields_by_name["adjustment_type"].enum_type.values_by_number
        kind = kinds[row.adjustment_type].name if row.adjustment_type in kinds else ""
        if kind == "ENHANCEMENT":
            fate.errors.append(
                RowRefused(ADJUST, "CONVERSION_ACTION_NOT_ELIGIBLE_FOR_ENHANCEMENT", "conversion_action")
            )
        elif kind not in {"RESTATEMENT", "RETRACTION"}:
            fate.errors.append(RowRefused("field_error", "REQUIRED", "adjustment_type"))
        if row.order_id and row.HasField("gclid_date_time_pair"):
            fate.errors.append(RowRefused(ADJUST, "GCLID_DATE_TIME_PAIR_AND_ORDER_ID_BOTH_SET", "order_id"))
        if not row.order_id:
            fate.errors.append(RowRefused("field_error", "REQUIRED", "order_id"))
        if orders[row.order_id] > 1:
            fate.errors.append(RowRefused(ADJUST, "DUPLICATE_ADJUSTMENT_IN_REQUEST", "order_id"))
        self._restated(row, kind, fate)
        fate.key = account.conversion_action_id, row.order_id
        held = self._held.get(fate.key)
        if at is not None and row.order_id:
            self._held_back(held, at, kind, fate)
        if held is not None and at is not None:
            value = Decimal(str(row.restatement_value.adjusted_value)) if kind == "RESTATEMENT" else Decimal(0)
            fate.outcome = "restated" if kind == "RESTATEMENT" else "retracted"
            fate.kept = Kept(held.at, value, held.currency, held.by_wbraid, at, retracted=kind == "RETRACTION")
            fate.delivery = {
                "event_id": row.order_id, "order_id": row.order_id, "value": value, "currency": held.currency,
                "occurred_at": held.at, "sent": _shown(row),
            }  # fmt: skip
        return fate

    def _held_back(self, held: Kept | None, at: datetime, kind: str, fate: _Fate) -> None:
        """What the account knows of the conversion that speaks against adjusting it."""
        if held is None or held.by_wbraid:
            fate.errors.append(RowRefused(ADJUST, "CONVERSION_NOT_FOUND", "order_id"))
        elif self._clock() - held.at > ADJUSTMENT_WINDOW:
            fate.errors.append(RowRefused(ADJUST, "CONVERSION_EXPIRED", "order_id"))
        elif at <= held.at:
            fate.errors.append(RowRefused(ADJUST, "ADJUSTMENT_PRECEDES_CONVERSION", "adjustment_date_time"))
        elif held.retracted:
            fate.errors.append(RowRefused(ADJUST, "CONVERSION_ALREADY_RETRACTED", "order_id"))
        elif kind == "RESTATEMENT" and held.adjusted_at is not None and at == held.adjusted_at:
            fate.errors.append(RowRefused(ADJUST, "RESTATEMENT_ALREADY_EXISTS", "adjustment_date_time"))
        elif kind == "RESTATEMENT" and held.adjusted_at is not None and at < held.adjusted_at:
            fate.errors.append(RowRefused(ADJUST, "MORE_RECENT_RESTATEMENT_FOUND", "adjustment_date_time"))

    def _restated(self, row: Any, kind: str, fate: _Fate) -> None:
        value = row.restatement_value
        if kind == "RESTATEMENT":
            if not value.HasField("adjusted_value") or value.adjusted_value < 0:
                fate.errors.append(RowRefused("field_error", "REQUIRED", "restatement_value"))
            if not _CURRENCY.fullmatch(value.currency_code):
                fate.errors.append(RowRefused("currency_code_error", "UNSUPPORTED", "restatement_value"))
        elif row.HasField("restatement_value"):
            fate.errors.append(RowRefused("field_error", "VALUE_MUST_BE_UNSET", "restatement_value"))
        if row.user_identifiers or row.HasField("user_agent"):
            fate.errors.append(RowRefused("field_error", "VALUE_MUST_BE_UNSET", "user_identifiers"))

    def _time(self, text: str, name: str, fate: _Fate) -> datetime | None:
        found = _TIME.fullmatch(text)
        try:
            at = datetime.fromisoformat(f"{found[1]}T{found[2]}{found[3]}") if found else None
        except ValueError:
            at = None
        if at is None:
            fate.errors.append(RowRefused("date_error", "INVALID_STRING_DATE_TIME_SECONDS_WITH_OFFSET", name))
        elif at > self._clock() + FUTURE:
            fate.errors.append(RowRefused("date_error", "LATER_THAN_MAXIMUM_DATE", name))
        return at

    def _action(self, name: str, account: GoogleAccount, family: str, fate: _Fate) -> None:
        """The customer in a resource name is ignored: the action's own id says which it is."""
        found = _ACTION.fullmatch(name)
        if found is None:
            fate.errors.append(RowRefused("field_error", "INVALID_VALUE", "conversion_action"))
        elif found[1] != account.conversion_action_id:
            fate.errors.append(RowRefused(family, "NO_CONVERSION_ACTION_FOUND", "conversion_action"))

    def _braids(self, row: Any, fate: _Fate) -> None:
        if row.gbraid and row.wbraid:
            fate.errors.append(RowRefused(UPLOAD, "GBRAID_WBRAID_BOTH_SET", "gbraid"))
        elif row.gclid and (row.gbraid or row.wbraid):
            fate.errors.append(RowRefused("field_error", "VALUE_MUST_BE_UNSET", "gclid"))
        if not (row.gclid or row.gbraid or row.wbraid or row.user_identifiers):
            fate.errors.append(RowRefused("field_error", "REQUIRED", "gclid"))
        for name in ("gclid", "gbraid", "wbraid"):
            if getattr(row, name) and not _CLICK_ID.fullmatch(getattr(row, name)):
                fate.errors.append(RowRefused(UPLOAD, f"UNPARSEABLE_{name.upper()}", name))

    def _identifiers(self, row: Any, account: GoogleAccount, fate: _Fate) -> None:
        if row.user_identifiers and not account.data_terms:
            fate.errors.append(RowRefused(UPLOAD, "CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS", "user_identifiers"))
        if len(row.user_identifiers) > MOST_IDENTIFIERS or (row.user_identifiers and (row.gbraid or row.wbraid)):
            fate.errors.append(RowRefused("field_error", "INVALID_VALUE", "user_identifiers"))
        for each in row.user_identifiers:
            name, value = _identifier(each) or ("", "")
            if name not in {"hashed_email", "hashed_phone_number"}:
                fate.errors.append(RowRefused(UPLOAD, "UNSUPPORTED_USER_IDENTIFIER", "user_identifiers"))
            elif not _DIGEST.fullmatch(value) or value == _NOTHING:
                fate.errors.append(RowRefused(UPLOAD, "INVALID_USER_IDENTIFIER", "user_identifiers"))

    def _click(self, row: Any, at: datetime, account: GoogleAccount, fate: _Fate) -> None:
        clicked = bool(row.gclid or row.gbraid or row.wbraid)
        if self._clock() - at > (CLICK_WINDOW if clicked else IDENTIFIER_WINDOW):
            fate.errors.append(RowRefused(UPLOAD, "EXPIRED_EVENT", "conversion_date_time"))
        if not row.gclid or not _CLICK_ID.fullmatch(row.gclid):
            return
        click = self._clicks[account.customer_id].find(row.gclid)
        if click is None:
            foreign = any(index.find(row.gclid) for index in self._clicks.values())
            fate.errors.append(
                RowRefused(UPLOAD, "INVALID_CUSTOMER_FOR_CLICK" if foreign else "CLICK_NOT_FOUND", "gclid")
            )
        elif local_day(at, ZoneInfo(account.timezone)) < click.day:
            fate.errors.append(RowRefused(UPLOAD, "CONVERSION_PRECEDES_EVENT", "conversion_date_time"))


def _identifier(each: Any) -> tuple[str, str] | None:
    """The one thing an identifier says; None when it says nothing, or several things at once."""
    told = [
        (name, getattr(each, name))
        for name in ("hashed_email", "hashed_phone_number", "mobile_id", "third_party_user_id")
        if getattr(each, name)
    ]
    if each.HasField("address_info"):
        told.append(("address_info", "x"))
    return told[0] if len(told) == 1 else None


def _shown(row: Any) -> bytes:
    """The row as JSON, for whoever asks what arrived."""
    from google.protobuf import json_format

    return msgspec.json.encode(json_format.MessageToDict(row, preserving_proto_field_name=True))


def _tell_failures(answer: Any, fates: list[_Fate], list_name: str, version: int, request_id: str) -> None:
    """Errors of all rows in one GoogleAdsFailure inside a Status; no failed row has anything in its result."""
    failure = message("GoogleAdsFailure")(request_id=request_id)
    for position, fate in enumerate(fates):
        for refusal in fate.errors:
            error = failure.errors.add(message=refusal.words)
            assign(error, f"error_code.{refusal.family}", refusal.reason)
            error.location.field_path_elements.add(field_name=list_name, index=position)
            if refusal.field:
                error.location.field_path_elements.add(field_name=refusal.field)
    if failure.errors:
        status = answer.partial_failure_error
        status.code = 3
        status.message = "Multiple errors in partial failure."
        status.details.add(
            type_url=f"type.googleapis.com/google.ads.googleads.v{version}.errors.GoogleAdsFailure",
            value=failure.SerializeToString(),
        )
