"""The onboarding checklist of a client: what its own data, the ledger and commands prove, and what people write down."""

from __future__ import annotations

import io
import json
import os
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from cortex import tenant as tenants
from cortex.cli.app import main
from cortex.errors import CredentialError
from cortex.records import Account
from cortex.steps import milestones
from cortex.steps.provision import Checked
from cortex.tenant import env_files
from cortex.warehouse import Control, Warehouse, provision, tables
from cortex.workspace import Workspace
from tests.conftest import ENGINES, mysql_url
from tests.rooms.test_tracking_commands import CLIENT, cortex, narrow
from tests.rooms.warehouse_rows import key, order, row

DAY = date(2026, 11, 20)


@pytest.fixture
def engine_url(request: pytest.FixtureRequest) -> str:
    """Both engines only where a test asks for them: a schema on a server takes seconds."""
    kind = getattr(request, "param", "sqlite")
    return "sqlite" if kind == "sqlite" else mysql_url()


on_each_engine = pytest.mark.parametrize("engine_url", ENGINES, indirect=True)


@pytest.fixture
def place(tmp_path: Path, engine_url: str, tenant_code: str, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A provisioned client in a workspace whose state is `tmp_path/.cortex`."""
    for name in [name for name in os.environ if name.startswith("CORTEX_") and not name.startswith("CORTEX_TEST")]:
        monkeypatch.delenv(name)
    if engine_url != "sqlite":
        monkeypatch.setenv("CORTEX_DATABASE_URL", engine_url)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tenants").mkdir()
    (tmp_path / "tenants" / f"{tenant_code}.yaml").write_text(CLIENT.replace("code: xyz", f"code: {tenant_code}"))
    place = Workspace(tmp_path)
    place.state.mkdir()
    provision.apply(url(engine_url), tenant_code, place.state)
    return place


def url(engine_url: str) -> str:
    return "" if engine_url == "sqlite" else engine_url


def standing(place: Workspace, engine_url: str) -> dict[str, str]:
    """Items that are done, with what proves them."""
    tenant = tenants.load_all(place)[0]
    return {each.item.id: each.why for each in milestones.standing(tenant, place, url(engine_url)) if each.done}


def ran(
    place: Workspace,
    engine_url: str,
    code: str,
    pipeline: str,
    until: date,
    days: int = 7,
    hour: int = 6,
    minute: int = 0,
    steps: tuple[str, ...] = ("store.orders", "ads.meta", "traffic.ga4"),
) -> str:
    run_id = f"{pipeline}{until:%m%d}{len(steps)}{code}"[:32]
    at = datetime(until.year, until.month, until.day, hour, minute, tzinfo=UTC)
    with Control.open(url(engine_url), place.state) as control:
        control.start_run(
            run_id=run_id, tenant=code, pipeline=pipeline, since=until - timedelta(days=days), until=until, started_at=at,
            config_sha256="0" * 64, version="0", host="h", steps=list(steps),
        )  # fmt: skip
        for position, step in enumerate(steps):
            control.step_finished(run_id, step, position=position, status="ok", at=at)
        control.finish_run(run_id, status="ok", ended_at=at, exit_code=0)
    return run_id


def test_a_provisioned_client_has_its_database_views_and_kpis(place: Workspace, engine_url: str) -> None:
    found = standing(place, engine_url)
    assert set(found) == {"database", "report_views", "kpis"}
    assert found["report_views"].endswith(" views")
    assert found["kpis"].endswith(": roas")


@on_each_engine
def test_doctor_ticks_what_answered_and_takes_it_back_when_it_refuses(
    place: Workspace, engine_url: str, tenant_code: str
) -> None:
    good = [
        Checked("ecommerce", "nuvemshop", "", Account(id="1")),
        Checked("offline_conversions", "meta_capi", "", Account(id="1")),
        Checked("offline_conversions", "google_ec", "", Account(id="1")),
    ]
    milestones.record_checks(url(engine_url), place, tenant_code, good)
    assert {"credentials", "meta_capi", "google_ec"} <= set(standing(place, engine_url))
    bad = [
        *good[:1],
        Checked("offline_conversions", "meta_capi", "", error=CredentialError("CTX-4101", "No.")),
        good[2],
    ]
    milestones.record_checks(url(engine_url), place, tenant_code, bad)
    found = standing(place, engine_url)
    assert "google_ec" in found
    assert not {"credentials", "meta_capi"} & set(found)


def test_nothing_is_written_for_a_client_without_a_schema(place: Workspace, engine_url: str) -> None:
    milestones.record(url(engine_url), place, "nobody_here", {"tracking.audit": "x"})


@on_each_engine
def test_runs_prove_extraction_backfill_schedule_and_the_streak(
    place: Workspace, engine_url: str, tenant_code: str
) -> None:
    run_id = ran(place, engine_url, tenant_code, "backfill", DAY, days=90)
    found = standing(place, engine_url)
    assert (found["backfill"], found["extractors"]) == (f"run {run_id}", f"run {run_id}")
    for back in range(2, -1, -1):
        ran(place, engine_url, tenant_code, "daily", DAY - timedelta(days=back), minute=5 * back)
    found = standing(place, engine_url)
    assert found["deploy"] == f"run daily11203{tenant_code}"[:36] + ", daily at 06:00 UTC"
    assert "monitoring" not in found
    for back in range(6, 2, -1):
        ran(place, engine_url, tenant_code, "daily", DAY - timedelta(days=back))
    assert "monitoring" in standing(place, engine_url)
    assert milestones.streak(url(engine_url), place, tenant_code) == 7


def test_a_part_of_a_daily_run_is_no_day_of_the_streak(place: Workspace, engine_url: str, tenant_code: str) -> None:
    for back in range(8):
        whole = back != 3
        ran(
            place, engine_url, tenant_code, "daily", DAY - timedelta(days=back),
            steps=("store.orders", "ads.meta") if whole else ("ads.meta",),
        )  # fmt: skip
    assert milestones.streak(url(engine_url), place, tenant_code) == 3
    assert "monitoring" not in standing(place, engine_url)


def test_a_short_backfill_runs_at_any_hour_and_days_apart_prove_nothing(
    place: Workspace, engine_url: str, tenant_code: str
) -> None:
    ran(place, engine_url, tenant_code, "backfill", DAY, days=89)
    for back, hour in ((0, 6), (1, 14), (2, 6), (4, 6)):
        ran(place, engine_url, tenant_code, "daily", DAY - timedelta(days=back), hour=hour)
    assert not {"backfill", "deploy", "monitoring"} & set(standing(place, engine_url))
    assert milestones.streak(url(engine_url), place, tenant_code) == 3


def test_what_the_ledger_proved_stays_proven_when_the_run_is_far_back(
    place: Workspace, engine_url: str, tenant_code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = ran(place, engine_url, tenant_code, "backfill", DAY, days=90)
    assert standing(place, engine_url)["backfill"] == f"run {run_id}"
    monkeypatch.setattr(milestones, "RUNS", 1)
    ran(place, engine_url, tenant_code, "daily", DAY + timedelta(days=1))
    assert standing(place, engine_url)["backfill"] == f"run {run_id}"


@on_each_engine
def test_the_client_s_own_data_proves_quality_live_events_and_accepted_conversions(
    place: Workspace, engine_url: str, tenant_code: str
) -> None:
    now = datetime(2026, 11, 20, 15, tzinfo=UTC)
    check = {
        "run_id": "r1", "rule": "a", "part": "b", "severity": "error", "status": "failed", "measured": None, "allowed": None,
        "message": "m", "checked_at": now,
    }  # fmt: skip
    with Warehouse.open(url(engine_url), tenant_code, place.state) as warehouse:
        warehouse.atomically(lambda tx: tx.upsert("dq_results", [check]))
        assert "integrity" not in standing(place, engine_url)
        warehouse.atomically(lambda tx: tx.upsert("dq_results", [check | {"severity": "warning"}]))
        assert not {"ecommerce_events", "event_test"} & set(standing(place, engine_url))
        orders = [order("a", consent_source="ctx_consent"), order("b")]
        sent = row(
            tables.conversion_outbox,
            outbox_key=key("k"),
            order_key=key("a"),
            destination="meta_capi",
            state="processed",
        )
        warehouse.atomically(lambda tx: (tx.upsert("fct_orders", orders), tx.upsert("conversion_outbox", [sent])))
    found = standing(place, engine_url)
    assert found["integrity"] == "run r1"
    assert found["ecommerce_events"] == "order a carries ctx_*"
    assert found["event_test"] == "meta_capi accepted 1"


def test_a_destination_that_is_not_used_leaves_nothing_open(
    place: Workspace, engine_url: str, tenant_code: str
) -> None:
    text = CLIENT.replace("code: xyz", f"code: {tenant_code}")
    head, _, tail = text.partition("offline_conversions:")
    (place.tenants / f"{tenant_code}.yaml").write_text(head + tail[tail.index("privacy:") :])
    found = standing(place, engine_url)
    assert found["meta_capi"] == found["google_ec"] == found["event_test"] == "not in the client file"


# The command


@on_each_engine
def test_the_command_ticks_assigns_and_opens_again(place: Workspace, tenant_code: str) -> None:
    code, out, err = cortex("checklist", tenant_code, "--tick", "kick_off", "--by", "ana", "--on", "2026-11-20")
    assert code == 0, err
    assert "ana 2026-11-20" in out
    assert "4/23 feitos" in out
    assert "Semana 1 · descoberta · até 2026-11-27" in out
    assert narrow(out)
    cortex("checklist", tenant_code, "--assign", "training", "--by", "bia", "--on", "2026-12-18")
    said = json.loads(cortex("checklist", tenant_code, "--json")[1])["data"]
    items = {item["item"]: item for item in said["items"]}
    assert (items["training"]["owner"], items["training"]["due_on"], items["training"]["done"]) == (
        "bia",
        "2026-12-18",
        False,
    )
    assert (items["kick_off"]["done_by"], items["kick_off"]["done_on"]) == ("ana", "2026-11-20")
    assert items["backfill"]["due_on"] == "2026-12-11", "week 3 ends three weeks after the kick-off"
    cortex("checklist", tenant_code, "--untick", "kick_off")
    assert "3/23 feitos" in cortex("checklist", tenant_code)[1]


@pytest.mark.parametrize(
    ("lang", "says"), [("pt-BR", "Antes do início"), ("en", "Before the start"), ("es", "Antes del inicio")]
)
def test_the_checklist_speaks_three_languages_within_a_terminal(
    place: Workspace, tenant_code: str, lang: str, says: str
) -> None:
    code, out, _ = cortex("checklist", tenant_code, "--lang", lang)
    assert code == 0
    assert says in out
    assert narrow(out)
    assert "0 / 7" in out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--tick", "backfil"], "CTX-3405", "Did you mean backfill?"),
        (["--tick", "backfill"], "CTX-3406", "ticks itself"),
        (["--tick", "training", "--untick", "contract"], "CTX-3407", "One of"),
        (["--by", "ana"], "CTX-3407", "One of"),
        (["--tick", "training", "--by", "a\nb"], "CTX-3407", "one line"),
        (["--tick", "training", "--on", "2026-13-01"], "CTX-1018", "not a day"),
        (["--tick", "training", "--on", "2999-01-01"], "CTX-3408", "not come yet"),
    ],
)
def test_what_cannot_be_ticked_is_refused_and_changes_nothing(
    place: Workspace, tenant_code: str, words: list[str], code: str, says: str
) -> None:
    before = cortex("checklist", tenant_code, "--json")[1]
    exit_code, _, err = cortex("checklist", tenant_code, *words)
    assert exit_code == 2
    assert code in err
    assert says in err
    assert cortex("checklist", tenant_code, "--json")[1] == before


def test_an_audit_without_errors_ticks_the_audit(place: Workspace, tenant_code: str) -> None:
    from cortex.steps import handover

    path = place.root / "export.json"
    path.write_bytes(handover.make_kit(tenants.load(place, tenant_code))["container.json"])
    assert cortex("tracking", "audit", str(path))[0] == 0
    assert not ticked(tenant_code, "gtm_audit"), "an audit that names no client proves nothing about one"
    assert cortex("tracking", "audit", str(path), "--client", tenant_code)[0] == 0
    assert ticked(tenant_code, "gtm_audit")


def ticked(code: str, item: str) -> bool:
    items = json.loads(cortex("checklist", code, "--json")[1])["data"]["items"]
    return next(each["done"] for each in items if each["item"] == item)


def test_a_client_without_a_schema_is_told_to_onboard(place: Workspace) -> None:
    (place.tenants / "other_one.yaml").write_text(CLIENT.replace("code: xyz", "code: other_one"))
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(["checklist", "other_one"])
    assert code == 5
    assert "cortex onboard other_one" in err.getvalue()


# .env.example


def names(path: Path) -> list[str]:
    return [line.partition("=")[0] for line in path.read_text().splitlines() if line.startswith("CORTEX_")]


@pytest.fixture
def files(tmp_path: Path) -> Workspace:
    (tmp_path / "tenants").mkdir()
    (tmp_path / "tenants" / "xyz.yaml").write_text(CLIENT)
    return Workspace(tmp_path)


NEEDED = ["NUVEMSHOP_TOKEN", "META_TOKEN", "GOOGLE_CREDENTIALS", "META_CAPI_TOKEN"]


def test_the_example_holds_the_names_of_the_enabled_blocks_alone(files: Workspace) -> None:
    path = files.root / ".env.example"
    assert env_files.complete(tenants.load(files, "xyz"), files) == names(path)
    assert {name.removeprefix("CORTEX_XYZ_") for name in names(path)} == set(NEEDED)
    assert "TIKTOK" not in path.read_text()
    assert not any(line.partition("=")[2] for line in path.read_text().splitlines() if line.startswith("CORTEX_"))
    before = path.read_bytes()
    assert env_files.complete(tenants.load(files, "xyz"), files) == []
    assert path.read_bytes() == before


def test_lines_that_are_there_stay_and_only_missing_names_are_added(files: Workspace) -> None:
    path = files.root / ".env.example"
    own = "# ours\nCORTEX_DATABASE_URL=mysql+pymysql://localhost\n#CORTEX_XYZ_META_TOKEN=\nCORTEX_XYZ_NUVEMSHOP_TOKEN=\nLAST=1"
    path.write_text(own)
    added = env_files.complete(tenants.load(files, "xyz"), files)
    assert {name.removeprefix("CORTEX_XYZ_") for name in added} == {"GOOGLE_CREDENTIALS", "META_CAPI_TOKEN"}
    assert path.read_text().startswith(own + "\n")
    assert path.read_text().count("CORTEX_XYZ_NUVEMSHOP_TOKEN") == 1


def test_a_file_that_is_no_text_is_left_alone(files: Workspace) -> None:
    path = files.root / ".env.example"
    path.write_bytes(b"\xff\xfe\x00")
    assert env_files.complete(tenants.load(files, "xyz"), files) == []
    assert path.read_bytes() == b"\xff\xfe\x00"
