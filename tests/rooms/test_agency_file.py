"""tenants/_agency.yaml: what holds for every client, what a client's own file changes of it, and what is wrong in either."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cortex import tenant as tenants
from cortex.errors import ConfigError
from cortex.notify.email import EmailSection
from cortex.notify.slack import SlackSection
from cortex.tenant import Agency
from cortex.workspace import Workspace

CLIENT = (
    'client: {name: Loja, code: xyz, timezone: America/Sao_Paulo}\necommerce: {platform: nuvemshop, store_id: "1"}\n'
)
AGENCY = """
agency: {name: "Agência", lang: en}
notifications:
  slack: {when: always}
  email: {host: smtp.agencia.example, user: cortex@agencia.example, recipients: [plantao@agencia.example], severity: critical}
  reminder_hours: 48
"""


def both(workspace: Workspace, agency: str | None, client: str = "") -> tuple[tenants.Tenant, Agency]:
    (workspace.tenants / "xyz.yaml").write_text(CLIENT + client, encoding="utf-8")
    if agency is not None:
        (workspace.tenants / "_agency.yaml").write_text(agency, encoding="utf-8")
    return tenants.load(workspace, "xyz"), tenants.load_agency(workspace)


def used(workspace: Workspace, agency: str | None, client: str = "") -> dict[str, Any]:
    return tenants.channels(*both(workspace, agency, client))


def test_without_any_word_nobody_is_told(workspace: Workspace) -> None:
    assert used(workspace, None) == {}
    assert tenants.general_channels(tenants.load_agency(workspace)) == {}


def test_the_agencys_channels_serve_every_client(workspace: Workspace) -> None:
    found = used(workspace, AGENCY)
    assert found["slack"].when == "always"
    assert (found["email"].recipients, found["email"].severity) == (("plantao@agencia.example",), "critical")
    assert set(tenants.general_channels(tenants.load_agency(workspace))) == {"slack", "email"}
    assert tenants.load_agency(workspace).own.name == "Agência"


def test_a_key_of_the_clients_own_wins_and_the_rest_stays(workspace: Workspace) -> None:
    own = "notifications:\n  slack: {severity: critical}\n  email: {user: loja@cliente.example}\n  reminder_hours: 6\n"
    found = used(workspace, AGENCY, own)
    assert (found["slack"].when, found["slack"].severity) == ("always", "critical")
    assert (found["email"].user, found["email"].host) == ("loja@cliente.example", "smtp.agencia.example")
    assert tenants.reminder_hours(*both(workspace, AGENCY, own)) == 6
    assert tenants.reminder_hours(*both(workspace, AGENCY)) == 48


def test_the_recipients_of_alerts_come_before_the_agencys_and_after_the_blocks_own(workspace: Workspace) -> None:
    alerts = "alerts: {email_recipients: [gestor@cliente.example]}\n"
    assert used(workspace, AGENCY, alerts)["email"].recipients == ("gestor@cliente.example",)
    own = alerts + "notifications:\n  email: {recipients: [ana@agencia.example]}\n"
    assert used(workspace, AGENCY, own)["email"].recipients == ("ana@agencia.example",)


def test_a_name_in_alerts_alone_puts_the_channel_to_use(workspace: Workspace) -> None:
    found = used(workspace, None, 'alerts: {slack_channel: "#xyz", email_recipients: [gestor@cliente.example]}\n')
    assert isinstance(found["slack"], SlackSection)
    assert isinstance(found["email"], EmailSection)
    assert found["slack"].when == "failure"


@pytest.mark.parametrize("off", ["enabled: false", "when: never"])
def test_a_client_can_be_left_out(workspace: Workspace, off: str) -> None:
    found = used(workspace, AGENCY, f"notifications:\n  slack: {{{off}}}\n")
    assert set(found) == {"email"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "notifications:\n  slak: {when: always}\n",
            "2:3 notifications.slak: is not a key of this block. Did you mean slack?",
        ),
        ("notifications:\n  slack: {when: allways}\n", "2:17 notifications.slack.when: must be"),
        (
            "notification:\n  slack: {}\n",
            "1:1 notification: is not a block of this file. Blocks: agency, notifications.",
        ),
        ("agency: {lang: fr}\n", "1:16 agency.lang: must be"),
        ("notifications:\n  email: {host: smtp.x.example, security: none}\n", "would send the password unencrypted"),
        (
            "notifications:\n  email: {host: 'https://smtp.x.example'}\n",
            "notifications.email.host: must be the name of a server",
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_place(workspace: Workspace, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        both(workspace, text)
    assert caught.value.code == "CTX-3001"
    assert any(said in str(problem) for problem in caught.value.problems), [str(each) for each in caught.value.problems]
    assert all(problem.file == "tenants/_agency.yaml" for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("line", "variable"),
    [
        ("  slack: {api_url: 'https://hooks.slack.com/services/T0/B0/abcdefgh12345678'}", "CORTEX_SLACK_WEBHOOK"),
        ("  email: {password: hunter2hunter2}", "CORTEX_"),
        ("  # SG.abcdefghijklmnopqrst.abcdefghijklmnopqrst", "CORTEX_SMTP_PASSWORD"),
    ],
)
@pytest.mark.parametrize("whose", ["agency", "client"])
def test_a_credential_in_the_file_is_found_and_not_repeated(
    workspace: Workspace, line: str, variable: str, whose: str
) -> None:
    text = f"notifications:\n{line}\n  reminder_hours: 2\n"
    with pytest.raises(ConfigError) as caught:
        both(workspace, text if whose == "agency" else None, text if whose == "client" else "")
    said = " ".join(map(str, caught.value.problems))
    assert caught.value.code == "CTX-3003"
    assert variable.replace("CORTEX_", "CORTEX_XYZ_" if whose == "client" else "CORTEX_") in said
    for secret in ("abcdefgh12345678", "hunter2", "abcdefghijklmnopqrst"):
        assert secret not in said


def test_two_files_that_make_no_sense_together_are_refused(workspace: Workspace) -> None:
    tenant, agency = both(workspace, AGENCY, "notifications:\n  email: {security: none}\n")
    with pytest.raises(ConfigError) as caught:
        tenants.channels(tenant, agency)
    assert caught.value.code == "CTX-8110"
    assert "unencrypted" in caught.value.message


def test_credentials_a_client_file_asks_for_are_named(workspace: Workspace, tmp_path: Path) -> None:
    own = "notifications:\n  slack: {when: failure}\n  email: {host: smtp.x.example, user: u}\n"
    tenant, _ = both(workspace, None, own)
    assert [each.secret.name for each in tenants.credentials(tenant)][-2:] == ["SLACK_WEBHOOK", "SMTP_PASSWORD"]
    assert "CORTEX_XYZ_SMTP_PASSWORD=" in tenants.env_example([tenant])
    tenant, _ = both(workspace, None, own.replace(", user: u", ""))
    assert [each.secret.name for each in tenants.credentials(tenant)][-1] == "SLACK_WEBHOOK"
