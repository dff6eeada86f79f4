"""The engine dask before anything is connected: what it wants to be told, whom it refuses, and what a task carries."""

import json
import pickle
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from cortex.errors import CortexError
from cortex.runner.work import Item
from cortex.workspace import Workspace
from tests.journeys.agency import environment

PAPERS = {f"CORTEX_SCHEDULER_{name}": f"/etc/cortex/{name.lower()}.pem" for name in ("CA", "CERT", "KEY")}


def named(workspace: Workspace, scheduler: str = "", **values: str) -> object:
    from cortex.runner.cluster import Cluster

    with environment(values):
        return Cluster.named(scheduler, workspace)


@pytest.mark.parametrize(
    ("scheduler", "values", "code"),
    [
        ("", {}, "CTX-5104"),
        ("tls://dask.example:8786", {}, "CTX-5104"),
        ("tls://dask.example:8786", PAPERS | {"CORTEX_SCHEDULER_KEY": ""}, "CTX-5104"),
        ("tcp://dask.example:8786", PAPERS, "CTX-5103"),
        ("dask.example:8786", PAPERS, "CTX-5103"),
        ("ws://127.0.0.1:8786", PAPERS, "CTX-5103"),
    ],
)
def test_a_scheduler_is_named_whole_and_speaks_tls(
    workspace: Workspace, scheduler: str, values: dict[str, str], code: str
):
    with pytest.raises(CortexError) as refused:
        named(workspace, scheduler, **values)
    assert refused.value.code == code


def test_settings_come_from_the_option_the_environment_or_the_workspace(workspace: Workspace):
    (workspace.root / ".env").write_text(
        "CORTEX_SCHEDULER=tls://a.example:1\nCORTEX_SCHEDULER_CA=/a\n", encoding="utf-8"
    )
    found = named(workspace, "", **PAPERS)
    assert (found.scheduler, found.ca) == ("tls://a.example:1", "/etc/cortex/ca.pem")  # type: ignore[attr-defined]
    assert named(workspace, "tls://b.example:2", **PAPERS).scheduler == "tls://b.example:2"  # type: ignore[attr-defined]
    assert named(workspace, "tcp://127.0.0.1:8786").ca == "/a"  # type: ignore[attr-defined]


def test_a_task_is_small_and_says_what_to_do_not_with_what():
    item = Item("xyz", "daily", date(2026, 11, 19), date(2026, 11, 20), ("store.orders",), run_id="20261120")
    assert len(pickle.dumps(item)) < 500
    assert set(Item.__dataclass_fields__) == {
        "code", "pipeline", "since", "until", "steps", "resume", "wait", "run_id", "save_raw",
    }  # fmt: skip


def test_dask_is_imported_only_when_its_engine_is_asked_for():
    done = subprocess.run(
        [sys.executable, "-c", "import cortex.runner.cluster, cortex.cli.running, sys; print({'dask', 'distributed'} & set(sys.modules))"],
        cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("run", "daily", "xyz", "--engine", "spark"), "CTX-5109"),
        (("run", "daily", "xyz", "--scheduler", "tls://a.example:1"), "CTX-5109"),
        (("backfill", "--engine", "dask"), "CTX-5104"),
    ],
)
def test_an_engine_nobody_knows_is_refused(
    workspace: Workspace, words: tuple[str, ...], code: str, capsys: pytest.CaptureFixture[str]
):
    from cortex.cli.app import main

    with environment({}):
        assert main([*words, "--workspace", str(workspace.root), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code
