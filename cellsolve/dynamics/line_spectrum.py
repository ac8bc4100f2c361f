"""The spectral gap on the line, to relative accuracy at any temperature.

    -(sigma M rho f')' = lambda rho f,    rho = exp(-U/sigma)/Z,    no flux through the ends
    v = f' > 0:   1/(sigma M rho)(x) int G(x, z) v(z) dz = v(x)/lambda,    G(x, z) = F(min(x, z)) (1 - F(max(x, z)))

F is the distribution function. The first eigenfunction is monotone, so the largest eigenvalue 1/lambda of a positive
operator is wanted, and all that is added up is positive: barriers of hundreds of sigma cost no digits. With
u = sqrt(sigma M rho) v the operator is symmetric, e^b int_(z<x) e^a u + e^a int_(z>x) e^b u,
a = log F - log(sigma M rho)/2, b = log(1 - F) - log(sigma M rho)/2, found without exponentials that overflow.

Source of the positive kernel: the covariance of functions of one variable (Hoeffding 1940); M.-F. Chen, Eigenvalues,
Inequalities and Ergodic Theory (2005), chapter 3.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.polynomial import legendre
from scipy.sparse.linalg import ArpackError, LinearOperator, eigs

from cellsolve.dynamics.landscapes import Landscape
from cellsolve.dynamics.quadrature import Grid, gauss_rule
from cellsolve.errors import ConvergenceError
from cellsolve.fem.space import FloatArray

__all__ = ["log_gap_on_line"]

_HIGHEST = 600.0  # exponents a and b that are left in the arithmetic; twice it is nearly all that a double holds
_KRYLOV = 16


def log_gap_on_line(landscape: Landscape, grid: Grid) -> float:
    """log lambda on a grid of one dimension; nan where the panels do not resolve exp(-U/sigma).

    Raises ConvergenceError for barriers that leave the range of floating point numbers.
    """
    kernel = _Kernel.of(landscape, grid)
    if not (np.isfinite(kernel.a).all() and np.isfinite(kernel.b).all()):
        return np.nan
    if max(kernel.a.max(), kernel.b.max()) > _HIGHEST:
        raise ConvergenceError(
            f"the barriers reach about {2.0 * max(kernel.a.max(), kernel.b.max()):.0f} sigma, more than "
            f"{2.0 * _HIGHEST:.0f}. Raise sigma."
        )
    operator = LinearOperator(shape=(kernel.a.size, kernel.a.size), matvec=kernel.apply, dtype=np.float64)
    start = np.exp(-np.maximum(0.0, kernel.bulk))
    try:
        value = eigs(operator, k=1, which="LM", v0=start, ncv=_KRYLOV, return_eigenvectors=False, tol=1e-13)[0]
    except ArpackError:
        return np.nan
    return float(-np.log(value.real) - kernel.shift) if value.real > 0 else np.nan


@dataclass(frozen=True, slots=True, eq=False)
class _Kernel:
    """a and b at the Gauss points (m, q), less half a common ``shift``."""

    a: FloatArray
    b: FloatArray
    shift: float
    bulk: FloatArray  # (n,): how far log G(x, x)/(sigma M rho) is below its maximum
    half: float

    @classmethod
    def of(cls, landscape: Landscape, grid: Grid) -> _Kernel:
        points = grid.points
        log_w = (-landscape.energy(points) / landscape.sigma).reshape(-1, grid.order)
        mobility = landscape.mobility(points)[..., 0, 0].reshape(log_w.shape)
        half = float(grid.halves[0])
        left, right = _log_running(log_w, half), _log_running(log_w[::-1, ::-1], half)[::-1, ::-1]
        with np.errstate(invalid="ignore"):
            log_total = np.logaddexp(left[0, 0], right[0, 0])
        log_k = log_w - log_total + np.log(landscape.sigma * mobility)
        a, b = left - log_total - 0.5 * log_k, right - log_total - 0.5 * log_k
        shift = float(np.max(a + b))
        return cls(a - 0.5 * shift, b - 0.5 * shift, shift, (shift - a - b).ravel(), half)

    def apply(self, u: FloatArray) -> FloatArray:
        """e^b int_(z<x) e^a u + e^a int_(z>x) e^b u."""
        values = np.asarray(u, dtype=float).reshape(self.a.shape)
        with np.errstate(under="ignore"):
            grow, fall = np.exp(self.a), np.exp(self.b)
            before = _running(grow * values, self.half)
            after = _running((fall * values)[::-1, ::-1], self.half)[::-1, ::-1]
            return (fall * before + grow * after).ravel()


def _running(values: FloatArray, half: float) -> FloatArray:
    """int of the values (m, q) from the first panel's left end to each Gauss point."""
    _, weights = gauss_rule(values.shape[1])
    sums = values @ weights
    starts = np.concatenate([[0.0], np.cumsum(sums)[:-1]])
    running: FloatArray = half * (starts[:, None] + values @ _integration(values.shape[1]).T)
    return running


def _log_running(log_w: FloatArray, half: float) -> FloatArray:
    """log int w from the first panel's left end to each Gauss point, panels at a scale of their own; nan where the
    polynomials through w fall below zero, that is where the panels are too coarse."""
    peak = log_w.max(axis=1, keepdims=True)
    _, weights = gauss_rule(log_w.shape[1])
    with np.errstate(under="ignore", divide="ignore", invalid="ignore"):
        local = np.exp(log_w - peak)
        panels = peak[:, 0] + np.log(local @ weights)
        starts = np.concatenate([[-np.inf], np.logaddexp.accumulate(panels)[:-1]])
        inside = peak + np.log(local @ _integration(log_w.shape[1]).T)
        masses: FloatArray = np.log(half) + np.logaddexp(starts[:, None], inside)
    return masses


def _integration(order: int) -> FloatArray:
    """(q, q): int from -1 to each Gauss point of the polynomial through values at all of them."""
    points, weights = gauss_rule(order)
    project = (np.arange(order) + 0.5)[:, None] * legendre.legvander(points, order - 1).T * weights
    integrals: FloatArray = legendre.legval(points, legendre.legint(np.eye(order), lbnd=-1)).T @ project
    return integrals
