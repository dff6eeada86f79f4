"""Orders of one shop into one MariaDB: Cortex whole and on three tables, dlt, a per-row ORM merge, ready files; in one run."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
PARTS = HERE.parent / "loading"
SINCE, DAYS = "2026-01-05T03:00:00+00:00", "301"
DLT = ROOT / ".cortex-bench" / "dlt"
DLT_NEEDS = ("dlt[sqlalchemy]", "pymysql")
PAGE = 200


@dataclass(frozen=True)
class Pass:
    """One load of a shop by one contender: orders, seconds of wall and of CPU in the client, peak MB.

    server: seconds of CPU the server spent meanwhile, None where it cannot be known (it runs elsewhere).
    """

    orders: int
    wall: float
    cpu: float
    rss: float
    server: float | None = None

    @property
    def rate(self) -> float:
        return self.orders / self.wall

    @property
    def micros(self) -> float:
        return self.cpu / self.orders * 1e6

    @property
    def both(self) -> float | None:
        """Microseconds of CPU per order in client and server together."""
        return None if self.server is None else (self.cpu + self.server) / self.orders * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--orders", type=int, help="of the shop, for Cortex and the floor: 200,000; with --memory 1,000,000"
    )
    parser.add_argument("--dlt-orders", type=int, default=20_000, help="of those for dlt; 0 leaves it out")
    parser.add_argument("--orm-orders", type=int, default=2_000, help="of those for the ORM; 0 leaves it out")
    parser.add_argument("--memory", action="store_true", help="instead: peak memory while orders pass")
    parser.add_argument(
        "--stages", action="store_true", help="instead: CPU of each stage of Cortex, without a database"
    )
    asked = parser.parse_args()
    if asked.stages:
        subprocess.run([sys.executable, PARTS / "stages.py"], check=True)
        return
    if not os.environ.get("CORTEX_TEST_MYSQL_URL"):
        # Durable commits, as in production; the database script starts a server of its own and calls us again.
        os.environ |= {"CORTEX_TEST_DURABLE": "1", "CORTEX_PYTHON": sys.executable}
        os.execv(ROOT / "scripts" / "database", ["database", sys.executable, *sys.argv])
    if asked.memory:
        memory(asked.orders or 1_000_000)
    else:
        orders = asked.orders or 200_000
        compare(orders, min(orders, asked.dlt_orders), min(orders, asked.orm_orders))


def memory(orders: int) -> None:
    """The peak after a tenth of the orders and after each further tenth: one load, because peaks only grow."""
    with shop(orders) as url:
        peaks = measure("cortex_load.py", url, SINCE, DAYS, "--every", str(orders // 10), tell=True)
    print(f"growth {peaks[-1].rss / peaks[0].rss - 1:+.1%} (promised: within 10 %, under 150 MB)")


def compare(orders: int, dlt_orders: int, orm_orders: int) -> None:
    print(f"{'':30} {'orders':>8} {'orders/s':>9} {'CPU µs/order: client':>21} {'and server':>10} {'peak MB':>8}")
    with shop(orders) as url:
        first, again = measure(
            "cortex_load.py", url, SINCE, DAYS, "--passes", "2", show="Cortex", second="Cortex, same window again"
        )
        (floor,) = measure("floor_load.py", url, SINCE, DAYS, show="floor: ready files")
        three = measure("three_load.py", url, str(orders), show="Cortex's parts, three tables")[0]
        dlt = with_dlt(url, dlt_orders)
        orm = measure("orm_load.py", url, str(orm_orders), show="per-row ORM merge")[0] if orm_orders else None
    print("\nThe same three tables")
    verdict("orders/s against dlt", dlt and three.rate / dlt.rate, 5.0, "x")
    verdict("orders/s against a per-row ORM merge", orm and three.rate / orm.rate, 30.0, "x")
    verdict("client CPU µs per order", three.micros, 75.0, "", most=True)
    verdict("memory against dlt", dlt and three.rss / dlt.rss, 1.0, "x", most=True)
    verdict("memory against the ORM", orm and three.rss / orm.rss, 1.0, "x", most=True)
    print("\nThe whole step, eight tables")
    if dlt:
        print(f"{'orders/s against dlt with three tables':40} {first.rate / dlt.rate:>8.2f}x")
    if orm:
        print(f"{'orders/s against the ORM with three':40} {first.rate / orm.rate:>8.2f}x")
    if first.both and dlt and dlt.both:
        print(f"{'CPU of client and server against dlt':40} {dlt.both / first.both:>8.2f}x less")
    verdict("share of the floor", 100 * first.rate / floor.rate, 60.0, " %")
    verdict("second load against the first, seconds", again.wall / first.wall, 1.15, "x", most=True)


def with_dlt(url: str, orders: int) -> Pass | None:
    if not orders:
        return None
    python = DLT / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", DLT], check=True)
    if subprocess.run([python, "-c", "import dlt, pymysql"], capture_output=True, check=False).returncode:
        got = subprocess.run([python, "-m", "pip", "install", "--quiet", *DLT_NEEDS], check=False)
        if got.returncode:
            print("dlt: left out, it could not be installed (pip's words are above)")
            return None
    return measure("dlt_load.py", url, str(-(-orders // PAGE)), python=python, show="dlt, REST source, merge")[0]


def measure(
    script: str,
    url: str,
    *words: str,
    python: Path | str = sys.executable,
    show: str = "",
    second: str = "",
    tell: bool = False,
) -> list[Pass]:
    """Run one contender in a process of its own; the lines it prints, one for each pass.

    show, second: names under which the first two become rows of the table. tell: say each line as it comes.
    """
    command = [python, PARTS / script, url, os.environ["CORTEX_TEST_MYSQL_URL"], *words]
    passes: list[Pass] = []
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("{"):
                passes.append(Pass(**json.loads(line)))
                if tell:
                    print(f"{passes[-1].orders:>9,} orders: peak {passes[-1].rss:.0f} MB", flush=True)
        if process.wait():
            said.seek(0)
            sys.exit(f"{script} failed:\n{said.read()[-4000:]}")
    for name, one in zip((show, second), passes, strict=False):
        if name:
            both = "" if one.both is None else f"{one.both:,.0f}"
            print(
                f"{name:30} {one.orders:>8,} {one.rate:>9,.0f} {one.micros:>21,.0f} {both:>10} {one.rss:>8,.0f}",
                flush=True,
            )
    return passes


def verdict(what: str, value: float | None, goal: float, unit: str, *, most: bool = False) -> None:
    if value is None:
        print(f"{what:40} not measured")
        return
    met = value <= goal if most else value >= goal
    print(
        f"{what:40} {value:>8.2f}{unit:2}  goal {'at most' if most else 'at least'} {goal:g}{unit}: {'met' if met else 'NOT met'}"
    )


@contextmanager
def shop(orders: int) -> Iterator[str]:
    """The address of a shop of so many orders, served by a process of its own."""
    process = subprocess.Popen(
        [sys.executable, PARTS / "shop.py", str(orders)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
