"""Piecewise polynomials on equal panels, as Legendre coefficients: antiderivatives and int |g|, kinks and all."""

from __future__ import annotations

import numpy as np
from numpy.polynomial import legendre

from cellsolve.dynamics.quadrature import gauss_rule
from cellsolve.fem.space import FloatArray

__all__ = ["absolute_integral", "antiderivative", "from_gauss_points"]

_CHUNK = 1 << 15  # panels at a time
_NEWTON_STEPS = 3


def from_gauss_points(values: FloatArray) -> FloatArray:
    """Values (m, q) at the Gauss points of m panels -> Legendre coefficients (m, q): c_k = (k + 1/2) int P_k g dt."""
    order = values.shape[-1]
    points, weights = gauss_rule(order)
    project = (np.arange(order) + 0.5) * legendre.legvander(points, order - 1) * weights[:, None]
    coefficients: FloatArray = values @ project
    return coefficients


def antiderivative(coefficients: FloatArray, half: float) -> FloatArray:
    """The continuous G(x) = int g from the first panel's left end; (m, c) -> (m, c + 1), panels of length 2 half."""
    inside = np.asarray(half * legendre.legint(coefficients, lbnd=-1, axis=1), dtype=np.float64)
    starts = np.concatenate([[0.0], np.cumsum(legendre.legval(1.0, inside.T))[:-1]])
    inside[:, 0] += starts
    return inside


def absolute_integral(coefficients: FloatArray, half: float) -> float:
    """int |g| over all panels, of length 2 half: exact for the polynomials, split at their sign changes.

    A pair of roots closer than 1/(4 c) of a panel can escape.
    """
    chunks = range(0, len(coefficients), _CHUNK)
    return float(half * sum(_reference_integral(coefficients[start : start + _CHUNK]) for start in chunks))


def _reference_integral(g: FloatArray) -> float:
    """Sum of int_-1^1 |g| over the rows (m, c)."""
    t = np.linspace(-1.0, 1.0, 4 * g.shape[1] + 1)
    G = legendre.legint(g, lbnd=-1, axis=1)
    values, areas = g @ legendre.legvander(t, g.shape[1] - 1).T, G @ legendre.legvander(t, g.shape[1]).T
    total = float(np.abs(np.diff(areas, axis=1)).sum())
    panel, piece = np.nonzero(values[:, :-1] * values[:, 1:] < 0)
    if not len(panel):
        return total
    left, right = values[panel, piece], values[panel, piece + 1]
    root = _root(g[panel].T, t[piece], t[piece + 1], left, right)
    at_root = legendre.legval(root, G[panel].T, tensor=False)
    before, after = areas[panel, piece], areas[panel, piece + 1]
    return total + float(np.sum(np.abs(at_root - before) + np.abs(after - at_root) - np.abs(after - before)))


def _root(g: FloatArray, low: FloatArray, high: FloatArray, left: FloatArray, right: FloatArray) -> FloatArray:
    """Roots of the polynomials g (c, k) between ``low`` and ``high``, where their values have opposite signs."""
    root: FloatArray = low + (high - low) * left / (left - right)
    slope = legendre.legder(g)
    for _ in range(_NEWTON_STEPS):
        rise = legendre.legval(root, slope, tensor=False)
        step = legendre.legval(root, g, tensor=False) / np.where(rise == 0.0, np.inf, rise)
        root = np.clip(root - step, low, high)
    return root
