"""What every schema starts with: channels and a calendar that knows Brazil."""

import csv
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest

from cortex.identity._places import UF
from cortex.warehouse import Warehouse, tables
from cortex.warehouse.seed import (
    black_friday,
    calendar,
    categories,
    channels,
    easter,
    holidays,
    seeds,
    segments,
    states,
)
from tests.rooms.warehouse_rows import everything


@pytest.mark.parametrize(
    ("year", "month", "day"),
    [(2015, 4, 5), (2016, 3, 27), (2019, 4, 21), (2024, 3, 31), (2025, 4, 20), (2026, 4, 5), (2035, 3, 25)],
)
def test_easter(year: int, month: int, day: int):
    assert easter(year) == date(year, month, day)


def test_easter_is_a_sunday_between_its_limits():
    for year in range(1900, 2100):
        assert easter(year).weekday() == 6
        assert date(year, 3, 22) <= easter(year) <= date(year, 4, 25)


@pytest.mark.parametrize(
    ("year", "day"),
    [(2015, 27), (2018, 23), (2019, 29), (2020, 27), (2022, 25), (2023, 24), (2024, 29), (2025, 28), (2026, 27), (2029, 23)]
)  # fmt: skip
def test_black_friday_follows_the_fourth_thursday(year: int, day: int):
    # In 2018, 2024 and 2029 the fourth Friday of November is another day than this.
    assert black_friday(year) == date(year, 11, day)
    assert black_friday(year).weekday() == 4


def test_holidays_of_2026():
    assert sorted(holidays(2026)) == [
        date(2026, 1, 1), date(2026, 4, 3), date(2026, 4, 21), date(2026, 5, 1), date(2026, 9, 7), date(2026, 10, 12),
        date(2026, 11, 2), date(2026, 11, 15), date(2026, 11, 20), date(2026, 12, 25),
    ]  # fmt: skip
    carnival, corpus_christi = easter(2026) - timedelta(days=47), easter(2026) + timedelta(days=60)
    assert carnival not in holidays(2026)
    assert corpus_christi not in holidays(2026)


def test_consciousness_day_is_national_since_2024():
    assert date(2023, 11, 20) not in holidays(2023)
    assert "Consciência Negra" in holidays(2024)[date(2024, 11, 20)]


def test_the_calendar_is_whole_and_agrees_with_iso_8601():
    rows = calendar()
    assert [rows[0]["day"], rows[-1]["day"]] == [date(2015, 1, 1), date(2035, 12, 31)]
    assert len(rows) == len({row["date_key"] for row in rows}) == (date(2036, 1, 1) - date(2015, 1, 1)).days
    by_day = {row["day"]: row for row in rows}
    new_year = by_day[date(2021, 1, 1)]
    assert (new_year["iso_year"], new_year["iso_week"], new_year["week_start"]) == (2020, 53, date(2020, 12, 28))
    assert by_day[date(2026, 3, 1)]["month_index"] - by_day[date(2025, 12, 31)]["month_index"] == 3
    assert {row["weekday"] for row in rows if row["day"] == row["week_start"]} == {1}
    assert by_day[date(2026, 11, 27)]["is_black_friday"] == 1
    assert by_day[date(2026, 9, 7)] | {"week_start": None} == {
        "date_key": 20260907, "day": date(2026, 9, 7), "year": 2026, "quarter": 3, "month": 9,
        "month_start": date(2026, 9, 1), "week_start": None, "iso_year": 2026, "iso_week": 37, "weekday": 1,
        "month_index": 320, "is_holiday": 1, "holiday": "Independência do Brasil", "is_black_friday": 0,
    }  # fmt: skip


def test_channels_are_named_in_three_languages_in_one_order():
    found = {row["channel"]: row for row in channels()}
    assert list(found) == [row["channel"] for row in sorted(channels(), key=lambda row: row["sort_order"])]
    assert set(found) == {
        "meta", "google", "tiktok", "bing", "organic", "direct", "email", "referral", "social", "marketplace",
        "whatsapp", "affiliate", "sms", "other", "unattributed",
    }  # fmt: skip
    assert len({row["sort_order"] for row in found.values()}) == len(found)
    assert {name for name, row in found.items() if row["is_paid"]} == {"meta", "google", "tiktok", "bing", "affiliate"}
    assert found["organic"]["name_pt"] == "Busca orgânica"
    assert all(row[f"name_{lang}"] for row in found.values() for lang in ("pt", "en", "es"))


def test_categories_are_named_in_three_languages():
    found = {row["category"]: row for row in categories()}
    assert found["beleza_saude"] == {
        "category": "beleza_saude", "name_pt": "Beleza e saúde", "name_en": "Beauty and health", "name_es": "Belleza y salud",
    }  # fmt: skip
    assert all(all(row.values()) for row in found.values())
    assert list(found) == sorted(found)


def test_every_category_of_olist_has_a_name(shared: Path):
    with (shared / "olist_sample" / "olist_products_dataset.csv").open(encoding="utf-8-sig", newline="") as file:
        sold = {row["product_category_name"] for row in csv.DictReader(file)} - {""}
    assert sold <= {row["category"] for row in categories()}


@pytest.mark.parametrize(
    ("table", "rows"),
    [
        (tables.dim_channels, channels),
        (tables.dim_dates, calendar),
        (tables.dim_product_category_translation, categories),
        (tables.dim_segments, segments),
        (tables.dim_states, states),
    ],
)
def test_seeds_are_loaded_as_they_are(warehouse: Warehouse, table, rows: Callable[[], list[dict[str, object]]]):
    by = list(table.primary_key.columns.keys())[-1]
    assert everything(warehouse, table) == sorted(rows(), key=lambda row: str(row[by]))
    assert {seed.table for seed in seeds()} == {
        "dim_channels", "dim_dates", "dim_product_category_translation", "dim_segments", "dim_states",
    }  # fmt: skip


def test_the_states_are_those_orders_are_read_with():
    told = states()
    assert {row["state"] for row in told} == {code.upper() for code in UF.values()}
    assert len(told) == 27
    sizes = {region: sum(row["region"] == region for row in told) for region in {row["region"] for row in told}}
    assert sizes == {"Norte": 7, "Nordeste": 9, "Centro-Oeste": 4, "Sudeste": 4, "Sul": 3}
