"""Work: one item, the run of one client, as any process can do it: in this one, in a child, on another machine."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path

from cortex import tenant as tenants
from cortex.clock import Window, system_clock
from cortex.errors import Busy, CortexError
from cortex.run import Recipe
from cortex.runner import engine, plan, recipes
from cortex.runner.engine import Listener, RunResult
from cortex.runner.lease import is_dead
from cortex.runner.stopping import Stop
from cortex.warehouse import Control
from cortex.workspace import Workspace


@dataclass(frozen=True)
class Item:
    """Which steps of which recipe over which local days for which client. Travels between processes and machines.

    run_id: of the queue, empty for a run asked for here. resume, wait, save_raw: as `engine.execute`.
    """

    code: str
    pipeline: str
    since: date
    until: date
    steps: tuple[str, ...]
    resume: bool = False
    wait: float = 0.0
    run_id: str = ""
    save_raw: Path | None = None


@dataclass
class Desk:
    """What a process keeps open between two items: the control schema and the recipes it has read."""

    workspace: Workspace
    database: str
    _recipes: dict[str, Recipe] = field(default_factory=dict)

    @cached_property
    def control(self) -> Control:
        return Control.open(self.database, self.workspace.state)

    def close(self) -> None:
        if "control" in self.__dict__:
            self.control.close()

    def recipe(self, name: str) -> Recipe:
        if name not in self._recipes:
            self._recipes[name] = recipes.load(self.workspace, name)
        return self._recipes[name]

    def perform(self, item: Item, listen: Listener = lambda _name, _news: None) -> RunResult:
        """Do an item. Raises what `engine.execute` does, and ConfigError when the client's file is broken."""
        client = tenants.load(self.workspace, item.code)
        recipe, window = self.recipe(item.pipeline), Window(item.since, item.until)
        wanted = set(item.steps)
        steps = [planned for planned in plan.steps(client, recipe, window) if planned.name in wanted]
        # A client without a schema is refused before the control schema, which opening makes, is touched.
        control = self.control if item.run_id or "control" in self.__dict__ else None
        result = engine.execute(
            client, recipe, window, steps, workspace=self.workspace, database=self.database, clock=system_clock(),
            resume=item.resume, wait=item.wait, listen=listen, control=control, run_id=item.run_id,
            save_raw=item.save_raw,
        )  # fmt: skip
        _ = self.control
        return result

    def fulfil(self, item: Item, listen: Listener = lambda _name, _news: None) -> RunResult:
        """Do a run of the queue. One that cannot begin (broken file, no schema) is noted as failed, so that it does
        not come back for ever. Raises as `perform`; Busy when somebody else has it or it is over."""
        try:
            return self.perform(item, listen)
        except Busy:
            raise
        except CortexError as failure:
            self.control.finish_run(item.run_id, status="failed", ended_at=engine.wall(), exit_code=failure.exit_code)
            raise


def queued(control: Control) -> Iterator[Item]:
    """Runs of the queue nobody is doing, the one that waits longest first: new ones, and those whose worker died."""
    for row in control.queue():
        holder = control.holder(f"tenant:{row['tenant']}") if row["held"] else None
        if holder is not None and not is_dead(holder["host"]):
            continue
        if row["status"] == "cancelling":
            control.finish_run(row["run_id"], status="cancelled", ended_at=engine.wall(), exit_code=130)
            continue
        steps = tuple(step["step"] for step in control.steps(row["run_id"]))
        yield Item(row["tenant"], row["pipeline"], row["since"], row["until"], steps, run_id=row["run_id"])


def serve(desk: Desk, say: Callable[[str], None], *, drain: bool, pause: float) -> None:
    """Do what is queued until told to stop; `drain`: until nothing is queued any more.

    say: hears a line when a run ends. pause: seconds between two looks at an empty queue.
    """
    with Stop() as stop:
        while True:
            stop.check()
            if _next(desk, say):
                continue
            if drain and not desk.control.queue():
                return
            time.sleep(pause * random.uniform(0.5, 1.5))


def _next(desk: Desk, say: Callable[[str], None]) -> bool:
    """Do the first item of the queue nobody else takes. False when there is none."""
    for item in queued(desk.control):
        try:
            result = desk.fulfil(item)
            say(f"{item.code} · {item.pipeline} · {result.status} in {result.seconds:.1f} s · run {item.run_id}")
            for error in result.errors:
                say(f"{item.code} · {error}")
        except Busy:
            continue
        except CortexError as failure:
            say(f"{item.code} · {item.pipeline} · {failure} · run {item.run_id}")
        return True
    return False
