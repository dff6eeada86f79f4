"""Queue: every paid order becomes one line in the ledger per destination: planned, or not to be sent and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cortex import conversions as rules
from cortex.destinations import Destination
from cortex.records import Notice
from cortex.run import Outcome, Run, Step
from cortex.warehouse import outbox

if TYPE_CHECKING:
    from cortex.tenant import Tenant

OPEN = """
    SELECT o.*, i.identifiers AS sealed, b.outbox_key AS planned_key, b.reason AS held_for
    FROM fct_orders o
    LEFT JOIN conversion_outbox b
      ON b.order_key = o.order_key AND b.destination = :destination AND b.action = 'purchase'
    LEFT JOIN conversion_identifiers i ON i.order_key = o.order_key AND i.destination = :destination
    WHERE (o.is_paid = 1 AND (b.outbox_key IS NULL OR (b.state = 'gated' AND (o.created_at >= :since OR b.reason = :mended))))
       OR b.state = 'planned'
"""
NO_POLICY = "no_consent_policy"


def conversions(tenant: Tenant) -> Iterator[Step]:
    if tenant.destinations:
        yield Step("conversions.queue", queue, needs=("customers.people",))


def queue(run: Run) -> Outcome:
    """Decide what is open: paid orders without a line, planned ones, and gated ones that may still change."""
    total = 0
    said = []
    facts: dict[str, Any] = {}
    for kind, config in run.tenant.destinations.items():
        destination = run.adapter("destinations", kind, Destination, config)
        counts = _decide(run, kind, destination)
        planned, planned_value = counts.get(("planned", ""), (0, Decimal(0)))
        held = sum(count for (state, _), (count, _) in counts.items() if state != "planned")
        said.append(f"{kind} {planned} to send, {held} held")
        facts[kind] = {
            "planned": planned,
            "planned_value": planned_value,
            "held": [
                {"state": state, "reason": reason, "count": count, "value": value}
                for (state, reason), (count, value) in sorted(counts.items())
                if state != "planned"
            ],
        }
        total += planned
    return Outcome(total, " · ".join(said), facts)


def _decide(run: Run, kind: str, destination: Destination) -> dict[tuple[str, str], tuple[int, Decimal]]:
    privacy = run.tenant.privacy or rules.Privacy()
    now = run.now()
    since = now - max(destination.window.click, destination.window.identifiers)
    # What waited for a policy is looked at again once there is one, however old: too late is then the reason.
    found = run.warehouse.rows(OPEN, destination=kind, since=since, mended=NO_POLICY if privacy.consent else "-")
    rows = []
    counts: defaultdict[tuple[str, str], tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
    late: defaultdict[str, tuple[int, Decimal]] = defaultdict(lambda: (0, Decimal(0)))
    for order in found:
        sealed = rules.read_sealed(order["sealed"] or "")
        made = rules.conversion(order, tenant=run.tenant.code, destination=kind, sealed=sealed)
        decision = rules.decide(rules.sale(order, made, sealed), destination, privacy, now)
        rows.append(
            rules.entry(
                made, decision, order_key=order["order_key"], destination=kind, revision=0, now=now, run_id=run.run_id
            )
        )
        _count(counts, (decision.state, decision.reason), made.value)
        if decision.state == "expired" and (order["planned_key"] is None or order["held_for"] == NO_POLICY):
            _count(late, decision.detail, made.value)
    run.warehouse.atomically(lambda tx: outbox.plan(tx, rows))
    for window, (count, value) in sorted(late.items()):
        which, _, length = window.partition(" ")
        clicked = "with" if which == "click" else "without"
        run.notices.append(
            Notice(
                code="CTX-6101",
                stream=f"conversions.{kind}",
                message=(
                    f"{count} orders worth {value} {run.tenant.currency} {clicked} a click id are older than"
                    f" the {length.replace(' d', ' days')} {kind} takes: not sent"
                ),
                count=count,
                value=value,
                facts={"kind": which, "kept": length.removesuffix(" d"), "destination": kind},
            )
        )
    return dict(counts)


def _count(into: defaultdict[Any, tuple[int, Decimal]], at: Any, value: Decimal) -> None:
    count, total = into[at]
    into[at] = (count + 1, total + value)
