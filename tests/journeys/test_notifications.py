"""What people hear of runs, through the whole product: in Slack's channel and in their mail, never a buyer, never a secret."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from cortex import tenant as tenants
from cortex.reports.page import Words
from cortex.runner import engine, plan, recipes
from cortex.workspace import Workspace
from tests.journeys.agency import Agency, environment
from tests.journeys.test_canaries import assert_nobody, canaries, secrets
from tests.mailbox import Mailbox, serving

DAYS = ("--days", "3")


def slack(agency: Agency, code: str, **says: object) -> str:
    """Give a client a channel of its own. Returns its name."""
    channel = f"#{code}"
    settings = {"api_url": agency.running.http_url, **says}
    path = agency.root / "tenants" / f"{code}.yaml"
    block = f"notifications:\n  slack: {json.dumps(settings)}\n"
    path.write_text(path.read_text(encoding="utf-8") + block, encoding="utf-8")
    agency.secret(code, "SLACK_WEBHOOK", agency.running.slack.webhook(channel))
    return channel


def agency_file(agency: Agency, text: str) -> None:
    (agency.root / "tenants" / "_agency.yaml").write_text(text, encoding="utf-8")


def agency_secret(agency: Agency, name: str, value: str) -> None:
    path = agency.root / ".env"
    path.write_text(path.read_text(encoding="utf-8") + f"CORTEX_{name}={value}\n", encoding="utf-8")


def break_meta(agency: Agency, code: str) -> str:
    """Meta refuses the client's token. Returns the good one."""
    shop = agency.shop(code)
    agency.secret(code, "META_TOKEN", "a-token-that-was-revoked")
    return shop.meta_token


def test_a_run_that_goes_well_is_told_where_it_is_asked_for_with_its_figures(agency: Agency) -> None:
    code = agency.first
    agency.onboarded(code)
    channel = slack(agency, code, when="always")
    run_id = agency.ok("run", "daily", code, *DAYS, as_json=True).envelope["run_id"]
    (shown,) = agency.running.slack.shown(channel)
    sold = agency.rows(
        code, "SELECT SUM(orders) AS orders, SUM(gross_revenue) AS gross_revenue, SUM(refunds) AS refunds"
        " FROM agg_daily_sales WHERE day = :day", day=agency.hand.now.date() - timedelta(1)
    )[0]  # fmt: skip
    words = Words("pt-BR", "BRL")
    assert shown.startswith(f"*✓ {agency.shop(code).name} ({code}): execução diária concluída*")
    assert f"Pedidos pagos: {sold['orders']}" in shown
    assert f"Receita líquida: {words.money(sold['gross_revenue'] - sold['refunds'])}" in shown
    for kind, name in (("meta_capi", "Meta (API de Conversões)"), ("google_ec", "Google (Data Manager)")):
        count, value = len(agency.settled(code, kind)), sum(agency.settled(code, kind).values(), Decimal(0))
        assert f"{name}: {count} aceitas ({words.money(value)}); " in shown
    assert "não enviadas: " in shown
    assert "consentimento" in shown
    assert f"`cortex runs show {run_id}`" in shown


@pytest.mark.parametrize(("lang", "said"), [("en", "daily run done"), ("es", "ejecución diaria terminada")])
def test_every_client_hears_it_in_its_language(small: Agency, lang: str, said: str) -> None:
    code = small.first
    small.onboarded(code)
    small.edit(code, "client:\n", f"client:\n  lang: {lang}\n")
    channel = slack(small, code, when="always")
    small.ok("run", "daily", code, *DAYS)
    assert said in small.running.slack.shown(channel)[0]


def test_a_failure_names_step_code_fix_and_where_to_look_once_until_it_is_mended(agency: Agency) -> None:
    code = agency.first
    agency.onboarded(code)
    channel = slack(agency, code)
    shown = lambda: agency.running.slack.shown(channel)  # noqa: E731  # the channel as it is then
    agency.ok("run", "daily", code, *DAYS)
    assert shown() == [], "what goes well is not told unless it is asked for"
    good = break_meta(agency, code)
    said = agency.cortex("run", "daily", code, *DAYS, as_json=True)
    assert said.code == 4
    (first,) = shown()
    assert "execução diária com falhas" in first
    assert "ads.meta: CTX-4101 " in first
    assert "`cortex explain CTX-4101`" in first
    assert f"`cortex runs show {said.envelope['run_id']}`" in first
    agency.cortex("run", "hourly", code)
    agency.cortex("run", "daily", code, *DAYS)
    assert len(shown()) == 1, "the same condition is no news"
    agency.forward(hours=25)
    agency.cortex("run", "daily", code, *DAYS)
    assert len(shown()) == 2
    assert "com falhas" in shown()[1]
    agency.secret(code, "META_TOKEN", good)
    agency.ok("run", "daily", code, *DAYS)
    assert "*Resolvido*\n• ads.meta está sem credencial válida" in shown()[2]
    agency.ok("run", "daily", code, *DAYS)
    assert len(shown()) == 3


def test_a_dry_run_tells_nobody(small: Agency) -> None:
    code = small.first
    small.onboarded(code)
    slack(small, code, when="always")
    small.ok("run", "daily", code, "--dry-run")
    small.ok("backfill", code, "--days", "8", "--dry-run")
    assert small.running.slack.posts == []


def test_never_is_never(small: Agency) -> None:
    code = small.first
    small.onboarded(code)
    slack(small, code, when="never")
    break_meta(small, code)
    assert small.cortex("run", "daily", code, *DAYS).code == 4
    assert small.running.slack.posts == []
    assert small.ok("alerts", "list", code, as_json=True).data, "it is written down all the same"


def test_a_channel_that_refuses_is_a_warning_of_the_run_and_the_next_run_tells(agency: Agency) -> None:
    code = agency.first
    agency.onboarded(code)
    channel = slack(agency, code, when="always")
    agency.running.slack.archive(channel)
    said = agency.ok("run", "daily", code, *DAYS, as_json=True)
    (warning,) = [each for each in said.envelope["warnings"] if each["code"] == "CTX-8121"]
    assert "CTX-8102" in warning["message"]
    stored = agency.rows(code, "SELECT stream, message FROM data_notices WHERE code = 'CTX-8121'")
    assert [row["stream"] for row in stored] == ["notify.slack"]
    assert any(line["event"] == "not notified" for line in agency.ok("logs", code, as_json=True).data)
    assert agency.ok("runs", "list", code, as_json=True).data[0]["status"] == "ok"
    break_meta(agency, code)
    assert agency.cortex("run", "daily", code, *DAYS).code == 4
    assert agency.running.slack.posts == []
    agency.running.slack._archived.clear()
    agency.cortex("run", "hourly", code)
    assert "ads.meta: CTX-4101" in agency.running.slack.shown(channel)[0]


def test_an_agency_has_one_channel_for_all_and_hears_of_all_of_them_together(small: Agency) -> None:
    small.onboarded()
    slack_block = json.dumps({"api_url": small.running.http_url})
    agency_file(small, f'agency: {{name: "Agência"}}\nnotifications:\n  slack: {slack_block}\n')
    agency_secret(small, "SLACK_WEBHOOK", small.running.slack.webhook("#plantao"))
    small.ok("run", "daily", "--all", *DAYS, "--jobs", "1")
    assert small.running.slack.posts == [], "everything went well, and only failures are asked for"
    break_meta(small, small.second)
    broken = small.root / "tenants" / "broken.yaml"
    broken.write_text("client: {name: x}\n", encoding="utf-8")
    assert small.cortex("run", "daily", "--all", *DAYS, "--jobs", "1").code == 6
    one, every = small.running.slack.shown("#plantao")
    assert f"({small.second})" in one
    assert "ads.meta: CTX-4101" in one
    assert every.startswith("*⚠ execução diária: 1 ok, 2 com falha · Agência*")
    assert f"{small.second}: CTX-4101" in every
    assert "broken: CTX-3001" in every
    assert small.first not in every
    broken.unlink()
    assert small.cortex("run", "daily", small.second, *DAYS).code == 4
    assert len(small.running.slack.posts) == 2, "a run of some clients has no summary"


def test_runs_in_processes_of_their_own_tell_as_well(small: Agency) -> None:
    small.onboarded()
    slack_block = json.dumps({"api_url": small.running.http_url, "when": "always"})
    agency_file(small, f"notifications:\n  slack: {slack_block}\n")
    agency_secret(small, "SLACK_WEBHOOK", small.running.slack.webhook("#plantao"))
    process = small.process("run", "daily", "--all", *DAYS, "--jobs", "2")
    _, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    shown = small.running.slack.shown("#plantao")
    assert [sum(f"({code})" in each for each in shown) for code in small.codes] == [1, 1]
    assert shown[-1].startswith("*✓ execução diária: 2 ok*")
    small.ok("run", "daily", small.first, *DAYS, "--queue")
    assert len(small.running.slack.posts) == 3
    worker = small.process("worker", "--drain", "--quiet")
    assert worker.wait(120) == 0
    assert len(small.running.slack.posts) == 4


def test_a_run_that_cannot_begin_is_told_too(small: Agency) -> None:
    code = small.first
    channel = slack(small, code)
    assert small.cortex("run", "daily", code, *DAYS).code == 5
    (shown,) = small.running.slack.shown(channel)
    assert "execução diária falhou" in shown
    assert "CTX-5002" in shown
    assert f"`cortex onboard {code}`" in shown


def test_a_file_of_the_agency_that_is_wrong_stops_no_run_and_is_found_by_validate(small: Agency) -> None:
    code = small.first
    small.onboarded(code)
    channel = slack(small, code, when="always")
    agency_file(small, "notifications:\n  slak: {when: always}\n")
    said = small.ok("run", "daily", code, *DAYS, as_json=True)
    assert any("_agency.yaml" in each["message"] for each in said.envelope["warnings"])
    assert len(small.running.slack.shown(channel)) == 1, "the client's own settings count"
    checked = small.cortex("config", "validate")
    assert checked.code == 3
    assert "tenants/_agency.yaml:2:3 notifications.slak" in checked.err
    assert "Did you mean slack?" in checked.err


def test_mail_goes_to_whom_the_client_file_names_through_the_agencys_server(small: Agency) -> None:
    code = small.first
    small.onboarded(code)
    path = small.root / "tenants" / f"{code}.yaml"
    path.write_text(path.read_text() + 'alerts:\n  email_recipients: ["gestor@cliente.example"]\n', encoding="utf-8")
    box = Mailbox()
    with serving(box):
        settings = {
            "host": "127.0.0.1", "port": box.port, "security": "none", "sender": "cortex@agencia.example",
            "recipients": ["plantao@agencia.example"],
        }  # fmt: skip
        agency_file(small, f"notifications:\n  email: {json.dumps(settings)}\n")
        small.ok("notify", "test", code)
        break_meta(small, code)
        assert small.cortex("run", "daily", "--all", *DAYS, "--jobs", "1").code in {1, 6}
    assert box.recipients[:2] == [["gestor@cliente.example"]] * 2
    assert box.recipients[-1] == ["plantao@agencia.example"], "the summary, and what no client file says otherwise"
    assert "execução diária com falhas" in box.mails[1]["Subject"]
    assert "- ads.meta: CTX-4101 " in box.text(1)
    assert "    cortex runs show " in box.text(1)


def test_no_buyer_and_no_credential_is_in_what_people_are_told(small: Agency) -> None:
    small.onboarded()
    for code in small.codes:
        slack(small, code, when="always", severity="info")
    box = Mailbox()
    with serving(box):
        settings = {
            "host": "127.0.0.1", "port": box.port, "security": "none", "sender": "cortex@agencia.example",
            "recipients": ["plantao@agencia.example"], "when": "always", "severity": "info",
        }  # fmt: skip
        agency_file(small, f"notifications:\n  email: {json.dumps(settings)}\n")
        small.ok("backfill", "--days", "8", "--jobs", "1")
        for code in small.codes:
            break_meta(small, code)
            small.secret(code, "NUVEMSHOP_TOKEN", "a-shop-token-that-was-revoked")
            small.cortex("run", "daily", code, "-v")
            small.cortex("alerts", "list", code, "--every", as_json=True)
            small.cortex("notify", "test", code, as_json=True)
    told = "\n".join([*small.running.slack.shown(), *(post.text for post in small.running.slack.posts)])
    mails = b"\n".join(box.raw)
    assert len(small.running.slack.posts) >= 6
    assert len(box.raw) >= 7
    known = canaries(*small.market.shops)
    for content in (told.encode(), mails):
        assert known.found(content) == []
        for token in (*secrets(*small.market.shops), b"that-was-revoked", b"sandboxwebhook"):
            assert token not in content
    assert_nobody(small, told)
    webhooks = [line for said in small.said for line in said.text.splitlines() if "sandboxwebhook" in line]
    assert webhooks == []


# The commands


def test_alerts_are_listed_read_and_put_aside(agency: Agency) -> None:
    code = agency.first
    agency.onboarded(code)
    assert agency.ok("alerts", "list", code).out == "Nothing is wrong.\n"
    break_meta(agency, code)
    agency.cortex("run", "daily", code, *DAYS)
    listed = agency.ok("alerts", "list", code)
    assert "ads.meta está sem credencial válida" in listed.out
    assert "crítico · desde" in listed.out
    assert "→ " in listed.out
    (found,) = [each for each in agency.ok("alerts", "list", as_json=True).data if each["subject"] == "ads.meta"]
    assert (found["client"], found["kind"], found["read_at"], found["facts"]["step"]) == (
        code,
        "credential",
        None,
        "ads.meta",
    )
    (standing,) = agency.ok("status", code, as_json=True).data
    count = len(agency.ok("alerts", "list", code, as_json=True).data)
    assert (standing["alerts"], standing["note"]) == (count, f"{count} alert{'s' if count > 1 else ''}")
    assert agency.ok("alerts", "read", code, as_json=True).data[0]["alert_id"] == found["alert_id"]
    assert "· lido" in agency.ok("alerts", "list", code).out
    assert agency.one(code, "SELECT SUM(is_read) AS times FROM rpt_open_alerts") >= 1
    for words in (
        ("dismiss", code),
        ("dismiss", code, "zzzz"),
        ("read", code, "zzzz"),
        ("dismiss", code, "z", "--all"),
    ):
        assert agency.cortex("alerts", *words, as_json=True).envelope["error"]["code"] == "CTX-8122", words
    agency.ok("alerts", "dismiss", code, found["alert_id"][:8])
    assert found["alert_id"] not in {each["alert_id"] for each in agency.ok("alerts", "list", code, as_json=True).data}
    every = agency.ok("alerts", "list", code, "--every", "--lang", "en")
    assert "ads.meta has no working credential" in every.out
    assert "dismissed" in every.out
    assert agency.cortex("alerts", "list", "nobody_zz").code == 2


def test_the_list_fits_a_narrow_terminal(small: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    code = small.first
    small.onboarded(code)
    break_meta(small, code)
    small.cortex("run", "daily", code, *DAYS)
    monkeypatch.setenv("COLUMNS", "80")
    lines = small.ok("alerts", "list", code).out.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) > 3


def test_a_test_message_shows_what_the_other_side_said(small: Agency, tmp_path: Path) -> None:
    code = small.first
    said = small.cortex("notify", "test", code, as_json=True)
    assert (said.code, said.envelope["error"]["code"]) == (2, "CTX-8120")
    channel = slack(small, code)
    assert small.ok("notify", "test", code, as_json=True).data == [
        {"channel": "slack", "to": "the webhook's channel", "when": "failure", "ok": True, "said": "ok"}
    ]
    assert "mensagem de teste" in small.running.slack.shown(channel)[0]
    assert small.cortex("notify", "test", code, "--channel", "email").code == 2
    small.running.slack.archive(channel)
    said = small.cortex("notify", "test", code)
    assert said.code == 1
    assert "CTX-8102" in said.err
    assert "channel_is_archived" in said.err
    small.secret(code, "SLACK_WEBHOOK", "")
    said = small.cortex("notify", "test", code)
    assert said.code == 4
    assert f"CORTEX_{code.upper()}_SLACK_WEBHOOK" in small.cortex("doctor", code).out
    assert f"CORTEX_{code.upper()}_SLACK_WEBHOOK" in said.err


# A step that is tried again


def test_a_source_that_is_away_for_a_moment_is_read_in_the_same_run(small: Agency) -> None:
    code = small.first
    small.onboarded(code)
    channel = slack(small, code)
    small.running.faults.once("/v1beta/", "503", times=3)  # as often as one request is repeated
    workspace = Workspace(small.root)
    tenant = tenants.load(workspace, code)
    recipe = recipes.load(workspace, "daily")
    window = plan.window_for(tenant, recipe, small.hand.now, days=3)
    with environment(small.environment):
        result = engine.execute(
            tenant, recipe, window, plan.steps(tenant, recipe, window), workspace=workspace, database=small.database,
            clock=small.hand, pauses=(0.01, 0.01),
        )  # fmt: skip
    assert small.running.faults.waiting == 0
    assert (result.status, [step.name for step in result.steps if "tries" in step.outcome.facts]) == (
        "ok",
        ["traffic.ga4"],
    )
    shown = small.ok("runs", "show", result.run_id)
    assert re.search(r"(?m)^traffic\.ga4, try 1: CTX-43\d\d .* Tried again after", shown.out)
    assert re.search(r"(?m)^traffic\.ga4 +ok +2 ", shown.out)
    assert small.running.slack.shown(channel) == [], "nothing is wrong any more"
    assert small.ok("alerts", "list", code, as_json=True).data == []
