"""Again: which failures of a step may pass by themselves, and the pause before it is tried again in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from cortex.errors import Busy, CortexError, Throttled
from cortex.run import Run
from cortex.runner.sharing import Sharing
from cortex.warehouse import Control

PAUSES = (5.0, 20.0)
"""Seconds before a step that failed of something that may pass is tried again; after the last it has failed."""
TICK = 0.5
"""Seconds between two looks, while it waits, at whether it should go on."""


def may_pass(error: CortexError) -> bool:
    """Whether trying again soon may help. A platform that asked to slow down was waited for as long as a run waits."""
    return error.retryable and not isinstance(error, Throttled)


def note(run: Run, name: str, control: Control, sharing: Sharing, code: str, said: str) -> None:
    """Write a failed try down and give its places to others meanwhile. The ledger itself may be what is away."""
    try:
        control.step_tried(run.run_id, name, error_code=code, error_message=said, leaving=sharing.left())
    except Busy:
        raise
    except CortexError as failure:
        run.log.info("the ledger could not be written", code=failure.code)


def wait(seconds: float, checks: Sequence[Callable[[], None]]) -> None:
    """The lease is renewed meanwhile, by its own thread."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, TICK))
        for check in checks:
            check()
