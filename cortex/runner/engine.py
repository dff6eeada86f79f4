"""Engine: runs the plan of one tenant in this process, under a lease, writing the ledger as it goes."""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cortex import __version__, crash, logs
from cortex.clock import Clock, Window
from cortex.errors import Busy, CortexError
from cortex.logs import logger
from cortex.records import Notice
from cortex.run import Outcome, Recipe, Run
from cortex.runner import again
from cortex.runner.lease import Lease, here
from cortex.runner.plan import Planned
from cortex.runner.sharing import Sharing
from cortex.runner.stopping import Stop, Stopped
from cortex.secrets import REDACTOR, Vault
from cortex.steps import tell
from cortex.steps.symptoms import Ended, Fate
from cortex.warehouse import Control, Transaction, Warehouse
from cortex.workspace import Workspace

if TYPE_CHECKING:
    from cortex.tenant import Tenant


@dataclass
class StepResult:
    name: str
    status: str
    """ok, failed, skipped, or done (by an earlier attempt of the same run)."""
    outcome: Outcome = field(default_factory=Outcome)
    error: CortexError | None = None
    seconds: float = 0.0


@dataclass
class RunResult:
    tenant: str
    pipeline: str
    run_id: str
    window: Window
    steps: list[StepResult] = field(default_factory=list)
    notices: list[Any] = field(default_factory=list)
    seconds: float = 0.0
    cancelled: bool = False
    """Somebody ended it with `cortex runs cancel`: steps that are not here were not begun."""

    @property
    def failed(self) -> list[StepResult]:
        return [step for step in self.steps if step.status == "failed"]

    @property
    def errors(self) -> list[CortexError]:
        """What went wrong, each thing once: every piece of a backfill fails for the same missing credential."""
        told = {(step.error.code, step.error.message): step.error for step in self.failed if step.error is not None}
        return list(told.values())

    @property
    def exit_code(self) -> int:
        """That of the first failed step; 0 when none failed, 130 when it was cancelled."""
        if self.cancelled:
            return 130
        return next((step.error.exit_code for step in self.failed if step.error), 0)

    @property
    def status(self) -> str:
        if self.cancelled:
            return "cancelled"
        if not self.failed:
            return "ok"
        return "partial" if any(step.status in {"ok", "done"} for step in self.steps) else "failed"


Listener = Callable[[str, StepResult | int], None]
"""Told `(step name, result)` when a step ends and `(step name, rows)` while it works."""


def wall() -> datetime:
    """The machine's own time: the ledger and leases live on it even when CORTEX_NOW pretends another day."""
    return datetime.now(UTC)


def new_run_id() -> str:
    """22 characters that sort by time."""
    return f"{wall():%Y%m%d%H%M%S}{secrets.token_hex(4)}"


def enqueue(
    tenant: Tenant,
    recipe: Recipe,
    window: Window,
    plan: Sequence[Planned],
    control: Control,
    *,
    resume: bool = False,
    beside: Callable[[Transaction, str], None] = lambda _tx, _run_id: None,
) -> str:
    """Write a run into the ledger for a worker to do. Returns its id.

    resume: instead of a new one that of the newest of the same recipe and window, when it is not over or did not end
    well: what it has done stays done. beside: what else is written in the same transaction, given the run's id.
    """
    run_id = new_run_id()
    past = _latest(control, tenant, recipe, window) if resume else None
    if past is not None and past["status"] in {"queued", "running"} and past["queued_at"] is not None:
        return str(past["run_id"])  # it waits for a worker already, or one has it
    if past is not None and past["status"] in {"failed", "partial", "interrupted", "cancelled"}:
        run_id = past["run_id"]
    _write_plan(control, tenant, recipe, window, plan, run_id, queued=True, beside=lambda tx: beside(tx, run_id))
    return run_id


def _latest(control: Control, tenant: Tenant, recipe: Recipe, window: Window) -> dict[str, Any] | None:
    """The newest run of the same recipe over the same days."""
    asked = (recipe.name, window.since, window.until)
    past = control.runs(tenant.code, limit=20)
    return next((row for row in past if (row["pipeline"], row["since"], row["until"]) == asked), None)


def window_of(row: Mapping[str, Any]) -> Window:
    """The days of a run of the ledger."""
    return Window(row["since"], row["until"])


def recorded(row: Mapping[str, Any]) -> StepResult:
    """A step as the ledger tells it."""
    outcome = Outcome(row["row_count"], row["summary"], row["facts"])
    error = CortexError(row["error_code"], row["error_message"]) if row["error_code"] else None
    seconds = (row["ended_at"] - row["started_at"]).total_seconds() if row["started_at"] and row["ended_at"] else 0.0
    return StepResult(row["step"], row["status"], outcome, error, seconds)


def execute(
    tenant: Tenant,
    recipe: Recipe,
    window: Window,
    plan: Sequence[Planned],
    *,
    workspace: Workspace,
    database: str,
    clock: Clock,
    resume: bool = False,
    wait: float = 0.0,
    listen: Listener = lambda _name, _news: None,
    control: Control | None = None,
    run_id: str = "",
    save_raw: Path | None = None,
    pauses: Sequence[float] = again.PAUSES,
) -> RunResult:
    """Run a plan, then tell people. A failing step does not stop the others, except those that need it.

    resume: continue an unfinished run of the same recipe and window, leaving out the steps it has done.
    wait: seconds to wait for another run of this client to end. control: the control schema, when it is open already.
    run_id: a run of the queue to begin, or to go on with. save_raw: as in Run. pauses: as again.PAUSES. Raises Busy when
    another run holds the client, DatabaseError when the client is not provisioned, Stopped when the process was asked
    to end.
    """
    vault = Vault(tenant.code, workspace.root)
    try:
        # The client's schema first: opening the control schema makes it, and nothing is made for a client without one.
        with (
            Warehouse.open(database, tenant.code, workspace.state) as warehouse,
            nullcontext(control) if control else Control.open(database, workspace.state) as ledger,
        ):
            run = Run(tenant, window, workspace, warehouse, vault, clock, run_id, recipe.reread)
            run.save_raw = save_raw
            return _under_lease(run, recipe, plan, ledger, resume, wait, listen, pauses)
    except Busy:
        raise
    except CortexError as failure:
        tell.broken(tenant, workspace, clock, recipe.name, window, failure)
        raise
    except Exception as failure:
        named = CortexError("CTX-9001", f"The run of {tenant.code} broke: {type(failure).__name__}.")
        tell.broken(tenant, workspace, clock, recipe.name, window, named)
        raise


def _under_lease(
    run: Run,
    recipe: Recipe,
    plan: Sequence[Planned],
    ledger: Control,
    resume: bool,
    wait: float,
    listen: Listener,
    pauses: Sequence[float],
) -> RunResult:
    tenant, window, warehouse = run.tenant, run.window, run.warehouse
    taken = bool(run.run_id)
    run.run_id, done = (
        (run.run_id, _done(ledger, run.run_id)) if taken else _identity(ledger, tenant, recipe, window, resume)
    )
    with Lease(ledger, tenant.code, run.run_id, wait) as lease, Stop() as stop:
        if (newer := warehouse.fence(lease.epoch)) is not None:
            lease.beyond(newer)
            warehouse.fence(lease.epoch)
        _bury(ledger, tenant.code, run.run_id)
        crash.point("run")
        if taken and not ledger.take(run.run_id, at=wall(), host=here()):
            raise Busy("CTX-5030", f"Run {run.run_id} was cancelled, or another worker has done it.")
        _write_plan(ledger, tenant, recipe, window, plan, run.run_id, taken=taken)
        crash.point("planned")
        result = RunResult(tenant.code, recipe.name, run.run_id, window)
        run.limits = sharing = Sharing(ledger, run.run_id, (stop.check, lease.check))
        with logs.kept(run.workspace.state, tenant.code, run.run_id):
            with _ending(ledger, result):
                _steps(run, plan, done, ledger, lease, stop, sharing, result, listen, pauses)
            run.window = window
            _tell(run, result)
        crash.point("ended")
        return result


def _tell(run: Run, result: RunResult) -> None:
    """Alerts, and word to people. The run is over and written down: what goes wrong here is a warning of it."""
    fates = [Fate(step.name, step.status, step.error, step.outcome.facts) for step in result.steps]
    log = run.log = logger(client=run.tenant.code, run_id=run.run_id, step=tell.STREAM)
    ended = Ended(result.pipeline, result.status, result.seconds, fates, result.notices)
    try:
        run.notices += tell.after(run, ended)
        _note(run, tell.STREAM)
    except CortexError as failure:
        log.warning("not told", code=failure.code, error=failure.message)
    except Exception as failure:  # a message is not worth a run
        log.exception("telling broke", error=type(failure).__name__)
        said = f"Nobody was told: {type(failure).__name__}."
        run.notices.append(Notice(code=tell.UNSENT, stream=tell.STREAM, message=said))
    result.notices += run.notices
    run.notices.clear()


@contextmanager
def _ending(control: Control, result: RunResult) -> Iterator[None]:
    """Whatever happens inside, the ledger says how the run ended."""
    started = time.monotonic()
    log = logger(client=result.tenant, run_id=result.run_id)
    log.info("run started", pipeline=result.pipeline, window=str(result.window))
    try:
        yield
    except Busy as lost:
        log.warning("run stopped", error=lost.code)  # the ledger's row is the new holder's to write
        raise
    except BaseException as failure:
        status = "interrupted" if isinstance(failure, KeyboardInterrupt | Stopped) else "failed"
        code = getattr(failure, "exit_code", 130 if status == "interrupted" else 1)
        log.warning("run stopped", status=status, exit=code, error=getattr(failure, "code", type(failure).__name__))
        control.finish_run(result.run_id, status=status, ended_at=wall(), exit_code=code)
        raise
    result.seconds = time.monotonic() - started
    control.finish_run(result.run_id, status=result.status, ended_at=wall(), exit_code=result.exit_code)
    log.info("run ended", status=result.status, seconds=round(result.seconds, 3))


def _write_plan(
    control: Control,
    tenant: Tenant,
    recipe: Recipe,
    window: Window,
    plan: Sequence[Planned],
    run_id: str,
    *,
    queued: bool = False,
    taken: bool = False,
    beside: Callable[[Transaction], None] | None = None,
) -> None:
    control.start_run(
        run_id=run_id, tenant=tenant.code, pipeline=recipe.name, since=window.since, until=window.until, started_at=wall(),
        config_sha256=tenant.sha256, version=__version__, host=here(), steps=[planned.name for planned in plan], queued=queued, taken=taken,
        beside=beside,
    )  # fmt: skip


def _identity(control: Control, tenant: Tenant, recipe: Recipe, window: Window, resume: bool) -> tuple[str, set[str]]:
    """A new run id, or that of the unfinished run to continue with the steps it has done."""
    past = _latest(control, tenant, recipe, window) if resume else None
    if past is not None and past["status"] not in {"ok", "queued"}:
        return past["run_id"], _done(control, past["run_id"])
    return new_run_id(), set()


def _done(control: Control, run_id: str) -> set[str]:
    return {step["step"] for step in control.steps(run_id) if step["status"] == "ok"}


def _bury(control: Control, code: str, run_id: str) -> None:
    """Runs of this client still called running have died: whoever runs holds the lease, and that is us.

    Those left for workers go back to the queue.
    """
    for past in control.runs(code, limit=20):
        if past["run_id"] == run_id or past["status"] not in {"running", "cancelling"}:
            continue
        again = past["queued_at"] is not None and past["status"] == "running"
        status = "queued" if again else "cancelled" if past["status"] == "cancelling" else "interrupted"
        control.finish_run(past["run_id"], status=status, ended_at=wall(), exit_code=0 if again else 130)


def _steps(
    run: Run,
    plan: Sequence[Planned],
    done: set[str],
    control: Control,
    lease: Lease,
    stop: Stop,
    sharing: Sharing,
    result: RunResult,
    listen: Listener,
    pauses: Sequence[float],
) -> None:
    broken: set[str] = set()
    fresh = False
    for position, planned in enumerate(plan):
        # What was computed before something under it was read again is computed again; what was read stays read.
        if planned.name in done and (planned.step.reads or not fresh):
            result.steps.append(StepResult(planned.name, "done"))
            listen(planned.name, result.steps[-1])
            continue
        lost = next((name for name in planned.step.needs if name in broken), None)
        if lost is not None:
            broken.add(planned.step.name)
            step = StepResult(planned.name, "skipped", Outcome(summary=f"needs {lost}"))
        else:
            stop.check()
            lease.check()
            crash.point("step")
            tried = _persistently(run, planned, position, control, lease, stop, sharing, listen, pauses)
            if tried is None:
                result.cancelled = True
                return
            step, fresh = tried, True
            if step.status == "failed":
                broken.add(planned.step.name)
        _note(run, planned.name)
        result.notices += run.notices
        run.notices.clear()
        control.step_finished(
            run.run_id, planned.name, position=position, status=step.status, at=wall(), row_count=step.outcome.rows,
            summary=step.outcome.summary, facts=step.outcome.facts,
            error_code=step.error.code if step.error else "", error_message=REDACTOR.clean(step.error.message) if step.error else "",
            leaving=sharing.left(),
        )  # fmt: skip
        crash.point("stepped")
        result.steps.append(step)
        listen(planned.name, step)


def _persistently(
    run: Run,
    planned: Planned,
    position: int,
    control: Control,
    lease: Lease,
    stop: Stop,
    sharing: Sharing,
    listen: Listener,
    pauses: Sequence[float],
) -> StepResult | None:
    """A step, and once more after each pause while it fails of something that may pass. None: the run is cancelled.

    What a step had done before it failed stays done: it is as if the run had been killed there and begun again.
    """
    checks = (stop.check, lease.check)
    tries: list[dict[str, Any]] = []
    while True:
        run.attempt = control.step_started(run.run_id, planned.name, position=position, at=wall())
        if lease.cancelled.is_set() or not run.attempt:
            return None
        step = _one(run, planned, listen, checks)
        if step.error is None or len(tries) == len(pauses) or not again.may_pass(step.error):
            break
        pause = pauses[len(tries)] * random.uniform(0.8, 1.2)
        said = REDACTOR.clean(step.error.message)
        tries.append(
            {"code": step.error.code, "message": said, "seconds": round(step.seconds, 1), "waited": round(pause, 1)}
        )
        run.log.warning("step is tried again", code=step.error.code, error=said, pause=f"{pause:.0f} s")
        run.notices.clear()  # the next try notices them again
        again.note(run, planned.name, control, sharing, step.error.code, said)
        again.wait(pause, checks)
    if tries:
        step.outcome.facts = step.outcome.facts | {"tries": tries}
    return step


def _one(run: Run, planned: Planned, listen: Listener, checks: Sequence[Callable[[], None]]) -> StepResult:
    log = logger(client=run.tenant.code, run_id=run.run_id, step=planned.name)
    run.log, run.window = log, planned.window

    def progress(rows: int) -> None:
        crash.point("progress")
        listen(planned.name, rows)
        for check in checks:
            check()

    run.progress = progress
    run.quarantined.clear()
    started = time.monotonic()
    log.info("step started", window=str(planned.window))
    try:
        outcome = planned.step.work(run)
    except Busy:
        raise  # another run has the client now: no other step may write either
    except CortexError as failure:
        log.error("step failed", code=failure.code, error=failure.message)  # noqa: TRY400  # its words say it all
        return StepResult(planned.name, "failed", error=failure, seconds=time.monotonic() - started)
    except Exception as failure:  # one broken step must not take the others with it
        log.exception("step broke", error=type(failure).__name__)
        named = CortexError(
            "CTX-9001",
            f"Step {planned.name} broke: {type(failure).__name__}.",
            fix="Run again with --verbose and report what it prints.",
        )
        return StepResult(planned.name, "failed", error=named, seconds=time.monotonic() - started)
    seconds = time.monotonic() - started
    log.info("step done", rows=outcome.rows, seconds=round(seconds, 3), summary=outcome.summary)
    return StepResult(planned.name, "ok", outcome, seconds=seconds)


def _note(run: Run, name: str) -> None:
    """Store what a reader of the numbers must know."""
    from cortex.warehouse import tables

    if not run.notices:
        return
    rows = {
        (notice.stream, notice.code, notice.message[:255]): {
            "run_id": run.run_id,
            "stream": notice.stream or name,
            "code": notice.code,
            "message": notice.message[:255],
            "row_count": notice.count,
            "amount": notice.value,
            "facts": json.dumps(notice.facts, ensure_ascii=False),
            "noticed_at": run.now(),
        }
        for notice in run.notices
    }
    run.warehouse.atomically(lambda tx: tx.upsert(tables.data_notices, list(rows.values())))
