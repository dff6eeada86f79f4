"""BigQuery through its real client: one query at a time, with a limit on what it may cost, or a named error."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, TypeVar

from cortex import google
from cortex.errors import ConfigError, CortexError, CredentialError, PlatformError, Throttled, Transient
from cortex.http import Limits, guard, persist
from cortex.limits import UNSHARED, Pace
from cortex.secrets import REDACTOR, Secret

HOST = "https://bigquery.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/bigquery"
"""Reading the export needs jobs, and no narrower scope may start one."""
PAGE = 20_000
LIMITS = Limits(connect=5.0, read=120.0, total=600.0, attempts=4, first_pause=2.0, patience=180.0)
SLOW = {"rateLimitExceeded", "jobRateLimitExceeded"}
SPENT = {"quotaExceeded"}
T = TypeVar("T")


def check_extra() -> None:
    """Raises ConfigError CTX-4509 when the client library, the [bigquery] extra, is not installed."""
    try:
        there = find_spec("google.cloud.bigquery") is not None
    except ModuleNotFoundError:
        there = False
    if not there:
        raise ConfigError(
            "CTX-4509", "Reading GA4's BigQuery export needs the [bigquery] extra.",
            fix="pip install 'cortex-ecom[bigquery]'",
        )  # fmt: skip


class BigQuery:
    """Queries of one project on behalf of one tenant. Nothing is cached or shared."""

    def __init__(
        self,
        credential: Secret,
        project: str,
        location: str,
        api_url: str | None,
        sleep: Callable[[float], None],
        pace: Pace = UNSHARED,
    ) -> None:
        check_extra()
        from google.auth.transport.requests import AuthorizedSession
        from google.cloud import bigquery

        self._found = google.credentials(credential, [SCOPE])
        self._carrier = google.carrying("")
        session = AuthorizedSession(self._carrier)
        guard(session, api_url or HOST, LIMITS)
        self._client = bigquery.Client(
            project=project,
            credentials=self._carrier,
            location=location,
            client_options={"api_endpoint": api_url or HOST},
            _http=session,
        )
        self._sleep = sleep
        self._pace = pace

    def tables(self, dataset: str) -> list[str]:
        """Names of the tables of a dataset."""
        return self._persist(
            lambda: [table.table_id for table in self._client.list_tables(dataset, retry=None, timeout=LIMITS.read)]
        )

    def location(self, dataset: str) -> str:
        return str(self._persist(lambda: self._client.get_dataset(dataset, retry=None, timeout=LIMITS.read).location))

    def estimate(self, query: str, parameters: Mapping[str, str | int | Sequence[str]]) -> int:
        """Bytes the query would read: a dry run, which costs nothing."""
        job = self._persist(lambda: self._start(query, parameters, dry_run=True))
        return int(job.total_bytes_processed or 0)

    def rows(
        self, query: str, parameters: Mapping[str, str | int | Sequence[str]], *, most_bytes: int
    ) -> list[dict[str, Any]]:
        """Every row of the answer, by column. BigQuery refuses, at no cost, what would bill more than `most_bytes`.

        Raises CredentialError, Throttled, Transient or PlatformError.
        """
        job = self._persist(lambda: self._start(query, parameters, most_bytes=most_bytes))
        # An answer is kept for a day and does not change: pages that broke off are read again, the query is not run again.
        return self._persist(
            lambda: [
                dict(row.items())
                for row in job.result(retry=None, job_retry=None, page_size=PAGE, timeout=LIMITS.total)
            ]
        )

    def _start(
        self,
        query: str,
        parameters: Mapping[str, str | int | Sequence[str]],
        *,
        dry_run: bool = False,
        most_bytes: int | None = None,
    ) -> Any:
        from google.cloud import bigquery

        asked = bigquery.QueryJobConfig(
            dry_run=dry_run,
            use_legacy_sql=False,
            use_query_cache=False,
            query_parameters=[_parameter(name, value) for name, value in parameters.items()],
        )
        if most_bytes is not None:
            asked.maximum_bytes_billed = most_bytes
        return self._client.query(query, asked, retry=None, job_retry=None, timeout=LIMITS.read)

    def _persist(self, work: Callable[[], T]) -> T:
        return persist(lambda: self._ask(work), LIMITS, pace=self._pace, sleep=self._sleep)

    def _ask(self, work: Callable[[], T]) -> T:
        try:
            return self._once(work, renew=False)
        except CredentialError as failure:
            if failure.code != "CTX-4501":
                raise
        # A bearer token may die before its time; the credential behind it is asked once more.
        return self._once(work, renew=True)

    def _once(self, work: Callable[[], T], *, renew: bool) -> T:
        import concurrent.futures

        import requests
        from google.api_core.exceptions import GoogleAPICallError
        from google.auth.exceptions import GoogleAuthError

        self._carrier.token = google.bearer(self._found, renew=renew)
        try:
            return work()
        except GoogleAPICallError as refusal:
            raise _judge(refusal) from None
        except GoogleAuthError:  # 401: the session wants another token from credentials that only carry one
            raise _dead() from None
        except requests.exceptions.SSLError:
            raise PlatformError("CTX-4014", "The TLS certificate of BigQuery cannot be verified.") from None
        except (requests.exceptions.RequestException, concurrent.futures.TimeoutError) as failure:
            raise Transient("CTX-4015", f"The connection to BigQuery broke ({type(failure).__name__}).") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Transient("CTX-4019", "BigQuery answered something else than data.") from None


def _parameter(name: str, value: str | int | Sequence[str]) -> Any:
    from google.cloud import bigquery

    if isinstance(value, str):
        return bigquery.ScalarQueryParameter(name, "STRING", value)
    if isinstance(value, int):
        return bigquery.ScalarQueryParameter(name, "INT64", value)
    return bigquery.ArrayQueryParameter(name, "STRING", list(value))


def _dead() -> CredentialError:
    return CredentialError(
        "CTX-4501",
        "BigQuery refused the credential.",
        fix="Create GOOGLE_CREDENTIALS again with the bigquery scope, then run `cortex doctor`.",
    )


def _judge(refusal: Any) -> CortexError:
    """The error behind a status. BigQuery says with 403 that a quota is spent, and with 400 that a limit of cost is passed."""
    from google.api_core import exceptions as gone

    words = _words(refusal)
    reasons = {str(error.get("reason", "")) for error in refusal.errors if isinstance(error, dict)}
    if reasons & SLOW or isinstance(refusal, gone.TooManyRequests):
        return Throttled("CTX-4503", f"BigQuery asks to slow down ({words}).", retry_after=_retry_delay(refusal))
    if reasons & SPENT:
        return Throttled("CTX-4503", f"A quota of the BigQuery project is spent ({words}).", retry_after=21_600.0)
    if "bytesBilledLimitExceeded" in reasons or "bytes billed" in words.lower():
        return PlatformError(
            "CTX-4505",
            f"The query would cost more than the client file allows ({words}).",
            fix="Raise analytics.ga4_bigquery.max_gb_per_query, or lower lookback_days.",
        )
    match refusal:
        case gone.Unauthorized():
            return _dead()
        case gone.Forbidden():
            return CredentialError(
                "CTX-4502",
                f"The Google credential may not do this in BigQuery ({words}).",
                fix="Grant it BigQuery Job User on the project and BigQuery Data Viewer on the dataset.",
            )
        case gone.NotFound():
            return PlatformError(
                "CTX-4504",
                f"BigQuery does not find the export ({words}).",
                fix="Check project, property_id and location in analytics.ga4_bigquery, and the BigQuery link in GA4.",
            )
        case gone.ClientError():
            return PlatformError("CTX-4506", f"BigQuery refused the request ({words}).")
        case _:
            return Transient("CTX-4508", f"BigQuery failed for a moment ({type(refusal).__name__}).")


def _retry_delay(refusal: Any) -> float:
    """Seconds in google.rpc.RetryInfo, 0 when there is none."""
    for detail in refusal.details:
        if isinstance(detail, dict) and str(detail.get("@type", "")).endswith("google.rpc.RetryInfo"):
            try:
                return float(str(detail.get("retryDelay", "")).removesuffix("s"))
            except ValueError:
                return 0.0
    return 0.0


def _words(refusal: Any) -> str:
    """BigQuery's sentence, without the method and URL in front of it and the job and query behind."""
    told = str(refusal.message).partition("\n")[0]
    if told.startswith(("GET ", "POST ")):
        told = told.partition(": ")[2]
    return REDACTOR.clean(" ".join(told.split()))[:160]
