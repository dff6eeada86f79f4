"""Who asks, about whom, and over which days: what routes depend on."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Path, Query, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from cortex.clock import Window
from cortex.runner.plan import LONGEST
from cortex.warehouse import Caller
from cortex.web import problems
from cortex.web.house import Client, House
from cortex.web.problems import Refusal

DAYS = 30
"""Days shown when none are named, ending with the last one loaded."""
bearer = HTTPBearer(
    auto_error=False,
    scheme_name="key",
    description="A key of `cortex api keys create`: `Authorization: Bearer cortex_…`",
)


def house(request: Request) -> House:
    found: House = request.app.state.house
    return found


TheHouse = Annotated[House, Depends(house)]


def wall() -> datetime:
    return datetime.now(UTC)


def caller(
    request: Request, of: TheHouse, given: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
) -> Caller:
    """Whose key the Authorization header holds. Raises Refusal 401 without a valid one, 429 for one that asks too often."""
    found = of.control.callers.caller(given.credentials, wall()) if given else None
    if found is None:
        raise Refusal(
            401,
            "CTX-8204",
            "A valid key is needed, in the header Authorization: Bearer KEY.",
            fix="cortex api keys create --name NAME --client CLIENT --role viewer",
            headers={"WWW-Authenticate": "Bearer"},
        )
    request.state.caller = found
    if wait := of.keys.wait(found.key_id):
        raise problems.too_often(wait, "key")
    return found


TheCaller = Annotated[Caller, Depends(caller)]


def known_parameters(request: Request, _: TheCaller) -> None:
    """A misspelt parameter would be answered with other days than were meant. Raises Refusal 422."""
    operation = request.app.openapi()["paths"].get(request.scope["route"].path, {}).get(request.method.lower(), {})
    known = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
    strange = sorted(set(request.query_params) - set(known))
    if strange:
        listed = ", ".join(known) or "none"
        raise Refusal(422, "CTX-8207", f"There is no parameter {strange[0][:40]!r} here.", fix=f"Parameters: {listed}.")


def permitted(code: Annotated[str, Path(description="Client code.")], of: TheHouse, who: TheCaller) -> str:
    """The code of a client this key may ask about. A client there is not and one of somebody else are told alike."""
    if not who.may_ask_about(code) or code not in of.workspace.tenant_codes():
        raise Refusal(
            404, "CTX-8206", "This key knows no such client.", fix="GET /api/v1/clients lists those it may see."
        )
    return code


Permitted = Annotated[str, Depends(permitted)]


def writer(who: TheCaller) -> Caller:
    """Raises Refusal 403 for a key that only reads."""
    if not who.may_write:
        raise Refusal(
            403, "CTX-8205", f"A key with the role {who.role} only reads.", fix="Use a key with the role admin."
        )
    return who


Writer = Annotated[Caller, Depends(writer)]


def client(code: Permitted, of: TheHouse) -> Client:
    return of.open(code)


TheClient = Annotated[Client, Depends(client)]


def window(
    of: TheClient,
    since: Annotated[date | None, Query(alias="from", description="First day, in the client's own zone.")] = None,
    last: Annotated[date | None, Query(alias="to", description="Last day; the last one loaded when left out.")] = None,
    days: Annotated[
        int | None, Query(description=f"Instead of from: days up to the last; {DAYS} when left out.")
    ] = None,
) -> Window:
    """The days asked for. Raises Refusal 422 with the range that is allowed."""
    allowed = of.extent
    if days is not None and (since is not None or not 1 <= days <= LONGEST):
        said = "Give from or days, not both." if since else f"days={days} is out of range."
        raise _beyond(said, allowed, f"Use 1 to {LONGEST} days.")
    end = last or of.last_day
    if end not in allowed or (since is not None and not allowed.since <= since <= end):
        asked = f"{since} to {end}" if since else f"days until {end}"
        raise _beyond(
            f"{of.code} has data from {allowed.since} to {allowed.last}; {asked} was asked for.",
            allowed,
            f"Use days from {allowed.since} to {allowed.last}, the first before the last.",
        )
    begin = since or max(end - timedelta(days=(days or DAYS) - 1), allowed.since)
    return Window(begin, end + timedelta(days=1))


def _beyond(said: str, allowed: Window, fix: str) -> Refusal:
    return Refusal(422, "CTX-8208", said, fix=fix, allowed={"from": str(allowed.since), "to": str(allowed.last)})


TheDays = Annotated[Window, Depends(window)]
