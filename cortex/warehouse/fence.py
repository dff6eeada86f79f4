"""The fence: a run whose lease has passed to another may compute on, but nothing of it is committed.

A process can stall for any time between asking whether it still holds its lease and committing. So the client's own
schema remembers the epoch of the newest lease, and every transaction of a run compares in the same transaction.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from sqlalchemy import select

from cortex.errors import Busy
from cortex.warehouse.tables import cortex_meta

if TYPE_CHECKING:
    from cortex.warehouse.load import Transaction

EPOCH = "epoch"
WRITTEN = "written"
# The row is locked until the transaction ends: who raises the epoch waits for who has just compared it. SQLite has but
# one writer at a time.
_HELD = select(cortex_meta.c.value).where(cortex_meta.c.name == EPOCH).with_for_update()


def raise_to(tx: Transaction, epoch: int) -> int | None:
    """Make `epoch` the newest. Returns None, or the stored one, unchanged, when that is as new or newer."""
    stored = _stored(tx)
    if stored is None:
        tx.insert_missing(cortex_meta, [{"name": EPOCH, "value": str(epoch)}])
    elif stored >= epoch:
        return stored
    else:
        tx.update(cortex_meta, {"name": EPOCH}, {"value": str(epoch)})
    return None


def check(tx: Transaction, code: str, epoch: int | None) -> None:
    """Raises Busy CTX-5010 when a newer lease has been taken since; `epoch` None is a writer without a lease."""
    if epoch is not None and _stored(tx) != epoch:
        raise Busy(
            "CTX-5010",
            f"This run of {code} lost its lease to another one and stopped; nothing of its last batch was written.",
            fix="cortex runs list shows who holds it.",
        )


def mark(tx: Transaction) -> None:
    """What this transaction wrote is a new version of the client's data: whoever keeps figures of it asks anew.

    Written last, so that nobody waits for this row but for the moment of a commit.
    """
    version = {"value": secrets.token_hex(8)}
    if not tx.update(cortex_meta, {"name": WRITTEN}, version):
        tx.insert_missing(cortex_meta, [{"name": WRITTEN} | version])


def version(tx: Transaction) -> str:
    """Another text after every transaction that wrote; empty before the first."""
    found = tx.rows(select(cortex_meta.c.value).where(cortex_meta.c.name == WRITTEN))
    return str(found[0]["value"]) if found else ""


def _stored(tx: Transaction) -> int | None:
    found = tx.rows(_HELD)
    return int(found[0]["value"]) if found else None
