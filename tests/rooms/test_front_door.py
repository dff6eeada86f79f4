"""What the command line says and returns where nobody has a client yet, or has a broken one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = 'client: {{name: A, code: "{code}", timezone: America/Sao_Paulo}}\necommerce: {{platform: nuvemshop, store_id: "1"}}\n'


def cortex(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CORTEX_")}
    return subprocess.run(
        [sys.executable, "-m", "cortex", *words, "--workspace", str(folder)],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tenants").mkdir()
    return tmp_path


@pytest.mark.parametrize("code", ["drop", "select"])
def test_a_file_called_like_a_word_of_sql_or_of_the_commands_hides_no_other(folder: Path, code: str) -> None:
    for each in (code, "good", "zeta"):
        (folder / "tenants" / f"{each}.yaml").write_text(GOOD.format(code=each))
    checked = cortex(folder, "config", "validate")
    assert checked.returncode == 3
    assert "tenants/zeta.yaml ok" in checked.stdout
    assert f"Rename it to loja_{code}.yaml" in checked.stderr
    told = cortex(folder, "doctor")
    assert told.returncode == 3
    assert "✓ zeta file" in told.stdout
    assert f"✗ {code} file" in told.stdout


def test_json_logs_are_json_alone(folder: Path) -> None:
    (folder / "tenants" / "good.yaml").write_text(GOOD.format(code="good"))
    assert cortex(folder, "onboard", "good").returncode == 0
    told = cortex(folder, "run", "daily", "good", "--log-format", "json")
    assert told.returncode == 4
    lines = [json.loads(line) for line in told.stderr.splitlines()]
    assert {"CTX-4001"} <= {line.get("code") for line in lines}
    assert not any(line.get("event", "").startswith(" ") for line in lines)


def test_nothing_delivered_is_no_share_of_anything(folder: Path) -> None:
    (folder / "tenants" / "good.yaml").write_text(GOOD.format(code="good"))
    assert cortex(folder, "onboard", "good").returncode == 0
    (row,) = json.loads(cortex(folder, "status", "--json").stdout)["data"]
    assert row["accuracy"] is None
