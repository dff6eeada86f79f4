"""Recorded Google Ads rows served over gRPC on loopback, so that the vendor's own client is what gets tested.

A recording (`grpc.json`) holds, by customer id, the bearer token that opens it and its rows by resource, as protobuf
JSON. A query is answered with the rows of its resource on its days. A customer asked for with another token is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from google.ads.googleads.v26.errors.types import errors
from google.ads.googleads.v26.services.types import google_ads_service as service
from google.protobuf.json_format import ParseDict

SERVICE = "google.ads.googleads.v26.services.GoogleAdsService"
FAILURE = "google.ads.googleads.v26.errors.googleadsfailure-bin"

Failure = Mapping[str, Any]
"""status: name of the gRPC code; family, reason: the error inside (left out: none); seconds: how long to wait;
after: how many rows are sent before it."""


class GoogleAdsReplay:
    """`with GoogleAdsReplay(recording) as server: … server.url`. `first` are failures given first, one each.

    tls: private key and certificate of `localhost`, to be spoken to as Google is.
    """

    def __init__(
        self, recording: Mapping[str, Any], *, first: Sequence[Failure] = (), tls: tuple[bytes, bytes] | None = None
    ) -> None:
        self.recording = recording
        self.first = list(first)
        self.queries: list[tuple[str, str, dict[str, str]]] = []
        """Customer, query and metadata of each call."""
        handler = grpc.unary_stream_rpc_method_handler(
            self._search_stream,
            request_deserializer=service.SearchGoogleAdsStreamRequest.deserialize,
            response_serializer=service.SearchGoogleAdsStreamResponse.serialize,
        )
        self._server = grpc.server(ThreadPoolExecutor(2))
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, {"SearchStream": handler}),)
        )
        if tls:
            port = self._server.add_secure_port("localhost:0", grpc.ssl_server_credentials([tls]))
            self.url = f"https://localhost:{port}"
        else:
            self.url = f"grpc://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    @classmethod
    def of(cls, folder: Path, **more: Any) -> GoogleAdsReplay:
        return cls(json.loads((folder / "grpc.json").read_text(encoding="utf-8")), **more)

    def __enter__(self) -> GoogleAdsReplay:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(None).wait()

    def _search_stream(self, request: Any, context: Any) -> Iterator[Any]:
        metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        self.queries.append((request.customer_id, request.query, metadata))
        failure = self.first.pop(0) if self.first else None
        if failure and not failure.get("after"):
            _refuse(context, failure)
        known = self.recording.get(request.customer_id)
        if known is None or metadata.get("authorization") != f"Bearer {known['token']}":
            _refuse(
                context,
                {"status": "UNAUTHENTICATED", "family": "authentication_error", "reason": "OAUTH_TOKEN_INVALID"},
            )
        assert known is not None
        for sent, row in enumerate(_rows(known, request.query)):
            if failure and sent == failure["after"]:
                _refuse(context, failure)
            # One row a batch: a client that takes a batch for the whole loses rows here.
            answer = service.SearchGoogleAdsStreamResponse()
            ParseDict(row, service.SearchGoogleAdsStreamResponse.pb(answer).results.add())
            yield answer


def _rows(known: Mapping[str, Any], query: str) -> list[dict[str, Any]]:
    resource = re.search(r"FROM (\w+)", query)
    assert resource is not None
    if resource[1] == "customer":
        return [{"customer": known["customer"]}]
    days = re.findall(r"'(\d{4}-\d\d-\d\d)'", query)
    return [row for row in known[resource[1]] if days[0] <= row["segments"]["date"] <= days[-1]]


def _refuse(context: Any, failure: Failure) -> None:
    if "family" in failure:
        kind = getattr(errors.ErrorCode.pb(errors.ErrorCode()), "DESCRIPTOR").fields_by_name[failure["family"]]  # noqa: B009
        error: dict[str, Any] = {
            "error_code": {failure["family"]: kind.enum_type.values_by_name[failure["reason"]].number},
            "message": failure.get("message", "The platform's own words."),
        }
        if "seconds" in failure:
            error["details"] = {"quota_error_details": {"retry_delay": {"seconds": failure["seconds"]}}}
        told = errors.GoogleAdsFailure.serialize(errors.GoogleAdsFailure({"errors": [error]}))
        context.set_trailing_metadata(((FAILURE, told), ("request-id", "request-1")))
    context.abort(getattr(grpc.StatusCode, failure["status"]), "refused")
