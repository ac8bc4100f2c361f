"""What a cell problem gives: the tensor, its evidence, and the fields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cellsolve.cells import BoxCell, UnitCell
from cellsolve.fem.resolution import Space
from cellsolve.fem.space import FloatArray

__all__ = ["CellProblemSolution", "CellProblemSolutions", "SolutionReport"]


@dataclass(frozen=True, slots=True)
class SolutionReport:
    """How a solution was made.

    ``n_dofs``: unknowns of one corrector component, 0 where nothing conducts; ``iterations``; ``residual``: of
    conjugate gradients, relative to the first, in the norm of the preconditioner; ``seconds``; ``solver``: space and
    method; ``error_estimate``: relative error of the tensor, half the bracket's width with bounds, else from elements
    of another order; ``coupling_error``: the part of it that comes from coupling sides that do not match.
    """

    n_dofs: int
    iterations: int
    residual: float
    seconds: float
    solver: str
    error_estimate: float
    coupling_error: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class CellProblemSolutions:
    """B solutions on one cell: ``tensor`` (B, d, d), ``correctors`` (B, d, n), ``iterations`` (B,), ``coefficient``
    (B, q) or (B, d, d, q); see `CellProblemSolution`. The report counts the most iterations and the largest error."""

    tensor: FloatArray
    correctors: FloatArray
    nodes: FloatArray
    iterations: npt.NDArray[np.int64]
    report: SolutionReport
    lower: FloatArray | None
    upper: FloatArray | None
    cell: UnitCell | BoxCell
    space: Space | None
    coefficient: FloatArray

    def first(self) -> CellProblemSolution:
        """The first of them."""
        lower, upper = (None if bound is None else bound[0] for bound in (self.lower, self.upper))
        fields = (self.correctors[0], self.nodes, self.report, lower, upper, self.cell, self.space, self.coefficient[0])
        return CellProblemSolution(self.tensor[0], *fields)


@dataclass(frozen=True, slots=True, eq=False)
class CellProblemSolution:
    """``tensor`` (d, d), averaged over the whole period: with bounds the middle of the bracket, else the energy of the
    correctors, which is an upper bound; ``lower``, ``upper``: a bracket in the Loewner order, or None; ``correctors``
    (d, n): theta_r at the ``nodes`` (n, d), for a unit mean gradient along axis r; ``cell``: where they live, without
    islands, refined where that was asked for; ``space``: what they are functions of (None where nothing conducts);
    ``coefficient``: K at its quadrature points, (q,) or (d, d, q)."""

    tensor: FloatArray
    correctors: FloatArray
    nodes: FloatArray
    report: SolutionReport
    lower: FloatArray | None
    upper: FloatArray | None
    cell: UnitCell | BoxCell
    space: Space | None
    coefficient: FloatArray
