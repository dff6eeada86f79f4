"""Windows: which days a pull reads again, and how far a stream has been read."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from cortex.clock import Window, local_day
from cortex.records import History, Notice, Restatement
from cortex.run import Outcome, Run

if TYPE_CHECKING:
    from cortex.warehouse import Transaction


def reread(run: Run, stream: str, restates: Restatement, history: History) -> Window | None:
    """The window plus the days the platform still restates, plus any gap since the last read.

    Never further back than the platform keeps: what it has forgotten must stay here as it was read in time. None when
    it keeps nothing of the window.
    """
    since = run.window.since
    if run.reread != "none":
        days = restates.weekly if run.reread == "weekly" else restates.daily
        since = min(since, run.window.until - timedelta(days=days))
        cursor = run.warehouse.cursor(stream)
        if cursor and cursor["complete_until"] is not None:
            since = min(since, cursor["complete_until"])
    if history.days is not None:
        since = max(since, local_day(run.now(), run.tenant.timezone) - timedelta(days=history.days))
    return Window(since, run.window.until) if since < run.window.until else None


def forgotten(run: Run, kind: str, stream: str, history: History) -> Outcome:
    said = f"{kind} keeps {history.days} days; {run.window} is older and cannot be read"
    facts = {"days": str(run.window.days), "kept": str(history.days), **_ends(run.window)}
    run.notices.append(Notice(code="CTX-2201", stream=stream, message=said, count=run.window.days, facts=facts))
    return Outcome(0, said)


def _ends(window: Window) -> dict[str, str]:
    return {"first": window.since.isoformat(), "last": window.last.isoformat()}


def move(run: Run, stream: str, window: Window, newest: datetime | None) -> None:
    run.warehouse.atomically(lambda tx: move_in(tx, run, stream, window, newest))


def move_in(tx: Transaction, run: Run, stream: str, window: Window, newest: datetime | None = None) -> None:
    """The cursor goes forward only, and only over ground that was read: a gap stays before it, and so does today."""
    until = min(window.until, local_day(run.now(), run.tenant.timezone))
    cursor = tx.cursor(stream)
    known = cursor["complete_until"] if cursor else None
    if known is not None and (known < window.since or known >= until):
        return
    tx.move_cursor(stream, complete_until=until, source_updated_at=newest, run_id=run.run_id, at=run.now())
