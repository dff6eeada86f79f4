"""What to expect of numbers that cannot be negative and are alike, given a likelihood: expectation propagation.

Minka (2001), "Expectation propagation for approximate Bayesian inference". The likelihood is a bell in all numbers at
once, the prior of each a gamma distribution; the posterior is approached by a bell for each prior, matched in mean and
variance where the others leave it. No draws: the same data give the same numbers. Several priors are tried at once.
"""

from __future__ import annotations

import numpy as np

from cortex.attribution import Floats

ROUNDS = 30
KEPT = 0.8
"""Part of a step that is taken: whole steps of all sites at once can overshoot for ever."""
CLOSE = 1e-6
NODES, WEIGHTS = (part / 2 for part in np.polynomial.legendre.leggauss(40))
NODES = NODES + 0.5
FAR = 8.0
"""Standard deviations beyond which a bell holds nothing."""
NOTHING, TINY = 1e-9, 1e-150


def means(precision: Floats, linear: Floats, shape: Floats, mean: Floats) -> tuple[Floats, Floats]:
    """Posterior means, shape (priors, numbers), and the logarithm of each prior's evidence, shape (priors,).

    The likelihood is exp(linear @ x - x @ precision @ x / 2); precision: shape (numbers, numbers), may be singular.
    shape, mean: shape (priors, numbers), of the gamma prior of each number under each prior; shape at least 0.5.
    """
    weight, pull = shape / mean**2, shape / mean
    for _ in range(ROUNDS):
        covariance, centre = _joined(precision, linear, weight, pull)
        variance = np.diagonal(covariance, axis1=1, axis2=2)
        # What the others say of each number, its own site taken out.
        left = np.maximum(1.0 / variance - weight, NOTHING)
        slope = centre / variance - pull
        mass, found, spread = _matched(left, slope, shape, mean)
        if np.abs(found - centre).max() < CLOSE:
            break
        # A site never takes precision away: no prior here is wider than what it is multiplied with.
        wanted = np.maximum(1.0 / spread - left, NOTHING)
        weight, pull = weight + KEPT * (wanted - weight), pull + KEPT * ((left + wanted) * found - slope - pull)
    own = mass - 0.5 * (np.log(variance) + centre**2 / variance)
    evidence = own.sum(axis=1) + 0.5 * np.linalg.slogdet(covariance)[1] + 0.5 * ((linear + pull) * centre).sum(axis=1)
    least: Floats = np.maximum(found, 0.0)
    return least, np.asarray(evidence, dtype=np.float64)


def _joined(precision: Floats, linear: Floats, weight: Floats, pull: Floats) -> tuple[Floats, Floats]:
    """Covariance and centre of the likelihood times a bell for each number."""
    whole = np.repeat(precision[None], len(weight), axis=0)
    diagonal = np.arange(len(precision))
    whole[:, diagonal, diagonal] += weight
    covariance = np.asarray(np.linalg.inv(whole), dtype=np.float64)
    return covariance, (covariance @ (linear + pull)[:, :, None])[:, :, 0]


def _matched(left: Floats, slope: Floats, shape: Floats, mean: Floats) -> tuple[Floats, Floats, Floats]:
    """Logarithm of the mass, mean and variance of exp(slope x - left x^2 / 2) times a gamma density.

    By quadrature over the square root, because a density of shape 0.5 has no finite value at zero and one over its
    root has.
    """
    low, high = _bounds(left, slope - shape / mean, shape)
    width = np.sqrt(high) - np.sqrt(low)
    root = np.sqrt(low)[..., None] + width[..., None] * NODES
    at = root * root
    height = (slope - shape / mean)[..., None] * at - 0.5 * left[..., None] * at * at
    height += (2 * shape - 1)[..., None] * np.log(root)
    top = height.max(axis=-1, keepdims=True)
    part = np.exp(height - top) * WEIGHTS
    mass = part.sum(axis=-1)
    found = (part * at).sum(axis=-1) / mass
    spread = (part * (at - found[..., None]) ** 2).sum(axis=-1) / mass
    scale = shape * np.log(shape / mean) - _log_gamma(shape)
    return top[..., 0] + np.log(mass * width * 2) + scale, found, spread


def _bounds(left: Floats, slope: Floats, shape: Floats) -> tuple[Floats, Floats]:
    """Between which values x^(shape - 1) exp(slope x - left x^2 / 2) is anything at all."""
    extra = np.maximum(shape - 1.0, 0.0)
    apart = np.sqrt(slope**2 + 4 * left * extra)
    falling = slope < 0
    # The same root of the same equation, in the form that does not cancel.
    peak = np.where(falling, 2 * extra / (apart - slope + TINY), (slope + apart) / (2 * left))
    wide = 1.0 / np.sqrt(left + extra / np.maximum(peak, TINY) ** 2)
    high = peak + FAR * wide
    # Where it falls from the start it is a gamma distribution, cut short by the bell.
    tail = (shape + 12.0 * np.sqrt(shape) + 20.0) / np.maximum(np.abs(slope), TINY)
    return np.maximum(peak - FAR * wide, 0.0), np.where(falling, np.minimum(high, tail), high)


def _log_gamma(shape: Floats) -> Floats:
    from scipy.special import gammaln

    return np.asarray(gammaln(shape), dtype=np.float64)
