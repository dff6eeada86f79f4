"""The plain way to load a shop: a loop over pages and `session.merge()` of one object a row, a commit a page."""

from __future__ import annotations

import argparse
import json
import resource
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import requests
from sqlalchemy import Numeric, String, create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    type_annotation_map = {str: String(255), Decimal: Numeric(18, 2)}  # noqa: RUF012


class Customer(Base):
    __tablename__ = "customers"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    email: Mapped[str]
    city: Mapped[str]
    state: Mapped[str]


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[str]
    status: Mapped[str]
    payment_status: Mapped[str]
    currency: Mapped[str]
    subtotal: Mapped[Decimal]
    discount: Mapped[Decimal]
    shipping: Mapped[Decimal]
    total: Mapped[Decimal]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]
    customer_id: Mapped[str] = mapped_column(String(64), index=True)
    landing_url: Mapped[str] = mapped_column(String(2000))


class Item(Base):
    __tablename__ = "items"
    order_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[str]
    sku: Mapped[str]
    name: Mapped[str]
    price: Mapped[Decimal]
    quantity: Mapped[int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shop")
    parser.add_argument("database")
    parser.add_argument("orders", type=int)
    asked = parser.parse_args()
    name = f"bench_orm_{time.time_ns():x}"
    server = create_engine(asked.database)
    with server.begin() as connection:
        connection.execute(text(f"CREATE DATABASE {name} CHARACTER SET utf8mb4"))
    engine = create_engine(f"{asked.database}/{name}")
    Base.metadata.create_all(engine)
    used, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    done, page, http = 0, 1, requests.Session()
    while done < asked.orders:
        answer = http.get(
            f"{asked.shop}/2025-03/1/orders", {"everything": "1", "per_page": 200, "page": page}, timeout=60
        )
        answer.raise_for_status()
        with Session(engine) as session:
            for order in answer.json():
                merge(session, order)
                done += 1
            session.commit()
        page += 1
    wall, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime
    with server.begin() as connection:
        connection.execute(text(f"DROP DATABASE {name}"))
    print(json.dumps({"orders": done, "wall": wall, "cpu": cpu, "rss": after.ru_maxrss / 1024}))


def merge(session: Session, order: dict[str, Any]) -> None:
    buyer, address = order["customer"], order["shipping_address"]
    session.merge(Customer(id=str(buyer["id"]), email=buyer["email"], city=address["city"], state=address["province"]))
    session.merge(
        Order(
            id=str(order["id"]), number=str(order["number"]), status=order["status"],
            payment_status=order["payment_status"], currency=order["currency"], subtotal=Decimal(order["subtotal"]),
            discount=Decimal(order["discount"]), shipping=Decimal(order["shipping_cost_customer"]),
            total=Decimal(order["total"]), created_at=utc(order["created_at"]), updated_at=utc(order["updated_at"]),
            paid_at=order["paid_at"] and utc(order["paid_at"]), customer_id=str(buyer["id"]),
            landing_url=order["landing_url"],
        )
    )  # fmt: skip
    for line, item in enumerate(order["products"], 1):
        session.merge(
            Item(
                order_id=str(order["id"]), line=line, product_id=str(item["product_id"]), sku=item["sku"],
                name=item["name"], price=Decimal(item["price"]), quantity=int(item["quantity"]),
            )
        )  # fmt: skip


def utc(words: str) -> datetime:
    return datetime.fromisoformat(words).astimezone(UTC).replace(tzinfo=None)


if __name__ == "__main__":
    main()
