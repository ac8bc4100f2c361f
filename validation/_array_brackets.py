"""The effective tensor of a meshed array, in a bracket where the package computes one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _multipole import ArrayConductivity

import cellsolve as cs

__all__ = ["Array", "Bracket", "bracket"]

WITHOUT_BRACKET = ("pores", "space")  # what solve_cell_problem has no bounds for yet; empty once it has
GEOMETRY = 1  # order of the elements' sides; 2 once read_cell takes curved elements
TOL = 1e-7


@dataclass(frozen=True, slots=True)
class Array:
    """``mesh``: writes a cell, of (path, fraction, h, order, pore); ``value``: of (fraction, contrast), in a matrix of
    1; ``h``: size of elements by effort."""

    name: str
    dim: int
    mesh: Callable[..., None]
    value: Callable[[float, float], ArrayConductivity]
    h: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Bracket:
    """Of the tensor (d, d) of a meshed cell, both ends the tensor itself where no bounds are computed."""

    fraction: float
    lower: np.ndarray
    upper: np.ndarray

    @property
    def midpoint(self) -> np.ndarray:
        return np.asarray(0.5 * (self.lower + self.upper))


def bracket(array: Array, fraction: float, contrast: float, h: float, folder: Path) -> Bracket:
    """Solve the cell with elements of size h; an inclusion that conducts nothing is left out of the mesh."""
    pore = contrast == 0.0
    path = folder / "cell.msh"
    array.mesh(path, fraction, h, order=GEOMETRY, pore=pore)
    cell = cs.read_cell(path)
    conductivity = {"matrix": 1.0} if pore else {"matrix": 1.0, "inclusion": contrast}
    bounds = not (pore and "pores" in WITHOUT_BRACKET) and not (array.dim == 3 and "space" in WITHOUT_BRACKET)
    solution = cs.solve_cell_problem(cell, conductivity, order=2, tol=TOL, bounds=bounds)
    meshed = cell.porosity if pore else cell.regions["inclusion"]
    if solution.lower is None or solution.upper is None:
        return Bracket(meshed, solution.tensor, solution.tensor)
    return Bracket(meshed, solution.lower, solution.upper)
