"""A buyer of the sandbox's shop asks to be forgotten: by one command, for good, and no total moves (F22)."""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
from collections import Counter
from typing import Any

import pytest

from cortex import identity
from cortex.cli.shell import plain
from cortex.destinations import google_ec, meta_capi
from cortex.records import Person
from cortex.warehouse import tables
from tests.journeys.agency import KEY, Agency, Said
from tests.journeys.conftest import Founder
from tests.journeys.test_canaries import contents

TOTALS = (
    "SELECT * FROM rpt_daily_performance ORDER BY day",
    "SELECT * FROM rpt_ltv_cohort ORDER BY cohort_month, month",
    "SELECT * FROM rpt_customer_cohorts ORDER BY cohort_month",
    "SELECT * FROM rpt_customer_segments ORDER BY rfm_segment, first_order_channel",
    "SELECT * FROM rpt_channel_performance ORDER BY model, day, channel",
)


def variants(person: Person) -> set[str]:
    found = {alias for _, alias in identity.aliases(KEY.encode(), person, "nuvemshop")}
    for destination in (meta_capi.MetaCapi, google_ec.GoogleEc):
        for fact in ("em", "ph", "hashed_email", "hashed_phone_number", "external_id"):
            found |= set(identity.identify(person, destination.identifiers).get(fact, []))
    email = person.email.strip().lower()
    return found | {email, hashlib.sha256(email.encode()).hexdigest(), hashlib.sha1(email.encode()).hexdigest()}


def held(agency: Agency, wanted: set[str]) -> dict[str, int]:
    with agency.warehouse(agency.first) as warehouse:
        every = {name: json.dumps(plain(warehouse.rows(f"SELECT * FROM {name}"))) for name in tables.TENANT.tables}
    return {name: count for name, text in every.items() if (count := sum(text.count(one) for one in wanted))}


def totals(agency: Agency) -> list[list[dict[str, Any]]]:
    return [agency.rows(agency.first, sql) for sql in TOTALS]


def ask(agency: Agency, monkeypatch: pytest.MonkeyPatch, words: str, *options: str) -> Said:
    monkeypatch.setattr(sys, "stdin", io.StringIO(words))
    return agency.cortex("erase", agency.first, *options)


@pytest.fixture
def ready(found: Founder, engine_url: str) -> tuple[Agency, Person]:
    """An agency that has done its job, and the buyer who bought most often."""
    agency = found(database=engine_url)
    agency.main_job(agency.first)
    orders = agency.shop(agency.first).orders
    [(email, _)] = Counter(order["contact_email"] for order in orders if order["contact_phone"]).most_common(1)
    order = next(order for order in orders if order["contact_email"] == email)
    return agency, Person(email=email, phone=order["contact_phone"], document=order["contact_identification"] or "")


def test_a_person_is_forgotten_by_one_command_and_comes_back_by_none(
    ready: tuple[Agency, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    agency, person = ready
    wanted, before = variants(person), totals(agency)
    assert held(agency, wanted).get("fct_order_aliases", 0) > 0
    words = f"email: {person.email}\nphone: {person.phone}\n"

    shown = ask(agency, monkeypatch, words, "--dry-run")
    assert shown.code == 0
    assert re.search(r"\d+ orders of \d buyers?", shown.out)
    unsure = ask(agency, monkeypatch, words)
    assert (unsure.code, "CTX-8021" in unsure.err) == (9, True)
    assert held(agency, wanted).get("fct_order_aliases", 0) > 0, "nothing goes before it is confirmed"

    done = ask(agency, monkeypatch, words, "--yes")
    assert done.code == 0, done.err
    assert held(agency, wanted) == {}
    assert totals(agency) == before
    # Neither said nor written anywhere; the certificate counts and names nobody.
    [certificate] = (agency.root / "dist").glob("*-erasure-*.json")
    assert json.loads(certificate.read_text())["rows"]["fct_orders"] > 0
    for said in (shown, unsure, done):
        assert person.email.lower() not in said.text.lower()
    if not agency.database:
        written = [name for name, content in contents(agency.state) if any(one.encode() in content for one in wanted)]
        assert written == []

    agency.ok("backfill", agency.first, "--days", "30")
    agency.ok("run", "daily", agency.first)
    agency.ok("run", "weekly", agency.first)
    assert held(agency, wanted) == {}
    assert totals(agency) == before
    assert agency.ok("dq", agency.first).code == 0


def test_nobody_named_is_refused(small: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    small.onboarded(small.first)
    for words in ("", "\n\n", "phone: 12", "document: 111.111.111-11"):
        said = ask(small, monkeypatch, words, "--yes")
        assert (said.code, "CTX-8020" in said.err) == (2, True), words
    assert "--email" not in small.cortex("erase", "--help").out, (
        "never an argument: it would stand in the list of processes"
    )
