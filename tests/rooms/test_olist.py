"""Olist: real Brazilian orders, to the cent, each in the window of its last change."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cortex.clock import Window, local_day
from cortex.errors import ConfigError
from cortex.records import Order
from cortex.secrets import Vault
from cortex.settings import Access
from cortex.stores.olist import Olist

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data"
SAMPLE = SHARED / "olist_sample"
SMALL = Path(__file__).parents[1] / "recorded" / "stores" / "olist"
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
EVERYTHING = Window(date(2016, 1, 1), date(2020, 1, 1))

needs_sample = pytest.mark.skipif(not SAMPLE.is_dir(), reason="the Olist sample is not here")


def olist(folder: Path, told: list[Any] | None = None, zone: ZoneInfo = SAO_PAULO) -> Olist:
    say = (told if told is not None else []).append
    access = Access("test", Vault("test", Path("/"), {}), zone, lambda: datetime(2026, 1, 1, tzinfo=UTC), say, say)
    return Olist(Olist.Config(path=folder), access)


@cache
def sample() -> tuple[Olist, list[Order]]:
    store = olist(SAMPLE)
    return store, list(store.orders(EVERYTHING))


def column(name: str, field: str) -> list[str]:
    with (SAMPLE / f"olist_{name}_dataset.csv").open(encoding="utf-8-sig", newline="") as handle:
        return [row[field] for row in csv.DictReader(handle)]


def cents(name: str, field: str) -> Decimal:
    return sum((Decimal(value) for value in column(name, field)), Decimal(0))


@needs_sample
def test_counts_are_those_of_the_files() -> None:
    _, orders = sample()
    assert len(orders) == len({order.external_id for order in orders}) == 8_135
    assert len({order.customer.store_id for order in orders}) == 8_016
    assert sum(len(order.lines) for order in orders) == 8_365
    assert sum(len(order.payments) for order in orders) == 8_924
    assert sum(1 for count in Counter(order.customer.store_id for order in orders).values() if count > 1) > 70


@needs_sample
def test_money_is_that_of_the_files_to_the_cent() -> None:
    _, orders = sample()
    assert sum(line.total for order in orders for line in order.lines) == cents("order_items", "price")
    assert sum(order.subtotal for order in orders) == cents("order_items", "price") == Decimal("1093264.35")
    assert sum(order.shipping for order in orders) == cents("order_items", "freight_value") == Decimal("172288.39")
    paid = sum(payment.amount for order in orders for payment in order.payments)
    assert paid == cents("order_payments", "payment_value") == Decimal("1428602.81")
    voided = sum(p.amount for order in orders if order.payment_status != "paid" for p in order.payments)
    assert sum(order.paid for order in orders) == paid - voided


@needs_sample
def test_statuses_in_our_words() -> None:
    _, orders = sample()
    seen = Counter((order.fulfilment_status, order.status, order.payment_status) for order in orders)
    assert seen == {
        ("delivered", "closed", "paid"): 5_172,
        ("shipped", "open", "paid"): 1_107,
        ("invoiced", "open", "paid"): 314,
        ("processing", "open", "paid"): 301,
        ("approved", "open", "paid"): 2,
        ("created", "open", "pending"): 5,
        ("canceled", "cancelled", "voided"): 625,
        ("unavailable", "cancelled", "voided"): 609,
    }
    for order in orders:
        assert (order.paid_at is not None) == (order.payment_status == "paid") == (order.paid > 0)
        assert all(payment.status == order.payment_status for payment in order.payments)


@needs_sample
@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 400), min_size=1, max_size=12), st.sampled_from(["America/Sao_Paulo", "UTC"]))
def test_windows_of_any_size_give_each_order_once(sizes: list[int], zone: str) -> None:
    store = olist(SAMPLE, zone=ZoneInfo(zone)) if zone != "America/Sao_Paulo" else sample()[0]
    since, seen = EVERYTHING.since, []
    while since < EVERYTHING.until:
        until = min(since + timedelta(days=sizes[len(seen) % len(sizes)]), EVERYTHING.until)
        window = Window(since, until)
        for order in store.orders(window):
            assert local_day(order.updated_at, ZoneInfo(zone)) in window
            seen.append(order.external_id)
        since = until
    assert len(seen) == len(set(seen)) == 8_135


@needs_sample
def test_the_change_day_is_that_of_the_latest_timestamp() -> None:
    _, orders = sample()
    latest = {}
    with (SAMPLE / "olist_orders_dataset.csv").open(encoding="utf-8", newline="") as handle:
        for row in csv.DictReader(handle):
            times = [row[f"order_{what}"] for what in (
                "purchase_timestamp", "approved_at", "delivered_carrier_date", "delivered_customer_date",
            )]  # fmt: skip
            latest[row["order_id"]] = max(times)[:10]
    assert {order.external_id: str(local_day(order.updated_at, SAO_PAULO)) for order in orders} == latest


@needs_sample
def test_check_tells_what_is_in_the_folder() -> None:
    account = olist(SAMPLE).check()
    assert account.currency == "BRL"
    assert account.note.startswith("8135 orders, 2016-10-04 → 2018-10-17")


def test_an_order_with_everything() -> None:
    found = {order.external_id[-1]: order for order in olist(SMALL).orders(EVERYTHING)}
    first = found["1"]
    assert first.created_at == datetime(2018, 3, 1, 13, 15, tzinfo=UTC)
    assert first.delivered_at == first.updated_at == datetime(2018, 3, 6, 20, 40, tzinfo=UTC)
    assert (first.subtotal, first.shipping, first.total) == (Decimal("199.80"), Decimal("24.70"), Decimal("224.50"))
    assert [(p.sequence, p.method, p.installments, p.amount) for p in first.payments] == [
        (1, "credit_card", 3, Decimal("174.50")),
        (2, "voucher", 1, Decimal("50.00")),
    ]
    line = first.lines[0]
    assert (line.line, line.category, line.name, line.quantity) == (
        1,
        "moveis_decoracao",
        "moveis_decoracao f1000000",
        1,
    )
    assert (first.customer.store_id[-2:], first.customer.email) == ("01", "")
    assert (first.city, first.state, first.postal_prefix, first.country) == ("sao paulo", "SP", "01310", "BR")
    # One person, two orders: `customer_id` alone would make two.
    assert found["3"].customer.store_id == first.customer.store_id


def test_an_order_whose_items_are_missing_has_the_total_that_was_paid() -> None:
    found = {order.external_id[-1]: order for order in olist(SMALL).orders(EVERYTHING)}["3"]
    assert (found.lines, found.total, found.paid, found.payment_status) == ([], Decimal("81.10"), 0, "voided")
    assert found.payments[0].installments == 1


def test_a_wall_time_of_the_old_summer_time_lands_on_its_own_day() -> None:
    """17 February 2018, 23:30, was the hour that came twice: the first is meant, and the day is the 17th."""
    [shipped] = [order for order in olist(SMALL).orders(EVERYTHING) if order.external_id.endswith("5")]
    assert shipped.created_at == datetime(2018, 2, 18, 1, 30, tzinfo=UTC)
    assert local_day(shipped.created_at, SAO_PAULO) == date(2018, 2, 17)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for file in SMALL.glob("*.csv"):
        shutil.copy(file, tmp_path)
    (tmp_path / "olist_order_payments_dataset.csv").unlink()
    with pytest.raises(ConfigError) as caught:
        olist(tmp_path).check()
    assert caught.value.code == "CTX-3080"
    assert "olist_order_payments_dataset.csv" in caught.value.message


def test_another_header_shows_what_was_expected_and_what_was_found(tmp_path: Path) -> None:
    for file in SMALL.glob("*.csv"):
        shutil.copy(file, tmp_path)
    items = tmp_path / "olist_order_items_dataset.csv"
    items.write_text(items.read_text(encoding="utf-8").replace('"price"', '"preco"'), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        olist(tmp_path).check()
    assert caught.value.code == "CTX-3081"
    assert "expected order_id, order_item_id, product_id, seller_id, price, freight_value" in caught.value.message
    assert "found order_id, order_item_id, product_id, seller_id, shipping_limit_date, preco" in caught.value.message
    items.write_text(items.read_text(encoding="utf-8").replace('"preco"', '"price"') + '"x","1"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=":7 has 2 columns"):
        olist(tmp_path).check()


def test_files_saved_by_a_spreadsheet_still_read(tmp_path: Path) -> None:
    """A byte order mark, columns in another order, blank lines, a prefix that lost its zero."""
    for file in SMALL.glob("*.csv"):
        with file.open(encoding="utf-8", newline="") as handle:
            header, *rows = csv.reader(handle)
        turned = [row[::-1] for row in (header, *rows)]
        lines = [",".join(value.removeprefix("0") if value == "01310" else value for value in row) for row in turned]
        (tmp_path / file.name).write_text("\ufeff" + "\n".join(lines) + "\n\n", encoding="utf-8")
    assert {order.postal_prefix for order in olist(tmp_path).orders(EVERYTHING)} == {"01310", "20040", "30130", "80010"}
    told = [(order.external_id, order.total, order.customer.store_id) for order in olist(tmp_path).orders(EVERYTHING)]
    assert told == [
        (order.external_id, order.total, order.customer.store_id) for order in olist(SMALL).orders(EVERYTHING)
    ]


@pytest.mark.parametrize(
    ("file", "old", "new", "reason"),
    [
        ("orders", "2018-03-05 22:05:00", "ontem", "date"),
        ("orders", '"canceled"', '"lost"', "order_status"),
        ("customers", '"c1000000000000000000000000000002"', '"c9"', "customer"),
        ("order_payments", '"boleto",1,57.72', '"boleto",1,NaN', "payment_value"),
        ("order_payments", '"boleto",1,57.72', '"boleto",-1,57.72', "instalments"),
    ],
)
def test_a_record_that_cannot_be_trusted_is_set_aside(
    tmp_path: Path, file: str, old: str, new: str, reason: str
) -> None:
    for csv_file in SMALL.glob("*.csv"):
        shutil.copy(csv_file, tmp_path)
    target = tmp_path / f"olist_{file}_dataset.csv"
    text = target.read_text(encoding="utf-8")
    assert old in text
    target.write_text(text.replace(old, new), encoding="utf-8")
    told: list[Any] = []
    assert len(list(olist(tmp_path, told).orders(EVERYTHING))) == 4
    [bad] = told
    assert bad.key == "a1000000000000000000000000000002"
    assert reason in bad.reason
