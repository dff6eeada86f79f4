"""The pages of errors: what happened, why, and what mends it, by code."""

from __future__ import annotations

from importlib import resources
from typing import Any


def pages() -> dict[str, dict[str, Any]]:
    """Every page by code, sorted: title, happened, why, fix, retry."""
    import yaml

    text = resources.files("cortex").joinpath("errors.yaml").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = yaml.safe_load(text) or {}
    return dict(sorted(found.items()))
