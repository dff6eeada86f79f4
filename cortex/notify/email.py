"""E-mail: one message by SMTP, over TLS, to everybody who is to be told."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.headerregistry import Address as Mailbox
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import Annotated, Literal, cast

from pydantic import AfterValidator, Field, model_validator

from cortex.errors import ConfigError, CortexError, CredentialError, PlatformError, Transient
from cortex.notify import Channel, ChannelSection
from cortex.records import Message, Notice
from cortex.secrets import REDACTOR
from cortex.settings import LOOPBACK, SecretName

_EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+")
_HOST = re.compile(r"[A-Za-z0-9.:-]{1,253}")
PORTS = {"starttls": 587, "ssl": 465, "none": 25}
PATIENCE = 20.0
"""Seconds for each answer of the server."""
LATER = 400
GOOD = range(200, 400)


def _email(address: str) -> str:
    if not _EMAIL.fullmatch(address) or ".." in address:
        raise ValueError("is not an e-mail address")
    return address


def _host(name: str) -> str:
    if not _HOST.fullmatch(name):
        raise ValueError("must be the name of a server such as smtp.agencia.example, without https://")
    return name


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) != len(names):
        raise ValueError("names the same thing twice")
    return names


Address = Annotated[str, AfterValidator(_email)]
Addresses = Annotated[tuple[Address, ...], AfterValidator(_once)]


class EmailSection(ChannelSection):
    """E-mail by SMTP. The password is SMTP_PASSWORD, the client's or the agency's."""

    recipients: Addresses = Field(
        default=(), max_length=50, description="Who is told; alerts.email_recipients when left out."
    )
    host: Annotated[str, AfterValidator(_host)] | None = Field(None, description="SMTP server.")
    port: Annotated[int, Field(ge=1, le=65535)] | None = Field(
        None, description="Its port; when left out 587, with security ssl 465, with none 25."
    )
    security: Literal["starttls", "ssl", "none"] = Field(
        default="starttls", description="How the connection is encrypted; none only to a server of this machine."
    )
    user: Annotated[str, Field(min_length=1, max_length=254)] | None = Field(
        None, description="Name to log in with; nobody logs in without one."
    )
    sender: Address | None = Field(None, description="Address it is from; the user when left out.")

    @model_validator(mode="after")
    def _encrypted_beyond_loopback(self) -> EmailSection:
        if self.security == "none" and self.host is not None and self.host not in LOOPBACK:
            raise ValueError("would send the password unencrypted: security must be starttls or ssl")
        return self


class Email(Channel):
    Config = EmailSection
    secrets = (SecretName("SMTP_PASSWORD", "Password of the SMTP user"),)

    @classmethod
    def needs(cls, config: ChannelSection) -> tuple[SecretName, ...]:
        return cls.secrets if cast("EmailSection", config).user else ()

    def send(self, message: Message) -> str:
        """Hand it to the server, once: whether a repeat would be a second mail nobody can know."""
        config = cast("EmailSection", self.config)
        host, sender = _settled(config)
        mail = self._mail(message, sender, config.recipients)
        with self._session(config, host) as session:
            _words(session.mail(sender), host)
            refused = self._recipients(session, host, config.recipients)
            said = _words(session.data(mail.as_bytes(policy=SMTP)), host)
        if refused:
            told = (
                f"{len(refused)} of {len(config.recipients)} recipients were refused, the others have it: {refused[0]}"
            )
            self.access.notice(
                Notice(
                    code="CTX-8114",
                    stream="notify.email",
                    message=told,
                    count=len(refused),
                    facts={"why": refused[0]},
                )
            )
        return said

    def _recipients(self, session: smtplib.SMTP, host: str, recipients: Sequence[str]) -> list[str]:
        """Name everybody to the server. Returns what it said of those it does not take; raises when it takes nobody."""
        said = [session.rcpt(each) for each in recipients]
        refused = [each for each in said if each[0] not in GOOD]
        if len(refused) == len(said):
            _words(refused[0], host)
        return [f"{code} {_plain(words)}" for code, words in refused]

    def _mail(self, message: Message, sender: str, recipients: tuple[str, ...]) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = Mailbox("Cortex", addr_spec=sender)
        mail["To"] = ", ".join(recipients)
        mail["Subject"] = " ".join(message.title.split())
        mail["Date"] = format_datetime(self.access.clock())
        mail["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
        mail["Auto-Submitted"] = "auto-generated"  # no absence notice answers it (RFC 3834)
        mail.set_content(text(message), cte="quoted-printable")
        return mail

    @contextmanager
    def _session(self, config: EmailSection, host: str) -> Iterator[smtplib.SMTP]:
        """A connection that is encrypted and logged in, with the server's refusals told by name."""
        port = config.port or PORTS[config.security]
        password = self.access.secret(self.secrets[0]).reveal() if config.user else ""
        try:
            session = _connected(config, host, port)
            try:
                if config.user:
                    session.login(config.user, password)
                yield session
            finally:
                session.close()
        except ssl.SSLError as failure:
            reason = getattr(failure, "verify_message", "") or failure.reason or "no TLS"
            raise _unencrypted(host, port, str(reason)) from None
        except smtplib.SMTPNotSupportedError:
            raise CredentialError(
                "CTX-8113",
                f"The mail server {host} lets nobody log in on port {port}.",
                fix="Check port and security, or leave notifications.email.user out.",
            ) from None
        except smtplib.SMTPAuthenticationError as failure:
            if failure.smtp_code // 100 * 100 == LATER:
                raise _later(host, failure.smtp_code) from None
            raise CredentialError(
                "CTX-8113",
                f"The mail server {host} refused user or password ({failure.smtp_code}).",
                fix="Check notifications.email.user and SMTP_PASSWORD; some providers want a password made for apps.",
            ) from None
        except (OSError, smtplib.SMTPException) as failure:
            raise Transient(
                "CTX-8111",
                f"The mail server {host}:{port} does not answer as one ({type(failure).__name__}).",
                sent=isinstance(failure, smtplib.SMTPServerDisconnected | TimeoutError),
                fix="Check notifications.email.host, port and security.",
            ) from None


def text(message: Message) -> str:
    """The words of the mail."""
    blocks = [message.title]
    for part in message.paragraphs:
        lines = [part.heading] if part.heading else []
        for line in part.sentences:
            lines.append(f"- {line.text}")
            lines += [f"    {line.command}"] if line.command else []
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def _settled(config: EmailSection) -> tuple[str, str]:
    """Server and sender. Raises ConfigError when the settings leave them open, or nobody is to be told."""
    sender = config.sender or (config.user if config.user and _EMAIL.fullmatch(config.user) else None)
    lacking = [name for name, value in (("host", config.host), ("sender", sender)) if not value]
    if not config.recipients:
        lacking.append("recipients")
    if lacking or config.host is None or sender is None:
        keys = ", ".join(f"notifications.email.{name}" for name in lacking)
        raise ConfigError(
            "CTX-8110",
            f"E-mail is asked for, but {keys} {'is' if len(lacking) == 1 else 'are'} not said.",
            fix="Add it to the client's file, or to tenants/_agency.yaml for every client.",
        )
    return config.host, sender


def _connected(config: EmailSection, host: str, port: int) -> smtplib.SMTP:
    trusted = ssl.create_default_context()
    own = socket.gethostname() or "localhost"  # smtplib would ask DNS for it, which can take seconds
    session: smtplib.SMTP
    if config.security == "ssl":
        session = smtplib.SMTP_SSL(host, port, own, timeout=PATIENCE, context=trusted)
    else:
        session = smtplib.SMTP(host, port, own, timeout=PATIENCE)
    try:
        session.ehlo_or_helo_if_needed()
        if config.security == "starttls":
            session.starttls(context=trusted)
            session.ehlo_or_helo_if_needed()
    except smtplib.SMTPNotSupportedError:
        session.close()
        raise _unencrypted(host, port, "it offers no STARTTLS") from None
    except BaseException:
        session.close()
        raise
    return session


def _plain(words: bytes) -> str:
    """What the server said, without addresses."""
    return REDACTOR.clean(words.decode("utf-8", "replace"))[:100]


def _words(said: tuple[int, bytes], host: str) -> str:
    """What the server said. Raises its refusal as an error."""
    code, words = said[0], _plain(said[1])
    if code in GOOD:
        return f"{code} {words}".strip()
    if code // 100 * 100 == LATER:
        raise _later(host, code)
    raise PlatformError(
        "CTX-8114",
        f"The mail server {host} refused the message: {code} {words}",
        fix="Check notifications.email.sender and the recipients.",
    )


def _later(host: str, code: int) -> CortexError:
    return Transient("CTX-8115", f"The mail server {host} takes no mail for now ({code}).")


def _unencrypted(host: str, port: int, why: str) -> CortexError:
    return PlatformError(
        "CTX-8112",
        f"The connection to the mail server {host}:{port} cannot be made safe ({why}). Nothing was sent.",
        fix="Check port and security (587 with starttls, 465 with ssl) and the server's certificate.",
    )
