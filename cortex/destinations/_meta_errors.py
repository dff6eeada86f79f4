"""What Meta's error codes mean for a sender, as data: Graph API and Conversions API pages, checked against practice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cortex.errors import CortexError, CredentialError, PlatformError, Throttled, Transient
from cortex.http import retry_after
from cortex.secrets import REDACTOR

APP_LIMIT = 4
"""The error that means the app's budget, not the account's."""
SUBCODES = {
    33: "config",  # object missing, or no permission to see it
    458: "auth", 459: "auth", 460: "auth", 463: "auth", 467: "auth",
    2804001: "data", 2804007: "data", 2804016: "data", 2804017: "data", 2804019: "data", 2804048: "data",
    2804003: "expired",  # event older than 7 days
    2804009: "data",  # Purchase without value
    2804050: "data",  # too little customer information
}  # fmt: skip
"""Decide before the code."""
CODES = {
    1: "transient", 2: "transient", 341: "transient", 368: "transient", 5000: "transient", 21009: "transient",
    4: "throttle", 17: "throttle", 32: "throttle", 613: "throttle", 80003: "throttle",
    10: "config", 200: "config", 294: "config",
    102: "auth", 190: "auth",
    100: "data",
}  # fmt: skip
DATA_SUBCODES = range(2804000, 2805000)
"""Every subcode of the Conversions API about an event, known or new."""


class GraphError(msgspec.Struct, frozen=True):
    """`error` of a Graph API answer."""

    message: str = ""
    code: int = 0
    error_subcode: int = 0
    is_transient: bool = False
    error_user_msg: str = ""
    fbtrace_id: str = ""


class _Answer(msgspec.Struct, frozen=True):
    error: GraphError | None = None


_DECODER = msgspec.json.Decoder(_Answer)


class RowsRefused(PlatformError):
    """Meta refuses a batch for what is in it: the whole batch, whichever event it was."""

    def __init__(self, error_class: str, error: GraphError) -> None:
        super().__init__("CTX-4151", f"Meta refused the events: {words(error)}")
        self.error_class = error_class
        self.platform_code = code_text(error)
        self.trace = error.fbtrace_id


class SetupRefused(PlatformError):
    """Meta refuses what the client file or the account say, not an event."""

    def __init__(self, code: str, message: str, fix: str, platform_code: str) -> None:
        super().__init__(code, message, fix=fix)
        self.platform_code = platform_code


def classify(error: GraphError, status: int) -> str:
    """data, expired, config, auth, throttle or transient."""
    if error.error_subcode in SUBCODES:
        return SUBCODES[error.error_subcode]
    if error.error_subcode in DATA_SUBCODES:
        return "data"
    found = CODES.get(error.code)
    if found == "throttle" or status == 429:
        return "throttle"
    if error.is_transient or status >= 500:
        return "transient"
    if found:
        return found
    if 200 <= error.code < 300:
        return "config"
    return "auth" if status == 401 else "config"


def judge(status: int, headers: Mapping[str, str], body: bytes) -> CortexError:
    """The named error of an answer that is no success."""
    error = _read(body)
    kind = classify(error, status)
    if kind in {"data", "expired"}:
        return RowsRefused(kind, error)
    if kind == "auth":
        return CredentialError(
            "CTX-4150",
            f"Meta refused the Conversions API token ({code_text(error)}).",
            fix="Create a new token in Events Manager, set META_CAPI_TOKEN and run `cortex doctor`.",
        )
    if kind == "throttle":
        return Throttled(
            "CTX-4153",
            "Meta asks to slow down.",
            retry_after=retry_after(headers) or _regain(headers),
            scope="app" if error.code == APP_LIMIT else "account",
        )
    if kind == "transient":
        return Transient("CTX-4154", f"Meta failed for a moment (HTTP {status}, {code_text(error)}).")
    return SetupRefused(
        "CTX-4152",
        f"Meta refused the request, not an event: {words(error)} ({code_text(error)}).",
        "Check offline_conversions.meta_capi.pixel_id, and that the token's system user may manage that dataset.",
        code_text(error),
    )


def words(error: GraphError) -> str:
    """Meta's own words, cleaned of anything that looks like a credential or a person."""
    said = " ".join(part for part in (error.message, error.error_user_msg) if part)
    return REDACTOR.clean(said)[:200] or "no reason given"


def code_text(error: GraphError) -> str:
    return f"{error.code}/{error.error_subcode}" if error.error_subcode else str(error.code)


def _read(body: bytes) -> GraphError:
    try:
        return _DECODER.decode(body).error or GraphError()
    except (msgspec.DecodeError, UnicodeDecodeError):
        return GraphError()


def _regain(headers: Mapping[str, str]) -> float:
    """Seconds until access is regained, as the usage header tells in minutes; 0 when it does not."""
    try:
        usage: Any = msgspec.json.decode(headers.get("X-Business-Use-Case-Usage", "") or "{}")
        minutes = [entry.get("estimated_time_to_regain_access", 0) for rows in usage.values() for entry in rows]
        return 60.0 * max(minutes, default=0)
    except (msgspec.DecodeError, AttributeError, TypeError):
        return 0.0
