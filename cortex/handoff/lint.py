"""Checks a Tag Manager export without Google: what the importer refuses, what silently does nothing, and what breaks trust.

It proves references and rules, not that Google accepts the file. Rules come from real exports, from import errors people
reported, and from flaws seen in containers in use (a pixel without consent, e-mail as a GA4 parameter, external id = event id).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cortex.handoff.elements import ALL_PAGES, CONSENT_INIT, INIT
from cortex.handoff.export import (
    Export,
    Finding,
    Severity,
    elements,
    mentions,
    named,
    parameter,
    read,
    tag_names,
    template_types,
    trigger_ids,
)
from cortex.handoff.shapes import incomplete
from cortex.handoff.trust import TRUST

__all__ = ["Finding", "Severity", "errors", "lint", "parameter"]

RANK = {"error": 0, "warning": 1, "info": 2}

FIXED_TRIGGERS = {
    "WEB": {ALL_PAGES, CONSENT_INIT, INIT},
    "SERVER": {"2147479574"},
}
RESERVED = 2_147_479_000
BUILT_INS = {
    "Page URL": "PAGE_URL",
    "Page Hostname": "PAGE_HOSTNAME",
    "Page Path": "PAGE_PATH",
    "Referrer": "REFERRER",
    "Event": "EVENT",
    "Event Name": "EVENT_NAME",
    "Container ID": "CONTAINER_ID",
    "Container Version": "CONTAINER_VERSION",
    "Debug Mode": "DEBUG_MODE",
    "Random Number": "RANDOM_NUMBER",
    "HTML ID": "HTML_ID",
    "Environment Name": "ENVIRONMENT_NAME",
    "Click Element": "CLICK_ELEMENT",
    "Click Classes": "CLICK_CLASSES",
    "Click ID": "CLICK_ID",
    "Click Target": "CLICK_TARGET",
    "Click URL": "CLICK_URL",
    "Click Text": "CLICK_TEXT",
    "Form Element": "FORM_ELEMENT",
    "Form Classes": "FORM_CLASSES",
    "Form ID": "FORM_ID",
    "Form Target": "FORM_TARGET",
    "Form URL": "FORM_URL",
    "Form Text": "FORM_TEXT",
    "Error Message": "ERROR_MESSAGE",
    "Error URL": "ERROR_URL",
    "Error Line": "ERROR_LINE",
    "New History Fragment": "NEW_HISTORY_FRAGMENT",
    "Old History Fragment": "OLD_HISTORY_FRAGMENT",
    "New History State": "NEW_HISTORY_STATE",
    "Old History State": "OLD_HISTORY_STATE",
    "History Source": "HISTORY_SOURCE",
    "Scroll Depth Threshold": "SCROLL_DEPTH_THRESHOLD",
    "Scroll Depth Units": "SCROLL_DEPTH_UNITS",
    "Scroll Direction": "SCROLL_DEPTH_DIRECTION",
    "Video Provider": "VIDEO_PROVIDER",
    "Video URL": "VIDEO_URL",
    "Video Title": "VIDEO_TITLE",
    "Video Duration": "VIDEO_DURATION",
    "Video Percent": "VIDEO_PERCENT",
    "Video Visible": "VIDEO_VISIBLE",
    "Video Status": "VIDEO_STATUS",
    "Video Current Time": "VIDEO_CURRENT_TIME",
    "Percent Visible": "ELEMENT_VISIBILITY_RATIO",
    "On-Screen Duration": "ELEMENT_VISIBILITY_TIME",
    "Analytics Client ID": "ANALYTICS_CLIENT_ID",
    "Analytics Session ID": "ANALYTICS_SESSION_ID",
    "Analytics Session Number": "ANALYTICS_SESSION_NUMBER",
    "Client Name": "CLIENT_NAME",
    "Query String": "QUERY_STRING",
    "Request Method": "REQUEST_METHOD",
    "Request Path": "REQUEST_PATH",
    "Visitor Region": "VISITOR_REGION",
}

_PARAMETER_TYPES = {"TEMPLATE", "BOOLEAN", "INTEGER", "LIST", "MAP", "TAG_REFERENCE", "TRIGGER_REFERENCE"}
_CAPITALS = {"consentStatus", "tagFiringOption"}
_FORBIDDEN_IN_NAMES = set(":<>&\"'")


def lint(container: dict[str, Any]) -> list[Finding]:
    """Findings about an export file, errors first, then in the order of the rules. An empty list is a clean container.

    Never raises for the content: a file that is no export gives one error that says what was expected.
    """
    version = container.get("containerVersion") if isinstance(container, dict) else None
    if not isinstance(version, dict) or container.get("exportFormatVersion") != 2:
        expected = "expected a Tag Manager container export: exportFormatVersion 2 with containerVersion"
        return [Finding("error", "export-format", "file", f"This is no container export: {expected}.")]
    export = read(version)
    rules: list[Callable[[Export], Iterator[Finding]]] = [
        _identity, _words, incomplete, _references, _templates, _unused, *TRUST,
    ]  # fmt: skip
    findings = [finding for rule in rules for finding in rule(export)]
    return sorted(findings, key=lambda finding: RANK[finding.severity])


def _identity(export: Export) -> Iterator[Finding]:
    """Ids and names: present, unique, and made of characters the importer takes."""
    ids: Counter[tuple[str, str]] = Counter()
    counted: dict[str, str] = {}
    names: Counter[tuple[str, str]] = Counter()
    for kind, id_key, item in elements(export):
        label, number, name = named(item, kind), str(item.get(id_key, "")), str(item.get("name", ""))
        ids[kind, number] += 1
        names[kind, name] += 1
        if not number.isdigit():
            yield Finding("error", "unique-id", label, f"{id_key} is missing or not a number.")
        elif ids[kind, number] == 2:
            yield Finding("error", "unique-id", label, f"{id_key} {number} is used twice.")
        if kind in {"tag", "trigger", "variable"} and number and counted.setdefault(number, kind) != kind:
            message = (
                f"Id {number} is also a {counted[number]}'s: an export counts tags, triggers and variables together."
            )
            yield Finding("error" if export.context == "SERVER" else "warning", "shared-id", label, message)
        if not name or names[kind, name] == 2:
            yield Finding("error", "unique-name", label, "The name is empty or used twice.")
        bad = sorted(_FORBIDDEN_IN_NAMES & set(name))
        if bad:
            yield Finding("error", "name-characters", label, f"The importer refuses {' '.join(bad)} in names.")


def _words(export: Export) -> Iterator[Finding]:
    """Enumerations: an export writes them in capitals; the API's lower camel case is refused by the importer."""
    for kind, _, item in elements(export):
        wrong = sorted(set(_lowercase(item)))
        if kind == "trigger" and str(item.get("type", "")) != str(item.get("type", "")).upper():
            wrong.append(str(item["type"]))
        if wrong:
            message = f"{', '.join(wrong)} must be in capitals in an export file."
            yield Finding("error", "enum-case", named(item, kind), message)
    for item in export.built_ins:
        if str(item.get("type", "")) not in BUILT_INS.values():
            yield Finding(
                "error", "unknown-builtin", named(item, "built-in"), f"{item.get('type')} is no built-in variable."
            )


def _lowercase(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        kind = value.get("type")
        is_parameter = "value" in value or "list" in value or "map" in value
        if is_parameter and isinstance(kind, str) and kind not in _PARAMETER_TYPES and kind.upper() != kind:
            yield kind
        for key, inner in value.items():
            if key in _CAPITALS and isinstance(inner, str) and inner != inner.upper():
                yield inner
            yield from _lowercase(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _lowercase(inner)


def _references(export: Export) -> Iterator[Finding]:
    """Whatever is named must be there."""
    variables = {str(item.get("name")) for item in export.variables}
    enabled = {str(item.get("name")) for item in export.built_ins}
    triggers = {str(item.get("triggerId")) for item in export.triggers} | FIXED_TRIGGERS.get(export.context, set())
    folders = {str(item.get("folderId")) for item in export.folders}
    tags = {str(item.get("name")) for item in export.tags}
    for kind, _, item in elements(export):
        label = named(item, kind)
        for name in sorted(mentions(item) if kind != "template" else set()):
            if name in BUILT_INS and name not in enabled | variables:
                yield Finding("error", "builtin-disabled", label, f"{{{{{name}}}}} is a built-in that is not enabled.")
            elif name not in variables | enabled:
                yield Finding("error", "unresolved-variable", label, f"{{{{{name}}}}} does not exist.")
        for number in trigger_ids(item):
            if number not in triggers:
                # Numbers up here are Tag Manager's own triggers, which no export lists.
                known = number.isdigit() and int(number) >= RESERVED
                said = f"Trigger {number} is one of Tag Manager's own that this check does not know."
                yield (
                    Finding("info", "reserved-trigger", label, said)
                    if known
                    else Finding("error", "unresolved-trigger", label, f"Trigger {number} does not exist.")
                )
        folder = item.get("parentFolderId")
        if folder is not None and str(folder) not in folders:
            yield Finding("error", "unresolved-folder", label, f"Folder {folder} does not exist.")
        for name in tag_names(item):
            if name not in tags:
                yield Finding("error", "unresolved-tag", label, f"Tag {name!r} does not exist.")


def _templates(export: Export) -> Iterator[Finding]:
    """A cvt_ type exists only if its template travels in the same file."""
    embedded = set().union(*(template_types(item) for item in export.templates)) if export.templates else set()
    for kind, _, item in elements(export):
        used = str(item.get("type", ""))
        if kind in {"tag", "variable", "client"} and used.startswith("cvt_") and used not in embedded:
            message = f"{used} is not in customTemplate of this file: the import fails."
            yield Finding("error", "template-missing", named(item, kind), message)


def _unused(export: Export) -> Iterator[Finding]:
    """What nothing refers to: it does no harm today and misleads tomorrow."""
    speaking = export.tags + export.triggers + export.variables + export.clients + export.transformations
    mentioned = {name for item in speaking for name in mentions(item)}
    types = {str(item.get("type")) for item in export.tags + export.variables + export.clients}
    used: dict[str, set[str]] = {
        "trigger": {number for item in export.tags + export.triggers for number in trigger_ids(item)},
        "folder": {str(item.get("parentFolderId")) for item in speaking},
        "variable": mentioned,
        "tag": {name for item in export.tags for name in tag_names(item)},
    }
    for kind, id_key, item in elements(export):
        if kind in {"client", "transformation"}:
            continue  # these act by themselves
        key = str(item.get(id_key if kind in {"trigger", "folder"} else "name"))
        if kind == "template":
            lonely = not template_types(item) & types
        elif kind == "tag":
            lonely = not item.get("firingTriggerId") and key not in used["tag"] and export.context == "WEB"
        else:
            lonely = key not in used[kind]
        if lonely:
            yield Finding("warning", f"unused-{kind}", named(item, kind), f"Nothing uses this {kind}.")
    for item in export.built_ins:
        if item.get("name") not in mentioned:
            yield Finding("info", "unused-builtin", named(item, "built-in"), "Nothing uses this built-in variable.")


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that forbid an import."""
    return [finding for finding in findings if finding.severity == "error"]
