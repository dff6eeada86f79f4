"""Send: claim, call, write down what the platform said. A crash in between leaves `unknown`, never a second sending."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from cortex import conversions as rules
from cortex import crash
from cortex.destinations import Destination
from cortex.errors import CredentialError, PolicyRefusal, Transient
from cortex.records import Conversion, Receipt
from cortex.run import Outcome, Run, Step
from cortex.warehouse import outbox

if TYPE_CHECKING:
    from cortex.tenant import Tenant

ORDERS = "SELECT * FROM fct_orders WHERE order_key IN :keys"
ITEMS = "SELECT order_key, line, product_id, quantity, unit_price FROM fct_order_items WHERE order_key IN :keys"
HELD = """
    SELECT b.state, b.reason, COUNT(*) AS n, SUM(b.value) AS value
    FROM conversion_outbox b JOIN fct_orders o ON o.order_key = b.order_key
    WHERE b.destination = :destination AND b.state IN ('gated', 'expired')
      AND o.paid_date >= :since AND o.paid_date < :until
    GROUP BY b.state, b.reason ORDER BY b.state, b.reason
"""
WAITING = """
    SELECT outbox_key, claim_id, claimed_at, sent_at FROM conversion_outbox
    WHERE destination = :destination AND state = 'unknown' AND next_attempt_at IS NOT NULL
"""
POLLED = """
    SELECT outbox_key, event_id, order_ref, request_id, claim_id, attempts, sent_at FROM conversion_outbox
    WHERE destination = :destination AND state = 'accepted' AND settled_at IS NULL AND next_attempt_at <= :now
"""


def conversions(tenant: Tenant) -> Iterator[Step]:
    """One step per enabled destination: one that is down does not hold up the other."""
    for kind in tenant.destinations:
        yield Step(f"conversions.{kind}", partial(deliver, kind=kind), needs=("conversions.queue",))


def deliver(run: Run, kind: str) -> Outcome:
    """Send everything due to one destination and ask what became of what it is still processing.

    Raises PolicyRefusal when the client file states no consent policy, CredentialError when the platform refuses us
    (what was claimed is given back), Transient when it cannot be reached before anything was sent.
    """
    if run.tenant.privacy is None or run.tenant.privacy.consent is None:
        raise PolicyRefusal(
            "CTX-6001",
            f"Client {run.tenant.code} states no consent policy: no conversion leaves for {kind}.",
            fix=f"Add privacy.consent.mode (opt_in or opt_out) to tenants/{run.tenant.code}.yaml, as the client instructs.",
        )
    destination = run.adapter("destinations", kind, Destination, run.tenant.destinations[kind])
    lost = _resolve_abandoned(run, kind, destination)
    _hold_late(run, kind, destination)
    fates: Counter[str] = Counter()
    value = Decimal(0)
    while claimed := outbox.claim(run.warehouse, kind, destination.batch, _claim_id(run, fates), run.now()):
        sent, worth = _batch(run, kind, destination, claimed)
        fates += sent
        value += worth
        run.progress(sum(fates.values()))
    polled = _settle(run, kind, destination)
    run.warehouse.atomically(lambda tx: outbox.purge_identifiers(tx, run.now()))
    return _outcome(run, kind, fates, polled, value, lost)


def _claim_id(run: Run, fates: Counter[str]) -> str:
    """Different for every claim of a run: each one moves at least one row on."""
    return f"{run.run_id}-{sum(fates.values())}"


def _batch(
    run: Run, kind: str, destination: Destination, claimed: Sequence[dict[str, Any]]
) -> tuple[Counter[str], Decimal]:
    batch = _conversions(run, kind, claimed)
    digest = hashlib.sha256(destination.body(batch)).hexdigest()
    sent_at = run.now()
    crash.point("send")
    try:
        receipts = destination.send(batch)
    except (CredentialError, Transient) as failure:
        # What may have arrived stays claimed: the next run resolves it as unknown, never as untried.
        if not getattr(failure, "sent", False):
            _give_back(run, claimed, failure)
        raise
    crash.point("sent")
    outcomes = []
    value = Decimal(0)
    for row, made, receipt in zip(claimed, batch, receipts, strict=True):
        # Of a delivery nobody answered the first call's time counts: the platform's deduplication began with it.
        first = row["sent_at"] if row["was"] == "unknown" and row["sent_at"] else sent_at
        outcome = rules.after(
            receipt, attempts=row["attempts"], now=sent_at, was=row["was"], sent_at=first, dedup=destination.dedup
        )
        outcomes.append(_row(run, row, outcome, receipt, sent_at=first, digest=digest))
        if outcome.state in rules.DELIVERED:
            value += made.value
    run.warehouse.atomically(partial(outbox.record, outcomes=outcomes))
    return Counter(row["state"] for row in outcomes), value


def _conversions(run: Run, kind: str, claimed: Sequence[dict[str, Any]]) -> list[Conversion]:
    keys = sorted({row["order_key"] for row in claimed})
    orders = {row["order_key"]: row for row in _in_parts(run, ORDERS, keys)}
    items: dict[str, list[dict[str, Any]]] = {key: [] for key in keys}
    for line in _in_parts(run, ITEMS, keys):
        items[line["order_key"]].append(line)
    return [
        rules.conversion(
            orders[row["order_key"]],
            tenant=run.tenant.code,
            destination=kind,
            sealed=rules.read_sealed(row["identifiers"]),
            items=items[row["order_key"]],
            action=row["action"],
            revision=row["revision"],
        )
        for row in claimed
    ]


def _in_parts(run: Run, sql: str, keys: Sequence[str]) -> Iterator[dict[str, Any]]:
    for start in range(0, len(keys), 1000):
        yield from run.warehouse.rows(sql, keys=list(keys[start : start + 1000]))


def _row(
    run: Run, row: dict[str, Any], outcome: rules.Outcome, receipt: Receipt, *, sent_at: Any, digest: str | None = None
) -> dict[str, Any]:
    settled = {
        "outbox_key": row["outbox_key"],
        "claim_id": row["claim_id"],
        "state": outcome.state,
        "sent_at": sent_at,
        "settled_at": run.now() if outcome.settled else None,
        "next_attempt_at": outcome.next_attempt_at,
        "run_id": run.run_id,
        **rules.told(receipt),
    }
    return settled if digest is None else {**settled, "payload_sha256": digest}


def _give_back(run: Run, claimed: Sequence[dict[str, Any]], failure: CredentialError | Transient) -> None:
    """Nothing of the batch was tried: the rows are as they were."""
    rows = [
        {
            "outbox_key": row["outbox_key"],
            "claim_id": row["claim_id"],
            "state": row["was"],
            "attempts": row["attempts"] - 1,
            "next_attempt_at": run.now(),
            "error_class": "auth" if isinstance(failure, CredentialError) else "transient",
            "error_code": failure.code,
            "run_id": run.run_id,
        }
        for row in claimed
    ]
    run.warehouse.atomically(partial(outbox.record, outcomes=rows))


def _resolve_abandoned(run: Run, kind: str, destination: Destination) -> int:
    """Claims without a receipt are unknown: this run holds the client's lease, so whoever claimed them is gone.

    They are due at once while the platform still deduplicates; after that they are held for a person.
    """
    now = run.now()
    rows = []
    for row in outbox.stale(run.warehouse, kind, now + timedelta(seconds=1)):
        outcome = rules.after(
            rules.LOST,
            attempts=row["attempts"],
            now=now,
            was="claimed",
            sent_at=row["sent_at"],
            dedup=destination.dedup,
        )
        rows.append(
            {
                "outbox_key": row["outbox_key"],
                "claim_id": row["claim_id"],
                "state": outcome.state,
                "next_attempt_at": now if outcome.next_attempt_at is not None else None,
                **rules.told(rules.LOST),
            }
        )
    run.warehouse.atomically(partial(outbox.record, outcomes=rows))
    return len(rows)


def _hold_late(run: Run, kind: str, destination: Destination) -> None:
    """Deliveries nobody answered that waited too long for their repeat: a run came late, the platform's memory ended."""
    now = run.now()
    rows = [
        {"outbox_key": row["outbox_key"], "claim_id": row["claim_id"], "state": "unknown", "next_attempt_at": None}
        for row in run.warehouse.rows(WAITING, destination=kind)
        if not rules.repeatable(row["sent_at"] or row["claimed_at"], now, destination.dedup)
    ]
    run.warehouse.atomically(partial(outbox.record, outcomes=rows))


def _settle(run: Run, kind: str, destination: Destination) -> Counter[str]:
    """What became of requests the platform processes asynchronously."""
    now = run.now()
    waiting: dict[str, list[dict[str, Any]]] = {}
    for row in run.warehouse.rows(POLLED, destination=kind, now=now):
        waiting.setdefault(row["request_id"], []).append(row)
    fates: Counter[str] = Counter()
    for request_id, rows in waiting.items():
        told = dict(destination.settle(request_id))
        outcomes = []
        for row in rows:
            receipt = told.get(row["event_id"]) or told.get(row["order_ref"]) or told.get("*")
            if receipt is None:
                continue
            outcome = rules.after(
                receipt,
                attempts=row["attempts"],
                now=now,
                was="accepted",
                sent_at=row["sent_at"],
                dedup=destination.dedup,
            )
            outcomes.append(_row(run, row, outcome, receipt, sent_at=row["sent_at"]))
            fates[outcome.state] += 1
        run.warehouse.atomically(partial(outbox.record, outcomes=outcomes))
    return fates


def _outcome(run: Run, kind: str, fates: Counter[str], polled: Counter[str], value: Decimal, lost: int) -> Outcome:
    done = sum(count for state, count in fates.items() if state in rules.DELIVERED)
    parts = [f"{done} accepted"]
    held = run.warehouse.rows(HELD, destination=kind, since=run.window.since, until=run.window.until)
    skipped = sum(row["n"] for row in held)
    parts.append(f"{skipped} skipped by rule")
    parts.append(f"{fates['rejected'] + fates['dead']} rejected")
    if fates["planned"]:
        parts.append(f"{fates['planned']} to retry")
    if fates["unknown"] or lost:
        parts.append(f"{fates['unknown']} unknown")
    if polled:
        parts.append(f"{polled['processed']} processed")
    return Outcome(
        done,
        " · ".join(parts),
        {
            "accepted": done,
            "value": value,
            "skipped": [
                {"state": row["state"], "reason": row["reason"], "count": row["n"], "value": row["value"]}
                for row in held
            ],
            "rejected": fates["rejected"] + fates["dead"],
            "retry": fates["planned"],
            "unknown": fates["unknown"],
            "processed": polled["processed"],
        },
    )
