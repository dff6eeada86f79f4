"""The plain way to load a shop: a loop over pages and `session.merge()` of one object a row of the three tables, a commit a page."""

from __future__ import annotations

import argparse
import time
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import requests
from meter import Meter
from sqlalchemy import Numeric, String, create_engine, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from three_tables import Row, rows


class Base(DeclarativeBase):
    type_annotation_map = {str: String(255), Decimal: Numeric(18, 2)}  # noqa: RUF012


class Customer(Base):
    __tablename__ = "customers"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    email_sha256: Mapped[str] = mapped_column(String(64), index=True)
    city: Mapped[str]
    state: Mapped[str]
    country: Mapped[str]
    last_order: Mapped[str]
    seen_at: Mapped[datetime]


class Order(Base):
    __tablename__ = "orders"
    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    number: Mapped[str]
    status: Mapped[str]
    payment_status: Mapped[str]
    shipping_status: Mapped[str]
    currency: Mapped[str]
    subtotal: Mapped[Decimal]
    discount: Mapped[Decimal]
    shipping: Mapped[Decimal]
    total: Mapped[Decimal]
    total_paid: Mapped[Decimal]
    coupon: Mapped[str]
    gateway: Mapped[str]
    method: Mapped[str]
    installments: Mapped[int]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    local_day: Mapped[date] = mapped_column(index=True)
    customer_id: Mapped[str] = mapped_column(String(64), index=True)
    email_sha256: Mapped[str]
    customer_sha256: Mapped[str]
    city: Mapped[str]
    state: Mapped[str]
    postal_prefix: Mapped[str]
    country: Mapped[str]
    landing_path: Mapped[str]
    utm_source: Mapped[str]
    utm_medium: Mapped[str]
    utm_campaign: Mapped[str]
    gclid: Mapped[str]
    fbclid: Mapped[str]


class Item(Base):
    __tablename__ = "items"
    order_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True)
    product_id: Mapped[str]
    variant_id: Mapped[str]
    sku: Mapped[str]
    name: Mapped[str]
    price: Mapped[Decimal]
    compare_at_price: Mapped[Decimal]
    quantity: Mapped[int]
    total: Mapped[Decimal]


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
    meter = Meter(asked.database)
    meter.start()
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
    meter.stop(done)
    with server.begin() as connection:
        connection.execute(text(f"DROP DATABASE {name}"))


def merge(session: Session, told: dict[str, Any]) -> None:
    order, items, customer = rows(told)
    session.merge(Customer(**naive(customer)))
    session.merge(Order(**naive(order)))
    for item in items:
        session.merge(Item(**item))


def naive(row: Row) -> Row:
    return {name: value.replace(tzinfo=None) if isinstance(value, datetime) else value for name, value in row.items()}


if __name__ == "__main__":
    main()
