"""Customers by hand: who is one person, what they are worth, where they stand."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from cortex.customers import people, rfm, value
from cortex.products import abc
from cortex.warehouse.seed import segments

ALIASES = {"order_key": pl.String, "kind": pl.String, "alias": pl.String}
SEGMENTS = Path(__file__).resolve().parents[2] / ".." / "shared" / "data" / "rfm_segments.json"


def merged(rows: list[tuple[str, str, str]]) -> dict[str, str]:
    frame = people.merge(pl.DataFrame(rows, schema=ALIASES, orient="row"))
    return dict(zip(frame["order_key"], frame["customer_key"], strict=True))


def test_shared_mail_or_phone_makes_one_person_also_through_a_third_order() -> None:
    found = merged(
        [
            ("o1", "store", "s1"), ("o1", "email", "m1"),
            ("o2", "store", "s2"), ("o2", "email", "m1"), ("o2", "phone", "p1"),
            ("o3", "store", "s3"), ("o3", "phone", "p1"),
            ("o4", "store", "s4"), ("o4", "email", "m4"),
        ]
    )  # fmt: skip
    assert found["o1"] == found["o2"] == found["o3"] == "m1"
    assert found["o4"] == "m4"


def test_nobody_is_nobody() -> None:
    assert merged([]) == {}


@pytest.mark.parametrize("seed", range(20))
def test_people_are_the_connected_components(seed: int) -> None:
    """The same as scipy finds, whatever the shape; the last seeds are one long chain in a random order."""
    rng = np.random.default_rng(seed)
    if seed < 15:
        orders, aliases = (int(size) for size in rng.integers(1, 60, 2))
        extra = int(rng.integers(0, 90))
        order_at = np.concatenate([np.arange(orders), rng.integers(0, orders, extra)])
        alias_at = rng.integers(0, aliases, orders + extra)
    else:
        orders, aliases = 500, 501
        way = rng.permutation(aliases)
        order_at, alias_at = np.repeat(np.arange(orders), 2), np.stack([way[:-1], way[1:]], axis=1).ravel()
    size = orders + aliases
    graph = coo_matrix((np.ones(len(order_at)), (order_at, alias_at + orders)), shape=(size, size))
    count, component = connected_components(graph, directed=False)
    smallest = np.full(count, aliases)
    np.minimum.at(smallest, component[orders:], np.arange(aliases))
    found = merged([(f"o{o:03}", "store", f"m{a:03}") for o, a in zip(order_at, alias_at, strict=True)])
    assert found == {f"o{o:03}": f"m{smallest[component[o]]:03}" for o in range(orders)}


def test_a_placeholder_shared_by_many_merges_nobody() -> None:
    rows = []
    for i in range(people.CROWD + 2):
        rows += [(f"o{i}", "store", f"s{i:02}"), (f"o{i}", "phone", "a-fake-phone")]
    assert len(set(merged(rows).values())) == people.CROWD + 2


def test_one_account_with_many_orders_is_no_crowd() -> None:
    rows = []
    for i in range(30):
        rows += [(f"o{i}", "store", "s1"), (f"o{i}", "email", "m1")]
    assert set(merged(rows).values()) == {"m1"}


def test_an_order_known_only_by_a_placeholder_still_has_a_buyer() -> None:
    rows = [(f"o{i}", "email", "nobody") for i in range(people.CROWD + 2)]
    assert set(merged(rows)) == {f"o{i}" for i in range(people.CROWD + 2)}


@given(
    st.lists(
        st.tuples(
            st.integers(0, 12).map("o{}".format),
            st.sampled_from(["store", "email", "phone"]),
            st.integers(0, 8).map("a{}".format),
        ),
        max_size=60,
    ).flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows)))
)
@settings(max_examples=80, deadline=None)
def test_merging_does_not_depend_on_load_order(
    pair: tuple[list[tuple[str, str, str]], list[tuple[str, str, str]]],
) -> None:
    rows, shuffled = pair
    assert merged(rows) == merged(shuffled)
    assert set(merged(rows)) == {order for order, _, _ in rows}


def paid(rows: list[tuple[str, str, date, int]]) -> pl.DataFrame:
    frame = pl.DataFrame(
        rows,
        schema={"order_key": pl.String, "customer_key": pl.String, "paid_date": pl.Date, "net": pl.Int64},
        orient="row",
    )
    return frame.with_columns(channel=pl.lit("meta"), state=pl.lit("SP"), is_new_customer=pl.lit(0))


def test_realised_value_of_two_buyers() -> None:
    start = date(2026, 1, 1)
    frame = value.realised(
        paid(
            [
                ("o1", "a", start, 10000),
                ("o2", "a", start + timedelta(days=364), 5000),
                ("o3", "a", start + timedelta(days=365), 2500),
                ("o4", "b", start + timedelta(days=300), 3333),
                ("o5", "b", start + timedelta(days=400), 999999),
            ]
        ),
        as_of=start + timedelta(days=365),
        window_days=365,
        churn_days=60,
    )
    a, b = frame.sort("customer_key").to_dicts()
    assert (a["total_orders"], a["total_revenue"], a["ltv_window"], a["avg_order_value"]) == (3, 17500, 15000, 5833)
    assert (a["first_order_key"], a["recency_days"], a["is_churned"]) == ("o1", 0, 0)
    assert (b["total_orders"], b["total_revenue"], b["recency_days"], b["is_churned"]) == (1, 3333, 65, 1)


def test_of_two_orders_on_the_first_day_the_one_that_won_the_buyer_is_the_first() -> None:
    day = date(2026, 1, 1)
    orders = paid([("o1", "a", day, 100), ("o2", "a", day, 200)]).with_columns(is_new_customer=pl.Series([0, 1]))
    frame = value.realised(orders, as_of=day, window_days=365, churn_days=90)
    assert frame["first_order_key"].to_list() == ["o2"]


def test_of_channels_with_as_much_credit_the_one_nearest_to_the_order_won_the_buyer() -> None:
    credited = pl.DataFrame(
        [
            ("a", "meta", 1 / 3, 1),
            ("a", "email", 1 / 3, 3),
            ("a", "organic", 1 / 3, 2),
            ("b", "meta", 0.6, 1),
            ("b", "direct", 0.4, 2),
        ],
        schema=["customer_key", "channel", "weight", "position"],
        orient="row",
    )
    assert value.won_by(credited).rows() == [("a", "email"), ("b", "meta")]
    buyers = pl.DataFrame({"customer_key": ["b", "c"], "first_order_channel": ["direct", "unattributed"]})
    assert value.named(buyers, value.won_by(credited))["first_order_channel"].to_list() == ["meta", "unattributed"]


def test_a_half_cent_of_an_average_rounds_to_even() -> None:
    day = date(2026, 1, 1)
    frame = value.realised(
        paid(
            [
                ("o1", "a", day, 1),
                ("o2", "a", day, 2),
                ("o3", "b", day, 2),
                ("o4", "b", day, 3),
                ("o5", "c", day, -1),
                ("o6", "c", day, -2),
            ]
        ),
        as_of=day,
        window_days=365,
        churn_days=90,
    )
    assert dict(zip(frame["customer_key"], frame["avg_order_value"], strict=True)) == {"a": 2, "b": 2, "c": -2}


def test_the_first_paid_order_wins_the_buyer() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    frame = pl.DataFrame(
        {"order_key": ["o2", "o1", "o3"], "customer_key": ["a", "a", "b"], "paid_at": [at, at + timedelta(days=1), at]}
    )
    assert value.first_orders(frame)["order_key"].to_list() == ["o2", "o3"]


def customers(recency: list[int], orders: list[int], revenue: list[int]) -> pl.DataFrame:
    names = [f"c{i:03}" for i in range(len(recency))]
    return pl.DataFrame(
        {"customer_key": names, "recency_days": recency, "total_orders": orders, "total_revenue": revenue}
    )


def test_the_best_of_everything_is_a_champion_and_equals_score_the_same() -> None:
    frame = rfm.scores(customers([1, 50, 100, 150, 200] * 2, [9, 1, 1, 1, 1] * 2, [900, 500, 400, 300, 200] * 2))
    first = frame.row(0, named=True)
    assert (first["rfm_recency"], first["rfm_frequency"], first["rfm_monetary"], first["rfm_segment"]) == (
        5,
        5,
        5,
        "Champions",
    )
    assert frame["rfm_frequency"].to_list()[1:5] == [1, 1, 1, 1]
    assert frame.head(5)["rfm_segment"].to_list() == frame.tail(5)["rfm_segment"].to_list()


def test_every_cell_has_exactly_one_of_eleven_segments() -> None:
    assert len(rfm.SEGMENTS) == 11
    assert len(rfm.CELLS) == 125 == sum(len(cells.split()) for cells in rfm.SEGMENTS.values())


def test_scores_reach_every_cell_and_name_it() -> None:
    """A market with one customer in each of the 125 cells: each is in the one segment the map gives its cell."""
    cells = [(r, f, m) for r in range(1, 6) for f in range(1, 6) for m in range(1, 6)]
    frame = rfm.scores(customers([100 - r for r, _, _ in cells], [f for _, f, _ in cells], [m for _, _, m in cells]))
    scored = frame.select("rfm_recency", "rfm_frequency", "rfm_monetary").rows()
    assert scored == cells
    assert frame["rfm_segment"].to_list() == [rfm.CELLS["".join(map(str, cell))] for cell in cells]
    assert rfm.scores(customers([5] * 7, [1] * 7, [9] * 7))["rfm_segment"].n_unique() == 1


def test_segments_are_the_published_partition() -> None:
    if not SEGMENTS.is_file():
        pytest.skip("shared/data/rfm_segments.json is not beside this checkout")
    published = json.loads(SEGMENTS.read_text(encoding="utf-8"))["partition_125_rfm"]
    assert {row["segment"] for row in segments()} == set(published)
    assert {name: set(cells.split()) for name, cells in rfm.SEGMENTS.items()} == {
        name: set(cells) for name, cells in published.items()
    }


def test_other_quantiles_have_scores_and_no_segment() -> None:
    frame = rfm.scores(customers([1, 2, 3], [1, 2, 3], [1, 2, 3]), quantiles=3)
    assert frame["rfm_monetary"].to_list() == [1, 2, 3]
    assert set(frame["rfm_segment"]) == {""}


def test_abc_classes() -> None:
    sold = pl.DataFrame({"platform": ["x"] * 5, "product_id": list("abcde"), "revenue": [7900, 200, 1500, 400, 0]})
    found = dict(abc.classify(sold).select("product_id", "abc_class").iter_rows())
    assert found == {"a": "A", "c": "A", "d": "B", "b": "C", "e": "C"}


def test_a_single_product_is_an_a() -> None:
    sold = pl.DataFrame({"platform": ["x"], "product_id": ["a"], "revenue": [1]})
    assert abc.classify(sold)["abc_class"].to_list() == ["A"]
