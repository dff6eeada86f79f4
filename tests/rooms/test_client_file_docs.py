"""The template, the schema and the two reference pages say what the loader does: no key more, none less."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from cortex import tenant
from cortex.errors import ConfigError
from cortex.tenant.platforms import INSTALLED, ROOMS, STORE
from cortex.tenant.sections import SECTIONS
from cortex.workspace import Workspace, bundled
from tests.rooms.client_files import STAND_INS, workspace

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"en": ROOT / "docs/en/client_file.md", "pt-BR": ROOT / "docs/pt-BR/arquivo_do_cliente.md"}
FILLED = {
    "name": "Loja",
    "code": "xyz",
    "store_id": "123456",
    "account_id": "act_123456789",
    "customer_id": "123-456-7890",
    "property_id": "123456789",
    "pixel_id": "123456789",
    "conversion_action_id": "123456789",
    "mode": "opt_in",
}


def filled(text: str) -> str:
    for key, value in FILLED.items():
        text = text.replace(f'{key}: "TODO"', f'{key}: "{value}"')
    assert '"TODO"' not in text
    return text


def load(folder: Path, text: str) -> tenant.Tenant:
    return tenant.load(workspace(folder, text), "xyz")


# The template


def test_the_template_as_it_stands_lists_what_is_to_be_filled_in(tmp_path: Path) -> None:
    place = workspace(tmp_path, tenant.example_text(code="xyz"))
    with pytest.raises(ConfigError) as caught:
        tenant.load(place, "xyz")
    assert {problem.text for problem in caught.value.problems} == {"is still to be filled in"}
    assert {problem.key.rpartition(".")[2] for problem in caught.value.problems} == set(FILLED) - {"code"}


def test_the_template_filled_in_is_a_client_without_a_warning(tmp_path: Path) -> None:
    found = load(tmp_path, filled(tenant.example_text()))
    assert found.warnings == ()
    assert found.disabled == {"ads.tiktok"}


def test_every_optional_line_of_the_template_is_valid(tmp_path: Path) -> None:
    text = re.sub(r"(?m)^( *)#([A-Za-z_0-9]+:|- )", r"\1\2", filled(tenant.example_text()))
    found = load(tmp_path, text)
    assert found.alerts.slack_channel == "#cortex-xyz"
    assert found.funnel_stage("Prospeccao SP") == "TOFU"


def test_the_template_names_every_key() -> None:
    text = tenant.example_text()
    missing = [key for key in keys() if not re.search(rf"\b{key.rpartition('.')[2]}:", text)]
    assert missing == []


def test_a_name_with_quotes_stays_inside_its_line(tmp_path: Path) -> None:
    text = tenant.example_text(code="xyz", name='Loja "da Ana"\\: #1')
    assert load(tmp_path, filled(text)).name == 'Loja "da Ana"\\: #1'


def test_the_template_that_is_shipped_is_the_one_in_the_workspace() -> None:
    assert bundled("tenants") / "_example.yaml" == ROOT / "tenants" / "_example.yaml"
    assert "_example" not in Workspace(ROOT).tenant_codes()


# The schema


def test_the_schema_for_editors_is_up_to_date() -> None:
    written = (ROOT / "tenants" / "schema.json").read_text(encoding="utf-8")
    fresh = json.dumps(tenant.schema(), indent=2, ensure_ascii=False) + "\n"
    assert written == fresh, "tenants/schema.json is stale: cortex config schema > tenants/schema.json"


KEYWORDS = {
    "$schema", "title", "description", "default", "type", "properties", "required", "additionalProperties", "enum", "const",
    "items", "minItems", "maxItems", "minLength", "maxLength", "pattern", "format", "minimum", "maximum", "exclusiveMinimum",
    "anyOf", "allOf", "if", "then", "else",
}  # fmt: skip
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}


def faults(schema: Any, value: Any, path: str = "") -> Iterator[str]:
    """What JSON Schema has against a value; only the keywords we use, and none unknown."""
    if schema is True:
        return
    assert set(schema) <= KEYWORDS, sorted(set(schema) - KEYWORDS)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    fits = [isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool)) for kind in kinds]
    if kinds and not any(fits):
        yield f"{path}: type"
        return
    broken = {
        "enum": "enum" in schema and value not in schema["enum"],
        "const": "const" in schema and value != schema["const"],
        "pattern": isinstance(value, str) and not re.search(schema.get("pattern", ""), value),
        "range": isinstance(value, int | float)
        and not schema.get("minimum", value) <= value <= schema.get("maximum", value),
        "anyOf": "anyOf" in schema and all(list(faults(arm, value)) for arm in schema["anyOf"]),
    }
    yield from (f"{path}: {keyword}" for keyword, wrong in broken.items() if wrong)
    yield from _faults_inside(schema, value, path)


def _faults_inside(schema: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    for each in value if isinstance(value, list) else ():
        yield from faults(schema.get("items", True), each, path)
    if isinstance(value, dict):
        known = schema.get("properties", {})
        yield from (f"{path}.{key}: required" for key in schema.get("required", ()) if key not in value)
        for key, each in value.items():
            if key in known:
                yield from faults(known[key], each, f"{path}.{key}")
            elif schema.get("additionalProperties") is False:
                yield f"{path}.{key}: unknown"
    for arm in schema.get("allOf", ()):
        yield from faults(arm, value, path)
    if "if" in schema:
        yield from faults(schema.get("else" if list(faults(schema["if"], value)) else "then", True), value, path)


def complaints(text: str) -> list[str]:
    return sorted(set(faults(tenant.schema(), yaml.safe_load(text))))


def test_the_schema_accepts_what_the_loader_accepts() -> None:
    assert complaints(filled(tenant.example_text())) == []


def test_the_schema_accepts_the_users_own_file() -> None:
    file = ROOT / ".." / "shared" / "examples" / "client_config.yaml"
    if not file.is_file():
        pytest.skip("the user's file is not here")
    assert complaints(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("lookback_days: 7", "lookback_day: 7", ".etl.lookback_day: unknown"),
        ("lookback_days: 7", "lookback_days: 91", ".etl.lookback_days: range"),
        ("lookback_days: 7", "lookback_days: x", ".etl.lookback_days: type"),
        ('mode: "opt_in"', 'mode: "yes"', ".privacy.consent: anyOf"),
        ('code: "xyz"', 'code: "X-Y"', ".client.code: pattern"),
        ('platform: "nuvemshop"', 'platform: "x"', ".ecommerce.platform: enum"),
        ('  store_id: "123456"', '  stor_id: "123456"', ".ecommerce.stor_id: unknown"),
        ('    account_id: "act_123456789"', "", ".ads.meta.account_id: required"),
        ("  tiktok:", "  tictoc:", ".ads.tictoc: unknown"),
    ],
)
def test_the_schema_marks_what_the_loader_refuses(old: str, new: str, fault: str, tmp_path: Path) -> None:
    text = filled(tenant.example_text())
    assert old in text
    wrong = text.replace(old, new)
    assert fault in complaints(wrong)
    with pytest.raises(ConfigError):
        load(tmp_path, wrong)


def test_the_schema_says_which_platforms_are_only_announced() -> None:
    found = tenant.schema(STAND_INS)["properties"]["ads"]["properties"]["tiktok"]
    assert list(faults(found, {"enabled": False})) == []
    assert list(faults(found, {"enabled": True})) != []


# The reference pages


def keys() -> dict[str, str]:
    """Every key with its default as the pages write it; `enabled` and `api_url` are explained once for all platforms."""
    found: dict[str, str] = {f"{STORE}.platform": "required"}

    def visit(model: Any, path: str) -> None:
        inherits = getattr(model, "inherits", {})
        for name, known in model.model_fields.items():
            key = f"{path}.{name}"
            arms = (known.annotation, *get_args(known.annotation))
            inner = next((kind for kind in arms if hasattr(kind, "model_fields")), None)
            if inner is not None:
                visit(inner, key)
            elif name not in {"enabled", "api_url"}:
                blank = known.default is None or known.default in ("", ())
                needed = known.is_required() or known.validate_default
                written = inherits.get(name) or ("required" if needed else "none" if blank else _written(known.default))
                found[key] = written

    for name, section in SECTIONS.items():
        visit(section, name)
    for block, room in ROOMS.items():
        for kind in INSTALLED.kinds(room):
            visit(INSTALLED.adapter(room, kind).Config, block if block == STORE else f"{block}.{kind}")
    return found


def _written(default: object) -> str:
    if isinstance(default, tuple):
        return ", ".join(default)
    return str(default).lower() if isinstance(default, bool) else str(default)


@pytest.mark.parametrize("lang", PAGES)
def test_the_reference_has_every_key_with_its_default(lang: str) -> None:
    page = PAGES[lang].read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| `([\w.]+)` \| [^|]+ \| ([^|]+) \| [^|]{5,} \|$", page)
    words = {"obrigatória": "required", "nenhum": "none"}
    told = {key: words.get(default.strip(), default.strip().replace("`", "")) for key, default in rows}
    assert told == keys()
