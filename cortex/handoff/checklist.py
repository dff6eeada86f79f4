"""The four weeks of onboarding as data: which items tick themselves from evidence, and where a client stands.

Rows TEN-16 (before), TEN-17 to TEN-20 (weeks 1 to 4) and TEN-21 (after delivery).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

EVIDENCE: dict[str, str] = {
    "config.kpis": "the client file names its KPIs",
    "credentials.ok": "doctor: every enabled platform accepted its credential",
    "tracking.audit": "`cortex tracking audit` ran without errors",
    "tracking.live": "the events of the kit were seen in GA4: items, purchase and its transaction ids",
    "capi.ok": "doctor: the Meta destination answered",
    "ec.ok": "doctor: the Google destination answered and its terms are accepted",
    "conversions.test": "`cortex conversions test` was accepted",
    "db.provisioned": "the client's database exists with every migration",
    "schedule.installed": "a daily run came from the scheduler",
    "extract.ok": "every enabled source loaded once",
    "backfill.90": "a backfill of at least 90 days finished",
    "quality.ok": "the quality checks of the last run passed",
    "views.ok": "every report view answers",
    "dashboard.ok": "the client's pages open",
    "alerts.ok": "an alert was delivered to the client's channel",
    "streak.7": "seven daily runs in a row succeeded",
}
"""What each name of evidence stands for. The value given to `state` says where it was seen, such as `run 01JD7Q`."""


@dataclass(frozen=True)
class Item:
    """One thing to do. evidence: the name that ticks it. by_hand: a person may tick it (always, where there is no evidence)."""

    id: str
    week: int
    pt: str
    en: str
    evidence: str = ""
    by_hand: bool = True

    def title(self, language: str) -> str:
        return self.pt if language == "pt-BR" else self.en


# Week 0 comes before the start, week 5 after delivery.
ITEMS: tuple[Item, ...] = (
    Item("contract", 0, "Contrato assinado", "Contract signed"),
    Item("store_access", 0, "Acesso à API da loja", "Access to the store's API"),
    Item("ads_access", 0, "Acesso às contas de anúncios", "Access to the ad accounts"),
    Item("ga4_access", 0, "Acesso à propriedade do GA4", "Access to the GA4 property"),
    Item("kick_off", 1, "Reunião de início", "Kick-off meeting"),
    Item("tool_map", 1, "Mapa das ferramentas em uso", "Map of the tools in use"),
    Item("kpis", 1, "KPIs definidos no arquivo do cliente", "KPIs set in the client file", "config.kpis"),
    Item("credentials", 1, "Credenciais aceitas", "Credentials accepted", "credentials.ok", by_hand=False),
    Item("gtm_audit", 2, "Auditoria do Tag Manager", "Tag Manager audit", "tracking.audit"),
    Item("ecommerce_events", 2, "Eventos de e-commerce publicados", "E-commerce events live", "tracking.live"),
    Item("meta_capi", 2, "API de Conversões da Meta", "Meta Conversions API", "capi.ok", by_hand=False),
    Item("google_ec", 2, "Conversões otimizadas do Google", "Google enhanced conversions", "ec.ok", by_hand=False),
    Item("event_test", 2, "Teste de eventos aceito", "Event test accepted", "conversions.test", by_hand=False),
    Item("database", 3, "Banco de dados criado", "Database created", "db.provisioned", by_hand=False),
    Item("deploy", 3, "Execução agendada", "Runs scheduled", "schedule.installed", by_hand=False),
    Item("extractors", 3, "Extração de todas as fontes", "Every source extracted", "extract.ok", by_hand=False),
    Item("backfill", 3, "Backfill de 90 dias", "90-day backfill", "backfill.90", by_hand=False),
    Item("integrity", 3, "Integridade validada", "Integrity validated", "quality.ok", by_hand=False),
    Item("report_views", 4, "Visões de relatório", "Report views", "views.ok", by_hand=False),
    Item("dashboard", 4, "Painel aberto com o cliente", "Dashboard opened with the client", "dashboard.ok"),
    Item("alerts", 4, "Alertas entregues", "Alerts delivered", "alerts.ok", by_hand=False),
    Item("training", 4, "Treinamento da equipe", "Team trained"),
    Item("documentation", 4, "Documentação entregue", "Documentation handed over"),
    Item("monitoring", 5, "7 dias seguidos de execução", "7 daily runs in a row", "streak.7", by_hand=False),
    Item("alert_tuning", 5, "Limites dos alertas ajustados", "Alert thresholds tuned"),
    Item("first_review", 5, "Primeira revisão mensal marcada", "First monthly review booked"),
)
BY_ID: dict[str, Item] = {item.id: item for item in ITEMS}
DELIVERY = 4
"""The last of the four weeks; what comes later is counted apart."""


@dataclass(frozen=True)
class ItemState:
    """An item as it stands. `why` is the evidence, or who ticked it and when; empty while it is open."""

    item: Item
    done: bool
    automatic: bool
    why: str


def state(evidence: Mapping[str, str], ticks: Mapping[str, str]) -> list[ItemState]:
    """Every item in order. evidence: name -> where it was seen. ticks: item id -> who and when.

    Evidence beats a tick; a tick on an item that only evidence can prove does not count; unknown names are ignored, so
    that an older checklist reads newer records.
    """
    return [_stand(item, evidence.get(item.evidence, ""), ticks.get(item.id, "")) for item in ITEMS]


def _stand(item: Item, seen: str, tick: str) -> ItemState:
    if item.evidence and seen:
        return ItemState(item, True, True, seen)
    if tick and (item.by_hand or not item.evidence):
        return ItemState(item, True, False, tick)
    return ItemState(item, False, bool(item.evidence), "")


def week(states: Sequence[ItemState]) -> int:
    """The earliest week with something open; 6 when all is done."""
    return min((each.item.week for each in states if not each.done), default=DELIVERY + 2)


def summary(states: Sequence[ItemState], language: str = "en") -> str:
    """One line such as `9/23 done, week 1`. Counts the items up to delivery, then those after it."""
    portuguese = language == "pt-BR"
    current = week(states)
    after = current > DELIVERY
    counted = [each for each in states if (each.item.week > DELIVERY) == after]
    done = sum(each.done for each in counted)
    where = {
        0: ("antes do início", "before the start"),
        DELIVERY + 1: ("após a entrega", "after delivery"),
        DELIVERY + 2: ("concluído", "complete"),
    }.get(current, (f"semana {current}", f"week {current}"))
    verb = "feitos" if portuguese else "done"
    return f"{done}/{len(counted)} {verb}, {where[0] if portuguese else where[1]}"
