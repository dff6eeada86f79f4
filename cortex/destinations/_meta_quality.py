"""Meta's Dataset Quality API: how well it matches the events of a dataset, by event name (web events, last 48 hours)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec

from cortex.records import Diagnosis

FIELDS = "web{event_name,event_match_quality{composite_score,match_key_feedback{identifier,coverage{percentage}}}}"


class _Coverage(msgspec.Struct, frozen=True):
    percentage: float = 0.0


class _Key(msgspec.Struct, frozen=True):
    identifier: str = ""
    coverage: _Coverage = _Coverage()


class _Quality(msgspec.Struct, frozen=True):
    composite_score: float | None = None
    match_key_feedback: list[_Key] = []


class _Event(msgspec.Struct, frozen=True):
    event_name: str = ""
    event_match_quality: _Quality = _Quality()


class Quality(msgspec.Struct, frozen=True):
    web: list[_Event] = []


decode = msgspec.json.Decoder(Quality, strict=False).decode


def diagnoses(told: Quality, day: date) -> list[Diagnosis]:
    """One for each event Meta has a score of. day: the client's, on which it was asked."""
    return [
        Diagnosis(
            part=event.event_name[:64],
            day=day,
            score=round(Decimal(str(quality.composite_score)), 2),
            said=", ".join(f"{key.identifier} {key.coverage.percentage:g}%" for key in quality.match_key_feedback)[
                :255
            ],
        )
        for event in told.web
        if (quality := event.event_match_quality).composite_score is not None
    ]
