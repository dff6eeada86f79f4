"""Meta's Graph API through the real SDK: one session per tenant, its errors named, its throttling respected."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import msgspec

from cortex.errors import CortexError, CredentialError, PlatformError, Throttled, Transient
from cortex.http import Limits, guard, persist
from cortex.limits import UNSHARED, Pace
from cortex.secrets import REDACTOR, Secret

T = TypeVar("T")

VERSION = "v26.0"
"""Pinned: a Graph version changes answers (facebook-business 26 ships this one, supported until mid 2028)."""

LIMITS = Limits(connect=5.0, read=60.0, total=120.0, attempts=5, first_pause=1.0, patience=180.0)
"""Longer waits than `patience` are the ledger's: no worker is held for an hour."""

CROWDED_APP, CROWDED_ACCOUNT = 75.0, 90.0
"""Per cent of an hourly budget from which we slow down. The app's is shared by every tenant of the agency."""

APP_LIMIT = 4
"""The error that means the app's budget, not the account's (Graph API rate limiting, error codes)."""

Meaning = Literal["too_much", "query", "token", "limit", "permission", "version", "unknown", "transient", "request"]


@dataclass(frozen=True)
class Known:
    """A line of Meta's error pages: codes and subcodes (none named: all), a part of the message, what they come to."""

    meaning: Meaning
    codes: frozenset[int]
    subcodes: frozenset[int] = frozenset()
    words: str = ""

    def fits(self, code: int, subcode: int, message: str) -> bool:
        among = (not self.codes or code in self.codes) and (not self.subcodes or subcode in self.subcodes)
        return among and self.words in message.lower()


def _known(meaning: Meaning, *codes: int, sub: tuple[int, ...] = (), words: str = "") -> Known:
    return Known(meaning, frozenset(codes), frozenset(sub), words)


KNOWN = (
    _known("too_much", 1, words="reduce the amount of data"),
    _known("too_much", 100, sub=(1504018,)),
    _known("too_much", 2, sub=(1504038,)),
    _known("too_much", 960),
    _known("query", 2, sub=(1504041, 1504042)),
    _known("token", 190),
    _known("limit", 4, 17, 32, 341, 613, *range(80000, 80007), 80008, 80009, 80014),
    _known("permission", 10, *range(200, 300)),
    _known("version", 2635),
    _known("unknown", 100, sub=(33,)),
    _known("transient", 1, 2, 2637),
    _known("transient", -2, sub=(2490547,)),
    _known("transient", sub=(1504043, 1815107)),
)
"""First fit wins. Sources: Meta's Insights error page and rate-limit page (May 2026)."""

DEAD_TOKEN = {
    458: "the app was removed by the person who gave it access",
    459: "the person must log in at facebook.com first",
    460: "the password was changed",
    463: "it has expired",
    464: "the account is not confirmed",
    467: "it was invalidated",
}


@dataclass
class Usage:
    """How full the hourly budgets are, in per cent, as the last answer's headers say; `regain` in seconds."""

    app: float = 0.0
    account: float = 0.0
    regain: float = 0.0

    @property
    def crowded(self) -> bool:
        return self.app >= CROWDED_APP or self.account >= CROWDED_ACCOUNT

    def read(self, headers: Mapping[str, str]) -> None:
        """Take in X-FB-Ads-Insights-Throttle, X-Business-Use-Case-Usage, X-App-Usage and X-Ad-Account-Usage."""
        throttle = _object(headers, "x-fb-ads-insights-throttle")
        app, account = _object(headers, "x-app-usage"), _object(headers, "x-ad-account-usage")
        cases = [
            case
            for listed in _object(headers, "x-business-use-case-usage").values()
            for case in (listed if isinstance(listed, list) else [])
            if isinstance(case, dict) and case.get("type") == "ads_insights"
        ]
        shares = ("call_count", "total_cputime", "total_time")
        self.app = max([_number(throttle, "app_id_util_pct"), *(_number(app, share) for share in shares)])
        self.account = max(
            [
                _number(throttle, "acc_id_util_pct"),
                _number(account, "acc_id_util_pct"),
                *(_number(case, share) for case in cases for share in shares),
            ]
        )
        self.regain = max([60 * _number(case, "estimated_time_to_regain_access") for case in cases], default=0.0)


def _object(headers: Mapping[str, str], name: str) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(next((value for key, value in headers.items() if key.lower() == name), "{}"))
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}


def _number(found: Mapping[str, Any], name: str) -> float:
    value = found.get(name, 0)
    return float(value) if isinstance(value, int | float) else 0.0


def meaning(code: int, subcode: int, message: str, *, transient: bool, status: int) -> Meaning:
    """What an error of the Graph API comes to: by Meta's table, then its own flag, then the HTTP status."""
    for known in KNOWN:
        if known.fits(code, subcode, message):
            return known.meaning
    if transient or status >= 500:
        return "transient"
    return {401: "token", 403: "permission", 429: "limit"}.get(status, "request")  # type: ignore[return-value]


class TooMuch(PlatformError):
    """Meta will not answer for so many rows or days at once: ask for less."""


def named(what: Meaning, code: int, subcode: int, message: str, regain: float) -> CortexError:
    """The error a person sees. `message` is Meta's; it is cleaned, and left out where it may quote the token."""
    where = f"{code}/{subcode}" if subcode else str(code)
    words = REDACTOR.clean(" ".join(message.split()))[:200]
    match what:
        case "token":
            why = DEAD_TOKEN.get(subcode, "it is wrong, expired or revoked")
            return CredentialError(
                "CTX-4101",
                f"Meta refused the token ({where}): {why}.",
                fix="Create a system user token that never expires.",
            )
        case "permission":
            return CredentialError(
                "CTX-4102",
                f"The Meta token may not read this ad account ({where}: {words}).",
                fix="Assign the ad account to the system user (View performance) and create the token with ads_read.",
            )
        case "limit":
            return Throttled(
                "CTX-4103",
                f"Meta asks to slow down ({where}).",
                retry_after=regain or 30.0,
                scope="app" if code == APP_LIMIT else "account",
            )
        case "too_much":
            return TooMuch(
                "CTX-4104",
                f"Meta will not answer for so much data at once ({where}).",
                fix="Run it again for fewer days.",
            )
        case "transient":
            return Transient("CTX-4105", f"Meta failed for a moment ({where}).")
        case "unknown":
            return PlatformError(
                "CTX-4106",
                f"Meta knows no such ad account, or hides it from this token ({where}).",
                fix="Compare account_id with the Ads Manager, and assign the account to the system user.",
            )
        case "version":
            return PlatformError(
                "CTX-4107", f"Meta no longer serves Graph {VERSION}.", fix="Update Cortex: pip install -U cortex-ecom"
            )
        case _:
            return PlatformError("CTX-4108", f"Meta refused the request ({where}: {words}).")


class Graph:
    """One tenant's conversation with the Graph API. Never FacebookAdsApi.init(): that makes a client process-wide,
    so that another tenant's calls would carry this token, and replaces sys.excepthook."""

    def __init__(
        self,
        token: Secret,
        app_secret: Secret | None,
        base_url: str | None,
        sleep: Callable[[float], None],
        limits: Limits = LIMITS,
        pace: Pace = UNSHARED,
    ) -> None:
        from facebook_business.api import FacebookAdsApi
        from facebook_business.session import FacebookSession

        session = FacebookSession(
            app_secret=app_secret.reveal() if app_secret else None,
            access_token=token.reveal(),
            timeout=(limits.connect, limits.read),
        )
        if base_url:
            session.GRAPH = base_url
        # The SDK puts the token into every URL; Graph takes it as a bearer header too, and headers are not logged.
        del session.requests.params["access_token"]
        session.requests.headers["Authorization"] = f"Bearer {token.reveal()}"
        guard(session.requests, session.GRAPH, limits)
        self._api = FacebookAdsApi(session, api_version=VERSION)
        self._sleep = sleep
        self._limits = limits
        self._pace = pace
        self.usage = Usage()

    def ask(self, method: Literal["GET", "POST"], path: tuple[str, ...], params: Mapping[str, Any], kind: type[T]) -> T:
        """One answer, decoded to `kind`; asked again while Meta fails for a moment. Reading is harmless to repeat.

        Raises CredentialError, Throttled, Transient, TooMuch or PlatformError.
        """
        return persist(lambda: self._once(method, path, params, kind), self._limits, pace=self._pace, sleep=self._sleep)

    def breathe(self) -> None:
        """Before a new question: wait a moment when the budgets are nearly spent. Raises Throttled for longer waits."""
        if not self.usage.crowded:
            return
        pause = max(60.0, self.usage.regain)
        self._pace.told("app" if self.usage.app >= CROWDED_APP else "account", pause)
        if pause > self._limits.patience:
            raise Throttled("CTX-4103", "Meta's hourly budget is nearly spent.", retry_after=pause)
        self._sleep(pause)

    def _once(self, method: str, path: tuple[str, ...], params: Mapping[str, Any], kind: type[T]) -> T:
        import requests
        from facebook_business.exceptions import FacebookRequestError

        try:
            # A fresh dict, because the SDK writes into the one it is given.
            answer = self._api.call(method, path, params=dict(params))
        except FacebookRequestError as refusal:
            raise self._judge(refusal) from None
        except requests.exceptions.SSLError:
            raise PlatformError("CTX-4014", "The TLS certificate of Meta cannot be verified.") from None
        except requests.exceptions.RequestException as failure:
            raise Transient("CTX-4015", f"The connection to Meta broke ({type(failure).__name__}).") from None
        except (TypeError, ValueError, KeyError, AttributeError):
            # The SDK looks for "error" inside web pages, and trips.
            raise Transient("CTX-4019", "Meta answered a web page where data was due.") from None
        self.usage.read(answer.headers())
        return _decoded(answer.status(), answer.body(), kind)

    def _judge(self, refusal: Any) -> CortexError:
        headers, status = refusal.http_headers() or {}, refusal.http_status() or 0
        self.usage.read(headers)
        code, subcode = refusal.api_error_code(), refusal.api_error_subcode()
        if code is None:  # no Graph error inside: a gateway spoke
            code, subcode, status = 0, 0, status if status in {401, 403, 429} else 503
        message = str(refusal.api_error_message() or "")
        transient = bool(refusal.api_transient_error())
        what = meaning(int(code), int(subcode or 0), message, transient=transient, status=status)
        return named(what, int(code), int(subcode or 0), message, self.usage.regain)


def _decoded(status: int, body: str, kind: type[T]) -> T:
    if status >= 500:  # the SDK takes any body without "error" for a success
        raise Transient("CTX-4011", f"Meta answered {status}.")
    if body.lstrip()[:1] == "<":
        raise Transient("CTX-4019", "Meta answered a web page where data was due.")
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as failure:
        raise PlatformError("CTX-4020", f"An answer of Meta has another shape than documented: {failure}.") from None
    except msgspec.DecodeError:
        raise Transient("CTX-4021", "An answer of Meta is not valid JSON.") from None
