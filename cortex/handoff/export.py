"""How a Tag Manager export is read: its elements, what they say, and what they refer to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from cortex.handoff.elements import Json

Severity = Literal["error", "warning", "info"]
REFERENCE = re.compile(r"\{\{([^{}]+)\}\}")


@dataclass(frozen=True)
class Finding:
    """One thing about one element. `rule` is a stable name; `element` is how Tag Manager shows it."""

    severity: Severity
    rule: str
    element: str
    message: str


@dataclass
class Export:
    """The parts of an export, by what refers to them."""

    context: str
    tags: list[Json]
    triggers: list[Json]
    variables: list[Json]
    built_ins: list[Json]
    folders: list[Json]
    templates: list[Json]
    clients: list[Json] = field(default_factory=list)
    transformations: list[Json] = field(default_factory=list)
    constants: dict[str, str] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    """Code of the custom templates, by the tag type that uses them."""

    def value(self, written: str) -> str:
        """What a parameter says once constants are put in."""
        return REFERENCE.sub(lambda found: self.constants.get(found[1].strip(), found[0]), written)


def read(version: Json) -> Export:
    """The parts of a containerVersion. Files come from anywhere: what has not the shape of an element is passed over."""
    usage = listed(mapping(version.get("container")).get("usageContext")) or ["WEB"]
    export = Export(
        str(usage[0]).upper(),
        _items(version, "tag"),
        _items(version, "trigger"),
        _items(version, "variable"),
        _items(version, "builtInVariable"),
        _items(version, "folder"),
        _items(version, "customTemplate"),
        _items(version, "client"),
        _items(version, "transformation"),
    )
    for template in export.templates:
        for kind in template_types(template):
            export.sources.setdefault(kind, str(template.get("templateData", "")))
    for variable in export.variables:
        name = str(variable.get("name", ""))
        if variable.get("type") == "c":
            export.constants[name] = parameter(variable, "value")
        if variable.get("type") == "v":
            export.paths[name] = parameter(variable, "name")
    return export


def _items(version: Json, kind: str) -> list[Json]:
    """Elements whose names and types are text whatever the file says."""
    return [
        each | {key: str(each[key]) for key in ("name", "type") if key in each} for each in dicts(version.get(kind))
    ]


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def mapping(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def dicts(value: object) -> list[Json]:
    return [each for each in listed(value) if isinstance(each, dict)]


def parameter(item: Json, key: str) -> str:
    """The text of one parameter of a tag or variable; empty when it has none."""
    return next((str(each.get("value", "")) for each in dicts(item.get("parameter")) if each.get("key") == key), "")


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)


def named(item: Json, kind: str) -> str:
    return f"{kind} {item.get('name', '?')}"


def elements(export: Export) -> Iterator[tuple[str, str, Json]]:
    """Every element as (kind, the key of its id, element)."""
    for kind, id_key, items in (
        ("tag", "tagId", export.tags),
        ("trigger", "triggerId", export.triggers),
        ("variable", "variableId", export.variables),
        ("folder", "folderId", export.folders),
        ("template", "templateId", export.templates),
        ("client", "clientId", export.clients),
        ("transformation", "transformationId", export.transformations),
    ):
        for item in items:
            yield kind, id_key, item


def mentions(item: Json) -> set[str]:
    """Variables an element refers to; names that begin with _ belong to Tag Manager itself."""
    said = (found.strip() for text in strings(item) for found in REFERENCE.findall(text))
    return {name for name in said if not name.startswith("_")}


def trigger_ids(item: Json) -> list[str]:
    direct = [str(number) for key in ("firingTriggerId", "blockingTriggerId") for number in listed(item.get(key))]
    return direct + [str(each["value"]) for each in _typed(item, "TRIGGER_REFERENCE")]


def tag_names(item: Json) -> list[str]:
    around = [str(each.get("tagName")) for key in ("setupTag", "teardownTag") for each in dicts(item.get(key))]
    return around + [str(each["value"]) for each in _typed(item, "TAG_REFERENCE") if each["value"] != "none"]


def _typed(value: object, kind: str) -> Iterator[Json]:
    if isinstance(value, dict):
        if value.get("type") == kind and "value" in value:
            yield value
        for inner in value.values():
            yield from _typed(inner, kind)
    elif isinstance(value, list):
        for inner in value:
            yield from _typed(inner, kind)


def template_types(template: Json) -> set[str]:
    """The tag types of a template: its own, and the gallery's where it came from there."""
    gallery = mapping(template.get("galleryReference")).get("galleryTemplateId", "")
    own = f"cvt_{template.get('containerId')}_{template.get('templateId')}"
    return {own, f"cvt_{gallery}"} if gallery else {own}


def template_source(export: Export, item: Json) -> str:
    """The code of the custom template an element uses; empty when it uses none."""
    return export.sources.get(str(item.get("type")), "")
