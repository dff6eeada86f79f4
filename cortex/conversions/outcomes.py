"""Outcomes: what becomes of a ledger row when the platform has spoken, or has not. Pure: the steps do the SQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from msgspec import Struct

from cortex.conversions.classes import MAX_ATTEMPTS, handling, pause
from cortex.records import Receipt

TRANSITIONS: dict[str, frozenset[str]] = {
    "planned": frozenset({"claimed", "gated", "expired"}),
    "gated": frozenset({"planned", "expired"}),
    "claimed": frozenset({"sent", "planned", "unknown"}),
    "sent": frozenset({"planned", "accepted", "processed", "duplicate", "rejected", "expired", "unknown", "dead"}),
    "accepted": frozenset({"processed", "duplicate", "rejected", "expired", "unknown", "dead"}),
    "unknown": frozenset({"claimed", "accepted", "processed", "planned"}),
    "processed": frozenset(),
    "duplicate": frozenset(),
    "expired": frozenset(),
    "rejected": frozenset({"planned"}),
    "dead": frozenset({"planned"}),
}
"""From each state, the states that may follow. Only a person's `replay` leads out of rejected and dead; `unknown` to
`accepted`, `processed` or `planned` other than through a claim is a person's word too."""

DELIVERED = frozenset({"accepted", "processed", "duplicate"})
"""The platform has it."""
FINAL = frozenset({"processed", "duplicate", "expired", "rejected", "dead"})

POLL_AFTER = timedelta(minutes=15)
"""Between two questions about an asynchronous request."""
DEDUP_MARGIN = timedelta(hours=1)
"""Kept between the last repeat of an unknown delivery and the end of the platform's deduplication."""
CLAIM_LASTS = timedelta(minutes=30)
"""Longer than any batch takes: a claim older than this belongs to a process that died."""


class Outcome(Struct, frozen=True, kw_only=True):
    """What becomes of a ledger row.

    next_attempt_at: when it is due again (sent, or asked about while `accepted`); None and not settled means held
    for a person. settled: its fate is known, so that the buyer's identifiers can be deleted.
    """

    state: str
    next_attempt_at: datetime | None = None
    settled: bool = False


def told(receipt: Receipt) -> dict[str, str]:
    """The platform's words as the ledger's columns keep them."""
    return {
        "request_id": receipt.request_id[:128],
        "error_class": receipt.error_class[:16],
        "error_code": receipt.error_code[:64],
        "error_message": receipt.message[:255],
    }


def after(
    receipt: Receipt,
    *,
    attempts: int,
    now: datetime,
    was: str,
    sent_at: datetime | None,
    dedup: timedelta | None,
) -> Outcome:
    """What becomes of a sent (or `accepted` and polled) row when the platform has spoken, or has not.

    attempts: claims so far, this one included. was: the row's state before the claim. sent_at: the first call whose
    answer is not known (the row keeps it through repeats). dedup: the destination's. An unknown delivery is repeated
    with the same event id only inside the platform's own deduplication, else it stays unknown and is held. A polled
    request that is to be sent again is as doubtful: Google says how many events of it were dropped, never which.
    """
    doubtful = was in {"unknown", "accepted"}
    if receipt.state == "duplicate":
        return Outcome(state="duplicate", settled=True)
    if receipt.state == "accepted":
        return _taken(receipt, polled=was == "accepted", now=now)
    if receipt.state == "rejected":
        if receipt.error_class == "expired":
            # An earlier call nobody answered may have been taken in time.
            return Outcome(state="unknown") if was == "unknown" else Outcome(state="expired", settled=True)
        return Outcome(state="rejected", settled=True)
    due = now + pause(attempts, receipt.retry_after)
    if receipt.state == "unknown" or doubtful:
        return _unknown(attempts, due, sent_at or now, dedup)
    if attempts >= MAX_ATTEMPTS and handling(receipt.error_class).counts:
        return Outcome(state="dead", settled=True)
    return Outcome(state="planned", next_attempt_at=due)


def _taken(receipt: Receipt, *, polled: bool, now: datetime) -> Outcome:
    if receipt.processing:
        return Outcome(state="accepted", next_attempt_at=now + POLL_AFTER)
    return Outcome(state="processed" if polled else "accepted", settled=True)


def _unknown(attempts: int, due: datetime, first: datetime, dedup: timedelta | None) -> Outcome:
    again = repeatable(first, due, dedup) and attempts < MAX_ATTEMPTS
    return Outcome(state="unknown", next_attempt_at=due if again else None)


def repeatable(first: datetime, at: datetime, dedup: timedelta | None) -> bool:
    """Whether a delivery nobody answered may be repeated `at` that moment: while the platform would notice."""
    return dedup is None or at <= first + dedup - DEDUP_MARGIN


def abandoned(claimed_at: datetime | None, now: datetime) -> bool:
    """Whether a claim's holder is gone: a row it had sent is then unknown (`after(LOST, …)`), not planned."""
    return claimed_at is None or now - utc(claimed_at) > CLAIM_LASTS


LOST = Receipt(
    state="unknown",
    error_class="ambiguous",
    error_code="claim_lost",
    message="The process that sent it ended before an answer was written down.",
)
"""Stands for the answer of a call nobody survived to hear."""


def utc(instant: datetime) -> datetime:
    """Frames lose the zone; the warehouse keeps UTC."""
    if instant.tzinfo is UTC:
        return instant
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
