"""Agencies for the journeys. A test that changes nothing asks for the module's own; the others found one."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.conftest import ENGINES, mysql_url
from tests.journeys import agency as agencies
from tests.journeys.agency import Agency

Founder = Callable[..., Agency]


@pytest.fixture(autouse=True)
def _logs_stay_here() -> Iterator[None]:
    """Commands set up logging for their process; here that process is everybody's."""
    root = logging.getLogger()
    handlers, level, hook, show = list(root.handlers), root.level, sys.excepthook, warnings.showwarning
    yield
    root.handlers, root.level, sys.excepthook = handlers, level, hook
    logging.captureWarnings(False)
    warnings.showwarning = show


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Founder]:
    """`found(market=…, database=…)`: agencies that are gone when the test ends."""
    with ExitStack() as stack:
        count = 0

        def founder(**named: object) -> Agency:
            nonlocal count
            count += 1
            wanted = named.pop("market", None) or agencies.market()
            return stack.enter_context(closing(agencies.found(tmp_path / f"agency{count}", wanted, **named)))  # type: ignore[arg-type]

        yield founder


@pytest.fixture
def agency(found: Founder, engine_url: str) -> Agency:
    """An agency with two client files and nothing else, on each engine."""
    return found(database=engine_url)


@pytest.fixture
def small(found: Founder) -> Agency:
    """The same on SQLite alone, for what no database decides."""
    return found()


@pytest.fixture(scope="module", params=ENGINES)
def done(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agency]:
    """An agency that has done its main job, on each engine. To look at, not to touch.

    A module that looks at what visitors did in the shops says so: BROWSED = True.
    """
    database = "" if request.param == "sqlite" else mysql_url()
    root = tmp_path_factory.mktemp("done")
    browsed = getattr(request.module, "BROWSED", False)
    with closing(agencies.found(root, agencies.market(browsed=browsed), database=database)) as ready:
        yield ready.main_job()
