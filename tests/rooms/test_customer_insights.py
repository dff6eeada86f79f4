"""Tiers, cohorts, repeat orders, churn, payback, product classes: small shops counted by hand."""

from datetime import date

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cortex.customers import churn, cohorts, spread, tiers
from cortex.products import bcg, ranking
from cortex.reports import treemap

ORDERS = pl.DataFrame(
    [
        ("a", date(2026, 1, 5), 100_00),
        ("a", date(2026, 2, 4), 50_00),
        ("a", date(2026, 3, 30), 50_00),
        ("b", date(2026, 1, 31), 300_00),
        ("c", date(2026, 2, 28), 80_00),
        ("c", date(2026, 2, 28), 20_00),
    ],
    schema=["customer_key", "paid_date", "net"],
    orient="row",
)


def test_cohorts_by_month_by_hand() -> None:
    cells = cohorts.cohorts(ORDERS, until=date(2026, 3, 31))
    january = cells.filter(pl.col("cohort") == date(2026, 1, 1))
    assert january["customers"].to_list() == [2, 2, 2]
    assert january["active"].to_list() == [2, 1, 1]
    assert january["revenue"].to_list() == [400_00, 50_00, 50_00]
    assert january["retention"].to_list() == [1.0, 0.5, 0.5]
    assert january["ltv"].to_list() == [200_00.0, 225_00.0, 250_00.0]
    february = cells.filter(pl.col("cohort") == date(2026, 2, 1))
    assert february.select("customers", "active", "orders", "ltv").rows() == [(1, 1, 2, 100_00.0), (1, 0, 0, 100_00.0)]


def test_a_period_that_has_not_ended_is_unknown_not_zero() -> None:
    cells = cohorts.cohorts(ORDERS, until=date(2026, 3, 30))
    march = cells.filter((pl.col("cohort") == date(2026, 1, 1)) & (pl.col("period") == 2))
    assert march.select("active", "orders", "revenue", "retention", "ltv").row(0) == (None,) * 5
    assert march["customers"].to_list() == [2]


def test_cohorts_by_week_begin_on_monday() -> None:
    cells = cohorts.cohorts(ORDERS, until=date(2026, 2, 8), grain="week")
    assert cells.filter(pl.col("period") == 0)["cohort"].to_list() == [date(2026, 1, 5), date(2026, 1, 26)]
    assert cells.filter(pl.col("active") > 0).select("period", "active").rows() == [(0, 1), (4, 1), (0, 1)]


def test_repeat_rate_and_days_to_the_second_order() -> None:
    told = cohorts.repeat(ORDERS, until=date(2026, 3, 31))
    assert (told["customers"], told["repeat_customers"]) == (3, 2)
    assert told["repeat_rate"] == pytest.approx(2 / 3)
    assert told["days_median"] == 15
    assert cohorts.repeat(ORDERS.clear(), until=date(2026, 3, 31))["repeat_rate"] is None


def test_payback_is_the_first_period_in_which_a_cohort_has_paid() -> None:
    cells = cohorts.cohorts(ORDERS, until=date(2026, 3, 31))
    spend = pl.DataFrame({"cohort": [date(2026, 1, 1)], "spend": [440_00]})
    january, february = cohorts.payback(cells, spend).rows(named=True)
    assert (january["cac"], january["payback_period"]) == (220_00, 1)
    assert january["ltv_to_cac"] == pytest.approx(250 / 220)
    assert february["cac"] is february["payback_period"] is february["ltv_to_cac"] is None
    half = cells.with_columns(ltv_margin=pl.when(pl.col("period") < 2).then(pl.col("ltv") * 0.99))
    january, _ = cohorts.payback(half, spend).rows(named=True)
    assert (january["payback_period"], january["margin_payback_period"], january["ltv_margin"]) == (1, 1, None)
    tenth = cells.with_columns(ltv_margin=pl.col("ltv") * 0.1)
    january, _ = cohorts.payback(tenth, spend).rows(named=True)
    assert (january["margin_payback_period"], january["ltv_margin"]) == (None, pytest.approx(25_00))


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60))
def test_every_buyer_is_in_one_tier_and_equals_share_it(values: list[int]) -> None:
    frame = pl.DataFrame({"customer_key": [f"{i:03}" for i in range(len(values))], "clv": values})
    told, floors = tiers.tiers(frame)
    assert told["customer_key"].to_list() == frame["customer_key"].to_list()
    places = [tiers.TIERS.index(tier) for tier in told["tier"]]
    ranked = sorted(zip(values, places, strict=True))
    assert [place for _, place in ranked] == sorted(places)
    assert len(set(ranked)) == len(set(values))
    assert floors == sorted(floors)


def test_four_buyers_four_tiers() -> None:
    told, floors = tiers.tiers(pl.DataFrame({"customer_key": list("abcd"), "clv": [4.0, 1.0, 3.0, 2.0]}))
    assert told["tier"].to_list() == ["Platinum", "Bronze", "Gold", "Silver"]
    assert floors == [2.0, 3.0, 4.0]


def test_churn_by_rule_and_by_probability() -> None:
    buyers = pl.DataFrame(
        {
            "customer_key": list("abc"),
            "frequency": [0, 2, 5],
            "recency_days": [90, 91, 400],
            "p_alive": [0.9, 0.4, 0.1],
            "order_value": [10.0, 10.0, 20.0],
        }
    )
    told = churn.churn(buyers, days=90)
    assert (told["churned_by_rule"], told["probably_gone"]) == (2, 2)
    assert told["rate_by_probability"] == pytest.approx(1.6 / 3)
    risk = churn.at_risk(buyers)
    assert risk["customer_key"].to_list() == ["c", "b"]
    assert risk["at_stake"].to_list() == pytest.approx([90.0, 12.0])
    assert churn.churn(buyers.clear(), days=90)["rate_by_rule"] is None


def test_bcg_by_hand() -> None:
    told, usual = bcg.classify(
        pl.DataFrame(
            {
                "platform": ["n"] * 5,
                "product_id": list("12345"),
                "before": [100, 400, 10, 50, 0],
                "recent": [300, 300, 30, 30, 10],
                "revenue": [600, 600, 60, 60, 20],
            }
        )
    )
    assert told["class"].to_list() == ["star", "cash_cow", "question_mark", "dog", "question_mark"]
    assert usual == {"share": 0.2, "growth": pytest.approx(670 / 560 - 1)}
    assert told["growth"].to_list()[-1] is None


def test_a_shop_too_young_to_compare_has_no_classes() -> None:
    nothing = pl.Series([None, None], dtype=pl.Int64)
    told, usual = bcg.classify(
        pl.DataFrame(
            {"platform": ["n"] * 2, "product_id": list("12"), "before": nothing, "recent": nothing, "revenue": [30, 10]}
        )
    )
    assert told["class"].to_list() == ["", ""]
    assert told["growth"].null_count() == 2
    assert usual == {"share": 0.5}


def test_best_and_worst_products() -> None:
    sold = pl.DataFrame(
        {
            "platform": ["n"] * 3,
            "product_id": list("123"),
            "units": [5, 1, 1],
            "revenue": [10, 99, 50],
            "margin": [None, 3, -2],
        }
    )
    assert ranking.ranked(sold, top=1)["product_id"].to_list() == ["2"]
    assert ranking.ranked(sold, by="units", top=2, worst=True)["product_id"].to_list() == ["2", "3"]
    assert ranking.ranked(sold, by="margin", worst=True)["product_id"].to_list() == ["3", "2"]


@given(st.lists(st.floats(1, 300), min_size=1, max_size=30))
def test_a_treemap_gives_every_part_the_room_it_is_due(values: list[float]) -> None:
    values.sort(reverse=True)
    boxes = treemap.squarified(values, 760, 420)
    for value, (x, y, wide, high) in zip(values, boxes, strict=True):
        assert wide * high == pytest.approx(760 * 420 * value / sum(values), rel=1e-6)
        assert x >= -1e-6
        assert x + wide <= 760 + 1e-6
        assert y >= -1e-6
        assert y + high <= 420 + 1e-6


def test_a_histogram_has_round_bounds_and_an_open_end() -> None:
    values = pl.Series([float(value) for value in range(100)])
    assert spread.histogram(values) == dict.fromkeys(range(0, 100, 10), 10)
    assert spread.histogram(pl.Series([-5.0, *[50.0] * 18, 9_000.0])) == {0: 1, 10: 0, 20: 0, 30: 0, 40: 0, 50: 18,
                                                                         60: 0, 70: 0, 80: 0, 90: 1}  # fmt: skip
    assert spread.histogram(values.clear()) == {}
    assert spread.percentiles(values)["p25"] == 24.75
