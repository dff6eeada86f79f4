"""Where Cortex's own CPU goes while a shop is loaded, stage by stage, without a network and without a database."""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from floor_load import PARTS
from shop import Shop

from cortex.steps import cycles, landing
from cortex.stores import _nuvemshop_order as mapping
from cortex.stores import _nuvemshop_wire as wire
from cortex.stores._oddities import Oddities
from cortex.warehouse import streaming
from cortex.warehouse.staging import bind

PAGE, BATCH = 200, 1000
ZONE, NOW, KEY = ZoneInfo("America/Sao_Paulo"), datetime(2026, 12, 1, tzinfo=UTC), b"k" * 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=9, help="the best of so many counts: others use this machine too")
    asked = parser.parse_args()
    shop = Shop(asked.orders)
    pages = [
        b"[" + b",".join(map(shop.order, range(start, start + PAGE))) + b"]" for start in range(0, asked.orders, PAGE)
    ]
    gc.set_threshold(*cycles.BUSY)  # as while a shop is read
    best: dict[str, float] = {}
    for _ in range(asked.rounds):
        for stage, seconds in once(pages).items():
            best[stage] = min(best.get(stage, seconds), seconds)
    print(f"{'CPU µs per order':32}")
    for stage, seconds in best.items():
        print(f"{stage:32} {seconds / asked.orders * 1e6:6.1f}")
    print(f"{'together':32} {sum(best.values()) / asked.orders * 1e6:6.1f}")


def once(pages: list[bytes]) -> dict[str, float]:
    spent: dict[str, float] = {}

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        started = time.process_time()
        yield
        spent[name] = spent.get(name, 0.0) + time.process_time() - started

    read, oddities = wire.Page(wire.Order, "store.orders"), Oddities("Nuvemshop")
    for start in range(0, len(pages), BATCH // PAGE):
        with stage("parse the pages"):
            told = [one for page in pages[start : start + BATCH // PAGE] for one in read(page)]
        with stage("put them in our words"):
            orders = [mapping.order(one, ZONE, oddities) for one in told if isinstance(one, wire.Order)]
        with stage("make rows of eight tables"):
            landed = landing.land(orders, key=KEY, zone=ZONE, run_id="stages", now=NOW)
        for part, table in PARTS.items():
            with stage("convert and sort them"):
                bound = bind("stream", table, getattr(landed, part), [column.name for column in table.primary_key])
            with stage("write them as a stream"):
                streaming.encode(bound.rows)
    return spent


if __name__ == "__main__":
    main()
