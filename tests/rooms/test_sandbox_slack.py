"""Slack's stand-in: what an incoming webhook takes, and every word with which it refuses."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cortex.sandbox.slack import SlackStandIn
from cortex.sandbox.wire import Request, Response

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
SECTION = {"type": "section", "text": {"type": "mrkdwn", "text": "*olá*"}}


@pytest.fixture
def slack() -> SlackStandIn:
    return SlackStandIn(clock=lambda: NOW, rate_scale=100)


def post(
    slack: SlackStandIn, webhook: str, body: Any, content_type: str = "application/json", method: str = "POST"
) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return slack.handle(Request.of(method, webhook, {"Content-Type": content_type}, content))


def said(response: Response) -> tuple[int, str]:
    return response.status, response.body.decode()


def test_a_message_is_taken_in_plain_words(slack: SlackStandIn) -> None:
    webhook = slack.webhook("#a")
    assert said(post(slack, webhook, {"text": "olá &amp; &lt;b&gt;", "blocks": [SECTION, {"type": "divider"}]})) == (
        200,
        "ok",
    )
    assert said(post(slack, webhook, {"text": "só texto"}, "application/json; charset=utf-8")) == (200, "ok")
    assert slack.shown("#a") == ["*olá*\n", "só texto"]
    assert slack.shown("#b") == []


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"{", "invalid_payload"),
        (b"[]", "invalid_payload"),
        ({"text": 5}, "invalid_payload"),
        ({"text": "x", "channel": "#b"}, "invalid_payload"),
        ({"text": "x", "username": "cortex"}, "invalid_payload"),
        ({"text": "<!channel> x"}, "invalid_payload"),
        ({"text": "a & b"}, "invalid_payload"),
        ({"text": " "}, "no_text"),
        ({"blocks": [SECTION]}, "no_text"),
        ({"text": "x", "blocks": [SECTION] * 51}, "invalid_blocks"),
        ({"text": "x", "blocks": ["y"]}, "invalid_blocks_format"),
        ({"text": "x", "blocks": [{"type": "image"}]}, "invalid_blocks"),
        ({"text": "x", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": ""}}]}, "invalid_blocks"),
        (
            {"text": "x", "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}]},
            "invalid_blocks",
        ),
        ({"text": "x", "blocks": [{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]}, "invalid_blocks"),
        ({"text": "x" * 40_001}, "msg_too_long"),
    ],
)
def test_what_breaks_a_rule_is_refused_whole(slack: SlackStandIn, body: Any, word: str) -> None:
    assert said(post(slack, slack.webhook("#a"), body)) == (400, word)
    assert slack.posts == []


def test_another_content_type_or_method_is_no_message(slack: SlackStandIn) -> None:
    webhook = slack.webhook("#a")
    assert said(post(slack, webhook, {"text": "x"}, "application/x-www-form-urlencoded")) == (400, "invalid_payload")
    assert post(slack, webhook, {"text": "x"}, method="GET").status == 405


def test_webhooks_and_channels_that_are_gone_say_so(slack: SlackStandIn) -> None:
    gone, closed, forbidden = (slack.webhook(name) for name in ("#gone", "#closed", "#forbidden"))
    slack.remove(gone)
    slack.archive("#closed")
    slack.prohibit("#forbidden")
    body = {"text": "x"}
    assert said(post(slack, gone, body)) == (404, "no_service")
    assert said(post(slack, "/services/T0/B0/other", body)) == (404, "no_service")
    assert said(post(slack, closed, body)) == (410, "channel_is_archived")
    assert said(post(slack, forbidden, body)) == (403, "action_prohibited")


def test_a_second_message_within_the_second_is_told_to_wait() -> None:
    slack = SlackStandIn(clock=lambda: NOW)
    one, other = slack.webhook("#a"), slack.webhook("#b")
    assert post(slack, one, {"text": "x"}).status == 200
    refused = post(slack, one, {"text": "y"})
    assert said(refused) == (429, "rate_limited")
    assert refused.headers["Retry-After"] == "1"
    assert post(slack, other, {"text": "x"}).status == 200, "each webhook has its own"
    assert len(slack.posts) == 2


@pytest.mark.parametrize(("status", "word"), [(429, "rate_limited"), (500, "rollup_error"), (503, "rollup_error")])
def test_faults_are_worded_as_slack_words_them(slack: SlackStandIn, status: int, word: str) -> None:
    response = slack.fault(Request.of("POST", "/services/x"), status)
    assert said(response) == (status, word)
    assert ("Retry-After" in response.headers) == (status == 429)
