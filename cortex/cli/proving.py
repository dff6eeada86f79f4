"""conversions status, show, audit: what became of what was sent, and how it looks from the other side."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli.desk import Client, Desk, To, opened
from cortex.cli.shell import Answer, number
from cortex.errors import UsageError

if TYPE_CHECKING:
    from cortex.steps.auditing import Standing, Story

COUNTS = ("succeeded", "failed", "pending")
TIMES = (("planned", "created"), ("sent", "sent"), ("settled", "settled"))


def status(context: typer.Context, client: Client, destination: To = "") -> Answer:
    """Show where every conversion stands. Per destination, with counts and value."""
    from cortex.steps import auditing

    with opened(context, client, "status") as desk:
        found = [auditing.standing(desk.run, kind) for kind in desk.kinds(destination)]
    for each in found:
        _show_standing(desk, each)
    waiting = any(each.held_for_person for each in found)
    code = desk.tenant.code
    return Answer(
        client=code,
        data=[asdict(each) for each in found],
        next=[f"cortex conversions replay {code}"] if waiting else [f"cortex conversions audit {code}"],
    )


def _show_standing(desk: Desk, each: Standing) -> None:
    sent = f"last sent {each.last_sent:%Y-%m-%d %H:%M} UTC" if each.last_sent else "nothing sent yet"
    desk.shell.show(f"{each.kind} · accuracy {_percent(each.accuracy, desk.lang)} of {each.paid} paid orders · {sent}")
    rows = [
        [row["action"], row["state"], desk.why(row["reason"]), number(row["n"], desk.lang), desk.money(row["value"])]
        for row in each.fates
    ]
    desk.shell.table(["action", "state", "why", "count", "value"], rows, right=("count", "value"))
    _show_platform(desk, each)
    desk.shell.show()


def _show_platform(desk: Desk, each: Standing) -> None:
    """What the platform itself counts, where it was ever read."""
    found, lang = each.platform.counted, desk.lang
    if found is not None:
        verdict = "as the ledger" if found.agrees else f"the ledger says {number(found.least, lang)} (CTX-6112)"
        desk.shell.show(f"the platform counts, {found.first} to {found.last}: {verdict}")
        rows = [
            [row["part"], *(number(int(row[name] or 0), lang) for name in COUNTS), row["status"] or "—"]
            for row in found.parts
        ]
        if not rows:
            desk.shell.show("  it lists nothing of these days")
            return
        desk.shell.table(["by", "used", "dropped", "pending", "verdict"], rows, right=("used", "dropped", "pending"))
        for row in found.parts:
            if row["said"]:
                desk.shell.show(f"  {row['part']}: {row['said']}")
    for row in each.platform.scores:
        desk.shell.show(
            f"match quality of {row['part']}, by the platform: {number(row['score'], lang, 1)} of 10 ({row['day']})"
        )


def show(context: typer.Context, client: Client, order: Annotated[str, typer.Argument(metavar="ORDER")]) -> Answer:
    """Tell the whole story of one order. How the buyer came, what they allowed, what each platform was told and said."""
    from cortex.steps import auditing

    with opened(context, client, "show") as desk:
        story = auditing.story(desk.run, order)
    if story is None:
        raise UsageError(
            "CTX-1093",
            f"Client {desk.tenant.code} has no order of that id or number.",
            fix="Use the shop's order id or number.",
        )
    _tell(desk, story)
    return Answer(client=desk.tenant.code, data=asdict(story))


def _tell(desk: Desk, story: Story) -> None:
    say, order = desk.shell.show, story.order
    say(f"order {order['external_id']} (number {order['number']}) · {order['status']}, {order['payment_status']}")
    paid, refunded = (desk.money(order[name], order["currency"]) for name in ("paid", "refunded"))
    say(f"  placed {_at(order['created_at'])} · paid {_at(order['paid_at'])} · {paid}, {refunded} given back")
    consent = f"  consent {order['consent_state']}"
    if order["consent_source"]:
        consent += (
            f", from {order['consent_source']}, text {order['consent_version'] or '—'}, {_at(order['consent_at'])}"
        )
    say(consent)
    for touch in story.touches:
        way = " / ".join(filter(None, (touch["source"], touch["medium"], touch["campaign"]))) or "direct"
        say(f"  visit {touch['position']}: {touch['channel']} · {way} · {_at(touch['occurred_at'])}")
    for refund in story.refunds:
        say(f"  refund {desk.money(refund['amount'], order['currency'])} · {_at(refund['created_at'])}")
    for line in story.lines:
        _tell_line(desk, line)
    if not story.lines:
        say("  no platform was told: not paid, or not queued yet")
    for kind, value in story.counts.items():
        say(f"  {kind} counts {desk.money(value, order['currency'])}")


def _tell_line(desk: Desk, line: dict[str, Any]) -> None:
    say = desk.shell.show
    why = f" ({line['reason']})" if line["reason"] else ""
    value = f"{desk.money(line['value'], line['currency'])} {line['value_basis']}"
    say(f"  {line['destination']} {line['action']} {line['revision']}: {line['state']}{why} · {value}")
    times = " · ".join(f"{name} {_at(line[f'{column}_at'])}" for name, column in TIMES)
    say(f"    {times} · {line['attempts']} attempts")
    if line["match_keys"]:
        say(f"    matched by {line['match_keys'].replace(',', ', ')}")
    if line["request_id"] or line["error_code"]:
        said = " ".join(filter(None, (line["error_class"], line["error_code"], line["error_message"])))
        say(f"    receipt {line['request_id'] or '—'} {said}".rstrip())
    if line["payload_sha256"]:
        say(f"    bytes {line['payload_sha256'][:16]}…")


def audit(context: typer.Context, client: Client, destination: To = "") -> Answer:
    """Check how well buyers can be matched. Keys, thin and stale events, digests of nobody, repeated ids, accuracy."""
    from cortex.steps import auditing

    with opened(context, client, "audit") as desk:
        found = [auditing.audit(desk.run, kind) for kind in desk.kinds(destination)]
    for each in found:
        score = "—" if each.estimate is None else number(each.estimate, desk.lang, 1)
        desk.shell.show(f"{each.kind} · {each.events} events · match quality {score} of 10 (our estimate)")
        facts = [
            ("accuracy", _percent(each.standing.accuracy, desk.lang)), ("too thin", each.thin), ("within the hour", each.fresh),
            ("later than a day", each.stale), ("ids told twice", each.repeated_ids), ("were there already", each.already_there),
            *((f"bad digest, {what}", count) for what, count in each.bad_digests.items()),
        ]  # fmt: skip
        desk.shell.table(["check", "found"], facts, right=("found",))
        keys = [[key, _percent(share, desk.lang)] for key, share in each.coverage.items()]
        desk.shell.table(["match key", "events with it"], keys, right=("events with it",))
        _show_platform(desk, each.standing)
        desk.shell.show()
    data = [asdict(each) | {"estimate_is": "an estimate of ours, 0 to 10"} for each in found]
    return Answer(client=desk.tenant.code, data=data)


def _at(instant: Any) -> str:
    return f"{instant:%Y-%m-%d %H:%M}" if instant else "—"


def _percent(share: float | None, lang: str) -> str:
    return "—" if share is None else f"{number(100 * share, lang, 1)} %"
