"""Attribution against the truth: every model's credit beside the orders each channel really caused, over several worlds."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from scipy.stats import spearmanr

from cortex import plugins
from cortex.attribution import Paths, totals_of
from cortex.sandbox.market import PathCount, Shop
from cortex.sandbox.world import ShopPlan, build

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
PROMISED = 0.12


@dataclass(frozen=True)
class Kind:
    """Worlds of one kind: two shops, fashion that lives on Meta and home goods that live on Google, for each seed."""

    name: str
    orders: int
    multiply: bool = False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2, help="worlds of each kind and shop")
    parser.add_argument("--orders", type=int, default=30_000, help="orders of each shop in 90 days")
    parser.add_argument("--few", type=int, default=6_000, help="orders of each shop in the small worlds")
    asked = parser.parse_args()
    print("Error: sum over channels of |share of credit - share of caused orders|: 0 perfect, 2 all wrong.")
    for kind in (
        Kind("effects add up", asked.orders),
        Kind("channels multiply each other's effect", asked.orders, multiply=True),
        Kind("effects add up, few orders", asked.few),
    ):
        measure(kind, asked.seeds)


def measure(kind: Kind, seeds: int) -> None:
    """Score every model in the worlds of a kind, and say whether the default keeps its promise there."""
    worlds: list[str] = []
    scores: dict[str, list[tuple[float, float, float]]] = {}
    for seed in range(1, seeds + 1):
        plans = [
            ShopPlan("aurora", orders=kind.orders, sector="fashion", multiply=kind.multiply),
            ShopPlan("bravo", orders=kind.orders, sector="home", multiply=kind.multiply),
        ]
        for shop in build(seed=seed, now=NOW, shops=plans).shops:
            journeys = sum(path.shoppers for path in shop.paths)
            worlds.append(f"{shop.code} {seed} ({journeys:,} journeys)")
            for model, score in scored(shop).items():
                scores.setdefault(model, []).append(score)
    print(f"\n{kind.name}, {kind.orders:,} orders: {', '.join(worlds)}")
    print(f"{'model':20} {'error':>7} {'worst':>7} {'rank':>6} {'orders only':>12}")
    for model, found in sorted(scores.items(), key=lambda item: np.mean([error for error, _, _ in item[1]])):
        errors, ranks, blind = (np.array(column) for column in zip(*found, strict=True))
        print(f"{model:20} {errors.mean():7.3f} {errors.max():7.3f} {ranks.mean():6.2f} {blind.mean():12.3f}")
    default = float(np.mean([error for error, _, _ in scores["data_driven"]]))
    verdict = "kept" if default <= PROMISED else "NOT KEPT"
    print(f"data_driven: {default:.3f} of {PROMISED} promised: {verdict}", flush=True)


def scored(shop: Shop) -> dict[str, tuple[float, float, float]]:
    """Of each model: error and rank correlation with all journeys known, and the error with the orders' alone."""
    channels = list(shop.truth)
    caused = np.array([float(shop.truth[channel]["orders"]) for channel in channels])
    caused /= caused.sum()
    whole, orders_only = (
        market(shop.paths, channels),
        market([p for p in shop.paths if p.orders], channels, nulls=False),
    )
    found = {}
    for model in plugins.kinds("attribution"):
        module = plugins.module("attribution", model)
        share, blind = (_share(totals_of(module, paths).conversions) for paths in (whole, orders_only))
        rank = float(spearmanr(share, caused).statistic)
        found[model] = (float(np.abs(share - caused).sum()), rank, float(np.abs(blind - caused).sum()))
    return found


def market(paths: Sequence[PathCount], channels: Sequence[str], *, nulls: bool = True) -> Paths:
    number = {channel: at for at, channel in enumerate(channels)}
    return Paths(
        np.cumsum([0, *(len(path.channels) for path in paths)]),
        np.array([number[channel] for path in paths for channel in path.channels]),
        np.array([float(path.orders) for path in paths]),
        np.array([float(path.value) for path in paths]),
        np.array([float(path.shoppers - path.orders) * nulls for path in paths]),
        np.array([channel == "direct" for channel in channels]),
    )


def _share(credit: np.ndarray[tuple[int], np.dtype[np.float64]]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return credit / credit.sum()


if __name__ == "__main__":
    main()
