"""The control schema: a ledger that survives repetition, and leases that only one holds at a time."""

import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from cortex.warehouse import Control
from cortex.warehouse import engine as engines

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
TTL = timedelta(minutes=5)


@pytest.fixture
def control(engine_url: str, tmp_path: Path) -> Iterator[Control]:
    with Control.open(engine_url, tmp_path) as opened:
        yield opened


@pytest.fixture
def name() -> str:
    """The control database of a server is shared: names are this test's own."""
    return f"tenant:{uuid.uuid4().hex[:16]}"


def start(control: Control, run_id: str, tenant: str, at: datetime = NOW) -> None:
    control.start_run(
        run_id=run_id, tenant=tenant, pipeline="daily", since=date(2026, 11, 1), until=date(2026, 11, 20), started_at=at,
        config_sha256="c" * 64, version="0.1.0", host="machine:1",
    )  # fmt: skip


def test_it_makes_itself_and_opens_again(engine_url: str, tmp_path: Path, name: str):
    for _ in range(2):
        with Control.open(engine_url, tmp_path) as control:
            assert control.holder(name) is None
    if engine_url == "sqlite":
        assert engines.control_place(engine_url, tmp_path).file == tmp_path / "control.db"


def test_first_opened_by_many_at_once(tmp_path: Path):
    failures: list[BaseException] = []

    def open_one() -> None:
        try:
            Control.open("", tmp_path).close()
        except BaseException as failure:  # noqa: BLE001  # told to the test below
            failures.append(failure)

    threads = [threading.Thread(target=open_one) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failures == []


def test_runs_newest_first(control: Control):
    tenant = uuid.uuid4().hex[:16]
    for i in range(3):
        start(control, f"{tenant}{i}", tenant, NOW + timedelta(minutes=i))
    control.finish_run(f"{tenant}1", status="partial", ended_at=NOW + TTL, exit_code=6)
    runs = control.runs(tenant, limit=2)
    assert [run["run_id"][-1] for run in runs] == ["2", "1"]
    assert [(run["status"], run["exit_code"], run["ended_at"]) for run in runs] == [
        ("running", 0, None), ("partial", 6, NOW + TTL),
    ]  # fmt: skip
    assert (runs[0]["since"], runs[0]["started_at"]) == (date(2026, 11, 1), NOW + timedelta(minutes=2))
    assert tenant in {run["tenant"] for run in control.runs(None, limit=10_000)}


def test_a_run_continued_keeps_its_start_and_runs_again(control: Control):
    tenant = uuid.uuid4().hex[:16]
    start(control, tenant, tenant)
    control.finish_run(tenant, status="failed", ended_at=NOW + TTL, exit_code=1)
    start(control, tenant, tenant, NOW + timedelta(hours=1))
    [run] = control.runs(tenant, limit=5)
    assert (run["status"], run["started_at"], run["ended_at"]) == ("running", NOW, None)


def test_steps_in_recipe_order_with_attempts_and_facts(control: Control):
    run_id = uuid.uuid4().hex[:16]
    assert control.step_started(run_id, "ads.meta", position=1, at=NOW) == 1
    control.step_finished(
        run_id, "ads.meta", position=1, status="failed", at=NOW, error_code="CTX-4101", error_message="no"
    )
    assert control.step_started(run_id, "ads.meta", position=1, at=NOW + TTL) == 2
    control.step_finished(
        run_id, "ads.meta", position=1, status="ok", at=NOW + 2 * TTL, row_count=7, summary="7 ad-days",
        facts={"spend": Decimal("10.10"), "since": date(2026, 11, 1), "names": ["São"]},
    )  # fmt: skip
    control.step_finished(run_id, "attribution", position=0, status="skipped", at=NOW)
    skipped, done = control.steps(run_id)
    assert (skipped["step"], skipped["status"], skipped["attempt"], skipped["started_at"]) == (
        "attribution", "skipped", 0, None,
    )  # fmt: skip
    assert done["facts"] == {"spend": "10.10", "since": "2026-11-01", "names": ["São"]}
    assert (done["attempt"], done["row_count"], done["error_code"], done["started_at"]) == (2, 7, "", NOW + TTL)


def test_a_lease_is_held_by_one_and_its_epoch_counts_up(control: Control, name: str):
    assert control.acquire(name, owner="a", host="h", ttl=TTL, now=NOW) == 1
    assert control.acquire(name, owner="b", host="h", ttl=TTL, now=NOW + TTL - timedelta(seconds=1)) is None
    held = control.holder(name)
    assert held is not None
    assert (held["owner"], held["acquired_at"], held["expires_at"], held["epoch"]) == ("a", NOW, NOW + TTL, 1)

    assert control.release(name, owner="a", epoch=1)
    assert control.holder(name) is None
    assert control.acquire(name, owner="b", host="h", ttl=TTL, now=NOW) == 2


def test_a_lease_that_ran_out_goes_to_the_next_and_its_old_owner_learns_it(control: Control, name: str):
    assert control.acquire(name, owner="a", host="h", ttl=TTL, now=NOW) == 1
    assert control.acquire(name, owner="b", host="h", ttl=TTL, now=NOW + TTL) == 2
    assert not control.renew(name, owner="a", epoch=1, ttl=TTL, now=NOW + TTL)
    assert not control.release(name, owner="a", epoch=1)
    held = control.holder(name)
    assert held is not None
    assert (held["owner"], held["epoch"]) == ("b", 2)


def test_the_same_owner_of_an_earlier_epoch_is_another(control: Control, name: str):
    assert control.acquire(name, owner="a", host="h", ttl=TTL, now=NOW) == 1
    assert control.acquire(name, owner="a", host="h", ttl=TTL, now=NOW + TTL) == 2
    assert not control.renew(name, owner="a", epoch=1, ttl=TTL, now=NOW + TTL)
    assert control.renew(name, owner="a", epoch=2, ttl=TTL, now=NOW + TTL)


def test_renewing_holds_longer(control: Control, name: str):
    control.acquire(name, owner="a", host="h", ttl=TTL, now=NOW)
    assert control.renew(name, owner="a", epoch=1, ttl=TTL, now=NOW + timedelta(minutes=4))
    assert control.acquire(name, owner="b", host="h", ttl=TTL, now=NOW + timedelta(minutes=8)) is None


def test_of_many_who_want_a_lease_at_once_one_gets_it(control: Control, name: str):
    got: list[int | None] = []

    def want(owner: str) -> None:
        got.append(control.acquire(name, owner=owner, host="h", ttl=TTL, now=NOW))

    for expected in (1, 2):
        got.clear()
        threads = [threading.Thread(target=want, args=(f"o{i}",)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(got, key=str) == [expected] + [None] * 7
        held = control.holder(name)
        assert held is not None
        control.release(name, owner=held["owner"], epoch=expected)
