"""Logs: one object a line for machines, and no secret or identity in any line, whoever wrote it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import structlog

from cortex import logs
from cortex.records import Person
from cortex.secrets import MASK, Secret

CANARY = "EAABcanaryOfTheLogs0123456789"
PERSON = "canary.person@example.com"


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    """Logging is the process's: put it back for the tests that follow."""
    root = logging.getLogger()
    handlers, level, hook = list(root.handlers), root.level, sys.excepthook
    Secret(CANARY, "a test")
    yield
    logging.captureWarnings(False)
    root.handlers, sys.excepthook = handlers, hook
    root.setLevel(level)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_a_line_for_machines_carries_what_was_bound(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(fmt="json")
    logs.logger(client="xyz", run_id="01JD", step="store.orders").info(
        "loaded", rows=412, paid=Decimal("10.50"), new=None
    )
    (line,) = lines(capsys)
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "client": "xyz",
        "run_id": "01JD",
        "step": "store.orders",
        "event": "loaded",
        "level": "info",
        "rows": 412,
        "paid": "10.50",
        "new": None,
    }


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_no_secret_and_no_identity_reaches_a_line(fmt: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(fmt=fmt, verbose=True)
    log = logs.logger(client="xyz", token=CANARY)
    log.info(PERSON, nested={PERSON: [CANARY, (PERSON, {"deep": CANARY})]})
    log.warning("an object", error=ValueError(CANARY, PERSON), raw=PERSON.encode(), person=Person(email=PERSON))
    try:
        int(f"{CANARY} of {PERSON}")
    except ValueError:
        log.exception("broke")
    log.error("given", exc_info=RuntimeError(PERSON))
    said = capsys.readouterr().err
    assert MASK in said
    assert "broke" in said
    assert "ValueError" in said
    assert CANARY not in said
    assert "canary.person" not in said


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_libraries_pass_the_same_redactor(fmt: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(fmt=fmt)
    library = logging.getLogger("some.library")
    library.warning("retrying https://x.example/?access_token=%s", CANARY)
    library.info("quiet")
    try:
        int(PERSON)
    except ValueError:
        library.exception("library broke for %s", PERSON)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"deprecated for {PERSON}", UserWarning, stacklevel=1)
    said = capsys.readouterr().err
    assert "retrying" in said
    assert "library broke" in said
    assert "deprecated for" in said
    assert "quiet" not in said
    assert CANARY not in said
    assert "canary.person" not in said


@pytest.mark.parametrize("name", logs.QUIET)
def test_libraries_that_print_requests_are_quiet_even_when_we_are_not(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(fmt="json", verbose=True)
    logging.getLogger(name).info("GET /secret")
    logging.getLogger(name).debug("GET /secret")
    assert lines(capsys) == []


@pytest.mark.parametrize(
    ("options", "levels"),
    [
        ({"fmt": "json"}, ["info", "warning", "error"]),
        ({"fmt": "json", "verbose": True}, ["debug", "info", "warning", "error"]),
        ({"fmt": "json", "quiet": True}, ["error"]),
    ],
)
def test_how_much_is_said(options: dict[str, bool], levels: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(**options)  # type: ignore[arg-type]
    log = logs.logger()
    for level in ("debug", "info", "warning", "error"):
        getattr(log, level)("said")
    assert [line["level"] for line in lines(capsys)] == levels


def test_people_are_told_what_is_wrong_and_no_more(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    logs.logger().info("routine")
    logs.logger().warning("unusual")
    said = capsys.readouterr().err
    assert "routine" not in said
    assert "unusual" in said
    assert "\x1b[" not in said


def test_configuring_twice_says_things_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(fmt="json")
    logs.configure(fmt="json")
    logging.getLogger("some.library").warning("once")
    assert len(lines(capsys)) == 1


def test_an_exception_nobody_caught_is_masked_too(tmp_path: Path) -> None:
    script = tmp_path / "crash.py"
    script.write_text(
        "from cortex import logs\nfrom cortex.secrets import Secret\n"
        f"secret = Secret({CANARY!r}, 'x')\nlogs.configure()\n"
        f"raise RuntimeError(secret.reveal() + ' for ' + {PERSON!r})\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"RuntimeError: {MASK} for {MASK}" in done.stderr
    assert CANARY not in done.stderr
    assert "canary.person" not in done.stderr
