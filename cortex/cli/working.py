"""worker, logs: do what others left in the queue, and read what a run said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli.shell import Answer, Shell
from cortex.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

PAUSE = 2.0
"""Seconds between two looks at an empty queue."""


def register(app: typer.Typer) -> None:
    app.command("worker")(worker)
    app.command("logs")(logs)


def worker(
    context: typer.Context,
    slots: Annotated[int, typer.Option("--slots", min=1, help="Clients at once.")] = 1,
    drain: Annotated[bool, typer.Option("--drain", help="End when nothing is queued any more.")] = False,
) -> Answer:
    """Do runs that were left with `--queue`. Any machine that reaches the control database may; Ctrl-C ends it in order."""
    from cortex.runner import pool

    shell: Shell = context.obj
    shell.control().close()  # a database out of reach is told once, here
    outfit = pool.Outfit(shell.workspace, shell.database, shell.log_format, shell.verbose, shell.quiet)
    shell.say(f"Working with {slots} slot{'s' if slots > 1 else ''}; Ctrl-C ends it.")
    pool.work(outfit, slots, shell.say, drain=drain, pause=PAUSE)
    return Answer(next=["cortex runs list"])


def logs(
    context: typer.Context,
    client: Annotated[str, typer.Argument(metavar="CLIENT")],
    run_id: Annotated[str, typer.Option("--run", metavar="RUN", help="Which run; the newest when left out.")] = "",
) -> Answer:
    """The log of a client's run, masked. Kept for 90 days on the machine that ran it."""
    from cortex import logs as keeping
    from cortex.tenant import codes

    shell: Shell = context.obj
    codes.check(client)
    folder = keeping.folder(shell.workspace.state, client)
    kept = sorted(file.stem for file in folder.glob("*.jsonl"))
    if not kept and client not in shell.workspace.tenant_codes():
        raise codes.unknown(shell.workspace, client)
    if not kept or (run_id and run_id not in kept):
        what = f"run {run_id}" if run_id else "any run"
        raise UsageError(
            "CTX-1028",
            f"No log of {what} of {client} is kept in {folder}.",
            fix=f"Kept: {', '.join(kept[-5:]) or 'none yet'}. Logs stay on the machine that ran, for {keeping.KEEP_DAYS} days.",
        )
    chosen = run_id or kept[-1]
    lines = _lines(folder / f"{chosen}.jsonl")
    for line in lines:
        shell.show(_plain(line))
    return Answer(data=lines, client=client, run_id=chosen)


def _lines(path: Path) -> list[dict[str, Any]]:
    """Every whole line: the last one of a killed run may be half a line."""
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def _plain(line: dict[str, Any]) -> str:
    rest = {
        name: value
        for name, value in line.items()
        if name not in {"timestamp", "level", "event", "client", "run_id", "step"}
    }
    told = " ".join(f"{name}={value}" for name, value in rest.items())
    parts = (
        line.get("timestamp", "")[:19],
        line.get("level", "").ljust(7),
        line.get("step", ""),
        line.get("event", ""),
        told,
    )
    return "  ".join(part for part in parts if part)
