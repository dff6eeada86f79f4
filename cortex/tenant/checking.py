"""From positioned nodes to typed sections: pydantic's verdicts, told at their line and in plain words."""

from __future__ import annotations

import difflib
import json
import re
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from cortex.errors import Problem
from cortex.tenant.document import Block, Document, Entry, Items, Node, Scalar, scalars

S = TypeVar("S", bound=BaseModel)

TODO = "TODO"
"""A value the template leaves to a person."""

_COMMENT = re.compile(r":?\s+#\S")
_YES = {"yes", "on", "y", "sim", "s", "true", "1"}
_NO = {"no", "off", "n", "não", "nao", "false", "0"}


@dataclass
class Report:
    """Everything found in one file, and where every accepted value came from."""

    file: str
    document: Document
    problems: list[Problem] = field(default_factory=list)
    sources: dict[str, str] = field(default_factory=dict)

    _settled: set[int] = field(default_factory=set)

    def add(self, line: int, column: int, key: str, text: str, hint: str = "", *, last: bool = False) -> None:
        """`last`: further verdicts on this line would only distract."""
        if line in self._settled:
            return
        if last:
            self._settled.add(line)
        found = Problem(self.file, line, column, key[:120], text, hint)
        same = (found.line, found.column, found.text)
        if all((known.line, known.column, known.text) != same for known in self.problems):
            self.problems.append(found)


def section(
    report: Report,
    model: type[S],
    path: str,
    entry: Entry,
    *,
    skip: Iterable[str] = (),
    inherited: Mapping[str, tuple[str, Scalar]] | None = None,
    elsewhere: Mapping[str, str] | None = None,
    optional: bool = False,
) -> S | None:
    """One block as its model, or None with its problems in the report.

    skip: keys of the block that are not the model's. inherited: values taken from other blocks (their path, their
    node). elsewhere: where a key that is unknown here would be at home. optional: missing keys are no problem.
    """
    block = _block(report, path, entry)
    if block is None:
        return None
    skipped = set(skip)
    entries = {key: found for key, found in block.entries.items() if key not in skipped}
    for key, (_, node) in (inherited or {}).items():
        if key not in entries:
            entries[key] = Entry(node.line, node.column, node)
    own = Block(entries, block.line, block.column)
    unfilled = _unfilled(report, path, own)
    try:
        value = model.model_validate_json(json.dumps(_plain(own, model)), strict=True)
    except ValidationError as failure:
        errors = failure.errors(include_url=False, include_input=False)
        wrong_items = {found["loc"][:-1] for found in errors}
        for found in errors:
            follows = found["type"] == "too_short" and found["loc"] in wrong_items  # its wrong items were not counted
            if not (follows or (optional and found["type"] == "missing")):
                _tell(report, model, path, entry, own, found, elsewhere or {})
        return None
    _remember(report, path, own, inherited or {})
    return None if unfilled else value


def _block(report: Report, path: str, entry: Entry) -> Block | None:
    node = entry.node
    if isinstance(node, Scalar) and node.value is None:
        return Block({}, entry.line, entry.column)
    if isinstance(node, Block):
        return node
    report.add(node.line, node.column, path, "must be a block of keys", "Write its keys indented on the lines below.")
    return None


def _unfilled(report: Report, path: str, block: Block) -> bool:
    """Whether values are still to be filled in, or are lost: `slack_channel: #vendas` is a key with a comment."""
    before = len(report.problems)
    for inner, scalar in scalars(block):
        key = ".".join((path, *inner))
        if scalar.text.strip() == TODO:
            report.add(scalar.line, scalar.column, key, "is still to be filled in", "Replace TODO.", last=True)
        line = report.document.lines[scalar.line - 1]
        if scalar.plain and not scalar.text and _COMMENT.match(line, scalar.column - 1):
            hint = 'Put it in quotes: "#…" (# starts a comment).'
            report.add(scalar.line, scalar.column, key, "has no value", hint, last=True)
    return len(report.problems) > before


def _plain(node: Node, annotation: Any) -> Any:
    """JSON's own types. Where text is wanted, an unquoted number stays as it was written (ids are text)."""
    kind = _inner(annotation)
    if isinstance(node, Scalar):
        value = node.value
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return node.text if is_number and _wants_text(kind) else value
    arguments = get_args(kind)
    if isinstance(node, Items):
        return [_plain(item, arguments[0] if arguments else Any) for item in node.items]
    fields = _fields(kind)
    inner = arguments[1] if len(arguments) == 2 else Any
    return {key: _plain(entry.node, fields.get(key, inner)) for key, entry in node.entries.items()}


def _inner(annotation: Any) -> Any:
    """The type without Annotated and without None; of several, the first."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in {Union, types.UnionType}:
            annotation = next((arm for arm in get_args(annotation) if arm is not type(None)), Any)
        else:
            return annotation


def _wants_text(kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return all(isinstance(choice, str) for choice in get_args(kind))
    return isinstance(kind, type) and issubclass(kind, str)


def _fields(kind: Any) -> dict[str, Any]:
    """Key -> annotation of a model; empty for anything else."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {known.alias or name: known.annotation for name, known in kind.model_fields.items()}
    return {}


def _tell(
    report: Report,
    model: type[BaseModel],
    path: str,
    entry: Entry,
    block: Block,
    found: Mapping[str, Any],
    elsewhere: Mapping[str, str],
) -> None:
    """One pydantic error at the place it means: a missing key at its block, an unknown key at itself, else the value."""
    trail = [str(part) for part in found["loc"]]
    line, column, keys = entry.line, entry.column, [path] if path else []
    current: Node | None = block
    annotation: Any = model
    owner: Any = model
    at_key = found["type"] in {"missing", "extra_forbidden"}
    for part in trail:
        keys.append(part)
        nested = _step(current, part)
        if nested is None:
            break
        line, column = (nested.line, nested.column) if at_key else (nested.node.line, nested.node.column)
        owner, annotation, current = annotation, _down(annotation, part), nested.node
    text, hint = _words(found, current, owner, trail, elsewhere, path)
    report.add(line, column, ".".join(keys), text, hint)


def _step(node: Node | None, part: str) -> Entry | None:
    if isinstance(node, Block):
        return node.entries.get(part)
    if isinstance(node, Items) and part.isdigit() and int(part) < len(node.items):
        item = node.items[int(part)]
        return Entry(item.line, item.column, item)
    return None


def _down(annotation: Any, part: str) -> Any:
    kind = _inner(annotation)
    fields = _fields(kind)
    if part in fields:
        return fields[part]
    arguments = get_args(kind)
    return arguments[-1] if len(arguments) == 2 and arguments[1] is not Ellipsis else arguments[0] if arguments else Any


def _words(
    found: Mapping[str, Any], node: Node | None, owner: Any, trail: list[str], elsewhere: Mapping[str, str], path: str
) -> tuple[str, str]:
    """What is wrong and what was probably meant, without repeating a value."""
    kind = found["type"]
    context = found.get("ctx", {})
    written = node.text.lower() if isinstance(node, Scalar) else ""
    if isinstance(node, Scalar) and node.value is None and kind.endswith("_type"):
        return "has no value", ""
    match kind:
        case "missing":
            origin = getattr(_inner(owner), "inherits", {}).get(trail[-1], "")
            return "is missing", f"It may also be given once, as {origin}." if origin else ""
        case "extra_forbidden":
            return "is not a key of this block", _meant(trail[-1], _fields(_inner(owner)), elsewhere, path)
        case "bool_type" | "bool_parsing":
            hint = "Write true." if written in _YES else "Write false." if written in _NO else ""
            return "must be true or false", hint
        case "int_type" | "int_parsing" | "int_from_float":
            return "must be a whole number", ""
        case "float_type" | "float_parsing" | "decimal_type" | "decimal_parsing":
            return (
                "must be a number",
                "With a decimal point, without a % sign." if "," in written or "%" in written else "",
            )
        case "string_type":
            return "must be text", "Put it in quotes." if isinstance(node, Scalar) else ""
        case "list_type" | "tuple_type" | "set_type":
            return "must be a list", "One line each, starting with `- `."
        case "model_type" | "dict_type" | "model_attributes_type":
            return "must be a block of keys", ""
        case "literal_error" | "enum":
            return f"must be {context.get('expected', 'one of the known words')}", _choice(written, context)
        case "string_pattern_mismatch":
            return "does not have the right form", _form(owner, trail, str(context.get("pattern", "")))
        case "value_error":
            return str(context.get("error", "is not valid")), ""
    return re.sub(r"^\w+ (should .*?)( after validation.*)?$", r"\1", found["msg"]), ""


def _meant(key: str, fields: Mapping[str, Any], elsewhere: Mapping[str, str], path: str) -> str:
    near = difflib.get_close_matches(key, fields, n=1)
    if near:
        return f"Did you mean {near[0]}?"
    home = elsewhere.get(key, "")
    if home and not home.startswith(f"{path}."):
        return f"Did you mean {home}?"
    return f"Keys: {', '.join(fields)}." if fields else ""


def _choice(written: str, context: Mapping[str, Any]) -> str:
    choices = {choice.lower(): choice for choice in re.findall(r"'([^']+)'", str(context.get("expected", "")))}
    alike = {choice.replace("-", "_"): choices[choice] for choice in choices}
    near = difflib.get_close_matches(written.replace("-", "_"), alike, n=1, cutoff=0.5)
    return f"Did you mean {alike[near[0]]}?" if near else ""


def _form(owner: Any, trail: list[str], pattern: str) -> str:
    """What a field is, in its own words, for those who do not read patterns."""
    model = _inner(owner)
    named = next((part for part in reversed(trail) if part in _fields(model)), "")
    meaning = model.model_fields[named].description if named else ""
    return f"{meaning.rstrip('.')} ({pattern})." if meaning else f"It must match {pattern}."


def _remember(report: Report, path: str, block: Block, inherited: Mapping[str, tuple[str, Scalar]]) -> None:
    for key, entry in block.entries.items():
        full = f"{path}.{key}"
        if isinstance(entry.node, Block):
            _remember(report, full, entry.node, {})
            continue
        taken = f" ({inherited[key][0]})" if key in inherited and inherited[key][1] is entry.node else ""
        report.sources[full] = f"{report.file}:{entry.line}{taken}"
