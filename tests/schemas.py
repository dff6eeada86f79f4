"""Whether a value keeps a JSON Schema, for the few words of it that our own schemas use."""

import re


def problems(schema, value, where="$"):
    """The few words of JSON Schema that the contract uses."""
    kinds = {"object": dict, "array": list, "string": str, "number": (int, float), "integer": int, "boolean": bool}
    kind = schema.get("type")
    if kind and (not isinstance(value, kinds[kind]) or (kind in {"number", "integer"} and isinstance(value, bool))):
        return [f"{where} is no {kind}"]
    found = [f"{where} lacks {name}" for name in schema.get("required", []) if name not in value]
    if "const" in schema and value != schema["const"]:
        found.append(f"{where} is not {schema['const']}")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{where} does not match {schema['pattern']}")
    if "minLength" in schema and len(value) < schema["minLength"]:
        found.append(f"{where} is too short")
    if "minimum" in schema and value < schema["minimum"]:
        found.append(f"{where} is too small")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for name, inner in value.items():
            if name in known:
                found += problems(known[name], inner, f"{where}.{name}")
            elif schema.get("additionalProperties") is False:
                found.append(f"{where}.{name} is not in the contract")
    if isinstance(value, list):
        for each in value:
            found += problems(schema.get("items", {}), each, where)
        if len(value) < schema.get("minItems", 0):
            found.append(f"{where} is empty")
    return found
