"""Conversions: what a stored order becomes, every gate, the ledger's transitions, and refunds that never invent a sale."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from cortex import conversions as rules
from cortex.conversions.adjustments import WITHIN
from cortex.conversions.classes import BACK_OFF, MAX_ATTEMPTS
from cortex.conversions.outcomes import DEDUP_MARGIN, POLL_AFTER
from cortex.destinations.google_ec import GoogleEc
from cortex.destinations.meta_capi import MetaCapi
from cortex.records import Clicks, Conversion, Receipt, SendWindow
from cortex.settings import PlatformSection

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
OPT_IN = rules.Privacy(consent=rules.ConsentPolicy(mode="opt_in"))
OPT_OUT = rules.Privacy(consent=rules.ConsentPolicy(mode="opt_out"))
DAYS = timedelta(days=1)
MINUTES = timedelta(minutes=1)


def order(**changed: Any) -> dict[str, Any]:
    """A row of fct_orders."""
    row: dict[str, Any] = {
        "order_key": "0" * 64, "platform": "nuvemshop", "external_id": "1001", "status": "open", "payment_status": "paid",
        "is_paid": 1, "is_test": 0, "created_at": NOW - timedelta(days=2), "paid_at": NOW - timedelta(days=1),
        "currency": "BRL", "paid": Decimal("199.90"), "refunded": Decimal("0.00"), "marketplace": "",
        "shipping": Decimal("20.00"), "tax": Decimal("0.00"), "customer_key": "c" * 64, "consent_source": "cart",
        "gclid": "Cj0KCQiA-AbC", "gbraid": "", "wbraid": "", "fbc": "fb.1.1763600000000.AbC", "fbp": "", "ttclid": "",
        "event_url": "https://loja.example/obrigado", "consent_state": "granted", "consent_version": "3",
        "is_new_customer": 1,
    }  # fmt: skip
    return row | changed


SEALED = rules.Sealed(identifiers={"em": ["a" * 64]}, ip="203.0.113.7", user_agent="Mozilla/5.0")


class Somewhere:
    """A destination as the gates see one: windows of 90 and 63 days, wants an identifier or a click."""

    window: ClassVar[SendWindow] = SendWindow(click=90 * DAYS, identifiers=63 * DAYS)
    click_ids: ClassVar[tuple[str, ...]] = ("gclid", "wbraid")

    def __init__(self, *, enabled: bool = True) -> None:
        self._config = PlatformSection(enabled=enabled)

    @property
    def config(self) -> PlatformSection:
        return self._config

    def missing(self, conversion: Conversion) -> str:
        return "" if conversion.identifiers or conversion.clicks.gclid else "no click id or e-mail"


def made(row: Mapping[str, Any], sealed: rules.Sealed = SEALED, **named: Any) -> Conversion:
    return rules.conversion(row, tenant="xyz", destination="google_ec", sealed=sealed, **named)


def decision(
    row: Mapping[str, Any],
    privacy: rules.Privacy = OPT_IN,
    target: Somewhere | None = None,
    sealed: rules.Sealed = SEALED,
    **named: Any,
) -> tuple[str, str]:
    one = made(row, sealed, **named)
    basis = named["worth"].basis if "worth" in named else "revenue"
    found = rules.decide(rules.sale(row, one, sealed, basis), target or Somewhere(), privacy, NOW)
    return found.state, found.stored


# What a stored order becomes


def test_a_conversion_is_the_order_less_what_went_back() -> None:
    items = [
        {"line": 2, "product_id": "b", "quantity": 1, "unit_price": Decimal("9.9")},
        {"line": 1, "product_id": "a", "quantity": 2, "unit_price": Decimal("95.00")},
    ]
    one = made(order(refunded=Decimal("50.00")), items=items)
    assert (one.value, one.currency, one.order_id, one.event_id) == (Decimal("149.90"), "BRL", "1001", "purchase-1001")
    assert one.occurred_at == NOW - timedelta(days=2)
    assert [(item.product_id, item.quantity, str(item.unit_price)) for item in one.items] == [
        ("a", 2, "95.00"),
        ("b", 1, "9.90"),
    ]
    assert one.clicks == Clicks(gclid="Cj0KCQiA-AbC", fbc="fb.1.1763600000000.AbC")
    assert (one.ip, one.user_agent, one.customer_type) == ("203.0.113.7", "Mozilla/5.0", "new")
    assert made(order(is_new_customer=0)).customer_type == "returning"


def test_more_given_back_than_paid_is_nothing_and_not_less() -> None:
    assert rules.net_value(order(refunded=Decimal("250.00"))) == Decimal("0.00")


def test_instants_of_a_frame_without_zone_are_utc() -> None:
    naive = (NOW - timedelta(days=2)).replace(tzinfo=None)
    assert made(order(created_at=naive)).occurred_at == NOW - timedelta(days=2)


def test_the_same_purchase_has_one_key_and_everything_else_another() -> None:
    first = rules.outbox_key("xyz", "o1", "meta_capi", "purchase", 0)
    others = {
        rules.outbox_key("abc", "o1", "meta_capi", "purchase", 0),
        rules.outbox_key("xyz", "o2", "meta_capi", "purchase", 0),
        rules.outbox_key("xyz", "o1", "google_ec", "purchase", 0),
        rules.outbox_key("xyz", "o1", "meta_capi", "restate", 0),
        rules.outbox_key("xyz", "o1", "meta_capi", "purchase", 1),
    }
    assert first == rules.outbox_key("xyz", "o1", "meta_capi", "purchase", 0)
    assert len(first) == 64
    assert len(others | {first}) == 6
    assert rules.outbox_key("a", "bc", "d", "purchase", 0) != rules.outbox_key("ab", "c", "d", "purchase", 0)


def test_sealed_identities_survive_storage_and_are_written_one_way() -> None:
    turned = rules.Sealed(identifiers={"ph": ["b"], "em": ["a"]}, ip="203.0.113.7", internal=True)
    straight = rules.Sealed(identifiers={"em": ["a"], "ph": ["b"]}, ip="203.0.113.7", internal=True)
    assert rules.sealed_text(turned) == rules.sealed_text(straight)
    assert rules.read_sealed(rules.sealed_text(turned)) == straight
    assert rules.read_sealed("") == rules.Sealed()


def test_a_ledger_row_has_every_column_and_no_identifier() -> None:
    from cortex.warehouse.tables import conversion_outbox

    one = made(order())
    row = rules.entry(
        one, rules.Decision(state="planned"), order=order(), destination="google_ec", revision=0, now=NOW, run_id="r"
    )
    assert set(row) == {column.name for column in conversion_outbox.columns}
    assert "a" * 64 not in repr(row)
    assert "203.0.113.7" not in repr(row)
    gone = rules.entry(
        one, rules.Decision(state="expired", reason="window", detail="click 90 d"), order=order(), destination="g",
        revision=0, now=NOW, run_id="r",
    )  # fmt: skip
    assert (gone["settled_at"], gone["next_attempt_at"], gone["reason"]) == (NOW, None, "window: click 90 d")


# Gates


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, ""),
        ({"is_test": 1}, "test_order"),
        ({"marketplace": "mercadolivre"}, "marketplace"),
        ({"status": "cancelled"}, "cancelled"),
        ({"status": "cancelled", "is_paid": 0}, "cancelled"),
        ({"is_paid": 0}, "not_paid"),
        ({"refunded": Decimal("199.90")}, "zero_value"),
        ({"paid": Decimal(0)}, "zero_value"),
        ({"consent_state": "denied"}, "consent_denied"),
        ({"consent_state": "unknown"}, "consent_unknown"),
        ({"consent_state": ""}, "consent_unknown"),
    ],
)
def test_each_gate_names_its_reason(changed: dict[str, Any], reason: str) -> None:
    assert decision(order(**changed)) == (("gated", reason) if reason else ("planned", ""))


def test_reasons_about_client_and_buyer() -> None:
    assert decision(order(), target=Somewhere(enabled=False)) == ("gated", "disabled")
    assert decision(order(), privacy=rules.Privacy()) == ("gated", "no_consent_policy")
    assert decision(order(), sealed=rules.Sealed(internal=True)) == ("gated", "internal_buyer")
    assert decision(order(gclid=""), sealed=rules.Sealed()) == ("gated", "thin_identity: no click id or e-mail")


def test_every_reason_is_explained_and_reachable() -> None:
    reached = {
        decision(order(), target=Somewhere(enabled=False))[1],
        decision(order(), privacy=rules.Privacy())[1],
        decision(order(), sealed=rules.Sealed(internal=True))[1],
        decision(order(gclid=""), sealed=rules.Sealed())[1].partition(":")[0],
        decision(order(created_at=NOW - 91 * DAYS))[1].partition(":")[0],
        *(decision(order(**changed))[1] for changed in ({"is_test": 1}, {"marketplace": "m"}, {"status": "cancelled"},
                                                      {"is_paid": 0}, {"paid": Decimal(0)}, {"consent_state": "denied"},
                                                      {"consent_state": "unknown"})),
        decision(order(), worth=rules.Worth(value=Decimal(0), basis="margin"))[1],
    }  # fmt: skip
    assert reached == set(rules.REASONS)


def test_without_a_policy_nothing_leaves_not_even_what_was_agreed_to() -> None:
    for state in ("granted", "denied", "unknown"):
        assert rules.consent_reason(state, "9", None) == "no_consent_policy"


@pytest.mark.parametrize(
    ("state", "opt_in", "opt_out"),
    [("granted", "", ""), ("unknown", "consent_unknown", ""), ("denied", "consent_denied", "consent_denied"),
     ("surprise", "consent_unknown", "")],
)  # fmt: skip
def test_consent_by_mode(state: str, opt_in: str, opt_out: str) -> None:
    assert rules.consent_reason(state, "1", OPT_IN.consent) == opt_in
    assert rules.consent_reason(state, "1", OPT_OUT.consent) == opt_out


@pytest.mark.parametrize(
    ("version", "least", "agreed"),
    [("3", "3", True), ("2", "3", False), ("10", "9", True), ("v2.10", "2.9", True), ("2026-05-01", "2026-05-02", False),
     ("", "1", False), ("", "", True), ("anything", "", True)],
)  # fmt: skip
def test_an_older_text_is_no_agreement(version: str, least: str, agreed: bool) -> None:
    policy = rules.ConsentPolicy(mode="opt_in", min_version=least)
    assert rules.consent_reason("granted", version, policy) == ("" if agreed else "consent_unknown")


def test_windows_depend_on_the_click() -> None:
    assert decision(order(created_at=NOW - 90 * DAYS)) == ("planned", "")
    assert decision(order(created_at=NOW - 90 * DAYS - MINUTES)) == ("expired", "window: click 90 d")
    assert decision(order(gclid="", created_at=NOW - 63 * DAYS)) == ("planned", "")
    assert decision(order(gclid="", created_at=NOW - 64 * DAYS)) == ("expired", "window: identifiers 63 d")


def test_a_marketplace_is_told_of_where_the_client_says_so() -> None:
    privacy = rules.Privacy(consent=OPT_IN.consent, marketplace_orders=True)
    assert decision(order(marketplace="mercadolivre"), privacy=privacy) == ("planned", "")


def test_an_adjustment_passes_where_payment_and_age_would_stop_a_purchase() -> None:
    gone = order(status="cancelled", is_paid=0, paid=Decimal(0), created_at=NOW - 80 * DAYS, gclid="")
    assert decision(gone, action="retract", revision=1) == ("planned", "")
    assert decision(order(consent_state="denied"), action="restate", revision=1) == ("gated", "consent_denied")


@pytest.mark.parametrize("adapter", [MetaCapi, GoogleEc])
def test_real_destinations_are_targets(adapter: type[Any]) -> None:
    assert isinstance(adapter.window, SendWindow)
    assert all(name in Clicks.__struct_fields__ for name in adapter.click_ids)
    assert adapter.dedup is None or adapter.dedup > timedelta(hours=24)


def test_the_stored_reason_fits_its_column() -> None:
    long = rules.Decision(state="gated", reason="thin_identity", detail="x" * 200)
    assert len(long.stored) == 64


# The ledger


def after(receipt: Receipt, **named: Any) -> rules.Outcome:
    facts: dict[str, Any] = {"attempts": 1, "now": NOW, "was": "planned", "sent_at": NOW, "dedup": timedelta(hours=48)}
    return rules.after(receipt, **(facts | named))


@pytest.mark.parametrize(
    ("receipt", "was", "state", "settled"),
    [
        (Receipt(state="accepted"), "planned", "accepted", True),
        (Receipt(state="accepted"), "unknown", "accepted", True),
        (Receipt(state="accepted", processing=True), "planned", "accepted", False),
        (Receipt(state="accepted", processing=True), "accepted", "accepted", False),
        (Receipt(state="accepted"), "accepted", "processed", True),
        (Receipt(state="duplicate"), "unknown", "duplicate", True),
        (Receipt(state="rejected", error_class="data"), "planned", "rejected", True),
        (Receipt(state="rejected", error_class="expired"), "planned", "expired", True),
        (Receipt(state="rejected", error_class="expired"), "unknown", "unknown", False),
        (Receipt(state="retry", error_class="transient"), "planned", "planned", False),
        (Receipt(state="retry", error_class="transient"), "unknown", "unknown", False),
        (Receipt(state="retry", error_class="transient"), "accepted", "unknown", False),
        (Receipt(state="unknown", error_class="ambiguous"), "planned", "unknown", False),
        (rules.LOST, "planned", "unknown", False),
    ],
)
def test_what_each_receipt_makes_of_a_row(receipt: Receipt, was: str, state: str, settled: bool) -> None:
    outcome = after(receipt, was=was)
    assert (outcome.state, outcome.settled) == (state, settled)


@given(
    state=st.sampled_from(["accepted", "duplicate", "rejected", "retry", "unknown"]),
    error_class=st.sampled_from(
        ["", "data", "config", "auth", "throttle", "transient", "ambiguous", "expired", "consent"]
    ),
    processing=st.booleans(),
    was=st.sampled_from(["planned", "unknown", "accepted"]),
    attempts=st.integers(1, 20),
    hours=st.floats(0, 100),
    dedup=st.sampled_from([None, timedelta(hours=48)]),
)
def test_every_outcome_is_an_allowed_move_and_never_a_blind_repeat(
    state: Any, error_class: str, processing: bool, was: str, attempts: int, hours: float, dedup: timedelta | None
) -> None:
    sent_at = NOW - timedelta(hours=hours)
    receipt = Receipt(state=state, error_class=error_class, processing=processing)
    outcome = rules.after(receipt, attempts=attempts, now=NOW, was=was, sent_at=sent_at, dedup=dedup)
    here = "accepted" if was == "accepted" else "sent"
    assert outcome.state in rules.TRANSITIONS[here] | {here}
    assert not (outcome.settled and outcome.next_attempt_at)
    assert outcome.settled == (outcome.state in rules.FINAL or (outcome.state == "accepted" and not processing))
    if outcome.next_attempt_at:
        assert outcome.next_attempt_at > NOW
    if outcome.state == "unknown" and outcome.next_attempt_at and dedup:
        assert outcome.next_attempt_at + DEDUP_MARGIN <= sent_at + dedup
    if was == "unknown" and outcome.state == "planned":
        raise AssertionError("a doubtful delivery must not become an ordinary one")


def test_repeats_wait_longer_each_time_and_as_long_as_asked() -> None:
    waits = []
    for attempt in range(1, len(BACK_OFF) + 2):
        due = after(Receipt(state="retry", error_class="throttle"), attempts=attempt).next_attempt_at
        assert due is not None
        waits.append(due - NOW)
    assert waits == [*BACK_OFF, BACK_OFF[-1]]
    asked = after(Receipt(state="retry", error_class="throttle", retry_after=7200.0)).next_attempt_at
    assert asked == NOW + timedelta(hours=2)


def test_a_row_dies_of_its_own_failures_only() -> None:
    assert after(Receipt(state="retry", error_class="transient"), attempts=MAX_ATTEMPTS).state == "dead"
    for error_class in ("throttle", "config", "auth"):
        assert after(Receipt(state="retry", error_class=error_class), attempts=50).state == "planned"


def test_an_unknown_delivery_is_repeated_inside_the_platforms_deduplication_only() -> None:
    lost = Receipt(state="unknown", error_class="ambiguous")
    inside = after(lost, sent_at=NOW - timedelta(hours=40), was="unknown")
    assert inside.next_attempt_at == NOW + BACK_OFF[0]
    outside = after(lost, sent_at=NOW - timedelta(hours=47), was="unknown")
    assert (outside.state, outside.next_attempt_at, outside.settled) == ("unknown", None, False)
    late = after(lost, sent_at=NOW - timedelta(hours=30), attempts=8, was="unknown")
    assert late.next_attempt_at is None
    for_good = after(lost, sent_at=NOW - timedelta(days=30), was="unknown", dedup=None)
    assert for_good.next_attempt_at == NOW + BACK_OFF[0]


# Classes of failure: one test of each says what it does to the row and to the rest of the batch


@pytest.mark.parametrize(
    ("error_class", "state", "becomes", "attempts", "stops"),
    [
        ("data", "rejected", "rejected", 1, False),
        ("expired", "rejected", "expired", 1, False),
        ("consent", "rejected", "rejected", 1, False),
        ("config", "retry", "planned", MAX_ATTEMPTS + 5, True),
        ("auth", "retry", "planned", MAX_ATTEMPTS + 5, True),
        ("throttle", "retry", "planned", MAX_ATTEMPTS + 5, True),
        ("transient", "retry", "planned", 1, False),
        ("transient", "retry", "dead", MAX_ATTEMPTS, False),
        ("ambiguous", "unknown", "unknown", 1, False),
        ("never heard of", "retry", "dead", MAX_ATTEMPTS, False),
    ],
)
def test_each_class_is_handled_as_the_table_says(
    error_class: str, state: Any, becomes: str, attempts: int, stops: bool
) -> None:
    outcome = after(Receipt(state=state, error_class=error_class), attempts=attempts)
    assert outcome.state == becomes
    assert rules.handling(error_class).stops is stops
    assert (outcome.next_attempt_at is not None) == (becomes in {"planned", "unknown"})


def test_every_class_is_tested_and_a_stop_for_a_person_leaves_word() -> None:
    marks = test_each_class_is_handled_as_the_table_says.pytestmark  # type: ignore[attr-defined]
    assert {case[0] for mark in marks for case in mark.args[1]} == {*rules.CLASSES, "never heard of"}
    assert {name for name, one in rules.CLASSES.items() if one.notice} == {"config", "auth"}
    assert all(one.stops for one in rules.CLASSES.values() if one.notice)


def test_as_long_as_asked_beats_the_back_off_and_not_the_other_way() -> None:
    assert rules.pause(1, 7200.0) == timedelta(hours=2)
    assert rules.pause(1, 5.0) == BACK_OFF[0]
    assert rules.pause(99, 0.0) == BACK_OFF[-1]


# What a sale is worth


def test_a_margin_is_what_is_left_of_the_sale_in_the_proportion_that_was_kept() -> None:
    whole = rules.worth(order(), "margin", cost=Decimal("100.00"))
    assert (whole.value, whole.basis) == (Decimal("79.90"), "margin")  # 199.90 less 20.00 of freight and the cost
    half = rules.worth(order(paid=Decimal("200.00"), refunded=Decimal("100.00")), "margin", cost=Decimal("100.00"))
    assert half.value == Decimal("40.00")
    assert rules.worth(order(), "margin", cost=Decimal("500.00")).value == 0
    assert rules.worth(order(refunded=Decimal("199.90")), "margin", cost=Decimal("1")).value == 0


def test_without_a_cost_the_revenue_is_told_under_its_own_name() -> None:
    found = rules.worth(order(), "margin", cost=None)
    assert (found.value, found.basis) == (Decimal("199.90"), rules.NO_COST)


def test_a_margin_goes_to_meta_under_both_its_names() -> None:
    one = made(order(), worth=rules.Worth(value=Decimal("79.90"), basis="margin"))
    assert (one.value, one.net_revenue) == (Decimal("79.90"), Decimal("79.90"))
    assert made(order()).net_revenue is None


def test_a_prediction_is_told_once_per_buyer() -> None:
    first = rules.worth(order(), "predicted_ltv", predicted=Decimal("812.345"))
    assert (first.value, first.predicted) == (Decimal("199.90"), Decimal("1012.24"))
    assert rules.worth(order(is_new_customer=0), "predicted_ltv", predicted=Decimal(812)).predicted is None
    assert rules.worth(order(), "revenue", predicted=Decimal(812)).predicted is None


@pytest.mark.parametrize(
    ("values", "weekly", "refused"),
    [
        ([100, 150, 200, 250, 300], 100, ""),
        ([100, 150, 200, 250, 300], 99, "99 purchases in a week"),
        ([100, 150, 200, 300, 300], 100, "4 different predicted values"),
        ([0, 100, 150, 200, 300], 100, "4 different predicted values"),
        ([101, 150, 200, 250, 300], 100, "less than 3 times"),
        ([], 100, "0 different"),
    ],
)
def test_predictions_are_told_only_as_meta_allows(values: list[int], weekly: int, refused: str) -> None:
    found = rules.prediction_refusal([Decimal(value) for value in values], weekly)
    assert refused in found
    assert bool(found) == bool(refused)


def test_buyers_fall_into_thirds() -> None:
    floors = [Decimal(100), Decimal(300)]
    assert [rules.bucket(Decimal(value), floors) for value in (99, 100, 299, 300)] == [
        "low",
        "medium",
        "medium",
        "high",
    ]
    assert rules.bucket(None, floors) == rules.bucket(Decimal(5), []) == ""


def test_a_sale_is_held_back_as_long_as_asked_and_never_past_the_window() -> None:
    one = made(order(created_at=NOW - 2 * DAYS))
    window = SendWindow(click=7 * DAYS, identifiers=7 * DAYS)
    assert rules.due_at(one, window, timedelta(0), NOW) == NOW
    assert rules.due_at(one, window, 3 * DAYS, NOW) == NOW + 1 * DAYS
    assert rules.due_at(one, window, 1 * DAYS, NOW) == NOW
    assert rules.due_at(one, window, 30 * DAYS, NOW) == one.occurred_at + 6.5 * DAYS


def test_a_ledger_row_names_the_consent_and_the_match_keys() -> None:
    one = made(order())
    row = rules.entry(
        one,
        rules.Decision(state="planned"),
        order=order(consent_at=NOW),
        destination="g",
        revision=0,
        now=NOW,
        run_id="r",
    )
    assert row["match_keys"] == "em,fbc,gclid,ip,user_agent"
    assert [row[f"consent_{part}"] for part in ("state", "source", "version", "at")] == ["granted", "cart", "3", NOW]


# Rows that were overtaken


def test_what_was_never_sent_gives_way_to_what_is_true_now() -> None:
    rows = ledger(("purchase", 0, "100", "processed"), ("restate", 1, "50", "planned"))
    found = rules.adjustment(rows, Decimal(0), restates=True, now=NOW)
    assert [(row["action"], row["revision"]) for row in rules.overtaken(rows, found)] == [("restate", 1)]
    back = rules.adjustment(rows, Decimal(100), restates=True, now=NOW)
    assert back == rules.Nothing(reason="unchanged")
    assert [(row["action"], row["revision"]) for row in rules.overtaken(rows, back)] == [("restate", 1)]
    same = rules.adjustment(rows, Decimal(50), restates=True, now=NOW)
    assert rules.overtaken(rows, same) == []
    rows[1]["state"] = "sent"
    assert rules.overtaken(rows, rules.adjustment(rows, Decimal(0), restates=True, now=NOW)) == []


def test_an_asynchronous_request_is_asked_about_again() -> None:
    assert after(Receipt(state="accepted", processing=True)).next_attempt_at == NOW + POLL_AFTER


def test_a_claim_without_a_result_is_given_up_after_a_while() -> None:
    assert not rules.abandoned(NOW - timedelta(minutes=29), NOW)
    assert rules.abandoned(NOW - timedelta(minutes=31), NOW)
    assert rules.abandoned((NOW - timedelta(minutes=31)).replace(tzinfo=None), NOW)


def test_transitions_name_known_states_only_and_final_ones_end() -> None:
    for state, following in rules.TRANSITIONS.items():
        assert following <= set(rules.TRANSITIONS)
        if state in rules.FINAL - {"rejected", "dead"}:
            assert not following


def test_words_fit_their_columns() -> None:
    said = rules.told(
        Receipt(state="rejected", request_id="r" * 999, error_class="c" * 99, error_code="e" * 99, message="m" * 999)
    )
    assert {name: len(value) for name, value in said.items()} == {
        "request_id": 128, "error_class": 16, "error_code": 64, "error_message": 255,
    }  # fmt: skip


# A platform, crashes and repeats: counted once


class Platform:
    """Keeps the first of two events with the same id for 48 hours; sometimes the answer is lost."""

    def __init__(self, dice: random.Random) -> None:
        self.dice, self.seen, self.counted = dice, {}, []

    def send(self, event_id: str, now: datetime) -> Receipt:
        fate = self.dice.choice(["taken", "taken, answer lost", "not reached", "answer lost, not taken"])
        if fate.startswith("taken"):
            first = self.seen.get(event_id)
            if first is None or now - first > timedelta(hours=48):
                self.seen[event_id] = now
                self.counted.append(event_id)
        if fate == "taken":
            return Receipt(state="accepted")
        if fate == "not reached":
            return Receipt(state="retry", error_class="transient")
        return Receipt(state="unknown", error_class="ambiguous")


@given(seed=st.integers(0, 2**32), crash=st.floats(0, 0.5))
@settings(max_examples=200, deadline=None)
def test_no_crash_and_no_lost_answer_counts_a_sale_twice(seed: int, crash: float) -> None:
    dice = random.Random(seed)
    platform = Platform(dice)
    state, sent_at, attempts, now = "planned", None, 0, NOW
    due: datetime | None = NOW
    for _ in range(40):
        if due is None or state not in {"planned", "unknown"}:
            break
        now = max(now, due) + timedelta(minutes=dice.randrange(0, 90))
        was, attempts = state, attempts + 1
        first = sent_at if was == "unknown" else now
        # The runner wakes up late now and then: what is due may no longer be allowed.
        if was == "unknown" and first is not None and now > first + timedelta(hours=48):
            break
        receipt = platform.send("purchase-1", now)
        if dice.random() < crash:
            receipt = rules.LOST
        outcome = rules.after(receipt, attempts=attempts, now=now, was=was, sent_at=first, dedup=timedelta(hours=48))
        state, due, sent_at = outcome.state, outcome.next_attempt_at, first
    assert len(platform.counted) <= 1
    if state == "accepted":
        assert platform.counted == ["purchase-1"]


# Refunds


def ledger(*rows: tuple[str, int, str, str]) -> list[dict[str, Any]]:
    """(action, revision, value, state) rows; delivered ones are settled."""
    return [
        {
            "action": action,
            "revision": revision,
            "value": Decimal(value),
            "state": state,
            "reason": "",
            "settled_at": None if state in {"planned", "claimed", "sent", "unknown", "gated"} else NOW,
            "occurred_at": NOW - 3 * DAYS,
        }
        for action, revision, value, state in rows
    ]


@pytest.mark.parametrize(
    ("rows", "net", "expected"),
    [
        ([], "50", "not_delivered"),
        ([("purchase", 0, "100", "planned")], "50", "not_delivered"),
        ([("purchase", 0, "100", "rejected")], "50", "not_delivered"),
        ([("purchase", 0, "100", "expired")], "50", "not_delivered"),
        ([("purchase", 0, "100", "unknown")], "50", "not_delivered"),
        ([("purchase", 0, "100", "processed")], "100", "unchanged"),
        ([("purchase", 0, "100", "processed")], "50", ("restate", 1, "50")),
        ([("purchase", 0, "100", "duplicate")], "0", ("retract", 1, "0")),
        ([("purchase", 0, "100", "accepted")], "-5", ("retract", 1, "0")),
        ([("purchase", 0, "100", "processed"), ("restate", 1, "50", "sent")], "20", "in_flight"),
        ([("purchase", 0, "100", "processed"), ("restate", 1, "50", "unknown")], "20", "in_flight"),
        ([("purchase", 0, "100", "processed"), ("restate", 1, "50", "planned")], "20", ("restate", 1, "20")),
        ([("purchase", 0, "100", "processed"), ("restate", 1, "50", "planned")], "0", ("retract", 2, "0")),
        (
            [("purchase", 0, "100", "processed"), ("restate", 1, "50", "gated"), ("retract", 2, "0", "processed")],
            "20",
            ("restate", 3, "20"),
        ),
        ([("purchase", 0, "100", "processed"), ("restate", 1, "50", "expired")], "50", "refused"),
        ([("purchase", 0, "100", "processed"), ("restate", 1, "50", "processed")], "50", "unchanged"),
        ([("purchase", 0, "100", "processed"), ("restate", 1, "50", "processed")], "100", ("restate", 2, "100")),
        ([("purchase", 0, "100", "processed"), ("restate", 1, "50", "rejected")], "50", "refused"),
        ([("purchase", 0, "100", "processed"), ("restate", 1, "50", "rejected")], "20", ("restate", 2, "20")),
    ],
)
def test_refunds_are_told_only_of_what_was_delivered(rows: Any, net: str, expected: Any) -> None:
    found = rules.adjustment(ledger(*rows), Decimal(net), restates=True, now=NOW)
    if isinstance(expected, str):
        assert found == rules.Nothing(reason=expected)
    else:
        action, revision, value = expected
        assert isinstance(found, rules.Adjustment)
        assert (found.action, found.revision, found.value) == (action, revision, Decimal(value))


def test_an_accepted_purchase_still_being_processed_proves_nothing() -> None:
    rows = ledger(("purchase", 0, "100", "accepted"))
    rows[0]["settled_at"] = None
    assert rules.adjustment(rows, Decimal(50), restates=True, now=NOW) == rules.Nothing(reason="not_delivered")


def test_a_platform_that_takes_no_refunds_is_reported_not_asked() -> None:
    rows = ledger(("purchase", 0, "100", "accepted"))
    found = rules.adjustment(rows, Decimal(50), restates=False, now=NOW)
    would = rules.Adjustment(action="restate", revision=1, value=Decimal(50), told=Decimal(100))
    assert found == rules.Nothing(reason="not_supported", would_be=would)
    assert not MetaCapi.restates
    assert GoogleEc.restates


def test_refunds_have_a_window_of_their_own() -> None:
    rows = ledger(("purchase", 0, "100", "processed"))
    assert isinstance(rules.adjustment(rows, Decimal(50), restates=True, now=NOW - 3 * DAYS + WITHIN), rules.Adjustment)
    late = rules.adjustment(rows, Decimal(50), restates=True, now=NOW - 3 * DAYS + WITHIN + MINUTES)
    assert isinstance(late, rules.Nothing)
    assert late.reason == "adjustment_window"


@given(
    paid=st.integers(1, 50_000),
    refunds=st.lists(st.integers(1, 30_000), max_size=6),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=200, deadline=None)
def test_whatever_the_order_of_refunds_the_platform_ends_with_what_is_left(
    paid: int, refunds: list[int], seed: int
) -> None:
    """Partial, full, repeated and late news of refunds; deliveries that fail now and then; no sale is ever invented."""
    dice = random.Random(seed)
    cents = Decimal("0.01")
    held: dict[str, Decimal] = {}
    rows: list[dict[str, Any]] = []
    given_back = 0

    def tell(action: str, revision: int, value: Decimal) -> None:
        delivered = dice.random() < 0.7
        rows.extend(ledger((action, revision, str(value), "processed" if delivered else "rejected")))
        if delivered:
            if action != "purchase":
                assert "1001" in held, "an adjustment of a sale the platform does not have would create one"
            held["1001"] = value

    tell("purchase", 0, paid * cents)
    news = [*refunds, *([0] * 4)]
    for refund in news:
        given_back += refund
        net = max(Decimal(0), (paid - given_back) * cents)
        for _ in range(dice.randrange(1, 3)):  # the same news may come twice
            found = rules.adjustment(rows, net, restates=True, now=NOW)
            if isinstance(found, rules.Adjustment):
                tell(found.action, found.revision, found.value)
    left = max(Decimal(0), (paid - given_back) * cents)
    if held:
        latest = max(rows, key=lambda row: row["revision"])
        assert held["1001"] == left or latest["state"] == "rejected"
    assert len({row["revision"] for row in rows}) == len(rows)


# Counts


def test_fates_are_counted_with_their_value() -> None:
    def row(state: str, reason: str, value: str) -> dict[str, Any]:
        return {
            "destination": "meta_capi",
            "state": state,
            "reason": reason,
            "currency": "BRL",
            "value": Decimal(value),
        }

    found = rules.fates([row("accepted", "", "10"), row("accepted", "", "5.50"), row("gated", "consent_denied", "7")])
    assert [(fate.state, fate.reason, fate.count, str(fate.value)) for fate in found] == [
        ("accepted", "", 2, "15.50"),
        ("gated", "consent_denied", 1, "7"),
    ]


def test_accuracy_counts_rules_as_kept_and_losses_as_lost() -> None:
    def row(state: str, attempts: int = 1, action: str = "purchase") -> dict[str, Any]:
        return {"action": action, "state": state, "attempts": attempts}

    kept = [row("accepted"), row("processed"), row("duplicate"), row("gated", 0), row("expired", 0)]
    lost = [row("rejected"), row("expired", 3), row("unknown"), row("dead")]
    assert rules.accuracy(kept) == 100.0
    assert rules.accuracy(lost) == 0.0
    assert rules.accuracy([*kept[:3], *lost[:1]]) == 75.0
    assert rules.accuracy([row("planned"), row("claimed"), row("rejected", action="restate")]) is None


# The client file


def test_the_privacy_block() -> None:
    block = rules.Privacy.model_validate(
        {
            "consent": {"mode": "opt_in", "min_version": 3},
            "country": "AR",
            "marketplace_orders": True,
            "internal_emails": ["qa@loja.example", "@agencia.example"],
            "retention": {"raw_days": 30},
        }
    )
    assert block.consent == rules.ConsentPolicy(mode="opt_in", min_version="3")
    assert (block.country, block.retention.raw_days) == ("AR", 30)
    assert rules.Privacy().consent is None
    assert rules.Privacy().retention.raw_days == 90


@pytest.mark.parametrize(
    "block",
    [{"consent": {}}, {"consent": {"mode": "maybe"}}, {"consent": {"mode": "opt_in", "min_version": "latest"}},
     {"consent": {"mode": "opt_in", "min_version": True}}, {"country": "Brasil"}, {"internal_emails": ["loja"]},
     {"internal_emails": ["a@b"]}, {"retention": {"raw_days": 0}}, {"consents": {"mode": "opt_in"}}],
)  # fmt: skip
def test_a_wrong_privacy_block_is_refused(block: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        rules.Privacy.model_validate(block)


def test_conversions_cannot_hold_a_person() -> None:
    fields = set(Conversion.__struct_fields__)
    assert not fields & {"email", "phone", "first_name", "last_name", "name", "document", "customer", "person"}
    with pytest.raises(TypeError):
        msgspec.structs.replace(made(order()), email="ana@example.com")


# The pages people read


@pytest.mark.parametrize("page", ["en/conversions.md", "pt-BR/conversoes.md"])
def test_every_reason_and_state_is_on_the_page(page: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / page).read_text(encoding="utf-8")
    assert all(f"`{reason}`" in text for reason in (*rules.REASONS, *rules.NOT_TOLD))
    assert all(f"`{name}`" in text for name in rules.CLASSES)
    assert all(state in text for state in rules.TRANSITIONS)
