"""Recorded replies served on loopback, so that an adapter's own HTTP client is what gets tested.

A recording is a list of exchanges, usually `tests/recorded/<room>/<kind>/exchanges.json`:

    [{"request":  {"method": "GET", "path": "/v1/orders", "query": {"page": "1"}, "headers": {"X-Token": "…"}},
      "response": {"status": 200, "headers": {"X-Total-Count": "2"}, "json": […]}}]

A request is answered by the first exchange whose method, path (`*` as in file names), query and headers it has, and
whose `contains` (a list of texts) is all in its body; what the exchange does not name does not matter. A response's
body is one of `json`, `text`, `file` (beside the recording) or `files` (JSON files that become one JSON list).
`{base}` in bodies and header values becomes the server's own URL. A request nobody recorded is answered 501 and kept
in `unmatched`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Exchange = Mapping[str, Any]
Response = Mapping[str, Any]


@dataclass(frozen=True)
class Received:
    """One request as it arrived. Header names are lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


def recording(folder: Path, name: str = "exchanges.json") -> list[Exchange]:
    """The exchanges of a file, with `file` and `files` bodies read from its folder."""
    exchanges: list[Exchange] = json.loads((folder / name).read_text(encoding="utf-8"))
    return [{**exchange, "response": _with_body(exchange["response"], folder)} for exchange in exchanges]


def always(**response: Any) -> list[Exchange]:
    """A recording that answers everything alike: `always(status=401, json={"code": 401})`."""
    return [{"request": {"path": "*"}, "response": response}]


class Replay:
    """A server of recorded replies: `with Replay(exchanges) as server: … server.url`.

    `first` are responses given before anything is looked up, one each: a 429 that passes, a broken answer.
    """

    def __init__(self, exchanges: Sequence[Exchange], *, first: Sequence[Response] = ()) -> None:
        self.exchanges = list(exchanges)
        self.first = list(first)
        self.requests: list[Received] = []
        self.unmatched: list[Received] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Replay:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, request: Received) -> Response:
        with self._lock:
            self.requests.append(request)
            if self.first:
                return self.first.pop(0)
            found: Response | None = next(
                (one["response"] for one in self.exchanges if _matches(one["request"], request)), None
            )
            if found is None:
                self.unmatched.append(request)
                return {"status": 501, "json": {"error": f"nobody recorded {request.method} {request.path}"}}
            return found


def _matches(wanted: Mapping[str, Any], request: Received) -> bool:
    return (
        wanted.get("method", request.method) == request.method
        and fnmatchcase(request.path, wanted["path"])
        and wanted.get("query", {}).items() <= request.query.items()
        and {name.lower(): value for name, value in wanted.get("headers", {}).items()}.items()
        <= request.headers.items()
        and all(text.encode() in request.body for text in wanted.get("contains", ()))
    )


def _with_body(response: Response, folder: Path) -> Response:
    if "file" in response:
        return {**response, "text": (folder / response["file"]).read_text(encoding="utf-8")}
    if "files" in response:
        bodies = [(folder / name).read_text(encoding="utf-8") for name in response["files"]]
        return {**response, "text": "[" + ",".join(bodies) + "]"}
    return response


def _handler(replay: Replay) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _reply(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            response = replay.answer(
                Received(
                    self.command,
                    parts.path,
                    dict(parse_qsl(parts.query, keep_blank_values=True)),
                    {name.lower(): value for name, value in self.headers.items()},
                    body,
                )
            )
            text = response["text"] if "text" in response else json.dumps(response.get("json"), ensure_ascii=False)
            content = text.replace("{base}", replay.url).encode()
            self.send_response(response.get("status", 200))
            headers = {"Content-Type": "application/json; charset=utf-8", **response.get("headers", {})}
            for name, value in headers.items():
                self.send_header(name, str(value).replace("{base}", replay.url))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _reply  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Tests print nothing."""

    return Handler
