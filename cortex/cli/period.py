"""Which days a command shows, by --days, --from and --to."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from cortex.cli.shell import as_day
from cortex.errors import UsageError

if TYPE_CHECKING:
    from cortex.clock import Window
    from cortex.warehouse import Warehouse


def within(days: int) -> int:
    """Raises UsageError CTX-1008 for more days than a command takes, or none."""
    from cortex.runner.plan import LONGEST

    if not 1 <= days <= LONGEST:
        raise UsageError("CTX-1008", f"--days {days} is out of range.", fix=f"Use 1 to {LONGEST}.")
    return days


def shown(warehouse: Warehouse, days: int, since: str, last: str) -> Window:
    """The days from `since` to `last`; by default so many, ending with the last one loaded. Raises UsageError."""
    from cortex.clock import Window
    from cortex.steps import reporting

    end = as_day(last) or reporting.last_day(warehouse)
    begin = as_day(since) or end - timedelta(days=within(days) - 1)
    if begin > end:
        raise UsageError("CTX-1027", f"The period {begin} to {end} is empty.")
    return Window(begin, end + timedelta(days=1))
