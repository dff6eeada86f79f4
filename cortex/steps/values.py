"""Values: what first-time buyers are predicted to bring, told of purchases that were delivered before it was known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from cortex import conversions as rules
from cortex.run import Outcome, Run, Step
from cortex.steps import foresight, ledger
from cortex.steps.cycles import seldom_sought
from cortex.steps.ledger import STORED, Line, Row
from cortex.warehouse import outbox

if TYPE_CHECKING:
    from cortex.tenant import Tenant

WITHIN = timedelta(days=7)
"""After the purchase was sent (Meta, guides/predicted-lifetime-value)."""
MARGIN = timedelta(hours=6)
"""Kept before the end of it, for sending."""

UNTOLD = f"""
    SELECT {STORED}, i.identifiers AS sealed, v.state AS ledger_state, v.next_attempt_at AS next_attempt_at,
           v.occurred_at AS occurred_at
    FROM conversion_outbox p
    JOIN fct_orders o ON o.order_key = p.order_key
    LEFT JOIN conversion_outbox v
      ON v.order_key = p.order_key AND v.destination = p.destination AND v.action = 'value'
    LEFT JOIN conversion_identifiers i ON i.order_key = p.order_key AND i.destination = p.destination
    WHERE p.destination = :destination AND p.action = 'purchase' AND p.state IN :delivered
      AND p.settled_at IS NOT NULL AND p.predicted_value IS NULL AND p.sent_at >= :since AND o.created_at >= :since
      AND o.is_paid = 1 AND o.is_new_customer = 1 AND o.status <> 'cancelled' AND o.paid > o.refunded
      AND (v.outbox_key IS NULL OR v.state IN ('planned', 'gated'))
      AND NOT EXISTS (
        SELECT 1 FROM conversion_outbox t JOIN fct_orders s ON s.order_key = t.order_key
        WHERE s.customer_key = o.customer_key AND t.order_key <> p.order_key AND t.destination = p.destination
          AND t.predicted_value IS NOT NULL AND t.state <> 'gated')
      AND o.order_key > :beyond
    ORDER BY o.order_key LIMIT :page
"""  # noqa: S608  # our own names
"""Purchases the platform has, told without a prediction, of buyers of whom it was told none."""


def conversions(tenant: Tenant) -> Iterator[Step]:
    if tenant.destinations:
        yield Step("conversions.values", plan, needs=("conversions.queue",))


@seldom_sought()
def plan(run: Run) -> Outcome:
    """Plan the predicted values that may be told, each once per buyer; nothing where Meta's conditions do not hold."""
    planned = 0
    for kind in run.tenant.destinations:
        for page in decisions(run, kind):
            rows = [line.row for line in page]
            run.warehouse.atomically(lambda tx, rows=rows: outbox.plan(tx, rows))  # type: ignore[misc]
            planned += sum(row["state"] == "planned" for row in rows)
    return Outcome(planned, f"{planned} predicted values to tell", {"planned": planned})


def decisions(run: Run, kind: str) -> Iterator[list[Line]]:
    """Ledger rows to write, a page at a time. Writes nothing."""
    destination = ledger.destination_of(run, kind)
    if ledger.says(destination).value != "predicted_ltv" or not destination.predicts:
        return
    predicted, refusal = foresight.predictions(run, destination)
    if refusal:  # `queue` says why
        return
    worths = ledger.Worths(run, "predicted_ltv", predicted)
    since = run.now() - WITHIN + MARGIN
    beyond = ""
    while orders := run.warehouse.rows(
        UNTOLD, destination=kind, delivered=sorted(rules.DELIVERED), since=since, beyond=beyond, page=ledger.PAGE
    ):
        beyond = orders[-1]["order_key"]
        found = zip(orders, worths.of(orders), strict=True)
        page = [_decided(run, kind, order, worth) for order, worth in found if worth.predicted]
        if page:
            yield page


def _decided(run: Run, kind: str, order: Row, worth: rules.Worth) -> Line:
    destination = ledger.destination_of(run, kind)
    sealed = rules.read_sealed(order["sealed"] or "")
    again = order["ledger_state"] == "planned"
    # What waits keeps its time, so that the event stays the same to the byte.
    at = rules.utc(order["occurred_at"]) if again else run.now().replace(microsecond=0)
    assert worth.predicted is not None
    told = rules.Worth(value=worth.predicted, basis="predicted_ltv", predicted=worth.predicted)
    made = rules.conversion(
        order, tenant=run.tenant.code, destination=kind, sealed=sealed, action="value", worth=told, adjusted_at=at
    )
    privacy = run.tenant.privacy or rules.Privacy()
    decision = rules.decide(rules.sale(order, made, sealed, told.basis), destination, privacy, run.now())
    row = rules.entry(
        made, decision, order=order, destination=kind, revision=0, now=run.now(), run_id=run.run_id, worth=told,
        due=order["next_attempt_at"] if again else None, settled=decision.state == "gated",
    )  # fmt: skip
    return Line(row | {"occurred_at": at}, order["sealed"] or "")
