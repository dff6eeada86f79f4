"""Engine: runs the plan of one tenant in this process, under a lease, writing the ledger as it goes."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cortex import __version__
from cortex.clock import Clock, Window
from cortex.errors import Busy, CortexError
from cortex.logs import logger
from cortex.run import Outcome, Recipe, Run
from cortex.runner.plan import Planned
from cortex.secrets import REDACTOR, Vault
from cortex.warehouse import Control, Warehouse
from cortex.workspace import Workspace

if TYPE_CHECKING:
    from cortex.tenant import Tenant

LEASE = timedelta(minutes=5)
RENEW_EVERY = 60.0
OUTERMOST = "pid:[4026531836]"
"""The kernel's name for the process table of the machine itself (PROC_PID_INIT_INO)."""


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

    @property
    def failed(self) -> list[StepResult]:
        return [step for step in self.steps if step.status == "failed"]

    @property
    def exit_code(self) -> int:
        """That of the first failed step; 0 when none failed."""
        return next((step.error.exit_code for step in self.failed if step.error), 0)

    @property
    def status(self) -> str:
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
) -> RunResult:
    """Run a plan. A failing step does not stop the others, except those that need it.

    resume: continue an unfinished run of the same recipe and window, leaving out the steps it has done.
    wait: seconds to wait for another run of this client to end. Raises Busy when it does not, DatabaseError when
    the client is not provisioned.
    """
    vault = Vault(tenant.code, workspace.root)
    # The client's schema first: opening the control schema makes it, and nothing is made for a client without one.
    with (
        Warehouse.open(database, tenant.code, workspace.state) as warehouse,
        Control.open(database, workspace.state) as control,
    ):
        run_id, done = _identity(control, tenant, recipe, window, resume)
        with _Lease(control, tenant.code, run_id, wait) as lease:
            _bury(control, tenant.code, run_id)
            control.start_run(
                run_id=run_id, tenant=tenant.code, pipeline=recipe.name, since=window.since, until=window.until,
                started_at=wall(), config_sha256=tenant.sha256, version=__version__, host=_host(),
            )  # fmt: skip
            result = RunResult(tenant.code, recipe.name, run_id, window)
            started = time.monotonic()
            run = Run(tenant, window, workspace, warehouse, vault, clock, run_id, recipe.reread)
            try:
                _steps(run, plan, done, control, lease, result, listen)
            except BaseException as failure:
                status = "interrupted" if isinstance(failure, KeyboardInterrupt) else "failed"
                code = 130 if status == "interrupted" else getattr(failure, "exit_code", 1)
                control.finish_run(run_id, status=status, ended_at=wall(), exit_code=code)
                raise
            result.seconds = time.monotonic() - started
            control.finish_run(run_id, status=result.status, ended_at=wall(), exit_code=result.exit_code)
            return result


def _identity(control: Control, tenant: Tenant, recipe: Recipe, window: Window, resume: bool) -> tuple[str, set[str]]:
    """A new run id, or that of the unfinished run to continue with the steps it has done."""
    if resume:
        for past in control.runs(tenant.code, limit=20):
            same = (past["pipeline"], past["since"], past["until"]) == (recipe.name, window.since, window.until)
            if same and past["status"] != "ok":
                return past["run_id"], {
                    step["step"] for step in control.steps(past["run_id"]) if step["status"] == "ok"
                }
            if same:
                break
    return new_run_id(), set()


def _bury(control: Control, code: str, run_id: str) -> None:
    """Runs of this client still called running have died: whoever runs holds the lease, and that is us."""
    for past in control.runs(code, limit=20):
        if past["status"] == "running" and past["run_id"] != run_id:
            control.finish_run(past["run_id"], status="interrupted", ended_at=wall(), exit_code=130)


def _steps(
    run: Run,
    plan: Sequence[Planned],
    done: set[str],
    control: Control,
    lease: _Lease,
    result: RunResult,
    listen: Listener,
) -> None:
    broken: set[str] = set()
    for position, planned in enumerate(plan):
        if planned.name in done and "@" in planned.name:
            result.steps.append(StepResult(planned.name, "done"))
            continue
        lost = next((name for name in planned.step.needs if name in broken), None)
        if lost is not None:
            broken.add(planned.step.name)
            step = StepResult(planned.name, "skipped", Outcome(summary=f"needs {lost}"))
        else:
            lease.check()
            control.step_started(run.run_id, planned.name, position=position, at=wall())
            step = _one(run, planned, listen)
            if step.status == "failed":
                broken.add(planned.step.name)
        _note(run, planned.name)
        result.notices += run.notices
        run.notices.clear()
        control.step_finished(
            run.run_id, planned.name, position=position, status=step.status, at=wall(), row_count=step.outcome.rows,
            summary=step.outcome.summary, facts=step.outcome.facts,
            error_code=step.error.code if step.error else "", error_message=REDACTOR.clean(step.error.message) if step.error else "",
        )  # fmt: skip
        result.steps.append(step)
        listen(planned.name, step)


def _one(run: Run, planned: Planned, listen: Listener) -> StepResult:
    log = logger(client=run.tenant.code, run_id=run.run_id, step=planned.name)
    run.log, run.window = log, planned.window
    run.progress = lambda rows: listen(planned.name, rows)
    run.quarantined.clear()
    started = time.monotonic()
    log.info("step started", window=str(planned.window))
    try:
        outcome = planned.step.work(run)
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
            "noticed_at": run.now(),
        }
        for notice in run.notices
    }
    run.warehouse.atomically(lambda tx: tx.upsert(tables.data_notices, list(rows.values())))


def _host() -> str:
    return f"{_machine()}:{os.getpid()}"


def _machine() -> str:
    """The machine's name; inside a container also its own count of processes, where pid 7 is another than outside."""
    try:
        own = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        own = ""
    return socket.gethostname()[:64] + (own.removeprefix("pid:") if own not in {"", OUTERMOST} else "")


def _is_dead(host: str) -> bool:
    """Whether the process a lease names was one of this machine and has ended."""
    machine, _, pid = host.rpartition(":")
    if machine != _machine() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


class _Lease:
    """The right to write to one client, renewed while the run lives. Losing it stops the run before its next step."""

    def __init__(self, control: Control, code: str, run_id: str, wait: float) -> None:
        self.control, self.name, self.run_id, self.wait = control, f"tenant:{code}", run_id, wait
        self.code = code
        self.lost = threading.Event()
        self._stop = threading.Event()

    def __enter__(self) -> _Lease:
        deadline = time.monotonic() + self.wait
        while True:
            epoch = self.control.acquire(self.name, owner=self.run_id, host=_host(), ttl=LEASE, now=wall())
            if epoch is not None:
                self.epoch = epoch
                break
            if self._freed():
                continue
            if time.monotonic() >= deadline:
                raise self._busy()
            time.sleep(min(1.0, max(0.05, deadline - time.monotonic())))
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=5)
        self.control.release(self.name, owner=self.run_id, epoch=self.epoch)

    def _freed(self) -> bool:
        """Take a lease from a process of this machine that was killed: the next run need not wait for its end."""
        holder = self.control.holder(self.name)
        if holder is None or not _is_dead(holder["host"]):
            return False
        return self.control.release(self.name, owner=holder["owner"], epoch=holder["epoch"])

    def check(self) -> None:
        if self.lost.is_set():
            raise Busy(
                "CTX-5010",
                f"This run of {self.code} lost its lease to another one and stopped.",
                fix="cortex runs list shows who holds it.",
            )

    def _renew(self) -> None:
        while not self._stop.wait(RENEW_EVERY):
            if not self.control.renew(self.name, owner=self.run_id, epoch=self.epoch, ttl=LEASE, now=wall()):
                self.lost.set()
                return

    def _busy(self) -> Busy:
        holder = self.control.holder(self.name) or {}
        since = holder.get("acquired_at")
        return Busy(
            "CTX-5011",
            f"Another run of {self.code} is active (run {holder.get('owner', '?')} on {holder.get('host', '?')} since {since}).",
            fix="Wait for it with --wait 10m, or look at it with `cortex runs list`.",
        )
