"""Client files that mean harm or are badly broken: each refused in under a second, at its line, with nothing written."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from cortex import tenant
from cortex.errors import ConfigError, UsageError
from cortex.tenant.document import MAX_BYTES, parse
from cortex.workspace import Workspace
from tests.rooms.client_files import MINIMAL, STAND_INS, workspace

ROOT = Path(__file__).resolve().parents[2]

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)

# name -> (file, line of the problem, words of it)
CORPUS: dict[str, tuple[str | bytes, int, str]] = {
    # Structure that grows or hides
    "alias bomb": (BOMB, 1, "an anchor"),
    "20,000 open lists": ("[" * 20_000, 1, "more than 12 levels"),
    "20,000 open blocks": ("{" * 20_000, 1, "a key that is not a word"),
    "20,000 nested dashes": ("- " * 20_000 + "x", 1, "more than 12 levels"),
    "nested question marks": ("? " * 5_000 + "x", 1, ""),
    "deep keys": ("\n".join(" " * at + f"k{at}:" for at in range(200)), 13, "more than 12 levels"),
    "6,000 keys": ("\n".join(f"k{at}: 1" for at in range(6_000)), 2500, "more than 5000 values"),
    "100,000 list items": ("k: [" + "1," * 100_000 + "]", 1, "more than 5000 values"),
    "one long line": ("client: " + "x" * 200_000, 1, "must be a block of keys"),
    "one long word of tokens' beginnings": ("client: " + "eyJ-" * 50_000, 1, "must be a block of keys"),
    "one long address": ("client: " + "a+" * 100_000, 1, "must be a block of keys"),
    "one long key": ("? " + "_key" * 50_000 + "\n: 1\n", 1, "is not a block"),
    "250 KiB of quotes": ("'" * 250_000, 1, ""),
    "250 KiB of spaces": (" " * 250_000, 1, "is empty"),
    "250 KiB of comments": ("#\n" * 125_000, 1, "is empty"),
    "5 MB": (b"a: " + b"x" * 5_000_000, 1, "larger than 256 KiB"),
    "one byte too many": (MINIMAL.encode() + b"#" * (MAX_BYTES + 1 - len(MINIMAL)), 1, "larger than 256 KiB"),
    "15,000 tag directives": ("".join(f"%TAG !e{at}! t:\n" for at in range(15_000)), 1, "a YAML directive"),
    # What YAML can do and a client file must not
    "an anchor": (MINIMAL.replace("Loja", "&n Loja"), 2, "an anchor"),
    "an alias": (MINIMAL.replace("Loja", "*n"), 2, "an alias"),
    "a merge key": (MINIMAL + "etl:\n  <<: {batch_size: 5}\n", 9, "not a key of this block"),
    "python object": (MINIMAL.replace("Loja", "!!python/object/apply:os.system [id]"), 2, "a tag"),
    "python name": ("client: !!python/name:os.system ''", 1, "a tag"),
    "binary": (MINIMAL.replace("Loja", "!!binary aGk="), 2, "a tag"),
    "own tag": (MINIMAL.replace("Loja", "!env HOME"), 2, "a tag"),
    "bare tag": (MINIMAL.replace("Loja", "! x"), 2, "a tag"),
    "explicit type": (MINIMAL.replace('"123456"', "!!str 123456"), 7, "a tag"),
    "yaml version": ("%YAML 1.1\n---\n" + MINIMAL, 1, "a YAML directive"),
    "two documents": (MINIMAL + "---\n" + MINIMAL, 8, "a second document"),
    "complex key": ("? [a, b]\n: c\n", 1, "a key that is not a word"),
    "block as key": ("? {a: b}\n: c\n", 1, "a key that is not a word"),
    # Keys
    "a key twice": (MINIMAL.replace("  code:", "  name: Outra\n  code:"), 3, "is written twice (first on line 2)"),
    "a block twice": (MINIMAL + "client:\n  code: abc\n", 8, "is written twice (first on line 1)"),
    "a key twice, quoted": (MINIMAL.replace("  code:", '  "name": Outra\n  code:'), 3, "is written twice"),
    "a nested key twice": (MINIMAL + "ads:\n  meta: {account_id: act_1, account_id: act_2}\n", 9, "is written twice"),
    "unknown block": (MINIMAL + "clients: {}\n", 8, "not a block of a client file. Did you mean client?"),
    "unknown key": (MINIMAL.replace("  name", "  nam"), 1, "is missing"),
    "number as key": (MINIMAL + "1: x\n", 8, "not a block of a client file"),
    "null as key": (MINIMAL + "~: x\n", 8, "not a block of a client file"),
    "dunder key": (MINIMAL + "etl:\n  __class__: x\n", 9, "not a key of this block"),
    "python's own key": (MINIMAL + "etl:\n  model_config: {extra: allow}\n", 9, "not a key of this block"),
    "10,000 letters of key": (MINIMAL + "k" * 1_000 + ": 1\n", 8, "not a block of a client file"),
    # Values that YAML 1.1 would have changed
    "no": (MINIMAL + "ads:\n  meta:\n    enabled: no\n    account_id: act_1\n", 10, "must be true or false. Write false."),
    "off": (MINIMAL + "ads:\n  meta:\n    enabled: off\n    account_id: act_1\n", 10, "must be true or false"),
    "Norwegian lang": (MINIMAL.replace("  code", "  lang: no\n  code"), 3, "must be 'pt-BR', 'en' or 'es'"),
    "octal": (MINIMAL + "etl:\n  batch_size: 0123\n", 9, "must be a whole number"),
    "sexagesimal": (MINIMAL + "etl:\n  lookback_days: 12:30:45\n", 9, "must be a whole number"),
    "underscored": (MINIMAL + "etl:\n  batch_size: 1_000\n", 9, "must be a whole number"),
    "hexadecimal": (MINIMAL + "etl:\n  batch_size: 0x10\n", 9, "must be a whole number"),
    "infinity": (MINIMAL + "quality:\n  max_quarantined_pct: .inf\n", 9, "must be a number"),
    "not a number": (MINIMAL + "quality:\n  max_quarantined_pct: .nan\n", 9, "must be a number"),
    "a number of 5,000 digits": (MINIMAL + "etl:\n  batch_size: " + "9" * 5_000 + "\n", 9, "must be a whole number"),
    "1e999": (MINIMAL + "quality:\n  max_quarantined_pct: 1e999\n", 9, "must be a number"),
    "true as a number": (MINIMAL + "etl:\n  batch_size: true\n", 9, "must be a whole number"),
    "a quoted number": (MINIMAL + 'etl:\n  batch_size: "1000"\n', 9, "must be a whole number"),
    "below the range": (MINIMAL + "etl:\n  lookback_days: -1\n", 9, "should be greater than or equal to 0"),
    "above the range": (MINIMAL + "etl:\n  batch_size: 1000000\n", 9, "should be less than or equal to 10000"),
    "a date": (MINIMAL.replace("Loja", "[2026-01-01]"), 2, "must be text"),
    # Text that is not what it seems
    "not UTF-8": (MINIMAL.encode("latin-1").replace(b"Loja", b"S\xe3o"), 2, "is not UTF-8 text"),
    "UTF-16": (MINIMAL.encode("utf-16"), 1, "is not UTF-8 text"),
    "a NUL": (MINIMAL.replace("Loja", "Lo\x00ja"), 2, "U+0000"),
    "an escape": (MINIMAL.replace("Loja", "\x1b[31mLoja"), 2, "U+001B"),
    "an escaped escape": (MINIMAL.replace("Loja", '"\\e[31mLoja"'), 2, "an escaped control character"),
    "an escaped NUL": (MINIMAL.replace("Loja", '"Lo\\0ja"'), 2, "an escaped control character"),
    "an escaped surrogate": (MINIMAL.replace("Loja", '"\\ud800"'), 2, ""),
    "right-to-left override": (MINIMAL.replace("Loja", "\u202eajoL"), 2, "U+202E"),
    "a name of two lines": (MINIMAL.replace("Loja", '"Loja\\nBcc: x@example.com"'), 2, "must be one line"),
    "an address of two lines": (
        MINIMAL + 'alerts:\n  email_recipients: ["ana@example.com\\nBcc: b@example.com"]\n', 9, "is not an e-mail address",
    ),
    "a name of 10,000 letters": (MINIMAL.replace("Loja", "L" * 10_000), 2, "should have at most 120 characters"),
    "no name": (MINIMAL.replace("Loja", '" "'), 2, "should have at least 1 character"),
    # Broken YAML
    "a tab": (MINIMAL.replace("  code", "\tcode"), 3, ""),
    "an open quote": (MINIMAL.replace("Loja", '"Loja'), 7, ""),
    "an open bracket": (MINIMAL + "ads: [", 9, ""),
    "two colons": (MINIMAL.replace("Loja", "Loja: Filial"), 2, "a second colon"),
    "wrong indentation": (MINIMAL.replace("  code", " code"), 3, ""),
    "an at sign": (MINIMAL.replace("Loja", "@loja"), 2, "a character that cannot start a value"),
    "only a list": ("- client\n", 1, "must be a block of keys"),
    "only text": ("client\n", 1, "must be a block of keys"),
    "only a comment": ("# later\n", 1, "is empty"),
    "nothing": ("", 1, "is empty"),
    "a JSON bomb of depth": ('{"a":' * 100 + "1" + "}" * 100, 1, "more than 12 levels"),
    # Other people's things
    "another client's file": (MINIMAL.replace("xyz", "abc"), 3, "must be xyz, as the file is called"),
    "traversal in the code": (MINIMAL.replace("xyz", "../abc"), 3, "must be xyz"),
    "SQL in the code": (MINIMAL.replace("xyz", "\"xyz'; DROP DATABASE x; --\""), 3, "must be xyz"),
    "SQL in the id": (MINIMAL.replace('"123456"', '"1; DROP TABLE x"'), 7, "does not have the right form"),
    "traversal in the platform": (MINIMAL.replace("nuvemshop", "../../etc"), 6, "is not available"),
    "a private module as platform": (MINIMAL.replace("nuvemshop", "_nuvemshop_order"), 6, "is not available"),
    "a dotted platform": (MINIMAL.replace("nuvemshop", "os.path"), 6, "is not available"),
    "a list as platform": (MINIMAL.replace("nuvemshop", "[nuvemshop]"), 6, "must be the name of a platform"),
    "traversal in the zone": (MINIMAL.replace("America/Sao_Paulo", "../../../etc/passwd"), 4, "is not an IANA time zone"),
    "credentials in the clear": (MINIMAL + "  api_url: http://shop.example.com\n", 8, "unencrypted"),
    "another scheme": (MINIMAL + "  api_url: file:///etc/passwd\n", 8, "must be an https:// URL"),
    "a broken address": (MINIMAL + "  api_url: https://[::1\n", 8, ""),
    "a list of platforms": (MINIMAL + "ads: [meta, google]\n", 8, "must be a block of keys"),
    "a platform that is text": (MINIMAL + "ads:\n  meta: act_1\n", 9, "must be a block of keys"),
    "a client that is a list": ("client: []\n", 1, "must be a block of keys"),
    "a shop that is text": (MINIMAL.partition("ecommerce")[0] + "ecommerce: nuvemshop\n", 5, "must be a block of keys"),
    "a recursive alias": ("a: &a [*a]\n", 1, "an anchor"),
}  # fmt: skip


def refused(place: Workspace) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        tenant.load(place, "xyz", platforms=STAND_INS)
    return caught.value


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_corpus_is_as_large_as_was_promised() -> None:
    assert len(CORPUS) >= 60


@pytest.mark.parametrize("name", CORPUS)
def test_a_hostile_file_is_refused_at_its_line(name: str, tmp_path: Path) -> None:
    content, line, words = CORPUS[name]
    place = workspace(tmp_path, content)
    before = tree(tmp_path)
    started = time.process_time()
    error = refused(place)
    assert time.process_time() - started < 1.0
    assert error.exit_code == 3
    told = [problem for problem in error.problems if words in str(problem)]
    assert told, error.problems
    assert (told[0].file, told[0].line) == ("tenants/xyz.yaml", line)
    assert told[0].column >= 1
    assert all(len(str(problem)) < 600 and str(problem).isprintable() for problem in error.problems)
    assert tree(tmp_path) == before


def test_the_whole_corpus_fits_into_little_memory(tmp_path: Path) -> None:
    """In a process of its own, so that the peak is the loader's."""
    code = """
import resource, sys
from pathlib import Path
from cortex import tenant
from cortex.errors import ConfigError
from tests.rooms.client_files import STAND_INS, workspace
from tests.rooms.test_tenant_hostile import CORPUS
folder = Path(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for content, _, _ in CORPUS.values():
    try:
        tenant.load(workspace(folder, content), "xyz", platforms=STAND_INS)
    except ConfigError:
        continue
    raise SystemExit("loaded")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 100


@pytest.mark.parametrize("loader", [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)])
@pytest.mark.parametrize("name", ["20,000 open lists", "20,000 open blocks", "alias bomb", "100,000 list items"])
def test_bombs_are_refused_as_fast_without_libyaml(name: str, loader: object) -> None:
    content = CORPUS[name][0]
    assert isinstance(content, str)
    started = time.process_time()
    with pytest.raises(ConfigError):
        parse(content.encode(), "f", loader)
    assert time.process_time() - started < 1.0


def test_a_symbolic_link_is_refused_even_to_a_good_file(tmp_path: Path) -> None:
    place = workspace(tmp_path)
    (tmp_path / "tenants" / "xyz.yaml").rename(tmp_path / "elsewhere.yaml")
    (tmp_path / "tenants" / "xyz.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    assert "is a symbolic link" in str(refused(place).problems[0])


def test_a_dangling_link_is_refused_as_a_link(tmp_path: Path) -> None:
    (tmp_path / "tenants").mkdir()
    (tmp_path / "tenants" / "xyz.yaml").symlink_to("/nowhere/at/all")
    assert "is a symbolic link" in str(refused(Workspace(tmp_path)).problems[0])


def test_a_pipe_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    (tmp_path / "tenants").mkdir()
    os.mkfifo(tmp_path / "tenants" / "xyz.yaml")
    started = time.monotonic()
    assert "is not a regular file" in str(refused(Workspace(tmp_path)).problems[0])
    assert time.monotonic() - started < 1.0


def test_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tenants" / "xyz.yaml").mkdir(parents=True)
    assert "is not a regular file" in str(refused(Workspace(tmp_path)).problems[0])


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_told(tmp_path: Path) -> None:
    place = workspace(tmp_path)
    (tmp_path / "tenants" / "xyz.yaml").chmod(0)
    assert "cannot be read (Permission denied)" in str(refused(place).problems[0])


@pytest.mark.parametrize(
    "code",
    [
        "../xyz", "tenants/xyz", "/etc/passwd", "xyz/../xyz", "xyz.yaml", "xyz\x00", "xyz\n", " xyz", "XYZ", "x-y",
        "xyz;id", "$(id)", "`id`", "xyz'--", 'x"y', "%2e%2e", "..", ".", "~", "~root", "x" * 10_000, "xyz\u202e", "ⅹyz",
    ],
)  # fmt: skip
def test_a_hostile_code_touches_no_file(tmp_path: Path, code: str) -> None:
    place = workspace(tmp_path)
    before = tree(tmp_path)
    with pytest.raises(UsageError) as caught:
        tenant.load(place, code, platforms=STAND_INS)
    assert caught.value.exit_code == 2
    assert str(caught.value).isprintable()
    assert tree(tmp_path) == before


@settings(max_examples=300, deadline=1000)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_client_or_a_named_error(content: bytes) -> None:
    try:
        parse(content, "f")
    except ConfigError as error:
        first = error.problems[0]
        assert first.line >= 1


@settings(max_examples=300, deadline=1000)
@given(at=st.integers(0, len(MINIMAL)), cut=st.integers(0, 12), put=st.text(max_size=12))
def test_a_damaged_client_file_loads_or_is_a_named_error(
    tmp_path_factory: pytest.TempPathFactory, at: int, cut: int, put: str
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    text = (MINIMAL[:at] + put + MINIMAL[at + cut :]).encode("utf-8", "surrogatepass")
    try:
        assert tenant.load(workspace(folder, text), "xyz", platforms=STAND_INS).code == "xyz"
    except ConfigError as error:
        assert error.problems  # noqa: PT017  # either outcome is right, the error only if it says why
