"""Send: claim, call, write down what the platform said. A crash in between leaves `unknown`, never a second sending."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from cortex import conversions as rules
from cortex import crash
from cortex.destinations import Destination
from cortex.errors import CredentialError, Transient
from cortex.records import Notice, Receipt
from cortex.run import Outcome, Run, Step
from cortex.steps import ledger
from cortex.steps.cycles import seldom_sought
from cortex.warehouse import outbox

if TYPE_CHECKING:
    from cortex.tenant import Tenant
    from cortex.warehouse import Transaction

HELD = """
    SELECT b.state, b.reason, COUNT(*) AS n, SUM(b.value) AS value
    FROM conversion_outbox b JOIN fct_orders o ON o.order_key = b.order_key
    WHERE b.destination = :destination AND b.state IN ('gated', 'expired') AND b.action = 'purchase'
      AND o.paid_date >= :since AND o.paid_date < :until
    GROUP BY b.state, b.reason ORDER BY b.state, b.reason
"""
WAITING = """
    SELECT b.outbox_key AS outbox_key, b.claim_id AS claim_id, b.claimed_at AS claimed_at, b.sent_at AS sent_at,
           b.action AS action, o.paid AS paid, o.refunded AS refunded, o.currency AS currency
    FROM conversion_outbox b JOIN fct_orders o ON o.order_key = b.order_key
    WHERE b.destination = :destination AND b.state = 'unknown' AND b.next_attempt_at IS NOT NULL
"""
WAITS = """
    SELECT COUNT(*) AS n, SUM(value) AS value FROM conversion_outbox
    WHERE destination = :destination AND state IN ('planned', 'claimed', 'sent')
"""
POLLED = """
    SELECT outbox_key, event_id, order_ref, request_id, claim_id, attempts, sent_at FROM conversion_outbox
    WHERE destination = :destination AND state = 'accepted' AND settled_at IS NULL AND next_attempt_at <= :now
"""


def conversions(tenant: Tenant) -> Iterator[Step]:
    """One step per enabled destination: one that is down does not hold up the other."""
    for kind in tenant.destinations:
        yield Step(f"conversions.{kind}", partial(deliver, kind=kind), needs=("conversions.queue",))


@seldom_sought()
def deliver(run: Run, kind: str) -> Outcome:
    """Send everything due to one destination and ask what became of what it is still processing.

    Raises PolicyRefusal when the client file states no consent policy, CredentialError when the platform refuses us
    (what was claimed is given back), Transient when it cannot be reached before anything was sent.
    """
    ledger.refuse_without_policy(run, kind)
    destination = ledger.destination_of(run, kind)
    lost = _resolve_abandoned(run, kind, destination)
    _hold_late(run, kind, destination)
    sending = Sending(run, kind, destination)
    try:
        while not sending.stopped and (claimed := sending.claim()):
            sending.batch(claimed)
            run.progress(sum(sending.fates.values()))
        polled = settle(run, kind, destination)
    except CredentialError as refused:
        _leave_word(run, kind, "auth", refused.message)
        raise
    run.warehouse.atomically(lambda tx: outbox.purge_identifiers(tx, run.now()))
    if sending.stopped == "auth":
        raise CredentialError(sending.code, sending.words, fix=f"cortex doctor {run.tenant.code}")
    return _outcome(run, kind, sending, polled, lost)


@dataclass
class Sending:
    """What one run sends to one destination, batch by batch, until nothing is due or the platform wants no more."""

    run: Run
    kind: str
    destination: Destination
    fates: Counter[str] = field(default_factory=Counter)
    value: Decimal = Decimal(0)
    stopped: str = ""
    """The class of failure after which the rest waits for another run."""
    code: str = ""
    words: str = ""
    batches: int = 0

    def __post_init__(self) -> None:
        self.composer = ledger.Composer(self.run, self.kind)

    def claim(self) -> list[dict[str, Any]]:
        """The next batch. Every claim of a run has an id of its own, whichever try of the step makes it."""
        self.batches += 1
        claim_id = f"{self.run.run_id}-{self.run.attempt}-{self.batches}"
        return outbox.claim(self.run.warehouse, self.kind, self.destination.batch, claim_id, self.run.now())

    def batch(self, claimed: Sequence[dict[str, Any]]) -> None:
        """Call the platform with one claimed batch and write down what it said of each row."""
        run = self.run
        made = self.composer.conversions(claimed)
        digest = hashlib.sha256(self.destination.body(made)).hexdigest()
        sent_at = run.now()
        crash.point("claimed")
        run.warehouse.atomically(lambda tx: _mark(tx, claimed, sent_at, digest))
        crash.point("send")
        try:
            receipts = self.destination.send(made)
        except (CredentialError, Transient) as failure:
            # What may have arrived stays sent: the next run resolves it as unknown, never as untried.
            if not getattr(failure, "sent", False):
                _give_back(run, claimed, failure)
            raise
        crash.point("sent")
        heard = self._heard(claimed, receipts, sent_at, run.now())
        # A prediction is no second sale.
        values = {one.key: one.value for one in made if one.action != "value"}
        for said, claims in heard:
            self.fates[said["state"]] += len(claims)
            if said["state"] in rules.DELIVERED:
                self.value += sum(values.get(key, 0) for key in claims)
        run.warehouse.atomically(partial(outbox.write, heard=heard))

    def _heard(
        self, claimed: Sequence[dict[str, Any]], receipts: Sequence[Receipt], sent_at: datetime, heard_at: datetime
    ) -> list[outbox.Heard]:
        """What is written down of the rows. Of a batch nearly all hear the same: what that means is found out once."""
        known: dict[Any, dict[str, str]] = {}
        alike: dict[Any, outbox.Heard] = {}
        for row, receipt in zip(claimed, receipts, strict=True):
            # Of a delivery nobody answered the first call's time counts: the platform's deduplication began with it.
            first = row["sent_at"] if row["was"] == "unknown" and row["sent_at"] else sent_at
            at = (id(receipt), row["attempts"], row["was"], first)
            if at not in known:
                outcome = rules.after(
                    receipt,
                    attempts=row["attempts"],
                    now=sent_at,
                    was=row["was"],
                    sent_at=first,
                    dedup=self.destination.dedup,
                )
                said = _said(self.run, outcome, receipt, sent_at=first, heard_at=heard_at)
                known[at] = alike.setdefault(tuple(said.values()), outbox.Heard(said, {})).claims
                self._note(receipt)
            known[at][row["outbox_key"]] = row["claim_id"]
        return list(alike.values())

    def _note(self, receipt: Receipt) -> None:
        """Stop after this batch when its class says the next one would hear the same."""
        if self.stopped or receipt.state != "retry" or not rules.handling(receipt.error_class).stops:
            return
        self.stopped, self.code, self.words = receipt.error_class, receipt.error_code, receipt.message
        _leave_word(self.run, self.kind, receipt.error_class, receipt.message)


def _mark(tx: Transaction, claimed: Sequence[dict[str, Any]], at: datetime, digest: str) -> int:
    return outbox.sending(tx, [row["outbox_key"] for row in claimed], claimed[0]["claim_id"], at, digest)


def _leave_word(run: Run, kind: str, error_class: str, words: str) -> None:
    """The notice people get when a destination is left alone until somebody mends it."""
    if code := rules.handling(error_class).notice:
        waiting = run.warehouse.rows(WAITS, destination=kind)[0]
        run.notices.append(
            Notice(
                code=code,
                stream=f"conversions.{kind}",
                message=f"{kind} takes nothing until this is mended, {waiting['n']} conversions wait: {words}",
                count=waiting["n"],
                value=waiting["value"] or Decimal(0),
            )
        )


def _said(
    run: Run, outcome: rules.Outcome, receipt: Receipt, *, sent_at: datetime | None, heard_at: datetime
) -> dict[str, Any]:
    """The columns an outcome is written down in: one time for a whole batch, so that it is one statement."""
    return {
        "state": outcome.state,
        "reason": "",
        # Of what was not taken there is no sending to remember: the next one is the first.
        "sent_at": None if outcome.state == "planned" else sent_at,
        "settled_at": heard_at if outcome.settled else None,
        "next_attempt_at": outcome.next_attempt_at,
        "run_id": run.run_id,
        **rules.told(receipt),
    }


def _give_back(run: Run, claimed: Sequence[dict[str, Any]], failure: CredentialError | Transient) -> None:
    """Nothing of the batch was tried: the rows are as they were."""
    rows = [
        {
            "outbox_key": row["outbox_key"],
            "claim_id": row["claim_id"],
            "state": row["was"],
            "sent_at": row["sent_at"],
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
    """Calls without a receipt are unknown: this run holds the client's lease, so whoever made them is gone.

    They are due at once while the platform still deduplicates; after that they are held for a person.
    """
    now = run.now()
    rows = []
    for row in outbox.stale(run.warehouse, kind, now + timedelta(seconds=1)):
        outcome = rules.after(
            rules.LOST,
            attempts=row["attempts"],
            now=now,
            was="sent",
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
    """Deliveries nobody answered that must not be repeated: hold them for a person.

    Either the platform's memory ended (a run came late), or all the money went back meanwhile and the platform takes
    no refunds: a repeat might be the first it hears of a sale that is none.
    """
    now = run.now()
    rows = []
    for row in run.warehouse.rows(WAITING, destination=kind):
        held = {
            "outbox_key": row["outbox_key"],
            "claim_id": row["claim_id"],
            "state": "unknown",
            "next_attempt_at": None,
        }
        if not rules.repeatable(row["sent_at"] or row["claimed_at"], now, destination.dedup):
            rows.append(held | {"reason": "no_receipt"})
        elif row["action"] == "purchase" and not destination.restates and not rules.net_value(row):
            rows.append(held | {"reason": "refunded"})
    run.warehouse.atomically(partial(outbox.record, outcomes=rows))


def settle(run: Run, kind: str, destination: Destination) -> Counter[str]:
    """Ask what became of requests the platform processes asynchronously, as far as it is time to. Fates by state."""
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
            said = _said(run, outcome, receipt, sent_at=row["sent_at"], heard_at=now)
            outcomes.append({"outbox_key": row["outbox_key"], "claim_id": row["claim_id"], **said})
            fates[outcome.state] += 1
        run.warehouse.atomically(partial(outbox.record, outcomes=outcomes))
        _compare(run, kind, request_id, len(rows), list(told.values()))
    return fates


def _compare(run: Run, kind: str, request_id: str, ours: int, receipts: Sequence[Receipt]) -> None:
    """Say where the platform counts fewer than the ledger says it took: it names reasons, not orders."""
    for receipt in receipts:
        if receipt.state == "accepted" and receipt.error_class and not receipt.processing:
            message = f"{kind} did not use all {ours} conversions of request {request_id}. {receipt.message}"
            run.notices.append(
                Notice(
                    code="CTX-6111",
                    stream=f"conversions.{kind}",
                    message=message,
                    count=ours,
                    facts={"request": request_id},
                )
            )


def _outcome(run: Run, kind: str, sending: Sending, polled: Counter[str], lost: int) -> Outcome:
    fates = sending.fates
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
            "value": sending.value,
            "stopped": sending.stopped,
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
