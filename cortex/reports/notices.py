"""Notices in the reader's language, written from their codes and facts; what has no sentence here is shown as it was told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation

from cortex.reports.page import Words
from cortex.reports.words import LANGUAGES

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

STREAMS: dict[str, tuple[str, str, str]] = {
    "store": ("Loja", "Shop", "Tienda"),
    "ads.meta": ("Meta", "Meta", "Meta"),
    "ads.google": ("Google Ads", "Google Ads", "Google Ads"),
    "ads.tiktok": ("TikTok", "TikTok", "TikTok"),
    "traffic.ga4": ("GA4", "GA4", "GA4"),
    "traffic.ga4_bigquery": ("GA4 no BigQuery", "GA4 in BigQuery", "GA4 en BigQuery"),
    "funnel": ("Funil", "Funnel", "Embudo"),
    "conversions": ("Conversões", "Conversions", "Conversiones"),
    "demand": ("Previsão", "Forecast", "Pronóstico"),
    "quality": ("Qualidade dos dados", "Data quality", "Calidad de los datos"),
    "notify": ("Notificações", "Notifications", "Notificaciones"),
}
"""By the name of a stream, or by the room before its dot."""

# fmt: off
SENTENCES: dict[str, tuple[str, str, str]] = {
    "unknown_word": (
        "{platform} usou em {field} um valor desconhecido: {said}.",
        "{platform} used an unknown value for {field}: {said}.",
        "{platform} usó en {field} un valor desconocido: {said}.",
    ),
    "unknown_field": (
        "{platform} traz o campo {field}, que não é conhecido e não é lido ({count} pedidos).",
        "{platform} tells a field {field}, which is not known and not read ({count} orders).",
        "{platform} trae el campo {field}, que no se conoce y no se lee ({count} pedidos).",
    ),
    "CTX-6102": (
        "A plataforma conta {value} a mais por {count} pedidos que não podem ser corrigidos ({why}).",
        "The platform counts {value} too much for {count} orders, which cannot be corrected ({why}).",
        "La plataforma cuenta {value} de más por {count} pedidos que no se pueden corregir ({why}).",
    ),
    "CTX-6106": (
        "Valores previstos não são enviados a {destination}: {why}",
        "Predicted values are not told to {destination}: {why}",
        "Los valores previstos no se envían a {destination}: {why}",
    ),
    "CTX-6111": (
        "A plataforma não usou todas as {count} conversões do pedido {request}.",
        "The platform did not use all {count} conversions of request {request}.",
        "La plataforma no usó todas las {count} conversiones de la solicitud {request}.",
    ),
    "CTX-6112": (
        "{destination} conta {good} conversões de {first} a {last} ({pending} em processamento); o registro diz {ours}.",
        "{destination} counts {good} conversions from {first} to {last} ({pending} pending); the ledger says {ours}.",
        "{destination} cuenta {good} conversiones del {first} al {last} ({pending} en proceso); el registro dice {ours}.",
    ),
    "CTX-6113": (
        "O diagnóstico de {destination} não pode ser lido com esta credencial ({why}). As conversões chegam mesmo assim.",
        "The diagnostics of {destination} may not be read with this credential ({why}). Conversions arrive all the same.",
        "El diagnóstico de {destination} no se puede leer con esta credencial ({why}). Las conversiones llegan igual.",
    ),
    "CTX-6105": (
        "{count} pedidos ({value}) têm item sem custo: enviados pela receita, não pela margem.",
        "{count} orders ({value}) have a line without a cost: told at revenue, not margin.",
        "{count} pedidos ({value}) tienen un artículo sin costo: enviados por ingresos, no por margen.",
    ),
    "sums_differ.lines": (
        "{count} pedidos cujos itens não somam o subtotal (diferença de {value}).",
        "{count} orders whose lines do not add up to the subtotal (off by {value}).",
        "{count} pedidos cuyos artículos no suman el subtotal (diferencia de {value}).",
    ),
    "sums_differ.total": (
        "{count} pedidos cujo total não é subtotal − desconto + frete (diferença de {value}).",
        "{count} orders whose total is not subtotal − discount + shipping (off by {value}).",
        "{count} pedidos cuyo total no es subtotal − descuento + envío (diferencia de {value}).",
    ),
    "CTX-2103": (
        "A verificação \"{rule}\" falhou em {part}: encontrado {measured}, permitido {allowed}.",
        "The check \"{rule}\" failed for {part}: found {measured}, allowed {allowed}.",
        "La verificación \"{rule}\" falló en {part}: encontrado {measured}, permitido {allowed}.",
    ),
    "CTX-8114": (
        "{count} destinatários foram recusados ({why}); os outros receberam a mensagem.",
        "{count} recipients were refused ({why}); the others have the message.",
        "{count} destinatarios fueron rechazados ({why}); los demás recibieron el mensaje.",
    ),
    "CTX-8121": (
        "Ninguém foi avisado por {channel}: {why}",
        "Nobody was told through {channel}: {why}",
        "Nadie fue avisado por {channel}: {why}",
    ),
    "CTX-2201": (
        "{days} dias ({first} a {last}) não puderam ser lidos: a plataforma só guarda {kept} dias.",
        "{days} days ({first} to {last}) could not be read: the platform keeps {kept} days.",
        "{days} días ({first} a {last}) no se pudieron leer: la plataforma solo guarda {kept} días.",
    ),
    "CTX-5062": (
        "{count} registros no valor de {native} {currency}, de {first} a {last}, não têm cotação em rates.csv: nenhum relatório os soma.",
        "{count} rows worth {native} {currency}, from {first} to {last}, have no rate in rates.csv: no report counts them.",
        "{count} registros por {native} {currency}, del {first} al {last}, no tienen cotización en rates.csv: ningún informe los suma.",
    ),
    "CTX-6101.click": (
        "{count} pedidos ({value}) com id de clique são mais antigos que os {kept} dias que {destination} aceita: não enviados.",
        "{count} orders ({value}) with a click id are older than the {kept} days {destination} takes: not sent.",
        "{count} pedidos ({value}) con id de clic son más antiguos que los {kept} días que {destination} acepta: no enviados.",
    ),
    "CTX-6101.identifiers": (
        "{count} pedidos ({value}) sem id de clique são mais antigos que os {kept} dias que {destination} aceita: não enviados.",
        "{count} orders ({value}) without a click id are older than the {kept} days {destination} takes: not sent.",
        "{count} pedidos ({value}) sin id de clic son más antiguos que los {kept} días que {destination} acepta: no enviados.",
    ),
    "CTX-7111": (
        "Faltam {days} dias de vendas para que haja previsão.",
        "{days} more days of sales are needed before anything is forecast.",
        "Faltan {days} días de ventas para que haya pronóstico.",
    ),
    "history": (
        "{count} dias antes de {first} não foram lidos: a plataforma guarda 37 meses.",
        "{count} days before {first} were not read: the platform keeps 37 months.",
        "{count} días antes del {first} no se leyeron: la plataforma guarda 37 meses.",
    ),
    "clicks-expired": (
        "Os cliques de {count} dias antes de {first} não foram lidos: o Google guarda 90 dias.",
        "Clicks of {count} days before {first} were not read: Google keeps 90 days.",
        "Los clics de {count} días antes del {first} no se leyeron: Google guarda 90 días.",
    ),
    "spend-without-ad": (
        "Entre {first} e {last} há investimento ({native} {currency}) sem anúncio na lista da plataforma (anúncios excluídos).",
        "Between {first} and {last} the platform lists spend ({native} {currency}) without its ads (deleted ones).",
        "Entre {first} y {last} la plataforma muestra inversión ({native} {currency}) sin sus anuncios (eliminados).",
    ),
    "ga4-no-transaction-id": (
        "O GA4 viu {count} compras sem id de transação entre {first} e {last}: não combinam com nenhum pedido.",
        "GA4 saw {count} purchases without a transaction id from {first} to {last}: they match no order.",
        "GA4 vio {count} compras sin id de transacción entre {first} y {last}: no coinciden con ningún pedido.",
    ),
    "ga4-thresholding": (
        "O GA4 ocultou linhas com poucas pessoas em {count} dias a partir de {first}.",
        "GA4 held back rows of few people on {count} days from {first}.",
        "GA4 ocultó filas con pocas personas en {count} días desde el {first}.",
    ),
    "ga4-other-row": (
        "O GA4 juntou em (other) as linhas acima do seu limite em {count} dias a partir de {first}.",
        "GA4 folded rows beyond its limit into (other) on {count} days from {first}.",
        "GA4 agrupó en (other) las filas por encima de su límite en {count} días desde el {first}.",
    ),
    "ga4-sampling": (
        "O GA4 contou uma amostra ({share} % dos eventos, no mínimo) em {count} dias a partir de {first}.",
        "GA4 counted a sample ({share} % of events at the least) on {count} days from {first}.",
        "GA4 contó una muestra ({share} % de los eventos, como mínimo) en {count} días desde el {first}.",
    ),
    "ga4-restricted": (
        "O GA4 esconde desta credencial: {hidden}. Lido como zero em {count} dias a partir de {first}.",
        "GA4 hides from this credential: {hidden}. Read as zero on {count} days from {first}.",
        "GA4 oculta a esta credencial: {hidden}. Leído como cero en {count} días desde el {first}.",
    ),
    "ga4-truncation": (
        "O GA4 cortou dados de atribuição em {count} dias a partir de {first} ({reasons}).",
        "GA4 cut attribution data short on {count} days from {first} ({reasons}).",
        "GA4 recortó datos de atribución en {count} días desde el {first} ({reasons}).",
    ),
    "ga4-no-stage": (
        "O GA4 juntou {count} eventos em (other) entre {first} e {last}: não contam em nenhuma etapa do funil.",
        "GA4 folded {count} events into (other) from {first} to {last}: they are in no stage of the funnel.",
        "GA4 agrupó {count} eventos en (other) entre {first} y {last}: no cuentan en ninguna etapa del embudo.",
    ),
    "ga4-no-item-id": (
        "O GA4 viu {count} visualizações de produto sem item id entre {first} e {last}: não são de nenhum produto.",
        "GA4 saw {count} product views without an item id from {first} to {last}: they belong to no product.",
        "GA4 vio {count} vistas de producto sin item id entre {first} y {last}: no son de ningún producto.",
    ),
    "ga4bq-no-item-id": (
        "{count} visualizações de produto sem item id entre {first} e {last}: não são de nenhum produto.",
        "{count} product views without an item id from {first} to {last}: they belong to no product.",
        "{count} vistas de producto sin item id entre {first} y {last}: no son de ningún producto.",
    ),
    "ga4bq-funnel-no-consent": (
        "{count} eventos de visitantes sem consentimento entre {first} e {last} não contam em nenhuma etapa do funil.",
        "{count} events of visitors without consent from {first} to {last} are in no stage of the funnel.",
        "{count} eventos de visitantes sin consentimiento entre {first} y {last} no cuentan en ninguna etapa del embudo.",
    ),
    "ga4bq-streamed": (
        "{count} dias a partir de {first} só existem na exportação contínua, que não é completa.",
        "{count} days from {first} are in the streaming export alone, which is not complete.",
        "{count} días desde el {first} solo están en la exportación continua, que no es completa.",
    ),
    "ga4bq-missing": (
        "{count} dias entre {first} e {last} não têm tabela na exportação: suas visitas faltam.",
        "{count} days from {first} to {last} have no table in the export: their visits are missing.",
        "{count} días entre {first} y {last} no tienen tabla en la exportación: faltan sus visitas.",
    ),
    "ga4bq-no-consent": (
        "{count} eventos e {purchases} compras de visitantes sem consentimento entre {first} e {last} não formam jornada.",
        "{count} events and {purchases} purchases of visitors without consent from {first} to {last} make no journey.",
        "{count} eventos y {purchases} compras de visitantes sin consentimiento entre {first} y {last} no forman recorrido.",
    ),
    "ga4bq-no-transaction-id": (
        "{count} compras sem id de transação entre {first} e {last}: não combinam com nenhum pedido.",
        "{count} purchases without a transaction id from {first} to {last}: they match no order.",
        "{count} compras sin id de transacción entre {first} y {last}: no coinciden con ningún pedido.",
    ),
}
RULES: dict[str, tuple[str, str, str]] = {
    "freshness": ("dados em dia", "data up to date", "datos al día"),
    "volume": ("volume de pedidos", "volume of orders", "volumen de pedidos"),
    "announced": ("contagem da loja", "the shop's own count", "conteo de la tienda"),
    "quarantine": ("registros separados", "records set aside", "registros apartados"),
    "nulls": ("campos obrigatórios", "required fields", "campos obligatorios"),
    "products": ("itens sem produto", "lines without a product", "artículos sin producto"),
    "duplicates": ("duplicados", "duplicates", "duplicados"),
    "orphans": ("registros sem dono", "rows that belong to nothing", "registros sin dueño"),
    "childless": ("pedidos sem itens", "orders without lines", "pedidos sin artículos"),
    "sums told": ("somas da plataforma", "the platform's sums", "sumas de la plataforma"),
    "sums": ("somas e créditos", "sums and credits", "sumas y créditos"),
    "currency": ("moeda e cotação", "currency and rate", "moneda y cotización"),
}
# fmt: on
"""Checks by their names; one without a name here shows its own."""


def sentence(
    stream: str,
    code: str,
    message: str,
    facts: Mapping[str, str],
    *,
    count: int,
    value: Decimal,
    lang: str,
    currency: str,
) -> str:
    """One line: who says it, and what.

    facts: what the message names; `kind` says which of a code's sentences is meant. Days, money and counts are written
    as the language writes them. currency: the client's, which `value` is in.
    """
    at = LANGUAGES.index(lang)
    known = SENTENCES.get(f"{code}.{facts['kind']}" if "kind" in facts else code)
    source = (STREAMS.get(stream) or STREAMS.get(stream.partition(".")[0]) or (stream,) * 3)[at]
    words = Words(lang, currency)
    said = {name: written(name, text, words, at) for name, text in facts.items()}
    said |= {"count": words.number(count), "value": words.money(value)}
    try:
        return f"{source}: {known[at].format(**said) if known else message}"
    except KeyError:
        return f"{source}: {message}"  # told by a version that knew fewer facts


def written(name: str, text: str, words: Words, at: int) -> str:
    """One fact as the language writes it: days, numbers, names of checks and destinations. `at`: place in LANGUAGES."""
    if _DAY.fullmatch(text):
        return words.day(date.fromisoformat(text))
    if name == "rule":
        return RULES.get(text, (text,) * 3)[at]
    if name == "destination":
        return words.text(text)
    if name in {"native", "measured", "allowed"}:
        try:
            amount = Decimal(text)
        except InvalidOperation:
            return text
        places = -int(round(amount, 4).normalize().as_tuple().exponent)
        return words.number(amount, 2 if name == "native" else max(0, places))
    return text
