"""Lint rules about people and money: consent before advertising, no personal data in Analytics, events counted once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from cortex.handoff.elements import CONSENT_INIT, Json
from cortex.handoff.export import (
    REFERENCE,
    Export,
    Finding,
    Severity,
    dicts,
    elements,
    mapping,
    named,
    parameter,
    strings,
    template_source,
    trigger_ids,
)

_PERSONAL = re.compile(
    r"^(user_data\.)?(e_?mail|em|ph|phone(_?number)?|telefone|celular|fn|ln|first_?name|last_?name|full_?name|nome|cpf|cnpj|rg|"
    r"document(o)?|birth_?date|address|endereco|street|zip(_?code)?|cep|sha256_\w+)$",
    re.IGNORECASE,
)
_PIXEL = re.compile(
    r"\bfbq\s*\(|connect\.facebook\.net|\bttq\s*\.|analytics\.tiktok\.com|\bpintrk\s*\(|\bsnaptr\s*\(|lintrk\s*\("
)
_META_TRACK = re.compile(r"\bfbq\s*\(\s*['\"]track(?:Custom|Single)?['\"]")
_TIKTOK_TRACK = re.compile(r"\bttq\s*\.\s*track\s*\(")
_PIXEL_TEMPLATE = re.compile(r"facebook|meta pixel|fbq|tiktok", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"X{6,}|CHANGE[-_ ]?ME|\bTODO\b|PREENCHER", re.IGNORECASE)
_SECRET = re.compile(
    r"\bEAA[A-Za-z0-9]{20,}|access_token['\"]?\s*[=:]\s*['\"][^'\"{]{12,}|api_secret['\"]?\s*[=:]\s*['\"]?[\w-]{12,}"
)
_GOOGLE_TAGS = {"googtag", "gaawe", "awct", "gclidw", "sp", "awud", "flc", "fls"}
_RETIRED = {"ua": "Universal Analytics", "gaawc": "the GA4 configuration tag (now the Google tag)"}


def _consent(export: Export) -> Iterator[Finding]:
    """Advertising waits for the visitor. Google's own tags check consent themselves; nobody else's do."""
    if export.context != "WEB":
        return
    measured = False
    for tag in export.tags:
        settings = mapping(tag.get("consentSettings"))
        status = settings.get("consentStatus", "NOT_SET")
        needed = set(strings(mapping(settings.get("consentType")).get("list")))
        pixel = _is_pixel(export, tag)
        measured = measured or pixel or tag.get("type") in _GOOGLE_TAGS
        if pixel and (status != "NEEDED" or "ad_storage" not in needed):
            message = "An advertising pixel fires without waiting for ad_storage: set consentStatus NEEDED."
            yield Finding("error", "consent-missing", named(tag, "tag"), message)
        elif status == "NOT_SET":
            message = "Nobody has said which consent this tag needs (consentStatus NOT_SET)."
            yield Finding("warning", "consent-not-set", named(tag, "tag"), message)
    defaults = [tag for tag in export.tags if _sets_default(export, tag)]
    if measured and not defaults:
        message = "No tag sets consent defaults: make sure the page does, before the container loads."
        yield Finding("warning", "consent-default", "container", message)
    for tag in defaults:
        if CONSENT_INIT not in trigger_ids(tag):
            message = "Consent defaults must fire on Consent Initialization, before every other tag."
            yield Finding("error", "consent-late", named(tag, "tag"), message)
        elif tag.get("type") == "html":
            message = "gtag commands of a Custom HTML tag run after the tags of the same event: use a template."
            yield Finding("warning", "consent-html", named(tag, "tag"), message)


def _sets_default(export: Export, tag: Json) -> bool:
    if tag.get("type") == "html":
        return bool(re.search(r"['\"]consent['\"]\s*,\s*['\"]default['\"]", parameter(tag, "html")))
    source = template_source(export, tag)
    return "setDefaultConsentState" in source and parameter(tag, "command") != "update"


def _is_pixel(export: Export, tag: Json) -> bool:
    if tag.get("type") == "html":
        return bool(_PIXEL.search(parameter(tag, "html")))
    label = re.search(r'"displayName":\s*"([^"]*)"', template_source(export, tag))
    return bool(label and _PIXEL_TEMPLATE.search(label[1]))


def _personal(export: Export) -> Iterator[Finding]:
    """No personal data in GA4: its terms forbid it and nobody can take it back."""
    for tag in export.tags:
        if tag.get("type") not in {"gaawe", "googtag", "gaawc", "ua", "sgtmgaaw"}:
            continue
        for name, value in _rows(tag):
            paths = [export.paths.get(each.strip(), "") for each in REFERENCE.findall(value)]
            if _PERSONAL.match(name) or any(_PERSONAL.match(path) for path in paths):
                message = f"Parameter {name!r} sends personal data to Analytics."
                yield Finding("error", "pii-parameter", named(tag, "tag"), message)


def _rows(tag: Json) -> Iterator[tuple[str, str]]:
    """Names and values of a tag's parameter tables, in the two ways exports write them."""
    tables = {
        "eventSettingsTable", "configSettingsTable", "eventParameters", "userProperties", "epToAdd", "upToAdd",
    }  # fmt: skip
    for each in dicts(tag.get("parameter")):
        for row in dicts(each.get("list")) if each.get("key") in tables else []:
            cells = {str(cell.get("key")): str(cell.get("value", "")) for cell in dicts(row.get("map"))}
            yield cells.get("parameter", cells.get("name", "")), cells.get("parameterValue", cells.get("value", ""))


def _ids(export: Export) -> Iterator[Finding]:
    """Ids in the shape their tag wants: G- for Analytics, AW- for the Google tag, digits for the Ads conversion."""
    for tag in export.tags:
        kind, label = tag.get("type"), named(tag, "tag")
        if kind in _RETIRED:
            yield Finding("warning", "retired-tag", label, f"This is {_RETIRED[kind]}.")
        if kind == "googtag":
            yield from _shape(export, label, parameter(tag, "tagId"), r"(G|AW|GT|DC)-\w+", "G-, AW-, GT- or DC-")
        if kind == "sgtmgaaw":
            yield from _shape(export, label, parameter(tag, "measurementId"), r"G-\w+", "G-")
        if kind == "gaawe":
            yield from _shape(export, label, parameter(tag, "measurementIdOverride"), r"G-\w+", "G-")
        if kind in {"awct", "sp", "awud", "sgtmadsct"}:
            written = parameter(tag, "conversionId")
            if export.value(written).startswith("AW-"):
                severity: Severity = "error" if export.context == "SERVER" else "warning"
                yield Finding(severity, "id-prefix", label, "conversionId is written without AW- in this tag.")
            else:
                yield from _shape(export, label, written, r"[0-9]+", "digits only")


def _shape(export: Export, label: str, written: str, shape: str, meaning: str) -> Iterator[Finding]:
    value = export.value(written)
    if not value or REFERENCE.search(value) or _PLACEHOLDER.search(value):
        return
    if not re.fullmatch(shape, value):
        yield Finding("error", "id-prefix", label, f"The id {value!r} must be {meaning}.")


def _pixels(export: Export) -> Iterator[Finding]:
    """Events the server sends too must carry the same id, and a person is not an event."""
    for tag in export.tags:
        html = parameter(tag, "html")
        label = named(tag, "tag")
        if (_META_TRACK.search(html) and not re.search(r"\beventID\b", html)) or (
            _TIKTOK_TRACK.search(html) and not re.search(r"\bevent_id\b", html)
        ):
            message = "The pixel sends an event without an event id: the server's copy will be counted twice."
            yield Finding("error", "pixel-event-id", label, message)
        person = re.search(r"external_id['\"]?\s*:\s*(['\"]?\{\{[^}]+\}\}|[\w.]+)", html)
        event = re.search(r"event(?:ID|_id)['\"]?\s*:\s*(['\"]?\{\{[^}]+\}\}|[\w.]+)", html)
        pair = (person[1], event[1]) if person and event else _pair(tag)
        if pair and pair[0].strip("'\"") == pair[1].strip("'\""):
            message = "external_id is the event id: it names a person, and must stay the same for them."
            yield Finding("error", "external-id-is-event-id", label, message)


def _pair(tag: Json) -> tuple[str, str] | None:
    person = parameter(tag, "externalId") or parameter(tag, "external_id")
    event = parameter(tag, "eventId") or parameter(tag, "event_id") or parameter(tag, "eventID")
    return (person, event) if person and event else None


def _contents(export: Export) -> Iterator[Finding]:
    """Values a person must still fill in, and values nobody should ever put here."""
    for kind, _, item in elements(export):
        texts = list(strings(item))
        if kind != "template" and any(_PLACEHOLDER.search(text) for text in texts):
            yield Finding(
                "warning", "placeholder", named(item, kind), "A placeholder must be filled in before publishing."
            )
        if any(_SECRET.search(text) for text in texts):
            message = "This looks like a secret: everything in a web container is public."
            yield Finding("error", "secret", named(item, kind), message)


TRUST: tuple[Callable[[Export], Iterator[Finding]], ...] = (_consent, _personal, _ids, _pixels, _contents)
