"""Rows every schema starts with: channels, states, segments and names of categories (sql/seeds/), and the calendar (computed)."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from typing import Any

from sqlalchemy import SmallInteger, Table

from cortex.clock import Window
from cortex.warehouse import tables
from cortex.workspace import bundled

CATEGORIES = tables.dim_product_category_translation
YEARS = range(2015, 2036)
FIXED_HOLIDAYS = {
    (1, 1): "Confraternização Universal",
    (4, 21): "Tiradentes",
    (5, 1): "Dia do Trabalho",
    (9, 7): "Independência do Brasil",
    (10, 12): "Nossa Senhora Aparecida",
    (11, 2): "Finados",
    (11, 15): "Proclamação da República",
    (12, 25): "Natal",
}
"""Laws 662/1949, 6.802/1980 and 10.607/2002."""
CONSCIENCE = (11, 20), "Dia Nacional de Zumbi e da Consciência Negra"
CONSCIENCE_SINCE = 2024
"""National since Law 14.759/2023."""


@dataclass(frozen=True)
class Seed:
    table: str
    rows: list[dict[str, Any]]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(repr(self.rows).encode()).hexdigest()


@cache
def seeds() -> tuple[Seed, ...]:
    """Every seed, with all its rows: what is not in them does not belong in their tables."""
    return (
        Seed("dim_channels", channels()),
        Seed("dim_states", states()),
        Seed("dim_dates", calendar()),
        Seed(CATEGORIES.name, categories()),
        Seed("dim_segments", segments()),
    )


def channels() -> list[dict[str, Any]]:
    """Rows of dim_channels, from sql/seeds/dim_channels.csv."""
    return _from_file(tables.dim_channels)


def states() -> list[dict[str, Any]]:
    """Rows of dim_states, from sql/seeds/dim_states.csv: the 26 states of Brazil and its federal district."""
    return _from_file(tables.dim_states)


def categories() -> list[dict[str, Any]]:
    """Rows of dim_product_category_translation: the categories Olist's files use, named in three languages."""
    return _from_file(CATEGORIES)


def segments() -> list[dict[str, Any]]:
    """Rows of dim_segments, from sql/seeds/dim_segments.csv."""
    return _from_file(tables.dim_segments)


def _from_file(table: Table) -> list[dict[str, Any]]:
    numbers = {column.name for column in table.columns if isinstance(column.type, SmallInteger)}
    with (bundled("sql") / "seeds" / f"{table.name}.csv").open(encoding="utf-8", newline="") as file:
        return [
            {name: int(value) if name in numbers else value for name, value in row.items()}
            for row in csv.DictReader(file)
        ]


def calendar() -> list[dict[str, Any]]:
    """Rows of dim_dates: 2015-2035, weeks as ISO 8601 counts them, national holidays of Brazil, Black Friday."""
    names = {day: name for year in YEARS for day, name in holidays(year).items()}
    fridays = {black_friday(year) for year in YEARS}
    window = Window(date(YEARS[0], 1, 1), date(YEARS[-1] + 1, 1, 1))
    return [_day(day, names.get(day, ""), day in fridays) for day in window.each_day()]


def _day(day: date, holiday: str, is_black_friday: bool) -> dict[str, Any]:
    iso = day.isocalendar()
    return {
        "date_key": day.year * 10000 + day.month * 100 + day.day,
        "day": day,
        "year": day.year,
        "quarter": (day.month + 2) // 3,
        "month": day.month,
        "month_start": day.replace(day=1),
        "week_start": day - timedelta(days=iso.weekday - 1),
        "iso_year": iso.year,
        "iso_week": iso.week,
        "weekday": iso.weekday,
        "month_index": (day.year - 2000) * 12 + day.month - 1,
        "is_holiday": int(bool(holiday)),
        "holiday": holiday,
        "is_black_friday": int(is_black_friday),
    }


def holidays(year: int) -> dict[date, str]:
    """National holidays of Brazil by day. Carnival and Corpus Christi are optional days off by law, so not among them."""
    found = {date(year, month, day): name for (month, day), name in FIXED_HOLIDAYS.items()}
    found[easter(year) - timedelta(days=2)] = "Paixão de Cristo"
    if year >= CONSCIENCE_SINCE:
        (month, day), name = CONSCIENCE
        found[date(year, month, day)] = name
    return found


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (the anonymous algorithm published in Nature, 1876).

    >>> easter(2026)
    datetime.date(2026, 4, 5)
    """
    century, in_century = divmod(year, 100)
    golden = year % 19
    leap_centuries, century_rest = divmod(century, 4)
    correction = (century - (century + 8) // 25 + 1) // 3
    epact = (19 * golden + century - leap_centuries - correction + 15) % 30
    leaps, rest = divmod(in_century, 4)
    to_sunday = (32 + 2 * century_rest + 2 * leaps - epact - rest) % 7
    late = (golden + 11 * epact + 22 * to_sunday) // 451
    month, day = divmod(epact + to_sunday - 7 * late + 114, 31)
    return date(year, month, day + 1)


def black_friday(year: int) -> date:
    """The Friday after the fourth Thursday of November.

    >>> black_friday(2024)
    datetime.date(2024, 11, 29)
    """
    first = date(year, 11, 1)
    first_thursday = first + timedelta(days=(3 - first.weekday()) % 7)
    return first_thursday + timedelta(weeks=3, days=1)
