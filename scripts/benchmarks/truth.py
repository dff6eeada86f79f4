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
from cortex.sandbox.catalog import Sector
from cortex.sandbox.market import PathCount, Shop
from cortex.sandbox.shoppers import CHANNELS
from cortex.sandbox.world import ShopPlan, build

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
PROMISED = 0.12
SECTORS: tuple[Sector, ...] = ("fashion", "home")


@dataclass(frozen=True)
class Kind:
    """Worlds of one kind: two shops, fashion that lives on Meta and home goods that live on Google, for each seed."""

    name: str
    orders: int
    """Of each shop, in 90 days."""
    seeds: int
    multiply: bool = False
    drawn: bool = False
    """Each channel's effect is its usual one times a draw, another in each world: some do next to nothing."""


KINDS = (
    Kind("effects add up", 30_000, 2),
    Kind("channels multiply each other's effect", 30_000, 2, multiply=True),
    Kind("effects drawn anew", 30_000, 2, drawn=True),
    Kind("effects add up", 15_000, 4),
    Kind("effects add up", 6_000, 10),
    Kind("effects drawn anew", 6_000, 10, drawn=True),
    Kind("effects add up", 2_000, 10),
)
FIRST = 101
"""Worlds of lower seeds are those the models were chosen and tuned on."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=FIRST, help="first seed")
    parser.add_argument("--orders", type=int, help="only the kinds with so many orders a shop")
    asked = parser.parse_args()
    print("Error: sum over channels of |share of credit - share of caused orders|: 0 perfect, 2 all wrong.")
    for kind in KINDS:
        if asked.orders in (None, kind.orders):
            measure(kind, asked.first)


def measure(kind: Kind, first: int) -> None:
    """Score every model in the worlds of a kind, and say whether the default keeps its promise there."""
    journeys: list[int] = []
    scores: dict[str, list[tuple[float, float, float]]] = {}
    for seed in range(first, first + kind.seeds):
        for shop in build(seed=seed, now=NOW, shops=plans(kind, seed)).shops:
            journeys.append(sum(path.shoppers for path in shop.paths))
            for model, score in scored(shop).items():
                scores.setdefault(model, []).append(score)
    mean = round(sum(journeys) / len(journeys), -3)
    print(f"\n{kind.name}, {kind.orders:,} orders and {mean:,.0f} journeys a shop, {len(journeys)} worlds")
    print(f"{'model':20} {'error':>7} {'worst':>7} {'rank':>6} {'orders only':>12}")
    for model, found in sorted(scores.items(), key=lambda item: np.mean([error for error, _, _ in item[1]])):
        errors, ranks, blind = (np.array(column) for column in zip(*found, strict=True))
        print(f"{model:20} {errors.mean():7.3f} {errors.max():7.3f} {ranks.mean():6.2f} {blind.mean():12.3f}")
    told = np.array([error for error, _, _ in scores["data_driven"]])
    verdict = "kept" if told.mean() <= PROMISED else "NOT KEPT"
    print(
        f"data_driven: {told.mean():.3f} (standard error {told.std(ddof=1) / len(told) ** 0.5:.3f})"
        f" of {PROMISED} promised: {verdict}; in {(told <= PROMISED).mean():.0%} of the worlds",
        flush=True,
    )


def plans(kind: Kind, seed: int) -> list[ShopPlan]:
    draws = np.random.default_rng(seed).exponential(1.0, (2, len(CHANNELS)))
    return [
        ShopPlan(
            code,
            orders=kind.orders,
            sector=sector,
            multiply=kind.multiply,
            strength=tuple(strength.tolist()) if kind.drawn else (),
        )
        for code, sector, strength in zip(("aurora", "bravo"), SECTORS, draws, strict=True)
    ]


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
