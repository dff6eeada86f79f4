"""Platforms that fail at random: a run ends exact or with a named error, never quietly wrong, and nothing is told twice."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cortex import logs
from cortex import tenant as tenants
from cortex.clock import local_day
from cortex.runner import engine, plan, recipes
from cortex.runner.engine import RunResult
from cortex.sandbox import Faults
from cortex.workspace import Workspace
from tests.journeys import agency as agencies
from tests.journeys import truth
from tests.journeys.agency import NOW, Agency, Dump

ORDERS = 120
SPAN = 8
READING = ("/2025-03/", "/v26.0/", "/v1beta/", "/token")
SENDING = ("/v26.0/", "/v1/events", "/v1/requestStatus")
MIXES: dict[str, dict[str, float]] = {
    "slow down": {"429": 0.12},
    "server errors": {"500": 0.06, "502": 0.04, "503": 0.04},
    "cut connections": {"reset": 0.05, "reset_mid": 0.04, "truncate": 0.05},
    "damaged answers": {"badjson": 0.06, "html": 0.05},
    "pages that lie": {"dup_page": 0.12, "empty_page": 0.12},
    "everything": {
        "429": 0.02, "500": 0.02, "503": 0.02, "reset": 0.02, "truncate": 0.02, "badjson": 0.02, "html": 0.02,
        "dup_page": 0.03, "empty_page": 0.03,
    },
}  # fmt: skip
SEEDS = [(seed, kind) for seed, kind in enumerate(list(MIXES) * 4)]
STATES = ("state", "reason", "attempts", "claimed_at", "next_attempt_at", "sent_at", "settled_at", "payload_sha256",
          "error_class", "error_code", "error_message", "created_at")  # fmt: skip


def execute(agency: Agency, pipeline: str, *, days: int | None = None) -> RunResult:
    """The engine without the command line around it: several agencies can wait for their platforms at the same time."""
    workspace = Workspace(agency.root)
    tenant = tenants.load(workspace, agency.first)
    recipe = recipes.load(workspace, pipeline)
    window = plan.window_for(tenant, recipe, agency.hand.now, days=days)
    return engine.execute(
        tenant, recipe, window, plan.steps(tenant, recipe, window), workspace=workspace, database=agency.database,
        clock=agency.hand, resume=pipeline == "backfill",
    )  # fmt: skip


def ledgerless(agency: Agency) -> Dump:
    """Everything but how often and when conversions were tried, and what platforms count of those tries."""
    return agency.dump(agency.first, without=["conversion_identifiers", "conversion_diagnostics"], columns=STATES)


@pytest.fixture(scope="module")
def code() -> Iterator[str]:
    """One client code for all agencies here, so that what they store compares; its key is set for the whole module."""
    code = agencies.unique("aurora")
    with agencies.environment({f"CORTEX_{code.upper()}_IDENTITY_KEY": agencies.KEY}):
        yield code


@pytest.fixture(scope="module")
def small_world() -> dict[str, Any]:
    return {"orders": ORDERS, "days": SPAN + 2}


@pytest.fixture(scope="module")
def undisturbed(code: str, small_world: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agency]:
    """The same job where nothing goes wrong."""
    market = agencies.market(codes=[code, f"{code}x"], **small_world)
    with closing(agencies.found(tmp_path_factory.mktemp("calm"), market)) as calm:
        calm.ok("onboard", code)
        assert execute(calm, "backfill", days=SPAN).exit_code == 0
        assert execute(calm, "daily").exit_code == 0
        later(calm)
        assert execute(calm, "daily").exit_code == 0
        yield calm


def later(agency: Agency) -> None:
    """Long enough for every retry to be due, and inside Meta's two days of deduplication."""
    agency.forward(hours=7)


def told(agency: Agency) -> dict[str, dict[str, Decimal]]:
    return {platform: agency.counted(agency.first, platform) for platform in ("meta", "data_manager")}


def too_late(agency: Agency, destination: str) -> set[str]:
    """Orders of which the ledger says that their window closed before an answer came: named, and told no more."""
    with agency.warehouse(agency.first) as opened:
        rows = opened.rows(
            "SELECT order_ref FROM conversion_outbox WHERE destination = :destination AND action = 'purchase'"
            " AND state IN ('unknown', 'expired') AND error_code = 'too_old'",
            destination=destination,
        )
    return {row["order_ref"] for row in rows}


def named(result: RunResult) -> None:
    """A failed step says a code of a platform, never that something broke."""
    for step in result.failed:
        assert step.error is not None
        assert step.error.code.startswith("CTX-4"), (step.name, step.error.code, step.error.message)
        assert step.error.fix or step.error.retryable or step.error.message


def weather(seed: int, kind: str, prefixes: tuple[str, ...]) -> Faults:
    return Faults(seed, MIXES[kind], prefixes=prefixes, retry_after=1)


def run_through(agency: Agency, seed: int, kind: str) -> list[RunResult]:
    """Read and send in bad weather, then once more in good."""
    faults = agency.running.faults
    bad = weather(seed, kind, READING)
    faults.seed, faults.mix, faults.prefixes = bad.seed, dict(bad.mix), bad.prefixes
    results = [execute(agency, "backfill", days=SPAN), execute(agency, "daily")]
    faults.clear()
    if results[0].failed:
        assert execute(agency, "backfill", days=SPAN).exit_code == 0
    later(agency)
    return [*results, execute(agency, "daily")]


@pytest.mark.slow
def test_reading_through_faults_ends_exact_or_says_why(
    undisturbed: Agency, code: str, small_world: dict[str, Any], tmp_path: Path
) -> None:
    logs.configure(quiet=True)
    market = agencies.market(codes=[code, f"{code}x"], **small_world)
    with closing(agencies.found(tmp_path / "empty", market)) as fresh:
        fresh.ok("onboard", code)
        shutil.copytree(fresh.state, empty := tmp_path / "state")
    with ExitStack() as stack:
        agencies_ = []
        for seed, _kind in SEEDS:
            market = agencies.market(codes=[code, f"{code}x"], **small_world)
            agency = stack.enter_context(closing(agencies.found(tmp_path / str(seed), market)))
            shutil.copytree(empty, agency.state)
            agencies_.append(agency)
        with ThreadPoolExecutor(len(SEEDS)) as pool:
            every = list(pool.map(lambda pair: run_through(pair[0], *pair[1]), zip(agencies_, SEEDS, strict=True)))
        expected, owed = ledgerless(undisturbed), told(undisturbed)
        struck = 0
        for agency, results, (seed, kind) in zip(agencies_, every, SEEDS, strict=True):
            for result in results[:2]:
                named(result)
            assert results[2].exit_code == 0, (seed, kind)
            got = ledgerless(agency)
            assert [name for name in expected if got[name] != expected[name]] == [], (seed, kind)
            for platform, destination in (("meta", "meta_capi"), ("data_manager", "google_ec")):
                counted, late = agency.counted(code, platform), too_late(agency, destination)
                assert counted.items() <= owed[platform].items(), (seed, kind, platform)
                assert owed[platform].keys() - counted.keys() <= late, (seed, kind, platform)
                agency.once_each(code, platform)
            struck += sum(bool(call.fault) for call in agency.running.received.calls())
        assert struck > 2 * len(SEEDS)


@pytest.mark.parametrize("kind", ["html", "badjson", "truncate", "500"])
def test_what_is_no_token_is_asked_for_again(code: str, small_world: dict[str, Any], tmp_path: Path, kind: str) -> None:
    market = agencies.market(codes=[code, f"{code}x"], **small_world)
    with closing(agencies.found(tmp_path / "agency", market)) as agency:
        agency.onboarded(code)
        agency.ok("backfill", code, "--days", "3")
        agency.running.faults.once("/token", kind)
        said = agency.cortex("run", "conversions", code, as_json=True)
        assert said.code in {0, 1}
        assert "CTX-9001" not in said.out
        agency.forward(minutes=10)
        agency.ok("run", "conversions", code)
        owed = truth.due(truth.read_by_backfill(agency.shop(code), NOW, 3), NOW, **truth.GOOGLE)
        assert agency.counted(code, "data_manager") == owed
        agency.once_each(code, "data_manager")


WAITED_FOR = pytest.param("429", marks=pytest.mark.slow)
"""Meta names no time to wait, so half a minute is waited each time."""
UNSURE = ("lost_after_commit", "reset_mid", "truncate", "badjson", "html", "500", "503", WAITED_FOR, "reset")


@pytest.mark.parametrize("kind", UNSURE)
@pytest.mark.parametrize("place", ["meta", "data_manager"])
def test_a_conversion_whose_fate_is_unclear_is_counted_once(
    code: str, small_world: dict[str, Any], tmp_path: Path, kind: str, place: str
) -> None:
    """The platform may have taken the batch although we never heard: it is told again with the same id, or not at all."""
    market = agencies.market(codes=[code, f"{code}x"], **small_world)
    with closing(agencies.found(tmp_path / "agency", market)) as agency:
        agency.onboarded(code)
        agency.ok("backfill", code, "--days", str(SPAN))
        path = f"/v26.0/{agency.shop(code).meta.pixel_id}/events" if place == "meta" else "/v1/events:ingest"  # type: ignore[union-attr]
        for _ in range(2):
            agency.running.faults.once(path, kind)
            agency.cortex("run", "conversions", code)
            agency.forward(minutes=70)
        agency.running.faults.clear()
        for _ in range(3):
            agency.ok("run", "conversions", code)
            agency.forward(hours=2)
        rules, destination = (truth.META, "meta_capi") if place == "meta" else (truth.GOOGLE, "google_ec")
        sales = truth.read_by_backfill(agency.shop(code), NOW, SPAN)
        owed = truth.due(sales, NOW, **rules)
        tried = {
            row["order_ref"]: row["state"]
            for row in agency.rows(
                code,
                "SELECT order_ref, state FROM conversion_outbox WHERE destination = :d AND attempts > 0",
                d=destination,
            )
        }
        assert set(tried) == set(owed)
        # An order whose window closed while its fate was unclear is told no more: the platform has it, or will not.
        lapsed = owed.keys() - truth.due(sales, agency.hand.now, **rules).keys()
        delivered = {"accepted", "processed", "duplicate"}
        assert {state for order, state in tried.items() if order not in lapsed} <= delivered
        assert {tried[order] for order in lapsed} <= {*delivered, "unknown", "expired"}
        counted = agency.counted(code, place)
        assert owed.keys() - counted.keys() <= {order for order in lapsed if tried[order] not in delivered}
        assert counted == {order: value for order, value in owed.items() if order in counted}
        agency.once_each(code, place)


def test_a_delivery_nobody_answered_for_two_days_is_held_for_a_person(
    code: str, small_world: dict[str, Any], tmp_path: Path
) -> None:
    """After Meta's deduplication ends, telling it again could count it twice."""
    market = agencies.market(codes=[code, f"{code}x"], **small_world)
    with closing(agencies.found(tmp_path / "agency", market)) as agency:
        agency.onboarded(code)
        agency.ok("backfill", code, "--days", str(SPAN))
        path = f"/v26.0/{agency.shop(code).meta.pixel_id}/events"  # type: ignore[union-attr]
        agency.running.faults.once(path, "lost_after_commit")
        agency.cortex("run", "conversions", code)
        first = agency.counted(code, "meta")
        assert len(first) > 5
        agency.forward(hours=49)
        agency.cortex("run", "conversions", code)
        agency.forward(hours=49)
        agency.cortex("run", "conversions", code)
        agency.once_each(code, "meta")
        assert agency.counted(code, "meta") == first
        held = agency.rows(
            code,
            "SELECT state, next_attempt_at FROM conversion_outbox WHERE destination = 'meta_capi' AND sent_at IS NOT NULL",
        )
        assert {(row["state"], row["next_attempt_at"]) for row in held} == {("unknown", None)}


def test_one_bad_event_does_not_cost_the_batch(code: str, small_world: dict[str, Any], tmp_path: Path) -> None:
    """Meta refuses a whole request for one event: the others are delivered, and the bad one is named."""
    market = agencies.market(own=True, **small_world)
    shop = market.shops[0]
    with closing(agencies.found(tmp_path / "agency", market)) as agency:
        agency.onboarded(shop.code)
        agency.ok("backfill", shop.code, "--days", str(SPAN))
        (bad,) = agency.rows(
            shop.code,
            "SELECT o.order_key, o.external_id FROM fct_orders o JOIN conversion_outbox b ON b.order_key = o.order_key"
            " WHERE b.destination = 'meta_capi' AND b.state = 'planned' ORDER BY o.external_id LIMIT 1",
        )
        with agency.warehouse(shop.code) as opened:
            # A browser id that looks right to us and is refused by them.
            opened.atomically(
                lambda tx: tx.run(
                    "UPDATE conversion_identifiers SET identifiers = :identifiers WHERE order_key = :key AND destination = 'meta_capi'",
                    identifiers='{"identifiers":{"em":["' + "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" + '"]}}',
                    key=bad["order_key"],
                )
            )  # fmt: skip
        said = agency.cortex("run", "conversions", shop.code, as_json=True)
        facts = next(step["facts"] for step in said.data["steps"] if step["name"] == "conversions.meta_capi")
        assert facts["rejected"] == 1
        assert bad["external_id"] not in agency.counted(shop.code, "meta")
        owed = truth.due(truth.read_by_backfill(shop, NOW, SPAN), NOW, **truth.META)
        assert set(agency.counted(shop.code, "meta")) == set(owed) - {bad["external_id"]}


def test_the_world_is_the_same_for_every_seed() -> None:
    assert local_day(NOW, truth.ZONE) == truth.today(NOW)
    assert len({random.Random(f"{seed}:1").random() for seed, _ in SEEDS}) == len(SEEDS)
    assert len(SEEDS) >= 20
    assert timedelta(hours=7) < timedelta(hours=48)
