"""runs: look back at what was run, and end what runs still."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cortex.cli.shell import Answer, Shell
from cortex.errors import UsageError


def register(app: typer.Typer) -> None:
    runs = typer.Typer(help="Runs: list, show, cancel.", no_args_is_help=True)
    runs.command("list")(runs_list)
    runs.command("show")(runs_show)
    runs.command("cancel")(runs_cancel)
    app.add_typer(runs, name="runs")


def runs_list(
    context: typer.Context,
    client: Annotated[str, typer.Argument(metavar="CLIENT")] = "",
    limit: Annotated[int, typer.Option("--limit", help="How many, newest first.")] = 20,
) -> Answer:
    """Past runs, newest first."""
    from cortex.clock import Window
    from cortex.runner.past import alive

    shell: Shell = context.obj
    with shell.control() as control:
        found = [alive(control, row) for row in control.runs(client or None, limit=limit)]
    if client and not found and client not in shell.workspace.tenant_codes():
        from cortex.tenant import codes

        raise codes.unknown(shell.workspace, codes.check(client))
    shell.table(
        ["run", "client", "pipeline", "days", "status", "exit", "started (UTC)", "s"],
        [
            [
                row["run_id"], row["tenant"], row["pipeline"], str(Window(row["since"], row["until"])), row["status"], row["exit_code"],
                f"{row['started_at']:%Y-%m-%d %H:%M:%S}", _length(row),
            ]
            for row in found
        ],
        right=("exit", "s"),
    )  # fmt: skip
    return Answer(data=found, client=client)


def runs_show(context: typer.Context, run_id: Annotated[str, typer.Argument(metavar="RUN")]) -> Answer:
    """The steps of one run: rows, time, errors, and what was tried again."""
    shell: Shell = context.obj
    with shell.control() as control:
        steps = control.steps(run_id)
        recent = [row["run_id"] for row in control.runs(None, limit=5)]
    if not steps:
        raise _unknown(run_id, recent)
    shell.table(
        ["step", "status", "tries", "rows", "s", "summary"],
        [
            [
                row["step"], row["status"], row["attempt"], row["row_count"], _length(row),
                row["summary"] or f"{row['error_code']} {row['error_message']}".strip(),
            ]
            for row in steps
        ],
        right=("tries", "rows", "s"),
    )  # fmt: skip
    for row in steps:
        for number, each in enumerate(row["facts"].get("tries", ()), start=1):
            told = f"{each['code']} {each['message']} Tried again after {each['waited']:g} s."
            shell.show(f"{row['step']}, try {number}: {told}")
    return Answer(data=steps, run_id=run_id)


def runs_cancel(context: typer.Context, run_id: Annotated[str, typer.Argument(metavar="RUN")]) -> Answer:
    """End a run: a queued one now, a running one before its next step. What it has written stays."""
    from cortex.runner.engine import wall

    shell: Shell = context.obj
    with shell.control() as control:
        was = control.cancel(run_id, at=wall())
        recent = [row["run_id"] for row in control.runs(None, limit=5)]
    if was is None:
        raise _unknown(run_id, recent)
    said = {"queued": "cancelled", "running": "ends before its next step", "cancelling": "ends before its next step"}
    shell.show(f"Run {run_id}: {said.get(was, f'over already ({was}), nothing to cancel')}.")
    return Answer(data={"run_id": run_id, "was": was, "cancelled": was in said}, run_id=run_id)


def _unknown(run_id: str, recent: list[str]) -> UsageError:
    return UsageError("CTX-1014", f"There is no run {run_id}.", fix=f"Last runs: {', '.join(recent) or 'none yet'}.")


def _length(row: dict[str, Any]) -> str:
    if not row.get("ended_at") or not row.get("started_at"):
        return "…"
    return f"{(row['ended_at'] - row['started_at']).total_seconds():.1f}"
