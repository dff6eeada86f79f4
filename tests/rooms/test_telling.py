"""What people read of a run: in three languages, whole, short, and without what nobody should read."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from string import Formatter
from typing import Any

import pytest

from cortex.errors import CredentialError, PlatformError
from cortex.records import Message
from cortex.reports import alerts, analysis_words, telling
from cortex.reports.telling import Reader, Sent, Told
from cortex.reports.words import LANGUAGES
from cortex.secrets import MASK, Secret
from cortex.steps import symptoms

READERS = {lang: Reader("Loja (xyz)", lang, "BRL") for lang in LANGUAGES}
DAY = date(2026, 11, 19)
ALERT: dict[str, Any] = {
    "kind": "quality", "severity": "warning", "subject": "sums", "code": "CTX-2103", "title": "English title",
    "message": "English message", "action": "cortex dq xyz", "times": 1, "resolved_at": None,
    "first_seen_at": datetime(2026, 11, 18, tzinfo=UTC),
    "facts": json.dumps({"rule": "sums", "part": "agg_daily_sales", "measured": "1234.500000", "allowed": "0", "more": "2"}),
}  # fmt: skip


def told(**given: Any) -> Told:
    about: dict[str, Any] = {
        "client": "xyz", "pipeline": "daily", "status": "ok", "run_id": "r1", "days": (DAY, DAY), "seconds": 3.25,
    }  # fmt: skip
    return Told(**(about | given))


def text(message: Message) -> str:
    lines = [message.title]
    for paragraph in message.paragraphs:
        lines += [paragraph.heading] if paragraph.heading else []
        for sentence in paragraph.sentences:
            lines += [sentence.text, *([f"$ {sentence.command}"] if sentence.command else [])]
    return "\n".join(lines)


def placeholders(sentence: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


@pytest.mark.parametrize(
    "table",
    [
        telling.TELLING,
        telling.PIPELINES,
        alerts.TITLES,
        alerts.MESSAGES,
        alerts.SEVERITIES,
        alerts.MARKS,
        analysis_words.TOLD,
    ],
)
def test_every_sentence_is_there_in_three_languages_and_names_the_same(table: dict[str, tuple[str, ...]]) -> None:
    for key, sentences in table.items():
        assert len(sentences) == len(LANGUAGES), key
        assert len({frozenset(placeholders(one)) for one in sentences}) == 1, key


def test_every_kind_of_alert_that_is_raised_has_its_words() -> None:
    source = Path(symptoms.__file__).read_text(encoding="utf-8")
    kinds = set(re.findall(r'kind="(\w+)"', source)) | {"credential", "step_failed"}
    assert kinds == set(alerts.TITLES)
    assert set(re.findall(r'severity="(\w+)"', source)) <= set(alerts.SEVERITIES)


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        (
            "pt-BR",
            'A verificação "somas e créditos" falhou. agg_daily_sales: encontrado 1.234,5, permitido 0. E mais 2.',
        ),
        ("en", 'The check "sums and credits" failed. agg_daily_sales: found 1,234.5, allowed 0. And 2 more.'),
        ("es", 'La verificación "sumas y créditos" falló. agg_daily_sales: encontrado 1.234,5, permitido 0. Y 2 más.'),
    ],
)
def test_an_alert_is_told_in_the_readers_language(lang: str, said: str) -> None:
    found = text(telling.ended(told(due=[ALERT]), READERS[lang]))
    assert said in found
    assert "$ cortex dq xyz" in found


def test_an_alert_of_a_kind_or_a_version_nobody_knows_shows_as_it_was_stored() -> None:
    for strange in (ALERT | {"kind": "new_kind"}, ALERT | {"facts": "{}"}):
        assert alerts.title(strange, "pt-BR", "BRL") == "English title"
        assert alerts.message(strange, "pt-BR", "BRL") == "English message"


def test_one_thing_that_fails_many_pieces_is_told_once_with_its_fix() -> None:
    missing = CredentialError("CTX-4001", "No credential.", fix="Set CORTEX_XYZ_META_TOKEN in .env.")
    failed = [(f"ads.meta@2026-11-{day:02d}", missing) for day in range(1, 14)]
    found = text(telling.ended(told(pipeline="backfill", status="partial", failed=failed), READERS["pt-BR"]))
    assert found.count("CTX-4001 No credential.") == 1
    assert (
        "ads.meta (13 partes): CTX-4001 No credential. → Set CORTEX_XYZ_META_TOKEN in .env.\n$ cortex explain CTX-4001"
        in found
    )


def test_what_a_failed_step_says_its_alert_does_not_say_again() -> None:
    failed = [("ads.meta", PlatformError("CTX-4012", "Refused.", fix="cortex doctor xyz"))]
    due = [
        ALERT
        | {"kind": "step_failed", "subject": "ads.meta", "facts": json.dumps({"step": "ads.meta", "why": "Refused."})}
    ]
    found = text(telling.ended(told(status="partial", failed=failed, due=due), READERS["en"]))
    assert found.count("Refused.") == 1
    assert "What needs attention" not in found
    assert "$ cortex doctor xyz" in found


def test_long_lists_and_long_words_are_cut_and_the_rest_counted() -> None:
    failed = [(f"step{n}", PlatformError("CTX-4012", "x" * 2000)) for n in range(25)]
    message = telling.ended(told(status="failed", failed=failed), READERS["es"])
    (listed,) = [each for each in message.paragraphs if each.heading == "Qué falló"]
    assert len(listed.sentences) == telling.MOST + 1
    assert listed.sentences[-1].text == "y 15 más"
    assert max(len(each.text) for each in listed.sentences) <= telling.LONGEST


@pytest.mark.parametrize("status", ["ok", "partial", "failed", "cancelled"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_end_has_a_title_its_days_and_the_command_to_look(status: str, lang: str) -> None:
    found = telling.ended(told(status=status, orders=3, revenue=Decimal("10.50")), READERS[lang])
    assert "Loja (xyz)" in found.title
    assert found.paragraphs[-1].sentences[-1].command == "cortex runs show r1"
    assert ("10" in text(found)) == (status != "failed"), "figures of a run that failed are not this run's"


def test_conversions_are_told_with_the_reasons_of_those_left_out() -> None:
    facts = {
        "accepted": 1200, "value": "98765.40", "rejected": 3, "retry": 0, "unknown": 1,
        "skipped": [
            {"state": "expired", "reason": "window: click 7 d", "count": 2},
            {"state": "expired", "reason": "window: identifiers 7 d", "count": 3},
            {"state": "gated", "reason": "consent_denied", "count": 4},
        ],
    }  # fmt: skip
    found = text(telling.ended(told(sent=[Sent("meta_capi", facts)]), READERS["en"]))
    assert (
        "Meta (Conversions API): 1,200 accepted (R$98,765.40); 9 not sent: consent denied 4, older than the window 5;"
        " 3 rejected; 1 without an answer"
    ) in found


def test_nothing_that_identifies_anybody_gets_through() -> None:
    Secret("canary-secret-of-telling", "a test")
    error = PlatformError(
        "CTX-4012", "canary.person@example.com said canary-secret-of-telling", fix="call +55 11 98765-4321"
    )
    reader = Reader("Loja canary.person@example.com", "en", "BRL")
    for message in (
        telling.ended(told(status="failed", failed=[("x", error)]), reader),
        telling.summary("daily", 1, [("abc", error), ("gone", None)], reader),
        telling.test(reader, "cortex alerts list canary-secret-of-telling"),
    ):
        found = text(message)
        assert MASK in found
        for canary in ("canary.person", "canary-secret", "98765"):
            assert canary not in found


@pytest.mark.parametrize(
    ("good", "failed", "title"),
    [
        (3, [], "✓ execução diária: 3 ok"),
        (2, ["abc"], "⚠ execução diária: 2 ok, 1 com falha"),
        (0, ["abc", "xyz"], "✗ execução diária: 2 com falha"),
    ],
)
def test_a_run_of_all_clients_is_summed_up(good: int, failed: list[str], title: str) -> None:
    error = CredentialError("CTX-4001", "No credential.", fix="cortex doctor abc")
    message = telling.summary("daily", good, [(code, error) for code in failed], Reader("", "pt-BR", "BRL"))
    assert message.title == title
    assert all(f"{code}: CTX-4001 No credential." in text(message) for code in failed)


def test_a_recipe_of_the_workspaces_own_is_called_by_its_name() -> None:
    assert "minha_receita" in telling.ended(told(pipeline="minha_receita"), READERS["pt-BR"]).title
