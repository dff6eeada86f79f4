"""Diagnose: every night, what the platforms say of the conversions they were sent, kept and compared with the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from cortex import plugins
from cortex.clock import local_day
from cortex.destinations import Destination
from cortex.errors import CredentialError, PlatformError, Transient
from cortex.records import Notice
from cortex.run import Outcome, Run, Step
from cortex.steps import ledger
from cortex.warehouse import tables

if TYPE_CHECKING:
    from cortex.tenant import Tenant

DAYS = 7
"""Whole days compared, the last one yesterday: counts of a single day differ by what falls around midnight."""

SENT = """
    SELECT action, state, COUNT(*) AS n FROM conversion_outbox
    WHERE destination = :destination AND sent_at >= :since AND sent_at < :until GROUP BY action, state
"""
TOLD = """
    SELECT part, SUM(succeeded) AS succeeded, SUM(failed) AS failed, SUM(pending) AS pending, MAX(status) AS status,
           MAX(said) AS said, MAX(read_at) AS read_at
    FROM conversion_diagnostics
    WHERE destination = :destination AND succeeded IS NOT NULL AND day >= :first AND day <= :last
    GROUP BY part ORDER BY part
"""
SCORES = """
    SELECT part, day, score, said FROM conversion_diagnostics
    WHERE destination = :destination AND score IS NOT NULL ORDER BY day DESC, part LIMIT 100
"""
LISTED = "SELECT MAX(read_at) AS read_at FROM conversion_diagnostics WHERE destination = :destination"


def conversions(tenant: Tenant) -> Iterator[Step]:
    """One step for each destination whose platform tells what it used."""
    for kind in tenant.destinations:
        if plugins.adapter("destinations", kind, Destination).diagnoses:
            yield Step(f"conversions.diagnostics.{kind}", partial(read, kind=kind))


def read(run: Run, kind: str) -> Outcome:
    """Keep what the platform says; leave a notice where it counts otherwise than the ledger, or may not be asked.

    Conversions arrive whether or not this can be read: nothing here fails a run.
    """
    try:
        told = ledger.destination_of(run, kind).diagnosis()
    except Transient as failure:
        return Outcome(0, f"not read tonight: {failure.code}", {"read": False})
    except (CredentialError, PlatformError) as refused:
        run.notices.append(_unreadable(kind, refused))
        return Outcome(0, "may not be read", {"read": False, "code": refused.code})
    rows = [
        {
            "destination": kind, "part": one.part, "day": one.day, "succeeded": one.succeeded, "failed": one.failed,
            "pending": one.pending, "status": one.status[:32], "score": one.score, "said": one.said[:255],
            "read_at": run.now(), "run_id": run.run_id,
        }
        for one in told
    ]  # fmt: skip
    run.warehouse.atomically(lambda tx: tx.upsert(tables.conversion_diagnostics, rows))
    found = comparison(run, kind)
    if found is not None and not found.agrees:
        run.notices.append(_differs(kind, found))
    return Outcome(len(rows), _summary(rows, found), {"read": True, "agrees": found.agrees if found else None})


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What the platform counts of the days `first` to `last`, and what the ledger says it was sent.

    least: purchases it has. most: with adjustments and deliveries in doubt, which it may count as well. parts: its
    own rows (part, succeeded, failed, pending, status, said, read_at).
    """

    first: date
    last: date
    least: int
    most: int
    parts: list[dict[str, Any]]

    @property
    def agrees(self) -> bool:
        """Whether one way in, or all together, can be what the ledger says: beyond what is pending nothing differs.

        Google does not say under which upload client it counts the Data Manager; other tools may upload to the same
        action. So every reading that fits is taken.
        """
        return any(good <= self.most and self.least <= good + waiting for good, waiting in self._readings())

    @property
    def counted(self) -> tuple[int, int]:
        """Used and pending, of the reading that is nearest to the ledger."""
        return min(self._readings(), key=lambda reading: abs(sum(reading) - self.least))

    def _readings(self) -> list[tuple[int, int]]:
        each = [(int(row["succeeded"] or 0), int(row["pending"] or 0)) for row in self.parts]
        return [*each, (sum(good for good, _ in each), sum(waiting for _, waiting in each))]


def comparison(run: Run, kind: str) -> Comparison | None:
    """The last whole week, as it was last read; None while the platform never listed anything."""
    today = local_day(run.now(), run.tenant.timezone)
    first, last = today - timedelta(days=DAYS), today - timedelta(days=1)
    parts = run.warehouse.rows(TOLD, destination=kind, first=first, last=last)
    listed = run.warehouse.rows(LISTED, destination=kind)[0]["read_at"]
    if listed is None:
        return None
    if not parts and scores(run, kind):
        return None  # it tells how well it matches, not how much
    since, until = (datetime.combine(day, time(), run.tenant.timezone) for day in (first, today))
    sent = run.warehouse.rows(SENT, destination=kind, since=since, until=until)
    return Comparison(first=first, last=last, least=_least(sent), most=_most(sent), parts=parts)


def scores(run: Run, kind: str) -> list[dict[str, Any]]:
    """Match quality by event, of the latest day it was read."""
    found = run.warehouse.rows(SCORES, destination=kind)
    return [row for row in found if row["day"] == found[0]["day"]]


def _least(sent: Sequence[dict[str, Any]]) -> int:
    return sum(row["n"] for row in sent if row["action"] == "purchase" and row["state"] in {"accepted", "processed"})


def _most(sent: Sequence[dict[str, Any]]) -> int:
    held = {"accepted", "processed", "duplicate", "unknown", "sent"}
    return sum(row["n"] for row in sent if row["state"] in held)


def _summary(rows: Sequence[dict[str, Any]], found: Comparison | None) -> str:
    if found is None:
        scored = [f"{row['part']} {row['score']}" for row in rows if row["score"] is not None]
        return f"match quality {', '.join(scored)}" if scored else "the platform lists nothing yet"
    good, waiting = found.counted
    pending = f", {waiting} pending" if waiting else ""
    return f"{good} of {found.least} counted in {DAYS} days{pending}"


def _differs(kind: str, found: Comparison) -> Notice:
    good, waiting = found.counted
    message = (
        f"{kind}: the platform counts {good} conversions of {found.first} to {found.last} and has {waiting} pending;"
        f" the ledger says it has {found.least}"
    )
    facts = {
        "destination": kind, "first": found.first.isoformat(), "last": found.last.isoformat(), "good": str(good),
        "pending": str(waiting), "ours": str(found.least),
    }  # fmt: skip
    return Notice(
        code="CTX-6112", stream=f"conversions.{kind}", message=message, count=abs(found.least - good), facts=facts
    )


def _unreadable(kind: str, refused: CredentialError | PlatformError) -> Notice:
    message = f"what {kind} says of its conversions may not be read with this credential: {refused.message}"
    return Notice(
        code="CTX-6113", stream=f"conversions.{kind}", message=message, facts={"destination": kind, "why": refused.code}
    )
