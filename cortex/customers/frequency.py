"""How often buyers come back and whether they still will: BG/NBD and MBG/NBD by maximum likelihood.

BG/NBD: Fader, Hardie, Lee (2005), "Counting your customers the easy way". While alive a buyer purchases at a rate that
differs between buyers (gamma: r, alpha), and after each repeat purchase leaves with a chance that differs too (beta:
a, b). MBG/NBD: Batislam, Denizel, Filiztekin (2007); here a buyer may leave after the first purchase already, so
that buyers of one purchase are not all alive for certain. The two differ by one in three places: `late`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cortex.customers import ahead, peak
from cortex.customers.grouping import Ints, Statistics
from cortex.customers.peak import dot

Floats = NDArray[np.float64]
Parts = tuple[float, Floats, Floats]
"""Log-likelihood of all buyers, its slope and its curvature by the parameters themselves."""
Kind = Literal["bg_nbd", "mbg_nbd"]
NAMES = ("r", "alpha", "a", "b")
STARTS = ((0.5, 0.5, 1.0, 2.5), (1.0, 1.0, 1.0, 1.0), (0.2, 0.1, 0.5, 5.0), (2.0, 2.0, 2.0, 2.0))
"""r, alpha as a part of the mean age, a, b."""
FAR = 12.0
"""Logarithms beyond this are no estimate any more: the likelihood has its maximum at infinity or zero."""
ENOUGH = 20_000
"""Buyers among whom the starts are tried."""


@dataclass(frozen=True)
class Fit:
    """Parameters by maximum likelihood. error: standard errors from the curvature; None where it is not a maximum.

    alpha is in the unit of recency and age. converged: the climb ended on a peak inside the range.
    """

    kind: Kind
    r: float
    alpha: float
    a: float
    b: float
    error: dict[str, float] | None
    log_likelihood: float
    converged: bool

    @property
    def late(self) -> int:
        """0 for BG/NBD, whose buyers can leave after a repeat purchase only; 1 for MBG/NBD."""
        return int(self.kind == "mbg_nbd")

    @property
    def parameters(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in NAMES}


class Likelihood:
    """The log-likelihood of grouped buyers, in the logarithms of r, alpha, a, b.

    Gamma functions see the frequency alone and logarithms of time the age or the recency alone: each is computed once
    for each distinct value. A group costs one exponential.
    """

    def __init__(self, buyers: Statistics, kind: Kind) -> None:
        self.late = int(kind == "mbg_nbd")
        self.buyers = buyers
        weight, x = buyers.weight, buyers.frequency
        self.total = float(weight.sum())
        self.of_count = _sums(buyers.count_at, weight, buyers.counts)
        self.of_age = _sums(buyers.age_at, weight, buyers.ages)
        self.bought_by_age = _sums(buyers.age_at, weight * x, buyers.ages)
        self.may_leave = (buyers.counts > 0) | bool(self.late)

    def __call__(self, logs: Floats, *, curved: bool = False) -> peak.Point:
        theta = np.exp(logs)
        value, slope, curvature = self._alike(*theta, curved=curved)
        more, steeper, bent = self._lost(*theta, curved=curved)
        return peak.in_logs(value + more, slope + steeper, curvature + bent, theta, self.total)

    def _alike(self, r: float, alpha: float, a: float, b: float, *, curved: bool) -> Parts:
        """What a buyer's frequency and age say, as if all were still there."""
        from scipy.special import betaln, gammaln, psi, zeta

        buyers, weight, late = self.buyers, self.of_count, self.late
        x, stay = buyers.counts, alpha + buyers.ages
        silent = r * self.of_age + self.bought_by_age
        log_stay = np.log(stay)
        value = dot(weight, gammaln(r + x) - gammaln(r) + betaln(a, b + x + late) - betaln(a, b))
        value += self.total * r * np.log(alpha) - dot(silent, log_stay)
        both = dot(weight, psi(a + b + x + late)) - self.total * psi(a + b)
        slope = np.array([
            dot(weight, psi(r + x)) - self.total * (psi(r) - np.log(alpha)) - dot(self.of_age, log_stay),
            self.total * r / alpha - dot(silent, 1 / stay),
            -both,
            dot(weight, psi(b + x + late)) - self.total * psi(b) - both,
        ])  # fmt: skip
        curvature = np.zeros((4, 4))
        if curved:
            # zeta(2, z) is the trigamma function.
            all_b = dot(weight, zeta(2, a + b + x + late)) - self.total * zeta(2, a + b)
            curvature[0, 0] = dot(weight, zeta(2, r + x)) - self.total * zeta(2, r)
            curvature[0, 1] = curvature[1, 0] = self.total / alpha - dot(self.of_age, 1 / stay)
            curvature[1, 1] = dot(silent, 1 / stay**2) - self.total * r / alpha**2
            curvature[2:, 2:] = -all_b
            curvature[3, 3] += dot(weight, zeta(2, b + x + late)) - self.total * zeta(2, b)
        return float(value), slope, curvature

    def _lost(self, r: float, alpha: float, a: float, b: float, *, curved: bool) -> Parts:
        """What silence since the last purchase adds: the odds of gone against still there."""
        buyers, weight = self.buyers, self.buyers.weight
        often = r + buyers.frequency
        leave = np.where(self.may_leave, b + buyers.counts + self.late - 1, 1.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            odds = np.where(self.may_leave, np.log(a / leave), -np.inf)
        stay, left = alpha + buyers.ages, alpha + buyers.recencies
        apart = np.log(stay)[buyers.age_at] - np.log(left)[buyers.recency_at]
        near = (1 / stay)[buyers.age_at] - (1 / left)[buyers.recency_at]
        gone = odds[buyers.count_at] + often * apart
        small = np.exp(-np.abs(gone))
        dead = np.where(gone > 0, 1.0, small) / (1 + small)
        value = dot(weight, np.maximum(gone, 0.0) + np.log1p(small))
        lost = weight * dead
        by_count = _sums(buyers.count_at, lost, buyers.counts)
        slope = np.array([dot(lost, apart), dot(lost * often, near), by_count.sum() / a, -dot(by_count, 1 / leave)])
        curvature = np.zeros((4, 4))
        if curved:
            along = np.stack([apart, often * near, np.full(len(often), 1 / a), -(1 / leave)[buyers.count_at]])
            curvature = np.einsum("in,jn->ij", along * (lost * (1 - dead)), along)
            nearer = (1 / stay**2)[buyers.age_at] - (1 / left**2)[buyers.recency_at]
            curvature[0, 1] += dot(lost, near)
            curvature[1, 0] += dot(lost, near)
            curvature[1, 1] -= dot(lost * often, nearer)
            curvature[2, 2] -= by_count.sum() / a**2
            curvature[3, 3] += dot(by_count, 1 / leave**2)
        return float(value), slope, curvature


def _sums(at: Ints, weight: Floats, values: Floats) -> Floats:
    """Weight of each of the distinct `values`."""
    return np.bincount(at, weights=weight, minlength=len(values)).astype(np.float64, copy=False)


def fit(buyers: Statistics, kind: Kind) -> Fit:
    """The most likely parameters, from several starts. Never raises: look at `converged`."""
    likelihood = Likelihood(buyers, kind)
    total = likelihood.total
    scale = max(float(np.average(buyers.age, weights=buyers.weight)), 1e-9)
    starts = [np.log(np.array(start) * [1, scale, 1, 1]) for start in STARTS]
    rough = Likelihood(buyers.sample(ENOUGH), kind) if total > 2 * ENOUGH else likelihood
    logs = peak.highest(likelihood, rough, starts, FAR)
    if logs is None:
        return Fit(kind, np.nan, np.nan, np.nan, np.nan, None, np.nan, converged=False)
    top, theta = likelihood(logs, curved=True), np.exp(logs)
    error = peak.errors(top.curvature * total, theta, NAMES)
    inside = bool((np.abs(logs) < FAR - 0.5).all())
    r, alpha, a, b = theta.tolist()
    return Fit(kind, r, alpha, a, b, error, -top.value * total, converged=inside and error is not None)


def alive(model: Fit, buyers: Statistics) -> Floats:
    """Chance that a buyer has not left, by group. BG/NBD: 1 for buyers of one purchase, whatever their age."""
    x = buyers.counts
    log_odds = np.log(model.a / np.maximum(model.b + x + model.late - 1, 1e-300))
    silence = np.log(model.alpha + buyers.ages)[buyers.age_at]
    silence -= np.log(model.alpha + buyers.recencies)[buyers.recency_at]
    # Beyond e^700 the chance is zero to the last bit.
    odds = np.exp(np.minimum(log_odds[buyers.count_at] + (model.r + buyers.frequency) * silence, 700.0))
    chance: Floats = 1 / (1 + odds)
    return chance if model.late else np.where(buyers.frequency > 0, chance, 1.0)


def expected(model: Fit, buyers: Statistics, horizon: float) -> Floats:
    """Purchases expected in the next `horizon` units, by group (equation 10 of the paper)."""
    return combined(model, buyers, np.array([horizon]), np.ones((1, 1)))[:, 0]


def combined(model: Fit, buyers: Statistics, horizons: Floats, mix: Floats) -> Floats:
    """Purchases expected up to each of the horizons, combined by `mix` (horizons, figures): shape (groups, figures).

    Of a buyer who is still there only frequency and age matter: each distinct pair is computed once.
    """
    first, pair_of = buyers.pairs
    x, stay = buyers.frequency[first], model.alpha + buyers.age[first]
    reach = horizons / stay[:, None]
    told = ahead.purchases((model.r + x)[:, None], model.a, (model.b + x + model.late)[:, None], reach)
    figures = np.einsum("ph,hf->pf", told, mix)
    chance = alive(model, buyers)
    whole: Floats = figures[pair_of] * chance[:, None]
    return whole


def discounting(months: int, rate: float) -> Floats:
    """Weights of the purchases expected up to each month's end that give their present value, `rate` a month."""
    factors = (1 + rate) ** -np.arange(1.0, months + 1)
    return -np.diff(factors, append=0.0)


def expected_of_newcomer(model: Fit, horizon: float | Floats) -> Floats:
    """Repeat purchases expected of a buyer in the `horizon` units after the first purchase (equation 9)."""
    reach = np.asarray(horizon, dtype=np.float64) / model.alpha
    stays = model.b / (model.a + model.b) if model.late else 1.0
    rate, stay = np.full_like(reach, model.r), np.full_like(reach, model.b + model.late)
    return ahead.purchases(rate, model.a, stay, reach) * stays
