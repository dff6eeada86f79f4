"""A small reader of the Google Ads Query Language: its grammar, and nothing about what the fields mean."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""\s*(?:
        '(?P<single>(?:[^'\\\n]|\\.)*)' | "(?P<double>(?:[^"\\\n]|\\.)*)"
      | (?P<word>[A-Za-z_][A-Za-z0-9_.]*) | (?P<number>-?\d+(?:\.\d+)?) | (?P<sign>!=|<=|>=|[=<>(),])
    )""",
    re.VERBOSE,
)
COMPARISONS = frozenset({"=", "!=", "<", "<=", ">", ">="})
END = ("end", "")


class QueryRefused(Exception):
    """A query Google Ads turns down. `reason` is a name of its QueryError (or DateRangeError) enum."""

    def __init__(self, reason: str, message: str, family: str = "query_error") -> None:
        super().__init__(message)
        self.reason, self.message, self.family = reason, message, family


@dataclass(frozen=True)
class Condition:
    """`field operator values`; BETWEEN has two values, IN any number."""

    field: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Query:
    select: tuple[str, ...]
    resource: str
    where: tuple[Condition, ...]
    order: tuple[tuple[str, bool], ...]
    """Field, and whether descending."""
    limit: int | None


def parse(text: str) -> Query:
    """Read a query. Raises QueryRefused where Google Ads would.

    >>> parse("SELECT campaign.id FROM campaign WHERE segments.date = '2026-11-01' LIMIT 5").limit
    5
    """
    return _Reader(text).query()


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0

    def query(self) -> Query:
        self._keyword("SELECT", "EXPECTED_SELECT")
        select = self._fields()
        self._keyword("FROM", "EXPECTED_FROM")
        resource = self._name("BAD_RESOURCE_TYPE_IN_FROM_CLAUSE")
        where = self._conditions() if self._took("WHERE") else ()
        order = self._order() if self._took("ORDER") else ()
        limit = self._limit() if self._took("LIMIT") else None
        if self._took("PARAMETERS"):
            raise QueryRefused("BAD_PARAMETER_NAME", "The stand-in serves no query parameters.")
        if self._peek() != END:
            raise QueryRefused("UNEXPECTED_INPUT", f"Error in query: unexpected input {self._peek()[1]}.")
        if len(set(select)) != len(select):
            raise QueryRefused("QUERY_ERROR", "A field is selected twice.")
        return Query(select, resource, where, order, limit)

    def _fields(self) -> tuple[str, ...]:
        names = [self._name("BAD_FIELD_NAME")]
        while self._sign(","):
            names.append(self._name("BAD_FIELD_NAME"))
        return tuple(names)

    def _conditions(self) -> tuple[Condition, ...]:
        found = [self._condition()]
        while self._took("AND"):
            found.append(self._condition())
        return tuple(found)

    def _condition(self) -> Condition:
        name = self._name("BAD_FIELD_NAME")
        kind, text = self._next()
        operator = text.upper()
        if kind == "sign" and text in COMPARISONS:
            return Condition(name, text, (self._value(),))
        if operator == "BETWEEN":
            low = self._value()
            self._keyword("AND", "EXPECTED_VALUE_WITH_BETWEEN_OPERATOR")
            return Condition(name, "BETWEEN", (low, self._value()))
        if operator == "NOT" and self._took("IN"):
            return Condition(name, "NOT IN", self._list())
        if operator == "IN":
            return Condition(name, "IN", self._list())
        if operator == "DURING":
            raise QueryRefused(
                "INVALID_VALUE_WITH_DURING_OPERATOR",
                "A range relative to the server's clock is refused here: name the days.",
            )
        raise QueryRefused("BAD_OPERATOR", f"Error in query: operator {text or 'missing'} after {name}.")

    def _list(self) -> tuple[str, ...]:
        if not self._sign("("):
            raise QueryRefused("EXPECTED_LIST", "Error in query: a list in parentheses was expected.")
        values = [self._value()]
        while self._sign(","):
            values.append(self._value())
        if not self._sign(")"):
            raise QueryRefused("UNEXPECTED_INPUT", "Error in query: the list is not closed.")
        return tuple(values)

    def _order(self) -> tuple[tuple[str, bool], ...]:
        self._keyword("BY", "EXPECTED_BY")
        found = [self._ordering()]
        while self._sign(","):
            found.append(self._ordering())
        return tuple(found)

    def _ordering(self) -> tuple[str, bool]:
        name = self._name("BAD_FIELD_NAME")
        descending = self._took("DESC")
        if not descending:
            self._took("ASC")
        return name, descending

    def _limit(self) -> int:
        kind, text = self._next()
        if kind != "number" or not text.isdecimal():
            raise QueryRefused("BAD_LIMIT_VALUE", "Error in query: LIMIT must be a positive integer.")
        if int(text) < 1:
            raise QueryRefused("LIMIT_VALUE_TOO_LOW", "Error in query: LIMIT must be at least 1.")
        return int(text)

    def _value(self) -> str:
        kind, text = self._next()
        if kind not in ("single", "double", "number", "word"):
            raise QueryRefused("BAD_VALUE", "Error in query: a value was expected.")
        return text

    def _name(self, reason: str) -> str:
        kind, text = self._next()
        if kind != "word":
            raise QueryRefused(reason, f"Error in query: a name was expected, not {text or 'the end'}.")
        return text

    def _keyword(self, word: str, reason: str) -> None:
        if not self._took(word):
            raise QueryRefused(reason, f"Error in query: {word} was expected.")

    def _took(self, word: str) -> bool:
        kind, text = self._peek()
        if kind == "word" and text.upper() == word:
            self._at += 1
            return True
        return False

    def _sign(self, sign: str) -> bool:
        if self._peek() == ("sign", sign):
            self._at += 1
            return True
        return False

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else END

    def _next(self) -> tuple[str, str]:
        token = self._peek()
        self._at += 1
        return token


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            rest = text[at:].lstrip()
            reason = "STRING_NOT_TERMINATED" if rest[:1] in ("'", '"') else "BAD_SYMBOL"
            raise QueryRefused(reason, f"Error in query near {rest[:20]}.")
        found.append((str(token.lastgroup), token[str(token.lastgroup)]))
        at = token.end()
    return found
