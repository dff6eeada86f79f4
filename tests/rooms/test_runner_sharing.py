"""Budgets that clients share: places, pauses and rates are kept by every run that reaches the control schema."""

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from cortex.errors import PlatformError, Throttled
from cortex.http import Limits, persist
from cortex.limits import AGENCY, Limit, app_of
from cortex.runner.lease import Lease, here
from cortex.runner.sharing import Sharing
from cortex.warehouse import Control

TTL = timedelta(minutes=5)
GONE = f"{here().rpartition(':')[0]}:4194303"
"""A process of this machine that has ended."""


@pytest.fixture
def control(engine_url: str, tmp_path: Path) -> Iterator[Control]:
    with Control.open(engine_url, tmp_path) as opened:
        yield opened


@pytest.fixture
def app() -> str:
    """The control database of a server is shared: names are this test's own."""
    return f"meta:app:{uuid.uuid4().hex[:16]}"


def take(control: Control, owner: str, host: str = "elsewhere:1", ttl: timedelta = TTL, **places: int) -> str:
    named = {name.replace("__", ":"): count for name, count in places.items()}
    return control.enter(named, owner=owner, host=host, ttl=ttl, is_dead=lambda told: told == GONE)


def together(count: int, work: Callable[[int], None]) -> None:
    failures: list[BaseException] = []

    def one(number: int) -> None:
        try:
            work(number)
        except BaseException as failure:  # noqa: BLE001  # raised again below
            failures.append(failure)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    if failures:
        raise failures[0]


def test_there_are_as_many_places_as_there_are(control: Control, app: str):
    assert [take(control, f"run{number}", **{app: 2}) for number in range(3)] == ["", "", app]
    assert take(control, "run1", **{app: 2}) == "", "who has a place needs no other"
    control.leave("run0")
    assert take(control, "run2", **{app: 2}) == ""


def test_all_places_asked_for_or_none(control: Control, app: str):
    account = app.replace("app", "account")
    assert take(control, "first", **{account: 1}) == ""
    assert take(control, "second", **{account: 1, app: 1}) == account
    assert take(control, "third", **{app: 1}) == "", "the place in the app was given back with the one refused"


def test_a_dead_process_and_an_expired_run_leave_their_places(control: Control, app: str):
    assert take(control, "killed", host=GONE, **{app: 1}) == ""
    assert take(control, "next", **{app: 1}) == ""
    assert take(control, "third", **{app: 1}) == app
    other = f"{app}b"
    assert take(control, "stalled", ttl=timedelta(seconds=-1), **{other: 1}) == ""
    assert take(control, "next", **{other: 1}) == ""


def test_places_live_as_long_as_the_lease_of_their_run(control: Control, app: str, tenant_code: str):
    with Lease(control, tenant_code, f"run-{app[-8:]}", 0) as lease:
        assert take(control, lease.run_id, ttl=timedelta(seconds=0.2), **{app: 1}) == ""
        lease._renew()
        time.sleep(0.3)
        assert take(control, "other", **{app: 1}) == app
    assert take(control, "other", **{app: 1}) == ""


def test_never_more_at_work_than_there_are_places(control: Control, app: str, engine_url: str, tmp_path: Path):
    at_work, most, lock = 0, 0, threading.Lock()
    limits = (Limit(app, "app", at_once=3), Limit(f"{app}x", "account", at_once=5))

    def work(number: int) -> None:
        nonlocal at_work, most
        with Control.open(engine_url, tmp_path) as own:  # as another process: a connection of its own
            for turn in range(3):
                sharing = Sharing(own, f"{app[-8:]}-{number}-{turn}", sleep=lambda _seconds: time.sleep(0.01))
                sharing.enter(limits)
                with lock:
                    at_work += 1
                    most = max(most, at_work)
                time.sleep(0.02)
                with lock:
                    at_work -= 1
                assert sharing.left()
                own.leave(sharing._run_id)

    together(8, work)
    assert most == 3


def test_whoever_waits_for_a_place_can_be_stopped(control: Control, app: str):
    assert take(control, "holder", **{app: 1}) == ""

    def stop() -> None:
        raise PlatformError("CTX-9006", "told to stop")

    with pytest.raises(PlatformError, match="told to stop"):
        Sharing(control, "waiting", (stop,), sleep=lambda _seconds: None).enter((Limit(app, "app", at_once=1),))


def test_a_pause_one_run_was_asked_for_is_kept_by_all_of_its_app(control: Control, app: str):
    one = Sharing(control, "one").pace((Limit(f"{app}:1", "account"), Limit(app, "app")))
    two = Sharing(control, "two").pace((Limit(f"{app}:2", "account"), Limit(app, "app")))
    assert two.hold() == 0
    one.told("account", 100)
    later = Sharing(control, "later").pace((Limit(f"{app}:2", "account"), Limit(app, "app")))
    assert later.hold() == 0, "another account's pause is not ours"
    one.told("app", 50)
    one.told("app", 5)
    third = Sharing(control, "third").pace((Limit(f"{app}:3", "account"), Limit(app, "app")))
    assert 45 < third.hold() < 56, "the longer of two pauses"
    time.sleep(1.1)
    assert two.hold() > 40, "a look at the pauses holds for a second"


def test_calls_of_all_runs_together_keep_to_the_rate(control: Control, app: str, engine_url: str, tmp_path: Path):
    limit = Limit(app, "app", per_second=50.0, burst=5)
    due: list[float] = []

    def work(number: int) -> None:
        with Control.open(engine_url, tmp_path) as own:
            pace = Sharing(own, f"run{number}").pace((limit,))
            for _ in range(10):
                held = pace.hold()
                due.append(time.monotonic() + held)

    begun = time.monotonic()
    together(4, work)
    # Forty calls at fifty a second after five at once: the last is due 0.7 s after the first, whoever makes it.
    assert max(due) - begun > 0.65
    assert max(due) - begun < 0.75 + (time.monotonic() - begun)


def test_a_call_waits_for_others_pauses_and_passes_its_own_on(control: Control, app: str):
    limits = Limits(attempts=2, first_pause=0.01, patience=10)
    slept: list[float] = []

    def refused() -> None:
        raise Throttled("CTX-4103", "slow down", retry_after=4.0, scope="app")

    shared = (Limit(app, "app"),)
    with pytest.raises(Throttled, match="slow down"):
        persist(refused, limits, attempts=1, pace=Sharing(control, "one").pace(shared), sleep=slept.append)
    assert slept == []
    asked: list[str] = []
    persist(lambda: asked.append("asked"), limits, pace=Sharing(control, "two").pace(shared), sleep=slept.append)
    assert asked == ["asked"]
    assert 3 < slept[0] < 4.5

    control.pause([app], 60)
    with pytest.raises(Throttled) as told:
        persist(lambda: asked.append("never"), limits, pace=Sharing(control, "three").pace(shared), sleep=slept.append)
    assert told.value.code == "CTX-5101"
    assert asked == ["asked"]


def test_an_app_is_known_by_its_secret_and_never_says_it():
    secret = "0123456789abcdef0123456789abcdef"
    assert app_of(None) == AGENCY
    assert app_of(secret) != app_of(secret[::-1])
    assert secret[:8] not in app_of(secret)
