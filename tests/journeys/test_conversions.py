"""Exactly what Meta and Google were told: each sale they are owed, once, with its value, and nothing else."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.journeys import agency as agencies
from tests.journeys import truth
from tests.journeys.agency import DAYS, NOW, Agency
from tests.journeys.conftest import Founder
from tests.journeys.truth import GOOGLE, META, Sale

PLACES = (("meta", "meta_capi", META), ("data_manager", "google_ec", GOOGLE))


def held(sale: Sale, window: dict) -> str:
    """Why a paid sale is not told, in the order of the rules; empty when it is."""
    if sale.wire["storefront"] == "meli":
        return "marketplace"
    if sale.wire["status"] == "cancelled":
        return "cancelled"
    if sale.net <= 0:
        return "zero_value"
    if sale.consent != "granted":
        return f"consent_{sale.consent}"
    longest = window["click"] if sale.has(*window["ids"]) else window["identifiers"]
    return "window" if NOW - sale.created > longest else ""


@pytest.mark.parametrize(("platform", "destination", "rules"), PLACES)
def test_each_platform_counts_exactly_what_it_is_owed(
    done: Agency, platform: str, destination: str, rules: dict
) -> None:
    for code in done.codes:
        owed = truth.due(truth.read_by_backfill(done.shop(code), NOW, DAYS), NOW, **rules)
        assert len(owed) > 10
        assert done.counted(code, platform) == owed
        assert done.settled(code, destination) == owed


@pytest.mark.parametrize("platform", ["meta", "data_manager"])
def test_nothing_is_sent_twice(done: Agency, platform: str) -> None:
    sent = done.running.received.deliveries(platform)
    assert {delivery.outcome for delivery in sent} == {"counted"}
    assert len({(delivery.destination, delivery.event_id) for delivery in sent}) == len(sent)
    assert not any(delivery.test for delivery in sent)
    assert done.running.received.refusals(platform) == []


def test_ids_are_those_the_browser_uses(done: Agency) -> None:
    received = done.running.received
    assert all(one.event_id == f"purchase-{one.order_id}" for one in received.deliveries("meta"))
    assert all(one.event_id == one.order_id for one in received.deliveries("data_manager"))
    every = {sale.id for code in done.codes for sale in truth.sales(done.shop(code), NOW)}
    assert {one.order_id for one in received.deliveries()} <= every


def test_a_delivery_says_what_the_order_says(done: Agency) -> None:
    for code in done.codes:
        sales = {sale.id: sale for sale in truth.sales(done.shop(code), NOW)}
        for one in done.running.received.deliveries("meta"):
            sale = sales.get(one.order_id)
            if sale is None:
                continue
            address = sale.wire["contact_email"].strip().lower()
            assert hashlib.sha256(address.encode()).hexdigest() in one.payload["user_data"]["em"]
            assert one.occurred_at == sale.created.replace(microsecond=0)
            assert one.currency == "BRL"
            assert Decimal(str(one.payload["custom_data"]["value"])) == sale.net
            visited = bool(sale.wire["client_details"]["user_agent"] and sale.wire["landing_url"])
            assert one.payload["action_source"] == ("website" if visited else "other")
        for one in done.running.received.deliveries("data_manager"):
            sale = sales.get(one.order_id)
            if sale is not None:
                assert Decimal(str(one.payload["conversionValue"])) == sale.net
                clicks = one.payload.get("adIdentifiers", {})
                assert bool(clicks) == sale.has("gclid", "gbraid", "wbraid")


@pytest.mark.parametrize(("platform", "destination", "rules"), PLACES)
def test_every_paid_order_has_one_line_with_its_fate(
    done: Agency, platform: str, destination: str, rules: dict
) -> None:
    for code in done.codes:
        paid = {sale.id: sale for sale in truth.read_by_backfill(done.shop(code), NOW, DAYS) if sale.counts}
        lines = done.rows(code, "SELECT * FROM conversion_outbox WHERE destination = :kind", kind=destination)
        assert Counter(line["order_ref"] for line in lines) == Counter(paid.keys())
        for line in lines:
            why = held(paid[line["order_ref"]], rules)
            assert line["reason"].partition(":")[0] == why
            assert line["state"] == {"": "accepted", "window": "expired"}.get(why, "gated")
            assert (line["sent_at"] is None) == bool(why)
            assert (line["payload_sha256"] == "") == bool(why)
            assert line["value"] == paid[line["order_ref"]].net


def test_the_world_has_every_kind_of_sale_there_is_a_rule_for(done: Agency) -> None:
    kinds = Counter(
        held(sale, META)
        for code in done.codes
        for sale in truth.read_by_backfill(done.shop(code), NOW, DAYS)
        if sale.counts
    )
    every = {"", "marketplace", "cancelled", "zero_value", "consent_denied", "consent_unknown", "window"}
    assert every - {"zero_value"} <= set(kinds) <= every


def test_report_and_status_count_the_same_fates(done: Agency) -> None:
    code = done.first
    shown = done.rows(
        code,
        "SELECT destination, state, SUM(conversions) AS conversions FROM rpt_conversion_delivery GROUP BY destination, state",
    )
    kept = done.rows(
        code, "SELECT destination, state, COUNT(*) AS conversions FROM conversion_outbox GROUP BY destination, state"
    )
    assert sorted(map(repr, shown)) == sorted(map(repr, kept))


def test_google_says_later_what_became_of_it(agency: Agency) -> None:
    code = agency.first
    agency.main_job(code)
    owed = agency.settled(code, "google_ec")
    assert agency.one(code, "SELECT COUNT(*) AS n FROM conversion_identifiers WHERE destination = 'google_ec'") >= len(
        owed
    )
    agency.forward(hours=2)
    told = len(agency.running.received.deliveries("data_manager"))
    agency.ok("run", "conversions", code)
    assert (
        agency.one(code, "SELECT COUNT(*) AS n FROM conversion_outbox WHERE state = 'accepted' AND settled_at IS NULL")
        == 0
    )
    processed = agency.one(code, "SELECT COUNT(*) AS n FROM conversion_outbox WHERE state = 'processed'")
    assert processed == len(owed)
    new = len(agency.running.received.deliveries("data_manager")) - told
    assert new == len(agency.settled(code, "google_ec")) - len(owed)
    agency.once_each(code, "data_manager")


@pytest.mark.parametrize(
    ("after", "reason"),
    [({"status": "cancelled", "cancel_reason": "customer"}, "cancelled"), ({}, "zero_value")],
)
def test_what_went_back_before_it_was_told_is_not_told(
    found: Founder, engine_url: str, after: dict[str, str], reason: str
) -> None:
    agency = found(market=agencies.market(own=True), database=engine_url)
    code = agency.first
    agency.onboarded(code)
    agency.ok("backfill", code, "--days", str(DAYS))
    waiting = agency.one(code, "SELECT COUNT(*) AS n FROM conversion_outbox WHERE state = 'planned'")
    assert waiting > 0
    assert agency.running.received.deliveries() == []
    due = agency.rows(
        code,
        "SELECT order_ref FROM conversion_outbox WHERE state = 'planned' GROUP BY order_ref HAVING COUNT(*) = 2"
        " ORDER BY order_ref",
    )
    victim = due[0]["order_ref"]
    back = NOW + timedelta(hours=1)
    if after:
        after = {**after, "cancelled_at": back.strftime("%Y-%m-%dT%H:%M:%S+0000")}
    agency.shop(code).amend(victim, back, {"payment_status": "refunded", **after})
    agency.forward(hours=2)
    agency.ok("run", "daily", code)
    assert len(agency.counted(code, "meta")) > 5
    assert victim not in agency.counted(code, "meta")
    assert victim not in agency.counted(code, "data_manager")
    lines = agency.rows(code, "SELECT state, reason FROM conversion_outbox WHERE order_ref = :ref", ref=victim)
    assert {(line["state"], line["reason"]) for line in lines} == {("gated", reason)}


# The commands about conversions


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agency]:
    """An agency whose history is queued, whose predicted requests are written to files, and which then sends them."""
    with closing(agencies.found(tmp_path_factory.mktemp("told"), agencies.market(own=True))) as ready:
        code = ready.first
        ready.onboarded(code)
        ready.ok("backfill", code, "--days", str(DAYS))
        yield ready


def test_a_plan_is_to_the_byte_what_is_then_sent(told: Agency) -> None:
    code, out = told.first, told.root / "requests"
    before = told.dump(code)
    planned = told.ok("conversions", "plan", code, "--dry-run", "--out", str(out), as_json=True).data
    assert told.dump(code) == before
    assert told.running.received.deliveries() == []
    assert {each["destination"]: each["to_send"] > 10 for each in planned} == {"meta_capi": True, "google_ec": True}
    again = told.ok("conversions", "send", code, "--dry-run", as_json=True).data
    assert [each["to_send"] for each in again] == [each["to_send"] for each in planned]
    assert told.running.received.deliveries() == []
    sent = told.ok("conversions", "send", code, as_json=True).data
    steps = {step["name"]: step["facts"] for step in sent["steps"]}
    for each in planned:
        written = [Path(name).read_bytes() for name in each["files"]]
        assert all(Path(name).stat().st_mode & 0o077 == 0 for name in each["files"])
        digests = told.rows(
            code, "SELECT DISTINCT payload_sha256 FROM conversion_outbox WHERE destination = :kind AND sent_at IS NOT NULL",
            kind=each["destination"],
        )  # fmt: skip
        assert {row["payload_sha256"] for row in digests} == {hashlib.sha256(body).hexdigest() for body in written}
        assert steps[f"conversions.{each['destination']}"]["accepted"] == each["to_send"]
        assert steps[f"conversions.{each['destination']}"]["value"] == each["value"]
    said = told.ok("conversions", "plan", code).out
    assert "não enviadas, porque" in said
    assert max(map(len, said.splitlines())) <= 80


def test_one_order_tells_its_whole_story(told: Agency) -> None:
    code = told.first
    told.ok("conversions", "send", code)
    line = told.rows(
        code, "SELECT order_ref FROM conversion_outbox WHERE state = 'accepted' AND destination = 'meta_capi' ORDER BY order_ref"
    )[0]  # fmt: skip
    story = told.ok("conversions", "show", code, line["order_ref"], as_json=True).data
    kinds = {row["destination"]: row for row in story["lines"]}
    assert set(kinds) == {"meta_capi", "google_ec"}
    assert story["counts"]["meta_capi"] == kinds["meta_capi"]["value"]
    assert kinds["meta_capi"]["consent_state"] == story["order"]["consent_state"] == "granted"
    assert kinds["meta_capi"]["consent_source"] != "" != kinds["meta_capi"]["consent_version"]
    assert "em" in kinds["meta_capi"]["match_keys"].split(",")
    assert len(kinds["meta_capi"]["payload_sha256"]) == 64
    shown = told.ok("conversions", "show", code, line["order_ref"]).out
    assert "visita 1:" in shown
    assert "visit 1:" in told.ok("conversions", "show", code, line["order_ref"], "--lang", "en").out
    assert max(map(len, shown.splitlines())) <= 80
    assert not {"fbc", "fbp", "ip"} & set(kinds["google_ec"]["match_keys"].split(",")), "Google cannot match by them"
    assert kinds["meta_capi"]["request_id"] in shown
    assert told.cortex("conversions", "show", code, "nobody's").code == 2


def test_the_audit_counts_keys_and_says_that_it_estimates(told: Agency) -> None:
    code = told.first
    told.ok("conversions", "send", code)
    found = {each["kind"]: each for each in told.ok("conversions", "audit", code, as_json=True).data}
    meta = found["meta_capi"]
    events = told.running.received.deliveries("meta")
    mine = [one for one in events if one.destination == told.shop(code).meta.pixel_id]  # type: ignore[union-attr]
    assert meta["events"] == len(mine)
    assert meta["coverage"]["em"] == sum("em" in one.identifiers for one in mine) / len(mine)
    assert 0 < meta["estimate"] <= 10
    assert "estimate" in meta["estimate_is"]
    assert meta["bad_digests"] == {}
    stale = sum(one.received_at - one.occurred_at > timedelta(days=1) for one in mine)
    assert meta["stale"] == stale > 0
    paid = told.one(code, "SELECT COUNT(*) AS n FROM fct_orders WHERE is_paid = 1")
    held = told.one(
        code, "SELECT COUNT(*) AS n FROM conversion_outbox WHERE destination = 'meta_capi' AND state IN ('gated', 'expired', 'accepted')"
    )  # fmt: skip
    assert meta["standing"]["accuracy"] == held / paid
    for lang, words in (
        ("pt-BR", ("estimativa", "precisão", "venda", "aceita")),
        ("en", ("our estimate", "accuracy", "purchase", "accepted")),
        ("es", ("estimación", "precisión", "venta", "aceptada")),
    ):
        text = "".join(told.ok("conversions", command, code, "--lang", lang).out for command in ("audit", "status"))
        assert all(word in text for word in words), lang
        assert max(map(len, text.splitlines())) <= 80


def test_a_digest_of_nothing_is_found(told: Agency) -> None:
    code = told.first
    empty = hashlib.sha256(b"").hexdigest()
    row = {
        "order_key": "0" * 64, "destination": "meta_capi", "expires_at": NOW + timedelta(days=1),
        "identifiers": '{"identifiers":{"em":["' + empty + '"]},"ip":"","user_agent":"","internal":false}',
    }  # fmt: skip
    with told.warehouse(code) as opened:
        opened.atomically(lambda tx: tx.upsert("conversion_identifiers", [row]))
    try:
        found = told.ok("conversions", "audit", code, "--destination", "meta_capi", as_json=True).data[0]
        assert found["bad_digests"] == {"em: the digest of an empty text": 1}
    finally:
        with told.warehouse(code) as opened:
            opened.atomically(lambda tx: tx.delete("conversion_identifiers", {"order_key": "0" * 64}))


def test_two_versions_of_a_file_are_compared_by_their_bytes(found: Founder) -> None:
    agency = found()
    code = agency.first
    agency.onboarded(code)
    agency.ok("backfill", code, "--days", str(DAYS))
    path = agency.root / "tenants" / f"{code}.yaml"
    old = agency.root / "old.yaml"
    text = path.read_text(encoding="utf-8")
    old.write_text(text.replace('mode: "opt_in"', 'mode: "opt_out"'), encoding="utf-8")
    changed = {
        each["destination"]: each
        for each in agency.ok("conversions", "diff", code, "--against", str(old), as_json=True).data
    }
    # Known by their click alone: of a buyer who did not agree no digest was made.
    assert changed["google_ec"]["only_other"] > 0
    assert changed["meta_capi"]["fields"] == {}
    old.write_text(re.sub(r"(  meta_capi:\n)", r"\1    action_source: other\n", text), encoding="utf-8")
    changed = {
        each["destination"]: each
        for each in agency.ok("conversions", "diff", code, "--against", str(old), as_json=True).data
    }
    assert (
        set(changed["meta_capi"]["fields"]) == {"data[0].action_source"}
        or "data[0].event_source_url" in changed["meta_capi"]["fields"]
    )
    assert changed["google_ec"]["fields"] == {}
    assert agency.running.received.deliveries() == []


def test_a_test_is_validated_or_carries_its_code_and_without_one_is_not_sent(found: Founder) -> None:
    agency = found()
    code = agency.first
    agency.onboarded(code)
    said = agency.cortex("conversions", "test", code, as_json=True)
    assert said.code == 3
    answers = {each["destination"]: each for each in said.data}
    assert answers["google_ec"]["ok"]
    assert answers["meta_capi"]["code"] == "CTX-6107"
    assert agency.running.received.deliveries() == []
    agency.ok("conversions", "test", code, "--test-code", "TEST123", as_json=True)
    (one,) = agency.running.received.deliveries()
    assert one.test
    assert one.order_id.startswith("cortex-test-")


def test_without_a_policy_nothing_is_planned_nor_sent(found: Founder) -> None:
    agency = found()
    code = agency.first
    agency.onboarded(code)
    agency.edit(code, r"  consent:\n(    .*\n)+", "  country: BR\n")
    agency.ok("backfill", code, "--days", "8")
    for words in (("plan",), ("send",), ("test",)):
        assert agency.cortex("conversions", *words, code).code == 9
    daily = agency.cortex("run", "daily", code, as_json=True)
    assert daily.code == 9
    steps = {step["name"]: step["status"] for step in daily.data["steps"]}
    assert {name for name, status in steps.items() if status == "failed"} == {
        "conversions.meta_capi",
        "conversions.google_ec",
    }
    assert steps["store.orders"] == steps["quality"] == "ok"
    assert agency.running.received.deliveries() == []


def test_what_was_refused_waits_for_a_word_and_goes_out_with_it(found: Founder) -> None:
    agency = found()
    code = agency.first
    agency.onboarded(code)
    agency.ok("backfill", code, "--days", "8")
    agency.ok("conversions", "send", code)
    told = agency.counted(code, "meta")
    victim = sorted(told)[0]
    with agency.warehouse(code) as opened:
        opened.atomically(
            lambda tx: tx.run(
                "UPDATE conversion_outbox SET state = 'rejected', error_class = 'data', error_code = '2804003' WHERE order_ref = :ref"
                " AND destination = 'meta_capi'", ref=victim,
            )
        )  # fmt: skip
    shown = [line.split()[:4] for line in agency.ok("conversions", "status", code).out.splitlines()]
    assert ["venda", "recusada", "2804003", "1"] in shown
    said = agency.cortex("conversions", "replay", code)
    assert "o que fazer" in said.out
    assert "enviar de novo" in said.out
    shown = agency.cortex("conversions", "replay", code, "--reason", "2804003", as_json=True)
    assert (shown.code, shown.data["orders"], shown.data["moved"]) == (9, [victim], 0)
    assert agency.cortex("conversions", "replay", code, "--reason", "throttle", as_json=True).data["found"] == 0
    assert agency.ok("conversions", "replay", code, "--order", victim, "--yes", as_json=True).data["moved"] == 1
    agency.ok("run", "daily", code)  # its identifiers were deleted: reading the shop again makes them
    line = agency.rows(
        code, "SELECT * FROM conversion_outbox WHERE order_ref = :ref AND destination = 'meta_capi'", ref=victim
    )[0]
    assert (line["state"], line["attempts"]) == ("accepted", 1)
    agency.once_each(code, "meta")
    assert agency.cortex("conversions", "replay", code, "--state", "processed").code == 2


def test_a_refund_is_told_to_google_and_reported_for_meta(found: Founder, engine_url: str) -> None:
    agency = found(market=agencies.market(own=True), database=engine_url)
    code = agency.first
    agency.main_job(code)
    agency.forward(hours=2)
    agency.ok("run", "daily", code)  # Google has settled
    google, meta = agency.settled(code, "google_ec"), agency.settled(code, "meta_capi")
    shop = agency.shop(code)
    recent = {
        sale.id: sale
        for sale in truth.sales(shop, agency.hand.now)
        if agency.hand.now - sale.created < timedelta(days=6)
    }
    victim = sorted(
        order for order in google.keys() & meta.keys() & recent.keys() if google[order] == recent[order].net
    )[0]
    back = agency.hand.now + timedelta(hours=1)
    shop.amend(victim, back, {"payment_status": "refunded", "status": "cancelled", "cancel_reason": "customer",
                              "cancelled_at": back.strftime("%Y-%m-%dT%H:%M:%S+0000")})  # fmt: skip
    agency.forward(hours=3)
    ran = agency.ok("run", "daily", code, as_json=True).data
    assert agency.counted(code, "data_manager")[victim] == 0
    assert agency.counted(code, "meta")[victim] == meta[victim]
    notices = [
        each for each in ran["notices"] if each["code"] == "CTX-6102" and each["stream"] == "conversions.meta_capi"
    ]
    assert Decimal(notices[0]["value"]) >= meta[victim]
    lost = agency.rows(
        code, "SELECT * FROM rpt_conversion_corrections WHERE destination = 'meta_capi' AND reason = 'not_supported'"
    )  # fmt: skip
    assert sum(row["difference"] for row in lost) >= meta[victim]
    agency.forward(hours=2)
    again = agency.ok("run", "daily", code, as_json=True).data
    assert not [each for each in again["notices"] if each["code"] == "CTX-6102"], "it is news once"
    agency.once_each(code, "data_manager")
    lines = agency.rows(code, "SELECT action, state, reason FROM conversion_outbox WHERE order_ref = :ref AND action <> 'purchase'"
                              " ORDER BY destination", ref=victim)  # fmt: skip
    assert [(line["action"], line["state"], line["reason"]) for line in lines] == [
        ("retract", "processed", ""), ("retract", "gated", "not_supported"),
    ]  # fmt: skip
