"""Example 1: V^eps = V0(x) + alpha cos(2 pi x/eps), any smooth V0; what remains of the distances as eps -> 0.

    s = alpha/sigma,    mu^eps/mu^0 -> exp(-s cos(2 pi y))/I0(s),  y uniform on the cell
    TV(mu^eps, mu^0) -> 1/2 int_0^1 |exp(-s cos(2 pi y))/I0(s) - 1| dy,    H(mu^eps | mu^0) -> s I1(s)/I0(s) - log I0(s)

Duncan, Duong, Pavliotis, J. Stat. Phys. 190:82 (2023), Example 1. The paper's limit of the entropy has the opposite
sign; a relative entropy is not negative.
"""

from __future__ import annotations

import numpy as np
from numpy.polynomial import legendre
from scipy.special import i0e, i1e

from cellsolve.errors import CoefficientError

__all__ = ["cosine_relative_entropy", "cosine_total_variation"]

_POINTS = 200


def cosine_relative_entropy(s: float) -> float:
    """s I1(s)/I0(s) - log I0(s) >= 0, s = alpha/sigma, without overflow; s^2/4 + O(s^4) for small s."""
    s = _strength(s)
    if s < 1e-3:
        return s**2 / 4.0 - 3.0 * s**4 / 64.0
    return float(s * i1e(s) / i0e(s) - np.log(i0e(s)) - s)


def cosine_total_variation(s: float) -> float:
    """(1/pi) int_0^c (exp(s cos t)/I0(s) - 1) dt, cos c = log(I0(s))/s: where the density exceeds 1."""
    s = _strength(s)
    if s == 0.0:
        return 0.0
    crossing = float(np.arccos((np.log(i0e(s)) + s) / s))
    peak = min(crossing, 40.0 / np.sqrt(s))  # beyond, exp(s cos t) is below rounding
    total = 0.0
    for low, high in ((0.0, peak), (peak, crossing)):
        t, w = legendre.leggauss(_POINTS)
        t = low + 0.5 * (high - low) * (t + 1.0)
        total += 0.5 * (high - low) * float(w @ (np.exp(s * (np.cos(t) - 1.0)) / i0e(s) - 1.0))
    return total / np.pi


def _strength(s: float) -> float:
    if not isinstance(s, int | float | np.number) or not np.isfinite(s):
        raise CoefficientError(f"got s = {s!r}, needed a finite number alpha/sigma.")
    return abs(float(s))
