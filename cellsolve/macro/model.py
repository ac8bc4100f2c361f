"""The homogenized model: M(x), Z(x), Psi(x) of an N-scale potential at any macroscopic points."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, overload

import numpy as np
import numpy.typing as npt

from cellsolve.cellproblem.bounds import divided_for_bounds
from cellsolve.cells import BoxCell
from cellsolve.errors import CoefficientError, ConvergenceError
from cellsolve.fem.resolution import Cell
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.threads import one_thread
from cellsolve.macro.assembled import at_known
from cellsolve.macro.bracket import both_sides, bracketed
from cellsolve.macro.cells import cells_of_levels
from cellsolve.macro.checkpoints import checkpoints_at
from cellsolve.macro.chunks import Means
from cellsolve.macro.computable import NowhereDefinedError, PartlyDefinedError, computable
from cellsolve.macro.continuation import Continuation
from cellsolve.macro.effective import Effective, Report, effective_coefficients
from cellsolve.macro.grid import grid_points, to_dataset
from cellsolve.macro.periodicity import check_periodic
from cellsolve.macro.points import Computed, MacroPoints
from cellsolve.macro.sweep import TemperatureSweep
from cellsolve.multiscale.cost import Cost, estimate_cost
from cellsolve.multiscale.evaluation import chunk_rows
from cellsolve.multiscale.fields import Fields
from cellsolve.multiscale.plan import Tally
from cellsolve.multiscale.planned import Planned
from cellsolve.multiscale.schemes import ESTIMATE
from cellsolve.potentials import Potential, levels_of
from cellsolve.results.store import Store

if TYPE_CHECKING:
    import xarray

__all__ = ["EffectiveModel", "homogenize"]

Progress = Callable[[int, int], None]


@overload
def homogenize(
    V: Potential,
    *,
    sigma: float,
    tol: float = ...,
    cells: Sequence[Cell] | Cell | None = ...,
    bounds: bool = ...,
) -> EffectiveModel: ...


@overload
def homogenize(
    V: Potential,
    *,
    sigma: Sequence[float] | FloatArray,
    tol: float = ...,
    cells: Sequence[Cell] | Cell | None = ...,
    bounds: bool = ...,
) -> TemperatureSweep: ...


def homogenize(
    V: Potential,
    *,
    sigma: float | Sequence[float] | FloatArray,
    tol: float = 1e-6,
    cells: Sequence[Cell] | Cell | None = None,
    bounds: bool = False,
) -> EffectiveModel | TemperatureSweep:
    """The effective model of a particle in V0(x) + V1(x, x/eps, .., x/eps^N) at temperature sigma, as eps -> 0.

        M = K_0 / Z,    Z = int exp(-V1/sigma) dy1..dyN,    Psi = V0 - sigma log Z              (13, 14)
        dX = -M grad Psi dt + sigma div M dt + sqrt(2 sigma M) dW                               (18)

    ``sigma`` = k_B T > 0, in the unit of V; a sequence of temperatures, all different, gives a `TemperatureSweep`,
    whose arrays have them as their first axis. ``tol``: relative error wanted of M. ``cells``: the unit cell of each
    y_1 .. y_N, or one for all; by default unit boxes whose resolution is chosen to meet ``tol``. Islands of porous
    cells take no part in M and Z. On a mesh, or a box with n and order given, the resolution stays, and
    ``error_estimate`` says what it is worth. Resolution is chosen by
    comparison at probes and at the hardest problems met; features of V1 narrower than 1/4096 of a period (d = 1), 1/128
    (d = 2) or 1/32 (d = 3) can escape.

    ``bounds``: compute lower <= M <= upper in the Loewner order at every point, through all levels; ``diffusion`` is
    the middle, ``error_estimate`` half the width, relative to the lower bound. However coarse elements are and
    however early iterations stop, M lies between, up to the errors of integrals, of lattices and of interpolation in
    x: these are estimated and added to both sides. It takes five to ten times as long (d = 2), more in space, where
    hexahedra are divided into tetrahedra. validation/through_levels.md derives it.

    Nothing is solved before the model is evaluated. Raises CoefficientError for arguments that do not fit.

    Source: Duncan, Duong, Pavliotis, J. Stat. Phys. 190:82 (2023), equation numbers as there.
    """
    if not isinstance(V, Potential):
        raise CoefficientError(
            f"got a {type(V).__name__} as V, needed a Potential. Write cs.Potential(V1, dim=.., scales=..)."
        )
    wanted, given = _tolerance(tol), cells_of_levels(V, cells)
    if not isinstance(bounds, bool | np.bool_):
        raise CoefficientError(f"got bounds = {bounds!r}, needed True or False.")
    if bounds:
        given = tuple(map(divided_for_bounds, given))
    if not isinstance(sigma, Sequence | np.ndarray) or isinstance(sigma, str) or np.ndim(sigma) == 0:
        return EffectiveModel(V, _positive("sigma", sigma), wanted, given, bool(bounds))
    return TemperatureSweep(
        tuple(EffectiveModel(V, each, wanted, given, bool(bounds)) for each in _temperatures(sigma))
    )


@dataclass(frozen=True, slots=True)
class EffectiveModel:
    """What `homogenize` returns; evaluate it at points or on a grid."""

    potential: Potential
    sigma: float
    tol: float
    cells: tuple[Cell, ...]
    bounds: bool = False
    continuation: Continuation | None = field(default=None, repr=False, compare=False)  # of the sweep it is part of

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
        ``result`` is what was reached. Where V1 is not finite, or too cold, at some of the points only, the error is
        both, and its ``result`` is NaN there.
        """
        effective, error = self._reached(self._points(x), exact_points, Means(executor, progress))
        if error is not None:
            error.result = effective
            raise error
        return effective

    def on_grid(
        self,
        grid: Mapping[str, npt.ArrayLike],
        *,
        executor: Executor | None = None,
        progress: Progress | None = None,
        exact_points: bool = False,
        store: str | os.PathLike[str] | Store | None = None,
    ) -> xarray.Dataset:
        """The same on a tensor grid {"x0": (..), "x1": (..)}, as a labelled dataset with units and provenance.

        Variables ``diffusion`` (x0, .., i, j) and ``log_diffusion``, ``partition_function``,
        ``log_partition_function``, ``free_energy``, ``free_energy_gradient`` (.., i), ``diffusion_divergence`` (.., i),
        ``error_estimate`` and ``within_tolerance``, with bounds ``lower`` and ``upper`` (.., i, j); attributes
        ``converged`` and ``failure`` say what was not reached.
        ``store``: a folder where finished chunks of points are kept, whole and on the disk about a second after they
        are known. The same call goes on with what is there, to the same bits; JobError where it is of another job.
        Raises as `evaluate` does; the ``result`` of a ConvergenceError is then a dataset.
        """
        axes, points = grid_points(grid, self.potential.dim)
        with checkpoints_at(store, self, axes, exact_points) as checkpoints:
            effective, error = self._reached(points, exact_points, Means(executor, progress, checkpoints))
        failure = "" if error is None else str(error)
        dataset = to_dataset(axes, effective, self.provenance(effective.report), self.tol, failure)
        if error is not None:
            error.result = dataset
            raise error
        return dataset

    def plan(self, x: FloatArray) -> tuple[Planned, Tally]:
        """Spaces and lattices for the points x (R, d), and the cell problems that choosing them took."""
        handed = self.continuation or Continuation()
        handed.begin(x)
        known = handed.plan(self.sigma)
        if known is not None:
            return known
        check_periodic(self.potential, self.cells, x)
        points = self._macro_points(self._distinct(x)[0], exact=True)
        planned, tally = points.plan(hotter=handed.hotter(self.sigma))
        handed.keep(self.sigma, planned, tally)
        return planned, tally

    @one_thread()
    def cost(self, x: npt.ArrayLike, *, exact_points: bool = False) -> Cost:
        """Cell problems, unknowns, memory and time that `evaluate` would take at the points x (..., d)."""
        flat = self._points(x).reshape(-1, self.potential.dim)
        try:
            return self._cost(flat, exact_points)
        except CoefficientError as error:
            return self._cost(flat[self._known_after(error, flat)], exact_points)

    def _cost(self, flat: FloatArray, exact: bool) -> Cost:
        """With bounds that of the recursions from both sides, each planned by itself."""
        points, costs = self._macro_points(self._distinct(flat)[0], exact), []
        for scheme in both_sides(self.potential.dim) if self.bounds else (ESTIMATE,):
            start = time.perf_counter()
            planned, _ = self.plan(flat) if scheme is ESTIMATE else points.plan(scheme)
            planning = time.perf_counter() - start
            costs.append(estimate_cost(planned.plan, points.expected, chunk_rows(planned), points.x, planning))
        return costs[0] if len(costs) == 1 else costs[0].plus(costs[1])

    def _reached(self, points: FloatArray, exact: bool, means: Means) -> tuple[Effective, ConvergenceError | None]:
        """Results at the points (..., d), and the error of what they lack; NaN where V1 makes no cell problem."""
        flat, lead = points.reshape(-1, self.potential.dim), points.shape[:-1]
        try:
            effective = self._computed(flat, exact, means)
            shortcoming = self._shortcoming(effective)
            return effective.reshaped(lead), ConvergenceError(shortcoming) if shortcoming else None
        except CoefficientError as error:
            known = self._known_after(error, flat)
            missing = f"{int((~known).sum())} of {len(flat)} points could not be computed: {error}"
        effective = self._computed(flat[known], exact, means)
        words = f"{missing} {self._shortcoming(effective)}".rstrip()
        return at_known(effective, known).reshaped(lead), PartlyDefinedError(words)

    def _known_after(self, error: CoefficientError, flat: FloatArray) -> npt.NDArray[np.bool_]:
        """The points (R, d) that can be computed without those that made the error; raises it where it was not them."""
        known = computable(self.potential, self.sigma, self.cells, flat)
        if known.all():
            raise error
        if not known.any():
            raise NowhereDefinedError(str(error)) from None
        return known

    def _computed(self, flat: FloatArray, exact: bool, means: Means) -> Effective:
        """Results at the points (R, d)."""
        start = time.perf_counter()
        distinct, inverse = self._distinct(flat)
        points = self._macro_points(distinct, exact)
        computed = (self._bracketed if self.bounds else self._estimated)(points, flat, means)
        report = self._report(computed, time.perf_counter() - start)
        return self._effective(flat, computed.of(inverse), report)

    def _estimated(self, points: MacroPoints, flat: FloatArray, means: Means) -> Computed:
        planned, planning = self.plan(flat)
        return Computed(planning, points.evaluate(planned, means))

    def _bracketed(self, points: MacroPoints, flat: FloatArray, means: Means) -> Computed:
        check_periodic(self.potential, self.cells, flat)
        return bracketed(points, all(map(_is_adaptive, self.cells)), means)

    def _macro_points(self, distinct: FloatArray, exact: bool) -> MacroPoints:
        active = self._derivatives
        return MacroPoints(self.potential, self.sigma, self.tol, self.cells, active, active, distinct, exact)

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

    def _effective(self, x: FloatArray, computed: Computed, report: Report) -> Effective:
        evaluation = computed.evaluation
        fields = Fields(evaluation.channels, self.potential.dim, self._derivatives)
        error = evaluation.error + 1e-15
        effective = effective_coefficients(self.potential, self.sigma, x, fields, error, report)
        return replace(effective, lower=computed.lower, upper=computed.upper)

    def _report(self, computed: Computed, seconds: float) -> Report:
        planning, evaluation = computed.planning, computed.evaluation
        total = Tally()
        total.merge(planning)
        total.merge(evaluation.tally)
        planned, plan = evaluation.planned, evaluation.planned.plan
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

    def provenance(self, report: Report | None) -> dict[str, str | float | int]:
        """What a file must say of how its numbers were made; nothing that differs from run to run."""
        job: dict[str, str | float | int] = {
            **{f"potential_{name}": text for name, text in self.potential.source.items()},
            "scales": self.potential.scales,
            "sigma": self.sigma,
            "tolerance": self.tol,
            "bounds": int(self.bounds),
            "cells": "; ".join(cell.name for cell in self.cells),
        }
        if report is None:  # nothing was computed
            return job
        return job | {
            "spaces": "; ".join(report.spaces.values()),
            "samplings": "; ".join(f"{name}: {text}" for name, text in report.samplings.items()),
            "cell_problems": "; ".join(f"level {k}: {n}" for k, n in sorted(report.cell_problems.items())),
            "solved_points": report.solved_points,
            "unconverged_cell_problems": report.unconverged,
        }

    def _shortcoming(self, effective: Effective) -> str:
        """What keeps results from being what was wanted, and what to do; empty where nothing does."""
        worst = float(np.max(effective.error_estimate))
        if self.bounds and not np.isfinite(worst):
            return (
                "the lower bound of M is above the upper one, or too far from it, at some points: rounding is larger "
                "than the smallest eigenvalue of M. Leave bounds out, raise sigma, or refine the cells."
            )
        if effective.report.unconverged or not np.isfinite(effective.diffusion).all():
            return (
                f"{effective.report.unconverged} cell problems did not converge (estimated relative error of M up to "
                f"{worst:.1e}, wanted {self.tol:.1e}). Raise sigma or tol, or refine the cells."
            )
        if worst > self.tol and all(map(_is_adaptive, self.cells)):
            return (
                f"the estimated relative error of M is {worst:.1e}, wanted {self.tol:.1e}: the finest boxes and "
                "lattices tried do not resolve this potential. Raise tol or sigma, or give cells with n and order."
            )
        return ""


def _is_adaptive(cell: Cell) -> bool:
    """Was the resolution cellsolve's own choice?"""
    return isinstance(cell, BoxCell) and cell.n is None and cell.order is None


def _temperatures(sigma: Sequence[float] | FloatArray) -> list[float]:
    """One or more, that differ."""
    values = [_positive(f"sigma[{i}]", value) for i, value in enumerate(sigma)]
    if len(set(values)) < len(values) or not values:
        what = "the same temperature twice" if values else "no temperature"
        raise CoefficientError(f"got {what} in sigma = {list(sigma)!r:.80}, needed one or more that differ.")
    return values


def _positive(name: str, value: object) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float | np.number)
        or not np.isfinite(value)
        or not value > 0
    ):
        raise CoefficientError(f"got {name} = {value!r}, needed a finite number > 0.")
    return float(value)


def _tolerance(tol: float) -> float:
    tol = _positive("tol", tol)
    if not 1e-13 <= tol < 1:
        raise CoefficientError(f"got tol = {tol!r}, needed a relative error between 1e-13 and 1.")
    return tol
