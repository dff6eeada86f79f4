"""Client codes: what may be one, and what to try instead."""

from __future__ import annotations

import difflib
import re
import unicodedata

from cortex.errors import UsageError
from cortex.workspace import Workspace

CODE = "[a-z][a-z0-9_]{1,30}"
"""What a code looks like, as a pattern."""
_LONGEST = 31

# fmt: off
RESERVED = frozenset({
    "ack", "access", "alerts", "all", "analyze", "api", "apikeys", "apply", "audit", "backfill", "backup", "cancel",
    "checklist", "client", "clients", "completion", "config", "control", "conversions", "cortex", "daily", "db",
    "diff", "disable", "docs", "doctor", "drop", "dq", "enable", "erase", "example", "explain", "export", "extract",
    "forecast", "full", "help", "hourly", "import", "incident", "init", "install", "keys", "list", "logs", "mcp", "metric",
    "migrate", "next", "none", "null", "onboard", "order", "orders", "plan", "privacy", "queue", "reconcile",
    "replay", "report", "reports", "requests", "resolved", "restore", "retention", "ropa", "run", "runs", "sandbox",
    "schedule", "schema", "secrets", "send", "serve", "settle", "shell", "show", "snooze", "status", "tenant",
    "tenants", "test", "tracking", "train", "users", "validate", "version", "weekly", "worker", "workspace",
})
SQL = frozenset({
    "alter", "create", "database", "delete", "exec", "execute", "from", "grant", "insert", "into", "join", "load",
    "procedure", "revoke", "select", "set", "table", "truncate", "union", "update", "use", "user", "values", "view",
    "where",
})
# fmt: on
"""Words of the command tree, so that a client is never mistaken for one; `control` is the control database. And words
of SQL: names are always quoted, but whoever types `SELECT ... FROM select` by hand should not have to know that."""


def check(code: str) -> str:
    """The code itself when it may name a client. Raises UsageError CTX-1030 with a code to try.

    Nothing may build a path, a schema name or a variable from a code that has not passed here.
    """
    if re.fullmatch(CODE, code) and code not in RESERVED | SQL:
        return code
    shown = "".join(character if character.isprintable() else "?" for character in code[:40])
    better = suggestion(code)
    becomes = f" (it becomes the schema cortex_{better})" if better else ""
    if code in RESERVED | SQL:
        whose = "the command line" if code in RESERVED else "SQL"
        raise UsageError(
            "CTX-1030", f'Client code "{shown}" is a word of {whose}.', fix=f"Try another, such as {better}."
        )
    raise UsageError(
        "CTX-1030",
        f'Client code "{shown}" is not valid: use 2–31 lowercase letters, digits or _, a letter first{becomes}.',
        fix=f"Try: {better}" if better else "Choose a short name, such as loja_xyz.",
    )


def suggestion(text: str) -> str:
    """The nearest valid code, or nothing.

    >>> suggestion("Loja-XYZ"), suggestion("3 Irmãos"), suggestion("all"), suggestion("../etc/passwd")
    ('loja_xyz', 'loja_3_irmaos', 'loja_all', 'etc_passwd')
    """
    ascii_only = unicodedata.normalize("NFKD", text[:200]).encode("ascii", "ignore").decode()
    word = re.sub(r"[^a-z0-9]+", "_", ascii_only.lower()).strip("_")
    if word[:1].isdigit() or word in RESERVED | SQL or len(word) == 1:
        word = f"loja_{word}"
    return word[:_LONGEST].rstrip("_")


def unknown(workspace: Workspace, code: str) -> UsageError:
    """The error for a valid code that has no file."""
    present = workspace.tenant_codes()
    near = difflib.get_close_matches(code, present, n=1)
    hint = f" Did you mean {near[0]}?" if near else ""
    count = f"{len(present)} client{'' if len(present) == 1 else 's'}: cortex tenants list"
    if (workspace.tenants / f"{code}.yml").exists():
        fix = f"Rename tenants/{code}.yml to tenants/{code}.yaml."
    else:
        fix = f"Use {near[0]}, or for a new client: cortex onboard {code}" if near else f"cortex onboard {code}"
    return UsageError("CTX-1001", f'Unknown client "{code}".{hint} ({count})', fix=fix)
