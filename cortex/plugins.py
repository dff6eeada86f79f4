"""The registry without a registry: a module's file name is the kind it implements."""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import TypeVar

from cortex.errors import UsageError

T = TypeVar("T")


def kinds(room: str) -> list[str]:
    """Names of the members of a room (`stores`, `ads`, `attribution` …), sorted. Imports none of them."""
    package = importlib.import_module(f"cortex.{room}")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_"))


def module(room: str, kind: str) -> ModuleType:
    """The module of one member. Raises UsageError with the nearest names when there is none."""
    known = kinds(room)
    if kind not in known:
        near = difflib.get_close_matches(kind, known, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError("CTX-1003", f"{room} has no kind {kind!r}.{hint}", fix=f"Known: {', '.join(known)}.")
    return importlib.import_module(f"cortex.{room}.{kind}")


def adapter(room: str, kind: str, of: type[T]) -> type[T]:
    """The one concrete subclass of `of` that the member's module defines."""
    found = [
        value
        for value in vars(module(room, kind)).values()
        if inspect.isclass(value)
        and issubclass(value, of)
        and not inspect.isabstract(value)
        and value.__module__ == f"cortex.{room}.{kind}"
    ]
    if len(found) != 1:
        raise TypeError(f"cortex/{room}/{kind}.py must define exactly one {of.__name__}, found {len(found)}")
    return found[0]
