"""How far back a run reads: as long as each platform restates what it said, and never beyond what it keeps."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cortex import plugins
from cortex.ads import AdPlatform
from cortex.clock import Window
from cortex.records import History, Restatement
from cortex.steps import windows
from cortex.traffic import Traffic

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
DAY = Window(date(2026, 11, 19), date(2026, 11, 20))
LOOKBACKS = {
    ("ads", "meta"): (7, 28),
    ("ads", "google"): (14, 30),
    ("traffic", "ga4"): (4, 14),
    ("ads", "tiktok"): (7, 28),
}
"""Days, daily and weekly, as the platforms' own pages and those who load from them say."""


@dataclass
class Stub:
    """What `reread` asks of a run."""

    reread: str
    window: Window = DAY
    complete_until: date | None = None

    @property
    def tenant(self) -> Any:
        return SimpleNamespace(timezone=ZoneInfo("America/Sao_Paulo"))

    @property
    def warehouse(self) -> Any:
        known = {"complete_until": self.complete_until} if self.complete_until else None
        return SimpleNamespace(cursor=lambda _stream: known)

    def now(self) -> datetime:
        return NOW


def reread(run: Stub, restates: Restatement, history: History = History()) -> Window | None:  # noqa: B008  # frozen
    return windows.reread(run, "stream", restates, history)  # type: ignore[arg-type]


@pytest.mark.parametrize(("room", "kind"), LOOKBACKS)
def test_each_platform_is_read_as_far_back_as_it_restates(room: str, kind: str):
    base: Any = AdPlatform if room == "ads" else Traffic
    found = plugins.adapter(room, kind, base)
    daily, weekly = LOOKBACKS[room, kind]
    assert reread(Stub("daily"), found.restates) == Window(DAY.until - timedelta(days=daily), DAY.until)
    assert reread(Stub("weekly"), found.restates) == Window(DAY.until - timedelta(days=weekly), DAY.until)
    assert reread(Stub("none"), found.restates) == DAY


def test_a_gap_since_the_last_read_is_read_too():
    missed = Stub("daily", complete_until=date(2026, 10, 1))
    assert reread(missed, Restatement(daily=7, weekly=28)) == Window(date(2026, 10, 1), DAY.until)


def test_nothing_is_asked_that_the_platform_has_forgotten():
    old = Stub("none", window=Window(date(2020, 1, 1), date(2026, 11, 20)))
    assert reread(old, Restatement(daily=7, weekly=28), History(days=30)) == Window(date(2026, 10, 21), DAY.until)
    gone = Stub("none", window=Window(date(2020, 1, 1), date(2020, 2, 1)))
    assert reread(gone, Restatement(daily=7, weekly=28), History(days=30)) is None
