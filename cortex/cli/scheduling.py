"""schedule: what a clock must be told so that runs begin by themselves; printed, never installed."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from cortex.cli.shell import Answer, Shell
from cortex.errors import UsageError

if TYPE_CHECKING:
    from datetime import tzinfo

DAILY_HOUR, WEEKLY_HOUR = 5, 3
"""In the client's zone. Ad platforms have counted a day to its end about three hours after it; Sundays are quiet."""


@dataclass(frozen=True)
class Clockwork:
    """One command and when it is due. weekly: on Sundays only. words: after `cortex`."""

    name: str
    hour: int
    weekly: bool
    zone: ZoneInfo
    words: tuple[str, ...]


def register(app: typer.Typer) -> None:
    schedule = typer.Typer(help="Recipes for the clock that starts the runs.", no_args_is_help=True)
    schedule.command("print")(print_schedule)
    app.add_typer(schedule, name="schedule")


def print_schedule(
    context: typer.Context,
    fmt: Annotated[str, typer.Option("--format", help="cron, systemd, prefect, dagster or airflow.")] = "cron",
) -> Answer:
    """Print what starts the runs of every active client. Cron lines, systemd units or an orchestrator's file."""
    from cortex import tenant
    from cortex.errors import CortexError

    shell: Shell = context.obj
    if fmt not in FORMATS:
        raise UsageError("CTX-5110", f"There is no format {fmt!r}.", fix=f"--format {', '.join(FORMATS)}")
    by_zone: dict[str, list[str]] = {}
    for client in tenant.load_each(shell.workspace):
        if not isinstance(client, CortexError) and client.active:
            by_zone.setdefault(client.timezone.key, []).append(client.code)
    if not by_zone:
        raise UsageError("CTX-1016", f"No client files in {shell.workspace.tenants}.", fix="cortex onboard CLIENT")
    works = _works(by_zone, shell.workspace.root)
    text = FORMATS[fmt](works)
    shell.show(text)
    return Answer(data={"format": fmt, "text": text})


def _works(by_zone: dict[str, list[str]], root: Path) -> list[Clockwork]:
    """A daily and a weekly command for each zone: clients of one zone run together, all of them when there is but one."""
    found = []
    for at, (zone, codes) in enumerate(sorted(by_zone.items())):
        tail = f"-{at + 1}" if len(by_zone) > 1 else ""
        whom = tuple(codes) if tail else ("--all",)
        for pipeline, hour in (("daily", DAILY_HOUR), ("weekly", WEEKLY_HOUR)):
            words = ("run", pipeline, *whom, "--wait", "30m", "--workspace", str(root))
            found.append(Clockwork(f"cortex-{pipeline}{tail}", hour, pipeline == "weekly", ZoneInfo(zone), words))
    return found


def _program() -> tuple[str, ...]:
    """What a clock, which has no PATH of its own, calls."""
    found = shutil.which("cortex")
    return (found,) if found else (sys.executable, "-m", "cortex")


def _line(work: Clockwork) -> str:
    return shlex.join([*_program(), *work.words])


def _cron(works: Sequence[Clockwork]) -> str:
    here = datetime.now().astimezone()
    lines = [f"# crontab of this machine (its zone: {here.tzname()}); print again where summer time changes the hour."]
    for work in works:
        minute, hour, day = _local(work, here.tzinfo)
        lines.append(f"# {work.hour:02d}:00 in {work.zone.key}")
        lines.append(f"{minute} {hour} * * {day} " + _line(work).replace("%", r"\%"))
    lines.append("# Today's orders and spend, where a client wants them hourly:")
    lines.append("# 7 * * * * " + shlex.join([*_program(), "run", "hourly", "CLIENT"]))
    return "\n".join(lines)


def _local(work: Clockwork, here: tzinfo | None) -> tuple[int, int, str]:
    """Minute, hour and weekday of the machine when it is the work's hour in its zone, on the next Sunday from now."""
    now = datetime.now(work.zone)
    due = now.replace(hour=work.hour, minute=0)
    while work.weekly and due.weekday() != 6:
        due += timedelta(days=1)
    there = due.astimezone(here)
    return there.minute, there.hour, str((there.weekday() + 1) % 7) if work.weekly else "*"


def _systemd(works: Sequence[Clockwork]) -> str:
    parts = []
    for work in works:
        due = f"{'Sun ' if work.weekly else ''}*-*-* {work.hour:02d}:00 {work.zone.key}"
        command = " ".join(_unit_word(word) for word in (*_program(), *work.words))
        parts.append(
            f"# /etc/systemd/system/{work.name}.service\n[Unit]\nDescription=Cortex, {work.name}\n"
            "After=network-online.target\n\n[Service]\nType=oneshot\n"
            f"ExecStart={command}\n# Exit code 6: some clients failed, the others are done. 7: an earlier run is still at work.\n\n"
            f"# /etc/systemd/system/{work.name}.timer\n[Unit]\nDescription=When {work.name} is due\n\n[Timer]\n"
            f"OnCalendar={due}\nPersistent=true\nRandomizedDelaySec=10m\n\n[Install]\nWantedBy=timers.target\n"
        )
    return "\n".join(parts)


def _unit_word(word: str) -> str:
    """A word of ExecStart: quoted, and without specifiers or variables (systemd.service(5), Command lines)."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if escaped != word or not word.isprintable() or " " in word or "'" in word else word


def _crontab(work: Clockwork) -> str:
    return f"0 {work.hour} * * {'0' if work.weekly else '*'}"


def _function(work: Clockwork) -> str:
    return work.name.replace("-", "_")


def _command(work: Clockwork) -> str:
    return repr([*_program(), *work.words])


def _prefect(works: Sequence[Clockwork]) -> str:
    lines = ['"""Prefect calls Cortex: python this_file.py serves the schedules."""', "", "import subprocess", ""]
    lines += ["from prefect import flow, serve", "from prefect.schedules import Cron", "", ""]
    for work in works:
        lines += [
            f'@flow(name="{work.name}")',
            f"def {_function(work)}():",
            f"    subprocess.run({_command(work)}, check=True)",
            "",
            "",
        ]
    lines += ['if __name__ == "__main__":', "    serve("]
    for work in works:
        lines.append(
            f'        {_function(work)}.to_deployment("{work.name}", schedule=Cron("{_crontab(work)}", timezone="{work.zone.key}")),'
        )
    return "\n".join([*lines, "    )"])


def _dagster(works: Sequence[Clockwork]) -> str:
    lines = ['"""Dagster calls Cortex: dagster dev -f this_file.py."""', "", "import subprocess", ""]
    lines += ["from dagster import Definitions, ScheduleDefinition, job, op", "", ""]
    names = []
    for work in works:
        name = _function(work)
        names.append(name)
        lines += [f"@op\ndef run_{name}():", f"    subprocess.run({_command(work)}, check=True)", "", ""]
        lines += [f"@job\ndef {name}():", f"    run_{name}()", "", ""]
    lines += ["defs = Definitions(", f"    jobs=[{', '.join(names)}],", "    schedules=["]
    for work in works:
        lines.append(
            f'        ScheduleDefinition(job={_function(work)}, cron_schedule="{_crontab(work)}", execution_timezone="{work.zone.key}"),'
        )
    return "\n".join([*lines, "    ],", ")"])


def _airflow(works: Sequence[Clockwork]) -> str:
    lines = ['"""Airflow 3 calls Cortex: put this file into the dags folder."""', "", "import subprocess", ""]
    lines += ["import pendulum", "from airflow.sdk import dag, task", ""]
    for work in works:
        name, zone = _function(work), work.zone.key
        start = f'pendulum.datetime(2026, 1, 1, tz="{zone}")'
        lines += [
            "",
            f'@dag(dag_id="{work.name}", schedule="{_crontab(work)}", catchup=False, start_date={start})',
            f"def {name}():",
            "    @task",
            "    def run():",
            f"        subprocess.run({_command(work)}, check=True)",
            "",
            "    run()",
            "",
            "",
            f"{name}()",
            "",
        ]
    return "\n".join(lines)


FORMATS: dict[str, Callable[[Sequence[Clockwork]], str]] = {
    "cron": _cron,
    "systemd": _systemd,
    "prefect": _prefect,
    "dagster": _dagster,
    "airflow": _airflow,
}
