"""Rows by hand for the warehouse tests: whole ones, of which a test names only what it is about."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Table

from cortex.warehouse import Transaction, Warehouse, tables
from cortex.warehouse.tables import Exact, Instant

NOON = datetime(2026, 3, 10, 15, 0, tzinfo=UTC)
DAY = date(2026, 3, 10)


def key(name: object) -> str:
    """A readable stand-in for a digest."""
    return f"{name}".ljust(64, "-")


def row(table: Table, **given: Any) -> dict[str, Any]:
    """A whole row of `table`: what is not given is empty, zero, today or unknown."""
    blank: dict[str, Any] = {}
    for column in table.columns:
        if column.nullable:
            blank[column.name] = None
        elif isinstance(column.type, Instant):
            blank[column.name] = NOON
        elif isinstance(column.type, Exact):
            blank[column.name] = Decimal(0)
        elif column.type.python_type is date:
            blank[column.name] = DAY
        else:
            blank[column.name] = column.type.python_type()
    unknown = set(given) - set(blank)
    assert not unknown, unknown
    return blank | given


def order(name: object, **given: Any) -> dict[str, Any]:
    """A paid order of DAY, worth 100.00 unless said otherwise."""
    paid = given.get("paid", Decimal("100.00"))
    about = {
        "order_key": key(name),
        "platform": "nuvemshop",
        "external_id": str(name),
        "customer_key": key("buyer"),
        "status": "open",
        "payment_status": "paid",
        "is_paid": 1,
        "paid_at": NOON,
        "paid_date": DAY,
        "currency": "BRL",
        "native_currency": "BRL",
        "exchange_rate": Decimal(1),
        "total": paid,
        "paid": paid,
        "items": 1,
        "installments": 1,
    }
    return row(tables.fct_orders, **(about | given))


def spend(day: date, amount: str, **given: Any) -> dict[str, Any]:
    about = {"platform": "meta", "account_id": "act_1", "day": day, "campaign_id": "c1", "level": "campaign"}
    money = {"spend": Decimal(amount), "native_spend": Decimal(amount), "currency": "BRL", "native_currency": "BRL"}
    return row(tables.fct_ad_spend, **(about | money | {"exchange_rate": Decimal(1)} | given))


def days(count: int, since: date = DAY) -> list[date]:
    return [since + timedelta(days=offset) for offset in range(count)]


def everything(source: Warehouse | Transaction, table: Table) -> list[dict[str, Any]]:
    """All rows of a table in key order."""
    order_by = ", ".join(column.name for column in table.primary_key)
    return source.rows(f"SELECT * FROM {table.name} ORDER BY {order_by}")
