"""Composite Gauss rules on a box, refined until what they measure no longer changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.polynomial import legendre

from cellsolve.errors import ConvergenceError
from cellsolve.fem.space import FloatArray

__all__ = ["Estimate", "Grid", "converged", "first_grid", "gauss_rule"]

_ORDER = {1: 10, 2: 8}  # Gauss points in a panel along an axis
_LARGEST = {1: 8_000_000, 2: 16_000_000}  # points of a grid
_FEWEST = {1: 16, 2: 6}  # panels along an axis


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and the ``error`` that refinement of its quadrature shows."""

    value: float
    error: float

    def __float__(self) -> float:
        return self.value


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """``counts[i]`` equal panels with ``order`` Gauss points each along axis i of a box (d, 2)."""

    box: FloatArray
    counts: tuple[int, ...]
    order: int

    @property
    def size(self) -> int:
        return int(np.prod([float(count * self.order) for count in self.counts]))

    @property
    def halves(self) -> FloatArray:
        """Half the length of a panel along each axis (d,)."""
        halves: FloatArray = 0.5 * np.ptp(self.box, axis=1) / np.array(self.counts)
        return halves

    def axis(self, i: int) -> tuple[FloatArray, FloatArray]:
        """Points and weights (n_i,) along an axis, panel after panel."""
        nodes, weights = gauss_rule(self.order)
        low, half, count = self.box[i, 0], self.halves[i], self.counts[i]
        points = low + half * (2.0 * np.arange(count)[:, None] + 1.0 + nodes)
        return points.ravel(), np.tile(half * weights, count)

    @property
    def points(self) -> FloatArray:
        """(n_0, .., d)."""
        axes = [self.axis(i)[0] for i in range(len(self.counts))]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)

    @property
    def weights(self) -> FloatArray:
        """(n_0, ..)."""
        total = np.ones(())
        for i in range(len(self.counts)):
            total = total[..., None] * self.axis(i)[1]
        return total

    def finer(self) -> Grid:
        """Twice the panels along every axis."""
        return replace(self, counts=tuple(2 * count for count in self.counts))


def first_grid(box: FloatArray, finest: float) -> Grid:
    """One panel to the shortest period, or narrow well, at least.

    Raises ConvergenceError where that takes too many points.
    """
    dim = len(box)
    widths = np.ptp(box, axis=1)
    wanted = np.maximum(np.ceil(widths / finest), _FEWEST[dim])
    if np.prod(wanted * _ORDER[dim]) > _LARGEST[dim]:
        raise ConvergenceError(
            f"the shortest period (or narrow well) {finest:.1e} on a box of {widths.tolist()} "
            f"takes {np.prod(wanted):.1e} panels, more "
            f"than {_LARGEST[dim] // _ORDER[dim] ** dim:.1e}. Raise eps, or give a smaller box."
        )
    return Grid(box, tuple(int(count) for count in wanted), _ORDER[dim])


@lru_cache(maxsize=16)
def gauss_rule(order: int) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre points and weights on [-1, 1]."""
    points, weights = legendre.leggauss(order)
    return points, weights


def converged(
    measure: Callable[[Grid], float], grid: Grid, *, what: str, relative: float, absolute: float = 0.0
) -> tuple[Estimate, Grid]:
    """``measure`` on finer and finer grids until it changes by less than relative |value| + absolute, and the last.

    Raises ConvergenceError, with the best Estimate, where the next grid would be too large.
    """
    best = Estimate(measure(grid), np.inf)
    while (finer := grid.finer()).size <= _LARGEST[len(grid.counts)]:
        value = measure(finer)
        best, grid = Estimate(value, abs(value - best.value)), finer
        if best.error <= relative * abs(value) + absolute:
            return best, grid
    raise ConvergenceError(
        f"{what} is {best.value:.6g} with an error of {best.error:.1e}; the finest grid of {grid.size} points does not "
        f"reach the tolerance {relative:.0e}. Raise tol or eps, or give a smaller box.",
        result=best,
    )
