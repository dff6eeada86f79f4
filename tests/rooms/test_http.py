"""The HTTP client against a server that misbehaves: every answer is exact, or a named error, and in time."""

from __future__ import annotations

import gzip
import socket
import time
import traceback
import zlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from cortex.errors import CortexError, CredentialError, PlatformError, Throttled, Transient
from cortex.http import MAX_BYTES, Bucket, Client, Limits, retry_after
from tests.faulty import CLOSE, RESET, FaultyServer, Step, dripping, reply

SHORT = Limits(connect=2.0, read=0.4, total=0.8, attempts=1)
BODY = b'[{"id":1},{"id":2}]'
ZIPPED = gzip.compress(BODY * 20)


def chunked(*parts: bytes, encoding: str = "identity", end: bytes = b"0\r\n\r\n") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: {encoding}\r\n"
    frames = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts)
    return head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + frames + end


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(b" " * (1 << 20)) for _ in range(megabytes)) + packer.flush()


FAULTS: dict[str, tuple[Callable[[], Iterable[Step]], type[CortexError], str]] = {
    "closed before an answer": (lambda: [CLOSE], Transient, "CTX-4015"),
    "reset before an answer": (lambda: [RESET], Transient, "CTX-4015"),
    "not HTTP": (lambda: [b"SSH-2.0-Server\r\n"], Transient, "CTX-4015"),
    "300 headers": (
        lambda: [b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: a\r\n" % i for i in range(300)) + b"\r\n"],
        Transient,
        "CTX-4015",
    ),
    "no answer": (lambda: [9.0], Transient, "CTX-4015"),
    "truncated": (lambda: [reply(200, BODY[:7], length=len(BODY)), CLOSE], Transient, "CTX-4018"),
    "reset mid body": (lambda: [reply(200, BODY[:7], length=len(BODY)), RESET], Transient, "CTX-4018"),
    "truncated between chunks": (lambda: [chunked(BODY, end=b""), CLOSE], Transient, "CTX-4018"),
    "truncated inside a chunk": (lambda: [chunked(BODY)[:-12], CLOSE], Transient, "CTX-4018"),
    "broken gzip": (
        lambda: [reply(200, ZIPPED[:20] + b"xxxx" + ZIPPED[24:], Content_Encoding="gzip")],
        Transient,
        "CTX-4018",
    ),
    "cut JSON of the announced length": (lambda: [reply(200, BODY[:7])], Transient, "CTX-4021"),
    "cut gzip of the announced length": (
        lambda: [reply(200, ZIPPED[:-12], Content_Encoding="gzip")],
        Transient,
        "CTX-4021",
    ),
    "empty body": (lambda: [reply(200, b"")], Transient, "CTX-4021"),
    "NaN": (lambda: [reply(200, b'[{"total":NaN}]')], Transient, "CTX-4021"),
    "lone surrogate": (lambda: [reply(200, b'["\\ud800"]')], Transient, "CTX-4021"),
    "web page with 200": (lambda: [reply(200, b"<!doctype html>", Content_Type="text/html")], Transient, "CTX-4019"),
    "web page said to be JSON": (lambda: [reply(200, b"<html></html>")], Transient, "CTX-4019"),
    "number beyond any double": (lambda: [reply(200, b"[1e400]")], PlatformError, "CTX-4020"),
    "429": (lambda: [reply(429, b"{}")], Throttled, "CTX-4010"),
    "500": (lambda: [reply(500, b"{}")], Transient, "CTX-4011"),
    "503": (lambda: [reply(503, b"{}")], Transient, "CTX-4011"),
    "503 that says when": (lambda: [reply(503, b"{}", Retry_After="3")], Throttled, "CTX-4010"),
    "401": (lambda: [reply(401, b"{}")], CredentialError, "CTX-4004"),
    "403": (lambda: [reply(403, b"{}")], CredentialError, "CTX-4004"),
    "404": (lambda: [reply(404, b"{}")], PlatformError, "CTX-4012"),
    "one byte per 50 ms": (lambda: [reply(200, b"", length=999), *dripping(b" " * 99)], Transient, "CTX-4016"),
    "header dripping": (lambda: [b"HTTP/1.1 200 OK\r\nX: ", *dripping(b"a" * 99)], Transient, "CTX-4016"),
    "gzip head dripping": (
        lambda: [
            reply(200, b"", length=999, Content_Encoding="gzip") + b"\x1f\x8b\x08\x08" + b"\0" * 6,
            *dripping(b"a" * 99),
        ],
        Transient,
        "CTX-4016",
    ),
    "chunk size dripping": (lambda: [chunked(end=b"5;"), *dripping(b"a" * 99)], Transient, "CTX-4016"),
    "100 Continue for ever": (
        lambda: [step for _ in range(99) for step in (b"HTTP/1.1 100 Continue\r\n\r\n", 0.05)],
        Transient,
        "CTX-4016",
    ),
    "silence just before the deadline": (
        lambda: [reply(200, b"[", length=999), 0.25, b" ", 0.25, b" ", 0.25, b" ", 9.0],
        Transient,
        "CTX-4016",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_a_named_error_within_the_deadline(fault: str) -> None:
    script, kind, code = FAULTS[fault]
    started = time.monotonic()
    with FaultyServer(lambda _path, _query: script()) as server, Client("Shop", server.url, limits=SHORT) as client:
        with pytest.raises(kind) as caught:
            client.get("/orders")
        assert time.monotonic() - started < SHORT.total + 1.0, "each request ends by its deadline + 1 s"
    assert caught.value.code == code
    assert type(caught.value) is kind
    assert "Shop" in caught.value.message


def test_a_gzip_bomb_is_not_inflated() -> None:
    answer = reply(200, bomb((MAX_BYTES >> 20) + 8), Content_Encoding="gzip")
    with (
        FaultyServer(lambda _path, _query: [answer]) as server,
        Client("Shop", server.url) as client,
        pytest.raises(PlatformError) as caught,
    ):
        client.get("/orders")
    assert caught.value.code == "CTX-4017"
    assert server.asked == 1


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, BODY),
        chunked(BODY),
        chunked(BODY[:5], BODY[5:]),
        chunked(gzip.compress(BODY), encoding="gzip"),
        reply(200, gzip.compress(BODY), Content_Encoding="gzip"),
        reply(200, BODY + b"more than announced", length=len(BODY)),
    ],
)
def test_a_whole_answer_arrives_in_any_packaging(answer: bytes) -> None:
    with FaultyServer(lambda _path, _query: [answer]) as server, Client("Shop", server.url, limits=SHORT) as client:
        assert client.get("/orders").value == [{"id": 1}, {"id": 2}]
        assert client.get("/orders").value == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize("fault", ["closed before an answer", "truncated", "web page with 200", "500", "429"])
def test_what_passes_is_tried_again(fault: str) -> None:
    script, _, _ = FAULTS[fault]
    answers = iter([script(), script(), [reply(200, BODY)]])
    waits: list[float] = []
    limits = Limits(read=1.0, total=2.0, attempts=3)
    with (
        FaultyServer(lambda _path, _query: next(answers)) as server,
        Client("Shop", server.url, limits=limits, sleep=waits.append, jitter=lambda: 1.0) as client,
    ):
        assert len(client.get("/orders").value) == 2
    assert waits == [0.5, 1.0]


def test_a_refused_credential_is_never_tried_again() -> None:
    with FaultyServer(lambda _path, _query: [reply(401, b"{}")]) as server, Client("Shop", server.url) as client:
        with pytest.raises(CredentialError):
            client.get("/orders")
        assert server.asked == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("", 0.0), ("soon", 0.0), ("nan", 0.0)],
)
def test_retry_after_in_seconds(header: str, seconds: float) -> None:
    assert retry_after({"Retry-After": header}) == seconds


def test_retry_after_as_a_date() -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert retry_after({"Retry-After": format_datetime(now + timedelta(seconds=90), usegmt=True)}, now) == 90.0
    assert retry_after({"Retry-After": format_datetime(now - timedelta(seconds=90), usegmt=True)}, now) == 0.0


def test_the_wait_a_platform_asks_for_is_kept_and_bounded() -> None:
    waits: list[float] = []
    limits = Limits(attempts=4, patience=20.0)
    with (
        FaultyServer(lambda _path, _query: [reply(429, b"{}", Retry_After="7")]) as server,
        Client("Shop", server.url, limits=limits, sleep=waits.append) as client,
    ):
        with pytest.raises(Throttled) as caught:
            client.get("/orders")
        assert server.asked == 3
    assert waits == [7.0, 7.0]
    assert caught.value.retry_after == 7.0


def test_a_post_is_sent_once_and_says_whether_it_may_have_arrived() -> None:
    with FaultyServer(lambda _path, _query: [CLOSE]) as server, Client("Meta", server.url, limits=SHORT) as client:
        with pytest.raises(Transient) as lost:
            client.post("/events", b"{}")
        assert server.asked == 1
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with Client("Meta", f"http://127.0.0.1:{port}", limits=SHORT) as client, pytest.raises(Transient) as refused:
        client.post("/events", b"{}")
    assert lost.value.sent is True
    assert refused.value.sent is False


def test_a_redirect_is_not_followed_with_the_token() -> None:
    with FaultyServer(lambda _path, _query: [reply(200, b"[]")]) as elsewhere:
        moved = reply(302, b"", Location=f"{elsewhere.url}/orders")
        with (
            FaultyServer(lambda _path, _query: [moved]) as server,
            Client("Shop", server.url) as client,
            pytest.raises(PlatformError),
        ):
            client.get("/orders")
        assert elsewhere.asked == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_no_error_tells_the_token_or_the_query(fault: str) -> None:
    script, _, _ = FAULTS[fault]
    token, person = (f"canary-{what}" for what in ("token", "person@example.com"))
    with (
        FaultyServer(lambda _path, _query: script()) as server,
        Client("Shop", server.url, {"Authorization": token}, limits=Limits(read=0.05, total=0.1, attempts=1)) as client,
        pytest.raises(CortexError) as caught,
    ):
        client.get("/orders", {"q": person})
    told = "".join(traceback.format_exception(caught.value))
    assert token not in told
    assert person not in told


def test_the_bucket_fills_at_once_and_then_leaks_at_the_platforms_pace() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    bucket = Bucket(per_second=2.0, burst=40.0)
    with (
        FaultyServer(lambda _path, _query: [reply(200, b"[]")]) as server,
        Client("Shop", server.url, bucket=bucket, sleep=sleep, monotonic=lambda: now[0]) as client,
    ):
        for _ in range(100):
            client.get("/orders")
    assert now[0] == pytest.approx((100 - 40) / 2.0, rel=0.05)
