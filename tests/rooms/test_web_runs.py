"""Runs over the API: asked for as on the command line, written as `--queue` writes them, once, and noted in the audit."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cortex.clock import system_clock
from cortex.runner import asking
from cortex.web.limiting import Limiter, Rate
from tests.conftest import ENGINES, NOW, mysql_url
from tests.rooms.api_site import Site, site

WISH: dict[str, Any] = {"pipeline": "daily", "date": "2026-11-18", "days": 3, "skip": ["store.products"]}


@pytest.fixture(scope="module", params=ENGINES)
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    database = "" if request.param == "sqlite" else mysql_url()
    generous = {"keys": Limiter(Rate(10_000, 10_000)), "addresses": Limiter(Rate(10_000, 10_000))}
    with site(tmp_path_factory.mktemp("desk"), database, provisioned=1, **generous) as found:
        yield found


@pytest.fixture(autouse=True)
def _that_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORTEX_NOW", NOW.isoformat())


def trail(desk: Site, key: str) -> list[dict[str, Any]]:
    """What the audit holds of a key, oldest first."""
    actor = f"key:{key.split('_')[1]}"
    return [line for line in reversed(desk.house.control.callers.trail(1000)) if line["actor"] == actor]


def ids(desk: Site, code: str = "") -> list[str]:
    return [row["run_id"] for row in desk.house.control.runs(code or desk.first, limit=1000)]


def test_a_post_leaves_the_plan_the_command_line_would(desk: Site) -> None:
    answer = desk.post(WISH)
    told = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/v1/clients/{desk.first}/runs/{told['run_id']}"
    assert (told["status"], told["since"], told["last"]) == ("queued", "2026-11-16", "2026-11-18")
    recipe = asking.recipe(desk.house.workspace, "daily")
    window, steps = asking.planned(
        desk.house.tenant(desk.first), recipe, system_clock()(), day=None, days=3, skip=["store.products"]
    )
    assert window.days == 3
    assert [step["step"] for step in told["steps"]] == [step.name for step in steps]
    row = desk.house.control.run(told["run_id"])
    assert row is not None
    assert (row["tenant"], row["pipeline"], row["status"], row["queued_at"] is None) == (
        desk.first, "daily", "queued", False,
    )  # fmt: skip
    assert told["run_id"] in [each["run_id"] for each in desk.house.control.queue()]
    assert desk.get(answer.headers["location"], key=desk.key("viewer", desk.first)).json() == told
    assert desk.get("runs", limit=1).json()["data"][0]["run_id"] == told["run_id"]


def test_what_was_asked_for_and_by_whom_is_in_the_audit(desk: Site) -> None:
    key = desk.key("admin", desk.first)
    run_id = desk.post(WISH, key=key).json()["run_id"]
    line = trail(desk, key)[-1]
    assert (line["action"], line["client"], line["subject"], line["refusal"]) == ("run.begin", desk.first, run_id, "")
    assert line["facts"] == WISH


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"pipeline": "dayly"}, "CTX-1006"),
        ({"pipeline": "backfill"}, "CTX-1013"),
        ({"pipeline": "daily", "date": "2026-11-20"}, "CTX-1007"),
        ({"pipeline": "daily", "date": "2026-12-24"}, "CTX-1007"),
        ({"pipeline": "daily", "days": 0}, "CTX-1008"),
        ({"pipeline": "daily", "days": 1461}, "CTX-1008"),
        ({"pipeline": "daily", "only": ["adds"]}, "CTX-1009"),
        ({"pipeline": "daily", "skip": ["adds"]}, "CTX-1009"),
        ({"pipeline": "daily", "date": "yesterday"}, "CTX-8207"),
        ({"pipeline": "daily", "resume": True}, "CTX-8207"),
    ],
)
def test_what_the_command_line_refuses_is_refused_and_noted(desk: Site, wish: dict[str, Any], code: str) -> None:
    key, before = desk.key("admin"), ids(desk)
    answer = desk.post(wish, key=key)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert ids(desk) == before
    line = trail(desk, key)[-1]
    assert (line["action"], line["client"], line["refusal"], line["subject"]) == ("POST", desk.first, code, "")


@pytest.mark.parametrize("role", ["viewer", "analyst"])
def test_who_reads_begins_nothing_and_the_attempt_is_noted(desk: Site, role: str) -> None:
    key, before = desk.key(role, desk.first), ids(desk)
    answer = desk.post(WISH, key=key)
    assert (answer.status_code, answer.json()["code"]) == (403, "CTX-8205")
    assert ids(desk) == before
    assert [line["refusal"] for line in trail(desk, key)] == ["CTX-8205"]


def test_an_admin_of_one_client_begins_nothing_of_another(desk: Site) -> None:
    key = desk.key("admin", desk.second)
    theirs, nobodys = desk.post(WISH, key=key), desk.post(WISH, key=key, client="t0000000000000000")
    assert (theirs.status_code, theirs.content) == (404, nobodys.content)
    assert ids(desk, desk.second) == []
    # The attempt is noted, but not under the other client: whoever reads the line learns nothing of it.
    assert {(line["client"], line["refusal"]) for line in trail(desk, key)} == {("", "CTX-8206")}
    mine = desk.post(WISH).json()["run_id"]
    for code in (desk.second, desk.first):
        status = desk.get(f"/api/v1/clients/{code}/runs/{mine}").status_code
        assert status == (200 if code == desk.first else 404)


def test_posted_again_with_its_key_the_same_run_answers(desk: Site) -> None:
    first = desk.post(WISH, once="6f1c")
    before = ids(desk)
    again = desk.post(WISH, once="6f1c")
    assert (again.status_code, again.json(), again.headers["location"]) == (
        202, first.json(), first.headers["location"],
    )  # fmt: skip
    assert ids(desk) == before
    assert desk.post(WISH, once="6f1d").json()["run_id"] not in before
    for other in (WISH | {"days": 4}, {"pipeline": "hourly"}):
        refused = desk.post(other, once="6f1c")
        assert (refused.status_code, refused.json()["code"]) == (422, "CTX-8210")
    # Another caller's key of the same text is another key; so is the same one for another client refused.
    assert desk.post(WISH, key=desk.key("admin", desk.first), once="6f1c").json()["run_id"] not in before
    assert desk.post(WISH, client=desk.second, once="6f1c").status_code == 422
    for odd in (" ", "x" * 129, "a b"):
        assert desk.post(WISH, once=odd).json()["code"] == "CTX-8210"


def test_posted_twice_at_once_one_run_is_begun(desk: Site) -> None:
    before = set(ids(desk))
    desk.key("admin")
    gate, answers = threading.Barrier(4), []

    def post() -> None:
        gate.wait()
        answers.append(desk.post(WISH, once="at-once"))

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [answer.status_code for answer in answers] == [202] * 4
    assert len({answer.json()["run_id"] for answer in answers}) == 1
    assert len(set(ids(desk)) - before) == 1


def test_a_client_without_a_schema_is_refused_now(desk: Site) -> None:
    file = desk.house.workspace.tenants / "nobody_yet.yaml"
    file.write_text((desk.house.workspace.tenants / f"{desk.first}.yaml").read_text().replace(desk.first, "nobody_yet"))
    answer = desk.post(WISH, client="nobody_yet")
    file.unlink()
    assert (answer.status_code, answer.json()["code"]) == (409, "CTX-5002")
    assert "host" not in answer.text
    assert ids(desk, "nobody_yet") == []


def test_nothing_of_a_machine_is_told(desk: Site) -> None:
    run_id = desk.post(WISH).json()["run_id"]
    row = desk.house.control.run(run_id)
    assert row is not None
    told = json.dumps([desk.get("runs").json(), desk.get(f"runs/{run_id}").json()])
    assert row["host"] not in told
    assert str(desk.house.workspace.root) not in told
