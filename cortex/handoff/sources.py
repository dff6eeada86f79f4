"""The kit's sources in `tracking/`: scripts whose values become JavaScript literals, and pages with plain placeholders."""

from __future__ import annotations

import json
from string import Template

from cortex.workspace import bundled

SHARED = ("attributes", "cookies", "layer", "save")
"""Pieces of script that several scripts hold."""


class _Script(Template):
    """`$` is everyday JavaScript, so scripts mark their values with `@@name`."""

    delimiter = "@@"


def raw(name: str) -> str:
    """A source as it is, with Unix line ends. `name` is a path inside `tracking/`."""
    return (bundled("tracking") / name).read_text(encoding="utf-8").replace("\r\n", "\n")


def literal(value: object) -> str:
    """A value as JavaScript that is safe inside a <script> element: no `<` can close it, no `{{` starts a variable."""
    return json.dumps(value, ensure_ascii=True).replace("<", "\\u003c").replace("{{", "{\\u007b")


def script(name: str, code: dict[str, str] | None = None, /, **values: object) -> str:
    """A script with its `@@values` as literals, its shared parts put in, and pieces of `code` as they are."""
    shared = {f"include_{part}": raw(f"shared/{part}.js").rstrip("\n") for part in SHARED}
    filled = {key: literal(value) for key, value in values.items()}
    return _Script(raw(name)).substitute(shared | filled | (code or {})).rstrip("\n")


def page(name: str, **values: str) -> str:
    """A Markdown page with its `${values}`; a lone dollar sign is written `$$` in the source."""
    return Template(raw(name)).substitute(values)
