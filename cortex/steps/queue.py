"""Queue: every paid order becomes one line in the ledger per destination: planned, or not to be sent and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from cortex import conversions as rules
from cortex.destinations import Destination
from cortex.records import Notice
from cortex.run import Outcome, Run, Step
from cortex.steps import foresight, ledger
from cortex.steps.ahead import read_ahead
from cortex.steps.ledger import STORED, Line, Row
from cortex.warehouse import Loaded, outbox

if TYPE_CHECKING:
    from cortex.tenant import Tenant
    from cortex.warehouse import Transaction

OPEN = f"""
    SELECT {STORED}, i.identifiers AS sealed, b.outbox_key AS planned_key, b.state AS ledger_state,
           b.reason AS held_for, b.next_attempt_at AS next_attempt_at
    FROM fct_orders o
    LEFT JOIN conversion_outbox b
      ON b.order_key = o.order_key AND b.destination = :destination AND b.action = 'purchase'
    LEFT JOIN conversion_identifiers i ON i.order_key = o.order_key AND i.destination = :destination
    WHERE o.order_key > :beyond
      AND ((o.is_paid = 1
            AND (b.outbox_key IS NULL OR (b.state = 'gated' AND (o.created_at >= :since OR b.reason = :mended))))
           OR b.state = 'planned')
    ORDER BY o.order_key LIMIT :page
"""  # noqa: S608  # our own names
NO_POLICY = "no_consent_policy"
MANY = 1000
"""New rows after which the server should know that the ledger has grown; then ten times as many, and so on."""


def conversions(tenant: Tenant) -> Iterator[Step]:
    if tenant.destinations:
        yield Step("conversions.queue", queue, needs=("customers.people",))


def queue(run: Run) -> Outcome:
    """Decide what is open: paid orders without a line, planned ones, and gated ones that may still change."""
    total = 0
    said = []
    facts: dict[str, Any] = {}
    for kind in run.tenant.destinations:
        counts = Counts()
        written, grown, many = 0, 0, MANY
        # The next page is decided while this one is written.
        with read_ahead(decisions(run, kind, counts), 1, itemgetter(0)) as pages:
            for page in pages:
                grown += run.warehouse.atomically(partial(_write, page=page)).inserted
                if grown >= many:
                    run.warehouse.count_anew("conversion_outbox", "conversion_identifiers")
                    grown, many = 0, 10 * many
                written += len(page)
                run.progress(total + written)
        planned, planned_value = counts.fates.get(("planned", ""), (0, Decimal(0)))
        held = counts.seen - planned
        said.append(f"{kind} {planned} to send, {held} held")
        facts[kind] = {"planned": planned, "planned_value": planned_value, "held": counts.held()}
        run.notices += counts.notices(kind, run.tenant.currency)
        total += planned
    return Outcome(total, " · ".join(said), facts)


def _write(tx: Transaction, page: Sequence[Line]) -> Loaded:
    new, known = [line.row for line in page if not line.stored], [line.row for line in page if line.stored]
    return outbox.plan(tx, new, unknown=True) + outbox.plan(tx, known)


Sum = tuple[int, Decimal]


@dataclass
class Counts:
    """Of one destination: how many decisions, worth how much, by state and reason."""

    seen: int = 0
    fates: defaultdict[tuple[str, str], Sum] = field(default_factory=lambda: defaultdict(lambda: (0, Decimal(0))))
    late: defaultdict[str, Sum] = field(default_factory=lambda: defaultdict(lambda: (0, Decimal(0))))
    """By window, for the first time too old."""
    uncosted: Sum = (0, Decimal(0))
    """For the first time told at revenue for want of a cost."""
    refusal: str = ""
    """Why predicted values are not told."""

    def add(self, order: Row, row: Row, decision: rules.Decision) -> None:
        self.seen += 1
        value = row["value"]
        _count(self.fates, (decision.state, decision.reason), value)
        first = order["planned_key"] is None
        if decision.state == "expired" and (first or order["held_for"] == NO_POLICY):
            _count(self.late, decision.detail, value)
        if first and decision.state == "planned" and row["value_basis"] == rules.NO_COST:
            self.uncosted = (self.uncosted[0] + 1, self.uncosted[1] + value)

    def held(self) -> list[dict[str, Any]]:
        return [
            {"state": state, "reason": reason, "count": count, "value": value}
            for (state, reason), (count, value) in sorted(self.fates.items())
            if state != "planned"
        ]

    def notices(self, kind: str, currency: str) -> Iterator[Notice]:
        stream = f"conversions.{kind}"
        for window, (count, value) in sorted(self.late.items()):
            which, _, length = window.partition(" ")
            message = (
                f"{count} orders worth {value} {currency} {'with' if which == 'click' else 'without'} a click id are"
                f" older than the {length.replace(' d', ' days')} {kind} takes: not sent"
            )
            facts = {"kind": which, "kept": length.removesuffix(" d"), "destination": kind}
            yield Notice(code="CTX-6101", stream=stream, message=message, count=count, value=value, facts=facts)
        count, value = self.uncosted
        if count:
            message = f"{count} orders worth {value} {currency} have a line without a cost: told at revenue, not margin"
            yield Notice(code="CTX-6105", stream=stream, message=message, count=count, value=value)
        if self.refusal:
            message = f"predicted values are not told to {kind}: {self.refusal}"
            yield Notice(
                code="CTX-6106", stream=stream, message=message, facts={"destination": kind, "why": self.refusal}
            )


def decisions(run: Run, kind: str, counts: Counts) -> Iterator[list[Line]]:
    """Ledger rows of everything open for a destination, a page at a time, in no order of time. Writes nothing."""
    destination = ledger.destination_of(run, kind)
    asked = ledger.says(destination).value
    predicted, counts.refusal = foresight.predictions(run, destination) if asked == "predicted_ltv" else ({}, "")
    worths = ledger.Worths(run, asked, predicted)
    since = run.now() - max(destination.window.click, destination.window.identifiers)
    # What waited for a policy is looked at again once there is one, however old: too late is then the reason.
    mended = NO_POLICY if run.tenant.privacy and run.tenant.privacy.consent else "-"
    beyond = ""
    while orders := run.warehouse.rows(
        OPEN, destination=kind, since=since, mended=mended, beyond=beyond, page=ledger.PAGE
    ):
        beyond = orders[-1]["order_key"]
        found = zip(orders, worths.of(orders), strict=True)
        now = run.now()
        yield [_decided(run, kind, destination, order, worth, now, counts) for order, worth in found]


def _decided(
    run: Run, kind: str, destination: Destination, order: Row, worth: rules.Worth, now: datetime, counts: Counts
) -> Line:
    sealed = rules.read_sealed(order["sealed"] or "")
    made = rules.conversion(order, tenant=run.tenant.code, destination=kind, sealed=sealed, worth=worth)
    privacy = run.tenant.privacy or rules.Privacy()
    decision = rules.decide(rules.sale(order, made, sealed, worth.basis), destination, privacy, now)
    due = now
    if decision.state == "planned":
        # What waits for its next attempt goes on waiting; the hold is counted once, when the row is first planned.
        again = order["ledger_state"] == "planned"
        hold = ledger.held_back(destination)
        due = order["next_attempt_at"] or now if again else rules.due_at(made, destination.window, hold, now)
    row = rules.entry(
        made, decision, order=order, destination=kind, revision=0, now=now, run_id=run.run_id, worth=worth, due=due
    )
    counts.add(order, row, decision)
    return Line(row, order["sealed"] or "", stored=order["planned_key"] is not None)


def _count(into: defaultdict[Any, Sum], at: Any, value: Decimal) -> None:
    count, total = into[at]
    into[at] = (count + 1, total + value)
