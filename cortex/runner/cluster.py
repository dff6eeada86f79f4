"""Cluster: runs done by the workers of a Dask scheduler, on as many machines as it has (`cortex[distributed]`).

The ledger stays the truth. Each run is written there as queued; what travels is its id, client code, days and steps. A
worker reads workspace, database and credentials from its own environment. A worker that dies loses nothing: the
scheduler gives its run to another, and what no worker did any `cortex worker` can do.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from cortex import logs
from cortex.errors import Busy, CortexError, PolicyRefusal, Transient, UsageError
from cortex.runner import engine
from cortex.runner.engine import RunResult
from cortex.runner.lease import LEASE
from cortex.runner.pool import Ended, Heard
from cortex.runner.stopping import Stop
from cortex.runner.work import Desk, Item
from cortex.secrets import database_url, read_dotenv
from cortex.settings import LOOPBACK
from cortex.warehouse import Control
from cortex.workspace import Workspace

LOOK = 0.2
"""Seconds between two looks at what ended, and at what was asked of this process."""
CONNECT = 15
"""Seconds the scheduler has to answer."""
OUTLAST = LEASE.total_seconds() + 60
"""Seconds a run waits for the lease of a worker that died on another machine, where nobody can see that it did."""

_alone = threading.Lock()
"""One run at a time in a process, however many threads a worker was given: its log file is the process's."""


@dataclass(frozen=True)
class Cluster:
    """Where the scheduler answers, and the PEM files of its authority and of our certificate and key."""

    scheduler: str
    ca: str = ""
    certificate: str = ""
    key: str = ""

    @classmethod
    def named(cls, scheduler: str, workspace: Workspace) -> Cluster:
        """As --scheduler says, else CORTEX_SCHEDULER; files as CORTEX_SCHEDULER_CA, _CERT and _KEY (environment, `.env`).

        Raises UsageError when none is named, PolicyRefusal for one that anybody could speak to.
        """
        said: Mapping[str, str] = read_dotenv(workspace.root / ".env") | dict(os.environ)
        address = scheduler or said.get("CORTEX_SCHEDULER", "")
        if not address:
            raise UsageError(
                "CTX-5104", "The engine dask needs a scheduler.", fix="--scheduler tls://HOST:8786, or CORTEX_SCHEDULER"
            )
        found = cls(address, *(said.get(f"CORTEX_SCHEDULER_{name}", "") for name in ("CA", "CERT", "KEY")))
        parts = urlsplit(address)
        if parts.scheme != "tls" and not (parts.scheme == "tcp" and parts.hostname in LOOPBACK):
            raise PolicyRefusal(
                "CTX-5103",
                f"{address} is no tls:// address: whoever reaches such a scheduler runs code on its workers.",
                fix="Start it with --tls-ca-file, --tls-cert and --tls-key, and name it as tls://HOST:PORT.",
            )
        if parts.scheme == "tls" and not (found.ca and found.certificate and found.key):
            raise UsageError(
                "CTX-5104",
                "A tls:// scheduler needs the files that prove who speaks to it.",
                fix="Set CORTEX_SCHEDULER_CA, CORTEX_SCHEDULER_CERT and CORTEX_SCHEDULER_KEY to paths of PEM files.",
            )
        return found

    def client(self) -> Any:
        """A connected `distributed.Client`. Raises UsageError without the extra, Transient when nobody answers."""
        try:
            from distributed import Client
            from distributed.security import Security
        except ImportError:
            raise UsageError(
                "CTX-5105", "The engine dask is not installed.", fix="pip install 'cortex-ecom[distributed]'"
            ) from None
        for library in ("distributed", "tornado"):  # what matters of their talk is raised as a named error
            logging.getLogger(library).setLevel(logging.CRITICAL)
        security = (
            Security(
                tls_ca_file=self.ca,
                tls_client_cert=self.certificate,
                tls_client_key=self.key,
                require_encryption=True,
            )
            if self.scheduler.startswith("tls:")
            else None
        )
        try:
            return Client(self.scheduler, security=security, timeout=CONNECT, set_as_default=False)
        except (OSError, ValueError, TypeError) as failure:
            raise Transient(
                "CTX-5106",
                f"The scheduler {self.scheduler} does not answer, or not to us ({type(failure).__name__}).",
                fix="Compare address and certificates with those it was started with.",
            ) from None


def perform(
    items: Sequence[Item], control: Control, client: Any, hear: Heard, say: Callable[[str], None]
) -> Iterator[Ended]:
    """Have queued runs done; each yields as it ends, in any order. client: of `Cluster.client()`.

    Told to stop it cancels what is left, as `cortex runs cancel` does, and raises Stopped.
    """
    with Stop() as stop:
        if not client.scheduler_info()["workers"]:
            say("The scheduler has no workers yet; the runs wait for the first.")
        pending = {
            # The run's id is the task's: what was left to the scheduler before is not done again.
            client.submit(do, replace(item, wait=OUTLAST), key=f"cortex-{item.run_id}", pure=False): item
            for item in items
        }
        while pending:
            if stop.number:
                for item in pending.values():
                    control.cancel(item.run_id, at=engine.wall())
                stop.check()
            time.sleep(LOOK)
            for future in [future for future in pending if future.status != "pending"]:
                item = pending.pop(future)
                ended = _result(future, item, control)
                for step in ended.steps if isinstance(ended, RunResult) else ():
                    hear(item, step.name, step)
                yield item, ended


def _result(future: Any, item: Item, control: Control) -> RunResult | CortexError:
    if future.status == "finished":
        found: RunResult | CortexError = future.result()
        if not (isinstance(found, CortexError) and found.code == "CTX-5030"):
            return found
        return _done_elsewhere(item, control) or found
    if future.status == "error":
        return CortexError(
            "CTX-5108",
            f"The workers that tried the run of {item.code} died ({type(future.exception()).__name__}).",
            fix=f"cortex logs {item.code} on the workers; the run stays in the queue for `cortex worker`.",
        )
    return Transient(
        "CTX-5107",
        f"The scheduler went away during the run of {item.code}; the run stays in the ledger.",
        fix="cortex worker --drain does what is left, or start the scheduler and run again with --resume.",
    )


def _done_elsewhere(item: Item, control: Control) -> RunResult | CortexError | None:
    """What the ledger says of a run that a `cortex worker` took before the scheduler's did."""
    row = control.run(item.run_id)
    if row is None or row["status"] in {"queued", "cancelled"}:
        return None
    steps = [engine.recorded(step) for step in control.steps(item.run_id)]
    return RunResult(item.code, item.pipeline, item.run_id, engine.window_of(row), steps)


def do(item: Item) -> RunResult | CortexError:
    """On a worker: one queued run, with the workspace, database and credentials this machine has. Raises nothing, so
    that no traceback travels."""
    with _alone:
        logs.configure(quiet=True)
        try:
            workspace = Workspace.find()
            desk = Desk(workspace, database_url(workspace.root))
        except CortexError as failure:
            return failure
        try:
            return desk.fulfil(item)
        except Busy as busy:
            return busy
        except CortexError as failure:
            return failure
        except Exception as failure:  # noqa: BLE001  # as in pool: one broken client is one client's failure
            return CortexError("CTX-9001", f"The run of {item.code} broke: {type(failure).__name__}.")
        finally:
            desk.close()
