"""Lease: the right to write to one client, renewed while the run lives; whoever loses it stops, and commits nothing."""

from __future__ import annotations

import os
import socket
import threading
import time
from datetime import timedelta
from pathlib import Path

from cortex.errors import Busy, CortexError
from cortex.warehouse import Control

LEASE = timedelta(minutes=5)
RENEW_EVERY = 20.0
OUTERMOST = "pid:[4026531836]"
"""The kernel's name for the process table of the machine itself (PROC_PID_INIT_INO)."""


def here() -> str:
    """This machine and process, as the ledger names them."""
    return f"{_machine()}:{os.getpid()}"


def _machine() -> str:
    """The machine's name; inside a container also its own count of processes, where pid 7 is another than outside."""
    try:
        own = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        own = ""
    return socket.gethostname()[:64] + (own.removeprefix("pid:") if own not in {"", OUTERMOST} else "")


def is_dead(host: str) -> bool:
    """Whether the process a lease names was one of this machine and has ended."""
    machine, _, pid = host.rpartition(":")
    if machine != _machine() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return _is_zombie(pid)


def _is_zombie(pid: str) -> bool:
    """Ended, but not yet asked for its exit code by the process that started it: it will write nothing any more."""
    try:
        # The name, in brackets, may hold anything: the state is the first word after the last bracket (proc_pid_stat(5)).
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state in {"Z", "X"}


class Lease:
    """Held inside the `with` block. `wait`: seconds to wait for another run of the client to end; Busy CTX-5011 after."""

    def __init__(self, control: Control, code: str, run_id: str, wait: float) -> None:
        self.control, self.name, self.run_id, self.wait = control, f"tenant:{code}", run_id, wait
        self.code = code
        self.lost = threading.Event()
        self.cancelled = threading.Event()
        self._stop = threading.Event()

    def __enter__(self) -> Lease:
        deadline = time.monotonic() + self.wait
        while True:
            now = self.control.now()
            epoch = self.control.acquire(self.name, owner=self.run_id, host=here(), ttl=LEASE, now=now)
            if epoch is not None:
                self.epoch = epoch
                break
            if self._freed():
                continue
            if time.monotonic() >= deadline:
                raise self._busy()
            time.sleep(min(1.0, max(0.05, deadline - time.monotonic())))
        self._renewed = time.monotonic()
        self._thread = threading.Thread(target=self._keep, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=5)
        self.control.release(self.name, owner=self.run_id, epoch=self.epoch)

    def beyond(self, epoch: int) -> None:
        """Count this lease past an epoch the client's schema knows already: the control schema is the younger one."""
        if not self.control.raise_epoch(self.name, owner=self.run_id, epoch=self.epoch, to=epoch + 1):
            self.lost.set()
            self.check()
        self.epoch = epoch + 1

    def check(self) -> None:
        """Raises Busy CTX-5010 when another run has taken over, or this one could not renew for as long as it lasts."""
        if self.lost.is_set() or time.monotonic() - self._renewed > LEASE.total_seconds():
            raise Busy(
                "CTX-5010",
                f"This run of {self.code} lost its lease to another one and stopped.",
                fix="cortex runs list shows who holds it.",
            )

    def _freed(self) -> bool:
        """Take a lease from a process of this machine that was killed: the next run need not wait for its end."""
        holder = self.control.holder(self.name)
        if holder is None or not is_dead(holder["host"]):
            return False
        return self.control.release(self.name, owner=holder["owner"], epoch=holder["epoch"])

    def _keep(self) -> None:
        while not self._stop.wait(RENEW_EVERY):
            try:
                self._renew()
            except CortexError:
                continue  # a database that is away for a moment: `check` knows how long ago the last renewal was
            if self.lost.is_set():
                return

    def _renew(self) -> None:
        now = self.control.now()
        if not self.control.renew(self.name, owner=self.run_id, epoch=self.epoch, ttl=LEASE, now=now):
            self.lost.set()
            return
        self._renewed = time.monotonic()
        run = self.control.run(self.run_id)
        if run is not None and run["status"] == "cancelling":
            self.cancelled.set()

    def _busy(self) -> Busy:
        holder = self.control.holder(self.name) or {}
        since = holder.get("acquired_at")
        return Busy(
            "CTX-5011",
            f"Another run of {self.code} is active (run {holder.get('owner', '?')} on {holder.get('host', '?')} since {since}).",
            fix="Wait for it with --wait 10m, or look at it with `cortex runs list`.",
        )
