"""Google Ads over gRPC: queries by SearchStream, uploads of conversions and adjustments, and the ways they fail."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from zoneinfo import ZoneInfo

from cortex.clock import Clock, local_day
from cortex.sandbox import gaql, google_ads_diagnostics, google_ads_rows
from cortex.sandbox.faults import Faults
from cortex.sandbox.google_ads_diagnostics import Upload
from cortex.sandbox.google_ads_messages import assign, message
from cortex.sandbox.google_ads_uploads import RequestRefused, Uploads
from cortex.sandbox.google_rest import Refused
from cortex.sandbox.market import GoogleAccount, Market
from cortex.sandbox.oauth import ADWORDS, Grant, OAuth
from cortex.sandbox.quota import Quota
from cortex.sandbox.received import Call, Received

VERSIONS = range(23, 27)
"""API versions answered: those the vendor's package 34 ships (v22 ended on 2026-10-07)."""

BATCH_ROWS = 10_000
DAILY_OPERATIONS = 15_000
"""Basic access: operations a day of one Cloud project; a query is one, whatever its size."""

RETRY_SECONDS = 30
WORKERS = 16
SERVICE = "/google.ads.googleads.v{version}.services."
METHOD = SERVICE + "GoogleAdsService/SearchStream"
UPLOADS = {
    "ConversionUploadService/UploadClickConversions": "UploadClickConversionsRequest",
    "ConversionAdjustmentUploadService/UploadConversionAdjustments": "UploadConversionAdjustmentsRequest",
}
"""Unary methods and their requests."""


class AdsRefused(Exception):
    """A refusal. `status` names the gRPC code; family and reason name the member of GoogleAdsFailure's ErrorCode."""

    def __init__(
        self, status: str, family: str, reason: str, message: str, *, scope: str = "", retry_seconds: int = 0
    ) -> None:
        super().__init__(message)
        self.status, self.family, self.reason, self.message = status, family, reason, message
        self.scope, self.retry_seconds = scope, retry_seconds
        """Of a quota error: ACCOUNT or DEVELOPER (the Cloud project), and how long to wait."""


class GoogleAdsStandIn:
    """Answers for every shop's Google Ads account, on its own port. Limits count real time."""

    def __init__(
        self,
        market: Market,
        oauth: OAuth,
        *,
        clock: Clock,
        received: Received,
        faults: Faults,
        rate_scale: float = 1.0,
        batch_rows: int = BATCH_ROWS,
        uploaded: Callable[[GoogleAccount], Sequence[Upload]] = lambda _account: (),
    ) -> None:
        """uploaded: what the Data Manager took for an account, which Google Ads tells of as well."""
        self._market = market
        self._oauth = oauth
        self._clock = clock
        self._received = received
        self._faults = faults
        self._batch_rows = batch_rows
        self._uploaded = uploaded
        self._uploads = Uploads(market, clock=clock, received=received)
        self._operations = Quota(DAILY_OPERATIONS * rate_scale, 86_400)
        self._stopping = threading.Event()
        self._requests = 0
        self._server: Any = None

    def start(self, host: str, port: int) -> int:
        """Listen without TLS; the port in use. Raises OSError when it is taken."""
        import grpc

        handlers = [
            grpc.method_handlers_generic_handler(
                METHOD.format(version=version).strip("/").partition("/")[0],
                # Bytes in and out: the messages are the same in every version.
                {"SearchStream": grpc.unary_stream_rpc_method_handler(self._stream(version))},
            )
            for version in VERSIONS
        ]
        for version in VERSIONS:
            for name in UPLOADS:
                service, _, method = (SERVICE.format(version=version) + name).strip("/").partition("/")
                unary = grpc.unary_unary_rpc_method_handler(self._upload(version, name))
                handlers.append(grpc.method_handlers_generic_handler(service, {method: unary}))
        self._server = grpc.server(
            ThreadPoolExecutor(WORKERS, thread_name_prefix="cortex-sandbox-grpc"),
            # Another process on the same port would be answered in turn, without anybody noticing.
            options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", 64 * 1024 * 1024)],
        )
        self._server.add_generic_rpc_handlers(tuple(handlers))
        try:
            bound: int = self._server.add_insecure_port(f"{host}:{port}")
        except RuntimeError as failure:
            raise OSError(f"port {port} cannot be used for Google Ads") from failure
        self._server.start()
        return bound

    def stop(self) -> None:
        self._stopping.set()
        if self._server is not None:
            self._server.stop(grace=0.2).wait(5)

    def _stream(self, version: int) -> Callable[[bytes, Any], Iterator[bytes]]:
        def search_stream(body: bytes, context: Any) -> Iterator[bytes]:
            import grpc

            fault = self._faults.draw(METHOD.format(version=version))
            self._requests += 1
            request_id = f"sandbox-{self._requests}"
            request = message("SearchGoogleAdsStreamRequest").FromString(body)
            status = "OK"
            try:
                self._before(fault)
                for sent, batch in enumerate(self._answer(request, context, version, request_id)):
                    yield batch
                    self._between(fault, sent)
            except AdsRefused as refusal:
                status = refusal.status
                self._received.called(_call(request, _number(grpc, status), fault))
                if status != "UNAVAILABLE":  # a broken transport has no words of Google Ads
                    context.set_trailing_metadata(_failure(refusal, request_id, version))
                context.abort(getattr(grpc.StatusCode, status), refusal.message)
            self._received.called(_call(request, _number(grpc, status), fault))
            context.set_trailing_metadata((("request-id", request_id),))

        return search_stream

    def _upload(self, version: int, name: str) -> Callable[[bytes, Any], bytes]:
        def upload(body: bytes, context: Any) -> bytes:
            import grpc

            path = SERVICE.format(version=version) + name
            fault = self._faults.draw(path)
            self._requests += 1
            request_id = f"sandbox-{self._requests}"
            request = message(UPLOADS[name]).FromString(body)
            status, answer = "OK", b""
            try:
                if fault != "lost_after_commit":
                    self._before(fault)
                answer = self._take(name, request, context, version, request_id)
                self._between("truncate" if fault == "lost_after_commit" else fault, 0)
            except AdsRefused as refusal:
                status = refusal.status
                self._called(name, request, _number(grpc, status), fault)
                if status != "UNAVAILABLE":
                    context.set_trailing_metadata(_failure(refusal, request_id, version))
                context.abort(getattr(grpc.StatusCode, status), refusal.message)
            self._called(name, request, _number(grpc, status), fault)
            context.set_trailing_metadata((("request-id", request_id),))
            return answer

        return upload

    def _take(self, name: str, request: Any, context: Any, version: int, request_id: str) -> bytes:
        account = self._admitted(request, context)
        take = self._uploads.click_conversions if name.startswith("ConversionUpload") else self._uploads.adjustments
        try:
            answer = take(request, account, version, request_id)
        except RequestRefused as refusal:
            raise AdsRefused(refusal.status, refusal.family, refusal.reason, refusal.message) from None
        serialized: bytes = answer.SerializeToString()
        return serialized

    def _admitted(self, request: Any, context: Any) -> GoogleAccount:
        metadata = {str(key): value for key, value in context.invocation_metadata()}
        grant = self._authenticate(metadata)
        wait = self._operations.spend()
        if wait:
            raise _exhausted("The project has used up its operations of the day.", int(wait) + 1, "DEVELOPER")
        account, managed = self._account(request.customer_id, metadata, grant)
        if managed:
            raise AdsRefused(
                "PERMISSION_DENIED", "authorization_error", "USER_PERMISSION_DENIED", "The account has no such action."
            )
        return account

    def _called(self, name: str, request: Any, status: int, fault: str) -> None:
        method = name.partition("/")[2]
        self._received.called(Call("google_ads", method, f"/customers/{request.customer_id}", status, fault))

    def _before(self, fault: str) -> None:
        """The faults that strike before an answer exists."""
        if fault == "429":
            raise _exhausted("Too many requests. Retry in 30 seconds.", RETRY_SECONDS, "ACCOUNT")
        if fault in ("500", "badjson", "html"):
            raise AdsRefused("INTERNAL", "internal_error", "INTERNAL_ERROR", "An internal error has occurred.")
        if fault in ("502", "503", "reset", "lost_after_commit"):
            raise AdsRefused(
                "UNAVAILABLE", "internal_error", "TRANSIENT_ERROR", "The service is currently unavailable."
            )
        if fault == "hang":
            self._stopping.wait(self._faults.hang_seconds)
            raise AdsRefused("UNAVAILABLE", "internal_error", "TRANSIENT_ERROR", "The service did not answer.")

    def _between(self, fault: str, sent: int) -> None:
        """The faults that break a stream after its first batch, or slow it down."""
        if fault in ("reset_mid", "truncate") and sent == 0:
            raise AdsRefused("UNAVAILABLE", "internal_error", "TRANSIENT_ERROR", "The stream was broken.")
        if fault == "slow":
            self._stopping.wait(self._faults.slow_seconds)

    def _answer(self, request: Any, context: Any, version: int, request_id: str) -> Iterator[bytes]:
        metadata = {str(key): value for key, value in context.invocation_metadata()}
        grant = self._authenticate(metadata)
        wait = self._operations.spend()
        if wait:
            raise _exhausted("The project has used up its operations of the day.", int(wait) + 1, "DEVELOPER")
        account, managed = self._account(request.customer_id, metadata, grant)
        try:
            query = gaql.parse(request.query)
            if query.resource in google_ads_diagnostics.FIELDS:
                google_ads_diagnostics.check(query)
            else:
                google_ads_rows.check(query, version)
            rows = self._rows(query, account, managed)
        except gaql.QueryRefused as refusal:
            raise AdsRefused("INVALID_ARGUMENT", refusal.family, refusal.reason, refusal.message) from None
        batches = [rows[at : at + self._batch_rows] for at in range(0, len(rows), self._batch_rows)] or [[]]
        for number, batch in enumerate(batches, 1):
            yield _response(batch, query.select, request_id, last=number == len(batches))

    def _authenticate(self, metadata: dict[str, Any]) -> Grant:
        try:
            return self._oauth.judge(metadata.get("authorization", ""), (ADWORDS,))
        except Refused as refusal:
            if refusal.status == "PERMISSION_DENIED":
                raise AdsRefused(
                    "PERMISSION_DENIED", "authorization_error", "AUTHORIZATION_ERROR", refusal.message
                ) from None
            raise AdsRefused(
                "UNAUTHENTICATED", "authentication_error", "OAUTH_TOKEN_INVALID", refusal.message
            ) from None

    def _account(
        self, customer: str, metadata: dict[str, Any], grant: Grant
    ) -> tuple[GoogleAccount, list[GoogleAccount]]:
        """The account asked for, and the children it has when it is the manager the caller came through.

        Any ten digits that are no account of the market are a manager of what the token reaches.
        """
        if not re.fullmatch(r"\d{10}", customer):
            raise AdsRefused(
                "INVALID_ARGUMENT", "request_error", "INVALID_CUSTOMER_ID", "The customer id must be ten digits."
            )
        login = metadata.get("login-customer-id", "")
        if login and not re.fullmatch(r"\d{10}", str(login)):
            raise AdsRefused(
                "INVALID_ARGUMENT",
                "header_error",
                "INVALID_LOGIN_CUSTOMER_ID",
                "The login-customer-id header must be ten digits without dashes.",
            )
        routing = str(metadata.get("x-goog-request-params", f"customer_id={customer}"))
        if f"customer_id={customer}" not in routing.split("&"):
            raise AdsRefused("INVALID_ARGUMENT", "request_error", "INVALID_CUSTOMER_ID", "The routing header differs.")
        reached = [shop.google for shop in self._market.shops if shop.google is not None and grant.reaches(shop)]
        every = {shop.google.customer_id for shop in self._market.shops if shop.google is not None}
        # A plain account opens no other account.
        if not login or login == customer or login not in every:
            for account in reached:
                if account.customer_id == customer:
                    return account, []
            if customer not in every and login == customer and reached:
                return GoogleAccount(customer, "", "Agency", reached[0].currency, reached[0].timezone), reached
        raise AdsRefused(
            "PERMISSION_DENIED",
            "authorization_error",
            "USER_PERMISSION_DENIED",
            "User doesn't have permission to access customer.",
        )

    def _rows(
        self, query: gaql.Query, account: GoogleAccount, managed: Sequence[GoogleAccount]
    ) -> list[dict[str, Any]]:
        if query.resource in google_ads_diagnostics.FIELDS:
            sent = [*self._uploads.uploads(account), *self._uploaded(account)]
            return google_ads_diagnostics.rows(account, query, sent, self._clock(), google_ads_rows.holds)
        if query.resource == "customer_client":
            return google_ads_rows.client_rows(account, managed, query)
        if managed:
            return google_ads_rows.manager_rows(account, query)
        return google_ads_rows.rows(account, query, local_day(self._clock(), ZoneInfo(account.timezone)))


def _response(rows: list[dict[str, Any]], select: Sequence[str], request_id: str, *, last: bool) -> bytes:
    answer = message("SearchGoogleAdsStreamResponse")(request_id=request_id)
    answer.field_mask.paths.extend(select)
    if last:
        answer.query_resource_consumption = 1 + len(rows)
    for row in rows:
        result = answer.results.add()
        for path, value in row.items():
            assign(result, path, value)
    serialized: bytes = answer.SerializeToString()
    return serialized


def _failure(refusal: AdsRefused, request_id: str, version: int) -> tuple[tuple[str, str | bytes], ...]:
    """Trailing metadata as Google Ads sends it: the failure's bytes and the request id."""
    failure = message("GoogleAdsFailure")(request_id=request_id)
    error = failure.errors.add(message=refusal.message)
    assign(error, f"error_code.{refusal.family}", refusal.reason)
    if refusal.scope:
        quota = error.details.quota_error_details
        assign(quota, "rate_scope", refusal.scope)
        quota.rate_name = f"Requests per {refusal.scope.lower()}"
        quota.retry_delay.seconds = refusal.retry_seconds
    key = f"google.ads.googleads.v{version}.errors.googleadsfailure-bin"
    return ((key, failure.SerializeToString()), ("request-id", request_id))


def _exhausted(message: str, seconds: int, scope: str) -> AdsRefused:
    return AdsRefused(
        "RESOURCE_EXHAUSTED", "quota_error", "RESOURCE_EXHAUSTED", message, scope=scope, retry_seconds=seconds
    )


def _call(request: Any, status: int, fault: str) -> Call:
    return Call("google_ads", "SearchStream", f"/customers/{request.customer_id}", status, fault)


def _number(grpc: Any, status: str) -> int:
    return int(getattr(grpc.StatusCode, status).value[0])
