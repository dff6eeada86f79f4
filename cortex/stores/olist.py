"""Olist: the public Brazilian marketplace data set, read from its CSV files as if it were a shop.

Published by Olist under CC BY-NC-SA 4.0: for tests, benchmarks and local demonstrations. Wall times are São Paulo's.
A person is `customer_unique_id`; `customer_id` is new with every order and would make everybody a first-time buyer.
"""

from __future__ import annotations

import csv
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from cortex.clock import Window, local_day
from cortex.errors import BadRecord, ConfigError
from cortex.records import (
    Account,
    History,
    Line,
    Order,
    OrderStatus,
    Payment,
    PaymentMethod,
    PaymentStatus,
    Person,
    Place,
    Review,
    Seller,
)
from cortex.settings import PlatformSection
from cortex.stores import Store
from cortex.stores._values import STREAM, amount, bad

ZONE = ZoneInfo("America/Sao_Paulo")
FILES = {
    "olist_orders_dataset.csv": (
        "order_id", "customer_id", "order_status", "order_purchase_timestamp", "order_approved_at",
        "order_delivered_carrier_date", "order_delivered_customer_date",
    ),
    "olist_order_items_dataset.csv": (
        "order_id", "order_item_id", "product_id", "seller_id", "price", "freight_value",
    ),
    "olist_order_payments_dataset.csv": (
        "order_id", "payment_sequential", "payment_type", "payment_installments", "payment_value",
    ),
    "olist_customers_dataset.csv": (
        "customer_id", "customer_unique_id", "customer_zip_code_prefix", "customer_city", "customer_state",
    ),
    "olist_products_dataset.csv": ("product_id", "product_category_name"),
}  # fmt: skip
"""The files read, with the columns needed of each."""

REVIEWS = "olist_order_reviews_dataset.csv"
SELLERS = "olist_sellers_dataset.csv"
PLACES = "olist_geolocation_dataset.csv"
BESIDE = {
    REVIEWS: ("review_id", "order_id", "review_score", "review_creation_date", "review_answer_timestamp"),
    SELLERS: ("seller_id", "seller_city", "seller_state"),
    PLACES: ("geolocation_zip_code_prefix", "geolocation_city", "geolocation_state"),
}
"""Files that may be missing. Of reviews the texts, of places the coordinates are left alone."""

STATUSES: dict[str, OrderStatus] = {
    "created": "open",
    "approved": "open",
    "processing": "open",
    "invoiced": "open",
    "shipped": "open",
    "delivered": "closed",
    "canceled": "cancelled",
    "unavailable": "cancelled",
}
METHODS: dict[str, PaymentMethod] = {
    "credit_card": "credit_card",
    "boleto": "boleto",
    "voucher": "voucher",
    "debit_card": "debit_card",
    "not_defined": "other",
}

Row = tuple[str, ...]


class Tables(NamedTuple):
    """The files in memory. `orders` are (last change, row), oldest change first; `unfit` have no readable date."""

    orders: list[tuple[datetime, Row]]
    unfit: list[BadRecord]
    items: dict[str, list[Row]]
    payments: dict[str, list[Row]]
    customers: dict[str, Row]
    categories: dict[str, str]


class Olist(Store):
    """The Olist files in a folder."""

    class Config(PlatformSection):
        path: Path
        """Folder of the CSV files; relative to the workspace."""

    config: Config
    docs = "platforms/olist.md"
    history = History()

    def check(self) -> Account:
        """Read the files. Raises ConfigError CTX-3080 (a file is missing) or CTX-3081 (another header)."""
        changes = self._tables.orders
        span = f"{local_day(changes[0][0], ZONE)} → {local_day(changes[-1][0], ZONE)}" if changes else "no orders"
        return Account(
            id=self._folder.name,
            name="Olist Brazilian E-Commerce",
            currency="BRL",
            timezone=ZONE.key,
            note=f"{len(changes)} orders, {span}; CC BY-NC-SA 4.0: tests and demonstrations only",
        )

    def orders(self, window: Window) -> Iterator[Order]:
        """Orders whose last known change (purchase, approval, hand-over, delivery) lies in the window, oldest first.

        An order is in the window of its last change alone, because the files hold one state of each order.
        """
        for unfit in self._tables.unfit:
            self.access.quarantine(unfit)
        orders = self._tables.orders
        first, last = (bisect_left(orders, (instant, ())) for instant in window.bounds(self.access.timezone))
        for changed, row in orders[first:last]:
            try:
                found = self._order(row, changed)
            except BadRecord as failure:
                self.access.quarantine(BadRecord(STREAM, row[0], failure.reason))
            else:
                yield found

    def reviews(self) -> Iterator[Review]:
        """Every score. One review may be about several orders, and an order may have several."""
        for review_id, order_id, score, asked, answered in self._beside(REVIEWS):
            try:
                if score not in {"1", "2", "3", "4", "5"}:
                    raise bad("review_score is not 1 to 5")
                found = Review(
                    platform="olist",
                    review_id=review_id,
                    order_id=order_id,
                    score=int(score),
                    created_at=_instant(asked),
                    answered_at=_instant(answered) if answered else None,
                )
            except BadRecord as failure:
                self.access.quarantine(BadRecord("store.reviews", review_id, failure.reason))
            else:
                yield found

    def sellers(self) -> Iterator[Seller]:
        for seller_id, city, state in self._beside(SELLERS):
            yield Seller(platform="olist", seller_id=seller_id, city=city, state=state)

    def places(self) -> Iterator[Place]:
        """The town most points of a postcode's first digits lie in; the files spell towns in several ways."""
        seen: defaultdict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
        for prefix, city, state in self._beside(PLACES):
            seen[prefix.zfill(5)][city, state] += 1
        for prefix, towns in seen.items():
            city, state = min(towns, key=lambda town: (-towns[town], town))
            yield Place(country="BR", postal_prefix=prefix, city=city, state=state)

    def _beside(self, name: str) -> Iterator[Row]:
        file = self._folder / name
        return _rows(file) if file.exists() else iter(())

    def span(self) -> Window:
        """The days from the first to the last change in the files. Raises ConfigError when they hold no order."""
        changes = self._tables.orders
        if not changes:
            raise ConfigError(
                "CTX-3082", f"{self._folder} holds no order with a date.", fix="Use the files as Olist published them."
            )
        first, last = (local_day(changes[at][0], self.access.timezone) for at in (0, -1))
        return Window(first, last + timedelta(days=1))

    @property
    def _folder(self) -> Path:
        return self.access.vault.root / self.config.path.expanduser()

    @cached_property
    def _tables(self) -> Tables:
        orders, items, payments, customers, products = (_rows(self._folder / name) for name in FILES)
        changes: list[tuple[datetime, Row]] = []
        unfit: list[BadRecord] = []
        for row in orders:
            try:
                changes.append((max(_instant(text) for text in row[3:] if text), row))
            except (BadRecord, ValueError):
                unfit.append(BadRecord(STREAM, row[0], "has no readable date"))
        changes.sort()
        return Tables(
            changes,
            unfit,
            _by_order(items),
            _by_order(payments),
            {row[0]: row for row in customers},
            {product: category for product, category in products if category},
        )

    def _order(self, row: Row, changed: datetime) -> Order:
        order_id, customer_id, said, purchased, approved, handed_over, delivered = row
        if said not in STATUSES:
            raise bad("order_status is not known")
        if customer_id not in self._tables.customers:
            raise bad("its customer is not in olist_customers_dataset.csv")
        _, person, zip_prefix, city, state = self._tables.customers[customer_id]
        lines, shipping = self._lines(order_id)
        created = _instant(purchased)
        status = _payment_status(said, approved)
        paid_at = (_instant(approved) if approved else created) if status == "paid" else None
        payments = self._payments(order_id, status, paid_at)
        subtotal = sum((line.total for line in lines), Decimal("0.00"))
        received = sum((payment.amount for payment in payments), Decimal("0.00"))
        # Items that could not be had are missing from the files; then the payment is all that tells the total.
        total = subtotal + shipping if lines else received
        return Order(
            platform="olist",
            external_id=order_id,
            status=STATUSES[said],
            payment_status=status,
            fulfilment_status=said,
            created_at=created,
            updated_at=changed,
            paid_at=paid_at,
            shipped_at=_instant(handed_over) if handed_over else None,
            delivered_at=_instant(delivered) if delivered else None,
            cancel_reason=said if said == "unavailable" else "",
            subtotal=subtotal,
            shipping=shipping,
            total=total,
            paid=(received if payments else total) if status == "paid" else Decimal("0.00"),
            lines=lines,
            payments=payments,
            customer=Person(store_id=person, city=city, state=state, postal_code=zip_prefix.zfill(5), country="BR"),
            city=city,
            state=state,
            postal_prefix=zip_prefix.zfill(5),
            country="BR",
            payload=self._payload(row),
        )

    def _lines(self, order_id: str) -> tuple[list[Line], Decimal]:
        """Lines, one unit each as in the files, and the freight of all. The category is the Portuguese one."""
        lines, freight = [], Decimal("0.00")
        for _, position, product, seller, price, freight_value in self._tables.items.get(order_id, ()):
            unit = amount(price, "price", "BRL")
            freight += amount(freight_value, "freight_value", "BRL")
            category = self._tables.categories.get(product, "")
            lines.append(
                Line(
                    line=_count(position),
                    product_id=product,
                    # The data set has no product names: category and a piece of the id make reports readable.
                    name=f"{category or 'produto'} {product[:8]}",
                    category=category,
                    seller_id=seller,
                    unit_price=unit,
                    full_unit_price=unit,
                    total=unit,
                )
            )
        return sorted(lines, key=lambda line: line.line), freight

    def _payments(self, order_id: str, status: PaymentStatus, paid_at: datetime | None) -> list[Payment]:
        found = [
            Payment(
                sequence=_count(sequence),
                method=METHODS.get(method, "other"),
                installments=max(1, _count(installments)),
                amount=amount(value, "payment_value", "BRL"),
                status=status,
                paid_at=paid_at,
            )
            for _, sequence, method, installments, value in self._tables.payments.get(order_id, ())
        ]
        return sorted(found, key=lambda payment: payment.sequence)

    def _payload(self, row: Row) -> bytes:
        """The rows of the order without its customer."""
        names = list(FILES.values())
        order = dict(zip(names[0], row, strict=True))
        del order["customer_id"]
        items = [dict(zip(names[1][1:], item[1:], strict=True)) for item in self._tables.items.get(row[0], ())]
        payments = [
            dict(zip(names[2][1:], payment[1:], strict=True)) for payment in self._tables.payments.get(row[0], ())
        ]
        return msgspec.json.encode({**order, "items": items, "payments": payments})


def _payment_status(said: str, approved: str) -> PaymentStatus:
    """Paid once approved, or once the order moved on; cancelled and unavailable orders count as voided, whatever was
    paid, because the files do not say when it went back. Their payments are kept with that status."""
    if STATUSES[said] == "cancelled":
        return "voided"
    return "pending" if said == "created" and not approved else "paid"


def _rows(file: Path) -> Iterator[Row]:
    """The needed columns of a file, in the order of FILES."""
    wanted = (FILES | BESIDE)[file.name]
    try:
        handle = file.open(encoding="utf-8-sig", newline="")
    except OSError as failure:
        raise ConfigError(
            "CTX-3080",
            f"{file} cannot be read ({failure.strerror}).",
            fix="Point ecommerce.path at the folder that holds the Olist CSV files.",
        ) from None
    with handle:
        reader = csv.reader(handle)
        header = next(reader, [])
        missing = [name for name in wanted if name not in header]
        if missing:
            raise ConfigError(
                "CTX-3081",
                f"{file} has another header: expected {', '.join(wanted)}; found {', '.join(header) or 'nothing'}.",
                fix=f"The columns {', '.join(missing)} are missing: use the files as Olist published them.",
            )
        at = [header.index(name) for name in wanted]
        last = max(at)
        for number, row in enumerate(reader, 2):
            if len(row) <= last:
                if row:
                    raise ConfigError("CTX-3081", f"{file}:{number} has {len(row)} columns, the header {len(header)}.")
                continue
            yield tuple([row[i] for i in at])


def _by_order(rows: Iterator[Row]) -> dict[str, list[Row]]:
    found: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[0]].append(row)
    return found


def _instant(text: str) -> datetime:
    """A São Paulo wall time in UTC; in an hour that came twice, the first. Raises BadRecord."""
    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        raise bad("a date is no date") from None
    return wall.replace(tzinfo=ZONE).astimezone(UTC)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 5):
        raise bad("a position or a number of instalments is no number")
    return int(text)
