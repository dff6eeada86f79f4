"""run, backfill: execute recipes for one client, several or all."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cortex.cli.shell import Answer, Shell, as_day, brl, error_facts
from cortex.errors import ConfigError, CortexError, PartialFailure, UsageError

if TYPE_CHECKING:
    from cortex.clock import Window
    from cortex.run import Recipe
    from cortex.runner.cluster import Cluster
    from cortex.runner.engine import RunResult, StepResult
    from cortex.runner.plan import Planned
    from cortex.runner.pool import Ended, Heard
    from cortex.runner.work import Item
    from cortex.tenant import Tenant

Clients = Annotated[list[str] | None, typer.Argument(metavar="CLIENT", help="Client codes.")]
Only = Annotated[
    list[str] | None, typer.Option("--only", metavar="STEP", help="Run only these steps (ads, ads.meta …).")
]
Skip = Annotated[list[str] | None, typer.Option("--skip", metavar="STEP", help="Leave these steps out.")]
DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Show what would run; change and send nothing.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", min=1, help="Clients at once; when left out one per processor, at most 4.")
]
Queue = Annotated[bool, typer.Option("--queue", help="Leave it to `cortex worker`, here or on another machine.")]
Engine = Annotated[
    str,
    typer.Option(
        "--engine", envvar="CORTEX_ENGINE", help="local (processes here) or dask (workers of a scheduler).",
        show_default=False, show_envvar=False,
    ),
]  # fmt: skip
Scheduler = Annotated[
    str, typer.Option("--scheduler", metavar="URL", help="tls://HOST:8786 of the dask scheduler; CORTEX_SCHEDULER.")
]
SaveRaw = Annotated[
    Path | None,
    typer.Option(
        "--save-raw", metavar="DIR", help="Also save the orders read as JSON files, personal fields redacted."
    ),
]
Wait = Annotated[str, typer.Option("--wait", metavar="TIME", help="Wait for another run of the client: 30s, 10m.")]


def register(app: typer.Typer) -> None:
    app.command("run")(run)
    app.command("backfill")(backfill)


def run(
    context: typer.Context,
    pipeline: Annotated[
        str, typer.Argument(metavar="PIPELINE", help="daily, hourly, weekly, conversions, or a recipe of yours.")
    ],
    clients: Clients = None,
    everyone: Annotated[bool, typer.Option("--all", help="Every active client.")] = False,
    day: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="Last day; yesterday when left out.")] = "",
    days: Annotated[int | None, typer.Option("--days", help="Days, counted back from --date.")] = None,
    lookback: Annotated[
        int | None, typer.Option("--lookback", help="Days before --date; etl.lookback_days when left out.")
    ] = None,
    only: Only = None,
    skip: Skip = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an unfinished run of the same window.")] = False,
    dry_run: DryRun = False,
    wait: Wait = "",
    jobs: Jobs = None,
    queue: Queue = False,
    save_raw: SaveRaw = None,
    engine: Engine = "local",
    scheduler: Scheduler = "",
) -> Answer:
    """Run a pipeline for clients, such as `cortex run daily xyz`."""
    from cortex.runner import asking

    shell: Shell = context.obj
    cluster = _cluster(shell, engine, scheduler)
    recipe = asking.recipe(shell.workspace, pipeline)
    if days is not None and lookback is not None:
        raise UsageError(
            "CTX-8231",
            "--days and --lookback both say how far back.",
            fix="--lookback 7 is --days 8: the day itself counts.",
        )
    wanted, broken = _tenants(shell, clients or [], everyone=everyone, verb=f"run {pipeline}")
    how = How(
        as_day(day),
        days if lookback is None else lookback + 1,
        tuple(only or ()),
        tuple(skip or ()),
        resume,
        dry_run,
        _seconds(wait),
        jobs,
        queue,
        _folder(save_raw, cluster, queue=queue),
        cluster,
        everyone,
    )
    return _each(shell, f"run {pipeline}", wanted, broken, recipe, how)


def backfill(
    context: typer.Context,
    clients: Clients = None,
    days: Annotated[int, typer.Option("--days", help="Days back from yesterday, 1 to 1460.")] = 90,
    day: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="Last day; yesterday when left out.")] = "",
    only: Only = None,
    skip: Skip = None,
    dry_run: DryRun = False,
    wait: Wait = "",
    jobs: Jobs = None,
    queue: Queue = False,
    save_raw: SaveRaw = None,
    engine: Engine = "local",
    scheduler: Scheduler = "",
) -> Answer:
    """Read the past of every active client, or of some. Weekly pieces; interrupted, the same command goes on."""
    from cortex.runner import recipes

    shell: Shell = context.obj
    cluster = _cluster(shell, engine, scheduler)
    recipe = recipes.load(shell.workspace, "backfill")
    wanted, broken = _tenants(shell, clients or [], everyone=not clients, verb="backfill")
    how = How(
        as_day(day),
        days,
        tuple(only or ()),
        tuple(skip or ()),
        True,
        dry_run,
        _seconds(wait),
        jobs,
        queue,
        _folder(save_raw, cluster, queue=queue),
        cluster,
        not clients,
    )
    return _each(shell, "backfill", wanted, broken, recipe, how)


@dataclass(frozen=True)
class How:
    """What the options of `run` and `backfill` ask for. wait: seconds."""

    day: date | None
    days: int | None
    only: tuple[str, ...]
    skip: tuple[str, ...]
    resume: bool
    dry_run: bool
    wait: float
    jobs: int | None
    queue: bool
    save_raw: Path | None
    cluster: Cluster | None = None
    """Whose workers do the runs; None: processes of this machine."""
    everyone: bool = False
    """Whether it is a run of all clients, of which the agency hears as a whole."""


def _folder(save_raw: Path | None, cluster: Cluster | None, *, queue: bool) -> Path | None:
    """The folder in full: runs may be done by other processes, though not on other machines."""
    if save_raw is not None and (queue or cluster is not None):
        raise UsageError(
            "CTX-5081", "--save-raw is for runs of this machine.", fix="Leave out --queue and --engine dask."
        )
    return None if save_raw is None else save_raw.absolute()


def _cluster(shell: Shell, engine: str, scheduler: str) -> Cluster | None:
    if engine == "dask":
        from cortex.runner.cluster import Cluster

        return Cluster.named(scheduler, shell.workspace)
    if engine != "local":
        raise UsageError("CTX-5109", f"There is no engine {engine!r}.", fix="--engine local or --engine dask")
    if scheduler:
        raise UsageError("CTX-5109", "--scheduler is for --engine dask.", fix="Add --engine dask.")
    return None


def _each(
    shell: Shell, command: str, tenants: Sequence[Tenant], broken: dict[str, CortexError], recipe: Recipe, how: How
) -> Answer:
    """Every client, several at once; one that fails never stops the next."""
    from cortex import logs
    from cortex.clock import system_clock
    from cortex.runner import asking

    shell.command = command
    logs.configure(fmt=shell.log_format, verbose=shell.verbose, quiet=shell.quiet)
    clock = system_clock()
    options = _options(how)
    failures: dict[str, CortexError] = dict(broken)
    planned: list[tuple[Tenant, Window, list[Planned]]] = []
    refused: list[UsageError] = []
    for tenant in tenants:
        try:
            window, steps = asking.planned(
                tenant, recipe, clock(), day=how.day, days=how.days, only=how.only, skip=how.skip
            )
            planned.append((tenant, window, steps))
        except UsageError as refusal:
            refused.append(refusal)
            failures[tenant.code] = refusal
    if refused and not planned:
        raise refused[0]
    for each in refused:
        shell.complain(each)
    if how.dry_run:
        previews = [_preview(shell, *one, recipe) for one in planned]
        error = _verdict(command, options, len(planned), list(failures)) if failures else None
        return Answer(data=previews, client=tenants[0].code if len(tenants) == 1 else "", error=error)
    if how.queue:
        return _enqueue(shell, planned, recipe, how, failures)
    results: list[RunResult] = []
    for code, ended in _ended(shell, planned, recipe, how):
        if isinstance(ended, CortexError):
            if len(tenants) + len(broken) == 1:
                raise ended
            failures[code] = ended
            shell.complain(ended)
        else:
            results.append(ended)
    results.sort(key=lambda result: result.tenant)
    answer = _answer(shell, command, options, tenants, results, failures)
    if how.everyone or broken:  # nobody hears of a client whose file cannot be read, but the agency
        answer.warnings += _tell_agency(shell, recipe.name, results, failures)
    return answer


def _tell_agency(
    shell: Shell, pipeline: str, results: Sequence[RunResult], failures: dict[str, CortexError]
) -> list[dict[str, str]]:
    """One message about all clients, where the agency wants one. What went wrong with it is a warning."""
    from cortex.clock import system_clock
    from cortex.steps import tell

    failed = [(result.tenant, next(iter(result.errors), None)) for result in results if result.failed]
    failed += list(failures.items())
    good = sum(not result.failed for result in results)
    notices = tell.everyone(shell.workspace, system_clock(), pipeline, good, sorted(failed, key=lambda pair: pair[0]))
    for notice in notices:
        shell.say(f" ! {notice.stream}: {notice.message}")
    return [{"code": notice.code, "message": f"{notice.stream}: {notice.message}"} for notice in notices]


def _options(how: How) -> str:
    """What to type again so that the same days and steps are meant."""
    told = [f"--date {how.day}"] if how.day else []
    told += [f"--days {how.days}"] if how.days is not None else []
    told += [f"--only {name}" for name in how.only] + [f"--skip {name}" for name in how.skip]
    return "".join(f" {option}" for option in told)


def _enqueue(
    shell: Shell,
    planned: Sequence[tuple[Tenant, Window, list[Planned]]],
    recipe: Recipe,
    how: How,
    failures: dict[str, CortexError],
) -> Answer:
    """Leave the runs in the ledger for workers. A client without a schema is refused now, not in the night."""
    from cortex.runner import asking, engine

    left = []
    for tenant, _, _ in planned:
        try:
            asking.provisioned(shell.database, tenant.code, shell.workspace.state)
        except CortexError as failure:
            failures[tenant.code] = failure
            shell.complain(failure)
    with shell.control() as control:
        for tenant, window, steps in planned:
            if tenant.code not in failures:
                run_id = engine.enqueue(tenant, recipe, window, steps, control, resume=how.resume)
                left.append({"client": tenant.code, "run_id": run_id})
                shell.say(f"{tenant.code} · {recipe.name} · {window} · queued as {run_id}")
    error = _verdict(shell.command, "", len(left), list(failures)) if failures else None
    return Answer(data=left, error=error, next=["cortex worker", "cortex runs list"])


def _ended(
    shell: Shell, planned: Sequence[tuple[Tenant, Window, list[Planned]]], recipe: Recipe, how: How
) -> Iterator[tuple[str, RunResult | CortexError]]:
    """How the run of each client ended, as it ends; in this process when one runs at a time."""
    from cortex.runner import pool
    from cortex.runner.work import Item

    count = pool.jobs(how.jobs, len(planned))
    if count == 1 and how.cluster is None:
        for tenant, window, steps in planned:
            try:
                yield tenant.code, _one(shell, tenant, recipe, window, steps, how)
            except CortexError as failure:
                yield tenant.code, failure
        return
    items = [
        Item(
            tenant.code,
            recipe.name,
            window.since,
            window.until,
            tuple(step.name for step in steps),
            how.resume,
            how.wait,
            save_raw=how.save_raw,
        )
        for tenant, window, steps in planned
    ]
    outfit = pool.Outfit(shell.workspace, shell.database, shell.log_format, shell.verbose, shell.quiet)
    talks = {
        tenant.code: _Talk(shell, tenant, recipe, window, [step.name for step in steps])
        for tenant, window, steps in planned
    }

    def hear(item: Item, name: str, news: StepResult | int) -> None:
        talks[item.code].hear(name, news)

    done = (
        _on_cluster(shell, planned, recipe, how.cluster, items, hear)
        if how.cluster
        else pool.perform(items, outfit, count, hear, shell.say)
    )
    for item, ended in done:
        talks[item.code].end(ended)
        yield item.code, ended


def _on_cluster(
    shell: Shell,
    planned: Sequence[tuple[Tenant, Window, list[Planned]]],
    recipe: Recipe,
    cluster: Cluster,
    items: Sequence[Item],
    hear: Heard,
) -> Iterator[Ended]:
    """Write the runs into the ledger, then have the scheduler's workers do them. A scheduler that does not answer is
    found out first: nothing is left behind for it."""
    from cortex.runner import asking, engine
    from cortex.runner import cluster as engine_dask

    ready = []
    for item, plan in zip(items, planned, strict=True):
        try:  # a client without a schema is refused before the control schema, which opening makes, is touched
            asking.provisioned(shell.database, item.code, shell.workspace.state)
            ready.append((item, plan))
        except CortexError as failure:
            yield item, failure
    if not ready:
        return
    with cluster.client() as client, shell.control() as control:
        queued = [
            replace(item, run_id=engine.enqueue(tenant, recipe, window, steps, control, resume=item.resume))
            for item, (tenant, window, steps) in ready
        ]
        yield from engine_dask.perform(queued, control, client, hear, shell.say)


class _Talk:
    """What is said of one client's run, held back until it ends: runs that go on at once are not told at once."""

    def __init__(self, shell: Shell, tenant: Tenant, recipe: Recipe, window: Window, names: Sequence[str]) -> None:
        from cortex.cli.progress import Progress

        self.shell, self.held = shell, replace(shell, err=io.StringIO())
        self.held.say(_heading(tenant, recipe, window))
        self.progress = Progress(self.held, names)
        self.progress.__enter__()

    def hear(self, name: str, news: StepResult | int) -> None:
        self.progress.hear(name, news)

    def end(self, ended: RunResult | CortexError) -> None:
        self.progress.__exit__()
        if not isinstance(ended, CortexError):
            _close(self.held, ended)
        said = self.held.err.getvalue()  # type: ignore[attr-defined]  # a StringIO
        print(said, end="", file=self.shell.err, flush=True)


def _one(
    shell: Shell,
    tenant: Tenant,
    recipe: Recipe,
    window: Window,
    steps: Sequence[Planned],
    how: How,
) -> RunResult:
    from cortex.cli.progress import Progress
    from cortex.clock import system_clock
    from cortex.runner import engine

    shell.say(_heading(tenant, recipe, window))
    with Progress(shell, [planned.name for planned in steps]) as progress:
        result = engine.execute(
            tenant, recipe, window, steps, workspace=shell.workspace, database=shell.database,
            clock=system_clock(), resume=how.resume, wait=how.wait, listen=progress.hear,
            save_raw=how.save_raw,
        )  # fmt: skip
    _close(shell, result)
    return result


def _heading(tenant: Tenant, recipe: Recipe, window: Window) -> str:
    lookback = f" (lookback {window.days - 1})" if recipe.lookback else ""
    return f"{tenant.code} · {recipe.name} · {window}{lookback}"


def _close(shell: Shell, result: RunResult) -> None:
    """What there is to say when a run is over."""
    for notice in result.notices:
        shell.say(f" ! {notice.stream}: {notice.message}")
    for error in result.errors:
        shell.complain(error)
    verdict = {"ok": "Done", "partial": "Finished with failures", "failed": "Failed", "cancelled": "Cancelled"}[
        result.status
    ]
    shell.say(f"{verdict} in {result.seconds:.1f} s · run {result.run_id}")


def _answer(
    shell: Shell,
    command: str,
    options: str,
    tenants: Sequence[Tenant],
    results: list[RunResult],
    failures: dict[str, CortexError],
) -> Answer:
    single = len(tenants) == 1 and not failures
    data = [_facts(result) for result in results]
    broken = [result.tenant for result in results if result.failed] + list(failures)
    warnings = [
        {"code": notice.code, "message": f"{result.tenant} {notice.stream}: {notice.message}"}
        for result in results
        for notice in result.notices
    ]
    if single:
        result = results[0]
        error = next((step.error for step in result.failed), None)
        return Answer(
            data=data[0], client=result.tenant, run_id=result.run_id, warnings=warnings, error=error,
            exit_code=result.exit_code, next=_next(result, command, options, broken=bool(broken)),
        )  # fmt: skip
    if command == "backfill" or len(results) > 1:
        _overview(shell, results)
    if not broken:
        return Answer(data=data, warnings=warnings, next=["cortex status"])
    good = sum(not result.failed for result in results)
    failure = _verdict(command, options, good, broken)
    shell.complain(failure)
    data += [{"client": code, "error": error_facts(each)} for code, each in failures.items()]
    again = [f"cortex {command} {code}{options}" for code in broken]
    return Answer(data=data, warnings=warnings, error=failure, next=again)


def _verdict(command: str, options: str, good: int, broken: Sequence[str]) -> CortexError:
    """What to call it when some clients failed, or all."""
    codes, again = ", ".join(broken), f"cortex {command} {broken[0]}{options}"
    if good:
        return PartialFailure("CTX-9003", f"{len(broken)} of {good + len(broken)} clients failed: {codes}.", fix=again)
    return CortexError("CTX-9002", f"Every client failed: {codes}.", fix=again)


def _overview(shell: Shell, results: Sequence[RunResult]) -> None:
    rows = []
    for result in results:
        loaded = [step.outcome.facts for step in result.steps if step.name.startswith("store.orders")]
        orders = sum(int(facts.get("orders", 0)) for facts in loaded)
        paid = sum((Decimal(facts.get("paid", 0)) for facts in loaded), Decimal(0))
        currency = next((facts["currency"] for facts in loaded if "currency" in facts), "BRL")
        rows.append([result.tenant, result.status, orders, brl(paid, currency), f"{result.seconds:.1f}"])
    shell.table(["client", "status", "orders read", "paid", "s"], rows, right=("orders read", "paid", "s"))


def _facts(result: RunResult) -> dict[str, Any]:
    return {
        "client": result.tenant,
        "run_id": result.run_id,
        "pipeline": result.pipeline,
        "since": result.window.since,
        "until": result.window.until,
        "status": result.status,
        "seconds": round(result.seconds, 3),
        "steps": [_step_facts(step) for step in result.steps],
        "notices": [
            {
                "stream": notice.stream,
                "code": notice.code,
                "message": notice.message,
                "count": notice.count,
                "value": notice.value,
            }
            for notice in result.notices
        ],
    }


def _step_facts(step: StepResult) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": step.name,
        "status": step.status,
        "rows": step.outcome.rows,
        "ms": round(step.seconds * 1000),
        "summary": step.outcome.summary,
        "facts": step.outcome.facts,
    }
    if step.error is not None:
        facts["error"] = error_facts(step.error)
    return facts


def _preview(shell: Shell, tenant: Tenant, window: Window, steps: Sequence[Planned], recipe: Recipe) -> dict[str, Any]:
    shell.say(f"{tenant.code} · {recipe.name} · {window}: {len(steps)} steps, nothing is run")
    shell.table(["step", "days"], [[planned.name, str(planned.window)] for planned in steps])
    return {
        "client": tenant.code,
        "since": window.since,
        "until": window.until,
        "steps": [
            {"name": planned.name, "since": planned.window.since, "until": planned.window.until} for planned in steps
        ],
    }


def _next(result: RunResult, command: str, options: str, *, broken: bool) -> list[str]:
    if not broken:
        return [f"cortex status {result.tenant}", f"cortex report {result.tenant}"]
    again = f"cortex {command} {result.tenant}{options}"
    if result.pipeline != "backfill" and "--only" not in options:
        again += f" --only {result.failed[0].name.split('@')[0]}"
    return [f"cortex doctor {result.tenant}", again]


def _tenants(
    shell: Shell, codes: Sequence[str], *, everyone: bool, verb: str
) -> tuple[list[Tenant], dict[str, CortexError]]:
    """The clients to run, and those whose files are broken: one broken file does not stop the others."""
    from cortex import tenant

    if everyone and codes:
        raise UsageError("CTX-1015", "Name clients or use --all, not both.")
    if not everyone:
        if not codes:
            raise UsageError("CTX-1017", "No client was named.", fix=f"cortex {verb} CLIENT, or cortex {verb} --all")
        return _named(shell, list(dict.fromkeys(codes)))
    found: list[Tenant] = []
    broken: dict[str, CortexError] = {}
    for code, each in zip(shell.workspace.tenant_codes(), tenant.load_each(shell.workspace), strict=True):
        if isinstance(each, CortexError):
            broken[code] = each
            shell.complain(each)
        elif each.active:
            found.append(each)
    if not found and not broken:
        raise UsageError("CTX-1016", f"No client files in {shell.workspace.tenants}.", fix="cortex onboard CLIENT")
    return found, broken


def _named(shell: Shell, codes: Sequence[str]) -> tuple[list[Tenant], dict[str, CortexError]]:
    """The clients of these codes; of several the broken files apart. Raises UsageError for a code that has no file."""
    from cortex import tenant

    found: list[Tenant] = []
    broken: dict[str, CortexError] = {}
    for code in codes:
        try:
            found.append(tenant.load(shell.workspace, code))
        except ConfigError as error:
            if len(codes) == 1:
                raise
            broken[code] = error
    for each in broken.values():
        shell.complain(each)
    return found, broken


def _seconds(text: str) -> float:
    if not text:
        return 0.0
    match = re.fullmatch(r"(\d+)(s|m|h)", text)
    if match is None:
        raise UsageError("CTX-1019", f"--wait {text!r} is not a time.", fix="Write it as 30s, 10m or 1h.")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]
