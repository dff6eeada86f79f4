"""Sharing: what one run takes of the budgets that all clients, processes and machines use up together.

Places are held while a step works. A pause a platform asks for is written down for everybody; everybody looks before
calling. The counts are in the control schema: whoever reaches it keeps to them.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from functools import cached_property

from cortex.errors import Throttled
from cortex.limits import Limit, Pace, Scope
from cortex.logs import logger
from cortex.runner.lease import LEASE, here, is_dead
from cortex.warehouse import Control

LOOK = 1.0
"""Seconds for which a look at the pauses holds: a pause reaches every run within it."""
PATIENCE = 1800.0
"""Longest wait for a place, in seconds: longer than any one client's reading of a day."""
LONGEST = 3600.0
"""Longest pause kept, in seconds: after an hour one call finds out whether it is over."""
SPREAD = 0.1
"""Share of a pause by which callers come back apart from each other."""


class Sharing:
    """One run's part in what is shared. `checks` are passed while it waits: each may raise to end the run."""

    def __init__(
        self,
        control: Control,
        run_id: str,
        checks: Sequence[Callable[[], None]] = (),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._control, self._run_id, self._checks, self._sleep = control, run_id, checks, sleep
        self._entered = False

    def enter(self, shared: Sequence[Limit]) -> None:
        """Wait for a place in each limit that has places. Raises Throttled CTX-5102 after PATIENCE."""
        places = {limit.name: limit.at_once for limit in shared if limit.at_once}
        if not places:
            return
        begun, told = time.monotonic(), False
        while full := self._control.enter(places, owner=self._run_id, host=here(), ttl=LEASE, is_dead=is_dead):
            if time.monotonic() - begun > PATIENCE:
                raise Throttled(
                    "CTX-5102", f"All places of {full} were taken for {PATIENCE / 60:.0f} minutes.", scope="app"
                )
            if not told:
                logger(run_id=self._run_id).info("waiting for a place", limit=full)
                told = True
            for check in self._checks:
                check()
            self._sleep(random.uniform(0.2, 0.8))
        self._entered = True

    def left(self) -> bool:
        """The step is over. Whether it has places to give back (`Control.step_finished(leaving=True)` does it)."""
        entered, self._entered = self._entered, False
        return entered

    def pace(self, shared: Sequence[Limit]) -> Pace:
        return _Pace(self._control, shared, self._run_id)


class _Pace:
    """What the calls of one adapter pass."""

    def __init__(self, control: Control, shared: Sequence[Limit], run_id: str) -> None:
        self._control, self._shared, self._run_id = control, shared, run_id
        self._rated = [limit for limit in shared if limit.per_second]
        self._looked = -LOOK

    @cached_property
    def _names(self) -> list[str]:
        return [limit.name for limit in self._shared]

    def hold(self) -> float:
        """Seconds until the pauses of all it shares are over, else those its rates ask for."""
        if not self._names:
            return 0.0
        now = time.monotonic()
        if now - self._looked >= LOOK:
            pause = self._control.paused(self._names)
            if pause > 0:
                logger(run_id=self._run_id).info("pausing as another call was asked to", seconds=round(pause, 1))
                return pause * random.uniform(1.0, 1.0 + SPREAD)
            self._looked = now
        return max([0.0, *(self._control.spend(each.name, each.per_second, each.burst) for each in self._rated)])

    def told(self, scope: Scope, seconds: float) -> None:
        """Everybody who shares the budget that is spent keeps the pause."""
        names = [limit.name for limit in self._shared if limit.scope == scope]
        if names:
            self._control.pause(names, min(seconds, LONGEST))
