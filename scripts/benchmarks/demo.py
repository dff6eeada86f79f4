"""The demo from a warm install: wall clock, CPU and memory beside what was promised."""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

PROMISED_SECONDS = 60
PROMISED_MEGABYTES = 400


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1)
    runs = parser.parse_args().runs
    print(
        f"{'run':>3}  {'wall s':>7}  {'of 60 s':>7}  {'CPU s':>6}  {'largest process MB':>18}  {'of 400 MB':>9}  {'all processes MB':>16}"
    )
    for run in range(1, runs + 1):
        wall, cpu, largest, together = once()
        print(
            f"{run:>3}  {wall:>7.1f}  {wall / PROMISED_SECONDS:>7.2f}  {cpu:>6.1f}  {largest:>18.0f}"
            f"  {largest / PROMISED_MEGABYTES:>9.2f}  {together:>16.0f}"
        )


def once() -> tuple[float, float, float, float]:
    """Seconds of wall clock and CPU, megabytes of the largest process and of all of them at once."""
    with tempfile.TemporaryDirectory() as folder:
        before = _cpu()
        started = time.monotonic()
        child = subprocess.Popen(
            [sys.executable, "-m", "cortex", "demo", str(Path(folder) / "demo"), "--quiet"], stdout=subprocess.DEVNULL
        )
        peaks = Peaks(child.pid)
        code = child.wait()
        wall = time.monotonic() - started
        peaks.stop()
        if code:
            sys.exit(f"the demo ended with {code}")
        return wall, _cpu() - before, peaks.largest, peaks.together


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Peaks:
    """Samples the memory of a process and everything it started, five times a second.

    `largest` is one process's resident memory; `together` counts pages that several share once (proportional set size).
    """

    def __init__(self, root: int) -> None:
        self.root, self.largest, self.together = root, 0.0, 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.2):
            sizes = [_memory(pid) for pid in _family(self.root)]
            self.largest = max([self.largest, *(resident for resident, _ in sizes)])
            self.together = max(self.together, sum(shared for _, shared in sizes))


def _family(root: int) -> list[int]:
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue  # it ended while we looked
            parents[int(entry.name)] = int(fields[1])
    family = [root]
    for pid in family:
        family += [child for child, parent in parents.items() if parent == pid]
    return family


def _memory(pid: int) -> tuple[float, float]:
    """Megabytes resident, and megabytes with what is shared divided among those who share it."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    kilobytes = {line.split(":")[0]: float(line.split()[1]) for line in lines[1:] if line.startswith(("Rss", "Pss:"))}
    return kilobytes.get("Rss", 0.0) * 1024 / 1e6, kilobytes.get("Pss", 0.0) * 1024 / 1e6


if __name__ == "__main__":
    main()
