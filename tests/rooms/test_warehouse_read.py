"""Reading: the same Python values and the same frames from every engine, from tables, views, sums and unions alike."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from sqlalchemy import func, select

from cortex.errors import DatabaseError
from cortex.warehouse import Warehouse, tables
from cortex.warehouse.read import from_cents, money, to_cents
from tests.rooms.warehouse_rows import DAY, NOON, key, order, row, spend


@pytest.fixture
def filled(warehouse: Warehouse) -> Warehouse:
    def fill(tx) -> None:
        tx.upsert("fct_orders", [order(1, paid=Decimal("10.10")), order(2, paid=Decimal("0.20"), paid_at=None)])
        tx.upsert("fct_ad_spend", [spend(DAY, "5", conversions=Decimal("1.5"), impressions=7)])

    warehouse.atomically(fill)
    return warehouse


def test_rows_have_the_types_of_their_columns(filled: Warehouse):
    first, second = filled.rows(
        "SELECT order_key, paid, created_at, paid_at, order_date, items, is_paid FROM fct_orders ORDER BY order_key"
    )
    assert first == {
        "order_key": key(1), "paid": Decimal("10.10"), "created_at": NOON, "paid_at": NOON, "order_date": DAY,
        "items": 1, "is_paid": 1,
    }  # fmt: skip
    assert (type(first["paid"]), first["created_at"].tzinfo, type(first["order_date"])) == (Decimal, UTC, date)
    assert second["paid_at"] is None


def test_sums_extremes_and_unions_keep_the_types_of_the_columns_they_are_named_after(filled: Warehouse):
    told = filled.rows(
        "SELECT SUM(paid) AS paid, MIN(created_at) AS created_at, MAX(order_date) AS order_date, SUM(items) AS items,"
        " COUNT(*) AS orders FROM fct_orders"
    )
    assert told == [
        {"paid": Decimal("10.30"), "created_at": NOON, "order_date": DAY, "items": 2, "orders": 2}
    ]  # fmt: skip
    union = filled.rows("SELECT day, spend FROM fct_ad_spend UNION ALL SELECT order_date, paid FROM fct_orders")
    assert sorted(one["spend"] for one in union) == [Decimal("0.20"), Decimal("5.00"), Decimal("10.10")]
    assert {one["day"] for one in union} == {DAY}


def test_sums_of_cents_are_exact_on_every_engine(warehouse: Warehouse):
    rows = [order(i, paid=Decimal(i) / 100) for i in range(1, 1001)]
    warehouse.atomically(lambda tx: tx.upsert("fct_orders", rows))
    assert warehouse.rows("SELECT SUM(paid) AS paid FROM fct_orders") == [{"paid": Decimal("5005.00")}]
    assert warehouse.frame("SELECT SUM(paid) AS paid FROM fct_orders")["paid"].to_list() == [Decimal("5005.00")]


def test_a_sum_that_meets_at_zero_is_zero_without_a_sign(warehouse: Warehouse):
    # As doubles these leave -0.00000000000000003.
    rows = [order(i, paid=Decimal(amount)) for i, amount in enumerate(["0.30", "-0.10", "-0.20"])]
    warehouse.atomically(lambda tx: tx.upsert("fct_orders", rows))
    assert str(warehouse.rows("SELECT SUM(paid) AS paid FROM fct_orders")[0]["paid"]) == "0.00"


def test_frames_are_typed_alike_with_and_without_rows(both_engines: list[Warehouse]):
    wanted = {
        "order_key": pl.String, "paid": pl.Decimal(18, 2), "created_at": pl.Datetime("us", "UTC"),
        "paid_at": pl.Datetime("us", "UTC"), "order_date": pl.Date, "items": pl.Int64,
    }  # fmt: skip
    sql = f"SELECT {', '.join(wanted)} FROM fct_orders ORDER BY order_key"
    for warehouse in both_engines:
        assert dict(warehouse.frame(sql).schema) == wanted
        odd = NOON + timedelta(microseconds=1)
        warehouse.atomically(
            lambda tx, odd=odd: tx.upsert("fct_orders", [order(1, paid_at=None), order(2, paid_at=odd)])
        )
    frames = [warehouse.frame(sql) for warehouse in both_engines]
    assert all(dict(frame.schema) == wanted and frame.equals(frames[0]) for frame in frames)
    assert frames[0]["paid_at"].to_list() == [None, NOON + timedelta(microseconds=1)]


def test_parameters_of_every_kind(filled: Warehouse):
    count = "SELECT COUNT(*) AS n FROM fct_orders WHERE "

    def n(condition: str, **params: object) -> int:
        return int(filled.rows(count + condition, **params)[0]["n"])

    assert n("order_date = :day", day=DAY) == 2
    assert n("created_at <= :at", at=NOON) == 2
    assert n("created_at < :at", at=NOON) == 0
    assert n("created_at >= :at", at=NOON.astimezone().replace(microsecond=0)) == 2
    assert n("created_at = :at", at=NOON.replace(tzinfo=None)) == 2
    assert n("paid = :paid", paid=Decimal("10.10")) == 1
    assert n("order_key IN :keys", keys=[key(1), key(9)]) == 1
    assert n("order_date IN :days", days=(DAY,)) == 2
    assert n("number = :number", number="' OR 1=1 --") == 0
    assert n("order_key IN :keys", keys=[]) == 0


def test_selects_of_sqlalchemy_are_read_the_same(filled: Warehouse):
    orders = tables.fct_orders.c
    query = select(orders.order_date, func.sum(orders.paid).label("paid")).group_by(orders.order_date)
    assert filled.rows(query) == [{"order_date": DAY, "paid": Decimal("10.30")}]
    assert filled.frame(query).schema == {"order_date": pl.Date, "paid": pl.Decimal(18, 2)}


def test_a_transaction_reads_its_own_writes_and_nobody_elses(filled: Warehouse):
    with filled.transaction() as tx:
        tx.delete("fct_orders", {})
        assert tx.rows("SELECT order_key FROM fct_orders") == []
        assert tx.frame("SELECT order_key FROM fct_orders").height == 0
        assert len(filled.rows("SELECT order_key FROM fct_orders")) == 2
    assert filled.rows("SELECT order_key FROM fct_orders") == []


def test_a_wrong_query_is_told_without_its_values(filled: Warehouse):
    with pytest.raises(DatabaseError) as failure:
        filled.rows("SELECT nothing FROM fct_orders WHERE number = :number", number="secret-value")
    assert failure.value.code == "CTX-5020"
    assert "secret-value" not in str(failure.value)


def test_names_nothing_knows_come_as_plain_numbers(filled: Warehouse):
    told = filled.rows("SELECT SUM(paid - refunded) AS strange, COUNT(*) AS n, 'x' AS word FROM fct_orders")[0]
    assert told["strange"] == pytest.approx(10.3)
    assert (told["n"], told["word"]) == (2, "x")


def test_cents_and_back():
    frame = pl.DataFrame({"net": [10.1, -0.2, None], "same": [1, 2, 3]})
    cents = to_cents(frame, "net")
    assert cents["net"].to_list() == [1010, -20, None]
    assert from_cents(cents, "net")["net"].to_list() == [Decimal("10.10"), Decimal("-0.20"), None]
    assert money(pl.DataFrame({"net": [Decimal("1.005"), Decimal("9999999999999.99")]}), "net")["net"].to_list() == [
        Decimal("1.00"), Decimal("9999999999999.99"),
    ]  # fmt: skip
    whole = from_cents(pl.DataFrame({"c": list(range(-10_000, 10_000))}), "c")
    assert to_cents(whole, "c")["c"].to_list() == list(range(-10_000, 10_000))


def test_instants_around_daylight_saving_come_back_as_they_went(warehouse: Warehouse):
    moments = [datetime(2018, 11, 4, 2, 59, 59, 999999, UTC), datetime(2019, 2, 17, 1, 30, tzinfo=UTC),
               datetime(2019, 2, 17, 2, 30, tzinfo=UTC), datetime(2016, 2, 29, 23, 59, 59, 1, UTC)]  # fmt: skip
    rows = [row(tables.sync_state, stream=f"s{i}", source_updated_at=at) for i, at in enumerate(moments)]
    warehouse.atomically(lambda tx: tx.upsert("sync_state", rows))
    sql = "SELECT source_updated_at FROM sync_state ORDER BY stream"
    assert [one["source_updated_at"] for one in warehouse.rows(sql)] == moments
    assert warehouse.frame(sql)["source_updated_at"].to_list() == moments


@pytest.mark.parametrize("count", [0, 1, 7, 8])
def test_a_large_result_comes_in_pieces_that_are_the_whole(warehouse: Warehouse, count: int):
    warehouse.atomically(
        lambda tx: tx.upsert("fct_orders", [order(n, paid=Decimal(n) + Decimal("0.10")) for n in range(count)])
    )
    query = "SELECT * FROM fct_orders ORDER BY order_key"
    pieces = list(warehouse.frames(query, size=4))
    assert [piece.height for piece in pieces] == {0: [0], 1: [1], 7: [4, 3], 8: [4, 4]}[count]
    whole = warehouse.frame(query)
    assert pl.concat(pieces).equals(whole)
    assert pieces[0].schema == whole.schema
