"""Orders of a shop nobody has an adapter for: one file, imported as often as you like, and the whole of the reports."""

from __future__ import annotations

import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from tests.journeys import agency as agencies
from tests.journeys.agency import Agency
from tests.journeys.conftest import Founder

RECORDED = Path(__file__).parents[1] / "recorded" / "stores" / "files"


@pytest.fixture
def importing(found: Founder, engine_url: str) -> tuple[Agency, str, Path]:
    agency = found(database=engine_url)
    code = agencies.unique("vtex")
    agency.environment[f"CORTEX_{code.upper()}_IDENTITY_KEY"] = agencies.KEY
    agency.more.append(code)
    file = agency.root / "pedidos.csv"
    shutil.copy(RECORDED / "orders.csv", file)
    return agency, code, file


def test_imports_of_one_file_are_one_and_a_newer_state_replaces_the_older(importing: tuple[Agency, str, Path]) -> None:
    agency, code, file = importing
    said = agency.ok("import", "csv", str(file), "--client", code, as_json=True)
    totals = {row["what"]: (row["rows"], Decimal(row["sum"])) for row in said.data["totals"]}
    assert totals["orders"] == (4, Decimal("1504.30"))
    assert totals["paid orders"] == (3, Decimal("1449.40"))
    assert totals["people"][0] == 3, "two orders of one e-mail are one buyer's"
    first = agency.dump(code)
    agency.ok("import", "csv", str(file), "--client", code)
    assert agency.dump(code) == first
    assert agency.rows(code, "SELECT SUM(fees) AS fees FROM rpt_payments") == [{"fees": Decimal("5.39")}]
    assert agency.rows(code, "SELECT SUM(fees) AS fees FROM rpt_product_performance") == [{"fees": Decimal("4.40")}]
    channels = agency.rows(code, "SELECT channel FROM rpt_transactions ORDER BY external_id")
    assert [row["channel"] for row in channels] == ["google", "unattributed", "unattributed", "social"]

    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(";open;pending;BRL;54,90;", ";open;paid;BRL;54,90;"), encoding="utf-8")
    agency.ok("import", "csv", str(file), "--client", code)
    assert agency.one(code, "SELECT SUM(gross_revenue) AS gross_revenue FROM rpt_daily_performance") == Decimal(
        "1504.30"
    )

    other = file.with_name("outros.csv")
    shutil.copy(file, other)
    refused = agency.cortex("import", "csv", str(other), "--client", code)
    assert (refused.code, "CTX-1029" in refused.err) == (2, True)


def test_json_of_another_system_lands_and_what_cannot_be_read_is_counted(importing: tuple[Agency, str, Path]) -> None:
    agency, code, _ = importing
    said = agency.cortex("import", "json", str(RECORDED / "broken" / "orders.json"), "--client", code)
    assert (said.code, "CTX-2102" in said.err) == (8, True), "three of five are more than one in a hundred"
    assert agency.one(code, "SELECT COUNT(*) AS n FROM fct_orders") == 2
    reasons = agency.rows(code, "SELECT record_key FROM quarantine ORDER BY record_key")
    assert [row["record_key"] for row in reasons] == ["J2", "J3", "J4"]
    missing = agency.cortex("import", "json", "nowhere.json", "--client", "other_code")
    assert (missing.code, "CTX-5063" in missing.err) == (3, True)
    assert not (agency.root / "tenants" / "other_code.yaml").exists()


def test_tables_and_reports_are_taken_along_as_parquet(importing: tuple[Agency, str, Path]) -> None:
    import polars as pl

    agency, code, file = importing
    agency.ok("import", "csv", str(file), "--client", code)
    folder = agency.root / "out"
    for _ in range(2):
        told = agency.ok("db", "export", code, "--out", str(folder), as_json=True).data["rows"]
    assert told["fct_orders"] == 4
    orders = pl.read_parquet(folder / "fct_orders-*.parquet")
    assert (orders.height, orders["paid"].sum()) == (4, Decimal("1449.40"))
    agency.ok("db", "export", code, "--only", "rpt_daily_performance", "--out", str(folder))
    assert pl.read_parquet(folder / "rpt_daily_performance-*.parquet")["gross_revenue"].sum() == Decimal("1449.40")
    strange = agency.cortex("db", "export", code, "--only", "nowhere")
    assert (strange.code, "CTX-5065" in strange.err) == (2, True)
