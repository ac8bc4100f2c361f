"""All macroscopic points: solved one by one, or interpolated from few."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellsolve.fem.resolution import Cell
from cellsolve.fem.space import FloatArray
from cellsolve.macro.chunks import Evaluation, evaluate_in_chunks
from cellsolve.macro.interpolation import FEWEST_POINTS, Solved, Target, interpolated
from cellsolve.multiscale.fields import block_size
from cellsolve.multiscale.planning import Planned
from cellsolve.multiscale.recursion import Tally
from cellsolve.potentials import Potential

__all__ = ["PointWork"]

_SHARE = 0.125  # of tol, for the interpolation
_PLACES = 12  # of the cells, at which the potential is interpolated along


@dataclass(frozen=True, slots=True, eq=False)
class PointWork:
    """One evaluation of a plan; ``derivatives`` are the components of x that M depends on."""

    potential: Potential
    sigma: float
    tol: float
    cells: tuple[Cell, ...]
    planned: Planned
    derivatives: tuple[int, ...]
    executor: Executor | None
    progress: Callable[[int, int], None] | None

    def evaluate(self, x: FloatArray, inverse: npt.NDArray[np.int64], exact_points: bool) -> Evaluation:
        """At the distinct points x (U, d); ``inverse`` (R,) gives every point its own."""
        if exact_points or len(x) < FEWEST_POINTS or not self.derivatives:
            return self._solved(x, inverse, self.progress)
        return self._interpolated(x, inverse)

    def _solved(
        self, x: FloatArray, inverse: npt.NDArray[np.int64], progress: Callable[[int, int], None] | None
    ) -> Evaluation:
        return evaluate_in_chunks(self.planned, x, inverse, self.derivatives, self.executor, progress)

    def _interpolated(self, x: FloatArray, inverse: npt.NDArray[np.int64]) -> Evaluation:
        columns, tally, count = list(self.derivatives), Tally(), 0

        def at(nodes: FloatArray) -> FloatArray:
            points = np.repeat(x[:1], len(nodes), axis=0)
            points[:, columns] = nodes
            return points

        def solve(nodes: FloatArray) -> Solved:
            nonlocal count
            done = sum(tally.problems.values())
            result = self._solved(at(nodes), np.arange(len(nodes)), self._progress_after(done))
            tally.merge(result.tally)
            count += len(nodes)
            whole = result.tally.unconverged == 0 and bool(np.isfinite(result.channels).all())
            return Solved(result.channels, result.error, whole)

        def potential(nodes: FloatArray) -> FloatArray:
            return self._potential_over_sigma(at(nodes))

        target = Target(solve, potential, block_size(self.potential.dim), _SHARE * self.tol)
        channels, error = interpolated(x[:, columns], target)
        return Evaluation(channels[inverse], error[inverse], tally, count)

    def _progress_after(self, done: int) -> Callable[[int, int], None] | None:
        """Tells of the problems of one round besides those done before."""
        report = self.progress
        return None if report is None else lambda some, total: report(done + some, done + total)

    def _potential_over_sigma(self, x: FloatArray) -> FloatArray:
        """V1/sigma (m, J) at places of the cells, less its mean over them: what moves with x alone is no matter."""
        random = np.random.default_rng(11)
        places = [random.random((_PLACES, self.potential.dim)) @ np.asarray(cell.period) for cell in self.cells]
        V: FloatArray = self.potential.evaluate_V1(x[:, None], *places) / self.sigma
        V -= V.mean(axis=1, keepdims=True)
        return V
