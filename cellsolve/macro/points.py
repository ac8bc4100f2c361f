"""All macroscopic points: solved one by one, or interpolated from few."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from cellsolve.errors import CoefficientError
from cellsolve.fem.resolution import Cell
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.threads import one_thread
from cellsolve.macro.chunks import Evaluation, Means, evaluate_in_chunks
from cellsolve.macro.interpolation import FEWEST_POINTS, Solved, Target, expected_nodes, interpolated
from cellsolve.macro.verification import verified
from cellsolve.multiscale.features import LOOKED_AT, by_roughness
from cellsolve.multiscale.fields import block_size
from cellsolve.multiscale.level import terms_at
from cellsolve.multiscale.plan import Tally
from cellsolve.multiscale.planned import Planned, stronger
from cellsolve.multiscale.planning import Task, make_plan
from cellsolve.multiscale.recursion import prepared
from cellsolve.multiscale.schemes import ESTIMATE, Scheme
from cellsolve.potentials import Potential, levels_of

__all__ = ["Computed", "MacroPoints"]

_PLACES = 12  # of the cells, at which the potential is interpolated along: any, and those where it moves most with x
_LEAST_ERROR = 1e-3  # of the tolerance: what iterations and lattices leave is not told apart below
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
    derivatives: tuple[int, ...]  # those of the active components by which derivatives are wanted
    x: FloatArray
    exact: bool  # solve at every point

    @property
    def dim(self) -> int:
        return self.potential.dim

    @one_thread()
    def plan(self, scheme: Scheme = ESTIMATE, hotter: Planned | None = None) -> tuple[Planned, Tally]:
        """Spaces and lattices for the points, and the cell problems that choosing them took."""
        tally = Tally()
        task = Task(self.potential, self.sigma, self.tol, self.cells, self.x, scheme, hotter)
        planned = make_plan(task, tally)
        return planned.with_plan(prepared(planned.plan, tally)), tally

    @property
    def expected(self) -> int:
        """About how many points will be solved at."""
        if self._all_solved:
            return len(self.x)
        return min(expected_nodes(self._components, self._potential, self.tol), len(self.x))

    def evaluate(self, planned: Planned, means: Means) -> Evaluation:
        """log K_0 and log Z at the points, with errors as seen at some of them; computed anew where these miss ``tol``
        and finer spaces may help."""
        spent = Tally()
        for _ in range(_ATTEMPTS):
            result = verified(self.unverified(planned, means), self.x, self.roughest)
            result = replace(result, error=np.maximum(result.error, _LEAST_ERROR * self.tol))
            finer = stronger(result.planned)
            if result.tally.unconverged or finer is None or not np.nanmax(result.error) > self.tol:
                break
            spent.merge(replace(result.tally, unconverged=0))
            planned = finer.with_plan(prepared(finer.plan, spent))
        spent.merge(result.tally)
        return replace(result, tally=spent)

    def unverified(self, planned: Planned, means: Means) -> Evaluation:
        """The same once, with errors as they are predicted."""
        if self._all_solved:
            return evaluate_in_chunks(planned, self.x, self.derivatives, means)
        return self._interpolated(planned, means)

    def _interpolated(self, planned: Planned, means: Means) -> Evaluation:
        tally, count, reported, refinements, alarming = Tally(), 0, 0, 0, False

        def solve(nodes: FloatArray) -> Solved:
            nonlocal count, reported, planned, refinements, alarming
            before = reported

            def report(done: int, total: int) -> None:
                nonlocal reported
                reported = before + done
                if means.progress is not None:
                    means.progress(reported, before + total)

            result = evaluate_in_chunks(planned, self._at(nodes), self.derivatives, replace(means, progress=report))
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

    @cached_property
    def roughest(self) -> npt.NDArray[np.int64]:
        """Points at which the terms of each level vary most finely in its variable, the others being anywhere."""
        random = np.random.default_rng(13)
        some = random.permutation(len(self.x))[: LOOKED_AT[self.dim]]
        rows = {"x": self.x[some]}
        for k, cell in enumerate(self.cells, start=1):
            rows[f"y{k}"] = random.random((len(some), self.dim)) @ np.asarray(cell.period)
        levels = [level for level in levels_of(self.potential) if any(v.name == "x" for v in level.parameters)]
        first = [by_roughness(level, rows, np.asarray(self.cells[level.number - 1].period))[0] for level in levels]
        return np.unique(some[first]).astype(np.int64)

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


@dataclass(frozen=True, slots=True, eq=False)
class Computed:
    """log K_0 and log Z at the points of one model, the work of planning, and bounds (R, d, d) of M, if any."""

    planning: Tally
    evaluation: Evaluation
    lower: FloatArray | None = None
    upper: FloatArray | None = None

    def of(self, rows: npt.NDArray[np.int64]) -> Computed:
        """The same at other points, of which ``rows`` says which each is."""
        lower, upper = (None if bound is None else bound[rows] for bound in (self.lower, self.upper))
        return replace(self, evaluation=self.evaluation.of(rows), lower=lower, upper=upper)
