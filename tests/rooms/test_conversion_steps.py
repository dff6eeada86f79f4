"""The steps about conversions on a real ledger: holds, values, stops, notices, and refunds that cannot be told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from cortex import conversions as rules
from cortex.clock import Window
from cortex.destinations import Destination, DestinationSection
from cortex.errors import CredentialError, PolicyRefusal, Transient
from cortex.records import Account, Conversion, IdentifierRules, Receipt, SendWindow
from cortex.run import Run
from cortex.steps import adjust, auditing, preview, queue, replay, send
from cortex.warehouse import Warehouse, tables
from tests.rooms.warehouse_rows import key, order, row

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
DAY = timedelta(days=1)


class Place(Destination):
    """A platform that answers what it was told to, and remembers every call."""

    identifiers: ClassVar[IdentifierRules] = IdentifierRules(fields=())
    window: ClassVar[SendWindow] = SendWindow(click=7 * DAY, identifiers=7 * DAY)
    batch: ClassVar[int] = 2
    click_ids: ClassVar[tuple[str, ...]] = ("fbc",)
    dedup: ClassVar[timedelta | None] = 2 * DAY

    def __init__(self, **said: Any) -> None:
        self.config = DestinationSection(**said)
        self.answers: list[Receipt | Exception] = []
        self.calls: list[list[Conversion]] = []

    def check(self) -> Account:
        return Account(id="1")

    def body(self, batch: Sequence[Conversion]) -> bytes:
        return repr(batch).encode()

    def send(self, batch: Sequence[Conversion]) -> list[Receipt]:
        self.calls.append(list(batch))
        answer = self.answers.pop(0) if self.answers else Receipt(state="accepted")
        if isinstance(answer, Exception):
            raise answer
        return [answer] * len(batch)

    @property
    def told(self) -> dict[str, Decimal]:
        return {one.order_id: one.value for call in self.calls for one in call}


class Correctable(Place):
    restates: ClassVar[bool] = True
    dedup: ClassVar[timedelta | None] = None


class Seer(Place):
    predicts: ClassVar[bool] = True


class Client:
    code, currency, timezone = "xyz", "BRL", UTC

    def __init__(self, kinds: dict[str, Place], privacy: rules.Privacy | None) -> None:
        self.privacy = privacy
        self.destinations = {kind: place.config for kind, place in kinds.items()}


class Here(Run):
    places: dict[str, Place]

    def adapter(self, room: str, kind: str, of: Any, config: Any) -> Any:
        return self.places[kind]


OPT_IN = rules.Privacy(consent=rules.ConsentPolicy(mode="opt_in"))


def run_of(
    warehouse: Warehouse, places: dict[str, Place], now: datetime = NOW, privacy: rules.Privacy | None = OPT_IN
) -> Here:
    client: Any = Client(places, privacy)
    nothing: Any = None
    window = Window(date(2026, 11, 14), date(2026, 11, 21))
    run = Here(client, window, nothing, warehouse, nothing, lambda: now, f"r{now:%d%H%M}")
    run.places = places
    return run


def went(run: Here) -> Here:
    queue.queue(run)
    adjust.adjust(run)
    for kind in run.places:
        send.deliver(run, kind)
    return run


def sold(warehouse: Warehouse, *orders: dict[str, Any]) -> None:
    warehouse.atomically(lambda tx: tx.upsert(tables.fct_orders, list(orders)))


def sale(name: object, **given: Any) -> dict[str, Any]:
    about = {
        "created_at": NOW - DAY, "updated_at": NOW - DAY, "fbc": "fb.1.1763600000000.AbC", "consent_state": "granted",
        "consent_source": "cart", "consent_version": "3",
    }  # fmt: skip
    return order(name, **(about | given))


def ledger(warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    rows = warehouse.rows("SELECT * FROM conversion_outbox ORDER BY order_ref, revision")
    return {f"{one['order_ref']}/{one['revision']}": one for one in rows}


def test_a_sale_held_back_and_refunded_meanwhile_is_never_told(warehouse: Warehouse) -> None:
    place = Place(hold_days=2)
    sold(warehouse, sale(1), sale(2), sale(3, created_at=NOW - 3 * DAY))
    went(run_of(warehouse, {"meta_capi": place}))
    assert set(place.told) == {"3"}
    assert ledger(warehouse)["1/0"]["next_attempt_at"] == NOW + DAY
    sold(warehouse, sale(1, refunded=Decimal("100.00")), sale(2, refunded=Decimal("30.00")))
    went(run_of(warehouse, {"meta_capi": place}, NOW + DAY))
    assert place.told == {"3": Decimal("100.00"), "2": Decimal("70.00")}
    assert (ledger(warehouse)["1/0"]["state"], ledger(warehouse)["1/0"]["reason"]) == ("gated", "zero_value")


def test_margins_are_told_where_every_line_has_a_cost_and_revenue_by_name_elsewhere(warehouse: Warehouse) -> None:
    place = Place(value="margin")
    sold(warehouse, sale(1, shipping=Decimal("10.00")), sale(2), sale(3))
    line = {"platform": "nuvemshop", "product_id": "p", "quantity": 2}
    items = [
        row(tables.fct_order_items, order_key=key(1), line=1, unit_cost=Decimal("20.00"), **line),
        row(tables.fct_order_items, order_key=key(2), line=1, unit_cost=Decimal("20.00"), **line),
        row(tables.fct_order_items, order_key=key(2), line=2, unit_cost=None, **line),
        row(tables.fct_order_items, order_key=key(3), line=1, unit_cost=Decimal("80.00"), **line),
    ]
    warehouse.atomically(lambda tx: tx.upsert(tables.fct_order_items, items))
    run = went(run_of(warehouse, {"meta_capi": place}))
    assert place.told == {"1": Decimal("50.00"), "2": Decimal("100.00")}
    assert {one.order_id: one.net_revenue for call in place.calls for one in call} == {"1": Decimal("50.00"), "2": None}
    lines = ledger(warehouse)
    assert [lines[f"{name}/0"]["value_basis"] for name in (1, 2, 3)] == ["margin", "revenue_no_cost", "margin"]
    assert (lines["3/0"]["state"], lines["3/0"]["reason"]) == ("gated", "no_margin")
    (notice,) = [one for one in run.notices if one.code == "CTX-6105"]
    assert (notice.count, notice.value) == (1, Decimal("100.00"))
    again = went(run_of(warehouse, {"meta_capi": place}, NOW + DAY))
    assert [one for one in again.notices if one.code == "CTX-6105"] == []


def test_predictions_are_refused_by_name_or_told_once(warehouse: Warehouse) -> None:
    few = Seer(value="predicted_ltv")
    buyers = [
        sale(n, customer_key=key(f"b{n}"), is_new_customer=1, paid=Decimal(10 * (n + 1)), paid_date=(NOW - DAY).date(),
             paid_at=NOW - DAY)
        for n in range(99)
    ]  # fmt: skip
    sold(warehouse, *buyers)
    run = run_of(warehouse, {"meta_capi": few})
    queue.queue(run)
    assert [one.code for one in run.notices] == ["CTX-6106"]
    assert "99 purchases in a week" in run.notices[0].message
    assert {one["predicted_value"] for one in ledger(warehouse).values()} == {None}
    sold(
        warehouse, sale(99, customer_key=key("b0"), paid=Decimal(5000), paid_date=(NOW - DAY).date(), paid_at=NOW - DAY)
    )
    again = went(run_of(warehouse, {"meta_capi": few}))
    assert again.notices == []
    told = {one.order_id: one for call in few.calls for one in call}
    assert len(told) == 100
    assert told["99"].predicted_ltv is None, "not the buyer's first"
    predicted = [one.predicted_ltv for name, one in told.items() if name != "99"]
    assert all(value is not None and value > 0 for value in predicted)
    assert len(set(predicted)) >= 5
    other = Place(value="predicted_ltv")
    elsewhere = run_of(warehouse, {"google_ec": other})
    queue.queue(elsewhere)
    assert "only Meta takes them" in elsewhere.notices[0].message


def test_a_refused_credential_stops_its_destination_alone_and_leaves_word(warehouse: Warehouse) -> None:
    broken, fine = Place(), Correctable()
    broken.answers = [CredentialError("CTX-4101", "Meta refused the token.")]
    sold(warehouse, *[sale(n) for n in range(5)])
    run = run_of(warehouse, {"meta_capi": broken, "google_ec": fine})
    queue.queue(run)
    with pytest.raises(CredentialError):
        send.deliver(run, "meta_capi")
    send.deliver(run, "google_ec")
    assert len(broken.calls) == 1
    assert len(fine.told) == 5
    (notice,) = run.notices
    assert (notice.code, notice.stream, notice.count, notice.value) == (
        "CTX-6103", "conversions.meta_capi", 5, Decimal("500.00"),
    )  # fmt: skip
    rows = warehouse.rows("SELECT * FROM conversion_outbox WHERE destination = 'meta_capi'")
    assert {(one["state"], one["attempts"], one["sent_at"]) for one in rows} == {("planned", 0, None)}


@pytest.mark.parametrize(
    ("error_class", "calls", "notices"),
    [("config", 1, ["CTX-6104"]), ("throttle", 1, []), ("transient", 3, [])],
)
def test_what_the_next_batch_would_hear_too_is_not_asked_again(
    warehouse: Warehouse, error_class: str, calls: int, notices: list[str]
) -> None:
    place = Place()
    place.answers = [Receipt(state="retry", error_class=error_class, error_code="x", retry_after=7200.0)]
    sold(warehouse, *[sale(n) for n in range(5)])
    run = went(run_of(warehouse, {"meta_capi": place}))
    assert len(place.calls) == calls
    assert [one.code for one in run.notices] == notices
    waiting = [one for one in ledger(warehouse).values() if one["attempts"] and one["state"] == "planned"]
    assert {one["next_attempt_at"] for one in waiting} == {NOW + timedelta(hours=2)}


@pytest.mark.parametrize("sent", [False, True])
def test_a_step_tried_again_in_its_run_tells_each_sale_once_by_the_same_id(warehouse: Warehouse, *, sent: bool) -> None:
    """What may have arrived is repeated under the id the platform deduplicates on, what did not is sent: nothing else."""
    place = Place()
    sold(warehouse, *(sale(n) for n in range(1, 6)))
    run = run_of(warehouse, {"meta_capi": place})
    queue.queue(run)
    place.answers = [Receipt(state="accepted"), Transient("CTX-4015", "The connection broke.", sent=sent)]
    with pytest.raises(Transient):
        send.deliver(run, "meta_capi")
    broke = [one.event_id for one in place.calls[1]]
    run.attempt += 1
    send.deliver(run, "meta_capi")
    ids = [one.event_id for call in place.calls for one in call]
    assert sorted(ids) == sorted([*set(ids), *broke]), "only the batch in doubt goes out twice"
    rows = ledger(warehouse).values()
    assert {row["state"] for row in rows} == {"accepted"}
    assert len({row["claim_id"] for row in rows}) == 3, "no claim has the name of an earlier try's"


def test_a_step_tried_again_repeats_nothing_a_platform_would_count_twice(warehouse: Warehouse) -> None:
    """Without deduplication what may have arrived waits for a person, in the same run as in the next."""
    place = Place()
    place.dedup = timedelta(0)  # type: ignore[misc]
    sold(warehouse, *(sale(n) for n in range(1, 4)))
    run = run_of(warehouse, {"meta_capi": place})
    queue.queue(run)
    place.answers = [Transient("CTX-4015", "The connection broke.", sent=True)]
    with pytest.raises(Transient):
        send.deliver(run, "meta_capi")
    run.attempt += 1
    send.deliver(run, "meta_capi")
    ids = [one.event_id for call in place.calls for one in call]
    assert len(ids) == len(set(ids)) == 3
    assert sorted(row["state"] for row in ledger(warehouse).values()) == ["accepted", "unknown", "unknown"]


def test_half_a_refused_credential_is_written_down_and_ends_with_exit_four(warehouse: Warehouse) -> None:
    place = Place()
    place.answers = [Receipt(state="retry", error_class="auth", error_code="CTX-4101", message="refused")]
    sold(warehouse, sale(1))
    with pytest.raises(CredentialError):
        went(run_of(warehouse, {"meta_capi": place}))
    assert ledger(warehouse)["1/0"]["state"] == "planned"


def test_a_doubtful_sale_that_went_back_is_not_repeated_where_it_could_not_be_taken_back(warehouse: Warehouse) -> None:
    meta, google = Place(), Correctable()
    lost = Receipt(state="unknown", error_class="ambiguous")
    meta.answers, google.answers = [lost], [lost]
    sold(warehouse, sale(1))
    went(run_of(warehouse, {"meta_capi": meta, "google_ec": google}))
    sold(warehouse, sale(1, refunded=Decimal("100.00")))
    went(run_of(warehouse, {"meta_capi": meta, "google_ec": google}, NOW + timedelta(hours=5)))
    assert len(meta.calls) == 1
    assert [[one.value for one in call] for call in google.calls] == [[Decimal("100.00")], [Decimal("100.00")]]
    rows = {one["destination"]: one for one in warehouse.rows("SELECT * FROM conversion_outbox WHERE revision = 0")}
    assert (rows["meta_capi"]["state"], rows["meta_capi"]["reason"]) == ("unknown", "refunded")
    assert rows["meta_capi"]["next_attempt_at"] is None
    went(run_of(warehouse, {"meta_capi": meta, "google_ec": google}, NOW + timedelta(hours=6)))
    assert google.calls[-1][0].action == "retract"
    assert google.calls[-1][0].told == Decimal("100.00")


def test_consent_withdrawn_since_keeps_the_correction_back_and_its_value_is_shown(warehouse: Warehouse) -> None:
    place = Correctable()
    sold(warehouse, sale(1))
    went(run_of(warehouse, {"google_ec": place}))
    sold(warehouse, sale(1, refunded=Decimal("40.00"), consent_state="denied"))
    run = went(run_of(warehouse, {"google_ec": place}, NOW + DAY))
    assert len(place.calls) == 1
    (notice,) = run.notices
    assert (notice.code, notice.count, notice.value) == ("CTX-6102", 1, Decimal("40.00"))
    assert went(run_of(warehouse, {"google_ec": place}, NOW + 2 * DAY)).notices == []
    shown = warehouse.rows("SELECT state, reason, told_value, true_value, difference FROM rpt_conversion_corrections")
    assert shown == [
        {"state": "gated", "reason": "consent_denied", "told_value": Decimal("100.00"), "true_value": Decimal("60.00"),
         "difference": Decimal("40.00")}
    ]  # fmt: skip
    sold(warehouse, sale(1, refunded=Decimal("40.00")))
    went(run_of(warehouse, {"google_ec": place}, NOW + 3 * DAY))
    assert (place.calls[-1][0].action, place.calls[-1][0].value) == ("restate", Decimal("60.00"))


def test_a_refund_after_the_window_is_reported_once_and_never_sent(warehouse: Warehouse) -> None:
    place = Correctable()
    sold(warehouse, sale(1))
    went(run_of(warehouse, {"google_ec": place}))
    sold(warehouse, sale(1, refunded=Decimal("40.00")))
    late = NOW + 60 * DAY
    notices = [went(run_of(warehouse, {"google_ec": place}, late + n * DAY)).notices for n in range(3)]
    assert [len(each) for each in notices] == [1, 0, 0]
    assert len(place.calls) == 1
    lines = ledger(warehouse)
    assert set(lines) == {"1/0", "1/1"}
    assert (lines["1/1"]["state"], lines["1/1"]["reason"]) == ("expired", "adjustment_window")


def test_many_orders_are_queued_page_by_page_each_once(warehouse: Warehouse) -> None:
    place = Place()
    for start in range(0, 4500, 1500):
        sold(warehouse, *[sale(n) for n in range(start, start + 1500)])
    run = run_of(warehouse, {"meta_capi": place})
    assert queue.queue(run).rows == 4500
    assert queue.queue(run).rows == 4500, "planned ones are looked at again"
    assert warehouse.rows("SELECT COUNT(*) AS n FROM conversion_outbox")[0]["n"] == 4500


def test_a_preview_writes_nothing_and_gives_the_bytes_that_are_sent(warehouse: Warehouse) -> None:
    place = Correctable()
    sold(warehouse, *[sale(n, created_at=NOW - n * timedelta(minutes=7)) for n in range(1, 6)])
    run = run_of(warehouse, {"google_ec": place})
    found = preview.preview(run, "google_ec")
    bodies = list(preview.bodies(run, found))
    assert ledger(warehouse) == {}
    assert place.calls == []
    went(run)
    assert [repr(call).encode() for call in place.calls] == bodies
    with pytest.raises(PolicyRefusal):
        preview.preview(run_of(warehouse, {"google_ec": place}, privacy=None), "google_ec")


def test_a_replay_leaves_alone_what_is_too_old_or_ended_well(warehouse: Warehouse) -> None:
    place = Place()
    place.answers = [Receipt(state="rejected", error_class="data", error_code="100"), Receipt(state="accepted")]
    sold(warehouse, *[sale(n, created_at=NOW - n * timedelta(hours=1)) for n in range(1, 5)])
    run = went(run_of(warehouse, {"meta_capi": place}))
    found = replay.candidates(run, replay.Wanted(reason="data"))
    assert [one["order_ref"] for one in found.rows] == ["4", "3"]
    assert (found.bare, found.doubtful, found.late) == (2, 0, [])
    late = run_of(warehouse, {"meta_capi": place}, NOW + 8 * DAY)
    assert len(replay.candidates(late, replay.Wanted()).late) == 2
    accepted = [one for one in ledger(warehouse).values() if one["state"] == "accepted"]
    with pytest.raises(ValueError, match="nobody's word leads from accepted"):
        replay.decide(run, accepted, "again")
    assert replay.decide(run, found.rows, "again") == 2
    assert replay.decide(run, found.rows, "again") == 0, "they have moved on"
    assert auditing.standing(run, "meta_capi").accuracy == 0.5


class Browsers(Place):
    """Remembers what it was told of each buyer's browser."""

    batch: ClassVar[int] = 10


def test_what_is_sent_tells_every_id_of_the_buyers_browser(warehouse: Warehouse):
    ids = {
        "gclid": "G", "gbraid": "B", "wbraid": "W", "fbc": "fb.1.1763600000000.AbC", "fbp": "fb.1.1763600000000.1",
        "ttclid": "T", "ttp": "P", "ga_client_id": "1.2",
    }  # fmt: skip
    place = Browsers()
    sold(warehouse, sale("seen", **ids))
    went(run_of(warehouse, {"meta_capi": place}))
    ((one,),) = place.calls
    assert {name: getattr(one.clicks, name) for name in ids} == ids


def test_what_is_claimed_makes_the_conversions_a_look_at_the_ledger_makes(warehouse: Warehouse):
    place = Browsers()
    sold(
        warehouse,
        *[
            sale(name, ttp=f"P{name}", ga_client_id=f"{name}.2", event_url="https://shop.example/x")
            for name in range(3)
        ],
    )
    run = run_of(warehouse, {"meta_capi": place})
    queue.queue(run)
    looked_at = preview.preview(run, "meta_capi")
    shown = b"".join(preview.bodies(run, looked_at))
    send.deliver(run, "meta_capi")
    (call,) = place.calls
    assert shown == place.body(call) != b"[]"


def test_the_audit_counts_clicks_that_were_old_when_the_sale_was_made(warehouse: Warehouse):
    place = Browsers()
    clicked = {"old": NOW - 100 * DAY, "new": NOW - 80 * DAY}
    ids = {name: f"fb.1.{int(at.timestamp()) * 1000}.AbC" for name, at in clicked.items()}
    sold(
        warehouse,
        *[sale(name, fbc=fbc) for name, fbc in ids.items()],
        sale("none", fbc=""),
        sale("odd", fbc="fb.1.x.y"),
    )
    run = went(run_of(warehouse, {"meta_capi": place}))
    assert len(place.told) == 4
    assert auditing.audit(run, "meta_capi").stale_clicks == 1
