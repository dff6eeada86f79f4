"""No buyer in the clear on any disk or in any word said: every identity of the world is looked for in every byte."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cortex.sandbox.market import Shop
from cortex.warehouse import tables
from tests.journeys import agency as agencies
from tests.journeys import truth
from tests.journeys.agency import KEY, NOW, Agency, Said
from tests.journeys.conftest import Founder

_EMAIL = re.compile(r"[\w.!#$&'*+/=?^`{|}~-]+(?:@|%40)[\w-]+(?:\.[\w-]+)+")
_DIGITS = re.compile(r"\d{8,15}")


@dataclass(frozen=True)
class Canaries:
    """What nobody may find: buyers' e-mails, numbers, names and streets, all in lower case."""

    emails: frozenset[str]
    digits: frozenset[str]
    words: frozenset[str]

    def found(self, content: bytes) -> list[str]:
        """Which of them are in the content, whatever their case and, for numbers, however they were typed."""
        text = content.decode("utf-8", "replace").lower()
        hits = {word for word in self.words if word in text}
        hits |= {found for found in _EMAIL.findall(text) if found.replace("%40", "@") in self.emails}
        hits |= {number for number in _DIGITS.findall(text) if number in self.digits}
        return sorted(hits)


def canaries(*shops: Shop) -> Canaries:
    emails, digits, words = set(), set(), set()
    for shop in shops:
        for order in shop.orders:
            emails |= {order["contact_email"].strip().lower(), order["customer"]["email"].strip().lower()}
            typed = [order["contact_phone"], order["contact_identification"], order["billing_phone"]]
            for number in filter(None, typed):
                bare = (
                    re.sub(r"\D", "", number).lstrip("0")
                    if number.strip().startswith("0")
                    else re.sub(r"\D", "", number)
                )
                words.add(number.lower())
                digits |= {bare, f"55{bare}", bare.removeprefix("55") if len(bare) > 11 else bare}
            digits.add(re.sub(r"\D", "", order["contact_identification"]))
            words |= {order["contact_name"].lower(), order["billing_address"].lower()}
    words = {word for word in words if len(word) > 7}
    assert len(emails) > 50
    assert len(words) > 50
    return Canaries(frozenset(emails), frozenset(number for number in digits if len(number) >= 10), frozenset(words))


def secrets(*shops: Shop) -> list[bytes]:
    tokens = [token for shop in shops for token in (shop.store_token, shop.meta_token, shop.google_refresh_token)]
    return [*(token.encode() for token in tokens), b"ya29.sandbox", KEY.encode()]


def contents(root: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder, and every file inside the zips among them."""
    for path in sorted(root.rglob("*")):
        if not path.is_file() or path.name == ".env":
            continue
        content = path.read_bytes()
        yield path.name, content
        if zipfile.is_zipfile(io.BytesIO(content)):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for name in archive.namelist():
                    yield f"{path.name}/{name}", archive.read(name)


def stored(agency: Agency, *codes: str) -> Iterator[tuple[str, bytes]]:
    """Every row of every table of the clients as text: the disk of a server cannot be read from here."""
    for code in codes or agency.codes:
        with agency.warehouse(code) as opened:
            for table in tables.TENANT.sorted_tables:
                for row in opened.rows(select(table)):
                    yield f"{code}.{table.name}", repr(row).encode()


def assert_nobody(agency: Agency, told: str = "") -> None:
    """No buyer and no credential in the workspace, in the tables, or in anything a command said."""
    known, hidden = canaries(*agency.market.shops), secrets(*agency.market.shops)
    said = "\n".join(said.text for said in agency.said) + told
    places = [*contents(agency.root), ("what was said", said.encode())]
    rows: dict[str, bytearray] = {}
    for name, content in stored(agency):
        rows.setdefault(name, bytearray()).extend(content + b"\n")
    places += [(name, bytes(content)) for name, content in rows.items()]
    for name, content in places:
        assert known.found(content) == [], f"buyers in {name}"
        for token in hidden:
            assert token not in content, f"a credential in {name}"


def assert_no_trace(agency: Agency) -> None:
    """IP addresses and browsers only in the identifiers of conversions that are not settled."""
    seen = {
        order["client_details"][field]
        for shop in agency.market.shops
        for order in shop.orders
        for field in ("browser_ip", "user_agent")
    } - {None}
    for name, content in stored(agency):
        if not name.endswith(".conversion_identifiers"):
            assert not any(trace.encode() in content for trace in seen), name
    for code in agency.codes:
        assert (
            agency.rows(
                code,
                "SELECT MIN(o.state) AS state FROM conversion_identifiers i JOIN conversion_outbox o"
                " ON o.order_key = i.order_key AND o.destination = i.destination"
                " GROUP BY i.order_key, i.destination HAVING SUM(CASE WHEN o.settled_at IS NULL THEN 1 ELSE 0 END) = 0",
            )
            == []
        )


def test_the_search_finds_what_it_is_to_find() -> None:
    shop = agencies.market().shops[0]
    known = canaries(shop)
    order = shop.orders[7]
    for text in (
        order["contact_email"],
        order["contact_email"].upper(),
        order["contact_email"].replace("@", "%40"),
        f"x{order['contact_phone']}x",
        re.sub(r"\D", "", order["contact_identification"]),
        order["contact_name"].upper(),
        order["billing_address"],
    ):
        assert known.found(f"… {text} …".encode()), text
    assert known.found(b"nobody@example.com 12345678901 Maria") == []


def test_the_main_job_leaves_nobody_behind(found: Founder, engine_url: str) -> None:
    agency = found(database=engine_url)
    agency.main_job()
    for code in agency.codes:
        agency.ok("report", code)
        agency.ok("tracking", "export", code)
        agency.ok("run", "daily", code, as_json=True)
        agency.ok("run", "daily", code, "-v", "--log-format", "json")
        agency.ok("run", "hourly", code, "--verbose")
        agency.ok("doctor", code, as_json=True)
        agency.ok("tenants", "show", code)
        about_conversions(agency, code)
        agency.ok("config", "show", code, "--resolved", as_json=True)
        asked = agency.rows(code, "SELECT DISTINCT destination FROM conversion_diagnostics ORDER BY destination")
        assert [row["destination"] for row in asked] == ["google_ec", "meta_capi"], "so that they are looked through"
    agency.ok("status")
    agency.ok("runs", "list", as_json=True)
    assert_nobody(agency)
    assert_no_trace(agency)


def about_conversions(agency: Agency, code: str) -> None:
    """Everything the commands about conversions can say, rows of errors and requests written to files included."""
    shop = agency.shop(code)
    order = agency.one(
        code, "SELECT MIN(order_ref) AS ref FROM conversion_outbox WHERE state IN ('accepted', 'processed')"
    )
    with agency.warehouse(code) as opened:
        opened.atomically(
            lambda tx: tx.run(
                "UPDATE conversion_outbox SET state = 'rejected', error_class = 'data', error_code = '100' WHERE order_ref = :ref",
                ref=order,
            )
        )
    file = str(agency.root / "tenants" / f"{code}.yaml")
    for words in (
        ("plan", code, "--out", str(agency.root / f"requests-{code}")), ("status", code), ("show", code, order), ("audit", code),
        ("diff", code, "--against", file), ("test", code, "--test-code", "TEST1"), ("replay", code), ("replay", code, "--yes"),
        ("send", code), ("show", code, shop.orders[3]["contact_email"]), ("show", code, shop.orders[3]["contact_phone"]),
    ):  # fmt: skip
        agency.cortex("conversions", *words, "-v")
        agency.cortex("conversions", *words, as_json=True)


def test_a_process_of_its_own_says_as_little(found: Founder) -> None:
    agency = found().onboarded()
    told = ""
    for words in (
        ("backfill", "--days", "8"),
        ("run", "daily", "--all", "-v"),
        ("run", "daily", "--all", "--log-format", "json", "-v"),
    ):
        child = agency.process(*words)
        out, err = child.communicate(timeout=120)
        assert child.returncode == 0, err
        told += out + err
    assert "step done" in told
    assert_nobody(agency, told)


def test_after_the_last_conversion_is_settled_no_byte_of_them_is_left(found: Founder) -> None:
    """SQLite keeps deleted rows in free pages unless told otherwise."""
    agency = found()
    agency.main_job()
    agency.forward(days=95)
    for code in agency.codes:
        agency.ok("run", "conversions", code)
        agency.ok("run", "conversions", code)
        assert agency.one(code, "SELECT COUNT(*) AS n FROM conversion_identifiers") == 0
    addresses = {order["client_details"]["browser_ip"] for shop in agency.market.shops for order in shop.orders} - {
        None
    }
    long = [address.encode() for address in addresses if len(address) > 12]
    assert len(long) > 50
    for name, content in contents(agency.root):
        assert not [address for address in long if address in content], name


POISONS: dict[str, Any] = {
    "a text where money is due": lambda order: {"total": order["contact_email"]},
    "a text where a list is due": lambda order: {"products": order["contact_name"]},
    "a mapping where a text is due": lambda order: {"contact_email": {order["contact_email"]: 1}},
    "an instant that is none": lambda order: {"paid_at": order["contact_phone"]},
    "a currency that is none": lambda order: {"currency": order["contact_name"]},
    "words that are none": lambda order: {"payment_status": order["contact_email"], "status": order["contact_name"]},
    "a reason typed by hand": lambda order: {"cancel_reason": f"{order['contact_email']} {order['contact_phone']}"},
    "a coupon named after its owner": lambda order: {"coupon": [{"code": order["contact_email"]}]},
    "notes": lambda order: {"note": order["contact_name"], "owner_note": order["contact_phone"], "extra": {"nome": order["contact_name"]}},
    "a link with the reader's address": lambda order: {
        "customer_visit": {
            "created_at": order["created_at"],
            "landing_page": f"https://loja.example/u/{order['contact_email']}?utm_source={order['contact_email']}&email={order['contact_email']}",
            "utm_parameters": {"utm_campaign": order["contact_email"]},
        }
    },
    "lists where mappings are due": lambda order: {
        "payment_details": [order["contact_email"]],
        "promotional_discount": [order["contact_name"]],
        "client_details": [order["contact_phone"]],
    },
}  # fmt: skip


@pytest.mark.parametrize("poison", POISONS)
def test_a_poisoned_record_tells_on_nobody(found: Founder, poison: str) -> None:
    market = agencies.market(own=True, orders=150)
    agency = found(market=market)
    shop = market.shops[0]
    agency.onboarded(shop.code)
    recent = [sale for sale in truth.sales(shop, NOW) if NOW - sale.created < timedelta(days=5) and sale.counts][:3]
    assert len(recent) == 3
    known = canaries(shop)
    for sale in recent:
        shop.amend(sale.id, NOW - timedelta(minutes=20), POISONS[poison](sale.wire))
    agency.edit(shop.code, r"\Z", "quality:\n  max_quarantined_pct: 100\n")
    agency.ok("run", "daily", shop.code, "-v", "--log-format", "json")
    agency.ok("run", "daily", shop.code, as_json=True)
    agency.ok("doctor", shop.code)
    agency.ok("report", shop.code)
    said = "\n".join(said.text for said in agency.said).encode()
    for name, content in [*contents(agency.root), *stored(agency, shop.code), ("what was said", said)]:
        assert known.found(content) == [], f"{poison}: buyers in {name}"


@pytest.mark.slow
def test_trouble_makes_nobody_talk(found: Founder) -> None:
    """Every request of the shop and of Meta goes wrong in one way, in each agency another; all wait at the same time."""
    kinds = ("500", "html", "truncate", "badjson", "reset_mid")
    words = ("run", "daily", "--only", "store.orders", "--only", "ads.meta", "-v", "--log-format", "json")
    running = []
    for kind in kinds:
        agency = found().onboarded()
        agency.running.faults.mix[kind] = 1.0
        running.append((agency, agency.process(*words, agency.first)))
    for agency, child in running:
        out, err = child.communicate(timeout=300)
        assert child.returncode == 1, err
        assert "step failed" in err
        agency.said.append(Said(child.returncode, out, err))
        assert_nobody_said(agency)


def test_a_refused_credential_is_not_repeated(found: Founder) -> None:
    agency = found()
    agency.onboarded()
    code = agency.first
    wrong = "EAAwrongwrongwrongwrongwrongwrongwrongwrong"
    agency.secret(code, "META_TOKEN", wrong)
    agency.secret(code, "NUVEMSHOP_TOKEN", wrong)
    for words in (
        ("run", "daily", code, "-v"),
        ("doctor", code),
        ("onboard", code),
        ("run", "daily", code, "--log-format", "json"),
    ):
        said = agency.cortex(*words)
        assert wrong not in said.text
    assert wrong not in agency.cortex("run", "daily", code, as_json=True).text
    for name, content in contents(agency.root):
        assert wrong.encode() not in content, name
    assert_nobody_said(agency)


def assert_nobody_said(agency: Agency) -> None:
    known, hidden = canaries(*agency.market.shops), secrets(*agency.market.shops)
    said = "\n".join(said.text for said in agency.said).encode()
    assert known.found(said) == []
    assert not [token for token in hidden if token in said]
    for name, content in contents(agency.root):
        assert known.found(content) == [], name
