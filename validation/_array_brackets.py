"""The effective tensor of a meshed array, in its bracket, beside the value by multipoles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _multipole import ArrayConductivity

import cellsolve as cs
from cellsolve.validation import Claim

__all__ = ["HEAD", "Array", "Bracket", "Case", "bracket", "excess"]

HEAD = (
    "| array | fraction | contrast | multipoles | lower | upper | error of the midpoint | geometry | unknowns | s |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)
MIDPOINT = {2: 1e-4, 3: 2e-3}  # the error allowed, by dimension
GEOMETRY = 2  # order of the elements' sides
TOL = 1e-5  # of the bracket: iterations change it by a tenth of its width at most


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
    """lower <= K_hom <= upper, (d, d), of a meshed cell; ``fraction``: of the inclusions as meshed."""

    fraction: float
    lower: np.ndarray
    upper: np.ndarray
    unknowns: int
    seconds: float

    @property
    def midpoint(self) -> np.ndarray:
        return np.asarray(0.5 * (self.lower + self.upper))

    def misses(self, value: float) -> float:
        """By how much ``value`` I lies outside, relative to it, in the Loewner order."""
        return max(excess(self.lower / value), excess(2.0 * np.eye(len(self.lower)) - self.upper / value))

    def midpoint_error(self, value: float) -> float:
        """|midpoint / value - I|, spectral norm."""
        return float(np.linalg.norm(self.midpoint / value - np.eye(len(self.lower)), 2))


@dataclass(frozen=True, slots=True)
class Case:
    """An array with its bracket and its ``value`` by multipoles; ``geometry``: the relative change of that value
    between the fraction wanted and the one meshed."""

    array: Array
    fraction: float
    contrast: float
    value: float
    geometry: float
    found: Bracket

    def claims(self) -> list[Claim]:
        label = f"{self.array.name} array, fraction {self.fraction:g}, contrast {self.contrast:g}"
        return [
            Claim(f"{label}: error of the midpoint", self.found.midpoint_error(self.value), MIDPOINT[self.array.dim]),
            Claim(f"{label}: value beyond the bracket", self.found.misses(self.value), self.geometry),
        ]

    def row(self) -> str:
        low, high = np.linalg.eigvalsh(self.found.lower)[-1], np.linalg.eigvalsh(self.found.upper)[0]
        ends = f"{self.value:.7f} | {low:.7f} | {high:.7f}"
        error = f"{self.found.midpoint_error(self.value):.1e} | {self.geometry:.0e}"
        effort = f"{self.found.unknowns} | {self.found.seconds:.1f}"
        return f"| {self.array.name} | {self.fraction:g} | {self.contrast:g} | {ends} | {error} | {effort} |"


def bracket(array: Array, fraction: float, contrast: float, h: float, folder: Path) -> Bracket:
    """Solve the cell with elements of size h; an inclusion that conducts nothing is left out of the mesh."""
    pore = contrast == 0.0
    path = folder / "cell.msh"
    array.mesh(path, fraction, h, order=GEOMETRY, pore=pore)
    cell = cs.read_cell(path)
    conductivity = {"matrix": 1.0} if pore else {"matrix": 1.0, "inclusion": contrast}
    solution = cs.solve_cell_problem(cell, conductivity, order=2, tol=TOL, bounds=True)
    assert solution.lower is not None
    assert solution.upper is not None
    meshed = cell.porosity if pore else cell.regions["inclusion"]
    report = solution.report
    return Bracket(meshed, solution.lower, solution.upper, report.n_dofs, report.seconds)


def excess(tensor: np.ndarray) -> float:
    """By how much the greatest eigenvalue exceeds 1."""
    return max(0.0, float(np.linalg.eigvalsh(tensor).max()) - 1.0)
