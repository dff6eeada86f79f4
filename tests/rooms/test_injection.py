"""Whatever words come from outside, they are values: no statement is ever made of them (SEC-06)."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cortex.cli.app import main
from cortex.warehouse import Warehouse, provision
from cortex.workspace import Workspace
from tests.rooms.warehouse_rows import key, order

ROOT = Path(__file__).resolve().parents[2]
WORDS = [
    "'", '"', "`", "\\", "\\'", "''", ";", "--", "-- ", "#", "/*", "*/", "%", "%s", "%(x)s", "?", ":name", ":since", "{0}", "{}", "$1",
    " OR 1=1", "1' OR '1'='1", "'; DROP TABLE fct_orders; --", "' UNION SELECT value FROM cortex_meta --", "0x27", "CHAR(39)",
    "\u02bc", "\uff07", "é", "🙂", "a", "1", " ", "\n", "\t",
]  # fmt: skip
hostile = st.lists(st.sampled_from(WORDS), min_size=1, max_size=2).map("".join).map(str.strip).filter(bool)
"""Texts are stored without spaces at their ends."""
GENTLY = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@settings(max_examples=25, deadline=None, suppress_health_check=GENTLY)
@given(number=hostile, other=hostile, listed=st.lists(hostile, max_size=4))
def test_a_word_of_any_kind_is_only_ever_itself(
    warehouse: Warehouse, number: str, other: str, listed: list[str]
) -> None:
    """As a parameter, in a list, as a condition of update and delete, in every road a row takes."""
    rows = [order(1, number=number, coupon=other, external_id="1"), order(2, number="plain", external_id="2")]
    warehouse.atomically(lambda tx: (tx.delete("fct_orders", {}), tx.upsert("fct_orders", rows)))
    same = "SELECT order_key, number, coupon FROM fct_orders WHERE number = :number ORDER BY number"
    assert warehouse.rows(same, number=number) == [{"order_key": key(1), "number": number, "coupon": other}]
    among = "SELECT COUNT(*) AS n FROM fct_orders WHERE number IN :listed"
    asked = [*listed, "nobody"]
    assert warehouse.rows(among, listed=asked)[0]["n"] == (number in asked) + ("plain" in asked)

    def change(tx):
        assert tx.lookup("fct_orders", "number", [number], ["coupon"]) == {number: {"number": number, "coupon": other}}
        assert tx.update("fct_orders", {"number": number}, {"utm_campaign": other}) == 1
        assert tx.delete("fct_orders", {"number": [number, *listed]}) == 1 + ("plain" in listed)

    warehouse.atomically(change)
    assert warehouse.rows("SELECT SUM(paid) AS paid FROM rpt_transactions")[0]["paid"] in {Decimal("100.00"), None}


@pytest.mark.parametrize("word", ["'; DROP TABLE fct_orders; --", "1' OR '1'='1", "%(x)s"])
def test_no_word_of_a_command_line_reaches_a_statement(tmp_path: Path, word: str) -> None:
    """Names are looked up among those that exist; what is none of them is refused by name."""
    workspace = Workspace(tmp_path)
    workspace.tenants.mkdir()
    (workspace.tenants / "xyz.yaml").write_text(
        "client: {name: Loja, code: xyz, timezone: America/Sao_Paulo}\necommerce: {platform: olist, path: x}\n",
        encoding="utf-8",
    )
    provision.apply("", "xyz", workspace.state)
    with Warehouse.open("", "xyz", workspace.state) as warehouse:
        warehouse.atomically(lambda tx: tx.upsert("fct_orders", [order(1)]))
    before = whole(workspace)
    for words in (
        ("explain", "order", "xyz", word), ("tenants", "show", word), ("db", "export", "xyz", "--only", word),
        ("db", "status", word), ("run", "daily", "xyz", "--only", word), ("run", word, "xyz"), ("dq", word),
        ("status", word), ("analyze", "ltv", "xyz", "--by", word), ("conversions", "show", "xyz", word),
        ("forecast", "show", "xyz", "--channel", word), ("runs", "show", word), ("checklist", "xyz", "--tick", word),
    ):  # fmt: skip
        said = io.StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            code = main(
                [*words[:-1], "--workspace", str(tmp_path), "--", words[-1]]
                if not words[-2].startswith("--")
                else [*words, "--workspace", str(tmp_path)]
            )
        assert code in {1, 2, 3, 5, 8}, (words, code, said.getvalue())
        assert "CTX-9000" not in said.getvalue(), (words, said.getvalue())
    assert whole(workspace) == before
    assert {path.name for path in workspace.state.rglob("*.db")} <= {"xyz.db", "control.db"}


def whole(workspace: Workspace) -> list[dict[str, object]]:
    with Warehouse.open("", "xyz", workspace.state) as warehouse:
        return warehouse.rows("SELECT * FROM fct_orders")


def statements() -> Iterator[tuple[str, ast.JoinedStr]]:
    """Texts of SQL in the product that are made of pieces."""
    for file in sorted((ROOT / "cortex").rglob("*.py")):
        if "sandbox" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                said = "".join(part.value for part in node.values if isinstance(part, ast.Constant))
                if re.match(
                    r"\s*(SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH|ALTER|DROP|CREATE|GRANT|REVOKE|SHOW|SET)\b", said
                ):
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", node


OUTSIDE = re.compile(r"\b(tenant|client|code|shell|argument|payload|email|value_of|run\.(?:tenant|window))\b")
"""What comes from outside, by the names the product gives it."""
QUOTED = {"quote", "scope", "escaped"}
"""Functions that make an identifier safe."""


def test_statements_are_made_of_our_own_names_alone() -> None:
    seen = 0
    for at, node in statements():
        seen += 1
        for part in node.values:
            if isinstance(part, ast.FormattedValue) and not (
                isinstance(part.value, ast.Call) and ast.unparse(part.value.func).rpartition(".")[2] in QUOTED
            ):
                assert not OUTSIDE.search(ast.unparse(part.value)), (at, ast.unparse(part.value))
    assert seen > 20
