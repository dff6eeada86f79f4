"""Attribution by hand: models on small journeys, cents that cannot be split evenly, journeys from several sources."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

from cortex import plugins
from cortex.attribution import Journeys, credit, first_click, last_click, linear
from cortex.attribution import _compact as compact
from cortex.attribution._channels import channel_of
from cortex.attribution._journeys import AT_ONCE, MOST_ORDERS, journeys, touchpoints
from cortex.steps.credit import Judged, _exact
from cortex.warehouse import streaming, tables

NOON = datetime(2026, 11, 10, 12, tzinfo=UTC)
TWO = Journeys(np.array([0, 3, 4]), np.array([0, 1, 2, 0]), np.zeros(4, bool), np.array([48.0, 24.0, 1.0, 0.0]))


def test_models_on_one_journey_of_three_touches() -> None:
    assert last_click.model(TWO).tolist() == [0, 0, 1, 1]
    assert first_click.model(TWO).tolist() == [1, 0, 0, 1]
    assert linear.model(TWO).tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1])


def test_cents_that_do_not_divide_go_to_the_earlier_touches() -> None:
    assert credit(TWO, linear.model(TWO), np.array([10000, 5])).tolist() == [3334, 3333, 3333, 5]
    assert credit(TWO, linear.model(TWO), np.array([-10000, 0])).tolist() == [-3334, -3333, -3333, 0]


@pytest.mark.parametrize(
    ("tags", "channel"),
    [
        ({}, "direct"),
        ({"source": "(direct)", "medium": "(none)"}, "direct"),
        ({"source": "google", "medium": "organic"}, "organic"),
        ({"source": "google", "medium": "cpc"}, "google"),
        ({"source": "anything", "gclid": "x"}, "google"),
        ({"braid": "x"}, "google"),
        ({"source": "facebook", "medium": "paid_social"}, "meta"),
        ({"fbclid": "x"}, "meta"),
        ({"source": "ig", "medium": "social", "fbclid": "x"}, "social"),
        ({"source": "instagram", "medium": "bio"}, "social"),
        ({"source": "newsletter", "medium": "Email"}, "email"),
        ({"source": "blog.example", "medium": "referral"}, "referral"),
        ({"source": "tiktok", "medium": "paid"}, "tiktok"),
        ({"ttclid": "x"}, "tiktok"),
        ({"msclkid": "x"}, "bing"),
        ({"source": "whatsapp-grupo"}, "whatsapp"),
        ({"source": "google", "medium": "", "group": "Paid Search"}, "google"),
        ({"source": "x", "medium": "y", "group": "Organic Search"}, "organic"),
        ({"source": "panfleto", "medium": "qr"}, "other"),
    ],
)
def test_channel(tags: dict[str, str], channel: str) -> None:
    assert channel_of(**tags) == channel


def order(key: str, **more: object) -> dict[str, object]:
    return {
        "order_key": key,
        "external_id": f"e-{key}",
        "number": f"n-{key}",
        "customer_key": f"c-{key}",
        "created_at": NOON,
        "marketplace": "",
        **more,
    }


def touch(key: str, ref: str, **more: object) -> dict[str, object]:
    blank = dict.fromkeys(
        ("source", "medium", "campaign", "content", "term", "channel_group", "campaign_id", "gclid", "gbraid", "wbraid",
         "fbclid", "ttclid", "msclkid", "landing_page"), "",
    )  # fmt: skip
    return {
        "touch_key": key,
        "origin": "order",
        "order_ref": ref,
        "day": date(2026, 11, 10),
        "occurred_at": NOON,
        **blank,
        **more,
    }


TOUCHES = dict.fromkeys(touch("t", "o"), pl.String) | {"day": pl.Date, "occurred_at": pl.Datetime("us", "UTC")}
CLICKS = {
    "platform": pl.String,
    "click_id": pl.String,
    "campaign_id": pl.String,
    "adset_id": pl.String,
    "ad_id": pl.String,
}
CAMPAIGNS = {
    "platform": pl.String, "campaign_id": pl.String, "adset_id": pl.String, "ad_id": pl.String, "campaign_name": pl.String,
}  # fmt: skip


def build(
    orders: list[dict[str, object]],
    touches: list[dict[str, object]],
    clicks: list[tuple[str, ...]] = (),  # type: ignore[assignment]
    campaigns: list[tuple[str, ...]] = (),  # type: ignore[assignment]
    window_days: int = 30,
    known: list[dict[str, object]] | None = None,
) -> pl.DataFrame:
    schema = {"created_at": pl.Datetime("us", "UTC")}
    told = compact.touches([pl.DataFrame(touches, schema=TOUCHES).sort("touch_key")])
    points = touchpoints(
        compact.orders([pl.DataFrame(orders, schema_overrides=schema)]),
        told,
        compact.clicks([pl.DataFrame(list(clicks), schema=CLICKS, orient="row")], told),
        pl.DataFrame(list(campaigns), schema=CAMPAIGNS, orient="row"),
        window_days=window_days,
        known=None if known is None else compact.orders([pl.DataFrame(known, schema_overrides=schema)]),
    )
    return compact.spelt(points)


def test_a_journey_is_in_time_order_and_kit_and_order_touches_are_kept() -> None:
    points = build(
        [order("a")],
        [
            touch("t2", "e-a", source="google", medium="cpc", gclid="G1"),
            touch("t1", "e-a", origin="kit", source="facebook", medium="paid", occurred_at=NOON - timedelta(days=3)),
        ],
    )
    assert points["channel"].to_list() == ["meta", "google"]
    assert points["position"].to_list() == [1, 2]
    assert points["hours_before"].to_list() == [72.0, 0.0]


def test_ga4_does_not_count_the_last_visit_twice() -> None:
    points = build(
        [order("a")],
        [
            touch("t1", "e-a", source="google", medium="cpc"),
            touch("t2", "e-a", origin="ga4", source="google", medium="cpc", occurred_at=None),
        ],
    )
    assert points["origin"].to_list() == ["order"]


def test_ga4_speaks_where_the_shop_saw_a_direct_visit() -> None:
    points = build(
        [order("a")],
        [touch("t1", "e-a"), touch("t2", "e-a", origin="ga4", source="newsletter", medium="email", occurred_at=None)],
    )
    assert points["channel"].to_list() == ["email"]


def test_ga4_finds_an_order_by_the_number_the_buyer_sees() -> None:
    points = build(
        [order("a")], [touch("t1", "n-a", origin="ga4", source="google", medium="organic", occurred_at=None)]
    )
    assert points["order_key"].to_list() == ["a"]


def exported(key: str, ref: str, hours: float, **more: object) -> dict[str, object]:
    """A visit as GA4's export tells it, so many hours before the order."""
    return touch(key, ref, origin="ga4_bigquery", occurred_at=NOON - timedelta(hours=hours), **more)


def test_the_export_tells_the_whole_journey_and_nobody_repeats_it() -> None:
    points = build(
        [order("a")],
        [
            exported("t1", "e-a", 48.0, source="facebook", medium="paid_social"),
            exported("t2", "e-a", 24.0),
            exported("t3", "e-a", 0.5, source="google", medium="cpc"),
            touch("k1", "e-a", origin="kit", occurred_at=NOON - timedelta(hours=47.8), source="facebook", medium="cpc"),
            touch("k2", "e-a", source="google", medium="cpc"),
            touch("g", "e-a", origin="ga4", source="google", medium="cpc", occurred_at=None),
        ],
    )
    assert points["channel"].to_list() == ["meta", "direct", "google"]
    assert points["origin"].to_list() == ["ga4_bigquery"] * 3


def test_a_visit_the_export_did_not_see_stays() -> None:
    points = build(
        [order("a")],
        [
            exported("t1", "e-a", 1.0, source="google", medium="cpc"),
            touch("k1", "e-a", origin="kit", occurred_at=NOON - timedelta(days=5), source="newsletter", medium="email"),
            touch("k2", "e-a", source="google", medium="cpc"),
        ],
    )
    assert points["channel"].to_list() == ["email", "google"]
    assert points["origin"].to_list() == ["kit", "ga4_bigquery"]


def test_the_shop_knows_better_where_the_export_saw_a_direct_visit() -> None:
    points = build([order("a")], [exported("t1", "e-a", 1.0), touch("k", "e-a", source="newsletter", medium="email")])
    assert points["channel"].to_list() == ["email"]


def test_the_export_says_nothing_about_orders_it_did_not_see() -> None:
    points = build(
        [order("a"), order("b")],
        [exported("t1", "e-a", 1.0, source="google", medium="cpc"), touch("k", "e-b", source="facebook", medium="cpc")],
    )
    assert dict(points.select("order_key", "channel").iter_rows()) == {"a": "google", "b": "meta"}


def test_a_market_is_numbered_with_the_orders_and_tells_what_ended_in_nothing() -> None:
    points = build([order("a")], [touch("t1", "e-a", source="facebook", medium="cpc")])
    walked = pl.DataFrame({"path": ["direct > meta", "email"], "journeys": [10.0, 4.0], "orders": [2.0, 0.0]})
    _, found = journeys(points, walked)
    market = found.market
    assert market is not None
    assert market.nulls.tolist() == [8.0, 4.0]
    assert market.conversions.tolist() == [2.0, 0.0]
    # direct, email, meta in order of their names: the same numbers for orders and market.
    assert market.channel.tolist() == [0, 2, 1]
    assert found.channel.tolist() == [2]
    assert market.is_direct.tolist() == [True, False, False]
    assert journeys(points, walked.clear())[1].market is None


def test_a_direct_visit_is_kept_when_nobody_knows_better() -> None:
    points = build(
        [order("a")],
        [touch("t1", "e-a"), touch("t2", "e-a", origin="ga4", source="(direct)", medium="(none)", occurred_at=None)],
    )
    assert points["channel"].to_list() == ["direct"]
    assert points["is_direct"].to_list() == [1]


def test_touches_outside_the_window_or_after_the_order_earn_nothing() -> None:
    points = build(
        [order("a")],
        [
            touch("old", "e-a", occurred_at=NOON - timedelta(days=31), source="x", medium="email"),
            touch("late", "e-a", occurred_at=NOON + timedelta(hours=2), source="x", medium="email"),
            touch("kept", "e-a", occurred_at=NOON - timedelta(days=30), source="x", medium="referral"),
        ],
    )
    assert points["channel"].to_list() == ["referral"]


def test_visits_behind_an_order_that_was_never_paid_are_its_buyers() -> None:
    paid = order("b", customer_key="c", created_at=NOON + timedelta(days=1))
    expired = order("a", customer_key="c")
    stranger = order("z")
    touches = [
        touch("t1", "e-a", source="facebook", medium="paid", occurred_at=NOON - timedelta(hours=1)),
        touch("t2", "e-b", source="google", medium="cpc", occurred_at=NOON + timedelta(days=1)),
        touch("t3", "e-z", source="x", medium="email"),
        touch("t4", "e-a", source="x", medium="referral", occurred_at=NOON - timedelta(days=30)),
        touch("t5", "e-a", origin="ga4", source="google", medium="organic", occurred_at=None),
    ]
    points = build([paid], touches, known=[paid, expired, stranger])
    assert points["channel"].to_list() == ["meta", "google"]
    assert points["hours_before"].to_list() == [25.0, 0.0]
    # The earlier order knows nothing of the visits after it.
    both = build([paid, expired], touches)
    assert both.filter(pl.col("order_key") == "a")["channel"].to_list() == ["referral", "meta"]


def test_the_first_visit_a_cookie_tells_with_every_order_is_one_visit() -> None:
    told = {"origin": "kit", "source": "facebook", "medium": "paid", "occurred_at": NOON - timedelta(days=5)}
    orders = [order("a", customer_key="c"), order("b", customer_key="c", created_at=NOON + timedelta(days=1))]
    points = build(orders, [touch("t1", "e-a", **told), touch("t2", "e-b", **told)])
    assert points["order_key"].to_list() == ["a", "b"]


def test_many_touches_are_joined_some_buyers_at_a_time() -> None:
    """What is too much to join at once gives what each buyer alone gives; a number two buyers share is nobody's."""
    keys = [f"{n:x}" for n in range(40)]
    orders = [
        order(key, customer_key=f"{key}buyer", number="n-same" if key in {"1", "2"} else f"n-{key}") for key in keys
    ]
    told = [
        touch(
            f"t{key}", f"n-{key}" if key < "5" else f"e-{key}", source="x", medium="email" if key < "9" else "referral"
        )
        for key in keys
    ]
    shared = touch("shared", "n-same", source="x", medium="sms")
    # An id that is another order's number is the id's.
    crossed = touch("crossed", "e-f", source="x", medium="affiliate")
    orders[3]["number"] = "e-f"
    small = build(orders, [*told, shared, crossed])
    filler = [touch(f"f{n}", "", source="x") for n in range(AT_ONCE)]
    large = build(orders, [*told, shared, crossed, *filler])
    assert large.equals(small)
    assert "sms" not in small["channel"].to_list()
    assert small.filter(pl.col("channel") == "affiliate")["order_key"].to_list() == ["f"]
    assert set(small["order_key"]) >= {key for key in keys if key > "5"}


def test_a_key_of_more_orders_than_a_person_has_is_nobodys_history() -> None:
    orders = [
        order(f"{n:03}", customer_key="till", created_at=NOON + timedelta(minutes=n)) for n in range(MOST_ORDERS + 1)
    ]
    points = build(orders, [touch("t1", "e-000", source="x", medium="email")])
    assert points["order_key"].to_list() == ["000"]


def test_a_click_id_names_the_ad() -> None:
    points = build(
        [order("a")],
        [touch("t1", "e-a", gclid="CaseSensitive", source="google", medium="cpc")],
        clicks=[("google", "CaseSensitive", "c1", "g1", "ad1"), ("google", "casesensitive", "c2", "g2", "ad2")],
    )
    assert points.select("platform", "campaign_id", "adset_id", "ad_id").row(0) == ("google", "c1", "g1", "ad1")


def test_tags_name_the_campaign_by_ad_id_by_campaign_id_or_by_its_only_name() -> None:
    campaigns = [("meta", "c1", "s1", "ad1", "BOFU Remarketing"), ("meta", "c2", "s2", "ad2", "TOFU Frio")]
    told = {"source": "facebook", "medium": "paid"}
    by = {
        "ad": touch("t1", "e-a", content="ad2", **told),
        "id": touch("t2", "e-b", campaign="c1", **told),
        "name": touch("t3", "e-c", campaign="bofu remarketing", **told),
        "nothing": touch("t4", "e-d", campaign="unknown", **told),
    }
    points = build([order(key) for key in "abcd"], list(by.values()), campaigns=campaigns)
    found = {row["order_key"]: (row["campaign_id"], row["ad_id"]) for row in points.iter_rows(named=True)}
    assert found == {"a": ("c2", "ad2"), "b": ("c1", ""), "c": ("c1", ""), "d": ("", "")}


def test_two_campaigns_of_one_name_are_not_guessed_between() -> None:
    campaigns = [("meta", "c1", "", "", "Same"), ("meta", "c2", "", "", "Same")]
    points = build(
        [order("a")], [touch("t1", "e-a", campaign="same", source="facebook", medium="paid")], campaigns=campaigns
    )
    assert points["campaign_id"].to_list() == [""]


def test_a_marketplace_order_needs_no_visit() -> None:
    points = build([order("a", marketplace="meli")], [])
    assert points["channel"].to_list() == ["marketplace"]


def test_no_order_multiplies() -> None:
    touches = [
        touch(f"t{i}", "e-a", origin="kit", source="x", medium="email", occurred_at=NOON - timedelta(hours=i))
        for i in range(5)
    ]
    points = build(
        [order("a"), order("b")], touches, campaigns=[("meta", "x", "", "", "x"), ("google", "x", "", "", "x")]
    )
    keys, told = journeys(points)
    assert keys.to_list() == ["a"]
    assert told.lengths.tolist() == [5]


def test_journeys_of_nothing_are_empty() -> None:
    keys, told = journeys(build([order("a")], []))
    assert keys.to_list() == []
    assert told.orders == 0
    assert credit(told, linear.model(told), np.zeros(0, dtype=np.int64)).tolist() == []


def test_credit_keeps_cents_of_large_orders() -> None:
    told = Journeys(np.array([0, 7]), np.zeros(7, dtype=np.int64), np.zeros(7, bool), np.zeros(7))
    cents = int(Decimal("9999999999.99") * 100)
    assert credit(told, linear.model(told), np.array([cents])).sum() == cents


def test_touches_and_credits_are_streamed_from_the_frame_itself() -> None:
    """Not by way of an object for each value: that is half of the time a large shop's credit takes."""
    orders = [order("a"), order("b")]
    paid = compact.orders(
        [pl.DataFrame(orders, schema_overrides={"created_at": pl.Datetime("us", "UTC")})]
    ).with_columns(
        paid_date=date(2026, 11, 10), net=pl.lit(1001, dtype=pl.Int64), is_new_customer=pl.lit(1, dtype=pl.Int64)
    )
    points = compact.points(build(orders, [touch("t1", "e-a", source="bing", medium="cpc")]))
    keys, journeys_ = journeys(points)
    assert streaming.written(compact.spelt(points.drop("hours_before")), tables.fct_touchpoints)
    parts = list(Judged(paid, points, keys, journeys_, 30).credits(["linear"]))
    assert [len(part) for part in parts] == [1, 1]
    for part in parts:
        assert streaming.written(_exact(part), tables.fct_attribution)


@pytest.mark.parametrize("model", plugins.kinds("attribution"))
def test_every_model_takes_journeys_as_they_are_built(model: str) -> None:
    touches = [
        touch(
            f"{key}{n}",
            f"e-{key}",
            origin="kit",
            occurred_at=NOON - timedelta(hours=5 - n),
            source=source,
            medium="cpc",
        )
        for key, sources in {"a": ("google", "bing", ""), "b": ("google",)}.items()
        for n, source in enumerate(sources)
    ]
    _, told = journeys(build([order("a"), order("b"), order("c")], touches))
    shares = plugins.module("attribution", model).model(told)
    assert np.add.reduceat(shares, told.offsets[:-1]) == pytest.approx([1, 1])
    assert credit(told, shares, np.array([1001, 7])).sum() == 1008
