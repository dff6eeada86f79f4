"""Google's token endpoint: refresh tokens and service accounts in, short-lived bearer tokens out."""

from __future__ import annotations

import base64
import binascii
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from cortex.sandbox.google_rest import Refused, error_info, faulty
from cortex.sandbox.market import Market, Shop
from cortex.sandbox.wire import Request, Response

PREFIX = "https://www.googleapis.com/auth/"
ADWORDS = PREFIX + "adwords"
ANALYTICS = PREFIX + "analytics"
ANALYTICS_READONLY = PREFIX + "analytics.readonly"
DATA_MANAGER = PREFIX + "datamanager"
BIGQUERY = PREFIX + "bigquery"
CLOUD_PLATFORM = PREFIX + "cloud-platform"
GRANTABLE = (ADWORDS, ANALYTICS, ANALYTICS_READONLY, DATA_MANAGER, BIGQUERY, CLOUD_PLATFORM)

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
LIFETIME = 3599
LONGEST_ASSERTION = 3600
AGENCY = "agency"
"""A service account `agency@…` reaches every shop; `<shop code>@…` reaches that shop. Others do not exist."""


@dataclass(frozen=True)
class Grant:
    """What a bearer token may do: the shops it reaches and its scopes."""

    shops: tuple[str, ...]
    scopes: frozenset[str]
    expires: float

    def reaches(self, shop: Shop) -> bool:
        return shop.code in self.shops


class _Invalid(Exception):
    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.status, self.error, self.description = status, error, description


class OAuth:
    """Issues and judges bearer tokens. `lifetime` is in seconds of real time."""

    def __init__(
        self, market: Market, *, lifetime: float = LIFETIME, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._market = market
        self._lifetime = lifetime
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._grants: dict[str, Grant] = {}

    def handle(self, request: Request) -> Response:
        """RFC 6749 section 6 (refresh_token) and RFC 7523 (JWT bearer); errors as section 5.2 words them."""
        try:
            shops, scopes = self._grant(_form(request))
        except _Invalid as refusal:
            return Response.of_json(refusal.status, {"error": refusal.error, "error_description": refusal.description})
        token = "ya29.sandbox-" + secrets.token_urlsafe(24)
        with self._lock:
            self._grants[token] = Grant(shops, frozenset(scopes), self._monotonic() + self._lifetime)
        content = {
            "access_token": token,
            "expires_in": int(self._lifetime),
            "scope": " ".join(scopes),
            "token_type": "Bearer",
        }
        return Response.of_json(200, content, {"Cache-Control": "no-store"})

    def fault(self, _request: Request, status: int) -> Response:
        return faulty(status)

    def expire(self) -> None:
        """Every token issued so far is dead: what a client meets when a run outlives its token."""
        with self._lock:
            self._grants.clear()

    def judge(self, authorization: str, scopes: Iterable[str]) -> Grant:
        """The grant behind an Authorization value, if it holds one of `scopes`. Raises Refused as Google words it."""
        kind, _, token = authorization.partition(" ")
        if not authorization or kind.lower() != "bearer":
            raise Refused(
                "UNAUTHENTICATED",
                "Request is missing required authentication credential.",
                [error_info("CREDENTIALS_MISSING")],
            )
        with self._lock:
            grant = self._grants.get(token)
        if grant is None or grant.expires <= self._monotonic():
            raise Refused(
                "UNAUTHENTICATED",
                "Request had invalid authentication credentials.",
                [error_info("ACCESS_TOKEN_EXPIRED" if grant else "ACCESS_TOKEN_TYPE_UNSUPPORTED")],
            )
        if not grant.scopes.intersection(scopes):
            raise Refused(
                "PERMISSION_DENIED",
                "Request had insufficient authentication scopes.",
                [error_info("ACCESS_TOKEN_SCOPE_INSUFFICIENT")],
            )
        return grant

    def _grant(self, form: dict[str, str]) -> tuple[tuple[str, ...], list[str]]:
        kind = form.get("grant_type", "")
        if kind == "refresh_token":
            return self._by_refresh_token(form)
        if kind == JWT_BEARER:
            return self._by_assertion(form.get("assertion", ""))
        raise _Invalid(400, "unsupported_grant_type", f"Invalid grant_type: {kind}")

    def _by_refresh_token(self, form: dict[str, str]) -> tuple[tuple[str, ...], list[str]]:
        if not form.get("client_id") or not form.get("client_secret"):
            raise _Invalid(401, "invalid_client", "The OAuth client was not found.")
        token = form.get("refresh_token", "")
        shops = tuple(shop.code for shop in self._market.shops if token and shop.google_refresh_token == token)
        if not shops:
            raise _Invalid(400, "invalid_grant", "Token has been expired or revoked.")
        return shops, _scopes(form.get("scope", "")) or list(GRANTABLE)

    def _by_assertion(self, assertion: str) -> tuple[tuple[str, ...], list[str]]:
        header, claims = _jwt(assertion)
        if header.get("alg") != "RS256":
            raise _Invalid(400, "invalid_grant", "Invalid JWT: the algorithm must be RS256.")
        issued, expires = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, int) or not isinstance(expires, int):
            raise _Invalid(400, "invalid_grant", "Invalid JWT: iat and exp are required.")
        # The signer's clock is the machine's, whatever day the sandbox shows.
        if not issued < expires <= issued + LONGEST_ASSERTION or abs(time.time() - issued) > LONGEST_ASSERTION:
            raise _Invalid(400, "invalid_grant", "Invalid JWT: it must be short-lived and in a reasonable timeframe.")
        if not str(claims.get("aud", "")).endswith("/token"):
            raise _Invalid(400, "invalid_grant", "Invalid JWT: aud is not this token endpoint.")
        scopes = _scopes(str(claims.get("scope", "")))
        if not scopes:
            raise _Invalid(400, "invalid_scope", "Empty or missing scope not allowed.")
        name = str(claims.get("iss", "")).partition("@")[0]
        shops = tuple(shop.code for shop in self._market.shops if name in (shop.code, AGENCY))
        if not shops:
            raise _Invalid(400, "invalid_grant", "Invalid grant: account not found")
        return shops, scopes


def _form(request: Request) -> dict[str, str]:
    if request.method != "POST":
        raise _Invalid(405, "invalid_request", "The token endpoint takes POST.")
    if not request.headers.get("Content-Type", "").startswith("application/x-www-form-urlencoded"):
        raise _Invalid(400, "invalid_request", "The body must be form-encoded.")
    return dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))


def _scopes(text: str) -> list[str]:
    scopes = text.split()
    for scope in scopes:
        if scope not in GRANTABLE:
            raise _Invalid(400, "invalid_scope", "Some requested scopes were invalid.")
    return scopes


def _jwt(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a compact JWT. The signature must be there; it is not verified."""
    parts = assertion.split(".")
    if len(parts) != 3 or not all(parts):
        raise _Invalid(400, "invalid_grant", "Invalid JWT: three parts were expected.")
    try:
        header, claims = (
            msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), type=dict[str, Any])
            for part in parts[:2]
        )
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise _Invalid(400, "invalid_grant", "Invalid JWT: it cannot be decoded.") from None
    return header, claims
