"""docs/en/api.md and docs/pt-BR/api.md say what the API does: every address, the worked example, the limits."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cortex.reports.error_pages import pages
from cortex.warehouse import provision
from cortex.web import cache, gate
from cortex.web.limiting import PER_ADDRESS, PER_KEY
from tests.conftest import NOW
from tests.rooms.api_site import FILE, Site, bearer, site
from tests.rooms.test_web_figures import fill

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "docs/en/api.md", ROOT / "docs/pt-BR/api.md"]


@pytest.fixture(scope="module")
def xyz(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site that also has the client of the examples."""
    with site(tmp_path_factory.mktemp("xyz"), "") as found:
        (found.house.workspace.tenants / "xyz.yaml").write_text(FILE.format(name="Loja XYZ", code="xyz"))
        provision.apply("", "xyz", found.house.workspace.state)
        with found.warehouse("xyz") as warehouse:
            fill(warehouse, 1)
        yield found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_the_table_lists_every_address_and_no_other(xyz: Site, page: Path) -> None:
    listed = set(re.findall(r"^\| (GET|POST) \| `([^`]+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE))
    paths = xyz.asking.get("/openapi.json").json()["paths"]
    assert listed == {(method.upper(), path) for path, methods in paths.items() for method in methods}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_the_example_answers_so(xyz: Site, page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORTEX_NOW", NOW.isoformat())
    text = page.read_text(encoding="utf-8").replace("\\\n", "")
    read, begun = (urlsplit(shlex.split(command)[-1]) for command in re.findall(r"^curl .*$", text, re.MULTILINE))
    assert (read.netloc, begun.netloc) == ("127.0.0.1:8080", "127.0.0.1:8080")
    answer = xyz.asking.get(f"{read.path}?{read.query}", headers=bearer(xyz.key("viewer", "xyz")))
    (told,) = re.findall(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert answer.json() == json.loads(told)
    words = shlex.split(re.findall(r"^curl .*-X POST.*$", text, re.MULTILINE)[0])
    headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
    headers |= bearer(xyz.key("admin", "xyz"))
    posted = xyz.asking.post(begun.path, content=words[words.index("-d") + 1], headers=headers)
    assert posted.status_code == 202
    assert posted.headers["location"].startswith(f"{begun.path}/")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)
def test_the_numbers_and_codes_are_those_of_the_code(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    numbers = (PER_KEY.per_second, PER_KEY.at_once, PER_ADDRESS.per_second, PER_ADDRESS.at_once)
    stated = re.search(
        r"(\d+)\s(?:times\sa\ssecond|vezes\spor\ssegundo)\s(?:and|e)\s(\d+)\s.*?\s(\d+)\s(?:and|e)\s(\d+);", text
    )
    assert stated is not None
    assert [f"{number:g}" for number in numbers] == list(stated.groups())
    assert f"{gate.LARGEST // 1024} KiB" in text
    assert f"{cache.SECONDS:g} se" in text
    assert f" {cache.ENTRIES} " in text
    assert set(re.findall(r"CTX-\d{4}", text)) <= set(pages())
