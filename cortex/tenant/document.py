"""A client file as text with positions: small, flat, without YAML's surprises, or refused at its line.

YAML can be a bomb (aliases), a program (tags) or a riddle (`no` is False, `0123` is 83). The event stream is read
once, counted, and only then turned into blocks, lists and scalars that know their line and column.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cortex.errors import ConfigError, Problem

MAX_BYTES = 256 * 1024
MAX_DEPTH = 12
MAX_NODES = 5_000

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,14})\.[0-9]{1,15}")
_LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
# Controls corrupt terminals and logs; direction overrides make a file read otherwise than it is.
_UNREADABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufffe\uffff]"
)
# libyaml where it was built in: the same events, many times faster.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value. `text` is what was written; `value` is what it means."""

    text: str
    plain: bool
    line: int
    column: int

    @property
    def value(self) -> str | int | float | bool | None:
        """Only null, true, false and plain decimal numbers are not text: `no`, `0123` and `12:30:45` stay as written."""
        if not self.plain:
            return self.text
        if self.text in {"", "~", "null"}:
            return None
        if self.text in {"true", "false"}:
            return self.text == "true"
        if _INTEGER.fullmatch(self.text):
            return int(self.text)
        if _DECIMAL.fullmatch(self.text):
            return float(self.text)
        return self.text


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: list[Node]
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A key's place, and its value."""

    line: int
    column: int
    node: Node


@dataclass(frozen=True, slots=True)
class Block:
    """Keys and values, in the order of the file."""

    entries: dict[str, Entry]
    line: int
    column: int

    def get(self, key: str) -> Node | None:
        entry = self.entries.get(key)
        return entry.node if entry else None


Node = Scalar | Items | Block


@dataclass(frozen=True, slots=True)
class Document:
    """A whole file that passed the scan. `problems` are those that leave the rest readable (a key written twice)."""

    root: Block
    lines: list[str]
    problems: list[Problem] = field(default_factory=list)


def read_bytes(path: Path, shown: str) -> bytes:
    """The bytes of a regular file of at most 256 KiB that is no symbolic link. Raises ConfigError CTX-3002."""
    try:
        # O_NONBLOCK: opening a pipe must not hang.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as failure:
        what = "is a symbolic link" if path.is_symlink() else f"cannot be read ({failure.strerror})"
        raise refusal(shown, 1, 1, what, "Client files are plain files of the workspace.") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise refusal(shown, 1, 1, "is not a regular file")
    with os.fdopen(descriptor, "rb") as handle:
        content = handle.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise refusal(shown, 1, 1, f"is larger than {MAX_BYTES // 1024} KiB", "A client file is a page or two.")
    return content


def parse(content: bytes, shown: str, loader: Any = _LOADER) -> Document:
    """Turn bytes into a Document. Raises ConfigError CTX-3002 with the line for anything but plain, small YAML."""
    text = _text(content, shown)
    lines = _LINE_END.split(text)
    for at, line in enumerate(lines, start=1):
        if line.startswith("%"):
            raise refusal(shown, at, 1, "a YAML directive", "Client files are plain keys and values.")
    builder = _Builder(shown)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.MarkedYAMLError as failure:
        mark = failure.problem_mark or failure.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise refusal(shown, line, column, *_plainly(failure.problem or "cannot be read as YAML")) from None
    except yaml.YAMLError:
        raise refusal(shown, 1, 1, "cannot be read as YAML") from None
    if builder.root is None or (isinstance(builder.root, Scalar) and builder.root.value is None):
        raise refusal(shown, 1, 1, "is empty", "cortex init writes an example.")
    if not isinstance(builder.root, Block):
        raise refusal(shown, builder.root.line, builder.root.column, "must be a block of keys", "client: …")
    return Document(builder.root, lines, builder.problems)


def refusal(shown: str, line: int, column: int, text: str, hint: str = "") -> ConfigError:
    """The error of a file that cannot be taken at all."""
    return ConfigError(
        "CTX-3002",
        f"{shown} cannot be taken as a client file.",
        problems=[Problem(shown, line, column, "", text, hint)],
        fix="Compare it with tenants/_example.yaml.",
    )


def scalars(node: Node, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Scalar]]:
    """Every scalar under a node with its path."""
    if isinstance(node, Scalar):
        yield path, node
    elif isinstance(node, Items):
        for at, item in enumerate(node.items):
            yield from scalars(item, (*path, str(at)))
    else:
        for key, entry in node.entries.items():
            yield from scalars(entry.node, (*path, key))


def _text(content: bytes, shown: str) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        line = content.count(b"\n", 0, failure.start) + 1
        raise refusal(shown, line, 1, "is not UTF-8 text", "Save the file with the encoding UTF-8.") from None
    bad = _UNREADABLE.search(text)
    if bad:
        before = text[: bad.start()]
        line, column = before.count("\n") + 1, bad.start() - (before.rfind("\n") + 1) + 1
        raise refusal(shown, line, column, f"an invisible control character (U+{ord(bad[0]):04X})", "Remove it.")
    return text


def _plainly(problem: str) -> tuple[str, str]:
    """libyaml's words for the mistakes people make, in words that say what to do."""
    if "cannot start any token" in problem:
        return (
            "a character that cannot start a value",
            "Indent with spaces, not tabs; quote values that start with @ or %.",
        )
    if "mapping values are not allowed" in problem:
        return "a second colon, or a key indented deeper than its neighbours", 'Quote values that hold ": ".'
    if "could not find expected ':'" in problem or "did not find expected key" in problem:
        return "a line that is neither `key: value` nor inside the block above", "Check the indentation and the quotes."
    if "unexpected end of stream" in problem:
        return "a quote that is never closed", ""
    return problem[:120], ""


@dataclass(slots=True)
class _Open:
    """A collection being read: its node, its dotted path, and the key whose value comes next."""

    node: Items | Block
    path: str
    key: Scalar | None = None


class _Builder:
    """Builds the tree from events, counting as it goes, so that nothing large is ever built."""

    def __init__(self, shown: str) -> None:
        self.shown = shown
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._open: list[_Open] = []
        self._nodes = 0
        self._documents = 0

    def take(self, event: Any) -> None:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise refusal(self.shown, line, column, "a second document (---)", "One client, one document.")
        elif isinstance(event, yaml.AliasEvent):
            raise refusal(self.shown, line, column, "an alias (*)", "Write the value out: * and & are not used here.")
        elif isinstance(event, yaml.NodeEvent):
            self._node(event, line, column)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()

    def _node(self, event: Any, line: int, column: int) -> None:
        if event.anchor is not None:
            raise refusal(self.shown, line, column, "an anchor (&)", "Write the value out: * and & are not used here.")
        if event.tag is not None:
            raise refusal(
                self.shown, line, column, "a tag (!)", "Tags are not used here; quote values that start with !."
            )
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise refusal(self.shown, line, column, f"more than {MAX_NODES} values", "A client file is a page or two.")
        if isinstance(event, yaml.ScalarEvent):
            if _UNREADABLE.search(event.value):
                raise refusal(self.shown, line, column, "an escaped control character", "Remove it.")
            self._place(Scalar(event.value, not event.style, line, column))
            return
        if len(self._open) >= MAX_DEPTH:
            raise refusal(self.shown, line, column, f"more than {MAX_DEPTH} levels of nesting")
        node = Items([], line, column) if isinstance(event, yaml.SequenceStartEvent) else Block({}, line, column)
        above = self._open[-1] if self._open else None
        name = ".".join(part for part in (above.path, above.key.text if above.key else "") if part) if above else ""
        self._place(node)
        self._open.append(_Open(node, name))

    def _place(self, node: Node) -> None:
        if not self._open:
            self.root = node
            return
        place = self._open[-1]
        parent, key = place.node, place.key
        if isinstance(parent, Items):
            parent.items.append(node)
        elif key is None:
            if not isinstance(node, Scalar):
                raise refusal(self.shown, node.line, node.column, "a key that is not a word")
            place.key = node
        else:
            place.key = None
            known = parent.entries.get(key.text)
            if known is None:
                parent.entries[key.text] = Entry(key.line, key.column, node)
            else:
                path = ".".join(part for part in (place.path, key.text) if part)[:120]
                text = f"is written twice (first on line {known.line})"
                self.problems.append(Problem(self.shown, key.line, key.column, path, text, "Keep one of the two."))
