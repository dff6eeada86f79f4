"""Forecasts held against days they never saw, beside seasonal naive; how often bands held; a client's training time."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl

from cortex import tenant as tenants
from cortex.clock import Window
from cortex.demand import events, projection
from cortex.demand.history import LONGEST, History, complete
from cortex.demand.seasonal_naive import WEEK
from cortex.run import Run
from cortex.secrets import Vault
from cortex.steps import forecasting
from cortex.warehouse import Warehouse, provision, seed, tables
from cortex.workspace import Workspace

T = TypeVar("T")

FIRST = date(2023, 9, 1)
AHEAD = 30
CHANNELS = 10
PEER = Path(__file__).resolve().parents[2] / ".cortex-bench" / "statsforecast"
THEIRS = """
import json, sys, warnings
warnings.simplefilter("ignore")
import numpy as np
from statsforecast.models import AutoETS, AutoTheta
told = {"AutoETS": [], "AutoTheta": []}
for past in json.load(sys.stdin):
    for model in (AutoETS(season_length=7), AutoTheta(season_length=7)):
        told[type(model).__name__].append(model.forecast(y=np.array(past), h=30)["mean"].tolist())
print("RESULT" + json.dumps(told))
"""
ZERO = ("new_customers", "items", "refunds", "discounts", "shipping")
CLIENT = """
client: {name: Bench, code: bench, timezone: America/Sao_Paulo}
ecommerce: {platform: olist, path: none}
"""
CALENDAR = pl.DataFrame(
    [{name: row[name] for name in ("day", "is_holiday", "is_black_friday")} for row in seed.calendar()]
)


@dataclass
class Tally:
    """Errors of ours and of seasonal naive over all cut-offs of one kind of series."""

    ours: list[float] = field(default_factory=list)
    naive: list[float] = field(default_factory=list)
    sold: list[float] = field(default_factory=list)
    scaled: list[tuple[float, float]] = field(default_factory=list)
    bias: list[tuple[float, float]] = field(default_factory=list)
    held: dict[str, list[bool]] = field(default_factory=lambda: {"80": [], "95": [], "total_80": [], "total_95": []})
    models: Counter[str] = field(default_factory=Counter)
    cases: list[tuple[list[float], list[float]]] = field(default_factory=list)
    """What was known and what came, for the peer."""

    def told(self) -> str:
        mase = np.array(self.scaled)
        expected, came = np.array(self.bias).sum(axis=0)
        better = (mase[:, 0] < mase[:, 1]).mean()
        shares = ", ".join(f"{name} {100 * np.mean(found):.1f} %" for name, found in self.held.items() if found)
        chosen = ", ".join(f"{name} {count}" for name, count in self.models.most_common(4))
        return (
            f"  {len(mase)} cut-offs: WAPE {sum(self.ours) / sum(self.sold):.3f}, naive {sum(self.naive) / sum(self.sold):.3f};"
            f" MASE {mase[:, 0].mean():.3f}, naive {mase[:, 1].mean():.3f}; better at {100 * better:.0f} %;"
            f" sum expected / came {expected / came:.3f}\n    within the bands: {shares}\n    chosen: {chosen}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--olist", type=Path, help="folder with olist_orders_dataset.csv and olist_order_payments_dataset.csv"
    )
    parser.add_argument("--seeds", type=int, default=6, help="invented shops of each kind")
    parser.add_argument("--peer", action="store_true", help="also statsforecast's AutoETS and AutoTheta: minutes")
    asked = parser.parse_args()
    python = peer() if asked.peer else None
    print(f"Forecasts of {AHEAD} days made every four weeks from what was known then; every day after it is unseen.")
    for kind in KINDS:
        tally = Tally()
        for number in range(asked.seeds):
            whole = draw(kind, np.random.default_rng([number, len(kind)]), 900)
            for cut in range(120, 900 - AHEAD, 28):
                judge(tally, History(FIRST, whole[:cut]), whole[cut : cut + AHEAD])
        print(f"\nInvented shops, {kind}\n{tally.told()}")
        if python:
            judge_peer(python, tally)
    if asked.olist:
        for name, sales in olist(asked.olist):
            tally = Tally()
            first, last = sales["day"].min(), date(2018, 8, 25)
            cut = first + timedelta(days=200)
            while cut + timedelta(days=AHEAD) <= last:
                known = complete(sales, last=cut)
                if not known.missing:
                    ahead = [cut + timedelta(days=at) for at in range(1, AHEAD + 1)]
                    by_day = dict(zip(sales["day"], sales["value"], strict=True))
                    judge(tally, known, np.array([by_day.get(day, 0.0) for day in ahead]))
                cut += timedelta(days=28)
            print(f"\nOlist, {name}\n{tally.told()}")
            if python:
                judge_peer(python, tally)
    train()


def judge(tally: Tally, known: History, came: np.ndarray) -> None:
    told = projection.project(known, CALENDAR, horizon=AHEAD)
    days = told.days
    tally.cases.append((known.values.tolist(), came.tolist()))
    path = days["predicted"].to_numpy()
    naive = np.resize(known.values[-WEEK:], AHEAD)
    unit = np.abs(known.values[-56:] - known.values[-56 - WEEK : -WEEK]).mean() or 1.0
    tally.ours.append(np.abs(came - path).sum())
    tally.naive.append(np.abs(came - naive).sum())
    tally.sold.append(came.sum())
    tally.scaled.append((np.abs(came - path).mean() / unit, np.abs(came - naive).mean() / unit))
    tally.bias.append((path.sum(), came.sum()))
    tally.models[told.model] += 1
    for level in ("80", "95"):
        low, high = days[f"lower_{level}"].to_numpy(), days[f"upper_{level}"].to_numpy()
        inside = (came >= low) & (came <= high)
        tally.held[level] += inside[~np.isnan(low.astype(float))].tolist()
        low, high = days[f"total_lower_{level}"][-1], days[f"total_upper_{level}"][-1]
        if low is not None:
            tally.held[f"total_{level}"].append(bool(low <= came.sum() <= high))


def peer() -> Path | None:
    """Python of an environment that has statsforecast, made when it is not there."""
    python = PEER / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", PEER], check=True)
    if subprocess.run([python, "-c", "import statsforecast"], capture_output=True, check=False).returncode:
        got = subprocess.run([python, "-m", "pip", "install", "--quiet", "statsforecast"], check=False)
        if got.returncode:
            print("statsforecast: left out, it could not be installed (pip's words are above)")
            return None
    return python


def judge_peer(python: Path, tally: Tally) -> None:
    """The peer's errors over the same cut-offs."""
    done = subprocess.run(
        [python, "-c", THEIRS],
        input=json.dumps([past for past, _ in tally.cases]),
        capture_output=True,
        text=True,
        check=True,
    )
    for name, paths in json.loads(done.stdout.rpartition("RESULT")[2]).items():
        off = [np.abs(np.array(came) - path).sum() for path, (_, came) in zip(paths, tally.cases, strict=True)]
        print(f"    {name}: WAPE {sum(off) / sum(tally.sold):.3f}")


KINDS = ("large", "growing", "small", "now and then")


def draw(kind: str, rng: np.random.Generator, days: int) -> np.ndarray:
    """Sales a day: a wandering level, weekdays, the year, holidays, Black Friday, the first days after payday, noise.

    Not the story of any of the models: effects multiply, the level wanders, noise is of the day.
    """
    dates = [FIRST + timedelta(days=at) for at in range(days)]
    kinds = events.kinds(CALENDAR, FIRST, days)
    busy = np.array([1.10, 1.08, 1.05, 1.02, 0.98, 0.84, 0.93])[[day.weekday() for day in dates]]
    year = 1 + 0.12 * np.sin(2 * np.pi * (np.arange(days) + rng.integers(365)) / 365)
    special = np.array([1.0, 0.75, 1.6, 3.4])[kinds]
    payday = np.where([5 <= day.day <= 9 for day in dates], 1.08, 1.0)
    drift = {"growing": 0.0012}.get(kind, 0.0)
    level = np.exp(np.cumsum(rng.normal(drift, 0.012, days)))
    mean = {"large": 12000.0, "growing": 3000.0, "small": 6.0, "now and then": 0.35}[kind]
    expected = mean * level * busy * year * special * payday
    if kind == "small":
        return rng.poisson(expected).astype(float)
    if kind == "now and then":
        return rng.poisson(expected) * np.round(rng.gamma(4, 50, days), 2)
    return np.round(expected * np.exp(rng.normal(0, 0.16, days)), 2)


def olist(folder: Path) -> Iterator[tuple[str, pl.DataFrame]]:
    """Approved orders and what was paid for them, by day of approval."""
    orders = pl.read_csv(folder / "olist_orders_dataset.csv", try_parse_dates=True)
    paid = (
        pl.read_csv(folder / "olist_order_payments_dataset.csv").group_by("order_id").agg(pl.col("payment_value").sum())
    )
    sold = orders.join(paid, on="order_id").drop_nulls("order_approved_at")
    by_day = sold.group_by(day=pl.col("order_approved_at").dt.date()).agg(
        orders=pl.len().cast(pl.Float64), revenue=pl.col("payment_value").sum()
    )
    for name in ("orders", "revenue"):
        yield name, by_day.select("day", value=name).sort("day")


def train() -> None:
    """One client in SQLite files: ten channels of three years, their sales read, forecast 90 days ahead, written, read."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        workspace.tenants.mkdir()
        (workspace.tenants / "bench.yaml").write_text(CLIENT, encoding="utf-8")
        provision.apply("sqlite", "bench", workspace.state)
        tenant, last = tenants.load(workspace, "bench"), FIRST + timedelta(days=LONGEST - 1)
        rows = [
            {"day": FIRST + timedelta(days=at), "channel": f"channel{nth}", "orders": int(value // 100) + 1,
             "gross_revenue": Decimal(f"{value:.2f}")} | dict.fromkeys(ZERO, 0)
            for nth in range(CHANNELS)
            for at, value in enumerate(draw("large", np.random.default_rng(nth), LONGEST).tolist())
        ]  # fmt: skip
        with Warehouse.open("sqlite", "bench", workspace.state) as warehouse:
            warehouse.atomically(lambda tx: tx.upsert(tables.agg_daily_sales, rows))
            window = Window(last, last + timedelta(days=1))
            noon = datetime(last.year, last.month, last.day, 15, tzinfo=UTC) + timedelta(days=1)
            run = Run(tenant, window, workspace, warehouse, Vault("bench", workspace.root, {}), lambda: noon, "bench")
            worked = time.process_time()
            seconds, told = _timed(lambda: forecasting.train(run))
            worked = time.process_time() - worked
            shown, _ = _timed(lambda: warehouse.rows("SELECT * FROM rpt_forecast WHERE channel = 'all'"))
    print(
        f"\nOne client, {len(told.facts['series'])} series of {LONGEST} days: trained and stored in {seconds:.2f} s"
        f" ({worked:.2f} s of a processor), goal below 5: {'met' if seconds < 5 else 'NOT met'}; read back in"
        f" {1000 * shown:.0f} ms, goal below 200: {'met' if shown < 0.2 else 'NOT met'}"
    )


def _timed(work: Callable[[], T]) -> tuple[float, T]:
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


if __name__ == "__main__":
    main()
