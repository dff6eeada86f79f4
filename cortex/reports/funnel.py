"""The way from a visit to a sale, added up from days of rpt_funnel: how many got so far, and what share of those before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from cortex.reports.words import word

Row = Mapping[str, Any]

COLUMNS = {
    "visit": "visits",
    "view": "views",
    "cart": "carts",
    "checkout": "checkouts",
    "payment": "payments",
    "purchase": "purchases",
}
"""Of rpt_funnel, by stage, in the order of the way."""
BEFORE = {
    "view": ("visit",),
    "cart": ("view", "visit"),
    "checkout": ("cart", "view", "visit"),
    "payment": ("checkout", "cart", "view", "visit"),
    "purchase": ("checkout", "cart", "view", "visit"),
}
"""What a stage is compared with: the first of these that is measured. A purchase may come without the payment's form,
which wallets skip."""


@dataclass(frozen=True)
class Level:
    """One stage over a period. None: not measured on any of its days."""

    stage: str
    sessions: int | None
    events: int | None
    of_visits: Decimal | None
    """Share of the visits of the days it is measured on."""
    before: str
    of_before: Decimal | None
    """Share of the sessions of `before`, on the days both are measured on."""
    unmeasured_days: int


def levels(rows: Sequence[Row]) -> list[Level]:
    """The stages of rows of one origin, whatever their day, channel and device."""
    days = {row["day"] for row in rows}
    found = []
    for stage, column in COLUMNS.items():
        known = [row for row in rows if row[column] is not None]
        before = next(
            (name for name in BEFORE.get(stage, ()) if any(row[COLUMNS[name]] is not None for row in rows)), ""
        )
        events = "visits" if stage == "visit" else f"{stage}_events"
        found.append(
            Level(
                stage=stage,
                sessions=sum(row[column] for row in known) if known else None,
                events=sum(row[events] for row in known) if known else None,
                of_visits=_share(rows, column, "visits"),
                before=before,
                of_before=_share(rows, column, COLUMNS[before]) if before else None,
                unmeasured_days=len(days - {row["day"] for row in known}),
            )
        )
    return found


def by(rows: Iterable[Row], part: str) -> dict[str, list[Row]]:
    """Rows by channel or device, the one with most visits first."""
    parts: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        parts[row[part]].append(row)
    return dict(sorted(parts.items(), key=lambda item: (-sum(row["visits"] for row in item[1]), item[0])))


def unmeasured(found: Sequence[Level], days: int, lang: str) -> list[str]:
    """A sentence for each stage that days of the period do not know."""
    return [
        word("fn_unmeasured", lang).format(
            stage=word(f"fn_{level.stage}", lang), missing=level.unmeasured_days, days=days
        )
        for level in found
        if level.unmeasured_days
    ]


def coverage(purchase: Level, placed: int) -> Decimal | None:
    """GA4's purchases as a share of the orders placed in the shop."""
    return Decimal(purchase.events) / placed if placed and purchase.events is not None else None


def compared(purchase: Level, placed: int, lang: str) -> str:
    """Both counts of what was bought, in a sentence."""
    from cortex.reports.page import Words

    words = Words(lang, "")
    return word("fn_compared", lang).format(
        ga4=words.number(purchase.events),
        shop=words.number(placed),
        share=words.percent(coverage(purchase, placed)),
    )


def _share(rows: Sequence[Row], over: str, under: str) -> Decimal | None:
    both = [row for row in rows if row[over] is not None and row[under] is not None]
    whole = sum(row[under] for row in both)
    return Decimal(sum(row[over] for row in both)) / whole if whole else None
