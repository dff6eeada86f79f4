"""Runs as their owners handle them: queued, done by workers, killed, cancelled, resumed, stopped; on both engines."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from cortex.warehouse import Control
from tests.journeys.agency import Agency

DAYS = ("--days", "3")


@contextmanager
def killed_afterwards(*processes: subprocess.Popen[str]) -> Iterator[None]:
    """Whatever the test does, its processes are gone after it; each leads a group of its own children."""
    try:
        yield
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.communicate()


def until(true: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def runs(agency: Agency, code: str) -> list[dict[str, object]]:
    with Control.open(agency.database, agency.state) as control:
        return control.runs(code)


def statuses(agency: Agency) -> list[object]:
    return [row["status"] for code in agency.codes for row in runs(agency, code)]


def test_a_queued_run_is_a_plan_until_a_worker_does_it(agency: Agency) -> None:
    code = agency.first
    agency.onboarded(code)
    said = agency.ok("run", "daily", code, *DAYS, "--queue", as_json=True)
    run_id = said.data[0]["run_id"]
    with Control.open(agency.database, agency.state) as control:
        assert {step["status"] for step in control.steps(run_id)} == {"ready"}
        planned = [step["step"] for step in control.steps(run_id)]
    assert agency.one(code, "SELECT COUNT(*) AS n FROM fct_orders") == 0
    worker = agency.process("worker", "--drain", "--quiet")
    with killed_afterwards(worker):
        assert worker.wait(120) == 0
    (row,) = runs(agency, code)
    assert (row["run_id"], row["status"], row["exit_code"]) == (run_id, "ok", 0)
    with Control.open(agency.database, agency.state) as control:
        steps = control.steps(run_id)
    assert [step["step"] for step in steps] == planned
    assert {(step["status"], step["attempt"]) for step in steps} == {("ok", 1)}
    assert agency.one(code, "SELECT COUNT(*) AS n FROM fct_orders") > 0


def test_of_two_workers_one_is_killed_and_everything_is_done_once(agency: Agency) -> None:
    agency.onboarded()
    for code in agency.codes:
        agency.ok("run", "daily", code, *DAYS)
    undisturbed = {code: agency.dump(code) for code in agency.codes}
    told = agency.running.received.deliveries()
    for code in agency.codes:
        agency.ok("run", "daily", code, *DAYS, "--queue")
        agency.ok("run", "hourly", code, "--queue")
    victim = agency.process("worker", "--drain", "--quiet")
    with killed_afterwards(victim):
        until(lambda: "running" in statuses(agency))
        survivor = agency.process("worker", "--drain", "--quiet")
        with killed_afterwards(survivor):
            _kill_with_children(victim)
            assert survivor.wait(180) == 0
    assert set(statuses(agency)) == {"ok"}
    for code in agency.codes:
        again = agency.dump(code)
        assert {row["external_id"] for row in again["fct_orders"]} >= {
            row["external_id"] for row in undisturbed[code]["fct_orders"]
        }
        for platform in ("meta", "data_manager"):
            agency.once_each(code, platform)
    ids = [(each.platform, each.destination, each.event_id) for each in told]
    assert len(ids) == len(set(ids))


def _kill_with_children(process: subprocess.Popen[str]) -> None:
    """SIGKILL for a worker and the processes it started: a machine that lost its power."""
    children = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(process.pid)], capture_output=True, text=True, check=False
    ).stdout.split()
    for pid in (process.pid, *map(int, children)):
        os.kill(pid, signal.SIGKILL)


def test_a_run_is_cancelled_before_it_begins_and_never_done(small: Agency) -> None:
    code = small.first
    small.onboarded(code)
    run_id = small.ok("run", "daily", code, *DAYS, "--queue", as_json=True).data[0]["run_id"]
    assert small.ok("runs", "cancel", run_id, as_json=True).data == {
        "run_id": run_id, "was": "queued", "cancelled": True,
    }  # fmt: skip
    worker = small.process("worker", "--drain", "--quiet")
    with killed_afterwards(worker):
        assert worker.wait(120) == 0
    (row,) = runs(small, code)
    assert (row["status"], row["exit_code"]) == ("cancelled", 130)
    assert small.one(code, "SELECT COUNT(*) AS n FROM fct_orders") == 0
    assert "over already (cancelled)" in small.ok("runs", "cancel", run_id).out
    assert small.cortex("runs", "cancel", "20000101000000ffffffff").code == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_a_run_at_its_next_boundary_and_resuming_leaves_out_what_was_done(
    small: Agency, number: int, code: int
) -> None:
    client = small.first
    small.onboarded(client)
    process = small.process("run", "daily", client, *DAYS)
    with killed_afterwards(process):
        until(lambda: any(_done(small, row["run_id"]) for row in runs(small, client)))
        process.send_signal(number)
        begun = time.monotonic()
        process.wait(60)
        assert time.monotonic() - begun < 30
    if process.returncode == 0:
        pytest.skip("the run was over before the signal came")
    assert process.returncode == code
    (row,) = runs(small, client)
    assert (row["status"], row["exit_code"]) == ("interrupted", code)
    done = _done(small, row["run_id"])
    said = small.ok("run", "daily", client, *DAYS, "--resume", as_json=True)
    assert said.envelope["run_id"] == row["run_id"]
    left_out = {step["name"] for step in said.data["steps"] if step["status"] == "done"}
    assert done == left_out != set()
    with Control.open(small.database, small.state) as control:
        attempts = {step["step"]: step["attempt"] for step in control.steps(str(row["run_id"]))}
    assert {attempts[name] for name in left_out} == {1}


def _done(agency: Agency, run_id: object) -> set[str]:
    with Control.open(agency.database, agency.state) as control:
        return {step["step"] for step in control.steps(str(run_id)) if step["status"] == "ok"}


def test_several_clients_at_once_are_told_one_after_the_other(small: Agency) -> None:
    small.onboarded()
    process = small.process("run", "daily", "--all", *DAYS, "--jobs", "2")
    with killed_afterwards(process):
        _, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    headings = [at for at, line in enumerate(err.splitlines()) if " · daily · " in line]
    endings = [at for at, line in enumerate(err.splitlines()) if line.startswith("Done in ")]
    assert len(headings) == len(endings) == len(small.codes)
    assert headings[0] < endings[0] < headings[1] < endings[1]


def test_the_log_of_a_run_is_read_back(small: Agency) -> None:
    code = small.first
    small.onboarded(code)
    run_id = small.ok("run", "daily", code, *DAYS, as_json=True).envelope["run_id"]
    said = small.ok("logs", code, as_json=True)
    assert said.envelope["run_id"] == run_id
    assert [said.data[0]["event"], said.data[-1]["event"]] == ["run started", "run ended"]
    assert {line["run_id"] for line in said.data} == {run_id}
    assert "store.orders  step done" in small.ok("logs", code, "--run", run_id).out
    assert small.cortex("logs", code, "--run", "20000101000000ffffffff").code == 2
    assert small.cortex("logs", small.second).code == 2


def test_a_second_run_of_one_client_is_refused_with_seven(agency: Agency) -> None:
    code = agency.first
    agency.onboarded(code)
    from cortex.runner.lease import Lease

    with Control.open(agency.database, agency.state) as control, Lease(control, code, "holder", 0):
        begun = time.monotonic()
        said = agency.cortex("run", "daily", code)
        seconds = time.monotonic() - begun
    assert said.code == 7
    assert "holder" in said.err
    assert seconds < 5, "a refusal takes no time of its own; how long a process takes to start is measured elsewhere"


def test_an_app_that_is_spent_for_one_client_is_called_by_no_other(agency: Agency) -> None:
    """Both clients call Meta through the agency's one app: what the first is told, the second keeps to."""
    agency.onboarded()
    agency.running.meta._app.limit = 0.5  # not one call of the hour is left
    said = agency.cortex("run", "daily", agency.first, *DAYS, "--only", "ads.meta", as_json=True)
    assert (said.code, said.envelope["error"]["code"]) == (1, "CTX-4103")
    before = len(agency.running.received.calls("meta"))
    said = agency.cortex("run", "daily", agency.second, *DAYS, "--only", "ads", "--only", "store.orders", as_json=True)
    assert before == len(agency.running.received.calls("meta"))
    fates = {step["name"]: step for step in said.data["steps"]}
    assert fates["ads.meta"]["error"]["code"] == "CTX-5101"
    assert {step["status"] for name, step in fates.items() if name != "ads.meta"} == {"ok"}


def test_a_killed_run_is_called_dead_until_the_next_one_notes_it(small: Agency) -> None:
    code = small.first
    small.onboarded(code)
    process = small.process("run", "daily", code, *DAYS)
    with killed_afterwards(process):
        until(lambda: bool(runs(small, code)))
        assert small.ok("runs", "list", code, as_json=True).data[0]["status"] in {"running", "ok"}
        process.kill()
        process.wait(30)
    assert small.ok("runs", "list", code, as_json=True).data[0]["status"] in {"died", "ok"}
    small.ok("run", "daily", code, *DAYS)
    assert {row["status"] for row in small.ok("runs", "list", code, as_json=True).data} <= {"interrupted", "ok"}
