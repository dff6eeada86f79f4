"""Answers that are far too large (F14): they end at the cap with a named error, and the memory of the run stays small."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections.abc import Iterable

import pytest

from cortex.http import MAX_BYTES
from tests.faulty import FaultyServer, Step, reply

MOST_MEMORY = 300
"""MB of the process that reads."""
READER = """
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo
from cortex.clock import Window
from cortex.errors import CortexError
from cortex.secrets import Vault
from cortex.settings import Access
from cortex.stores.nuvemshop import Nuvemshop

vault = Vault("test", Path("."), {"CORTEX_TEST_NUVEMSHOP_TOKEN": "token-of-nobody"})
told = []
access = Access(
    "test", vault, ZoneInfo("America/Sao_Paulo"), lambda: datetime(2026, 3, 10, 12, tzinfo=UTC), told.append,
    told.append, sleep=lambda _seconds: None,
)
store = Nuvemshop(Nuvemshop.Config(store_id="1", api_url=sys.argv[1]), access)
try:
    said = str(sum(1 for _ in store.orders(Window(date(2026, 3, 1), date(2026, 3, 9)))))
except CortexError as failure:
    said = failure.code
# Not ru_maxrss: a child begins with that of the process that started it.
print(said, int(open("/proc/self/status").read().partition("VmHWM:")[2].split()[0]) // 1024)
"""
MEGABYTE = 1 << 20
ORDER = {
    "id": 1, "number": 1, "status": "open", "payment_status": "pending", "currency": "BRL", "subtotal": "10.00",
    "discount": "0.00", "shipping_cost_customer": "0.00", "total": "10.00",
    "created_at": "2026-03-05T12:00:00+0000", "updated_at": "2026-03-05T12:00:00+0000",
    "products": [{"product_id": 1, "name": "Caneca", "price": "10.00", "quantity": 1}],
}  # fmt: skip


def plain(megabytes: int) -> Iterable[Step]:
    """One order with a note that does not end."""
    yield reply(200, b"", megabytes * MEGABYTE, X_Total_Count="1") + b'[{"note":"'
    for _ in range(megabytes):
        yield b"x" * MEGABYTE


def bomb(megabytes: int) -> Iterable[Step]:
    packer = zlib.compressobj(9, wbits=31)
    packed = b"".join(packer.compress(b" " * MEGABYTE) for _ in range(megabytes)) + packer.flush()
    yield reply(200, packed, Content_Encoding="gzip", X_Total_Count="1")


def chunks(megabytes: int) -> Iterable[Step]:
    """No length at all: chunk after chunk."""
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    for _ in range(megabytes):
        yield f"{MEGABYTE:x}\r\n".encode() + b" " * MEGABYTE + b"\r\n"


def field(megabytes: int, where: str) -> Iterable[Step]:
    words = "palavra " * (megabytes * MEGABYTE // 8)
    order = ORDER | ({"products": [{**ORDER["products"][0], "name": words}]} if where == "name" else {where: words})  # type: ignore[index, dict-item]
    yield reply(200, json.dumps([order]).encode(), X_Total_Count="1")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda: plain(200), "CTX-4017"),
        (lambda: chunks(200), "CTX-4017"),
        (lambda: bomb(400), "CTX-4017"),
        (lambda: bomb((MAX_BYTES >> 20) + 1), "CTX-4017"),
        (lambda: field(20, "note"), "1"),
        (lambda: field(20, "name"), "1"),
    ],
    ids=[
        "page of 200 MB",
        "chunks without end",
        "bomb of 400 MB",
        "bomb just above the cap",
        "note of 20 MB",
        "name of 20 MB",
    ],
)
def test_a_huge_answer_ends_at_the_cap_and_in_little_memory(answer: object, said: str) -> None:
    assert callable(answer)
    with FaultyServer(lambda _path, query: answer() if query.get("payment_status") == "any" else [EMPTY]) as server:
        done = subprocess.run(
            [sys.executable, "-c", READER, server.url], capture_output=True, text=True, timeout=120, check=True
        )
    code, memory = done.stdout.split()
    assert code == said
    assert int(memory) < MOST_MEMORY


EMPTY = reply(404, b'{"code":404,"message":"Not Found","description":"Last page is 0"}')
