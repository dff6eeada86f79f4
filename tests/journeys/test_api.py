"""The API as an agency lives with it: a key, a run asked for, a worker that does it, and figures that are those of the view."""

from __future__ import annotations

import re
import signal
import subprocess
from datetime import timedelta
from decimal import Decimal
from typing import Any

import requests

from tests.journeys.agency import NOW, Agency
from tests.journeys.test_runs import killed_afterwards

ANSWERED = 30


def listening(server: subprocess.Popen[str]) -> str:
    """The address the server says it answers at. Raises when it ends before it says so."""
    assert server.stderr is not None
    for line in server.stderr:
        if found := re.match(r"http://127\.0\.0\.1:\d+", line):
            return found[0]
    raise AssertionError(f"the server ended with {server.wait(10)}")


def test_from_a_key_to_figures(small: Agency) -> None:
    code, other = small.codes
    small.onboarded(code, other)
    admin = small.ok("api", "keys", "create", "--name", "agency", "--all", "--role", "admin").out.strip()
    viewer = small.ok("api", "keys", "create", "--name", "painel", "--client", code).out.strip()
    server = small.process("serve", "--port", "0")
    with killed_afterwards(server):
        url = listening(server)

        def ask(path: str, key: str, **more: Any) -> requests.Response:
            method = "POST" if "json" in more else "GET"
            headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "3f0c"}
            return requests.request(method, f"{url}{path}", headers=headers, timeout=ANSWERED, **more)

        assert requests.get(f"{url}/health/live", timeout=ANSWERED).json() == {"status": "alive"}
        kpis = f"/api/v1/clients/{code}/kpis"
        empty = ask(kpis, viewer)
        assert (empty.status_code, empty.json()["code"]) == (409, "CTX-5064")

        wish = {"pipeline": "daily", "days": 5}
        posted = ask(f"/api/v1/clients/{code}/runs", admin, json=wish)
        assert posted.status_code == 202
        assert ask(f"/api/v1/clients/{code}/runs", admin, json=wish).json()["run_id"] == posted.json()["run_id"]
        assert ask(f"/api/v1/clients/{code}/runs", viewer, json=wish).status_code == 403
        where = posted.headers["location"]
        assert ask(where, viewer).json()["status"] == "queued"

        worker = small.process("worker", "--drain", "--quiet")
        with killed_afterwards(worker):
            assert worker.wait(120) == 0
        done = ask(where, viewer).json()
        assert (done["status"], done["exit_code"]) == ("ok", 0)
        assert {step["status"] for step in done["steps"]} == {"ok"}

        last = NOW.date() - timedelta(days=1)
        first = last - timedelta(days=4)
        told = ask(kpis, viewer, params={"from": str(first), "to": str(last)}).json()
        found = small.rows(
            code,
            "SELECT SUM(net_revenue) AS net_revenue, SUM(orders) AS orders, SUM(spend) AS spend FROM rpt_daily_performance"
            " WHERE day >= :first AND day <= :last",
            first=first,
            last=last,
        )[0]
        served = {figure["key"]: figure["value"] for figure in told["data"]}
        assert Decimal(served["revenue"]) == found["net_revenue"] > 0
        assert (int(served["orders"]), Decimal(served["spend"])) == (found["orders"], found["spend"])
        assert ask(f"/api/v1/clients/{other}/kpis", viewer).status_code == 404

        small.ok("api", "keys", "revoke", "painel")
        assert ask(kpis, viewer).status_code == 401
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
        assert server.stderr is not None
        assert "Stopped." in (rest := server.stderr.read())
        assert "Traceback" not in rest
    actions = [line["action"] for line in small.ok("api", "audit", as_json=True).data]
    assert actions == ["key.revoke", "POST", "run.begin", "key.create", "key.create"]
    written = b"".join(file.read_bytes() for file in small.root.rglob("*") if file.is_file())
    for key in (admin, viewer):
        assert key.rpartition("_")[2].encode() not in written
