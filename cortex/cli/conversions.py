"""conversions: what is sent to the platforms, whether it arrived, and what to do about what did not."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli import proving
from cortex.cli.desk import Client, Desk, To, opened, run_of
from cortex.cli.shell import Answer, as_day, number
from cortex.errors import CortexError, PlatformError, PolicyRefusal, UsageError

if TYPE_CHECKING:
    from cortex.steps.preview import Preview

Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write every request to a file, byte for byte.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Send nothing.")]
TOO_MANY = 0.05
"""Share of what was judged that may be refused before `send` ends with exit code 1."""


def register(app: typer.Typer) -> None:
    tree = typer.Typer(help="Conversions: plan, send, test, prove, replay.", no_args_is_help=True)
    for name, command in (
        ("plan", plan), ("send", send), ("test", try_out), ("status", proving.status), ("show", proving.show),
        ("replay", replay), ("audit", proving.audit), ("diff", diff),
    ):  # fmt: skip
        tree.command(name)(command)
    app.add_typer(tree, name="conversions")


def plan(
    context: typer.Context,
    client: Client,
    destination: To = "",
    dry_run: DryRun = True,  # noqa: ARG001  # it is always one
    out: Out = None,
) -> Answer:
    """Show what would be sent now, and why the rest would not. Nothing is sent or written down."""
    with opened(context, client, "plan") as desk:
        return _planned(desk, destination, out)


def _planned(desk: Desk, destination: str, out: Path | None) -> Answer:
    from cortex.steps import preview

    found = [preview.preview(desk.run, kind) for kind in desk.kinds(destination)]
    for each in found:
        _show_plan(desk, each)
    data = []
    for each in found:
        files = preview.write_bodies(desk.run, each, out) if out else []
        data.append(_plan_facts(each, files))
        if files:
            desk.shell.say(f"{each.kind}: {len(files)} requests in {files[0].parent}")
    if out:
        desk.shell.say("They hold digests and addresses of buyers: delete them when you have read them.")
    return Answer(client=desk.tenant.code, data=data, next=[f"cortex conversions send {desk.tenant.code}"])


def _show_plan(desk: Desk, found: Preview) -> None:
    count = number(len(found.rows), desk.lang)
    waits = desk.said("not_due", count=number(found.later, desk.lang)) if found.later else ""
    desk.shell.show(desk.said("to_send", kind=found.kind, count=count, value=desk.money(found.value)) + waits)
    for action, many in found.actions.items() if found.actions.keys() - {"purchase"} else ():
        desk.shell.show(desk.said("of_which", count=number(many, desk.lang), action=desk.action(action)))
    for row in found.beyond:
        facts = {"value": desk.money(row["value"]), "count": number(row["count"], desk.lang)}
        desk.shell.show(desk.said("beyond", why=desk.why(row["reason"]), **facts))
    rows = [
        [desk.why(row["reason"]), number(row["count"], desk.lang), desk.money(row["value"])]
        for row in sorted(found.held, key=lambda row: -row["count"])
    ]
    if rows:
        desk.table(["not sent, because", "count", "value"], rows, right=("count", "value"))
    desk.shell.show()


def _plan_facts(found: Preview, files: list[Path]) -> dict[str, Any]:
    return {
        "destination": found.kind,
        "to_send": len(found.rows),
        "value": found.value,
        "actions": found.actions,
        "waiting": found.later,
        "held": found.held,
        "beyond_correction": found.beyond,
        "files": files,
    }


def send(
    context: typer.Context, client: Client, destination: To = "", dry_run: DryRun = False, out: Out = None
) -> Answer:
    """Send what is due and ask what became of what was sent. Exit code 1 when more than 5 % is refused."""
    from cortex.cli import running

    with opened(context, client, "send") as desk:
        kinds = desk.kinds(destination)
        if dry_run or out:
            return _planned(desk, destination, out)
    only = ["conversions.queue", "conversions.adjust", "conversions.values", *(f"conversions.{kind}" for kind in kinds)]
    answer = running.run(context, "conversions", [client], only=only, jobs=1)
    desk.shell.command = "conversions send"
    if answer.error is None:
        answer.error = _too_many_refused(desk, answer.data["steps"])
        if answer.error:
            desk.shell.complain(answer.error)
    return answer


def _too_many_refused(desk: Desk, steps: list[dict[str, Any]]) -> CortexError | None:
    facts = [step["facts"] for step in steps if "rejected" in step["facts"]]
    refused = sum(each["rejected"] for each in facts)
    judged = refused + sum(each["accepted"] for each in facts)
    if not judged or refused / judged <= TOO_MANY:
        return None
    return PlatformError(
        "CTX-6108",
        f"{refused} of {judged} conversions of {desk.tenant.code} were refused.",
        fix=f"cortex conversions status {desk.tenant.code}",
    )


def try_out(
    context: typer.Context,
    client: Client,
    destination: To = "",
    test_code: Annotated[
        str, typer.Option("--test-code", metavar="CODE", help="Of the platform's page of test events.")
    ] = "",
) -> Answer:
    """Tell each destination of one invented sale, as a test. Shows what it answers."""
    from cortex.steps import ledger, proving

    rows, data, failures = [], [], []
    with opened(context, client, "test") as desk:
        for kind in desk.kinds(destination):
            ledger.refuse_without_policy(desk.run, kind)
            try:
                how, receipt = proving.rehearse(desk.run, kind, test_code)
            except CortexError as failure:
                failures.append(failure)
                rows.append(["✗", kind, failure.code, failure.message])
                data.append({"destination": kind, "ok": False, "code": failure.code, "message": failure.message})
                continue
            good = receipt.state in {"accepted", "duplicate"}
            said = " ".join(filter(None, (receipt.error_code, receipt.message))) or how
            rows.append(["✓" if good else "✗", kind, receipt.state, said])
            facts = {"how": how, "state": receipt.state, "request_id": receipt.request_id, "said": said}
            data.append({"destination": kind, "ok": good, **facts})
            if not good:
                failures.append(PlatformError("CTX-6109", f"{kind} answered the test with {receipt.state}: {said}"))
    desk.table(["", "destination", "answer"], [row[:3] for row in rows])
    for _, kind, _, words in rows:
        desk.shell.show(f"{kind}: {words}")
    error = max(failures, key=lambda failure: failure.exit_code, default=None)
    if error:
        desk.shell.complain(error)
    return Answer(client=desk.tenant.code, data=data, error=error)


def replay(
    context: typer.Context,
    client: Client,
    destination: To = "",
    reason: Annotated[str, typer.Option("--reason", help="Error class or code: data, transient, 2804003 …")] = "",
    order: Annotated[str, typer.Option("--order", help="This order only.")] = "",
    state: Annotated[
        list[str] | None, typer.Option("--state", help="rejected, dead or unknown; may be repeated.")
    ] = None,
    since: Annotated[str, typer.Option("--since", metavar="YYYY-MM-DD", help="Orders placed from this day on.")] = "",
    delivered: Annotated[
        bool, typer.Option("--delivered", help="The platform has the unknown ones: send nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it, what would be done is shown.")] = False,
) -> Answer:
    """Plan conversions again that were refused, died or got lost. Shows them; `--yes` does it."""
    from cortex.steps import replay as replays

    states = tuple(state or (("unknown",) if delivered else replays.STATES))
    if wrong := [each for each in states if each not in replays.STATES]:
        raise UsageError("CTX-1094", f"{wrong[0]!r} cannot be replayed.", fix=f"--state {' or '.join(replays.STATES)}")
    with opened(context, client, "replay", writes=yes) as desk:
        if destination:
            desk.kinds(destination)
        wanted = replays.Wanted(states, destination, reason, order, _day(since))
        found = replays.candidates(desk.run, wanted)
        _show_replay(desk, found, "delivered" if delivered else "again")
        moved = replays.decide(desk.run, found.rows, "delivered" if delivered else "again") if yes else 0
    code = desk.tenant.code
    data = {
        "found": len(found.rows), "too_late": len(found.late), "without_identifiers": found.bare, "would_count_twice": found.doubtful,
        "moved": moved, "orders": [row["order_ref"] for row in found.rows[:100]],
    }  # fmt: skip
    if found.rows and not yes:
        error = PolicyRefusal(
            "CTX-6110",
            f"{len(found.rows)} conversions of {code} wait for a person's word; nothing was done.",
            fix="The same command with --yes.",
        )
        desk.shell.complain(error)
        return Answer(client=code, data=data, error=error)
    then = [f"cortex run daily {code} --days 7"] if found.bare and not delivered else []
    return Answer(client=code, data=data, next=[*then, f"cortex conversions send {code}"] if moved else [])


def _show_replay(desk: Desk, found: Any, asked: str) -> None:
    groups: dict[tuple[str, ...], list[Decimal]] = {}
    for verdict, rows in ((desk.said(asked), found.rows), (desk.said("too late"), found.late)):
        for row in rows:
            at = (row["destination"], row["state"], row["error_class"] or "—", row["error_code"] or "—", verdict)
            groups.setdefault(at, []).append(row["value"])
    rows = [
        [*at, number(len(values), desk.lang), desk.money(sum(values, Decimal(0)))]
        for at, values in sorted(groups.items())
    ]
    if not rows:
        desk.shell.show(desk.said("nothing_to_replay"))
        return
    desk.table(["destination", "state", "class", "code", "verdict", "count", "value"], rows, right=("count", "value"))
    if found.bare:
        desk.shell.say(f"{found.bare} have no identifiers any more; they are made when the shop is read again.")
    if found.doubtful:
        desk.shell.say(
            f"{found.doubtful} may be counted twice: the platform has forgotten their ids. Look there first."
        )


def diff(
    context: typer.Context,
    client: Client,
    against: Annotated[Path, typer.Option("--against", metavar="FILE", help="Another version of the client file.")],
    destination: To = "",
) -> Answer:
    """Compare what two versions of a client file would send. The one in use and another."""
    from cortex import tenant as tenants
    from cortex.steps import preview

    if not against.is_file():
        raise UsageError("CTX-1096", f"There is no file {against}.", fix="git show HEAD~1:tenants/xyz.yaml > old.yaml")
    with opened(context, client, "diff") as desk:
        other = tenants.load_version(against, desk.tenant.code)
        kinds = [
            kind
            for kind in dict.fromkeys([*desk.tenant.destinations, *other.destinations])
            if destination in ("", kind)
        ]
        theirs = run_of(desk.shell, other, desk.run.warehouse)
        found = [preview.difference(desk.run, theirs, kind) for kind in kinds]
    data = []
    for each in found:
        counts = {"same": each.same, "changed": each.changed, "removed": each.removed, "added": each.added}
        said = {name: number(count, desk.lang) for name, count in counts.items()}
        desk.shell.show(desk.said("compared", kind=each.kind, name=against.name, **said))
        if not any(counts.values()):
            desk.shell.show(desk.said("nothing_to_compare"))
        rows = [[path, count, order, preview.masked(before), preview.masked(after)]
                for path, count in sorted(each.fields.items()) for order, before, after in [each.examples[path]]]  # fmt: skip
        if rows:
            heads = [desk.said(name) for name in ("field", "events", "such as order", "now")]
            desk.shell.table(
                [*heads, against.name],
                [[str(path).replace("[0]", ""), *rest] for path, *rest in rows],
                right=heads[1:2],
            )
        data.append(
            {
                "destination": each.kind, "same": each.same, "different": each.changed, "only_now": each.removed, "only_other": each.added,
                "fields": {row[0]: {"events": row[1], "order": row[2], "now": row[3], "other": row[4]} for row in rows},
            }
        )  # fmt: skip
    return Answer(client=desk.tenant.code, data=data)


def _day(text: str) -> date:
    return as_day(text) or date(2000, 1, 1)
