"""What a command would do to a database, or did."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """One thing to do, or done: create `database cortex_xyz`, apply `migration 0001_initial`, load `seed dim_dates`,
    create, replace or drop `view rpt_payments`, create or mend `user cortex_xyz_load`."""

    verb: str
    what: str

    def __str__(self) -> str:
        return f"{self.verb} {self.what}"
