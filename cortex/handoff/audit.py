"""What is wrong with a container in use: the lint, and what a shop's measurement lacks, counts twice, or sends elsewhere.

Works for any web or server container, whoever made it. Seed rules come from flaws of containers found in public: a pixel
without consent, e-mail as an Analytics parameter, one id for the person and the event.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from cortex.handoff.elements import Json
from cortex.handoff.export import (
    REFERENCE,
    Export,
    Finding,
    Severity,
    mapping,
    named,
    parameter,
    read,
    template_source,
    trigger_ids,
)
from cortex.handoff.lint import RANK, lint
from cortex.handoff.spec import KitSpec

FUNNEL = ("view_item", "add_to_cart", "begin_checkout", "purchase")
"""E-commerce events a shop cannot do without (row TRK-04)."""
_IMPORT_ONLY = {"name-characters", "unknown-builtin"}
_INIT = re.compile(r"""\bfbq\s*\(\s*['"]init['"]\s*,\s*['"]?(\{\{[^}]+\}\}|\d{5,20})""")
_TRACK = re.compile(r"""\bfbq\s*\(\s*['"]track(?:Single)?['"]\s*,\s*(?:['"]\d+['"]\s*,\s*)?['"](\w+)['"]""")
_META = re.compile(r'"displayName":\s*"[^"]*(facebook|meta)[^"]*"', re.IGNORECASE)
_EVENT_ID = ("eventId", "event_id", "eventID", "serverEventId")
_PIXEL_ID = ("pixelId", "pixel_id", "pixelIds", "dataSetId")


def audit(container: Json, spec: KitSpec | None = None) -> list[Finding]:
    """Findings about an export, errors first. spec: the client, for ids that are another's. Never raises for the content."""
    findings = [_held(finding) for finding in lint(container)]
    version = mapping(mapping(container).get("containerVersion"))
    if not version or any(finding.rule == "export-format" for finding in findings):
        return findings
    export = read(version)
    rules = [_paused, _doubles, _event_ids, _conversions]
    rules += [_web_lacks] if export.context == "WEB" else [_server_lacks]
    findings += [finding for rule in rules for finding in rule(export)]
    if spec is not None:
        findings += _foreign_ids(export, spec)
    return sorted(findings, key=lambda finding: RANK[finding.severity])


def _held(finding: Finding) -> Finding:
    """What the importer refuses in a new file is no flaw of a container Tag Manager holds already."""
    return replace(finding, severity="info") if finding.rule in _IMPORT_ONLY else finding


def counts(container: Json) -> dict[str, int]:
    """How many elements of each kind, for the head of a report."""
    version = mapping(mapping(container).get("containerVersion"))
    export = read(version)
    return {
        "tags": len(export.tags),
        "paused": sum(bool(tag.get("paused")) for tag in export.tags),
        "triggers": len(export.triggers),
        "variables": len(export.variables),
        "templates": len(export.templates),
    }


def _live(export: Export) -> list[Json]:
    return [tag for tag in export.tags if not tag.get("paused")]


def _paused(export: Export) -> Iterator[Finding]:
    for tag in export.tags:
        if tag.get("paused"):
            yield Finding("warning", "paused-tag", named(tag, "tag"), "The tag is paused: it measures nothing.")


def _doubles(export: Export) -> Iterator[Finding]:
    """Two live tags that tell the same thing at the same time: every visit, event or sale counts twice."""
    seen: dict[tuple[tuple[str, ...], str], Json] = {}
    for tag in _live(export):
        fires = trigger_ids({"firingTriggerId": tag.get("firingTriggerId")})
        keys = [(what, number) for what in _tells(export, tag) for number in fires]
        twins = [(key[0], seen[key]) for key in keys if key in seen]
        if twins:
            what, twin = twins[0]
            said = f"It tells {what[0]} {' '.join(what[1:])} as tag {twin.get('name', '?')} does: counted twice."
            yield Finding("error", "duplicate-tag", named(tag, "tag"), said)
        for key in keys:
            seen.setdefault(key, tag)


def _tells(export: Export, tag: Json) -> Iterator[tuple[str, ...]]:
    kind = str(tag.get("type", ""))

    def value(key: str) -> str:
        return export.value(parameter(tag, key))

    if kind == "googtag":
        yield "Google tag", value("tagId")
    elif kind == "gaawe":
        yield "GA4", value("measurementIdOverride") or value("measurementId"), value("eventName")
    elif kind in {"awct", "sgtmadsct"}:
        yield "Google Ads", value("conversionId"), value("conversionLabel")
    elif kind == "gclidw":
        yield ("conversion linker",)
    elif kind == "html":
        html = parameter(tag, "html")
        for pixel in sorted({export.value(found) for found in _INIT.findall(html)}):
            yield "Meta pixel", pixel
        for event in sorted(set(_TRACK.findall(html))):
            yield "Meta event", event
    elif kind.startswith("cvt_") and _META.search(template_source(export, tag)):
        yield "Meta event", _first(tag, ("standardEventName", "eventName", "event_name")) or "?"


def _event_ids(export: Export) -> Iterator[Finding]:
    """Meta templates must carry the id the server sends too; the lint looks at Custom HTML."""
    for tag in _live(export):
        source = template_source(export, tag)
        if source and _META.search(source) and not _first(tag, _EVENT_ID):
            message = "The Meta tag has no event id: the server's copy of the sale will be counted twice."
            yield Finding("error", "missing-event-id", named(tag, "tag"), message)


def _first(tag: Json, keys: tuple[str, ...]) -> str:
    return next((value for key in keys if (value := parameter(tag, key))), "")


def _conversions(export: Export) -> Iterator[Finding]:
    for tag in _live(export):
        if tag.get("type") not in {"awct", "sgtmadsct"}:
            continue
        label = named(tag, "tag")
        if tag.get("type") == "awct" and not parameter(tag, "orderId"):
            message = "The conversion has no order id: a reloaded thank-you page and the server's copy count again."
            yield Finding("error", "missing-order-id", label, message)
        if not parameter(tag, "conversionValue") or not parameter(tag, "currencyCode"):
            yield Finding("warning", "missing-value", label, "The conversion has no value or no currency.")
        if tag.get("type") == "awct" and not parameter(tag, "cssProvidedEnhancedConversionValue"):
            message = "No user-provided data: enhanced conversions rest on the server alone."
            yield Finding("info", "no-user-data", label, message)


def _web_lacks(export: Export) -> Iterator[Finding]:
    live = _live(export)
    kinds = {str(tag.get("type")) for tag in live}
    events = [export.value(parameter(tag, "eventName")) for tag in live if tag.get("type") == "gaawe"]
    # An event named by a variable may be any of them: such a container passes everything on.
    passes_all = any(REFERENCE.search(name) for name in events)
    if not kinds & {"googtag", "gaawc"}:
        yield Finding("error", "missing-tag", "container", "No live Google tag: GA4 receives nothing.")
    for name in FUNNEL if not passes_all else ():
        if name not in events:
            severity: Severity = "error" if name == "purchase" else "warning"
            yield Finding(severity, "missing-event", "container", f"No live GA4 tag tells {name}.")
    for tag in live:
        if tag.get("type") == "gaawe" and export.value(parameter(tag, "eventName")) in FUNNEL:
            table = str(tag.get("parameter", ""))
            if parameter(tag, "sendEcommerceData") != "true" and "items" not in table:
                yield Finding("warning", "missing-items", named(tag, "tag"), "The event carries no items.")
    if "awct" in kinds and "gclidw" not in kinds:
        yield Finding("error", "missing-tag", "container", "Google Ads converts without a conversion linker.")
    told = {what[1] for tag in live for what in _tells(export, tag) if what[0] == "Meta event"}
    if told and "Purchase" not in told and "?" not in told and not any(REFERENCE.search(name) for name in told):
        yield Finding("warning", "missing-event", "container", "The Meta pixel never tells Purchase.")


def _server_lacks(export: Export) -> Iterator[Finding]:
    kinds = {str(tag.get("type")) for tag in _live(export)}
    if not export.clients:
        yield Finding("error", "missing-client", "container", "No client claims requests: no tag ever fires.")
    if any(client.get("type") == "gaaw_client" for client in export.clients) and "sgtmgaaw" not in kinds:
        yield Finding("error", "missing-tag", "container", "GA4's events are claimed and never passed on.")
    if "sgtmadsct" in kinds and "sgtmadscl" not in kinds:
        yield Finding("error", "missing-tag", "container", "Google Ads converts without a conversion linker.")


def _foreign_ids(export: Export, spec: KitSpec) -> Iterator[Finding]:
    """Ids that are not the client's: measured into an account that somebody else reads."""
    ours = {
        "GA4": spec.ga4_measurement_id,
        "Google Ads": spec.ads_number,
        "Meta pixel": spec.meta_pixel_id,
    }
    found: dict[tuple[str, str], list[Json]] = {}
    for tag in export.tags:
        for what, value in _ids(export, tag):
            if ours[what] and value and not REFERENCE.search(value) and value != ours[what]:
                found.setdefault((what, value), []).append(tag)
    for (what, value), tags in found.items():
        label = named(tags[0], "tag") + (f" and {len(tags) - 1} more" if len(tags) > 1 else "")
        yield Finding("error", "other-id", label, f"{what} id {value} is not the client's {ours[what]}.")


def _ids(export: Export, tag: Json) -> Iterator[tuple[str, str]]:
    kind = str(tag.get("type", ""))
    if kind == "googtag":
        tag_id = export.value(parameter(tag, "tagId"))
        yield ("Google Ads", tag_id.removeprefix("AW-")) if tag_id.startswith("AW-") else ("GA4", tag_id)
    elif kind == "gaawe":
        yield "GA4", export.value(parameter(tag, "measurementIdOverride"))
    elif kind == "sgtmgaaw":
        yield "GA4", export.value(parameter(tag, "measurementId"))
    elif kind in {"awct", "sgtmadsct", "sp", "awud"}:
        yield "Google Ads", export.value(parameter(tag, "conversionId")).removeprefix("AW-")
    elif kind == "html":
        for found in _INIT.findall(parameter(tag, "html")):
            yield "Meta pixel", export.value(found)
    elif _META.search(template_source(export, tag)):
        yield "Meta pixel", export.value(_first(tag, _PIXEL_ID))
