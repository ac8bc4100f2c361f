"""How far apart two densities are: weakly, in total variation, in relative entropy.

    W1(mu, nu) = int |F_mu - F_nu| dx  (d = 1),        TV(mu, nu) = 1/2 int |mu - nu| dx,
    H(mu | nu) = int mu log(mu/nu) dx >= 0,            H >= 2 TV^2  (Pinsker)
    D(mu, nu) = max_k |muhat(k) - nuhat(k)| / max(1, |k|),    muhat(k) = int exp(i k.x) mu(x) dx

As eps -> 0, mu^eps -> mu^0 weakly (Duncan, Duong, Pavliotis, J. Stat. Phys. 190:82 (2023), Proposition 3): W1 and D are
of order eps, while TV and H need not vanish (Example 1, limits in `cosine_limits`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from cellsolve.dynamics.density import InvariantDensity, checked_density
from cellsolve.dynamics.landscapes import positive
from cellsolve.dynamics.piecewise import absolute_integral, antiderivative, from_gauss_points
from cellsolve.dynamics.quadrature import Estimate, Grid, converged, first_grid
from cellsolve.errors import CoefficientError
from cellsolve.fem.space import FloatArray

__all__ = ["relative_entropy", "total_variation", "wasserstein_distance", "weak_distance"]

_TOL = 1e-8
_ROUNDING = 1e-14
_HARMONICS = 4  # waves of up to so many over the shortest period
_MOST_WAVES = 96  # along an axis, to either side


def total_variation(mu: InvariantDensity, nu: InvariantDensity, *, tol: float = _TOL) -> Estimate:
    """1/2 int |mu - nu| dx, in [0, 1], to relative error ``tol``; split where mu = nu, so that the kinks cost nothing.

    Raises CoefficientError for densities that do not live on the same space, ConvergenceError (with the best Estimate)
    where the finest grid does not reach ``tol``.
    """

    def distance(grid: Grid) -> float:
        difference = _density(mu, grid) - _density(nu, grid)
        for i in range(1, mu.dim):  # lines along axis 0, weighted over the others
            difference *= grid.axis(i)[1]
        panels = from_gauss_points(np.moveaxis(difference, 0, -1).reshape(-1, grid.order))
        return 0.5 * absolute_integral(panels, float(grid.halves[0]))

    return _measured(distance, mu, nu, "the total variation", tol)


def relative_entropy(mu: InvariantDensity, nu: InvariantDensity, *, tol: float = _TOL) -> Estimate:
    """H(mu | nu) = int mu log(mu/nu) dx >= 0, in nats, to relative error ``tol``.

    Integrated as mu (r + exp(-r) - 1) with r = log(mu/nu), which is nowhere negative. On boxes mu and nu have the same
    support. Errors as `total_variation`; inf where nu vanishes to rounding and mu does not.
    """

    def distance(grid: Grid) -> float:
        points = grid.points
        log_mu = mu.log_density(points)
        ratio = log_mu - nu.log_density(points)
        with np.errstate(under="ignore", over="ignore"):
            surplus = np.exp(log_mu) * ratio + (np.exp(log_mu - ratio) - np.exp(log_mu))
            small = np.abs(ratio) < 1e-2
            surplus = np.where(small, np.exp(log_mu) * (ratio + np.expm1(-ratio)), surplus)
        return float(np.sum(grid.weights * surplus))

    return _measured(distance, mu, nu, "the relative entropy", tol)


def wasserstein_distance(mu: InvariantDensity, nu: InvariantDensity, *, tol: float = _TOL) -> Estimate:
    """W1(mu, nu) = int |F_mu(x) - F_nu(x)| dx, F the distribution function, d = 1; in the unit of x.

    The least mean distance that mass has to be moved; W1 -> 0 is weak convergence and convergence of the means.
    Errors as `total_variation`, CoefficientError also for d = 2, where `weak_distance` serves.
    """
    if checked_density(mu).dim != 1:
        raise CoefficientError(f"the densities have {mu.dim} dimensions, needed 1. Use weak_distance.")

    def distance(grid: Grid) -> float:
        difference = (_density(mu, grid) - _density(nu, grid)).reshape(-1, grid.order)
        half = float(grid.halves[0])
        return absolute_integral(antiderivative(from_gauss_points(difference), half), half)

    return _measured(distance, mu, nu, "the Wasserstein distance", tol, scale=float(np.ptp(mu.box)))


def weak_distance(mu: InvariantDensity, nu: InvariantDensity, *, tol: float = _TOL) -> Estimate:
    """D(mu, nu) = max_k |muhat(k) - nuhat(k)| / max(1, |k|), in d = 1, 2: the largest difference of the means of plane
    waves of modulus and slope (per unit of length) <= 1, no more than twice the bounded-Lipschitz distance, or than W1.

    The waves k are those of a box twice as wide as the domain, up to four over the shortest period (96 an axis at
    most, then the multiples of the shortest period's wave). Errors as `total_variation`.
    """
    waves = _waves(mu, nu)

    def distance(grid: Grid) -> float:
        transform = grid.weights * (_density(mu, grid) - _density(nu, grid)) + 0j
        for i, k in enumerate(waves):
            transform = np.moveaxis(np.exp(1j * k[:, None] * grid.axis(i)[0]) @ np.moveaxis(transform, i, 0), 0, i)
        length = np.sqrt(sum(k**2 for k in np.meshgrid(*waves, indexing="ij")))
        return float(np.max(np.abs(transform) / np.maximum(1.0, length)))

    return _measured(distance, mu, nu, "the weak distance", tol)


def _waves(mu: InvariantDensity, nu: InvariantDensity) -> list[FloatArray]:
    """Wave numbers along each axis, symmetric about zero."""
    base = np.pi / np.ptp(_common_box(mu, nu), axis=1)
    finest = min(mu.landscape.finest, nu.landscape.finest)
    waves = list[FloatArray]()
    for step in base:
        highest = _HARMONICS * 2.0 * np.pi / finest if np.isfinite(finest) else 64.0 * step
        count = int(min(highest / step, _MOST_WAVES))
        half = step * np.arange(1, count + 1)
        if np.isfinite(finest):
            half = np.union1d(half, 2.0 * np.pi / finest * np.arange(1, _HARMONICS + 1))
        waves.append(np.concatenate([-half[::-1], [0.0], half]))
    return waves


def _density(mu: InvariantDensity, grid: Grid) -> FloatArray:
    return mu.density(grid.points)


def _measured(
    distance: Callable[[Grid], float],
    mu: InvariantDensity,
    nu: InvariantDensity,
    what: str,
    tol: float,
    scale: float = 1.0,
) -> Estimate:
    """The distance on grids that resolve both densities, to ``tol`` relative or rounding error of ``scale``."""
    floor = _ROUNDING * scale
    relative = positive("tol", tol)
    estimate, _ = converged(distance, _common_grid(mu, nu), what=what, relative=relative, absolute=floor)
    return Estimate(estimate.value, estimate.error + floor + (mu.error + nu.error) * scale)


def _common_grid(mu: InvariantDensity, nu: InvariantDensity) -> Grid:
    """Panels half as fine as those on which both densities are normalized: the first refinement reaches these."""
    grid = first_grid(_common_box(mu, nu), min(mu.landscape.finest, nu.landscape.finest))
    finest = 2.0 * np.minimum(mu.grid.halves, nu.grid.halves)
    wanted = np.ceil(grid.halves * np.array(grid.counts) / finest).astype(int)
    return replace(grid, counts=tuple(int(n) for n in np.maximum(grid.counts, wanted)))


def _common_box(mu: InvariantDensity, nu: InvariantDensity) -> FloatArray:
    """The hull of two supports in R^d, or the box that both live in."""
    if checked_density(mu).dim != checked_density(nu).dim:
        raise CoefficientError(f"got densities in {mu.dim} and {nu.dim} dimensions, needed the same.")
    if mu.whole_space != nu.whole_space or (not mu.whole_space and not np.array_equal(mu.box, nu.box)):
        raise CoefficientError(
            f"got densities on {_where(mu)} and on {_where(nu)}, needed the same domain. Give both one box, or none."
        )
    return np.stack([np.minimum(mu.box[:, 0], nu.box[:, 0]), np.maximum(mu.box[:, 1], nu.box[:, 1])], axis=1)


def _where(mu: InvariantDensity) -> str:
    return f"R^{mu.dim}" if mu.whole_space else f"the box {mu.box.tolist()}"
