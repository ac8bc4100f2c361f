"""Rates of relaxation: spectral gaps of the generators, and the bound that V0 and osc V1 give.

    lambda = min_f sigma int grad f . M grad f dmu / Var_mu(f),   Var_mu(f) <= (sigma/lambda) int grad f . M grad f dmu
    lambda >= exp(-osc(V1)/sigma) lambda(V0)    for mu^eps and for mu^0

Duncan, Duong, Pavliotis, J. Stat. Phys. 190:82 (2023), Proposition 4 (Poincare inequalities); Holley, Stroock (1987).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cellsolve.dynamics.density import InvariantDensity, checked_density, invariant_density_of
from cellsolve.dynamics.domain import support_box
from cellsolve.dynamics.landscapes import SlowLandscape, fast_points, positive
from cellsolve.dynamics.line_spectrum import log_gap_on_line
from cellsolve.dynamics.plane_spectrum import PlaneGap, gap_in_plane
from cellsolve.dynamics.quadrature import Grid, first_grid
from cellsolve.errors import ConvergenceError
from cellsolve.fem.space import FloatArray
from cellsolve.potentials import Potential

__all__ = ["SpectralGap", "log_poincare_bound", "poincare_bound", "spectral_gap"]

_LARGEST_LINE, _LARGEST_PLANE = 8_000_000, 120_000  # points, unknowns
_LARGEST_BLIND = 1_000_000  # points, as long as nothing has been found
_ENOUGH = 100_000  # points to begin with
_PLANE_ORDER = 6
_CUTOFFS = {1: (40.0, 30.0), 2: (28.0, 21.0)}  # where R^d ends, and where it does to see what that costs
_SAMPLES = 1 << 16


@dataclass(frozen=True, slots=True)
class SpectralGap:
    """``rate`` lambda: correlations decay as exp(-lambda t), variances as exp(-2 lambda t); in 1/time, with mobility 1.

    ``log_rate`` does not underflow. Relative errors: ``discretization`` (change on the last refinement), ``rounding``,
    ``truncation`` (change when R^d ends at a lower multiple of sigma). ``sigma`` as in the dynamics.
    """

    log_rate: float
    discretization: float
    rounding: float
    truncation: float
    sigma: float

    @property
    def rate(self) -> float:
        """exp(``log_rate``): it loses digits below 1e-308 and is 0 below 1e-323, barriers of about 740 sigma."""
        return float(np.exp(self.log_rate))

    @property
    def poincare_constant(self) -> float:
        """lambda/sigma: Var_mu(f) <= (1/constant) int grad f . M grad f dmu, in 1/length^2."""
        return self.rate / self.sigma

    @property
    def relative_error(self) -> float:
        return self.discretization + self.rounding + self.truncation


def spectral_gap(density: InvariantDensity, *, tol: float = 1e-6) -> SpectralGap:
    """lambda = min_f sigma int grad f . M grad f dmu / Var_mu(f), of the dynamics that ``density`` is invariant under.

    M = I for `invariant_density`, M(x) for `homogenized_density`; walls of a box reflect. ``tol``: relative.
    d = 1: a positive integral operator, to relative accuracy for barriers of up to 1000 sigma. d = 2: spectral
    elements, at most 120 000 unknowns and gaps down to about 1e-10 of the fastest rate resolved.
    Raises ConvergenceError (with the best SpectralGap) where ``tol`` is not reached, or where the gap hangs on where
    R^d is cut off: then there may be none. Source: Duncan, Duong, Pavliotis (2023), Proposition 4.
    """
    tol = positive("tol", tol)
    gap = _on_line(density, tol) if checked_density(density).dim == 1 else _in_plane(density, tol)
    if not gap.relative_error <= tol:
        raise ConvergenceError(
            f"the spectral gap is {gap.rate:.6g} with relative errors {gap.discretization:.1e} (discretization), "
            f"{gap.rounding:.1e} (rounding), {gap.truncation:.1e} (cutting R^{density.dim} off); wanted {tol:.1e}. "
            "Raise tol, eps or sigma, or give a smaller box; without exponential tails there is no gap.",
            result=gap,
        )
    return gap


def poincare_bound(V: Potential, *, sigma: float, box: npt.ArrayLike | None = None) -> float:
    """exp(-osc(V1)/sigma) lambda(V0) <= lambda, for mu^eps at every eps and for mu^0 with its M; in 1/time.

    lambda(V0): the computed gap of V0 alone. osc(V1) = max - min over the unit cells and all x that carry mass,
    searched at 65536 points and polished. Both follow from K_0 >= exp(-max V1/sigma) I and Z <= exp(-min V1/sigma).
    Raises CoefficientError and ConvergenceError as `spectral_gap` does. Source: Duncan, Duong, Pavliotis (2023),
    Proposition 4. It underflows to 0 below 1e-323; `log_poincare_bound` does not.
    """
    return float(np.exp(log_poincare_bound(V, sigma=sigma, box=box)))


def log_poincare_bound(V: Potential, *, sigma: float, box: npt.ArrayLike | None = None) -> float:
    """log lambda(V0) - osc(V1)/sigma <= log lambda, finite at any temperature.

    Arguments and errors of `poincare_bound`. Compare it with ``SpectralGap.log_rate``.
    Source: Duncan, Duong, Pavliotis (2023), Proposition 4.
    """
    slow = invariant_density_of(SlowLandscape(V, sigma), box=box, tol=1e-8)
    gap = spectral_gap(slow)
    return gap.log_rate - oscillation(V, slow.box) / sigma


def oscillation(V: Potential, box: FloatArray) -> float:
    """max V1 - min V1 over x in a box (d, 2) and y_1 .. y_N in the unit cells."""
    lows = np.concatenate([box[:, 0], np.zeros(V.dim * V.scales)])
    highs = np.concatenate([box[:, 1], np.ones(V.dim * V.scales)])
    rng = np.random.default_rng(5)
    y = np.stack(fast_points(V, _SAMPLES), axis=1).reshape(_SAMPLES, -1)
    points = np.concatenate([box[:, 0] + rng.random((_SAMPLES, V.dim)) * np.ptp(box, axis=1), y], axis=1)
    return sum(_highest(V, sign, points, lows, highs, rng) for sign in (1.0, -1.0))


def _highest(
    V: Potential, sign: float, points: FloatArray, lows: FloatArray, highs: FloatArray, rng: np.random.Generator
) -> float:
    """max of sign V1: the best points are moved at random, less and less."""
    step = 0.1 * (highs - lows)
    best = -np.inf
    for _ in range(60):
        values = sign * V.evaluate_V1(*np.moveaxis(points.reshape(len(points), -1, V.dim), 1, 0))
        order = np.argsort(-values, kind="stable")[:32]
        best = max(best, float(values[order[0]]))
        moves = rng.standard_normal((64, 32, len(lows))) * step
        moves[0] = 0.0
        points = np.clip(points[order] + moves, lows, highs).reshape(-1, len(lows))
        step = 0.6 * step
    return best


def _on_line(density: InvariantDensity, tol: float) -> SpectralGap:
    """Panels are halved until log lambda changes by less than ``tol``."""
    grid = _first_panels(density)
    value, change = log_gap_on_line(density.landscape, grid), np.inf
    while not change <= tol / 4.0 and grid.finer().size <= (_LARGEST_LINE if np.isfinite(value) else _LARGEST_BLIND):
        grid = grid.finer()
        finer = log_gap_on_line(density.landscape, grid)
        value, change = finer, abs(finer - value) if np.isfinite(finer - value) else np.inf
    if not np.isfinite(value):
        raise ConvergenceError(
            f"the spectral gap could not be computed: {grid.size} points on {density.box[0].tolist()} do not resolve "
            f"exp(-U/sigma) at sigma = {density.sigma:g}. Raise sigma or eps, or give a smaller box."
        )
    truncation = 0.0
    if density.whole_space:
        trimmed = log_gap_on_line(density.landscape, replace(grid, box=_support(density, 1)))
        truncation = abs(float(np.expm1(trimmed - value)))
    return SpectralGap(value, change, 1e-14, truncation, density.sigma)


def _first_panels(density: InvariantDensity) -> Grid:
    """The panels of the density, or fewer, at most _ENOUGH points, where kinks took many to integrate."""
    grid = density.grid
    while grid.size > _ENOUGH and grid.counts[0] % 2 == 0 and 4.0 * grid.halves[0] <= density.landscape.finest:
        grid = replace(grid, counts=(grid.counts[0] // 2,))
    return grid


def _in_plane(density: InvariantDensity, tol: float) -> SpectralGap:
    """Elements are made smaller until the gap changes by less than ``tol``."""
    landscape = density.landscape
    box = _support(density, 0) if density.whole_space else density.box
    grid = first_grid(box, landscape.finest)
    gap, change, factor = _plane_gap(density, grid, 1.0), np.inf, 1.0
    while not change <= tol / 4.0 and _unknowns(grid, 1.5 * factor) <= _LARGEST_PLANE:
        factor *= 1.5
        finer = _plane_gap(density, grid, factor)
        gap, change = finer, abs(finer.value / gap.value - 1.0)
    truncation = 0.0
    if density.whole_space:
        truncation = abs(_plane_gap(density, replace(grid, box=_support(density, 1)), factor).value / gap.value - 1.0)
    return SpectralGap(float(np.log(gap.value)), change, gap.rounding, truncation, density.sigma)


def _plane_gap(density: InvariantDensity, grid: Grid, factor: float) -> PlaneGap:
    first, second = (int(np.ceil(factor * count)) for count in grid.counts)
    return gap_in_plane(density.landscape, grid.box, (first, second), _PLANE_ORDER)


def _unknowns(grid: Grid, factor: float) -> float:
    return float(np.prod([np.ceil(factor * count) * _PLANE_ORDER + 1 for count in grid.counts]))


def _support(density: InvariantDensity, which: int) -> FloatArray:
    """The box that stands for R^d, or the smaller one."""
    return support_box(density.landscape, _CUTOFFS[density.dim][which])
