"""The Olist sample as a shop: every count and every cent of the files, on the right day."""

import csv
import json
from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from cortex.clock import local_day
from cortex.errors import UsageError
from cortex.sandbox.market import Market
from cortex.sandbox.olist import instant, olist_market
from cortex.sandbox.places import BY_UF

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
FOLDER = SHARED / "olist_sample"
NOW = datetime(2019, 1, 1, tzinfo=UTC)
ZONE = ZoneInfo("America/Sao_Paulo")


def rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / f"olist_{name}_dataset.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def market() -> Market:
    if not FOLDER.is_dir():
        pytest.skip("the Olist sample is not on this machine")
    return olist_market(FOLDER, now=NOW)


@pytest.fixture(scope="module")
def orders(market: Market) -> dict[str, dict]:
    """By Olist's order id."""
    return {order["token"]: order for order in market.shops[0].orders_at(NOW)}


def test_counts_are_those_of_the_files(orders: dict[str, dict]) -> None:
    assert len(orders) == 8135
    assert len({order["customer"]["id"] for order in orders.values()}) == 8016
    assert len({order["contact_email"] for order in orders.values()}) == 8016
    assert sum(len(order["products"]) for order in orders.values()) == 8365
    assert len({order["id"] for order in orders.values()}) == len({str(o["number"]) for o in orders.values()}) == 8135


def test_money_is_that_of_the_files_to_the_cent(orders: dict[str, dict]) -> None:
    charged: dict[str, Decimal] = defaultdict(Decimal)
    for payment in rows("order_payments"):
        charged[payment["order_id"]] += Decimal(payment["payment_value"])
    goods: dict[str, Decimal] = defaultdict(Decimal)
    freight: dict[str, Decimal] = defaultdict(Decimal)
    for item in rows("order_items"):
        goods[item["order_id"]] += Decimal(item["price"])
        freight[item["order_id"]] += Decimal(item["freight_value"])
    for order_id, order in orders.items():
        assert Decimal(order["total"]) == charged[order_id]
        assert Decimal(order["subtotal"]) == goods[order_id]
        assert Decimal(order["shipping_cost_customer"]) == freight[order_id]
        split = json.loads(order["extra"]["olist_payments"])
        assert sum(Decimal(part["value"]) for part in split) == charged[order_id]
        assert Decimal(order["total_paid"]) in {charged[order_id], Decimal(0)}
        assert order["payment_count"] in {len(split), 0}
    assert sum(charged.values()) == Decimal("1428602.81")
    assert sum(goods.values()) == Decimal("1093264.35")
    assert sum(freight.values()) == Decimal("172288.39")


def test_statuses_say_what_the_payments_say(orders: dict[str, dict]) -> None:
    seen = Counter()
    for row in rows("orders"):
        order = orders[row["order_id"]]
        seen[row["order_status"], order["status"], order["payment_status"]] += 1
        assert (order["paid_at"] is None) == (row["order_approved_at"] == "")
    assert seen == {
        ("delivered", "closed", "paid"): 5172,
        ("shipped", "open", "paid"): 1107,
        ("invoiced", "open", "paid"): 314,
        ("processing", "open", "paid"): 301,
        ("approved", "open", "paid"): 2,
        ("created", "open", "pending"): 5,
        ("canceled", "cancelled", "refunded"): 484,
        ("canceled", "cancelled", "voided"): 141,
        ("unavailable", "cancelled", "refunded"): 609,
    }


def test_days_are_those_of_sao_paulo_with_its_daylight_saving(orders: dict[str, dict]) -> None:
    for row in rows("orders"):
        created = datetime.fromisoformat(orders[row["order_id"]]["created_at"])
        assert created.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S") == row["order_purchase_timestamp"]
    assert instant("2018-01-10 23:30:00") == datetime(2018, 1, 11, 1, 30, tzinfo=UTC).timestamp()
    assert instant("2018-07-10 23:30:00") == datetime(2018, 7, 11, 2, 30, tzinfo=UTC).timestamp()


def test_places_are_real_and_people_are_not(orders: dict[str, dict]) -> None:
    customers = {row["customer_id"]: row for row in rows("customers")}
    for row in rows("orders"):
        order, home = orders[row["order_id"]], customers[row["customer_id"]]
        assert order["billing_province"] == BY_UF[home["customer_state"]].name
        assert order["billing_city"].lower() == home["customer_city"].lower()
        assert order["billing_zipcode"][:5] == home["customer_zip_code_prefix"].zfill(5)
        assert home["customer_unique_id"] not in json.dumps(order)
        domain = order["contact_email"].rpartition("@")[2]
        assert domain in {"example.com", "example.org", "example.net"} or domain.endswith(".example")


def test_the_same_person_is_the_same_customer(orders: dict[str, dict]) -> None:
    unique = {row["customer_id"]: row["customer_unique_id"] for row in rows("customers")}
    people: dict[str, set[tuple[int, str]]] = defaultdict(set)
    for row in rows("orders"):
        order = orders[row["order_id"]]
        people[unique[row["customer_id"]]].add((order["customer"]["id"], order["contact_email"]))
    assert {len(identities) for identities in people.values()} == {1}


def test_advertising_covers_the_years_of_the_orders(market: Market) -> None:
    shop = market.shops[0]
    days = {day.day for day in shop.meta.days} & {day.day for day in shop.google.days}
    assert min(days) < date(2017, 2, 1)
    assert max(days) > date(2018, 9, 1)
    spend = sum(day.spend for day in [*shop.meta.days, *shop.google.days])
    assert 3 < Decimal("1428602.81") / spend < 8
    ids = {str(order["id"]) for order in shop.orders}
    assert {row.transaction_id for row in shop.ga4.orders} <= ids
    assert len(shop.ga4.orders) / 8135 == pytest.approx(0.8, abs=0.03)
    assert shop.truth == {}
    for row in shop.ga4.orders[::400]:
        order = shop.orders[shop.orders.position(row.transaction_id)]
        assert row.day == local_day(datetime.fromisoformat(order["created_at"]), ZONE)
        assert row.revenue == Decimal(order["total"])


def test_the_same_files_give_the_same_market(market: Market) -> None:
    again = olist_market(FOLDER, now=NOW)
    assert list(again.shops[0].orders) == list(market.shops[0].orders)
    assert again.shops[0].google.days == market.shops[0].google.days


def test_a_folder_without_the_files_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="CTX-1081") as caught:
        olist_market(tmp_path, now=NOW)
    assert "olist_orders_dataset.csv" in str(caught.value)
