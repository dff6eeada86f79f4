"""Points where a process dies on purpose, and signals that stop it in order."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cortex.runner.stopping import Stop, Stopped

ROOT = Path(__file__).resolve().parents[2]


def child(body: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(body)],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_process_dies_at_the_point_it_was_told_and_nothing_is_flushed():
    body = """
        from cortex import crash
        for name in "abc":
            print(name)
            crash.point(name)
    """
    dead = child(body, CORTEX_CRASH_AT="2", PYTHONUNBUFFERED="")
    assert (dead.returncode, dead.stdout) == (137, "")
    alive = child(body)
    assert (alive.returncode, alive.stdout.split()) == (0, ["a", "b", "c"])


def test_points_can_be_listed(tmp_path: Path):
    path = tmp_path / "points"
    child("from cortex import crash\nfor name in 'ab': crash.point(name)", CORTEX_CRASH_AT=str(path))
    assert path.read_text().split() == ["a", "b"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_waits_for_the_next_boundary(number: int, code: int):
    with Stop() as stop:
        stop.check()
        os.kill(os.getpid(), number)
        reached = True  # nothing is raised between two boundaries
        with pytest.raises(Stopped) as stopped:
            stop.check()
    assert reached
    assert stopped.value.exit_code == code


def test_the_second_signal_does_not_wait():
    with Stop():
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped):
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_hanging_request_is_left_after_a_while():
    body = """
        import os, signal, time
        from cortex.runner import stopping
        stopping.PATIENCE = 0.2
        with stopping.Stop():
            os.kill(os.getpid(), signal.SIGTERM)
            begun = time.monotonic()
            try:
                time.sleep(30)
            except stopping.Stopped as stopped:
                print(stopped.exit_code, time.monotonic() - begun < 5)
    """
    assert child(body).stdout.split() == ["143", "True"]


def test_handlers_are_given_back():
    before = signal.getsignal(signal.SIGTERM)
    with Stop():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
