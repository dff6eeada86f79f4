"""What every channel promises, whoever adds it: a message arrives as words alone, once, or a named error says why not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cortex import plugins, tenant
from cortex.errors import CortexError, CredentialError, PlatformError, Transient
from cortex.notify import Channel, ChannelSection
from cortex.records import Message, Notice, Paragraph, Sentence
from cortex.sandbox import Running, serve
from cortex.secrets import MASK, Vault
from cortex.settings import Access
from tests.journeys.agency import market
from tests.mailbox import Mailbox, serving

KINDS = plugins.kinds("notify")
ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
SECRET = "canarySecretOfTheChannel"
HOSTILE = Message(
    title="⚠ Loja <!channel> & Filhos: 5 > 3\r\nBcc: someone@example.com",
    paragraphs=(
        Paragraph("O que falhou", (Sentence("ads.meta: CTX-4103 *negrito* `x` <http://evil.example|clique>", "cortex doctor xyz"),)),
        Paragraph("", (Sentence("." * 10), Sentence("ação já não há: ç ã é €"))),
    ),
)  # fmt: skip
LONG = Message(
    title="t" * 400, paragraphs=tuple(Paragraph("p" * 200, (Sentence("x" * 5000, "c" * 5000),) * 9) for _ in range(80))
)


@dataclass
class Desk:
    """A channel, and the other side of it as a test sees it."""

    channel: Channel
    arrived: Callable[[], list[str]]
    """Every message that arrived, as people read it."""
    fail: Callable[[str], None]
    """Make the other side refuse: `auth`, `refused`, `broken` (temporary)."""
    waits: list[float]
    notices: list[Notice]
    forbidden: str
    """What would be more than words on this channel."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Running]:
    with serve(market(), google=False, rate_scale=1000) as running:
        yield running


def access(tmp_path: Path, secrets: dict[str, str], waits: list[float], notices: list[Notice]) -> Access:
    environment = {f"CORTEX_XYZ_{name}": value for name, value in secrets.items()}
    return Access(
        "xyz", Vault("xyz", tmp_path, environment), ZoneInfo("America/Sao_Paulo"), lambda: NOW, notices.append,
        sleep=waits.append,
    )  # fmt: skip


def of_slack(tmp_path: Path, stack: ExitStack, sandbox: Running) -> Desk:
    name = f"#{tmp_path.name}"
    webhook, waits, notices = sandbox.slack.webhook(name), [], []
    config = {"api_url": sandbox.http_url}

    def fail(how: str) -> None:
        if how == "auth":
            sandbox.slack.remove(webhook)
        elif how == "refused":
            sandbox.slack.archive(name)
        else:
            sandbox.faults.once("/services/", "503")

    made = plugins.adapter("notify", "slack", Channel)
    channel = made(made.Config(**config), access(tmp_path, {"SLACK_WEBHOOK": webhook}, waits, notices))
    forbidden = r"<!|<http|\*negrito|`x`"
    return Desk(channel, lambda: sandbox.slack.shown(name), fail, waits, notices, forbidden)


def of_email(tmp_path: Path, stack: ExitStack, _sandbox: Running) -> Desk:
    box, waits, notices = stack.enter_context(serving(Mailbox())), [], []
    config = {
        "host": "127.0.0.1", "port": box.port, "security": "none", "sender": "cortex@agencia.example",
        "recipients": ("gestor@cliente.example",),
    }  # fmt: skip

    def fail(how: str) -> None:
        box.answers |= {
            "auth": {"MAIL": "535 5.7.8 who are you"},
            "refused": {"gestor@cliente.example": "550 5.1.1 unknown gestor@cliente.example"},
            "broken": {"DOT": "451 4.3.0 later"},
        }[how]

    made = plugins.adapter("notify", "email", Channel)
    channel = made(made.Config(**config), access(tmp_path, {"SMTP_PASSWORD": SECRET}, waits, notices))

    def arrived() -> list[str]:
        return [f"{mail['Subject']}\n{mail.get_content()}\n{sorted(mail.keys())}" for mail in box.mails]

    return Desk(channel, arrived, fail, waits, notices, r"'Bcc'")


DESKS: dict[str, Callable[[Path, ExitStack, Running], Desk]] = {"slack": of_slack, "email": of_email}


@pytest.fixture(params=KINDS)
def desk(request: pytest.FixtureRequest, tmp_path: Path, sandbox: Running) -> Iterator[Desk]:
    with ExitStack() as stack:
        yield DESKS[request.param](tmp_path, stack, sandbox)


def test_every_channel_is_tried_here_has_a_block_and_is_in_the_docs() -> None:
    assert set(DESKS) == set(KINDS) == set(tenant.agency.kinds())
    for page in ("docs/en/notifications.md", "docs/pt-BR/notificacoes.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        for kind in KINDS:
            assert f"notifications.{kind}" in text or f"  {kind}:" in text, (page, kind)
            for secret in plugins.adapter("notify", kind, Channel).secrets:
                assert secret.name in text, (page, secret.name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_channel_tells_failures_by_default_and_its_keys_are_described(kind: str) -> None:
    config = plugins.adapter("notify", kind, Channel).Config
    assert issubclass(config, ChannelSection)
    assert (config().when, config().severity, config().enabled) == ("failure", "warning", True)
    assert all(field.description for field in config.model_fields.values())


def test_a_message_arrives_once_as_words_alone(desk: Desk) -> None:
    said = desk.channel.send(HOSTILE)
    assert said, "what the other side said"
    (shown,) = desk.arrived()
    for text in (
        "Loja",
        "Filhos",
        "O que falhou",
        "CTX-4103",
        "cortex doctor xyz",
        "ação já não há: ç ã é €",
        "..........",
        "clique",
    ):
        assert text in shown
    assert not re.search(desk.forbidden, shown, re.MULTILINE)


def test_a_message_longer_than_any_channel_takes_is_cut_not_lost(desk: Desk) -> None:
    desk.channel.send(LONG)
    (shown,) = desk.arrived()
    assert "ttt" in shown
    assert "xxx" in shown


@pytest.mark.parametrize(
    ("how", "kinds"),
    [("auth", (CredentialError, PlatformError)), ("refused", (PlatformError,)), ("broken", (Transient,))],
)
def test_a_refusal_is_named_told_once_and_says_no_secret(
    desk: Desk, how: str, kinds: tuple[type[CortexError], ...]
) -> None:
    desk.fail(how)
    with pytest.raises(kinds) as caught:
        desk.channel.send(HOSTILE)
    assert desk.waits == [], "nothing that may have arrived, or never will, is sent again"
    assert caught.value.code.startswith("CTX-81")
    said = f"{caught.value} {caught.value.fix}"
    assert "sandboxwebhook" not in said
    assert SECRET not in said
    assert "gestor@cliente.example" not in said
    assert len(desk.arrived()) == (1 if type(desk.channel).__name__ == "Email" and how == "broken" else 0)


def test_what_a_channel_shows_of_itself_hides_its_secret(desk: Desk) -> None:
    found = desk.channel.access.secret(type(desk.channel).secrets[0])
    assert MASK in repr(found)
    assert found.reveal() not in repr(found)


def test_a_channel_without_its_credential_says_which_one_is_missing(desk: Desk, tmp_path: Path) -> None:
    made: Any = type(desk.channel)
    config = desk.channel.config
    if "user" in type(config).model_fields:
        config = config.model_copy(update={"user": "someone"})
    lonely = made(config, access(tmp_path, {}, [], []))
    with pytest.raises(CredentialError) as caught:
        lonely.send(HOSTILE)
    assert caught.value.code == "CTX-4001"
    assert f"CORTEX_XYZ_{made.secrets[0].name}" in caught.value.message
    assert desk.arrived() == []
