"""Squares of conductivities 1 and c like a chessboard: K_hom = sqrt(c) I (Keller 1964, Dykhne 1970).

The field grows like r^(a-1) towards the corners, a = (4/pi) atan(c^-1/2): 0.39 at c = 10, 0.13 at c = 100. On elements
of size h there, of any order, the bracket is as wide as h^(2a): only refinement towards the corners makes it narrow.
"""

from __future__ import annotations

import sys

import numpy as np
from _grid_cells import graded, grid_cell

import cellsolve as cs
from cellsolve.cellproblem.solve import CellProblemSolution
from cellsolve.cells import UnitCell, refined
from cellsolve.validation import Claim, print_claims

CORNERS = [(0.0, 0.0), (0.0, 0.5), (0.5, 0.0), (0.5, 0.5)]
ROUNDING = 1e-9
HEAD = (
    "| contrast | order | refinement | unknowns | half width | error of the midpoint | s |\n"
    "|---|---|---|---|---|---|---|"
)


def board() -> UnitCell:
    """Eight triangles, regions "0" and "1"."""
    return grid_cell("triangle", 2, lambda y: ((y[:, 0] < 0.5) == (y[:, 1] < 0.5)).astype(np.int64))


def conductivities(contrast: float) -> dict[str, float]:
    return {"0": 1.0, "1": contrast}


def beyond(solution: CellProblemSolution, contrast: float) -> float:
    """By how much sqrt(c) I lies outside of the bracket, relative to it."""
    assert solution.lower is not None
    assert solution.upper is not None
    value = np.sqrt(contrast)
    over = np.linalg.eigvalsh(solution.lower / value)[-1] - 1.0
    under = 1.0 - np.linalg.eigvalsh(solution.upper / value)[0]
    return float(max(over, under, 0.0))


def midpoint_error(solution: CellProblemSolution, contrast: float) -> float:
    return float(np.linalg.norm(solution.tensor / np.sqrt(contrast) - np.eye(2), 2))


def adaptive(contrast: float, order: int, tol: float) -> CellProblemSolution:
    k = conductivities(contrast)
    return cs.solve_cell_problem(board(), k, order=order, tol=tol, bounds=True, refine="adaptive")


def uniform(contrast: float, order: int, unknowns: int) -> CellProblemSolution:
    """On the coarsest grid with so many unknowns at least."""
    cell = board()
    while len(cell.elements) * order**2 / 2 < unknowns:
        cell = refined(cell)
    return cs.solve_cell_problem(cell, conductivities(contrast), order=order, tol=1e-3, bounds=True)


def refinement_claims(contrast: float, order: int, tol: float) -> tuple[list[Claim], list[str]]:
    """What adaptive refinement reaches, against uniform refinement with no fewer unknowns; and rows of the table."""
    fine = adaptive(contrast, order, tol)
    coarse = uniform(contrast, order, fine.report.n_dofs)
    label = f"contrast {contrast:g}, order {order}"
    ratio = fine.report.error_estimate / coarse.report.error_estimate
    claims = [
        Claim(f"{label}: half width of the bracket, adaptive", fine.report.error_estimate, tol),
        Claim(f"{label}: error of the midpoint", midpoint_error(fine, contrast), tol),
        Claim(f"{label}: sqrt(c) beyond the bracket", beyond(fine, contrast), 0.0),
        Claim(f"{label}: width, adaptive / uniform with no fewer unknowns", ratio, 0.1),
    ]
    return claims, [_row(contrast, order, "adaptive", fine), _row(contrast, order, "uniform", coarse)]


def contrast_claims(rounds: int, orders: tuple[int, ...]) -> list[Claim]:
    """Contrasts 1e-8 to 1e8 on a mesh graded towards the corners."""
    cell, claims = graded(board(), CORNERS, rounds), []
    for order in orders:
        missed = [_on(cell, 10.0**j, order) for j in range(-8, 9)]
        worst, iterations = max(m for m, _ in missed), max(i for _, i in missed)
        claims.append(Claim(f"contrasts 1e-8 .. 1e8, order {order}: sqrt(c) beyond the bracket", worst, ROUNDING))
        claims.append(Claim(f"contrasts 1e-8 .. 1e8, order {order}: iterations", iterations, 25))
    return claims


def _on(cell: UnitCell, contrast: float, order: int) -> tuple[float, int]:
    solution = cs.solve_cell_problem(cell, conductivities(contrast), order=order, tol=1e-3, bounds=True)
    return beyond(solution, contrast), solution.report.iterations


def _row(contrast: float, order: int, refinement: str, solution: CellProblemSolution) -> str:
    report = solution.report
    found = f"{report.error_estimate:.1e} | {midpoint_error(solution, contrast):.1e} | {report.seconds:.1f}"
    return f"| {contrast:g} | {order} | {refinement} | {report.n_dofs} | {found} |"


def run(effort: int = 1) -> list[Claim]:
    claims = contrast_claims(40 if effort else 10, (1, 2, 4) if effort else (2,))
    claims += refinement_claims(10.0, 2, 1e-3)[0]
    return claims + (refinement_claims(100.0, 4, 1e-2)[0] if effort else [])


def main() -> int:
    claims, rows = contrast_claims(40, (1, 2, 4)), [HEAD]
    for contrast, tol, orders in ((10.0, 1e-3, (1, 2, 3, 4)), (100.0, 1e-2, (2, 3, 4))):
        for order in orders:
            more, lines = refinement_claims(contrast, order, tol)
            claims, rows = claims + more, rows + lines
    print("\n".join(rows), end="\n\n")
    return int(print_claims(claims) > 0)


if __name__ == "__main__":
    sys.exit(main())
