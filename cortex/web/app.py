"""The application: its routes, who may use them, and what every failure turns into."""

from __future__ import annotations

from typing import Any

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException as StarletteHTTPException

from cortex import __version__
from cortex.errors import CortexError
from cortex.logs import logger
from cortex.secrets import REDACTOR
from cortex.warehouse import Entry
from cortex.web import asking, documents, figures, health, problems, runs
from cortex.web.gate import Gate
from cortex.web.house import House
from cortex.web.problems import Refusal
from cortex.web.shapes import Problem

ABOUT = (
    "Figures of a client and its runs. A key is made with `cortex api keys create` and sent in the header"
    " `Authorization: Bearer`. Amounts and rates are decimal strings, days are the client's own, instants UTC."
)
REFUSALS = {
    401: "No valid key.",
    404: "No such client, as far as this key may know.",
    409: "The client has no schema or no data yet, or its file is broken.",
    422: "The question cannot be understood, or is about days there is nothing of.",
    429: "Asked too often; Retry-After says when to come back.",
    503: "The database is away.",
}
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def build(house: House) -> FastAPI:
    """The API of one agency. `house.control` is opened here: a database out of reach is told before anybody asks."""
    app = FastAPI(
        title="Cortex API",
        version=__version__,
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        separate_input_output_schemas=False,
    )
    app.state.house = house
    _ = house.control
    shape = {problems.MEDIA: {"schema": Problem.model_json_schema()}}
    told: dict[int | str, dict[str, Any]] = {
        status: {"description": words, "content": shape} for status, words in REFUSALS.items()
    }
    app.include_router(health.open_router)
    app.include_router(documents.router)
    app.add_api_route("/openapi.json", app.openapi, include_in_schema=False)
    for router in (health.router, figures.router, runs.router):
        app.include_router(router, dependencies=[Depends(asking.caller)], responses=told)
    _summarise(app)
    app.add_middleware(Gate, addresses=house.addresses)
    app.add_exception_handler(CortexError, _named)
    app.add_exception_handler(RequestValidationError, _misunderstood)
    app.add_exception_handler(StarletteHTTPException, _by_status)
    return app


def _summarise(app: FastAPI) -> None:
    """The first sentence of each route is its title in the documentation, the rest stands below it."""
    for methods in app.openapi()["paths"].values():  # made once and kept by the application
        for operation in methods.values():
            operation["summary"], _, operation["description"] = operation["description"].partition(". ")


def _named(request: Request, error: Exception) -> Response:
    assert isinstance(error, CortexError)
    _audit(request, error)
    if problems.status_of(error) >= 500:
        logger().error("request failed", code=error.code, error=error.message, path=request.url.path)
    return problems.answer(error)


def _misunderstood(request: Request, error: Exception) -> Response:
    """What FastAPI found wrong, without what was sent: that may be anything."""
    assert isinstance(error, RequestValidationError)
    wrong = [
        {
            "where": REDACTOR.clean(".".join(str(part) for part in each["loc"])[:100]),
            "what": REDACTOR.clean(str(each["msg"])),
        }
        for each in error.errors()
    ]
    said = "; ".join(f"{each['where']}: {each['what']}" for each in wrong[:5])
    return _named(request, Refusal(422, "CTX-8207", f"The request cannot be understood. {said}", errors=wrong[:20]))


def _by_status(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException | StarletteHTTPException)
    if error.status_code == 413:
        return _named(request, Refusal(413, "CTX-8215", "The request is larger than 64 KiB."))
    said = "This address knows no such method." if error.status_code == 405 else "There is nothing at this address."
    status = error.status_code if error.status_code in (404, 405) else 400
    headers = {name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"}
    return _named(request, Refusal(status, "CTX-8211", said, fix="GET /docs", headers=headers))


def _audit(request: Request, error: CortexError) -> None:
    """A write that was refused to a known key is noted; without one nobody is there to name."""
    caller = getattr(request.state, "caller", None)
    if caller is None or request.method not in WRITES:
        return
    path = REDACTOR.clean(request.url.path[:200])
    entry = Entry(
        caller.actor, request.method, _client(request, caller.client), refusal=error.code, facts={"path": path}
    )
    try:
        request.app.state.house.control.callers.audit(entry, asking.wall())
    except CortexError as failure:
        logger().error("refusal not audited", code=failure.code)


def _client(request: Request, own: str) -> str:
    """The client a key may know: another's code is not noted under it."""
    code = str(request.path_params.get("code", ""))
    return code if code == own or (not own and code in request.app.state.house.workspace.tenant_codes()) else ""
