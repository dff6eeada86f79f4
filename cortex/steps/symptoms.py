"""Symptoms: what a run shows to be wrong with a client, and of what it can tell that it is no more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from cortex import conversions as rules
from cortex import plugins
from cortex.errors import CortexError, CredentialError, QualityGate
from cortex.records import Notice
from cortex.run import Run
from cortex.secrets import REDACTOR
from cortex.steps.quality import RULES
from cortex.steps.shifts import BASELINE_DAYS, RECENT_DAYS, Shift, shifts

if TYPE_CHECKING:
    from cortex.tenant import Tenant

Row = dict[str, Any]
STOPPED = "CTX-6104"
"""The notice of a destination that is left alone because its account, pixel or action is wrong."""
BELOW = "CTX-8130"
DEARER, LESS = "CTX-8241", "CTX-8242"
JUDGED_DAYS = 7
"""Days whose sales say whether deliveries arrive."""
FEWEST_SALES = 20
"""Sales of those days below which a share says nothing."""


@dataclass(frozen=True)
class Fate:
    """How a step of a run ended: ok, failed, skipped, or done by an earlier attempt of the same run."""

    name: str
    status: str
    error: CortexError | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """How a run ended. status: ok, partial, failed, cancelled."""

    pipeline: str
    status: str
    seconds: float
    fates: Sequence[Fate]
    notices: Sequence[Notice] = ()


@dataclass(frozen=True)
class Condition:
    """Something that is wrong. facts: what title and message name, as text, for other languages."""

    kind: str
    subject: str
    severity: str
    code: str
    title: str
    message: str
    action: str
    facts: Mapping[str, str]

    @property
    def dedup_key(self) -> str:
        return f"{self.kind}:{self.subject}"


def found(run: Run, ended: Ended) -> Iterator[Condition]:
    """What is wrong as this run leaves it. Reads; writes nothing."""
    yield from _failed_steps(run, ended)
    yield from _stopped(run, ended)
    yield from _quality(run, ended)
    for kind in _delivering(run, ended):
        yield from _delivery(run, kind)
    if _credited(ended):
        yield from (_dearer(run, shift) if shift.metric == "cac" else _less(run, shift) for shift in shifts(run))


def looked_at(run: Run, ended: Ended) -> Iterator[str]:
    """Dedup keys of the conditions whose end this run can tell."""
    good = {_subject(ended, fate) for fate in ended.fates if fate.status in {"ok", "done"}}
    for subject in good:
        yield from (f"step_failed:{subject}", f"credential:{subject}", f"destination_stopped:{subject}")
    if _checked(ended):
        unknown = {row["rule"] for row in _results(run) if row["status"] == "unknown"}
        yield from (f"quality:{rule.name}" for rule in RULES if rule.name not in unknown)
    yield from (f"delivery:{kind}" for kind in _delivering(run, ended))
    if _credited(ended):
        yield from ("cac:all", "roas:all")


def _subject(ended: Ended, fate: Fate) -> str:
    """A step by its name; the pieces of a backfill together, apart from the same step of other runs."""
    base, piece, _ = fate.name.partition("@")
    return (f"{ended.pipeline}/{base}" if piece else base)[:96]


def _failed_steps(run: Run, ended: Ended) -> Iterator[Condition]:
    """One for each step, however many of its pieces failed. What only a person can mend is critical."""
    for fate in ended.fates:
        error = fate.error
        if fate.status != "failed" or error is None or isinstance(error, QualityGate):
            continue  # what a quality gate found has alerts of its own
        subject, said = _subject(ended, fate), REDACTOR.clean(error.message)
        refused = isinstance(error, CredentialError)
        yield Condition(
            kind="credential" if refused else "step_failed",
            subject=subject,
            severity="warning" if error.retryable else "critical",
            code=error.code,
            title=f"{subject} has no working credential" if refused else f"Step {subject} failed",
            message=said,
            action=REDACTOR.clean(error.fix) or f"cortex doctor {run.tenant.code}",
            facts={"step": subject, "why": said},
        )


def _stopped(run: Run, ended: Ended) -> Iterator[Condition]:
    for notice in ended.notices:
        if notice.code == STOPPED:
            kind = notice.stream.partition(".")[2]
            why = REDACTOR.clean(notice.message)
            yield Condition(
                kind="destination_stopped",
                subject=notice.stream,
                severity="critical",
                code=STOPPED,
                title=f"{kind} takes no conversions",
                message=why,
                action=f"cortex doctor {run.tenant.code}",
                facts={
                    "destination": kind, "count": str(notice.count), "value": f"{notice.value:f}",
                    "why": why.partition(": ")[2] or why,
                },
            )  # fmt: skip


def _checked(ended: Ended) -> bool:
    return any(
        fate.name == "quality" and (fate.status == "ok" or isinstance(fate.error, QualityGate)) for fate in ended.fates
    )


def _results(run: Run) -> list[Row]:
    return run.warehouse.rows(
        "SELECT rule, part, severity, status, measured, allowed, message FROM dq_results WHERE run_id = :run_id"
        " ORDER BY rule, part",
        run_id=run.run_id,
    )


def _quality(run: Run, ended: Ended) -> Iterator[Condition]:
    """One for each kind of check that failed. It is critical when it fails the run (`quality.fail_on`); short of that
    what is an error is a warning, and what somebody should look at is there to be looked at."""
    if not _checked(ended):
        return
    failed: defaultdict[str, list[Row]] = defaultdict(list)
    for row in _results(run):
        if row["status"] == "failed":
            failed[row["rule"]].append(row)
    gate = run.tenant.quality.fail_on
    for rule, rows in failed.items():
        first, more = rows[0], len(rows) - 1
        fails = gate == first["severity"] or gate == "warning"
        beside = f" (and {more} more)" if more else ""
        yield Condition(
            kind="quality",
            subject=rule,
            severity="critical" if fails else "warning" if first["severity"] == "error" else "info",
            code="CTX-2103",
            title=f'The check "{rule}" failed',
            message=f"{first['part']}: {first['message']}{beside}",
            action=f"cortex dq {run.tenant.code}",
            facts={
                "rule": rule, "part": first["part"], "measured": f"{first['measured']:f}",
                "allowed": f"{first['allowed']:f}", "more": str(more),
            },
        )  # fmt: skip


def _delivering(run: Run, ended: Ended) -> list[str]:
    """Destinations this run spoke to, or tried to."""
    tried = {fate.name for fate in ended.fates if fate.status in {"ok", "failed"}}
    return [kind for kind in run.tenant.destinations if f"conversions.{kind}" in tried]


SALES = """
    SELECT action, state, CASE WHEN attempts > 0 THEN 1 ELSE 0 END AS attempts, COUNT(*) AS n FROM conversion_outbox
    WHERE destination = :destination AND action = 'purchase' AND occurred_at >= :since
    GROUP BY action, state, CASE WHEN attempts > 0 THEN 1 ELSE 0 END
"""


def _delivery(run: Run, kind: str) -> Iterator[Condition]:
    """Whether enough of the last days' sales arrived, or were left out by rule (`cortex.conversions.accuracy`)."""
    rows = run.warehouse.rows(SALES, destination=kind, since=run.now() - timedelta(days=JUDGED_DAYS))
    judged = sum(row["n"] for row in rows if row["state"] not in rules.UNJUDGED)
    share = rules.accuracy(rows)
    least = run.tenant.alerts.thresholds.delivery_pct
    if share is None or judged < FEWEST_SALES or share >= least:
        return
    lost = judged - round(judged * share / 100)
    yield Condition(
        kind="delivery",
        subject=kind,
        severity="critical" if share < least / 2 else "warning",
        code=BELOW,
        title=f"{kind} has {share:.1f} % of the sales it is owed",
        message=f"{lost} of {judged} sales of the last {JUDGED_DAYS} days did not arrive; at least {least:g} % should.",
        action=f"cortex conversions status {run.tenant.code}",
        facts={
            "destination": kind, "share": f"{Decimal(share):.1f}", "least": f"{least:g}", "lost": str(lost),
            "judged": str(judged), "days": str(JUDGED_DAYS),
        },
    )  # fmt: skip


def _credited(ended: Ended) -> bool:
    """Whether the credits are as new as the orders: what CAC and ROAS are made of is all there."""
    return any(fate.name == "attribution" and fate.status in {"ok", "done"} for fate in ended.fates)


def _dearer(run: Run, shift: Shift) -> Condition:
    currency, change = run.tenant.currency, _percent(shift.change)
    cac, before = (None if one is None else f"{one:.2f}" for one in (shift.recent.cac, shift.before.cac))
    return Condition(
        kind="cac",
        subject="all",
        severity="warning",
        code=DEARER,
        title=f"CAC +{change} % (limit {shift.limit:f} %)",
        message=f"{shift.recent.spend:.2f} {currency} of the {RECENT_DAYS} days to {shift.last} won {shift.recent.won:f}"
        f" new customers, {cac or '—'} each; in the {BASELINE_DAYS} days before it was {before}.",
        action=f"cortex analyze attribution {run.tenant.code} --days {RECENT_DAYS}",
        facts={
            **_compared(shift), "won": f"{shift.recent.won:f}", "cac": cac or "", "cac_before": before or "",
        },
    )  # fmt: skip


def _less(run: Run, shift: Shift) -> Condition:
    roas, before = (f"{one or 0:.2f}" for one in (shift.recent.roas, shift.before.roas))
    return Condition(
        kind="roas",
        subject="all",
        severity="warning",
        code=LESS,
        title=f"ROAS -{_percent(shift.change)} % (limit {shift.limit:f} %)",
        message=f"{shift.recent.spend:.2f} {run.tenant.currency} of the {RECENT_DAYS} days to {shift.last} brought"
        f" {shift.recent.revenue:.2f} by last click, ROAS {roas}; in the {BASELINE_DAYS} days before it was {before}.",
        action=f"cortex analyze attribution {run.tenant.code} --days {RECENT_DAYS}",
        facts={
            **_compared(shift), "value": f"{shift.recent.revenue:.2f}", "roas": roas, "roas_before": before,
        },
    )  # fmt: skip


def _compared(shift: Shift) -> dict[str, str]:
    return {
        "change": _percent(shift.change), "limit": f"{shift.limit:f}", "spend": f"{shift.recent.spend:.2f}",
        "days": str(RECENT_DAYS), "baseline": str(BASELINE_DAYS), "last": shift.last.isoformat(),
    }  # fmt: skip


def _percent(change: Decimal | None) -> str:
    return "∞" if change is None else f"{change:.1f}"


def gone(tenant: Tenant, row: Row) -> bool:
    """Whether an alert is about a platform the client has no more: no run will ever look at it again."""
    if row["kind"] == "quality":
        return False
    if row["kind"] in {"cac", "roas"}:
        return not tenant.ads
    if row["kind"] == "delivery":
        return row["subject"] not in tenant.destinations
    room, _, kind = row["subject"].rpartition("/")[2].partition(".")
    if room == "conversions":
        return kind in plugins.kinds("destinations") and kind not in tenant.destinations
    enabled = {"ads": tenant.ads, "traffic": tenant.traffic, "funnel": tenant.traffic}.get(room)
    return enabled is not None and kind not in enabled
