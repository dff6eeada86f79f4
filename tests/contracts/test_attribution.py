"""What every attribution model promises, whoever adds it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cortex import plugins
from cortex.attribution import Journeys, credit

MODELS = plugins.kinds("attribution")


@st.composite
def journeys(draw: st.DrawFn) -> Journeys:
    lengths = draw(st.lists(st.integers(1, 6), min_size=1, max_size=12))
    touches = sum(lengths)
    hours = draw(st.lists(st.floats(0, 2000), min_size=touches, max_size=touches))
    ordered = np.concatenate(
        [sorted(part, reverse=True) for part in np.split(np.array(hours), np.cumsum(lengths)[:-1])]
    )
    channels = np.array(draw(st.lists(st.integers(0, 4), min_size=touches, max_size=touches)), dtype=np.int64)
    return Journeys(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), channels, channels == 0, ordered)


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


@pytest.mark.parametrize("kind", MODELS)
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


def test_one_touch_gets_everything_whatever_the_model() -> None:
    alone = Journeys(np.array([0, 1]), np.array([2]), np.array([False]), np.array([3.0]))
    for kind in MODELS:
        assert plugins.module("attribution", kind).model(alone).tolist() == [1.0]
