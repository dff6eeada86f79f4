"""From nothing, or from an older version, to a schema this Cortex can use: say what would change, then do it.

`plan` only reads. `apply` does what `plan` says and can be run again wherever it was interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, select

from cortex import __version__
from cortex.errors import DatabaseError
from cortex.warehouse import accounts, migrate, seed, views
from cortex.warehouse import engine as engines
from cortex.warehouse.changes import Change
from cortex.warehouse.engine import COLLATION, Place
from cortex.warehouse.failures import Denied
from cortex.warehouse.load import Transaction
from cortex.warehouse.tables import TENANT, cortex_meta


def plan(base_url: str, code: str, state: Path) -> list[Change]:
    """What `apply` would do, in order; nothing when the schema is as it should be. Creates and writes nothing.

    Raises DatabaseError when the server cannot be reached, or when the schema is another client's, newer than this
    Cortex, or made from migrations that were edited since.
    """
    place = engines.tenant_place(base_url, code, state)
    found = engines.collation(place)
    if found is None:
        return [Change("create", f"database {place.database}"), *_from_scratch()]
    recode = [Change("recode", f"database {place.database}")] if found != COLLATION else []
    try:
        return recode + _compare(accounts.place(base_url, code, state), code)
    except Denied:
        # Rotated or robbed of its rights, which onboarding mends: until then the configured user looks.
        return recode + _compare(place, code)


def apply(base_url: str, code: str, state: Path) -> list[Change]:
    """Do what `plan` says. Returns what was done; nothing to do is no error."""
    changes = plan(base_url, code, state)
    if not changes:
        return []
    place = engines.tenant_place(base_url, code, state)
    if changes[0] == Change("create", f"database {place.database}"):
        engines.create(place)
    elif changes[0].verb == "recode":
        engines.recode(place)
    place = accounts.place(base_url, code, state)
    engine = engines.connect(place)
    try:
        migrate.apply(engine, place, migrate.tenant_migrations())
        _fill(engine, place, code, changes)
    except Denied as denied:
        raise accounts.refused(place, code) if place.user else denied from None
    finally:
        engine.dispose()
    return changes


def check_owner(meta: dict[str, str], place: Place, code: str) -> None:
    """Raises DatabaseError CTX-5004 when the schema says it is another client's: a swapped URL stops here."""
    owner = meta.get("tenant", code)
    if owner != code:
        raise DatabaseError(
            "CTX-5004",
            f"The schema in {place} is of client {owner}, not of {code}.",
            fix="Check the database URL and the client code; nothing was read or written.",
        )


def read_meta(connection: Connection) -> dict[str, str]:
    """The facts of cortex_meta; nothing when the table is not there yet."""
    if not inspect(connection).has_table("cortex_meta"):
        return {}
    found = connection.execute(select(cortex_meta.c.name, cortex_meta.c.value))
    return {row.name: row.value for row in found}


def _compare(place: Place, code: str) -> list[Change]:
    engine = engines.connect(place)
    try:
        with engines.reading(engine, place) as connection:
            return list(_differences(connection, place, code))
    finally:
        engine.dispose()


def _from_scratch() -> list[Change]:
    return [
        *[
            Change("apply", f"migration {migration.version}_{migration.name}")
            for migration in migrate.tenant_migrations()
        ],
        *[Change("load", f"seed {each.table}") for each in seed.seeds()],
        *[Change("create", f"view {view.name}") for view in views.bundled_views()],
    ]


def _differences(connection: Connection, place: Place, code: str) -> Iterator[Change]:
    meta = read_meta(connection)
    check_owner(meta, place, code)
    for migration in migrate.pending(connection, migrate.tenant_migrations()):
        yield Change("apply", f"migration {migration.version}_{migration.name}")
    for each in seed.seeds():
        if meta.get(f"seed:{each.table}") != each.sha256:
            yield Change("load", f"seed {each.table}")
    there = views.existing(connection)
    for view in views.bundled_views():
        if view.name not in there:
            yield Change("create", f"view {view.name}")
        elif meta.get(f"view:{view.name}") != view.sha256:
            yield Change("replace", f"view {view.name}")
    for name in sorted(there - {view.name for view in views.bundled_views()}):
        yield Change("drop", f"view {name}")


def _fill(engine: Engine, place: Place, code: str, changes: list[Change]) -> None:
    """Seeds and views. What is there is noted after it is: killed between the two, the next time does it once more."""
    with engines.writing(engine, place) as connection:
        tx = Transaction(connection)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        tx.insert_missing(cortex_meta, [_fact("tenant", code), _fact("created_at", now)])
        loaded = [each for each in seed.seeds() if Change("load", f"seed {each.table}") in changes]
        for each in loaded:
            tx.replace(TENANT.tables[each.table], {}, each.rows)
        sums = [_fact(f"seed:{each.table}", each.sha256) for each in loaded]
        tx.upsert(cortex_meta, [_fact("cortex_version", __version__), *sums])
    asked = {change.what for change in changes if change.verb in {"create", "replace"}}
    made = [view for view in views.bundled_views() if f"view {view.name}" in asked]
    with engines.writing(engine, place) as connection:
        for view in made:
            views.create(connection, view)
        Transaction(connection).upsert(cortex_meta, [_fact(f"view:{view.name}", view.sha256) for view in made])
    for change in changes:
        if change.verb == "drop":
            with engines.writing(engine, place) as connection:
                name = change.what.removeprefix("view ")
                views.drop(connection, name)
                Transaction(connection).delete(cortex_meta, {"name": f"view:{name}"})


def _fact(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}
