"""Run: everything a step may touch, and nothing it may not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from cortex import plugins
from cortex.clock import Clock, Window
from cortex.errors import BadRecord
from cortex.limits import UNSHARED, Keeper
from cortex.records import Notice
from cortex.settings import Access, Adapter, PlatformSection
from cortex.workspace import Workspace

if TYPE_CHECKING:
    from cortex.secrets import Vault
    from cortex.tenant import Tenant
    from cortex.warehouse import Warehouse

A = TypeVar("A", bound=Adapter)

Reread = Literal["none", "daily", "weekly"]


@dataclass
class Outcome:
    """What a step did: rows for the ledger, one line for people, figures for `--json`."""

    rows: int = 0
    summary: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class Run:
    """One run of one tenant over one window.

    reread: how much of what platforms restate is read again. window: tenant-local days. Nothing in a Run is shared
    with another tenant's.
    """

    tenant: Tenant
    window: Window
    workspace: Workspace
    warehouse: Warehouse
    vault: Vault
    clock: Clock
    run_id: str
    reread: Reread = "daily"
    log: Any = None
    notices: list[Notice] = field(default_factory=list)
    quarantined: list[BadRecord] = field(default_factory=list)
    limits: Keeper = UNSHARED
    attempt: int = 1
    """Which try of the step in hand this is, over all attempts of the run."""
    save_raw: Path | None = None
    """Folder that also receives the orders as they were read, without what is personal in them."""
    progress: Callable[[int], None] = lambda _rows: None
    """Told how many rows a step has handled so far."""

    def now(self) -> datetime:
        return self.clock()

    def access(self) -> Access:
        return Access(
            tenant=self.tenant.code,
            vault=self.vault,
            timezone=self.tenant.timezone,
            clock=self.clock,
            notice=self.notices.append,
            quarantine=self.quarantined.append,
            limits=self.limits,
        )

    def adapter(self, room: str, kind: str, of: type[A], config: PlatformSection) -> A:
        """The tenant's own instance of an adapter, with a place in whatever it shares until the step ends.

        Raises Throttled when no place comes free.
        """
        made: A = plugins.adapter(room, kind, of)(config, self.access())
        self.limits.enter(made.budgets())
        return made


Work = Callable[[Run], Outcome]


@dataclass(frozen=True)
class Step:
    """One part of a recipe for one tenant.

    needs: steps whose failure makes this one pointless. reads: it only brings in what a platform says, so that once
    done it need not be done again when the run is resumed.
    """

    name: str
    work: Work
    needs: tuple[str, ...] = ()
    reads: bool = False


Verb = Callable[["Tenant"], Iterable[Step]]
"""A line of a recipe: the steps it means for a tenant (`pull.ads` is one step per enabled platform)."""


@dataclass(frozen=True)
class Recipe:
    """A pipeline as its file states it.

    steps: verbs in order. chunks: verbs repeated for each piece of `chunk_days` days, newest first, before `steps`.
    lookback: whether the tenant's `etl.lookback_days` widens the window.
    """

    name: str
    about: str
    steps: Sequence[Verb]
    chunks: Sequence[Verb] = ()
    chunk_days: int = 7
    reread: Reread = "daily"
    lookback: bool = True
