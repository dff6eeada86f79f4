"""Slack's incoming webhooks: channels that can be archived, webhooks that can be removed, and what was posted.

Errors are told in plain words beside the status, as Slack's page on incoming webhooks lists them: 400 invalid_payload
and no_text, 403 action_prohibited, 404 no_service and channel_not_found, 410 channel_is_archived, 500 rollup_error.
One message a second for each webhook, then 429 with Retry-After. Stricter than Slack: unknown keys are refused, and
so is text that would ping a whole channel.
"""

from __future__ import annotations

import math
import re
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from cortex.clock import Clock
from cortex.sandbox.quota import Quota
from cortex.sandbox.wire import Request, Response

KEYS = frozenset({"text", "blocks", "attachments", "thread_ts", "mrkdwn"})
"""Channel, name and icon are the webhook's own and cannot be said."""
MOST_BLOCKS = 50
LONGEST_TEXT = 3000
LONGEST_HEADER = 150
LONGEST_MESSAGE = 40_000
_PING = re.compile(r"<!(?:channel|here|everyone)(?:\|[^>]*)?>")
_ENTITY = re.compile(r"&(?!amp;|lt;|gt;)")


@dataclass(frozen=True)
class Post:
    """A message as the channel shows it: `text` of the preview, `shown` what its blocks say."""

    channel: str
    text: str
    shown: str
    received_at: datetime


class Refused(Exception):
    """A status, and Slack's word for why. wait: seconds until the next message would be taken."""

    def __init__(self, status: int, word: str, wait: int = 0) -> None:
        super().__init__(word)
        self.status, self.word, self.wait = status, word, wait


class SlackStandIn:
    """Webhooks made by `webhook(channel)`. Limits count real time."""

    def __init__(self, *, clock: Clock, rate_scale: float = 1.0) -> None:
        self._clock = clock
        self._scale = rate_scale
        self._lock = threading.Lock()
        self._channels: dict[str, str] = {}
        self._quotas: dict[str, Quota] = {}
        self._archived: set[str] = set()
        self._prohibited: set[str] = set()
        self.posts: list[Post] = []

    def webhook(self, channel: str) -> str:
        """The address Slack would give for a new webhook of a channel."""
        with self._lock:
            number = len(self._channels) + 1
            path = f"/services/TSANDBOX0/B{number:08d}/sandboxwebhook{number:010d}"
            self._channels[path] = channel
            self._quotas[path] = Quota(1 * self._scale, 1)
        return f"https://hooks.slack.com{path}"

    def archive(self, channel: str) -> None:
        self._archived.add(channel)

    def prohibit(self, channel: str) -> None:
        """The workspace's owners forbid the app to post there."""
        self._prohibited.add(channel)

    def remove(self, webhook: str) -> None:
        with self._lock:
            self._channels.pop(webhook.removeprefix("https://hooks.slack.com"), None)

    def shown(self, channel: str = "") -> list[str]:
        """What a channel, or all of them, shows: title and blocks of each message."""
        return [post.shown for post in self.posts if channel in ("", post.channel)]

    def handle(self, request: Request) -> Response:
        try:
            self._take(request)
        except Refused as refusal:
            return _words(refusal.status, refusal.word, refusal.wait)
        return _words(200, "ok")

    def fault(self, _request: Request, status: int) -> Response:
        if status == 429:
            return _words(429, "rate_limited", 1)
        return _words(status, "rollup_error")

    def _take(self, request: Request) -> None:
        channel = self._channels.get(request.path)
        if request.method != "POST":
            raise Refused(405, "method_not_allowed")
        if channel is None:
            raise Refused(404, "no_service")
        if channel in self._prohibited:
            raise Refused(403, "action_prohibited")
        if channel in self._archived:
            raise Refused(410, "channel_is_archived")
        if wait := self._quotas[request.path].spend():
            raise Refused(429, "rate_limited", math.ceil(wait))
        post = Post(channel, *_read(request), self._clock())
        with self._lock:
            self.posts.append(post)


def _words(status: int, word: str, wait: int = 0) -> Response:
    later = {"Retry-After": str(wait)} if wait else {}
    return Response(status, {"Content-Type": "text/plain; charset=utf-8", **later}, word.encode())


def _read(request: Request) -> tuple[str, str]:
    """Preview and shown text of a message that breaks no rule."""
    if request.headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
        raise Refused(400, "invalid_payload")
    try:
        body = msgspec.json.decode(request.body)
    except msgspec.DecodeError:
        raise Refused(400, "invalid_payload") from None
    if not isinstance(body, dict) or body.keys() - KEYS:
        raise Refused(400, "invalid_payload")
    text, blocks = body.get("text", ""), body.get("blocks", [])
    if not isinstance(text, str) or not isinstance(blocks, list):
        raise Refused(400, "invalid_payload")
    if not text.strip():
        raise Refused(400, "no_text")
    if len(blocks) > MOST_BLOCKS:
        raise Refused(400, "invalid_blocks")
    shown = "\n".join(_block(block) for block in blocks) or text
    if max(len(text), len(shown)) > LONGEST_MESSAGE:
        raise Refused(400, "msg_too_long")
    for each in (text, shown):
        if _PING.search(each) or _ENTITY.search(each):
            raise Refused(400, "invalid_payload")
    return text, shown


def _block(block: Any) -> str:
    if not isinstance(block, dict):
        raise Refused(400, "invalid_blocks_format")
    kind, inner = block.get("type"), block.get("text")
    if kind == "divider" and block.keys() == {"type"}:
        return ""
    if kind not in {"section", "header"} or block.keys() != {"type", "text"} or not isinstance(inner, dict):
        raise Refused(400, "invalid_blocks")
    allowed = {"plain_text"} if kind == "header" else {"plain_text", "mrkdwn"}
    said = inner.get("text")
    longest = LONGEST_HEADER if kind == "header" else LONGEST_TEXT
    if inner.get("type") not in allowed or not isinstance(said, str) or not 1 <= len(said) <= longest:
        raise Refused(400, "invalid_blocks")
    return said
