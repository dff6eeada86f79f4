"""Killed processes, lost connections and full disks: nothing half written, plain words, and the next run goes on."""

import resource
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from cortex.errors import DatabaseError
from cortex.warehouse import Transaction, Warehouse, outbox, provision, tables
from tests.rooms.test_warehouse_outbox import planned
from tests.rooms.warehouse_rows import NOON, everything, order

ROOT = Path(__file__).resolve().parents[2]
BEGIN = """
    import os, sys
    from pathlib import Path
    from cortex.warehouse import Warehouse, outbox
    from tests.rooms.warehouse_rows import NOON, order
    warehouse = Warehouse.open(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
"""


def child(
    body: str, warehouse: Warehouse, engine_url: str, state: Path, **options: object
) -> subprocess.CompletedProcess[str]:
    """Another process on the same client."""
    program = textwrap.dedent(BEGIN) + textwrap.dedent(body)
    return subprocess.run(
        [sys.executable, "-c", program, engine_url, warehouse.code, str(state)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, **options,  # type: ignore[call-overload]
    )  # fmt: skip


def test_a_process_killed_inside_a_transaction_leaves_nothing_and_no_lock(
    warehouse: Warehouse, engine_url: str, tmp_path: Path
):
    warehouse.atomically(lambda tx: tx.upsert("fct_orders", [order(1)]))
    dead = child(
        """
        with warehouse.transaction() as tx:
            tx.upsert("fct_orders", [order(2)])
            tx.update("fct_orders", {}, {"number": "half"})
            os._exit(137)
        """,
        warehouse, engine_url, tmp_path,
    )  # fmt: skip
    assert dead.returncode == 137, dead.stderr
    warehouse.atomically(lambda tx: tx.update("fct_orders", {}, {"coupon": "next"}))
    [only] = everything(warehouse, tables.fct_orders)
    assert (only["external_id"], only["number"], only["coupon"]) == ("1", "", "next")


def test_a_claim_survives_the_death_of_its_process_and_is_not_claimed_again(
    warehouse: Warehouse, engine_url: str, tmp_path: Path
):
    warehouse.atomically(lambda tx: outbox.plan(tx, [planned(1), planned(2)]))
    dead = child(
        """
        assert len(outbox.claim(warehouse, "meta_capi", 1, "dead", NOON)) == 1
        os._exit(137)
        """,
        warehouse, engine_url, tmp_path,
    )  # fmt: skip
    assert dead.returncode == 137, dead.stderr
    assert [one["order_ref"] for one in outbox.claim(warehouse, "meta_capi", 10, "next", NOON)] == ["2"]


@pytest.fixture
def mysql_warehouse(mysql_client: tuple[str, str], tmp_path: Path) -> Iterator[Warehouse]:
    provision.apply(*mysql_client, tmp_path)
    with Warehouse.open(*mysql_client, tmp_path) as opened:
        yield opened


def kill(warehouse: Warehouse, tx: Transaction) -> None:
    """Cut the transaction's connection, as a server that restarts would."""
    number = tx.rows("SELECT CONNECTION_ID() AS n")[0]["n"]
    with warehouse.transaction() as other:
        other.run(f"KILL CONNECTION {int(number)}")


def test_a_connection_cut_in_the_middle_is_told_never_silently_reopened(mysql_warehouse: Warehouse):
    mysql_warehouse.atomically(lambda tx: tx.upsert("fct_orders", [order(1)]))
    tries = []

    def work(tx: Transaction) -> None:
        tries.append(1)
        tx.upsert("fct_orders", [order(2)])
        kill(mysql_warehouse, tx)
        tx.upsert("fct_orders", [order(3)])

    with pytest.raises(DatabaseError) as failure:
        mysql_warehouse.atomically(work)
    assert (failure.value.code, failure.value.retryable, len(tries)) == ("CTX-5009", True, 1)
    assert [one["external_id"] for one in everything(mysql_warehouse, tables.fct_orders)] == ["1"]
    mysql_warehouse.atomically(lambda tx: tx.upsert("fct_orders", [order(4)]))


def test_a_connection_cut_before_the_commit_commits_nothing(mysql_warehouse: Warehouse):
    def work(tx: Transaction) -> None:
        tx.upsert("fct_orders", [order(2)])
        kill(mysql_warehouse, tx)

    with pytest.raises(DatabaseError) as failure:
        mysql_warehouse.atomically(work)
    assert failure.value.code == "CTX-5009"
    assert everything(mysql_warehouse, tables.fct_orders) == []


def test_a_row_locked_for_too_long_is_contention(mysql_warehouse: Warehouse):
    def impatient() -> None:
        with mysql_warehouse.transaction() as other:
            other.run("SET SESSION innodb_lock_wait_timeout = 1")
            other.update("fct_orders", {}, {"number": "other"})

    mysql_warehouse.atomically(lambda tx: tx.upsert("fct_orders", [order(1)]))
    with mysql_warehouse.transaction() as holder:
        holder.update("fct_orders", {}, {"number": "held"})
        with pytest.raises(DatabaseError) as failure:
            impatient()
        assert (failure.value.code, failure.value.retryable) == ("CTX-5008", True)


def test_a_full_disk_is_named_and_nothing_of_the_batch_is_kept(tmp_path: Path):
    provision.apply("", "xyz", tmp_path)
    with Warehouse.open("", "xyz", tmp_path) as warehouse:
        size = (tmp_path / "tenants" / "xyz.db").stat().st_size

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size + 300_000, size + 300_000))

        full = child(
            """
            import signal
            from cortex.errors import DatabaseError
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            done = 0
            try:
                for batch in range(1000):
                    rows = [order(f"{batch}-{i}", city="x" * 90) for i in range(100)]
                    warehouse.atomically(lambda tx: tx.upsert("fct_orders", rows))
                    done += 1
            except DatabaseError as error:
                print(done, error.code, error.message)
            """,
            warehouse, "", tmp_path, preexec_fn=limit,
        )  # fmt: skip
        done, code, message = full.stdout.split(" ", 2)
        assert code == "CTX-5021", full.stdout + full.stderr
        assert "xyz.db" in message
        assert int(done) > 0
        stored = warehouse.rows("SELECT COUNT(*) AS n FROM fct_orders")[0]["n"]
        assert stored == int(done) * 100
        assert warehouse.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
        warehouse.atomically(lambda tx: tx.upsert("fct_orders", [order("after")]))


def test_a_schema_that_vanished_is_told_as_not_provisioned(warehouse: Warehouse):
    warehouse.atomically(lambda tx: tx.run("DROP TABLE fct_refunds"))
    with pytest.raises(DatabaseError) as failure:
        warehouse.rows("SELECT * FROM fct_refunds WHERE created_at > :at", at=NOON)
    assert failure.value.code == "CTX-5002"
