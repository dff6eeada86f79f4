"""Orders of a shop nobody has an adapter for: one file, imported as often as you like, and the whole of the reports."""

from __future__ import annotations

import json
import re
import shutil
import stat
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


def test_orders_are_saved_as_files_of_their_own_without_the_people_in_them(importing: tuple[Agency, str, Path]) -> None:
    agency, code, file = importing
    agency.ok("import", "csv", str(file), "--client", code)
    folder = agency.root / "brutos"
    again = ("run", "daily", code, "--date", "2026-03-10", "--days", "15", "--only", "store.orders")
    agency.ok(*again, "--save-raw", str(folder))
    agency.ok(*again, "--save-raw", str(folder))
    first, second = sorted(folder.iterdir())
    assert re.fullmatch(rf"{code}-orders-\d{{8}}T\d{{6}}Z-[0-9a-f]{{32}}\.json", first.name)
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    told = json.loads(first.read_text(encoding="utf-8"))
    assert {order["order_id"] for order in told["orders"]} == {"A1", "A2", "A3", "A4"}
    about = told["metadata"]
    assert (about["client"], about["platform"], about["orders"]) == (code, "files", 4)
    assert about["run_id"] != json.loads(second.read_text(encoding="utf-8"))["metadata"]["run_id"]
    people = json.loads((RECORDED / "case.json").read_text(encoding="utf-8"))["people"]
    assert [person for person in people if person in first.read_text(encoding="utf-8")] == []

    (agency.root / "cheio").write_text("a file", encoding="utf-8")
    refused = agency.cortex(*again, "--save-raw", str(agency.root / "cheio"))
    assert (refused.code, "CTX-5080" in refused.err) == (3, True)
    queued = agency.cortex(*again, "--queue", "--save-raw", str(folder))
    assert (queued.code, "CTX-5081" in queued.err) == (2, True)
