"""The workspace's `.env.example`: kept complete for the client files there are, never rewritten."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from cortex.tenant.showing import env_example

if TYPE_CHECKING:
    from cortex.tenant.client import Tenant
    from cortex.workspace import Workspace

_NAME = re.compile(r"^\s*#?\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=", re.MULTILINE)


def missing(tenant: Tenant, workspace: Workspace) -> list[str]:
    """Names a client's enabled blocks need and `.env.example` lacks; none where the file is no UTF-8 text."""
    before = _text(workspace)
    known = set(_NAME.findall(before or ""))
    return [] if before is None else [name for name in _NAME.findall(env_example([tenant])) if name not in known]


def complete(tenant: Tenant, workspace: Workspace) -> list[str]:
    """Add what `missing` names at the end of the file. Returns it; none: nothing is written.

    Lines that are there stay as they are, in their order, also those commented out.
    """
    wanted = missing(tenant, workspace)
    if not wanted:
        return []
    path, before, text = _path(workspace), _text(workspace), env_example([tenant])
    if not before:
        path.write_text(text, encoding="utf-8")
        return wanted
    lines = text.splitlines()
    heading = next(line for line in lines if line.startswith(f"# {tenant.code}: "))
    added = ["", heading]
    for at, line in enumerate(lines):
        if line.removesuffix("=") in wanted:
            added += [lines[at - 1], line]
    path.write_text(before + ("" if before.endswith("\n") else "\n") + "\n".join(added) + "\n", encoding="utf-8")
    return wanted


def _path(workspace: Workspace) -> Path:
    return workspace.root / ".env.example"


def _text(workspace: Workspace) -> str | None:
    path = _path(workspace)
    try:
        return path.read_text(encoding="utf-8") if path.exists() else ""
    except UnicodeDecodeError:
        return None
