"""Composites and porous cells with known tensors, at contrasts from 1e-8 to 1e8.

laminate across n: harmonic mean along n, arithmetic across (tensors: Milton 2002, section 9.3), any lattice
square hole of area 1/4: 1/sqrt 3 (Obnosov 1999);    holes and perfect conductors: K[inf] = K[0] / det K[0] (Keller)
islands change nothing;    what does not percolate conducts exactly nothing

A tensor of eigenvalues 1 and c, c > 1, in doubles is off by 1e-16 c in the small one: errors are relative to the norm.
"""

from __future__ import annotations

import sys
from functools import partial
from itertools import product

import numpy as np
from _grid_cells import PORE, FloatArray, IntArray, grid_cell, wavy
from _iterations import HEAD, inclusion, iteration_claims, iteration_rows

import cellsolve as cs
from cellsolve.cells import UnitCell
from cellsolve.validation import Claim, print_claims

SKEW = {2: np.array([[1.0, 0.2], [0.4, 0.9]]), 3: np.array([[1.0, 0.1, 0.0], [0.2, 1.0, 0.3], [0.4, -0.3, 0.8]])}
SHAPES = {"triangle": 2, "quad": 2, "tetra": 3, "hexahedron": 3}
CONTRASTS = (1e-8, 1e-4, 1e-2, 1e2, 1e4, 1e8)
FRACTIONS = [0.25, 0.75]


def layers(y: FloatArray) -> IntArray:
    return np.asarray(y[:, 0] > FRACTIONS[0], dtype=np.int64)


def laminate_error(cell: UnitCell, K: list[FloatArray], order: int) -> float:
    """Of the bracket and its middle, relative to the norm."""
    exact = cs.exact.laminate(K, FRACTIONS, np.linalg.inv(cell.period)[:, 0])
    solution = cs.solve_cell_problem(cell, {"0": K[0], "1": K[1]}, order=order, tol=1e-12, bounds=True)
    found = [T for T in (solution.tensor, solution.lower, solution.upper) if T is not None]
    return float(max(np.linalg.norm(T - exact, 2) for T in found) / np.linalg.norm(exact, 2))


def laminate_claims(shapes: tuple[str, ...], contrasts: tuple[float, ...]) -> list[Claim]:
    """Layers across the first lattice vectors of a square or cube, and of a skew lattice; scalars and tensors."""
    random, claims = np.random.default_rng(1), []
    for shape, contrast in product(shapes, contrasts):
        d = SHAPES[shape]
        drawn = [A @ A.T / d + 0.3 * np.eye(d) for A in random.normal(size=(2, d, d))]
        for label, period in (("laminate", np.eye(d)), ("rotated laminate", SKEW[d])):
            cell = grid_cell(shape, 4, layers, period)
            for kind, K in (("scalars", [np.eye(d), np.eye(d)]), ("tensors", drawn)):
                error = max(laminate_error(cell, [K[0], contrast * K[1]], order) for order in (1, 2))
                claims.append(Claim(f"{label} of {shape}s, {kind}, contrast {contrast:g}: error", error, 1e-10))
    return claims


def centre(y: FloatArray, half: float) -> np.ndarray:
    """What lies within ``half`` of the middle of the cell."""
    return np.asarray((np.abs(y - 0.5) < half).all(axis=1))


def square_hole_claims(tol: float) -> list[Claim]:
    cell = grid_cell("triangle", 4, lambda y: np.where(centre(y, 0.25), PORE, 0))
    solution = cs.solve_cell_problem(cell, 1.0, order=2, tol=tol, bounds=True, refine="adaptive")
    value = cs.exact.square_hole_quarter()
    assert solution.lower is not None
    assert solution.upper is not None
    beyond = max(
        np.linalg.eigvalsh(solution.lower)[-1] / value - 1.0, 1.0 - np.linalg.eigvalsh(solution.upper)[0] / value
    )
    error = np.linalg.norm(solution.tensor / value - np.eye(2), 2)
    return [
        Claim("square hole: 1/sqrt 3 beyond the bracket", max(float(beyond), 0.0), 0.0),
        Claim("square hole: error of the midpoint / half width", float(error) / solution.report.error_estimate, 1.0),
        Claim("square hole: half width of the bracket", solution.report.error_estimate, tol),
    ]


def keller_claims() -> list[Claim]:
    """Holes of a cell, and inclusions of 1e8 in the same places; the middles may be off by the half widths."""
    cell = inclusion("triangle", 32)
    holes = cs.solve_cell_problem(cell.restricted(cell.tags == cell.region_names.index("matrix")), 1.0, bounds=True)
    filled = cs.solve_cell_problem(cell, {"matrix": 1.0, "inclusion": 1e8}, bounds=True)
    dual = cs.exact.keller_dual(holes.tensor)
    error = np.linalg.norm(filled.tensor - dual, 2) / np.linalg.norm(dual, 2)
    allowed = holes.report.error_estimate + filled.report.error_estimate + 1e-7
    return [Claim("holes and conductors of 1e8: error of K[0] / det K[0], bound: half widths", float(error), allowed)]


def porous(shape: str, half: float, n: int) -> UnitCell:
    """A bent grid with a pore in the middle, in which there is an island; regions "0" and, of the island, "1"."""
    return wavy(grid_cell(shape, n, lambda y: np.where(centre(y, half), np.where(centre(y, half / 2), 1, PORE), 0)))


def island_claims() -> list[Claim]:
    claims = []
    for shape, order in product(SHAPES, (1, 2)):
        cell = porous(shape, 0.25, 8)
        bare = cell.restricted(cell.tags == 0)
        with_island, without = (cs.solve_cell_problem(c, 2.0, order=order, bounds=True) for c in (cell, bare))
        change = float(np.linalg.norm(with_island.tensor - without.tensor, 2) / np.linalg.norm(without.tensor, 2))
        claims.append(Claim(f"island among {shape}s, order {order}: change of the tensor", change, 1e-12))
    return claims


def zero_claims() -> list[Claim]:
    """Layers conduct nothing across, bars only along themselves, blocks nothing at all: exactly zero."""
    claims = []
    for shape, dim in SHAPES.items():
        for along in range(dim):
            cell = grid_cell(shape, 4, partial(bars, along))
            solution = cs.solve_cell_problem(cell, 3.0, bounds=True, tol=1e-10)
            exact = np.diag([3.0 * 0.5 ** (dim - along)] * along + [0.0] * (dim - along))
            tensors = [T for T in (solution.lower, solution.tensor, solution.upper) if T is not None]
            across = max(float(np.abs(T[along:]).max()) for T in tensors)
            error = max(float(np.abs(T - exact).max()) for T in tensors)
            claims.append(Claim(f"{shape}s that conduct along {along} axes: conductivity across", across, 0.0))
            claims.append(Claim(f"{shape}s that conduct along {along} axes: error", error, 1e-10))
    return claims


def bars(along: int, y: FloatArray) -> IntArray:
    """Half of the cell across each axis but the first ones, along which they run on."""
    return np.where((np.abs(y[:, along:] - 0.5) < 0.25).all(axis=1), 0, PORE)


def run(effort: int = 1) -> list[Claim]:
    contrasts, shapes = (CONTRASTS, tuple(SHAPES)) if effort else ((1e-8, 1e2), ("triangle", "tetra"))
    claims = [*laminate_claims(shapes, contrasts), *square_hole_claims(1e-4 if effort else 1e-2), *keller_claims()]
    return [*claims, *island_claims(), *zero_claims(), *iteration_claims(effort)]


def main() -> int:
    print("\n".join([HEAD, *iteration_rows(1)]), end="\n\n")
    return int(print_claims(run()) > 0)


if __name__ == "__main__":
    sys.exit(main())
