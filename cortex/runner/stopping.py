"""Stopping when asked: the work in hand is brought to its next boundary, then the process leaves in order."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

PATIENCE = 8.0
"""Seconds to the next boundary; a request that hangs longer is left where it is, as a killed process would leave it."""


class Stopped(BaseException):
    """SIGINT (exit code 130) or SIGTERM (143) asked this process to end. No failure of anything: nobody may catch it as one."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.exit_code = 128 + number


class Stop:
    """Turns SIGINT and SIGTERM into `Stopped` at the next `check()`: at once the second time, or after PATIENCE.

    Off the main thread, where Python takes no signals, it never asks for anything.
    """

    def __init__(self) -> None:
        self.number = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM):
                self._before[number] = signal.signal(number, self._asked)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raises Stopped when the process was asked to end."""
        if self.number:
            raise Stopped(self.number)

    def _asked(self, number: int, _frame: FrameType | None) -> None:
        if self.number:
            raise Stopped(self.number)
        if number != signal.SIGALRM:
            self.number = number
            signal.setitimer(signal.ITIMER_REAL, PATIENCE)
