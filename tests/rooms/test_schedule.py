"""Recipes for clocks: each is in its clock's own language and calls the command line for every active client once."""

import ast
import json
import re
import shlex
import time
from pathlib import Path

import pytest

from cortex.cli.app import main
from cortex.cli.scheduling import FORMATS
from cortex.workspace import Workspace
from tests.journeys.agency import environment


def client(
    workspace: Workspace, code: str, zone: str = "America/Sao_Paulo", *, active: bool = True, schedule: str = "{}"
) -> None:
    (workspace.tenants / f"{code}.yaml").write_text(
        f"client: {{name: {code}, code: {code}, timezone: {zone}, currency: BRL, active: {str(active).lower()}}}\n"
        f"ecommerce: {{platform: nuvemshop, store_id: '{len(code)}'}}\nschedule: {schedule}\n",
        encoding="utf-8",
    )


def printed(workspace: Workspace, fmt: str, capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    with environment({}):
        assert main(["schedule", "print", "--format", fmt, "--workspace", str(workspace.root)]) == code
    said = capsys.readouterr()
    return said.out if code == 0 else said.err


@pytest.mark.parametrize("fmt", FORMATS)
def test_one_zone_is_one_command_for_all(workspace: Workspace, fmt: str, capsys: pytest.CaptureFixture[str]):
    for code in ("one", "three"):
        client(workspace, code)
    text = printed(workspace, fmt, capsys)
    flat = re.sub(r"[\[\]',\"]", " ", text)
    for pipeline in ("daily", "weekly"):
        assert len(re.findall(rf"run\s+{pipeline}\s+--all", flat)) == 1
    assert str(workspace.root) in text


@pytest.mark.parametrize("fmt", ["prefect", "dagster", "airflow"])
def test_what_is_python_is_python_and_says_the_hour_in_the_clients_zone(
    workspace: Workspace, fmt: str, capsys: pytest.CaptureFixture[str]
):
    client(workspace, "one")
    client(workspace, "three", "Europe/Lisbon")
    text = printed(workspace, fmt, capsys)
    tree = ast.parse(text)
    commands = [
        ast.literal_eval(call.args[0])
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "run" and call.args
    ]
    asked = sorted(tuple(words[words.index("run") + 1 : words.index("--wait")]) for words in commands)
    assert asked == [("daily", "one"), ("daily", "three"), ("weekly", "one"), ("weekly", "three")]
    for zone in ("America/Sao_Paulo", "Europe/Lisbon"):
        assert text.count(zone) == 2
    assert text.count('"0 5 * * *"') == text.count('"0 3 * * 0"') == 2


def test_cron_lines_are_at_the_machines_own_hour(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    client(workspace, "one")
    client(workspace, "three", "Asia/Tokyo")
    with monkeypatch.context() as machine:
        machine.setenv("TZ", "UTC")
        time.tzset()
        text = printed(workspace, "cron", capsys)
    time.tzset()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    # São Paulo is three hours behind UTC; Tokyo nine ahead: its Sunday at three is UTC's Saturday at six in the evening.
    whens = {tuple(line.split()[:5]): shlex.split(line) for line in lines}
    assert set(whens) == {
        ("0", "8", "*", "*", "*"), ("0", "6", "*", "*", "0"), ("0", "20", "*", "*", "*"), ("0", "18", "*", "*", "6"),
    }  # fmt: skip
    assert "three" in whens["0", "18", "*", "*", "6"]
    assert "weekly" in whens["0", "18", "*", "*", "6"]


def test_systemd_knows_the_zone_and_catches_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    root = tmp_path / "a 100% agency"
    (root / "tenants").mkdir(parents=True)
    workspace = Workspace(root)
    client(workspace, "one")
    client(workspace, "gone", active=False)
    text = printed(workspace, "systemd", capsys)
    assert "OnCalendar=*-*-* 05:00 America/Sao_Paulo" in text
    assert "OnCalendar=Sun *-*-* 03:00 America/Sao_Paulo" in text
    assert text.count("Persistent=true") == 2
    assert f'"{str(root).replace("%", "%%")}"' in text


def test_a_format_nobody_knows_and_a_workspace_without_clients(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
):
    assert "CTX-5110" in printed(workspace, "launchd", capsys, code=2)
    assert "CTX-1016" in printed(workspace, "cron", capsys, code=2)
    client(workspace, "one")
    with environment({}):
        assert main(["schedule", "print", "--json", "--workspace", str(workspace.root)]) == 0
    assert json.loads(capsys.readouterr().out)["data"]["format"] == "cron"


BUSY = "{daily: 12:30, weekly: mon 06:15, today_minutes: 15, catalogue_minutes: 360}"


def test_a_client_may_have_hours_of_its_own(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    client(workspace, "plain")
    client(workspace, "busy", schedule=BUSY)
    client(workspace, "quiet", schedule="{daily: never, weekly: never, today_minutes: 60}")
    with monkeypatch.context() as machine:
        machine.setenv("TZ", "America/Sao_Paulo")
        time.tzset()
        text = printed(workspace, "cron", capsys)
    time.tzset()
    told = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            words = shlex.split(line)
            at = words.index("run")
            told[" ".join(words[at + 1 : words.index("--wait")])] = " ".join(words[:5])
    assert told == {
        "daily plain": "0 5 * * *",
        "daily busy": "30 12 * * *",
        "weekly plain": "0 3 * * 0",
        "weekly busy": "15 6 * * 1",
        "hourly busy": "*/15 * * * *",
        "hourly quiet": "7 * * * *",
        "daily busy --only store.products": "7 */6 * * *",
    }


def test_systemd_repeats_within_the_day(workspace: Workspace, capsys: pytest.CaptureFixture[str]):
    client(workspace, "busy", schedule=BUSY)
    text = printed(workspace, "systemd", capsys)
    assert sorted(re.findall("OnCalendar=(.+)", text)) == [
        "*-*-* *:00/15:00 America/Sao_Paulo",
        "*-*-* 00/6:07:00 America/Sao_Paulo",
        "*-*-* 12:30 America/Sao_Paulo",
        "Mon *-*-* 06:15 America/Sao_Paulo",
    ]
    assert "run daily --all --only store.products" in text


@pytest.mark.parametrize(
    "schedule",
    ["{daily: '25:00'}", "{daily: '5:00'}", "{weekly: '03:00'}", "{weekly: dom 03:00}", "{today_minutes: 7}"],
)
def test_an_hour_that_is_none_is_refused(workspace: Workspace, capsys: pytest.CaptureFixture[str], schedule: str):
    client(workspace, "odd", schedule=schedule)
    with environment({}):
        assert main(["config", "validate", "odd", "--workspace", str(workspace.root)]) == 3
    assert "schedule." in capsys.readouterr().err
