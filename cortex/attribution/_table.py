"""The field's path table as a market: one line per path, with what it ended in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from cortex import spreadsheet
from cortex.attribution import Paths
from cortex.errors import UsageError

COLUMNS = ("path", "total_conversions", "total_conversion_value", "total_null")
DIRECT = {"direct", "(direct)", "direto", "(direct) / (none)", "direct / none", "(none)"}


def read(file: Path) -> tuple[list[str], Paths]:
    """Channel names, sorted, and the paths by their numbers.

    The file: a header and the columns `path` (channels joined by ` > `, oldest first), `total_conversions`,
    `total_conversion_value` and `total_null` (counts and money, not negative; the last two may be missing and are 0
    then), as `cortex.spreadsheet` reads them. Raises UsageError (CTX-1040) naming the first line that cannot be used.
    """
    frame, separator = spreadsheet.read(file, ";".join(COLUMNS))
    missing = next((name for name in COLUMNS[:2] if name not in frame.columns), None)
    if missing:
        raise UsageError(
            "CTX-1040", f"{file} has no column {missing}.", fix=f"The header is {separator.join(COLUMNS)}."
        )
    conversions, value, nulls = (_numbers(frame, name, file, separator) for name in COLUMNS[1:])
    steps = frame["path"].str.split(">")
    touches = steps.explode().str.strip_chars()
    broken = touches.is_null() | (touches == "")
    if broken.any():
        at = np.repeat(np.arange(len(frame)), steps.list.len().to_numpy())[broken.to_numpy()][0]
        raise spreadsheet.unusable(file, int(at), "the path is empty or holds an empty channel")
    names = touches.unique().sort().to_list()
    channel = touches.replace_strict(names, range(len(names)), return_dtype=pl.Int64).to_numpy()
    channel = channel.astype(np.min_scalar_type(len(names)))
    offsets = np.concatenate([[0], np.cumsum(steps.list.len().cast(pl.Int64).to_numpy())])
    is_direct = np.array([name.lower() in DIRECT for name in names])
    return names, Paths(offsets, channel, conversions, value, nulls, is_direct)


def _numbers(
    frame: pl.DataFrame, name: str, file: Path, separator: str
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if name not in frame.columns:
        return np.zeros(len(frame))
    text = frame[name].str.strip_chars()
    found = spreadsheet.numbers(text, separator)
    found = pl.select(pl.when(text == "").then(0.0).otherwise(found)).to_series()
    wrong = found.is_null() | ~found.is_finite().fill_null(value=True) | (found < 0).fill_null(value=True)
    if wrong.any():
        at = int(wrong.arg_max() or 0)
        raise spreadsheet.unusable(file, at, f"{name} is {text[at]!r}, not a number of 0 or more")
    return found.to_numpy()
