"""Provision: ask every platform a client has enabled who we are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cortex import plugins
from cortex.ads import AdPlatform
from cortex.clock import Clock
from cortex.destinations import Destination
from cortex.errors import CortexError
from cortex.records import Account
from cortex.secrets import Vault
from cortex.settings import Access, Adapter
from cortex.stores import Store
from cortex.traffic import Traffic
from cortex.workspace import Workspace

if TYPE_CHECKING:
    from cortex.tenant import Tenant

ROOMS: dict[str, tuple[str, type[Adapter]]] = {
    "ecommerce": ("stores", Store),
    "ads": ("ads", AdPlatform),
    "analytics": ("traffic", Traffic),
    "offline_conversions": ("destinations", Destination),
}
"""By block of the client file: the room of its adapters and what they are."""


@dataclass(frozen=True)
class Checked:
    """What a platform said to "who am I?"."""

    block: str
    kind: str
    docs: str
    account: Account | None = None
    error: CortexError | None = None

    @property
    def name(self) -> str:
        return f"{self.block}.{self.kind}"


def check(tenant: Tenant, workspace: Workspace, clock: Clock) -> Iterator[Checked]:
    """Every enabled platform in turn. One that refuses does not stop the next."""
    access = Access(tenant.code, Vault(tenant.code, workspace.root), tenant.timezone, clock)
    for block, kind, config in tenant.platforms():
        room, of = ROOMS[block]
        adapter = plugins.adapter(room, kind, of)
        try:
            account = adapter(config, access).check()  # type: ignore[attr-defined]  # every room's adapter defines it
            yield Checked(block, kind, adapter.docs, account)
        except CortexError as error:
            yield Checked(block, kind, adapter.docs, error=error)
