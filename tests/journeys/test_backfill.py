"""The past in weekly pieces: interrupted it goes on where it stopped, and says what came too late to be told."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

import pytest

from tests.journeys import agency as agencies
from tests.journeys import truth
from tests.journeys.agency import DAYS, NOW, Agency
from tests.journeys.conftest import Founder
from tests.journeys.truth import GOOGLE, META, Sale

CHUNKS = ["2026-11-13", "2026-11-06", "2026-10-30", "2026-10-23", "2026-10-21"]


def order_calls(agency: Agency) -> int:
    return sum(call.path.endswith("/orders") for call in agency.running.received.calls())


def test_the_plan_is_shown_newest_first_and_nothing_is_done(small: Agency) -> None:
    small.onboarded(small.first)
    before, calls = small.dump(small.first), len(small.running.received.calls())
    (plan,) = small.ok("backfill", small.first, "--days", str(DAYS), "--dry-run", as_json=True).data
    assert (plan["since"], plan["until"]) == ("2026-10-21", "2026-11-20")
    orders = [step for step in plan["steps"] if step["name"].startswith("store.orders@")]
    assert [step["since"] for step in orders] == CHUNKS
    assert [step["until"] for step in orders] == ["2026-11-20", *CHUNKS[:-1]]
    assert small.dump(small.first) == before
    assert len(small.running.received.calls()) == calls


def test_interrupted_it_goes_on_and_reads_no_piece_twice(found: Founder, engine_url: str) -> None:
    agency = found(database=engine_url)
    code = agency.first
    agency.onboarded(code)
    twin = found(market=agencies.market(codes=[code, f"{code}x"]))  # on SQLite, whatever the other is on
    twin.onboarded(code)
    twin.ok("backfill", code, "--days", str(DAYS))
    child = agency.process("backfill", code, "--days", str(DAYS), "--jobs", "1")
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and child.poll() is None:
        if len(done_pieces(agency, code)) >= 2:
            break
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    if child.returncode == 0:
        pytest.skip("this machine finished before it could be interrupted")
    assert child.returncode == 130, err
    assert "the same command goes on" in err
    finished = done_pieces(agency, code)
    assert finished
    (run,) = agency.ok("runs", "list", code, as_json=True).data
    assert (run["status"], run["exit_code"]) == ("interrupted", 130)

    calls = order_calls(agency)
    said = agency.ok("backfill", code, "--days", str(DAYS), as_json=True)
    assert said.data["run_id"] == run["run_id"]
    states = {step["name"]: step["status"] for step in said.data["steps"]}
    assert {name for name, state in states.items() if state == "done"} >= set(finished)
    left = [name for name, state in states.items() if name.startswith("store.orders@") and state == "ok"]
    assert len(left) == len(CHUNKS) - sum(name.startswith("store.orders@") for name in finished)
    assert (order_calls(agency) > calls) == bool(left)
    sales = truth.read_by_backfill(agency.shop(code), NOW, DAYS)
    stored = agency.rows(code, "SELECT external_id, paid FROM fct_orders")
    assert {row["external_id"]: row["paid"] for row in stored} == {sale.id: sale.paid for sale in sales}
    assert agency.dump(code) == twin.dump(code)


def done_pieces(agency: Agency, code: str) -> list[str]:
    """Steps of the newest run that are written down as finished."""
    runs = agency.cortex("runs", "list", code, as_json=True).data
    if not runs:
        return []
    said = agency.cortex("runs", "show", runs[0]["run_id"], as_json=True)
    return [step["step"] for step in said.data or [] if step["status"] == "ok" and "@" in step["step"]]


def late(sales: Iterable[Sale], rules: dict) -> dict[str, tuple[int, Decimal]]:
    """Window -> how many sales that would have been told are outside of it, and their value."""
    found: dict[str, tuple[int, Decimal]] = {}
    for sale in sales:
        clicked = sale.has(*rules["ids"])
        longest = rules["click"] if clicked else rules["identifiers"]
        if sale.owed(NOW) and NOW - sale.created > longest:
            name = f"{'click' if clicked else 'identifiers'} {longest.days} d"
            count, value = found.get(name, (0, Decimal(0)))
            found[name] = (count + 1, value + sale.net)
    return found


@pytest.mark.parametrize(("kind", "rules"), [("meta_capi", META), ("google_ec", GOOGLE)])
def test_what_is_too_old_to_be_told_is_counted_with_its_value(found: Founder, kind: str, rules: dict) -> None:
    agency = found(market=agencies.market(days=100, orders=200))
    code = agency.first
    agency.onboarded(code)
    said = agency.ok("backfill", code, "--days", "100", as_json=True)
    expected = late(truth.read_by_backfill(agency.shop(code), NOW, 100), rules)
    assert expected
    told = [
        notice for notice in said.data["notices"] if notice["code"] == "CTX-6101" and notice["stream"].endswith(kind)
    ]
    assert sorted((notice["count"], Decimal(notice["value"])) for notice in told) == sorted(expected.values())
    for window, (count, value) in expected.items():
        which, days, _ = window.split()
        clicked = "with" if which == "click" else "without"
        sentence = f"{count} orders worth {value} BRL {clicked} a click id are older than the {days} days {kind} takes"
        assert any(notice["message"].startswith(sentence) for notice in told)
    rows = agency.rows(
        code,
        "SELECT COUNT(*) AS n, SUM(value) AS value FROM conversion_outbox WHERE destination = :kind AND state = 'expired'",
        kind=kind,
    )
    assert (rows[0]["n"], rows[0]["value"]) == (
        sum(count for count, _ in expected.values()), sum((value for _, value in expected.values()), Decimal(0)),
    )  # fmt: skip
    assert agency.running.received.deliveries() == []
    # Told once: the same backfill again, and the nightly run, do not say it anew.
    again = agency.ok("run", "daily", code, as_json=True)
    assert [notice for notice in again.data["notices"] if notice["code"] == "CTX-6101"] == []


def test_without_names_every_active_client_is_read(agency: Agency) -> None:
    agency.onboarded()
    said = agency.ok("backfill", "--days", "8", as_json=True)
    assert sorted(result["client"] for result in said.data) == sorted(agency.codes)
    for code in agency.codes:
        since = truth.today(NOW) - timedelta(days=8)
        assert agency.one(code, "SELECT COUNT(*) AS n FROM fct_orders") == len(
            truth.sales(agency.shop(code), NOW, since=since)
        )


def test_a_missing_credential_is_told_once_however_many_pieces_fail_for_it(small: Agency) -> None:
    small.onboarded(small.first)
    lines = (small.root / ".env").read_text(encoding="utf-8").splitlines()
    (small.root / ".env").write_text("\n".join(line for line in lines if "META" not in line), encoding="utf-8")
    process = small.process("backfill", small.first, "--days", "21")
    _, err = process.communicate(timeout=120)
    assert process.returncode == 4, err
    sentence = f"No credential for client {small.first}: none of CORTEX_{small.first.upper()}_META_TOKEN"
    assert err.count(f"CTX-4001 {sentence}") == 1
    assert err.count(sentence) == 1, "neither as a log line"
