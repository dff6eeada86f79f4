"""The workspace: which folder is in use, and what it holds before the bundle does."""

from __future__ import annotations

from pathlib import Path

import pytest

from cortex.errors import UsageError
from cortex.workspace import Workspace, bundled


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CORTEX_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)


def test_a_named_folder_wins_over_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "named").mkdir()
    (tmp_path / "tenants").mkdir()
    monkeypatch.setenv("CORTEX_WORKSPACE", str(tmp_path))
    assert Workspace.find(tmp_path / "named").root == tmp_path / "named"


def test_the_environment_names_a_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "agency").mkdir()
    (tmp_path / "tenants").mkdir()
    monkeypatch.setenv("CORTEX_WORKSPACE", str(tmp_path / "agency"))
    assert Workspace.find().root == tmp_path / "agency"


def test_else_it_is_the_nearest_folder_upwards_with_clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "agency" / "tenants").mkdir(parents=True)
    (tmp_path / "agency" / "notes" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "agency" / "notes" / "deep")
    assert Workspace.find().root == tmp_path / "agency"


def test_else_it_is_here(tmp_path: Path) -> None:
    above = [folder for folder in tmp_path.parents if (folder / "tenants").is_dir()]  # somebody else's, on this machine
    assert Workspace.find().root == (above[0] if above else tmp_path)


@pytest.mark.parametrize("name", ["missing", "file"])
def test_what_is_no_folder_is_refused(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for ask in (lambda: Workspace.find(tmp_path / name), Workspace.find):
        monkeypatch.setenv("CORTEX_WORKSPACE", str(tmp_path / name))
        with pytest.raises(UsageError) as caught:
            ask()
        assert (caught.value.code, caught.value.exit_code) == ("CTX-1005", 2)


def test_a_relative_folder_is_made_absolute(tmp_path: Path) -> None:
    (tmp_path / "agency").mkdir()
    assert Workspace.find(Path("agency")).root == tmp_path / "agency"


def test_clients_are_the_yaml_files_that_are_not_underscored(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    assert place.tenant_codes() == []
    place.tenants.mkdir()
    for name in ("zeta.yaml", "alfa.yaml", "_example.yaml", ".hidden.yaml", "other.yml", "schema.json", "notes.md"):
        (place.tenants / name).write_text("")
    assert place.tenant_codes() == ["alfa", "zeta"]


def test_the_workspaces_own_recipe_wins_over_the_bundled_one(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    bundled_recipes = place.recipes()
    (tmp_path / "pipelines").mkdir()
    for name in ("daily.py", "black_friday.py", "_draft.py", "notes.txt"):
        (tmp_path / "pipelines" / name).write_text("")
    found = place.recipes()
    assert found["daily"] == tmp_path / "pipelines" / "daily.py"
    assert found["black_friday"] == tmp_path / "pipelines" / "black_friday.py"
    assert set(found) == {*bundled_recipes, "daily", "black_friday"}
    assert bundled_recipes["daily"].parent == bundled("pipelines")


@pytest.mark.parametrize("room", ["sql", "pipelines", "tracking", "tenants"])
def test_what_is_bundled_is_there(room: str) -> None:
    assert bundled(room).is_dir()


def test_what_nobody_edits_and_what_is_handed_over_have_their_folders(tmp_path: Path) -> None:
    place = Workspace(tmp_path)
    assert (place.state, place.dist) == (tmp_path / ".cortex", tmp_path / "dist")
