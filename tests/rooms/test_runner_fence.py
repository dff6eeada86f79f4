"""A run that lost its lease while it slept commits nothing, and a younger control schema is outgrown."""

import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cortex.errors import Busy
from cortex.runner.lease import Lease, here, is_dead
from cortex.warehouse import Control, Warehouse, tables
from tests.rooms.warehouse_rows import everything, order


def stalled(engine_url: str, warehouse: Warehouse, tmp_path: Path) -> Warehouse:
    """A second connection to the same client, fenced by an older epoch."""
    old = Warehouse.open(engine_url, warehouse.code, tmp_path)
    assert old.fence(1) is None
    assert warehouse.fence(2) is None
    return old


def test_the_old_holder_commits_nothing_and_the_new_one_does(warehouse: Warehouse, engine_url: str, tmp_path: Path):
    with stalled(engine_url, warehouse, tmp_path) as old:
        with pytest.raises(Busy) as refused:
            old.atomically(lambda tx: tx.upsert(tables.fct_orders, [order(1)]))
        assert refused.value.code == "CTX-5010"
        with pytest.raises(Busy), old.transaction() as tx:
            tx.upsert(tables.fct_orders, [order(1)])
    assert everything(warehouse, tables.fct_orders) == []
    warehouse.atomically(lambda tx: tx.upsert(tables.fct_orders, [order(2)]))
    assert len(everything(warehouse, tables.fct_orders)) == 1


def test_an_epoch_never_goes_back(warehouse: Warehouse, engine_url: str, tmp_path: Path):
    assert warehouse.fence(7) is None
    with Warehouse.open(engine_url, warehouse.code, tmp_path) as other:
        assert other.fence(3) == 7
        assert other.fence(7) == 7
        assert other.fence(8) is None


def test_a_writer_without_a_lease_is_not_fenced(warehouse: Warehouse, engine_url: str, tmp_path: Path):
    assert warehouse.fence(1) is None
    with Warehouse.open(engine_url, warehouse.code, tmp_path) as onboarding:
        onboarding.atomically(lambda tx: tx.upsert(tables.fct_orders, [order(1)]))
    assert len(everything(warehouse, tables.fct_orders)) == 1


def test_a_lease_of_a_younger_control_schema_counts_past_what_the_client_knows(
    warehouse: Warehouse, engine_url: str, tmp_path: Path
):
    assert warehouse.fence(41) is None
    with Control.open(engine_url, tmp_path) as control, Lease(control, warehouse.code, "run", 0) as lease:
        with Warehouse.open(engine_url, warehouse.code, tmp_path) as opened:
            newer = opened.fence(lease.epoch)
            assert newer == 41
            lease.beyond(newer)
            assert opened.fence(lease.epoch) is None
        assert lease.epoch == 42
        held = control.holder(f"tenant:{warehouse.code}")
        assert held is not None
        assert held["epoch"] == 42


def test_a_lease_that_could_not_be_renewed_for_its_whole_length_stops_the_run(
    engine_url: str, tmp_path: Path, tenant_code: str
):
    with Control.open(engine_url, tmp_path) as control, Lease(control, tenant_code, "run", 0) as lease:
        lease.check()
        lease._renewed -= 301  # # as if the database had been away, or the process asleep
        with pytest.raises(Busy):
            lease.check()


def test_a_second_run_is_refused_at_once_and_says_who_has_it(engine_url: str, tmp_path: Path, tenant_code: str):
    with Control.open(engine_url, tmp_path) as control, Lease(control, tenant_code, "first", 0):
        begun = datetime.now(UTC)
        with pytest.raises(Busy, match=r"run first on .*"), Lease(control, tenant_code, "second", 0):
            pass
        assert datetime.now(UTC) - begun < timedelta(seconds=1)
    with Lease(control, tenant_code, "third", 0) as lease:
        lease.check()


def test_only_a_dead_process_of_this_machine_is_dead():
    assert not is_dead(here())
    machine = here().rpartition(":")[0]
    assert is_dead(f"{machine}:4194303")
    assert not is_dead("another-machine:4194303")
    assert not is_dead("nonsense")


def test_a_process_that_ended_is_dead_before_anybody_asked_for_its_exit_code():
    machine = here().rpartition(":")[0]
    process = subprocess.Popen(["true"])
    try:
        deadline = time.monotonic() + 20
        while not is_dead(f"{machine}:{process.pid}"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        process.wait()
