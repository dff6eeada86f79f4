"""The Nuvemshop stand-in: each documented rule is enforced, and what is not documented is refused."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cortex.sandbox.market import Market, Shop
from cortex.sandbox.nuvemshop import NuvemshopStandIn
from cortex.sandbox.nuvemshop_query import Refused, instant, read_query
from cortex.sandbox.orders import Orders
from cortex.sandbox.wire import Headers, Request, Response, standing
from cortex.sandbox.world import ShopPlan, build

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
FAST = (1e9, 1e9)


@pytest.fixture(scope="module")
def market() -> Market:
    return build(now=NOW, days=40, shops=[ShopPlan("aurora", orders=500), ShopPlan("bravo", orders=60)])


@pytest.fixture(scope="module")
def shop(market: Market) -> Shop:
    return market.shops[0]


@pytest.fixture
def api(market: Market) -> NuvemshopStandIn:
    return NuvemshopStandIn(market, standing(NOW), rate=FAST)


def headers(shop: Shop) -> dict[str, str]:
    return {"Authentication": f"bearer {shop.store_token}", "User-Agent": "Cortex (dev@example.com)", "Host": "here:1"}


def get(api: NuvemshopStandIn, shop: Shop, target: str, **changed: str) -> Response:
    return api.handle(Request.of("GET", f"/2025-03/{shop.store_id}/{target}", {**headers(shop), **changed}))


def every(api: NuvemshopStandIn, shop: Shop, target: str) -> list[dict[str, Any]]:
    """Everything a query gives, by following its Link headers."""
    found: list[dict[str, Any]] = []
    answer = get(api, shop, target)
    while answer.status == 200:
        found += answer.json()
        link = re.search(r'<([^>]+)>; rel="next"', answer.headers.get("Link", ""))
        if not link:
            return found
        answer = api.handle(Request.of("GET", link[1], headers(shop)))
    assert "Last page is 0" in answer.body.decode()
    return found


def whole(api: NuvemshopStandIn, shop: Shop, target: str) -> list[dict[str, Any]]:
    """The same for orders, with those that `payment_status=any` does not show."""
    more = "&" if "?" in target else "?"
    states = ("any", "refunded", "voided", "abandoned")
    return [order for state in states for order in every(api, shop, f"{target}{more}payment_status={state}")]


# --- who may ask -----------------------------------------------------------------------------------------------------


def test_a_request_without_user_agent_is_400(api: NuvemshopStandIn, shop: Shop) -> None:
    assert get(api, shop, "store", **{"User-Agent": ""}).status == 400


def test_only_the_authentication_header_counts(api: NuvemshopStandIn, shop: Shop) -> None:
    usual = {"User-Agent": "x", "Authorization": f"Bearer {shop.store_token}"}
    refused = api.handle(Request.of("GET", f"/2025-03/{shop.store_id}/store", usual))
    assert refused.status == 401
    assert refused.json()["code"] == 401
    assert get(api, shop, "store", Authentication=shop.store_token).status == 401
    assert get(api, shop, "store", Authentication="bearer nonsense").status == 401
    assert get(api, shop, "store", Authentication=f"Bearer {shop.store_token}").status == 200


def test_header_names_have_no_case() -> None:
    found = Headers({"aUTHENTICATION": "bearer x"})
    assert found["Authentication"] == found["AUTHENTICATION"] == "bearer x"
    assert "authentication" in found
    assert "bearer" not in repr(found)


def test_a_store_is_closed_to_the_token_of_another(api: NuvemshopStandIn, market: Market) -> None:
    one, two = market.shops
    assert get(api, one, "orders", Authentication=f"bearer {two.store_token}").status == 403
    unknown = api.handle(Request.of("GET", "/2025-03/999/orders", headers(one)))
    assert unknown.status == 404
    assert "Last page" not in unknown.body.decode()


def test_unknown_versions_and_resources_are_404(api: NuvemshopStandIn, shop: Shop) -> None:
    for path in (f"/2024-01/{shop.store_id}/orders", f"/2025-03/{shop.store_id}/invoices", "/2025-03/orders"):
        assert api.handle(Request.of("GET", path, headers(shop))).status == 404
    assert api.handle(Request.of("GET", f"/v1/{shop.store_id}/store", headers(shop))).status == 200
    assert api.handle(Request.of("POST", f"/2025-03/{shop.store_id}/orders", headers(shop))).status == 405


def test_an_unpaid_store_answers_402(api: NuvemshopStandIn, shop: Shop) -> None:
    api.unpaid.add(shop.store_id)
    assert get(api, shop, "store").status == get(api, shop, "orders").status == 402


def test_scopes_decide_what_is_shown() -> None:
    shop = build(now=NOW, days=10, shops=[ShopPlan("x", orders=40)]).shops[0]
    shop.scopes = ("read_orders",)
    api = NuvemshopStandIn(Market(NOW, [shop]), standing(NOW), rate=FAST)
    assert all("customer" not in order for order in every(api, shop, "orders"))
    assert get(api, shop, "customers").status == 403
    assert get(api, shop, "products").status == 403


# --- pages -----------------------------------------------------------------------------------------------------------


def test_pages_count_from_one_and_end_in_404(api: NuvemshopStandIn, shop: Shop) -> None:
    first = get(api, shop, "orders?per_page=200")
    total = int(first.headers["X-Total-Count"])
    last = -(-total // 200)
    assert len(first.json()) == 200
    assert len(get(api, shop, f"orders?per_page=200&page={last}").json()) == total - 200 * (last - 1)
    beyond = get(api, shop, f"orders?per_page=200&page={last + 1}")
    assert beyond.status == 404
    assert beyond.json() == {"code": 404, "message": "Not Found", "description": f"Last page is {last}"}
    assert len(get(api, shop, "orders").json()) == 30


def test_an_empty_set_is_404(api: NuvemshopStandIn, shop: Shop) -> None:
    empty = get(api, shop, "orders?created_at_min=2031-01-01T00:00:00Z")
    assert empty.status == 404
    assert empty.json()["description"] == "Last page is 0"


def test_links_are_whole_addresses_of_the_same_query(api: NuvemshopStandIn, shop: Shop) -> None:
    answer = get(api, shop, "orders?per_page=50&page=2&updated_at_min=2026-10-01T00%3A00%3A00-03%3A00")
    links = {rel: target for target, rel in re.findall(r'<([^>]+)>; rel="(\w+)"', answer.headers["Link"])}
    assert set(links) == {"first", "prev", "next", "last"}
    following = Request.of("GET", links["next"])
    assert links["next"].startswith(f"http://here:1/2025-03/{shop.store_id}/orders?")
    assert following.param("page") == "3"
    assert following.param("updated_at_min") == "2026-10-01T00:00:00-03:00"
    assert len(every(api, shop, "orders?per_page=50")) == int(get(api, shop, "orders").headers["X-Total-Count"])
    assert set(re.findall(r'rel="(\w+)"', get(api, shop, "orders").headers["Link"])) == {"next", "last"}


@pytest.mark.parametrize(
    "query",
    [
        "per_page=201",
        "per_page=0",
        "per_page=ten",
        "page=0",
        "page=-1",
        "page=",
        "status=paid",
        "payment_status=approved",
        "payment_status=partially_refunded",
        "channels=amazon",
        "shipping_status=lost",
        "updated_since=2026-01-01",
        "created_at_min=yesterday",
        "created_at_min=2026-13-01T00:00:00Z",
        "created_at_min=20/11/2026",
        "updated_at_min=2026-11-01T00:00:00+00:00",  # the plus sign arrives as a blank
        "total_min=many",
        "customer_ids=a,b",
        "since_id=x",
    ],
)
def test_what_is_not_understood_is_422(api: NuvemshopStandIn, shop: Shop, query: str) -> None:
    answer = get(api, shop, f"orders?{query}")
    assert answer.status == 422
    assert list(answer.json()) == [query.partition("=")[0]]


def test_more_than_ten_thousand_results_are_refused() -> None:
    template = build(now=NOW, days=10, shops=[ShopPlan("x", orders=40)]).shops[0]
    base = next(order for order in template.orders_at(NOW) if order["payment_status"] == "paid")
    start = datetime(2026, 1, 1, tzinfo=UTC)
    template.orders = Orders(
        {**base, "id": i, "created_at": f"{start + timedelta(minutes=i):%Y-%m-%dT%H:%M:%S}+0000"} for i in range(10_001)
    )
    api = NuvemshopStandIn(Market(NOW, [template]), standing(NOW), rate=FAST)
    for page in (1, 2, 51):
        refused = get(api, template, f"orders?per_page=200&page={page}")
        assert refused.status == 422
        assert "X-Total-Count" not in refused.headers
    narrowed = get(api, template, "orders?per_page=200&created_at_min=2026-01-01T00:01:00Z")
    assert narrowed.headers["X-Total-Count"] == "10000"


# --- what is found ---------------------------------------------------------------------------------------------------


def test_orders_come_newest_first_whatever_was_asked(api: NuvemshopStandIn, shop: Shop) -> None:
    found = every(api, shop, "orders?per_page=200&updated_at_min=2026-11-01T00:00:00-03:00")
    assert [order["created_at"] for order in found] == sorted((o["created_at"] for o in found), reverse=True)
    assert [order["updated_at"] for order in found] != sorted((o["updated_at"] for o in found), reverse=True)


def test_windows_find_exactly_the_orders_inside(api: NuvemshopStandIn, shop: Shop) -> None:
    low, high = datetime(2026, 11, 10, 3, tzinfo=UTC), datetime(2026, 11, 14, 3, tzinfo=UTC)
    for name in ("created_at", "updated_at"):
        found = whole(
            api, shop, f"orders?per_page=200&{name}_min={low:%Y-%m-%dT%H:%M:%SZ}&{name}_max={high:%Y-%m-%dT%H:%M:%SZ}"
        )
        wanted = {o["id"] for o in shop.orders_at(NOW) if low <= datetime.fromisoformat(o[name]) <= high}
        assert {order["id"] for order in found} == wanted
        assert wanted


def test_both_ends_of_a_window_belong_to_it(api: NuvemshopStandIn, shop: Shop) -> None:
    order = shop.orders_at(NOW)[40]
    for name in ("created_at", "updated_at"):
        moment = order[name].replace("+0000", "Z")
        found = whole(api, shop, f"orders?{name}_min={moment}&{name}_max={moment}")
        assert order["id"] in {o["id"] for o in found}


def test_an_instant_without_offset_is_taken_as_utc() -> None:
    assert instant("x", "2026-11-20T00:00:00") == instant("x", "2026-11-20T00:00:00Z")
    assert instant("x", "2026-11-20T00:00:00-03:00") == instant("x", "2026-11-20T03:00:00Z")
    assert instant("x", "2026-11-20T00:00:00-0300") == instant("x", "2026-11-20T03:00:00Z")
    assert instant("x", "2026-11-20") == instant("x", "2026-11-20T00:00:00Z")


def test_filters_find_what_they_say(api: NuvemshopStandIn, shop: Shop) -> None:
    known = shop.orders_at(NOW)
    for query, fits in (
        ("payment_status=refunded", lambda o: o["payment_status"] == "refunded"),
        ("status=cancelled", lambda o: o["status"] == "cancelled"),
        ("status=any", lambda o: True),
        ("status=open&payment_status=paid", lambda o: (o["status"], o["payment_status"]) == ("open", "paid")),
        ("channels=meli", lambda o: o["storefront"] == "meli"),
        ("shipping_status=unpacked", lambda o: o["shipping_status"] == "unpacked"),
        (f"since_id={known[300]['id']}", lambda o: o["id"] > known[300]["id"]),
        ("total_min=300&total_max=500.50", lambda o: 300 <= Decimal(o["total"]) <= Decimal("500.50")),
        (
            f"q={known[7]['number']}",
            lambda o: known[7]["id"] == o["id"] or str(known[7]["number"]) in o["contact_email"],
        ),
        ("q=EXAMPLE.ORG", lambda o: "example.org" in o["contact_email"].lower()),
        (f"customer_ids={known[3]['customer']['id']}", lambda o: o["customer"]["id"] == known[3]["customer"]["id"]),
    ):
        ask = every if "payment_status" in query else whole
        found = {order["id"] for order in ask(api, shop, f"orders?per_page=200&{query}")}
        assert found == {order["id"] for order in known if fits(order)}, query
        assert found, query


def test_any_payment_status_is_not_every(api: NuvemshopStandIn, shop: Shop) -> None:
    for query in ("orders?per_page=200", "orders?per_page=200&payment_status=any&status=any"):
        shown = {order["payment_status"] for order in every(api, shop, query)}
        assert shown <= {"pending", "authorized", "paid"}
    assert {order["payment_status"] for order in shop.orders_at(NOW)} > shown


def test_fields_are_cut_to_those_asked_for(api: NuvemshopStandIn, shop: Shop) -> None:
    shown = get(api, shop, "orders?fields=id,total,nonsense").json()
    assert {tuple(order) for order in shown} == {("id", "total")}
    assert list(get(api, shop, "store?fields=id").json()) == ["id"]


def test_one_order_and_the_missing_one(api: NuvemshopStandIn, shop: Shop) -> None:
    known = shop.orders_at(NOW)[11]
    assert get(api, shop, f"orders/{known['id']}").json() == known
    missing = get(api, shop, "orders/12345")
    assert missing.status == 404
    assert "Last page" not in missing.body.decode()
    assert get(api, shop, f"orders/{known['id']}?page=2").status == 422


def test_the_store_says_who_it_is(api: NuvemshopStandIn, shop: Shop) -> None:
    store = get(api, shop, "store").json()
    assert str(store["id"]) == shop.store_id
    assert (store["main_currency"], store["country"], store["name"]) == ("BRL", "BR", {"pt": "Aurora"})


def test_products_and_customers_are_listed(api: NuvemshopStandIn, shop: Shop) -> None:
    products = every(api, shop, "products?per_page=200")
    assert {product["id"] for product in products} == {product["id"] for product in shop.products}
    assert {"price", "promotional_price", "cost", "stock", "sku"} <= set(products[0]["variants"][0])
    one = products[5]
    assert get(api, shop, f"products/{one['id']}").json() == one
    assert [p["id"] for p in every(api, shop, f"products?q={one['variants'][0]['sku']}")] == [one["id"]]
    assert [p["id"] for p in every(api, shop, f"products?handle={one['handle']['pt']}")] == [one["id"]]
    assert get(api, shop, "products?sort_by=colour").status == 422
    customers = every(api, shop, "customers?per_page=200")
    assert {c["id"] for c in customers} == {o["customer"]["id"] for o in shop.orders_at(NOW)}
    assert len(customers) == len({c["id"] for c in customers})
    assert get(api, shop, "customers?status=open").status == 422


def test_no_abandoned_carts_is_the_documented_404(api: NuvemshopStandIn, shop: Shop) -> None:
    answer = get(api, shop, "checkouts")
    assert answer.status == 404
    assert answer.json()["description"] == "Error finding result with the parameters entered"


# --- time ------------------------------------------------------------------------------------------------------------


def test_orders_are_as_they_are_at_the_platforms_present(market: Market, shop: Shop) -> None:
    moments = [NOW - timedelta(days=12), NOW, NOW + timedelta(days=30)]
    for moment in moments:
        api = NuvemshopStandIn(market, standing(moment), rate=FAST)
        found = {order["id"]: order for order in whole(api, shop, "orders?per_page=200")}
        assert found == {order["id"]: order for order in shop.orders_at(moment)}
        stamp = f"{moment:%Y-%m-%dT%H:%M:%S}+0000"
        assert all(order["created_at"] <= stamp and order["updated_at"] <= stamp for order in found.values())
        assert len(every(api, shop, "customers?per_page=200")) <= len(found)
    early = NuvemshopStandIn(market, standing(moments[0]), rate=FAST)
    newest = max(shop.orders_at(NOW), key=lambda order: order["created_at"])
    assert get(early, shop, f"orders/{newest['id']}").status == 404


def test_a_boleto_paid_tomorrow_is_pending_today(market: Market, shop: Shop) -> None:
    stories = (shop.orders.story(position) for position in range(len(shop.orders)))
    order_id, paid_at = next(
        (order["id"], paid_at)
        for order, events in stories
        for paid_at in (
            datetime.fromtimestamp(at, UTC) for at, fields in events if fields.get("payment_status") == "paid"
        )
        if datetime.fromisoformat(order["created_at"]) + timedelta(days=1) < paid_at < NOW
    )
    clock = [paid_at - timedelta(seconds=1)]
    api = NuvemshopStandIn(market, lambda: clock[0], rate=FAST)
    before = get(api, shop, f"orders/{order_id}").json()
    clock[0] = paid_at
    after = get(api, shop, f"orders/{order_id}").json()
    assert (before["payment_status"], before["paid_at"], before["total_paid"]) == ("pending", None, "0.00")
    assert (after["payment_status"], after["total_paid"]) == ("paid", after["total"])
    assert after["updated_at"] == after["paid_at"] == f"{paid_at:%Y-%m-%dT%H:%M:%S}+0000"
    assert before["updated_at"] < after["updated_at"]


def test_an_order_that_never_changed_exists_from_its_creation() -> None:
    shop = build(now=NOW, days=10, shops=[ShopPlan("x", orders=40)]).shops[0]
    order = shop.orders_at(NOW)[5]
    order["created_at"], order["updated_at"] = "2026-11-18T10:00:00+0000", "2026-11-19T10:00:00+0000"
    shop.orders = Orders([order])
    seen = []
    for day in (17, 18, 20):
        api = NuvemshopStandIn(Market(NOW, [shop]), standing(datetime(2026, 11, day, 12, tzinfo=UTC)), rate=FAST)
        seen.append(len(whole(api, shop, "orders")))
    assert seen == [0, 1, 1]


def test_an_amended_order_is_found_again(market: Market) -> None:
    shop = build(now=NOW, days=20, shops=[ShopPlan("x", orders=80)]).shops[0]
    clock = [NOW]
    api = NuvemshopStandIn(Market(NOW, [shop]), lambda: clock[0], rate=FAST)
    window = f"orders?updated_at_min={NOW:%Y-%m-%dT%H:%M:%SZ}"
    assert get(api, shop, window).status == 404
    old = min(shop.orders_at(NOW), key=lambda order: order["created_at"])
    shop.amend(old["id"], NOW + timedelta(minutes=1), {"payment_status": "refunded"})
    clock[0] = NOW + timedelta(minutes=2)
    assert get(api, shop, window).status == 404
    assert old["id"] in {o["id"] for o in every(api, shop, f"{window}&payment_status=refunded")}


# --- the bucket ------------------------------------------------------------------------------------------------------


def test_the_bucket_holds_forty_and_leaks_two_a_second(market: Market, shop: Shop) -> None:
    at = [100.0]
    api = NuvemshopStandIn(market, standing(NOW), tick=lambda: at[0])
    answers = [get(api, shop, "store") for _ in range(41)]
    assert [answer.status for answer in answers] == [200] * 40 + [429]
    assert answers[0].headers["X-Rate-Limit-Limit"] == "40"
    assert [answer.headers["X-Rate-Limit-Remaining"] for answer in answers[:3]] == ["39", "38", "37"]
    assert answers[40].headers["X-Rate-Limit-Remaining"] == "0"
    assert answers[40].headers["X-Rate-Limit-Reset"] == "20000"
    at[0] += 0.5
    assert [get(api, shop, "store").status for _ in range(2)] == [200, 429]
    at[0] += 30
    assert get(api, shop, "store").headers["X-Rate-Limit-Remaining"] == "39"
    # The other store has a bucket of its own, and a refused token does not fill this one.
    assert get(api, market.shops[1], "store").status == 200


def test_larger_plans_have_ten_times_the_rate(market: Market, shop: Shop) -> None:
    api = NuvemshopStandIn(market, standing(NOW), rate_scale=10, tick=lambda: 0.0)
    assert [get(api, shop, "store").status for _ in range(401)] == [200] * 400 + [429]


# --- any query -------------------------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["page", "per_page", "fields", "q", "created_at_min", "total_max", "odd"]),
            st.text(max_size=24),
        ),
        max_size=4,
    )
)
def test_no_query_makes_it_stumble(pairs: list[tuple[str, str]]) -> None:
    try:
        query = read_query(pairs, "orders")
    except Refused:
        return
    assert 1 <= query.per_page <= 200
    assert query.page >= 1
