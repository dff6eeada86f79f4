"""Money as exact decimals: parse what platforms write, round once, split without losing a cent."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from cortex.errors import BadRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

ZERO = Decimal("0.00")
CENT = Decimal("0.01")

# ISO 4217 currencies whose minor unit is not two digits, of the countries our stores sell in.
EXPONENTS = {"CLP": 0, "PYG": 0, "JPY": 0, "KRW": 0, "UGX": 0, "VND": 0, "BHD": 3, "KWD": 3, "TND": 3}

LARGEST = Decimal("1e13")
"""Bound of an amount: DECIMAL(18,2) holds 16 digits before rounding errors of callers could matter."""


@cache
def quantum(currency: str) -> Decimal:
    """The smallest unit of a currency: 0.01 for BRL, 1 for CLP.

    >>> quantum("CLP")
    Decimal('1')
    """
    return Decimal(1).scaleb(-EXPONENTS.get(currency, 2))


def amount(text: str | float | Decimal | None, currency: str = "BRL") -> Decimal:
    """An amount as a platform writes it, as an exact Decimal in the currency's minor unit.

    None and blank mean zero. Half of a minor unit rounds to even. Floats go through their shortest
    text, so 9.99 stays 9.99.

    Raises BadRecord for text that is no finite number or is beyond DECIMAL(18,2).

    >>> amount("5190.00"), amount(9.99), amount("1.005"), amount(None)
    (Decimal('5190.00'), Decimal('9.99'), Decimal('1.00'), Decimal('0.00'))
    """
    if type(text) is Decimal and text.same_quantum(quantum(currency)) and -LARGEST <= text <= LARGEST:
        return text if text else abs(text)  # as it comes from the database; no minus sign before nothing
    return _exact("" if text is None else str(text).strip(), currency)


@lru_cache(maxsize=4096)
def _exact(written: str, currency: str) -> Decimal:
    """Prices repeat, zero most of all: an amount read before is not read again."""
    try:
        value = Decimal(written or 0)
    except InvalidOperation:
        raise BadRecord("money", "", "an amount is not a number") from None
    if not value.is_finite() or abs(value) > LARGEST:
        raise BadRecord("money", "", "an amount is not finite or too large to be true")
    exact = value.quantize(quantum(currency), rounding=ROUND_HALF_EVEN)
    return exact if exact else abs(exact)


def convert(amounts: Sequence[Decimal], rate: Decimal, currency: str) -> list[Decimal]:
    """Amounts in another currency: what one unit is worth times `rate`, in whole minor units of `currency`.

    The parts sum to their converted sum exactly: each is the difference of two converted running sums, and so within a
    minor unit of its own value.

    >>> convert([Decimal("0.99"), Decimal("0.99"), Decimal("0.99")], Decimal("5.5"), "BRL")
    [Decimal('5.44'), Decimal('5.45'), Decimal('5.45')]
    """
    unit = quantum(currency)
    running = done = Decimal(0)
    parts = []
    for amount in amounts:
        running += amount
        whole = (running * rate).quantize(unit, rounding=ROUND_HALF_EVEN)
        parts.append((whole - done) + 0)
        done = whole
    return parts


def split(total: Decimal, weights: Sequence[float | Decimal], currency: str = "BRL") -> list[Decimal]:
    """Split `total` by `weights` so that the parts sum to it exactly (largest remainder, Hamilton's method).

    Ties go to the earlier part, so the same input always gives the same cents. Negative totals split as
    their mirror image.

    Raises ValueError for weights that are not finite and non-negative with a positive sum, and for a total that is
    no whole number of minor units: its rest would vanish.

    >>> split(Decimal("100.00"), [1, 1, 1])
    [Decimal('33.34'), Decimal('33.33'), Decimal('33.33')]
    """
    shares = [Decimal(str(weight)) for weight in weights]
    if not all(share.is_finite() and share >= 0 for share in shares):
        raise ValueError("weights must be finite and non-negative")
    whole = sum(shares, Decimal(0))
    if whole <= 0:
        raise ValueError("weights must have a positive sum")
    unit = quantum(currency)
    if total % unit:
        raise ValueError(f"a total in {currency} has parts smaller than {unit}")
    sign = -1 if total < 0 else 1
    units = int((abs(total) / unit).to_integral_value(rounding=ROUND_HALF_EVEN))
    exact = [units * share / whole for share in shares]
    floors = [int(part) for part in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (floors[i] - exact[i], i))
    for i in by_remainder[: units - sum(floors)]:
        floors[i] += 1
    return [(sign * part * unit).quantize(unit) for part in floors]
