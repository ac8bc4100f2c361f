"""Many cell problems of one space, as many at a time as its solver likes."""

from __future__ import annotations

import numpy as np

from cellsolve.fem.space import FloatArray
from cellsolve.linalg.energies import CellMinimum
from cellsolve.linalg.solver import CellSolver

__all__ = ["batches", "in_batches", "joined"]


def in_batches(solver: CellSolver, K: FloatArray, tol: float, guess: FloatArray | None = None) -> CellMinimum:
    starts = (None if guess is None else guess[rows] for rows in batches(solver, K))
    parts = [solver.solve(K[rows], tol, start=start) for rows, start in zip(batches(solver, K), starts, strict=True)]
    return joined(parts)


def batches(solver: CellSolver, K: FloatArray) -> list[slice]:
    return [slice(i, i + solver.batch) for i in range(0, len(K), solver.batch)]


def joined(parts: list[CellMinimum]) -> CellMinimum:
    if len(parts) == 1:
        return parts[0]
    names = ("tensor", "correctors", "iterations", "error", "residual", "converged")
    tensor, correctors, *rest = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    return CellMinimum(tensor, correctors, None, *rest)
