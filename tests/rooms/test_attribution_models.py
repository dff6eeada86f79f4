"""Attribution models against published numbers, hand calculations and slow oracles that read like the definition."""

from collections import Counter
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.optimize import nnls

from cortex import plugins
from cortex.attribution import (
    Journeys,
    Paths,
    _markov,
    _posterior,
    _sets,
    by_channel,
    data_driven,
    incremental,
    last_non_direct,
    markov_1,
    markov_2,
    markov_3,
    position_based,
    shapley,
    shapley_equal_split,
    time_decay,
    totals_of,
)

Row = tuple[str, float, float, float]


def table(rows: list[Row], *, direct: str = "") -> tuple[list[str], Paths]:
    """Names of the channels and the market of rows (path, orders, money, journeys without an order)."""
    steps = [row[0].split(">") for row in rows]
    names = sorted({name for path in steps for name in path})
    numbers = np.array([names.index(name) for path in steps for name in path])
    columns = np.array([row[1:] for row in rows], dtype=np.float64)
    offsets = np.cumsum([0, *map(len, steps)])
    return names, Paths(
        offsets, numbers, columns[:, 0], columns[:, 1], columns[:, 2], np.array([n == direct for n in names])
    )


def orders(*paths: str, hours: tuple[float, ...] = (), direct: str = "") -> Journeys:
    _, market = table([(path, 1, 1, 0) for path in paths])
    names = sorted({name for path in paths for name in path.split(">")})
    is_direct = np.array([names[number] == direct for number in market.channel])
    told = np.array(hours) if hours else np.zeros(len(market.channel))
    return Journeys(market.offsets, market.channel, is_direct, told)


def test_last_non_direct_skips_direct_visits_unless_there_is_nothing_else() -> None:
    told = orders("m>g>d>d", "d>d", "d>m", direct="d")
    assert last_non_direct.model(told).tolist() == [0, 1, 0, 0, 0, 1, 0, 1]


def test_time_decay_halves_every_week() -> None:
    shares = time_decay.model(orders("a>b>c", hours=(336.0, 168.0, 0.0)))
    assert shares.tolist() == pytest.approx([1 / 7, 2 / 7, 4 / 7])
    assert time_decay.model(orders("a>b", hours=(24.0, 0.0)), half_life=24).tolist() == pytest.approx([1 / 3, 2 / 3])


def test_time_decay_of_visits_years_ago_is_not_lost_in_underflow() -> None:
    assert time_decay.model(orders("a>b", hours=(900_168.0, 900_000.0))).tolist() == pytest.approx([1 / 3, 2 / 3])


def test_position_based_gives_40_20_40() -> None:
    shares = position_based.model(orders("a", "a>b", "a>b>c", "a>b>c>d"))
    assert shares.tolist() == pytest.approx([1, 0.5, 0.5, 0.4, 0.2, 0.4, 0.4, 0.1, 0.1, 0.4])


def test_equal_split_counts_a_channel_once() -> None:
    assert shapley_equal_split.model(orders("a>b>a")).tolist() == pytest.approx([0.25, 0.5, 0.25])


# Three paths whose chain can be solved by hand: P = 1/3, removal effects 0.5, 1, 1.
THREE: list[Row] = [("C1>C2>C3", 1, 10, 0), ("C1", 0, 0, 1), ("C2>C3", 0, 0, 1)]


def test_markov_on_three_paths_by_hand() -> None:
    found = markov_1.totals(table(THREE)[1])
    assert found.removal_effect == pytest.approx([0.5, 1, 1])
    assert found.conversions == pytest.approx([0.2, 0.4, 0.4])
    assert found.value == pytest.approx([2, 4, 4])


def test_a_chain_that_remembers_whole_paths_counts_the_orders_a_channel_was_in() -> None:
    found = markov_3.totals(table(THREE)[1])
    assert found.removal_effect == pytest.approx([1, 1, 1])
    whole = table([("a>b>c", 3, 3, 5), ("b>a", 2, 2, 7), ("c", 5, 5, 1), ("b>c", 1, 1, 0)])[1]
    assert markov_3.totals(whole).removal_effect == pytest.approx([5 / 11, 6 / 11, 9 / 11])


def test_markov_keeps_a_touch_that_repeats_the_one_before() -> None:
    # From a: to a 1/3, to an order 1/3, to nothing 1/3: half the shoppers buy, whatever the loop.
    walk = _markov.chain(table([("a>a", 1, 1, 0), ("a", 0, 0, 1)])[1], 1)
    assert walk.probability.tolist() == pytest.approx([1 / 3])
    assert _markov.removal(walk, 1)[0] == pytest.approx(0.5)


def test_markov_value_weighs_by_what_orders_are_worth_after_a_state() -> None:
    found = markov_1.totals(table([("a", 1, 100, 1), ("b", 1, 300, 1)])[1])
    assert found.conversions == pytest.approx([1, 1])
    assert found.value == pytest.approx([100, 300])


def markov_oracle(rows: list[Row], order: int) -> dict[str, float]:
    """Removal effects by definition: transitions counted path by path, probabilities by following the chain."""
    steps: dict[tuple[object, object], float] = {}
    for path, bought, _, nulls in rows:
        names = path.split(">")
        states: list[object] = [tuple(names[max(0, i - order + 1) : i + 1]) for i in range(len(names))]
        for one, two in zip(["start", *states[:-1]], states, strict=True):
            steps[one, two] = steps.get((one, two), 0) + bought + nulls
        steps[states[-1], "order"] = steps.get((states[-1], "order"), 0) + bought
        steps[states[-1], "null"] = steps.get((states[-1], "null"), 0) + nulls

    def chance(removed: str) -> float:
        out: dict[object, float] = {}
        for (one, _), weight in steps.items():
            out[one] = out.get(one, 0) + weight
        mass: dict[object, float] = {"start": 1.0}
        done = 0.0
        while sum(mass.values()) > 1e-15:
            moved: dict[object, float] = {}
            for (one, two), weight in steps.items():
                part = mass.get(one, 0.0) * weight / out[one] if weight else 0.0
                if two == "order":
                    done += part
                elif isinstance(two, tuple) and two[-1] != removed:
                    moved[two] = moved.get(two, 0.0) + part
            mass = moved
        return done

    whole = chance("")
    names = sorted({name for row in rows for name in row[0].split(">")})
    return {name: 1 - chance(name) / whole for name in names}


def shapley_oracle(rows: list[Row]) -> dict[str, float]:
    """Orders of each channel by definition: the mean over every order of arrival, set by set."""
    bought: dict[frozenset[str], float] = {}
    seen: dict[frozenset[str], float] = {}
    for path, orders_, _, nulls in rows:
        met = frozenset(path.split(">"))
        bought[met] = bought.get(met, 0) + orders_
        seen[met] = seen.get(met, 0) + orders_ + nulls
    rate = {met: bought[met] / seen[met] for met in seen if seen[met]}
    total = dict.fromkeys(sorted({name for met in seen for name in met}), 0.0)
    for met, orders_ in bought.items():
        if not orders_:
            continue
        value = dict.fromkeys(met, 0.0)
        arrivals = list(permutations(sorted(met)))
        for arrival in arrivals:
            for at, name in enumerate(arrival):
                before = frozenset(arrival[:at])
                value[name] += (rate.get(before | {name}, 0.0) - rate.get(before, 0.0)) / len(arrivals)
        positive = {name: max(part, 0.0) for name, part in value.items()}
        for name, part in positive.items():
            total[name] += orders_ * part / sum(positive.values())
    return total


@st.composite
def markets(draw: st.DrawFn) -> list[Row]:
    count = draw(st.integers(1, 12))
    rows: list[Row] = []
    for _ in range(count):
        path = ">".join(draw(st.lists(st.sampled_from("abcde"), min_size=1, max_size=6)))
        bought = draw(st.integers(0, 20))
        rows.append((path, bought, bought * 3.5, draw(st.integers(1, 50))))
    return [*rows, ("a>b", 3, 10.5, 4)]


@pytest.mark.parametrize("order", [1, 2, 3])
@given(rows=markets())
@settings(max_examples=25, deadline=None)
def test_markov_is_the_definition_to_nine_digits(order: int, rows: list[Row]) -> None:
    names, market = table(rows)
    told = markov_oracle(rows, order)
    found, _ = _markov.effects(market, order)
    assert dict(zip(names, found, strict=True)) == pytest.approx(told, abs=1e-9)


@given(rows=markets())
@settings(max_examples=40, deadline=None)
def test_shapley_is_the_definition_to_nine_digits(rows: list[Row]) -> None:
    names, market = table(rows)
    told = shapley_oracle(rows)
    assert dict(zip(names, shapley.totals(market).conversions, strict=True)) == pytest.approx(told, abs=1e-9)
    of_orders = totals_of(type("Plain", (), {"model": staticmethod(shapley.model), "LEARNS": True}), market)
    assert dict(zip(names, of_orders.conversions, strict=True)) == pytest.approx(told, abs=1e-9)


def test_many_states_give_what_few_give() -> None:
    """Above `DENSE` states the system is solved as a sparse one: same numbers."""
    rng = np.random.default_rng(7)
    lengths = rng.integers(1, 7, 3000)
    market = Paths(
        np.concatenate([[0], np.cumsum(lengths)]),
        rng.integers(0, 9, int(lengths.sum())),
        (rng.random(3000) < 0.3).astype(float),
        np.zeros(3000),
        (rng.random(3000) < 0.7).astype(float),
        np.zeros(9, dtype=bool),
    )
    walk = _markov.chain(market, 3)
    assert len(walk.last) > _markov.DENSE
    kept = walk.last != 4
    gains = np.stack([walk.converts, walk.converts * walk.worth], axis=1)
    system = np.eye(len(walk.last))
    system[walk.source, walk.target] -= walk.probability
    inside = np.ix_(kept, kept)
    assert _markov._absorbed(walk, kept, gains) == pytest.approx(
        np.linalg.solve(system[inside], gains[kept]), abs=1e-12
    )


def test_states_too_many_for_one_number_are_counted_all_the_same() -> None:
    rows: list[Row] = [("a>b>a>c", 2, 2, 3), ("b>a>c", 1, 1, 9), ("c>c>a", 4, 4, 1), ("a", 1, 1, 8)]
    _, market = table(rows)
    plain, told = _markov._states(market, 3)
    many, same = _markov._states_of_many(market, 3)
    assert len(told) == len(same)
    assert told[plain].tolist() == same[many].tolist() == market.channel.tolist()
    assert len(set(zip(plain, many, strict=True))) == len(told)


# The worth of coalitions of a widely used example, as rates of a hundred journeys each.
COALITIONS = {"O": 7, "F": 6, "D": 4, "O>F": 15, "O>D": 7, "F>D": 9, "O>F>D": 19}


def test_shapley_of_the_three_channel_example() -> None:
    names, market = table([(path, worth, worth, 100 - worth) for path, worth in COALITIONS.items()])
    values = shapley.values(_sets.sets(market))
    assert names == ["D", "F", "O"]
    assert values[-1] * 100 == pytest.approx([19 / 6, 49 / 6, 46 / 6])
    assert (values[-1] * 100).round(3).tolist() == [3.167, 8.167, 7.667]


def test_a_channel_that_hurts_gets_nothing_and_the_orders_are_still_all_credited() -> None:
    _, market = table([("a", 50, 50, 50), ("b", 10, 10, 90), ("a>b", 20, 20, 80)])
    assert shapley.values(_sets.sets(market))[-1] == pytest.approx([0.30, -0.10])
    assert shapley.totals(market).conversions == pytest.approx([70, 10])


def test_shapley_without_journeys_that_led_nowhere_is_the_equal_split() -> None:
    told = orders("a>b>c", "b>b", "a>c")
    assert shapley.model(told).tolist() == shapley_equal_split.model(told).tolist()


def test_sets_of_more_channels_than_a_word_has_bits() -> None:
    offsets, channel = np.array([0, 3, 5, 8]), np.array([0, 61, 62, 130, 5, 62, 0, 61])
    once = np.ones(3)
    market = Paths(offsets, channel, once, once, once, np.zeros(131, dtype=bool))
    found = _sets.sets(market)
    assert found.of_path[0] == found.of_path[2] != found.of_path[1]
    assert [np.flatnonzero(row).tolist() for row in found.member[found.of_path[:2]]] == [[0, 61, 62], [5, 130]]
    assert shapley.totals(market).conversions.sum() == pytest.approx(3)


@pytest.mark.parametrize("channels", [3, 8, 16, 20, 40, 61, 62, 63, 130])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
def test_sets_are_those_of_their_channels_whatever_their_number(channels: int, dtype: type) -> None:
    rng = np.random.default_rng(3)
    offsets = np.concatenate([[0], np.cumsum(rng.integers(1, 6, 200))])
    channel = rng.integers(0, channels, offsets[-1]).astype(dtype)
    once = np.ones(200)
    found = _sets.sets(Paths(offsets, channel, once, once, once, np.zeros(channels, dtype=bool)))
    for path in range(200):
        met = sorted(set(channel[offsets[path] : offsets[path + 1]].tolist()))
        assert np.flatnonzero(found.member[found.of_path[path]]).tolist() == met


def additive(effects: dict[str, float], base: float, patience: float, shoppers: float) -> list[Row]:
    """A market of all paths up to three touches whose chance to buy is exactly additive."""
    rows: list[Row] = []
    for path in [p for size in (1, 2, 3) for p in permutations(effects, size)] + [(c, c) for c in effects]:
        chance = base + patience * (len(path) - 1) + sum(effects[name] for name in set(path))
        rows.append((">".join(path), chance * shoppers, chance * shoppers * 9, (1 - chance) * shoppers))
    return rows


def test_incremental_finds_the_effects_of_a_market_that_has_them() -> None:
    effects = {"a": 0.02, "b": 0.01, "c": 0.0, "d": 0.0}
    _, market = table(additive(effects, base=0.03, patience=0.01, shoppers=1e10), direct="d")
    found = incremental.fit(market)
    assert found.base == pytest.approx(0.03, abs=1e-6)
    assert found.patience == pytest.approx(0.01, abs=1e-6)
    assert found.repeat == pytest.approx(0, abs=1e-6)
    assert found.lift == pytest.approx([0.02, 0.01, 0, 0], abs=1e-5)
    totals = incremental.totals(market)
    assert totals.conversions / totals.conversions.sum() == pytest.approx([2 / 3, 1 / 3, 0, 0], abs=1e-3)
    assert totals.removal_effect is not None
    assert totals.removal_effect.sum() < 1


def test_incremental_finds_what_coming_again_adds() -> None:
    rows: list[Row] = []
    for path, chance in {
        "d": 0.02,
        "d>d": 0.03,
        "a": 0.03,
        "b": 0.025,
        "a>b": 0.045,
        "a>a": 0.045,
        "b>b": 0.0375,
    }.items():
        rows.append((path, chance * 1e9, chance * 1e9, (1 - chance) * 1e9))
    _, market = table(rows, direct="d")
    found = incremental.fit(market)
    assert found.repeat == pytest.approx(0.5)
    assert found.lift == pytest.approx([0.01 * (1 + 0.5 / 3), 0.005 * (1 + 0.5 / 3), 0], rel=1e-3)


def test_incremental_shares_an_order_by_effect_and_gives_direct_nothing() -> None:
    effects = {"a": 0.02, "b": 0.01, "d": 0.0}
    _, market = table(additive(effects, base=0.03, patience=0.0, shoppers=1e9), direct="d")
    told = Journeys(np.array([0, 2, 4]), np.array([0, 1, 1, 2]), np.zeros(4, bool), np.zeros(4), market)
    assert incremental.model(told) == pytest.approx([2 / 3, 1 / 3, 1, 0], abs=1e-3)


def test_expected_values_are_those_of_a_sum_over_a_fine_grid() -> None:
    precision, linear = np.array([[4.0, 1.5], [1.5, 2.0]]), np.array([1.0, 0.3])
    shape, mean = np.array([[0.5, 2.0], [1.0, 1.0], [32.0, 8.0]]), np.array([[0.3, 0.5], [0.03, 1.5], [0.5, 0.5]])
    found, evidence = _posterior.means(precision, linear, shape, mean)
    root = (np.arange(2000) + 0.5) / 2000 * 3
    x, y = np.meshgrid(root**2, root**2, indexing="ij")
    likely = np.exp(linear[0] * x + linear[1] * y - (4 * x * x + 3 * x * y + 2 * y * y) / 2)
    width = 4 * np.outer(root, root) * (root[1] - root[0]) ** 2
    for at, (shapes, means_) in enumerate(zip(shape, mean, strict=True)):
        prior = [stats.gamma.pdf(side, a, scale=m / a) for side, a, m in zip((x, y), shapes, means_, strict=True)]
        part = likely * prior[0] * prior[1] * width
        assert found[at] == pytest.approx([(part * x).sum() / part.sum(), (part * y).sum() / part.sum()], rel=1e-3)
        assert evidence[at] == pytest.approx(np.log(part.sum()), abs=2e-3)


def test_without_any_likelihood_what_was_expected_before_is_expected_still() -> None:
    shape, mean = np.array([[0.5, 1.0, 8.0]]), np.array([[0.3, 0.03, 1.5]])
    found, evidence = _posterior.means(np.zeros((3, 3)), np.zeros(3), shape, mean)
    assert found == pytest.approx(mean, rel=1e-3)
    assert evidence == pytest.approx(0, abs=1e-3)


def test_in_a_small_market_the_expected_effects_come_nearer_than_the_likeliest() -> None:
    effects = {"a": 0.02, "b": 0.012, "c": 0.008, "e": 0.004, "d": 0.0}
    rng = np.random.default_rng(5)
    ours, likeliest = [], []
    for _ in range(12):
        rows: list[Row] = []
        for path, orders_, _, nulls in additive(effects, base=0.03, patience=0.01, shoppers=60):
            bought = float(rng.binomial(60, orders_ / (orders_ + nulls)))
            rows.append((path, bought, bought, 60 - bought))
        names, market = table(rows, direct="d")
        true = np.array([effects[name] for name in names])
        ours.append(np.abs(incremental.fit(market).lift - true).sum())
        sets = _sets.sets(market)
        columns = np.column_stack([np.ones(market.count), market.lengths - 1.0, sets.member[sets.of_path][:, true > 0]])
        found = nnls(columns, market.conversions / 60)[0][2:]
        likeliest.append(np.abs(found - true[true > 0]).sum())
    assert np.mean(ours) < 0.9 * np.mean(likeliest)


def test_the_default_says_which_model_it_is() -> None:
    _, with_nulls = table(THREE)
    _, without = table([("a>b", 1, 1, 0)])
    assert data_driven.choice(with_nulls) == "incremental"
    assert data_driven.choice(without) == "shapley_equal_split"


def test_repeats_of_a_channel_share_its_credit() -> None:
    told = orders("a>b>a", "b", "a>a>a>b")
    shares = by_channel(told, np.array([3.0, 1.0]))
    assert shares.tolist() == pytest.approx([0.375, 0.25, 0.375, 1, 0.25, 0.25, 0.25, 0.25])


def test_every_model_survives_a_market_in_which_nobody_bought() -> None:
    _, market = table([("a>b", 0, 0, 5), ("b", 0, 0, 2)])
    for kind in plugins.kinds("attribution"):
        found = totals_of(plugins.module("attribution", kind), market)
        assert found.conversions.tolist() == [0, 0]


def test_markov_2_tells_apart_where_a_touch_came_from() -> None:
    # After a, b always buys; after c, never. One touch of memory cannot see it, two can.
    rows: list[Row] = [("a>b", 50, 50, 0), ("c>b", 0, 0, 50)]
    _, market = table(rows)
    assert markov_1.totals(market).conversions[2] > 1
    assert markov_2.totals(market).conversions == pytest.approx([25, 25, 0])


def test_a_channel_that_fits_badly_loses_no_more_orders_than_it_met() -> None:
    _, market = table([("b", 1, 1, 1), ("c", 1, 1, 1), ("b>c", 0, 0, 5), ("a", 0, 0, 6)], direct="a")
    found = incremental.totals(market)
    assert found.removal_effect is not None
    assert (found.removal_effect <= 0.5).all()
    assert found.conversions.sum() == pytest.approx(2)


def rules_oracle(rows: list[Row], direct: str) -> dict[str, dict[str, float]]:
    """Orders of each channel by the rules, path by path as their definitions are read."""
    found: dict[str, dict[str, float]] = {}

    def give(rule: str, name: str, part: float) -> None:
        told = found.setdefault(rule, {})
        told[name] = told.get(name, 0.0) + part

    for path, bought, _, _ in rows:
        names = path.split(">")
        told = [name for name in names if name != direct] or names
        give("first_click", names[0], bought)
        give("last_click", names[-1], bought)
        give("last_non_direct", told[-1], bought)
        for at, name in enumerate(names):
            give("linear", name, bought / len(names))
            give("time_decay", name, bought / len(names))
            ends = {1: [1.0], 2: [0.5, 0.5]}.get(
                len(names), [0.4, *[0.2 / max(len(names) - 2, 1)] * (len(names) - 2), 0.4]
            )
            give("position_based", name, bought * ends[at])
    return found


@given(rows=markets())
@settings(max_examples=40, deadline=None)
def test_rules_are_their_definitions_to_nine_digits(rows: list[Row]) -> None:
    names, market = table(rows, direct="b")
    for rule, told in rules_oracle(rows, "b").items():
        found = totals_of(plugins.module("attribution", rule), market)
        assert dict(zip(names, found.conversions, strict=True)) == pytest.approx(
            {name: told.get(name, 0.0) for name in names}, abs=1e-9
        )
        assert found.value == pytest.approx(found.conversions * 3.5, abs=1e-9)


def drawn(journeys: int, channels: int) -> list[tuple[tuple[int, ...], int]]:
    rng = np.random.default_rng(11)
    return [
        (tuple(rng.integers(0, channels, rng.integers(1, 7)).tolist()), int(rng.random() < 0.3))
        for _ in range(journeys)
    ]


def market_of(told: list[tuple[tuple[int, ...], int]], channels: int, dtype: type) -> Paths:
    bought = np.array([float(one) for _, one in told])
    numbers = np.array([step for path, _ in told for step in path], dtype=dtype)
    offsets = np.cumsum([0, *(len(path) for path, _ in told)])
    return Paths(offsets, numbers, bought, bought * 2.5, 1 - bought, np.arange(channels) == 0)


@pytest.mark.parametrize(
    "kind", ["linear", "last_non_direct", "markov_1", "markov_2", "markov_3", "shapley", "incremental"]
)
def test_a_row_for_each_journey_gives_what_one_for_each_path_gives(kind: str) -> None:
    """Bytes read in many pieces, or words grouped by path in one: a market is the same market however it is held."""
    told = drawn(70_000, 4)
    rows = market_of(told, 4, np.uint8)
    assert rows.count > max(_sets.AT_ONCE, _markov.AT_ONCE), "so that it is read in pieces"
    seen, bought = Counter(path for path, _ in told), Counter(path for path, one in told if one)
    once = market_of([(path, 0) for path in seen], 4, np.int64)
    orders_, whole = (np.array([float(counts[path]) for path in seen]) for counts in (bought, seen))
    grouped = Paths(once.offsets, once.channel, orders_, orders_ * 2.5, whole - orders_, once.is_direct)
    found, same = (totals_of(plugins.module("attribution", kind), market) for market in (rows, grouped))
    assert found.conversions == pytest.approx(same.conversions, rel=1e-9)
    assert found.value == pytest.approx(same.value, rel=1e-9)


def test_every_set_at_once_gives_what_pair_by_pair_gives() -> None:
    market = _sets.sets(market_of(drawn(4000, 7), 7, np.uint8))
    rate = market.conversions / (market.conversions + market.nulls)
    found = np.flatnonzero(rate)
    assert len(found) ** 2 > 7 << 7, "so `values` takes them all at once"
    pairs = np.zeros_like(market.member)
    pairs[found] = shapley._some_values(market.member, market.sizes, rate, found, found)
    assert shapley.values(market) == pytest.approx(pairs, abs=1e-12)


@pytest.mark.parametrize("kind", ["linear", "last_non_direct", "markov_2", "shapley", "incremental"])
def test_money_told_as_the_orders_themselves_is_shared_as_they_are(kind: str) -> None:
    told = market_of(drawn(3000, 4), 4, np.uint8)
    module = plugins.module("attribution", kind)
    once, twice = (
        totals_of(module, Paths(told.offsets, told.channel, told.conversions, value, told.nulls, told.is_direct))
        for value in (told.conversions, told.conversions.copy())
    )
    assert once.conversions.tolist() == twice.conversions.tolist()
    assert once.value == pytest.approx(twice.value, rel=1e-12)
