"""What is done once for a batch is what was done for every row: bytes, digests, addresses, times."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cortex.destinations._browser import ip_address
from cortex.destinations._digests import all_digests
from cortex.destinations._ready import Readying
from cortex.records import Conversion, Receipt
from cortex.warehouse import Warehouse
from tests.rooms.test_conversion_steps import Place, run_of, sold, went
from tests.rooms.test_conversion_steps import sale as order
from tests.rooms.test_meta_capi import NOW, sale

HEX = st.text("0123456789abcdef", min_size=63, max_size=65)


class Bench:
    """Judges rows older than a day unfit and writes what is left, counting both."""

    def __init__(self) -> None:
        self.judged = self.written = 0
        self.batches = Readying(self.unfit, self.encode)

    def unfit(self, one: Conversion, now: datetime) -> Receipt | None:
        self.judged += 1
        return Receipt(state="rejected") if now - one.occurred_at > timedelta(days=1) else None

    def encode(self, group: Sequence[Conversion]) -> bytes:
        self.written += 1
        return ",".join(one.order_id for one in group).encode()


def test_what_was_shown_is_what_is_taken_and_made_once():
    bench = Bench()
    batch = [sale(1), sale(2, occurred_at=NOW - timedelta(days=2)), sale(3)]
    assert bench.batches.show(batch, NOW) == b"1,3"
    ready = bench.batches.take(list(batch), NOW)
    assert (ready.body, [one.order_id for one in ready.fit]) == (b"1,3", ["1", "3"])
    assert [why is None for why in ready.unfit] == [True, False, True]
    assert (bench.judged, bench.written) == (3, 1)
    assert ready.body_of(ready.fit, bench.encode) is ready.body
    assert ready.body_of(ready.fit[1:], bench.encode) == b"3", "what is tried alone is written alone"


@pytest.mark.parametrize("other", [[sale(1)], [sale(2), sale(1)], [sale(1), sale(2, value=sale().value + 1)], []])
def test_another_batch_is_made_anew(other: list[Conversion]):
    bench = Bench()
    bench.batches.show([sale(1), sale(2)], NOW)
    assert bench.batches.take(other, NOW).body == bench.encode(other)


def test_the_same_batch_sent_again_later_is_judged_again():
    bench = Bench()
    batch = [sale(1)]
    bench.batches.show(batch, NOW)
    assert bench.batches.take(batch, NOW).body == b"1"
    assert bench.batches.take(batch, NOW + timedelta(days=2)).fit == []


@given(
    st.lists(
        HEX | st.text(max_size=66) | st.sampled_from(["a" * 64, "A" * 64, "a" * 63 + "\n", "٣" * 64, "a" * 63 + "ç"])
    )
)
def test_digests_looked_at_together_are_those_of_the_pattern(values: list[str]):
    assert all_digests(values) == all(re.fullmatch("[0-9a-f]{64}", value) for value in values)


ANY = st.integers(0, 255)
BORDERS = st.tuples(
    st.sampled_from([10, 100, 127, 169, 172, 192, 223, 224, 255]),
    st.sampled_from([0, 15, 16, 31, 32, 168, 254]), ANY, ANY,
)  # fmt: skip


@given(st.tuples(ANY, ANY, ANY, ANY) | BORDERS)
def test_addresses_of_buyers_and_of_private_networks(octets: tuple[int, int, int, int]):
    one, two = octets[:2]
    near = (
        one in {0, 10, 127} or one >= 224 or (one, two) in {(192, 168), (169, 254)} or (one == 172 and 16 <= two <= 31)
    )
    text = ".".join(map(str, octets))
    for typed in (text, f" {text} ", f"{text}:8080", f"{text}, 10.0.0.1"):
        assert ip_address(typed) == ("" if near else text)


def test_a_batch_is_written_down_at_one_time_however_the_clock_ticks(warehouse: Warehouse):
    """Row by row it would be as many statements as rows."""
    place = Place()
    place.batch = 4  # type: ignore[misc]
    sold(warehouse, *[order(name) for name in range(8)])
    ticks = itertools.count()
    run: Any = run_of(warehouse, {"meta_capi": place})
    run.clock = lambda: NOW + timedelta(milliseconds=next(ticks))
    went(run)
    held = warehouse.rows("SELECT sent_at, settled_at, next_attempt_at, created_at FROM conversion_outbox")
    assert len(held) == 8
    assert [len({row[name] for row in held}) for name in ("sent_at", "settled_at", "created_at")] == [2, 2, 1]
