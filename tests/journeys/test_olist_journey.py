"""Real Brazilian orders: imported as often as you like, and served as a shop whose whole main job is done in 2018."""

from __future__ import annotations

import csv
import shutil
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from cortex.sandbox.olist import olist_market
from tests.conftest import ENGINES, mysql_url
from tests.journeys import agency as agencies
from tests.journeys import truth
from tests.journeys.agency import Agency
from tests.journeys.conftest import Founder

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
FOLDER = SHARED / "olist_sample"
IN_2018 = datetime(2018, 7, 20, 12, 0, tzinfo=UTC)
DAYS = 21

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the Olist sample is not beside this checkout")


def column(name: str, field: str) -> list[str]:
    with (FOLDER / f"olist_{name}_dataset.csv").open(encoding="utf-8-sig", newline="") as file:
        return [row[field] for row in csv.DictReader(file)]


def cents(name: str, field: str) -> Decimal:
    return sum((Decimal(value) for value in column(name, field)), Decimal(0))


@pytest.fixture
def importing(found: Founder, engine_url: str) -> tuple[Agency, str]:
    """A workspace to import into, and the code of a client that has no file yet."""
    agency = found(database=engine_url)
    code = agencies.unique("olist")
    agency.environment[f"CORTEX_{code.upper()}_IDENTITY_KEY"] = agencies.KEY
    agency.more.append(code)
    return agency, code


def test_five_imports_are_one(importing: tuple[Agency, str]) -> None:
    """Loading four times once made 4.53 items of every 1.13 (B02)."""
    agency, code = importing
    said = agency.ok("import", "olist", str(FOLDER), "--client", code, as_json=True)
    totals = {row["what"]: (row["rows"], Decimal(row["sum"])) for row in said.data["totals"]}
    assert totals["orders"][0] == 8_135
    assert totals["people"][0] == 8_016
    assert totals["items"] == (8_365, cents("order_items", "price"))
    assert totals["payments"] == (8_924, cents("order_payments", "payment_value"))
    assert totals["freight"][1] == cents("order_items", "freight_value")
    first = agency.dump(code)
    assert len(first["fct_order_items"]) == 8_365
    assert len(first["fct_payments"]) == 8_924
    assert len({row["customer_key"] for row in first["fct_orders"]}) == 8_016
    for _ in range(4):
        again = agency.ok("import", "olist", str(FOLDER), "--client", code, as_json=True)
        assert again.data["totals"] == said.data["totals"]
    assert agency.dump(code) == first
    net = agency.one(code, "SELECT SUM(paid) - SUM(refunded) AS net_revenue FROM fct_orders WHERE is_paid = 1")
    shared = agency.rows(
        code, "SELECT model, SUM(attributed_revenue) AS attributed_revenue FROM fct_attribution GROUP BY model"
    )
    assert {row["attributed_revenue"] for row in shared} == {net}


def test_a_wrong_folder_leaves_nothing_behind_and_another_one_is_refused(
    importing: tuple[Agency, str], tmp_path: Path
) -> None:
    agency, code = importing
    file = agency.root / "tenants" / f"{code}.yaml"
    (empty := tmp_path / "empty").mkdir()
    said = agency.cortex("import", "olist", str(empty), "--client", code, as_json=True)
    assert (said.code, said.envelope["error"]["code"]) == (3, "CTX-3080")
    assert not file.exists()
    assert not agency.state.exists()
    shutil.copytree(FOLDER, moved := tmp_path / "moved")
    agency.ok("import", "olist", str(FOLDER), "--client", code)
    before = agency.dump(code)
    said = agency.cortex("import", "olist", str(moved), "--client", code, as_json=True)
    assert (said.code, said.envelope["error"]["code"]) == (2, "CTX-1029")
    assert agency.dump(code) == before
    other = agency.cortex("import", "olist", str(FOLDER), "--client", agency.first, as_json=True)
    assert (other.code, other.envelope["error"]["code"]) == (2, "CTX-1026")


def test_the_same_files_give_the_same_rows_on_every_engine(found: Founder) -> None:
    if ENGINES == ["sqlite"]:
        pytest.skip("CORTEX_TEST_ENGINES leaves the server out")
    code = agencies.unique("olist")
    dumps = []
    for database in ("", mysql_url()):
        agency = found(database=database)
        agency.environment[f"CORTEX_{code.upper()}_IDENTITY_KEY"] = agencies.KEY
        agency.more.append(code)
        agency.ok("import", "olist", str(FOLDER), "--client", code)
        dumps.append(agency.dump(code))
    assert dumps[0] == dumps[1]


def job_in_2018(root: Path, code: str, database: str) -> Agency:
    agency = agencies.found(root, olist_market(FOLDER, now=IN_2018, code=code), database=database)
    agency.onboarded(code)
    agency.ok("backfill", code, "--days", str(DAYS))
    agency.ok("run", "daily", code)
    agency.ok("run", "weekly", code)
    return agency


def test_the_main_job_on_real_orders(tmp_path: Path) -> None:
    code = agencies.unique("olist")
    dumps = []
    for kind in ENGINES:
        with closing(job_in_2018(tmp_path / kind, code, "" if kind == "sqlite" else mysql_url())) as agency:
            since = truth.today(IN_2018) - timedelta(days=DAYS)
            sales = truth.sales(agency.shop(code), IN_2018, since=since)
            assert len(sales) > 200
            stored = agency.rows(code, "SELECT external_id, is_paid, paid, refunded, paid_date FROM fct_orders")
            assert {row["external_id"]: (row["is_paid"], row["paid"], row["refunded"]) for row in stored} == {
                sale.id: (int(sale.counts), sale.paid, sale.refunded) for sale in sales
            }
            assert agency.one(code, "SELECT SUM(gross_revenue) AS gross_revenue FROM agg_daily_sales") == truth.gross(
                sales
            )
            for platform, rules in (("meta", truth.META), ("data_manager", truth.GOOGLE)):
                owed = truth.due(sales, IN_2018, **rules)
                assert len(owed) > 10
                assert agency.counted(code, platform) == owed
                agency.once_each(code, platform)
            report = agency.ok("report", code, "--days", "14", as_json=True)
            assert report.data["last"] == "2018-07-19"
            dumps.append(agency.dump(code))
    assert all(dump == dumps[0] for dump in dumps)
