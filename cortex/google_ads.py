"""The Google Ads API through the real client: one channel per tenant and service, its errors named."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from cortex import google
from cortex.errors import CortexError, CredentialError, PlatformError, Throttled, Transient
from cortex.http import Limits, persist
from cortex.limits import UNSHARED, Pace, Scope
from cortex.secrets import REDACTOR, Secret

VERSION = "v26"
"""Pinned: GAQL fields change names between versions. Released 2026-10-14, served about a year."""

TIMEOUT = 600.0
"""Seconds for one whole stream; the client's own default is to wait for ever."""
LIMITS = Limits(attempts=4, first_pause=5.0, patience=180.0)
"""Longer waits than `patience` (a spent daily quota) are the ledger's."""

FAILURE = "googleadsfailure-bin"
_SNAKE = re.compile(r"(?<=[a-z])(?=[A-Z])")
LARGEST_MESSAGE = 64 * 1024 * 1024

DEVELOPER = 3
"""QuotaErrorDetails.QuotaRateScope."""

WRONG_ACCOUNT = {"CUSTOMER_NOT_FOUND", "INVALID_CUSTOMER_ID", "INVALID_LOGIN_CUSTOMER_ID"}
CLOSED_ACCOUNT = {"CUSTOMER_NOT_ENABLED", "CUSTOMER_NOT_ACTIVE"}


@dataclass(frozen=True)
class Fault:
    """One error of a GoogleAdsFailure. `row`: position in the request's list it is about, None for the request itself."""

    family: str
    """Member of ErrorCode, such as `conversion_upload_error`."""
    name: str
    words: str
    row: int | None = None


class CallRefused(PlatformError):
    """A unary call that Google Ads refused whole, with every fault it named."""

    def __init__(self, judged: CortexError, faults: list[Fault]) -> None:
        super().__init__(judged.code, judged.message, fix=judged.fix)
        self.judged, self.faults = judged, faults


class AdsService:
    """Queries and uploads on behalf of one tenant. `api_url` grpc://host:port on loopback speaks without TLS."""

    def __init__(
        self,
        credential: Secret,
        developer_token: Secret | None,
        login_customer_id: str | None,
        api_url: str | None,
        sleep: Callable[[float], None],
        pace: Pace = UNSHARED,
    ) -> None:
        from google.ads.googleads.client import GoogleAdsClient

        self._found = google.credentials(credential, [google.ADWORDS])
        self._carrier = google.carrying("")
        self._sleep = sleep
        self._pace = pace
        address = urlsplit(api_url or "")
        client = GoogleAdsClient(
            credentials=self._carrier,
            developer_token=developer_token.reveal() if developer_token else None,
            login_customer_id=login_customer_id,
            endpoint=address.netloc or None,
            version=VERSION,
            use_proto_plus=False,  # reading rows as plain protobuf is 18 times faster
        )
        self._made = partial(_on_loopback, client) if address.scheme == "grpc" else client.get_service
        # Services are kept: when one is collected, its channel closes under a stream that is still being read.
        self._services: dict[str, Any] = {}

    def rows(self, customer_id: str, query: str) -> list[Any]:
        """Every GoogleAdsRow of a query. A stream that breaks starts again from its beginning.

        Raises CredentialError, Throttled, Transient or PlatformError.
        """
        return persist(lambda: self._stream(customer_id, query), LIMITS, pace=self._pace, sleep=self._sleep)

    def _stream(self, customer_id: str, query: str, *, renew: bool = False) -> list[Any]:
        import grpc
        from google.ads.googleads.errors import GoogleAdsException
        from google.api_core.exceptions import GoogleAPICallError

        self._carrier.token = google.bearer(self._found, renew=renew)
        try:
            batches = self._service("GoogleAdsService").search_stream(
                customer_id=customer_id, query=query, retry=None, timeout=TIMEOUT
            )
            return [row for batch in batches for row in batch.results]
        except GoogleAdsException as refusal:
            failure = _judge_failure(refusal)
        except (GoogleAPICallError, grpc.RpcError) as refusal:
            failure = _judge_call(refusal)
        if isinstance(failure, CredentialError) and failure.code == "CTX-4201" and not renew:
            # A bearer token may die before its time; the credential behind it is asked once more.
            return self._stream(customer_id, query, renew=True)
        raise failure

    def call(self, service: str, method: str, request: Any, timeout: float) -> Any:
        """One unary call, made once: `request` is the method's own message, the answer a plain protobuf.

        Raises CallRefused with the faults Google names, Throttled, CredentialError, or Transient; the latter's `sent`
        is true when Google may have acted.
        """
        return persist(
            lambda: self._once(service, method, request, timeout),
            LIMITS,
            attempts=1,
            pace=self._pace,
            sleep=self._sleep,
        )

    def _once(self, service: str, method: str, request: Any, timeout: float, *, renew: bool = False) -> Any:
        import grpc
        from google.ads.googleads.errors import GoogleAdsException
        from google.api_core.exceptions import GoogleAPICallError

        self._carrier.token = google.bearer(self._found, renew=renew)
        failure: CortexError
        try:
            return _plain(getattr(self._service(service), method)(request=request, retry=None, timeout=timeout))
        except GoogleAdsException as refusal:
            judged, found = _judge_failure(refusal), faults(refusal.failure)
            # Not being allowed a feature is told with PERMISSION_DENIED too, and is not the credential's fault.
            kept_out = any(fault.family == "not_allowlisted_error" for fault in found)
            passing = isinstance(judged, Transient | CredentialError) and not kept_out
            failure = judged if passing else CallRefused(judged, found)
        except (GoogleAPICallError, grpc.RpcError) as refusal:
            failure = _judge_call(refusal)
        if isinstance(failure, CredentialError) and failure.code == "CTX-4201" and not renew:
            return self._once(service, method, request, timeout, renew=True)
        if isinstance(failure, Transient) and not isinstance(failure, Throttled):
            failure.sent = True
        raise failure

    def _service(self, name: str) -> Any:
        if name not in self._services:
            self._services[name] = self._made(name)
        return self._services[name]


def _on_loopback(client: Any, name: str) -> Any:
    """A service over a local channel without TLS, with the client's own interceptors.

    Local credentials instead of an insecure channel: they carry the bearer token as TLS does, out of sight of the
    client's request log.
    """
    import grpc
    from google.ads.googleads.interceptors import ExceptionInterceptor, LoggingInterceptor, MetadataInterceptor
    from google.auth.transport.grpc import AuthMetadataPlugin

    logger = logging.getLogger("google.ads.googleads.client")
    call = grpc.metadata_call_credentials(AuthMetadataPlugin(client.credentials, None))
    channel = grpc.intercept_channel(
        grpc.secure_channel(
            client.endpoint,
            grpc.composite_channel_credentials(grpc.local_channel_credentials(), call),
            options=[("grpc.max_receive_message_length", LARGEST_MESSAGE)],
        ),
        MetadataInterceptor(client.developer_token, client.login_customer_id),
        LoggingInterceptor(logger, VERSION, client.endpoint),
        ExceptionInterceptor(VERSION, use_proto_plus=False),
    )
    module = import_module(f"google.ads.googleads.{VERSION}.services.services.{_SNAKE.sub('_', name).lower()}")
    kind = getattr(module, f"{name}Client")
    return kind(transport=kind.get_transport_class("grpc")(channel=channel))


def _judge_failure(refusal: Any) -> CortexError:
    """A GoogleAdsFailure: its first error says what kind it is."""
    import grpc

    kind, name, words = _first_error(refusal.failure)
    status = refusal.error.code() if hasattr(refusal.error, "code") else None
    if kind == "internal_error" or status in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
        return Transient("CTX-4204", f"Google Ads failed for a moment ({name}).")
    if kind == "quota_error":
        return _throttled(_retry_delay([refusal.failure]), name, _scope([refusal.failure]))
    if name in WRONG_ACCOUNT:
        return PlatformError(
            "CTX-4206",
            f"Google Ads knows no such account ({name}).",
            fix="Compare customer_id (and login_customer_id) with the number at the top of the Ads interface.",
        )
    if name in CLOSED_ACCOUNT:
        return PlatformError("CTX-4206", f"The Google Ads account is not enabled ({name}): {words}")
    if kind == "authentication_error" or status == grpc.StatusCode.UNAUTHENTICATED:
        return CredentialError(
            "CTX-4201",
            f"Google Ads refused the credential ({name}).",
            fix="Create GOOGLE_CREDENTIALS again with the adwords scope, then run `cortex doctor`.",
        )
    if kind == "authorization_error" or status == grpc.StatusCode.PERMISSION_DENIED:
        return CredentialError(
            "CTX-4202",
            f"The Google credential may not read this Ads account ({name}).",
            fix="Give its user or service account access to the account; when access comes through a manager account, "
            "put that one's number into login_customer_id.",
        )
    if name == "REQUESTED_METRICS_FOR_MANAGER":
        return PlatformError(
            "CTX-4205",
            "customer_id is a manager account, which has no spend of its own.",
            fix="Put the client's own account into customer_id and the manager into login_customer_id.",
        )
    if name == "UNSUPPORTED_VERSION":
        return PlatformError(
            "CTX-4207", f"Google no longer serves Ads API {VERSION}.", fix="Update Cortex: pip install -U cortex-ecom"
        )
    return PlatformError("CTX-4208", f"Google Ads refused the request ({kind} {name}: {words}).")


def _judge_call(refusal: Any) -> CortexError:
    """An error the client does not wrap: RESOURCE_EXHAUSTED, INTERNAL, and whatever has no GoogleAdsFailure inside."""
    from google.api_core import exceptions as gone

    match refusal:
        case gone.TooManyRequests():
            failures = list(_failures(refusal))
            return _throttled(_retry_delay(failures), "RESOURCE_EXHAUSTED", _scope(failures))
        case gone.Unauthorized():
            return CredentialError(
                "CTX-4201",
                "Google Ads refused the credential (UNAUTHENTICATED).",
                fix="Create GOOGLE_CREDENTIALS again with the adwords scope, then run `cortex doctor`.",
            )
        case gone.Forbidden():
            return CredentialError(
                "CTX-4202",
                "The Google credential may not use the Ads API (PERMISSION_DENIED).",
                fix="Enable the Google Ads API in the Cloud project and give the user access to the account.",
            )
        case gone.ClientError() if not isinstance(refusal, gone.Cancelled):
            words = _clean(getattr(refusal, "message", ""))
            return PlatformError("CTX-4208", f"Google Ads refused the request ({type(refusal).__name__}: {words}).")
        case _:
            return Transient("CTX-4204", f"Google Ads failed for a moment ({type(refusal).__name__}).")


def _throttled(delay: float, name: str, scope: Scope) -> Throttled:
    return Throttled(
        "CTX-4203", f"The Google Ads quota is spent for now ({name}).", retry_after=delay or 30.0, scope=scope
    )


def _failures(refusal: Any) -> Iterable[Any]:
    """The GoogleAdsFailure messages in the trailing metadata, where the client leaves them for RESOURCE_EXHAUSTED."""
    from google.ads.googleads.v26.errors.types.errors import GoogleAdsFailure
    from google.protobuf.message import DecodeError

    call: Any = getattr(refusal, "response", None)
    metadata = (call.trailing_metadata() if hasattr(call, "trailing_metadata") else None) or ()
    for key, value in metadata:
        if key.endswith(FAILURE):
            try:
                yield GoogleAdsFailure.deserialize(value)
            except DecodeError:
                continue


def _retry_delay(failures: Iterable[Any]) -> float:
    """Seconds Google asks to wait, 0 when it does not say."""
    delays = [
        error.details.quota_error_details.retry_delay.seconds
        + error.details.quota_error_details.retry_delay.nanos / 1e9
        for failure in failures
        for error in _plain(failure).errors
    ]
    return max(delays, default=0.0)


def _scope(failures: Iterable[Any]) -> Scope:
    """Whose quota: rate_scope DEVELOPER is the Cloud project's, which every client of the agency uses."""
    details = [error.details.quota_error_details for failure in failures for error in _plain(failure).errors]
    return "app" if any(detail.rate_scope == DEVELOPER for detail in details) else "account"


def faults(failure: Any) -> list[Fault]:
    """Every error of a GoogleAdsFailure, in its order; of its path the first index is the row."""
    found = []
    for error in _plain(failure).errors:
        family = error.error_code.WhichOneof("error_code") or ""
        indexes = [part.index for part in error.location.field_path_elements if part.HasField("index")]
        name = _member(error.error_code, family)
        found.append(Fault(family, name, _clean(error.message), indexes[0] if indexes else None))
    return found


def partial_faults(answer: Any) -> list[Fault]:
    """The errors inside `partial_failure_error` of an upload's answer: a Status with packed GoogleAdsFailures."""
    from google.ads.googleads.v26.errors.types.errors import GoogleAdsFailure

    found = []
    for detail in answer.partial_failure_error.details:
        if detail.type_url.endswith(".GoogleAdsFailure"):
            found += faults(GoogleAdsFailure.deserialize(detail.value))
    return found


def _member(code: Any, family: str) -> str:
    if not family:
        return "UNKNOWN"
    value = code.DESCRIPTOR.fields_by_name[family].enum_type.values_by_number.get(getattr(code, family))
    return value.name if value else "UNKNOWN"


def _first_error(failure: Any) -> tuple[str, str, str]:
    """Category, name and words of the first error: ("query_error", "UNRECOGNIZED_FIELD", …)."""
    errors = _plain(failure).errors
    if not errors:
        return "", "UNKNOWN", ""
    code = errors[0].error_code
    kind = code.WhichOneof("error_code") or ""
    return kind, _member(code, kind), _clean(errors[0].message)


def _plain(message: Any) -> Any:
    """The protobuf inside a proto-plus message."""
    return type(message).pb(message) if hasattr(type(message), "pb") else message


def _clean(words: str) -> str:
    return REDACTOR.clean(" ".join(words.split()))[:200]
