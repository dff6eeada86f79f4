"""The end of a run, and of a run of many clients, as a message in the reader's language."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from cortex.errors import CortexError
from cortex.records import Message, Paragraph, Sentence
from cortex.reports import alerts
from cortex.reports.page import Words
from cortex.reports.words import LANGUAGES
from cortex.secrets import REDACTOR

MOST = 10
"""Lines under one heading; the rest are counted."""
LONGEST = 300

# fmt: off
PIPELINES: dict[str, tuple[str, str, str]] = {
    "daily": ("execução diária", "daily run", "ejecución diaria"),
    "hourly": ("execução de hoje", "hourly run", "ejecución de hoy"),
    "weekly": ("execução semanal", "weekly run", "ejecución semanal"),
    "conversions": ("envio de conversões", "sending of conversions", "envío de conversiones"),
    "backfill": ("carga do passado", "backfill", "carga del pasado"),
}
"""Recipes by name; one of the workspace's own shows its name."""
TELLING: dict[str, tuple[str, str, str]] = {
    "ok": ("✓ {who}: {pipeline} concluída", "✓ {who}: {pipeline} done", "✓ {who}: {pipeline} terminada"),
    "attention": (
        "⚠ {who}: {pipeline} concluída, algo pede atenção", "⚠ {who}: {pipeline} done, something needs attention",
        "⚠ {who}: {pipeline} terminada, algo pide atención",
    ),
    "partial": (
        "⚠ {who}: {pipeline} com falhas", "⚠ {who}: {pipeline} finished with failures", "⚠ {who}: {pipeline} con fallas",
    ),
    "failed": ("✗ {who}: {pipeline} falhou", "✗ {who}: {pipeline} failed", "✗ {who}: {pipeline} falló"),
    "cancelled": (
        "⚠ {who}: {pipeline} cancelada", "⚠ {who}: {pipeline} cancelled", "⚠ {who}: {pipeline} cancelada",
    ),
    "all_ok": ("✓ {pipeline}: {good} ok", "✓ {pipeline}: {good} ok", "✓ {pipeline}: {good} ok"),
    "some_failed": (
        "⚠ {pipeline}: {good} ok, {bad} com falha", "⚠ {pipeline}: {good} ok, {bad} failed", "⚠ {pipeline}: {good} ok, {bad} con falla",
    ),
    "none_ok": ("✗ {pipeline}: {bad} com falha", "✗ {pipeline}: {bad} failed", "✗ {pipeline}: {bad} con falla"),
    "what_failed": ("O que falhou", "What failed", "Qué falló"),
    "alerts": ("O que pede atenção", "What needs attention", "Qué pide atención"),
    "over": ("Resolvido", "Mended", "Resuelto"),
    "figures": ("Números de {days}", "Figures of {days}", "Números de {days}"),
    "sent": ("Conversões", "Conversions", "Conversiones"),
    "pieces": ("{step} ({count} partes)", "{step} ({count} pieces)", "{step} ({count} partes)"),
    "since": ("desde {day}", "since {day}", "desde el {day}"),
    "lasting": (
        "desde {day}, encontrado {times} vezes", "since {day}, met {times} times", "desde el {day}, encontrado {times} veces",
    ),
    "resolved": ("{first}, resolvido em {day}", "{first}, over on {day}", "{first}, resuelto el {day}"),
    "more": ("e mais {count}", "and {count} more", "y {count} más"),
    "orders": ("Pedidos pagos: {count}", "Paid orders: {count}", "Pedidos pagados: {count}"),
    "revenue": ("Receita líquida: {money}", "Net revenue: {money}", "Ingresos netos: {money}"),
    "accepted": ("{count} aceitas ({money})", "{count} accepted ({money})", "{count} aceptadas ({money})"),
    "skipped": ("{count} não enviadas: {reasons}", "{count} not sent: {reasons}", "{count} no enviadas: {reasons}"),
    "rejected": ("{count} recusadas", "{count} rejected", "{count} rechazadas"),
    "retry": ("{count} a tentar de novo", "{count} to be tried again", "{count} por reintentar"),
    "unknown": ("{count} sem resposta", "{count} without an answer", "{count} sin respuesta"),
    "run": ("Dias {days} · {seconds} s", "Days {days} · {seconds} s", "Días {days} · {seconds} s"),
    "days": ("Dias {days}", "Days {days}", "Días {days}"),
    "test": (
        "✓ {who}: mensagem de teste", "✓ {who}: test message", "✓ {who}: mensaje de prueba",
    ),
    "test_said": (
        "Aqui chegam os avisos das execuções e os alertas.", "This is where word of runs and alerts arrives.",
        "Aquí llegan los avisos de las ejecuciones y las alertas.",
    ),
}
# fmt: on


@dataclass(frozen=True)
class Reader:
    """In whose language, and whose money. who: the client (or agency) as people know it."""

    who: str
    lang: str
    currency: str

    def say(self, key: str, **values: Any) -> str:
        return TELLING[key][LANGUAGES.index(self.lang)].format(**values)

    def pipeline(self, name: str) -> str:
        known = PIPELINES.get(name)
        return known[LANGUAGES.index(self.lang)] if known else name

    @property
    def words(self) -> Words:
        return Words(self.lang, self.currency)


@dataclass(frozen=True)
class Sent:
    """What one destination was told in this run: the facts of its step."""

    destination: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What there is to say of one run.

    failed: (step, error), a piece of a backfill each on its own. due, over: rows of `alerts`. days: of the run.
    figure_days, orders, revenue: of what was sold; None where nothing can be said.
    """

    client: str
    pipeline: str
    status: str
    run_id: str
    days: tuple[date, date]
    seconds: float
    failed: Sequence[tuple[str, CortexError]] = ()
    due: Sequence[Mapping[str, Any]] = ()
    over: Sequence[Mapping[str, Any]] = ()
    figure_days: tuple[date, date] | None = None
    orders: int | None = None
    revenue: Decimal | None = None
    sent: Sequence[Sent] = field(default_factory=tuple)


def ended(told: Told, reader: Reader) -> Message:
    """One message for one client's run."""
    status = "attention" if told.status == "ok" and told.due else told.status
    title = reader.say(status, who=reader.who, pipeline=reader.pipeline(told.pipeline))
    steps = {step.partition("@")[0] for step, _ in told.failed}
    beside = [row for row in told.due if not _is_of_a_step(row, steps)]
    parts = [
        Paragraph(reader.say("what_failed"), _failed(told.failed, told.client, reader)),
        Paragraph(reader.say("alerts"), _few([_alert(row, reader) for row in beside], reader)),
        Paragraph(reader.say("over"), _few([_over(row, reader) for row in told.over], reader)),
        *_figures(told, reader),
        Paragraph("", (_last_line(told, reader),)),
    ]
    return _message(title, parts)


def summary(pipeline: str, good: int, failed: Sequence[tuple[str, CortexError | None]], reader: Reader) -> Message:
    """One message for a run of many clients. failed: (client, what went wrong first)."""
    key = "all_ok" if not failed else "some_failed" if good else "none_ok"
    numbers = reader.words.number
    name = reader.pipeline(pipeline)
    title = reader.say(key, pipeline=name, good=numbers(good), bad=numbers(len(failed)))
    lines = [
        _mended(f"{code}: {error.code} {error.message}", error.fix, error.code) if error else Sentence(code)
        for code, error in failed
    ]
    return _message(f"{title} · {reader.who}" if reader.who else title, [Paragraph("", _few(lines, reader))])


def span(alert: Mapping[str, Any], lang: str) -> str:
    """Since when an alert holds and how often it was met, and when it was over. alert: a row of `alerts`."""
    reader = Reader("", lang, "BRL")
    day, times = reader.words.day(alert["first_seen_at"].date()), alert["times"]
    said = reader.say("lasting", day=day, times=times) if times > 1 else reader.say("since", day=day)
    if alert["resolved_at"] is None:
        return said
    return reader.say("resolved", first=said, day=reader.words.day(alert["resolved_at"].date()))


def test(reader: Reader, command: str) -> Message:
    """What `cortex notify test` sends."""
    return _message(reader.say("test", who=reader.who), [Paragraph("", (Sentence(reader.say("test_said"), command),))])


def _message(title: str, parts: Sequence[Paragraph]) -> Message:
    """Whatever was put in, no credential and nobody's address leaves."""
    clean = REDACTOR.clean
    return Message(
        title=clean(title),
        paragraphs=tuple(
            Paragraph(
                clean(part.heading), tuple(Sentence(clean(line.text), clean(line.command)) for line in part.sentences)
            )
            for part in parts
            if part.sentences
        ),
    )


def _is_of_a_step(row: Mapping[str, Any], steps: set[str]) -> bool:
    """Whether the alert says again what the list of failed steps says."""
    return row["kind"] in {"step_failed", "credential"} and row["subject"].rpartition("/")[2] in steps


def _failed(failed: Sequence[tuple[str, CortexError]], client: str, reader: Reader) -> tuple[Sentence, ...]:
    """Each thing that went wrong once: every piece of a backfill fails for the same missing credential."""
    pieces: defaultdict[tuple[str, str, str], list[CortexError]] = defaultdict(list)
    for step, error in failed:
        pieces[step.partition("@")[0], error.code, error.message].append(error)
    lines = []
    for (step, code, message), errors in pieces.items():
        name = reader.say("pieces", step=step, count=len(errors)) if len(errors) > 1 else step
        lines.append(_mended(f"{name}: {code} {message}", errors[0].fix or f"cortex doctor {client}", code))
    return _few(lines, reader)


def _alert(row: Mapping[str, Any], reader: Reader) -> Sentence:
    said = f"{alerts.title(row, reader.lang, reader.currency)}. {alerts.message(row, reader.lang, reader.currency)}"
    since = f" ({reader.say('since', day=reader.words.day(row['first_seen_at'].date()))})" if row["times"] > 1 else ""
    return _mended(said + since, row["action"], row["code"])


def _mended(text: str, fix: str, code: str) -> Sentence:
    """What is wrong, and the command that mends it; where it is mended by hand, how, and where more is to be read."""
    if fix.startswith("cortex "):
        return Sentence(_short(text), fix)
    return Sentence(_short(text) + (f" → {fix}" if fix else ""), f"cortex explain {code}")


def _over(row: Mapping[str, Any], reader: Reader) -> Sentence:
    return Sentence(alerts.title(row, reader.lang, reader.currency))


def _figures(told: Told, reader: Reader) -> list[Paragraph]:
    if told.status == "failed":
        return []
    lines = []
    if told.orders is not None:
        lines += [Sentence(reader.say("orders", count=reader.words.number(told.orders)))]
        lines += [Sentence(reader.say("revenue", money=reader.words.money(told.revenue)))]
    heading = reader.say("figures", days=_span(told.figure_days or told.days, reader))
    return [
        Paragraph(heading, tuple(lines)),
        Paragraph(reader.say("sent"), tuple(Sentence(_sent(each, reader)) for each in told.sent)),
    ]


def _sent(each: Sent, reader: Reader) -> str:
    """What became of what was due: accepted, left out and why, refused."""
    facts, words = each.facts, reader.words
    said = [reader.say("accepted", count=words.number(facts["accepted"]), money=words.money(_decimal(facts["value"])))]
    if facts["skipped"]:
        reasons: defaultdict[str, int] = defaultdict(int)
        for row in facts["skipped"]:
            reasons[words.text((row["reason"] or row["state"]).partition(": ")[0])] += row["count"]
        listed = ", ".join(f"{reason} {words.number(count)}" for reason, count in sorted(reasons.items()))
        said.append(reader.say("skipped", count=words.number(sum(reasons.values())), reasons=listed))
    said += [reader.say(key, count=words.number(facts[key])) for key in ("rejected", "retry", "unknown") if facts[key]]
    return f"{words.text(each.destination)}: {'; '.join(said)}"


def _decimal(value: Any) -> Decimal:
    return Decimal(str(value or 0))


def _last_line(told: Told, reader: Reader) -> Sentence:
    days = _span(told.days, reader)
    if not told.run_id:
        return Sentence(reader.say("days", days=days), f"cortex doctor {told.client}")
    seconds = reader.words.number(Decimal(str(told.seconds)), 1)
    return Sentence(reader.say("run", days=days, seconds=seconds), f"cortex runs show {told.run_id}")


def _span(days: tuple[date, date], reader: Reader) -> str:
    first, last = (reader.words.day(day) for day in days)
    return first if first == last else f"{first} – {last}"


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST else f"{flat[: LONGEST - 1]}…"


def _few(lines: Sequence[Sentence], reader: Reader) -> tuple[Sentence, ...]:
    if len(lines) <= MOST:
        return tuple(lines)
    return (*lines[:MOST], Sentence(reader.say("more", count=reader.words.number(len(lines) - MOST))))
