"""Cell problems of one unit cell: coefficient in, effective tensor, correctors and evidence out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cellsolve.cellproblem.bounds import check_bounds_available, lower_bound
from cellsolve.cellproblem.coefficient import Coefficient, coefficient_at, coefficients_at
from cellsolve.errors import CoefficientError, ConvergenceError
from cellsolve.fem.box_space import BoxSpace, prolonged
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.resolution import Cell, Ladder, Space, fitted_ladder, space_ladder
from cellsolve.fem.smoothness import Look
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.energies import CellMinimum
from cellsolve.linalg.mesh_error import mesh_error
from cellsolve.linalg.solver import CellSolver, Method
from cellsolve.linalg.threads import one_thread

__all__ = ["CellProblemSolution", "CellProblemSolutions", "SolutionReport", "solve_cell_problem", "solve_cell_problems"]

_ITERATION_SHARE = 0.1  # of tol
_PREDICTED_SHARE = 0.25  # of tol, when a resolution is predicted
_SAFETY = 1.5  # on the difference of two discretizations: covers the better one's error up to half that difference
_CHEAP = 30_000  # unknowns of second order that are solved only to judge the first
_PROBES = 6  # problems by which the resolution of a batch is judged
_Evaluate = Callable[[Space], FloatArray]


@dataclass(frozen=True, slots=True)
class SolutionReport:
    """How a solution was made.

    ``n_dofs``: unknowns of one corrector component; ``iterations``; ``residual``: of conjugate gradients, relative to
    the first, in the norm of the preconditioner; ``seconds``; ``solver``: space and method; ``error_estimate``:
    relative error of the tensor, half the bracket's width with bounds, else from elements of another order.
    """

    n_dofs: int
    iterations: int
    residual: float
    seconds: float
    solver: str
    error_estimate: float


@dataclass(frozen=True, slots=True, eq=False)
class CellProblemSolution:
    """``tensor`` (d, d), averaged over the whole period; ``lower``, ``upper``: a bracket in the Loewner order, or None;
    ``correctors`` (d, n): theta_r at the ``nodes`` (n, d), for a unit mean gradient along axis r; ``space``: that they
    are functions of; ``coefficient``: K at its quadrature points, (q,) or (d, d, q)."""

    tensor: FloatArray
    correctors: FloatArray
    nodes: FloatArray
    report: SolutionReport
    lower: FloatArray | None = None
    upper: FloatArray | None = None
    space: Space | None = None
    coefficient: FloatArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class CellProblemSolutions:
    """B solutions on one cell: ``tensor`` (B, d, d), ``correctors`` (B, d, n), ``iterations`` (B,); see
    `CellProblemSolution`. The report counts the most iterations and the largest error."""

    tensor: FloatArray
    correctors: FloatArray
    nodes: FloatArray
    iterations: npt.NDArray[np.int64]
    report: SolutionReport
    lower: FloatArray | None = None
    upper: FloatArray | None = None


def solve_cell_problem(
    cell: Cell,
    coefficient: Coefficient,
    *,
    order: int = 2,
    tol: float = 1e-8,
    bounds: bool = False,
    preconditioner: Method | None = None,
) -> CellProblemSolution:
    """Solve the cell problem of a coefficient K(y) on a unit cell.

        div( K (grad theta_r + e_r) ) = 0, theta_r periodic,     K_hom = <(I + grad theta)^T K (I + grad theta)>

    < > is the average over the whole period; pores count as empty, their walls are insulating (natural conditions).

    ``cell``: of `read_cell` or `box_cell`. ``coefficient``: a number, a (d, d) symmetric positive definite array, a
    text in y[0], y[1] .., a callable of points (q, d) that gives (q,) or (q, d, d), or a dict of these by
    region. ``order``: of the elements on a mesh. ``tol``: relative error of K_hom; on a box without n and order they
    are chosen to meet it, on other cells it is what iterations may add to the error of the mesh. ``preconditioner``:
    direct, green, green-jacobi, amg, or None for a choice by dimension, size and smoothness.

    ``bounds``: compute lower <= K_hom <= upper, guaranteed for the coefficient as integrated (d = 1, 2, full cells;
    boxes on elements).

    Raises CoefficientError, ExpressionError, MeshError, and ConvergenceError with the best solution as ``result``.
    """

    def evaluate(space: Space) -> FloatArray:
        return coefficient_at(coefficient, space)[None]

    many = _solve(cell, evaluate, order, tol, bounds, preconditioner)
    one = replace(_first(many.solutions), space=many.space, coefficient=many.K[0])
    _refuse_failure(many, one)
    return one


def solve_cell_problems(
    cell: Cell,
    coefficients: Callable[[FloatArray], npt.ArrayLike] | object,
    *,
    order: int = 2,
    tol: float = 1e-8,
    bounds: bool = False,
    preconditioner: Method | None = None,
) -> CellProblemSolutions:
    """Solve the cell problems of B coefficients on one cell, sharing all that does not depend on the coefficient.

    ``coefficients``: a sequence of coefficients, or a callable of points (q, d) that gives (B, q) or (B, q, d, d).
    Everything else as in `solve_cell_problem`; the resolution is judged on the problems with the largest contrast
    and on the steepest.
    """

    def evaluate(space: Space) -> FloatArray:
        return coefficients_at(coefficients, space)

    many = _solve(cell, evaluate, order, tol, bounds, preconditioner)
    _refuse_failure(many, many.solutions)
    return many.solutions


@dataclass(frozen=True, slots=True, eq=False)
class _Outcome:
    solutions: CellProblemSolutions
    failure: str  # empty when all is well
    space: Space
    K: FloatArray


@one_thread()
def _solve(cell: Cell, evaluate: _Evaluate, order: int, tol: float, bounds: bool, method: Method | None) -> _Outcome:
    _check(cell, tol)
    start = time.perf_counter()
    if bounds or method is not None:  # on elements: between trigonometric nodes a coefficient as integrated says too
        # little for a bracket, and the preconditioners do not bear the contrasts that the Schroedinger form bears there
        ladder = space_ladder(cell, order)
    else:
        ladder = fitted_ladder(cell, _look_at_hardest(evaluate), _PREDICTED_SHARE * tol, order)
    resolved = _resolve(ladder, evaluate, tol, method)
    solver = resolved.solver
    space, K = solver.space, resolved.K
    minimum = resolved.probes if len(resolved.rows) == len(K) else _in_batches(solver, K, _ITERATION_SHARE * tol)
    lower = upper = None
    error = resolved.error + float(minimum.error.max())
    if bounds:
        check_bounds_available(space)
        lower, upper = lower_bound(solver, K, minimum.tensor, _ITERATION_SHARE * tol), minimum.tensor.copy()
        error = _half_width(lower, upper)
    report = SolutionReport(
        n_dofs=space.n_dofs,
        iterations=int(minimum.iterations.max()),
        residual=float(minimum.residual.max()),
        seconds=time.perf_counter() - start,
        solver=f"{space!r}, {solver.choose(K)}",
        error_estimate=error,
    )
    tensor, nodes, correctors = minimum.tensor, space.nodes, solver.correctors(K, minimum)
    solutions = CellProblemSolutions(tensor, correctors, nodes, minimum.iterations, report, lower, upper)
    return _Outcome(solutions, _failure(minimum, ladder, resolved.error / _SAFETY, tol), space, K)


@dataclass(frozen=True, slots=True, eq=False)
class _Resolved:
    """A space, the coefficients on it, the problems it was judged on, and their error by the space."""

    solver: CellSolver
    K: FloatArray
    rows: npt.NDArray[np.int64]
    probes: CellMinimum
    error: float


def _resolve(ladder: Ladder, evaluate: _Evaluate, tol: float, method: Method | None) -> _Resolved:
    """The first space that the next one confirms, judged on the hardest problems."""
    spaces = (make() for make in ladder.makers)
    solver = CellSolver(next(spaces), method)
    K = evaluate(solver.space)
    rows = _hardest(K)
    if _judges_itself(solver.space):
        return _Resolved(solver, K, rows, *_judged(solver, K[rows], _ITERATION_SHARE * tol))
    probes, difference = _in_batches(solver, K[rows], _ITERATION_SHARE * tol), np.inf
    for other in spaces:
        next_solver = CellSolver(other, method)
        start = _prolonged(probes, solver.space, other)
        next_K = evaluate(other)
        next_probes = _in_batches(next_solver, next_K[rows], _ITERATION_SHARE * tol, start)
        whole = probes.converged.all() and next_probes.converged.all()
        difference = _relative_difference(probes.tensor, next_probes.tensor) if whole or ladder.fixed else np.inf
        if difference <= 0.5 * tol or ladder.fixed:
            break
        solver, K, probes = next_solver, next_K, next_probes
    return _Resolved(solver, K, rows, probes, _SAFETY * difference)


def _judges_itself(space: Space) -> bool:
    """A mesh need not be solved again, but for first order where second order costs next to nothing: it sees more."""
    if not isinstance(space, MeshSpace) or space.dim == 1:
        return False
    return space.order > 1 or space.n_dofs * 2**space.dim > _CHEAP


def _judged(solver: CellSolver, K: FloatArray, tol: float) -> tuple[CellMinimum, float]:
    """Solutions on a mesh, and their largest error by the mesh; matrices are let go batch by batch."""
    parts, errors = list[CellMinimum](), list[float]()
    for rows in _batches(solver, K):
        minimum = solver.solve(K[rows], tol)
        errors.append(float(mesh_error(K[rows], minimum).max()))
        parts.append(replace(minimum, form=None))
    return _joined(parts), max(errors)


def _look_at_hardest(evaluate: _Evaluate) -> Look:
    """The coefficients that are hardest on the first grid they are looked at, on any grid."""
    rows: list[npt.NDArray[np.int64]] = []

    def look(view: BoxSpace) -> FloatArray:
        K = evaluate(view)
        if not rows:
            rows.append(_hardest(K))
        return K[rows[0]]

    return look


def _hardest(K: FloatArray) -> npt.NDArray[np.int64]:
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


def _in_batches(solver: CellSolver, K: FloatArray, tol: float, guess: FloatArray | None = None) -> CellMinimum:
    starts = (None if guess is None else guess[rows] for rows in _batches(solver, K))
    parts = [solver.solve(K[rows], tol, start=start) for rows, start in zip(_batches(solver, K), starts, strict=True)]
    return _joined(parts)


def _batches(solver: CellSolver, K: FloatArray) -> list[slice]:
    return [slice(i, i + solver.batch) for i in range(0, len(K), solver.batch)]


def _joined(parts: list[CellMinimum]) -> CellMinimum:
    if len(parts) == 1:
        return parts[0]
    names = ("tensor", "correctors", "iterations", "error", "residual", "converged")
    tensor, correctors, *rest = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    return CellMinimum(tensor, correctors, None, *rest)


def _relative_difference(a: FloatArray, b: FloatArray) -> float:
    """max over the batch of |a - b| / |b|, spectral norms."""
    return float((np.linalg.norm(a - b, 2, axis=(-2, -1)) / np.linalg.norm(b, 2, axis=(-2, -1))).max())


def _half_width(lower: FloatArray, upper: FloatArray) -> float:
    return 0.5 * _relative_difference(lower, upper)


def _first(many: CellProblemSolutions) -> CellProblemSolution:
    lower = None if many.lower is None else many.lower[0]
    upper = None if many.upper is None else many.upper[0]
    return CellProblemSolution(many.tensor[0], many.correctors[0], many.nodes, many.report, lower, upper)


def _failure(minimum: CellMinimum, ladder: Ladder, difference: float, tol: float) -> str:
    lost = int((~minimum.converged).sum())
    if lost:
        return (
            f"{lost} of {len(minimum.tensor)} cell problems did not converge: estimated relative error of the tensor "
            f"{minimum.error.max():.1e} by iterations, wanted {tol:.1e}. Try another preconditioner, a finer cell or a "
            "larger tol."
        )
    if difference > tol and not ladder.fixed:
        return (
            f"the estimated relative error of the tensor is {difference:.1e} on the finest box, wanted {tol:.1e}. "
            "Raise tol, or give box_cell an n and order of your own."
        )
    return ""


def _refuse_failure(outcome: _Outcome, result: CellProblemSolution | CellProblemSolutions) -> None:
    if outcome.failure:
        raise ConvergenceError(outcome.failure, result=result)


def _check(cell: Cell, tol: float) -> None:
    if not hasattr(cell, "period"):
        raise CoefficientError(f"got a {type(cell).__name__} as cell, needed one of read_cell or box_cell.")
    if not isinstance(tol, int | float) or not 1e-14 <= tol < 1:
        raise CoefficientError(f"got tol = {tol!r}, needed a relative error between 1e-14 and 1.")
