"""Shoppers who see ads, visit and sometimes buy, with the true effect of every channel known: drawn in arrays, never one by one.

The model. A person has occasions: spells in which they think of buying, each with one to six visits. On an occasion
they buy with probability

    p = scale * person * (intent + sum over channels of effect * dose)

where intent grows with the number of visits (who wants to buy comes back, so last visits look better than they are),
and dose grows less than the number of visits. Effects add up (unless a plan says that they multiply:

    p = scale * person * intent * product over channels of (1 + effect / INTENT * dose)

which is the same for a shopper of one channel), so the orders that would be lost without each channel
sum to no more than all orders. The counterfactual of a channel uses the same random numbers: an order is lost
without it when its draw lies between the probability without and the probability with the channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from cortex.clock import day_start

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

CHANNELS = (
    "meta",
    "google_search",
    "google_pmax",
    "tiktok",
    "email",
    "organic",
    "social",
    "referral",
    "direct",
)
META, SEARCH, PMAX, TIKTOK, EMAIL, ORGANIC, SOCIAL, REFERRAL, DIRECT = range(len(CHANNELS))

INTENT = 0.018
EFFECTS = np.array([0.016, 0.005, 0.008, 0.010, 0.009, 0.004, 0.005, 0.007, 0.0])
SEEN_ONLY = 0.005
"""Effect of an ad of Meta that was seen and not clicked; no visit tells of it."""
MOST_VISITS = 6
BLOCK = 65_536

# Where visits come from, by their place in the occasion: rows are the first of several, one in the middle, the last
# of several, the only one. Upper-funnel channels open, direct and brand search close.
MIX = np.array(
    [
        [0.34, 0.10, 0.16, 0.08, 0.02, 0.12, 0.08, 0.04, 0.06],
        [0.22, 0.14, 0.10, 0.03, 0.10, 0.15, 0.07, 0.03, 0.16],
        [0.14, 0.20, 0.07, 0.02, 0.12, 0.16, 0.05, 0.02, 0.22],
        [0.24, 0.17, 0.14, 0.06, 0.05, 0.14, 0.06, 0.03, 0.11],
    ]
)
SECTOR_TILT = {
    "fashion": np.array([1.25, 0.85, 0.9, 1.4, 1.0, 0.9, 1.3, 1.0, 1.0]),
    "home": np.array([0.85, 1.25, 1.25, 0.5, 1.0, 1.15, 0.8, 1.1, 1.0]),
}
HOURS = np.array(
    [1.6, 0.9, 0.5, 0.3, 0.3, 0.4, 0.8, 1.6, 2.7, 3.9, 4.8, 5.2, 5.1, 4.9, 5.0, 5.1, 5.0, 4.8, 4.9, 5.3, 6.1, 6.3, 5.0, 3.0]
)  # fmt: skip
WEEKDAYS = np.array([1.10, 1.08, 1.05, 1.02, 0.98, 0.84, 0.93])


@dataclass
class Traffic:
    """What happened in the horizon. Instants are epoch seconds; `person` counts from zero."""

    person: Ints
    """By occasion."""
    bought: Bools
    """By occasion."""
    lost_without: Bools
    """By occasion and channel: bought, and would not have without that channel."""
    touched: Bools
    """By occasion and channel: at least one visit."""
    seen_only: Bools
    """By occasion: saw an ad of Meta without clicking."""
    at: Floats
    """By occasion: the last visit, and the order if there was one."""
    device: npt.NDArray[np.int8]
    """By occasion: 0 Android, 1 iOS, 2 desktop."""
    first_visit: Ints
    """By occasion: index of its first visit; visits of one occasion are neighbours, oldest first."""
    visits: Ints
    """By occasion: how many."""
    visit_at: Floats
    visit_channel: npt.NDArray[np.int8]
    visit_occasion: Ints
    visit_stage: npt.NDArray[np.int8]
    """By visit: 0 opens an occasion of several, 1 is in the middle, 2 closes it, 3 is the only one."""


def black_friday(year: int) -> date:
    """The day after the fourth Thursday of November, which Brazil's shops took over."""
    first = date(year, 11, 1)
    return first + timedelta(days=(3 - first.weekday()) % 7 + 22)


def season(day: date) -> float:
    """How much busier a day is than usual, weekday apart."""
    gap = (day - black_friday(day.year)).days
    if gap == 0:
        return 3.4
    if gap in {-1, 1}:
        return 2.0
    if gap in {2, 3}:
        return 1.7
    if -7 <= gap < -1:
        return 1.25
    if day.month == 12 and 3 <= day.day <= 19:
        return 1.2
    if (day.month, day.day) in {(12, 24), (12, 25), (1, 1)}:
        return 0.45
    return 1.0


def busyness(since: datetime, until: datetime, zone: ZoneInfo) -> tuple[Floats, Floats]:
    """Grid of instants (epoch seconds) and the cumulated interest of shoppers up to each, ending at 1."""
    first, last = since.astimezone(zone).date(), until.astimezone(zone).date()
    days = [first + timedelta(days=i) for i in range((last - first).days + 2)]
    starts = np.array([day_start(day, zone).timestamp() for day in days])
    weights = np.array([season(day) * WEEKDAYS[day.weekday()] for day in days])[:, None] * HOURS
    # 24 steps a day; a day of 23 or 25 hours has shorter or longer ones.
    steps = starts[:-1, None] + np.diff(starts)[:, None] * np.arange(24) / 24
    grid = np.concatenate([steps.ravel(), starts[-1:]])
    mass = np.concatenate([[0.0], np.cumsum(weights[:-1].ravel())])
    low, high = np.interp([since.timestamp(), until.timestamp()], grid, mass)
    inside = (grid > since.timestamp()) & (grid < until.timestamp())
    grid = np.concatenate([[since.timestamp()], grid[inside], [until.timestamp()]])
    mass = np.concatenate([[low], mass[inside], [high]])
    return grid, (mass - low) / (high - low)


def simulate(
    rng: np.random.Generator,
    *,
    sector: str,
    since: datetime,
    start: datetime,
    until: datetime,
    orders: int,
    zone: ZoneInfo,
    buys: float = 0.05,
    multiply: bool = False,
    strength: Sequence[float] = (),
) -> Traffic:
    """Traffic from `since` to `until` (aware) with about `orders` orders from `start` on.

    `buys` is the mean chance to buy on an occasion; it sets how many shoppers there are for each buyer. `multiply`:
    channels multiply each other's effect. `strength`: each channel's effect in parts of EFFECTS; empty: all whole.
    """
    grid, mass = busyness(since, until, zone)
    share = 1 - float(np.interp(start.timestamp(), grid, mass))
    count = max(50, round(orders / buys / share))
    person, at = _occasions(rng, count, grid, mass)
    traffic = wander(rng, person, at, sector=sector)
    traffic.seen_only[:] = rng.random(count) < 0.18
    in_window = at >= start.timestamp()
    effects = EFFECTS * np.array(strength) if strength else EFFECTS
    traffic.bought, traffic.lost_without = _buying(
        rng, traffic, effects, in_window=in_window, orders=orders, multiply=multiply
    )
    return traffic


def wander(rng: np.random.Generator, person: Ints, at: Floats, *, sector: str) -> Traffic:
    """The visits of occasions that end at given instants, oldest occasion first. Nobody buys yet."""
    count = len(at)
    visits = 1 + np.minimum(rng.geometric(0.52, count) - 1, MOST_VISITS - 1).astype(np.int64)
    first_visit = np.concatenate([[0], np.cumsum(visits)[:-1]])
    visit_occasion = np.repeat(np.arange(count), visits)
    stage = _stages(visits, first_visit, visit_occasion)
    channel = _channels(rng, stage, sector)
    traffic = Traffic(
        person=person,
        bought=np.zeros(count, dtype=np.bool_),
        lost_without=np.zeros((count, len(CHANNELS)), dtype=np.bool_),
        touched=np.zeros((count, len(CHANNELS)), dtype=np.bool_),
        seen_only=np.zeros(count, dtype=np.bool_),
        at=at,
        device=rng.choice(3, count, p=[0.55, 0.25, 0.20]).astype(np.int8),
        first_visit=first_visit,
        visits=visits,
        visit_at=_visit_times(rng, at, visits, first_visit, visit_occasion),
        visit_channel=channel,
        visit_occasion=visit_occasion,
        visit_stage=stage,
    )
    traffic.touched[visit_occasion, channel] = True
    return traffic


def _occasions(rng: np.random.Generator, count: int, grid: Floats, mass: Floats) -> tuple[Ints, Floats]:
    """Whose occasions, and when: rates differ between people (gamma), and people come and go (exponential lives)."""
    people = max(20, int(count / 2.4))
    span = grid[-1] - grid[0]
    born = grid[0] + span * rng.uniform(-1.2, 1.0, people)
    died = born + rng.exponential(200 * 86400, people) * rng.gamma(2.0, 0.5, people)
    low, high = np.interp(born, grid, mass), np.interp(died, grid, mass)
    weights = np.cumsum(rng.gamma(0.6, 1.0, people) * (high - low))
    person = np.searchsorted(weights, rng.random(count) * weights[-1], side="right").clip(max=people - 1)
    at = np.interp(low[person] + rng.random(count) * (high - low)[person], mass, grid)
    by_time = np.argsort(at, kind="stable")
    return person[by_time].astype(np.int64), np.floor(at[by_time])


def _stages(visits: Ints, first_visit: Ints, visit_occasion: Ints) -> npt.NDArray[np.int8]:
    stage = np.ones(len(visit_occasion), dtype=np.int8)
    stage[first_visit] = 0
    stage[first_visit + visits - 1] = 2
    stage[first_visit[visits == 1]] = 3
    return stage


def _channels(rng: np.random.Generator, stage: npt.NDArray[np.int8], sector: str) -> npt.NDArray[np.int8]:
    tilted = MIX * SECTOR_TILT[sector]
    bounds = np.cumsum(tilted / tilted.sum(axis=1, keepdims=True), axis=1)
    return pick(rng.random(len(stage)), bounds, stage).astype(np.int8)


def pick(draws: Floats, bounds: Floats, stage: npt.NDArray[np.int8]) -> Ints:
    """Which choice each uniform draw falls on; `bounds` are the cumulated shares of the choices, a row for each stage."""
    picked = np.empty(len(draws), dtype=np.int64)
    for row, upto in enumerate(bounds):
        mine = stage == row
        picked[mine] = np.searchsorted(upto[:-1], draws[mine])
    return picked


def _buying(
    rng: np.random.Generator, traffic: Traffic, effects: Floats, *, in_window: Bools, orders: int, multiply: bool
) -> tuple[Bools, Bools]:
    """Who buys, and whose order would be lost without each channel.

    In blocks, because numbers by occasion and channel are the largest there are.
    """
    keenness = rng.lognormal(-0.4, 0.85, int(traffic.person.max()) + 1)[traffic.person]
    blocks = [slice(first, first + BLOCK) for first in range(0, len(keenness), BLOCK)]
    chance = np.concatenate([_chances(traffic, keenness, effects, block, multiply=multiply)[0] for block in blocks])
    scale = _scale(chance[in_window], orders)
    draw = rng.random(len(chance))
    bought = draw < np.minimum(chance * scale, 0.9)
    lost = np.zeros((len(chance), len(CHANNELS)), dtype=np.bool_)
    for block in blocks:
        without = np.minimum(_chances(traffic, keenness, effects, block, multiply=multiply)[1] * scale, 0.9)
        lost[block] = bought[block, None] & (draw[block, None] >= without)
    return bought, lost


def _chances(
    traffic: Traffic, keenness: Floats, effects: Floats, block: slice, *, multiply: bool
) -> tuple[Floats, Floats]:
    """The chance to buy by occasion, and by occasion and channel without the channel, before the scale."""
    intent = keenness[block] * INTENT * (1 + 0.5 * (traffic.visits[block] - 1))
    effect = _effect(traffic, keenness, effects, block)
    if not multiply:
        whole = intent + effect.sum(axis=1)
        return whole, whole[:, None] - effect
    times = 1 + effect / (keenness[block] * INTENT)[:, None]
    product = intent * times.prod(axis=1)
    return product, product[:, None] / times


def _effect(traffic: Traffic, keenness: Floats, effects: Floats, block: slice) -> Floats:
    """What each channel adds to the chance to buy, by occasion and channel, before the scale."""
    width = len(CHANNELS)
    first = traffic.first_visit[block]
    visits = slice(int(first[0]), int(first[-1] + traffic.visits[block][-1]))
    cells = (traffic.visit_occasion[visits] - block.start) * width + traffic.visit_channel[visits]
    dose = np.bincount(cells, minlength=len(first) * width).reshape(-1, width)
    effect: Floats = effects * np.where(dose > 1, 1.4, np.where(dose == 1, 1.0, 0.0))
    effect[:, META] += SEEN_ONLY * traffic.seen_only[block]
    return effect * keenness[block, None]


def _scale(chance: Floats, orders: int) -> float:
    """The factor at which the chances, none above 0.9, add up to the wanted number of orders."""
    scale = 1.0
    for _ in range(20):
        total = float(np.minimum(chance * scale, 0.9).sum())
        scale *= orders / total
    return scale


def _visit_times(rng: np.random.Generator, at: Floats, visits: Ints, first_visit: Ints, visit_occasion: Ints) -> Floats:
    """Backwards from the last visit of an occasion, a day and a half apart on average, within 30 days."""
    gaps = np.floor(np.minimum(rng.exponential(1.5 * 86400, len(visit_occasion)) + 600, 6 * 86400))
    gaps[first_visit + visits - 1] = 0
    upto = np.cumsum(gaps)
    ends = upto[first_visit + visits - 1]
    starts = np.concatenate([[0.0], upto[:-1]])
    times: Floats = at[visit_occasion] - (ends[visit_occasion] - starts)
    return times
