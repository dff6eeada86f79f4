"""Structured logs on stderr: every line carries client, run and step, and passes the redactor."""

from __future__ import annotations

import logging
import sys
from typing import Any

from cortex.secrets import REDACTOR

QUIET = ("urllib3", "google", "google.ads", "google.auth", "facebook_business", "grpc")
"""Libraries whose INFO and DEBUG lines print whole requests, hashed identifiers and URLs included."""


def _redact(_logger: Any, _method: str, event: Any) -> Any:
    return REDACTOR.clean_any(event)


def configure(*, fmt: str = "console", verbose: bool = False, quiet: bool = False) -> None:
    """Set up structlog for this process. `fmt` is `console` or `json` (one object a line)."""
    import structlog

    level = (
        logging.DEBUG if verbose else logging.ERROR if quiet else logging.WARNING if fmt == "console" else logging.INFO
    )
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if fmt == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _redact,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def logger(**bound: Any) -> Any:
    """A structlog logger with `client`, `run_id` or `step` bound to every line."""
    import structlog

    return structlog.get_logger(**bound)
