"""The ledger of conversions: planned, claimed before the platform is called, recorded after, never sent blindly again.

planned ⇄ gated ─► expired
planned ─► claimed ─► sent ─► accepted ─► processed        planned again: the platform asked to try later
                        └► duplicate · rejected · dead · expired
           a process that dies before `sent` leaves what was: planned. After it: unknown, until the platform or a
           person says
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from cortex.warehouse import conditions
from cortex.warehouse.failures import Contended
from cortex.warehouse.load import Loaded, Transaction
from cortex.warehouse.rows import Row
from cortex.warehouse.tables import conversion_identifiers, conversion_outbox

if TYPE_CHECKING:
    from cortex.warehouse import Warehouse

PLANNED, GATED, CLAIMED, SENT, ACCEPTED = "planned", "gated", "claimed", "sent", "accepted"
PROCESSED, DUPLICATE, EXPIRED = "processed", "duplicate", "expired"
REJECTED, UNKNOWN, DEAD = "rejected", "unknown", "dead"

OPEN = (PLANNED, GATED)
"""Nothing was ever sent, or nothing was taken: the row may still be decided anew."""
UNDERWAY = (CLAIMED, SENT, ACCEPTED, UNKNOWN)
"""The platform is being called, or was: only its own word, or a person's, moves the row."""
SETTLED = (PROCESSED, DUPLICATE, EXPIRED, REJECTED, DEAD)
"""Final. ACCEPTED is final too once `settled_at` is set: a platform that answers at once has nothing to add."""

_FRESH = {
    "attempts": 0,
    "claim_id": "",
    "claimed_at": None,
    "next_attempt_at": None,
    "sent_at": None,
    "settled_at": None,
    "request_id": "",
    "payload_sha256": "",
    "error_class": "",
    "error_code": "",
    "error_message": "",
}
_DECIDED = (
    "event_id",
    "order_ref",
    "occurred_at",
    "value",
    "value_basis",
    "predicted_value",
    "currency",
    "state",
    "reason",
    "match_keys",
    "consent_state",
    "consent_source",
    "consent_version",
    "consent_at",
    "next_attempt_at",
    "settled_at",
)
"""What planning decides, and may decide again while the row is open."""
_UNSAID = {
    "value_basis": "revenue",
    "match_keys": "",
    "consent_state": "unknown",
    "consent_source": "",
    "consent_version": "",
    "predicted_value": None,
    "consent_at": None,
}
"""Of what planning decides, what a caller may leave out."""
_COLUMNS = len(conversion_outbox.columns)


def plan(tx: Transaction, rows: Sequence[Row], *, unknown: bool = False) -> Loaded:
    """Write down what should be sent, or why not. A key seen before is decided anew only while it is OPEN.

    rows: outbox_key, order_key, destination, action, revision, event_id, order_ref, occurred_at, value, currency,
    state (planned, gated or expired), reason, created_at, run_id. The rest begins empty, or as given. unknown: the caller
    found none of the keys stored; about speed alone, as in `Transaction.upsert`.
    """
    whole = [row if len(row) == _COLUMNS else _FRESH | _UNSAID | dict(row) for row in rows]
    inserted = tx.insert_missing(conversion_outbox, whole, unknown=unknown)
    updated = 0
    if inserted < len(whole):
        again = [{name: row[name] for name in ("outbox_key", *_DECIDED)} for row in whole]
        updated = tx.assign(conversion_outbox, "outbox_key", again, only={"state": list(OPEN)})
    return Loaded(inserted, updated, len({row["outbox_key"] for row in rows}) - inserted - updated)


ORDER_COLUMNS = (
    "external_id", "customer_key", "is_new_customer", "created_at", "currency", "gclid", "gbraid", "wbraid", "fbc", "fbp",
    "ttclid", "ttp", "ga_client_id", "event_url",
)  # fmt: skip
"""Of an order, what a conversion is made of when its value is known: a claim brings it along."""


def claim(warehouse: Warehouse, destination: str, limit: int, claim_id: str, now: datetime) -> list[dict[str, Any]]:
    """Take up to `limit` due conversions, oldest first, for this claim alone; committed before it returns.

    Due is what is planned, and what is unknown with a time at which it may be repeated, when its `next_attempt_at` has
    come. Returns what sending needs of the rows and of their orders, in that order, with `was` (planned or unknown) and
    `identifiers` (the JSON text stored for the buyer, empty when it is gone). Rivals never get the same row: it is locked
    when it is read, and taken by an UPDATE that holds only while it is as it was. Give every call its own `claim_id`.
    """
    return warehouse.atomically(lambda tx: _take(tx, _due(tx, destination, limit, now), claim_id, now))


def _due(tx: Transaction, destination: str, limit: int, now: datetime) -> list[dict[str, Any]]:
    """The oldest due rows, kept from rivals. One question per state: each is a walk along the index, nothing is sorted."""
    planned, unknown = (
        tx.locked(sql, destination=destination, now=now, limit=limit) for sql in (_DUE_PLANNED, _DUE_UNKNOWN)
    )
    if not unknown:
        return planned
    return sorted(planned + unknown, key=lambda row: (row["occurred_at"], row["outbox_key"]))[:limit]


_DUE = f"""
    SELECT o.outbox_key, o.order_key, o.order_ref, o.action, o.revision, o.occurred_at, o.value, o.value_basis,
           o.predicted_value, o.state, o.attempts, o.sent_at, COALESCE(i.identifiers, '') AS identifiers,
           {", ".join(f"s.{name}" for name in ORDER_COLUMNS)}
    FROM conversion_outbox o
    LEFT JOIN conversion_identifiers i ON i.order_key = o.order_key AND i.destination = o.destination
    LEFT JOIN fct_orders s ON s.order_key = o.order_key
    WHERE o.destination = :destination AND o.state = '{{}}' AND {{}}
    ORDER BY o.occurred_at, o.outbox_key
    LIMIT :limit
"""  # noqa: S608  # our own names
_DUE_PLANNED = _DUE.format(PLANNED, "(o.next_attempt_at IS NULL OR o.next_attempt_at <= :now)")
_DUE_UNKNOWN = _DUE.format(UNKNOWN, "o.next_attempt_at <= :now")
_TAKE = """
    UPDATE conversion_outbox
    SET state = 'claimed', claim_id = :claim_id, claimed_at = :now, attempts = attempts + 1, next_attempt_at = NULL
    WHERE outbox_key IN :keys AND state = :was
"""


def _take(tx: Transaction, due: list[dict[str, Any]], claim_id: str, now: datetime) -> list[dict[str, Any]]:
    for was in (PLANNED, UNKNOWN):
        for part in conditions.parts({"keys": [row["outbox_key"] for row in due if row["state"] == was]}):
            if tx.run(_TAKE, claim_id=claim_id, now=now, keys=part["keys"], was=was) != len(part["keys"]):
                raise Contended("CTX-5008", "Conversions were taken by another run.")
    for row in due:
        row["was"] = row["state"]
        row["state"], row["claim_id"], row["claimed_at"] = CLAIMED, claim_id, now
        row["attempts"] += 1
    return due


def sending(tx: Transaction, keys: Sequence[str], claim_id: str, at: datetime, payload_sha256: str) -> int:
    """Write down that the platform is being called now, with these bytes, before it is. Returns how many rows it concerns.

    From here on the rows count as sent: of a process that dies, what it had not come to call is planned again.
    """
    return sum(
        tx.run(_SENDING, keys=part["keys"], claim_id=claim_id, at=at, digest=payload_sha256)
        for part in conditions.parts({"keys": list(keys)})
    )


_SENDING = """
    UPDATE conversion_outbox SET state = 'sent', sent_at = COALESCE(sent_at, :at), payload_sha256 = :digest
    WHERE outbox_key IN :keys AND claim_id = :claim_id AND state = 'claimed'
"""


def record(tx: Transaction, outcomes: Sequence[Row]) -> list[str]:
    """Write down what became of claimed conversions. Returns the keys of rows that are no longer this claim's, unwritten.

    outcomes: outbox_key, claim_id, state, and any of reason, sent_at, settled_at, next_attempt_at, request_id,
    payload_sha256, error_class, error_code, error_message, run_id. A column not given keeps its value. A row moves only
    while it is UNDERWAY under the same claim; recording the same outcome twice is no loss.
    """
    return write(tx, _alike(outcomes))


class Heard(NamedTuple):
    """What is said of rows alike, by column, and of which claim of which keys."""

    said: Row
    claims: dict[str, str]


def write(tx: Transaction, heard: Sequence[Heard]) -> list[str]:
    """As `record`, of outcomes put together: a statement for each."""
    lost: list[str] = []
    for said, claims in heard:
        written = 0
        for claim_id in sorted(set(claims.values())):
            keys = [key for key, held in claims.items() if held == claim_id]
            written += tx.update(
                conversion_outbox, {"outbox_key": keys, "claim_id": claim_id, "state": list(UNDERWAY)}, said
            )
        if written == len(claims):
            continue
        # Read after the write: rows this transaction changed are its own until it ends.
        now = tx.lookup(conversion_outbox, "outbox_key", claims, ["claim_id", "state"])
        lost += [
            key
            for key, claim_id in claims.items()
            if now.get(key, {}).get("claim_id") != claim_id or now[key]["state"] != said["state"]
        ]
    return lost


def _alike(outcomes: Sequence[Row]) -> list[Heard]:
    groups: dict[tuple[Any, ...], dict[str, str]] = {}
    for outcome in outcomes:
        said = dict(outcome)
        key, claim_id = said.pop("outbox_key"), said.pop("claim_id")
        groups.setdefault(tuple(said.items()), {})[key] = claim_id
    return [Heard(dict(said), claims) for said, claims in groups.items()]


def stale(warehouse: Warehouse, destination: str, older_than: datetime) -> list[dict[str, Any]]:
    """Take back claims whose process died: rows it had sent are `unknown`, the others are what they were.

    A sent row is due never again until `record` or a person says when. Returns the rows turned unknown by a call
    without a receipt, so that the caller can decide that.
    """
    return warehouse.atomically(lambda tx: _turn(tx, destination, older_than))


def _turn(tx: Transaction, destination: str, older_than: datetime) -> list[dict[str, Any]]:
    forgotten = tx.rows(_FORGOTTEN, destination=destination, older_than=older_than)
    for part in conditions.parts({"keys": [row["outbox_key"] for row in forgotten]}):
        for sql in (_NEVER_SENT, _IN_DOUBT_STILL, _NO_RECEIPT):
            tx.run(sql, keys=part["keys"], older_than=older_than)
    return [row | {"state": UNKNOWN} for row in forgotten if row["state"] == SENT]


_FORGOTTEN = """
    SELECT * FROM conversion_outbox
    WHERE destination = :destination AND state IN ('claimed', 'sent') AND claimed_at < :older_than
"""
_NEVER_SENT = """
    UPDATE conversion_outbox SET state = 'planned', next_attempt_at = NULL, attempts = attempts - 1
    WHERE outbox_key IN :keys AND claimed_at < :older_than AND state = 'claimed' AND sent_at IS NULL
"""
_IN_DOUBT_STILL = """
    UPDATE conversion_outbox SET state = 'unknown', next_attempt_at = :older_than, attempts = attempts - 1
    WHERE outbox_key IN :keys AND claimed_at < :older_than AND state = 'claimed'
"""
_NO_RECEIPT = """
    UPDATE conversion_outbox
    SET state = 'unknown', reason = 'no_receipt', error_class = 'ambiguous', next_attempt_at = NULL
    WHERE outbox_key IN :keys AND claimed_at < :older_than AND state = 'sent'
"""


def purge_identifiers(tx: Transaction, now: datetime) -> int:
    """Delete identifiers that expired, and those whose every conversion is settled. Number of rows deleted."""
    deleted = tx.run("DELETE FROM conversion_identifiers WHERE expires_at <= :now", now=now)
    beyond = ""
    while finished := tx.rows(_FINISHED, settled=list(SETTLED), beyond=beyond, page=PAGE):
        beyond = finished[-1]["order_key"]
        by_destination: dict[str, list[str]] = {}
        for row in finished:
            by_destination.setdefault(row["destination"], []).append(row["order_key"])
        deleted += sum(
            tx.delete(conversion_identifiers, {"destination": destination, "order_key": keys})
            for destination, keys in by_destination.items()
        )
    return deleted


PAGE = 5000
_FINISHED = """
    SELECT i.order_key AS order_key, i.destination AS destination FROM conversion_identifiers i
    LEFT JOIN conversion_outbox o ON o.order_key = i.order_key AND o.destination = i.destination
    WHERE i.order_key >= :beyond
    GROUP BY i.order_key, i.destination
    HAVING COUNT(o.outbox_key) > 0
       AND SUM(CASE WHEN o.settled_at IS NULL AND o.state NOT IN :settled THEN 1 ELSE 0 END) = 0
    ORDER BY i.order_key, i.destination LIMIT :page
"""
"""Walks along the identifiers, which are few: as one DELETE with subqueries MariaDB compares every row with every other."""
