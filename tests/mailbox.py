"""A mail server of our own on loopback: it takes mail as RFC 5321 says, refuses on request, and keeps what it took."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path


@dataclass
class Mailbox:
    """What the server knows, and what arrived.

    user, password: who may log in; nobody need when user is empty. starttls: whether it is offered. implicit: TLS from
    the first byte. answers: verb -> what is said instead of the usual, `{"MAIL": "550 5.7.1 no"}`; for recipients by
    address. hangs_up: the verb after which it closes the connection without a word.
    """

    user: str = ""
    password: str = ""
    certificate: tuple[Path, Path] | None = None
    starttls: bool = True
    implicit: bool = False
    answers: dict[str, str] = field(default_factory=dict)
    hangs_up: str = ""
    port: int = 0
    said: list[str] = field(default_factory=list)
    """Every command, arguments of AUTH left out."""
    mails: list[EmailMessage] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)

    def context(self) -> ssl.SSLContext:
        assert self.certificate is not None
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(*self.certificate)
        return made

    def text(self, at: int = -1) -> str:
        said: str = self.mails[at].get_content()
        return said.replace("\r\n", "\n")


class _Session(socketserver.StreamRequestHandler):
    timeout = 20

    def handle(self) -> None:
        self.box: Mailbox = self.server.box  # type: ignore[attr-defined]
        self.secure, self.trusted, self.sender, self.to = False, False, "", []
        try:
            if self.box.implicit:
                self.wrap()
            self.say("220 mail.example ESMTP")
            while line := self.rfile.readline(2000):
                verb, _, rest = line.decode("utf-8", "replace").rstrip("\r\n").partition(" ")
                if not self.step(verb.upper(), rest):
                    return
        except OSError:
            return
        finally:
            if self.secure:
                self.connection.close()

    def wrap(self) -> None:
        self.connection = self.box.context().wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", 0)
        self.secure = True

    def say(self, *lines: str) -> None:
        code = lines[0][:3]
        for at, line in enumerate(lines):
            text = line if at == 0 else f"{code} {line}"
            mark = "-" if at < len(lines) - 1 else " "
            self.wfile.write(f"{text[:3]}{mark}{text[4:]}\r\n".encode())
        self.wfile.flush()

    def step(self, verb: str, rest: str) -> bool:
        """One command. False when the session is over."""
        box = self.box
        box.said.append(verb if verb == "AUTH" else f"{verb} {rest}".strip())
        if verb == box.hangs_up:
            return False
        if verb in box.answers:
            self.say(box.answers[verb])
        elif verb in {"EHLO", "HELO"}:
            self.greet()
        elif verb == "STARTTLS" and box.starttls and not self.secure:
            self.say("220 go ahead")
            self.wrap()
        elif verb == "AUTH":
            self.login(rest)
        elif verb == "QUIT":
            self.say("221 bye")
            return False
        elif box.user and not self.trusted:
            self.say("530 5.7.0 authentication required")
        elif verb == "MAIL":
            self.sender, self.to = rest, []
            self.say("250 2.1.0 ok")
        elif verb == "RCPT":
            self.recipient(rest)
        elif verb == "DATA":
            return self.data()
        else:
            self.say("502 5.5.1 not here")
        return True

    def greet(self) -> None:
        offers = ["250 mail.example"]
        offers += ["STARTTLS"] if self.box.starttls and not self.secure and self.box.certificate else []
        offers += ["AUTH PLAIN LOGIN"] if self.box.user and self.secure else []
        self.say(*offers)

    def login(self, rest: str) -> None:
        if not self.secure:
            self.say("538 5.7.11 encryption required")
            return
        mechanism, _, first = rest.partition(" ")
        if mechanism.upper() == "PLAIN":
            _, user, password = base64.b64decode(first).split(b"\0")
        else:
            self.say("334 VXNlcm5hbWU6")
            user = base64.b64decode(self.rfile.readline())
            self.say("334 UGFzc3dvcmQ6")
            password = base64.b64decode(self.rfile.readline())
        self.trusted = (user.decode(), password.decode()) == (self.box.user, self.box.password)
        self.say("235 2.7.0 welcome" if self.trusted else "535 5.7.8 wrong user or password")

    def recipient(self, rest: str) -> None:
        address = rest.partition("<")[2].partition(">")[0]
        answer = self.box.answers.get(address)
        if answer is None:
            self.to.append(address)
        self.say(answer or "250 2.1.5 ok")

    def data(self) -> bool:
        if not self.to:
            self.say("503 5.5.1 nobody to send it to")
            return True
        self.say("354 end with a dot")
        lines: list[bytes] = []
        while (line := self.rfile.readline()) not in {b".\r\n", b""}:
            assert line.endswith(b"\r\n"), "lines of a mail end with CR LF"
            lines.append(line[1:] if line.startswith(b".") else line)
        if self.box.hangs_up == "DOT":
            return False
        raw = b"".join(lines)
        self.box.raw.append(raw)
        self.box.recipients.append(list(self.to))
        self.box.mails.append(message_from_bytes(raw, policy=policy.default))  # type: ignore[arg-type]
        self.say(self.box.answers.get("DOT", f"250 2.0.0 queued as {len(self.box.raw):04d}"))
        return True


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, box: Mailbox) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.box = box


@contextmanager
def serving(box: Mailbox) -> Iterator[Mailbox]:
    """The server on a free port, until the block ends."""
    with _Server(box) as server:
        box.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield box
        finally:
            server.shutdown()
            thread.join(5)
