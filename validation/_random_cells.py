"""Random cells: lattices, grids bent and graded, pores and islands, scalars and tensors by region, contrasts to 1e8."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from _grid_cells import PORE, FloatArray, IntArray, Regions, grid_cell, wavy

import cellsolve as cs
from cellsolve.cellproblem.solve import CellProblemSolution
from cellsolve.cells import UnitCell, refined

__all__ = ["Problem", "gaps", "random_problem"]

_SHAPES = ("triangle", "triangle", "quad", "tetra", "hexahedron")
_MOST = {"triangle": 6, "quad": 6, "tetra": 3, "hexahedron": 3}  # boxes a side
_REGIONS = 4


@dataclass(frozen=True, slots=True)
class Problem:
    """What is solved, on this cell and on finer ones; ``contrast``: of the eigenvalues of all regions."""

    label: str
    cell: UnitCell
    coefficient: dict[str, FloatArray]
    contrast: float
    order: int
    tol: float

    def bracketed(self, cell: UnitCell) -> CellProblemSolution:
        return cs.solve_cell_problem(cell, self.coefficient, order=self.order, tol=self.tol, bounds=True)

    def finer(self, random: np.random.Generator) -> list[UnitCell]:
        """Refined uniformly and, if made of simplices, where chance has it."""
        cells = [refined(self.cell)]
        if self.cell.shape in ("triangle", "tetra"):
            cells.append(refined(self.cell, random.random(len(self.cell.elements)) < 0.3))
        return cells


def random_problem(random: np.random.Generator) -> Problem:
    shape = str(random.choice(_SHAPES))
    dim = 3 if shape in ("tetra", "hexahedron") else 2
    layered = random.random() < 0.2
    n = int(random.integers(2, _MOST[shape] + 1))
    regions = _layers(random, dim, n) if layered else _drawn(random, random.choice([0.0, 0.2, 0.5, 0.7]))
    cell = grid_cell(shape, n, regions, _period(random, dim))
    if shape in ("triangle", "tetra") and not layered:
        cell = wavy(cell, random.uniform(0.0, 0.5))
    order, tol = int(random.integers(1, 3)), float(10.0 ** random.uniform(-10.0, -0.5))
    K = _coefficients(random, dim)
    values = np.concatenate([np.linalg.eigvalsh(K[name]) for name in cell.region_names])
    label = f"{shape}, {len(cell.elements)} elements, order {order}, porosity {cell.porosity:.2f}, tol {tol:.0e}"
    return Problem(label, cell, {n: K[n] for n in cell.region_names}, float(values.max() / values.min()), order, tol)


def gaps(lower: FloatArray, upper: FloatArray) -> float:
    """By how much lower <= upper fails, relative to the norm of upper; 0 if it holds."""
    size = float(np.linalg.norm(upper, 2))
    return max(0.0, -float(np.linalg.eigvalsh(upper - lower)[0]) / size) if size else float(np.linalg.norm(lower, 2))


def _drawn(random: np.random.Generator, pores: float) -> Regions:
    def regions(y: FloatArray) -> IntArray:
        drawn = random.integers(0, _REGIONS, len(y))
        drawn[random.random(len(y)) < pores] = PORE
        drawn[0] = 0
        return drawn

    return regions


def _layers(random: np.random.Generator, dim: int, n: int) -> Regions:
    """One box thick, across one axis: then both bounds are exact."""
    axis, drawn = int(random.integers(dim)), random.integers(0, _REGIONS, n)
    return lambda y: np.asarray(drawn[(n * y[:, axis]).astype(np.int64)], dtype=np.int64)


def _period(random: np.random.Generator, dim: int) -> FloatArray:
    """Of any size, and not too flat."""
    while True:
        rows = np.eye(dim) + 0.5 * random.normal(size=(dim, dim))
        if np.linalg.cond(rows) < 5.0:
            return np.asarray(10.0 ** random.uniform(-3.0, 3.0) * rows)


def _coefficients(random: np.random.Generator, dim: int) -> dict[str, FloatArray]:
    """(d, d) by region: scalars, or rotated tensors."""
    decades = random.uniform(0.0, 4.0)
    sizes = 10.0 ** random.uniform(-decades, decades, (_REGIONS, dim))
    if random.random() < 0.5:
        sizes[:] = sizes[:, :1]
    frames = np.linalg.qr(random.normal(size=(_REGIONS, dim, dim)))[0]
    K = np.einsum("rij,rj,rkj->rik", frames, sizes, frames)
    return {str(i): 0.5 * (k + k.T) for i, k in enumerate(K)}
