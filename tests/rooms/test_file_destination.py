"""`file`: exactly the bytes another destination would post, in a file for its owner's eyes, and no call to anybody."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from cortex import plugins
from cortex.destinations import Destination
from cortex.destinations.file import AS_THE_OTHER, File
from cortex.errors import PlatformError
from cortex.secrets import Vault
from cortex.settings import Access
from tests.contracts.test_destinations import CANARIES, IN_THE_CLEAR, NOW, batch, buyer, sold

SETTINGS: dict[str, dict[str, Any]] = {
    "meta_capi": {"pixel_id": "123456789"},
    "google_ec": {"conversion_action_id": "7654321", "customer_id": "1234567890"},
    "tiktok_events": {"pixel_id": "CABCDEFGH123"},
    "ga4_mp": {"measurement_id": "G-ABCD1234"},
}


def access(root: Path, tenant: str = "xyz") -> Access:
    return Access(tenant, Vault(tenant, root, {}), ZoneInfo("America/Sao_Paulo"), clock=lambda: NOW)


def file_of(kind: str, root: Path, **more: Any) -> File:
    return File(File.Config(of=kind, settings=SETTINGS[kind] | more), access(root))


def other(kind: str, root: Path, **more: Any) -> Destination:
    adapter = plugins.adapter("destinations", kind, Destination)
    return adapter(adapter.Config(**(SETTINGS[kind] | more)), access(root))


def test_every_destination_can_be_written_to_a_file() -> None:
    assert set(SETTINGS) == set(plugins.kinds("destinations")) - {"file"}


@pytest.mark.parametrize("kind", SETTINGS)
def test_the_file_holds_exactly_the_bytes_the_other_would_post(kind: str, tmp_path: Path) -> None:
    here, real = file_of(kind, tmp_path), other(kind, tmp_path)
    rows = [*batch(here, 5), sold(here, 6, occurred_at=NOW - timedelta(days=400))]
    receipts = here.send(rows)
    (written,) = here.folder.iterdir()
    assert written.read_bytes() == real.body(rows) == here.body(rows)
    assert [receipt.state for receipt in receipts] == ["accepted"] * 5 + ["rejected"]
    assert receipts[0].request_id == written.name
    assert "Nothing was sent" in receipts[0].message
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert written.parent == tmp_path / "dist" / "xyz" / "conversions"
    for piece in IN_THE_CLEAR:
        assert piece not in written.read_text(encoding="utf-8").lower()
    assert CANARIES["email"] not in repr(receipts)


def test_the_ads_api_is_written_without_a_credential(tmp_path: Path) -> None:
    here = file_of("google_ec", tmp_path, upload="google_ads")
    assert here.send([sold(here, 1)])[0].state == "accepted"
    (written,) = here.folder.iterdir()
    assert json.loads(written.read_text(encoding="utf-8"))["conversions"][0]["order_id"] == "1001"


@pytest.mark.parametrize("kind", SETTINGS)
def test_people_are_hashed_and_windows_kept_as_the_other_wants(kind: str, tmp_path: Path) -> None:
    here, real = file_of(kind, tmp_path), other(kind, tmp_path)
    for name in AS_THE_OTHER:
        assert getattr(here, name) == getattr(real, name)
    assert here.missing(sold(here, 1)) == real.missing(sold(real, 1)) == ""


def test_the_same_bytes_are_the_same_file_and_others_another(tmp_path: Path) -> None:
    here = file_of("meta_capi", tmp_path)
    for _ in range(2):
        here.send(batch(here, 3))
    here.send([sold(here, 9, value=Decimal("1.00"))])
    names = [path.name for path in here.folder.iterdir()]
    assert len(names) == 2
    assert not any(name.startswith(".") for name in names)


def test_nothing_fit_to_be_sent_writes_nothing(tmp_path: Path) -> None:
    here = file_of("meta_capi", tmp_path)
    assert here.send([]) == []
    assert here.send([sold(here, 1, value=Decimal(0))])[0].state == "rejected"
    assert not here.folder.exists()
    with pytest.raises(ValueError, match="in one request"):
        here.send([sold(here, 1)] * 1001)


def test_two_clients_write_into_folders_of_their_own(tmp_path: Path) -> None:
    config = File.Config(of="meta_capi", settings=SETTINGS["meta_capi"])
    folders = {File(config, access(tmp_path, tenant)).folder for tenant in ("abc", "xyz")}
    assert len(folders) == 2


def test_a_folder_that_cannot_be_made_waits_and_check_says_so(tmp_path: Path) -> None:
    (tmp_path / "dist").write_text("in the way")
    here = file_of("meta_capi", tmp_path)
    receipt = here.send([sold(here, 1)])[0]
    assert (receipt.state, receipt.error_class, receipt.error_code) == ("retry", "config", "CTX-4380")
    with pytest.raises(PlatformError, match="CTX-4380"):
        here.check()


def test_a_link_in_the_way_is_replaced_not_followed(tmp_path: Path) -> None:
    here = file_of("meta_capi", tmp_path)
    here.check()
    name = here.send([sold(here, 1)])[0].request_id
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (here.folder / name).unlink()
    (here.folder / name).symlink_to(elsewhere)
    here.send([sold(here, 1)])
    assert elsewhere.read_text() == "mine"
    assert not (here.folder / name).is_symlink()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"of": "file"}, "must name a destination"),
        ({"of": "myspace"}, "meta_capi"),
        ({"of": "meta_capi"}, "pixel_id"),
        ({"of": "meta_capi", "settings": {"pixel_id": "123456789", "nonsense": "x"}}, "nonsense"),
        ({"of": "google_ec", "settings": {"conversion_action_id": "x"}}, "conversion_action_id"),
    ],
)
def test_a_wrong_client_file_is_told_in_the_others_words(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        File.Config(**config)


def test_check_asks_nobody(tmp_path: Path) -> None:
    account = file_of("meta_capi", tmp_path).check()
    assert account.name == "file of meta_capi"
    assert account.note == "nothing is sent"
    assert buyer().email not in account.id


def test_the_client_file_takes_the_block_as_people_write_it(tmp_path: Path) -> None:
    from cortex import tenant
    from tests.rooms.test_client_file_docs import filled, load

    text = filled(tenant.example_text())
    block = "offline_conversions:\n  file:\n    of: meta_capi\n    settings:\n      pixel_id: 123456789\n"
    found = load(tmp_path, text.replace("offline_conversions:\n", block))
    assert found.destinations["file"].settings == {"pixel_id": "123456789"}  # type: ignore[attr-defined]
