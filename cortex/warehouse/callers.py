"""Who may ask over the API, what they have changed, and which of their posts were answered already.

A key is 192 random bits, so its plain SHA-256 gives nothing away and costs nothing to compare; the key itself is stored
nowhere. Everything here is in the control schema, which every front door of an agency shares.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from cortex.errors import DatabaseError
from cortex.warehouse.tables import api_keys, api_posts, audit_log

if TYPE_CHECKING:
    from cortex.warehouse.load import Transaction

T = TypeVar("T")
KEY = re.compile(r"cortex_([0-9a-f]{12})_[0-9a-f]{48}")
"""A key as its holder has it; the group is what may be shown of it."""
ROLES = ("admin", "analyst", "viewer")
"""admin and analyst are the agency's, for one client or all; a viewer is a client, and sees that one. Only admin begins
runs."""
REMEMBERED = timedelta(days=1)
"""For how long a repeated post is known."""
USED_EVERY = timedelta(hours=1)
"""How exactly `used_at` is kept: a write for every question would make readers wait for each other."""


class Writes(Protocol):
    """Runs `work` in one transaction of the control schema and returns what it returned."""

    def __call__(self, work: Callable[[Transaction], T]) -> T: ...


@dataclass(frozen=True)
class Caller:
    """Whose question it is. client: the one it may ask about; empty for all."""

    key_id: str
    name: str
    role: str
    client: str

    @property
    def actor(self) -> str:
        return f"key:{self.key_id}"

    @property
    def may_write(self) -> bool:
        return self.role == "admin"

    def may_ask_about(self, code: str) -> bool:
        return self.client in ("", code)


@dataclass(frozen=True)
class Entry:
    """A line of the audit log. refusal: CTX-nnnn when it was not done."""

    actor: str
    action: str
    client: str = ""
    subject: str = ""
    refusal: str = ""
    facts: Mapping[str, Any] | None = None


class Answered(Exception):
    """The post was answered before, by this run. Raised inside the transaction, so that no second run is written."""

    def __init__(self, run_id: str, asked: str) -> None:
        super().__init__(run_id)
        self.run_id, self.asked = run_id, asked


class Callers:
    """The keys of the API and what was done with them. Got from `Control.callers`."""

    def __init__(self, write: Writes, read: Callable[..., list[dict[str, Any]]]) -> None:
        self._write, self._read = write, read

    def create(self, name: str, *, role: str, client: str, actor: str, at: datetime) -> str:
        """Make a key and return it: nobody can read it again. client: empty for all."""
        key_id = secrets.token_hex(6)
        key = f"cortex_{key_id}_{secrets.token_hex(24)}"
        row = {
            "key_id": key_id,
            "name": name,
            "sha256": _sha256(key),
            "role": role,
            "client": client,
            "created_at": at,
            "used_at": None,
            "revoked_at": None,
        }

        def write(tx: Transaction) -> None:
            tx.insert_missing(api_keys, [row])
            note(tx, Entry(actor, "key.create", client, key_id, facts={"name": name, "role": role}), at)

        self._write(write)
        return key

    def caller(self, key: str, at: datetime) -> Caller | None:
        """Whose key this is; None for a key that is malformed, unknown or revoked. All take the same comparison."""
        shaped = KEY.fullmatch(key)
        found = self._read("SELECT * FROM api_keys WHERE key_id = :key_id", key_id=shaped[1]) if shaped else []
        row: dict[str, Any] = found[0] if found else {"sha256": "", "revoked_at": None}
        right = hmac.compare_digest(_sha256(key), row["sha256"].ljust(64, "-"))
        if not right or row["revoked_at"] is not None:
            return None
        if row["used_at"] is None or row["used_at"] < at - USED_EVERY:
            with contextlib.suppress(DatabaseError):  # a question is worth more than the note that it was asked
                self._write(lambda tx: tx.update(api_keys, {"key_id": row["key_id"]}, {"used_at": at}))
        return Caller(row["key_id"], row["name"], row["role"], row["client"])

    def keys(self) -> list[dict[str, Any]]:
        """Every key without its digest, the oldest first."""
        return self._read(
            "SELECT key_id, name, role, client, created_at, used_at, revoked_at FROM api_keys ORDER BY created_at, key_id"
        )

    def revoke(self, key_id: str, *, actor: str, at: datetime) -> bool:
        """End a key's validity, at once for every server. False when it was revoked before."""

        def write(tx: Transaction) -> bool:
            done = tx.update(api_keys, {"key_id": key_id, "revoked_at": None}, {"revoked_at": at})
            if done:
                note(tx, Entry(actor, "key.revoke", subject=key_id), at)
            return bool(done)

        return self._write(write)

    def audit(self, entry: Entry, at: datetime) -> None:
        """Note something by itself. What was done is noted in the transaction that did it."""
        self._write(lambda tx: note(tx, entry, at))

    def trail(self, limit: int) -> list[dict[str, Any]]:
        """The newest lines of the audit log; `facts` as the mapping they were."""
        found = self._read("SELECT * FROM audit_log ORDER BY entry_id DESC LIMIT :limit", limit=limit)
        return [row | {"facts": json.loads(row["facts"])} for row in found]

    def answered(self, key_id: str, post: str, at: datetime) -> Answered | None:
        """What answered a post of this Idempotency-Key within the last day."""
        found = self._read(
            "SELECT run_id, asked FROM api_posts WHERE key_id = :key_id AND post = :post AND posted_at >= :since",
            key_id=key_id, post=_sha256(post), since=at - REMEMBERED,
        )  # fmt: skip
        return Answered(found[0]["run_id"], found[0]["asked"]) if found else None


def claim(tx: Transaction, key_id: str, post: str, asked: str, run_id: str, at: datetime) -> None:
    """A post is answered by this run. Raises Answered when another was quicker; of two at once one waits for the other."""
    tx.run("DELETE FROM api_posts WHERE posted_at < :cutoff", cutoff=at - REMEMBERED)
    row = {"key_id": key_id, "post": _sha256(post), "asked": asked, "run_id": run_id, "posted_at": at}
    tx.insert_missing(api_posts, [row])
    (kept,) = tx.rows(
        "SELECT run_id, asked FROM api_posts WHERE key_id = :key_id AND post = :post", key_id=key_id, post=row["post"]
    )
    if kept["run_id"] != run_id:
        raise Answered(kept["run_id"], kept["asked"])


def note(tx: Transaction, entry: Entry, at: datetime) -> None:
    """A line of the audit log, in the transaction that does what it tells of."""
    row = {
        "entry_id": f"{at.astimezone(UTC):%Y%m%d%H%M%S%f}{secrets.token_hex(4)}",
        "noted_at": at,
        "actor": entry.actor,
        "action": entry.action,
        "client": entry.client,
        "subject": entry.subject,
        "refusal": entry.refusal,
        "facts": json.dumps(entry.facts or {}, ensure_ascii=False),
    }
    tx.insert_missing(audit_log, [row])


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
