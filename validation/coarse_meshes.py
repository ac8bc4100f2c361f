"""Fixed coarse meshes and boxes: the error that is reported covers the true one, whatever the cell is worth.

Potentials are random, from hot to cold, with references by Fourier collocation (d = 2) or, being additive, by
quadrature on lines (d = 3); composites are compared with themselves on meshes refined twice, or with a closed form.

    python validation/coarse_meshes.py [effort] [--table]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
from _grid_cells import grid_cell
from _nested_fourier import homogenized_tensor
from _random_potentials import RandomPotential, random_potential

import cellsolve as cs
from cellsolve.cells import BoxCell, UnitCell, refined
from cellsolve.validation import Claim, print_claims

MESHES = Path(__file__).resolve().parents[1] / "meshes"
COLDNESS = (1.0, 4.0, 10.0)  # osc(V1) / sigma
FLOOR = 1e-12
Cell = BoxCell | UnitCell
Row = tuple[str, float, float]  # what it is, true relative error, estimate


@cache
def mesh(name: str) -> UnitCell:
    return cs.read_cell(MESHES / name)


def cells_in_the_plane(effort: int) -> list[tuple[str, Cell, tuple[int, ...]]]:
    """(name, cell, orders of elements); boxes have their own order."""
    grids = [(f"{n} x {n} {shape}s", grid_cell(shape, n), (1, 2)) for shape in ("triangle", "quad") for n in (4, 8)]
    boxes = [(f"box n={n} p={p}", cs.box_cell(2, n=n, order=p), (0,)) for n, p in ((2, 4), (4, 2), (4, 6), (8, 3))]
    files = [("square_unstructured.msh", (1, 2, 3, 4)), ("square_quads.msh", (1, 2)), ("square.msh", (2,))]
    if not effort:
        return [grids[0], boxes[1]]
    return [*grids, *boxes, *((name, mesh(name), orders) for name, orders in files)]


def landscapes(count: int, scales: int, coldest: float = 10.0) -> Iterator[RandomPotential]:
    """Random potentials of the plane, each at several temperatures."""
    for seed in range(count):
        given = random_potential(seed, 2, scales, points=1)
        for coldness in (c for c in COLDNESS if c <= coldest):
            yield replace(given, coldness=coldness, sigma=given.sigma * given.coldness / coldness)


def plane_rows(effort: int) -> Iterator[Row]:
    """One scale: M of `homogenize`, and K_hom of `solve_cell_problem`."""
    for given in landscapes(2 if effort else 1, 1):
        K, levels = _boltzmann(given), partial(given.level, x=given.x[0])
        K0, Z = homogenized_tensor(lambda k, y, levels=levels: levels(k, y=y), 2, 1, 99)
        for name, cell, orders in cells_in_the_plane(effort):
            label = f"{name}, osc/sigma = {given.coldness:g}"
            M = cs.homogenize(given.potential, sigma=given.sigma, tol=1e-6, cells=cell).evaluate(given.x)
            yield f"M, {label}", relative(M.diffusion[0], K0 / Z), float(M.error_estimate[0])
            for order in orders:
                solution = cs.solve_cell_problem(cell, K, order=order or 2)
                own = f"K_hom, order {order}, {label}" if order else f"K_hom, {label}"
                yield own, relative(solution.tensor, K0), solution.report.error_estimate


def two_scale_rows(effort: int) -> Iterator[Row]:
    """Two scales, each on a cell of its own."""
    triangles, box = grid_cell("triangle", 4), cs.box_cell(2, n=2, order=4)
    pairs = [("boxes", [box, box]), ("triangles in a box", [box, triangles]), ("a box in triangles", [triangles, box])]
    for given in landscapes(2 if effort else 1, 2, coldest=4.0):
        R, _ = given.reference(given.x[0])
        for name, cells in pairs if effort else pairs[:1]:
            M = cs.homogenize(given.potential, sigma=given.sigma, tol=1e-5, cells=cells).evaluate(given.x)
            label = f"M, N = 2, {name}, osc/sigma = {given.coldness:g}"
            yield label, relative(M.diffusion[0], R), float(M.error_estimate[0])


def space_rows(effort: int) -> Iterator[Row]:
    """Additive potentials in space."""
    V = "cos(2*pi*y1[0]) + 0.7*sin(2*pi*y1[1]) + 0.5*cos(2*pi*y1[2])"
    n = 101
    line = np.arange(n) / n
    parts = np.stack([np.cos(2 * np.pi * line), 0.7 * np.sin(2 * np.pi * line), 0.5 * np.cos(2 * np.pi * line)])
    boxes = [(f"box n={n} p={p}", cs.box_cell(3, n=n, order=p)) for n, p in ((2, 3), (3, 4))]
    files = [(name, mesh(name)) for name in ("cube.msh", "cube_hexes.vtu")] if effort else []
    for coldness in COLDNESS if effort else COLDNESS[:1]:
        sigma = 4.4 / coldness
        R = np.diag(1.0 / (np.exp(-parts / sigma).mean(axis=1) * np.exp(parts / sigma).mean(axis=1)))
        for name, cell in [*boxes, *files]:
            model = cs.homogenize(cs.Potential(V, dim=3, scales=1), sigma=sigma, tol=1e-6, cells=cell)
            M = model.evaluate(np.zeros(3))
            yield f"M, {name}, osc/sigma = {coldness:g}", relative(M.diffusion, R), float(M.error_estimate)


def composite_rows(effort: int) -> Iterator[Row]:
    """Inclusions of contrasts up and down, and a hole."""
    for name in ("square_inclusion.vtu", "hexagonal_inclusion.msh") if effort else ():
        cell = mesh(name)
        first, second = cell.region_names
        for inside in (0.01, 0.2, 10.0, 1000.0):
            K = {first: 1.0, second: inside}
            R = cs.solve_cell_problem(refined(refined(cell)), K, order=2).tensor
            for order in (1, 2):
                solution = cs.solve_cell_problem(cell, K, order=order)
                label = f"{name}, order {order}, contrast {inside:g}"
                yield label, relative(solution.tensor, R), solution.report.error_estimate
    for order in (1, 2, 3):
        solution = cs.solve_cell_problem(mesh("square_hole_quarter.msh"), 1.0, order=order)
        label = f"square_hole_quarter.msh, order {order}"
        yield label, relative(solution.tensor, np.eye(2) / np.sqrt(3.0)), solution.report.error_estimate


def relative(T: np.ndarray, R: np.ndarray) -> float:
    return float(np.linalg.norm(T - R, 2) / np.linalg.norm(R, 2))


def _boltzmann(given: RandomPotential) -> Callable[[np.ndarray], np.ndarray]:
    return lambda y: np.exp(-given.level(1, given.x[0], list(y.T))).reshape(len(y))


def claims(rows: list[Row]) -> list[Claim]:
    over = np.array([estimate / max(error, FLOOR) for _, error, estimate in rows])
    return [
        Claim(f"{len(rows)} results: true error / estimate", float(np.max(1.0 / over)), 1.0),
        Claim("estimate / true error, median", float(np.median(over)), 10.0),
        Claim("the same of one cell problem, at most", _most(rows, over, "K_hom"), 300.0),
        Claim("the same of M, at most (elements of lower order judge meshes)", _most(rows, over, "M"), 5000.0),
    ]


def _most(rows: list[Row], over: np.ndarray, kind: str) -> float:
    """The largest overestimate of M, or of all the others."""
    return max(float(o) for (label, *_), o in zip(rows, over, strict=True) if label.startswith("M,") == (kind == "M"))


def rows_of(effort: int) -> list[Row]:
    return [row for part in (plane_rows, two_scale_rows, space_rows, composite_rows) for row in part(effort)]


def run(effort: int = 1) -> list[Claim]:
    return claims(rows_of(effort))


def main() -> int:
    rows = rows_of(0 if "0" in sys.argv else 1)
    if "--table" in sys.argv:
        for label, error, estimate in rows:
            print(f"{label:64} {error:8.1e} {estimate:8.1e} {estimate / max(error, FLOOR):8.1f}")
    return int(print_claims(claims(rows)) > 0)


if __name__ == "__main__":
    sys.exit(main())
