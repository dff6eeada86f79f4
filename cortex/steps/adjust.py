"""Adjust: orders whose money went back after they were told become restatements and retractions, or are said to be lost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cortex import conversions as rules
from cortex.destinations import Destination
from cortex.errors import CredentialError, Transient
from cortex.records import Notice
from cortex.run import Outcome, Run, Step
from cortex.steps import ledger, send
from cortex.steps.cycles import seldom_sought
from cortex.steps.ledger import STORED, Line, Row
from cortex.warehouse import outbox

if TYPE_CHECKING:
    from cortex.tenant import Tenant

CHANGED = f"""
    SELECT {STORED}, p.value_basis AS told_basis, i.identifiers AS sealed
    FROM conversion_outbox p
    JOIN fct_orders o ON o.order_key = p.order_key
    LEFT JOIN conversion_identifiers i ON i.order_key = p.order_key AND i.destination = p.destination
    WHERE p.destination = :destination AND p.action = 'purchase' AND p.state IN :delivered
      AND p.order_key > :beyond
      AND (p.value_basis = 'margin'
           OR p.value <> CASE WHEN o.paid > o.refunded THEN o.paid - o.refunded ELSE 0 END
           OR EXISTS (SELECT 1 FROM conversion_outbox a
                      WHERE a.order_key = p.order_key AND a.destination = p.destination
                        AND a.action IN ('restate', 'retract')))
    ORDER BY p.order_key LIMIT :page
"""  # noqa: S608  # our own names
LEDGER = """
    SELECT outbox_key, order_key, action, revision, value, state, reason, settled_at, occurred_at, next_attempt_at
    FROM conversion_outbox WHERE order_key IN :keys AND destination = :destination AND action <> 'value'
"""


def conversions(tenant: Tenant) -> Iterator[Step]:
    if tenant.destinations:
        yield Step("conversions.adjust", adjust, needs=("customers.people",))


@dataclass
class Counts:
    """Of one destination: adjustments to send, and what it goes on counting wrongly, worth how much."""

    planned: int = 0
    held: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    """By the gate's reason."""
    wrong: defaultdict[str, tuple[int, Decimal]] = field(default_factory=lambda: defaultdict(lambda: (0, Decimal(0))))
    """By reason, of orders not reported before: value told less true value."""

    def beyond(self) -> list[dict[str, Any]]:
        """What cannot be corrected, by reason."""
        return [
            {"reason": reason, "count": count, "value": value} for reason, (count, value) in sorted(self.wrong.items())
        ]


@seldom_sought()
def adjust(run: Run) -> Outcome:
    """Plan what delivered conversions are worth now, where the platform can be told; count what cannot be corrected.

    Platforms that work on requests after taking them are asked first: what they have done by now can be corrected now.
    """
    said = []
    total = 0
    facts: dict[str, Any] = {}
    for kind in run.tenant.destinations:
        with suppress(CredentialError, Transient):  # sending, right after this, says so
            send.settle(run, kind, ledger.destination_of(run, kind))
        counts = Counts()
        for page in decisions(run, kind, counts):
            rows = [line.row for line in page]
            run.warehouse.atomically(lambda tx, rows=rows: outbox.plan(tx, rows))  # type: ignore[misc]
        lost = sum(count for count, _ in counts.wrong.values())
        said.append(f"{kind} {counts.planned} to correct" + (f", {lost} beyond correction" if lost else ""))
        facts[kind] = {
            "planned": counts.planned,
            "held": dict(counts.held),
            "beyond_correction": counts.beyond(),
        }
        run.notices += _notices(kind, run.tenant.currency, counts)
        total += counts.planned
    return Outcome(total, " · ".join(said), facts)


def decisions(run: Run, kind: str, counts: Counts) -> Iterator[list[Line]]:
    """Ledger rows to write about orders a destination has and that changed since, a page at a time. Writes nothing."""
    destination = ledger.destination_of(run, kind)
    beyond = ""
    while orders := run.warehouse.rows(
        CHANGED, destination=kind, delivered=sorted(rules.DELIVERED), beyond=beyond, page=ledger.PAGE
    ):
        beyond = orders[-1]["order_key"]
        keys = [order["order_key"] for order in orders]
        lines = _lines(run, kind, keys)
        worths = _worths(run, orders)
        yield [
            Line(row, order["sealed"] or "")
            for order in orders
            for row in _decided(run, kind, destination, order, lines[order["order_key"]], worths, counts)
        ]


def _lines(run: Run, kind: str, keys: Sequence[str]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {key: [] for key in keys}
    for start in range(0, len(keys), 1000):
        for row in run.warehouse.rows(LEDGER, destination=kind, keys=list(keys[start : start + 1000])):
            found[row["order_key"]].append(row)
    return found


def _worths(run: Run, orders: Sequence[Row]) -> dict[str, rules.Worth]:
    """What each order is worth now, on the basis it was told on."""
    margins = [order for order in orders if order["told_basis"] == "margin"]
    others = [order for order in orders if order["told_basis"] != "margin"]
    found = dict(zip([order["order_key"] for order in margins], ledger.Worths(run, "margin").of(margins), strict=True))
    found |= {order["order_key"]: rules.Worth(value=rules.net_value(order)) for order in others}
    # A cost that was deleted since is no reason to tell another kind of value about the same sale.
    return {key: worth for key, worth in found.items() if worth.basis != rules.NO_COST}


def _decided(
    run: Run,
    kind: str,
    destination: Destination,
    order: Row,
    lines: Sequence[Row],
    worths: Mapping[str, rules.Worth],
    counts: Counts,
) -> Iterator[Row]:
    worth = worths.get(order["order_key"])
    if worth is None:
        return
    found = rules.adjustment(lines, worth.value, restates=destination.restates, now=run.now())
    for row in rules.overtaken(lines, found):
        was = rules.Worth(value=row["value"], basis=worth.basis)
        yield _row(run, kind, order, row["action"], row["revision"], was, _SUPERSEDED, settled=True)
    if isinstance(found, rules.Adjustment):
        yield _planned(run, kind, destination, order, found, lines, worth, counts)
    elif found.would_be is not None:
        state = "expired" if found.reason == "adjustment_window" else "gated"
        decision = rules.Decision(state=state, reason=found.reason)  # type: ignore[arg-type]
        _count_wrong(counts, found.would_be, found.reason, lines)
        yield _row(run, kind, order, found.would_be.action, found.would_be.revision, worth, decision, settled=True)


def _planned(
    run: Run,
    kind: str,
    destination: Destination,
    order: Row,
    found: rules.Adjustment,
    lines: Sequence[Row],
    worth: rules.Worth,
    counts: Counts,
) -> Row:
    sealed = rules.read_sealed(order["sealed"] or "")
    made = rules.conversion(
        order, tenant=run.tenant.code, destination=kind, sealed=sealed, action=found.action, revision=found.revision, worth=worth,
        told=found.told,
    )  # fmt: skip
    privacy = run.tenant.privacy or rules.Privacy()
    decision = rules.decide(rules.sale(order, made, sealed, worth.basis), destination, privacy, run.now())
    if decision.state == "planned":
        counts.planned += 1
    else:
        counts.held[decision.reason] += 1
        _count_wrong(counts, found, decision.reason, lines)
    waiting = next((row for row in lines if _same(row, found) and row["state"] == "planned"), None)
    return rules.entry(
        made, decision, order=order, destination=kind, revision=found.revision, now=run.now(), run_id=run.run_id, worth=worth,
        due=waiting["next_attempt_at"] if waiting else None,
        # Only the buyer or a person can change it: until then there is nothing to keep identifiers for.
        settled=decision.state == "gated",
    )  # fmt: skip


_SUPERSEDED = rules.Decision(state="gated", reason="superseded")


def _row(
    run: Run,
    kind: str,
    order: Row,
    action: Any,
    revision: int,
    worth: rules.Worth,
    decision: rules.Decision,
    *,
    settled: bool,
) -> Row:
    made = rules.conversion(
        order, tenant=run.tenant.code, destination=kind, action=action, revision=revision, worth=worth
    )
    return rules.entry(
        made, decision, order=order, destination=kind, revision=revision, now=run.now(), run_id=run.run_id, worth=worth, settled=settled
    )  # fmt: skip


def _count_wrong(counts: Counts, found: rules.Adjustment, reason: str, lines: Sequence[Row]) -> None:
    """Counted when it is news: the same figures were not written down before."""
    if any(_same(row, found) and row["value"] == found.value and row["reason"].startswith(reason) for row in lines):
        return
    count, value = counts.wrong[reason]
    counts.wrong[reason] = (count + 1, value + found.told - found.value)


def _same(row: Row, found: rules.Adjustment) -> bool:
    return row["action"] == found.action and int(row["revision"]) == found.revision


def _notices(kind: str, currency: str, counts: Counts) -> Iterator[Notice]:
    for reason, (count, value) in sorted(counts.wrong.items()):
        words = rules.NOT_TOLD.get(reason) or rules.REASONS.get(reason, reason)
        message = f"{kind} counts {value} {currency} too much for {count} orders, which cannot be corrected: {words}"
        yield Notice(
            code="CTX-6102",
            stream=f"conversions.{kind}",
            message=message,
            count=count,
            value=value,
            facts={"why": words},
        )
