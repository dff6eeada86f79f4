"""Performance by channel and campaign: ratios by hand, what cannot be known left empty, columns that fit a terminal."""

from __future__ import annotations

import polars as pl
import pytest

from cortex.attribution._performance import performance
from cortex.cli.narrow import fitting

CREDITED = pl.DataFrame(
    [
        ("o1", "linear", "meta", "c1", 0.5, 5_000, 1),
        ("o1", "linear", "email", "", 0.5, 5_000, 1),
        ("o2", "linear", "meta", "c2", 1.0, 3_000, 0),
        ("o3", "linear", "unattributed", "", 1.0, 0, 0),
        ("o1", "last_click", "email", "", 1.0, 10_000, 1),
    ],
    schema=["order_key", "model", "channel", "campaign_id", "weight", "attributed_revenue", "is_new_customer"],
    orient="row",
)
SPEND = pl.DataFrame(
    [("meta", "c1", 2_000, 3.0, 9_000), ("google", "g1", 1_000, 1.0, 4_000)],
    schema=["channel", "campaign_id", "spend", "claimed_orders", "claimed_revenue"],
    orient="row",
)


def costs(**known: float | None) -> pl.DataFrame:
    return pl.DataFrame(
        {"order_key": list(known), "cost_share": list(known.values())},
        schema={"order_key": pl.String, "cost_share": pl.Float64},
    )


def by_channel(model: str, cost: pl.DataFrame) -> dict[str, dict[str, object]]:
    rows = performance(CREDITED, SPEND, cost, by=("channel",))
    return {row["channel"]: row for row in rows.iter_rows(named=True) if row["model"] == model}


def test_ratios_of_a_channel_by_hand() -> None:
    meta = by_channel("linear", costs(o1=0.4, o2=0.5))["meta"]
    assert (meta["orders"], meta["new_customers"]) == (1.5, 0.5)
    assert (meta["revenue"], meta["new_revenue"], meta["spend"]) == (8_000, 5_000, 2_000)
    assert (meta["roas"], meta["roas_new"], meta["claimed_roas"]) == (4.0, 2.5, 4.5)
    assert meta["cac"] == pytest.approx(4_000)
    assert meta["cpa"] == pytest.approx(2_000 / 1.5)
    assert (meta["margin"], meta["poas"]) == (4_500, 2.25)
    assert meta["share"] == pytest.approx(8 / 13)


def test_a_channel_that_only_cost_is_a_row_of_every_model() -> None:
    for model in ("linear", "last_click"):
        google = by_channel(model, costs())["google"]
        assert (google["revenue"], google["orders"], google["spend"], google["roas"]) == (0, 0.0, 1_000, 0.0)
        assert google["cac"] is None
        assert google["cpa"] is None


def test_what_was_not_paid_for_has_no_ratio_of_spend() -> None:
    email = by_channel("linear", costs())["email"]
    assert [email[name] for name in ("roas", "cac", "cpa", "poas", "claimed_roas")] == [None] * 5


def test_one_order_without_cost_leaves_the_margin_of_its_channels_unknown() -> None:
    found = by_channel("linear", costs(o1=0.4, o2=None))
    assert found["meta"]["margin"] is found["meta"]["poas"] is None
    assert found["meta"]["cost_known"] == pytest.approx(5 / 8)
    assert found["email"]["margin"] == 3_000


def test_each_model_shares_out_the_same_orders_and_the_largest_channel_leads() -> None:
    rows = performance(CREDITED, SPEND, costs(), by=("channel",))
    assert rows["model"].to_list() == sorted(rows["model"].to_list())
    assert rows.filter(pl.col("model") == "linear")["channel"].to_list() == ["meta", "email", "google", "unattributed"]
    assert rows.filter(pl.col("model") == "linear")["revenue"].sum() == 13_000


def test_campaigns_keep_apart_what_a_channel_joins() -> None:
    rows = performance(CREDITED.filter(pl.col("channel") == "meta"), SPEND, costs(), by=("channel", "campaign_id"))
    found = {row["campaign_id"]: row for row in rows.iter_rows(named=True)}
    assert (found["c1"]["roas"], found["c2"]["roas"], found["g1"]["revenue"]) == (2.5, None, 0)


def test_columns_that_matter_least_leave_a_narrow_terminal_first() -> None:
    titles, cells, ranks = ["name", "a", "bb", "c"], [["x", "1", "2", "3"]], [-1, 0, 2, 2]
    assert fitting(titles, cells, ranks, None) == [0, 1, 2, 3]
    assert fitting(titles, cells, ranks, 14) == [0, 1, 2, 3]
    assert fitting(titles, cells, ranks, 13) == [0, 1, 2]
    assert fitting(titles, cells, ranks, 10) == [0, 1]
    assert fitting(titles, cells, ranks, 1) == [0]
