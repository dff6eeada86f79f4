"""Opens a container export that somebody sends: any size, any content, and nothing in it is trusted."""

from __future__ import annotations

import json
from pathlib import Path

from cortex.errors import UsageError
from cortex.handoff.elements import Json

LARGEST = 64 * 1024 * 1024
"""Bytes. The largest exports people published have a few megabytes."""
DEEPEST = 60
"""Brackets inside each other; real exports stay below 15."""
MOST = 20_000
"""Elements of one kind."""
KINDS = ("tag", "trigger", "variable", "builtInVariable", "folder", "customTemplate", "client", "transformation")


def read_export(path: Path) -> Json:
    """A container export as it is. Raises UsageError (CTX-3401) with what the file is instead."""
    try:
        if not path.is_file():
            raise _refused(path, "is not a file")
        if path.stat().st_size > LARGEST:
            raise _refused(path, f"is larger than {LARGEST // 1024 // 1024} MB")
        content = path.read_bytes()
    except OSError as failure:
        raise _refused(path, f"cannot be read ({failure.strerror})") from None
    return parse(content, path)


def parse(content: bytes, path: Path) -> Json:
    """As `read_export`, from bytes; `path` is only named in the errors."""
    if content[:2] == b"PK":
        raise _refused(path, "is a zip: take the container's JSON out of it")
    try:
        found = json.loads(content.decode("utf-8-sig"), parse_constant=_no_number)
    except UnicodeDecodeError:
        raise _refused(path, "is not UTF-8 text") from None
    except RecursionError:
        raise _refused(path, "is nested deeper than any export") from None
    except ValueError as failure:
        where = f" (line {failure.lineno})" if isinstance(failure, json.JSONDecodeError) else ""
        raise _refused(path, f"is not JSON{where}") from None
    version = found.get("containerVersion") if isinstance(found, dict) else None
    if not isinstance(version, dict) or found.get("exportFormatVersion") != 2:
        raise _refused(path, "is JSON but no container export (exportFormatVersion 2 with containerVersion)")
    if _deeper(found, DEEPEST):
        raise _refused(path, "is nested deeper than any export")
    for kind in KINDS:
        items = version.get(kind, [])
        if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
            raise _refused(path, f"has a {kind} that is no list of elements")
        if len(items) > MOST:
            raise _refused(path, f"has more than {MOST} elements of the kind {kind}")
    return dict(found)


def _no_number(text: str) -> float:
    raise ValueError(text)


def _deeper(value: object, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
        ]
        if not level:
            return False
    return True


def _refused(path: Path, what: str) -> UsageError:
    return UsageError(
        "CTX-3401",
        f"{path} {what}.",
        fix="In Tag Manager: Admin › Export container, and give the file that it downloads.",
    )
