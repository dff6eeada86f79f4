"""What a buyer's orders are worth on average: the Gamma-Gamma model by maximum likelihood.

Fader, Hardie (2013), "The Gamma-Gamma model of monetary value". It supposes that how much buyers spend has nothing to
do with how often they buy: `correlation` says whether that holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
NAMES = ("p", "q", "v")
STARTS = ((1.0, 2.0, 1.0), (6.0, 4.0, 0.4), (0.5, 1.5, 3.0), (20.0, 10.0, 0.1))
"""p, q, v as a part of the mean."""
FAR = 14.0
ENOUGH = 5000
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
    """The log-likelihood of repeat buyers and its slope, in the logarithms of p, q, v."""

    def __init__(self, frequency: Floats, monetary: Floats) -> None:
        self.x, self.z = frequency, monetary
        self.counts, at = np.unique(frequency, return_inverse=True)
        self.count_weight = np.bincount(at).astype(np.float64)
        self.log_spent = np.log(frequency * monetary)
        self.log_mean = float(np.log(monetary).sum())

    def __call__(self, logs: Floats) -> tuple[float, Floats]:
        """Minus log-likelihood and its gradient, per buyer."""
        from scipy.special import gammaln, psi

        p, q, v = np.exp(logs)
        total, counts, weight = len(self.x), self.counts, self.count_weight
        both = self.x * self.z + v
        log_both = np.log(both)
        gap = self.log_spent - log_both
        value = weight @ (gammaln(p * counts + q) - gammaln(p * counts)) - total * (gammaln(q) - q * np.log(v))
        value += p * (self.x @ gap) - q * log_both.sum() - self.log_mean
        near = psi(p * counts + q)
        along_p = weight @ (counts * (near - psi(p * counts))) + self.x @ gap
        along_q = weight @ near - total * (psi(q) - np.log(v)) - log_both.sum()
        along_v = total * q / v - ((p * self.x + q) / both).sum()
        return -float(value) / total, -np.array([along_p * p, along_q * q, along_v * v]) / total


def fit(frequency: Floats, monetary: Floats) -> Fit:
    """The most likely parameters. frequency, monetary: shape (buyers,), repeat buyers only, both above 0."""
    frequency = frequency.astype(np.float64)
    likelihood = Likelihood(frequency, monetary)
    step = -(-len(frequency) // ENOUGH)
    # Which peak is the highest, some thousand buyers know; all of them then say where exactly it is.
    rough = Likelihood(frequency[::step], monetary[::step]) if step > 1 else likelihood
    scale = float(monetary.mean())
    best = None
    for start in STARTS:
        found = _climbed(rough, np.log(np.array(start) * [1, 1, scale]))
        if np.isfinite(found.fun) and (best is None or found.fun < best.fun - 1e-12):
            best = found
    if best is not None and step > 1:
        best = _climbed(likelihood, best.x)
    if best is None:
        return Fit(np.nan, np.nan, np.nan, None, np.nan, converged=False)
    p, q, v = np.exp(best.x).tolist()
    error = _errors(likelihood, best.x)
    inside = bool((np.abs(best.x) < FAR - 0.5).all())
    value = -float(best.fun) * len(frequency)
    # With q of 1 or less the mean order value of the market is infinite.
    return Fit(p, q, v, error, value, converged=inside and error is not None and q > 1)


def _climbed(likelihood: Likelihood, first: Floats) -> Any:
    from scipy.optimize import minimize

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return minimize(
            likelihood, first, jac=True, method="L-BFGS-B", bounds=[(-FAR, FAR)] * 3,
            options={"maxiter": 1000, "ftol": 1e-14, "gtol": 1e-9},
        )  # fmt: skip


def _errors(likelihood: Likelihood, logs: Floats, step: float = 1e-4) -> dict[str, float] | None:
    sides = [(likelihood(logs + step * unit)[1] - likelihood(logs - step * unit)[1]) / (2 * step) for unit in np.eye(3)]
    matrix = np.stack(sides) * len(likelihood.x)
    matrix = (matrix + matrix.T) / 2
    if not np.isfinite(matrix).all() or np.linalg.eigvalsh(matrix).min() <= 0:
        return None
    spread = np.sqrt(np.diag(np.linalg.inv(matrix))) * np.exp(logs)
    return dict(zip(NAMES, spread.tolist(), strict=True))


def expected_value(model: Fit, frequency: Floats, monetary: Floats) -> Floats:
    """Mean value of a buyer's future orders: between the market's mean and the buyer's own, nearer with more orders."""
    spent = np.where(frequency > 0, frequency * monetary, 0.0)
    return np.asarray(model.p * (model.v + spent) / (model.p * frequency + model.q - 1), dtype=np.float64)
