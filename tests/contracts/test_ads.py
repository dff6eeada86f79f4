"""What every ad platform promises, whatever it is called. A file in `cortex/ads/` is found here by itself.

It needs recorded replies in `tests/recorded/ads/<kind>/`, as `tests/platforms.py` describes them.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import traceback
import warnings
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cortex import plugins
from cortex.ads import AdPlatform
from cortex.errors import CredentialError, Throttled
from cortex.records import Account, AdClick, AdSpend, History, Restatement
from cortex.settings import PlatformSection, SecretName
from tests.platforms import Stage, staged

KINDS = plugins.kinds("ads")
HEAVY = ("facebook_business", "google", "grpc", "sqlalchemy", "polars", "numpy", "requests_oauthlib")


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with staged("ads", request.param, AdPlatform) as found:
        yield found


def test_there_are_platforms() -> None:
    assert {"meta", "google", "tiktok"} <= set(KINDS)


def test_a_platform_without_recordings_fails_and_says_what_to_add() -> None:
    refused = pytest.raises(pytest.fail.Exception, match="has no recorded replies; add tests/recorded/ads/orkut")
    with refused, staged("ads", "orkut", AdPlatform):
        pass


def test_the_config_says_what_it_may_say_and_nothing_else(stage: Stage) -> None:
    assert stage.of.Config is not PlatformSection
    with pytest.raises(ValidationError) as caught:
        stage.adapter(access_token="canary-value")
    assert "access_token" in str(caught.value)
    assert "canary-value" not in str(caught.value)


def test_credentials_are_declared_and_asked_for_by_name(stage: Stage) -> None:
    declared = stage.of.secrets
    assert declared
    assert all(isinstance(secret, SecretName) and secret.what for secret in declared)
    with pytest.raises(CredentialError) as caught:
        stage.adapter(secrets={}).check()
    assert declared[0].name in caught.value.message
    assert stage.asked == 0


def test_history_restatement_and_docs_are_told(stage: Stage) -> None:
    assert isinstance(stage.of.history, History)
    restates = stage.of.restates
    assert isinstance(restates, Restatement)
    assert 1 <= restates.daily <= restates.weekly
    docs = Path(__file__).parents[2] / "docs"
    assert (docs / "en" / stage.of.docs).is_file()
    assert (docs / "pt-BR" / stage.of.docs.replace("platforms/", "plataformas/")).is_file()


def test_check_tells_who_we_are(stage: Stage) -> None:
    assert stage.adapter().check() == Account(**stage.said["alfa"]["account"])


def test_spend_is_in_the_window_exact_and_keyed(stage: Stage) -> None:
    rows = list(stage.adapter().spend(stage.window))
    account = stage.said["alfa"]["account"]
    assert rows
    for row in rows:
        assert isinstance(row, AdSpend)
        assert (row.platform, row.currency, row.timezone) == (stage.kind, account["currency"], account["timezone"])
        assert row.day in stage.window
        assert all(type(value) is Decimal for value in (row.spend, row.conversions, row.conversion_value))
        assert (row.level == "ad") == bool(row.ad_id)
        assert row.level == "campaign" or (row.campaign_id and row.adset_id)
    keys = [(row.account_id, row.day, row.campaign_id, row.adset_id, row.ad_id) for row in rows]
    assert len(set(keys)) == len(keys)


def test_a_day_sums_to_what_the_account_spent(stage: Stage) -> None:
    for tenant in ("alfa", "beta"):
        assert days_of(stage.adapter(tenant).spend(stage.window)) == totals(stage, tenant)


def test_reading_twice_gives_the_same(stage: Stage) -> None:
    platform = stage.adapter()
    assert list(platform.spend(stage.window)) == list(platform.spend(stage.window))
    assert list(stage.adapter().spend(stage.window)) == list(stage.adapter().spend(stage.window))
    assert list(platform.clicks(stage.window)) == list(platform.clicks(stage.window))


def test_two_halves_make_the_whole(stage: Stage) -> None:
    platform = stage.adapter()
    for read in (platform.spend, platform.clicks):
        first, second = (list(read(half)) for half in stage.halves)
        assert sorted(map(repr, [*first, *second])) == sorted(map(repr, read(stage.window)))


def test_clicks_are_in_the_window(stage: Stage) -> None:
    for click in stage.adapter().clicks(stage.window):
        assert isinstance(click, AdClick)
        assert click.platform == stage.kind
        assert click.click_id
        assert click.campaign_id
        assert click.day in stage.window


def test_a_dead_credential_is_named_and_not_tried_again(stage: Stage) -> None:
    for attempt in ("check", "spend"):
        platform = stage.adapter()
        before = len(stage.http.requests)
        stage.fail("dead", 1)
        with pytest.raises(CredentialError) as caught:
            platform.check() if attempt == "check" else list(platform.spend(stage.window))
        assert caught.value.fix
        assert len(stage.http.requests) == before + 1
        assert not stage.waits


def test_a_short_wait_is_waited_out(stage: Stage) -> None:
    platform = stage.adapter()
    platform.check()
    stage.fail("busy", 2)
    assert days_of(platform.spend(stage.window)) == totals(stage, "alfa")
    assert len(stage.waits) >= 2
    assert max(stage.waits) >= stage.said["busy"]["seconds"]


def test_an_unending_wait_is_told_not_slept_through(stage: Stage) -> None:
    platform = stage.adapter()
    platform.check()
    before = stage.asked
    stage.fail("busy", 50)
    with pytest.raises(Throttled) as caught:
        list(platform.spend(stage.window))
    assert caught.value.retry_after >= stage.said["busy"]["seconds"]
    assert stage.asked - before <= 6
    assert sum(stage.waits) <= 600


def test_no_error_tells_a_secret(stage: Stage) -> None:
    told = []
    for failure in ("dead", "busy"):
        platform = stage.adapter()
        stage.http.first.clear()
        if failure == "busy":
            platform.check()
        stage.fail(failure, 9)
        with pytest.raises((CredentialError, Throttled)) as caught:
            list(platform.spend(stage.window))
        told += [*traceback.format_exception(caught.value), repr(caught.value), str(caught.value)]
    for secret in stage.secrets_of("alfa"):
        assert secret not in "".join(told)


def test_a_token_travels_in_headers_alone(stage: Stage) -> None:
    list(stage.adapter().spend(stage.window))
    for request in stage.http.requests:
        for secret in stage.secrets_of("alfa"):
            assert secret not in request.path + json.dumps(request.query)
            # The token endpoint takes the credential in its body; nothing else may.
            assert request.path == "/token" or secret.encode() not in request.body


@given(turns=st.lists(st.sampled_from(["alfa", "beta"]), min_size=2, max_size=8))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_two_tenants_of_one_process_never_share_a_token(stage: Stage, turns: list[str]) -> None:
    """The recordings know each token with its own account only; whatever the turns, nobody asks with the other's."""
    readers = {name: _one_by_one(stage, name) for name in ("alfa", "beta")}
    found: dict[str, list[AdSpend]] = defaultdict(list)
    for turn in turns:
        found[turn] += [row for row in [next(readers[turn], None)] if row is not None]
    for pair in zip_longest(readers["alfa"], readers["beta"]):
        for name, row in zip(("alfa", "beta"), pair, strict=True):
            found[name] += [row] if row is not None else []
    for name, rows in found.items():
        account = stage.said[name]["account"]
        assert {row.account_id for row in rows} == {account["id"]}
        assert {row.currency for row in rows} == {account["currency"]}
        assert days_of(iter(rows)) == totals(stage, name)
    assert not stage.http.unmatched


def test_nothing_of_the_process_is_changed(stage: Stage) -> None:
    before = _process()
    platform = stage.adapter()
    platform.check()
    list(platform.spend(stage.window))
    list(platform.clicks(stage.window))
    after = _process()
    assert after | before == after, "a logger, a hook or a setting of the process was changed"
    added = {name: told for name, told in after["loggers"].items() if name not in before["loggers"]}
    assert not [name for name, (level, handlers) in added.items() if level or handlers]
    from facebook_business.api import FacebookAdsApi

    assert FacebookAdsApi.get_default_api() is None


def test_importing_a_platform_loads_nothing_heavy(stage: Stage) -> None:
    script = (
        f"import sys, cortex.ads.{stage.kind}\n"
        f"print([name for name in {HEAVY!r} if any(m == name or m.startswith(name + '.') for m in sys.modules)])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def _one_by_one(stage: Stage, tenant: str) -> Iterator[AdSpend]:
    """Day by day, so that requests of the two tenants interleave; as small as the recording allows."""
    platform = stage.adapter(tenant)
    for half in stage.halves:
        yield from platform.spend(half)


def days_of(rows: Iterator[AdSpend]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        found[row.day.isoformat()] += row.spend
    return dict(found)


def totals(stage: Stage, tenant: str) -> dict[str, Decimal]:
    return {day: Decimal(told) for day, told in stage.said[tenant]["totals"].items()}


def _process() -> dict[str, Any]:
    root = logging.getLogger()
    named = logging.Logger.manager.loggerDict
    loggers = {
        name: (
            one.level,
            [type(handler).__name__ for handler in one.handlers if not isinstance(handler, logging.NullHandler)],
        )
        for name, one in list(named.items())
        if isinstance(one, logging.Logger)
    }
    return {
        "excepthook": sys.excepthook,
        "root": (root.level, [type(handler).__name__ for handler in root.handlers]),
        "disabled": logging.root.manager.disable,
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
        "loggers": loggers,
    }
