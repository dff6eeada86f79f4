"""A file of purchases: one line each, with its buyer, day and value."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from cortex import spreadsheet
from cortex.customers.prediction import Note
from cortex.errors import UsageError

NAMES = {
    "customer_key": ("customer", "customer_id", "customer_key", "cliente", "id"),
    "day": ("date", "day", "data", "order_date", "paid_date"),
    "value": ("value", "valor", "amount", "total", "revenue", "dollar_value"),
}
DAYS = ("%Y-%m-%d", "%Y%m%d", "%d/%m/%Y")
OUR_TIME = date(1970, 1, 1), date(2100, 1, 1)
"""A year of two digits is read as one of the first century."""
HEADER = "customer,date,value"


def read(file: Path) -> pl.DataFrame:
    """customer_key (String), day (Date), value (Float64) of a file as `cortex.spreadsheet` reads it.

    Days as 2026-11-20 (a time after it is cut off), 20261120 or 20/11/2026. Raises UsageError (CTX-1040) naming the
    first row that cannot be used.
    """
    frame, separator = spreadsheet.read(file, HEADER)
    columns = {}
    for wanted, names in NAMES.items():
        found = next((name for name in names if name in frame.columns), None)
        if found is None:
            raise UsageError("CTX-1040", f"{file} has no column {names[0]}.", fix=f"The header is {HEADER}.")
        columns[wanted] = frame[found].str.strip_chars()
    text = columns["day"].str.split("T").list.first().str.split(" ").list.first()
    days = pl.select(pl.coalesce([text.str.to_date(shape, strict=False) for shape in DAYS])).to_series()
    days = pl.select(pl.when(days.is_between(*OUR_TIME)).then(days)).to_series()
    values = spreadsheet.numbers(columns["value"], separator)
    checks = (
        ("customer", columns["customer_key"], columns["customer_key"] == ""),
        ("date", columns["day"], days.is_null()),
        ("value", columns["value"], ~values.is_finite().fill_null(value=False)),
    )
    for name, told, wrong in checks:
        if wrong.any():
            at = int(wrong.arg_max() or 0)
            # Buyers are not quoted: the column may hold an e-mail.
            said = "empty" if name == "customer" else f"{told[at]!r}"
            raise spreadsheet.unusable(file, at, f"{name} is {said}")
    return pl.DataFrame({"customer_key": columns["customer_key"], "day": days, "value": values})


def settled(purchases: pl.DataFrame) -> tuple[pl.DataFrame, list[Note]]:
    """Purchases less what went back, and what there is to say of it.

    A row of negative value is a return: its money comes off the buyer's purchase of that day, or the last before it,
    and it counts as no purchase. One that follows no purchase is left out.
    """
    returned = pl.col("value") < 0
    bought = pl.when(~returned).then(pl.col("day"))
    ordered = purchases.sort("customer_key", "day", returned, maintain_order=True)
    moved = ordered.with_columns(day=bought.forward_fill().over("customer_key"))
    kept = moved.drop_nulls("day")
    notes = []
    back, lost = int((purchases["value"] < 0).sum()), moved.height - kept.height
    if back:
        told = f"{back} rows of negative value are returns: they come off the buyer's purchase before them."
        notes.append(Note("returns", told + (f" {lost} of them follow none and are left out." if lost else "")))
    repeated = purchases.height - purchases.n_unique()
    if repeated:
        told = f"{repeated} rows repeat another one (buyer, day and value): every one is counted."
        notes.append(Note("repeated_rows", told))
    return kept, notes
