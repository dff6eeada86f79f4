"""What Google Ads' upload errors mean for a sender, as data: every member of both enumerations of v26, by class."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from cortex.destinations._answers import told
from cortex.google_ads import Fault
from cortex.records import Receipt

UPLOAD: dict[str, tuple[str, ...]] = {
    "delivered": ("CALL_CONVERSION_ALREADY_EXISTS", "CLICK_CONVERSION_ALREADY_EXISTS", "ORDER_ID_ALREADY_IN_USE"),
    "doubled": (
        "DUPLICATE_CALL_CONVERSION_IN_REQUEST", "DUPLICATE_CLICK_CONVERSION_IN_REQUEST", "DUPLICATE_ORDER_ID",
    ),
    "later": ("TOO_RECENT_CALL", "TOO_RECENT_CONVERSION_ACTION", "TOO_RECENT_EVENT"),
    "missed": ("CALL_NOT_FOUND", "CLICK_NOT_FOUND", "EVENT_NOT_FOUND"),
    "expired": ("EXPIRED_CALL", "EXPIRED_EVENT"),
    "data": (
        "CONVERSION_NOT_COMPLIANT_WITH_ATT_POLICY", "CONVERSION_PRECEDES_CALL", "CONVERSION_PRECEDES_EVENT",
        "CUSTOM_VARIABLE_VALUE_CONTAINS_PII", "GBRAID_WBRAID_BOTH_SET", "INVALID_USER_IDENTIFIER",
        "ONE_PER_CLICK_CONVERSION_ACTION_NOT_PERMITTED_WITH_BRAID", "ORDER_ID_CONTAINS_PII",
        "UNPARSEABLE_CALLERS_PHONE_NUMBER", "UNPARSEABLE_GBRAID", "UNPARSEABLE_GCLID", "UNPARSEABLE_WBRAID",
        "UNSUPPORTED_USER_IDENTIFIER",
    ),
    "config": (
        "CONVERSION_TRACKING_NOT_ENABLED_AT_CALL_TIME", "CONVERSION_TRACKING_NOT_ENABLED_AT_IMPRESSION_TIME",
        "CUSTOMER_DATA_POLICY_PROHIBITS_ENHANCED_CONVERSIONS", "CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS",
        "CUSTOMER_NOT_ENABLED_ENHANCED_CONVERSIONS_FOR_LEADS", "CUSTOM_VARIABLE_NOT_ENABLED",
        "EXTERNALLY_ATTRIBUTED_CONVERSION_ACTION_NOT_PERMITTED_WITH_USER_IDENTIFIER",
        "EXTERNAL_ATTRIBUTION_DATA_NOT_SET_FOR_EXTERNALLY_ATTRIBUTED_CONVERSION_ACTION",
        "EXTERNAL_ATTRIBUTION_DATA_SET_FOR_NON_EXTERNALLY_ATTRIBUTED_CONVERSION_ACTION",
        "INVALID_CONVERSION_ACTION_TYPE", "INVALID_CUSTOMER_FOR_CALL", "INVALID_CUSTOMER_FOR_CLICK", "INVALID_JOB_ID",
        "NO_CONVERSION_ACTION_FOUND", "ORDER_ID_NOT_PERMITTED_FOR_EXTERNALLY_ATTRIBUTED_CONVERSION_ACTION",
        "TOO_MANY_CONVERSIONS_IN_REQUEST", "UNAUTHORIZED_CUSTOMER",
    ),
}  # fmt: skip
"""ConversionUploadError."""

ADJUSTMENT: dict[str, tuple[str, ...]] = {
    "delivered": (
        "CONVERSION_ALREADY_ENHANCED", "CONVERSION_ALREADY_RETRACTED", "MORE_RECENT_RESTATEMENT_FOUND",
        "RESTATEMENT_ALREADY_EXISTS",
    ),
    "doubled": ("DUPLICATE_ADJUSTMENT_IN_REQUEST", "DUPLICATE_ENHANCEMENT_IN_REQUEST"),
    "later": ("TOO_RECENT_CONVERSION", "TOO_RECENT_CONVERSION_ACTION"),
    "missed": ("CONVERSION_NOT_FOUND",),
    "expired": ("CONVERSION_EXPIRED",),
    "data": (
        "ADJUSTMENT_PRECEDES_CONVERSION", "CANNOT_RESTATE_CONVERSION_ACTION_THAT_ALWAYS_USES_DEFAULT_CONVERSION_VALUE",
        "CONVERSION_ACTION_NOT_ELIGIBLE_FOR_ENHANCEMENT", "GCLID_DATE_TIME_PAIR_AND_ORDER_ID_BOTH_SET",
        "INVALID_USER_IDENTIFIER", "MISSING_ORDER_ID_FOR_WEBPAGE", "ORDER_ID_CONTAINS_PII", "TOO_MANY_ADJUSTMENTS",
        "UNSUPPORTED_USER_IDENTIFIER",
    ),
    "config": (
        "CUSTOMER_DATA_POLICY_PROHIBITS_ENHANCEMENT", "CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS",
        "INVALID_CONVERSION_ACTION_TYPE", "INVALID_JOB_ID", "NO_CONVERSION_ACTION_FOUND",
        "TOO_MANY_ADJUSTMENTS_IN_REQUEST",
    ),
}  # fmt: skip
"""ConversionAdjustmentUploadError."""

FAMILIES: dict[str, str] = {
    "not_allowlisted_error": "config",
    "authorization_error": "config",
    "header_error": "config",
    "partial_failure_error": "config",
    "request_error": "config",
    "quota_error": "throttle",
    "internal_error": "transient",
    "database_error": "transient",
}
"""Classes of whole families that are about no row."""

WORST = ("delivered", "transient", "throttle", "later", "doubled", "missed", "expired", "data", "config")
"""From the mildest: of several errors on one row the last of these decides."""

AGAIN_LATER = timedelta(hours=6)
"""What was too recent is tried again after this."""
LOOK_AGAIN = timedelta(hours=24)
"""An adjustment may overtake its conversion by as much; after that there is nothing to adjust."""

_OF = {
    "conversion_upload_error": {name: kind for kind, names in UPLOAD.items() for name in names},
    "conversion_adjustment_upload_error": {name: kind for kind, names in ADJUSTMENT.items() for name in names},
}


def classify(fault: Fault) -> str:
    """One of WORST. What nobody knows yet is the row's where Google names a row, else the setup's."""
    known = _OF.get(fault.family, {}).get(fault.name) or FAMILIES.get(fault.family)
    return known or ("config" if fault.row is None else "data")


def worst(faults: Iterable[Fault]) -> Fault:
    """The error that decides what becomes of a row; the first of equals."""
    return max(faults, key=lambda fault: WORST.index(classify(fault)))


def receipt(fault: Fault, *, waited: timedelta) -> Receipt:
    """What an error makes of its row. waited: since the adjustment was due, or the conversion happened."""
    kind, words = classify(fault), f"{fault.name}: {fault.words}"
    if kind == "delivered":
        return told("duplicate", "", fault.name, f"Google has it: {words}")
    if kind == "later":
        return _retry(fault.name, words, AGAIN_LATER)
    if kind == "missed" and fault.family == "conversion_adjustment_upload_error" and waited < LOOK_AGAIN:
        return _retry(fault.name, words, LOOK_AGAIN)
    if kind in {"transient", "throttle", "doubled", "config"}:
        return told("retry", "transient" if kind == "doubled" else kind, fault.name, words)
    return told("rejected", "expired" if kind == "expired" else "data", fault.name, words)


def _retry(name: str, words: str, wait: timedelta) -> Receipt:
    return Receipt(
        state="retry",
        error_class="transient",
        error_code=name[:64],
        message=words[:255],
        retry_after=wait.total_seconds(),
    )
