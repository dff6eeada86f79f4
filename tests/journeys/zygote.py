"""A warm process that forks for every command line: three hundred deaths must not pay for three hundred starts.

Run as a script it reads orders, one JSON object a line, and answers each with the child's pid, then with its exit code
(negative: the signal that killed it). `Zygote` is the other end, for tests.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WARM = (
    "cortex.cli.app", "cortex.cli.running", "cortex.cli.progress", "cortex.runner.pool", "cortex.runner.recipes", "cortex.steps.pull",
    "cortex.steps.credit", "cortex.steps.send", "cortex.steps.value", "cortex.stores.nuvemshop", "cortex.ads.google", "cortex.ads.meta",
    "cortex.traffic.ga4", "cortex.destinations.meta_capi", "cortex.destinations.google_ec", "cortex.attribution.last_click",
    "cortex.customers.people", "cortex.customers.value", "polars", "numpy", "pymysql", "google.auth.transport.requests",
    "sqlalchemy.dialects.mysql.pymysql", "sqlalchemy.dialects.sqlite", "google.ads.googleads.client",
)  # fmt: skip
"""What a run imports sooner or later. Nothing of it may be used before the fork: gRPC and polars keep threads."""


class Child:
    """One command under way."""

    def __init__(self, zygote: Zygote, pid: int, said: Path) -> None:
        self._zygote, self.pid, self._said = zygote, pid, said

    def wait(self) -> int:
        """Its exit code; negative for the signal that killed it."""
        return int(self._zygote.answer())

    @property
    def said(self) -> str:
        return self._said.read_text(encoding="utf-8", errors="replace")


class Zygote:
    """One command at a time. Use it in a `with` block."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        scratch.mkdir(parents=True, exist_ok=True)
        self._count = 0

    def __enter__(self) -> Zygote:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CORTEX_")}
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__))], cwd=ROOT, env=clean | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.answer() == "warm"
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def start(
        self, words: Sequence[str], environment: Mapping[str, str], *, crash: str = "", file_bytes: int = 0
    ) -> Child:
        """A command line. crash: as CORTEX_CRASH_AT. file_bytes: no file may grow beyond it (a full disk)."""
        self._count += 1
        said = self._scratch / f"said{self._count}.txt"
        order = {"words": list(words), "environment": dict(environment), "crash": crash, "said": str(said)}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order | {"file_bytes": file_bytes}) + "\n")
        self._process.stdin.flush()
        return Child(self, int(self.answer()), said)


def _live(order: dict[str, Any]) -> int:
    """The child's whole life."""
    from cortex import crash
    from cortex.cli.app import main

    descriptor = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.environ.update(order["environment"])
    crash.arm(order["crash"])
    if order["file_bytes"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["file_bytes"], order["file_bytes"]))
    code = main(order["words"])
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _answer(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def _serve() -> None:
    for module in WARM:
        __import__(module)
    _answer("warm")
    child = 0
    for line in sys.stdin:
        if child:
            os.waitpid(child, 0)  # until here its number was its own, whoever sends it a signal too late
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 70
            try:
                code = _live(order)
            finally:
                os._exit(code)
        _answer(child)
        ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        _answer(ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status)


if __name__ == "__main__":
    _serve()
