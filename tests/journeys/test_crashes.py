"""Killed at any instant: after one plain run more, every table is as if nothing had happened, and nobody was told twice.

The short mode kills at a spread of points; `scripts/test --long` at every one, and at random instants besides.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from cortex.cli.demonstration import write_clients
from cortex.crash import DIED
from cortex.sandbox import serve
from cortex.warehouse import Control, tables
from tests.conftest import ENGINES, mysql_url
from tests.journeys import agency as agencies
from tests.journeys.agency import Agency, Dump
from tests.journeys.zygote import Child, Zygote

POINTS_SHORT, RANDOM_SHORT, RANDOM_LONG = 9, 6, 60
KEPT = {"cortex_meta", "schema_migrations"}
TROUBLE = ("attempts", "reason", "error_class", "error_code", "error_message")
"""Columns of the outbox that rightly remember that a delivery had to be asked about twice."""
COUNTED_TWICE = ("failed", "status", "said")
"""What Google rightly counts of a delivery told twice: those it had as failed, under its verdict."""
RUN = ("run", "daily")


@dataclass
class Laboratory:
    """One client to kill runs of, on one engine, always from the same beginning."""

    agency: Agency
    zygote: Zygote
    code: str
    points: list[str] = field(default_factory=list)
    """The points an undisturbed run passes, in order."""
    undisturbed: Dump = field(default_factory=dict)
    told: dict[str, dict[str, object]] = field(default_factory=dict)
    seconds: float = 0.0
    killed: int = 0

    def words(self) -> list[str]:
        return [*RUN, self.code, "--days", "3", "--workspace", str(self.agency.root), "--quiet"]

    def start(self, crash: str = "", file_bytes: int = 0) -> Child:
        return self.zygote.start(self.words(), self.agency.environment, crash=crash, file_bytes=file_bytes)

    def begin_again(self) -> None:
        """The client as onboarding left it, and platforms that have heard of nothing."""
        agency = self.agency
        agency.running.close()
        agency.running = serve(agency.market, clock=agency.hand, rate_scale=1000)
        write_clients(agency.root, agency.market, agency.running)
        with agency.warehouse(self.code) as opened, opened.transaction() as tx:
            for table in tables.TENANT.sorted_tables:
                if table.name not in KEPT | SEEDED:
                    tx.delete(table, {})

    def observe(self, scratch: Path) -> None:
        """What a run does when nobody disturbs it."""
        self.begin_again()
        begun = time.monotonic()
        assert self.start().wait() == 0
        self.seconds = time.monotonic() - begun
        self.undisturbed = self.agency.dump(self.code)
        self.told = {platform: self.agency.counted(self.code, platform) for platform in ("meta", "data_manager")}
        assert all(self.told.values()), "a run that tells nobody anything proves nothing"
        self.begin_again()
        trace = scratch / "points"
        assert self.start(crash=str(trace)).wait() == 0
        self.points = trace.read_text(encoding="utf-8").split()

    def die_at(self, *points: int) -> None:
        """Die at the first, and the run that should mend it at the second, if there is one; then mend it."""
        self.begin_again()
        for point in points:
            child = self.start(crash=str(point))
            assert child.wait() == DIED, f"point {point} was not reached:\n{child.said}"
            self.killed += 1
        self.mended(" and ".join(f"point {point}, {self.points[point - 1]}" for point in points))

    def mended(self, where: str) -> None:
        """One plain run more, and everything is as it should be."""
        again = self.start()
        code = again.wait()
        assert code == 0, f"after dying at {where} the next run ended {code}:\n{again.said}"
        wrong = _wrong(self.agency.dump(self.code), self.undisturbed)
        assert wrong == [], f"after dying at {where} these tables differ: {wrong}"
        for platform, expected in self.told.items():
            assert self.agency.counted(self.code, platform) == expected, f"{platform} after dying at {where}"
            self.agency.once_each(self.code, platform)


SEEDED = {name for name in tables.TENANT.tables if name.startswith("dim_")} - {
    "dim_customers", "dim_products", "dim_campaigns", "dim_sellers",
}  # fmt: skip


def _wrong(found: Dump, expected: Dump) -> list[str]:
    """Tables that differ, in any row or column."""
    return [name for name in found if _plain(name, found) != _plain(name, expected)]


def _plain(name: str, dump: Dump) -> object:
    passed = {"conversion_outbox": TROUBLE, "conversion_diagnostics": COUNTED_TWICE}.get(name, ())
    return [{column: value for column, value in row.items() if column not in passed} for row in dump[name]]


@pytest.fixture(scope="module", params=ENGINES)
def laboratory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    database = "" if request.param == "sqlite" else mysql_url()
    folder = tmp_path_factory.mktemp("crashes")
    with (
        closing(agencies.found(folder / "agency", agencies.market(orders=120), database=database)) as agency,
        Zygote(folder / "said") as zygote,
    ):
        built = Laboratory(agency, zygote, agency.first)
        agency.onboarded(built.code)
        built.observe(folder)
        yield built


def test_a_run_passes_every_kind_of_point(laboratory: Laboratory) -> None:
    kinds = {"run", "planned", "step", "stepped", "ended", "fetch", "fetched", "parsed", "staged", "merged", "commit", "committed",
             "cursor", "progress", "claimed", "send", "sent"}  # fmt: skip
    assert set(laboratory.points) == kinds


def test_killed_at_a_spread_of_points(laboratory: Laboratory) -> None:
    count = len(laboratory.points)
    around_sending = {laboratory.points.index(name) + 1 for name in ("claimed", "send", "sent")}
    around_sending |= {count - laboratory.points[::-1].index("sent")}  # of the last destination
    spread = {1 + at * (count - 1) // (POINTS_SHORT - 1) for at in range(POINTS_SHORT)} | around_sending
    # A late death first, then an early one of the run that follows: two deaths for one mending.
    waiting = sorted(spread)
    while waiting:
        laboratory.die_at(waiting.pop(), *(waiting[:1]))
        waiting = waiting[1:]
    assert laboratory.killed == len(spread)


@pytest.mark.slow
def test_killed_at_every_point(laboratory: Laboratory) -> None:
    for point in range(1, len(laboratory.points) + 1):
        laboratory.die_at(point)


def test_long_mode_kills_at_least_three_hundred_times(laboratory: Laboratory) -> None:
    """And the short one thirty, both counted over the engines of the matrix."""
    assert 2 * (len(laboratory.points) + RANDOM_LONG) >= 300
    assert 2 * (POINTS_SHORT + RANDOM_SHORT) >= 30


def kill_at_random(laboratory: Laboratory, count: int, *, in_a_row: int) -> int:
    """Kill so many runs at instants nobody chose, some in a row before one mends it all. Returns how many were still
    alive to be killed."""
    dice = random.Random(20261120)
    killed = 0
    while count:
        laboratory.begin_again()
        moments = []
        for _ in range(min(in_a_row, count)):
            moments.append(dice.uniform(0, laboratory.seconds))
            child = laboratory.start()
            time.sleep(moments[-1])
            os.kill(child.pid, signal.SIGKILL)  # even if it has ended: its number is its own until the next starts
            killed += child.wait() == -signal.SIGKILL
            count -= 1
        laboratory.mended(" and ".join(f"{moment:.3f} s" for moment in moments))
    return killed


def test_killed_at_random(laboratory: Laboratory) -> None:
    assert kill_at_random(laboratory, RANDOM_SHORT, in_a_row=2) > 0


@pytest.mark.slow
def test_killed_at_random_many_times(laboratory: Laboratory) -> None:
    assert kill_at_random(laboratory, RANDOM_LONG, in_a_row=1) > RANDOM_LONG // 2


def test_a_full_disk_stops_the_run_in_plain_words_and_the_next_one_mends_it(laboratory: Laboratory) -> None:
    if laboratory.agency.database:
        pytest.skip("the server's disk is not ours to fill")
    laboratory.begin_again()
    child = laboratory.start(file_bytes=150_000)
    assert child.wait() == 5, child.said
    assert "CTX-5021" in child.said
    assert "disk is full" in child.said
    laboratory.mended("a full disk")


def test_two_runs_of_one_client_at_once_leave_the_rows_of_one(laboratory: Laboratory) -> None:
    """The second is refused at once; with --wait it waits, and changes nothing the first has done."""
    laboratory.begin_again()
    first = laboratory.start()
    with Control.open(laboratory.agency.database, laboratory.agency.state) as control:
        deadline = time.monotonic() + 60
        while not _held(control, laboratory.code):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    refused = laboratory.agency.cortex(*laboratory.words())
    assert (refused.code, "CTX-5011" in refused.err) == (7, True)
    waited = laboratory.agency.cortex(*laboratory.words(), "--wait", "2m")
    assert (first.wait(), waited.code) == (0, 0), first.said + waited.err
    assert _wrong(laboratory.agency.dump(laboratory.code), laboratory.undisturbed) == []
    for platform, expected in laboratory.told.items():
        assert laboratory.agency.counted(laboratory.code, platform) == expected
        laboratory.agency.once_each(laboratory.code, platform)


def _held(control: Control, code: str) -> bool:
    return control.holder(f"tenant:{code}") is not None


def test_a_clock_that_steps_back_between_runs_loses_nothing(laboratory: Laboratory) -> None:
    """A machine ten minutes fast reads, then one ten minutes slow: cursors and windows follow the shop's clock."""
    agency, true = laboratory.agency, laboratory.agency.environment["CORTEX_NOW"]
    laboratory.begin_again()
    try:
        for minutes in (10, -10):
            agency.environment["CORTEX_NOW"] = (agency.hand.now + timedelta(minutes=minutes)).isoformat()
            child = laboratory.start()
            assert child.wait() == 0, child.said
    finally:
        agency.environment["CORTEX_NOW"] = true
    # The outbox remembers when each delivery was made, on the clock that was, and so do the platforms' own counts; what
    # was delivered is compared below.
    timed = {"conversion_outbox", "conversion_diagnostics"}
    assert set(_wrong(agency.dump(laboratory.code), laboratory.undisturbed)) <= timed
    for platform, expected in laboratory.told.items():
        assert agency.counted(laboratory.code, platform) == expected
        agency.once_each(laboratory.code, platform)


def _state(pid: int) -> str:
    """What a process is doing: T is stopped. From /proc, else by `ps`, which small systems lack."""
    told = Path(f"/proc/{pid}/stat")
    if told.exists():
        return told.read_text().rpartition(") ")[2][0]
    return subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=True).stdout[0]


def _wait_until_stopped(pid: int) -> None:
    for _ in range(1200):
        if _state(pid) == "T":
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} is not asleep")


def test_a_run_that_slept_through_its_lease_writes_nothing_any_more(laboratory: Laboratory) -> None:
    """Stopped at work, overtaken, woken: what it had in hand is refused, and the tables are the other one's."""
    agency = laboratory.agency
    laboratory.begin_again()
    name = f"tenant:{laboratory.code}"
    sleeper = laboratory.start(crash="asleep:5")
    _wait_until_stopped(sleeper.pid)
    with Control.open(agency.database, agency.state) as control:
        held = control.holder(name)
        assert held is not None
        past = control.now() - timedelta(seconds=1)
        assert control.renew(name, owner=held["owner"], epoch=held["epoch"], ttl=timedelta(0), now=past)
        slept = held["owner"]
    said = agency.cortex(*laboratory.words())
    assert said.code == 0, said.err
    os.kill(sleeper.pid, signal.SIGCONT)
    assert sleeper.wait() == 7, sleeper.said
    assert "CTX-5010" in sleeper.said
    with Control.open(agency.database, agency.state) as control:
        fates = {row["run_id"]: row["status"] for row in control.runs(laboratory.code, limit=2)}
    assert fates[slept] == "interrupted"
    assert set(fates.values()) == {"interrupted", "ok"}
    laboratory.mended("a sleep longer than the lease")
