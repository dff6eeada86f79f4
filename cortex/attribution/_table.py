"""The field's path table as a market: one line per path, with what it ended in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from cortex.attribution import Paths
from cortex.errors import UsageError

COLUMNS = ("path", "total_conversions", "total_conversion_value", "total_null")
DIRECT = {"direct", "(direct)", "direto", "(direct) / (none)", "direct / none", "(none)"}


def read(file: Path) -> tuple[list[str], Paths]:
    """Channel names, sorted, and the paths by their numbers.

    The file: a header and the columns `path` (channels joined by ` > `, oldest first), `total_conversions`,
    `total_conversion_value` and `total_null` (counts and money, not negative; the last two may be missing and are 0
    then), separated by `;` or `,`, UTF-8. Raises UsageError (CTX-1040) naming the first line that cannot be used.
    """
    frame = _frame(file)
    conversions, value, nulls = (_numbers(frame, name, file) for name in COLUMNS[1:])
    steps = frame["path"].str.split(">")
    touches = steps.explode().str.strip_chars()
    broken = touches.is_null() | (touches == "")
    if broken.any():
        at = np.repeat(np.arange(len(frame)), steps.list.len().to_numpy())[broken.to_numpy()][0]
        raise _unusable(file, int(at), "the path is empty or holds an empty channel")
    names = touches.unique().sort().to_list()
    channel = touches.replace_strict(names, range(len(names)), return_dtype=pl.Int64).to_numpy()
    channel = channel.astype(np.min_scalar_type(len(names)))
    offsets = np.concatenate([[0], np.cumsum(steps.list.len().cast(pl.Int64).to_numpy())])
    is_direct = np.array([name.lower() in DIRECT for name in names])
    return names, Paths(offsets, channel, conversions, value, nulls, is_direct)


def _frame(file: Path) -> pl.DataFrame:
    try:
        with file.open(encoding="utf-8-sig") as lines:
            header = lines.readline()
    except OSError as problem:
        raise UsageError("CTX-1040", f"{file} cannot be read: {problem.strerror}.") from None
    except UnicodeDecodeError:
        raise UsageError("CTX-1040", f"{file} is not UTF-8 text.", fix="Save it as CSV UTF-8.") from None
    separator = ";" if ";" in header else ","
    try:
        frame = pl.read_csv(file, separator=separator, infer_schema=False).fill_null("")
    except pl.exceptions.PolarsError as problem:
        said = str(problem).partition("\n")[0]
        raise UsageError("CTX-1040", f"{file} is not a table with one header: {said}.") from None
    frame = frame.rename({name: name.strip().strip("\ufeff").lower() for name in frame.columns})
    missing = [name for name in COLUMNS[:2] if name not in frame.columns]
    if missing or frame.is_empty():
        what = f"has no column {missing[0]}" if missing else "has no rows"
        raise UsageError("CTX-1040", f"{file} {what}.", fix=f"The header is {separator.join(COLUMNS)}.")
    return frame


def _numbers(frame: pl.DataFrame, name: str, file: Path) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if name not in frame.columns:
        return np.zeros(len(frame))
    text = frame[name].str.strip_chars()
    # A comma is a decimal point where it separates nothing else: spreadsheets in Portuguese write it so.
    numbers = text.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
    numbers = pl.select(pl.when(text == "").then(0.0).otherwise(numbers)).to_series()
    wrong = numbers.is_null() | ~numbers.is_finite().fill_null(value=True) | (numbers < 0).fill_null(value=True)
    if wrong.any():
        at = int(wrong.arg_max() or 0)
        raise _unusable(file, at, f"{name} is {text[at]!r}, not a number of 0 or more")
    return numbers.to_numpy()


def _unusable(file: Path, row: int, why: str) -> UsageError:
    return UsageError("CTX-1040", f"{file}, data row {row + 1}: {why}.", fix="Correct the row and run again.")
