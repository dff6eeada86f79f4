"""What a client changed: a container as it is in Tag Manager now, against the one the kit would bring today.

Ids, fingerprints and account numbers are Tag Manager's own and change with every import; elements are matched by kind and
name, then by content, so that what was only renamed is called renamed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from cortex.handoff.elements import Json
from cortex.handoff.export import Export, dicts, elements, listed, mapping, read

_OWN_WORDS = {
    "accountId", "containerId", "fingerprint", "path", "tagManagerUrl", "tagId", "triggerId", "variableId", "folderId",
    "templateId", "clientId", "transformationId", "uniqueTriggerId", "name", "parentFolderId", "monitoringMetadataTagNameKey",
}  # fmt: skip
_DEFAULTS: dict[str, Any] = {
    "tagFiringOption": "ONCE_PER_EVENT",
    "monitoringMetadata": {"type": "MAP"},
    "consentSettings": {"consentStatus": "NOT_SET"},
    "formatValue": {},
    "paused": False,
    "liveOnly": False,
    "priority": {"type": "INTEGER", "value": "0"},
    "notes": "",
    "blockingTriggerId": [],
}
"""What Tag Manager writes out or leaves out without a difference."""
_OFF: tuple[Any, ...] = ("false", "", [], {})
_FIXED = {"2147479553": "All Pages", "2147479572": "Consent Initialization", "2147479573": "Initialization"}
PREFIX = "CTX - "
"""Names of the kit's own elements begin so: anything else is the client's."""


@dataclass(frozen=True)
class Change:
    """One element. state: missing (removed there), changed, renamed, paused, or added (the client's own)."""

    state: Literal["missing", "changed", "renamed", "added"]
    kind: str
    name: str
    fields: list[tuple[str, str, str]] = field(default_factory=list)
    """(where, what the kit says, what the container says)."""


def compare(ours: Json, theirs: Json) -> list[Change]:
    """Changes in the order missing, changed, renamed, added; each by kind and name. Equal containers give an empty list."""
    before, after = _elements(ours), _elements(theirs)
    gone = {key: content for key, content in before.items() if key not in after}
    new = {key: content for key, content in after.items() if key not in before}
    found = [
        Change("changed", *key, fields=list(_fields(before[key], after[key])))
        for key in before
        if key in after and before[key] != after[key]
    ]
    by_content: dict[tuple[str, str], list[str]] = {}
    for (kind, name), content in new.items():
        by_content.setdefault((kind, _text(content)), []).append(name)
    for (kind, name), content in gone.items():
        heirs = by_content.get((kind, _text(content)), [])
        if heirs:
            heir = heirs.pop(0)
            del new[kind, heir]
            found.append(Change("renamed", kind, name, [("name", name, heir)]))
        else:
            found.append(Change("missing", kind, name))
    found += [Change("added", *key) for key in new]
    order = ("missing", "changed", "renamed", "added")
    return sorted(found, key=lambda change: (order.index(change.state), change.kind, change.name))


def _elements(container: Json) -> dict[tuple[str, str], Json]:
    """Every element by kind and name, in words that do not depend on Tag Manager's numbers."""
    export = read(mapping(container.get("containerVersion")))
    triggers = _FIXED | {str(each.get("triggerId")): str(each.get("name")) for each in export.triggers}
    kinds = {
        f"cvt_{each.get('containerId')}_{each.get('templateId')}": f"template {each.get('name')}"
        for each in export.templates
    }
    found: dict[tuple[str, str], Json] = {}
    for kind, _, item in elements(export):
        if kind == "folder":
            continue  # where an element lies changes nothing
        found[kind, str(item.get("name", "?"))] = _plain(kind, item, triggers, kinds)
    for item in export.built_ins:
        found["built-in", str(item.get("name", "?"))] = {"type": str(item.get("type"))}
    return found


def _plain(kind: str, item: Json, triggers: dict[str, str], kinds: dict[str, str]) -> Json:
    kept = {key: value for key, value in item.items() if key not in _OWN_WORDS and _DEFAULTS.get(key) != value}
    if "type" in kept:
        kept["type"] = kinds.get(str(kept["type"]), kept["type"])
    for key in ("firingTriggerId", "blockingTriggerId"):
        if key in kept:
            kept[key.removesuffix("Id") + "s"] = sorted(
                triggers.get(str(each), str(each)) for each in listed(kept.pop(key))
            )
    if "parameter" in kept:
        told = {str(each.get("key", at)): _value(each) for at, each in enumerate(dicts(kept["parameter"]))}
        # Tag Manager writes options out as false that a file left out.
        kept["parameter"] = {key: value for key, value in told.items() if value not in _OFF}
    if kind == "template" and "templateData" in kept:
        kept["templateData"] = _sections(str(kept["templateData"]))
    return kept


def _value(parameter: Json) -> Any:
    """A parameter without its key: its text, or the list or map inside."""
    if "map" in parameter:
        return {str(each.get("key", at)): _value(each) for at, each in enumerate(dicts(parameter["map"]))}
    if "list" in parameter:
        return [_value(each) for each in dicts(parameter["list"])]
    return str(parameter.get("value", "")).replace("\r\n", "\n").strip()


def _sections(source: str) -> str:
    """A template's code and permissions; its head and its notes are rewritten by Tag Manager."""
    parts = source.replace("\r\n", "\n").split("___")
    kept = {"SANDBOXED_JS_FOR_WEB_TEMPLATE", "SANDBOXED_JS_FOR_SERVER", "WEB_PERMISSIONS", "SERVER_PERMISSIONS"}
    named = dict(zip(parts[1::2], parts[2::2], strict=False))
    return "\n".join("".join(text.split()) for name, text in named.items() if name in kept) or source


def _fields(before: Any, after: Any, where: str = "") -> Iterator[tuple[str, str, str]]:
    """The leaves that differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            default = _DEFAULTS.get(key)
            inner = f"{where}.{key}" if where else str(key)
            if before.get(key, default) != after.get(key, default):
                yield from _fields(before.get(key, default), after.get(key, default), inner)
        return
    yield where.removeprefix("parameter."), _text(before), _text(after)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def of_the_kit(change: Change) -> bool:
    """Whether a change concerns the kit: an element of the client's own is none of its business."""
    return change.state != "added" or change.name.startswith(PREFIX)


def context(container: Json) -> str:
    """WEB or SERVER."""
    export: Export = read(mapping(container.get("containerVersion")))
    return export.context
