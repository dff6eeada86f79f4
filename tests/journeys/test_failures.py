"""What goes wrong in an agency on a Tuesday: one thing fails, everything else is done, and the words say what mends it."""

from __future__ import annotations

import json
import re
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cortex.warehouse import Control
from tests.journeys import truth
from tests.journeys.agency import DAYS, NOW, Agency, Said
from tests.journeys.test_main_job import exists, files

WRONG = "EAAnot-the-token-of-anybody-at-all"


def statuses(said: Said) -> dict[str, str]:
    return {step["name"]: step["status"] for step in said.data["steps"]}


def conversion_calls(agency: Agency) -> list[str]:
    """Requests that carry conversions: to Meta's events edge, or to Data Manager."""
    return [
        call.path
        for call in agency.running.received.calls()
        if call.path.endswith("/events") or call.platform == "data_manager"
    ]


# One platform


def test_a_dead_token_stops_only_what_needs_it(agency: Agency) -> None:
    code = agency.first
    agency.onboarded(code)
    agency.ok("backfill", code, "--days", str(DAYS), "--skip", "ads.meta")
    right = agency.shop(code).meta_token
    agency.secret(code, "META_TOKEN", WRONG)
    said = agency.cortex("run", "daily", code, as_json=True)
    assert said.code == 4
    assert said.envelope["ok"] is False
    assert said.envelope["error"]["exit"] == 4
    steps = statuses(said)
    assert {name for name, status in steps.items() if status != "ok"} == {"ads.meta", "conversions.meta_capi"}
    assert steps["conversions.google_ec"] == steps["attribution"] == steps["aggregates"] == "ok"
    assert agency.counted(code, "meta") == {}
    assert len(agency.counted(code, "data_manager")) > 20
    assert said.envelope["next"][0] == f"cortex doctor {code}"

    plain = agency.cortex("run", "daily", code)
    assert plain.code == 4
    assert "CTX-41" in plain.err
    assert "Fix: " in plain.err
    assert "Finished with failures" in plain.err

    agency.secret(code, "META_TOKEN", right)
    again = agency.ok("run", "daily", code, as_json=True)
    assert set(statuses(again).values()) == {"ok"}
    owed = truth.due(truth.read_by_backfill(agency.shop(code), NOW, DAYS), NOW, **truth.META)
    assert agency.counted(code, "meta") == owed
    agency.once_each(code, "meta")


def test_what_needs_a_failed_step_is_left_out_and_says_why(small: Agency) -> None:
    code = small.first
    small.onboarded(code)
    small.running.nuvemshop.unpaid.add(small.shop(code).store_id)
    said = small.cortex("run", "daily", code, as_json=True)
    assert said.code == 1
    steps = {step["name"]: step for step in said.data["steps"]}
    assert steps["store.orders"]["status"] == "failed"
    assert "lack of payment" in steps["store.orders"]["error"]["message"]
    assert steps["ads.meta"]["status"] == steps["ads.google"]["status"] == "ok"
    assert small.one(code, "SELECT COUNT(*) AS n FROM fct_ad_spend") > 0
    (run,) = small.ok("runs", "list", code, as_json=True).data
    assert (run["status"], run["exit_code"]) == ("partial", 1)


def test_the_shop_gone_for_a_while_comes_back_whole(small: Agency) -> None:
    """Runs that failed leave a gap in what was read; the next good one closes it."""
    code = small.first
    small.at(NOW - timedelta(days=12))
    small.onboarded(code)
    small.ok("run", "daily", code)
    shop = small.shop(code)
    small.running.nuvemshop.unpaid.add(shop.store_id)
    for _ in range(3):
        small.forward(days=1)
        assert small.cortex("run", "daily", code).code == 1
    small.running.nuvemshop.unpaid.clear()
    small.at(NOW)
    small.edit(code, r"\Z", "etl:\n  lookback_days: 0\n")
    small.ok("run", "daily", code)
    sales = truth.sales(shop, NOW, since=truth.today(NOW) - timedelta(days=20))
    stored = small.rows(code, "SELECT external_id, paid FROM fct_orders")
    assert {row["external_id"]: row["paid"] for row in stored} == {sale.id: sale.paid for sale in sales}


# One client of several


def test_a_client_with_a_dead_token_does_not_stop_the_next(agency: Agency) -> None:
    agency.onboarded()
    agency.secret(agency.first, "NUVEMSHOP_TOKEN", WRONG)
    said = agency.cortex("run", "daily", "--all", as_json=True)
    assert said.code == 6
    assert said.envelope["error"]["code"] == "CTX-9003"
    assert agency.first in said.envelope["error"]["message"]
    assert said.envelope["next"] == [f"cortex run daily {agency.first}"]
    by_client = {result["client"]: result["status"] for result in said.data}
    assert by_client == {agency.first: "partial", agency.second: "ok"}
    assert agency.one(agency.second, "SELECT COUNT(*) AS n FROM fct_orders") > 0
    assert len(agency.counted(agency.second, "meta")) > 0


def test_a_broken_file_does_not_stop_the_others(small: Agency) -> None:
    small.onboarded()
    small.edit(small.first, r"store_id:", "stor_id:")
    said = small.cortex("backfill", "--days", "7", as_json=True)
    assert said.code == 6
    assert said.envelope["next"] == [f"cortex backfill {small.first} --days 7"]
    broken = next(each for each in said.data if each["client"] == small.first)
    assert broken["error"]["exit"] == 3
    assert "store_id" in json.dumps(broken["error"]["problems"])
    assert small.one(small.second, "SELECT COUNT(*) AS n FROM fct_orders") > 0
    plain = small.cortex("run", "daily", "--all")
    assert plain.code == 6
    assert f"tenants/{small.first}.yaml:" in plain.err
    assert "1 of 2 clients failed" in plain.err
    named = small.cortex("run", "daily", small.first, small.second)
    assert named.code == 6
    dry = small.cortex("run", "daily", "--all", "--dry-run", as_json=True)
    assert (dry.code, [each["client"] for each in dry.data]) == (6, [small.second])


def test_every_client_failing_is_a_failure(small: Agency) -> None:
    small.onboarded()
    for code in small.codes:
        small.secret(code, "NUVEMSHOP_TOKEN", WRONG)
    said = small.cortex("run", "daily", "--all", as_json=True)
    assert said.code == 1
    assert said.envelope["error"]["code"] == "CTX-9002"
    for code in small.codes:
        small.edit(code, r"platform:", "plattform:")
    assert small.cortex("run", "daily", "--all").code == 1


def test_a_client_that_is_off_is_left_out_of_runs_without_names(small: Agency) -> None:
    small.onboarded()
    small.edit(small.first, r"(  currency: .*\n)", r"\1  active: false\n")
    said = small.ok("run", "daily", "--all", as_json=True)
    assert said.data["client"] == small.second
    assert small.one(small.first, "SELECT COUNT(*) AS n FROM fct_orders") == 0
    assert small.ok("run", "daily", small.first, as_json=True).data["client"] == small.first


# Policy


def test_without_a_consent_policy_nothing_leaves_and_everything_else_is_done(agency: Agency) -> None:
    code = agency.first
    agency.edit(code, r"privacy:\n  consent:\n    mode: .*\n", "")
    onboarded = agency.ok("onboard", code, as_json=True)
    assert "privacy.consent" in json.dumps(onboarded.envelope["warnings"])
    before = conversion_calls(agency)
    agency.ok("backfill", code, "--days", str(DAYS))
    said = agency.cortex("run", "daily", code, as_json=True)
    assert said.code == 9
    assert said.envelope["error"]["code"] == "CTX-6001"
    assert conversion_calls(agency) == before
    assert agency.running.received.deliveries() == []
    failed = {name for name, status in statuses(said).items() if status != "ok"}
    assert failed == {"conversions.meta_capi", "conversions.google_ec"}
    assert agency.one(code, "SELECT COUNT(*) AS n FROM conversion_identifiers") == 0
    reasons = agency.rows(code, "SELECT reason, COUNT(*) AS n FROM conversion_outbox GROUP BY reason")
    assert {row["reason"] for row in reasons} >= {"no_consent_policy"}
    assert agency.one(code, "SELECT COUNT(*) AS n FROM fct_attribution") > 0
    plain = agency.cortex("run", "conversions", code)
    assert plain.code == 9
    assert "privacy.consent.mode" in plain.err


def test_a_policy_written_later_lets_them_go(small: Agency) -> None:
    code = small.first
    path = small.root / "tenants" / f"{code}.yaml"
    whole = path.read_text(encoding="utf-8")
    small.edit(code, r"privacy:\n  consent:\n    mode: .*\n", "")
    small.onboarded(code)
    small.ok("backfill", code, "--days", str(DAYS))
    assert small.cortex("run", "daily", code).code == 9
    path.write_text(whole, encoding="utf-8")
    small.ok("run", "daily", code)
    recent = truth.sales(small.shop(code), NOW, since=truth.today(NOW) - timedelta(days=8))
    owed = truth.due(recent, NOW, **truth.META)
    assert len(owed) > 5
    assert small.counted(code, "meta") == owed


@pytest.mark.parametrize(("kind", "platform"), [("meta_capi", "meta"), ("google_ec", "data_manager")])
def test_a_destination_that_is_off_is_not_called_and_shown_as_off(small: Agency, kind: str, platform: str) -> None:
    code = small.first
    small.edit(code, rf"(  {kind}:\n    enabled: )true", r"\1false")
    said = small.ok("onboard", code, as_json=True)
    assert f"offline_conversions.{kind}" not in {check["platform"] for check in said.data["credentials"]}
    small.ok("backfill", code, "--days", "10")
    run = small.ok("run", "daily", code, as_json=True)
    assert f"conversions.{kind}" not in statuses(run)
    assert small.counted(code, platform) == {}
    if kind == "google_ec":
        assert [call for call in small.running.received.calls() if call.platform == "data_manager"] == []
    else:
        assert [path for path in conversion_calls(small) if path.endswith("/events")] == []
    assert kind not in {row["destination"] for row in small.rows(code, "SELECT destination FROM conversion_outbox")}
    shown = small.ok("config", "show", code, "--resolved").out
    assert [line for line in shown.splitlines() if f"{kind}.enabled" in line and "false" in line.lower()]


# Not ready, not now


def test_a_client_without_a_schema_is_sent_to_onboarding(agency: Agency) -> None:
    before = files(agency.root)
    for words in (("run", "daily"), ("run", "hourly"), ("backfill",), ("report",)):
        said = agency.cortex(*words, agency.first, as_json=True)
        assert said.code == 5, words
        assert said.envelope["error"]["code"] == "CTX-5002"
        assert said.envelope["error"]["fix"] == f"cortex onboard {agency.first}"
    assert files(agency.root) == before
    assert not exists(agency, agency.first)
    assert not agency.state.exists()
    assert agency.running.received.calls() == []


def test_a_database_that_is_away_is_named_and_nothing_is_left_behind(small: Agency) -> None:
    small.environment["CORTEX_DATABASE_URL"] = "mysql+pymysql://cortex:hidden-password@127.0.0.1:9"
    before = files(small.root)
    for words in (("onboard", small.first), ("run", "daily", small.first), ("status",), ("health",), ("doctor",)):
        said = small.cortex(*words)
        assert said.code == 5, words
        assert "127.0.0.1:9" in said.text
        assert "hidden-password" not in said.text
    assert files(small.root) == before


def test_two_runs_of_one_client_never_meet(agency: Agency) -> None:
    code = agency.first
    agency.onboarded(code)
    with Control.open(agency.database, agency.state) as control:
        now = NOW.now(NOW.tzinfo)
        name = f"tenant:{code}"
        epoch = control.acquire(name, owner="somebody", host="elsewhere:1", ttl=timedelta(minutes=5), now=now)
        assert epoch is not None
        try:
            said = agency.cortex("run", "daily", code, as_json=True)
            assert said.code == 7
            assert said.envelope["error"]["code"] == "CTX-5011"
            assert said.envelope["error"]["retryable"] is True
            assert "elsewhere:1" in said.envelope["error"]["message"]
            assert "--wait" in agency.cortex("run", "daily", code).err
            assert agency.cortex("run", "daily", code, "--wait", "1s").code == 7
            assert agency.one(code, "SELECT COUNT(*) AS n FROM fct_orders") == 0
        finally:
            control.release(name, owner="somebody", epoch=epoch)
    agency.ok("run", "daily", code, "--only", "ads.meta")


def test_a_run_waits_for_the_other_one(small: Agency) -> None:
    code = small.first
    small.onboarded(code)
    with Control.open(small.database, small.state) as control:
        now = NOW.now(NOW.tzinfo)
        assert control.acquire(f"tenant:{code}", owner="x", host="elsewhere:1", ttl=timedelta(seconds=2), now=now)
    small.ok("run", "daily", code, "--wait", "30s", "--only", "store.products")


# What cannot be asked for


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run", "daily", "aurra_zz"), "CTX-1001", "Unknown client"),
        (("run", "dayly", "CLIENT"), "CTX-1006", "Did you mean daily?"),
        (("run", "backfill", "CLIENT"), "CTX-1013", "command of its own"),
        (("run", "daily"), "CTX-1017", "No client"),
        (("run", "daily", "CLIENT", "--all"), "CTX-1015", "not both"),
        (("run", "daily", "CLIENT", "--date", "2026-13-01"), "CTX-1018", "is not a day"),
        (("run", "daily", "CLIENT", "--date", "19/11/2026"), "CTX-1018", "is not a day"),
        (("run", "daily", "CLIENT", "--date", "2026-11-20"), "CTX-1007", "ends yesterday (2026-11-19)"),
        (("run", "daily", "CLIENT", "--date", "2027-01-01"), "CTX-1007", "America/Sao_Paulo"),
        (("run", "daily", "CLIENT", "--only", "ads.tiktok"), "CTX-1009", "ads.tiktok"),
        (("run", "daily", "CLIENT", "--wait", "soon"), "CTX-1019", "soon"),
        (("backfill", "--days", "0"), "CTX-1008", "out of range"),
        (("backfill", "--days", "5000"), "CTX-1008", "out of range"),
        (("backfill", "CLIENT", "--days", "-3"), "CTX-1008", "out of range"),
        (("run", "daily", "CLIENT", "--days", "0"), "CTX-1008", "out of range"),
        (("report", "CLIENT", "--days", "0"), "CTX-1008", "out of range"),
        (("report", "CLIENT", "--days", "99999999"), "CTX-1008", "out of range"),
        (("report", "CLIENT", "--from", "2026-11-10", "--to", "2026-11-01"), "CTX-1027", "is empty"),
        (("onboard", "Loja-XYZ"), "CTX-1030", "loja_xyz"),
        (("onboard", "../../etc/passwd"), "CTX-1030", "etc_passwd"),
        (("runs", "show", "nothing"), "CTX-1014", "nothing"),
        (("runs", "list", "aurra_zz"), "CTX-1001", "Unknown client"),
        (("status", "aurra_zz"), "CTX-1001", "Unknown client"),
        (("explain", "CTX-4l02"), "CTX-1020", "CTX-4"),
    ],
)  # fmt: skip
def test_usage_is_refused_with_exit_two_and_a_hint(done: Agency, words: tuple[str, ...], code: str, said: str) -> None:
    typed = [done.first if word == "CLIENT" else word for word in words]
    found = done.cortex(*typed, as_json=True)
    assert (found.code, found.envelope["error"]["code"]) == (2, code)
    assert said in found.envelope["error"]["message"] + found.envelope["error"]["fix"]
    assert found.err == ""
    plain = done.cortex(*typed)
    assert plain.code == 2
    assert plain.out == ""
    assert plain.err.splitlines()[-1] == f"  More: cortex explain {code}"


def test_a_misspelt_client_is_guessed(done: Agency) -> None:
    wrong = done.first.replace("aurora", "aurrora")
    said = done.cortex("run", "daily", wrong, as_json=True)
    assert (said.code, f"Did you mean {done.first}?" in said.envelope["error"]["message"]) == (2, True)


def test_a_bad_file_is_told_whole(small: Agency) -> None:
    path = small.root / "tenants" / f"{small.first}.yaml"
    text = path.read_text(encoding="utf-8")
    text = text.replace('timezone: "America/Sao_Paulo"', 'timezone: "Sao Paulo"').replace("act_", "atc_")
    path.write_text(text.replace("property_id:", "propertyid:") + "aerts: {}\n", encoding="utf-8")
    before = files(small.root)
    for words in (("onboard", small.first), ("run", "daily", small.first), ("config", "validate")):
        said = small.cortex(*words, as_json=True)
        assert said.code == 3, words
        keys = {problem["key"] for problem in said.envelope["error"]["problems"]}
        assert {"client.timezone", "ads.meta.account_id", "analytics.ga4.propertyid", "aerts"} <= keys
        hints = " ".join(problem["hint"] + problem["text"] for problem in said.envelope["error"]["problems"])
        assert "America/Sao_Paulo" in hints
        assert "property_id" in hints
    plain = small.cortex("config", "validate", small.first)
    assert re.search(rf"tenants/{small.first}\.yaml:\d+:\d+ client\.timezone: ", plain.err)
    assert files(small.root) == before


def test_a_folder_that_is_no_workspace(tmp_path: Path, small: Agency) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    shutil.rmtree(small.root / "tenants")
    assert small.cortex("backfill").code == 2
    assert small.cortex("run", "daily", "--all").code == 2
    said = small.cortex("onboard", "xyz")
    assert (said.code, "cortex init" in said.err) == (3, True)
    assert not small.state.exists()


# The envelope


ENVELOPE = {"schema", "ok", "command", "client", "run_id", "data", "warnings", "error", "next"}
ERROR = {"code", "exit", "retryable", "message", "fix", "docs"}


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (("onboard", "CLIENT", "--dry-run"), "onboard"),
        (("run", "daily", "CLIENT", "--dry-run"), "run daily"),
        (("backfill", "--days", "3", "--dry-run"), "backfill"),
        (("report", "CLIENT"), "report"),
        (("status",), "status"),
        (("health",), "health"),
        (("doctor",), "doctor"),
        (("runs", "list"), "runs list"),
        (("tenants", "list"), "tenants list"),
        (("tenants", "show", "CLIENT"), "tenants show"),
        (("config", "validate"), "config validate"),
        (("config", "show", "CLIENT"), "config show"),
        (("config", "schema"), "config schema"),
        (("db", "status"), "db status"),
        (("db", "migrate", "--all", "--dry-run"), "db migrate"),
        (("tracking", "export", "CLIENT"), "tracking export"),
        (("explain", "CTX-5002"), "explain"),
        (("version",), "version"),
    ],
)
def test_every_command_answers_in_the_same_envelope(done: Agency, words: tuple[str, ...], command: str) -> None:
    said = done.cortex(*[done.first if word == "CLIENT" else word for word in words], as_json=True)
    assert said.code == 0, said.text
    envelope: dict[str, Any] = said.envelope
    assert said.out.count("\n") == 1
    assert said.err == ""
    assert set(envelope) == ENVELOPE
    assert (envelope["schema"], envelope["ok"], envelope["command"], envelope["error"]) == (
        "cortex/v1",
        True,
        command,
        None,
    )
    assert envelope["data"] is not None


def test_a_failure_answers_in_the_same_envelope(done: Agency) -> None:
    for words, command, code in (
        (("run", "daily", "nobody_here"), "run", 2),
        (("run",), "run", 2),
        (("nonsense",), "", 2),
        (("runs", "show", "x"), "runs show", 2),
        (("config", "validate", "nobody_here"), "config validate", 2),
        (("--log-format", "xml", "status"), "status", 2),
    ):
        said = done.cortex(*words, as_json=True)
        assert said.code == code, words
        assert set(said.envelope) == ENVELOPE
        assert (said.envelope["ok"], said.envelope["command"]) == (False, command)
        assert set(said.envelope["error"]) == ERROR
        assert said.envelope["error"]["exit"] == code


def test_nothing_in_the_workspace_can_be_reached_by_a_name(small: Agency) -> None:
    """Client codes become paths and schemas: what is no code never gets that far."""
    before = files(small.root)
    for name in ("..", "a/b", "a\\b", "a;drop", "cortex_control", "control", "%2e%2e", "ção", "a" * 40, "--", ""):
        said = small.cortex("onboard", "--", name)
        assert said.code in {2, 3}, name
    assert files(small.root) == before
    assert not small.state.exists()
