"""What every traffic source promises. A file in `cortex/traffic/` is found here by itself.

It needs recorded replies in `tests/recorded/traffic/<kind>/`, as `tests/platforms.py` describes them.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cortex import plugins
from cortex.clock import Window
from cortex.errors import CredentialError, Throttled
from cortex.records import STAGES, Account, History, Reached, Restatement, Sessions, Touch, Viewed, Walked
from cortex.settings import PlatformSection, SecretName
from cortex.traffic import Traffic
from tests.platforms import Stage, staged

KINDS = plugins.kinds("traffic")
OFFERED = ("sessions", "journeys", "funnel", "product_views")
HEAVY = ("google", "grpc", "sqlalchemy", "polars", "numpy")


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with staged("traffic", request.param, Traffic) as found:
        yield found


def test_there_are_sources() -> None:
    assert "ga4" in KINDS


def test_the_config_says_what_it_may_say_and_nothing_else(stage: Stage) -> None:
    assert stage.of.Config is not PlatformSection
    with pytest.raises(ValidationError) as caught:
        stage.adapter(api_secret="canary-value")
    assert "api_secret" in str(caught.value)
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
    assert isinstance(stage.of.restates, Restatement)
    assert 1 <= stage.of.restates.daily <= stage.of.restates.weekly
    docs = Path(__file__).parents[2] / "docs"
    assert (docs / "en" / stage.of.docs).is_file()
    assert (docs / "pt-BR" / stage.of.docs.replace("platforms/", "plataformas/")).is_file()


def test_check_tells_who_we_are(stage: Stage) -> None:
    assert stage.adapter().check() == Account(**stage.said["alfa"]["account"])


def test_touches_name_their_order_and_day(stage: Stage) -> None:
    touches = list(stage.adapter().touches(stage.window))
    assert {touch.order_id: str(touch.day) for touch in touches} == stage.said["alfa"]["orders"]
    for touch in touches:
        assert isinstance(touch, Touch)
        assert touch.origin == stage.kind
        assert touch.day is not None
        assert touch.day in stage.window
        assert "(not set)" not in repr(touch)


def test_a_source_tells_of_sessions_or_of_journeys(stage: Stage) -> None:
    assert offers(stage)
    assert offers(stage) == [name for name in OFFERED if name in stage.said["alfa"]]
    # A step asks for both.
    assert ("funnel" in offers(stage)) == ("product_views" in offers(stage))


def test_sessions_are_told_by_one_source() -> None:
    """fct_sessions has no column for who told: a second source would overwrite the first one's days."""
    assert [kind for kind in KINDS if hasattr(plugins.adapter("traffic", kind, Traffic), "sessions")] == ["ga4"]


def test_journeys_add_up_and_name_nobody(stage: Stage) -> None:
    if "journeys" not in offers(stage):
        assert "journeys" not in stage.said["alfa"]
        return
    counted: dict[str, list[int]] = {}
    for walked in stage.adapter().journeys(stage.window):
        assert isinstance(walked, Walked)
        assert walked.origin == stage.kind
        assert walked.day in stage.window
        assert walked.steps
        assert 0 <= walked.orders <= walked.journeys
        # Names of click ids, never the ids; no field could hold a visitor.
        assert {step.click for step in walked.steps} <= {"", "gclid", "gbraid", "wbraid", "fbclid", "ttclid", "msclkid"}
        assert "(not set)" not in repr(walked)
        day = counted.setdefault(str(walked.day), [0, 0])
        day[0] += walked.journeys
        day[1] += walked.orders
    assert counted == stage.said["alfa"]["journeys"]


def test_sessions_add_up_and_are_keyed(stage: Stage) -> None:
    if "sessions" not in offers(stage):
        assert "sessions" not in stage.said["alfa"]
        return
    rows = list(stage.adapter().sessions(stage.window))
    account, said = stage.said["alfa"]["account"], stage.said["alfa"]
    counted: Counter[str] = Counter()
    for row in rows:
        assert isinstance(row, Sessions)
        assert (row.property_id, row.currency) == (account["id"], account["currency"])
        assert row.day in stage.window
        assert type(row.revenue) is Decimal
        assert row.engaged_sessions <= row.sessions
        assert row.new_users <= row.users
        counted[str(row.day)] += row.sessions
    assert counted == said["sessions"]
    assert sum(row.revenue for row in rows) == Decimal(said["revenue"])
    keys = [(row.property_id, row.day, row.source, row.medium, row.campaign) for row in rows]
    assert len(set(keys)) == len(keys)


def test_stages_add_up_by_day_and_are_keyed(stage: Stage) -> None:
    if "funnel" not in offers(stage):
        return
    rows = list(stage.adapter().funnel(stage.window))
    counted: dict[str, dict[str, list[int]]] = {}
    for row in rows:
        assert isinstance(row, Reached)
        assert (row.origin, row.property_id) == (stage.kind, stage.said["alfa"]["account"]["id"])
        assert row.day in stage.window
        assert row.stage in STAGES
        assert 0 <= row.sessions <= row.events
        assert "(not set)" not in repr(row)
        counts = counted.setdefault(str(row.day), {}).setdefault(row.stage, [0, 0])
        counts[0] += row.sessions
        counts[1] += row.events
    assert counted == stage.said["alfa"]["funnel"]
    keys = [(row.day, row.device, row.source, row.medium, row.channel_group, row.stage) for row in rows]
    assert len(set(keys)) == len(keys)


def test_views_of_products_add_up_and_name_their_item(stage: Stage) -> None:
    if "product_views" not in offers(stage):
        return
    counted: dict[str, list[int]] = {}
    for row in stage.adapter().product_views(stage.window):
        assert isinstance(row, Viewed)
        assert (row.origin, row.property_id) == (stage.kind, stage.said["alfa"]["account"]["id"])
        assert row.day in stage.window
        assert row.item_id
        counts = counted.setdefault(row.item_id, [0, 0, 0])
        for at, units in enumerate((row.viewed, row.added, row.purchased)):
            assert units >= 0
            counts[at] += units
    assert counted == stage.said["alfa"]["product_views"]


def test_a_touch_tells_the_device_of_its_order(stage: Stage) -> None:
    if "devices" not in stage.said["alfa"]:
        return
    told = {touch.order_id: touch.device for touch in stage.adapter().touches(stage.window)}
    assert told == stage.said["alfa"]["devices"]


def test_what_the_platform_says_of_its_quality_is_passed_on(stage: Stage) -> None:
    source = stage.adapter()
    for read in reads(stage, source):
        list(read(stage.window))
    assert {notice.code for notice in stage.notices} == set(stage.said["alfa"]["notices"])
    told = [(notice.stream, notice.code, notice.message) for notice in stage.notices]
    assert len(set(told)) == len(told), "two notices with one key: one of them would be lost"
    assert all(notice.stream == f"traffic.{stage.kind}" for notice in stage.notices)
    assert all(notice.count and len(notice.code) <= 32 and len(notice.message) <= 255 for notice in stage.notices)


def test_reading_twice_gives_the_same(stage: Stage) -> None:
    for first, again in zip(reads(stage, stage.adapter()), reads(stage, stage.adapter()), strict=True):
        assert list(first(stage.window)) == list(again(stage.window))


def test_two_halves_make_the_whole(stage: Stage) -> None:
    source = stage.adapter()
    for read in reads(stage, source):
        first, second = (list(read(half)) for half in stage.halves)
        assert first
        assert second
        assert sorted(map(repr, [*first, *second])) == sorted(map(repr, read(stage.window)))


def test_a_dead_credential_is_named_and_not_tried_again(stage: Stage) -> None:
    for attempt in ("check", "touches", *offers(stage)):
        source = stage.adapter()
        before = len(stage.http.requests)
        stage.fail("dead", 1)
        with pytest.raises(CredentialError) as caught:
            source.check() if attempt == "check" else list(getattr(source, attempt)(stage.window))
        assert caught.value.fix
        assert len(stage.http.requests) == before + 1
        assert not stage.waits


def test_a_short_wait_is_waited_out(stage: Stage) -> None:
    source = stage.adapter()
    source.check()
    stage.fail("busy", 2)
    assert {touch.order_id for touch in source.touches(stage.window)} == set(stage.said["alfa"]["orders"])
    assert len(stage.waits) == 2
    assert min(stage.waits) >= stage.said["busy"]["seconds"]


def test_an_unending_wait_is_told_not_slept_through(stage: Stage) -> None:
    source = stage.adapter()
    source.check()
    before = stage.asked
    stage.fail("busy", 50)
    with pytest.raises(Throttled) as caught:
        list(source.touches(stage.window))
    assert caught.value.retry_after >= stage.said["busy"]["seconds"]
    assert stage.asked - before <= 6
    assert sum(stage.waits) <= 600


def test_no_error_tells_a_secret(stage: Stage) -> None:
    stage.fail("dead", 9)
    with pytest.raises(CredentialError) as caught:
        list(stage.adapter().touches(stage.window))
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    for secret in stage.secrets_of("alfa"):
        assert secret not in told


def test_a_token_travels_in_headers_alone(stage: Stage) -> None:
    list(stage.adapter().touches(stage.window))
    for request in stage.http.requests:
        for secret in stage.secrets_of("alfa"):
            assert secret not in request.path + json.dumps(request.query)
            assert request.path == "/token" or secret.encode() not in request.body


@given(turns=st.lists(st.sampled_from(["alfa", "beta"]), min_size=2, max_size=8))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_two_tenants_of_one_process_never_share_a_token(stage: Stage, turns: list[str]) -> None:
    """The recordings know each token with its own property only; whatever the turns, nobody asks with the other's."""
    readers = {name: _one_by_one(stage, name) for name in ("alfa", "beta")}
    found: dict[str, list[Touch]] = defaultdict(list)
    for turn in turns:
        found[turn] += [row for row in [next(readers[turn], None)] if row is not None]
    for pair in zip_longest(readers["alfa"], readers["beta"]):
        for name, row in zip(("alfa", "beta"), pair, strict=True):
            found[name] += [row] if row is not None else []
    for name, rows in found.items():
        assert {row.order_id for row in rows} == set(stage.said[name]["orders"])
    assert not stage.http.unmatched


def test_nothing_of_the_process_is_changed(stage: Stage) -> None:
    root = logging.getLogger()
    before = (sys.excepthook, root.level, list(root.handlers), dict(os.environ))
    source = stage.adapter()
    source.check()
    list(source.touches(stage.window))
    assert (sys.excepthook, root.level, list(root.handlers), dict(os.environ)) == before


def test_importing_a_source_loads_nothing_heavy(stage: Stage) -> None:
    script = (
        f"import sys, cortex.traffic.{stage.kind}\n"
        f"print([name for name in {HEAVY!r} if any(m == name or m.startswith(name + '.') for m in sys.modules)])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def offers(stage: Stage) -> list[str]:
    """What the source defines besides touches."""
    return [name for name in OFFERED if hasattr(stage.of, name)]


def reads(stage: Stage, source: Any) -> list[Callable[[Window], Iterator[object]]]:
    return [source.touches, *(getattr(source, name) for name in offers(stage))]


def _one_by_one(stage: Stage, tenant: str) -> Iterator[Touch]:
    source = stage.adapter(tenant)
    for half in stage.halves:
        yield from source.touches(half)
