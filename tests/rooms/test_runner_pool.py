"""Several clients at once: whole lines, one dead process is one client's failure, and how many processes there are."""

import json
import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from cortex import logs
from cortex.errors import CortexError
from cortex.runner import pool
from cortex.runner.pool import Outfit, _Line
from cortex.runner.work import Item
from cortex.workspace import Workspace


class Pipe:
    def __init__(self) -> None:
        self.sent: list[tuple[object, ...]] = []

    def send(self, what: tuple[object, ...]) -> None:
        self.sent.append(what)


def item(code: str) -> Item:
    return Item(code, "daily", date(2026, 11, 19), date(2026, 11, 20), ("store.orders",))


def test_a_child_speaks_in_whole_lines():
    pipe = Pipe()
    line = _Line(pipe)  # type: ignore[arg-type]  # what it needs of one
    print("one\nhal", end="", file=line)
    line.write("f\n")
    print("three", file=line)
    assert [what for _, what, _ in pipe.sent] == ["one", "half", "three"]


@pytest.mark.parametrize(("asked", "items", "count"), [(3, 10, 3), (8, 2, 2), (1, 10, 1), (None, 1, 1)])
def test_as_many_processes_as_asked_but_never_more_than_there_is_to_do(asked: int | None, items: int, count: int):
    assert pool.jobs(asked, items) == count


def test_unasked_it_is_one_for_each_processor_up_to_four():
    assert pool.jobs(None, 100) == min(os.cpu_count() or 1, 4)


def test_a_client_without_a_file_fails_alone(workspace: Workspace):
    ended = {
        done.code: result
        for done, result in pool.perform(
            [item("one"), item("two"), item("three")], Outfit(workspace, ""), 2, lambda *_: None, lambda _line: None
        )
    }
    assert set(ended) == {"one", "two", "three"}
    assert all(isinstance(result, CortexError) for result in ended.values())
    assert {result.code for result in ended.values() if isinstance(result, CortexError)} == {"CTX-1001"}


def test_a_process_that_dies_takes_only_its_own_client_with_it(workspace: Workspace):
    (workspace.root / "pipelines").mkdir()
    recipe = "import os, signal\ndef die(tenant):\n    os.kill(os.getpid(), signal.SIGKILL)\nsteps = (die,)\n"
    (workspace.root / "pipelines" / "deadly.py").write_text(recipe, encoding="utf-8")
    (workspace.root / "tenants" / "one.yaml").write_text(
        "client: {name: One, code: one, timezone: America/Sao_Paulo, currency: BRL}\n"
        "ecommerce: {platform: nuvemshop, store_id: '1'}\n",
        encoding="utf-8",
    )
    deadly = Item("one", "deadly", date(2026, 11, 19), date(2026, 11, 20), ("x",))
    ended = {
        done.code: result
        for done, result in pool.perform(
            [deadly, item("two"), item("three")], Outfit(workspace, ""), 2, lambda *_: None, lambda _line: None
        )
    }
    found = {code: result.code for code, result in ended.items() if isinstance(result, CortexError)}
    assert found == {"one": "CTX-9007", "two": "CTX-1001", "three": "CTX-1001"}
    assert f"signal {int(signal.SIGKILL)}" in str(ended["one"])


def test_the_log_of_a_run_is_kept_masked_and_old_ones_go(tmp_path: Path):
    code = """
import os, sys, time
from pathlib import Path
from cortex import logs
from cortex.secrets import Secret
known = Secret("a-very-secret-token", "test")
state = Path(sys.argv[1])
logs.configure()
old = logs.folder(state, "xyz") / "20200101000000aaaaaaaa.jsonl"
old.parent.mkdir(parents=True)
old.write_text("{}")
os.utime(old, (0, 0))
logs.logger(client="xyz").info("before")
with logs.kept(state, "xyz", "20261120150000bbbbbbbb"):
    logs.logger(client="xyz").info("inside", told="a-very-secret-token maria@example.com")
logs.logger(client="xyz").info("after")
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stderr == ""  # an info line is kept, not shown
    (file,) = logs.folder(tmp_path, "xyz").iterdir()
    (line,) = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    assert (line["event"], line["client"], line["told"]) == ("inside", "xyz", "•••• ••••")
    assert file.stat().st_mode & 0o077 == 0
