"""Structured logs on stderr: every line carries client, run and step, and passes the redactor."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from cortex.secrets import REDACTOR, private_folder

QUIET = ("urllib3", "google", "google.ads", "google.auth", "facebook_business", "grpc")
"""Libraries whose INFO and DEBUG lines print whole requests, hashed identifiers and URLs included."""


TOLD = frozenset({"step failed"})
"""Events a command tells a person in its own words, with the fix: said once, they are not repeated as a log line."""

KEEP_DAYS = 90
"""The logs of a client's runs are deleted after this."""
_file: IO[str] | None = None


def folder(state: Path, code: str) -> Path:
    """Where the lines of a client's runs are kept: one file a run, one JSON object a line, masked."""
    return state / "logs" / code


@contextlib.contextmanager
def kept(state: Path, code: str, run_id: str) -> Iterator[None]:
    """Keep every line of this process, from `info` up, in the file of that run; delete files older than KEEP_DAYS."""
    global _file  # noqa: PLW0603  # as logging itself: one for the process
    place = folder(state, code)
    before, opened = _file, None
    try:
        private_folder(place)
        for old in place.glob("*.jsonl"):
            if old.stat().st_mtime < time.time() - KEEP_DAYS * 86_400:
                old.unlink(missing_ok=True)
        descriptor = os.open(place / f"{run_id}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        _file = opened = os.fdopen(descriptor, "w", encoding="utf-8", buffering=1)
    except OSError:
        pass  # a run is worth more than its log
    try:
        yield
    finally:
        _file = before
        if opened is not None:
            with contextlib.suppress(OSError):
                opened.close()


def _keep(_logger: Any, _method: str, event: Any) -> Any:
    if _file is not None:
        with contextlib.suppress(OSError, ValueError):
            _file.write(json.dumps(event, ensure_ascii=False, default=str) + "\n")
    return event


def _from(level: int, told: frozenset[str]) -> Any:
    """Lets through to the terminal what is at least this important, and not told already."""
    import structlog

    numbers = logging.getLevelNamesMapping()

    def judge(_logger: Any, _method: str, event: Any) -> Any:
        too_small = numbers.get(str(event.get("level", "")).upper(), logging.INFO) < level
        if too_small or event.get("event") in told:
            raise structlog.DropEvent
        return event

    return judge


def _redact(_logger: Any, _method: str, event: Any) -> Any:
    return {REDACTOR.clean(str(key)): _plain(value) for key, value in event.items()}


def _plain(value: Any) -> Any:
    """What a line may hold. Renderers print objects with repr: an exception's would carry what it was raised with."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict | list | tuple):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        plain = {REDACTOR.clean(str(key)): _plain(item) for key, item in items}
        return plain if isinstance(value, dict) else list(plain.values())
    return REDACTOR.clean(str(value))


class _Stderr(logging.Handler):
    """Libraries' lines on whatever stderr is now."""

    def emit(self, record: logging.LogRecord) -> None:
        sys.stderr.write(self.format(record) + "\n")


def configure(*, fmt: str = "console", verbose: bool = False, quiet: bool = False) -> None:
    """Set up logging for this process. `fmt` is `console` or `json` (one object a line).

    Libraries' own loggers, warnings and exceptions that nobody caught go the same way, through the same redactor.
    """
    import structlog

    level = (
        logging.DEBUG if verbose else logging.ERROR if quiet else logging.WARNING if fmt == "console" else logging.INFO
    )
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if fmt == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    stamped: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            *stamped,
            _redact,
            _keep,
            _from(level, frozenset() if verbose or fmt == "json" else TOLD),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(min(level, logging.INFO)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = _Stderr()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=stamped,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redact, _keep, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [*(each for each in root.handlers if not isinstance(each, _Stderr)), handler]
    root.setLevel(max(level, logging.WARNING))  # of libraries only what is wrong
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    # A line for each failed attempt, past the redactor; what matters of it is raised as a named error.
    logging.getLogger("google.ads").setLevel(logging.ERROR)
    logging.captureWarnings(True)
    sys.excepthook = print_masked


def print_masked(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The traceback of an exception nobody caught, on stderr, through the redactor."""
    sys.stderr.write(REDACTOR.clean("".join(traceback.format_exception(kind, error, trace))))


def logger(**bound: Any) -> Any:
    """A structlog logger with `client`, `run_id` or `step` bound to every line."""
    import structlog

    return structlog.get_logger(**bound)
