"""Brackets close on exact values by adaptive refinement, and hold them at every step.

squares of conductivities 1 and 10 like a chessboard: sqrt 10;    insulating square hole of area 1/4: 1/sqrt 3
"""

from __future__ import annotations

import sys
from functools import cache

import numpy as np
from _grid_cells import PORE, grid_cell
from checkerboard import board, conductivities

import cellsolve as cs
from cellsolve.cellproblem.solve import CellProblemSolution
from cellsolve.cells import UnitCell
from cellsolve.plots import Plot
from cellsolve.plots.accuracy import Bracketing, closing_brackets
from cellsolve.validation import Claim, print_claims

LOOSE, TIGHT = (0.1, 0.05, 0.02, 0.01), (0.005, 0.002, 0.001, 0.0005)

UNIFORM = (4.0 / np.pi * np.arctan(10.0**-0.5), 2.0 / 3.0)
"""Widths go like h^(2a) = unknowns^(-a) where fields grow like r^(a-1) at corners: a of the chessboard, of the hole."""


def hole() -> UnitCell:
    """A square without its middle quarter."""
    return grid_cell("triangle", 4, lambda y: np.where((np.abs(y - 0.5) < 0.25).all(axis=1), PORE, 0))


@cache
def bracketings(effort: int) -> tuple[Bracketing, ...]:
    tols = LOOSE + TIGHT * effort
    squares = [solved(board(), conductivities(10.0), tol) for tol in tols]
    holes = [solved(hole(), 1.0, tol) for tol in tols]
    return (
        bracketing("Chessboard, contrast 10", np.sqrt(10.0), r"$\sqrt{10}$", squares),
        bracketing("Insulating square hole", cs.exact.square_hole_quarter(), r"$1/\sqrt{3}$", holes),
    )


def solved(cell: UnitCell, coefficient: float | dict[str, float], tol: float) -> CellProblemSolution:
    return cs.solve_cell_problem(cell, coefficient, order=2, tol=tol, bounds=True, refine="adaptive")


def bracketing(label: str, value: float, value_label: str, found: list[CellProblemSolution]) -> Bracketing:
    """The least eigenvalue of the lower bounds, the largest one of the upper; the exact tensors are isotropic."""
    ends = [(s.report.n_dofs, s.lower, s.upper) for s in found if s.lower is not None and s.upper is not None]
    unknowns = np.array([float(n) for n, _, _ in ends])
    lower = np.array([np.linalg.eigvalsh(T)[0] for _, T, _ in ends])
    upper = np.array([np.linalg.eigvalsh(T)[-1] for _, _, T in ends])
    steps = np.concatenate([[True], np.diff(unknowns) > 0])  # a tolerance that an earlier mesh met already
    return Bracketing(label, float(value), value_label, unknowns[steps], lower[steps], upper[steps])


def observed_order(entry: Bracketing) -> float:
    """Of the width, in 1/unknowns."""
    width = entry.upper - entry.lower
    return float(np.log(width[0] / width[-1]) / np.log(entry.unknowns[-1] / entry.unknowns[0]))


def run(effort: int = 1) -> list[Claim]:
    claims = []
    for entry, uniform in zip(bracketings(effort), UNIFORM, strict=True):
        beyond = max(float(np.max(entry.lower - entry.value)), float(np.max(entry.value - entry.upper)), 0.0)
        half = 0.5 * float(entry.upper[-1] - entry.lower[-1]) / entry.value
        ratio = uniform / observed_order(entry)
        claims.append(Claim(f"{entry.label}: exact value beyond a bracket", beyond, 0.0))
        claims.append(Claim(f"{entry.label}: half width of the last / value", half, (LOOSE + TIGHT * effort)[-1]))
        claims.append(Claim(f"{entry.label}: order of uniform refinement / order of the width", ratio, 1.0))
    return claims


def plots(effort: int = 1) -> list[Plot]:
    return [closing_brackets(bracketings(effort))]


def main() -> int:
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(main())
