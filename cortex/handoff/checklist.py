"""The four weeks of onboarding as data: which items tick themselves from evidence, and where a client stands.

Rows TEN-16 (before), TEN-17 to TEN-20 (weeks 1 to 4) and TEN-21 (after delivery).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta


@dataclass(frozen=True)
class Words:
    """One text in the three languages."""

    pt: str
    en: str
    es: str

    def told(self, language: str) -> str:
        return {"pt-BR": self.pt, "es": self.es}.get(language, self.en)


EVIDENCE: dict[str, Words] = {
    "config.kpis": Words(
        "metas em `kpis:` no arquivo do cliente",
        "targets under `kpis:` in the client file",
        "metas en `kpis:` del archivo del cliente",
    ),
    "credentials.ok": Words(
        "cortex doctor: todas as credenciais aceitas",
        "cortex doctor: every credential accepted",
        "cortex doctor: todas las credenciales aceptadas",
    ),
    "tracking.audit": Words(
        "cortex tracking audit --client sem erros",
        "cortex tracking audit --client without errors",
        "cortex tracking audit --client sin errores",
    ),
    "tracking.live": Words(
        "pedidos com os atributos do kit, ou compras no GA4",
        "orders with the kit's attributes, or purchases in GA4",
        "pedidos con los atributos del kit, o compras en GA4",
    ),
    "capi.ok": Words(
        "cortex doctor: a Meta respondeu", "cortex doctor: Meta answered", "cortex doctor: Meta respondió"
    ),
    "ec.ok": Words(
        "cortex doctor: o Google respondeu", "cortex doctor: Google answered", "cortex doctor: Google respondió"
    ),
    "conversions.test": Words(
        "cortex conversions test, ou uma conversão aceita",
        "cortex conversions test, or an accepted conversion",
        "cortex conversions test, o una conversión aceptada",
    ),
    "db.provisioned": Words("cortex onboard", "cortex onboard", "cortex onboard"),
    "schedule.installed": Words(
        "três dias seguidos de cortex run daily na mesma hora",
        "three days in a row of cortex run daily at the same hour",
        "tres días seguidos de cortex run daily a la misma hora",
    ),
    "extract.ok": Words(
        "uma execução que leu todas as fontes",
        "a run that read every source",
        "una ejecución que leyó todas las fuentes",
    ),
    "backfill.90": Words(
        "cortex backfill --days 90 concluído",
        "cortex backfill --days 90 finished",
        "cortex backfill --days 90 terminado",
    ),
    "quality.ok": Words(
        "cortex dq sem reprovações na última execução",
        "cortex dq without failures in the last run",
        "cortex dq sin fallas en la última ejecución",
    ),
    "views.ok": Words("todas as visões respondem", "every view answers", "todas las vistas responden"),
    "dashboard.ok": Words("", "", ""),
    "alerts.ok": Words("um alerta entregue", "an alert delivered", "una alerta entregada"),
    "streak.7": Words("7 execuções diárias seguidas", "7 daily runs in a row", "7 ejecuciones diarias seguidas"),
}
"""What each name of evidence stands for. The value given to `state` says where it was seen, such as `run 01JD7Q`."""


@dataclass(frozen=True)
class Item:
    """One thing to do. evidence: the name that ticks it. by_hand: a person may tick it (always, where there is no evidence)."""

    id: str
    week: int
    words: Words
    evidence: str = ""
    by_hand: bool = True

    def title(self, language: str) -> str:
        return self.words.told(language)

    @property
    def tickable(self) -> bool:
        return self.by_hand or not self.evidence


def _item(id_: str, week: int, pt: str, en: str, es: str, evidence: str = "", *, by_hand: bool = True) -> Item:
    return Item(id_, week, Words(pt, en, es), evidence, by_hand)


# Week 0 comes before the start, week 5 after delivery.
ITEMS: tuple[Item, ...] = (
    _item("contract", 0, "Contrato assinado", "Contract signed", "Contrato firmado"),
    _item("store_access", 0, "Acesso à API da loja", "Access to the store's API", "Acceso a la API de la tienda"),
    _item("ads_access", 0, "Acesso às contas de anúncios", "Access to the ad accounts", "Acceso a las cuentas de anuncios"),
    _item("ga4_access", 0, "Acesso à propriedade do GA4", "Access to the GA4 property", "Acceso a la propiedad de GA4"),
    _item("kick_off", 1, "Reunião de início", "Kick-off meeting", "Reunión de inicio"),
    _item("tool_map", 1, "Mapa das ferramentas em uso", "Map of the tools in use", "Mapa de las herramientas en uso"),
    _item("kpis", 1, "KPIs definidos", "KPIs agreed", "KPI definidos", "config.kpis"),
    _item(
        "credentials", 1, "Credenciais aceitas", "Credentials accepted", "Credenciales aceptadas", "credentials.ok",
        by_hand=False,
    ),
    _item("gtm_audit", 2, "Auditoria do Tag Manager", "Tag Manager audit", "Auditoría de Tag Manager", "tracking.audit"),
    _item(
        "ecommerce_events", 2, "Eventos de e-commerce no ar", "E-commerce events live", "Eventos de e-commerce activos",
        "tracking.live",
    ),
    _item(
        "meta_capi", 2, "API de Conversões da Meta", "Meta Conversions API", "API de Conversiones de Meta", "capi.ok",
        by_hand=False,
    ),
    _item(
        "google_ec", 2, "Conversões otimizadas Google", "Google enhanced conversions", "Conversiones avanzadas de Google",
        "ec.ok", by_hand=False,
    ),
    _item(
        "event_test", 2, "Teste de eventos aceito", "Event test accepted", "Prueba de eventos aceptada", "conversions.test",
        by_hand=False,
    ),
    _item("database", 3, "Banco de dados criado", "Database created", "Base de datos creada", "db.provisioned", by_hand=False),
    _item("deploy", 3, "Execução agendada", "Runs scheduled", "Ejecución programada", "schedule.installed", by_hand=False),
    _item(
        "extractors", 3, "Extração de todas as fontes", "Every source extracted", "Extracción de todas las fuentes",
        "extract.ok", by_hand=False,
    ),
    _item("backfill", 3, "Backfill de 90 dias", "90-day backfill", "Backfill de 90 días", "backfill.90", by_hand=False),
    _item("integrity", 3, "Integridade validada", "Integrity validated", "Integridad validada", "quality.ok", by_hand=False),
    _item("report_views", 4, "Visões de relatório", "Report views", "Vistas de informes", "views.ok", by_hand=False),
    _item(
        "dashboard", 4, "Painel aberto com o cliente", "Dashboard opened with client", "Panel abierto con el cliente",
        "dashboard.ok",
    ),
    _item("alerts", 4, "Alertas entregues", "Alerts delivered", "Alertas entregadas", "alerts.ok"),
    _item("training", 4, "Treinamento da equipe", "Team trained", "Capacitación del equipo"),
    _item("documentation", 4, "Documentação entregue", "Documentation handed over", "Documentación entregada"),
    _item("monitoring", 5, "7 dias seguidos de execução", "7 daily runs in a row", "7 días seguidos de ejecución", "streak.7",
          by_hand=False),
    _item("alert_tuning", 5, "Limites de alerta ajustados", "Alert thresholds tuned", "Límites de alerta ajustados"),
    _item("first_review", 5, "1ª revisão mensal marcada", "First monthly review booked", "1.ª revisión mensual agendada"),
)  # fmt: skip
BY_ID: dict[str, Item] = {item.id: item for item in ITEMS}
DELIVERY = 4
"""The last of the four weeks; what comes later is counted apart."""
WEEKS = (
    Words("Antes do início", "Before the start", "Antes del inicio"),
    Words("Semana 1 · descoberta", "Week 1 · discovery", "Semana 1 · descubrimiento"),
    Words("Semana 2 · medição", "Week 2 · tracking", "Semana 2 · medición"),
    Words("Semana 3 · integração", "Week 3 · integration", "Semana 3 · integración"),
    Words("Semana 4 · entrega", "Week 4 · delivery", "Semana 4 · entrega"),
    Words("Após a entrega", "After delivery", "Después de la entrega"),
)


@dataclass(frozen=True)
class Note:
    """What people wrote about an item: who does it until when, who ticked it and on which day."""

    owner: str = ""
    due_on: date | None = None
    done_by: str = ""
    done_on: date | None = None


@dataclass(frozen=True)
class ItemState:
    """An item as it stands. `why` is the evidence, or who ticked it and when; empty while it is open."""

    item: Item
    done: bool
    automatic: bool
    why: str
    note: Note = Note()


def state(evidence: Mapping[str, str], notes: Mapping[str, Note]) -> list[ItemState]:
    """Every item in order. evidence: name -> where it was seen. notes: item id -> what people wrote.

    Evidence beats a tick; a tick on an item that only evidence can prove does not count; unknown names are ignored, so
    that an older checklist reads newer records.
    """
    return [_stand(item, evidence.get(item.evidence, ""), notes.get(item.id, Note())) for item in ITEMS]


def _stand(item: Item, seen: str, note: Note) -> ItemState:
    if item.evidence and seen:
        return ItemState(item, True, True, seen, note)
    if note.done_on and item.tickable:
        why = " ".join(part for part in (note.done_by, note.done_on.isoformat()) if part)
        return ItemState(item, True, False, why, note)
    return ItemState(item, False, bool(item.evidence), "", note)


def week(states: Sequence[ItemState]) -> int:
    """The earliest week with something open; 6 when all is done."""
    return min((each.item.week for each in states if not each.done), default=DELIVERY + 2)


def deadline(number: int, started: date | None) -> date | None:
    """Last day of a week of the plan, which begins with the kick-off. None before it, and for what has no week."""
    return started + timedelta(days=7 * number) if started and 1 <= number <= DELIVERY + 1 else None


def summary(states: Sequence[ItemState], language: str = "en") -> str:
    """One line such as `9/23 done, week 1`. Counts the items up to delivery, then those after it."""
    current = week(states)
    after = current > DELIVERY
    counted = [each for each in states if (each.item.week > DELIVERY) == after]
    done = sum(each.done for each in counted)
    where = {
        0: Words("antes do início", "before the start", "antes del inicio"),
        DELIVERY + 1: Words("após a entrega", "after delivery", "después de la entrega"),
        DELIVERY + 2: Words("concluído", "complete", "completo"),
    }.get(current, Words(f"semana {current}", f"week {current}", f"semana {current}"))
    return f"{done}/{len(counted)} {Words('feitos', 'done', 'hechos').told(language)}, {where.told(language)}"
