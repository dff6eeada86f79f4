"""What Data Manager's reasons mean for a sender, as data: ErrorReason (at once) and ProcessingErrorReason (later)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from cortex.errors import CortexError, CredentialError, PlatformError, Throttled, Transient
from cortex.http import retry_after
from cortex.records import Receipt
from cortex.secrets import REDACTOR

AT_ONCE: dict[str, tuple[str, ...]] = {
    "transient": ("INTERNAL_ERROR", "DEADLINE_EXCEEDED"),
    "throttle": ("RESOURCE_EXHAUSTED",),
    "auth": (
        "ACCESS_TOKEN_EXPIRED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "ACCESS_TOKEN_TYPE_UNSUPPORTED",
        "CREDENTIALS_MISSING", "ACCOUNT_STATE_INVALID",
    ),
    "expired": ("EVENT_TIME_INVALID",),
    "data": (
        "CUSTOM_VARIABLE_VALUE_CONTAINS_PII", "FIELD_VALUE_TOO_LONG", "FIELD_VALUE_TOO_SHORT",
        "INVALID_AD_IDENTIFIER_FOR_ACCOUNT", "INVALID_ARGUMENT", "INVALID_BASE64_ENCODING", "INVALID_COUNTRY_CODE",
        "INVALID_COUPON_CODE", "INVALID_CURRENCY_CODE", "INVALID_CUSTOM_VARIABLE_VALUE", "INVALID_DEVICE_CATEGORY",
        "INVALID_ENUM_VALUE", "INVALID_EVENT", "INVALID_EVENT_NAME", "INVALID_FORMAT", "INVALID_HEX_ENCODING",
        "INVALID_NUMBER_FORMAT", "INVALID_POSTAL_CODE", "INVALID_REGION_CODE", "INVALID_SHA256_FORMAT",
        "NO_IDENTIFIERS_PROVIDED", "REQUIRED_FIELD_MISSING", "RESERVED_NAME_USED", "TOO_FEW_ELEMENTS",
        "TOO_MANY_ELEMENTS", "TOO_MANY_USER_IDENTIFIERS",
    ),
    "config": (
        "ALREADY_EXISTS", "CONVERSION_ACTION_TOO_RECENTLY_CREATED", "CUSTOM_VARIABLE_NOT_ENABLED",
        "CUSTOM_VARIABLE_NOT_FOUND", "DESTINATION_ACCOUNT_DATA_POLICY_PROHIBITS_ENHANCED_CONVERSIONS",
        "DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED",
        "DESTINATION_ACCOUNT_NOT_ENABLED_ENHANCED_CONVERSIONS_FOR_LEADS", "DESTINATION_ACCOUNT_TYPE_MISMATCH",
        "DUPLICATE_DESTINATION_REFERENCE", "EVENT_SOURCE_AND_DESTINATION_MISMATCH", "INVALID_CONVERSION_ACTION_ID",
        "INVALID_CONVERSION_ACTION_TYPE", "INVALID_DESTINATION", "INVALID_MERCHANT_ID", "MISMATCHED_ACCOUNT_TYPE",
        "NOT_ALLOWLISTED", "NOT_FOUND", "OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH", "PERMISSION_DENIED",
        "REQUIRED_PREREQUISITE_LINK_MISSING", "SERVICE_DISABLED", "TERMS_AND_CONDITIONS_NOT_SIGNED",
        "THIRD_PARTY_USER_DATA_NOT_ALLOWED", "TOO_MANY_DESTINATIONS", "TOO_MANY_EVENTS",
    ),
}  # fmt: skip
"""Reasons of a refused request by class. The rest of the enumeration is about audiences and licences."""

LATER: dict[str, tuple[str, ...]] = {
    "duplicate": ("DUPLICATE_GCLID", "DUPLICATE_TRANSACTION_ID"),
    "expired": ("EVENT_TOO_OLD",),
    "consent": ("DENIED_CONSENT", "NO_CONSENT", "UNKNOWN_CONSENT"),
    "transient": ("INTERNAL_ERROR", "TOO_RECENT_CLICK"),
    "data": (
        "CLICK_NOT_FOUND", "CONVERSION_PRECEDES_CLICK", "CUSTOM_VARIABLE_NOT_ENABLED", "INVALID_CLICK",
        "INVALID_CUSTOM_VARIABLE", "INVALID_EVENT", "INVALID_FORMAT", "INVALID_GBRAID", "INVALID_GCLID",
        "INVALID_WBRAID", "MATCH_ID_NOT_FOUND", "ORIGINAL_CONVERSIONS_NOT_FOUND",
    ),
    "config": (
        "DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED", "EXTERNAL_ATTRIBUTION_DATA_MISSING",
        "INVALID_MERCHANT_ID", "INVALID_OPERATING_ACCOUNT_FOR_CLICK", "OPERATING_ACCOUNT_MISMATCH_FOR_AD_IDENTIFIER",
    ),
}  # fmt: skip
"""Reasons of processing by class; `duplicate` means Google has it already. CLICK_NOT_FOUND and MATCH_ID_NOT_FOUND are
expected misses: the buyer was no ad's."""

ReceiptState = Literal["accepted", "duplicate", "rejected", "retry", "unknown"]

_CLASS_AT_ONCE = {reason: kind for kind, reasons in AT_ONCE.items() for reason in reasons}
_CLASS_LATER = {reason: kind for kind, reasons in LATER.items() for reason in reasons}
_EVENT = re.compile(r"events\[(\d+)\]")
_PREFIX = re.compile(r"^PROCESSING_ERROR_(?:REASON_)?")


class Violation(msgspec.Struct, frozen=True):
    field: str = ""
    description: str = ""
    reason: str = ""

    @property
    def row(self) -> int | None:
        """Which event it is about (`events[3]…`, `events.events[3]…`), or None for the request itself."""
        found = _EVENT.search(self.field)
        return int(found[1]) if found else None


class RequestRefused(PlatformError):
    """Google refuses a request whole: nothing of it was taken."""

    def __init__(self, code: str, message: str, fix: str, kind: str, said: Said) -> None:
        super().__init__(code, message, fix=fix)
        self.kind = kind
        self.said = said


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What is in an error answer: canonical status, reason, words, request id, fields at fault."""

    status: str = ""
    reason: str = ""
    words: str = ""
    request_id: str = ""
    violations: tuple[Violation, ...] = ()


def class_at_once(reason: str, *, about_a_row: bool) -> str:
    """data, expired, config, auth, throttle or transient. A new reason is data when it is about an event, else config."""
    return _CLASS_AT_ONCE.get(reason, "data" if about_a_row else "config")


def class_later(reason: str) -> str:
    """duplicate, data, expired, config, consent or transient. A new reason is data: the rows are lost, and shown."""
    return _CLASS_LATER.get(bare_reason(reason), "data")


def bare_reason(reason: str) -> str:
    """DUPLICATE_GCLID for PROCESSING_ERROR_REASON_DUPLICATE_GCLID."""
    return _PREFIX.sub("", reason)


def judge(status: int, headers: Mapping[str, str], body: bytes) -> CortexError:
    """The named error of an answer that is no success."""
    said = read(body)
    kind = _kind(status, said)
    named = said.reason or said.status or f"HTTP {status}"
    if kind == "auth":
        return CredentialError(
            "CTX-4250",
            f"Google refused the Data Manager credential ({named}).",
            fix="Authorise again with the scope https://www.googleapis.com/auth/datamanager, then run `cortex doctor`.",
        )
    if kind == "throttle":
        return Throttled("CTX-4253", "Google asks to slow down.", retry_after=retry_after(headers), scope="app")
    if kind == "transient":
        return Transient("CTX-4254", f"Google failed for a moment ({named}).")
    if kind in {"data", "expired"}:
        return RequestRefused("CTX-4251", f"Google refused the events: {named}. {said.words}", "", kind, said)
    return RequestRefused(
        "CTX-4252",
        f"Google refused the request, not an event: {named}. {said.words}",
        "Check conversion_action_id and customer_id, and that customer data terms are accepted in Google Ads.",
        kind,
        said,
    )


def _kind(status: int, said: Said) -> str:
    if status == 401:
        return "auth"
    if status == 429:
        return "throttle"
    if status in {408, 499} or status >= 500:
        return "transient"
    if any(violation.row is None for violation in said.violations):
        return "config"
    if said.violations:
        return "data"
    known = _CLASS_AT_ONCE.get(said.reason) or _CLASS_AT_ONCE.get(said.status)
    return known or ("data" if status == 400 else "config")


def read(body: bytes) -> Said:
    """An error answer of a Google API (google.rpc.Status with details), as far as it can be read."""
    try:
        error: Any = msgspec.json.decode(body)["error"]
        details = [detail for detail in error.get("details", []) if isinstance(detail, dict)]
        violations = [
            msgspec.convert(violation, Violation)
            for detail in details
            for violation in detail.get("fieldViolations", [])
        ]
        return Said(
            status=str(error.get("status", "")),
            reason=next((str(detail["reason"]) for detail in details if "reason" in detail), ""),
            words=REDACTOR.clean(str(error.get("message", "")))[:200],
            request_id=next((str(detail["requestId"]) for detail in details if "requestId" in detail), ""),
            violations=tuple(violations),
        )
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, KeyError, TypeError, AttributeError):
        return Said()


class _Count(msgspec.Struct, frozen=True, rename="camel"):
    record_count: int = 0
    reason: str = ""


class _Errors(msgspec.Struct, frozen=True, rename="camel"):
    error_counts: list[_Count] = []


class _Ingested(msgspec.Struct, frozen=True, rename="camel"):
    record_count: int = 0


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    request_status: str = ""
    error_info: _Errors = _Errors()
    events_ingestion_status: _Ingested = _Ingested()


class Diagnosis(msgspec.Struct, frozen=True, rename="camel"):
    """Answer of requestStatus:retrieve. Counts come as strings (int64 in JSON)."""

    request_status_per_destination: list[_Status] = []


def verdict(diagnosis: Diagnosis, request_id: str) -> Receipt:
    """What became of a request of one destination: Google counts by reason and never says which event.

    A request with reasons that pass by themselves is sent again whole: the same transaction id replaces, it does not
    add. One that partly failed for good is accepted, with the counts in its words.
    """
    status = diagnosis.request_status_per_destination[0] if diagnosis.request_status_per_destination else _Status()
    if status.request_status == "SUCCESS":
        return Receipt(state="accepted", request_id=request_id)
    if status.request_status not in {"FAILED", "FAILURE", "PARTIAL_SUCCESS"}:
        return Receipt(state="accepted", request_id=request_id, processing=True)
    counts = sorted(status.error_info.error_counts, key=lambda count: (-count.record_count, count.reason))
    kinds = {class_later(count.reason) for count in counts}
    top = counts[0] if counts else _Count(reason=status.request_status)
    state, kind = _fate(status.request_status, kinds, class_later(top.reason))
    cause = next((count for count in counts if class_later(count.reason) == kind), top)
    total = status.events_ingestion_status.record_count
    listed = ", ".join(f"{bare_reason(count.reason)} {count.record_count}" for count in counts)
    return Receipt(
        state=state,
        request_id=request_id,
        error_class=kind,
        error_code=bare_reason(cause.reason),
        message=f"Not used, of {total} events: {listed or 'no reason given'}."[:255],
    )


def _fate(status: str, kinds: set[str], top: str) -> tuple[ReceiptState, str]:
    if "transient" in kinds:
        return "retry", "transient"
    if kinds == {"duplicate"}:
        return ("accepted" if status == "PARTIAL_SUCCESS" else "duplicate"), ""
    first = top if top != "duplicate" else min(kinds - {"duplicate"})
    if status == "PARTIAL_SUCCESS" or "duplicate" in kinds:
        return "accepted", first
    return ("retry" if first == "config" else "rejected"), first
