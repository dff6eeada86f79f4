"""checklist: where a client's onboarding stands, who does what, and what proves it."""

from __future__ import annotations

import difflib
import getpass
import shutil
import textwrap
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli.shell import Answer, Shell, as_day
from cortex.errors import UsageError

if TYPE_CHECKING:
    from cortex.handoff.checklist import ItemState
    from cortex.tenant import Tenant

LONGEST = 64


def register(app: typer.Typer) -> None:
    app.command("checklist")(checklist)


def checklist(
    context: typer.Context,
    client: Annotated[str, typer.Argument(metavar="CLIENT")],
    tick: Annotated[str, typer.Option("--tick", metavar="ITEM", help="Mark an item as done by hand.")] = "",
    untick: Annotated[str, typer.Option("--untick", metavar="ITEM", help="Open an item again.")] = "",
    assign: Annotated[str, typer.Option("--assign", metavar="ITEM", help="Say who does an item, and until when.")] = "",
    by: Annotated[str, typer.Option("--by", metavar="WHO", help="Who ticks, or who does it.")] = "",
    on: Annotated[str, typer.Option("--on", metavar="YYYY-MM-DD", help="Day it was done, or is due.")] = "",
) -> Answer:
    """The four-week onboarding of a client. Owners, dates, evidence.

    What a run, doctor or a test proves ticks itself; the rest is ticked by --tick ITEM.
    """
    from cortex import tenant as tenants
    from cortex.handoff import checklist as plan
    from cortex.steps import milestones

    shell: Shell = context.obj
    shell.command = "checklist"
    tenant = tenants.load(shell.workspace, client)
    asked = [item for item in (tick, untick, assign) if item]
    if len(asked) > 1 or (not asked and (by or on)):
        raise UsageError(
            "CTX-3407", "One of --tick, --untick and --assign goes with --by and --on.", fix="--tick ITEM --by WHO"
        )
    lang = shell.lang or tenant.lang
    if asked:
        _known(asked[0])
        changes = _changes(tenant, tick, assign, _who(by), as_day(on))
        milestones.write(shell.database, shell.workspace, tenant.code, asked[0], changes)
    states = milestones.standing(tenant, shell.workspace, shell.database)
    streak = milestones.streak(shell.database, shell.workspace, tenant.code)
    started = next(each.note.done_on for each in states if each.item.id == "kick_off")
    shell.show(f"{tenant.code} · {tenant.name} · {plan.summary(states, lang)}")
    _show(shell, states, lang, started, _today(tenant))
    row = plan.Words("Execuções diárias seguidas", "Daily runs in a row", "Ejecuciones diarias seguidas").told(lang)
    shell.show(f"\n{row}: {streak} / {milestones.STREAK}")
    return Answer(
        client=tenant.code,
        data={
            "summary": plan.summary(states, lang),
            "week": plan.week(states),
            "streak": streak,
            "items": [_facts(each, lang, started) for each in states],
        },
        next=_next(tenant, states),
    )


def _known(item: str) -> None:
    from cortex.handoff.checklist import BY_ID

    if item not in BY_ID:
        near = difflib.get_close_matches(item, BY_ID, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError("CTX-3405", f"The checklist has no item {item!r}.{hint}", fix=f"Items: {', '.join(BY_ID)}")


def _changes(tenant: Tenant, tick: str, assign: str, who: str, day: date | None) -> dict[str, Any]:
    from cortex.handoff.checklist import BY_ID, EVIDENCE

    if assign:
        return {"owner": who, "due_on": day}
    if not tick:
        return {"done_by": "", "done_on": None}
    item = BY_ID[tick]
    if not item.tickable:
        raise UsageError(
            "CTX-3406", f"{tick} ticks itself: nobody's word stands for it.", fix=EVIDENCE[item.evidence].told("en")
        )
    if day and day > _today(tenant):
        raise UsageError(
            "CTX-3408", f"{day} has not come yet.", fix="--on takes the day it was done; --assign, when it is due."
        )
    return {"done_by": who or getpass.getuser(), "done_on": day or _today(tenant)}


def _who(name: str) -> str:
    if len(name) > LONGEST or not name.isprintable():
        raise UsageError("CTX-3407", f"--by takes one line of at most {LONGEST} characters.", fix="--by ana")
    return name.strip()


def _today(tenant: Tenant) -> date:
    from cortex.clock import local_day, system_clock

    return local_day(system_clock()(), tenant.timezone)


def _show(shell: Shell, states: list[ItemState], lang: str, started: date | None, today: date) -> None:
    from cortex.handoff import checklist as plan

    until = plan.Words("até", "until", "hasta").told(lang)
    for number, heading in enumerate(plan.WEEKS):
        due = plan.deadline(number, started)
        shell.show(f"\n{heading.told(lang)}" + (f" · {until} {due}" if due else ""))
        for each in states:
            if each.item.week == number:
                shell.show(_line(each, lang, each.note.due_on or due, today).rstrip())


def _line(each: ItemState, lang: str, due: date | None, today: date) -> str:
    """Sign, id, title, then who and when, or what will tick it; what does not fit goes on below."""
    from cortex.handoff.checklist import EVIDENCE

    late = not each.done and due is not None and due < today
    sign = "✓" if each.done else "!" if late else "☐"
    if each.done:
        said = each.why
    else:
        hint = EVIDENCE[each.item.evidence].told(lang) if each.item.evidence and not each.note.owner else ""
        said = " ".join(
            part for part in (each.note.owner, f"→ {each.note.due_on}" if each.note.due_on else "", hint) if part
        )
    head = f" {sign} {each.item.id.ljust(16)} {each.item.title(lang).ljust(31)} "
    width = max(24, min(shutil.get_terminal_size().columns, 110) - len(head))
    return head + f"\n{' ' * len(head)}".join(textwrap.wrap(said, width) or [""])


def _facts(each: ItemState, lang: str, started: date | None) -> dict[str, Any]:
    from cortex.handoff.checklist import deadline

    return {
        "item": each.item.id,
        "week": each.item.week,
        "title": each.item.title(lang),
        "done": each.done,
        "automatic": each.automatic,
        "evidence": each.why,
        "owner": each.note.owner,
        "due_on": each.note.due_on or deadline(each.item.week, started),
        "done_by": each.note.done_by,
        "done_on": each.note.done_on,
    }


def _next(tenant: Tenant, states: list[ItemState]) -> list[str]:
    """The command that proves the first open item which proves itself."""
    commands = {
        "credentials": f"cortex doctor {tenant.code}",
        "meta_capi": f"cortex doctor {tenant.code}",
        "google_ec": f"cortex doctor {tenant.code}",
        "gtm_audit": f"cortex tracking audit export.json --client {tenant.code}",
        "database": f"cortex onboard {tenant.code}",
        "extractors": f"cortex run daily {tenant.code}",
        "backfill": f"cortex backfill {tenant.code} --days 90",
        "integrity": f"cortex dq {tenant.code}",
    }
    found = next((commands[each.item.id] for each in states if not each.done and each.item.id in commands), "")
    return [found] if found else []
