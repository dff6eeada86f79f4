"""What every attribution model promises, whoever adds it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cortex import plugins
from cortex.attribution import Journeys, Paths, credit, totals_of

MODELS = plugins.kinds("attribution")
ALONE = [kind for kind in MODELS if not getattr(plugins.module("attribution", kind), "LEARNS", False)]
"""Models that look at one order at a time."""
LEARNING = [kind for kind in MODELS if kind not in ALONE]
CHANNELS = 5


@st.composite
def journeys(draw: st.DrawFn) -> Journeys:
    """Orders, and for half of them a market with journeys that led nowhere."""
    lengths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=12))
    touches = sum(lengths)
    hours = draw(st.lists(st.floats(0, 2000), min_size=touches, max_size=touches))
    ordered = np.concatenate(
        [sorted(part, reverse=True) for part in np.split(np.array(hours), np.cumsum(lengths)[:-1])]
    )
    numbers = st.lists(st.integers(0, CHANNELS - 1), min_size=touches, max_size=touches)
    channels = np.array(draw(numbers), dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    market = draw(paths()) if draw(st.booleans()) else None
    return Journeys(offsets, channels, channels == 0, ordered, market)


@st.composite
def paths(draw: st.DrawFn) -> Paths:
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=15))
    touches, count = sum(lengths), len(lengths)
    channels = draw(st.lists(st.integers(0, CHANNELS - 1), min_size=touches, max_size=touches))
    bought = np.array(draw(st.lists(st.integers(0, 9), min_size=count, max_size=count)), dtype=np.float64)
    nulls = np.array(draw(st.lists(st.integers(1, 90), min_size=count, max_size=count)), dtype=np.float64)
    return Paths(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        np.array(channels, dtype=np.int64),
        bought,
        bought * draw(st.floats(1, 500)),
        nulls,
        np.arange(CHANNELS) == 0,
    )


@pytest.mark.parametrize("kind", MODELS)
@given(told=journeys())
@settings(max_examples=60, deadline=None)
def test_shares_are_a_whole_order(kind: str, told: Journeys) -> None:
    shares = plugins.module("attribution", kind).model(told)
    assert shares.shape == (told.touches,)
    assert (shares >= 0).all()
    assert np.bincount(told.order_of, weights=shares) == pytest.approx(np.ones(told.orders))


@pytest.mark.parametrize("kind", MODELS)
@given(told=journeys(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_credits_of_an_order_sum_to_its_value_to_the_cent(kind: str, told: Journeys, data: st.DataObject) -> None:
    cents = np.array(
        data.draw(st.lists(st.integers(-10_000_000, 10_000_000_000), min_size=told.orders, max_size=told.orders)),
        dtype=np.int64,
    )
    money = credit(told, plugins.module("attribution", kind).model(told), cents)
    assert np.bincount(told.order_of, weights=money, minlength=told.orders).astype(np.int64).tolist() == cents.tolist()


@pytest.mark.parametrize("kind", ALONE)
@given(told=journeys())
@settings(max_examples=30, deadline=None)
def test_an_order_does_not_depend_on_the_orders_around_it(kind: str, told: Journeys) -> None:
    model = plugins.module("attribution", kind).model
    whole = model(told)
    for at in range(told.orders):
        part = slice(told.offsets[at], told.offsets[at + 1])
        alone = Journeys(
            np.array([0, told.lengths[at]]), told.channel[part], told.is_direct[part], told.hours_before[part]
        )
        assert model(alone) == pytest.approx(whole[part])


@pytest.mark.parametrize("kind", LEARNING)
@given(told=journeys())
@settings(max_examples=30, deadline=None)
def test_a_model_that_learns_does_not_depend_on_the_order_of_the_orders(kind: str, told: Journeys) -> None:
    model = plugins.module("attribution", kind).model
    parts = [slice(told.offsets[i], told.offsets[i + 1]) for i in reversed(range(told.orders))]
    turned = np.concatenate([np.arange(told.touches)[part] for part in parts])
    backwards = Journeys(
        np.concatenate([[0], np.cumsum(told.lengths[::-1])]),
        told.channel[turned],
        told.is_direct[turned],
        told.hours_before[turned],
        told.market,
    )
    assert model(backwards) == pytest.approx(model(told)[turned], abs=1e-6)


@pytest.mark.parametrize("kind", MODELS)
@given(market=paths())
@settings(max_examples=60, deadline=None)
def test_totals_are_the_orders_and_the_money_of_the_market(kind: str, market: Paths) -> None:
    found = totals_of(plugins.module("attribution", kind), market)
    assert found.conversions.shape == found.value.shape == (CHANNELS,)
    assert (found.conversions >= 0).all()
    assert (found.value >= 0).all()
    assert found.conversions.sum() == pytest.approx(market.conversions.sum())
    assert found.value.sum() == pytest.approx(market.value.sum())
    if found.removal_effect is not None:
        assert ((found.removal_effect >= 0) & (found.removal_effect <= 1 + 1e-9)).all()


@pytest.mark.parametrize("kind", MODELS)
@given(market=paths())
@settings(max_examples=30, deadline=None)
def test_a_path_may_fill_one_row_or_a_row_for_each_journey(kind: str, market: Paths) -> None:
    module = plugins.module("attribution", kind)
    part, rest = np.floor(market.conversions / 2), np.ceil(market.conversions / 2)
    split = Paths(
        np.concatenate([market.offsets, market.offsets[1:] + market.offsets[-1]]),
        np.tile(market.channel, 2),
        np.concatenate([part, rest]),
        np.concatenate([market.value, 0.0 * market.value]),
        np.concatenate([0.0 * market.nulls, market.nulls]),
        market.is_direct,
    )
    once, twice = totals_of(module, market), totals_of(module, split)
    assert twice.conversions == pytest.approx(once.conversions, abs=1e-5)


def test_one_touch_gets_everything_whatever_the_model() -> None:
    alone = Journeys(np.array([0, 1]), np.array([2]), np.array([False]), np.array([3.0]))
    for kind in MODELS:
        assert plugins.module("attribution", kind).model(alone).tolist() == [1.0]


def test_no_orders_no_shares() -> None:
    nothing = np.zeros(0)
    none = Journeys(np.zeros(1, dtype=np.int64), nothing.astype(np.int64), nothing.astype(bool), nothing)
    for kind in MODELS:
        assert plugins.module("attribution", kind).model(none).shape == (0,)
