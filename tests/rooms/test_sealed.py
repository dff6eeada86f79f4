"""Sealed secrets: kept on disk, opened only with the workspace's key and only under their own name."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cortex.errors import CredentialError
from cortex.secrets import REDACTOR, Sealed, Variables, Vault

CANARY = "canary-sealed-4f1e-value"


def sealed(folder: Path, **environment: str) -> Sealed:
    return Sealed(folder / ".cortex", Variables(folder, environment))


def test_a_sealed_secret_comes_back_and_is_nowhere_in_the_clear(tmp_path: Path) -> None:
    sealed(tmp_path).put({"A": CANARY, "B": "another-secret"})
    found = sealed(tmp_path).find("A")
    assert found is not None
    assert found.reveal() == CANARY
    assert str(tmp_path) in found.source
    assert REDACTOR.clean(f"x {CANARY} y") == "x •••• y"
    assert sealed(tmp_path).find("C") is None
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or CANARY.encode() not in file.read_bytes()


def test_files_are_the_owners_alone(tmp_path: Path) -> None:
    sealed(tmp_path).put({"A": CANARY})
    for path in [tmp_path / ".cortex", *(tmp_path / ".cortex").rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {
        "sealed.json", "sealed.lock", "workspace.key",
    }  # fmt: skip


def test_putting_one_keeps_the_others_and_forgetting_leaves_the_rest(tmp_path: Path) -> None:
    for name in ("A", "B", "C"):
        sealed(tmp_path).put({name: f"value-of-{name}-long"})
    sealed(tmp_path).put({"B": "a new value for B"})
    sealed(tmp_path).forget(["A", "nobody"])
    found = {name: sealed(tmp_path).find(name) for name in ("A", "B", "C")}
    assert {name: secret.reveal() for name, secret in found.items() if secret} == {
        "B": "a new value for B",
        "C": "value-of-C-long",
    }


def test_a_secret_moved_under_another_name_does_not_open(tmp_path: Path) -> None:
    sealed(tmp_path).put({"CORTEX_A_X": CANARY, "CORTEX_B_X": "value of b, long enough"})
    file = tmp_path / ".cortex" / "sealed.json"
    content = json.loads(file.read_text())
    content["secrets"]["CORTEX_B_X"] = content["secrets"]["CORTEX_A_X"]
    file.write_text(json.dumps(content))
    with pytest.raises(CredentialError, match="CORTEX_B_X") as caught:
        sealed(tmp_path).find("CORTEX_B_X")
    assert caught.value.code == "CTX-4008"
    assert CANARY not in f"{caught.value} {caught.value.fix}"


@pytest.mark.parametrize("harm", ["another key", "no key", "cut file", "no json", "a list"])
def test_what_does_not_open_is_told(tmp_path: Path, harm: str) -> None:
    sealed(tmp_path).put({"A": CANARY})
    file, key = tmp_path / ".cortex" / "sealed.json", tmp_path / ".cortex" / "keys" / "workspace.key"
    match harm:
        case "another key":
            key.write_text("k" * 40)
        case "no key":
            key.unlink()
        case "cut file":
            file.write_text(file.read_text()[:40])
        case "no json":
            file.write_text("{")
        case _:
            file.write_text('{"secrets": ["A"]}')
    with pytest.raises(CredentialError) as caught:
        sealed(tmp_path).find("A")
    assert caught.value.code == "CTX-4008"
    assert "onboard" in caught.value.fix


def test_the_key_may_come_from_the_environment_and_is_then_not_written(tmp_path: Path) -> None:
    sealed(tmp_path, CORTEX_WORKSPACE_KEY="e" * 43).put({"A": CANARY})
    assert not (tmp_path / ".cortex" / "keys").exists()
    found = sealed(tmp_path, CORTEX_WORKSPACE_KEY="e" * 43).find("A")
    assert found is not None
    assert found.reveal() == CANARY
    with pytest.raises(CredentialError):
        sealed(tmp_path, CORTEX_WORKSPACE_KEY="f" * 43).find("A")
    with pytest.raises(CredentialError) as caught:
        sealed(tmp_path, CORTEX_WORKSPACE_KEY="short").find("A")
    assert caught.value.code == "CTX-4006"


def test_a_vault_looks_among_the_sealed_last_and_own_never_takes_the_agencys(tmp_path: Path) -> None:
    Vault("xyz", tmp_path, {}).sealed.put({"CORTEX_XYZ_T": "from the sealed file", "CORTEX_T": "sealed, of the agency"})
    (tmp_path / ".env").write_text("CORTEX_XYZ_T=from the dotenv file\n")
    assert Vault("xyz", tmp_path, {"CORTEX_XYZ_T": "from the environment"}).get("T").reveal() == "from the environment"
    assert Vault("xyz", tmp_path, {}).get("T").reveal() == "from the dotenv file"
    (tmp_path / ".env").unlink()
    assert Vault("xyz", tmp_path, {}).get("T").reveal() == "from the sealed file"
    assert Vault("abc", tmp_path, {}).get("T").reveal() == "sealed, of the agency"
    assert Vault("abc", tmp_path, {}).own("T") is None


def test_two_processes_sealing_at_once_lose_nothing(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from cortex.secrets import Sealed, Variables\n"
        "root, who = Path(sys.argv[1]), sys.argv[2]\n"
        "for n in range(25): Sealed(root / '.cortex', Variables(root)).put({f'{who}{n}': f'value-{who}-{n}-long'})\n"
    )
    started = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path), who]) for who in ("A", "B")]
    assert [process.wait() for process in started] == [0, 0]
    names = [f"{who}{n}" for who in ("A", "B") for n in range(25)]
    assert all(sealed(tmp_path).find(name) for name in names)
    assert {path.name for path in (tmp_path / ".cortex").iterdir()} == {"sealed.json", "sealed.lock", "keys"}
