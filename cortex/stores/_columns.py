"""Columns of a file as people fill them in: text, money and days, read for what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from cortex.stores._values import amount, bad

Row = Mapping[str, Any]


def text(row: Row, name: str) -> str:
    """Without spaces around it; absent is empty."""
    value = row.get(name)
    return "" if value is None else str(value).strip()


def money(row: Row, name: str, currency: str) -> Decimal:
    """1234.56, 1234,56, 1.234,56 and 1,234.56 alike. Raises BadRecord."""
    return amount(_pointed(text(row, name)), name, currency)


def measure(row: Row, name: str) -> Decimal | None:
    """A number of three decimals, written like money; None when empty. Raises BadRecord."""
    written = text(row, name)
    if not written:
        return None
    try:
        read = Decimal(_pointed(written)).quantize(Decimal("0.001"))
    except ArithmeticError:
        raise bad(f"{name} is not a number") from None
    if read < 0:
        raise bad(f"{name} is negative")
    return read


def flag(row: Row, name: str) -> bool:
    """1, true, yes, sim, sí; anything else is no."""
    return text(row, name).lower() in {"1", "true", "yes", "sim", "sí", "si"}


def day(row: Row, name: str) -> date | None:
    """2026-11-19 or 19/11/2026; None when empty. Raises BadRecord."""
    written = text(row, name)
    try:
        return date.fromisoformat(dashed(written)) if written else None
    except ValueError:
        raise bad(f"{name} is not a day") from None


def dashed(written: str) -> str:
    """19/11/2026 as 2026-11-19; anything else as it is."""
    return "-".join(reversed(written.split("/"))) if written.count("/") == 2 else written


def _pointed(written: str) -> str:
    if "," not in written:
        return written
    point = "," if written.rfind(",") > written.rfind(".") else "."
    return written.replace("." if point == "," else ",", "").replace(",", ".")
