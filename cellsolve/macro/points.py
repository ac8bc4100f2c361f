"""All macroscopic points: solved one by one, or interpolated from few."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellsolve.fem.resolution import Cell
from cellsolve.fem.space import FloatArray
from cellsolve.macro.chunks import Evaluation, Progress, evaluate_in_chunks
from cellsolve.macro.interpolation import FEWEST_POINTS, Solved, Target, expected_nodes, interpolated
from cellsolve.multiscale.fields import block_size
from cellsolve.multiscale.plan import Tally
from cellsolve.multiscale.planning import Planned
from cellsolve.potentials import Potential

__all__ = ["MacroPoints"]

_SHARE = 0.125  # of tol, for the interpolation
_PLACES = 12  # of the cells, at which the potential is interpolated along


@dataclass(frozen=True, slots=True, eq=False)
class MacroPoints:
    """Distinct points ``x`` (U, d) of one model; ``active`` are the components of x that M depends on."""

    potential: Potential
    sigma: float
    tol: float
    cells: tuple[Cell, ...]
    active: tuple[int, ...]
    x: FloatArray
    exact: bool  # solve at every point

    @property
    def expected(self) -> int:
        """About how many points will be solved at."""
        if self._all_solved:
            return len(self.x)
        return min(expected_nodes(self._components, self._potential_over_sigma, _SHARE * self.tol), len(self.x))

    def evaluate(
        self, planned: Planned, executor: Executor | None, progress: Callable[[int, int], None] | None
    ) -> Evaluation:
        """log K_0 and log Z at the points."""
        if self._all_solved:
            return evaluate_in_chunks(planned, self.x, self.active, executor, progress)
        tally, count = Tally(), 0

        def solve(nodes: FloatArray) -> Solved:
            nonlocal count
            done = _after(progress, sum(tally.problems.values()))
            result = evaluate_in_chunks(planned, self._at(nodes), self.active, executor, done)
            tally.merge(result.tally)
            count += len(nodes)
            whole = result.tally.unconverged == 0 and bool(np.isfinite(result.channels).all())
            return Solved(result.channels, result.error, whole)

        values = block_size(self.potential.dim)
        target = Target(solve, self._potential_over_sigma, values, _SHARE * self.tol)
        channels, error = interpolated(self._components, target)
        return Evaluation(channels, error, tally, count)

    @property
    def _all_solved(self) -> bool:
        return self.exact or len(self.x) < FEWEST_POINTS or not self.active

    @property
    def _components(self) -> FloatArray:
        return self.x[:, list(self.active)]

    def _at(self, nodes: FloatArray) -> FloatArray:
        """Points (m, d) with these active components (m, a)."""
        points: npt.NDArray[np.float64] = np.repeat(self.x[:1], len(nodes), axis=0)
        points[:, list(self.active)] = nodes
        return points

    def _potential_over_sigma(self, nodes: FloatArray) -> FloatArray:
        """V1/sigma (m, J) at places of the cells, less its mean over them: what moves with x alone is no matter."""
        random = np.random.default_rng(11)
        places = [random.random((_PLACES, self.potential.dim)) @ np.asarray(cell.period) for cell in self.cells]
        V: FloatArray = self.potential.evaluate_V1(self._at(nodes)[:, None], *places) / self.sigma
        V -= V.mean(axis=1, keepdims=True)
        return V


def _after(progress: Progress | None, done: int) -> Progress | None:
    """Tells of the problems of one round besides those done before."""
    return None if progress is None else lambda some, total: progress(done + some, done + total)
