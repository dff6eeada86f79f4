"""Conversions from plan to accepted on MariaDB, per destination; memory; CPU per event beside the vendor SDK's classes."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
PARTS = HERE.parent / "delivering"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=100_000, help="conversions per destination")
    asked = parser.parse_args()
    if not os.environ.get("CORTEX_TEST_MYSQL_URL"):
        # Durable commits, as in production; the database script starts a server of its own and calls us again.
        os.environ |= {"CORTEX_TEST_DURABLE": "1", "CORTEX_PYTHON": sys.executable}
        os.execv(ROOT / "scripts" / "database", ["database", sys.executable, *sys.argv])
    few = asked.orders // 5
    print(
        f"{'':12} {'conversions':>11} {'per second':>10} {'queue s':>8} {'send s':>7} {'CPU µs each':>11} {'peak MB':>8}"
    )
    with sink() as url:
        for kind in ("meta_capi", "google_ec"):
            (small,) = measure(url, kind, few)
            whole, events = measure(url, kind, asked.orders, "--events")
            show(kind, few, small)
            rate = show(kind, asked.orders, whole)
            verdict(f"{kind}: conversions a second", rate, 5000)
            verdict(f"{kind}: peak memory, five times the orders", whole["peak"] / small["peak"], 1.1, most=True)
            said = f"build and post {events['ours'] * 1e6:.1f}, writing and hashing the buyer once {events['sealing'] * 1e6:.1f}"
            print(f"{kind}: CPU µs an event: {said}", flush=True)
            if events["sdk"]:
                print(f"facebook_business: the same events, CPU µs an event: {events['sdk'] * 1e6:.1f}")
                verdict("times less CPU to build and post than with the SDK", events["sdk"] / events["ours"], 8)
                whole = events["sdk"] / (events["ours"] + events["sealing"])
                print(f"the same with the hashing here counted too: {whole:.1f} times less", flush=True)


def measure(url: str, kind: str, orders: int, *words: str) -> list[dict[str, Any]]:
    """Run in a process of its own; the lines it prints."""
    command = [
        sys.executable,
        PARTS / "deliver.py",
        url,
        os.environ["CORTEX_TEST_MYSQL_URL"],
        kind,
        str(orders),
        *words,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"deliver.py failed:\n{done.stderr[-4000:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def show(kind: str, orders: int, found: dict[str, Any]) -> float:
    took = found["took"]
    rate = orders / sum(took.values())
    queued, micros = took["queue"] + took["adjust"], found["cpu"] / orders * 1e6
    cells = f"{rate:>10,.0f} {queued:>8.1f} {took['send']:>7.1f} {micros:>11.0f} {found['peak']:>8.0f}"
    print(f"{kind:12} {orders:>11,} {cells}", flush=True)
    return rate


def verdict(what: str, value: float, goal: float, *, most: bool = False) -> None:
    met = value <= goal if most else value >= goal
    print(
        f"{what:50} {value:>9,.2f}  goal {'at most' if most else 'at least'} {goal:,g}: {'met' if met else 'NOT met'}",
        flush=True,
    )


@contextmanager
def sink() -> Iterator[str]:
    """The address of an instant platform in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, PARTS / "sink.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
