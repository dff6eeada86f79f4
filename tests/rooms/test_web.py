"""The API's door: who comes in, how often, how much they may send, and what they read when something is wrong."""

from __future__ import annotations

import hashlib
import io
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from cortex import logs
from cortex.cli.app import main
from cortex.errors import CortexError, UsageError
from cortex.reports.error_pages import pages
from cortex.warehouse import Control
from cortex.web import documents, server
from cortex.web.app import build
from cortex.web.cache import Cache
from cortex.web.limiting import Limiter, Rate
from cortex.workspace import Workspace
from tests.rooms.api_site import Site, bearer, site

OPEN = {"/", "/docs", "/redoc", "/docs/files/{name}", "/openapi.json", "/health/live"}
"""Liveness and the shell of the documentation: all that anybody may see without a key."""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site on SQLite, for what no database decides."""
    with site(tmp_path_factory.mktemp("site"), "", addresses=Limiter(Rate(10_000, 10_000))) as found:
        found.house.keys = Limiter(Rate(10_000, 10_000))
        yield found


# Who comes in


def routes(router: Any) -> Iterator[APIRoute]:
    """Every route of an application, those of the routers it includes among them. A kind unknown here is a failure."""
    for route in router.routes:
        if hasattr(route, "original_router"):
            assert not route.include_context.prefix
            yield from routes(route.original_router)
        else:
            assert isinstance(route, APIRoute), f"{route} is no route this test can ask"
            yield route


def answering_without_a_key(app: Any) -> set[str]:
    asking = TestClient(app, follow_redirects=False)
    found = set()
    for route in routes(app):
        for method in route.methods:
            body = {"json": {"pipeline": "daily"}} if method != "GET" else {}
            if asking.request(method, re.sub(r"\{\w+\}", "favicon.png", route.path), **body).status_code != 401:
                found.add(route.path)
    return found


def test_every_route_but_liveness_and_the_shell_of_the_docs_asks_for_a_key(here: Site) -> None:
    paths = {route.path for route in routes(here.asking.app)}
    assert len(paths) > 15
    assert paths >= OPEN
    assert answering_without_a_key(here.asking.app) == OPEN


def test_a_new_route_without_a_key_would_be_found(here: Site) -> None:
    careless = APIRouter()
    careless.add_api_route("/api/v1/people", lambda: ["somebody"])
    app = build(here.house)
    app.include_router(careless)
    assert answering_without_a_key(app) == {*OPEN, "/api/v1/people"}


def test_only_a_whole_valid_key_in_its_header_opens(here: Site) -> None:
    key = here.house.control.callers.create("once", role="viewer", client="", actor="cli:test", at=datetime.now(UTC))
    path = f"/api/v1/clients/{here.first}/runs"
    assert here.asking.get(path, headers=bearer(key)).status_code == 200
    other = f"{key[:20]}{'0' * 48}"
    wrong = [
        {}, bearer(""), bearer(key[:-1]), bearer(key + "0"), bearer(key.upper()), bearer(other), bearer("cortex_"),
        {"Authorization": f"Basic {key}"}, {"Authorization": key}, {"X-Api-Key": key}, {"Cookie": f"key={key}"},
    ]  # fmt: skip
    for headers in wrong:
        refused = here.asking.get(path, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (401, "CTX-8204"), headers
        assert refused.headers["www-authenticate"] == "Bearer"
        assert key not in refused.text
    assert here.asking.get(path, params={"key": key, "access_token": key}).status_code == 401
    assert here.house.control.callers.revoke(key.split("_")[1], actor="cli:test", at=datetime.now(UTC))
    assert here.asking.get(path, headers=bearer(key)).status_code == 401
    assert not here.house.control.callers.revoke(key.split("_")[1], actor="cli:test", at=datetime.now(UTC))


def test_a_client_of_somebody_else_and_one_there_is_not_are_told_alike(here: Site) -> None:
    key = here.key("viewer", here.first)
    assert here.get("runs", key=key).status_code == 200
    assert [each["client"] for each in here.get("/api/v1/clients", key=key).json()] == [here.first]
    assert {each["client"] for each in here.get("/api/v1/clients").json()} == {here.first, here.second}
    for rest in ("kpis", "runs", "alerts", "runs/20261120150000aaaaaaaa", "kpis?from=nonsense", "kpis?strange=1"):
        theirs = here.get(f"/api/v1/clients/{here.second}/{rest}", key=key)
        nobodys = here.get(f"/api/v1/clients/t0000000000000000/{rest}", key=key)
        assert theirs.status_code == nobodys.status_code, rest
        assert theirs.content == nobodys.content, rest
        assert theirs.status_code == (422 if "strange" in rest else 404)
    for code in ("..", "%2e%2e", "_example", here.first.upper(), f"{here.first}%00"):
        assert here.get(f"/api/v1/clients/{code}/kpis").status_code == 404


def test_the_key_itself_is_stored_nowhere_and_logged_nowhere(here: Site) -> None:
    key = here.key("viewer", here.first)
    said = io.StringIO()
    with redirect_stderr(said):
        logs.configure(fmt="json")
        here.get("runs", key=key)
        here.asking.get("/nothing", params={"key": key}, headers={"Authorization": f"Bearer {key}x"})
        logs.logger().info("somebody wrote it down", key=key)
    logs.configure()
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    assert [(line["status"], line["key"]) for line in lines if line["event"] == "request"] == [
        (200, key.split("_")[1]), (404, ""),
    ]  # fmt: skip
    secret = key.rpartition("_")[2]
    assert secret not in said.getvalue()
    assert here.house.control.callers.keys() != []
    written = [file.read_bytes() for file in here.house.workspace.root.rglob("*") if file.is_file()]
    assert not any(secret.encode() in content for content in written)
    assert any(hashlib.sha256(key.encode()).hexdigest().encode() in content for content in written)


# How often, how much


def test_a_caller_comes_so_often_at_once_and_then_at_a_rate() -> None:
    now = 100.0
    limiter = Limiter(Rate(per_second=2, at_once=3), lambda: now)
    assert [limiter.wait("a") for _ in range(3)] == [0, 0, 0]
    assert limiter.wait("a") == pytest.approx(0.5)
    assert limiter.wait("a") == pytest.approx(0.5), "what was refused is not counted"
    assert limiter.wait("b") == 0
    now += 0.5
    assert limiter.wait("a") == 0
    assert limiter.wait("a") > 0


@pytest.mark.parametrize("which", ["keys", "addresses"])
def test_who_asks_too_often_is_told_when_to_come_back(tmp_path: Path, which: str) -> None:
    with site(tmp_path, "", provisioned=0, **{which: Limiter(Rate(per_second=0.25, at_once=2), lambda: 0.0)}) as found:
        first, other = found.key(), found.key("admin")
        path = "/api/v1/clients"
        assert [found.get(path, key=first).status_code for _ in range(2)] == [200, 200]
        refused = found.get(path, key=first)
        assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (429, "CTX-8209", "4")
        assert refused.headers["content-type"] == "application/problem+json"
        # An address is counted whoever asks from it, also those who have no key; a key wherever it asks from.
        assert found.get(path, key=other).status_code == (200 if which == "keys" else 429)
        assert found.asking.get(path).status_code == (401 if which == "keys" else 429)


def test_too_large_a_request_is_not_read(here: Site) -> None:
    path, headers = (
        f"/api/v1/clients/{here.first}/runs",
        bearer(here.key("admin")) | {"content-type": "application/json"},
    )

    def flood() -> Iterator[bytes]:
        for _ in range(100):
            yield b"x" * 1024

    for content in (b"x" * 65_537, flood()):
        refused = here.asking.post(path, content=content, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (413, "CTX-8215")


# What they read when something is wrong


def test_what_goes_wrong_is_a_problem_with_a_page(here: Site) -> None:
    admin = bearer(here.key("admin"))
    runs = f"/api/v1/clients/{here.first}/runs"
    asked = [
        (here.asking.get("/nothing"), 404, "CTX-8211"),
        (here.asking.delete(runs, headers=admin), 405, "CTX-8211"),
        (here.get("kpis"), 409, "CTX-5064"),
        (here.get("kpis", form="2026-01-01"), 422, "CTX-8207"),
        (here.get("runs", limit=101), 422, "CTX-8207"),
        (here.get("runs/nope"), 404, "CTX-8214"),
        (here.post({"pipeline": "daily", "force": True}), 422, "CTX-8207"),
        (here.post({}), 422, "CTX-8207"),
        (here.asking.post(runs, content=b"{", headers=admin), 422, "CTX-8207"),
        (here.post({"pipeline": "daily"}, key=here.key()), 403, "CTX-8205"),
    ]
    for answer, status, code in asked:
        problem = answer.json()
        assert (answer.status_code, problem["status"], problem["code"]) == (status, status, code)
        assert answer.headers["content-type"] == "application/problem+json"
        assert problem["type"] == f"urn:cortex:{code}"
        assert problem["title"] == pages()[code]["title"]
        assert "Traceback" not in answer.text
        assert answer.headers["cache-control"] == "no-store"


def test_what_was_sent_does_not_come_back(here: Site) -> None:
    for wish in (
        {"pipeline": ["maria@example.com"]},
        {"pipeline": "daily", "maria@example.com": 1},
        ["maria@example.com"],
    ):
        refused = here.post(wish)
        assert refused.status_code == 422
        assert "maria" not in refused.text


def test_what_should_never_happen_is_a_plain_500_and_a_masked_line(here: Site) -> None:
    broken = APIRouter()

    def breaks() -> None:
        raise RuntimeError("maria@example.com at /srv/secret")

    broken.add_api_route("/breaks", breaks)
    app = build(here.house)
    app.include_router(broken)
    said = io.StringIO()
    with redirect_stderr(said):
        logs.configure(fmt="json")
        answer = TestClient(app).get("/breaks")
    logs.configure()
    assert (answer.status_code, answer.json()["code"]) == (500, "CTX-9000")
    assert "maria" not in answer.text + said.getvalue()
    assert "/srv" not in answer.text
    assert "RuntimeError" in said.getvalue()


def test_a_database_that_is_away_is_not_named(tmp_path: Path) -> None:
    with site(tmp_path, "") as found:
        key = found.key()
        assert found.get("alerts", key=key).status_code == 200
        found.house.control.close()
        for file in (tmp_path / ".cortex").rglob("*.db"):
            file.write_bytes(b"no database any more" * 1000)
        answer = found.get("alerts", key=key)
    assert (answer.status_code, answer.json()["code"][:5]) == (503, "CTX-5")
    assert answer.headers["retry-after"] == "30"
    assert str(tmp_path) not in answer.text


def test_readiness_tells_what_is_wrong_by_its_code(tmp_path: Path) -> None:
    with site(tmp_path, "") as found:
        mine, everybodys = found.key("viewer", found.first), found.key()
        told = found.get("/health/ready", key=mine)
        assert (told.status_code, told.json()) == (
            200,
            {"status": "ready", "checks": {"database": "ok", "migrations": "ok", "schema": "ok"}, "last_run": None},
        )
        run_id = found.post({"pipeline": "daily"}).json()["run_id"]
        assert found.get("/health/ready", key=mine).json()["last_run"]["run_id"] == run_id
        (found.house.workspace.tenants / f"{found.first}.yaml").write_text("client: [")
        told = found.get("/health/ready", key=mine)
        assert (told.status_code, told.json()["checks"]["schema"]) == (503, "CTX-3002")
        assert found.get("/health/ready", key=everybodys).status_code == 200, (
            "one broken client takes nobody off the line"
        )
        with found.warehouse(found.second):  # the control schema alone is damaged
            found.house.control._write(lambda tx: tx.run("UPDATE schema_migrations SET sha256 = 'edited'"))
        assert found.get("/health/ready", key=everybodys).json()["checks"]["migrations"] == "CTX-5006"
        assert found.asking.get("/health/live").json() == {"status": "alive"}


# The documentation


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_the_documentation_loads_from_nobody_else(here: Site, page: str) -> None:
    shown = here.asking.get(page)
    assert shown.status_code == 200
    assert "//" not in shown.text.replace("</", "")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', shown.text)
    assert len(loaded) >= 2
    for address in loaded:
        assert here.asking.get(address).status_code == 200, address
    allowed = shown.headers["content-security-policy"]
    assert "default-src 'none'" in allowed
    assert not re.search(r"https?:|\*", allowed)
    assert here.asking.get("/").headers["location"] == "/docs"


def test_the_documentation_gives_its_own_files_alone(here: Site) -> None:
    folder = resources.files("fastapi_offline") / "static"
    for name in documents.FILES:
        assert here.asking.get(f"/docs/files/{name}").content == (folder / name).read_bytes()
    for name in ("core.py", "..%2f__init__.py", "%2e%2e%2fcore.py", "nothing"):
        assert here.asking.get(f"/docs/files/{name}").status_code == 404


def test_every_operation_is_documented_in_words(here: Site) -> None:
    contract = here.asking.get("/openapi.json").json()
    operations = [each for methods in contract["paths"].values() for each in methods.values()]
    assert len(operations) == 16
    assert all(len(each["summary"].split()) >= 3 for each in operations)
    assert all(each["responses"] for each in operations)
    closed = [each for each in operations if each.get("security") == [{"key": []}]]
    assert len(closed) == len(operations) - 1
    silent = [
        (each["summary"], parameter["name"])
        for each in operations
        for parameter in each.get("parameters", ())
        if parameter["name"] not in ("run_id", "limit") and not parameter.get("description")
    ]
    assert silent == []


# Where it listens


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.com", ""])
def test_an_address_others_reach_must_be_asked_for(host: str) -> None:
    with pytest.raises(UsageError) as refused:
        server.bind(host, 0, exposed=False)
    assert refused.value.code == "CTX-8202"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "localhost"])
def test_loopback_is_only_this_machine(host: str) -> None:
    assert server.is_loopback(host)


def test_a_port_that_is_taken_is_told() -> None:
    with server.bind("127.0.0.1", 0, exposed=False) as taken, pytest.raises(CortexError) as refused:
        server.bind("127.0.0.1", taken.getsockname()[1], exposed=False)
    assert refused.value.code == "CTX-8203"


def test_an_answer_does_not_wait_for_the_acknowledgement_of_its_header() -> None:
    with (
        server.bind("127.0.0.1", 0, exposed=False) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as connection,
    ):
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_without_its_extra_serving_says_what_to_install(tmp_path: Path) -> None:
    body = "import sys\nsys.modules['uvicorn'] = None\nfrom cortex.cli.app import main\nsys.exit(main(sys.argv[1:]))"
    words = ["serve", "--port", "0", "--workspace", str(tmp_path)]
    done = subprocess.run([sys.executable, "-c", body, *words], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 3
    assert "CTX-8201" in done.stderr
    assert 'pip install "cortex-ecom[web]"' in done.stderr


# Keys from the command line


def cortex(root: Path, *words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([*words, "--workspace", str(root)])
    return code, out.getvalue(), err.getvalue()


def test_a_key_is_made_shown_once_listed_and_revoked(tmp_path: Path) -> None:
    (tmp_path / "tenants").mkdir()
    (tmp_path / "tenants" / "xyz.yaml").write_text(
        'client: {name: A, code: xyz, timezone: America/Sao_Paulo}\necommerce: {platform: nuvemshop, store_id: "1"}\n'
    )
    code, out, _ = cortex(tmp_path, "api", "keys", "create", "--name", "painel", "--client", "xyz")
    assert code == 0
    key = out.strip()
    code, out, _ = cortex(tmp_path, "api", "keys", "create", "--name", "agency", "--all", "--role", "admin", "--json")
    told = json.loads(out)["data"]
    assert (told["role"], told["client"]) == ("admin", None)
    with Control.open("", tmp_path / ".cortex") as control:
        found = {each: control.callers.caller(each, datetime.now(UTC)) for each in (key, told["key"])}
    assert [(one.name, one.role, one.client) for one in found.values() if one] == [
        ("painel", "viewer", "xyz"), ("agency", "admin", ""),
    ]  # fmt: skip
    listed = cortex(tmp_path, "api", "keys", "list")[1]
    assert "painel" in listed
    assert not any(each.rpartition("_")[2] in listed for each in found)
    assert cortex(tmp_path, "api", "keys", "revoke", "painel")[0] == 0
    assert cortex(tmp_path, "api", "keys", "revoke", "painel")[0] == 2
    with Control.open("", tmp_path / ".cortex") as control:
        assert control.callers.caller(key, datetime.now(UTC)) is None
    actions = [row["action"] for row in json.loads(cortex(tmp_path, "api", "audit", "--json")[1])["data"]]
    assert actions == ["key.revoke", "key.create", "key.create"]
    for words in (
        ["--client", "xyz"], ["--name", "a"], ["--name", "a", "--client", "xyz", "--all"], ["--name", "a\n", "--all"],
        ["--name", "a", "--all", "--role", "root"], ["--name", "a", "--client", "abc"], ["--name", "a", "--all"],
    ):  # fmt: skip
        assert cortex(tmp_path, "api", "keys", "create", *words)[0] == 2, words


# What is kept


def test_an_answer_is_kept_for_a_while_and_no_more_than_so_many() -> None:
    now, made = 0.0, []
    cache = Cache(seconds=10, entries=2, clock=lambda: now)

    def ask(key: str) -> str:
        return cache.get(key, lambda: made.append(key) or key)  # type: ignore[func-returns-value]

    assert [ask("a"), ask("a"), ask("b")] == ["a", "a", "b"]
    assert made == ["a", "b"]
    ask("a")
    ask("c")  # b was asked for longest ago
    assert len(cache) == 2
    ask("a")
    ask("b")
    assert made == ["a", "b", "c", "b"]
    now = 11.0
    ask("b")
    assert made == ["a", "b", "c", "b", "b"]


def test_workspace_words_of_the_new_commands_name_no_client(workspace: Workspace) -> None:
    from cortex.tenant import check_code

    for word in ("api", "keys", "serve", "audit"):
        with pytest.raises(UsageError):
            check_code(word)
