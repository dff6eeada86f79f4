"""Exactly what Meta and Google were told: each sale they are owed, once, with its value, and nothing else."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import timedelta
from decimal import Decimal

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
