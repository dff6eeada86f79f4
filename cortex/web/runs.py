"""Routes about runs: what was run, what happened in it, and asking for another, which `cortex worker` then does."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Response

from cortex.clock import system_clock
from cortex.runner import asking, engine, past
from cortex.secrets import REDACTOR
from cortex.warehouse import Answered, Entry, Transaction
from cortex.warehouse import callers as keeping
from cortex.web.asking import Permitted, TheHouse, Writer, known_parameters, wall
from cortex.web.house import House
from cortex.web.problems import Refusal
from cortex.web.shapes import Run, RunRow, Runs, StepRow, Wish

router = APIRouter(prefix="/api/v1/clients/{code}/runs", tags=["runs"], dependencies=[Depends(known_parameters)])
ONCE = re.compile(r"[\x21-\x7e]{1,128}")
"""An Idempotency-Key: a UUID, or whatever else its sender can tell apart."""


@router.get("", response_model=Runs)
def listed(code: Permitted, of: TheHouse, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> dict[str, Any]:
    """The client's runs, newest first."""
    rows = [past.alive(of.control, row) for row in of.control.runs(code, limit=limit)]
    return {"client": code, "data": [run_row(row) for row in rows]}


@router.get("/{run_id}", response_model=Run)
def shown(code: Permitted, run_id: str, of: TheHouse) -> dict[str, Any]:
    """One run with its steps."""
    return _whole(of, code, run_id)


@router.post("", response_model=Run, status_code=202)
def begin(
    code: Permitted,
    wish: Wish,
    who: Writer,
    of: TheHouse,
    response: Response,
    once: Annotated[
        str | None,
        Header(alias="Idempotency-Key", description="Posted again within a day, the same run answers."),
    ] = None,
) -> dict[str, Any]:
    """Leave a run in the queue, as `cortex run … --queue` does. 202: a worker has yet to do it."""
    if once is not None and not ONCE.fullmatch(once):
        raise Refusal(422, "CTX-8210", "An Idempotency-Key has 1 to 128 visible ASCII characters.", fix="Use a UUID.")
    asked = hashlib.sha256(f"{code} {wish.model_dump_json()}".encode()).hexdigest()
    before = of.control.callers.answered(who.key_id, once, wall()) if once else None
    run_id = _same(before, asked) if before else _leave(of, code, wish, who.key_id, once, asked)
    response.headers["Location"] = f"/api/v1/clients/{code}/runs/{run_id}"
    return _whole(of, code, run_id)


def _leave(of: House, code: str, wish: Wish, key_id: str, once: str | None, asked: str) -> str:
    """Validate as the command line does and write plan, audit and answered post in one transaction. Returns the run's id."""
    tenant, recipe = of.tenant(code), asking.recipe(of.workspace, wish.pipeline)
    window, steps = asking.planned(
        tenant, recipe, system_clock()(), day=wish.day, days=wish.days, only=wish.only, skip=wish.skip
    )
    asking.provisioned(of.database, code, of.workspace.state)

    def beside(tx: Transaction, run_id: str) -> None:
        if once is not None:
            keeping.claim(tx, key_id, once, asked, run_id, wall())
        facts = wish.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        keeping.note(tx, Entry(f"key:{key_id}", "run.begin", code, run_id, facts=facts), wall())

    try:
        return engine.enqueue(tenant, recipe, window, steps, of.control, beside=beside)
    except Answered as quicker:  # the same post came twice at once
        return _same(quicker, asked)


def _same(before: Answered, asked: str) -> str:
    """The run that answered a post, when that asked for the same."""
    if before.asked != asked:
        raise Refusal(
            422,
            "CTX-8210",
            "This Idempotency-Key has asked for something else before.",
            fix="Use a new key for a new run.",
        )
    return before.run_id


def _whole(of: House, code: str, run_id: str) -> dict[str, Any]:
    row = of.control.run(run_id)
    if row is None or row["tenant"] != code:
        raise Refusal(
            404, "CTX-8214", "This client has no such run.", fix=f"GET /api/v1/clients/{code}/runs lists them."
        )
    steps = [_step(step) for step in of.control.steps(run_id)]
    return {"client": code, **run_row(past.alive(of.control, row)).model_dump(), "steps": steps}


def run_row(row: dict[str, Any]) -> RunRow:
    """A run of the ledger as the API tells it: not on which machine, nor by which version."""
    return RunRow(
        run_id=row["run_id"],
        pipeline=row["pipeline"],
        since=row["since"],
        last=engine.window_of(row).last,
        status=row["status"],
        queued_at=row["queued_at"],
        started_at=None if row["status"] == "queued" else row["started_at"],
        ended_at=row["ended_at"],
        exit_code=None if row["ended_at"] is None else row["exit_code"],
    )


def _step(row: dict[str, Any]) -> StepRow:
    return StepRow(
        step=row["step"],
        status=row["status"],
        attempt=row["attempt"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        rows=row["row_count"],
        summary=REDACTOR.clean(row["summary"]),
        error_code=row["error_code"],
        error_message=REDACTOR.clean(row["error_message"]),
    )
