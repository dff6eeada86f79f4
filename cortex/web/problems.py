"""What goes wrong, as application/problem+json (RFC 9457) under our codes. No traceback, no host, nobody's data.

A sentence made for the person who asked is passed on. What a database or a client file is like inside is the business of
whoever runs the server: there the caller reads the page of the code instead.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

from fastapi.responses import JSONResponse

from cortex.errors import Busy, ConfigError, CortexError, DatabaseError, PolicyRefusal, Throttled, UsageError
from cortex.reports.error_pages import pages
from cortex.secrets import REDACTOR

MEDIA = "application/problem+json"
WAITING_FOR_DATA = {"CTX-5002", "CTX-5003", "CTX-5064", "CTX-7101"}
"""The client is not there yet, or has no data: nothing that asking again in a minute would change."""
SAID = {"CTX-5064", "CTX-7101"}
"""Of them, those whose sentence names no place."""
AGAIN_AFTER = 30
"""Seconds after which to ask a database again that was away."""


class Refusal(CortexError):
    """An answer that is no answer. more: further members of the problem, such as the range that is allowed."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        fix: str = "",
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(code, message, fix=fix)
        self.status, self.headers, self.more = status, headers or {}, more


def too_often(seconds: float, whose: str) -> Refusal:
    return Refusal(
        429,
        "CTX-8209",
        f"This {whose} asks more often than the server answers.",
        headers={"Retry-After": str(math.ceil(seconds))},
    )


def status_of(error: CortexError) -> int:
    if isinstance(error, Refusal):
        return error.status
    if isinstance(error, DatabaseError):
        return 409 if error.code in WAITING_FOR_DATA else 503
    kinds: tuple[tuple[type[CortexError], int], ...] = (
        (UsageError, 422), (ConfigError, 409), (Busy, 409), (Throttled, 503), (PolicyRefusal, 403),
    )  # fmt: skip
    return next((status for kind, status in kinds if isinstance(error, kind)), 500)


def answer(error: CortexError) -> JSONResponse:
    """The problem for an error of ours."""
    status = status_of(error)
    passed_on = isinstance(error, Refusal | UsageError) or error.code in SAID
    page = _page(error.code)
    body = {
        "type": f"urn:cortex:{error.code}",
        "title": page["title"],
        "status": status,
        "detail": REDACTOR.clean(error.message) if passed_on else page["happened"],
        "code": error.code,
    }
    if passed_on and error.fix:
        body["fix"] = REDACTOR.clean(error.fix)
    headers = dict(error.headers) if isinstance(error, Refusal) else {}
    if isinstance(error, Refusal):
        body |= error.more
    if status == 503:
        headers["Retry-After"] = str(AGAIN_AFTER)
    return JSONResponse(body, status, headers, media_type=MEDIA)


def unexpected() -> JSONResponse:
    """The problem for what should never happen; what it was stands in the server's log."""
    return answer(Refusal(500, "CTX-9000", "Something broke that should not. The server's log says what."))


def _page(code: str) -> Mapping[str, Any]:
    return _pages().get(code, {"title": code, "happened": "Something went wrong."})


@cache
def _pages() -> dict[str, dict[str, Any]]:
    return pages()
