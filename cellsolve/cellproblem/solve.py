"""Cell problems of one unit cell: coefficient in, effective tensor, correctors and evidence out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from cellsolve.cellproblem.arguments import check_arguments
from cellsolve.cellproblem.bounds import Bracket, bracketed_on, divided_for_bounds
from cellsolve.cellproblem.coefficient import Coefficient, coefficient_at, coefficients_at
from cellsolve.cellproblem.conduction import Conduction, conducting_part, in_all_directions
from cellsolve.cellproblem.refinement import Refinement, bracketed_on_refined
from cellsolve.cellproblem.resolution import Evaluate, estimated, not_converged
from cellsolve.cellproblem.solutions import CellProblemSolution, CellProblemSolutions, SolutionReport
from cellsolve.cells import UnitCell
from cellsolve.errors import ConvergenceError
from cellsolve.fem.coupled_space import CoupledSpace
from cellsolve.fem.mesh_space import MeshSpace
from cellsolve.fem.resolution import Cell, Space, space_ladder
from cellsolve.fem.space import FloatArray
from cellsolve.linalg.energies import CellMinimum
from cellsolve.linalg.solver import CellSolver, Method
from cellsolve.linalg.threads import one_thread

__all__ = ["CellProblemSolution", "CellProblemSolutions", "SolutionReport", "solve_cell_problem", "solve_cell_problems"]


def solve_cell_problem(
    cell: Cell,
    coefficient: Coefficient,
    *,
    order: int = 2,
    tol: float = 1e-8,
    bounds: bool = False,
    refine: Refinement | None = None,
    preconditioner: Method | None = None,
) -> CellProblemSolution:
    """Solve the cell problem of a coefficient K(y) on a unit cell.

        div( K (grad theta_r + e_r) ) = 0, theta_r periodic,     K_hom = <(I + grad theta)^T K (I + grad theta)>

    < > is the average over the whole period; pores count as empty, their walls are insulating (natural conditions).
    Islands, which do not touch their own translates, are left out; where nothing conducts the tensor is exactly zero.

    ``cell``: of `read_cell` or `box_cell`. ``coefficient``: a number, a (d, d) symmetric positive definite array, a
    text in y[0], y[1] .., a callable of points (q, d) that gives (q,) or (q, d, d), or a dict of these by
    region. ``order``: of the elements on a mesh. ``tol``: relative error of K_hom; on a box without n and order they
    are chosen to meet it, on other cells it is what iterations may add to the error of the mesh. ``preconditioner``:
    direct, green, green-jacobi, amg, or None for a choice by dimension, size and smoothness.

    ``bounds``: compute lower <= K_hom <= upper in the Loewner order; ``tensor`` is the middle, ``error_estimate`` half
    the relative width. Guaranteed, up to rounding and however early iterations stop, where K is constant on straight
    elements; elsewhere for the coefficient as integrated: what quadrature does not see of K and 1/K inside elements is
    left open, and so is the distance of the meshed shapes from the true ones. Hexahedra are divided into tetrahedra.
    ``refine``: "uniform" or "adaptive", divide the elements of a mesh until the bracket is as narrow as ``tol``.

    Raises CoefficientError, ExpressionError, MeshError, and ConvergenceError with the best solution as ``result``.
    Sources: Dvorak (1993), Wieckowski (1995), Vondrejc, Zeman, Marek (2014); Braess, Schoeberl (2008).
    """

    def evaluate(space: Space) -> FloatArray:
        return coefficient_at(coefficient, space)[None]

    outcome = _solve(cell, evaluate, order, tol, bounds, refine, preconditioner)
    one = outcome.solutions.first()
    if outcome.failure:
        raise ConvergenceError(outcome.failure, result=one)
    return one


def solve_cell_problems(
    cell: Cell,
    coefficients: Callable[[FloatArray], npt.ArrayLike] | object,
    *,
    order: int = 2,
    tol: float = 1e-8,
    bounds: bool = False,
    refine: Refinement | None = None,
    preconditioner: Method | None = None,
) -> CellProblemSolutions:
    """Solve the cell problems of B coefficients on one cell, sharing all that does not depend on the coefficient.

    ``coefficients``: a sequence of coefficients, or a callable of points (q, d) that gives (B, q) or (B, q, d, d).
    Everything else as in `solve_cell_problem`; the resolution is judged on the problems with the largest contrast
    and on the steepest, refinement on the widest brackets.
    """

    def evaluate(space: Space) -> FloatArray:
        return coefficients_at(coefficients, space)

    outcome = _solve(cell, evaluate, order, tol, bounds, refine, preconditioner)
    if outcome.failure:
        raise ConvergenceError(outcome.failure, result=outcome.solutions)
    return outcome.solutions


@dataclass(frozen=True, slots=True, eq=False)
class _Outcome:
    solutions: CellProblemSolutions
    failure: str  # empty when all is well


@one_thread()
def _solve(
    cell: Cell,
    evaluate: Evaluate,
    order: int,
    tol: float,
    bounds: bool,
    refine: Refinement | None,
    method: Method | None,
) -> _Outcome:
    check_arguments(cell, order, tol, bounds, refine)
    start = time.perf_counter()
    part = conducting_part(cell) if isinstance(cell, UnitCell) else Conduction(cell, np.eye(cell.dim))
    if isinstance(cell, UnitCell) and not len(part.directions):
        return _Outcome(_nothing(cell, order, evaluate, start), "")
    if bounds or refine is not None:
        bracket = _bracketed(part, evaluate, order, tol, refine, method)
        return _Outcome(
            _of_bracket(bracket, cell, start), "" if _fulfilled(bracket, cell, refine, tol) else _wide(bracket, tol)
        )
    found = estimated(part.cell, part.directions, evaluate, order, tol, method)
    tensor = _in_space(found.solver.space, found.minimum.tensor)
    solutions = _solutions(found.solver, found.K, found.minimum, tensor, found.error, cell, start)
    report = replace(solutions.report, coupling_error=found.coupling_error)
    return _Outcome(replace(solutions, report=report), found.failure)


def _bracketed(
    part: Conduction, evaluate: Evaluate, order: int, tol: float, refine: Refinement | None, method: Method | None
) -> Bracket:
    cell = part.cell
    if refine is None:
        ladder = space_ladder(divided_for_bounds(cell), order, part.directions)  # on elements: between trigonometric
        # nodes a coefficient as integrated says too little for a bracket
        return bracketed_on(ladder, evaluate, tol, method)
    assert isinstance(cell, UnitCell)
    return bracketed_on_refined(cell, part.directions, refine, evaluate, order, tol, method)


def _fulfilled(bracket: Bracket, cell: Cell, refine: Refinement | None, tol: float) -> bool:
    """A bracket holds however wide it is; a mesh that is not to be refined is what it is."""
    fixed = refine is None and (isinstance(cell, UnitCell) or cell.n is not None or cell.order is not None)
    narrow = bracket.error <= tol or (fixed and bool(bracket.minimum.converged.all()))
    return narrow and not bracket.inverted


def _wide(bracket: Bracket, tol: float) -> str:
    if bracket.inverted:
        return (
            f"the lower bound is above the upper one on {bracket.solver.space!r}: the coefficient varies by more than "
            "double precision can hold. Lower its contrast, or leave nearly insulating regions out of the mesh."
        )
    return (
        f"the bracket's half width is {bracket.error:.1e} of the tensor on the finest space, "
        f"{bracket.solver.space!r}, wanted {tol:.1e}. "
        + (not_converged(bracket.minimum, tol) or "Raise tol, or give a finer mesh or box.")
    )


def _of_bracket(bracket: Bracket, cell: Cell, start: float) -> CellProblemSolutions:
    """The middle of a bracket."""
    lower, upper = (_in_space(bracket.solver.space, T) for T in (bracket.lower, bracket.upper))
    middle = 0.5 * (lower + upper)
    solutions = _solutions(bracket.solver, bracket.K, bracket.minimum, middle, bracket.error, cell, start)
    return replace(solutions, lower=lower, upper=upper)


def _solutions(
    solver: CellSolver,
    K: FloatArray,
    minimum: CellMinimum,
    tensor: FloatArray,
    error: float,
    cell: Cell,
    start: float,
) -> CellProblemSolutions:
    space = solver.space
    report = SolutionReport(
        n_dofs=space.n_dofs,
        iterations=int(minimum.iterations.max()),
        residual=float(minimum.residual.max()),
        seconds=time.perf_counter() - start,
        solver=f"{space!r}, {solver.choose(K)}",
        error_estimate=error,
    )
    correctors = solver.correctors(K, minimum)
    if isinstance(space, MeshSpace):
        correctors = in_all_directions(space, correctors)
    own = space.cell if isinstance(space, MeshSpace | CoupledSpace) else cell
    return CellProblemSolutions(tensor, correctors, space.nodes, minimum.iterations, report, None, None, own, space, K)


def _in_space(space: Space, T: FloatArray) -> FloatArray:
    """Tensors (B, d, d) from those for the directions of conduction (B, m, m): exactly zero across them."""
    if not isinstance(space, MeshSpace) or len(space.directions) == space.dim:
        return T
    tensors: FloatArray = space.directions.T @ T @ space.directions
    return tensors


def _nothing(cell: UnitCell, order: int, evaluate: Evaluate, start: float) -> CellProblemSolutions:
    """Solutions where nothing conducts: exactly zero."""
    K, d = evaluate(MeshSpace(cell, order)), cell.dim
    zero, report = np.zeros((len(K), d, d)), SolutionReport(0, 0, 0.0, time.perf_counter() - start, "no solver", 0.0)
    count, fields = np.zeros(len(K), dtype=np.int64), np.zeros((len(K), d, 0))
    return CellProblemSolutions(zero, fields, np.zeros((0, d)), count, report, zero, zero, cell, None, K)
