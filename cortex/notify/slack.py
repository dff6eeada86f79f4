"""Slack: one message to the channel an incoming webhook belongs to, at most one a second."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import cast

import msgspec
from pydantic import Field, field_validator

from cortex.errors import CortexError, CredentialError, PlatformError, Throttled, Transient
from cortex.http import Bucket, Client, Limits, persist, retry_after
from cortex.limits import Limit, app_of
from cortex.notify import Channel, ChannelSection
from cortex.records import Message, Paragraph, Sentence
from cortex.settings import SecretName, tls_beyond_loopback

_WEBHOOK = re.compile(r"(https://hooks\.slack(?:-gov)?\.com)(/services/\w+/\w+/\w+)")
_UNSEEN = re.compile(r"[^\S\u00a0\u202f]+")
"""White space but the kind that keeps an amount beside its currency."""
LIMITS = Limits(connect=5.0, read=10.0, total=15.0, attempts=4, first_pause=1.0, patience=30.0)
"""A run waits for its last word no longer than this."""
LONGEST = 2900
"""Characters of one block; Slack takes 3000."""
MOST = 45
"""Blocks of one message; Slack takes 50."""
MOST_TEXT = 12_000
"""Characters of one message: what is longer nobody reads in a channel, and Slack refuses somewhere above."""
GONE = frozenset({"no_service", "no_team", "invalid_token", "action_prohibited", "team_disabled"})
"""The webhook was revoked, or its app may not post any more."""
CLOSED = frozenset({"channel_is_archived", "channel_not_found", "posting_to_general_channel_denied"})


class SlackSection(ChannelSection):
    """Slack. The channel is the webhook's own: SLACK_WEBHOOK, the client's or the agency's."""

    api_url: str | None = Field(None, description="Another address than hooks.slack.com: the sandbox, a proxy.")

    @field_validator("api_url")
    @classmethod
    def _tls_beyond_loopback(cls, url: str | None) -> str | None:
        return tls_beyond_loopback(url)


class Slack(Channel):
    Config = SlackSection
    secrets = (SecretName("SLACK_WEBHOOK", "Address of an incoming webhook of the channel"),)

    def send(self, message: Message) -> str:
        """Post it. Only what Slack asked to send later is sent again: it has no key by which it would know a repeat."""
        config = cast("SlackSection", self.config)
        webhook = self.access.secret(self.secrets[0])
        found = _WEBHOOK.fullmatch(webhook.reveal())
        if found is None:
            raise CredentialError(
                "CTX-8106",
                f"{webhook.source} is not the address of a Slack webhook.",
                fix="Copy it from the app's page Incoming Webhooks: https://hooks.slack.com/services/…",
            )
        budget = Limit(f"slack:webhook:{app_of(webhook.reveal())}", "account", per_second=1.0, burst=1.0)
        pace = self.access.limits.pace([budget])
        once = Limits(connect=LIMITS.connect, read=LIMITS.read, total=LIMITS.total, patience=LIMITS.patience)
        with Client(
            "Slack", config.api_url or found[1], limits=once, bucket=Bucket(1.0, 1.0), pace=pace, error=_error,
            sleep=self.access.sleep,
        ) as client:  # fmt: skip
            body = msgspec.json.encode(payload(message))
            reply = persist(
                lambda: client.post(found[2], body, decode=bytes.decode),
                LIMITS,
                only=Throttled,
                sleep=self.access.sleep,
            )
        return reply.value.strip()[:100]


def _error(status: int, headers: Mapping[str, str], body: bytes) -> CortexError:
    """Slack answers in plain words beside the status (docs of incoming webhooks, "Handling errors")."""
    said = body.decode("utf-8", "replace").strip()[:60]
    if status == 429:
        return Throttled("CTX-8104", "Slack asks to slow down.", retry_after=retry_after(headers))
    if said in CLOSED or status == 410:
        return PlatformError(
            "CTX-8102",
            f"The Slack channel of this webhook takes no messages: {said}.",
            fix="Open the channel again, or make a webhook for another one and set SLACK_WEBHOOK.",
        )
    if said in GONE or status in {401, 403, 404}:
        return CredentialError(
            "CTX-8101",
            f"Slack does not know this webhook any more: {said or status}.",
            fix="Make a new one in the app's page Incoming Webhooks and set SLACK_WEBHOOK.",
        )
    if status >= 500:
        return Transient("CTX-8105", f"Slack is out of order ({status}).", sent=True)
    return PlatformError("CTX-8103", f"Slack refused the message: {said or status}.")


def payload(message: Message) -> dict[str, object]:
    """The body of the request: blocks for who looks, `text` for the preview and for readers of screens."""
    title = clipped(message.title, LONGEST // 3)
    blocks: list[dict[str, object]] = []
    room = MOST_TEXT
    for text in (f"*{title}*", *(piece for part in message.paragraphs for piece in _pieces(part))):
        room -= len(text)
        if room < 0 or len(blocks) == MOST:
            break
        blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": text}})
    return {"text": title, "blocks": blocks}


def escape(text: str) -> str:
    """Text that is only text: no mention, no link, no formatting by accident, on one line.

    >>> escape("<!channel> 5 > 3 & *so* `on`")
    '&lt;!channel&gt; 5 &gt; 3 &amp; ∗so∗ ´on´'
    """
    plain = _UNSEEN.sub(" ", text).replace("*", "∗").replace("`", "´")
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def clipped(text: str, most: int) -> str:
    """The same, at most so long, and not cut in the middle of an escape."""
    whole = escape(text)
    return whole if len(whole) <= most else f"{escape(text[: most // len('&amp;') - 1])}…"


def _pieces(part: Paragraph) -> Iterator[str]:
    """A paragraph in as many blocks as its length needs."""
    lines = [f"*{clipped(part.heading, LONGEST // 3)}*"] if part.heading else []
    piece = ""
    for line in (*lines, *map(_line, part.sentences)):
        if piece and len(piece) + len(line) > LONGEST:
            yield piece
            piece = ""
        piece += f"\n{line}" if piece else line
    if piece:
        yield piece


def _line(line: Sentence) -> str:
    text = f"• {clipped(line.text, LONGEST // 3)}"
    return f"{text}\n      `{clipped(line.command, LONGEST // 3)}`" if line.command else text
