"""All macroscopic points: solved one by one, or interpolated from few."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cellsolve.errors import CoefficientError
from cellsolve.fem.resolution import Cell
from cellsolve.fem.space import FloatArray
from cellsolve.macro.chunks import Evaluation, evaluate_in_chunks
from cellsolve.macro.interpolation import FEWEST_POINTS, Solved, Target, expected_nodes, interpolated
from cellsolve.macro.verification import verified
from cellsolve.multiscale.fields import block_size
from cellsolve.multiscale.level import terms_at
from cellsolve.multiscale.plan import Tally
from cellsolve.multiscale.planned import Planned, stronger
from cellsolve.multiscale.recursion import prepared
from cellsolve.potentials import Potential, levels_of

__all__ = ["MacroPoints"]

_PLACES = 12  # of the cells, at which the potential is interpolated along: any, and those where it moves most with x
_ATTEMPTS = 3  # to meet the tolerance, the first one included
_SEEN_PLACES, _SEEN_POINTS = 1024, 128  # places looked at for that, at so many of the points


@dataclass(frozen=True, eq=False)
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
        return min(expected_nodes(self._components, self._potential, self.tol), len(self.x))

    def evaluate(
        self, planned: Planned, executor: Executor | None, progress: Callable[[int, int], None] | None
    ) -> Evaluation:
        """log K_0 and log Z at the points, with errors as seen at some of them; computed anew where these miss ``tol``
        and finer spaces may help."""
        spent = Tally()
        for _ in range(_ATTEMPTS):
            result = verified(self._evaluated(planned, executor, progress), self.x, self.potential.dim)
            finer = stronger(result.planned)
            if result.tally.unconverged or finer is None or not np.nanmax(result.error) > self.tol:
                break
            spent.merge(replace(result.tally, unconverged=0))
            planned = finer.with_plan(prepared(finer.plan, spent))
        spent.merge(result.tally)
        return replace(result, tally=spent)

    def _evaluated(
        self, planned: Planned, executor: Executor | None, progress: Callable[[int, int], None] | None
    ) -> Evaluation:
        if self._all_solved:
            return evaluate_in_chunks(planned, self.x, self.active, executor, progress)
        return self._interpolated(planned, executor, progress)

    def _interpolated(
        self, planned: Planned, executor: Executor | None, progress: Callable[[int, int], None] | None
    ) -> Evaluation:
        tally, count, reported, refinements, alarming = Tally(), 0, 0, 0, False

        def solve(nodes: FloatArray) -> Solved:
            nonlocal count, reported, planned, refinements, alarming
            before = reported

            def report(done: int, total: int) -> None:
                nonlocal reported
                reported = before + done
                if progress is not None:
                    progress(reported, before + total)

            result = evaluate_in_chunks(planned, self._at(nodes), self.active, executor, report)
            tally.merge(result.tally)
            count += len(nodes)
            planned, refinements = result.planned, max(refinements, result.refinements)
            alarming = alarming or result.alarming
            return Solved(result.channels, result.error, result.tally.unconverged)

        fields = interpolated(
            self._components, Target(solve, self._potential, block_size(self.potential.dim), self.tol)
        )
        tally.unconverged = fields.unconverged
        own = np.broadcast_to(fields.interpolation, len(self.x))
        return Evaluation(fields.channels, fields.error + own, own, tally, count, planned, refinements, alarming)

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

    def _potential(self, nodes: FloatArray) -> FloatArray:
        """V1/sigma (m, J) at places of the cells, less its mean over the first of them, for components (m, a)."""
        V = self._terms(self._at(nodes), self._places)
        V -= V[:, :_PLACES].mean(axis=1, keepdims=True)
        return V

    @cached_property
    def _places(self) -> list[FloatArray]:
        """Values (J, d) of y_1 .. y_N: random ones, and of many those at which V1 moves most from point to point."""
        random = np.random.default_rng(11)
        many = [random.random((_SEEN_PLACES, self.potential.dim)) @ np.asarray(cell.period) for cell in self.cells]
        some = self.x[random.permutation(len(self.x))[:_SEEN_POINTS]]
        V = self._terms(some, many)
        liveliest = np.argsort(-np.ptp(V - V.mean(axis=1, keepdims=True), axis=0), kind="stable")
        rows = np.concatenate([np.arange(_PLACES), liveliest[:_PLACES]])
        return [y[rows] for y in many]

    def _terms(self, x: FloatArray, places: list[FloatArray]) -> FloatArray:
        """Terms of V1/sigma that hold fast variables (m, J), at points (m, d) and places (J, d) of each y_k."""
        points = {"x": tuple(x.T[:, :, None])}
        points |= {f"y{k}": tuple(y.T[:, None]) for k, y in enumerate(places, start=1)}
        total = np.zeros((len(x), len(places[0])))
        for level in levels_of(self.potential):
            total += terms_at(level, points, total.shape)
        if not np.isfinite(total).all():
            raise CoefficientError(
                "the potential is not finite at some of the points. Check divisions and roots in V1."
            )
        return total / self.sigma
