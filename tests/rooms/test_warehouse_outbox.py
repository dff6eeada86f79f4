"""The ledger of conversions: one holder at a time, no second sending by accident, no identity kept without need."""

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from cortex.warehouse import Loaded, Warehouse, outbox, tables
from tests.rooms.warehouse_rows import NOON, everything, key, row

LATER = NOON + timedelta(hours=1)


def planned(name: object, **given: Any) -> dict[str, Any]:
    said: dict[str, Any] = {
        "outbox_key": key(name), "order_key": key(f"o{name}"), "destination": "meta_capi", "action": "purchase",
        "revision": 0, "event_id": f"purchase-{name}", "order_ref": f"{name}", "occurred_at": NOON,
        "value": Decimal("10.00"), "currency": "BRL", "state": "planned", "reason": "", "created_at": NOON, "run_id": "r",
    }  # fmt: skip
    return said | given


def plan(warehouse: Warehouse, *rows: dict[str, Any]) -> Loaded:
    return warehouse.atomically(lambda tx: outbox.plan(tx, rows))


def claim(warehouse: Warehouse, claim_id: str = "c1", limit: int = 100, now: datetime = NOON) -> list[dict[str, Any]]:
    return outbox.claim(warehouse, "meta_capi", limit, claim_id, now)


def send(warehouse: Warehouse, *names: object, claim_id: str = "c1", at: datetime = NOON) -> int:
    return warehouse.atomically(lambda tx: outbox.sending(tx, [key(name) for name in names], claim_id, at, "d" * 64))


def record(warehouse: Warehouse, name: object, claim_id: str, state: str, **more: Any) -> list[str]:
    outcome = {"outbox_key": key(name), "claim_id": claim_id, "state": state} | more
    return warehouse.atomically(lambda tx: outbox.record(tx, [outcome]))


def states(warehouse: Warehouse) -> dict[str, str]:
    return {one["order_ref"]: one["state"] for one in everything(warehouse, tables.conversion_outbox)}


def stored(warehouse: Warehouse, name: object) -> dict[str, Any]:
    return warehouse.rows("SELECT * FROM conversion_outbox WHERE outbox_key = :key", key=key(name))[0]


def test_planning_again_changes_nothing(warehouse: Warehouse):
    assert plan(warehouse, planned(1), planned(2)) == Loaded(2, 0, 0)
    assert plan(warehouse, planned(1, run_id="r2", created_at=LATER), planned(2)) == Loaded(0, 0, 2)
    assert (stored(warehouse, 1)["created_at"], stored(warehouse, 1)["run_id"]) == (NOON, "r")


def test_rows_taken_for_new_that_are_stored_are_treated_as_what_they_are(warehouse: Warehouse):
    """Whoever planned them in between: what was sent stays as it is, what is open is decided anew, the rest is new."""
    plan(warehouse, planned(0), planned(1, state="gated", reason="consent_denied"))
    claim(warehouse)
    rows = [planned(i, value=Decimal("12.50")) for i in range(80)]
    assert warehouse.atomically(lambda tx: outbox.plan(tx, rows, unknown=True)) == Loaded(78, 1, 1)
    assert (stored(warehouse, 0)["state"], stored(warehouse, 0)["value"]) == ("claimed", Decimal("10.00"))
    assert (stored(warehouse, 1)["state"], stored(warehouse, 1)["value"]) == ("planned", Decimal("12.50"))
    assert len(everything(warehouse, tables.conversion_outbox)) == 80


def test_a_gated_row_is_decided_anew(warehouse: Warehouse):
    plan(warehouse, planned(1, state="gated", reason="consent_denied"))
    assert claim(warehouse) == []
    assert plan(warehouse, planned(1, value=Decimal("12.50"))) == Loaded(0, 1, 0)
    assert (stored(warehouse, 1)["reason"], stored(warehouse, 1)["value"]) == ("", Decimal("12.50"))
    assert [one["outbox_key"] for one in claim(warehouse)] == [key(1)]


UNDERWAY_OR_SETTLED: list[Callable[[Warehouse], object]] = [
    lambda w: None,
    lambda w: record(w, 1, "c1", "accepted"),
    lambda w: record(w, 1, "c1", "accepted", settled_at=NOON),
    lambda w: record(w, 1, "c1", "rejected", settled_at=NOON),
    lambda w: record(w, 1, "c1", "duplicate", settled_at=NOON),
    lambda w: record(w, 1, "c1", "unknown"),
    lambda w: (send(w, 1), outbox.stale(w, "meta_capi", LATER)),
    lambda w: send(w, 1),
]


@pytest.mark.parametrize("became", UNDERWAY_OR_SETTLED)
def test_what_was_claimed_is_never_planned_again_nor_claimed_again(
    warehouse: Warehouse, became: Callable[[Warehouse], object]
):
    plan(warehouse, planned(1))
    claim(warehouse)
    became(warehouse)
    before = stored(warehouse, 1)
    assert plan(warehouse, planned(1, value=Decimal("99.00"), state="gated", reason="x")) == Loaded(0, 0, 1)
    assert stored(warehouse, 1) == before
    assert claim(warehouse, "c2", now=LATER + timedelta(days=400)) == []


def test_a_claim_is_oldest_first_limited_and_brings_the_identifiers(warehouse: Warehouse):
    plan(warehouse, *[planned(i, occurred_at=NOON - timedelta(minutes=i)) for i in range(5)])
    sealed = row(
        tables.conversion_identifiers, order_key=key("o4"), destination="meta_capi", identifiers='{"em":["x"]}'
    )
    other = row(tables.conversion_identifiers, order_key=key("o3"), destination="google_ec", identifiers="{}")
    warehouse.atomically(lambda tx: tx.upsert("conversion_identifiers", [sealed, other]))
    got = claim(warehouse, limit=2)
    assert [(one["order_ref"], one["identifiers"], one["was"]) for one in got] == [
        ("4", '{"em":["x"]}', "planned"), ("3", "", "planned"),
    ]  # fmt: skip
    assert {(one["state"], one["claim_id"], one["claimed_at"], one["attempts"]) for one in got} == {
        ("claimed", "c1", NOON, 1)
    }
    assert len(claim(warehouse, "c2")) == 3


def test_other_destinations_and_rows_not_yet_due_are_left(warehouse: Warehouse):
    plan(warehouse, planned(1), planned(2, destination="google_ec"), planned(3))
    claim(warehouse, limit=1)
    record(warehouse, 1, "c1", "planned", next_attempt_at=LATER)
    assert [one["order_ref"] for one in claim(warehouse, "c2")] == ["3"]
    assert [one["order_ref"] for one in claim(warehouse, "c3", now=LATER)] == ["1"]
    assert stored(warehouse, 1)["attempts"] == 2


def test_an_unknown_delivery_is_repeated_only_when_a_time_was_set(warehouse: Warehouse):
    plan(warehouse, planned(1, next_attempt_at=NOON), planned(2, next_attempt_at=NOON))
    claim(warehouse)
    record(warehouse, 1, "c1", "unknown", next_attempt_at=LATER, sent_at=NOON)
    record(warehouse, 2, "c1", "unknown")
    assert claim(warehouse, "c2") == []
    assert [(one["order_ref"], one["was"], one["sent_at"]) for one in claim(warehouse, "c3", now=LATER)] == [
        ("1", "unknown", NOON)
    ]


def test_receipts_are_written_for_the_holder_only(warehouse: Warehouse):
    plan(warehouse, planned(1), planned(2))
    claim(warehouse)
    assert record(warehouse, 1, "c0", "accepted") == [key(1)]
    assert record(warehouse, 99, "c1", "accepted") == [key(99)]
    assert record(warehouse, 1, "c1", "accepted", request_id="fb-1", sent_at=NOON, settled_at=NOON) == []
    assert record(warehouse, 1, "c1", "accepted", request_id="fb-1", sent_at=NOON, settled_at=NOON) == []
    told = stored(warehouse, 1)
    assert (told["state"], told["request_id"], told["sent_at"], told["settled_at"]) == ("accepted", "fb-1", NOON, NOON)
    assert states(warehouse) == {"1": "accepted", "2": "claimed"}


def test_a_settled_row_cannot_be_moved_by_a_late_receipt(warehouse: Warehouse):
    plan(warehouse, planned(1))
    claim(warehouse)
    record(warehouse, 1, "c1", "rejected", settled_at=NOON)
    assert record(warehouse, 1, "c1", "accepted") == [key(1)]
    assert states(warehouse) == {"1": "rejected"}


def test_an_asynchronous_delivery_is_settled_later_by_the_same_claim(warehouse: Warehouse):
    plan(warehouse, planned(1))
    claim(warehouse)
    record(warehouse, 1, "c1", "accepted", request_id="r1")
    assert record(warehouse, 1, "c1", "processed", settled_at=LATER) == []
    assert stored(warehouse, 1)["request_id"] == "r1", "a column not given keeps its value"


def test_outcomes_of_different_shape_in_one_batch(warehouse: Warehouse):
    plan(warehouse, *[planned(i) for i in range(4)])
    claim(warehouse)
    outcomes = [
        {"outbox_key": key(0), "claim_id": "c1", "state": "accepted", "settled_at": NOON},
        {"outbox_key": key(1), "claim_id": "c1", "state": "planned", "next_attempt_at": LATER, "error_class": "throttle"},
        {"outbox_key": key(2), "claim_id": "gone", "state": "accepted", "settled_at": NOON},
    ]  # fmt: skip
    assert warehouse.atomically(lambda tx: outbox.record(tx, outcomes)) == [key(2)]
    assert states(warehouse) == {"0": "accepted", "1": "planned", "2": "claimed", "3": "claimed"}


def test_a_claim_without_a_receipt_becomes_unknown_and_its_late_receipt_still_counts(warehouse: Warehouse):
    plan(warehouse, planned(1, created_at=NOON), planned(2))
    claim(warehouse, limit=1)
    assert send(warehouse, 1) == 1
    claim(warehouse, "c2", now=LATER)
    send(warehouse, 2, claim_id="c2", at=LATER)
    turned = outbox.stale(warehouse, "meta_capi", LATER)
    assert [(one["order_ref"], one["state"], one["claim_id"], one["sent_at"]) for one in turned] == [
        ("1", "unknown", "c1", NOON)
    ]
    assert turned[0]["next_attempt_at"] is None
    assert states(warehouse) == {"1": "unknown", "2": "sent"}
    assert stored(warehouse, 1)["payload_sha256"] == "d" * 64
    assert outbox.stale(warehouse, "meta_capi", LATER) == []
    assert outbox.stale(warehouse, "google_ec", LATER + timedelta(days=1)) == []
    assert record(warehouse, 1, "c1", "accepted", settled_at=LATER) == []


def test_what_was_never_sent_is_what_it_was_before_its_claim(warehouse: Warehouse):
    plan(warehouse, planned(1), planned(2))
    claim(warehouse)
    send(warehouse, 2)
    record(warehouse, 2, "c1", "unknown", next_attempt_at=NOON, sent_at=NOON)
    claim(warehouse, "c2")
    assert send(warehouse, 1, claim_id="c2") == 0, "another's claim is not ours to send"
    assert outbox.stale(warehouse, "meta_capi", LATER) == []
    assert states(warehouse) == {"1": "planned", "2": "unknown"}
    assert [stored(warehouse, name)["attempts"] for name in (1, 2)] == [0, 1]
    assert [one["order_ref"] for one in claim(warehouse, "c3", now=LATER)] == ["1", "2"]


def test_rivals_never_claim_the_same_row_and_nothing_is_left(warehouse: Warehouse):
    plan(warehouse, *[planned(i, occurred_at=NOON + timedelta(seconds=i)) for i in range(200)])
    got: list[tuple[str, str]] = []
    failures: list[BaseException] = []

    def work(worker: int) -> None:
        try:
            turn = 0
            while batch := claim(warehouse, f"w{worker}-{turn}", limit=7):
                turn += 1
                got.extend((one["outbox_key"], one["claim_id"]) for one in batch)
        except BaseException as failure:  # noqa: BLE001  # told to the test below
            failures.append(failure)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert Counter(taken for taken, _ in got) == Counter([key(i) for i in range(200)])
    held = everything(warehouse, tables.conversion_outbox)
    assert {(one["outbox_key"], one["claim_id"]) for one in held} == set(got)
    assert {one["attempts"] for one in held} == {1}


def test_planners_at_once_make_one_row(warehouse: Warehouse):
    failures: list[BaseException] = []

    def work() -> None:
        try:
            plan(warehouse, *[planned(i) for i in range(20)])
        except BaseException as failure:  # noqa: BLE001  # told to the test below
            failures.append(failure)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert len(everything(warehouse, tables.conversion_outbox)) == 20


def test_identifiers_go_when_settled_or_expired_and_stay_while_needed(warehouse: Warehouse):
    rows = {
        "settled": "processed", "accepted_for_good": "accepted", "accepted_async": "accepted", "waiting": "planned",
        "gated": "gated", "unknown": "unknown", "expired_by_time": "planned", "two_rows": "processed",
    }  # fmt: skip
    final = {"settled", "accepted_for_good", "two_rows"}
    plan(warehouse, *[planned(name) for name in rows], planned("second", order_key=key("otwo_rows"), action="restate"))
    for name, state in rows.items():
        settled = NOON if name in final else None
        warehouse.atomically(
            lambda tx, n=name, s=state, at=settled: tx.update(
                "conversion_outbox", {"outbox_key": key(n)}, {"state": s, "settled_at": at}
            )
        )
    sealed = [
        row(
            tables.conversion_identifiers, order_key=key(f"o{name}"), destination="meta_capi", identifiers="{}",
            expires_at=NOON if name == "expired_by_time" else LATER,
        )
        for name in [*rows, "never_planned"]
    ]  # fmt: skip
    elsewhere = row(tables.conversion_identifiers, order_key=key("osettled"), destination="google_ec", expires_at=LATER)
    warehouse.atomically(lambda tx: tx.upsert("conversion_identifiers", [*sealed, elsewhere]))

    assert warehouse.atomically(lambda tx: outbox.purge_identifiers(tx, NOON)) == 3
    left = {(one["order_key"], one["destination"]) for one in everything(warehouse, tables.conversion_identifiers)}
    assert left == {
        (key(f"o{name}"), "meta_capi")
        for name in ("accepted_async", "waiting", "gated", "unknown", "two_rows", "never_planned")
    } | {(key("osettled"), "google_ec")}
    assert warehouse.atomically(lambda tx: outbox.purge_identifiers(tx, NOON)) == 0


def test_states_are_sorted_into_open_underway_and_settled():
    every = {
        "planned",
        "gated",
        "claimed",
        "sent",
        "accepted",
        "processed",
        "duplicate",
        "expired",
        "rejected",
        "unknown",
        "dead",
    }
    assert set(outbox.OPEN) | set(outbox.UNDERWAY) | set(outbox.SETTLED) == every
    meaning = tables.conversion_outbox.c.state.info["meaning"].rstrip(".")
    assert set(meaning.split(", ")) == every
