"""The server: where it listens, that nobody else's machine reaches it by accident, and how it ends."""

from __future__ import annotations

import contextlib
import ipaddress
import signal
import socket
from collections.abc import Iterator
from importlib.util import find_spec
from types import FrameType

from cortex.errors import ConfigError, CortexError, UsageError
from cortex.workspace import Workspace

NEEDED = ("fastapi", "uvicorn", "fastapi_offline")
PATIENCE = 10
"""Seconds that requests in hand have to end once the server is told to stop."""


def check_extra() -> None:
    """Raises ConfigError CTX-8201 when the [web] extra is not installed."""
    if not all(find_spec(name) for name in NEEDED):
        raise ConfigError("CTX-8201", "The HTTP API needs the [web] extra.", fix='pip install "cortex-ecom[web]"')


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it. A name other than localhost may lead anywhere."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bind(host: str, port: int, *, exposed: bool) -> socket.socket:
    """The socket to listen on; port 0 takes a free one.

    Raises UsageError CTX-8202 for an address others reach when `exposed` was not said, CortexError CTX-8203 when it
    cannot be had.
    """
    if not exposed and not is_loopback(host):
        raise UsageError(
            "CTX-8202",
            f"{host or 'An empty --host'} is an address that other machines reach, and keys would travel to it without encryption.",
            fix="Leave --host out and put a proxy with TLS before it, or say --expose.",
        )
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=128)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise CortexError(
            "CTX-8203", f"Nothing can listen on {host} port {port}: {why}.", fix="Choose another --port."
        ) from None
    # Connections inherit it. asyncio sets it only on sockets it made itself; without it every answer waits 40 ms for the
    # acknowledgement of its own header.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def run(listening: socket.socket, workspace: Workspace, database: str) -> None:
    """Answer until SIGINT or SIGTERM; requests in hand are answered first. Raises DatabaseError before anybody asks."""
    import uvicorn

    from cortex.web.app import build
    from cortex.web.house import House

    house = House(workspace, database)
    try:
        # A caller's address is what a proxy of this machine says it is; the log is ours, which is masked.
        config = uvicorn.Config(
            build(house), log_config=None, access_log=False, server_header=False, lifespan="off", ws="none",
            proxy_headers=True, forwarded_allow_ips="127.0.0.1,::1", timeout_graceful_shutdown=PATIENCE,
        )  # fmt: skip
        with _quiet_end():
            uvicorn.Server(config).run(sockets=[listening])
    finally:
        house.close()
        listening.close()


class _Told(BaseException):
    """The signal that ended the server, which raises it again for its caller."""


@contextlib.contextmanager
def _quiet_end() -> Iterator[None]:
    """A server that is told to stop has done its work: neither signal is a failure."""

    def told(_number: int, _frame: FrameType | None) -> None:
        raise _Told

    before = {number: signal.signal(number, told) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with contextlib.suppress(_Told):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
