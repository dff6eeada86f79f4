"""Nuvemshop: lists read whole while they move, the 404s and caps of its API, and its orders in our words."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cortex.clock import Window
from cortex.errors import BadRecord, ConfigError, CortexError, CredentialError, PlatformError, Throttled, Transient
from cortex.http import Bucket, Client
from cortex.records import Clicks, Consent, Notice, Order
from cortex.sandbox import Faults, serve
from cortex.sandbox.nuvemshop import Bucket as PlatformBucket
from cortex.sandbox.plans import ShopPlan
from cortex.sandbox.world import build
from cortex.secrets import Vault
from cortex.settings import Access
from cortex.stores import _nuvemshop_order as mapping
from cortex.stores import _nuvemshop_wire as wire
from cortex.stores._oddities import Oddities
from cortex.stores.nuvemshop import Nuvemshop, _base_url, _follow, _judge
from tests.faulty import RESET, FaultyServer, Step, reply
from tests.replay import Replay, always
from tests.shop import Shop, order, stamp

T = TypeVar("T")
SAO_PAULO = ZoneInfo("America/Sao_Paulo")
RECORDED = Path(__file__).parents[1] / "recorded" / "stores" / "nuvemshop" / "orders"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
MARCH = Window(date(2026, 3, 1), date(2026, 3, 9))


def nuvemshop(url: str, told: list[Any] | None = None, now: datetime = NOON, zone: ZoneInfo = SAO_PAULO) -> Nuvemshop:
    """The store in front of `url`; notices and quarantined records end in `told`."""
    say = (told if told is not None else []).append
    vault = Vault("test", Path(__file__).parent, {"CORTEX_TEST_NUVEMSHOP_TOKEN": "token-of-nobody"})
    access = Access("test", vault, zone, lambda: now, say, say, sleep=lambda _seconds: None)
    return Nuvemshop(Nuvemshop.Config(store_id="1", api_url=url), access)


def read(shop: Shop, window: Window = MARCH, told: list[Any] | None = None, now: datetime = NOON) -> list[str]:
    """Ids in the order they came."""
    with FaultyServer(shop) as server:
        return [one.external_id for one in nuvemshop(server.url, told, now).orders(window)]


def spread(count: int, *, window: Window = MARCH, seed: int = 1) -> list[dict[str, Any]]:
    """Orders changed at random seconds of the window, created up to thirty days before."""
    dice = random.Random(seed)
    since, until = window.bounds(SAO_PAULO)
    seconds = int((until - since).total_seconds())
    found = []
    for number in range(1, count + 1):
        updated = since + timedelta(seconds=dice.randrange(seconds))
        found.append(order(number, updated - timedelta(seconds=dice.randrange(30 * 86400)), updated))
    return found


# Lists ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 1050])
def test_every_order_of_the_window_comes_once(count: int) -> None:
    shop = Shop(spread(count))
    assert sorted(map(int, read(shop))) == list(range(1, count + 1))


def test_orders_outside_the_window_stay_away() -> None:
    inside, outside = spread(5), spread(5, window=Window(date(2026, 2, 1), date(2026, 2, 9)))
    for one in outside:
        one["id"] += 100
    assert sorted(map(int, read(Shop(inside + outside)))) == [1, 2, 3, 4, 5]


def test_a_boleto_of_february_paid_in_march_is_seen_in_march() -> None:
    late = order(7, datetime(2026, 2, 2, 15, tzinfo=UTC), datetime(2026, 3, 3, 9, tzinfo=UTC))
    assert read(Shop([late])) == ["7"]


@pytest.mark.parametrize("inclusive", [True, False])
def test_no_order_is_lost_at_the_joints_of_spans(inclusive: bool) -> None:
    """12,000 orders, three of them in every second: every cut goes through a crowded second."""
    since, _ = MARCH.bounds(SAO_PAULO)
    orders = [order(n, since + timedelta(seconds=n // 3)) for n in range(1, 12_001)]
    shop = Shop(orders, inclusive=inclusive)
    assert {int(one) for one in read(shop)} == set(range(1, 12_001))
    assert len(shop.asked) < 1.6 * 12_000 / 200, "all of a week in 67 minutes costs some cuts, not many"


def test_a_total_above_the_span_is_cut_without_reaching_the_cap() -> None:
    shop = Shop(spread(6_000))
    assert {int(one) for one in read(shop)} == set(range(1, 6_001))
    assert len(shop.asked) < 1.15 * 30 + 6


@pytest.mark.parametrize("seed", range(15))
def test_orders_that_change_while_they_are_read_hide_no_other(seed: int) -> None:
    """Before each request some orders of the window get a newer updated_at and leave it (F7)."""
    dice = random.Random(seed)
    shop = Shop(spread(1_300, seed=seed))
    moved: set[int] = set()

    def live(_request: int) -> None:
        for one in dice.sample(shop.orders, dice.randrange(40)):
            one["updated_at"] = stamp(NOON)
            moved.add(one["id"])

    shop.before = live
    seen = {int(one) for one in read(shop)}
    assert moved, "nothing changed: the test proves nothing"
    assert set(range(1, 1_301)) - moved <= seen


@pytest.mark.parametrize("seed", range(8))
def test_orders_that_come_in_while_it_is_read_hide_no_other(seed: int) -> None:
    """A clock ahead of the platform's leaves the upper end open: orders enter above what is being read (F9)."""
    dice = random.Random(seed)
    today = Window(date(2026, 3, 10), date(2026, 3, 11))
    start, _ = today.bounds(SAO_PAULO)
    shop = Shop([order(n, start + timedelta(seconds=20 * n)) for n in range(1, 1_001)])

    def live(request: int) -> None:
        if request < 60:
            shop.orders.extend(
                order(5_000 + 10 * request + i, NOON + timedelta(seconds=request)) for i in range(dice.randrange(4))
            )

    shop.before = live
    seen = {int(one) for one in read(shop, today, now=NOON + timedelta(minutes=10))}
    assert set(range(1, 1_001)) <= seen


@pytest.mark.parametrize("seed", range(8))
def test_orders_that_come_and_go_at_once_hide_no_other(seed: int) -> None:
    """With a clock ahead, one comes in for each that leaves: the total stands still and everything moves down."""
    dice = random.Random(seed)
    today = Window(date(2026, 3, 10), date(2026, 3, 11))
    shop = Shop([order(n, NOON - timedelta(minutes=4, seconds=n % 200)) for n in range(1, 1_001)])
    moved: set[int] = set()

    def live(request: int) -> None:
        if request < 60:
            some = dice.sample(shop.orders[:1_000], 3)
            for one in some:
                one["updated_at"] = stamp(NOON + timedelta(minutes=20))
                moved.add(one["id"])
            shop.orders.extend(order(5_000 + 10 * request + i, NOON + timedelta(seconds=request)) for i in range(2))

    shop.before = live
    seen = {int(one) for one in read(shop, today, now=NOON + timedelta(minutes=10))}
    assert set(range(1, 1_001)) - moved <= seen


def test_the_upper_end_is_never_in_the_future() -> None:
    shop = Shop(spread(3))
    read(shop, Window(date(2026, 3, 1), date(2026, 4, 1)))
    assert max(query["updated_at_max"] for _, query in shop.asked) == "2026-03-10T12:00:00+00:00"


def test_a_window_that_has_not_begun_asks_nothing() -> None:
    shop = Shop(spread(3))
    assert read(shop, Window(date(2026, 4, 1), date(2026, 4, 2))) == []
    assert not shop.asked


@pytest.mark.parametrize("hides", [(), ("refunded", "voided", "abandoned"), ("voided",)])
def test_refunded_and_voided_orders_come_whether_or_not_any_shows_them(hides: tuple[str, ...]) -> None:
    orders = spread(8)
    for one, state in zip(orders, ("refunded", "voided", "abandoned", "refunded"), strict=False):
        one["payment_status"] = state
    shop = Shop(orders, hides=hides)
    assert set(map(int, read(shop))) == set(range(1, 9))
    assert len(shop.asked) == 1 + len(hides), "states that `any` has shown are not asked for again"


def _or_error(work: Callable[[], T]) -> T | CortexError:
    try:
        return work()
    except CortexError as failure:
        return failure


LIST_FAULTS: dict[str, Callable[[bytes, bytes], list[Step]]] = {
    "429": lambda _right, _page: [reply(429, b"{}", X_Rate_Limit_Reset="1500")],
    "503": lambda _right, _page: [reply(503, b"oops")],
    "reset": lambda right, _page: [right[: len(right) // 2], RESET],
    "cut": lambda _right, page: [reply(200, page[:-7], X_Total_Count="900")],
    "web page": lambda _right, _page: [reply(200, b"<html>", Content_Type="text/html")],
    "empty": lambda _right, _page: [reply(200, b"[]", X_Total_Count="900")],
    "short": lambda _right, page: [reply(200, json.dumps(json.loads(page)[:-1]).encode(), X_Total_Count="900")],
    "no total": lambda _right, page: [reply(200, page)],
    "duplicate": lambda right, _page: [right],
}


@pytest.mark.parametrize("seed", range(20))
def test_a_seeded_mix_of_faults_is_exact_or_a_named_error(seed: int) -> None:
    dice = random.Random(seed)
    previous: list[bytes] = []

    def fault(_path: str, _query: dict[str, str], right: bytes) -> list[Step] | None:
        page = right.split(b"\r\n\r\n", 1)[1]
        repeated = previous[-1] if previous and b"200 Said" in previous[-1][:20] else right
        previous.append(right)
        if b"200 Said" not in right[:20] or dice.random() > 0.12:
            return None
        name = dice.choice(list(LIST_FAULTS))
        return LIST_FAULTS[name](repeated if name == "duplicate" else right, page)

    shop = Shop(spread(900, seed=seed), fault=fault)
    told: list[Any] = []
    seen = _or_error(lambda: [int(one) for one in read(shop, told=told)])
    if isinstance(seen, CortexError):
        assert seen.code in {"CTX-4408", "CTX-4409"}
    else:
        assert sorted(set(seen)) == list(range(1, 901))
    assert not told


@pytest.mark.parametrize("fault", ["duplicate", "empty", "short", "no total", "web page", "cut"])
def test_a_fault_that_stays_is_a_named_error_and_no_order_comes(fault: str) -> None:
    """A page that is always wrong: never half a list that looks whole."""

    def always_wrong(_path: str, query: dict[str, str], right: bytes) -> list[Step] | None:
        if query.get("page") != "2":
            firsts.append(right)
            return None
        return LIST_FAULTS[fault](firsts[-1], right.split(b"\r\n\r\n", 1)[1])

    firsts: list[bytes] = []
    created = datetime(2026, 3, 5, tzinfo=UTC)
    shop = Shop([order(n, created) for n in range(1, 901)], fault=always_wrong)
    seen: list[Order] = []
    with FaultyServer(shop) as server, pytest.raises(Transient):
        seen.extend(nuvemshop(server.url).orders(MARCH))
    assert not seen


def test_a_page_that_repeats_records_of_another_is_not_taken() -> None:
    """As long as it should be and beginning with a new record: only the total gives it away."""

    def overlapping(_path: str, query: dict[str, str], right: bytes) -> list[Step] | None:
        page = json.loads(right.split(b"\r\n\r\n", 1)[1])
        if query.get("page") == "1" or len(page) < 200:
            firsts.append(page)
            return None
        return [reply(200, json.dumps(page[:100] + firsts[-1][:100]).encode(), X_Total_Count="1000")]

    firsts: list[list[Any]] = []
    created = datetime(2026, 3, 5, tzinfo=UTC)
    shop = Shop([order(n, created) for n in range(1, 1_001)], fault=overlapping)
    with FaultyServer(shop) as server, pytest.raises(Transient) as caught:
        list(nuvemshop(server.url).orders(MARCH))
    assert caught.value.code == "CTX-4409"


@pytest.mark.parametrize("fault", ["short", "empty"])
def test_a_page_cut_short_once_costs_one_request(fault: str) -> None:
    struck: list[int] = []

    def once(_path: str, query: dict[str, str], right: bytes) -> list[Step] | None:
        if query.get("page") != "3" or struck:
            return None
        struck.append(1)
        return LIST_FAULTS[fault](right, right.split(b"\r\n\r\n", 1)[1])

    shop = Shop(spread(900), fault=once)
    assert len(read(shop)) == 900
    assert len(shop.asked) == 5 + 1 + 3


# What the platform answers -------------------------------------------------------------------------------------------


def test_an_empty_shop_is_no_error() -> None:
    assert read(Shop([])) == []


def test_a_404_that_does_not_say_empty_is_checked_with_the_shop_itself() -> None:
    other = [reply(404, b'{"code":404,"message":"Not Found","description":"Error finding result"}')]
    shop = Shop([], fault=lambda path, _query, _right: None if path.endswith("/store") else other)
    assert read(shop) == []
    assert any(path.endswith("/store") for path, _ in shop.asked)
    with Replay(always(status=404, json={"code": 404, "message": "Not Found"})) as server, pytest.raises(ConfigError):
        list(nuvemshop(server.url).orders(MARCH))


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (401, CredentialError, "CTX-4401"),
        (403, CredentialError, "CTX-4402"),
        (402, PlatformError, "CTX-4403"),
        (404, ConfigError, "CTX-4404"),
        (400, PlatformError, "CTX-4405"),
        (422, PlatformError, "CTX-4405"),
        (429, Throttled, "CTX-4406"),
        (500, Transient, "CTX-4011"),
        (504, Transient, "CTX-4011"),
    ],
)
def test_each_refusal_is_told_apart(status: int, kind: type[CortexError], code: str) -> None:
    with Replay(always(status=status, json={"code": status})) as server, pytest.raises(kind) as caught:
        nuvemshop(server.url).check()
    assert type(caught.value) is kind
    assert caught.value.code == code


def test_a_throttled_shop_waits_until_the_bucket_is_empty() -> None:
    waits: list[float] = []
    vault = Vault("test", Path(__file__).parent, {"CORTEX_TEST_NUVEMSHOP_TOKEN": "token-of-nobody"})
    answers = iter([[reply(429, b"{}", X_Rate_Limit_Reset="20000")]])
    shop = Shop(spread(3), fault=lambda _path, _query, _right: next(answers, None))
    with FaultyServer(shop) as server:
        access = Access("test", vault, SAO_PAULO, lambda: NOON, sleep=waits.append)
        store = Nuvemshop(Nuvemshop.Config(store_id="1", api_url=server.url), access)
        assert len(list(store.orders(MARCH))) == 3
    assert waits == [20.0]


def test_the_pace_follows_the_platforms_headers() -> None:
    bucket = Bucket(per_second=2.0, burst=40.0)
    _follow(bucket, {"X-Rate-Limit-Limit": "400", "X-Rate-Limit-Remaining": "300", "X-Rate-Limit-Reset": "5000"})
    assert (bucket.burst, bucket.per_second) == (397.0, 20.0)
    assert bucket.wait(0.0) == 0.0
    _follow(bucket, {"X-Rate-Limit-Limit": "40", "X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": "20000"})
    assert bucket.wait(0.0) == pytest.approx(30.5, abs=31)
    before = (bucket.burst, bucket.per_second)
    _follow(bucket, {"X-Rate-Limit-Limit": "many"})
    assert (bucket.burst, bucket.per_second) == before


@pytest.mark.parametrize(("others", "scale"), [(0.0, 1.0), (0.8, 1.0), (0.0, 10.0)])
def test_the_platforms_pace_is_used_up_and_not_overrun(others: float, scale: float) -> None:
    """F5: 300 requests against the real bucket, alone, beside an app that takes 0.8 requests a second, on a big plan."""
    now = [0.0]
    size, leak = 40 * scale, 2.0 * scale
    platform = PlatformBucket(size, leak, lambda: now[0])
    refused, stolen = 0, 0.0

    def answer(_path: str, _query: dict[str, str]) -> list[Step]:
        nonlocal refused, stolen
        while stolen + 1 <= others * now[0]:
            stolen += 1
            platform.pour()
        fits, headers = platform.pour()
        refused += not fits
        named = {name.replace("-", "_"): value for name, value in headers.items()}
        return [reply(200 if fits else 429, b"[]", **named)]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    count = int(300 * scale)
    bucket = Bucket(per_second=2.0, burst=37.0)
    with (
        FaultyServer(answer) as server,
        Client(
            "Nuvemshop",
            server.url,
            bucket=bucket,
            observe=lambda headers: _follow(bucket, headers),
            error=lambda status, headers, body: _judge("1", status, headers, body),
            sleep=sleep,
            monotonic=lambda: now[0],
        ) as client,
    ):
        for _ in range(count):
            client.get("/orders")
    floor = (count - size) / (leak - others)
    assert refused <= 0.02 * count
    assert now[0] <= 1.1 * floor + 1


def test_the_request_is_what_the_documentation_asks_for() -> None:
    recording = always(status=404, json={"code": 404, "message": "Not Found", "description": "Last page is 0"})
    with Replay(recording) as server:
        store = nuvemshop(server.url)
        list(store.orders(Window(date(2018, 11, 4), date(2018, 11, 5))))
    request = server.requests[0]
    assert request.path == "/2025-03/1/orders"
    assert request.headers["authentication"] == "bearer token-of-nobody"
    assert "authorization" not in request.headers
    assert request.headers["user-agent"].startswith("Cortex/")
    assert request.query["status"] == "any"
    assert request.query["per_page"] == "200"
    assert "note" not in request.query["fields"].split(",")
    assert "billing_address" not in request.query["fields"].split(",")
    # 4 November 2018 began at 01:00 in São Paulo (UTC-2 from then on) and was 23 hours long.
    assert request.query["updated_at_min"] == "2018-11-04T02:59:59+00:00"
    assert request.query["updated_at_max"] == "2018-11-05T02:00:00+00:00"


def test_a_sale_at_half_past_eleven_at_night_lands_on_its_own_day() -> None:
    late = order(1, datetime(2026, 3, 5, 2, 30, tzinfo=UTC))
    assert read(Shop([late]), Window(date(2026, 3, 4), date(2026, 3, 5))) == ["1"]
    assert read(Shop([late]), Window(date(2026, 3, 5), date(2026, 3, 6))) == []


@pytest.mark.parametrize("shift", [-600, 600])
def test_a_clock_ten_minutes_off_loses_no_order_over_two_runs(shift: int) -> None:
    today = Window(date(2026, 3, 10), date(2026, 3, 11))
    shop = Shop([order(n, NOON - timedelta(minutes=n)) for n in range(30)])
    first = read(shop, today, now=NOON + timedelta(seconds=shift))
    second = read(shop, today, now=NOON + timedelta(hours=1, seconds=shift))
    assert set(map(int, first + second)) == set(range(30))


@pytest.mark.parametrize(
    ("api_url", "root"),
    [
        ("https://api.nuvemshop.com.br", "https://api.nuvemshop.com.br/2025-03/123"),
        ("https://api.nuvemshop.com.br/", "https://api.nuvemshop.com.br/2025-03/123"),
        ("https://api.tiendanube.com/v1", "https://api.tiendanube.com/v1/123"),
        ("https://api.tiendanube.com/2025-03", "https://api.tiendanube.com/2025-03/123"),
        ("https://api.tiendanube.com/2025-03/123", "https://api.tiendanube.com/2025-03/123"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/2025-03/123"),
    ],
)
def test_the_address_may_hold_a_version(api_url: str, root: str) -> None:
    assert _base_url(api_url, "123") == root


def test_a_shop_number_may_be_written_without_quotes() -> None:
    assert Nuvemshop.Config.model_validate({"store_id": 123456}).store_id == "123456"
    for wrong in ("loja", "12 34", "", "../1", True, 1.5, None):
        with pytest.raises(ValueError, match="store_id"):
            Nuvemshop.Config.model_validate({"store_id": wrong})


def test_check_says_when_buyers_are_invisible() -> None:
    shop = Shop([order(1, NOON)])
    seen = [{"id": 1}]
    shop.fault = lambda path, _query, _right: (
        None if path.endswith("/store") else [reply(200, json.dumps(seen).encode(), X_Total_Count="1")]
    )
    with FaultyServer(shop) as server:
        assert "read_customers" in nuvemshop(server.url).check().note
        seen[0] = {"id": 1, "customer": {"id": 5}}
        account = nuvemshop(server.url).check()
    assert (account.id, account.name, account.currency, account.note) == ("1", "Loja", "BRL", "")


# Orders in our words -------------------------------------------------------------------------------------------------


def recorded(number: int, **changes: Any) -> dict[str, Any]:
    told = json.loads((RECORDED / f"{number}.json").read_text(encoding="utf-8"))
    return {**told, **changes}


def mapped(told: dict[str, Any], notices: list[Notice] | None = None) -> Order:
    """One order as JSON, through the page decoder, in our words. Raises BadRecord."""
    [one] = wire.Page(wire.Order, "store.orders")(json.dumps([told]).encode())  # type: ignore[misc]
    if isinstance(one, BadRecord):
        raise one
    oddities = Oddities("Nuvemshop")
    found = mapping.order(one, SAO_PAULO, oddities)
    if notices is not None:
        notices += oddities.notices()
    return found


def test_an_order_with_everything() -> None:
    notices: list[Notice] = []
    found = mapped(recorded(1001), notices)
    assert (found.external_id, found.number, found.status, found.payment_status) == ("1001", "501", "open", "paid")
    assert found.created_at == datetime(2026, 3, 1, 14, 20, tzinfo=UTC)
    assert found.paid_at == datetime(2026, 3, 1, 14, 22, 31, tzinfo=UTC)
    money = (found.subtotal, found.discount, found.shipping, found.total, found.paid)
    assert money == tuple(map(Decimal, ("259.80", "25.98", "19.90", "253.72", "253.72")))
    shirt, mug = found.lines
    assert (shirt.line, shirt.product_id, shirt.variant_id, shirt.sku) == (1, "41001", "51001", "CAM-M")
    assert (shirt.quantity, shirt.unit_price, shirt.full_unit_price) == (2, Decimal("64.95"), Decimal("79.90"))
    assert (shirt.total, shirt.unit_cost) == (Decimal("129.90"), Decimal("21.30"))
    assert (mug.variant_id, mug.unit_cost, mug.total) == ("51002", None, Decimal("129.90"))
    [payment] = found.payments
    assert (payment.method, payment.installments, payment.amount) == ("pix", 1, Decimal("253.72"))
    assert found.coupon == "BEMVINDO10"
    assert (found.city, found.state, found.postal_prefix, found.country) == ("São Paulo", "SP", "01310", "BR")
    assert found.event_url == "https://loja-ficticia.example.com/"
    assert found.consent == Consent(
        state="granted", source="ctx_consent", version="2026-01", at=datetime(2026, 3, 1, 14, 11, tzinfo=UTC)
    )
    assert (found.marketplace, found.refunds, found.test, notices) == ("", [], False, [])


def test_how_and_when_an_order_was_sent() -> None:
    sent = {"shipped_at": "2026-03-03T12:00:00+0000", "closed_at": "2026-03-09T12:00:00+0000", "next_action": "close"}
    found = mapped(recorded(1001, **sent))
    assert (found.shipping_mode, found.shipping_cost, found.status_detail) == ("PAC", Decimal("22.40"), "close")
    assert (found.shipped_at, found.closed_at) == (
        datetime(2026, 3, 3, 12, tzinfo=UTC),
        datetime(2026, 3, 9, 12, tzinfo=UTC),
    )
    silent = mapped(
        recorded(1001, shipping_option=None, shipping_cost_owner="", shipping_carrier_name=None, next_action=None)
    )
    assert (silent.shipping_mode, silent.shipping_cost, silent.status_detail) == ("ship", None, "")


def test_the_buyer_in_memory() -> None:
    buyer = mapped(recorded(1001)).customer
    assert (buyer.first_name, buyer.last_name) == ("Ana Paula", "de Souza Lima")
    assert (buyer.store_id, buyer.email, buyer.document) == ("880100", "ana.souza@example.com", "12345678909")
    assert (buyer.ip, buyer.postal_code, buyer.state) == ("203.0.113.41", "01310100", "SP")
    assert repr(buyer) == "Person(••••)"


def test_visits_of_an_order() -> None:
    """First touch from the kit; the last, told by kit and shop, once, with the shop's clock and the kit's tags."""
    found = mapped(recorded(1001))
    first, last = found.touches
    assert (first.origin, first.source, first.medium, first.campaign) == (
        "kit",
        "instagram",
        "paid_social",
        "lancamento",
    )
    assert first.clicks == Clicks(fbclid="IwAR0_AbCdEf")
    assert first.landing_page == "/colecoes/verao"
    assert (last.origin, last.source, last.medium, last.term) == ("order", "google", "cpc", "camiseta")
    assert last.occurred_at == datetime(2026, 3, 1, 14, 10, 5, tzinfo=UTC)
    assert last.landing_page == "/produtos/camiseta"
    assert found.clicks == Clicks(gclid="Cj0KCQiA_AbC-dEf123", fbp="fb.1.1772300000000.1234567890")


def test_a_boleto_paid_ten_days_later() -> None:
    found = mapped(recorded(1002))
    assert (found.paid_at, found.payments[0].method) == (datetime(2026, 3, 2, 12, 4, 10, tzinfo=UTC), "boleto")
    [touch] = found.touches
    assert (touch.source, touch.clicks, touch.landing_page) == ("", Clicks(), "/")
    assert found.consent.state == "unknown"


def test_a_refund_has_an_id_and_a_day_of_its_own() -> None:
    found = mapped(recorded(1003))
    assert (found.status, found.payment_status, found.paid) == ("cancelled", "refunded", Decimal("279.70"))
    [refund] = found.refunds
    assert (refund.refund_id, refund.amount, refund.reason) == ("1003-refund", Decimal("279.70"), "customer")
    assert refund.created_at == datetime(2026, 3, 3, 15, 0, tzinfo=UTC)
    later = mapped(recorded(1003, updated_at="2026-03-09T10:00:00+0000"))
    assert later.refunds == found.refunds
    uncancelled = mapped(recorded(1003, status="open", cancelled_at=None, cancel_reason=None))
    assert uncancelled.refunds[0].created_at == uncancelled.updated_at
    assert uncancelled.refunds[0].refund_id == "1003-refund"


def test_money_that_came_and_was_voided_is_a_refund_and_money_that_never_came_is_not() -> None:
    never = mapped(recorded(1005))
    assert (never.payment_status, never.paid, never.paid_at, never.refunds) == ("voided", 0, None, [])
    came = mapped(recorded(1005, paid_at="2026-03-04T10:31:00+0000", total_paid="84.85"))
    assert (came.payment_status, came.paid, came.refunded) == ("refunded", Decimal("84.85"), Decimal("84.85"))


def test_money_without_a_date_is_booked_when_the_order_was_placed() -> None:
    found = mapped(recorded(1002, paid_at=None))
    assert found.paid_at == found.created_at


def test_an_order_imported_from_a_marketplace_says_so() -> None:
    found = mapped(recorded(1004))
    assert (found.marketplace, found.number, found.touches, found.event_url) == ("mercadolivre", "504", [], "")


def test_denied_consent_and_a_bare_facebook_click() -> None:
    found = mapped(recorded(1005))
    assert (found.consent.state, found.consent.version) == ("denied", "2026-01")
    seen = int(datetime(2026, 3, 4, 10, 12, tzinfo=UTC).timestamp() * 1000)
    assert found.clicks.fbc == f"fb.1.{seen}.IwAR9_ZzYyXx"
    assert mapped(recorded(1005, extra={"ctx_fbc": "fb.1.5.abc"})).clicks.fbc == "fb.1.5.abc"


def test_an_order_drafted_by_the_shop() -> None:
    """No account, no shipping address, discounts told in parts: gateway 12.99 and promotion 25.99."""
    notices: list[Notice] = []
    found = mapped(recorded(1006), notices)
    assert (found.payment_status, found.paid, found.discount) == ("pending", 0, Decimal("38.98"))
    assert (found.customer.store_id, found.customer.first_name) == ("", "Dona")
    assert (found.city, found.state, found.payments[0].method) == ("Salvador", "BA", "other")
    assert notices == []


def test_sums_that_do_not_add_up_are_counted_with_their_money() -> None:
    notices: list[Notice] = []
    found = mapped(recorded(1002, total="135.00", total_paid="135.00", subtotal="120.00"), notices)
    assert (found.total, found.discount) == (Decimal("135.00"), 0)
    assert {(notice.code, notice.count, notice.value) for notice in notices} == {
        ("sums_differ", 1, Decimal("9.90")),
        ("sums_differ", 1, Decimal("15.00")),
    }


def test_words_nobody_documented_are_told_once_and_stop_nothing() -> None:
    told: list[Any] = []
    orders = spread(5)
    for one in orders:
        one.update(payment_status="chargeback", status="archived")
        one["payment_details"]["method"] = "maria@example.com"
    shop = Shop(orders)
    assert len(read(shop, told=told)) == 5
    assert sorted(notice.message for notice in told) == [
        "Nuvemshop's payment method (not a word) is not known.",
        "Nuvemshop's payment_status chargeback is not known.",
        "Nuvemshop's status archived is not known.",
    ]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"total": "NaN"}, "total: an amount is not finite"),
        ({"total": "1e15"}, "total: an amount is not finite or too large"),
        ({"total": "R$ 9"}, "total: an amount is not a number"),
        ({"subtotal": "-1.00"}, "subtotal is negative"),
        ({"currency": None}, "currency"),
        ({"currency": "R$"}, "currency"),
        ({"created_at": None}, "created_at is missing"),
        ({"updated_at": "yesterday"}, "updated_at is not an instant"),
        ({"updated_at": "2026-03-01T10:00:00"}, "updated_at has no offset"),
        ({"paid_at": "0001-01-01T00:00:00+0000"}, "paid_at is not of our time"),
        ({"products": [{"product_id": 1, "price": "x", "quantity": 1}]}, "price: an amount is not a number"),
        ({"products": [{"product_id": 1, "price": "1", "quantity": "1.5"}]}, "quantity"),
        ({"products": [{"product_id": 1, "price": "1", "quantity": "9e99"}]}, "quantity"),
        ({"products": "none"}, "another shape"),
        ({"id": None}, "no id"),
    ],
)
def test_a_record_that_cannot_be_trusted_says_why_without_its_value(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadRecord) as caught:
        mapped(recorded(1001, **changes))
    assert reason in caught.value.reason
    assert caught.value.key == ("1001" if "id" not in changes else "")


@pytest.mark.parametrize(
    ("text", "amount"),
    [("1.005", "1.00"), ("1e3", "1000.00"), (9.99, "9.99"), (12, "12.00"), ("0", "0.00"), (None, "0.00"), ("", "0.00")],
)
def test_amounts_in_every_writing(text: Any, amount: str) -> None:
    assert mapped(recorded(1005, shipping_cost_customer=text)).shipping == Decimal(amount)


def test_one_broken_record_in_a_page_leaves_the_others() -> None:
    orders = spread(250)
    orders[7]["products"] = {"not": "a list"}
    orders[9]["total"] = "dez"
    told: list[Any] = []
    seen = read(Shop(orders), told=told)
    assert len(seen) == 248
    assert sorted(bad.key for bad in told) == ["10", "8"]


def test_a_broken_emoji_in_one_order_does_not_make_the_shop_unreadable() -> None:
    body = json.dumps([recorded(1001), {**recorded(1002), "contact_name": "Jo\ud83dão"}]).encode()
    first, second = wire.Page(wire.Order, "store.orders")(body)  # type: ignore[misc]
    assert isinstance(first, wire.Order)
    assert isinstance(second, wire.Order)
    assert second.contact_name == "Jo?ão"


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.just([]),
    st.just({}),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@given(st.sampled_from([1001, 1003, 1006]), st.data())
def test_whatever_a_field_turns_into_it_is_an_order_or_a_bad_record(number: int, data: st.DataObject) -> None:
    """F17: a missing field, another type, null for a list: never another exception, never a person in the reason."""
    told = copy.deepcopy(recorded(number))
    inner = data.draw(
        st.sampled_from(["", "customer", "shipping_address", "payment_details", "customer_visit", "extra"])
    )
    holder = told.get(inner) if inner else told
    if not isinstance(holder, dict):
        holder = told
    name = data.draw(st.sampled_from(sorted(holder)))
    if data.draw(st.booleans()):
        del holder[name]
    else:
        holder[name] = data.draw(ODD)
    found = _or_error(lambda: mapped(told))
    if isinstance(found, CortexError):
        assert isinstance(found, BadRecord)
        assert "souza" not in found.reason.lower()
        return
    assert found.total >= 0
    assert b"example.com" not in found.payload.replace(b"loja-ficticia.example.com", b"")


@given(st.lists(st.tuples(st.integers(0, 500_000), st.integers(1, 30)), min_size=1, max_size=6), st.integers(0, 10_000))
def test_cents_survive(lines: list[tuple[int, int]], shipping: int) -> None:
    def text(cents: int) -> str:
        return f"{cents // 100}.{cents % 100:02d}"

    subtotal = sum(price * quantity for price, quantity in lines)
    products = [{"product_id": i, "price": text(price), "quantity": str(n)} for i, (price, n) in enumerate(lines)]
    found = mapped(
        recorded(
            1002,
            products=products,
            subtotal=text(subtotal),
            shipping_cost_customer=text(shipping),
            total=text(subtotal + shipping),
            total_paid=text(subtotal + shipping),
        )
    )
    assert sum(line.total for line in found.lines) == found.subtotal == Decimal(subtotal) / 100
    assert found.total == found.paid == Decimal(subtotal + shipping) / 100


@given(st.integers(2016, 2030), st.sampled_from(["America/Sao_Paulo", "America/Santiago", "America/Manaus", "UTC"]))
def test_windows_of_a_year_meet_without_gap_or_overlap(year: int, zone: str) -> None:
    """F10: whatever the zone's daylight saving, the instants asked for are the year's, each once."""
    days = [Window(date(year, 1, 1) + timedelta(days=i), date(year, 1, 2) + timedelta(days=i)) for i in range(364)]
    bounds = [day.bounds(ZoneInfo(zone)) for day in days]
    assert all(before[1] == after[0] for before, after in pairwise(bounds))
    assert all(since < until for since, until in bounds)


def test_the_catalogue() -> None:
    listed = [
        {
            "id": 41001,
            "name": {"pt": "Camiseta", "es": "Remera"},
            "brand": "Marca",
            "categories": [
                {"id": 12, "name": {"pt": "Camisetas"}, "parent": 9},
                {"id": 9, "name": {"pt": "Roupas"}, "parent": None},
                {"id": 13, "name": {"pt": "Promoções"}, "parent": None},
            ],
            "attributes": [{"pt": "Cor"}, {"pt": "Tamanho"}],
            "variants": [
                {
                    "id": 1,
                    "sku": "A",
                    "price": "79.90",
                    "promotional_price": "64.95",
                    "cost": "20",
                    "stock": 7,
                    "weight": "0.300",
                    "values": [{"pt": "Azul"}, {"pt": "M"}],
                },
                {
                    "id": 2,
                    "sku": "B",
                    "price": "59.90",
                    "promotional_price": None,
                    "cost": None,
                    "stock": "3",
                    "weight": None,
                    "values": [{"pt": "Azul"}, {"pt": "G"}],
                },
            ],
            "created_at": "2025-05-02T01:00:00+0000",
            "updated_at": "2026-02-01T10:00:00+0000",
        },
        {"id": 41002, "name": "Caneca", "variants": [{"id": 3, "price": "9.90", "stock": None, "weight": "leve"}]},
        {"id": 41003, "name": {"pt": ""}, "variants": [{"id": 4, "price": "nove"}]},
    ]
    told: list[Any] = []
    page = reply(200, json.dumps(listed).encode(), X_Total_Count="3")
    shop = Shop([], fault=lambda _path, query, _right: [page] if query.get("created_at_min", "3") < "2011" else None)
    with FaultyServer(shop) as server:
        shirt, mug = nuvemshop(server.url, told).products()
    assert (shirt.name, shirt.category, shirt.brand, shirt.stock) == ("Camiseta", "Roupas", "Marca", 10)
    assert (shirt.price, shirt.compare_at_price, shirt.cost, shirt.variant_id) == (
        Decimal("59.90"),
        Decimal("59.90"),
        Decimal("20.00"),
        "",
    )
    assert (shirt.category_level_2, shirt.category_level_3) == ("Camisetas", "")
    assert (shirt.color, shirt.size, shirt.gender, shirt.weight_kg) == ("Azul", "M, G", "", Decimal("0.300"))
    assert shirt.launched == date(2025, 5, 1), "the client's day, not Greenwich's"
    assert (mug.variant_id, mug.stock, mug.cost, mug.category, mug.updated_at) == ("3", None, None, "", None)
    assert (mug.size, mug.weight_kg, mug.launched) == ("", None, None)
    assert [(bad.stream, bad.key) for bad in told] == [("store.products", "41003")]


def test_a_whole_invented_shop_arrives_through_faults() -> None:
    """The sandbox's Nuvemshop was written apart from this store, from the same documentation, and is stricter."""
    plan = ShopPlan("lojinha", "Lojinha", orders=1_200)
    market = build(now=NOON, days=60, shops=[plan])
    [shop] = market.shops
    placed = {str(one["id"]) for one in shop.orders if datetime.fromisoformat(one["created_at"]) <= NOON}
    mix = {"429": 0.03, "500": 0.03, "reset_mid": 0.03, "truncate": 0.03, "badjson": 0.03, "html": 0.03}
    faults = Faults(7, {**mix, "dup_page": 0.03, "empty_page": 0.03})
    told: list[Any] = []
    vault = Vault("test", Path(__file__).parent, {"CORTEX_TEST_NUVEMSHOP_TOKEN": shop.store_token})
    access = Access("test", vault, SAO_PAULO, lambda: NOON, told.append, told.append, sleep=lambda _seconds: None)
    with serve(market, google=False, rate_scale=1_000, faults=faults) as sandbox:
        store = Nuvemshop(Nuvemshop.Config(store_id=shop.store_id, api_url=sandbox.http_url), access)
        assert store.check().name == "Lojinha"
        orders = list(store.orders(Window(date(2025, 12, 1), date(2026, 3, 11))))
    assert {found.external_id for found in orders} == placed
    assert len(placed) > 1_000
    assert not told
    assert all(found.total == found.subtotal - found.discount + found.shipping for found in orders)
    assert {found.payment_status for found in orders} >= {"paid", "refunded", "voided", "abandoned"}
    assert all(found.refunded == found.paid for found in orders if found.payment_status == "refunded")
