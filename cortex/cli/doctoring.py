"""doctor, status, health: can it work, did it work."""

from __future__ import annotations

import platform
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli.shell import Answer, Shell, brl
from cortex.errors import ConfigError, CortexError

if TYPE_CHECKING:
    from cortex.tenant import Tenant

SIGNS = {"ok": "✓", "warning": "!", "failed": "✗"}
ARRIVED = {"accepted", "processed", "duplicate"}
LEFT_OUT = {"gated", "expired", "planned", "claimed", "sent"}
"""Held by rule, or not due yet."""
WIDTH = len("offline_conversions.meta_capi")
STALE = timedelta(hours=26)
"""Without a good daily run for this long a client is called stale: a day plus slack for the clock to drift."""


def register(app: typer.Typer) -> None:
    app.command("doctor")(doctor)
    app.command("status")(status)
    app.command("health")(health)


def doctor(context: typer.Context, client: Annotated[str, typer.Argument(metavar="CLIENT")] = "") -> Answer:
    """Check the machine, the database and client files.

    With a client also every credential.
    """
    shell: Shell = context.obj
    checks: list[dict[str, str]] = []

    def note(state: str, what: str, said: str, fix: str = "") -> None:
        checks.append({"state": state, "check": what, "message": said, "fix": fix})
        shell.show(f" {SIGNS[state]} {what.ljust(WIDTH)} {said}")
        if fix and state != "ok":
            shell.show(f"   {' ' * WIDTH} fix: {fix}")

    failures: list[CortexError] = []
    note("ok", "python", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    _database(shell, note, failures)
    codes = [client] if client else shell.workspace.tenant_codes()
    if not codes:
        note("warning", "clients", f"no client files in {shell.workspace.tenants}", "cortex init")
    _conflicts(shell, note)
    for code in codes:
        _client(shell, code, note, failures, ask=bool(client))
    worst = max(failures, key=lambda error: error.exit_code, default=None)
    return Answer(data=checks, client=client, exit_code=worst.exit_code if worst else 0)


def _database(shell: Shell, note: Any, failures: list[CortexError]) -> None:
    from cortex.warehouse import describe_server

    try:
        for state, what, said, fix in describe_server(shell.database, shell.workspace.state):
            note(state, what, said, fix)
        with shell.control() as control:
            runs = control.runs(None, limit=1)
            note("ok", "run ledger", f"last run {runs[0]['run_id']} ({runs[0]['status']})" if runs else "no run yet")
    except CortexError as error:
        failures.append(error)
        note("failed", "database", error.message, error.fix)


def _conflicts(shell: Shell, note: Any) -> None:
    from cortex import tenant as tenants

    try:
        for said in tenants.conflicts(tenants.load_all(shell.workspace, active_only=False)):
            note("warning", "clients", str(said), "Give each client its own accounts.")
    except CortexError:
        return  # the broken file is reported with its own client below


def _client(shell: Shell, code: str, note: Any, failures: list[CortexError], *, ask: bool) -> None:
    from cortex import tenant as tenants
    from cortex.warehouse import provision

    try:
        tenant = tenants.load(shell.workspace, code) if ask else tenants.load_file(shell.workspace, code)
        note("ok", f"{code} file", f"tenants/{code}.yaml valid")
    except ConfigError as error:
        failures.append(error)
        note(
            "failed",
            f"{code} file",
            f"{error.message} " + "; ".join(str(problem) for problem in error.problems[:3]),
            error.fix,
        )
        return
    for problem in tenant.warnings:
        note("warning", f"{code} file", str(problem))
    try:
        pending = provision.plan(shell.database, code, shell.workspace.state)
        if pending:
            note("warning", f"{code} schema", f"{len(pending)} changes pending", f"cortex onboard {code}")
        else:
            note("ok", f"{code} schema", "up to date")
            _quarantine(shell, code, note)
            _users(shell, code, note)
    except CortexError as error:
        failures.append(error)
        note("failed", f"{code} schema", error.message, error.fix)
    if ask:
        _credentials(shell, tenant, note, failures)
        _told(shell, tenant, note)


def _told(shell: Shell, tenant: Tenant, note: Any) -> None:
    """Whether people would hear of runs: what each channel needs is there. Nothing is sent."""
    from cortex import plugins
    from cortex import tenant as tenants
    from cortex.notify import Channel
    from cortex.secrets import Vault

    vault = Vault(tenant.code, shell.workspace.root)
    try:
        used = tenants.channels(tenant, tenants.load_agency(shell.workspace))
        for kind, config in used.items():
            for secret in plugins.adapter("notify", kind, Channel).needs(config):
                vault.get(*secret.names)
            note("ok", f"notifications.{kind}", f"{config.when}; proven by cortex notify test {tenant.code}")
    except CortexError as error:
        note("warning", "notifications", error.message, error.fix)


def _users(shell: Shell, code: str, note: Any) -> None:
    from cortex.warehouse import accounts

    found = accounts.examine(shell.database, code, shell.workspace.state)
    wrong = [user for user in found if user.state != "ready"]
    for user in wrong:
        note("warning", f"{code} database users", f"{user.name}: {user.told}", f"cortex onboard {code}")
    if wrong and not accounts.plan(shell.database, code, shell.workspace.state):
        said = "the configured user may not make users; what an administrator can run:"
        note("warning", f"{code} database users", said, f"cortex db users {code}")
    elif found and not wrong:
        note("ok", f"{code} database users", ", ".join(user.name for user in found))


def _quarantine(shell: Shell, code: str, note: Any) -> None:

    with shell.warehouse(code) as warehouse:
        bad = warehouse.rows(
            "SELECT stream, reason, COUNT(*) AS n FROM quarantine GROUP BY stream, reason ORDER BY n DESC"
        )
    for row in bad[:5]:
        note("warning", f"{code} quarantine", f"{row['stream']}: {row['n']} × {row['reason']}")


def _credentials(shell: Shell, tenant: Tenant, note: Any, failures: list[CortexError]) -> None:
    from cortex.clock import system_clock
    from cortex.steps import milestones, provision

    heard = []
    for check in provision.check(tenant, shell.workspace, system_clock()):
        heard.append(check)
        if check.error is None and check.account is not None:
            account = check.account
            about = ", ".join(
                part for part in (account.name, account.id, account.currency, account.timezone, account.note) if part
            )
            note("ok", check.name, about)
            try:
                _rate(shell, tenant, check.name, account.currency, note)
            except ConfigError as error:
                failures.append(error)
                note("failed", check.name, error.message, error.fix)
        elif check.error is not None:
            failures.append(check.error)
            page = f"(docs/en/{check.docs})" if check.docs else ""
            note("failed", check.name, check.error.message, " ".join(part for part in (check.error.fix, page) if part))
    try:
        milestones.record_checks(shell.database, shell.workspace, tenant.code, heard)
    except CortexError as error:
        note("warning", "checklist", f"not written: {error.message}", error.fix)


def _rate(shell: Shell, tenant: Tenant, name: str, currency: str, note: Any) -> None:
    """Money of an account in another currency counts nowhere until there are rates for its days."""
    from cortex.clock import local_day, system_clock
    from cortex.steps import currencies

    rates = currencies.read(shell.workspace.root / currencies.FILE, tenant.currency)
    if rates.foreign(currency) and rates.on(currency, local_day(system_clock()(), tenant.timezone)) is None:
        said = f"tells money in {currency}, the client reports in {tenant.currency}, and {currencies.FILE} has no rate for today"
        note("warning", name, said, "cortex explain CTX-5062")


def status(context: typer.Context, client: Annotated[str, typer.Argument(metavar="CLIENT")] = "") -> Answer:
    """Freshness, last run, revenue and delivery by client."""
    from cortex import tenant as tenants

    shell: Shell = context.obj
    codes = [tenants.load(shell.workspace, client).code] if client else shell.workspace.tenant_codes()
    with shell.control() as control:
        rows = [_standing(shell, code, control) for code in codes]
    shell.table(
        ["client", "last run", "ended (UTC)", "data until", "orders 30 d", "revenue 30 d", "delivered", "note"],
        [
            [
                row["client"], row["last_run"] or "—", f"{row['ended_at']:%Y-%m-%d %H:%M}" if row["ended_at"] else "—",
                row["data_until"] or "—", row["orders"], brl(row["revenue"], row["currency"]), _percent(row["accuracy"]), row["note"],
            ]
            for row in rows
        ],
        right=("orders 30 d", "revenue 30 d", "delivered"),
    )  # fmt: skip
    if client and rows and not rows[0]["note"].startswith("not"):
        _delivery(shell, client)
    return Answer(data=rows, client=client)


def _standing(shell: Shell, code: str, control: Any) -> dict[str, Any]:

    last = next(iter(control.runs(code, limit=1)), None)
    row: dict[str, Any] = {
        "client": code, "last_run": f"{last['pipeline']} {last['status']}" if last else "", "ended_at": last["ended_at"] if last else None,
        "data_until": None, "orders": 0, "revenue": None, "currency": _currency(shell, code), "accuracy": None, "accepted": {},
        "alerts": 0, "note": "",
    }  # fmt: skip
    try:
        with shell.warehouse(code) as warehouse:
            row |= _figures(warehouse)
    except CortexError as error:
        row["note"] = "not provisioned" if error.code == "CTX-5002" else error.message
        return row
    if last is None or not last["ended_at"] or datetime.now(UTC) - last["ended_at"] > STALE:
        row["note"] = "no run in the last 26 h"
    elif row["alerts"]:
        row["note"] = f"{row['alerts']} alert{'' if row['alerts'] == 1 else 's'}"
    return row


def _currency(shell: Shell, code: str) -> str:
    """The client's, or the house's where its file is broken: what is stored is still shown."""
    from cortex import tenant as tenants

    try:
        return tenants.load(shell.workspace, code).currency
    except CortexError:
        return "BRL"


def _figures(warehouse: Any) -> dict[str, Any]:
    until = {
        row["stream"]: row["complete_until"] for row in warehouse.rows("SELECT stream, complete_until FROM sync_state")
    }
    newest = warehouse.rows("SELECT MAX(day) AS day FROM agg_daily_sales")[0]["day"]
    found = min((day for day in until.values() if day), default=None)
    whole = until.get("store.orders")
    last = whole - timedelta(days=1) if whole else newest
    sums = {"orders": 0, "revenue": None}
    if last is not None:
        # Whole days only: a part of today beside whole days would look like a fall.
        got = warehouse.rows(
            "SELECT SUM(orders) AS orders, SUM(gross_revenue) AS gross_revenue, SUM(refunds) AS refunds"
            " FROM agg_daily_sales WHERE day >= :since AND day <= :last",
            since=last - timedelta(days=29),
            last=last,
        )[0]
        sums = {"orders": int(got["orders"] or 0), "revenue": (got["gross_revenue"] or 0) - (got["refunds"] or 0)}
    states = warehouse.rows(
        "SELECT destination, state, CASE WHEN attempts > 0 THEN 1 ELSE 0 END AS tried, COUNT(*) AS n FROM conversion_outbox"
        " WHERE action = 'purchase' GROUP BY destination, state, CASE WHEN attempts > 0 THEN 1 ELSE 0 END"
    )
    due = sum(
        row["n"] for row in states if row["state"] not in LEFT_OUT or (row["tried"] and row["state"] == "expired")
    )
    accepted: Counter[str] = Counter()
    for row in states:
        if row["state"] in ARRIVED:
            accepted[row["destination"]] += row["n"]
    return {
        "data_until": found - timedelta(days=1) if found else None,
        **sums,
        "accuracy": accepted.total() / due if due else None,
        "accepted": dict(accepted),
        "alerts": warehouse.rows("SELECT COUNT(*) AS n FROM rpt_open_alerts")[0]["n"],
    }


def _delivery(shell: Shell, code: str) -> None:

    with shell.warehouse(code) as warehouse:
        rows = warehouse.rows(
            "SELECT destination, state, reason, currency, COUNT(*) AS n, SUM(value) AS value FROM conversion_outbox"
            " GROUP BY destination, state, reason, currency ORDER BY destination, state, reason, currency"
        )
    if rows:
        shell.show()
        shell.table(
            ["destination", "state", "reason", "conversions", "value"],
            [
                [row["destination"], row["state"], row["reason"] or "—", row["n"], brl(row["value"], row["currency"])]
                for row in rows
            ],
            right=("conversions", "value"),
        )


def health(context: typer.Context) -> Answer:
    """One word for monitors: ok, or what is wrong. Exit 0 or 5."""

    shell: Shell = context.obj
    with shell.control() as control:
        control.runs(None, limit=1)
    shell.show("ok")
    return Answer(data={"status": "ok", "python": sys.version.split()[0]})


def _percent(share: float | None) -> str:
    return "—" if share is None else f"{100 * share:.1f} %"
