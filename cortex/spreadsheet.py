"""A table that somebody saved from a spreadsheet: its separator, its blank lines and its numbers as people write them."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl

from cortex.errors import UsageError

CODE = "CTX-1040"
EXCEL = "sep="
"""A first line that tells Excel the separator, and nobody else anything."""
# By what a number looks like: the mark that groups its digits. What is left of the comma then is the decimal mark.
POINTS = r"^[+-]?\d{1,3}(\.\d{3})+,\d*$|^[+-]?\d{1,3}(\.\d{3}){2,}$|^[+-]?\d*,\d+$"
COMMAS = r"^[+-]?\d{1,3}(,\d{3})+\.\d*$|^[+-]?\d{1,3}(,\d{3}){2,}$"
ENGLISH = r"^[+-]?\d{1,3},\d{3}$"
"""Only between commas: where they separate columns too, a quoted 1,234 is no 1.234."""
CURRENCY = r"^([+-]?)\s*(?:R\$|US\$|\$|€)\s*"


def read(file: Path, header: str) -> tuple[pl.DataFrame, str]:
    """The rows as text, and their separator: `;` or `,`, whichever the header holds. Names are in small letters.

    Lines without anything in them are left out. header: what it should look like. Raises UsageError (CTX-1040) for
    what is no UTF-8 text, no table, has no rows or a name twice.
    """
    skipped, separator, names = _header(file, header)
    try:
        frame = pl.read_csv(
            file,
            separator=separator,
            infer_schema=False,
            skip_lines=skipped,
            new_columns=names,
            truncate_ragged_lines=False,
        ).fill_null("")
    except pl.exceptions.PolarsError as problem:
        said = str(problem).partition("\n")[0]
        if "more fields" in said:
            said = "a row has more fields than the header"
        fix = f"The header is {header}; a number or a name that holds a {separator} stands in quotes."
        raise UsageError(CODE, f"{file} is not a table with one header: {said}.", fix=fix) from None
    filled = frame
    if (frame.to_series().str.strip_chars() == "").any():  # only then there can be blank lines
        filled = frame.filter(pl.any_horizontal(pl.all().str.strip_chars() != ""))
    if filled.is_empty():
        raise UsageError(CODE, f"{file} has no rows.", fix=f"The header is {header}.")
    return filled, separator


def numbers(text: pl.Series, separator: str) -> pl.Series:
    """Float64; null where it is no number, also where it is empty.

    1234.56, 1234,56, 1.234,56 and 1,234.56 alike, with or without R$. separator: of the columns.
    """
    text = text.str.strip_chars()
    plain = text.cast(pl.Float64, strict=False)
    if not plain.has_nulls():
        return plain
    bare = pl.Series(text.str.replace(CURRENCY, "$1"))
    grouped = COMMAS if separator == ";" else f"{COMMAS}|{ENGLISH}"
    told = pl.select(
        pl.when(bare.str.contains(grouped))
        .then(bare.str.replace_all(",", "", literal=True))
        .when(bare.str.contains(POINTS))
        .then(bare.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True))
        .otherwise(bare)
    ).to_series()
    return told.cast(pl.Float64, strict=False)


def unusable(file: Path, row: int, why: str) -> UsageError:
    """row: from 0, of the rows with something in them."""
    return UsageError(CODE, f"{file}, data row {row + 1}: {why}.", fix="Correct the row and run again.")


def _header(file: Path, header: str) -> tuple[int, str, list[str]]:
    """Lines to leave out before it, the separator, and the names: a column without one is called by its number."""
    skipped, first = 0, ""
    try:
        with file.open(encoding="utf-8-sig") as lines:
            for line in lines:
                first = line.strip()
                if first and not first.lower().startswith(EXCEL):
                    break
                skipped += 1
    except OSError as problem:
        raise UsageError(CODE, f"{file} cannot be read: {problem.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageError(CODE, f"{file} is not UTF-8 text.", fix="Save it as CSV UTF-8.") from None
    separator = ";" if ";" in first else ","
    told = next(csv.reader([first], delimiter=separator), [])
    names = [name.strip().strip("\ufeff").lower() or f"column {at}" for at, name in enumerate(told, start=1)]
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if twice is not None:
        raise UsageError(CODE, f"{file} has two columns {twice}.", fix=f"The header is {header}.")
    return skipped, separator, names
