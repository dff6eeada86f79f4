"""A file of purchases: one line each, with its buyer, day and value."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from cortex.errors import UsageError

NAMES = {
    "customer_key": ("customer", "customer_id", "customer_key", "cliente", "id"),
    "day": ("date", "day", "data", "order_date", "paid_date"),
    "value": ("value", "valor", "amount", "total", "revenue", "dollar_value"),
}
DAYS = ("%Y-%m-%d", "%Y%m%d", "%d/%m/%Y")


def read(file: Path) -> pl.DataFrame:
    """customer_key (String), day (Date), value (Float64) from a file with a header, separated by `;` or `,`, UTF-8.

    Days as 2026-11-20 (a time after it is cut off), 20261120 or 20/11/2026. Raises UsageError (CTX-1040) naming the
    first row that cannot be used.
    """
    frame = _frame(file)
    columns = {}
    for wanted, names in NAMES.items():
        found = next((name for name in names if name in frame.columns), None)
        if found is None:
            raise UsageError("CTX-1040", f"{file} has no column {names[0]}.", fix="The header is customer,date,value.")
        columns[wanted] = frame[found].str.strip_chars()
    text = columns["day"].str.split("T").list.first().str.split(" ").list.first()
    days = pl.select(pl.coalesce([text.str.to_date(shape, strict=False) for shape in DAYS])).to_series()
    values = columns["value"].str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
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
            raise UsageError("CTX-1040", f"{file}, data row {at + 1}: {name} is {said}.", fix="Correct the row.")
    return pl.DataFrame({"customer_key": columns["customer_key"], "day": days, "value": values})


def _frame(file: Path) -> pl.DataFrame:
    try:
        with file.open(encoding="utf-8-sig") as lines:
            header = lines.readline()
        frame = pl.read_csv(file, separator=";" if ";" in header else ",", infer_schema=False).fill_null("")
    except OSError as problem:
        raise UsageError("CTX-1040", f"{file} cannot be read: {problem.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageError("CTX-1040", f"{file} is not UTF-8 text.", fix="Save it as CSV UTF-8.") from None
    except pl.exceptions.PolarsError as problem:
        said = str(problem).partition("\n")[0]
        raise UsageError("CTX-1040", f"{file} is not a table with one header: {said}.") from None
    if frame.is_empty():
        raise UsageError("CTX-1040", f"{file} has no rows.", fix="The header is customer,date,value.")
    return frame.rename({name: name.strip().strip("\ufeff").lower() for name in frame.columns})
