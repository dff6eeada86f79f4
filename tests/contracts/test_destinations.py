"""What every destination promises, whichever platform it speaks to. A new one needs a folder of recorded replies.

`tests/recorded/destinations/<kind>/contract.json`: config, secrets, where events are posted, where the credential
travels, and the platform's replies: accepted, refused (nothing named), auth, throttled, broken, misconfigured. A reply
a platform never gives stands under `never` with the reason. `judged_at`: the path whose answer refuses, where that is
another one than the path that takes.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cortex import identity, plugins
from cortex.destinations import Destination, DestinationSection
from cortex.errors import CredentialError
from cortex.identity.rules import KINDS, PLATFORMS
from cortex.records import Clicks, Conversion, IdentifierField, Item, Person, Receipt
from cortex.secrets import Vault
from cortex.settings import Access
from tests.replay import Received, Replay

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
RECORDED = Path(__file__).parents[1] / "recorded" / "destinations"
KINDS_HERE = [kind for kind in plugins.kinds("destinations") if kind != "file"]
"""`file` speaks to nobody: what it promises is in tests/rooms/test_file_destination.py."""
REPLIES = ("accepted", "refused", "auth", "throttled", "broken", "misconfigured")
CANARIES = {
    "email": "Canario.Amarelo@example.com",
    "phone": "(11) 97531-8642",
    "first_name": "Quitéria",
    "last_name": "Canindé Xavantina",
    "document": "529.982.247-25",
    "city": "Pindamonhangaba",
    "postal_code": "12400-970",
}
IN_THE_CLEAR = [
    "canario", "example.com", "97531", "5511975318642", "quit", "canind", "xavantina", "529.982", "52998224725", "pindamon",
]  # fmt: skip
"""Pieces of the canaries, lower case: none of them may leave. Google takes the postcode and country plain."""


class Platform(Replay):
    """A platform that answers as recorded; it refuses every batch that holds an order id of `poison`."""

    def __init__(self, kind: str, poison: Sequence[str] = (), *, always: str = "", tenant: str = "xyz") -> None:
        self.recorded: dict[str, Any] = json.loads(_recording(kind))
        self.kind, self.poison, self.always, self.tenant = kind, set(poison), always, tenant
        self.send_path = self.recorded["send"]["path"]
        self.judged_at = self.recorded.get("judged_at", self.send_path)
        super().__init__(self.recorded["others"])

    def answer(self, request: Received) -> Any:
        if request.path == self.judged_at != self.send_path and self.poison & set(self.orders(request)):
            self.requests.append(request)
            return self.recorded["replies"]["refused"]
        if request.path != self.send_path:
            return self._filled(super().answer(request))
        self.requests.append(request)
        orders = self.orders(request)
        if self.always:
            return self._filled(self.recorded["replies"][self.always], len(orders))
        return self._filled(
            self.recorded["replies"]["refused" if self.poison & set(orders) else "accepted"], len(orders)
        )

    @property
    def sent(self) -> list[Received]:
        return [request for request in self.requests if request.path == self.send_path]

    def credential(self, request: Received) -> str:
        """What the request proves who it is with, from the one place the platform takes it from."""
        where = self.recorded["credential"]
        return request.headers[where["header"]] if "header" in where else request.query[where["query"]]

    @property
    def credential_wanted(self) -> str:
        wanted: str = self.recorded["credential"]["value"]
        return wanted.replace("{tenant}", self.tenant)

    def taken(self) -> list[str]:
        """Order ids in batches that were accepted, as often as they were."""
        return [
            order
            for request in self.sent
            if not self.poison & set(self.orders(request))
            for order in self.orders(request)
        ]

    def orders(self, request: Received) -> list[str]:
        found = []
        for event in json.loads(request.body)[self.recorded["events"]]:
            for key in self.recorded["order_id"]:
                event = event[key]  # noqa: PLW2901
            found.append(event)
        return found

    def _filled(self, response: Any, count: int = 0) -> Any:
        text = json.dumps(response).replace('"{count}"', str(count)).replace("{tenant}", self.tenant)
        return json.loads(text)

    def destination(self) -> Destination:
        secrets = {
            f"CORTEX_{self.tenant.upper()}_{name}": value.replace("{tenant}", self.tenant).replace("{base}", self.url)
            for name, value in self.recorded["secrets"].items()
        }
        return made(self.kind, {**self.recorded["config"], "api_url": self.url}, secrets, self.tenant)


def _recording(kind: str) -> str:
    file = RECORDED / kind / "contract.json"
    assert file.is_file(), f"destinations/{kind}.py has no recorded replies: add {file.relative_to(Path.cwd())}"
    return file.read_text(encoding="utf-8")


def answering(reply: str) -> list[str]:
    """The kinds whose platform gives such an answer at all."""
    return [kind for kind in KINDS_HERE if reply in json.loads(_recording(kind))["replies"]]


def made(kind: str, config: dict[str, Any], secrets: dict[str, str], tenant: str = "xyz") -> Destination:
    adapter = plugins.adapter("destinations", kind, Destination)
    access = Access(tenant, Vault(tenant, Path("absent"), secrets), ZoneInfo("America/Sao_Paulo"), clock=lambda: NOW)
    return adapter(adapter.Config(**config), access)


def buyer(number: int = 0) -> Person:
    return Person(store_id=str(7000 + number), country="Brasil", state="São Paulo", **CANARIES)


def sold(destination: Destination, number: int, **changed: Any) -> Conversion:
    """A purchase; where a platform hears of refunds alone, a refund of all of it, as old as the purchase would be."""
    facts: dict[str, Any] = {
        "key": hashlib.sha256(str(number).encode()).hexdigest(),
        "event_id": f"purchase-{1000 + number}",
        "order_id": str(1000 + number),
        "occurred_at": NOW - timedelta(hours=2, minutes=number % 60),
        "value": Decimal("199.90"),
        "currency": "BRL",
        "identifiers": identity.identify(buyer(number), destination.identifiers, "BR"),
        "clicks": Clicks(
            gclid="Cj0KCQiA-AbC",
            fbc="fb.1.1763600000000.IwAR0AbC",
            fbp="fb.1.1763600000000.123456789",
            ttclid="E.C.P.AbC-recorded",
            ga_client_id="1234567890.1763600000",
        ),
        "ip": "203.0.113.7",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
        "event_url": "https://loja.example/sucesso?order=1000",
        "items": [Item(product_id="55", quantity=2, unit_price=Decimal("99.95"))],
        "customer_type": "new",
    }
    facts |= changed
    if destination.refunds_only:
        facts |= {"action": "retract", "told": facts["value"], "value": Decimal(0)}
    return Conversion(**facts)


def batch(destination: Destination, size: int = 8) -> list[Conversion]:
    return [sold(destination, number) for number in range(size)]


@pytest.fixture(params=KINDS_HERE)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_there_are_destinations() -> None:
    assert {"meta_capi", "google_ec", "tiktok_events", "ga4_mp"} == set(KINDS_HERE)


def test_every_reply_is_recorded_or_said_never_to_come(kind: str) -> None:
    recorded = json.loads(_recording(kind))
    never = recorded.get("never", {})
    assert {*recorded["replies"], *never} == set(REPLIES)
    assert not recorded["replies"].keys() & never.keys()
    assert all(len(why) > 20 for why in never.values())


def test_the_client_file_may_say_of_each_what_a_sale_is_worth_and_how_long_it_is_held(kind: str) -> None:
    block = plugins.adapter("destinations", kind, Destination).Config
    assert issubclass(block, DestinationSection), "its Config is a PlatformSection: make it a DestinationSection"


def test_every_conversion_gets_one_receipt_in_the_order_of_the_batch(kind: str) -> None:
    with Platform(kind, poison=["1002"]) as platform:
        receipts = platform.destination().send(batch(platform.destination()))
    assert [receipt.state for receipt in receipts] == ["accepted"] * 2 + ["rejected"] + ["accepted"] * 5
    assert receipts[2].error_class == "data"
    assert receipts[2].error_code


@pytest.mark.parametrize("kind", plugins.kinds("destinations"))
def test_there_is_a_page_in_both_languages_that_names_its_errors(kind: str) -> None:
    docs, page = Path(__file__).parents[2] / "docs", plugins.adapter("destinations", kind, Destination).docs
    for text in (docs / "en" / page, docs / "pt-BR" / page.replace("platforms/", "plataformas/")):
        assert "CTX-" in text.read_text(encoding="utf-8")
        assert kind in text.read_text(encoding="utf-8")


def test_an_empty_batch_makes_no_call(kind: str) -> None:
    with Platform(kind) as platform:
        assert platform.destination().send([]) == []
        assert platform.sent == []


def test_a_refused_row_is_found_and_every_other_row_is_taken_exactly_once(kind: str) -> None:
    poison = ["1003", "1017", "1018"]
    with Platform(kind, poison) as platform:
        destination = platform.destination()
        rows = batch(destination, min(40, destination.batch))
        receipts = destination.send(rows)
        refused = [row.order_id for row, receipt in zip(rows, receipts, strict=True) if receipt.state == "rejected"]
        assert refused == poison
        assert sorted(platform.taken()) == sorted({row.order_id for row in rows} - set(poison))
        assert len(platform.sent) <= 2 * 3 * math.log2(40 / 3) + 2 * 3 + 1


def test_one_bad_row_of_a_full_batch_is_isolated_in_eleven_calls(kind: str) -> None:
    size = min(1000, plugins.adapter("destinations", kind, Destination).batch)
    bad = size * 7 // 10
    with Platform(kind, [str(1000 + bad)]) as platform:
        destination = platform.destination()
        receipts = destination.send(batch(destination, size))
        assert [receipt.state for receipt in receipts].count("accepted") == size - 1
        assert receipts[bad].state == "rejected"
        # 1 for the whole, log2(1000) halvings, and one more that delivers what was not looked at on the way.
        assert len(platform.sent) <= math.ceil(math.log2(1000)) + 2


def test_what_is_posted_is_what_a_dry_run_shows(kind: str) -> None:
    with Platform(kind) as platform:
        destination = platform.destination()
        rows = [*batch(destination, 5), sold(destination, 6, occurred_at=NOW - timedelta(days=400))]
        shown = destination.body(rows)
        destination.send(rows)
        assert [request.body for request in platform.sent] == [shown]
        assert platform.sent[0].headers["content-type"] == "application/json"


def test_the_bytes_are_the_same_in_every_process_and_for_every_order_of_keys(kind: str) -> None:
    with Platform(kind) as platform:
        destination = platform.destination()
        rows = batch(destination, 3)
        body = destination.body(rows)
        turned = [
            sold(destination, number, identifiers=dict(reversed(row.identifiers.items())))
            for number, row in enumerate(rows)
        ]
        assert destination.body(turned) == body
        program = (
            "import sys, hashlib; sys.path.insert(0, '.'); from tests.contracts.test_destinations import *;"
            f"destination = made({kind!r}, {platform.recorded['config']!r}, {{}});"
            "print(hashlib.sha256(destination.body(batch(destination, 3))).hexdigest())"
        )
        for seed in ("0", "4242"):
            run = subprocess.run(
                [sys.executable, "-c", program],
                env={**os.environ, "PYTHONHASHSEED": seed},
                cwd=Path(__file__).parents[2],
                capture_output=True,
                text=True,
                check=True,
            )
            assert run.stdout.strip() == hashlib.sha256(body).hexdigest()


def test_money_travels_as_it_is_written(kind: str) -> None:
    with Platform(kind) as platform:
        destination = platform.destination()
        assert destination.body([sold(destination, 1, value=Decimal("199.9"))]) == destination.body(
            [sold(destination, 1, value=Decimal("199.90"))]
        )
        assert b"199.90" in destination.body([sold(destination, 1, value=Decimal("199.9"))])
        assert b"100000.00" in destination.body([sold(destination, 1, value=Decimal("1E+5"))])


def test_nobody_is_told_in_the_clear(kind: str) -> None:
    with Platform(kind, poison=["1001"]) as platform:
        destination = platform.destination()
        rows = batch(destination, 4)
        receipts = destination.send(rows)
        said = [request.body.decode() for request in platform.sent] + [repr(receipts), repr(rows)]
        said += [json.dumps(request.headers) + request.path + json.dumps(request.query) for request in platform.sent]
        for text in said:
            for piece in IN_THE_CLEAR:
                assert piece not in text.lower()


def test_a_clear_identity_never_passes_the_last_door(kind: str) -> None:
    with Platform(kind) as platform:
        destination = platform.destination()
        takes = [field.key for field in destination.identifiers.fields]
        clear = {(takes or ["em"])[0]: ["canario.amarelo@example.com"]}
        rows = [sold(destination, 0), sold(destination, 1, identifiers=clear)]
        receipts = destination.send(rows)
        # A platform that takes no identifiers gets the row without them.
        assert [receipt.state for receipt in receipts] == ["accepted", "rejected" if takes else "accepted"]
        assert "canario" not in platform.sent[0].body.decode() + repr(receipts)


def test_identifiers_follow_rules_this_house_knows(kind: str) -> None:
    fields = plugins.adapter("destinations", kind, Destination).identifiers.fields
    if not fields:
        assert kind == "ga4_mp", "a platform that takes no identifiers matches by something else"
        return
    table = PLATFORMS[KINDS.get(kind, kind)]

    def essence(field: IdentifierField) -> tuple[str, str, bool]:
        return field.fact, field.rule, field.hashed

    known = {essence(field) for field in table.fields}
    for field in fields:
        assert field.rule in identity.RULES
        assert field.fact in Person.__struct_fields__
        assert essence(field) in known, f"{kind} writes {field.key} as no table of cortex.identity.rules does"


@pytest.mark.parametrize("kind", answering("auth"))
def test_a_dead_credential_stops_at_once(kind: str) -> None:
    with Platform(kind, always="auth") as platform:
        with pytest.raises(CredentialError) as refused:
            platform.destination().send(batch(platform.destination(), 16))
        assert len(platform.sent) == 1
        assert refused.value.fix
        for secret in platform.recorded["secrets"].values():
            assert secret.replace("{tenant}", "xyz") not in str(refused.value)


@pytest.mark.parametrize("kind", answering("throttled"))
def test_a_platform_that_asks_to_slow_down_is_left_alone(kind: str) -> None:
    with Platform(kind, always="throttled") as platform:
        receipts = platform.destination().send(batch(platform.destination(), 16))
        assert {(receipt.state, receipt.error_class, receipt.retry_after) for receipt in receipts} == {
            ("retry", "throttle", 120.0)
        }
        assert len(platform.sent) == 1


def test_a_lost_answer_is_unknown_and_not_asked_again(kind: str) -> None:
    with Platform(kind, always="broken") as platform:
        receipts = platform.destination().send(batch(platform.destination(), 4))
        assert {(receipt.state, receipt.error_class) for receipt in receipts} == {("unknown", "ambiguous")}
        assert len(platform.sent) == 1


def test_nothing_listening_means_nothing_was_sent(kind: str) -> None:
    with Platform(kind) as platform:
        here = platform.destination()
        rows = batch(here, 2)
        here.check()  # a token in hand, where the platform wants one
        elsewhere = here.config.model_copy(update={"api_url": "http://127.0.0.1:9"})
        receipts = type(here)(elsewhere, here.access).send(rows)
    assert {(receipt.state, receipt.error_class) for receipt in receipts} == {("retry", "transient")}


@pytest.mark.parametrize("kind", answering("misconfigured"))
def test_a_wrong_setup_blames_no_row(kind: str) -> None:
    with Platform(kind, always="misconfigured") as platform:
        receipts = platform.destination().send(batch(platform.destination(), 8))
        assert {(receipt.state, receipt.error_class) for receipt in receipts} == {("retry", "config")}
        assert len(platform.sent) == 1


def test_a_platform_that_refuses_everything_blames_no_row(kind: str) -> None:
    with Platform(kind, poison=[str(1000 + number) for number in range(32)]) as platform:
        destination = platform.destination()
        receipts = destination.send(batch(destination, min(32, destination.batch)))
        assert {(receipt.state, receipt.error_class) for receipt in receipts} == {("retry", "config")}
        assert len(platform.sent) < 64


def test_two_clients_with_the_same_order_speak_with_their_own_credentials(kind: str) -> None:
    for tenant in ("abc", "xyz"):
        with Platform(kind, tenant=tenant) as platform:
            destination = platform.destination()
            destination.send([sold(destination, 1)])
            assert [platform.credential(request) for request in platform.sent] == [platform.credential_wanted]
            assert tenant in platform.credential_wanted


def test_two_clients_at_once_share_nothing(kind: str) -> None:
    with Platform(kind, tenant="abc") as first, Platform(kind, tenant="xyz") as second:
        one, other = first.destination(), second.destination()
        one.send([sold(one, 1)])
        other.send([sold(other, 1)])
        one.send([sold(one, 2)])
        for platform in (first, second):
            assert {platform.credential(request) for request in platform.sent} == {platform.credential_wanted}


def test_credentials_travel_in_headers_or_in_the_one_parameter_the_platform_asks_for(kind: str) -> None:
    with Platform(kind) as platform:
        destination = platform.destination()
        destination.send([sold(destination, 1)])
        token = platform.credential(platform.sent[0]).removeprefix("Bearer ")
        asked = platform.recorded["credential"].get("query")
        for request in platform.sent:
            query = {name: value for name, value in request.query.items() if name != asked}
            assert token not in request.path + json.dumps(query) + request.body.decode()


def test_check_proves_the_credential_without_an_event(kind: str) -> None:
    with Platform(kind) as platform:
        account = platform.destination().check()
        assert {"id": account.id, "name": account.name} == platform.recorded["account"]
        for request in platform.sent:
            said = json.loads(request.body)
            assert said.get("validateOnly") is True or said[platform.recorded["events"]] == []


@pytest.mark.parametrize("kind", answering("auth"))
def test_check_names_a_dead_credential_and_a_wrong_account(kind: str) -> None:
    for reply in ("auth", "misconfigured"):
        with Platform(kind) as platform:
            platform.exchanges = [
                *[one for one in platform.exchanges if one["request"]["path"] == "/token"],
                {"request": {"path": "*"}, "response": platform.recorded["replies"][reply]},
            ]
            platform.always = reply
            with pytest.raises(Exception, match="CTX-4") as refused:
                platform.destination().check()
            assert isinstance(refused.value, CredentialError) == (reply == "auth")


def test_old_events_stay_here(kind: str) -> None:
    with Platform(kind) as platform:
        destination = platform.destination()
        rows = [sold(destination, 0), sold(destination, 1, occurred_at=NOW - timedelta(days=91))]
        receipts = destination.send(rows)
        assert [(receipt.state, receipt.error_class) for receipt in receipts] == [
            ("accepted", ""),
            ("rejected", "expired"),
        ]
        assert platform.taken() == ["1000"]


def test_events_of_the_future_wait(kind: str) -> None:
    with Platform(kind) as platform:
        destination = platform.destination()
        receipts = destination.send([sold(destination, 0, occurred_at=NOW + timedelta(minutes=5))])
        assert [receipt.state for receipt in receipts] == ["retry"]
        assert platform.sent == []


def test_a_buyer_nobody_could_match_is_told_apart_before_sending(kind: str) -> None:
    with Platform(kind) as platform:
        destination = platform.destination()
        bare = sold(destination, 0, identifiers={}, clicks=Clicks(), ip="")
        assert destination.missing(bare)
        assert not destination.missing(sold(destination, 0))
        assert [receipt.state for receipt in destination.send([bare])] == ["rejected"]
        assert platform.sent == []


def test_more_than_a_batch_is_a_mistake_of_ours(kind: str) -> None:
    with Platform(kind) as platform:
        destination = platform.destination()
        with pytest.raises(ValueError, match="in one request"):
            destination.send([sold(destination, 0)] * (destination.batch + 1))


def test_receipts_fit_the_ledger(kind: str) -> None:
    states = {"accepted", "duplicate", "rejected", "retry", "unknown"}
    classes = {"", "data", "config", "auth", "throttle", "transient", "ambiguous", "expired", "consent"}
    for reply in set(json.loads(_recording(kind))["replies"]) - {"auth"}:
        with Platform(kind, always=reply) as platform:
            receipts: list[Receipt] = platform.destination().send([sold(platform.destination(), 0)])
        assert {receipt.state for receipt in receipts} <= states
        assert {receipt.error_class for receipt in receipts} <= classes
        assert all(len(receipt.message) <= 255 and len(receipt.error_code) <= 64 for receipt in receipts)
