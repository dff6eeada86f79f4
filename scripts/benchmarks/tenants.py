"""Small clients in one `cortex run daily --all`: seconds per client, and whether they grow in a line (ascending counts)."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cortex.cli.demonstration import write_clients
from cortex.sandbox import serve, world
from cortex.sandbox.plans import ShopPlan

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
DAYS = 4
CHANGED = 20
"""Orders of each client that changed since the run of the day before, about."""
GOAL = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", nargs="*", type=int, default=[50, 100, 200], help="numbers of clients")
    parser.add_argument("--jobs", type=int, default=0, help="clients at once; left out: cortex decides")
    parser.add_argument(
        "--database", default=os.environ.get("CORTEX_TEST_MYSQL_URL", ""), help="left out: SQLite files"
    )
    parser.add_argument("--sandbox", nargs=2, metavar=("FOLDER", "CLIENTS"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.sandbox:
        play(Path(asked.sandbox[0]), int(asked.sandbox[1]))
        return
    place = "MySQL family" if asked.database else "SQLite"
    print(f"{place}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before")
    print(
        f"{'clients':>7}  {'wall s':>7}  {'s a client':>10}  {'CPU s a client':>14}  {'CPU s a further one':>19}"
        f"  {'of ' + str(GOAL) + ' s':>8}  {'orders':>7}"
    )
    before = (0, 0.0)
    for count in asked.counts:
        wall, cpu, orders = once(count, asked.jobs, asked.database)
        further = f"{(cpu - before[1]) / (count - before[0]):.3f}" if before[0] else "-"
        print(
            f"{count:>7}  {wall:>7.1f}  {wall / count:>10.3f}  {cpu / count:>14.3f}  {further:>19}"
            f"  {wall / count / GOAL:>8.2f}  {orders:>7}",
            flush=True,
        )
        before = (count, cpu)


def play(folder: Path, count: int) -> None:
    """The platforms, in a process of their own. A line on stdin is the instant it is from then on."""
    plans = [ShopPlan(f"bench{at:03d}", orders=CHANGED * DAYS, products=20) for at in range(count)]
    market = world.build(seed=1, now=NOW, days=DAYS, shops=plans)
    at = [NOW - timedelta(days=1)]
    running = serve(market, clock=lambda: at[0], rate_scale=1000)
    write_clients(folder, market, running)
    print("ready", flush=True)
    for line in sys.stdin:
        at[0] = datetime.fromisoformat(line.strip())
    running.close()


def once(count: int, jobs: int, database: str) -> tuple[float, float, int]:
    """Seconds of wall clock and of CPU (the platforms' left out) of the second day's run, and the orders it read."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sandbox = subprocess.Popen(
            [sys.executable, __file__, "--sandbox", name, str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert sandbox.stdin is not None
        assert sandbox.stdout is not None
        try:
            assert sandbox.stdout.readline() == "ready\n"
            environment = {key: value for key, value in os.environ.items() if not key.startswith("CORTEX_")}
            if database:
                environment["CORTEX_DATABASE_URL"] = database
            options = ["--jobs", str(jobs)] if jobs else []
            yesterday = environment | {"CORTEX_NOW": (NOW - timedelta(days=1)).isoformat()}
            for at in range(count):
                prepare(folder, f"bench{at:03d}", database)
            cortex(folder, yesterday, "run", "daily", "--all", *options)
            sandbox.stdin.write(NOW.isoformat() + "\n")
            sandbox.stdin.flush()
            before, begun = used(), time.monotonic()
            said = cortex(folder, environment | {"CORTEX_NOW": NOW.isoformat()}, "run", "daily", "--all", *options)
            wall, cpu = time.monotonic() - begun, used() - before
            steps = [step for client in said["data"] for step in client["steps"] if step["name"] == "store.orders"]
            return wall, cpu, sum(step["rows"] for step in steps)
        finally:
            sandbox.stdin.close()
            sandbox.wait()
            clean(folder, count, database)


def prepare(folder: Path, code: str, database: str) -> None:
    """As `cortex onboard` does, but for asking the platforms and building the kit."""
    from cortex.secrets import Vault
    from cortex.warehouse import provision

    Vault(code, folder).identity_key(create=True)
    provision.apply(database, code, folder / ".cortex")


def clean(folder: Path, count: int, database: str) -> None:
    from cortex.warehouse import engine

    for at in range(count):
        engine.drop(engine.tenant_place(database, f"bench{at:03d}", folder / ".cortex"))


def cortex(
    folder: Path, environment: dict[str, str], *words: str
) -> dict[str, list[dict[str, list[dict[str, object]]]]]:
    done = subprocess.run(
        [sys.executable, "-m", "cortex", *words, "--workspace", str(folder), "--json"],
        env=environment, stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        data = json.loads(done.stdout)["data"]
        failed = [part["error"] for client in data for part in (client, *client.get("steps", ())) if "error" in part]
        sys.exit(f"cortex {' '.join(words)} ended {done.returncode}: {failed[:3]}")
    return json.loads(done.stdout)


def used() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main()
