"""What a buyer's orders are worth on average: the Gamma-Gamma model by maximum likelihood.

Fader, Hardie (2013), "The Gamma-Gamma model of monetary value". It supposes that how much buyers spend has nothing to
do with how often they buy: `correlation` says whether that holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cortex.customers import peak
from cortex.customers.peak import dot

Floats = NDArray[np.float64]
NAMES = ("p", "q", "v")
STARTS = ((1.0, 2.0, 1.0), (6.0, 4.0, 0.4), (0.5, 1.5, 3.0), (20.0, 10.0, 0.1))
"""p, q, v as a part of the mean."""
FAR = 14.0
ENOUGH = 20_000
"""Buyers among whom the starts are tried."""


@dataclass(frozen=True)
class Fit:
    """Parameters by maximum likelihood; v is in money. error: standard errors, None where it is not a maximum."""

    p: float
    q: float
    v: float
    error: dict[str, float] | None
    log_likelihood: float
    converged: bool

    @property
    def parameters(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in NAMES}


def correlation(frequency: Floats, monetary: Floats) -> float:
    """Pearson's, of repeat purchases and mean value, over buyers with both. 0 where either does not vary."""
    known = (frequency > 0) & (monetary > 0)
    x, z = frequency[known].astype(np.float64), monetary[known]
    if len(x) < 2 or not x.std() or not z.std():
        return 0.0
    return float(np.corrcoef(x, z)[0, 1])


class Likelihood:
    """The log-likelihood of repeat buyers, in the logarithms of p, q, v."""

    def __init__(self, frequency: Floats, monetary: Floats) -> None:
        self.x, self.spent = frequency, frequency * monetary
        self.counts, at = np.unique(frequency, return_inverse=True)
        self.count_weight = np.bincount(at).astype(np.float64)
        self.bought_log_spent = dot(frequency, np.log(self.spent))
        self.log_mean = float(np.log(monetary).sum())

    def __call__(self, logs: Floats, *, curved: bool = False) -> peak.Point:
        from scipy.special import gammaln, psi, zeta

        p, q, v = theta = np.exp(logs)
        total, counts, weight = len(self.x), self.counts, self.count_weight
        both = self.spent + v
        part = 1 / both
        log_both = np.log(both)
        logs_of_both, gap = log_both.sum(), self.bought_log_spent - dot(self.x, log_both)
        value = dot(weight, gammaln(p * counts + q) - gammaln(p * counts)) - total * (gammaln(q) - q * np.log(v))
        value += p * gap - q * logs_of_both - self.log_mean
        near, bought, parts = psi(p * counts + q), dot(self.x, part), part.sum()
        slope = np.array([
            dot(weight, counts * (near - psi(p * counts))) + gap,
            dot(weight, near) - total * (psi(q) - np.log(v)) - logs_of_both,
            total * q / v - p * bought - q * parts,
        ])  # fmt: skip
        curvature = np.zeros((3, 3))
        if curved:
            # zeta(2, z) is the trigamma function.
            both_ways = zeta(2, p * counts + q)
            curvature[0, 0] = dot(weight * counts**2, both_ways - zeta(2, p * counts))
            curvature[0, 1] = curvature[1, 0] = dot(weight * counts, both_ways)
            curvature[0, 2] = curvature[2, 0] = -bought
            curvature[1, 1] = dot(weight, both_ways) - total * zeta(2, q)
            curvature[1, 2] = curvature[2, 1] = total / v - parts
            curvature[2, 2] = p * dot(self.x * part, part) + q * dot(part, part) - total * q / v**2
        return peak.in_logs(value, slope, curvature, theta, total)


def fit(frequency: Floats, monetary: Floats) -> Fit:
    """The most likely parameters. frequency, monetary: shape (buyers,), repeat buyers only, both above 0."""
    frequency = frequency.astype(np.float64)
    likelihood, total = Likelihood(frequency, monetary), len(frequency)
    step = -(-total // ENOUGH)
    rough = Likelihood(frequency[::step], monetary[::step]) if step > 1 else likelihood
    scale = float(monetary.mean())
    logs = peak.highest(likelihood, rough, [np.log(np.array(start) * [1, 1, scale]) for start in STARTS], FAR)
    if logs is None:
        return Fit(np.nan, np.nan, np.nan, None, np.nan, converged=False)
    top, theta = likelihood(logs, curved=True), np.exp(logs)
    error = peak.errors(top.curvature * total, theta, NAMES)
    inside = bool((np.abs(logs) < FAR - 0.5).all())
    p, q, v = theta.tolist()
    # With q of 1 or less the mean order value of the market is infinite.
    return Fit(p, q, v, error, -top.value * total, converged=inside and error is not None and q > 1)


def expected_value(model: Fit, frequency: Floats, monetary: Floats) -> Floats:
    """Mean value of a buyer's future orders: between the market's mean and the buyer's own, nearer with more orders."""
    spent = np.where(frequency > 0, frequency * monetary, 0.0)
    return np.asarray(model.p * (model.v + spent) / (model.p * frequency + model.q - 1), dtype=np.float64)
