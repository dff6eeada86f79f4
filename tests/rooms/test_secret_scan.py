"""No credential is in the repository: not in code, not in a page, not in an example, not in a test (SEC-07)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cortex.tenant import suspicion

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("cortex", "docs", "pipelines", "requirements", "scripts", "sql", "tenants", "tests", "tracking")
BLANKS = (
    "://user:password@", "://cortex:PASSWORD@", "://$user:$password@", "//u:p@",
)  # fmt: skip
"""What pages and examples write where a reader writes their own."""


GIVEN = re.compile(r"(?im)^\s*\w*(?:token|secret|password|senha|key|credenti|auth|pwd)\w*\s*=\s*\(?[\"']")


def files() -> Iterator[Path]:
    yield from (file for file in ROOT.iterdir() if file.is_file())
    for place in PLACES:
        yield from (file for file in (ROOT / place).rglob("*") if file.is_file() and "__pycache__" not in file.parts)


def drawn(text: str) -> bool:
    """Whether a text looks drawn at random. One that counts was invented."""
    return bool(suspicion.random(text)) and not any(run in text.lower() for run in ("0123456789", "abcdefghij"))


def found(text: str, *, test: bool) -> list[str]:
    """What has the shape of a credential. Of a test, which must write such shapes, only what looks drawn at random."""
    return [
        f"{text.count(chr(10), 0, at) + 1}: {what}"
        for at, match, what, _ in suspicion.shapes(text)
        if not match.endswith(BLANKS) and (not test or drawn(match))
    ]


def assigned(text: str) -> list[str]:
    """Names that ask for a credential and are given a text that looks like one."""
    if not GIVEN.search(text):
        return []
    return [
        f"{node.lineno}: {target.id}"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name) and suspicion.named(target.id) and drawn(node.value.value)
    ]


def test_nothing_in_the_repository_opens_anything() -> None:
    told: dict[str, list[str]] = {}
    for file in files():
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # an image
        name = file.relative_to(ROOT).as_posix()
        told[name] = found(text, test=name.startswith("tests/"))
        if file.suffix == ".py":
            told[name] += assigned(text)
    assert len(told) > 500
    assert {name: what for name, what in told.items() if what} == {}


DRAWN = "q7Zk2Wm9" + "Xb4Rt6Yp1Lc8Vn3Hd5Js0Gf3Ka7Ue"


@pytest.mark.parametrize(
    "line",
    [
        f"EAA{DRAWN}", f"xoxb-{DRAWN}", f"mysql://root:{DRAWN}@db.example", f"Authorization: Bearer {DRAWN}",
        "-----BEGIN RSA " + "PRIVATE KEY-----",
    ],
)  # fmt: skip
def test_the_search_finds_what_it_is_to_find(line: str) -> None:
    assert found(line, test=False)


def test_a_key_written_into_code_is_found() -> None:
    assert assigned(f"API_KEY = '{DRAWN}'") == ["1: API_KEY"]
    assert assigned("API_KEY = 'CORTEX_XYZ_API_KEY'") == []
