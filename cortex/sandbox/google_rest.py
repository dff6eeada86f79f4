"""How Google's REST platforms say no: the google.rpc error as JSON, and why a bearer token is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cortex.sandbox.wire import Response

STATUS = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
}


class Refused(Exception):
    """A request Google turns down. `status` is the canonical code's name, `details` are google.rpc messages as JSON."""

    def __init__(self, status: str, message: str, details: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.details = list(details)

    def response(self) -> Response:
        error: dict[str, Any] = {"code": STATUS[self.status], "message": self.message, "status": self.status}
        if self.details:
            error["details"] = self.details
        headers = {"WWW-Authenticate": "Bearer"} if self.status == "UNAUTHENTICATED" else {}
        return Response.of_json(STATUS[self.status], {"error": error}, headers)


def error_info(reason: str, domain: str = "googleapis.com", **metadata: str) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": domain,
        "metadata": metadata,
    }


def retry_info(seconds: float) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{seconds:g}s"}


def exhausted(message: str, seconds: float) -> Refused:
    return Refused("RESOURCE_EXHAUSTED", message, [error_info("RATE_LIMIT_EXCEEDED"), retry_info(seconds)])


def faulty(status: int) -> Response:
    """The answer to a request that a fault on Google's side hit: 429, 500, 502 or 503."""
    if status == 429:
        return exhausted("Resource has been exhausted (e.g. check quota).", 1).response()
    if status == 500:
        return Refused("INTERNAL", "An internal error has occurred.").response()
    return Refused("UNAVAILABLE", "The service is currently unavailable.").response()


class Fields:
    """A JSON object of a request, read the way Google's servers do: an unknown name refuses the whole request.

    proto3 JSON takes lowerCamelCase and the field's original snake_case name alike.
    """

    def __init__(self, value: Any, where: str, known: frozenset[str]) -> None:
        if not isinstance(value, dict):
            raise Refused("INVALID_ARGUMENT", f"Invalid value at '{where}': an object was expected.")
        self.where = where
        self._values = {camel(key): item for key, item in value.items()}
        for key in self._values.keys() - known:
            raise Refused(
                "INVALID_ARGUMENT",
                f"Invalid JSON payload received. Unknown name \"{key}\" at '{where}': Cannot find field.",
            )

    def __contains__(self, name: str) -> bool:
        return self._values.get(name) is not None

    def get(self, name: str) -> Any:
        return self._values.get(name)

    def text(self, name: str) -> str:
        value = self._values.get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise Refused("INVALID_ARGUMENT", f"Invalid value at '{self.where}.{name}' (TYPE_STRING).")
        return value

    def truth(self, name: str) -> bool:
        value = self._values.get(name)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise Refused("INVALID_ARGUMENT", f"Invalid value at '{self.where}.{name}' (TYPE_BOOL).")
        return value

    def integer(self, name: str, default: int = 0) -> int:
        """int64: a JSON number or, as clients write it, a string of digits."""
        value = self._values.get(name)
        if value is None:
            return default
        if isinstance(value, str) and value.lstrip("-").isdecimal():
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise Refused("INVALID_ARGUMENT", f"Invalid value at '{self.where}.{name}' (TYPE_INT64).")

    def objects(self, name: str) -> list[Any]:
        value = self._values.get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            raise Refused("INVALID_ARGUMENT", f"Invalid value at '{self.where}.{name}': a list was expected.")
        return value

    def enum(self, name: str, names: Sequence[str]) -> str:
        """An enum by name or by number (`names` in the order of their numbers; the first is "unspecified")."""
        value = self._values.get(name)
        if value is None or value == 0:
            return ""
        if isinstance(value, str) and value in names:
            return "" if value == names[0] else value
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < len(names):
            return names[value]
        raise Refused("INVALID_ARGUMENT", f"Invalid value at '{self.where}.{name}' (TYPE_ENUM).")


def camel(name: str) -> str:
    """
    >>> camel("transaction_id"), camel("transactionId")
    ('transactionId', 'transactionId')
    """
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)
