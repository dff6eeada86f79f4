"""Slack and e-mail as they are: what each refusal means, that a pause is kept, that no password leaves unencrypted."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from cortex.errors import ConfigError, CortexError, CredentialError, PlatformError, Throttled, Transient
from cortex.limits import Limit
from cortex.notify import at_least
from cortex.notify.email import Email, EmailSection
from cortex.notify.slack import Slack, SlackSection, clipped, payload
from cortex.records import Message, Notice, Paragraph, Sentence
from cortex.secrets import Vault
from cortex.settings import Access
from tests.contracts.test_notify import NOW
from tests.faulty import FaultyServer, reply
from tests.mailbox import Mailbox, serving
from tests.rooms.test_database_tls import certificates

MESSAGE = Message(
    title="✓ Loja", paragraphs=(Paragraph("Números", (Sentence("Pedidos pagos: 3", "cortex runs show 1"),)),)
)
WEBHOOK = "https://hooks.slack.com/services/T1/B1/abcDEF123"


@dataclass
class Told:
    """An access whose waits are counted instead of waited."""

    folder: Path
    secrets: dict[str, str]
    waits: list[float] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    @property
    def access(self) -> Access:
        vault = Vault("xyz", self.folder, {f"CORTEX_XYZ_{name}": value for name, value in self.secrets.items()})
        return Access("xyz", vault, ZoneInfo("UTC"), lambda: NOW, self.notices.append, sleep=self.waits.append)


# Slack


def slack_says(tmp_path: Path, *answers: bytes) -> tuple[object, Told, FaultyServer]:
    """What becomes of a message when Slack answers like this, one request after the other."""
    told = Told(tmp_path, {"SLACK_WEBHOOK": WEBHOOK})
    asked = iter(answers)
    with FaultyServer(lambda _path, _query: [next(asked)]) as server:
        channel = Slack(SlackSection(api_url=server.url), told.access)
        try:
            return channel.send(MESSAGE), told, server
        except CortexError as failure:
            return failure, told, server


@pytest.mark.parametrize(
    ("status", "word", "kind", "code"),
    [
        (404, "no_service", CredentialError, "CTX-8101"),
        (403, "action_prohibited", CredentialError, "CTX-8101"),
        (403, "invalid_token", CredentialError, "CTX-8101"),
        (404, "channel_not_found", PlatformError, "CTX-8102"),
        (410, "channel_is_archived", PlatformError, "CTX-8102"),
        (403, "posting_to_general_channel_denied", PlatformError, "CTX-8102"),
        (400, "invalid_payload", PlatformError, "CTX-8103"),
        (400, "no_text", PlatformError, "CTX-8103"),
        (500, "rollup_error", Transient, "CTX-8105"),
    ],
)
def test_what_slack_says_has_a_name_and_is_asked_once(
    tmp_path: Path, status: int, word: str, kind: type[CortexError], code: str
) -> None:
    failure, told, _ = slack_says(tmp_path, reply(status, word.encode(), Content_Type="text/html"))
    assert isinstance(failure, kind)
    assert failure.code == code
    assert word in failure.message or code == "CTX-8105"
    assert told.waits == []
    assert "abcDEF123" not in str(failure)


def test_a_pause_slack_asks_for_is_kept_and_the_message_sent_again(tmp_path: Path) -> None:
    said, told, _ = slack_says(
        tmp_path, reply(429, b"rate_limited", Retry_After="7"), reply(200, b"ok", Content_Type="text/plain")
    )
    assert said == "ok"
    assert told.waits[0] == 7.0, "then the second in which the first was counted"
    assert sum(told.waits) < 8.5


def test_a_pause_longer_than_a_run_waits_is_not_waited_for(tmp_path: Path) -> None:
    failure, told, _ = slack_says(tmp_path, reply(429, b"rate_limited", Retry_After="3600"))
    assert isinstance(failure, Throttled)
    assert failure.code == "CTX-8104"
    assert told.waits == []


@pytest.mark.parametrize(
    "webhook",
    [
        "https://hooks.slack.com.evil.example/services/T1/B1/x",
        "http://hooks.slack.com/services/T1/B1/x",
        "https://hooks.slack.com/workflows/T1/B1/x",
        "https://hooks.slack.com/services/T1/B1",
        "https://hooks.slack.com/services/T1/B1/x/../../y",
        "xoxb-123-456",
    ],
)
def test_only_an_incoming_webhook_of_slack_is_posted_to(tmp_path: Path, webhook: str) -> None:
    told = Told(tmp_path, {"SLACK_WEBHOOK": webhook})
    with pytest.raises(CredentialError) as caught:
        Slack(SlackSection(), told.access).send(MESSAGE)
    assert caught.value.code == "CTX-8106"
    assert webhook not in f"{caught.value} {caught.value.fix}"


@dataclass
class Counting:
    """A keeper that notes what is shared, and holds the second call back."""

    limits: list[Limit] = field(default_factory=list)
    calls: int = 0

    def enter(self, _shared: object) -> None: ...

    def pace(self, shared: list[Limit]) -> Counting:
        self.limits += shared
        return self

    def hold(self) -> float:
        self.calls += 1
        return 0.25 if self.calls > 1 else 0.0

    def told(self, _scope: object, _seconds: float) -> None: ...


def test_clients_of_one_webhook_share_its_one_message_a_second(tmp_path: Path) -> None:
    keeper = Counting()
    for code in ("abc", "xyz"):
        vault = Vault(code, tmp_path, {"CORTEX_SLACK_WEBHOOK": WEBHOOK})
        waits: list[float] = []
        access = Access(code, vault, ZoneInfo("UTC"), lambda: NOW, limits=keeper, sleep=waits.append)
        with FaultyServer(lambda _path, _query: [reply(200, b"ok", Content_Type="text/plain")]) as server:
            Slack(SlackSection(api_url=server.url), access).send(MESSAGE)
    assert len({limit.name for limit in keeper.limits}) == 1
    assert {(limit.per_second, limit.burst) for limit in keeper.limits} == {(1.0, 1.0)}
    assert "abcDEF123" not in keeper.limits[0].name
    assert waits == [0.25]


def test_an_escape_is_never_cut_in_the_middle() -> None:
    assert clipped("&" * 400, 1000) == "&amp;" * 199 + "…"
    assert clipped("é" * 1000, 1000) == "é" * 1000
    body = payload(
        Message(title="&" * 9999, paragraphs=(Paragraph("<" * 9999, (Sentence(">" * 9999, "&" * 9999),) * 50),))
    )
    blocks: list[dict[str, dict[str, str]]] = body["blocks"]  # type: ignore[assignment]
    assert all(len(block["text"]["text"]) <= 3000 for block in blocks)
    assert sum(len(block["text"]["text"]) for block in blocks) <= 12_000


# E-mail


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    return certificates(tmp_path_factory.mktemp("mail"))


@pytest.fixture
def trusting(tls: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenSSL's own variable for which authorities are trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tls[0]))


def mail(box: Mailbox, folder: Path, password: str = "of the mail", **settings: object) -> tuple[Email, Told]:
    told = Told(folder, {"SMTP_PASSWORD": password} if password else {})
    config = {
        "host": "127.0.0.1", "port": box.port, "sender": "cortex@agencia.example",
        "recipients": ("gestor@cliente.example", "ana@agencia.example"),
    }  # fmt: skip
    return Email(EmailSection(**(config | settings)), told.access), told  # type: ignore[arg-type]


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("security", ["starttls", "ssl"])
def test_a_mail_is_logged_in_for_and_sent_over_tls(tmp_path: Path, tls: tuple[Path, Path, Path], security: str) -> None:
    box = Mailbox("apikey", "of the mail", certificate=tls[1:], implicit=security == "ssl")
    with serving(box):
        said = mail(box, tmp_path, security=security, user="apikey")[0].send(MESSAGE)
    assert said == "250 2.0.0 queued as 0001"
    assert box.recipients == [["gestor@cliente.example", "ana@agencia.example"]]
    (found,) = box.mails
    assert found["From"] == "Cortex <cortex@agencia.example>"
    assert found["Subject"] == "✓ Loja"
    assert found["Auto-Submitted"] == "auto-generated"
    assert found["Message-ID"].endswith("@agencia.example>")
    assert box.text() == "✓ Loja\n\nNúmeros\n- Pedidos pagos: 3\n    cortex runs show 1\n"
    assert (box.said[1] == "STARTTLS") == (security == "starttls")


@pytest.mark.parametrize(("security", "offered"), [("starttls", True), ("starttls", False), ("ssl", True)])
def test_no_password_and_no_message_go_to_a_server_that_cannot_prove_itself(
    tmp_path: Path, tls: tuple[Path, Path, Path], security: str, *, offered: bool
) -> None:
    box = Mailbox("u", "p", certificate=tls[1:], starttls=offered, implicit=security == "ssl")
    with serving(box), pytest.raises(PlatformError) as caught:
        mail(box, tmp_path, security=security, user="u")[0].send(MESSAGE)
    assert caught.value.code == "CTX-8112"
    assert not {"AUTH", "DATA"} & set(box.said)
    assert box.raw == []


@pytest.mark.usefixtures("trusting")
def test_a_wrong_password_is_a_credential_error_that_names_it(tmp_path: Path, tls: tuple[Path, Path, Path]) -> None:
    box = Mailbox("u@agencia.example", "right", certificate=tls[1:])
    with serving(box), pytest.raises(CredentialError) as caught:
        mail(box, tmp_path, password="wrong horse", user="u@agencia.example")[0].send(MESSAGE)
    assert caught.value.code == "CTX-8113"
    assert "SMTP_PASSWORD" in caught.value.fix
    assert "wrong horse" not in f"{caught.value}{caught.value.fix}"
    assert box.raw == []


def test_one_address_that_is_gone_silences_nobody_else(tmp_path: Path) -> None:
    box = Mailbox(answers={"gestor@cliente.example": "550 5.1.1 no gestor@cliente.example here"})
    with serving(box):
        channel, told = mail(box, tmp_path, security="none")
        assert channel.send(MESSAGE).startswith("250 ")
    assert box.recipients == [["ana@agencia.example"]]
    (notice,) = told.notices
    assert notice.code == "CTX-8114"
    assert "1 of 2" in notice.message
    assert "@" not in notice.message


@pytest.mark.parametrize(
    ("answers", "kind", "code"),
    [
        ({"MAIL": "550 5.7.1 sender not verified"}, PlatformError, "CTX-8114"),
        ({"MAIL": "451 4.7.1 try later"}, Transient, "CTX-8115"),
        ({"gestor@cliente.example": "550 5.1.1 no", "ana@agencia.example": "550 5.1.1 no"}, PlatformError, "CTX-8114"),
        ({"DOT": "554 5.7.1 looks like spam"}, PlatformError, "CTX-8114"),
        ({"EHLO": "421 4.3.2 closing", "HELO": "421 4.3.2 closing"}, Transient, "CTX-8111"),
    ],
)
def test_what_the_server_says_has_a_name(
    tmp_path: Path, answers: dict[str, str], kind: type[CortexError], code: str
) -> None:
    box = Mailbox(answers=answers)
    with serving(box), pytest.raises(kind) as caught:
        mail(box, tmp_path, security="none")[0].send(MESSAGE)
    assert caught.value.code == code


@pytest.mark.parametrize("verb", ["EHLO", "RCPT", "DOT"])
def test_a_server_that_hangs_up_may_have_the_mail_or_not(tmp_path: Path, verb: str) -> None:
    box = Mailbox(hangs_up=verb)
    with serving(box), pytest.raises(Transient) as caught:
        mail(box, tmp_path, security="none")[0].send(MESSAGE)
    assert (caught.value.code, caught.value.sent) == ("CTX-8111", True)


def test_a_server_that_is_not_there_is_found_out_quickly(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(Transient) as caught:
        mail(Mailbox(port=9), tmp_path, security="none")[0].send(MESSAGE)
    assert (caught.value.code, caught.value.sent) == ("CTX-8111", False)
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"host": None}, "email.host"), ({"sender": None}, "email.sender"), ({"recipients": ()}, "email.recipients")],
)
def test_what_is_not_said_is_asked_for_by_its_key(tmp_path: Path, settings: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        mail(Mailbox(port=9), tmp_path, security="starttls", **settings)[0].send(MESSAGE)
    assert caught.value.code == "CTX-8110"
    assert named in caught.value.message


def test_plain_text_is_for_this_machine_alone() -> None:
    with pytest.raises(ValidationError, match="unencrypted"):
        EmailSection(host="smtp.agencia.example", security="none")
    assert EmailSection(host="localhost", security="none").port is None


def test_severities_have_an_order() -> None:
    order = ["info", "warning", "critical"]
    for at, one in enumerate(order):
        assert [at_least(one, least) for least in order] == [at >= floor for floor in range(3)]


def test_the_mail_server_of_the_tests_says_no_to_strangers(tmp_path: Path, tls: tuple[Path, Path, Path]) -> None:
    """What would make the tests above pass whatever the client does."""
    box = Mailbox("u", "p", certificate=tls[1:])
    with serving(box), pytest.raises(PlatformError):
        mail(box, tmp_path, security="none")[0].send(MESSAGE)
    assert box.raw == []
