"""The house: what the server keeps open between two requests: the control schema, clients' schemas and files, answers."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, TypeVar

import msgspec

from cortex import tenant as tenants
from cortex.clock import Window
from cortex.errors import DatabaseError
from cortex.steps import reporting, showing
from cortex.tenant import Tenant
from cortex.warehouse import Control, Warehouse
from cortex.web.cache import Cache
from cortex.web.limiting import PER_ADDRESS, PER_KEY, Limiter
from cortex.workspace import Workspace

T = TypeVar("T")
OPEN = 32
"""Clients' schemas kept open; beyond this the one asked for longest ago is closed."""


@dataclass
class House:
    """One agency's server. Safe to share between threads. Opening `control` makes or migrates that schema."""

    workspace: Workspace
    database: str
    cache: Cache = field(default_factory=Cache)
    keys: Limiter = field(default_factory=lambda: Limiter(PER_KEY))
    addresses: Limiter = field(default_factory=lambda: Limiter(PER_ADDRESS))
    _open: OrderedDict[str, Warehouse] = field(default_factory=OrderedDict)
    _files: dict[str, tuple[tuple[int, int], Tenant]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def control(self) -> Control:
        return Control.open(self.database, self.workspace.state)

    def close(self) -> None:
        if "control" in self.__dict__:
            self.control.close()
        with self._lock:
            while self._open:
                self._open.popitem()[1].close()

    def tenant(self, code: str) -> Tenant:
        """A client's file as it is now; read again only when it was changed. Raises ConfigError when it is broken.

        code: one of the workspace's: nothing a caller wrote may become a path.
        """
        status = (self.workspace.tenants / f"{code}.yaml").stat()
        stamp = (status.st_mtime_ns, status.st_size)
        known = self._files.get(code)
        if known is None or known[0] != stamp:
            known = self._files[code] = (stamp, tenants.load(self.workspace, code))
        return known[1]

    def open(self, code: str) -> Client:
        """A client to look at. Raises ConfigError, and DatabaseError as `Warehouse.open` does."""
        tenant = self.tenant(code)
        warehouse = self._warehouse(code)
        try:
            version = warehouse.version()
        except DatabaseError:
            self._forget(code)  # it may have been moved, or its password changed: the next request opens it anew
            raise
        return Client(tenant, warehouse, f"{tenant.sha256} {version}", self.cache)

    def _warehouse(self, code: str) -> Warehouse:
        with self._lock:
            found = self._open.get(code)
            if found is not None:
                self._open.move_to_end(code)
                return found
        opened = Warehouse.open(self.database, code, self.workspace.state, read_only=True)
        with self._lock:
            if code in self._open:  # another thread was quicker
                opened.close()
                return self._open[code]
            self._open[code] = opened
            while len(self._open) > OPEN:
                self._open.popitem(last=False)[1].close()  # a thread that still reads keeps its connection
            return opened

    def _forget(self, code: str) -> None:
        with self._lock:
            gone = self._open.pop(code, None)
        if gone is not None:
            gone.close()


@dataclass(frozen=True)
class Client:
    """A client open to be looked at, as its data was when the request began or newer."""

    tenant: Tenant
    warehouse: Warehouse
    version: str
    cache: Cache

    @property
    def code(self) -> str:
        return self.tenant.code

    @property
    def extent(self) -> Window:
        """The local days there is anything to show of. Raises DatabaseError CTX-5064 when nothing has been loaded."""
        return self.kept("extent", (), lambda: showing.extent(self.warehouse))

    @property
    def last_day(self) -> date:
        """The last of them that is whole."""
        return self.kept("last day", (), lambda: reporting.last_day(self.warehouse))

    def kept(self, question: str, parameters: tuple[Any, ...], make: Callable[[], T]) -> T:
        """The answer to a question about this client's data, made once for each version of it."""
        return self.cache.get((self.code, self.version, question, parameters), make)

    def body(self, question: str, parameters: tuple[Any, ...], make: Callable[[], Any]) -> bytes:
        """The same as JSON: money and rates as decimal strings, days and instants as ISO 8601."""
        return self.kept(question, parameters, lambda: msgspec.json.encode(make()))
