"""Provision: what a new client needs, in the order it is needed, each part safe to repeat."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cortex import plugins
from cortex.ads import AdPlatform
from cortex.clock import Clock
from cortex.destinations import Destination
from cortex.errors import CortexError
from cortex.records import Account
from cortex.secrets import Vault
from cortex.settings import Access, Adapter, PlatformSection
from cortex.stores import Store
from cortex.traffic import Traffic
from cortex.workspace import Workspace

if TYPE_CHECKING:
    from cortex.tenant import Tenant

ROOMS: dict[str, type[Adapter]] = {"stores": Store, "ads": AdPlatform, "traffic": Traffic, "destinations": Destination}


@dataclass(frozen=True)
class Checked:
    """What a platform said to "who am I?"."""

    room: str
    kind: str
    account: Account | None = None
    error: CortexError | None = None

    @property
    def name(self) -> str:
        return {"stores": "store", "traffic": "analytics"}.get(self.room, self.room) + f".{self.kind}"


def platforms(tenant: Tenant) -> Iterator[tuple[str, str, PlatformSection]]:
    """(room, kind, config) of everything the tenant has enabled."""
    yield "stores", tenant.ecommerce.kind, tenant.ecommerce.config
    for room, blocks in (("ads", tenant.ads), ("traffic", tenant.traffic), ("destinations", tenant.destinations)):
        for kind, config in blocks.items():
            yield room, kind, config


def check(tenant: Tenant, workspace: Workspace, clock: Clock) -> Iterator[Checked]:
    """Ask every enabled platform who we are. One that refuses does not stop the next."""
    access = Access(tenant.code, Vault(tenant.code, workspace.root), tenant.timezone, clock)
    for room, kind, config in platforms(tenant):
        try:
            adapter = plugins.adapter(room, kind, ROOMS[room])(config, access)
            account = adapter.check()  # type: ignore[attr-defined]  # every room's adapter defines it
            yield Checked(room, kind, account)
        except CortexError as error:
            yield Checked(room, kind, error=error)


def write_kit(tenant: Tenant, workspace: Workspace) -> tuple[Path, list[str], bool]:
    """Render the tracking kit into `dist/`. Returns its path, its warnings, and whether anything changed."""
    from cortex.handoff import kit

    built = kit.build(kit_spec(tenant))
    path = workspace.dist / f"{tenant.code}-tracking.zip"
    before = _digest(path)
    kit.write_zip(built.files, path)
    return path, built.warnings, before != _digest(path)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
