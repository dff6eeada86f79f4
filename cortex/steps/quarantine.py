"""Quarantine: records that could not be trusted, set aside with the reason; too many of them stop the step."""

from __future__ import annotations

from cortex.errors import QualityGate
from cortex.run import Run
from cortex.warehouse import tables


def judge(run: Run, good: int, what: str, *, loaded: bool = True) -> int:
    """Store what a step could not trust, and say how many records that are. what: what they are, for the message.

    loaded: whether the good ones are stored already, or are only to be when this passes. Raises QualityGate when the
    others are more than the client allows.
    """
    bad = _kept(run)
    allowed = run.tenant.quality.max_quarantined_pct
    if bad and 100.0 * bad / (bad + good) > allowed:
        raise QualityGate(
            "CTX-2102",
            f"{bad} of {bad + good} {what} could not be trusted; client {run.tenant.code} allows {allowed:g} %.",
            fix=f"cortex doctor {run.tenant.code} lists the reasons; "
            + (f"good {what} were loaded." if loaded else "what was stored before stays as it was."),
        )
    return bad


def _kept(run: Run) -> int:
    bad, run.quarantined[:] = list(run.quarantined), []
    rows = {
        (record.stream, record.key[:128], record.reason[:255]): {
            "stream": record.stream,
            "record_key": record.key[:128],
            "reason": record.reason[:255],
            "first_seen": run.now(),
            "last_seen": run.now(),
            "run_id": run.run_id,
        }
        for record in bad
    }
    if rows:
        run.warehouse.atomically(lambda tx: tx.upsert(tables.quarantine, list(rows.values()), keep=("first_seen",)))
    return len({(record.stream, record.key) for record in bad})
