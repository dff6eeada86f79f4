"""schedule: what a clock must be told so that runs begin by themselves; printed, never installed."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from cortex.cli.shell import Answer, Shell
from cortex.errors import UsageError

if TYPE_CHECKING:
    from datetime import tzinfo

    from cortex.tenant import Tenant

DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
"""As systemd names them, from cron's 0."""


@dataclass(frozen=True)
class Clockwork:
    """One command and when it is due: `at` in `zone`, every day or on one weekday (0 is Sunday), or every so many minutes.

    words: after `cortex`.
    """

    name: str
    zone: ZoneInfo
    words: tuple[str, ...]
    at: time
    weekday: int | None
    every: int

    @property
    def cron(self) -> str:
        """The five fields, in the work's own zone."""
        if 0 < self.every < 60:
            return f"*/{self.every} * * * *"
        if self.every:
            return f"{self.at.minute} {'*' if self.every == 60 else f'*/{self.every // 60}'} * * *"
        return f"{self.at.minute} {self.at.hour} * * {'*' if self.weekday is None else self.weekday}"


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
    clients = [one for one in tenant.load_each(shell.workspace) if not isinstance(one, CortexError) and one.active]
    if not clients:
        raise UsageError("CTX-1016", f"No client files in {shell.workspace.tenants}.", fix="cortex onboard CLIENT")
    works = _works(clients, shell.workspace.root)
    text = FORMATS[fmt](works)
    shell.show(text)
    return Answer(data={"format": fmt, "text": text})


KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "daily": ("daily", ()),
    "weekly": ("weekly", ()),
    "today": ("hourly", ()),
    "catalogue": ("daily", ("--only", "store.products")),
}
"""What a client's schedule names: its recipe, and which part of it."""


def _works(clients: Sequence[Tenant], root: Path) -> list[Clockwork]:
    """A command for each thing to do at one time: clients who share zone and time go together, all of them as --all."""
    dues: dict[str, dict[tuple[str, time, int, int], list[str]]] = {kind: {} for kind in KINDS}
    for client in clients:
        for kind, at, weekday, every in client.schedule.due():
            when = (client.timezone.key, at, -1 if weekday is None else weekday, every)
            dues[kind].setdefault(when, []).append(client.code)
    found = []
    for kind, times in dues.items():
        command, only = KINDS[kind]
        for number, ((zone, at, weekday, every), codes) in enumerate(sorted(times.items()), start=1):
            whom = tuple(codes) if len(codes) < len(clients) else ("--all",)
            name = f"cortex-{kind}-{number}" if len(times) > 1 else f"cortex-{kind}"
            words = ("run", command, *whom, *only, "--wait", "30m", "--workspace", str(root))
            found.append(Clockwork(name, ZoneInfo(zone), words, at, None if weekday < 0 else weekday, every))
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
        lines.append(f"# {_told(work)} in {work.zone.key}")
        lines.append(f"{_local(work, here.tzinfo)} " + _line(work).replace("%", r"\%"))
    return "\n".join(lines)


def _told(work: Clockwork) -> str:
    return f"every {work.every} minutes" if work.every else f"{work.at:%H:%M}"


def _local(work: Clockwork, here: tzinfo | None) -> str:
    """The five fields in the machine's zone: of the next time from now the work is due in its own."""
    if work.every:
        return work.cron
    now = datetime.now(work.zone)
    due = now.replace(hour=work.at.hour, minute=work.at.minute)
    while work.weekday is not None and due.isoweekday() % 7 != work.weekday:
        due += timedelta(days=1)
    there = due.astimezone(here)
    return f"{there.minute} {there.hour} * * {'*' if work.weekday is None else there.isoweekday() % 7}"


def _calendar(work: Clockwork) -> str:
    """OnCalendar of systemd.time(7)."""
    zone = work.zone.key
    if 0 < work.every < 60:
        return f"*-*-* *:00/{work.every}:00 {zone}"
    if work.every:
        return f"*-*-* 00/{work.every // 60}:{work.at.minute:02d}:00 {zone}"
    day = "" if work.weekday is None else f"{DAYS[work.weekday]} "
    return f"{day}*-*-* {work.at:%H:%M} {zone}"


def _systemd(works: Sequence[Clockwork]) -> str:
    parts = []
    for work in works:
        command = " ".join(_unit_word(word) for word in (*_program(), *work.words))
        parts.append(
            f"# /etc/systemd/system/{work.name}.service\n[Unit]\nDescription=Cortex, {work.name}\n"
            "After=network-online.target\n\n[Service]\nType=oneshot\n"
            f"ExecStart={command}\n# Exit code 6: some clients failed, the others are done. 7: an earlier run is still at work.\n\n"
            f"# /etc/systemd/system/{work.name}.timer\n[Unit]\nDescription=When {work.name} is due\n\n[Timer]\n"
            f"OnCalendar={_calendar(work)}\nPersistent=true\nRandomizedDelaySec=10m\n\n[Install]\nWantedBy=timers.target\n"
        )
    return "\n".join(parts)


def _unit_word(word: str) -> str:
    """A word of ExecStart: quoted, and without specifiers or variables (systemd.service(5), Command lines)."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{escaped}"' if escaped != word or not word.isprintable() or " " in word or "'" in word else word


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
            f'        {_function(work)}.to_deployment("{work.name}", schedule=Cron("{work.cron}", timezone="{work.zone.key}")),'
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
            f'        ScheduleDefinition(job={_function(work)}, cron_schedule="{work.cron}", execution_timezone="{work.zone.key}"),'
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
            f'@dag(dag_id="{work.name}", schedule="{work.cron}", catchup=False, start_date={start})',
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
