"""Saving: the orders a run reads, as JSON files of their own, for whoever wants to look at what the shop said."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

import cortex
from cortex.clock import Window
from cortex.errors import ConfigError
from cortex.run import Run


def orders(run: Run, stream: str, window: Window, rows: Sequence[Any]) -> None:
    """One file for a batch of rows of raw_ecommerce_orders, in the folder `--save-raw` names; nothing without one.

    The payloads are those the warehouse keeps: personal fields are redacted, and erased people's orders are not among
    them. The name holds the time of the run and a UUID, so that no file is ever written over. Raises ConfigError
    CTX-5080.
    """
    if run.save_raw is None or not rows:
        return
    at = run.now()
    metadata = {
        "client": run.tenant.code,
        "platform": run.tenant.ecommerce.kind,
        "stream": stream,
        "run_id": run.run_id,
        "since": window.since,
        "until": window.until,
        "fetched_at": at,
        "orders": len(rows),
        "personal_fields": "redacted",
        "cortex": cortex.__version__,
    }
    said = [msgspec.Raw(row.payload.encode()) for row in rows]
    name = f"{run.tenant.code}-orders-{at:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex}.json"
    _write(run.save_raw / name, msgspec.json.encode({"metadata": metadata, "orders": said}))


def _write(file: Path, content: bytes) -> None:
    """Whole or not at all; readable by its owner alone."""
    unfinished = file.with_suffix(".part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(content)
        unfinished.rename(file)
    except OSError as failure:
        raise ConfigError(
            "CTX-5080",
            f"The orders cannot be saved in {file.parent} ({failure.strerror}).",
            fix="Name a folder that can be written with --save-raw, and see that its disk has room.",
        ) from None
