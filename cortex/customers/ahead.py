"""Purchases of a buyer who is still there, exact for every buyer: sums of positive terms, in which nothing cancels.

The published formula (Fader, Hardie, Lee 2005, equation 10) is one minus a hypergeometric function. For frequent buyers
and far horizons the function's usual evaluation loses every digit. What it stands for is a sum: the number n of
purchases a buyer would make who never left is negative binomial, and of n the first happens, the second if the buyer
stays after the first, and so on. All terms of that sum are positive, and the rest after any of them has a bound.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ACCURATE = 1e-14
"""Share of the sum that what is left out may have."""
FAR, MANY = 40.0, 3000.0
"""Reach, and purchases without leaving, beyond which the sum is too long and the integral is taken."""
TOGETHER = 16384
"""Sums in one pass: their terms stay in the processor's cache."""
AT_ONCE = 8
"""Terms between two looks at what is left."""
STEP, EDGE = 0.125, 37.0


def purchases(rate: Floats, leave: float, stay: Floats, reach: Floats) -> Floats:
    """Purchases expected of buyers who have not left. All positive, of one shape.

    rate: r + x. leave, stay: the beta distribution of the chance to leave after a purchase, as the past left it.
    reach: horizon / (alpha + age).
    """
    rate, stay, reach = np.broadcast_arrays(rate, stay, reach)
    told = np.empty(reach.shape)
    long = (reach > FAR) | (rate * reach > MANY)
    told[long] = _integral(rate[long], leave, stay[long], reach[long])
    short = np.flatnonzero(~long.ravel())
    # Sums of like length are made together: a long one would keep the others waiting.
    short = short[np.argsort(reach.ravel()[short])]
    flat = told.ravel()
    for start in range(0, len(short), TOGETHER):
        at = short[start : start + TOGETHER]
        flat[at] = _sum(rate.ravel()[at], leave, stay.ravel()[at], reach.ravel()[at])
    return flat.reshape(reach.shape)


def _sum(rate: Floats, leave: float, stay: Floats, reach: Floats) -> Floats:
    """Sum over n of P(n purchases without leaving) x what of n happens; weights are normalised at the end."""
    odds = reach / (1 + reach)
    told = np.empty(len(rate))
    open_ = np.arange(len(rate))
    weight, stays, happens = np.ones(len(rate)), np.ones(len(rate)), np.zeros(len(rate))
    whole, mass = np.zeros(len(rate)), np.ones(len(rate))
    n = 0
    while len(open_):
        for _ in range(AT_ONCE):
            weight *= odds * ((rate + n) / (n + 1))
            happens += stays
            stays *= (stay + n) / (leave + stay + n)
            whole += weight * happens
            mass += weight
            n += 1
        # From here on each weight is at most `falls` times the one before.
        falls = odds * np.maximum(1.0, (rate + n) / (n + 1))
        with np.errstate(divide="ignore"):
            rest = weight * falls / (1 - falls) * (happens + stays / (1 - falls))
        done = (falls < 1) & (rest <= ACCURATE * whole)
        if done.any():
            told[open_[done]] = whole[done] / mass[done]
            held = ~done
            open_, rate, stay, odds = open_[held], rate[held], stay[held], odds[held]
            weight, stays, happens, whole, mass = (
                column[held] for column in (weight, stays, happens, whole, mass)
            )  # fmt: skip
        large = weight > 1e200
        if large.any():
            for column in (weight, whole, mass):
                column[large] *= 1e-200
    return told


def _integral(rate: Floats, leave: float, stay: Floats, reach: Floats) -> Floats:
    """The mean of (1 - (1 + p reach)^-rate) / p over the chance p to leave, by the trapezoid rule in its log-odds.

    There the integrand is analytic in a strip about the axis, for which the rule's error falls as exp(-pi^2 / STEP).
    Beyond both ends it falls geometrically: those sums are known.
    """
    from scipy.special import betaln

    told = np.empty(len(rate))
    for i, (often, stays, far) in enumerate(zip(rate, stay, reach, strict=True)):
        low = -EDGE - np.log1p(often * far + stays + leave)
        at = np.arange(low, EDGE + STEP, STEP)
        log_leave, log_stay = -np.logaddexp(0.0, -at), -np.logaddexp(0.0, at)
        chance = np.exp(log_leave)
        happens = -np.expm1(-often * np.log1p(chance * far)) / chance
        density = np.exp(leave * log_leave + stays * log_stay - betaln(leave, stays)) * happens
        ends = density[0] / np.expm1(leave * STEP) + density[-1] / np.expm1(stays * STEP)
        told[i] = STEP * (density.sum() + ends)
    return told
