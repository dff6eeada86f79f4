"""The workspace's `.env.example`: kept complete for the client files there are, never rewritten."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cortex.tenant.showing import env_example

if TYPE_CHECKING:
    from cortex.tenant.client import Tenant
    from cortex.workspace import Workspace

_NAME = re.compile(r"^\s*#?\s*(?:export\s+)?([A-Z][A-Z0-9_]*)\s*=", re.MULTILINE)


def complete(tenant: Tenant, workspace: Workspace) -> list[str]:
    """Add the names a client's enabled blocks need and the file lacks, at its end. Returns them; none: nothing is written.

    Lines that are there stay as they are, in their order, also those commented out. A file that is no UTF-8 text is
    left alone.
    """
    path = workspace.root / ".env.example"
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else ""
    except UnicodeDecodeError:
        return []
    known = set(_NAME.findall(before))
    text = env_example([tenant])
    wanted = [name for name in _NAME.findall(text) if name not in known]
    if not wanted:
        return []
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
