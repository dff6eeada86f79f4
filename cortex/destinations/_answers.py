"""Receipts for what every platform has in common: calls that came to no verdict, and rows that were never sent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

from cortex.errors import PlatformError, Throttled, Transient
from cortex.records import Conversion, Receipt

State = Literal["accepted", "duplicate", "rejected", "retry", "unknown"]

AHEAD = timedelta(minutes=1)
"""A clock may be a little ahead; an event further in the future is not sent yet."""
CERTIFICATE = "CTX-4014"
"""The TLS certificate was refused: nothing had been said yet."""


def told(state: State, error_class: str, error_code: str, message: str, request_id: str = "") -> Receipt:
    return Receipt(
        state=state, error_class=error_class, error_code=error_code[:64], message=message[:255], request_id=request_id
    )


def undecided(failure: PlatformError | Transient) -> Receipt:
    """The receipt of a call that came to no verdict. What may have arrived is unknown: it is never resent blindly."""
    if isinstance(failure, Throttled):
        return Receipt(
            state="retry",
            error_class="throttle",
            error_code=failure.code,
            message=failure.message,
            retry_after=failure.retry_after,
        )
    if isinstance(failure, Transient):
        if failure.sent:
            return told("unknown", "ambiguous", failure.code, failure.message)
        return told("retry", "transient", failure.code, failure.message)
    if failure.code == CERTIFICATE:
        return told("retry", "config", failure.code, failure.message)
    return told("unknown", "ambiguous", failure.code, failure.message)


def early(one: Conversion, now: datetime) -> Receipt | None:
    if one.occurred_at > now + AHEAD:
        return told("retry", "transient", "in_the_future", "The event's time has not come yet.")
    return None


def priced(one: Conversion) -> bool:
    """Whether the conversion names an ISO 4217 currency."""
    return len(one.currency) == 3 and one.currency.isalpha()
