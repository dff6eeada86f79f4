"""How often buyers come back and whether they still will: BG/NBD and MBG/NBD by maximum likelihood.

BG/NBD: Fader, Hardie, Lee (2005), "Counting your customers the easy way". While alive a buyer purchases at a rate that
differs between buyers (gamma: r, alpha), and after each repeat purchase leaves with a chance that differs too (beta:
a, b). MBG/NBD: Batislam, Denizel, Filiztekin (2007); here a buyer may leave after the first purchase already, so
that buyers of one purchase are not all alive for certain. The two differ by one in three places: `late`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Kind = Literal["bg_nbd", "mbg_nbd"]
NAMES = ("r", "alpha", "a", "b")
STARTS = ((0.5, 0.5, 1.0, 2.5), (1.0, 1.0, 1.0, 1.0), (0.2, 0.1, 0.5, 5.0), (2.0, 2.0, 2.0, 2.0))
"""r, alpha as a part of the mean age, a, b."""
FAR = 12.0
"""Logarithms beyond this are no estimate any more: the likelihood has its maximum at infinity or zero."""
NEAR_ONE = 1e-5
ENOUGH = 5000
"""Groups among which the starts are tried."""


@dataclass(frozen=True)
class Statistics:
    """Buyers grouped by equal (frequency, recency, age). weight: how many are in each group; all shape (groups,)."""

    frequency: Floats
    recency: Floats
    age: Floats
    weight: Floats
    group_of: Ints
    """Shape (buyers,)."""


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


def grouped(frequency: NDArray[np.integer], recency: Floats, age: Floats) -> Statistics:
    """Equal buyers told once. All shape (buyers,), 0 <= recency <= age; recency 0 where frequency is 0."""
    spots = np.stack([frequency.astype(np.float64), recency, age])
    ranked = np.lexsort(spots[::-1])
    walked = spots[:, ranked]
    new = np.ones(len(ranked), dtype=np.bool_)
    new[1:] = (walked[:, 1:] != walked[:, :-1]).any(axis=0)
    group_of = np.empty(len(ranked), dtype=np.int64)
    group_of[ranked] = np.cumsum(new) - 1
    weight = np.bincount(group_of).astype(np.float64)
    distinct = walked[:, new]
    return Statistics(distinct[0], distinct[1], distinct[2], weight, group_of)


class Likelihood:
    """The log-likelihood of grouped buyers and its slope, in the logarithms of r, alpha, a, b."""

    def __init__(self, buyers: Statistics, kind: Kind) -> None:
        self.late = int(kind == "mbg_nbd")
        self.buyers = buyers
        # Gamma functions see the frequency alone: once for each, not once for each group.
        self.counts, at = np.unique(buyers.frequency, return_inverse=True)
        self.at = at
        self.count_weight = np.bincount(at, weights=buyers.weight)
        self.may_leave = (buyers.frequency > 0) | bool(self.late)

    def __call__(self, logs: Floats) -> tuple[float, Floats]:
        """Minus log-likelihood and its gradient, per buyer."""
        from scipy.special import betaln, gammaln, psi

        r, alpha, a, b = np.exp(logs)
        x, buyers = self.counts, self.buyers
        weight, total = buyers.weight, buyers.weight.sum()
        shifted = x + self.late
        of_count = gammaln(r + x) - gammaln(r) + betaln(a, b + shifted) - betaln(a, b)
        often, stay = r + buyers.frequency, alpha + buyers.age
        left, leave = alpha + buyers.recency, b + buyers.frequency + self.late - 1
        log_stay, log_left = np.log(stay), np.log(left)
        with np.errstate(divide="ignore", invalid="ignore"):
            odds = np.where(self.may_leave, np.log(a / np.where(self.may_leave, leave, 1.0)), -np.inf)
        # Weighed against each other: still there and silent, or gone after the last purchase.
        gone = odds + often * (log_stay - log_left)
        alive_log = -np.logaddexp(0.0, gone)
        dead = -np.expm1(alive_log)
        value = self.count_weight @ of_count + total * r * np.log(alpha) + weight @ (-often * log_stay - alive_log)
        along_r = self.count_weight @ (psi(r + x) - psi(r)) + total * np.log(alpha)
        along_r -= weight @ (log_stay - dead * (log_stay - log_left))
        along_alpha = total * r / alpha - (weight * often) @ ((1 - dead) / stay + dead / left)
        all_b = psi(a + b + shifted)
        along_a = self.count_weight @ (psi(a + b) - all_b) + weight @ dead / a
        with np.errstate(divide="ignore", invalid="ignore"):
            falls = np.where(self.may_leave, dead / np.where(self.may_leave, leave, 1.0), 0.0)
        along_b = self.count_weight @ (psi(b + shifted) - psi(b) + psi(a + b) - all_b) - weight @ falls
        slope = np.array([along_r * r, along_alpha * alpha, along_a * a, along_b * b])
        return -float(value) / total, -slope / total


def fit(buyers: Statistics, kind: Kind) -> Fit:
    """The most likely parameters, from several starts. Never raises: look at `converged`."""
    likelihood = Likelihood(buyers, kind)
    scale = max(float(np.average(buyers.age, weights=buyers.weight)), 1e-9)
    # Which peak is the highest, some thousand groups know; all of them then say where exactly it is.
    rough = Likelihood(_some(buyers), kind) if len(buyers.weight) > ENOUGH else likelihood
    best = None
    for start in STARTS:
        found = _climbed(rough, np.log(np.array(start) * [1, scale, 1, 1]))
        if np.isfinite(found.fun) and (best is None or found.fun < best.fun - 1e-12):
            best = found
    if best is not None and rough is not likelihood:
        best = _climbed(likelihood, best.x)
    if best is None:
        return Fit(kind, np.nan, np.nan, np.nan, np.nan, None, np.nan, converged=False)
    logs, value = _polished(likelihood, best.x)
    inside = bool((np.abs(logs) < FAR - 0.5).all())
    error = _errors(likelihood, logs)
    r, alpha, a, b = np.exp(logs).tolist()
    total = float(buyers.weight.sum())
    return Fit(kind, r, alpha, a, b, error, -float(value) * total, converged=inside and error is not None)


def _some(buyers: Statistics) -> Statistics:
    """Every so many-th group, evenly over frequency, recency and age."""
    part = slice(None, None, -(-len(buyers.weight) // ENOUGH))
    return Statistics(
        buyers.frequency[part], buyers.recency[part], buyers.age[part], buyers.weight[part], np.zeros(0, dtype=np.int64)
    )


def _climbed(likelihood: Likelihood, first: Floats) -> Any:
    from scipy.optimize import minimize

    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return minimize(
            likelihood, first, jac=True, method="L-BFGS-B", bounds=[(-FAR, FAR)] * 4,
            options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-7},
        )  # fmt: skip


def curvature(likelihood: Likelihood, logs: Floats, step: float = 1e-4) -> Floats:
    """Second derivatives of minus the log-likelihood per buyer, from the analytic slope on both sides."""
    sides = [(likelihood(logs + step * unit)[1] - likelihood(logs - step * unit)[1]) / (2 * step) for unit in np.eye(4)]
    matrix = np.stack(sides)
    symmetric: Floats = (matrix + matrix.T) / 2
    return symmetric


def _polished(likelihood: Likelihood, logs: Floats) -> tuple[Floats, float]:
    """A few Newton steps, as long as they climb."""
    value, slope = likelihood(logs)
    for _ in range(5):
        try:
            step = np.linalg.solve(curvature(likelihood, logs), slope)
        except np.linalg.LinAlgError:
            break
        if not np.isfinite(step).all() or np.abs(step).max() > 1:
            break
        lower, flatter = likelihood(logs - step)
        if not lower <= value:
            break
        logs, value, slope = logs - step, lower, flatter
        if np.abs(step).max() < 1e-9:
            break
    return logs, value


def _errors(likelihood: Likelihood, logs: Floats) -> dict[str, float] | None:
    matrix = curvature(likelihood, logs) * likelihood.buyers.weight.sum()
    if not np.isfinite(matrix).all() or np.linalg.eigvalsh(matrix).min() <= 0:
        return None
    # The logarithm's error times the value is the value's error (delta method).
    spread = np.sqrt(np.diag(np.linalg.inv(matrix))) * np.exp(logs)
    return dict(zip(NAMES, spread.tolist(), strict=True))


def alive(model: Fit, buyers: Statistics) -> Floats:
    """Chance that a buyer has not left, by group. BG/NBD: 1 for buyers of one purchase, whatever their age."""
    from scipy.special import expit

    x = buyers.frequency
    leave = np.maximum(model.b + x + model.late - 1, 1e-300)
    gone = np.log(model.a / leave) + (model.r + x) * np.log((model.alpha + buyers.age) / (model.alpha + buyers.recency))
    chance: Floats = expit(-gone)
    return chance if model.late else np.where(x > 0, chance, 1.0)


def expected(model: Fit, buyers: Statistics, horizon: float) -> Floats:
    """Purchases expected in the next `horizon` units, by group (equation 10 of the paper).

    The hypergeometric term is taken after Pfaff's transformation, in which nothing overflows for frequent buyers.
    """
    x = buyers.frequency
    return _purchases(model, x, horizon / (model.alpha + buyers.age)) * alive(model, buyers)


def expected_of_newcomer(model: Fit, horizon: float | Floats) -> Floats:
    """Repeat purchases expected of a buyer in the `horizon` units after the first purchase (equation 9)."""
    reach = np.asarray(horizon, dtype=np.float64) / model.alpha
    stays = model.b / (model.a + model.b) if model.late else 1.0
    return _purchases(model, np.zeros_like(reach), reach) * stays


def _purchases(model: Fit, x: Floats, reach: Floats) -> Floats:
    """Purchases of a buyer who is alive. reach: horizon / (alpha + age)."""
    from scipy.special import hyp2f1

    a = model.a if abs(model.a - 1) > NEAR_ONE else 1 + NEAR_ONE  # the formula has a hole at 1, its value has none
    whole = a + model.b + x + model.late - 1
    term = hyp2f1(model.r + x, a - 1, whole, -reach)
    return np.asarray(whole / (a - 1) * (1 - term), dtype=np.float64)
