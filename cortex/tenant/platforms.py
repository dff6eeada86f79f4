"""Which platforms a client file may name: the adapters that are installed, room by room."""

from __future__ import annotations

from typing import Protocol

from cortex import plugins
from cortex.ads import AdPlatform
from cortex.destinations import Destination
from cortex.settings import Adapter
from cortex.stores import Store
from cortex.traffic import Traffic

STORE = "ecommerce"
ROOMS = {"ecommerce": "stores", "ads": "ads", "analytics": "traffic", "offline_conversions": "destinations"}
"""Block of the client file -> room of its adapters. `ecommerce` names one platform, the others one key each."""

ANNOUNCED = {"ads": frozenset({"tiktok"})}
"""Platforms a file may mention while switched off although nothing here speaks to them yet."""


class Platforms(Protocol):
    """Where adapters are found."""

    def kinds(self, room: str) -> list[str]: ...

    def adapter(self, room: str, kind: str) -> type[Adapter]: ...


class Installed:
    """The adapters of this installation, imported one by one as files name them."""

    def kinds(self, room: str) -> list[str]:
        return plugins.kinds(room)

    def adapter(self, room: str, kind: str) -> type[Adapter]:
        match room:
            case "stores":
                return plugins.adapter(room, kind, Store)
            case "ads":
                return plugins.adapter(room, kind, AdPlatform)
            case "traffic":
                return plugins.adapter(room, kind, Traffic)
            case _:
                return plugins.adapter(room, kind, Destination)


INSTALLED = Installed()
