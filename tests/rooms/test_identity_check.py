"""`cortex identity check`: values come in on standard input alone, every line is answered, nobody is repeated."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cortex.cli import identifying
from cortex.identity.normalise import EMPTY_SHA256
from cortex.identity.rules import PLATFORMS


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def asked(*lines: Any) -> list[dict[str, Any]]:
    text = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    return list(identifying.answers(io.BytesIO(text)))


def question(destination: str, field: str, value: str, country: str = "BR") -> dict[str, str]:
    return {"destination": destination, "field": field, "value": value, "country": country}


@pytest.mark.parametrize(
    ("line", "normalised"),
    [
        (question("meta", "ph", "(11) 98765-4321"), "5511987654321"),
        (question("tiktok_events", "phone", "(11) 98765-4321"), "+5511987654321"),
        (question("google_ec", "email", "Ana.B+x@Gmail.com"), "anab@gmail.com"),
        (question("tiktok", "email", "Ana.B+x@Gmail.com"), "ana.b+x@gmail.com"),
        (question("snap", "ph", "0055 11 98765-4321"), "5511987654321"),
        (question("pinterest", "phone", "011 98765-4321"), "5511987654321"),
        (question("meta", "email", " ANA@example.com "), "ana@example.com"),
        ({"destination": "meta", "field": "zp", "value": "1310-100"}, "01310100"),
        ({"destination": "meta", "field": "ph", "value": "912 345 678", "country": "pt"}, "351912345678"),
    ],
)
def test_each_platform_is_told_in_its_own_way(line: dict[str, str], normalised: str) -> None:
    said = asked(line)[0]
    assert (said["normalised"], said["sha256"]) == (normalised, sha(normalised))
    assert set(said) == {"normalised", "sha256", "candidates", "reason"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"ana@example.com", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b'["meta"]', "no object"),
        ({"destination": "meta", "field": "ph", "value": 11987654321}, "in quotes"),
        ({"destination": "meta", "ana@example.com": "x"}, "1 unknown key"),
        ({}, "Unknown destination"),
        ({"destination": "ana@example.com", "field": "em", "value": "x"}, "Unknown destination; known"),
        (question("meta", "ana@example.com", "x"), "no such field; it takes"),
        (question("meta", "em", ""), "Empty"),
        ({"destination": "meta", "field": "em", "value": None}, "Empty"),
        (question("meta", "em", EMPTY_SHA256), "SHA-256 of an empty text"),
        (question("meta", "em", EMPTY_SHA256.upper()), "SHA-256 of an empty text"),
        (question("meta", "em", "d41d8cd98f00b204e9800998ecf8427e"), "MD5"),
        (question("google", "postal_code", sha("x")), "wants the value in the clear"),
        (b'{"destination": "meta", "field": "em", "value": "' + b"a" * 70_000 + b'"}', "longer than"),
    ],
)
def test_what_cannot_be_used_is_answered_with_why_and_without_the_value(line: Any, reason: str) -> None:
    bad, good = asked(line, question("meta", "em", "ana.souza@example.com"))
    assert (bad["normalised"], bad["sha256"], bad["candidates"]) == (None, None, [])
    assert reason in bad["reason"]
    assert "ana@" not in bad["reason"]
    assert good["sha256"] == sha("ana.souza@example.com")


def test_a_digest_is_recognised_and_not_hashed_again() -> None:
    said = asked(question("meta", "em", sha("ana@example.com").upper() + ".AbCdEfGh"))[0]
    assert said["sha256"] == sha("ana@example.com")
    assert "not hashed again" in said["reason"]


def test_every_platform_has_an_email_and_a_phone() -> None:
    for platform in PLATFORMS:
        for fact, value in (("email", "ana@example.com"), ("phone", "+55 11 98765-4321")):
            assert asked(question(platform, fact, value))[0]["sha256"], (platform, fact)


@given(line=st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_answered(line: bytes) -> None:
    line = line.replace(b"\n", b" ")
    assert len(asked(line)) == (1 if line.strip() else 0)


def test_the_command_reads_lines_and_writes_lines(caplog: pytest.LogCaptureFixture) -> None:
    lines = [question("meta", "em", "ana@example.com"), question("meta", "em", "nobody")]
    with caplog.at_level(logging.DEBUG):
        done = subprocess.run(
            [sys.executable, "-m", "cortex", "identity", "check"],
            input="\r\n".join(map(json.dumps, lines)),
            capture_output=True,
            text=True,
            check=True,
        )
    said = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["normalised"] for each in said] == ["ana@example.com", None]
    assert "2 checked, 1 not usable" in done.stderr
    assert "ana@" not in done.stderr + caplog.text


def test_no_value_is_taken_from_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cortex", "identity", "check", "ana@example.com"],
        input="",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "ana@" not in done.stdout + done.stderr
