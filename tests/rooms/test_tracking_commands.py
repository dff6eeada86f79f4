"""The tracking commands as people run them: exit codes, tables within a terminal, files that are hostile, and the rehearsal."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from cortex.cli.app import main
from cortex.handoff import browser, kit
from cortex.steps import handover, rehearsal
from cortex.tenant import load
from cortex.workspace import Workspace

CLIENT = """client:
  name: Loja XYZ
  code: xyz
  timezone: America/Sao_Paulo
ecommerce:
  platform: nuvemshop
  store_id: "123456"
ads:
  meta:
    account_id: act_123456789
  google:
    customer_id: 123-456-7890
analytics:
  ga4:
    property_id: "123456789"
offline_conversions:
  meta_capi:
    pixel_id: "123456789012345"
  google_ec:
    conversion_action_id: "987654321"
privacy:
  consent:
    mode: opt_in
tracking:
  domain: loja.example
  ga4_measurement_id: G-ABC123DEF4
  google_tag_id: AW-123456789
  google_conversion_label: AbC-D_efGh12
  tiktok_pixel_id: C4ABCDEFGHIJKLMNOP12
kpis:
  roas: 4
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    for name in [name for name in os.environ if name.startswith("CORTEX_") and not name.startswith("CORTEX_TEST")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tenants").mkdir()
    (tmp_path / "tenants" / "xyz.yaml").write_text(CLIENT)
    return Workspace(tmp_path)


def cortex(*words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words)
    return code, out.getvalue(), err.getvalue()


def exported(place: Workspace, name: str = "container.json") -> Path:
    path = place.root / "export.json"
    path.write_bytes(handover.make_kit(load(place, "xyz"), server=True)[name])
    return path


def changed(path: Path, change) -> Path:
    container = json.loads(path.read_bytes())
    change(container["containerVersion"])
    path.write_text(json.dumps(container))
    return path


def narrow(text: str) -> bool:
    return all(len(line) <= 80 for line in text.splitlines())


# export


def test_every_id_of_the_client_file_reaches_the_container(place: Workspace) -> None:
    code, out, err = cortex("tracking", "export", "xyz")
    assert code == 0
    assert "0 lint errors" in err
    assert "!" not in err, "nothing is missing in this file"
    with zipfile.ZipFile(out.strip()) as archive:
        container = archive.read("container.json").decode()
    for value in ("G-ABC123DEF4", "123456789012345", "AbC-D_efGh12", "C4ABCDEFGHIJKLMNOP12", "loja.example"):
        assert value in container


def test_a_second_export_changes_nothing_in_any_process(place: Workspace) -> None:
    made = set()
    for seed in ("0", "1", "4711"):
        subprocess.run(
            [sys.executable, "-m", "cortex", "tracking", "export", "xyz", "--out", f"{seed}.zip"],
            env={**os.environ, "PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo"}, check=True, capture_output=True,
        )  # fmt: skip
        made.add((place.root / f"{seed}.zip").read_bytes())
    assert len(made) == 1
    assert json.loads(cortex("tracking", "export", "xyz", "--json")[1])["data"]["changed"] is True
    assert json.loads(cortex("tracking", "export", "xyz", "--json")[1])["data"]["changed"] is False


def test_the_sheet_alone_goes_to_stdout(place: Workspace) -> None:
    code, out, _ = cortex("tracking", "export", "xyz", "--sheet")
    assert code == 0
    assert out.splitlines()[0].startswith("variable,type,value,status")
    assert not (place.root / "dist").exists()


def test_the_zip_goes_through_a_pipe_and_not_to_a_terminal_or_into_json(place: Workspace) -> None:
    piped = subprocess.run(
        [sys.executable, "-m", "cortex", "tracking", "export", "xyz", "--out", "-"], check=True, capture_output=True
    )
    assert piped.stdout == kit.zipped(handover.make_kit(load(place, "xyz")))
    assert cortex("tracking", "export", "xyz", "--out", "-", "--json")[0] == 2


def test_a_language_alone_and_one_that_is_not_written(place: Workspace) -> None:
    names = json.loads(cortex("tracking", "export", "xyz", "--lang", "en", "--json")[1])["data"]["files"]
    assert "GTM_GUIDE.md" in names
    assert "GUIA_GTM.md" not in names
    assert cortex("tracking", "export", "xyz", "--lang", "es")[0] == 2


def test_a_server_container_comes_when_asked_or_when_the_file_names_its_address(place: Workspace) -> None:
    assert "server_container.json" not in json.loads(cortex("tracking", "export", "xyz", "--json")[1])["data"]["files"]
    asked = json.loads(cortex("tracking", "export", "xyz", "--server", "--json")[1])
    assert "server_container.json" in asked["data"]["files"]
    (place.tenants / "xyz.yaml").write_text(
        CLIENT.replace("tracking:\n", "tracking:\n  server_url: https://s.loja.example\n")
    )
    assert "server_container.json" in json.loads(cortex("tracking", "export", "xyz", "--json")[1])["data"]["files"]


# audit


@pytest.mark.parametrize("name", ["container.json", "server_container.json"])
def test_the_kit_s_own_containers_pass_the_audit(place: Workspace, name: str) -> None:
    code, out, _ = cortex("tracking", "audit", str(exported(place, name)), "--client", "xyz")
    assert code == 0, out
    assert out.strip() == "0 errors, 0 warnings, 0 notes"


def test_a_database_that_cannot_be_reached_does_not_spoil_the_audit(
    place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORTEX_DATABASE_URL", "mysql+pymysql://cortex:secret@127.0.0.1:1")
    code, _, err = cortex("tracking", "audit", str(exported(place)), "--client", "xyz")
    assert code == 0
    assert "could not be ticked" in err
    assert "secret" not in err


def test_a_flawed_container_ends_with_exit_8_and_a_table_that_fits(place: Workspace) -> None:
    def flaw(version):
        version["tag"][-1]["consentSettings"] = {"consentStatus": "NOT_SET"}
        version["tag"][0]["firingTriggerId"] = ["9999"]
        version["tag"][3]["paused"] = True

    path = changed(exported(place), flaw)
    code, out, err = cortex("tracking", "audit", str(path))
    assert code == 8
    assert "CTX-3402" in err
    assert narrow(out)
    assert "unresolved-trigger" in out
    assert cortex("tracking", "audit", str(path), "--severity", "none")[0] == 0
    said = json.loads(cortex("tracking", "audit", str(path), "--json")[1])
    assert said["error"]["exit"] == 8
    assert {"severity", "rule", "element", "message"} == set(said["data"]["findings"][0])


def test_warnings_count_only_when_they_are_meant_to(place: Workspace) -> None:
    path = changed(exported(place), lambda version: version["tag"][-1].update(paused=True))
    assert cortex("tracking", "audit", str(path))[0] == 0
    assert cortex("tracking", "audit", str(path), "--severity", "warning")[0] == 8


def test_names_in_a_foreign_file_cannot_write_on_the_terminal(place: Workspace) -> None:
    path = changed(exported(place), lambda version: version["tag"][0].update(name="\x1b[2Jgone\x07\u202e" + "x" * 5000))
    _, out, err = cortex("tracking", "audit", str(path))
    assert "\x1b" not in out + err
    assert "\u202e" not in out
    assert len(out) < 5000


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 100_000, b"PK\x03\x04", b"\xff\xfe"])
def test_a_file_that_is_no_export_is_a_usage_error(place: Workspace, content: bytes) -> None:
    path = place.root / "strange.json"
    path.write_bytes(content)
    for words in (["audit", str(path)], ["diff", "xyz", str(path)]):
        code, out, err = cortex("tracking", *words)
        assert code == 2
        assert "CTX-3401" in err
        assert "Traceback" not in out + err


# diff


def test_diff_says_what_the_client_changed_and_leaves_its_own_elements_alone(place: Workspace) -> None:
    path = exported(place)
    assert cortex("tracking", "diff", "xyz", str(path), "--exit-code")[0] == 0

    def change(version):
        next(tag for tag in version["tag"] if tag["name"] == "CTX - Meta - Purchase")["paused"] = True
        version["tag"].append({"tagId": "900", "name": "Chat widget", "type": "html", "parameter": []})

    changed(path, change)
    code, out, _ = cortex("tracking", "diff", "xyz", str(path))
    assert code == 0
    assert "CTX - Meta - Purchase" in out
    assert "paused: false → true" in out
    assert "Chat widget" not in out
    assert "1 elements are the client's own" in out
    assert narrow(out)
    assert "Chat widget" in cortex("tracking", "diff", "xyz", str(path), "--every")[1]
    assert cortex("tracking", "diff", "xyz", str(path), "--exit-code")[0] == 10


def test_a_server_container_is_compared_with_the_server_container(place: Workspace) -> None:
    code, out, _ = cortex("tracking", "diff", "xyz", str(exported(place, "server_container.json")), "--exit-code")
    assert code == 0, out


# test


@pytest.fixture
def rehearsed(chromium: str, place: Workspace) -> dict[str, rehearsal.Check]:
    return {check.name: check for check in rehearsal.rehearse(load(place, "xyz"), place)}


def test_a_whole_purchase_agrees_with_what_cortex_sends(rehearsed: dict[str, rehearsal.Check]) -> None:
    assert [check for check in rehearsed.values() if check.state != "ok"] == []
    assert "event, event_id, value, currency, order id, items, fbc" in rehearsed["meta_capi: same sale"].said
    assert "order id, value, currency, gclid" in rehearsed["google_ec: same sale"].said
    assert rehearsed["refused: order"].said == "the order says ctx_consent denied"
    assert rehearsed["meta_capi: consent"].said == "agreed: planned, refused: gated"


def damage(place: Workspace, *changes: tuple[str, str]) -> dict:
    text = exported(place).read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return json.loads(text)


def failed(place: Workspace, container: dict) -> dict[str, str]:
    return {
        check.name: check.said for check in rehearsal.rehearse(load(place, "xyz"), place, container) if not check.ok
    }


def test_a_broken_container_fails_where_it_is_broken(chromium: str, place: Workspace) -> None:
    deaf = damage(
        place,
        ("'purchase-' + order", "'order-' + order"),
        ("parameters.value = Number(ecommerce.value)", "parameters.value = 10 * Number(ecommerce.value)"),
    )
    deaf["containerVersion"]["tag"] = [
        tag
        for tag in deaf["containerVersion"]["tag"]
        if tag["name"] not in {"CTX - Order attributes", "CTX - GA4 - purchase"}
    ]
    found = failed(place, deaf)
    assert set(found) >= {"refused: order", "capture", "GA4", "meta_capi: same sale"}
    assert "browser order-1046788032, server purchase-1046788032" in found["meta_capi: same sale"]
    assert "browser 2257.30, server 225.73" in found["meta_capi: same sale"]
    assert found["GA4"] == "lost: purchase"
    assert "undecided" not in found

    eager = json.loads(exported(place).read_text())
    for tag in eager["containerVersion"]["tag"]:
        tag["consentSettings"] = {"consentStatus": "NOT_NEEDED"}
    found = failed(place, eager)
    assert {"undecided", "refused", "consent taken back"} <= set(found)
    assert "connect.facebook.net" in found["refused"]
    assert "meta_capi: same sale" not in found


def test_what_is_paused_for_want_of_an_id_is_off_and_not_failed(chromium: str, place: Workspace) -> None:
    (place.tenants / "xyz.yaml").write_text(CLIENT.partition("tracking:")[0])
    code, out, err = cortex("tracking", "test", "xyz")
    assert code == 0, out
    assert " – GA4" in out
    assert " – google_ec: same sale" in out
    assert narrow(out)
    assert "interpreter" in err


def test_without_a_browser_the_command_says_what_to_install(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(place.root))
    monkeypatch.setattr(browser, "PLACES", ())
    code, _, err = cortex("tracking", "test", "xyz")
    assert code == 3
    assert "CTX-3403" in err
    assert "apt-get install chromium" in err
    monkeypatch.setenv("CORTEX_CHROMIUM", "/nowhere/chrome")
    assert "/nowhere/chrome" in cortex("tracking", "test", "xyz")[2]


def test_a_server_container_is_no_page(place: Workspace) -> None:
    path = exported(place, "server_container.json")
    code, _, err = cortex("tracking", "test", "xyz", "--container", str(path))
    assert code == 2
    assert "CTX-3409" in err


def test_a_browser_that_says_nothing_is_an_error_of_its_own(place: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORTEX_CHROMIUM", "/bin/true")
    code, _, err = cortex("tracking", "test", "xyz")
    assert code == 1
    assert "CTX-3404" in err


def test_a_container_that_never_ends_is_stopped_with_all_its_processes(
    chromium: str, place: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "LONGEST", 3)
    path = exported(place)
    changed(path, lambda version: version["tag"][-1]["parameter"][0].update(value="<script>while (true) {}</script>"))
    changed(path, lambda version: version["tag"][-1].pop("consentSettings"))
    changed(path, lambda version: version["tag"][-1].pop("setupTag"))
    code, _, err = cortex("tracking", "test", "xyz", "--container", str(path))
    assert code == 1
    assert "did not finish within 3 seconds" in err
