"""The client file as JSON Schema (2020-12), so that editors complete keys and mark mistakes while one types."""

from __future__ import annotations

from typing import Any

from cortex import plugins
from cortex.settings import PlatformSection, Section
from cortex.tenant.platforms import ANNOUNCED, INSTALLED, ROOMS, STORE, Platforms
from cortex.tenant.sections import SECTIONS

_OFF = {"properties": {"enabled": {"const": False}}, "required": ["enabled"]}


def schema(platforms: Platforms = INSTALLED) -> dict[str, Any]:
    """Every block and key a client file may hold, with the platforms of this installation. Deterministic."""
    blocks: dict[str, Any] = {name: _section(model) for name, model in SECTIONS.items()}
    for name, room in ROOMS.items():
        kinds = platforms.kinds(room)
        configs = {kind: _section(platforms.adapter(room, kind).Config) for kind in kinds}
        blocks[name] = _shop(configs) if name == STORE else _platforms(configs, sorted(ANNOUNCED.get(name, ())))
    attribution = blocks["analytics_config"]["properties"]["attribution"]
    attribution["properties"]["models"]["items"] = {"enum": plugins.kinds("attribution")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Cortex client file",
        "type": "object",
        "properties": blocks,
        "required": ["client", STORE],
        "additionalProperties": False,
    }


def _shop(configs: dict[str, Any]) -> dict[str, Any]:
    """`platform` chooses which of the adapters' schemas holds."""
    return {
        "type": "object",
        "properties": {"platform": {"enum": list(configs), "description": "The shop's platform."}},
        "required": ["platform"],
        "allOf": [
            {
                "if": {"properties": {"platform": {"const": kind}}},
                "then": {**found, "properties": {"platform": True, **found["properties"]}},
            }
            for kind, found in configs.items()
        ],
    }


def _platforms(configs: dict[str, Any], announced: list[str]) -> dict[str, Any]:
    """One key per platform; a block that is switched off needs no other key."""
    properties: dict[str, Any] = {}
    for kind, found in configs.items():
        required = found.pop("required", [])
        properties[kind] = {**found, "if": _OFF, "else": {"required": required}} if required else found
    for kind in announced:
        if kind not in properties:
            known = _section(PlatformSection)
            properties[kind] = {**known, **_OFF, "properties": {**known["properties"], "enabled": {"const": False}}}
    return {"type": ["object", "null"], "properties": properties, "additionalProperties": False}


def _section(model: type[Section]) -> dict[str, Any]:
    """A model's schema on its own: references written out, titles dropped, inherited keys not required."""
    raw = model.model_json_schema()
    found: dict[str, Any] = _inline(raw, raw.get("$defs", {}))
    inherited = getattr(model, "inherits", {})
    required = [key for key in found.get("required", []) if key not in inherited]
    found.pop("required", None)
    found["description"] = (model.__doc__ or "").strip().partition("\n")[0]
    return {**found, "required": required} if required else found


def _inline(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inline(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = definitions[str(node["$ref"]).rpartition("/")[2]]
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    return {
        key: (
            {name: _inline(each, definitions) for name, each in value.items()}
            if key == "properties"
            else _inline(value, definitions)
        )
        for key, value in node.items()
        if key not in {"$defs"} and not (key == "title" and isinstance(value, str))
    }
