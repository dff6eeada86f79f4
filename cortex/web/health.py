"""Whether the server lives, and whether it can do its work."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, Response

from cortex.errors import CortexError
from cortex.runner import past
from cortex.web.asking import TheCaller, TheHouse
from cortex.web.house import House
from cortex.web.runs import run_row
from cortex.web.shapes import Live, Ready, RunRow

open_router = APIRouter(tags=["health"])
router = APIRouter(tags=["health"])


@open_router.get("/health/live", response_model=Live)
def live() -> Live:
    """The process answers. Needs no key, touches no database."""
    return Live(status="alive")


@router.get("/health/ready", response_model=Ready, responses={503: {"model": Ready}})
def ready(of: TheHouse, who: TheCaller, response: Response) -> Ready:
    """The control schema answers and is of this version; so is the schema of the key's one client. And the newest run."""
    checks = {"database": _checked(of.control.now), "migrations": _checked(of.control.check)}
    if who.client:
        checks["schema"] = _checked(lambda: of.open(who.client))
    fine = set(checks.values()) == {"ok"}
    response.status_code = 200 if fine else 503
    return Ready(
        status="ready" if fine else "not ready", checks=checks, last_run=_newest(of, who.client) if fine else None
    )


def _checked(work: Callable[[], object]) -> str:
    """ok, or the code of what is wrong: the words may name a place."""
    try:
        work()
    except CortexError as failure:
        return failure.code
    except OSError:
        return "CTX-8206"  # the client's file is gone
    return "ok"


def _newest(of: House, client: str) -> RunRow | None:
    found = of.control.runs(client or None, limit=1)
    return run_row(past.alive(of.control, found[0])) if found else None
