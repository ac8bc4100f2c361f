"""Invariant densities of the full and of the homogenized dynamics, normalized on R^d or on a box.

    mu^eps(x) = exp(-V^eps(x)/sigma) / Z^eps,    mu^0(x) = exp(-Psi(x)/sigma) / Zbar,    Zbar = int Z exp(-V0/sigma) dx

Duncan, Duong, Pavliotis, J. Stat. Phys. 190:82 (2023), Proposition 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cellsolve.dynamics.domain import checked_box, narrowest_well, outer_mass, support_box
from cellsolve.dynamics.landscapes import FullLandscape, HomogenizedLandscape, Landscape, positive
from cellsolve.dynamics.quadrature import Estimate, Grid, converged, first_grid
from cellsolve.errors import CoefficientError
from cellsolve.fem.space import FloatArray
from cellsolve.macro.model import EffectiveModel
from cellsolve.potentials import Potential

__all__ = ["InvariantDensity", "checked_density", "homogenized_density", "invariant_density", "invariant_density_of"]

_CUTOFF = 40.0  # exp(-40) = 4e-18 of the largest density is where R^d ends
_WIDTHS = 4.0  # of the narrowest well in a panel, at first
_DIMENSIONS = (1, 2)


@dataclass(frozen=True, slots=True, eq=False)
class InvariantDensity:
    """mu(x) = exp(-U(x)/sigma - ``log_normalization``) on ``box`` (d, 2); the stationary law of its landscape.

    ``log_normalization`` = log int exp(-U/sigma) dx never overflows; ``error``: its absolute error, from the quadrature
    and from the mass outside of the box. ``whole_space``: whether the box stands for R^d; else its walls reflect.
    """

    landscape: Landscape
    box: FloatArray
    whole_space: bool
    log_normalization: float
    error: float
    grid: Grid

    @property
    def dim(self) -> int:
        return self.landscape.dim

    @property
    def sigma(self) -> float:
        return self.landscape.sigma

    def log_density(self, x: npt.ArrayLike) -> FloatArray:
        """log mu at points (..., d) -> (...), per unit volume; -inf outside of a box with walls.

        Raises CoefficientError for points of a wrong shape or that are not finite.
        """
        points = _points(x, self.dim)
        values = -self.landscape.energy(points) / self.sigma - self.log_normalization
        if self.whole_space:
            return values
        inside = np.all((points >= self.box[:, 0]) & (points <= self.box[:, 1]), axis=-1)
        return np.where(inside, values, -np.inf)

    def density(self, x: npt.ArrayLike) -> FloatArray:
        """mu at points (..., d) -> (...), per unit volume. Raises as `log_density` does."""
        with np.errstate(under="ignore"):
            return np.exp(self.log_density(x))

    def expectation(self, f: Callable[[FloatArray], Any], *, tol: float = 1e-9) -> Estimate:
        """int f(x) mu(x) dx for f of points (..., d) -> (...), to ``tol`` relative to int |f| mu.

        Raises CoefficientError for values of a wrong shape or that are not finite, ConvergenceError (with the best
        Estimate) where the finest grid does not reach ``tol``.
        """
        size = 0.0

        def mean(grid: Grid) -> float:
            nonlocal size
            points = grid.points
            values = _values(f, points)
            masses = grid.weights * self.density(points)
            size = float(np.sum(masses * np.abs(values)))
            return float(np.sum(masses * values)) / max(size, np.finfo(float).tiny)

        estimate, _ = converged(mean, self.grid, what="the expectation", relative=0.0, absolute=positive("tol", tol))
        return Estimate(estimate.value * size, (estimate.error + self.error) * size)


def invariant_density(
    V: Potential, *, sigma: float, eps: float, box: npt.ArrayLike | None = None, tol: float = 1e-10
) -> InvariantDensity:
    """mu^eps = exp(-V^eps/sigma)/Z^eps, V^eps(x) = V0(x) + V1(x, x/eps, .., x/eps^N), d = 1 or 2.

    ``box``: (d, 2) rows (low, high), with reflecting walls; without one R^d, as far as mu^eps exceeds 4e-18 of its
    maximum. ``tol``: relative error wanted of Z^eps; Gauss panels resolve eps^N and are halved until it is met.
    Raises CoefficientError for a bad argument, a dimension over 2 or a V0 that does not confine; ConvergenceError where
    eps^N is too short for the finest grid. Source: Duncan, Duong, Pavliotis (2023), Proposition 3.
    """
    return invariant_density_of(FullLandscape(V, sigma, eps), box=box, tol=tol)


def homogenized_density(
    model: EffectiveModel, *, box: npt.ArrayLike | None = None, tol: float = 1e-10
) -> InvariantDensity:
    """mu^0 = exp(-Psi/sigma)/Zbar, the weak limit of mu^eps as eps -> 0; arguments and errors as `invariant_density`.

    Psi = V0 - sigma log Z, with V0, which the paper's (13) leaves out. Where V1 holds no x, Z is constant and mu^0 is
    the stationary law of V0 alone (section 3.1). Source: Duncan, Duong, Pavliotis (2023), Proposition 3.
    """
    if not isinstance(model, EffectiveModel):
        raise CoefficientError(f"got a {type(model).__name__}, needed an EffectiveModel. Call cs.homogenize first.")
    return invariant_density_of(HomogenizedLandscape(model), box=box, tol=tol)


def invariant_density_of(landscape: Landscape, *, box: npt.ArrayLike | None, tol: float) -> InvariantDensity:
    """exp(-U/sigma)/Z of any landscape. Errors as `invariant_density`."""
    if landscape.dim not in _DIMENSIONS:
        raise CoefficientError(f"got a potential in {landscape.dim} dimensions, needed 1 or 2.")
    sides = support_box(landscape, _CUTOFF) if box is None else checked_box(box, landscape.dim)
    beyond = outer_mass(landscape, sides) if box is None else 0.0

    def log_mass(grid: Grid) -> float:
        exponents = -landscape.energy(grid.points) / landscape.sigma
        peak = float(exponents.max())
        with np.errstate(under="ignore"):
            return peak + float(np.log(np.sum(grid.weights * np.exp(exponents - peak))))

    start = first_grid(sides, min(landscape.finest, _WIDTHS * narrowest_well(landscape, sides)))
    logZ, grid = converged(log_mass, start, what="log Z", relative=4e-16, absolute=positive("tol", tol))
    return InvariantDensity(landscape, sides, box is None, logZ.value, logZ.error + beyond, grid)


def checked_density(density: InvariantDensity) -> InvariantDensity:
    """``density``, if it is one; CoefficientError otherwise."""
    if not isinstance(density, InvariantDensity):
        raise CoefficientError(
            f"got a {type(density).__name__}, needed an InvariantDensity. Call cs.invariant_density or "
            "cs.homogenized_density first."
        )
    return density


def _points(x: npt.ArrayLike, dim: int) -> FloatArray:
    try:
        points = np.asarray(x, dtype=float)
    except (TypeError, ValueError):
        raise CoefficientError(f"the points x are no array of numbers: {str(x)[:60]}.") from None
    if points.ndim == 0 or points.shape[-1] != dim or not np.isfinite(points).all():
        raise CoefficientError(f"got points x of shape {points.shape}, needed (..., {dim}), all finite.")
    return points


def _values(f: Callable[[FloatArray], Any], points: FloatArray) -> FloatArray:
    values = np.asarray(f(points), dtype=float)
    if values.shape not in ((), points.shape[:-1]) or not np.isfinite(values).all():
        raise CoefficientError(
            f"f gave values of shape {values.shape} at points {points.shape}, needed {points.shape[:-1]}, all finite. "
            "The components of a point are in the last axis: x[..., 0]."
        )
    return values
