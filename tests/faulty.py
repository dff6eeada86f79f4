"""A loopback HTTP server that misbehaves on request: each answer is a script of bytes, pauses and cut connections."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterable
from urllib.parse import parse_qsl, urlsplit

RESET = object()
"""Cut the connection with RST: the peer sees "connection reset"."""

CLOSE = object()
"""Close the connection in good order, whatever was announced."""

Step = bytes | float | object
Answer = Callable[[str, dict[str, str]], Iterable[Step]]
"""Given path and query, what happens on the wire: bytes are sent, floats are seconds of silence, RESET and CLOSE cut."""


def reply(status: int, body: bytes, length: int | None = None, **headers: str) -> bytes:
    """A whole HTTP answer. `length` announces another Content-Length than the body's."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(body) if length is None else length}"]
    named = {"Content_Type": "application/json", **headers}
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in named.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def dripping(content: bytes, pause: float = 0.05) -> Iterable[Step]:
    """One byte at a time: every read succeeds, and nothing ever arrives."""
    for byte in content:
        yield bytes([byte])
        yield pause


class FaultyServer:
    """`with FaultyServer(answer) as server: … server.url`. Ends its connections when left."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked = 0
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> FaultyServer:
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        socket.create_connection(self._listener.getsockname()).close()
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                while not self._over.is_set() and (target := _read_request(connection)):
                    parts = urlsplit(target)
                    self.asked += 1
                    for step in self.answer(parts.path, dict(parse_qsl(parts.query))):
                        if step is RESET:
                            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                            return
                        if step is CLOSE:
                            return
                        if isinstance(step, float):
                            if self._over.wait(step):
                                return
                        elif isinstance(step, bytes):
                            connection.sendall(step)
            except OSError:
                """The client left: that is what a test of deadlines is about."""


def _read_request(connection: socket.socket) -> str:
    """Target of one request (no test posts a body here), or an empty string when the client is gone."""
    head = b""
    while b"\r\n\r\n" not in head:
        part = connection.recv(65536)
        if not part:
            return ""
        head += part
    return head.split(b" ", 2)[1].decode()
