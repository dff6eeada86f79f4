"""An agency's API to ask questions of: two clients on an engine, keys for them, and what is seen of an answer."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from cortex.warehouse import Warehouse, provision
from cortex.warehouse import engine as engines
from cortex.web.app import build
from cortex.web.house import House
from cortex.workspace import Workspace

FILE = """\
client: {{name: "{name}", code: {code}, timezone: America/Sao_Paulo}}
ecommerce: {{platform: nuvemshop, store_id: "1"}}
"""


@dataclass
class Site:
    """The server, in this process. `first` and `second` are clients; keys are made as they are asked for."""

    house: House
    first: str
    second: str
    asking: TestClient
    _keys: dict[tuple[str, str], str] = field(default_factory=dict)

    def key(self, role: str = "viewer", client: str = "") -> str:
        """A key; of all clients when none is named."""
        if (role, client) not in self._keys:
            self._keys[role, client] = self.house.control.callers.create(
                f"{role} {client or 'all'}", role=role, client=client, actor="cli:test", at=datetime.now(UTC)
            )
        return self._keys[role, client]

    def get(self, path: str, *, key: str = "", **query: Any) -> Any:
        """Of the first client, unless the path begins with a slash."""
        where = path if path.startswith("/") else f"/api/v1/clients/{self.first}/{path}"
        return self.asking.get(where, params=query or None, headers=bearer(key or self.key()))

    def post(self, wish: Any, *, key: str = "", client: str = "", once: str = "") -> Any:
        headers = bearer(key or self.key("admin")) | ({"Idempotency-Key": once} if once else {})
        return self.asking.post(f"/api/v1/clients/{client or self.first}/runs", json=wish, headers=headers)

    @contextmanager
    def warehouse(self, code: str = "") -> Iterator[Warehouse]:
        with Warehouse.open(self.house.database, code or self.first, self.house.workspace.state) as opened:
            yield opened


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@contextmanager
def site(root: Path, database: str, **house: Any) -> Iterator[Site]:
    """Two provisioned clients and the API before them. house: more of a House."""
    codes = [f"t{uuid.uuid4().hex[:16]}" for _ in range(2)]
    workspace = Workspace(root)
    workspace.tenants.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        for code in codes:
            (workspace.tenants / f"{code}.yaml").write_text(FILE.format(name=f"Loja {code}", code=code))
            stack.callback(engines.drop, engines.tenant_place(database, code, workspace.state))
            provision.apply(database, code, workspace.state)
        served = House(workspace, database, **house)
        stack.callback(served.close)
        asking = stack.enter_context(TestClient(build(served), follow_redirects=False))
        yield Site(served, *codes, asking)
