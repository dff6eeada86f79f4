"""Time: days partition the time line in every zone, windows are half-open, and the clock can be told."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cortex.clock import Window, day_start, local_day, system_clock
from cortex.errors import UsageError

ZONES = sorted(zone for zone in zoneinfo.available_timezones() if not zone.startswith(("posix/", "right/")))
DAY = timedelta(days=1)
SAO_PAULO = ZoneInfo("America/Sao_Paulo")

zones = st.sampled_from(ZONES).map(ZoneInfo)
days = st.dates(date(2000, 1, 1), date(2035, 12, 31))
instants = st.integers(0, 36 * 365 * 86_400).map(
    lambda seconds: datetime(2000, 1, 3, tzinfo=UTC) + timedelta(seconds=seconds)
)


def put_back(instant: datetime, zone: ZoneInfo) -> bool:
    """Whether the zone's clocks were put back in the three hours before: some of them over midnight (St. John's to 2011)."""
    earlier = (instant - timedelta(hours=3)).astimezone(zone).utcoffset()
    now = instant.astimezone(zone).utcoffset()
    assert earlier is not None
    assert now is not None
    return now < earlier


@given(days, zones)
@example(date(2018, 11, 4), SAO_PAULO)
@example(date(2026, 9, 6), ZoneInfo("America/Santiago"))
@example(date(2011, 12, 30), ZoneInfo("Pacific/Apia"))
@example(date(2011, 12, 31), ZoneInfo("Pacific/Apia"))
def test_a_day_starts_at_the_first_instant_that_is_not_the_day_before(day: date, zone: ZoneInfo) -> None:
    start = day_start(day, zone)
    assert start.tzinfo is UTC
    assert local_day(start, zone) >= day
    assert local_day(start - timedelta(microseconds=1), zone) < day


@given(days, zones)
@example(date(2011, 12, 29), ZoneInfo("Pacific/Apia"))
def test_days_follow_one_another_without_gap_or_overlap(day: date, zone: ZoneInfo) -> None:
    start, following = day_start(day, zone), day_start(day + DAY, zone)
    assert start <= following
    skipped = start == following
    assert skipped == (local_day(start, zone) != day)
    assert skipped or timedelta(hours=22) <= following - start <= timedelta(hours=26)


@given(instants, zones)
@example(datetime(2006, 10, 29, 2, 45, tzinfo=UTC), ZoneInfo("America/St_Johns"))
def test_every_instant_is_inside_its_own_day(instant: datetime, zone: ZoneInfo) -> None:
    day = local_day(instant, zone)
    assert day_start(day, zone) <= instant
    assert instant < day_start(day + DAY, zone) or put_back(instant, zone)


@pytest.mark.parametrize(
    ("day", "zone", "start", "hours"),
    [
        (date(2026, 11, 19), "America/Sao_Paulo", "2026-11-19T03:00", 24),
        (date(2018, 11, 4), "America/Sao_Paulo", "2018-11-04T03:00", 23),
        (date(2019, 2, 16), "America/Sao_Paulo", "2019-02-16T02:00", 25),
        (date(2026, 9, 6), "America/Santiago", "2026-09-06T04:00", 23),
        (date(2026, 10, 25), "Europe/Lisbon", "2026-10-24T23:00", 25),
        (date(2011, 12, 30), "Pacific/Apia", "2011-12-30T10:00", 0),
        (date(2011, 12, 31), "Pacific/Apia", "2011-12-30T10:00", 24),
        (date(2026, 1, 1), "Asia/Kathmandu", "2025-12-31T18:15", 24),
    ],
)
def test_known_days_start_and_last_as_they_did(day: date, zone: str, start: str, hours: int) -> None:
    begun = day_start(day, ZoneInfo(zone))
    assert begun == datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert day_start(day + DAY, ZoneInfo(zone)) - begun == timedelta(hours=hours)


def test_a_gap_that_does_not_end_at_midnight_starts_the_day_at_its_end() -> None:
    """Toronto in 1919 put its clocks from 23:30 to 00:30: the new day began half an hour into itself."""
    toronto = ZoneInfo("America/Toronto")
    start = day_start(date(1919, 3, 31), toronto)
    assert start.astimezone(toronto).isoformat() == "1919-03-31T00:30:00-04:00"
    assert local_day(start - timedelta(seconds=1), toronto) == date(1919, 3, 30)


windows = st.builds(
    lambda since, length: Window(since, since + timedelta(days=length)),
    st.dates(date(2005, 1, 1), date(2030, 1, 1)),
    st.integers(1, 400),
)


@given(windows, st.integers(1, 60))
def test_chunks_cover_a_window_once_newest_first(window: Window, size: int) -> None:
    pieces = list(window.chunks(size))
    assert pieces[0].until == window.until
    assert [day for piece in reversed(pieces) for day in piece.each_day()] == list(window.each_day())
    assert all(piece.days <= size for piece in pieces)


@given(windows, zones)
def test_the_bounds_of_a_window_are_those_of_its_days(window: Window, zone: ZoneInfo) -> None:
    assert window.bounds(zone) == (day_start(window.since, zone), day_start(window.until, zone))


@given(windows, st.integers(-5, 405))
def test_a_window_holds_its_first_day_and_not_the_day_it_ends_on(window: Window, offset: int) -> None:
    day = window.since + timedelta(days=offset)
    assert (day in window) == (0 <= offset < window.days)
    assert window.last in window
    assert window.until not in window


def test_a_window_reads_as_its_first_and_last_day() -> None:
    window = Window.ending(date(2026, 11, 19), 8)
    assert str(window) == "2026-11-12 → 2026-11-19"
    assert window.days == 8


@pytest.mark.parametrize(("since", "until"), [("2026-01-02", "2026-01-02"), ("2026-01-02", "2026-01-01")])
def test_an_empty_window_is_no_window(since: str, until: str) -> None:
    with pytest.raises(ValueError, match="is empty"):
        Window(date.fromisoformat(since), date.fromisoformat(until))


def test_the_clock_can_be_told_to_stand_still(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORTEX_NOW", "2026-11-20T08:30:00-03:00")
    now = system_clock()
    assert now() == now() == datetime(2026, 11, 20, 11, 30, tzinfo=UTC)


def test_the_machines_clock_is_aware_and_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CORTEX_NOW", raising=False)
    assert abs(system_clock()() - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize("text", ["2026-11-20", "2026-11-20T08:30:00", "yesterday", "2026-13-01T00:00:00Z"])
def test_a_pretended_instant_without_an_offset_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("CORTEX_NOW", text)
    with pytest.raises(UsageError) as caught:
        system_clock()
    assert caught.value.code == "CTX-1004"
