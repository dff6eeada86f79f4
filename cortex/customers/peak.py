"""The top of a likelihood: a climb from several starts on a part of the buyers, then Newton's steps on all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FLAT = 1e-10
"""What a Newton step may still promise, in log-likelihood per buyer, when the climb is over."""
STEPS = 200
STIFF = 1e9
"""Damping beyond which a step is no step any more."""
LONGEST = 1.0
"""Furthest a logarithm goes in one step."""


class Point(NamedTuple):
    """Minus log-likelihood per buyer at one place, its slope and its curvature, in the logarithms of the parameters."""

    value: float
    slope: Floats
    curvature: Floats


Likelihood = Callable[..., Point]
"""Called with logarithms; `curved=True` also computes the curvature, which is zeros otherwise."""


def dot(one: Floats, other: Floats) -> float:
    """Sum of products. Not `@`: on a busy machine the threads of a BLAS wait for each other longer than they count."""
    return float(np.einsum("i,i->", one, other))


def in_logs(value: float, slope: Floats, curvature: Floats, theta: Floats, buyers: float) -> Point:
    """A log-likelihood of `buyers` and its derivatives by theta, as a Point."""
    curvature = curvature * np.outer(theta, theta) + np.diag(slope * theta) if curvature.any() else curvature
    return Point(-float(value) / buyers, -slope * theta / buyers, -curvature / buyers)


def highest(likelihood: Likelihood, rough: Likelihood, starts: Sequence[Floats], far: float) -> Floats | None:
    """Logarithms at the top. rough: of a part of the buyers, says which of the tops reached from `starts` is highest.

    far: bound of every logarithm. None where no climb leads anywhere.
    """
    found = [_climbed(rough, start, far) for start in starts]
    best = min((one for one in found if np.isfinite(one[1])), key=lambda one: round(one[1], 9), default=None)
    return None if best is None else _climbed(likelihood, best[0], far)[0]


def _climbed(likelihood: Likelihood, logs: Floats, far: float) -> tuple[Floats, float]:
    """Where Newton's steps lead, and minus the log-likelihood there.

    Where the ground is not curved like a top, or a step led down, steps are made shorter and more like the slope.
    """
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        here, damping = likelihood(logs, curved=True), 1e-3
        for _ in range(STEPS):
            step = _step(here, damping)
            if step is None:
                break
            there = likelihood(np.clip(logs - step, -far, far), curved=True)
            promised = float((step * here.slope).sum())
            if there.value <= here.value and np.isfinite(there.value):
                logs, here, damping = np.clip(logs - step, -far, far), there, damping / 10
            elif promised >= FLAT and damping < STIFF:
                damping = max(damping, 1e-6) * 10
                continue
            if promised < FLAT:
                break
    return logs, here.value


def _step(here: Point, damping: float) -> Floats | None:
    if not np.isfinite(here.curvature).all() or not np.isfinite(here.slope).all():
        return None
    bent, axes = np.linalg.eigh(here.curvature)
    usual = float(np.abs(bent).max()) or 1.0
    lift = max(0.0, -float(bent.min()) * 2) + damping * usual
    step: Floats = axes @ ((axes.T @ here.slope) / (bent + lift))
    longest = float(np.abs(step).max())
    return step / longest * LONGEST if longest > LONGEST else step


def errors(curvature: Floats, theta: Floats, names: Sequence[str]) -> dict[str, float] | None:
    """Standard errors of theta; None where the place is no top. curvature: of all buyers' likelihood, in logarithms."""
    if not np.isfinite(curvature).all() or np.linalg.eigvalsh(curvature).min() <= 0:
        return None
    # The logarithm's error times the value is the value's error (delta method).
    spread = np.sqrt(np.diag(np.linalg.inv(curvature))) * theta
    return dict(zip(names, spread.tolist(), strict=True))
