"""The BigQuery stand-in, asked by the vendor's own client and by plain HTTP: what it refuses, and how it answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from cortex.sandbox import Running, serve
from cortex.sandbox.bigquery import PROJECT, BigQueryStandIn
from cortex.sandbox.oauth import OAuth
from cortex.sandbox.wire import Request, standing
from cortex.traffic import _export_funnel as way
from cortex.traffic._export import QUERY
from tests.journeys import agency

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
SCOPE = "https://www.googleapis.com/auth/bigquery"


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with serve(agency.market(), google=False, rate_scale=1000) as sandbox:
        yield sandbox


def dataset(running: Running, at: int = 0) -> str:
    found = running.market.shops[at].ga4
    assert found is not None
    return f"analytics_{found.property_id}"


def bearer(running: Running, at: int = 0, scope: str = SCOPE) -> str:
    token = running.market.shops[at].google_refresh_token
    form = {
        "grant_type": "refresh_token",
        "client_id": "i",
        "client_secret": "s",
        "refresh_token": token,
        "scope": scope,
    }
    return str(requests.post(f"{running.http_url}/token", data=form, timeout=10).json()["access_token"])


def client(running: Running) -> Any:
    from google.cloud import bigquery
    from google.oauth2.credentials import Credentials

    return bigquery.Client(
        project=PROJECT,
        credentials=Credentials(bearer(running)),
        location="US",
        client_options={"api_endpoint": running.http_url},
    )


VALUES: dict[str, Any] = {
    "since": "20261022", "until": "20261119", "settled": "20261112", "first": "20260922", "last": "20261126",
    "intraday": [], "lookback_days": 30, "quiet_days": 7,
}  # fmt: skip


WAY: dict[str, Any] = {
    "since": "20261101",
    "until": "20261110",
    "first": "20261031",
    "last": "20261111",
    "intraday": [],
}


def parameters(values: dict[str, Any], **other: Any) -> list[Any]:
    from google.cloud import bigquery

    return [
        bigquery.ArrayQueryParameter(name, "STRING", value)
        if isinstance(value, list)
        else bigquery.ScalarQueryParameter(name, "INT64" if isinstance(value, int) else "STRING", value)
        for name, value in {**values, **other}.items()
    ]


def ask(
    running: Running,
    query: str = "",
    *,
    most: int | None = None,
    dry: bool = False,
    values: dict[str, Any] = VALUES,
    **other: Any,
) -> Any:
    from google.cloud import bigquery

    config = bigquery.QueryJobConfig(query_parameters=parameters(values, **other), dry_run=dry)
    if most is not None:
        config.maximum_bytes_billed = most
    text = query or QUERY.format(events=f"{PROJECT}.{dataset(running)}.events_*")
    return client(running).query(text, config, retry=None, job_retry=None)


def rows(running: Running, page_size: int | None = None, **other: Any) -> list[dict[str, Any]]:
    job = ask(running, **other)
    return [dict(row.items()) for row in job.result(retry=None, job_retry=None, page_size=page_size)]


def test_the_same_rows_come_in_one_page_or_in_many(running: Running) -> None:
    whole = rows(running)
    assert rows(running, page_size=100) == whole
    assert len(whole) > 300
    calls = [call for call in running.received.calls() if "/queries/" in call.path]
    assert len(calls) > 5


def test_a_journey_ends_with_an_order_or_with_silence(running: Running) -> None:
    told = rows(running)
    paths = [row for row in told if row["kind"] == "path"]
    orders = {row["order_id"] for row in told if row["kind"] == "touch"}
    assert 0 < sum(row["orders"] for row in paths) <= len(orders)
    assert max(row["day"] for row in paths) <= "20261112"
    assert all(0 <= row["orders"] <= row["journeys"] for row in paths)
    # The more silence a journey needs to be over, the fewer there are.
    longer = rows(running, quiet_days=20)
    assert sum(r["journeys"] for r in longer if r["kind"] == "path") < sum(r["journeys"] for r in paths)


def test_touches_lie_before_their_order_and_as_far_back_as_asked(running: Running) -> None:
    far, near = ([r for r in rows(running, lookback_days=days) if r["kind"] == "touch"] for days in (30, 1))
    assert {row["order_id"] for row in far} == {row["order_id"] for row in near}
    assert len(near) < len(far)


def test_visitors_without_consent_are_counted_and_followed_by_nobody(running: Running) -> None:
    hidden = [row for row in rows(running) if row["kind"] == "hidden"]
    assert sum(row["journeys"] for row in hidden) > 0
    assert sum(row["orders"] for row in hidden) > 0
    assert all(row["path"] == "" and row["order_id"] == "" for row in hidden)


def test_a_day_that_streams_is_read_only_when_it_is_named(running: Running) -> None:
    days = {"since": "20261120", "until": "20261120"}
    assert not rows(running, **days)
    assert rows(running, **days, intraday=["intraday_20261120"])


def test_a_dry_run_costs_nothing_and_a_limit_stops_what_would_cost_more(running: Running) -> None:
    from google.api_core.exceptions import BadRequest

    billed = running.bigquery.billed
    size = ask(running, dry=True).total_bytes_processed
    assert size > 1 << 20
    with pytest.raises(BadRequest, match="bytes billed"):
        ask(running, most=size - 1).result(retry=None, job_retry=None)
    assert running.bigquery.billed == billed
    assert list(ask(running, most=size).result(retry=None, job_retry=None))
    assert running.bigquery.billed == billed + size


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda text: "SELECT 1", "NotFound"),
        (lambda text: text.replace("collected_traffic_source AS told", "collected_traffic_source.nothing AS told"), "BadRequest"),
        (lambda text: text.replace("@quiet_days", "@silence"), "BadRequest"),
        (lambda text: text.replace("'path'", "'way'"), "BadRequest"),
        (lambda text: text.replace("AS moment", "AS at"), "BadRequest"),
        (lambda text: text.replace("events_*", "users_*"), "NotFound"),
        (lambda text: text.replace("analytics_", "analytics_9"), "NotFound"),
    ],
)  # fmt: skip
def test_another_question_is_refused(running: Running, change: Any, error: str) -> None:
    from google.api_core import exceptions

    text = QUERY.format(events=f"{PROJECT}.{dataset(running)}.events_*")
    with pytest.raises(getattr(exceptions, error)):
        ask(running, change(text)).result(retry=None, job_retry=None)


def stages(running: Running, text: str = "", **other: Any) -> list[dict[str, Any]]:
    query = text or way.QUERY.format(events=f"{PROJECT}.{dataset(running)}.events_*")
    job = ask(running, query, values=WAY, **other)
    return [dict(row.items()) for row in job.result(retry=None, job_retry=None)]


def test_a_stage_is_reached_after_the_ones_before_it(running: Running) -> None:
    found: dict[str, list[int]] = {}
    for row in stages(running):
        if row["kind"] == "stage":
            counts = found.setdefault(row["stage"], [0, 0])
            counts[0] += row["sessions"]
            counts[1] += row["events"]
    closed = [found[stage][0] for stage in ("visit", "view", "cart", "checkout", "payment")]
    assert closed == sorted(closed, reverse=True)
    assert 0 < found["purchase"][0] < found["purchase"][1]
    assert found["purchase"][0] <= found["checkout"][0] < found["checkout"][1]


def test_stages_and_products_are_of_the_days_asked_for(running: Running) -> None:
    whole = stages(running)
    assert {row["kind"] for row in whole} == {"stage", "item", "hidden"}
    assert {row["day"] for row in whole} == {f"202611{day:02d}" for day in range(1, 11)}
    day = {"since": "20261105", "until": "20261105", "first": "20261104", "last": "20261106"}
    assert stages(running, **day) == [row for row in whole if row["day"] == "20261105"]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("device.category", "device.kind"),
        lambda text: text.replace("'add_to_cart'", "'add_to_basket'"),
        lambda text: text.replace("'stage'", "'step'"),
        lambda text: text.replace("@until", "@settled"),
        lambda text: text.replace("AS moment", "AS at"),
        lambda text: text.replace("AS item_id", "AS product"),
    ],
)
def test_another_question_about_the_way_is_refused(running: Running, change: Any) -> None:
    from google.api_core.exceptions import BadRequest

    with pytest.raises(BadRequest):
        stages(running, change(way.QUERY.format(events=f"{PROJECT}.{dataset(running)}.events_*")))


def test_a_parameter_of_another_type_is_refused(running: Running) -> None:
    from google.api_core.exceptions import BadRequest

    for wrong in ({"quiet_days": "7"}, {"since": "2026-11-01"}, {"intraday": "x"}):
        with pytest.raises(BadRequest):
            ask(running, **wrong)


def plain(running: Running, method: str, path: str, **more: Any) -> requests.Response:
    token = more.pop("token", None) or bearer(running)
    headers = {"Authorization": f"Bearer {token}"}
    return requests.request(
        method, f"{running.http_url}/bigquery/v2/projects/{path}", headers=headers, timeout=10, **more
    )


def test_legacy_sql_is_what_one_gets_without_saying_so(running: Running) -> None:
    body = {"configuration": {"query": {"query": QUERY.format(events=f"{PROJECT}.{dataset(running)}.events_*")}}}
    answer = plain(running, "POST", f"{PROJECT}/jobs", data=json.dumps(body))
    assert answer.status_code == 400
    assert "Legacy" in answer.json()["error"]["message"]


def test_what_is_not_there_or_not_allowed(running: Running) -> None:
    tables = f"{PROJECT}/datasets/{dataset(running)}/tables"
    assert plain(running, "GET", tables).status_code == 200
    assert plain(running, "GET", tables, token="nobody's").status_code == 401
    other = "https://www.googleapis.com/auth/analytics.readonly"
    assert plain(running, "GET", tables, token=bearer(running, scope=other)).status_code == 403
    assert plain(running, "GET", tables, token=bearer(running, at=1)).status_code == 403
    assert plain(running, "GET", f"elsewhere-1/datasets/{dataset(running)}").status_code == 403
    assert plain(running, "GET", f"{PROJECT}/datasets/analytics_1").status_code == 404
    assert plain(running, "GET", f"{PROJECT}/queries/nothing").status_code == 404


def test_tables_come_in_pages_with_the_streaming_ones(running: Running) -> None:
    names = [table.table_id for table in client(running).list_tables(dataset(running), page_size=7)]
    assert len(names) == len(set(names)) > 20
    assert "events_20261119" in names
    assert "events_intraday_20261120" in names
    assert "events_20261120" not in names


def test_requests_beyond_the_rate_are_refused_in_bigquerys_words() -> None:
    market = agency.market()
    stand_in = BigQueryStandIn(market, OAuth(market), clock=standing(NOW), rate_scale=0.02)
    path = f"/bigquery/v2/projects/{PROJECT}/datasets/x"
    answers = [stand_in.handle(Request.of("GET", path)) for _ in range(3)]
    assert answers[-1].status == 403
    assert answers[-1].json()["error"]["errors"][0]["reason"] == "rateLimitExceeded"


def test_a_job_is_not_done_at_once_where_time_is_real() -> None:
    market = agency.market()
    with serve(market, google=False) as slow:
        job = ask(slow)
        assert list(job.result(retry=None, job_retry=None))
        assert sum("/queries/" in call.path for call in slow.received.calls()) >= 2
