"""The one HTTP client of the house: an answer is whole, well-formed and in time, or a named error.

Everything that can go wrong between two machines is inside one retry scope: status, deadline, length, content
type, JSON, and the caller's own check of the page. Tokens travel in headers only.
"""

from __future__ import annotations

import functools
import http.client
import io
import math
import random
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import msgspec
import requests
import urllib3
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from cortex import crash
from cortex.errors import CortexError, CredentialError, PlatformError, Throttled, Transient
from cortex.limits import UNSHARED, Pace

T = TypeVar("T")

MAX_BYTES = 64 * 1024 * 1024
"""Largest body taken, after decompression: a page is a few MB; more is an accident or an attack."""


@dataclass(frozen=True)
class Reply(Generic[T]):
    """A whole answer. `value` is what `decode` made of the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    value: T


@dataclass
class Bucket:
    """A leaky bucket: `burst` requests at once, then `per_second`. Tightened by what the platform's headers say."""

    per_second: float
    burst: float
    _level: float = 0.0
    _at: float | None = None

    def wait(self, now: float) -> float:
        """Count one request; how many seconds to hold it back."""
        passed = 0.0 if self._at is None else now - self._at
        self._at = now
        self._level = max(0.0, self._level - passed * self.per_second) + 1.0
        return max(0.0, (self._level - self.burst) / self.per_second)

    def observe(self, used: float) -> None:
        """The platform says this many are in the bucket (others use it too)."""
        self._level = max(self._level, used)


@dataclass(frozen=True)
class Limits:
    """Seconds, except `attempts`. `total` bounds one attempt from first byte sent to last byte read."""

    connect: float = 5.0
    read: float = 30.0
    total: float = 90.0
    attempts: int = 6
    first_pause: float = 0.5
    longest_pause: float = 60.0
    patience: float = 600.0
    """Longest sum of pauses for one request."""


def json_value(body: bytes) -> Any:
    """Decode strict JSON: NaN, infinities and lone surrogates are refused."""
    return msgspec.json.decode(body)


def default_error(platform: str) -> Callable[[int, Mapping[str, str], bytes], CortexError]:
    """What a status means where the platform has no words of its own."""

    def judge(status: int, headers: Mapping[str, str], _body: bytes) -> CortexError:
        if status == 429:
            return Throttled("CTX-4010", f"{platform} asks to slow down (429).", retry_after=retry_after(headers))
        if status in {401, 403}:
            return CredentialError(
                "CTX-4004",
                f"{platform} refused the credential ({status}).",
                fix="Check or renew the token, then run `cortex doctor`.",
            )
        if status == 503 and retry_after(headers):
            return Throttled("CTX-4010", f"{platform} asks to wait (503).", retry_after=retry_after(headers))
        if status in {408, 425} or status >= 500:
            return Transient("CTX-4011", f"{platform} answered {status}.")
        return PlatformError("CTX-4012", f"{platform} refused the request ({status}).")

    return judge


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float:
    """Seconds to wait as `Retry-After` says (seconds or an HTTP date); 0 when it does not."""
    text = headers.get("Retry-After", "").strip()
    if not text:
        return 0.0
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (at.astimezone(UTC) - (now or datetime.now(UTC))).total_seconds())


@dataclass
class _Deadline:
    """When the attempt under way must be over, on the clock `monotonic`, and how long one read may wait."""

    read: float
    monotonic: Callable[[], float]
    at: float = math.inf

    def wait(self) -> float:
        """Seconds the next read may take. Raises TimeoutError once the moment has passed."""
        left = self.at - self.monotonic()
        if left <= 0:
            raise TimeoutError("deadline")
        return min(left, self.read)


class _TimedReader(io.RawIOBase):
    """Bytes of an answer as they arrive, each wait cut at the deadline of the whole attempt.

    A socket's own timeout starts anew with every byte, so a header, a chunk size or the head of a gzip stream that
    drips would hold a run for ever.
    """

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, deadline: _Deadline) -> None:
        self._sock, self._raw, self._deadline = sock, raw, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline.wait())
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, deadline: _Deadline, **named: Any) -> None:
        super().__init__(sock, *args, **named)
        self.fp: Any = io.BufferedReader(_TimedReader(sock, self.fp.detach(), deadline))


class _Transport(HTTPAdapter):
    """Sockets whose answers end by the deadline. Never retries by itself: the retry scope is the Client's."""

    def __init__(self, deadline: _Deadline) -> None:
        response = functools.partial(_TimedResponse, deadline=deadline)
        plain = type("Connection", (HTTPConnection,), {"response_class": response})
        secure = type("SecureConnection", (HTTPSConnection,), {"response_class": response})
        self._pools = {
            "http": type("Pool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("SecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        super().init_poolmanager(*args, **named)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **named)
        manager.pool_classes_by_scheme = self._pools
        return manager


class _Guarded(_Transport):
    """The same sockets under a vendor's SDK, which sends through `requests` by itself."""

    def __init__(self, limits: Limits) -> None:
        self._timer = _Deadline(limits.read, time.monotonic)
        self._total = limits.total
        super().__init__(self._timer)

    def send(self, *args: Any, **named: Any) -> requests.Response:
        self._timer.at = self._timer.monotonic() + self._total
        return super().send(*args, **named)


def guard(session: requests.Session, base_url: str, limits: Limits) -> None:
    """Teach a vendor SDK's session the habits of this house: answers end in `limits.total` seconds, a ~/.netrc does
    not overwrite a tenant's credential, and no redirect carries it elsewhere (TooManyRedirects instead)."""
    session.trust_env = False
    session.proxies.update(requests.utils.get_environ_proxies(base_url))
    session.max_redirects = 0
    transport = _Guarded(limits)
    session.mount("https://", transport)
    session.mount("http://", transport)


class Shifted(Transient):
    """The pages of one list do not fit together: the list is to be read again from its start."""


def persist(
    once: Callable[[], T],
    limits: Limits,
    *,
    attempts: int | None = None,
    only: type[Transient] = Transient,
    pace: Pace = UNSHARED,
    sleep: Callable[[float], None] = time.sleep,
    jitter: Callable[[], float] = random.random,
) -> T:
    """Call `once` until it raises no Transient, with growing pauses or those the platform asks for.

    only: the kind to try again after (around requests that are tried again themselves, `Shifted`, or their attempts
    would multiply). Raises the last one when the attempts are spent or waiting on would exceed `limits.patience`;
    every other error at once. pace: what the call shares with other runs; a pause they were asked for counts as asked
    here, and one asked for here is passed on.
    """
    last, waited = attempts or limits.attempts, 0.0
    for attempt in range(1, last + 1):
        waited += _held(pace, limits.patience - waited, sleep)
        try:
            return once()
        except only as failure:
            asked = failure.retry_after if isinstance(failure, Throttled) else 0.0
            if isinstance(failure, Throttled) and asked:
                pace.told(failure.scope, asked)
            backoff = min(limits.longest_pause, limits.first_pause * 2 ** (attempt - 1))
            pause = max(asked, backoff * (0.5 + jitter() / 2))
            if attempt == last or waited + pause > limits.patience:
                raise
            waited += pause
            sleep(pause)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _held(pace: Pace, patience: float, sleep: Callable[[float], None]) -> float:
    """Wait for what is shared; how long it took. Raises Throttled CTX-5101 instead of waiting beyond `patience`."""
    pause = pace.hold()
    if pause > patience:
        raise Throttled(
            "CTX-5101",
            f"The platform asked another run of this account or app to wait; {pause:.0f} s of that are left.",
            retry_after=pause,
        )
    if pause > 0:
        sleep(pause)
    return pause


@dataclass
class Client:
    """A session with one platform on behalf of one tenant. Not shared between tenants, nor between threads.

    platform: its name, for messages. error: turns a status outside `accept` into a named error.
    adapter: another transport than sockets (tests). sleep, monotonic, jitter: seams for tests.
    """

    platform: str
    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    bucket: Bucket | None = None
    pace: Pace = UNSHARED
    """What the calls share with other clients' runs (`Adapter.pace`)."""
    error: Callable[[int, Mapping[str, str], bytes], CortexError] | None = None
    observe: Callable[[Mapping[str, str]], None] | None = None
    """Called with the headers of every answer: rate limits live there."""
    adapter: BaseAdapter | None = None
    sleep: Callable[[float], None] = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    requests_sent: int = 0

    def __post_init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False  # a ~/.netrc must not overwrite a tenant's Authorization
        self._session.proxies.update(requests.utils.get_environ_proxies(self.base_url))
        self._session.headers.update({"Accept": "application/json", "Accept-Encoding": "gzip", **self.headers})
        self._deadline = _Deadline(self.limits.read, self.monotonic)
        transport = self.adapter or _Transport(self._deadline)
        self._session.mount("https://", transport)
        self._session.mount("http://", transport)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._session.close()

    def get(
        self,
        path: str,
        params: Mapping[str, str | int] | None = None,
        *,
        decode: Callable[[bytes], T] = json_value,
        accept: tuple[int, ...] = (200,),
        check: Callable[[Reply[T]], None] | None = None,
    ) -> Reply[T]:
        """GET until an answer passes every check. `check` raises Transient for a page that cannot be right.

        Raises the platform's named error, Transient when the attempts are spent, Throttled when waiting as
        asked would exceed `limits.patience`.
        """
        return self._until_good("GET", path, params, None, decode, accept, check, self.limits.attempts)

    def post(
        self,
        path: str,
        body: bytes,
        *,
        content_type: str = "application/json",
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        decode: Callable[[bytes], T] = json_value,
        accept: tuple[int, ...] = (200,),
        attempts: int = 1,
    ) -> Reply[T]:
        """POST once, or `attempts` times where the caller knows that repeating is harmless.

        A Transient whose `sent` is true means the platform may have acted on it.
        """
        extra = {"Content-Type": content_type, **(headers or {})}
        return self._until_good("POST", path, params, (body, extra), decode, accept, None, attempts)

    def _until_good(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        payload: tuple[bytes, Mapping[str, str]] | None,
        decode: Callable[[bytes], T],
        accept: tuple[int, ...],
        check: Callable[[Reply[T]], None] | None,
        attempts: int,
    ) -> Reply[T]:
        def once() -> Reply[T]:
            reply = self._once(method, path, params, payload, decode, accept)
            if check is not None:
                check(reply)
            return reply

        return persist(once, self.limits, attempts=attempts, pace=self.pace, sleep=self.sleep, jitter=self.jitter)

    def _once(
        self,
        method: str,
        path: str,
        params: Mapping[str, str | int] | None,
        payload: tuple[bytes, Mapping[str, str]] | None,
        decode: Callable[[bytes], T],
        accept: tuple[int, ...],
    ) -> Reply[T]:
        if self.bucket is not None:
            hold = self.bucket.wait(self.monotonic())
            if hold > 0:
                self.sleep(hold)
        url = self.base_url + path + (f"?{urlencode(params)}" if params else "")
        body, extra = payload or (None, {})
        self._deadline.at = self.monotonic() + self.limits.total
        self.requests_sent += 1
        crash.point("fetch")
        try:
            response = self._session.request(
                method,
                url,
                data=body,
                headers=dict(extra),
                stream=True,
                allow_redirects=False,  # a redirect would carry the token to another host
                timeout=(self.limits.connect, self.limits.read),
            )
        except requests.exceptions.ConnectTimeout:
            raise Transient(
                "CTX-4013", f"{self.platform} did not accept the connection in {self.limits.connect:g} s."
            ) from None
        except requests.exceptions.SSLError:
            raise PlatformError("CTX-4014", f"The TLS certificate of {self.platform} cannot be verified.") from None
        except requests.exceptions.RequestException as failure:
            if self._overdue():
                raise self._too_slow() from None
            raise Transient(
                "CTX-4015",
                f"The connection to {self.platform} broke ({type(failure).__name__}).",
                sent=_may_have_arrived(failure),
            ) from None
        try:
            content = self._read(response)
        finally:
            response.close()
        crash.point("fetched")
        headers = response.headers
        if self.observe is not None:
            self.observe(headers)
        if response.status_code not in accept:
            raise self._judge(response.status_code, headers, content)
        value = self._decode(decode, content, headers)
        crash.point("parsed")
        return Reply(response.status_code, headers, content, value)

    def _judge(self, status: int, headers: Mapping[str, str], content: bytes) -> CortexError:
        judge = self.error or default_error(self.platform)
        failure = judge(status, headers, content)
        if isinstance(failure, Transient) and status >= 500:
            failure.sent = True
        return failure

    def _overdue(self) -> bool:
        return self.monotonic() >= self._deadline.at

    def _too_slow(self) -> Transient:
        return Transient(
            "CTX-4016", f"{self.platform} took longer than {self.limits.total:g} s for one answer.", sent=True
        )

    def _read(self, response: requests.Response) -> bytes:
        """The whole body within the deadline and the cap. Short bodies raise: urllib3 enforces Content-Length."""
        parts: list[bytes] = []
        size = 0
        raw = response.raw
        try:
            while True:
                part = raw.read1(65536, decode_content=True)
                if self._overdue():
                    raise self._too_slow()
                if not part:
                    if raw.closed or _exhausted(raw):
                        break
                    continue
                size += len(part)
                if size > MAX_BYTES:
                    raise PlatformError(
                        "CTX-4017", f"{self.platform} sent more than {MAX_BYTES >> 20} MB in one answer."
                    )
                parts.append(part)
        except (urllib3.exceptions.HTTPError, OSError) as failure:
            if self._overdue():
                raise self._too_slow() from None
            raise Transient(
                "CTX-4018", f"An answer of {self.platform} was cut short ({type(failure).__name__}).", sent=True
            ) from None
        return b"".join(parts)

    def _decode(self, decode: Callable[[bytes], T], content: bytes, headers: Mapping[str, str]) -> T:
        kind = headers.get("Content-Type", "")
        if "html" in kind.lower() or content[:1] == b"<":
            raise Transient("CTX-4019", f"{self.platform} answered a web page where data was due.", sent=True)
        try:
            return decode(content)
        except msgspec.ValidationError as failure:
            raise PlatformError(
                "CTX-4020", f"An answer of {self.platform} has another shape than documented: {failure}."
            ) from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Transient("CTX-4021", f"An answer of {self.platform} is not valid JSON.", sent=True) from None


def _may_have_arrived(failure: requests.exceptions.RequestException) -> bool:
    """Whether the request can have reached the platform: not when the connection was never made."""
    reason = getattr(failure.args[0] if failure.args else None, "reason", None)
    return not isinstance(reason, urllib3.exceptions.NewConnectionError | urllib3.exceptions.NameResolutionError)


def _exhausted(raw: Any) -> bool:
    """Whether urllib3 has handed out the last byte (an empty read may also mean a pending gzip block)."""
    inner = getattr(raw, "_fp", None)
    return inner is None or bool(getattr(inner, "isclosed", lambda: True)())
