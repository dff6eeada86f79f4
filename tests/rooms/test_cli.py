"""The command line: light to start, one grammar, one envelope, tables that align, and a page for every code."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from cortex.cli import app as command_line
from cortex.cli.app import hoist, main
from cortex.cli.explaining import pages
from cortex.cli.shell import Answer, Shell, brl, number, plain
from cortex.errors import ConfigError, CortexError, Problem

HEAVY = (
    "google.ads", "facebook_business", "google.analytics", "grpc", "polars", "sqlalchemy", "numpy", "pydantic", "requests",
    "scipy", "babel", "cryptography", "msgspec", "structlog", "yaml", "fastapi", "starlette", "uvicorn",
)  # fmt: skip


@dataclass
class Said:
    code: int
    out: str
    err: str


def cortex(*words: str) -> Said:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words)
    return Said(code, out.getvalue(), err.getvalue())


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("CORTEX_") and not name.startswith("CORTEX_TEST")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def commands() -> Iterator[tuple[list[str], Any]]:
    """Every command and group of the tree with the words that lead to it."""

    def walk(path: list[str], command: Any) -> Iterator[tuple[list[str], Any]]:
        if path:
            yield path, command
        for name, child in getattr(command, "commands", {}).items():
            yield from walk([*path, name], child)

    yield from walk([], typer.main.get_command(command_line.build()))


PATHS = [path for path, _ in commands()]
ROOT = typer.main.get_command(command_line.build())


# Light


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["nonsense"], ["--version"], ["version", "--json"]])
def test_nothing_heavy_is_imported_before_a_command_works(words: list[str]) -> None:
    body = (
        "import sys\nfrom cortex.__main__ import main\nsys.argv = ['cortex', *sys.argv[1:]]\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print('LOADED', *sorted(sys.modules), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", body, *words], capture_output=True, text=True, timeout=60, check=True)
    loaded = done.stderr.rpartition("LOADED ")[2].split()
    assert "sys" in loaded
    parser = {"pydantic"} if words != ["--help"] else set()  # the parser reads options with it, once there are any
    assert [name for name in HEAVY if name in loaded and name not in parser] == []


# Grammar


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_every_command_says_what_it_is_for(path: list[str]) -> None:
    said = cortex(*path, "--help")
    assert said.code == 0
    command = next(command for known, command in commands() if known == path)
    sentence = " ".join((command.help or "").split("\n\n")[0].split())
    assert len(sentence.split()) >= 2
    assert sentence.endswith((".", "`", ")"))
    assert f"Usage: cortex {' '.join(path)}" in said.out
    assert said.err == ""


@pytest.mark.parametrize("path", [[], *PATHS], ids=lambda path: " ".join(path) or "cortex")
def test_help_says_each_command_in_a_whole_sentence_of_80_columns(path: list[str]) -> None:
    parent = next(command for known, command in [([], ROOT), *commands()] if known == path)
    listed = {name: child for name, child in getattr(parent, "commands", {}).items() if not child.hidden}
    if not listed:
        return
    context = parent.make_context("cortex", ["--help"], resilient_parsing=True, terminal_width=80, max_content_width=80)
    lines = parent.get_help(context).split("Commands:")[1].strip().splitlines()
    assert [line.split()[0] for line in lines] == list(listed)  # a sentence of two lines would be a strange command
    assert [line for line in lines if not line.endswith(".") or line.endswith("...")] == []
    assert max(map(len, lines)) <= 80


def test_every_option_says_what_it_is_for() -> None:
    silent = [
        f"{' '.join(path)} {parameter.opts}"
        for path, command in commands()
        for parameter in command.params
        if parameter.param_type_name == "option" and not parameter.help
    ]
    assert silent == []


def test_dry_run_has_one_name_everywhere() -> None:
    for path, command in commands():
        for parameter in command.params:
            if "--dry-run" in parameter.opts:
                assert set(parameter.opts) == {"--dry-run", "-n"}, path


@pytest.mark.parametrize("option", [["--json"], ["--quiet"], ["-q"], ["--verbose"], ["-v"], ["--no-color"], ["--no-input"],
                                    ["--lang", "en"], ["--lang=en"], ["--log-format", "json"]])  # fmt: skip
def test_options_of_every_command_work_anywhere_on_the_line(option: list[str]) -> None:
    words = ["explain", "CTX-5002"]
    answers = [cortex(*words[:at], *option, *words[at:]) for at in range(len(words) + 1)]
    assert {answer.code for answer in answers} == {0}
    assert len({answer.out for answer in answers}) == 1


def test_after_two_dashes_words_are_words() -> None:
    assert hoist(["onboard", "--json", "--", "--json", "--lang"]) == ["--json", "onboard", "--", "--json", "--lang"]
    assert hoist(["run", "--lang"]) == ["--lang", "run"]


@given(
    st.lists(
        st.sampled_from(
            ["run", "daily", "xyz", "--json", "-q", "--lang", "en", "--days", "3", "--workspace", "x", "--lang=es"]
        )
    )
)
def test_moving_options_to_the_front_loses_and_invents_nothing(words: list[str]) -> None:
    moved = hoist(words)
    assert sorted(moved) == sorted(words)
    assert hoist(moved) == moved or "--lang" in words or "--workspace" in words


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["rnu"], "Did you mean 'run'?"),
        (["tenants", "shwo"], "Did you mean 'show'?"),
        (["run", "daily", "x", "--dats", "3"], "--date"),
        (["run"], "Missing argument 'PIPELINE'"),
        (["backfill", "--days", "many"], "--days"),
        (["--lang", "fr", "status"], "pt-BR, en or es"),
        (["--log-format", "xml", "status"], "console or json"),
        (["--workspace", "/nowhere/at/all", "status"], "is not a folder"),
    ],
)
def test_wrong_usage_is_exit_two_with_a_hint_on_stderr_alone(words: list[str], hint: str) -> None:
    said = cortex(*words)
    assert (said.code, said.out) == (2, "")
    assert hint in said.err
    as_json = cortex(*words, "--json")
    assert (as_json.code, as_json.err) == (2, "")
    error = json.loads(as_json.out)["error"]
    assert error["exit"] == 2
    assert hint in error["message"] + error["fix"]


@pytest.mark.parametrize("words", [[], ["tenants"], ["import"], ["config"]])
def test_without_a_command_help_is_shown_and_it_is_no_success(words: list[str]) -> None:
    said = cortex(*words)
    assert (said.code, said.out) == (2, "")
    assert "Commands:" in said.err
    as_json = cortex(*words, "--json")
    assert (as_json.code, as_json.err) == (2, "")
    assert json.loads(as_json.out)["ok"] is False


def test_the_version_is_said_three_ways() -> None:
    from cortex import __version__

    for words in (["--version"], ["version"]):
        done = subprocess.run(
            [sys.executable, "-m", "cortex", *words], capture_output=True, text=True, timeout=60, check=True
        )
        assert done.stdout == f"cortex {__version__}\n"
    assert json.loads(cortex("version", "--json").out)["data"] == {"version": __version__}


# Explanations


@pytest.mark.parametrize("code", sorted(pages()))
def test_every_code_is_explained_offline(code: str) -> None:
    said = cortex("explain", code)
    assert said.code == 0
    assert said.out.startswith(f"{code}  {pages()[code]['title']}\n")
    for heading in ("What happened", "Why", "Fix", "Trying again"):
        assert f"\n{heading}" in said.out
    assert json.loads(cortex("explain", code.lower(), "--json").out)["data"]["code"] == code


def test_an_unknown_code_is_guessed() -> None:
    said = cortex("explain", "CTX-50O2")
    assert said.code == 2
    assert "Did you mean CTX-5002?" in said.err


# Words and streams


def shell(**named: Any) -> tuple[Shell, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    return Shell(out=out, err=err, **named), out, err


CELLS = st.text(st.characters(blacklist_categories=("Cs", "Cc", "Mn", "Me", "Cf")), max_size=20).map(str.strip)


@given(st.lists(st.tuples(CELLS, st.integers(-(10**9), 10**9)), max_size=8))
def test_columns_of_a_table_begin_and_end_where_their_heading_does(rows: list[tuple[str, int]]) -> None:
    speaker, out, _ = shell()
    speaker.table(["client", "orders", "note"], [(name, count, "x") for name, count in rows], right=("orders",))
    heading, rule, *lines = out.getvalue().split("\n")[:-1]
    widths = [len(part) for part in rule.split("  ")]
    ends = [widths[0] + 2 + widths[1]]
    assert heading[: ends[0]].endswith("orders")
    assert len(lines) == len(rows)
    for line, (name, count) in zip(lines, rows, strict=True):
        assert line[: widths[0]].rstrip() == name
        assert line[: ends[0]].endswith(str(count))
        assert line[ends[0] :] == "  x"


def test_an_empty_table_has_its_heading_and_json_has_an_empty_list() -> None:
    speaker, out, _ = shell()
    speaker.table(["client", "state"], [])
    assert out.getvalue() == "client  state\n──────  ─────\n"
    said = cortex("tenants", "list", "--json")
    assert json.loads(said.out)["data"] == []


def test_quiet_takes_the_talk_and_leaves_the_answer_and_the_error() -> None:
    speaker, out, err = shell(quiet=True)
    speaker.say("talk")
    speaker.show("answer")
    speaker.complain(CortexError("CTX-9000", "broke.", fix="mend it"))
    code = speaker.finish(Answer(next=["cortex status"]))
    assert (code, out.getvalue()) == (0, "answer\n")
    assert err.getvalue().splitlines() == ["CTX-9000 broke.", "  Fix: mend it", "  More: cortex explain CTX-9000"]


def test_json_is_one_line_and_nothing_else() -> None:
    speaker, out, err = shell(json=True)
    speaker.say("talk")
    speaker.show("answer")
    speaker.table(["a"], [["b"]])
    problem = Problem("tenants/xyz.yaml", 3, 5, "ads.meta", "is wrong")
    error = ConfigError("CTX-3001", "1 problem.", problems=[problem])
    speaker.complain(error)
    assert speaker.finish(Answer(error=error)) == 3
    assert (out.getvalue().count("\n"), err.getvalue()) == (1, "")
    said = json.loads(out.getvalue())
    assert said["error"]["problems"] == [problem.as_dict()]
    assert (said["ok"], said["data"], said["next"]) == (False, None, [])


def test_values_become_jsons_own() -> None:
    when = datetime(2026, 11, 20, 15, tzinfo=UTC)
    value = {
        1: Decimal("10.50"),
        "at": when,
        "day": date(2026, 11, 20),
        "path": Path("x"),
        "set": {1},
        "pair": (None, True),
    }
    assert json.loads(json.dumps(plain(value))) == {
        "1": "10.50", "at": "2026-11-20T15:00:00+00:00", "day": "2026-11-20", "path": "x", "set": [1], "pair": [None, True],
    }  # fmt: skip


def test_no_secret_and_no_address_passes_a_shell() -> None:
    from cortex.secrets import Secret

    Secret("a-token-of-nobody-12345", "a test")
    for as_json in (False, True):
        speaker, out, err = shell(json=as_json)
        words = "a-token-of-nobody-12345 of ana.souza@example.com"
        speaker.say(words)
        error = CortexError("CTX-9000", f"{words}.", fix=words)
        speaker.complain(error)
        speaker.finish(Answer(data={"x": words}, error=error, warnings=[{"code": "x", "message": words}]))
        said = out.getvalue() + err.getvalue()
        assert "a-token-of-nobody" not in said
        assert "ana.souza" not in said
        assert "••••" in said


def test_something_unexpected_is_named_without_its_content(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORTEX_NOW", "yesterday, about noon")
    said = cortex("demo", "x", "--days", "3")
    assert said.code in {1, 2}
    assert "Traceback" not in said.err


def test_a_pretended_day_is_said() -> None:
    os.environ["CORTEX_NOW"] = "2026-11-20T12:00:00-03:00"
    try:
        assert "pretending it is 2026-11-20" in cortex("tenants", "list").err
        assert cortex("tenants", "list", "--json").err == ""
    finally:
        del os.environ["CORTEX_NOW"]


@pytest.mark.parametrize(
    ("lang", "amount", "count"),
    [("pt-BR", "R$ 1.234,50", "1.234"), ("en", "R$1,234.50", "1,234"), ("es", "1.234,50 BRL", "1.234")],
)
def test_money_and_counts_are_written_as_people_write_them(lang: str, amount: str, count: str) -> None:
    assert brl(Decimal("1234.5"), lang=lang).replace("\u00a0", " ") == amount
    assert number(1234, lang=lang) == count
    assert (brl(None), number(None)) == ("—", "—")


# A workspace


def test_init_makes_a_workspace_and_never_overwrites(tmp_path: Path) -> None:
    assert cortex("init", "agency").code == 0
    root = tmp_path / "agency"
    made = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert {"tenants/_example.yaml", "tenants/schema.json", ".env.example", ".gitignore"} <= made
    assert ".env" in (root / ".gitignore").read_text().split()
    (root / ".gitignore").write_text("mine\n")
    said = cortex("init", "agency", "--json")
    assert {row["state"] for row in json.loads(said.out)["data"]} == {"unchanged"}
    assert (root / ".gitignore").read_text() == "mine\n"


def test_init_leaves_other_peoples_folders_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.txt").write_text("cat")
    said = cortex("init", "photos")
    assert (said.code, "CTX-1022" in said.err) == (2, True)
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.txt"]
    assert cortex("init", "photos/cat.txt").code == 2
    assert cortex("init", "photos", "--force").code == 0


def test_looking_does_not_leave_files_behind(tmp_path: Path) -> None:
    for words in (
        ["tenants", "list"],
        ["config", "validate"],
        ["config", "schema"],
        ["explain", "CTX-1001"],
        ["run", "daily", "x"],
    ):
        cortex(*words)
    assert list(tmp_path.iterdir()) == []
