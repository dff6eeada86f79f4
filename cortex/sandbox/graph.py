"""How Meta's Graph API reads parameters and words errors, shared by its insights and its conversions side."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from cortex.sandbox.wire import Request, Response


class GraphError(Exception):
    """A refusal of the Graph API. `code` decides what a client should do; `subcode` says more where Meta does."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        status: int = 400,
        subcode: int = 0,
        kind: str = "OAuthException",
        transient: bool = False,
        title: str = "",
        user_message: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.subcode = code, message, status, subcode
        self.kind, self.transient, self.title, self.user_message = kind, transient, title, user_message
        self.headers = headers or {}

    def response(self, trace: str) -> Response:
        error: dict[str, Any] = {"message": self.message, "type": self.kind, "code": self.code}
        if self.subcode:
            error["error_subcode"] = self.subcode
        error["is_transient"] = self.transient
        if self.title:
            error |= {"error_user_title": self.title, "error_user_msg": self.user_message or self.message}
        error["fbtrace_id"] = trace
        headers = dict(self.headers)
        if self.code == 190:
            headers["WWW-Authenticate"] = f'OAuth "Facebook Platform" "invalid_token" "{self.message}"'
        return Response.of_json(self.status, {"error": error}, headers)


def trace_id(number: int) -> str:
    """Looks like fbtrace_id, and is the same in every run."""
    return "A" + hashlib.sha256(f"trace {number}".encode()).hexdigest()[:22]


def bad_parameter(message: str, subcode: int = 0) -> GraphError:
    return GraphError(100, f"(#100) {message}", subcode=subcode)


def unknown_object(name: str) -> GraphError:
    """The same words for what is not there and what the token may not see, as Meta does."""
    return GraphError(
        100,
        f"Unsupported request. Object with ID '{name}' does not exist, cannot be loaded due to missing permissions, "
        "or does not support this operation.",
        subcode=33,
        kind="GraphMethodException",
    )


def parameters(request: Request) -> dict[str, Any]:
    """Query, then form or JSON body; later ones win. Form values stay text, JSON values keep their types."""
    values: dict[str, Any] = dict(request.query)
    if request.method == "GET" or not request.body:
        return values
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        try:
            values.update(msgspec.json.decode(request.body, type=dict[str, Any]))
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise bad_parameter("The request body is not a JSON object.") from None
    elif kind == "application/x-www-form-urlencoded":
        values.update(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    else:
        raise bad_parameter(f"Content type {kind or 'none'} is not understood.")
    return values


def listed(value: Any) -> list[str]:
    """A list parameter: JSON list, or words between commas."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = structure(value, "a list parameter")
    if isinstance(value, list):
        return [str(item) for item in value]
    return [item.strip() for item in str(value or "").split(",") if item.strip()]


def structure(value: Any, name: str) -> Any:
    """A parameter that is JSON: given as text in a query or a form, as itself in a JSON body."""
    if not isinstance(value, str):
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        raise bad_parameter(f"{name} must be valid JSON.") from None


def selected(node: dict[str, Any], fields: Any, kind: str) -> dict[str, Any]:
    """The asked fields of a node; `id` always comes. Unknown fields are refused."""
    names = listed(fields)
    for name in names:
        if name not in node:
            raise bad_parameter(f"Tried accessing nonexisting field ({name}) on node type ({kind})")
    return {name: node[name] for name in dict.fromkeys([*names, "id"])}


def digest(key: tuple[Any, ...]) -> str:
    return hashlib.sha256(repr(key).encode()).hexdigest()[:12]


def cursor(question: str, offset: int, gap: bool) -> str:
    return base64.urlsafe_b64encode(f"{question}:{offset}:{int(gap)}".encode()).decode().rstrip("=")


def position(after: Any, question: str) -> tuple[int, bool]:
    """Where a cursor points. A cursor of another question is refused."""
    if after is None:
        return 0, False
    try:
        text = base64.urlsafe_b64decode(str(after) + "=" * (-len(str(after)) % 4)).decode()
        owner, offset, gap = text.split(":")
        if owner == question:
            return int(offset), gap == "1"
    except (binascii.Error, ValueError):
        pass
    raise bad_parameter("Invalid cursor.")


def next_page(request: Request, version: str, node: str, values: dict[str, Any]) -> str:
    """The address of the next page. It holds the access token, as Meta's does: not for logs."""
    host = request.headers.get("Host", "127.0.0.1")
    flat = {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode() for name, value in values.items()
    }
    return f"http://{host}/{version}/{node}/insights?{urlencode(flat)}"


def usage_headers(account: str, account_percent: int, app_percent: int, *, minutes: int) -> dict[str, str]:
    tier = "development_access"
    use = {
        "type": "ads_insights",
        "call_count": account_percent,
        "total_cputime": account_percent // 2,
        "total_time": account_percent // 2,
        "estimated_time_to_regain_access": minutes,
        "ads_api_access_tier": tier,
    }
    headers = {
        "X-Business-Use-Case-Usage": {account: [use]},
        "X-FB-Ads-Insights-Throttle": {
            "app_id_util_pct": app_percent,
            "acc_id_util_pct": account_percent,
            "ads_api_access_tier": tier,
        },
        "X-App-Usage": {"call_count": app_percent, "total_cputime": 0, "total_time": 0},
        "X-Ad-Account-Usage": {"acc_id_util_pct": account_percent, "reset_time_duration": minutes * 60},
    }
    return {name: msgspec.json.encode(value).decode() for name, value in headers.items()}
