"""Attribution of 1,000,000 journeys from arrays in memory beside ChannelAttribution; with --database from MariaDB and back."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
PARTS = HERE.parent / "crediting"
PEER = ROOT / ".cortex-bench" / "channel-attribution"
PEER_NEEDS = ("ChannelAttribution", "matplotlib")
"""matplotlib: the package imports it without asking for it."""
CHANNELS = 12
RULES = ("first_click", "last_click", "last_non_direct", "linear", "position_based", "time_decay")
SHAPES = ("rows", "grouped")
TIMES, MEMORY = 30.0, 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journeys", type=int, default=1_000_000)
    parser.add_argument(
        "--peer", type=Path, help="python of an environment that has ChannelAttribution; made if not told"
    )
    parser.add_argument("--alone", action="store_true", help="without the peer")
    parser.add_argument("--database", action="store_true", help="instead: from MariaDB into fct_attribution")
    parser.add_argument(
        "--orders", type=int, default=300_000, help="orders of --database; touches are 3.3 times as many"
    )
    asked = parser.parse_args()
    if asked.database:
        from_database(asked.orders)
        return
    peer = None if asked.alone else asked.peer or install_peer()
    with tempfile.TemporaryDirectory() as told:
        folder = Path(told)
        touches = draw(asked.journeys, folder)
        print(
            f"{asked.journeys:,} journeys, {touches:,} touches, {CHANNELS} channels; processor seconds, best of seven rounds"
        )
        ours = {shape: cortex(folder, shape) for shape in SHAPES}
        theirs = {shape: channel_attribution(peer, folder, shape) for shape in SHAPES} if peer else {}
    for shape, (whole, memory) in theirs.items():
        for other, (mine, held) in ours.items():
            print(
                f"ChannelAttribution {shape} / cortex {other}: {whole / mine:.1f} times as long, {memory / held:.1f} times the memory"
            )
    for shape, (whole, memory) in theirs.items():
        mine, held = ours[shape]
        print(f"both {shape}: {TIMES:g} times promised: {'kept' if whole / mine >= TIMES else 'NOT KEPT'}")
        print(f"  a third of the memory promised: {'kept' if memory / held >= MEMORY else 'NOT KEPT'}")


def cortex(folder: Path, shape: str) -> tuple[float, float]:
    """Seconds and megabytes of all rules, Markov of order 1 and Shapley."""
    models = [*RULES, "markov_1", "shapley"]
    told = run([sys.executable, PARTS / "ours.py", folder / f"{shape}.npz", *models])
    parts = ", ".join(f"{name} {1000 * seconds:.1f}" for name, seconds in told["seconds"].items())
    whole = sum(told["seconds"].values())
    print(
        f"cortex, {shape} ({told['paths']:,.0f} paths): {1000 * whole:.0f} ms, {told['megabytes']:.0f} MB ({parts} ms)"
    )
    return whole, told["megabytes"]


def channel_attribution(peer: Path, folder: Path, shape: str) -> tuple[float, float]:
    """Seconds and megabytes of its three rules and its simulated Markov of order 1: it has no more of ours."""
    told = run([peer, PARTS / "channel_attribution.py", folder / f"{shape}.csv"])
    parts = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in told["seconds"].items())
    whole = sum(told["seconds"].values())
    print(f"ChannelAttribution, {shape}: {whole:.2f} s, {told['megabytes']:.0f} MB ({parts})")
    return whole, told["megabytes"]


def install_peer() -> Path | None:
    python = PEER / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", PEER], check=True)
    if subprocess.run([python, "-c", "import ChannelAttribution"], capture_output=True, check=False).returncode:
        got = subprocess.run([python, "-m", "pip", "install", "--quiet", *PEER_NEEDS], check=False)
        if got.returncode:
            print("ChannelAttribution: left out, it could not be installed (pip's words are above)")
            return None
    return python


def draw(journeys: int, folder: Path) -> int:
    """Journeys by a fixed seed, one row each and grouped by path; as arrays for us, as tables of text for the peer."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(7)
    lengths = np.minimum(rng.geometric(0.30, journeys), 20)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    channel = rng.choice(CHANNELS, int(offsets[-1]), p=rng.dirichlet(np.full(CHANNELS, 3.0)))
    bought = (rng.random(journeys) < 0.05 + 0.01 * lengths).astype(np.int64)
    names = pl.Series([f"C{c}" for c in range(CHANNELS)])
    path = (
        pl.DataFrame({"journey": np.repeat(np.arange(journeys), lengths), "name": names.gather(channel)})
        .group_by("journey", maintain_order=True)
        .agg(path=pl.col("name").str.join(">"))
    )
    rows = path.select("path", conv=pl.Series(bought), null=pl.Series(1 - bought))
    grouped = rows.group_by("path", maintain_order=True).agg(pl.col("conv", "null").sum())
    for shape, table in zip(SHAPES, (rows, grouped), strict=True):
        table.write_csv(folder / f"{shape}.csv")
        steps = table["path"].str.replace_all("C", "").str.split(">").cast(pl.List(pl.UInt8))
        np.savez(
            folder / f"{shape}.npz",
            offsets=np.concatenate([[0], np.cumsum(steps.list.len().cast(pl.Int64).to_numpy())]),
            channel=steps.explode().to_numpy(),
            bought=table["conv"].to_numpy().astype(np.float64),
            nulls=table["null"].to_numpy().astype(np.float64),
            direct=np.arange(CHANNELS) == 0,
        )
    return int(offsets[-1])


def run(command: list[Path | str]) -> dict[str, dict[str, float]]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{command[1]} ended with {done.returncode}: {done.stderr.strip().rpartition(chr(10))[2]}")
    told: dict[str, dict[str, float]] = json.loads(done.stdout.rpartition("RESULT")[2])
    return told


def from_database(orders: int) -> None:
    """Credit of every order of a client in MariaDB, by the step that runs every day."""
    if not os.environ.get("CORTEX_TEST_MYSQL_URL"):
        # Durable commits, as in production; the database script starts a server of its own and calls us again.
        os.environ |= {"CORTEX_TEST_DURABLE": "1", "CORTEX_PYTHON": sys.executable}
        os.execv(ROOT / "scripts" / "database", ["database", sys.executable, *sys.argv])
    done = subprocess.run([sys.executable, PARTS / "database.py", str(orders)], check=False)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
