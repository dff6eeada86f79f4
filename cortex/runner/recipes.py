"""Recipes: Python files loaded by path, as nox loads a noxfile; the workspace's before the bundle's."""

from __future__ import annotations

import difflib
import importlib.util
from pathlib import Path

from cortex.errors import ConfigError, UsageError
from cortex.run import Recipe
from cortex.workspace import Workspace


def load(workspace: Workspace, name: str) -> Recipe:
    """The recipe of that name. Raises UsageError with the known names, ConfigError when the file is not a recipe."""
    known = workspace.recipes()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(
            "CTX-1006", f"There is no pipeline {name!r}.{hint}", fix=f"Pipelines: {', '.join(sorted(known))}."
        )
    return _read(name, known[name])


def _read(name: str, path: Path) -> Recipe:
    spec = importlib.util.spec_from_file_location(f"cortex_recipe_{name}", path)
    if spec is None or spec.loader is None:
        raise ConfigError("CTX-3010", f"{path} cannot be loaded as a recipe.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    steps = getattr(module, "steps", None)
    if not isinstance(steps, tuple) or not all(callable(step) for step in steps):
        raise ConfigError(
            "CTX-3010", f"{path} does not define `steps`, a tuple of verbs.", fix="See pipelines/daily.py."
        )
    return Recipe(
        name=name,
        about=(module.__doc__ or "").strip().splitlines()[0] if module.__doc__ else "",
        steps=steps,
        chunks=getattr(module, "chunks", ()),
        chunk_days=getattr(module, "chunk_days", 7),
        reread=getattr(module, "reread", "daily"),
        lookback=getattr(module, "lookback", True),
    )
