"""A client whose shop, ad account and GA4 property say what a test tells them to say, on each engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cortex.clock import Window
from cortex.records import AdClick, AdSpend, History, Order, Restatement, Sessions, Touch
from cortex.run import Run
from cortex.steps import pull, refresh, value
from cortex.warehouse import Warehouse
from cortex.workspace import Workspace
from tests.rooms.test_model import Bench


@dataclass
class Platforms:
    """A shop, an ad account and a property that say what they are told to say."""

    sales: list[Order] = field(default_factory=list)
    ads: list[AdSpend] = field(default_factory=list)
    visits: list[Sessions] = field(default_factory=list)
    restates = Restatement(daily=1, weekly=1)
    history = History(days=None)

    def orders(self, _window: Window) -> Iterator[Order]:
        return iter(self.sales)

    def spend(self, _window: Window) -> Iterator[AdSpend]:
        return iter(self.ads)

    def clicks(self, _window: Window) -> Iterator[AdClick]:
        return iter(())

    def sessions(self, _window: Window) -> Iterator[Sessions]:
        return iter(self.visits)

    def touches(self, _window: Window) -> Iterator[Touch]:
        return iter(())


class Reading(Run):
    platforms: Platforms

    def adapter(self, *_asked: Any) -> Any:
        return self.platforms


@dataclass
class Shop:
    bench: Bench
    platforms: Platforms
    count: int = 0

    def read(self, rates: str | None = None, **sections: Any) -> Run:
        """One run of everything that reads or sums money. sections: more blocks of the client file."""
        if rates is not None:
            (self.bench.workspace.root / "rates.csv").write_text(rates, encoding="utf-8")
        made = self.bench.run(
            ads={"meta": {"account_id": "act_1"}}, analytics={"ga4": {"property_id": "1"}}, **sections,
        )  # fmt: skip
        run = Reading(**{name: getattr(made, name) for name in Run.__dataclass_fields__})
        run.platforms = self.platforms
        run.vault.identity_key(create=True)
        pull.orders(run)
        pull.spend(run, "meta")
        pull.visits(run, "ga4")
        value.merge_people(run)
        refresh.refresh_all(run)
        return run


@pytest.fixture
def shop(warehouse: Warehouse, workspace: Workspace, tmp_path: Path) -> Shop:
    folder = tmp_path / "olist"
    folder.mkdir()
    return Shop(Bench(warehouse, workspace, folder), Platforms())
