"""alerts, notify: what is wrong with clients, and whether people would hear of it."""

from __future__ import annotations

import shutil
import textwrap
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli.shell import Answer, Shell
from cortex.errors import CortexError, UsageError

if TYPE_CHECKING:
    from cortex.tenant import Tenant

SIGNS = {"critical": "✗", "warning": "!", "info": "·"}
SHORT = 8
"""Characters of an alert's id that are shown, and enough to name it by."""
NARROWEST, WIDEST = 40, 110

Client = Annotated[str, typer.Argument(metavar="CLIENT")]
Which = Annotated[list[str] | None, typer.Argument(metavar="ALERT", help="How its id begins, as `list` shows it.")]


def register(app: typer.Typer) -> None:
    alerts = typer.Typer(help="Alerts: list, read, dismiss.", no_args_is_help=True)
    alerts.command("list")(alerts_list)
    alerts.command("read")(alerts_read)
    alerts.command("dismiss")(alerts_dismiss)
    app.add_typer(alerts, name="alerts")
    notify = typer.Typer(help="How people are told: test.", no_args_is_help=True)
    notify.command("test")(notify_test)
    app.add_typer(notify, name="notify")


def alerts_list(
    context: typer.Context,
    client: Annotated[str, typer.Argument(metavar="CLIENT", help="All clients when left out.")] = "",
    every: Annotated[bool, typer.Option("--every", help="Also what is over, and what was dismissed.")] = False,
) -> Answer:
    """Show what is wrong now, the worst first, and what mends it."""
    from cortex import tenant as tenants

    shell: Shell = context.obj
    found: list[dict[str, Any]] = []
    unread: list[CortexError] = []
    for code in [client] if client else shell.workspace.tenant_codes():
        try:
            tenant = tenants.load(shell.workspace, code)
            rows = _rows(shell, tenant, every=every)
        except CortexError as failure:
            if client:
                raise
            if failure.code == "CTX-5002":
                shell.say(f"{code}: not provisioned")
                continue
            unread.append(failure)
            shell.complain(failure)
            continue
        for row in rows:
            _show(shell, tenant, row, several=not client)
        found += [_facts(shell, tenant, row) for row in rows]
    if not found and not unread:
        shell.show("Nothing is wrong.")
    error = max(unread, key=lambda failure: failure.exit_code, default=None)
    after = [f"cortex alerts read {client}", f"cortex alerts dismiss {client} ALERT"] if client and found else []
    return Answer(data=found, client=client, error=error, next=after)


def alerts_read(context: typer.Context, client: Client, which: Which = None) -> Answer:
    """Mark open alerts as read, all or some. They stay open, and are told again when they last."""
    return _marked(context.obj, client, which or [], "read_at")


def alerts_dismiss(
    context: typer.Context,
    client: Client,
    which: Which = None,
    everything: Annotated[bool, typer.Option("--all", help="All that are open.")] = False,
) -> Answer:
    """Put alerts aside. They are told again only when they get worse, or come back."""
    shell: Shell = context.obj
    if bool(which) == everything:
        raise UsageError("CTX-8122", "Name alerts, or use --all.", fix=f"cortex alerts list {client}")
    return _marked(shell, client, which or [], "dismissed_at")


def notify_test(
    context: typer.Context,
    client: Client,
    channel: Annotated[str, typer.Option("--channel", help="slack or email; all in use when left out.")] = "",
) -> Answer:
    """Send a test message through each channel in use. Shows what the other side said."""
    from cortex import tenant as tenants
    from cortex.clock import system_clock
    from cortex.reports import telling
    from cortex.secrets import Vault
    from cortex.settings import Access
    from cortex.steps import tell

    shell: Shell = context.obj
    tenant = tenants.load(shell.workspace, client)
    used = tenants.channels(tenant, tenants.load_agency(shell.workspace))
    kinds = [kind for kind in used if channel in ("", kind)]
    if not kinds:
        what = f"the channel {channel}" if channel else "no channel"
        raise UsageError(
            "CTX-8120",
            f"{tenant.code} is not told through {channel}." if channel else f"{tenant.code} is told through {what}.",
            fix=f"In use: {', '.join(used)}."
            if used
            else f"Add notifications.slack or notifications.email to {tenant.file}.",
        )
    notices: list[Any] = []
    access = Access(
        tenant.code, Vault(tenant.code, shell.workspace.root), tenant.timezone, system_clock(), notices.append
    )
    message = telling.test(tell.reader_of(tenant), f"cortex alerts list {tenant.code}")
    data, failures = [], []
    for kind in kinds:
        facts: dict[str, Any] = {"channel": kind, "to": _whom(tenant, kind, used[kind]), "when": used[kind].when}
        try:
            facts |= {"ok": True, "said": tell.post(kind, used[kind], access, message)}
            shell.show(f" ✓ {kind} → {facts['to']}: {facts['said']}")
        except CortexError as failure:
            failures.append(failure)
            facts |= {"ok": False, "code": failure.code, "said": failure.message}
            shell.show(f" ✗ {kind} → {facts['to']}")
            shell.complain(failure)
        data.append(facts)
    for notice in notices:
        shell.say(f" ! {notice.stream}: {notice.message}")
    warnings = [{"code": notice.code, "message": notice.message} for notice in notices]
    error = max(failures, key=lambda failure: failure.exit_code, default=None)
    return Answer(data=data, client=tenant.code, warnings=warnings, error=error)


def _whom(tenant: Tenant, kind: str, config: Any) -> str:
    """Where a message goes, as far as we can know: a webhook does not tell its channel."""
    if kind == "slack":
        return tenant.alerts.slack_channel or "the webhook's channel"
    count = len(config.recipients)
    return f"{count} recipient{'' if count == 1 else 's'} through {config.host or 'no server'}"


def _rows(shell: Shell, tenant: Tenant, *, every: bool) -> list[dict[str, Any]]:
    where = "" if every else "WHERE resolved_at IS NULL AND dismissed_at IS NULL"
    with shell.warehouse(tenant.code) as warehouse:
        rows = warehouse.rows(f"SELECT * FROM alerts {where} ORDER BY last_seen_at DESC, alert_id")  # noqa: S608  # our own words
    order = list(SIGNS)
    return sorted(rows, key=lambda row: (row["resolved_at"] is not None, order.index(row["severity"])))


def _show(shell: Shell, tenant: Tenant, row: dict[str, Any], *, several: bool) -> None:
    """Sign, id, title and since when; below it what happened and what mends it, as wide as the terminal."""
    from cortex.reports import alerts

    lang = shell.lang or tenant.lang
    sign = "✓" if row["resolved_at"] else SIGNS[row["severity"]]
    whose = f"{tenant.code} · " if several else ""
    title = f"{whose}{alerts.title(row, lang, tenant.currency)}"
    pad = " " * (SHORT + 4)
    width = max(NARROWEST, min(shutil.get_terminal_size().columns, WIDEST)) - len(pad)
    said = [*textwrap.wrap(title, width), *textwrap.wrap(_when(row, lang), width)]
    said += textwrap.wrap(f"{row['code']} {alerts.message(row, lang, tenant.currency)}", width)
    if not row["resolved_at"]:
        action = f"→ {row['action']}"
        said += [action] if row["action"].startswith("cortex ") else textwrap.wrap(action, width)
    shell.show(f" {sign} {row['alert_id'][:SHORT]}  {said[0]}")
    for line in said[1:]:
        shell.show(f"{pad}{line}")


def _when(row: dict[str, Any], lang: str) -> str:
    from cortex.reports import alerts
    from cortex.reports.telling import span

    marks = [name for name in ("read", "dismissed") if row[f"{name}_at"]]
    return " · ".join(
        [alerts.severity(row["severity"], lang), span(row, lang), *(alerts.mark(name, lang) for name in marks)]
    )


def _facts(shell: Shell, tenant: Tenant, row: dict[str, Any]) -> dict[str, Any]:
    """The row for machines: facts as the mapping they are, and the words in the reader's language."""
    from cortex.steps import showing

    return {"client": tenant.code, **row, **showing.told(row, tenant, shell.lang or tenant.lang)}


def _marked(shell: Shell, client: str, which: list[str], column: str) -> Answer:
    """Set an instant on open alerts. Raises UsageError CTX-8122 for an id that names none, or several."""
    from cortex import tenant as tenants
    from cortex.clock import system_clock
    from cortex.warehouse import tables

    tenant = tenants.load(shell.workspace, client)
    rows = _rows(shell, tenant, every=False)
    chosen = [_one(rows, begin, client) for begin in which] if which else rows
    at = system_clock()()
    with shell.warehouse(tenant.code, writes=True) as warehouse:
        marks = [{"alert_id": row["alert_id"], column: at} for row in chosen]
        if marks:
            warehouse.atomically(lambda tx: tx.assign(tables.alerts, "alert_id", marks))
    word = "read" if column == "read_at" else "dismissed"
    shell.show(f"{len(chosen)} alert{'' if len(chosen) == 1 else 's'} {word}.")
    return Answer(
        client=tenant.code,
        data=[{"alert_id": row["alert_id"], "dedup_key": row["dedup_key"], column: at} for row in chosen],
    )


def _one(rows: list[dict[str, Any]], begin: str, client: str) -> dict[str, Any]:
    found = [row for row in rows if row["alert_id"].startswith(begin.lower()) or row["dedup_key"] == begin]
    if len(found) != 1:
        shown = ", ".join(row["alert_id"][:SHORT] for row in rows) or "none"
        raise UsageError(
            "CTX-8122",
            f"{client} has {'no' if not found else 'more than one'} open alert {begin!r}.",
            fix=f"Open: {shown}.",
        )
    return found[0]
