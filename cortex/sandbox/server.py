"""One HTTP port for every platform of the sandbox: dispatch by path, compression, faults, and a record of each call."""

from __future__ import annotations

import contextlib
import gzip
import re
import socket
import struct
import threading
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import unquote

from cortex.sandbox.faults import SPOILT, STATUSES, Faults, spoil
from cortex.sandbox.received import Call, Received
from cortex.sandbox.wire import Request, Response, StandIn

MAX_CONNECTIONS = 256
IDLE_SECONDS = 30.0
LARGEST_BODY = 64 * 1024 * 1024
WORTH_COMPRESSING = 256
PAGING = frozenset({"page", "after", "before", "offset", "cursor", "page_token"})
"""Parameters that tell pages of one list apart, whatever the platform."""

Route = tuple[re.Pattern[str], str, StandIn]
"""Which paths, the platform's name in the record, and who answers."""


class Front:
    """Decides who answers a request, and what the network does to the answer."""

    def __init__(
        self, routes: list[Route], own: dict[str, Callable[[], Any]], received: Received, faults: Faults
    ) -> None:
        self.routes = routes
        self.own = own
        self.received = received
        self.faults = faults
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._previous: dict[tuple[str, ...], Request] = {}

    def answer(self, request: Request) -> tuple[Response | None, str]:
        """The response (None: destroy the connection) and the transport fault to apply while it is written."""
        if request.path in self.own:
            return Response.of_json(200, self.own[request.path]()), ""
        for pattern, platform, stand_in in self.routes:
            if pattern.match(request.path):
                return self._ask(platform, stand_in, request)
        return Response.of_json(404, {"error": "not_found", "message": f"No platform answers {request.path}"}), ""

    def _ask(self, platform: str, stand_in: StandIn, request: Request) -> tuple[Response | None, str]:
        fault = self.faults.draw(request.path)
        response: Response | None = None
        if fault in STATUSES:
            response = self._failing(stand_in, request, int(fault))
        elif fault == "hang":
            self.stopping.wait(self.faults.hang_seconds)
        elif fault != "reset":
            response = stand_in.handle(request)
            if fault in SPOILT:
                previous = self._page_before(stand_in, request) if fault == "dup_page" else None
                spoilt = spoil(fault, response, previous)
                response, fault = (response, "") if spoilt is None else (spoilt, fault)
            elif fault == "lost_after_commit":
                response = None
            if not fault:
                self._remember(request, response)
        status = response.status if response is not None else 0
        self.received.called(Call(platform, request.method, request.path, status, fault))
        return response, fault

    def _failing(self, stand_in: StandIn, request: Request, status: int) -> Response:
        words = getattr(stand_in, "fault", None)
        # A gateway's 502 is a web page, whoever stands behind it.
        if words is None or status == 502:
            return self.faults.answer(status)
        response: Response = words(request, status)
        return response

    def _page_before(self, stand_in: StandIn, request: Request) -> Response | None:
        """The last good page of the same list, asked for once more: all the pages together outweigh the market."""
        with self._lock:
            previous = self._previous.get(_list_of(request))
        response = stand_in.handle(previous) if previous is not None else None
        return response if response is not None and response.status == 200 else None

    def _remember(self, request: Request, response: Response | None) -> None:
        if response is not None and response.status == 200 and request.method == "GET" and request.query:
            with self._lock:
                self._previous[_list_of(request)] = request
                while len(self._previous) > MAX_CONNECTIONS:
                    self._previous.pop(next(iter(self._previous)))


def _list_of(request: Request) -> tuple[str, ...]:
    """What pages of one list share: path, credential, and every parameter that does not say which page."""
    credential = request.headers.get("Authorization") or request.headers.get("Authentication", "")
    question = (f"{name}={value}" for name, value in sorted(request.query) if name not in PAGING)
    return (request.path, credential, *question)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS
    server: _Server

    def handle_one_request(self) -> None:
        """Read one request, answer it, and keep the connection unless something was destroyed."""
        try:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            body = self._body()
            if body is None:
                return
            path = self.path.partition("?")[0]
            request = Request.of(self.command, self.path, self.headers.items(), body)
            if "%" in path:
                request = Request(request.method, unquote(path), request.query, request.headers, body)
            response, fault = self.server.front.answer(request)
            self._deliver(request, response, fault)
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    def _body(self) -> bytes | None:
        """The request's body by Content-Length; None after refusing one that has no usable length."""
        if "Transfer-Encoding" in self.headers:
            self._turn_down(411)
            return None
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal():
            self._turn_down(400)
            return None
        if int(length) > LARGEST_BODY:
            self._turn_down(413)
            return None
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionError("the caller hung up in the middle of its request")
        return body

    def _turn_down(self, status: int) -> None:
        self.close_connection = True
        self.wfile.write(self._bytes(Response.of_json(status, {"error": HTTPStatus(status).phrase}), b"")[0])

    def _deliver(self, request: Request, response: Response | None, fault: str) -> None:
        if response is None:
            self._abort()
            return
        head, body = self._bytes(response, b"" if request.method == "HEAD" else response.body)
        if fault == "slow":
            self._drip(head, body)
        elif fault in ("reset_mid", "truncate"):
            self.wfile.write(head + body[: len(body) // 2])
            if fault == "truncate":
                self.close_connection = True
            else:
                self._abort()
        else:
            self.wfile.write(head + body)

    def _bytes(self, response: Response, body: bytes) -> tuple[bytes, bytes]:
        headers = {"Date": formatdate(usegmt=True), **response.headers}
        if len(body) >= WORTH_COMPRESSING and "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body, compresslevel=1, mtime=0)
            headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        headers["Content-Length"] = str(len(body))
        if self.close_connection:
            headers["Connection"] = "close"
        phrase = HTTPStatus(response.status).phrase if response.status in _STATUSES else ""
        lines = [f"HTTP/1.1 {response.status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace"), body

    def _drip(self, head: bytes, body: bytes) -> None:
        self.wfile.write(head)
        for position in range(len(body)):
            self.wfile.write(body[position : position + 1])
            if self.server.front.stopping.wait(self.server.front.faults.slow_seconds):
                break
        self.close_connection = True

    def _abort(self) -> None:
        """Close so that the caller sees a reset, not an orderly end (SO_LINGER with 0 seconds)."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.server.aborted(self.connection)

    def log_message(self, *_: Any) -> None:
        """Nothing: `received` keeps what matters, and standard error belongs to the command."""


_STATUSES = {status.value for status in HTTPStatus}


class _Server(HTTPServer):
    """A thread per connection, at most MAX_CONNECTIONS; every socket is closed when the server is."""

    request_queue_size = 128

    def __init__(self, address: tuple[str, int], front: Front) -> None:
        super().__init__(address, _Handler)
        self.front = front
        self._places = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self._lock = threading.Lock()
        self._open: dict[socket.socket, threading.Thread] = {}
        self._aborted: set[socket.socket] = set()

    def server_bind(self) -> None:
        # HTTPServer would look its own name up in DNS, which can take seconds.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        while not self._places.acquire(timeout=0.2):
            if self.front.stopping.is_set():
                self.shutdown_request(request)
                return
        thread = threading.Thread(target=self._serve, args=(request, client_address), daemon=True)
        with self._lock:
            self._open[request] = thread
        thread.start()

    def _serve(self, request: Any, client_address: Any) -> None:
        try:
            self.finish_request(request, client_address)
        except (OSError, ValueError):
            # The caller went away, or the server is closing under the connection.
            pass
        finally:
            self.shutdown_request(request)
            with self._lock:
                self._open.pop(request, None)
            self._places.release()

    def aborted(self, connection: socket.socket) -> None:
        with self._lock:
            self._aborted.add(connection)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            reset = request in self._aborted
            self._aborted.discard(request)
        if reset:
            request.close()  # without the orderly shutdown that would hide the reset
        else:
            super().shutdown_request(request)

    def stop(self) -> None:
        """Stop accepting, wake what hangs, close every connection and wait for its thread."""
        self.front.stopping.set()
        self.shutdown()
        with self._lock:
            connections = list(self._open.items())
        for connection, _ in connections:
            with contextlib.suppress(OSError):  # it was gone already
                connection.shutdown(socket.SHUT_RDWR)
        for _, thread in connections:
            thread.join(timeout=5)
        self.server_close()


class HttpServer:
    """The listening side of the sandbox's HTTP port; serves from a background thread until `close`."""

    def __init__(self, host: str, port: int, front: Front) -> None:
        self._server = _Server((host, port), front)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True, name="cortex-sandbox"
        )
        self._thread.start()

    def close(self) -> None:
        self._server.stop()
        self._thread.join(timeout=5)
