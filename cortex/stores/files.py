"""Files: orders of any shop from one CSV or JSON file, for shops nobody has written an adapter for yet.

A CSV has one row per order line, order columns repeated or on the first row of their order; JSON has one object per order
with its `lines`. The columns are those of ORDER and LINE; docs/en/platforms/files.md explains each.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, get_args

from cortex.clock import Window, local_day
from cortex.errors import BadRecord, ConfigError
from cortex.records import (
    Account,
    Clicks,
    Consent,
    History,
    Line,
    Order,
    OrderStatus,
    Payment,
    PaymentMethod,
    PaymentStatus,
    Person,
    Product,
    Refund,
    Seller,
    Touch,
)
from cortex.settings import PlatformSection
from cortex.stores import Store, _files_goods, _files_sellers
from cortex.stores._columns import Row, dashed, flag
from cortex.stores._columns import money as _money
from cortex.stores._columns import text as _text
from cortex.stores._files_goods import GOODS
from cortex.stores._files_sellers import SELLER
from cortex.stores._oddities import Oddities
from cortex.stores._people import full_name, postal_prefix, state_code
from cortex.stores._values import STREAM, bad, units

PERSONAL = ("customer_id", "email", "phone", "document", "name", "postal_code", "ip", "user_agent")
CLICKS = ("gclid", "gbraid", "wbraid", "fbc", "fbp", "fbclid", "ttclid", "ttp", "msclkid")
ORDER = (
    "order_id", "number", "placed_at", "updated_at", "paid_at", "shipped_at", "delivered_at", "closed_at", "cancelled_at",
    "status", "status_detail", "payment_status", "fulfilment_status", "currency", "total", "discount", "shipping",
    "shipping_cost", "shipping_mode", "tax", "payment_method", "installments", "payment_fee", "coupon", "refunded",
    "refunded_at", "city", "state", "country", "utm_source", "utm_medium", "utm_campaign", "utm_content", "utm_term",
    "landing_page", "consent", "consent_version", "consent_at", "marketplace", "test", *CLICKS, *PERSONAL,
)  # fmt: skip
LINE = (
    "product_id", "variant_id", "sku", "product", "category", "seller_id", "quantity", "unit_price", "full_unit_price",
    "line_discount", "unit_cost", "sale_fee", "manufacturing_days", *GOODS,
)  # fmt: skip
NEEDED = ("order_id", "placed_at")
MAX_BYTES = 512 * 1024 * 1024
PAID = {"paid", "partially_refunded", "refunded"}


class Written(NamedTuple):
    """One order as the file writes it: where, its own columns, its lines."""

    place: str
    order: Row
    lines: Sequence[Row]


class Files(Store):
    """One file of orders."""

    class Config(PlatformSection):
        path: Path
        """The file; relative to the workspace."""
        sellers: Path | None = None
        """A CSV of sellers, where the orders are a marketplace's."""

    config: Config
    docs = "platforms/files.md"
    history = History()

    def check(self) -> Account:
        """Read the file. Raises ConfigError CTX-5063 when it cannot be taken as a file of orders."""
        orders, unfit = self._read
        span = f", {self._days[0]} → {self._days[-1]}" if orders else ""
        return Account(
            id=self._file.name,
            name=f"Orders of {self._file.name}",
            timezone=self.access.timezone.key,
            note=f"{len(orders)} orders{span}" + (f"; {len(unfit)} cannot be read" if unfit else ""),
        )

    def span(self) -> Window:
        """The days the orders last changed on. Raises ConfigError CTX-5063 when there is none."""
        orders, _ = self._read
        if not orders:
            raise _unusable(self._file, "holds no order that can be read")
        return Window(self._days[0], date.fromordinal(self._days[-1].toordinal() + 1))

    def orders(self, window: Window) -> Iterator[Order]:
        """Orders whose last known change lies in the window, oldest first."""
        orders, unfit = self._read
        for record in unfit:
            self.access.quarantine(record)
        since, until = window.bounds(self.access.timezone)
        yield from (order for order in orders if since <= order.updated_at < until)
        for notice in self._oddities.notices():
            self.access.notice(notice)

    def products(self) -> Iterator[Product]:
        """What the orders' lines are about, as the newest order with each tells; price and stock as they stood then."""
        _ = self._read
        for key, (_, row, currency) in sorted(self._goods.items()):
            try:
                yield _files_goods.product(row, currency)
            except BadRecord as failure:
                self.access.quarantine(BadRecord("store.products", key[:64], failure.reason))

    def sellers(self) -> Iterator[Seller]:
        """The sellers of the file of sellers, where there is one."""
        if self.config.sellers is None:
            return
        file = self.access.vault.root / self.config.sellers.expanduser()
        for number, row in _table(file, _text_of(file), SELLER, _files_sellers.NEEDED):
            try:
                yield _files_sellers.seller(row)
            except BadRecord as failure:
                key = _text(row, "seller_id")[:64] or f"line {number}"
                self.access.quarantine(BadRecord("store.sellers", key, failure.reason))

    @property
    def _file(self) -> Path:
        return self.access.vault.root / self.config.path.expanduser()

    @property
    def _days(self) -> list[date]:
        return [local_day(order.updated_at, self.access.timezone) for order in self._read[0]]

    @cached_property
    def _read(self) -> tuple[list[Order], list[BadRecord]]:
        self._oddities = Oddities("the file")
        self._goods: dict[str, tuple[datetime, Row, str]] = {}
        orders: dict[str, Order] = {}
        unfit = []
        for written in _written(self._file):
            key = _text(written.order, "order_id")[:64]
            try:
                order = self._order(written)
            except BadRecord as failure:
                unfit.append(BadRecord(STREAM, key or written.place, failure.reason))
                continue
            if key not in orders or order.updated_at >= orders[key].updated_at:
                orders[key] = order
            self._note_goods(order, written.lines)
        return sorted(orders.values(), key=lambda order: (order.updated_at, order.external_id)), unfit

    def _note_goods(self, order: Order, lines: Sequence[Row]) -> None:
        for line, row in zip(order.lines, lines, strict=True):
            known = self._goods.get(line.product_id)
            if line.product_id and (known is None or order.created_at >= known[0]):
                self._goods[line.product_id] = (order.created_at, row, order.currency)

    def _order(self, written: Written) -> Order:
        row = written.order
        currency = (_text(row, "currency") or "BRL").upper()
        if len(currency) != 3 or not currency.isalpha():
            raise bad("currency is no code of ISO 4217")
        if not _text(row, "order_id"):
            raise bad("order_id is missing")
        placed = self._instant(row, "placed_at")
        if placed is None:
            raise bad("placed_at is missing")
        status: OrderStatus = _one_of(row, "status", get_args(OrderStatus), "open")
        payment: PaymentStatus = _one_of(row, "payment_status", get_args(PaymentStatus), "paid")
        lines = [_line(at, line, currency) for at, line in enumerate(written.lines, start=1)]
        discount, shipping, tax = (_money(row, name, currency) for name in ("discount", "shipping", "tax"))
        subtotal, total = self._sums(row, lines, currency, discount, shipping + tax)
        is_paid = payment in PAID
        paid_at = (self._instant(row, "paid_at") or placed) if is_paid else None
        refunds = self._refunds(row, payment, total, currency, paid_at)
        shipped, delivered, closed, cancelled = (
            self._instant(row, name) for name in ("shipped_at", "delivered_at", "closed_at", "cancelled_at")
        )
        happened = (placed, paid_at, shipped, delivered, closed, cancelled, *(refund.created_at for refund in refunds))
        known = [at for at in happened if at]
        updated = max([*known, self._instant(row, "updated_at") or placed])
        country = _text(row, "country").upper()[:2] or "BR"
        clicks = Clicks(**{name: _text(row, name) for name in CLICKS})
        return Order(
            platform="files",
            external_id=_text(row, "order_id")[:64],
            number=_text(row, "number"),
            status=status,
            payment_status=payment,
            status_detail=_text(row, "status_detail"),
            fulfilment_status=_text(row, "fulfilment_status"),
            created_at=placed,
            updated_at=updated,
            paid_at=paid_at,
            shipped_at=shipped,
            delivered_at=delivered,
            closed_at=closed,
            cancelled_at=cancelled,
            currency=currency,
            subtotal=subtotal,
            discount=discount,
            shipping=shipping,
            shipping_cost=_money(row, "shipping_cost", currency) if _text(row, "shipping_cost") else None,
            shipping_mode=_text(row, "shipping_mode"),
            tax=tax,
            total=total,
            paid=total if is_paid else Decimal("0.00"),
            coupon=_text(row, "coupon"),
            lines=lines,
            payments=[
                Payment(
                    sequence=1,
                    method=_one_of(row, "payment_method", get_args(PaymentMethod), "other"),
                    installments=max(1, units(_text(row, "installments") or "1")),
                    amount=total,
                    status=payment,
                    paid_at=paid_at,
                    fee=_money(row, "payment_fee", currency) if _text(row, "payment_fee") else None,
                )
            ],
            refunds=refunds,
            customer=_person(row, country),
            city=_text(row, "city"),
            state=state_code(_text(row, "state"), country) or _text(row, "state")[:8],
            postal_prefix=postal_prefix(_text(row, "postal_code"), country),
            country=country,
            touches=_touches(row, placed, clicks),
            clicks=clicks,
            consent=Consent(
                state=_one_of(row, "consent", ("granted", "denied", "unknown"), "unknown"),
                source="file" if _text(row, "consent") else "",
                version=_text(row, "consent_version"),
                at=self._instant(row, "consent_at"),
            ),
            marketplace=_text(row, "marketplace"),
            test=flag(row, "test"),
            payload=_payload(written),
        )

    def _sums(
        self, row: Row, lines: Sequence[Line], currency: str, discount: Decimal, added: Decimal
    ) -> tuple[Decimal, Decimal]:
        """Subtotal and total; of an order without lines or without a total the other is worked out."""
        if not _text(row, "total"):
            if not lines:
                raise bad("neither total nor lines are given")
            subtotal = sum((line.total for line in lines), Decimal(0))
            return subtotal, max(Decimal("0.00"), subtotal - discount + added)
        total = _money(row, "total", currency)
        if not lines:
            return max(Decimal("0.00"), total + discount - added), total
        subtotal = sum((line.total for line in lines), Decimal(0))
        gap = subtotal - discount + added - total
        if gap:
            self._oddities.sums("total", gap)
        return subtotal, total

    def _refunds(
        self, row: Row, payment: PaymentStatus, total: Decimal, currency: str, paid_at: datetime | None
    ) -> list[Refund]:
        back = _money(row, "refunded", currency) or (total if payment == "refunded" else Decimal(0))
        if not back or paid_at is None:
            return []
        if back > total:
            raise bad("refunded is more than the total")
        at = self._instant(row, "refunded_at") or self._instant(row, "updated_at") or paid_at
        return [Refund(refund_id=f"{_text(row, 'order_id')[:48]}-refund", created_at=at, amount=back)]

    def _instant(self, row: Row, name: str) -> datetime | None:
        """ISO 8601 or 19/11/2026 14:30, in the client's zone unless it says its own; a bare day is its noon."""
        text = _text(row, name)
        if not text:
            return None
        day, _, rest = text.partition(" ")
        text = dashed(day) + (f" {rest}" if rest else "")
        try:
            read = (
                datetime.combine(date.fromisoformat(text), time(12))
                if len(text) == 10
                else datetime.fromisoformat(text)
            )
        except ValueError:
            raise bad(f"{name} is not an instant") from None
        if not 2000 <= read.year < 2100:
            raise bad(f"{name} is not of our time")
        return (read if read.tzinfo else read.replace(tzinfo=self.access.timezone)).astimezone(UTC)


def _written(file: Path) -> Iterator[Written]:
    text = _text_of(file)
    return _from_json(file, text) if text.lstrip()[:1] in {"{", "["} else _from_csv(file, text)


def _text_of(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise _unusable(file, f"is larger than {MAX_BYTES // 1024 // 1024} MiB")
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise _unusable(file, f"cannot be read as UTF-8 text ({type(problem).__name__})") from None


def _table(file: Path, text: str, known: Sequence[str], needed: Sequence[str]) -> Iterator[tuple[int, Row]]:
    """Rows of a CSV with the number of their line."""
    lines = text.splitlines()
    separator = ";" if lines and lines[0].count(";") > lines[0].count(",") else ","
    reader = csv.DictReader(lines, delimiter=separator)
    names = [name.strip().lower() for name in reader.fieldnames or []]
    _check_names(file, names, known, needed)
    reader.fieldnames = names
    return enumerate(reader, start=2)


def _from_csv(file: Path, text: str) -> Iterator[Written]:
    orders: dict[str, tuple[int, Row, list[Row]]] = {}
    for number, row in _table(file, text, (*ORDER, *LINE), NEEDED):
        key = str(row.get("order_id") or "").strip() or f"line {number}"
        _, _, mine = orders.setdefault(key, (number, row, []))
        if any(str(row.get(name) or "").strip() for name in LINE):
            mine.append(row)
    return (Written(f"line {number}", order, mine) for number, order, mine in orders.values())


def _from_json(file: Path, text: str) -> Iterator[Written]:
    try:
        told = json.loads(text)
    except ValueError:
        try:
            told = [json.loads(line) for line in text.splitlines() if line.strip()]  # one object a line
        except ValueError:
            raise _unusable(file, "is neither JSON nor one JSON object a line") from None
    orders = told.get("orders", [told]) if isinstance(told, dict) else told
    if not isinstance(orders, list) or not all(isinstance(order, dict) for order in orders):
        raise _unusable(file, "is no list of orders")
    _check_names(file, sorted({name for order in orders for name in order} - {"lines"}) or NEEDED, ORDER, NEEDED)
    for at, order in enumerate(orders, start=1):
        lines = order.get("lines") or []
        sound = isinstance(lines, list) and all(isinstance(line, dict) for line in lines)
        yield Written(f"order {at}", order, lines if sound else [{"quantity": "?"}])


def _check_names(file: Path, names: Sequence[str], known: Sequence[str], needed: Sequence[str]) -> None:
    """A misspelt column would be money or a click that is not there."""
    missing = [name for name in needed if name not in names]
    strange = sorted(set(names) - set(known))
    if missing:
        raise _unusable(file, f"has no column {missing[0]}")
    if strange:
        raise _unusable(file, f"has columns nobody knows: {', '.join(name[:40] for name in strange[:5])}")


def _unusable(file: Path, why: str) -> ConfigError:
    return ConfigError("CTX-5063", f"{file.name} {why}.", fix="cortex explain CTX-5063")


def _one_of(row: Row, name: str, known: Sequence[str], default: str) -> Any:
    said = _text(row, name).lower()
    if said and said not in known:
        raise bad(f"{name} is none of {', '.join(known)}")
    return said or default


def _line(at: int, row: Row, currency: str) -> Line:
    quantity = units(_text(row, "quantity") or "1")
    price, discount = _money(row, "unit_price", currency), _money(row, "line_discount", currency)
    if quantity * price < discount:
        raise bad("line_discount is more than the line")
    return Line(
        line=at,
        product_id=_text(row, "product_id") or _text(row, "sku"),
        variant_id=_text(row, "variant_id"),
        sku=_text(row, "sku"),
        name=_text(row, "product"),
        category=_text(row, "category"),
        seller_id=_text(row, "seller_id"),
        quantity=quantity,
        unit_price=price,
        full_unit_price=_money(row, "full_unit_price", currency) or price,
        discount=discount,
        total=quantity * price - discount,
        unit_cost=_money(row, "unit_cost", currency) if _text(row, "unit_cost") else None,
        sale_fee=_money(row, "sale_fee", currency) if _text(row, "sale_fee") else None,
        manufacturing_days=units(_text(row, "manufacturing_days")) if _text(row, "manufacturing_days") else None,
    )


def _person(row: Row, country: str) -> Person:
    first, last = full_name(_text(row, "name"))
    return Person(
        store_id=_text(row, "customer_id"),
        email=_text(row, "email"),
        phone=_text(row, "phone"),
        document=_text(row, "document"),
        first_name=first,
        last_name=last,
        city=_text(row, "city"),
        state=_text(row, "state"),
        postal_code=_text(row, "postal_code"),
        country=country,
        ip=_text(row, "ip"),
        user_agent=_text(row, "user_agent"),
    )


def _touches(row: Row, placed: datetime, clicks: Clicks) -> list[Touch]:
    source, medium, campaign, content, term = (
        _text(row, f"utm_{name}") for name in ("source", "medium", "campaign", "content", "term")
    )
    if not (source or medium or campaign or content or term) and clicks == Clicks():
        return []
    page = _text(row, "landing_page").partition("?")[0].partition("#")[0]
    return [
        Touch(
            origin="order",
            occurred_at=placed,
            source=source,
            medium=medium,
            campaign=campaign,
            content=content,
            term=term,
            clicks=clicks,
            landing_page=page,
        )
    ]


def _payload(written: Written) -> bytes:
    """What may be kept: the order's own columns without those of a person, and its lines."""
    hidden = {*PERSONAL, "landing_page"}  # a page's query may hold anything
    kept = {name: _text(written.order, name) for name in ORDER if name not in hidden and _text(written.order, name)}
    lines = [{name: _text(line, name) for name in LINE if _text(line, name)} for line in written.lines]
    return json.dumps({**kept, "lines": lines}, ensure_ascii=False).encode()
