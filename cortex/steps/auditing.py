"""Auditing: whether conversions arrive, how well their buyers can be matched, and the whole story of one order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from cortex import conversions as rules
from cortex.conversions import quality
from cortex.destinations import Destination
from cortex.run import Run
from cortex.steps import diagnose, ledger
from cortex.steps.ledger import Row

KEYS = """
    SELECT match_keys, COUNT(*) AS n FROM conversion_outbox
    WHERE destination = :destination AND action = 'purchase' AND state NOT IN ('gated', 'expired') GROUP BY match_keys
"""
TIMES = """
    SELECT b.outbox_key AS outbox_key, b.occurred_at AS occurred_at, b.sent_at AS sent_at, o.fbc AS fbc
    FROM conversion_outbox b LEFT JOIN fct_orders o ON o.order_key = b.order_key
    WHERE b.destination = :destination AND b.action = 'purchase' AND b.sent_at IS NOT NULL AND b.outbox_key > :beyond
    ORDER BY b.outbox_key LIMIT :page
"""
SEALED = """
    SELECT order_key, identifiers FROM conversion_identifiers
    WHERE destination = :destination AND order_key > :beyond ORDER BY order_key LIMIT :page
"""
TWICE = """
    SELECT event_id, COUNT(*) AS n FROM conversion_outbox
    WHERE destination = :destination AND action = 'purchase' GROUP BY event_id HAVING COUNT(*) > 1
"""
FATES = """
    SELECT action, state, reason, tried, COUNT(*) AS n, SUM(value) AS value
    FROM (SELECT action, state, value, CASE WHEN attempts > 0 THEN 1 ELSE 0 END AS tried,
                 CASE WHEN reason = '' AND state IN ('rejected', 'dead', 'unknown') THEN error_code ELSE reason END AS reason
          FROM conversion_outbox WHERE destination = :destination) fates
    GROUP BY action, state, reason, tried ORDER BY action, state, reason, tried
"""
"""Where the ledger has no reason of its own for what went wrong, the platform's code is it."""
PAID = "SELECT COUNT(*) AS n FROM fct_orders WHERE is_paid = 1"
LATEST = "SELECT MAX(sent_at) AS sent_at FROM conversion_outbox WHERE destination = :destination"
OLDEST = """
    SELECT MIN(occurred_at) AS occurred_at FROM conversion_outbox
    WHERE destination = :destination AND state = 'planned' AND next_attempt_at <= :now
"""


@dataclass(frozen=True, kw_only=True)
class Platform:
    """What the platform itself says, as it was last read (`cortex.steps.diagnose`).

    counted: its counts of the last whole week beside the ledger's; None where it tells none. agrees: None likewise.
    scores: match quality by event (part, day, score, said).
    """

    counted: diagnose.Comparison | None
    agrees: bool | None
    scores: list[Row]


@dataclass(kw_only=True)
class Standing:
    """How one destination stands. fates: (action, state, reason, tried, n, value). accuracy: 0 to 1, None of nothing."""

    kind: str
    fates: list[Row]
    paid: int
    accuracy: float | None
    held_for_person: int
    last_sent: datetime | None
    oldest_due: datetime | None
    platform: Platform


def standing(run: Run, kind: str) -> Standing:
    """Counts and value by state and reason, accuracy, and what waits for a person."""
    fates = run.warehouse.rows(FATES, destination=kind)
    paid = run.warehouse.rows(PAID)[0]["n"]
    return Standing(
        kind=kind,
        fates=fates,
        paid=paid,
        accuracy=_accuracy(fates, paid),
        held_for_person=sum(row["n"] for row in fates if row["state"] in {"rejected", "dead", "unknown"}),
        last_sent=run.warehouse.rows(LATEST, destination=kind)[0]["sent_at"],
        oldest_due=run.warehouse.rows(OLDEST, destination=kind, now=run.now())[0]["occurred_at"],
        platform=_platform(run, kind),
    )


def _platform(run: Run, kind: str) -> Platform:
    counted = diagnose.comparison(run, kind)
    return Platform(counted=counted, agrees=counted.agrees if counted else None, scores=diagnose.scores(run, kind))


def _accuracy(fates: Iterable[Row], paid: int) -> float | None:
    """(accepted + skipped by rule) / paid orders. Too old before the first attempt is a rule, after it a loss."""
    good = sum(
        row["n"]
        for row in fates
        if row["action"] == "purchase"
        and (
            row["state"] in rules.DELIVERED
            or row["state"] == "gated"
            or (row["state"] == "expired" and not row["tried"])
        )
    )
    return min(good / paid, 1.0) if paid else None


@dataclass(kw_only=True)
class Audit:
    """What the events of one destination look like from the other side."""

    kind: str
    events: int
    coverage: dict[str, float]
    """Match key -> share of events that carry it."""
    estimate: float | None
    """Our estimate of match quality, 0 to 10."""
    thin: int
    fresh: int
    stale: int
    stale_clicks: int
    """Told with a click id that was old before the sale was made. Of Meta's alone: others tell no time."""
    bad_digests: dict[str, int]
    """What is wrong -> values."""
    repeated_ids: int
    already_there: int
    """Answered as duplicates: the platform had them."""
    standing: Standing


def audit(run: Run, kind: str) -> Audit:
    """Match-key coverage, thin and stale events, digests of nobody, repeated ids. Reads; sends nothing."""
    destination = ledger.destination_of(run, kind)
    combinations = _combinations(run, kind, destination)
    fresh, stale, stale_clicks = _ages(run, kind, destination)
    stands = standing(run, kind)
    return Audit(
        kind=kind,
        events=sum(combinations.values()),
        coverage=quality.coverage(combinations),
        estimate=quality.estimate(combinations),
        thin=sum(count for keys, count in combinations.items() if quality.score(keys) < quality.THIN),
        fresh=fresh,
        stale=stale,
        stale_clicks=stale_clicks,
        bad_digests=_bad_digests(run, kind, destination),
        repeated_ids=len(run.warehouse.rows(TWICE, destination=kind)),
        already_there=sum(row["n"] for row in stands.fates if row["state"] == "duplicate"),
        standing=stands,
    )


def _combinations(run: Run, kind: str, destination: Destination) -> dict[tuple[str, ...], int]:
    """Sets of keys the platform can use -> events. Click ids of other platforms are not among them."""
    usable = _usable(destination)
    found: Counter[tuple[str, ...]] = Counter()
    for row in run.warehouse.rows(KEYS, destination=kind):
        found[tuple(key for key in row["match_keys"].split(",") if key in usable)] += row["n"]
    return dict(found)


def _usable(destination: Destination) -> set[str]:
    """Match keys the platform can use. What else is known of a buyer's browser is another platform's."""
    return {field.key for field in destination.identifiers.fields} | {*destination.click_ids, *destination.browser}


def _ages(run: Run, kind: str, destination: Destination) -> tuple[int, int, int]:
    """Events told within the hour, later than a day, and with a click that was old when the sale was made."""
    fresh = stale = old = 0
    for row in _pages(run, TIMES, kind, "outbox_key"):
        age = row["sent_at"] - row["occurred_at"]
        fresh += age <= quality.FRESH
        stale += age > quality.STALE
        clicked = quality.clicked_at(row["fbc"] or "") if "fbc" in destination.click_ids else None
        old += clicked is not None and row["occurred_at"] - clicked > quality.CLICK_LASTS
    return fresh, stale, old


def _bad_digests(run: Run, kind: str, destination: Destination) -> dict[str, int]:
    hashed = {field.key for field in destination.identifiers.fields if field.hashed}
    found: Counter[str] = Counter()
    for row in _pages(run, SEALED, kind, "order_key"):
        for key, values in rules.read_sealed(row["identifiers"]).identifiers.items():
            found.update(f"{key}: {wrong}" for value in values if key in hashed and (wrong := quality.fault(value)))
    return dict(sorted(found.items()))


def _pages(run: Run, sql: str, kind: str, key: str) -> Iterable[Row]:
    beyond = ""
    while rows := run.warehouse.rows(sql, destination=kind, beyond=beyond, page=ledger.PAGE):
        beyond = rows[-1][key]
        yield from rows


ORDER = """
    SELECT order_key, external_id, number, status, payment_status, is_paid, is_test, created_at, paid_at, currency, paid,
           refunded, marketplace, consent_state, consent_source, consent_version, consent_at, is_new_customer
    FROM fct_orders WHERE external_id = :order OR number = :order ORDER BY created_at
"""
TOUCHES = "SELECT * FROM fct_touchpoints WHERE order_key = :key ORDER BY position"
REFUNDS = "SELECT refund_id, created_at, amount, reason FROM fct_refunds WHERE order_key = :key ORDER BY created_at"
LINES = """
    SELECT destination, action, revision, value, value_basis, currency, state, reason, match_keys, consent_state, consent_source,
           consent_version, consent_at, attempts, created_at, sent_at, settled_at, next_attempt_at, request_id,
           payload_sha256, error_class, error_code, error_message, event_id, run_id
    FROM conversion_outbox WHERE order_key = :key ORDER BY destination, revision, action
"""


@dataclass(frozen=True)
class Story:
    """One order: what the shop says, how the buyer came, what went back, and what each platform was told of it."""

    order: Mapping[str, Any]
    touches: list[Row]
    refunds: list[Row]
    lines: list[Row]
    counts: dict[str, Decimal]
    """By destination: the value it counts, as far as it is proven."""


def story(run: Run, order: str) -> Story | None:
    """The story of the order of that id or number; None when there is no such order."""
    found = run.warehouse.rows(ORDER, order=order)
    if not found:
        return None
    key = found[0]["order_key"]
    lines = run.warehouse.rows(LINES, key=key)
    for line in lines:
        if line["destination"] in run.tenant.destinations:
            usable = _usable(ledger.destination_of(run, line["destination"]))
            line["match_keys"] = ",".join(name for name in line["match_keys"].split(",") if name in usable)
    counts: defaultdict[str, Decimal] = defaultdict(Decimal)
    for line in lines:
        if line["state"] in rules.DELIVERED and line["settled_at"] is not None and line["action"] != "value":
            counts[line["destination"]] = line["value"]
    return Story(
        found[0],
        run.warehouse.rows(TOUCHES, key=key),
        run.warehouse.rows(REFUNDS, key=key),
        lines,
        dict(counts),
    )
