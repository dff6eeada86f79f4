"""Tell: send what there is to say of a run to whoever is to hear it. Nothing that goes wrong here fails a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cortex import plugins
from cortex import tenant as tenants
from cortex.clock import Clock, Window
from cortex.errors import Busy, CortexError
from cortex.limits import UNSHARED, Keeper
from cortex.logs import logger
from cortex.notify import Channel, ChannelSection, at_least
from cortex.records import Message, Notice
from cortex.reports import telling
from cortex.reports.telling import Reader, Sent, Told
from cortex.run import Run
from cortex.secrets import REDACTOR, Vault
from cortex.settings import Access
from cortex.steps import alert
from cortex.steps.alert import Changes
from cortex.steps.symptoms import Ended

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from cortex.tenant import Agency, Tenant
    from cortex.workspace import Workspace

UNSENT = "CTX-8121"
STREAM = "notify"

SOLD = """
    SELECT SUM(orders) AS orders, SUM(gross_revenue) AS gross_revenue, SUM(refunds) AS refunds
    FROM agg_daily_sales WHERE day >= :since AND day < :until
"""


def after(run: Run, ended: Ended) -> list[Notice]:
    """Settle the alerts of a run and tell people. Returns what could not be told, as warnings of the run.

    Raises Busy alone, when another run has the client by now: what is to be said is its to say.
    """
    warnings: list[Notice] = []
    of = _agency(run.workspace, warnings)
    changes = _settled(run, ended, of, warnings)
    try:
        used = tenants.channels(run.tenant, of)
        wanted = {kind: config for kind, config in used.items() if _is_wanted(config, changes, ended)}
        if not wanted:
            return warnings
        changes = changes or Changes([], [])
        message = telling.ended(_told(run, ended, changes), reader_of(run.tenant))
        access = replace(run.access(), notice=warnings.append)
        sent = [kind for kind, config in wanted.items() if _sent(kind, config, access, message, warnings)]
        alert.told(run, [row for row in changes.due if any(_hears(wanted[kind], row) for kind in sent)])
    except Busy:
        raise
    except CortexError as failure:
        _warn(run.tenant.code, failure, warnings, what="notification")
    return warnings


def _settled(run: Run, ended: Ended, of: Agency, warnings: list[Notice]) -> Changes | None:
    """What changed of the alerts; None when they cannot be written, which is no reason to be silent."""
    try:
        return alert.settle(run, ended, timedelta(hours=tenants.reminder_hours(run.tenant, of)))
    except Busy:
        raise
    except CortexError as failure:
        _warn(run.tenant.code, failure, warnings, what="alerts")
        return None


def broken(tenant: Tenant, workspace: Workspace, clock: Clock, pipeline: str, window: Window, why: CortexError) -> None:
    """Tell of a run that could not even begin, or whose database went away: there is no alert to write down."""
    warnings: list[Notice] = []
    try:
        used = tenants.channels(tenant, _agency(workspace, warnings))
        said = Told(
            client=tenant.code, pipeline=pipeline, status="failed", run_id="", days=(window.since, window.last),
            seconds=0.0, failed=[(pipeline, why)],
        )  # fmt: skip
        message = telling.ended(said, reader_of(tenant)) if used else None
        access = _access(tenant.code, workspace, tenant.timezone, clock, warnings)
        for kind, config in used.items():
            if message is not None:
                _sent(kind, config, access, message, warnings)
    except CortexError as failure:
        _warn(tenant.code, failure, warnings, what="notification")


def everyone(
    workspace: Workspace, clock: Clock, pipeline: str, good: int, failed: Sequence[tuple[str, CortexError | None]],
    limits: Keeper = UNSHARED,
) -> list[Notice]:  # fmt: skip
    """Tell the agency how a run of all its clients went. failed: (client, what went wrong first). Returns warnings."""
    warnings: list[Notice] = []
    of = _agency(workspace, warnings)
    used = {kind: config for kind, config in tenants.general_channels(of).items() if failed or config.when == "always"}
    if used:
        message = telling.summary(pipeline, good, failed, reader_of_agency(of))
        access = _access("agency", workspace, _utc(), clock, warnings, limits)
        for kind, config in used.items():
            _sent(kind, config, access, message, warnings)
    return warnings


def post(kind: str, config: ChannelSection, access: Access, message: Message) -> str:
    """Send a message by one channel. Returns what the other side said; raises what `Channel.send` does."""
    return plugins.adapter("notify", kind, Channel)(config, access).send(message)


def reader_of(tenant: Tenant) -> Reader:
    return Reader(f"{tenant.name} ({tenant.code})", tenant.lang, tenant.currency)


def reader_of_agency(of: Agency) -> Reader:
    return Reader(of.own.name, of.own.lang, "BRL")


def _utc() -> ZoneInfo:
    from zoneinfo import ZoneInfo

    return ZoneInfo("UTC")


def _agency(workspace: Workspace, warnings: list[Notice]) -> Agency:
    """What the agency's file says; a file that cannot be used silences nobody, each client's own still counts."""
    try:
        return tenants.load_agency(workspace)
    except CortexError as failure:
        _warn("agency", failure, warnings, what="tenants/_agency.yaml")
        return tenants.Agency()


def _access(
    code: str, workspace: Workspace, zone: ZoneInfo, clock: Clock, warnings: list[Notice], limits: Keeper = UNSHARED
) -> Access:
    vault = Vault(code, workspace.root)
    return Access(tenant=code, vault=vault, timezone=zone, clock=clock, notice=warnings.append, limits=limits)


def _is_wanted(config: ChannelSection, changes: Changes | None, ended: Ended) -> bool:
    """Whether there is something to say on this channel: always, or when something it hears of began, lasts or is over."""
    if config.when == "always":
        return True
    if changes is None:
        return ended.status in {"partial", "failed"}
    return any(_hears(config, row) for row in (*changes.due, *changes.over))


def _hears(config: ChannelSection, row: Mapping[str, Any]) -> bool:
    return at_least(row["severity"], config.severity)


def _sent(kind: str, config: ChannelSection, access: Access, message: Message, warnings: list[Notice]) -> bool:
    log = logger(client=access.tenant, channel=kind)
    try:
        said = post(kind, config, access, message)
    except CortexError as failure:
        _warn(access.tenant, failure, warnings, what=kind)
        return False
    log.info("notified", said=said)
    return True


def _warn(code: str, failure: CortexError, warnings: list[Notice], *, what: str) -> None:
    said = REDACTOR.clean(f"{failure.code} {failure.message}")
    logger(client=code).warning("not notified", channel=what, code=failure.code, error=failure.message)
    warnings.append(
        Notice(
            code=UNSENT,
            stream=f"{STREAM}.{what}" if what in plugins.kinds("notify") else STREAM,
            message=f"Nobody was told through {what}: {said}"[:255],
            facts={"channel": what, "why": said[:200]},
        )
    )


def _told(run: Run, ended: Ended, changes: Changes) -> Told:
    since, last = run.window.since, run.window.last
    window = Window(last, run.window.until) if ended.pipeline == "daily" else run.window
    sold = run.warehouse.rows(SOLD, since=window.since, until=window.until)[0]
    orders, revenue = _figures(sold)
    return Told(
        client=run.tenant.code,
        pipeline=ended.pipeline,
        status=ended.status,
        run_id=run.run_id,
        days=(since, last),
        seconds=ended.seconds,
        failed=[(fate.name, fate.error) for fate in ended.fates if fate.status == "failed" and fate.error],
        due=changes.due,
        over=changes.over,
        figure_days=(window.since, window.last),
        orders=orders,
        revenue=revenue,
        sent=list(_deliveries(run, ended)),
    )


def _figures(sold: Mapping[str, Any]) -> tuple[int | None, Decimal | None]:
    if sold["orders"] is None:
        return None, None
    return int(sold["orders"]), (sold["gross_revenue"] or Decimal(0)) - (sold["refunds"] or Decimal(0))


def _deliveries(run: Run, ended: Ended) -> Iterable[Sent]:
    for fate in ended.fates:
        room, _, kind = fate.name.partition(".")
        if (
            room == "conversions"
            and kind in run.tenant.destinations
            and fate.status == "ok"
            and "skipped" in fate.facts
        ):
            yield Sent(kind, fate.facts)
