"""Preview: what a run would send now, to the byte, and how two versions of a client file differ in it. Writes no row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from cortex.destinations import Destination
from cortex.run import Run
from cortex.steps import adjust, ledger, queue, values
from cortex.steps.ledger import Line, Row

DOUBTFUL = """
    SELECT b.*, COALESCE(i.identifiers, '') AS identifiers FROM conversion_outbox b
    LEFT JOIN conversion_identifiers i ON i.order_key = b.order_key AND i.destination = b.destination
    WHERE b.destination = :destination AND b.state = 'unknown' AND b.next_attempt_at <= :now
"""


@dataclass
class Preview:
    """What one destination would be sent now. rows: as the ledger would hold them, in the order they would be sent."""

    kind: str
    rows: list[Row] = field(default_factory=list)
    later: int = 0
    """Planned, but not due yet: held back, or waiting for their next attempt."""
    held: list[dict[str, Any]] = field(default_factory=list)
    beyond: list[dict[str, Any]] = field(default_factory=list)
    """By reason: orders it counts too much for, which a run would report and cannot correct."""

    @property
    def value(self) -> Decimal:
        """Of sales and corrections: what is predicted is money of nobody yet."""
        return sum((row["value"] for row in self.rows if row["action"] != "value"), Decimal(0))

    @property
    def actions(self) -> dict[str, int]:
        return dict(sorted(Counter(row["action"] for row in self.rows).items()))


def preview(run: Run, kind: str) -> Preview:
    """Decide as `queue` and `adjust` would, and leave the ledger as it is.

    Raises PolicyRefusal (CTX-6001) when the client file states no consent policy: nothing would be sent.
    """
    ledger.refuse_without_policy(run, kind)
    now = run.now()
    found = Preview(kind)
    counts, corrections = queue.Counts(), adjust.Counts()
    pages: list[Iterator[list[Line]]] = [
        queue.decisions(run, kind, counts),
        adjust.decisions(run, kind, corrections),
        values.decisions(run, kind),
    ]
    for page in (page for each in pages for page in each):
        for row, sealed, _ in page:
            if row["state"] != "planned":
                continue
            if row["next_attempt_at"] > now:
                found.later += 1
            else:
                found.rows.append(row | {"identifiers": sealed})
    found.rows += run.warehouse.rows(DOUBTFUL, destination=kind, now=now)
    found.rows.sort(key=lambda row: (row["occurred_at"], row["outbox_key"]))
    found.held, found.beyond = counts.held(), corrections.beyond()
    return found


def bodies(run: Run, found: Preview) -> Iterator[bytes]:
    """The requests a run would post, batch by batch: the same bytes."""
    destination, composer = ledger.destination_of(run, found.kind), ledger.Composer(run, found.kind)
    for start in range(0, len(found.rows), destination.batch):
        yield destination.body(composer.conversions(found.rows[start : start + destination.batch]))


def write_bodies(run: Run, found: Preview, folder: Path) -> list[Path]:
    """One file per request under `folder`/<destination>. They hold digests and IP addresses: only their owner may read them."""
    place = folder / found.kind
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    written = []
    for number, body in enumerate(bodies(run, found), start=1):
        path = place / f"{number:04}.json"
        path.touch(mode=0o600)
        path.write_bytes(body)
        written.append(path)
    return written


@dataclass
class Difference:
    """How what a destination would be sent differs between two versions of the client file."""

    kind: str
    same: int = 0
    changed: int = 0
    fields: Counter[str] = field(default_factory=Counter)
    """Path in the payload -> events in which it differs."""
    examples: dict[str, tuple[str, Any, Any]] = field(default_factory=dict)
    """Path -> an order, the value now, the value under the other version."""
    added: int = 0
    removed: int = 0


def difference(now: Run, other: Run, kind: str) -> Difference:
    """Event by event, what would be sent under `now`'s client file and under `other`'s, from the same data."""
    found = Difference(kind)
    mine, theirs = _events(now, kind), _events(other, kind)
    found.added, found.removed = len(theirs.keys() - mine.keys()), len(mine.keys() - theirs.keys())
    for key in sorted(mine.keys() & theirs.keys()):
        (order, before), (_, after) = mine[key], theirs[key]
        changed = [path for path in sorted(before.keys() | after.keys()) if before.get(path) != after.get(path)]
        found.same += not changed
        found.changed += bool(changed)
        for path in changed:
            found.fields[path] += 1
            found.examples.setdefault(path, (order, before.get(path), after.get(path)))
    return found


def _events(run: Run, kind: str) -> dict[str, tuple[str, dict[str, Any]]]:
    """Outbox key -> order id and the request that would tell of it alone, flat. Nothing where the file does not ask for it."""
    if kind not in run.tenant.destinations:
        return {}
    destination, composer = ledger.destination_of(run, kind), ledger.Composer(run, kind)
    rows = preview(run, kind).rows
    found = {}
    for start in range(0, len(rows), ledger.PAGE):
        part = rows[start : start + ledger.PAGE]
        for row, made in zip(part, composer.conversions(part), strict=True):
            found[row["outbox_key"]] = (row["order_ref"], _payload(destination, made))
    return found


def _payload(destination: Destination, made: Any) -> dict[str, Any]:
    return dict(_flat("", msgspec.json.decode(destination.body([made]))))


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from _flat(f"{path}.{name}" if path else name, item)
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from _flat(f"{path}[{at}]", item)
    else:
        yield path, value


def masked(value: Any) -> str:
    """A value of a payload as it may be shown: digests and addresses are cut, they still belong to a person.

    >>> masked("fef8409b26ce36b3bbb1cbeb0671ac3adefa343e5a5e8a023b82df64e832d2a3"), masked(199.9)
    ('fef8409b…', '199.9')
    """
    text = "—" if value is None else str(value)
    return f"{text[:8]}…" if len(text) > 24 and " " not in text and not text.startswith("http") else text
