"""Currencies: what was said in another currency than the client's, in the client's own, by rates whose source is stated.

Rates stand in `rates.csv` of the workspace, for all clients; nothing is fetched. Facts hold the client's currency, which
is what gets summed, and beside it what the source said, the rate, its day and where it is from. Without a rate an amount
is nothing in the client's currency: it is counted in no report, and the run and every report say so.
"""

from __future__ import annotations

import csv
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import structs

from cortex.clock import local_day
from cortex.errors import ConfigError, Problem
from cortex.money import convert
from cortex.records import Notice, Order
from cortex.run import Run

FILE = "rates.csv"
HEADER = ("day", "from", "to", "rate", "source")
HOLDS = timedelta(days=7)
"""A rate is good until the next one, for at most this long: banks quote none on weekends and holidays."""
MAX_BYTES = 16 * 1024 * 1024
Row = dict[str, Any]


class Rate(NamedTuple):
    """What one unit of the other currency is worth in the client's."""

    factor: Decimal
    day: date
    source: str


class Rates:
    """Rates into one currency."""

    def __init__(self, own: str, quoted: Iterable[tuple[str, Rate]] = ()) -> None:
        self.own = own
        self._quoted: defaultdict[str, list[Rate]] = defaultdict(list)
        for currency, rate in sorted(quoted, key=lambda one: one[1].day):
            self._quoted[currency].append(rate)

    def foreign(self, currency: str) -> bool:
        return bool(currency) and currency != self.own

    def on(self, currency: str, day: date) -> Rate | None:
        """The rate of a day: its own, else the last one of the seven days before."""
        quoted = self._quoted.get(currency, [])
        at = bisect_right(quoted, day, key=lambda rate: rate.day)
        return quoted[at - 1] if at and day - quoted[at - 1].day <= HOLDS else None


def rates(run: Run) -> Rates:
    """Rates into the client's currency. Raises ConfigError CTX-5061 naming every line that cannot be used."""
    return read(run.workspace.root / FILE, run.tenant.currency)


def read(file: Path, own: str) -> Rates:
    """`rates.csv`: a header `day,from,to,rate,source`, or the same with `;` and decimal commas; one line per day and pair.

    rate: what one unit of `from` is worth in `to`. No file is no rates. Raises ConfigError CTX-5061.
    """
    if not file.is_file():
        return Rates(own)
    lines, first = _lines(file)
    seen: dict[tuple[str, date], int] = {}
    quoted, problems = [], []
    for at, line in enumerate(lines, start=first):
        try:
            currency, to, rate = _rate(line)
        except ValueError as problem:
            problems.append(Problem(file.name, at, 1, "", str(problem)))
            continue
        if to != own:
            continue
        first_at = seen.setdefault((currency, rate.day), at)
        if first_at != at:
            problems.append(
                Problem(file.name, at, 1, "", f"a second rate of {currency} for {rate.day}, as on line {first_at}")
            )
        quoted.append((currency, rate))
    if problems:
        raise _unusable(f"{file.name} has {len(problems)} lines that are no rates.", problems)
    return Rates(own, quoted)


def _lines(file: Path) -> tuple[list[Row], int]:
    """The lines as dictionaries, and the number of the first."""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise _unusable(f"{file.name} is larger than {MAX_BYTES // 1024 // 1024} MiB.")
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as problem:
        raise _unusable(f"{file.name} cannot be read as UTF-8 text: {type(problem).__name__}.") from None
    head, _, _ = text.partition("\n")
    separator = ";" if ";" in head else ","
    names = tuple(name.strip().lower() for name in head.strip().split(separator))
    if names != HEADER:
        raise _unusable(f"The header of {file.name} is not {separator.join(HEADER)}.")
    return list(csv.DictReader(text.splitlines()[1:], fieldnames=HEADER, delimiter=separator)), 2


def _rate(line: Row) -> tuple[str, str, Rate]:
    if None in line or None in line.values():
        raise ValueError(f"has not {len(HEADER)} values")
    day, currency, to, written, source = (str(line[name]).strip() for name in HEADER)
    for code in (currency, to):
        if len(code) != 3 or not code.isalpha() or not code.isupper():
            raise ValueError(f"{code[:8]!r} is no currency of ISO 4217")
    try:
        factor = Decimal(written.replace(",", ".") if "." not in written else written)
        told = date.fromisoformat(day)
    except (InvalidOperation, ValueError):
        raise ValueError("needs a day such as 2026-11-19 and a rate such as 5.3412") from None
    if not factor.is_finite() or not Decimal("1e-9") < factor < Decimal("1e7"):
        raise ValueError("has a rate that cannot be true")
    if not source:
        raise ValueError("does not say where the rate is from")
    return currency, to, Rate(factor, told, source[:64])


def _unusable(message: str, problems: Sequence[Problem] = ()) -> ConfigError:
    return ConfigError(
        "CTX-5061", message, problems=problems, fix="day,from,to,rate,source: 2026-11-19,USD,BRL,5.3412,Central bank"
    )


class Exchanged:
    """What was converted in one step, and what could not be, for the people who read the numbers."""

    def __init__(self, rates: Rates) -> None:
        self._rates = rates
        self._without: dict[str, tuple[int, Decimal, date, date]] = {}

    def order(self, order: Order, zone: ZoneInfo) -> tuple[Order, Row]:
        """The order in the client's currency, and the columns of fct_orders that say from what; none for its own.

        An order without a rate keeps no money and is not paid: it counts nowhere until it is read again with one. A
        refund is converted as its order was, so that all money back is all of it.
        """
        if not self._rates.foreign(order.currency):
            return order, {}
        day = local_day(order.paid_at or order.created_at, zone)
        rate = self._rate(order.currency, day, order.total)
        told: Row = {
            "native_currency": order.currency,
            "native_total": order.total,
            "native_paid": order.paid,
            **_stated(rate),
        }
        if rate is None:
            told |= {"is_paid": 0, "paid_at": None, "paid_date": None}
        return _exchanged(order, rate.factor if rate else Decimal(0), self._rates.own), told

    def amounts(self, currency: str, day: date, *native: Decimal) -> tuple[list[Decimal], Row]:
        """Amounts of a row in the client's currency (0 without a rate), and the columns that say by which rate."""
        if not self._rates.foreign(currency):
            own = {"exchange_rate": Decimal(1), "rate_day": None, "rate_source": ""}
            return list(native), {"currency": self._rates.own, "native_currency": currency or self._rates.own} | own
        rate = self._rate(currency, day, native[0])
        factor = rate.factor if rate else Decimal(0)
        columns = {"currency": self._rates.own, "native_currency": currency, **_stated(rate)}
        return [convert([amount], factor, self._rates.own)[0] for amount in native], columns

    def _rate(self, currency: str, day: date, amount: Decimal) -> Rate | None:
        rate = self._rates.on(currency, day)
        if rate is None:
            count, total, first, last = self._without.get(currency, (0, Decimal(0), day, day))
            self._without[currency] = (count + 1, total + amount, min(first, day), max(last, day))
        return rate

    def notices(self, stream: str) -> list[Notice]:
        """One per currency without a rate."""
        return [
            Notice(
                code="CTX-5062",
                stream=stream,
                message=(
                    f"{count} rows worth {total} {currency} from {first} to {last} have no rate to {self._rates.own}"
                    f" in {FILE}: no report counts them. Add the rates and read those days again."
                ),
                count=count,
                value=total,
                facts={
                    "native": str(total),
                    "currency": currency,
                    "first": first.isoformat(),
                    "last": last.isoformat(),
                },
            )
            for currency, (count, total, first, last) in sorted(self._without.items())
        ]


def _stated(rate: Rate | None) -> Row:
    return {
        "exchange_rate": rate.factor if rate else None,
        "rate_day": rate.day if rate else None,
        "rate_source": rate.source if rate else "",
    }


def _exchanged(order: Order, factor: Decimal, own: str) -> Order:
    def each(amounts: Iterable[Decimal]) -> list[Decimal]:
        return convert(list(amounts), factor, own)

    def one(amount: Decimal) -> Decimal:
        return convert([amount], factor, own)[0]

    totals = each(line.total for line in order.lines)
    paid = each(payment.amount for payment in order.payments)
    refunds = sorted(order.refunds, key=lambda refund: (refund.created_at, refund.refund_id))
    back = each(refund.amount for refund in refunds)
    return structs.replace(
        order,
        currency=own,
        subtotal=one(order.subtotal),
        discount=one(order.discount),
        shipping=one(order.shipping),
        shipping_cost=None if order.shipping_cost is None else one(order.shipping_cost),
        tax=one(order.tax),
        total=one(order.total),
        paid=one(order.paid),
        lines=[
            structs.replace(
                line,
                unit_price=one(line.unit_price),
                full_unit_price=one(line.full_unit_price),
                discount=one(line.discount),
                total=total,
                unit_cost=None if line.unit_cost is None else one(line.unit_cost),
                sale_fee=None if line.sale_fee is None else one(line.sale_fee),
            )
            for line, total in zip(order.lines, totals, strict=True)
        ],
        payments=[
            structs.replace(payment, amount=amount, fee=None if payment.fee is None else one(payment.fee))
            for payment, amount in zip(order.payments, paid, strict=True)
        ],
        refunds=[structs.replace(refund, amount=amount) for refund, amount in zip(refunds, back, strict=True)],
    )
