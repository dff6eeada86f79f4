"""What passes between the HTTP server and a stand-in platform: a request, a response and the time it is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

import msgspec

from cortex.clock import Clock


class Headers(Mapping[str, str]):
    """Header fields by name, whatever its case (RFC 9110 5.1). Of a repeated field the last one is kept."""

    def __init__(self, fields: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        pairs = fields.items() if isinstance(fields, Mapping) else fields
        self._fields = {name.lower(): (name, value) for name, value in pairs}

    def __getitem__(self, name: str) -> str:
        return self._fields[name.lower()][1]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._fields

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._fields.values())

    def __len__(self) -> int:
        return len(self._fields)

    def __repr__(self) -> str:
        # Values hold tokens.
        return f"Headers({', '.join(self)})"


@dataclass(frozen=True)
class Request:
    """One HTTP request. `path` is decoded and without its query; `query` keeps order and repeats."""

    method: str
    path: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    @classmethod
    def of(
        cls,
        method: str,
        target: str,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Request:
        """A request for a target such as `/2025-03/1/orders?page=2`; the host of a full URL is dropped."""
        parts = urlsplit(target)
        return cls(method.upper(), parts.path, parse_qsl(parts.query, keep_blank_values=True), Headers(headers), body)

    def param(self, name: str, default: str = "") -> str:
        """The last value given for a query parameter, as PHP-like servers read it."""
        return next((value for key, value in reversed(self.query) if key == name), default)


@dataclass(frozen=True)
class Response:
    """One HTTP response; the server adds Content-Length and Date."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @classmethod
    def of_json(cls, status: int, content: Any, headers: Mapping[str, str] | None = None) -> Response:
        return cls(
            status,
            {"Content-Type": "application/json; charset=utf-8", **(headers or {})},
            msgspec.json.encode(content),
        )

    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class StandIn(Protocol):
    """A platform that answers requests; safe to call from several threads."""

    def handle(self, request: Request) -> Response: ...


def standing(now: datetime) -> Clock:
    """A clock that stands still at an aware instant: a stand-in built with it always shows the same state."""
    if now.tzinfo is None:
        raise ValueError("the sandbox's present must be an aware instant")
    fixed = now.astimezone(UTC)
    return lambda: fixed


__all__ = ["Clock", "Headers", "Request", "Response", "StandIn", "standing"]
