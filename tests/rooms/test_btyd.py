"""Repeat purchases and their value: published results, definitions by quadrature, and what is said when a model cannot be used."""

import json
import math
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal, localcontext
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from cortex.cli.app import main
from cortex.customers import ahead, frequency, grouping, prediction, spend
from cortex.customers.summary import summary
from cortex.errors import UsageError

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"
CUT, END = date(1997, 9, 30), date(1998, 6, 30)


def cdnow(name: str, customer: int) -> pl.DataFrame:
    file = SHARED / "cdnow" / name
    if not file.is_file():
        pytest.skip("the CDNOW files are not beside the project")
    rows = [line.split() for line in file.read_text().splitlines() if line.split()[0].isdigit()]
    return pl.DataFrame(
        {
            "customer_key": [row[customer] for row in rows],
            "day": [date.fromisoformat(row[customer + 1]) for row in rows],
            "value": [float(row[-1]) for row in rows],
        }
    )


@pytest.fixture(scope="module")
def sample() -> pl.DataFrame:
    return cdnow("CDNOW_sample.txt", 1)


@pytest.fixture(scope="module")
def buyers(sample: pl.DataFrame) -> grouping.Statistics:
    table = summary(sample, until=CUT)
    return grouping.grouped(table["frequency"].to_numpy(), table["recency"].to_numpy(), table["age"].to_numpy())


def one(x: float, recency: float, age: float) -> grouping.Statistics:
    return grouping.grouped(np.array([x]), np.array([recency]), np.array([age]))


def test_summary_counts_days_not_orders() -> None:
    day = date(2026, 1, 1)
    purchases = pl.DataFrame(
        {
            "customer_key": ["a", "a", "a", "a", "b", "c"],
            "day": [day, day, day + timedelta(7), day + timedelta(21), day, day + timedelta(40)],
            "value": [10.0, 5.0, 20.0, 40.0, 9.0, 1.0],
        }
    )
    table = summary(purchases, until=day + timedelta(28))
    assert table.rows() == [("a", 2, 3.0, 4.0, 30.0), ("b", 0, 0.0, 4.0, 0.0)]


def test_bg_nbd_of_cdnow_is_the_published_one(buyers: grouping.Statistics) -> None:
    assert buyers.weight.sum() == 2357
    found = frequency.fit(buyers, "bg_nbd")
    assert found.converged
    assert {name: round(value, 3) for name, value in found.parameters.items()} == {
        "r": 0.243, "alpha": 4.414, "a": 0.793, "b": 2.426,
    }  # fmt: skip
    assert round(found.log_likelihood, 1) == -9582.4
    assert found.error is not None
    assert found.error["r"] == pytest.approx(0.0126, abs=1e-4)
    assert frequency.expected(found, one(2, 30.43, 38.86), 39.0)[0] == pytest.approx(1.226, abs=5e-4)
    weeks = np.array([0.1429, 1, 3, 31.8571, 32, 78])
    assert frequency.expected_of_newcomer(found, weeks).round(4).tolist() == [
        0.0078, 0.0532, 0.1506, 1.0405, 1.0437, 1.8580,
    ]  # fmt: skip


def test_mbg_nbd_of_cdnow_is_the_published_one(buyers: grouping.Statistics) -> None:
    found = frequency.fit(buyers, "mbg_nbd")
    assert {name: round(value, 3) for name, value in found.parameters.items()} == {
        "r": 0.525, "alpha": 6.183, "a": 0.891, "b": 1.614,
    }  # fmt: skip


def test_gamma_gamma_of_cdnow_is_the_published_one(sample: pl.DataFrame) -> None:
    table = summary(sample, until=CUT).filter((pl.col("frequency") > 0) & (pl.col("monetary") > 0))
    assert table.height == 946
    found = spend.fit(table["frequency"].to_numpy(), table["monetary"].to_numpy())
    assert {name: round(value, 2) for name, value in found.parameters.items()} == {"p": 6.25, "q": 3.74, "v": 15.44}
    assert found.converged


def test_hold_out_of_the_whole_cdnow_is_the_known_one() -> None:
    told = prediction.validate(cdnow("CDNOW_master.txt", 0), cut=CUT, until=END)
    assert told.buyers == 23570
    assert told.model == "bg_nbd"
    assert told.auc == pytest.approx(0.763, abs=5e-4)
    assert 0.55 < told.gini < told.gini_best < 1
    assert told.predicted_orders / told.actual_orders == pytest.approx(0.86, abs=5e-3)
    assert told.predicted_value / told.actual_value == pytest.approx(0.83, abs=5e-3)
    assert told.calibration["buyers"].sum() == 23570


def by_definition(rate: float, leave: float, stay: float, reach: float) -> float:
    """The published formula, one minus a hypergeometric series, with eighty digits: what cancels leaves enough of them."""
    with localcontext() as context:
        context.prec = 80
        k, a, b, u = (Decimal(number) for number in (rate, leave, stay, reach))
        if a == 1:
            a += Decimal("1e-30")  # the formula has a hole there, its value has none
        c, odds = a + b - 1, u / (1 + u)
        term, whole, n = Decimal(1), Decimal(1), 0
        while n < 20 or term > whole * Decimal("1e-60"):
            term *= (k + n) * (b + n) / ((c + n) * (n + 1)) * odds
            whole += term
            n += 1
        return float(c / (a - 1) * (1 - whole * (-k * (1 + u).ln()).exp()))


EDGES = [
    (0.01, 0.05, 0.3, 1e-4), (0.24, 0.79, 2.43, 8.0), (2.24, 1.0, 4.43, 0.6), (5.4, 2.0, 3.0, 1.0), (30.2, 0.9, 78.0, 2.2),
    (100.4, 0.25, 140.0, 12.0), (301.0, 1.5, 304.0, 0.3), (5000.3, 0.8, 5002.0, 0.1), (19.0, 20.0, 0.05, 35.0),
]  # fmt: skip


@pytest.mark.parametrize(("rate", "leave", "stay", "reach"), EDGES)
def test_purchases_ahead_are_the_published_formula(rate: float, leave: float, stay: float, reach: float) -> None:
    """Also where scipy's hypergeometric function returns minus 10^15: a buyer of 30 repeat orders, twice the age ahead."""
    wanted = pytest.approx(by_definition(rate, leave, stay, reach), rel=1e-10)
    ready = (np.array([rate]), leave, np.array([stay]), np.array([reach]))
    assert ahead.purchases(*ready)[0] == wanted
    assert ahead._sum(*ready)[0] == wanted
    assert ahead._integral(*ready)[0] == wanted


def test_purchases_ahead_of_many_are_those_of_each() -> None:
    """In one pass or alone, short sums and long, the sum and the integral: the same, and never less for a longer time."""
    rng = np.random.default_rng(4)
    rate, stay = rng.gamma(1, 4, 400) + 0.01, rng.gamma(2, 3, 400) + 0.01
    reach = np.sort(np.exp(rng.uniform(np.log(1e-4), np.log(3000), (400, 6))), axis=1)
    told = ahead.purchases(rate[:, None], 0.7, stay[:, None], reach)
    assert (np.diff(told, axis=1) >= 0).all()
    assert (reach > ahead.FAR).any()
    alone = [
        ahead._integral(rate[i : i + 1], 0.7, stay[i : i + 1], reach[i, j : j + 1])[0]
        for i in range(9)
        for j in range(6)
    ]
    assert told[:9].ravel() == pytest.approx(np.array(alone), rel=1e-10)


@pytest.mark.parametrize("kind", ["bg_nbd", "mbg_nbd"])
def test_the_curvature_is_that_of_the_likelihood(kind: frequency.Kind, buyers: grouping.Statistics) -> None:
    likelihood = frequency.Likelihood(buyers, kind)
    at, step = np.log([0.4, 7.0, 1.3, 2.0]), 1e-5
    bent = [(likelihood(at + step * u).slope - likelihood(at - step * u).slope) / (2 * step) for u in np.eye(4)]
    assert likelihood(at, curved=True).curvature == pytest.approx(np.array(bent), rel=1e-5, abs=1e-7)


def test_the_curvature_of_value_is_that_of_its_likelihood() -> None:
    rng = np.random.default_rng(2)
    likelihood = spend.Likelihood(rng.integers(1, 9, 200).astype(float), rng.gamma(3, 20, 200))
    at, step = np.log([2.0, 3.0, 40.0]), 1e-5
    bent = [(likelihood(at + step * u).slope - likelihood(at - step * u).slope) / (2 * step) for u in np.eye(3)]
    assert likelihood(at, curved=True).curvature == pytest.approx(np.array(bent), rel=1e-5, abs=1e-7)


@pytest.mark.parametrize("parts", [7.0, math.pi])
def test_equal_buyers_are_told_once(parts: float) -> None:
    """Whole days told as weeks, which are counted, and any other times, which are sorted: the same groups."""
    rng = np.random.default_rng(1)
    x = rng.integers(0, 4, 3000)
    age = rng.integers(1, 12, 3000)
    recency = np.where(x > 0, rng.integers(0, age + 1), 0) / parts
    found = grouping.grouped(x, recency, age / parts)
    wanted = Counter(zip(x.tolist(), (age / parts).tolist(), recency.tolist(), strict=True))
    spots = zip(found.frequency.tolist(), found.age.tolist(), found.recency.tolist(), strict=True)
    assert dict(zip(spots, found.weight.tolist(), strict=True)) == wanted
    assert (found.frequency[found.group_of] == x).all()
    assert (found.recency[found.group_of] == recency).all()
    first, pair_of = found.pairs
    assert len(first) == len({(one, two) for one, two, _ in wanted})
    assert (found.age[first][pair_of] == found.age).all()
    part = found.sample(500)
    assert part.weight.sum() == pytest.approx(500, abs=1)
    assert (part.weight @ part.frequency) / 500 == pytest.approx(x.mean(), rel=0.02)


def test_many_buyers_get_the_parameters_few_steps_lead_to() -> None:
    """Beyond the sample the starts are tried on: the place found is flat to the last buyer."""
    x, last, age, _ = drawn("bg_nbd", 3000, seed=8)
    copies = grouping.grouped(np.tile(x, 20), np.tile(last, 20), np.tile(age, 20))
    assert copies.weight.sum() > 2 * frequency.ENOUGH
    few, many = (frequency.fit(buyers, "bg_nbd") for buyers in (grouping.grouped(x, last, age), copies))
    for name, value in few.parameters.items():
        assert many.parameters[name] == pytest.approx(value, rel=1e-5)
    assert few.error is not None
    assert many.error is not None
    assert many.error["r"] == pytest.approx(few.error["r"] / math.sqrt(20), rel=1e-4)


@pytest.mark.parametrize("kind", ["bg_nbd", "mbg_nbd"])
def test_the_slope_is_that_of_the_likelihood(kind: frequency.Kind, buyers: grouping.Statistics) -> None:
    likelihood = frequency.Likelihood(buyers, kind)
    at = np.log([0.4, 7.0, 1.3, 2.0])
    step = 1e-6
    slopes = [(likelihood(at + step * u).value - likelihood(at - step * u).value) / (2 * step) for u in np.eye(4)]
    assert likelihood(at).slope == pytest.approx(np.array(slopes), rel=1e-5)


def test_the_likelihood_of_value_has_the_slope_it_says() -> None:
    rng = np.random.default_rng(2)
    likelihood = spend.Likelihood(rng.integers(1, 9, 200).astype(float), rng.gamma(3, 20, 200))
    at, step = np.log([2.0, 3.0, 40.0]), 1e-6
    slopes = [(likelihood(at + step * u).value - likelihood(at - step * u).value) / (2 * step) for u in np.eye(3)]
    assert likelihood(at).slope == pytest.approx(np.array(slopes), rel=1e-5)


def drawn(kind: frequency.Kind, count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Buyers who live by the model's own story: purchases up to week 52, and in the 26 weeks after it."""
    rng = np.random.default_rng(seed)
    rate, chance = rng.gamma(0.8, 1 / 6.0, count), rng.beta(0.9, 2.2, count)
    x, last, later = np.zeros(count), np.zeros(count), np.zeros(count)
    for i in range(count):
        now, gone = 0.0, kind == "mbg_nbd" and rng.random() < chance[i]
        while not gone:
            now += rng.exponential(1 / max(rate[i], 1e-12))
            if now > 78:
                break
            if now <= 52:
                x[i], last[i] = x[i] + 1, now
            else:
                later[i] += 1
            gone = rng.random() < chance[i]
    return x, last, np.full(count, 52.0), later


@pytest.mark.parametrize("kind", ["bg_nbd", "mbg_nbd"])
def test_parameters_that_made_the_data_are_found_again(kind: frequency.Kind) -> None:
    x, last, age, later = drawn(kind, 5000, seed=5)
    buyers = grouping.grouped(x, last, age)
    found = frequency.fit(buyers, kind)
    assert found.error is not None
    for name, truth in {"r": 0.8, "alpha": 6.0, "a": 0.9, "b": 2.2}.items():
        assert abs(found.parameters[name] - truth) < 4 * found.error[name]
    predicted = frequency.expected(found, buyers, 26.0)[buyers.group_of]
    assert predicted.sum() == pytest.approx(later.sum(), rel=0.08)


@pytest.mark.parametrize("late", [0, 1])
@pytest.mark.parametrize("a", [0.6, 1.0, 1.7])
def test_expected_purchases_are_the_integral_of_their_definition(late: int, a: float) -> None:
    """E = integral of rate and chance to leave over what the buyer's past says of both (Bayes), by brute force."""
    kind: frequency.Kind = "mbg_nbd" if late else "bg_nbd"
    model = frequency.Fit(kind, 0.7, 5.0, a, 2.0, None, 0.0, converged=True)
    x, recency, age, horizon = 3.0, 20.0, 30.0, 15.0
    rates = (np.arange(4000) + 0.5) / 4000 * 3.0
    # Finer towards 0, where the density of the chance to leave may have no bound.
    spots = (np.arange(1500) + 0.5) / 1500
    rate, spot = np.meshgrid(rates, spots, indexing="ij")
    chance = spot**4
    prior = 4 * spot**3 * rate ** (0.7 - 1) * np.exp(-5.0 * rate) * chance ** (a - 1) * (1 - chance) ** (2.0 - 1)
    stayed = (1 - chance) ** (x + late) * rate**x * np.exp(-rate * age)
    left = chance * (1 - chance) ** (x + late - 1) * rate**x * np.exp(-rate * recency)
    ahead = (1 - np.exp(-rate * chance * horizon)) / chance
    whole = (prior * (stayed + left)).sum()
    assert frequency.alive(model, one(x, recency, age))[0] == pytest.approx((prior * stayed).sum() / whole, rel=2e-3)
    told = (prior * stayed * ahead).sum() / whole
    assert frequency.expected(model, one(x, recency, age), horizon)[0] == pytest.approx(told, rel=2e-3)


def test_a_very_frequent_buyer_does_not_overflow() -> None:
    model = frequency.Fit("bg_nbd", 0.25, 4.4, 0.8, 2.4, None, 0.0, converged=True)
    found = frequency.expected(model, one(5000, 519.99, 520.0), 52.0)
    assert np.isfinite(found).all()
    assert 300 < found[0] < 520


def test_buyers_of_one_purchase_never_leave_under_bg_nbd_and_may_under_mbg_nbd(sample: pl.DataFrame) -> None:
    old = one(0, 0, 200.0)
    assert frequency.alive(frequency.Fit("bg_nbd", 0.24, 4.4, 0.8, 2.4, None, 0, converged=True), old)[0] == 1
    assert frequency.alive(frequency.Fit("mbg_nbd", 0.52, 6.2, 0.9, 1.6, None, 0, converged=True), old)[0] < 0.5
    told = prediction.forecast(sample, until=CUT).buyers
    assert told.filter(pl.col("frequency") == 0)["p_alive"].max() < 1  # type: ignore[operator]


def test_discounted_value_is_less_than_the_sum_of_the_months(sample: pl.DataFrame) -> None:
    plain = prediction.forecast(sample, until=CUT, monthly_discount=0.0).buyers
    dear = prediction.forecast(sample, until=CUT, monthly_discount=0.02).buyers
    assert plain["clv"].to_list() == pytest.approx(plain["value_365"].to_list(), rel=1e-9)
    ratio = dear["clv"].sum() / plain["clv"].sum()
    assert 1.02**-12 < ratio < 1.02**-1


def few(repeat: int, *, rich: bool = False) -> pl.DataFrame:
    """A shop whose repeat buyers come back once every ten days; `rich` ones spend by how often they come."""
    start = date(2026, 1, 1)
    rows = [(f"one-{i:04}", start + timedelta(i % 90), 100.0) for i in range(300)]
    for i in range(repeat):
        visits = 1 + i % 6
        rows += [(f"more-{i:03}", start + timedelta(i % 80), 100.0)]
        rows += [
            (f"more-{i:03}", start + timedelta(i % 80 + 10 * k), (60.0 * visits if rich else 80.0 + 7 * (i % 11)))
            for k in range(1, visits + 1)
        ]
    return pl.DataFrame(rows, schema=["customer_key", "day", "value"], orient="row")


def test_too_few_repeat_buyers_say_so_and_get_averages() -> None:
    told = prediction.forecast(few(10), until=date(2026, 6, 30), churn_days=60)
    assert (told.model, told.value_model) == ("average", "average")
    assert [note.code for note in told.notes] == ["too_few_repeat_buyers"]
    assert set(told.buyers["p_alive"].to_list()) <= {0.0, 1.0}
    assert told.buyers["orders_365"].is_finite().all()


def test_value_that_goes_with_frequency_says_so_and_gets_the_average() -> None:
    told = prediction.forecast(few(120, rich=True), until=date(2026, 6, 30))
    assert told.correlation > prediction.CORRELATED
    assert "value_depends_on_frequency" in [note.code for note in told.notes]
    assert told.value_model == "average"
    assert told.buyers["order_value"].n_unique() == 1


def test_buyers_all_alike_are_no_reason_to_break() -> None:
    start = date(2026, 1, 1)
    rows = [(f"c{i:03}", start + timedelta(30 * k), 50.0) for i in range(80) for k in range(3)]
    alike = pl.DataFrame(rows, schema=["customer_key", "day", "value"], orient="row")
    told = prediction.forecast(alike, until=date(2026, 6, 30))
    assert told.notes
    assert told.buyers.select(pl.exclude("customer_key").is_finite().all()).row(0) == (True,) * (told.buyers.width - 1)


def test_purchases_refunded_to_nothing_do_not_break_the_value() -> None:
    purchases = few(120).with_columns(value=pl.when(pl.col("customer_key") == "more-007").then(0.0).otherwise("value"))
    told = prediction.forecast(purchases, until=date(2026, 6, 30))
    assert told.buyers["clv"].is_finite().all()


def test_transactions_of_a_file(sample: pl.DataFrame, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "purchases.csv"
    sample.rename({"customer_key": "customer", "day": "date"}).write_csv(file, separator=";")
    assert main(["analyze", "transactions", str(file), "--until", "1997-09-30", "--horizon", "273", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert round(data["bg_nbd"]["parameters"]["alpha"], 3) == 4.414
    assert round(data["gamma_gamma"]["parameters"]["p"], 2) == 6.25
    assert data["bg_nbd"]["standard_errors"]["b"] > 0
    assert data["buyers"] == 2357
    assert len(data["customers"]) == 20
    assert data["customers"][0]["clv"] >= data["customers"][1]["clv"]
    assert data["predictions"]["273"]["orders"] == pytest.approx(1653.4, abs=0.1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("customer,date\na,2026-01-01\n", "no column value"),
        ("customer,date,value\n", "no rows"),
        ("customer,date,value\na,31-31-2026,5\n", "row 1: date is '31-31-2026'"),
        ("customer,date,value\na,2026-01-01,5\n,2026-01-02,5\n", "row 2: customer is empty"),
        ("customer,date,value\na,2026-01-01,five\n", "row 1: value is 'five'"),
        ("customer,date,value\na,20/11/26,5\n", "row 1: date is '20/11/26'"),
        ("customer,date,value\na,2026-01-01,\n", "row 1: value is ''"),
        ("customer,Customer ,date,value\na,1,2026-01-01,5\n", "two columns customer"),
    ],
)
def test_a_file_of_purchases_that_cannot_be_used_says_where(text: str, words: str, tmp_path: Path) -> None:
    from cortex.customers import _transactions

    file = tmp_path / "purchases.csv"
    file.write_text(text)
    with pytest.raises(UsageError, match=words):
        _transactions.read(file)


def test_days_and_decimals_as_brazil_writes_them(tmp_path: Path) -> None:
    from cortex.customers import _transactions

    file = tmp_path / "purchases.csv"
    file.write_text("\ufeffCliente;Data;Valor\na;20/11/2026;10,50\nb;2026-11-20T10:00:00;3\nc;20261121;4\n")
    assert _transactions.read(file).rows() == [
        ("a", date(2026, 11, 20), 10.5),
        ("b", date(2026, 11, 20), 3.0),
        ("c", date(2026, 11, 21), 4.0),
    ]


def test_blank_lines_of_a_file_of_purchases_are_nothing(tmp_path: Path) -> None:
    from cortex.customers import _transactions

    file = tmp_path / "purchases.csv"
    file.write_text("customer;date;value\r\n\r\na;20/11/2026;1.234,50\r\n;;\r\n\r\n", newline="")
    assert _transactions.read(file).rows() == [("a", date(2026, 11, 20), 1234.5)]


def test_a_return_comes_off_the_purchase_before_it_and_is_none_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "purchases.csv"
    rows = [
        "a,2026-01-01,10",
        "a,2026-02-01,30",
        "a,2026-02-20,-10",
        "a,2026-02-20,-10",
        "b,2026-01-05,-7",
        "b,2026-03-02,5",
    ]
    file.write_text("\n".join(["customer,date,value", *rows]))
    assert main(["analyze", "transactions", str(file), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    buyers = {row["customer_key"]: row for row in told["data"]["customers"]}
    assert (buyers["a"]["frequency"], buyers["a"]["recency_days"], buyers["a"]["order_value"]) == (1, 29, 10)
    assert (buyers["b"]["frequency"], buyers["b"]["age_days"]) == (0, 0)
    messages = {note["code"]: note["message"] for note in told["warnings"]}
    assert messages["returns"].startswith("3 rows")
    assert "1 of them follow none" in messages["returns"]
    assert messages["repeated_rows"].startswith("1 rows")
