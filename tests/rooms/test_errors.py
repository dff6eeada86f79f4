"""Errors: every one has an exit code, travels between processes, and has a page that `cortex explain` prints."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cortex import errors
from cortex.errors import ConfigError, CortexError, Problem

ROOT = Path(__file__).resolve().parents[2]
CODE = re.compile(r"CTX-[1-9]\d{3}")

EXIT_CODES = {
    "CortexError": 1,
    "UsageError": 2,
    "ConfigError": 3,
    "CredentialError": 4,
    "DatabaseError": 5,
    "PolicyRefusal": 9,
    "Transient": 1,
    "Throttled": 1,
    "BadRecord": 8,
    "PlatformError": 1,
    "PartialFailure": 6,
    "Busy": 7,
    "QualityGate": 8,
    "ChangesPending": 10,
}


def kinds(base: type[CortexError] = CortexError) -> Iterator[type[CortexError]]:
    yield base
    for kind in base.__subclasses__():
        if kind.__module__ == "cortex.errors":
            yield from kinds(kind)


def made(kind: type[CortexError]) -> CortexError:
    match kind.__name__:
        case "BadRecord":
            return errors.BadRecord("store.orders", "77", "has no total")
        case "ConfigError":
            problem = Problem(
                "tenants/xyz.yaml", 14, 5, "ads.meta.account_id", "must start with act_", "Did you mean act_1?"
            )
            return ConfigError(
                "CTX-3001", "tenants/xyz.yaml has 1 problem.", problems=[problem], fix="mend it", docs="docs/x.md"
            )
        case "Throttled":
            return errors.Throttled("CTX-4010", "Meta asks to slow down.", retry_after=12.5)
        case "Transient":
            return errors.Transient("CTX-4015", "The connection broke.", sent=True)
        case _:
            return kind("CTX-1001", "One sentence.", fix="what mends it", docs="docs/en/x.md")


def test_exit_codes_are_the_documented_ones() -> None:
    assert {kind.__name__: kind.exit_code for kind in kinds()} == EXIT_CODES


def test_only_what_may_pass_by_itself_is_retryable() -> None:
    assert {kind.__name__ for kind in kinds() if kind.retryable} == {"Transient", "Throttled", "Busy"}


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("travel", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy, copy.deepcopy])
def test_an_error_survives_the_way_to_another_process(kind: type[CortexError], travel: object) -> None:
    error = made(kind)
    arrived = travel(error)  # type: ignore[operator]
    assert type(arrived) is kind
    assert str(arrived) == str(error)
    assert arrived.__dict__ == error.__dict__
    assert arrived.args == error.args


def test_an_error_reads_as_its_code_and_its_sentence() -> None:
    assert str(errors.UsageError("CTX-1001", "Unknown client.")) == "CTX-1001 Unknown client."
    assert (
        str(errors.BadRecord("store.orders", "77", "has no total")) == "CTX-2101 store.orders record 77: has no total"
    )


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (Problem("f.yaml", 3, 5, "a.b", "is wrong", "Did you mean c?"), "f.yaml:3:5 a.b: is wrong. Did you mean c?"),
        (Problem("f.yaml", 3, 5, "a.b", "is wrong"), "f.yaml:3:5 a.b: is wrong"),
        (Problem("f.yaml", 3, 5, "", "is wrong.", "Mend it."), "f.yaml:3:5 is wrong. Mend it."),
    ],
)
def test_a_problem_reads_as_place_key_verdict_and_hint(problem: Problem, said: str) -> None:
    assert str(problem) == said
    assert problem.as_dict()["line"] == 3


def pages() -> dict[str, dict[str, object]]:
    text = (ROOT / "cortex" / "errors.yaml").read_text(encoding="utf-8")
    found = re.findall(r"^(CTX-\d{4}):", text, re.MULTILINE)
    twice = sorted({code for code in found if found.count(code) > 1})
    assert not twice, f"pages written twice: {', '.join(twice)}"
    loaded: dict[str, dict[str, object]] = yaml.safe_load(text)
    return loaded


def used() -> dict[str, list[str]]:
    """Code -> the files that raise it."""
    found: dict[str, list[str]] = {}
    for folder in ("cortex", "pipelines"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            for code in sorted(set(CODE.findall(file.read_text(encoding="utf-8")))):
                found.setdefault(code, []).append(str(file.relative_to(ROOT)))
    return found


def test_every_code_has_a_page() -> None:
    known = pages()
    missing = [f"{code} ({', '.join(files)})" for code, files in sorted(used().items()) if code not in known]
    assert not missing, "codes without a page in cortex/errors.yaml:\n  " + "\n  ".join(missing)


def test_every_page_belongs_to_a_code_in_use() -> None:
    unused = sorted(set(pages()) - set(used()))
    assert not unused, f"pages of codes that nothing raises: {', '.join(unused)}"


def test_every_page_is_filled_in() -> None:
    wrong = []
    for code, page in sorted(pages().items()):
        if not CODE.fullmatch(code):
            wrong.append(f"{code}: not a code")
        if set(page) != {"title", "happened", "why", "fix", "retry"}:
            wrong.append(f"{code}: fields {sorted(page)}")
            continue
        wrong += [
            f"{code}: {name} is no sentence"
            for name in ("title", "happened", "why")
            if not isinstance(page[name], str) or len(str(page[name]).split()) < 3
        ]
        fix = page["fix"]
        if not isinstance(fix, list) or not fix or not all(isinstance(line, str) and line.strip() for line in fix):
            wrong.append(f"{code}: fix is no list of lines")
        if not isinstance(page["retry"], bool):
            wrong.append(f"{code}: retry is neither true nor false")
    assert not wrong, "\n  ".join(["pages to fill in:", *wrong])
