"""The GA4 Data API through the real client over REST: whole answers, or a named error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from cortex import google
from cortex.errors import CortexError, CredentialError, PlatformError, Throttled, Transient
from cortex.http import Limits, guard, persist
from cortex.limits import UNSHARED, Pace
from cortex.secrets import REDACTOR, Secret

HOST = "https://analyticsdata.googleapis.com"
MOST_REPORTS = 5
"""Reports in one batch; each counts for the quota."""
ROWS = 100_000
"""Rows asked for at once (Google gives at most 250,000)."""

LIMITS = Limits(connect=5.0, read=60.0, total=180.0, attempts=3, first_pause=2.0, patience=180.0)
"""Three attempts: a property answers ten server errors an hour, then nothing for the rest of it."""

RESERVE = {
    "tokens_per_project_per_hour": (2_100, 3600.0),
    "tokens_per_hour": (6_000, 3600.0),
    "tokens_per_day": (30_000, 21_600.0),
}
"""Stop when no more of a budget is left than this (15 % of a standard property's), and for how many seconds. The
agency's other dashboards live on the same property."""


@dataclass(frozen=True)
class Layout:
    """The columns of a report. The first dimension is `date`."""

    name: str
    dimensions: tuple[str, ...]
    metrics: tuple[str, ...]
    events: tuple[str, ...] = ()
    """Of `eventName`: only these are asked for."""


class DataApi:
    """Reports of one property on behalf of one tenant."""

    def __init__(
        self,
        credential: Secret,
        property_id: str,
        api_url: str | None,
        sleep: Callable[[float], None],
        pace: Pace = UNSHARED,
    ) -> None:
        from google.analytics.data_v1beta import BetaAnalyticsDataClient
        from google.analytics.data_v1beta.services.beta_analytics_data.transports.rest import (
            BetaAnalyticsDataRestTransport,
        )

        self._found = google.credentials(credential, [google.ANALYTICS])
        self._carrier = google.carrying("")
        # A transport of our own, because the client would make a service account sign its tokens itself.
        transport = BetaAnalyticsDataRestTransport(host=api_url or HOST, credentials=self._carrier)
        guard(transport._session, api_url or HOST, LIMITS)
        self._client = BetaAnalyticsDataClient(transport=transport)
        self._name = f"properties/{property_id}"
        self._sleep = sleep
        self._pace = pace
        self._rest = 0.0

    def reports(self, layout: Layout, days: Sequence[date], *, offset: int = 0, rows: int = ROWS) -> list[Any]:
        """One RunReportResponse (plain protobuf) for each day, at most five, ordered by all dimensions.

        Raises CredentialError, Throttled, Transient or PlatformError.
        """
        from google.analytics.data_v1beta.types import BatchRunReportsRequest

        asked = [_request(layout, day, offset, rows) for day in days]
        request = BatchRunReportsRequest(property=self._name, requests=asked)
        answers = persist(lambda: self._ask(request), LIMITS, pace=self._pace, sleep=self._sleep)
        if len(answers) != len(days):
            raise Transient("CTX-4305", "GA4 answered another number of reports than asked.")
        for answer in answers:
            self._trust(answer, layout)
            self._account_for(answer.property_quota)
        return answers

    def _ask(self, request: Any) -> list[Any]:
        if self._rest:
            raise Throttled("CTX-4303", "The GA4 property's quota is nearly spent.", retry_after=self._rest)
        failure = self._once(request, renew=False)
        if isinstance(failure, CredentialError) and failure.code == "CTX-4301":
            # A bearer token may die before its time; the credential behind it is asked once more.
            failure = self._once(request, renew=True)
        if isinstance(failure, CortexError):
            raise failure
        return failure

    def _once(self, request: Any, *, renew: bool) -> list[Any] | CortexError:
        import requests
        from google.api_core.exceptions import GoogleAPICallError
        from google.auth.exceptions import GoogleAuthError
        from google.protobuf.json_format import ParseError

        self._carrier.token = google.bearer(self._found, renew=renew)
        try:
            answer = self._client.batch_run_reports(request, retry=None, timeout=LIMITS.read)
            return [type(report).pb(report) for report in answer.reports]
        except GoogleAPICallError as refusal:
            return _judge(refusal)
        except GoogleAuthError:  # 401: the client wants another token from credentials that only carry one
            return _dead()
        except requests.exceptions.SSLError:
            return PlatformError("CTX-4014", "The TLS certificate of GA4 cannot be verified.")
        except requests.exceptions.RequestException as failure:
            return Transient("CTX-4015", f"The connection to GA4 broke ({type(failure).__name__}).")
        except (ParseError, ValueError, AttributeError):
            return Transient("CTX-4019", "GA4 answered something else than data.")

    def _trust(self, answer: Any, layout: Layout) -> None:
        dimensions = tuple(header.name for header in answer.dimension_headers)
        metrics = tuple(header.name for header in answer.metric_headers)
        if (dimensions, metrics) != (layout.dimensions, layout.metrics):
            raise PlatformError("CTX-4307", "GA4 answered with other columns than asked.")

    def _account_for(self, quota: Any) -> None:
        for name, (reserve, rest) in RESERVE.items():
            if quota.HasField(name) and getattr(quota, name).remaining < reserve:
                self._rest = max(self._rest, rest)


def _request(layout: Layout, day: date, offset: int, rows: int) -> Any:
    from google.analytics.data_v1beta import types

    asked = types.RunReportRequest(
        dimensions=[types.Dimension(name=name) for name in layout.dimensions],
        metrics=[types.Metric(name=name) for name in layout.metrics],
        date_ranges=[types.DateRange(start_date=day.isoformat(), end_date=day.isoformat())],
        # Pages are no snapshot; a total order is what makes them fit together.
        order_bys=[
            types.OrderBy(dimension=types.OrderBy.DimensionOrderBy(dimension_name=name)) for name in layout.dimensions
        ],
        offset=offset,
        limit=rows,
        return_property_quota=True,
    )
    if layout.events:
        listed = types.Filter.InListFilter(values=layout.events, case_sensitive=True)
        asked.dimension_filter = types.FilterExpression(
            filter=types.Filter(field_name="eventName", in_list_filter=listed)
        )
    return asked


def _dead() -> CredentialError:
    return CredentialError(
        "CTX-4301",
        "GA4 refused the credential.",
        fix="Create GOOGLE_CREDENTIALS again with the analytics.readonly scope, then run `cortex doctor`.",
    )


def _judge(refusal: Any) -> CortexError:
    """The error behind a status. REST raises parents such as TooManyRequests, gRPC their children."""
    from google.api_core import exceptions as gone

    words = _words(refusal)
    match refusal:
        case gone.Unauthorized():
            return _dead()
        case gone.Forbidden() if refusal.reason == "SERVICE_DISABLED":
            return CredentialError(
                "CTX-4302",
                "The Google Analytics Data API is off in the credential's Cloud project.",
                fix="Enable it in the Cloud console under APIs and services, then run `cortex doctor`.",
            )
        case gone.Forbidden():
            return CredentialError(
                "CTX-4302",
                f"The Google credential may not read this GA4 property ({words}).",
                fix="Add its e-mail address as Viewer under Admin, Property access management.",
            )
        case gone.TooManyRequests():
            return Throttled(
                "CTX-4303",
                f"GA4 asks to slow down ({words}).",
                retry_after=_retry_delay(refusal) or _until_refill(words),
            )
        case gone.ClientError():
            return PlatformError("CTX-4306", f"GA4 refused the request ({words}).")
        case _:
            return Transient("CTX-4304", f"GA4 failed for a moment ({type(refusal).__name__}).")


def _retry_delay(refusal: Any) -> float:
    """Seconds in google.rpc.RetryInfo, 0 when there is none. Over REST details are plain mappings."""
    for detail in refusal.details:
        if isinstance(detail, dict) and str(detail.get("@type", "")).endswith("google.rpc.RetryInfo"):
            try:
                return float(str(detail.get("retryDelay", "")).removesuffix("s"))
            except ValueError:
                return 0.0
    return 0.0


def _until_refill(words: str) -> float:
    """A spent token budget comes back within its hour or day; for concurrent requests a moment is enough."""
    told = words.lower()
    return 21_600.0 if "per day" in told else 3_600.0 if "token" in told or "per hour" in told else 0.0


def _words(refusal: Any) -> str:
    """Google's sentence, without the method and URL the client puts in front of it."""
    told = str(refusal.message)
    if told.startswith(("GET ", "POST ")):
        told = told.partition(": ")[2]
    return REDACTOR.clean(" ".join(told.split()))[:200]
