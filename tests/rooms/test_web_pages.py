"""The documentation in a real browser that reaches no other host: it is drawn, under the policy its header states."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from cortex.web import server
from tests.rooms.api_site import site

FLAGS = (
    "--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--virtual-time-budget=4000", "--dump-dom",
)  # fmt: skip


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with site(tmp_path_factory.mktemp("pages"), "") as found:
        listening = server.bind("127.0.0.1", 0, exposed=False)
        serving = uvicorn.Server(uvicorn.Config(found.asking.app, log_config=None, access_log=False, lifespan="off"))
        thread = threading.Thread(target=serving.run, args=([listening],))
        thread.start()
        while not serving.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        serving.should_exit = True
        thread.join(20)
        listening.close()


def test_the_documentation_is_drawn(address: str, chromium: str, tmp_path: Path) -> None:
    rootless = ["--no-sandbox"] if os.geteuid() == 0 else []
    started = {
        page: subprocess.Popen(
            [chromium, *FLAGS, *rootless, f"--user-data-dir={tmp_path / page}", f"{address}/{page}"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        for page in ("docs", "redoc")
    }  # fmt: skip
    try:
        drawn = {page: browser.communicate(timeout=90)[0] for page, browser in started.items()}
    finally:
        for browser in started.values():
            browser.kill()
    for page, text in drawn.items():
        for words in ("/api/v1/clients/{code}/kpis", "average order", "/health/live"):
            assert words in text.replace("<wbr>", "").replace("\u200b", ""), (page, words)
