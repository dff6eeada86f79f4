"""Loading: repeated, reordered, hostile or cut short, the same rows are left behind, the same on every engine."""

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cortex.clock import Window
from cortex.errors import DatabaseError
from cortex.warehouse import Contended, Loaded, Transaction, Warehouse, tables
from tests.rooms.warehouse_rows import DAY, NOON, days, everything, key, order, row, spend

examples = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

HOSTILE = st.one_of(
    st.sampled_from(
        ["", "it's", 'a "quoted" \\ name', "back\\slash\\", "100% :param %s ?", "João 👩‍👩‍👧 Ñandú", "a\x00b", "tail  ",
         "'; DROP TABLE fct_orders; --", "\ud800", "ﬀ ß ı", "tab\tnew\nline\r", "\u200b"]
    ),
    st.text(max_size=40),
)  # fmt: skip
MONEY = st.decimals(min_value=-1_000_000, max_value=1_000_000, places=2)
AROUND_DST = st.sampled_from(
    # São Paulo lost 2018-11-04 00:00-01:00 and had 2019-02-16 23:00-24:00 twice.
    [datetime(2018, 11, 4, 2, 59, 59, 999999, UTC), datetime(2018, 11, 4, 3, 0, tzinfo=UTC),
     datetime(2019, 2, 17, 1, 30, tzinfo=UTC), datetime(2019, 2, 17, 2, 30, tzinfo=UTC)]
)  # fmt: skip
INSTANTS = st.one_of(
    AROUND_DST,
    st.integers(0, 20 * 365 * 86_400_000_000).map(
        lambda us: datetime(2015, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)
    ),
)


@st.composite
def orders(draw: Any, ids: int = 6) -> list[dict[str, Any]]:
    return [
        order(
            draw(st.integers(0, ids)), number=draw(HOSTILE), city=draw(HOSTILE), utm_campaign=draw(HOSTILE),
            paid=draw(MONEY), updated_at=draw(INSTANTS), paid_at=draw(st.none() | INSTANTS),
        )
        for _ in range(draw(st.integers(0, 12)))
    ]  # fmt: skip


def as_stored(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\x00", "").rstrip(" ")
    return value


@examples
@given(batches=st.lists(orders(), min_size=1, max_size=3), repeats=st.integers(1, 3), data=st.data())
def test_any_order_and_any_repetition_leaves_the_newest_of_each(
    warehouse: Warehouse, batches: list[list[dict[str, Any]]], repeats: int, data: st.DataObject
):
    loads = data.draw(st.permutations(batches * repeats))
    # Versions of one order differ in time: equal times with different content have no newer one.
    seen: dict[tuple[str, datetime], dict[str, Any]] = {}
    loads = [[seen.setdefault((one["order_key"], one["updated_at"]), one) for one in load] for load in loads]
    warehouse.atomically(lambda tx: tx.delete(tables.fct_orders, {}))
    for load in loads:
        warehouse.atomically(lambda tx, load=load: tx.upsert(tables.fct_orders, load, newer="updated_at"))

    newest: dict[str, dict[str, Any]] = {}
    for one in [one for load in loads for one in load]:
        held = newest.get(one["order_key"])
        if held is None or one["updated_at"] > held["updated_at"]:
            newest[one["order_key"]] = one
    wanted = [{name: as_stored(value) for name, value in newest[at].items()} for at in sorted(newest)]
    assert everything(warehouse, tables.fct_orders) == wanted
    total = warehouse.rows("SELECT SUM(paid) AS paid, COUNT(*) AS orders FROM fct_orders")[0]
    assert total["orders"] == len(wanted)
    assert (total["paid"] or Decimal(0)) == sum((one["paid"] for one in wanted), Decimal(0))

    last = warehouse.atomically(lambda tx: tx.upsert(tables.fct_orders, wanted, newer="updated_at"))
    assert last == Loaded(0, 0, len(wanted))


@examples
@given(
    amounts=st.lists(st.tuples(st.integers(0, 5), st.sampled_from("abc"), MONEY), max_size=15),
    cuts=st.permutations([(0, 6), (0, 3), (3, 6), (2, 5)]),
)
def test_windows_replaced_in_any_order_hold_the_same_sum(
    warehouse: Warehouse, amounts: list[tuple[int, str, Decimal]], cuts: list[tuple[int, int]]
):
    by_key = {(offset, campaign): amount for offset, campaign, amount in amounts}
    rows = [spend(DAY + timedelta(offset), str(by_key[offset, c]), campaign_id=c) for offset, c in sorted(by_key)]
    warehouse.atomically(lambda tx: tx.delete(tables.fct_ad_spend, {}))
    for first, last in cuts:
        since, until = DAY + timedelta(first), DAY + timedelta(last)
        inside = [one for one in rows if since <= one["day"] < until]
        warehouse.atomically(
            lambda tx, w=(since, until), r=inside: tx.replace("fct_ad_spend", {"platform": "meta", "day": w}, r)
        )
    assert everything(warehouse, tables.fct_ad_spend) == sorted(rows, key=lambda one: (one["day"], one["campaign_id"]))


@examples
@given(
    children=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 4), HOSTILE, MONEY), max_size=12),
    repeats=st.integers(1, 3),
)
def test_children_rewritten_again_are_the_same_children(
    warehouse: Warehouse, children: list[tuple[int, int, str, Decimal]], repeats: int
):
    by_key = {(parent, line): (name, total) for parent, line, name, total in children}
    rows = [
        row(tables.fct_order_items, order_key=key(parent), line=line, name=name, total=total, quantity=1)
        for (parent, line), (name, total) in sorted(by_key.items())
    ]
    parents = [key(parent) for parent in range(4)]
    for _ in range(repeats):
        warehouse.atomically(lambda tx: tx.rewrite(tables.fct_order_items, "order_key", parents, rows))
    stored = everything(warehouse, tables.fct_order_items)
    assert stored == [{name: as_stored(value) for name, value in one.items()} for one in rows]


def test_the_same_load_gives_the_same_rows_on_every_engine(both_engines: list[Warehouse]):
    rows = [order(i, number=text, paid=Decimal(i * 7919 % 1000) / 7, city=text * 9) for i, text in enumerate(
        ["", "ÀÉÎ", "😀" * 30, "a'b\"c\\", "x" * 500, "%s %(x)s ? :y", " lead", "tail "]
    )]  # fmt: skip
    counted = [one.atomically(lambda tx: tx.upsert("fct_orders", rows)) for one in both_engines]
    assert all(each == counted[0] for each in counted)
    assert counted[0].clipped == 4
    stored = [everything(one, tables.fct_orders) for one in both_engines]
    assert all(each == stored[0] for each in stored)
    frames = [one.frame("SELECT * FROM fct_orders ORDER BY order_key") for one in both_engines]
    assert all(frame.equals(frames[0]) and frame.schema == frames[0].schema for frame in frames)


def test_an_older_row_never_overwrites_a_newer_one(warehouse: Warehouse):
    new, old = order(1, updated_at=NOON, paid=Decimal(2)), order(1, updated_at=NOON - timedelta(1), paid=Decimal(1))
    with warehouse.transaction() as tx:
        assert tx.upsert("fct_orders", [new], newer="updated_at") == Loaded(1, 0, 0)
        assert tx.upsert("fct_orders", [old], newer="updated_at") == Loaded(0, 0, 1)
    assert everything(warehouse, tables.fct_orders)[0]["paid"] == Decimal("2.00")


def test_of_two_versions_in_one_batch_the_newest_counts_wherever_it_stands(warehouse: Warehouse):
    new, old = order(1, updated_at=NOON, paid=Decimal(2)), order(1, updated_at=NOON - timedelta(1), paid=Decimal(1))
    for batch in ([old, new], [new, old]):
        with warehouse.transaction() as tx:
            tx.delete("fct_orders", {})
            assert tx.upsert("fct_orders", batch, newer="updated_at") == Loaded(1, 0, 0)
        assert everything(warehouse, tables.fct_orders)[0]["paid"] == Decimal("2.00")


def test_inserted_updated_and_unchanged_are_told_apart(warehouse: Warehouse):
    with warehouse.transaction() as tx:
        tx.upsert("fct_orders", [order(1), order(2)])
        assert tx.upsert("fct_orders", [order(1), order(2, number="N"), order(3)]) == Loaded(1, 1, 1)


def test_a_difference_in_letter_case_or_accent_is_a_difference(warehouse: Warehouse):
    said = {"platform": "nuvemshop", "external_id": "1", "payload_sha256": key("a")}
    with warehouse.transaction() as tx:
        for payload in ('{"name": "jose"}', '{"name": "José"}', '{"name": "JOSÉ"}'):
            loaded = tx.upsert("raw_ecommerce_orders", [row(tables.raw_ecommerce_orders, payload=payload, **said)])
            assert loaded.unchanged == 0
        ids = [row(tables.fct_ad_clicks, platform="google", click_id=c, day=DAY) for c in ("AbC", "abc", "ABC", "ábc")]
        assert tx.upsert("fct_ad_clicks", ids) == Loaded(4, 0, 0)


def test_kept_columns_are_written_with_new_rows_only_and_quiet_ones_are_no_change(warehouse: Warehouse):
    with warehouse.transaction() as tx:
        tx.upsert("fct_orders", [order(1, is_new_customer=0, run_id="r1")])
        tx.update("fct_orders", {"order_key": key(1)}, {"is_new_customer": 1})
        kept = {"keep": ("is_new_customer",), "quiet": ("run_id",)}
        assert tx.upsert("fct_orders", [order(1, is_new_customer=0, run_id="r2")], **kept) == Loaded(0, 0, 1)
        assert tx.rows("SELECT run_id FROM fct_orders")[0]["run_id"] == "r1"
        assert tx.upsert("fct_orders", [order(1, number="N", run_id="r2")], **kept) == Loaded(0, 1, 0)
        assert tx.rows("SELECT run_id, is_new_customer FROM fct_orders") == [{"run_id": "r2", "is_new_customer": 1}]


def test_more_rows_than_one_batch(warehouse: Warehouse):
    small = Warehouse(warehouse._engine, warehouse._place, warehouse.code, batch=7)
    rows = [order(i) for i in range(100)]
    assert small.atomically(lambda tx: tx.upsert("fct_orders", rows)) == Loaded(100, 0, 0)
    assert small.atomically(lambda tx: tx.upsert("fct_orders", [*rows, order(100)])) == Loaded(1, 0, 100)
    keys = [key(i) for i in range(3000)]
    assert small.atomically(lambda tx: tx.delete("fct_orders", {"order_key": keys})) == 101


def test_nothing_to_load_is_no_error(warehouse: Warehouse):
    with warehouse.transaction() as tx:
        assert tx.upsert("fct_orders", []) == Loaded()
        assert tx.replace("fct_ad_spend", {"day": (DAY, DAY + timedelta(1))}, []) == 0
        assert tx.rewrite("fct_order_items", "order_key", [], []) == 0
        assert tx.insert_missing("fct_orders", []) == 0
        assert tx.assign("fct_orders", "order_key", []) == 0


def test_windows_are_half_open(warehouse: Warehouse):
    before, first, last, after = days(4)
    with warehouse.transaction() as tx:
        tx.upsert("fct_ad_spend", [spend(day, "1") for day in (before, first, last, after)])
        assert tx.replace("fct_ad_spend", {"day": Window(first, after)}, [spend(first, "5")]) == 1
        kept = tx.rows("SELECT day, spend FROM fct_ad_spend ORDER BY day")
    assert [(one["day"], one["spend"]) for one in kept] == [(before, 1), (first, 5), (after, 1)]


def test_a_row_outside_the_replaced_window_is_refused_and_nothing_is_lost(warehouse: Warehouse):
    inside, outside = days(2)
    warehouse.atomically(lambda tx: tx.upsert("fct_ad_spend", [spend(inside, "1")]))
    for rows in ([spend(outside, "1")], [spend(inside, "1", platform="google")]):
        with pytest.raises(DatabaseError) as failure, warehouse.transaction() as tx:
            tx.replace("fct_ad_spend", {"platform": "meta", "day": (inside, outside)}, rows)
        assert failure.value.code == "CTX-5014"
    assert len(everything(warehouse, tables.fct_ad_spend)) == 1


def test_two_different_rows_with_one_key_are_refused_and_twins_are_one(warehouse: Warehouse):
    where = {"day": (DAY, DAY + timedelta(1))}
    with warehouse.transaction() as tx:
        assert tx.replace("fct_ad_spend", where, [spend(DAY, "1"), spend(DAY, "1.00")]) == 1
    with pytest.raises(DatabaseError) as failure, warehouse.transaction() as tx:
        tx.replace("fct_ad_spend", where, [spend(DAY, "1"), spend(DAY, "2")])
    assert failure.value.code == "CTX-5014"


def test_a_row_stored_outside_what_is_replaced_is_a_contradiction_and_not_tried_again(warehouse: Warehouse):
    warehouse.atomically(lambda tx: tx.upsert("stg_touches", [row(tables.stg_touches, touch_key=key(1), origin="kit")]))
    tries = []

    def work(tx: Transaction) -> None:
        tries.append(1)
        tx.replace("stg_touches", {"origin": "ga4"}, [row(tables.stg_touches, touch_key=key(1), origin="ga4")])

    with pytest.raises(DatabaseError) as failure:
        warehouse.atomically(work)
    assert (failure.value.code, len(tries)) == ("CTX-5014", 1)


def test_children_of_others_are_refused(warehouse: Warehouse):
    stranger = row(tables.fct_order_items, order_key=key("b"), line=1)
    with pytest.raises(DatabaseError) as failure, warehouse.transaction() as tx:
        tx.rewrite("fct_order_items", "order_key", [key("a")], [stranger])
    assert failure.value.code == "CTX-5014"


@pytest.mark.parametrize(
    "step",
    [
        lambda tx: tx.upsert("fct_orders", [order(2)]),
        lambda tx: tx.replace("fct_ad_spend", {"day": (DAY, DAY + timedelta(9))}, [spend(DAY, "7")]),
        lambda tx: tx.rewrite("fct_order_items", "order_key", [key(1)], []),
        lambda tx: tx.delete("fct_orders", {"order_key": key(1)}),
        lambda tx: tx.update("fct_orders", {"order_key": key(1)}, {"number": "other"}),
        lambda tx: tx.assign("fct_orders", "order_key", [{"order_key": key(1), "number": "other"}]),
        lambda tx: tx.keep_only("fct_orders", "order_key", []),
        lambda tx: tx.move_cursor("s", complete_until=DAY, source_updated_at=NOON, run_id="r", at=NOON),
    ],
)
def test_a_crash_inside_a_transaction_leaves_nothing_of_it(warehouse: Warehouse, step: Callable[[Transaction], object]):
    def setup(tx: Transaction) -> None:
        tx.upsert("fct_orders", [order(1)])
        tx.upsert("fct_ad_spend", [spend(DAY, "1")])
        tx.upsert("fct_order_items", [row(tables.fct_order_items, order_key=key(1), line=1)])

    warehouse.atomically(setup)
    seen = [tables.fct_orders, tables.fct_ad_spend, tables.fct_order_items, tables.sync_state]
    before = [everything(warehouse, table) for table in seen]

    def cut_short(tx: Transaction) -> None:
        step(tx)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        warehouse.atomically(cut_short)
    assert [everything(warehouse, table) for table in seen] == before
    warehouse.atomically(step)  # the connection pool is as good as new
    assert [everything(warehouse, table) for table in seen] != before


def test_assign_changes_what_exists_and_counts_what_changed(warehouse: Warehouse):
    with warehouse.transaction() as tx:
        tx.upsert("fct_orders", [order(1), order(2)])
        rows = [{"order_key": key(i), "customer_key": key("x"), "is_new_customer": 1} for i in (1, 2, 3)]
        assert tx.assign("fct_orders", "order_key", rows) == 2
        assert tx.assign("fct_orders", "order_key", rows) == 0
        assert tx.assign("fct_orders", ("platform", "external_id"),
                         [{"platform": "nuvemshop", "external_id": "1", "number": "N1"}]) == 1  # fmt: skip
    assert [one["number"] for one in everything(warehouse, tables.fct_orders)] == ["N1", ""]


def test_keep_only_lookup_and_missing(warehouse: Warehouse):
    with warehouse.transaction() as tx:
        assert tx.insert_missing("fct_orders", [order(i) for i in range(5)]) == 5
        assert tx.insert_missing("fct_orders", [order(i, number="other") for i in range(7)]) == 2
        found = tx.lookup("fct_orders", "order_key", [key(1), key(99)], ["updated_at", "paid"])
        assert found == {key(1): {"order_key": key(1), "updated_at": NOON, "paid": Decimal("100.00")}}
        assert tx.keep_only("fct_orders", "order_key", [key(1), key(6), key(99)]) == 5
    assert [one["order_key"] for one in everything(warehouse, tables.fct_orders)] == [key(1), key(6)]


def test_update_is_a_compare_and_set(warehouse: Warehouse):
    with warehouse.transaction() as tx:
        tx.upsert("fct_orders", [order(1, status="open")])
        assert tx.update("fct_orders", {"order_key": key(1), "status": "open"}, {"status": "closed"}) == 1
        assert tx.update("fct_orders", {"order_key": key(1), "status": "open"}, {"status": "closed"}) == 0
        # A row that is as wanted already still counts as covered, on every engine.
        assert tx.update("fct_orders", {"order_key": key(1)}, {"status": "closed"}) == 1
        assert tx.update("fct_orders", {"paid_at": None}, {"status": "open"}) == 0
        assert tx.update("fct_orders", {"paid_at": NOON}, {"paid": Decimal("1.005"), "paid_at": None}) == 1
    stored = everything(warehouse, tables.fct_orders)[0]
    assert (stored["paid"], stored["paid_at"]) == (Decimal("1.00"), None)


def test_the_cursor_moves_forward_only_and_with_its_rows(warehouse: Warehouse):
    def move(tx: Transaction, until: date | None, newest: datetime | None) -> None:
        tx.move_cursor("store.orders", complete_until=until, source_updated_at=newest, run_id="r", at=NOON)

    assert warehouse.cursor("store.orders") is None
    with warehouse.transaction() as tx:
        move(tx, DAY, NOON)
        move(tx, DAY - timedelta(5), NOON - timedelta(5))
        move(tx, None, None)
    cursor = warehouse.cursor("store.orders")
    assert cursor is not None
    assert (cursor["complete_until"], cursor["source_updated_at"]) == (DAY, NOON)


REFUSED: list[tuple[str, Any]] = [
    ("paid", Decimal("1e14")), ("paid", float("nan")), ("paid", "ten"), ("paid", None),
    ("created_at", NOON.replace(tzinfo=None)), ("created_at", DAY), ("order_date", NOON), ("order_date", "2026-01-01"),
    ("items", 1 << 31), ("items", 1.5), ("installments", 40_000), ("order_key", "x" * 65), ("platform", None),
]  # fmt: skip


@pytest.mark.parametrize(("column", "value"), REFUSED)
def test_what_a_column_cannot_hold_is_refused_alike_and_not_quoted(warehouse: Warehouse, column: str, value: Any):
    with pytest.raises(DatabaseError, match=f"fct_orders.{column} ") as failure, warehouse.transaction() as tx:
        tx.upsert("fct_orders", [order(1) | {column: value}])
    assert failure.value.code == "CTX-5013"
    assert str(value) not in failure.value.message or value is None
    assert everything(warehouse, tables.fct_orders) == []


def test_money_is_rounded_half_to_even_before_it_is_stored(warehouse: Warehouse):
    amounts = ["1.005", "1.015", "-1.005", "0.004999", "-0.001", "9999999999999.99"]
    rows = [order(i, paid=Decimal(amount)) for i, amount in enumerate(amounts)]
    warehouse.atomically(lambda tx: tx.upsert("fct_orders", rows))
    stored = [str(one["paid"]) for one in everything(warehouse, tables.fct_orders)]
    assert stored == ["1.00", "1.02", "-1.00", "0.00", "0.00", "9999999999999.99"]


def test_misspelt_tables_and_columns_are_a_programmers_mistake(warehouse: Warehouse):
    with warehouse.transaction() as tx:
        with pytest.raises(ValueError, match=r"no table fct_order$"):
            tx.delete("fct_order", {})
        with pytest.raises(ValueError, match="no column payed"):
            tx.upsert("fct_orders", [order(1) | {"payed": 1}])
        with pytest.raises(ValueError, match=r"lack .*currency"):
            tx.upsert("fct_orders", [{"order_key": key(1)}])
        with pytest.raises(ValueError, match="differ in their columns"):
            tx.assign("fct_orders", "order_key", [{"order_key": key(1), "number": "a"}, {"order_key": key(2)}])


def test_work_is_tried_again_when_another_writer_interfered(warehouse: Warehouse):
    tries = []

    def work(tx: Transaction) -> str:
        tries.append(tx)
        tx.upsert("fct_orders", [order(len(tries))])
        if len(tries) < 3:
            raise Contended("CTX-5008", "in the way")
        return "done"

    assert warehouse.atomically(work) == "done"
    assert [one["external_id"] for one in everything(warehouse, tables.fct_orders)] == ["3"]


def test_work_is_not_tried_for_ever(warehouse: Warehouse):
    tries = []

    def work(tx: Transaction) -> None:
        tries.append(1)
        raise Contended("CTX-5008", "in the way")

    with pytest.raises(DatabaseError) as failure:
        warehouse.atomically(work)
    assert (len(tries), failure.value.retryable) == (5, True)


def test_writers_at_once_lose_nothing(warehouse: Warehouse):
    """Four threads change overlapping rows in opposite orders, in transactions of two statements: deadlocks happen."""
    failures: list[BaseException] = []

    def write(worker: int) -> None:
        try:
            for turn in range(6):
                names = [f"{i}" for i in range(10)] if worker % 2 else [f"{9 - i}" for i in range(10)]
                warehouse.atomically(
                    lambda tx, turn=turn, names=names: [
                        tx.upsert("fct_orders", [order(name, number=f"{worker}-{turn}")]) for name in names
                    ]
                )
        except BaseException as failure:  # noqa: BLE001  # told to the test below
            failures.append(failure)

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    numbers = {one["number"] for one in everything(warehouse, tables.fct_orders)}
    assert len(numbers) == 1, "each transaction was whole, so the last one's number is on every row"
    assert next(iter(numbers)).endswith("-5")


def test_a_writer_that_reads_first_waits_for_its_turn(warehouse: Warehouse):
    """No retry here: a transaction that read before another wrote must still be able to write."""
    warehouse.atomically(lambda tx: tx.upsert("fct_orders", [order(1, items=0)]))
    failures: list[BaseException] = []

    def count() -> None:
        try:
            for _ in range(10):
                with warehouse.transaction() as tx:
                    tx.rows("SELECT items FROM fct_orders")
                    tx.run("UPDATE fct_orders SET items = items + 1")
        except BaseException as failure:  # noqa: BLE001  # told to the test below
            failures.append(failure)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert warehouse.rows("SELECT items FROM fct_orders") == [{"items": 40}]
