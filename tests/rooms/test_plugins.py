"""The registry: a file is a kind, found by its name and loaded when it is asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import cortex
from cortex import plugins
from cortex.ads import AdPlatform
from cortex.destinations import Destination
from cortex.errors import UsageError
from cortex.settings import Adapter, PlatformSection
from cortex.stores import Store
from cortex.traffic import Traffic

PACKAGE = Path(cortex.__file__).parent
ROOMS: dict[str, type[Adapter]] = {"stores": Store, "ads": AdPlatform, "traffic": Traffic, "destinations": Destination}
MEMBERS = [(room, kind) for room in ROOMS for kind in plugins.kinds(room)]


@pytest.mark.parametrize("room", [*ROOMS, "attribution"])
def test_the_kinds_of_a_room_are_its_files(room: str) -> None:
    files = {path.stem for path in (PACKAGE / room).glob("*.py")}
    assert plugins.kinds(room) == sorted(name for name in files if not name.startswith("_"))


def test_listing_imports_no_member() -> None:
    code = "import sys; from cortex import plugins; plugins.kinds('attribution'); print([m for m in sys.modules if 'attribution.' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_misspelt_kind_is_guessed_and_the_known_ones_are_named() -> None:
    with pytest.raises(UsageError) as caught:
        plugins.module("attribution", "last_clik")
    assert caught.value.code == "CTX-1003"
    assert caught.value.message.endswith("Did you mean last_click?")
    assert "first_click" in caught.value.fix


@pytest.mark.parametrize(
    "kind", ["", ".", "..", "../stores", "os", "_channels", "__init__", "last_click.x", "LAST_CLICK"]
)
def test_what_is_no_file_of_the_room_is_never_imported(kind: str) -> None:
    with pytest.raises(UsageError):
        plugins.module("attribution", kind)


@pytest.mark.parametrize(("room", "kind"), MEMBERS)
def test_every_member_is_one_adapter_with_strict_settings(room: str, kind: str) -> None:
    found = plugins.adapter(room, kind, ROOMS[room])
    assert issubclass(found, ROOMS[room])
    assert issubclass(found.Config, PlatformSection)
    assert found.Config.model_config["extra"] == "forbid"
    assert found.Config.model_config["frozen"] is True
    assert found.Config.model_config["hide_input_in_errors"] is True


@pytest.mark.parametrize(("room", "kind"), MEMBERS)
def test_every_credential_is_named_and_explained(room: str, kind: str) -> None:
    for secret in plugins.adapter(room, kind, ROOMS[room]).secrets:
        assert secret.name == secret.name.upper()
        assert secret.name.isidentifier()
        assert len(secret.what.split()) >= 2


def test_a_member_without_an_adapter_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="must define exactly one Store, found 0"):
        plugins.adapter("attribution", "last_click", Store)
