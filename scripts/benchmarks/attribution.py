"""Attribution of 1,000,000 journeys from arrays in memory, beside ChannelAttribution on the same journeys."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

CHANNELS = 12
RULES = ("first_click", "last_click", "last_non_direct", "linear", "position_based", "time_decay")
PEAK = """
def peak():
    # Not ru_maxrss: a child inherits that of the process that started it.
    return int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) / 1024
"""
OURS = """
import json, sys, time
import numpy as np
from cortex import plugins
from cortex.attribution import Paths, totals_of
held = np.load(sys.argv[1])
told, credits = {}, {}
modules = {name: plugins.module("attribution", name) for name in json.loads(sys.argv[2])}
for name, module in modules.items():
    # Nothing one model worked out is there for the next.
    paths = Paths(held["offsets"], held["channel"], held["bought"], held["bought"], 1 - held["bought"], held["direct"])
    started = time.perf_counter()
    credits[name] = totals_of(module, paths).conversions.tolist()
    told[name] = time.perf_counter() - started
print(json.dumps({"seconds": told, "credits": credits, "megabytes": peak()}))
"""
THEIRS = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import pandas as pd
from ChannelAttribution import heuristic_models, markov_model
table = pd.read_csv(sys.argv[1])
told = {}
started = time.perf_counter()
rules = heuristic_models(table, "path", "conv", sep=">")
told["heuristics"] = time.perf_counter() - started
started = time.perf_counter()
chain = markov_model(table, "path", "conv", var_null="null", order=1, sep=">", verbose=False)
told["markov 1"] = time.perf_counter() - started
print("RESULT" + json.dumps({"seconds": told, "megabytes": peak()}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journeys", type=int, default=1_000_000)
    parser.add_argument("--peer", type=Path, help="python of an environment that has ChannelAttribution")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        arrays, table = Path(folder) / "journeys.npz", Path(folder) / "paths.csv"
        touches = draw(asked.journeys, arrays, table if asked.peer else None)
        print(f"{asked.journeys} journeys, {touches} touches, {CHANNELS} channels")
        ours = run([sys.executable, "-c", PEAK + OURS, str(arrays), json.dumps([*RULES, "markov_1", "shapley"])])
        for name, seconds in ours["seconds"].items():
            print(f"  cortex {name:20} {seconds:8.3f} s")
        mine = sum(ours["seconds"].values())
        print(f"  cortex {'all together':20} {mine:8.3f} s  {ours['megabytes']:6.0f} MB")
        if not asked.peer:
            print("  no --peer: nothing to compare with")
            return
        for shape in ("grouped", "rows"):
            theirs = run([str(asked.peer), "-c", PEAK + THEIRS, str(table.with_suffix(f".{shape}"))])
            whole = sum(theirs["seconds"].values())
            parts = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in theirs["seconds"].items())
            print(f"  ChannelAttribution, {shape}: {parts}, together {whole:.2f} s, {theirs['megabytes']:.0f} MB")
            print(
                f"    {whole / mine:.1f} times as long, {theirs['megabytes'] / ours['megabytes']:.1f} times the memory"
            )


def draw(journeys: int, arrays: Path, table: Path | None) -> int:
    """Journeys by a fixed seed; for the peer the same ones as text, grouped by path and one row each."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(7)
    lengths = np.minimum(rng.geometric(0.30, journeys), 20)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    channel = rng.choice(CHANNELS, int(offsets[-1]), p=rng.dirichlet(np.full(CHANNELS, 3.0)))
    bought = (rng.random(journeys) < 0.05 + 0.01 * lengths).astype(np.float64)
    np.savez(arrays, offsets=offsets, channel=channel, bought=bought, direct=np.arange(CHANNELS) == 0)
    if table:
        names = pl.Series([f"C{c}" for c in range(CHANNELS)])
        path = (
            pl.DataFrame({"journey": np.repeat(np.arange(journeys), lengths), "name": names.gather(channel)})
            .group_by("journey", maintain_order=True)
            .agg(path=pl.col("name").str.join(">"))
        )
        rows = path.select(
            "path", conv=pl.Series(bought.astype(np.int64)), null=pl.Series((1 - bought).astype(np.int64))
        )
        rows.write_csv(table.with_suffix(".rows"))
        rows.group_by("path").agg(pl.col("conv", "null").sum()).write_csv(table.with_suffix(".grouped"))
    return int(offsets[-1])


def run(command: list[str]) -> dict[str, dict[str, float]]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[0]} ended with {done.returncode}: {done.stderr.strip().rpartition(chr(10))[2]}")
    said = done.stdout
    told: dict[str, dict[str, float]] = json.loads(said.rpartition("RESULT")[2])
    return told


if __name__ == "__main__":
    main()
