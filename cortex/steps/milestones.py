"""Milestones: what of the onboarding checklist is proven, by the client's own data, the run ledger and what commands saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from cortex.clock import system_clock
from cortex.errors import DatabaseError
from cortex.handoff import checklist
from cortex.handoff.checklist import Note
from cortex.warehouse import Control, Transaction, Warehouse, provision
from cortex.warehouse.views import bundled_views

if TYPE_CHECKING:
    from cortex.steps.provision import Checked
    from cortex.tenant import Tenant
    from cortex.workspace import Workspace

STREAK = 7
"""Days of monitoring after delivery (four-week plan)."""
SCHEDULED = 3
"""Daily runs in a row at the same time of day that no person starts by hand."""
SAME_TIME = timedelta(minutes=30)
RUNS = 400
"""How many of the newest runs are looked at: two weeks of an hourly client."""
DESTINATIONS = {"capi.ok": "meta_capi", "ec.ok": "google_ec"}
SOURCES = ("store.orders", "ads.", "traffic.")
"""Steps that read a source."""
NOT_ENABLED = "not in the client file"

LIVE = "SELECT external_id FROM fct_orders WHERE consent_source = 'ctx_consent' LIMIT 1"
GA4 = "SELECT order_key FROM fct_touchpoints WHERE origin LIKE :origin LIMIT 1"
ACCEPTED = """
    SELECT destination, COUNT(*) AS n FROM conversion_outbox WHERE state IN ('accepted', 'processed', 'duplicate')
    GROUP BY destination ORDER BY destination
"""
CHECKED = "SELECT run_id, severity, status FROM dq_results WHERE run_id = (SELECT MAX(run_id) FROM dq_results)"


def standing(tenant: Tenant, workspace: Workspace, database: str) -> list[checklist.ItemState]:
    """The checklist of a client whose schema is there. Raises DatabaseError as `Warehouse.open` does.

    What the ledger and the first orders prove is written down when it is first seen: it may be far back the next time.
    """
    with Control.open(database, workspace.state) as control:
        ran = dict(_of_runs(control.runs(tenant.code, limit=RUNS), control))
    with Warehouse.open(database, tenant.code, workspace.state) as warehouse:
        kept = _evidence(warehouse)
        seen = ran | {name: said for name, said in _once(warehouse, kept) if said}
        _keep(warehouse, kept, seen)
        found = seen | kept | dict(_of_data(warehouse)) | dict(_of_file(tenant))
        notes = _notes(warehouse)
    if provision.plan(database, tenant.code, workspace.state):
        found.pop("db.provisioned")
    return checklist.state(found, notes)


def streak(database: str, workspace: Workspace, code: str) -> int:
    """Days in a row, up to the newest, whose daily run succeeded."""
    with Control.open(database, workspace.state) as control:
        return _streak([run for run in control.runs(code, limit=RUNS) if run["status"] == "ok"], control)


def _of_file(tenant: Tenant) -> Iterator[tuple[str, str]]:
    if tenant.kpis.chosen:
        yield "config.kpis", f"{tenant.file}: {', '.join(tenant.kpis.chosen)}"
    for name, kind in DESTINATIONS.items():
        if kind not in tenant.destinations:
            yield name, NOT_ENABLED
    if not tenant.destinations:
        yield "conversions.test", NOT_ENABLED


def _of_data(warehouse: Warehouse) -> Iterator[tuple[str, str]]:
    yield "db.provisioned", f"cortex_{warehouse.code}"
    views = [view.name for view in bundled_views()]
    for name in views:
        warehouse.rows(f"SELECT 1 AS one FROM {name} WHERE 1 = 0")  # noqa: S608  # our own view's name
    yield "views.ok", f"{len(views)} views"
    checked = warehouse.rows(CHECKED)
    if checked and not any(row["status"] == "failed" and row["severity"] == "error" for row in checked):
        yield "quality.ok", f"run {checked[0]['run_id']}"


def _once(warehouse: Warehouse, kept: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """What has only to be seen once, and is not looked for again: whole tables are read for it."""
    if "tracking.live" not in kept:
        order = warehouse.rows(LIVE)
        told = f"order {order[0]['external_id']} carries ctx_*" if order else ""
        yield "tracking.live", told or ("a purchase in GA4" if warehouse.rows(GA4, origin="%ga4%") else "")
    if "conversions.test" not in kept:
        accepted = warehouse.rows(ACCEPTED)
        yield "conversions.test", ", ".join(f"{row['destination']} accepted {row['n']}" for row in accepted)


def _of_runs(runs: Sequence[Mapping[str, Any]], control: Control) -> Iterator[tuple[str, str]]:
    good = [run for run in runs if run["status"] == "ok"]
    read = next((run for run in good if run["pipeline"] in {"daily", "backfill"} and _read_all(control, run)), None)
    if read:
        yield "extract.ok", f"run {read['run_id']}"
    filled = next(
        (run for run in good if run["pipeline"] == "backfill" and (run["until"] - run["since"]).days >= 90), None
    )
    if filled:
        yield "backfill.90", f"run {filled['run_id']}"
    if clocked := _clocked(good):
        yield "schedule.installed", clocked
    if _streak(good, control) >= STREAK:
        yield "streak.7", f"{STREAK} daily runs"


def _read_all(control: Control, run: Mapping[str, Any]) -> bool:
    """Whether every step of a run that reads a source went well; `--only` leaves some out."""
    steps = [step for step in control.steps(run["run_id"]) if step["step"].startswith(SOURCES)]
    return any(step["step"] == "store.orders" for step in steps) and all(step["status"] == "ok" for step in steps)


def _streak(good: Sequence[Mapping[str, Any]], control: Control) -> int:
    """Days in a row, back from the newest, of which a daily run read every source: a part of one proves nothing."""
    daily = sorted((run for run in good if run["pipeline"] == "daily"), key=lambda run: run["until"], reverse=True)
    length, newest = 0, None
    for day, runs in groupby(daily, key=lambda run: run["until"]):
        newest = newest or day
        if (newest - day).days != length or not any(_read_all(control, run) for run in runs):
            break
        length += 1
    return length


def _clocked(good: Sequence[Mapping[str, Any]]) -> str:
    """Says when daily runs begin, where the newest days show that a clock starts them; else empty."""
    starts: dict[date, datetime] = {}
    ids: dict[date, str] = {}
    for run in good:
        if run["pipeline"] == "daily" and run["started_at"]:
            starts.setdefault(run["until"], run["started_at"])
            ids.setdefault(run["until"], run["run_id"])
    days = sorted(starts, reverse=True)[:SCHEDULED]
    if len(days) < SCHEDULED or (days[0] - days[-1]).days != SCHEDULED - 1:
        return ""
    newest = starts[days[0]]
    apart = [abs((newest - starts[day]) - timedelta(days=at)) for at, day in enumerate(days)]
    return f"run {ids[days[0]]}, daily at {newest:%H:%M} UTC" if max(apart) <= SAME_TIME else ""


# What commands and people write down


def record(database: str, workspace: Workspace, code: str, seen: Mapping[str, str]) -> None:
    """Keep evidence a command saw; an empty text takes it away again. Nothing happens before the client has a schema."""
    try:
        with Warehouse.open(database, code, workspace.state) as warehouse:
            _keep(warehouse, _evidence(warehouse), seen)
    except DatabaseError as error:
        if error.code not in {"CTX-5002", "CTX-5003"}:
            raise


def _evidence(warehouse: Warehouse) -> dict[str, str]:
    return {row["name"]: row["seen"] for row in warehouse.rows("SELECT name, seen FROM checklist_evidence")}


def _keep(warehouse: Warehouse, kept: Mapping[str, str], seen: Mapping[str, str]) -> None:
    now = system_clock()()
    new = [
        {"name": name, "seen": said[:255], "seen_at": now} for name, said in seen.items() if said and name not in kept
    ]
    lost = [name for name, said in seen.items() if not said and name in kept]

    def work(tx: Transaction) -> None:
        tx.upsert("checklist_evidence", new)
        for name in lost:
            tx.delete("checklist_evidence", {"name": name})

    if new or lost:
        warehouse.atomically(work)


def record_checks(database: str, workspace: Workspace, code: str, checked: Sequence[Checked]) -> None:
    """Keep what `doctor` or `onboard` heard from the platforms; a platform that refuses now takes its tick back."""
    answers = {(check.block, check.kind): check.error is None for check in checked}
    if not answers:
        return
    seen = {"credentials.ok": f"{len(answers)} platforms" if all(answers.values()) else ""}
    for name, kind in DESTINATIONS.items():
        if ("offline_conversions", kind) in answers:
            seen[name] = "doctor" if answers["offline_conversions", kind] else ""
    record(database, workspace, code, seen)


def write(database: str, workspace: Workspace, code: str, item: str, changes: Mapping[str, Any]) -> None:
    """Change what people wrote about an item: owner, due_on, done_by, done_on."""
    with Warehouse.open(database, code, workspace.state) as warehouse:
        note = vars(_notes(warehouse).get(item, Note())) | dict(changes)
        row = {"item": item, **note, "changed_at": system_clock()()}
        warehouse.atomically(lambda tx: tx.upsert("checklist_items", [row]))


def _notes(warehouse: Warehouse) -> dict[str, Note]:
    rows = warehouse.rows("SELECT item, owner, due_on, done_by, done_on FROM checklist_items")
    return {row["item"]: Note(row["owner"], row["due_on"], row["done_by"], row["done_on"]) for row in rows}
