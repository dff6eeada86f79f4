"""A step that failed of something that may pass is tried again a few times, and no other one is."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest

from cortex import tenant as tenants
from cortex.clock import Window
from cortex.errors import (
    Busy,
    ConfigError,
    CortexError,
    CredentialError,
    DatabaseError,
    PlatformError,
    QualityGate,
    Throttled,
    Transient,
)
from cortex.records import Notice
from cortex.run import Outcome, Recipe, Run, Step
from cortex.runner import engine, plan
from cortex.runner.engine import RunResult
from cortex.runner.lease import Lease
from cortex.runner.stopping import Stopped
from cortex.warehouse import Control, provision
from cortex.warehouse.failures import ConnectionLost, Contended
from cortex.workspace import Workspace
from tests.conftest import NOW

WINDOW = Window(date(2026, 11, 19), date(2026, 11, 20))
SOON = (0.01, 0.01)


@dataclass
class Bench:
    """A client whose recipe is one step that does what a test tells it, and one that needs it."""

    url: str
    workspace: Workspace
    code: str
    says: list[CortexError | Exception | None] = field(default_factory=list)
    """What each try of the step raises; None and afterwards: it goes well."""
    tries: list[int] = field(default_factory=list)

    def work(self, run: Run) -> Outcome:
        self.tries.append(run.attempt)
        run.notices.append(Notice(code="noticed", stream="x", message="seen once"))
        error = self.says.pop(0) if self.says else None
        if error is not None:
            raise error
        return Outcome(3, "three rows", {"rows": 3})

    def run(
        self, *says: CortexError | Exception | None, pauses: Sequence[float] = SOON, resume: bool = False
    ) -> RunResult:
        self.says = list(says)
        tenant = tenants.load(self.workspace, self.code)

        def verb(_tenant: Any) -> Iterator[Step]:
            yield Step("store.orders", self.work, reads=True)
            yield Step("attribution", lambda _run: Outcome(), needs=("store.orders",))

        recipe = Recipe("daily", "", (verb,))
        return engine.execute(
            tenant, recipe, WINDOW, plan.steps(tenant, recipe, WINDOW), workspace=self.workspace, database=self.url,
            clock=lambda: NOW, resume=resume, pauses=pauses,
        )  # fmt: skip

    def steps(self, run_id: str) -> dict[str, dict[str, Any]]:
        with Control.open(self.url, self.workspace.state) as control:
            return {row["step"]: row for row in control.steps(run_id)}


@pytest.fixture
def bench(engine_url: str, tenant_code: str, workspace: Workspace) -> Bench:
    file = {
        "client": {"name": "Loja", "code": tenant_code, "timezone": "America/Sao_Paulo"},
        "ecommerce": {"platform": "olist", "path": "x"},
    }
    (workspace.tenants / f"{tenant_code}.yaml").write_text(json.dumps(file), encoding="utf-8")
    provision.apply(engine_url, tenant_code, workspace.state)
    return Bench(engine_url, workspace, tenant_code)


@pytest.mark.parametrize(
    "passing",
    [
        Transient("CTX-4011", "The shop answered 503."),
        Transient("CTX-4018", "An answer was cut short.", sent=True),
        Contended("CTX-5008", "Another process was writing."),
        ConnectionLost("CTX-5009", "The connection was lost."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_passes_by_itself_does_not_fail_the_run(bench: Bench, passing: CortexError) -> None:
    result = bench.run(passing, passing)
    assert (result.status, result.exit_code) == ("ok", 0)
    assert bench.tries == [1, 2, 3]
    step = bench.steps(result.run_id)["store.orders"]
    assert (step["status"], step["attempt"], step["row_count"], step["error_code"]) == ("ok", 3, 3, "")
    assert [each["code"] for each in step["facts"]["tries"]] == [passing.code] * 2
    assert step["facts"]["rows"] == 3
    assert [notice.message for notice in result.notices] == ["seen once"]


def test_what_does_not_pass_fails_after_three_tries_with_its_last_words(bench: Bench) -> None:
    words = [Transient("CTX-4011", f"The shop answered 503, {n}.") for n in range(5)]
    result = bench.run(*words)
    assert (result.status, [step.status for step in result.steps]) == ("failed", ["failed", "skipped"])
    assert bench.tries == [1, 2, 3]
    step = bench.steps(result.run_id)["store.orders"]
    assert (step["status"], step["attempt"], step["error_message"]) == ("failed", 3, "The shop answered 503, 2.")
    assert [each["message"] for each in step["facts"]["tries"]] == [f"The shop answered 503, {n}." for n in range(2)]


@pytest.mark.parametrize(
    "final",
    [
        PlatformError("CTX-4012", "The shop refused the request (400)."),
        CredentialError("CTX-4004", "The shop refused the credential (401)."),
        ConfigError("CTX-3001", "The file has a problem."),
        DatabaseError("CTX-5021", "The disk is full."),
        QualityGate("CTX-2103", "3 checks failed."),
        Throttled("CTX-4010", "The shop asks to wait.", retry_after=3600),
        Throttled("CTX-5102", "All places were taken for 30 minutes.", scope="app"),
        ZeroDivisionError(),
    ],
    ids=lambda error: getattr(error, "code", "") or type(error).__name__,
)
def test_what_a_person_must_mend_or_was_waited_for_already_is_tried_once(bench: Bench, final: Exception) -> None:
    result = bench.run(final)
    assert bench.tries == [1]
    assert result.failed
    assert "tries" not in bench.steps(result.run_id)["store.orders"]["facts"]


def test_a_run_that_lost_its_client_to_another_tries_nothing(bench: Bench) -> None:
    with pytest.raises(Busy):
        bench.run(Busy("CTX-5010", "This run lost its lease."))
    assert bench.tries == [1]


def test_attempts_count_on_when_the_run_is_resumed(bench: Bench) -> None:
    failing = [Transient("CTX-4011", "503")] * 3
    first = bench.run(*failing)
    again = bench.run(Transient("CTX-4011", "503"), resume=True)
    assert (first.run_id, again.status) == (again.run_id, "ok")
    assert bench.tries == [1, 2, 3, 4, 5], "so that no claim of conversions has the name of an earlier one"
    assert bench.steps(first.run_id)["store.orders"]["attempt"] == 5


def waiting(bench: Bench, act: Callable[[str], None]) -> None:
    """Do something while the step waits to be tried again."""

    def look() -> None:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with Control.open(bench.url, bench.workspace.state) as control:
                for row in control.runs(bench.code):
                    steps = {step["step"]: step for step in control.steps(row["run_id"])}
                    if steps.get("store.orders", {}).get("error_code") == "CTX-4011":
                        act(row["run_id"])
                        return
            time.sleep(0.05)

    threading.Thread(target=look, daemon=True).start()


def test_a_signal_ends_the_wait_and_the_run_is_interrupted(bench: Bench) -> None:
    waiting(bench, lambda _run: os.kill(os.getpid(), signal.SIGTERM))
    begun = time.monotonic()
    with pytest.raises(Stopped) as stopped:
        bench.run(Transient("CTX-4011", "503"), pauses=(60.0,))
    assert stopped.value.exit_code == 143
    assert time.monotonic() - begun < 30
    with Control.open(bench.url, bench.workspace.state) as control:
        (row,) = control.runs(bench.code)
        assert (row["status"], row["exit_code"]) == ("interrupted", 143)
        assert control.holder(f"tenant:{bench.code}") is None
    step = bench.steps(row["run_id"])["store.orders"]
    assert (step["status"], step["attempt"], step["error_code"]) == ("interrupted", 1, "CTX-4011")


def test_a_cancelled_run_is_not_tried_again(bench: Bench) -> None:
    def cancel(run_id: str) -> None:
        with Control.open(bench.url, bench.workspace.state) as control:
            control.cancel(run_id, at=engine.wall())

    waiting(bench, cancel)
    result = bench.run(Transient("CTX-4011", "503"), pauses=(3.0,))
    assert (result.status, bench.tries) == ("cancelled", [1])


def test_the_lease_is_renewed_while_a_run_waits(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from cortex.runner import lease

    monkeypatch.setattr(lease, "RENEW_EVERY", 0.2)
    seen: list[Any] = []

    def look(_run: str) -> None:
        for _ in range(2):
            with Control.open(bench.url, bench.workspace.state) as control:
                holder = control.holder(f"tenant:{bench.code}")
                seen.append(holder and holder["expires_at"])
                with pytest.raises(Busy):
                    Lease(control, bench.code, "rival", 0).__enter__()
            time.sleep(0.8)

    waiting(bench, look)
    assert bench.run(Transient("CTX-4011", "503"), pauses=(3.5,)).status == "ok"
    assert len(seen) == 2
    assert seen[1] > seen[0]
    assert seen[0] > engine.wall() - timedelta(minutes=1)
