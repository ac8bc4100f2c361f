"""Which space a coefficient needs, and how far its tensors are from those of the cell: estimates, without a bracket.

Boxes without a resolution of their own take the first space that the next one confirms. Meshes, and boxes of given n
and order, are what they are: elements of another order say how good they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cellsolve.cellproblem.batches import batches, in_batches, joined
from cellsolve.cellproblem.convergence import Step, remainder, unseen
from cellsolve.fem.box_space import BoxSpace, prolonged
from cellsolve.fem.coupled_space import CoupledSpace
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.resolution import Cell, Ladder, Space, fitted_ladder, space_ladder
from cellsolve.fem.smoothness import Look
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.coupling_error import coupling_error
from cellsolve.linalg.energies import CellMinimum
from cellsolve.linalg.mesh_error import mesh_error, unresolved
from cellsolve.linalg.solver import CellSolver, Method

__all__ = ["Estimated", "Evaluate", "estimated", "hardest", "not_converged", "too_coarse"]

Evaluate = Callable[[Space], FloatArray]

_ITERATION_SHARE = 0.1  # of tol
_PREDICTED_SHARE = 0.25  # of tol, when a resolution is predicted
_SAFETY = 1.5  # on the difference of two discretizations: covers the better one's error up to half that difference
_CHEAP = 30_000  # unknowns of second order that are solved only to judge the first
_PROBES = 6  # problems by which the resolution of a batch is judged


@dataclass(frozen=True, slots=True, eq=False)
class Estimated:
    """Solutions ``minimum`` for the coefficients K, with the largest ``error`` of a tensor and why it is too large."""

    solver: CellSolver
    K: FloatArray
    minimum: CellMinimum
    error: float
    failure: str  # empty when all is well
    coupling_error: float = 0.0  # the part of it by sides that do not match


def estimated(
    cell: Cell, directions: FloatArray, evaluate: Evaluate, order: int, tol: float, method: Method | None
) -> Estimated:
    """Solutions on the space that a cell offers, or that tol asks for, and an estimate of their error."""
    if method is None:
        ladder = fitted_ladder(cell, _look_at_hardest(evaluate), _PREDICTED_SHARE * tol, order, directions)
    else:  # preconditioners do not bear the contrasts that the Schroedinger form bears on trigonometric nodes
        ladder = space_ladder(cell, order, directions)
    solver, K, rows, probes, error = _resolved(ladder, evaluate, tol, method)
    minimum = probes if len(rows) == len(K) else in_batches(solver, K, _ITERATION_SHARE * tol)
    failure = not_converged(minimum, tol)
    if not failure and error > _SAFETY * tol and not ladder.fixed:
        failure = too_coarse(error / _SAFETY, tol)
    coupling = 0.0
    if isinstance(solver.space, CoupledSpace):
        coupling = float(coupling_error(solver.space, K, minimum, _ITERATION_SHARE * tol).max())
    return Estimated(solver, K, minimum, error + coupling + float(minimum.error.max()), failure, coupling)


def not_converged(minimum: CellMinimum, tol: float) -> str:
    """Words about the problems whose iterations failed, if any."""
    lost = int((~minimum.converged).sum())
    if not lost:
        return ""
    return (
        f"{lost} of {len(minimum.tensor)} cell problems did not converge: estimated relative error of the tensor "
        f"{minimum.error.max():.1e} by iterations, wanted {tol:.1e}. Try another preconditioner, a finer cell or a "
        "larger tol."
    )


def too_coarse(error: float, tol: float) -> str:
    """Words about the finest box that is tried."""
    return (
        f"the estimated relative error of the tensor is {error:.1e} on the finest box, wanted {tol:.1e}. "
        "Raise tol, or give box_cell an n and order of your own."
    )


def _resolved(
    ladder: Ladder, evaluate: Evaluate, tol: float, method: Method | None
) -> tuple[CellSolver, FloatArray, npt.NDArray[np.int64], CellMinimum, float]:
    """The first space that the next one confirms, judged on the hardest problems (rows), and the error of their
    tensors."""
    spaces = (make() for make in ladder.makers)
    solver = CellSolver(next(spaces), method)
    K = evaluate(solver.space)
    rows = hardest(K)
    if _judges_itself(solver.space):
        return solver, K, rows, *_judged(solver, K[rows], _ITERATION_SHARE * tol)
    probes, difference = in_batches(solver, K[rows], _ITERATION_SHARE * tol), np.inf
    steps = [Step(solver.space, probes.tensor)]
    for other in spaces:
        next_solver = CellSolver(other, method)
        start = _prolonged(probes, solver.space, other)
        next_K = evaluate(other)
        next_probes = in_batches(next_solver, next_K[rows], _ITERATION_SHARE * tol, start)
        steps.append(Step(other, next_probes.tensor))
        whole = probes.converged.all() and next_probes.converged.all()
        difference = _relative_difference(probes.tensor, next_probes.tensor) if whole or ladder.fixed else np.inf
        if ladder.fixed:
            break
        difference += remainder(steps, _relative_difference)
        if difference <= 0.5 * tol and (len(steps) > 2 or solver.space.dim == 1 or _is_smooth(solver.space)):
            difference += _unseen(evaluate, K, rows, solver.space)
            if difference <= 0.5 * tol:
                break
        solver, K, probes = next_solver, next_K, next_probes
    else:
        difference += _unseen(evaluate, K, rows, solver.space)
    return solver, K, rows, probes, float(unresolved(np.array(_SAFETY * difference)))


def _unseen(evaluate: Evaluate, K: FloatArray, rows: npt.NDArray[np.int64], space: Space) -> float:
    """What quadrature does not see of these coefficients, if they were not found smooth on grids of their own."""
    return 0.0 if _is_smooth(space) else unseen(lambda fine: evaluate(fine)[rows], K[rows], space)


def _is_smooth(space: Space) -> bool:
    """Was the coefficient found smooth, on grids of its own? Then it is given polynomials on the whole cell."""
    return isinstance(space, BoxSpace) and space.is_collocated


def _judges_itself(space: Space) -> bool:
    """A mesh need not be solved again, but for first order where second order costs next to nothing: it sees more."""
    if not isinstance(space, MeshSpace) or space.dim == 1:
        return False
    return space.order > 1 or space.n_dofs * 2**space.dim > _CHEAP


def _judged(solver: CellSolver, K: FloatArray, tol: float) -> tuple[CellMinimum, float]:
    """Solutions on a mesh, and their largest error by the mesh; matrices are let go batch by batch."""
    parts, errors = list[CellMinimum](), list[float]()
    for rows in batches(solver, K):
        minimum = solver.solve(K[rows], tol)
        errors.append(float(mesh_error(K[rows], minimum).max()))
        parts.append(replace(minimum, form=None))
    return joined(parts), max(errors)


def _look_at_hardest(evaluate: Evaluate) -> Look:
    """The coefficients that are hardest on the first grid they are looked at, on any grid."""
    rows: list[npt.NDArray[np.int64]] = []

    def look(view: BoxSpace) -> FloatArray:
        K = evaluate(view)
        if not rows:
            rows.append(hardest(K))
        return K[rows[0]]

    return look


def hardest(K: FloatArray) -> npt.NDArray[np.int64]:
    """Half of the probes have the largest contrast, half the steepest places."""
    if len(K) <= _PROBES:
        return np.arange(len(K))
    size = np.abs(K).reshape(len(K), -1, K.shape[-1]).max(axis=1)
    contrast = size.max(axis=1) / size.min(axis=1)
    steepness = np.abs(np.diff(size, axis=1)).max(axis=1) / size.max(axis=1)
    first, second = (np.argsort(-measure, kind="stable") for measure in (contrast, steepness))
    return np.unique(np.concatenate([first[: _PROBES // 2], second[: _PROBES // 2]]))


def _prolonged(minimum: CellMinimum, space: Space, other: Space) -> FloatArray | None:
    """The correctors as first guess on another box."""
    if not (isinstance(space, BoxSpace) and isinstance(other, BoxSpace)):
        return None
    return prolonged(minimum.correctors, space, other) * minimum.converged[:, None, None]


def _relative_difference(a: FloatArray, b: FloatArray) -> float:
    """max over the batch of |a - b| / |b|, spectral norms."""
    return float((np.linalg.norm(a - b, 2, axis=(-2, -1)) / np.linalg.norm(b, 2, axis=(-2, -1))).max())
