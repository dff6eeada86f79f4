"""Defects of the projects Cortex came from (B01 to B15, B23, B24): each has the test that would see it again.

DEFECTS says where it stands. Those that need no journey stand here, named after their defect.
"""

from __future__ import annotations

import ast
import re
import tomllib
from decimal import Decimal
from pathlib import Path

import pytest

from cortex.cli.app import main
from cortex.clock import Window
from cortex.steps import credit, refresh, value
from cortex.stores import _values
from cortex.warehouse import Warehouse, tables
from tests.rooms.test_currencies import sale
from tests.rooms.told_shop import Shop, shop
from tests.rooms.warehouse_rows import DAY, order, row

__all__ = ["shop"]
ROOT = Path(__file__).resolve().parents[2]
HERE = "tests/rooms/test_inherited_defects.py"
DEFECTS = {
    "B01": "tests/journeys/test_time_passes.py::test_eight_nights_in_a_row_store_each_line_once",
    "B02": "tests/journeys/test_olist_journey.py::test_five_imports_are_one",
    "B03": "tests/rooms/test_olist.py::test_counts_are_those_of_the_files",
    "B04": f"{HERE}::test_b04_a_window_loaded_every_hour_is_loaded_once",
    "B05": f"{HERE}::test_b05_two_shops_may_use_one_number",
    "B06": "tests/journeys/test_time_passes.py::test_a_payment_after_twenty_days_appears",
    "B07": "tests/journeys/test_time_passes.py::test_half_past_eleven_at_night_is_that_day",
    "B08": f"{HERE}::test_b08_credit_needs_a_touch_and_without_one_is_unattributed",
    "B09": f"{HERE}::test_b09_no_key_may_be_null",
    "B10": "tests/rooms/test_secrets.py::test_two_clients_have_two_tokens",
    "B11": f"{HERE}::test_b11_customer_metrics_are_computed_by_the_name_they_were_called_by",
    "B12": "tests/rooms/test_accounts.py::test_only_a_code_ever_names_a_schema_or_a_user",
    "B13": f"{HERE}::test_b13_dependencies_are_ranges_and_none_is_the_standard_library",
    "B14": "tests/rooms/test_identity.py::test_a_pseudonym_is_keyed_and_tells_kinds_apart",
    "B15": f"{HERE}::test_b15_a_threshold_tells_its_baseline_and_its_least_volume",
    "B23": f"{HERE}::test_b23_ids_beyond_32_and_64_bits_stay_what_they_are",
    "B24": f"{HERE}::test_b24_no_column_is_made_for_a_credential",
}
"""B12 has more: `test_no_secret_is_on_any_command_line` and `test_rights_too_many_or_too_few_are_set_right`."""


@pytest.mark.parametrize("defect", DEFECTS)
def test_every_defect_has_its_test(defect: str) -> None:
    file, _, name = DEFECTS[defect].partition("::")
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_b04_a_window_loaded_every_hour_is_loaded_once(shop: Shop) -> None:
    shop.platforms.sales = [sale(str(n), "BRL") for n in range(5)]
    for _ in range(3):
        shop.read()
    assert shop.bench.rows("SELECT COUNT(*) AS n, SUM(paid) AS paid FROM fct_orders") == [(5, Decimal("475.00"))]
    assert shop.bench.rows("SELECT COUNT(*) AS n FROM fct_order_items") == [(10,)]


def test_b05_two_shops_may_use_one_number(warehouse: Warehouse) -> None:
    both = [order(name, platform=name, number="1001", external_id="1001") for name in ("nuvemshop", "olist")]
    warehouse.atomically(lambda tx: tx.upsert("fct_orders", both))
    [found] = warehouse.rows("SELECT COUNT(*) AS n, SUM(gross_revenue) AS gross_revenue FROM rpt_daily_performance")
    assert found == {"n": 1, "gross_revenue": Decimal("200.00")}


def test_b08_credit_needs_a_touch_and_without_one_is_unattributed(shop: Shop) -> None:
    shop.platforms.sales = [sale("lonely", "BRL")]
    run = shop.read()
    credit.credit_all(run)
    refresh.refresh_all(run)
    found = shop.bench.rows("SELECT DISTINCT channel, attributed_revenue FROM rpt_channel_performance")
    assert found == [("unattributed", Decimal("95.00"))]


def test_b09_no_key_may_be_null(warehouse: Warehouse) -> None:
    """MySQL takes two NULLs in a unique key for two different campaigns."""
    for table in tables.TENANT.tables.values():
        assert [column.name for column in table.primary_key if column.nullable] == [], table.name
        for index in table.indexes:
            assert not index.unique or not any(column.nullable for column in index.columns), index.name
    one = row(tables.dim_campaigns, platform="meta", campaign_id="c")
    for _ in range(2):
        warehouse.atomically(lambda tx: tx.upsert("dim_campaigns", [one]))
    assert warehouse.rows("SELECT COUNT(*) AS n FROM dim_campaigns") == [{"n": 1}]


def test_b11_customer_metrics_are_computed_by_the_name_they_were_called_by(shop: Shop) -> None:
    shop.platforms.sales = [sale("1", "BRL"), sale("2", "BRL")]
    run = shop.read()
    run.window = Window.ending(DAY, 7)
    for _ in range(2):
        assert value.sp_update_customer_metrics(run).rows == 2
    found = shop.bench.rows(
        "SELECT SUM(total_orders) AS total_orders, SUM(ltv_to_date) AS ltv_to_date FROM dim_customers"
    )
    assert found == [(2, Decimal("190.00"))]


def test_b13_dependencies_are_ranges_and_none_is_the_standard_library() -> None:
    import sys

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for dependency in project["dependencies"]:
        name, least = re.fullmatch(r"([A-Za-z0-9-]+)>=([0-9.]+)(?:,<[0-9.]+)?", dependency).groups()  # type: ignore[union-attr]
        assert name.lower().replace("-", "_") not in sys.stdlib_module_names
        assert least
    vendors = {"facebook-business", "google-ads", "google-analytics-data"}
    bounded = {each.partition(">")[0] for each in project["dependencies"] if ",<" in each}
    assert vendors <= bounded, "the version of a platform's API comes with the SDK's"


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("cac", ["alerts.thresholds.cac_increase_pct", "28 days before them", "20 new customers in the baseline"]),
        ("roas", ["alerts.thresholds.roas_decrease_pct", "28 days before them", "20 orders by last click"]),
        ("delivery", ["alerts.thresholds.delivery_pct", "at least 20 sales in 7 days"]),
    ],
)
def test_b15_a_threshold_tells_its_baseline_and_its_least_volume(
    metric: str, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", "metric", metric]) == 0
    (told,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("Alert: "))
    assert [said for said in words if said not in told] == []


def test_b23_ids_beyond_32_and_64_bits_stay_what_they_are(shop: Shop) -> None:
    ids = ["2147483648", "9007199254740993", "18446744073709551617", "000123"]
    shop.platforms.sales = [sale(name, "BRL") for name in ids]
    shop.read()
    assert sorted(name for (name,) in shop.bench.rows("SELECT external_id FROM fct_orders")) == sorted(ids)
    assert _values.units("1000000") == 1_000_000


def test_b24_no_column_is_made_for_a_credential() -> None:
    """`test_canaries` looks for the credentials themselves in every byte; here is no place for them either."""
    suspicious = re.compile(r"token|secret|password|credential|api_?key|refresh|bearer", re.IGNORECASE)
    for metadata in (tables.TENANT, tables.CONTROL):
        for table in metadata.tables.values():
            assert [column.name for column in table.columns if suspicious.search(column.name)] == [], table.name
