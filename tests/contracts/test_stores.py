"""What every store promises, whatever its platform. A file in `cortex/stores/` is found here by itself.

A store needs recorded replies in `tests/recorded/stores/<kind>/`: `case.json` (config, secrets, window, what is
expected, and every personal value of the invented people in it) and, for a store that speaks HTTP, `exchanges.json`
as `tests/replay.py` reads it. `{base}` and `{folder}` in the config are the replay server and the recording's folder.
"""

from __future__ import annotations

import json
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from pydantic import ValidationError

from cortex import plugins
from cortex.clock import Window, local_day
from cortex.errors import BadRecord, CortexError, CredentialError, PlatformError, Transient
from cortex.records import Account, History, Notice, Order, Product
from cortex.secrets import Vault
from cortex.settings import Access, PlatformSection, SecretName
from cortex.stores import Store
from tests.replay import Replay, Response, always, recording

RECORDED = Path(__file__).parents[1] / "recorded" / "stores"
KINDS = plugins.kinds("stores")
HEAVY = ("sqlalchemy", "pymysql", "facebook_business", "google", "grpc", "polars", "numpy", "scipy", "babel")
MONEY = ("subtotal", "discount", "shipping", "tax", "total", "paid")


@dataclass
class Case:
    """A store, its recording, and what it told beside its records."""

    kind: str
    folder: Path
    said: dict[str, Any]
    notices: list[Notice] = field(default_factory=list)
    quarantined: list[BadRecord] = field(default_factory=list)

    @property
    def store_class(self) -> type[Store]:
        return plugins.adapter("stores", self.kind, Store)

    @property
    def window(self) -> Window:
        return Window(*map(date.fromisoformat, self.said["window"]))

    @property
    def halves(self) -> tuple[Window, Window]:
        split = date.fromisoformat(self.said["split"])
        return Window(self.window.since, split), Window(split, self.window.until)

    @property
    def speaks_http(self) -> bool:
        return (self.folder / "exchanges.json").exists()

    def config(self, base: str = "", **other: Any) -> PlatformSection:
        written = json.dumps({**self.said["config"], **other})
        return self.store_class.Config.model_validate_json(
            written.replace("{base}", base).replace("{folder}", str(self.folder))
        )

    def store(self, base: str = "", **other: Any) -> Store:
        secrets = {f"CORTEX_TEST_{name}": value for name, value in self.said["secrets"].items()}
        now = datetime.fromisoformat(self.said["now"])
        access = Access(
            tenant="test",
            vault=Vault("test", self.folder, secrets),
            timezone=ZoneInfo(self.said["timezone"]),
            clock=lambda: now,
            notice=self.notices.append,
            quarantine=self.quarantined.append,
            sleep=lambda _seconds: None,
        )
        return self.store_class(self.config(base, **other), access)

    @contextmanager
    def served(self, *, first: Sequence[Response] = ()) -> Iterator[Store]:
        """The store in front of its recording; for files, just the store."""
        if not self.speaks_http:
            yield self.store()
            return
        with Replay(recording(self.folder), first=first) as server:
            yield self.store(server.url)
            assert not server.unmatched, [(one.path, one.query) for one in server.unmatched]


def _recorded(kind: str) -> Case:
    folder = RECORDED / kind
    if not (folder / "case.json").exists():
        pytest.fail(f"stores/{kind} has no recorded replies; add tests/recorded/stores/{kind}/case.json")
    return Case(kind, folder, json.loads((folder / "case.json").read_text(encoding="utf-8")))


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest) -> Case:
    return _recorded(request.param)


@pytest.fixture(params=[kind for kind in KINDS if (RECORDED / kind / "exchanges.json").exists()])
def http_case(request: pytest.FixtureRequest) -> Case:
    return _recorded(request.param)


def newest(orders: Sequence[Order]) -> dict[str, Order]:
    found: dict[str, Order] = {}
    for order in orders:
        if order.external_id not in found or order.updated_at >= found[order.external_id].updated_at:
            found[order.external_id] = order
    return found


def test_the_config_says_what_it_may_say_and_nothing_else(case: Case) -> None:
    assert case.store_class.Config is not PlatformSection
    with pytest.raises(ValidationError) as caught:
        case.config(api_key="canary-value")
    assert "canary-value" not in str(caught.value)


def test_credentials_are_declared_by_name(case: Case) -> None:
    declared = case.store_class.secrets
    assert all(isinstance(secret, SecretName) and secret.what for secret in declared)
    assert set(case.said["secrets"]) <= {name for secret in declared for name in secret.names}
    if declared:
        without = Case(case.kind, case.folder, {**case.said, "secrets": {}})
        with pytest.raises(CredentialError) as caught:
            without.store("http://127.0.0.1:9").check()
        assert declared[0].name in caught.value.message


def test_history_and_docs_are_told(case: Case) -> None:
    assert isinstance(case.store_class.history, History)
    for language, folder in (("en", "platforms"), ("pt-BR", "plataformas")):
        page = Path(__file__).parents[2] / "docs" / language / folder / f"{case.kind}.md"
        assert page.exists(), f"{case.kind} has no page {page.relative_to(Path(__file__).parents[2])}"


def test_check_tells_who_we_are(case: Case) -> None:
    with case.served() as store:
        account = store.check()
    assert isinstance(account, Account)
    assert account.id
    assert account.name


def test_orders_are_all_there_and_well_formed(case: Case) -> None:
    with case.served() as store:
        orders = list(store.orders(case.window))
    assert sorted(newest(orders)) == sorted(case.said["orders"])
    assert not case.quarantined
    for order in orders:
        _well_formed(order, case)


def _well_formed(order: Order, case: Case) -> None:
    assert order.platform == case.kind
    instants = [order.created_at, order.updated_at, order.paid_at, order.cancelled_at, order.delivered_at]
    instants += [payment.paid_at for payment in order.payments] + [touch.occurred_at for touch in order.touches]
    instants += [refund.created_at for refund in order.refunds] + [order.consent.at]
    assert all(at is None or at.tzinfo is UTC for at in instants)
    assert all(touch.occurred_at is not None or touch.day is not None for touch in order.touches)
    assert order.created_at <= order.updated_at
    amounts = [getattr(order, name) for name in MONEY]
    amounts += [getattr(line, name) for line in order.lines for name in ("unit_price", "full_unit_price", "total")]
    amounts += [payment.amount for payment in order.payments] + [refund.amount for refund in order.refunds]
    assert all(type(value) is Decimal and value == round(value, 2) and value >= 0 for value in amounts)
    assert len(order.currency) == 3
    numbers = [line.line for line in order.lines]
    assert len(set(numbers)) == len(numbers)
    assert all(line.total == line.quantity * line.unit_price - line.discount for line in order.lines)
    if order.lines:
        # The recordings hold no order that the platform itself added up wrongly.
        assert order.subtotal == sum(line.total for line in order.lines)
        assert order.total == order.subtotal - order.discount + order.shipping + order.tax
    assert (order.paid_at is not None) == (order.payment_status in {"paid", "partially_refunded", "refunded"})
    assert order.paid_at is not None or order.paid == 0
    assert order.refunded <= order.paid
    assert len({payment.sequence for payment in order.payments}) == len(order.payments)


def test_orders_belong_to_the_window(case: Case) -> None:
    """A second of overlap at the joints is allowed, because platforms do not say whether their ends are inclusive."""
    zone = ZoneInfo(case.said["timezone"])
    with case.served() as store:
        days = {local_day(order.updated_at, zone) for order in store.orders(case.window)}
    assert all(day in Window(case.window.since, case.window.until) for day in days)


def test_nothing_personal_is_in_what_is_kept_printed_or_said(case: Case) -> None:
    with case.served() as store:
        orders = list(store.orders(case.window))
    written = [order.payload.decode() for order in orders] + [repr(order) for order in orders]
    written += [repr(notice) for notice in case.notices] + [repr(bad) + str(bad) for bad in case.quarantined]
    for value in case.said["people"]:
        assert not [text for text in written if value in text], f"{value} is kept or printed"
    assert all(msgspec.json.decode(order.payload) for order in orders)
    # The people are in the recording and in memory, or this test would prove nothing.
    known = "".join(str(msgspec.structs.asdict(order.customer)) for order in orders)
    assert any(value in known for value in case.said["people"])


def test_reading_twice_gives_the_same(case: Case) -> None:
    with case.served() as store:
        assert list(store.orders(case.window)) == list(store.orders(case.window))
    with case.served() as again, case.served() as other:
        assert list(again.orders(case.window)) == list(other.orders(case.window))


def test_two_halves_make_the_whole(case: Case) -> None:
    with case.served() as store:
        whole = newest(list(store.orders(case.window)))
        first, second = (newest(list(store.orders(half))) for half in case.halves)
    assert first
    assert second
    assert newest([*first.values(), *second.values()]) == whole


def test_a_broken_record_is_set_aside_and_the_rest_arrives(case: Case) -> None:
    broken = case.said["broken"]
    if case.speaks_http:
        with Replay(recording(case.folder, broken["exchanges"])) as server:
            orders = list(case.store(server.url).orders(case.window))
            assert not server.unmatched, [(one.path, one.query) for one in server.unmatched]
    else:
        orders = list(case.store(**broken["config"]).orders(case.window))
    assert sorted(newest(orders)) == sorted(broken["orders"])
    assert {bad.key for bad in case.quarantined} == set(broken["quarantined"])
    for bad in case.quarantined:
        assert bad.stream == "store.orders"
        assert bad.reason
        assert not any(value in f"{bad!r}{bad}" for value in case.said["people"])


def test_products_where_the_platform_offers_them(case: Case) -> None:
    with case.served() as store:
        read = getattr(store, "products", None)
        assert (read is not None) == ("products" in case.said)
        if read is None:
            return
        products: list[Product] = list(read())
    assert sorted({product.product_id for product in products}) == sorted(case.said["products"])
    assert all(product.platform == case.kind and product.name and product.price >= 0 for product in products)


def test_a_refused_token_is_a_credential_error(http_case: Case) -> None:
    with Replay(always(status=401, json={"code": 401, "message": "Unauthorized"})) as server:
        store = http_case.store(server.url)
        for attempt in (store.check, lambda: list(store.orders(http_case.window))):
            asked = len(server.requests)
            with pytest.raises(CredentialError) as caught:
                attempt()
            assert caught.value.fix
            assert len(server.requests) == asked + 1, "a refused credential is not tried again"


def test_a_request_carries_the_token_in_a_header_alone(http_case: Case) -> None:
    with Replay(recording(http_case.folder)) as server:
        list(http_case.store(server.url).orders(http_case.window))
    [token] = http_case.said["secrets"].values()
    for request in server.requests:
        assert token not in request.path + str(request.query)
        assert any(token in value for value in request.headers.values())


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_passes_is_waited_out(http_case: Case, status: int) -> None:
    passing = [{"status": status, "headers": {"Retry-After": "1"}, "json": {}}] * 2
    with http_case.served(first=passing) as store:
        assert sorted(newest(list(store.orders(http_case.window)))) == sorted(http_case.said["orders"])


@pytest.mark.parametrize("status", [500, 503])
def test_a_storm_is_transient(http_case: Case, status: int) -> None:
    with Replay(always(status=status, json={})) as server, pytest.raises(Transient):
        list(http_case.store(server.url).orders(http_case.window))


@pytest.mark.parametrize("status", [400, 402, 403, 404, 422])
def test_a_final_answer_is_not_repeated_and_not_taken_for_an_empty_shop(http_case: Case, status: int) -> None:
    with Replay(always(status=status, json={"code": status, "message": "No"})) as server:
        with pytest.raises(CortexError) as caught:
            list(http_case.store(server.url).orders(http_case.window))
        assert isinstance(caught.value, PlatformError | CredentialError) or caught.value.exit_code == 3
        assert len(server.requests) <= 2


def test_no_error_tells_a_secret_or_a_person(http_case: Case) -> None:
    [token] = http_case.said["secrets"].values()
    whole = (http_case.folder / "exchanges.json").read_text(encoding="utf-8")
    answers: list[dict[str, Any]] = [{"status": 422, "text": whole}, {"status": 200, "text": whole[:-3]}]
    for answer in answers:
        with Replay(always(**answer)) as server, pytest.raises(CortexError) as caught:
            list(http_case.store(server.url).orders(http_case.window))
        told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
        assert token not in told
        assert not any(value in told for value in http_case.said["people"])


def test_importing_a_store_loads_nothing_heavy(case: Case) -> None:
    script = (
        f"import sys, cortex.stores.{case.kind}\n"
        f"print([name for name in {HEAVY!r} if any(m == name or m.startswith(name + '.') for m in sys.modules)])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
