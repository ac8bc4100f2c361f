"""Observed order of K_hom: an energy error e of the correctors gives e^2, so elements of order p give h^(2p).

The coefficient is exp(-V) with a V of no symmetry; the reference is a box of much higher order.
"""

from __future__ import annotations

import sys

import numpy as np

import cellsolve as cs
from cellsolve.cells import UnitCell
from cellsolve.validation import Claim, print_claims

V = "0.8*cos(2*pi*y[0])*cos(2*pi*y[1] + 0.7) + 0.3*sin(2*pi*(y[0] + y[1]))" + (
    " + 0.1*cos(2*pi*y[0] + 0.4) + 0.1*sin(2*pi*y[1] + 1)"
)
COEFFICIENT = f"exp(-({V}))"


def square(n: int, shape: str) -> UnitCell:
    """The unit square of n x n squares, whole or cut to triangles."""
    line = np.arange(n + 1) / n
    points = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    corner = np.add.outer(np.arange(n) * (n + 1), np.arange(n)).ravel()
    a, b, c, d = corner, corner + n + 1, corner + n + 2, corner + 1
    quads = np.stack([a, b, c, d], axis=1)
    elements = quads if shape == "quad" else np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    tags = np.zeros(len(elements), dtype=int)
    return UnitCell(f"square {n} x {n}", points, elements, shape, tags, ("cell",), np.eye(2))


def errors(cells: list[cs.UnitCell], order: int, reference: np.ndarray) -> list[float]:
    solutions = [cs.solve_cell_problem(cell, COEFFICIENT, order=order, tol=1e-13) for cell in cells]
    return [float(np.abs(s.tensor - reference).max()) for s in solutions]


def box_errors(order: int, sizes: tuple[int, ...], reference: np.ndarray) -> list[float]:
    solutions = [cs.solve_cell_problem(cs.box_cell(2, n=n, order=order), COEFFICIENT, tol=1e-13) for n in sizes]
    return [float(np.abs(s.tensor - reference).max()) for s in solutions]


def distance(found: list[float], sizes: tuple[int, ...], expected: float) -> float:
    """How far the order between the last two sizes is from the expected one."""
    order = np.log(found[-2] / found[-1]) / np.log(sizes[-1] / sizes[-2])
    return float(abs(order - expected))


def run(effort: int = 1) -> list[Claim]:
    reference = cs.solve_cell_problem(cs.box_cell(2, n=4, order=16), COEFFICIENT, tol=1e-14).tensor
    claims = []
    for shape, order, sizes in (
        ("triangle", 1, (32, 64)),
        ("triangle", 2, (16, 32)),
        ("triangle", 4, (8, 12)),
        ("quad", 2, (16, 32)),
    ):
        cells = [square(n, shape) for n in sizes]
        found = distance(errors(cells, order, reference), sizes, 2 * order)
        claims.append(Claim(f"{shape}s of order {order}: |observed order - {2 * order}|", found, 0.2))
    steps = {2: (16, 32), 3: (12, 24), 4: (8, 16), 5: (5, 8), 6: (4, 7)}
    for order in steps if effort else (2, 4):
        found = distance(box_errors(order, steps[order], reference), steps[order], 2 * order)
        claims.append(Claim(f"box of order {order}: |observed order - {2 * order}|", found, 0.2))
    return claims


def main() -> int:
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(main())
