"""Whatever happens on the way, each platform ends with every sale it is owed, once, at its value, and no sale of a refund.

A schedule is the life of three orders at two platforms under one random seed: runs that die anywhere, answers that
are lost after the platform took the events, 429 and 5xx, refused batches, refunds in parts and twice told, and people
who replay. The steps and the ledger are the real ones, on SQLite; the platforms are stand-ins as strict as the facts.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import msgspec
import pytest

from cortex import conversions as rules
from cortex.clock import Window
from cortex.destinations import Destination, DestinationSection
from cortex.errors import CredentialError, Transient
from cortex.records import Account, Conversion, IdentifierRules, Receipt, SendWindow
from cortex.run import Run
from cortex.steps import adjust, queue, replay, send
from cortex.warehouse import Warehouse, provision, tables
from tests.rooms.warehouse_rows import order

START = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
OPT_IN = rules.Privacy(consent=rules.ConsentPolicy(mode="opt_in"))


class Died(BaseException):
    """The process is gone: nothing after this line was done."""


@dataclass
class World:
    """Time, and how the network is today."""

    dice: random.Random
    now: datetime = START
    chaos: bool = True
    said: Counter[str] = field(default_factory=Counter)

    def mood(self, *moods: str) -> str:
        mood = self.dice.choice(moods) if self.chaos and self.dice.random() < 0.6 else "fine"
        self.said[mood] += 1
        return mood


MOODS = ("die before", "die after", "lost answer", "never arrived", "500", "429", "auth", "cut off", "misconfigured")


class StandIn(Destination):
    """A platform: takes batches whole or not at all, and now and then nobody hears what it did."""

    identifiers: ClassVar[IdentifierRules] = IdentifierRules(fields=())
    batch: ClassVar[int] = 2
    click_ids: ClassVar[tuple[str, ...]] = ("gclid", "fbc")

    def __init__(self, world: World, poisoned: set[str]) -> None:
        self.config = DestinationSection()
        self.world = world
        self.poisoned = poisoned
        """Orders the platform refuses, batch and all, until somebody mends them."""

    def check(self) -> Account:
        return Account(id="1")

    def body(self, batch: Sequence[Conversion]) -> bytes:
        if self.world.mood("die between", "fine", "fine", "fine") == "die between":
            raise Died
        return msgspec.json.encode(batch)

    def send(self, batch: Sequence[Conversion]) -> list[Receipt]:
        """As the adapters: bad rows apart, then one call."""
        assert 0 < len(batch) <= self.batch
        assert len({one.order_id for one in batch}) == len(batch), "one order twice in one request"
        bad = [one.order_id in self.poisoned for one in batch]
        answer = self.call([one for one, refused in zip(batch, bad, strict=True) if not refused])
        refusal = Receipt(state="rejected", error_class="data", error_code="bad")
        return [refusal if refused else answer for refused in bad]

    def call(self, batch: Sequence[Conversion]) -> Receipt:
        mood = self.world.mood(*MOODS)
        if mood == "die before":
            raise Died
        if mood == "auth":
            raise CredentialError("CTX-4101", "refused")
        if mood == "never arrived":
            raise Transient("CTX-4010", "no connection")
        if mood == "500":
            return Receipt(state="retry", error_class="transient", error_code="500")
        if mood == "429":
            return Receipt(state="retry", error_class="throttle", error_code="429", retry_after=1800)
        if mood == "misconfigured":
            return Receipt(state="retry", error_class="config", error_code="33")
        if mood == "cut off" and self.world.dice.random() < 0.5:
            raise Transient("CTX-4011", "reset before the answer", sent=True)
        request = self.take(batch)
        if mood == "cut off":
            raise Transient("CTX-4011", "reset before the answer", sent=True)
        if mood == "die after":
            raise Died
        if mood == "lost answer":
            return Receipt(state="unknown", error_class="ambiguous", error_code="timeout")
        return request

    def take(self, batch: Sequence[Conversion]) -> Receipt:
        raise NotImplementedError


class MetaLike(StandIn):
    """Seven days, no refunds; keeps the first of two events with one id for 48 hours and counts the next."""

    window: ClassVar[SendWindow] = SendWindow(click=7 * 24 * HOUR, identifiers=7 * 24 * HOUR)
    dedup: ClassVar[timedelta | None] = 48 * HOUR

    def __init__(self, world: World, poisoned: set[str]) -> None:
        super().__init__(world, poisoned)
        self.counted: list[tuple[str, Decimal]] = []
        self.seen: dict[str, datetime] = {}

    def take(self, batch: Sequence[Conversion]) -> Receipt:
        now = self.world.now
        for one in batch:
            assert one.action == "purchase", "Meta was told of a refund"
            assert now - one.occurred_at <= self.window.click, "the whole batch would be refused"
            assert one.value > 0
        for one in batch:
            if one.event_id not in self.seen or now - self.seen[one.event_id] > 48 * HOUR:
                self.seen[one.event_id] = now
                self.counted.append((one.order_id, one.value))
        return Receipt(state="accepted", request_id=f"trace-{len(self.counted)}")

    def has(self, order_id: str) -> bool:
        return any(counted == order_id for counted, _ in self.counted)


class GoogleLike(StandIn):
    """Makes a conversion of any transaction id it does not know, replaces the value of one it does, and says so later.

    What it says is true of a request as a whole: that some of it is to be sent again, never which.
    """

    window: ClassVar[SendWindow] = SendWindow(click=90 * 24 * HOUR, identifiers=63 * 24 * HOUR)
    dedup: ClassVar[timedelta | None] = None
    restates: ClassVar[bool] = True

    def __init__(self, world: World, poisoned: set[str]) -> None:
        super().__init__(world, poisoned)
        self.held: dict[str, Decimal] = {}
        self.history: defaultdict[str, list[Decimal]] = defaultdict(list)
        self.requests: dict[str, int] = {}

    def take(self, batch: Sequence[Conversion]) -> Receipt:
        request = f"request-{len(self.requests)}"
        self.requests[request] = 0
        skipped = self.world.mood("skips", "fine") == "skips"
        for one in batch:
            if one.action != "purchase":
                assert one.order_id in self.held, "a refund of a sale Google does not have made one"
                assert one.told in self.history[one.order_id], "the value told last is none that was told"
            else:
                assert one.value > 0
            if skipped and one.action == "purchase" and self.world.dice.random() < 0.5:
                continue  # dropped later, for a reason that passes
            self.held[one.order_id] = one.value
            self.history[one.order_id].append(one.value)
        if skipped:
            self.requests[request] = -1
        return Receipt(state="accepted", request_id=request, processing=True)

    def settle(self, request_id: str) -> list[tuple[str, Receipt]]:
        polls = self.requests[request_id]
        if polls < 0:
            return [("*", Receipt(state="retry", error_class="transient", error_code="TOO_RECENT_CLICK"))]
        self.requests[request_id] = polls + 1
        return [("*", Receipt(state="accepted", request_id=request_id, processing=polls < 1))]

    def has(self, order_id: str) -> bool:
        return order_id in self.held


class Alone(Run):
    """A run whose platforms are the stand-ins."""

    standing: dict[str, Destination]

    def adapter(self, room: str, kind: str, of: Any, config: Any) -> Any:
        return self.standing[kind]


@dataclass
class Somebody:
    """A client as the steps see one."""

    code: str = "xyz"
    currency: str = "BRL"
    privacy: Any = OPT_IN
    destinations: Any = None
    timezone: Any = UTC


@dataclass
class Life:
    """One schedule: orders, platforms, a ledger, and everything that befalls them."""

    warehouse: Warehouse
    seed: int
    code: str = "xyz"

    def __post_init__(self) -> None:
        self.world = World(random.Random(self.seed))
        self.poisoned: set[str] = set()
        self.meta, self.google = MetaLike(self.world, self.poisoned), GoogleLike(self.world, self.poisoned)
        self.runs = 0
        self.orders: dict[str, dict[str, Any]] = {}
        for number in range(3):
            name = f"{self.seed}-{number}"
            cents = self.world.dice.randrange(100, 50_000)
            self.orders[name] = order(
                name, paid=Decimal(cents) / 100, created_at=START - number * HOUR, updated_at=START, gclid="Cj0KCQiA-AbCdE",
                fbc="fb.1.1763600000000.AbC", consent_state="granted", consent_version="1", shipping=Decimal(0),
            )  # fmt: skip
            if self.world.dice.random() < 0.1:
                self.poisoned.add(name)
        self.store()

    def store(self) -> None:
        self.warehouse.atomically(lambda tx: tx.upsert(tables.fct_orders, list(self.orders.values())))

    def refund(self) -> None:
        """Part or all of an order, and now and then an edit that takes a refund back."""
        one = self.world.dice.choice(list(self.orders.values()))
        if self.world.dice.random() < 0.15:
            one["refunded"] = Decimal(0)
        else:
            share = self.world.dice.choice([Decimal("0.3"), Decimal("0.5"), Decimal(1), Decimal("1.2")])
            one["refunded"] = round(one["refunded"] + share * one["paid"], 2)
        one["updated_at"] = self.world.now
        self.store()

    def run(self) -> None:
        """One run of the pipeline, which may end anywhere."""
        self.runs += 1
        kinds = {"meta_capi": self.meta, "google_ec": self.google}
        one = Alone(
            tenant=Somebody(self.code, destinations={kind: standing.config for kind, standing in kinds.items()}),  # type: ignore[arg-type]
            window=Window(date(2026, 11, 1), date(2026, 12, 1)), workspace=None, warehouse=self.warehouse,  # type: ignore[arg-type]
            vault=None, clock=lambda: self.world.now, run_id=f"r{self.runs}",  # type: ignore[arg-type]
        )  # fmt: skip
        one.standing = dict(kinds)
        self.last = one
        steps: list[Callable[[Run], object]] = [queue.queue, adjust.adjust]
        steps += [lambda run, kind=kind: send.deliver(run, kind) for kind in kinds]  # type: ignore[misc]
        for step in steps:
            with suppress(CredentialError, Transient):
                step(one)

    def person(self) -> None:
        """Mends what was refused, and says of each delivery in doubt what the platform shows."""
        if self.poisoned and self.world.dice.random() < 0.5:
            self.poisoned.clear()
        found = replay.candidates(self.last, replay.Wanted())
        for row in found.rows:
            standing = self.meta if row["destination"] == "meta_capi" else self.google
            if row["state"] == "unknown" and row["next_attempt_at"] is not None:
                continue  # the ledger still sees to it
            if row["state"] == "unknown" and standing.has(row["order_ref"]) and row["action"] == "purchase":
                replay.decide(self.last, [row], "delivered")
            elif row["order_ref"] not in self.poisoned:
                replay.decide(self.last, [row], "again")

    def live(self) -> None:
        dice = self.world.dice
        for _ in range(7):
            self.world.now += dice.choice([timedelta(minutes=5), HOUR, 5 * HOUR])
            with suppress(Died):
                self.run()
            if dice.random() < 0.35:
                self.refund()
            if dice.random() < 0.2:
                self.person()
        self.world.chaos = False
        for _ in range(9):
            self.world.now += 9 * HOUR
            self.poisoned.clear()
            self.run()
            self.person()

    def ledger(self, destination: str) -> list[dict[str, Any]]:
        return self.warehouse.rows(
            "SELECT * FROM conversion_outbox WHERE destination = :destination ORDER BY order_ref, revision", destination=destination
        )  # fmt: skip

    def judge(self) -> None:
        wrong = Decimal(0)
        assert len({name for name, _ in self.meta.counted}) == len(self.meta.counted), "counted twice"
        told = dict(self.meta.counted)
        for name, one in self.orders.items():
            left = max(Decimal(0), one["paid"] - one["refunded"])
            assert self.google.held.get(name, Decimal(0)) == left, f"{name} at Google, seed {self.seed}"
            if left:
                assert name in told, f"{name} was lost to Meta, seed {self.seed}"
            wrong += told.get(name, left) - left
        rows = self.ledger("meta_capi")
        purchases = {row["order_ref"]: row for row in rows if row["action"] == "purchase"}
        for name, value in told.items():
            assert purchases[name]["state"] == "accepted"
            assert purchases[name]["value"] == value, "the ledger does not say what was told"
        held = [row for row in rows if row["reason"] == "not_supported"]
        assert {row["action"] for row in rows if row not in held} <= {"purchase", "restate", "retract"}
        assert sum((told[row["order_ref"]] - row["value"] for row in held), Decimal(0)) == wrong
        assert not [
            row for row in self.ledger("google_ec") if row["state"] in {"planned", "claimed", "sent", "unknown"}
        ]


@pytest.fixture(scope="module")
def ledger() -> Iterator[Warehouse]:
    """One empty client for all schedules, in memory where the machine keeps files there."""
    shared = Path("/dev/shm")  # only to be fast; any folder would do
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        provision.apply("sqlite", "xyz", Path(folder))
        with Warehouse.open("sqlite", "xyz", Path(folder)) as opened:
            yield opened


def schedules(warehouse: Warehouse, seeds: Sequence[int]) -> Counter[str]:
    said: Counter[str] = Counter()
    for seed in seeds:
        for table in (tables.conversion_outbox, tables.fct_orders):
            warehouse.atomically(lambda tx, table=table: tx.delete(table, {}))  # type: ignore[misc]
        life = Life(warehouse, seed)
        life.live()
        life.judge()
        said += life.world.said
    return said


def test_no_schedule_loses_a_sale_counts_one_twice_or_makes_one_of_a_refund(ledger: Warehouse) -> None:
    said = schedules(ledger, range(60))
    assert set(MOODS) <= set(said), "every trouble was met"


@pytest.mark.slow
def test_two_thousand_schedules(ledger: Warehouse) -> None:
    assert schedules(ledger, range(1000, 3000)).total() > 10_000


def test_two_clients_of_one_process_with_the_same_orders_share_nothing(tmp_path: Path) -> None:
    """Same order ids, same keys, same moment: each client's ledger, platform and credential know of its own alone."""
    lives = {}
    with ExitStack() as stack:
        for code in ("abc", "xyz"):
            provision.apply("sqlite", code, tmp_path)
            warehouse = stack.enter_context(Warehouse.open("sqlite", code, tmp_path))
            lives[code] = life = Life(warehouse, 7)
            life.code, life.world.chaos = code, False
            life.poisoned.clear()
        for life in [*lives.values(), *lives.values()]:  # turn by turn
            life.run()
        one, other = lives["abc"], lives["xyz"]
        next(iter(one.orders.values()))["refunded"] = Decimal(1)
        one.store()
        for life in [life for life in lives.values() for _ in range(4)]:  # until Google has settled, twice
            life.world.now += HOUR
            life.run()
        rows = {code: life.ledger("google_ec") + life.ledger("meta_capi") for code, life in lives.items()}
        assert {row["order_ref"] for row in rows["abc"]} == {row["order_ref"] for row in rows["xyz"]}
        assert not {row["outbox_key"] for row in rows["abc"]} & {row["outbox_key"] for row in rows["xyz"]}
        assert {row["action"] for row in rows["xyz"]} == {"purchase"}
        assert {row["action"] for row in rows["abc"]} > {"purchase"}
        assert one.google.held != other.google.held
        assert sorted(one.meta.counted) == sorted(other.meta.counted)


def test_two_clients_of_one_process_have_their_own_tokens_and_sessions(tmp_path: Path) -> None:
    from cortex.destinations.google_ec import GoogleEc
    from cortex.destinations.meta_capi import MetaCapi
    from cortex.secrets import Vault
    from cortex.settings import Access

    given = {f"CORTEX_{code.upper()}_META_CAPI_TOKEN": f"token-of-{code}-0123456789" for code in ("abc", "xyz")}
    made = {}
    for code in ("abc", "xyz"):
        access = Access(tenant=code, vault=Vault(code, tmp_path, given), timezone=ZoneInfo("America/Sao_Paulo"))
        meta = MetaCapi(MetaCapi.Config(pixel_id="12345678", api_url="http://127.0.0.1:9"), access)
        google = GoogleEc(GoogleEc.Config(conversion_action_id="12345", customer_id="1234567890"), access)
        made[code] = (meta, google, meta._client())
    (meta_a, google_a, client_a), (meta_b, google_b, client_b) = made["abc"], made["xyz"]
    assert meta_a.access.secret(MetaCapi.secrets[0]).reveal() == "token-of-abc-0123456789"
    assert meta_b.access.secret(MetaCapi.secrets[0]).reveal() == "token-of-xyz-0123456789"
    assert client_a is not client_b
    google_a._credentials = object()
    assert google_b._credentials is None
    for client in (client_a, client_b):
        client.__exit__(None, None, None)
