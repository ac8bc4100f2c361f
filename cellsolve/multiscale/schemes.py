"""What a recursion computes: estimates of K_0, or bounds from above or below that pass through all levels.

    A <= B  implies  A_hom <= B_hom      so that      L_k <= K_k <= U_k  gives  L_(k-1) <= K_(k-1) <= U_(k-1)

The three differ in the tensor that a level gives for its coefficient, and in the spaces that will do: see
validation/through_levels.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cellsolve.cellproblem.lower_bounds import LowerBoundSolver
from cellsolve.fem.resolution import Cell, Ladder, Space, fitted_elements, fitted_ladder
from cellsolve.fem.smoothness import Look
from cellsolve.linalg.solver import CellSolver
from cellsolve.multiscale.plan import LevelSolver

__all__ = ["ESTIMATE", "LOWER_BOUND", "UPPER_BOUND", "Scheme"]


@dataclass(frozen=True, slots=True)
class Scheme:
    """``solver``: gives the tensors of a level on a space; ``ladder``: the spaces to try for a cell's coefficients."""

    name: str
    solver: Callable[[Space], LevelSolver]
    ladder: Callable[[Cell, Look, float], Ladder]


ESTIMATE = Scheme("estimate", CellSolver, fitted_ladder)
UPPER_BOUND = Scheme("upper bound", CellSolver, fitted_elements)  # energies of correctors, on elements
LOWER_BOUND = Scheme("lower bound", LowerBoundSolver, fitted_elements)  # of fluxes without divergence
