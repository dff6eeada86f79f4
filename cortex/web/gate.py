"""The gate every request passes: how often an address asks, how much it sends, and the line in the log."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import HTTPException

from cortex.logs import logger
from cortex.web import problems
from cortex.web.limiting import Limiter

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

LARGEST = 64 * 1024
"""Bytes a request may send: the longest sensible one names a few dozen steps."""
HEADERS = {
    b"cache-control": b"no-store",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"x-frame-options": b"DENY",
}
"""On every answer that does not say otherwise. Figures of a client stay out of shared caches."""


class Gate:
    """ASGI middleware, the outermost: what breaks behind it becomes a plain 500, and a masked line in the log."""

    def __init__(self, app: App, addresses: Limiter) -> None:
        self._app, self._addresses = app, addresses

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})
        log = logger()
        answering = _Answering(send)
        begun = time.monotonic()
        try:
            await self._pass(scope, receive, answering)
        except Exception as failure:
            log.exception("request broke", error=type(failure).__name__)
            if not answering.status:
                await problems.unexpected()(scope, receive, answering)
        caller = scope["state"].get("caller")
        log.info(
            "request", method=scope["method"], path=scope["path"], status=answering.status,
            key=caller.key_id if caller else "", ms=round(1000 * (time.monotonic() - begun), 1),
        )  # fmt: skip

    async def _pass(self, scope: Message, receive: Receive, send: Send) -> None:
        address = scope["client"][0] if scope.get("client") else ""
        if wait := self._addresses.wait(address):
            await problems.answer(problems.too_often(wait, "address"))(scope, receive, send)
        else:
            await self._app(scope, _limited(receive), send)


class _Answering:
    """`send` that adds the headers and remembers the status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name.lower() for name, _ in message["headers"]}
            missing = [pair for pair in HEADERS.items() if pair[0] not in present]
            message = {**message, "headers": [*message["headers"], *missing]}
        await self._send(message)


def _limited(receive: Receive) -> Receive:
    """`receive` that refuses the rest of a body that is too large, whatever its length header says."""
    read = 0

    async def limited() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > LARGEST:
            raise HTTPException(413)
        return message

    return limited
