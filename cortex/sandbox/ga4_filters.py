"""The filters a report of GA4's Data API may carry: which values of its dimensions count."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from cortex.sandbox.google_rest import Fields, Refused

Values = Callable[[str], str]
"""The value of a row's dimension, by name."""

MATCHES = ("MATCH_TYPE_UNSPECIFIED", "EXACT", "BEGINS_WITH", "ENDS_WITH", "CONTAINS", "FULL_REGEXP", "PARTIAL_REGEXP")
KINDS = frozenset({"andGroup", "orGroup", "notExpression", "filter"})
TESTS = frozenset({"stringFilter", "inListFilter", "numericFilter", "betweenFilter", "emptyFilter"})
DEEPEST = 8


@dataclass(frozen=True)
class Filter:
    """A validated expression. `names`: the dimensions it looks at."""

    names: frozenset[str]
    passes: Callable[[Values], bool]
    only: Collection[str] | None = None
    """Of a single list or exact text: its values."""


EVERYTHING = Filter(frozenset(), lambda _values: True)


def parse(body: Any, known: Collection[str], deep: int = 0) -> Filter:
    """An expression of the wire's JSON; without one everything passes. Raises Refused as GA4 words it."""
    if body is None:
        return EVERYTHING
    fields = Fields(body, "dimension_filter", KINDS)
    kinds = [kind for kind in sorted(KINDS) if kind in fields]
    if len(kinds) != 1 or deep > DEEPEST:
        raise Refused("INVALID_ARGUMENT", "A filter expression is one of andGroup, orGroup, notExpression and filter.")
    match kinds[0]:
        case "filter":
            return _single(fields.get("filter"), known)
        case "notExpression":
            inner = parse(fields.get("notExpression"), known, deep + 1)
            return Filter(inner.names, lambda values: not inner.passes(values))
        case kind:
            listed = Fields(fields.get(kind), kind, frozenset({"expressions"})).objects("expressions")
            if not listed:
                raise Refused("INVALID_ARGUMENT", f"{kind} needs at least one expression.")
            parts = [parse(each, known, deep + 1) for each in listed]
            names = frozenset(name for part in parts for name in part.names)
            some = all if kind == "andGroup" else any
            return Filter(names, lambda values: some(part.passes(values) for part in parts))


def _single(body: Any, known: Collection[str]) -> Filter:
    fields = Fields(body, "filter", TESTS | {"fieldName"})
    name = fields.text("fieldName")
    if name not in known:
        raise Refused("INVALID_ARGUMENT", f"Field {name} is not a valid dimension, so nothing can be filtered by it.")
    tests = [test for test in sorted(TESTS) if test in fields]
    if len(tests) != 1 or tests[0] not in {"stringFilter", "inListFilter"}:
        raise Refused("INVALID_ARGUMENT", "A dimension is filtered by exactly one stringFilter or inListFilter.")
    if tests[0] == "inListFilter":
        return _listed(
            name, Fields(fields.get("inListFilter"), "in_list_filter", frozenset({"values", "caseSensitive"}))
        )
    return _text(
        name, Fields(fields.get("stringFilter"), "string_filter", frozenset({"matchType", "value", "caseSensitive"}))
    )


def _listed(name: str, fields: Fields) -> Filter:
    values = fields.objects("values")
    if not values or not all(isinstance(value, str) for value in values):
        raise Refused("INVALID_ARGUMENT", "An inListFilter needs at least one text.")
    fold = str if fields.truth("caseSensitive") else str.lower
    wanted = {fold(value) for value in values}
    return Filter(frozenset({name}), lambda row: fold(row(name)) in wanted, wanted)


def _text(name: str, fields: Fields) -> Filter:
    match = fields.enum("matchType", MATCHES) or "EXACT"
    fold = str if fields.truth("caseSensitive") else str.lower
    wanted = fold(fields.text("value"))
    tests: dict[str, Callable[[str], bool]] = {
        "EXACT": lambda text: text == wanted,
        "BEGINS_WITH": lambda text: text.startswith(wanted),
        "ENDS_WITH": lambda text: text.endswith(wanted),
        "CONTAINS": lambda text: wanted in text,
    }
    if match not in tests:
        raise Refused("INVALID_ARGUMENT", "The stand-in matches no regular expressions.")
    test = tests[match]
    return Filter(frozenset({name}), lambda row: test(fold(row(name))), {wanted} if match == "EXACT" else None)
