"""What the commands about conversions say is said in every language, with the same facts in it."""

from __future__ import annotations

import string

import pytest

from cortex.conversions import NOT_TOLD, REASONS
from cortex.reports.ledger_words import SENTENCES, said
from cortex.reports.words import LANGUAGES, WORDS
from cortex.warehouse.outbox import OPEN, SETTLED, UNDERWAY


def facts(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


@pytest.mark.parametrize("key", SENTENCES)
def test_a_sentence_has_the_same_facts_in_every_language(key: str) -> None:
    sentences = SENTENCES[key]
    assert len(sentences) == len(LANGUAGES)
    assert all(sentence.strip() for sentence in sentences)
    assert len({frozenset(facts(sentence)) for sentence in sentences}) == 1


def test_every_state_action_and_reason_of_the_ledger_has_words() -> None:
    for state in (*OPEN, *UNDERWAY, *SETTLED):
        assert state in WORDS
    for reason in {*REASONS, *NOT_TOLD}:
        assert reason in WORDS
    for action in ("purchase", "restate", "retract", "value_told"):
        assert said(action, "pt-BR") != action
