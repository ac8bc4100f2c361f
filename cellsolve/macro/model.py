"""The homogenized model: M(x), Z(x), Psi(x) of an N-scale potential at any macroscopic points."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cellsolve.cells import BoxCell
from cellsolve.errors import CoefficientError, ConvergenceError
from cellsolve.fem.resolution import Cell
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.threads import one_thread
from cellsolve.macro.cells import cells_of_levels
from cellsolve.macro.chunks import Evaluation
from cellsolve.macro.effective import Effective, Report, effective_coefficients
from cellsolve.macro.grid import grid_points, to_dataset
from cellsolve.macro.periodicity import check_periodic
from cellsolve.macro.points import MacroPoints
from cellsolve.multiscale.cost import Cost, estimate_cost
from cellsolve.multiscale.evaluation import chunk_rows
from cellsolve.multiscale.fields import Fields
from cellsolve.multiscale.plan import Tally
from cellsolve.multiscale.planning import Planned, make_plan
from cellsolve.multiscale.recursion import prepared
from cellsolve.potentials import Potential, levels_of

if TYPE_CHECKING:
    import xarray

__all__ = ["EffectiveModel", "homogenize"]

Progress = Callable[[int, int], None]


def homogenize(
    V: Potential,
    *,
    sigma: float,
    tol: float = 1e-6,
    cells: Sequence[Cell] | Cell | None = None,
    bounds: bool = False,
) -> EffectiveModel:
    """The effective model of a particle in V0(x) + V1(x, x/eps, .., x/eps^N) at temperature sigma, as eps -> 0.

        M = K_0 / Z,    Z = int exp(-V1/sigma) dy1..dyN,    Psi = V0 - sigma log Z              (13, 14)
        dX = -M grad Psi dt + sigma div M dt + sqrt(2 sigma M) dW                               (18)

    ``sigma`` = k_B T > 0, in the unit of V. ``tol``: relative error wanted of M. ``cells``: the unit cell of each
    y_1 .. y_N, or one for all; by default unit boxes whose resolution is chosen to meet ``tol``. Islands of porous
    cells take no part in M and Z. On a mesh, or a box with n and order given, the resolution stays, and
    ``error_estimate`` says what it is worth. Resolution is chosen by
    comparison at probes and at the hardest problems met; features of V1 narrower than 1/4096 of a period (d = 1), 1/128
    (d = 2) or 1/32 (d = 3) can escape.

    ``bounds``: brackets of M are not built yet, True is refused.

    Nothing is solved before the model is evaluated. Raises CoefficientError for arguments that do not fit.

    Source: Duncan, Duong, Pavliotis, J. Stat. Phys. 190:82 (2023), equation numbers as there.
    """
    if not isinstance(V, Potential):
        raise CoefficientError(
            f"got a {type(V).__name__} as V, needed a Potential. Write cs.Potential(V1, dim=.., scales=..)."
        )
    if bounds:
        raise CoefficientError("got bounds = True, but brackets of M are not available yet. Leave it out.")
    return EffectiveModel(V, _positive("sigma", sigma), _tolerance(tol), cells_of_levels(V, cells))


@dataclass(frozen=True, slots=True)
class EffectiveModel:
    """What `homogenize` returns; evaluate it at points or on a grid."""

    potential: Potential
    sigma: float
    tol: float
    cells: tuple[Cell, ...]

    def evaluate(
        self,
        x: npt.ArrayLike,
        *,
        executor: Executor | None = None,
        progress: Progress | None = None,
        exact_points: bool = False,
    ) -> Effective:
        """M, Z, Psi and their derivatives at points x (..., d).

        Where there are many points, the cell problems are solved at fewer ones, chosen until polynomials through them
        are good to an eighth of ``tol``; ``exact_points`` solves them at every point.
        ``executor``: anything with the interface of concurrent.futures.Executor; results do not depend on it.
        ``progress(done, total)`` is called with the cell problems solved so far.
        Raises CoefficientError (shapes, potentials that are not finite or not periodic) and ConvergenceError, whose
        ``result`` is what was reached.
        """
        start = time.perf_counter()
        points = self._points(x)
        flat = points.reshape(-1, self.potential.dim)
        planned, planning = self.plan(flat)
        distinct, inverse = self._distinct(flat)
        evaluation = self._macro_points(distinct, exact_points).evaluate(planned, executor, progress).of(inverse)
        report = self._report(evaluation.planned, planning, evaluation, time.perf_counter() - start)
        effective = self._effective(flat, evaluation, report, points.shape[:-1])
        self._refuse_unconverged(effective)
        return effective

    def on_grid(
        self,
        grid: Mapping[str, npt.ArrayLike],
        *,
        executor: Executor | None = None,
        progress: Progress | None = None,
        exact_points: bool = False,
    ) -> xarray.Dataset:
        """The same on a tensor grid {"x0": (..), "x1": (..)}, as a labelled dataset with units and provenance.

        Variables ``diffusion`` (x0, .., i, j), ``partition_function``, ``log_partition_function``, ``free_energy``,
        ``free_energy_gradient`` (.., i), ``diffusion_divergence`` (.., i), ``error_estimate``.
        Raises as `evaluate` does; the ``result`` of a ConvergenceError is then a dataset.
        """
        axes, points = grid_points(grid, self.potential.dim)
        try:
            effective = self.evaluate(points, executor=executor, progress=progress, exact_points=exact_points)
        except ConvergenceError as error:
            reached = to_dataset(axes, error.result, self._provenance(error.result.report))
            raise ConvergenceError(str(error), result=reached) from None
        return to_dataset(axes, effective, self._provenance(effective.report))

    @one_thread()
    def plan(self, x: FloatArray) -> tuple[Planned, Tally]:
        """Spaces and lattices for the points x (R, d), and the cell problems that choosing them took."""
        check_periodic(self.potential, self.cells, x)
        tally = Tally()
        planned = make_plan(self.potential, self.sigma, self.tol, self.cells, self._distinct(x)[0], tally)
        return planned.with_plan(prepared(planned.plan, tally)), tally

    @one_thread()
    def cost(self, x: npt.ArrayLike, *, exact_points: bool = False) -> Cost:
        """Cell problems, unknowns, memory and time that `evaluate` would take at the points x (..., d)."""
        start = time.perf_counter()
        flat = self._points(x).reshape(-1, self.potential.dim)
        planned, _ = self.plan(flat)
        planning = time.perf_counter() - start
        distinct, _ = self._distinct(flat)
        solved = self._macro_points(distinct, exact_points).expected
        return estimate_cost(planned.plan, solved, chunk_rows(planned), distinct, planning)

    def _macro_points(self, distinct: FloatArray, exact: bool) -> MacroPoints:
        return MacroPoints(self.potential, self.sigma, self.tol, self.cells, self._derivatives, distinct, exact)

    @property
    def _derivatives(self) -> tuple[int, ...]:
        """Components of x that M depends on."""
        return tuple(sorted(v.index for v in levels_of(self.potential)[-1].parameters if v.name == "x"))

    def _points(self, x: npt.ArrayLike) -> FloatArray:
        try:
            points = np.asarray(x, dtype=float)
        except (TypeError, ValueError):
            raise CoefficientError(f"the points x are no array of numbers: {str(x)[:60]}.") from None
        dim = self.potential.dim
        if points.ndim == 0 or points.shape[-1] != dim or points.size == 0:
            raise CoefficientError(
                f"got points x of shape {points.shape}, needed (..., {dim}), not empty: components last."
            )
        if not np.isfinite(points).all():
            raise CoefficientError("got points x that are not finite. Leave out NaN and infinite ones.")
        return points

    def _distinct(self, x: FloatArray) -> tuple[FloatArray, npt.NDArray[np.int64]]:
        """Points that differ in a component on which M depends (U, d), and which of them each point is (R,)."""
        columns = list(self._derivatives)
        if not columns:
            return x[:1], np.zeros(len(x), dtype=np.int64)
        _, first, inverse = np.unique(x[:, columns], axis=0, return_index=True, return_inverse=True)
        return x[first], inverse.ravel().astype(np.int64)

    def _effective(self, x: FloatArray, evaluation: Evaluation, report: Report, lead: tuple[int, ...]) -> Effective:
        fields = Fields(evaluation.channels, self.potential.dim, self._derivatives)
        error = evaluation.error + 1e-15
        flat = effective_coefficients(self.potential, self.sigma, x, fields, error, report)
        return flat.reshaped(lead)

    def _report(self, planned: Planned, planning: Tally, evaluation: Evaluation, seconds: float) -> Report:
        total = Tally()
        total.merge(planning)
        total.merge(evaluation.tally)
        plan = planned.plan
        return Report(
            cell_problems=total.problems,
            planning_problems=planning.problems,
            checking_problems=total.checks,
            iterations=total.iterations,
            unconverged=evaluation.tally.unconverged,
            solved_points=evaluation.solved_points,
            spaces={k: repr(solver.space) for k, solver in sorted(plan.solvers.items())},
            unknowns={k: solver.space.n_dofs for k, solver in sorted(plan.solvers.items())},
            samplings={f"y{k}": sampling.description for k, sampling in sorted(plan.samplings.items())},
            discretization_error=dict(sorted(planned.discretization.items())),
            seconds=seconds,
        )

    def _provenance(self, report: Report) -> dict[str, str | float | int]:
        """What a file must say of how its numbers were made; nothing that differs from run to run."""
        return {
            **{f"potential_{name}": text for name, text in self.potential.source.items()},
            "scales": self.potential.scales,
            "sigma": self.sigma,
            "tolerance": self.tol,
            "cells": "; ".join(cell.name for cell in self.cells),
            "spaces": "; ".join(report.spaces.values()),
            "samplings": "; ".join(f"{name}: {text}" for name, text in report.samplings.items()),
            "cell_problems": "; ".join(f"level {k}: {n}" for k, n in sorted(report.cell_problems.items())),
            "solved_points": report.solved_points,
            "unconverged_cell_problems": report.unconverged,
        }

    def _refuse_unconverged(self, effective: Effective) -> None:
        worst = float(np.max(effective.error_estimate))
        if effective.report.unconverged or not np.isfinite(effective.diffusion).all():
            raise ConvergenceError(
                f"{effective.report.unconverged} cell problems did not converge (estimated relative error of M up to "
                f"{worst:.1e}, wanted {self.tol:.1e}). Raise sigma or tol, or refine the cells.",
                result=effective,
            )
        if worst > self.tol and all(map(_is_adaptive, self.cells)):
            raise ConvergenceError(
                f"the estimated relative error of M is {worst:.1e}, wanted {self.tol:.1e}: the finest boxes and "
                "lattices tried do not resolve this potential. Raise tol or sigma, or give cells with n and order.",
                result=effective,
            )


def _is_adaptive(cell: Cell) -> bool:
    """Was the resolution cellsolve's own choice?"""
    return isinstance(cell, BoxCell) and cell.n is None and cell.order is None


def _positive(name: str, value: float) -> float:
    if not isinstance(value, int | float | np.number) or not np.isfinite(value) or not value > 0:
        raise CoefficientError(f"got {name} = {value!r}, needed a finite number > 0.")
    return float(value)


def _tolerance(tol: float) -> float:
    tol = _positive("tol", tol)
    if not 1e-13 <= tol < 1:
        raise CoefficientError(f"got tol = {tol!r}, needed a relative error between 1e-13 and 1.")
    return tol
