"""Structured logs on stderr: every line carries client, run and step, and passes the redactor."""

from __future__ import annotations

import logging
import sys
import traceback
from types import TracebackType
from typing import Any

from cortex.secrets import REDACTOR

QUIET = ("urllib3", "google", "google.ads", "google.auth", "facebook_business", "grpc")
"""Libraries whose INFO and DEBUG lines print whole requests, hashed identifiers and URLs included."""


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
        processors=[*stamped, _redact, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = _Stderr()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=stamped,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _redact, renderer],
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
