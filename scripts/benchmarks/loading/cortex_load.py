"""Cortex loads a shop: the step `store.orders` as `cortex run` calls it, into the real tables of a new client."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from meter import Meter

from cortex import tenant as tenants
from cortex.clock import Window
from cortex.run import Run
from cortex.secrets import Vault
from cortex.steps import pull
from cortex.warehouse import Warehouse, provision
from cortex.warehouse import engine as engines
from cortex.workspace import Workspace

CODE = f"bench{os.getpid()}"
FILE = """\
client: {{ name: "Bench", code: "{code}", timezone: "America/Sao_Paulo" }}
ecommerce: {{ platform: nuvemshop, store_id: "1234567", api_url: "{shop}" }}
etl: {{ batch_size: {batch} }}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shop")
    parser.add_argument("database")
    parser.add_argument("since", type=datetime.fromisoformat)
    parser.add_argument("days", type=int)
    parser.add_argument("--passes", type=int, default=1)
    parser.add_argument("--batch", type=int, default=1000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "tenants").mkdir()
        (root / "tenants" / f"{CODE}.yaml").write_text(FILE.format(code=CODE, shop=asked.shop, batch=asked.batch))
        workspace = Workspace(root)
        provision.apply(asked.database, CODE, workspace.state)
        vault = Vault(
            CODE, root, {"CORTEX_NUVEMSHOP_TOKEN": "of-nobody", f"CORTEX_{CODE.upper()}_IDENTITY_KEY": "k" * 40}
        )
        since = asked.since.astimezone(UTC).date()
        clock = asked.since + timedelta(days=asked.days + 1)
        with Warehouse.open(asked.database, CODE, workspace.state) as warehouse:
            meter = Meter(asked.database)
            for _ in range(asked.passes):
                run = Run(
                    tenants.load(workspace, CODE), Window(since, since + timedelta(days=asked.days)), workspace,
                    warehouse, vault, lambda: clock, f"{time.time_ns():x}", reread="none",
                )  # fmt: skip
                meter.start()
                meter.stop(pull.orders(run).rows)
        engines.drop(engines.tenant_place(asked.database, CODE, workspace.state))


if __name__ == "__main__":
    main()
