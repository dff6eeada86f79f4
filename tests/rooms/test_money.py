"""Money: exact in, rounded once, split without a cent lost."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cortex.errors import BadRecord
from cortex.money import EXPONENTS, LARGEST, amount, quantum, split

CURRENCIES = st.sampled_from(["BRL", "USD", *EXPONENTS])


@pytest.mark.parametrize(
    ("written", "currency", "meant"),
    [
        ("5190.00", "BRL", "5190.00"),
        ("0.1", "BRL", "0.10"),
        (9.99, "BRL", "9.99"),
        (0.1 + 0.2, "BRL", "0.30"),
        (12, "BRL", "12.00"),
        ("1e3", "BRL", "1000.00"),
        (" 7.50 ", "BRL", "7.50"),
        ("-3.10", "BRL", "-3.10"),
        ("1.005", "BRL", "1.00"),
        ("1.015", "BRL", "1.02"),
        ("1.0051", "BRL", "1.01"),
        ("1990.5", "CLP", "1990"),
        ("1991.5", "CLP", "1992"),
        ("1.2345", "KWD", "1.234"),
        (None, "BRL", "0.00"),
        ("", "BRL", "0.00"),
        ("  ", "BRL", "0.00"),
        (None, "CLP", "0"),
        (Decimal("2.345"), "BRL", "2.34"),
        ("10000000000000", "BRL", "10000000000000.00"),
    ],
)
def test_an_amount_is_what_was_written_in_minor_units(written: object, currency: str, meant: str) -> None:
    assert str(amount(written, currency)) == meant  # type: ignore[arg-type]


@pytest.mark.parametrize("written", ["-0.00", "-0.001", -0.0, Decimal("-0")])
def test_nothing_has_no_sign(written: object) -> None:
    assert str(amount(written)) == "0.00"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "written",
    [
        "abc",
        "1,50",
        "R$ 10",
        "NaN",
        "sNaN",
        "Infinity",
        "-inf",
        float("nan"),
        float("inf"),
        "10000000000000.01",
        "1e999999",
        True,
    ],
)
def test_what_is_no_amount_is_a_bad_record(written: object) -> None:
    with pytest.raises(BadRecord):
        amount(written)  # type: ignore[arg-type]


def test_a_bad_amount_is_not_repeated() -> None:
    with pytest.raises(BadRecord) as caught:
        amount("ana@example.com")
    assert "ana" not in str(caught.value)


@given(st.decimals(-LARGEST, LARGEST, allow_nan=False, places=6), CURRENCIES)
def test_an_amount_is_within_half_a_minor_unit_and_stays_what_it_is(value: Decimal, currency: str) -> None:
    found = amount(value, currency)
    assert abs(found - value) <= quantum(currency) / 2
    assert amount(found, currency) == found
    assert found == found.quantize(quantum(currency))


WEIGHTS = st.lists(
    st.one_of(st.integers(0, 10**6), st.floats(0, 1e6, allow_nan=False), st.decimals(0, 1000, places=3)),
    min_size=1,
    max_size=30,
).filter(lambda weights: sum(Decimal(str(weight)) for weight in weights) > 0)


@st.composite
def totals(draw: st.DrawFn) -> tuple[Decimal, str]:
    currency = draw(CURRENCIES)
    return draw(st.integers(-(10**12), 10**12)) * quantum(currency), currency


@given(totals(), WEIGHTS)
def test_parts_sum_to_the_total_exactly(total: tuple[Decimal, str], weights: list[float]) -> None:
    value, currency = total
    parts = split(value, weights, currency)
    assert len(parts) == len(weights)
    assert sum(parts) == value
    assert all(part == part.quantize(quantum(currency)) for part in parts)


@given(totals(), WEIGHTS)
def test_no_part_is_a_minor_unit_or_more_from_its_exact_share(total: tuple[Decimal, str], weights: list[float]) -> None:
    value, currency = total
    shares = [Decimal(str(weight)) for weight in weights]
    whole = sum(shares, Decimal(0))
    for part, share in zip(split(value, weights, currency), shares, strict=True):
        assert abs(part - value * share / whole) < quantum(currency) * Decimal("1.000001")
        assert share or not part


@given(totals(), WEIGHTS)
def test_a_refund_splits_as_the_mirror_of_its_sale(total: tuple[Decimal, str], weights: list[float]) -> None:
    value, currency = total
    assert split(-value, weights, currency) == [-part for part in split(value, weights, currency)]


@given(st.integers(0, 10**9), WEIGHTS)
def test_more_weight_never_gets_less(cents: int, weights: list[float]) -> None:
    ordered = sorted(weights, key=lambda weight: Decimal(str(weight)), reverse=True)
    parts = split(Decimal(cents) / 100, ordered)
    assert all(first >= second for first, second in pairwise(parts))


@given(st.integers(0, 10**6), st.integers(1, 40))
def test_equal_weights_give_the_odd_cents_to_the_first(cents: int, count: int) -> None:
    parts = split(Decimal(cents) / 100, [1] * count)
    assert parts == sorted(parts, reverse=True)
    assert parts[0] - parts[-1] <= Decimal("0.01")


@pytest.mark.parametrize("weights", [[], [0], [0, 0.0], [-1, 2], [float("nan")], [float("inf"), 1]])
def test_weights_that_mean_nothing_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights must"):
        split(Decimal(10), weights)


@pytest.mark.parametrize(("total", "currency"), [("10.005", "BRL"), ("10.5", "CLP"), ("1.0001", "KWD")])
def test_a_total_with_parts_of_a_cent_is_refused_not_rounded(total: str, currency: str) -> None:
    with pytest.raises(ValueError, match="smaller than"):
        split(Decimal(total), [1, 1], currency)
