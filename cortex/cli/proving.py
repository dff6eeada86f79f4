"""conversions status, show, audit: what became of what was sent, and how it looks from the other side."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli.desk import Client, Desk, To, opened
from cortex.cli.shell import Answer, number
from cortex.errors import UsageError
from cortex.reports.ledger_words import SENTENCES

if TYPE_CHECKING:
    from cortex.steps.auditing import Audit, Standing, Story

COUNTS = ("succeeded", "failed", "pending")
WIDE = 80
"""Characters of a line, as of a terminal nobody has pulled wider."""
SHORT = 29
"""Of a reason beside an action, a state, a count and a value."""


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
    show, said, lang = desk.shell.show, desk.said, desk.lang
    show(said("standing", kind=each.kind, accuracy=_percent(each.accuracy, lang), paid=number(each.paid, lang)))
    show(said("last_sent", at=desk.at(each.last_sent)) if each.last_sent else said("nothing_sent"))
    if each.oldest_due:
        show(said("oldest_due", at=desk.at(each.oldest_due)))
    rows = [
        [
            desk.action(row["action"]),
            desk.word(row["state"]),
            desk.why(row["reason"], SHORT, state=row["state"]),
            number(row["n"], lang),
            desk.money(row["value"]),
        ]
        for row in _together(each.fates)
    ]
    if rows:
        desk.table(["action", "state", "why", "count", "value"], rows, right=("count", "value"))
    else:
        show(said("nothing_in_ledger"))
    _show_platform(desk, each)
    show()


def _together(fates: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row for what reads the same: the ledger tells what was tried from what was not."""
    sums: dict[tuple[str, str, str], dict[str, Any]] = {}
    for row in fates:
        held = sums.setdefault((row["action"], row["state"], row["reason"]), {**row, "n": 0, "value": Decimal(0)})
        held["n"] += row["n"]
        held["value"] += row["value"]
    return list(sums.values())


def _show_platform(desk: Desk, each: Standing) -> None:
    """What the platform itself counts, where it was ever read."""
    found, lang, show, said = each.platform.counted, desk.lang, desk.shell.show, desk.said
    if found is not None:
        verdict = said("as_the_ledger") if found.agrees else said("ledger_says", count=number(found.least, lang))
        show(said("platform_counts", first=found.first, last=found.last, verdict=verdict))
        rows = [
            [row["part"], *(number(int(row[name] or 0), lang) for name in COUNTS), row["status"] or "—"]
            for row in found.parts
        ]
        if not rows:
            show(said("lists_nothing"))
            return
        desk.table(["by", "used", "dropped", "pending", "state"], rows, right=("used", "dropped", "pending"))
        for row in found.parts:
            if row["said"]:
                _wrapped(desk, f"  {row['part']}: {row['said']}")
    for row in each.platform.scores:
        show(said("platform_quality", part=row["part"], score=number(row["score"], lang, 1), day=row["day"]))


def _wrapped(desk: Desk, line: str) -> None:
    """A line as long as it may be, the rest of it below, a little further in; broken between facts rather than inside one."""
    inset = " " * (len(line) - len(line.lstrip()))
    lines: list[str] = []
    for fact in line.strip().split(" · "):
        if lines and len(inset) + len(lines[-1]) + len(fact) + 5 <= WIDE:
            lines[-1] += f" · {fact}"
        else:
            lines.append(fact if not lines else f"  {fact}")
    for one in lines:
        lead = inset + " " * (len(one) - len(one.lstrip()))
        for part in textwrap.wrap(
            one.strip(), WIDE, initial_indent=lead, subsequent_indent=inset + "  ", break_long_words=False,
            break_on_hyphens=False,
        ):  # fmt: skip
            desk.shell.show(part)


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
    order, said = story.order, desk.said

    def tell(key: str, **facts: object) -> None:
        _wrapped(desk, said(key, **facts))

    def money(amount: Decimal) -> str:
        return desk.money(amount, order["currency"])

    names = {"id": order["external_id"], "number": order["number"], "status": _named(desk, order["status"])}
    tell("order", **names, payment=_named(desk, order["payment_status"]))
    times = {"placed": desk.at(order["created_at"]), "paid_at": desk.at(order["paid_at"])}
    tell("placed", **times, paid=money(order["paid"]), refunded=money(order["refunded"]))
    state = order["consent_state"]
    consent = said("consent", state=said("not_known" if state == "unknown" else state))
    if order["consent_source"]:
        version, at = order["consent_version"] or "—", desk.at(order["consent_at"])
        consent += said("consent_from", source=order["consent_source"], version=version, at=at)
    _wrapped(desk, consent)
    for touch in story.touches:
        way = " / ".join(filter(None, (touch["source"], touch["medium"], touch["campaign"]))) or said("direct")
        channel = desk.word(touch["channel"])
        tell("visit", position=touch["position"], channel=channel, way=way, at=desk.at(touch["occurred_at"]))
    for refund in story.refunds:
        tell("refund", value=money(refund["amount"]), at=desk.at(refund["created_at"]))
    for line in story.lines:
        _tell_line(desk, line)
    if not story.lines:
        tell("told_nobody")
    for kind, value in story.counts.items():
        tell("counts", kind=kind, value=money(value))


def _named(desk: Desk, status: str) -> str:
    """A status of the shop's in the reader's language, where there is a word for it."""
    key = "pending_payment" if status == "pending" else status
    return desk.said(key) if key in SENTENCES else status


def _tell_line(desk: Desk, line: dict[str, Any]) -> None:
    def tell(key: str, **facts: object) -> None:
        _wrapped(desk, desk.said(key, **facts))

    why = f" ({desk.why(line['reason'])})" if line["reason"] else ""
    tell(
        "line", kind=line["destination"], action=desk.action(line["action"]), revision=line["revision"],
        state=desk.word(line["state"]), why=why, value=desk.money(line["value"], line["currency"]),
        basis=desk.said(line["value_basis"]),
    )  # fmt: skip
    created, sent, settled = (desk.at(line[f"{name}_at"]) for name in ("created", "sent", "settled"))
    tell("times", created=created, sent=sent, settled=settled, attempts=line["attempts"])
    if line["match_keys"]:
        tell("matched", keys=line["match_keys"].replace(",", ", "))
    if line["request_id"] or line["error_code"]:
        said = " ".join(filter(None, (line["error_class"], line["error_code"], line["error_message"])))
        tell("receipt", request=line["request_id"] or "—", said=said)
    if line["payload_sha256"]:
        tell("bytes", digest=line["payload_sha256"][:16])


def audit(context: typer.Context, client: Client, destination: To = "") -> Answer:
    """Check how well buyers can be matched. Keys, thin and stale events, digests of nobody, repeated ids, accuracy."""
    from cortex.steps import auditing

    with opened(context, client, "audit") as desk:
        found = [auditing.audit(desk.run, kind) for kind in desk.kinds(destination)]
    for each in found:
        _show_audit(desk, each)
    data = [asdict(each) | {"estimate_is": "an estimate of ours, 0 to 10"} for each in found]
    return Answer(client=desk.tenant.code, data=data)


def _show_audit(desk: Desk, each: Audit) -> None:
    said, lang = desk.said, desk.lang
    score = "—" if each.estimate is None else number(each.estimate, lang, 1)
    desk.shell.show(said("quality", kind=each.kind, events=number(each.events, lang), score=score))
    counted = {
        "thin": each.thin, "fresh": each.fresh, "stale": each.stale, "old_clicks": each.stale_clicks,
        "repeated": each.repeated_ids, "there": each.already_there,
    }  # fmt: skip
    facts = [[said("accuracy"), _percent(each.standing.accuracy, lang)]]
    facts += [[said(name), number(count, lang)] for name, count in counted.items()]
    facts += [[_bad(desk, what), number(count, lang)] for what, count in each.bad_digests.items()]
    desk.table(["check", "found"], facts, right=("found",))
    keys = [[key, _percent(share, lang)] for key, share in each.coverage.items()]
    if keys:
        desk.table(["match key", "events with it"], keys, right=("events with it",))
    _show_platform(desk, each.standing)
    desk.shell.show()


def _bad(desk: Desk, fault: str) -> str:
    """A fault of `cortex.conversions.quality` in the reader's language."""
    key, _, wrong = fault.partition(": ")
    _, is_of, what = wrong.partition("the digest of ")
    if not is_of:
        words = desk.said("no_digest")
    else:
        words = desk.said("digest_of_nothing") if what == "an empty text" else desk.said("digest_of", what=what)
    return desk.said("bad", field=key, what=words)


def _percent(share: float | None, lang: str) -> str:
    return "—" if share is None else f"{number(100 * share, lang, 1)} %"
