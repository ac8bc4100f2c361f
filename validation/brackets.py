"""Brackets lower <= K_hom <= upper in the Loewner order: how fast they close, and that they never miss.

gap = O(h^2p) for smooth coefficients;  brackets of one cell on two meshes overlap;  iterations stopped early widen them
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import combinations, product

import numpy as np
from _grid_cells import FloatArray, IntArray, grid_cell
from _random_cells import gaps, random_problem

import cellsolve as cs
from cellsolve.cellproblem.solve import CellProblemSolution
from cellsolve.cells import BoxCell, UnitCell
from cellsolve.validation import Claim, print_claims

SMOOTH = {
    2: "exp(-0.8*cos(2*pi*y[0])*cos(2*pi*y[1] + 0.7) - 0.3*sin(2*pi*(y[0] + y[1])) - 0.1*cos(2*pi*y[0] + 0.4))",
    3: "exp(0.7*sin(2*pi*y[0])*cos(2*pi*y[1] + 0.7) + 0.5*cos(2*pi*(y[1] - y[2]) + 0.3))",
}
ORDERS = (
    ("triangle", 1, (16, 32)),
    ("triangle", 2, (16, 32)),
    ("triangle", 3, (12, 24)),
    ("triangle", 4, (8, 16)),
    ("quad", 1, (16, 32)),
    ("quad", 2, (16, 32)),
    ("box of dimension 2", 1, (16, 32)),
    ("box of dimension 2", 2, (8, 16)),
    ("box of dimension 2", 4, (6, 12)),
    ("tetra", 1, (8, 16)),
    ("tetra", 2, (8, 16)),
    ("hexahedron", 1, (8, 16)),
    ("hexahedron", 2, (8, 16)),
    ("box of dimension 3", 2, (6, 12)),
    ("box of dimension 3", 3, (6, 10)),
)
SPACE = ("tetra", "hexahedron", "box of dimension 3")
QUICK = (("triangle", 2), ("triangle", 4), ("quad", 1), ("box of dimension 2", 2), ("box of dimension 3", 2))
ROUNDING = 1e-11
"""Relative to the norm of upper."""
TOLERANCES = (0.5, 1e-2, 1e-6)
SIZES = {"triangle": 24, "quad": 24, "tetra": 6, "hexahedron": 6}
HEAD = "| cell | order | n | half width | finer n | half width | observed order |\n|---|---|---|---|---|---|---|"


def solved(shape: str, n: int, order: int) -> CellProblemSolution:
    d = 3 if shape in SPACE else 2
    cell: BoxCell | UnitCell = cs.box_cell(d, n=n, order=order) if "box" in shape else grid_cell(shape, n)
    return cs.solve_cell_problem(cell, SMOOTH[d], order=order, tol=1e-12, bounds=True)


def order_claims(shape: str, order: int, sizes: tuple[int, int], reference: FloatArray) -> tuple[list[Claim], str]:
    """The observed order, and that the brackets hold a much better value; a row of the table."""
    found = [solved(shape, n, order) for n in sizes]
    half = [solution.report.error_estimate for solution in found]
    observed = float(np.log(half[0] / half[1]) / np.log(sizes[1] / sizes[0]))
    beyond = max(missed(solution, reference) for solution in found)
    label = f"{shape}s of order {order}" if "box" not in shape else f"{shape}, order {order}"
    claims = [
        Claim(f"{label}: |observed order of the gap - {2 * order}|", abs(observed - 2 * order), 0.25),
        Claim(f"{label}: value beyond the bracket", beyond, ROUNDING),
    ]
    return claims, f"| {shape} | {order} | {sizes[0]} | {half[0]:.2e} | {sizes[1]} | {half[1]:.2e} | {observed:.2f} |"


def missed(solution: CellProblemSolution, value: FloatArray) -> float:
    assert solution.lower is not None
    assert solution.upper is not None
    return max(gaps(solution.lower, value), gaps(value, solution.upper))


def gap_orders(effort: int) -> tuple[list[Claim], list[str]]:
    references = {d: cs.solve_cell_problem(cs.box_cell(d), SMOOTH[d], tol=1e-12).tensor for d in SMOOTH}
    claims, rows = [], []
    for shape, order, sizes in ORDERS:
        if effort or (shape, order) in QUICK:
            more, row = order_claims(shape, order, sizes, references[3 if shape in SPACE else 2])
            claims, rows = claims + more, [*rows, row]
    return claims, rows


def random_claims(count: int) -> list[Claim]:
    """Of each cell and of its refinements, every lower bound is below every upper one, but for rounding."""
    worst, widest = [0.0], [0.0]
    for seed in range(count):
        random = np.random.default_rng(seed)
        problem = random_problem(random)
        found = [problem.bracketed(cell) for cell in (problem.cell, *problem.finer(random))]
        rounding = 1e-13 + 1e-15 * problem.contrast
        pairs = product(found, found)
        worst += [gaps(a.lower, b.upper) / rounding for a, b in pairs if a.lower is not None and b.upper is not None]
        widest.append(max(solution.report.error_estimate for solution in found))
    label = f"{count} random cells and their refinements, half widths to {max(widest):.0e}"
    return [
        Claim(f"{label}: pairs of bounds that miss by more than rounding", sum(w > 1.0 for w in worst), 0),
        Claim(f"{label}: worst miss / rounding (1e-13 + 1e-15 contrast)", max(worst), 1.0),
    ]


def early_claims(shapes: Iterable[str]) -> list[Claim]:
    """Brackets at three tolerances on one cell all overlap; in the plane, where both ends are minima over growing
    spaces, they are nested."""
    claims = []
    for shape, order, k in product(shapes, (1, 2), (1e3, 1e8, 0.0)):
        cell = grid_cell(shape, SIZES[shape], block)
        coefficient = {"0": 1.0, "1": k} if k else SMOOTH[cell.dim]
        found = [
            cs.solve_cell_problem(cell, coefficient, order=order, tol=tol, bounds=True, preconditioner="amg")
            for tol in TOLERANCES
        ]
        pairs = list(combinations(found, 2))
        off = max(missed(a, 0.5 * (b.lower + b.upper)) for a, b in pairs if b.lower is not None and b.upper is not None)
        if cell.dim == 2:
            off = max(off, *(missed(a, T) for a, b in pairs for T in (b.lower, b.upper) if T is not None))
        steps = ", ".join(f"{s.report.error_estimate:.0e} after {s.report.iterations}" for s in found)
        what = f"contrast {k:g}" if k else "smooth"
        claims.append(Claim(f"{shape}s, order {order}, {what} ({steps}): not within each other", off, ROUNDING))
    return claims


def block(y: FloatArray) -> IntArray:
    return np.asarray((np.abs(y - 0.5) < 1.0 / 6.0).all(axis=1), dtype=np.int64)


def run(effort: int = 1) -> list[Claim]:
    return [
        *gap_orders(effort)[0],
        *random_claims(500 if effort else 25),
        *early_claims(SIZES if effort else ("quad", "tetra")),
    ]


def main() -> int:
    claims, rows = gap_orders(1)
    print("\n".join([HEAD, *rows]), end="\n\n")
    return int(print_claims([*claims, *random_claims(500), *early_claims(SIZES)]) > 0)


if __name__ == "__main__":
    sys.exit(main())
