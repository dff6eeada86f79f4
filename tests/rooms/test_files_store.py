"""Orders from a file: what people's spreadsheets hold is read for what it means, and what is no order says so."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cortex.errors import BadRecord, ConfigError
from cortex.records import Notice, Order
from cortex.secrets import Vault
from cortex.settings import Access
from cortex.stores.files import LINE, ORDER, Files

ROOT = Path(__file__).resolve().parents[2]


def read(folder: Path, text: str | bytes) -> tuple[list[Order], list[BadRecord], list[Notice]]:
    file = folder / "orders.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    bad: list[BadRecord] = []
    told: list[Notice] = []
    access = Access(
        "t", Vault("t", folder, {}), ZoneInfo("America/Sao_Paulo"), notice=told.append, quarantine=bad.append
    )
    store = Files(Files.Config(path=Path("orders.csv")), access)
    return list(store.orders(store.span())), bad, told


@pytest.mark.parametrize(
    ("written", "amount"),
    [("1234.56", "1234.56"), ("1234,56", "1234.56"), ("1.234,56", "1234.56"), ("1,234.56", "1234.56"), ("10", "10.00")],
)
def test_money_is_read_as_people_write_it(tmp_path: Path, written: str, amount: str) -> None:
    [order], _, _ = read(tmp_path, f"order_id;placed_at;total\n1;2026-03-10;{written}\n")
    assert (order.total, order.paid, order.subtotal) == (Decimal(amount),) * 3


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2026-03-10 23:40", datetime(2026, 3, 11, 2, 40, tzinfo=UTC)),
        ("10/03/2026 23:40", datetime(2026, 3, 11, 2, 40, tzinfo=UTC)),
        ("2026-03-10T23:40:00Z", datetime(2026, 3, 10, 23, 40, tzinfo=UTC)),
        ("2026-03-10", datetime(2026, 3, 10, 15, 0, tzinfo=UTC)),
    ],
)
def test_times_are_the_clients_unless_they_say_their_own(tmp_path: Path, written: str, instant: datetime) -> None:
    [order], _, _ = read(tmp_path, f"order_id,placed_at,total\n1,{written},10\n")
    assert order.created_at == instant


def test_lines_make_the_sums_and_a_sum_that_differs_is_told(tmp_path: Path) -> None:
    head = "order_id,placed_at,total,discount,shipping,product_id,quantity,unit_price,line_discount,sale_fee\n"
    orders, bad, told = read(
        tmp_path, head + "1,2026-03-10,,1,4,a,2,10,,0.50\n1,,,,,b,1,5.5,0.5,\n2,2026-03-10,99,,,a,1,10,,\n"
    )
    assert not bad
    one, two = orders
    assert (one.subtotal, one.total, [line.total for line in one.lines]) == (Decimal(25), Decimal(28), [20, 5])
    assert [line.sale_fee for line in one.lines] == [Decimal("0.50"), None]
    assert (two.total, two.paid) == (Decimal("99.00"), Decimal("99.00")), "what was charged is what the file says"
    assert [(notice.code, notice.count, notice.value) for notice in told] == [("sums_differ", 1, Decimal("89.00"))]


def test_an_order_says_when_and_how_it_was_sent(tmp_path: Path) -> None:
    head = "order_id;placed_at;total;shipped_at;delivered_at;closed_at;shipping_cost;shipping_mode;status_detail;fulfilment_status\n"
    [order], _, _ = read(
        tmp_path, head + "1;2026-03-10;10;11/03/2026;2026-03-14 09:00;2026-03-15;18,90;SEDEX;na rua;enviado\n"
    )
    assert order.delivered_at == datetime(2026, 3, 14, 12, tzinfo=UTC)
    assert order.updated_at == order.closed_at == datetime(2026, 3, 15, 15, tzinfo=UTC), (
        "what happened to it changed it"
    )
    assert (order.shipping_cost, order.shipping_mode) == (Decimal("18.90"), "SEDEX")
    assert (order.status_detail, order.fulfilment_status) == ("na rua", "enviado")


def test_a_file_of_sellers_says_whose_sales_are_ours(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("order_id,placed_at,total\n1,2026-03-10,10\n")
    (tmp_path / "sellers.csv").write_text(
        "seller_id;nickname;reputation;is_competitor;market_share\n7;LOJA;gold;não;\n8;OUTRA;;sim;12,5\n9;X;;;101\n;Y;;;\n"
    )
    bad: list[BadRecord] = []
    access = Access("t", Vault("t", tmp_path, {}), ZoneInfo("America/Sao_Paulo"), quarantine=bad.append)
    ours, theirs = Files(Files.Config(path=Path("orders.csv"), sellers=Path("sellers.csv")), access).sellers()
    assert (ours.seller_id, ours.nickname, ours.reputation, ours.competitor) == ("7", "LOJA", "gold", False)
    assert (theirs.nickname, theirs.competitor, theirs.market_share) == ("OUTRA", True, Decimal("0.125"))
    assert [(one.stream, one.key, one.reason) for one in bad] == [
        ("store.sellers", "9", "market_share is more than 100 %"), ("store.sellers", "line 5", "seller_id is missing"),
    ]  # fmt: skip
    (tmp_path / "sellers.csv").write_text("seller_id,stars\n7,5\n")
    with pytest.raises(ConfigError, match="has columns nobody knows: stars"):
        list(Files(Files.Config(path=Path("orders.csv"), sellers=Path("sellers.csv")), access).sellers())


def test_a_refund_has_its_own_day_and_changes_the_order_then(tmp_path: Path) -> None:
    [order], _, _ = read(
        tmp_path, "order_id,placed_at,total,payment_status,refunded_at\n1,2026-03-10,50,refunded,2026-03-20 10:00\n"
    )
    assert (order.refunded, order.updated_at) == (Decimal("50.00"), datetime(2026, 3, 20, 13, tzinfo=UTC))
    assert order.updated_at == order.refunds[0].created_at


def test_of_an_order_told_twice_in_json_the_newest_word_counts(tmp_path: Path) -> None:
    orders = [
        {"order_id": 7, "placed_at": "2026-03-10", "total": 10, "updated_at": "2026-03-12", "payment_status": "voided"},
        {"order_id": 7, "placed_at": "2026-03-10", "total": 10},
    ]
    for text in (json.dumps(orders), json.dumps({"orders": orders}), "\n".join(map(json.dumps, orders))):
        [order], _, _ = read(tmp_path, text)
        assert (order.external_id, order.payment_status, order.paid) == ("7", "voided", 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("total", "-1"), ("total", "NaN"), ("total", "1e400"), ("placed_at", ""), ("placed_at", "0001-01-01"), ("placed_at", "x"),
        ("status", "lost"), ("payment_status", "maybe"), ("currency", "R$"), ("quantity", "1.5"), ("quantity", "-1"),
        ("line_discount", "1000"), ("refunded", "51"), ("consent", "perhaps"), ("order_id", ""),
    ],
)  # fmt: skip
def test_what_is_no_order_is_set_aside_without_its_words(tmp_path: Path, field: str, value: str) -> None:
    row: dict[str, Any] = dict.fromkeys((*ORDER, *LINE), "")
    row |= {
        "order_id": "1",
        "placed_at": "2026-03-10",
        "total": "50",
        "quantity": "1",
        "unit_price": "50",
        field: value,
    }
    good = row | {
        "order_id": "2",
        "placed_at": "2026-03-10",
        **({} if field in {"order_id", "placed_at"} else {field: ""}),
        "total": "50",
    }
    lines = [";".join(row), ";".join(row.values()), ";".join(good.values())]
    orders, [bad], _ = read(tmp_path, "\n".join(lines))
    assert [order.external_id for order in orders] == ["2"]
    assert bad.key in {"1", "line 2"}
    assert value not in bad.reason or len(value) < 3


@pytest.mark.parametrize(
    "content",
    [
        b"", b"order_id\n1\n", b"order_id,placed_at,totl\n1,2026-03-10,5\n", b"order_id,placed_at\n", b"\xff\xfe\x00", b"{", b"[1, 2]",
        b'{"orders": 3}', b'[{"order_id": 1, "placed_at": "2026-03-10", "e-mail": "x"}]', b"[]",
    ],
)  # fmt: skip
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, content)
    assert caught.value.code == "CTX-5063"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    access = Access("t", Vault("t", tmp_path, {}), ZoneInfo("UTC"))
    with pytest.raises(ConfigError, match=r"none\.csv"):
        Files(Files.Config(path=Path("none.csv")), access).check()


def test_the_newest_order_says_what_a_product_is_and_a_bad_one_is_set_aside(tmp_path: Path) -> None:
    head = (
        "order_id,placed_at,product_id,product,unit_price,full_unit_price,brand,size,weight_kg,launch_date,"
        "stock,reserved,reorder_point,warehouse,manufacturing_days,category_level_2\n"
    )
    (tmp_path / "orders.csv").write_text(
        head
        + '2,2026-03-11,a,Caneca nova,8,10,Marca,P,"0,25",19/11/2025,7,2,4,SP,3,Canecas\n'
        + "1,2026-03-10,a,Caneca,10,,,,,,,,,,,\n3,2026-03-12,b,,5,,,,pesado,,,,,,,\n"
    )
    bad: list[BadRecord] = []
    access = Access("t", Vault("t", tmp_path, {}), ZoneInfo("America/Sao_Paulo"), quarantine=bad.append)
    store = Files(Files.Config(path=Path("orders.csv")), access)
    [mug] = store.products()
    assert (mug.name, mug.price, mug.compare_at_price, mug.brand) == ("Caneca nova", Decimal(8), Decimal(10), "Marca")
    assert (mug.size, mug.weight_kg, mug.launched) == ("P", Decimal("0.250"), date(2025, 11, 19))
    assert (mug.stock, mug.reserved, mug.reorder_point, mug.warehouse) == (7, 2, 4, "SP")
    assert mug.category_level_2 == "Canecas"
    assert [(one.stream, one.key) for one in bad] == [("store.products", "b")]
    days = {order.external_id: order.lines[0].manufacturing_days for order in store.orders(store.span())}
    assert days == {"1": None, "2": 3, "3": None}


@pytest.mark.parametrize("page", ["docs/en/platforms/files.md", "docs/pt-BR/plataformas/files.md"])
def test_the_page_names_every_column(page: str) -> None:
    named = set(re.findall(r"`([a-z_0-9]+)`", (ROOT / page).read_text(encoding="utf-8")))
    assert {*ORDER, *LINE} - named == set()
