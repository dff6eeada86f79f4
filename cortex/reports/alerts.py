"""Alerts in the reader's language, written from their kind and facts; what has no sentence here shows as it was stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from cortex.reports.notices import written
from cortex.reports.page import Words
from cortex.reports.words import LANGUAGES

# fmt: off
TITLES: dict[str, tuple[str, str, str]] = {
    "step_failed": ("A etapa {step} falhou", "Step {step} failed", "La etapa {step} falló"),
    "credential": (
        "{step} está sem credencial válida", "{step} has no working credential", "{step} no tiene una credencial válida",
    ),
    "destination_stopped": (
        "{destination} não recebe conversões", "{destination} takes no conversions", "{destination} no recibe conversiones",
    ),
    "quality": ("A verificação \"{rule}\" falhou", "The check \"{rule}\" failed", "La verificación \"{rule}\" falló"),
    "delivery": (
        "{destination} tem {share} % das vendas que deveria",
        "{destination} has {share} % of the sales it is owed",
        "{destination} tiene {share} % de las ventas que debería",
    ),
    "cac": ("CAC +{change} % (limite {limit} %)", "CAC +{change} % (limit {limit} %)", "CAC +{change} % (límite {limit} %)"),
    "roas": (
        "ROAS −{change} % (limite {limit} %)", "ROAS −{change} % (limit {limit} %)", "ROAS −{change} % (límite {limit} %)",
    ),
}
MESSAGES: dict[str, tuple[str, str, str]] = {
    "destination_stopped": (
        "{count} conversões ({value}) esperam até que isto seja corrigido: {why}",
        "{count} conversions ({value}) wait until this is mended: {why}",
        "{count} conversiones ({value}) esperan hasta que se corrija: {why}",
    ),
    "quality": (
        "{part}: encontrado {measured}, permitido {allowed}.",
        "{part}: found {measured}, allowed {allowed}.",
        "{part}: encontrado {measured}, permitido {allowed}.",
    ),
    "delivery": (
        "{lost} de {judged} vendas dos últimos {days} dias não chegaram; pelo menos {least} % deveriam.",
        "{lost} of {judged} sales of the last {days} days did not arrive; at least {least} % should.",
        "{lost} de {judged} ventas de los últimos {days} días no llegaron; al menos {least} % deberían.",
    ),
    "cac": (
        "{spend} nos {days} dias até {last} trouxeram {won} novos clientes, {cac} cada; nos {baseline} dias antes, {cac_before}.",
        "{spend} of the {days} days to {last} won {won} new customers, {cac} each; in the {baseline} days before, {cac_before}.",
        "{spend} en {days} días hasta el {last} trajeron {won} clientes nuevos, {cac} cada uno; los {baseline} días antes, {cac_before}.",
    ),
    "roas": (
        "{spend} nos {days} dias até {last} trouxeram {value} por último clique, ROAS {roas}; nos {baseline} dias antes, {roas_before}.",
        "{spend} of the {days} days to {last} brought {value} by last click, ROAS {roas}; in the {baseline} days before, {roas_before}.",
        "{spend} en {days} días hasta el {last} trajeron {value} por último clic, ROAS {roas}; los {baseline} días antes, {roas_before}.",
    ),
}
MORE: tuple[str, str, str] = ("E mais {more}.", "And {more} more.", "Y {more} más.")
SEVERITIES: dict[str, tuple[str, str, str]] = {
    "critical": ("crítico", "critical", "crítico"),
    "warning": ("atenção", "warning", "atención"),
    "info": ("informação", "info", "información"),
}
MARKS: dict[str, tuple[str, str, str]] = {
    "read": ("lido", "read", "leído"),
    "dismissed": ("posto de lado", "dismissed", "descartado"),
}
# fmt: on
_COUNTS = {"count", "lost", "judged", "days", "more", "won", "baseline"}
_SHARES = {"share", "least", "change", "limit"}
_MONEY = {"value", "spend", "cac", "cac_before"}
_RATIOS = {"roas", "roas_before"}


def title(alert: Mapping[str, Any], lang: str, currency: str) -> str:
    """A few words. alert: a row of `alerts` or of rpt_open_alerts. currency: the client's."""
    return _filled(TITLES.get(alert["kind"]), alert, lang, currency) or str(alert["title"])


def message(alert: Mapping[str, Any], lang: str, currency: str) -> str:
    """One sentence. What platforms and steps said is told in their own words."""
    said = _filled(MESSAGES.get(alert["kind"]), alert, lang, currency)
    if not said:
        return str(alert["message"])
    more = _facts(alert).get("more", "0")
    return said if more == "0" else f"{said} {_filled(MORE, alert, lang, currency)}"


def severity(name: str, lang: str) -> str:
    return SEVERITIES[name][LANGUAGES.index(lang)]


def mark(name: str, lang: str) -> str:
    """What somebody did with it: read, dismissed."""
    return MARKS[name][LANGUAGES.index(lang)]


def _facts(alert: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = json.loads(alert["facts"])
    return found


def _filled(sentences: tuple[str, str, str] | None, alert: Mapping[str, Any], lang: str, currency: str) -> str:
    """The sentence with what it names; empty where there is none, or a version that knew fewer facts stored the alert."""
    at, words = LANGUAGES.index(lang), Words(lang, currency)
    if sentences is None:
        return ""
    try:
        return sentences[at].format(**{name: _told(name, text, words, at) for name, text in _facts(alert).items()})
    except KeyError:
        return ""


def _told(name: str, text: str, words: Words, at: int) -> str:
    try:
        if name in _COUNTS:
            return words.number(Decimal(text))
        if name in _SHARES:
            return words.number(Decimal(text), 0 if Decimal(text) == int(Decimal(text)) else 1)
        if name in _MONEY:
            return words.money(Decimal(text)) if text else "—"
        if name in _RATIOS:
            return words.number(Decimal(text), 2)
    except InvalidOperation:
        return text
    return written(name, text, words, at)
