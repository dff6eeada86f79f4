"""Records instead of mappings: the same rows, and nothing left out without a word."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from cortex.errors import DatabaseError
from cortex.warehouse import Loaded, Transaction, Warehouse, tables
from cortex.warehouse.load import WORTH_STREAMING
from cortex.warehouse.rows import record
from tests.rooms.warehouse_rows import everything, key, order, row

Order, Item = record(tables.fct_orders), record(tables.fct_order_items)
AWKWARD = ["", "a\tb", "a\nb\\", "\x00N", "💛", "\ud800", "é" * 400, "tail ", "%s"]


def hostile(count: int) -> list[dict[str, Any]]:
    return [
        order(i, number=AWKWARD[i % len(AWKWARD)], city=AWKWARD[-i % len(AWKWARD)], paid=Decimal(i * 7919 % 1000) / 7)
        for i in range(count)
    ]


@pytest.mark.parametrize("count", [1, 9, WORTH_STREAMING + 3])
def test_records_leave_what_mappings_leave_on_every_engine(both_engines: list[Warehouse], count: int):
    rows = hostile(count)
    told = [Order(**one) for one in rows]
    for warehouse in both_engines:
        loaded = warehouse.atomically(lambda tx: tx.upsert("fct_orders", rows))
        stored = everything(warehouse, tables.fct_orders)
        warehouse.atomically(lambda tx: tx.delete("fct_orders", {}))
        assert warehouse.atomically(lambda tx: tx.upsert("fct_orders", told)) == loaded
        assert everything(warehouse, tables.fct_orders) == stored
        assert warehouse.atomically(lambda tx: tx.upsert("fct_orders", rows)).unchanged == count


def test_children_and_windows_take_records_and_look_at_whose_they_are(warehouse: Warehouse):
    lines = [Item(**row(tables.fct_order_items, order_key=key(1), line=line, quantity=1)) for line in (1, 2)]

    def rewrite(tx: Transaction) -> int:
        return tx.rewrite("fct_order_items", "order_key", [key(1)], lines)

    assert warehouse.atomically(rewrite) == 2
    with pytest.raises(DatabaseError, match="belongs to none"):
        warehouse.atomically(lambda tx: tx.rewrite("fct_order_items", "order_key", [key(2)], lines))
    assert warehouse.atomically(lambda tx: tx.replace("fct_order_items", {"order_key": key(1)}, lines)) == 2
    with pytest.raises(DatabaseError, match="outside the order_key"):
        warehouse.atomically(lambda tx: tx.replace("fct_order_items", {"order_key": key(2)}, lines))
    assert len(everything(warehouse, tables.fct_order_items)) == 2


def test_a_record_is_whole_and_of_its_table(warehouse: Warehouse):
    whole = order(1)
    with pytest.raises(TypeError, match="paid"):
        Order(**{name: value for name, value in whole.items() if name != "paid"})
    with pytest.raises(TypeError, match="payed"):
        Order(**whole, payed=1)
    with warehouse.transaction() as tx:
        with pytest.raises(ValueError, match="has no column"):
            tx.upsert("fct_order_items", [Order(**whole)])
        for mixed in ([Order(**whole), order(2)], [order(2), Order(**whole)]):
            with pytest.raises(ValueError, match="differ in their columns"):
                tx.upsert("fct_orders", mixed)
        assert tx.upsert("fct_orders", [Order(**whole)]) == Loaded(1, 0, 0)


def test_encoded_a_record_is_its_values_in_the_order_of_the_columns():
    line = row(tables.fct_order_items, order_key=key(1), line=1, name="Caneca", quantity=2)
    values = msgspec.json.decode(msgspec.json.encode(Item(**line)))
    assert values == [str(value) if isinstance(value, Decimal) else value for value in line.values()]
