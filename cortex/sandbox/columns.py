"""Many rows of one kind, kept in columns of small numbers: a row is made when somebody looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar, overload

import numpy as np
import numpy.typing as npt

Row = TypeVar("Row")

AT_ONCE = 4096
"""Rows made together while they are looked at one after the other."""


class Part(Protocol):
    """A column: as many values as there are rows."""

    def __len__(self) -> int: ...
    def cut(self, rows: slice) -> list[Any]: ...


class Column:
    """Whole numbers from zero on, and what each of them stands for."""

    def __init__(self, numbers: npt.ArrayLike, meaning: Callable[[int], Any] = int) -> None:
        wide = np.asarray(numbers, dtype=np.int64)
        self._numbers = wide.astype(np.min_scalar_type(int(wide.max(initial=0))))
        self._meaning = meaning

    def __len__(self) -> int:
        return len(self._numbers)

    def cut(self, rows: slice) -> list[Any]:
        return [self._meaning(number) for number in self._numbers[rows].tolist()]


class Texts:
    """Texts that have nothing in common."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._joined = "".join(texts)
        self._ends = np.cumsum([0, *map(len, texts)])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def cut(self, rows: slice) -> list[str]:
        starts, ends = self._ends[:-1][rows].tolist(), self._ends[1:][rows].tolist()
        return [self._joined[start:end] for start, end in zip(starts, ends, strict=True)]


class Rows(Sequence[Row]):
    """Rows made by calling `make` with one value of each column. Reading a row twice makes it twice."""

    def __init__(self, make: Callable[..., Row], *columns: Part) -> None:
        if len({len(column) for column in columns}) != 1:
            raise ValueError("the columns of a table must be equally long")
        self._make = make
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns[0])

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return list(map(self._make, *(column.cut(index) for column in self._columns)))
        position = range(len(self))[index]
        return self[position : position + 1][0]

    def __iter__(self) -> Iterator[Row]:
        for first in range(0, len(self), AT_ONCE):
            yield from self[first : first + AT_ONCE]
